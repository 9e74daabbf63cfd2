//! Two engines behind one handle: where a transaction begins, and what a commit sets in motion.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Postgres, Sqlite, Transaction};
use tokio::sync::{Notify, watch};

use super::{Error, Event, Result};
use crate::domain::SiteId;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// The channel on which PostgreSQL tells every node that events wait to be chained, or were.
pub(super) const PG_CHANNEL: &str = "yunying_event";

const SQLITE_READERS: u32 = 16;

/// Runs one SQL text on the engine a [`Tx`] belongs to. The body is compiled once for each.
macro_rules! on {
    ($tx:expr, $conn:ident => $body:expr) => {
        match $tx {
            $crate::index::Tx::Sqlite { inner, .. } => {
                let $conn = &mut **inner;
                $body
            }
            $crate::index::Tx::Postgres { inner, .. } => {
                let $conn = &mut **inner;
                $body
            }
        }
    };
}
pub(crate) use on;

/// Which sites a caller may see. Every query that serves a caller carries one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    All,
    Site(SiteId),
}

impl Scope {
    /// To bind in `($n IS NULL OR site_id = $n)`; write it `CAST($n AS BIGINT)` for PostgreSQL.
    pub fn site(self) -> Option<i64> {
        match self {
            Scope::All => None,
            Scope::Site(site) => Some(site.0),
        }
    }
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    engine: Engine,
    /// Rung by a commit that wrote events; the sequencer of this process listens.
    pub(super) unchained: Arc<Notify>,
    /// The last chained event's number.
    pub(super) chained: Arc<watch::Sender<i64>>,
}

#[derive(Clone)]
enum Engine {
    /// SQLite has one writer: one connection writes, others read their own snapshots.
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
    },
    Postgres(PgPool),
}

impl Db {
    /// Opens `sqlite:PATH` or `postgres://…` and brings its tables up to date.
    pub async fn open(url: &str) -> Result<Self> {
        let engine = if let Some(path) = url.strip_prefix("sqlite:") {
            open_sqlite(Path::new(path)).await?
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(url).map_err(|_| Error::Address("postgres:…".into()))?;
            let pool = PgPoolOptions::new().max_connections(16).connect_with(options).await?;
            POSTGRES_MIGRATIONS.run(&pool).await?;
            Engine::Postgres(pool)
        } else {
            return Err(Error::Address(url.split(':').next().unwrap_or_default().into()));
        };
        let db = Self { engine, unchained: Arc::new(Notify::new()), chained: Arc::new(watch::Sender::new(0)) };
        let mut tx = db.read().await?;
        db.chained.send_replace(super::events::last_seq(&mut tx).await?);
        drop(tx);
        super::find::name_the_unnamed(&db).await?;
        Ok(db)
    }

    /// Opens what is there and leaves it as it is: makes no file and no table. For looking only, [`Db::write`] fails.
    pub async fn open_existing(url: &str) -> Result<Self> {
        let (engine, migrations, shown) = if let Some(path) = url.strip_prefix("sqlite:") {
            if !Path::new(path).exists() {
                return Err(Error::Absent(url.to_owned()));
            }
            (look_into_sqlite(Path::new(path)).await?, &SQLITE_MIGRATIONS, url.to_owned())
        } else {
            let options = PgConnectOptions::from_str(url).map_err(|_| Error::Address("postgres:…".into()))?;
            // The address holds a password; the name does not.
            let shown = format!("the database {}", options.get_database().unwrap_or("of PostgreSQL"));
            let options = options.options([("default_transaction_read_only", "on")]);
            let pool = PgPoolOptions::new().max_connections(4).connect_with(options).await?;
            (Engine::Postgres(pool), &POSTGRES_MIGRATIONS, shown)
        };
        let db = Self { engine, unchained: Arc::new(Notify::new()), chained: Arc::new(watch::Sender::new(0)) };
        let mut tx = db.read().await?;
        let applied = on!(&mut tx, c => sqlx::query_scalar::<_, i64>("SELECT version FROM _sqlx_migrations ORDER BY version")
            .fetch_all(c).await);
        match applied {
            Err(sqlx::Error::Database(error)) if no_such_table(&*error) => return Err(Error::Absent(shown)),
            Ok(applied) if !applied.iter().copied().eq(migrations.iter().map(|known| known.version)) => {
                return Err(Error::OtherVersion(shown));
            }
            other => drop(other?),
        }
        drop(tx);
        Ok(db)
    }

    /// A snapshot to read from. Nothing it does is kept.
    pub async fn read(&self) -> Result<Tx> {
        Ok(match &self.engine {
            Engine::Sqlite { read, .. } => {
                Tx::Sqlite { inner: read.begin().await?, unchained: self.unchained.clone(), events: 0 }
            }
            Engine::Postgres(pool) => Tx::Postgres {
                inner: pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?,
                unchained: self.unchained.clone(),
                events: 0,
            },
        })
    }

    /// A transaction that may write. Dropped without [`Tx::commit`], it never happened.
    pub async fn write(&self) -> Result<Tx> {
        Ok(match &self.engine {
            Engine::Sqlite { write, .. } => Tx::Sqlite {
                inner: write.begin_with("BEGIN IMMEDIATE").await?,
                unchained: self.unchained.clone(),
                events: 0,
            },
            Engine::Postgres(pool) => {
                Tx::Postgres { inner: pool.begin().await?, unchained: self.unchained.clone(), events: 0 }
            }
        })
    }

