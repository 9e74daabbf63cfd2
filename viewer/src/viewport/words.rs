//! The viewport's words stand where they are used, in both languages side by side.

use crate::i18n::{Text, t};

/// The page's language decides.
pub fn say(zh: &'static str, en: &'static str) -> &'static str {
    t(Text { zh, en })
}
