//! The messages of one open association (PS3.7 on the P-DATA of PS3.8): which request they are, and to whom it goes.
//!
//! Nothing a peer sends ends anything but its own association, and nothing is allocated by a length it claims. Objects
//! go to the spool as they come; the data sets of other requests are gathered, all together at most [`MAX_DATA_SET`].

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::MAX_DATA_SET;
use super::command::{C_CANCEL_RQ, C_ECHO_RQ, C_STORE_RQ, Command, RESPONSE, Response, Status};
use super::invoker::Invoker;
use super::listener::Server;
use super::memory::{Share, USED_UP};
use super::negotiation::{Agreement, Context, Handler};
use super::operations::{Link, Operations, failure};
use super::pdu::{self, AbortReason, Rejection};
use super::pdv::{PDV_HEADER, PdvHeader, command_pdus};
use super::services::{Peer, Service, echo, store};
use super::tls::TlsFault;
use super::transport::{Inbound, Outbound};
use crate::clock;
use crate::ingest::spool::RecordMeta;

/// A command set is a few hundred bytes.
const MAX_COMMAND: usize = 64 * 1024;
/// Messages begun on different contexts and not ended.
const MAX_OPEN_MESSAGES: usize = 8;
/// Bytes hashed between two chances for other tasks to run.
const READ_AT_ONCE: usize = 128 * 1024;

/// Why an association ended other than by its release.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("connection: {0}")]
    Io(io::Error),
    #[error("{0}")]
    Tls(TlsFault),
    #[error("{1}")]
    Protocol(AbortReason, &'static str),
    #[error("rejected: {0:?}")]
    Rejected(Rejection),
    /// It calls itself by a device's title and is not that device.
    #[error("rejected: {0}")]
    Impostor(String),
    #[error("the peer aborted")]
    PeerAborted,
    #[error("the peer closed without a release")]
    PeerClosed,
    #[error("idle for too long")]
    Idle,
    #[error("shutting down")]
    Shutdown,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        TlsFault::of(&error).map_or(Self::Io(error), Self::Tls)
    }
}

/// A message some of whose fragments are still to come.
enum Message {
    Command(Vec<u8>, Share),
    Object(Box<store::Incoming>, OwnedSemaphorePermit),
    Request {
        service: Arc<dyn Service>,
        command: Box<Command>,
        data_set: Vec<u8>,
        held: Share,
    },
    /// A data set nobody wants; at its end its request is answered, unless it belongs to a response.
    Unwanted(Option<Vec<u8>>),
}

pub(super) struct Association<'a> {
    inbound: &'a mut Inbound,
    outbound: &'a Outbound,
    server: Arc<Server>,
    peer: Arc<Peer>,
    contexts: HashMap<u8, Arc<Context>>,
    peer_max: u32,
    open: HashMap<u8, Message>,
    /// Bytes of data sets gathered in `open`.
    gathered: usize,
    /// One permit for each C-STORE a peer may have outstanding.
    window: Arc<Semaphore>,
    window_size: u32,
    operations: Operations,
    invoker: Invoker,
    /// An answer could not be sent.
    broken: CancellationToken,
}

impl<'a> Association<'a> {
    pub fn new(
        inbound: &'a mut Inbound,
        outbound: &'a Outbound,
        peer: Peer,
        peer_max: u32,
        agreement: &Agreement,
        server: Arc<Server>,
    ) -> Self {
        let (peer, broken) = (Arc::new(peer), CancellationToken::new());
        let (invoked, performed) = agreement.answer.user.async_window.unwrap_or((1, 1));
        let contexts = agreement.contexts.clone();
        let patience = server.config.patience;
        let invoker = Invoker::new(outbound.clone(), peer_max, contexts, performed, patience, broken.clone());
        let link = Link {
            outbound: outbound.clone(),
            peer_max,
            peer: peer.clone(),
            invoker: invoker.clone(),
            closing: server.shutdown.clone(),
            broken: broken.clone(),
        };
        Self {
            inbound,
            outbound,
            server,
            peer,
            contexts: agreement.contexts.iter().map(|context| (context.id, context.clone())).collect(),
            peer_max,
            open: HashMap::new(),
            gathered: 0,
            window: Arc::new(Semaphore::new(usize::from(invoked))),
            window_size: u32::from(invoked),
            operations: Operations::new(link, usize::from(invoked)),
            invoker,
            broken,
        }
    }

