//! Taking a backup beside a running center.
//!
//! The order matters. The spool's files are held open around the moment of the index's snapshot, so whatever the snapshot says lies
//! in the spool can still be read, though the sealer lets go of it meanwhile. Segments are read after that moment, so all
//! that the snapshot knows is whole in them; what came later is in them too and is indexed at the first start. Packs and
//! documents are never rewritten, so they can be copied at leisure.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;

use super::{BackupError, INDEX, KINDS, Manifest, NODE, Of, SNAPSHOT, SPOOL, index_url, objects_of, sync};
use crate::archive::{Archive, ArchiveError, ObjectKey};
use crate::domain::Micros;
use crate::index::Db;
use crate::index::copy::{self, NamedObject};
use crate::ingest::spool::{Held, SegmentId};

/// How often a snapshot is tried again because the spool moved on in the instant between.
const TRIES: usize = 5;

/// What is backed up.
pub struct Source {
    pub db: Db,
    pub archive: Archive,
    /// Of the node whose spool lies in `spool_dir`; none before anything was received.
    pub node: Option<String>,
    pub spool_dir: PathBuf,
}

/// What a backup holds now.
#[derive(Debug, Default)]
pub struct Taken {
    pub rows: u64,
    pub objects: usize,
    /// Of `objects`, those that were not in the directory before.
    pub copied: usize,
    pub copied_bytes: u64,
    pub spool_bytes: u64,
    /// Objects that only other nodes' spools have, by node: they need a backup of their own.
    pub elsewhere: Vec<(String, i64)>,
    /// What a row names and the archive does not have, or has differently.
    pub missing: Vec<String>,
}

/// Backs `source` up into `dir`, new or holding an earlier backup. `said` is told what is being done.
///
/// What can't be read is listed in [`Taken::missing`] and leaves the rest of the backup good.
pub async fn take(source: &Source, dir: &Path, now: Micros, said: impl Fn(&str)) -> Result<Taken, BackupError> {
    let _lock = prepare(dir)?;
    let name = format!("{SNAPSHOT}{}", now.0);
    let snapshot = dir.join(&name);
    private_dir(&snapshot)?;
    let node = source.node.as_deref().unwrap_or_default();

    said("the index");
    let (rows, mut held) = snapshot_index(source, &snapshot, &said).await?;
    let mut taken = Taken { rows, ..Taken::default() };

    said("the spool");
    let spool = snapshot.join(SPOOL);
    taken.spool_bytes = blocking(move || held.copy_to(&spool)).await.of(&snapshot)?;
    if let Some(node) = &source.node {
        fs::write(snapshot.join(NODE), node).of(&snapshot)?;
        sync(&snapshot.join(NODE))?;
    }
    sync(&snapshot)?;

    let db = Db::open_existing(&index_url(&snapshot.join(INDEX))).await?;
    let mut tx = db.read().await?;
    let named = copy::objects(&mut tx).await?;
    taken.elsewhere = copy::unsealed_elsewhere(&mut tx, node).await?;
    drop(tx);
    db.close().await;
    let kept = copy_objects(&source.archive, dir, &named, &mut taken, &said).await?;

    let version = env!("CARGO_PKG_VERSION").to_owned();
    let manifest =
        Manifest { format: super::FORMAT, version, taken: now, snapshot: name, rows, objects: taken.objects };
    manifest.write(dir)?;
    drop_older(dir, &manifest, &kept).await?;
    Ok(taken)
}

/// Makes the directory, refuses one that holds something else, and keeps a second backup out.
fn prepare(dir: &Path) -> Result<File, BackupError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).of(dir)?;
    let lock = dir.join("lock");
    if Manifest::of(dir)?.is_none() && !lock.exists() && fs::read_dir(dir).of(dir)?.next().is_some() {
        return Err(BackupError::NotABackup(dir.to_owned()));
    }
    let file = File::options().write(true).create(true).truncate(false).open(&lock).of(&lock)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BackupError::Running(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(error).of(&lock),
    }
}

