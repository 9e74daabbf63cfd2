//! The requestor's side of one association (PS3.8 section 9.2).

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::feed::{Feed, Held, InHand, Step};
use super::{Failure, Kind, Outcome, Queue, ScuOptions, Waiting};
use crate::dicom::{Composed, Plain, Repertoire};
use crate::dimse::command::{
    C_ECHO_RSP, C_STORE_RSP, Command, N_EVENT_REPORT_RSP, Originator, Status, echo_request, event_report_request,
};
use crate::dimse::pdu::{
    self, AssociateAc, AssociateRq, ContextOutcome, PduHeader, ProposedContext, RoleSelection, UserInformation,
};
use crate::dimse::pdv::{PDV_HEADER, PdvHeader, command_pdus, message_pdus};
use crate::dimse::tls::TlsFault;
use crate::dimse::transport::{Inbound, Outbound, Stream, split};
use crate::ingest::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION};

/// Limits on what a receiver may answer.
const MAX_ANSWER: u32 = 512 * 1024;
/// For the reason of a connection that takes nothing any more.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Hand-overs read ahead of the socket.
const AHEAD: usize = 4;

#[derive(Debug, thiserror::Error)]
pub enum ScuError {
    #[error("connection: {0}")]
    Io(io::Error),
    #[error("{0}")]
    Tls(#[from] TlsFault),
    #[error("the peer is to be called over TLS, and nothing says by which authority its certificate must be")]
    NoAuthority,
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
    #[error("an object could not be read to its end")]
    Source,
    #[error("the receiver did not answer within {0:?}")]
    Silent(Duration),
}

impl ScuError {
    /// Whether the same call may go well later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Io(_) | Self::NoConnection(_) | Self::Aborted(..) | Self::Closed | Self::Silent(_) => true,
            // PS3.8 table 9-21: 2 is rejected-transient.
            Self::Rejected(result, ..) => *result == 2,
            Self::Tls(fault) => *fault == TlsFault::Closed,
            Self::NoAuthority | Self::Protocol(_) | Self::Source => false,
        }
    }
}

impl From<io::Error> for ScuError {
    fn from(error: io::Error) -> Self {
        TlsFault::of(&error).map_or(Self::Io(error), Self::Tls)
    }
}

/// An open association.
pub struct Client {
    inbound: Inbound,
    outbound: Outbound,
    contexts: HashMap<Kind, u8>,
    peer_max: u32,
    window: usize,
    our_max: u32,
    patience: Duration,
    retries: u8,
    originator: Option<Originator>,
}

/// An association that ended before its queue did.
pub(super) struct Broken {
    pub error: Arc<ScuError>,
    /// What was under way.
    pub unanswered: Vec<Waiting>,
    /// Objects that were decided before.
    pub answered: usize,
}

impl Client {
    /// Connects and negotiates one context for each of `kinds`, at most 128.
    pub async fn connect(options: &ScuOptions, kinds: &BTreeSet<Kind>) -> Result<Self, ScuError> {
        Self::connect_as(options, kinds, Vec::new()).await
    }

    /// The same as the provider of their classes, who has something to report. A receiver that says nothing of roles is
    /// taken at its word that it accepts the contexts.
    pub async fn connect_to_report(options: &ScuOptions, kinds: &BTreeSet<Kind>) -> Result<Self, ScuError> {
        let classes: BTreeSet<&String> = kinds.iter().map(|kind| &kind.sop_class).collect();
        let role = |sop_class: &String| RoleSelection { sop_class: sop_class.clone(), scu: false, scp: true };
        Self::connect_as(options, kinds, classes.into_iter().map(role).collect()).await
    }

