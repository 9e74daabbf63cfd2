//! Where each resolution ends in a delivery codestream, read from its packet headers (ISO/IEC 15444-1 B.10).
//!
//! Only for what `encode` writes: one tile, one layer, one precinct a resolution, code blocks of 64², packets in the
//! order resolution, component.

use super::{BLOCK, LEVELS, SAMPLES, SIDE};

const SOC_SIZ: &[u8] = &[0xFF, 0x4F, 0xFF, 0x51];
const COD: u16 = 0xFF52;
const SOT: u16 = 0xFF90;
const SOD: &[u8] = &[0xFF, 0x93];

/// What the main header says, checked against what [`super::encode`] makes.
pub(super) struct Head {
    pub columns: u32,
    pub rows: u32,
    pub components: u16,
    pub bits: u8,
    pub signed: bool,
    pub levels: u32,
    /// First byte of the first packet.
    packets: usize,
    /// End of the last packet, as the tile header has it.
    end: usize,
}

impl Head {
    pub fn read(bytes: &[u8]) -> Option<Head> {
        let rest = bytes.strip_prefix(SOC_SIZ)?;
        let word = |at: usize| rest.get(at..at + 4).and_then(|b| Some(u32::from_be_bytes(*b.first_chunk()?)));
        // Lsiz, Rsiz, extent, offset, tile extent, tile offset, Csiz (A.5.1).
        let (columns, rows) = (word(4)?, word(8)?);
        let plain = word(12)? == 0
            && word(16)? == 0
            && word(20)? == columns
            && word(24)? == rows
            && word(28)? == 0
            && word(32)? == 0;
        let components = u16::from_be_bytes(*rest.get(36..38)?.first_chunk()?);
        let [depth, 1, 1] = *rest.get(38..41)?.first_chunk()? else { return None };
        let bits = (depth & 0x7F) + 1;
        let size = u64::from(columns) * u64::from(rows) * u64::from(components);
        let fits = columns <= SIDE
            && rows <= SIDE
            && (1..=SAMPLES).contains(&size)
            && matches!(components, 1 | 3)
            && bits <= 16;
        if !plain || !fits {
            return None;
        }
        let same = (0..usize::from(components)).all(|c| rest.get(38 + 3 * c..41 + 3 * c) == Some(&[depth, 1, 1]));
        let mut head =
            Head { columns, rows, components, bits, signed: depth & 0x80 != 0, levels: 0, packets: 0, end: 0 };
        head.segments(bytes).filter(|()| same)?;
        // Lossless never needs much more than the samples themselves.
        (head.end as u64 <= size * 4 + (1 << 20)).then_some(head)
    }

    /// Where the tile's own marker begins.
    pub fn tile(&self) -> usize {
        self.packets - 14
    }

    /// The tile's length from its marker on.
    pub fn tile_length(&self) -> usize {
        self.end - self.tile()
    }

    /// Steps over the marker segments up to the tile's data.
    fn segments(&mut self, bytes: &[u8]) -> Option<()> {
        let mut at = 2;
        loop {
            let marker = u16::from_be_bytes(*bytes.get(at..at + 2)?.first_chunk()?);
            let length = usize::from(u16::from_be_bytes(*bytes.get(at + 2..at + 4)?.first_chunk()?));
            let body = bytes.get(at + 4..at + 2 + length.max(2))?;
            match marker {
                COD => {
                    // Scod, SGcod (order, layers, transform), levels, block sides less two, style, kernel (A.6.1).
                    let &[0, 2, 0, 1, 0, levels, side, side_too, 0x40, 1, ..] = body else { return None };
                    if u32::from(levels) > LEVELS || u32::from(side) + 2 != BLOCK || side != side_too {
                        return None;
                    }
                    self.levels = u32::from(levels);
                }
                SOT => {
                    let length = u32::from_be_bytes(*body.get(2..6)?.first_chunk()?) as usize;
                    self.packets = at + 14;
                    self.end = at.checked_add(length)?;
                    return (bytes.get(at + 12..at + 14) == Some(SOD) && self.end >= self.packets).then_some(());
                }
                _ => {}
            }
            at += 2 + length.max(2);
        }
    }
}

