//! What changed around the open case since it was put on the screen: what is signed must have been seen. Pure.

use wire::{CaseRow, Shown};

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
