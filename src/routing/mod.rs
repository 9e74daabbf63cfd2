//! Which specialist reads which case.
//!
//! [`decide`] is pure: a snapshot and a time in, decisions with their reasons out; nothing else in the program decides.
//! [`dispatcher`] takes the snapshot, applies what was decided in the same transaction, and takes back lapsed leases.

mod decide;
pub mod dispatcher;

pub use decide::{
    Decision, Outcome, PassedOver, Policy, Reader, Reason, Replay, Snapshot, Waiting, Why, decide, replay,
};
