//! Who opened whose images and reports. A page asks for a study's images many times while somebody reads it, and so does a
//! machine that fetches it frame by frame; the log says it once.

use std::time::Duration;

use serde_json::json;

use super::archive::site_of_study;
use super::{Error, Event, EventKind, Result, Tx, on};
use crate::domain::{AccountId, CaseId, DeviceId, Micros, ReportId, SiteId, StudyId, TokenId};

/// After this long, looking at the same again is opening it again.
pub const ONE_OPENING: Duration = Duration::from_secs(10 * 60);

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opener {
    Person(AccountId),
    Machine(TokenId),
    /// By C-GET or C-MOVE; `None`: a sender that nobody registered.
    Device {
        asked: Option<DeviceId>,
        /// Who gets the images.
        to: Option<DeviceId>,
    },
}

/// At what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Study(StudyId),
    /// A signed one.
    Report(ReportId),
}

impl Opener {
    fn word(self) -> String {
        match self {
            Opener::Person(account) => format!("account:{account}"),
            Opener::Machine(token) => format!("token:{token}"),
            Opener::Device { asked, to } => {
                let [asked, to] = [asked, to].map(|device| device.map_or("?".to_owned(), |device| device.to_string()));
                format!("device:{asked}>{to}")
            }
        }
    }
}

impl Subject {
    fn word(self) -> String {
        match self {
            Subject::Study(study) => format!("study:{study}"),
            Subject::Report(report) => format!("report:{report}"),
        }
    }
}

/// Whether an opening written less than [`ONE_OPENING`] ago stands; then there is nothing to write.
pub async fn stands(tx: &mut Tx, opener: Opener, subject: Subject, now: Micros) -> Result<bool> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM opening WHERE caller = $1 AND subject = $2 AND at_us > $3")
        .bind(opener.word()).bind(subject.word()).bind(now - ONE_OPENING).fetch_one(c).await)?
        > 0)
}

/// Writes that `opener` opened `subject`, unless that opening stands; whether it was written.
pub async fn open(tx: &mut Tx, opener: Opener, subject: Subject, now: Micros) -> Result<bool> {
    let opened = on!(tx, c => sqlx::query(
        "INSERT INTO opening (caller, subject, at_us) VALUES ($1, $2, $3)
         ON CONFLICT (caller, subject) DO UPDATE SET at_us = excluded.at_us WHERE opening.at_us <= $4")
        .bind(opener.word()).bind(subject.word()).bind(now).bind(now - ONE_OPENING)
        .execute(c).await.map(|done| done.rows_affected()))?;
    if opened == 0 {
        return Ok(false);
    }
    let mut event = match subject {
        Subject::Study(study) => {
            on!(tx, c => sqlx::query("UPDATE study SET opened_us = $2 WHERE id = $1").bind(study).bind(now)
                .execute(c).await.map(drop))?;
            let mut event = Event::new(EventKind::StudyOpened, now).site(site_of_study(tx, study).await?).study(study);
            // It belongs to the case's history, if anybody reads the study.
            event.case = on!(tx, c => sqlx::query_scalar::<_, CaseId>("SELECT id FROM case_ WHERE study_id = $1")
                .bind(study).fetch_optional(c).await)?;
            event
        }
        Subject::Report(report) => {
            let (site, study, case) = place_of(tx, report).await?;
            Event::new(EventKind::ReportOpened, now).site(site).study(study).case(case).report(report)
        }
    };
    event = match opener {
        Opener::Person(account) => event.by(account),
        Opener::Machine(token) => event.detail(json!({ "token": token })),
        Opener::Device { asked, to } => event.detail(json!({ "device": asked, "to": to })),
    };
    tx.event(&event).await?;
    Ok(true)
}

/// Forgets openings that no longer stand; how many.
pub async fn purge(tx: &mut Tx, now: Micros) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query("DELETE FROM opening WHERE at_us <= $1")
        .bind(now - ONE_OPENING).execute(c).await.map(|done| done.rows_affected()))?)
}

