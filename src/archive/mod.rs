//! The object store behind one type: packs of sealed instances and derived delivery objects.
//!
//! Owns: keys, back ends (`file:`, `s3:`), the layout of a pack, integrity of what is written. The rest of the program
//! holds an [`Archive`], an opaque [`ObjectKey`] from a row and a [`Location`]; it never sees a path, a bucket or a URL.
//! Never: SQL, DICOM parsing, deciding what to seal or delete.
//!
//! An object is written under a key nobody has used before and never rewritten; the row that names the key publishes
//! it. An object no row names is rubbish of an interrupted step and may be deleted.

mod object;
mod pack;
mod url;
mod zip;

#[cfg(test)]
mod contract;
#[cfg(test)]
pub mod testing;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetResultPayload, ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};

pub use object::{Kind, ObjectKey, ObjectWriter, Written};
pub use pack::{Manifest, ManifestEntry, PackEntry, PackError, PackWriter, SealedPack};

/// How much of a local file is read at a time while streaming.
const CHUNK: u64 = 256 << 10;

/// The object store of the center.
#[derive(Clone)]
pub struct Archive {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

/// Where the bytes of one instance or derived object lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    pub key: ObjectKey,
    pub offset: u64,
    pub length: u64,
}

pub type ByteStream = BoxStream<'static, Result<Bytes, ArchiveError>>;

/// One object as a listing shows it.
#[derive(Debug, Clone)]
pub struct Listed {
    pub key: ObjectKey,
    pub bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The address of the store makes no sense: a person has to change the configuration.
    #[error("the archive's address {url:?} is unusable: {why}")]
    Address { url: String, why: String },
    #[error("{0} is not in the archive")]
    Missing(ObjectKey),
    /// Not a key this program makes.
    #[error("{0:?} is no key of the archive")]
    BadKey(String),
    /// Bytes are not what was written.
    #[error("{key} is damaged: {what}")]
    Damaged { key: ObjectKey, what: String },
    #[error("bytes {start}..{end} asked of {length} stored")]
    OutOfRange { start: u64, end: u64, length: u64 },
    /// Down, slow, full or refusing; trying again later may help.
    #[error("the archive does not answer: {0}")]
    Unavailable(#[source] object_store::Error),
    #[error("reading the archive failed: {0}")]
    Read(#[source] std::io::Error),
}

impl Archive {
    /// Opens the store at `url` (`file:DIR`, or `s3://bucket/prefix`); a local directory is made if missing.
    pub fn open(url: &str) -> Result<Self, ArchiveError> {
        url::open(url)
    }

    fn over(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self { store, prefix }
    }

    /// Streams `range` of the bytes at `at`; the range counts from the location's own beginning.
    pub async fn read(&self, at: &Location, range: Range<u64>) -> Result<ByteStream, ArchiveError> {
        if range.start > range.end || range.end > at.length {
            return Err(ArchiveError::OutOfRange { start: range.start, end: range.end, length: at.length });
        }
        if range.is_empty() {
            return Ok(futures_util::stream::empty().boxed());
        }
        let wanted = at.offset + range.start..at.offset + range.end;
        self.stream(&at.key, Some(wanted)).await
    }

    /// `range` of the bytes at `at` in memory; the caller bounds the range.
    pub async fn read_bytes(&self, at: &Location, range: Range<u64>) -> Result<Bytes, ArchiveError> {
        let expected = range.end.saturating_sub(range.start);
        let mut stream = self.read(at, range).await?;
        let Some(first) = stream.try_next().await? else { return Ok(Bytes::new()) };
        if first.len() as u64 == expected {
            return Ok(first);
        }
        let mut all = first.to_vec();
        while let Some(chunk) = stream.try_next().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.into())
    }

    /// Opens a new object for writing.
    pub fn create(&self, kind: Kind) -> ObjectWriter {
        ObjectWriter::new(self, ObjectKey::unique(kind))
    }

    /// Opens a new pack for writing. `node` is the node whose spool it empties.
    pub fn create_pack(&self, node: &str) -> PackWriter {
        PackWriter::new(self.create(Kind::Pack), node)
    }

    /// The manifest of a pack, from the pack itself.
    pub async fn manifest(&self, key: &ObjectKey) -> Result<Manifest, ArchiveError> {
        pack::read_manifest(self, key).await
    }

    /// Length of the object, if it is there.
    pub async fn length(&self, key: &ObjectKey) -> Result<u64, ArchiveError> {
        let meta = self.store.head(&self.path(key)).await.map_err(|error| translate(key, error))?;
        Ok(meta.size)
    }

    /// Length and SHA-256 of the whole object, read back from the store.
    pub async fn digest(&self, key: &ObjectKey) -> Result<Written, ArchiveError> {
        let mut stream = self.stream(key, None).await?;
        let mut hash = Sha256::new();
        let mut bytes = 0;
        while let Some(chunk) = stream.try_next().await? {
            hash.update(&chunk);
            bytes += chunk.len() as u64;
        }
        Ok(Written { key: key.clone(), bytes, sha256: hash.finalize().into() })
    }

    /// Copies an object to another archive, under the same key; what was read is what the digest says.
    pub async fn copy_to(&self, key: &ObjectKey, to: &Archive) -> Result<Written, ArchiveError> {
        let mut stream = self.stream(key, None).await?;
        let mut writer = ObjectWriter::new(to, key.clone());
        loop {
            let step = match stream.try_next().await {
                Ok(Some(chunk)) => writer.write(chunk).await,
                Ok(None) => return writer.finish().await,
                Err(error) => Err(error),
            };
            if let Err(error) = step {
                writer.abort().await;
                return Err(error);
            }
        }
    }

    /// Deletes an object; one that is already gone is no error.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), ArchiveError> {
        match self.store.delete(&self.path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(translate(key, error)),
        }
    }

