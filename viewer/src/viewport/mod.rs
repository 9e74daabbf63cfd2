//! The viewport: what a specialist looks at.
//!
//! Owns the canvas, the frames on their way to it, the thumbnails, the tools and their keys, cine, and the overlays that
//! name patient, study, scale, window and quality. Everything it shows comes from one [`ViewerStudy`], so that image and
//! corners change together or not at all; the page that mounts it changes banner and report in the same signal.
//!
//! It never asks who is signed in, never opens or closes a case, and never shows a frame of one study under the name of
//! another: when the study changes, the canvas is black and says so until the first frame of the new one is drawn.

mod api;

pub use api::{Measured, Quality, Shown, ViewerHandle, ViewerState, ViewerStudy};

use std::sync::Arc;

use leptos::prelude::*;

/// Images of one study, with thumbnails, tools and cine. Fills its parent, which must have a height.
///
/// The letters `W Z M D`, the digits, arrows, space and `,` `.` act only while `active` says that the image has the
/// keyboard, and never while a field has the focus. `F6` and every key with Ctrl or Alt are left to the page.
#[component]
pub fn Viewport(
    /// What is on screen; `None`: nothing is open.
    study: Signal<Option<Arc<ViewerStudy>>>,
    /// The image, not the report, has the keyboard.
    active: Signal<bool>,
    /// What the page may ask of the viewer.
    handle: ViewerHandle,
    /// The pointer went down in the image: the page may move the keyboard here.
    on_activate: Callback<()>,
) -> impl IntoView {
    Effect::new(move |_| {
        handle.set_shown(None);
        handle.set_measured(Vec::new());
        handle.set_state(if study.with(Option::is_some) { ViewerState::Loading } else { ViewerState::Empty });
    });
    view! {
        <div class="vp" data-active=move || active.get().to_string() on:pointerdown=move |_| on_activate.run(())>
        </div>
    }
}
