//! Images for the viewer: what a study holds, frames in their delivery form, the stored files; and the quarantine.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use wire::{Place, QuarantineList, QuarantineRow, StudyImages};

use super::auth::Caller;
use super::routes::{Access, CLINICAL, Route};
use super::{Answer, App, Problem, audit, rows};
use crate::domain::{Delivery, InstanceId, QuarantineId, Role, StudyId};
use crate::index::quarantine::{self, Quarantined};
use crate::ingest::bytes::BytesError;
use crate::ingest::viewing::ViewError;

const QUARANTINE_PAGE: i64 = 200;
/// A frame's bytes never change under its address; the browser may keep them, nobody in between may.
const KEEP: HeaderValue = HeaderValue::from_static("private, max-age=3600, immutable");

pub fn routes() -> Vec<Route> {
    let desk = Access::Roles(&[Role::Operator, Role::Manager, Role::Admin]);
    vec![
        Route::get("/api/v1/studies/{study}/images", CLINICAL, "A study's images in viewing order", images),
        Route::get("/api/v1/instances/{instance}/frames/{frame}", CLINICAL, "One frame as it is delivered", frame),
        Route::get("/api/v1/instances/{instance}/file", CLINICAL, "The stored DICOM file", file),
        Route::get("/api/v1/quarantine", desk, "What could not become an image, newest first", list_quarantine),
    ]
}

async fn images(State(app): State<App>, caller: Caller, Path(study): Path<i64>) -> Answer<Json<StudyImages>> {
    let images = app.viewing.images_of_study(caller.scope, StudyId(study)).await?;
    audit::study_opened(&app, &caller, StudyId(study)).await?;
    Ok(Json(images))
}

async fn frame(
    State(app): State<App>,
    caller: Caller,
    Path((instance, frame)): Path<(i64, u32)>,
) -> Answer<impl IntoResponse> {
    let frame = app.viewing.frame(caller.scope, InstanceId(instance), frame).await?;
    let kind = match frame.form {
        Delivery::Htj2k => "image/jphc",
        Delivery::Jpeg => "image/jpeg",
        Delivery::Deflate => "application/vnd.yunying.samples",
        Delivery::Pending | Delivery::Unavailable | Delivery::NoImage => return Err(Problem::not_found()),
    };
    audit::image_opened(&app, &caller, InstanceId(instance)).await?;
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, KEEP)];
    Ok((headers, frame.bytes))
}

async fn file(State(app): State<App>, caller: Caller, Path(instance): Path<i64>) -> Answer<Response> {
    let (stored, stream) = app.viewing.bytes.stream(caller.scope, InstanceId(instance), None).await?;
    audit::study_opened(&app, &caller, stored.study).await?;
    let name = format!("attachment; filename=\"{}.dcm\"", stored.sop_uid);
    let name = HeaderValue::try_from(name).map_err(Problem::internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/dicom")),
        (header::CONTENT_LENGTH, HeaderValue::from(stored.place.length())),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

#[derive(Deserialize)]
struct QuarantineQuery {
    before: Option<i64>,
}

async fn list_quarantine(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<QuarantineQuery>,
) -> Answer<Json<QuarantineList>> {
    let mut tx = app.db.read().await?;
    let before = query.before.map(QuarantineId);
    let found = quarantine::list(&mut tx, caller.scope, before, QUARANTINE_PAGE).await?;
    let full = i64::try_from(found.len()).is_ok_and(|found| found >= QUARANTINE_PAGE);
    Ok(Json(QuarantineList {
        next: found.last().filter(|_| full).map(|row| row.id.0),
        total: rows::count(quarantine::count(&mut tx, caller.scope).await?),
        rows: found.into_iter().map(quarantine_row).collect(),
    }))
}

fn quarantine_row(row: Quarantined) -> QuarantineRow {
    QuarantineRow {
        id: row.id.0,
        at_us: row.received_us.0,
        site: Some(Place { id: row.site_id.0, name: row.site_name }),
        calling_ae: row.calling_ae,
        reason: row.reason,
        detail: row.detail,
        sop_uid: row.sop_uid,
        bytes: u64::try_from(row.bytes).unwrap_or(0),
    }
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Index(error) => error.into(),
            ViewError::Archive(error) => archive_problem(error),
            ViewError::Preparing => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "preparing").retry_after(2),
            ViewError::Unavailable(why) => Problem::new(StatusCode::NOT_FOUND, "no_delivery_form").detail(why),
            ViewError::NoSuchFrame(_) => Problem::not_found(),
        }
    }
}

impl From<BytesError> for Problem {
    fn from(error: BytesError) -> Self {
        match error {
            BytesError::Index(error) => error.into(),
            BytesError::Archive(error) => archive_problem(error),
            BytesError::OutOfRange { .. } => Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range"),
            BytesError::OtherNode(_) => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "on_another_node").retry_after(30)
            }
            error @ BytesError::Spool(_) => Problem::internal(error),
        }
    }
}

/// A store that does not answer is not the program's fault, and a person may try again.
fn archive_problem(error: crate::archive::ArchiveError) -> Problem {
    match error {
        crate::archive::ArchiveError::Unavailable(error) => {
            tracing::warn!(%error, "the archive does not answer");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "archive_down").retry_after(10)
        }
        other => Problem::internal(other),
    }
}
