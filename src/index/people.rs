//! Who a patient's records are of.
//!
//! A record is one set of demographics as one site sent it, and never changes. That two are of one person is a row beside
//! them: written by a valid national identification number that stands in both, or by a person; what merely looks alike is
//! proposed and nothing follows from it. Every link can be undone, and stays undone until somebody says otherwise.

use serde_json::json;

use super::{Error, Event, EventKind, Result, Scope, Tx, on};
use crate::domain::{AccountId, CaseId, LinkedBy, Micros, NationalId, PatientId, PersonId, Sex, SiteId, StudyId};

/// The record a person was made from.
const FIRST: &str = "first";
/// Priors and records shown of one person.
const MOST: i64 = 100;

/// A patient's record carries a national number: it is of the person who has it.
pub async fn has_number(tx: &mut Tx, patient: PatientId, site: SiteId, number: &NationalId, now: Micros) -> Result<()> {
    let made = on!(tx, c => sqlx::query_scalar::<_, PersonId>(
        "INSERT INTO person (national_id, created_us) VALUES ($1, $2) ON CONFLICT (national_id) DO NOTHING RETURNING id")
        .bind(number.as_str()).bind(now).fetch_optional(c).await)?;
    let person = match made {
        Some(person) => person,
        None => on!(tx, c => sqlx::query_scalar::<_, PersonId>("SELECT id FROM person WHERE national_id = $1")
            .bind(number.as_str()).fetch_one(c).await)?,
    };
    // What a person said of it stands, and so does what it is of already.
    let linked = on!(tx, c => sqlx::query(
        "INSERT INTO person_link (patient_id, person_id, how, at_us) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .bind(patient).bind(person).bind(LinkedBy::NationalId.word()).bind(now)
        .execute(c).await.map(|done| done.rows_affected()))?;
    if linked == 0 {
        return Ok(());
    }
    let detail = json!({ "patient": patient, "person": person, "how": LinkedBy::NationalId });
    tx.event(&Event::new(EventKind::PersonLinked, now).site(site).detail(detail)).await
}

#[derive(sqlx::FromRow)]
struct Person {
    id: PersonId,
    national_id: Option<String>,
}

async fn person_of(tx: &mut Tx, patient: PatientId) -> Result<Option<Person>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Person>(
        "SELECT p.id, p.national_id FROM person_link l JOIN person p ON p.id = l.person_id
          WHERE l.patient_id = $1 AND l.how <> 'rejected'").bind(patient).fetch_optional(c).await)?)
}

/// The person a record is of; made if nobody knows them yet.
async fn person_made(tx: &mut Tx, patient: PatientId, now: Micros) -> Result<Person> {
    if let Some(person) = person_of(tx, patient).await? {
        return Ok(person);
    }
    let id = on!(tx, c => sqlx::query_scalar::<_, PersonId>(
        "INSERT INTO person (national_id, created_us) VALUES (NULL, $1) RETURNING id").bind(now).fetch_one(c).await)?;
    write_link(tx, patient, id, FIRST, None, now).await?;
    Ok(Person { id, national_id: None })
}

async fn write_link(
    tx: &mut Tx,
    patient: PatientId,
    person: PersonId,
    how: &str,
    by: Option<AccountId>,
    now: Micros,
) -> Result<()> {
    on!(tx, c => sqlx::query(
        "INSERT INTO person_link (patient_id, person_id, how, account_id, at_us) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (patient_id, person_id) DO UPDATE SET how = excluded.how, account_id = excluded.account_id,
                at_us = excluded.at_us")
        .bind(patient).bind(person).bind(how).bind(by.map(|by| by.0)).bind(now).execute(c).await.map(drop))?;
    Ok(())
}

/// A decision about two records that the caller may see.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    pub own: PatientId,
    pub other: PatientId,
}

/// `by` says that both records are of one person. Refused where two national numbers say that they are not.
pub async fn confirm(tx: &mut Tx, scope: Scope, pair: Pair, by: AccountId, now: Micros) -> Result<()> {
    let site = sites(tx, scope, pair).await?;
    let own = person_made(tx, pair.own, now).await?;
    let Some(other) = person_of(tx, pair.other).await? else {
        return link(tx, pair.other, own.id, site, by, now).await;
    };
    if own.id == other.id {
        return Err(Error::Stale("they are one person's already"));
    }
    // Whoever has a number keeps it; the records of the other person come over.
    let (into, from) = match (&own.national_id, &other.national_id) {
        (Some(_), Some(_)) => return Err(Error::Refused("two national numbers are two people")),
        (None, Some(_)) => (other.id, own.id),
        _ => (own.id, other.id),
    };
    let moved = on!(tx, c => sqlx::query_scalar::<_, PatientId>(
        "SELECT patient_id FROM person_link WHERE person_id = $1 AND how <> 'rejected' ORDER BY patient_id")
        .bind(from).fetch_all(c).await)?;
    for patient in moved {
        on!(tx, c => sqlx::query("DELETE FROM person_link WHERE patient_id = $1 AND person_id = $2")
            .bind(patient).bind(from).execute(c).await.map(drop))?;
        link(tx, patient, into, site, by, now).await?;
    }
    Ok(())
}

async fn link(
    tx: &mut Tx,
    patient: PatientId,
    person: PersonId,
    site: SiteId,
    by: AccountId,
    now: Micros,
) -> Result<()> {
    let how = LinkedBy::Confirmed;
    write_link(tx, patient, person, how.word(), Some(by), now).await?;
    let detail = json!({ "patient": patient, "person": person, "how": how });
    tx.event(&Event::new(EventKind::PersonLinked, now).site(site).by(by).detail(detail)).await
}

/// What took a record's place is of the same person, in the way the record it replaced was known to be. Where that one was
/// its own person's and other studies are under it, `by` has said so with the correction.
pub(super) async fn follow(tx: &mut Tx, pair: Pair, site: SiteId, by: AccountId, now: Micros) -> Result<()> {
    let known = on!(tx, c => sqlx::query_as::<_, (PersonId, String, Option<i64>)>(
        "SELECT person_id, how, account_id FROM person_link WHERE patient_id = $1 AND how <> 'rejected'")
        .bind(pair.other).fetch_optional(c).await)?;
    let (person, how, who) = match known {
        Some((person, how, who)) if how != FIRST => (person, how, who),
        Some((person, ..)) => (person, LinkedBy::Confirmed.word().to_owned(), Some(by.0)),
        None if has_studies(tx, pair.other).await? => {
            let person = person_made(tx, pair.other, now).await?.id;
            (person, LinkedBy::Confirmed.word().to_owned(), Some(by.0))
        }
        None => return Ok(()),
    };
    let linked = on!(tx, c => sqlx::query(
        "INSERT INTO person_link (patient_id, person_id, how, account_id, at_us) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING")
        .bind(pair.own).bind(person).bind(&how).bind(who).bind(now)
        .execute(c).await.map(|done| done.rows_affected()))?;
    if linked == 0 {
        return Ok(());
    }
    let detail = json!({ "patient": pair.own, "person": person, "how": how });
    tx.event(&Event::new(EventKind::PersonLinked, now).site(site).by(by).detail(detail)).await
}

/// Besides the one that is being corrected, which is under it still.
async fn has_studies(tx: &mut Tx, patient: PatientId) -> Result<bool> {
    let studies = on!(tx, c => sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM study WHERE patient_id = $1")
        .bind(patient).fetch_one(c).await)?;
    Ok(studies > 1)
}

/// `by` says that the other record is not of the person the own one is of, however it was linked.
pub async fn reject(tx: &mut Tx, scope: Scope, pair: Pair, by: AccountId, now: Micros) -> Result<()> {
    let site = sites(tx, scope, pair).await?;
    let own = person_made(tx, pair.own, now).await?;
    write_link(tx, pair.other, own.id, LinkedBy::Rejected.word(), Some(by), now).await?;
    let detail = json!({ "patient": pair.other, "person": own.id });
    tx.event(&Event::new(EventKind::PersonUnlinked, now).site(site).by(by).detail(detail)).await
}

/// The site of the other record; both must be within the caller's sites, and two.
async fn sites(tx: &mut Tx, scope: Scope, pair: Pair) -> Result<SiteId> {
    let mut site = None;
    for patient in [pair.own, pair.other] {
        site = on!(tx, c => sqlx::query_scalar::<_, SiteId>(
            "SELECT site_id FROM patient WHERE id = $1 AND (CAST($2 AS BIGINT) IS NULL OR site_id = $2)")
            .bind(patient).bind(scope.site()).fetch_optional(c).await)?;
        if site.is_none() {
            return Err(Error::NotFound);
        }
    }
    match site.filter(|_| pair.own != pair.other) {
        Some(site) => Ok(site),
        None => Err(Error::Refused("a record is its own person's")),
    }
}

/// A set of demographics, and what it has to do with the one that was asked about.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Record {
    pub patient: PatientId,
    pub name: String,
    #[sqlx(try_from = "String")]
    pub sex: Sex,
    pub pid: String,
    pub birth_date: String,
    pub site_id: SiteId,
    pub site_name: String,
    #[sqlx(try_from = "String")]
    pub how: LinkedBy,
    pub by_name: Option<String>,
    pub at_us: Option<Micros>,
    /// Of its newest study that is read.
    pub case_id: Option<CaseId>,
    pub studies: i64,
}

