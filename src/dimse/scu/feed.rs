//! Reads objects ahead of one association's socket and cuts them into PDUs.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::{Body, Failure, FileError, Kind, Outgoing, Queue, SourceError, Waiting};
use crate::dimse::command::{Originator, store_request};
use crate::dimse::pdu::HEADER_LENGTH;
use crate::dimse::pdv::{DataSetPdus, PDV_HEADER, PdvHeader, command_pdus, fragment_length};

/// Bytes of one hand-over to the socket, about.
const CHUNK: usize = 1 << 20;

/// Objects taken from the queue and not decided yet, by message id.
#[derive(Clone, Default)]
pub(super) struct InHand(Arc<Mutex<HashMap<u16, Held>>>);

pub(super) struct Held {
    pub waiting: Waiting,
    /// Of the data set, on their way so far.
    pub bytes: u64,
    /// When the last of it was sent.
    pub sent: Option<Instant>,
}

impl InHand {
    pub fn lock(&self) -> MutexGuard<'_, HashMap<u16, Held>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What the sender does next.
pub(super) enum Step {
    /// Sends these; `first` and `last` of their object.
    Pdus { message_id: u16, first: bool, last: bool, bytes: u64, pdus: Vec<u8> },
    /// An object that cannot be sent here.
    Unsendable(u16, Failure),
    /// The source failed in the middle of its object: the association must not go on.
    Broken(u16, Failure),
}

/// Runs on a thread of its own until the queue is empty or the association gone.
pub(super) struct Feed {
    pub queue: Queue,
    pub in_hand: InHand,
    pub contexts: HashMap<Kind, u8>,
    pub originator: Option<Originator>,
    /// Longest P-DATA-TF body the receiver takes; 0 without limit.
    pub peer_max: u32,
    pub our_max: u32,
    pub steps: mpsc::Sender<Step>,
    /// Buffers the socket is done with.
    pub spent: std::sync::mpsc::Receiver<Vec<u8>>,
    pub runtime: Handle,
}

/// Nobody listens any more.
struct Gone;

impl Feed {
    pub fn run(self) {
        let mut message_id = 0_u16;
        loop {
            message_id = message_id.wrapping_add(1);
            // Under both locks, so that an object is always in one of the two places.
            let mut in_hand = self.in_hand.lock();
            let Some(waiting) = self.queue.lock().pop_front() else { return };
            let object = waiting.object.clone();
            in_hand.insert(message_id, Held { waiting, bytes: 0, sent: None });
            drop(in_hand);
            if self.feed(&object, message_id).is_err() {
                return;
            }
        }
    }

    fn feed(&self, object: &Outgoing, message_id: u16) -> Result<(), Gone> {
        let form = object.forms().find_map(|form| Some((*self.contexts.get(&form)?, form)));
        let Some((context, form)) = form else {
            return self.step(Step::Unsendable(message_id, Failure::NotAccepted(object.kind.clone())));
        };
        let of = self.originator.as_ref();
        let command = store_request(message_id, &object.kind.sop_class, &object.sop_instance, of);
        let mut pdus = self.buffer();
        pdus.extend_from_slice(&command_pdus(context, &command, self.peer_max));
        match (&object.body, object.source()) {
            (Body::File { path, dataset_offset, .. }, _) if form == object.kind => {
                self.file(message_id, context, pdus, path, *dataset_offset)
            }
            (_, Some(source)) => {
                let opened = source.open(&form.transfer_syntax);
                self.stream(message_id, context, pdus, opened)
            }
            (_, None) => self.step(Step::Unsendable(message_id, Failure::NotAccepted(object.kind.clone()))),
        }
    }

    /// A file as it is, read straight into its PDUs.
    fn file(&self, message_id: u16, context: u8, pdus: Vec<u8>, path: &Path, dataset_offset: u64) -> Result<(), Gone> {
        let (mut file, mut left) = match open(path, dataset_offset) {
            Ok(opened) => opened,
            Err(error) => return self.step(Step::Unsendable(message_id, FileError::Io(error).into())),
        };
        let fragment = fragment_length(self.peer_max, self.our_max as usize - PDV_HEADER) & !1;
        let (mut pdus, mut first) = (pdus, true);
        loop {
            let before = left;
            while pdus.len() < CHUNK {
                let data = usize::try_from(left).unwrap_or(usize::MAX).min(fragment);
                left -= data as u64;
                let header = PdvHeader { context, command: false, last: left == 0, length: data };
                pdus.extend_from_slice(&header.alone());
                if let Err(error) = read_exactly(&mut file, data, &mut pdus) {
                    return self.cut_off(message_id, first, FileError::Io(error).into());
                }
                if left == 0 {
                    break;
                }
            }
            let last = left == 0;
            let full = std::mem::replace(&mut pdus, if last { Vec::new() } else { self.buffer() });
            self.step(Step::Pdus { message_id, first, last, bytes: before - left, pdus: full })?;
            if last {
                return Ok(());
            }
            first = false;
        }
    }

    /// A data set from elsewhere, of a length that nobody knows beforehand.
    fn stream(
        &self,
        message_id: u16,
        context: u8,
        mut pdus: Vec<u8>,
        opened: impl Future<Output = Result<super::DataSet, SourceError>>,
    ) -> Result<(), Gone> {
        let mut data_set = match self.runtime.block_on(opened) {
            Ok(data_set) => data_set,
            Err(error) => return self.step(Step::Unsendable(message_id, error.into())),
        };
        let mut cut = DataSetPdus::new(context, self.peer_max, self.our_max as usize - PDV_HEADER);
        let (mut first, mut bytes) = (true, 0);
        while let Some(chunk) = self.runtime.block_on(data_set.next()) {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => return self.cut_off(message_id, first, SourceError(error.to_string()).into()),
            };
            bytes += chunk.len() as u64;
            cut.push(&chunk, &mut pdus);
            if pdus.len() >= CHUNK {
                let full = std::mem::replace(&mut pdus, self.buffer());
                let step = Step::Pdus { message_id, first, last: false, bytes: std::mem::take(&mut bytes), pdus: full };
                self.step(step)?;
                first = false;
            }
        }
        cut.finish(&mut pdus);
        self.step(Step::Pdus { message_id, first, last: true, bytes, pdus })
    }

    /// The object ends before its end. If nothing of it was sent, that is its own affair.
    fn cut_off(&self, message_id: u16, nothing_sent: bool, failure: Failure) -> Result<(), Gone> {
        if nothing_sent {
            return self.step(Step::Unsendable(message_id, failure));
        }
        self.step(Step::Broken(message_id, failure))?;
        Err(Gone)
    }

    fn step(&self, step: Step) -> Result<(), Gone> {
        self.steps.blocking_send(step).map_err(|_| Gone)
    }

    fn buffer(&self) -> Vec<u8> {
        let mut buffer =
            self.spent.try_recv().unwrap_or_else(|_| Vec::with_capacity(CHUNK + self.our_max as usize + HEADER_LENGTH));
        buffer.clear();
        buffer
    }
}

fn open(path: &Path, dataset_offset: u64) -> io::Result<(File, u64)> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len().saturating_sub(dataset_offset);
    file.seek(SeekFrom::Start(dataset_offset))?;
    Ok((file, length))
}

fn read_exactly(file: &mut File, count: usize, out: &mut Vec<u8>) -> io::Result<()> {
    match file.take(count as u64).read_to_end(out)? {
        read if read == count => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
