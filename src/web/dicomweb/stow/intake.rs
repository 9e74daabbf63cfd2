//! One part on its way into the spool.

use super::super::super::App;
use super::super::accept;
use super::super::parts::Head;
use super::answer::{self, Outcome, Stored};
use crate::clock;
use crate::dicom::{self, FileMeta, Front, Limits, file_meta, tags};
use crate::domain::DeviceId;
use crate::ingest::activity::{self, Storing};
use crate::ingest::spool::{RecordMeta, Spool, SpoolError, Writer};
use crate::ingest::{Identity, identify};

/// Longest part.
const MAX_PART: u64 = 16 << 30;
/// As much of a data set is looked at for its study before it is made durable, where only one study is taken.
const MAX_LOOK: usize = 256 << 10;

/// Who sends.
#[derive(Debug, Clone)]
pub struct Sender {
    pub device: DeviceId,
    pub ae_title: String,
    pub peer: String,
}

/// A part while it arrives.
pub struct Incoming {
    spool: Spool,
    meta: RecordMeta,
    file: FileMeta,
    /// Bytes before it is known where the data set begins.
    front: Vec<u8>,
    writer: Option<Writer>,
    length: u64,
    /// Why it is not stored; the rest of it is read and dropped.
    refused: Option<u16>,
    /// The file has no meta information: it can only go into quarantine.
    bare: bool,
    only: Option<Only>,
    /// While this lives, the study it belongs to is not taken as complete.
    storing: Storing,
}

/// The study that is taken, and the beginning of the data set by which it is known.
struct Only {
    study: String,
    begin: Vec<u8>,
}

impl Incoming {
    pub fn begin(app: &App, sender: &Sender, head: &Head, only: Option<&str>) -> Self {
        let media = head.get("content-type").map(|text| accept::media_type(text).0);
        let is_dicom = media.is_none_or(|media| media == "application/dicom");
        Self {
            spool: app.intake.spool.clone(),
            meta: RecordMeta {
                received: clock::now(),
                calling_ae: sender.ae_title.clone(),
                called_ae: "STOW-RS".into(),
                peer: sender.peer.clone(),
                device: Some(sender.device),
                sop_class: String::new(),
                sop_instance: String::new(),
                transfer_syntax: String::new(),
            },
            file: FileMeta::default(),
            front: Vec::new(),
            writer: None,
            length: 0,
            refused: (!is_dicom).then_some(answer::CANNOT_UNDERSTAND),
            bare: false,
            only: only.map(|study| Only { study: study.to_owned(), begin: Vec::new() }),
            storing: app.intake.activity.storing(activity::Sender::Device(sender.device)),
        }
    }

    pub async fn append(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if self.length > MAX_PART {
            self.refuse(answer::OUT_OF_RESOURCES);
        }
        if self.refused.is_some() {
            return;
        }
        if self.writer.is_some() {
            return self.append_dataset(bytes).await;
        }
        self.front.extend_from_slice(bytes);
        match file_meta(&self.front) {
            Front::Unfinished => {}
            Front::Whole(file) => self.open(file).await,
            Front::Absent => {
                self.bare = true;
                self.open(FileMeta::default()).await;
            }
        }
    }

    /// The data set begins; what came of it already is appended.
    async fn open(&mut self, file: FileMeta) {
        let front = std::mem::take(&mut self.front);
        let (front, begun) = front.split_at(file.length);
        self.meta.sop_class.clone_from(&file.sop_class);
        self.meta.sop_instance.clone_from(&file.sop_instance);
        self.meta.transfer_syntax.clone_from(&file.transfer_syntax);
        self.file = file;
        match self.spool.begin_file(self.meta.clone(), front) {
            Ok(writer) => self.writer = Some(writer),
            Err(error) => self.refuse(failure(&error)),
        }
        self.append_dataset(begun).await;
    }

    async fn append_dataset(&mut self, bytes: &[u8]) {
        if let Some(only) = &mut self.only {
            let room = MAX_LOOK.saturating_sub(only.begin.len()).min(bytes.len());
            only.begin.extend_from_slice(&bytes[..room]);
        }
        if let Some(writer) = &mut self.writer {
            writer.append(bytes).await;
        }
    }

    fn refuse(&mut self, reason: u16) {
        self.refused = Some(reason);
        self.writer = None;
        self.front = Vec::new();
    }

    /// What became of it; stored only once it is on the device.
    pub async fn finish(mut self) -> Outcome {
        if self.length == 0 {
            // There is nothing to keep.
            self.refused.get_or_insert(answer::CANNOT_UNDERSTAND);
        }
        if self.writer.is_none() && self.refused.is_none() {
            // It ended before it was known what it is.
            self.bare = true;
            self.open(FileMeta::default()).await;
        }
        if let Some(only) = &self.only
            && !self.bare
            && !only.takes(&self.file.transfer_syntax)
        {
            self.refuse(answer::NOT_OF_THIS_STUDY);
        }
        let (class, instance) = (self.file.sop_class.clone(), self.file.sop_instance.clone());
        let storing = self.storing;
        let outcome = |result: Result<Stored, u16>| {
            if let Err(reason) = result {
                storing.refused(reason);
            }
            Outcome { class: class.clone(), instance: instance.clone(), result }
        };
        let Some(writer) = self.writer else {
            return outcome(Err(self.refused.unwrap_or(answer::PROCESSING_FAILURE)));
        };
        let receipt = match writer.finish().await {
            Ok(receipt) => receipt,
            Err(error) => {
                tracing::error!(%error, "part refused");
                return outcome(Err(failure(&error)));
            }
        };
        if self.bare {
            // Kept in quarantine, where a person can look at it; the sender must send what it meant.
            return outcome(Err(answer::CANNOT_UNDERSTAND));
        }
        let spool = self.spool.clone();
        let identity = tokio::task::spawn_blocking(move || identify(&spool, &receipt)).await.ok().flatten();
        outcome(Ok(Stored { place: identity.map(|Identity { study, series }| (study, series)) }))
    }
}

impl Only {
    /// Whether the data set that begins so is of the study.
    fn takes(&self, transfer_syntax: &str) -> bool {
        let front = dicom::front_of(transfer_syntax);
        let walked = dicom::walk_bytes(&[&front, &self.begin[..]].concat(), &Limits::default());
        walked.is_ok_and(|header| header.dataset.uid(tags::STUDY_INSTANCE_UID) == Some(&self.study))
    }
}

/// Everything that keeps an object from the device is out of resources to the sender: it may try again later.
fn failure(error: &SpoolError) -> u16 {
    match error {
        SpoolError::Meta(_) | SpoolError::FrontTooLong => answer::CANNOT_UNDERSTAND,
        _ => answer::OUT_OF_RESOURCES,
    }
}
