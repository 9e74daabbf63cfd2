//! The manager's board: queue, duty, turnaround of the day.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use wire::{Barred, Board, DutyLine, Person, Place, SiteLine, Turnaround, Urgency, median, quantile};

use super::auth::Caller;
use super::routes::{Access, Route};
use super::rows::{self, case_row, positions};
use super::{Answer, App};
use crate::clock;
use crate::domain::{CaseId, CaseState, Micros, Role, Targets};
use crate::index::cases::{self, Figure, Row};
use crate::index::duty::OnDuty;
use crate::index::{Scope, Tx, community, duty, events, quarantine, reports, restored};
use crate::routing::Policy;

const OPEN_CASES: i64 = 500;
/// How soon an open page answers that its doctor was put on duty.
const ANSWER: Duration = Duration::from_secs(3);

pub fn routes() -> Vec<Route> {
    let access = Access::Roles(&[Role::Manager]);
    vec![
        Route::get("/api/v1/board", access, "Queue, duty and turnaround", board),
        Route::post("/api/v1/cases/{case}/queue", access, "A stored case is to be read", queue),
    ]
}

async fn board(State(app): State<App>, caller: Caller) -> Answer<Json<Board>> {
    let now = clock::now();
    let day_start = app.day_start();
    let mut tx = app.db.read().await?;
    let open = cases::open_cases(&mut tx, caller.scope, OPEN_CASES).await?;
    let held = cases::held(&mut tx, caller.scope).await?;
    let figures = cases::figures(&mut tx, caller.scope, day_start).await?;
    let signed: Vec<&Figure> = figures.iter().filter(|f| f.signed_us.is_some_and(|at| at >= day_start)).collect();
    let in_time = signed.iter().filter(|f| f.in_time()).count();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let places = positions(&cases::queue_order(&mut tx).await?);
    let arriving = figures.iter().filter(|f| f.state == CaseState::Arriving).count();
    let unsigned = figures.iter().filter(|f| f.state != CaseState::Signed).count();
    Ok(Json(Board {
        now_us: now.0,
        seq: events::last_seq(&mut tx).await?,
        today: number(unsigned + signed.len()),
        signed: number(signed.len()),
        waiting: number(unsigned - arriving),
        arriving: number(arriving),
        median_minutes: median(signed.iter().filter_map(|f| f.minutes()).collect()),
        in_time_percent: (!signed.is_empty()).then(|| 100.0 * in_time as f64 / signed.len() as f64),
        overdue: number(figures.iter().filter(|f| f.state.is_open() && f.due_us.is_some_and(|due| due < now)).count()),
        quarantined: rows::count(quarantine::count(&mut tx, caller.scope, false).await?),
        barred: barred(&mut tx, caller.scope, now).await?,
        duty: duty_lines(&mut tx, &held, &signed, Today { start: day_start, now }).await?,
        sites: site_lines(&mut tx, &figures, &signed).await?,
        lanes: lanes(&signed),
        open_total: number(unsigned),
        open: open.iter().map(|row| case_row(row, &places)).collect(),
    }))
}

/// Grouped by case: the writers of what waits for a review, and from whom a waiting case was taken back just now.
async fn barred(tx: &mut Tx, scope: Scope, now: Micros) -> Answer<Vec<Barred>> {
    let rest = Policy::default().rest;
    let mut barred: BTreeMap<CaseId, Vec<i64>> = BTreeMap::new();
    for (case, writer) in cases::writers_of_submitted(tx, scope).await? {
        barred.entry(case).or_default().push(writer.0);
    }
    for (case, (from, at)) in duty::taken_back(tx).await? {
        if now.since(at) <= rest {
            barred.entry(case).or_default().push(from.0);
        }
    }
    Ok(barred.into_iter().map(|(case, who)| Barred { case: case.0, who }).collect())
}

