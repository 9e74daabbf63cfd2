//! A button that copies a text and says whether the clipboard took it.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::icon;
use crate::i18n::{say, t};
use crate::web;

pub fn copy_button(text: String) -> impl IntoView {
    let copied = RwSignal::new(None::<bool>);
    let copy = move |_| {
        let text = text.clone();
        spawn_local(async move {
            let done = web::copy(&text).await;
            copied.try_set(Some(done));
        });
    };
    let word = move || match copied.get() {
        None => t(say::COPY),
        Some(true) => t(say::COPIED),
        Some(false) => t(say::COPY_REFUSED),
    };
    view! { <button class="button" data-testid="copy-text" on:click=copy>{icon("copy")}<span role="status">{word}</span></button> }
}
