//! A stored instance opened for its frames, its faults as HTTP has them.

use std::ops::Deref;

use axum::http::StatusCode;

use super::super::{Answer, App, Problem};
use super::accept::FrameForm;
use crate::index::dicomweb::NamedInstance;
use crate::ingest::derived::StoredFrames;
use crate::pixels::{DecodeError, FrameError, Frames, ShapeError};
use crate::retrieve::{self, RetrieveError};

/// An instance whose header was walked.
pub struct Opened(pub retrieve::Opened<StoredFrames>);

pub type OpenedFrames<'a> = Frames<'a, StoredFrames>;

impl Opened {
    /// The caller has been found to be allowed to see the instance.
    pub async fn new(app: &App, found: &NamedInstance) -> Answer<Self> {
        let length = u64::try_from(found.bytes).unwrap_or(0);
        let opened = retrieve::Opened::stored(&app.viewing.bytes, found.id, length).await;
        opened.map(Self).map_err(Problem::internal)
    }

    pub fn frames(&self) -> Answer<OpenedFrames<'_>> {
        self.0.frames().map_err(|fault| refused(fault.into()))
    }
}

impl Deref for Opened {
    type Target = retrieve::Opened<StoredFrames>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Frame `index`, from 0, in a form.
pub async fn frame(
    app: &App,
    frames: &OpenedFrames<'_>,
    index: u32,
    form: FrameForm,
) -> Result<Vec<u8>, RetrieveError> {
    let form = match form {
        FrameForm::Stored(_) => retrieve::FrameForm::Stored,
        FrameForm::Samples => retrieve::FrameForm::Samples,
        FrameForm::Coded(target) => retrieve::FrameForm::Coded(target),
    };
    retrieve::frame(&app.viewing.decoder, frames, index, form).await
}

pub fn refused(fault: RetrieveError) -> Problem {
    match fault {
        RetrieveError::Frame(FrameError::Shape(ShapeError::NoPixels) | FrameError::NoSuchFrame(_)) => {
            Problem::not_found()
        }
        RetrieveError::Frame(FrameError::Io(error)) => Problem::internal(error),
        RetrieveError::Bytes(error) => error.into(),
        error @ (RetrieveError::Walk(_) | RetrieveError::CutOff | RetrieveError::Decode(DecodeError::NoWorker(_))) => {
            Problem::internal(error)
        }
        other => Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable").detail(other.to_string()),
    }
}
