//! Whatever bytes a peer sends, each reader by itself; see [`crate::fuzzing`]. That they fit together is tried by the
//! harness over real connections.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::DimseConfig;
use super::command::{Command, Response, Status};
use super::negotiation::agree;
use super::pdu::{self, AssociateAc, AssociateRq, HEADER_LENGTH, PduHeader};
use super::pdv::{PDV_HEADER, PdvHeader};
use super::services::query::Identifier;
use super::services::retrieve::Wanted;
use super::services::{Peer, Request, Services};
use crate::dicom::uids;
use crate::fuzzing::seen;

/// A stream of PDUs.
pub fn pdus(mut bytes: &[u8]) {
    let mut gathered = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<HEADER_LENGTH>() {
        let header = PduHeader::decode(*head);
        let (body, after) = rest.split_at(rest.len().min(header.length as usize));
        bytes = after;
        match header.kind {
            pdu::ASSOCIATE_RQ => seen(AssociateRq::decode(body).map(|request| answered(&request))),
            pdu::ASSOCIATE_AC => seen(AssociateAc::decode(body).map(|accepted| accepted.encode())),
            pdu::P_DATA_TF => p_data(body, &mut gathered),
            _ => {}
        }
    }
}

fn answered(request: &AssociateRq) {
    let agreement = agree(request, &DimseConfig::default(), &Services::default());
    assert_eq!(agreement.answer.contexts.len(), request.contexts.len(), "an answer to each context");
    let bytes = agreement.answer.encode();
    assert!(AssociateAc::decode(&bytes[HEADER_LENGTH..]).is_ok(), "an answer that can be read");
}

fn p_data(mut body: &[u8], gathered: &mut Vec<u8>) {
    while let Some((head, rest)) = body.split_first_chunk::<PDV_HEADER>() {
        let Some(fragment) = PdvHeader::decode(*head, body.len()) else { return };
        let (bytes, after) = rest.split_at(fragment.length);
        body = after;
        if fragment.command && gathered.len() + bytes.len() <= 64 * 1024 {
            gathered.extend_from_slice(bytes);
            if fragment.last {
                command(gathered);
                gathered.clear();
            }
        }
    }
}

/// A command set, and an answer to it.
pub fn command(bytes: &[u8]) {
    let Ok(command) = Command::decode(bytes) else { return };
    let refused = Response::failed(Status::PROCESSING_FAILURE, command.comment.clone());
    let answer = Command::decode(&command.response(&refused.offending(command.offending.clone())));
    assert!(answer.is_ok_and(|answer| answer.message_id == command.message_id), "an answer that can be read");
}

/// A byte for the information model and encoding, then the identifier of a query or retrieval.
pub fn identifier(bytes: &[u8]) {
    let Some((&kind, data_set)) = bytes.split_first() else { return };
    let abstract_syntax = match kind & 3 {
        0 => uids::PATIENT_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND,
        1 => uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE,
        2 => uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_GET,
        _ => "1.2.840.10008.5.1.4.1.2.3.1",
    };
    let plain = [uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::IMPLICIT_VR_LITTLE_ENDIAN][usize::from(kind >> 2 & 1)];
    let peer = Peer { calling: "A".into(), called: "B".into(), address: IpAddr::V4(Ipv4Addr::LOCALHOST), device: None };
    let request = Request {
        peer: Arc::new(peer),
        abstract_syntax: abstract_syntax.into(),
        transfer_syntax: plain.into(),
        agreed: vec![kind >> 3 & 1],
        command: Command::default(),
        data_set: data_set.to_vec(),
    };
    let Ok(identifier) = Identifier::read(&request) else { return };
    seen(Wanted::read(&identifier));
    identifier.above().for_each(|level| seen(identifier.single(level)));
    seen(super::services::find::read(&identifier, &request));
}
