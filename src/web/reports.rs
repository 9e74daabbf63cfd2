//! Writing, reviewing, signing, and the signed page.
//!
//! A signature asks for the password again, whoever's session it is. Who may do what is `reporting::state`'s to say; here its
//! refusals become problem documents under their own codes.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use wire::{DraftSave, DraftSaved, ReturnRequest, SignRequest, Template};

use super::auth::{Caller, Origin};
use super::proof::{self, Claim};
use super::routes::{Access, CLINICAL, READERS, Route};
use super::{Answer, App, Problem, audit, rows};
use crate::archive::{Location, ObjectKey};
use crate::clock;
use crate::domain::{CaseId, ReportId, Role};
use crate::index::attempts::{Act, Attempt};
use crate::index::reports::{self, Rule, Save, Signatory, Signing};
use crate::index::{self, Tx, cases, community};
use crate::reporting::templates;
use crate::signing::{Digest, numbers};

/// How long a request for a PDF that is being made right now waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

const REVIEWERS: Access = Access::Roles(&[Role::Reviewer]);

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::PUT, "/api/v1/cases/{case}/draft", READERS, "Keep the text as typed", save_draft),
        Route::post("/api/v1/cases/{case}/submit", READERS, "Sign as writer, for review", submit),
        Route::post("/api/v1/cases/{case}/sign", READERS, "Sign; the report is final", sign),
        Route::post("/api/v1/cases/{case}/return", REVIEWERS, "Send back to the writer", send_back),
        Route::get("/api/v1/reports/{report}/pdf", CLINICAL, "The signed report, A4", pdf),
        Route::get("/api/v1/templates", READERS, "Texts to start from", offer_templates),
    ]
}

async fn save_draft(
    State(app): State<App>,
    caller: Caller,
    Path(case): Path<i64>,
    Json(draft): Json<DraftSave>,
) -> Answer<Json<DraftSaved>> {
    let by = signatory(&app, &caller).await?;
    let mut tx = app.db.write().await?;
    cases::row(&mut tx, CaseId(case), caller.scope).await?;
    let save = Save { case: CaseId(case), by: &by, draft: &draft, now: clock::now() };
    let saved = reports::save_draft(&mut tx, save).await.map_err(refused)?;
    tx.commit().await?;
    Ok(Json(saved))
}

