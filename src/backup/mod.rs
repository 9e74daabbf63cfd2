//! Backup and restore: everything a center has, into a directory and back, also onto the other engine and another store.
//!
//! Owns the layout of a backup and the order in which its parts are taken, which is what makes it consistent beside a running
//! center. Never: SQL, the spool's format, keys of the archive.
//!
//! ```text
//! DIR/backup.json                 names the snapshot that counts; replaced last, so a backup that was cut short changes nothing
//! DIR/snapshot-…/index.db         the index, as SQLite whatever the center runs on
//! DIR/snapshot-…/spool/, node     what no pack has yet
//! DIR/objects/packs/, documents/, tombstones/  the archive; shared by snapshots, so the next backup copies only what is new
//! ```
//!
//! What is not in it: delivery forms (they are made again), who is signed in, the configuration file and TLS keys (they
//! are the engineer's own).

mod put_back;
mod take;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::archive::{Archive, ArchiveError, Kind};
use crate::domain::Micros;
use crate::index::Error as IndexError;

pub use put_back::{Destination, Restored, put_back};
pub use take::{Source, Taken, take};

const MANIFEST: &str = "backup.json";
const INDEX: &str = "index.db";
const SPOOL: &str = "spool";
const NODE: &str = "node";
const OBJECTS: &str = "objects";
const SNAPSHOT: &str = "snapshot-";
/// Of the layout above.
const FORMAT: u32 = 1;
/// What can't be made again.
const KINDS: [Kind; 3] = [Kind::Pack, Kind::Document, Kind::Tombstone];

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{0} is neither empty nor a backup: give another directory")]
    NotABackup(PathBuf),
    #[error("there is no complete backup in {0}")]
    NoBackup(PathBuf),
    #[error("another backup into {0} is running")]
    Running(PathBuf),
    #[error("the backup in {path} has the layout {found}; this program knows {FORMAT}")]
    OtherFormat { path: PathBuf, found: u32 },
    #[error("the spool let go of its segments faster than they could be held; try again")]
    SpoolMoved,
    #[error("{0} is not empty: restore into a new data directory")]
    DataNotEmpty(PathBuf),
    #[error("the archive holds {0} objects that this backup does not know: give an empty one")]
    ArchiveNotEmpty(usize),
    #[error("{key} in the backup is damaged: it is not what its row says")]
    Damaged { key: String },
}

/// What `backup.json` says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// Of the program that took it.
    pub version: String,
    pub taken: Micros,
    /// Name of the snapshot's directory.
    pub snapshot: String,
    pub rows: u64,
    pub objects: usize,
}

impl Manifest {
    /// The manifest of the backup in `dir`; none where nothing was ever completed.
    pub fn of(dir: &Path) -> Result<Option<Self>, BackupError> {
        let path = dir.join(MANIFEST);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.of(&path)?,
        };
        let manifest: Self = serde_json::from_slice(&text).map_err(io::Error::from).of(&path)?;
        if manifest.format != FORMAT {
            return Err(BackupError::OtherFormat { path: dir.to_owned(), found: manifest.format });
        }
        // A name, not a way out of the directory.
        if !manifest.snapshot.starts_with(SNAPSHOT) || manifest.snapshot.contains(['/', '\\']) {
            return Err(BackupError::NoBackup(dir.to_owned()));
        }
        Ok(Some(manifest))
    }

    fn write(&self, dir: &Path) -> Result<(), BackupError> {
        let (fresh, path) = (dir.join("backup.new"), dir.join(MANIFEST));
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::from).of(&path)?;
        fs::write(&fresh, text).of(&fresh)?;
        sync(&fresh)?;
        fs::rename(&fresh, &path).of(&path)?;
        sync(dir)
    }
}

/// The archive of the backup in `dir`.
fn objects_of(dir: &Path) -> Result<Archive, BackupError> {
    let path = std::path::absolute(dir.join(OBJECTS)).of(dir)?;
    Ok(Archive::open(&format!("file:{}", path.display()))?)
}

fn index_url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

/// Makes a file or a directory durable.
fn sync(path: &Path) -> Result<(), BackupError> {
    File::open(path).and_then(|file| file.sync_all()).of(path)
}

trait Of<T> {
    /// Says which file an error is about.
    fn of(self, path: &Path) -> Result<T, BackupError>;
}

impl<T> Of<T> for io::Result<T> {
    fn of(self, path: &Path) -> Result<T, BackupError> {
        self.map_err(|source| BackupError::File { path: path.to_owned(), source })
    }
}
