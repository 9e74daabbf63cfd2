//! When a study is taken as complete: a quiet time for its modality, shortened once its device released the
//! association, held off while an object of the device is still arriving. Then its case is queued.
//!
//! Guessing early costs a visible `study.late`, guessing late costs the patient minutes.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Sender};
use super::spool::{Position, Spool};
use crate::domain::{Micros, Targets, Urgency};
use crate::index::intake::{self, ArrivingCase};
use crate::index::{Db, Error, Event, EventKind, Result};
use crate::{clock, config};

const TICK: Duration = Duration::from_millis(500);
/// Seconds, where a configuration names neither the modality nor `*`.
const DEFAULT_QUIET: f64 = 15.0;
/// How much longer than its quiet time a study waits because an object of its device is arriving: a 3 GB clip over a
/// 100 Mbit/s line. A device that never pauses must not keep its studies from being read.
const STORING_PATIENCE: Duration = Duration::from_secs(300);
/// An association is released a moment before its last object has its row.
const RELEASE_SLACK: Duration = Duration::from_secs(2);

/// How long each kind of study must be quiet to be complete.
#[derive(Debug, Clone, PartialEq)]
pub struct QuietTimes {
    /// Seconds by modality code; `*`: the rest.
    by_modality: BTreeMap<String, f64>,
    /// Seconds after the device released its association; many devices open one for each image.
    after_release: f64,
}

impl QuietTimes {
    pub fn of_config(config: &config::Ingest) -> Self {
        Self { by_modality: config.quiet_seconds.clone(), after_release: config.quiet_seconds_after_release }
    }

    fn of(&self, modality: &str) -> Duration {
        let seconds = self.by_modality.get(modality).or_else(|| self.by_modality.get("*"));
        seconds_of(seconds.copied().unwrap_or(DEFAULT_QUIET))
    }

    /// Whether a study is complete as of `horizon`, the moment up to which everything that came has its row.
    fn is_over(&self, study: &Quiet, horizon: Micros) -> bool {
        let quiet = self.of(study.modality);
        if study.storing {
            return horizon >= study.last + quiet + STORING_PATIENCE;
        }
        let ended = horizon >= study.last + quiet;
        let released = study.released.is_some_and(|released| {
            let since = released.max(study.last);
            released + RELEASE_SLACK >= study.last && horizon >= since + seconds_of(self.after_release)
        });
        ended || released
    }
}

/// A figure from a configuration, whatever somebody wrote there.
fn seconds_of(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.min(86_400.0)).unwrap_or_default()
}

struct Quiet<'a> {
    modality: &'a str,
    last: Micros,
    storing: bool,
    released: Option<Micros>,
}

/// Watches over arriving studies of one node.
pub struct Completeness {
    pub db: Db,
    pub spool: Spool,
    /// How far the indexer has come.
    pub indexed: watch::Receiver<Position>,
    pub activity: Activity,
    pub quiet: QuietTimes,
    pub targets: Targets,
}

impl Completeness {
    /// Looks until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.pass(clock::now()).await {
                tracing::error!(%error, "studies wait to be completed");
            }
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Completes what is due at `now`; how many.
    pub async fn pass(&self, now: Micros) -> Result<usize> {
        let horizon = self.horizon(now);
        let mut tx = self.db.read().await?;
        let cases = intake::arriving_cases(&mut tx).await?;
        drop(tx);
        let mut completed = 0;
        for case in cases.iter().filter(|case| self.is_over(case, horizon)) {
            completed += usize::from(self.complete(case, now).await?);
        }
        Ok(completed)
    }

    /// Now, or when the oldest object came that has no row yet.
    fn horizon(&self, now: Micros) -> Micros {
        let indexed = *self.indexed.borrow();
        self.spool.read_from(indexed, 1).first().map_or(now, |waiting| waiting.meta.received.min(now))
    }

    fn is_over(&self, case: &ArrivingCase, horizon: Micros) -> bool {
        let senders = [Sender::Device(case.device_id), Sender::Unregistered(case.device_ae.clone())];
        let quiet = Quiet {
            modality: &case.modality,
            last: case.last_us,
            storing: senders.iter().any(|sender| self.activity.is_storing(sender)),
            released: senders.iter().filter_map(|sender| self.activity.last_release(sender)).max(),
        };
        self.quiet.is_over(&quiet, horizon)
    }

    async fn complete(&self, case: &ArrivingCase, now: Micros) -> Result<bool> {
        let urgency = Urgency::from_word(&case.urgency)
            .ok_or_else(|| Error::Corrupt(format!("urgency {:?} of case {}", case.urgency, case.id)))?;
        let due = self.targets.due(&case.modality, urgency, now);
        let mut tx = self.db.write().await?;
        if !intake::complete_case(&mut tx, case, now, due).await? {
            return Ok(false);
        }
        for kind in [EventKind::Complete, EventKind::Queued] {
            let event = Event::new(kind, now).site(case.site_id).study(case.study_id).case(case.id);
            tx.event(&event.detail(serde_json::json!({"instances": case.instances, "due_us": due}))).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Micros {
        Micros::from_seconds(seconds)
    }

    fn times() -> QuietTimes {
        QuietTimes { by_modality: [("US".to_owned(), 45.0)].into(), after_release: 8.0 }
    }

    fn quiet(released: Option<i64>, storing: bool) -> Quiet<'static> {
        Quiet { modality: "US", last: at(100), storing, released: released.map(at) }
    }

    #[test]
    fn a_study_is_complete_when_its_device_has_been_quiet_long_enough() {
        let times = times();
        assert!(!times.is_over(&quiet(None, false), at(144)));
        assert!(times.is_over(&quiet(None, false), at(145)));
    }

    #[test]
    fn a_release_after_the_last_image_shortens_the_wait_and_one_before_it_does_not() {
        let times = times();
        assert!(!times.is_over(&quiet(Some(101), false), at(108)));
        assert!(times.is_over(&quiet(Some(101), false), at(109)));
        assert!(!times.is_over(&quiet(Some(90), false), at(130)));
    }

    #[test]
    fn an_object_on_its_way_holds_the_study_open_but_not_for_ever() {
        let times = times();
        assert!(!times.is_over(&quiet(Some(101), true), at(400)));
        assert!(times.is_over(&quiet(None, true), at(445)));
    }
}
