//! Extended sequential JPEG with 12-bit samples (ISO/IEC 10918-1, process 4), which no decoder in the tree reads.
//!
//! Huffman coded, interleaved or not, any sampling factors; chrominance is repeated, not smoothed.

use std::f32::consts::{FRAC_1_SQRT_2, PI};
use std::sync::LazyLock;

/// A decoded image, pixel-interleaved.
pub struct Image {
    pub columns: u16,
    pub rows: u16,
    pub components: usize,
    pub samples: Vec<u16>,
}

const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// A sequential frame of 12-bit samples begins here.
pub fn is_extended(bytes: &[u8]) -> bool {
    segments(bytes).any(|(marker, body)| marker == 0xC1 && body.first() == Some(&12))
}

/// Marker segments up to the first scan (B.1.1.4).
fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut at = if bytes.starts_with(&[0xFF, 0xD8]) { 2 } else { bytes.len() };
    std::iter::from_fn(move || {
        let (marker, body, next) = segment(bytes, at)?;
        at = if marker == 0xDA { bytes.len() } else { next };
        Some((marker, body))
    })
}

fn segment(bytes: &[u8], mut at: usize) -> Option<(u8, &[u8], usize)> {
    // Fill bytes may precede a marker.
    while bytes.get(at..at + 2)? == [0xFF, 0xFF] {
        at += 1;
    }
    let &[0xFF, marker, high, low] = bytes.get(at..at + 4)?.first_chunk::<4>()? else { return None };
    let next = at + 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
    Some((marker, bytes.get(at + 4..next)?, next))
}

#[derive(Clone)]
struct Component {
    id: u8,
    across: usize,
    down: usize,
    table: usize,
    /// Blocks in a row of `plane`, padded to whole MCUs.
    blocks: usize,
    plane: Vec<u16>,
    predictor: i32,
}

struct Huffman {
    /// Largest code of each length, and what to add to get the value's place; F.2.2.3.
    max: [i32; 17],
    offset: [i32; 17],
    values: Vec<u8>,
}

#[derive(Default)]
struct State {
    columns: u16,
    rows: u16,
    components: Vec<Component>,
    quantization: [Option<[u16; 64]>; 4],
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    restart: usize,
}

type Fault = &'static str;

/// Decodes one image; `limit` bounds the bytes of its samples.
pub fn decode(bytes: &[u8], limit: usize) -> Result<Image, Fault> {
    let mut state = State::default();
    let mut at = 2;
    while let Some((marker, body, next)) = segment(bytes, at) {
        at = next;
        match marker {
            0xC1 => state.frame(body, limit).ok_or("a frame header that cannot be")?,
            0xDB => state.quantization_tables(body).ok_or("damaged quantization tables")?,
            0xC4 => state.huffman_tables(body).ok_or("damaged Huffman tables")?,
            0xDD => {
                state.restart = usize::from(u16::from_be_bytes(*body.first_chunk().ok_or("damaged restart interval")?))
            }
            0xDA => at += state.scan(body, bytes.get(next..).unwrap_or_default())?,
            0xD9 => break,
            _ => {}
        }
    }
    state.image().ok_or("no image")
}

impl State {
    /// B.2.2
    fn frame(&mut self, body: &[u8], limit: usize) -> Option<()> {
        let &[12, r0, r1, c0, c1, count, ref rest @ ..] = body else { return None };
        (self.rows, self.columns) = (u16::from_be_bytes([r0, r1]), u16::from_be_bytes([c0, c1]));
        let pixels = usize::from(self.rows) * usize::from(self.columns) * usize::from(count);
        if !self.components.is_empty() || pixels == 0 || pixels * 2 > limit || !matches!(count, 1 | 3) {
            return None;
        }
        for part in rest.as_chunks::<3>().0.iter().take(count.into()) {
            let (across, down) = (usize::from(part[1] >> 4), usize::from(part[1] & 15));
            if !(1..=4).contains(&across) || !(1..=4).contains(&down) || part[2] > 3 {
                return None;
            }
            let table = usize::from(part[2]);
            self.components.push(Component {
                id: part[0],
                across,
                down,
                table,
                blocks: 0,
                plane: Vec::new(),
                predictor: 0,
            });
        }
        let (mcus_across, mcus_down) = self.mcus()?;
        for component in &mut self.components {
            component.blocks = mcus_across * component.across;
            component.plane = vec![0; component.blocks * mcus_down * component.down * 64];
        }
        (self.components.len() == usize::from(count)).then_some(())
    }

