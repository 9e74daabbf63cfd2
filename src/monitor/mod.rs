//! What the center says of its own health: whether it can work ([`Monitor::ready`]) and figures for Prometheus
//! ([`Monitor::metrics`]).
//!
//! Owns the reader of the event log that counts steps of studies' journeys ([`log`]) and the text format ([`exposition`]).
//! Figures begin with the process, hold no person, study or site, and say of cases no more than modality and urgency.
//! What is read from the event log or the database is that of the whole center: where several nodes share one, each shows
//! the same. Never changes anything, and nothing waits for it.

pub mod exposition;
pub mod journey;
mod log;
mod process;
#[cfg(test)]
mod testing;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::exposition::{Exposition, Label};
use self::journey::Kind;
use self::log::{Counted, Figures, LogReader};
use crate::clock;
use crate::domain::{CaseState, Micros};
use crate::index::{self, Db, EventKind, figures};
use crate::ingest::Ingest;
use crate::ingest::activity::Activity;
use crate::ingest::sealer::StoreHealth;
use crate::ingest::spool::{Spool, SpoolError};
use crate::ingest::transcoder::Requests;

/// How long a question to the database or the spool may take; longer is no answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// The spool is tried at most this often: anybody may ask, and each try syncs the disk.
const TRY_EVERY: Duration = Duration::from_secs(5);

/// Why the center cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReady {
    Database,
    SpoolFull,
    Spool,
}

impl NotReady {
    pub const fn words(self) -> &'static str {
        match self {
            NotReady::Database => "the database does not answer",
            NotReady::SpoolFull => "the spool's disk is full",
            NotReady::Spool => "the spool takes no writes",
        }
    }
}

/// When, and what was not ready.
type Tried = (Instant, Option<NotReady>);

/// Cheap to clone.
#[derive(Clone)]
pub struct Monitor {
    db: Db,
    spool: Spool,
    activity: Activity,
    transcodes: Requests,
    store: watch::Receiver<StoreHealth>,
    figures: Figures,
    /// The last event before the start.
    start: i64,
    started: Instant,
    started_at: Micros,
    /// When the spool was tried last, and with what result.
    tried: Arc<Mutex<Option<Tried>>>,
}

impl Monitor {
    pub fn new(db: &Db, ingest: &Ingest) -> Self {
        Self {
            db: db.clone(),
            spool: ingest.spool.clone(),
            activity: ingest.activity.clone(),
            transcodes: ingest.viewing.requests.clone(),
            store: ingest.store.clone(),
            figures: Figures::default(),
            start: *db.watch().borrow(),
            started: Instant::now(),
            started_at: clock::now(),
            tried: Arc::default(),
        }
    }

    /// Counts what the event log says until told to stop.
    pub async fn follow(self, stop: CancellationToken) {
        LogReader::new(self.db, self.figures, self.start).run(stop).await;
    }

    /// What keeps the center from working; empty: nothing.
    pub async fn ready(&self) -> Vec<NotReady> {
        let (database, spool) = tokio::join!(self.database_answers(), self.spool_takes_writes());
        (!database).then_some(NotReady::Database).into_iter().chain(spool).collect()
    }

