//! The delivery form of images: what waits to be made, what was made, and what a viewer must know before its pixels.

use super::archive::{key_of, unsigned};
use super::{Error, Event, EventKind, Result, Scope, Tx, on};
use crate::archive::{ObjectKey, Written};
use crate::domain::{Delivery, InstanceId, Micros, SeriesId, SiteId, StudyId};

/// One frame within a derived object: where it begins, how long it is, and how many of its bytes give each lower
/// resolution, smallest first; none where there are no lower ones.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FramePlace(pub u64, pub u64, pub Vec<u64>);

/// The derived object of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryObject {
    pub form: Delivery,
    pub key: ObjectKey,
    pub bytes: u64,
    pub frames: Vec<FramePlace>,
}

/// Instances whose delivery form is to be made, oldest first; not those that wait until somebody asks for them.
pub async fn pending(tx: &mut Tx, limit: i64) -> Result<Vec<InstanceId>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, InstanceId>(
        "SELECT id FROM instance WHERE delivery = 'pending' AND delivery_reason = '' ORDER BY id LIMIT $1").bind(limit).fetch_all(c).await)?)
}

/// Pending instances of one study, in the order they are looked at.
pub async fn pending_of_study(tx: &mut Tx, study: StudyId) -> Result<Vec<InstanceId>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, InstanceId>(
        "SELECT i.id FROM instance i JOIN series se ON se.id = i.series_id
          WHERE se.study_id = $1 AND i.delivery = 'pending' ORDER BY se.number, i.number, i.id")
        .bind(study).fetch_all(c).await)?)
}

/// What became of making the delivery form.
#[derive(Debug, Clone)]
pub enum Outcome {
    Made {
        form: Delivery,
        /// How many frames are missing and why, as a stable word; empty: none.
        reason: String,
        object: Written,
        frames: Vec<FramePlace>,
    },
    /// Never made: why, as a stable word, after a space what it is about.
    Unavailable(String),
}

impl Outcome {
    pub fn form(&self) -> Delivery {
        match self {
            Outcome::Made { form, .. } => *form,
            Outcome::Unavailable(_) => Delivery::Unavailable,
        }
    }
}

/// Whether an outcome was noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// With the object of an earlier outcome, which no row names any more.
    Now { replaced: Option<ObjectKey> },
    /// Somebody else noted one first.
    Before,
}

/// Notes the outcome of a pending instance. The last one of a study is an event.
pub async fn settle(tx: &mut Tx, instance: InstanceId, outcome: &Outcome, now: Micros) -> Result<Noted> {
    let (Outcome::Made { reason, .. } | Outcome::Unavailable(reason)) = outcome;
    let changed = on!(tx, c => sqlx::query(
        "UPDATE instance SET delivery = $2, delivery_reason = $3 WHERE id = $1 AND delivery = 'pending'")
        .bind(instance).bind(outcome.form().word()).bind(reason).execute(c).await.map(|done| done.rows_affected()))?;
    if changed != 1 {
        return Ok(Noted::Before);
    }
    let replaced = on!(tx, c => sqlx::query_scalar::<_, String>(
        "DELETE FROM delivery_object WHERE instance_id = $1 RETURNING key").bind(instance).fetch_optional(c).await)?;
    if let Outcome::Made { object, frames, .. } = outcome {
        let frames = serde_json::to_string(frames).map_err(|error| Error::Corrupt(error.to_string()))?;
        on!(tx, c => sqlx::query(
            "INSERT INTO delivery_object (instance_id, key, bytes, frames, created_us) VALUES ($1, $2, $3, $4, $5)")
            .bind(instance).bind(object.key.as_str()).bind(object.bytes as i64).bind(frames).bind(now)
            .execute(c).await.map(drop))?;
    }
    announce_if_last(tx, instance, now).await?;
    Ok(Noted::Now { replaced: replaced.map(key_of).transpose()? })
}

