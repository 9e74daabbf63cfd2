//! One association from connection to close: the acceptor's side of PS3.8 section 9.2, and the message exchange of
//! PS3.7 on it.
//!
//! Nothing a peer sends ends anything but its own association, and nothing is allocated by a length it claims.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::command::{C_CANCEL_RQ, C_ECHO_RQ, C_STORE_RQ, Command, RESPONSE, Status};
use super::listener::{Place, Server};
use super::pdu::{self, AbortReason, AssociateAc, AssociateRq, ContextOutcome, PduError, Rejection, UserInformation};
use super::pdv::{PDV_HEADER, PdvHeader, command_pdus};
use super::services::{echo, store};
use super::transport::{Inbound, Outbound, split};
use super::{Admission, DimseConfig, negotiation};
use crate::clock;
use crate::domain::DeviceId;
use crate::ingest::activity;
use crate::ingest::spool::RecordMeta;
use crate::ingest::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION};

/// 128 contexts with 30 transfer syntaxes each fit; nobody needs more.
const MAX_REQUEST: u32 = 512 * 1024;
/// A command set is a few hundred bytes.
const MAX_COMMAND: usize = 64 * 1024;
/// Messages begun on different contexts and not ended.
const MAX_OPEN_MESSAGES: usize = 8;
/// Bytes hashed between two chances for other tasks to run.
const READ_AT_ONCE: usize = 128 * 1024;

/// Why an association ended other than by its release.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    #[error("{1}")]
    Protocol(AbortReason, &'static str),
    #[error("rejected: {0:?}")]
    Rejected(Rejection),
    #[error("the peer aborted")]
    PeerAborted,
    #[error("the peer closed without a release")]
    PeerClosed,
    #[error("idle for too long")]
    Idle,
    #[error("shutting down")]
    Shutdown,
}

/// Serves one connection to its end.
pub(super) async fn run(stream: TcpStream, peer: IpAddr, server: Arc<Server>) {
    let (artim, patience) = (server.config.artim, server.config.patience);
    let Ok((mut inbound, outbound)) = split(stream, patience) else { return };
    let ended = match timeout(artim, request(&mut inbound)).await {
        Ok(Ok(request)) => serve(&mut inbound, &outbound, request, peer, server).await,
        Ok(Err(fault)) => Err(fault),
        Err(_) => Err(Fault::Io(io::ErrorKind::TimedOut.into())),
    };
    let last_word = match &ended {
        Ok(()) => Some(pdu::encode_release_rp()),
        Err(Fault::Protocol(reason, _)) => Some(pdu::encode_abort(*reason)),
        Err(Fault::Rejected(rejection)) => Some(pdu::encode_reject(*rejection)),
        Err(Fault::Idle | Fault::Shutdown) => Some(pdu::encode_abort(AbortReason::NotSpecified)),
        Err(Fault::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
            Some(pdu::encode_abort(AbortReason::NotSpecified))
        }
        Err(Fault::Io(_) | Fault::PeerAborted | Fault::PeerClosed) => None,
    };
    match &ended {
        Ok(()) | Err(Fault::Shutdown) => tracing::debug!(%peer, "association ended"),
        Err(fault) => tracing::info!(%peer, %fault, "association ended"),
    }
    if let Some(pdu) = last_word
        && outbound.send(&pdu).await.is_ok()
    {
        inbound.await_close(artim.min(std::time::Duration::from_secs(5))).await;
    }
}

/// Tells a peer that there are too many others just now.
pub(super) async fn refuse_congested(stream: TcpStream, config: &DimseConfig) {
    let wait = config.artim.min(std::time::Duration::from_secs(5));
    let refuse = async {
        let (mut inbound, outbound) = split(stream, wait)?;
        // The answer is due to a request; what it says does not matter.
        let header = inbound.header().await?;
        if let Some(header) = header {
            inbound.skip(header.length.min(MAX_REQUEST) as usize).await?;
            outbound.send(&pdu::encode_reject(Rejection::TemporaryCongestion)).await?;
            inbound.await_close(wait).await;
        }
        io::Result::Ok(())
    };
    drop(timeout(wait, refuse).await);
}

