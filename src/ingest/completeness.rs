//! When a study is taken as complete: on evidence, where a device tells how many images there are; else after a quiet time
//! for its modality, shortened once its device released the association, held off while an object of the device is still
//! arriving, a step is in progress or images are known to be missing. Then its case is queued, and its event says by what.
//!
//! Evidence is told in [`evidence`](crate::index::evidence) and weighed in [`weigh`]. Guessing early costs a visible
//! `study.late`, guessing late costs the patient minutes.

mod weigh;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Sender};
use super::spool::{Position, Spool};
use crate::domain::{CaseId, Micros, Targets, Urgency};
use crate::index::evidence::{self, Told};
use crate::index::intake::{self, ArrivingCase};
use crate::index::{Db, Error, Event, EventKind, Result, orders};
use crate::{clock, config};
use weigh::{Known, There, weigh};

const TICK: Duration = Duration::from_millis(500);
/// Seconds, where a configuration names neither the modality nor `*`.
const DEFAULT_QUIET: f64 = 15.0;
/// How much longer than its quiet time a study waits because an object of its device is arriving: a 3 GB clip over a
/// 100 Mbit/s line. A device that never pauses must not keep its studies from being read.
const STORING_PATIENCE: Duration = Duration::from_secs(300);
/// As long past its quiet time for a step in progress: an ultrasound exam goes on that long between two images. A step that a
/// device never ends must not keep its study from being read.
const STEP_PATIENCE: Duration = Duration::from_secs(1_800);
/// As long for images that were promised: a line that broke, a device that sends again.
const MISSING_PATIENCE: Duration = Duration::from_secs(120);
/// A study that has all it should is complete a moment after: counts may still be told otherwise by an image on its way.
const SETTLE: Duration = Duration::from_secs(2);
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

    /// By what a study is complete as of `horizon`, the moment up to which everything that came has its row; none: it is not.
    fn judge(&self, study: &Quiet, horizon: Micros) -> Option<&'static str> {
        let quiet_for = |time: Duration| horizon >= study.last + time;
        let quiet = self.of(study.modality);
        let by_quiet = |patience: Duration| quiet_for(quiet + patience).then_some("quiet");
        if study.known.in_progress {
            return by_quiet(STEP_PATIENCE);
        }
        if let Some(evidence) = study.known.complete.filter(|_| quiet_for(SETTLE)) {
            return Some(evidence.word());
        }
        if study.storing {
            return by_quiet(STORING_PATIENCE);
        }
        if study.known.missing > 0 {
            return by_quiet(MISSING_PATIENCE);
        }
        let after_release = seconds_of(self.after_release);
        if let Some(hint) = study.known.hint.filter(|_| quiet_for(after_release)) {
            return Some(hint.word());
        }
        let released = study.released.is_some_and(|released| {
            let since = released.max(study.last);
            released + RELEASE_SLACK >= study.last && horizon >= since + after_release
        });
        if released { Some("released") } else { by_quiet(Duration::ZERO) }
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
    known: Known,
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
        let mut told: HashMap<CaseId, Vec<Told>> = HashMap::new();
        for one in evidence::of_arriving(&mut tx).await? {
            told.entry(one.case).or_default().push(one);
        }
        drop(tx);
        let mut completed = 0;
        for case in cases {
            let there = There { instances: case.instances + case.quarantined, series: case.series };
            let known = weigh(told.get(&case.id).map_or(&[][..], Vec::as_slice), there);
            if let Some(evidence) = self.judge(&case, known, horizon) {
                completed += usize::from(self.complete(&case, evidence, known.missing, now).await?);
            }
        }
        Ok(completed)
    }

    /// Now, or when the oldest object came that has no row yet.
    fn horizon(&self, now: Micros) -> Micros {
        let indexed = *self.indexed.borrow();
        self.spool.read_from(indexed, 1).first().map_or(now, |waiting| waiting.meta.received.min(now))
    }

    fn judge(&self, case: &ArrivingCase, known: Known, horizon: Micros) -> Option<&'static str> {
        let senders = [Sender::Device(case.device_id), Sender::Unregistered(case.device_ae.clone())];
        let quiet = Quiet {
            modality: &case.modality,
            last: case.last_us,
            storing: senders.iter().any(|sender| self.activity.is_storing(sender)),
            released: senders.iter().filter_map(|sender| self.activity.last_release(sender)).max(),
            known,
        };
        self.quiet.judge(&quiet, horizon)
    }

    async fn complete(&self, case: &ArrivingCase, evidence: &str, missing: i64, now: Micros) -> Result<bool> {
        let urgency = Urgency::from_word(&case.urgency)
            .ok_or_else(|| Error::Corrupt(format!("urgency {:?} of case {}", case.urgency, case.id)))?;
        let due = self.targets.due(&case.modality, urgency, now);
        let mut tx = self.db.write().await?;
        if !intake::complete_case(&mut tx, case, now, due).await? {
            return Ok(false);
        }
        let event = |kind| Event::new(kind, now).site(case.site_id).study(case.study_id).case(case.id);
        let mut detail = json!({"instances": case.instances, "due_us": due, "evidence": evidence});
        if missing > 0 {
            detail["missing"] = missing.into();
        }
        tx.event(&event(EventKind::Complete).detail(detail)).await?;
        let detail = json!({"instances": case.instances, "due_us": due});
        tx.event(&event(EventKind::Queued).detail(detail)).await?;
        orders::complete(&mut tx, case.site_id, case.study_id, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::evidence::Kind;

    fn at(seconds: i64) -> Micros {
        Micros::from_seconds(seconds)
    }

    fn times() -> QuietTimes {
        QuietTimes { by_modality: [("US".to_owned(), 45.0)].into(), after_release: 8.0 }
    }

    fn quiet(released: Option<i64>, storing: bool) -> Quiet<'static> {
        Quiet { modality: "US", last: at(100), storing, released: released.map(at), known: Known::default() }
    }

    fn known(known: Known) -> Quiet<'static> {
        Quiet { known, ..quiet(None, false) }
    }

    #[test]
    fn a_study_is_complete_when_its_device_has_been_quiet_long_enough() {
        let times = times();
        assert_eq!(times.judge(&quiet(None, false), at(144)), None);
        assert_eq!(times.judge(&quiet(None, false), at(145)), Some("quiet"));
    }

    #[test]
    fn a_release_after_the_last_image_shortens_the_wait_and_one_before_it_does_not() {
        let times = times();
        assert_eq!(times.judge(&quiet(Some(101), false), at(108)), None);
        assert_eq!(times.judge(&quiet(Some(101), false), at(109)), Some("released"));
        assert_eq!(times.judge(&quiet(Some(90), false), at(130)), None);
    }

    #[test]
    fn an_object_on_its_way_holds_the_study_open_but_not_for_ever() {
        let times = times();
        assert_eq!(times.judge(&quiet(Some(101), true), at(400)), None);
        assert_eq!(times.judge(&quiet(None, true), at(445)), Some("quiet"));
    }

    #[test]
    fn evidence_ends_the_wait_whatever_else_the_device_is_sending() {
        let times = times();
        let complete = known(Known { complete: Some(Kind::StepCompleted), ..Known::default() });
        assert_eq!(times.judge(&complete, at(101)), None);
        assert_eq!(times.judge(&complete, at(102)), Some("step_completed"));
        let busy = Quiet { storing: true, ..complete };
        assert_eq!(times.judge(&busy, at(102)), Some("step_completed"));
        let hint = known(Known { hint: Some(Kind::SeriesCount), ..Known::default() });
        assert_eq!(times.judge(&hint, at(107)), None);
        assert_eq!(times.judge(&hint, at(108)), Some("series_count"));
    }

    #[test]
    fn a_step_in_progress_and_promised_images_are_waited_for_with_patience() {
        let times = times();
        let in_progress = known(Known { in_progress: true, ..Known::default() });
        assert_eq!(times.judge(&in_progress, at(145 + 1_799)), None);
        assert_eq!(times.judge(&in_progress, at(145 + 1_800)), Some("quiet"));
        let short = Quiet { released: Some(at(101)), ..known(Known { missing: 2, ..Known::default() }) };
        assert_eq!(times.judge(&short, at(145 + 119)), None);
        assert_eq!(times.judge(&short, at(145 + 120)), Some("quiet"));
    }
}
