//! Presentation data values (PS3.8 9.3.1, annex E.2): the fragments inside P-DATA-TF.

use super::pdu::{HEADER_LENGTH, P_DATA_TF};

/// Length, context id and control byte in front of a fragment.
pub const PDV_HEADER: usize = 6;

/// What is said of one fragment before its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PdvHeader {
    pub context: u8,
    /// A fragment of a command set, not of a data set.
    pub command: bool,
    pub last: bool,
    /// Bytes of the fragment.
    pub length: usize,
}

impl PdvHeader {
    /// `None` when it does not fit the `remaining` bytes of its PDU, its own header included.
    pub fn decode(bytes: [u8; PDV_HEADER], remaining: usize) -> Option<Self> {
        let item = usize::try_from(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).ok()?;
        let fits = item >= 2 && item.checked_add(4)? <= remaining;
        fits.then(|| Self { context: bytes[4], command: bytes[5] & 1 != 0, last: bytes[5] & 2 != 0, length: item - 2 })
    }

    /// PDU and PDV header for one fragment alone in its PDU.
    pub fn alone(self) -> [u8; HEADER_LENGTH + PDV_HEADER] {
        let item = (self.length as u32 + 2).to_be_bytes();
        let body = (self.length as u32 + PDV_HEADER as u32).to_be_bytes();
        let control = u8::from(self.command) | u8::from(self.last) << 1;
        let mut out = [0; HEADER_LENGTH + PDV_HEADER];
        out[0] = P_DATA_TF;
        out[2..6].copy_from_slice(&body);
        out[6..10].copy_from_slice(&item);
        out[10] = self.context;
        out[11] = control;
        out
    }
}

/// A command set in P-DATA-TF PDUs no longer than the peer's limit (0: without limit).
pub fn command_pdus(context: u8, command: &[u8], peer_max: u32) -> Vec<u8> {
    let fragment = fragment_length(peer_max, command.len());
    let mut out = Vec::with_capacity(command.len() + 64);
    let mut chunks = command.chunks(fragment.max(1)).peekable();
    while let Some(chunk) = chunks.next() {
        let last = chunks.peek().is_none();
        out.extend_from_slice(&PdvHeader { context, command: true, last, length: chunk.len() }.alone());
        out.extend_from_slice(chunk);
    }
    out
}

/// Longest fragment that fits the peer's limit, and `ours`.
pub fn fragment_length(peer_max: u32, ours: usize) -> usize {
    let theirs = usize::try_from(peer_max).unwrap_or(usize::MAX);
    // Below this a peer asks for more header than data.
    let theirs = if theirs == 0 { usize::MAX } else { theirs.max(128) - PDV_HEADER };
    theirs.min(ours).min(u32::MAX as usize - PDV_HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_must_fit_its_pdu() {
        let bytes = |item: u32| {
            let [a, b, c, d] = item.to_be_bytes();
            [a, b, c, d, 1, 3]
        };
        let header = PdvHeader { context: 1, command: true, last: true, length: 8 };
        assert_eq!(PdvHeader::decode(bytes(10), 14), Some(header));
        for (item, remaining) in [(10, 13), (1, 100), (0, 100), (u32::MAX, 100), (u32::MAX - 3, 4)] {
            assert_eq!(PdvHeader::decode(bytes(item), remaining), None, "{item} in {remaining}");
        }
    }

    #[test]
    fn a_long_command_is_cut_to_the_peers_limit() {
        let out = command_pdus(3, &[7; 300], 128);
        assert_eq!(out.len(), 300 + 3 * 12);
        assert_eq!(&out[..12], &[4, 0, 0, 0, 0, 128, 0, 0, 0, 124, 3, 1]);
        assert_eq!(out[2 * (12 + 122) + 11], 3, "the last fragment says so");
    }
}
