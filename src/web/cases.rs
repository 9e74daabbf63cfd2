//! Cases as operators, clinicians and managers see them, and as their holder works on them.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use wire::median;
use wire::{
    CaseChange, CaseCounts, CaseDetail, CaseList, CaseRow, Decision, HistoryLine, LateAnswer, LeaseToken, PassedOver,
    Person, TakeBack,
};

use super::auth::Caller;
use super::routes::{Access, CLINICAL, READERS, Route};
use super::rows::{self, case_row, positions};
use super::{Answer, App, Problem, audit, history};
use crate::clock;
use crate::domain::{AccountId, CaseId, CaseState, Micros, ReportId, ReportState, Role, Targets};
use crate::index::cases::{self, Figure, Listing, Tab};
use crate::index::{Tx, community, duty, events, reports};
use crate::reporting::state;
use crate::routing::dispatcher::{LEASE, new_lease};

const PAGE: i64 = 200;
/// Unread reports are counted so far: beyond, the number tells nobody anything.
const MOST_UNREAD: i64 = 1_000;
const SITE_STAFF: Access = Access::Roles(&[Role::Operator, Role::Clinician]);

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/cases", CLINICAL, "Cases, newest first", list),
        Route::get("/api/v1/cases/{case}", CLINICAL, "One case with its history", detail),
        Route::get("/api/v1/cases/{case}/row", CLINICAL, "One case as the list shows it", one_row),
        Route::new(
            Method::PATCH,
            "/api/v1/cases/{case}",
            Access::Roles(&[Role::Operator]),
            "Change urgency or question",
            change,
        ),
        Route::post("/api/v1/cases/{case}/open", READERS, "The holder has it on screen", open),
        Route::post("/api/v1/cases/{case}/heartbeat", READERS, "The holder still has it", heartbeat),
        Route::post("/api/v1/cases/{case}/release", READERS, "The holder gives it back", release),
        Route::post("/api/v1/cases/{case}/take", READERS, "The writer takes a returned case up again", take),
        Route::post(
            "/api/v1/cases/{case}/take-back",
            Access::Roles(&[Role::Manager]),
            "Out of somebody's hands, back into the queue",
            take_back,
        ),
        Route::post("/api/v1/cases/{case}/late", READERS, "Late images were seen; the diagnosis stands", answer_late),
        Route::post("/api/v1/cases/{case}/read", SITE_STAFF, "The township has seen the report", read),
    ]
}

#[derive(Deserialize)]
struct ListQuery {
    #[serde(default)]
    tab: String,
    #[serde(default)]
    q: String,
    before: Option<String>,
}

async fn list(State(app): State<App>, caller: Caller, Query(query): Query<ListQuery>) -> Answer<Json<CaseList>> {
    let tab = match query.tab.as_str() {
        "" | "today" => Tab::Today,
        "open" => Tab::Open,
        "waiting" => Tab::Waiting,
        "signed" => Tab::Signed,
        _ => return Err(Problem::bad_request("unknown_tab")),
    };
    let before = query.before.as_deref().map(str::parse).transpose().map_err(|_| Problem::bad_request("bad_cursor"))?;
    let search: String = query.q.trim().chars().take(64).collect();
    let day_start = app.day_start();
    let mut tx = app.db.read().await?;
    let listing =
        Listing { scope: caller.scope, tab, day_start, search: &search, before: before.map(CaseId), limit: PAGE };
    let rows = cases::list(&mut tx, &listing).await?;
    let positions = positions(&cases::queue_order(&mut tx).await?);
    let figures = cases::figures(&mut tx, caller.scope, day_start).await?;
    let full = rows.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
    Ok(Json(CaseList {
        next: rows.last().filter(|_| full).map(|row| row.id.to_string()),
        cases: rows.iter().map(|row| case_row(row, &positions)).collect(),
        counts: CaseCounts {
            on_duty: u32::try_from(duty::on_duty(&mut tx).await?.len()).ok(),
            ..counts(&figures, cases::unread(&mut tx, caller.scope, MOST_UNREAD).await?, day_start)
        },
        now_us: clock::now().0,
        seq: events::last_seq(&mut tx).await?,
    }))
}

