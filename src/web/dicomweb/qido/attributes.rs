//! Results as DICOM JSON (PS3.18 tables 10.6.3-3 to 10.6.3-5).

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::{Of, base_url};
use crate::dicom::{PersonName, Tag, VR, tags};
use crate::index::dicomweb::Instead;
use crate::index::find::{InstanceFound, RequestFound, SeriesFound, StudyFound};

/// Which levels above its own a result shows: those its resource does not name.
#[derive(Debug, Clone, Copy)]
pub struct Above {
    study: bool,
    series: bool,
}

impl Above {
    pub fn of(of: &Of) -> Self {
        Self { study: of.study.is_none(), series: of.series.is_none() }
    }
}

/// Attributes of one result.
#[derive(Default)]
pub struct Attributes(Map<String, Value>);

impl Attributes {
    pub fn study(found: &StudyFound) -> Self {
        let mut out = Self::default();
        out.of_study(found).text(tags::RETRIEVE_URL, VR::UR, &base_url(&found.study_uid, None, None));
        out
    }

    /// `requests`: the series' Request Attributes Sequence.
    pub fn series(found: &SeriesFound, requests: &[RequestFound], above: Above) -> Self {
        let mut out = Self::default();
        if above.study {
            out.of_study(&found.of);
        }
        let url = base_url(&found.of.study_uid, Some(&found.series_uid), None);
        out.of_series(found).text(tags::RETRIEVE_URL, VR::UR, &url);
        if !requests.is_empty() {
            let item = |request: &RequestFound| {
                let mut item = Self::default();
                item.text(tags::REQUESTED_PROCEDURE_ID, VR::SH, &request.procedure_id).text(
                    tags::SCHEDULED_PROCEDURE_STEP_ID,
                    VR::SH,
                    &request.step_id,
                );
                Value::Object(item.0)
            };
            out.put(tags::REQUEST_ATTRIBUTES_SEQUENCE, VR::SQ, requests.iter().map(item).collect());
        }
        out
    }

    pub fn instance(found: &InstanceFound, above: Above) -> Self {
        let (series, study) = (&found.of, &found.of.of);
        let mut out = Self::default();
        if above.study {
            out.of_study(study);
        }
        if above.series {
            out.of_series(series);
        }
        let url = base_url(&study.study_uid, Some(&series.series_uid), Some(&found.sop_uid));
        out.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
            .text(tags::SOP_CLASS_UID, VR::UI, &found.sop_class)
            .text(tags::SOP_INSTANCE_UID, VR::UI, &found.sop_uid)
            .text(tags::INSTANCE_AVAILABILITY, VR::CS, "ONLINE")
            .text(tags::AVAILABLE_TRANSFER_SYNTAX_UID, VR::UI, &found.transfer_syntax)
            .text(tags::RETRIEVE_URL, VR::UR, &url)
            .text(tags::STUDY_INSTANCE_UID, VR::UI, &study.study_uid)
            .text(tags::SERIES_INSTANCE_UID, VR::UI, &series.series_uid)
            .number(tags::INSTANCE_NUMBER, VR::IS, found.instance_number);
        if let Some(size) = found.attrs.as_deref().and_then(|text| serde_json::from_str::<Size>(text).ok()) {
            out.number(tags::NUMBER_OF_FRAMES, VR::IS, size.frames.into())
                .number(tags::ROWS, VR::US, size.rows.into())
                .number(tags::COLUMNS, VR::US, size.columns.into())
                .number(tags::BITS_ALLOCATED, VR::US, size.allocated());
        }
        out
    }

    /// The patient of a study that was corrected.
    pub fn patient(instead: &Instead) -> Self {
        let mut out = Self::default();
        out.name(tags::PATIENT_NAME, &instead.name)
            .text(tags::PATIENT_ID, VR::LO, &instead.pid)
            .text(tags::ISSUER_OF_PATIENT_ID, VR::LO, &instead.issuer)
            .text(tags::PATIENT_BIRTH_DATE, VR::DA, &instead.birth_date)
            .text(tags::PATIENT_SEX, VR::CS, sex(&instead.sex));
        out
    }

