//! One function a route. Answers that carry the server's time set the clock on the way.

use js_sys::encode_uri_component;
use web_sys::Blob;
use wire::{
    Board, CaseChange, CaseDetail, CaseList, CaseRow, Desk, DraftSave, DraftSaved, DutyChange, LateAnswer, LeaseToken,
    Me, OrderCancel, OrderChange, OrderForm, OrderList, OrderRow, PatientCorrection, PersonDecision, Priors,
    QuarantineAct, QuarantineDecided, QuarantineDecision, QuarantineList, QuarantineLook, Refusals, ReturnRequest,
    SignIn, SignRequest, Status, StudyImages, TakeBack, Template,
};

use super::client::{change, file, get, tell};
use super::{Fault, set_csrf};
use crate::{clock, live, zone};

type Answer<T> = Result<T, Fault>;

fn arrived(me: Me) -> Me {
    clock::heard(me.now_us);
    zone::heard(&me.zone);
    set_csrf(&me.csrf);
    me
}

pub async fn session() -> Answer<Me> {
    get("/api/v1/session").await.map(arrived)
}

/// Somebody is still here: the server keeps the session.
pub async fn stay() -> Answer<()> {
    get::<Me>("/api/v1/session").await.map(drop)
}

pub async fn sign_in(login: &str, password: &str) -> Answer<Me> {
    let body = SignIn { login: login.to_owned(), password: password.to_owned() };
    change("POST", "/api/v1/session", &body).await.map(arrived)
}

pub async fn sign_out() -> Answer<()> {
    tell("DELETE", "/api/v1/session", &()).await
}

pub async fn status() -> Answer<Status> {
    let status: Status = get("/api/v1/status").await?;
    clock::heard(status.now_us);
    Ok(status)
}

pub async fn duty(on: bool, account: Option<i64>) -> Answer<()> {
    tell("POST", "/api/v1/duty", &DutyChange { on, account }).await
}

pub async fn cases(tab: &str, query: &str, before: Option<&str>) -> Answer<CaseList> {
    let mut path = format!("/api/v1/cases?tab={tab}");
    if !query.is_empty() {
        path.push_str("&q=");
        path.push_str(&String::from(encode_uri_component(query)));
    }
    if let Some(before) = before {
        path.push_str("&before=");
        path.push_str(&String::from(encode_uri_component(before)));
    }
    let list: CaseList = get(&path).await?;
    clock::heard(list.now_us);
    live::reflects(list.seq);
    Ok(list)
}

pub async fn case(case: i64) -> Answer<CaseDetail> {
    get(&format!("/api/v1/cases/{case}")).await
}

pub async fn change_case(case: i64, what: &CaseChange) -> Answer<()> {
    tell("PATCH", &format!("/api/v1/cases/{case}"), what).await
}

/// A case that a rebuild left stored is to be read.
pub async fn queue_case(case: i64) -> Answer<()> {
    tell("POST", &format!("/api/v1/cases/{case}/queue"), &serde_json::json!({})).await
}

/// Out of somebody's hands, as the row was shown.
pub async fn take_back(case: i64, version: i64) -> Answer<()> {
    tell("POST", &format!("/api/v1/cases/{case}/take-back"), &TakeBack { version }).await
}

/// The signed report was seen.
pub async fn mark_read(case: i64) -> Answer<()> {
    tell("POST", &format!("/api/v1/cases/{case}/read"), &serde_json::json!({})).await
}

/// The images that came after signing were looked at, of `instances` in all: the diagnosis stands.
pub async fn answer_late(case: i64, instances: u32) -> Answer<()> {
    tell("POST", &format!("/api/v1/cases/{case}/late"), &LateAnswer { instances }).await
}

pub async fn images(study: i64) -> Answer<StudyImages> {
    get(&format!("/api/v1/studies/{study}/images")).await
}

/// `free`: nothing is on the page, so that the next case may come.
pub async fn desk(free: bool) -> Answer<Desk> {
    let desk: Desk = get(&format!("/api/v1/desk?free={free}")).await?;
    clock::heard(desk.now_us);
    live::reflects(desk.seq);
    Ok(desk)
}

pub async fn open_case(case: i64, lease: &str) -> Answer<CaseDetail> {
    change("POST", &format!("/api/v1/cases/{case}/open"), &LeaseToken { lease: lease.to_owned() }).await
}

/// A returned case becomes the caller's again; the desk then holds its lease.
pub async fn take_case(case: i64) -> Answer<()> {
    tell("POST", &format!("/api/v1/cases/{case}/take"), &serde_json::json!({})).await
}

