//! Drawings as SVG text: many small marks, redrawn as a whole. Pure; every word from outside is escaped.

use std::fmt::Write;

use wire::Urgency;

use super::place::{SOON, share};

/// Height of a lane whose marks stand in three rows, px.
const LANE: f64 = 92.0;
/// Of one whose marks stand in one row.
const LOW: f64 = 60.0;
/// Of one with nothing in it.
const THIN: f64 = 30.0;

/// Below the marks, for a word on those there is no room for.
pub const MORE: f64 = 16.0;

/// How much of the page a lane takes: no more than what stands in it needs.
pub fn height(marks: usize, stacked: bool) -> f64 {
    match (marks, stacked) {
        (0, false) => THIN,
        (_, false) => LOW,
        (_, true) => LANE,
    }
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// One case on its lane.
pub struct Spot<'a> {
    /// Share of the axis.
    pub at: f64,
    pub level: usize,
    /// Height of the lane's middle row.
    pub middle: f64,
    pub urgency: Urgency,
    /// Somebody has it in hand.
    pub held: bool,
    pub over: bool,
    /// Written under the mark.
    pub name: Option<&'a str>,
    /// Said on hover.
    pub hint: String,
}

/// Diamond, large dot, small dot, around the origin.
pub fn shape(urgency: Urgency, held: bool) -> String {
    let class = format!("shape {urgency}{}", if held { " filled" } else { "" });
    match urgency {
        Urgency::Stat => format!("<path class=\"{class}\" d=\"M0-8.5 8.5 0 0 8.5-8.5 0Z\"/>"),
        Urgency::Urgent => format!("<circle class=\"{class}\" r=\"6.5\"/>"),
        Urgency::Routine => format!("<circle class=\"{class}\" r=\"4\"/>"),
    }
}

/// The zones and grid behind the marks: overdue, soon, every ten minutes.
pub fn ground() -> String {
    let percent = |minutes: f64| share(minutes) * 100.0;
    let (due, soon) = (percent(0.0), percent(SOON));
    let mut svg = format!(
        "<rect class=\"zone-over\" width=\"{due:.2}%\" height=\"100%\"/>\
         <rect class=\"zone-soon\" x=\"{due:.2}%\" width=\"{:.2}%\" height=\"100%\"/>",
        soon - due
    );
    for tens in 1..=6 {
        let at = percent(f64::from(tens) * 10.0);
        write!(svg, "<line class=\"lane-line\" x1=\"{at:.2}%\" x2=\"{at:.2}%\" y2=\"100%\"/>").ok();
    }
    write!(svg, "<line class=\"lane-due\" x1=\"{due:.2}%\" x2=\"{due:.2}%\" y2=\"100%\"/>").ok();
    svg
}

/// A mark; ringed when past its time.
pub fn spot(spot: &Spot) -> String {
    let y = spot.middle + [0.0, -26.0, 26.0][spot.level.min(2)];
    let ring = if spot.over { "<circle class=\"over-ring\" r=\"12\"/>" } else { "" };
    let name =
        spot.name.map(|name| format!("<text class=\"over-name\" y=\"27\">{}</text>", escape(name))).unwrap_or_default();
    format!(
        "<svg x=\"{:.2}%\" y=\"{y}\" overflow=\"visible\"><title>{}</title>{ring}{}{name}</svg>",
        (spot.at * 100.0).clamp(1.6, 98.4),
        escape(&spot.hint),
        shape(spot.urgency, spot.held)
    )
}

/// A word on the axis or in a lane.
pub fn word(class: &str, at: f64, y: f64, text: &str) -> String {
    format!("<text class=\"{class}\" x=\"{:.2}%\" y=\"{y}\">{}</text>", (at * 100.0).clamp(2.0, 98.6), escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_cannot_become_markup() {
        let drawn = spot(&Spot {
            at: 0.5,
            level: 0,
            middle: 30.0,
            urgency: Urgency::Routine,
            held: false,
            over: true,
            name: Some("<script>&\""),
            hint: "</title><b>".into(),
        });
        assert!(drawn.contains("&lt;script&gt;&amp;&quot;") && drawn.contains("&lt;/title&gt;&lt;b&gt;"));
        assert!(!drawn.contains("<script") && !drawn.contains("<b>"));
    }

    #[test]
    fn an_empty_lane_is_thinner_than_one_with_cases() {
        assert!(height(0, false) < height(1, false) && height(1, false) < height(4, true));
    }

    #[test]
    fn only_what_is_past_its_time_is_ringed() {
        let at = |over| Spot {
            at: 0.1,
            level: 9,
            middle: 30.0,
            urgency: Urgency::Stat,
            held: true,
            over,
            name: None,
            hint: String::new(),
        };
        assert!(spot(&at(true)).contains("over-ring") && !spot(&at(false)).contains("over-ring"));
    }
}
