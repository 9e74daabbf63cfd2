//! Reports: drafts under a lease, signatures, and what stays of a signed one.
//!
//! Every change ([`change`]) is asked of `reporting::state` first and writes report, case and events in the caller's one
//! transaction. What was signed ([`signed`]) is only read, except that its PDF is attached once. Triggers in the tables
//! refuse any other change of a signed report, whoever writes the SQL.

mod change;
mod signed;

#[cfg(test)]
pub(crate) mod tests;

pub(in crate::index) use change::withdraw;
pub use change::{Rule, Save, Signatory, Signing, save_draft, send_back, sign, submit};
pub use signed::{
    Printed, Sealed, attach_pdf, by_number, by_pdf, printed, sealed, seals, signatures_since, without_pdf,
};

use super::{Error, Result, Tx, on};
use crate::domain::{AccountId, CaseId, Micros, ReportId, ReportState, SignatureRole};

/// The newest version of a case's report.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Row {
    id: ReportId,
    version: i64,
    state: String,
    template: String,
    findings: String,
    impression: String,
    note: String,
    rev: i64,
    saved_us: Micros,
    signatures_needed: i64,
    number: Option<String>,
    content: Option<Vec<u8>>,
    content_sha256: Option<Vec<u8>>,
    returned_note: Option<String>,
    returned_findings: Option<String>,
    returned_impression: Option<String>,
    /// Images the writer had on the screen when they submitted it.
    submitted_instances: Option<i64>,
}

#[derive(Debug, Clone, sqlx::FromRow)]
struct SignatureRow {
    role: String,
    account_id: AccountId,
    name: String,
    title: String,
    at_us: Micros,
    content_sha256: Vec<u8>,
    signature: Vec<u8>,
}

impl Row {
    fn state(&self) -> Result<ReportState> {
        ReportState::from_word(&self.state).ok_or_else(|| Error::Corrupt(format!("report {}: state", self.id)))
    }
}

/// The report of a case as its page shows it; none before the first save. The caller has checked that they may see the case.
pub async fn body(tx: &mut Tx, case: CaseId) -> Result<Option<wire::ReportBody>> {
    let Some(row) = newest(tx, case).await? else { return Ok(None) };
    let signatures = signatures(tx, row.id).await?;
    let writers = writers(tx, row.id).await?;
    let state = row.state()?;
    // What a reviewer said to its writer is not for those who read the signed report.
    let returned = row.returned_note.zip(row.returned_findings.zip(row.returned_impression));
    let returned = returned.filter(|_| state != ReportState::Signed);
    Ok(Some(wire::ReportBody {
        report: row.id.0,
        version: u32::try_from(row.version).unwrap_or(1),
        state,
        number: row.number,
        template: row.template,
        findings: row.findings,
        impression: row.impression,
        note: row.note,
        returned: returned.map(|(note, (findings, impression))| wire::Returned { note, findings, impression }),
        rev: row.rev,
        writers,
        saved_us: row.saved_us.0,
        signatures: signatures.into_iter().map(SignatureRow::into_wire).collect::<Result<_>>()?,
        content_sha256: row.content_sha256.filter(|_| state == ReportState::Signed).map(hex::encode),
    }))
}

impl SignatureRow {
    fn into_wire(self) -> Result<wire::Signature> {
        let role = SignatureRole::from_word(&self.role);
        let role = role.ok_or_else(|| Error::Corrupt(format!("signature of account {}: role", self.account_id)))?;
        let who = wire::Person { id: self.account_id.0, name: self.name, title: self.title };
        Ok(wire::Signature { role, who, at_us: self.at_us.0 })
    }
}

/// Whoever wrote any of its text, the latest last.
async fn writers(tx: &mut Tx, report: ReportId) -> Result<Vec<wire::Hand>> {
    let rows = on!(tx, c => sqlx::query_as::<_, (i64, String, String, Option<i64>)>(
        "SELECT a.id, a.name, a.title, w.at_us FROM report_author w JOIN account a ON a.id = w.account_id
          WHERE w.report_id = $1 ORDER BY COALESCE(w.at_us, 0), a.id")
        .bind(report).fetch_all(c).await)?;
    let hand = |(id, name, title, at_us)| wire::Hand { who: wire::Person { id, name, title }, at_us };
    Ok(rows.into_iter().map(hand).collect())
}

async fn newest(tx: &mut Tx, case: CaseId) -> Result<Option<Row>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Row>(
        "SELECT id, version, state, template, findings, impression, note, rev, saved_us, signatures_needed, number,
                content, content_sha256, returned_note, returned_findings, returned_impression, submitted_instances
           FROM report WHERE case_id = $1 ORDER BY version DESC LIMIT 1")
        .bind(case).fetch_optional(c).await)?)
}

/// In the order they were given.
async fn signatures(tx: &mut Tx, report: ReportId) -> Result<Vec<SignatureRow>> {
    Ok(on!(tx, c => sqlx::query_as::<_, SignatureRow>(
        "SELECT role, account_id, name, title, at_us, content_sha256, signature
           FROM report_signature WHERE report_id = $1 ORDER BY at_us, role DESC")
        .bind(report).fetch_all(c).await)?)
}
