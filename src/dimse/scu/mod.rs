//! The sending side: opens associations, pushes objects by C-STORE, and says what became of each.
//!
//! A thread reads each association's objects and cuts them into PDUs ahead of the socket, so that neither waits for the
//! other and no object is held whole. Where the receiver grants an asynchronous operations window, several objects are
//! under way at a time. An object goes out in the transfer syntax it is in where the receiver takes that, else anew without
//! compression if its source can do so. An association that breaks is opened again as long as objects get through.

mod client;
mod feed;
mod file;
mod session;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use client::{Client, ScuError};
pub use file::{FileError, read_meta};
pub use session::Session;

use super::Address;
use super::command::{Originator, Status};
pub use super::object::{Body, DataSet, Kind, Outgoing, Source, SourceError};
use super::pdu::MAX_CONTEXTS;
use super::tls::{Connector, Secured};
use crate::domain::Fingerprint;

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
    /// On whose behalf, where the objects go out for a C-MOVE.
    pub originator: Option<Originator>,
    /// Over TLS, if at all.
    pub tls: Option<Secured>,
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
            originator: None,
            tls: None,
        }
    }

    /// Looks up where a peer listens, and over TLS what its certificate must be.
    pub async fn to(peer: &Called<'_>, called: &str, calling: &str) -> Result<Self, ScuError> {
        let tls = match (peer.address.tls, peer.connector) {
            (false, _) => None,
            (true, Some(connector)) => Some(connector.to(peer.address, peer.certificate)?),
            (true, None) => return Err(ScuError::NoAuthority),
        };
        Ok(Self { tls, ..Self::new(peer.address.look_up().await?, called, calling) })
    }
}

/// A peer by where it listens.
#[derive(Clone, Copy)]
pub struct Called<'a> {
    pub address: &'a Address,
    /// How TLS peers are called, if any can be.
    pub connector: Option<&'a Connector>,
    /// Registered for the peer, which may then be called by a host that its certificate does not name.
    pub certificate: Option<Fingerprint>,
}

/// What became of one object.
#[derive(Debug)]
pub struct Outcome {
    pub object: Outgoing,
    /// Bytes of the data set sent.
    pub bytes: u64,
    /// The receiver's status where it took the object: success or a warning.
    pub result: Result<Status, Failure>,
}

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the receiver accepts no such object ({} in {})", .0.sop_class, .0.transfer_syntax)]
    NotAccepted(Kind),
    #[error("refused with status {:04X}", .0.0)]
    Refused(Status),
    #[error("{0}")]
    File(#[from] FileError),
    #[error("{0}")]
    Source(#[from] SourceError),
    #[error("{0}")]
    Association(Arc<ScuError>),
}

/// Objects still to be sent; shared by the associations of one round.
#[derive(Debug, Clone, Default)]
pub struct Queue(Arc<Mutex<VecDeque<Waiting>>>);

/// An object in the queue, and how often it was under way when its association broke.
#[derive(Debug)]
struct Waiting {
    object: Outgoing,
    breaks: u8,
}

impl Queue {
    pub fn new(objects: impl IntoIterator<Item = Outgoing>) -> Self {
        let waiting = objects.into_iter().map(|object| Waiting { object, breaks: 0 });
        Self(Arc::new(Mutex::new(waiting.collect())))
    }

    /// Takes out whatever is still there; what is under way goes on.
    pub fn clear(&self) -> Vec<Outgoing> {
        self.lock().drain(..).map(|waiting| waiting.object).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Sends every object and reports each on `outcomes` as it is decided. Objects of more kinds than an association has
/// contexts go in several rounds.
pub async fn send_all(options: &ScuOptions, objects: Vec<Outgoing>, outcomes: mpsc::Sender<Outcome>) {
    for (forms, objects) in rounds(objects) {
        let associations = options.associations.clamp(1, objects.len().max(1));
        let queue = Queue::new(objects);
        let mut running = JoinSet::new();
        for _ in 0..associations {
            running.spawn(one_association(options.clone(), forms.clone(), queue.clone(), outcomes.clone()));
        }
        let mut last_error = None;
        while let Some(ended) = running.join_next().await {
            if let Ok(Err(error)) = ended {
                last_error = Some(error);
            }
        }
        // What no association was left to take.
        for object in queue.clear() {
            let error = last_error.clone().unwrap_or_else(|| Arc::new(ScuError::Closed));
            let outcome = Outcome { object, bytes: 0, result: Err(Failure::Association(error)) };
            if outcomes.send(outcome).await.is_err() {
                return;
            }
        }
    }
}

async fn one_association(
    options: ScuOptions,
    forms: BTreeSet<Kind>,
    queue: Queue,
    outcomes: mpsc::Sender<Outcome>,
) -> Result<(), Arc<ScuError>> {
    let mut session = Session::open(options, forms).await?;
    session.send(&queue, &outcomes).await?;
    session.close().await
}

/// Groups objects so that each group's forms fit the contexts of one association.
fn rounds(objects: Vec<Outgoing>) -> Vec<(BTreeSet<Kind>, Vec<Outgoing>)> {
    let mut of_kind: HashMap<Kind, usize> = HashMap::new();
    let mut rounds: Vec<(BTreeSet<Kind>, Vec<Outgoing>)> = Vec::new();
    for object in objects {
        let number = *of_kind.entry(object.kind.clone()).or_insert_with(|| {
            let fits = |round: &BTreeSet<Kind>| {
                round.len() + object.forms().filter(|form| !round.contains(form)).count() <= MAX_CONTEXTS
            };
            match rounds.last() {
                Some((forms, _)) if fits(forms) => {}
                _ => rounds.push((BTreeSet::new(), Vec::new())),
            }
            rounds.len() - 1
        });
        let (forms, members) = &mut rounds[number];
        forms.extend(object.forms());
        members.push(object);
    }
    rounds
}
