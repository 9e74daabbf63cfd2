//! The quarantine: what could not become an image, and what a manager or an administrator decides about it.

use std::collections::{HashMap, HashSet};

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use wire::{
    Demographics, Place, QuarantineAct, QuarantineDecided, QuarantineDecision, QuarantineList, QuarantineLook,
    QuarantineRow, QuarantineSent, QuarantineStudy, Refusals, Refused, Rival, Settled,
};

use super::auth::{Caller, Who};
use super::routes::{Access, CLINICAL, Route};
use super::{Answer, App, Problem, rows};
use crate::clock;
use crate::domain::{CaseId, QuarantineId, Role, Sex, StudyId};
use crate::index::quarantine::{self, Beside, Kept, OtherCopy, Quarantined, Settling};
use crate::index::{Event, EventKind, archive, cases};
use crate::ingest::release::{Release, ReleaseError, acts};

const PAGE: i64 = 200;
/// Characters of a reason.
const LONGEST_NOTE: usize = 500;

pub fn routes() -> Vec<Route> {
    const DESK: Access = Access::Roles(&[Role::Operator, Role::Manager, Role::Admin]);
    const DECIDES: Access = Access::Roles(&[Role::Manager, Role::Admin]);
    const COMPARES: Access = Access::Roles(&[Role::Manager]);
    vec![
        Route::get("/api/v1/quarantine", DESK, "What could not become an image, newest first", list),
        Route::get("/api/v1/quarantine/{quarantine}", COMPARES, "Whom an object in quarantine says it is of", look),
        Route::post("/api/v1/quarantine/{quarantine}", DECIDES, "What becomes of an object in quarantine", decide),
        Route::get(
            "/api/v1/cases/{case}/refused",
            CLINICAL,
            "What of a case's study was not accepted, and why",
            refused,
        ),
        Route::get("/api/v1/quarantine/{quarantine}/file", DECIDES, "An object in quarantine as it was stored", file),
    ]
}

#[derive(Deserialize)]
struct ListQuery {
    before: Option<i64>,
    /// What was decided, instead of what waits.
    #[serde(default)]
    settled: bool,
}

async fn list(State(app): State<App>, caller: Caller, Query(query): Query<ListQuery>) -> Answer<Json<QuarantineList>> {
    let mut tx = app.db.read().await?;
    let before = query.before.map(QuarantineId);
    let found = quarantine::list(&mut tx, caller.scope, query.settled, before, PAGE).await?;
    let full = i64::try_from(found.len()).is_ok_and(|found| found >= PAGE);
    let doubled = found.iter().filter(|row| is_copy(row)).map(|row| row.sop_uid.clone());
    let others = quarantine::other_copies(&mut tx, caller.scope, &doubled.collect::<Vec<_>>()).await?;
    let others: HashMap<_, _> = others.into_iter().map(|copy| (copy.sop_uid.clone(), copy)).collect();
    let decides = matches!(caller.role, Role::Manager | Role::Admin);
    let mut studies = HashMap::new();
    for study in found.iter().filter_map(|row| row.study_id).filter(|_| sees_patients(&caller)).collect::<HashSet<_>>()
    {
        studies.extend(quarantine::beside(&mut tx, caller.scope, study).await?.map(|found| (study, beside(found))));
    }
    Ok(Json(QuarantineList {
        next: found.last().filter(|_| full).map(|row| row.id.0),
        total: rows::count(quarantine::count(&mut tx, caller.scope, query.settled).await?),
        rows: found.into_iter().map(|row| shown(row, &others, &studies, decides)).collect(),
    }))
}

/// Administrators of the machine decide by what the bytes are; whose they are is not for them.
fn sees_patients(caller: &Caller) -> bool {
    caller.role != Role::Admin
}

fn beside(found: Beside) -> QuarantineStudy {
    QuarantineStudy {
        case: found.case_id.map(|case| case.0),
        patient: Demographics {
            name: found.name,
            pid: found.pid,
            birth_date: rows::dashed(&found.birth_date),
            sex: found.sex,
        },
        exam: found.description,
        modality: found.modality,
        accession: found.accession,
        exam_us: found.exam_us.0,
        signed: found.signed == 1,
    }
}

fn is_copy(row: &Quarantined) -> bool {
    row.instance_id.is_none() && matches!(&*row.reason, "duplicate" | "superseded")
}

fn shown(
    row: Quarantined,
    others: &HashMap<String, OtherCopy>,
    studies: &HashMap<StudyId, QuarantineStudy>,
    decides: bool,
) -> QuarantineRow {
    let rival = others.get(&row.sop_uid).filter(|other| is_copy(&row) && other.site_id == row.site_id);
    QuarantineRow {
        id: row.id.0,
        at_us: row.received_us.0,
        acts: match decides {
            true => acts(&row.reason, row.settled_us.is_some(), row.instance_id.is_some()),
            false => Vec::new(),
        },
        rival: rival.map(|other| Rival {
            at_us: other.received_us.0,
            calling_ae: other.calling_ae.clone(),
            bytes: u64::try_from(other.bytes).unwrap_or(0),
            series: other.series.clone(),
        }),
        settled: row.settled_us.map(|at| Settled {
            at_us: at.0,
            act: row.act.as_deref().filter(|_| row.reason != "superseded").and_then(QuarantineAct::from_word),
            by: row.act_by.unwrap_or_default(),
            note: row.act_note.unwrap_or_default(),
        }),
        study: row.study_id.and_then(|study| studies.get(&study)).cloned(),
        site: Some(Place { id: row.site_id.0, name: row.site_name }),
        calling_ae: row.calling_ae,
        reason: row.reason,
        detail: row.detail,
        sop_uid: row.sop_uid,
        bytes: u64::try_from(row.bytes).unwrap_or(0),
    }
}

