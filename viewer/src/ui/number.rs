//! Patient and exam numbers: where one does not fit, its beginning gives way, which all of a day share, never its end.

use leptos::prelude::*;

/// Characters at the end that are always shown.
const TAIL: usize = 6;

/// Inside an element of class `cut`.
pub fn number(text: &str) -> impl IntoView + use<> {
    let (head, tail) = halves(text);
    view! {
        <span class="number" title=text.to_owned()><span class="number-head">{head.to_owned()}</span><span>{tail.to_owned()}</span></span>
    }
}

/// What may be cut, and what may not.
fn halves(text: &str) -> (&str, &str) {
    let at = text.char_indices().rev().nth(TAIL - 1).map_or(0, |(at, _)| at);
    text.split_at(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_number_is_what_tells_it_from_its_neighbours() {
        assert_eq!(halves("QH26112620917"), ("QH26112", "620917"));
        assert_eq!(halves("检查号二六一一二六"), ("检查号", "二六一一二六"));
        assert_eq!((halves("4711"), halves("")), (("", "4711"), ("", "")));
    }
}
