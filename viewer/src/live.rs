//! What changed on the server, as it changes: one stream for the whole application, resumed where it broke off.
//!
//! Pages register with [`listen`]. While the stream is down they hear [`Beat::Poll`] every few seconds instead, so a
//! proxy that swallows streams makes the page slower, never stale.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wire::Event;

use crate::{api, sse};

#[derive(Clone, Debug)]
pub enum Beat {
    Event(Event),
    /// The stream is down; look again.
    Poll,
}

/// How the line to the center is, for the top bar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    Connecting,
    Live,
    Polling,
}

/// Silence after which a stream counts as dead; the server sends a comment more often than this.
const SILENCE_MS: u64 = 45_000;
const POLL_SECONDS: i32 = 5;

type Listener = Rc<dyn Fn(&Beat)>;

thread_local! {
    static LISTENERS: RefCell<Vec<(u64, Listener)>> = const { RefCell::new(Vec::new()) };
    static NEXT: Cell<u64> = const { Cell::new(0) };
    static AFTER: Cell<i64> = const { Cell::new(-1) };
    /// Rises with each start and stop; a loop of an older run ends itself.
    static RUN: Cell<u64> = const { Cell::new(0) };
}

/// Calls `hear` with each beat until the owner is cleaned up.
pub fn listen(hear: impl Fn(&Beat) + 'static) {
    let id = NEXT.replace(NEXT.get() + 1);
    LISTENERS.with_borrow_mut(|all| all.push((id, Rc::new(hear))));
    on_cleanup(move || LISTENERS.with_borrow_mut(|all| all.retain(|(other, _)| *other != id)));
}

fn tell(beat: &Beat) {
    let listeners: Vec<Listener> = LISTENERS.with_borrow(|all| all.iter().map(|(_, hear)| hear.clone()).collect());
    for hear in listeners {
        hear(beat);
    }
}

/// What the caller shows reflects events up to `seq`; the stream starts there.
pub fn reflects(seq: i64) {
    if AFTER.get() < 0 {
        AFTER.set(seq);
    }
}

/// Begins listening for a signed-in person.
pub fn start(line: WriteSignal<Line>) {
    let run = RUN.get() + 1;
    RUN.set(run);
    AFTER.set(-1);
    spawn_local(follow(run, line));
}

pub fn stop() {
    RUN.set(RUN.get() + 1);
}

async fn follow(run: u64, line: WriteSignal<Line>) {
    let mut failures = 0_i32;
    while RUN.get() == run {
        if AFTER.get() < 0 {
            // Nothing shown yet, so nothing to follow from.
            api::sleep(200).await;
            continue;
        }
        let heard = stream_once(run, line).await;
        if RUN.get() != run {
            return;
        }
        failures = if heard { 1 } else { failures + 1 };
        if failures > 1 {
            line.set(Line::Polling);
            tell(&Beat::Poll);
        }
        api::sleep(if failures > 1 { POLL_SECONDS * 1000 } else { 500 }).await;
    }
}

/// Reads one connection to its end. Whether anything at all was heard.
async fn stream_once(run: u64, line: WriteSignal<Line>) -> bool {
    let Ok((reader, abort)) = api::open_stream(&format!("/api/v1/events?after={}", AFTER.get())).await else {
        return false;
    };
    line.set(Line::Live);
    let heard_at = Rc::new(Cell::new(js_sys::Date::now()));
    let watch = {
        let (heard_at, abort) = (heard_at.clone(), abort.clone());
        set_interval_with_handle(
            move || {
                let silent = js_sys::Date::now() - heard_at.get() > SILENCE_MS as f64;
                if silent || RUN.get() != run {
                    abort.abort();
                }
            },
            Duration::from_secs(2),
        )
    };
    let mut parser = sse::Parser::default();
    while RUN.get() == run {
        let Some(chunk) = read_chunk(&reader).await else { break };
        heard_at.set(js_sys::Date::now());
        let Ok(messages) = parser.feed(&chunk) else { break };
        for message in messages {
            hear(&message);
        }
    }
    abort.abort();
    if let Ok(watch) = watch {
        watch.clear();
    }
    true
}

fn hear(message: &sse::Message) {
    if let Ok(event) = serde_json::from_str::<Event>(&message.data) {
        AFTER.set(AFTER.get().max(event.seq));
        tell(&Beat::Event(event));
    } else if let Ok(seq) = message.id.parse::<i64>() {
        AFTER.set(AFTER.get().max(seq));
    }
}

async fn read_chunk(reader: &JsValue) -> Option<Vec<u8>> {
    let read: js_sys::Function = js_sys::Reflect::get(reader, &"read".into()).ok()?.dyn_into().ok()?;
    let promise: js_sys::Promise = read.call0(reader).ok()?.dyn_into().ok()?;
    let answer = JsFuture::from(promise).await.ok()?;
    if js_sys::Reflect::get(&answer, &"done".into()).ok()?.is_truthy() {
        return None;
    }
    let value: js_sys::Uint8Array = js_sys::Reflect::get(&answer, &"value".into()).ok()?.dyn_into().ok()?;
    Some(value.to_vec())
}

/// Runs `act` once, `wait` after the first of a burst of calls.
pub fn gathered(wait: Duration, act: impl Fn() + 'static) -> impl Fn() + 'static {
    let pending = Rc::new(Cell::new(false));
    let act = Rc::new(act);
    move || {
        if pending.replace(true) {
            return;
        }
        let (pending, act) = (pending.clone(), act.clone());
        set_timeout(
            move || {
                pending.set(false);
                act();
            },
            wait,
        );
    }
}
