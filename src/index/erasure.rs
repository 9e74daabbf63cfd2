//! Erasing a study, and what keeps it from being erased: requests, legal holds, tombstones, and the rows that go.
//!
//! A request says why and changes nothing; confirmed, it is a tombstone: from then on what comes for that study goes into
//! quarantine. The rows go in one transaction with a list of what is left to delete in the store, so that whoever is killed
//! in between goes on later. A signed report is never erased, nor is what it says of its study and patient; its images are.

use sha2::{Digest, Sha256};

use super::archive::key_of;
use super::{Error, Event, EventKind, Result, Tx, on};
use crate::archive::{ObjectKey, Written};
use crate::domain::{AccountId, CaseState, ErasureId, Micros, PackId, Retention, SiteId, StudyId};

/// Names a study that may be gone: SHA-256 of its Study Instance UID.
pub fn uid_hash(study_uid: &str) -> Vec<u8> {
    Sha256::digest(study_uid).to_vec()
}

/// What decides whether a study may be erased.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Subject {
    pub id: StudyId,
    pub uid: String,
    pub site_id: SiteId,
    pub modality: String,
    pub exam_us: Micros,
    pub birth_date: String,
    pub instances: i64,
    pub held: i64,
    pub state: Option<String>,
    pub signed: i64,
}

pub async fn subject(tx: &mut Tx, study_uid: &str) -> Result<Subject> {
    on!(tx, c => sqlx::query_as::<_, Subject>(
        "SELECT s.id, s.uid, s.site_id, s.modality, s.exam_us, p.birth_date, s.instances,
                (SELECT COUNT(*) FROM legal_hold h WHERE h.study_id = s.id AND h.lifted_us IS NULL) AS held,
                (SELECT c.state FROM case_ c WHERE c.study_id = s.id) AS state,
                (SELECT COUNT(*) FROM report r JOIN case_ c ON c.id = r.case_id
                  WHERE c.study_id = s.id AND r.state = 'signed') AS signed
           FROM study s JOIN patient p ON p.id = s.patient_id WHERE s.uid = $1")
        .bind(study_uid).fetch_optional(c).await)?
    .ok_or(Error::NotFound)
}

impl Subject {
    /// Refuses what must be kept.
    fn may_go(&self, retention: &Retention, now: Micros) -> Result<()> {
        if self.held > 0 {
            return Err(Error::Refused("the study is under legal hold"));
        }
        let state = self.state.as_deref().and_then(CaseState::from_word);
        if state.is_some_and(CaseState::in_hand) {
            return Err(Error::Refused("somebody is reading or reviewing this study"));
        }
        if self.signed > 0 && !retention.has_passed(&self.modality, &self.birth_date, self.exam_us, now) {
            return Err(Error::Refused("its report is signed, and it is to be kept for longer"));
        }
        Ok(())
    }
}

/// Puts a study under legal hold; a second one changes nothing.
pub async fn hold(tx: &mut Tx, study_uid: &str, reason: &str, by: AccountId, now: Micros) -> Result<()> {
    let study = subject(tx, study_uid).await?;
    if study.held > 0 {
        return Ok(());
    }
    on!(tx, c => sqlx::query("INSERT INTO legal_hold (study_id, reason, by_id, at_us) VALUES ($1, $2, $3, $4)")
        .bind(study.id).bind(reason).bind(by).bind(now).execute(c).await.map(drop))?;
    tx.event(&Event::new(EventKind::Held, now).site(study.site_id).study(study.id).by(by)).await
}

/// Lifts the hold of a study.
pub async fn lift(tx: &mut Tx, study_uid: &str, by: AccountId, now: Micros) -> Result<()> {
    let study = subject(tx, study_uid).await?;
    let lifted = on!(tx, c => sqlx::query(
        "UPDATE legal_hold SET lifted_us = $2, lifted_by_id = $3 WHERE study_id = $1 AND lifted_us IS NULL")
        .bind(study.id).bind(now).bind(by).execute(c).await.map(|done| done.rows_affected()))?;
    if lifted == 0 {
        return Err(Error::Refused("the study is not under legal hold"));
    }
    tx.event(&Event::new(EventKind::HoldLifted, now).site(study.site_id).study(study.id).by(by)).await
}

/// Asks for a study to be erased. Nothing happens to it before somebody confirms.
pub async fn request(
    tx: &mut Tx,
    study_uid: &str,
    reason: &str,
    by: AccountId,
    retention: &Retention,
    now: Micros,
) -> Result<ErasureId> {
    let study = subject(tx, study_uid).await?;
    study.may_go(retention, now)?;
    let id = on!(tx, c => sqlx::query_scalar::<_, ErasureId>(
        "INSERT INTO erasure (study_id, uid_hash, site_id, reason, requested_us, requested_by, instances)
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id")
        .bind(study.id).bind(uid_hash(&study.uid)).bind(study.site_id).bind(reason).bind(now).bind(by)
        .bind(study.instances).fetch_one(c).await)?;
    let detail = serde_json::json!({"erasure": id, "instances": study.instances});
    let event = Event::new(EventKind::ErasureRequested, now).site(study.site_id).study(study.id).by(by);
    tx.event(&event.detail(detail)).await?;
    Ok(id)
}

/// A request, or what it led to.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Erasure {
    pub id: ErasureId,
    /// None once the study is gone.
    pub study_uid: Option<String>,
    pub uid_hash: Vec<u8>,
    pub site_id: Option<SiteId>,
    pub reason: String,
    pub requested_us: Micros,
    pub requested_by: String,
    pub confirmed_us: Option<Micros>,
    pub confirmed_by: String,
    pub done_us: Option<Micros>,
    pub instances: i64,
}

macro_rules! select_erasures {
    ($rest:literal) => {
        concat!(
            "SELECT e.id, s.uid AS study_uid, e.uid_hash, e.site_id, e.reason, e.requested_us,
                    COALESCE(r.login, '') AS requested_by, e.confirmed_us, COALESCE(f.login, '') AS confirmed_by,
                    e.done_us, e.instances
               FROM erasure e LEFT JOIN study s ON s.id = e.study_id LEFT JOIN account r ON r.id = e.requested_by
               LEFT JOIN account f ON f.id = e.confirmed_by ",
            $rest
        )
    };
}

pub async fn list(tx: &mut Tx, limit: i64) -> Result<Vec<Erasure>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Erasure>(select_erasures!("ORDER BY e.id DESC LIMIT $1"))
        .bind(limit).fetch_all(c).await)?)
}

