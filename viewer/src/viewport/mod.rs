//! The viewport: what a specialist looks at.
//!
//! Owns the canvas, the frames on their way to it, the thumbnails, the tools and their keys, cine, and the overlays that
//! name patient, study, scale, window and quality. Everything it shows comes from one [`ViewerStudy`], so that image and
//! corners change together or not at all; the page that mounts it changes banner and report in the same signal.
//!
//! It never asks who is signed in, never opens or closes a case, and never shows a frame of one study under the name of
//! another: when the study changes, the canvas is black and says so until the first frame of the new one is drawn.
//!
//! Inside: [`stacks`] sorts a study into what one scrolls through; [`store`] brings frames in the order they are wanted,
//! through [`fetch`] and [`workers`]; [`desk`] is what the panes share; [`pane`] moves a canvas, [`paint`] decides what it
//! holds, [`gl`] or [`flat`] draws it; [`geometry`], [`levels`], [`cine`] and [`measure`] are pure.

mod api;
mod cine;
mod desk;
mod fetch;
mod flat;
mod geometry;
mod gl;
mod header;
mod keys;
mod levels;
mod measure;
mod names;
mod overlay;
mod paint;
mod pane;
mod pixels;
mod rail;
mod scene;
mod stacks;
mod store;
mod strip;
mod thumb;
mod transport;
mod words;
mod workers;

pub use keys::KEYS;
#[cfg(test)]
pub use stacks::tests as testing;

pub use api::{Measured, Quality, Shown, ViewerHandle, ViewerState, ViewerStudy};

use std::sync::Arc;

use leptos::ev;
use leptos::prelude::*;

use self::desk::Desk;
use self::pane::PaneView;
use self::rail::Rail;
use self::strip::Strip;
use self::transport::Transport;

/// Images of one study, with thumbnails, tools and cine. Fills its parent, which must have a height.
///
/// Its keys ([`KEYS`]) act only while `active` says that the image
/// has the keyboard, and never while a field has the focus. `F6` and every key with Ctrl or Alt are left to the page.
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
    let desk = Desk::new(handle);
    Effect::new(move |_| {
        let study = study.get();
        untrack(|| desk.open(study));
    });
    Effect::new(move |_| {
        let wanted = desk.wanted();
        if let Some(store) = desk.store() {
            store.want(wanted);
        }
    });
    Effect::new(move |_| {
        let Some(open) = desk.open.get() else { return };
        let all = desk.measures.get();
        let told = all.iter().filter_map(|m| Some(measure::reported(&*open.attrs(m.key)?, m)));
        handle.set_measured(told.collect());
    });
    for pane in desk.panes {
        transport::play_when_asked(desk, pane);
    }
    let keys = window_event_listener(ev::keydown, move |event| {
        if active.get_untracked() && keys::pressed(desk, &event) {
            event.prevent_default();
        }
    });
    on_cleanup(move || {
        keys.remove();
        desk.leave();
    });
    view! {
        <div class="vp" data-keyboard=move || active.get().to_string() on:pointerdown=move |_| on_activate.run(())>
            <Rail desk/>
            <div class="vp-main">
                <div class="vp-panes" data-count=move || desk.layout.get()>
                    <PaneView desk index=0/>
                    <PaneView desk index=1/>
                </div>
                <Transport desk/>
                <Strip desk/>
            </div>
        </div>
    }
}
