//! Applies decisions: one transaction takes the snapshot, decides, and writes what was decided.

use std::time::Duration;

use base64::Engine;
use rand::RngCore;
use tokio_util::sync::CancellationToken;

use super::{Policy, decide};
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
        let inputs = serde_json::to_string(&snapshot.of_case(decision.case)).unwrap_or_default();
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
    use crate::routing::{Outcome, PassedOver, Replay, replay};

    const START: Micros = Micros(1_000_000_000);

    async fn on_duty(db: &Db, account: AccountId, now: Micros) {
        let mut tx = db.write().await.unwrap();
        duty::set(&mut tx, account, true, account, now).await.unwrap();
        duty::seen(&mut tx, account, true, now).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn page_says(db: &Db, account: AccountId, free: bool, now: Micros) {
        write(db, async |tx| duty::seen(tx, account, free, now).await).await.unwrap();
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
            let (mut given, mut waits) = (0, 0);
            for case in cases::open_cases(&mut db.read().await.unwrap(), Scope::All, 10).await.unwrap() {
                for row in duty::decisions(&mut db.read().await.unwrap(), case.id).await.unwrap() {
                    let over: Vec<PassedOver> = serde_json::from_str(&row.passed_over).unwrap();
                    let policy = Policy::default();
                    let outcome = row.account_id.map_or(Outcome::Waits, Outcome::Given);
                    assert_eq!(replay(&row.inputs, row.at_us, &policy, outcome, &over), Replay::Same);
                    let other = Outcome::Given(AccountId(99));
                    assert_eq!(replay(&row.inputs, row.at_us, &policy, other, &over), Replay::Different);
                    assert_eq!(replay(&row.inputs, row.at_us, &policy, outcome, &[]), Replay::Different);
                    assert_eq!(replay("", row.at_us, &policy, outcome, &over), Replay::NothingSeen);
                    *(if outcome == Outcome::Waits { &mut waits } else { &mut given }) += 1;
                }
            }
            assert_eq!((given, waits), (2, 1));
        })
        .await;
    }

    #[tokio::test]
    async fn a_case_that_lapses_goes_to_whoever_else_is_free() {
        on_both_engines(async |db| {
            let first = seed_case(&db, "QH", CaseState::Queued, Urgency::Stat, START).await.case;
            let zhou = seed_account(&db, "zhou", Role::Specialist, None).await;
            let zheng = seed_account(&db, "zheng", Role::Specialist, None).await;
            on_duty(&db, zhou, START).await;
            turn(&db, &Policy::default(), START).await.unwrap();
            assert_eq!(read(&db, first).await.assignee_id, Some(zhou));

            // The other one comes, is given a case later than that, and is done with it sooner.
            let (came, late) = (START + Duration::from_secs(5), START + LEASE + Duration::from_secs(1));
            on_duty(&db, zheng, came).await;
            let second = seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, START).await.case;
            turn(&db, &Policy::default(), came).await.unwrap();
            let held = read(&db, second).await;
            assert_eq!(held.assignee_id, Some(zheng));
            let mut tx = db.write().await.unwrap();
            crate::index::on!(&mut tx, c => sqlx::query(
                "UPDATE case_ SET state = 'signed', lease = NULL, lease_until_us = NULL WHERE id = $1")
                .bind(second).execute(c).await.map(drop))
            .unwrap();
            tx.commit().await.unwrap();

            // The first one's page is alive and asks for more, yet has let the case lapse.
            page_says(&db, zhou, true, late).await;
            page_says(&db, zheng, true, late).await;
            turn(&db, &Policy::default(), late).await.unwrap();
            assert_eq!(read(&db, first).await.assignee_id, Some(zheng));
        })
        .await;
    }

    #[tokio::test]
    async fn a_page_with_something_on_it_is_given_nothing() {
        on_both_engines(async |db| {
            let case = seed_case(&db, "QH", CaseState::Queued, Urgency::Stat, START).await.case;
            let zhou = seed_account(&db, "zhou", Role::Reviewer, None).await;
            write(&db, async |tx| duty::set(tx, zhou, true, zhou, START).await).await.unwrap();
            turn(&db, &Policy::default(), START).await.unwrap();
            assert_eq!(read(&db, case).await.assignee_id, None, "on duty, and no page has said that it is free");
            page_says(&db, zhou, false, START).await;
            turn(&db, &Policy::default(), START).await.unwrap();
            let decisions = duty::decisions(&mut db.read().await.unwrap(), case).await.unwrap();
            assert!(decisions.iter().all(|decision| decision.passed_over.contains("busy")), "{decisions:?}");
            assert_eq!(decisions.len(), 1, "the same reason is said once");
            page_says(&db, zhou, true, START).await;
            turn(&db, &Policy::default(), START).await.unwrap();
            assert_eq!(read(&db, case).await.assignee_id, Some(zhou));
        })
        .await;
    }

    #[tokio::test]
    async fn the_end_of_a_shift_gives_back_what_was_not_opened_yet() {
        on_both_engines(async |db| {
            for (login, opens) in [("zhou", false), ("zheng", true)] {
                let case = seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, START).await.case;
                let account = seed_account(&db, login, Role::Specialist, None).await;
                on_duty(&db, account, START).await;
                turn(&db, &Policy::default(), START).await.unwrap();
                let lease = read(&db, case).await.lease.unwrap();
                if opens {
                    write(&db, async |tx| cases::open(tx, case, account, &lease, START).await).await.unwrap();
                }
                write(&db, async |tx| duty::set(tx, account, false, account, START).await).await.unwrap();
                let holder = read(&db, case).await.assignee_id;
                assert_eq!(holder, opens.then_some(account), "what they are reading they may finish");
                // Nobody else gets the first one.
                let mut tx = db.write().await.unwrap();
                crate::index::on!(&mut tx, c => sqlx::query("UPDATE case_ SET state = 'arriving' WHERE state = 'queued'")
                    .execute(c).await.map(drop))
                .unwrap();
                tx.commit().await.unwrap();
            }
        })
        .await;
    }

    #[tokio::test]
    async fn what_a_manager_takes_back_waits_for_somebody_else_who_is_here() {
        on_both_engines(async |db| {
            let lin = seed_account(&db, "lin", Role::Manager, None).await;
            let [zhou, zheng] = [("zhou", START), ("zheng", START + Duration::from_secs(1))];
            let mut doctors = Vec::new();
            for (login, since) in [zhou, zheng] {
                let case = seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, START).await.case;
                let account = seed_account(&db, login, Role::Specialist, None).await;
                on_duty(&db, account, since).await;
                turn(&db, &Policy::default(), since).await.unwrap();
                assert_eq!(read(&db, case).await.assignee_id, Some(account));
                doctors.push((account, case));
            }
            let [(zhou, case), (zheng, other)] = doctors[..] else { panic!("two doctors") };
            let now = START + Duration::from_secs(10);
            let version = read(&db, case).await.version;
            write(&db, async |tx| cases::take_back(tx, case, Scope::All, version, lin, now).await).await.unwrap();
            page_says(&db, zhou, true, now).await;
            turn(&db, &Policy::default(), now).await.unwrap();
            assert_eq!(read(&db, case).await.assignee_id, None, "the other one is busy, but here");

            write(&db, async |tx| duty::set(tx, zheng, false, zheng, now).await).await.unwrap();
            turn(&db, &Policy::default(), now).await.unwrap();
            assert_eq!(read(&db, case).await.assignee_id, Some(zhou), "the other one has gone home");
            assert_eq!(read(&db, other).await.assignee_id, None);
        })
        .await;
    }

    #[tokio::test]
    async fn whoever_is_put_on_duty_by_another_is_there_once_a_page_of_theirs_answers() {
        on_both_engines(async |db| {
            let lin = seed_account(&db, "lin", Role::Manager, None).await;
            let feng = seed_account(&db, "feng", Role::Specialist, None).await;
            write(&db, async |tx| duty::set(tx, feng, true, lin, START).await).await.unwrap();
            let seen = async || duty::on_duty(&mut db.read().await.unwrap()).await.unwrap()[0].seen_us;
            assert!(seen().await < START, "nobody has heard of a page");
            page_says(&db, feng, true, START).await;
            assert_eq!(seen().await, START);
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