fn counts(figures: &[Figure], unread: i64, day_start: Micros) -> CaseCounts {
    let number =
        |matches: &dyn Fn(&&Figure) -> bool| u32::try_from(figures.iter().filter(matches).count()).unwrap_or(u32::MAX);
    let signed_today = |f: &&Figure| f.signed_us.is_some_and(|at| at >= day_start);
    CaseCounts {
        today: number(&|f| f.state != CaseState::Signed || signed_today(f)),
        in_progress: number(&|f| f.state != CaseState::Signed),
        waiting_for_me: rows::count(unread),
        signed: number(&signed_today),
        median_minutes: median(figures.iter().filter(signed_today).filter_map(Figure::minutes).collect()),
        in_time: number(&|f| signed_today(f) && f.in_time()),
        on_duty: None,
    }
}

async fn detail(State(app): State<App>, caller: Caller, Path(case): Path<i64>) -> Answer<Json<CaseDetail>> {
    let mut tx = app.db.read().await?;
    let detail = describe(&app, &mut tx, &caller, CaseId(case)).await?;
    drop(tx);
    if let Some(signed) = detail.report.as_ref().filter(|report| report.state == ReportState::Signed) {
        audit::report_opened(&app, &caller, ReportId(signed.report)).await?;
    }
    Ok(Json(detail))
}

/// Brings a list up to date: nobody opens a report by that.
async fn one_row(State(app): State<App>, caller: Caller, Path(case): Path<i64>) -> Answer<Json<CaseRow>> {
    let mut tx = app.db.read().await?;
    let row = cases::row(&mut tx, CaseId(case), caller.scope).await?;
    Ok(Json(case_row(&row, &positions(&cases::queue_order(&mut tx).await?))))
}

async fn describe(app: &App, tx: &mut Tx, caller: &Caller, case: CaseId) -> Answer<CaseDetail> {
    let row = cases::row(tx, case, caller.scope).await?;
    let positions = positions(&cases::queue_order(tx).await?);
    let people = people(tx).await?;
    let history = events::of_case(tx, case).await?;
    let decisions = duty::decisions(tx, case).await?;
    // What is not signed yet is for those who write and review it.
    let report = reports::body(tx, case).await?;
    let report = report.filter(|report| report.state == ReportState::Signed || caller.role.reads());
    Ok(CaseDetail {
        row: case_row(&row, &positions),
        report,
        signatures_needed: state::signatures_needed(app.config.reporting.signatures, caller.role),
        history: history::told(history)
            .into_iter()
            .map(|event| HistoryLine {
                at_us: event.at_us.0,
                who: history::named(&event).and_then(|id| people.get(&id)).map(|p| p.name.clone()),
                kind: event.kind,
                detail: event.detail,
            })
            .collect(),
        decisions: decisions.iter().map(|decision| show_decision(decision, &people)).collect(),
    })
}

async fn people(tx: &mut Tx) -> Answer<HashMap<i64, Person>> {
    let accounts = community::accounts(tx).await?;
    Ok(accounts.into_iter().map(|a| (a.id.0, Person { id: a.id.0, name: a.name, title: a.title })).collect())
}

fn show_decision(row: &duty::DecisionRow, people: &HashMap<i64, Person>) -> Decision {
    let passed_over: Vec<crate::routing::PassedOver> = serde_json::from_str(&row.passed_over).unwrap_or_default();
    let person = |id: AccountId| people.get(&id.0).cloned();
    Decision {
        at_us: row.at_us.0,
        given_to: row.account_id.and_then(person),
        reason: row.reason.clone(),
        passed_over: passed_over
            .into_iter()
            .filter_map(|p| Some(PassedOver { who: person(p.account)?, reason: p.why.word().into() }))
            .collect(),
    }
}

