//! The server's time in the browser, and how people say times.
//!
//! Every answer that carries `now_us` corrects the skew, so "3 minutes ago" is right on a township PC whose clock is not. Times
//! of day are the center's, as on the printed report, whatever zone the PC is set to.

use std::cell::Cell;
use std::time::Duration;

use leptos::prelude::*;

use crate::i18n::{fill, say, t};
use crate::zone;

pub const MINUTE_US: i64 = 60_000_000;

thread_local! {
    static SKEW_US: Cell<i64> = const { Cell::new(0) };
}

fn browser_us() -> i64 {
    (js_sys::Date::now() * 1000.0) as i64
}

/// The server said what time it is.
pub fn heard(now_us: i64) {
    SKEW_US.set(now_us - browser_us());
}

pub fn now_us() -> i64 {
    browser_us() + SKEW_US.get()
}

/// Signals that advance: each page re-reads only as often as what it shows can change.
#[derive(Clone, Copy)]
pub struct Ticks {
    pub second: ReadSignal<i64>,
    pub quarter: ReadSignal<i64>,
}

impl Ticks {
    /// Runs as long as the application does.
    pub fn start() -> Self {
        let (second, set_second) = signal(now_us());
        let (quarter, set_quarter) = signal(now_us());
        set_interval(move || set_second.set(now_us()), Duration::from_secs(1));
        set_interval(move || set_quarter.set(now_us()), Duration::from_secs(15));
        Self { second, quarter }
    }
}

pub fn ticks() -> Ticks {
    expect_context()
}

/// "09:46".
pub fn clock_time(us: i64) -> String {
    let at = zone::at(us);
    format!("{:02}:{:02}", at.hour, at.minute)
}

/// "2026-11-20 09:46:05", for a hover.
pub fn exact(us: i64) -> String {
    let at = zone::at(us);
    format!("{} {:02}:{:02}:{:02}", calendar_day(us), at.hour, at.minute, at.second)
}

/// "2026-11-20".
pub fn calendar_day(us: i64) -> String {
    let at = zone::at(us);
    format!("{}-{:02}-{:02}", at.year, at.month, at.day)
}

/// "09:46" today, "昨天 17:56", "11-18 09:46", "2025-11-18 09:46".
pub fn day_time(us: i64) -> String {
    let (at, today) = (zone::at(us), zone::at(now_us()));
    let time = clock_time(us);
    match today.day_number - at.day_number {
        0 => time,
        1 => format!("{} {time}", t(say::YESTERDAY)),
        _ if at.year == today.year => format!("{:02}-{:02} {time}", at.month, at.day),
        _ => format!("{} {time}", calendar_day(us)),
    }
}

/// As narrow as says enough: "09:46" today, "昨天 17:56", "11-18", "2025-11-18".
pub fn day_or_time(us: i64) -> String {
    let (at, today) = (zone::at(us), zone::at(now_us()));
    if shows_time(today.day_number - at.day_number) {
        day_time(us)
    } else if at.year == today.year {
        format!("{:02}-{:02}", at.month, at.day)
    } else {
        calendar_day(us)
    }
}

/// Of an older day nobody asks for the minute.
const fn shows_time(days_ago: i64) -> bool {
    matches!(days_ago, 0 | 1)
}

/// "11 月 20 日 周五".
pub fn long_day(us: i64) -> String {
    let at = zone::at(us);
    let weekday = t(say::WEEKDAYS).split(' ').nth(at.weekday).unwrap_or_default();
    let month = t(say::MONTHS).split(' ').nth(at.month as usize - 1).unwrap_or_default();
    fill(say::LONG_DAY, &[month, &at.day.to_string(), weekday])
}

/// "刚刚", "3 分钟前", "2 小时前", then the day.
pub fn ago(now: i64, us: i64) -> String {
    let seconds = (now - us) / 1_000_000;
    match seconds {
        ..45 => t(say::JUST_NOW).to_owned(),
        45..3_600 => fill(say::MINUTES_AGO, &[&((seconds + 15) / 60).max(1).to_string()]),
        3_600..21_600 => fill(say::HOURS_AGO, &[&(seconds / 3_600).to_string()]),
        _ => day_time(us),
    }
}

/// "3 秒前": for what was saved just now.
pub fn seconds_ago(now: i64, us: i64) -> String {
    let seconds = (now - us).max(0) / 1_000_000;
    match seconds {
        ..2 => t(say::JUST_NOW).to_owned(),
        2..60 => fill(say::SECONDS_AGO, &[&seconds.to_string()]),
        _ => ago(now, us),
    }
}

/// What is left until a case is due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Left {
    /// Whole minutes left, or past.
    pub minutes: i64,
    pub seconds: i64,
    pub overdue: bool,
    /// Of the time allowed, 0 to 1.
    pub share: f64,
}

/// `from`: when the time began to run.
pub fn left(now: i64, from: Option<i64>, due: i64) -> Left {
    let rest = due - now;
    let whole = from.map_or(60 * MINUTE_US, |from| (due - from).max(MINUTE_US));
    Left {
        minutes: if rest < 0 { -rest / MINUTE_US } else { (rest + MINUTE_US - 1) / MINUTE_US },
        seconds: rest.abs() / 1_000_000,
        overdue: rest < 0,
        share: (rest.max(0) as f64 / whole as f64).clamp(0.0, 1.0),
    }
}

impl Left {
    /// A quarter or less of the time is left.
    pub fn soon(&self) -> bool {
        !self.overdue && self.share <= 0.25
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_with_a_quarter_of_its_time_left_is_due_soon() {
        let left = left(45 * MINUTE_US, Some(0), 60 * MINUTE_US);
        assert_eq!((left.minutes, left.overdue, left.soon()), (15, false, true));
    }

    #[test]
    fn the_last_started_minute_counts_as_one() {
        assert_eq!(left(59 * MINUTE_US + 1_000_000, Some(0), 60 * MINUTE_US).minutes, 1);
    }

    #[test]
    fn a_case_past_its_time_says_by_how_much_and_is_not_merely_soon() {
        let left = left(66 * MINUTE_US, Some(0), 60 * MINUTE_US);
        assert_eq!((left.minutes, left.overdue, left.soon(), left.share), (6, true, false, 0.0));
    }

    #[test]
    fn the_minute_is_said_of_today_and_yesterday_only() {
        assert!(shows_time(0) && shows_time(1));
        assert!(!shows_time(2) && !shows_time(620) && !shows_time(-1));
    }

    #[test]
    fn a_missing_start_takes_an_hour_as_the_whole() {
        assert!(left(0, None, 10 * MINUTE_US).soon());
        assert!(!left(0, None, 40 * MINUTE_US).soon());
    }
}
