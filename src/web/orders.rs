//! Exams that an operator registers (检查登记): what the site's devices find on their worklist.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{Method, StatusCode};
use serde::Deserialize;
use wire::{OrderCancel, OrderChange, OrderDevice, OrderForm, OrderList, OrderRow, Place};

use super::auth::Caller;
use super::routes::{Access, Route};
use super::rows::dashed;
use super::{Answer, App, Problem};
use crate::clock;
use crate::dicom::{latin_of, uid};
use crate::domain::{DeviceId, NationalId, OrderId, Role, Sex};
use crate::index::orders::{self, Order, Wanted};
use crate::index::{Scope, Tx, community, events};

/// Orders of one day that are listed.
const MOST: i64 = 1_000;
/// Characters of a question.
const LONGEST_QUESTION: usize = 500;

pub fn routes() -> Vec<Route> {
    const REGISTERS: Access = Access::Roles(&[Role::Operator]);
    vec![
        Route::get("/api/v1/orders", REGISTERS, "Registered exams of a day, and the site's devices", list),
        Route::post("/api/v1/orders", REGISTERS, "Register an exam", register),
        Route::get("/api/v1/orders/{order}", REGISTERS, "One registered exam", one),
        Route::new(Method::PUT, "/api/v1/orders/{order}", REGISTERS, "Change a registered exam", change),
        Route::post("/api/v1/orders/{order}/cancel", REGISTERS, "Cancel a registered exam", cancel),
    ]
}

#[derive(Deserialize)]
struct ListQuery {
    #[serde(default)]
    day: String,
}

async fn list(State(app): State<App>, caller: Caller, Query(query): Query<ListQuery>) -> Answer<Json<OrderList>> {
    let today = clock::today(&app.zone);
    let day = match query.day.as_str() {
        "" => today.strftime("%Y%m%d").to_string(),
        day => date(day)?,
    };
    // What is left of other days belongs to the day on which something can be done about it.
    let earliest =
        if day == today.strftime("%Y%m%d").to_string() { orders::earliest_offered(today) } else { day.clone() };
    let mut tx = app.db.read().await?;
    let found = orders::of_day(&mut tx, caller.scope, &day, &earliest, MOST).await?;
    Ok(Json(OrderList {
        day: dashed(&day),
        today: today.to_string(),
        orders: found.into_iter().map(row).collect(),
        devices: devices(&mut tx, caller.scope).await?,
        now_us: clock::now().0,
        seq: events::last_seq(&mut tx).await?,
    }))
}

async fn devices(tx: &mut Tx, scope: Scope) -> Answer<Vec<OrderDevice>> {
    let of_scope = |site| matches!(scope, Scope::All) || scope == Scope::Site(site);
    let devices = community::devices(tx).await?.into_iter().filter(|device| {
        of_scope(device.site_id) && !device.modality.is_empty() && !device.ae_title.starts_with(community::STOW_TITLE)
    });
    let device = |device: community::Device| OrderDevice {
        device: device.id.0,
        ae_title: device.ae_title,
        modality: device.modality,
    };
    Ok(devices.map(device).collect())
}

async fn one(State(app): State<App>, caller: Caller, Path(order): Path<i64>) -> Answer<Json<OrderRow>> {
    let mut tx = app.db.read().await?;
    Ok(Json(row(orders::order(&mut tx, caller.scope, OrderId(order)).await?)))
}

async fn register(
    State(app): State<App>,
    caller: Caller,
    Json(form): Json<OrderForm>,
) -> Answer<(StatusCode, Json<OrderRow>)> {
    let by = caller.account()?;
    // Operators belong to a site; see `community::add_account`.
    let Scope::Site(site) = caller.scope else { return Err(Problem::forbidden()) };
    let wanted = typed(&app, form)?;
    let study_uid = uid::of_random(rand::random());
    let mut tx = app.db.write().await?;
    let id = orders::register(&mut tx, site, &wanted, &study_uid, by, clock::now()).await?;
    let registered = orders::order(&mut tx, caller.scope, id).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(row(registered))))
}

async fn change(
    State(app): State<App>,
    caller: Caller,
    Path(order): Path<i64>,
    Json(change): Json<OrderChange>,
) -> Answer<Json<OrderRow>> {
    let (by, id) = (caller.account()?, OrderId(order));
    let mut tx = app.db.write().await?;
    // Whose order it is comes before what is wrong with the form.
    orders::order(&mut tx, caller.scope, id).await?;
    let wanted = typed(&app, change.form)?;
    orders::change(&mut tx, caller.scope, id, change.version, &wanted, by, clock::now()).await?;
    let changed = orders::order(&mut tx, caller.scope, id).await?;
    tx.commit().await?;
    Ok(Json(row(changed)))
}

async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(order): Path<i64>,
    Json(seen): Json<OrderCancel>,
) -> Answer<Json<OrderRow>> {
    let (by, id) = (caller.account()?, OrderId(order));
    let mut tx = app.db.write().await?;
    orders::cancel(&mut tx, caller.scope, id, seen.version, by, clock::now()).await?;
    let cancelled = orders::order(&mut tx, caller.scope, id).await?;
    tx.commit().await?;
    Ok(Json(row(cancelled)))
}

