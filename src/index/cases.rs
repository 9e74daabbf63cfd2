//! Cases: what operators follow and specialists hold.

mod hands;
mod late;
#[cfg(test)]
mod tests;

pub use hands::*;
pub use late::*;

use super::{Error, Event, EventKind, Result, Scope, Tx, on};
use crate::domain::{AccountId, CaseId, CaseState, Micros, ReportId, ReportState, Sex, SiteId, StudyId, Urgency};

/// Where a case belongs; what its events carry.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Place {
    pub site_id: SiteId,
    pub study_id: StudyId,
}

impl Place {
    pub fn event(self, kind: EventKind, case: CaseId, now: Micros) -> Event {
        Event::new(kind, now).site(self.site_id).study(self.study_id).case(case)
    }
}

/// One case with all that its row on a page shows.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Row {
    pub id: CaseId,
    pub study_id: StudyId,
    pub study_uid: String,
    pub accession: String,
    pub patient_name: String,
    #[sqlx(try_from = "String")]
    pub sex: Sex,
    pub age: String,
    pub pid: String,
    pub birth_date: String,
    pub description: String,
    pub modality: String,
    pub body_part: String,
    pub site_id: SiteId,
    pub site_name: String,
    pub device: String,
    pub exam_us: Micros,
    pub series: i64,
    pub instances: i64,
    pub bytes: i64,
    pub quarantined: i64,
    /// Once signed: those nobody has answered for.
    pub late: i64,
    pub late_seen: i64,
    pub late_us: Option<i64>,
    #[sqlx(try_from = "String")]
    pub urgency: Urgency,
    pub question: String,
    #[sqlx(try_from = "String")]
    pub state: CaseState,
    pub assignee_id: Option<AccountId>,
    pub assignee_name: Option<String>,
    pub assignee_title: Option<String>,
    pub reviewer_id: Option<AccountId>,
    pub reviewer_name: Option<String>,
    pub reviewer_title: Option<String>,
    pub lease: Option<String>,
    pub lease_until_us: Option<Micros>,
    pub due_us: Option<Micros>,
    pub report_id: Option<ReportId>,
    pub report_state: Option<String>,
    pub report_number: Option<String>,
    pub report_version: Option<i64>,
    pub version: i64,
    pub arriving_us: Option<i64>,
    pub complete_us: Option<i64>,
    pub queued_us: Option<i64>,
    pub assigned_us: Option<i64>,
    pub opened_us: Option<i64>,
    pub drafted_us: Option<i64>,
    pub submitted_us: Option<i64>,
    pub returned_us: Option<i64>,
    pub signed_us: Option<i64>,
    pub delivered_us: Option<i64>,
    pub read_us: Option<i64>,
}

impl Row {
    pub fn report_state(&self) -> Option<ReportState> {
        self.report_state.as_deref().and_then(ReportState::from_word)
    }
}

/// The columns and joins of [`Row`]; a WHERE and an ORDER BY follow.
macro_rules! select_rows {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.study_id, s.uid AS study_uid, s.accession, p.name AS patient_name, p.sex, s.age, p.pid,
                    p.birth_date, s.description, c.modality, c.body_part, c.site_id, t.name AS site_name,
                    d.ae_title AS device, s.exam_us,
                    (SELECT COUNT(*) FROM series e WHERE e.study_id = s.id) AS series,
                    s.instances, s.bytes, s.quarantined, c.late - c.late_seen AS late, c.late_seen,
                    c.late_us, c.urgency, c.question, c.state,
                    c.assignee_id, a.name AS assignee_name, a.title AS assignee_title,
                    c.reviewer_id, v.name AS reviewer_name, v.title AS reviewer_title,
                    c.lease, c.lease_until_us, c.due_us, r.id AS report_id, r.state AS report_state,
                    r.number AS report_number, r.version AS report_version, c.version,
                    c.arriving_us, c.complete_us, c.queued_us, c.assigned_us, c.opened_us, c.drafted_us,
                    c.submitted_us, c.returned_us, c.signed_us, c.delivered_us, c.read_us
               FROM case_ c
               JOIN study s ON s.id = c.study_id
               JOIN patient p ON p.id = s.patient_id
               JOIN site t ON t.id = c.site_id
               JOIN device d ON d.id = s.device_id
               LEFT JOIN account a ON a.id = c.assignee_id
               LEFT JOIN account v ON v.id = c.reviewer_id
               LEFT JOIN report r ON r.case_id = c.id
                    AND r.version = (SELECT MAX(m.version) FROM report m WHERE m.case_id = c.id) ",
            $rest
        )
    };
}

