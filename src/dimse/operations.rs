//! The operations that one association has under way beside its C-STOREs: how many, which may be cancelled, and that
//! each ends with exactly one final response.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::command::{Command, RESPONSE, Response, Status};
use super::invoker::Invoker;
use super::memory::Share;
use super::negotiation::Context;
use super::pdv::message_pdus;
use super::services::{Peer, Request, Service};
use super::transport::Outbound;

/// What every operation of an association shares.
#[derive(Clone)]
pub(super) struct Link {
    pub outbound: Outbound,
    pub peer_max: u32,
    pub peer: Arc<Peer>,
    pub invoker: Invoker,
    /// The listener shuts down.
    pub closing: CancellationToken,
    /// An answer could not be sent.
    pub broken: CancellationToken,
}

impl Link {
    async fn send(&self, context: u8, command: &Command, response: &Response) -> Result<(), Gone> {
        let set = command.response(response);
        let pdus = message_pdus(context, &set, response.data_set.as_deref(), self.peer_max);
        self.outbound.send(&pdus).await.map_err(|_| {
            self.broken.cancel();
            Gone
        })
    }
}

/// The peer takes no more responses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the association is gone")]
pub struct Gone;

/// Why an operation should end before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The peer sent a C-CANCEL (PS3.7 9.3.2.3).
    Cancelled,
    /// The listener shuts down.
    Closing,
}

impl Stop {
    /// The final response of an operation that was stopped.
    pub fn response(self) -> Response {
        match self {
            Stop::Cancelled => Response::of(Status::CANCELLED),
            Stop::Closing => Response::failed(Status::OUT_OF_RESOURCES, "shutting down"),
        }
    }
}

/// An operation's line to its peer.
pub struct Exchange {
    link: Link,
    context: u8,
    command: Command,
    cancelled: CancellationToken,
    answered: CancellationToken,
}

impl Exchange {
    /// Sends a response that is not the last.
    pub async fn pending(&self, response: Response) -> Result<(), Gone> {
        self.link.send(self.context, &self.command, &response).await
    }

    pub fn stopped(&self) -> Option<Stop> {
        match (self.cancelled.is_cancelled(), self.link.closing.is_cancelled()) {
            (true, _) => Some(Stop::Cancelled),
            (_, true) => Some(Stop::Closing),
            _ => None,
        }
    }

    /// Waits until the operation should end early.
    pub async fn stop(&self) -> Stop {
        tokio::select! {
            () = self.cancelled.cancelled() => Stop::Cancelled,
            () = self.link.closing.cancelled() => Stop::Closing,
        }
    }

    /// Cancelled once the final response is sent, or will never be: what follows from the operation must not come before.
    pub fn answered(&self) -> CancellationToken {
        self.answered.clone()
    }

    /// For requests of ours to the same peer.
    pub fn invoker(&self) -> &Invoker {
        &self.link.invoker
    }
}

#[derive(Default)]
struct Running {
    cancels: Mutex<HashMap<u16, CancellationToken>>,
    count: watch::Sender<usize>,
}

impl Running {
    fn change(&self, change: impl FnOnce(&mut HashMap<u16, CancellationToken>)) {
        let mut cancels = self.cancels();
        change(&mut cancels);
        self.count.send_replace(cancels.len());
    }

    fn cancels(&self) -> MutexGuard<'_, HashMap<u16, CancellationToken>> {
        self.cancels.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The operations of one association; what still runs when it is dropped ends with it.
pub(super) struct Operations {
    link: Link,
    /// Operations a peer may have outstanding.
    limit: usize,
    running: Arc<Running>,
    tracker: TaskTracker,
    over: CancellationToken,
    _ends_with_it: DropGuard,
}

impl Operations {
    pub fn new(link: Link, limit: usize) -> Self {
        let over = CancellationToken::new();
        let guard = over.clone().drop_guard();
        Self { link, limit, running: Arc::default(), tracker: TaskTracker::new(), over, _ends_with_it: guard }
    }

