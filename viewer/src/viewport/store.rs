//! Frames on their way: what is wanted, what is being fetched, what is decoded and kept.
//!
//! The slice on screen comes first, its neighbours next, the rest after ([`super::stacks::wanted`]). A frame nobody wants
//! any more gives up its connection to one that is. The cache is bounded by bytes and lets go of what is furthest from the
//! screen. Frames the server has not prepared yet are asked for again, more and more slowly, and say so meanwhile.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use js_sys::{ArrayBuffer, Uint8Array};
use leptos::prelude::*;
use pixel::Layout;
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortController;
use wire::{Delivery, ImageAttrs};

use super::api::ViewerHandle;
use super::fetch::{self, Fetched, Trouble};
use super::pixels::Pixels;
use super::stacks::FrameKey;
use super::words::say;
use super::workers::Pool;

/// Connections a browser keeps to one server over HTTP/1.1 are six; the page needs some for itself.
const CONNECTIONS: usize = 4;
/// Frames being fetched or decoded at once.
const AT_ONCE: usize = 12;
/// Compressed clip frames kept so that going round again needs no network.
const PACKED_BYTES: usize = 96 << 20;

/// How a frame stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Load {
    /// Wanted, on its way, or not asked for.
    Coming,
    /// The server is preparing it, or the network failed; it is asked for again.
    Delayed(Delay),
    Failed(String),
    Here,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    Preparing,
    Network,
}

/// What must be known to ask for a frame and to understand it.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    pub layout: Layout,
    pub photometric: wire::Photometric,
    /// Bytes that the decoded frame takes.
    weight: usize,
}

impl Recipe {
    pub fn of(delivery: Delivery, attrs: &ImageAttrs) -> Self {
        let layout = Layout::of(attrs);
        let per_pixel = match (delivery, layout.per_pixel) {
            // The browser decodes to four bytes a pixel.
            (Delivery::Jpeg, _) => 4,
            (_, 1) => usize::from(layout.bits_allocated.div_ceil(8)),
            (_, samples) => usize::from(samples),
        };
        let weight = layout.columns as usize * layout.rows as usize * per_pixel;
        Self { layout, photometric: attrs.photometric, weight }
    }
}

/// One study's frames; a new study gets a new store, and what was on its way for the old one is dropped.
#[derive(Clone)]
pub struct FrameStore {
    inner: Rc<RefCell<Inner>>,
    pool: Rc<Pool>,
    /// Rises whenever a frame arrives, is delayed or fails.
    changed: RwSignal<u32>,
    handle: ViewerHandle,
}

struct Inner {
    recipes: HashMap<i64, Recipe>,
    wanted: Vec<FrameKey>,
    rank: HashMap<FrameKey, usize>,
    frames: HashMap<FrameKey, Entry>,
    packed: HashMap<FrameKey, (String, ArrayBuffer)>,
    weight: usize,
    packed_weight: usize,
    budget: usize,
    closed: bool,
}

enum Entry {
    /// Fetching or decoding; `None` once its bytes are here and there is nothing left to abort.
    Busy {
        abort: Option<AbortController>,
    },
    /// Waiting to be asked for again.
    Later {
        why: Delay,
        tries: u32,
        due: bool,
    },
    Failed(String),
    Here(Rc<Pixels>),
}

impl FrameStore {
    pub fn new(pool: Rc<Pool>, changed: RwSignal<u32>, handle: ViewerHandle) -> Self {
        let inner = Inner {
            recipes: HashMap::new(),
            wanted: Vec::new(),
            rank: HashMap::new(),
            frames: HashMap::new(),
            packed: HashMap::new(),
            weight: 0,
            packed_weight: 0,
            budget: budget(),
            closed: false,
        };
        Self { inner: Rc::new(RefCell::new(inner)), pool, changed, handle }
    }

    /// Makes an instance's frames known; those that can't be shown are never asked for.
    pub fn know(&self, instance: i64, delivery: Delivery, attrs: &ImageAttrs) {
        if !matches!(delivery, Delivery::Unavailable | Delivery::NoImage) {
            self.inner.borrow_mut().recipes.insert(instance, Recipe::of(delivery, attrs));
        }
    }

    /// The frame, if it is here.
    pub fn get(&self, key: FrameKey) -> Option<Rc<Pixels>> {
        match self.inner.borrow().frames.get(&key) {
            Some(Entry::Here(pixels)) => Some(pixels.clone()),
            _ => None,
        }
    }

    pub fn load(&self, key: FrameKey) -> Load {
        match self.inner.borrow().frames.get(&key) {
            Some(Entry::Here(_)) => Load::Here,
            Some(Entry::Failed(reason)) => Load::Failed(reason.clone()),
            Some(Entry::Later { why, .. }) => Load::Delayed(*why),
            _ => Load::Coming,
        }
    }

    /// Says what is wanted from now on, most wanted first.
    pub fn want(&self, wanted: Vec<FrameKey>) {
        {
            let mut inner = self.inner.borrow_mut();
            inner.rank = wanted.iter().enumerate().rev().map(|(i, &k)| (k, i)).collect();
            inner.wanted = wanted;
            if let Some(&first) = inner.wanted.first() {
                inner.yield_connection(first);
            }
        }
        self.pump();
    }