/// Instances of which nothing can be shown, for one of two reasons.
///
/// Those that only lack frames are not among them: what can be shown of a clip must not go dark at every start.
pub async fn ended_in(tx: &mut Tx, reasons: &[String; 2]) -> Result<Vec<InstanceId>> {
    let [one, other] = reasons;
    Ok(on!(tx, c => sqlx::query_scalar::<_, InstanceId>(
        "SELECT id FROM instance WHERE delivery = 'unavailable'
            AND (delivery_reason = $1 OR delivery_reason = $2) ORDER BY id")
        .bind(one).bind(other).fetch_all(c).await)?)
}

/// Makes an instance pending again.
pub async fn reopen(tx: &mut Tx, instance: InstanceId) -> Result<()> {
    on!(tx, c => sqlx::query("UPDATE instance SET delivery = 'pending', delivery_reason = '' WHERE id = $1")
        .bind(instance).execute(c).await.map(drop))?;
    Ok(())
}

async fn announce_if_last(tx: &mut Tx, instance: InstanceId, now: Micros) -> Result<()> {
    let last_of = on!(tx, c => sqlx::query_as::<_, (StudyId, SiteId)>(
        "SELECT st.id, st.site_id FROM instance i JOIN series se ON se.id = i.series_id JOIN study st ON st.id = se.study_id
          WHERE i.id = $1
            AND NOT EXISTS (SELECT 1 FROM case_ c WHERE c.study_id = st.id AND c.state = 'arriving')
            AND NOT EXISTS (SELECT 1 FROM instance w JOIN series ws ON ws.id = w.series_id
                             WHERE ws.study_id = st.id AND w.delivery = 'pending')")
        .bind(instance).fetch_optional(c).await)?;
    if let Some((study, site)) = last_of {
        tx.event(&Event::new(EventKind::Transcoded, now).site(site).study(study)).await?;
    }
    Ok(())
}

/// The state of an instance's delivery form, and the object if there is one; within the caller's sites.
pub async fn of_instance(
    tx: &mut Tx,
    scope: Scope,
    instance: InstanceId,
) -> Result<(Delivery, String, Option<DeliveryObject>)> {
    type Row = (String, String, Option<String>, Option<i64>, Option<String>);
    let row = on!(tx, c => sqlx::query_as::<_, Row>(
        "SELECT i.delivery, i.delivery_reason, d.key, d.bytes, d.frames
           FROM instance i JOIN series se ON se.id = i.series_id JOIN study st ON st.id = se.study_id
           LEFT JOIN delivery_object d ON d.instance_id = i.id
          WHERE i.id = $1 AND (CAST($2 AS BIGINT) IS NULL OR st.site_id = $2)")
        .bind(instance).bind(scope.site()).fetch_optional(c).await)?;
    let (form, reason, key, bytes, frames) = row.ok_or(Error::NotFound)?;
    let form = delivery(&form)?;
    let (Some(key), Some(bytes), Some(frames)) = (key, bytes, frames) else { return Ok((form, reason, None)) };
    let frames = serde_json::from_str(&frames).map_err(|error| Error::Corrupt(error.to_string()))?;
    let object = DeliveryObject { form, key: key_of(key)?, bytes: unsigned(bytes)?, frames };
    Ok((form, reason, Some(object)))
}

/// Derived objects after an instance, in order of their instances: for walks over everything.
pub async fn objects_after(tx: &mut Tx, after: InstanceId, limit: i64) -> Result<Vec<(InstanceId, ObjectKey, u64)>> {
    let rows = on!(tx, c => sqlx::query_as::<_, (InstanceId, String, i64)>(
        "SELECT instance_id, key, bytes FROM delivery_object WHERE instance_id > $1 ORDER BY instance_id LIMIT $2")
        .bind(after).bind(limit).fetch_all(c).await)?;
    rows.into_iter().map(|(id, key, bytes)| Ok((id, key_of(key)?, unsigned(bytes)?))).collect()
}

fn delivery(word: &str) -> Result<Delivery> {
    Delivery::from_word(word).ok_or_else(|| Error::Corrupt(format!("delivery {word:?}")))
}

/// One instance of a study as the viewer's list has it, not yet in viewing order.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ImageRow {
    pub id: InstanceId,
    pub sop_uid: String,
    pub number: i64,
    pub delivery: String,
    pub delivery_reason: String,
    pub attrs: Option<String>,
    pub series_id: SeriesId,
    pub series_uid: String,
    pub series_number: i64,
    pub modality: String,
    pub description: String,
    pub body_part: String,
}

impl ImageRow {
    pub fn delivery(&self) -> Result<Delivery> {
        delivery(&self.delivery)
    }
}

/// A study's UID and its instances, series by series; within the caller's sites.
pub async fn images_of_study(tx: &mut Tx, scope: Scope, study: StudyId) -> Result<(String, Vec<ImageRow>)> {
    let uid = on!(tx, c => sqlx::query_scalar::<_, String>(
        "SELECT uid FROM study WHERE id = $1 AND (CAST($2 AS BIGINT) IS NULL OR site_id = $2)")
        .bind(study).bind(scope.site()).fetch_optional(c).await)?
    .ok_or(Error::NotFound)?;
    let rows = on!(tx, c => sqlx::query_as::<_, ImageRow>(
        "SELECT i.id, i.sop_uid, i.number, i.delivery, i.delivery_reason, i.attrs, i.series_id, se.uid AS series_uid,
                se.number AS series_number, se.modality, se.description, se.body_part
           FROM instance i JOIN series se ON se.id = i.series_id
          WHERE se.study_id = $1 ORDER BY se.number, se.id, i.number, i.id").bind(study).fetch_all(c).await)?;
    Ok((uid, rows))
}
