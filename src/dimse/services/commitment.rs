//! Storage commitment, push model (PS3.4 annex J): a device asks by N-ACTION whether instances are kept, and is told by
//! N-EVENT-REPORT.
//!
//! The request is answered once it is kept durably; its result follows when it is known, on the same association if the
//! peer is still there. Otherwise whoever holds the [`Ledger`] sends it on one of its own.

use std::sync::Arc;
use std::time::Duration;

use dicom_dictionary_std::{tags, uids};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::retrieve::LibraryError;
use super::{Exchange, Invoker, Peer, Request, Response, Service, Status};
use crate::dicom::{Composed, Dataset, Limits, Plain, Repertoire, VR, Value, uid, walk_data_set};
use crate::dimse::command::N_ACTION_RQ;
use crate::domain::CommitmentId;

pub const PUSH_MODEL: &str = uids::STORAGE_COMMITMENT_PUSH_MODEL;
/// The one instance of the class (PS3.4 J.3.5).
pub const PUSH_MODEL_INSTANCE: &str = "1.2.840.10008.1.20.1.1";
/// The only action type (PS3.4 table J.3-1).
const REQUEST_STORAGE_COMMITMENT: u16 = 1;
/// Event types of PS3.4 table J.3-2.
const ALL_KEPT: u16 = 1;
const FAILURES_EXIST: u16 = 2;

/// For objects that are behind others on their way into the index.
const KNOWN_WITHIN: Duration = Duration::from_secs(300);
/// A peer that releases as soon as it is answered is not sent a result that it would not wait for.
const BEFORE_THE_RESULT: Duration = Duration::from_millis(300);
/// How long an association may have a result to itself.
pub const HELD_FOR: Duration = Duration::from_secs(600);

/// An instance as the peer names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub sop_class: String,
    pub sop_instance: String,
}

/// What a peer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub transaction: String,
    pub references: Vec<Reference>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub transaction: String,
    /// As whom the archive gives its objects back.
    pub retrieve_from: String,
    pub kept: Vec<Reference>,
    /// With the reasons of PS3.3 C.14.1.1.
    pub failed: Vec<(Reference, Status)>,
}

impl Verdict {
    pub fn event_type(&self) -> u16 {
        if self.failed.is_empty() { ALL_KEPT } else { FAILURES_EXIST }
    }

    /// Event information (PS3.4 table J.3-2).
    pub fn information(&self) -> Composed {
        let mut information = Composed::default();
        information.text(tags::TRANSACTION_UID, VR::UI, self.transaction.as_str());
        if !self.kept.is_empty() {
            information.text(tags::RETRIEVE_AE_TITLE, VR::AE, self.retrieve_from.as_str());
            information.items(tags::REFERENCED_SOP_SEQUENCE, self.kept.iter().map(item).collect());
        }
        if !self.failed.is_empty() {
            let failed = self.failed.iter().map(|(reference, reason)| {
                let mut item = item(reference);
                item.bytes(tags::FAILURE_REASON, VR::US, reason.0.to_le_bytes());
                item
            });
            information.items(tags::FAILED_SOP_SEQUENCE, failed.collect());
        }
        information
    }
}

fn item(reference: &Reference) -> Composed {
    let mut item = Composed::default();
    item.text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, reference.sop_class.as_str());
    item.text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, reference.sop_instance.as_str());
    item
}

/// Where requests are kept until their results are taken.
pub trait Ledger: Send + Sync + 'static {
    /// Keeps a request durably, for its association to answer within [`HELD_FOR`].
    fn keep<'a>(&'a self, peer: &'a Peer, asked: Asked) -> BoxFuture<'a, Result<CommitmentId, LibraryError>>;

    /// Its result, once everything that came before it is accounted for.
    fn verdict(&self, id: CommitmentId) -> BoxFuture<'_, Result<Verdict, LibraryError>>;

    /// The peer has taken the result; or it has not, and is to be called.
    fn reported(&self, id: CommitmentId, taken: bool) -> BoxFuture<'_, ()>;
}

