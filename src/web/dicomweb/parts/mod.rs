//! `multipart/related` as it arrives (RFC 2046 5.1.1): bytes in, parts out.
//!
//! Pure: reads nothing itself and holds no more than a part's head and the end of a chunk that may begin a boundary. What
//! comes out does not depend on how the bytes were cut. Knows nothing of what the parts are.

use bytes::{Bytes, BytesMut};

/// Of one part's header fields, all together.
const MAX_HEAD: usize = 16 << 10;
const MAX_FIELDS: usize = 64;
/// Before the first boundary.
const MAX_PREAMBLE: usize = 64 << 10;
/// White space behind a boundary.
const MAX_PADDING: usize = 64;
/// Parts of one body.
pub const MAX_PARTS: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the content type names no usable boundary")]
    Boundary,
    #[error("the first boundary does not come")]
    Preamble,
    #[error("a part's header fields are too long or too many")]
    HeadTooLong,
    #[error("a part's header is not one")]
    BadHead,
    #[error("more than {MAX_PARTS} parts")]
    TooManyParts,
    #[error("the body ends before its last boundary")]
    Truncated,
}

/// Header fields of a part, names in small letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head(Vec<(String, String)>);

impl Head {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Begin(Head),
    /// Some of the part's bytes, never none.
    Data(Bytes),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Preamble,
    Head,
    Body,
    /// After the last boundary; nothing there counts.
    Epilogue,
}

/// What stands where a boundary might.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// `length` with its padding and line end.
    Next {
        at: usize,
        length: usize,
    },
    Last {
        at: usize,
    },
    /// From here on more must be seen.
    Unclear {
        at: usize,
    },
    Nothing,
}

/// Takes one body apart.
#[derive(Debug)]
pub struct Parser {
    /// CRLF, two hyphens, the boundary.
    delimiter: Vec<u8>,
    buffer: BytesMut,
    state: State,
    skipped: usize,
    parts: usize,
}

impl Parser {
    /// For a body whose Content-Type has this `boundary` parameter.
    pub fn new(boundary: &str) -> Result<Self, Fault> {
        let fits =
            (1..=70).contains(&boundary.len()) && boundary.bytes().all(|b| (0x20..0x7F).contains(&b) && b != b'"');
        if !fits || boundary.ends_with(' ') {
            return Err(Fault::Boundary);
        }
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        // The first boundary may stand at the very beginning, without a line end before it.
        Ok(Self { delimiter, buffer: BytesMut::from(&b"\r\n"[..]), state: State::Preamble, skipped: 0, parts: 0 })
    }

    pub fn push(&mut self, chunk: &[u8]) {
        if self.state != State::Epilogue {
            self.buffer.extend_from_slice(chunk);
        }
    }

    /// The next event; none: more bytes are needed, or the last boundary has come.
    pub fn event(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            match self.state {
                State::Preamble => {
                    let before = self.buffer.len();
                    let found = self.find();
                    match found {
                        Found::Next { at, length } => {
                            self.buffer.advance_to(at + length);
                            self.state = State::Head;
                        }
                        Found::Last { .. } => self.end(),
                        Found::Unclear { at } => self.buffer.advance_to(at),
                        Found::Nothing => self.buffer.advance_to(before),
                    }
                    self.skipped += before - self.buffer.len();
                    if self.skipped > MAX_PREAMBLE {
                        return Err(Fault::Preamble);
                    }
                    if self.state == State::Preamble {
                        return Ok(None);
                    }
                }
                State::Head => return self.head(),
                State::Body => return Ok(self.body()),
                State::Epilogue => return Ok(None),
            }
        }
    }

    /// Whether the last boundary has come: what ends before is not whole.
    pub fn is_whole(&self) -> bool {
        self.state == State::Epilogue
    }

    #[cfg(test)]
    fn held(&self) -> usize {
        self.buffer.len()
    }

    fn end(&mut self) {
        self.state = State::Epilogue;
        self.buffer = BytesMut::new();
    }

    fn head(&mut self) -> Result<Option<Event>, Fault> {
        let length = match self.buffer.starts_with(b"\r\n") {
            true => 0,
            false => match self.buffer.windows(4).take(MAX_HEAD).position(|four| four == b"\r\n\r\n") {
                Some(at) => at + 2,
                None if self.buffer.len() >= MAX_HEAD + 4 => return Err(Fault::HeadTooLong),
                None => return Ok(None),
            },
        };
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(Fault::TooManyParts);
        }
        let head = fields(&self.buffer[..length])?;
        self.buffer.advance_to(length + 2);
        self.state = State::Body;
        Ok(Some(Event::Begin(head)))
    }

    fn body(&mut self) -> Option<Event> {
        let (data, rest) = match self.find() {
            Found::Next { at, length } => (at, Some((State::Head, length))),
            Found::Last { at } => (at, Some((State::Epilogue, 0))),
            Found::Unclear { at } => (at, None),
            Found::Nothing => (self.buffer.len(), None),
        };
        if data > 0 {
            return Some(Event::Data(self.buffer.split_to(data).freeze()));
        }
        match rest? {
            (State::Epilogue, _) => self.end(),
            (state, length) => {
                self.buffer.advance_to(length);
                self.state = state;
            }
        }
        Some(Event::End)
    }

    /// The first place in the buffer where a boundary stands or may come to stand.
    fn find(&self) -> Found {
        let bytes = &self.buffer[..];
        let mut from = 0;
        while let Some(at) = bytes[from..].iter().position(|&b| b == b'\r').map(|found| from + found) {
            let rest = &bytes[at..];
            let compared = rest.len().min(self.delimiter.len());
            if rest[..compared] == self.delimiter[..compared] {
                match ending(&rest[compared..]) {
                    _ if rest.len() < self.delimiter.len() => return Found::Unclear { at },
                    Ending::Next(padding) => return Found::Next { at, length: compared + padding },
                    Ending::Last => return Found::Last { at },
                    Ending::Unclear => return Found::Unclear { at },
                    // A longer line that only begins like the boundary.
                    Ending::None => {}
                }
            }
            from = at + 1;
        }
        Found::Nothing
    }
}

enum Ending {
    Next(usize),
    Last,
    Unclear,
    None,
}

/// What follows the boundary: two hyphens for the last, else white space and a line end.
fn ending(rest: &[u8]) -> Ending {
    if rest.starts_with(b"--") {
        return Ending::Last;
    }
    let padding = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    match &rest[padding..] {
        _ if padding > MAX_PADDING => Ending::None,
        [b'\r', b'\n', ..] => Ending::Next(padding + 2),
        [] | [b'\r'] => Ending::Unclear,
        [b'-'] if padding == 0 => Ending::Unclear,
        _ => Ending::None,
    }
}

/// Header fields (RFC 822 3.1): a line that begins with white space goes on with the one before.
fn fields(bytes: &[u8]) -> Result<Head, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::BadHead)?;
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.split("\r\n").filter(|line| !line.is_empty()) {
        if line.starts_with([' ', '\t']) {
            let (_, value) = fields.last_mut().ok_or(Fault::BadHead)?;
            value.push(' ');
            value.push_str(line.trim());
            continue;
        }
        let (name, value) = line.split_once(':').ok_or(Fault::BadHead)?;
        if fields.len() == MAX_FIELDS {
            return Err(Fault::HeadTooLong);
        }
        fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Head(fields))
}

trait Advance {
    fn advance_to(&mut self, at: usize);
}

impl Advance for BytesMut {
    fn advance_to(&mut self, at: usize) {
        bytes::Buf::advance(self, at);
    }
}

#[cfg(test)]
mod tests;