    fn of_study(&mut self, found: &StudyFound) -> &mut Self {
        let modalities = found.modalities.split(',').filter(|m| !m.is_empty()).map(|m| json!(m)).collect();
        self.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
            .text(tags::STUDY_DATE, VR::DA, &found.study_date)
            .text(tags::STUDY_TIME, VR::TM, &found.study_time)
            .text(tags::ACCESSION_NUMBER, VR::SH, &found.accession)
            .text(tags::INSTANCE_AVAILABILITY, VR::CS, "ONLINE")
            .put(tags::MODALITIES_IN_STUDY, VR::CS, modalities)
            .name(tags::REFERRING_PHYSICIAN_NAME, &found.referring)
            .text(tags::STUDY_DESCRIPTION, VR::LO, &found.study_description)
            .name(tags::PATIENT_NAME, &found.patient_name)
            .text(tags::PATIENT_ID, VR::LO, &found.patient_id)
            .text(tags::PATIENT_BIRTH_DATE, VR::DA, &found.birth_date)
            .text(tags::PATIENT_SEX, VR::CS, sex(&found.sex))
            .text(tags::STUDY_INSTANCE_UID, VR::UI, &found.study_uid)
            .text(tags::STUDY_ID, VR::SH, &found.study_id)
            .number(tags::NUMBER_OF_STUDY_RELATED_SERIES, VR::IS, found.study_series)
            .number(tags::NUMBER_OF_STUDY_RELATED_INSTANCES, VR::IS, found.study_instances);
        // Those of type 3 that say nothing are left out.
        for (tag, vr, value) in [
            (tags::ISSUER_OF_PATIENT_ID, VR::LO, &found.issuer),
            (tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, &found.timezone),
        ] {
            if !value.is_empty() {
                self.text(tag, vr, value);
            }
        }
        self
    }

    fn of_series(&mut self, found: &SeriesFound) -> &mut Self {
        self.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
            .text(tags::MODALITY, VR::CS, &found.modality)
            .text(tags::SERIES_DESCRIPTION, VR::LO, &found.series_description)
            .text(tags::BODY_PART_EXAMINED, VR::CS, &found.body_part)
            .text(tags::STUDY_INSTANCE_UID, VR::UI, &found.of.study_uid)
            .text(tags::SERIES_INSTANCE_UID, VR::UI, &found.series_uid)
            .number(tags::SERIES_NUMBER, VR::IS, found.series_number)
            .number(tags::NUMBER_OF_SERIES_RELATED_INSTANCES, VR::IS, found.series_instances);
        for (tag, vr, value) in [
            (tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, &found.of.timezone),
            (tags::PERFORMED_PROCEDURE_STEP_START_DATE, VR::DA, &found.performed_date),
            (tags::PERFORMED_PROCEDURE_STEP_START_TIME, VR::TM, &found.performed_time),
        ] {
            if !value.is_empty() {
                self.text(tag, vr, value);
            }
        }
        self
    }

    fn put(&mut self, tag: Tag, vr: VR, values: Vec<Value>) -> &mut Self {
        let mut attribute = json!({ "vr": vr.to_string() });
        if !values.is_empty() {
            attribute["Value"] = Value::Array(values);
        }
        self.0.insert(format!("{:04X}{:04X}", tag.0, tag.1), attribute);
        self
    }

    fn text(&mut self, tag: Tag, vr: VR, value: &str) -> &mut Self {
        let values = if value.is_empty() { Vec::new() } else { vec![json!(value)] };
        self.put(tag, vr, values)
    }

    fn number(&mut self, tag: Tag, vr: VR, value: i64) -> &mut Self {
        self.put(tag, vr, vec![json!(value)])
    }

    fn name(&mut self, tag: Tag, raw: &str) -> &mut Self {
        let name = PersonName::parse(raw);
        let groups = [("Alphabetic", name.alphabetic), ("Ideographic", name.ideographic), ("Phonetic", name.phonetic)];
        let value: Map<String, Value> =
            groups.into_iter().filter(|(_, g)| !g.is_empty()).map(|(k, g)| (k.to_owned(), Value::String(g))).collect();
        let values = if value.is_empty() { Vec::new() } else { vec![Value::Object(value)] };
        self.put(tag, VR::PN, values)
    }

    /// All of them, by tag.
    pub fn whole(self) -> Map<String, Value> {
        self.0
    }
}

/// Patient's Sex (0010,0040) of one of our words.
fn sex(word: &str) -> &'static str {
    match word {
        "male" => "M",
        "female" => "F",
        "other" => "O",
        _ => "",
    }
}

/// What a result shows of an image's attributes; tables in them are passed over.
#[derive(Deserialize)]
struct Size {
    rows: u32,
    columns: u32,
    frames: u32,
    bits_allocated: u16,
    bits_stored: u16,
}

impl Size {
    /// Single bits are delivered one a byte, but not stored so.
    fn allocated(&self) -> i64 {
        if self.bits_stored == 1 { 1 } else { self.bits_allocated.into() }
    }
}
