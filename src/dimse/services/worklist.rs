//! The modality worklist (PS3.4 annex K): what exams a device is to make, as matches of a C-FIND.
//!
//! One level, no unique key: any keys of table K.6-1 in any combination. A sequence that is asked for without keys comes
//! whole, one with keys comes with those.

use std::collections::BTreeSet;
use std::sync::Arc;

use dicom_dictionary_std::{tags, uids};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::find::{Answers, FindError, KeyPath, is_about_the_query, keys_of, send_all};
use super::{Exchange, Peer, Request, Response, Service, Status};
use crate::dicom::{Composed, Dataset, Limits, Plain, Tag, VR, Value, walk_data_set};
use crate::dimse::command::C_FIND_RQ;

/// Attributes of table K.6-1 that are returned whether or not anything is known of them.
const STEP: [Tag; 15] = [
    tags::MODALITY,
    tags::BODY_PART_EXAMINED,
    tags::REQUESTED_CONTRAST_AGENT,
    tags::SCHEDULED_STATION_AE_TITLE,
    tags::SCHEDULED_PROCEDURE_STEP_START_DATE,
    tags::SCHEDULED_PROCEDURE_STEP_START_TIME,
    tags::SCHEDULED_PERFORMING_PHYSICIAN_NAME,
    tags::SCHEDULED_PROCEDURE_STEP_DESCRIPTION,
    tags::SCHEDULED_PROTOCOL_CODE_SEQUENCE,
    tags::SCHEDULED_PROCEDURE_STEP_ID,
    tags::SCHEDULED_STATION_NAME,
    tags::SCHEDULED_PROCEDURE_STEP_LOCATION,
    tags::PRE_MEDICATION,
    tags::SCHEDULED_PROCEDURE_STEP_STATUS,
    tags::COMMENTS_ON_THE_SCHEDULED_PROCEDURE_STEP,
];
const REST: [Tag; 29] = [
    tags::ACCESSION_NUMBER,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::REFERENCED_STUDY_SEQUENCE,
    tags::REFERENCED_PATIENT_SEQUENCE,
    tags::INSTITUTION_NAME,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::PATIENT_WEIGHT,
    tags::MEDICAL_ALERTS,
    tags::ALLERGIES,
    tags::PREGNANCY_STATUS,
    tags::STUDY_INSTANCE_UID,
    tags::REQUESTING_PHYSICIAN,
    tags::REQUESTED_PROCEDURE_DESCRIPTION,
    tags::REQUESTED_PROCEDURE_CODE_SEQUENCE,
    tags::ADMISSION_ID,
    tags::SPECIAL_NEEDS,
    tags::CURRENT_PATIENT_LOCATION,
    tags::PATIENT_STATE,
    tags::SCHEDULED_PROCEDURE_STEP_SEQUENCE,
    tags::REQUESTED_PROCEDURE_ID,
    tags::REASON_FOR_THE_REQUESTED_PROCEDURE,
    tags::REQUESTED_PROCEDURE_PRIORITY,
    tags::PATIENT_TRANSPORT_ARRANGEMENTS,
    tags::REQUESTED_PROCEDURE_COMMENTS,
    tags::CONFIDENTIALITY_CONSTRAINT_ON_PATIENT_DATA_DESCRIPTION,
];

/// Whether an answer has the attribute at `path`, if only without a value.
pub fn is_known(path: &[Tag]) -> bool {
    match *path {
        [tag] => REST.contains(&tag),
        [tags::SCHEDULED_PROCEDURE_STEP_SEQUENCE, tag] => STEP.contains(&tag),
        // There are no items in other sequences.
        [tag, _] => REST.contains(&tag),
        _ => false,
    }
}

/// What there is to be done; its owner's rules say what a peer may see.
pub trait Schedule: Send + Sync + 'static {
    /// `keys` as [`find::Query`](super::find::Query) has them.
    fn find<'a>(
        &'a self,
        peer: &'a Peer,
        keys: &'a [(KeyPath, String)],
    ) -> BoxFuture<'a, Result<Box<dyn Answers>, FindError>>;
}

pub struct Worklist {
    schedule: Arc<dyn Schedule>,
}

impl Worklist {
    pub fn new(schedule: Arc<dyn Schedule>) -> Self {
        Self { schedule }
    }
}

impl Service for Worklist {
    fn abstract_syntaxes(&self) -> &[&'static str] {
        &[uids::MODALITY_WORKLIST_INFORMATION_MODEL_FIND]
    }

    fn commands(&self) -> &[u16] {
        &[C_FIND_RQ]
    }

    fn perform(&self, request: Request, exchange: Exchange) -> BoxFuture<'static, Response> {
        let schedule = self.schedule.clone();
        async move { find(&*schedule, &request, &exchange).await.unwrap_or_else(|refused| refused) }.boxed()
    }
}

