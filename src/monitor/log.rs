//! The reader of the event log: counts what happens from the start of this process on. It sees chained events, hence each
//! exactly once, those of other nodes included; what it needs of a case from before, the log has.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::journey::{Journey, Kind, Step, Times};
use crate::domain::CaseId;
use crate::index::events::{self, Chained};
use crate::index::{Db, Error, EventKind, Result, Scope, Tx, figures};

const PAGE: i64 = 500;
/// The net under notifications, and the wait after an error.
const POLL: Duration = Duration::from_secs(5);
/// Cases remembered between their steps; when there are more, the log is asked again.
const CASES: usize = 20_000;
/// Reasons are our own words; should one ever be made of a peer's, the rest is `other`.
const REASONS: usize = 64;

/// What was counted.
#[derive(Debug, Default)]
pub struct Counted {
    pub events: BTreeMap<EventKind, u64>,
    pub quarantined: BTreeMap<String, u64>,
    pub packs: u64,
    pub packed_bytes: u64,
    pub times: Times,
}

/// Counts so far, shared by the reader and whoever shows them.
#[derive(Debug, Clone, Default)]
pub struct Figures(Arc<Mutex<Counted>>);

impl Figures {
    pub fn lock(&self) -> MutexGuard<'_, Counted> {
        // Counters: a panic between two of them loses one at most.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct LogReader {
    db: Db,
    figures: Figures,
    /// The last event that was counted.
    seq: i64,
    cases: HashMap<CaseId, Journey>,
}

impl LogReader {
    pub fn new(db: Db, figures: Figures, after: i64) -> Self {
        Self { db, figures, seq: after, cases: HashMap::new() }
    }

