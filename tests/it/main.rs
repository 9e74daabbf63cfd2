//! Whole-system tests: real centers, real peers, real browsers. One binary, because linking is what takes time.
//!
//! Each module is one promise of the program. A test that needs something that is not on this machine says so and skips, except
//! with `CI=true`, where it fails ([`need`]).

mod backups;
mod browser;
mod center;
#[path = "../../src/dimse/tests/certificates.rs"]
#[allow(dead_code, reason = "shared with the tests of associations, which use all of it")]
mod certificates;
mod device;
mod dicomweb;
mod everything;
mod exams;
#[path = "../../xtask/src/http.rs"]
#[allow(dead_code, reason = "shared with xtask, which uses all of it")]
mod http;
mod intake;
mod journey;
mod kills;
mod measure;
mod need;
mod outside;
#[path = "../../src/index/testing/postgres.rs"]
mod postgres;
mod query_retrieve;
#[path = "../../src/archive/testing/s3.rs"]
mod s3;
mod sender;
mod shared_stores;
mod trace;
mod wire;