    /// Messages until the peer releases (`Ok`) or something else ends it.
    pub async fn exchange(&mut self) -> Result<(), Fault> {
        loop {
            let leaving = self.server.shutdown.is_cancelled();
            if leaving && self.open.is_empty() {
                return Err(Fault::Shutdown);
            }
            let header = tokio::select! {
                biased;
                header = self.inbound.header() => header?,
                () = self.server.shutdown.cancelled(), if !leaving => continue,
                () = self.broken.cancelled() => return Err(Fault::PeerClosed),
                () = self.operations.quiet_for(self.server.config.idle) => return Err(Fault::Idle),
            };
            let Some(header) = header else { return Err(Fault::PeerClosed) };
            match header.kind {
                pdu::P_DATA_TF if header.length <= self.server.config.max_pdu => {
                    self.p_data(header.length as usize).await?;
                }
                pdu::P_DATA_TF => return Err(Fault::Protocol(AbortReason::InvalidParameter, "PDU longer than agreed")),
                pdu::RELEASE_RQ if header.length <= 1024 => {
                    return Ok(self.inbound.skip(header.length as usize).await?);
                }
                pdu::RELEASE_RQ => {
                    return Err(Fault::Protocol(AbortReason::InvalidParameter, "release request too long"));
                }
                pdu::ABORT => return Err(Fault::PeerAborted),
                pdu::ASSOCIATE_RQ..=pdu::RELEASE_RP => {
                    return Err(Fault::Protocol(AbortReason::UnexpectedPdu, "PDU not expected in an association"));
                }
                _ => return Err(Fault::Protocol(AbortReason::UnrecognizedPdu, "unknown PDU type")),
            }
        }
    }

    /// Waits for everything handed to the spool and for the operations whose answers somebody may still hear; a
    /// release's answer must follow theirs.
    pub async fn settle(&mut self, ended: &Result<(), Fault>) {
        self.open.clear();
        // Nobody reads any more, so nobody hears the answers to what we asked.
        self.invoker.close();
        match ended {
            Ok(()) | Err(Fault::Shutdown) => self.operations.settle(self.server.config.patience).await,
            Err(_) => self.operations.abandon().await,
        }
        drop(self.window.acquire_many(self.window_size).await);
    }

    /// One P-DATA-TF body: any number of fragments of any messages.
    async fn p_data(&mut self, mut remaining: usize) -> Result<(), Fault> {
        const MALFORMED: Fault = Fault::Protocol(AbortReason::InvalidParameter, "fragment does not fit its PDU");
        while remaining > 0 {
            if remaining < PDV_HEADER {
                return Err(MALFORMED);
            }
            let bytes = self.inbound.take::<PDV_HEADER>().await?;
            let Some(fragment) = PdvHeader::decode(bytes, remaining) else { return Err(MALFORMED) };
            remaining -= PDV_HEADER + fragment.length;
            let Some(context) = self.contexts.get(&fragment.context).cloned() else {
                return Err(Fault::Protocol(AbortReason::UnexpectedParameter, "presentation context not accepted"));
            };
            if fragment.command {
                self.command_fragment(&context, fragment).await?;
            } else {
                self.data_fragment(&context, fragment).await?;
            }
        }
        Ok(())
    }

