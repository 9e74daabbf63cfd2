//! What could not become an instance: kept whole, counted, shown with its reason, until a person decides; see [`settle`].
//!
//! A row is never deleted. What it became is written into it, and who decided so, and why, beside it.

mod settle;

use std::borrow::Cow;

pub use settle::{Kept, OtherCopy, Settling, hold, one, other_copies, set_aside, settle, still_refused};

use super::intake::SpoolPlace;
use super::{Result, Scope, Tx, on};
use crate::domain::{CaseId, DeviceId, InstanceId, Micros, QuarantineId, Sex, SiteId, StudyId};

/// Why an object is in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A stable word.
    pub code: Cow<'static, str>,
    /// What it is about, without words: an offset, an attribute, a number. Holds nothing of a patient.
    pub detail: String,
}

/// Puts an object into quarantine; none if it is there already.
pub async fn insert(
    tx: &mut Tx,
    device: DeviceId,
    site: SiteId,
    study: Option<StudyId>,
    sop_uid: &str,
    reason: &Reason,
    place: &SpoolPlace,
) -> Result<Option<QuarantineId>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, QuarantineId>(
        "INSERT INTO quarantine (received_us, device_id, site_id, study_id, calling_ae, sop_uid, sop_class,
                                 transfer_syntax, reason, detail, node, segment, position, file_offset, bytes, sha256,
                                 crc32, dataset_offset)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         ON CONFLICT (node, segment, position) DO NOTHING RETURNING id")
        .bind(place.received).bind(device).bind(site).bind(study).bind(&place.calling_ae).bind(sop_uid)
        .bind(&place.sop_class).bind(&place.transfer_syntax).bind(&*reason.code).bind(&reason.detail).bind(&place.node)
        .bind(place.segment).bind(place.position).bind(place.offset).bind(place.bytes).bind(&place.sha256[..])
        .bind(place.crc32).bind(place.dataset_offset)
        .fetch_optional(c).await)?)
}

/// Whether this site's quarantine has the bytes already, whatever became of them: sent again, they are no second finding.
pub async fn has(tx: &mut Tx, site: SiteId, sop_uid: &str, sha256: &[u8]) -> Result<bool> {
    let found = on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM quarantine WHERE sop_uid = $1 AND site_id = $2 AND sha256 = $3 AND instance_id IS NULL")
        .bind(sop_uid).bind(site).bind(sha256).fetch_one(c).await)?;
    Ok(found > 0)
}

/// A row of the quarantine page.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Quarantined {
    pub id: QuarantineId,
    pub received_us: Micros,
    pub site_id: SiteId,
    pub site_name: String,
    pub calling_ae: String,
    pub reason: String,
    pub detail: String,
    pub sop_uid: String,
    pub bytes: i64,
    pub settled_us: Option<Micros>,
    pub instance_id: Option<InstanceId>,
    /// That it was refused beside, or is of by now.
    pub study_id: Option<StudyId>,
    /// Of the last decision about it: what, by whom, in which words.
    pub act: Option<String>,
    pub act_by: Option<String>,
    pub act_note: Option<String>,
}

/// The newest first, within the caller's sites: what waits for a decision, or what was decided.
pub async fn list(
    tx: &mut Tx,
    scope: Scope,
    settled: bool,
    before: Option<QuarantineId>,
    limit: i64,
) -> Result<Vec<Quarantined>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Quarantined>(
        "SELECT q.id, q.received_us, q.site_id, s.name AS site_name, q.calling_ae, q.reason, q.detail, q.sop_uid,
                q.bytes, q.settled_us, q.instance_id,
                COALESCE((SELECT se.study_id FROM instance i JOIN series se ON se.id = i.series_id
                           WHERE i.id = q.instance_id), q.study_id) AS study_id, a.act, w.name AS act_by, a.note AS act_note
           FROM quarantine q JOIN site s ON s.id = q.site_id
           LEFT JOIN quarantine_act a ON a.id = (SELECT MAX(m.id) FROM quarantine_act m WHERE m.quarantine_id = q.id)
           LEFT JOIN account w ON w.id = a.account_id
          WHERE (CAST($1 AS BIGINT) IS NULL OR q.site_id = $1) AND (CAST($2 AS BIGINT) IS NULL OR q.id < $2)
            AND CASE WHEN q.settled_us IS NULL THEN 0 ELSE 1 END = $4
          ORDER BY q.id DESC LIMIT $3")
        .bind(scope.site()).bind(before.map(|id| id.0)).bind(limit).bind(i64::from(settled)).fetch_all(c).await)?)
}

/// The study that an object in quarantine has to do with, under the patient it is of today.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Beside {
    pub study_id: StudyId,
    pub case_id: Option<CaseId>,
    pub name: String,
    pub pid: String,
    pub birth_date: String,
    #[sqlx(try_from = "String")]
    pub sex: Sex,
    pub description: String,
    pub modality: String,
    pub accession: String,
    pub exam_us: Micros,
    /// 1: its report is signed.
    pub signed: i64,
}

/// None: there is no such study within the caller's sites.
pub async fn beside(tx: &mut Tx, scope: Scope, study: StudyId) -> Result<Option<Beside>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Beside>(
        "SELECT st.id AS study_id, k.id AS case_id, p.name, p.pid, p.birth_date, p.sex, st.description, st.modality,
                st.accession, st.exam_us, CAST(CASE WHEN k.state = 'signed' THEN 1 ELSE 0 END AS BIGINT) AS signed
           FROM study st JOIN patient p ON p.id = st.patient_id LEFT JOIN case_ k ON k.study_id = st.id
          WHERE st.id = $1 AND (CAST($2 AS BIGINT) IS NULL OR st.site_id = $2)")
        .bind(study).bind(scope.site()).fetch_optional(c).await)?)
}

/// Of what was refused of a case's study and still waits: why, and how much.
pub async fn reasons_of_case(tx: &mut Tx, case: CaseId) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, c => sqlx::query_as::<_, (String, i64)>(
        "SELECT q.reason, COUNT(*) FROM quarantine q JOIN case_ k ON k.study_id = q.study_id
          WHERE k.id = $1 AND q.settled_us IS NULL GROUP BY q.reason ORDER BY q.reason")
        .bind(case).fetch_all(c).await)?)
}

/// How many wait for a decision, or were decided, within the caller's sites.
pub async fn count(tx: &mut Tx, scope: Scope, settled: bool) -> Result<i64> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM quarantine WHERE (CAST($1 AS BIGINT) IS NULL OR site_id = $1)
            AND CASE WHEN settled_us IS NULL THEN 0 ELSE 1 END = $2")
        .bind(scope.site()).bind(i64::from(settled)).fetch_one(c).await)?)
}
