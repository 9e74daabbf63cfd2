//! The bounded header walker: reads the elements of an instance, never its pixels, and survives any bytes.
//!
//! It takes what devices really write: files and bare data sets, every element encoding of PS3.5 A, elements whose
//! encoding differs from what was declared, UN sequences with implicit items (PS3.5 6.2.2, CP-246), sequences that lie
//! about their inside. Lengths are believed only as far as the bytes and what encloses them go.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;

use dicom_core::{Tag, VR};

use super::charset::Charset;
use super::dataset::{Dataset, Element, Value};
use super::fragments::EXTENDED_OFFSETS;
use super::header::{Encoding, Header, Limits, PixelData, WalkError};
use super::stream::Stream;
use super::vr;

pub(super) const UNDEFINED: u32 = u32::MAX;
pub(super) const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
pub(super) const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
const CHARACTER_SET: Tag = Tag(0x0008, 0x0005);
const PIXEL_REPRESENTATION: Tag = Tag(0x0028, 0x0103);
/// What keeping an element costs beside its value.
const ELEMENT_COST: usize = 56;

/// Walks one instance: a DICOM file (PS3.10) or a bare data set, from where `src` stands to its end.
pub fn walk<R: Read + Seek>(mut src: R, limits: &Limits) -> Result<Header, WalkError> {
    let mut stream = Stream::seekable(&mut src)?;
    let start = stream.position();
    let mut state = State::new(limits);
    if has_preamble(stream.peek(134)?) {
        stream.skip(132)?;
    }
    let file_meta = Walker { stream: &mut stream, state: &mut state }.file_meta()?;
    let transfer_syntax = file_meta.uid(Tag(0x0002, 0x0010)).unwrap_or_default().to_owned();
    let dataset_offset = stream.position();
    let deflated = vr::is_deflated(&transfer_syntax);
    if deflated {
        drop(stream);
        src.seek(SeekFrom::Start(dataset_offset))?;
        // Raw reads: the inflater has a buffer of its own.
        stream = Stream::inflating(&mut src, limits.inflated);
    }
    let had_meta = !file_meta.is_empty();
    let found = (|| {
        let encoding = find_encoding(&mut stream, &transfer_syntax, had_meta)?;
        let dataset = Walker { stream: &mut stream, state: &mut state }.top(encoding)?;
        Ok((encoding, dataset))
    })();
    let (encoding, dataset) = found.map_err(|e| if deflated { of_inflating(e, limits) } else { e })?;
    if dataset.is_empty() && state.pixel_data.is_none() {
        return Err(if dataset_offset == start { WalkError::NotDicom } else { empty_after_meta(dataset_offset) });
    }
    let State { mut pixel_data, extended_offsets, shortened, damaged, .. } = state;
    if let Some(encapsulated) = pixel_data.as_mut().and_then(|p| p.encapsulated.as_mut()) {
        encapsulated.extended_offsets = extended_offsets;
    }
    Ok(Header {
        transfer_syntax,
        encoding,
        file_meta,
        dataset,
        pixel_data,
        dataset_offset,
        deflated,
        shortened,
        damaged,
        written_in: None,
    })
}

/// [`walk`] over bytes in memory.
pub fn walk_bytes(bytes: &[u8], limits: &Limits) -> Result<Header, WalkError> {
    walk(Cursor::new(bytes), limits)
}

/// Walks the whole data set of a message, written as `transfer_syntax` says or as it turns out to be. What could not be
/// kept whole is refused: a key left out would change what a query asks.
pub fn walk_data_set(bytes: &[u8], transfer_syntax: &str, limits: &Limits) -> Result<Dataset, WalkError> {
    let mut stream = Stream::seekable(Cursor::new(bytes))?;
    let mut state = State::new(limits);
    let encoding = find_encoding(&mut stream, transfer_syntax, true)?;
    let dataset = Walker { stream: &mut stream, state: &mut state }.top(encoding)?;
    if state.shortened {
        return Err(WalkError::TooManyElements(limits.elements));
    }
    match state.damaged.first() {
        Some(&tag) => Err(WalkError::NotAnItem { offset: 0, tag }),
        None => Ok(dataset),
    }
}

