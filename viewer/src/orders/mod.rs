//! 检查登记: an operator registers what is to be examined, and the site's devices find it on their worklist.
//!
//! The list of a day on the left, the form on the right; the form is always open, so that the next patient is one Tab away.
//! What was typed and not sent stays on this machine, but for the national number.

mod draft;
mod form;
mod list;
mod rules;
mod store;

use leptos::prelude::*;

pub use draft::KEYS as DRAFTS;

use crate::app::App;
use crate::i18n::{say, t};
use crate::ui::{KeyLine, KeysOverlay, LineMark, TopBar, icon};
use crate::web;
use form::OrderPanel;
use list::OrderTable;
use store::Store;

const KEYS: &[KeyLine] = &[
    ("F2", say::O_KEY_NEW),
    ("Ctrl+Enter", say::O_KEY_SEND),
    ("↑ ↓", say::KEY_MOVE),
    ("Enter", say::O_KEY_OPEN),
    ("Esc", say::O_KEY_BACK),
    ("F1", say::KEY_HELP),
];

#[component]
pub fn OrdersPage() -> impl IntoView {
    let app = expect_context::<App>();
    let Some(me) = app.me.get_untracked() else { return ().into_any() };
    let store = Store::start(app);
    provide_context(store);
    let keys = RwSignal::new(false);
    watch_keys(store);
    let place = me.site.as_ref().map_or_else(|| me.center.clone(), |site| site.name.clone());
    view! {
        <div class="desk-page" data-testid="orders">
            <TopBar place=place>
                <a class="button bare" href="#" data-testid="to-desk">{icon("back")}{t(say::ALL_CASES)}</a>
                <LineMark/>
                <button class="button bare keys-button" aria-label=t(say::ALL_KEYS) on:click=move |_| keys.set(true)>{icon("keyboard")}<kbd>"F1"</kbd></button>
            </TopBar>
            <main class="desk-main order-main">
                <OrderTable/>
                <OrderPanel/>
            </main>
            <KeysOverlay lines=&[KEYS] open=keys/>
        </div>
    }
    .into_any()
}

fn watch_keys(store: Store) {
    let handle = window_event_listener(leptos::ev::keydown, move |event| {
        if web::dialog_open() {
            return;
        }
        if web::pressed(&event, "F2") {
            event.prevent_default();
            store.begin_anew();
        } else if web::pressed(&event, "Escape") {
            store.leave_change();
        }
    });
    on_cleanup(move || handle.remove());
}
