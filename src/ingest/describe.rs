//! From a walked header to what becomes rows, or to the reason it can't. Pure.
//!
//! Every text is decoded, freed of control characters and cut to a length of ours before it may reach a row.

use super::reader::RecordReader;
use super::spool::{Record, Spool};
use crate::dicom::packed::{Packed, pack};
use crate::dicom::{self, Dataset, Header, Limits, PersonName, Tag, tags, time, uid};
use crate::domain::{Delivery, Micros, NationalId, Urgency};
use crate::index::evidence::Evidence;
use crate::index::intake::{InstanceRow, PatientRow, RequestRow, SeriesRow, StudyRow};
use crate::index::quarantine::Reason;

/// Retired, and where many still put further ids.
const OTHER_PATIENT_IDS: Tag = Tag(0x0010, 0x1000);

/// Longest text kept in a column; the whole value stays in the metadata and in the file.
const TEXT: usize = 256;
const LONG_TEXT: usize = 2_000;
/// A count beyond this is no count.
const MOST_IMAGES: i64 = 1_000_000;
/// Requests kept of one series.
const REQUESTS: usize = 16;
/// Further ids of a patient that are looked at.
const OTHER_IDS: usize = 16;

/// Retired, and what many devices still fill.
const REASON_FOR_STUDY: Tag = Tag(0x0032, 0x1030);

/// What an instance says of itself and of what it belongs to.
#[derive(Debug, Clone)]
pub struct Described {
    pub patient: PatientRow,
    /// Of the patient; none where no valid one stands in the header, or two people's do.
    pub national_id: Option<NationalId>,
    pub study: StudyRow,
    pub series: SeriesRow,
    pub instance: InstanceRow,
    pub urgency: Urgency,
    /// Why the exam was asked for.
    pub question: String,
    /// How many images it says there will be.
    pub counts: Vec<Evidence>,
}

/// Why it goes into quarantine, and as much of its identity as could be read.
#[derive(Debug, Clone)]
pub struct Refused {
    pub reason: Reason,
    pub sop_uid: String,
    pub study_uid: Option<String>,
}

/// Reads `header`, the walked `record`. `zone` is the devices' clock in minutes east of UTC where they don't say.
pub fn describe(header: &Header, record: &Record, zone: i32) -> Result<Described, Refused> {
    let dataset = &header.dataset;
    let uids = Uids::read(dataset, record)?;
    let modality = code(dataset, tags::MODALITY);
    let body_part = code(dataset, tags::BODY_PART_EXAMINED);
    let attrs = dicom::image_attrs(header);
    let frames = attrs.as_ref().map_or(0, |attrs| i64::from(attrs.frames));
    let (delivery, delivery_reason) = match (&attrs, &header.pixel_data) {
        (Some(_), _) => (Delivery::Pending, ""),
        (None, Some(_)) => (Delivery::Unavailable, "no_layout"),
        (None, None) => (Delivery::NoImage, ""),
    };
    let metadata = metadata(header, &uids);
    let counts = counts(dataset, &uids.series);
    Ok(Described {
        patient: patient(dataset, &uids.study),
        national_id: national_id(dataset),
        study: study(dataset, &uids.study, &modality, &body_part, record.meta.received, zone),
        series: series(dataset, uids.series, modality, body_part),
        instance: InstanceRow {
            sop_hash: uid::hash(&uids.sop),
            sop_uid: uids.sop,
            sop_class: uids.class,
            number: number(dataset, tags::INSTANCE_NUMBER),
            frames,
            delivery,
            delivery_reason: delivery_reason.to_owned(),
            attrs: attrs.and_then(|attrs| serde_json::to_string(&attrs).ok()),
            metadata,
            written_in: header.written_in.map(|writing| writing.word().to_owned()),
        },
        urgency: urgency(dataset),
        question: question(dataset),
        counts,
    })
}

/// Whom and what an object says it is of, for whoever decides about it: nothing here has to be right.
#[derive(Debug, Clone)]
pub struct Said {
    pub patient: PatientRow,
    pub exam: String,
    pub modality: String,
    pub accession: String,
    pub series_name: String,
    pub series: i64,
    pub number: i64,
}

pub fn said(header: &Header) -> Said {
    let dataset = &header.dataset;
    Said {
        patient: patient(dataset, ""),
        exam: text(dataset, tags::STUDY_DESCRIPTION, TEXT),
        modality: code(dataset, tags::MODALITY),
        accession: text(dataset, tags::ACCESSION_NUMBER, 64),
        series_name: text(dataset, tags::SERIES_DESCRIPTION, TEXT),
        series: number(dataset, tags::SERIES_NUMBER),
        number: number(dataset, tags::INSTANCE_NUMBER),
    }
}

/// The study and series that an instance says it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub study: String,
    pub series: String,
}

