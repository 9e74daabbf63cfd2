//! Rows as the attributes of PS3.4 C.6.1 and C.6.2.

use serde::Deserialize;

use crate::dicom::{Composed, Tag, VR, tags};
use crate::index::find::{InstanceFound, Key, Level, PatientFound, RequestFound, SeriesFound, StudyFound};

/// Whether an answer of this level has the attribute at `path`, or would have it if there were a value.
pub fn is_known(level: Level, path: &[Tag]) -> bool {
    if Key::of(path).is_some_and(|key| key.level() <= level) {
        return true;
    }
    let [tag] = path else { return false };
    let of = match *tag {
        tags::NUMBER_OF_PATIENT_RELATED_STUDIES
        | tags::NUMBER_OF_PATIENT_RELATED_SERIES
        | tags::NUMBER_OF_PATIENT_RELATED_INSTANCES => return level == Level::Patient,
        tags::NUMBER_OF_STUDY_RELATED_SERIES
        | tags::NUMBER_OF_STUDY_RELATED_INSTANCES
        | tags::SOP_CLASSES_IN_STUDY
        | tags::TIMEZONE_OFFSET_FROM_UTC => Level::Study,
        tags::NUMBER_OF_SERIES_RELATED_INSTANCES | tags::REQUEST_ATTRIBUTES_SEQUENCE => Level::Series,
        tags::AVAILABLE_TRANSFER_SYNTAX_UID
        | tags::NUMBER_OF_FRAMES
        | tags::ROWS
        | tags::COLUMNS
        | tags::BITS_ALLOCATED => Level::Instance,
        _ => return false,
    };
    of <= level
}

pub fn patient(found: &PatientFound) -> Composed {
    let mut answer = Composed::default();
    let who = Demographics {
        name: &found.patient_name,
        id: &found.patient_id,
        issuer: &found.issuer,
        sex: &found.sex,
        birth_date: &found.birth_date,
    };
    who.put(&mut answer);
    number(&mut answer, tags::NUMBER_OF_PATIENT_RELATED_STUDIES, found.patient_studies);
    number(&mut answer, tags::NUMBER_OF_PATIENT_RELATED_SERIES, found.patient_series);
    number(&mut answer, tags::NUMBER_OF_PATIENT_RELATED_INSTANCES, found.patient_instances);
    answer
}

pub fn study(found: &StudyFound) -> Composed {
    let mut answer = Composed::default();
    of_study(&mut answer, found);
    answer
}

pub fn series(found: &SeriesFound) -> Composed {
    let mut answer = study(&found.of);
    of_series(&mut answer, found);
    answer
}

pub fn instance(found: &InstanceFound) -> Composed {
    let mut answer = series(&found.of);
    answer
        .text(tags::SOP_INSTANCE_UID, VR::UI, found.sop_uid.as_str())
        .text(tags::SOP_CLASS_UID, VR::UI, found.sop_class.as_str())
        .text(tags::AVAILABLE_TRANSFER_SYNTAX_UID, VR::UI, found.transfer_syntax.as_str());
    number(&mut answer, tags::INSTANCE_NUMBER, found.instance_number);
    if let Some(size) = found.attrs.as_deref().and_then(|text| serde_json::from_str::<Size>(text).ok()) {
        number(&mut answer, tags::NUMBER_OF_FRAMES, size.frames.into());
        for (tag, value) in [
            (tags::ROWS, size.rows),
            (tags::COLUMNS, size.columns),
            // Single bits are delivered one a byte, but not stored so.
            (tags::BITS_ALLOCATED, if size.bits_stored == 1 { 1 } else { size.bits_allocated }),
        ] {
            answer.bytes(tag, VR::US, value.to_le_bytes());
        }
    }
    answer
}

pub fn classes(answer: &mut Composed, classes: &[String]) {
    answer.text(tags::SOP_CLASSES_IN_STUDY, VR::UI, classes.join("\\"));
}

pub fn requests(answer: &mut Composed, requests: &[RequestFound]) {
    let item = |request: &RequestFound| {
        let mut item = Composed::default();
        item.text(tags::REQUESTED_PROCEDURE_ID, VR::SH, request.procedure_id.as_str()).text(
            tags::SCHEDULED_PROCEDURE_STEP_ID,
            VR::SH,
            request.step_id.as_str(),
        );
        item
    };
    answer.items(tags::REQUEST_ATTRIBUTES_SEQUENCE, requests.iter().map(item).collect());
}

