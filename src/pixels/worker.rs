//! The decode worker: a child process that turns one coded frame after another into samples or a delivery form.
//!
//! It is the only place where codec libraries meet untrusted bytes, and it may die of them: memory is limited by the
//! kernel, time by the parent ([`super::Decoder`]). It reads jobs on standard input and answers on standard output,
//! each message as two little-endian lengths, a JSON head, and a body.

use std::io::{self, BufReader, BufWriter, Read, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pixel::codestream;

use super::decode::{Damaged, decode};
use super::encode::encode;
use super::shape::Shape;
use super::target::Target;

/// Address space of a worker: several times the largest frame in every codec's working form.
const MEMORY: u64 = 6 << 30;
/// Longest JSON head either side accepts.
pub(super) const MAX_HEAD: u32 = 64 * 1024;
/// Longest body either side accepts.
pub(super) const MAX_BODY: u32 = 2_000_000_000;

/// What to make of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Task {
    /// Native samples, colours as RGB.
    Samples,
    /// Native samples, YBR left as it is.
    RawSamples,
    /// A delivery codestream; `keep_ybr` as in [`decode`].
    Htj2k { keep_ybr: bool },
    /// Native samples, zlib.
    Deflate { keep_ybr: bool },
    /// Another transfer syntax; YBR left as it is.
    Coded { target: Target },
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Job {
    pub shape: Shape,
    pub task: Task,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) enum Answer {
    Done {
        resolution_offsets: Vec<u32>,
    },
    /// The samples decoded, but have no such form.
    NoCodestream {
        reason: String,
    },
    Damaged {
        reason: String,
    },
}

/// Serves jobs until standard input ends. For the hidden subcommand `decode-worker`.
pub fn run_worker() -> io::Result<()> {
    limit_resources();
    let mut input = BufReader::new(io::stdin().lock());
    let mut output = BufWriter::new(io::stdout().lock());
    while let Some((head, body)) = read_message(&mut input)? {
        let job: Job = serde_json::from_slice(&head)?;
        let (answer, made) = work(&job, &body);
        write_message(&mut output, &serde_json::to_vec(&answer)?, &made)?;
        output.flush()?;
    }
    Ok(())
}

/// The whole of a worker's answer to one job.
pub(super) fn work(job: &Job, coded: &[u8]) -> (Answer, Vec<u8>) {
    match perform(job, coded) {
        Ok(done) => done,
        Err(Damaged(reason)) => (Answer::Damaged { reason }, Vec::new()),
    }
}

fn perform(job: &Job, coded: &[u8]) -> Result<(Answer, Vec<u8>), Damaged> {
    let keep_ybr = match job.task {
        Task::Samples => false,
        Task::RawSamples | Task::Coded { .. } => true,
        Task::Htj2k { keep_ybr } | Task::Deflate { keep_ybr } => keep_ybr,
    };
    let samples = decode(&job.shape, coded, keep_ybr)?;
    let plain = Answer::Done { resolution_offsets: Vec::new() };
    Ok(match job.task {
        Task::Samples | Task::RawSamples => (plain, samples),
        Task::Coded { target } => match encode(&job.shape, target, &samples) {
            Ok(coded) => (plain, coded),
            Err(reason) => (Answer::NoCodestream { reason }, Vec::new()),
        },
        Task::Htj2k { .. } => match delivery_codestream(&job.shape, samples) {
            Ok(made) => (Answer::Done { resolution_offsets: made.resolution_offsets }, made.bytes),
            Err(reason) => (Answer::NoCodestream { reason }, Vec::new()),
        },
        Task::Deflate { .. } => {
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::new(4));
            let packed = zlib.write_all(&samples).and_then(|()| zlib.finish());
            (plain, packed.map_err(|e| Damaged(e.to_string()))?)
        }
    })
}

