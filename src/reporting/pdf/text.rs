//! Paragraphs into lines.
//!
//! Where a line may end is Unicode's line breaking algorithm (UAX 14, strict); filling lines is Chinese setting: closing
//! punctuation may hang half its width over the edge, two punctuation marks close up, a hair of space stands between
//! hanzi and Latin, and a full line is spread between its characters.

use std::ops::Range;
use std::sync::Arc;

use icu_segmenter::options::LineBreakOptions;
use icu_segmenter::{LineSegmenter, LineSegmenterBorrowed};
use krilla::text::{Font, GlyphId, KrillaGlyph};

use super::faces::{Face, Faces};

/// Marks whose right half is empty.
const CLOSING: &str = "，。、；：）】》〉」』〕";
/// Marks whose left half is empty.
const OPENING: &str = "（【《〈「『〔";
/// Space between a hanzi and a Latin letter or figure, in em.
const BETWEEN_SCRIPTS: f32 = 0.125;
/// A line is spread only if no gap grows by more than this, in em; a looser one is left ragged.
const LOOSEST_GAP: f32 = 0.25;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    pub face: Face,
    /// In points.
    pub size: f32,
    /// 0 is black, 255 white.
    pub grey: u8,
}

/// Glyphs of one font that stand together.
#[derive(Clone)]
pub struct Run {
    /// Points from the start of the line.
    pub x: f32,
    pub font: Font,
    /// Drawn with a stroke: the bold face lacks these characters.
    pub emboldened: bool,
    pub style: Style,
    pub glyphs: Vec<KrillaGlyph>,
    /// The paragraph the glyphs' ranges point into.
    pub text: Arc<str>,
}

/// One line ready to be drawn at some baseline.
#[derive(Clone, Default)]
pub struct Line {
    pub runs: Vec<Run>,
    pub width: f32,
}

/// One character as a face draws it.
struct Glyph {
    range: Range<usize>,
    font: Font,
    emboldened: bool,
    id: u32,
    /// In points, with what closing up, spacing and spreading add or take.
    advance: f32,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hanzi,
    Closing,
    Opening,
    Space,
    Latin,
    Other,
}

fn kind(character: char) -> Kind {
    match character {
        c if CLOSING.contains(c) => Kind::Closing,
        c if OPENING.contains(c) => Kind::Opening,
        ' ' | '\u{A0}' | '\u{3000}' => Kind::Space,
        c if c.is_ascii_alphanumeric() || ('\u{C0}'..'\u{500}').contains(&c) => Kind::Latin,
        '\u{3040}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'.. => Kind::Hanzi,
        _ => Kind::Other,
    }
}

/// Sets `text` in lines no wider than `width`; a line feed starts a new one, an empty line stays.
pub fn set(faces: &mut Faces, text: &str, style: Style, width: f32) -> Vec<Line> {
    let text = faces.legible(text);
    let paragraphs: Vec<&str> = text.split('\n').map(str::trim_end).collect();
    paragraphs.iter().flat_map(|paragraph| set_paragraph(faces, paragraph, style, width)).collect()
}

/// Sets `text` as one line, however long; line feeds become spaces.
pub fn set_line(faces: &mut Faces, text: &str, style: Style) -> Line {
    let one_line = text.trim().replace(['\n', '\r'], " ");
    set(faces, &one_line, style, f32::INFINITY).into_iter().next().unwrap_or_default()
}

/// Sets `text` as one line within `width`: smaller if it must be, down to half its size, then cut with an ellipsis.
pub fn set_within(faces: &mut Faces, text: &str, style: Style, width: f32) -> Line {
    let line = set_line(faces, text, style);
    if line.width <= width {
        return line;
    }
    let size = (style.size * width / line.width * 0.99).max(style.size / 2.0);
    let smaller = Style { size, ..style };
    let mut shown: Vec<char> = text.chars().collect();
    let mut line = set_line(faces, text, smaller);
    while line.width > width && shown.pop().is_some() {
        let cut: String = shown.iter().collect();
        line = set_line(faces, &format!("{cut}…"), smaller);
    }
    line
}

fn set_paragraph(faces: &Faces, text: &str, style: Style, width: f32) -> Vec<Line> {
    if text.is_empty() {
        return vec![Line::default()];
    }
    let paragraph: Arc<str> = text.into();
    let filled = fill(words(faces, text, style), style.size, width);
    let last = filled.len().saturating_sub(1);
    filled
        .into_iter()
        .enumerate()
        .map(|(index, line)| finish(line, &paragraph, style, (index < last).then_some(width)))
        .collect()
}

