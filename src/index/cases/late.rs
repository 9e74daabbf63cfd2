//! Images that came after a report was signed: which they are, and that a doctor has answered for them.

use super::{CHANGED, Place, Row};
use crate::domain::{AccountId, CaseId, CaseState, Micros, StudyId};
use crate::index::{Error, EventKind, Result, Tx, on};

/// Every image the study has now was before whoever signs for it.
pub async fn knows_all_images(tx: &mut Tx, case: CaseId) -> Result<()> {
    on!(tx, c => sqlx::query(
        "UPDATE case_ SET late_seen = 0, known_instance =
                (SELECT MAX(i.id) FROM instance i JOIN series e ON e.id = i.series_id WHERE e.study_id = case_.study_id)
          WHERE id = $1")
        .bind(case).execute(c).await.map(drop))?;
    Ok(())
}

/// The images of a study that its signed report does not know, in the order they came.
pub async fn late_images(tx: &mut Tx, study: StudyId) -> Result<Vec<i64>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT i.id FROM case_ c JOIN series e ON e.study_id = c.study_id JOIN instance i ON i.series_id = e.id
          WHERE c.study_id = $1 AND c.state = 'signed' AND c.late > c.late_seen AND i.id > c.known_instance ORDER BY i.id")
        .bind(study).fetch_all(c).await)?)
}

/// A doctor has looked at the `instances` images the study has, and the diagnosis stands. Nothing is closed for images that
/// were not on their screen.
pub async fn answer_late(tx: &mut Tx, row: &Row, instances: i64, by: AccountId, now: Micros) -> Result<()> {
    if row.state != CaseState::Signed {
        return Err(Error::Refused("the report is not signed yet"));
    }
    if row.late == 0 {
        return Ok(());
    }
    let answered = on!(tx, c => sqlx::query(
        "UPDATE case_ SET late_seen = late, version = version + 1, known_instance =
                (SELECT MAX(i.id) FROM instance i JOIN series e ON e.id = i.series_id WHERE e.study_id = case_.study_id)
          WHERE id = $1 AND late - late_seen = $2
            AND (SELECT s.instances FROM study s WHERE s.id = case_.study_id) = $3")
        .bind(row.id).bind(row.late).bind(instances).execute(c).await.map(|done| done.rows_affected()))?;
    if answered == 0 {
        return Err(Error::Stale(CHANGED));
    }
    let place = Place { site_id: row.site_id, study_id: row.study_id };
    let mut event = place.event(EventKind::LateAnswered, row.id, now).by(by);
    event.report = row.report_id;
    tx.event(&event.detail(serde_json::json!({ "images": row.late }))).await
}