    async fn command_fragment(&mut self, context: &Arc<Context>, fragment: PdvHeader) -> Result<(), Fault> {
        if !self.open.contains_key(&fragment.context) && self.open.len() >= MAX_OPEN_MESSAGES {
            return Err(Fault::Protocol(AbortReason::UnexpectedParameter, "too many messages at once"));
        }
        let message = self
            .open
            .entry(fragment.context)
            .or_insert_with(|| Message::Command(Vec::new(), self.server.memory.share()));
        let Message::Command(bytes, held) = message else {
            return Err(Fault::Protocol(AbortReason::UnexpectedParameter, "command inside a data set"));
        };
        if bytes.len() + fragment.length > MAX_COMMAND {
            return Err(Fault::Protocol(AbortReason::InvalidParameter, "command set too long"));
        }
        if !held.grow(fragment.length) {
            return Err(Fault::Protocol(AbortReason::NotSpecified, USED_UP));
        }
        self.inbound.read_into(bytes, fragment.length).await?;
        if !fragment.last {
            return Ok(());
        }
        let command = Command::decode(bytes);
        self.open.remove(&fragment.context);
        match command {
            Ok(command) => self.begin(context, command).await,
            Err(error) => {
                tracing::info!(%error, "command set refused");
                Err(Fault::Protocol(AbortReason::InvalidParameter, "malformed command set"))
            }
        }
    }

    /// A command set is complete: answers it, or gets ready for its data set.
    async fn begin(&mut self, context: &Arc<Context>, command: Command) -> Result<(), Fault> {
        if command.field & RESPONSE != 0 {
            return self.response(context, command);
        }
        if command.field == C_CANCEL_RQ {
            self.operations.cancel(command.message_id);
            return Ok(());
        }
        let answer = match (&context.handler, command.field) {
            (Handler::Storage, C_STORE_RQ) if command.has_data_set => return self.receive(context, command).await,
            (Handler::Storage, C_STORE_RQ) => store::nothing_to_store(&command),
            (_, C_ECHO_RQ) => echo::answer(&command),
            (Handler::Service(service), field) if service.commands().contains(&field) => {
                let service = service.clone();
                if command.has_data_set {
                    let held = self.server.memory.share();
                    let request = Message::Request { service, command: Box::new(command), data_set: Vec::new(), held };
                    self.open.insert(context.id, request);
                    return Ok(());
                }
                return self.perform(&service, context, command, Vec::new(), None).await;
            }
            _ => command.response(&Response::of(Status::UNRECOGNIZED_OPERATION)),
        };
        if command.has_data_set {
            self.open.insert(context.id, Message::Unwanted(Some(answer)));
            return Ok(());
        }
        self.answer(context.id, &answer).await
    }

    /// An answer to a request of ours.
    fn response(&mut self, context: &Context, command: Command) -> Result<(), Fault> {
        let (has_data_set, id) = (command.has_data_set, command.message_id);
        if !self.invoker.answered(command) {
            tracing::info!(id, "response to nothing");
            return Err(Fault::Protocol(AbortReason::UnexpectedParameter, "response to nothing"));
        }
        if has_data_set {
            self.open.insert(context.id, Message::Unwanted(None));
        }
        Ok(())
    }

    /// Gets ready for an object.
    async fn receive(&mut self, context: &Context, command: Command) -> Result<(), Fault> {
        let under_way = self.open.values().filter(|message| matches!(message, Message::Object(..))).count();
        // Their permits come back only with bytes that are behind this request: waiting would be for ever.
        if under_way >= self.window_size as usize {
            return Err(Fault::Protocol(AbortReason::UnexpectedParameter, "more objects at once than agreed"));
        }
        let Ok(permit) = self.window.clone().acquire_owned().await else { return Err(Fault::PeerClosed) };
        let meta = self.meta(context, &command);
        let incoming = store::Incoming::begin(&self.server.spool, &self.server.activity, command, meta);
        self.open.insert(context.id, Message::Object(Box::new(incoming), permit));
        Ok(())
    }

