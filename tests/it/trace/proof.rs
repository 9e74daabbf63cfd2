//! From a trace to a proof, or to what contradicts it: for each C-STORE response with success, every byte of its object was
//! written, then its file synced, and that sync had returned before the response's first byte was handed to the system.
//!
//! It knows the two layouts that takes: the spool's header block, which names the object and its length, and the command set
//! of a response (PS3.7 9.3.1.2) in its P-DATA-TF PDU (PS3.8 9.3.5).

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::strace::{Call, Descriptor};

const BLOCK: u64 = 4096;
const MAGIC: &[u8] = b"YYSPOOL1";
/// Of a header block: where the length of the Part-10 file stands.
const LENGTH_AT: std::ops::Range<usize> = 40..48;
const C_STORE_RSP: u16 = 0x8001;
const P_DATA_TF: u8 = 4;

/// What the trace shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Success responses, each behind its sync.
    pub answers: usize,
    /// Syncs that were needed for them: fewer, where one served several.
    pub syncs: usize,
}

/// Checks a trace of a center whose spool is in `spool` and whose listener has `port`. The error is what a person must see.
pub fn prove(calls: &[Call], spool: &Path, port: u16) -> Result<Proof, String> {
    let trace = Trace::of(calls, spool, port)?;
    let mut syncs = Vec::new();
    for answer in &trace.answers {
        syncs.push(trace.sync_before(answer).map_err(|fault| format!("{}: {fault}", answer.object))?);
    }
    syncs.sort_unstable();
    syncs.dedup();
    Ok(Proof { answers: trace.answers.len(), syncs: syncs.len() })
}

struct Written {
    file: String,
    offset: u64,
    length: u64,
    returned: usize,
    /// Of a header block: the object, and where its record ends.
    header: Option<(String, u64)>,
}

struct Synced {
    path: String,
    began: usize,
    returned: usize,
}

struct Answer {
    object: String,
    began: usize,
}

struct Trace {
    spool: String,
    /// When the file's creation had returned.
    created: HashMap<String, usize>,
    written: Vec<Written>,
    /// Those that succeeded.
    synced: Vec<Synced>,
    answers: Vec<Answer>,
}

impl Trace {
    fn of(calls: &[Call], spool: &Path, port: u16) -> Result<Self, String> {
        let spool = spool.to_str().ok_or("a path that is text")?.to_owned();
        let mut trace =
            Self { spool, created: HashMap::new(), written: Vec::new(), synced: Vec::new(), answers: Vec::new() };
        // Bytes of each connection not yet a whole PDU, and when the first of them was sent.
        let mut sent: BTreeMap<u16, (Vec<u8>, usize)> = BTreeMap::new();
        for call in calls {
            let unknown = |what: &str| Err(format!("line {}: {} {what}", call.began + 1, call.name));
            match (call.name.as_str(), call.descriptor()) {
                ("openat", _) => trace.open(call),
                ("fdatasync" | "fsync", Descriptor::File(path)) if call.succeeded() => {
                    let returned = call.returned.unwrap_or(usize::MAX);
                    trace.synced.push(Synced { path, began: call.began, returned });
                }
                ("pwrite64", Descriptor::File(file)) if trace.is_segment(&file) => trace.write(call, file)?,
                ("sendto" | "write", Descriptor::Tcp(ours, theirs)) if ours == port => {
                    let (bytes, began) = sent.entry(theirs).or_insert_with(|| (Vec::new(), call.began));
                    if bytes.is_empty() {
                        *began = call.began;
                    }
                    bytes.extend_from_slice(&shown(call)?);
                    trace.answers.extend(answers(bytes, *began)?);
                }
                (_, Descriptor::Tcp(ours, _)) if ours == port => return unknown("on an association: not understood"),
                ("write" | "pwritev" | "pwritev2" | "writev", Descriptor::File(file)) if trace.is_segment(&file) => {
                    return unknown("on a segment: not understood");
                }
                ("io_uring_enter", _) => return unknown("hides what is done"),
                _ => {}
            }
        }
        Ok(trace)
    }

    fn is_segment(&self, path: &str) -> bool {
        path.starts_with(&self.spool) && path.ends_with(".seg")
    }

