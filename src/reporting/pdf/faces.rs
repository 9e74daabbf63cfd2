//! The two embedded faces, and which characters they have.

use krilla::text::Font;
use skrifa::charmap::Charmap;
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;
use skrifa::{FontRef, MetadataProvider};

use super::PdfError;

const TEXT: &[u8] = include_bytes!("../fonts/report-text.otf");
const BOLD: &[u8] = include_bytes!("../fonts/report-bold.otf");

/// Regular for text, bold for what must be found at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    Text,
    Bold,
}

/// One face, to measure with and to draw with.
struct Loaded {
    charmap: Charmap<'static>,
    metrics: GlyphMetrics<'static>,
    units_per_em: f32,
    font: Font,
}

/// A character as a face draws it.
pub struct Drawn {
    pub font: Font,
    pub face: Face,
    pub glyph: u32,
    /// In em.
    pub advance: f32,
}

/// Both faces, and the characters that could not be drawn. System fonts are never looked at, so a page looks the same
/// everywhere; there are no features to apply and no marks to place in these subsets, so characters are glyphs.
pub struct Faces {
    text: Loaded,
    bold: Loaded,
    undrawn: Vec<char>,
}

impl Faces {
    pub fn embedded() -> Result<Self, PdfError> {
        let (text, bold) = (load(TEXT, "report-text.otf")?, load(BOLD, "report-bold.otf")?);
        Ok(Self { text, bold, undrawn: Vec::new() })
    }

    /// Draws from the face asked for; the regular one has every hanzi and stands behind the bold one.
    pub fn draw(&self, character: char, face: Face) -> Option<Drawn> {
        let bold = (face == Face::Bold).then_some((&self.bold, Face::Bold));
        bold.into_iter().chain([(&self.text, Face::Text)]).find_map(|(loaded, face)| {
            let glyph = loaded.charmap.map(character).filter(|glyph| glyph.to_u32() != 0)?;
            let advance = loaded.metrics.advance_width(glyph)? / loaded.units_per_em;
            Some(Drawn { font: loaded.font.clone(), face, glyph: glyph.to_u32(), advance })
        })
    }

    /// `text` in characters the faces have: line ends as `\n`, tabs as two spaces, invisible and direction-changing
    /// characters dropped, anything else unknown spelled 〈U+XXXX〉 and remembered.
    pub fn legible(&mut self, text: &str) -> String {
        let mut legible = String::with_capacity(text.len());
        for character in text.replace("\r\n", "\n").chars() {
            match character {
                '\n' | '\r' | '\u{2028}' | '\u{2029}' | '\u{0B}' | '\u{0C}' => legible.push('\n'),
                '\t' => legible.push_str("  "),
                // A direction override could make a page read otherwise than it is stored.
                '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' => {}
                // Variation selectors: the base character is what the face draws.
                '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' => {}
                _ if character.is_control() => {}
                _ if self.has(character) => legible.push(character),
                _ => {
                    legible.push_str(&format!("〈U+{:04X}〉", u32::from(character)));
                    if !self.undrawn.contains(&character) {
                        self.undrawn.push(character);
                    }
                }
            }
        }
        legible
    }

    pub fn into_undrawn(self) -> Vec<char> {
        self.undrawn
    }

    /// The regular face decides: the bold one is a subset of it.
    fn has(&self, character: char) -> bool {
        self.text.charmap.map(character).is_some_and(|glyph| glyph.to_u32() != 0)
    }
}

fn load(bytes: &'static [u8], file: &'static str) -> Result<Loaded, PdfError> {
    let face = FontRef::new(bytes).map_err(|_| PdfError::Font(file))?;
    let metrics = face.glyph_metrics(Size::unscaled(), LocationRef::default());
    let units_per_em = f32::from(face.metrics(Size::unscaled(), LocationRef::default()).units_per_em);
    let font = Font::new(bytes.into(), 0).ok_or(PdfError::Font(file))?;
    Ok(Loaded { charmap: face.charmap(), metrics, units_per_em, font })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_name_characters_are_drawn() {
        let mut faces = Faces::embedded().unwrap();
        let names = "喆翀堃彧㛃䶮龑珺犇𫍽𬱖龢陳";
        assert_eq!(faces.legible(names), names);
        assert!(faces.into_undrawn().is_empty());
    }

    #[test]
    fn the_bold_face_has_no_character_the_text_face_lacks() {
        let faces = Faces::embedded().unwrap();
        let drawn = faces.bold.charmap.mappings().filter_map(|(code, _)| char::from_u32(code));
        let lacking: Vec<char> = drawn.filter(|&character| !faces.has(character)).collect();
        assert_eq!(lacking, Vec::<char>::new());
    }

    #[test]
    fn an_unknown_character_is_spelled_out_and_remembered_once() {
        let mut faces = Faces::embedded().unwrap();
        assert_eq!(faces.legible("张\u{1F600}\u{1F600}三"), "张〈U+1F600〉〈U+1F600〉三");
        assert_eq!(faces.into_undrawn(), vec!['\u{1F600}']);
    }

    #[test]
    fn what_cannot_be_seen_cannot_reorder_the_page() {
        let mut faces = Faces::embedded().unwrap();
        assert_eq!(faces.legible("左\u{202E}侧\u{202C}\u{200B}\u{0007}"), "左侧");
        assert_eq!(faces.legible("一\r\n二\r三\t四"), "一\n二\n三  四");
    }
}
