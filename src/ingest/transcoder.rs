//! The queue behind the intake that makes the delivery form of images, and a way to ask for one out of turn.
//!
//! It lags on purpose: while objects arrive it waits, except for what somebody is looking at. What it makes is derived:
//! one object an instance, published by its row; anything that fails here leaves the stored bytes and the intake alone.
//!
//! A decoder that dies or takes too long is asked again, later, a few times; then the image misses frames, or is
//! unavailable until the next start tries once more: another version or a machine with more memory may fare better.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use super::bytes::{BytesError, InstanceBytes};
use super::derived::{DerivedSink, StoredFrames};
use crate::archive::{Archive, ArchiveError};
use crate::clock;
use crate::dicom::{Limits, WalkError};
use crate::domain::{Delivery, InstanceId, StudyId};
use crate::index::delivery::{self, Noted, Outcome};
use crate::index::{Db, Error as IndexError, Scope};
use crate::pixels::transcode::{Chance, DeliverError, deliver};
use crate::pixels::{DecodeError, Decoder};

/// The net under notifications: other nodes' instances, and those that failed before.
const POLL: Duration = Duration::from_secs(2);
/// How long arriving objects may hold up one instance nobody is looking at.
const YIELD_AT_MOST: Duration = Duration::from_secs(10);
const YIELD_STEP: Duration = Duration::from_millis(100);
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_LONGEST: Duration = Duration::from_secs(120);
/// So often the decoder may fail on an instance before it is noted as it is.
const CHANCES: u32 = 5;
/// Taken from the database at a time.
const BACKLOG: i64 = 64;
/// Requests out of turn that are remembered; a page that asks for more gets the rest in turn.
const URGENT: usize = 10_000;

