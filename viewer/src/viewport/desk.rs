//! What the panes of one viewport share: the open study, its frames, the tool in hand, the measurements.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use leptos::prelude::*;
use pixel::View;
use wire::{Delivery, ImageAttrs, InstanceImage, SeriesImages};

use super::api::{ViewerHandle, ViewerState, ViewerStudy};
use super::cine::Loop;
use super::geometry::{Camera, Canvas};
use super::measure::Measure;
use super::names;
use super::stacks::{self, FrameKey, Slot, Stack};
use super::store::FrameStore;
use super::workers::Pool;

/// What the left button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Through the stack, a slice each few pixels: what a finger does until told otherwise.
    Scroll,
    Window,
    Zoom,
    Pan,
    Distance,
}

impl Tool {
    /// Fingers scroll; a mouse has a wheel for that and windows.
    pub fn at_first() -> Self {
        let coarse = web_sys::window().and_then(|w| w.match_media("(pointer: coarse)").ok().flatten());
        if coarse.is_some_and(|query| query.matches()) { Tool::Scroll } else { Tool::Window }
    }
}

/// An open study, sorted into stacks.
#[derive(Debug)]
pub struct Open {
    pub study: Arc<ViewerStudy>,
    pub stacks: Vec<Stack>,
    /// Of each stack.
    pub names: Vec<String>,
    /// Instances that came later than what was looked at before.
    late: HashSet<i64>,
    /// Of each instance, its frames' in turn, or one for all of them.
    attrs: HashMap<i64, Vec<Arc<ImageAttrs>>>,
}

impl Open {
    fn new(study: Arc<ViewerStudy>) -> Self {
        let stacks = stacks::stacks(&study.images);
        let all = study.images.series.iter().flat_map(|s| &s.instances);
        let frames = |attrs: ImageAttrs| attrs.into_frames().into_iter().map(Arc::new).collect();
        let attrs = all.filter_map(|i| i.attrs.clone().map(|attrs| (i.instance, frames(attrs)))).collect();
        let names = names::names(&study.images, &stacks);
        let late = study.images.late.iter().copied().collect();
        Self { study, stacks, names, late, attrs }
    }

    pub fn slot(&self, at: At) -> Option<Slot> {
        self.stacks.get(at.stack)?.slots.get(at.slot).copied()
    }

    pub fn series(&self, slot: Slot) -> &SeriesImages {
        &self.study.images.series[slot.series]
    }

    pub fn instance(&self, slot: Slot) -> &InstanceImage {
        &self.series(slot).instances[slot.instance]
    }

    /// It came late, and nobody has answered for it.
    pub fn is_late(&self, slot: Slot) -> bool {
        self.late.contains(&slot.key.instance)
    }

    /// How many of a stack's places show a late one.
    pub fn late_in(&self, stack: usize) -> usize {
        self.stacks.get(stack).map_or(0, |stack| stacks::count_of(stack, &self.late))
    }

    /// Where the first of the late ones is that were not known.
    fn first_late(&self, known: &HashSet<i64>) -> Option<At> {
        let new = &self.late - known;
        let (stack, slot) = stacks::first_of(&self.stacks, &new)?;
        Some(At { stack, slot })
    }

    pub fn attrs(&self, key: FrameKey) -> Option<Arc<ImageAttrs>> {
        let frames = self.attrs.get(&key.instance)?;
        frames.get(key.frame.saturating_sub(1) as usize).or(frames.first()).cloned()
    }
}

/// A place in a study: which stack, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct At {
    pub stack: usize,
    pub slot: usize,
}

/// The frame a pane's canvas holds; corners speak of this one, not of the one asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct OnCanvas {
    pub at: At,
    pub slot: Slot,
    pub quality: super::api::Quality,
    pub view: View,
}

/// Why a pane does not show what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    Loading,
    Preparing,
    Network,
    Failed(String),
}

/// One canvas and how the reader has set it.
#[derive(Clone, Copy)]
pub struct Pane {
    pub at: RwSignal<At>,
    /// `None`: as the image opens, worked out when its first frame is here.
    pub view: RwSignal<Option<View>>,
    pub camera: RwSignal<Camera>,
    pub canvas: RwSignal<Canvas>,
    pub shown: RwSignal<Option<OnCanvas>>,
    pub notice: RwSignal<Option<Notice>>,
    pub playing: RwSignal<bool>,
    /// Playing, but the next frame is not here yet.
    pub buffering: RwSignal<bool>,
    pub speed: RwSignal<f64>,
    pub ends: RwSignal<Loop>,
    pub forward: RwSignal<bool>,
    /// Stacks looked at before, as they were left.
    kept: StoredValue<HashMap<usize, Left>>,
}