/// The tabs above the operator's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Arrived since the given start of the day, or something came late since, or still open.
    Today,
    Open,
    /// Waits for the operator: signed and not yet read.
    Waiting,
    /// Signed, or stored: nothing is to be done for it.
    Signed,
}

/// What to list: newest first, `before` exclusive.
#[derive(Debug, Clone)]
pub struct Listing<'a> {
    pub scope: Scope,
    pub tab: Tab,
    pub day_start: Micros,
    /// Part of a name, patient id or accession number; empty: all.
    pub search: &'a str,
    pub before: Option<CaseId>,
    pub limit: i64,
}

pub async fn list(tx: &mut Tx, listing: &Listing<'_>) -> Result<Vec<Row>> {
    let sql = match listing.tab {
        Tab::Today => select_rows!(
            "WHERE (CAST($1 AS BIGINT) IS NULL OR c.site_id = $1) AND (CAST($2 AS BIGINT) IS NULL OR c.id < $2)
               AND ($3 = '' OR p.name LIKE $4 ESCAPE '!' OR p.pid LIKE $4 ESCAPE '!' OR s.accession LIKE $4 ESCAPE '!')
               AND c.id IN (SELECT id FROM case_ WHERE arriving_us >= $5
                   UNION SELECT id FROM case_ WHERE late > 0 AND late_us >= $5 UNION SELECT id FROM case_ WHERE state IN
                   ('arriving', 'queued', 'assigned', 'opened', 'drafted', 'submitted', 'returned'))
               AND c.state <> 'stored' ORDER BY c.id DESC LIMIT $6"
        ),
        Tab::Open => select_rows!(
            "WHERE (CAST($1 AS BIGINT) IS NULL OR c.site_id = $1) AND (CAST($2 AS BIGINT) IS NULL OR c.id < $2)
               AND ($3 = '' OR p.name LIKE $4 ESCAPE '!' OR p.pid LIKE $4 ESCAPE '!' OR s.accession LIKE $4 ESCAPE '!')
               AND c.state IN ('arriving', 'queued', 'assigned', 'opened', 'drafted', 'submitted', 'returned')
               AND $5 >= 0 ORDER BY c.id DESC LIMIT $6"
        ),
        Tab::Waiting => select_rows!(
            "WHERE (CAST($1 AS BIGINT) IS NULL OR c.site_id = $1) AND (CAST($2 AS BIGINT) IS NULL OR c.id < $2)
               AND ($3 = '' OR p.name LIKE $4 ESCAPE '!' OR p.pid LIKE $4 ESCAPE '!' OR s.accession LIKE $4 ESCAPE '!')
               AND c.state = 'signed' AND c.read_us IS NULL AND $5 >= 0 ORDER BY c.id DESC LIMIT $6"
        ),
        Tab::Signed => select_rows!(
            "WHERE (CAST($1 AS BIGINT) IS NULL OR c.site_id = $1) AND (CAST($2 AS BIGINT) IS NULL OR c.id < $2)
               AND ($3 = '' OR p.name LIKE $4 ESCAPE '!' OR p.pid LIKE $4 ESCAPE '!' OR s.accession LIKE $4 ESCAPE '!')
               AND c.state IN ('signed', 'stored') AND $5 >= 0 ORDER BY c.id DESC LIMIT $6"
        ),
    };
    let pattern = format!("%{}%", listing.search.replace('!', "!!").replace('%', "!%").replace('_', "!_"));
    Ok(on!(tx, c => sqlx::query_as::<_, Row>(sql)
        .bind(listing.scope.site()).bind(listing.before.map(|id| id.0)).bind(listing.search).bind(&pattern)
        .bind(listing.day_start).bind(listing.limit).fetch_all(c).await)?)
}

/// One case within the caller's sites.
pub async fn row(tx: &mut Tx, case: CaseId, scope: Scope) -> Result<Row> {
    on!(tx, c => sqlx::query_as::<_, Row>(select_rows!(
        "WHERE c.id = $1 AND (CAST($2 AS BIGINT) IS NULL OR c.site_id = $2)"))
        .bind(case).bind(scope.site()).fetch_optional(c).await)?
    .ok_or(Error::NotFound)
}

/// Every case that is to be read, due soonest first.
pub async fn open_cases(tx: &mut Tx, scope: Scope, limit: i64) -> Result<Vec<Row>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Row>(select_rows!(
        "WHERE c.state IN ('arriving', 'queued', 'assigned', 'opened', 'drafted', 'submitted', 'returned')
           AND (CAST($1 AS BIGINT) IS NULL OR c.site_id = $1)
          ORDER BY COALESCE(c.due_us, 9223372036854775807), c.id LIMIT $2"))
        .bind(scope.site()).bind(limit).fetch_all(c).await)?)
}

