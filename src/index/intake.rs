//! Rows of what was received: patients, studies, series, instances, quarantine, and how far the indexer has come.
//!
//! Identity follows what was sent: a patient row is one set of demographics as one site sent it and never changes, so a
//! pid used twice cannot put another person's name on a report. What belongs together is decided above, not here.

use std::collections::HashSet;

use super::{Result, Tx, find, on};
use crate::dicom::packed::Packed;
use crate::domain::{
    AccountId, CaseId, CaseState, Delivery, DeviceId, InstanceId, Micros, PatientId, ReportId, SeriesId, SiteId,
    StudyId, Urgency,
};

/// One set of demographics as a site sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientRow {
    pub issuer: String,
    pub pid: String,
    pub name: String,
    pub name_raw: String,
    pub sex: String,
    pub birth_date: String,
}

/// What the first instance says of its study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyRow {
    pub uid: String,
    pub accession: String,
    pub study_id: String,
    pub study_date: String,
    pub study_time: String,
    pub exam: Micros,
    pub description: String,
    pub modality: String,
    pub body_part: String,
    pub referring: String,
    /// All component groups.
    pub referring_raw: String,
    /// In small letters, each between `=`.
    pub referring_forms: String,
    pub age: String,
    /// Timezone Offset From UTC, as sent.
    pub timezone: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesRow {
    pub uid: String,
    pub modality: String,
    pub number: i64,
    pub description: String,
    pub body_part: String,
    pub performed_date: String,
    pub performed_time: String,
    pub requests: Vec<RequestRow>,
}

/// An item of a series' Request Attributes Sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    pub procedure_id: String,
    pub step_id: String,
}

/// Where the spool has an object, and what it noted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolPlace {
    pub node: String,
    pub segment: i64,
    pub position: i64,
    /// Of the Part-10 file within the segment.
    pub offset: i64,
    pub bytes: i64,
    pub dataset_offset: i64,
    pub crc32: i64,
    /// Of the dataset.
    pub sha256: [u8; 32],
    pub received: Micros,
    pub calling_ae: String,
    pub sop_class: String,
    pub transfer_syntax: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct InstanceRow {
    pub sop_uid: String,
    pub sop_hash: i64,
    pub sop_class: String,
    pub number: i64,
    pub frames: i64,
    pub delivery: Delivery,
    /// Why it is unavailable; empty otherwise.
    pub delivery_reason: String,
    /// `ImageAttrs` as JSON; none: no image.
    pub attrs: Option<String>,
    /// DICOM JSON.
    pub metadata: Packed,
    /// As what its text was read, by [`crate::dicom::Writing`]'s word, where that was said of its device.
    pub written_in: Option<String>,
}

/// A study as the indexer must know it to add to it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct KnownStudy {
    pub id: StudyId,
    pub site_id: SiteId,
    pub issuer: String,
    pub pid: String,
    pub modality: String,
    pub modalities: String,
    pub body_part: String,
    pub case_id: Option<CaseId>,
    pub case_state: Option<String>,
}

/// An instance of the same SOP Instance UID.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SameUid {
    pub id: InstanceId,
    pub study_id: StudyId,
    pub site_id: SiteId,
    pub sha256: Vec<u8>,
}

/// What a batch added to a study.
#[derive(Debug, Clone, Default)]
pub struct StudyGrowth {
    pub instances: i64,
    pub bytes: i64,
    pub quarantined: i64,
    pub last: Option<Micros>,
}

/// How far the indexer of `node`'s spool has come; 0 at first.
pub async fn cursor(tx: &mut Tx, node: &str) -> Result<i64> {
    let found = on!(tx, c => sqlx::query_scalar::<_, i64>("SELECT position FROM spool_cursor WHERE node = $1")
        .bind(node).fetch_optional(c).await)?;
    Ok(found.unwrap_or(0))
}

pub async fn set_cursor(tx: &mut Tx, node: &str, position: i64) -> Result<()> {
    on!(tx, c => sqlx::query(
        "INSERT INTO spool_cursor (node, position) VALUES ($1, $2)
         ON CONFLICT (node) DO UPDATE SET position = excluded.position WHERE spool_cursor.position < excluded.position")
        .bind(node).bind(position).execute(c).await.map(drop))?;
    Ok(())
}

/// Positions of one segment that have a row already: instances not yet sealed, and quarantine.
pub async fn known_positions(tx: &mut Tx, node: &str, segment: i64) -> Result<HashSet<i64>> {
    let positions = on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT position FROM instance WHERE node = $1 AND segment = $2 AND pack_id IS NULL
         UNION ALL SELECT position FROM quarantine WHERE node = $1 AND segment = $2")
        .bind(node).bind(segment).fetch_all(c).await)?;
    Ok(positions.into_iter().collect())
}

