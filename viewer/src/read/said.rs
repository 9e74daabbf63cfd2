//! What the line at the foot says of a key just pressed: for a few seconds, and only beside what it speaks of.

use crate::i18n::{Text, t};

/// How long it stands.
const FOR_US: i64 = 10_000_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    Done,
    Refused,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    pub words: String,
    pub tone: Tone,
    at_us: i64,
    /// The case on the screen it was said beside; none: of one that has left it.
    beside: Option<i64>,
}

impl Said {
    /// Of a case that leaves the screen with it.
    pub fn done(words: String, now_us: i64) -> Self {
        Self { words, tone: Tone::Done, at_us: now_us, beside: None }
    }

    /// What was asked for beside `case` was not done.
    pub fn refused(words: Text, case: i64, now_us: i64) -> Self {
        Self { words: t(words).to_owned(), tone: Tone::Refused, at_us: now_us, beside: Some(case) }
    }

    /// Never beside another case than its own: it would be read of that one.
    pub fn stands(&self, now_us: i64, open: Option<i64>) -> bool {
        open == self.beside && now_us - self.at_us < FOR_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::say;

    #[test]
    fn what_was_done_is_said_for_a_few_seconds_and_never_beside_the_next_case() {
        let said = Said::done("张测试 的报告已签署".into(), 0);
        assert!(said.stands(9_999_999, None));
        assert!(!said.stands(10_000_000, None), "it is old");
        assert!(!said.stands(1, Some(8)), "another patient is on the screen");
    }

    #[test]
    fn a_refusal_is_no_success_and_leaves_with_its_case() {
        let said = Said::refused(say::RULE_TWO, 7, 0);
        assert_eq!(said.tone, Tone::Refused);
        assert!(said.stands(1, Some(7)));
        assert!(!said.stands(1, Some(8)) && !said.stands(1, None));
    }
}
