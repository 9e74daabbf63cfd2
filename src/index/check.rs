//! What only `yunying check` asks.

use super::{Result, Tx, on};
use crate::domain::StudyId;

/// A signed report as its row has it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SealedReport {
    pub id: i64,
    pub content: Option<Vec<u8>>,
    pub content_sha256: Option<Vec<u8>>,
    pub pdf_key: Option<String>,
    pub pdf_sha256: Option<Vec<u8>>,
}

pub async fn signed_reports_after(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<SealedReport>> {
    Ok(on!(tx, c => sqlx::query_as::<_, SealedReport>(
        "SELECT id, content, content_sha256, pdf_key, pdf_sha256 FROM report
          WHERE state = 'signed' AND id > $1 ORDER BY id LIMIT $2").bind(after).bind(limit).fetch_all(c).await)?)
}

/// Studies whose count of instances is not that of their rows.
pub async fn miscounted_studies(tx: &mut Tx) -> Result<Vec<StudyId>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, StudyId>(
        "SELECT s.id FROM study s
          WHERE s.instances <> (SELECT COUNT(*) FROM instance i JOIN series e ON e.id = i.series_id
                                 WHERE e.study_id = s.id)
             OR s.quarantined <> (SELECT COUNT(*) FROM quarantine q
                                    WHERE q.study_id = s.id AND q.settled_us IS NULL) LIMIT 100")
        .fetch_all(c).await)?)
}

/// Whether a row has an object of that UID and content, as an instance or in quarantine, or it was erased.
pub async fn has_object(tx: &mut Tx, sop_uid: &str, sop_hash: i64, sha256: &[u8]) -> Result<bool> {
    let found = on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM (
             SELECT 1 AS one FROM instance WHERE sop_hash = $1 AND sop_uid = $2 AND sha256 = $3
             UNION ALL SELECT 1 FROM quarantine WHERE sop_uid = $2 AND sha256 = $3
             UNION ALL SELECT 1 FROM erased_dataset WHERE sha256 = $3) AS found")
        .bind(sop_hash).bind(sop_uid).bind(sha256).fetch_one(c).await)?;
    Ok(found > 0)
}