/// The site of a device, also of one that was removed since it sent. The title must still be its own: a spool can be
/// older than the index that numbers devices.
pub async fn site_of_device(tx: &mut Tx, device: DeviceId, calling_ae: &str) -> Result<Option<SiteId>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, SiteId>("SELECT site_id FROM device WHERE id = $1 AND ae_title = $2")
        .bind(device).bind(calling_ae).fetch_optional(c).await)?)
}

/// Finds or makes the place of a sender nobody registered: a device of that AE title, at the site of all such.
pub async fn unregistered_device(tx: &mut Tx, calling_ae: &str, now: Micros) -> Result<(DeviceId, SiteId)> {
    let found = on!(tx, c => sqlx::query_as::<_, (DeviceId, SiteId)>(
        "SELECT id, site_id FROM device WHERE ae_title = $1 AND removed_us IS NULL ORDER BY id LIMIT 1")
        .bind(calling_ae).fetch_optional(c).await)?;
    if let Some(found) = found {
        return Ok(found);
    }
    let site = site_of_unregistered(tx, now).await?;
    let device = on!(tx, c => sqlx::query_scalar::<_, DeviceId>(
        "INSERT INTO device (ae_title, site_id, modality, created_us) VALUES ($1, $2, '', $3) RETURNING id")
        .bind(calling_ae).bind(site).bind(now).fetch_one(c).await)?;
    Ok((device, site))
}