    /// Begins an operation, or says with what status it is refused.
    pub fn begin(
        &self,
        service: &Arc<dyn Service>,
        context: &Context,
        command: &Command,
        data_set: Vec<u8>,
        held: Option<Share>,
    ) -> Result<(), Response> {
        let cancelled = CancellationToken::new();
        self.admit(command, cancelled.clone())?;
        let request = Request {
            peer: self.link.peer.clone(),
            abstract_syntax: context.abstract_syntax.clone(),
            transfer_syntax: context.transfer_syntax.clone(),
            agreed: context.agreed.clone(),
            command: command.clone(),
            data_set,
        };
        let answered = CancellationToken::new();
        let exchange = Exchange {
            link: self.link.clone(),
            context: context.id,
            command: command.clone(),
            cancelled,
            answered: answered.clone(),
        };
        let (service, link, running) = (service.clone(), self.link.clone(), self.running.clone());
        let (context, command, over) = (context.id, command.clone(), self.over.clone());
        self.tracker.spawn(async move {
            let _answered = answered.drop_guard();
            let _held = held;
            let message_id = command.message_id;
            let ends = Ends { running, message_id };
            let perform = AssertUnwindSafe(async move { service.perform(request, exchange).await }).catch_unwind();
            let Some(performed) = over.run_until_cancelled(perform).await else { return };
            let last = performed.unwrap_or_else(|_panic| {
                tracing::error!(field = command.field, "a service panicked");
                Response::of(failure(&command, Status::CANNOT_UNDERSTAND, Status::PROCESSING_FAILURE))
            });
            // The peer may use the message id anew as soon as it has the answer.
            drop(ends);
            // A peer that is gone wants no answer; the association notices by itself.
            drop(link.send(context, &command, &last).await);
        });
        Ok(())
    }

    fn admit(&self, command: &Command, cancelled: CancellationToken) -> Result<(), Response> {
        let mut refused = None;
        self.running.change(|running| {
            if running.contains_key(&command.message_id) {
                refused = Some(Response::of(Status::DUPLICATE_INVOCATION));
            } else if running.len() >= self.limit {
                let status = failure(command, Status::OUT_OF_RESOURCES, Status::RESOURCE_LIMITATION);
                refused = Some(Response::failed(status, "more operations at once than agreed"));
            } else {
                running.insert(command.message_id, cancelled);
            }
        });
        refused.map_or(Ok(()), Err)
    }

    /// The peer wants no more of this operation; one that is over is none.
    pub fn cancel(&self, message_id: u16) {
        if let Some(cancelled) = self.running.cancels().get(&message_id) {
            cancelled.cancel();
        }
    }

    /// Waits until nothing was under way for as long as `idle`.
    pub async fn quiet_for(&self, idle: Duration) {
        let mut count = self.running.count.subscribe();
        loop {
            // The sender lives as long as `self`.
            if count.wait_for(|count| *count == 0).await.is_err() {
                return;
            }
            if timeout(idle, count.changed()).await.is_err() {
                return;
            }
        }
    }

    /// Waits until everything is answered, at most for `patience`; what still runs then ends without an answer.
    pub async fn settle(&self, patience: Duration) {
        self.tracker.close();
        if timeout(patience, self.tracker.wait()).await.is_err() {
            self.abandon().await;
        }
    }

    /// Ends everything: nobody is there to be answered.
    pub async fn abandon(&self) {
        self.tracker.close();
        self.over.cancel();
        self.tracker.wait().await;
    }
}

/// Takes an operation off the list of those that run, however it ended.
struct Ends {
    running: Arc<Running>,
    message_id: u16,
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.running.change(|running| drop(running.remove(&self.message_id)));
    }
}

/// The composite services' word for it, or that of the normalized ones (PS3.7 annex C).
pub(super) fn failure(command: &Command, composite: Status, normalized: Status) -> Status {
    let is_composite = command.field & !RESPONSE < 0x0100;
    if is_composite { composite } else { normalized }
}