    fn meta(&self, context: &Context, command: &Command) -> RecordMeta {
        let said = |uid: &str| uid.chars().take(64).collect::<String>();
        let sop_class = if command.sop_class.is_empty() { &context.abstract_syntax } else { &command.sop_class };
        RecordMeta {
            received: clock::now(),
            calling_ae: self.peer.calling.clone(),
            called_ae: self.peer.called.clone(),
            peer: self.peer.address.to_string(),
            device: self.peer.device,
            sop_class: said(sop_class),
            sop_instance: said(&command.sop_instance),
            transfer_syntax: context.transfer_syntax.clone(),
        }
    }

    async fn data_fragment(&mut self, context: &Arc<Context>, fragment: PdvHeader) -> Result<(), Fault> {
        match self.open.get_mut(&fragment.context) {
            Some(Message::Object(incoming, _)) => {
                let writer = incoming.writer();
                let mut remaining = fragment.length;
                while remaining > 0 {
                    let space = writer.space().await;
                    let wanted = remaining.min(space.len()).min(READ_AT_ONCE);
                    let read = self.inbound.read_some(&mut space[..wanted]).await?;
                    writer.advance(read);
                    remaining -= read;
                }
            }
            Some(Message::Request { data_set, held, .. })
                if self.gathered + fragment.length <= MAX_DATA_SET && held.grow(fragment.length) =>
            {
                self.inbound.read_into(data_set, fragment.length).await?;
                self.gathered += fragment.length;
            }
            Some(message @ Message::Request { .. }) => {
                if let Message::Request { command, data_set, .. } = message {
                    let (composite, why) = match self.gathered + fragment.length > MAX_DATA_SET {
                        true => (Status::CANNOT_UNDERSTAND, "data set too long"),
                        false => (Status::OUT_OF_RESOURCES, USED_UP),
                    };
                    self.gathered -= data_set.len();
                    let status = failure(command, composite, Status::RESOURCE_LIMITATION);
                    let answer = command.response(&Response::failed(status, why));
                    *message = Message::Unwanted(Some(answer));
                }
                self.inbound.skip(fragment.length).await?;
            }
            Some(Message::Unwanted(_)) => self.inbound.skip(fragment.length).await?,
            Some(Message::Command(..)) | None => {
                return Err(Fault::Protocol(AbortReason::UnexpectedParameter, "data set before its command"));
            }
        }
        if fragment.last { self.data_set_complete(context).await } else { Ok(()) }
    }

    async fn data_set_complete(&mut self, context: &Arc<Context>) -> Result<(), Fault> {
        match self.open.remove(&context.id) {
            Some(Message::Object(incoming, permit)) => self.finish_behind(context.id, *incoming, permit),
            Some(Message::Request { service, command, data_set, held }) => {
                self.gathered -= data_set.len();
                self.perform(&service, context, *command, data_set, Some(held)).await?;
            }
            Some(Message::Unwanted(Some(answer))) => self.answer(context.id, &answer).await?,
            Some(Message::Unwanted(None) | Message::Command(..)) | None => {}
        }
        Ok(())
    }

    /// A request is complete: begins its operation, or refuses it.
    async fn perform(
        &mut self,
        service: &Arc<dyn Service>,
        context: &Arc<Context>,
        command: Command,
        data_set: Vec<u8>,
        held: Option<Share>,
    ) -> Result<(), Fault> {
        match self.operations.begin(service, context, &command, data_set, held) {
            Ok(()) => Ok(()),
            Err(refused) => self.answer(context.id, &command.response(&refused)).await,
        }
    }

    async fn answer(&self, context: u8, command: &[u8]) -> Result<(), Fault> {
        Ok(self.outbound.send(&command_pdus(context, command, self.peer_max)).await?)
    }

    /// Waits for the object's sync and answers, while the next message may already arrive.
    fn finish_behind(&self, context: u8, incoming: store::Incoming, permit: OwnedSemaphorePermit) {
        let (outbound, broken, peer_max) = (self.outbound.clone(), self.broken.clone(), self.peer_max);
        tokio::spawn(async move {
            let answer = incoming.finish().await;
            if outbound.send(&command_pdus(context, &answer, peer_max)).await.is_err() {
                broken.cancel();
            }
            drop(permit);
        });
    }
}