/// Finds or makes the site of senders nobody registered at one.
pub async fn site_of_unregistered(tx: &mut Tx, now: Micros) -> Result<SiteId> {
    on!(tx, c => sqlx::query(
        "INSERT INTO site (code, name, kind, created_us) VALUES ('unregistered', '未登记', 'county', $1)
         ON CONFLICT (code) DO NOTHING").bind(now).execute(c).await.map(drop))?;
    Ok(on!(tx, c => sqlx::query_scalar::<_, SiteId>("SELECT id FROM site WHERE code = 'unregistered'")
        .fetch_one(c).await)?)
}

/// Finds or adds these demographics at this site.
pub async fn patient(tx: &mut Tx, site: SiteId, patient: &PatientRow) -> Result<PatientId> {
    let inserted = on!(tx, c => sqlx::query_scalar::<_, PatientId>(
        "INSERT INTO patient (site_id, issuer, pid, name, name_raw, sex, birth_date) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (site_id, issuer, pid, name_raw, sex, birth_date) DO NOTHING RETURNING id")
        .bind(site).bind(&patient.issuer).bind(&patient.pid).bind(&patient.name).bind(&patient.name_raw)
        .bind(&patient.sex).bind(&patient.birth_date).fetch_optional(c).await)?;
    if let Some(id) = inserted {
        find::add_names(tx, id, &patient.name_raw).await?;
        return Ok(id);
    }
    Ok(on!(tx, c => sqlx::query_scalar::<_, PatientId>(
        "SELECT id FROM patient WHERE site_id = $1 AND issuer = $2 AND pid = $3 AND name_raw = $4 AND sex = $5
            AND birth_date = $6")
        .bind(site).bind(&patient.issuer).bind(&patient.pid).bind(&patient.name_raw).bind(&patient.sex)
        .bind(&patient.birth_date).fetch_one(c).await)?)
}

/// The study of that UID, as it was sent, with its case if it has one.
pub async fn study_by_uid(tx: &mut Tx, uid: &str) -> Result<Option<KnownStudy>> {
    Ok(on!(tx, c => sqlx::query_as::<_, KnownStudy>(
        "SELECT s.id, s.site_id, p.issuer, p.pid, s.modality, s.modalities, s.body_part,
                c.id AS case_id, c.state AS case_state
           FROM study s JOIN patient p ON p.id = COALESCE(s.sent_patient_id, s.patient_id)
           LEFT JOIN case_ c ON c.study_id = s.id
          WHERE s.uid = $1").bind(uid).fetch_optional(c).await)?)
}

/// Adds a study without instances; none if another node was first.
pub async fn insert_study(
    tx: &mut Tx,
    study: &StudyRow,
    patient: PatientId,
    site: SiteId,
    device: DeviceId,
    first: Micros,
) -> Result<Option<StudyId>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, StudyId>(
        "INSERT INTO study (uid, patient_id, site_id, device_id, accession, study_id, study_date, study_time, exam_us,
                            description, modality, modalities, body_part, referring, age, instances, bytes, quarantined,
                            first_us, last_us, referring_raw, referring_forms, timezone)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, 0, 0, $16, $17, $18, $19, $20)
         ON CONFLICT (uid) DO NOTHING RETURNING id")
        .bind(&study.uid).bind(patient).bind(site).bind(device).bind(&study.accession).bind(&study.study_id)
        .bind(&study.study_date).bind(&study.study_time).bind(study.exam).bind(&study.description)
        .bind(&study.modality).bind(&study.modality).bind(&study.body_part).bind(&study.referring).bind(&study.age)
        .bind(first).bind(first).bind(&study.referring_raw).bind(&study.referring_forms).bind(&study.timezone)
        .fetch_optional(c).await)?)
}

/// What a study is read as, and all modalities in it.
pub async fn set_study_modality(
    tx: &mut Tx,
    study: StudyId,
    modality: &str,
    modalities: &str,
    body_part: &str,
) -> Result<()> {
    on!(tx, c => sqlx::query("UPDATE study SET modality = $2, modalities = $3, body_part = $4 WHERE id = $1")
        .bind(study).bind(modality).bind(modalities).bind(body_part).execute(c).await.map(drop))?;
    Ok(())
}

pub async fn grow_study(tx: &mut Tx, study: StudyId, growth: &StudyGrowth) -> Result<()> {
    on!(tx, c => sqlx::query(
        "UPDATE study SET instances = instances + $2, bytes = bytes + $3, quarantined = quarantined + $4,
                last_us = CASE WHEN last_us < $5 THEN $5 ELSE last_us END
          WHERE id = $1")
        .bind(study).bind(growth.instances).bind(growth.bytes).bind(growth.quarantined)
        .bind(growth.last.unwrap_or(Micros(0))).execute(c).await.map(drop))?;
    Ok(())
}

/// Finds or adds a series.
pub async fn series(tx: &mut Tx, study: StudyId, series: &SeriesRow, at: Micros) -> Result<SeriesId> {
    let found = on!(tx, c => sqlx::query_scalar::<_, SeriesId>("SELECT id FROM series WHERE study_id = $1 AND uid = $2")
        .bind(study).bind(&series.uid).fetch_optional(c).await)?;
    if let Some(id) = found {
        return Ok(id);
    }
    let id = on!(tx, c => sqlx::query_scalar::<_, SeriesId>(
        "INSERT INTO series (study_id, uid, modality, number, description, body_part, instances, last_us,
                             performed_date, performed_time)
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9)
         ON CONFLICT (study_id, uid) DO UPDATE SET uid = excluded.uid RETURNING id")
        .bind(study).bind(&series.uid).bind(&series.modality).bind(series.number).bind(&series.description)
        .bind(&series.body_part).bind(at).bind(&series.performed_date).bind(&series.performed_time)
        .fetch_one(c).await)?;
    for request in &series.requests {
        on!(tx, c => sqlx::query(
            "INSERT INTO series_request (series_id, procedure_id, step_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(id).bind(&request.procedure_id).bind(&request.step_id).execute(c).await.map(drop))?;
    }
    Ok(id)
}

pub async fn grow_series(tx: &mut Tx, series: SeriesId, instances: i64, last: Micros) -> Result<()> {
    on!(tx, c => sqlx::query(
        "UPDATE series SET instances = instances + $2, last_us = CASE WHEN last_us < $3 THEN $3 ELSE last_us END
          WHERE id = $1").bind(series).bind(instances).bind(last).execute(c).await.map(drop))?;
    Ok(())
}

/// The instance of that SOP Instance UID, wherever it is.
pub async fn same_uid(tx: &mut Tx, sop_uid: &str, sop_hash: i64) -> Result<Option<SameUid>> {
    Ok(on!(tx, c => sqlx::query_as::<_, SameUid>(
        "SELECT i.id, se.study_id, st.site_id, i.sha256 FROM instance i JOIN series se ON se.id = i.series_id
           JOIN study st ON st.id = se.study_id
          WHERE i.sop_hash = $1 AND i.sop_uid = $2 LIMIT 1").bind(sop_hash).bind(sop_uid).fetch_optional(c).await)?)
}

/// Adds an instance with its metadata; none if another node was first.
pub async fn insert_instance(
    tx: &mut Tx,
    series: SeriesId,
    device: DeviceId,
    instance: &InstanceRow,
    place: &SpoolPlace,
) -> Result<Option<InstanceId>> {
    let id = on!(tx, c => sqlx::query_scalar::<_, InstanceId>(
        "INSERT INTO instance (series_id, sop_uid, sop_hash, sop_class, transfer_syntax, number, frames, device_id,
                               calling_ae, received_us, bytes, sha256, crc32, dataset_offset, node, segment, position,
                               file_offset, attrs, delivery, delivery_reason, written_in)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
         ON CONFLICT (series_id, sop_uid) DO NOTHING RETURNING id")
        .bind(series).bind(&instance.sop_uid).bind(instance.sop_hash).bind(&instance.sop_class)
        .bind(&place.transfer_syntax).bind(instance.number).bind(instance.frames).bind(device).bind(&place.calling_ae)
        .bind(place.received).bind(place.bytes).bind(&place.sha256[..]).bind(place.crc32).bind(place.dataset_offset)
        .bind(&place.node).bind(place.segment).bind(place.position).bind(place.offset).bind(&instance.attrs)
        .bind(instance.delivery.word()).bind(&instance.delivery_reason).bind(&instance.written_in)
        .fetch_optional(c).await)?;
    let Some(id) = id else { return Ok(None) };
    let metadata = &instance.metadata;
    on!(tx, c => sqlx::query("INSERT INTO instance_metadata (instance_id, json, length, crc32) VALUES ($1, $2, $3, $4)")
        .bind(id).bind(&metadata.deflated).bind(i64::from(metadata.length)).bind(i64::from(metadata.crc32))
        .execute(c).await.map(drop))?;
    Ok(Some(id))
}

/// A new case; none if the study has one.
#[derive(Debug, Clone)]
pub struct NewCase<'a> {
    pub study: StudyId,
    pub site: SiteId,
    pub modality: &'a str,
    pub body_part: &'a str,
    pub urgency: Urgency,
    pub question: &'a str,
    pub state: CaseState,
    pub arriving: Micros,
}

pub async fn insert_case(tx: &mut Tx, case: &NewCase<'_>) -> Result<Option<CaseId>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, CaseId>(
        "INSERT INTO case_ (study_id, site_id, modality, body_part, urgency, question, state, version, arriving_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8) ON CONFLICT (study_id) DO NOTHING RETURNING id")
        .bind(case.study).bind(case.site).bind(case.modality).bind(case.body_part).bind(case.urgency.word())
        .bind(case.question).bind(case.state.word()).bind(case.arriving)
        .fetch_optional(c).await)?)
}

/// What images that came late meet.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct LateCase {
    pub state: String,
    /// All that came late by now and that nobody has answered for.
    pub late: i64,
    pub writer: Option<AccountId>,
    pub report: Option<ReportId>,
}

/// Notes on a case that so many images came late. A signed report that its site had read is unread again: what was read does
/// not know them.
pub async fn came_late(tx: &mut Tx, case: CaseId, images: i64, now: Micros) -> Result<LateCase> {
    on!(tx, c => sqlx::query(
        "UPDATE case_ SET late = late + $2, late_us = $3, read_us = CASE WHEN state = 'signed' THEN NULL ELSE read_us END
          WHERE id = $1")
        .bind(case).bind(images).bind(now).execute(c).await.map(drop))?;
    Ok(on!(tx, c => sqlx::query_as::<_, LateCase>(
        "SELECT c.state, c.late - c.late_seen AS late, c.assignee_id AS writer,
                (SELECT r.id FROM report r WHERE r.case_id = c.id ORDER BY r.version DESC LIMIT 1) AS report
           FROM case_ c WHERE c.id = $1").bind(case).fetch_one(c).await)?)
}

/// A case whose study may be complete.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ArrivingCase {
    pub id: CaseId,
    pub study_id: StudyId,
    pub site_id: SiteId,
    pub modality: String,
    pub urgency: String,
    pub instances: i64,
    /// Of its objects, those in quarantine.
    pub quarantined: i64,
    pub series: i64,
    pub device_id: DeviceId,
    pub device_ae: String,
    /// When the last instance became known.
    pub last_us: Micros,
}

pub async fn arriving_cases(tx: &mut Tx) -> Result<Vec<ArrivingCase>> {
    Ok(on!(tx, c => sqlx::query_as::<_, ArrivingCase>(
        "SELECT c.id, c.study_id, c.site_id, c.modality, c.urgency, s.instances, s.quarantined,
                (SELECT COUNT(*) FROM series se WHERE se.study_id = s.id) AS series, s.device_id,
                d.ae_title AS device_ae, s.last_us
           FROM case_ c JOIN study s ON s.id = c.study_id JOIN device d ON d.id = s.device_id
          WHERE c.state = 'arriving' ORDER BY c.id").fetch_all(c).await)?)
}

/// Arriving becomes complete and queued, unless images came after `last` or somebody else did it.
pub async fn complete_case(tx: &mut Tx, case: &ArrivingCase, now: Micros, due: Micros) -> Result<bool> {
    let changed = on!(tx, c => sqlx::query(
        "UPDATE case_ SET state = 'queued', complete_us = $2, queued_us = $2, due_us = $3, version = version + 1
          WHERE id = $1 AND state = 'arriving' AND urgency = $4
            AND EXISTS (SELECT 1 FROM study s WHERE s.id = case_.study_id AND s.last_us = $5)")
        .bind(case.id).bind(now).bind(due).bind(&case.urgency).bind(case.last_us)
        .execute(c).await.map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}