    /// A frame whose time has come goes before everything but the one on screen: one that waits to be asked for again is asked
    /// for now, and a connection that brings something less wanted is given up for it.
    pub fn urge(&self, key: FrameKey) {
        {
            let mut inner = self.inner.borrow_mut();
            if let Some(Entry::Later { due, .. }) = inner.frames.get_mut(&key) {
                *due = true;
            }
            if let Some(at) = inner.wanted.iter().position(|wanted| *wanted == key).filter(|at| *at > 1) {
                inner.wanted.remove(at);
                inner.wanted.insert(1, key);
                inner.rank.insert(key, 1);
            }
            inner.yield_connection(key);
        }
        self.pump();
    }

    /// Forgets a failure so that the frame is asked for again.
    pub fn retry(&self, key: FrameKey) {
        self.inner.borrow_mut().frames.remove(&key);
        self.bump();
        self.pump();
    }

    /// Stops everything; what still arrives is dropped.
    pub fn close(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.closed = true;
        for entry in inner.frames.values() {
            if let Entry::Busy { abort: Some(abort) } = entry {
                abort.abort();
            }
        }
        inner.frames.clear();
        inner.packed.clear();
    }

    fn bump(&self) {
        self.changed.update(|n| *n = n.wrapping_add(1));
    }

    /// Starts what is wanted most, as far as connections and memory go.
    fn pump(&self) {
        loop {
            let (key, recipe, packed, tries, abort) = {
                let mut inner = self.inner.borrow_mut();
                let Some(key) = inner.next() else { return };
                let Some(recipe) = inner.recipes.get(&key.instance).copied() else { return };
                let packed = inner.packed.get(&key).cloned();
                let tries = match inner.frames.get(&key) {
                    Some(Entry::Later { tries, .. }) => *tries,
                    _ => 0,
                };
                let abort = if packed.is_some() { None } else { AbortController::new().ok() };
                inner.frames.insert(key, Entry::Busy { abort: abort.clone() });
                (key, recipe, packed, tries, abort)
            };
            let store = self.clone();
            spawn_local(async move { store.bring(key, recipe, packed, tries, abort).await });
        }
    }

    /// Fetches, decodes and keeps one frame.
    async fn bring(
        &self,
        key: FrameKey,
        recipe: Recipe,
        packed: Option<(String, ArrayBuffer)>,
        tries: u32,
        abort: Option<AbortController>,
    ) {
        let fetched = match packed {
            Some((kind, bytes)) => Ok(Fetched { kind, bytes }),
            None => fetch::frame(key, abort.as_ref()).await,
        };
        let outcome = match fetched {
            Ok(fetched) => {
                self.loaded(key, &fetched);
                let words = |error| format!("{} {error}", say("解码失败：", "Decoding failed:"));
                self.decode(fetched, recipe).await.map_err(|error| Trouble::Refused(words(error)))
            }
            Err(trouble) => Err(trouble),
        };
        if matches!(outcome, Err(Trouble::SignedOut)) {
            // The page leads back to the sign-in; asking again would change nothing.
            self.close();
            self.handle.set_signed_out();
            return;
        }
        self.settle(key, tries, outcome);
        self.bump();
        self.pump();
    }

    /// The bytes are here: nothing left to abort; clip frames are kept as they came.
    fn loaded(&self, key: FrameKey, fetched: &Fetched) {
        let mut inner = self.inner.borrow_mut();
        if inner.closed {
            return;
        }
        inner.frames.insert(key, Entry::Busy { abort: None });
        let weight = fetched.bytes.byte_length() as usize;
        if fetched.kind == fetch::JPEG
            && !inner.packed.contains_key(&key)
            && inner.packed_weight + weight <= PACKED_BYTES
        {
            inner.packed_weight += weight;
            inner.packed.insert(key, (fetched.kind.clone(), fetched.bytes.clone()));
        }
        drop(inner);
        self.pump();
    }

    async fn decode(&self, fetched: Fetched, recipe: Recipe) -> Result<Pixels, String> {
        let Layout { columns, rows, per_pixel, .. } = recipe.layout;
        if fetched.kind == fetch::JPEG {
            let stream = pixel::jpeg::with_colour_said(&Uint8Array::new(&fetched.bytes).to_vec(), recipe.photometric);
            let pixels = Pixels::from_bitmap(fetch::bitmap(&stream).await?);
            if (pixels.columns, pixels.rows) != (columns, rows) {
                return Err(format!("{} × {} ≠ {columns} × {rows}", pixels.columns, pixels.rows));
            }
            return Ok(pixels);
        }
        let array = self.pool.decode(&fetched.kind, fetched.bytes, recipe.layout).await?;
        Pixels::from_worker(array, columns, rows, per_pixel)
            .ok_or_else(|| format!("≠ {columns} × {rows} × {per_pixel}"))
    }

