//! The operator's desk: where each patient's study is, and the one thing to do next. Clinicians see the same, read only.

mod bar;
mod begun;
mod fresh;
mod list;
mod manage;
mod panel;
mod place;
mod question;
mod refusals;
mod report;
mod row;
mod store;

use leptos::prelude::*;
use wire::Role;

pub use begun::KEYS as BEGUN;
pub use place::forget as forget_place;
pub use row::exam;

use crate::app::{App, set_hash};
use crate::i18n::{say, t};
use crate::ui::{KeyLine, KeysOverlay, LineMark, TopBar, icon};
use crate::web;
use bar::EventBar;
use list::CaseTable;
use panel::SidePanel;
use report::{Opened, ReportSheet};
use store::Store;

const KEYS: &[KeyLine] = &[
    ("/", say::KEY_SEARCH),
    ("↑ ↓", say::KEY_MOVE),
    ("Enter", say::KEY_OPEN),
    ("Ctrl+P", say::KEY_PRINT),
    ("F4", say::KEY_BAR),
    ("F2", say::O_KEY_REGISTER),
    ("Esc", say::KEY_CLOSE),
    ("F1", say::KEY_HELP),
];

#[component]
pub fn DeskPage() -> impl IntoView {
    let app = expect_context::<App>();
    let Some(me) = app.me.get_untracked() else { return ().into_any() };
    let store = Store::start(app);
    let opened = RwSignal::new(None::<Opened>);
    provide_context(store);
    provide_context(opened);
    let keys = RwSignal::new(false);
    watch_keys(store, opened, me.role);

    let of_center = me.site.is_none();
    let place = me.site.as_ref().map_or_else(|| me.center.clone(), |site| site.name.clone());
    let below = if me.role == Role::Clinician { t(say::READ_ONLY).to_owned() } else { String::new() };
    let choosing = move || store.selected.get().is_some();
    view! {
        <div class="desk-page" class:with-panel=choosing data-testid="desk">
            <TopBar place=place below=below>
                {of_center.then(|| view! { <a class="button bare" href="#">{icon("back")}{t(say::BOARD)}</a> })}
                {(me.role == Role::Operator).then(|| view! { <a class="button outline" href="#orders" data-testid="to-orders">{icon("pen")}{t(say::O_REGISTER)}" "<kbd>"F2"</kbd></a> })}
                <LineMark/>
                <button class="button bare keys-button" aria-label=t(say::ALL_KEYS) on:click=move |_| keys.set(true)>{icon("keyboard")}<kbd>"F1"</kbd></button>
            </TopBar>
            <main class="desk-main">
                <CaseTable of_center=of_center/>
                <SidePanel editable={me.role == Role::Operator}/>
            </main>
            <EventBar/>
            <ReportSheet/>
            <KeysOverlay lines=&[KEYS] open=keys/>
        </div>
    }
    .into_any()
}

fn watch_keys(store: Store, opened: RwSignal<Option<Opened>>, role: Role) {
    let handle = window_event_listener(leptos::ev::keydown, move |event| {
        if opened.with_untracked(Option::is_some) {
            return;
        }
        if web::pressed(&event, "/") && !web::typing() {
            event.prevent_default();
            web::focus_selector("#search");
        } else if web::pressed(&event, "ArrowDown") || web::pressed(&event, "ArrowUp") {
            list::enter(&event);
        } else if web::pressed(&event, "Escape") && !web::typing() {
            store.selected.set(None);
        } else if web::pressed(&event, "F2") && role == Role::Operator && !web::dialog_open() {
            event.prevent_default();
            set_hash("orders");
        } else if web::pressed(&event, "Ctrl+P") {
            event.prevent_default();
            match store.printable() {
                Some(row) => opened.set(Opened::of(&row, true)),
                None => store.say(say::PRINT_NOTHING),
            }
        } else if web::pressed(&event, "F4")
            && let Some(row) = store.fresh.with_untracked(|fresh| fresh.newest().cloned())
        {
            event.prevent_default();
            opened.set(Opened::of(&row, false));
        }
    });
    on_cleanup(move || handle.remove());
}
