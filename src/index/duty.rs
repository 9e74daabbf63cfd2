//! Who is on shift, and the routing snapshot and decisions.

use std::collections::HashMap;
use std::time::Duration;

use super::cases::{self, Place};
use super::{Event, EventKind, Result, Tx, on};
use crate::domain::{AccountId, CaseId, Micros, SiteId, Urgency};
use crate::routing::{Decision, Outcome, Reader, Snapshot, Waiting};

/// PostgreSQL advisory lock: one dispatcher at a time over all nodes. ("yyroutin" in ASCII.)
const ROUTING_LOCK: i64 = 0x7979_726f_7574_696e;

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct OnDuty {
    pub account_id: AccountId,
    pub since_us: Micros,
    /// Last sign of life of their page; 0: somebody else put them on duty, and no page of theirs has answered yet.
    pub seen_us: Micros,
    /// 1: nothing is on their page, so that the next case may come.
    pub free: i64,
}

pub async fn on_duty(tx: &mut Tx) -> Result<Vec<OnDuty>> {
    Ok(
        on!(tx, c => sqlx::query_as::<_, OnDuty>("SELECT account_id, since_us, seen_us, free FROM duty ORDER BY account_id")
        .fetch_all(c).await)?,
    )
}

/// Begins or ends a shift; `by` may be a manager. Saying the same again changes nothing. A shift begins with nobody at the
/// desk until their page says so, and if somebody else begins it, without a page; at its end a case they have not opened yet goes back into the queue.
pub async fn set(tx: &mut Tx, account: AccountId, on_duty: bool, by: AccountId, now: Micros) -> Result<()> {
    let changed = if on_duty {
        on!(tx, c => sqlx::query(
            "INSERT INTO duty (account_id, since_us, seen_us) VALUES ($1, $2, $3) ON CONFLICT (account_id) DO NOTHING")
            .bind(account).bind(now).bind(if by == account { now } else { Micros(0) }).execute(c).await?.rows_affected())
    } else {
        cases::give_back_unopened(tx, account, now).await?;
        on!(tx, c => sqlx::query("DELETE FROM duty WHERE account_id = $1").bind(account).execute(c).await?.rows_affected())
    };
    if changed == 0 {
        return Ok(());
    }
    let kind = if on_duty { EventKind::DutyOn } else { EventKind::DutyOff };
    tx.event(&Event::new(kind, now).by(by).subject(account)).await
}

/// The specialist's page is alive; `free`: there is nothing on it, so the next case may come.
pub async fn seen(tx: &mut Tx, account: AccountId, free: bool, now: Micros) -> Result<()> {
    Ok(on!(tx, c => sqlx::query("UPDATE duty SET seen_us = $1, free = $2 WHERE account_id = $3")
        .bind(now).bind(i64::from(free)).bind(account).execute(c).await.map(drop))?)
}

/// The specialist's turn comes again after everybody else's who is free.
pub async fn last_in_line(tx: &mut Tx, account: AccountId, now: Micros) -> Result<()> {
    Ok(on!(tx, c => sqlx::query("UPDATE duty SET given_us = $1 WHERE account_id = $2")
        .bind(now).bind(account).execute(c).await.map(drop))?)
}

#[derive(sqlx::FromRow)]
struct WaitingRow {
    id: CaseId,
    site_id: SiteId,
    modality: String,
    #[sqlx(try_from = "String")]
    urgency: Urgency,
    queued_us: Micros,
}

#[derive(sqlx::FromRow)]
struct ReaderRow {
    id: AccountId,
    modalities: String,
    since_us: Option<Micros>,
    seen_us: Option<Micros>,
    free: Option<i64>,
    given_us: Option<Micros>,
}