/// What one specialist holds, got back, or may review.
pub async fn of_specialist(tx: &mut Tx, account: AccountId) -> Result<Vec<Row>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Row>(select_rows!(
        "WHERE c.assignee_id = $1 AND c.state IN ('assigned', 'opened', 'drafted', 'returned') ORDER BY c.id"))
        .bind(account).fetch_all(c).await)?)
}

/// Signed by one specialist, alone or with another, and images came since that nobody has answered for: those of which some
/// came since `since`, the latest first.
pub async fn outdated(tx: &mut Tx, account: AccountId, since: Micros, limit: i64) -> Result<Vec<Row>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Row>(select_rows!(
        "WHERE c.late > c.late_seen AND c.late > 0 AND c.late_us >= $2 AND c.state = 'signed' AND (c.assignee_id = $1 OR c.reviewer_id = $1)
         ORDER BY c.late_us DESC, c.id LIMIT $3"))
        .bind(account).bind(since).bind(limit).fetch_all(c).await)?)
}

/// Every case somebody holds under a lease: at most one a specialist.
pub async fn held(tx: &mut Tx, scope: Scope) -> Result<Vec<Row>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Row>(select_rows!(
        "WHERE c.state IN ('assigned', 'opened', 'drafted') AND c.lease IS NOT NULL
           AND (CAST($1 AS BIGINT) IS NULL OR c.site_id = $1) ORDER BY c.id"))
        .bind(scope.site()).fetch_all(c).await)?)
}

/// Submitted, and no part of it written by them: what a reviewer may sign or return, most urgent first, then oldest.
pub async fn to_review(tx: &mut Tx, reviewer: AccountId, limit: i64) -> Result<Vec<Row>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Row>(select_rows!(
        "WHERE c.state = 'submitted' AND c.assignee_id <> $1
           AND NOT EXISTS (SELECT 1 FROM report_author w WHERE w.report_id = r.id AND w.account_id = $1)
         ORDER BY CASE c.urgency WHEN 'stat' THEN 0 WHEN 'urgent' THEN 1 ELSE 2 END, c.submitted_us, c.id LIMIT $2"))
        .bind(reviewer).bind(limit).fetch_all(c).await)?)
}

/// How many those are in all.
pub async fn count_to_review(tx: &mut Tx, reviewer: AccountId) -> Result<i64> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM case_ c
           LEFT JOIN report r ON r.case_id = c.id
                AND r.version = (SELECT MAX(m.version) FROM report m WHERE m.case_id = c.id)
          WHERE c.state = 'submitted' AND c.assignee_id <> $1
            AND NOT EXISTS (SELECT 1 FROM report_author w WHERE w.report_id = r.id AND w.account_id = $1)")
        .bind(reviewer).fetch_one(c).await)?)
}

/// Who wrote of the reports that wait for a review: none of them may review it.
pub async fn writers_of_submitted(tx: &mut Tx, scope: Scope) -> Result<Vec<(CaseId, AccountId)>> {
    Ok(on!(tx, c => sqlx::query_as::<_, (CaseId, AccountId)>(
        "SELECT c.id, c.assignee_id FROM case_ c
          WHERE c.state = 'submitted' AND c.assignee_id IS NOT NULL AND (CAST($1 AS BIGINT) IS NULL OR c.site_id = $1)
          UNION
         SELECT c.id, w.account_id FROM case_ c JOIN report r ON r.case_id = c.id
                AND r.version = (SELECT MAX(m.version) FROM report m WHERE m.case_id = c.id)
           JOIN report_author w ON w.report_id = r.id
          WHERE c.state = 'submitted' AND (CAST($1 AS BIGINT) IS NULL OR c.site_id = $1)
          ORDER BY 1, 2").bind(scope.site()).fetch_all(c).await)?)
}

/// The queue in the order `routing::decide` serves it: id only.
pub async fn queue_order(tx: &mut Tx) -> Result<Vec<CaseId>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, CaseId>(
        "SELECT id FROM case_ WHERE state = 'queued'
          ORDER BY CASE urgency WHEN 'stat' THEN 0 WHEN 'urgent' THEN 1 ELSE 2 END, queued_us, id")
        .fetch_all(c).await)?)
}

/// One finished or unfinished case of a day, for figures: everything a turnaround needs and no person.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Figure {
    pub site_id: SiteId,
    pub modality: String,
    pub assignee_id: Option<AccountId>,
    #[sqlx(try_from = "String")]
    pub state: CaseState,
    pub complete_us: Option<Micros>,
    pub signed_us: Option<Micros>,
    pub due_us: Option<Micros>,
}

