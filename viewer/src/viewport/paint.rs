//! One pane's canvas: what it holds, redrawn at most once a frame of the screen.

use std::rc::Rc;
use std::sync::Arc;

use leptos::prelude::*;
use pixel::View;
use web_sys::HtmlCanvasElement;
use wire::{Delivery, ImageAttrs};

use super::api::{Quality, Shown, ViewerState};
use super::desk::{At, Desk, Notice, OnCanvas, Open, Pane};
use super::flat::FlatPainter;
use super::geometry::Extent;
use super::gl::GlPainter;
use super::pixels::{Pixels, Store};
use super::scene::Scene;
use super::stacks::Slot;
use super::store::{Delay, Load};
use super::words::say;
use crate::i18n;

/// WebGL2 where the browser has it.
pub enum Painter {
    Gl(Box<GlPainter>),
    Flat(FlatPainter),
}

impl Painter {
    pub fn new(canvas: &HtmlCanvasElement) -> Option<Self> {
        let gl = GlPainter::new(canvas).map(|gl| Painter::Gl(Box::new(gl)));
        gl.or_else(|| FlatPainter::new(canvas).map(Painter::Flat))
    }

    /// The browser took the GPU away; it says when it gives it back.
    fn is_lost(&self) -> bool {
        matches!(self, Painter::Gl(gl) if gl.is_lost())
    }

    fn clear(&mut self) {
        match self {
            Painter::Gl(gl) => gl.clear(),
            Painter::Flat(flat) => flat.clear(),
        }
    }

    fn paint(&mut self, scene: &Scene) -> Result<(), String> {
        match self {
            Painter::Gl(gl) => gl.paint(scene),
            Painter::Flat(flat) => flat.paint(scene),
        }
    }
}

/// What is to be on the canvas now.
enum Due {
    Nothing,
    Frame(Slot, Rc<Pixels>, Arc<ImageAttrs>),
    /// Not here: the canvas keeps the stack's last frame, under that frame's own labels.
    Waiting(Notice),
    Never(String),
}

/// Draws a pane as its signals are now, and says on the canvas element what it shows.
pub fn draw(desk: &Desk, pane: &Pane, canvas: &HtmlCanvasElement, painter: &mut Painter) {
    fit_buffer(pane, canvas);
    let open = desk.open.get_untracked();
    let at = pane.at.get_untracked();
    let due = open.as_ref().map_or(Due::Nothing, |open| due(desk, open, at));
    let outcome = match (due, &open) {
        (Due::Frame(slot, pixels, attrs), Some(open)) => paint(pane, open, at, slot, pixels, attrs, painter),
        (Due::Waiting(notice), _) => {
            let keeps = pane.shown.with_untracked(|s| s.as_ref().is_some_and(|s| s.at.stack == at.stack));
            if !keeps {
                blank(pane, painter);
            }
            Err(notice)
        }
        (Due::Never(reason), _) => {
            blank(pane, painter);
            Err(Notice::Failed(reason))
        }
        (Due::Nothing | Due::Frame(..), _) => {
            blank(pane, painter);
            Ok(())
        }
    };
    let notice = outcome.err();
    if pane.notice.with_untracked(|n| *n != notice) {
        pane.notice.set(notice.clone());
    }
    label(desk, pane, canvas, open.as_deref(), notice.as_ref());
}

/// The frame a pane asks for, or how it stands.
fn due(desk: &Desk, open: &Open, at: At) -> Due {
    let (Some(slot), Some(store)) = (open.slot(at), desk.store()) else { return Due::Nothing };
    let image = open.instance(slot);
    let Some(attrs) = open.attrs(slot.key).filter(|_| image.delivery != Delivery::Unavailable) else {
        return Due::Never(i18n::no_image(&image.reason));
    };
    match store.load(slot.key) {
        Load::Here => match store.get(slot.key) {
            Some(pixels) => Due::Frame(slot, pixels, attrs),
            None => Due::Waiting(Notice::Loading),
        },
        Load::Coming => Due::Waiting(Notice::Loading),
        Load::Delayed(Delay::Preparing) => Due::Waiting(Notice::Preparing),
        Load::Delayed(Delay::Network) => Due::Waiting(Notice::Network),
        Load::Failed(reason) => Due::Never(reason),
    }
}

