//! The reader of the spool: walks what became durable, in order, and writes rows in batches.
//!
//! The spool is the truth, the index follows it. At start everything still spooled is looked at again and what has a
//! row is passed over, so a kill at any moment costs a little time and nothing else. An object that can't be read, or
//! that panics the parser, goes into quarantine and never stops the rest; a database that fails stops all until it works.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::batch::{self, Item, Origin, ProgressPace, Tally};
use super::describe::{Described, Refused, clean, describe};
use super::reader::RecordReader;
use super::spool::{Position, Record, SegmentId, Spool};
use super::writings::Writings;
use crate::clock;
use crate::dicom::{self, Limits, WalkError, Writing};
use crate::index::erasure;
use crate::index::quarantine::Reason;
use crate::index::{Db, intake};

/// Objects of one transaction.
const BATCH: usize = 256;
/// Metadata of one transaction, in bytes: a transaction is cut short rather than held in memory.
const BATCH_BYTES: usize = 16 << 20;
/// A medium may fail once; what fails this often is put aside.
const READ_ATTEMPTS: u32 = 3;
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(20);

/// What the indexer needs to know of the center.
#[derive(Debug, Clone)]
pub struct IndexerOptions {
    /// Name of the node whose spool this is.
    pub node: String,
    /// The devices' clock in minutes east of UTC where they don't say.
    pub zone_minutes: i32,
}

pub struct Indexer {
    db: Db,
    spool: Spool,
    options: Arc<IndexerOptions>,
    origin: Origin,
    pace: ProgressPace,
    /// How far it had come before the start; none: not asked yet.
    cursor: Option<i64>,
    /// What was durable at start: up to here rows may exist already.
    replay_until: Position,
    known: HashMap<SegmentId, HashSet<i64>>,
    done: watch::Sender<Position>,
}

impl Indexer {
    pub fn new(db: Db, spool: Spool, options: IndexerOptions) -> Self {
        let replay_until = *spool.watch().borrow();
        Self {
            db,
            spool,
            options: Arc::new(options),
            origin: Origin::Device,
            pace: ProgressPace::default(),
            cursor: None,
            replay_until,
            known: HashMap::new(),
            done: watch::Sender::new(Position::START),
        }
    }

    /// The same for a spool whose rows were lost.
    pub fn restoring(db: Db, spool: Spool, options: IndexerOptions) -> Self {
        Self { origin: Origin::Archive, ..Self::new(db, spool, options) }
    }

    /// Follows the last position that has its rows.
    pub fn indexed(&self) -> watch::Receiver<Position> {
        self.done.subscribe()
    }

