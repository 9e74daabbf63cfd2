//! Applies decisions: one transaction takes the snapshot, decides, and writes what was decided.

use std::time::Duration;

use base64::Engine;
use rand::RngCore;
use tokio_util::sync::CancellationToken;

use super::{Outcome, Policy, decide};
use crate::clock;
use crate::domain::Micros;
use crate::index::{Db, Result, cases, duty};

/// How long a lease holds without a heartbeat.
pub const LEASE: Duration = Duration::from_secs(90);
pub const HEARTBEAT: Duration = Duration::from_secs(20);
/// Leases lapse and pages fall silent without an event to say so.
const TICK: Duration = Duration::from_secs(1);

/// Runs until told to stop. Several may run: the database lets one decide at a time.
pub async fn run(db: Db, policy: Policy, stop: CancellationToken) {
    let mut events = db.watch();
    loop {
        if let Err(error) = turn(&db, &policy, clock::now()).await {
            tracing::error!(%error, "routing waits for the database");
        }
        tokio::select! {
            changed = events.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(TICK) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// One turn: lapsed leases go back into the queue, then every waiting case is decided.
pub async fn turn(db: &Db, policy: &Policy, now: Micros) -> Result<()> {
    if !cases::routing_has_work(&mut db.read().await?, now).await? {
        return Ok(());
    }
    let mut tx = db.write().await?;
    let snapshot_before = duty::snapshot(&mut tx).await?;
    let lapsed = cases::lapse(&mut tx, now).await?;
    let mut snapshot = if lapsed == 0 { snapshot_before } else { duty::snapshot(&mut tx).await? };
    let mut changed = lapsed > 0;
    for decision in decide(&snapshot, now, policy) {
        let inputs = match decision.outcome {
            Outcome::Given(_) => serde_json::to_string(&snapshot.of_case(decision.case)).unwrap_or_default(),
            Outcome::Waits => String::new(),
        };
        changed |= duty::apply(&mut tx, &decision, &inputs, &new_lease(), LEASE, now).await?;
        snapshot.note(&decision);
    }
    if changed { tx.commit().await } else { Ok(()) }
}

/// 128 random bits: a holder's fencing token.
pub fn new_lease() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountId, CaseId, CaseState, Role, Urgency};
    use crate::index::testing::{on_both_engines, seed_account, seed_case};
    use crate::index::{Scope, Tx};

    const START: Micros = Micros(1_000_000_000);

    async fn on_duty(db: &Db, account: AccountId, now: Micros) {
        let mut tx = db.write().await.unwrap();
        duty::set(&mut tx, account, true, account, now).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn read(db: &Db, case: CaseId) -> cases::Row {
        cases::row(&mut db.read().await.unwrap(), case, Scope::All).await.unwrap()
    }

    async fn write<T>(db: &Db, work: impl AsyncFnOnce(&mut Tx) -> Result<T>) -> Result<T> {
        let mut tx = db.write().await.unwrap();
        let done = work(&mut tx).await?;
        tx.commit().await.unwrap();
        Ok(done)
    }

    #[tokio::test]
    async fn a_free_specialist_gets_one_case_and_a_lapsed_lease_gives_it_back() {
        on_both_engines(async |db| {
            let routine = seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, START).await.case;
            let stat = seed_case(&db, "QH", CaseState::Queued, Urgency::Stat, START).await.case;
            let zhou = seed_account(&db, "zhou", Role::Specialist, None).await;
            turn(&db, &Policy::default(), START).await.unwrap();
            assert_eq!(read(&db, stat).await.state, CaseState::Queued, "nobody is on duty");

            on_duty(&db, zhou, START).await;
            turn(&db, &Policy::default(), START).await.unwrap();
            let held = read(&db, stat).await;
            assert_eq!((held.state, held.assignee_id), (CaseState::Assigned, Some(zhou)));
            assert_eq!(read(&db, routine).await.state, CaseState::Queued);

            let late = START + LEASE + Duration::from_secs(1);
            turn(&db, &Policy::default(), late).await.unwrap();
            let lapsed = read(&db, stat).await;
            assert_eq!((lapsed.state, lapsed.assignee_id), (CaseState::Queued, None), "the page fell silent as well");
            let stale = held.lease.unwrap();
            let refused = write(&db, async |tx| cases::open(tx, stat, zhou, &stale, late).await).await;
            assert!(matches!(refused, Err(crate::index::Error::Stale(_))));
        })
        .await;
    }

    #[tokio::test]
    async fn a_heartbeat_keeps_the_case() {
        on_both_engines(async |db| {
            let case = seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, START).await.case;
            let zhou = seed_account(&db, "zhou", Role::Specialist, None).await;
            on_duty(&db, zhou, START).await;
            turn(&db, &Policy::default(), START).await.unwrap();
            let lease = read(&db, case).await.lease.unwrap();
            let later = START + Duration::from_secs(80);
            write(&db, async |tx| cases::heartbeat(tx, case, zhou, &lease, LEASE, later).await).await.unwrap();
            turn(&db, &Policy::default(), START + Duration::from_secs(120)).await.unwrap();
            assert_eq!(read(&db, case).await.assignee_id, Some(zhou));
            let decisions = duty::decisions(&mut db.read().await.unwrap(), case).await.unwrap();
            assert_eq!(decisions.len(), 1);
        })
        .await;
    }

    #[tokio::test]
    async fn a_decision_can_be_replayed_from_what_it_saw() {
        on_both_engines(async |db| {
            for urgency in Urgency::ALL {
                seed_case(&db, "QH", CaseState::Queued, *urgency, START).await;
            }
            for login in ["zhou", "zheng"] {
                let account = seed_account(&db, login, Role::Specialist, None).await;
                on_duty(&db, account, START).await;
            }
            turn(&db, &Policy::default(), START).await.unwrap();
            let mut replayed = 0;
            for case in cases::open_cases(&mut db.read().await.unwrap(), Scope::All, 10).await.unwrap() {
                for row in duty::decisions(&mut db.read().await.unwrap(), case.id).await.unwrap() {
                    let Some(account) = row.account_id else { continue };
                    let seen = serde_json::from_str(&row.inputs).unwrap();
                    let again = decide(&seen, row.at_us, &Policy::default());
                    assert_eq!(again[0].outcome, Outcome::Given(account));
                    assert_eq!(serde_json::to_string(&again[0].passed_over).unwrap(), row.passed_over);
                    replayed += 1;
                }
            }
            assert_eq!(replayed, 2);
        })
        .await;
    }

    #[tokio::test]
    async fn two_dispatchers_never_give_a_case_twice() {
        on_both_engines(async |db| {
            for n in 0..8 {
                seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, START + Duration::from_secs(n)).await;
                let account = seed_account(&db, &format!("reader{n}"), Role::Specialist, None).await;
                on_duty(&db, account, START).await;
            }
            let policy = Policy::default();
            let (one, two) = tokio::join!(turn(&db, &policy, START), turn(&db, &policy, START));
            one.unwrap();
            two.unwrap();
            let rows = cases::open_cases(&mut db.read().await.unwrap(), Scope::All, 100).await.unwrap();
            let mut holders: Vec<_> = rows.iter().filter_map(|row| row.assignee_id).collect();
            holders.sort_unstable();
            holders.dedup();
            assert_eq!(holders.len(), 8);
        })
        .await;
    }
}
