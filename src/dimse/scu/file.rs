//! What the sender must know of a Part-10 file: its file meta and where the data set begins (PS3.10 section 7.1).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::{Body, Kind, Outgoing};

/// Preamble, prefix and a file meta group of any sensible length.
const MAX_META: u64 = 64 * 1024;
/// Enough for any usual one.
const FIRST_READ: u64 = 1024;

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("not a DICOM Part-10 file")]
    NotPart10,
    #[error("the file meta lacks {0}")]
    Incomplete(&'static str),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Reads the file meta of `path` and no more.
pub fn read_meta(path: &Path) -> Result<Outgoing, FileError> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::with_capacity(1024);
    (&mut file).take(FIRST_READ).read_to_end(&mut bytes)?;
    if bytes.get(128..132) != Some(b"DICM") {
        return Err(FileError::NotPart10);
    }
    let whole = (bytes.len() as u64) < FIRST_READ;
    let mut meta = parse(&bytes, whole);
    if meta.is_none() && !whole {
        // An unusually long meta group.
        bytes.clear();
        file.seek(SeekFrom::Start(0))?;
        file.take(MAX_META).read_to_end(&mut bytes)?;
        meta = parse(&bytes, true);
    }
    let meta = meta.ok_or(FileError::Incomplete("its end"))?;
    let body = Body::File { path: path.to_owned(), dataset_offset: meta.end, anew: None };
    Ok(Outgoing {
        kind: Kind {
            sop_class: meta.sop_class.ok_or(FileError::Incomplete("the SOP class"))?,
            transfer_syntax: meta.transfer_syntax.ok_or(FileError::Incomplete("the transfer syntax"))?,
        },
        sop_instance: meta.sop_instance.ok_or(FileError::Incomplete("the SOP instance"))?,
        body,
    })
}

#[derive(Default)]
struct Meta {
    sop_class: Option<String>,
    sop_instance: Option<String>,
    transfer_syntax: Option<String>,
    end: u64,
}

/// Elements of group 0002 in Explicit VR Little Endian; `None` if `bytes`, which may be the `whole` file, end before
/// the group does.
fn parse(bytes: &[u8], whole: bool) -> Option<Meta> {
    let mut meta = Meta::default();
    let mut at = 132;
    loop {
        // The group ends with the file or with the first element of another.
        let group = bytes.get(at..at + 2);
        if (whole && at == bytes.len()) || group.is_some_and(|group| group != [0x02, 0x00]) {
            return Some(Meta { end: at as u64, ..meta });
        }
        let head = bytes.get(at..at + 8)?;
        let long = matches!(&head[4..6], b"OB" | b"OW" | b"UN" | b"SQ" | b"UT" | b"OF" | b"UC" | b"UR");
        let (value_at, length) = if long {
            let length = bytes.get(at + 8..at + 12)?;
            (at + 12, u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize)
        } else {
            (at + 8, usize::from(u16::from_le_bytes([head[6], head[7]])))
        };
        let end = value_at.checked_add(length)?;
        let value = bytes.get(value_at..end)?;
        let text = || Some(String::from_utf8_lossy(value).trim_matches(['\0', ' ']).to_owned());
        match u16::from_le_bytes([head[2], head[3]]) {
            0x0002 => meta.sop_class = text(),
            0x0003 => meta.sop_instance = text(),
            0x0010 => meta.transfer_syntax = text(),
            _ => {}
        }
        at = end;
    }
}
