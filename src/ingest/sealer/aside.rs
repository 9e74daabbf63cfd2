//! Objects that could not be packed, each with the time at which it is tried again.
//!
//! What a medium refuses to read today it may read tomorrow, so nothing is given up; each failure only makes the wait
//! for the next attempt longer. Plain memory: a restart tries everything at once.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::domain::Micros;
use crate::index::archive::PackOf;

const WAIT_FIRST: Duration = Duration::from_secs(60);
const WAIT_LONGEST: Duration = Duration::from_secs(3_600);

#[derive(Default)]
pub(super) struct Aside(HashMap<(PackOf, i64), Wait>);

struct Wait {
    until: Micros,
    next: Duration,
}

impl Aside {
    /// `object` could not be packed at `now`.
    pub fn put(&mut self, of: PackOf, object: i64, now: Micros) {
        let wait = self.0.entry((of, object)).or_insert(Wait { until: now, next: WAIT_FIRST });
        wait.until = now + wait.next;
        wait.next = (wait.next * 2).min(WAIT_LONGEST);
    }

    /// Whether `object` is not to be tried yet.
    pub fn holds(&self, of: PackOf, object: i64, now: Micros) -> bool {
        self.0.get(&(of, object)).is_some_and(|wait| now < wait.until)
    }

    /// `object` is in a pack.
    pub fn forget(&mut self, of: PackOf, object: i64) {
        self.0.remove(&(of, object));
    }

    pub fn objects(&self) -> usize {
        self.0.len()
    }

    /// How many series, or the quarantine, have something aside.
    pub fn series(&self) -> usize {
        self.0.keys().map(|(of, _)| of).collect::<HashSet<_>>().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SeriesId;

    #[test]
    fn an_object_is_tried_again_after_a_minute_and_then_ever_less_often() {
        let (mut aside, of) = (Aside::default(), PackOf::Series(SeriesId(1)));
        let mut now = Micros(0);
        assert!(!aside.holds(of, 7, now));
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            aside.put(of, 7, now);
            assert!(aside.holds(of, 7, now + Duration::from_secs(minutes * 60 - 1)));
            now = now + Duration::from_secs(minutes * 60);
            assert!(!aside.holds(of, 7, now));
        }
        assert!(!aside.holds(PackOf::Quarantine, 7, Micros(0)));
        assert_eq!((aside.objects(), aside.series()), (1, 1));
        aside.forget(of, 7);
        assert_eq!(aside.objects(), 0);
    }
}
