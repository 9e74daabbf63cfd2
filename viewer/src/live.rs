//! What changed on the server, as it changes: one stream for the whole application, resumed where it broke off.
//!
//! Pages register with [`listen`]. While the stream is down they hear [`Beat::Poll`] every few seconds instead, so a
//! proxy that swallows streams makes the page slower, never stale. Where no page has said up to which event it shows
//! things ([`reflects`]), the stream starts at now and everybody looks once more: nothing falls between.

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
    /// Something may have been missed, or the stream is down; look again.
    Poll,
}

/// How the line to the center is, for the top bar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    Connecting,
    Live,
    Polling,
    /// The last call did not get through, whatever the stream says.
    Cut,
}

/// What the top bar shows: a call that failed a moment ago outweighs a stream that has not noticed yet.
const fn shown(stream: Line, cut: bool) -> Line {
    if cut { Line::Cut } else { stream }
}

/// Silence after which a stream counts as dead; the server sends a comment more often than this.
const SILENCE_MS: f64 = 45_000.0;
/// How long a new stream may take to say its first word.
const FIRST_WORD_MS: f64 = 15_000.0;
/// How long a page may take to say what it reflects.
const FIRST_PAGE_MS: f64 = 2_000.0;
const POLL: Duration = Duration::from_secs(5);
/// Between two tries to reach the center while calls do not get through.
const PROBE_MS: i32 = 4_000;
const BRIEFLY_MS: i32 = 500;

type Listener = Rc<dyn Fn(&Beat)>;

thread_local! {
    static LISTENERS: RefCell<Vec<(u64, Listener)>> = const { RefCell::new(Vec::new()) };
    static NEXT: Cell<u64> = const { Cell::new(0) };
    static AFTER: Cell<i64> = const { Cell::new(-1) };
    /// Rises with each start and stop; a loop of an older run ends itself.
    static RUN: Cell<u64> = const { Cell::new(0) };
    /// Where the line is shown while somebody is signed in.
    static SHOWN: Cell<Option<WriteSignal<Line>>> = const { Cell::new(None) };
    static STREAM: Cell<Line> = const { Cell::new(Line::Connecting) };
    static CUT: Cell<bool> = const { Cell::new(false) };
}

fn show() {
    if let Some(line) = SHOWN.get() {
        line.try_set(shown(STREAM.get(), CUT.get()));
    }
}

fn stream_is(line: Line) {
    STREAM.set(line);
    show();
}

/// A call ended: whether it reached the center. After one that did not, the center is asked until it answers again.
pub fn called(reached: bool) {
    let run = RUN.get();
    let (cut, was_cut) = (!reached, CUT.replace(!reached));
    if cut == was_cut {
        return;
    }
    show();
    if !reached {
        spawn_local(async move {
            while CUT.get() && RUN.get() == run {
                api::sleep(PROBE_MS).await;
                if CUT.get() && RUN.get() == run {
                    api::status().await.ok();
                }
            }
        });
    }
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
    SHOWN.set(Some(line));
    CUT.set(false);
    stream_is(Line::Connecting);
    spawn_local(follow(run));
}

pub fn stop() {
    RUN.set(RUN.get() + 1);
}

/// What came of one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// It spoke, and has ended.
    Heard,
    /// It was refused, or the server is out of reach.
    Refused,
    /// It was never answered, or not a word came through.
    Silent,
}

/// Connections in a row of which nothing was heard. A stream that only broke is opened again before anybody is told.
#[derive(Clone, Copy, Default)]
struct Failures(u32);

impl Failures {
    fn after(self, outcome: Outcome) -> Self {
        Self(match outcome {
            Outcome::Heard => 1,
            Outcome::Refused => self.0 + 1,
            Outcome::Silent => self.0 + 2,
        })
    }

    fn are_a_breakdown(self) -> bool {
        self.0 > 1
    }
}

