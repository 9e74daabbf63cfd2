//! One examination: who, where, when, and the DICOM modules that every modality shares (PS3.3 C.7).

use dicom_dictionary_std::tags;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use sha2::{Digest, Sha256};

use super::county::{Device, Person};
use super::dataset::{Charset, Dataset};
use crate::domain::Micros;

/// All of the county's devices run on China Standard Time.
const HOURS_EAST: i8 = 8;

#[derive(Debug, Clone)]
pub struct Exam {
    pub person: Person,
    pub device: Device,
    pub charset: Charset,
    /// What is seen follows from this.
    pub seed: u64,
    /// UIDs follow from this: the same pictures taken at another time are another study.
    pub identity: u64,
    pub started: DateTime,
    pub description: &'static str,
    pub body_part: &'static str,
    pub question: &'static str,
}

/// A series of an examination.
#[derive(Debug, Clone, Copy)]
pub struct Series {
    pub number: u32,
    pub description: &'static str,
    pub protocol: &'static str,
}

/// The wall clock in the county.
pub fn local_time(at: Micros) -> DateTime {
    let zone = TimeZone::fixed(Offset::constant(HOURS_EAST));
    jiff::Timestamp::from_microsecond(at.0).map(|t| t.to_zoned(zone).datetime()).unwrap_or_default()
}

