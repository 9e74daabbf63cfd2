//! What was told of a study that has all its images, or of how many there will be: the one place for such evidence.
//!
//! Whoever hears of it (the indexer in headers, later a performed procedure step or a request for storage commitment)
//! tells it with [`note`]; completeness asks [`of_arriving`] and weighs. A device may tell before the first image comes, so
//! evidence names a study by its UID; it counts for that site's study only, as nobody may end another site's exam.

use super::{Result, Tx, on};
use crate::domain::{CaseId, Micros, SiteId};

/// Something told of a study.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// A performed procedure step of the study is in progress (PS3.4 F.7.2.1).
    StepBegun { step: String },
    /// It is completed, and made so many instances.
    StepCompleted { step: String, instances: i64 },
    /// It was discontinued: what came is what there is, and nobody knows how much that is.
    StepDiscontinued { step: String },
    /// Commitment was asked for so many instances of the study (PS3.4 J.3.2).
    CommitmentAsked { transaction: String, instances: i64 },
    /// Number of Study Related Instances (0020,1208) in an image.
    StudyCount { instances: i64 },
    /// Number of Series Related Instances (0020,1209) in an image.
    SeriesCount { series: String, instances: i64 },
    /// Images in Acquisition (0020,1002) in an image of that acquisition.
    AcquisitionCount { series: String, acquisition: String, images: i64 },
}

/// The kinds of rows; what a completed study names as its evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    StepBegun,
    StepCompleted,
    Commitment,
    StudyCount,
    SeriesCount,
    AcquisitionCount,
}

