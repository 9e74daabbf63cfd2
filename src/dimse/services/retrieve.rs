//! What C-GET and C-MOVE share (PS3.4 C.4.2, C.4.3): what they name, where the objects come from, and the sum of what
//! became of them.
//!
//! Unique keys above the level may be left out also where relational retrieval was not negotiated: UIDs need no help to be
//! unique, and many workstations leave them out.

use std::collections::BTreeMap;

use dicom_dictionary_std::tags;
use futures_util::future::BoxFuture;

use super::query::{Identifier, Level, mismatch};
use super::{Counts, Peer, Response, Status, Stop};
use crate::dicom::{Composed, Plain, Repertoire, VR, uid};
use crate::dimse::Address;
use crate::dimse::object::{Kind, Outgoing};
use crate::domain::{DeviceId, Fingerprint};

/// UIDs of one retrieval.
const MAX_UIDS: usize = 20_000;
/// Bytes of the Failed SOP Instance UID List, which must fit an explicit element's 16-bit length.
const MAX_FAILED: usize = 60_000;

/// The entities a retrieval names: those of `level` by their list, within what the others say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub level: Level,
    pub patient_id: Option<String>,
    pub studies: Vec<String>,
    pub series: Vec<String>,
    pub instances: Vec<String>,
}

impl Wanted {
    pub(in crate::dimse) fn read(identifier: &Identifier) -> Result<Self, Response> {
        let level = identifier.level;
        let uids = |of: Level| -> Result<Vec<String>, Response> {
            let tag = of.unique_key();
            if of > level || !identifier.model.levels().contains(&of) {
                return Ok(Vec::new());
            }
            if of < level {
                return identifier.single(of).map(|one| one.into_iter().collect());
            }
            let list: Vec<String> = identifier.keys.texts(tag).into_iter().filter(|uid| !uid.is_empty()).collect();
            if list.is_empty() || list.len() > MAX_UIDS {
                return Err(mismatch(tag, "no unique key of the level, or too many"));
            }
            match list.iter().all(|uid| uid::is_valid(uid)) {
                true => Ok(list),
                false => Err(mismatch(tag, "not a UID")),
            }
        };
        let patient_id = identifier.single(Level::Patient)?;
        if level == Level::Patient && patient_id.is_none() {
            return Err(mismatch(tags::PATIENT_ID, "no unique key of the level"));
        }
        Ok(Self {
            level,
            patient_id,
            studies: uids(Level::Study)?,
            series: uids(Level::Series)?,
            instances: uids(Level::Image)?,
        })
    }
}

/// Where retrieved objects come from; its owner's rules say what a peer may have.
pub trait Library: Send + Sync + 'static {
    /// The objects that `wanted` names, to be sent to the device `to`, or back to the peer.
    fn select<'a>(
        &'a self,
        peer: &'a Peer,
        wanted: Wanted,
        to: Option<DeviceId>,
    ) -> BoxFuture<'a, Result<Box<dyn Selection>, LibraryError>>;

    /// The registered device of that AE title, if this peer may have objects sent to it.
    fn destination<'a>(
        &'a self,
        peer: &'a Peer,
        title: &'a str,
    ) -> BoxFuture<'a, Result<Option<Destination>, LibraryError>>;
}

/// Where a C-MOVE goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub device: DeviceId,
    pub address: Address,
    /// Registered for the device.
    pub certificate: Option<Fingerprint>,
}

/// The objects of one retrieval, some at a time.
pub trait Selection: Send {
    /// How many there are of each kind.
    fn kinds(&self) -> &BTreeMap<Kind, u64>;

