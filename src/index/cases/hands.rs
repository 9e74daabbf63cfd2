//! Whose hands a case is in: leases, and every way back into the queue.
//!
//! Whoever changes a leased case names the lease in the change itself, so that of two who come at once the second finds that
//! the case has moved on.

use std::time::Duration;

use super::{CHANGED, Place, Row, row};
use crate::domain::{AccountId, CaseId, CaseState, Micros};
use crate::index::{Error, EventKind, Result, Scope, Tx, duty, on, reports};

/// Puts cases whose lease has run out back into the queue, keeping their place in it; how many.
pub async fn lapse(tx: &mut Tx, now: Micros) -> Result<usize> {
    let silent = on!(tx, c => sqlx::query_as::<_, (CaseId, AccountId, String)>(
        "SELECT id, assignee_id, lease FROM case_
          WHERE state IN ('assigned', 'opened', 'drafted') AND lease IS NOT NULL AND assignee_id IS NOT NULL
            AND lease_until_us < $1")
        .bind(now).fetch_all(c).await)?;
    let mut lapsed = 0;
    for (case, account, lease) in &silent {
        let back = Requeue { case: *case, account: *account, lease, until: now, kind: EventKind::Lapsed };
        lapsed += usize::from(requeue(tx, back, now).await?);
    }
    Ok(lapsed)
}

/// A case on its way back into the queue.
struct Requeue<'a> {
    case: CaseId,
    account: AccountId,
    lease: &'a str,
    /// Only if the lease ends before this.
    until: Micros,
    kind: EventKind,
}