macro_rules! records {
    ($how:literal, $rest:literal) => {
        concat!(
            "SELECT p.id AS patient, p.name, p.sex, p.pid, p.birth_date, p.site_id, s.name AS site_name,
                    (SELECT MAX(ca.id) FROM study st JOIN case_ ca ON ca.study_id = st.id
                      WHERE st.patient_id = p.id) AS case_id,
                    (SELECT COUNT(*) FROM study st WHERE st.patient_id = p.id) AS studies, ",
            $how,
            " FROM patient p JOIN site s ON s.id = p.site_id ",
            $rest
        )
    };
}

/// The record a study is under.
pub async fn of_study(tx: &mut Tx, scope: Scope, study: StudyId) -> Result<Record> {
    on!(tx, c => sqlx::query_as::<_, Record>(records!(
        "'same' AS how, CAST(NULL AS TEXT) AS by_name, CAST(NULL AS BIGINT) AS at_us",
        "JOIN study st ON st.patient_id = p.id
          WHERE st.id = $1 AND (CAST($2 AS BIGINT) IS NULL OR st.site_id = $2)"))
        .bind(study).bind(scope.site()).fetch_optional(c).await)?
    .ok_or(Error::NotFound)
}

/// One record, which the caller was found to be allowed to see.
pub(super) async fn record(tx: &mut Tx, patient: PatientId) -> Result<Record> {
    on!(tx, c => sqlx::query_as::<_, Record>(records!(
        "'same' AS how, CAST(NULL AS TEXT) AS by_name, CAST(NULL AS BIGINT) AS at_us", "WHERE p.id = $1"))
        .bind(patient).fetch_optional(c).await)?
    .ok_or(Error::NotFound)
}

/// The other records of the same person within the caller's sites, then those that were rejected, then those that may be.
/// One that no study is under says nothing of anybody: a correction left it behind.
pub async fn records(tx: &mut Tx, scope: Scope, patient: PatientId) -> Result<Vec<Record>> {
    let mut found = on!(tx, c => sqlx::query_as::<_, Record>(records!(
        "CASE WHEN l.how = 'rejected' THEN 'rejected' WHEN l.how = 'confirmed' OR own.how = 'confirmed' THEN 'confirmed'
              ELSE 'national_id' END AS how,
         a.name AS by_name, CASE WHEN l.account_id IS NULL THEN own.at_us ELSE l.at_us END AS at_us",
        "JOIN person_link l ON l.patient_id = p.id
         JOIN person_link own ON own.person_id = l.person_id AND own.patient_id = $1 AND own.how <> 'rejected'
         LEFT JOIN account a ON a.id = COALESCE(l.account_id, own.account_id)
          WHERE p.id <> $1 AND (CAST($2 AS BIGINT) IS NULL OR p.site_id = $2)
            AND EXISTS (SELECT 1 FROM study st WHERE st.patient_id = p.id)
          ORDER BY CASE l.how WHEN 'rejected' THEN 1 ELSE 0 END, p.id LIMIT $3"))
        .bind(patient).bind(scope.site()).bind(MOST).fetch_all(c).await)?;
    found.extend(proposed(tx, scope, patient).await?);
    Ok(found)
}

/// Name, birth date and sex agree, or the site's own number does; and nobody has decided. Not what a study of this record
/// was sent with: somebody has said that it is not that one.
async fn proposed(tx: &mut Tx, scope: Scope, patient: PatientId) -> Result<Vec<Record>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Record>(records!(
        "'proposed' AS how, CAST(NULL AS TEXT) AS by_name, CAST(NULL AS BIGINT) AS at_us",
        "WHERE p.id IN (
                SELECT o.id FROM patient m JOIN patient o ON o.birth_date = m.birth_date AND o.name = m.name
                 WHERE m.id = $1 AND o.sex = m.sex AND m.birth_date <> '' AND m.name <> ''
                UNION
                SELECT o.id FROM patient m JOIN patient o ON o.pid = m.pid
                 WHERE m.id = $1 AND o.site_id = m.site_id AND o.issuer = m.issuer AND m.pid <> '')
           AND p.id <> $1 AND (CAST($2 AS BIGINT) IS NULL OR p.site_id = $2)
           AND EXISTS (SELECT 1 FROM study st WHERE st.patient_id = p.id)
           AND NOT EXISTS (SELECT 1 FROM study st WHERE st.patient_id = $1 AND st.sent_patient_id = p.id)
           AND NOT EXISTS (SELECT 1 FROM person_link a JOIN person_link b ON b.person_id = a.person_id
                            WHERE a.patient_id = $1 AND b.patient_id = p.id)
           AND NOT EXISTS (SELECT 1 FROM person_link a JOIN person n ON n.id = a.person_id
                             JOIN person_link b ON b.patient_id = p.id JOIN person o ON o.id = b.person_id
                            WHERE a.patient_id = $1 AND a.how <> 'rejected' AND b.how <> 'rejected'
                              AND n.national_id <> o.national_id)
         ORDER BY p.id LIMIT $3"))
        .bind(patient).bind(scope.site()).bind(MOST).fetch_all(c).await)?)
}

/// Another study of the same person.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct PriorRow {
    pub study_id: StudyId,
    pub study_uid: String,
    pub case_id: Option<CaseId>,
    pub patient_id: PatientId,
    pub exam_us: Micros,
    pub description: String,
    pub modality: String,
    pub body_part: String,
    pub site_id: SiteId,
    pub site_name: String,
    #[sqlx(try_from = "String")]
    pub how: LinkedBy,
    pub by_name: Option<String>,
    pub at_us: Option<Micros>,
}

/// The other studies of the person a study is of, newest first, within the caller's sites; how each is known to be theirs.
pub async fn priors(tx: &mut Tx, scope: Scope, study: StudyId) -> Result<Vec<PriorRow>> {
    Ok(on!(tx, c => sqlx::query_as::<_, PriorRow>(
        "SELECT st.id AS study_id, st.uid AS study_uid, c.id AS case_id, st.patient_id, st.exam_us, st.description,
                st.modality, st.body_part, st.site_id, s.name AS site_name,
                CASE WHEN st.patient_id = one.patient_id THEN 'same'
                     WHEN l.how = 'confirmed' OR own.how = 'confirmed' THEN 'confirmed' ELSE 'national_id' END AS how,
                CASE WHEN st.patient_id = one.patient_id THEN NULL ELSE a.name END AS by_name,
                CASE WHEN st.patient_id = one.patient_id THEN NULL
                     WHEN l.account_id IS NULL THEN own.at_us ELSE l.at_us END AS at_us
           FROM study one
           JOIN study st ON st.id <> one.id AND st.patient_id IN (
                SELECT one.patient_id UNION SELECT m.patient_id FROM person_link o
                  JOIN person_link m ON m.person_id = o.person_id AND m.how <> 'rejected'
                 WHERE o.patient_id = one.patient_id AND o.how <> 'rejected')
           JOIN site s ON s.id = st.site_id
           LEFT JOIN case_ c ON c.study_id = st.id
           LEFT JOIN person_link own ON own.patient_id = one.patient_id AND own.how <> 'rejected'
           LEFT JOIN person_link l ON l.patient_id = st.patient_id AND l.how <> 'rejected'
           LEFT JOIN account a ON a.id = COALESCE(l.account_id, own.account_id)
          WHERE one.id = $1 AND (CAST($2 AS BIGINT) IS NULL OR st.site_id = $2)
          ORDER BY st.exam_us DESC, st.id DESC LIMIT $3")
        .bind(study).bind(scope.site()).bind(MOST).fetch_all(c).await)?)
}

#[cfg(test)]
mod tests;