/// A packet's place and the length of its parts; `stray` is a byte between them that does not belong there.
#[derive(Clone, Copy)]
struct Packet {
    start: usize,
    header: usize,
    stray: usize,
    body: usize,
}

/// Takes out the byte that the encoder leaves behind some packet headers, and finds where each resolution ends.
///
/// Its bit writer pads a header to whole bytes before it stuffs them: where a byte of ones comes out among the last few,
/// one empty byte too many follows. Which headers have one shows in whether all packets fit their tile exactly.
pub(super) fn mend(bytes: Vec<u8>) -> Option<(Vec<u8>, Vec<u32>)> {
    let head = Head::read(&bytes)?;
    // After the last packet comes only the end marker.
    if bytes.len() != head.end.checked_add(2)? {
        return None;
    }
    let mut packets = Vec::new();
    let mut tries = 10_000;
    if !lay_out(&bytes, &head, head.packets, &mut packets, &mut tries) {
        return None;
    }
    let mut whole = bytes[..head.packets].to_vec();
    let mut offsets = Vec::new();
    for group in packets.chunks(usize::from(head.components)) {
        for packet in group {
            let body = packet.start + packet.header + packet.stray;
            whole.extend_from_slice(&bytes[packet.start..packet.start + packet.header]);
            whole.extend_from_slice(&bytes[body..body + packet.body]);
        }
        offsets.push(u32::try_from(whole.len()).ok()?);
    }
    // Psot, the tile's length from its own marker on (A.4.2).
    let tile = head.packets - 14;
    let length = u32::try_from(whole.len() - tile).ok()?;
    whole[tile + 6..tile + 10].copy_from_slice(&length.to_be_bytes());
    whole.extend_from_slice(&bytes[head.end..]);
    *offsets.last_mut()? = u32::try_from(whole.len()).ok()?;
    Some((whole, offsets))
}

/// Finds the packets from `at` on so that they fill the tile; `tries` bounds the search.
fn lay_out(bytes: &[u8], head: &Head, at: usize, packets: &mut Vec<Packet>, tries: &mut u32) -> bool {
    let components = u32::from(head.components);
    let resolution = packets.len() as u32 / components;
    if resolution > head.levels {
        return at == head.end;
    }
    *tries = tries.saturating_sub(1);
    let Some(rest) = bytes.get(at..head.end).filter(|_| *tries > 0) else { return false };
    let Some((header, body)) = packet_lengths(rest, head, resolution) else { return false };
    let can_stray = rest[..header].iter().rev().take(5).any(|&b| b == 0xFF) && rest.get(header) == Some(&0);
    for stray in 0..=usize::from(can_stray) {
        let length = header + stray + body;
        if length <= rest.len() {
            packets.push(Packet { start: at, header, stray, body });
            if lay_out(bytes, head, at + length, packets, tries) {
                return true;
            }
            packets.pop();
        }
    }
    false
}

/// Code blocks across and down in each subband of a resolution; the image starts at the origin.
fn subbands(head: &Head, resolution: u32) -> Vec<(u32, u32)> {
    let scaled = |n: u32, level: u32| n.div_ceil(1 << level);
    let blocks = |w: u32, h: u32| (w.div_ceil(1 << BLOCK), h.div_ceil(1 << BLOCK));
    let (w, h) = (scaled(head.columns, head.levels - resolution), scaled(head.rows, head.levels - resolution));
    if resolution == 0 {
        return vec![blocks(w, h)];
    }
    let (low_w, low_h) = (w.div_ceil(2), h.div_ceil(2));
    vec![blocks(w / 2, low_h), blocks(low_w, h / 2), blocks(w / 2, h / 2)]
}

