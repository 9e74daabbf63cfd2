//! What a list shows when it has nothing, failed, or is still coming: what, what to do, one button.

use leptos::prelude::*;

use super::icon;
use crate::api::Fault;
use crate::i18n::{say, t};

pub fn empty(mark: &'static str, what: String, what_to_do: &'static str, button: Option<AnyView>) -> impl IntoView {
    view! {
        <div class="state" data-testid="state-empty">
            {icon(mark)}
            <p class="what">{what}</p>
            <p>{what_to_do}</p>
            {button}
        </div>
    }
}

pub fn failed(fault: &Fault, again: Callback<()>) -> impl IntoView + use<> {
    let text = fault.text();
    let (what, what_to_do) = text.split_once(['。', '.']).unwrap_or((&text, ""));
    view! {
        <div class="state bad" role="alert" data-testid="state-error" data-code=fault.code().to_owned()>
            {icon("warn")}
            <p class="what">{what.to_owned()}</p>
            <p>{what_to_do.trim().to_owned()}</p>
            <button class="button" on:click=move |_| again.run(())>{icon("refresh")}{t(say::RETRY)}</button>
        </div>
    }
}

/// Rows of the height the real ones will have.
pub fn loading_rows(count: usize, class: &'static str) -> impl IntoView {
    view! {
        <div role="status" aria-label=t(say::LOADING) data-testid="state-loading">
            {(0..count).map(|_| view! { <div class=format!("{class} waiting")><span class="skeleton"></span></div> }).collect_view()}
        </div>
    }
}