pub async fn find(tx: &mut Tx, id: ErasureId) -> Result<Erasure> {
    on!(tx, c => sqlx::query_as::<_, Erasure>(select_erasures!("WHERE e.id = $1")).bind(id).fetch_optional(c).await)?
        .ok_or(Error::NotFound)
}

/// Confirmed and not done yet, oldest first.
pub async fn under_way(tx: &mut Tx) -> Result<Vec<ErasureId>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, ErasureId>(
        "SELECT id FROM erasure WHERE confirmed_us IS NOT NULL AND done_us IS NULL ORDER BY id").fetch_all(c).await)?)
}

/// Takes a request back that nobody confirmed.
pub async fn withdraw(tx: &mut Tx, id: ErasureId, by: AccountId, now: Micros) -> Result<()> {
    let erasure = find(tx, id).await?;
    let gone = on!(tx, c => sqlx::query("DELETE FROM erasure WHERE id = $1 AND confirmed_us IS NULL")
        .bind(id).execute(c).await.map(|done| done.rows_affected()))?;
    if gone == 0 {
        return Err(Error::Refused("it is confirmed already"));
    }
    let mut event = Event::new(EventKind::ErasureWithdrawn, now).by(by).detail(serde_json::json!({"erasure": id}));
    event.site = erasure.site_id;
    tx.event(&event).await
}

/// Confirms a request: the tombstone stands, and the study's rows go. Looks again whether it may, and keeps whoever might
/// begin to read or sign it out meanwhile.
pub async fn confirm(
    tx: &mut Tx,
    id: ErasureId,
    by: AccountId,
    tombstone: &Written,
    retention: &Retention,
    now: Micros,
) -> Result<()> {
    let Some(uid) = find(tx, id).await?.study_uid else { return Err(Error::NotFound) };
    on!(tx, c => sqlx::query(
        "UPDATE case_ SET version = version WHERE study_id = (SELECT s.id FROM study s WHERE s.uid = $1)")
        .bind(&uid).execute(c).await.map(drop))?;
    subject(tx, &uid).await?.may_go(retention, now)?;
    let confirmed = on!(tx, c => sqlx::query(
        "UPDATE erasure SET confirmed_us = $2, confirmed_by = $3, tombstone_key = $4, tombstone_sha256 = $5
          WHERE id = $1 AND confirmed_us IS NULL")
        .bind(id).bind(now).bind(by).bind(tombstone.key.as_str()).bind(&tombstone.sha256[..])
        .execute(c).await.map(|done| done.rows_affected()))?;
    if confirmed == 0 {
        return Err(Error::Stale("it is confirmed already"));
    }
    erase_rows(tx, id, now).await
}

/// Whether a study of that UID was erased, or is being.
pub async fn is_erased(tx: &mut Tx, study_uid: &str) -> Result<bool> {
    let found = on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM erasure WHERE uid_hash = $1 AND confirmed_us IS NOT NULL")
        .bind(uid_hash(study_uid)).fetch_one(c).await)?;
    Ok(found > 0)
}

