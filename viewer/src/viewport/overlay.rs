//! What is written over a pane: who and where, orientation, scale, window, quality, measurements, and why there is no image.
//!
//! Speaks of the frame that is on the canvas, never of the one on its way.

use std::sync::Arc;

use leptos::prelude::*;
use pixel::colour::{Kind, kind};
use pixel::orient;
use pixel::render::voi_words;
use pixel::scale::{Source, scale_at};
use wire::ImageAttrs;

use super::api::Quality;
use super::desk::{Desk, Notice, OnCanvas, Pane};
use super::geometry::{Affine, Words};
use super::measure::{Measure, length_words, ruler, source_words};
use super::names::view_words;
use super::paint::extent;
use super::words::say;

/// The frame on the canvas with its attributes and where it lies, as everything here needs it.
#[derive(Clone)]
struct Seen {
    shown: OnCanvas,
    attrs: Arc<ImageAttrs>,
    placement: Affine,
    density: f64,
    size: (f64, f64),
    words: Words,
}

impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        self.shown == other.shown
            && self.placement == other.placement
            && self.size == other.size
            && self.density == other.density
            && self.words == other.words
            && Arc::ptr_eq(&self.attrs, &other.attrs)
    }
}

impl Seen {
    /// CSS pixels of an image point.
    fn css(&self, point: (f64, f64)) -> (f64, f64) {
        let (x, y) = self.placement.apply(point);
        (x / self.density, y / self.density)
    }

    /// CSS pixels an image column.
    fn times(&self) -> f64 {
        self.placement.a.hypot(self.placement.b) / self.density
    }
}

#[component]
pub fn Overlay(desk: Desk, pane: Pane) -> impl IntoView {
    let seen = Memo::new(move |_| {
        let shown = pane.shown.get()?;
        let attrs = desk.open.get()?.attrs(shown.slot.key)?;
        let canvas = pane.canvas.get();
        let placement = pane.camera.get().placement(canvas, extent(&attrs));
        let size = (canvas.width / canvas.density, canvas.height / canvas.density);
        Some(Seen { shown, attrs, placement, density: canvas.density, size, words: canvas.words })
    });
    let who = move || desk.open.with(|o| o.as_ref().map(|o| lines(&o.study.who)));
    let place = move || desk.open.with(|o| o.as_ref().map(|o| lines(&o.study.place)));
    view! {
        <div class="vp-corners" aria-hidden="true" data-words=move || pane.canvas.get().words.word()>
            <div class="vp-corner vp-tl">{who}</div>
            <div class="vp-corner vp-tr">{place}</div>
            <div class="vp-corner vp-bl">{move || seen.get().map(|s| bottom_left(&s))}</div>
            <div class="vp-corner vp-br">{move || seen.get().map(|s| bottom_right(&s))}</div>
            {move || seen.get().map(|s| edges(&s, pane))}
        </div>
        {move || seen.get().map(|s| marks(&s, &desk.measures.get()))}
        {move || pane.notice.get().map(|notice| why_not(desk, pane, notice))}
    }
}

/// A number is not broken where the line has room for it under its word.
fn lines(all: &[String]) -> impl IntoView + use<> {
    let line = |line: &String| match line.split_once(' ') {
        Some((word, number)) => {
            view! { <div>{format!("{word} ")}<span class="vp-whole">{number.to_owned()}</span></div> }.into_any()
        }
        None => view! { <div>{line.clone()}</div> }.into_any(),
    };
    all.iter().map(line).collect_view()
}

/// CSS pixels.
const RULER_IN_COLUMN: f64 = 64.0;

/// Ruler with its source, slice, dose.
fn bottom_left(seen: &Seen) -> impl IntoView + use<> {
    let attrs = &seen.attrs;
    let centre = seen.placement.inverse().apply((seen.size.0 * seen.density / 2.0, seen.size.1 * seen.density / 2.0));
    let scale = scale_at(attrs, centre);
    let is_calibrated = scale.source != Source::None;
    // In a column the ruler is as long as the column at most.
    let room = if seen.words == Words::Beside { 4.0 * RULER_IN_COLUMN } else { seen.size.0 };
    let drawn = ruler(scale.across / seen.times(), is_calibrated, room).map(|(length, words)| {
        view! {
            <div class="vp-ruler">
                <svg width=format!("{:.1}", length + 2.0) height="9" class="vp-halo">
                    <path d=ruler_path(length)></path>
                </svg>
                <span>{words}</span>
            </div>
        }
    });
    let source = (scale.source != Source::PixelSpacing)
        .then(|| view! { <div class="vp-source" class:vp-amber=!is_calibrated>{source_words(scale.source)}</div> });
    view! {
        {drawn}
        {source}
        <div>{slice_words(attrs)}</div>
        <div>{dose_words(attrs)}</div>
    }
}

/// A line with ends and, inside, a tick for each fifth.
fn ruler_path(length: f64) -> String {
    let mut d = format!("M1,1 V8 H{:.1} V1", length + 1.0);
    for fifth in 1..5 {
        d += &format!(" M{:.1},5 V8", 1.0 + length * f64::from(fifth) / 5.0);
    }
    d
}