async fn follow(run: u64) {
    let began = js_sys::Date::now();
    while RUN.get() == run && AFTER.get() < 0 && js_sys::Date::now() - began < FIRST_PAGE_MS {
        api::sleep(100).await;
    }
    let polling = Rc::new(Cell::new(false));
    let polls = {
        let polling = polling.clone();
        set_interval_with_handle(
            move || {
                if polling.get() && RUN.get() == run {
                    tell(&Beat::Poll);
                }
            },
            POLL,
        )
    };
    let mut failures = Failures::default();
    while RUN.get() == run {
        let outcome = stream_once(run, &polling).await;
        if RUN.get() != run {
            break;
        }
        failures = failures.after(outcome);
        if failures.are_a_breakdown() {
            stream_is(Line::Polling);
            if !polling.replace(true) {
                tell(&Beat::Poll);
            }
        }
        api::sleep(if failures.are_a_breakdown() { POLL.as_millis() as i32 } else { BRIEFLY_MS }).await;
    }
    if let Ok(polls) = polls {
        polls.clear();
    }
}

/// Reads one connection to its end.
async fn stream_once(run: u64, polling: &Cell<bool>) -> Outcome {
    let after = AFTER.get();
    let path = match after {
        ..0 => "/api/v1/events".to_owned(),
        _ => format!("/api/v1/events?after={after}"),
    };
    let Some(abort) = api::abort() else { return Outcome::Refused };
    let begun = Rc::new(Cell::new(false));
    let heard_at = Rc::new(Cell::new(js_sys::Date::now()));
    let watch = {
        let (begun, heard_at, abort) = (begun.clone(), heard_at.clone(), abort.clone());
        set_interval_with_handle(
            move || {
                let allowed = if begun.get() { SILENCE_MS } else { FIRST_WORD_MS };
                if js_sys::Date::now() - heard_at.get() > allowed || RUN.get() != run {
                    abort.abort();
                }
            },
            Duration::from_secs(1),
        )
    };
    let mut parser = sse::Parser::default();
    if let Ok(reader) = api::open_stream(&path, &abort).await {
        while RUN.get() == run {
            let Some(chunk) = read_chunk(&reader).await else { break };
            heard_at.set(js_sys::Date::now());
            if !begun.replace(true) {
                polling.set(false);
                stream_is(Line::Live);
                if after < 0 {
                    tell(&Beat::Poll);
                }
            }
            let Ok(messages) = parser.feed(&chunk) else { break };
            for message in messages {
                hear(&message);
            }
        }
    }
    let was_given_up = abort.signal().aborted();
    abort.abort();
    if let Ok(watch) = watch {
        watch.clear();
    }
    match (begun.get(), was_given_up) {
        (true, _) => Outcome::Heard,
        (false, true) => Outcome::Silent,
        (false, false) => Outcome::Refused,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn after(outcomes: &[Outcome]) -> bool {
        outcomes.iter().fold(Failures::default(), |failures, outcome| failures.after(*outcome)).are_a_breakdown()
    }

    #[test]
    fn a_line_over_which_calls_fail_is_not_called_fine() {
        assert_eq!(shown(Line::Live, true), Line::Cut);
        assert_eq!(shown(Line::Live, false), Line::Live);
        assert_eq!(shown(Line::Polling, false), Line::Polling, "calls that work do not mend the stream");
    }

    #[test]
    fn a_stream_that_is_swallowed_leads_to_polling_at_once() {
        assert!(after(&[Outcome::Silent]));
        assert!(after(&[Outcome::Heard, Outcome::Silent]));
    }

    #[test]
    fn a_stream_that_only_broke_is_opened_again_first() {
        assert!(!after(&[Outcome::Heard]));
        assert!(!after(&[Outcome::Refused, Outcome::Refused, Outcome::Heard]));
        assert!(after(&[Outcome::Heard, Outcome::Refused]));
        assert!(after(&[Outcome::Refused, Outcome::Refused]));
    }
}
