//! Objects one by one: their keys, and writing one as a stream.

use bytes::Bytes;
use object_store::buffered::BufWriter;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::{Archive, ArchiveError};

/// Up to this much is sent in one request; beyond, in parts of this size. S3 wants at least 5 MiB and at most 10,000
/// parts, which bounds an object at 80 GB.
const PART: usize = 8 << 20;
/// Parts in flight: enough to hide a slow store's latency, few enough to stay within 32 MiB of memory.
const PARTS_IN_FLIGHT: usize = 3;

/// What an object is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Instances as received. Never deleted while a row names them.
    Pack,
    /// Made from instances; can be made again.
    Derived,
    /// Signed reports in their printed form.
    Document,
    /// What stays of an erased study.
    Tombstone,
}

impl Kind {
    pub(super) const fn folder(self) -> &'static str {
        match self {
            Kind::Pack => "packs",
            Kind::Derived => "derived",
            Kind::Document => "documents",
            Kind::Tombstone => "tombstones",
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Kind::Pack => ".zip",
            Kind::Derived => ".bin",
            Kind::Document => ".pdf",
            Kind::Tombstone => ".json",
        }
    }
}

/// Names an object. Made here, kept in a row, never from anything a peer sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// A key nobody has used: two characters to spread folders, 128 random bits.
    pub(super) fn unique(kind: Kind) -> Self {
        let name = format!("{:032x}", rand::random::<u128>());
        Self(format!("{}/{}/{}{}", kind.folder(), &name[..2], name, kind.suffix()))
    }

    /// A key as a row holds it; refuses what this program never made.
    pub fn from_row(text: String) -> Result<Self, ArchiveError> {
        let ours = text.split('/').count() == 3
            && text.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.'));
        if ours { Ok(Self(text)) } else { Err(ArchiveError::BadKey(text)) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A finished object: what its row keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub key: ObjectKey,
    pub bytes: u64,
    pub sha256: [u8; 32],
}

/// Writes one new object front to back. Nothing is visible before [`finish`](Self::finish); after an error or for a
/// change of mind, [`abort`](Self::abort).
pub struct ObjectWriter {
    key: ObjectKey,
    out: BufWriter,
    hash: Sha256,
    bytes: u64,
}

impl ObjectWriter {
    pub(super) fn new(archive: &Archive, key: ObjectKey) -> Self {
        let out = BufWriter::with_capacity(archive.store.clone(), archive.path(&key), PART)
            .with_max_concurrency(PARTS_IN_FLIGHT);
        Self { key, out, hash: Sha256::new(), bytes: 0 }
    }

    /// How much was written so far: the offset of what comes next.
    pub fn position(&self) -> u64 {
        self.bytes
    }

    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ArchiveError> {
        self.hash.update(&bytes);
        self.bytes += bytes.len() as u64;
        self.out.put(bytes).await.map_err(ArchiveError::Unavailable)
    }

    /// Makes the object durable under its key.
    pub async fn finish(mut self) -> Result<Written, ArchiveError> {
        match self.out.shutdown().await {
            Ok(()) => Ok(Written { key: self.key, bytes: self.bytes, sha256: self.hash.finalize().into() }),
            Err(error) => Err(ArchiveError::Unavailable(object_store::Error::Generic {
                store: "archive",
                source: Box::new(error),
            })),
        }
    }

    /// Drops what was written; a store that cannot be reached keeps unfinished parts, which its own clean-up removes.
    pub async fn abort(mut self) {
        if let Err(error) = self.out.abort().await {
            tracing::warn!(key = %self.key, %error, "an unfinished object could not be withdrawn");
        }
    }
}
