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

/// The blank after the selection in field `here`, or before it, over all the fields and round again: while one is open, going on
/// from the last leads to the first.
pub fn turn_to(texts: &[String], here: usize, selection: Span, forward: bool) -> Option<(usize, Span)> {
    let count = texts.len();
    let found = |at: usize, from: Span| Some((at, next_slot(texts.get(at)?, from, forward)?));
    let edge = if forward { (0, 0) } else { (u32::MAX, u32::MAX) };
    let others = (1..=count).map(|step| if forward { here + step } else { here + count - step } % count);
    found(here, selection).or_else(|| others.into_iter().find_map(|at| found(at, edge)))
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
    fn tab_goes_round_while_a_blank_is_open() {
        let texts = ["甲‹填写›乙‹填写›".to_owned(), "丙‹填写›".to_owned()];
        assert_eq!(turn_to(&texts, 0, (6, 10), true), Some((1, (1, 5))));
        assert_eq!(turn_to(&texts, 1, (1, 5), true), Some((0, (1, 5))));
        assert_eq!(turn_to(&texts, 0, (1, 5), false), Some((1, (1, 5))));
        let end = ["甲‹填写›乙".to_owned(), String::new()];
        assert_eq!(turn_to(&end, 0, (6, 6), true), Some((0, (1, 5))), "the caret is past the only blank");
        assert_eq!(turn_to(&end, 0, (1, 5), true), Some((0, (1, 5))), "the only blank is selected");
        assert_eq!(turn_to(&[String::new(), "无".to_owned()], 1, (0, 0), true), None);
    }

    #[test]
    fn the_pieces_are_the_text() {
        let text = "甲‹填写›乙";
        let joined: String = pieces(text).into_iter().map(|(_, piece)| piece).collect();
        assert_eq!(joined, text);
    }
}
