//! Playing a clip: the clock that moves it, and the bar with its loop ends.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::PointerEvent;

use super::cine::{Clock, Loop};
use super::desk::{Desk, Pane};
use super::stacks::Slot;
use super::store::Load;
use super::words::say;
use crate::ui::icon;

/// The clip in a pane: its clock, if what the pane shows is one.
fn clock_of(desk: Desk, pane: Pane) -> Option<Clock> {
    let stack = pane.at.get().stack;
    desk.open.with(|o| o.as_ref().and_then(|o| o.stacks.get(stack)?.times.as_deref().map(Clock::new)))
}

/// Moves the pane along while it plays. The clock is the browser's, so drawing late skips frames and never drifts; a frame
/// that has not arrived stops the clock until it has, and says so.
pub fn play_when_asked(desk: Desk, pane: Pane) {
    Effect::new(move |_| {
        if !pane.playing.get() {
            pane.buffering.set(false);
            return;
        }
        let Some(clock) = untrack(|| clock_of(desk, pane)) else {
            pane.playing.set(false);
            return;
        };
        let run = Run { desk, pane, clock, stack: pane.at.get_untracked().stack };
        let (speed, ends) = (pane.speed.get_untracked(), pane.ends.get_untracked());
        run.start(Origin { at: now(), from: pane.at.get_untracked().slot, speed, ends, missing: None });
    });
}

/// What the due frame is counted from.
#[derive(Clone, Copy, PartialEq)]
struct Origin {
    at: f64,
    from: usize,
    speed: f64,
    ends: Loop,
    missing: Option<Missing>,
}

/// A frame whose time has come and which is not here.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Missing {
    frame: usize,
    since: f64,
    /// When it was last asked for out of turn.
    urged: f64,
}

/// Milliseconds after which a missing frame is worth a word, and is asked for before everything else.
const LATE: f64 = 400.0;

/// How the next frame stands.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Next {
    Coming,
    Here,
    /// It never comes; playing goes on over it, and the pane says so while it lasts.
    Failed,
}

/// What a turn of the clock asks for.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Step {
    Stay,
    Go(usize),
    /// Not here for long: the frames that are fetched instead make way.
    Urge(usize),
}

/// One turn: `shown` is on the screen, `due` on the clock's word. Whoever is missed stays missed until it is here: the clock
/// stands meanwhile, so that nothing is skipped.
fn step(origin: &mut Origin, clock: &Clock, shown: usize, now: f64, stands: impl Fn(usize) -> Next) -> Step {
    let due = match origin.missing {
        Some(missing) => missing.frame,
        None => clock.due(origin.from, (now - origin.at) * origin.speed, origin.ends),
    };
    if due == shown && origin.missing.is_none() {
        return Step::Stay;
    }
    if stands(due) == Next::Coming {
        let missing = origin.missing.get_or_insert(Missing { frame: due, since: now, urged: now });
        if now - missing.urged < LATE {
            return Step::Stay;
        }
        missing.urged = now;
        return Step::Urge(due);
    }
    if origin.missing.take().is_some() {
        (origin.at, origin.from) = (now, due);
    }
    Step::Go(due)
}

struct Run {
    desk: Desk,
    pane: Pane,
    clock: Clock,
    stack: usize,
}

impl Run {
    fn start(self, origin: Origin) {
        request_animation_frame(move || self.turn(origin));
    }

    fn turn(self, mut origin: Origin) {
        let pane = self.pane;
        let at = pane.at.try_get_untracked();
        let is_on = pane.playing.try_get_untracked() == Some(true) && at.is_some_and(|at| at.stack == self.stack);
        let (true, Some(at)) = (is_on, at) else { return };
        let (speed, ends) = (pane.speed.get_untracked(), pane.ends.get_untracked());
        if (speed, ends) != (origin.speed, origin.ends) {
            origin = Origin { at: now(), from: at.slot, speed, ends, missing: None };
        }
        match step(&mut origin, &self.clock, at.slot, now(), |frame| self.stands(frame)) {
            Step::Stay => {}
            Step::Go(frame) => {
                pane.forward.set(true);
                self.desk.go(pane, frame);
            }
            Step::Urge(frame) => {
                if let (Some(slot), Some(store)) = (self.slot(frame), self.desk.store()) {
                    store.urge(slot.key);
                }
            }
        }
        // A frame that is a moment late is no news.
        let late = origin.missing.is_some_and(|missing| now() - missing.since > LATE);
        if pane.buffering.get_untracked() != late {
            pane.buffering.set(late);
        }
        self.start(origin);
    }

