//! The index as C-FIND sees it: what a device may find, matched as QIDO-RS matches, a page at a time.
//!
//! What is a column can be matched and returned; other attributes of the study, the series or the instance are returned as
//! the header of one of its instances has them.

mod answer;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;

use flate2::read::DeflateDecoder;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use crate::dicom::{Composed, Repertoire, Tag, packed, tags};
use crate::dimse::services::Peer;
use crate::dimse::services::find::{Answers, Catalogue, FindError, KeyPath, Query};
use crate::dimse::services::query::Level as Asked;
use crate::dimse::services::retrieve::LibraryError;
use crate::domain::{InstanceId, PatientId, SeriesId, StudyId};
use crate::index::dicomweb::{self, StoredMetadata};
use crate::index::find::{self, Keys, Level, level_of};
use crate::index::{self, Db, Scope, Tx, community};

/// Matches looked up at a time.
const PAGE: i64 = 200;
/// Headers read at a time.
const HEADERS: usize = 50;
/// Longest header as DICOM JSON.
const MAX_JSON: u64 = 64 << 20;

/// Reads the index.
pub struct CenterCatalogue {
    pub db: Db,
}

impl Catalogue for CenterCatalogue {
    fn find<'a>(&'a self, peer: &'a Peer, query: &'a Query) -> BoxFuture<'a, Result<Box<dyn Answers>, FindError>> {
        async move { self.begin(peer, query).await }.boxed()
    }
}

impl CenterCatalogue {
    async fn begin(&self, peer: &Peer, query: &Query) -> Result<Box<dyn Answers>, FindError> {
        let asking = async {
            let mut tx = self.db.read().await?;
            let scope = community::scope_of_device(&mut tx, peer.device).await?;
            index::Result::Ok((scope, community::charset_of_device(&mut tx, peer.device).await?))
        };
        let (scope, charset) = asking.await.map_err(|error| FindError::Unavailable(failed(error)))?;
        let repertoire = charset.as_deref().and_then(Repertoire::from_word);
        let level = match query.level {
            Asked::Patient => Level::Patient,
            Asked::Study => Level::Study,
            Asked::Series => Level::Series,
            Asked::Image => Level::Instance,
        };
        let mut keys = Keys::new(level);
        keys.fuzzy(query.fuzzy);
        let (mut unsupported, mut from_header) = (BTreeSet::new(), BTreeSet::new());
        for (path, value) in &query.keys {
            let first = path.first().copied().unwrap_or(tags::QUERY_RETRIEVE_LEVEL);
            let matched = keys.add(path, value).map_err(|_| FindError::BadKey(first))?;
            if matched || answer::is_known(level, path) && value.is_empty() {
                continue;
            }
            let in_header = level > Level::Patient && first.0 % 2 == 0 && level_of(first) <= level;
            if in_header && !answer::is_known(level, path) {
                from_header.insert(first);
            }
            if !in_header || !value.is_empty() {
                unsupported.insert(path.clone());
            }
        }
        let classes = level >= Level::Study && query.keys.iter().any(|(path, _)| *path == [tags::SOP_CLASSES_IN_STUDY]);
        let requests = query.keys.iter().any(|(path, _)| path.first() == Some(&tags::REQUEST_ATTRIBUTES_SEQUENCE));
        let db = self.db.clone();
        let below = i64::MAX;
        Ok(Box::new(Found { db, scope, repertoire, keys, unsupported, from_header, classes, requests, below }))
    }
}

fn failed(error: index::Error) -> LibraryError {
    LibraryError(error.to_string())
}

/// The matches of one query.
struct Found {
    db: Db,
    scope: Scope,
    repertoire: Option<Repertoire>,
    keys: Keys,
    unsupported: BTreeSet<KeyPath>,
    /// Asked for, and no column.
    from_header: BTreeSet<Tag>,
    /// SOP Classes in Study is asked for.
    classes: bool,
    /// Request Attributes Sequence is asked for.
    requests: bool,
    /// Id of the last row that was read.
    below: i64,
}

impl Answers for Found {
    fn unsupported(&self) -> &BTreeSet<KeyPath> {
        &self.unsupported
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Composed>, LibraryError>> {
        async move { self.page().await.map_err(failed) }.boxed()
    }

    fn repertoire(&self) -> Option<Repertoire> {
        self.repertoire
    }
}

/// A match and what may be added to it.
struct Match {
    answer: Composed,
    study: Option<StudyId>,
    series: Option<SeriesId>,
    instance: Option<InstanceId>,
}

impl Found {
    async fn page(&mut self) -> index::Result<Vec<Composed>> {
        let db = self.db.clone();
        let mut tx = db.read().await?;
        let mut matches = self.matches(&mut tx).await?;
        if self.classes {
            self.add_classes(&mut tx, &mut matches).await?;
        }
        if self.requests {
            self.add_requests(&mut tx, &mut matches).await?;
        }
        if !self.from_header.is_empty() {
            self.add_from_headers(&mut tx, &mut matches).await?;
        }
        Ok(matches.into_iter().map(|one| one.answer).collect())
    }

