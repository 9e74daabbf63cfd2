//! Which frame of a clip is due: a pure clock, so that playing neither drifts nor depends on how fast frames are drawn.

/// The part of a clip that plays, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loop {
    pub first: usize,
    pub last: usize,
}

/// Frame times with their running sum.
#[derive(Debug, Clone, PartialEq)]
pub struct Clock {
    /// Start of each frame in milliseconds, and the end of the last.
    starts: Vec<f64>,
}

impl Clock {
    pub fn new(times: &[f64]) -> Self {
        let mut starts = Vec::with_capacity(times.len() + 1);
        let mut sum = 0.0;
        starts.push(sum);
        for time in times {
            sum += time;
            starts.push(sum);
        }
        Self { starts }
    }

    pub fn frames(&self) -> usize {
        self.starts.len() - 1
    }

    /// Milliseconds from the clip's beginning to a frame.
    pub fn start(&self, frame: usize) -> f64 {
        self.starts[frame.min(self.frames())]
    }

    /// Frames a second over the whole clip.
    pub fn rate(&self) -> f64 {
        let length = self.start(self.frames());
        if length > 0.0 { self.frames() as f64 * 1000.0 / length } else { 0.0 }
    }

    /// The frame due when `elapsed` milliseconds have played since `from` was shown, going round within `within`.
    pub fn due(&self, from: usize, elapsed: f64, within: Loop) -> usize {
        let last = within.last.min(self.frames().saturating_sub(1));
        let first = within.first.min(last);
        let (begin, end) = (self.starts[first], self.start(last + 1));
        let length = end - begin;
        if length <= 0.0 {
            return first;
        }
        let at = begin + (self.start(from.clamp(first, last)) - begin + elapsed).rem_euclid(length);
        // Frame times are sums of floats: what is within a microsecond of a start has reached it.
        let reached = self.starts.partition_point(|&s| s <= at + 1e-3);
        reached.saturating_sub(1).clamp(first, last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Loop = Loop { first: 0, last: usize::MAX };

    #[test]
    fn a_clip_of_25_frames_a_second_shows_frame_100_after_four_seconds() {
        let clock = Clock::new(&[40.0; 240]);
        assert_eq!(clock.due(0, 4000.0, WHOLE), 100);
        assert_eq!(clock.due(0, 3999.9, WHOLE), 99);
        assert_eq!(clock.due(200, 40.0 * 50.0, WHOLE), 10);
        assert!((clock.rate() - 25.0).abs() < 1e-9);
    }

    #[test]
    fn a_minute_of_an_odd_rate_does_not_drift() {
        let clock = Clock::new(&[33.333; 100]);
        let shown = clock.due(0, 60_000.0, WHOLE);
        assert_eq!(shown, (60_000.0f64 / 33.333) as usize % 100);
    }

    #[test]
    fn a_loop_stays_between_its_ends() {
        let clock = Clock::new(&[10.0, 20.0, 30.0, 40.0]);
        let ends = Loop { first: 1, last: 2 };
        assert_eq!([0.0, 19.0, 20.0, 49.0, 50.0, 69.9, 70.0].map(|t| clock.due(1, t, ends)), [1, 1, 2, 2, 1, 1, 2]);
        assert_eq!(clock.due(3, 0.0, ends), 2, "playing from outside starts at the nearer end");
    }

    #[test]
    fn a_clip_without_length_shows_its_first_frame() {
        assert_eq!(Clock::new(&[]).due(0, 10.0, WHOLE), 0);
        assert_eq!(Clock::new(&[0.0, 0.0]).due(1, 10.0, WHOLE), 0);
    }
}