/// `层厚 1.25 mm  位置 −142.5`, or the view of a radiograph.
fn slice_words(attrs: &ImageAttrs) -> String {
    let mut words = Vec::new();
    if let Some(t) = attrs.slice_thickness.filter(|t| t.is_finite() && *t > 0.0) {
        words.push(format!("{} {} mm", say("层厚", "Thickness"), short(t)));
    }
    if let Some(z) = attrs.slice_location.or(attrs.position.map(|p| p[2])) {
        words.push(format!("{} {}", say("位置", "Position"), short(z)));
    }
    if words.is_empty() {
        words.push(view_words(&attrs.view, &attrs.laterality));
    }
    words.join("  ")
}

fn dose_words(attrs: &ImageAttrs) -> String {
    let kv = attrs.kvp.map(|v| format!("{} kV", short(v)));
    let mas = attrs.mas.map(|v| format!("{} mAs", short(v)));
    kv.into_iter().chain(mas).collect::<Vec<_>>().join(" · ")
}

/// At most two decimals, a real minus sign.
fn short(v: f64) -> String {
    let text = format!("{v:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.replace('-', "−") }
}

/// Window, zoom, quality.
fn bottom_right(seen: &Seen) -> impl IntoView + use<> {
    let window = voi_words(seen.shown.view.voi, &seen.attrs);
    let is_plain = kind(&seen.attrs) != Kind::Grey && seen.shown.view.voi == pixel::window::IDENTITY_8;
    let window = (!is_plain).then_some(window);
    let turned = seen.shown.view.invert.then(|| say("反相 · ", "Inverted · "));
    let zoom = format!("{}×", short((seen.times() * seen.density * 100.0).round() / 100.0));
    view! {
        <div>{window}</div>
        <div>{turned}{zoom}<span class="vp-sep">" · "</span><span class="vp-quality">{quality_words(seen.shown.quality)}</span></div>
    }
}

pub fn quality_words(quality: Quality) -> String {
    match quality {
        Quality::Lossless => say("◆ 原始无损", "◆ Lossless").to_owned(),
        Quality::LossyAtSource(Some(ratio)) => {
            format!("⬖ {} {}:1", say("有损", "Lossy"), short((ratio * 10.0).round() / 10.0))
        }
        Quality::LossyAtSource(None) => format!("⬖ {}", say("设备有损", "Lossy at source")),
        Quality::Preview => say("◇ 预览", "◇ Preview").to_owned(),
    }
}

/// Orientation letters at the middle of each edge.
fn edges(seen: &Seen, pane: Pane) -> impl IntoView + use<> {
    let letters = orient::right_and_bottom(&seen.attrs)?;
    let [left, right, top, bottom] = pane.camera.get().edges(&letters.0, &letters.1);
    Some(view! {
        <span class="vp-edge vp-left">{left}</span>
        <span class="vp-edge vp-right">{right}</span>
        <span class="vp-edge vp-top">{top}</span>
        <span class="vp-edge vp-bottom">{bottom}</span>
    })
}

/// Distances on the frame that is on the canvas.
fn marks(seen: &Seen, all: &[Measure]) -> impl IntoView + use<> {
    let mine = all.iter().filter(|m| m.key == seen.shown.slot.key);
    let drawn = mine
        .map(|m| {
            let ((x0, y0), (x1, y1)) = (seen.css(m.from), seen.css(m.to));
            let label = length_words(&seen.attrs, m);
            let (lx, ly) = if x1 >= x0 { (x1 + 10.0, y1 + 4.0) } else { (x0 + 10.0, y0 + 4.0) };
            let cross = |x: f64, y: f64| format!("M{:.1},{y:.1} h12 M{x:.1},{:.1} v12", x - 6.0, y - 6.0);
            view! {
                <g class="vp-halo">
                    <path class="vp-dash" d=format!("M{x0:.1},{y0:.1} L{x1:.1},{y1:.1}")></path>
                    <path d=cross(x0, y0)></path>
                    <path d=cross(x1, y1)></path>
                    <text x=format!("{lx:.1}") y=format!("{ly:.1}")>{label}</text>
                </g>
            }
        })
        .collect_view();
    view! { <svg class="vp-marks">{drawn}</svg> }
}

/// Why the pane does not show what was asked for, and what can be done.
fn why_not(desk: Desk, pane: Pane, notice: Notice) -> AnyView {
    let Notice::Failed(reason) = notice else {
        let words = match notice {
            Notice::Preparing => say("服务器正在准备此图像…", "The server is preparing this image…"),
            Notice::Network => say("网络中断，正在重试…", "No network, trying again…"),
            _ => say("正在载入…", "Loading…"),
        };
        return view! { <div class="vp-wait" role="status">{words}</div> }.into_any();
    };
    let at = pane.at.get_untracked();
    let slot = desk.open.get_untracked().and_then(|o| o.slot(at));
    let again = move |_| {
        if let (Some(store), Some(slot)) = (desk.store(), slot) {
            store.retry(slot.key);
        }
    };
    let original = slot.map(|s| format!("/api/v1/instances/{}/file", s.key.instance));
    view! {
        <div class="vp-failed" role="alert">
            <b>{say("无法显示此图像", "This image can't be shown")}</b>
            <p>{reason}</p>
            <p>
                <a href=original download="">{say("下载原件", "Download the original")}</a>
                <button type="button" on:click=again>{say("重试", "Try again")}</button>
            </p>
        </div>
    }
    .into_any()
}
