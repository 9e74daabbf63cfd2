//! A recorder between a sender and a center: what really crossed the wire, whoever encoded it.
//!
//! Passes the bytes of both sides on unchanged and reads them when all is said (PS3.8 9.3, PS3.7 6.3 and 9.3.1). It is
//! written apart from the program's own reading of the same bytes, which it is there to check.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, spawn};

const C_STORE_RQ: u16 = 0x0001;
const C_STORE_RSP: u16 = 0x8001;

/// Listens in a center's place until [`Wire::finish`].
pub struct Wire {
    pub address: SocketAddr,
    done: Arc<AtomicBool>,
    listening: JoinHandle<Vec<Conversation>>,
}

/// The two sides of one connection.
struct Conversation {
    asked: Vec<u8>,
    answered: Vec<u8>,
}

/// One C-STORE as it was asked for and answered.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    pub message_id: u16,
    pub sop_instance: String,
    pub transfer_syntax: String,
    pub dataset: Vec<u8>,
    /// The last fragment came.
    pub whole: bool,
    pub status: Option<u16>,
}

impl Wire {
    pub fn to(center: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let done = Arc::new(AtomicBool::new(false));
        let seen = done.clone();
        let listening = spawn(move || {
            let mut open = Vec::new();
            for sender in listener.incoming() {
                if seen.load(Ordering::SeqCst) {
                    break;
                }
                let sender = sender.expect("a connection");
                open.push(spawn(move || Conversation::between(sender, center)));
            }
            open.into_iter().map(|talk| talk.join().expect("a connection was recorded")).collect()
        });
        Self { address, done, listening }
    }

    /// Every C-STORE in the order it was begun; the senders must have ended.
    pub fn finish(self) -> Vec<Stored> {
        self.done.store(true, Ordering::SeqCst);
        // Wakes the listener.
        drop(TcpStream::connect(self.address));
        let conversations = self.listening.join().expect("the recorder ends");
        conversations.iter().flat_map(Conversation::stores).collect()
    }
}

impl Conversation {
    fn between(sender: TcpStream, center: SocketAddr) -> Self {
        let center = TcpStream::connect(center).expect("the center takes connections");
        for stream in [&sender, &center] {
            stream.set_nodelay(true).expect("a socket option");
        }
        let (from, to) = (sender.try_clone().expect("a handle"), center.try_clone().expect("a handle"));
        let asking = spawn(move || pass(from, to));
        let answered = pass(center, sender);
        Self { asked: asking.join().expect("one direction ends"), answered }
    }

    fn stores(&self) -> Vec<Stored> {
        let syntaxes = pdus(&self.answered).find(|(kind, _)| *kind == 2).map(|(_, body)| accepted(body));
        let syntaxes = syntaxes.unwrap_or_default();
        let mut stores: Vec<Stored> = Vec::new();
        let mut commands: HashMap<u8, Vec<u8>> = HashMap::new();
        // Which of `stores` a context's data belongs to.
        let mut open: HashMap<u8, usize> = HashMap::new();
        for (context, control, bytes) in fragments(&self.asked) {
            let last = control & 2 != 0;
            if control & 1 == 0 {
                let Some(store) = open.get(&context).and_then(|&at| stores.get_mut(at)) else { continue };
                store.dataset.extend_from_slice(bytes);
                store.whole = last;
                continue;
            }
            commands.entry(context).or_default().extend_from_slice(bytes);
            if last {
                let command = commands.remove(&context).unwrap_or_default();
                open.remove(&context);
                if element(&command, 0x0100).and_then(number) == Some(C_STORE_RQ) {
                    open.insert(context, stores.len());
                    stores.push(Stored {
                        message_id: element(&command, 0x0110).and_then(number).unwrap_or_default(),
                        sop_instance: element(&command, 0x1000).map(text).unwrap_or_default(),
                        transfer_syntax: syntaxes.get(&context).cloned().unwrap_or_default(),
                        ..Stored::default()
                    });
                }
            }
        }
        self.note_statuses(&mut stores);
        stores
    }

    fn note_statuses(&self, stores: &mut [Stored]) {
        for (_, _, command) in fragments(&self.answered) {
            if element(command, 0x0100).and_then(number) != Some(C_STORE_RSP) {
                continue;
            }
            let to = element(command, 0x0120).and_then(number);
            let asked = stores.iter_mut().find(|store| Some(store.message_id) == to && store.status.is_none());
            asked.expect("an answer to a request").status = element(command, 0x0900).and_then(number);
        }
    }
}

/// Copies until one side ends or is gone, then lets the other side know.
fn pass(mut from: TcpStream, mut to: TcpStream) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut buffer = vec![0; 1 << 17];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // Either may be closed already.
    drop(to.shutdown(Shutdown::Write));
    drop(from.shutdown(Shutdown::Read));
    seen
}

/// PDUs: type and body.
fn pdus(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (head, rest) = bytes.split_at_checked(6)?;
        let length = u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize;
        let (body, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some((head[0], body))
    })
}

/// Presentation data values: context, control byte, bytes.
fn fragments(bytes: &[u8]) -> impl Iterator<Item = (u8, u8, &[u8])> {
    pdus(bytes).filter(|(kind, _)| *kind == 4).flat_map(|(_, mut body)| {
        std::iter::from_fn(move || {
            let (head, rest) = body.split_at_checked(4)?;
            let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let (value, rest) = rest.split_at_checked(length)?;
            body = rest;
            Some((value[0], value[1], &value[2..]))
        })
    })
}

/// Accepted contexts of an A-ASSOCIATE-AC and their transfer syntaxes.
fn accepted(body: &[u8]) -> HashMap<u8, String> {
    let mut found = HashMap::new();
    for (kind, value) in items(&body[68..]) {
        if kind == 0x21 && value[2] == 0 {
            let syntax = items(&value[4..]).find(|(kind, _)| *kind == 0x40);
            found.insert(value[0], syntax.map(|(_, uid)| text(uid)).unwrap_or_default());
        }
    }
    found
}

fn items(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (head, rest) = bytes.split_at_checked(4)?;
        let (value, rest) = rest.split_at_checked(u16::from_be_bytes([head[2], head[3]]).into())?;
        bytes = rest;
        Some((head[0], value))
    })
}

/// The value of an element of group 0000.
fn element(mut command: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (head, rest) = command.split_at_checked(8)?;
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let (value, rest) = rest.split_at_checked(length)?;
        command = rest;
        if head[..4] == [0, 0, wanted as u8, (wanted >> 8) as u8] {
            return Some(value);
        }
    }
}

fn number(value: &[u8]) -> Option<u16> {
    Some(u16::from_le_bytes(*value.first_chunk()?))
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_matches(['\0', ' ']).to_owned()
}
