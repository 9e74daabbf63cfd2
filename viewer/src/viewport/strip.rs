//! The strip of tools under the panes, each with its key.

use leptos::prelude::*;
use pixel::{Preset, View};

use super::desk::{Desk, Pane, Tool};
use super::geometry::{Camera, Zoom};
use super::words::say;
use crate::i18n::{self, Lang};
use crate::ui::icon;

#[component]
pub fn Strip(desk: Desk) -> impl IntoView {
    let presets = Memo::new(move |_| presets(desk));
    view! {
        <div class="vp-strip" role="toolbar" aria-label=say("工具", "Tools") on:mousedown=|event| event.prevent_default()>
            {tool(desk, Tool::Scroll, "queue", say("翻层", "Scroll"), "T")}
            {tool(desk, Tool::Window, "contrast", say("窗宽窗位", "Window"), "W")}
            {tool(desk, Tool::Zoom, "search", say("缩放", "Zoom"), "Z")}
            {tool(desk, Tool::Pan, "move", say("移动", "Pan"), "M")}
            {tool(desk, Tool::Distance, "ruler", say("测距", "Distance"), "D")}
            <span class="vp-gap"></span>
            {move || presets.get().into_iter().map(|p| preset(desk, p)).collect_view()}
            {action("", say("自动", "Auto"), "0", move || auto(desk))}
            <span class="vp-gap"></span>
            {action("invert", say("反相", "Invert"), "V", move || invert(desk))}
            {action("turn", say("旋转", "Rotate"), "B", move || desk.focused_untracked().camera.update(|c| *c = c.turned()))}
            {action("mirror", say("镜像", "Mirror"), "H", move || desk.focused_untracked().camera.update(|c| *c = c.flipped()))}
            {action("fit", say("适应 / 1:1", "Fit / 1:1"), "F", move || fit_or_one(desk.focused_untracked()))}
            {action("layout", say("布局", "Layout"), "L", move || layout(desk))}
        </div>
    }
}

fn tool(desk: Desk, which: Tool, drawing: &'static str, words: &'static str, key: &'static str) -> impl IntoView {
    let is_on = move || desk.tool.get() == which;
    view! {
        <button
            type="button"
            class="vp-tool"
            class:vp-on=is_on
            aria-label=words
            title=format!("{words}  {key}")
            aria-pressed=move || is_on().to_string()
            data-tool=super::pane::tool_word(which)
            on:click=move |_| desk.tool.set(which)
        >
            {face(drawing, words, key)}
        </button>
    }
}

fn action(drawing: &'static str, words: &'static str, key: &'static str, act: impl Fn() + 'static) -> impl IntoView {
    view! {
        <button type="button" class="vp-tool" aria-label=words title=format!("{words}  {key}") on:click=move |_| act()>
            {face(drawing, words, key)}
        </button>
    }
}

/// What a button shows: where the strip is narrow its drawing stands for the words, and the key stays.
fn face(drawing: &'static str, words: &'static str, key: &'static str) -> impl IntoView {
    let drawn = !drawing.is_empty();
    view! { {drawn.then(|| icon(drawing))}<span class:vp-word=drawn>{words}</span><kbd>{key}</kbd> }
}

fn preset(desk: Desk, preset: Preset) -> impl IntoView {
    let voi = preset.voi;
    let is_on = move || desk.focused().view.get().is_some_and(|v| v.voi == voi);
    let words = if i18n::chosen() == Lang::En { preset.name_en } else { preset.name_zh };
    view! {
        <button type="button" class="vp-tool" class:vp-on=is_on on:click=move |_| window(desk, preset.key)>
            {words}<kbd>{preset.key.to_string()}</kbd>
        </button>
    }
}

/// Presets of the image on the focused canvas.
fn presets(desk: Desk) -> Vec<Preset> {
    let (Some(open), Some(shown)) = (desk.open.get(), desk.focused().shown.get()) else { return Vec::new() };
    open.attrs(shown.slot.key)
        .map_or(Vec::new(), |attrs| pixel::window::presets(&attrs, &open.series(shown.slot).modality))
}

/// The window under a digit, if this image has one there.
pub fn window(desk: Desk, key: char) {
    let found = untrack(|| presets(desk)).into_iter().find(|p| p.key == key);
    let pane = desk.focused_untracked();
    if let (Some(preset), Some(view)) = (found, pane.view.get_untracked()) {
        pane.view.set(Some(View { voi: preset.voi, ..view }));
    }
}

/// As the image opens.
pub fn auto(desk: Desk) {
    desk.focused_untracked().view.set(None);
}

pub fn invert(desk: Desk) {
    desk.focused_untracked().view.update(|view| {
        if let Some(view) = view {
            view.invert = !view.invert;
        }
    });
}

/// The whole image, or one image pixel to one of the screen.
pub fn fit_or_one(pane: Pane) {
    pane.camera.update(|camera| {
        let zoom = if camera.zoom == Zoom::Times(1.0) { Zoom::Fit } else { Zoom::Times(1.0) };
        *camera = Camera { zoom, pan: (0.0, 0.0), ..*camera };
    });
}

pub fn layout(desk: Desk) {
    let panes = if desk.layout.get_untracked() == 1 { 2 } else { 1 };
    if panes == 1 {
        desk.focus.set(0);
    }
    desk.layout.set(panes);
}
