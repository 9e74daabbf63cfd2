//! Requests of ours on an association that a peer opened: the C-STOREs of a C-GET (PS3.4 C.4.3), event reports.
//!
//! As many are outstanding as the peer agreed to perform at a time (PS3.7 D.3.3.3); answers are matched by message id.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::command::{Command, event_report_request, store_request};
use super::negotiation::Context;
use super::pdu::{AbortReason, encode_abort};
use super::pdv::{DataSetPdus, command_pdus, message_pdus};
use super::transport::Outbound;

/// Longest fragment we send, whatever longer one the peer would take.
const OUR_FRAGMENT: usize = 256 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    #[error("no presentation context was accepted for it")]
    NoContext,
    #[error("the association is gone")]
    Gone,
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// The association is aborted: half a data set was sent.
    #[error("the object could not be read to its end: {0}")]
    Source(#[source] io::Error),
}

/// A context on which the peer takes C-STOREs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreContext {
    pub id: u8,
    pub sop_class: String,
    pub transfer_syntax: String,
}

/// Sends requests on one association. Cheap to clone; of no use once the association is over.
#[derive(Clone)]
pub struct Invoker(Arc<Line>);

struct Line {
    outbound: Outbound,
    peer_max: u32,
    contexts: Vec<Arc<Context>>,
    window: Arc<Semaphore>,
    patience: Duration,
    /// Cancelled where the association cannot go on.
    broken: CancellationToken,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_id: u16,
    waiting: HashMap<u16, oneshot::Sender<Command>>,
    closed: bool,
}

/// A request that was sent and not answered yet.
pub struct Awaited {
    line: Arc<Line>,
    message_id: u16,
    answer: oneshot::Receiver<Command>,
    _permit: OwnedSemaphorePermit,
}

impl Invoker {
    pub(super) fn new(
        outbound: Outbound,
        peer_max: u32,
        contexts: Vec<Arc<Context>>,
        window: u16,
        patience: Duration,
        broken: CancellationToken,
    ) -> Self {
        let window = Arc::new(Semaphore::new(usize::from(window.max(1))));
        let state = Mutex::default();
        Self(Arc::new(Line { outbound, peer_max, contexts, window, patience, broken, state }))
    }

    /// Where the peer takes objects.
    pub fn store_contexts(&self) -> Vec<StoreContext> {
        let storing = self.0.contexts.iter().filter(|context| context.peer_stores);
        storing
            .map(|context| StoreContext {
                id: context.id,
                sop_class: context.abstract_syntax.clone(),
                transfer_syntax: context.transfer_syntax.clone(),
            })
            .collect()
    }

    /// Sends one object; waits first until the peer may be asked for one more operation.
    pub async fn store(
        &self,
        context: &StoreContext,
        sop_instance: &str,
        mut data_set: impl Stream<Item = io::Result<Bytes>> + Unpin,
    ) -> Result<Awaited, InvokeError> {
        let awaited = self.0.clone().expect().await?;
        let command = store_request(awaited.message_id, &context.sop_class, sop_instance, None);
        let mut pdus = command_pdus(context.id, &command, self.0.peer_max);
        let mut cut = DataSetPdus::new(context.id, self.0.peer_max, OUR_FRAGMENT);
        // The first bytes before anything is said: most sources that fail do so at once.
        let mut next = data_set.next().await.transpose().map_err(InvokeError::Source)?;
        let mut sending = self.0.outbound.begin().await;
        while let Some(chunk) = next {
            cut.push(&chunk, &mut pdus);
            self.0.sent(sending.write(&pdus).await)?;
            pdus.clear();
            next = match data_set.next().await.transpose() {
                Ok(next) => next,
                Err(error) => {
                    // Half a data set can't be taken back. The peer may be gone already.
                    drop(sending.write(&encode_abort(AbortReason::NotSpecified)).await);
                    self.0.broken.cancel();
                    return Err(InvokeError::Source(error));
                }
            };
        }
        cut.finish(&mut pdus);
        self.0.sent(sending.write(&pdus).await)?;
        Ok(awaited)
    }

    /// Reports an event (PS3.7 10.1.1) on the context of `abstract_syntax`; `information` is encoded as that context has it.
    pub async fn report(
        &self,
        abstract_syntax: &str,
        sop_instance: &str,
        event_type: u16,
        information: &[u8],
    ) -> Result<Command, InvokeError> {
        let context = self.0.contexts.iter().find(|context| context.abstract_syntax == abstract_syntax);
        let context = context.ok_or(InvokeError::NoContext)?;
        let awaited = self.0.clone().expect().await?;
        let command = event_report_request(awaited.message_id, abstract_syntax, sop_instance, event_type);
        let pdus = message_pdus(context.id, &command, Some(information), self.0.peer_max);
        self.0.sent(self.0.outbound.send(&pdus).await)?;
        awaited.answer().await
    }

    /// Hands a response to whoever waits for it; false: nobody does.
    pub(super) fn answered(&self, response: Command) -> bool {
        let waiting = self.0.state().waiting.remove(&response.message_id);
        // Whoever waited may have lost its patience meanwhile.
        waiting.is_some_and(|waiting| waiting.send(response).is_ok())
    }

    /// The association is over: nobody is answered any more.
    pub(super) fn close(&self) {
        let mut state = self.0.state();
        state.closed = true;
        state.waiting.clear();
    }
}

impl Line {
    /// A turn within the window, and a message id under which the answer will be heard.
    async fn expect(self: Arc<Self>) -> Result<Awaited, InvokeError> {
        let permit = self.window.clone().acquire_owned().await.map_err(|_| InvokeError::Gone)?;
        let (hear, answer) = oneshot::channel();
        let mut state = self.state();
        if state.closed {
            return Err(InvokeError::Gone);
        }
        let mut message_id = state.last_id.wrapping_add(1);
        while state.waiting.contains_key(&message_id) {
            message_id = message_id.wrapping_add(1);
        }
        state.last_id = message_id;
        state.waiting.insert(message_id, hear);
        drop(state);
        Ok(Awaited { line: self, message_id, answer, _permit: permit })
    }

    fn sent(&self, sent: io::Result<()>) -> Result<(), InvokeError> {
        sent.map_err(|_| {
            self.broken.cancel();
            InvokeError::Gone
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Awaited {
    /// The peer's response.
    pub async fn answer(mut self) -> Result<Command, InvokeError> {
        match timeout(self.line.patience, &mut self.answer).await {
            Ok(answer) => answer.map_err(|_| InvokeError::Gone),
            Err(_) => Err(InvokeError::Silent(self.line.patience)),
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        // Answered, or not waited for any longer.
        self.line.state().waiting.remove(&self.message_id);
    }
}
