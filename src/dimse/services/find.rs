//! Queries (PS3.4 C.4.1): what a C-FIND asks, and each match as one pending response.
//!
//! Hierarchical queries name every level above theirs by one value; relational ones, where negotiated, need not. Keys of
//! the levels above match in both: that asks for less, never for more. Keys that nothing here knows are left out of the
//! answers, whose status says so (FF01).

use std::collections::BTreeSet;
use std::sync::Arc;

use dicom_dictionary_std::{tags, uids};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::query::{Identifier, Level, PATIENT_STUDY_ONLY_FIND, agree, is_relational, mismatch};
use super::retrieve::LibraryError;
use super::{Exchange, Peer, Request, Response, Service, Status};
use crate::dicom::{Composed, Dataset, Plain, Repertoire, Tag, VR, Value};
use crate::dimse::command::C_FIND_RQ;

const SYNTAXES: [&str; 3] = [
    uids::PATIENT_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND,
    uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND,
    PATIENT_STUDY_ONLY_FIND,
];
/// Keys of one identifier.
const MAX_KEYS: usize = 512;
/// Of PS3.4 C.5.1.1.1: relational queries, combined date-time matching, fuzzy matching of names, time zones, conversion.
const SUPPORTED: [bool; 5] = [true, false, true, false, false];

/// An attribute, or one in the item of a sequence.
pub type KeyPath = Vec<Tag>;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub level: Level,
    /// Every key with its value as text, several between backslashes; without a value it is only asked back.
    pub keys: Vec<(KeyPath, String)>,
    /// Names match by sound and initials, too.
    pub fuzzy: bool,
}

/// What there is to be found; its owner's rules say what a peer may see.
pub trait Catalogue: Send + Sync + 'static {
    fn find<'a>(&'a self, peer: &'a Peer, query: &'a Query) -> BoxFuture<'a, Result<Box<dyn Answers>, FindError>>;
}

/// The matches of one query, some at a time.
pub trait Answers: Send {
    /// Keys of the query that are not supported, with or without a value.
    fn unsupported(&self) -> &BTreeSet<KeyPath>;

    /// The next matches with what is known of them; none at the end. What was not asked for is not sent.
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Composed>, LibraryError>>;

    /// In what the peer reads text; `None`: in that of its query.
    fn repertoire(&self) -> Option<Repertoire> {
        None
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("a value that its attribute cannot have")]
    BadKey(Tag),
    #[error(transparent)]
    Unavailable(#[from] LibraryError),
}

impl FindError {
    pub(super) fn response(self) -> Response {
        match self {
            FindError::BadKey(tag) => mismatch(tag, "a value that its attribute cannot have"),
            FindError::Unavailable(error) => unavailable(&error),
        }
    }
}

pub struct Find {
    catalogue: Arc<dyn Catalogue>,
}

impl Find {
    pub fn new(catalogue: Arc<dyn Catalogue>) -> Self {
        Self { catalogue }
    }
}

impl Service for Find {
    fn abstract_syntaxes(&self) -> &[&'static str] {
        &SYNTAXES
    }

    fn commands(&self) -> &[u16] {
        &[C_FIND_RQ]
    }

    fn agree(&self, _abstract_syntax: &str, wanted: &[u8]) -> Option<Vec<u8>> {
        Some(agree(wanted, &SUPPORTED))
    }

    fn perform(&self, request: Request, exchange: Exchange) -> BoxFuture<'static, Response> {
        let catalogue = self.catalogue.clone();
        async move { find(&*catalogue, &request, &exchange).await.unwrap_or_else(|refused| refused) }.boxed()
    }
}

async fn find(catalogue: &dyn Catalogue, request: &Request, exchange: &Exchange) -> Result<Response, Response> {
    let identifier = Identifier::read(request)?;
    if !is_relational(request) {
        names_all_above(&identifier)?;
    }
    let query = read(&identifier, request)?;
    let mut answers = catalogue.find(&request.peer, &query).await.map_err(FindError::response)?;
    let complete = |answer: &mut Composed, unsupported: &BTreeSet<KeyPath>| {
        complete(answer, &identifier, unsupported, &request.peer);
    };
    Ok(send_all(&mut *answers, &identifier.keys, identifier.form, exchange, complete).await)
}

