//! The journey of a case in five steps: passed, current, to come.

use leptos::prelude::*;
use wire::{CaseRow, CaseState};

use super::icon;
use crate::clock;
use crate::i18n::{Text, fill, say, t};

/// The words of the steps, said once in the column head.
pub const JOURNEY_HEADS: [Text; 5] = [say::COL_ARRIVE, say::COL_QUEUE, say::COL_READ, say::COL_REVIEW, say::COL_SIGNED];

/// What the current step says of itself.
struct Now {
    step: usize,
    icon: &'static str,
    word: &'static str,
    below: String,
    tone: &'static str,
}

fn current(row: &CaseRow, now: i64) -> Now {
    let steps = &row.steps;
    let since = |us: Option<i64>| us.map(|us| fill(say::SINCE, &[&clock::clock_time(us)])).unwrap_or_default();
    let at = |step, icon, word: Text, below| Now { step, icon, word: t(word), below, tone: "now" };
    match row.state {
        CaseState::Arriving => {
            at(0, "download", say::COL_ARRIVE, fill(say::IMAGES_COUNT, &[&row.instances.to_string()]))
        }
        CaseState::Queued => {
            let place = row.position.map(|place| fill(say::QUEUE_PLACE, &[&place.to_string()]));
            at(1, "queue", say::COL_QUEUE, place.unwrap_or_else(|| since(steps.queued_us)))
        }
        CaseState::Assigned => at(2, "user", crate::i18n::S_ASSIGNED, since(steps.assigned_us)),
        CaseState::Opened => at(2, "eye", say::COL_READ, since(reading_since(row))),
        CaseState::Drafted => at(2, "pen", crate::i18n::S_DRAFTED, since(reading_since(row).or(steps.drafted_us))),
        CaseState::Returned => Now { tone: "now wait", ..at(2, "undo", say::RETURNED, since(steps.returned_us)) },
        CaseState::Submitted => {
            let who = row.reviewer.as_ref().map(|who| format!("{} {}", who.name, t(say::COL_REVIEW)));
            at(3, "review", say::COL_REVIEW, who.unwrap_or_else(|| since(steps.submitted_us)))
        }
        CaseState::Signed if row.late > 0 => {
            let came = fill(say::LATE_N, &[&row.late.to_string()]);
            Now { tone: "now wait alarm", ..at(4, "warn", say::COL_SIGNED, came) }
        }
        CaseState::Signed => signed(steps.signed_us, now),
        CaseState::Stored => {
            let count = fill(say::IMAGES_COUNT, &[&row.instances.to_string()]);
            Now { tone: "now settled", ..at(0, "box", crate::i18n::S_STORED, count) }
        }
    }
}

fn signed(signed_us: Option<i64>, now: i64) -> Now {
    let fresh = signed_us.is_some_and(|us| now - us < 10 * clock::MINUTE_US);
    let below = signed_us.map(|us| if fresh { clock::ago(now, us) } else { clock::clock_time(us) });
    Now {
        step: 4,
        icon: "sign",
        word: t(say::COL_SIGNED),
        below: below.unwrap_or_default(),
        tone: if fresh { "now fresh" } else { "now settled" },
    }
}

/// Since when the holder of now reads it: the first opening may have been another's, before the case was given on.
fn reading_since(row: &CaseRow) -> Option<i64> {
    row.steps.opened_us.map(|opened| opened.max(row.steps.assigned_us.unwrap_or(opened)))
}

/// When each of the five steps was behind the case. A case that went back has some of its steps from its first way and some
/// from the last: time never runs backwards along the row.
fn passed(row: &CaseRow) -> [Option<i64>; 5] {
    let steps = &row.steps;
    let mut passed = [
        steps.complete_us.or(steps.arriving_us),
        steps.assigned_us.or(steps.queued_us),
        steps.submitted_us.or(steps.drafted_us).or(steps.opened_us),
        steps.submitted_us.and(steps.signed_us),
        steps.signed_us,
    ];
    let mut before = i64::MIN;
    for at in passed.iter_mut().flatten() {
        *at = before.max(*at);
        before = *at;
    }
    passed
}

pub fn journey(row: &CaseRow, now: i64) -> impl IntoView + use<> {
    let here = current(row, now);
    let passed = passed(row);
    let cells: Vec<_> = (0..5).map(|step| cell(step, &here, passed[step])).collect();
    view! { <span class="journey" role="img" aria-label=spoken(&here)>{cells}</span> }
}

fn spoken(here: &Now) -> String {
    format!("{} {}", here.word, here.below)
}

fn cell(step: usize, here: &Now, passed: Option<i64>) -> AnyView {
    if step == here.step {
        view! {
            <span class=format!("step {}", here.tone)>
                <span class="pill">{icon(here.icon)}<span>{here.word}</span></span>
                <span class="below">{here.below.clone()}</span>
            </span>
        }
        .into_any()
    } else if step < here.step {
        // A report with one signature never stood in review.
        let (title, below) = match passed {
            Some(us) => (clock::exact(us), clock::clock_time(us)),
            None => (String::new(), if step == 3 { t(say::NO_REVIEW).to_owned() } else { String::new() }),
        };
        let skipped = step == 3 && passed.is_none();
        view! {
            <span class=if skipped { "step past skipped" } else { "step past" } title=title>
                {if skipped { view! { <i class="ring"></i> }.into_any() } else { icon("tick").into_any() }}
                <span class="below">{below}</span>
            </span>
        }
        .into_any()
    } else {
        view! { <span class="step future"><i class="ring"></i></span> }.into_any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing;

    #[test]
    fn a_case_that_was_given_on_does_not_run_backwards() {
        let mut row = testing::row(1, wire::Urgency::Routine);
        (row.steps.complete_us, row.steps.opened_us, row.steps.assigned_us) = (Some(1), Some(20), Some(40));
        assert_eq!(reading_since(&row), Some(40));
        assert_eq!(passed(&row)[..3], [Some(1), Some(40), Some(40)]);
        row.steps.submitted_us = Some(60);
        assert_eq!(passed(&row)[..3], [Some(1), Some(40), Some(60)]);
    }

    #[test]
    fn images_after_signing_are_said_at_the_step_that_does_not_know_them() {
        let mut row = testing::row(1, wire::Urgency::Routine);
        (row.state, row.late, row.steps.signed_us) = (CaseState::Signed, 5, Some(0));
        let said = current(&row, 0);
        assert_eq!((said.step, said.icon, said.tone), (4, "warn", "now wait alarm"));
        assert!(said.below.contains('5'));
    }
}