    fn mcus(&self) -> Option<(usize, usize)> {
        let across = self.components.iter().map(|c| c.across).max()?;
        let down = self.components.iter().map(|c| c.down).max()?;
        Some((usize::from(self.columns).div_ceil(8 * across), usize::from(self.rows).div_ceil(8 * down)))
    }

    /// B.2.4.1
    fn quantization_tables(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = body.split_first() {
            let wide = usize::from(head >> 4 != 0);
            let values = rest.get(..64 << wide)?;
            body = &rest[64 << wide..];
            let mut table = [0; 64];
            for (i, place) in table.iter_mut().enumerate() {
                *place =
                    if wide == 1 { u16::from_be_bytes([values[2 * i], values[2 * i + 1]]) } else { values[i].into() };
            }
            *self.quantization.get_mut(usize::from(head & 15))? = Some(table);
        }
        Some(())
    }

    /// B.2.4.2
    fn huffman_tables(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = body.split_first() {
            let counts = rest.first_chunk::<16>()?;
            let total = counts.iter().map(|&n| usize::from(n)).sum::<usize>();
            let values = rest.get(16..16 + total)?;
            body = &rest[16 + total..];
            let (mut max, mut offset) = ([-1; 17], [0; 17]);
            let (mut code, mut index) = (0i32, 0i32);
            for (length, &count) in (1..).zip(counts) {
                offset[length] = index - code;
                code += i32::from(count);
                index += i32::from(count);
                if count > 0 {
                    max[length] = code - 1;
                }
                code <<= 1;
            }
            let tables = if head >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(usize::from(head & 15))? = Some(Huffman { max, offset, values: values.to_vec() });
        }
        Some(())
    }

    /// One scan; the answer is how many bytes of `data` it took.
    fn scan(&mut self, body: &[u8], data: &[u8]) -> Result<usize, Fault> {
        let count = usize::from(*body.first().ok_or("an empty scan header")?);
        let mut chosen = Vec::new();
        for part in body[1..].as_chunks::<2>().0.iter().take(count) {
            let index = self.components.iter().position(|c| c.id == part[0]).ok_or("a scan of an unknown component")?;
            chosen.push((index, usize::from(part[1] >> 4 & 3), usize::from(part[1] & 3)));
        }
        if chosen.is_empty() || chosen.len() != count {
            return Err("a scan of no components");
        }
        let (mcus_across, mcus_down) = self.mcus().ok_or("a scan without a frame")?;
        let mut bits = Bits { data, at: 0, buffer: 0, left: 0 };
        // A scan of one component has its blocks in rows, without the padding of MCUs (A.2.3).
        let (units_across, units_down) = match chosen[..] {
            [(only, ..)] => self.own_blocks(only),
            _ => (mcus_across, mcus_down),
        };
        for component in &mut self.components {
            component.predictor = 0;
        }
        for unit in 0..units_across * units_down {
            if self.restart > 0 && unit > 0 && unit % self.restart == 0 {
                bits.restart();
                for component in &mut self.components {
                    component.predictor = 0;
                }
            }
            let (x, y) = (unit % units_across, unit / units_across);
            for &(index, dc, ac) in &chosen {
                let (across, down) = match chosen.len() {
                    1 => (1, 1),
                    _ => (self.components[index].across, self.components[index].down),
                };
                for block in 0..across * down {
                    let place = (x * across + block % across, y * down + block / across);
                    self.block(&mut bits, index, dc, ac, place)?;
                }
            }
        }
        Ok(bits.end())
    }

    /// Blocks of one component that hold image, across and down.
    fn own_blocks(&self, index: usize) -> (usize, usize) {
        let across = self.components.iter().map(|c| c.across).max().unwrap_or(1);
        let down = self.components.iter().map(|c| c.down).max().unwrap_or(1);
        let own = &self.components[index];
        let scaled = |size: u16, own: usize, all: usize| (usize::from(size) * own).div_ceil(all).div_ceil(8);
        (scaled(self.columns, own.across, across), scaled(self.rows, own.down, down))
    }

