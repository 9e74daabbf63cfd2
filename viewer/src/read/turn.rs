//! What comes next between two cases: what was sent back to its writer and what waits for a review go before the queue,
//! unless something in the queue is more urgent. Pure.

use wire::{CaseRow, Desk};

/// Work that does not come through the queue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Own {
    /// A reviewer sent it back to the caller.
    Returned,
    /// Somebody else wrote it; the caller reviews.
    Review,
}

/// A case its reader has put off, at the version they saw: a change brings it up again.
pub type PutOff = (i64, i64);

/// What its reader has said of it.
#[derive(Clone, Copy, Default, Debug)]
pub struct Wishes<'a> {
    /// Wanted before the queue's next case.
    pub asked: Option<Own>,
    pub put_off: &'a [PutOff],
    /// On the screen already.
    pub open: Option<i64>,
}

/// The caller's own work that comes next; `None`: the queue does.
pub fn next_up<'a>(desk: &'a Desk, wishes: Wishes) -> Option<(&'a CaseRow, Own)> {
    if let Some(first) = wishes.asked.and_then(|own| most_pressing(desk, own, wishes.open)) {
        return Some(first);
    }
    if desk.on_duty { before_the_queue(desk, wishes) } else { None }
}

/// Own work that goes before the queue, for whoever is on duty or is about to be.
pub fn before_the_queue<'a>(desk: &'a Desk, Wishes { put_off, open, .. }: Wishes) -> Option<(&'a CaseRow, Own)> {
    let fresh = all(desk, open).filter(|(row, _)| !put_off.contains(&(row.case, row.version)));
    let (row, own) = fresh.min_by_key(rank)?;
    let queue_is_more_urgent = desk.next.as_ref().is_some_and(|next| next.urgency < row.urgency);
    (!queue_is_more_urgent).then_some((row, own))
}

/// Whether the page may say that the queue's next case can come. Not before it knows of its shift: with the first word of that
/// the center gives a case away, and own work would wait behind it.
pub fn may_say_free(known: Option<&Desk>) -> bool {
    known.is_some_and(|desk| desk.on_duty)
}

/// A shift has begun that the page did not know of: own work is looked through first.
pub fn begins(known: Option<&Desk>, now: &Desk) -> bool {
    now.on_duty && !may_say_free(known)
}

/// The one of its kind to begin with.
pub fn most_pressing(desk: &Desk, own: Own, open: Option<i64>) -> Option<(&CaseRow, Own)> {
    all(desk, open).filter(|(_, kind)| *kind == own).min_by_key(rank)
}

pub fn count(desk: &Desk, own: Own, open: Option<i64>) -> usize {
    let listed = all(desk, open).filter(|(_, kind)| *kind == own).count();
    listed + unlisted(desk, own)
}

/// What waits beyond the rows the desk lists.
pub fn unlisted(desk: &Desk, own: Own) -> usize {
    match own {
        Own::Returned => 0,
        Own::Review => (desk.to_review_total as usize).saturating_sub(desk.to_review.len()),
    }
}

fn all(desk: &Desk, open: Option<i64>) -> impl Iterator<Item = (&CaseRow, Own)> {
    let returned = desk.returned.iter().map(|row| (row, Own::Returned));
    let all = returned.chain(desk.to_review.iter().map(|row| (row, Own::Review)));
    all.filter(move |(row, _)| Some(row.case) != open)
}

fn rank((row, own): &(&CaseRow, Own)) -> impl Ord + use<> {
    (row.urgency, *own, row.due_us.unwrap_or(i64::MAX), row.case)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::{desk, row};
    use wire::Urgency::{Routine, Stat};

    fn up(desk: &Desk, asked: Option<Own>, put_off: &[PutOff]) -> Option<i64> {
        next_up(desk, Wishes { asked, put_off, open: None }).map(|(row, _)| row.case)
    }

    #[test]
    fn what_is_on_the_screen_does_not_come_next() {
        let mut desk = desk();
        desk.to_review = vec![row(2, Routine), row(4, Routine)];
        let wishes = Wishes { open: Some(2), ..Wishes::default() };
        assert_eq!(next_up(&desk, wishes).map(|(row, _)| row.case), Some(4));
        assert_eq!(count(&desk, Own::Review, Some(2)), 1);
        assert_eq!(most_pressing(&desk, Own::Returned, None), None);
    }

    #[test]
    fn what_came_back_goes_before_reviews_and_both_before_a_queue_that_is_no_more_urgent() {
        let mut desk = desk();
        desk.next = Some(row(9, Routine));
        assert_eq!(up(&desk, None, &[]), None, "nothing of one's own: the queue");
        desk.to_review = vec![row(2, Routine)];
        assert_eq!(up(&desk, None, &[]), Some(2));
        desk.returned = vec![row(3, Routine)];
        assert_eq!(up(&desk, None, &[]), Some(3));
        desk.to_review.push(row(4, Stat));
        assert_eq!(up(&desk, None, &[]), Some(4), "the most urgent first");
    }

    #[test]
    fn an_emergency_in_the_queue_is_not_kept_waiting_by_a_routine_review() {
        let mut desk = desk();
        desk.to_review = vec![row(2, Routine)];
        desk.next = Some(row(9, Stat));
        assert_eq!(up(&desk, None, &[]), None);
        assert_eq!(up(&desk, Some(Own::Review), &[]), Some(2), "unless its reader asked for it");
    }

    #[test]
    fn a_review_put_off_does_not_open_again_by_itself_until_it_changes() {
        let mut desk = desk();
        desk.to_review = vec![row(2, Routine)];
        let seen = (2, desk.to_review[0].version);
        assert_eq!(up(&desk, None, &[seen]), None);
        assert_eq!(up(&desk, Some(Own::Review), &[seen]), Some(2));
        desk.to_review[0].version += 1;
        assert_eq!(up(&desk, None, &[seen]), Some(2));
    }

    #[test]
    fn nothing_opens_by_itself_for_somebody_off_duty() {
        let mut desk = desk();
        desk.on_duty = false;
        desk.returned = vec![row(3, Stat)];
        assert_eq!(up(&desk, None, &[]), None);
        assert_eq!(up(&desk, Some(Own::Returned), &[]), Some(3));
    }

    #[test]
    fn going_on_duty_brings_up_own_work_before_the_queue_is_asked_for_a_case() {
        let mut off = desk();
        off.on_duty = false;
        (off.to_review, off.next) = (vec![row(2, Stat)], Some(row(9, Routine)));
        let on = Desk { on_duty: true, ..off.clone() };
        assert!(!may_say_free(None) && !may_say_free(Some(&off)), "or a case comes before the review");
        assert!(begins(None, &on) && begins(Some(&off), &on));
        assert!(!begins(Some(&on), &on) && !begins(Some(&on), &off) && !begins(None, &off));
        assert!(may_say_free(Some(&on)));
        assert_eq!(
            before_the_queue(&off, Wishes::default()).map(|(row, _)| row.case),
            Some(2),
            "the idle page names it"
        );
        assert_eq!(up(&off, None, &[]), None, "and nothing opens by itself until then");
    }

    #[test]
    fn reviews_beyond_the_listed_ones_are_counted() {
        let mut desk = desk();
        desk.to_review = vec![row(2, Routine), row(4, Routine)];
        desk.to_review_total = 71;
        assert_eq!(count(&desk, Own::Review, None), 71);
        assert_eq!(count(&desk, Own::Review, Some(4)), 70, "the open one waits no longer");
        assert_eq!((count(&desk, Own::Returned, None), unlisted(&desk, Own::Review)), (0, 69));
    }
}