struct Demographics<'a> {
    name: &'a str,
    id: &'a str,
    issuer: &'a str,
    sex: &'a str,
    birth_date: &'a str,
}

impl Demographics<'_> {
    fn put(&self, answer: &mut Composed) {
        let sex = match self.sex {
            "male" => "M",
            "female" => "F",
            "other" => "O",
            _ => "",
        };
        answer
            .text(tags::PATIENT_NAME, VR::PN, self.name)
            .text(tags::PATIENT_ID, VR::LO, self.id)
            .text(tags::ISSUER_OF_PATIENT_ID, VR::LO, self.issuer)
            .text(tags::PATIENT_SEX, VR::CS, sex)
            .text(tags::PATIENT_BIRTH_DATE, VR::DA, self.birth_date);
    }
}

fn of_study(answer: &mut Composed, found: &StudyFound) {
    let who = Demographics {
        name: &found.patient_name,
        id: &found.patient_id,
        issuer: &found.issuer,
        sex: &found.sex,
        birth_date: &found.birth_date,
    };
    who.put(answer);
    let modalities: Vec<&str> = found.modalities.split(',').filter(|modality| !modality.is_empty()).collect();
    answer
        .text(tags::STUDY_INSTANCE_UID, VR::UI, found.study_uid.as_str())
        .text(tags::STUDY_ID, VR::SH, found.study_id.as_str())
        .text(tags::STUDY_DATE, VR::DA, found.study_date.as_str())
        .text(tags::STUDY_TIME, VR::TM, found.study_time.as_str())
        .text(tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, found.timezone.as_str())
        .text(tags::ACCESSION_NUMBER, VR::SH, found.accession.as_str())
        .text(tags::STUDY_DESCRIPTION, VR::LO, found.study_description.as_str())
        .text(tags::MODALITIES_IN_STUDY, VR::CS, modalities.join("\\"))
        .text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, found.referring.as_str());
    number(answer, tags::NUMBER_OF_STUDY_RELATED_SERIES, found.study_series);
    number(answer, tags::NUMBER_OF_STUDY_RELATED_INSTANCES, found.study_instances);
}

fn of_series(answer: &mut Composed, found: &SeriesFound) {
    answer
        .text(tags::SERIES_INSTANCE_UID, VR::UI, found.series_uid.as_str())
        .text(tags::MODALITY, VR::CS, found.modality.as_str())
        .text(tags::SERIES_DESCRIPTION, VR::LO, found.series_description.as_str())
        .text(tags::BODY_PART_EXAMINED, VR::CS, found.body_part.as_str())
        .text(tags::PERFORMED_PROCEDURE_STEP_START_DATE, VR::DA, found.performed_date.as_str())
        .text(tags::PERFORMED_PROCEDURE_STEP_START_TIME, VR::TM, found.performed_time.as_str());
    number(answer, tags::SERIES_NUMBER, found.series_number);
    number(answer, tags::NUMBER_OF_SERIES_RELATED_INSTANCES, found.series_instances);
}

fn number(answer: &mut Composed, tag: Tag, value: i64) {
    answer.text(tag, VR::IS, value.to_string());
}

/// What an answer shows of an image's attributes; tables in them are passed over.
#[derive(Deserialize)]
struct Size {
    rows: u16,
    columns: u16,
    frames: u32,
    bits_allocated: u16,
    bits_stored: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_known_at_its_level_and_below() {
        assert!(is_known(Level::Study, &[tags::PATIENT_NAME]) && is_known(Level::Instance, &[tags::STUDY_DATE]));
        assert!(is_known(Level::Series, &[tags::REQUEST_ATTRIBUTES_SEQUENCE, tags::REQUESTED_PROCEDURE_ID]));
        assert!(!is_known(Level::Study, &[tags::MODALITY]) && !is_known(Level::Study, &[tags::PROTOCOL_NAME]));
        assert!(!is_known(Level::Study, &[tags::NUMBER_OF_PATIENT_RELATED_STUDIES]));
    }
}
