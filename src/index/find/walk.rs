//! Everything that matches, the latest received first, page by page: for searches whose results go out as they come.
//!
//! A page begins below the last row of the one before, so none costs more than another, and what arrives meanwhile shifts
//! nothing.

use super::condition;
use super::key::{Keys, Level};
use super::rows::{INSTANCE, InstanceFound, SERIES, STUDY, SeriesFound, StudyFound};
use super::text::Statement;
use crate::domain::{InstanceId, PatientId, SeriesId, StudyId};
use crate::index::{Result, Scope, Tx};

/// One set of demographics as a site sent it, with what hangs on it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct PatientFound {
    pub patient: PatientId,
    /// All component groups.
    pub patient_name: String,
    pub patient_id: String,
    pub issuer: String,
    pub sex: String,
    pub birth_date: String,
    pub patient_studies: i64,
    pub patient_series: i64,
    pub patient_instances: i64,
}

const PATIENT: &str = "p.id AS patient, p.name_raw AS patient_name, p.pid AS patient_id,
    CASE WHEN p.pid = '' THEN '' ELSE p.issuer END AS issuer, p.sex, p.birth_date, COUNT(*) AS patient_studies,
    (SELECT COUNT(*) FROM series es JOIN study et ON et.id = es.study_id WHERE et.patient_id = p.id) AS patient_series,
    CAST(SUM(st.instances) AS BIGINT) AS patient_instances";
const FROM: &str = "study st JOIN patient p ON p.id = st.patient_id";

/// Patients that match; `keys` of a search for patients.
pub async fn patients_below(
    tx: &mut Tx,
    scope: Scope,
    keys: &Keys,
    below: PatientId,
    limit: i64,
) -> Result<Vec<PatientFound>> {
    page(tx, format!("SELECT {PATIENT} FROM {FROM}"), scope, keys, ("p.id", below.0), limit).fetch(tx).await
}

pub async fn studies_below(
    tx: &mut Tx,
    scope: Scope,
    keys: &Keys,
    below: StudyId,
    limit: i64,
) -> Result<Vec<StudyFound>> {
    let select = format!("SELECT {STUDY} FROM {FROM}");
    page(tx, select, scope, keys, ("st.id", below.0), limit).fetch(tx).await
}

pub async fn series_below(
    tx: &mut Tx,
    scope: Scope,
    keys: &Keys,
    below: SeriesId,
    limit: i64,
) -> Result<Vec<SeriesFound>> {
    let select = format!("SELECT {STUDY}, {SERIES} FROM {FROM} JOIN series se ON se.study_id = st.id");
    page(tx, select, scope, keys, ("se.id", below.0), limit).fetch(tx).await
}

pub async fn instances_below(
    tx: &mut Tx,
    scope: Scope,
    keys: &Keys,
    below: InstanceId,
    limit: i64,
) -> Result<Vec<InstanceFound>> {
    let select = format!(
        "SELECT {STUDY}, {SERIES}, {INSTANCE} FROM {FROM} JOIN series se ON se.study_id = st.id
           JOIN instance i ON i.series_id = se.id"
    );
    page(tx, select, scope, keys, ("i.id", below.0), limit).fetch(tx).await
}

fn page(tx: &Tx, select: String, scope: Scope, keys: &Keys, (id, below): (&str, i64), limit: i64) -> Statement {
    let mut statement = Statement::new(select, tx);
    condition::add(&mut statement, scope, keys);
    let below = statement.number(below);
    statement.and(&format!("{id} < {below}"));
    let limit = statement.number(limit);
    let group = if keys.level() == Level::Patient { "GROUP BY p.id " } else { "" };
    statement.end(&format!("{group}ORDER BY {id} DESC LIMIT {limit}"));
    statement
}

