//! Pixels: from the coded frames of a stored instance to native samples, and to the form a browser gets.
//!
//! Owns every codec library, and lets none of them near untrusted bytes outside a child process with limits
//! ([`run_worker`]). Holds one frame at a time. Never changes what is stored.

mod decode;
mod encode;
mod frames;
pub(crate) mod fuzzing;
mod inflate;
mod jpeg12;
mod pool;
mod shape;
mod target;
#[cfg(test)]
pub mod testing;
pub mod transcode;
mod worker;

pub use decode::{Damaged, native_samples};
pub use frames::{FrameCache, FrameError, FrameSource, Frames};
pub use pool::{DecodeError, Decoder, Frame};
pub use shape::{Codec, Colour, MAX_SAMPLES, Shape, ShapeError};
pub use target::Target;
pub use worker::run_worker;

#[cfg(test)]
mod tests;
