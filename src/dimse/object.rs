//! An object that goes out by C-STORE, whoever asked for it: what it is, and where its data set comes from.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use dicom_dictionary_std::uids;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

/// A SOP class in one transfer syntax: what one presentation context carries.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    pub sop_class: String,
    pub transfer_syntax: String,
}

/// Every object can be turned into these, tried in this order where a receiver does not take it as it is.
const PLAIN: [&str; 2] = [uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::IMPLICIT_VR_LITTLE_ENDIAN];

impl Kind {
    /// In what it may go out, best first: as it is, then without compression.
    pub fn forms(&self) -> impl Iterator<Item = Kind> + '_ {
        let plain = PLAIN.into_iter().filter(|plain| *plain != self.transfer_syntax);
        let anew = plain.map(|plain| Kind { sop_class: self.sop_class.clone(), transfer_syntax: plain.into() });
        std::iter::once(self.clone()).chain(anew)
    }
}

/// The bytes of a data set, in order. An error in the middle means that the rest will never come.
pub type DataSet = BoxStream<'static, io::Result<Bytes>>;

/// Where an object's data set comes from.
pub trait Source: Send + Sync + 'static {
    /// The data set in `transfer_syntax`: the object's own, or Implicit or Explicit VR Little Endian.
    fn open(&self, transfer_syntax: &str) -> BoxFuture<'static, Result<DataSet, SourceError>>;
}

/// Why an object cannot go out as it should.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

#[derive(Clone)]
pub enum Body {
    /// A Part-10 file that goes out as it is, or anew if there is a way.
    File {
        path: PathBuf,
        dataset_offset: u64,
        anew: Option<Arc<dyn Source>>,
    },
    Source(Arc<dyn Source>),
}

/// One object to be sent.
#[derive(Clone)]
pub struct Outgoing {
    /// As it is at home.
    pub kind: Kind,
    pub sop_instance: String,
    pub body: Body,
}

impl Outgoing {
    /// In what it may go out, best first.
    pub fn forms(&self) -> impl Iterator<Item = Kind> + '_ {
        let as_it_is = matches!(self.body, Body::File { anew: None, .. });
        self.kind.forms().take(if as_it_is { 1 } else { usize::MAX })
    }

    pub fn source(&self) -> Option<&Arc<dyn Source>> {
        match &self.body {
            Body::File { anew, .. } => anew.as_ref(),
            Body::Source(source) => Some(source),
        }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("kind", &self.kind).field("sop_instance", &self.sop_instance).finish()
    }
}

impl fmt::Display for Outgoing {
    /// The file, or the instance.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::File { path, .. } => path.display().fmt(f),
            Body::Source(_) => self.sop_instance.fmt(f),
        }
    }
}
