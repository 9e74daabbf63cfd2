//! The forms a patient's name can be found under, kept beside the patient's row.

use crate::dicom::search_forms;
use crate::domain::PatientId;
use crate::index::{Db, Result, Tx, on};

/// Patients of one transaction when names are made up for.
const BATCH: i64 = 200;

/// Writes the forms of a patient's name.
pub async fn add_names(tx: &mut Tx, patient: PatientId, name_raw: &str) -> Result<()> {
    for (kind, form) in search_forms(name_raw) {
        on!(tx, c => sqlx::query(
            "INSERT INTO name_form (patient_id, kind, form) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(patient).bind(kind.word()).bind(form).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Names the patients of an index that is older than this table; nothing to do after the first time.
pub async fn name_the_unnamed(db: &Db) -> Result<()> {
    loop {
        let mut tx = db.read().await?;
        let unnamed = unnamed(&mut tx).await?;
        drop(tx);
        if unnamed.is_empty() {
            return Ok(());
        }
        let mut tx = db.write().await?;
        for (patient, name_raw) in unnamed {
            add_names(&mut tx, patient, &name_raw).await?;
            on!(&mut tx, c => sqlx::query("DELETE FROM patient_unnamed WHERE patient_id = $1")
                .bind(patient).execute(c).await.map(drop))?;
        }
        tx.commit().await?;
    }
}

async fn unnamed(tx: &mut Tx) -> Result<Vec<(PatientId, String)>> {
    Ok(on!(tx, c => sqlx::query_as::<_, (PatientId, String)>(
        "SELECT p.id, p.name_raw FROM patient_unnamed u JOIN patient p ON p.id = u.patient_id
          ORDER BY p.id LIMIT $1").bind(BATCH).fetch_all(c).await)?)
}
