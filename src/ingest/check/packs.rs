//! Every pack and derived object a row names is there and is what was written; objects no row names are noted.

use std::collections::HashSet;

use futures_util::TryStreamExt;

use super::{CheckError, Checked, Findings};
use crate::archive::{ArchiveError, Kind, ObjectKey};
use crate::domain::{InstanceId, PackId};
use crate::index::archive::{self as rows, PackRow};
use crate::index::delivery;

const PAGE: i64 = 1_000;

pub(super) async fn check(on: &Checked, findings: &mut Findings) -> Result<(), CheckError> {
    // Listed first: what is written meanwhile is not taken for an orphan.
    let packs = listed(on, Kind::Pack).await?;
    let derived = listed(on, Kind::Derived).await?;
    let named = check_packs(on, findings).await?;
    note_orphans("packs", packs, &named, findings);
    let named = check_derived(on, findings).await?;
    note_orphans("derived objects", derived, &named, findings);
    Ok(())
}

async fn listed(on: &Checked, kind: Kind) -> Result<Vec<ObjectKey>, CheckError> {
    Ok(on.archive.list(kind).map_ok(|object| object.key).try_collect().await?)
}

fn note_orphans(what: &str, listed: Vec<ObjectKey>, named: &HashSet<ObjectKey>, findings: &mut Findings) {
    let orphans = listed.iter().filter(|key| !named.contains(key)).count();
    if orphans > 0 {
        findings.notes.push(format!("{orphans} {what} in the store are named by no row: left by an interrupted step"));
    }
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
