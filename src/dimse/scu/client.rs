//! The requestor's side of one association (PS3.8 section 9.2).

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::feed::{Feed, Step};
use super::{Failure, Kind, Outcome, Outgoing, Queue, ScuOptions};
use crate::dimse::command::{C_ECHO_RSP, C_STORE_RSP, Command, Status, echo_request};
use crate::dimse::pdu::{self, AssociateAc, AssociateRq, ContextOutcome, ProposedContext, UserInformation};
use crate::dimse::pdv::{PDV_HEADER, PdvHeader, command_pdus};
use crate::dimse::transport::{Inbound, Outbound, split};
use crate::ingest::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION};

/// Limits on what a receiver may answer.
const MAX_ANSWER: u32 = 512 * 1024;
/// Hand-overs read ahead of the socket.
const AHEAD: usize = 4;

#[derive(Debug, thiserror::Error)]
pub enum ScuError {
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    #[error("no connection within {0:?}")]
    NoConnection(Duration),
    #[error("rejected (result {0}, source {1}, reason {2})")]
    Rejected(u8, u8, u8),
    #[error("the receiver aborted (source {0}, reason {1})")]
    Aborted(u8, u8),
    #[error("the receiver broke the protocol: {0}")]
    Protocol(&'static str),
    #[error("the association is closed")]
    Closed,
    #[error("a file could not be read to its end")]
    File,
}

/// An open association.
pub struct Client {
    inbound: Inbound,
    outbound: Outbound,
    contexts: HashMap<Kind, u8>,
    peer_max: u32,
    window: usize,
    our_max: u32,
}

/// Objects sent and not yet answered, by message id.
type Outstanding = Mutex<HashMap<u16, (Box<Outgoing>, u64)>>;

impl Client {
    /// Connects and negotiates one context for each of `kinds`, at most 128.
    pub async fn connect(options: &ScuOptions, kinds: &[Kind]) -> Result<Self, ScuError> {
        let stream = timeout(options.connect, TcpStream::connect(options.address))
            .await
            .map_err(|_| ScuError::NoConnection(options.connect))??;
        let (mut inbound, outbound) = split(stream, options.patience)?;
        let contexts = kinds.iter().take(pdu::MAX_CONTEXTS).enumerate().map(|(index, kind)| ProposedContext {
            id: (2 * index + 1) as u8,
            abstract_syntax: kind.sop_class.clone(),
            transfer_syntaxes: vec![kind.transfer_syntax.clone()],
        });
        let request = AssociateRq {
            called: options.called.clone(),
            calling: options.calling.clone(),
            application_context: pdu::APPLICATION_CONTEXT.into(),
            contexts: contexts.collect(),
            user: UserInformation {
                max_length: options.max_pdu,
                implementation_class: IMPLEMENTATION_CLASS_UID.into(),
                implementation_version: IMPLEMENTATION_VERSION.into(),
                async_window: (options.async_window > 1).then_some((options.async_window, 1)),
                roles: Vec::new(),
                extended: Vec::new(),
            },
        };
        outbound.send(&request.encode()).await?;
        let accepted = timeout(options.patience, answer(&mut inbound))
            .await
            .map_err(|_| ScuError::NoConnection(options.patience))??;
        let contexts = kinds.iter().zip(&request.contexts).filter(|(_, proposed)| {
            let accepts =
                |result: &pdu::ContextResult| result.id == proposed.id && result.outcome == ContextOutcome::Accepted;
            accepted.contexts.iter().any(accepts)
        });
        let window = match accepted.user.async_window {
            Some((0, _)) => options.async_window,
            Some((granted, _)) => granted.min(options.async_window),
            None => 1,
        };
        Ok(Self {
            inbound,
            outbound,
            contexts: contexts.map(|(kind, proposed)| (kind.clone(), proposed.id)).collect(),
            peer_max: accepted.user.max_length,
            window: usize::from(window.max(1)),
            our_max: options.max_pdu.max(1024),
        })
    }

    /// Sends what is in `queue` until it is empty; each object's fate goes to `outcomes`.
    pub(super) async fn send_queue(
        &mut self,
        queue: Queue,
        outcomes: &mpsc::Sender<Outcome>,
    ) -> Result<(), Arc<ScuError>> {
        let (steps, mut next_steps) = mpsc::channel(AHEAD);
        let (give_back, spent) = std::sync::mpsc::channel();
        let feed = Feed {
            queue,
            contexts: self.contexts.clone(),
            peer_max: self.peer_max,
            our_max: self.our_max,
            steps,
            spent,
        };
        let reading = tokio::task::spawn_blocking(move || feed.run());

        let window = Arc::new(Semaphore::new(self.window));
        let outstanding = Outstanding::default();
        let (outbound, inbound) = (&self.outbound, &mut self.inbound);
        let sending = async {
            while let Some(step) = next_steps.recv().await {
                let pdus = match step {
                    Step::Begin { message_id, object, bytes, pdus } => {
                        let permit = window.acquire().await.map_err(|_| ScuError::Closed)?;
                        permit.forget();
                        lock(&outstanding).insert(message_id, (object, bytes));
                        pdus
                    }
                    Step::More(pdus) => pdus,
                    Step::Unsendable(outcome) => {
                        outcomes.send(*outcome).await.map_err(|_| ScuError::Closed)?;
                        continue;
                    }
                    Step::Broken => return Err(ScuError::File),
                };
                outbound.send(&pdus).await?;
                // The reader may be done and gone; then the buffer is, too.
                drop(give_back.send(pdus));
            }
            // All answered once every permit is back.
            drop(window.acquire_many(self.window as u32).await.map_err(|_| ScuError::Closed)?);
            Ok(())
        };
        let receiving = async {
            loop {
                let response = response(inbound).await?;
                let (object, bytes) =
                    lock(&outstanding).remove(&response.message_id).ok_or(ScuError::Protocol("answer to nothing"))?;
                let status = response.status.ok_or(ScuError::Protocol("answer without a status"))?;
                let result = if status.is_stored() { Ok(()) } else { Err(Failure::Refused(status)) };
                let outcome = Outcome { path: object.path, bytes, result };
                outcomes.send(outcome).await.map_err(|_| ScuError::Closed)?;
                window.add_permits(1);
            }
        };
        let ended: Result<(), ScuError> = tokio::select! {
            sent = sending => sent,
            failed = receiving => failed,
        };
        drop(next_steps);
        drop(reading.await);
        let Err(error) = ended else { return Ok(()) };
        self.give_up(error, outstanding, outcomes).await
    }