/// How a stack was left.
#[derive(Clone, Copy)]
struct Left {
    view: Option<View>,
    camera: Camera,
    slot: usize,
}

pub const WHOLE: Loop = Loop { first: 0, last: usize::MAX };

impl Pane {
    fn new() -> Self {
        Self {
            at: RwSignal::default(),
            view: RwSignal::new(None),
            camera: RwSignal::default(),
            canvas: RwSignal::default(),
            shown: RwSignal::new(None),
            notice: RwSignal::new(None),
            playing: RwSignal::new(false),
            buffering: RwSignal::new(false),
            speed: RwSignal::new(1.0),
            ends: RwSignal::new(WHOLE),
            forward: RwSignal::new(true),
            kept: StoredValue::default(),
        }
    }

    /// The frame on the canvas, if one is.
    pub fn shown_key(&self) -> Option<FrameKey> {
        self.shown.with_untracked(|s| s.as_ref().map(|s| s.slot.key))
    }

    fn reset(&self, at: At) {
        self.kept.update_value(HashMap::clear);
        self.shown.set(None);
        self.show_stack_at(at, None, Camera::default());
    }

    fn show_stack_at(&self, at: At, view: Option<View>, camera: Camera) {
        self.playing.set(false);
        self.ends.set(WHOLE);
        self.view.set(view);
        self.camera.set(camera);
        self.at.set(at);
    }
}

/// Shared by everything inside one viewport.
#[derive(Clone, Copy)]
pub struct Desk {
    pub open: RwSignal<Option<Arc<Open>>>,
    pub panes: [Pane; 2],
    /// Panes on screen, 1 or 2.
    pub layout: RwSignal<usize>,
    /// The pane that keys and the rail act on.
    pub focus: RwSignal<usize>,
    pub tool: RwSignal<Tool>,
    pub measures: RwSignal<Vec<Measure>>,
    /// Rises whenever a frame arrives, is delayed or fails.
    pub arrivals: RwSignal<u32>,
    pub handle: ViewerHandle,
    store: StoredValue<Option<FrameStore>, LocalStorage>,
    pool: StoredValue<Rc<Pool>, LocalStorage>,
}

impl Desk {
    pub fn new(handle: ViewerHandle) -> Self {
        Self {
            open: RwSignal::new(None),
            panes: [Pane::new(), Pane::new()],
            layout: RwSignal::new(1),
            focus: RwSignal::new(0),
            tool: RwSignal::new(Tool::at_first()),
            measures: RwSignal::new(Vec::new()),
            arrivals: RwSignal::new(0),
            handle,
            store: StoredValue::new_local(None),
            pool: StoredValue::new_local(Rc::new(Pool::new())),
        }
    }

    pub fn focused(&self) -> Pane {
        self.panes[self.focus.get().min(1)]
    }

    pub fn focused_untracked(&self) -> Pane {
        self.panes[self.focus.get_untracked().min(1)]
    }

    pub fn store(&self) -> Option<FrameStore> {
        self.store.get_value()
    }

    /// Shows another study, or the same one grown by late images: then everything stays where it is, and the pane in focus
    /// goes to the first of them.
    pub fn open(&self, study: Option<Arc<ViewerStudy>>) {
        let before = self.open.get_untracked();
        let Some(study) = study else {
            self.close();
            return;
        };
        let is_same = before.as_ref().is_some_and(|o| o.study.images.study == study.images.study);
        let fresh = Arc::new(Open::new(study));
        if !is_same {
            self.close();
            self.store.set_value(Some(FrameStore::new(self.pool.get_value(), self.arrivals, self.handle)));
        }
        self.make_known(&fresh);
        match before.filter(|_| is_same) {
            Some(old) => self.keep_places(&old, fresh),
            None => self.begin(fresh),
        }
    }

    /// The page goes away: requests stop, workers end with the last user of their pool.
    pub fn leave(&self) {
        if let Some(store) = self.store.try_get_value().flatten() {
            store.close();
        }
    }

    fn close(&self) {
        if let Some(store) = self.store.get_value() {
            store.close();
        }
        self.store.set_value(None);
        self.measures.set(Vec::new());
        self.open.set(None);
        self.panes.iter().for_each(|p| p.reset(At::default()));
        self.handle.set_shown(None);
        self.handle.set_state(ViewerState::Empty);
    }

    fn make_known(&self, open: &Open) {
        let Some(store) = self.store() else { return };
        for image in open.study.images.series.iter().flat_map(|s| &s.instances) {
            if let Some(attrs) = &image.attrs {
                store.know(image.instance, image.delivery, attrs);
            }
        }
    }