/// Sends each match as a pending response, as `complete` makes it; the final response.
pub(super) async fn send_all(
    answers: &mut dyn Answers,
    identifier: &Dataset,
    form: Plain,
    exchange: &Exchange,
    complete: impl Fn(&mut Composed, &BTreeSet<KeyPath>) + Send,
) -> Response {
    let status = if answers.unsupported().is_empty() { Status::PENDING } else { Status::PENDING_WITHOUT_A_KEY };
    let repertoire = answers.repertoire().unwrap_or_else(|| identifier.charset().to_answer_in());
    loop {
        let page = tokio::select! {
            stop = exchange.stop() => return stop.response(),
            page = answers.next() => match page {
                Ok(page) => page,
                Err(error) => return unavailable(&error),
            },
        };
        if page.is_empty() {
            return Response::of(Status::SUCCESS);
        }
        for mut answer in page {
            if let Some(stop) = exchange.stopped() {
                return stop.response();
            }
            complete(&mut answer, answers.unsupported());
            let data = answer.encode(form, repertoire);
            if exchange.pending(Response::of(status).with_data(data)).await.is_err() {
                return Response::of(Status::CANCELLED);
            }
        }
    }
}

fn unavailable(error: &LibraryError) -> Response {
    tracing::error!(%error, "query failed");
    Response::failed(Status::OUT_OF_RESOURCES, "the index cannot be read now")
}

/// Hierarchical queries (C.4.1.2.1): one value for the unique key of each level above.
fn names_all_above(identifier: &Identifier) -> Result<(), Response> {
    for level in identifier.above() {
        if identifier.single(level)?.is_none() {
            return Err(mismatch(level.unique_key(), "a level above is not named; not a relational query"));
        }
    }
    Ok(())
}

pub(in crate::dimse) fn read(identifier: &Identifier, request: &Request) -> Result<Query, Response> {
    let keys = keys_of(&identifier.keys)?;
    Ok(Query { level: identifier.level, keys, fuzzy: request.agreed.get(2) == Some(&1) })
}

/// An identifier's keys with their values; what says how it is written or where objects are is none.
pub(super) fn keys_of(identifier: &Dataset) -> Result<Vec<(KeyPath, String)>, Response> {
    let mut keys = Vec::new();
    for element in identifier.elements() {
        let tag = element.tag;
        if tag.1 == 0 || is_about_the_query(tag) {
            continue;
        }
        match &element.value {
            Value::Bytes(_) => keys.push((vec![tag], text(identifier, tag))),
            Value::Elsewhere { .. } => return Err(mismatch(tag, "a value too long")),
            Value::Items(items) => match items.as_slice() {
                [] => keys.push((vec![tag], String::new())),
                [item] if item.is_empty() => keys.push((vec![tag], String::new())),
                [item] => {
                    for inner in item.elements().iter().filter(|inner| inner.tag.1 != 0) {
                        keys.push((vec![tag, inner.tag], text(item, inner.tag)));
                    }
                }
                _ => return Err(mismatch(tag, "a sequence of more than one item")),
            },
        }
        if keys.len() > MAX_KEYS {
            return Err(Response::failed(Status::CANNOT_UNDERSTAND, "too many keys"));
        }
    }
    Ok(keys)
}

pub(super) fn is_about_the_query(tag: Tag) -> bool {
    matches!(
        tag,
        tags::SPECIFIC_CHARACTER_SET
            | tags::QUERY_RETRIEVE_LEVEL
            | tags::QUERY_RETRIEVE_VIEW
            | tags::RETRIEVE_AE_TITLE
            | tags::INSTANCE_AVAILABILITY
            | tags::STORAGE_MEDIA_FILE_SET_ID
            | tags::STORAGE_MEDIA_FILE_SET_UID
    )
}

fn text(set: &Dataset, tag: Tag) -> String {
    match set.get(tag).map(|element| element.vr) {
        Some(VR::US | VR::SS | VR::UL | VR::SL | VR::SV | VR::UV) => {
            let numbers: Vec<String> = set.ints(tag).iter().map(i64::to_string).collect();
            numbers.join("\\")
        }
        _ => set.text(tag).unwrap_or_default(),
    }
}

/// Leaves what was asked for, empty where there is no value, and adds what every answer says of itself (C.4.1.1.3.2).
fn complete(answer: &mut Composed, identifier: &Identifier, unsupported: &BTreeSet<KeyPath>, peer: &Peer) {
    answer.retain(|tag| identifier.keys.get(tag).is_some());
    for element in identifier.keys.elements() {
        let tag = element.tag;
        let known = tag.1 != 0 && !is_about_the_query(tag) && !unsupported.iter().any(|path| path[0] == tag);
        if known && !answer.contains(tag) {
            match element.vr {
                VR::SQ => answer.items(tag, Vec::new()),
                vr => answer.text(tag, vr, ""),
            };
        }
    }
    answer.text(tags::QUERY_RETRIEVE_LEVEL, VR::CS, identifier.level.word());
    answer.text(tags::RETRIEVE_AE_TITLE, VR::AE, peer.called.as_str());
    if identifier.keys.get(tags::INSTANCE_AVAILABILITY).is_some() {
        answer.text(tags::INSTANCE_AVAILABILITY, VR::CS, "ONLINE");
    }
}

#[cfg(test)]
mod tests {
    use super::super::query::testing::request;
    use super::*;