async fn decide(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<i64>,
    Json(decision): Json<QuarantineDecision>,
) -> Answer<Json<QuarantineDecided>> {
    let by = caller.account()?;
    let note = decision.note.trim();
    if note.is_empty() || note.chars().count() > LONGEST_NOTE {
        return Err(Problem::bad_request(if note.is_empty() { "note_missing" } else { "too_long" }));
    }
    let settling = Settling { act: decision.act, by, note, now: clock::now() };
    let became = release(&app).decide(caller.scope, QuarantineId(id), settling).await?;
    let mut tx = app.db.read().await?;
    let study = match became.filter(|_| sees_patients(&caller)) {
        Some(instance) => {
            let study = archive::study_of_instance(&mut tx, instance).await?;
            quarantine::beside(&mut tx, caller.scope, study).await?
        }
        None => None,
    };
    Ok(Json(QuarantineDecided { study: study.map(beside) }))
}

fn release(app: &App) -> Release<'_> {
    let viewing = &app.viewing;
    let zone = app.zone.to_offset(jiff::Timestamp::now()).seconds() / 60;
    Release { db: &viewing.db, bytes: &viewing.bytes, archive: &viewing.archive, zone_minutes: zone }
}

/// Whom it says it is of, beside whose study has its place: read from its bytes, and written down as they are taken out.
async fn look(State(app): State<App>, caller: Caller, Path(id): Path<i64>) -> Answer<Json<QuarantineLook>> {
    let mut tx = app.db.read().await?;
    let kept = quarantine::one(&mut tx, caller.scope, QuarantineId(id)).await?;
    let study = match kept.study_id {
        Some(study) => quarantine::beside(&mut tx, caller.scope, study).await?,
        None => None,
    };
    drop(tx);
    let said = release(&app).look(&kept).await?;
    opened(&app, &caller, &kept).await?;
    Ok(Json(QuarantineLook {
        sop_uid: kept.sop_uid,
        sent: said.map(|said| QuarantineSent {
            patient: Demographics {
                name: said.patient.name,
                pid: said.patient.pid,
                birth_date: rows::dashed(&said.patient.birth_date),
                sex: Sex::from_word(&said.patient.sex).unwrap_or(Sex::Unknown),
            },
            exam: said.exam,
            modality: said.modality,
            accession: said.accession,
            series_name: said.series_name,
            series: said.series,
            number: said.number,
        }),
        study: study.map(beside),
    }))
}

async fn opened(app: &App, caller: &Caller, kept: &Kept) -> Answer<()> {
    let mut event = Event::new(EventKind::QuarantineOpened, clock::now()).site(kept.site_id);
    event.study = kept.study_id;
    event = match &caller.who {
        Who::Person { account, .. } => event.by(*account).detail(json!({ "quarantine": kept.id })),
        Who::Machine(token) => event.detail(json!({ "quarantine": kept.id, "token": token })),
    };
    let mut tx = app.db.write().await?;
    tx.event(&event).await?;
    Ok(tx.commit().await?)
}

async fn refused(State(app): State<App>, caller: Caller, Path(case): Path<i64>) -> Answer<Json<Refusals>> {
    let mut tx = app.db.read().await?;
    let row = cases::row(&mut tx, CaseId(case), caller.scope).await?;
    let reasons = quarantine::reasons_of_case(&mut tx, row.id).await?.into_iter();
    let reasons = reasons.map(|(reason, count)| Refused { reason, count: rows::count(count) }).collect();
    Ok(Json(Refusals { study_uid: row.study_uid, reasons }))
}

/// The stored bytes, for whoever finds out what is wrong with them: written down before anything is sent.
async fn file(State(app): State<App>, caller: Caller, Path(id): Path<i64>) -> Answer<Response> {
    let mut tx = app.db.read().await?;
    let kept = quarantine::one(&mut tx, caller.scope, QuarantineId(id)).await?;
    drop(tx);
    if kept.instance_id.is_some() {
        // Its bytes are an image's, which has its own address.
        return Err(Problem::conflict("released"));
    }
    let place = kept.place()?;
    let stream = app.viewing.bytes.open(&place, None).await?;
    opened(&app, &caller, &kept).await?;
    let name =
        HeaderValue::try_from(format!("attachment; filename=\"quarantine-{id}.dcm\"")).map_err(Problem::internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/dicom")),
        (header::CONTENT_LENGTH, HeaderValue::from(place.length())),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

impl From<ReleaseError> for Problem {
    fn from(error: ReleaseError) -> Self {
        match error {
            ReleaseError::Index(error) => error.into(),
            ReleaseError::Bytes(error) => error.into(),
            ReleaseError::StillRefused(reason) => Problem::conflict("still_refused").detail(&*reason.code),
            error @ ReleaseError::Interrupted => Problem::internal(error),
        }
    }
}
