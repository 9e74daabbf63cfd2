//! Storage (PS3.4 annex B): the data set's bytes go to the spool, and the answer tells that they are on the device.

use crate::dimse::command::{Command, Response, Status};
use crate::ingest::activity::{Activity, Sender, Storing};
use crate::ingest::spool::{RecordMeta, Spool, SpoolError, Writer};

/// One C-STORE whose data set is arriving.
pub struct Incoming {
    request: Command,
    writer: Writer,
    /// While this lives, the study it belongs to is not taken as complete.
    storing: Storing,
}

impl Incoming {
    pub fn begin(spool: &Spool, activity: &Activity, request: Command, meta: RecordMeta) -> Self {
        let storing = activity.storing(Sender::of(meta.device, &meta.calling_ae));
        Self { writer: spool.begin(meta), request, storing }
    }

    /// Where the next bytes of the data set go.
    pub fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// The response, once it is true.
    pub async fn finish(self) -> Vec<u8> {
        let status = match self.writer.finish().await {
            Ok(_receipt) => Status::SUCCESS,
            Err(error) => {
                tracing::error!(%error, "object refused");
                let status = status_of(&error);
                self.storing.refused(status.0);
                status
            }
        };
        self.request.response(&Response::of(status))
    }
}

/// Everything that keeps an object from the device is out of resources to the sender: it may try again later.
fn status_of(error: &SpoolError) -> Status {
    match error {
        SpoolError::Meta(_) => Status::CANNOT_UNDERSTAND,
        _ => Status::OUT_OF_RESOURCES,
    }
}

/// A request without the data set it is about.
pub fn nothing_to_store(request: &Command) -> Vec<u8> {
    request.response(&Response::failed(Status::CANNOT_UNDERSTAND, "no data set"))
}