/// Whether a dataset was received and erased.
pub async fn is_erased_dataset(tx: &mut Tx, sha256: &[u8]) -> Result<bool> {
    let found = on!(tx, c => sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM erased_dataset WHERE sha256 = $1")
        .bind(sha256).fetch_one(c).await)?;
    Ok(found > 0)
}

/// A tombstone that was found in the store, for an index made anew; known already, it changes nothing.
pub async fn restore_tombstone(tx: &mut Tx, hash: &[u8], reason: &str, at: Micros, found: &Written) -> Result<()> {
    on!(tx, c => sqlx::query(
        "INSERT INTO erasure (uid_hash, reason, requested_us, confirmed_us, done_us, instances, tombstone_key,
                              tombstone_sha256)
         SELECT $1, $2, $3, $3, $3, 0, $4, $5
          WHERE NOT EXISTS (SELECT 1 FROM erasure WHERE tombstone_key = $4)")
        .bind(hash).bind(reason).bind(at).bind(found.key.as_str()).bind(&found.sha256[..])
        .execute(c).await.map(drop))?;
    Ok(())
}

const OF_STUDY: &str = "(SELECT i.id FROM instance i JOIN series se ON se.id = i.series_id WHERE se.study_id = $1)";

/// Runs one statement about a study.
async fn run(tx: &mut Tx, study: StudyId, sql: &str) -> Result<()> {
    let sql = sql.replace("{instances}", OF_STUDY);
    on!(tx, c => sqlx::query(sqlx::AssertSqlSafe(sql.clone())).bind(study).execute(c).await.map(drop))?;
    Ok(())
}

/// As [`run`], noting for an erasure: `$1` the study, `$2` the erasure.
async fn note(tx: &mut Tx, study: StudyId, erasure: ErasureId, sql: &str) -> Result<()> {
    let sql = sql.replace("{instances}", OF_STUDY);
    on!(tx, c => sqlx::query(sqlx::AssertSqlSafe(sql.clone())).bind(study).bind(erasure).execute(c).await.map(drop))?;
    Ok(())
}

/// What of a study's images has rows, children before parents.
const IMAGES: [&str; 8] = [
    "DELETE FROM quarantine_act WHERE quarantine_id IN
        (SELECT id FROM quarantine WHERE study_id = $1 OR instance_id IN {instances})",
    "DELETE FROM quarantine WHERE study_id = $1 OR instance_id IN {instances}",
    "DELETE FROM delivery_object WHERE instance_id IN {instances}",
    "DELETE FROM instance_metadata WHERE instance_id IN {instances}",
    "DELETE FROM instance WHERE series_id IN (SELECT id FROM series WHERE study_id = $1)",
    "DELETE FROM series_request WHERE series_id IN (SELECT id FROM series WHERE study_id = $1)",
    "UPDATE pack SET series_id = NULL WHERE series_id IN (SELECT id FROM series WHERE study_id = $1)",
    "DELETE FROM series WHERE study_id = $1",
];

/// What else there is of a study that has no signed report.
const CASE: [&str; 9] = [
    "DELETE FROM report_signature WHERE report_id IN
        (SELECT r.id FROM report r JOIN case_ c ON c.id = r.case_id WHERE c.study_id = $1)",
    "DELETE FROM report_author WHERE report_id IN
        (SELECT r.id FROM report r JOIN case_ c ON c.id = r.case_id WHERE c.study_id = $1)",
    "DELETE FROM report WHERE case_id IN (SELECT id FROM case_ WHERE study_id = $1)",
    "DELETE FROM decision WHERE case_id IN (SELECT id FROM case_ WHERE study_id = $1)",
    "DELETE FROM case_ WHERE study_id = $1",
    "DELETE FROM legal_hold WHERE study_id = $1",
    "DELETE FROM study_correction WHERE study_id = $1",
    "DELETE FROM exam_order WHERE study_id = $1",
    "DELETE FROM study WHERE id = $1",
];

