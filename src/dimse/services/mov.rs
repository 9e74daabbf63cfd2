//! Retrieval to a registered device (PS3.4 C.4.2): the C-STOREs go out on an association of their own.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use dicom_dictionary_std::uids;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::query::{Identifier, PATIENT_STUDY_ONLY_MOVE, agree};
use super::retrieve::{Destination, Library, Tally, Wanted, unavailable};
use super::{Exchange, Request, Response, Service, Status, Stop};
use crate::dimse::command::{C_MOVE_RQ, Originator};
use crate::dimse::object::{Kind, Outgoing};
use crate::dimse::scu::{Called, Outcome, Queue, ScuError, ScuOptions, Session};
use crate::dimse::tls::Connector;

const SYNTAXES: [&str; 3] = [
    uids::PATIENT_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE,
    uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE,
    PATIENT_STUDY_ONLY_MOVE,
];

pub struct Move {
    library: Arc<dyn Library>,
    connector: Option<Connector>,
}

impl Move {
    pub fn new(library: Arc<dyn Library>) -> Self {
        Self { library, connector: None }
    }

    /// Also to destinations that are called over TLS.
    pub fn over_tls(self, connector: Option<Connector>) -> Self {
        Self { connector, ..self }
    }
}

impl Service for Move {
    fn abstract_syntaxes(&self) -> &[&'static str] {
        &SYNTAXES
    }

    fn commands(&self) -> &[u16] {
        &[C_MOVE_RQ]
    }

    fn agree(&self, _abstract_syntax: &str, wanted: &[u8]) -> Option<Vec<u8>> {
        Some(agree(wanted, &[true]))
    }

    fn perform(&self, request: Request, exchange: Exchange) -> BoxFuture<'static, Response> {
        let (library, connector) = (self.library.clone(), self.connector.clone());
        async move {
            let performed = perform(&*library, connector.as_ref(), &request, &exchange).await;
            performed.unwrap_or_else(|refused| refused)
        }
        .boxed()
    }
}

async fn perform(
    library: &dyn Library,
    connector: Option<&Connector>,
    request: &Request,
    exchange: &Exchange,
) -> Result<Response, Response> {
    let identifier = Identifier::read(request)?;
    let wanted = Wanted::read(&identifier)?;
    let title = request.command.move_destination.as_str();
    let destination = library.destination(&request.peer, title).await;
    let destination = destination
        .map_err(|error| unavailable(Status::CANNOT_PERFORM, &error))?
        .ok_or_else(|| Response::failed(Status::UNKNOWN_DESTINATION, "no such device, or none to be sent to"))?;
    let selected = library.select(&request.peer, wanted, Some(destination.device)).await;
    let mut selection = selected.map_err(|error| unavailable(Status::CANNOT_COUNT, &error))?;
    let mut tally = Tally::new(&*selection);
    if tally.total() == 0 {
        return Ok(tally.last(None, identifier.form));
    }
    // A peer that is gone is noticed by its association, which ends this.
    drop(exchange.pending(tally.pending()).await);
    let forms: BTreeSet<Kind> = selection.kinds().keys().flat_map(|kind| kind.forms().collect::<Vec<_>>()).collect();
    let session = tokio::select! {
        stop = exchange.stop() => return Ok(tally.last(Some(stop), identifier.form)),
        opened = open(request, &destination, connector, forms) => opened,
    };
    let mut session = session.map_err(|error| {
        tracing::warn!(%error, device = destination.device.0, "destination of a C-MOVE out of reach");
        tally.give_up();
        let comment = format!("destination: {error}");
        Response { comment, ..tally.last(None, identifier.form) }
    })?;
    let mut stopped = None;
    while stopped.is_none() {
        let page = selection.next().await.map_err(|error| unavailable(Status::CANNOT_PERFORM, &error))?;
        if page.is_empty() {
            break;
        }
        let sent = send(&mut session, page, exchange, &mut tally, &mut stopped).await;
        if let Err(error) = sent {
            tracing::warn!(%error, device = destination.device.0, "destination of a C-MOVE lost");
            tally.give_up();
            break;
        }
    }
    if let Err(error) = session.close().await {
        tracing::info!(%error, device = destination.device.0, "association of a C-MOVE not released");
    }
    Ok(tally.last(stopped, identifier.form))
}

async fn open(
    request: &Request,
    destination: &Destination,
    connector: Option<&Connector>,
    forms: BTreeSet<Kind>,
) -> Result<Session, Arc<ScuError>> {
    let peer = Called { address: &destination.address, connector, certificate: destination.certificate };
    let options = ScuOptions::to(&peer, &request.command.move_destination, &request.peer.called).await;
    let originator = Originator { title: request.peer.calling.clone(), message_id: request.command.message_id };
    Session::open(ScuOptions { originator: Some(originator), ..options.map_err(Arc::new)? }, forms).await
}

/// Sends some objects, telling the peer of each; a stop lets those under way finish and begins no more.
async fn send(
    session: &mut Session,
    page: Vec<Outgoing>,
    exchange: &Exchange,
    tally: &mut Tally,
    stopped: &mut Option<Stop>,
) -> Result<(), Arc<ScuError>> {
    let queue = Queue::new(page);
    let (outcomes, mut decided) = mpsc::channel(16);
    let mut sending = pin!(session.send(&queue, &outcomes));
    let ended = loop {
        tokio::select! {
            Some(outcome) = decided.recv() => count(outcome, exchange, tally).await,
            stop = exchange.stop(), if stopped.is_none() => {
                *stopped = Some(stop);
                queue.clear();
            }
            ended = &mut sending => break ended,
        }
    };
    while let Ok(outcome) = decided.try_recv() {
        count(outcome, exchange, tally).await;
    }
    ended
}

async fn count(outcome: Outcome, exchange: &Exchange, tally: &mut Tally) {
    let Outcome { object, result, .. } = outcome;
    match result {
        Ok(status) => tally.answered(&object.sop_instance, status),
        Err(failure) => {
            tracing::info!(%failure, "an object of a C-MOVE was not sent");
            tally.failed(&object.sop_instance);
        }
    }
    // A peer that is gone is noticed by its association, which ends this.
    drop(exchange.pending(tally.pending()).await);
}