/// As many bits as the samples really use, but never fewer bytes a sample than Bits Allocated has.
pub(super) fn delivery_codestream(shape: &Shape, data: Vec<u8>) -> Result<codestream::Codestream, String> {
    if shape.bits_allocated > 16 || !matches!(shape.samples, 1 | 3) {
        return Err("samples of this shape have no delivery codestream".into());
    }
    let whole = if shape.bits_allocated == 16 { 16 } else { 8 };
    let bits = match shape.bits_stored {
        stored if whole == 16 => stored.max(9),
        stored => stored,
    };
    let bits = if fit(&data, whole, bits, shape.signed) { bits } else { whole };
    let samples = codestream::Samples {
        columns: shape.columns.into(),
        rows: shape.rows.into(),
        components: shape.samples,
        bits: bits as u8,
        signed: shape.signed,
        data,
    };
    codestream::encode(&samples).map_err(|e| e.to_string())
}

/// Whether every sample is a number of so many bits: nothing above Bits Stored, negative ones sign-extended.
fn fit(data: &[u8], whole: u16, bits: u16, signed: bool) -> bool {
    let within = |value: i32| {
        if signed { (-(1 << (bits - 1))..1 << (bits - 1)).contains(&value) } else { value < 1 << bits }
    };
    match (whole, signed) {
        (16, true) => data.as_chunks().0.iter().all(|b| within(i16::from_le_bytes(*b).into())),
        (16, false) => data.as_chunks().0.iter().all(|b| within(u16::from_le_bytes(*b).into())),
        (_, true) => data.iter().all(|&b| within((b as i8).into())),
        (_, false) => data.iter().all(|&b| within(b.into())),
    }
}

/// `None` at the end of the input.
fn read_message(input: &mut impl Read) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut lengths = [0; 8];
    match input.read_exact(&mut lengths) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let (head, body) = split_lengths(lengths)?;
    let mut read = |length: u32| {
        let mut bytes = Vec::new();
        let got = input.take(length.into()).read_to_end(&mut bytes)?;
        if got == length as usize { Ok(bytes) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof)) }
    };
    Ok(Some((read(head)?, read(body)?)))
}

fn write_message(output: &mut impl Write, head: &[u8], body: &[u8]) -> io::Result<()> {
    output.write_all(&join_lengths(head, body)?)?;
    output.write_all(head)?;
    output.write_all(body)
}

pub(super) fn join_lengths(head: &[u8], body: &[u8]) -> io::Result<[u8; 8]> {
    let short = |bytes: &[u8], max: u32| u32::try_from(bytes.len()).ok().filter(|&n| n <= max);
    let (head, body) = short(head, MAX_HEAD).zip(short(body, MAX_BODY)).ok_or(io::ErrorKind::FileTooLarge)?;
    let mut lengths = [0; 8];
    lengths[..4].copy_from_slice(&head.to_le_bytes());
    lengths[4..].copy_from_slice(&body.to_le_bytes());
    Ok(lengths)
}

pub(super) fn split_lengths(lengths: [u8; 8]) -> io::Result<(u32, u32)> {
    let [h0, h1, h2, h3, b0, b1, b2, b3] = lengths;
    let (head, body) = (u32::from_le_bytes([h0, h1, h2, h3]), u32::from_le_bytes([b0, b1, b2, b3]));
    if head > MAX_HEAD || body > MAX_BODY { Err(io::ErrorKind::InvalidData.into()) } else { Ok((head, body)) }
}

/// The kernel's word, not the codec's, on how much a frame may take. No core files: they would hold pixels.
#[cfg(unix)]
fn limit_resources() {
    let set = |resource, value: u64| {
        let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
        // SAFETY: the call reads one plain struct that outlives it.
        let result = unsafe { libc::setrlimit(resource, &raw const limit) };
        if result != 0 {
            eprintln!("decode-worker: setrlimit: {}", io::Error::last_os_error());
        }
    };
    set(libc::RLIMIT_AS, MEMORY);
    set(libc::RLIMIT_CORE, 0);
    set(libc::RLIMIT_FSIZE, 0);
}

#[cfg(not(unix))]
fn limit_resources() {}