    fn open(&mut self, call: &Call) {
        let Some((path, _, _)) = call.string() else { return };
        let path = String::from_utf8_lossy(&path).into_owned();
        if self.is_segment(&path) && call.arguments.contains("O_CREAT") && call.succeeded() {
            self.created.insert(path, call.returned.unwrap_or(usize::MAX));
        }
    }

    fn write(&mut self, call: &Call, file: String) -> Result<(), String> {
        let nonsense = || format!("line {}: a write that makes no sense", call.began + 1);
        let (bytes, _, after) = call.string().ok_or_else(nonsense)?;
        let offset: u64 = after.get(1).and_then(|offset| offset.parse().ok()).ok_or_else(nonsense)?;
        // What failed, or was under way at the end, wrote nothing that counts.
        let (Some(returned), Some(length)) = (call.returned, call.result.and_then(|r| u64::try_from(r).ok())) else {
            return Ok(());
        };
        let header = match bytes.starts_with(MAGIC) {
            true => Some(header(&bytes, offset).ok_or_else(nonsense)?),
            false => None,
        };
        self.written.push(Written { file, offset, length, returned, header });
        Ok(())
    }

    /// When the sync that makes this answer true had returned.
    fn sync_before(&self, answer: &Answer) -> Result<usize, String> {
        let mut records = self.written.iter().filter_map(|written| {
            let (object, end) = written.header.as_ref()?;
            (*object == answer.object).then_some((written, *end))
        });
        let (header, end) = records.next().ok_or("no record was written of it")?;
        if records.next().is_some() {
            return Err("more than one record was written of it".into());
        }
        let whole = self.all_written(&header.file, header.offset, end)?;
        let covering = |path: &str, after: usize| {
            let syncs = self.synced.iter().filter(move |sync| sync.path == path && sync.began > after);
            syncs.map(|sync| sync.returned).min().filter(|returned| *returned < answer.began)
        };
        let synced = covering(&header.file, whole)
            .ok_or_else(|| format!("answered before a sync of {} had returned", header.file))?;
        let created = self.created.get(&header.file).ok_or("nobody made its segment")?;
        covering(&self.spool, *created).ok_or("answered before its segment's name was synced")?;
        Ok(synced)
    }

    /// When the last byte of a range was written; all of them must have been.
    fn all_written(&self, file: &str, begin: u64, end: u64) -> Result<usize, String> {
        let mut pieces: Vec<&Written> =
            self.written.iter().filter(|w| w.file == file && w.offset < end && w.offset + w.length > begin).collect();
        pieces.sort_by_key(|piece| piece.offset);
        let mut at = begin;
        for piece in &pieces {
            if piece.offset > at {
                break;
            }
            at = at.max(piece.offset + piece.length);
        }
        if at < end {
            return Err(format!("byte {at} of {file} was never written"));
        }
        Ok(pieces.iter().map(|piece| piece.returned).max().unwrap_or(usize::MAX))
    }
}

/// The object that a header block names, and where its record ends.
fn header(bytes: &[u8], offset: u64) -> Option<(String, u64)> {
    let length = u64::from_le_bytes(bytes.get(LENGTH_AT)?.try_into().ok()?);
    let text = String::from_utf8_lossy(bytes);
    let (_, rest) = text.split_once("\"sop_instance\":\"")?;
    let (object, _) = rest.split_once('"')?;
    Some((object.to_owned(), offset + BLOCK + length.next_multiple_of(BLOCK)))
}

/// What a call sent of what it was given.
fn shown(call: &Call) -> Result<Vec<u8>, String> {
    let Some(count) = call.result.and_then(|result| usize::try_from(result).ok()) else { return Ok(Vec::new()) };
    let bytes = call.string().map(|(bytes, _, _)| bytes).filter(|bytes| bytes.len() >= count);
    bytes
        .map(|bytes| bytes[..count].to_vec())
        .ok_or_else(|| format!("line {}: strace shows less than was sent", call.began + 1))
}

