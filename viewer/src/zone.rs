//! The center's time zone in the browser: an instant as the center's clocks and calendar show it.
//!
//! The center names its zone when somebody signs in; until then, and where a browser does not know the name, the PC's own counts.

use std::cell::RefCell;

use js_sys::{Array, Date, Function, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};

const MINUTE_US: i64 = 60_000_000;
const DAY_US: i64 = 24 * 60 * MINUTE_US;

enum Zone {
    /// Minutes east of UTC, all year.
    Fixed(i64),
    /// Formats an instant with its distance from UTC.
    Named(Function),
}

thread_local! {
    static ZONE: RefCell<Option<Zone>> = const { RefCell::new(None) };
}

/// The center is in the zone `name`: of the IANA database, or a distance such as `+08:00`.
pub fn heard(name: &str) {
    let fixed = offset(name).filter(|_| !name.is_empty());
    let zone = fixed.map(Zone::Fixed).or_else(|| named(name).map(Zone::Named));
    ZONE.set(zone);
}

fn named(name: &str) -> Option<Function> {
    let options = Object::new();
    for (key, value) in [("timeZone", name), ("timeZoneName", "longOffset"), ("hour", "numeric")] {
        Reflect::set(&options, &key.into(), &value.into()).ok()?;
    }
    let intl = Reflect::get(&js_sys::global(), &"Intl".into()).ok()?;
    let format: Function = Reflect::get(&intl, &"DateTimeFormat".into()).ok()?.dyn_into().ok()?;
    let arguments = Array::of2(&"en-US".into(), &options);
    // Throws where the browser does not know the name.
    let formatter = Reflect::construct(&format, &arguments).ok()?;
    Reflect::get(&formatter, &"format".into()).ok()?.dyn_into().ok()
}

fn date(us: i64) -> Date {
    Date::new(&JsValue::from_f64(us as f64 / 1000.0))
}

fn minutes_east(us: i64) -> i64 {
    let said = ZONE.with_borrow(|zone| match zone.as_ref()? {
        Zone::Fixed(minutes) => Some(*minutes),
        Zone::Named(format) => {
            let text = format.call1(&JsValue::UNDEFINED, &date(us)).ok()?.as_string()?;
            offset(text.rsplit_once("GMT")?.1)
        }
    });
    said.unwrap_or_else(|| -date(us).get_timezone_offset() as i64)
}

/// `+08:00` in minutes; nothing after `GMT` is none.
fn offset(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-" | "\u{2212}", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    Some(sign * (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?))
}

/// An instant on the center's clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At {
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    /// 0 is Sunday.
    pub weekday: usize,
    /// Days since 1970-01-01.
    pub day_number: i64,
}

pub fn at(us: i64) -> At {
    civil(us, minutes_east(us))
}

fn civil(us: i64, minutes_east: i64) -> At {
    let local = us + minutes_east * MINUTE_US;
    let (days, of_day) = (local.div_euclid(DAY_US), local.rem_euclid(DAY_US) / 1_000_000);
    // The proleptic Gregorian calendar in years that begin in March, so that the leap day comes last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    At {
        year: era * 400 + year_of_era + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * from_march + 2) / 5 + 1,
        hour: of_day / 3_600,
        minute: of_day / 60 % 60,
        second: of_day % 60,
        weekday: (days + 4).rem_euclid(7) as usize,
        day_number: days,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20 20:30:05 UTC, a Friday.
    const EVENING: i64 = 1_795_206_605_000_000;

    #[test]
    fn an_evening_in_utc_is_the_next_morning_at_the_center() {
        let there = civil(EVENING, 480);
        assert_eq!((there.year, there.month, there.day), (2026, 11, 21));
        assert_eq!((there.hour, there.minute, there.second, there.weekday), (4, 30, 5, 6));
        let here = civil(EVENING, 0);
        assert_eq!((here.day, here.hour, here.weekday), (20, 20, 5));
        assert_eq!(there.day_number - here.day_number, 1);
    }

    #[test]
    fn leap_days_and_year_ends_are_in_their_places() {
        let day = |days: i64| {
            let at = civil(days * DAY_US, 0);
            (at.year, at.month, at.day)
        };
        assert_eq!(day(0), (1970, 1, 1));
        assert_eq!(day(-1), (1969, 12, 31));
        assert_eq!(day(19_782), (2024, 2, 29));
        assert_eq!(day(19_783), (2024, 3, 1));
        assert_eq!(day(20_453), (2025, 12, 31));
    }

    #[test]
    fn a_distance_from_utc_is_read_as_browsers_and_the_center_write_it() {
        assert_eq!(
            (offset("+08:00"), offset("-03:30"), offset(""), offset("+8")),
            (Some(480), Some(-210), Some(0), Some(480))
        );
        assert_eq!(offset("Asia/Shanghai"), None);
    }
}
