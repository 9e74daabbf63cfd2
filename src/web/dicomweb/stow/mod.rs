//! STOW-RS: instances over HTTP into the spool (PS3.18 10.5).
//!
//! A part is taken as C-STORE takes an object: its bytes are appended as they arrive, made durable, and only then called
//! stored; what becomes of it in the index afterwards is said where C-STORE says it, by quarantine and commitment. Owns the
//! order of parts in a request and what is answered; never holds a part in memory.

mod answer;
mod intake;

use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use futures_util::StreamExt;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::super::auth::{Caller, Origin, Who};
use super::super::{Answer, App, Problem};
use super::Of;
use super::accept::{self, Ranges};
use super::parts::{Event, Fault, Parser};
use crate::clock;
use crate::index::{Scope, community};
use crate::ingest::activity;
use answer::{Outcome, answer};
use intake::{Incoming, Sender};

/// Silence in the middle of a body.
const PATIENCE: Duration = Duration::from_secs(60);
/// Parts of one request whose bytes are being made durable while the next arrives.
const IN_FLIGHT: usize = 8;
/// Requests at a time; each holds one buffer of the spool.
static REQUESTS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(64));

const BUSY: Problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy").retry_after(5);
const WRONG_TYPE: Problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type");

/// Stores the instances of a `multipart/related` body.
pub async fn store(
    State(app): State<App>,
    caller: Caller,
    Origin(peer): Origin,
    Path(of): Path<Of>,
    ranges: Ranges,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    let parser = parser(&headers)?;
    if !ranges.take_json() {
        return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable"));
    }
    let _place = REQUESTS.try_acquire().map_err(|_| BUSY)?;
    let sender = sender(&app, &caller, peer).await?;
    let activity = &app.intake.activity;
    let _told_when_it_ends = activity.association(activity::Sender::Device(sender.device));
    let mut reception = Reception::new(&app, sender, of.study);
    let ended = reception.receive(parser, body).await;
    let outcomes = reception.settle().await;
    match ended {
        Ok(()) if outcomes.is_empty() => Err(Problem::bad_request("no_parts")),
        Ok(()) => Ok(answer(outcomes)),
        // What came before the fault is stored, and the sender must know.
        Err(fault) if outcomes.iter().any(Outcome::is_stored) => Ok(answer([outcomes, vec![fault.outcome()]].concat())),
        Err(fault) => Err(fault.problem()),
    }
}

/// Who calls stores as a device of his site; with a token of all sites, as one that nobody registered at any.
async fn sender(app: &App, caller: &Caller, peer: String) -> Answer<Sender> {
    let site = match caller.scope {
        Scope::Site(site) => Some(site),
        Scope::All => None,
    };
    let mut tx = app.db.write().await?;
    let name = match caller.who {
        Who::Machine(token) => community::token_name(&mut tx, token).await?,
        Who::Person { account, .. } => community::account(&mut tx, account).await?.login,
    };
    let (device, ae_title) = community::device_by_http(&mut tx, &name, site, clock::now()).await?;
    tx.commit().await?;
    Ok(Sender { device, ae_title, peer })
}

/// A parser for what the request says its body is; metadata and bulk data in parts of their own are not taken.
fn parser(headers: &HeaderMap) -> Answer<Parser> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (media, parameters) = accept::media_type(text);
    let parameter = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    if media != "multipart/related" {
        return Err(WRONG_TYPE.detail("want multipart/related; type=\"application/dicom\""));
    }
    if parameter("type").is_some_and(|of| !of.eq_ignore_ascii_case("application/dicom")) {
        return Err(WRONG_TYPE.detail("only parts of application/dicom are stored"));
    }
    Parser::new(parameter("boundary").unwrap_or_default()).map_err(|fault| Ended::Malformed(fault).problem())
}

/// Why a body was not read to its end.
enum Ended {
    Malformed(Fault),
    /// The connection failed, or was silent for too long.
    Broken,
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Malformed(fault)
    }
}

impl Ended {
    fn problem(&self) -> Problem {
        match self {
            Self::Malformed(Fault::TooManyParts) => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_parts"),
            Self::Malformed(fault) => Problem::bad_request("bad_multipart").detail(fault.to_string()),
            Self::Broken => Problem::new(StatusCode::REQUEST_TIMEOUT, "body_ended"),
        }
    }

    fn outcome(&self) -> Outcome {
        Outcome::unknown(answer::PROCESSING_FAILURE)
    }
}

/// The parts of one request on their way into the spool.
struct Reception<'a> {
    app: &'a App,
    sender: Sender,
    /// The one study that the resource takes instances of.
    only: Option<String>,
    current: Option<Incoming>,
    in_flight: VecDeque<JoinHandle<Outcome>>,
    outcomes: Vec<Outcome>,
}

impl<'a> Reception<'a> {
    fn new(app: &'a App, sender: Sender, only: Option<String>) -> Self {
        Self { app, sender, only, current: None, in_flight: VecDeque::new(), outcomes: Vec::new() }
    }

    async fn receive(&mut self, mut parser: Parser, body: Body) -> Result<(), Ended> {
        let mut stream = body.into_data_stream();
        loop {
            let chunk: Bytes = match tokio::time::timeout(PATIENCE, stream.next()).await {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(None) if parser.is_whole() => return Ok(()),
                Ok(None) => return Err(Fault::Truncated.into()),
                Ok(Some(Err(_))) | Err(_) => return Err(Ended::Broken),
            };
            parser.push(&chunk);
            while let Some(event) = parser.event()? {
                self.take(event).await;
            }
        }
    }

    async fn take(&mut self, event: Event) {
        match event {
            Event::Begin(head) => {
                self.current = Some(Incoming::begin(self.app, &self.sender, &head, self.only.as_deref()));
            }
            Event::Data(bytes) => {
                if let Some(incoming) = &mut self.current {
                    incoming.append(&bytes).await;
                }
            }
            Event::End => {
                let Some(incoming) = self.current.take() else { return };
                if self.in_flight.len() >= IN_FLIGHT {
                    self.settle_one().await;
                }
                self.in_flight.push_back(tokio::spawn(incoming.finish()));
            }
        }
    }

    /// Waits for the oldest part that is being made durable.
    async fn settle_one(&mut self) {
        let Some(oldest) = self.in_flight.pop_front() else { return };
        let failed = |error| {
            tracing::error!(%error, "storing a part failed");
            Outcome::unknown(answer::PROCESSING_FAILURE)
        };
        self.outcomes.push(oldest.await.unwrap_or_else(failed));
    }

    /// What became of every part that came to its end, in their order.
    async fn settle(mut self) -> Vec<Outcome> {
        self.current = None;
        while !self.in_flight.is_empty() {
            self.settle_one().await;
        }
        self.outcomes
    }
}

#[cfg(test)]
mod tests;
