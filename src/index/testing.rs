//! Runs a contract test on both engines: SQLite in a temporary folder, PostgreSQL as Debian ships it, on loopback.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Db, Tx, community, on};
use crate::domain::{AccountId, CaseId, CaseState, Micros, Role, SiteId, Urgency};

/// Runs `test` on a fresh SQLite database, then on a fresh PostgreSQL one.
///
/// Without PostgreSQL on the machine the second half is skipped aloud; with `CI=true` that is a failure.
pub async fn on_both_engines<F: AsyncFn(Db)>(test: F) {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Db::open(&format!("sqlite:{}", folder.path().join("index.db").display())).await.unwrap();
    test(sqlite.clone()).await;
    sqlite.close().await;
    let Some(server) = postgres() else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "PostgreSQL is not installed");
        eprintln!("skipped on PostgreSQL: not installed");
        return;
    };
    let postgres = Db::open(&server.fresh_database()).await.unwrap();
    test(postgres.clone()).await;
    postgres.close().await;
}

/// One server for all tests of a process; it ends with its supervisor shell when this process does.
struct Server {
    port: u16,
    bin: PathBuf,
    _supervisor: Child,
    _folder: tempfile::TempDir,
}

static NEXT_DATABASE: AtomicU32 = AtomicU32::new(0);

fn postgres() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(Server::start).as_ref()
}

/// Debian's newest `/usr/lib/postgresql/*/bin`.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions.flatten().map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max()
}

impl Server {
    fn start() -> Option<Server> {
        let bin = binaries()?;
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // PostgreSQL refuses to run as root.
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        run(as_postgres(&bin.join("initdb")).args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"]).arg(&data));
        let server = format!(
            "{} -D {} -p {port} -k {} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=300",
            bin.join("postgres").display(),
            data.display(),
            folder.path().display()
        );
        // The shell reads from a pipe this process holds: when the process ends, however, the server is stopped.
        let script = format!("{server} >/dev/null 2>&1 & server=$!; read -r _; kill -INT $server; wait $server");
        let supervisor = as_postgres(Path::new("/bin/sh"))
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server { port, bin, _supervisor: supervisor, _folder: folder };
        for _ in 0..300 {
            if server.psql("SELECT 1") {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("PostgreSQL did not start within 30 s");
    }

    fn psql(&self, sql: &str) -> bool {
        Command::new(self.bin.join("psql"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres", "-c", sql])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }

    fn fresh_database(&self) -> String {
        let name = format!("test{}", NEXT_DATABASE.fetch_add(1, Ordering::Relaxed));
        assert!(self.psql(&format!("CREATE DATABASE {name}")));
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }
}

fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

fn as_postgres(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
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
