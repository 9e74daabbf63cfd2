//! Bytes that are almost right: what a seed is turned into. Knows the shapes that parsers here care about (lengths, tags,
//! representations, nesting, boundaries), not which of them looks at what.

/// A small, fast generator: the same seed gives the same inputs.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n.max(1)
    }

    pub fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

const NUMBERS: [u32; 24] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    15,
    16,
    0x7F,
    0x80,
    0xFE,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    0xFFFE,
    0xFFFF,
    0x1_0000,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFD,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
];

/// `base` with a few things wrong, at most `longest` bytes; `other` is another seed, to be crossed with.
pub fn mutate(random: &mut Random, base: &[u8], other: &[u8], tokens: &[&[u8]], longest: usize) -> Vec<u8> {
    let mut bytes = base.to_vec();
    let mut left = 1;
    while left > 0 {
        left -= 1;
        change(random, &mut bytes, other, tokens);
        bytes.truncate(longest);
        if left == 0 && random.below(3) > 0 {
            left = 1;
        }
    }
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8], tokens: &[&[u8]]) {
    let at = place(random, bytes);
    match random.below(15) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.of(&NUMBERS) as u8;
            }
        }
        2..=4 => number(random, bytes, at),
        5 => insert(bytes, at, random.of(tokens)),
        6 => overwrite(bytes, at, random.of(tokens)),
        7 => drop(bytes.drain(at..end(random, bytes, at))),
        8 => {
            let copy = bytes[at..end(random, bytes, at)].to_vec();
            let to = place(random, bytes);
            insert(bytes, to, &copy);
        }
        9 => bytes.truncate(at),
        10 => {
            let from = random.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        11 => {
            let noise: Vec<u8> = (0..random.below(20)).map(|_| random.below(256) as u8).collect();
            insert(bytes, at, &noise);
        }
        // The same again and again: nesting, where the token begins something.
        12 => {
            let pair = [random.of(tokens), random.of(tokens)].concat();
            let times = 1 << random.below(9);
            insert(bytes, at, &pair.repeat(times.min(4096 / pair.len().max(1))));
        }
        13 => {
            let to = place(random, bytes);
            if at < bytes.len() && to < bytes.len() {
                bytes.swap(at, to);
            }
        }
        _ => {
            let from = random.below(other.len() + 1);
            let piece = &other[from..other.len().min(from + 1 + random.below(64))];
            insert(bytes, at, piece);
        }
    }
}

/// Anywhere, or behind two capital letters: there DICOM has its lengths.
fn place(random: &mut Random, bytes: &[u8]) -> usize {
    let anywhere = random.below(bytes.len() + 1);
    if random.below(2) == 0 {
        return anywhere;
    }
    let pairs = bytes[anywhere..].windows(2).position(|pair| pair.iter().all(u8::is_ascii_uppercase));
    pairs.map_or(anywhere, |found| anywhere + found + [0, 2, 4, 8][random.below(4)]).min(bytes.len())
}

fn end(random: &mut Random, bytes: &[u8], at: usize) -> usize {
    let longest = [4, 16, 64, 1024][random.below(4)];
    bytes.len().min(at + random.below(longest))
}

/// A number of one, two or four bytes: an odd one, one near what is left, or one near what is there.
fn number(random: &mut Random, bytes: &mut [u8], at: usize) {
    let width = [1, 2, 2, 4, 4][random.below(5)];
    let left = bytes.len().saturating_sub(at + width) as u32;
    let Some(field) = bytes.get_mut(at..at + width) else { return };
    let little = random.below(3) > 0;
    let mut word = [0; 4];
    word[..width].copy_from_slice(field);
    let value = match random.below(4) {
        0 => u32::from_le_bytes(word).wrapping_add(random.below(9) as u32).wrapping_sub(4),
        1 => left.wrapping_add(random.below(5) as u32).wrapping_sub(2),
        _ => random.of(&NUMBERS),
    };
    let word = value.to_le_bytes();
    field.copy_from_slice(&word[..width]);
    if !little {
        field.reverse();
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    let at = at.min(bytes.len());
    bytes.splice(at..at, what.iter().copied());
}

fn overwrite(bytes: &mut [u8], at: usize, what: &[u8]) {
    for (byte, new) in bytes.iter_mut().skip(at).zip(what) {
        *byte = *new;
    }
}
