//! Where an integrator's account lands: it is for programs.

use leptos::prelude::*;

use crate::i18n::{say, t};
use crate::ui::{TopBar, empty};

#[component]
pub fn MachinePage() -> impl IntoView {
    view! {
        <TopBar place=t(say::APP).to_owned()><span></span></TopBar>
        <main>{empty("keyboard", t(say::MACHINE_ACCOUNT).to_owned(), t(say::MACHINE_HELP), None)}</main>
    }
}