#[derive(Debug, thiserror::Error)]
enum MakeError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Bytes(#[from] BytesError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    #[error("walking its header failed: {0}")]
    Walk(#[source] WalkError),
    #[error("the task that read it was stopped")]
    Stopped,
}

/// Asks for delivery forms out of turn. Cheap to clone.
#[derive(Clone)]
pub struct Requests {
    db: Db,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    wake: Notify,
    /// Counts outcomes, so that whoever waits for one looks again.
    settled: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    urgent: VecDeque<InstanceId>,
    backlog: VecDeque<InstanceId>,
    /// What workers have taken, and whether somebody is looking at it.
    in_hand: HashMap<InstanceId, bool>,
    failed: HashMap<InstanceId, Failed>,
    /// Outcomes since the start, by delivery form.
    made: BTreeMap<Delivery, u64>,
    failures: u64,
}

struct Failed {
    times: u32,
    /// How often it was the decoder that failed.
    in_decoder: u32,
    not_before: Instant,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Plain collections; a panic between two of their operations loses at most a place in the queue.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    /// The next instance, and whether somebody is looking at it.
    fn take(&mut self) -> Option<(InstanceId, bool)> {
        let now = Instant::now();
        for (urgent, queue) in [(true, &mut self.urgent), (false, &mut self.backlog)] {
            while let Some(instance) = queue.pop_front() {
                if let Some(wanted) = self.in_hand.get_mut(&instance) {
                    // Whoever holds it back hurries.
                    *wanted |= urgent;
                    continue;
                }
                let waits = self.failed.get(&instance).is_some_and(|failed| failed.not_before > now);
                if !waits {
                    self.in_hand.insert(instance, urgent);
                    return Some((instance, urgent));
                }
            }
        }
        None
    }

    /// An instance that was taken and not begun goes back to where it was.
    fn put_back(&mut self, instance: InstanceId) {
        match self.in_hand.remove(&instance) {
            Some(true) => self.urgent.push_front(instance),
            _ => self.backlog.push_front(instance),
        }
    }

    /// Whether what a worker holds back must wait no longer: `Some(true)`, somebody looks at this very image; `Some(false)`,
    /// at another, which nobody has taken yet.
    fn is_wanted(&self, held_back: InstanceId) -> Option<bool> {
        if self.in_hand.get(&held_back) == Some(&true) {
            return Some(true);
        }
        (!self.urgent.is_empty()).then_some(false)
    }
}

impl Requests {
    /// Puts the pending images of a study first: somebody has opened it.
    pub async fn study(&self, study: StudyId) -> Result<(), IndexError> {
        let mut tx = self.db.read().await?;
        let pending = delivery::pending_of_study(&mut tx, study).await?;
        drop(tx);
        self.ask(pending);
        Ok(())
    }

    /// Waits until the instance's form is settled, at most `patience`; true if it is.
    pub async fn wait(&self, instance: InstanceId, patience: Duration) -> Result<bool, IndexError> {
        let mut settled = self.shared.settled.subscribe();
        self.ask(vec![instance]);
        let deadline = Instant::now() + patience;
        loop {
            settled.borrow_and_update();
            let mut tx = self.db.read().await?;
            let (form, ..) = delivery::of_instance(&mut tx, Scope::All, instance).await?;
            drop(tx);
            if form != Delivery::Pending {
                return Ok(true);
            }
            if tokio::time::timeout_at(deadline, settled.changed()).await.is_err() {
                return Ok(false);
            }
        }
    }

    /// How many forms of each kind were settled since the start.
    pub fn made(&self) -> BTreeMap<Delivery, u64> {
        self.shared.lock().made.clone()
    }

    /// How many attempts failed since the start; each is tried again.
    pub fn failures(&self) -> u64 {
        self.shared.lock().failures
    }

    /// How many images workers have in hand.
    #[cfg(test)]
    pub fn in_hand(&self) -> usize {
        self.shared.lock().in_hand.len()
    }

    fn ask(&self, instances: Vec<InstanceId>) {
        let mut state = self.shared.lock();
        for instance in instances.into_iter().rev() {
            state.urgent.push_front(instance);
        }
        state.urgent.truncate(URGENT);
        drop(state);
        self.shared.wake.notify_waiters();
    }
}

/// Makes delivery forms. Cheap to clone: each clone is one worker.
#[derive(Clone)]
pub struct Transcoder {
    db: Db,
    bytes: InstanceBytes,
    archive: Archive,
    decoder: Decoder,
    activity: Activity,
    retry_first: Duration,
    shared: Arc<Shared>,
}

impl Transcoder {
    pub fn new(db: Db, bytes: InstanceBytes, archive: Archive, decoder: Decoder, activity: Activity) -> Self {
        let shared = Shared { state: Mutex::default(), wake: Notify::new(), settled: watch::Sender::new(0) };
        Self { db, bytes, archive, decoder, activity, retry_first: RETRY_FIRST, shared: Arc::new(shared) }
    }

    #[cfg(test)]
    pub fn retrying_after(self, retry_first: Duration) -> Self {
        Self { retry_first, ..self }
    }

    pub fn requests(&self) -> Requests {
        Requests { db: self.db.clone(), shared: self.shared.clone() }
    }

    /// Wakes the workers: instances may have come, or failed before the start.
    pub async fn follow(self, mut indexed: watch::Receiver<super::spool::Position>, stop: CancellationToken) {
        if let Err(error) = self.reopen_failed().await {
            tracing::warn!(%error, "images on which the decoder failed are not tried again");
        }
        loop {
            tokio::select! {
                changed = indexed.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
            self.shared.wake.notify_waiters();
        }
    }

    /// One worker; works until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let woken = self.shared.wake.notified();
            match self.next().await {
                Ok(Some((instance, urgent))) => {
                    if !urgent && !self.has_its_turn(instance, &stop).await {
                        self.shared.lock().put_back(instance);
                        continue;
                    }
                    tokio::select! {
                        () = self.settle(instance) => {}
                        // A form half made is made again; nobody waits for it at shutdown.
                        () = stop.cancelled() => return,
                    }
                }
                Ok(None) => tokio::select! {
                    () = woken => {}
                    () = tokio::time::sleep(POLL) => {}
                    () = stop.cancelled() => return,
                },
                Err(error) => {
                    tracing::warn!(%error, "images wait to be prepared for delivery");
                    tokio::select! {
                        () = tokio::time::sleep(POLL) => {}
                        () = stop.cancelled() => return,
                    }
                }
            }
        }
    }

    async fn next(&self) -> Result<Option<(InstanceId, bool)>, IndexError> {
        let (next, failed) = {
            let mut state = self.shared.lock();
            (state.take(), state.failed.len() + state.in_hand.len())
        };
        if next.is_some() {
            return Ok(next);
        }
        let mut tx = self.db.read().await?;
        let pending = delivery::pending(&mut tx, BACKLOG + failed as i64).await?;
        let mut state = self.shared.lock();
        state.backlog = pending.into();
        Ok(state.take())
    }

    /// Waits while objects arrive; false: somebody has come to look at another image, and this one goes after it.
    async fn has_its_turn(&self, instance: InstanceId, stop: &CancellationToken) -> bool {
        let until = Instant::now() + YIELD_AT_MOST;
        while self.activity.is_anybody_storing() && Instant::now() < until && !stop.is_cancelled() {
            if let Some(this) = self.shared.lock().is_wanted(instance) {
                return this;
            }
            tokio::time::sleep(YIELD_STEP).await;
        }
        true
    }

    /// Makes images of which the decoder made nothing pending again.
    async fn reopen_failed(&self) -> Result<(), IndexError> {
        let words = DecodeError::FAILURES.map(|failure| failure.reason());
        let mut tx = self.db.read().await?;
        let failed = delivery::ended_in(&mut tx, &words).await?;
        drop(tx);
        if failed.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.write().await?;
        for instance in &failed {
            delivery::reopen(&mut tx, *instance).await?;
        }
        tx.commit().await?;
        tracing::info!(images = failed.len(), "tried again: the decoder had failed on them");
        self.shared.wake.notify_waiters();
        Ok(())
    }

    async fn settle(&self, instance: InstanceId) {
        let result = self.transcode(instance).await;
        let mut state = self.shared.lock();
        state.in_hand.remove(&instance);
        match result {
            Ok(()) => {
                state.failed.remove(&instance);
                self.shared.settled.send_modify(|count| *count += 1);
            }
            Err(error) => {
                tracing::warn!(%instance, %error, "an image could not be prepared for delivery, trying again later");
                let in_decoder = matches!(&error, MakeError::Deliver(DeliverError::Decoder(e)) if e.is_failure());
                let now = Instant::now();
                state.failures += 1;
                let failed =
                    state.failed.entry(instance).or_insert(Failed { times: 0, in_decoder: 0, not_before: now });
                let wait = self.retry_first.saturating_mul(1 << failed.times.min(16)).min(RETRY_LONGEST);
                failed.not_before = now + wait;
                failed.times += 1;
                failed.in_decoder += u32::from(in_decoder);
            }
        }
    }

    /// Whether the decoder may fail on this instance once more.
    fn chance(&self, instance: InstanceId) -> Chance {
        let failed = self.shared.lock().failed.get(&instance).map_or(0, |failed| failed.in_decoder);
        if failed + 1 < CHANCES { Chance::Another } else { Chance::Last }
    }

    /// Makes one instance's form and notes the outcome.
    async fn transcode(&self, instance: InstanceId) -> Result<(), MakeError> {
        let mut tx = self.db.read().await?;
        let (form, ..) = delivery::of_instance(&mut tx, Scope::All, instance).await?;
        drop(tx);
        if form != Delivery::Pending {
            return Ok(());
        }
        let outcome = self.make(instance).await?;
        let mut tx = self.db.write().await?;
        // Of two objects for one instance, the one no row names.
        let rubbish = match delivery::settle(&mut tx, instance, &outcome, clock::now()).await? {
            Noted::Now { replaced } => {
                // A commit that fails may have happened all the same: the new object stays.
                tx.commit().await?;
                *self.shared.lock().made.entry(outcome.form()).or_default() += 1;
                replaced
            }
            Noted::Before => match outcome {
                Outcome::Made { object, .. } => Some(object.key),
                Outcome::Unavailable(_) => None,
            },
        };
        if let Some(key) = rubbish
            && let Err(error) = self.archive.delete(&key).await
        {
            tracing::warn!(%key, %error, "a delivery form that nobody names could not be deleted");
        }
        Ok(())
    }

    async fn make(&self, instance: InstanceId) -> Result<Outcome, MakeError> {
        let stored = self.bytes.find(Scope::All, instance).await?;
        let source = StoredFrames::new(self.bytes.clone(), instance, stored.place.length());
        let header = match self.walk(&source).await? {
            Ok(header) => header,
            Err(error) if error.is_permanent() => return Ok(Outcome::Unavailable(error.reason().to_owned())),
            Err(error) => return Err(MakeError::Walk(error)),
        };
        let mut sink = DerivedSink::new(self.archive.clone());
        let form = match deliver(&self.decoder, &header, &source, &mut sink, self.chance(instance)).await {
            Ok(form) => form,
            Err(error) => {
                sink.abort().await;
                return Err(error.into());
            }
        };
        match form.delivery {
            Delivery::Htj2k | Delivery::Jpeg | Delivery::Deflate => {
                let (object, frames) = sink.finish().await?;
                Ok(Outcome::Made { form: form.delivery, reason: form.reason, object, frames })
            }
            Delivery::Unavailable | Delivery::NoImage | Delivery::Pending => {
                sink.abort().await;
                let reason = if form.reason.is_empty() { "no_pixels".to_owned() } else { form.reason };
                Ok(Outcome::Unavailable(reason))
            }
        }
    }

    async fn walk(&self, source: &StoredFrames) -> Result<Result<crate::dicom::Header, WalkError>, MakeError> {
        let reader = source.reader(tokio::runtime::Handle::current());
        let walked = tokio::task::spawn_blocking(move || crate::dicom::walk(reader, &Limits::default())).await;
        match walked {
            Ok(walked) => Ok(walked),
            Err(panic) if panic.is_panic() => Ok(Err(WalkError::NotDicom)),
            Err(_) => Err(MakeError::Stopped),
        }
    }
}

