//! Reads files ahead of one association's socket and cuts them into PDUs.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use tokio::sync::mpsc;

use super::file::{FileError, Outgoing};
use super::{Failure, Kind, Outcome, Queue};
use crate::dimse::command::store_request;
use crate::dimse::pdu::HEADER_LENGTH;
use crate::dimse::pdv::{PDV_HEADER, PdvHeader, command_pdus, fragment_length};

/// Bytes of one hand-over to the socket, about.
const CHUNK: usize = 1 << 20;

/// What the sender does next.
pub(super) enum Step {
    /// A new object: its command set and the first of its data set.
    Begin { message_id: u16, object: Box<Outgoing>, bytes: u64, pdus: Vec<u8> },
    /// More of the same object.
    More(Vec<u8>),
    /// An object that cannot be sent here.
    Unsendable(Box<Outcome>),
    /// The file failed in the middle of its object: the association must not go on.
    Broken,
}

/// Runs on a thread of its own until the queue is empty or the association gone.
pub(super) struct Feed {
    pub queue: Queue,
    pub contexts: HashMap<Kind, u8>,
    /// Longest P-DATA-TF body the receiver takes; 0 without limit.
    pub peer_max: u32,
    pub our_max: u32,
    pub steps: mpsc::Sender<Step>,
    /// Buffers the socket is done with.
    pub spent: std::sync::mpsc::Receiver<Vec<u8>>,
}

impl Feed {
    pub fn run(self) {
        let mut message_id = 0_u16;
        loop {
            let next = self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop_front();
            let Some(object) = next else { return };
            message_id = message_id.wrapping_add(1);
            if self.feed(object, message_id).is_none() {
                return;
            }
        }
    }

    /// `None` when nobody listens any more.
    fn feed(&self, object: Outgoing, message_id: u16) -> Option<()> {
        let Some(&context) = self.contexts.get(&object.kind) else {
            let Kind { sop_class, transfer_syntax } = object.kind;
            return self.unsendable(object.path, Failure::NotAccepted { sop_class, transfer_syntax });
        };
        let (mut file, length) = match open(&object) {
            Ok(opened) => opened,
            Err(error) => return self.unsendable(object.path, FileError::Io(error).into()),
        };
        let command = store_request(message_id, &object.kind.sop_class, &object.sop_instance, None);
        let mut pdus = self.buffer();
        pdus.extend_from_slice(&command_pdus(context, &command, self.peer_max));

        let fragment = fragment_length(self.peer_max, self.our_max as usize - PDV_HEADER) & !1;
        let mut left = length;
        let mut begin = Some((object, length));
        loop {
            while pdus.len() < CHUNK {
                let data = usize::try_from(left).unwrap_or(usize::MAX).min(fragment);
                left -= data as u64;
                let header = PdvHeader { context, command: false, last: left == 0, length: data };
                pdus.extend_from_slice(&header.alone());
                if read_exactly(&mut file, data, &mut pdus).is_err() {
                    return self.steps.blocking_send(Step::Broken).ok();
                }
                if left == 0 {
                    break;
                }
            }
            let full = std::mem::replace(&mut pdus, if left > 0 { self.buffer() } else { Vec::new() });
            let step = match begin.take() {
                Some((object, bytes)) => Step::Begin { message_id, object: Box::new(object), bytes, pdus: full },
                None => Step::More(full),
            };
            self.steps.blocking_send(step).ok()?;
            if left == 0 {
                return Some(());
            }
        }
    }

    fn unsendable(&self, path: std::path::PathBuf, failure: Failure) -> Option<()> {
        let outcome = Outcome { path, bytes: 0, result: Err(failure) };
        self.steps.blocking_send(Step::Unsendable(Box::new(outcome))).ok()
    }

    fn buffer(&self) -> Vec<u8> {
        let mut buffer =
            self.spent.try_recv().unwrap_or_else(|_| Vec::with_capacity(CHUNK + self.our_max as usize + HEADER_LENGTH));
        buffer.clear();
        buffer
    }
}

fn open(object: &Outgoing) -> io::Result<(File, u64)> {
    let mut file = File::open(&object.path)?;
    let length = file.metadata()?.len().saturating_sub(object.dataset_offset);
    file.seek(SeekFrom::Start(object.dataset_offset))?;
    Ok((file, length))
}

fn read_exactly(file: &mut File, count: usize, out: &mut Vec<u8>) -> io::Result<()> {
    match file.take(count as u64).read_to_end(out)? {
        read if read == count => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
