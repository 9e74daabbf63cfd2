//! Requests to the server. The one place that knows paths, headers and how a failure is told to a person.

mod calls;
mod client;
mod fault;

pub use calls::*;
pub use client::{abort, open_stream, round_trip_ms, set_csrf, sleep};
pub use fault::Fault;
