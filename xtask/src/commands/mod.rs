//! One file a command.

pub mod bench;
pub mod build;
pub mod demo;
pub mod soak;
pub mod test;
