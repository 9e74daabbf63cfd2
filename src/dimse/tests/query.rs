//! C-FIND on the wire, against a catalogue that counts.

use std::collections::BTreeSet;

use dicom_dictionary_std::{tags, uids};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::services::{cancel, message};
use super::*;
use crate::dicom::{Composed, Limits, Plain, Repertoire, Tag, VR, walk_data_set};
use crate::dimse::command::{C_FIND_RQ, RESPONSE};
use crate::dimse::pdu::ExtendedNegotiation;
use crate::dimse::pdv::message_pdus;
use crate::dimse::services::Peer;
use crate::dimse::services::find::{Answers, Catalogue, Find, FindError, KeyPath, Query};
use crate::dimse::services::retrieve::LibraryError;

const FIND: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND;

/// As many matches as the accession number asked for says.
struct Counting;

struct Counted {
    left: u32,
    unsupported: BTreeSet<KeyPath>,
}

impl Catalogue for Counting {
    fn find<'a>(&'a self, _peer: &'a Peer, query: &'a Query) -> BoxFuture<'a, Result<Box<dyn Answers>, FindError>> {
        let value = |tag: Tag| query.keys.iter().find(|(path, _)| *path == [tag]).map(|(_, value)| value.as_str());
        let left = match value(tags::ACCESSION_NUMBER) {
            Some("down") => return async { Err(LibraryError("no database".into()).into()) }.boxed(),
            Some(count) => count.parse().map_err(|_| FindError::BadKey(tags::ACCESSION_NUMBER)),
            None => Ok(0),
        };
        let known = |path: &KeyPath| *path == [tags::ACCESSION_NUMBER] || *path == [tags::PATIENT_NAME];
        let unsupported = query.keys.iter().map(|(path, _)| path.clone()).filter(|path| !known(path)).collect();
        async move { left.map(|left| Box::new(Counted { left, unsupported }) as Box<dyn Answers>) }.boxed()
    }
}