/// Takes the whole PDUs off the front of `bytes`; those that acknowledge an object.
fn answers(bytes: &mut Vec<u8>, began: usize) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    while let Some(head) = bytes.first_chunk::<6>() {
        let end = 6 + u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize;
        let Some(pdu) = bytes.get(..end) else { break };
        if pdu[0] == P_DATA_TF {
            // Length, context and control byte of the only fragment; ours fit one.
            let command = pdu.get(12..).filter(|_| pdu[11] == 3).ok_or("a response in more than one fragment")?;
            answers.extend(acknowledged(command).map(|object| Answer { object, began }));
        }
        bytes.drain(..end);
    }
    Ok(answers)
}

/// The SOP Instance UID of a C-STORE-RSP with success.
fn acknowledged(mut command: &[u8]) -> Option<String> {
    let (mut field, mut status, mut object) = (0, u16::MAX, String::new());
    while let Some((head, rest)) = command.split_first_chunk::<8>() {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let (value, rest) = rest.split_at_checked(length)?;
        command = rest;
        let number = || value.first_chunk().map_or(u16::MAX, |bytes| u16::from_le_bytes(*bytes));
        match u16::from_le_bytes([head[2], head[3]]) {
            0x0100 => field = number(),
            0x0900 => status = number(),
            0x1000 => object = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned(),
            _ => {}
        }
    }
    (field == C_STORE_RSP && status == 0).then_some(object)
}

#[cfg(test)]
mod tests {
    use super::super::strace;
    use super::*;

    const PORT: u16 = 104;

    fn escaped(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
    }

    /// `pwrite64(…)` of a record of two blocks, header included.
    fn write_of(object: &str, offset: u64) -> String {
        let mut header = vec![0; 92];
        header[..8].copy_from_slice(MAGIC);
        header[LENGTH_AT].copy_from_slice(&3_000_u64.to_le_bytes());
        header.extend_from_slice(format!("{{\"sop_instance\":\"{object}\"}}").as_bytes());
        format!("pwrite64(5</s/1.seg>, \"{}\"..., 8192, {offset}", escaped(&header))
    }

    fn answer_to(object: &str, status: u16) -> String {
        let mut command = Vec::new();
        let object = format!("{object}\0");
        for (element, value) in
            [(0x0100_u16, &C_STORE_RSP.to_le_bytes()[..]), (0x0900, &status.to_le_bytes()), (0x1000, object.as_bytes())]
        {
            command.extend_from_slice(&[0, 0]);
            command.extend_from_slice(&element.to_le_bytes());
            command.extend_from_slice(&(value.len() as u32).to_le_bytes());
            command.extend_from_slice(value);
        }
        let mut pdu = vec![P_DATA_TF, 0];
        pdu.extend_from_slice(&(command.len() as u32 + 6).to_be_bytes());
        pdu.extend_from_slice(&(command.len() as u32 + 2).to_be_bytes());
        pdu.extend_from_slice(&[1, 3]);
        pdu.extend_from_slice(&command);
        let length = pdu.len();
        format!(
            "sendto(9<TCP:[127.0.0.1:104->127.0.0.1:5000]>, \"{}\", {length}, 0, NULL, 0) = {length}",
            escaped(&pdu)
        )
    }

    const MADE: &str =
        "1  openat(AT_FDCWD</>, \"/s/1.seg\", O_RDWR|O_CREAT|O_EXCL, 0666) = 5</s/1.seg>\n1  fsync(6</s>) = 0\n";

    fn judge(lines: &[String]) -> Result<Proof, String> {
        let text = format!("{MADE}{}\n", lines.join("\n"));
        prove(&strace::read(&text).expect("a trace"), Path::new("/s"), PORT)
    }

    fn line(thread: u32, call: &str) -> String {
        format!("{thread}  {call}")
    }

    fn whole(object: &str, offset: u64) -> String {
        line(2, &format!("{}) = 8192", write_of(object, offset)))
    }

    const SYNC: &str = "3  fdatasync(5</s/1.seg>) = 0";

    #[test]
    fn an_answer_behind_its_sync_is_proof() {
        let sync = SYNC.to_owned();
        let proof = judge(&[
            whole("1.2", 0),
            whole("1.3", 8192),
            sync,
            line(1, &answer_to("1.3", 0)),
            line(1, &answer_to("1.2", 0)),
        ]);
        assert_eq!(proof, Ok(Proof { answers: 2, syncs: 1 }));
    }