pub async fn heartbeat(case: i64, lease: &str) -> Answer<()> {
    tell("POST", &format!("/api/v1/cases/{case}/heartbeat"), &LeaseToken { lease: lease.to_owned() }).await
}

pub async fn release(case: i64, lease: &str) -> Answer<()> {
    tell("POST", &format!("/api/v1/cases/{case}/release"), &LeaseToken { lease: lease.to_owned() }).await
}

pub async fn save_draft(case: i64, draft: &DraftSave) -> Answer<DraftSaved> {
    change("PUT", &format!("/api/v1/cases/{case}/draft"), draft).await
}

pub async fn submit(case: i64, request: &SignRequest) -> Answer<()> {
    tell("POST", &format!("/api/v1/cases/{case}/submit"), request).await
}

pub async fn sign(case: i64, request: &SignRequest) -> Answer<()> {
    tell("POST", &format!("/api/v1/cases/{case}/sign"), request).await
}

pub async fn send_back(case: i64, request: &ReturnRequest) -> Answer<()> {
    tell("POST", &format!("/api/v1/cases/{case}/return"), request).await
}

pub async fn templates(modality: &str) -> Answer<Vec<Template>> {
    get(&format!("/api/v1/templates?modality={}", String::from(encode_uri_component(modality)))).await
}

pub async fn board() -> Answer<Board> {
    let board: Board = get("/api/v1/board").await?;
    clock::heard(board.now_us);
    live::reflects(board.seq);
    Ok(board)
}

/// The newest, or what comes before the row `before`: of what waits, or of what was decided.
pub async fn quarantine(settled: bool, before: Option<i64>) -> Answer<QuarantineList> {
    let before = before.map(|before| format!("&before={before}")).unwrap_or_default();
    get(&format!("/api/v1/quarantine?settled={settled}{before}")).await
}

pub async fn decide_quarantine(id: i64, act: QuarantineAct, note: &str) -> Answer<QuarantineDecided> {
    change("POST", &format!("/api/v1/quarantine/{id}"), &QuarantineDecision { act, note: note.to_owned() }).await
}

/// Whom an object in quarantine says it is of.
pub async fn look_quarantine(id: i64) -> Answer<QuarantineLook> {
    get(&format!("/api/v1/quarantine/{id}")).await
}

/// What of a case's study was not accepted, and why.
pub async fn refused(case: i64) -> Answer<Refusals> {
    get(&format!("/api/v1/cases/{case}/refused")).await
}

/// Registered exams of a day, `YYYY-MM-DD`; empty: today.
pub async fn orders(day: &str) -> Answer<OrderList> {
    let list: OrderList = get(&format!("/api/v1/orders?day={}", String::from(encode_uri_component(day)))).await?;
    clock::heard(list.now_us);
    live::reflects(list.seq);
    Ok(list)
}

pub async fn register_order(form: &OrderForm) -> Answer<OrderRow> {
    change("POST", "/api/v1/orders", form).await
}

pub async fn change_order(order: i64, version: i64, form: &OrderForm) -> Answer<OrderRow> {
    change("PUT", &format!("/api/v1/orders/{order}"), &OrderChange { version, form: form.clone() }).await
}

pub async fn cancel_order(order: i64, version: i64) -> Answer<OrderRow> {
    change("POST", &format!("/api/v1/orders/{order}/cancel"), &OrderCancel { version }).await
}

/// Other studies and records of a case's person.
pub async fn priors(case: i64) -> Answer<Priors> {
    get(&format!("/api/v1/cases/{case}/priors")).await
}

/// Whether another record is of the same person.
pub async fn decide_person(case: i64, patient: i64, same: bool) -> Answer<()> {
    tell("POST", &format!("/api/v1/cases/{case}/person"), &PersonDecision { patient, same }).await
}

pub async fn correct_patient(case: i64, what: &PatientCorrection) -> Answer<()> {
    tell("PUT", &format!("/api/v1/cases/{case}/patient"), what).await
}

/// Where an object in quarantine is, as it was stored.
pub fn quarantine_file(id: i64) -> String {
    format!("/api/v1/quarantine/{id}/file")
}

/// The signed report as it prints.
pub async fn pdf(report: i64) -> Answer<Blob> {
    file(&pdf_path(report)).await
}

/// A case as lists show it: no report is opened by asking.
pub async fn case_row(case: i64) -> Answer<CaseRow> {
    get(&format!("/api/v1/cases/{case}/row")).await
}

/// Where a signed report's PDF is.
pub fn pdf_path(report: i64) -> String {
    format!("/api/v1/reports/{report}/pdf")
}
