//! The browser's small services: storage, focus, console. Each answers sensibly where the browser refuses.

use leptos::prelude::{document, window};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{HtmlElement, KeyboardEvent};

/// For programming errors only; never names, ids of patients or text of reports.
pub fn log_error(text: &str) {
    let console = js_sys::Reflect::get(&js_sys::global(), &JsValue::from_str("console"));
    let error = console.and_then(|console| Ok((js_sys::Reflect::get(&console, &JsValue::from_str("error"))?, console)));
    if let Ok((error, console)) = error
        && let Some(error) = error.dyn_ref::<js_sys::Function>()
    {
        error.call1(&console, &JsValue::from_str(text)).ok();
    }
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

pub fn recall(key: &str) -> Option<String> {
    storage()?.get_item(key).ok().flatten()
}

/// Whether the browser kept it (private windows and full disks refuse).
pub fn keep(key: &str, value: &str) -> bool {
    storage().is_some_and(|storage| storage.set_item(key, value).is_ok())
}

pub fn forget(key: &str) {
    if let Some(storage) = storage() {
        storage.remove_item(key).ok();
    }
}

/// `data-setting` chooses the tokens: `desk` or `room`.
pub fn set_setting(name: &str) {
    set_root("data-setting", name);
}

pub fn set_root(attribute: &str, value: &str) {
    if let Some(root) = document().document_element() {
        root.set_attribute(attribute, value).ok();
    }
}

pub fn active() -> Option<HtmlElement> {
    document().active_element()?.dyn_into().ok()
}

pub fn focus(element: &HtmlElement) {
    element.focus().ok();
}

pub fn focus_selector(selector: &str) {
    if let Ok(Some(element)) = document().query_selector(selector)
        && let Ok(element) = element.dyn_into::<HtmlElement>()
    {
        focus(&element);
    }
}

/// Whether a dialog is on the page.
pub fn dialog_open() -> bool {
    document().query_selector("[role=dialog]").ok().flatten().is_some()
}

/// Whether typing goes into a text field.
pub fn typing() -> bool {
    active().is_some_and(|element| matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT"))
}

/// `combo` reads "Ctrl+Enter", "Shift+Tab", "F6", "/". Cmd counts as Ctrl. Never during input-method composition.
pub fn pressed(event: &KeyboardEvent, combo: &str) -> bool {
    if event.is_composing() {
        return false;
    }
    let (mut ctrl, mut shift, mut alt, mut key) = (false, false, false, combo);
    while let Some((modifier, rest)) = key.split_once('+').filter(|(_, rest)| !rest.is_empty()) {
        match modifier {
            "Ctrl" => ctrl = true,
            "Shift" => shift = true,
            "Alt" => alt = true,
            _ => return false,
        }
        key = rest;
    }
    let named = key.chars().count() > 1;
    (event.ctrl_key() || event.meta_key()) == ctrl
        && event.alt_key() == alt
        && (!named || event.shift_key() == shift)
        && event.key().eq_ignore_ascii_case(key)
}

pub fn copy(text: &str) {
    // Fire and forget: where the clipboard is refused, the text stays selectable on the page.
    drop(window().navigator().clipboard().write_text(text));
}

/// Whether a pointer that can hover is over an element matching `selector`.
pub fn hovered(selector: &str) -> bool {
    document().query_selector(&format!("{selector}:hover")).ok().flatten().is_some()
}
