//! The decision, pure and late-binding: nothing is promised to anybody who is not free now.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, CaseId, Micros, SiteId, Urgency, lane};

/// A case in the queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    pub case: CaseId,
    pub site: SiteId,
    pub modality: String,
    pub urgency: Urgency,
    pub queued: Micros,
    /// In whose hands it was when a manager took it back last, and when.
    #[serde(default)]
    pub taken_from: Option<(AccountId, Micros)>,
}

/// An account that may read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reader {
    pub account: AccountId,
    /// Modalities of their privileges, any code of the kind of work; `*`: all.
    pub modalities: Vec<String>,
    pub on_duty_since: Option<Micros>,
    /// Last sign of life of their page.
    pub seen: Option<Micros>,
    pub holding: Option<CaseId>,
    /// Something else is on their page: a review, a text whose lease is gone.
    #[serde(default)]
    pub occupied: bool,
    /// When a case was last given to them, or lapsed in their hands.
    pub last_given: Option<Micros>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    pub waiting: Vec<Waiting>,
    pub readers: Vec<Reader>,
}

impl Snapshot {
    /// What the decision on one case looked at: that case and every reader. Enough to decide it again.
    pub fn of_case(&self, case: CaseId) -> Snapshot {
        let waiting = self.waiting.iter().filter(|w| w.case == case).cloned().collect();
        Snapshot { waiting, readers: self.readers.clone() }
    }