pub struct Commitment {
    ledger: Arc<dyn Ledger>,
}

impl Commitment {
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger }
    }
}

impl Service for Commitment {
    fn abstract_syntaxes(&self) -> &[&'static str] {
        &[PUSH_MODEL]
    }

    fn commands(&self) -> &[u16] {
        &[N_ACTION_RQ]
    }

    fn perform(&self, request: Request, exchange: Exchange) -> BoxFuture<'static, Response> {
        let ledger = self.ledger.clone();
        async move {
            let asked = match read(&request) {
                Ok(asked) => asked,
                Err(refused) => return refused,
            };
            match ledger.keep(&request.peer, asked).await {
                Ok(id) => {
                    tokio::spawn(follow(ledger, id, exchange, request.transfer_syntax));
                    Response::of(Status::SUCCESS)
                }
                Err(error) => {
                    tracing::error!(%error, "request for commitment not kept");
                    Response::failed(Status::PROCESSING_FAILURE, "the index cannot be written now")
                }
            }
        }
        .boxed()
    }
}

/// Sends the result behind the response, while the peer is there.
async fn follow(ledger: Arc<dyn Ledger>, id: CommitmentId, exchange: Exchange, transfer_syntax: String) {
    exchange.answered().cancelled().await;
    let invoker = exchange.invoker().clone();
    drop(exchange);
    tokio::time::sleep(BEFORE_THE_RESULT).await;
    let taken = match timeout(KNOWN_WITHIN, ledger.verdict(id)).await {
        Ok(Ok(verdict)) => report(&invoker, &verdict, &transfer_syntax).await,
        Ok(Err(error)) => {
            tracing::error!(%error, "result of a commitment not known");
            false
        }
        Err(_) => false,
    };
    ledger.reported(id, taken).await;
}

async fn report(invoker: &Invoker, verdict: &Verdict, transfer_syntax: &str) -> bool {
    let form = Plain::of_transfer_syntax(transfer_syntax).unwrap_or(Plain::Implicit);
    let information = verdict.information().encode(form, Repertoire::Utf8);
    match invoker.report(PUSH_MODEL, PUSH_MODEL_INSTANCE, verdict.event_type(), &information).await {
        Ok(answer) => answer.status == Some(Status::SUCCESS),
        Err(error) => {
            tracing::debug!(%error, "result of a commitment not taken on its association");
            false
        }
    }
}

/// Action information (PS3.4 table J.3-1); else how it is refused.
fn read(request: &Request) -> Result<Asked, Response> {
    if request.command.sop_instance != PUSH_MODEL_INSTANCE {
        return Err(Response::of(Status::NO_SUCH_INSTANCE));
    }
    if request.command.action_type != Some(REQUEST_STORAGE_COMMITMENT) {
        return Err(Response::of(Status::NO_SUCH_ACTION_TYPE));
    }
    let set = walk_data_set(&request.data_set, &request.transfer_syntax, &Limits::message()).map_err(|error| {
        tracing::info!(%error, calling = %request.peer.calling, "request for commitment refused");
        Response::failed(Status::PROCESSING_FAILURE, format!("action information: {error}"))
    })?;
    let invalid = |comment: &str| Response::failed(Status::INVALID_ARGUMENT_VALUE, comment);
    let transaction = set.uid(tags::TRANSACTION_UID).filter(|uid| uid::is_valid(uid));
    let transaction = transaction.ok_or_else(|| invalid("no Transaction UID"))?.to_owned();
    let Some(Value::Items(items)) = set.get(tags::REFERENCED_SOP_SEQUENCE).map(|element| &element.value) else {
        return Err(invalid("no Referenced SOP Sequence"));
    };
    let references: Option<Vec<Reference>> = items.iter().map(reference).collect();
    match references {
        Some(references) if !references.is_empty() => Ok(Asked { transaction, references }),
        _ => Err(invalid("an item without class or instance, or none")),
    }
}

