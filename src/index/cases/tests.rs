//! Leases with two writers at once: whoever comes second finds that the case has moved on, and changes nothing.

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
