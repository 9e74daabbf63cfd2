//! Yunying (云影): the shared imaging center of a county medical community, in one program.
//!
//! # The map
//!
//! Data flows one way; nothing calls upstream.
//!
//! ```text
//! device ─C-STORE─▶ dimse ─▶ ingest ─▶ archive + index ─▶ routing ─▶ web ─▶ viewer
//!                           (spool)   (packs)  (SQL)      (cases)    │       │ report text
//!  township ◀─ delivery ◀─ signing ◀─ reporting ◀────────────────────┘◀──────┘
//! ```

pub mod archive;
pub mod center;
pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod dicom;
pub mod dimse;
pub mod domain;
pub mod index;
pub mod ingest;
pub mod pixels;
pub mod reporting;
pub mod routing;
pub mod sample;
pub mod signing;
pub mod web;
