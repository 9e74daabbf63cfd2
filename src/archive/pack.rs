//! A pack: instances of one series as stored ZIP entries, then `manifest.json`, so that any tool can open it without
//! us, one range read gets any instance, and the index can be made anew from packs alone.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};

use super::zip::{self, Entry};
use super::{Archive, ArchiveError, Location, ObjectKey, ObjectWriter};
use crate::domain::Micros;

const MANIFEST: &str = "manifest.json";
const FORMAT: &str = "yunying-pack-1";
/// From the manifest's central header to the end of a pack: fixed, because we write it.
const TAIL: u64 = 46 + MANIFEST.len() as u64 + 28 + 56 + 20 + 22;
/// A manifest entry takes about 600 bytes; this is some 100,000 instances.
const MANIFEST_CAP: u64 = 64 << 20;

/// What is known of an instance before it is packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackEntry {
    /// Of the whole Part-10 file.
    pub length: u64,
    pub crc32: u32,
    /// Of the whole Part-10 file, in hexadecimal.
    pub sha256: String,
    /// Where the dataset begins within the file.
    pub dataset_offset: u64,
    pub sop_uid: String,
    pub sop_class: String,
    pub transfer_syntax: String,
    pub study_uid: String,
    pub series_uid: String,
    pub site: i64,
    pub site_code: String,
    pub device: i64,
    pub device_ae: String,
    pub calling_ae: String,
    pub received_us: i64,
    /// Set for what was put into quarantine: the reason's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<String>,
    /// As what the text of its header was read, where that was not as it declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_in: Option<String>,
}

/// An entry of a pack's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// Name of the ZIP entry.
    pub name: String,
    /// Where its bytes begin within the pack.
    pub offset: u64,
    #[serde(flatten)]
    pub instance: PackEntry,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: String,
    /// The node whose spool the instances came from.
    pub node: String,
    pub created_us: i64,
    pub instances: Vec<ManifestEntry>,
}

/// A finished pack and where each instance lies in it, in the order they were added.
#[derive(Debug, Clone)]
pub struct SealedPack {
    pub key: ObjectKey,
    pub bytes: u64,
    pub sha256: [u8; 32],
    pub instances: Vec<Location>,
}

#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("reading the instance to be packed failed: {0}")]
    Source(#[source] std::io::Error),
    /// The instance's bytes are not those that were received.
    #[error("instance {sop_uid} is damaged before packing: {what}")]
    SourceDamaged { sop_uid: String, what: String },
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// Writes a pack front to back; see [`Archive::create_pack`].
pub struct PackWriter {
    out: ObjectWriter,
    node: String,
    entries: Vec<Entry>,
    manifest: Vec<ManifestEntry>,
}

impl PackWriter {
    pub(super) fn new(out: ObjectWriter, node: &str) -> Self {
        Self { out, node: node.to_owned(), entries: Vec::new(), manifest: Vec::new() }
    }

    /// Adds an instance, checking length and CRC-32 against what was noted when it was received.
    pub async fn add<S>(&mut self, instance: PackEntry, mut bytes: S) -> Result<(), PackError>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Unpin,
    {
        let entry = Entry {
            name: entry_name(self.entries.len() + 1, &instance.sop_uid),
            length: instance.length,
            crc32: instance.crc32,
            modified: Micros(instance.received_us),
            header_offset: self.out.position(),
        };
        self.out.write(zip::local_header(&entry).into()).await?;
        let mut crc = crc32fast::Hasher::new();
        let mut length = 0;
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk.map_err(PackError::Source)?;
            crc.update(&chunk);
            length += chunk.len() as u64;
            self.out.write(chunk).await?;
        }
        let damaged = |what| PackError::SourceDamaged { sop_uid: instance.sop_uid.clone(), what };
        if length != instance.length {
            return Err(damaged(format!("{length} bytes instead of {}", instance.length)));
        }
        if crc.finalize() != instance.crc32 {
            return Err(damaged("its CRC-32 differs".into()));
        }
        self.manifest.push(ManifestEntry { name: entry.name.clone(), offset: entry.data_offset(), instance });
        self.entries.push(entry);
        Ok(())
    }

    /// Writes manifest and directory and makes the pack durable. Before what it replaces is deleted, read it back:
    /// [`Archive::verify_pack`].
    pub async fn finish(mut self, now: Micros) -> Result<SealedPack, PackError> {
        self.write_manifest(now).await?;
        let directory = zip::directory(&self.entries, self.out.position());
        self.out.write(directory.into()).await?;
        let written = self.out.finish().await?;
        let place = |entry: ManifestEntry| Location {
            key: written.key.clone(),
            offset: entry.offset,
            length: entry.instance.length,
        };
        let instances = self.manifest.into_iter().map(place).collect();
        Ok(SealedPack { instances, key: written.key, bytes: written.bytes, sha256: written.sha256 })
    }

    /// Drops what was written.
    pub async fn abort(self) {
        self.out.abort().await;
    }

    async fn write_manifest(&mut self, now: Micros) -> Result<(), PackError> {
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            node: self.node.clone(),
            created_us: now.0,
            instances: std::mem::take(&mut self.manifest),
        };
        let json = serde_json::to_vec_pretty(&manifest).map_err(|error| PackError::Source(error.into()))?;
        self.manifest = manifest.instances;
        let entry = Entry {
            name: MANIFEST.to_owned(),
            length: json.len() as u64,
            crc32: crc32fast::hash(&json),
            modified: now,
            header_offset: self.out.position(),
        };
        self.out.write(zip::local_header(&entry).into()).await?;
        self.out.write(json.into()).await?;
        self.entries.push(entry);
        Ok(())
    }
}

