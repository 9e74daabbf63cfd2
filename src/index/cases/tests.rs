//! Leases with two writers at once: whoever comes second finds that the case has moved on, and changes nothing.

use std::time::Duration;

use super::*;
use crate::index::Db;
use crate::index::testing::{on_both_engines, overtaken, seed_account, seed_case};

const START: Micros = Micros(1_000_000_000);
const LEASE_TIME: Duration = Duration::from_secs(90);
const LATE: Micros = Micros(START.0 + 91_000_000);

/// A case given to a specialist under the lease `lease-1` at [`START`].
async fn leased(db: &Db) -> (CaseId, AccountId) {
    let case = seed_case(db, "QH", CaseState::Assigned, Urgency::Routine, START).await.case;
    let account = seed_account(db, "zhou", crate::domain::Role::Specialist, None).await;
    let mut tx = db.write().await.unwrap();
    on!(&mut tx, c => sqlx::query(
        "UPDATE case_ SET assignee_id = $1, lease = 'lease-1', lease_until_us = $2, assigned_us = $3 WHERE id = $4")
        .bind(account).bind(START + LEASE_TIME).bind(START).bind(case).execute(c).await.map(drop))
    .unwrap();
    tx.commit().await.unwrap();
    (case, account)
}

async fn read(db: &Db, case: CaseId) -> Row {
    row(&mut db.read().await.unwrap(), case, Scope::All).await.unwrap()
}

#[tokio::test]
async fn a_heartbeat_that_comes_just_before_the_lapse_keeps_the_case() {
    on_both_engines(async |db| {
        let (case, account) = leased(&db).await;
        let mut heartbeats = db.write().await.unwrap();
        heartbeat(&mut heartbeats, case, account, "lease-1", LEASE_TIME, LATE).await.unwrap();
        let lapsed = overtaken(&db, heartbeats, async |tx| lapse(tx, LATE).await).await.unwrap();
        assert_eq!(lapsed, 0);
        assert_eq!(read(&db, case).await.assignee_id, Some(account));
    })
    .await;
}

#[tokio::test]
async fn a_case_that_lapses_under_its_holder_s_hands_stays_in_the_queue() {
    on_both_engines(async |db| {
        let (case, account) = leased(&db).await;
        for attempt in ["heartbeat", "open", "release"] {
            let mut lapses = db.write().await.unwrap();
            assert_eq!(lapse(&mut lapses, LATE).await.unwrap(), 1, "{attempt}");
            let late = overtaken(&db, lapses, async |tx| match attempt {
                "heartbeat" => heartbeat(tx, case, account, "lease-1", LEASE_TIME, LATE).await.map(drop),
                "open" => open(tx, case, account, "lease-1", LATE).await,
                _ => release(tx, case, account, "lease-1", LATE).await,
            });
            assert!(matches!(late.await, Err(Error::Stale(_))), "{attempt}");
            let after = read(&db, case).await;
            assert_eq!((after.state, after.assignee_id), (CaseState::Queued, None), "{attempt}");
            let mut tx = db.write().await.unwrap();
            on!(&mut tx, c => sqlx::query(
                "UPDATE case_ SET state = 'assigned', assignee_id = $1, lease = 'lease-1', lease_until_us = $2
                  WHERE id = $3").bind(account).bind(START + LEASE_TIME).bind(case).execute(c).await.map(drop))
            .unwrap();
            tx.commit().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_signed_before_today_is_counted_while_it_is_unread_and_else_not_looked_at() {
    on_both_engines(async |db| {
        let today = START + Duration::from_secs(24 * 3600);
        for (code, state, signed, read) in [
            ("QH", CaseState::Signed, Some(START), None),
            ("QH", CaseState::Signed, Some(START), Some(today)),
            ("LW", CaseState::Signed, Some(START), None),
            ("QH", CaseState::Signed, Some(today), None),
            ("QH", CaseState::Queued, None, None),
        ] {
            let case = seed_case(&db, code, state, Urgency::Routine, START).await.case;
            let mut tx = db.write().await.unwrap();
            on!(&mut tx, c => sqlx::query("UPDATE case_ SET signed_us = $1, read_us = $2 WHERE id = $3")
                .bind(signed.map(|at| at.0)).bind(read.map(|at| at.0)).bind(case).execute(c).await.map(drop))
            .unwrap();
            tx.commit().await.unwrap();
        }
        let mut tx = db.read().await.unwrap();
        let qh = Scope::Site(crate::index::community::site_by_code(&mut tx, "QH").await.unwrap().id);
        let looked_at: Vec<_> = figures(&mut tx, Scope::All, today).await.unwrap().iter().map(|f| f.state).collect();
        assert_eq!(looked_at, [CaseState::Queued, CaseState::Signed]);
        assert_eq!(figures(&mut tx, qh, START).await.unwrap().len(), 4);
        assert_eq!(unread(&mut tx, Scope::All, 10).await.unwrap(), 3);
        assert_eq!(unread(&mut tx, qh, 10).await.unwrap(), 2);
        assert_eq!(unread(&mut tx, Scope::All, 2).await.unwrap(), 2, "counted no further");
    })
    .await;
}

#[tokio::test]
async fn of_two_operators_at_once_the_second_is_told_and_a_report_is_read_once() {
    on_both_engines(async |db| {
        let case = seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, START).await.case;
        let operator = seed_account(&db, "wu", crate::domain::Role::Manager, None).await;
        let wanted =
            |urgency| Change { version: 1, urgency: Some(urgency), question: None, due: Some(START + LEASE_TIME) };
        let mut first = db.write().await.unwrap();
        change(&mut first, case, Scope::All, &wanted(Urgency::Stat), operator, START).await.unwrap();
        let second = overtaken(&db, first, async |tx| {
            change(tx, case, Scope::All, &wanted(Urgency::Urgent), operator, START).await
        });
        assert!(matches!(second.await, Err(Error::Stale(_))));
        assert_eq!(read(&db, case).await.urgency, Urgency::Stat);

        let mut tx = db.write().await.unwrap();
        on!(&mut tx, c => sqlx::query("UPDATE case_ SET state = 'signed'").execute(c).await.map(drop)).unwrap();
        tx.commit().await.unwrap();
        let mut first = db.write().await.unwrap();
        read_by_site(&mut first, case, Scope::All, operator, START).await.unwrap();
        overtaken(&db, first, async |tx| read_by_site(tx, case, Scope::All, operator, LATE).await).await.unwrap();
        let mut tx = db.read().await.unwrap();
        let reads = on!(&mut tx, c => sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM event WHERE kind = 'case.read'")
            .fetch_one(c).await);
        assert_eq!((reads.unwrap(), read(&db, case).await.read_us), (1, Some(START.0)));
    })
    .await;
}
