//! The browser's small services: storage, focus, console. Each answers sensibly where the browser refuses.

use std::cell::RefCell;
use std::collections::HashMap;

use leptos::prelude::{document, window};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlElement, HtmlTextAreaElement, KeyboardEvent};

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

thread_local! {
    /// What the browser would not keep: it lives as long as the page does.
    static HERE: RefCell<HashMap<String, String>> = RefCell::default();
}

/// None where the browser refuses (private windows, policies), and outside of one.
fn storage() -> Option<web_sys::Storage> {
    if cfg!(target_arch = "wasm32") { window().local_storage().ok().flatten() } else { None }
}

pub fn recall(key: &str) -> Option<String> {
    let here = HERE.with_borrow(|here| here.get(key).cloned());
    here.or_else(|| storage()?.get_item(key).ok().flatten())
}

/// Whether the browser kept it (private windows and full disks refuse); else this page keeps it while it is open.
pub fn keep(key: &str, value: &str) -> bool {
    let kept = storage().is_some_and(|storage| storage.set_item(key, value).is_ok());
    HERE.with_borrow_mut(|here| match kept {
        true => here.remove(key),
        false => here.insert(key.to_owned(), value.to_owned()),
    });
    kept
}

pub fn forget(key: &str) {
    HERE.with_borrow_mut(|here| here.remove(key));
    if let Some(storage) = storage() {
        storage.remove_item(key).ok();
    }
}

/// Whether something under a key that begins with `prefix` would go with this page.
pub fn only_here(prefix: &str) -> bool {
    HERE.with_borrow(|here| here.keys().any(|key| key.starts_with(prefix)))
}

pub fn set_title(title: &str) {
    document().set_title(title);
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

/// Whether something on the page matches `selector`.
pub fn exists(selector: &str) -> bool {
    document().query_selector(selector).ok().flatten().is_some()
}

/// Another window beside this one, on an address of the application.
pub fn open_beside(hash: &str) {
    window().open_with_url_and_target(hash, "_blank").ok();
}

/// Closes a window that was opened beside another. Where the browser refuses, it stays.
pub fn close() {
    window().close().ok();
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

/// The browser's own question, in its own words.
pub fn ask_before_leaving(event: &web_sys::BeforeUnloadEvent) {
    event.prevent_default();
    // Some browsers ask only where this is not empty; none shows it.
    event.set_return_value("unsaved");
}

/// Whether the clipboard has it now. Browsers offer the newer way on secure pages only.
pub async fn copy(text: &str) -> bool {
    let clipboard = js_sys::Reflect::get(&window().navigator(), &JsValue::from_str("clipboard"));
    let written = match clipboard {
        Ok(clipboard) if clipboard.is_object() => {
            let clipboard: web_sys::Clipboard = clipboard.unchecked_into();
            JsFuture::from(clipboard.write_text(text)).await.is_ok()
        }
        _ => false,
    };
    written || copy_selected(text).unwrap_or(false)
}

/// The older way: what is selected in a field, by a command of the document.
fn copy_selected(text: &str) -> Option<bool> {
    let before = active();
    let field: HtmlTextAreaElement = document().create_element("textarea").ok()?.dyn_into().ok()?;
    field.set_value(text);
    field.set_class_name("sr");
    // Inside a dialog, where the focus may go.
    let home = document().query_selector("[role=dialog], body").ok().flatten()?;
    home.append_child(&field).ok()?;
    field.select();
    let command = js_sys::Reflect::get(&document(), &JsValue::from_str("execCommand")).ok()?;
    let copied = command.dyn_ref::<js_sys::Function>()?.call1(&document(), &JsValue::from_str("copy"));
    field.remove();
    if let Some(before) = before {
        focus(&before);
    }
    copied.ok()?.as_bool()
}

/// Whether this browser shows a PDF inside a page; phones mostly do not. One that does not say is taken to.
pub fn shows_pdf() -> bool {
    let said = js_sys::Reflect::get(&window().navigator(), &JsValue::from_str("pdfViewerEnabled"));
    said.ok().and_then(|said| said.as_bool()).unwrap_or(true)
}

/// An address inside this page for what the browser holds, until it is forgotten.
pub fn address_of(blob: &web_sys::Blob) -> Option<String> {
    web_sys::Url::create_object_url_with_blob(blob).ok()
}

pub fn forget_address(address: &str) {
    web_sys::Url::revoke_object_url(address).ok();
}

/// Whether the pointer or the focus is in an element matching `selector`.
pub fn attended(selector: &str) -> bool {
    let either = format!("{selector}:hover, {selector}:focus-within");
    document().query_selector(&either).ok().flatten().is_some()
}

/// Whether a pointer that can hover is over an element matching `selector`.
pub fn hovered(selector: &str) -> bool {
    document().query_selector(&format!("{selector}:hover")).ok().flatten().is_some()
}