/// PS3.10 7.1. The letters alone can be part of a bare data set's values, so what stands around them counts too.
fn has_preamble(start: &[u8]) -> bool {
    let bare = matches!(start, [8, 0, _, _, v0, v1, ..] if VR::from_binary([*v0, *v1]).is_some());
    start.get(128..132) == Some(b"DICM") && (!bare || start.get(132..134) == Some(&[2, 0]))
}

fn empty_after_meta(offset: u64) -> WalkError {
    WalkError::Truncated { offset, tag: Tag(0x0008, 0x0000) }
}

/// Errors while inflating are errors of the data, not of the medium.
fn of_inflating(error: WalkError, limits: &Limits) -> WalkError {
    match error {
        WalkError::Io(e) if e.kind() == io::ErrorKind::FileTooLarge => WalkError::InflatesTooFar(limits.inflated),
        WalkError::Io(e)
            if matches!(
                e.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            WalkError::Deflate(e)
        }
        other => other,
    }
}

/// The encoding that was declared, unless the first element shows another one.
fn find_encoding(stream: &mut Stream, transfer_syntax: &str, had_meta: bool) -> Result<Encoding, WalkError> {
    let length = stream.length();
    let position = stream.position();
    let first = stream.peek(8)?;
    let declared = vr::declared_encoding(transfer_syntax);
    let Some(&[g0, g1, _, _, v0, v1, l0, l1]) = first.as_array::<8>() else {
        return if first.is_empty() && had_meta { Ok(declared) } else { Err(WalkError::NotDicom) };
    };
    let explicit = VR::from_binary([v0, v1]).is_some();
    let little = u16::from_le_bytes([g0, g1]) <= 0x00FF || had_meta;
    if declared == Encoding::ExplicitBig && explicit && g0 == 0 {
        return Ok(Encoding::ExplicitBig);
    }
    if explicit {
        return match (g0, g1) {
            (0, 1..) if !had_meta => Ok(Encoding::ExplicitBig),
            _ if little => Ok(Encoding::ExplicitLittle),
            _ => Err(WalkError::NotDicom),
        };
    }
    let value = u64::from(u32::from_le_bytes([v0, v1, l0, l1]));
    let fits = length.is_none_or(|end| position + 8 + value <= end);
    if had_meta || (little && fits && (g0, g1) != (0, 0)) {
        Ok(Encoding::ImplicitLittle)
    } else {
        Err(WalkError::NotDicom)
    }
}

/// What a walk gathers besides the data set itself.
pub(super) struct State<'l> {
    pub(super) limits: &'l Limits,
    elements: u64,
    kept: usize,
    shortened: bool,
    signed: bool,
    damaged: Vec<Tag>,
    pub(super) pixel_data: Option<PixelData>,
    pub(super) extended_offsets: Vec<u64>,
}

impl<'l> State<'l> {
    fn new(limits: &'l Limits) -> Self {
        Self {
            limits,
            elements: 0,
            kept: 0,
            shortened: false,
            signed: false,
            damaged: Vec::new(),
            pixel_data: None,
            extended_offsets: Vec::new(),
        }
    }

    fn count(&mut self) -> Result<(), WalkError> {
        self.elements += 1;
        if self.elements > self.limits.elements {
            Err(WalkError::TooManyElements(self.limits.elements))
        } else {
            Ok(())
        }
    }

    /// Whether `bytes` more may be kept.
    fn afford(&mut self, bytes: usize) -> bool {
        let fits = self.kept.saturating_add(bytes) <= self.limits.total;
        if fits {
            self.kept += bytes;
        } else {
            self.shortened = true;
        }
        fits
    }
}

pub(super) struct Walker<'s, 'a, 'l> {
    pub(super) stream: &'s mut Stream<'a>,
    pub(super) state: &'s mut State<'l>,
}

/// Where a data set or a sequence ends.
#[derive(Clone, Copy)]
struct Span {
    /// At a position, or at a delimiter.
    end: Option<u64>,
    /// Nothing inside may reach beyond; `u64::MAX` where the data's end is not known.
    bound: u64,
    depth: u32,
}

pub(super) struct ElementHead {
    pub tag: Tag,
    pub vr: VR,
    pub length: u32,
    pub offset: u64,
    pub encoding: Encoding,
}

