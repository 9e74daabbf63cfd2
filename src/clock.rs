//! The one place that reads the clock. Everything pure takes the time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::Micros;

/// Now, in UTC microseconds since 1970.
pub fn now() -> Micros {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

/// The calendar day on a clock of `zone`.
pub fn today(zone: &jiff::tz::TimeZone) -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(zone.clone()).date()
}
