//! Restoring: a backup into an empty data directory, database and archive.
//!
//! Everything is checked against its row while it is copied. The index is filled in one transaction and comes last but
//! for the spool, so a restore that was cut short leaves no center that looks whole.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;

use super::{BackupError, INDEX, KINDS, Manifest, NODE, Of, SPOOL, index_url, objects_of, sync};
use crate::archive::{Archive, ArchiveError, ObjectKey};
use crate::index::Db;
use crate::index::copy::{self, NamedObject};

/// Where a backup is restored to.
pub struct Destination {
    /// Without spool and without a node's name.
    pub data: PathBuf,
    pub spool_dir: PathBuf,
    /// Empty, of either engine.
    pub db: Db,
    /// Empty, or holding what an interrupted restore of the same backup brought.
    pub archive: Archive,
}

#[derive(Debug)]
pub struct Restored {
    pub manifest: Manifest,
    pub rows: u64,
    pub objects: usize,
    pub spool_bytes: u64,
    /// Objects that were missing when the backup was taken.
    pub missing: Vec<String>,
}

/// Restores the backup in `dir`. `said` is told what is being done.
pub async fn put_back(dir: &Path, to: &Destination, said: impl Fn(&str)) -> Result<Restored, BackupError> {
    let manifest = Manifest::of(dir)?.ok_or_else(|| BackupError::NoBackup(dir.to_owned()))?;
    let snapshot = dir.join(&manifest.snapshot);
    for taken in [&to.spool_dir, &to.data.join(NODE)] {
        if taken.exists() {
            return Err(BackupError::DataNotEmpty(to.data.clone()));
        }
    }
    let index = Db::open_existing(&index_url(&snapshot.join(INDEX))).await?;
    let mut from = index.read().await?;
    let mut into = to.db.write().await?;
    if !copy::is_empty(&mut into).await? {
        return Err(BackupError::DataNotEmpty(to.data.clone()));
    }

    let named = copy::objects(&mut from).await?;
    let (objects, missing) = restore_objects(dir, &to.archive, &named, &said).await?;

    said("the index");
    let rows = copy::copy_all(&mut from, &mut into, |table, rows| {
        if rows > 0 {
            said(&format!("  {table}: {rows} rows"));
        }
    })
    .await?;
    into.commit().await?;
    drop(from);
    index.close().await;

    said("the spool");
    let spool_bytes = restore_spool(&snapshot, to)?;
    Ok(Restored { manifest, rows, objects, spool_bytes, missing })
}

async fn restore_objects(
    dir: &Path,
    archive: &Archive,
    named: &[NamedObject],
    said: &impl Fn(&str),
) -> Result<(usize, Vec<String>), BackupError> {
    let from = objects_of(dir)?;
    let keys = named.iter().map(|object| ObjectKey::from_row(object.key.clone())).collect::<Result<Vec<_>, _>>()?;
    let known: HashSet<_> = keys.iter().collect();
    let mut there = HashSet::new();
    let mut foreign = 0;
    for kind in KINDS {
        let mut listed = archive.list(kind);
        while let Some(found) = listed.try_next().await? {
            // What no row names is rubbish to a center: nothing of another one may lie here.
            foreign += usize::from(!known.contains(&found.key));
            there.insert(found.key);
        }
    }
    if foreign > 0 {
        return Err(BackupError::ArchiveNotEmpty(foreign));
    }
    let (mut objects, mut missing) = (0, Vec::new());
    for (index, (key, object)) in keys.iter().zip(named).enumerate() {
        if index.is_multiple_of(500) {
            said(&format!("the archive: {index} of {} objects", named.len()));
        }
        let written = match there.contains(key) {
            true => archive.digest(key).await?,
            false => match from.copy_to(key, archive).await {
                Ok(written) => written,
                Err(ArchiveError::Missing(key)) => {
                    missing.push(key.to_string());
                    continue;
                }
                Err(error) => return Err(error.into()),
            },
        };
        if written.sha256[..] != object.sha256 {
            archive.delete(key).await?;
            return Err(BackupError::Damaged { key: key.to_string() });
        }
        objects += 1;
    }
    Ok((objects, missing))
}

fn restore_spool(snapshot: &Path, to: &Destination) -> Result<u64, BackupError> {
    let fresh = to.data.join("spool.restoring");
    match fs::remove_dir_all(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).of(&fresh),
        Ok(()) | Err(_) => {}
    }
    fs::create_dir_all(&fresh).of(&fresh)?;
    let mut bytes = 0;
    let spool = snapshot.join(SPOOL);
    for entry in fs::read_dir(&spool).of(&spool)? {
        let entry = entry.of(&spool)?;
        let copy = fresh.join(entry.file_name());
        bytes += fs::copy(entry.path(), &copy).of(&copy)?;
        sync(&copy)?;
    }
    sync(&fresh)?;
    let node = snapshot.join(NODE);
    if node.exists() {
        let copy = to.data.join(NODE);
        fs::copy(&node, &copy).of(&copy)?;
        sync(&copy)?;
        fs::rename(&fresh, &to.spool_dir).of(&to.spool_dir)?;
    } else {
        // Nothing was ever received: a center makes both when it starts.
        fs::remove_dir_all(&fresh).of(&fresh)?;
    }
    sync(&to.data)?;
    Ok(bytes)
}
