//! The application in the browser: sign-in, the operator's desk, the reading room, the manager's board.
//!
//! One wasm module, opened at `/`. It speaks to the server through [`api`] only, hears of changes through [`live`], and
//! shows every word from [`i18n`]. Two settings share one set of tokens (`assets/tokens.css`): the desk is light, the
//! reading room is dark.
//!
//! ```text
//! app ─▶ pages::signin | desk (operator, clinician) | orders (operator) | read (specialist, reviewer) | board (manager, admin)
//!  │        each page: ui (small parts) + api (requests) + live (what changed) + clock (server's time)
//! ```
//!
//! What this crate never does: decide what a role may see (the server does), keep a report only in memory (see
//! [`read::keep`]), or put a style into markup (the content security policy forbids it).

mod api;
mod app;
mod board;
mod clock;
mod desk;
mod i18n;
mod live;
mod orders;
mod pages;
mod person;
mod read;
mod sse;
mod ui;
pub mod viewport;
mod web;
mod zone;

use leptos::prelude::*;
use wasm_bindgen::prelude::wasm_bindgen;

/// Runs when the module has been initialised.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|info| web::log_error(&info.to_string())));
    mount_to_body(app::App);
}
