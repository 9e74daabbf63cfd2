//! What the query and retrieval services share (PS3.4 C.3, C.4): information models, levels, identifiers.

use dicom_dictionary_std::{tags, uids};

use super::{Request, Response, Status};
use crate::dicom::{Dataset, Limits, Plain, Tag, walk_data_set};

/// Query/Retrieve levels, from the top (PS3.4 C.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Patient,
    Study,
    Series,
    Image,
}

impl Level {
    pub const ALL: [Level; 4] = [Level::Patient, Level::Study, Level::Series, Level::Image];

    /// The key that names one entity of this level.
    pub fn unique_key(self) -> Tag {
        match self {
            Level::Patient => tags::PATIENT_ID,
            Level::Study => tags::STUDY_INSTANCE_UID,
            Level::Series => tags::SERIES_INSTANCE_UID,
            Level::Image => tags::SOP_INSTANCE_UID,
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "PATIENT" => Level::Patient,
            "STUDY" => Level::Study,
            "SERIES" => Level::Series,
            "IMAGE" => Level::Image,
            _ => return None,
        })
    }

    pub fn word(self) -> &'static str {
        match self {
            Level::Patient => "PATIENT",
            Level::Study => "STUDY",
            Level::Series => "SERIES",
            Level::Image => "IMAGE",
        }
    }
}

/// Query/Retrieve information models (PS3.4 C.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    PatientRoot,
    StudyRoot,
    /// Retired, still asked for by old workstations.
    PatientStudyOnly,
}

/// Retired, so the dictionary's constants are marked deprecated.
pub(super) const PATIENT_STUDY_ONLY_FIND: &str = "1.2.840.10008.5.1.4.1.2.3.1";
pub(super) const PATIENT_STUDY_ONLY_MOVE: &str = "1.2.840.10008.5.1.4.1.2.3.2";
pub(super) const PATIENT_STUDY_ONLY_GET: &str = "1.2.840.10008.5.1.4.1.2.3.3";

impl Model {
    pub fn of(abstract_syntax: &str) -> Option<Self> {
        Some(match abstract_syntax {
            uids::PATIENT_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND
            | uids::PATIENT_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE
            | uids::PATIENT_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_GET => Model::PatientRoot,
            uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND
            | uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE
            | uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_GET => Model::StudyRoot,
            PATIENT_STUDY_ONLY_FIND | PATIENT_STUDY_ONLY_MOVE | PATIENT_STUDY_ONLY_GET => Model::PatientStudyOnly,
            _ => return None,
        })
    }

    pub fn levels(self) -> &'static [Level] {
        match self {
            Model::PatientRoot => &Level::ALL,
            Model::StudyRoot => &Level::ALL[1..],
            Model::PatientStudyOnly => &Level::ALL[..2],
        }
    }
}

/// A request's data set, its level known.
#[derive(Debug)]
pub struct Identifier {
    pub model: Model,
    pub level: Level,
    pub keys: Dataset,
    /// The encoding of the context, for the answers.
    pub form: Plain,
}

impl Identifier {
    /// Reads what a request of a query or retrieval service asks; else how it is answered.
    pub fn read(request: &Request) -> Result<Self, Response> {
        let model = Model::of(&request.abstract_syntax);
        let form = Plain::of_transfer_syntax(&request.transfer_syntax);
        let (Some(model), Some(form)) = (model, form) else {
            return Err(Response::failed(Status::CLASS_NOT_SUPPORTED, "not a query/retrieve context"));
        };
        let keys = walk_data_set(&request.data_set, &request.transfer_syntax, &Limits::message());
        let keys = keys.map_err(|error| {
            tracing::info!(%error, calling = %request.peer.calling, "identifier refused");
            Response::failed(Status::CANNOT_UNDERSTAND, format!("identifier: {error}"))
        })?;
        let word = keys.uid(tags::QUERY_RETRIEVE_LEVEL).unwrap_or_default();
        let level = Level::from_word(word).filter(|level| model.levels().contains(level));
        let level = level.ok_or_else(|| mismatch(tags::QUERY_RETRIEVE_LEVEL, "no level of this model"))?;
        Ok(Self { model, level, keys, form })
    }

    /// A unique key's one value; none where it is absent or empty.
    pub fn single(&self, level: Level) -> Result<Option<String>, Response> {
        let tag = level.unique_key();
        let Some(value) = self.keys.text(tag) else { return Ok(None) };
        if value.contains(['\\', '*', '?']) {
            return Err(mismatch(tag, "a unique key with more than one value"));
        }
        Ok(Some(value))
    }

