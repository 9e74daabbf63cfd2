//! Signed reports: reading them, checking them, and attaching the one PDF each has.

use std::collections::HashMap;

use serde_json::json;

use super::signatures;
use crate::domain::{AccountId, CaseId, Micros, ReportId, SiteId, StudyId};
use crate::index::{Error, Event, EventKind, Result, Scope, Tx, on};
use crate::signing::Seal;

/// A signed report's content as it was sealed.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Sealed {
    pub id: ReportId,
    pub case_id: CaseId,
    pub site_id: SiteId,
    pub study_id: StudyId,
    pub number: String,
    /// Without separators.
    pub verify_code: String,
    /// Canonical bytes; see `signing::content`.
    pub content: Vec<u8>,
    pub content_sha256: Vec<u8>,
    pub signed_us: Micros,
    pub pdf_sha256: Option<Vec<u8>>,
}

/// Where a signed report's PDF is.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Printed {
    pub id: ReportId,
    pub case_id: CaseId,
    pub site_id: SiteId,
    pub study_id: StudyId,
    pub number: String,
    pub pdf_key: Option<String>,
    pub pdf_sha256: Option<Vec<u8>>,
}

/// The columns of [`Sealed`]; one more condition follows.
macro_rules! select_sealed {
    ($and:literal) => {
        concat!(
            "SELECT r.id, r.case_id, c.site_id, c.study_id, r.number, r.verify_code, r.content, r.content_sha256,
                    r.signed_us, r.pdf_sha256
               FROM report r JOIN case_ c ON c.id = r.case_id WHERE r.state = 'signed' AND ",
            $and
        )
    };
}

/// A signed report by its row.
pub async fn sealed(tx: &mut Tx, report: ReportId) -> Result<Sealed> {
    let sql = select_sealed!("r.id = $1");
    on!(tx, c => sqlx::query_as::<_, Sealed>(sql).bind(report).fetch_optional(c).await)?.ok_or(Error::NotFound)
}

/// How many reports that became final since `start` bear each doctor's name, as writer or as reviewer.
pub async fn signatures_since(tx: &mut Tx, start: Micros) -> Result<HashMap<AccountId, i64>> {
    let counted = on!(tx, c => sqlx::query_as::<_, (AccountId, i64)>(
        "SELECT s.account_id, COUNT(*)
           FROM case_ c JOIN report r ON r.case_id = c.id AND r.state = 'signed' AND r.signed_us >= $1
                JOIN report_signature s ON s.report_id = r.id
          WHERE c.signed_us >= $1 GROUP BY s.account_id")
        .bind(start).fetch_all(c).await)?;
    Ok(counted.into_iter().collect())
}

/// A signed report by its number.
pub async fn by_number(tx: &mut Tx, number: &str) -> Result<Option<Sealed>> {
    let sql = select_sealed!("r.number = $1");
    Ok(on!(tx, c => sqlx::query_as::<_, Sealed>(sql).bind(number).fetch_optional(c).await)?)
}

/// The signed report whose PDF has this hash.
pub async fn by_pdf(tx: &mut Tx, sha256: &[u8; 32]) -> Result<Option<Sealed>> {
    let sql = select_sealed!("r.pdf_sha256 = $1");
    Ok(on!(tx, c => sqlx::query_as::<_, Sealed>(sql).bind(&sha256[..]).fetch_optional(c).await)?)
}

/// The seals of a report, in the order they were given.
pub async fn seals(tx: &mut Tx, report: ReportId) -> Result<Vec<Seal>> {
    signatures(tx, report).await?.iter().map(super::SignatureRow::seal).collect()
}

/// Where the PDF of a signed report is, within the caller's sites.
pub async fn printed(tx: &mut Tx, report: ReportId, scope: Scope) -> Result<Printed> {
    let row = on!(tx, c => sqlx::query_as::<_, Printed>(
        "SELECT r.id, r.case_id, c.site_id, c.study_id, r.number, r.pdf_key, r.pdf_sha256
           FROM report r JOIN case_ c ON c.id = r.case_id
          WHERE r.id = $1 AND r.state = 'signed' AND (CAST($2 AS BIGINT) IS NULL OR c.site_id = $2)")
        .bind(report).bind(scope.site()).fetch_optional(c).await)?;
    row.ok_or(Error::NotFound)
}

/// Signed reports whose PDF is still to be made, oldest first.
pub async fn without_pdf(tx: &mut Tx, limit: i64) -> Result<Vec<ReportId>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, ReportId>(
        "SELECT id FROM report WHERE state = 'signed' AND pdf_key IS NULL ORDER BY signed_us LIMIT $1")
        .bind(limit).fetch_all(c).await)?)
}

/// Publishes the PDF that lies under `key`; false if another one was published first.
pub async fn attach_pdf(tx: &mut Tx, report: ReportId, key: &str, sha256: &[u8; 32], now: Micros) -> Result<bool> {
    let attached = on!(tx, c => sqlx::query(
        "UPDATE report SET pdf_key = $1, pdf_sha256 = $2 WHERE id = $3 AND state = 'signed' AND pdf_key IS NULL")
        .bind(key).bind(&sha256[..]).bind(report).execute(c).await.map(|done| done.rows_affected()))?;
    if attached == 0 {
        return Ok(false);
    }
    let sealed = sealed(tx, report).await?;
    on!(tx, c => sqlx::query(
        "UPDATE case_ SET delivered_us = COALESCE(delivered_us, $1), version = version + 1 WHERE id = $2")
        .bind(now).bind(sealed.case_id).execute(c).await.map(drop))?;
    let event = Event::new(EventKind::Delivered, now).site(sealed.site_id).study(sealed.study_id).case(sealed.case_id);
    tx.event(&event.report(report).detail(json!({"pdf_sha256": hex::encode(sha256)}))).await?;
    Ok(true)
}
