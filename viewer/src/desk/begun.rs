//! A clinical question begun and not sent: on this machine until the center has it or its writer calls it off.
//!
//! Another row, the images, another language and the end of a session leave it where it is. One for each account and case.

use serde::{Deserialize, Serialize};
use wire::CaseRow;

use crate::web;

/// What the keys of all of them begin with.
pub const KEYS: &str = "yunying.question.";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The row's version it was begun on.
    version: i64,
    /// The question as it stood then.
    was: String,
    pub text: String,
}

impl Begun {
    pub fn on(row: &CaseRow) -> Self {
        Self { version: row.version, was: row.question.clone(), text: row.question.clone() }
    }

    /// It says something else than the question it was begun on.
    pub fn is_change(&self) -> bool {
        self.text.trim() != self.was.trim()
    }

    /// Somebody wrote another question meanwhile: it would be overwritten.
    pub fn overtaken(&self, now: &CaseRow) -> bool {
        now.question != self.was && now.question.trim() != self.text.trim()
    }

    /// The version a change is made from. A case that merely moved on does not stand against its question.
    pub fn based_on(&self, now: &CaseRow) -> i64 {
        if now.question == self.was { now.version } else { self.version }
    }

    /// Its writer has been shown the question of `now`.
    pub fn after(self, now: &CaseRow) -> Self {
        Self { version: now.version, ..self }
    }
}

fn key(account: i64, case: i64) -> String {
    format!("{KEYS}{account}.{case}")
}

pub fn read(account: i64, case: i64) -> Option<Begun> {
    serde_json::from_str(&web::recall(&key(account, case))?).ok()
}

/// Keeps what would be lost; a text that says nothing new is not.
pub fn keep(account: i64, case: i64, begun: &Begun) {
    match serde_json::to_string(begun) {
        Ok(json) if begun.is_change() => {
            web::keep(&key(account, case), &json);
        }
        _ => forget(account, case),
    }
}

pub fn forget(account: i64, case: i64) {
    web::forget(&key(account, case));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::row;

    fn begun(text: &str) -> Begun {
        Begun { text: text.into(), ..Begun::on(&row(1, wire::Urgency::Routine)) }
    }

    #[test]
    fn a_question_begun_is_there_again_for_its_writer_and_its_case_only() {
        let asked = begun("排除肺炎？");
        keep(1, 7, &asked);
        assert_eq!((read(1, 7), read(1, 8), read(2, 7)), (Some(asked), None, None));
        assert!(web::only_here(KEYS), "no browser keeps it here, so leaving would lose it");
        forget(1, 7);
        assert_eq!(read(1, 7), None);
        assert!(!web::only_here(KEYS));
    }

    #[test]
    fn text_that_says_nothing_new_is_not_kept() {
        keep(1, 9, &begun("排除肺炎？"));
        keep(1, 9, &begun(" 咳嗽两周 "));
        assert_eq!(read(1, 9), None);
    }

    #[test]
    fn a_case_that_moved_on_does_not_refuse_its_question() {
        let mut now = row(1, wire::Urgency::Routine);
        now.version = 5;
        let asked = begun("排除肺炎？");
        assert_eq!((asked.based_on(&now), asked.overtaken(&now)), (5, false));
    }

    #[test]
    fn a_question_written_by_somebody_else_is_shown_before_it_is_overwritten() {
        let mut now = row(1, wire::Urgency::Routine);
        (now.version, now.question) = (5, "发热三天".into());
        let asked = begun("排除肺炎？");
        assert_eq!((asked.based_on(&now), asked.overtaken(&now)), (1, true), "the center refuses it");
        assert_eq!(asked.after(&now).based_on(&now), 5, "and takes it once its writer has seen the other");
        assert!(!begun("发热三天 ").overtaken(&now), "the same words need no decision");
    }
}
