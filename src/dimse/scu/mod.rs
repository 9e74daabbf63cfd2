//! The sending side: opens associations, pushes objects by C-STORE, and says what became of each.
//!
//! A thread reads each association's objects and cuts them into PDUs ahead of the socket, so that neither waits for the
//! other and no object is held whole. Where the receiver grants an asynchronous operations window, several objects are
//! under way at a time. An object goes out in the transfer syntax it is in where the receiver takes that, else anew without
//! compression if its source can do so. An association that breaks is opened again as long as objects get through; where
//! that is wanted, a receiver out of reach or out of resources is tried again after growing pauses.

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

/// The pause before the first of several attempts; it doubles up to about a minute.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

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
    /// How often in a row to try again, with growing pauses, while the receiver is out of reach or out of resources.
    pub retries: u8,
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
            retries: 0,
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
pub struct Queue {
    next: Arc<Mutex<VecDeque<Waiting>>>,
    /// Refused for now; they go out again after a pause.
    put_off: Arc<Mutex<Vec<Waiting>>>,
}

/// An object in the queue, how often it was under way when its association broke, and by what it was refused for now.
#[derive(Debug)]
struct Waiting {
    object: Outgoing,
    breaks: u8,
    refused: Option<Status>,
}

impl Queue {
    pub fn new(objects: impl IntoIterator<Item = Outgoing>) -> Self {
        let waiting = objects.into_iter().map(|object| Waiting { object, breaks: 0, refused: None });
        Self { next: Arc::new(Mutex::new(waiting.collect())), put_off: Arc::default() }
    }

    /// Takes out whatever is still there; what is under way goes on.
    pub fn clear(&self) -> Vec<Outgoing> {
        self.lock().drain(..).map(|waiting| waiting.object).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.next.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn put_off(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.put_off.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What was put off is next again; how many there are now.
    fn take_up(&self) -> usize {
        let put_off = std::mem::take(&mut *self.put_off());
        let mut next = self.lock();
        next.extend(put_off);
        next.len()
    }
}

/// Sends every object and reports each on `outcomes` as it is decided. Objects of more kinds than an association has
/// contexts go in several rounds.
pub async fn send_all(options: &ScuOptions, objects: Vec<Outgoing>, outcomes: mpsc::Sender<Outcome>) {
    for (forms, objects) in rounds(objects) {
        let queue = Queue::new(objects);
        let last_error = round(options, &forms, &queue, &outcomes).await;
        // What no association was left to take.
        let left: Vec<Waiting> = queue.lock().drain(..).collect();
        for Waiting { object, refused, .. } in left {
            let unsent = || Failure::Association(last_error.clone().unwrap_or_else(|| Arc::new(ScuError::Closed)));
            let outcome = Outcome { object, bytes: 0, result: Err(refused.map_or_else(unsent, Failure::Refused)) };
            if outcomes.send(outcome).await.is_err() {
                return;
            }
        }
    }
}

/// Sends until the queue is empty, or it is of no use to go on: then the queue keeps what is left.
async fn round(
    options: &ScuOptions,
    forms: &BTreeSet<Kind>,
    queue: &Queue,
    outcomes: &mpsc::Sender<Outcome>,
) -> Option<Arc<ScuError>> {
    let mut in_vain = 0;
    loop {
        let before = queue.lock().len();
        let last_error = associations(options, forms, queue, outcomes).await;
        let left = queue.take_up();
        in_vain = if left < before { 0 } else { in_vain + 1 };
        let hopeless = last_error.as_ref().is_some_and(|error| !error.may_pass());
        if left == 0 || hopeless || in_vain > options.retries || options.retries == 0 {
            return last_error;
        }
        let pause = pause(in_vain);
        tracing::info!(receiver = %options.called, left, ?pause, "sending goes on after a pause");
        tokio::time::sleep(pause).await;
    }
}

/// Before the next attempt, after so many in vain.
fn pause(in_vain: u8) -> Duration {
    FIRST_PAUSE * 2_u32.pow(u32::from(in_vain.saturating_sub(1)).min(6))
}

/// Several associations share the queue until it is empty or none is left; the last error of one that ended early.
async fn associations(
    options: &ScuOptions,
    forms: &BTreeSet<Kind>,
    queue: &Queue,
    outcomes: &mpsc::Sender<Outcome>,
) -> Option<Arc<ScuError>> {
    let mut running = JoinSet::new();
    for _ in 0..options.associations.clamp(1, queue.lock().len().max(1)) {
        running.spawn(one_association(options.clone(), forms.clone(), queue.clone(), outcomes.clone()));
    }
    let mut last_error = None;
    while let Some(ended) = running.join_next().await {
        if let Ok(Err(error)) = ended {
            last_error = Some(error);
        }
    }
    last_error
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_about_a_minute() {
        let pauses: Vec<u64> = [0, 1, 2, 3, 7, 8, u8::MAX].map(|in_vain| pause(in_vain).as_secs()).into();
        assert_eq!(pauses, [1, 1, 2, 4, 64, 64, 64]);
    }
}
