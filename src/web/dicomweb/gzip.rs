//! gzip (RFC 1952) made of deflate streams that exist already, spliced behind each other without being inflated.

use bytes::Bytes;
use crc32fast::Hasher;

use crate::dicom::packed::Packed;

/// Longest stored block (RFC 1951 3.2.4).
const STORED: usize = 0xFFFF;

/// One gzip member being written.
#[derive(Default)]
pub struct Splice {
    crc: Hasher,
    length: u64,
}

impl Splice {
    pub const fn head() -> [u8; 10] {
        // Deflate, no flags, no time, no extra flags, an unknown system.
        [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF]
    }

    /// Text that is not compressed.
    pub fn stored(&mut self, text: &[u8]) -> Vec<u8> {
        self.crc.update(text);
        self.length += text.len() as u64;
        let mut out = Vec::with_capacity(text.len() + 8);
        for block in text.chunks(STORED) {
            push_stored(&mut out, block, false);
        }
        out
    }

    /// A stream that ends on a byte and is not the last.
    pub fn packed(&mut self, packed: Packed) -> Bytes {
        self.crc.combine(&Hasher::new_with_initial_len(packed.crc32, packed.length.into()));
        self.length += u64::from(packed.length);
        packed.deflated.into()
    }

    /// The last block, and what gzip says of the whole.
    pub fn end(self) -> Vec<u8> {
        let mut out = Vec::new();
        push_stored(&mut out, &[], true);
        out.extend(self.crc.finalize().to_le_bytes());
        // The length is kept modulo 2^32.
        out.extend((self.length as u32).to_le_bytes());
        out
    }
}

fn push_stored(out: &mut Vec<u8>, block: &[u8], last: bool) {
    let length = block.len() as u16;
    out.push(u8::from(last));
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend_from_slice(block);
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::dicom::packed::pack;

    #[test]
    fn spliced_parts_are_one_gzip_file() {
        let first = format!("{{\"a\":\"{}\"}}", "云影 ".repeat(500));
        let second = "x".repeat(STORED + 5);
        let mut splice = Splice::default();
        let mut file = Splice::head().to_vec();
        file.extend(splice.stored(b"["));
        file.extend(splice.packed(pack(first.as_bytes()).unwrap()));
        file.extend(splice.stored(second.as_bytes()));
        file.extend(splice.packed(pack(b"").unwrap()));
        file.extend(splice.end());
        let mut text = String::new();
        // Checks CRC and length.
        flate2::read::GzDecoder::new(&file[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("[{first}{second}"));
    }
}
