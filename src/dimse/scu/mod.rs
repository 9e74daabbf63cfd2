//! The sending side: opens associations, pushes objects by C-STORE, and says what became of each.
//!
//! A thread reads each association's files and cuts them into PDUs ahead of the socket, so that neither waits for the
//! other and no file is held whole. Where the receiver grants an asynchronous operations window, several objects are under
//! way at a time. It never changes a data set: an object goes out in the transfer syntax it is in, or not at all.

mod client;
mod feed;
mod file;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use client::{Client, ScuError};
pub use file::{FileError, Outgoing, read_meta};

use super::command::Status;
use super::pdu::MAX_CONTEXTS;

/// Whom to call, as whom, and how hard.
#[derive(Debug, Clone)]
pub struct ScuOptions {
    pub address: SocketAddr,
    pub called: String,
    pub calling: String,
    /// Associations at a time.
    pub associations: usize,
    /// Operations outstanding on each, if the receiver grants it.
    pub async_window: u16,
    /// Longest P-DATA-TF body to send, if the receiver takes it.
    pub max_pdu: u32,
    pub connect: Duration,
    /// For each response.
    pub patience: Duration,
}

impl ScuOptions {
    pub fn new(address: SocketAddr, called: &str, calling: &str) -> Self {
        Self {
            address,
            called: called.into(),
            calling: calling.into(),
            associations: 1,
            async_window: 4,
            max_pdu: 256 * 1024,
            connect: Duration::from_secs(15),
            patience: Duration::from_secs(120),
        }
    }
}

/// A SOP class in one transfer syntax: what one presentation context carries.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    pub sop_class: String,
    pub transfer_syntax: String,
}

/// What became of one object.
#[derive(Debug)]
pub struct Outcome {
    pub path: PathBuf,
    /// Bytes of the data set sent.
    pub bytes: u64,
    pub result: Result<(), Failure>,
}

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the receiver accepts no such object ({sop_class} in {transfer_syntax})")]
    NotAccepted { sop_class: String, transfer_syntax: String },
    #[error("refused with status {:04X}", .0.0)]
    Refused(Status),
    #[error("{0}")]
    File(#[from] FileError),
    #[error("{0}")]
    Association(Arc<ScuError>),
}

/// Objects still to be sent, shared by the associations of one round.
pub(super) type Queue = Arc<Mutex<VecDeque<Outgoing>>>;

/// Sends every object and reports each on `outcomes` as it is decided. Objects of more kinds than an association has
/// contexts go in several rounds.
pub async fn send_all(options: &ScuOptions, objects: Vec<Outgoing>, outcomes: mpsc::Sender<Outcome>) {
    for (kinds, objects) in rounds(objects) {
        let associations = options.associations.clamp(1, objects.len().max(1));
        let queue: Queue = Arc::new(Mutex::new(objects.into()));
        let mut running = JoinSet::new();
        for _ in 0..associations {
            running.spawn(one_association(options.clone(), kinds.clone(), queue.clone(), outcomes.clone()));
        }
        let mut last_error = None;
        while let Some(ended) = running.join_next().await {
            if let Ok(Err(error)) = ended {
                last_error = Some(error);
            }
        }
        // What no association was left to take.
        let left = std::mem::take(&mut *queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        for object in left {
            let error = last_error.clone().unwrap_or_else(|| Arc::new(ScuError::Closed));
            let outcome = Outcome { path: object.path, bytes: 0, result: Err(Failure::Association(error)) };
            if outcomes.send(outcome).await.is_err() {
                return;
            }
        }
    }
}

/// Groups objects so that each group's kinds fit the contexts of one association.
fn rounds(objects: Vec<Outgoing>) -> Vec<(Vec<Kind>, Vec<Outgoing>)> {
    let mut of_kind: BTreeMap<Kind, usize> = BTreeMap::new();
    let mut rounds: Vec<(Vec<Kind>, Vec<Outgoing>)> = Vec::new();
    for object in objects {
        let known = of_kind.len();
        let number = *of_kind.entry(object.kind.clone()).or_insert(known);
        let round = number / MAX_CONTEXTS;
        if rounds.len() <= round {
            rounds.push((Vec::new(), Vec::new()));
        }
        let (kinds, members) = &mut rounds[round];
        if number % MAX_CONTEXTS == kinds.len() {
            kinds.push(object.kind.clone());
        }
        members.push(object);
    }
    rounds
}

async fn one_association(
    options: ScuOptions,
    kinds: Vec<Kind>,
    queue: Queue,
    outcomes: mpsc::Sender<Outcome>,
) -> Result<(), Arc<ScuError>> {
    let mut client = Client::connect(&options, &kinds).await.map_err(Arc::new)?;
    client.send_queue(queue, &outcomes).await?;
    client.release().await.map_err(Arc::new)
}
