//! Runs a contract test on both engines: SQLite in a temporary folder, PostgreSQL as Debian ships it, on loopback.

pub mod postgres;
mod seed;

pub use seed::{SeededCase, seed_account, seed_case};

use std::time::Duration;

use super::{Db, Result, Tx};
use crate::archive::testing::Store;

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
