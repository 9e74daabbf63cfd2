//! How long each step of a study's journey took, from its events. Pure: the events come in, the times come with them.

use std::collections::BTreeMap;

use super::exposition::Histogram;
use crate::domain::{Micros, Urgency, lane};
use crate::index::EventKind;

/// A step as figures name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Arriving,
    Complete,
    Queued,
    Assigned,
    Opened,
    Drafted,
    Submitted,
    Returned,
    Signed,
    Delivered,
    Read,
}

impl Step {
    pub fn of(kind: EventKind) -> Option<Self> {
        Some(match kind {
            EventKind::Arriving => Step::Arriving,
            EventKind::Complete => Step::Complete,
            // A case that was given back waits in the queue like any other.
            EventKind::Queued | EventKind::Lapsed | EventKind::Released | EventKind::TakenBack => Step::Queued,
            EventKind::Assigned => Step::Assigned,
            EventKind::CaseOpened => Step::Opened,
            EventKind::Drafted => Step::Drafted,
            EventKind::Submitted => Step::Submitted,
            EventKind::Returned => Step::Returned,
            // The reviewer's signature is one act; its two events are one moment.
            EventKind::Signed => Step::Signed,
            EventKind::Delivered => Step::Delivered,
            EventKind::ReadBySite => Step::Read,
            _ => return None,
        })
    }

    pub const fn word(self) -> &'static str {
        match self {
            Step::Arriving => "arriving",
            Step::Complete => "complete",
            Step::Queued => "queued",
            Step::Assigned => "assigned",
            Step::Opened => "opened",
            Step::Drafted => "drafted",
            Step::Submitted => "submitted",
            Step::Returned => "returned",
            Step::Signed => "signed",
            Step::Delivered => "delivered",
            Step::Read => "read",
        }
    }
}

/// What a case is counted as. What devices call their modality is a peer's word, so only those of our own lanes are labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub lane: &'static str,
    pub urgency: Urgency,
}

impl Kind {
    pub fn new(modality: &str, urgency: Urgency) -> Self {
        let known = ["DR", "US", "CT", "MR"].into_iter().find(|known| *known == lane(modality));
        Self { lane: known.unwrap_or("other"), urgency }
    }
}

/// What was seen of one case so far.
#[derive(Debug, Clone)]
pub struct Journey {
    pub kind: Kind,
    last: Option<(Step, Micros)>,
    arriving: Option<Micros>,
    signed: Option<Micros>,
}

/// Times of all journeys.
#[derive(Debug, Default)]
pub struct Times {
    /// By the step that ended and the one that began with it.
    pub steps: BTreeMap<(Step, Step, Kind), Histogram>,
    /// From the first instance to the signed report.
    pub turnarounds: BTreeMap<Kind, Histogram>,
}

impl Journey {
    pub fn new(kind: Kind) -> Self {
        Self { kind, last: None, arriving: None, signed: None }
    }

    /// The case reached `step`; how long that took goes into `times`.
    pub fn reached(&mut self, step: Step, at: Micros, times: &mut Times) {
        // The page and the printer follow a signature each for itself, in either order.
        let follows_signature = matches!(step, Step::Delivered | Step::Read);
        let from = if follows_signature { self.signed.map(|signed| (Step::Signed, signed)) } else { self.last };
        if let Some((before, since)) = from {
            times.steps.entry((before, step, self.kind)).or_default().observe(at.since(since).as_secs_f64());
        }
        match step {
            Step::Arriving => self.arriving = self.arriving.or(Some(at)),
            Step::Signed => {
                self.signed = Some(at);
                if let Some(arriving) = self.arriving {
                    let turnaround = at.since(arriving).as_secs_f64();
                    times.turnarounds.entry(self.kind).or_default().observe(turnaround);
                }
            }
            _ => {}
        }
        if !follows_signature {
            self.last = Some((step, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::exposition::Exposition;
    use super::super::testing::Parsed;
    use super::*;

    fn travelled(events: &[(EventKind, i64)]) -> Times {
        let mut times = Times::default();
        let mut journey = Journey::new(Kind::new("CT", Urgency::Urgent));
        for (kind, second) in events {
            if let Some(step) = Step::of(*kind) {
                journey.reached(step, Micros::from_seconds(*second), &mut times);
            }
        }
        times
    }

    fn steps(times: &Times) -> Vec<(&str, &str, f64)> {
        let mut out = Exposition::default();
        let mut family = out.histogram("steps", "x");
        for ((from, to, _), took) in &times.steps {
            family.distribution(&[("from", from.word()), ("to", to.word())], took);
        }
        let text = out.into_text();
        let parsed = Parsed::strictly(&text);
        let sum = |(from, to, _): &(Step, Step, Kind)| {
            let labels = [("from", from.word()), ("to", to.word())];
            (from.word(), to.word(), parsed.value("steps_sum", &labels).unwrap())
        };
        times.steps.keys().map(sum).collect()
    }

    #[test]
    fn a_straight_journey_with_two_signatures_has_every_step_once() {
        let times = travelled(&[
            (EventKind::Arriving, 0),
            (EventKind::Progress, 1),
            (EventKind::Complete, 5),
            (EventKind::Queued, 5),
            (EventKind::Assigned, 8),
            (EventKind::CaseOpened, 10),
            (EventKind::Drafted, 30),
            (EventKind::Submitted, 100),
            (EventKind::Reviewed, 150),
            (EventKind::Signed, 150),
            (EventKind::ReadBySite, 160),
            (EventKind::Delivered, 170),
        ]);
        let expected = [
            ("arriving", "complete", 5.0),
            ("complete", "queued", 0.0),
            ("queued", "assigned", 3.0),
            ("assigned", "opened", 2.0),
            ("opened", "drafted", 20.0),
            ("drafted", "submitted", 70.0),
            ("submitted", "signed", 50.0),
            ("signed", "delivered", 20.0),
            ("signed", "read", 10.0),
        ];
        assert_eq!(steps(&times), expected);
        let mut whole = Histogram::default();
        whole.observe(150.0);
        assert_eq!(times.turnarounds.into_values().collect::<Vec<_>>(), [whole]);
    }

    #[test]
    fn a_case_that_lapses_waits_anew_and_a_returned_one_is_written_anew() {
        let times = travelled(&[
            (EventKind::Queued, 0),
            (EventKind::Assigned, 10),
            (EventKind::Lapsed, 100),
            (EventKind::Assigned, 104),
            (EventKind::CaseOpened, 105),
            (EventKind::Submitted, 200),
            (EventKind::Returned, 260),
            (EventKind::CaseOpened, 300),
            (EventKind::TakenBack, 330),
            (EventKind::Assigned, 332),
        ]);
        let steps = steps(&times);
        for expected in [
            ("queued", "assigned", 16.0),
            ("assigned", "queued", 90.0),
            ("submitted", "returned", 60.0),
            ("returned", "opened", 40.0),
        ] {
            assert!(steps.contains(&expected), "{expected:?} is not in {steps:?}");
        }
    }

    #[test]
    fn a_device_s_own_words_make_no_labels() {
        assert_eq!(Kind::new("DX", Urgency::Stat).lane, "DR");
        for odd in ["ZZ\"}", "", "OT", "XYZ123"] {
            assert_eq!(Kind::new(odd, Urgency::Stat).lane, "other");
        }
    }
}