async fn place_of(tx: &mut Tx, report: ReportId) -> Result<(SiteId, StudyId, CaseId)> {
    on!(tx, c => sqlx::query_as::<_, (SiteId, StudyId, CaseId)>(
        "SELECT c.site_id, c.study_id, c.id FROM report r JOIN case_ c ON c.id = r.case_id WHERE r.id = $1")
        .bind(report).fetch_optional(c).await)?
    .ok_or(Error::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CaseState, Role, Urgency};
    use crate::index::Db;
    use crate::index::testing::{SeededCase, on_both_engines, overtaken, seed_account, seed_case};

    const START: Micros = Micros(1_000_000_000);

    async fn seeded(db: &Db) -> SeededCase {
        seed_case(db, "QH", CaseState::Queued, Urgency::Routine, START).await
    }

    async fn study(db: &Db) -> Subject {
        Subject::Study(StudyId(seeded(db).await.study))
    }

    async fn opens(db: &Db, opener: Opener, subject: Subject, minutes: u64) -> bool {
        let mut tx = db.write().await.unwrap();
        let at = START + Duration::from_secs(60 * minutes);
        let stands = stands(&mut tx, opener, subject, at).await.unwrap();
        let written = open(&mut tx, opener, subject, at).await.unwrap();
        assert_ne!(stands, written);
        tx.commit().await.unwrap();
        written
    }

    async fn openings(db: &Db) -> Vec<(String, Option<i64>, String)> {
        let mut tx = db.read().await.unwrap();
        on!(&mut tx, c => sqlx::query_as::<_, (String, Option<i64>, String)>(
            "SELECT kind, account_id, detail FROM event WHERE kind LIKE '%.opened' ORDER BY id").fetch_all(c).await)
        .unwrap()
    }

    #[tokio::test]
    async fn looking_at_one_study_is_one_opening_for_ten_minutes_also_beside_another() {
        on_both_engines(async |db| {
            let (one, other) = (study(&db).await, study(&db).await);
            let zhou = Opener::Person(seed_account(&db, "zhou", Role::Specialist, None).await);
            let zheng = Opener::Person(seed_account(&db, "zheng", Role::Reviewer, None).await);
            assert!(opens(&db, zhou, one, 0).await);
            assert!(!opens(&db, zhou, one, 1).await);
            assert!(opens(&db, zheng, one, 1).await, "somebody else's opening is their own");
            assert!(opens(&db, zhou, other, 2).await);
            assert!(!opens(&db, zhou, one, 9).await, "the prior beside it takes nothing away");
            assert!(opens(&db, zhou, one, 10).await, "asking in between does not put it off");
            assert_eq!(openings(&db).await.len(), 4);
        })
        .await;
    }

    #[tokio::test]
    async fn machines_and_reports_are_written_as_what_they_are() {
        on_both_engines(async |db| {
            let seeded = seeded(&db).await;
            let token = Opener::Machine(TokenId(3));
            assert!(opens(&db, token, Subject::Report(ReportId(seeded.report)), 0).await);
            assert!(opens(&db, token, Subject::Study(StudyId(seeded.study)), 0).await, "a study is not its report");
            let by_token = |kind: &str| (kind.to_owned(), None, r#"{"token":3}"#.to_owned());
            let device = |to| Opener::Device { asked: Some(DeviceId(5)), to: Some(DeviceId(to)) };
            assert!(opens(&db, device(5), Subject::Study(StudyId(seeded.study)), 0).await);
            assert!(opens(&db, device(6), Subject::Study(StudyId(seeded.study)), 0).await, "others got the images");
            let by_device = |to| ("study.opened".to_owned(), None, format!(r#"{{"device":5,"to":{to}}}"#));
            let expected = [by_token("report.opened"), by_token("study.opened"), by_device(5), by_device(6)];
            assert_eq!(openings(&db).await, expected);
            let mut tx = db.read().await.unwrap();
            let of_case = on!(&mut tx, c => sqlx::query_scalar::<_, i64>(
                "SELECT COUNT(*) FROM event WHERE kind = 'study.opened' AND case_id = $1")
                .bind(seeded.case).fetch_one(c).await);
            assert_eq!(of_case.unwrap(), 3, "each is part of the case's history");
        })
        .await;
    }

    #[tokio::test]
    async fn two_panes_that_open_a_study_at_once_are_one_opening() {
        on_both_engines(async |db| {
            let study = study(&db).await;
            let zhou = Opener::Person(seed_account(&db, "zhou", Role::Specialist, None).await);
            let mut first = db.write().await.unwrap();
            assert!(open(&mut first, zhou, study, START).await.unwrap());
            let second = overtaken(&db, first, async |tx| open(tx, zhou, study, START).await).await;
            assert!(!second.unwrap());
            assert_eq!(openings(&db).await.len(), 1);
        })
        .await;
    }

    #[tokio::test]
    async fn openings_that_no_longer_stand_are_forgotten() {
        on_both_engines(async |db| {
            let study = study(&db).await;
            opens(&db, Opener::Machine(TokenId(3)), study, 0).await;
            opens(&db, Opener::Machine(TokenId(4)), study, 5).await;
            let mut tx = db.write().await.unwrap();
            assert_eq!(purge(&mut tx, START + ONE_OPENING).await.unwrap(), 1);
        })
        .await;
    }
}
