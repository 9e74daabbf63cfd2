//! Instances and files as sources of C-STOREs.

use std::path::PathBuf;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{Form, Opened, RetrieveError};
use crate::dicom::Plain;
use crate::dimse::scu::{DataSet, Source, SourceError};
use crate::domain::InstanceId;
use crate::index::Scope;
use crate::ingest::bytes::InstanceBytes;
use crate::pixels::Decoder;

/// What sending stored instances takes. Cheap to clone.
#[derive(Clone)]
pub struct Stored {
    pub bytes: InstanceBytes,
    pub decoder: Decoder,
}

/// A stored instance that somebody was found to be allowed to have.
pub struct StoredInstance {
    pub stored: Stored,
    pub instance: InstanceId,
    pub transfer_syntax: String,
    /// Of the Part-10 file.
    pub length: u64,
    /// Where the data set begins in it.
    pub dataset_offset: u64,
}

impl Source for StoredInstance {
    fn open(&self, transfer_syntax: &str) -> BoxFuture<'static, Result<DataSet, SourceError>> {
        let Stored { bytes, decoder } = self.stored.clone();
        let (instance, length) = (self.instance, self.length);
        if transfer_syntax == self.transfer_syntax {
            let range = self.dataset_offset..length;
            return async move {
                let stream = bytes.stream(Scope::All, instance, Some(range)).await;
                stream.map(|(_, stream)| stream).map_err(failed)
            }
            .boxed();
        }
        let form = Plain::of_transfer_syntax(transfer_syntax);
        async move {
            let form = form.ok_or_else(no_such_form)?;
            let opened = Opened::stored(&bytes, instance, length).await.map_err(failed)?;
            Ok(opened.anew(&decoder, Form::Plain(form)).await.map_err(failed)?.data_set())
        }
        .boxed()
    }
}

/// A file that is sent without compression.
pub struct FileAnew {
    path: PathBuf,
    decoder: Decoder,
}

impl FileAnew {
    pub fn new(path: PathBuf, decoder: Decoder) -> Self {
        Self { path, decoder }
    }
}

impl Source for FileAnew {
    fn open(&self, transfer_syntax: &str) -> BoxFuture<'static, Result<DataSet, SourceError>> {
        let (path, decoder) = (self.path.clone(), self.decoder.clone());
        let form = Plain::of_transfer_syntax(transfer_syntax);
        async move {
            let form = form.ok_or_else(no_such_form)?;
            let opened = Opened::file(path).await.map_err(failed)?;
            Ok(opened.anew(&decoder, Form::Plain(form)).await.map_err(failed)?.data_set())
        }
        .boxed()
    }
}

fn failed(error: impl Into<RetrieveError>) -> SourceError {
    SourceError(error.into().to_string())
}

fn no_such_form() -> SourceError {
    SourceError("it is not made into that transfer syntax".into())
}