/// The paragraph as unbreakable words, with the closing-up and the space between scripts in the advances.
fn words(faces: &Faces, text: &str, style: Style) -> Vec<Vec<Glyph>> {
    const SEGMENTER: LineSegmenterBorrowed<'static> =
        LineSegmenter::new_for_non_complex_scripts(LineBreakOptions::default());
    let mut words = Vec::new();
    let mut start = 0;
    for end in SEGMENTER.segment_str(text).skip(1) {
        if joins_a_compound(&text[start..end], &text[end..]) {
            continue;
        }
        let characters = text[start..end].char_indices();
        words.push(characters.filter_map(|(at, character)| glyph(faces, start + at, character, style)).collect());
        start = end;
    }
    adjust(&mut words, style.size);
    words
}

/// `PET-CT` and `BI-RADS` are one word here, though Unicode would part them after the hyphen.
fn joins_a_compound(before: &str, after: &str) -> bool {
    let latin = |character: Option<char>| character.is_some_and(|c| c.is_ascii_alphanumeric());
    before.strip_suffix('-').is_some_and(|word| latin(word.chars().next_back())) && latin(after.chars().next())
}

fn glyph(faces: &Faces, at: usize, character: char, style: Style) -> Option<Glyph> {
    let drawn = faces.draw(character, style.face)?;
    Some(Glyph {
        range: at..at + character.len_utf8(),
        font: drawn.font,
        emboldened: style.face == Face::Bold && drawn.face == Face::Text,
        id: drawn.glyph,
        advance: drawn.advance * style.size,
        kind: kind(character),
    })
}

fn adjust(words: &mut [Vec<Glyph>], size: f32) {
    let mut glyphs: Vec<&mut Glyph> = words.iter_mut().flatten().collect();
    for index in 1..glyphs.len() {
        let next = glyphs[index].kind;
        let this = &mut glyphs[index - 1];
        match (this.kind, next) {
            (Kind::Closing, Kind::Closing | Kind::Opening) => this.advance -= size / 2.0,
            (Kind::Hanzi, Kind::Latin) | (Kind::Latin, Kind::Hanzi) => this.advance += size * BETWEEN_SCRIPTS,
            _ => {}
        }
    }
}

/// As many words as fit on each line; a word wider than a line is cut where the line ends.
fn fill(words: Vec<Vec<Glyph>>, size: f32, width: f32) -> Vec<Vec<Glyph>> {
    let mut lines: Vec<Vec<Glyph>> = Vec::new();
    let mut line: Vec<Glyph> = Vec::new();
    let mut filled = 0.0;
    for word in words {
        if !line.is_empty() && filled + inked(&word, size) > width {
            lines.push(std::mem::take(&mut line));
            filled = 0.0;
        }
        if inked(&word, size) <= width {
            filled += advance(&word);
            line.extend(word);
            continue;
        }
        for glyph in word {
            if !line.is_empty() && filled + glyph.advance > width {
                lines.push(std::mem::take(&mut line));
                filled = 0.0;
            }
            filled += glyph.advance;
            line.push(glyph);
        }
    }
    lines.push(line);
    lines
}

fn advance(glyphs: &[Glyph]) -> f32 {
    glyphs.iter().map(|glyph| glyph.advance).sum()
}

/// Width without what may hang over the edge: spaces, and the empty half of a closing mark.
fn inked(glyphs: &[Glyph], size: f32) -> f32 {
    let end = glyphs.iter().rposition(|glyph| glyph.kind != Kind::Space).map_or(0, |last| last + 1);
    let hanging = match glyphs[..end].last() {
        Some(last) if last.kind == Kind::Closing && last.advance > size * 0.75 => size / 2.0,
        _ => 0.0,
    };
    advance(&glyphs[..end]) - hanging
}

/// Drops trailing spaces, spreads the line to `full_width` if one is given, and gathers glyphs by font.
fn finish(mut line: Vec<Glyph>, text: &Arc<str>, style: Style, full_width: Option<f32>) -> Line {
    while line.last().is_some_and(|glyph| glyph.kind == Kind::Space) {
        line.pop();
    }
    if let Some(full_width) = full_width {
        spread(&mut line, style.size, full_width);
    }
    let mut runs: Vec<Run> = Vec::new();
    let mut x = 0.0;
    for Glyph { range, font, emboldened, id, advance, .. } in line {
        let glyph = KrillaGlyph::new(GlyphId::new(id), advance / style.size, 0.0, 0.0, 0.0, range, None);
        match runs.last_mut() {
            Some(run) if run.font == font && run.emboldened == emboldened => run.glyphs.push(glyph),
            _ => runs.push(Run { x, font, emboldened, style, glyphs: vec![glyph], text: Arc::clone(text) }),
        }
        x += advance;
    }
    Line { runs, width: x }
}

