//! The strip above a pane and the slice rail beside its pixels.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::PointerEvent;

use super::desk::{Desk, OnCanvas, Pane};
use super::words::say;

/// Current or prior, when, which series, which slice or frame: always of what is on the canvas.
#[component]
pub fn Header(desk: Desk, pane: Pane) -> impl IntoView {
    let mark = move || {
        let is_prior = desk.open.with(|o| o.as_ref().is_some_and(|o| o.study.prior));
        if is_prior { say("前片", "Prior") } else { say("当前", "Current") }
    };
    let when = move || desk.open.with(|o| o.as_ref().map(|o| o.study.when.clone()));
    let series = move || series_words(desk, &pane.shown.get()?);
    let place = move || place_words(desk, &pane.shown.get()?);
    let late = move || {
        let shown = pane.shown.get()?;
        desk.open.with(|open| open.as_ref().is_some_and(|open| open.is_late(shown.slot))).then(|| {
            view! { <b class="vp-late" data-testid="late-slice">{say("新到", "New")}</b> }
        })
    };
    view! {
        <header class="vp-head" hidden=move || desk.open.with(Option::is_none)>
            <span class="vp-mark">{mark}</span>
            <b class="vp-when">{when}</b>
            <span class="vp-series">{series}</span>
            {late}
            <span class="vp-place">{place}</span>
        </header>
    }
}

/// `3 肺窗重建`, `侧位 · 胸部正侧位`: the name on the rail, with the series' words where it goes by others.
pub fn series_words(desk: Desk, shown: &OnCanvas) -> Option<String> {
    let open = desk.open.get()?;
    let name = open.names.get(shown.at.stack)?;
    let words = open.series(shown.slot).description.trim();
    Some(if words.is_empty() || name.ends_with(words) { name.clone() } else { format!("{name} · {words}") })
}

/// `层 142 / 312`, `帧 37 / 96`
pub fn place_words(desk: Desk, shown: &OnCanvas) -> Option<String> {
    let open = desk.open.get()?;
    let stack = open.stacks.get(shown.at.stack)?;
    let unit = if stack.times.is_some() { say("帧", "Frame") } else { say("层", "Slice") };
    (stack.slots.len() > 1).then(|| format!("{unit} {} / {}", shown.at.slot + 1, stack.slots.len()))
}

/// Where in the stack one is; press or drag to go elsewhere. Outside the pixels; a clip has its own bar instead.
#[component]
pub fn SliceRail(desk: Desk, pane: Pane) -> impl IntoView {
    let count = move || {
        let stack = pane.at.get().stack;
        desk.open.with(|o| {
            let stack = o.as_ref().and_then(|o| o.stacks.get(stack));
            stack.filter(|s| s.times.is_none()).map_or(0, |s| s.slots.len())
        })
    };
    let held = StoredValue::new(false);
    let go = move |event: &PointerEvent| {
        let Some(rail) = event.current_target().and_then(|t| t.dyn_into::<web_sys::Element>().ok()) else { return };
        let bounds = rail.get_bounding_client_rect();
        let part = ((f64::from(event.client_y()) - bounds.top()) / bounds.height().max(1.0)).clamp(0.0, 1.0);
        let last = count().saturating_sub(1);
        pane.playing.set(false);
        desk.go(pane, (part * last as f64).round() as usize);
    };
    let thumb = move || {
        let last = count().saturating_sub(1).max(1) as f64;
        format!("{:.3}%", pane.at.get().slot as f64 / last * 100.0)
    };
    view! {
        <div
            class="vp-slices"
            hidden=move || count() < 2
            on:pointerdown=move |event| {
                held.set_value(true);
                if let Some(rail) = event.current_target().and_then(|t| t.dyn_into::<web_sys::Element>().ok()) {
                    rail.set_pointer_capture(event.pointer_id()).unwrap_or_default();
                }
                go(&event);
            }
            on:pointermove=move |event| {
                if held.get_value() {
                    go(&event);
                }
            }
            on:pointerup=move |_| held.set_value(false)
            on:pointercancel=move |_| held.set_value(false)
        >
            <i class="vp-slices-thumb" style:top=thumb></i>
        </div>
    }
}
