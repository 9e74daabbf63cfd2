//! What could not become an instance: kept whole, counted, shown with its reason.

use std::borrow::Cow;

use super::intake::SpoolPlace;
use super::{Result, Scope, Tx, on};
use crate::domain::{DeviceId, Micros, QuarantineId, SiteId, StudyId};

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
}

/// The newest first, within the caller's sites.
pub async fn list(tx: &mut Tx, scope: Scope, before: Option<QuarantineId>, limit: i64) -> Result<Vec<Quarantined>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Quarantined>(
        "SELECT q.id, q.received_us, q.site_id, s.name AS site_name, q.calling_ae, q.reason, q.detail, q.sop_uid,
                q.bytes
           FROM quarantine q JOIN site s ON s.id = q.site_id
          WHERE (CAST($1 AS BIGINT) IS NULL OR q.site_id = $1) AND (CAST($2 AS BIGINT) IS NULL OR q.id < $2)
          ORDER BY q.id DESC LIMIT $3")
        .bind(scope.site()).bind(before.map(|id| id.0)).bind(limit).fetch_all(c).await)?)
}

/// How many, within the caller's sites.
pub async fn count(tx: &mut Tx, scope: Scope) -> Result<i64> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM quarantine WHERE (CAST($1 AS BIGINT) IS NULL OR site_id = $1)")
        .bind(scope.site()).fetch_one(c).await)?)
}
