//! The specialist's desk: what is in hand, what came back, what comes next.

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use wire::{CaseRow, Desk, Lease, median};

use super::auth::Caller;
use super::routes::{READERS, Route};
use super::rows::{self, case_row, positions};
use super::{Answer, App};
use crate::clock;
use crate::domain::{CaseState, Role, lane};
use crate::index::cases::{self, Figure, Row};
use crate::index::{Scope, Tx, community, duty, events, reports};
use crate::routing::dispatcher::HEARTBEAT;

/// Reviews on the desk at once; as one is done the next comes up.
const REVIEW_PAGE: i64 = 50;
/// Signed reports that images came after are on their signer's desk for so long; on the case they stay.
const OUTDATED_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
const OUTDATED_PAGE: i64 = 20;

pub fn routes() -> Vec<Route> {
    vec![Route::get("/api/v1/desk", READERS, "What the caller holds and what comes next", desk)]
}

#[derive(Deserialize)]
struct DeskQuery {
    /// Nothing is on the page: no case, no review, no text whose lease is gone. A caller who says nothing waits for a case.
    free: Option<bool>,
}

async fn desk(State(app): State<App>, caller: Caller, Query(page): Query<DeskQuery>) -> Answer<Json<Desk>> {
    let account = caller.account()?;
    let now = clock::now();
    let mut tx = app.db.read().await?;
    let on_duty = duty::on_duty(&mut tx).await?.iter().any(|d| d.account_id == account);
    let order = cases::queue_order(&mut tx).await?;
    let places = positions(&order);
    let show = |row: &Row| case_row(row, &places);
    let mine = cases::of_specialist(&mut tx, account).await?;
    let current = match mine.iter().find(|row| row.lease.is_some()) {
        Some(row) => Some(lease(&mut tx, row, show(row)).await?),
        None => None,
    };
    let (to_review, to_review_total) = match caller.role {
        Role::Reviewer => {
            (cases::to_review(&mut tx, account, REVIEW_PAGE).await?, cases::count_to_review(&mut tx, account).await?)
        }
        _ => (Vec::new(), 0),
    };
    let outdated = cases::outdated(&mut tx, account, now - OUTDATED_FOR, OUTDATED_PAGE).await?;
    let figures = cases::figures(&mut tx, Scope::All, app.day_start()).await?;
    let signed: Vec<&Figure> = figures
        .iter()
        .filter(|f| f.assignee_id == Some(account) && f.signed_us.is_some_and(|at| at >= app.day_start()))
        .collect();
    let signed_today = reports::signatures_since(&mut tx, app.day_start()).await?.get(&account).copied();
    let modalities = community::account(&mut tx, account).await?.modalities;
    let desk = Desk {
        on_duty,
        current,
        returned: mine.iter().filter(|row| row.state == CaseState::Returned).map(show).collect(),
        to_review: to_review.iter().map(show).collect(),
        to_review_total: rows::count(to_review_total),
        outdated: outdated.iter().map(show).collect(),
        next: next(&mut tx, &order, &modalities).await?.map(|row| show(&row)),
        waiting: u32::try_from(order.len()).unwrap_or(u32::MAX),
        signed_today: rows::count(signed_today.unwrap_or(0)),
        median_minutes: median(signed.iter().filter_map(|f| f.minutes()).collect()),
        now_us: now.0,
        seq: events::last_seq(&mut tx).await?,
    };
    drop(tx);
    if on_duty {
        let mut tx = app.db.write().await?;
        duty::seen(&mut tx, account, page.free.unwrap_or(true), now).await?;
        tx.commit().await?;
    }
    Ok(Json(desk))
}

async fn lease(tx: &mut Tx, row: &Row, shown: CaseRow) -> Answer<Lease> {
    let why = duty::decisions(tx, row.id).await?.into_iter().rev().find(|d| d.account_id.is_some());
    Ok(Lease {
        case: row.id.0,
        lease: row.lease.clone().unwrap_or_default(),
        expires_us: row.lease_until_us.map_or(0, |until| until.0),
        heartbeat_seconds: u32::try_from(HEARTBEAT.as_secs()).unwrap_or(20),
        row: shown,
        why: why.map(|d| d.reason).unwrap_or_default(),
    })
}

/// The first waiting case the caller may read; a look ahead, not a promise.
async fn next(tx: &mut Tx, order: &[crate::domain::CaseId], modalities: &str) -> Answer<Option<Row>> {
    for case in order.iter().take(20) {
        let row = cases::row(tx, *case, Scope::All).await?;
        if modalities.split(',').any(|m| m.trim() == "*" || lane(m.trim()) == lane(&row.modality)) {
            return Ok(Some(row));
        }
    }
    Ok(None)
}
