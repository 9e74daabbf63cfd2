//! What can be said of a report's text before anybody signs it. Pure.

/// What a template leaves to be filled in.
pub const SLOT: &str = "‹填写›";

/// Where a text field counts: UTF-16 code units.
pub type Span = (u32, u32);

fn units(text: &str) -> u32 {
    u32::try_from(text.encode_utf16().count()).unwrap_or(u32::MAX)
}

/// Every blank, in order.
pub fn slots(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut at = 0;
    for (n, piece) in text.split(SLOT).enumerate() {
        if n > 0 {
            spans.push((at, at + units(SLOT)));
            at += units(SLOT);
        }
        at += units(piece);
    }
    spans
}

/// The blank after the selection, or before it.
pub fn next_slot(text: &str, selection: Span, forward: bool) -> Option<Span> {
    let all = slots(text);
    if forward {
        all.into_iter().find(|(start, end)| *start >= selection.1 && (*start, *end) != selection)
    } else {
        all.into_iter().rev().find(|(start, end)| *end <= selection.0 && (*start, *end) != selection)
    }
}

/// Text cut at its blanks: plain, blank, plain, ...
pub fn pieces(text: &str) -> Vec<(bool, String)> {
    let mut pieces = Vec::new();
    for (n, piece) in text.split(SLOT).enumerate() {
        if n > 0 {
            pieces.push((true, SLOT.to_owned()));
        }
        pieces.push((false, piece.to_owned()));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_counted_as_text_fields_count() {
        assert_eq!(slots("大小约‹填写›mm，𠮷‹填写›"), [(3, 7), (12, 16)]);
        assert_eq!(slots("没有空"), []);
    }

    #[test]
    fn tab_walks_the_blanks_one_after_another_and_back() {
        let text = "甲‹填写›乙‹填写›";
        let first = next_slot(text, (0, 0), true);
        assert_eq!(first, Some((1, 5)));
        let second = next_slot(text, (1, 5), true);
        assert_eq!(second, Some((6, 10)));
        assert_eq!(next_slot(text, (6, 10), true), None);
        assert_eq!(next_slot(text, (6, 10), false), first);
        assert_eq!(next_slot(text, (1, 5), false), None);
    }

    #[test]
    fn the_pieces_are_the_text() {
        let text = "甲‹填写›乙";
        let joined: String = pieces(text).into_iter().map(|(_, piece)| piece).collect();
        assert_eq!(joined, text);
    }
}
