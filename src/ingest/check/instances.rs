//! Every row's bytes are where it says, and are those received.

use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::{CheckError, Checked, Findings, Spooled};
use crate::archive::{ArchiveError, Location};
use crate::domain::{InstanceId, QuarantineId};
use crate::index::archive::{self as rows, Place};
use crate::index::{Error as IndexError, Scope};
use crate::ingest::bytes::BytesError;

const PAGE: i64 = 1_000;

/// What a row says of bytes.
struct Claim<'a> {
    place: &'a Place,
    dataset_offset: u64,
    crc32: u32,
    sha256: &'a [u8],
}

pub(super) async fn check(on: &Checked, spool: &Spooled, findings: &mut Findings) -> Result<(), CheckError> {
    let (mut after, mut count, mut elsewhere) = (InstanceId(0), 0, 0);
    loop {
        let mut tx = on.db.read().await?;
        let page = rows::instances_after(&mut tx, after, PAGE).await?;
        drop(tx);
        let Some(last) = page.last() else { break };
        after = last.id;
        for instance in &page {
            count += 1;
            if matches!(&instance.place, Place::Spool { node, .. } if *node != on.node) {
                elsewhere += 1;
                continue;
            }
            if let Some(what) = instance_fault(on, spool, instance).await? {
                findings.wrong(format!("instance {} ({}): {what}", instance.id, instance.sop_uid));
            }
        }
    }
    findings.counted("instances", count);
    if elsewhere > 0 {
        findings.notes.push(format!("{elsewhere} instances lie in the spool of another node; check there"));
    }
    check_quarantine(on, spool, findings).await
}

/// What is wrong with an instance as its row was a moment ago, and still is.
async fn instance_fault(on: &Checked, spool: &Spooled, instance: &rows::Stored) -> Result<Option<String>, CheckError> {
    let Some(first_look) = fault(on, spool, &claim(instance)).await? else { return Ok(None) };
    // Sealed since the row was read?
    let mut tx = on.db.read().await?;
    let fresh = match rows::instance(&mut tx, Scope::All, instance.id).await {
        Ok(fresh) => fresh,
        Err(IndexError::NotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    drop(tx);
    let moved = fresh.place != instance.place;
    if moved { fault(on, spool, &claim(&fresh)).await } else { Ok(Some(first_look)) }
}

fn claim(instance: &rows::Stored) -> Claim<'_> {
    Claim {
        place: &instance.place,
        dataset_offset: instance.dataset_offset,
        crc32: instance.crc32,
        sha256: &instance.sha256,
    }
}

/// The same of an object in quarantine.
pub(in crate::ingest) async fn quarantine_fault(
    on: &Checked,
    spool: &Spooled,
    kept: &rows::StoredQuarantine,
) -> Result<Option<String>, CheckError> {
    let Some(first_look) = fault(on, spool, &claim_of_kept(kept)).await? else { return Ok(None) };
    let mut tx = on.db.read().await?;
    let before = QuarantineId(kept.id.0 - 1);
    let fresh = rows::quarantine_after(&mut tx, before, 1).await?.into_iter().find(|fresh| fresh.id == kept.id);
    drop(tx);
    match fresh {
        Some(fresh) if fresh.place != kept.place => fault(on, spool, &claim_of_kept(&fresh)).await,
        Some(_) => Ok(Some(first_look)),
        None => Ok(None),
    }
}

fn claim_of_kept(kept: &rows::StoredQuarantine) -> Claim<'_> {
    Claim { place: &kept.place, dataset_offset: kept.dataset_offset, crc32: kept.crc32, sha256: &kept.sha256 }
}

async fn check_quarantine(on: &Checked, spool: &Spooled, findings: &mut Findings) -> Result<(), CheckError> {
    let (mut after, mut count) = (QuarantineId(0), 0);
    loop {
        let mut tx = on.db.read().await?;
        let page = rows::quarantine_after(&mut tx, after, PAGE).await?;
        drop(tx);
        let Some(last) = page.last() else { break };
        after = last.id;
        for kept in &page {
            count += 1;
            if matches!(&kept.place, Place::Spool { node, .. } if *node != on.node) {
                continue;
            }
            if let Some(what) = quarantine_fault(on, spool, kept).await? {
                findings.wrong(format!("quarantined object {} ({}): {what}", kept.id, kept.sop_uid));
            }
        }
    }
    findings.counted("quarantined objects", count);
    Ok(())
}

/// What is wrong with the claimed bytes; none: nothing.
async fn fault(on: &Checked, spool: &Spooled, claim: &Claim<'_>) -> Result<Option<String>, CheckError> {
    match claim.place {
        Place::Spool { segment, offset, length, .. } => Ok(match spool.at(*segment, *offset).await? {
            None => Some(format!("segment {segment:016x} of the spool has no whole object at {offset}")),
            Some(record) if record.crc32 != claim.crc32 || record.length != *length => {
                Some(format!("segment {segment:016x} of the spool has another object at {offset}"))
            }
            Some(record) if record.sha256 != claim.sha256 => Some("the spool noted another hash".to_owned()),
            Some(_) => None,
        }),
        Place::Pack(location) => in_pack(on, location, claim).await,
    }
}

async fn in_pack(on: &Checked, location: &Location, claim: &Claim<'_>) -> Result<Option<String>, CheckError> {
    match on.archive.length(&location.key).await {
        Ok(length) if length < location.offset.saturating_add(location.length) => {
            return Ok(Some(format!("pack {} ends before it", location.key)));
        }
        Ok(_) => {}
        Err(ArchiveError::Missing(key)) => return Ok(Some(format!("pack {key} is missing"))),
        Err(error) => return Err(error.into()),
    }
    if !on.deep {
        return Ok(None);
    }
    let stream = match on.bytes().open(claim.place, None).await {
        Ok(stream) => stream,
        Err(BytesError::Archive(error)) => return Err(error.into()),
        Err(error) => return Ok(Some(error.to_string())),
    };
    let start = (crc32fast::Hasher::new(), Sha256::new(), 0u64);
    let read = stream.try_fold(start, |(mut crc, mut sha, at), chunk| async move {
        crc.update(&chunk);
        let skip = claim.dataset_offset.saturating_sub(at).min(chunk.len() as u64) as usize;
        sha.update(&chunk[skip..]);
        Ok((crc, sha, at + chunk.len() as u64))
    });
    let (crc, sha, _) = match read.await {
        Ok(hashes) => hashes,
        Err(error) => return Ok(Some(format!("reading it failed: {error}"))),
    };
    if crc.finalize() != claim.crc32 || sha.finalize()[..] != *claim.sha256 {
        return Ok(Some(format!("its bytes in pack {} are not those received", location.key)));
    }
    Ok(None)
}
