//! What leaves once a report is signed. Readers of the event log: each wakes on it, looks for what is still to be done, does it,
//! and writes that down. Nothing upstream waits for them.

pub mod pdf;