fn paint(
    pane: &Pane,
    open: &Open,
    at: At,
    slot: Slot,
    pixels: Rc<Pixels>,
    attrs: Arc<ImageAttrs>,
    painter: &mut Painter,
) -> Result<(), Notice> {
    if painter.is_lost() {
        blank(pane, painter);
        return Err(Notice::Loading);
    }
    let view = pane.view.get_untracked().unwrap_or_else(|| {
        let view = opening_view(&pixels, &attrs, &open.series(slot).modality);
        pane.view.set(Some(view));
        view
    });
    let canvas = pane.canvas.get_untracked();
    let placement = pane.camera.get_untracked().placement(canvas, extent(&attrs));
    let quality = quality(&pixels, &attrs);
    let scene = Scene { key: slot.key, pixels, attrs, view, placement, canvas };
    painter.paint(&scene).map_err(|error| {
        leptos::logging::error!("drawing failed: {error}");
        Notice::Failed(say("显示组件出错", "The display failed").to_owned())
    })?;
    let shown = Some(OnCanvas { at, slot, quality, view });
    if pane.shown.with_untracked(|s| *s != shown) {
        pane.shown.set(shown);
    }
    Ok(())
}

fn blank(pane: &Pane, painter: &mut Painter) {
    painter.clear();
    if pane.shown.with_untracked(Option::is_some) {
        pane.shown.set(None);
    }
}

/// As the image opens; the window from its pixels, where it needs one, from a thinned copy.
pub fn opening_view(pixels: &Pixels, attrs: &ImageAttrs, modality: &str) -> View {
    let step = (pixels.columns.max(pixels.rows) / 512).max(1);
    let needs_pixels = attrs.windows.is_empty() && attrs.voi_luts.is_empty() && attrs.bits_stored > 8;
    let samples = if needs_pixels { pixels.thinned(step) } else { None };
    View::opening(attrs, modality, samples.as_ref())
}

pub fn extent(attrs: &ImageAttrs) -> Extent {
    let (columns, rows) = (f64::from(attrs.columns), f64::from(attrs.rows));
    Extent { columns, rows, aspect: pixel::scale::pixel_aspect(attrs) }
}

/// JPEG Baseline has lost something at the device, whether it says so or not.
fn quality(pixels: &Pixels, attrs: &ImageAttrs) -> Quality {
    if attrs.lossy_at_source || matches!(pixels.store, Store::Bitmap(_)) {
        Quality::LossyAtSource(attrs.lossy_ratio.filter(|r| r.is_finite() && *r > 1.0))
    } else {
        Quality::Lossless
    }
}

/// Setting a canvas's size empties it, so it happens here, right before it is drawn again.
fn fit_buffer(pane: &Pane, canvas: &HtmlCanvasElement) {
    let size = pane.canvas.get_untracked();
    let (width, height) = (size.width as u32, size.height as u32);
    if width > 0 && height > 0 && (canvas.width() != width || canvas.height() != height) {
        canvas.set_width(width);
        canvas.set_height(height);
    }
}

/// Says in `data-*` attributes what the canvas shows, for tests and for anybody who inspects the page.
fn label(desk: &Desk, pane: &Pane, canvas: &HtmlCanvasElement, open: Option<&Open>, notice: Option<&Notice>) {
    let shown = pane.shown.get_untracked();
    let state = match (open, notice, &shown) {
        (None, ..) => ViewerState::Empty,
        (_, Some(Notice::Failed(_)), _) => ViewerState::Failed,
        (_, None, Some(_)) => ViewerState::Ready,
        _ => ViewerState::Loading,
    };
    let word = match state {
        ViewerState::Empty => "empty",
        ViewerState::Loading => "loading",
        ViewerState::Ready => "ready",
        ViewerState::Failed => "failed",
    };
    let mut said = vec![("data-state", word.to_owned())];
    if let (Some(open), Some(shown)) = (open, &shown) {
        let image = open.instance(shown.slot);
        said.extend([
            ("data-instance", image.uid.clone()),
            ("data-frame", shown.slot.key.frame.to_string()),
            ("data-quality", shown.quality.word().to_owned()),
        ]);
        if let Some(attrs) = open.attrs(shown.slot.key) {
            let p = pane.camera.get_untracked().placement(pane.canvas.get_untracked(), extent(&attrs));
            said.push(("data-window", pixel::render::voi_words(shown.view.voi, &attrs)));
            said.push(("data-placement", format!("{} {} {} {} {} {}", p.a, p.b, p.c, p.d, p.e, p.f)));
        }
    } else {
        for name in ["data-instance", "data-frame", "data-quality", "data-window", "data-placement"] {
            canvas.remove_attribute(name).unwrap_or_default();
        }
    }
    for (name, value) in said {
        if canvas.get_attribute(name).as_deref() != Some(&value) {
            canvas.set_attribute(name, &value).unwrap_or_default();
        }
    }
    let focused = &desk.panes[desk.focus.get_untracked().min(1)];
    if focused.shown == pane.shown {
        desk.handle.set_state(state);
        let told = open.zip(shown).map(|(open, s)| Shown {
            study: open.study.images.study,
            series: open.series(s.slot).series,
            instance: s.slot.key.instance,
            uid: open.instance(s.slot).uid.clone(),
            frame: s.slot.key.frame,
            quality: s.quality,
        });
        desk.handle.set_shown(told);
    }
}