    async fn matches(&mut self, tx: &mut Tx) -> index::Result<Vec<Match>> {
        let (scope, keys, below) = (self.scope, &self.keys, self.below);
        let found: Vec<(i64, Match)> = match keys.level() {
            Level::Patient => {
                let found = find::patients_below(tx, scope, keys, PatientId(below), PAGE).await?;
                let one = |found: &find::PatientFound| Match {
                    answer: answer::patient(found),
                    study: None,
                    series: None,
                    instance: None,
                };
                found.iter().map(|found| (found.patient.0, one(found))).collect()
            }
            Level::Study => {
                let found = find::studies_below(tx, scope, keys, StudyId(below), PAGE).await?;
                let one = |found: &find::StudyFound| Match {
                    answer: answer::study(found),
                    study: Some(found.study),
                    series: None,
                    instance: None,
                };
                found.iter().map(|found| (found.study.0, one(found))).collect()
            }
            Level::Series => {
                let found = find::series_below(tx, scope, keys, SeriesId(below), PAGE).await?;
                let one = |found: &find::SeriesFound| Match {
                    answer: answer::series(found),
                    study: Some(found.of.study),
                    series: Some(found.series),
                    instance: None,
                };
                found.iter().map(|found| (found.series.0, one(found))).collect()
            }
            Level::Instance => {
                let found = find::instances_below(tx, scope, keys, InstanceId(below), PAGE).await?;
                let one = |found: &find::InstanceFound| Match {
                    answer: answer::instance(found),
                    study: Some(found.of.of.study),
                    series: Some(found.of.series),
                    instance: Some(found.instance),
                };
                found.iter().map(|found| (found.instance.0, one(found))).collect()
            }
        };
        self.below = found.last().map_or(self.below, |(id, _)| *id);
        Ok(found.into_iter().map(|(_, one)| one).collect())
    }

    async fn add_classes(&self, tx: &mut Tx, matches: &mut [Match]) -> index::Result<()> {
        let studies: BTreeSet<StudyId> = matches.iter().filter_map(|one| one.study).collect();
        let studies: Vec<StudyId> = studies.into_iter().collect();
        let mut classes: BTreeMap<StudyId, Vec<String>> = BTreeMap::new();
        for (study, class) in find::classes_of_studies(tx, &studies).await? {
            classes.entry(study).or_default().push(class);
        }
        for one in matches {
            if let Some(classes) = one.study.and_then(|study| classes.get(&study)) {
                answer::classes(&mut one.answer, classes);
            }
        }
        Ok(())
    }

    async fn add_requests(&self, tx: &mut Tx, matches: &mut [Match]) -> index::Result<()> {
        let series: BTreeSet<SeriesId> = matches.iter().filter_map(|one| one.series).collect();
        let series: Vec<SeriesId> = series.into_iter().collect();
        if series.is_empty() {
            return Ok(());
        }
        let mut requests: BTreeMap<SeriesId, Vec<find::RequestFound>> = BTreeMap::new();
        for request in find::requests_of_series(tx, &series).await? {
            requests.entry(request.series_id).or_default().push(request);
        }
        for one in matches {
            if let Some(requests) = one.series.and_then(|series| requests.get(&series)) {
                answer::requests(&mut one.answer, requests);
            }
        }
        Ok(())
    }

    async fn add_from_headers(&self, tx: &mut Tx, matches: &mut [Match]) -> index::Result<()> {
        let samples = self.samples(tx, matches).await?;
        for (samples, matches) in samples.chunks(HEADERS).zip(matches.chunks_mut(HEADERS)) {
            let wanted: Vec<InstanceId> = samples.iter().flatten().copied().collect();
            let headers = headers(dicomweb::metadata_of(tx, &wanted).await?).await;
            for (sample, one) in samples.iter().zip(matches) {
                let Some(header) = sample.and_then(|id| headers.get(&id)) else { continue };
                for tag in &self.from_header {
                    if let Some(attribute) = header.get(&format!("{:04X}{:04X}", tag.0, tag.1)) {
                        // What has no value is sent as such by whoever asked.
                        one.answer.json(*tag, attribute);
                    }
                }
            }
        }
        Ok(())
    }

    /// One instance of each match, whose header speaks for it.
    async fn samples(&self, tx: &mut Tx, matches: &[Match]) -> index::Result<Vec<Option<InstanceId>>> {
        Ok(match self.keys.level() {
            Level::Patient => vec![None; matches.len()],
            Level::Instance => matches.iter().map(|one| one.instance).collect(),
            Level::Study => {
                let studies: Vec<StudyId> = matches.iter().filter_map(|one| one.study).collect();
                if studies.is_empty() {
                    return Ok(Vec::new());
                }
                let samples: HashMap<_, _> = find::sample_of_study(tx, &studies).await?.into_iter().collect();
                matches.iter().map(|one| one.study.and_then(|study| samples.get(&study).copied())).collect()
            }
            Level::Series => {
                let series: Vec<SeriesId> = matches.iter().filter_map(|one| one.series).collect();
                if series.is_empty() {
                    return Ok(Vec::new());
                }
                let samples: HashMap<_, _> = find::sample_of_series(tx, &series).await?.into_iter().collect();
                matches.iter().map(|one| one.series.and_then(|series| samples.get(&series).copied())).collect()
            }
        })
    }
}

/// Headers as DICOM JSON; one that cannot be read is not there.
async fn headers(stored: Vec<StoredMetadata>) -> HashMap<InstanceId, Map<String, Value>> {
    let parsed = tokio::task::spawn_blocking(move || {
        let parse = |stored: StoredMetadata| {
            let json = match stored.length {
                Some(length) => packed::unpack(&stored.json, u32::try_from(length).ok()?)?,
                None => inflate(&stored.json)?,
            };
            Some((stored.instance, serde_json::from_slice(&json).ok()?))
        };
        stored.into_iter().filter_map(parse).collect()
    });
    parsed.await.unwrap_or_default()
}

/// What an older version kept: one whole deflate stream.
fn inflate(deflated: &[u8]) -> Option<Vec<u8>> {
    let mut json = Vec::new();
    DeflateDecoder::new(deflated).take(MAX_JSON).read_to_end(&mut json).ok()?;
    Some(json)
}
