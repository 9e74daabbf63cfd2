//! What DICOMweb asks: studies, series and instances by their attributes, and instances by their UIDs.

use super::{Result, Scope, Tx, on};
use crate::domain::{InstanceId, SiteId, StudyId};

/// Matching keys (PS3.18 8.3.4); `None`: any. Wildcards are SQL's already, escaped by `\`.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// One or more UIDs, as `,uid,uid,`.
    pub study_uids: Option<String>,
    pub series_uids: Option<String>,
    pub sop_uids: Option<String>,
    pub sop_class: Option<String>,
    /// Inclusive, `YYYYMMDD`.
    pub date_from: Option<String>,
    pub date_to: Option<String>,
    pub time_from: Option<String>,
    pub time_to: Option<String>,
    pub accession: Option<String>,
    pub study_id: Option<String>,
    pub patient_id: Option<String>,
    pub patient_name: Option<String>,
    pub referring: Option<String>,
    pub description: Option<String>,
    /// Any of the study's modalities.
    pub modality_in_study: Option<String>,
    pub modality: Option<String>,
    pub series_number: Option<i64>,
    pub instance_number: Option<i64>,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StudyFound {
    pub uid: String,
    pub study_id: String,
    pub accession: String,
    pub study_date: String,
    pub study_time: String,
    pub description: String,
    pub modalities: String,
    pub referring: String,
    pub name_raw: String,
    pub pid: String,
    pub sex: String,
    pub birth_date: String,
    pub series: i64,
    pub instances: i64,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SeriesFound {
    pub study_uid: String,
    pub uid: String,
    pub modality: String,
    pub number: i64,
    pub description: String,
    pub body_part: String,
    pub instances: i64,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct InstanceFound {
    pub id: InstanceId,
    pub study: StudyId,
    pub site: SiteId,
    pub study_uid: String,
    pub series_uid: String,
    pub sop_uid: String,
    pub sop_class: String,
    pub transfer_syntax: String,
    pub number: i64,
    pub frames: i64,
    pub bytes: i64,
    pub attrs: Option<String>,
}

macro_rules! matching {
    ($select:literal, $rest:literal) => {
        concat!(
            $select,
            " WHERE (CAST($1 AS BIGINT) IS NULL OR st.site_id = $1)",
            " AND (CAST($2 AS TEXT) IS NULL OR $2 LIKE '%,' || st.uid || ',%')",
            " AND (CAST($3 AS TEXT) IS NULL OR st.study_date >= $3)",
            " AND (CAST($4 AS TEXT) IS NULL OR (st.study_date <= $4 AND st.study_date <> ''))",
            " AND (CAST($5 AS TEXT) IS NULL OR st.study_time >= $5)",
            " AND (CAST($6 AS TEXT) IS NULL OR (st.study_time <= $6 AND st.study_time <> ''))",
            " AND (CAST($7 AS TEXT) IS NULL OR st.accession LIKE $7 ESCAPE '\\')",
            " AND (CAST($8 AS TEXT) IS NULL OR st.study_id LIKE $8 ESCAPE '\\')",
            " AND (CAST($9 AS TEXT) IS NULL OR p.pid LIKE $9 ESCAPE '\\')",
            // Each component group of a name may match, whatever its letters' case.
            " AND (CAST($10 AS TEXT) IS NULL OR LOWER(p.name_raw) LIKE $10 ESCAPE '\\'",
            " OR LOWER(p.name_raw) LIKE $10 || '=%' ESCAPE '\\' OR LOWER(p.name_raw) LIKE '%=' || $10 ESCAPE '\\'",
            " OR LOWER(p.name_raw) LIKE '%=' || $10 || '=%' ESCAPE '\\' OR LOWER(p.name) LIKE $10 ESCAPE '\\')",
            " AND (CAST($11 AS TEXT) IS NULL OR LOWER(st.referring) LIKE $11 ESCAPE '\\')",
            " AND (CAST($12 AS TEXT) IS NULL OR ',' || st.modalities || ',' LIKE '%,' || $12 || ',%')",
            " AND (CAST($13 AS TEXT) IS NULL OR LOWER(st.description) LIKE $13 ESCAPE '\\')",
            $rest
        )
    };
}

/// Studies that match, latest exam first.
pub async fn studies(tx: &mut Tx, scope: Scope, keys: &Keys, limit: i64, offset: i64) -> Result<Vec<StudyFound>> {
    Ok(on!(tx, c => sqlx::query_as::<_, StudyFound>(matching!(
        "SELECT st.uid, st.study_id, st.accession, st.study_date, st.study_time, st.description, st.modalities,
                st.referring, p.name_raw, p.pid, p.sex, p.birth_date, st.instances,
                (SELECT COUNT(*) FROM series se WHERE se.study_id = st.id) AS series
           FROM study st JOIN patient p ON p.id = st.patient_id",
        " ORDER BY st.exam_us DESC, st.id DESC LIMIT $14 OFFSET $15"))
        .bind(scope.site()).bind(&keys.study_uids).bind(&keys.date_from).bind(&keys.date_to).bind(&keys.time_from)
        .bind(&keys.time_to).bind(&keys.accession).bind(&keys.study_id).bind(&keys.patient_id)
        .bind(&keys.patient_name).bind(&keys.referring).bind(&keys.modality_in_study).bind(&keys.description)
        .bind(limit).bind(offset).fetch_all(c).await)?)
}

/// Series that match, with their study's keys.
pub async fn series(tx: &mut Tx, scope: Scope, keys: &Keys, limit: i64, offset: i64) -> Result<Vec<SeriesFound>> {
    Ok(on!(tx, c => sqlx::query_as::<_, SeriesFound>(matching!(
        "SELECT st.uid AS study_uid, se.uid, se.modality, se.number, se.description, se.body_part, se.instances
           FROM series se JOIN study st ON st.id = se.study_id JOIN patient p ON p.id = st.patient_id",
        " AND (CAST($14 AS TEXT) IS NULL OR $14 LIKE '%,' || se.uid || ',%')
          AND (CAST($15 AS TEXT) IS NULL OR se.modality LIKE $15 ESCAPE '\\')
          AND (CAST($16 AS BIGINT) IS NULL OR se.number = $16)
          ORDER BY st.exam_us DESC, st.id DESC, se.number, se.id LIMIT $17 OFFSET $18"))
        .bind(scope.site()).bind(&keys.study_uids).bind(&keys.date_from).bind(&keys.date_to).bind(&keys.time_from)
        .bind(&keys.time_to).bind(&keys.accession).bind(&keys.study_id).bind(&keys.patient_id)
        .bind(&keys.patient_name).bind(&keys.referring).bind(&keys.modality_in_study).bind(&keys.description)
        .bind(&keys.series_uids).bind(&keys.modality).bind(keys.series_number)
        .bind(limit).bind(offset).fetch_all(c).await)?)
}

/// Instances that match, with their series' and study's keys, in the order of their numbers.
pub async fn instances(tx: &mut Tx, scope: Scope, keys: &Keys, limit: i64, offset: i64) -> Result<Vec<InstanceFound>> {
    Ok(on!(tx, c => sqlx::query_as::<_, InstanceFound>(matching!(
        "SELECT i.id, st.id AS study, st.site_id AS site, st.uid AS study_uid, se.uid AS series_uid, i.sop_uid, i.sop_class,
                i.transfer_syntax, i.number, i.frames, i.bytes, i.attrs
           FROM instance i JOIN series se ON se.id = i.series_id JOIN study st ON st.id = se.study_id
           JOIN patient p ON p.id = st.patient_id",
        " AND (CAST($14 AS TEXT) IS NULL OR $14 LIKE '%,' || se.uid || ',%')
          AND (CAST($15 AS TEXT) IS NULL OR se.modality LIKE $15 ESCAPE '\\')
          AND (CAST($16 AS BIGINT) IS NULL OR se.number = $16)
          AND (CAST($17 AS TEXT) IS NULL OR $17 LIKE '%,' || i.sop_uid || ',%')
          AND (CAST($18 AS TEXT) IS NULL OR i.sop_class = $18)
          AND (CAST($19 AS BIGINT) IS NULL OR i.number = $19)
          ORDER BY st.exam_us DESC, st.id DESC, se.number, se.id, i.number, i.id LIMIT $20 OFFSET $21"))
        .bind(scope.site()).bind(&keys.study_uids).bind(&keys.date_from).bind(&keys.date_to).bind(&keys.time_from)
        .bind(&keys.time_to).bind(&keys.accession).bind(&keys.study_id).bind(&keys.patient_id)
        .bind(&keys.patient_name).bind(&keys.referring).bind(&keys.modality_in_study).bind(&keys.description)
        .bind(&keys.series_uids).bind(&keys.modality).bind(keys.series_number)
        .bind(&keys.sop_uids).bind(&keys.sop_class).bind(keys.instance_number)
        .bind(limit).bind(offset).fetch_all(c).await)?)
}

/// What a resource's path names: a study, a series of it, or an instance of that.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    pub study: &'a str,
    pub series: Option<&'a str>,
    pub instance: Option<&'a str>,
}

/// The named instances after `after`, in the order they were indexed; empty where nothing is within the scope.
pub async fn named(
    tx: &mut Tx,
    scope: Scope,
    of: Named<'_>,
    after: InstanceId,
    limit: i64,
) -> Result<Vec<InstanceFound>> {
    Ok(on!(tx, c => sqlx::query_as::<_, InstanceFound>(
        "SELECT i.id, st.id AS study, st.site_id AS site, st.uid AS study_uid, se.uid AS series_uid, i.sop_uid, i.sop_class,
                i.transfer_syntax, i.number, i.frames, i.bytes, i.attrs
           FROM study st JOIN series se ON se.study_id = st.id JOIN instance i ON i.series_id = se.id
          WHERE st.uid = $1 AND (CAST($2 AS BIGINT) IS NULL OR st.site_id = $2)
            AND (CAST($3 AS TEXT) IS NULL OR se.uid = $3) AND (CAST($4 AS TEXT) IS NULL OR i.sop_uid = $4)
            AND i.id > $5 ORDER BY i.id LIMIT $6")
        .bind(of.study).bind(scope.site()).bind(of.series).bind(of.instance).bind(after).bind(limit).fetch_all(c).await)?)
}

/// An instance's DICOM JSON, raw deflate; the caller has checked that it may be seen.
pub async fn metadata(tx: &mut Tx, instance: InstanceId) -> Result<Option<Vec<u8>>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, Vec<u8>>("SELECT json FROM instance_metadata WHERE instance_id = $1")
        .bind(instance).fetch_optional(c).await)?)
}