    /// F.2.2: one block's coefficients, then its samples.
    fn block(&mut self, bits: &mut Bits, index: usize, dc: usize, ac: usize, at: (usize, usize)) -> Result<(), Fault> {
        let component = &mut self.components[index];
        let quantization = self.quantization[component.table].as_ref().ok_or("a missing quantization table")?;
        let (dc, ac) = (self.dc[dc].as_ref(), self.ac[ac].as_ref());
        let (dc, ac) = dc.zip(ac).ok_or("a missing Huffman table")?;
        let mut coefficients = [0f32; 64];
        let size = bits.symbol(dc)?;
        component.predictor = component.predictor.wrapping_add(bits.signed(size)?);
        coefficients[0] = component.predictor as f32 * f32::from(quantization[0]);
        let mut k = 1;
        while k < 64 {
            let symbol = bits.symbol(ac)?;
            let (run, size) = (usize::from(symbol >> 4), symbol & 15);
            if size == 0 {
                if run < 15 {
                    break;
                }
                k += 16;
                continue;
            }
            k += run;
            let place = *ZIGZAG.get(k).ok_or("a coefficient outside its block")?;
            coefficients[usize::from(place)] = bits.signed(size)? as f32 * f32::from(quantization[k]);
            k += 1;
        }
        inverse_dct(&mut coefficients);
        let row = component.blocks * 8;
        for (y, line) in coefficients.as_chunks::<8>().0.iter().enumerate() {
            let start = (at.1 * 8 + y) * row + at.0 * 8;
            let places = component.plane.get_mut(start..start + 8).ok_or("a block outside the image")?;
            for (place, value) in places.iter_mut().zip(line) {
                *place = (value + 2048.5).floor().clamp(0.0, 4095.0) as u16;
            }
        }
        Ok(())
    }

    fn image(self) -> Option<Image> {
        let across = self.components.iter().map(|c| c.across).max()?;
        let down = self.components.iter().map(|c| c.down).max()?;
        let mut samples =
            Vec::with_capacity(usize::from(self.columns) * usize::from(self.rows) * self.components.len());
        for y in 0..usize::from(self.rows) {
            for x in 0..usize::from(self.columns) {
                for c in &self.components {
                    samples.push(*c.plane.get(y * c.down / down * c.blocks * 8 + x * c.across / across)?);
                }
            }
        }
        Some(Image { columns: self.columns, rows: self.rows, components: self.components.len(), samples })
    }
}

static COSINES: LazyLock<[[f32; 8]; 8]> = LazyLock::new(|| {
    std::array::from_fn(|x| {
        std::array::from_fn(|u| {
            let scale = if u == 0 { FRAC_1_SQRT_2 } else { 1.0 };
            scale * ((2 * x + 1) as f32 * u as f32 * PI / 16.0).cos() / 2.0
        })
    })
});

/// A.3.3, separably.
fn inverse_dct(block: &mut [f32; 64]) {
    let cosines = &*COSINES;
    let mut half = [0f32; 64];
    for v in 0..8 {
        for x in 0..8 {
            half[v * 8 + x] = (0..8).map(|u| cosines[x][u] * block[v * 8 + u]).sum();
        }
    }
    for y in 0..8 {
        for x in 0..8 {
            block[y * 8 + x] = (0..8).map(|v| cosines[y][v] * half[v * 8 + x]).sum();
        }
    }
}

/// Entropy-coded bits: a zero follows each data byte of ones (B.1.1.5).
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    buffer: u32,
    left: u32,
}

impl Bits<'_> {
    fn bit(&mut self) -> Result<i32, Fault> {
        if self.left == 0 {
            let byte = *self.data.get(self.at).ok_or("the scan ends early")?;
            if byte == 0xFF {
                if self.data.get(self.at + 1) != Some(&0) {
                    return Err("a marker inside the scan");
                }
                self.at += 1;
            }
            self.at += 1;
            (self.buffer, self.left) = (byte.into(), 8);
        }
        self.left -= 1;
        Ok((self.buffer >> self.left & 1) as i32)
    }

    fn symbol(&mut self, table: &Huffman) -> Result<u8, Fault> {
        let mut code = 0;
        for length in 1..=16 {
            code = code << 1 | self.bit()?;
            if code <= table.max[length] {
                let place = usize::try_from(code + table.offset[length]).map_err(|_| "a code that is none")?;
                return table.values.get(place).copied().ok_or("a code that is none");
            }
        }
        Err("a code that is none")
    }

    /// RECEIVE and EXTEND (F.2.2.1).
    fn signed(&mut self, size: u8) -> Result<i32, Fault> {
        if size == 0 {
            return Ok(0);
        }
        if size > 16 {
            return Err("a difference too large");
        }
        let mut value = 0;
        for _ in 0..size {
            value = value << 1 | self.bit()?;
        }
        Ok(if value < 1 << (size - 1) { value - (1 << size) + 1 } else { value })
    }

    /// Steps over a restart marker.
    fn restart(&mut self) {
        self.left = 0;
        if matches!(self.data.get(self.at..self.at + 2), Some([0xFF, 0xD0..=0xD7])) {
            self.at += 2;
        }
    }

    /// Where the next marker is.
    fn end(&self) -> usize {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let found = rest.windows(2).position(|w| w[0] == 0xFF && !matches!(w[1], 0 | 0xD0..=0xD7));
        self.at + found.unwrap_or(rest.len())
    }
}