    const STUDY_ROOT: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND;
    const PATIENT_ROOT: &str = uids::PATIENT_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND;
    const LEVEL: Tag = tags::QUERY_RETRIEVE_LEVEL;

    fn hierarchical(model: &str, keys: &[(Tag, &str)]) -> Result<(), Response> {
        names_all_above(&Identifier::read(&request(model, C_FIND_RQ, keys)).unwrap())
    }

    #[test]
    fn a_hierarchical_query_names_every_level_above_by_one_value() {
        let study = (tags::STUDY_INSTANCE_UID, "1.2");
        let patient = (tags::PATIENT_ID, "P1");
        assert!(hierarchical(STUDY_ROOT, &[(LEVEL, "STUDY")]).is_ok());
        assert!(hierarchical(STUDY_ROOT, &[(LEVEL, "SERIES"), study]).is_ok());
        assert!(hierarchical(PATIENT_ROOT, &[(LEVEL, "SERIES"), study, patient]).is_ok());
        for (model, keys, offending) in [
            (STUDY_ROOT, vec![(LEVEL, "SERIES")], tags::STUDY_INSTANCE_UID),
            (STUDY_ROOT, vec![(LEVEL, "SERIES"), (tags::STUDY_INSTANCE_UID, "1\\2")], tags::STUDY_INSTANCE_UID),
            (STUDY_ROOT, vec![(LEVEL, "IMAGE"), study], tags::SERIES_INSTANCE_UID),
            (PATIENT_ROOT, vec![(LEVEL, "STUDY"), (tags::PATIENT_ID, "P*")], tags::PATIENT_ID),
            (PATIENT_ROOT, vec![(LEVEL, "SERIES"), study], tags::PATIENT_ID),
        ] {
            let refused = hierarchical(model, &keys).unwrap_err();
            assert_eq!((refused.status, refused.offending), (Status::IDENTIFIER_MISMATCH, vec![offending]));
        }
    }

    fn query_of(composed: &Composed) -> Result<Query, Response> {
        let mut asked = request(STUDY_ROOT, C_FIND_RQ, &[]);
        asked.data_set = composed.encode(Plain::Implicit, Repertoire::Gb18030);
        asked.agreed = vec![1, 0, 1];
        read(&Identifier::read(&asked).unwrap(), &asked)
    }

    #[test]
    fn keys_are_read_in_their_character_set_with_those_in_sequences() {
        let mut item = Composed::default();
        item.text(tags::REQUESTED_PROCEDURE_ID, VR::SH, "R1").text(tags::SCHEDULED_PROCEDURE_STEP_ID, VR::SH, "");
        let mut asked = Composed::default();
        asked
            .text(LEVEL, VR::CS, "SERIES")
            .text(tags::RETRIEVE_AE_TITLE, VR::AE, "")
            .text(tags::PATIENT_NAME, VR::PN, "张*")
            .text(tags::STUDY_DATE, VR::DA, "20260101-")
            .bytes(tags::ROWS, VR::US, 512_u16.to_le_bytes())
            .items(tags::REQUEST_ATTRIBUTES_SEQUENCE, vec![item])
            .items(tags::PROCEDURE_CODE_SEQUENCE, vec![]);
        let query = query_of(&asked).unwrap();
        let request = |tag| vec![tags::REQUEST_ATTRIBUTES_SEQUENCE, tag];
        let expected = [
            (vec![tags::STUDY_DATE], "20260101-"),
            (vec![tags::PROCEDURE_CODE_SEQUENCE], ""),
            (vec![tags::PATIENT_NAME], "张*"),
            (vec![tags::ROWS], "512"),
            (request(tags::SCHEDULED_PROCEDURE_STEP_ID), ""),
            (request(tags::REQUESTED_PROCEDURE_ID), "R1"),
        ];
        let keys: Vec<_> = query.keys.iter().map(|(path, value)| (path.clone(), value.as_str())).collect();
        assert_eq!(keys, expected);
        assert_eq!((query.level, query.fuzzy), (Level::Series, true));
    }

    #[test]
    fn a_sequence_of_several_items_or_too_many_keys_are_refused() {
        let mut item = Composed::default();
        item.text(tags::CODE_VALUE, VR::SH, "1");
        let mut asked = Composed::default();
        asked.text(LEVEL, VR::CS, "STUDY").items(tags::PROCEDURE_CODE_SEQUENCE, vec![item.clone(), item]);
        assert_eq!(query_of(&asked).unwrap_err().offending, [tags::PROCEDURE_CODE_SEQUENCE]);
        let mut asked = Composed::default();
        asked.text(LEVEL, VR::CS, "STUDY");
        for number in 0x9000..0x9400 {
            asked.text(Tag(0x0018, number), VR::LO, "");
        }
        assert_eq!(query_of(&asked).unwrap_err().status, Status::CANNOT_UNDERSTAND);
    }
}