    /// Whoever was given the case holds it from here on.
    pub fn note(&mut self, decision: &Decision) {
        if let Outcome::Given(account) = decision.outcome {
            self.readers.iter_mut().filter(|r| r.account == account).for_each(|r| r.holding = Some(decision.case));
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// A page silent for longer gets nothing.
    pub silence: Duration,
    /// What a manager took out of somebody's hands does not go back to them for so long, if there is anybody else.
    #[serde(default = "rest")]
    pub rest: Duration,
}

const fn rest() -> Duration {
    Duration::from_secs(120)
}

impl Default for Policy {
    fn default() -> Self {
        Self { silence: Duration::from_secs(60), rest: rest() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Given(AccountId),
    Waits,
}

/// Why the case went where it went; stable words, shown to people by the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The most urgent, then the oldest, the specialist may read.
    MostUrgentOldest,
    /// Nobody who may read it is free.
    NobodyFree,
}

impl Reason {
    pub const fn word(self) -> &'static str {
        match self {
            Reason::MostUrgentOldest => "most_urgent_oldest",
            Reason::NobodyFree => "nobody_free",
        }
    }
}

/// Why a specialist was not given the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    OffDuty,
    /// On duty, but their page has been silent.
    Silent,
    NoPrivilege,
    Busy,
    /// A manager has just taken this case out of their hands, and somebody else is here who may read it.
    TakenBack,
    /// Free as well, but free for a shorter time.
    FreeShorter,
}

impl Why {
    pub const fn word(self) -> &'static str {
        match self {
            Why::OffDuty => "off_duty",
            Why::Silent => "silent",
            Why::NoPrivilege => "no_privilege",
            Why::Busy => "busy",
            Why::TakenBack => "taken_back",
            Why::FreeShorter => "free_shorter",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    pub account: AccountId,
    pub why: Why,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub case: CaseId,
    pub outcome: Outcome,
    pub reason: Reason,
    pub passed_over: Vec<PassedOver>,
}

/// Decides every waiting case: the most urgent first, then the oldest; each to the specialist who has been free longest.
///
/// One decision a case, in that order. Equal snapshots give equal decisions, whatever the order of their rows.
pub fn decide(snapshot: &Snapshot, now: Micros, policy: &Policy) -> Vec<Decision> {
    let mut waiting: Vec<&Waiting> = snapshot.waiting.iter().collect();
    waiting.sort_by_key(|w| (w.urgency, w.queued, w.case));
    let mut readers = snapshot.readers.clone();
    readers.sort_by_key(|r| (free_since(r), r.account));
    waiting
        .into_iter()
        .map(|case| {
            let decision = decide_one(case, &readers, now, policy);
            if let Outcome::Given(account) = decision.outcome {
                readers.iter_mut().filter(|r| r.account == account).for_each(|r| r.holding = Some(case.case));
            }
            decision
        })
        .collect()
}

/// What comes of deciding again from what a decision saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// It was not kept.
    NothingSeen,
    Same,
    Different,
}

/// Decides a case again from `seen`, the JSON of its [`Snapshot::of_case`], and compares outcome and reasons.
pub fn replay(seen: &str, at: Micros, policy: &Policy, outcome: Outcome, passed_over: &[PassedOver]) -> Replay {
    let Ok(snapshot) = serde_json::from_str::<Snapshot>(seen) else { return Replay::NothingSeen };
    match &decide(&snapshot, at, policy)[..] {
        [again] if again.outcome == outcome && again.passed_over == passed_over => Replay::Same,
        _ => Replay::Different,
    }
}

fn free_since(reader: &Reader) -> Option<Micros> {
    reader.last_given.max(reader.on_duty_since)
}

fn decide_one(case: &Waiting, readers: &[Reader], now: Micros, policy: &Policy) -> Decision {
    let mut given = None;
    let mut passed_over = Vec::new();
    let resting = resting(case, readers, now, policy);
    for reader in readers {
        let rests = (resting == Some(reader.account)).then_some(Why::TakenBack);
        match obstacle(case, reader, now, policy).or(rests).or(given.map(|_| Why::FreeShorter)) {
            None => given = Some(reader.account),
            Some(why) => passed_over.push(PassedOver { account: reader.account, why }),
        }
    }
    passed_over.sort_by_key(|p| p.account);
    Decision {
        case: case.case,
        outcome: given.map_or(Outcome::Waits, Outcome::Given),
        reason: if given.is_some() { Reason::MostUrgentOldest } else { Reason::NobodyFree },
        passed_over,
    }
}

/// Whom the case does not go back to: somebody else is here for it, now or when they are done with what they hold.
fn resting(case: &Waiting, readers: &[Reader], now: Micros, policy: &Policy) -> Option<AccountId> {
    let (from, _) = case.taken_from.filter(|(_, at)| now.since(*at) <= policy.rest)?;
    let could = |reader: &Reader| !matches!(obstacle(case, reader, now, policy), Some(why) if why != Why::Busy);
    let here = |reader: &Reader| reader.seen.is_some_and(|seen| now.since(seen) <= policy.silence);
    readers.iter().any(|reader| reader.account != from && could(reader) && here(reader)).then_some(from)
}

fn obstacle(case: &Waiting, reader: &Reader, now: Micros, policy: &Policy) -> Option<Why> {
    if reader.on_duty_since.is_none() {
        return Some(Why::OffDuty);
    }
    if !reader.modalities.iter().any(|m| m == "*" || lane(m) == lane(&case.modality)) {
        return Some(Why::NoPrivilege);
    }
    if reader.holding.is_some() || reader.occupied {
        return Some(Why::Busy);
    }
    if reader.seen.is_none_or(|seen| now.since(seen) > policy.silence) {
        return Some(Why::Silent);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(id: i64, urgency: Urgency, queued: i64, modality: &str) -> Waiting {
        Waiting {
            case: CaseId(id),
            site: SiteId(1),
            modality: modality.into(),
            urgency,
            queued: Micros(queued),
            taken_from: None,
        }
    }

    fn reader(id: i64, modalities: &str, free_since: i64) -> Reader {
        Reader {
            account: AccountId(id),
            modalities: modalities.split(',').map(str::to_owned).collect(),
            on_duty_since: Some(Micros(free_since)),
            seen: Some(Micros(1_000)),
            holding: None,
            occupied: false,
            last_given: None,
        }
    }

    fn given(decisions: &[Decision]) -> Vec<(i64, Option<i64>)> {
        decisions
            .iter()
            .map(|d| match d.outcome {
                Outcome::Given(account) => (d.case.0, Some(account.0)),
                Outcome::Waits => (d.case.0, None),
            })
            .collect()
    }

    #[test]
    fn the_most_urgent_then_the_oldest_goes_first() {
        let snapshot = Snapshot {
            waiting: vec![
                case(1, Urgency::Routine, 10, "CT"),
                case(2, Urgency::Urgent, 30, "CT"),
                case(3, Urgency::Stat, 50, "CT"),
                case(4, Urgency::Urgent, 20, "CT"),
            ],
            readers: vec![reader(1, "CT", 5), reader(2, "*", 3)],
        };
        let decisions = decide(&snapshot, Micros(1_000), &Policy::default());
        assert_eq!(given(&decisions), [(3, Some(2)), (4, Some(1)), (2, None), (1, None)]);
        assert_eq!(decisions[0].passed_over, [PassedOver { account: AccountId(1), why: Why::FreeShorter }]);
        assert!(decisions[2].passed_over.iter().all(|p| p.why == Why::Busy));
    }

    #[test]
    fn who_is_off_duty_silent_busy_or_unprivileged_is_passed_over_and_told_why() {
        let mut off = reader(1, "CT", 1);
        off.on_duty_since = None;
        let mut silent = reader(2, "CT", 1);
        silent.seen = Some(Micros(1));
        let mut busy = reader(3, "CT", 1);
        busy.holding = Some(CaseId(9));
        let snapshot = Snapshot {
            waiting: vec![case(1, Urgency::Stat, 10, "CT")],
            readers: vec![off, silent, busy, reader(4, "US", 1)],
        };
        let now = Micros(1) + Duration::from_secs(61);
        let decisions = decide(&snapshot, now, &Policy::default());
        let why: Vec<_> = decisions[0].passed_over.iter().map(|p| p.why).collect();
        assert_eq!(decisions[0].outcome, Outcome::Waits);
        assert_eq!(why, [Why::OffDuty, Why::Silent, Why::Busy, Why::NoPrivilege]);
    }

    #[test]
    fn nobody_is_given_two_cases_and_no_case_goes_to_two() {
        let waiting = (0..50).map(|i| case(i, Urgency::ALL[i as usize % 3], i * 7 % 13, "CT")).collect();
        let readers = (0..20).map(|i| reader(i, if i % 3 == 0 { "US" } else { "CT" }, i)).collect();
        let decisions = decide(&Snapshot { waiting, readers }, Micros(1_000), &Policy::default());
        let mut accounts: Vec<_> = given(&decisions).into_iter().filter_map(|(_, account)| account).collect();
        assert_eq!((decisions.len(), accounts.len()), (50, 13));
        accounts.sort_unstable();
        accounts.dedup();
        assert_eq!(accounts.len(), 13);
    }

    #[test]
    fn what_was_taken_out_of_somebodys_hands_goes_back_to_them_only_if_nobody_else_is_here() {
        let policy = Policy::default();
        let taken = Waiting { taken_from: Some((AccountId(1), Micros(900))), ..case(1, Urgency::Stat, 10, "CT") };
        let to = |others: Vec<Reader>, now: Micros| {
            let readers = [vec![reader(1, "CT", 1)], others].concat();
            let readers = readers.into_iter().map(|r| Reader { seen: r.seen.map(|_| now), ..r }).collect();
            decide(&Snapshot { waiting: vec![taken.clone()], readers }, now, &policy).remove(0)
        };
        let now = Micros(1_000);
        assert_eq!(to(vec![], now).outcome, Outcome::Given(AccountId(1)), "nobody else is here");
        assert_eq!(to(vec![reader(2, "CT", 5)], now).outcome, Outcome::Given(AccountId(2)));
        let busy = Reader { holding: Some(CaseId(9)), ..reader(2, "CT", 5) };
        let waits = to(vec![busy.clone()], now);
        assert_eq!(waits.outcome, Outcome::Waits, "the other one is done with theirs some day");
        assert_eq!(waits.passed_over[0], PassedOver { account: AccountId(1), why: Why::TakenBack });
        let rested = Micros(900) + policy.rest + Duration::from_secs(1);
        assert_eq!(to(vec![busy.clone()], rested).outcome, Outcome::Given(AccountId(1)), "it does not wait for ever");
        for absent in
            [reader(2, "US", 5), Reader { on_duty_since: None, ..reader(2, "CT", 5) }, Reader { seen: None, ..busy }]
        {
            assert_eq!(to(vec![absent], now).outcome, Outcome::Given(AccountId(1)));
        }
    }

    #[test]
    fn the_order_of_rows_changes_nothing() {
        let mut snapshot = Snapshot {
            waiting: (0..9).map(|i| case(i, Urgency::Routine, i % 4, "CT")).collect(),
            readers: (0..5).map(|i| reader(i, "*", i % 2)).collect(),
        };
        let first = decide(&snapshot, Micros(1_000), &Policy::default());
        snapshot.waiting.reverse();
        snapshot.readers.reverse();
        assert_eq!(decide(&snapshot, Micros(1_000), &Policy::default()), first);
    }
}