    fn begin(&self, open: Arc<Open>) {
        let late = open.first_late(&HashSet::new());
        let first = late.map_or_else(|| stacks::opening(&open.stacks), |late| late.stack);
        let at = |stack: usize| At { stack, slot: open.stacks.get(stack).map_or(0, stacks::opening_slot) };
        let second = if first + 1 < open.stacks.len() { first + 1 } else { 0 };
        self.panes[0].reset(late.unwrap_or_else(|| at(first)));
        self.panes[1].reset(at(second));
        let films = open.stacks.iter().filter(|s| s.slots.len() == 1 && is_film(&open, s)).count();
        self.layout.set(if films >= 2 { 2 } else { 1 });
        self.focus.set(0);
        self.tool.set(Tool::at_first());
        self.open.set(Some(open));
    }

    fn keep_places(&self, old: &Open, fresh: Arc<Open>) {
        for pane in self.panes {
            let Some(key) = old.slot(pane.at.get_untracked()).map(|s| s.key) else { continue };
            if let Some(at) = find(&fresh, key) {
                pane.at.set(at);
            }
        }
        let came = fresh.first_late(&old.late);
        self.open.set(Some(fresh));
        if let Some(at) = came {
            let pane = self.focused_untracked();
            self.show_stack(pane, at.stack);
            self.go(pane, at.slot);
        }
    }

    /// Puts a stack into a pane, as it was left, or as it opens.
    pub fn show_stack(&self, pane: Pane, stack: usize) {
        let at = pane.at.get_untracked();
        let Some(open) = self.open.get_untracked() else { return };
        let Some(target) = open.stacks.get(stack).filter(|_| at.stack != stack) else { return };
        let left = Left { view: pane.view.get_untracked(), camera: pane.camera.get_untracked(), slot: at.slot };
        pane.kept.update_value(|kept| {
            kept.insert(at.stack, left);
        });
        let fresh = Left { view: None, camera: Camera::default(), slot: stacks::opening_slot(target) };
        let Left { view, camera, slot } = pane.kept.with_value(|kept| kept.get(&stack).copied()).unwrap_or(fresh);
        pane.show_stack_at(At { stack, slot: slot.min(target.slots.len().saturating_sub(1)) }, view, camera);
    }

    /// Goes `by` slots through a pane's stack, stopping at its ends; a clip goes round.
    pub fn step(&self, pane: Pane, by: isize) {
        let at = pane.at.get_untracked();
        let Some(open) = self.open.get_untracked() else { return };
        let Some(stack) = open.stacks.get(at.stack).filter(|s| !s.slots.is_empty()) else { return };
        let count = stack.slots.len() as isize;
        let next = at.slot as isize + by;
        let slot = if stack.times.is_some() { next.rem_euclid(count) } else { next.clamp(0, count - 1) };
        pane.forward.set(by > 0);
        self.go(pane, slot as usize);
    }

    pub fn go(&self, pane: Pane, slot: usize) {
        if pane.at.with_untracked(|at| at.slot != slot) {
            pane.at.update(|at| at.slot = slot);
        }
    }

    pub fn go_last(&self, pane: Pane) {
        let stack = pane.at.get_untracked().stack;
        let last = self.open.with_untracked(|o| o.as_ref()?.stacks.get(stack)?.slots.len().checked_sub(1));
        if let Some(last) = last {
            self.go(pane, last);
        }
    }

    pub fn step_stack(&self, pane: Pane, by: isize) {
        let Some(open) = self.open.get_untracked() else { return };
        let last = open.stacks.len().saturating_sub(1) as isize;
        let stack = (pane.at.get_untracked().stack as isize + by).clamp(0, last);
        self.show_stack(pane, stack as usize);
    }

    /// Frames wanted by all panes on screen, most wanted first.
    pub fn wanted(&self) -> Vec<FrameKey> {
        let Some(open) = self.open.get() else { return Vec::new() };
        let pane = self.focused();
        let at = pane.at.get();
        let mut keys = stacks::wanted(&open.stacks, at.stack, at.slot, pane.forward.get_untracked());
        if self.layout.get() > 1 {
            let other = self.panes[1 - self.focus.get().min(1)].at.get();
            if let Some(slot) = open.slot(other) {
                keys.insert(1.min(keys.len()), slot.key);
            }
            let theirs = stacks::wanted(&open.stacks, other.stack, other.slot, true);
            keys.extend(theirs);
        }
        keys
    }
}

/// Radiographs are looked at side by side.
fn is_film(open: &Open, stack: &Stack) -> bool {
    matches!(open.study.images.series[stack.series].modality.as_str(), "DX" | "CR" | "MG")
        && open.instance(stack.slots[0]).delivery != Delivery::NoImage
}

fn find(open: &Open, key: FrameKey) -> Option<At> {
    open.stacks
        .iter()
        .enumerate()
        .find_map(|(stack, s)| s.slots.iter().position(|slot| slot.key == key).map(|slot| At { stack, slot }))
}
