//! DICOM instances without their pixels: a bounded header walker, text in whatever character set, names, times, UIDs.
//!
//! Owns the reading of untrusted headers: every length, count and depth has a cap of ours ([`Limits`]), and any bytes end
//! in a [`Header`] or a [`WalkError`]. Pure: it does no I/O but reading what it is given, and never decodes a pixel.

mod charset;
mod compose;
mod dataset;
mod file_meta;
mod fragments;
mod groups;
mod header;
mod image;
mod json;
mod latin;
mod matching;
mod name;
pub mod packed;
mod palette;
mod spelling;
mod stream;
pub mod time;
pub mod uid;
mod vr;
mod walker;
mod write;
mod writing;

pub use charset::Charset;
pub use compose::{Composed, Repertoire};
pub use dataset::{Dataset, Element, Value};
pub use dicom_core::{Tag, VR};
pub use dicom_dictionary_std::{tags, uids};
pub use file_meta::{FileMeta, Front, file_meta, front_of};
pub use header::{Encapsulated, Encoding, Fragment, Header, Limits, MAX_INFLATED, PixelData, WalkError};
pub use image::{decoded_photometric, delivered_as_jpeg, frame_count, image_attrs};
pub use json::to_json;
pub use latin::{latin_of, person_name};
pub use matching::{BadKey, Matching, Pattern};
pub use name::PersonName;
pub use spelling::{FuzzyName, NameKind, fuzzy, search_forms, written_forms};
pub use walker::{walk, walk_bytes, walk_data_set};
pub use write::{NewPixels, Piece, PixelValue, Plain, RewriteError, Rewritten, fragment_head, rewrite};
pub use writing::Writing;

#[cfg(test)]
pub(crate) mod tests;
