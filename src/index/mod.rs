//! All SQL, and only here. Knows no HTTP status and no DICOM status.
//!
//! One SQL text serves SQLite and PostgreSQL; [`on!`] compiles it for both. A caller opens a [`Tx`] with [`Db::read`] or
//! [`Db::write`], hands it to the functions of the sibling files, and commits. Every change writes its event in the same
//! transaction with [`Tx::event`]; see [`events`] for how events are numbered and chained.
//!
//! ```ignore
//! let mut tx = db.write().await?;
//! let changed = on!(&mut tx, c => sqlx::query("UPDATE site SET name = $1 WHERE id = $2").bind(name).bind(id).execute(c).await?.rows_affected());
//! tx.event(&Event::new(EventKind::SiteChanged, now).site(id)).await?;
//! tx.commit().await?;
//! ```
//!
//! Two rules keep one text good for both engines: bind `Option<i64>`, never a bare NULL; and cast what only PostgreSQL
//! types strictly, as in `CAST(sum(bytes) AS BIGINT)`.

pub mod archive;
pub mod attempts;
pub mod budget;
pub mod cases;
pub mod check;
pub mod commitments;
pub mod community;
pub mod copy;
pub mod corrections;
mod db;
pub mod delivery;
pub mod device_text;
pub mod dicomweb;
pub mod duty;
pub mod erasure;
pub mod events;
pub mod evidence;
pub mod figures;
pub mod find;
pub mod intake;
pub mod openings;
pub mod orders;
pub mod people;
pub mod quarantine;
pub mod rebuild;
pub mod reports;
pub mod restored;
pub mod retrieve;
pub mod sessions;
pub mod steps;
#[cfg(test)]
pub mod testing;
mod types;

pub(crate) use db::on;
pub use db::{Db, Scope, Tx};
pub use events::{Event, EventKind};

/// Why the index could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Somebody else changed it first, or the lease is no longer the caller's.
    #[error("stale: {0}")]
    Stale(&'static str),
    /// It exists already.
    #[error("exists already: {0}")]
    Exists(String),
    /// Not there, or not within the caller's scope: callers can't tell which.
    #[error("not found")]
    NotFound,
    /// The caller asked for what the rules refuse.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// A row holds what this program never writes.
    #[error("corrupt row: {0}")]
    Corrupt(String),
    #[error("bad database address {0:?}: want sqlite:PATH or postgres://…")]
    Address(String),
    /// Asked for as it is, and there is none.
    #[error("there is no index in {0}: a backup brings one back, or `yunying rebuild` makes its images known again")]
    Absent(String),
    #[error("the index in {0} is of another version of this program: start a center on it first")]
    OtherVersion(String),
}

pub type Result<T> = std::result::Result<T, Error>;