    #[test]
    fn an_answer_before_the_sync_is_found() {
        let fault = judge(&[whole("1.2", 0), line(1, &answer_to("1.2", 0)), SYNC.into()]);
        assert_eq!(fault, Err("1.2: answered before a sync of /s/1.seg had returned".into()));
    }

    #[test]
    fn an_answer_while_the_sync_is_under_way_is_found() {
        let begun = line(3, "fdatasync(5</s/1.seg> <unfinished ...>");
        let resumed = line(3, "<... fdatasync resumed>) = 0");
        let answer = line(1, &answer_to("1.2", 0));
        let early = judge(&[whole("1.2", 0), begun.clone(), answer.clone(), resumed.clone()]);
        assert!(early.is_err_and(|fault| fault.contains("before a sync")));
        assert!(judge(&[whole("1.2", 0), begun.clone(), resumed, answer.clone()]).is_ok());
        assert!(judge(&[whole("1.2", 0), begun, answer]).is_err(), "it never returned");
    }

    #[test]
    fn a_sync_that_began_before_the_write_had_returned_covers_nothing() {
        let begun = line(2, &format!("{} <unfinished ...>", write_of("1.2", 0)));
        let resumed = line(2, "<... pwrite64 resumed>) = 8192");
        let fault = judge(&[begun, SYNC.into(), resumed, line(1, &answer_to("1.2", 0))]);
        assert!(fault.is_err_and(|fault| fault.contains("before a sync")));
    }

    #[test]
    fn a_sync_that_failed_or_of_another_file_covers_nothing() {
        for sync in ["3  fdatasync(5</s/1.seg>) = -1 EIO (Input/output error)", "3  fdatasync(7</s/2.seg>) = 0"] {
            let fault = judge(&[whole("1.2", 0), sync.into(), line(1, &answer_to("1.2", 0))]);
            assert!(fault.is_err_and(|fault| fault.contains("before a sync")), "{sync}");
        }
    }

    #[test]
    fn every_byte_of_the_object_counts() {
        // Two thirds of it are written, the rest comes after the sync.
        let short = line(2, &format!("{}) = 4096", write_of("1.2", 0)));
        let rest = line(2, "pwrite64(5</s/1.seg>, \"\\x00\"..., 4096, 4096) = 4096");
        let answer = line(1, &answer_to("1.2", 0));
        let never = judge(&[short.clone(), SYNC.into(), answer.clone()]);
        assert!(never.is_err_and(|fault| fault.contains("byte 4096 of /s/1.seg was never written")));
        assert!(judge(&[short.clone(), SYNC.into(), rest.clone(), answer.clone()]).is_err());
        assert!(judge(&[short, rest, SYNC.into(), answer]).is_ok());
    }

    #[test]
    fn a_segment_whose_name_was_not_synced_proves_nothing() {
        let text = MADE.lines().next().expect("its making").to_owned();
        let lines = [text, whole("1.2", 0), SYNC.into(), line(1, &answer_to("1.2", 0))].join("\n");
        let fault = prove(&strace::read(&lines).expect("a trace"), Path::new("/s"), PORT);
        assert!(fault.is_err_and(|fault| fault.contains("name")));
    }

    #[test]
    fn refusals_need_no_proof_and_unknown_objects_have_none() {
        assert_eq!(judge(&[line(1, &answer_to("1.2", 0xA700))]), Ok(Proof::default()));
        assert!(judge(&[line(1, &answer_to("1.2", 0))]).is_err_and(|fault| fault.contains("no record")));
    }

    #[test]
    fn a_response_sent_in_pieces_began_with_its_first() {
        let answer = answer_to("1.2", 0);
        let (_, shown) = answer.split_once('"').expect("its bytes");
        let (bytes, _) = shown.split_once('"').expect("their end");
        let piece = |bytes: &str| {
            let length = bytes.len() / 4;
            line(
                1,
                &format!(
                    "sendto(9<TCP:[127.0.0.1:104->127.0.0.1:5000]>, \"{bytes}\", {length}, 0, NULL, 0) = {length}"
                ),
            )
        };
        let (first, second) = bytes.split_at(40);
        let fault = judge(&[whole("1.2", 0), piece(first), SYNC.into(), piece(second)]);
        assert!(fault.is_err_and(|fault| fault.contains("before a sync")));
    }
}
