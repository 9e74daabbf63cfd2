//! What a person decides about an object in quarantine: it becomes an instance after all, takes the place of the copy that
//! counted until now, or stays where it is and off the list. Every decision can be taken back by another.

use super::Reason;
use crate::dicom::uid;
use crate::domain::{AccountId, DeviceId, InstanceId, Micros, QuarantineId, SeriesId, SiteId, StudyId};
use crate::index::archive::{self, Place};
use crate::index::intake::{self, StudyGrowth};
use crate::index::{Error, Event, EventKind, Result, Scope, Tx, on};
use wire::QuarantineAct;

/// An object in quarantine with all that is needed to look at it again.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Kept {
    pub id: QuarantineId,
    pub received_us: Micros,
    pub device_id: DeviceId,
    pub site_id: SiteId,
    /// Where whoever sends under this AE title belongs today, if nobody knew when it came.
    pub registered_device: Option<DeviceId>,
    pub registered_site: Option<SiteId>,
    pub study_id: Option<StudyId>,
    pub calling_ae: String,
    pub sop_uid: String,
    pub sop_class: String,
    pub transfer_syntax: String,
    pub reason: String,
    pub bytes: i64,
    pub sha256: Vec<u8>,
    pub crc32: i64,
    pub dataset_offset: i64,
    pub node: String,
    pub segment: i64,
    pub position: i64,
    pub file_offset: i64,
    pub settled_us: Option<Micros>,
    pub instance_id: Option<InstanceId>,
    pack_key: Option<String>,
}

impl Kept {
    pub fn place(&self) -> Result<Place> {
        let (offset, length) = (archive::unsigned(self.file_offset)?, archive::unsigned(self.bytes)?);
        archive::place(self.pack_key.clone(), self.node.clone(), self.segment, offset, length)
    }

    /// Whom it is taken to be from.
    pub fn sender(&self) -> (DeviceId, SiteId) {
        self.registered_device.zip(self.registered_site).unwrap_or((self.device_id, self.site_id))
    }
}

/// One object, within the caller's sites.
pub async fn one(tx: &mut Tx, scope: Scope, id: QuarantineId) -> Result<Kept> {
    on!(tx, c => sqlx::query_as::<_, Kept>(
        "SELECT q.id, q.received_us, q.device_id, q.site_id, d.id AS registered_device, d.site_id AS registered_site,
                q.study_id, q.calling_ae, q.sop_uid, q.sop_class, q.transfer_syntax, q.reason, q.bytes, q.sha256,
                q.crc32, q.dataset_offset, q.node, q.segment, q.position, q.file_offset, q.settled_us, q.instance_id,
                p.key AS pack_key
           FROM quarantine q JOIN site s ON s.id = q.site_id LEFT JOIN pack p ON p.id = q.pack_id
           LEFT JOIN device d ON s.code = 'unregistered' AND d.id = (
                SELECT MIN(r.id) FROM device r WHERE r.ae_title = q.calling_ae AND r.removed_us IS NULL
                    AND r.site_id <> q.site_id HAVING COUNT(DISTINCT r.site_id) = 1)
          WHERE q.id = $1 AND (CAST($2 AS BIGINT) IS NULL OR q.site_id = $2)")
        .bind(id).bind(scope.site()).fetch_optional(c).await)?
    .ok_or(Error::NotFound)
}

/// The same, for the caller alone until the transaction ends. Refused once its bytes are an instance's.
pub async fn hold(tx: &mut Tx, scope: Scope, id: QuarantineId) -> Result<Kept> {
    on!(tx, c => sqlx::query("UPDATE quarantine SET sop_uid = sop_uid WHERE id = $1").bind(id)
        .execute(c).await.map(drop))?;
    let kept = one(tx, scope, id).await?;
    match kept.instance_id {
        Some(_) => Err(Error::Stale("it was released before")),
        None => Ok(kept),
    }
}

/// A decision about one object.
#[derive(Debug, Clone, Copy)]
pub struct Settling<'a> {
    pub act: QuarantineAct,
    pub by: AccountId,
    /// In their own words.
    pub note: &'a str,
    pub now: Micros,
}

/// Writes a decision down: `became` is the instance that the object is now, and its study.
pub async fn settle(
    tx: &mut Tx,
    kept: &Kept,
    became: Option<(InstanceId, StudyId)>,
    settling: Settling<'_>,
) -> Result<()> {
    let was_open = kept.settled_us.is_none();
    let instance = became.map(|(instance, _)| instance.0);
    on!(tx, c => sqlx::query("UPDATE quarantine SET settled_us = $2, instance_id = $3 WHERE id = $1")
        .bind(kept.id).bind(settling.now).bind(instance).execute(c).await.map(drop))?;
    if let Some(instance) = instance {
        // Sealed before its release or not: the bytes are where they are.
        on!(tx, c => sqlx::query(
            "UPDATE instance SET pack_id = (SELECT q.pack_id FROM quarantine q WHERE q.id = $2) WHERE id = $1")
            .bind(instance).bind(kept.id).execute(c).await.map(drop))?;
    }
    if let Some(study) = kept.study_id.filter(|_| was_open) {
        intake::grow_study(tx, study, &StudyGrowth { quarantined: -1, ..StudyGrowth::default() }).await?;
    }
    on!(tx, c => sqlx::query(
        "INSERT INTO quarantine_act (quarantine_id, at_us, account_id, act, note) VALUES ($1, $2, $3, $4, $5)")
        .bind(kept.id).bind(settling.now).bind(settling.by).bind(settling.act.word()).bind(settling.note)
        .execute(c).await.map(drop))?;
    let detail = serde_json::json!({ "quarantine": kept.id, "act": settling.act, "instance": instance });
    let site = if became.is_some() { kept.sender().1 } else { kept.site_id };
    let mut event = Event::new(EventKind::QuarantineSettled, settling.now).site(site).by(settling.by).detail(detail);
    event.study = became.map(|(_, study)| study).or(kept.study_id);
    tx.event(&event).await
}

