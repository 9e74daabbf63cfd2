//! The rooms between the listener and the viewer, opened together and started together.

use std::path::Path;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use super::budget::Budget;
use super::bytes::InstanceBytes;
use super::completeness::{Completeness, QuietTimes};
use super::erasure::Eraser;
use super::indexer::{Indexer, IndexerOptions};
use super::sealer::{Sealer, SealerOptions, StoreHealth};
use super::spool::{Position, Spool, SpoolError, SpoolOptions};
use super::transcoder::Transcoder;
use super::viewing::Viewing;
use crate::archive::{Archive, ArchiveError};
use crate::config::Config;
use crate::domain::Targets;
use crate::index::Db;
use crate::pixels::Decoder;

/// Frames decoded at a time for clients that wait for them.
const WAITING_DECODERS: usize = 2;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Config(#[from] crate::config::Error),
    #[error("the name of this node: {0}")]
    Node(#[source] std::io::Error),
}

/// What the listener and the web need of the intake.
pub struct Ingest {
    /// Where the listener puts what it receives.
    pub spool: Spool,
    /// What the listener tells of its senders.
    pub activity: Activity,
    /// How far the indexer has come.
    pub indexed: watch::Receiver<Position>,
    /// What the web serves images from.
    pub viewing: Viewing,
    /// Whether packs can be written.
    pub store: watch::Receiver<StoreHealth>,
    rooms: Rooms,
}

struct Rooms {
    indexer: Indexer,
    completeness: Completeness,
    sealer: Sealer,
    eraser: Eraser,
    budget: Budget,
    transcoder: Transcoder,
    transcoders: usize,
}

impl Ingest {
    /// Opens spool and archive; reads the spool through.
    pub async fn open(config: &Config, db: &Db) -> Result<Self, OpenError> {
        let node = node_name(&config.data).map_err(OpenError::Node)?;
        let archive = Archive::open(&config.store_url())?;
        let directory = config.spool_dir();
        let opened = tokio::task::spawn_blocking(move || Spool::open(&directory, SpoolOptions::default())).await;
        let spool = opened.map_err(|_| SpoolError::Closed)??;
        let zone = config.zone()?.to_offset(jiff::Timestamp::now());
        let options = IndexerOptions { node: node.clone(), zone_minutes: zone.seconds() / 60 };
        let indexer = Indexer::new(db.clone(), spool.clone(), options);
        let indexed = indexer.indexed();
        let activity = Activity::default();
        let bytes = InstanceBytes::new(db.clone(), Some(spool.clone()), archive.clone(), &node);
        let program = std::env::current_exe().map_err(OpenError::Node)?;
        let decoder = Decoder::new(program.clone(), config.ingest.transcoders);
        let transcoder = Transcoder::new(db.clone(), bytes.clone(), archive.clone(), decoder, activity.clone());
        let completeness = Completeness {
            db: db.clone(),
            spool: spool.clone(),
            indexed: indexed.clone(),
            activity: activity.clone(),
            quiet: QuietTimes::of_config(&config.ingest),
            targets: Targets::default(),
        };
        let quiet = std::time::Duration::from_secs_f64(config.ingest.seal_after_seconds.clamp(0.0, 1e6));
        let options = SealerOptions { quiet, ..SealerOptions::new(&node) };
        let sealer = Sealer::new(db.clone(), spool.clone(), archive.clone(), indexed.clone(), options);
        let eraser = Eraser { db: db.clone(), archive: archive.clone(), retention: config.retention.clone() };
        let budget = Budget { db: db.clone(), archive: archive.clone(), bytes: config.delivery.budget() };
        let waiting = Decoder::new(program, WAITING_DECODERS);
        let requests = transcoder.requests();
        let viewing = Viewing { db: db.clone(), archive, bytes, requests, decoder: waiting };
        let transcoders = config.ingest.transcoders.max(1);
        let store = sealer.health();
        let rooms = Rooms { indexer, completeness, sealer, eraser, budget, transcoder, transcoders };
        Ok(Self { spool, activity, indexed, viewing, store, rooms })
    }

    /// The work of every room, under its name; it ends with `stop`. What the listener and the web use stays with the caller.
    pub fn rooms(self, stop: &CancellationToken) -> Vec<(&'static str, BoxFuture<'static, ()>)> {
        let Rooms { indexer, completeness, sealer, eraser, budget, transcoder, transcoders } = self.rooms;
        let mut rooms = vec![
            ("waker of transcoders", transcoder.clone().follow(indexer.indexed(), stop.clone()).boxed()),
            ("indexer", indexer.run(stop.clone()).boxed()),
            ("room that completes studies", completeness.run(stop.clone()).boxed()),
            ("sealer", sealer.run(stop.clone()).boxed()),
            ("eraser", eraser.run(stop.clone()).boxed()),
            ("keeper of the delivery budget", budget.run(stop.clone()).boxed()),
        ];
        rooms.extend((0..transcoders).map(|_| ("transcoder", transcoder.clone().run(stop.clone()).boxed())));
        rooms
    }
}

/// The name under which this node's spool stands in the index: made once, kept in the data directory.
pub fn node_name(data: &Path) -> std::io::Result<String> {
    if let Some(name) = known_node_name(data)? {
        return Ok(name);
    }
    let name = format!("node-{:08x}", rand::random::<u32>());
    let fresh = data.join("node.new");
    std::fs::write(&fresh, &name)?;
    std::fs::File::open(&fresh)?.sync_all()?;
    std::fs::rename(&fresh, data.join(NODE_FILE))?;
    std::fs::File::open(data)?.sync_all()?;
    Ok(name)
}

const NODE_FILE: &str = "node";

/// The name of this node if it has one.
pub fn known_node_name(data: &Path) -> std::io::Result<Option<String>> {
    match std::fs::read_to_string(data.join(NODE_FILE)) {
        Ok(name) => Ok(Some(name.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
