//! The registered exams as a device's query of the worklist sees them: its own site's that are still to be made.

use std::collections::BTreeSet;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;

use crate::clock;
use crate::dicom::{Composed, Repertoire, VR, person_name, tags};
use crate::dimse::services::Peer;
use crate::dimse::services::find::{Answers, FindError, KeyPath};
use crate::dimse::services::retrieve::LibraryError;
use crate::dimse::services::worklist::{Schedule, is_known};
use crate::domain::{Sex, SiteId, Urgency};
use crate::index::orders::worklist::{Behind, Keys, PROCEDURE, STEP, page, status};
use crate::index::orders::{Order, earliest_offered};
use crate::index::{self, Db, community};

/// Orders looked up at a time.
const PAGE: i64 = 100;
/// Longest values of LO and SH (PS3.5 6.2).
const LO: usize = 64;
const SH: usize = 16;

/// Reads the index. `zone`: the center's clock.
pub struct CenterSchedule {
    pub db: Db,
    pub zone: TimeZone,
}

impl Schedule for CenterSchedule {
    fn find<'a>(
        &'a self,
        peer: &'a Peer,
        keys: &'a [(KeyPath, String)],
    ) -> BoxFuture<'a, Result<Box<dyn Answers>, FindError>> {
        async move { self.begin(peer, keys).await }.boxed()
    }
}

impl CenterSchedule {
    async fn begin(&self, peer: &Peer, keys: &[(KeyPath, String)]) -> Result<Box<dyn Answers>, FindError> {
        let (read, others) = Keys::read(keys).map_err(FindError::BadKey)?;
        let without_value = |path: &&KeyPath| keys.iter().any(|(key, value)| key == *path && value.is_empty());
        let unsupported = others.into_iter().filter(|path| !(is_known(path) && without_value(path))).cloned().collect();
        let asking = async {
            let mut tx = self.db.read().await?;
            let site = community::site_of_sender(&mut tx, peer.device).await?;
            index::Result::Ok((site, community::charset_of_device(&mut tx, peer.device).await?))
        };
        let (site, charset) = asking.await.map_err(|error| FindError::Unavailable(failed(error)))?;
        let station = read.station().unwrap_or(&peer.calling).to_owned();
        Ok(Box::new(Found {
            db: self.db.clone(),
            site,
            repertoire: charset.as_deref().and_then(Repertoire::from_word),
            earliest: earliest_offered(clock::today(&self.zone)),
            keys: read,
            unsupported,
            station,
            behind: Behind::default(),
        }))
    }
}

fn failed(error: index::Error) -> LibraryError {
    LibraryError(error.to_string())
}

/// The matches of one query.
struct Found {
    db: Db,
    site: SiteId,
    repertoire: Option<Repertoire>,
    earliest: String,
    keys: Keys,
    unsupported: BTreeSet<KeyPath>,
    /// Who makes what is for any device of the site: the one that asks, or that it asks for.
    station: String,
    behind: Behind,
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

impl Found {
    async fn page(&mut self) -> index::Result<Vec<Composed>> {
        let mut tx = self.db.read().await?;
        let orders = page(&mut tx, self.site, &self.keys, &self.earliest, &self.behind, PAGE).await?;
        if let Some(last) = orders.last() {
            self.behind = Behind::order(last);
        }
        Ok(orders.iter().map(|order| answer(order, &self.station)).collect())
    }
}

/// An order as the attributes of PS3.4 table K.6-1; `station` makes it where it is for any.
fn answer(order: &Order, station: &str) -> Composed {
    let sex = match order.sex {
        Sex::Male => "M",
        Sex::Female => "F",
        Sex::Other => "O",
        Sex::Unknown => "",
    };
    let priority = match order.urgency {
        Urgency::Stat => "STAT",
        Urgency::Urgent => "HIGH",
        Urgency::Routine => "ROUTINE",
    };
    let requester = person_name(&order.requester, "");
    let mut answer = Composed::default();
    answer
        .text(tags::ACCESSION_NUMBER, VR::SH, order.accession.as_str())
        .text(tags::INSTITUTION_NAME, VR::LO, fit(&order.site_name, LO))
        .text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, requester.as_str())
        .text(tags::PATIENT_NAME, VR::PN, order.name_raw.as_str())
        .text(tags::PATIENT_ID, VR::LO, order.pid.as_str())
        .text(tags::ISSUER_OF_PATIENT_ID, VR::LO, order.issuer.as_str())
        .text(tags::PATIENT_BIRTH_DATE, VR::DA, order.birth_date.as_str())
        .text(tags::PATIENT_SEX, VR::CS, sex)
        .text(tags::STUDY_INSTANCE_UID, VR::UI, order.study_uid.as_str())
        .text(tags::REQUESTING_PHYSICIAN, VR::PN, requester)
        .text(tags::REQUESTED_PROCEDURE_DESCRIPTION, VR::LO, fit(&order.exam, LO))
        .text(tags::REQUESTED_PROCEDURE_ID, VR::SH, format!("{PROCEDURE}{}", order.id))
        .text(tags::REQUESTED_PROCEDURE_PRIORITY, VR::SH, priority)
        .text(tags::REASON_FOR_THE_REQUESTED_PROCEDURE, VR::LO, fit(&order.question.replace('\n', " "), LO))
        .text(tags::REQUESTED_PROCEDURE_COMMENTS, VR::LT, order.question.as_str())
        .items(tags::SCHEDULED_PROCEDURE_STEP_SEQUENCE, vec![step(order, station)]);
    answer
}

fn step(order: &Order, station: &str) -> Composed {
    let station = order.device_ae.as_deref().unwrap_or(station);
    let mut step = Composed::default();
    step.text(tags::MODALITY, VR::CS, order.modality.as_str())
        .text(tags::BODY_PART_EXAMINED, VR::CS, body_part(&order.body_part))
        .text(tags::SCHEDULED_STATION_AE_TITLE, VR::AE, station)
        .text(tags::SCHEDULED_STATION_NAME, VR::SH, fit(station, SH))
        .text(tags::SCHEDULED_PROCEDURE_STEP_START_DATE, VR::DA, order.start_date.as_str())
        .text(tags::SCHEDULED_PROCEDURE_STEP_START_TIME, VR::TM, order.start_time.as_str())
        .text(tags::SCHEDULED_PERFORMING_PHYSICIAN_NAME, VR::PN, person_name(&order.performer, ""))
        .text(tags::SCHEDULED_PROCEDURE_STEP_DESCRIPTION, VR::LO, fit(&order.exam, LO))
        .text(tags::SCHEDULED_PROCEDURE_STEP_ID, VR::SH, format!("{STEP}{}", order.id))
        .text(tags::SCHEDULED_PROCEDURE_STEP_STATUS, VR::CS, status(order.state));
    step
}

/// A code string (PS3.5 6.2); what people write of a body part otherwise is in the description.
fn body_part(text: &str) -> &str {
    let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b' ' | b'_');
    if text.len() <= SH && text.bytes().all(fits) { text } else { "" }
}

/// As many characters as the attribute takes, and no second value.
fn fit(text: &str, most: usize) -> String {
    text.chars().map(|c| if c == '\\' { '/' } else { c }).take(most).collect()
}
