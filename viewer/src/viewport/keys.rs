//! Keys of the viewport, acting only while the image has the keyboard.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, KeyboardEvent};

use super::desk::{Desk, Tool};
use super::geometry::Camera;
use super::{strip, transport};
use crate::web;

/// Does what a key asks for; `true` where the key was ours.
pub fn pressed(desk: Desk, event: &KeyboardEvent) -> bool {
    if event.ctrl_key()
        || event.alt_key()
        || event.meta_key()
        || event.is_composing()
        || web::typing()
        || is_buttons(event)
    {
        return false;
    }
    let pane = desk.focused_untracked();
    match event.key().as_str() {
        "t" | "T" => desk.tool.set(Tool::Scroll),
        "w" | "W" => desk.tool.set(Tool::Window),
        "z" | "Z" => desk.tool.set(Tool::Zoom),
        "m" | "M" => desk.tool.set(Tool::Pan),
        "d" | "D" => desk.tool.set(Tool::Distance),
        "1" | "2" | "3" => strip::window(desk, event.key().chars().next().unwrap_or('1')),
        "0" => strip::auto(desk),
        "v" | "V" => strip::invert(desk),
        "b" | "B" => pane.camera.update(|c| *c = c.turned()),
        "h" | "H" => pane.camera.update(|c| *c = c.flipped()),
        "f" | "F" => strip::fit_or_one(pane),
        "l" | "L" => strip::layout(desk),
        "ArrowUp" => transport::nudge(desk, pane, -1),
        "ArrowDown" => transport::nudge(desk, pane, 1),
        "," => transport::nudge(desk, pane, -1),
        "." => transport::nudge(desk, pane, 1),
        "PageUp" => desk.step_stack(pane, -1),
        "PageDown" => desk.step_stack(pane, 1),
        "Home" => desk.go(pane, 0),
        "End" => desk.go_last(pane),
        " " => transport::toggle(pane),
        "[" => transport::loop_in(pane),
        "]" => transport::loop_out(pane),
        "Escape" => pane.camera.set(Camera::default()),
        "Delete" | "Backspace" => delete_last(desk),
        _ => return false,
    }
    true
}

/// Space and Enter belong to a button that has the focus.
fn is_buttons(event: &KeyboardEvent) -> bool {
    let key = event.key();
    let target = event.target().and_then(|t| t.dyn_into::<Element>().ok());
    (key == " " || key == "Enter") && target.is_some_and(|t| matches!(t.tag_name().as_str(), "BUTTON" | "A"))
}

/// Removes the newest distance on the frame in view.
fn delete_last(desk: Desk) {
    let Some(key) = desk.focused_untracked().shown_key() else { return };
    desk.measures.update(|all| {
        if let Some(last) = all.iter().rposition(|m| m.key == key) {
            all.remove(last);
        }
    });
}