/// Lets a case arrive that a rebuild left stored; it is complete and queued a moment later.
async fn queue(State(app): State<App>, caller: Caller, Path(case): Path<i64>) -> Answer<StatusCode> {
    let by = caller.account()?;
    let mut tx = app.db.write().await?;
    restored::have_read(&mut tx, CaseId(case), caller.scope, by, clock::now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// From when to when the board counts.
#[derive(Clone, Copy)]
struct Today {
    start: Micros,
    now: Micros,
}

async fn duty_lines(tx: &mut Tx, held: &[Row], signed: &[&Figure], today: Today) -> Answer<Vec<DutyLine>> {
    let now = today.now;
    let on_duty = duty::on_duty(tx).await?;
    let signatures = reports::signatures_since(tx, today.start).await?;
    let readers = community::accounts(tx).await?.into_iter().filter(|account| account.role.reads());
    Ok(readers
        .map(|account| {
            let shift = on_duty.iter().find(|d| d.account_id == account.id);
            let since = shift.map(|d| d.since_us.0);
            let current = held.iter().find(|row| row.assignee_id == Some(account.id));
            let silent = shift.is_some_and(|shift| is_silent(shift, now));
            let own: Vec<f64> =
                signed.iter().filter(|f| f.assignee_id == Some(account.id)).filter_map(|f| f.minutes()).collect();
            DutyLine {
                who: Person { id: account.id.0, name: account.name, title: account.title },
                modalities: account.modalities.split(',').map(|m| m.trim().to_owned()).collect(),
                on_duty: since.is_some(),
                silent,
                absent: silent && shift.is_some_and(|shift| !has_answered(shift)),
                occupied: current.is_none() && shift.is_some_and(|shift| shift.free == 0 && has_answered(shift)),
                reviews: account.role == Role::Reviewer,
                since_us: since,
                current: current.map(|row| case_row(row, &Default::default())),
                signed_today: rows::count(signatures.get(&account.id).copied().unwrap_or(0)),
                median_minutes: median(own),
            }
        })
        .collect())
}

/// No page of theirs gives a sign of life; whoever was put on duty this moment has time to answer.
fn is_silent(shift: &OnDuty, now: Micros) -> bool {
    now.since(shift.seen_us) > Policy::default().silence && now.since(shift.since_us) > ANSWER
}

/// A page of theirs has said something in this shift; until then nobody knows what is on it.
fn has_answered(shift: &OnDuty) -> bool {
    shift.seen_us >= shift.since_us
}

async fn site_lines(tx: &mut Tx, figures: &[Figure], signed: &[&Figure]) -> Answer<Vec<SiteLine>> {
    let sites = community::sites(tx).await?;
    Ok(sites
        .into_iter()
        .map(|site| {
            let mut minutes: Vec<f64> =
                signed.iter().filter(|f| f.site_id == site.id).filter_map(|f| f.minutes()).collect();
            minutes.sort_by(f64::total_cmp);
            let open = figures.iter().filter(|f| f.site_id == site.id && f.state != CaseState::Signed).count();
            SiteLine {
                site: Place { id: site.id.0, name: site.name },
                today: u32::try_from(open + minutes.len()).unwrap_or(u32::MAX),
                p90_minutes: quantile(&minutes, 0.9),
                median_minutes: quantile(&minutes, 0.5),
            }
        })
        .filter(|line| line.today > 0)
        .collect())
}

fn lanes(signed: &[&Figure]) -> Vec<Turnaround> {
    let mut lanes: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for figure in signed {
        lanes.entry(&figure.modality).or_default().extend(figure.minutes());
    }
    lanes
        .into_iter()
        .map(|(modality, mut minutes)| {
            minutes.sort_by(f64::total_cmp);
            let target_minutes = Targets::default().of(modality, Urgency::Routine).as_secs_f64() / 60.0;
            Turnaround { modality: modality.to_owned(), minutes, target_minutes }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AccountId;

    #[test]
    fn whoever_was_put_on_duty_has_a_moment_to_answer_and_is_missed_at_once_after_it() {
        let start = Micros(1_000_000_000);
        let shift = |seen_us| OnDuty { account_id: AccountId(1), since_us: start, seen_us, free: 0 };
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(!is_silent(&shift(Micros(0)), after(2)), "their page may be answering");
        assert!(is_silent(&shift(Micros(0)), after(4)), "no page of theirs is open");
        assert!(!has_answered(&shift(Micros(0))) && has_answered(&shift(start)), "nothing is said of an unseen page");
        assert!(!is_silent(&shift(start), after(60)));
        assert!(is_silent(&shift(start), after(61)), "a page that answered has fallen silent since");
    }
}