/// The rows of a confirmed erasure's study go, and what is left to do in the store is noted.
async fn erase_rows(tx: &mut Tx, erasure: ErasureId, now: Micros) -> Result<()> {
    let Some(uid) = find(tx, erasure).await?.study_uid else { return Ok(()) };
    let study = subject(tx, &uid).await?;
    let id = study.id;
    note(
        tx,
        id,
        erasure,
        "INSERT INTO erasure_object (erasure_id, key)
        SELECT $2, key FROM delivery_object WHERE instance_id IN {instances}",
    )
    .await?;
    note(
        tx,
        id,
        erasure,
        "INSERT INTO erasure_pack (erasure_id, pack_id)
        SELECT DISTINCT CAST($2 AS BIGINT), pack_id FROM instance WHERE pack_id IS NOT NULL AND id IN {instances}
        UNION SELECT CAST($2 AS BIGINT), pack_id FROM quarantine
         WHERE pack_id IS NOT NULL AND (study_id = $1 OR instance_id IN {instances})",
    )
    .await?;
    note(
        tx,
        id,
        erasure,
        "INSERT INTO erased_dataset (erasure_id, sha256)
        SELECT DISTINCT CAST($2 AS BIGINT), sha256 FROM instance WHERE id IN {instances}
        UNION SELECT CAST($2 AS BIGINT), sha256 FROM quarantine WHERE study_id = $1 OR instance_id IN {instances}",
    )
    .await?;
    for sql in IMAGES {
        run(tx, id, sql).await?;
    }
    on!(tx, c => sqlx::query("DELETE FROM study_evidence WHERE study_uid = $1").bind(&uid).execute(c).await.map(drop))?;
    // What else was asked for of it has nothing left to erase.
    run(tx, id, "DELETE FROM erasure WHERE study_id = $1 AND confirmed_us IS NULL").await?;
    if study.signed > 0 {
        run(tx, id, "UPDATE study SET instances = 0, bytes = 0, quarantined = 0 WHERE id = $1").await?;
        // Of the study the report stays: the tombstone names it no longer as one to be erased.
        note(tx, id, erasure, "UPDATE erasure SET study_id = NULL WHERE id = $2 AND study_id = $1").await?;
    } else {
        // Whoever it was taken for, also before a correction.
        let patients = on!(tx, c => sqlx::query_scalar::<_, i64>(
            "SELECT patient_id FROM study WHERE id = $1
             UNION SELECT sent_patient_id FROM study WHERE id = $1 AND sent_patient_id IS NOT NULL
             UNION SELECT from_patient FROM study_correction WHERE study_id = $1
             UNION SELECT to_patient FROM study_correction WHERE study_id = $1").bind(id).fetch_all(c).await)?;
        run(tx, id, "UPDATE erasure SET study_id = NULL WHERE study_id = $1").await?;
        for sql in CASE {
            run(tx, id, sql).await?;
        }
        for patient in patients {
            forget_patient(tx, patient).await?;
        }
    }
    let detail = serde_json::json!({"erasure": erasure, "instances": study.instances, "report_kept": study.signed > 0});
    let event = Event::new(EventKind::Erased, now).site(study.site_id).study(id).detail(detail);
    let by = on!(tx, c => sqlx::query_scalar::<_, Option<AccountId>>("SELECT confirmed_by FROM erasure WHERE id = $1")
        .bind(erasure).fetch_one(c).await)?;
    tx.event(&Event { account: by, ..event }).await
}

/// A patient of whom there is no study any more, and the person who was nobody else.
async fn forget_patient(tx: &mut Tx, patient: i64) -> Result<()> {
    let needed = on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM (
            SELECT 1 FROM study WHERE patient_id = $1 OR sent_patient_id = $1
            UNION ALL SELECT 1 FROM study_correction WHERE from_patient = $1 OR to_patient = $1) AS one")
        .bind(patient).fetch_one(c).await)?;
    if needed > 0 {
        return Ok(());
    }
    let persons = on!(tx, c => sqlx::query_scalar::<_, i64>("SELECT person_id FROM person_link WHERE patient_id = $1")
        .bind(patient).fetch_all(c).await)?;
    for sql in [
        "DELETE FROM name_form WHERE patient_id = $1",
        "DELETE FROM patient_unnamed WHERE patient_id = $1",
        "DELETE FROM person_link WHERE patient_id = $1",
        "DELETE FROM patient WHERE id = $1",
    ] {
        on!(tx, c => sqlx::query(sql).bind(patient).execute(c).await.map(drop))?;
    }
    for person in persons {
        on!(tx, c => sqlx::query(
            "DELETE FROM person WHERE id = $1
                AND NOT EXISTS (SELECT 1 FROM person_link l WHERE l.person_id = person.id)")
            .bind(person).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// A pack that held something of an erased study.
pub async fn next_pack(tx: &mut Tx, erasure: ErasureId) -> Result<Option<(PackId, ObjectKey)>> {
    let found = on!(tx, c => sqlx::query_as::<_, (PackId, String)>(
        "SELECT p.id, p.key FROM erasure_pack e JOIN pack p ON p.id = e.pack_id WHERE e.erasure_id = $1
          ORDER BY p.id LIMIT 1").bind(erasure).fetch_optional(c).await)?;
    found.map(|(id, key)| Ok((id, key_of(key)?))).transpose()
}

/// Where in a pack that lies which rows still name.
pub async fn offsets_in_use(tx: &mut Tx, pack: PackId) -> Result<Vec<i64>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT file_offset FROM instance WHERE pack_id = $1
         UNION SELECT file_offset FROM quarantine WHERE pack_id = $1").bind(pack).fetch_all(c).await)?)
}

/// What takes the place of a pack: its object, and for each object kept its old and its new offset.
pub struct Rewritten {
    pub written: Written,
    pub moved: Vec<(i64, i64)>,
}

/// `pack` is replaced, or with none goes; its object is to be deleted. Refused if rows changed meanwhile.
pub async fn replace_pack(
    tx: &mut Tx,
    erasure: ErasureId,
    pack: PackId,
    key: &ObjectKey,
    new: Option<&Rewritten>,
    now: Micros,
) -> Result<()> {
    if let Some(new) = new {
        let id = on!(tx, c => sqlx::query_scalar::<_, PackId>(
            "INSERT INTO pack (series_id, key, bytes, entries, sha256, created_us)
             SELECT series_id, $2, $3, $4, $5, $6 FROM pack WHERE id = $1 RETURNING id")
            .bind(pack).bind(new.written.key.as_str()).bind(new.written.bytes as i64).bind(new.moved.len() as i64)
            .bind(&new.written.sha256[..]).bind(now).fetch_one(c).await)?;
        for (old, moved) in &new.moved {
            let mut rows = 0;
            for table in ["instance", "quarantine"] {
                let sql = format!(
                    "UPDATE {table} SET pack_id = $3, file_offset = $4 WHERE pack_id = $1 AND file_offset = $2"
                );
                rows += on!(tx, c => sqlx::query(sqlx::AssertSqlSafe(sql.clone())).bind(pack).bind(old).bind(id).bind(moved)
                    .execute(c).await.map(|done| done.rows_affected()))?;
            }
            if rows != 1 {
                return Err(Error::Stale("what the pack held has changed"));
            }
        }
    }
    if !offsets_in_use(tx, pack).await?.is_empty() {
        return Err(Error::Stale("something else moved into the pack"));
    }
    on!(tx, c => sqlx::query("DELETE FROM erasure_pack WHERE pack_id = $1").bind(pack).execute(c).await.map(drop))?;
    on!(tx, c => sqlx::query("DELETE FROM pack WHERE id = $1").bind(pack).execute(c).await.map(drop))?;
    on!(tx, c => sqlx::query("INSERT INTO erasure_object (erasure_id, key) VALUES ($1, $2)")
        .bind(erasure).bind(key.as_str()).execute(c).await.map(drop))?;
    Ok(())
}

/// Objects of the store that are to be deleted for an erasure.
pub async fn objects(tx: &mut Tx, erasure: ErasureId) -> Result<Vec<ObjectKey>> {
    let keys = on!(tx, c => sqlx::query_scalar::<_, String>("SELECT key FROM erasure_object WHERE erasure_id = $1")
        .bind(erasure).fetch_all(c).await)?;
    keys.into_iter().map(key_of).collect()
}

/// Everything of an erasure is gone.
pub async fn done(tx: &mut Tx, erasure: ErasureId, now: Micros) -> Result<()> {
    on!(tx, c => sqlx::query("DELETE FROM erasure_object WHERE erasure_id = $1").bind(erasure).execute(c).await.map(drop))?;
    on!(tx, c => sqlx::query("UPDATE erasure SET done_us = $2 WHERE id = $1").bind(erasure).bind(now)
        .execute(c).await.map(drop))?;
    Ok(())
}
