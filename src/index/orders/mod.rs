//! Exams that a site registers before they are made (检查登记): the orders that its devices take from the worklist.
//!
//! What was typed changes by its version, as long as nothing of the exam is there; how the exam goes is told by devices and
//! by images, in [`course`](self::arrived). Dates and times of day are those of the center's clock, as texts.

mod course;
#[cfg(test)]
mod tests;
pub mod worklist;

pub use course::{Arrival, Meant, Over, Referred, arrived, complete, over, refer_to};

use super::{Error, Event, EventKind, Result, Scope, Tx, on};
use crate::dicom::{person_name, written_forms};
use crate::domain::{AccountId, CaseId, DeviceId, Micros, NationalId, OrderId, OrderState, Sex, SiteId, Urgency};

/// What somebody wants to be made; every text fits its DICOM attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// As people write it.
    pub name: String,
    /// How it sounds, family name first; empty: as it is mostly read.
    pub latin: String,
    /// Empty: one is given.
    pub pid: String,
    /// Who gave that number; empty: the site.
    pub issuer: String,
    pub sex: Sex,
    /// `YYYYMMDD`, or empty.
    pub birth_date: String,
    pub national_id: Option<NationalId>,
    /// Empty: one is given.
    pub accession: String,
    pub exam: String,
    pub body_part: String,
    /// Empty: that of the device.
    pub modality: String,
    /// None: any of the site.
    pub device: Option<DeviceId>,
    /// `YYYYMMDD` and `HHMMSS`.
    pub start_date: String,
    pub start_time: String,
    pub question: String,
    pub urgency: Urgency,
    pub requester: String,
    pub performer: String,
}

/// One order with all that its row on a page shows, and what a device is told of it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Order {
    pub id: OrderId,
    pub site_id: SiteId,
    pub site_name: String,
    pub accession: String,
    pub study_uid: String,
    pub pid: String,
    pub issuer: String,
    pub name: String,
    pub name_raw: String,
    #[sqlx(try_from = "String")]
    pub sex: Sex,
    pub birth_date: String,
    pub national_id: String,
    pub exam: String,
    pub body_part: String,
    pub modality: String,
    pub device_id: Option<DeviceId>,
    /// Its title, also of one that was removed.
    pub device_ae: Option<String>,
    pub start_date: String,
    pub start_time: String,
    pub question: String,
    #[sqlx(try_from = "String")]
    pub urgency: Urgency,
    pub requester: String,
    pub performer: String,
    #[sqlx(try_from = "String")]
    pub state: OrderState,
    pub version: i64,
    pub study_id: Option<i64>,
    pub case_id: Option<CaseId>,
    pub registered_us: Micros,
    pub registered_by: String,
    pub started_us: Option<i64>,
    pub done_us: Option<i64>,
    pub cancelled_us: Option<i64>,
}

pub(super) const SELECT: &str =
    "SELECT o.id, o.site_id, s.name AS site_name, o.accession, o.study_uid, o.pid, o.issuer,
        o.name, o.name_raw, o.sex, o.birth_date, o.national_id, o.exam, o.body_part, o.modality, o.device_id,
        d.ae_title AS device_ae, o.start_date, o.start_time, o.question, o.urgency, o.requester, o.performer, o.state,
        o.version, o.study_id, c.id AS case_id, o.registered_us, a.name AS registered_by, o.started_us, o.done_us,
        o.cancelled_us
   FROM exam_order o JOIN site s ON s.id = o.site_id JOIN account a ON a.id = o.registered_by
   LEFT JOIN device d ON d.id = o.device_id LEFT JOIN case_ c ON c.study_id = o.study_id";

/// Days that an order nobody made is offered to devices, its own not counted.
const LASTING: i32 = 7;

/// The first day, as `YYYYMMDD`, whose orders devices are still offered.
pub fn earliest_offered(today: jiff::civil::Date) -> String {
    let earliest = today.saturating_sub(jiff::Span::new().days(LASTING));
    earliest.strftime("%Y%m%d").to_string()
}

/// Numbers that are tried where two give one at a time.
const ATTEMPTS: usize = 20;
const CHANGED: &str = "the order has changed since it was shown";

/// A sentence about an order, as SQL of ours.
macro_rules! select {
    ($tx:expr, $rest:expr, $c:ident, $query:ident => $fetched:expr) => {{
        let sql = format!("{SELECT} {}", $rest);
        on!($tx, $c => {
            let $query = sqlx::query_as::<_, Order>(sqlx::AssertSqlSafe(sql.clone()));
            $fetched
        })
    }};
}