    /// The levels of the model above that of the identifier.
    pub fn above(&self) -> impl Iterator<Item = Level> + '_ {
        self.model.levels().iter().copied().take_while(|level| *level < self.level)
    }
}

/// Error: the identifier does not match the SOP class, because of this element.
pub(super) fn mismatch(tag: Tag, comment: &str) -> Response {
    Response::failed(Status::IDENTIFIER_MISMATCH, comment).offending(vec![tag])
}

/// What of PS3.4 C.5.1.1 and C.5.2.1 is agreed to: as many bytes as were proposed, each yes only where `supported` says so.
pub(super) fn agree(wanted: &[u8], supported: &[bool]) -> Vec<u8> {
    let supported = supported.iter().chain(std::iter::repeat(&false));
    wanted.iter().take(64).zip(supported).map(|(wanted, supported)| u8::from(*wanted == 1 && *supported)).collect()
}

/// Whether relational queries or retrievals were agreed to.
pub(super) fn is_relational(request: &Request) -> bool {
    request.agreed.first() == Some(&1)
}

#[cfg(test)]
pub(super) mod testing {
    use std::sync::Arc;

    use super::*;
    use crate::dicom::{Composed, Repertoire, VR};
    use crate::dimse::services::{Command, Peer};

    /// A request as the association hands it over; texts by tag.
    pub fn request(abstract_syntax: &str, field: u16, keys: &[(Tag, &str)]) -> Request {
        let mut composed = Composed::default();
        for (tag, value) in keys {
            let vr = match *tag {
                tags::PATIENT_NAME => VR::PN,
                tags::PATIENT_ID => VR::LO,
                tags::QUERY_RETRIEVE_LEVEL => VR::CS,
                tags::STUDY_DATE => VR::DA,
                _ => VR::UI,
            };
            composed.text(*tag, vr, *value);
        }
        Request {
            peer: Arc::new(Peer {
                calling: "WS1".into(),
                called: "YUNYING".into(),
                address: [127, 0, 0, 1].into(),
                device: None,
            }),
            abstract_syntax: abstract_syntax.into(),
            transfer_syntax: uids::IMPLICIT_VR_LITTLE_ENDIAN.into(),
            agreed: Vec::new(),
            command: Command { field, message_id: 1, sop_class: abstract_syntax.into(), ..Command::default() },
            data_set: composed.encode(Plain::Implicit, Repertoire::Utf8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::request;
    use super::*;
    use crate::dimse::command::C_FIND_RQ;

    const STUDY_ROOT: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND;

    #[test]
    fn a_level_must_be_one_of_its_model() {
        let read = |model: &str, level: &str| {
            Identifier::read(&request(model, C_FIND_RQ, &[(tags::QUERY_RETRIEVE_LEVEL, level)]))
        };
        assert_eq!(read(STUDY_ROOT, "SERIES").unwrap().level, Level::Series);
        assert_eq!(read(PATIENT_STUDY_ONLY_FIND, "PATIENT").unwrap().level, Level::Patient);
        for (model, level) in
            [(STUDY_ROOT, "PATIENT"), (STUDY_ROOT, ""), (STUDY_ROOT, "study"), (PATIENT_STUDY_ONLY_FIND, "IMAGE")]
        {
            let refused = read(model, level).unwrap_err();
            assert_eq!(refused.status, Status::IDENTIFIER_MISMATCH);
            assert_eq!(refused.offending, [tags::QUERY_RETRIEVE_LEVEL]);
        }
    }

    #[test]
    fn hostile_identifiers_are_not_understood() {
        let mut deep = request(STUDY_ROOT, C_FIND_RQ, &[]);
        deep.data_set =
            [8, 0, 0x40, 0x11, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0, 0xe0, 0xff, 0xff, 0xff, 0xff].repeat(1000);
        let mut lying = request(STUDY_ROOT, C_FIND_RQ, &[]);
        lying.data_set = vec![8, 0, 0x52, 0, 0xf0, 0xff, 0xff, 0x7f, b'S'];
        for hostile in [deep, lying] {
            assert_eq!(Identifier::read(&hostile).unwrap_err().status, Status::CANNOT_UNDERSTAND);
        }
    }

    #[test]
    fn only_what_is_supported_is_agreed_to_byte_by_byte() {
        assert_eq!(agree(&[1, 1, 1, 0, 1], &[true, false, true, true]), [1, 0, 1, 0, 0]);
        assert_eq!(agree(&[1], &[true, true]), [1]);
        assert_eq!(agree(&[7], &[true]), [0]);
    }
}
