//! The front of a DICOM file (PS3.10 7.1) while it arrives: where its data set begins and what it is announced as.

use dicom_core::VR;

use super::vr::has_long_length;

/// Longest front taken for one.
pub const MAX_FRONT: usize = 64 << 10;

const PREAMBLE: usize = 132;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Front {
    /// More bytes would tell.
    Unfinished,
    /// No file meta information begins here, or none that ends within [`MAX_FRONT`].
    Absent,
    Whole(FileMeta),
}

/// Values as written, empty where they are missing; nothing is checked against the data set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileMeta {
    /// Where the data set begins.
    pub length: usize,
    pub sop_class: String,
    pub sop_instance: String,
    pub transfer_syntax: String,
}

/// Reads the first bytes of a file.
pub fn file_meta(bytes: &[u8]) -> Front {
    if bytes.len() < PREAMBLE {
        return Front::Unfinished;
    }
    if &bytes[PREAMBLE - 4..PREAMBLE] != b"DICM" {
        return Front::Absent;
    }
    let mut meta = FileMeta::default();
    let (mut at, mut end) = (PREAMBLE, None);
    loop {
        // The group says its own length; where it lies, the next group's tag ends it.
        if at > MAX_FRONT {
            return Front::Absent;
        }
        let next_group = bytes.get(at..at + 2).is_some_and(|group| group != [2, 0]);
        if next_group || end == Some(at) {
            meta.length = at;
            return if at == PREAMBLE { Front::Absent } else { Front::Whole(meta) };
        }
        let Some((element, value, next)) = element(bytes, at) else {
            return if bytes.len() > MAX_FRONT || overruns(bytes, at) { Front::Absent } else { Front::Unfinished };
        };
        let text = || String::from_utf8_lossy(value).trim_matches([' ', '\0']).chars().take(64).collect::<String>();
        match element {
            0x0000 => end = value.first_chunk().map(|n| next.saturating_add(u32::from_le_bytes(*n) as usize)),
            0x0002 => meta.sop_class = text(),
            0x0003 => meta.sop_instance = text(),
            0x0010 => meta.transfer_syntax = text(),
            _ => {}
        }
        at = next;
    }
}

/// The shortest front of a file in a transfer syntax: for a walk over a data set that was cut off its own.
pub fn front_of(transfer_syntax: &str) -> Vec<u8> {
    let uid: Vec<u8> = transfer_syntax.bytes().take(64).collect();
    let length = uid.len().next_multiple_of(2);
    let mut front = vec![0; PREAMBLE - 4];
    front.extend(b"DICM\x02\x00\x10\x00UI");
    front.extend((length as u16).to_le_bytes());
    front.extend(&uid);
    front.resize(PREAMBLE + 8 + length, 0);
    front
}

/// Number, value and end of the explicit little endian element at `at`, as far as it is there.
fn element(bytes: &[u8], at: usize) -> Option<(u16, &[u8], usize)> {
    let (number, start, length) = head(bytes, at)?;
    let end = start.checked_add(length)?;
    Some((number, bytes.get(start..end)?, end))
}

/// Number of an element, where its value begins and how long that is.
fn head(bytes: &[u8], at: usize) -> Option<(u16, usize, usize)> {
    let &[_, _, n0, n1, v0, v1, l0, l1] = bytes.get(at..at + 8)?.first_chunk()?;
    let number = u16::from_le_bytes([n0, n1]);
    if VR::from_binary([v0, v1]).is_some_and(has_long_length) {
        let length = u32::from_le_bytes(*bytes.get(at + 8..at + 12)?.first_chunk()?);
        return Some((number, at + 12, length as usize));
    }
    Some((number, at + 8, usize::from(u16::from_le_bytes([l0, l1]))))
}

/// Whether the element at `at` claims to be longer than any front.
fn overruns(bytes: &[u8], at: usize) -> bool {
    head(bytes, at).is_some_and(|(_, start, length)| start.saturating_add(length) > MAX_FRONT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(number: u8, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
        let length = (value.len() as u16).to_le_bytes();
        [&[2, 0, number, 0], &vr[..], &length, value].concat()
    }

    fn file(group_length: Option<u32>, rest: &[u8]) -> Vec<u8> {
        let mut out = [&[0; 128][..], b"DICM"].concat();
        out.extend(group_length.map(|n| element(0, b"UL", &n.to_le_bytes())).unwrap_or_default());
        out.extend([2, 0, 1, 0, b'O', b'B', 0, 0, 2, 0, 0, 0, 0, 1]);
        out.extend(element(2, b"UI", b"1.2\0"));
        out.extend(element(3, b"UI", b"1.2.3\0"));
        out.extend(element(16, b"UI", b"1.2.840.10008.1.2.1\0"));
        out.extend(rest);
        out
    }

    #[test]
    fn the_front_is_known_as_soon_as_the_data_set_begins() {
        let group = file(None, &[]).len() as u32 - 132;
        for length in [Some(group), None] {
            let whole = file(length, &[8, 0, 5, 0, b'C', b'S', 0, 0]);
            let Front::Whole(meta) = file_meta(&whole) else { panic!("{length:?}") };
            assert_eq!(meta.length, whole.len() - 8);
            assert_eq!((&*meta.sop_class, &*meta.sop_instance), ("1.2", "1.2.3"));
            assert_eq!(meta.transfer_syntax, "1.2.840.10008.1.2.1");
            for cut in 0..meta.length {
                assert_eq!(file_meta(&whole[..cut]), Front::Unfinished, "{cut}");
            }
        }
        // A deflated data set may begin like another element of the group.
        let deflated = file(Some(group), &[2, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert!(matches!(file_meta(&deflated), Front::Whole(meta) if meta.length == deflated.len() - 6));
    }

    #[test]
    fn a_front_made_for_a_walk_says_its_transfer_syntax() {
        for syntax in ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"] {
            let file = [front_of(syntax), vec![8, 0, 0x16, 0, b'U', b'I', 2, 0, b'1', 0]].concat();
            assert!(matches!(file_meta(&file), Front::Whole(meta) if meta.transfer_syntax == syntax));
        }
    }

    #[test]
    fn what_is_no_file_or_never_ends_is_none() {
        assert_eq!(file_meta(&[0; 200]), Front::Absent);
        let bare = [&[0; 128][..], b"DICM", &[8, 0, 5, 0, b'C', b'S', 0, 0]].concat();
        assert_eq!(file_meta(&bare), Front::Absent);
        let mut huge = file(None, &[]);
        huge.extend([2, 0, 2, 1, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0x7F]);
        assert_eq!(file_meta(&huge), Front::Absent);
        let endless = file(None, &element(9, b"SH", b"1234567890").repeat(4_000));
        assert_eq!(file_meta(&endless), Front::Absent);
        assert_eq!(file_meta(&[&endless[..], &[8, 0, 5, 0]].concat()), Front::Absent);
    }
}
