//! Every word the interface says, in Simplified Chinese and English. Nothing is worded anywhere else.
//!
//! [`say`] is the table; [`t`] says an entry in the chosen language. Changing the language rebuilds the page, so an entry
//! is an ordinary string, not a signal.

mod board_words;
mod common;
mod desk_words;
mod domain;
mod order_words;
mod read_words;

use std::cell::Cell;

use crate::web;

/// The table, room by room.
pub mod say {
    pub use super::board_words::*;
    pub use super::common::*;
    pub use super::desk_words::*;
    pub use super::order_words::*;
    pub use super::read_words::*;
}
pub use domain::*;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Text {
    pub zh: &'static str,
    pub en: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lang {
    Zh,
    En,
}

const KEPT: &str = "yunying.lang";

thread_local! {
    static LANG: Cell<Lang> = const { Cell::new(Lang::Zh) };
}

/// The language chosen on this machine before; Chinese unless English was asked for.
pub fn remembered() -> Lang {
    if web::recall(KEPT).as_deref() == Some("en") { Lang::En } else { Lang::Zh }
}

pub fn choose(lang: Lang) {
    LANG.set(lang);
    let (kept, tag) = match lang {
        Lang::Zh => ("zh", "zh-CN"),
        Lang::En => ("en", "en"),
    };
    web::keep(KEPT, kept);
    web::set_root("lang", tag);
}

pub fn chosen() -> Lang {
    LANG.get()
}

pub fn t(text: Text) -> &'static str {
    match LANG.get() {
        Lang::Zh => text.zh,
        Lang::En => text.en,
    }
}

/// `{0}`, `{1}` … replaced in turn; languages may order them as they like.
pub fn fill(text: Text, parts: &[&str]) -> String {
    parts.iter().enumerate().fold(t(text).to_owned(), |text, (n, part)| text.replace(&format!("{{{n}}}"), part))
}

/// A table of entries: `NAME: "中文", "English";`
macro_rules! table {
    ($($name:ident: $zh:literal, $en:literal;)+) => {
        $(pub const $name: $crate::i18n::Text = $crate::i18n::Text { zh: $zh, en: $en };)+

        #[cfg(test)]
        pub(super) const ALL: &[(&str, $crate::i18n::Text)] = &[$((stringify!($name), $name)),+];
    };
}
pub(crate) use table;

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> impl Iterator<Item = &'static (&'static str, Text)> {
        let rooms = [common::ALL, board_words::ALL, desk_words::ALL, order_words::ALL, read_words::ALL, domain::ALL];
        rooms.into_iter().flatten()
    }

    #[test]
    fn both_languages_fill_in_the_same_places() {
        for (name, text) in everything() {
            for place in ["{0}", "{1}", "{2}", "{3}"] {
                assert_eq!(text.zh.contains(place), text.en.contains(place), "{name} at {place}");
            }
        }
    }

    #[test]
    fn no_entry_is_left_untranslated_or_half_width_punctuated() {
        for (name, text) in everything() {
            assert!(!text.zh.is_empty() && !text.en.is_empty(), "{name} is empty");
            let han = text.zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            assert!(!(han && text.zh.contains([',', '?', ';'])), "{name} mixes half-width punctuation into Chinese");
            assert!(
                !text.en.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)) || name.starts_with("LANG_"),
                "{name} is not English"
            );
        }
    }

    #[test]
    fn parts_are_filled_in_by_number() {
        let text = Text { zh: "{1} 在 {0}", en: "{0} has {1}" };
        assert_eq!(fill(text, &["甲", "乙"]), "乙 在 甲");
    }
}