    /// The next ones; none at the end.
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Outgoing>, LibraryError>>;
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LibraryError(pub String);

/// What became of the sub-operations so far.
pub(super) struct Tally {
    total: u64,
    completed: u64,
    failed: u64,
    warning: u64,
    /// Failed SOP Instance UID List, as far as it fits.
    failed_uids: String,
}

impl Tally {
    pub fn new(selection: &dyn Selection) -> Self {
        let total = selection.kinds().values().sum();
        Self { total, completed: 0, failed: 0, warning: 0, failed_uids: String::new() }
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// The receiver's status for one object.
    pub fn answered(&mut self, sop_instance: &str, status: Status) {
        match status {
            Status::SUCCESS => self.completed += 1,
            status if status.is_warning() => self.warning += 1,
            _ => self.failed(sop_instance),
        }
    }

    pub fn failed(&mut self, sop_instance: &str) {
        self.failed += 1;
        if self.failed_uids.len() + sop_instance.len() < MAX_FAILED {
            if !self.failed_uids.is_empty() {
                self.failed_uids.push('\\');
            }
            self.failed_uids.push_str(sop_instance);
        }
    }

    /// The receiver is out of reach: what is left has failed, too.
    pub fn give_up(&mut self) {
        self.failed += self.remaining();
    }

    fn remaining(&self) -> u64 {
        self.total.saturating_sub(self.completed + self.failed + self.warning)
    }

    fn counts(&self, with_remaining: bool) -> Counts {
        let remaining = with_remaining.then(|| self.remaining());
        Counts { remaining, completed: self.completed, failed: self.failed, warning: self.warning }
    }

    pub fn pending(&self) -> Response {
        Response::of(Status::PENDING).with_counts(self.counts(true))
    }

    /// The final response: success, a warning where some got through, a failure where none did.
    pub fn last(&self, stopped: Option<Stop>, form: Plain) -> Response {
        let response = match stopped {
            Some(stop) => stop.response().with_counts(self.counts(true)),
            None => {
                let status = match (self.completed, self.failed, self.warning) {
                    (_, 0, 0) => Status::SUCCESS,
                    (0, _, 0) => Status::CANNOT_PERFORM,
                    _ => Status::INCOMPLETE,
                };
                Response::of(status).with_counts(self.counts(false))
            }
        };
        if self.failed_uids.is_empty() {
            return response;
        }
        let mut list = Composed::default();
        list.text(tags::FAILED_SOP_INSTANCE_UID_LIST, VR::UI, self.failed_uids.as_str());
        response.with_data(list.encode(form, Repertoire::Utf8))
    }
}

/// Why nothing can be sent, as the peer is told; the log has the rest.
pub(super) fn unavailable(status: Status, error: &LibraryError) -> Response {
    tracing::error!(%error, "retrieval failed");
    Response::failed(status, "the archive cannot be read now")
}

#[cfg(test)]
pub(in crate::dimse) mod testing {
    use std::collections::VecDeque;
    use std::io;
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use dicom_dictionary_std::uids;
    use futures_util::{FutureExt, StreamExt};

    use super::*;
    use crate::dimse::object::{Body, DataSet, Source, SourceError};

    pub const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

    /// Objects 1.2.0, 1.2.1 and so on, each in its transfer syntax, two at a time.
    pub struct Shelf {
        pub transfer_syntaxes: Vec<&'static str>,
        pub destination: Option<String>,
        pub wanted: Mutex<Vec<(Wanted, Option<DeviceId>)>>,
    }

    impl Shelf {
        pub fn of(transfer_syntaxes: &[&'static str]) -> Self {
            let transfer_syntaxes = transfer_syntaxes.to_vec();
            Self { transfer_syntaxes, destination: None, wanted: Mutex::default() }
        }
    }

    /// The data set of an object in a transfer syntax.
    pub fn data_set(number: usize, transfer_syntax: &str) -> Vec<u8> {
        format!("object {number} in {transfer_syntax} ").repeat(2_000).into_bytes()
    }

    struct OnShelf(usize, &'static str);

    impl Source for OnShelf {
        fn open(&self, transfer_syntax: &str) -> BoxFuture<'static, Result<DataSet, SourceError>> {
            if self.1 == uids::RLE_LOSSLESS && transfer_syntax != self.1 {
                return async { Err(SourceError("does not decode".into())) }.boxed();
            }
            let mut chunks: Vec<io::Result<Bytes>> =
                data_set(self.0, transfer_syntax).chunks(10_000).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
            if self.1 == uids::MPEG2MPML && transfer_syntax != self.1 {
                chunks.push(Err(io::ErrorKind::InvalidData.into()));
            }
            async move { Ok(futures_util::stream::iter(chunks).boxed()) }.boxed()
        }
    }

    struct Picked {
        kinds: BTreeMap<Kind, u64>,
        left: VecDeque<Outgoing>,
    }

    impl Selection for Picked {
        fn kinds(&self) -> &BTreeMap<Kind, u64> {
            &self.kinds
        }

        fn next(&mut self) -> BoxFuture<'_, Result<Vec<Outgoing>, LibraryError>> {
            let page = self.left.drain(..self.left.len().min(2)).collect();
            async { Ok(page) }.boxed()
        }
    }

    impl Library for Shelf {
        fn select<'a>(
            &'a self,
            _peer: &'a Peer,
            wanted: Wanted,
            to: Option<DeviceId>,
        ) -> BoxFuture<'a, Result<Box<dyn Selection>, LibraryError>> {
            self.wanted.lock().unwrap().push((wanted, to));
            let object = |(number, transfer_syntax): (usize, &&'static str)| Outgoing {
                kind: Kind { sop_class: CT.into(), transfer_syntax: (*transfer_syntax).into() },
                sop_instance: format!("1.2.{number}"),
                body: Body::Source(Arc::new(OnShelf(number, transfer_syntax))),
            };
            let left: VecDeque<_> = self.transfer_syntaxes.iter().enumerate().map(object).collect();
            let mut kinds = BTreeMap::new();
            left.iter().for_each(|object| *kinds.entry(object.kind.clone()).or_default() += 1);
            async move { Ok(Box::new(Picked { kinds, left }) as Box<dyn Selection>) }.boxed()
        }