impl Answers for Counted {
    fn unsupported(&self) -> &BTreeSet<KeyPath> {
        &self.unsupported
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Composed>, LibraryError>> {
        let page = self.left.min(3);
        self.left -= page;
        let mut answer = Composed::default();
        answer.text(tags::PATIENT_NAME, VR::PN, "王^小东").text(tags::ACCESSION_NUMBER, VR::SH, "");
        async move { Ok(vec![answer; page as usize]) }.boxed()
    }

    fn repertoire(&self) -> Option<Repertoire> {
        Some(Repertoire::Gb18030)
    }
}

fn ask(message_id: u16, keys: &[(Tag, VR, &str)]) -> Vec<u8> {
    let mut identifier = Composed::default();
    for (tag, vr, value) in keys {
        identifier.text(*tag, *vr, *value);
    }
    let mut command = store_request(message_id, FIND, "", None);
    let at = command.windows(8).position(|window| window[..4] == [0, 0, 0, 1]).unwrap();
    command[at + 8..at + 10].copy_from_slice(&C_FIND_RQ.to_le_bytes());
    message_pdus(1, &command, Some(&identifier.encode(Plain::Explicit, Repertoire::Utf8)), 16_384)
}

const STUDY: (Tag, VR, &str) = (tags::QUERY_RETRIEVE_LEVEL, VR::CS, "STUDY");
const SERIES: (Tag, VR, &str) = (tags::QUERY_RETRIEVE_LEVEL, VR::CS, "SERIES");

fn matches(count: &'static str) -> (Tag, VR, &'static str) {
    (tags::ACCESSION_NUMBER, VR::SH, count)
}

async fn finder(extended: &[u8]) -> (Running, TcpStream, Vec<u8>) {
    let services = Services::default().with(Find::new(Arc::new(Counting)));
    let server = start_with(DimseConfig::default(), services).await;
    let contexts =
        vec![ProposedContext { id: 1, abstract_syntax: FIND.into(), transfer_syntaxes: vec![EXPLICIT.into()] }];
    let extended = vec![ExtendedNegotiation { sop_class: FIND.into(), information: extended.to_vec() }];
    let user = UserInformation { max_length: 16_384, extended, ..UserInformation::default() };
    let (stream, accepted) = server.associate(AssociateRq { contexts, user, ..association_request() }).await;
    (server, stream, accepted.user.extended[0].information.clone())
}

#[tokio::test]
async fn each_match_is_a_pending_response_that_says_where_it_can_be_had() {
    let (_server, mut stream, agreed) = finder(&[1, 1, 1]).await;
    assert_eq!(agreed, [1, 0, 1]);
    let asked = [STUDY, matches("7"), (tags::PATIENT_NAME, VR::PN, ""), (tags::INSTANCE_AVAILABILITY, VR::CS, "")];
    stream.write_all(&ask(1, &asked)).await.unwrap();
    for _ in 0..7 {
        let (response, data) = message(&mut stream).await;
        assert_eq!((response.field, response.status), (C_FIND_RQ | RESPONSE, Some(Status::PENDING)));
        let set = walk_data_set(&data, EXPLICIT, &Limits::message()).unwrap();
        assert_eq!(set.uid(tags::SPECIFIC_CHARACTER_SET), Some("GB18030"));
        assert_eq!(set.text(tags::PATIENT_NAME).as_deref(), Some("王^小东"));
        assert_eq!(set.uid(tags::QUERY_RETRIEVE_LEVEL), Some("STUDY"));
        assert_eq!(set.uid(tags::RETRIEVE_AE_TITLE), Some("YUNYING"));
        assert_eq!(set.uid(tags::INSTANCE_AVAILABILITY), Some("ONLINE"));
    }
    let (last, _) = message(&mut stream).await;
    assert_eq!((last.status, last.has_data_set), (Some(Status::SUCCESS), false));
    stream.write_all(&ask(2, &[STUDY, matches("1"), (tags::PATIENT_WEIGHT, VR::DS, "70")])).await.unwrap();
    assert_eq!(message(&mut stream).await.0.status, Some(Status::PENDING_WITHOUT_A_KEY));
    assert_eq!(message(&mut stream).await.0.status, Some(Status::SUCCESS));
}

#[tokio::test]
async fn a_query_that_was_not_agreed_to_or_makes_no_sense_is_refused_with_what_offends() {
    let (_server, mut stream, _) = finder(&[0]).await;
    for (keys, status, offending) in [
        (vec![SERIES, matches("1")], 0xA900, Some(tags::STUDY_INSTANCE_UID)),
        (vec![matches("1")], 0xA900, Some(tags::QUERY_RETRIEVE_LEVEL)),
        (vec![STUDY, matches("many")], 0xA900, Some(tags::ACCESSION_NUMBER)),
        (vec![STUDY, matches("down")], 0xA700, None),
    ] {
        stream.write_all(&ask(1, &keys)).await.unwrap();
        let (response, _) = message(&mut stream).await;
        assert_eq!((response.status, response.offending.first().copied()), (Some(Status(status)), offending));
    }
    let (_server, mut stream, _) = finder(&[1]).await;
    stream.write_all(&ask(1, &[SERIES, matches("0")])).await.unwrap();
    assert_eq!(message(&mut stream).await.0.status, Some(Status::SUCCESS), "relational");
}

#[tokio::test]
async fn a_query_without_end_stops_at_a_cancel_and_at_a_peer_that_is_gone() {
    let (server, mut stream, _) = finder(&[0]).await;
    stream.write_all(&ask(1, &[STUDY, matches("4000000000")])).await.unwrap();
    for _ in 0..10 {
        assert_eq!(message(&mut stream).await.0.status, Some(Status::PENDING));
    }
    stream.write_all(&cancel(1)).await.unwrap();
    let last = loop {
        let (response, _) = message(&mut stream).await;
        if response.status != Some(Status::PENDING) {
            break response;
        }
    };
    assert_eq!(last.status, Some(Status::CANCELLED));
    stream.write_all(&ask(2, &[STUDY, matches("4000000000")])).await.unwrap();
    message(&mut stream).await;
    drop(stream);
    server.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), server.served).await.expect("nothing goes on").unwrap();
}
