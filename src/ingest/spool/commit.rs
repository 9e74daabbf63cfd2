//! The committer: one thread that makes everything finished since its last round durable, one sync per file.
//!
//! While a sync runs, writers go on writing and queue up for the next round, so the rate does not depend on the
//! latency of a sync once a few senders are at work. Now and then, and whenever nobody waits, it notes in the state file
//! how far all is settled.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;

use super::log::Segment;
use super::record::Record;
use super::{Receipt, Shared, SpoolError};

/// One written object waiting for its sync.
pub(super) struct Commit {
    pub segment: Arc<Segment>,
    pub record: Record,
    /// The segment's file is new: its directory entry must be durable too.
    pub new_file: bool,
    pub reply: oneshot::Sender<Result<Receipt, SpoolError>>,
}

#[derive(Default)]
pub(super) struct CommitQueue {
    state: Mutex<QueueState>,
    wake: Condvar,
}

#[derive(Default)]
struct QueueState {
    waiting: Vec<Commit>,
    closed: bool,
}

impl CommitQueue {
    pub fn push(&self, commit: Commit) {
        self.lock().waiting.push(commit);
        self.wake.notify_one();
    }

    pub fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }

    /// Everything waiting; blocks until there is something, or until nothing came for `patience`.
    fn take(&self, patience: Option<Duration>) -> Taken {
        let mut state = self.lock();
        loop {
            if !state.waiting.is_empty() {
                return Taken::Commits(std::mem::take(&mut state.waiting));
            }
            if state.closed {
                return Taken::Closed;
            }
            let Some(patience) = patience else {
                state = self.wake.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
                continue;
            };
            let waited = self.wake.wait_timeout(state, patience);
            let (woken, waited) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
            state = woken;
            if waited.timed_out() && state.waiting.is_empty() && !state.closed {
                return Taken::Nothing;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

enum Taken {
    Commits(Vec<Commit>),
    Nothing,
    Closed,
}

/// Runs until the queue is closed and empty.
pub(super) fn run(shared: &Shared) {
    // Bytes committed that the state file does not know of.
    let mut unnoted = 0;
    loop {
        let patience = (unnoted > 0).then_some(shared.options.quiet);
        let taken = shared.queue.take(patience);
        let ending = matches!(taken, Taken::Closed);
        let quiet = !matches!(taken, Taken::Commits(_));
        if let Taken::Commits(batch) = taken {
            unnoted += batch.iter().map(|commit| commit.record.length).sum::<u64>();
            commit_batch(shared, batch);
        }
        if unnoted > 0 && (quiet || unnoted >= shared.options.checkpoint) {
            shared.checkpoint();
            unnoted = 0;
        }
        if ending {
            return;
        }
    }
}

fn commit_batch(shared: &Shared, mut batch: Vec<Commit>) {
    batch.sort_by_key(|commit| (commit.segment.id, commit.record.position));
    while !batch.is_empty() {
        let id = batch[0].segment.id;
        let same_file = batch.iter().take_while(|commit| commit.segment.id == id).count();
        commit_file(shared, batch.drain(..same_file).collect());
    }
}

/// Syncs one file and answers all of its waiting objects.
fn commit_file(shared: &Shared, commits: Vec<Commit>) {
    let Some(first) = commits.first() else { return };
    let segment = first.segment.clone();
    let new_file = commits.iter().any(|commit| commit.new_file);
    let synced = make_durable(shared, &segment, new_file);

    let mut answers = Vec::with_capacity(commits.len());
    let durable = {
        let mut log = shared.log();
        for commit in commits {
            let position = commit.record.position;
            let record = synced.is_ok().then(|| Arc::new(commit.record));
            if let Some(record) = &record {
                shared.count_received(record);
            }
            log.settle(segment.id, position, record.clone());
            answers.push((commit.reply, record.ok_or(SpoolError::Abandoned)));
        }
        log.durable()
    };
    shared.announce(durable);
    if let Err(error) = synced {
        tracing::error!(segment = %segment.id, %error, "spool segment abandoned");
        shared.remove_empty();
    }
    for (reply, answer) in answers {
        // A sender that went away meanwhile has no use for its receipt; the record stays.
        drop(reply.send(answer));
    }
}

fn make_durable(shared: &Shared, segment: &Segment, new_file: bool) -> Result<(), SpoolError> {
    if segment.is_abandoned() {
        return Err(SpoolError::Abandoned);
    }
    let synced = segment.file.sync_data().and_then(|()| match new_file {
        true => shared.disk.sync_dir(&shared.dir),
        false => Ok(()),
    });
    synced.map_err(|error| {
        segment.abandon();
        error.into()
    })
}

impl Shared {
    /// Tells readers how far they may go; never backwards.
    pub(super) fn announce(&self, durable: super::Position) {
        self.durable.send_if_modified(|known| {
            let further = durable > *known;
            *known = durable.max(*known);
            further
        });
    }
}