    fn slot(&self, frame: usize) -> Option<Slot> {
        self.desk.open.with_untracked(|o| o.as_ref()?.stacks.get(self.stack)?.slots.get(frame).copied())
    }

    fn stands(&self, frame: usize) -> Next {
        let (Some(slot), Some(store)) = (self.slot(frame), self.desk.store()) else { return Next::Failed };
        match store.load(slot.key) {
            Load::Here => Next::Here,
            Load::Failed(_) => Next::Failed,
            Load::Coming | Load::Delayed(_) => Next::Coming,
        }
    }
}

fn now() -> f64 {
    web_sys::window().and_then(|w| w.performance()).map_or(0.0, |p| p.now())
}

pub fn toggle(pane: Pane) {
    pane.playing.update(|on| *on = !*on);
}

/// One frame back or on, standing still.
pub fn nudge(desk: Desk, pane: Pane, by: isize) {
    pane.playing.set(false);
    desk.step(pane, by);
}

/// Makes the frame on screen the loop's first.
pub fn loop_in(pane: Pane) {
    let slot = pane.at.get_untracked().slot;
    pane.ends.update(|ends| *ends = Loop { first: slot, last: ends.last.max(slot) });
}

/// Makes the frame on screen the loop's last.
pub fn loop_out(pane: Pane) {
    let slot = pane.at.get_untracked().slot;
    pane.ends.update(|ends| *ends = Loop { first: ends.first.min(slot), last: slot });
}

/// The bar under a clip; nothing where there is none.
#[component]
pub fn Transport(desk: Desk) -> impl IntoView {
    let clock = Memo::new(move |_| clock_of(desk, desk.focused()));
    move || {
        clock.get().filter(|c| c.frames() > 1).map(|clock| {
            let pane = desk.focused();
            view! {
                <div class="vp-transport" on:mousedown=|event| event.prevent_default()>
                    {buttons(desk, pane)}
                    {figures(pane, &clock)}
                    {track(desk, pane, clock.frames())}
                    <span class="vp-group">{ends_buttons(pane)}</span>
                    <span class="vp-group">{speeds(pane)}</span>
                </div>
            }
        })
    }
}

fn buttons(desk: Desk, pane: Pane) -> impl IntoView {
    let face = move || icon(if pane.playing.get() { "pause" } else { "play" });
    let name = move || if pane.playing.get() { say("暂停", "Pause") } else { say("播放", "Play") };
    view! {
        <button type="button" class="vp-nudge" aria-label=say("上一帧", "Frame back") on:click=move |_| nudge(desk, pane, -1)>
            "‹"<kbd>","</kbd>
        </button>
        <button type="button" class="vp-play" aria-label=name on:click=move |_| toggle(pane)>{face}</button>
        <button type="button" class="vp-nudge" aria-label=say("下一帧", "Frame on") on:click=move |_| nudge(desk, pane, 1)>
            "›"<kbd>"."</kbd>
        </button>
        <span class="vp-hint">{say("空格", "Space")}</span>
    }
}

fn figures(pane: Pane, clock: &Clock) -> impl IntoView + use<> {
    let (frames, rate) = (clock.frames(), clock.rate());
    let starts: Vec<f64> = (0..=frames).map(|f| clock.start(f) / 1000.0).collect();
    let length = starts[frames];
    let at = move || {
        let slot = pane.at.get().slot.min(frames - 1);
        format!("{:.2} / {length:.2} {} · {rate:.0} fps", starts[slot], say("秒", "s"))
    };
    view! {
        <div class="vp-figures">
            <div><b>{move || pane.at.get().slot + 1}</b>{format!(" / {frames} ")}{say("帧", "frames")}</div>
            <div class="vp-seconds">
                {move || if pane.buffering.get() { say("缓冲中…", "Buffering…").to_owned() } else { at() }}
            </div>
        </div>
    }
}

