//! Sealing a report so that a changed character shows.
//!
//! Owns what exactly is signed ([`content`]: canonical bytes), the [`Signer`] that seals those bytes, numbers and codes
//! people type ([`numbers`]). Never stores anything and never decides who may sign: that is `reporting::state`.
//!
//! A seal of the first kind ([`Digest`]) is SHA-256 over the canonical content: text, patient, exam, and every signature up to
//! and including its own, with name and time. It shows any change, and its hash stands in the chained event log, which is what ties it
//! to its moment. PAdES and SM2 are further implementations of the same trait, over the same bytes.

pub mod content;
pub mod numbers;
mod seal;

pub use content::{Exam, PatientFacts, ReportContent, SignedBy};
pub use seal::{Digest, Seal, SealError, Signer, verify};