/// What a person typed, as the worklist takes it.
fn typed(app: &App, form: OrderForm) -> Answer<Wanted> {
    let now = jiff::Zoned::now().with_time_zone(app.zone.clone());
    let national_id = match form.national_id.trim() {
        "" => None,
        text => Some(NationalId::parse(text).ok_or(Problem::bad_request("bad_national_id"))?),
    };
    let birth_date = if form.birth_date.trim().is_empty() { String::new() } else { date(form.birth_date.trim())? };
    if birth_date > now.strftime("%Y%m%d").to_string() {
        return Err(Problem::bad_request("bad_birth_date"));
    }
    let (birth_date, sex) = agreeing(national_id.as_ref(), birth_date, form.sex)?;
    let question = form.question.trim().to_owned();
    if question.chars().count() > LONGEST_QUESTION || question.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Problem::bad_request("too_long"));
    }
    let modality = text(&form.modality, 16)?;
    if modality.is_empty() && form.device.is_none() {
        return Err(Problem::bad_request("modality_missing"));
    }
    Ok(Wanted {
        name: needed(text(&form.name, 64)?, "name_missing")?,
        latin: text(&form.latin, 64)?,
        pid: text(&form.pid, 64)?,
        issuer: text(&form.issuer, 64)?,
        sex,
        birth_date,
        national_id,
        accession: text(&form.accession, 16)?,
        exam: needed(text(&form.exam, 64)?, "exam_missing")?,
        body_part: text(&form.body_part, 64)?,
        modality,
        device: form.device.map(DeviceId),
        start_date: if form.day.is_empty() { now.strftime("%Y%m%d").to_string() } else { date(&form.day)? },
        start_time: if form.time.is_empty() { now.strftime("%H%M00").to_string() } else { time(&form.time)? },
        question,
        urgency: form.urgency,
        requester: text(&form.requester, 64)?,
        performer: text(&form.performer, 64)?,
    })
}

/// Birth date and sex stand in the national number: they are taken from it, and must not contradict it.
fn agreeing(number: Option<&NationalId>, birth_date: String, sex: Sex) -> Answer<(String, Sex)> {
    let Some(number) = number else { return Ok((birth_date, sex)) };
    let is_other_sex = matches!(sex, Sex::Male | Sex::Female) && sex != number.sex();
    if is_other_sex || !birth_date.is_empty() && birth_date != number.birth_date() {
        return Err(Problem::bad_request("national_id_disagrees"));
    }
    Ok((number.birth_date().to_owned(), if sex == Sex::Unknown { number.sex() } else { sex }))
}

/// One value of an attribute (PS3.5 6.2): none that controls, no backslash, which would be two values.
fn text(typed: &str, most: usize) -> Answer<String> {
    let typed = typed.trim();
    if typed.chars().count() > most {
        return Err(Problem::bad_request("too_long"));
    }
    match typed.chars().any(|c| c.is_control() || matches!(c, '\\' | '^' | '=')) {
        true => Err(Problem::bad_request("bad_text")),
        false => Ok(typed.to_owned()),
    }
}

fn needed(text: String, code: &'static str) -> Answer<String> {
    if text.is_empty() { Err(Problem::bad_request(code)) } else { Ok(text) }
}

/// `1968-04-12` as `19680412`.
fn date(text: &str) -> Answer<String> {
    let date = jiff::civil::Date::strptime("%Y-%m-%d", text).ok().filter(|date| date.year() >= 1000);
    date.map(|date| date.strftime("%Y%m%d").to_string()).ok_or(Problem::bad_request("bad_date"))
}

/// `09:30` as `093000`.
fn time(text: &str) -> Answer<String> {
    let time = jiff::civil::Time::strptime("%H:%M", text).map_err(|_| Problem::bad_request("bad_time"))?;
    Ok(time.strftime("%H%M00").to_string())
}

fn row(order: Order) -> OrderRow {
    let time = order.start_time.get(..4).map_or(String::new(), |time| format!("{}:{}", &time[..2], &time[2..]));
    OrderRow {
        order: order.id.0,
        state: order.state,
        version: order.version,
        site: Place { id: order.site_id.0, name: order.site_name },
        study_uid: order.study_uid,
        case: order.case_id.map(|case| case.0),
        device_ae: order.device_ae.unwrap_or_default(),
        registered_us: order.registered_us.0,
        registered_by: order.registered_by,
        started_us: order.started_us,
        done_us: order.done_us,
        cancelled_us: order.cancelled_us,
        form: OrderForm {
            latin: latin_of(&order.name_raw),
            name: order.name,
            pid: order.pid,
            issuer: order.issuer,
            sex: order.sex,
            birth_date: dashed(&order.birth_date),
            national_id: order.national_id,
            accession: order.accession,
            exam: order.exam,
            body_part: order.body_part,
            modality: order.modality,
            device: order.device_id.map(|device| device.0),
            day: dashed(&order.start_date),
            time,
            question: order.question,
            urgency: order.urgency,
            requester: order.requester,
            performer: order.performer,
        },
    }
}

#[cfg(test)]
mod tests;
