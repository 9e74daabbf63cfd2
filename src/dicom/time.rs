//! Dates and times as devices write them (PS3.5 6.2), without a clock.

use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};

use crate::domain::Micros;

/// DA: `YYYYMMDD`, and the `YYYY.MM.DD` and `YYYY-MM-DD` that older devices write.
pub fn date(text: &str) -> Option<Date> {
    let digits: String = text.trim_matches([' ', '\0']).chars().filter(|c| !matches!(c, '.' | '-' | '/')).collect();
    if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let year = digits[..4].parse().ok().filter(|&y: &i16| y >= 1)?;
    Date::new(year, digits[4..6].parse().ok()?, digits[6..].parse().ok()?).ok()
}

/// TM: `HH[MM[SS[.FFFFFF]]]`, colons let pass; a leap second counts as the one before it.
pub fn time(text: &str) -> Option<Time> {
    let text: String = text.trim_matches([' ', '\0']).chars().filter(|&c| c != ':').collect();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !matches!(whole.len(), 2 | 4 | 6) || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let part = |from: usize| whole.get(from..from + 2).map_or(Some(0i8), |s| s.parse().ok());
    let nanoseconds: i32 = format!("{fraction:0<9}").parse().ok()?;
    Time::new(part(0)?, part(2)?, part(4)?.min(59), nanoseconds).ok()
}

/// `&ZZXX`, as in (0008,0201) and at the end of a DT; minutes east of UTC.
pub fn offset_minutes(text: &str) -> Option<i32> {
    let text = text.trim_matches([' ', '\0']);
    let (sign, digits) = text.strip_prefix('+').map(|d| (1, d)).or_else(|| text.strip_prefix('-').map(|d| (-1, d)))?;
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let minutes = digits[..2].parse::<i32>().ok()? * 60 + digits[2..].parse::<i32>().ok()?;
    (minutes <= 14 * 60).then_some(sign * minutes)
}

/// A date and a time of day on a clock `offset` minutes east of UTC; midnight where the time is missing.
pub fn instant(date_text: &str, time_text: &str, offset: i32) -> Option<Micros> {
    at(date(date_text)?, time(time_text).unwrap_or(Time::midnight()), offset)
}

/// DT: `YYYYMMDDHHMMSS.FFFFFF&ZZXX`, shortened from the right; `offset` where it names none.
pub fn date_time(text: &str, offset: i32) -> Option<Micros> {
    let text = text.trim_matches([' ', '\0']);
    let zone = text.rfind(['+', '-']);
    let (clock, offset) = match zone {
        Some(at) => (&text[..at], offset_minutes(&text[at..])?),
        None => (text, offset),
    };
    if !clock.is_ascii() || clock.len() < 8 {
        return None;
    }
    let (day, rest) = clock.split_at(8);
    let rest = if rest.is_empty() { Time::midnight() } else { time(rest)? };
    at(date(day)?, rest, offset)
}

fn at(date: Date, time: Time, offset: i32) -> Option<Micros> {
    let offset = Offset::from_seconds(offset.checked_mul(60)?).ok()?;
    let zoned = date.to_datetime(time).to_zoned(TimeZone::fixed(offset)).ok()?;
    Some(Micros(zoned.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_east_of_greenwich_shows_an_earlier_instant() {
        let utc = instant("20260301", "083015.25", 0).unwrap();
        let beijing = instant("20260301", "163015.25", 480).unwrap();
        assert_eq!(utc, beijing);
        assert_eq!(date_time("20260301163015.250000+0800", 0), Some(utc));
        assert_eq!(date_time("20260301083015.25", 0), Some(utc));
        assert_eq!(instant("2026.03.01", "08:30:15.25", 0), Some(utc));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for bad in ["", "20261301", "20260230", "00000000", "2026", "２０２６0101", "2026010é"] {
            assert_eq!(date(bad), None, "{bad}");
        }
        for bad in ["", "25", "1", "0860", "12345", "12é"] {
            assert_eq!(time(bad), None, "{bad}");
        }
        assert_eq!(offset_minutes("+0800"), Some(480));
        assert_eq!(offset_minutes("0800"), None);
        assert_eq!(date_time("2026010é12+0800", 0), None);
    }
}