/// Where a durable object belongs; none: its header cannot be read, or contradicts what it was announced as. Blocks.
pub fn identify(spool: &Spool, record: &Record) -> Option<Identity> {
    let header = dicom::walk(RecordReader::new(spool, record), &Limits::default()).ok()?;
    let uids = Uids::read(&header.dataset, record).ok()?;
    Some(Identity { study: uids.study, series: uids.series })
}

struct Uids {
    sop: String,
    class: String,
    study: String,
    series: String,
}

impl Uids {
    fn read(dataset: &Dataset, record: &Record) -> Result<Self, Refused> {
        let value = |tag| dataset.uid(tag).unwrap_or_default().to_owned();
        let uids = Self {
            sop: value(tags::SOP_INSTANCE_UID),
            class: value(tags::SOP_CLASS_UID),
            study: value(tags::STUDY_INSTANCE_UID),
            series: value(tags::SERIES_INSTANCE_UID),
        };
        match uids.fault(record) {
            None => Ok(uids),
            Some((code, detail)) => Err(Refused {
                reason: Reason { code: code.into(), detail },
                study_uid: uid::is_valid(&uids.study).then_some(uids.study),
                sop_uid: clean(if uids.sop.is_empty() { &record.meta.sop_instance } else { &uids.sop }, 64),
            }),
        }
    }

    fn fault(&self, record: &Record) -> Option<(&'static str, String)> {
        let named = [
            ("SOP Instance UID", &self.sop),
            ("SOP Class UID", &self.class),
            ("Study Instance UID", &self.study),
            ("Series Instance UID", &self.series),
        ];
        for (name, value) in named {
            if value.is_empty() {
                return Some(("missing_uid", name.to_owned()));
            }
            if !uid::is_valid(value) {
                return Some(("bad_uid", name.to_owned()));
            }
        }
        if self.sop != record.meta.sop_instance {
            return Some(("uid_mismatch", String::new()));
        }
        if self.class != record.meta.sop_class {
            return Some(("class_mismatch", String::new()));
        }
        None
    }
}

fn patient(dataset: &Dataset, study_uid: &str) -> PatientRow {
    let name_raw = text(dataset, tags::PATIENT_NAME, TEXT);
    let pid = text(dataset, tags::PATIENT_ID, 64);
    // Two people without an id are not one person: each study without one has its own patient.
    let issuer =
        if pid.is_empty() { format!("study:{study_uid}") } else { text(dataset, tags::ISSUER_OF_PATIENT_ID, 64) };
    let birth_date = dataset.text(tags::PATIENT_BIRTH_DATE).and_then(|value| time::date(&value));
    PatientRow {
        issuer,
        pid,
        name: clean(&PersonName::parse(&name_raw).display(), TEXT),
        name_raw,
        sex: match dataset.uid(tags::PATIENT_SEX).unwrap_or_default() {
            "M" => "male",
            "F" => "female",
            "O" => "other",
            _ => "unknown",
        }
        .to_owned(),
        birth_date: birth_date.map(|date| date.strftime("%Y%m%d").to_string()).unwrap_or_default(),
    }
}

/// Wherever ids of a patient stand: Patient ID, Other Patient IDs and the sequence that replaced them (PS3.3 C.2.2, C.2.3).
fn national_id(dataset: &Dataset) -> Option<NationalId> {
    let mut texts = dataset.texts(OTHER_PATIENT_IDS);
    texts.extend(dataset.text(tags::PATIENT_ID));
    let others = dataset.sequence(tags::OTHER_PATIENT_I_DS_SEQUENCE).iter().take(OTHER_IDS);
    texts.extend(others.filter_map(|item| item.text(tags::PATIENT_ID)));
    NationalId::only_one(texts.iter().map(String::as_str))
}

fn series(dataset: &Dataset, uid: String, modality: String, body_part: String) -> SeriesRow {
    let requests = dataset.sequence(tags::REQUEST_ATTRIBUTES_SEQUENCE).iter().take(REQUESTS).map(|item| RequestRow {
        procedure_id: text(item, tags::REQUESTED_PROCEDURE_ID, 64),
        step_id: text(item, tags::SCHEDULED_PROCEDURE_STEP_ID, 64),
    });
    SeriesRow {
        uid,
        modality,
        number: number(dataset, tags::SERIES_NUMBER),
        description: text(dataset, tags::SERIES_DESCRIPTION, TEXT),
        body_part,
        performed_date: day(dataset, tags::PERFORMED_PROCEDURE_STEP_START_DATE),
        performed_time: clock(dataset, tags::PERFORMED_PROCEDURE_STEP_START_TIME),
        requests: requests.collect(),
    }
}

