//! The form DICOM JSON is kept in: raw deflate (RFC 1951) that ends on a byte and is never the last of its stream.
//!
//! So several of them, one behind the other, are one deflate stream: a study's metadata leaves as gzip without being
//! inflated. The length and CRC of what is inside are kept beside it, since gzip says both at its end.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    pub deflated: Vec<u8>,
    /// Of what is inside.
    pub length: u32,
    pub crc32: u32,
}

/// `None` for what is longer than gzip can count, which no header is.
pub fn pack(json: &[u8]) -> Option<Packed> {
    let length = u32::try_from(json.len()).ok()?;
    let mut compress = Compress::new(Compression::fast(), false);
    let mut deflated = Vec::with_capacity(json.len() / 4 + 64);
    loop {
        let taken = usize::try_from(compress.total_in()).ok()?;
        compress.compress_vec(&json[taken..], &mut deflated, FlushCompress::Sync).ok()?;
        // A flush is through once it leaves room.
        if compress.total_in() == u64::from(length) && deflated.len() < deflated.capacity() {
            return Some(Packed { deflated, length, crc32: crc32fast::hash(json) });
        }
        deflated.reserve(json.len() / 8 + 64);
    }
}

/// What was packed, if it comes to `length` bytes.
pub fn unpack(deflated: &[u8], length: u32) -> Option<Vec<u8>> {
    let mut inflate = Decompress::new(false);
    let mut json = Vec::with_capacity(length as usize + 1);
    loop {
        let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
        let taken = usize::try_from(before_in).ok()?;
        let status = inflate.decompress_vec(deflated.get(taken..)?, &mut json, FlushDecompress::None).ok()?;
        let stuck = (before_in, before_out) == (inflate.total_in(), inflate.total_out());
        if status == Status::StreamEnd || stuck || json.len() > length as usize {
            return (json.len() == length as usize).then_some(json);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back_and_several_are_one_stream(parts in prop::collection::vec("[a-z\"{}]{0,3000}", 1..4)) {
            let mut all = Vec::new();
            for part in &parts {
                let packed = pack(part.as_bytes()).unwrap();
                prop_assert_eq!(unpack(&packed.deflated, packed.length).unwrap(), part.as_bytes());
                prop_assert_eq!(packed.crc32, crc32fast::hash(part.as_bytes()));
                prop_assert!(packed.length == 0 || unpack(&packed.deflated, packed.length - 1).is_none());
                all.extend(packed.deflated);
            }
            // An empty last block ends the stream.
            all.extend([1, 0, 0, 0xFF, 0xFF]);
            let mut text = String::new();
            flate2::read::DeflateDecoder::new(&all[..]).read_to_string(&mut text).unwrap();
            prop_assert_eq!(text, parts.concat());
        }

        #[test]
        fn nothing_unpacks_to_more_than_was_said(bytes in prop::collection::vec(any::<u8>(), 0..500), length in 0..2000u32) {
            if let Some(json) = unpack(&bytes, length) {
                prop_assert_eq!(json.len(), length as usize);
            }
        }
    }
}