/// False: its holder signed, gave it back or renewed the lease since the caller looked, and nothing was changed.
async fn requeue(tx: &mut Tx, back: Requeue<'_>, now: Micros) -> Result<bool> {
    let place = on!(tx, c => sqlx::query_as::<_, Place>(
        "UPDATE case_ SET state = 'queued', assignee_id = NULL, lease = NULL, lease_until_us = NULL,
                assigned_us = NULL, opened_us = NULL, version = version + 1
          WHERE id = $1 AND assignee_id = $2 AND lease = $3 AND lease_until_us < $4 RETURNING site_id, study_id")
        .bind(back.case).bind(back.account).bind(back.lease).bind(back.until).fetch_optional(c).await)?;
    let Some(place) = place else { return Ok(false) };
    // Else the case would come back to the page it came from, again and again, while others are free.
    duty::last_in_line(tx, back.account, now).await?;
    tx.event(&place.event(back.kind, back.case, now).subject(back.account)).await?;
    Ok(true)
}

/// Gives a case back by its holder's own wish.
pub async fn release(tx: &mut Tx, case: CaseId, account: AccountId, lease: &str, now: Micros) -> Result<()> {
    let back = Requeue { case, account, lease, until: Micros(i64::MAX), kind: EventKind::Released };
    if requeue(tx, back, now).await? { Ok(()) } else { Err(Error::Stale(NOT_HELD)) }
}

/// What was given to `account` and is not on their page yet goes to somebody else.
pub async fn give_back_unopened(tx: &mut Tx, account: AccountId, now: Micros) -> Result<()> {
    let given = on!(tx, c => sqlx::query_as::<_, (CaseId, String)>(
        "SELECT id, lease FROM case_ WHERE assignee_id = $1 AND state = 'assigned' AND lease IS NOT NULL")
        .bind(account).fetch_all(c).await)?;
    for (case, lease) in &given {
        let back = Requeue { case: *case, account, lease, until: Micros(i64::MAX), kind: EventKind::Released };
        requeue(tx, back, now).await?;
    }
    Ok(())
}

/// Everything in the hands of somebody who leaves goes back into the queue, with the text it has: what they hold, and what a
/// reviewer sent back to them.
pub async fn take_all_back(tx: &mut Tx, account: AccountId, now: Micros) -> Result<()> {
    let in_hand = on!(tx, c => sqlx::query_scalar::<_, CaseId>(
        "SELECT id FROM case_ WHERE assignee_id = $1 AND state IN ('assigned', 'opened', 'drafted', 'returned')")
        .bind(account).fetch_all(c).await)?;
    for case in in_hand {
        let row = row(tx, case, Scope::All).await?;
        put_back(tx, &row, None, now).await?;
    }
    Ok(())
}

/// A manager takes a case out of its holder's, its writer's or its reviewer's hands. Its text stays; a signature under it is
/// void, since whoever gets it next signs for it.
pub async fn take_back(
    tx: &mut Tx,
    case: CaseId,
    scope: Scope,
    version: i64,
    by: AccountId,
    now: Micros,
) -> Result<()> {
    let before = row(tx, case, scope).await?;
    if before.version != version {
        return Err(Error::Stale(CHANGED));
    }
    if !before.state.in_hand() {
        return Err(Error::Refused("nobody has the case in hand"));
    }
    put_back(tx, &before, Some(by), now).await
}

async fn put_back(tx: &mut Tx, before: &Row, by: Option<AccountId>, now: Micros) -> Result<()> {
    let place = on!(tx, c => sqlx::query_as::<_, Place>(
        "UPDATE case_ SET state = 'queued', assignee_id = NULL, lease = NULL, lease_until_us = NULL, assigned_us = NULL,
                opened_us = NULL, submitted_us = NULL, version = version + 1
          WHERE id = $1 AND version = $2 RETURNING site_id, study_id")
        .bind(before.id).bind(before.version).fetch_optional(c).await)?
    .ok_or(Error::Stale(CHANGED))?;
    if before.state == CaseState::Submitted {
        reports::withdraw(tx, before.id).await?;
    }
    if let Some(holder) = before.assignee_id {
        duty::last_in_line(tx, holder, now).await?;
    }
    let mut event = place.event(EventKind::TakenBack, before.id, now);
    (event.account, event.subject) = (by, before.assignee_id);
    tx.event(&event).await
}

const NOT_HELD: &str = "the case is no longer held under this lease";

/// The state of a case if `lease` is its holder's; [`Error::Stale`] otherwise.
pub async fn held(tx: &mut Tx, case: CaseId, account: AccountId, lease: &str) -> Result<CaseState> {
    let state = on!(tx, c => sqlx::query_scalar::<_, String>(
        "SELECT state FROM case_ WHERE id = $1 AND assignee_id = $2 AND lease = $3")
        .bind(case).bind(account).bind(lease).fetch_optional(c).await)?
    .ok_or(Error::Stale(NOT_HELD))?;
    CaseState::try_from(state).map_err(|e| Error::Corrupt(e.to_string()))
}

/// Renews a lease; when it lapses next.
pub async fn heartbeat(
    tx: &mut Tx,
    case: CaseId,
    account: AccountId,
    lease: &str,
    lease_time: Duration,
    now: Micros,
) -> Result<Micros> {
    let until = now + lease_time;
    let renewed = on!(tx, c => sqlx::query(
        "UPDATE case_ SET lease_until_us = $1 WHERE id = $2 AND assignee_id = $3 AND lease = $4")
        .bind(until).bind(case).bind(account).bind(lease).execute(c).await.map(|done| done.rows_affected()))?;
    if renewed == 1 { Ok(until) } else { Err(Error::Stale(NOT_HELD)) }
}

/// The holder has the case on screen.
pub async fn open(tx: &mut Tx, case: CaseId, account: AccountId, lease: &str, now: Micros) -> Result<()> {
    let state = held(tx, case, account, lease).await?;
    if state != CaseState::Assigned {
        return Ok(());
    }
    // A case that lapsed with text in it comes back as what it is: drafted.
    let place = on!(tx, c => sqlx::query_as::<_, Place>(
        "UPDATE case_ SET state = CASE WHEN EXISTS (SELECT 1 FROM report r WHERE r.case_id = case_.id) THEN 'drafted'
                                       ELSE 'opened' END,
                opened_us = $1, version = version + 1
          WHERE id = $2 AND assignee_id = $3 AND lease = $4 RETURNING site_id, study_id")
        .bind(now).bind(case).bind(account).bind(lease).fetch_optional(c).await)?
    .ok_or(Error::Stale(NOT_HELD))?;
    tx.event(&place.event(EventKind::CaseOpened, case, now).by(account)).await
}

/// A returned case goes back into its writer's hands under a new lease, if they hold nothing else.
pub async fn take_returned(
    tx: &mut Tx,
    case: CaseId,
    account: AccountId,
    lease: &str,
    lease_time: Duration,
    now: Micros,
) -> Result<()> {
    let holds = on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM case_ WHERE assignee_id = $1 AND state IN ('assigned', 'opened', 'drafted')").bind(account).fetch_one(c).await)?;
    if holds > 0 {
        return Err(Error::Refused("another case is open"));
    }
    let place = on!(tx, c => sqlx::query_as::<_, Place>(
        "UPDATE case_ SET state = 'drafted', lease = $1, lease_until_us = $2, version = version + 1
          WHERE id = $3 AND assignee_id = $4 AND state = 'returned' RETURNING site_id, study_id")
        .bind(lease).bind(now + lease_time).bind(case).bind(account).fetch_optional(c).await)?
    .ok_or(Error::Refused("no case that came back to the caller"))?;
    tx.event(&place.event(EventKind::CaseOpened, case, now).by(account)).await
}