fn reference(item: &Dataset) -> Option<Reference> {
    let named = |tag| item.uid(tag).filter(|uid| uid.len() <= 64).map(str::to_owned);
    let sop_class = named(tags::REFERENCED_SOP_CLASS_UID)?;
    Some(Reference { sop_class, sop_instance: named(tags::REFERENCED_SOP_INSTANCE_UID)? })
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::super::query::testing;
    use super::*;

    fn reference(sop_instance: &str) -> Reference {
        Reference { sop_class: "1.2.840.10008.5.1.4.1.1.2".into(), sop_instance: sop_instance.into() }
    }

    fn request(action_type: u16, instance: &str, information: &Composed) -> Request {
        let mut request = testing::request(PUSH_MODEL, N_ACTION_RQ, &[]);
        let command = request.command.clone();
        request.command = Command { sop_instance: instance.into(), action_type: Some(action_type), ..command };
        request.data_set = information.encode(Plain::Implicit, Repertoire::Utf8);
        request
    }

    fn asking(transaction: &str, named: &[&str]) -> Composed {
        let mut asked = Composed::default();
        let items = named.iter().map(|instance| item(&reference(instance))).collect();
        asked.text(tags::TRANSACTION_UID, VR::UI, transaction).items(tags::REFERENCED_SOP_SEQUENCE, items);
        asked
    }

    #[test]
    fn a_request_is_read_whole_or_refused() {
        let asked = read(&request(1, PUSH_MODEL_INSTANCE, &asking("1.5", &["1.3", "1.4"]))).unwrap();
        assert_eq!(asked, Asked { transaction: "1.5".into(), references: vec![reference("1.3"), reference("1.4")] });
        let refused = |request: Request| read(&request).unwrap_err().status;
        let good = asking("1.5", &["1.3"]);
        assert_eq!(refused(request(2, PUSH_MODEL_INSTANCE, &good)), Status::NO_SUCH_ACTION_TYPE);
        assert_eq!(refused(request(1, "1.2.3", &good)), Status::NO_SUCH_INSTANCE);
        for bad in [asking("", &["1.3"]), asking("1.x", &["1.3"]), asking("1.5", &[]), asking("1.5", &["1.3", ""])] {
            assert_eq!(refused(request(1, PUSH_MODEL_INSTANCE, &bad)), Status::INVALID_ARGUMENT_VALUE);
        }
        let mut cut_off = request(1, PUSH_MODEL_INSTANCE, &good);
        cut_off.data_set.truncate(cut_off.data_set.len() - 3);
        assert_eq!(refused(cut_off), Status::PROCESSING_FAILURE);
    }

    #[test]
    fn a_result_names_each_instance_once_with_its_reason() {
        let mut verdict = Verdict {
            transaction: "1.5".into(),
            retrieve_from: "YUNYING".into(),
            kept: vec![reference("1.3")],
            failed: vec![(reference("1.4"), Status::NO_SUCH_INSTANCE)],
        };
        let read_back = |verdict: &Verdict| {
            let bytes = verdict.information().encode(Plain::Explicit, Repertoire::Utf8);
            walk_data_set(&bytes, uids::EXPLICIT_VR_LITTLE_ENDIAN, &Limits::message()).unwrap()
        };
        let items = |set: &Dataset, tag| match set.get(tag).map(|element| element.value.clone()) {
            Some(Value::Items(items)) => items,
            _ => Vec::new(),
        };
        let set = read_back(&verdict);
        assert_eq!((verdict.event_type(), set.uid(tags::TRANSACTION_UID)), (2, Some("1.5")));
        let failed = items(&set, tags::FAILED_SOP_SEQUENCE);
        assert_eq!(failed[0].uid(tags::REFERENCED_SOP_INSTANCE_UID), Some("1.4"));
        assert_eq!(failed[0].ints(tags::FAILURE_REASON), [0x0112]);
        assert_eq!(items(&set, tags::REFERENCED_SOP_SEQUENCE)[0].uid(tags::REFERENCED_SOP_INSTANCE_UID), Some("1.3"));
        verdict.failed.clear();
        assert_eq!(verdict.event_type(), 1);
        assert!(read_back(&verdict).get(tags::FAILED_SOP_SEQUENCE).is_none());
    }
}