    /// Aborts, and tells of everything that was never answered.
    async fn give_up(
        &self,
        error: ScuError,
        outstanding: Outstanding,
        outcomes: &mpsc::Sender<Outcome>,
    ) -> Result<(), Arc<ScuError>> {
        // The peer may be gone already.
        drop(self.outbound.send(&pdu::encode_abort(pdu::AbortReason::NotSpecified)).await);
        let error = Arc::new(error);
        let unanswered = outstanding.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        for (object, bytes) in unanswered.into_values() {
            let result = Err(Failure::Association(error.clone()));
            outcomes.send(Outcome { path: object.path, bytes, result }).await.map_err(|_| ScuError::Closed)?;
        }
        Err(error)
    }

    /// C-ECHO (PS3.7 9.1.5) on the first accepted context.
    pub async fn echo(&mut self) -> Result<Status, ScuError> {
        let context = self.contexts.values().copied().next().ok_or(ScuError::Protocol("no context accepted"))?;
        self.outbound.send(&command_pdus(context, &echo_request(1), self.peer_max)).await?;
        let answer = response(&mut self.inbound).await?;
        if answer.field != C_ECHO_RSP {
            return Err(ScuError::Protocol("not the answer to an echo"));
        }
        answer.status.ok_or(ScuError::Protocol("answer without a status"))
    }

    /// Ends the association in order.
    pub async fn release(mut self) -> Result<(), ScuError> {
        self.outbound.send(&pdu::encode_release_rq()).await?;
        let Some(header) = self.inbound.header().await? else { return Err(ScuError::Closed) };
        match header.kind {
            pdu::RELEASE_RP => Ok(()),
            _ => Err(ScuError::Protocol("no answer to the release")),
        }
    }
}

fn lock(outstanding: &Outstanding) -> std::sync::MutexGuard<'_, HashMap<u16, (Box<Outgoing>, u64)>> {
    outstanding.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The answer to the association request.
async fn answer(inbound: &mut Inbound) -> Result<AssociateAc, ScuError> {
    let Some(header) = inbound.header().await? else { return Err(ScuError::Closed) };
    match header.kind {
        pdu::ASSOCIATE_AC if header.length <= MAX_ANSWER => {
            let mut body = Vec::new();
            inbound.read_into(&mut body, header.length as usize).await?;
            AssociateAc::decode(&body).map_err(|_| ScuError::Protocol("malformed association answer"))
        }
        pdu::ASSOCIATE_RJ => {
            let [_, result, source, reason] = inbound.take::<4>().await?;
            Err(ScuError::Rejected(result, source, reason))
        }
        pdu::ABORT => Err(aborted(inbound).await),
        _ => Err(ScuError::Protocol("no answer to the association request")),
    }
}

async fn aborted(inbound: &mut Inbound) -> ScuError {
    match inbound.take::<4>().await {
        Ok([_, _, source, reason]) => ScuError::Aborted(source, reason),
        Err(error) => error.into(),
    }
}

/// The next response. Data sets are none of ours: neither C-ECHO nor C-STORE has one in its answer.
async fn response(inbound: &mut Inbound) -> Result<Command, ScuError> {
    let mut command = Vec::new();
    loop {
        let Some(header) = inbound.header().await? else { return Err(ScuError::Closed) };
        match header.kind {
            pdu::P_DATA_TF if header.length <= MAX_ANSWER => {}
            pdu::ABORT => return Err(aborted(inbound).await),
            _ => return Err(ScuError::Protocol("unexpected PDU")),
        }
        let mut remaining = header.length as usize;
        let mut complete = false;
        while remaining >= PDV_HEADER {
            let bytes = inbound.take::<PDV_HEADER>().await?;
            let fragment = PdvHeader::decode(bytes, remaining).ok_or(ScuError::Protocol("malformed fragment"))?;
            if !fragment.command || complete || command.len() + fragment.length > MAX_ANSWER as usize {
                return Err(ScuError::Protocol("more than one command set"));
            }
            inbound.read_into(&mut command, fragment.length).await?;
            remaining -= PDV_HEADER + fragment.length;
            complete = fragment.last;
        }
        if remaining > 0 {
            return Err(ScuError::Protocol("malformed PDU"));
        }
        if complete {
            let command = Command::decode(&command).map_err(|_| ScuError::Protocol("malformed response"))?;
            return match command.field {
                C_STORE_RSP | C_ECHO_RSP => Ok(command),
                _ => Err(ScuError::Protocol("not a response")),
            };
        }
    }
}