/// Reads the association request.
async fn request(inbound: &mut Inbound) -> Result<AssociateRq, Fault> {
    let Some(header) = inbound.header().await? else { return Err(Fault::PeerClosed) };
    match header.kind {
        pdu::ASSOCIATE_RQ if header.length <= MAX_REQUEST => {}
        pdu::ASSOCIATE_RQ => {
            return Err(Fault::Protocol(AbortReason::InvalidParameter, "association request too long"));
        }
        pdu::ABORT => return Err(Fault::PeerAborted),
        2..=6 => return Err(Fault::Protocol(AbortReason::UnexpectedPdu, "no association yet")),
        _ => return Err(Fault::Protocol(AbortReason::UnrecognizedPdu, "not a DICOM peer")),
    }
    let mut body = Vec::new();
    inbound.read_into(&mut body, header.length as usize).await?;
    AssociateRq::decode(&body).map_err(|error| match error {
        PduError::ProtocolVersion => Fault::Rejected(Rejection::ProtocolVersionNotSupported),
        PduError::Truncated | PduError::Contexts => {
            Fault::Protocol(AbortReason::InvalidParameter, "malformed association request")
        }
    })
}

async fn serve(
    inbound: &mut Inbound,
    outbound: &Outbound,
    request: AssociateRq,
    peer: IpAddr,
    server: Arc<Server>,
) -> Result<(), Fault> {
    if request.application_context != pdu::APPLICATION_CONTEXT {
        return Err(Fault::Rejected(Rejection::ApplicationContextNotSupported));
    }
    let device = match server.devices.admit(&request.calling, &request.called, peer) {
        Admission::Admitted(device) => device,
        Admission::UnknownCalling => return Err(Fault::Rejected(Rejection::CallingAeNotRecognized)),
        Admission::UnknownCalled => return Err(Fault::Rejected(Rejection::CalledAeNotRecognized)),
    };
    let Some(place) = server.enter(&request.calling, peer) else {
        return Err(Fault::Rejected(Rejection::LocalLimitExceeded));
    };
    let accepted = accept(&request, &server.config);
    outbound.send(&accepted.encode()).await?;
    tracing::debug!(calling = %request.calling, %peer, contexts = accepted.contexts.len(), "association accepted");

    let _told_when_it_ends = server.activity.association(activity::Sender::of(device, &request.calling));
    let mut association = Association::new(inbound, outbound, &request, &accepted, server, place);
    association.from = Sender { peer: peer.to_string(), device, ..association.from };
    let ended = association.exchange().await;
    // What the peer sent completely is stored and answered, whatever ended the association.
    association.settle().await;
    ended
}

/// The answer to an admitted request.
fn accept(request: &AssociateRq, config: &DimseConfig) -> AssociateAc {
    let answer = |context| negotiation::answer(context, &config.private_classes);
    let window = request.user.async_window.map(|(invoked, _)| {
        let wanted = if invoked == 0 { config.async_window } else { invoked };
        (wanted.min(config.async_window).max(1), 1)
    });
    // We are the storage SCP and nothing else: a peer that would be one too is told so.
    let roles = request.user.roles.iter().map(|role| pdu::RoleSelection { scp: false, ..role.clone() });
    AssociateAc {
        called: request.called.clone(),
        calling: request.calling.clone(),
        contexts: request.contexts.iter().map(answer).collect(),
        user: UserInformation {
            max_length: config.max_pdu,
            implementation_class: IMPLEMENTATION_CLASS_UID.into(),
            implementation_version: IMPLEMENTATION_VERSION.into(),
            async_window: window,
            roles: roles.collect(),
        },
    }
}

/// What each object's record says of its sender.
struct Sender {
    calling: String,
    called: String,
    peer: String,
    device: Option<DeviceId>,
}

struct NegotiatedContext {
    abstract_syntax: String,
    transfer_syntax: String,
}

/// A message some of whose fragments are still to come.
enum Message {
    Command(Vec<u8>),
    Object(Box<store::Incoming>, tokio::sync::OwnedSemaphorePermit),
    /// A data set nobody wants; its request is answered at its end.
    Unwanted(Vec<u8>),
}