impl Kind {
    pub const fn word(self) -> &'static str {
        match self {
            Kind::StepBegun => "step_begun",
            Kind::StepCompleted => "step_completed",
            Kind::Commitment => "commitment",
            Kind::StudyCount => "study_count",
            Kind::SeriesCount => "series_count",
            Kind::AcquisitionCount => "acquisition_count",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        const ALL: [Kind; 6] = [
            Kind::StepBegun,
            Kind::StepCompleted,
            Kind::Commitment,
            Kind::StudyCount,
            Kind::SeriesCount,
            Kind::AcquisitionCount,
        ];
        ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl Evidence {
    /// Its row: kind, subject, part, count.
    fn row(&self) -> (Kind, &str, &str, i64) {
        match self {
            Evidence::StepBegun { step } | Evidence::StepDiscontinued { step } => (Kind::StepBegun, step, "", 0),
            Evidence::StepCompleted { step, instances } => (Kind::StepCompleted, step, "", *instances),
            Evidence::CommitmentAsked { transaction, instances } => (Kind::Commitment, transaction, "", *instances),
            Evidence::StudyCount { instances } => (Kind::StudyCount, "", "", *instances),
            Evidence::SeriesCount { series, instances } => (Kind::SeriesCount, series, "", *instances),
            Evidence::AcquisitionCount { series, acquisition, images } => {
                (Kind::AcquisitionCount, series, acquisition, *images)
            }
        }
    }
}

/// Tells `evidence` of a study of that site. Told again it changes nothing, but for counts that differ: both are kept.
pub async fn note(tx: &mut Tx, site: SiteId, study_uid: &str, evidence: &Evidence, now: Micros) -> Result<()> {
    let (kind, subject, part, count) = evidence.row();
    if let Evidence::StepCompleted { step, .. } | Evidence::StepDiscontinued { step } = evidence {
        on!(tx, c => sqlx::query(
            "DELETE FROM study_evidence WHERE site_id = $1 AND study_uid = $2 AND kind = $3 AND subject = $4")
            .bind(site).bind(study_uid).bind(Kind::StepBegun.word()).bind(step).execute(c).await.map(drop))?;
    }
    if matches!(evidence, Evidence::StepDiscontinued { .. }) {
        return Ok(());
    }
    on!(tx, c => sqlx::query(
        "INSERT INTO study_evidence (site_id, study_uid, kind, subject, part, least, most, at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7)
         ON CONFLICT (site_id, study_uid, kind, subject, part) DO UPDATE SET
            least = CASE WHEN excluded.least < study_evidence.least THEN excluded.least ELSE study_evidence.least END,
            most = CASE WHEN excluded.most > study_evidence.most THEN excluded.most ELSE study_evidence.most END")
        .bind(site).bind(study_uid).bind(kind.word()).bind(subject).bind(part).bind(count).bind(now)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// One row of evidence of a study that is arriving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub case: CaseId,
    pub kind: Kind,
    /// UID of the step, transaction or series.
    pub subject: String,
    pub least: i64,
    pub most: i64,
    /// Of the series it is about, if it is about one: how many there are.
    pub there: i64,
}

#[derive(sqlx::FromRow)]
struct ToldRow {
    case_id: CaseId,
    kind: String,
    subject: String,
    least: i64,
    most: i64,
    there: i64,
}

/// All evidence of arriving cases, by case.
pub async fn of_arriving(tx: &mut Tx) -> Result<Vec<Told>> {
    let rows = on!(tx, c => sqlx::query_as::<_, ToldRow>(
        "SELECT c.id AS case_id, e.kind, e.subject, e.least, e.most, COALESCE(se.instances, 0) AS there
           FROM case_ c JOIN study s ON s.id = c.study_id
           JOIN study_evidence e ON e.site_id = s.site_id AND e.study_uid = s.uid
           LEFT JOIN series se ON se.study_id = s.id AND se.uid = e.subject
          WHERE c.state = 'arriving' ORDER BY c.id, e.kind, e.subject, e.part").fetch_all(c).await)?;
    let told = |row: ToldRow| {
        let ToldRow { case_id: case, subject, least, most, there, .. } = row;
        // A kind of a newer program weighs nothing here.
        Kind::from_word(&row.kind).map(|kind| Told { case, kind, subject, least, most, there })
    };
    Ok(rows.into_iter().filter_map(told).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CaseState, Urgency};
    use crate::index::Db;
    use crate::index::testing::{on_both_engines, seed_case};

    const NOW: Micros = Micros(1_000_000);

    async fn tell(db: &Db, site: SiteId, uid: &str, evidence: Evidence) {
        let mut tx = db.write().await.unwrap();
        note(&mut tx, site, uid, &evidence, NOW).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn kinds(db: &Db) -> Vec<(Kind, i64, i64)> {
        let told = of_arriving(&mut db.read().await.unwrap()).await.unwrap();
        told.into_iter().map(|told| (told.kind, told.least, told.most)).collect()
    }

    #[tokio::test]
    async fn a_step_that_is_over_is_no_longer_in_progress_and_what_another_site_tells_counts_nothing() {
        on_both_engines(async |db| {
            let seeded = seed_case(&db, "xz", CaseState::Arriving, Urgency::Routine, NOW).await;
            let other = seed_case(&db, "dh", CaseState::Queued, Urgency::Routine, NOW).await;
            let mut tx = db.read().await.unwrap();
            let uid = on!(&mut tx, c => sqlx::query_scalar::<_, String>("SELECT uid FROM study WHERE id = $1")
                .bind(seeded.study).fetch_one(c).await)
            .unwrap();
            drop(tx);
            let step = || "2.25.7".to_owned();
            tell(&db, other.site, &uid, Evidence::StepCompleted { step: step(), instances: 1 }).await;
            assert_eq!(kinds(&db).await, []);
            tell(&db, seeded.site, &uid, Evidence::StepBegun { step: step() }).await;
            assert_eq!(kinds(&db).await, [(Kind::StepBegun, 0, 0)]);
            tell(&db, seeded.site, &uid, Evidence::StepCompleted { step: step(), instances: 3 }).await;
            assert_eq!(kinds(&db).await, [(Kind::StepCompleted, 3, 3)]);
            tell(&db, seeded.site, &uid, Evidence::StudyCount { instances: 4 }).await;
            tell(&db, seeded.site, &uid, Evidence::StudyCount { instances: 2 }).await;
            assert_eq!(kinds(&db).await, [(Kind::StepCompleted, 3, 3), (Kind::StudyCount, 2, 4)]);
            tell(&db, seeded.site, &uid, Evidence::StepBegun { step: "2.25.8".into() }).await;
            tell(&db, seeded.site, &uid, Evidence::StepDiscontinued { step: "2.25.8".into() }).await;
            assert_eq!(kinds(&db).await.len(), 2);
        })
        .await;
    }
}
