//! What is fuzzed, and the pieces that inputs are made of.

use std::time::Duration;

use yunying::fuzzing;

use crate::association;

pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    pub tokens: &'static [&'static [u8]],
    /// Bytes that one input may take beside what was held before.
    pub allowance: usize,
    /// Longest that one input may take; ample, for machines that do other things as well.
    pub patience: Duration,
}

const MB: usize = 1 << 20;

const fn target(name: &'static str, run: fn(&[u8]), tokens: &'static [&'static [u8]], allowance: usize) -> Target {
    Target { name, run, tokens, allowance, patience: Duration::from_secs(10) }
}

pub const TARGETS: [Target; 12] = [
    target("association", association::exchange, PDUS, 32 * MB),
    target("pdu", fuzzing::pdus, PDUS, 8 * MB),
    target("command", fuzzing::command, COMMANDS, MB),
    target("identifier", fuzzing::identifier, DICOM, 16 * MB),
    target("header", fuzzing::header, DICOM, 64 * MB),
    target("data_set", fuzzing::data_set, DICOM, 16 * MB),
    target("frames", fuzzing::frames, CODED, 96 * MB),
    target("charset", fuzzing::charset, ESCAPES, 8 * MB),
    target("text", fuzzing::text, WORDS, 32 * MB),
    target("dicom_json", fuzzing::dicom_json, JSON, 16 * MB),
    target("multipart", fuzzing::parts, BOUNDARIES, 4 * MB),
    target("accept", fuzzing::accept, RANGES, 4 * MB),
];

pub fn by_name(name: &str) -> Option<&'static Target> {
    TARGETS.iter().chain(&PLANTED).find(|target| target.name == name)
}