impl Figure {
    /// Minutes from complete to signed.
    pub fn minutes(&self) -> Option<f64> {
        Some(self.signed_us?.since(self.complete_us?).as_secs_f64() / 60.0)
    }

    pub fn in_time(&self) -> bool {
        self.signed_us.is_some_and(|signed| self.due_us.is_none_or(|due| signed <= due))
    }
}

/// Cases that are open or were signed since `day_start`. What was signed before then is not even looked at.
pub async fn figures(tx: &mut Tx, scope: Scope, day_start: Micros) -> Result<Vec<Figure>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Figure>(
        "SELECT site_id, modality, assignee_id, state, complete_us, signed_us, due_us FROM case_
          WHERE state IN ('arriving', 'queued', 'assigned', 'opened', 'drafted', 'submitted', 'returned')
            AND (CAST($2 AS BIGINT) IS NULL OR site_id = $2)
          UNION ALL
         SELECT site_id, modality, assignee_id, state, complete_us, signed_us, due_us FROM case_
          WHERE signed_us >= $1 AND (CAST($2 AS BIGINT) IS NULL OR site_id = $2)")
        .bind(day_start).bind(scope.site()).fetch_all(c).await)?)
}

/// Signed reports that nobody at their site has read yet, counted up to `most`.
pub async fn unread(tx: &mut Tx, scope: Scope, most: i64) -> Result<i64> {
    let (first, last) = scope.site().map_or((i64::MIN, i64::MAX), |site| (site, site));
    Ok(on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM (SELECT 1 FROM case_ WHERE state = 'signed' AND read_us IS NULL
                                  AND site_id >= $1 AND site_id <= $2 LIMIT $3) AS unread")
        .bind(first).bind(last).bind(most).fetch_one(c).await)?)
}

/// Is there anything a dispatcher could do?
pub async fn routing_has_work(tx: &mut Tx, now: Micros) -> Result<bool> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM case_
          WHERE state = 'queued' OR (state IN ('assigned', 'opened', 'drafted') AND lease_until_us < $1)")
        .bind(now).fetch_one(c).await)?
        > 0)
}

const CHANGED: &str = "the case has changed since it was shown";

/// What an operator may change, guarded by the version it was based on.
pub struct Change<'a> {
    pub version: i64,
    pub urgency: Option<Urgency>,
    pub question: Option<&'a str>,
    /// The due time that follows from the new urgency.
    pub due: Option<Micros>,
}

pub async fn change(
    tx: &mut Tx,
    case: CaseId,
    scope: Scope,
    change: &Change<'_>,
    by: AccountId,
    now: Micros,
) -> Result<()> {
    let before = row(tx, case, scope).await?;
    if before.version != change.version {
        return Err(Error::Stale(CHANGED));
    }
    if before.state == CaseState::Signed {
        return Err(Error::Refused("the report is signed"));
    }
    let place = Place { site_id: before.site_id, study_id: before.study_id };
    let changed = on!(tx, c => sqlx::query(
        "UPDATE case_ SET urgency = $1, question = $2, due_us = $3, version = version + 1 WHERE id = $4 AND version = $5")
        .bind(change.urgency.unwrap_or(before.urgency).word())
        .bind(change.question.unwrap_or(&before.question))
        .bind(change.due.or(before.due_us).map(|due| due.0)).bind(case).bind(before.version)
        .execute(c).await.map(|done| done.rows_affected()))?;
    if changed == 0 {
        return Err(Error::Stale(CHANGED));
    }
    if let Some(urgency) = change.urgency.filter(|u| *u != before.urgency) {
        let detail = serde_json::json!({ "from": before.urgency, "to": urgency });
        tx.event(&place.event(EventKind::UrgencyChanged, case, now).by(by).detail(detail)).await?;
    }
    if change.question.is_some_and(|q| q != before.question) {
        tx.event(&place.event(EventKind::QuestionChanged, case, now).by(by)).await?;
    }
    Ok(())
}

/// The township has seen the signed report; only the first time counts.
pub async fn read_by_site(tx: &mut Tx, case: CaseId, scope: Scope, by: AccountId, now: Micros) -> Result<()> {
    let before = row(tx, case, scope).await?;
    if before.state != CaseState::Signed {
        return Err(Error::Refused("the report is not signed yet"));
    }
    let read = on!(tx, c => sqlx::query(
        "UPDATE case_ SET read_us = $1, version = version + 1 WHERE id = $2 AND read_us IS NULL")
        .bind(now).bind(case).execute(c).await.map(|done| done.rows_affected()))?;
    if read == 0 {
        return Ok(());
    }
    let place = Place { site_id: before.site_id, study_id: before.study_id };
    tx.event(&place.event(EventKind::ReadBySite, case, now).by(by)).await
}
