//! What is found: the columns of each level, those of the levels above among them.

use super::condition;
use super::key::{Keys, Level};
use super::text::Statement;
use crate::domain::{InstanceId, SeriesId, StudyId};
use crate::index::{Result, Scope, Tx};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StudyFound {
    pub study: StudyId,
    pub study_uid: String,
    pub study_id: String,
    pub accession: String,
    pub study_date: String,
    pub study_time: String,
    pub timezone: String,
    pub study_description: String,
    /// Comma list.
    pub modalities: String,
    /// All component groups.
    pub referring: String,
    pub patient_name: String,
    pub patient_id: String,
    pub issuer: String,
    pub sex: String,
    pub birth_date: String,
    pub study_series: i64,
    pub study_instances: i64,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SeriesFound {
    #[sqlx(flatten)]
    pub of: StudyFound,
    pub series: SeriesId,
    pub series_uid: String,
    pub modality: String,
    pub series_number: i64,
    pub series_description: String,
    pub body_part: String,
    pub performed_date: String,
    pub performed_time: String,
    pub series_instances: i64,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct InstanceFound {
    #[sqlx(flatten)]
    pub of: SeriesFound,
    pub instance: InstanceId,
    pub sop_uid: String,
    pub sop_class: String,
    pub transfer_syntax: String,
    pub instance_number: i64,
    /// `ImageAttrs` as JSON; none: no image.
    pub attrs: Option<String>,
}

/// Which part of all results.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    pub limit: i64,
    pub offset: i64,
}

pub(super) const STUDY: &str =
    "st.id AS study, st.uid AS study_uid, st.study_id, st.accession, st.study_date, st.study_time,
    st.timezone, st.description AS study_description, st.modalities, st.referring_raw AS referring,
    p.name_raw AS patient_name, p.pid AS patient_id, CASE WHEN p.pid = '' THEN '' ELSE p.issuer END AS issuer, p.sex,
    p.birth_date, (SELECT COUNT(*) FROM series es WHERE es.study_id = st.id) AS study_series,
    st.instances AS study_instances";
pub(super) const SERIES: &str = "se.id AS series, se.uid AS series_uid, se.modality, se.number AS series_number,
    se.description AS series_description, se.body_part, se.performed_date, se.performed_time,
    se.instances AS series_instances";
pub(super) const INSTANCE: &str =
    "i.id AS instance, i.sop_uid, i.sop_class, i.transfer_syntax, i.number AS instance_number, i.attrs";

/// The statement of a search, latest exam first; what has no date comes last.
pub(super) fn statement(tx: &Tx, scope: Scope, keys: &Keys, page: Page) -> Statement {
    let study = "study st JOIN patient p ON p.id = st.patient_id";
    let (select, order) = match keys.level() {
        Level::Patient | Level::Study => (format!("SELECT {STUDY} FROM {study}"), ""),
        Level::Series => (
            format!("SELECT {STUDY}, {SERIES} FROM {study} JOIN series se ON se.study_id = st.id"),
            ", se.number, se.id",
        ),
        Level::Instance => (
            format!(
                "SELECT {STUDY}, {SERIES}, {INSTANCE} FROM {study} JOIN series se ON se.study_id = st.id
                   JOIN instance i ON i.series_id = se.id"
            ),
            ", se.number, se.id, i.number, i.id",
        ),
    };
    let mut statement = Statement::new(select, tx);
    condition::add(&mut statement, scope, keys);
    let (limit, offset) = (statement.number(page.limit), statement.number(page.offset));
    statement.end(&format!(
        "ORDER BY st.study_date DESC, st.study_time DESC, st.id DESC{order} LIMIT {limit} OFFSET {offset}"
    ));
    statement
}

/// Studies that match; `keys` of a search for studies.
pub async fn studies(tx: &mut Tx, scope: Scope, keys: &Keys, page: Page) -> Result<Vec<StudyFound>> {
    statement(tx, scope, keys, page).fetch(tx).await
}

/// Series that match, in the order of their numbers within each study.
pub async fn series(tx: &mut Tx, scope: Scope, keys: &Keys, page: Page) -> Result<Vec<SeriesFound>> {
    statement(tx, scope, keys, page).fetch(tx).await
}

/// Instances that match, in the order of their numbers within each series.
pub async fn instances(tx: &mut Tx, scope: Scope, keys: &Keys, page: Page) -> Result<Vec<InstanceFound>> {
    statement(tx, scope, keys, page).fetch(tx).await
}

/// An item of the Request Attributes Sequence of a series.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RequestFound {
    pub series_id: SeriesId,
    pub procedure_id: String,
    pub step_id: String,
}

/// The requests behind these series, which the caller was found to be allowed to see.
pub async fn requests_of_series(tx: &mut Tx, series: &[SeriesId]) -> Result<Vec<RequestFound>> {
    let select = "SELECT series_id, procedure_id, step_id FROM series_request".to_owned();
    let mut statement = Statement::new(select, tx);
    let ids = statement.numbers(series.iter().map(|id| id.0));
    statement.and(&format!("series_id IN {ids}"));
    statement.end("ORDER BY series_id, procedure_id, step_id");
    statement.fetch(tx).await
}

/// One instance of each study, whose header speaks for what all of them share.
pub async fn sample_of_study(tx: &mut Tx, studies: &[StudyId]) -> Result<Vec<(StudyId, InstanceId)>> {
    let select = "SELECT st.id, (SELECT i.id FROM series se JOIN instance i ON i.series_id = se.id
                                  WHERE se.study_id = st.id ORDER BY se.id, i.sop_uid LIMIT 1) FROM study st";
    let mut statement = Statement::new(select.to_owned(), tx);
    let ids = statement.numbers(studies.iter().map(|id| id.0));
    statement.and(&format!(
        "st.id IN {ids} AND EXISTS (SELECT 1 FROM series e JOIN instance n ON n.series_id = e.id
                                                        WHERE e.study_id = st.id)"
    ));
    statement.fetch(tx).await
}

/// One instance of each series.
pub async fn sample_of_series(tx: &mut Tx, series: &[SeriesId]) -> Result<Vec<(SeriesId, InstanceId)>> {
    let select = "SELECT se.id, (SELECT i.id FROM instance i WHERE i.series_id = se.id ORDER BY i.sop_uid LIMIT 1)
                    FROM series se";
    let mut statement = Statement::new(select.to_owned(), tx);
    let ids = statement.numbers(series.iter().map(|id| id.0));
    statement.and(&format!("se.id IN {ids} AND EXISTS (SELECT 1 FROM instance e WHERE e.series_id = se.id)"));
    statement.fetch(tx).await
}