impl Archive {
    /// Reads a pack back whole and compares it with what was written.
    pub async fn verify_pack(&self, pack: &SealedPack) -> Result<(), ArchiveError> {
        let found = self.digest(&pack.key).await?;
        if found.bytes == pack.bytes && found.sha256 == pack.sha256 {
            return Ok(());
        }
        let what = format!("{} bytes came back for {} written, or other ones", found.bytes, pack.bytes);
        Err(ArchiveError::Damaged { key: pack.key.clone(), what })
    }
}

/// Numbered, so that no two are alike; the UID follows where it is one, for people who look into a pack.
fn entry_name(ordinal: usize, sop_uid: &str) -> String {
    let plain = (1..=64).contains(&sop_uid.len()) && sop_uid.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain { format!("{ordinal:06}-{sop_uid}.dcm") } else { format!("{ordinal:06}.dcm") }
}

/// The manifest is the last entry, so its central header lies at a fixed distance from the end.
pub(super) async fn read_manifest(archive: &Archive, key: &ObjectKey) -> Result<Manifest, ArchiveError> {
    let damaged = |what: &str| ArchiveError::Damaged { key: key.clone(), what: what.to_owned() };
    let length = archive.length(key).await?;
    let start = length.checked_sub(TAIL).ok_or_else(|| damaged("it is too short for a pack"))?;
    let whole = Location { key: key.clone(), offset: 0, length };
    let tail = archive.read_bytes(&whole, start..length).await?;
    let (header, size) =
        manifest_place(&tail).ok_or_else(|| damaged("its directory does not end with the manifest"))?;
    let begin = header.saturating_add(30 + MANIFEST.len() as u64 + 20);
    let end = begin.saturating_add(size);
    if size > MANIFEST_CAP || end > start {
        return Err(damaged("its manifest is said to lie outside of it"));
    }
    let json = archive.read_bytes(&whole, begin..end).await?;
    let manifest: Manifest = serde_json::from_slice(&json).map_err(|error| damaged(&error.to_string()))?;
    if manifest.format != FORMAT {
        return Err(damaged("its manifest is of another format"));
    }
    Ok(manifest)
}

/// Header offset and length of the manifest, from its central header at the beginning of `tail`.
fn manifest_place(tail: &[u8]) -> Option<(u64, u64)> {
    let name_end = 46 + MANIFEST.len();
    if !tail.starts_with(b"PK\x01\x02") || tail.get(46..name_end)? != MANIFEST.as_bytes() {
        return None;
    }
    let field = |at: usize| Some(u64::from_le_bytes(tail.get(at..at + 8)?.try_into().ok()?));
    Some((field(name_end + 4 + 16)?, field(name_end + 4)?))
}
