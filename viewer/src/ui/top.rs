//! The bar at the top of a desk page: where one is, how the line is, who one is.

use leptos::html::Div;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use web_sys::{EventTarget, FocusEvent};
use wire::Me;

use super::icon;
use crate::api;
use crate::app::App;
use crate::clock;
use crate::i18n::{self, Lang, fill, say, t};
use crate::live::Line;

#[component]
pub fn TopBar(place: String, #[prop(optional)] below: String, children: Children) -> impl IntoView {
    let day = move || clock::long_day(clock::ticks().quarter.get());
    view! {
        <header class="topbar">
            <span class="logo-mark">{icon("logo")}</span>
            <h1 class="place clip" data-testid="place">{place}</h1>
            <span class="quiet day">{day}</span>
            <span class="quiet small clip">{below}</span>
            <span class="grow"></span>
            {children()}
            <PersonMenu/>
        </header>
    }
}

/// Whether changes arrive as they happen.
#[component]
pub fn LineMark() -> impl IntoView {
    let line = expect_context::<App>().line;
    move || {
        let (mark, word, tone) = match line.get() {
            Line::Live => ("line", say::LINE_LIVE, "quiet"),
            Line::Connecting => ("line", say::LINE_CONNECTING, "faint"),
            Line::Cut => ("line-off", say::LINE_CUT, "amber"),
            Line::Polling => ("line-off", say::LINE_POLLING, "amber"),
        };
        let title = api::round_trip_ms().map(|ms| fill(say::LINE_MS, &[&ms.to_string()]));
        view! { <span class=format!("line-mark {tone}") title=title data-testid="line">{icon(mark)}" "<span class="word">{t(word)}</span></span> }
    }
}

/// Name and role; language and signing out behind it.
#[component]
pub fn PersonMenu() -> impl IntoView {
    let app = expect_context::<App>();
    let open = RwSignal::new(false);
    let Some(me) = app.me.get_untracked() else { return ().into_any() };
    let label = fill(say::MENU_OF, &[&me.name]);
    let Me { name, title, role, .. } = me;
    let title = if title.is_empty() { t(i18n::role(role)).to_owned() } else { title };
    let leave = move |_| spawn_local(async move { app.sign_out().await });
    let menu = NodeRef::<Div>::new();
    let outside = move |target: Option<EventTarget>| {
        let inside =
            menu.get_untracked().is_some_and(|menu| menu.contains(target.and_then(|t| t.dyn_into().ok()).as_ref()));
        if open.get_untracked() && !inside {
            open.set(false);
        }
    };
    let pressed = window_event_listener(leptos::ev::pointerdown, move |event| outside(event.target()));
    on_cleanup(move || pressed.remove());
    // The keyboard left it; a page that loses the focus as a whole leaves it open.
    let left = move |event: FocusEvent| {
        if event.related_target().is_some() {
            outside(event.related_target());
        }
    };
    let other = move |_| app.speak(if i18n::chosen() == Lang::Zh { Lang::En } else { Lang::Zh });
    view! {
        <div node_ref=menu class="menu who" on:focusout=left on:keydown=move |event| if event.key() == "Escape" { open.set(false) }>
            <button class="button bare" aria-label=label aria-expanded=move || open.get().to_string()
                data-testid="person" on:click=move |_| open.update(|open| *open = !*open)>
                <b>{name}</b>" "<span class="quiet title">{title}</span>{icon("down")}
            </button>
            {move || open.get().then(|| view! {
                <div class="sheet">
                    <button on:click=other data-testid="language">{icon("globe")}{t(say::LANG_SWITCH)}</button>
                    <button on:click=leave data-testid="sign-out">{icon("out")}{t(say::SIGN_OUT)}</button>
                </div>
            })}
        </div>
    }
    .into_any()
}
