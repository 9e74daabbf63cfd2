//! Reports: what a specialist starts from, what may become of a draft, and the page it is printed on.
//!
//! Owns the templates ([`templates`]), the report's state machine ([`state`]) and the PDF ([`pdf`]). Knows no SQL, no HTTP and
//! no keys: `index` stores what these rules allow, `signing` seals it.

pub mod pdf;
pub mod printout;
pub mod state;
pub mod templates;
