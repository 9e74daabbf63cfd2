//! A study under the wrong patient's name, put right: from then on lists, searches, metadata and new reports show the record
//! it is under now. The one place is the study's `patient_id`, which all of them read; what was sent is kept beside it.
//!
//! Nothing stored is rewritten, and a signed report says for ever what it said when it was signed.

use serde_json::json;

use super::cases::{self, Row};
use super::intake::{self, PatientRow};
use super::people::{self, Pair, Record};
use super::{Error, Event, EventKind, Result, Scope, Tx, on};
use crate::domain::{AccountId, CaseId, Micros, NationalId, PatientId, SiteId, StudyId};

/// What is to be put right, as the caller saw the case.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    pub case: CaseId,
    pub version: i64,
    /// None: as it was sent.
    pub patient: Option<&'a Demographics>,
    pub by: AccountId,
    /// Why, in their own words.
    pub note: &'a str,
    pub now: Micros,
}

/// Who a study is of, as a person typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demographics {
    pub name: String,
    pub pid: String,
    /// `YYYYMMDD` or empty.
    pub birth_date: String,
    pub sex: crate::domain::Sex,
}

/// Puts a study under another record. Refused while somebody is at its case: the banner over an open report never changes.
pub async fn correct(tx: &mut Tx, scope: Scope, wish: Wish<'_>) -> Result<()> {
    let row = cases::row(tx, wish.case, scope).await?;
    if row.version != wish.version {
        return Err(Error::Stale("the case has changed since it was shown"));
    }
    if row.state.in_hand() {
        return Err(Error::Refused("somebody is at this case"));
    }
    let (shown, sent) = records_of(tx, row.study_id).await?;
    let wanted = match wish.patient {
        None => sent,
        Some(demographics) => record(tx, &row, sent, demographics).await?,
    };
    if wanted == shown {
        return Err(Error::Refused("it says so already"));
    }
    if let Some(demographics) = wish.patient {
        keep_person(tx, row.site_id, [shown, wanted], demographics, &wish).await?;
    }
    let kept = (wanted != sent).then_some(sent.0);
    on!(tx, c => sqlx::query("UPDATE study SET patient_id = $2, sent_patient_id = $3 WHERE id = $1")
        .bind(row.study_id).bind(wanted).bind(kept).execute(c).await.map(drop))?;
    let changed = on!(tx, c => sqlx::query("UPDATE case_ SET version = version + 1 WHERE id = $1 AND version = $2")
        .bind(wish.case).bind(wish.version).execute(c).await.map(|done| done.rows_affected()))?;
    if changed != 1 {
        return Err(Error::Stale("somebody else was first"));
    }
    on!(tx, c => sqlx::query(
        "INSERT INTO study_correction (study_id, from_patient, to_patient, account_id, at_us, note)
         VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(row.study_id).bind(shown).bind(wanted).bind(wish.by).bind(wish.now).bind(wish.note)
        .execute(c).await.map(drop))?;
    let event = Event::new(EventKind::StudyCorrected, wish.now).site(row.site_id).study(row.study_id).case(wish.case);
    tx.event(&event.by(wish.by).detail(json!({ "from": shown, "to": wanted }))).await
}

/// The record a study is under, and the one it was sent with.
async fn records_of(tx: &mut Tx, study: StudyId) -> Result<(PatientId, PatientId)> {
    Ok(on!(tx, c => sqlx::query_as::<_, (PatientId, PatientId)>(
        "SELECT patient_id, COALESCE(sent_patient_id, patient_id) FROM study WHERE id = $1")
        .bind(study).fetch_one(c).await)?)
}

/// The record of these demographics at the study's site. A name that is what was sent keeps all its ways of being written.
async fn record(tx: &mut Tx, row: &Row, sent: PatientId, wanted: &Demographics) -> Result<PatientId> {
    let (issuer, pid, name, name_raw) = on!(tx, c => sqlx::query_as::<_, (String, String, String, String)>(
        "SELECT issuer, pid, name, name_raw FROM patient WHERE id = $1").bind(sent).fetch_one(c).await)?;
    let patient = PatientRow {
        // Without a number of its own a study stays a patient of its own.
        issuer: match wanted.pid.is_empty() {
            true => format!("study:{}", row.study_uid),
            false if pid.is_empty() => String::new(),
            false => issuer,
        },
        pid: wanted.pid.clone(),
        name_raw: if name == wanted.name { name_raw } else { wanted.name.clone() },
        name: wanted.name.clone(),
        sex: wanted.sex.word().to_owned(),
        birth_date: wanted.birth_date.clone(),
    };
    intake::patient(tx, row.site_id, &patient).await
}

/// A new record is of the person whose number stands in it, and else of the one the record it replaces is of, if the
/// correction left it the same human being: what is known of them would be lost with a letter of a name.
async fn keep_person(
    tx: &mut Tx,
    site: SiteId,
    [replaced, wanted]: [PatientId; 2],
    typed: &Demographics,
    wish: &Wish<'_>,
) -> Result<()> {
    if let Some(number) = NationalId::parse(&typed.pid) {
        return people::has_number(tx, wanted, site, &number, wish.now).await;
    }
    let before = people::record(tx, replaced).await?;
    match still_the_same(&before, typed) {
        true => people::follow(tx, Pair { own: wanted, other: replaced }, site, wish.by, wish.now).await,
        false => Ok(()),
    }
}

/// Whether a correction left a person who they are. A site's number alone is no proof: it is used twice at times; and
/// where a national number was the mistake, whoever has it is somebody else.
fn still_the_same(before: &Record, typed: &Demographics) -> bool {
    let is_same = |one: &str, other: &str| !one.is_empty() && one == other;
    let (name, birth) = (is_same(&before.name, &typed.name), is_same(&before.birth_date, &typed.birth_date));
    match before.pid == typed.pid {
        true => name || birth,
        false => name && birth && NationalId::parse(&before.pid).is_none(),
    }
}

/// The correction that is in force.
#[derive(Debug, Clone)]
pub struct InForce {
    pub sent: Record,
    pub by: String,
    pub at: Micros,
    pub note: String,
}

pub async fn in_force(tx: &mut Tx, study: StudyId) -> Result<Option<InForce>> {
    let (shown, sent) = records_of(tx, study).await?;
    if shown == sent {
        return Ok(None);
    }
    let (by, at, note) = on!(tx, c => sqlx::query_as::<_, (String, Micros, String)>(
        "SELECT a.name, k.at_us, k.note FROM study_correction k JOIN account a ON a.id = k.account_id
          WHERE k.study_id = $1 ORDER BY k.id DESC LIMIT 1").bind(study).fetch_one(c).await)?;
    Ok(Some(InForce { sent: people::record(tx, sent).await?, by, at, note }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CaseState, LinkedBy, Role, Sex, Urgency};
    use crate::index::find::{self, Key, Keys, Level, Page};
    use crate::index::testing::{SeededCase, on_both_engines, seed_account, seed_case};
    use crate::index::{Db, dicomweb};

    const NOW: Micros = Micros(5_000);

    fn li() -> Demographics {
        Demographics { name: "李明".into(), pid: "P-9".into(), birth_date: "19701231".into(), sex: Sex::Male }
    }

    async fn put(db: &Db, case: CaseId, by: AccountId, patient: Option<&Demographics>) -> Result<()> {
        let mut tx = db.write().await?;
        let version = cases::row(&mut tx, case, Scope::All).await?.version;
        let wish = Wish { case, version, patient, by, note: "登记时选错了人", now: NOW };
        correct(&mut tx, Scope::All, wish).await?;
        tx.commit().await
    }

    /// The name lists show, and how many studies a search for this number finds.
    async fn shown(db: &Db, case: CaseId, pid: &str) -> (String, usize) {
        let mut tx = db.read().await.unwrap();
        let name = cases::row(&mut tx, case, Scope::All).await.unwrap().patient_name;
        let mut keys = Keys::new(Level::Study);
        keys.add(&[crate::dicom::tags::PATIENT_ID], pid).unwrap();
        let page = Page { limit: 10, offset: 0 };
        (name, find::studies(&mut tx, Scope::All, &keys, page).await.unwrap().len())
    }

    #[tokio::test]
    async fn a_corrected_study_is_the_right_patients_everywhere_until_it_is_taken_back() {
        on_both_engines(async |db| {
            let feng = seed_account(&db, "feng", Role::Manager, None).await;
            let seeded = seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, NOW).await;
            let (case, study) = (seeded.case, StudyId(seeded.study));
            put(&db, case, feng, Some(&li())).await.unwrap();
            assert_eq!(shown(&db, case, "P-9").await, ("李明".to_owned(), 1));
            let mut tx = db.read().await.unwrap();
            let correction = in_force(&mut tx, study).await.unwrap().unwrap();
            assert_eq!(
                (&*correction.sent.name, &*correction.by, &*correction.note),
                ("张测试", "feng", "登记时选错了人")
            );
            // What the device sends on is still of this study: it is compared with what it sent before.
            let uid = cases::row(&mut tx, case, Scope::All).await.unwrap().study_uid;
            assert_eq!(intake::study_by_uid(&mut tx, &uid).await.unwrap().unwrap().pid, correction.sent.pid);
            let mut keys = Keys::new(Level::Study);
            keys.within(Key::StudyUid, &uid).unwrap();
            let found = find::studies(&mut tx, Scope::All, &keys, Page { limit: 9, offset: 0 }).await.unwrap();
            assert_eq!((&*found[0].patient_name, &*found[0].sex), ("李明", "male"));
            drop(tx);

            assert!(matches!(put(&db, case, feng, Some(&li())).await, Err(Error::Refused(_))));
            put(&db, case, feng, None).await.unwrap();
            assert_eq!(shown(&db, case, "P-9").await, ("张测试".to_owned(), 0));
            let mut tx = db.read().await.unwrap();
            assert!(in_force(&mut tx, study).await.unwrap().is_none());
            let events = on!(&mut tx, c => sqlx::query_as::<_, (Option<i64>, String)>(
                "SELECT account_id, detail FROM event WHERE kind = 'study.corrected' ORDER BY id").fetch_all(c).await);
            let events = events.unwrap();
            assert_eq!(events.len(), 2);
            assert!(events.iter().all(|(by, detail)| *by == Some(feng.0) && !detail.contains("李")), "ids only");
        })
        .await;
    }

    #[tokio::test]
    async fn metadata_says_whom_to_show_instead_of_whom_was_sent() {
        on_both_engines(async |db| {
            let feng = seed_account(&db, "feng", Role::Manager, None).await;
            let seeded = seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, NOW).await;
            let instance = crate::domain::InstanceId(seeded.instance);
            let mut tx = db.write().await.unwrap();
            on!(&mut tx, c => sqlx::query("INSERT INTO instance_metadata (instance_id, json) VALUES ($1, $2)")
                .bind(instance).bind(&[3_u8, 0][..]).execute(c).await.map(drop))
            .unwrap();
            tx.commit().await.unwrap();
            let instead = async || {
                let found = dicomweb::metadata_of(&mut db.read().await.unwrap(), &[instance]).await.unwrap();
                found.into_iter().next().unwrap().instead()
            };
            assert_eq!(instead().await, None);
            put(&db, seeded.case, feng, Some(&li())).await.unwrap();
            let shown = instead().await.unwrap();
            assert_eq!((&*shown.name, &*shown.pid, &*shown.sex), ("李明", "P-9", "male"));
        })
        .await;
    }

    const NUMBER: &str = "11010519491231002X";

    /// How the other studies of a case's person are known to be theirs, and how the records beside its own are.
    async fn known(db: &Db, case: &SeededCase) -> (Vec<(i64, LinkedBy)>, Vec<LinkedBy>) {
        let (mut tx, study) = (db.read().await.unwrap(), StudyId(case.study));
        let own = people::of_study(&mut tx, Scope::All, study).await.unwrap().patient;
        let priors = people::priors(&mut tx, Scope::All, study).await.unwrap();
        let records = people::records(&mut tx, Scope::All, own).await.unwrap();
        let priors = priors.into_iter().map(|prior| (prior.study_id.0, prior.how)).collect();
        (priors, records.into_iter().map(|record| record.how).collect())
    }

    async fn numbered(db: &Db, case: &SeededCase) {
        let mut tx = db.write().await.unwrap();
        let patient = people::of_study(&mut tx, Scope::All, StudyId(case.study)).await.unwrap().patient;
        let number = NationalId::parse(NUMBER).unwrap();
        people::has_number(&mut tx, patient, case.site, &number, NOW).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// As the study was sent, with another name.
    async fn renamed(db: &Db, case: &SeededCase, name: &str) -> Demographics {
        let sent = people::of_study(&mut db.read().await.unwrap(), Scope::All, StudyId(case.study)).await.unwrap();
        Demographics { name: name.into(), pid: sent.pid, birth_date: sent.birth_date, sex: sent.sex }
    }

    #[tokio::test]
    async fn a_letter_of_a_name_put_right_keeps_what_is_known_of_the_person_and_leaves_no_ghost() {
        on_both_engines(async |db| {
            let feng = seed_account(&db, "feng", Role::Manager, None).await;
            let seed = async |code| seed_case(&db, code, CaseState::Queued, Urgency::Routine, NOW).await;
            let (one, other) = (seed("QH").await, seed("LW").await);
            numbered(&db, &one).await;
            numbered(&db, &other).await;
            let by_number = vec![(other.study, LinkedBy::NationalId)];
            assert_eq!(known(&db, &one).await, (by_number.clone(), vec![LinkedBy::NationalId]));
            put(&db, one.case, feng, Some(&renamed(&db, &one, "张测式").await)).await.unwrap();
            assert_eq!(known(&db, &one).await, (by_number.clone(), vec![LinkedBy::NationalId]), "not what was sent");
            assert_eq!(known(&db, &other).await.0, [(one.study, LinkedBy::NationalId)], "seen from the other side");
            put(&db, one.case, feng, None).await.unwrap();
            assert_eq!(known(&db, &one).await, (by_number, vec![LinkedBy::NationalId]), "nor the record it left");
        })
        .await;
    }

    #[tokio::test]
    async fn the_number_typed_as_patient_id_links_and_another_persons_name_does_not_inherit_it() {
        on_both_engines(async |db| {
            let feng = seed_account(&db, "feng", Role::Manager, None).await;
            let seed = async |code| seed_case(&db, code, CaseState::Queued, Urgency::Routine, NOW).await;
            let (one, other) = (seed("QH").await, seed("LW").await);
            numbered(&db, &other).await;
            let typed = Demographics { pid: NUMBER.into(), ..li() };
            put(&db, one.case, feng, Some(&typed)).await.unwrap();
            assert_eq!(known(&db, &one).await.0, [(other.study, LinkedBy::NationalId)]);
            // It was somebody else's study after all.
            put(&db, one.case, feng, Some(&li())).await.unwrap();
            assert_eq!(known(&db, &one).await, (vec![], vec![]));
        })
        .await;
    }

    #[tokio::test]
    async fn of_two_studies_under_one_record_the_corrected_one_still_finds_the_other() {
        on_both_engines(async |db| {
            let feng = seed_account(&db, "feng", Role::Manager, None).await;
            let seed = async || seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, NOW).await;
            let (one, other) = (seed().await, seed().await);
            let mut tx = db.write().await.unwrap();
            on!(&mut tx, c => sqlx::query(
                "UPDATE study SET patient_id = (SELECT s.patient_id FROM study s WHERE s.id = $2) WHERE id = $1")
                .bind(other.study).bind(one.study).execute(c).await.map(drop))
            .unwrap();
            tx.commit().await.unwrap();
            put(&db, one.case, feng, Some(&renamed(&db, &one, "张测式").await)).await.unwrap();
            assert_eq!(known(&db, &one).await.0, [(other.study, LinkedBy::Confirmed)]);
            // Another person's altogether: nothing of theirs comes along, and what was sent is not proposed.
            put(&db, one.case, feng, None).await.unwrap();
            put(&db, one.case, feng, Some(&Demographics { pid: "P-9".into(), ..renamed(&db, &one, "张测试").await }))
                .await
                .unwrap();
            put(&db, one.case, feng, Some(&li())).await.unwrap();
            assert_eq!(known(&db, &one).await, (vec![], vec![]));
        })
        .await;
    }

    #[tokio::test]
    async fn nothing_changes_over_an_open_report_or_beyond_the_callers_sites() {
        on_both_engines(async |db| {
            let feng = seed_account(&db, "feng", Role::Manager, None).await;
            let seeded = seed_case(&db, "QH", CaseState::Opened, Urgency::Routine, NOW).await;
            assert!(matches!(put(&db, seeded.case, feng, Some(&li())).await, Err(Error::Refused(_))));
            let other = seed_case(&db, "LW", CaseState::Queued, Urgency::Routine, NOW).await;
            let mut tx = db.write().await.unwrap();
            let wish = Wish { case: other.case, version: 1, patient: Some(&li()), by: feng, note: "x", now: NOW };
            let tried = correct(&mut tx, Scope::Site(seeded.site), wish).await;
            assert!(matches!(tried, Err(Error::NotFound)));
            let stale = correct(&mut tx, Scope::All, Wish { version: 7, ..wish }).await;
            assert!(matches!(stale, Err(Error::Stale(_))));
        })
        .await;
    }
}