    fn settle(&self, key: FrameKey, tries: u32, outcome: Result<Pixels, Trouble>) {
        let mut inner = self.inner.borrow_mut();
        if inner.closed {
            return;
        }
        let (why, wait) = match outcome {
            Ok(pixels) => return inner.keep(key, pixels),
            // Who aborted it has taken it off the list.
            Err(Trouble::Aborted | Trouble::SignedOut) => return,
            Err(Trouble::Refused(reason)) => {
                inner.frames.insert(key, Entry::Failed(reason));
                return;
            }
            Err(Trouble::Preparing(wait)) => (Delay::Preparing, wait),
            Err(Trouble::Network) => (Delay::Network, None),
        };
        inner.frames.insert(key, Entry::Later { why, tries: tries + 1, due: false });
        drop(inner);
        self.ask_again(key, wait.unwrap_or_else(|| backoff(tries)));
    }

    fn ask_again(&self, key: FrameKey, wait: Duration) {
        let store = self.clone();
        set_timeout(
            move || {
                if let Some(Entry::Later { due, .. }) = store.inner.borrow_mut().frames.get_mut(&key) {
                    *due = true;
                }
                store.pump();
            },
            wait,
        );
    }
}

impl Inner {
    fn fetching(&self) -> usize {
        self.frames.values().filter(|e| matches!(e, Entry::Busy { abort: Some(_) })).count()
    }

    /// The most wanted frame that can be started now.
    fn next(&self) -> Option<FrameKey> {
        let busy = self.frames.values().filter(|entry| matches!(entry, Entry::Busy { .. })).count();
        if self.closed || busy >= AT_ONCE || self.fetching() >= CONNECTIONS {
            return None;
        }
        let startable = |key: &&FrameKey| {
            self.recipes.contains_key(&key.instance)
                && match self.frames.get(key) {
                    None => true,
                    Some(Entry::Later { due, .. }) => *due,
                    Some(_) => false,
                }
        };
        let key = *self.wanted.iter().find(startable)?;
        let room = self.rank_of(key) == 0
            || self.weight + self.coming() + self.size(key) <= self.budget
            || self.furthest().is_some_and(|(rank, _)| rank > self.rank_of(key));
        room.then_some(key)
    }

    /// Bytes that one decoded frame will take.
    fn size(&self, key: FrameKey) -> usize {
        self.recipes.get(&key.instance).map_or(0, |recipe| recipe.weight)
    }

    /// Bytes that the frames on their way will take.
    fn coming(&self) -> usize {
        let busy = self.frames.iter().filter(|(_, entry)| matches!(entry, Entry::Busy { .. }));
        busy.map(|(&key, _)| self.size(key)).sum()
    }

    fn rank_of(&self, key: FrameKey) -> usize {
        self.rank.get(&key).copied().unwrap_or(usize::MAX)
    }

    /// The kept frame furthest from the screen.
    fn furthest(&self) -> Option<(usize, FrameKey)> {
        let here = self.frames.iter().filter(|(_, e)| matches!(e, Entry::Here(_)));
        here.map(|(&k, _)| (self.rank_of(k), k)).max_by_key(|(rank, _)| *rank)
    }

    /// Keeps a frame and lets go of the furthest ones until what is kept fits; never of the one on screen.
    fn keep(&mut self, key: FrameKey, pixels: Pixels) {
        self.weight += pixels.weight();
        self.frames.insert(key, Entry::Here(Rc::new(pixels)));
        while self.weight > self.budget {
            let Some((rank, victim)) = self.furthest() else { return };
            if rank == 0 {
                return;
            }
            if let Some(Entry::Here(gone)) = self.frames.remove(&victim) {
                self.weight -= gone.weight();
            }
        }
    }

    /// Where a frame waits for a connection, the least wanted request gives up its own.
    fn yield_connection(&mut self, waiting: FrameKey) {
        let waits = matches!(self.frames.get(&waiting), None | Some(Entry::Later { due: true, .. }));
        if !waits || self.fetching() < CONNECTIONS {
            return;
        }
        let busy = self.frames.iter().filter(|(_, e)| matches!(e, Entry::Busy { abort: Some(_) }));
        let Some(key) = busy.map(|(&k, _)| k).max_by_key(|&k| self.rank_of(k)) else { return };
        if let Some(Entry::Busy { abort: Some(abort) }) = self.frames.remove(&key) {
            abort.abort();
        }
    }
}

/// Half a second, doubled up to eight.
fn backoff(tries: u32) -> Duration {
    Duration::from_millis(500 << tries.min(4))
}

/// Bytes of decoded frames to keep: more on a machine that says it has more, little on a phone.
fn budget() -> usize {
    let said = web_sys::window()
        .and_then(|w| js_sys::Reflect::get(&w.navigator(), &"deviceMemory".into()).ok())
        .and_then(|v| v.as_f64());
    match said {
        Some(gigabytes) if gigabytes <= 2.0 => 96 << 20,
        Some(gigabytes) if gigabytes <= 4.0 => 192 << 20,
        _ => 320 << 20,
    }
}
