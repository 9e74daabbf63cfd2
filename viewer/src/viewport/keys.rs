//! Keys of the viewport, acting only while the image has the keyboard.

use leptos::prelude::*;
use pixel::{View, window::as_window};
use wasm_bindgen::JsCast;
use web_sys::{Element, KeyboardEvent};

use super::desk::{Desk, Tool};
use super::geometry::Camera;
use super::{levels, pane, strip, transport};
use crate::i18n::say;
use crate::ui::KeyLine;
use crate::web;

/// What they do, for the list on F1.
pub const KEYS: &[KeyLine] = &[
    ("↑ ↓", say::KEY_SLICE),
    ("PgUp PgDn", say::KEY_SERIES),
    ("Home End", say::KEY_ENDS),
    ("T W Z M", say::KEY_TOOLS),
    ("D Del", say::KEY_DISTANCE),
    ("1 2 3 0", say::KEY_PRESETS),
    ("Shift+← → ↑ ↓", say::KEY_WINDOW),
    ("+ −", say::KEY_ZOOM),
    ("F", say::KEY_FIT),
    ("V B H", say::KEY_TURN),
    ("L", say::KEY_LAYOUT),
    ("Space , .", say::KEY_PLAY),
    ("[ ]", say::KEY_LOOP),
];

/// A press enlarges by this.
const LARGER: f64 = 1.25;

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
        "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown" if event.shift_key() => window(desk, &event.key()),
        "+" | "=" => zoom(desk, LARGER),
        "-" | "_" => zoom(desk, 1.0 / LARGER),
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

/// Wider with →, narrower with ←; brighter with ↑, darker with ↓.
fn window(desk: Desk, arrow: &str) {
    let (wider, brighter) = match arrow {
        "ArrowLeft" => (-1.0, 0.0),
        "ArrowRight" => (1.0, 0.0),
        "ArrowUp" => (0.0, 1.0),
        _ => (0.0, -1.0),
    };
    let pane = desk.focused_untracked();
    let (Some(view), Some(key)) = (pane.view.get_untracked(), pane.shown_key()) else { return };
    if let Some(attrs) = desk.open.get_untracked().and_then(|open| open.attrs(key)) {
        pane.view.set(Some(View { voi: levels::stepped(as_window(view.voi, &attrs), wider, brighter), ..view }));
    }
}

/// About the middle of the canvas.
fn zoom(desk: Desk, factor: f64) {
    let pane = desk.focused_untracked();
    let canvas = pane.canvas.get_untracked();
    pane::zoom(desk, pane, factor, (canvas.width / 2.0, canvas.height / 2.0));
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
