//! One pane: a canvas with its overlays, moved and windowed by the pointer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use pixel::{View, window::as_window};
use wasm_bindgen::prelude::*;
use web_sys::{HtmlCanvasElement, PointerEvent, ResizeObserver, WheelEvent};

use super::desk::{Desk, Pane, Tool};
use super::geometry::{Affine, Camera, Canvas, Words};
use super::header::{self, Header, SliceRail};
use super::levels;
use super::measure::Measure;
use super::overlay::Overlay;
use super::paint::{self, Painter, extent};

/// A stack this short is zoomed by the wheel, not scrolled.
const SINGLE: usize = 1;

/// What the pointer is doing since it went down.
#[derive(Clone, Copy)]
struct Drag {
    what: Tool,
    from: (f64, f64),
    /// The slot it began at.
    slot: usize,
    camera: Camera,
    view: Option<View>,
    /// It has gone further than a click's tremor.
    moving: bool,
}

/// CSS pixels a finger moves from one slice to the next.
const SLICE: f64 = 6.0;
/// CSS pixels a hand trembles while it clicks.
const TREMOR: f64 = 3.0;

#[component]
pub fn PaneView(desk: Desk, index: usize) -> impl IntoView {
    let pane = desk.panes[index];
    let canvas = NodeRef::<html::Canvas>::new();
    let surface = NodeRef::<html::Div>::new();
    keep_drawn(desk, pane, canvas);
    watch_size(pane, surface);
    place_words(desk, pane);
    let drag = StoredValue::new_local(None::<Drag>);
    let fingers = StoredValue::new_local(Fingers::default());
    let rolled = StoredValue::new_local(0.0f64);

    let down = move |event: PointerEvent| {
        desk.focus.set(index);
        if fingers.try_update_value(|all| all.put(&event, pane)).unwrap_or(false) {
            // A second finger: what the first began is not meant.
            if drag.get_value().is_some_and(|held| held.what == Tool::Distance) {
                desk.measures.update(|all| all.truncate(all.len().saturating_sub(1)));
            }
            drag.set_value(None);
            return;
        }
        let Some(what) = tool_of(&event, desk.tool.get_untracked()) else { return };
        if let Some(target) = event.current_target().and_then(|t| t.dyn_into::<web_sys::Element>().ok()) {
            target.set_pointer_capture(event.pointer_id()).unwrap_or_default();
        }
        let from = at(&event, pane);
        if what == Tool::Distance && !begin_measure(desk, pane, from) {
            return;
        }
        drag.set_value(Some(Drag {
            what,
            from,
            slot: pane.at.get_untracked().slot,
            camera: pane.camera.get_untracked(),
            view: pane.view.get_untracked(),
            moving: false,
        }));
    };
    let moved = move |event: PointerEvent| {
        if let Some(pinch) = fingers.try_update_value(|all| all.moved(&event, pane)).flatten() {
            pane.camera.update(|camera| *camera = camera.moved(pinch.by.0, pinch.by.1));
            zoom(desk, pane, pinch.factor, pinch.at);
            return;
        }
        let Some(mut held) = drag.get_value() else { return };
        let now = at(&event, pane);
        let gone = (now.0 - held.from.0).hypot(now.1 - held.from.1) / pane.canvas.get_untracked().density;
        if held.moving || gone > TREMOR {
            held.moving = true;
            drag.set_value(Some(held));
            follow(desk, pane, held, now);
        }
    };
    let up = move |event: PointerEvent| {
        fingers.update_value(|all| all.lifted(&event));
        if drag.get_value().is_some_and(|d| d.what == Tool::Distance) {
            end_measure(desk);
        }
        drag.set_value(None);
    };
    let wheel = move |event: WheelEvent| {
        event.prevent_default();
        let single = desk.open.with_untracked(|o| {
            o.as_ref().and_then(|o| o.stacks.get(pane.at.get_untracked().stack)).is_none_or(|s| s.slots.len() <= SINGLE)
        });
        if event.ctrl_key() || single || desk.tool.get_untracked() == Tool::Zoom {
            zoom(desk, pane, (-event.delta_y() / 400.0).exp(), at(&event, pane));
            return;
        }
        // Mice send about 100 a notch, touchpads a few at a time.
        let lines = if event.delta_mode() == WheelEvent::DOM_DELTA_LINE { 33.0 } else { 1.0 };
        rolled.update_value(|r| *r += event.delta_y() * lines / 100.0);
        let whole = rolled.get_value().trunc();
        let whole =
            if whole == 0.0 && event.delta_y().abs() * lines >= 50.0 { event.delta_y().signum() } else { whole };
        if whole != 0.0 {
            rolled.set_value(0.0);
            pane.playing.set(false);
            desk.step(pane, whole as isize);
        }
    };
    let hidden = move || index >= desk.layout.get();
    let label = move || {
        let shown = pane.shown.get()?;
        let words = [header::series_words(desk, &shown), header::place_words(desk, &shown)];
        Some(words.into_iter().flatten().collect::<Vec<_>>().join(" "))
    };
    let focused = move || desk.focus.get() == index && desk.layout.get() > 1;
    view! {
        <section class="vp-pane" class:vp-focused=focused class:vp-prior=move || is_prior(desk) hidden=hidden>
            <Header desk pane/>
            <div class="vp-body">
                <div
                    class="vp-surface"
                    node_ref=surface
                    data-tool=move || tool_word(desk.tool.get())
                    on:pointerdown=down
                    on:pointermove=moved
                    on:pointerup=up
                    on:pointercancel=up
                    on:wheel=wheel
                    on:dblclick=move |_| pane.camera.set(Camera::default())
                    on:contextmenu=|event| event.prevent_default()
                >
                    <canvas node_ref=canvas class="vp-canvas" data-pane=index role="img" aria-label=label></canvas>
                    <Overlay desk pane/>
                </div>
                <SliceRail desk pane/>
            </div>
        </section>
    }
}

