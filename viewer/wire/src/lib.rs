//! What server and viewer say to each other, one struct a message.
//!
//! Times are UTC microseconds since 1970 (`_us`). Ids are the server's row numbers. Enums travel as lower-case words.
//! Nothing here has behaviour beyond what both sides need to agree on.

mod board;
mod case;
mod event;
mod figures;
mod image;
mod order;
mod person;
mod report;
mod session;

pub use board::*;
pub use case::*;
pub use event::*;
pub use figures::{median, quantile};
pub use image::*;
pub use order::*;
pub use person::*;
pub use report::*;
pub use session::*;

/// RFC 9457 problem document. `code` is stable; `title` is for people and may be translated by it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    pub code: String,
    pub title: String,
    pub status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Derives what every message needs; schemas only where the server builds the OpenAPI document.
macro_rules! message {
    ($($(#[$meta:meta])* pub $kind:ident $name:ident $body:tt)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub $kind $name $body
    )+};
}
pub(crate) use message;

/// A stored or received word that no variant has.
#[derive(Debug)]
pub struct UnknownWord(pub String);

impl std::fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unknown word {:?}", self.0)
    }
}

impl std::error::Error for UnknownWord {}

/// An enum whose variants travel, are stored and are logged as one word each.
macro_rules! words {
    ($($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant),+ }
        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            pub const fn word(self) -> &'static str { match self { $(Self::$variant => $word),+ } }
            pub fn from_word(word: &str) -> Option<Self> { match word { $($word => Some(Self::$variant),)+ _ => None } }
        }
        impl TryFrom<String> for $name {
            type Error = $crate::UnknownWord;
            fn try_from(word: String) -> Result<Self, Self::Error> { Self::from_word(&word).ok_or($crate::UnknownWord(word)) }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.word()) }
        }
    )+};
}
pub(crate) use words;
