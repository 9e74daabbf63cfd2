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
    let mut out = Vec::with_capacity(command.len() + 64);
    append(&mut out, context, true, command, peer_max);
    out
}

/// A command set and its data set, if it has one.
pub fn message_pdus(context: u8, command: &[u8], data_set: Option<&[u8]>, peer_max: u32) -> Vec<u8> {
    let mut out = command_pdus(context, command, peer_max);
    match data_set {
        Some([]) => out.extend_from_slice(&PdvHeader { context, command: false, last: true, length: 0 }.alone()),
        Some(data_set) => append(&mut out, context, false, data_set, peer_max),
        None => {}
    }
    out
}

fn append(out: &mut Vec<u8>, context: u8, command: bool, bytes: &[u8], peer_max: u32) {
    let fragment = fragment_length(peer_max, bytes.len());
    let mut chunks = bytes.chunks(fragment.max(1)).peekable();
    while let Some(chunk) = chunks.next() {
        let last = chunks.peek().is_none();
        out.extend_from_slice(&PdvHeader { context, command, last, length: chunk.len() }.alone());
        out.extend_from_slice(chunk);
    }
}

/// Cuts a data set whose length is not known beforehand; holds back what may be its last fragment.
pub struct DataSetPdus {
    context: u8,
    fragment: usize,
    held: Vec<u8>,
}

impl DataSetPdus {
    /// Fragments fit the peer's limit and `ours`.
    pub fn new(context: u8, peer_max: u32, ours: usize) -> Self {
        let fragment = (fragment_length(peer_max, ours) & !1).max(2);
        Self { context, fragment, held: Vec::new() }
    }

    /// Takes more of the data set; full fragments go to `out`.
    pub fn push(&mut self, mut chunk: &[u8], out: &mut Vec<u8>) {
        while self.held.len() + chunk.len() > self.fragment {
            let (now, rest) = chunk.split_at(self.fragment - self.held.len());
            chunk = rest;
            self.emit(now, false, out);
        }
        self.held.extend_from_slice(chunk);
    }

    /// The last fragment.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.emit(&[], true, out);
    }

    fn emit(&mut self, more: &[u8], last: bool, out: &mut Vec<u8>) {
        let length = self.held.len() + more.len();
        out.extend_from_slice(&PdvHeader { context: self.context, command: false, last, length }.alone());
        out.append(&mut self.held);
        out.extend_from_slice(more);
    }
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

    #[test]
    fn a_data_set_of_unknown_length_comes_out_the_same_however_it_is_cut() {
        let bytes: Vec<u8> = (0..1000_u32).map(|at| at as u8).collect();
        let expected = message_pdus(1, &[], Some(&bytes[..976]), 128);
        for chunk in [1, 7, 122, 123, 976] {
            let (mut pdus, mut out) = (DataSetPdus::new(1, 128, 4096), Vec::new());
            bytes[..976].chunks(chunk).for_each(|chunk| pdus.push(chunk, &mut out));
            pdus.finish(&mut out);
            assert_eq!(out, expected, "in chunks of {chunk}");
        }
        let mut empty = Vec::new();
        DataSetPdus::new(1, 128, 4096).finish(&mut empty);
        assert_eq!(empty, message_pdus(1, &[], Some(&[]), 128));
    }
}
