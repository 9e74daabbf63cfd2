//! Runs a contract test on both engines: SQLite in a temporary folder, PostgreSQL as Debian ships it, on loopback.

pub mod postgres;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Db, Result, Tx, community, on};
use crate::archive::testing::Store;
use crate::domain::{AccountId, CaseId, CaseState, Micros, Role, SiteId, Urgency};

/// Runs `test` on a fresh SQLite database, then on a fresh PostgreSQL one.
///
/// Without PostgreSQL on the machine the second half is skipped aloud; with `CI=true` that is a failure.
pub async fn on_both_engines<F: AsyncFn(Db)>(test: F) {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Db::open(&format!("sqlite:{}", folder.path().join("index.db").display())).await.unwrap();
    test(sqlite.clone()).await;
    sqlite.close().await;
    let Some(server) = postgres::server() else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "PostgreSQL is not installed");
        eprintln!("skipped on PostgreSQL: not installed");
        return;
    };
    let postgres = Db::open(&server.fresh_database()).await.unwrap();
    test(postgres.clone()).await;
    postgres.close().await;
}

/// An archive as a center with this database has it: a directory where one machine has SQLite, S3 where several share
/// PostgreSQL. So what is tried on both engines is tried on both stores.
pub fn store_of(db: &Db) -> Store {
    if db.postgres().is_some() { Store::s3() } else { Store::local() }
}

/// Commits `first` once `second`, a transaction of its own, waits for it; what becomes of `second`.
pub async fn overtaken<T>(db: &Db, first: Tx, second: impl AsyncFnOnce(&mut Tx) -> Result<T>) -> Result<T> {
    let late = async {
        let mut tx = db.write().await?;
        let done = second(&mut tx).await?;
        tx.commit().await?;
        Ok(done)
    };
    let early = async {
        until_somebody_waits(db).await;
        first.commit().await
    };
    let (late, early) = tokio::join!(late, early);
    early.unwrap();
    late
}

/// Until a transaction waits for another one's lock. On SQLite there is one writer: a second one waits to begin.
async fn until_somebody_waits(db: &Db) {
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut tx = db.read().await.unwrap();
        let Tx::Postgres { inner, .. } = &mut tx else { return };
        let waiting: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(&mut **inner)
        .await
        .unwrap();
        if waiting > 0 {
            return;
        }
    }
    panic!("nobody came to wait for the first transaction");
}

/// One case at a site, with a study, series, instance and an unfinished report behind it: enough to try every route on.
pub struct SeededCase {
    pub site: SiteId,
    pub study: i64,
    pub instance: i64,
    pub case: CaseId,
    pub report: i64,
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
    let id = async |tx: &mut Tx, sql: &'static str, of: i64| {
        on!(tx, c => sqlx::query_scalar::<_, i64>(sql)
            .bind(&uid).bind(of).bind(site).bind(device).bind(queued).fetch_one(c).await)
        .unwrap()
    };
    let patient = id(
        &mut tx,
        "INSERT INTO patient (site_id, issuer, pid, name, name_raw, sex, birth_date)
         VALUES ($3, '', $1, '张测试', 'Zhang^Ceshi', 'female', '19680412')
         RETURNING id + 0 * (CAST($2 AS BIGINT) + CAST($4 AS BIGINT) + CAST($5 AS BIGINT))",
        0,
    )
    .await;
    let study = id(
        &mut tx,
        "INSERT INTO study (uid, patient_id, site_id, device_id, accession, study_id, study_date, study_time, exam_us,
            description, modality, modalities, body_part, referring, age, instances, bytes, quarantined, first_us, last_us)
         VALUES ($1, $2, $3, $4, 'A1', '1', '20261120', '0942', $5, '胸部 CT', 'CT', 'CT', 'CHEST', '', '058Y', 1, 10, 0, $5, $5)
         RETURNING id",
        patient,
    )
    .await;
    let series = id(
        &mut tx,
        "INSERT INTO series (study_id, uid, modality, number, description, body_part, instances, last_us)
         VALUES ($2, $1, 'CT', 1, '', 'CHEST', 1, $5)
         RETURNING id + 0 * (CAST($3 AS BIGINT) + CAST($4 AS BIGINT))",
        study,
    )
    .await;
    let instance = id(
        &mut tx,
        "INSERT INTO instance (series_id, sop_uid, sop_hash, sop_class, transfer_syntax, number, frames, device_id,
            calling_ae, received_us, bytes, sha256, crc32, dataset_offset, node, segment, position, file_offset,
            delivery, delivery_reason)
         VALUES ($2, $1, 1, '1.2', '1.2.840.10008.1.2.1', 1, 0, $4, 'A', $5, 10, '', 0, 0, 'a', 1, 1, 0, 'none', '')
         RETURNING id + 0 * CAST($3 AS BIGINT)",
        series,
    )
    .await;
    let case = id(
        &mut tx,
        "INSERT INTO case_ (study_id, site_id, modality, body_part, urgency, question, state, version, arriving_us,
            complete_us, queued_us)
         VALUES ($2, $3, 'CT', 'CHEST', 'routine', '', 'queued', 1, $5, $5, $5)
         RETURNING id + 0 * (length($1) + CAST($4 AS BIGINT))",
        study,
    )
    .await;
    on!(&mut tx, c => sqlx::query("UPDATE case_ SET state = $1, urgency = $2 WHERE id = $3")
        .bind(state.word()).bind(urgency.word()).bind(case).execute(c).await.map(drop))
    .unwrap();
    let report = id(
        &mut tx,
        "INSERT INTO report (case_id, version, state, template, findings, impression, note, rev, saved_us, signatures_needed)
         VALUES ($2, 1, 'draft', '', '', '', '', 1, $5, 1)
         RETURNING id + 0 * (length($1) + CAST($3 AS BIGINT) + CAST($4 AS BIGINT))",
        case,
    )
    .await;
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

static NEXT_UID: AtomicU32 = AtomicU32::new(1000);