struct Association<'a> {
    inbound: &'a mut Inbound,
    outbound: &'a Outbound,
    server: Arc<Server>,
    from: Sender,
    contexts: HashMap<u8, NegotiatedContext>,
    peer_max_pdu: u32,
    open: HashMap<u8, Message>,
    /// One permit for each operation a peer may have outstanding.
    window: Arc<Semaphore>,
    window_size: u32,
    /// An answer could not be sent.
    broken: CancellationToken,
    _place: Place,
}

impl<'a> Association<'a> {
    fn new(
        inbound: &'a mut Inbound,
        outbound: &'a Outbound,
        request: &AssociateRq,
        accepted: &AssociateAc,
        server: Arc<Server>,
        place: Place,
    ) -> Self {
        let contexts = request.contexts.iter().zip(&accepted.contexts);
        let contexts =
            contexts.filter(|(_, result)| result.outcome == ContextOutcome::Accepted).map(|(asked, result)| {
                let negotiated = NegotiatedContext {
                    abstract_syntax: asked.abstract_syntax.clone(),
                    transfer_syntax: result.transfer_syntax.clone(),
                };
                (asked.id, negotiated)
            });
        let window_size = accepted.user.async_window.map_or(1, |(invoked, _)| u32::from(invoked));
        Self {
            inbound,
            outbound,
            server,
            from: Sender {
                calling: request.calling.clone(),
                called: request.called.clone(),
                peer: String::new(),
                device: None,
            },
            contexts: contexts.collect(),
            peer_max_pdu: request.user.max_length,
            open: HashMap::new(),
            window: Arc::new(Semaphore::new(window_size as usize)),
            window_size,
            broken: CancellationToken::new(),
            _place: place,
        }
    }