/// SOP classes in each study, which the caller was found to be allowed to see.
pub async fn classes_of_studies(tx: &mut Tx, studies: &[StudyId]) -> Result<Vec<(StudyId, String)>> {
    if studies.is_empty() {
        return Ok(Vec::new());
    }
    let select = "SELECT DISTINCT se.study_id, i.sop_class FROM series se JOIN instance i ON i.series_id = se.id";
    let mut statement = Statement::new(select.to_owned(), tx);
    let ids = statement.numbers(studies.iter().map(|id| id.0));
    statement.and(&format!("se.study_id IN {ids}"));
    statement.end("ORDER BY se.study_id, i.sop_class");
    statement.fetch(tx).await
}

#[cfg(test)]
mod tests {
    use super::super::tests::{keys, seed};
    use super::*;
    use crate::dicom::{Tag, tags};
    use crate::index::testing::on_both_engines;

    #[tokio::test]
    async fn pages_below_the_last_row_come_to_all_of_it_at_every_level() {
        on_both_engines(async |db| {
            let [here, there] = seed(&db).await;
            let mut tx = db.read().await.unwrap();
            let tx = &mut tx;
            for (scope, studies) in [(Scope::All, 4), (Scope::Site(here), 3), (Scope::Site(there), 1)] {
                let (mut below, mut seen) = (StudyId(i64::MAX), Vec::new());
                while let [one] = &studies_below(tx, scope, &Keys::new(Level::Study), below, 1).await.unwrap()[..] {
                    below = one.study;
                    seen.push(one.study_uid.clone());
                }
                assert_eq!(seen.len(), studies);
                assert!(seen.is_sorted_by(|a, b| a > b), "the latest received first");
                let series = series_below(tx, scope, &Keys::new(Level::Series), SeriesId(i64::MAX), 100).await.unwrap();
                let first = InstanceId(i64::MAX);
                let instances = instances_below(tx, scope, &Keys::new(Level::Instance), first, 100).await.unwrap();
                assert_eq!((series.len(), instances.len()), (2 * studies, 2 * studies));
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_patient_comes_with_what_hangs_on_it_and_within_scope() {
        on_both_engines(async |db| {
            let [here, there] = seed(&db).await;
            let mut tx = db.read().await.unwrap();
            let mut found = async |scope, asked: &[(&[Tag], &str)]| {
                let keys = keys(Level::Patient, asked);
                let found = patients_below(&mut tx, scope, &keys, PatientId(i64::MAX), 100).await.unwrap();
                found.into_iter().map(|p| (p.patient_id, p.patient_studies, p.patient_series)).collect::<Vec<_>>()
            };
            assert_eq!(found(Scope::All, &[]).await.len(), 4);
            assert_eq!(found(Scope::Site(there), &[]).await, [("P%3".to_owned(), 1, 2)]);
            let li = [(&[tags::PATIENT_NAME][..], "li*")];
            assert_eq!(found(Scope::All, &li).await, [("P%3".to_owned(), 1, 2)]);
            assert!(found(Scope::Site(here), &li).await.is_empty());
            assert_eq!(found(Scope::All, &[(&[tags::PATIENT_ID], "P-1")]).await, [("P-1".to_owned(), 1, 2)]);
        })
        .await;
    }

    #[tokio::test]
    async fn a_study_names_each_of_its_classes_once() {
        on_both_engines(async |db| {
            seed(&db).await;
            let mut tx = db.read().await.unwrap();
            let found =
                studies_below(&mut tx, Scope::All, &Keys::new(Level::Study), StudyId(i64::MAX), 2).await.unwrap();
            let ids: Vec<StudyId> = found.iter().map(|study| study.study).collect();
            let mut classes = classes_of_studies(&mut tx, &ids).await.unwrap();
            classes.sort_by_key(|(study, _)| std::cmp::Reverse(study.0));
            let ct = "1.2.840.10008.5.1.4.1.1.2".to_owned();
            assert_eq!(classes, [(ids[0], ct.clone()), (ids[1], ct)]);
            assert!(classes_of_studies(&mut tx, &[]).await.unwrap().is_empty());
        })
        .await;
    }
}
