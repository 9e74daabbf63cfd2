//! What came while this page is open and nobody has looked at yet: reports signed, and images that came after one was. From
//! wherever the page hears of it, each once. Pure.

use std::collections::BTreeSet;

use wire::{CaseRow, CaseState};

#[derive(Clone, Debug, Default)]
pub struct Fresh {
    /// The center's time when the page began to listen; what was signed before is no news.
    since_us: i64,
    /// The newest last.
    waiting: Vec<CaseRow>,
    /// The case, and how many images its report did not know.
    told: BTreeSet<(i64, u32)>,
}

impl Fresh {
    pub fn since(since_us: i64) -> Self {
        Self { since_us, ..Self::default() }
    }

    /// The case as it is now. Whether the bar says something else by that.
    pub fn hear(&mut self, row: &CaseRow) -> bool {
        let now = |at: Option<i64>| at.is_some_and(|us| us >= self.since_us);
        let news = now(row.steps.signed_us) || (row.late > 0 && now(row.late_us));
        if row.state != CaseState::Signed || !news || row.steps.read_us.is_some() {
            return self.looked_at(row.case);
        }
        let new = self.told.insert((row.case, row.late + row.late_seen));
        if new {
            self.looked_at(row.case);
            self.waiting.push(row.clone());
        }
        new
    }

    pub fn looked_at(&mut self, case: i64) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|row| row.case != case);
        self.waiting.len() != before
    }

    pub fn newest(&self) -> Option<&CaseRow> {
        self.waiting.last()
    }

    pub fn count(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing;

    fn signed(case: i64, at_us: i64) -> CaseRow {
        let mut row = testing::row(case, wire::Urgency::Routine);
        row.state = CaseState::Signed;
        row.steps.signed_us = Some(at_us);
        row
    }

    #[test]
    fn a_report_is_news_whether_or_not_its_row_was_on_the_page() {
        let mut fresh = Fresh::since(100);
        assert!(fresh.hear(&signed(1, 150)));
        assert_eq!((fresh.count(), fresh.newest().map(|row| row.case)), (1, Some(1)));
        assert!(!fresh.hear(&signed(1, 150)), "once");
        assert_eq!(fresh.count(), 1);
    }

    #[test]
    fn images_after_signing_are_news_as_a_report_is_and_each_batch_again() {
        let mut fresh = Fresh::since(100);
        let mut row = signed(1, 50);
        assert!(!fresh.hear(&row), "signed before");
        (row.late, row.late_us) = (3, Some(120));
        assert!(fresh.hear(&row));
        assert!(!fresh.hear(&row), "once");
        fresh.looked_at(1);
        (row.late, row.late_us) = (5, Some(140));
        assert!(fresh.hear(&row));
        assert_eq!((fresh.count(), fresh.newest().map(|row| row.late)), (1, Some(5)));
        (row.late, row.late_seen) = (0, 5);
        assert!(fresh.hear(&row), "a doctor has answered for them");
        assert_eq!(fresh.count(), 0);
    }

    #[test]
    fn a_report_that_images_overtook_before_it_was_read_is_one_piece_of_news() {
        let mut fresh = Fresh::since(100);
        fresh.hear(&signed(1, 150));
        let late = CaseRow { late: 2, late_us: Some(160), ..signed(1, 150) };
        assert!(fresh.hear(&late));
        assert_eq!((fresh.count(), fresh.newest().map(|row| row.late)), (1, Some(2)));
    }

    #[test]
    fn what_was_signed_before_or_is_not_signed_is_no_news() {
        let mut fresh = Fresh::since(100);
        assert!(!fresh.hear(&signed(1, 99)));
        assert!(!fresh.hear(&testing::row(2, wire::Urgency::Routine)));
        assert_eq!(fresh.count(), 0);
    }

    #[test]
    fn a_report_looked_at_here_or_by_a_colleague_is_announced_no_more() {
        let mut fresh = Fresh::since(100);
        fresh.hear(&signed(1, 150));
        fresh.hear(&signed(2, 160));
        assert!(fresh.looked_at(2));
        let mut read = signed(1, 150);
        read.steps.read_us = Some(170);
        assert!(fresh.hear(&read));
        assert_eq!(fresh.count(), 0);
        assert!(!fresh.hear(&signed(2, 160)), "nor a second time");
    }
}
