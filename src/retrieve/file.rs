//! A DICOM file outside the archive as something to be written anew: for the sender, which sends files.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Opened, RetrieveError};
use crate::dicom::{self, Limits};
use crate::pixels::{FrameCache, FrameSource};

/// Reads pieces of a file, on threads that may block.
pub struct FileSource {
    file: Arc<File>,
    length: u64,
}

impl FrameSource for FileSource {
    async fn read(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let end = offset.checked_add(length).filter(|end| *end <= self.length);
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let (file, length) = (self.file.clone(), usize::try_from(length).map_err(io::Error::other)?);
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, offset).map(|()| bytes)
        });
        read.await.map_err(io::Error::other)?
    }

    fn length(&self) -> u64 {
        self.length
    }
}

impl Opened<FileSource> {
    pub async fn file(path: PathBuf) -> Result<Self, RetrieveError> {
        let walked = tokio::task::spawn_blocking(move || {
            let file = File::open(path).map_err(dicom::WalkError::Io)?;
            let length = file.metadata().map_err(dicom::WalkError::Io)?.len();
            let header = dicom::walk(&file, &Limits::default())?;
            let source = FileSource { file: Arc::new(file), length };
            Ok(Self { header, source, cache: FrameCache::default() })
        });
        walked.await.map_err(|_| RetrieveError::CutOff)?
    }
}
