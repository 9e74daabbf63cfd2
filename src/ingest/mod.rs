//! From a device's bytes to rows: the spool, and what reads it.
//!
//! The [`spool`] is the truth. The [`indexer`] follows it and writes rows; [`completeness`] decides when a study is all
//! there; the [`sealer`] moves quiet series into packs and lets the spool's segments go. The [`transcoder`] makes what
//! [`viewing`] serves, and lags behind all of them. What could not become an image waits for a person, whose decision
//! [`release`] carries out; [`erasure`] takes a study out of all of it. Nothing here answers a device.

pub mod activity;
mod batch;
pub mod budget;
pub mod bytes;
pub mod check;
pub mod completeness;
pub mod derived;
mod describe;
pub mod erasure;
pub(crate) mod fuzzing;
pub mod indexer;
mod reader;
pub mod rebuild;
pub mod release;
mod rooms;
pub mod sealer;
pub mod spool;
#[cfg(test)]
mod tests;
pub mod transcoder;
pub mod viewing;
mod writings;

pub use describe::{Identity, identify};
pub use rooms::{Ingest, OpenError, known_node_name, node_name};

/// Names this program in file meta and associations (PS3.7 D.3.3.2). A UUID-derived UID (PS3.5 B.2) made once.
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.187264912230945119804652870175399420";
/// At most 16 characters.
pub const IMPLEMENTATION_VERSION: &str = concat!("YUNYING_", env!("CARGO_PKG_VERSION"));
