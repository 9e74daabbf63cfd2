//! One file a command.

pub mod build;
pub mod soak;
pub mod test;
