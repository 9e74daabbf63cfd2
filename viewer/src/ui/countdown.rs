//! The time left for a case: calm, then amber in its last quarter, then red once past.

use leptos::prelude::*;

use crate::clock::{self, Left};
use crate::i18n::{self, Lang, fill, say, t};

/// 还剩 *n* 分钟, with the exact due time on hover.
pub fn time_left(now: i64, from: Option<i64>, due: i64) -> impl IntoView {
    let left = clock::left(now, from, due);
    let hint = fill(say::DUE_AT, &[&clock::day_time(due)]);
    let (number, unit) = figure(left);
    let tone = tone(left);
    let word = t(if left.overdue { say::OVER } else { say::LEFT });
    // "6 min left", but "over by 6 min".
    let after = !left.overdue && i18n::chosen() == Lang::En;
    view! {
        <span class=format!("left {tone}") title=hint>
            {(left.overdue || left.soon()).then(|| super::icon("clock"))}
            {(!after).then(|| view! { <span>{word}</span> })}
            <b class="left-n">{number}</b>
            <span class="left-unit">{unit}</span>
            {after.then(|| view! { <span>" "{word}</span> })}
        </span>
    }
}

fn tone(left: Left) -> &'static str {
    if left.overdue {
        "red"
    } else if left.soon() {
        "amber"
    } else {
        "calm"
    }
}

/// Seconds within the last two minutes and the first one past; hours once minutes would be long.
pub fn figure(left: Left) -> (String, &'static str) {
    if left.seconds < if left.overdue { 60 } else { 120 } {
        // Less than one past its time is past its time all the same.
        let seconds = if left.overdue { left.seconds.max(1) } else { left.seconds };
        (seconds.to_string(), t(say::SECONDS))
    } else if left.minutes >= 180 {
        ((left.minutes / 60).to_string(), t(say::HOURS))
    } else {
        (left.minutes.to_string(), t(say::MINUTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MINUTE_US;

    fn at(seconds_left: i64) -> (String, &'static str) {
        figure(clock::left(60 * MINUTE_US - seconds_left * 1_000_000, Some(0), 60 * MINUTE_US))
    }

    #[test]
    fn nothing_is_ever_zero_minutes_late() {
        let half_a_second = figure(clock::left(500_001, Some(0), 1));
        assert_eq!(half_a_second, ("1".into(), "秒"));
        assert_eq!(at(-1), ("1".into(), "秒"));
        assert_eq!(at(-59), ("59".into(), "秒"));
        assert_eq!(at(-60), ("1".into(), "分钟"));
    }

    #[test]
    fn the_last_two_minutes_count_in_seconds() {
        assert_eq!(at(119), ("119".into(), "秒"));
        assert_eq!(at(121), ("3".into(), "分钟"), "a started minute counts");
        assert_eq!(at(-4 * 3_600), ("4".into(), "小时"));
    }
}
