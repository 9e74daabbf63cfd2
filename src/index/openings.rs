//! Who opened whose images. A page asks for a study's images many times while somebody reads it; the log says it once.

use std::time::Duration;

use super::archive::site_of_study;
use super::{Event, EventKind, Result, Tx, on};
use crate::domain::{AccountId, Micros, StudyId};

/// After this long, looking at the same study again is opening it again.
pub const ONE_OPENING: Duration = Duration::from_secs(10 * 60);

/// Writes that `account` opened `study`, unless that is what they opened last, less than [`ONE_OPENING`] ago; whether
/// it was written.
pub async fn open(tx: &mut Tx, study: StudyId, account: AccountId, now: Micros) -> Result<bool> {
    let opened = on!(tx, c => sqlx::query(
        "INSERT INTO opening (account_id, study_id, at_us) VALUES ($1, $2, $3)
         ON CONFLICT (account_id) DO UPDATE SET study_id = excluded.study_id, at_us = excluded.at_us
          WHERE opening.study_id <> excluded.study_id OR opening.at_us <= $4")
        .bind(account).bind(study).bind(now).bind(now - ONE_OPENING).execute(c).await.map(|done| done.rows_affected()))?;
    if opened == 0 {
        return Ok(false);
    }
    let site = site_of_study(tx, study).await?;
    tx.event(&Event::new(EventKind::StudyOpened, now).site(site).study(study).by(account)).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CaseState, Role, Urgency};
    use crate::index::Db;
    use crate::index::testing::{on_both_engines, overtaken, seed_account, seed_case};

    const START: Micros = Micros(1_000_000_000);

    async fn study(db: &Db) -> StudyId {
        StudyId(seed_case(db, "QH", CaseState::Queued, Urgency::Routine, START).await.study)
    }

    async fn opens(db: &Db, study: StudyId, account: AccountId, minutes: u64) -> bool {
        let mut tx = db.write().await.unwrap();
        let at = START + Duration::from_secs(60 * minutes);
        let written = open(&mut tx, study, account, at).await.unwrap();
        tx.commit().await.unwrap();
        written
    }

    async fn openings(db: &Db) -> i64 {
        let mut tx = db.read().await.unwrap();
        on!(&mut tx, c => sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM event WHERE kind = 'study.opened'")
            .fetch_one(c).await)
        .unwrap()
    }

    #[tokio::test]
    async fn looking_at_one_study_is_one_opening_until_another_is_opened_or_ten_minutes_passed() {
        on_both_engines(async |db| {
            let (one, other) = (study(&db).await, study(&db).await);
            let zhou = seed_account(&db, "zhou", Role::Specialist, None).await;
            let zheng = seed_account(&db, "zheng", Role::Reviewer, None).await;
            assert!(opens(&db, one, zhou, 0).await);
            assert!(!opens(&db, one, zhou, 1).await);
            assert!(opens(&db, one, zheng, 1).await, "somebody else's opening is their own");
            assert!(!opens(&db, one, zhou, 9).await);
            assert!(opens(&db, one, zhou, 10).await, "asking in between does not put it off");
            assert!(opens(&db, other, zhou, 11).await);
            assert!(opens(&db, one, zhou, 12).await, "something else was opened in between");
            assert_eq!(openings(&db).await, 5);
        })
        .await;
    }

    #[tokio::test]
    async fn two_panes_that_open_a_study_at_once_are_one_opening() {
        on_both_engines(async |db| {
            let study = study(&db).await;
            let zhou = seed_account(&db, "zhou", Role::Specialist, None).await;
            let mut first = db.write().await.unwrap();
            assert!(open(&mut first, study, zhou, START).await.unwrap());
            let second = overtaken(&db, first, async |tx| open(tx, study, zhou, START).await).await;
            assert!(!second.unwrap());
            assert_eq!(openings(&db).await, 1);
        })
        .await;
    }
}
