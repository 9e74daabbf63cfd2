//! The rail of thumbnails: one for each stack, in the order of the study.

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use wire::Delivery;

use super::desk::{Desk, Open};
use super::stacks::opening_slot;
use super::store::Load;
use super::thumb;
use super::words::say;

#[component]
pub fn Rail(desk: Desk) -> impl IntoView {
    let stacks =
        move || desk.open.get().map(|open| (0..open.stacks.len()).map(|n| thumbnail(desk, &open, n)).collect_view());
    view! {
        <nav class="vp-rail" aria-label=say("序列", "Series")>
            <p class="vp-rail-head">
                <span>{say("当前", "Current")}</span>
                <span>{move || desk.open.with(|o| o.as_ref().map(|o| o.stacks.len()))}</span>
            </p>
            {stacks}
        </nav>
    }
}

fn thumbnail(desk: Desk, open: &Arc<Open>, n: usize) -> impl IntoView + use<> {
    let stack = &open.stacks[n];
    let slot = stack.slots[opening_slot(stack)];
    let series = open.series(slot).clone();
    let attrs = open.attrs(slot.key);
    let count = stack.slots.len();
    let is_clip = stack.times.is_some();
    let label = open.names.get(n).cloned().unwrap_or_default();
    let title = format!("{label} · {}", series.description.trim());
    let late = open.late_in(n);
    let late = (late > 0)
        .then(|| view! { <b class="vp-late" data-testid="late-series">{format!("{} {late}", say("新", "New"))}</b> });
    let frames = if is_clip { format!("▶ {count}") } else { count.to_string() };
    let canvas = NodeRef::<html::Canvas>::new();
    let drawn = StoredValue::new(false);
    Effect::new(move |_| {
        desk.arrivals.track();
        let (Some(element), Some(attrs), false) = (canvas.get(), attrs.as_ref(), drawn.get_value()) else { return };
        let Some(pixels) = desk.store().and_then(|s| s.get(slot.key)) else { return };
        drawn.set_value(true);
        if let Err(error) = thumb::draw(&element, &pixels, attrs, &series.modality) {
            leptos::logging::error!("thumbnail: {error:?}");
        }
    });
    let is_unavailable = open.instance(slot).delivery == Delivery::Unavailable;
    let is_bad = move || {
        desk.arrivals.track();
        is_unavailable || desk.store().is_some_and(|s| matches!(s.load(slot.key), Load::Failed(_)))
    };
    let is_current = move || desk.focused().at.get().stack == n;
    let show = move |_| desk.show_stack(desk.focused_untracked(), n);
    view! {
        <button
            type="button"
            class="vp-thumb"
            class:vp-on=is_current
            aria-pressed=move || is_current().to_string()
            title=title
            on:click=show
        >
            <span class="vp-thumb-image">
                <canvas node_ref=canvas width="1" height="1"></canvas>
                {move || is_bad().then(|| view! { <span class="vp-thumb-bad">{say("无法显示", "Not shown")}</span> })}
            </span>
            {late}
            <span class="vp-thumb-words"><span>{label}</span><span>{frames}</span></span>
        </button>
    }
}
