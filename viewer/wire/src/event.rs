//! The event log as a browser sees it, over SSE.

use crate::message;

message! {
    /// One chained event; the SSE `id` is `seq`, the SSE `event` is `kind`.
    pub struct Event {
        pub seq: i64,
        pub kind: String,
        pub at_us: i64,
        pub site: Option<i64>,
        pub study: Option<i64>,
        pub case: Option<i64>,
        pub account: Option<i64>,
        pub report: Option<i64>,
    }
}