fn study(dataset: &Dataset, uid: &str, modality: &str, body_part: &str, received: Micros, zone: i32) -> StudyRow {
    let referring = text(dataset, tags::REFERRING_PHYSICIAN_NAME, TEXT);
    StudyRow {
        uid: uid.to_owned(),
        accession: text(dataset, tags::ACCESSION_NUMBER, 64),
        study_id: text(dataset, tags::STUDY_ID, 64),
        study_date: day(dataset, tags::STUDY_DATE),
        study_time: clock(dataset, tags::STUDY_TIME),
        exam: exam_time(dataset, zone).unwrap_or(received),
        description: text(dataset, tags::STUDY_DESCRIPTION, TEXT),
        modality: modality.to_owned(),
        body_part: body_part.to_owned(),
        referring: PersonName::parse(&referring).display(),
        referring_forms: dicom::written_forms(&referring),
        referring_raw: referring,
        timezone: text(dataset, tags::TIMEZONE_OFFSET_FROM_UTC, 16),
        age: text(dataset, tags::PATIENT_AGE, 16),
    }
}

/// When the exam was made, by the device's clock: the acquisition if it says, else the study's begin.
fn exam_time(dataset: &Dataset, zone: i32) -> Option<Micros> {
    let zone =
        dataset.text(tags::TIMEZONE_OFFSET_FROM_UTC).and_then(|value| time::offset_minutes(&value)).unwrap_or(zone);
    let at = |date, clock| {
        let (date, clock) = (dataset.text(date)?, dataset.text(clock).unwrap_or_default());
        time::instant(&date, &clock, zone)
    };
    at(tags::STUDY_DATE, tags::STUDY_TIME).or_else(|| at(tags::SERIES_DATE, tags::SERIES_TIME))
}

/// Requested Procedure Priority, PS3.3 C.4.11.
fn urgency(dataset: &Dataset) -> Urgency {
    match dataset.uid(tags::REQUESTED_PROCEDURE_PRIORITY).unwrap_or_default() {
        "STAT" => Urgency::Stat,
        "HIGH" => Urgency::Urgent,
        _ => Urgency::Routine,
    }
}

/// What the requesting clinician wants to know, where the device passes it on.
fn question(dataset: &Dataset) -> String {
    let request = dataset.item(tags::REQUEST_ATTRIBUTES_SEQUENCE);
    let asked = [
        text(dataset, tags::REASON_FOR_THE_REQUESTED_PROCEDURE, LONG_TEXT),
        request.map(|item| text(item, tags::REASON_FOR_THE_REQUESTED_PROCEDURE, LONG_TEXT)).unwrap_or_default(),
        text(dataset, REASON_FOR_STUDY, LONG_TEXT),
    ];
    asked.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

/// How many images the device says its study, this series and this acquisition have.
fn counts(dataset: &Dataset, series: &str) -> Vec<Evidence> {
    let said = |tag| dataset.int(tag).filter(|count| (1..=MOST_IMAGES).contains(count));
    let study = said(tags::NUMBER_OF_STUDY_RELATED_INSTANCES).map(|instances| Evidence::StudyCount { instances });
    let of_series = said(tags::NUMBER_OF_SERIES_RELATED_INSTANCES)
        .map(|instances| Evidence::SeriesCount { series: series.to_owned(), instances });
    let of_acquisition = said(tags::IMAGES_IN_ACQUISITION).map(|images| Evidence::AcquisitionCount {
        series: series.to_owned(),
        acquisition: number(dataset, tags::ACQUISITION_NUMBER).to_string(),
        images,
    });
    [study, of_series, of_acquisition].into_iter().flatten().collect()
}

/// DICOM JSON (PS3.18 F), as it is kept.
fn metadata(header: &Header, uids: &Uids) -> Packed {
    let url = format!("/dicomweb/studies/{}/series/{}/instances/{}", uids.study, uids.series, uids.sop);
    let json = dicom::to_json(header, &url);
    // A walk keeps far less than would be too long.
    pack(json.as_bytes()).unwrap_or(Packed { deflated: Vec::new(), length: 0, crc32: 0 })
}

/// A date as `YYYYMMDD`; empty where it is none.
fn day(dataset: &Dataset, tag: Tag) -> String {
    let date = dataset.text(tag).and_then(|value| time::date(&value));
    date.map(|date| date.strftime("%Y%m%d").to_string()).unwrap_or_default()
}

/// A time of day without the colons that old devices write.
fn clock(dataset: &Dataset, tag: Tag) -> String {
    text(dataset, tag, 16).replace(':', "")
}

fn number(dataset: &Dataset, tag: Tag) -> i64 {
    dataset.int(tag).map_or(0, |value| value.clamp(i64::from(i32::MIN), i64::from(i32::MAX)))
}

fn code(dataset: &Dataset, tag: Tag) -> String {
    clean(dataset.uid(tag).unwrap_or_default(), 16)
}

fn text(dataset: &Dataset, tag: Tag, limit: usize) -> String {
    dataset.text(tag).map(|value| clean(&value, limit)).unwrap_or_default()
}

/// At most `limit` characters, control characters turned to spaces: PostgreSQL refuses NUL, people the others.
pub(super) fn clean(value: &str, limit: usize) -> String {
    let mapped = value.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c });
    mapped.take(limit).collect::<String>().trim().to_owned()
}