const fn planted(name: &'static str, run: fn(&[u8]), tokens: &'static [&'static [u8]], allowance: usize) -> Target {
    Target { name, run, tokens, allowance, patience: Duration::from_secs(1) }
}

/// Faults on purpose, one of each kind: a harness that misses one of them is none.
pub const PLANTED: [Target; 4] = [
    planted("planted_panic", |bytes| assert!(!bytes.windows(2).any(|two| two == b"B!"), "planted"), &[b"B", b"!"], MB),
    planted("planted_memory", |bytes| drop(Vec::<u8>::with_capacity(length_in(bytes))), DICOM, MB),
    planted("planted_endless", endless, &[b"E!"], MB),
    planted(
        "planted_abort",
        |bytes| {
            if bytes.contains(&b'!') {
                std::process::abort()
            }
        },
        &[b"!"],
        MB,
    ),
];

/// The mistake that costs most: to believe a length.
fn length_in(bytes: &[u8]) -> usize {
    bytes.get(4..8).and_then(|four| four.first_chunk()).map_or(0, |four| u32::from_le_bytes(*four) as usize)
}

fn endless(bytes: &[u8]) {
    while bytes.starts_with(b"E!") {
        std::hint::spin_loop();
    }
}

const DICOM: &[&[u8]] = &[
    b"\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF",
    b"\xFE\xFF\x00\xE0\x08\0\0\0",
    b"\xFE\xFF\x0D\xE0\0\0\0\0",
    b"\xFE\xFF\xDD\xE0\0\0\0\0",
    b"\x08\0\x40\x11SQ\0\0\xFF\xFF\xFF\xFF",
    b"\x08\0\x40\x11SQ\0\0\x10\0\0\0",
    b"\x08\0\x40\x11UN\0\0\xFF\xFF\xFF\xFF",
    b"\x08\0\x40\x11\xFF\xFF\xFF\xFF",
    b"\x08\0\x05\0CS\x08\0GB18030 ",
    b"\x08\0\x05\0CS\x12\0\\ISO 2022 IR 58   ",
    b"\x10\0\x10\0PN\x08\0\xCD\xF5=\xCE\xB0=  ",
    b"\x10\0\x10\0PN\x0C\0\x1B$)A\xCD\xF5^\x1B$)A",
    b"\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF",
    b"\xE0\x7F\x10\0OW\0\0\x20\0\0\0",
    b"\xE0\x7F\x01\0OV\0\0\x08\0\0\0\0\0\0\0\0\0\0\0",
    b"\x28\0\x10\0US\x02\0\x01\0",
    b"\x28\0\x08\0IS\x02\x009 ",
    b"\x28\0\x06\x30SQ\0\0\xFF\xFF\xFF\xFF",
    b"\x08\0\x52\0CS\x06\0STUDY ",
    b"\x10\0\x20\0LO\x02\0*?",
    b"\x02\0\x10\0UI\x16\x001.2.840.10008.1.2.1.99",
    b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.2\0",
    b"\x02\0\x10\0UI\x12\x001.2.840.10008.1.2\0",
    b"\x09\0\x10\x10UN\0\0\x04\0\0\0",
    b"DICM",
    b"SQ",
    b"UN",
    b"OB",
    b"OW",
    b"OV",
    b"UT",
    b"AT",
    b"FD",
    b"SS",
    b"DS",
    b"IS",
    b"PN",
    b"DA",
    b"TM",
    b"UI",
    b"XX",
    b"\\",
    b"1.2.840.10008.1.2.5\0",
];

const CODED: &[&[u8]] = &[
    b"\xFE\xFF\x00\xE0\x08\0\0\0",
    b"\xFE\xFF\x00\xE0\0\0\0\0",
    b"\xFE\xFF\xDD\xE0\0\0\0\0",
    b"\x28\0\x00\x01US\x02\0\x08\0",
    b"\x28\0\x00\x01US\x02\0\x10\0",
    b"\x28\0\x00\x01US\x02\0\x20\0",
    b"\x28\0\x00\x01US\x02\0\x40\0",
    b"\x28\0\x00\x01US\x02\0\x01\0",
    b"\x28\0\x01\x01US\x02\0\x01\0",
    b"\x28\0\x03\x01US\x02\0\x01\0",
    b"\x28\0\x02\0US\x02\0\x03\0",
    b"\x28\0\x02\0US\x02\0\x04\0",
    b"\x28\0\x06\0US\x02\0\x01\0",
    b"\x28\0\x04\0CS\x0C\0YBR_FULL_422",
    b"\x28\0\x04\0CS\x0E\0PALETTE COLOR ",
    b"\x28\0\x08\0IS\x02\x002 ",
    b"\x28\0\x50\x10DS\x04\x00-1e9",
    b"\x28\0\x51\x10DS\x02\x000 ",
    b"\x28\0\x53\x10DS\x02\x000 ",
    b"\x28\0\x52\x10DS\x06\x001e300 ",
    b"\x28\0\x20\x01US\x02\0\xFF\xFF",
    b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.5\0",
    b"\x02\0\x10\0UI\x16\x001.2.840.10008.1.2.8.1\0",
    b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.2\0",
    b"\x02\0\x10\0UI\x16\x001.2.840.10008.1.2.1.99",
    b"\xFF\xD8\xFF",
    b"\xFF\xC1\0\x0B\x0C\0\x08\0\x08\x01\x01\x11\0",
    b"\xFF\xC4\0\x14\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    b"\xFF\xDA\0\x08\x01\x01\0\0\x3F\0",
    b"\xFF\xDD\0\x04\0\x01",
    b"\xFF\xD0",
    b"\xFF\xD9",
    b"\xFF\x00",
    b"\x80",
    b"\x81",
];

const COMMANDS: &[&[u8]] = &[
    b"\0\0\0\0\x04\0\0\0",
    b"\0\0\x02\0\x12\0\0\x001.2.840.10008.1.1\0",
    b"\0\0\0\x01\x02\0\0\0\x30\0",
    b"\0\0\0\x01\x02\0\0\0\x01\0",
    b"\0\0\0\x01\x02\0\0\0\xFF\x0F",
    b"\0\0\x10\x01\x02\0\0\0\x01\0",
    b"\0\0\x20\x01\x02\0\0\0\x01\0",
    b"\0\0\0\x08\x02\0\0\0\x01\x01",
    b"\0\0\0\x09\x02\0\0\0\0\xFF",
    b"\0\0\x01\x09\x08\0\0\0\x10\0\x10\0\x10\0\x20\0",
    b"\0\0\x02\x09\x04\0\0\0\xB2\xBB\xB6\xD4",
    b"\0\0\0\x10\x04\0\0\x001.2\0",
    b"\0\0\x20\x10\x02\0\0\0\xFF\xFF",
    b"\0\0\x30\x10\x02\0\0\0A ",
];

const PDUS: &[&[u8]] = &[
    b"\x01\0",
    b"\x02\0",
    b"\x04\0\0\0\0\x06\0\0\0\x02\x01\x03",
    b"\x04\0\0\0\0\x06\0\0\0\x02\x03\x02",
    b"\x05\0\0\0\0\x04\0\0\0\0",
    b"\x07\0\0\0\0\x04\0\0\0\0",
    b"\x10\0\0\x151.2.840.10008.3.1.1.1",
    b"\x20\0\0\x2E\x01\0\0\0\x30\0\0\x111.2.840.10008.1.1\x40\0\0\x111.2.840.10008.1.2",
    b"\x30\0\0\x191.2.840.10008.5.1.4.1.1.2",
    b"\x30\0\0\x1B1.2.840.10008.5.1.4.1.2.2.1",
    b"\x40\0\0\x131.2.840.10008.1.2.1",
    b"\x50\0\0\x08\x51\0\0\x04\0\0\x40\0",
    b"\x51\0\0\x04\0\0\0\0",
    b"\x52\0\0\x031.2",
    b"\x53\0\0\x04\0\0\0\0",
    b"\x54\0\0\x15\0\x111.2.840.10008.1.1\x01\x01",
    b"\x55\0\0\x01A",
    b"\x56\0\0\x15\0\x111.2.840.10008.1.1\x01\x01",
    b"\0\0\0\x01\x02\0\0\0\x30\0",
    b"\0\0\0\x01\x02\0\0\0\x20\0",
    b"\0\0\0\x08\x02\0\0\0\x01\x01",
    b"\0\0\x10\x01\x02\0\0\0\x01\0",
];

const ESCAPES: &[&[u8]] = &[
    b"\x1B$)A",
    b"\x1B$)C",
    b"\x1B$B",
    b"\x1B$(D",
    b"\x1B(B",
    b"\x1B(J",
    b"\x1B)I",
    b"\x1B-A",
    b"\x1B-L",
    b"\x1B$A",
    b"\x1B",
    b"ISO 2022 IR 58",
    b"ISO 2022 IR 149",
    b"ISO 2022 IR 87",
    b"ISO_IR 192",
    b"ISO_IR 100",
    b"GB18030",
    b"GBK",
    b"\\",
    b"^",
    b"=",
    b"\n",
    b"\r\n",
    b"\xCD\xF5",
    b"\x86\xB4",
    b"\x81\x30\x81\x30",
    b"\xE7\x8E\x8B",
    b"\xF0\xA0\x80\x80",
    b"\xC3\xA9",
    b"\xC2",
    b"\xED\xA0\x80",
    b"\0",
];

const WORDS: &[&[u8]] = &[
    "王^小东".as_bytes(),
    "重庆".as_bytes(),
    "=".as_bytes(),
    "^".as_bytes(),
    "\u{20000}".as_bytes(),
    "\u{feff}".as_bytes(),
    "İ".as_bytes(),
    "ß".as_bytes(),
    "﷽".as_bytes(),
    b"wxd",
    b"*",
    b"?",
    b"\\",
    b"-",
    b"20240229",
    b"99999999",
    b"235960.999999",
    b"20240229235960.999999+1400",
    b"-1400",
    b"1.2.840.10008",
    b"0",
    b"110101199003077758",
    b"11010119900307775X",
    b" ",
    b"\0",
];

const JSON: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"1e308",
    b"-9223372036854775809",
    b"18446744073709551615",
    b"\"vr\":\"SQ\",\"Value\":[{}]",
    b"\"00081140\":{\"vr\":\"SQ\",\"Value\":[{\"00081150\":{\"vr\":\"UI\",\"Value\":[\"1.2\"]}}]}",
    b"\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"A^B\"}]}",
    b"\"00280010\":{\"vr\":\"US\",\"Value\":[70000,-1,\"x\"]}",
    b"\"InlineBinary\":\"AAE=\"",
    b"\"vr\":\"AT\",\"Value\":[\"00080018\"]",
    b"\"vr\":\"FD\",\"Value\":[\"NaN\",1]",
    b"\\u0000",
    b"\\ud800",
    b"FFFFFFFF",
    b"7FE00010",
];

const BOUNDARIES: &[&[u8]] = &[
    b"\r\n--b\r\n",
    b"\r\n--b--",
    b"\r\n--b \t\r\n",
    b"\r\n--b",
    b"\r\n--",
    b"--b\r\n",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"Content-Type: application/dicom; transfer-syntax=\"1.2\"\r\n",
    b"x: y\r\n",
    b" folded\r\n",
    b":",
    b"-",
];

const RANGES: &[&[u8]] = &[
    b"multipart/related; type=\"application/dicom\"; transfer-syntax=*",
    b"application/dicom+json",
    b"image/jpeg",
    b"*/*",
    b";q=0.5",
    b";q=nan",
    b"bytes=0-",
    b"bytes=-1",
    b"bytes=0-18446744073709551615",
    b"accept=",
    b"%",
    b"%2B",
    b"\"",
    b"\\\"",
    b",",
    b";",
    b"=",
    b"gzip;q=0",
];
