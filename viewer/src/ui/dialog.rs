//! A dialog: its title is a sentence, the keyboard stays inside, Esc takes the safe way out, focus returns after.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, KeyboardEvent};

use crate::web;

const FOCUSABLE: &str =
    "a[href], button:not(:disabled), input, select, textarea, iframe, [tabindex]:not([tabindex='-1'])";

/// `class` is added to the 480 px default: `wide` or `sheet`. An element with `data-first` gets the focus.
#[component]
pub fn Dialog(
    title: String,
    on_close: Callback<()>,
    #[prop(optional)] class: &'static str,
    #[prop(optional)] testid: &'static str,
    children: Children,
) -> impl IntoView {
    let panel = NodeRef::<leptos::html::Div>::new();
    let back = StoredValue::new_local(web::active());
    Effect::new(move |_| {
        if let Some(panel) = panel.get() {
            focus_first(&panel);
        }
    });
    on_cleanup(move || {
        if let Some(Some(element)) = back.try_get_value() {
            web::focus(&element);
        }
    });
    let on_key = move |event: KeyboardEvent| {
        if web::pressed(&event, "Escape") {
            event.stop_propagation();
            on_close.run(());
        } else if event.key() == "Tab"
            && let Some(panel) = panel.get_untracked()
        {
            keep_inside(&panel, &event);
        }
    };
    let sheet = class == "sheet";
    view! {
        <div class="veil" on:keydown=on_key>
            <div node_ref=panel class=format!("dialog {class}") role="dialog" aria-modal="true" aria-label=title.clone()
                data-testid=testid tabindex="-1">
                {(!sheet).then(|| view! { <h2>{title.clone()}</h2> })}
                {children()}
            </div>
        </div>
    }
}

fn inside(panel: &HtmlElement) -> Vec<HtmlElement> {
    let Ok(list) = panel.query_selector_all(FOCUSABLE) else { return Vec::new() };
    (0..list.length()).filter_map(|n| list.get(n)?.dyn_into().ok()).collect()
}

fn focus_first(panel: &HtmlElement) {
    let wanted = panel.query_selector("[data-first]").ok().flatten().and_then(|element| element.dyn_into().ok());
    let first = wanted.or_else(|| inside(panel).into_iter().next());
    web::focus(first.as_ref().unwrap_or(panel));
}

fn keep_inside(panel: &HtmlElement, event: &KeyboardEvent) {
    let all = inside(panel);
    let (Some(first), Some(last)) = (all.first(), all.last()) else { return };
    let here = web::active();
    let (edge, other) = if event.shift_key() { (first, last) } else { (last, first) };
    if here.as_ref() == Some(edge) {
        event.prevent_default();
        web::focus(other);
    }
}