impl From<io::Error> for MakeError {
    fn from(error: io::Error) -> Self {
        MakeError::Archive(ArchiveError::Read(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_a_worker_holds_back_is_made_at_once_when_somebody_looks_at_it() {
        let (first, second) = (InstanceId(1), InstanceId(2));
        let mut state = State { backlog: [first, second].into(), ..State::default() };
        assert_eq!(state.take(), Some((first, false)));
        assert_eq!(state.is_wanted(first), None);
        state.urgent.push_front(first);
        assert_eq!(state.take(), Some((second, false)), "another worker looks for work meanwhile");
        assert_eq!((state.is_wanted(first), state.is_wanted(second)), (Some(true), None));
        state.put_back(first);
        assert_eq!(state.take(), Some((first, true)), "given back, it comes first");
    }

    #[test]
    fn what_nobody_looks_at_makes_way_for_what_somebody_does() {
        let mut state = State { backlog: [InstanceId(1)].into(), ..State::default() };
        state.take();
        state.urgent.push_front(InstanceId(3));
        assert_eq!(state.is_wanted(InstanceId(1)), Some(false));
        state.put_back(InstanceId(1));
        assert_eq!(state.take(), Some((InstanceId(3), true)));
        assert_eq!(state.take(), Some((InstanceId(1), false)));
    }
}