fn is_prior(desk: Desk) -> bool {
    desk.open.with(|o| o.as_ref().is_some_and(|o| o.study.prior))
}

/// Fingers on the canvas: two of them move and zoom the image between them.
#[derive(Default)]
struct Fingers(Vec<(i32, (f64, f64))>);

/// What two fingers did since the last event, in canvas coordinates.
struct Pinch {
    by: (f64, f64),
    factor: f64,
    at: (f64, f64),
}

impl Fingers {
    /// Whether it is not the first.
    fn put(&mut self, event: &PointerEvent, pane: Pane) -> bool {
        if event.pointer_type() != "touch" {
            return false;
        }
        self.lifted(event);
        self.0.push((event.pointer_id(), at(event, pane)));
        self.0.len() > 1
    }

    fn moved(&mut self, event: &PointerEvent, pane: Pane) -> Option<Pinch> {
        let now = at(event, pane);
        let moving = self.0.iter().take(2).position(|(id, _)| *id == event.pointer_id());
        let before = self.two();
        if let Some(moving) = moving {
            self.0[moving].1 = now;
        }
        let (before, after) = (before?, self.two()?);
        moving?;
        let between = |(a, b): ((f64, f64), (f64, f64))| ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
        let apart = |(a, b): ((f64, f64), (f64, f64))| (a.0 - b.0).hypot(a.1 - b.1).max(1.0);
        let (from, to) = (between(before), between(after));
        Some(Pinch { by: (to.0 - from.0, to.1 - from.1), factor: apart(after) / apart(before), at: to })
    }

    fn two(&self) -> Option<((f64, f64), (f64, f64))> {
        match self.0.as_slice() {
            [(_, a), (_, b), ..] => Some((*a, *b)),
            _ => None,
        }
    }

    fn lifted(&mut self, event: &PointerEvent) {
        self.0.retain(|(id, _)| *id != event.pointer_id());
    }
}

/// The tool of a press: left is the tool in hand, middle moves, right zooms.
fn tool_of(event: &PointerEvent, in_hand: Tool) -> Option<Tool> {
    match event.button() {
        0 => Some(in_hand),
        1 => Some(Tool::Pan),
        2 => Some(Tool::Zoom),
        _ => None,
    }
}

pub fn tool_word(tool: Tool) -> &'static str {
    match tool {
        Tool::Scroll => "scroll",
        Tool::Window => "window",
        Tool::Zoom => "zoom",
        Tool::Pan => "pan",
        Tool::Distance => "distance",
    }
}

/// Canvas coordinates of an event on the surface.
fn at(event: &web_sys::MouseEvent, pane: Pane) -> (f64, f64) {
    let density = pane.canvas.get_untracked().density;
    let Some(surface) = event.current_target().and_then(|t| t.dyn_into::<web_sys::Element>().ok()) else {
        return (0.0, 0.0);
    };
    let bounds = surface.get_bounding_client_rect();
    ((f64::from(event.client_x()) - bounds.left()) * density, (f64::from(event.client_y()) - bounds.top()) * density)
}