    async fn database_answers(&self) -> bool {
        let asked = timeout(PATIENCE, async { figures::answers(&mut self.db.read().await?).await }).await;
        match asked {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "not ready: the database does not answer");
                false
            }
            Err(_) => {
                tracing::warn!("not ready: the database is silent");
                false
            }
        }
    }

    /// Tries, or says what came of the last try if that is new enough. A disk that hangs holds one try, not one for each
    /// question.
    async fn spool_takes_writes(&self) -> Option<NotReady> {
        let (tried, spool) = (self.tried.clone(), self.spool.clone());
        let answer = async move {
            let mut last = tried.lock_owned().await;
            if let Some((at, result)) = *last
                && at.elapsed() < TRY_EVERY
            {
                return Ok(result);
            }
            tokio::task::spawn_blocking(move || {
                let result = spool.probe().err().map(|error| {
                    tracing::warn!(%error, "not ready: the spool takes no writes");
                    if matches!(error, SpoolError::Full) { NotReady::SpoolFull } else { NotReady::Spool }
                });
                *last = Some((Instant::now(), result));
                result
            })
            .await
        };
        match timeout(PATIENCE, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Some(NotReady::Spool),
        }
    }

    /// All figures in Prometheus' text format. With the database down, those it would give are missing and the rest is
    /// there.
    pub async fn metrics(&self) -> String {
        let waiting = timeout(PATIENCE, self.waiting()).await.ok().and_then(Result::ok);
        let mut out = Exposition::default();
        self.intake(&mut out);
        let up = f64::from(u8::from(waiting.is_some()));
        out.gauge("yunying_database_up", "Whether the database answers.").sample(&[], up);
        if let Some(waiting) = &waiting {
            waiting.write(&mut out);
        }
        counted(&self.figures.lock(), &mut out);
        self.process(&mut out);
        out.into_text()
    }

    async fn waiting(&self) -> index::Result<Waiting> {
        let mut tx = self.db.read().await?;
        Ok(Waiting {
            cases: figures::open_cases(&mut tx, clock::now()).await?,
            events: figures::unchained_events(&mut tx).await?,
            instances: figures::pending_instances(&mut tx).await?,
        })
    }

    /// What this node's spool, listener, sealer and transcoders did.
    fn intake(&self, out: &mut Exposition) {
        let received = self.spool.received();
        out.counter("yunying_instances_received_total", "Objects made durable and acknowledged.")
            .sample(&[], received.objects as f64);
        out.counter("yunying_received_bytes_total", "Bytes of these objects, as Part-10 files.")
            .sample(&[], received.bytes as f64);
        let mut failures =
            out.counter("yunying_c_store_failures_total", "Objects refused, by the status their senders got.");
        for (status, count) in self.activity.refused() {
            failures.sample(&[("status", &format!("{status:04X}"))], count as f64);
        }
        let segments = self.spool.segments();
        let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
        out.gauge("yunying_spool_bytes", "Bytes in this node's spool that no pack has replaced yet.")
            .sample(&[], bytes as f64);
        out.gauge("yunying_spool_segments", "Segments they lie in.").sample(&[], segments.len() as f64);
        let up = *self.store.borrow() == StoreHealth::Up;
        out.gauge("yunying_store_up", "Whether the object store took what was to be sealed last.")
            .sample(&[], f64::from(u8::from(up)));
        let mut made = out.counter("yunying_transcodes_total", "Instances whose delivery form was settled, by form.");
        for (form, count) in self.transcodes.made() {
            made.sample(&[("form", form.word())], count as f64);
        }
        out.counter("yunying_transcode_failures_total", "Attempts that failed; each is tried again.")
            .sample(&[], self.transcodes.failures() as f64);
    }

    fn process(&self, out: &mut Exposition) {
        out.gauge("yunying_build_info", "1; the label says which version runs.")
            .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        out.gauge("yunying_uptime_seconds", "Time since the start.").sample(&[], self.started.elapsed().as_secs_f64());
        out.gauge("process_start_time_seconds", "Time of the start, in seconds since 1970.")
            .sample(&[], self.started_at.0 as f64 / 1e6);
        if let Some(seconds) = process::processor_seconds() {
            out.counter("process_cpu_seconds_total", "Processor time used.").sample(&[], seconds);
        }
        let gauges = [
            ("process_resident_memory_bytes", "Memory in use.", process::resident_memory()),
            ("process_open_fds", "Files, sockets and pipes that are open.", process::open_descriptors()),
            ("process_max_fds", "How many may be open.", process::most_descriptors()),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                out.gauge(name, help).sample(&[], value as f64);
            }
        }
    }
}

/// What waits for somebody, as the database has it.
struct Waiting {
    cases: Vec<figures::Open>,
    events: i64,
    instances: i64,
}

impl Waiting {
    fn write(&self, out: &mut Exposition) {
        let mut open = out.gauge("yunying_cases_open", "Cases whose report is not signed, by state.");
        for state in CaseState::ALL.iter().filter(|state| state.is_open()) {
            let cases =
                self.cases.iter().find(|of_state| of_state.state == *state).map_or(0, |of_state| of_state.cases);
            open.sample(&[("state", state.word())], cases as f64);
        }
        let overdue: i64 = self.cases.iter().map(|of_state| of_state.overdue).sum();
        out.gauge("yunying_cases_overdue", "Of these, cases past the time their report was due.")
            .sample(&[], overdue as f64);
        out.gauge("yunying_events_unchained", "Events that wait to be numbered and chained.")
            .sample(&[], self.events as f64);
        out.gauge("yunying_transcodes_pending", "Instances that wait for their delivery form.")
            .sample(&[], self.instances as f64);
    }
}

/// What the reader of the event log counted.
fn counted(counted: &Counted, out: &mut Exposition) {
    let mut events = out.counter("yunying_events_total", "Events chained, by kind.");
    for (kind, count) in &counted.events {
        events.sample(&[("kind", kind.word())], *count as f64);
    }
    let refused = counted.events.get(&EventKind::SignInRefused).copied().unwrap_or(0);
    out.counter("yunying_sign_in_failures_total", "Attempts to sign in with a wrong name or password.")
        .sample(&[], refused as f64);
    let mut quarantined = out.counter("yunying_quarantined_total", "Objects put into quarantine, by reason.");
    for (reason, count) in &counted.quarantined {
        quarantined.sample(&[("reason", reason)], *count as f64);
    }
    out.counter("yunying_packs_sealed_total", "Packs of series written and published.")
        .sample(&[], counted.packs as f64);
    out.counter("yunying_sealed_bytes_total", "Bytes of these packs.").sample(&[], counted.packed_bytes as f64);
    let mut steps = out.histogram(
        "yunying_journey_step_seconds",
        "Time from one step of a study's journey to the next; what follows a signature is counted from it.",
    );
    for ((from, to, kind), took) in &counted.times.steps {
        let [modality, urgency] = labels(kind);
        steps.distribution(&[("from", from.word()), ("to", to.word()), modality, urgency], took);
    }
    let mut turnarounds =
        out.histogram("yunying_turnaround_seconds", "Time from a study's first instance to its signed report.");
    for (kind, took) in &counted.times.turnarounds {
        turnarounds.distribution(&labels(kind), took);
    }
}

