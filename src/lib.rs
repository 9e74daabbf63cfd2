//! Yunying (云影): the shared imaging center of a county medical community, in one program.
//!
//! Devices in township health centers push DICOM; a specialist at the county center reads it in the browser and signs; the
//! signed report is back in the township within minutes.
//!
//! # The map
//!
//! Data flows one way; nothing calls upstream. What comes by STOW-RS enters through [`web`] into the same spool as what comes
//! by C-STORE, and from there on nothing tells them apart.
//!
//! ```text
//! device ─C-STORE─▶ dimse ─▶ ingest ─▶ archive + index ─▶ routing ─▶ web ─▶ viewer
//!                           (spool)   (packs)  (SQL)      (cases)    │       │ report text
//!  township ◀─ delivery ◀── signing ◀─── reporting ◀─────────────────┘◀──────┘
//! ```
//!
//! | room | owns |
//! |---|---|
//! | [`domain`] | ids, times, states: the words of the field as types. Pure |
//! | [`dicom`] | untrusted headers: walker, character sets, names and their spellings, DICOM JSON, writing anew. Pure |
//! | [`dimse`] | associations, over TLS or not: listener, PDUs, the services devices ask for, and the sender |
//! | [`ingest`] | spool, indexer, completeness, sealer, transcoder, quarantine, erasure, the budget of delivery forms |
//! | [`archive`] | packs and derived objects in the object store |
//! | [`index`] | all SQL, on SQLite and PostgreSQL; the event log; [searches](index::find) by attributes |
//! | [`pixels`] | decoding and compressing frames in child processes; the delivery form |
//! | [`retrieve`] | stored instances on their way out, as stored or written anew |
//! | [`routing`] | `decide` (pure) and the dispatcher that applies it |
//! | [`reporting`], [`signing`] | templates, the report's states, the PDF; canonical content and seals |
//! | [`delivery`] | readers of the event log that carry signed reports out: today the PDF |
//! | [`web`] | the application, its JSON API, the live stream; DICOMweb: search, retrieval, rendering, storage |
//! | [`backup`] | everything a center has, into a directory and back |
//! | [`monitor`] | whether the center can work, and figures for Prometheus: counters and a reader of the event log |
//! | [`sample`] | synthetic, plausible studies |
//! | [`center`] | starting it all; what associations ask of index and archive: catalogue, library, worklist, steps, commitments |
//! | [`cli`], [`config`], [`clock`] | subcommands; settings; the one clock |
//!
//! The browser's side is the crate `yunying-viewer` (pages and viewport), with `yunying-pixel` (display pipeline and
//! delivery codestream, shared with this crate, which renders with it for other programs), `yunying-worker` (decoding off
//! the page's thread) and `yunying-wire` (what both sides say to each other).
//!
//! # One ultrasound, from C-STORE to the township's page
//!
//! 1. The operator has registered the exam; the machine reads it from the [worklist](dimse) and has nothing typed twice.
//! 2. The ultrasound machine at 青禾镇 opens an association. [`dimse`] knows its AE title and its network or certificate, so it
//!    may. Its clip streams through the PDV assembler into the [spool](ingest::spool), hashed on the way; large clips never
//!    sit in memory.
//! 3. The committer makes everything that finished since its last turn durable with one `fdatasync`. Only now the machine
//!    reads success. Whatever is killed from here on, the clip is there.
//! 4. The [indexer](ingest) follows the spool. It walks the header within fixed bounds, decodes the GB18030 name, and
//!    writes patient, study, series and instance, the case (`arriving`), the event and its own place in the spool in one
//!    transaction. Had the header made no sense, the clip would be in quarantine with the reason, and the rest go on.
//! 5. The device told how many images there are, or nothing more comes for a while, less once the association is released:
//!    [completeness](ingest) calls the study complete and puts the case in the queue with the time its report is due.
//! 6. Each transaction's events are numbered and hash-chained by the [sequencer](index::events). The dispatcher wakes on
//!    that log, takes a snapshot, and [`routing::decide`] gives the case to the specialist on duty who may read
//!    ultrasound and has been free longest. The lease, the decision with its reasons, and the event are one transaction.
//! 7. The specialist's page hears the event over SSE and asks for its desk. The desk is idle, so the case opens: banner,
//!    images and report change together. Frames come as the delivery form that the [transcoder](ingest) made behind the intake
//!    (here the machine's own JPEG frames; CT and DR as lossless HTJ2K), decoded in workers, drawn by WebGL2.
//! 8. She writes; every second of typing is saved under her lease. F10 asks her password, [`signing`] seals the canonical
//!    content with its hash, her name and the time, [`reporting`] makes the PDF, and the case is signed. A stale lease
//!    could have changed nothing.
//! 9. The operator's page at 青禾镇 hears that event. The row's last step fills in, the bar at the bottom says whose report
//!    is there; opening it marks it read. Meanwhile the sealer has moved the quiet series into a ZIP pack in the
//!    object store, and the spool segment is gone.
//!
//! # What never changes
//!
//! 1. Success of C-STORE or STOW-RS means the bytes are fsynced. Nothing acknowledged is ever lost.
//! 2. Stored bytes are never rewritten.
//! 3. Bytes are durable and hashed before anything parses them. What can't be parsed is quarantined, counted and shown.
//! 4. No allocation is sized by a number a peer sent.
//! 5. [`domain`], [`dicom`], [`routing::decide`] and `yunying-pixel` do no I/O and read no clock.
//! 6. [`web`] holds no SQL; [`index`] knows no HTTP status; only [`dimse`] knows association details.
//! 7. A signed report is immutable; the writer never reviews their own report.
//! 8. Every route names the roles that may call it; every query carries the caller's site scope.
//! 9. Every SQL path runs the same contract tests on SQLite and PostgreSQL, every archive path on the local file system
//!    and on S3.
//! 10. One instance on one machine needs nothing but the binary.

pub mod archive;
pub mod backup;
pub mod center;
pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod dicom;
pub mod dimse;
pub mod domain;
#[doc(hidden)]
pub mod fuzzing;
pub mod index;
pub mod ingest;
pub mod monitor;
mod panics;
pub mod pixels;
pub mod reporting;
pub mod retrieve;
pub mod routing;
pub mod sample;
pub mod signing;
pub mod web;