    /// Indexes until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut durable = self.spool.watch();
        let mut wait = RETRY_FIRST;
        while !stop.is_cancelled() {
            match self.step().await {
                Ok(Some(tally)) => {
                    wait = RETRY_FIRST;
                    if tally.quarantined > 0 {
                        tracing::warn!(objects = tally.quarantined, "put into quarantine");
                    }
                }
                Ok(None) => tokio::select! {
                    changed = durable.changed() => if changed.is_err() { return },
                    () = stop.cancelled() => return,
                },
                Err(error) => {
                    tracing::error!(%error, "received objects wait to be indexed");
                    tokio::select! {
                        () = tokio::time::sleep(wait) => wait = (wait * 2).min(RETRY_LONGEST),
                        () = stop.cancelled() => return,
                    }
                }
            }
        }
    }

    /// Indexes one batch; none: nothing waits.
    pub async fn step(&mut self) -> crate::index::Result<Option<Tally>> {
        let after = *self.done.borrow();
        let records = self.spool.read_from(after, BATCH);
        let Some(last) = records.last().map(|record| record.position) else {
            self.known = HashMap::new();
            return Ok(None);
        };
        let unknown = self.without_known(records).await?;
        let writings = Writings::read(&mut self.db.read().await?).await?;
        let (items, through) = self.walk(unknown, writings, last).await;
        let mut tx = self.db.write().await?;
        let (node, pace) = (&self.options.node, &mut self.pace);
        let tally = batch::apply(&mut tx, node, &items, self.origin, pace, clock::now()).await?;
        let cursor = i64::try_from(through.0).unwrap_or(i64::MAX);
        intake::set_cursor(&mut tx, &self.options.node, cursor).await?;
        tx.commit().await?;
        self.done.send_replace(through);
        Ok(Some(tally))
    }

    /// Leaves out what has its rows since before the start.
    async fn without_known(&mut self, records: Vec<Arc<Record>>) -> crate::index::Result<Vec<Arc<Record>>> {
        if records.first().is_none_or(|first| first.position > self.replay_until) {
            return Ok(records);
        }
        let cursor = match self.cursor {
            Some(cursor) => cursor,
            None => intake::cursor(&mut self.db.read().await?, &self.options.node).await?,
        };
        self.cursor = Some(cursor);
        let mut unknown = Vec::with_capacity(records.len());
        for record in records {
            if !self.known.contains_key(&record.segment) {
                let mut tx = self.db.read().await?;
                let segment = i64::try_from(record.segment.0).unwrap_or(i64::MAX);
                let known = intake::known_positions(&mut tx, &self.options.node, segment).await?;
                self.known.insert(record.segment, known);
            }
            let position = i64::try_from(record.position.0).unwrap_or(i64::MAX);
            if self.known.get(&record.segment).is_some_and(|known| known.contains(&position)) {
                continue;
            }
            // Indexed before the start and erased since: its segment still stands, and it was not sent again.
            let mut tx = self.db.read().await?;
            if position > cursor || !erasure::is_erased_dataset(&mut tx, &record.sha256).await? {
                unknown.push(record);
            }
        }
        Ok(unknown)
    }

    /// Walks `records`, or as many as one transaction should hold; also how far that is.
    async fn walk(&self, records: Vec<Arc<Record>>, writings: Writings, last: Position) -> (Vec<Item>, Position) {
        let (spool, options) = (self.spool.clone(), self.options.clone());
        let in_hand = records.clone();
        let walked = tokio::task::spawn_blocking(move || walk_all(&spool, &options, records, &writings, last)).await;
        walked.unwrap_or_else(|panic| {
            // Each walk has its own net, so this is a fault beside the parser; put aside one object and go on.
            tracing::error!(%panic, "indexing panicked");
            let Some(first) = in_hand.first() else { return (Vec::new(), last) };
            (vec![refused(first.clone(), "parser_failed", String::new())], first.position)
        })
    }
}

fn walk_all(
    spool: &Spool,
    options: &IndexerOptions,
    records: Vec<Arc<Record>>,
    writings: &Writings,
    last: Position,
) -> (Vec<Item>, Position) {
    let mut items = Vec::with_capacity(records.len());
    let mut bytes = 0;
    for record in records {
        let position = record.position;
        let writing = writings.of(record.meta.device, &record.meta.calling_ae);
        let item = walk_one(spool, record, writing, options.zone_minutes);
        bytes += item.outcome.as_ref().map_or(0, |described| weight(described));
        items.push(item);
        if bytes > BATCH_BYTES {
            return (items, position);
        }
    }
    (items, last)
}

fn weight(described: &Described) -> usize {
    let instance = &described.instance;
    instance.metadata.deflated.len() + instance.attrs.as_ref().map_or(0, String::len)
}

fn walk_one(spool: &Spool, record: Arc<Record>, writing: Option<Writing>, zone: i32) -> Item {
    let head = spool.head(record.position).unwrap_or_default();
    for attempt in 1.. {
        let file = RecordReader::new(spool, &record).with_head(head.clone());
        let walk = || match dicom::walk(file, &Limits::default()) {
            Ok(header) => Ok(describe(&header.read_as(writing), &record, zone)),
            Err(error) => Err(error),
        };
        let outcome = match std::panic::catch_unwind(AssertUnwindSafe(walk)) {
            Ok(Ok(outcome)) => outcome.map(Box::new),
            Ok(Err(WalkError::Io(error))) if attempt < READ_ATTEMPTS => {
                tracing::warn!(position = record.position.0, %error, "reading a spooled object failed, trying again");
                std::thread::sleep(RETRY_FIRST);
                continue;
            }
            Ok(Err(error)) => return refused(record, error.reason(), error.facts()),
            Err(_) => return refused(record, "parser_failed", String::new()),
        };
        return Item { record, outcome };
    }
    refused(record, "read_failed", String::new())
}

fn refused(record: Arc<Record>, code: &'static str, detail: String) -> Item {
    let sop_uid = clean(&record.meta.sop_instance, 64);
    Item { record, outcome: Err(Refused { reason: Reason { code: code.into(), detail }, sop_uid, study_uid: None }) }
}