/// Lengths of one packet's header and body (B.10), with the passes of HT code blocks (15444-15 B.2).
fn packet_lengths(bytes: &[u8], head: &Head, resolution: u32) -> Option<(usize, usize)> {
    let mut reader = Bits::new(bytes);
    let mut body = 0usize;
    if reader.bit()? == 1 {
        for (across, down) in subbands(head, resolution) {
            if across > 0 && down > 0 {
                body = body.checked_add(subband_body(&mut reader, across, down)?)?;
            }
        }
    }
    Some((reader.finish()?, body))
}

fn subband_body(reader: &mut Bits, across: u32, down: u32) -> Option<usize> {
    let mut included = TagTree::new(across, down);
    let mut planes = TagTree::new(across, down);
    let mut body = 0usize;
    for y in 0..down {
        for x in 0..across {
            if !included.is_at_most(reader, x, y, 0)? {
                continue;
            }
            planes.settle(reader, x, y)?;
            body = body.checked_add(block_length(reader)?)?;
        }
    }
    Some(body)
}

/// Number of passes (one to three in what we write) and their lengths.
fn block_length(reader: &mut Bits) -> Option<usize> {
    let passes = if reader.bit()? == 0 {
        1
    } else if reader.bit()? == 0 {
        2
    } else if reader.bits(2)? == 0 {
        3
    } else {
        return None;
    };
    let mut width = 3;
    while reader.bit()? == 1 {
        width += 1;
    }
    if width > 24 {
        return None;
    }
    let first = reader.bits(width)?;
    let second = if passes > 1 { reader.bits(width + u32::from(passes > 2))? } else { 0 };
    Some(first as usize + second as usize)
}

/// B.10.2
struct TagTree {
    /// Width, and lower bounds with whether they are final, of each level; leaves first.
    levels: Vec<(u32, Vec<(u32, bool)>)>,
}

impl TagTree {
    fn new(across: u32, down: u32) -> Self {
        let (mut w, mut h) = (across, down);
        let mut levels = Vec::new();
        loop {
            levels.push((w, vec![(0, false); (w * h) as usize]));
            if (w, h) == (1, 1) {
                return Self { levels };
            }
            (w, h) = (w.div_ceil(2), h.div_ceil(2));
        }
    }

    /// Reads until it is known whether the leaf's value is at most `limit`.
    fn is_at_most(&mut self, reader: &mut Bits, x: u32, y: u32, limit: u32) -> Option<bool> {
        let mut low = 0;
        for (level, (width, nodes)) in self.levels.iter_mut().enumerate().rev() {
            let node = nodes.get_mut(((y >> level) * *width + (x >> level)) as usize)?;
            node.0 = node.0.max(low);
            while !node.1 && node.0 <= limit {
                if reader.bit()? == 1 {
                    node.1 = true;
                } else {
                    node.0 += 1;
                }
            }
            low = node.0;
            if low > limit {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Reads until the leaf's value is known.
    fn settle(&mut self, reader: &mut Bits, x: u32, y: u32) -> Option<()> {
        let mut limit = 0;
        while !self.is_at_most(reader, x, y, limit)? {
            limit += 1;
        }
        Some(())
    }
}

/// B.10.1: after a byte of ones the next byte's first bit is stuffing.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    left: u32,
    byte: u8,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, left: 0, byte: 0 }
    }

    fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            self.left = if self.byte == 0xFF { 7 } else { 8 };
            self.byte = *self.bytes.get(self.at)?;
            self.at += 1;
        }
        self.left -= 1;
        Some(u32::from(self.byte >> self.left & 1))
    }

    fn bits(&mut self, n: u32) -> Option<u32> {
        (0..n).try_fold(0, |value, _| Some(value << 1 | self.bit()?))
    }

    /// Length of the header: whole bytes, and the stuffing byte if the last is all ones.
    fn finish(self) -> Option<usize> {
        let length = self.at + usize::from(self.byte == 0xFF);
        (length <= self.bytes.len()).then_some(length)
    }
}