/// Widens the gaps at spaces and on both sides of hanzi and their marks until the line is full.
fn spread(line: &mut [Glyph], size: f32, full_width: f32) {
    let wide = |kind| matches!(kind, Kind::Hanzi | Kind::Closing | Kind::Opening | Kind::Space);
    let gaps = (1..line.len()).filter(|&next| wide(line[next - 1].kind) || wide(line[next].kind)).map(|next| next - 1);
    let gaps: Vec<usize> = gaps.collect();
    let each = (full_width - inked(line, size)) / gaps.len().max(1) as f32;
    if each > 0.0 && each <= LOOSEST_GAP * size {
        for gap in gaps {
            line[gap].advance += each;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: Style = Style { face: Face::Text, size: 10.0, grey: 0 };

    fn lines(text: &str, width: f32) -> Vec<String> {
        let mut faces = Faces::embedded().unwrap();
        set(&mut faces, text, BODY, width).iter().map(read).collect()
    }

    fn read(line: &Line) -> String {
        let glyphs =
            line.runs.iter().flat_map(|run| run.glyphs.iter().map(|glyph| &run.text[glyph.text_range.clone()]));
        glyphs.collect()
    }

    #[test]
    fn no_line_begins_with_a_closing_mark_or_ends_with_an_opening_one() {
        let text = "右肺下叶背段见实性结节，大小约（9.2 × 7.4）mm，边缘浅分叶。余双肺未见异常；纵隔未见肿大淋巴结。";
        for width in 40..260 {
            for line in lines(text, width as f32) {
                assert!(!line.starts_with(|c| CLOSING.contains(c)), "{width}: {line}");
                assert!(!line.ends_with(|c| OPENING.contains(c)), "{width}: {line}");
            }
        }
    }

    #[test]
    fn nothing_is_lost_in_breaking() {
        let text = "双侧胸廓对称PET-CT及MRI检查12.5mm结节，SUVmax=3.7。";
        for width in [5.0, 31.0, 77.0, 200.0, 1000.0] {
            assert_eq!(lines(text, width).concat(), text, "{width}");
        }
    }

    #[test]
    fn full_lines_reach_the_edge_and_none_goes_beyond_it() {
        let mut faces = Faces::embedded().unwrap();
        let text =
            "胸廓对称，气管居中。右肺下叶背段见实性结节，大小约 9.2 × 7.4 mm，边缘浅分叶、可见短毛刺。".repeat(4);
        let set = set(&mut faces, &text, BODY, 300.0);
        let (last, full) = set.split_last().unwrap();
        for line in full {
            assert!((299.9..=305.1).contains(&line.width), "{} {}", line.width, read(line));
        }
        assert!(last.width <= 305.1);
    }

    #[test]
    fn a_word_wider_than_the_line_is_cut() {
        assert!(lines(&"A".repeat(200), 100.0).len() > 10);
        let lots_of_latin = lines(&"A".repeat(200), 100.0).concat();
        assert_eq!(lots_of_latin.len(), 200);
    }

    #[test]
    fn a_compound_is_not_parted() {
        for width in 60..300 {
            let lines = lines("建议转县医院胸外科会诊，行 PET-CT 或穿刺活检，BI-RADS 4A 类", width as f32);
            assert!(lines.iter().any(|line| line.contains("PET-CT")), "{width}: {lines:?}");
            assert!(lines.iter().any(|line| line.contains("BI-RADS")), "{width}: {lines:?}");
        }
    }

    #[test]
    fn line_feeds_are_kept() {
        assert_eq!(lines("一、肝\n\n二、胆", 300.0), ["一、肝", "", "二、胆"]);
    }

    #[test]
    fn a_rare_character_in_bold_is_drawn_from_the_text_face_with_a_stroke() {
        let mut faces = Faces::embedded().unwrap();
        let style = Style { face: Face::Bold, ..BODY };
        let line = set_line(&mut faces, "王龘", style);
        assert_eq!(line.runs.iter().map(|run| run.emboldened).collect::<Vec<_>>(), [false, true]);
        assert!(line.runs.iter().flat_map(|run| &run.glyphs).all(|glyph| glyph.glyph_id.to_u32() != 0));
    }

    #[test]
    fn a_long_name_is_made_to_fit_before_it_is_cut() {
        let mut faces = Faces::embedded().unwrap();
        let name = "阿卜杜克热木·买买提吐尔逊";
        let line = set_within(&mut faces, name, BODY, 80.0);
        assert!(line.width <= 80.0);
        assert_eq!(read(&line), name);
        let cut = set_within(&mut faces, &name.repeat(9), BODY, 80.0);
        assert!(cut.width <= 80.0 && read(&cut).ends_with('…'));
    }
}
