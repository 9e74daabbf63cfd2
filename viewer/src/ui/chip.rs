//! Urgency: icon and word; weight says how urgent, never hue.

use leptos::prelude::*;
use wire::Urgency;

use super::icon;
use crate::i18n::{self, t};

pub fn urgency_chip(urgency: Urgency) -> impl IntoView {
    view! {
        <span class=format!("chip {urgency}") data-urgency=urgency.word()>
            {icon(urgency.word())}
            <span>{t(i18n::urgency(urgency))}</span>
        </span>
    }
}
