//! A report editor: a plain text field (input methods work in it as anywhere), with the blanks marked behind the text.

use leptos::html::Textarea;
use leptos::prelude::*;
use web_sys::{HtmlTextAreaElement, KeyboardEvent};

use super::checks::{self, Span};
use crate::web;

/// `id` also names the field in tests. `text` is what the writer sees and types.
#[component]
pub fn Editor(
    id: &'static str,
    label: &'static str,
    text: RwSignal<String>,
    locked: Signal<bool>,
    on_typed: Callback<()>,
) -> impl IntoView {
    let field = NodeRef::<Textarea>::new();
    // The field's own text is touched only when it differs, so the caret stays where it is.
    Effect::new(move |_| {
        let wanted = text.get();
        if let Some(field) = field.get()
            && field.value() != wanted
        {
            field.set_value(&wanted);
        }
    });
    let typed = move |event: leptos::ev::Event| {
        text.set(event_target::<HtmlTextAreaElement>(&event).value());
        on_typed.run(());
    };
    let marked = move || {
        let piece = |(blank, piece): (bool, String)| match blank {
            true => view! { <mark class="slot">{piece}</mark> }.into_any(),
            false => view! { <span>{piece}</span> }.into_any(),
        };
        // A line break at the very end needs something after it to have a height.
        let mut views = checks::pieces(&text.get()).into_iter().map(piece).collect::<Vec<_>>();
        views.push(view! { <span>"\u{200b}"</span> }.into_any());
        views
    };
    view! {
        <div class="editor">
            <div class="editor-mark" aria-hidden="true">{marked}</div>
            <textarea node_ref=field id=id data-testid=id aria-label=label spellcheck="false" autocomplete="off" maxlength="20000"
                readonly=move || locked.get() on:input=typed></textarea>
        </div>
    }
}

/// A text nobody changes here: words on the page, not a field that takes no letters.
#[component]
pub fn ReadText(id: &'static str, label: &'static str, text: RwSignal<String>) -> impl IntoView {
    view! { <p class="read-text" id=id data-testid=id role="group" aria-label=label tabindex="-1">{move || text.get()}</p> }
}

fn field(id: &str) -> Option<HtmlTextAreaElement> {
    use wasm_bindgen::JsCast;
    document().get_element_by_id(id)?.dyn_into().ok()
}

fn selection(field: &HtmlTextAreaElement) -> Span {
    let start = field.selection_start().ok().flatten().unwrap_or(0);
    (start, field.selection_end().ok().flatten().unwrap_or(start))
}

fn select(field: &HtmlTextAreaElement, (start, end): Span) {
    field.focus().ok();
    field.set_selection_range(start, end).ok();
}

/// Tab and Shift+Tab: to the blank after or before the caret, across the editors and round again. False: no blank is open, so
/// the key does what it does anywhere.
pub fn jump(ids: &[&str], event: &KeyboardEvent) -> bool {
    if event.is_composing() || event.ctrl_key() || event.alt_key() || event.meta_key() {
        return false;
    }
    let here = web::active().and_then(|element| ids.iter().position(|id| element.id() == *id));
    let fields: Option<Vec<HtmlTextAreaElement>> = ids.iter().map(|id| field(id)).collect();
    let (Some(here), Some(fields)) = (here, fields) else { return false };
    let texts: Vec<String> = fields.iter().map(HtmlTextAreaElement::value).collect();
    match checks::turn_to(&texts, here, selection(&fields[here]), !event.shift_key()) {
        Some((at, slot)) => {
            select(&fields[at], slot);
            true
        }
        None => false,
    }
}

/// Selects the first blank of all, if one is open.
pub fn first_blank(ids: &[&str]) -> bool {
    for id in ids {
        if let Some(field) = field(id)
            && let Some(slot) = checks::slots(&field.value()).first()
        {
            select(&field, *slot);
            return true;
        }
    }
    false
}

/// Puts `words` where the caret is in `id`, over a selected blank or the next one there.
pub fn insert(id: &str, words: &str) -> Option<String> {
    let field = field(id)?;
    let caret = selection(&field);
    let (start, end) =
        if caret.0 == caret.1 { checks::next_slot(&field.value(), caret, true).unwrap_or(caret) } else { caret };
    field.set_selection_range(start, end).ok()?;
    field.set_range_text(words).ok()?;
    let after = start + u32::try_from(words.encode_utf16().count()).ok()?;
    field.set_selection_range(after, after).ok()?;
    Some(field.value())
}