impl Walker<'_, '_, '_> {
    fn file_meta(&mut self) -> Result<Dataset, WalkError> {
        let charset = Arc::<Charset>::default();
        let mut elements = Vec::new();
        let span = self.whole();
        while self.stream.peek(2)? == [2, 0] {
            let head = self.head(Encoding::ExplicitLittle)?;
            self.element(&head, span, &charset, &mut elements)?;
        }
        Ok(Dataset::new(elements, charset))
    }

    fn top(&mut self, encoding: Encoding) -> Result<Dataset, WalkError> {
        let span = self.whole();
        let mut charset = Arc::<Charset>::default();
        let mut elements = Vec::new();
        while !self.stream.peek(1)?.is_empty() {
            // Zeros behind the last element, even a single one behind an odd length, and Data Set Trailing Padding
            // (PS3.10 7.2) are padding of the file.
            let next = self.stream.peek(4)?;
            let padding = next.iter().all(|&byte| byte == 0) || next == [0xFC, 0xFF, 0xFC, 0xFF];
            if padding && !elements.is_empty() {
                break;
            }
            let head = self.head(encoding)?;
            if head.tag.0 == 0xFFFE {
                self.stream.skip(if head.length == UNDEFINED { 0 } else { u64::from(head.length) })?;
                continue;
            }
            if matches!(head.tag, Tag(0x7FE0, 0x0008..=0x0010)) {
                if !self.pixel_data(&head)? {
                    break;
                }
                continue;
            }
            self.element(&head, span, &charset, &mut elements)?;
            self.follow(&mut charset, elements.last(), head.tag);
        }
        Ok(Dataset::new(elements, charset))
    }

    fn whole(&self) -> Span {
        Span { end: None, bound: self.stream.length().unwrap_or(u64::MAX), depth: 0 }
    }

    /// Elements that change how later ones are read.
    fn follow(&mut self, charset: &mut Arc<Charset>, element: Option<&Element>, tag: Tag) {
        let Some(Element { tag: kept, value: Value::Bytes(bytes), .. }) = element else { return };
        match *kept {
            CHARACTER_SET if tag == CHARACTER_SET => *charset = Arc::new(Charset::from_element(bytes)),
            PIXEL_REPRESENTATION if tag == PIXEL_REPRESENTATION => self.state.signed = bytes.first() == Some(&1),
            _ => {}
        }
    }

    /// An item's elements.
    fn item(&mut self, encoding: Encoding, span: Span, outer: &Arc<Charset>) -> Result<Dataset, WalkError> {
        let mut charset = outer.clone();
        let mut elements = Vec::new();
        loop {
            if span.end.is_some_and(|end| self.stream.position() >= end) {
                break;
            }
            let head = self.head(encoding)?;
            match head.tag {
                ITEM_END if span.end.is_none() => break,
                // Some writers delimit items of known length as well.
                ITEM_END => continue,
                Tag(0xFFFE, _) => return Err(WalkError::NotAnItem { offset: head.offset, tag: head.tag }),
                _ => {}
            }
            self.element(&head, span, &charset, &mut elements)?;
            self.follow(&mut charset, elements.last(), head.tag);
        }
        Ok(Dataset::new(elements, charset))
    }

    fn items(&mut self, encoding: Encoding, span: Span, charset: &Arc<Charset>) -> Result<Vec<Dataset>, WalkError> {
        if span.depth > self.state.limits.depth {
            return Err(WalkError::TooDeep(self.state.limits.depth));
        }
        let mut items = Vec::new();
        while span.end.is_none_or(|end| self.stream.position() < end) {
            let (offset, tag, length) = self.item_head(encoding)?;
            match tag {
                ITEM => {}
                SEQUENCE_END => break,
                _ => return Err(WalkError::NotAnItem { offset, tag }),
            }
            let end = match length {
                UNDEFINED => None,
                _ => Some(self.within(offset, tag, length, span.bound)?),
            };
            let bound = end.unwrap_or(span.bound);
            let item = self.item(encoding, Span { end, bound, depth: span.depth }, charset)?;
            if self.state.afford(ELEMENT_COST) {
                items.push(item);
            }
        }
        if let Some(end) = span.end {
            self.skip(end.saturating_sub(self.stream.position()), ITEM)?;
        }
        Ok(items)
    }

    /// One element's value, kept or passed over.
    fn element(
        &mut self,
        head: &ElementHead,
        span: Span,
        charset: &Arc<Charset>,
        into: &mut Vec<Element>,
    ) -> Result<(), WalkError> {
        let &ElementHead { tag, vr, length, offset, encoding } = head;
        let value = match (length, vr) {
            (UNDEFINED, VR::SQ | VR::UN) => {
                let inside = if vr == VR::UN { Encoding::ImplicitLittle } else { encoding };
                let span = Span { end: None, bound: span.bound, depth: span.depth + 1 };
                Value::Items(self.items(inside, span, charset)?)
            }
            (UNDEFINED, VR::OB | VR::OW) => self.passed_over_fragments(encoding)?,
            (UNDEFINED, _) => return Err(WalkError::NoLength { offset, tag }),
            (_, VR::SQ) => self.known_sequence(head, span, charset)?,
            _ => {
                let end = self.within(offset, tag, length, span.bound)?;
                self.plain_value(head, end)?
            }
        };
        let value = match value {
            Value::Bytes(bytes) if vr == VR::UN && vr::of(tag, self.state.signed) == VR::SQ => {
                self.sequence_in_un(&bytes, span, charset).map_or(Value::Bytes(bytes), Value::Items)
            }
            value => value,
        };
        let vr = match (&value, vr) {
            (Value::Items(_), VR::UN) => VR::SQ,
            (_, VR::UN) => Some(vr::of(tag, self.state.signed)).filter(|&known| known != VR::SQ).unwrap_or(VR::UN),
            (_, vr) => vr,
        };
        if self.state.afford(ELEMENT_COST) {
            into.push(Element { tag, vr, value });
        }
        Ok(())
    }

    /// A sequence of defined length; damage inside is passed over, since its end is known.
    fn known_sequence(&mut self, head: &ElementHead, span: Span, charset: &Arc<Charset>) -> Result<Value, WalkError> {
        let &ElementHead { tag, length, offset, encoding, .. } = head;
        let end = self.within(offset, tag, length, span.bound)?;
        let begin = self.stream.position();
        let inside = Span { end: Some(end), bound: end, depth: span.depth + 1 };
        match self.items(encoding, inside, charset) {
            Ok(items) => Ok(Value::Items(items)),
            Err(WalkError::NotAnItem { .. } | WalkError::Overrun { .. } | WalkError::NoLength { .. })
                if self.stream.position() <= end =>
            {
                if self.state.damaged.len() < 64 {
                    self.state.damaged.push(tag);
                }
                self.skip(end - self.stream.position(), tag)?;
                Ok(Value::Elsewhere { offset: begin, length: u64::from(length) })
            }
            Err(e) => Err(e),
        }
    }

    /// A sequence that some gateway rewrote as UN of defined length: implicit little endian inside (PS3.5 6.2.2).
    fn sequence_in_un(&mut self, bytes: &[u8], span: Span, charset: &Arc<Charset>) -> Option<Vec<Dataset>> {
        let mut stream = Stream::seekable(Cursor::new(bytes)).ok()?;
        let length = bytes.len() as u64;
        let inside = Span { end: Some(length), bound: length, depth: span.depth + 1 };
        Walker { stream: &mut stream, state: self.state }.items(Encoding::ImplicitLittle, inside, charset).ok()
    }

    fn plain_value(&mut self, head: &ElementHead, end: u64) -> Result<Value, WalkError> {
        let &ElementHead { tag, vr, length, encoding, .. } = head;
        let begin = self.stream.position();
        let size = end - begin;
        if tag == EXTENDED_OFFSETS {
            self.extended_offsets(size, encoding)?;
            return Ok(Value::Elsewhere { offset: begin, length: size });
        }
        let cap = if vr::is_table(tag) { self.state.limits.table } else { self.state.limits.value };
        if size > cap as u64 || !self.state.afford(size as usize) {
            self.skip(size, tag)?;
            return Ok(Value::Elsewhere { offset: begin, length: size });
        }
        let mut bytes = Vec::new();
        if self.stream.read_onto(&mut bytes, length as usize)? < length as usize {
            return Err(WalkError::Truncated { offset: self.stream.position(), tag });
        }
        if encoding == Encoding::ExplicitBig {
            vr::swap(&mut bytes, vr);
        }
        Ok(Value::Bytes(bytes.into_boxed_slice()))
    }

    /// Tag, representation and length of the next element; items and delimiters have no representation.
    fn head(&mut self, encoding: Encoding) -> Result<ElementHead, WalkError> {
        self.state.count()?;
        let offset = self.stream.position();
        let (_, tag, implicit_length) = self.tag_and_word(encoding)?;
        let bytes = implicit_length.to_le_bytes();
        if tag.0 == 0xFFFE {
            let length = in_order(bytes, encoding);
            return Ok(ElementHead { tag, vr: VR::UN, length, offset, encoding });
        }
        let letters = [bytes[0], bytes[1]];
        let explicit = encoding != Encoding::ImplicitLittle && letters.iter().all(u8::is_ascii_uppercase);
        if !explicit {
            // Also where the data set is explicit: some writers nest implicit items in it.
            let encoding = if encoding == Encoding::ExplicitBig { encoding } else { Encoding::ImplicitLittle };
            let vr = vr::of(tag, self.state.signed);
            let length = in_order(bytes, encoding);
            // What no dictionary knows and has no length can only be a sequence (PS3.5 7.5).
            let vr = if length == UNDEFINED && tag.0 != 0x7FE0 { VR::SQ } else { vr };
            return Ok(ElementHead { tag, vr, length, offset, encoding });
        }
        let short = [bytes[2], bytes[3]];
        let vr = VR::from_binary(letters);
        let long = match vr {
            Some(vr) => vr::has_long_length(vr),
            // A representation newer than the dictionary has the long form (PS3.5 7.1.2).
            None => short == [0, 0],
        };
        let length = if long {
            let mut word = [0; 4];
            self.fill(&mut word, tag)?;
            in_order(word, encoding)
        } else if encoding == Encoding::ExplicitBig {
            u32::from(u16::from_be_bytes(short))
        } else {
            u32::from(u16::from_le_bytes(short))
        };
        let vr = vr.unwrap_or_else(|| vr::of(tag, self.state.signed));
        Ok(ElementHead { tag, vr, length, offset, encoding })
    }

    pub(super) fn item_head(&mut self, encoding: Encoding) -> Result<(u64, Tag, u32), WalkError> {
        self.state.count()?;
        let (offset, tag, word) = self.tag_and_word(encoding)?;
        Ok((offset, tag, in_order(word.to_le_bytes(), encoding)))
    }

    /// A tag in the byte order of `encoding`, and the four bytes behind it as they are.
    fn tag_and_word(&mut self, encoding: Encoding) -> Result<(u64, Tag, u32), WalkError> {
        let offset = self.stream.position();
        let mut bytes = [0; 8];
        self.fill(&mut bytes, Tag(0, 0))?;
        let [g0, g1, e0, e1, w0, w1, w2, w3] = bytes;
        let tag = match encoding {
            Encoding::ExplicitBig => Tag(u16::from_be_bytes([g0, g1]), u16::from_be_bytes([e0, e1])),
            _ => Tag(u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1])),
        };
        Ok((offset, tag, u32::from_le_bytes([w0, w1, w2, w3])))
    }

    fn fill(&mut self, buf: &mut [u8], tag: Tag) -> Result<(), WalkError> {
        if self.stream.read(buf)? < buf.len() {
            return Err(WalkError::Truncated { offset: self.stream.position(), tag });
        }
        Ok(())
    }

    fn skip(&mut self, n: u64, tag: Tag) -> Result<(), WalkError> {
        if self.stream.skip(n)? < n {
            return Err(WalkError::Truncated { offset: self.stream.position(), tag });
        }
        Ok(())
    }

    /// The end of a value that starts here, if what encloses it reaches that far.
    fn within(&self, offset: u64, tag: Tag, length: u32, bound: u64) -> Result<u64, WalkError> {
        let end = self.stream.position().saturating_add(u64::from(length));
        if end <= bound {
            return Ok(end);
        }
        match self.stream.length() {
            Some(whole) if whole == bound => Err(WalkError::Truncated { offset: whole, tag }),
            _ => Err(WalkError::Overrun { offset, tag, length: u64::from(length) }),
        }
    }
}

fn in_order(bytes: [u8; 4], encoding: Encoding) -> u32 {
    match encoding {
        Encoding::ExplicitBig => u32::from_be_bytes(bytes),
        _ => u32::from_le_bytes(bytes),
    }
}