async fn change(
    State(app): State<App>,
    caller: Caller,
    Path(case): Path<i64>,
    Json(change): Json<CaseChange>,
) -> Answer<Json<CaseDetail>> {
    let by = caller.account()?;
    let question = change.question.as_deref().map(str::trim);
    if question.is_some_and(|q| q.chars().count() > 2_000) {
        return Err(Problem::bad_request("too_long"));
    }
    let mut tx = app.db.write().await?;
    let before = cases::row(&mut tx, CaseId(case), caller.scope).await?;
    let due = change
        .urgency
        .and_then(|urgency| Some(before.complete_us.map(Micros)? + Targets::default().of(&before.modality, urgency)));
    let wanted = cases::Change { version: change.version, urgency: change.urgency, question, due };
    cases::change(&mut tx, CaseId(case), caller.scope, &wanted, by, clock::now()).await?;
    let answer = describe(&app, &mut tx, &caller, CaseId(case)).await?;
    tx.commit().await?;
    Ok(Json(answer))
}

async fn open(
    State(app): State<App>,
    caller: Caller,
    Path(case): Path<i64>,
    Json(token): Json<LeaseToken>,
) -> Answer<Json<CaseDetail>> {
    let account = caller.account()?;
    let mut tx = app.db.write().await?;
    cases::open(&mut tx, CaseId(case), account, &token.lease, clock::now()).await?;
    let answer = describe(&app, &mut tx, &caller, CaseId(case)).await?;
    tx.commit().await?;
    Ok(Json(answer))
}

/// When the renewed lease lapses.
async fn heartbeat(
    State(app): State<App>,
    caller: Caller,
    Path(case): Path<i64>,
    Json(token): Json<LeaseToken>,
) -> Answer<Json<Value>> {
    let account = caller.account()?;
    let mut tx = app.db.write().await?;
    let until = cases::heartbeat(&mut tx, CaseId(case), account, &token.lease, LEASE, clock::now()).await?;
    tx.commit().await?;
    Ok(Json(serde_json::json!({ "expires_us": until })))
}

async fn release(
    State(app): State<App>,
    caller: Caller,
    Path(case): Path<i64>,
    Json(token): Json<LeaseToken>,
) -> Answer<StatusCode> {
    let account = caller.account()?;
    let mut tx = app.db.write().await?;
    cases::release(&mut tx, CaseId(case), account, &token.lease, clock::now()).await?;
    // Giving a case back while staying on duty would bring the same case back at once.
    duty::set(&mut tx, account, false, account, clock::now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn take(State(app): State<App>, caller: Caller, Path(case): Path<i64>) -> Answer<StatusCode> {
    let account = caller.account()?;
    let mut tx = app.db.write().await?;
    cases::take_returned(&mut tx, CaseId(case), account, &new_lease(), LEASE, clock::now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn take_back(
    State(app): State<App>,
    caller: Caller,
    Path(case): Path<i64>,
    Json(seen): Json<TakeBack>,
) -> Answer<StatusCode> {
    let by = caller.account()?;
    let mut tx = app.db.write().await?;
    cases::take_back(&mut tx, CaseId(case), caller.scope, seen.version, by, clock::now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn read(State(app): State<App>, caller: Caller, Path(case): Path<i64>) -> Answer<StatusCode> {
    let mut tx = app.db.write().await?;
    cases::read_by_site(&mut tx, CaseId(case), caller.scope, caller.account()?, clock::now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whoever signed answers for what came after, or a reviewer in their stead.
async fn answer_late(
    State(app): State<App>,
    caller: Caller,
    Path(case): Path<i64>,
    Json(seen): Json<LateAnswer>,
) -> Answer<StatusCode> {
    let by = caller.account()?;
    let mut tx = app.db.write().await?;
    let row = cases::row(&mut tx, CaseId(case), caller.scope).await?;
    if caller.role != Role::Reviewer && row.assignee_id != Some(by) && row.reviewer_id != Some(by) {
        return Err(Problem::conflict("not_the_signer"));
    }
    cases::answer_late(&mut tx, &row, i64::from(seen.instances), by, clock::now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
