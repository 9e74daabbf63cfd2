//! How an exam goes that was registered: a step of a device refers to it, images come, its study is complete.
//!
//! What was done outranks what was planned: an order that was cancelled and made all the same is made.

use super::event;
use crate::domain::{Micros, NationalId, OrderId, OrderState, PatientId, SiteId, StudyId, Urgency};
use crate::index::{EventKind, Result, Tx, on, people};

/// What names an order from outside.
#[derive(Debug, Clone, Copy)]
pub struct Referred<'a> {
    pub study_uid: &'a str,
    pub accession: &'a str,
    pub pid: &'a str,
}

/// A study of which there is the first image.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    pub referred: Referred<'a>,
    pub site: SiteId,
    pub study: StudyId,
}

/// What its case takes from an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meant {
    pub urgency: Urgency,
    /// Empty: none was registered.
    pub question: String,
}

#[derive(sqlx::FromRow)]
struct Found {
    id: OrderId,
    #[sqlx(try_from = "String")]
    state: OrderState,
    #[sqlx(try_from = "String")]
    urgency: Urgency,
    question: String,
    national_id: String,
}

/// By the Study Instance UID it was given; failing that by its accession number, if it is of the same patient.
async fn find(tx: &mut Tx, site: SiteId, referred: Referred<'_>) -> Result<Option<Found>> {
    let by_uid = on!(tx, c => sqlx::query_as::<_, Found>(
        "SELECT id, state, urgency, question, national_id FROM exam_order WHERE site_id = $1 AND study_uid = $2")
        .bind(site).bind(referred.study_uid).fetch_optional(c).await)?;
    if by_uid.is_some() || referred.accession.is_empty() {
        return Ok(by_uid);
    }
    // An order that is another study already is not meant.
    Ok(on!(tx, c => sqlx::query_as::<_, Found>(
        "SELECT o.id, o.state, o.urgency, o.question, o.national_id FROM exam_order o
           LEFT JOIN study s ON s.id = o.study_id
          WHERE o.site_id = $1 AND o.accession = $2 AND o.pid = $3 AND (s.uid IS NULL OR s.uid = $4)")
        .bind(site).bind(referred.accession).bind(referred.pid).bind(referred.study_uid).fetch_optional(c).await)?)
}

/// The order that a study was made for, if there is one: it has begun, and is this study.
pub async fn arrived(tx: &mut Tx, arrival: &Arrival<'_>, now: Micros) -> Result<Option<Meant>> {
    let Arrival { referred, site, study } = *arrival;
    let Some(found) = find(tx, site, referred).await? else { return Ok(None) };
    on!(tx, c => sqlx::query("UPDATE exam_order SET study_id = $2, version = version + 1 WHERE id = $1")
        .bind(found.id).bind(study).execute(c).await.map(drop))?;
    if matches!(found.state, OrderState::Scheduled | OrderState::Cancelled) {
        enter(tx, found.id, site, OrderState::Started, now).await?;
    }
    if let Some(number) = NationalId::parse(&found.national_id) {
        let patient = on!(tx, c => sqlx::query_scalar::<_, PatientId>("SELECT patient_id FROM study WHERE id = $1")
            .bind(study).fetch_one(c).await)?;
        people::has_number(tx, patient, site, &number, now).await?;
    }
    Ok(Some(Meant { urgency: found.urgency, question: found.question }))
}

/// A step of a device has begun for what it refers to; which order that is.
pub async fn refer_to(tx: &mut Tx, site: SiteId, referred: Referred<'_>, now: Micros) -> Result<Option<OrderId>> {
    let Some(found) = find(tx, site, referred).await? else { return Ok(None) };
    if matches!(found.state, OrderState::Scheduled | OrderState::Cancelled) {
        enter(tx, found.id, site, OrderState::Started, now).await?;
    }
    Ok(Some(found.id))
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Completed,
    Discontinued,
}

/// The step that was of these orders is over. What was given up before there was an image is to be made still.
pub async fn over(tx: &mut Tx, site: SiteId, orders: &[OrderId], over: Over, now: Micros) -> Result<()> {
    for id in orders {
        let found = on!(tx, c => sqlx::query_as::<_, (String, Option<i64>)>(
            "SELECT state, study_id FROM exam_order WHERE id = $1 AND site_id = $2")
            .bind(id).bind(site).fetch_optional(c).await)?;
        let Some((state, study)) = found else { continue };
        if OrderState::from_word(&state) != Some(OrderState::Started) {
            continue;
        }
        match over {
            Over::Completed => enter(tx, *id, site, OrderState::Done, now).await?,
            Over::Discontinued if study.is_none() => enter(tx, *id, site, OrderState::Scheduled, now).await?,
            Over::Discontinued => {}
        }
    }
    Ok(())
}

/// A study is complete: what it was registered as is done.
pub async fn complete(tx: &mut Tx, site: SiteId, study: StudyId, now: Micros) -> Result<()> {
    let begun = on!(tx, c => sqlx::query_scalar::<_, OrderId>(
        "SELECT id FROM exam_order WHERE study_id = $1 AND state = 'started'").bind(study).fetch_all(c).await)?;
    for id in begun {
        enter(tx, id, site, OrderState::Done, now).await?;
    }
    Ok(())
}

async fn enter(tx: &mut Tx, id: OrderId, site: SiteId, state: OrderState, now: Micros) -> Result<()> {
    let kind = match state {
        OrderState::Scheduled => EventKind::OrderReopened,
        OrderState::Started => EventKind::OrderStarted,
        OrderState::Done => EventKind::OrderDone,
        OrderState::Cancelled => EventKind::OrderCancelled,
    };
    let (started, done) = match state {
        OrderState::Started => (Some(now.0), None),
        OrderState::Done => (None, Some(now.0)),
        _ => (None, None),
    };
    let again = state == OrderState::Scheduled;
    on!(tx, c => sqlx::query(
        "UPDATE exam_order SET state = $2, started_us = CASE WHEN CAST($5 AS BIGINT) = 1 THEN NULL ELSE COALESCE($3, started_us) END,
                done_us = $4, cancelled_us = NULL, version = version + 1 WHERE id = $1")
        .bind(id).bind(state.word()).bind(started).bind(done).bind(i64::from(again)).execute(c).await.map(drop))?;
    tx.event(&event(kind, id, site, now)).await
}
