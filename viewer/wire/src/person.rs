//! Who a patient's records are of: earlier studies of the same person, and records that may be theirs.

use crate::{Place, Sex, message, words};

words! {
    /// Why two records are taken for one person's, or not.
    pub enum LinkedBy {
        /// They are one record.
        Same = "same",
        /// The same valid national identification number stands in both.
        NationalId = "national_id",
        /// A person said so.
        Confirmed = "confirmed",
        /// Name, birth date and sex, or the site's own number, agree: nobody has decided.
        Proposed = "proposed",
        /// A person said that they are not.
        Rejected = "rejected",
    }
}

message! {
    /// `GET /api/v1/cases/{case}/priors`
    pub struct Priors {
        /// The case's own record.
        pub record: PatientRecord,
        /// What was corrected about it; none: it is as it was sent.
        #[serde(default)]
        pub corrected: Option<Correction>,
        /// Earlier studies of the same person, newest first; with those after this one at most 100.
        pub priors: Vec<Prior>,
        /// Studies of the same person that were made after this one, newest first.
        #[serde(default)]
        pub later: Vec<Prior>,
        /// Other records of the same person, and those that may be.
        pub records: Vec<PatientRecord>,
    }

    pub struct Prior {
        /// None: nobody reads it.
        pub case: Option<i64>,
        pub study: i64,
        pub study_uid: String,
        pub exam_us: i64,
        pub exam: String,
        pub modality: String,
        pub body_part: String,
        pub site: Place,
        /// The record it is under.
        pub patient: i64,
        pub how: LinkedBy,
        /// Who said so, if a person did.
        pub by: String,
        pub at_us: Option<i64>,
    }

    pub struct PatientRecord {
        pub patient: i64,
        pub name: String,
        pub sex: Sex,
        pub pid: String,
        /// `YYYY-MM-DD`, or empty.
        pub birth_date: String,
        pub site: Place,
        pub how: LinkedBy,
        pub by: String,
        pub at_us: Option<i64>,
        /// The case of its newest study that is read, to look at.
        #[serde(default)]
        pub case: Option<i64>,
        /// How many studies are under it.
        #[serde(default)]
        pub studies: u32,
    }

    /// `POST /api/v1/cases/{case}/person`
    pub struct PersonDecision {
        /// Of the record beside the case's own.
        pub patient: i64,
        /// Both are of one person; false: they are not, or no longer.
        pub same: bool,
    }

    /// A study under another record than it was sent with.
    pub struct Correction {
        /// As the device sent it.
        pub sent: PatientRecord,
        pub by: String,
        pub at_us: i64,
        /// Why, in their own words.
        pub note: String,
    }

    /// `PUT /api/v1/cases/{case}/patient`
    pub struct PatientCorrection {
        /// What the study's patient is called from now on; none: as it was sent.
        pub to: Option<Demographics>,
        /// Why, in the caller's own words.
        pub note: String,
        /// Of the case, as the caller saw it.
        pub version: i64,
    }

    pub struct Demographics {
        pub name: String,
        pub pid: String,
        /// `YYYY-MM-DD`, or empty.
        pub birth_date: String,
        pub sex: Sex,
    }
}