    /// Follows the number of the last chained event.
    pub fn watch(&self) -> watch::Receiver<i64> {
        self.chained.subscribe()
    }

    /// PostgreSQL's pool, for `LISTEN`.
    pub(super) fn postgres(&self) -> Option<&PgPool> {
        match &self.engine {
            Engine::Sqlite { .. } => None,
            Engine::Postgres(pool) => Some(pool),
        }
    }

    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Engine::Postgres(pool) => pool.close().await,
        }
    }
}

async fn open_sqlite(path: &Path) -> Result<Engine> {
    // FULL: a commit that was answered survives a power cut, as the spool's do.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(30))
        .pragma("temp_store", "memory")
        .pragma("cache_size", "-65536");
    let write = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    SQLITE_MIGRATIONS.run(&write).await?;
    // Pages read for a moment each; as many may do so at once as a county has people, with a smaller cache for each.
    let readers = options.read_only(true).pragma("cache_size", "-16384");
    let read = SqlitePoolOptions::new().max_connections(SQLITE_READERS).connect_with(readers).await?;
    Ok(Engine::Sqlite { write, read })
}

/// Readers only. The pool for the writer is never connected.
/// Anything else, a damaged file or a missing right, is no reason to call the index absent and make it anew.
fn no_such_table(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().as_deref() == Some("42P01") || error.message().contains("no such table")
}

async fn look_into_sqlite(path: &Path) -> Result<Engine> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(Duration::from_secs(30))
        .pragma("temp_store", "memory")
        .pragma("cache_size", "-65536");
    let write = SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
    let read = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
    Ok(Engine::Sqlite { write, read })
}

/// A transaction on either engine; see [`on!`].
pub enum Tx {
    Sqlite { inner: Transaction<'static, Sqlite>, unchained: Arc<Notify>, events: usize },
    Postgres { inner: Transaction<'static, Postgres>, unchained: Arc<Notify>, events: usize },
}

impl Tx {
    /// Writes one event, to be chained once this transaction is committed.
    pub async fn event(&mut self, event: &Event) -> Result<()> {
        super::events::insert(self, event).await?;
        match self {
            Tx::Sqlite { events, .. } | Tx::Postgres { events, .. } => *events += 1,
        }
        Ok(())
    }

    pub async fn commit(self) -> Result<()> {
        match self {
            Tx::Sqlite { inner, unchained, events } => {
                inner.commit().await?;
                if events > 0 {
                    unchained.notify_one();
                }
            }
            Tx::Postgres { mut inner, unchained, events } => {
                if events > 0 {
                    sqlx::query("SELECT pg_notify($1, '')").bind(PG_CHANNEL).execute(&mut *inner).await?;
                }
                inner.commit().await?;
                if events > 0 {
                    unchained.notify_one();
                }
            }
        }
        Ok(())
    }

    /// True on PostgreSQL: for the few texts (locking, search) that may differ by engine.
    pub fn is_postgres(&self) -> bool {
        matches!(self, Tx::Postgres { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Micros;
    use crate::index::testing::postgres;
    use crate::index::{EventKind, community};

    async fn what_is_there_is_opened_and_nothing_is_made(url: &str) {
        assert!(matches!(Db::open_existing(url).await, Err(Error::Absent(_))));
        assert!(matches!(Db::open_existing(url).await, Err(Error::Absent(_))), "the first look made nothing");
        let db = Db::open(url).await.unwrap();
        let mut tx = db.write().await.unwrap();
        community::add_site(&mut tx, "xz", "新镇卫生院", "township", Micros(1)).await.unwrap();
        tx.commit().await.unwrap();

        // Beside a center, and after it was closed.
        for close in [false, true] {
            if close {
                db.close().await;
            }
            let looking = Db::open_existing(url).await.unwrap();
            assert_eq!(community::sites(&mut looking.read().await.unwrap()).await.unwrap().len(), 1);
            let write = async {
                let mut tx = looking.write().await?;
                tx.event(&Event::new(EventKind::SiteAdded, Micros(2))).await
            };
            assert!(write.await.is_err());
            looking.close().await;
        }

        let db = Db::open(url).await.unwrap();
        let mut tx = db.write().await.unwrap();
        on!(&mut tx, c => sqlx::query("DELETE FROM _sqlx_migrations WHERE version > 1").execute(c).await.map(drop))
            .unwrap();
        tx.commit().await.unwrap();
        db.close().await;
        assert!(matches!(Db::open_existing(url).await, Err(Error::OtherVersion(_))));
    }

    #[tokio::test]
    async fn a_look_at_sqlite_makes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.db");
        what_is_there_is_opened_and_nothing_is_made(&format!("sqlite:{}", path.display())).await;
    }

    #[tokio::test]
    async fn a_look_at_postgresql_makes_nothing() {
        match postgres::server() {
            Some(server) => what_is_there_is_opened_and_nothing_is_made(&server.fresh_database()).await,
            None => {
                assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "PostgreSQL is not installed");
                eprintln!("skipped: PostgreSQL is not installed");
            }
        }
    }
}
