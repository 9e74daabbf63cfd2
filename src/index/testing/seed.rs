//! Rows to try things on, written straight into the tables: a case with all that stands behind it, and accounts.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::domain::{AccountId, CaseId, CaseState, DeviceId, Micros, Role, SiteId, Urgency};
use crate::index::{Db, Tx, community, on};

/// One case at a site, with a study, series, instance and an unfinished report behind it. Nothing lies in a store: what
/// serves images finds none.
pub struct SeededCase {
    pub site: SiteId,
    pub study: i64,
    pub instance: i64,
    pub case: CaseId,
    pub report: i64,
}

static NEXT_UID: AtomicU32 = AtomicU32::new(1000);

// In each: $1 the study's UID, $2 the row it hangs on, $3 the site, $4 the device, $5 the time. PostgreSQL wants every one of
// them used.

const PATIENT: &str = "INSERT INTO patient (site_id, issuer, pid, name, name_raw, sex, birth_date)
    VALUES ($3, '', $1, '张测试', 'Zhang^Ceshi', 'female', '19680412')
    RETURNING id + 0 * (CAST($2 AS BIGINT) + CAST($4 AS BIGINT) + CAST($5 AS BIGINT))";

const STUDY: &str = "INSERT INTO study (uid, patient_id, site_id, device_id, accession, study_id, study_date, study_time,
        exam_us, description, modality, modalities, body_part, referring, age, instances, bytes, quarantined, first_us, last_us)
    VALUES ($1, $2, $3, $4, 'A1', '1', '20261120', '0942', $5, '胸部 CT', 'CT', 'CT', 'CHEST', '', '058Y', 1, 10, 0, $5, $5)
    RETURNING id";

const SERIES: &str = "INSERT INTO series (study_id, uid, modality, number, description, body_part, instances, last_us)
    VALUES ($2, $1, 'CT', 1, '', 'CHEST', 1, $5)
    RETURNING id + 0 * (CAST($3 AS BIGINT) + CAST($4 AS BIGINT))";

const INSTANCE: &str = "INSERT INTO instance (series_id, sop_uid, sop_hash, sop_class, transfer_syntax, number, frames,
        device_id, calling_ae, received_us, bytes, sha256, crc32, dataset_offset, node, segment, position, file_offset,
        delivery, delivery_reason)
    VALUES ($2, $1, 1, '1.2', '1.2.840.10008.1.2.1', 1, 0, $4, 'A', $5, 10, '', 0, 0, 'a', 1, 1, 0, 'none', '')
    RETURNING id + 0 * CAST($3 AS BIGINT)";

const CASE: &str =
    "INSERT INTO case_ (study_id, site_id, modality, body_part, urgency, question, state, version, arriving_us,
        complete_us, queued_us)
    VALUES ($2, $3, 'CT', 'CHEST', 'routine', '', 'queued', 1, $5, $5, $5)
    RETURNING id + 0 * (length($1) + CAST($4 AS BIGINT))";

const REPORT: &str = "INSERT INTO report (case_id, version, state, template, findings, impression, note, rev, saved_us,
        signatures_needed)
    VALUES ($2, 1, 'draft', '', '', '', '', 1, $5, 1)
    RETURNING id + 0 * (length($1) + CAST($3 AS BIGINT) + CAST($4 AS BIGINT))";

/// What every row of one case shares.
struct Shared {
    uid: String,
    site: SiteId,
    device: DeviceId,
    at: Micros,
}

impl Shared {
    /// Inserts a row that hangs on row `of`; its id.
    async fn insert(&self, tx: &mut Tx, sql: &'static str, of: i64) -> i64 {
        on!(tx, c => sqlx::query_scalar::<_, i64>(sql)
            .bind(&self.uid).bind(of).bind(self.site).bind(self.device).bind(self.at).fetch_one(c).await)
        .unwrap()
    }
}

/// Seeds a site `code` with a device and one case in `state`, queued at `queued`.
pub async fn seed_case(db: &Db, code: &str, state: CaseState, urgency: Urgency, queued: Micros) -> SeededCase {
    let mut tx = db.write().await.unwrap();
    let site = match community::site_by_code(&mut tx, code).await {
        Ok(site) => site.id,
        Err(_) => community::add_site(&mut tx, code, code, "township", queued).await.unwrap(),
    };
    let uid = format!("2.25.{}", NEXT_UID.fetch_add(1, Ordering::Relaxed));
    let device = community::add_device(&mut tx, &uid[4..], site, "CT", None, queued).await.unwrap();
    let rows = Shared { uid, site, device, at: queued };
    let patient = rows.insert(&mut tx, PATIENT, 0).await;
    let study = rows.insert(&mut tx, STUDY, patient).await;
    let series = rows.insert(&mut tx, SERIES, study).await;
    let instance = rows.insert(&mut tx, INSTANCE, series).await;
    let case = rows.insert(&mut tx, CASE, study).await;
    on!(&mut tx, c => sqlx::query("UPDATE case_ SET state = $1, urgency = $2 WHERE id = $3")
        .bind(state.word()).bind(urgency.word()).bind(case).execute(c).await.map(drop))
    .unwrap();
    let report = rows.insert(&mut tx, REPORT, case).await;
    tx.commit().await.unwrap();
    SeededCase { site, study, instance, case: CaseId(case), report }
}

/// An account of each role a test asks for; the password hash opens nothing.
pub async fn seed_account(db: &Db, login: &str, role: Role, site: Option<SiteId>) -> AccountId {
    let mut tx = db.write().await.unwrap();
    let new = community::NewAccount {
        login: login.into(),
        name: login.into(),
        title: "主治医师".into(),
        role,
        site,
        modalities: "*".into(),
        password_hash: String::new(),
    };
    let id = community::add_account(&mut tx, &new, Micros(1)).await.unwrap();
    tx.commit().await.unwrap();
    id
}