    /// Every object of a kind, in no particular order. What is not ours is passed over.
    pub fn list(&self, kind: Kind) -> BoxStream<'static, Result<Listed, ArchiveError>> {
        let prefix = self.prefix.clone();
        let under = Path::from_iter(prefix.parts().chain([kind.folder().into()]));
        self.store
            .list(Some(&under))
            .map_err(ArchiveError::Unavailable)
            .try_filter_map(move |meta| {
                let key = meta.location.prefix_match(&prefix).and_then(|parts| {
                    let parts: Vec<_> = parts.collect();
                    let text = parts.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join("/");
                    ObjectKey::from_row(text).ok()
                });
                std::future::ready(Ok(key.map(|key| Listed { key, bytes: meta.size })))
            })
            .boxed()
    }

    async fn stream(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<ByteStream, ArchiveError> {
        let options = GetOptions::new().with_range(range.clone());
        let result = self.store.get_opts(&self.path(key), options).await.map_err(|error| translate(key, error))?;
        if let Some(wanted) = range
            && result.range != wanted
        {
            let what = format!("bytes {wanted:?} are not there, only {} are", result.meta.size);
            return Err(ArchiveError::Damaged { key: key.clone(), what });
        }
        let range = result.range.clone();
        let stream = match result.payload {
            GetResultPayload::File(file, _) => file_chunks(file, range),
            GetResultPayload::Stream(stream) => stream.map_err(ArchiveError::Unavailable).boxed(),
        };
        Ok(stream)
    }

    fn path(&self, key: &ObjectKey) -> Path {
        Path::from_iter(self.prefix.parts().chain(key.as_str().split('/').map(Into::into)))
    }
}

/// Reads a local file in larger steps than the store's own stream, each off the async threads.
fn file_chunks(file: std::fs::File, range: Range<u64>) -> ByteStream {
    let file = Arc::new(file);
    futures_util::stream::try_unfold(range, move |left| {
        let file = file.clone();
        async move {
            if left.is_empty() {
                return Ok(None);
            }
            let length = (left.end - left.start).min(CHUNK);
            let start = left.start;
            let read = tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0; length as usize];
                std::os::unix::fs::FileExt::read_exact_at(&*file, &mut chunk, start)?;
                Ok(Bytes::from(chunk))
            });
            let chunk = read.await.map_err(|join| ArchiveError::Read(join.into()))?.map_err(ArchiveError::Read)?;
            Ok(Some((chunk, start + length..left.end)))
        }
    })
    .boxed()
}

fn translate(key: &ObjectKey, error: object_store::Error) -> ArchiveError {
    match error {
        object_store::Error::NotFound { .. } => ArchiveError::Missing(key.clone()),
        other => ArchiveError::Unavailable(other),
    }
}
