//! What changed around the open case since it was put on the screen: what is signed must have been seen. Pure.

use wire::{CaseRow, Desk, Shown, StudyImages};

/// What the reader has not seen yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News {
    /// The site has written another clinical question.
    pub question: bool,
    /// So many images came late.
    pub images: u32,
}

/// What of `row` was on the screen, in the words of a signature.
pub fn shown(row: &CaseRow) -> Shown {
    Shown { question: row.question.clone(), instances: row.instances }
}

pub fn news(seen: &CaseRow, now: &CaseRow) -> Option<News> {
    let question = seen.question != now.question;
    let images = now.instances.saturating_sub(seen.instances);
    (question || images > 0).then_some(News { question, images })
}

/// The images that were not on the screen before are marked on it.
pub fn marked(seen: &StudyImages, mut now: StudyImages) -> StudyImages {
    let ids = |images: &StudyImages| -> Vec<i64> {
        images.series.iter().flat_map(|series| &series.instances).map(|image| image.instance).collect()
    };
    let known = ids(seen);
    let came = ids(&now).into_iter().filter(|id| !known.contains(id));
    now.late = seen.late.iter().copied().chain(came).collect();
    now
}

/// The report the reader has signed that images came after since, the latest: said beside any case.
pub fn overtaken(desk: &Desk) -> Option<&CaseRow> {
    desk.outdated.first()
}

/// Urgency and due time may change under the reader: the banner says so at once, as nothing is signed of them.
pub fn set_apart(seen: &CaseRow, now: &CaseRow) -> Option<CaseRow> {
    let moved = CaseRow { urgency: now.urgency, due_us: now.due_us, ..seen.clone() };
    (moved != *seen).then_some(moved)
}

/// Whether an event may change what this page shows; `open`: the study on the screen. The rest of the center's life, a CT
/// arriving elsewhere slice by slice, is not asked after.
pub fn concerns(kind: &str, study: Option<i64>, open: Option<i64>) -> bool {
    match kind {
        "case.delivered" | "case.read" => false,
        "study.late" | "study.progress" => study.is_some() && study == open,
        kind => kind.starts_with("case.") || kind.starts_with("duty."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing;
    use wire::Urgency::{Routine, Stat};

    #[test]
    fn another_question_and_late_images_are_news() {
        let seen = testing::row(1, Routine);
        assert_eq!(news(&seen, &seen), None);
        let asked = CaseRow { question: "痰中带血，请排除肿瘤".into(), ..seen.clone() };
        assert_eq!(news(&seen, &asked), Some(News { question: true, images: 0 }));
        let late = CaseRow { instances: 23, ..seen.clone() };
        assert_eq!(news(&seen, &late), Some(News { question: false, images: 3 }));
    }

    #[test]
    fn what_came_while_a_case_was_read_is_marked_and_stays_so() {
        let slices = |count: usize| {
            let one = || crate::viewport::testing::attrs(1, &[], true);
            crate::viewport::testing::study(vec![(0..count).map(|_| one()).collect()])
        };
        let first = marked(&slices(20), slices(22));
        assert_eq!(first.late, [21, 22]);
        assert_eq!(marked(&first, slices(23)).late, [21, 22, 23]);
        assert!(marked(&slices(20), slices(20)).late.is_empty());
    }

    #[test]
    fn a_report_that_images_overtook_is_news_whatever_is_open() {
        let mut desk = testing::desk();
        assert_eq!(overtaken(&desk), None);
        desk.outdated = vec![CaseRow { late: 3, ..testing::row(4, Routine) }, testing::row(5, Routine)];
        assert_eq!(overtaken(&desk).map(|row| row.case), Some(4));
        assert!(concerns("case.outdated", Some(9), Some(3)) && concerns("case.late_answered", Some(9), Some(3)));
    }

    #[test]
    fn a_signature_says_what_was_seen_and_not_what_came_since() {
        let seen = testing::row(1, Routine);
        assert_eq!(shown(&seen), Shown { question: "咳嗽两周".into(), instances: 20 });
    }

    #[test]
    fn another_urgency_is_shown_at_once_and_takes_nothing_unseen_with_it() {
        let seen = testing::row(1, Routine);
        let now = CaseRow { urgency: Stat, question: "改过".into(), instances: 23, version: 2, ..seen.clone() };
        let moved = set_apart(&seen, &now).unwrap();
        assert_eq!((moved.urgency, moved.question.as_str(), moved.instances), (Stat, "咳嗽两周", 20));
        assert_eq!(set_apart(&moved, &now), None);
    }

    #[test]
    fn only_what_a_desk_shows_is_asked_after() {
        assert!(concerns("case.assigned", Some(3), None));
        assert!(concerns("duty.off", None, None));
        assert!(concerns("study.late", Some(3), Some(3)));
        assert!(!concerns("study.progress", Some(4), Some(3)));
        assert!(!concerns("series.sealed", Some(3), Some(3)));
        assert!(!concerns("case.delivered", Some(3), Some(3)));
    }
}
