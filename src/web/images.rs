//! Images for the viewer: what a study holds, frames in their delivery form, the stored files.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wire::StudyImages;

use super::auth::Caller;
use super::routes::{CLINICAL, Route};
use super::{Answer, App, Problem, audit};
use crate::domain::{Delivery, InstanceId, StudyId};
use crate::index::cases;
use crate::ingest::bytes::BytesError;
use crate::ingest::viewing::ViewError;

/// A frame's bytes never change under its address; the browser may keep them, nobody in between may.
const KEEP: HeaderValue = HeaderValue::from_static("private, max-age=3600, immutable");

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/studies/{study}/images", CLINICAL, "A study's images in viewing order", images),
        Route::get("/api/v1/instances/{instance}/frames/{frame}", CLINICAL, "One frame as it is delivered", frame),
        Route::get("/api/v1/instances/{instance}/file", CLINICAL, "The stored DICOM file", file),
    ]
}

async fn images(State(app): State<App>, caller: Caller, Path(study): Path<i64>) -> Answer<Json<StudyImages>> {
    let mut images = app.viewing.images_of_study(caller.scope, StudyId(study)).await?;
    images.late = cases::late_images(&mut app.db.read().await?, StudyId(study)).await?;
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
