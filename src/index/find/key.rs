//! Attributes that can be matched, and what a search asks of them.

use crate::dicom::{BadKey, Matching, Tag, VR, tags};

/// Of what an attribute is (PS3.4 C.6.1.1); a search for one level takes the keys of all above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Patient,
    Study,
    Series,
    Instance,
}

macro_rules! keys {
    ($($key:ident: $level:ident, $vr:ident, [$($tag:ident),+];)+) => {
        /// An attribute with an index behind it or a column to look at.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Key { $($key),+ }

        impl Key {
            pub fn level(self) -> Level {
                match self { $(Self::$key => Level::$level),+ }
            }

            pub fn vr(self) -> VR {
                match self { $(Self::$key => VR::$vr),+ }
            }

            /// The key a path names: one tag, or a sequence's and that of an attribute in its items.
            pub fn of(path: &[Tag]) -> Option<Self> {
                $(if path == [$(tags::$tag),+].as_slice() { return Some(Self::$key); })+
                None
            }
        }
    };
}

keys! {
    PatientName: Patient, PN, [PATIENT_NAME];
    PatientId: Patient, LO, [PATIENT_ID];
    IssuerOfPatientId: Patient, LO, [ISSUER_OF_PATIENT_ID];
    PatientBirthDate: Patient, DA, [PATIENT_BIRTH_DATE];
    PatientSex: Patient, CS, [PATIENT_SEX];
    StudyUid: Study, UI, [STUDY_INSTANCE_UID];
    StudyId: Study, SH, [STUDY_ID];
    StudyDate: Study, DA, [STUDY_DATE];
    StudyTime: Study, TM, [STUDY_TIME];
    AccessionNumber: Study, SH, [ACCESSION_NUMBER];
    ReferringPhysicianName: Study, PN, [REFERRING_PHYSICIAN_NAME];
    StudyDescription: Study, LO, [STUDY_DESCRIPTION];
    ModalitiesInStudy: Study, CS, [MODALITIES_IN_STUDY];
    SeriesUid: Series, UI, [SERIES_INSTANCE_UID];
    SeriesNumber: Series, IS, [SERIES_NUMBER];
    Modality: Series, CS, [MODALITY];
    SeriesDescription: Series, LO, [SERIES_DESCRIPTION];
    BodyPartExamined: Series, CS, [BODY_PART_EXAMINED];
    PerformedDate: Series, DA, [PERFORMED_PROCEDURE_STEP_START_DATE];
    PerformedTime: Series, TM, [PERFORMED_PROCEDURE_STEP_START_TIME];
    RequestedProcedureId: Series, SH, [REQUEST_ATTRIBUTES_SEQUENCE, REQUESTED_PROCEDURE_ID];
    ScheduledStepId: Series, SH, [REQUEST_ATTRIBUTES_SEQUENCE, SCHEDULED_PROCEDURE_STEP_ID];
    SopUid: Instance, UI, [SOP_INSTANCE_UID];
    SopClass: Instance, UI, [SOP_CLASS_UID];
    InstanceNumber: Instance, IS, [INSTANCE_NUMBER];
}

/// What one search asks for.
#[derive(Debug, Clone)]
pub struct Keys {
    level: Level,
    asked: Vec<(Key, Matching)>,
    /// Persons' names as they were asked for; how they match depends on `fuzzy`.
    names: Vec<(Key, String)>,
    fuzzy: bool,
}

impl Keys {
    /// A search for things of `level`.
    pub fn new(level: Level) -> Self {
        Self { level, asked: Vec::new(), names: Vec::new(), fuzzy: false }
    }

    /// Persons' names match by sound and initials too (PS3.4 C.2.2.2.1.1).
    pub fn fuzzy(&mut self, fuzzy: bool) {
        self.fuzzy = fuzzy;
    }

    pub fn is_fuzzy(&self) -> bool {
        self.fuzzy
    }

    pub fn level(&self) -> Level {
        self.level
    }

    /// Asks that the attribute at `path` match `value`; false: nothing here matches it at this level. The same key again
    /// adds to a list of UIDs or codes and is refused elsewhere.
    pub fn add(&mut self, path: &[Tag], value: &str) -> Result<bool, BadKey> {
        let Some(key) = Key::of(path).filter(|key| key.level() <= self.level) else { return Ok(false) };
        if key.vr() == VR::PN {
            let again = self.names.iter().any(|(asked, _)| *asked == key);
            self.names.push((key, value.to_owned()));
            return if again { Err(BadKey) } else { Ok(true) };
        }
        let matching = Matching::parse(key.vr(), value)?;
        if let Some((_, before)) = self.asked.iter_mut().find(|(asked, _)| *asked == key) {
            return if before.also(matching) { Ok(true) } else { Err(BadKey) };
        }
        self.asked.push((key, matching));
        Ok(true)
    }

    /// Asks for exactly this UID, whatever else was asked of it: a path of resources outranks its query.
    pub fn within(&mut self, key: Key, uid: &str) -> Result<(), BadKey> {
        let matching = Matching::parse(VR::UI, uid)?;
        self.asked.retain(|(asked, _)| *asked != key);
        self.asked.push((key, matching));
        Ok(())
    }

    pub(super) fn asked(&self) -> impl Iterator<Item = (Key, &Matching)> {
        self.asked.iter().map(|(key, matching)| (*key, matching)).filter(|(_, m)| **m != Matching::Universal)
    }

    pub(super) fn names(&self) -> &[(Key, String)] {
        &self.names
    }
}