async fn submit(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
    Path(case): Path<i64>,
    Json(request): Json<SignRequest>,
) -> Answer<StatusCode> {
    let by = with_password(&app, &caller, &origin, request.password.clone()).await?;
    let mut tx = app.db.write().await?;
    let shown = shown(&mut tx, &caller, case).await?;
    let rule = rule(&app);
    let signing = signing(&shown, &by, &request, &rule);
    reports::submit(&mut tx, signing, &Digest).await.map_err(refused)?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn sign(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
    Path(case): Path<i64>,
    Json(request): Json<SignRequest>,
) -> Answer<StatusCode> {
    let by = with_password(&app, &caller, &origin, request.password.clone()).await?;
    let mut tx = app.db.write().await?;
    let shown = shown(&mut tx, &caller, case).await?;
    let (rule, code) = (rule(&app), numbers::verification_code(&mut rand::rng()));
    let signing = signing(&shown, &by, &request, &rule);
    reports::sign(&mut tx, signing, &Digest, &code).await.map_err(refused)?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn send_back(
    State(app): State<App>,
    caller: Caller,
    Path(case): Path<i64>,
    Json(request): Json<ReturnRequest>,
) -> Answer<StatusCode> {
    let by = signatory(&app, &caller).await?;
    let mut tx = app.db.write().await?;
    cases::row(&mut tx, CaseId(case), caller.scope).await?;
    reports::send_back(&mut tx, CaseId(case), &by, &request, clock::now()).await.map_err(refused)?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct TemplateQuery {
    modality: String,
    #[serde(default)]
    body_part: String,
}

async fn offer_templates(Query(query): Query<TemplateQuery>) -> Json<Vec<Template>> {
    Json(templates::for_modality(&query.modality, &query.body_part))
}

/// The PDF as it was published when the report was signed; opening it is an event.
async fn pdf(State(app): State<App>, caller: Caller, Path(report): Path<i64>) -> Answer<Response> {
    let (number, key, sha256) = published(&app, &caller, ReportId(report)).await?;
    let bytes = fetch(&app, key).await?;
    if Sha256::digest(&bytes)[..] != sha256[..] {
        return Err(Problem::internal(format!("report {report}: the stored PDF is not the one that was published")));
    }
    audit::report_opened(&app, &caller, ReportId(report)).await?;
    let disposition = format!("inline; filename=\"{number}.pdf\"");
    let headers = [(header::CONTENT_TYPE, "application/pdf".to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, bytes).into_response())
}

/// Number, key and hash of a report's PDF. One that was signed just now is waited for.
async fn published(app: &App, caller: &Caller, report: ReportId) -> Answer<(String, ObjectKey, Vec<u8>)> {
    let mut log = app.db.watch();
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let row = reports::printed(&mut app.db.read().await?, report, caller.scope).await?;
            if let (Some(key), Some(sha256)) = (row.pdf_key, row.pdf_sha256) {
                return Ok((row.number, ObjectKey::from_row(key).map_err(Problem::internal)?, sha256));
            }
            if log.changed().await.is_err() {
                return Err(Problem::internal("the event log has closed"));
            }
        }
    });
    let late = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_printed_yet").retry_after(2);
    waited.await.unwrap_or(Err(late))
}

async fn fetch(app: &App, key: ObjectKey) -> Answer<Bytes> {
    let archive = &app.viewing.archive;
    let length = archive.length(&key).await.map_err(Problem::internal)?;
    let whole = Location { key, offset: 0, length };
    archive.read_bytes(&whole, 0..length).await.map_err(Problem::internal)
}

async fn shown(tx: &mut Tx, caller: &Caller, case: i64) -> Answer<wire::CaseRow> {
    let row = cases::row(tx, CaseId(case), caller.scope).await?;
    Ok(rows::case_row(&row, &std::collections::HashMap::new()))
}

fn signing<'a>(shown: &'a wire::CaseRow, by: &'a Signatory, request: &'a SignRequest, rule: &'a Rule) -> Signing<'a> {
    let (lease, rev, seen) = (request.lease.as_deref(), request.rev, &request.shown);
    Signing { shown, seen, by, lease, rev, rule, now: clock::now() }
}

fn rule(app: &App) -> Rule {
    let signatures = app.config.reporting.signatures;
    Rule { signatures, center: app.config.center.clone(), zone: app.zone.clone() }
}

async fn signatory(app: &App, caller: &Caller) -> Answer<Signatory> {
    let account = community::account(&mut app.db.read().await?, caller.account()?).await?;
    Ok(account.into())
}

/// The caller, after they have said their password again.
async fn with_password(app: &App, caller: &Caller, origin: &Origin, password: String) -> Answer<Signatory> {
    let account = community::account(&mut app.db.read().await?, caller.account()?).await?;
    let attempt = Attempt { act: Act::Signature, login: &account.login, address: &origin.0 };
    let stored = Some(account.password_hash.clone());
    if !proof::is_right(app, Claim { attempt, password, stored }).await? {
        return Err(Problem::new(StatusCode::FORBIDDEN, "wrong_password"));
    }
    Ok(account.into())
}

/// Refusals of the report's rules travel under their own codes.
fn refused(error: index::Error) -> Problem {
    match error {
        index::Error::Refused(code) => Problem::conflict(code),
        index::Error::Stale("rev") => Problem::conflict("stale_rev"),
        index::Error::Stale("lease") => Problem::conflict("lease_lost"),
        index::Error::Stale("case") => Problem::conflict("case_changed"),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests;