async fn find(schedule: &dyn Schedule, request: &Request, exchange: &Exchange) -> Result<Response, Response> {
    let form = Plain::of_transfer_syntax(&request.transfer_syntax).unwrap_or(Plain::Implicit);
    let identifier = walk_data_set(&request.data_set, &request.transfer_syntax, &Limits::message());
    let identifier = identifier.map_err(|error| {
        tracing::info!(%error, calling = %request.peer.calling, "identifier refused");
        Response::failed(Status::CANNOT_UNDERSTAND, format!("identifier: {error}"))
    })?;
    let keys = keys_of(&identifier)?;
    let mut answers = schedule.find(&request.peer, &keys).await.map_err(FindError::response)?;
    let complete = |answer: &mut Composed, unsupported: &BTreeSet<KeyPath>| complete(answer, &identifier, unsupported);
    Ok(send_all(&mut *answers, &identifier, form, exchange, complete).await)
}

/// Leaves what was asked for, empty where there is no value.
fn complete(answer: &mut Composed, identifier: &Dataset, unsupported: &BTreeSet<KeyPath>) {
    narrow(answer, identifier, &[], unsupported);
    for element in identifier.elements() {
        let Value::Items(items) = &element.value else { continue };
        let Some(wanted) = items.first().filter(|item| !item.is_empty()) else { continue };
        for item in answer.items_mut(element.tag) {
            narrow(item, wanted, &[element.tag], unsupported);
        }
    }
}

fn narrow(answer: &mut Composed, wanted: &Dataset, within: &[Tag], unsupported: &BTreeSet<KeyPath>) {
    answer.retain(|tag| wanted.get(tag).is_some());
    for element in wanted.elements() {
        let path: KeyPath = within.iter().copied().chain([element.tag]).collect();
        let is_key = element.tag.1 != 0 && !is_about_the_query(element.tag);
        if is_key && !unsupported.contains(&path) && is_known(&path) && !answer.contains(element.tag) {
            match element.vr {
                VR::SQ => answer.items(element.tag, Vec::new()),
                vr => answer.text(element.tag, vr, ""),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::Repertoire;

    const SEQUENCE: Tag = tags::SCHEDULED_PROCEDURE_STEP_SEQUENCE;

    fn order() -> Composed {
        let mut step = Composed::default();
        step.text(tags::MODALITY, VR::CS, "CT").text(tags::SCHEDULED_STATION_AE_TITLE, VR::AE, "QH_CT01");
        let mut order = Composed::default();
        order.text(tags::PATIENT_NAME, VR::PN, "Zhang^San=张^三").text(tags::ACCESSION_NUMBER, VR::SH, "A1");
        order.items(SEQUENCE, vec![step]);
        order
    }

    fn read(composed: &Composed) -> Dataset {
        let bytes = composed.encode(Plain::Implicit, Repertoire::Utf8);
        walk_data_set(&bytes, uids::IMPLICIT_VR_LITTLE_ENDIAN, &Limits::message()).unwrap()
    }

    fn asked(step: Option<&[Tag]>) -> Dataset {
        let mut asked = Composed::default();
        asked.text(tags::PATIENT_NAME, VR::PN, "").text(tags::PATIENT_WEIGHT, VR::DS, "");
        asked.text(tags::PATIENT_COMMENTS, VR::LT, "").text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "GB18030");
        let item = |tags: &[Tag]| {
            let mut item = Composed::default();
            for tag in tags {
                item.text(*tag, VR::SH, "");
            }
            item
        };
        asked.items(SEQUENCE, step.map(item).into_iter().collect());
        read(&asked)
    }

    fn answered(step: Option<&[Tag]>) -> Dataset {
        let mut answer = order();
        let unsupported = [vec![tags::PATIENT_COMMENTS]].into();
        complete(&mut answer, &asked(step), &unsupported);
        read(&answer)
    }

    #[test]
    fn an_answer_has_what_was_asked_for_and_nothing_else() {
        let set = answered(Some(&[tags::SCHEDULED_STATION_AE_TITLE, tags::PRE_MEDICATION]));
        assert_eq!(set.text(tags::PATIENT_NAME).as_deref(), Some("Zhang^San=张^三"));
        assert_eq!(set.bytes(tags::PATIENT_WEIGHT), Some(&[][..]));
        assert!(set.get(tags::ACCESSION_NUMBER).is_none() && set.get(tags::PATIENT_COMMENTS).is_none());
        let step = set.item(SEQUENCE).unwrap();
        assert_eq!(step.uid(tags::SCHEDULED_STATION_AE_TITLE), Some("QH_CT01"));
        assert_eq!(step.bytes(tags::PRE_MEDICATION), Some(&[][..]));
        assert!(step.get(tags::MODALITY).is_none());
    }

    #[test]
    fn a_sequence_asked_for_without_keys_comes_whole() {
        for nothing in [None, Some(&[][..])] {
            let set = answered(nothing);
            let step = set.item(SEQUENCE).unwrap();
            assert_eq!((step.uid(tags::MODALITY), step.elements().len()), (Some("CT"), 2));
        }
    }

    #[test]
    fn what_the_table_names_is_known() {
        assert!(is_known(&[tags::PATIENT_STATE]) && is_known(&[SEQUENCE, tags::PRE_MEDICATION]));
        assert!(is_known(&[tags::REFERENCED_STUDY_SEQUENCE, tags::REFERENCED_SOP_CLASS_UID]));
        assert!(!is_known(&[tags::PRE_MEDICATION]) && !is_known(&[SEQUENCE, tags::PATIENT_STATE]));
    }
}
