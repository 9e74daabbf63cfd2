//! All keys of a page, on F1.

use leptos::prelude::*;

use super::Dialog;
use crate::i18n::{Text, say, t};
use crate::web;

/// The keys as people write them, and what they do.
pub type KeyLine = (&'static str, Text);

/// `lines`: the page's own, then those of its parts. Opens on F1 wherever the keyboard is; `open` also opens it from a button.
#[component]
pub fn KeysOverlay(lines: &'static [&'static [KeyLine]], open: RwSignal<bool>) -> impl IntoView {
    let handle = window_event_listener(leptos::ev::keydown, move |event| {
        if web::pressed(&event, "F1") {
            event.prevent_default();
            open.update(|open| *open = !*open);
        }
    });
    on_cleanup(move || handle.remove());
    let close = Callback::new(move |()| open.set(false));
    move || {
        open.get().then(|| {
            view! {
                <Dialog title=t(say::ALL_KEYS).to_owned() on_close=close class="wide" testid="keys">
                    <dl class="keys">
                        {lines.iter().copied().flatten().map(|(key, does)| view! {
                            <div><dt><kbd>{*key}</kbd></dt><dd>{t(*does)}</dd></div>
                        }).collect_view()}
                    </dl>
                    <div class="actions">
                        <span></span>
                        <button class="button" data-first="" on:click=move |_| open.set(false)>{t(say::CLOSE)}" "<kbd>"Esc"</kbd></button>
                    </div>
                </Dialog>
            }
        })
    }
}