    /// Messages until the peer releases (`Ok`) or something else ends it.
    async fn exchange(&mut self) -> Result<(), Fault> {
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
                () = sleep(self.server.config.idle) => return Err(Fault::Idle),
            };
            let Some(header) = header else { return Err(Fault::PeerClosed) };
            match header.kind {
                pdu::P_DATA_TF if header.length <= self.server.config.max_pdu => {
                    self.p_data(header.length as usize).await?;
                }
                pdu::P_DATA_TF => return Err(Fault::Protocol(AbortReason::InvalidParameter, "PDU longer than agreed")),
                pdu::RELEASE_RQ => return self.released(header.length).await,
                pdu::ABORT => return Err(Fault::PeerAborted),
                pdu::ASSOCIATE_RQ..=pdu::RELEASE_RP => {
                    return Err(Fault::Protocol(AbortReason::UnexpectedPdu, "PDU not expected in an association"));
                }
                _ => return Err(Fault::Protocol(AbortReason::UnrecognizedPdu, "unknown PDU type")),
            }
        }
    }

    async fn released(&mut self, length: u32) -> Result<(), Fault> {
        if length > 1024 {
            return Err(Fault::Protocol(AbortReason::InvalidParameter, "release request too long"));
        }
        self.inbound.skip(length as usize).await?;
        // Its answer must follow those to the messages before it.
        self.settle().await;
        Ok(())
    }

    /// Waits for everything handed to the spool, answers included.
    async fn settle(&mut self) {
        self.open.clear();
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
            if !self.contexts.contains_key(&fragment.context) {
                return Err(Fault::Protocol(AbortReason::UnexpectedParameter, "presentation context not accepted"));
            }
            if fragment.command {
                self.command_fragment(fragment).await?;
            } else {
                self.data_fragment(fragment).await?;
            }
        }
        Ok(())
    }

    async fn command_fragment(&mut self, fragment: PdvHeader) -> Result<(), Fault> {
        if !self.open.contains_key(&fragment.context) && self.open.len() >= MAX_OPEN_MESSAGES {
            return Err(Fault::Protocol(AbortReason::UnexpectedParameter, "too many messages at once"));
        }
        let message = self.open.entry(fragment.context).or_insert_with(|| Message::Command(Vec::new()));
        let Message::Command(bytes) = message else {
            return Err(Fault::Protocol(AbortReason::UnexpectedParameter, "command inside a data set"));
        };
        if bytes.len() + fragment.length > MAX_COMMAND {
            return Err(Fault::Protocol(AbortReason::InvalidParameter, "command set too long"));
        }
        self.inbound.read_into(bytes, fragment.length).await?;
        if !fragment.last {
            return Ok(());
        }
        let command = Command::decode(bytes);
        self.open.remove(&fragment.context);
        match command {
            Ok(command) => self.begin(fragment.context, command).await,
            Err(error) => {
                tracing::info!(%error, "command set refused");
                Err(Fault::Protocol(AbortReason::InvalidParameter, "malformed command set"))
            }
        }
    }

    /// A command set is complete: answers it, or gets ready for its data set.
    async fn begin(&mut self, context: u8, command: Command) -> Result<(), Fault> {
        if command.field & RESPONSE != 0 {
            return Err(Fault::Protocol(AbortReason::UnexpectedParameter, "response to nothing"));
        }
        let answer = match (command.field, command.has_data_set) {
            (C_STORE_RQ, true) => {
                let under_way = self.open.values().filter(|message| matches!(message, Message::Object(..))).count();
                // Their permits come back only with bytes that are behind this request: waiting would be for ever.
                if under_way >= self.window_size as usize {
                    return Err(Fault::Protocol(AbortReason::UnexpectedParameter, "more objects at once than agreed"));
                }
                let Ok(permit) = self.window.clone().acquire_owned().await else { return Err(Fault::PeerClosed) };
                let meta = self.meta(context, &command);
                let incoming = store::Incoming::begin(&self.server.spool, &self.server.activity, command, meta);
                self.open.insert(context, Message::Object(Box::new(incoming), permit));
                return Ok(());
            }
            (C_STORE_RQ, false) => store::nothing_to_store(&command),
            (C_ECHO_RQ, _) => echo::answer(&command),
            (C_CANCEL_RQ, _) => return Ok(()),
            _ => command.response(Status::UNRECOGNIZED_OPERATION),
        };
        if command.has_data_set {
            self.open.insert(context, Message::Unwanted(answer));
            return Ok(());
        }
        Ok(self.outbound.send(&command_pdus(context, &answer, self.peer_max_pdu)).await?)
    }

    fn meta(&self, context: u8, command: &Command) -> RecordMeta {
        let negotiated = self.contexts.get(&context);
        let of_context = negotiated.map(|known| known.abstract_syntax.as_str()).unwrap_or_default();
        let said = |uid: &str| uid.chars().take(64).collect::<String>();
        let sop_class = if command.sop_class.is_empty() { of_context } else { &command.sop_class };
        RecordMeta {
            received: clock::now(),
            calling_ae: self.from.calling.clone(),
            called_ae: self.from.called.clone(),
            peer: self.from.peer.clone(),
            device: self.from.device,
            sop_class: said(sop_class),
            sop_instance: said(&command.sop_instance),
            transfer_syntax: negotiated.map(|known| known.transfer_syntax.clone()).unwrap_or_default(),
        }
    }

    async fn data_fragment(&mut self, fragment: PdvHeader) -> Result<(), Fault> {
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
            Some(Message::Unwanted(_)) => self.inbound.skip(fragment.length).await?,
            Some(Message::Command(_)) | None => {
                return Err(Fault::Protocol(AbortReason::UnexpectedParameter, "data set before its command"));
            }
        }
        if !fragment.last {
            return Ok(());
        }
        match self.open.remove(&fragment.context) {
            Some(Message::Object(incoming, permit)) => self.finish_behind(fragment.context, *incoming, permit),
            Some(Message::Unwanted(answer)) => {
                self.outbound.send(&command_pdus(fragment.context, &answer, self.peer_max_pdu)).await?;
            }
            Some(Message::Command(_)) | None => {}
        }
        Ok(())
    }

    /// Waits for the object's sync and answers, while the next message may already arrive.
    fn finish_behind(&self, context: u8, incoming: store::Incoming, permit: tokio::sync::OwnedSemaphorePermit) {
        let (outbound, broken, peer_max) = (self.outbound.clone(), self.broken.clone(), self.peer_max_pdu);
        tokio::spawn(async move {
            let answer = incoming.finish().await;
            if outbound.send(&command_pdus(context, &answer, peer_max)).await.is_err() {
                broken.cancel();
            }
            drop(permit);
        });
    }
}