        fn destination<'a>(
            &'a self,
            _peer: &'a Peer,
            title: &'a str,
        ) -> BoxFuture<'a, Result<Option<Destination>, LibraryError>> {
            let address = self.destination.as_deref().filter(|_| title == "CT1");
            let destination = address.map(|address| Destination {
                device: DeviceId(9),
                address: address.parse().unwrap(),
                certificate: None,
            });
            async { Ok(destination) }.boxed()
        }
    }
}

#[cfg(test)]
mod tests {
    use dicom_dictionary_std::uids;

    use super::super::query::testing::request;
    use super::*;
    use crate::dimse::command::C_MOVE_RQ;

    fn wanted(model: &str, keys: &[(crate::dicom::Tag, &str)]) -> Result<Wanted, Response> {
        Wanted::read(&Identifier::read(&request(model, C_MOVE_RQ, keys)).unwrap())
    }

    const PATIENT: &str = uids::PATIENT_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE;
    const STUDY: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE;
    const LEVEL: crate::dicom::Tag = tags::QUERY_RETRIEVE_LEVEL;

    #[test]
    fn a_retrieval_names_its_level_by_a_list_and_what_is_above_by_one_value_or_none() {
        let series = [
            (LEVEL, "SERIES"),
            (tags::STUDY_INSTANCE_UID, "1.2"),
            (tags::SERIES_INSTANCE_UID, "1.2.1\\1.2.2"),
            (tags::SOP_INSTANCE_UID, "9.9"),
        ];
        let of_series = wanted(STUDY, &series).unwrap();
        assert_eq!((of_series.studies, of_series.series), (vec!["1.2".into()], vec!["1.2.1".into(), "1.2.2".into()]));
        assert!(of_series.instances.is_empty());
        let image = wanted(PATIENT, &[(LEVEL, "IMAGE"), (tags::SOP_INSTANCE_UID, "1.2.3")]).unwrap();
        assert_eq!((image.patient_id, image.studies.len(), image.instances.len()), (None, 0, 1));
        let patient = wanted(PATIENT, &[(LEVEL, "PATIENT"), (tags::PATIENT_ID, "P 1")]).unwrap();
        assert_eq!(patient.patient_id.as_deref(), Some("P 1"));
    }

    #[test]
    fn a_retrieval_of_everything_or_of_nothing_is_refused() {
        for (model, keys) in [
            (STUDY, vec![(LEVEL, "STUDY")]),
            (STUDY, vec![(LEVEL, "STUDY"), (tags::STUDY_INSTANCE_UID, "*")]),
            (STUDY, vec![(LEVEL, "STUDY"), (tags::STUDY_INSTANCE_UID, "1.2\\x")]),
            (STUDY, vec![(LEVEL, "SERIES"), (tags::STUDY_INSTANCE_UID, "1\\2"), (tags::SERIES_INSTANCE_UID, "1.2")]),
            (PATIENT, vec![(LEVEL, "PATIENT"), (tags::PATIENT_ID, "P*")]),
            (PATIENT, vec![(LEVEL, "PATIENT"), (tags::STUDY_INSTANCE_UID, "1.2")]),
        ] {
            assert_eq!(wanted(model, &keys).unwrap_err().status, Status::IDENTIFIER_MISMATCH, "{keys:?}");
        }
    }

    #[test]
    fn the_final_status_is_the_sum_of_the_parts() {
        let sum = |answers: &[u16]| {
            let mut tally = Tally { total: 5, completed: 0, failed: 0, warning: 0, failed_uids: String::new() };
            answers.iter().for_each(|status| tally.answered("1.2.3", Status(*status)));
            tally
        };
        let last = |answers: &[u16]| sum(answers).last(None, Plain::Implicit);
        assert_eq!(last(&[0, 0]).status, Status::SUCCESS);
        assert_eq!(last(&[0, 0xA700]).status, Status::INCOMPLETE);
        assert_eq!(last(&[0xB000, 0xB007]).status, Status::INCOMPLETE);
        assert_eq!(last(&[0xA700, 0xC000]).status, Status::CANNOT_PERFORM);
        assert!(last(&[0, 0xB000]).data_set.is_none());
        let failed = last(&[0xA700, 0xC000]);
        assert_eq!(failed.data_set.unwrap(), *b"\x08\0\x58\0\x0c\0\0\x001.2.3\\1.2.3\0");
        let cancelled = sum(&[0, 0xA700]).last(Some(Stop::Cancelled), Plain::Implicit);
        let counts = Counts { remaining: Some(3), completed: 1, failed: 1, warning: 0 };
        assert_eq!((cancelled.status, cancelled.counts), (Status::CANCELLED, Some(Box::new(counts))));
    }

    #[test]
    fn the_list_of_failures_fits_its_element() {
        let mut tally = Tally { total: 9_000, completed: 0, failed: 0, warning: 0, failed_uids: String::new() };
        (0..9_000).for_each(|_| tally.failed(&"1".repeat(64)));
        assert!(tally.failed_uids.len() < 0xFFFE);
        assert_eq!(tally.last(None, Plain::Explicit).counts.unwrap().failed, 9_000);
    }
}