fn labels(kind: &Kind) -> [Label<'static>; 2] {
    [("modality", kind.lane), ("urgency", kind.urgency.word())]
}

#[cfg(test)]
mod tests {
    use super::testing::Parsed;
    use super::*;
    use crate::config::Config;
    use crate::domain::Urgency;
    use crate::index::testing::{on_both_engines, seed_case};
    use crate::index::{Event, events};

    async fn monitor(db: &Db) -> (Monitor, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { data: folder.path().to_owned(), ..Config::default() };
        let ingest = Ingest::open(&config, db).await.unwrap();
        (Monitor::new(db, &ingest), folder)
    }

    #[tokio::test]
    async fn figures_are_well_formed_and_name_no_one() {
        on_both_engines(async |db| {
            let (monitor, _folder) = monitor(&db).await;
            Parsed::strictly(&monitor.metrics().await);
            let case = seed_case(&db, "QH", CaseState::Drafted, Urgency::Stat, Micros(1)).await.case;
            let mut tx = db.write().await.unwrap();
            for (kind, second) in [(EventKind::Queued, 1), (EventKind::Assigned, 4), (EventKind::SignInRefused, 5)] {
                let event = Event::new(kind, Micros::from_seconds(second)).case(case);
                tx.event(&event).await.unwrap();
            }
            tx.commit().await.unwrap();
            events::chain_batch(&db).await.unwrap();
            let stop = CancellationToken::new();
            let reader = tokio::spawn(monitor.clone().follow(stop.clone()));
            let deadline = Instant::now() + Duration::from_secs(30);
            while monitor.figures.lock().events.len() < 3 {
                assert!(Instant::now() < deadline, "events are not counted");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            stop.cancel();
            reader.await.unwrap();

            let text = monitor.metrics().await;
            let parsed = Parsed::strictly(&text);
            assert_eq!(parsed.value("yunying_cases_open", &[("state", "drafted")]), Some(1.0));
            assert_eq!(parsed.value("yunying_cases_open", &[("state", "queued")]), Some(0.0));
            assert_eq!(parsed.value("yunying_sign_in_failures_total", &[]), Some(1.0));
            assert_eq!(parsed.value("yunying_database_up", &[]), Some(1.0));
            let labels = [("from", "queued"), ("to", "assigned"), ("modality", "CT"), ("urgency", "stat")];
            assert_eq!(parsed.value("yunying_journey_step_seconds_sum", &labels), Some(3.0));
            assert!(parsed.names().contains("process_resident_memory_bytes"));
            for word in ["张测试", "QH", "Zhang", "胸部", "A1"] {
                assert!(parsed.label_values().iter().all(|value| !value.contains(word)), "{word} is in a label");
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_center_is_ready_until_its_database_is_gone_and_then_still_gives_its_own_figures() {
        on_both_engines(async |db| {
            let (monitor, _folder) = monitor(&db).await;
            assert_eq!(monitor.ready().await, []);
            db.close().await;
            assert_eq!(monitor.ready().await, [NotReady::Database]);
            let text = monitor.metrics().await;
            let parsed = Parsed::strictly(&text);
            assert_eq!(parsed.value("yunying_database_up", &[]), Some(0.0));
            assert_eq!(parsed.value("yunying_instances_received_total", &[]), Some(0.0));
            assert!(!parsed.names().contains("yunying_cases_open"));
        })
        .await;
    }

    #[tokio::test]
    async fn a_spool_that_takes_no_writes_is_named_and_not_tried_at_every_question() {
        on_both_engines(async |db| {
            let (monitor, folder) = monitor(&db).await;
            // A folder where the try would put its file: nothing can be written there, whoever runs this test.
            let in_the_way = folder.path().join("spool/probe");
            std::fs::create_dir(&in_the_way).unwrap();
            assert_eq!(monitor.ready().await, [NotReady::Spool]);
            std::fs::remove_dir(&in_the_way).unwrap();
            assert_eq!(monitor.ready().await, [NotReady::Spool], "the last answer is still new");
            *monitor.tried.lock().await = None;
            assert_eq!(monitor.ready().await, []);
        })
        .await;
    }
}