/// Where the image on this canvas lies, if one is on it.
pub fn placement(desk: Desk, pane: Pane) -> Option<Affine> {
    let shown = pane.shown.get_untracked()?;
    let attrs = desk.open.get_untracked()?.attrs(shown.slot.key)?;
    Some(pane.camera.get_untracked().placement(pane.canvas.get_untracked(), extent(&attrs)))
}

fn follow(desk: Desk, pane: Pane, drag: Drag, now: (f64, f64)) {
    let (dx, dy) = (now.0 - drag.from.0, now.1 - drag.from.1);
    let density = pane.canvas.get_untracked().density;
    match drag.what {
        Tool::Scroll => {
            let slices = (dy / density / SLICE).trunc() as isize;
            let by = drag.slot as isize + slices - pane.at.get_untracked().slot as isize;
            if by != 0 {
                pane.playing.set(false);
                desk.step(pane, by);
            }
        }
        Tool::Pan => pane.camera.set(drag.camera.moved(dx, dy)),
        Tool::Zoom => {
            pane.camera.set(drag.camera);
            zoom(desk, pane, (-dy / density / 150.0).exp(), drag.from);
        }
        Tool::Window => {
            let (Some(view), Some(shown)) = (drag.view, pane.shown.get_untracked()) else { return };
            let Some(attrs) = desk.open.get_untracked().and_then(|o| o.attrs(shown.slot.key)) else { return };
            let window = as_window(view.voi, &attrs);
            // The whole width over 400 CSS pixels: fine for narrow windows, quick for wide ones.
            let unit = window.1.max(8.0) / 400.0 / density;
            pane.view.set(Some(View { voi: levels::moved(window, dx * unit, dy * unit), ..view }));
        }
        Tool::Distance => {
            let Some(placement) = placement(desk, pane) else { return };
            let to = placement.inverse().apply(now);
            desk.measures.update(|all| {
                if let Some(last) = all.last_mut() {
                    last.to = to;
                }
            });
        }
    }
}

pub fn zoom(desk: Desk, pane: Pane, factor: f64, at: (f64, f64)) {
    let Some(shown) = pane.shown.get_untracked() else { return };
    let Some(attrs) = desk.open.get_untracked().and_then(|o| o.attrs(shown.slot.key)) else { return };
    let canvas = pane.canvas.get_untracked();
    pane.camera.update(|camera| *camera = camera.zoomed_at(factor, at, canvas, extent(&attrs)));
}

/// Refused on a preview: what is measured must be what the device sent.
fn begin_measure(desk: Desk, pane: Pane, from: (f64, f64)) -> bool {
    let Some(shown) = pane.shown.get_untracked().filter(|s| s.quality != super::api::Quality::Preview) else {
        return false;
    };
    let Some(placement) = placement(desk, pane) else { return false };
    pane.playing.set(false);
    let from = placement.inverse().apply(from);
    desk.measures.update(|all| all.push(Measure { key: shown.slot.key, from, to: from }));
    true
}

/// A click without a drag is no measurement.
fn end_measure(desk: Desk) {
    desk.measures.update(|all| {
        if all.last().is_some_and(|m| (m.to.0 - m.from.0).hypot(m.to.1 - m.from.1) < 1.0) {
            all.pop();
        }
    });
}

/// Redraws when anything the pane shows has changed, at most once a frame of the screen; survives a lost context.
fn keep_drawn(desk: Desk, pane: Pane, canvas: NodeRef<html::Canvas>) {
    let painter: Rc<RefCell<Option<Painter>>> = Rc::default();
    let pending = Rc::new(Cell::new(false));
    let request: Rc<dyn Fn()> = Rc::new({
        let painter = painter.clone();
        move || {
            if pending.replace(true) {
                return;
            }
            let (painter, pending) = (painter.clone(), pending.clone());
            request_animation_frame(move || {
                pending.set(false);
                let Some(element) = canvas.try_get_untracked().flatten() else { return };
                let mut painter = painter.borrow_mut();
                if painter.is_none() {
                    *painter = Painter::new(&element);
                }
                if let Some(painter) = painter.as_mut() {
                    paint::draw(&desk, &pane, &element, painter);
                }
            });
        }
    });
    let listeners = StoredValue::new_local(None);
    Effect::new({
        let (painter, request) = (painter.clone(), request.clone());
        move |_| {
            if let Some(element) = canvas.get() {
                listeners.set_value(Some(ContextWatch::new(element, painter.clone(), request.clone())));
            }
        }
    });
    // A new study empties the canvas now, not with the next frame of the screen: the banner changes in this turn too.
    let emptied = StoredValue::new(None::<i64>);
    Effect::new(move |_| {
        let study = desk.open.with(|o| o.as_ref().map(|o| o.study.images.study));
        if emptied.get_value() != study {
            emptied.set_value(study);
            if let (Some(element), Some(painter)) = (canvas.get_untracked(), painter.borrow_mut().as_mut()) {
                paint::draw(&desk, &pane, &element, painter);
            }
        }
    });
    Effect::new(move |_| {
        desk.open.track();
        desk.arrivals.track();
        desk.focus.track();
        pane.at.track();
        pane.view.track();
        pane.camera.track();
        pane.canvas.track();
        canvas.track();
        request();
    });
}