    /// Counts until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut chained = self.db.watch();
        loop {
            chained.borrow_and_update();
            if let Err(error) = self.catch_up().await {
                tracing::warn!(%error, "events wait to be counted");
            }
            tokio::select! {
                changed = chained.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(POLL) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Counts what was chained since the last time.
    pub async fn catch_up(&mut self) -> Result<()> {
        loop {
            let mut tx = self.db.read().await?;
            let page = events::after(&mut tx, self.seq, Scope::All, PAGE).await?;
            let more = i64::try_from(page.len()).is_ok_and(|length| length == PAGE);
            for event in page {
                self.count(&mut tx, &event).await?;
                self.seq = event.seq;
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Everything that can fail comes before anything is counted, so that an event is never counted twice.
    async fn count(&mut self, tx: &mut Tx, event: &Chained) -> Result<()> {
        let Some(kind) = EventKind::from_word(&event.kind) else { return Ok(()) };
        let case = event.case_id.map(CaseId);
        if let Some(case) = case.filter(|_| Step::of(kind).is_some()) {
            self.remember(tx, case, event.seq).await?;
        }
        if let (EventKind::UrgencyChanged, Some(case)) = (kind, case)
            && let Some(journey) = self.cases.get_mut(&case)
        {
            journey.kind = kind_of(tx, case).await?.unwrap_or(journey.kind);
        }
        let mut counted = self.figures.lock();
        counted.note(kind, event);
        if let (Some(step), Some(case)) = (Step::of(kind), case)
            && let Some(journey) = self.cases.get_mut(&case)
        {
            journey.reached(step, event.at_us, &mut counted.times);
        }
        Ok(())
    }

    /// Makes sure that the steps of a case before `seq` are known.
    async fn remember(&mut self, tx: &mut Tx, case: CaseId, seq: i64) -> Result<()> {
        if self.cases.contains_key(&case) {
            return Ok(());
        }
        if self.cases.len() >= CASES {
            self.cases.clear();
        }
        let Some(kind) = kind_of(tx, case).await? else { return Ok(()) };
        let mut journey = Journey::new(kind);
        let mut counted_before = Times::default();
        for event in events::of_case(tx, case).await?.iter().filter(|event| event.seq < seq) {
            if let Some(step) = EventKind::from_word(&event.kind).and_then(Step::of) {
                journey.reached(step, event.at_us, &mut counted_before);
            }
        }
        self.cases.insert(case, journey);
        Ok(())
    }
}

/// None: its row cannot be read, which must not keep the events behind it from being counted.
async fn kind_of(tx: &mut Tx, case: CaseId) -> Result<Option<Kind>> {
    match figures::kind_of_case(tx, case).await {
        Ok((modality, urgency)) => Ok(Some(Kind::new(&modality, urgency))),
        Err(Error::NotFound | Error::Corrupt(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Counted {
    fn note(&mut self, kind: EventKind, event: &Chained) {
        *self.events.entry(kind).or_default() += 1;
        let detail = || serde_json::from_str::<serde_json::Value>(&event.detail).unwrap_or_default();
        match kind {
            EventKind::Quarantined => {
                let detail = detail();
                let reason = detail["reason"].as_str().unwrap_or("other");
                let full = self.quarantined.len() >= REASONS && !self.quarantined.contains_key(reason);
                *self.quarantined.entry(if full { "other" } else { reason }.to_owned()).or_default() += 1;
            }
            EventKind::Sealed => {
                self.packs += 1;
                self.packed_bytes += detail()["bytes"].as_u64().unwrap_or(0);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CaseState, Micros, SiteId, Urgency};
    use crate::index::Event;
    use crate::index::testing::{on_both_engines, seed_case};

    const START: Micros = Micros(1_000_000_000);

    async fn happens(db: &Db, case: Option<CaseId>, kinds: &[(EventKind, u64)]) {
        let mut tx = db.write().await.unwrap();
        for (kind, second) in kinds {
            let mut event = Event::new(*kind, START + Duration::from_secs(*second)).site(SiteId(1));
            event.case = case;
            if *kind == EventKind::Quarantined {
                event.detail = serde_json::json!({"reason": "uid_mismatch", "quarantine": 1});
            }
            if *kind == EventKind::Sealed {
                event.detail = serde_json::json!({"pack": 1, "bytes": 700});
            }
            tx.event(&event).await.unwrap();
        }
        tx.commit().await.unwrap();
        while events::chain_batch(db).await.unwrap() {}
    }

    fn seconds(figures: &Figures, from: Step, to: Step, urgency: Urgency) -> Option<Vec<f64>> {
        let counted = figures.lock();
        let found = counted.times.steps.get(&(from, to, Kind::new("CT", urgency)))?;
        // Equal to a histogram of exactly these, whatever its inside.
        let candidates = [vec![3.0], vec![20.0], vec![7.0]];
        candidates.into_iter().find(|seconds| {
            let mut same = super::super::exposition::Histogram::default();
            seconds.iter().for_each(|second| same.observe(*second));
            same == *found
        })
    }

    #[tokio::test]
    async fn what_happened_before_the_start_is_known_but_not_counted() {
        on_both_engines(async |db| {
            let case = seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, START).await.case;
            happens(&db, Some(case), &[(EventKind::Arriving, 0), (EventKind::Complete, 9), (EventKind::Queued, 9)])
                .await;
            let figures = Figures::default();
            let mut reader = LogReader::new(db.clone(), figures.clone(), *db.watch().borrow());
            reader.catch_up().await.unwrap();
            assert!(figures.lock().events.is_empty());

            happens(&db, Some(case), &[(EventKind::Assigned, 12)]).await;
            reader.catch_up().await.unwrap();
            reader.catch_up().await.unwrap();
            assert_eq!(figures.lock().events, BTreeMap::from([(EventKind::Assigned, 1)]));
            assert_eq!(seconds(&figures, Step::Queued, Step::Assigned, Urgency::Routine), Some(vec![3.0]));
            assert_eq!(figures.lock().times.steps.len(), 1);

            happens(&db, Some(case), &[(EventKind::Signed, 20)]).await;
            reader.catch_up().await.unwrap();
            let counted = figures.lock();
            assert_eq!(counted.times.turnarounds.len(), 1, "it arrived before the start and was signed after");
        })
        .await;
    }

    #[tokio::test]
    async fn a_case_is_counted_under_the_urgency_it_has_at_that_time() {
        on_both_engines(async |db| {
            let case = seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, START).await.case;
            let figures = Figures::default();
            let mut reader = LogReader::new(db.clone(), figures.clone(), 0);
            happens(&db, Some(case), &[(EventKind::Queued, 0)]).await;
            reader.catch_up().await.unwrap();
            let mut tx = db.write().await.unwrap();
            crate::index::on!(&mut tx, c => sqlx::query("UPDATE case_ SET urgency = 'stat'").execute(c).await.map(drop)).unwrap();
            tx.commit().await.unwrap();
            happens(&db, Some(case), &[(EventKind::UrgencyChanged, 2), (EventKind::Assigned, 7)]).await;
            reader.catch_up().await.unwrap();
            assert_eq!(seconds(&figures, Step::Queued, Step::Assigned, Urgency::Stat), Some(vec![7.0]));
        })
        .await;
    }

    #[tokio::test]
    async fn quarantine_is_counted_by_reason_and_packs_by_size() {
        on_both_engines(async |db| {
            let figures = Figures::default();
            let mut reader = LogReader::new(db.clone(), figures.clone(), 0);
            let what = [EventKind::Quarantined, EventKind::Sealed, EventKind::Quarantined, EventKind::SignInRefused];
            happens(&db, None, &what.map(|kind| (kind, 1))).await;
            reader.catch_up().await.unwrap();
            let counted = figures.lock();
            assert_eq!(counted.quarantined, BTreeMap::from([("uid_mismatch".to_owned(), 2)]));
            assert_eq!((counted.packs, counted.packed_bytes), (1, 700));
            assert_eq!(counted.events[&EventKind::SignInRefused], 1);
        })
        .await;
    }
}