fn private_dir(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new().mode(0o700).create(path).of(path)
}

/// Copies the index into `snapshot`, with every segment it needs held; returns its rows.
async fn snapshot_index(source: &Source, snapshot: &Path, said: &impl Fn(&str)) -> Result<(u64, Held), BackupError> {
    for _ in 0..TRIES {
        let path = snapshot.join(INDEX);
        let dir = source.spool_dir.clone();
        let mut held = blocking(move || Held::of(&dir)).await.of(&source.spool_dir)?;
        // The snapshot is of this moment, though its rows are read below.
        let mut from = source.db.read().await?;
        let needed = match &source.node {
            Some(node) => copy::segments_needed(&mut from, node).await?,
            None => Vec::new(),
        };
        let held = blocking(move || held.open_more().map(|()| held)).await.of(&source.spool_dir)?;
        if !needed.iter().all(|&segment| held.has(SegmentId(segment as u64))) {
            continue;
        }
        let db = Db::open(&index_url(&path)).await?;
        let mut to = db.write().await?;
        let rows = copy::copy_all(&mut from, &mut to, |table, rows| {
            if rows > 0 {
                said(&format!("  {table}: {rows} rows"));
            }
        })
        .await?;
        copy::forget_derived(&mut to).await?;
        to.commit().await?;
        db.close().await;
        sync(&path)?;
        return Ok((rows, held));
    }
    Err(BackupError::SpoolMoved)
}

/// Copies what the backup does not have yet; returns the keys that belong to it.
async fn copy_objects(
    archive: &Archive,
    dir: &Path,
    named: &[NamedObject],
    taken: &mut Taken,
    said: &impl Fn(&str),
) -> Result<HashSet<ObjectKey>, BackupError> {
    let mut kept = HashSet::new();
    let to = objects_of(dir)?;
    for (index, object) in named.iter().enumerate() {
        if index.is_multiple_of(500) {
            said(&format!("the archive: {index} of {} objects", named.len()));
        }
        let key = ObjectKey::from_row(object.key.clone())?;
        if has(&to, &key, object).await? {
            taken.objects += 1;
            kept.insert(key);
            continue;
        }
        let copied = match archive.copy_to(&key, &to).await {
            Ok(copied) => copied,
            Err(error @ (ArchiveError::Missing(_) | ArchiveError::Damaged { .. })) => {
                taken.missing.push(error.to_string());
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if copied.sha256[..] != object.sha256 {
            to.delete(&key).await?;
            taken.missing.push(format!("{key} in the archive is not what its row says"));
            continue;
        }
        taken.objects += 1;
        taken.copied += 1;
        taken.copied_bytes += copied.bytes;
        kept.insert(key);
    }
    Ok(kept)
}

/// An object is published whole or not at all, and keys are used once: there with its length is there.
async fn has(archive: &Archive, key: &ObjectKey, object: &NamedObject) -> Result<bool, BackupError> {
    match archive.length(key).await {
        Ok(length) => Ok(object.bytes.is_none_or(|bytes| bytes as u64 == length)),
        Err(ArchiveError::Missing(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Removes snapshots before this one and objects it does not name: what was erased in the center ends here as well.
async fn drop_older(dir: &Path, manifest: &Manifest, kept: &HashSet<ObjectKey>) -> Result<(), BackupError> {
    for entry in fs::read_dir(dir).of(dir)? {
        let entry = entry.of(dir)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(SNAPSHOT) && name != manifest.snapshot {
            fs::remove_dir_all(entry.path()).of(&entry.path())?;
        }
    }
    let archive = objects_of(dir)?;
    for kind in KINDS {
        let there: Vec<_> = archive.list(kind).try_collect().await?;
        for listed in there.into_iter().filter(|listed| !kept.contains(&listed.key)) {
            archive.delete(&listed.key).await?;
        }
    }
    Ok(())
}

/// File work off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await?
}
