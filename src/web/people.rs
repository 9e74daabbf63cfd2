//! Who a case's patient is: earlier studies of the same person, what a manager says of records that may be theirs, and a
//! study under the wrong name put right.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use wire::{Correction, PatientCorrection, PatientRecord, PersonDecision, Place, Prior, Priors};

use super::auth::Caller;
use super::routes::{Access, CLINICAL, Route};
use super::rows::{self, dashed};
use super::{Answer, App, Problem};
use crate::clock;
use crate::domain::{CaseId, PatientId, Role};
use crate::index::cases;
use crate::index::corrections::{self, Demographics, InForce, Wish};
use crate::index::people::{self, Pair, PriorRow, Record};

/// Characters of a reason.
const LONGEST_NOTE: usize = 500;

pub fn routes() -> Vec<Route> {
    const DECIDES: Access = Access::Roles(&[Role::Manager]);
    vec![
        Route::get("/api/v1/cases/{case}/priors", CLINICAL, "Earlier and later studies of the same person", priors),
        Route::post("/api/v1/cases/{case}/person", DECIDES, "Whether another record is of the same person", decide),
        Route::new(Method::PUT, "/api/v1/cases/{case}/patient", DECIDES, "Whom a study is of, put right", correct),
    ]
}

async fn priors(State(app): State<App>, caller: Caller, Path(case): Path<i64>) -> Answer<Json<Priors>> {
    let mut tx = app.db.read().await?;
    let row = cases::row(&mut tx, CaseId(case), caller.scope).await?;
    let study = row.study_id;
    let own = people::of_study(&mut tx, caller.scope, study).await?;
    let found = people::priors(&mut tx, caller.scope, study).await?;
    let (later, earlier): (Vec<_>, Vec<_>) = found.into_iter().partition(|prior| prior.exam_us > row.exam_us);
    let records = people::records(&mut tx, caller.scope, own.patient).await?;
    let corrected = corrections::in_force(&mut tx, study).await?;
    Ok(Json(Priors {
        record: record(own),
        corrected: corrected.map(correction),
        priors: earlier.into_iter().map(prior).collect(),
        later: later.into_iter().map(prior).collect(),
        records: records.into_iter().map(record).collect(),
    }))
}

async fn decide(
    State(app): State<App>,
    caller: Caller,
    Path(case): Path<i64>,
    Json(decision): Json<PersonDecision>,
) -> Answer<StatusCode> {
    let by = caller.account()?;
    let mut tx = app.db.write().await?;
    let study = cases::row(&mut tx, CaseId(case), caller.scope).await?.study_id;
    let own = people::of_study(&mut tx, caller.scope, study).await?.patient;
    let pair = Pair { own, other: PatientId(decision.patient) };
    match decision.same {
        true => people::confirm(&mut tx, caller.scope, pair, by, clock::now()).await?,
        false => people::reject(&mut tx, caller.scope, pair, by, clock::now()).await?,
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn correct(
    State(app): State<App>,
    caller: Caller,
    Path(case): Path<i64>,
    Json(wanted): Json<PatientCorrection>,
) -> Answer<StatusCode> {
    let by = caller.account()?;
    let note = wanted.note.trim();
    if note.is_empty() || note.chars().count() > LONGEST_NOTE {
        return Err(Problem::bad_request(if note.is_empty() { "note_missing" } else { "too_long" }));
    }
    let patient = wanted.to.map(typed).transpose()?;
    let (case, version) = (CaseId(case), wanted.version);
    let wish = Wish { case, version, patient: patient.as_ref(), by, note, now: clock::now() };
    let mut tx = app.db.write().await?;
    corrections::correct(&mut tx, caller.scope, wish).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a person typed, as a record has it.
fn typed(wanted: wire::Demographics) -> Answer<Demographics> {
    let (name, pid) = (wanted.name.trim(), wanted.pid.trim());
    // LO and PN (PS3.5 6.2): at most 64 characters, none that controls, no backslash, which would be two values.
    let fits = |text: &str| text.chars().count() <= 64 && !text.chars().any(|c| c.is_control() || c == '\\');
    if name.is_empty() || !fits(name) || !fits(pid) {
        return Err(Problem::bad_request("bad_text"));
    }
    let birth_date = match wanted.birth_date.trim() {
        "" => String::new(),
        text => {
            let date = jiff::civil::Date::strptime("%Y-%m-%d", text).map_err(|_| Problem::bad_request("bad_date"))?;
            date.strftime("%Y%m%d").to_string()
        }
    };
    Ok(Demographics { name: name.to_owned(), pid: pid.to_owned(), birth_date, sex: wanted.sex })
}

fn correction(in_force: InForce) -> Correction {
    Correction { sent: record(in_force.sent), by: in_force.by, at_us: in_force.at.0, note: in_force.note }
}

fn prior(row: PriorRow) -> Prior {
    Prior {
        case: row.case_id.map(|case| case.0),
        study: row.study_id.0,
        study_uid: row.study_uid,
        exam_us: row.exam_us.0,
        exam: row.description,
        modality: row.modality,
        body_part: row.body_part,
        site: Place { id: row.site_id.0, name: row.site_name },
        patient: row.patient_id.0,
        how: row.how,
        by: row.by_name.unwrap_or_default(),
        at_us: row.at_us.map(|at| at.0),
    }
}

fn record(row: Record) -> PatientRecord {
    PatientRecord {
        case: row.case_id.map(|case| case.0),
        studies: rows::count(row.studies),
        patient: row.patient.0,
        name: row.name,
        sex: row.sex,
        pid: row.pid,
        birth_date: dashed(&row.birth_date),
        site: Place { id: row.site_id.0, name: row.site_name },
        how: row.how,
        by: row.by_name.unwrap_or_default(),
        at_us: row.at_us.map(|at| at.0),
    }
}

#[cfg(test)]
mod tests;