/// Registers an exam at a site, under the Study Instance UID its images are to have.
///
/// Errors: [`Error::Exists`] for an accession number that the site has given, [`Error::Refused`] for another site's device.
pub async fn register(
    tx: &mut Tx,
    site: SiteId,
    wanted: &Wanted,
    study_uid: &str,
    by: AccountId,
    now: Micros,
) -> Result<OrderId> {
    let modality = modality(tx, site, wanted).await?;
    let given = wanted.accession.is_empty();
    for _ in 0..if given { ATTEMPTS } else { 1 } {
        let accession = match given {
            true => next_accession(tx, site, &wanted.start_date).await?,
            false => wanted.accession.clone(),
        };
        if let Some(id) = insert(tx, site, wanted, (&accession, &modality, study_uid), by, now).await? {
            tx.event(&event(EventKind::OrderRegistered, id, site, now).by(by)).await?;
            return Ok(id);
        }
    }
    Err(Error::Exists(format!("accession number {}", wanted.accession)))
}

async fn insert(
    tx: &mut Tx,
    site: SiteId,
    wanted: &Wanted,
    (accession, modality, study_uid): (&str, &str, &str),
    by: AccountId,
    now: Micros,
) -> Result<Option<OrderId>> {
    // A patient without a number of their own is known by that of the exam.
    let pid = if wanted.pid.is_empty() { format!("P{accession}") } else { wanted.pid.clone() };
    let name_raw = person_name(&wanted.name, &wanted.latin);
    Ok(on!(tx, c => sqlx::query_scalar::<_, OrderId>(
        "INSERT INTO exam_order (site_id, accession, study_uid, pid, issuer, name, name_raw, name_forms, sex, birth_date,
                national_id, exam, body_part, modality, device_id, start_date, start_time, question, urgency, requester,
                performer, performer_forms, state, version, registered_us, registered_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                'scheduled', 1, $23, $24)
         ON CONFLICT (site_id, accession) DO NOTHING RETURNING id")
        .bind(site).bind(accession).bind(study_uid).bind(&pid).bind(&wanted.issuer).bind(&wanted.name).bind(&name_raw)
        .bind(written_forms(&name_raw)).bind(wanted.sex.word()).bind(&wanted.birth_date)
        .bind(wanted.national_id.as_ref().map_or("", NationalId::as_str)).bind(&wanted.exam).bind(&wanted.body_part)
        .bind(modality).bind(wanted.device.map(|device| device.0)).bind(&wanted.start_date).bind(&wanted.start_time)
        .bind(&wanted.question).bind(wanted.urgency.word()).bind(&wanted.requester).bind(&wanted.performer)
        .bind(written_forms(&person_name(&wanted.performer, ""))).bind(now).bind(by)
        .fetch_optional(c).await)?)
}

/// What the exam is made with: as said, else as its device does.
async fn modality(tx: &mut Tx, site: SiteId, wanted: &Wanted) -> Result<String> {
    let Some(device) = wanted.device else { return Ok(wanted.modality.clone()) };
    let of_device = on!(tx, c => sqlx::query_scalar::<_, String>(
        "SELECT modality FROM device WHERE id = $1 AND site_id = $2 AND removed_us IS NULL")
        .bind(device).bind(site).fetch_optional(c).await)?
    .ok_or(Error::Refused("no such device at this site"))?;
    Ok(if wanted.modality.is_empty() { of_device } else { wanted.modality.clone() })
}