/// Everything `routing::decide` may look at. The caller holds a write transaction; on PostgreSQL it also becomes the only
/// dispatcher until it ends.
pub async fn snapshot(tx: &mut Tx) -> Result<Snapshot> {
    if let Tx::Postgres { inner, .. } = tx {
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(ROUTING_LOCK).execute(&mut **inner).await?;
    }
    let waiting = on!(tx, c => sqlx::query_as::<_, WaitingRow>(
        "SELECT id, site_id, modality, urgency, queued_us FROM case_ WHERE state = 'queued' AND queued_us IS NOT NULL")
        .fetch_all(c).await)?;
    let holding: HashMap<AccountId, CaseId> = on!(tx, c => sqlx::query_as::<_, (AccountId, CaseId)>(
        "SELECT assignee_id, id FROM case_ WHERE state IN ('assigned', 'opened', 'drafted') AND assignee_id IS NOT NULL")
        .fetch_all(c).await)?
    .into_iter()
    .collect();
    let taken = taken_back(tx).await?;
    let readers = on!(tx, c => sqlx::query_as::<_, ReaderRow>(
        "SELECT a.id, a.modalities, d.since_us, d.seen_us, d.free, d.given_us
           FROM account a LEFT JOIN duty d ON d.account_id = a.id
          WHERE a.removed_us IS NULL AND a.role IN ('specialist', 'reviewer') ORDER BY a.id").fetch_all(c).await)?;
    Ok(Snapshot {
        waiting: waiting
            .into_iter()
            .map(|w| Waiting {
                case: w.id,
                site: w.site_id,
                modality: w.modality,
                urgency: w.urgency,
                queued: w.queued_us,
                taken_from: taken.get(&w.id).copied(),
            })
            .collect(),
        readers: readers
            .into_iter()
            .map(|r| Reader {
                account: r.id,
                modalities: r.modalities.split(',').map(|m| m.trim().to_owned()).collect(),
                on_duty_since: r.since_us,
                seen: r.seen_us,
                holding: holding.get(&r.id).copied(),
                occupied: r.free == Some(0),
                last_given: r.given_us,
            })
            .collect(),
    })
}

/// Of each waiting case that a manager took back: out of whose hands last, and when.
pub async fn taken_back(tx: &mut Tx) -> Result<HashMap<CaseId, (AccountId, Micros)>> {
    let taken = on!(tx, c => sqlx::query_as::<_, (CaseId, AccountId, Micros)>(
        "SELECT e.case_id, e.subject_id, e.at_us FROM case_ k JOIN event e ON e.case_id = k.id
          WHERE k.state = 'queued' AND e.kind = 'case.taken_back' AND e.account_id IS NOT NULL
            AND e.subject_id IS NOT NULL ORDER BY e.id").fetch_all(c).await)?;
    Ok(taken.into_iter().map(|(case, from, at)| (case, (from, at))).collect())
}

/// Applies one decision: the lease, the case row, the decision row and the event, or nothing if the case moved on.
pub async fn apply(
    tx: &mut Tx,
    decision: &Decision,
    inputs: &str,
    lease: &str,
    lease_time: Duration,
    now: Micros,
) -> Result<bool> {
    let passed_over = serde_json::to_string(&decision.passed_over).unwrap_or_default();
    let given_to = match decision.outcome {
        Outcome::Given(account) => Some(account),
        Outcome::Waits => {
            if same_as_last(tx, decision, &passed_over).await? {
                return Ok(false);
            }
            None
        }
    };
    let mut place = None;
    if let Some(account) = given_to {
        place = on!(tx, c => sqlx::query_as::<_, Place>(
            "UPDATE case_ SET state = 'assigned', assignee_id = $1, lease = $2, lease_until_us = $3, assigned_us = $4,
                    version = version + 1
              WHERE id = $5 AND state = 'queued' RETURNING site_id, study_id")
            .bind(account).bind(lease).bind(now + lease_time).bind(now).bind(decision.case)
            .fetch_optional(c).await)?;
        if place.is_none() {
            return Ok(false);
        }
        last_in_line(tx, account, now).await?;
    }
    on!(tx, c => sqlx::query(
        "INSERT INTO decision (case_id, at_us, account_id, reason, inputs, passed_over) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(decision.case).bind(now).bind(given_to.map(|a| a.0)).bind(decision.reason.word()).bind(inputs)
        .bind(&passed_over).execute(c).await.map(drop))?;
    if let (Some(account), Some(place)) = (given_to, place) {
        let detail = serde_json::json!({ "reason": decision.reason.word(), "passed_over": decision.passed_over.len() });
        tx.event(&place.event(EventKind::Assigned, decision.case, now).subject(account).detail(detail)).await?;
    }
    Ok(true)
}

/// A case that keeps waiting for the same reason is one decision, not one a second.
async fn same_as_last(tx: &mut Tx, decision: &Decision, passed_over: &str) -> Result<bool> {
    let last = on!(tx, c => sqlx::query_as::<_, (Option<i64>, String)>(
        "SELECT account_id, passed_over FROM decision WHERE case_id = $1 ORDER BY id DESC LIMIT 1")
        .bind(decision.case).fetch_optional(c).await)?;
    Ok(last.is_some_and(|(given, over)| given.is_none() && over == passed_over))
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DecisionRow {
    pub at_us: Micros,
    pub account_id: Option<AccountId>,
    pub reason: String,
    pub inputs: String,
    pub passed_over: String,
}

pub async fn decisions(tx: &mut Tx, case: CaseId) -> Result<Vec<DecisionRow>> {
    Ok(on!(tx, c => sqlx::query_as::<_, DecisionRow>(
        "SELECT at_us, account_id, reason, inputs, passed_over FROM decision WHERE case_id = $1 ORDER BY id")
        .bind(case).fetch_all(c).await)?)
}
