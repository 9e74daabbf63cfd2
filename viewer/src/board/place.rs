//! Where a case stands in its lane: minutes left on the axis, crowded ones stacked, the rest counted. Pure.

/// Axis ends, in minutes left.
pub const FIRST: f64 = -10.0;
pub const LAST: f64 = 60.0;
/// Within these, a case is due soon.
pub const SOON: f64 = 10.0;
/// Rows of marks in one lane.
pub const LEVELS: usize = 3;

/// One mark on the axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// Which case, by its place in the list given.
    pub case: usize,
    /// Share of the axis, 0 at its left end.
    pub at: f64,
    /// 0 is the middle row, 1 above, 2 below.
    pub level: usize,
}

/// Places the cases and counts those a lane has no room for, by tenth of the axis.
pub fn place(minutes_left: &[f64], apart: f64) -> (Vec<Mark>, [usize; 10]) {
    let mut ends = [f64::NEG_INFINITY; LEVELS];
    let mut crowded = [0; 10];
    let mut marks = Vec::new();
    let mut order: Vec<(usize, f64)> = minutes_left.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    for (case, minutes) in order {
        let at = share(minutes);
        match (0..LEVELS).find(|level| at - ends[*level] >= apart) {
            Some(level) => {
                ends[level] = at;
                marks.push(Mark { case, at, level });
            }
            None => crowded[((at * 10.0) as usize).min(9)] += 1,
        }
    }
    (marks, crowded)
}

/// Beyond the ends of the axis a case stands at its end.
pub fn share(minutes: f64) -> f64 {
    ((minutes - FIRST) / (LAST - FIRST)).clamp(0.0, 1.0)
}

/// How many values fall into each of `bins` equal parts of 0 to `most`; later ones count in the last.
pub fn histogram(values: &[f64], bins: usize, most: f64) -> Vec<usize> {
    let mut counts = vec![0; bins];
    for value in values {
        let bin = (value.max(0.0) / most * bins as f64) as usize;
        counts[bin.min(bins - 1)] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_runs_from_ten_over_to_an_hour_left() {
        assert_eq!((share(-10.0), share(60.0), share(-300.0), share(900.0)), (0.0, 1.0, 0.0, 1.0));
        assert!((share(0.0) - 1.0 / 7.0).abs() < 1e-9);
    }

    #[test]
    fn crowded_cases_stack_and_the_rest_are_counted_not_dropped() {
        let minutes = [20.0; 8];
        let (marks, crowded) = place(&minutes, 0.02);
        assert_eq!(marks.iter().map(|mark| mark.level).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(marks.len() + crowded.iter().sum::<usize>(), minutes.len());
    }

    #[test]
    fn marks_of_one_level_never_overlap() {
        let minutes: Vec<f64> = (0..200).map(|n| f64::from(n) * 0.3 - 5.0).collect();
        let (marks, _) = place(&minutes, 0.02);
        for level in 0..LEVELS {
            let at: Vec<f64> = marks.iter().filter(|mark| mark.level == level).map(|mark| mark.at).collect();
            assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= 0.02));
        }
    }

    #[test]
    fn every_value_is_in_a_bin() {
        assert_eq!(histogram(&[0.0, 4.9, 5.0, 99.0], 4, 20.0), [2, 1, 0, 1]);
    }
}