/// Day, site and a number that goes up: at most 16 characters (PS3.5 6.2, SH), the same nowhere else in the county.
async fn next_accession(tx: &mut Tx, site: SiteId, day: &str) -> Result<String> {
    let begins = format!("{}{:03}", day.get(2..).unwrap_or_default(), site.0);
    let last = on!(tx, c => sqlx::query_scalar::<_, Option<String>>(
        "SELECT MAX(accession) FROM exam_order
          WHERE site_id = $1 AND accession >= $2 AND accession < $3 AND CAST(LENGTH(accession) AS BIGINT) = $4")
        .bind(site).bind(&begins).bind(format!("{begins}:")).bind(begins.len() as i64 + 4).fetch_one(c).await)?;
    let last: u32 = last.and_then(|last| last.get(begins.len()..)?.parse().ok()).unwrap_or(0);
    Ok(format!("{begins}{:04}", last + 1))
}

/// What was registered is to be otherwise; its accession number and Study Instance UID stay.
pub async fn change(
    tx: &mut Tx,
    scope: Scope,
    id: OrderId,
    version: i64,
    wanted: &Wanted,
    by: AccountId,
    now: Micros,
) -> Result<()> {
    let before = order(tx, scope, id).await?;
    may_change(&before, version)?;
    if !wanted.accession.is_empty() && wanted.accession != before.accession {
        return Err(Error::Refused("the accession number stays as it was given"));
    }
    let modality = modality(tx, before.site_id, wanted).await?;
    let name_raw = person_name(&wanted.name, &wanted.latin);
    let pid = if wanted.pid.is_empty() { &before.pid } else { &wanted.pid };
    let changed = on!(tx, c => sqlx::query(
        "UPDATE exam_order SET pid = $3, issuer = $4, name = $5, name_raw = $6, name_forms = $7, sex = $8, birth_date = $9,
                national_id = $10, exam = $11, body_part = $12, modality = $13, device_id = $14, start_date = $15,
                start_time = $16, question = $17, urgency = $18, requester = $19, performer = $20, performer_forms = $21,
                version = version + 1
          WHERE id = $1 AND version = $2")
        .bind(id).bind(version).bind(pid).bind(&wanted.issuer).bind(&wanted.name).bind(&name_raw)
        .bind(written_forms(&name_raw)).bind(wanted.sex.word()).bind(&wanted.birth_date)
        .bind(wanted.national_id.as_ref().map_or("", NationalId::as_str)).bind(&wanted.exam).bind(&wanted.body_part)
        .bind(&modality).bind(wanted.device.map(|device| device.0)).bind(&wanted.start_date).bind(&wanted.start_time)
        .bind(&wanted.question).bind(wanted.urgency.word()).bind(&wanted.requester).bind(&wanted.performer)
        .bind(written_forms(&person_name(&wanted.performer, "")))
        .execute(c).await.map(|done| done.rows_affected()))?;
    if changed == 0 {
        return Err(Error::Stale(CHANGED));
    }
    tx.event(&event(EventKind::OrderChanged, id, before.site_id, now).by(by)).await
}

/// It is not to be made any more; devices are no longer offered it.
pub async fn cancel(tx: &mut Tx, scope: Scope, id: OrderId, version: i64, by: AccountId, now: Micros) -> Result<()> {
    let before = order(tx, scope, id).await?;
    may_change(&before, version)?;
    let changed = on!(tx, c => sqlx::query(
        "UPDATE exam_order SET state = 'cancelled', cancelled_us = $3, version = version + 1
          WHERE id = $1 AND version = $2")
        .bind(id).bind(version).bind(now).execute(c).await.map(|done| done.rows_affected()))?;
    if changed == 0 {
        return Err(Error::Stale(CHANGED));
    }
    tx.event(&event(EventKind::OrderCancelled, id, before.site_id, now).by(by)).await
}

/// Once there is something of the exam, its case is what changes.
fn may_change(order: &Order, version: i64) -> Result<()> {
    if order.version != version {
        return Err(Error::Stale(CHANGED));
    }
    match order.state {
        OrderState::Scheduled => Ok(()),
        OrderState::Started | OrderState::Done => Err(Error::Refused("the exam has begun")),
        OrderState::Cancelled => Err(Error::Refused("the order is cancelled")),
    }
}

pub async fn order(tx: &mut Tx, scope: Scope, id: OrderId) -> Result<Order> {
    select!(tx, "WHERE o.id = $1 AND (CAST($2 AS BIGINT) IS NULL OR o.site_id = $2)", c, query =>
        query.bind(id).bind(scope.site()).fetch_optional(c).await)?
    .ok_or(Error::NotFound)
}

/// Orders for `day`, and those since `earliest` that devices are still offered, by their time.
pub async fn of_day(tx: &mut Tx, scope: Scope, day: &str, earliest: &str, limit: i64) -> Result<Vec<Order>> {
    Ok(select!(tx, "WHERE (CAST($1 AS BIGINT) IS NULL OR o.site_id = $1)
            AND (o.start_date = $2 OR o.start_date >= $3 AND o.start_date < $2 AND o.state IN ('scheduled', 'started'))
          ORDER BY o.start_date, o.start_time, o.id LIMIT $4", c, query =>
        query.bind(scope.site()).bind(day).bind(earliest).bind(limit).fetch_all(c).await)?)
}

fn event(kind: EventKind, id: OrderId, site: SiteId, now: Micros) -> Event {
    Event::new(kind, now).site(site).detail(serde_json::json!({ "order": id }))
}