    async fn connect_as(
        options: &ScuOptions,
        kinds: &BTreeSet<Kind>,
        roles: Vec<RoleSelection>,
    ) -> Result<Self, ScuError> {
        let stream =
            timeout(options.connect, connect(options)).await.map_err(|_| ScuError::NoConnection(options.connect))??;
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
                roles,
                extended: Vec::new(),
            },
        };
        if let Err(error) = outbound.send(&request.encode()).await {
            return Err(why_closed(&mut inbound, error).await);
        }
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
            patience: options.patience,
            retries: options.retries,
            originator: options.originator.clone(),
        })
    }

    /// Sends what is in `queue` until it is empty; each object's fate goes to `outcomes`.
    pub(super) async fn send_queue(&mut self, queue: Queue, outcomes: &mpsc::Sender<Outcome>) -> Result<(), Broken> {
        let (steps, next_steps) = mpsc::channel(AHEAD);
        let (give_back, spent) = std::sync::mpsc::channel();
        let in_hand = InHand::default();
        let feed = Feed {
            queue: queue.clone(),
            in_hand: in_hand.clone(),
            contexts: self.contexts.clone(),
            originator: self.originator.clone(),
            peer_max: self.peer_max,
            our_max: self.our_max,
            steps,
            spent,
            runtime: Handle::current(),
        };
        let reading = tokio::task::spawn_blocking(move || feed.run());
        let exchange = Exchange {
            outbound: self.outbound.clone(),
            window: Semaphore::new(self.window),
            window_size: self.window,
            patience: self.patience,
            in_hand: in_hand.clone(),
            put_off: (self.retries > 0).then_some(queue),
            outcomes,
        };
        let mut answered = 0;
        let ended = tokio::select! {
            sent = exchange.send(next_steps, give_back) => sent,
            failed = exchange.receive(&mut self.inbound, &mut answered) => Err(failed),
        };
        drop(reading.await);
        let Err(error) = ended else { return Ok(()) };
        // The peer may be gone already.
        drop(self.outbound.send(&pdu::encode_abort(pdu::AbortReason::NotSpecified)).await);
        let unanswered = in_hand.lock().drain().map(|(_, held)| held.waiting).collect();
        Err(Broken { error: Arc::new(error), unanswered, answered })
    }

    /// C-ECHO (PS3.7 9.1.5) on the first accepted context.
    pub async fn echo(&mut self) -> Result<Status, ScuError> {
        let context = self.contexts.values().copied().next().ok_or(ScuError::Protocol("no context accepted"))?;
        self.outbound.send(&command_pdus(context, &echo_request(1), self.peer_max)).await?;
        let header = self.inbound.header().await?;
        let answer = response(&mut self.inbound, header).await?;
        if answer.field != C_ECHO_RSP {
            return Err(ScuError::Protocol("not the answer to an echo"));
        }
        answer.status.ok_or(ScuError::Protocol("answer without a status"))
    }

    /// N-EVENT-REPORT (PS3.7 10.1.1) of the instance `of` in whichever form of its class was accepted.
    pub async fn report(&mut self, of: &str, event_type: u16, information: &Composed) -> Result<Status, ScuError> {
        let accepted = self.contexts.iter().next().ok_or(ScuError::Protocol("no context accepted"))?;
        let (Kind { sop_class, transfer_syntax }, &context) = accepted;
        let form = Plain::of_transfer_syntax(transfer_syntax).unwrap_or(Plain::Implicit);
        let information = information.encode(form, Repertoire::Utf8);
        let command = event_report_request(1, sop_class, of, event_type);
        self.outbound.send(&message_pdus(context, &command, Some(&information), self.peer_max)).await?;
        let header = timeout(self.patience, self.inbound.header()).await;
        let header = header.map_err(|_| ScuError::Silent(self.patience))??;
        let answer = response(&mut self.inbound, header).await?;
        if answer.field != N_EVENT_REPORT_RSP {
            return Err(ScuError::Protocol("not the answer to an event report"));
        }
        answer.status.ok_or(ScuError::Protocol("answer without a status"))
    }

    /// Ends the association in order.
    pub async fn release(mut self) -> Result<(), ScuError> {
        self.outbound.send(&pdu::encode_release_rq()).await?;
        let Some(header) = self.inbound.header().await? else { return Err(ScuError::Closed) };
        if header.kind != pdu::RELEASE_RP {
            return Err(ScuError::Protocol("no answer to the release"));
        }
        self.outbound.close(self.patience).await;
        Ok(())
    }
}

async fn connect(options: &ScuOptions) -> Result<Stream, ScuError> {
    let tcp = TcpStream::connect(options.address).await?;
    let Some(tls) = &options.tls else { return Ok(Stream::Plain(tcp)) };
    tcp.set_nodelay(true)?;
    match tls.connect(tcp).await {
        Ok(tls) => Ok(Stream::Tls(Box::new(tls))),
        Err(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Err(ScuError::Tls(TlsFault::Closed))
            }
            _ => Err(error.into()),
        },
    }
}

/// A peer that refuses our certificate closes when we think that the handshake is over; its alert says why.
async fn why_closed(inbound: &mut Inbound, error: io::Error) -> ScuError {
    match timeout(LAST_WORDS, inbound.header()).await {
        Ok(Err(read)) if TlsFault::of(&read).is_some() => read.into(),
        _ => error.into(),
    }
}

/// What the sending and the receiving half of one queue share.
struct Exchange<'a> {
    outbound: Outbound,
    window: Semaphore,
    window_size: usize,
    patience: Duration,
    in_hand: InHand,
    /// Where objects wait that the receiver has no room for now, if they do.
    put_off: Option<Queue>,
    outcomes: &'a mpsc::Sender<Outcome>,
}