/// A UID under 2.25 (PS3.5 B.2): a UUID made from what it names.
pub fn uid(seed: u64, names: &str) -> String {
    let digest = Sha256::digest(format!("{seed}/{names}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    // Version 8 (own scheme), variant 1, so that it is a UUID as RFC 9562 has it.
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    format!("2.25.{}", u128::from_be_bytes(bytes))
}

pub fn da(at: DateTime) -> String {
    at.strftime("%Y%m%d").to_string()
}

pub fn tm(at: DateTime) -> String {
    at.strftime("%H%M%S").to_string()
}

/// `at` and `seconds` later.
pub fn later(at: DateTime, seconds: f64) -> DateTime {
    at.saturating_add(jiff::SignedDuration::from_millis((seconds * 1000.0) as i64))
}

impl Exam {
    pub fn study_uid(&self) -> String {
        uid(self.identity, "study")
    }

    pub fn series_uid(&self, series: &Series) -> String {
        uid(self.identity, &format!("series/{}", series.number))
    }

    pub fn instance_uid(&self, series: &Series, instance: usize) -> String {
        uid(self.identity, &format!("instance/{}/{instance}", series.number))
    }

    pub fn frame_of_reference(&self) -> String {
        uid(self.identity, "frame of reference")
    }

    pub fn accession(&self) -> String {
        format!("{}{}{}", self.device.place.code, self.started.strftime("%y%m%d"), self.person.number)
    }

    /// SOP Common, Patient, General and Patient Study, General Series and General Equipment modules of one instance.
    pub fn instance(&self, sop_class: &str, series: &Series, instance: usize, at: DateTime) -> Dataset {
        let mut data = Dataset::default();
        data.text(tags::SPECIFIC_CHARACTER_SET, self.charset.term())
            .text(tags::SOP_CLASS_UID, sop_class)
            .text(tags::SOP_INSTANCE_UID, self.instance_uid(series, instance))
            .text(tags::INSTANCE_CREATION_DATE, da(at))
            .text(tags::INSTANCE_CREATION_TIME, tm(at))
            .text(tags::TIMEZONE_OFFSET_FROM_UTC, "+0800")
            .number(tags::INSTANCE_NUMBER, instance as f64)
            .text(tags::CONTENT_DATE, da(at))
            .text(tags::CONTENT_TIME, tm(at))
            .text(tags::ACQUISITION_DATE, da(at))
            .text(tags::ACQUISITION_TIME, tm(at));
        self.patient(&mut data);
        self.study(&mut data);
        self.series(&mut data, series);
        data
    }

    fn patient(&self, data: &mut Dataset) {
        let person = &self.person;
        let (month, day) = person.birthday;
        let had_it = (self.started.month(), self.started.day()) >= person.birthday;
        let birth_year = self.started.year() - person.age as i16 - i16::from(!had_it);
        data.text(tags::PATIENT_NAME, person.dicom_name())
            .text(tags::PATIENT_ID, &person.id)
            .text(tags::PATIENT_BIRTH_DATE, format!("{birth_year:04}{month:02}{day:02}"))
            .text(tags::PATIENT_SEX, if person.female { "F" } else { "M" })
            .text(tags::PATIENT_AGE, format!("{:03}Y", person.age))
            .text(tags::PATIENT_COMMENTS, "合成数据，并无此人");
    }

    fn study(&self, data: &mut Dataset) {
        data.text(tags::STUDY_INSTANCE_UID, self.study_uid())
            .text(tags::STUDY_ID, format!("{:06}", self.person.number))
            .text(tags::STUDY_DATE, da(self.started))
            .text(tags::STUDY_TIME, tm(self.started))
            .text(tags::ACCESSION_NUMBER, self.accession())
            .text(tags::STUDY_DESCRIPTION, self.description)
            .empty(tags::REFERRING_PHYSICIAN_NAME)
            .text(tags::ADDITIONAL_PATIENT_HISTORY, self.question)
            .text(tags::ADMITTING_DIAGNOSES_DESCRIPTION, "待查");
        let mut request = Dataset::default();
        request
            .text(tags::REQUESTED_PROCEDURE_ID, self.accession())
            .text(tags::REQUESTED_PROCEDURE_DESCRIPTION, self.description)
            .text(tags::REASON_FOR_THE_REQUESTED_PROCEDURE, self.question)
            .text(tags::SCHEDULED_PROCEDURE_STEP_ID, format!("{}-1", self.accession()))
            .text(tags::SCHEDULED_PROCEDURE_STEP_DESCRIPTION, self.description);
        data.items(tags::REQUEST_ATTRIBUTES_SEQUENCE, vec![request]);
    }

    fn series(&self, data: &mut Dataset, series: &Series) {
        let device = &self.device;
        data.text(tags::MODALITY, device.modality)
            .text(tags::SERIES_INSTANCE_UID, self.series_uid(series))
            .number(tags::SERIES_NUMBER, f64::from(series.number))
            .text(tags::SERIES_DATE, da(self.started))
            .text(tags::SERIES_TIME, tm(self.started))
            .text(tags::SERIES_DESCRIPTION, series.description)
            .text(tags::PROTOCOL_NAME, series.protocol)
            .text(tags::BODY_PART_EXAMINED, self.body_part)
            .text(tags::OPERATORS_NAME, "Wu^Yangli=吴^样例")
            .text(tags::PERFORMED_PROCEDURE_STEP_ID, self.accession())
            .text(tags::PERFORMED_PROCEDURE_STEP_START_DATE, da(self.started))
            .text(tags::PERFORMED_PROCEDURE_STEP_START_TIME, tm(self.started))
            .text(tags::PERFORMED_PROCEDURE_STEP_DESCRIPTION, self.description)
            .text(tags::MANUFACTURER, device.manufacturer)
            .text(tags::MANUFACTURER_MODEL_NAME, device.model)
            .text(tags::DEVICE_SERIAL_NUMBER, &device.serial)
            .text(tags::SOFTWARE_VERSIONS, device.software)
            .text(tags::STATION_NAME, &device.ae_title)
            .text(tags::INSTITUTION_NAME, device.place.name)
            .text(tags::INSTITUTION_ADDRESS, device.place.address)
            .text(tags::INSTITUTIONAL_DEPARTMENT_NAME, "放射影像科");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_uuids_under_2_25_and_differ_by_what_they_name() {
        let all: Vec<String> =
            (0..200).flat_map(|seed| ["study", "series/1", "instance/1/1"].map(|n| uid(seed, n))).collect();
        let mut unique = all.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), all.len());
        for uid in all {
            let number: u128 = uid.strip_prefix("2.25.").unwrap().parse().unwrap();
            assert!(uid.len() <= 64);
            assert_eq!(format!("2.25.{number}"), uid, "no leading zeros");
            assert_eq!((number >> 76 & 0xf, number >> 62 & 0x3), (8, 2), "version and variant of a UUID");
        }
    }

    #[test]
    fn the_county_keeps_china_standard_time() {
        // 2026-11-20 16:30 UTC is half past midnight on the 21st there.
        let at = local_time(Micros::from_seconds(1_795_192_200));
        assert_eq!((da(at).as_str(), tm(at).as_str()), ("20261121", "003000"));
    }
}
