//! What DICOMweb retrieves: instances by their UIDs, and their metadata.

use super::find::text::Statement;
use super::{Result, Scope, Tx, on};
use crate::domain::{InstanceId, SiteId, StudyId};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct NamedInstance {
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

/// What a resource's path names: a study, a series of it, or an instance of that.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    pub study: &'a str,
    pub series: Option<&'a str>,
    pub instance: Option<&'a str>,
}

macro_rules! named_instances {
    ($rest:literal) => {
        concat!(
            "SELECT i.id, st.id AS study, st.site_id AS site, st.uid AS study_uid, se.uid AS series_uid, i.sop_uid,
                    i.sop_class, i.transfer_syntax, i.number, i.frames, i.bytes, i.attrs
               FROM study st JOIN series se ON se.study_id = st.id JOIN instance i ON i.series_id = se.id
              WHERE st.uid = $1 AND (CAST($2 AS BIGINT) IS NULL OR st.site_id = $2)
                AND (CAST($3 AS TEXT) IS NULL OR se.uid = $3) AND (CAST($4 AS TEXT) IS NULL OR i.sop_uid = $4) ",
            $rest
        )
    };
}

/// The named instances after `after`, in the order they were indexed; empty where nothing is within the scope.
pub async fn named(
    tx: &mut Tx,
    scope: Scope,
    of: Named<'_>,
    after: InstanceId,
    limit: i64,
) -> Result<Vec<NamedInstance>> {
    Ok(on!(tx, c => sqlx::query_as::<_, NamedInstance>(named_instances!("AND i.id > $5 ORDER BY i.id LIMIT $6"))
        .bind(of.study).bind(scope.site()).bind(of.series).bind(of.instance).bind(after).bind(limit).fetch_all(c).await)?)
}

/// Of the first named series that has images the middle one.
pub async fn middle_image(tx: &mut Tx, scope: Scope, of: Named<'_>) -> Result<Option<NamedInstance>> {
    let first = on!(tx, c => sqlx::query_as::<_, NamedInstance>(named_instances!(
        "AND i.frames > 0 ORDER BY se.number, se.id, i.number, i.id LIMIT 1"))
        .bind(of.study).bind(scope.site()).bind(of.series).bind(of.instance).fetch_optional(c).await)?;
    let Some(first) = first else { return Ok(None) };
    let images = on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM study st JOIN series se ON se.study_id = st.id JOIN instance i ON i.series_id = se.id
          WHERE st.uid = $1 AND se.uid = $2 AND (CAST($3 AS TEXT) IS NULL OR i.sop_uid = $3) AND i.frames > 0")
        .bind(of.study).bind(&first.series_uid).bind(of.instance).fetch_one(c).await)?;
    Ok(on!(tx, c => sqlx::query_as::<_, NamedInstance>(named_instances!(
        "AND i.frames > 0 ORDER BY i.number, i.id LIMIT 1 OFFSET $5"))
        .bind(of.study).bind(scope.site()).bind(&first.series_uid).bind(of.instance).bind((images - 1) / 2)
        .fetch_optional(c).await)?)
}

/// The transfer syntaxes among the named instances.
pub async fn transfer_syntaxes(tx: &mut Tx, scope: Scope, of: Named<'_>) -> Result<Vec<String>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, String>(
        "SELECT DISTINCT i.transfer_syntax
           FROM study st JOIN series se ON se.study_id = st.id JOIN instance i ON i.series_id = se.id
          WHERE st.uid = $1 AND (CAST($2 AS BIGINT) IS NULL OR st.site_id = $2)
            AND (CAST($3 AS TEXT) IS NULL OR se.uid = $3) AND (CAST($4 AS TEXT) IS NULL OR i.sop_uid = $4)
          ORDER BY i.transfer_syntax")
        .bind(of.study).bind(scope.site()).bind(of.series).bind(of.instance).fetch_all(c).await)?)
}

/// All named instances, in the order they were indexed; empty where nothing is within the scope.
pub async fn ids(tx: &mut Tx, scope: Scope, of: Named<'_>) -> Result<Vec<InstanceId>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, InstanceId>(
        "SELECT i.id FROM study st JOIN series se ON se.study_id = st.id JOIN instance i ON i.series_id = se.id
          WHERE st.uid = $1 AND (CAST($2 AS BIGINT) IS NULL OR st.site_id = $2)
            AND (CAST($3 AS TEXT) IS NULL OR se.uid = $3) AND (CAST($4 AS TEXT) IS NULL OR i.sop_uid = $4)
          ORDER BY i.id")
        .bind(of.study).bind(scope.site()).bind(of.series).bind(of.instance).fetch_all(c).await)?)
}

/// An instance's DICOM JSON as it is kept; see `dicom::packed`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StoredMetadata {
    pub instance: InstanceId,
    pub json: Vec<u8>,
    /// Of what is inside; none: from before this was kept, and the stream ends.
    pub length: Option<i64>,
    pub crc32: Option<i64>,
    instead_name: Option<String>,
    instead_pid: Option<String>,
    instead_issuer: Option<String>,
    instead_sex: Option<String>,
    instead_birth_date: Option<String>,
}

/// Whom a corrected study is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// All component groups.
    pub name: String,
    pub pid: String,
    pub issuer: String,
    pub sex: String,
    pub birth_date: String,
}

impl StoredMetadata {
    /// Who is to be shown instead of the patient in the JSON; none: it was sent right.
    pub fn instead(&self) -> Option<Instead> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        self.instead_name.as_ref().map(|name| Instead {
            name: name.clone(),
            pid: text(&self.instead_pid),
            issuer: text(&self.instead_issuer),
            sex: text(&self.instead_sex),
            birth_date: text(&self.instead_birth_date),
        })
    }
}

/// The metadata of these instances, which the caller was found to be allowed to see, in the order of their numbers.
pub async fn metadata_of(tx: &mut Tx, instances: &[InstanceId]) -> Result<Vec<StoredMetadata>> {
    if instances.is_empty() {
        return Ok(Vec::new());
    }
    let select = "SELECT m.instance_id AS instance, m.json, m.length, m.crc32, p.name_raw AS instead_name,
            p.pid AS instead_pid, CASE WHEN p.pid = '' THEN '' ELSE p.issuer END AS instead_issuer,
            p.sex AS instead_sex, p.birth_date AS instead_birth_date
       FROM instance_metadata m JOIN instance i ON i.id = m.instance_id JOIN series se ON se.id = i.series_id
       JOIN study st ON st.id = se.study_id
       LEFT JOIN patient p ON p.id = st.patient_id AND st.sent_patient_id IS NOT NULL";
    let mut statement = Statement::new(select.to_owned(), tx);
    let ids = statement.numbers(instances.iter().map(|id| id.0));
    statement.and(&format!("m.instance_id IN {ids}"));
    statement.end("ORDER BY m.instance_id");
    statement.fetch(tx).await
}
