//! Cases known from the archive alone: `yunying rebuild` found their images, and nothing says whether they were read.
//!
//! Such a case is stored, which is no step on the way to a report: no list of open work shows it, no reader is given it.
//! It begins to arrive, and is complete and queued as any other, once somebody says so or something new comes for it.

use super::{Error, Event, EventKind, Result, Scope, Tx, on};
use crate::domain::{AccountId, CaseId, CaseState, Micros, SiteId, StudyId};

#[derive(sqlx::FromRow)]
struct Stored {
    id: CaseId,
    site_id: SiteId,
    study_id: StudyId,
}

/// When the last object came that the index knows of; none: it knows of none.
pub async fn newest(tx: &mut Tx) -> Result<Option<Micros>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, Option<Micros>>("SELECT MAX(last_us) FROM study").fetch_one(c).await)?)
}

/// Lets every stored case arrive whose study got something since `since`; how many did, and how many stay stored.
pub async fn let_recent_arrive(tx: &mut Tx, since: Micros, now: Micros) -> Result<(usize, usize)> {
    let recent = on!(tx, c => sqlx::query_as::<_, Stored>(
        "SELECT c.id, c.site_id, c.study_id FROM case_ c JOIN study s ON s.id = c.study_id
          WHERE c.state = 'stored' AND s.last_us >= $1 ORDER BY s.last_us, c.id").bind(since).fetch_all(c).await)?;
    for case in &recent {
        arrive(tx, case, None, now).await?;
    }
    let left = on!(tx, c => sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM case_ WHERE state = 'stored'")
        .fetch_one(c).await)?;
    Ok((recent.len(), usize::try_from(left).unwrap_or(0)))
}

/// Something new came for a case; false: it was not stored, and nothing changed.
pub async fn grew(tx: &mut Tx, case: CaseId, now: Micros) -> Result<bool> {
    match stored(tx, case, Scope::All).await? {
        Some(case) => arrive(tx, &case, None, now).await,
        None => Ok(false),
    }
}

/// `by` wants a stored case to be read.
pub async fn have_read(tx: &mut Tx, case: CaseId, scope: Scope, by: AccountId, now: Micros) -> Result<()> {
    let Some(found) = stored(tx, case, scope).await? else {
        // Within the scope it is there, and on its way already.
        super::cases::row(tx, case, scope).await?;
        return Err(Error::Stale("this case is not a stored one"));
    };
    match arrive(tx, &found, Some(by), now).await? {
        true => Ok(()),
        false => Err(Error::Stale("somebody else was first")),
    }
}

async fn stored(tx: &mut Tx, case: CaseId, scope: Scope) -> Result<Option<Stored>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Stored>(
        "SELECT id, site_id, study_id FROM case_
          WHERE id = $1 AND state = $2 AND (CAST($3 AS BIGINT) IS NULL OR site_id = $3)")
        .bind(case).bind(CaseState::Stored.word()).bind(scope.site()).fetch_optional(c).await)?)
}

async fn arrive(tx: &mut Tx, case: &Stored, by: Option<AccountId>, now: Micros) -> Result<bool> {
    let changed = on!(tx, c => sqlx::query(
        "UPDATE case_ SET state = $2, version = version + 1 WHERE id = $1 AND state = $3")
        .bind(case.id).bind(CaseState::Arriving.word()).bind(CaseState::Stored.word())
        .execute(c).await.map(|done| done.rows_affected()))?;
    if changed != 1 {
        return Ok(false);
    }
    let mut event = Event::new(EventKind::Arriving, now).site(case.site_id).study(case.study_id).case(case.id);
    event.account = by;
    tx.event(&event).await?;
    Ok(true)
}
