//! The display pipeline and the delivery codestream: from stored values to grey or colour on a screen.
//!
//! Pure: no I/O, no clock, the same code natively (tests, the oracle of the GPU path) and in the browser (thumbnails,
//! browsers without WebGL2, the figures the shader works with). The order is that of PS3.4 N.2: modality transformation,
//! VOI transformation, presentation (inversion), each exactly as PS3.3 C.11 words it.
//!
//! Never guesses what a device did not say: a scale without a source stays in pixels ([`scale`]); an image without a window
//! gets one by its modality or from its own pixels, never another image's ([`window`]).

pub mod codestream;
pub mod colour;
pub mod gpu;
pub mod grey;
pub mod jpeg;
pub mod orient;
pub mod render;
pub mod resample;
pub mod samples;
pub mod scale;
pub mod window;

pub use render::{View, render};
pub use samples::{Data, Layout, Samples, SamplesError};
pub use window::{Preset, Voi};

#[cfg(test)]
pub(crate) mod tests_support;