/// It was looked at again and refused again: the page says what for.
pub async fn still_refused(tx: &mut Tx, id: QuarantineId, reason: &Reason) -> Result<()> {
    on!(tx, c => sqlx::query("UPDATE quarantine SET reason = $2, detail = $3 WHERE id = $1")
        .bind(id).bind(&*reason.code).bind(&reason.detail).execute(c).await.map(drop))?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Counted {
    series_id: SeriesId,
    study_id: StudyId,
    bytes: i64,
}

/// Puts the copy that counted until now into quarantine, with its bytes where they are; what was derived of it is
/// forgotten. Returns the key of that.
pub async fn set_aside(tx: &mut Tx, instance: InstanceId, now: Micros) -> Result<Option<String>> {
    let counted = on!(tx, c => sqlx::query_as::<_, Counted>(
        "SELECT i.series_id, se.study_id, i.bytes FROM instance i JOIN series se ON se.id = i.series_id WHERE i.id = $1")
        .bind(instance).fetch_optional(c).await)?
    .ok_or(Error::NotFound)?;
    on!(tx, c => sqlx::query(
        "INSERT INTO quarantine (received_us, device_id, site_id, study_id, calling_ae, sop_uid, sop_class,
                                 transfer_syntax, reason, detail, bytes, sha256, crc32, dataset_offset, node, segment,
                                 position, pack_id, file_offset, settled_us)
         SELECT i.received_us, i.device_id, st.site_id, st.id, i.calling_ae, i.sop_uid, i.sop_class,
                i.transfer_syntax, 'superseded', '', i.bytes, i.sha256, i.crc32, i.dataset_offset, i.node, i.segment,
                i.position, i.pack_id, i.file_offset, CAST($2 AS BIGINT)
           FROM instance i JOIN series se ON se.id = i.series_id JOIN study st ON st.id = se.study_id WHERE i.id = $1
         ON CONFLICT (node, segment, position) DO UPDATE SET reason = excluded.reason, detail = excluded.detail,
                study_id = excluded.study_id, pack_id = excluded.pack_id, file_offset = excluded.file_offset,
                settled_us = excluded.settled_us, instance_id = NULL")
        .bind(instance).bind(now).execute(c).await.map(drop))?;
    let derived = on!(tx, c => sqlx::query_scalar::<_, String>("SELECT key FROM delivery_object WHERE instance_id = $1")
        .bind(instance).fetch_optional(c).await)?;
    for forget in [
        "DELETE FROM delivery_object WHERE instance_id = $1",
        "DELETE FROM instance_metadata WHERE instance_id = $1",
        "DELETE FROM instance WHERE id = $1",
    ] {
        on!(tx, c => sqlx::query(forget).bind(instance).execute(c).await.map(drop))?;
    }
    let less = StudyGrowth { instances: -1, bytes: -counted.bytes, ..StudyGrowth::default() };
    intake::grow_study(tx, counted.study_id, &less).await?;
    intake::grow_series(tx, counted.series_id, -1, Micros(0)).await?;
    Ok(derived)
}

/// An instance that has the UID of something in quarantine.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct OtherCopy {
    pub id: InstanceId,
    pub sop_uid: String,
    pub site_id: SiteId,
    pub received_us: Micros,
    pub calling_ae: String,
    pub bytes: i64,
    pub series: String,
}

/// The copies that count, of those UIDs, within the caller's sites.
pub async fn other_copies(tx: &mut Tx, scope: Scope, sop_uids: &[String]) -> Result<Vec<OtherCopy>> {
    let mut found = Vec::new();
    for sop_uid in sop_uids {
        let copy = on!(tx, c => sqlx::query_as::<_, OtherCopy>(
            "SELECT i.id, i.sop_uid, st.site_id, i.received_us, i.calling_ae, i.bytes, se.description AS series
               FROM instance i JOIN series se ON se.id = i.series_id JOIN study st ON st.id = se.study_id
              WHERE i.sop_hash = $1 AND i.sop_uid = $2 AND (CAST($3 AS BIGINT) IS NULL OR st.site_id = $3) LIMIT 1")
            .bind(uid::hash(sop_uid)).bind(sop_uid).bind(scope.site()).fetch_optional(c).await)?;
        found.extend(copy);
    }
    Ok(found)
}