fn track(desk: Desk, pane: Pane, frames: usize) -> impl IntoView {
    let percent = move |frame: usize| frame.min(frames - 1) as f64 / (frames - 1) as f64 * 100.0;
    let held = StoredValue::new(false);
    let go = move |event: &PointerEvent| {
        let Some(bar) = event.current_target().and_then(|t| t.dyn_into::<web_sys::Element>().ok()) else { return };
        let bounds = bar.get_bounding_client_rect();
        let part = ((f64::from(event.client_x()) - bounds.left()) / bounds.width().max(1.0)).clamp(0.0, 1.0);
        pane.playing.set(false);
        desk.go(pane, (part * (frames - 1) as f64).round() as usize);
    };
    let from = move || format!("{:.2}%", percent(pane.ends.get().first));
    let to = move || format!("{:.2}%", 100.0 - percent(pane.ends.get().last));
    view! {
        <div
            class="vp-track"
            on:pointerdown=move |event| {
                held.set_value(true);
                if let Some(bar) = event.current_target().and_then(|t| t.dyn_into::<web_sys::Element>().ok()) {
                    bar.set_pointer_capture(event.pointer_id()).unwrap_or_default();
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
            <i class="vp-line"></i>
            <i class="vp-span" style:left=from style:right=to></i>
            <i class="vp-knob" style:left=move || format!("{:.2}%", percent(pane.at.get().slot))></i>
        </div>
    }
}

fn ends_buttons(pane: Pane) -> impl IntoView {
    view! {
        <button type="button" class="vp-tool" on:click=move |_| loop_in(pane)>{say("入", "In")}<kbd>"["</kbd></button>
        <button type="button" class="vp-tool" on:click=move |_| loop_out(pane)>{say("出", "Out")}<kbd>"]"</kbd></button>
        <button type="button" class="vp-tool" on:click=move |_| pane.ends.set(super::desk::WHOLE)>
            {say("全段", "Whole")}
        </button>
    }
}

fn speeds(pane: Pane) -> impl IntoView {
    [0.5, 1.0, 2.0]
        .map(|speed| {
            view! {
                <button
                    type="button"
                    class="vp-tool"
                    class:vp-on=move || pane.speed.get() == speed
                    on:click=move |_| pane.speed.set(speed)
                >
                    {format!("{speed}×")}
                </button>
            }
        })
        .into_iter()
        .collect_view()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Loop = Loop { first: 0, last: usize::MAX };

    fn begin() -> (Origin, Clock) {
        (Origin { at: 0.0, from: 0, speed: 1.0, ends: WHOLE, missing: None }, Clock::new(&[40.0; 72]))
    }

    #[test]
    fn a_missing_frame_is_asked_for_out_of_turn_until_it_comes() {
        let (mut origin, clock) = begin();
        let mut turn = |now, next| step(&mut origin, &clock, 0, now, |_| next);
        assert_eq!(turn(20.0, Next::Coming), Step::Stay);
        let asked: Vec<f64> =
            (3..=60).map(|n| f64::from(n) * 16.0).filter(|&now| turn(now, Next::Coming) == Step::Urge(1)).collect();
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert_eq!(turn(1000.0, Next::Here), Step::Go(1));
        assert_eq!(origin.missing, None);
        assert_eq!(step(&mut origin, &clock, 1, 1041.0, |_| Next::Here), Step::Go(2), "it goes on from there");
    }

    #[test]
    fn waiting_counts_from_when_the_frame_was_due() {
        let (mut origin, clock) = begin();
        for now in [48.0, 64.0, 300.0] {
            step(&mut origin, &clock, 0, now, |_| Next::Coming);
        }
        assert_eq!(origin.missing.map(|missing| (missing.frame, missing.since)), Some((1, 48.0)));
    }

    #[test]
    fn a_frame_that_never_comes_is_gone_over() {
        let (mut origin, clock) = begin();
        assert_eq!(step(&mut origin, &clock, 0, 45.0, |_| Next::Failed), Step::Go(1));
    }
}