/// Listens for the GPU taking its context away and giving it back.
struct ContextWatch {
    canvas: HtmlCanvasElement,
    lost: Closure<dyn FnMut(web_sys::Event)>,
    restored: Closure<dyn FnMut(web_sys::Event)>,
}

impl ContextWatch {
    fn new(canvas: HtmlCanvasElement, painter: Rc<RefCell<Option<Painter>>>, request: Rc<dyn Fn()>) -> Self {
        let lost = Closure::new({
            let request = request.clone();
            move |event: web_sys::Event| {
                // Without this the browser never restores it.
                event.prevent_default();
                request();
            }
        });
        let restored = Closure::new(move |_: web_sys::Event| {
            *painter.borrow_mut() = None;
            request();
        });
        for (name, closure) in [("webglcontextlost", &lost), ("webglcontextrestored", &restored)] {
            canvas.add_event_listener_with_callback(name, closure.as_ref().unchecked_ref()).unwrap_or_default();
        }
        Self { canvas, lost, restored }
    }
}

impl Drop for ContextWatch {
    fn drop(&mut self) {
        for (name, closure) in [("webglcontextlost", &self.lost), ("webglcontextrestored", &self.restored)] {
            self.canvas.remove_event_listener_with_callback(name, closure.as_ref().unchecked_ref()).unwrap_or_default();
        }
    }
}

/// Follows the surface's size and the screen's density.
/// A slice keeps the whole canvas, its words over the air in its corners; every other image keeps clear of them.
fn place_words(desk: Desk, pane: Pane) {
    Effect::new(move |_| {
        let canvas = pane.canvas.get();
        let Some(open) = desk.open.get() else { return };
        let Some(slot) = open.slot(pane.at.get()) else { return };
        let sliced = matches!(open.series(slot).modality.as_str(), "CT" | "MR" | "PT" | "NM");
        let words = match open.attrs(slot.key).filter(|_| !sliced) {
            Some(attrs) => Words::clear_of(canvas, extent(&attrs)),
            None => Words::Over,
        };
        if canvas.words != words {
            pane.canvas.set(Canvas { words, ..canvas });
        }
    });
}

fn watch_size(pane: Pane, surface: NodeRef<html::Div>) {
    let measure = move || {
        let Some(element) = surface.try_get_untracked().flatten() else { return };
        let density = web_sys::window().map_or(1.0, |w| w.device_pixel_ratio()).max(0.5);
        let bounds = element.get_bounding_client_rect();
        let width = (bounds.width() * density).round();
        let height = (bounds.height() * density).round();
        let words = pane.canvas.try_get_untracked().map(|canvas| canvas.words).unwrap_or_default();
        let canvas = Canvas { width, height, density, words };
        if pane.canvas.try_get_untracked().is_some_and(|c| c != canvas) {
            pane.canvas.set(canvas);
        }
    };
    let watcher = StoredValue::new_local(None);
    Effect::new(move |_| {
        let Some(element) = surface.get() else { return };
        measure();
        let callback = Closure::<dyn FnMut(JsValue)>::new(move |_: JsValue| measure());
        if let Ok(observer) = ResizeObserver::new(callback.as_ref().unchecked_ref()) {
            observer.observe(&element);
            watcher.set_value(Some((observer, callback)));
        }
    });
    // The density alone changes when the window moves to another screen.
    let moved = window_event_listener(ev::resize, move |_| measure());
    on_cleanup(move || {
        moved.remove();
        watcher.update_value(|w| {
            if let Some((observer, _)) = w.take() {
                observer.disconnect();
            }
        });
    });
}
