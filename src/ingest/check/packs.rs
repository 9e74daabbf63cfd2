//! Every pack and derived object a row names is there and is what was written. An object no row names is noted; a pack
//! that no row names and that holds what is known nowhere else is wrong: then rows were lost.

use std::collections::HashSet;

use futures_util::TryStreamExt;

use super::{CheckError, Checked, Findings, Spooled};
use crate::archive::{ArchiveError, Kind, Manifest, ManifestEntry, ObjectKey};
use crate::dicom::uid;
use crate::domain::{InstanceId, PackId};
use crate::index::archive::{self as rows, PackRow};
use crate::index::check::has_object;
use crate::index::{Tx, delivery};

const PAGE: i64 = 1_000;

pub(super) async fn check(on: &Checked, spool: &Spooled, findings: &mut Findings) -> Result<(), CheckError> {
    // Listed first: what is written meanwhile is not taken for an orphan.
    let packs = listed(on, Kind::Pack).await?;
    let derived = listed(on, Kind::Derived).await?;
    let named = check_packs(on, findings).await?;
    check_orphans(on, spool, packs.iter().filter(|key| !named.contains(key)), findings).await?;
    let named = check_derived(on, findings).await?;
    note_orphans("derived objects", derived.iter().filter(|key| !named.contains(key)).count(), findings);
    Ok(())
}

async fn listed(on: &Checked, kind: Kind) -> Result<Vec<ObjectKey>, CheckError> {
    Ok(on.archive.list(kind).map_ok(|object| object.key).try_collect().await?)
}

fn note_orphans(what: &str, orphans: usize, findings: &mut Findings) {
    if orphans > 0 {
        findings.notes.push(format!("{orphans} {what} in the store are named by no row: left by an interrupted step"));
    }
}

/// Packs that no row names: superfluous if each of their objects has a row or still lies in the spool.
async fn check_orphans(
    on: &Checked,
    spool: &Spooled,
    orphans: impl Iterator<Item = &ObjectKey>,
    findings: &mut Findings,
) -> Result<(), CheckError> {
    let spooled: HashSet<&[u8]> = spool.inspection.records.iter().map(|record| &record.sha256[..]).collect();
    let mut superfluous = 0;
    for key in orphans {
        match on.archive.manifest(key).await {
            Ok(manifest) => match only_there(on, &spooled, &manifest).await? {
                (0, _) => superfluous += 1,
                (count, first) => findings.wrong(format!(
                    "pack {key} is named by no row, and {count} of its {} objects are known nowhere else, {first} the first",
                    manifest.instances.len()
                )),
            },
            Err(ArchiveError::Damaged { what, .. }) => {
                findings.wrong(format!("pack {key} is named by no row, and what it holds can't be read: {what}"));
            }
            // Withdrawn since it was listed.
            Err(ArchiveError::Missing(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    note_orphans("packs", superfluous, findings);
    Ok(())
}

/// How many objects of a pack are neither in a row nor in the spool, and the first one's UID.
async fn only_there(
    on: &Checked,
    spooled: &HashSet<&[u8]>,
    manifest: &Manifest,
) -> Result<(usize, String), CheckError> {
    let mut tx = on.db.read().await?;
    let (mut count, mut first) = (0, String::new());
    for entry in &manifest.instances {
        if !is_elsewhere(&mut tx, spooled, entry).await? {
            count += 1;
            if first.is_empty() {
                first.clone_from(&entry.instance.sop_uid);
            }
        }
    }
    Ok((count, first))
}

async fn is_elsewhere(tx: &mut Tx, spooled: &HashSet<&[u8]>, entry: &ManifestEntry) -> Result<bool, CheckError> {
    let Ok(sha256) = hex::decode(&entry.instance.sha256) else { return Ok(false) };
    let sop_uid = &entry.instance.sop_uid;
    Ok(spooled.contains(&sha256[..]) || has_object(tx, sop_uid, uid::hash(sop_uid), &sha256).await?)
}

async fn check_packs(on: &Checked, findings: &mut Findings) -> Result<HashSet<ObjectKey>, CheckError> {
    let (mut after, mut named) = (PackId(0), HashSet::new());
    loop {
        let mut tx = on.db.read().await?;
        let page = rows::packs_after(&mut tx, after, PAGE).await?;
        drop(tx);
        let Some(last) = page.last() else { break };
        after = last.id;
        for pack in &page {
            let key = pack.key()?;
            if let Some(what) = pack_fault(on, &key, pack).await? {
                findings.wrong(format!("pack {key}: {what}"));
            }
            named.insert(key);
        }
    }
    findings.counted("packs", named.len() as u64);
    Ok(named)
}

async fn pack_fault(on: &Checked, key: &ObjectKey, pack: &PackRow) -> Result<Option<String>, CheckError> {
    let length = match on.archive.length(key).await {
        Ok(length) => length,
        Err(ArchiveError::Missing(_)) => return Ok(Some("it is missing".into())),
        Err(error) => return Err(error.into()),
    };
    if i64::try_from(length) != Ok(pack.bytes) {
        return Ok(Some(format!("it has {length} bytes, {} were written", pack.bytes)));
    }
    match on.archive.manifest(key).await {
        Ok(manifest) if manifest.instances.len() as i64 == pack.entries => {}
        Ok(manifest) => {
            return Ok(Some(format!(
                "its manifest names {} objects, {} rows do",
                manifest.instances.len(),
                pack.entries
            )));
        }
        Err(ArchiveError::Damaged { what, .. }) => return Ok(Some(what)),
        Err(error) => return Err(error.into()),
    }
    if on.deep && on.archive.digest(key).await?.sha256[..] != pack.sha256[..] {
        return Ok(Some("its bytes are not those written".into()));
    }
    Ok(None)
}

async fn check_derived(on: &Checked, findings: &mut Findings) -> Result<HashSet<ObjectKey>, CheckError> {
    let (mut after, mut named) = (InstanceId(0), HashSet::new());
    loop {
        let mut tx = on.db.read().await?;
        let page = delivery::objects_after(&mut tx, after, PAGE).await?;
        drop(tx);
        let Some((last, ..)) = page.last() else { break };
        after = *last;
        for (instance, key, bytes) in page {
            match on.archive.length(&key).await {
                Ok(length) if length == bytes => {}
                Ok(_) => findings.wrong(format!("delivery form of instance {instance}: {key} has another length")),
                Err(ArchiveError::Missing(_)) => {
                    findings.wrong(format!("delivery form of instance {instance}: {key} is missing"));
                }
                Err(error) => return Err(error.into()),
            }
            named.insert(key);
        }
    }
    findings.counted("delivery forms", named.len() as u64);
    Ok(named)
}