impl Exchange<'_> {
    /// Sends what the feed hands over, and waits until all of it is answered.
    async fn send(
        &self,
        mut steps: mpsc::Receiver<Step>,
        give_back: std::sync::mpsc::Sender<Vec<u8>>,
    ) -> Result<(), ScuError> {
        while let Some(step) = steps.recv().await {
            let (message_id, first, last, bytes, pdus) = match step {
                Step::Pdus { message_id, first, last, bytes, pdus } => (message_id, first, last, bytes, pdus),
                Step::Unsendable(message_id, failure) => {
                    self.decided(message_id, Err(failure)).await?;
                    continue;
                }
                Step::Broken(message_id, failure) => {
                    self.decided(message_id, Err(failure)).await?;
                    return Err(ScuError::Source);
                }
            };
            if first {
                self.window.acquire().await.map_err(|_| ScuError::Closed)?.forget();
            }
            self.outbound.send(&pdus).await?;
            if let Some(held) = self.in_hand.lock().get_mut(&message_id) {
                held.bytes += bytes;
                held.sent = last.then(Instant::now);
            }
            // The reader may be done and gone; then the buffer is, too.
            drop(give_back.send(pdus));
        }
        // All answered once every permit is back.
        drop(self.window.acquire_many(self.window_size as u32).await.map_err(|_| ScuError::Closed)?);
        Ok(())
    }

    /// Takes answers until something goes wrong.
    async fn receive(&self, inbound: &mut Inbound, answered: &mut usize) -> ScuError {
        loop {
            match self.one_answer(inbound).await {
                Ok(true) => *answered += 1,
                Ok(false) => {}
                Err(error) => return error,
            }
        }
    }

    /// False where nothing came because nothing was due.
    async fn one_answer(&self, inbound: &mut Inbound) -> Result<bool, ScuError> {
        let header = match timeout(self.patience, inbound.header()).await {
            Ok(header) => header?,
            Err(_) if self.is_overdue() => return Err(ScuError::Silent(self.patience)),
            Err(_) => return Ok(false),
        };
        let response = response(inbound, header).await?;
        let status = response.status.ok_or(ScuError::Protocol("answer without a status"))?;
        if status.is_out_of_resources() && self.put_off(response.message_id, status) {
            self.window.add_permits(1);
            return Ok(false);
        }
        let result = if status.is_stored() { Ok(status) } else { Err(Failure::Refused(status)) };
        if !self.decided(response.message_id, result).await? {
            return Err(ScuError::Protocol("answer to nothing"));
        }
        self.window.add_permits(1);
        Ok(true)
    }

    /// Keeps an object for later; false: nothing is tried again, or there is no such one.
    fn put_off(&self, message_id: u16, status: Status) -> bool {
        let Some(queue) = &self.put_off else { return false };
        let Some(held) = self.in_hand.lock().remove(&message_id) else { return false };
        queue.put_off().push(Waiting { refused: Some(status), ..held.waiting });
        true
    }

    /// Something was sent to its end long ago and is not answered.
    fn is_overdue(&self) -> bool {
        let late = |held: &Held| held.sent.is_some_and(|sent| sent.elapsed() >= self.patience);
        self.in_hand.lock().values().any(late)
    }

    /// Reports what became of an object; false: there is no such one.
    async fn decided(&self, message_id: u16, result: Result<Status, Failure>) -> Result<bool, ScuError> {
        let Some(Held { waiting, bytes, .. }) = self.in_hand.lock().remove(&message_id) else { return Ok(false) };
        let outcome = Outcome { object: waiting.object, bytes, result };
        self.outcomes.send(outcome).await.map_err(|_| ScuError::Closed)?;
        Ok(true)
    }
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
        kind if pdu::TLS_RECORDS.contains(&kind) => Err(ScuError::Protocol("it speaks TLS at this address")),
        _ => Err(ScuError::Protocol("no answer to the association request")),
    }
}

async fn aborted(inbound: &mut Inbound) -> ScuError {
    match inbound.take::<4>().await {
        Ok([_, _, source, reason]) => ScuError::Aborted(source, reason),
        Err(error) => error.into(),
    }
}

/// The response that begins with the PDU of `header`. Data sets are none of ours: neither C-ECHO nor C-STORE has one in
/// its answer.
async fn response(inbound: &mut Inbound, first: Option<PduHeader>) -> Result<Command, ScuError> {
    let mut command = Vec::new();
    let mut next = first;
    loop {
        let header = next.ok_or(ScuError::Closed)?;
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
                C_STORE_RSP | C_ECHO_RSP | N_EVENT_REPORT_RSP => Ok(command),
                _ => Err(ScuError::Protocol("not a response")),
            };
        }
        next = inbound.header().await?;
    }
}
