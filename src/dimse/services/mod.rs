//! What an association can be asked to do, one file a service.

pub(super) mod echo;
pub(super) mod store;
