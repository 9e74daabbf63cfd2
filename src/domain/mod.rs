//! The words of the field as types: ids, times, states. Pure: no I/O, no clock.
//!
//! States that the browser must know too ([`CaseState`], [`Urgency`], [`Role`], ...) live in `yunying-wire` and are
//! re-exported here, so that the program has one definition of each.

mod fingerprint;
mod ids;
mod micros;
mod national_id;
mod retention;
mod step;
mod target;

pub use fingerprint::{Fingerprint, NotAFingerprint};
pub use ids::*;
pub use micros::Micros;
pub use national_id::NationalId;
pub use retention::{Keep, Retention};
pub use step::{NewStep, ScheduledStep, StepChange, StepState};
pub use target::{Target, Targets, is_read};
pub use wire::{CaseState, Delivery, LinkedBy, OrderState, ReportState, Role, Sex, SignatureRole, Urgency, lane};
