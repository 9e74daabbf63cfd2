//! The event log is unbroken, the counters are those of the rows, and signed reports are as they were sealed.

use sha2::{Digest, Sha256};

use super::{CheckError, Checked, Findings};
use crate::archive::ObjectKey;
use crate::index::check::{SealedReport, miscounted_studies, signed_reports_after};
use crate::index::events;

const PAGE: i64 = 200;

pub(super) async fn check(on: &Checked, findings: &mut Findings) -> Result<(), CheckError> {
    let mut tx = on.db.read().await?;
    match events::verify_chain(&mut tx).await? {
        Ok(length) => findings.counted("events in the chain", u64::try_from(length).unwrap_or(0)),
        Err(broken) => findings.wrong(format!("the event log is broken at event {broken}")),
    }
    for study in miscounted_studies(&mut tx).await? {
        findings.wrong(format!("study {study} has another number of instances than it says"));
    }
    let (mut after, mut count) = (0, 0);
    loop {
        let page = signed_reports_after(&mut tx, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for report in &page {
            count += 1;
            if let Some(what) = report_fault(on, report).await? {
                findings.wrong(format!("report {}: {what}", report.id));
            }
        }
    }
    findings.counted("signed reports", count);
    Ok(())
}

async fn report_fault(on: &Checked, report: &SealedReport) -> Result<Option<String>, CheckError> {
    let (Some(content), Some(sha256)) = (&report.content, &report.content_sha256) else {
        return Ok(Some("it is signed and has no sealed content".into()));
    };
    if Sha256::digest(content)[..] != sha256[..] {
        return Ok(Some("its content is not what was signed".into()));
    }
    let (Some(key), Some(sha256)) = (&report.pdf_key, &report.pdf_sha256) else { return Ok(None) };
    let Ok(key) = ObjectKey::from_row(key.clone()) else { return Ok(None) };
    match on.archive.digest(&key).await {
        Ok(found) if found.sha256[..] == sha256[..] => Ok(None),
        Ok(_) => Ok(Some("its printed form is not what was made".into())),
        Err(crate::archive::ArchiveError::Missing(_)) => Ok(Some(format!("its printed form {key} is missing"))),
        Err(error) => Err(error.into()),
    }
}
