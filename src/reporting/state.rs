//! The report's state machine: one table, and the rules around it.
//!
//! ```text
//!             save            submit (two signatures)         sign (reviewer)
//!           ┌──────┐        ┌────────────────────────▶ submitted ──────────┐
//!  (none) ─▶│ draft│────────┤                              │ return         ▼
//!           └──────┘        │          save                ▼              signed
//!               ▲  ▲        └──────── returned ◀───────────┘               ▲
//!               │  └── save ─────────────┘                                 │
//!               └────────────────── sign (writer, one signature) ──────────┘
//! ```
//!
//! Pure. A signed report never changes; an amendment is a new version with a draft of its own. The writer never reviews their
//! own report: that is a row of the table, not a check somewhere else.

use crate::domain::{AccountId, ReportState, Role};

/// What somebody wants to do to a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Keep the text as typed.
    Save,
    /// The writer's signature where a second one is needed.
    Submit,
    /// Back to the writer, with a note.
    Return,
    /// The signature that makes it final.
    Sign,
}

/// Who may do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    Writer,
    /// Somebody of the reviewers' grade who wrote no part of it.
    Reviewer,
}

/// How many signatures must have been asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needing {
    Any,
    One,
    Two,
}

/// Every change there is; what is not here is refused.
const TABLE: &[(ReportState, Action, Actor, Needing, ReportState)] = {
    use {Action::*, Actor::*, Needing::*, ReportState::*};
    &[
        (Draft, Save, Writer, Any, Draft),
        (Draft, Submit, Writer, Two, Submitted),
        (Draft, Sign, Writer, One, Signed),
        (Submitted, Return, Reviewer, Any, Returned),
        (Submitted, Sign, Reviewer, Any, Signed),
        (Returned, Save, Writer, Any, Draft),
        // A reviewer's question may be answered without a change of text.
        (Returned, Submit, Writer, Two, Submitted),
        (Returned, Sign, Writer, One, Signed),
    ]
};

/// What the rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub state: ReportState,
    pub writer: AccountId,
    /// Whoever acts wrote some of the text once, in a draft that went on in other hands.
    pub took_part: bool,
    /// 1 or 2, see [`signatures_needed`].
    pub signatures_needed: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("a signed report is never changed")]
    Signed,
    #[error("the writer of a report does not review it")]
    OwnReport,
    #[error("only the writer of a report may do this")]
    NotTheWriter,
    #[error("only a reviewer may do this")]
    NotAReviewer,
    #[error("a second signature is needed: submit it for review")]
    NeedsReview,
    #[error("one signature is enough: sign it")]
    NeedsNoReview,
    #[error("not possible while the report is {0}")]
    WrongState(ReportState),
}

impl Refusal {
    /// Stable code for the outside.
    pub const fn code(self) -> &'static str {
        match self {
            Refusal::Signed => "report_signed",
            Refusal::OwnReport => "own_report",
            Refusal::NotTheWriter => "not_the_writer",
            Refusal::NotAReviewer => "not_a_reviewer",
            Refusal::NeedsReview => "needs_review",
            Refusal::NeedsNoReview => "needs_no_review",
            Refusal::WrongState(_) => "wrong_report_state",
        }
    }
}

/// The state `action` by `account` leads to, or why it may not be done.
pub fn step(report: Standing, action: Action, account: AccountId, role: Role) -> Result<ReportState, Refusal> {
    if report.state == ReportState::Signed {
        return Err(Refusal::Signed);
    }
    let possible = TABLE.iter().filter(|(from, by_action, ..)| *from == report.state && *by_action == action);
    let mut refusal = Refusal::WrongState(report.state);
    for (_, _, actor, needing, to) in possible {
        if let Err(not_them) = is(*actor, report, account, role) {
            refusal = not_them;
        } else if let Err(not_so_many) = asks_for(*needing, report.signatures_needed) {
            refusal = not_so_many;
        } else {
            return Ok(*to);
        }
    }
    Err(refusal)
}

fn is(actor: Actor, report: Standing, account: AccountId, role: Role) -> Result<(), Refusal> {
    match actor {
        Actor::Writer if account != report.writer => Err(Refusal::NotTheWriter),
        Actor::Writer => Ok(()),
        Actor::Reviewer if account == report.writer || report.took_part => Err(Refusal::OwnReport),
        Actor::Reviewer if role != Role::Reviewer => Err(Refusal::NotAReviewer),
        Actor::Reviewer => Ok(()),
    }
}

fn asks_for(needing: Needing, signatures_needed: u8) -> Result<(), Refusal> {
    match (needing, signatures_needed) {
        (Needing::One, 2..) => Err(Refusal::NeedsReview),
        (Needing::Two, ..2) => Err(Refusal::NeedsNoReview),
        _ => Ok(()),
    }
}

/// How many signatures a report by `writer` needs when the center's rule asks for `by_rule`. A reviewer's own report needs
/// no second one: nobody of higher grade is there to give it.
pub fn signatures_needed(by_rule: u8, writer: Role) -> u8 {
    match writer {
        Role::Reviewer => 1,
        _ => by_rule.clamp(1, 2),
    }
}

/// The mark of a blank left by a template.
pub const SLOT: &str = "‹填写›";

/// Why a text may not be signed or submitted yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    #[error("{0} blanks are still to be filled in")]
    Blanks(usize),
    #[error("the impression is empty")]
    NoImpression,
}

impl Incomplete {
    /// Stable code for the outside.
    pub const fn code(self) -> &'static str {
        match self {
            Incomplete::Blanks(_) => "blank_slots",
            Incomplete::NoImpression => "empty_impression",
        }
    }
}

/// Whether the text may leave the writer's hands.
pub fn complete(findings: &str, impression: &str) -> Result<(), Incomplete> {
    let blanks = findings.matches(SLOT).count() + impression.matches(SLOT).count();
    if blanks > 0 {
        Err(Incomplete::Blanks(blanks))
    } else if impression.trim().is_empty() {
        Err(Incomplete::NoImpression)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WRITER: AccountId = AccountId(1);
    const OTHER: AccountId = AccountId(2);

    fn standing(state: ReportState, signatures_needed: u8) -> Standing {
        Standing { state, writer: WRITER, took_part: false, signatures_needed }
    }

    #[test]
    fn one_signature_is_one_step() {
        let draft = standing(ReportState::Draft, 1);
        assert_eq!(step(draft, Action::Sign, WRITER, Role::Specialist), Ok(ReportState::Signed));
        assert_eq!(step(draft, Action::Submit, WRITER, Role::Specialist), Err(Refusal::NeedsNoReview));
    }

    #[test]
    fn two_signatures_are_two_people() {
        let draft = standing(ReportState::Draft, 2);
        assert_eq!(step(draft, Action::Sign, WRITER, Role::Specialist), Err(Refusal::NeedsReview));
        assert_eq!(step(draft, Action::Submit, WRITER, Role::Specialist), Ok(ReportState::Submitted));
        let submitted = standing(ReportState::Submitted, 2);
        assert_eq!(step(submitted, Action::Sign, WRITER, Role::Reviewer), Err(Refusal::OwnReport));
        assert_eq!(step(submitted, Action::Return, WRITER, Role::Reviewer), Err(Refusal::OwnReport));
        assert_eq!(step(submitted, Action::Sign, OTHER, Role::Specialist), Err(Refusal::NotAReviewer));
        assert_eq!(step(submitted, Action::Sign, OTHER, Role::Reviewer), Ok(ReportState::Signed));
    }

    #[test]
    fn whoever_wrote_a_part_of_the_text_reviews_none_of_it() {
        let submitted = Standing { took_part: true, ..standing(ReportState::Submitted, 2) };
        assert_eq!(step(submitted, Action::Sign, OTHER, Role::Reviewer), Err(Refusal::OwnReport));
        assert_eq!(step(submitted, Action::Return, OTHER, Role::Reviewer), Err(Refusal::OwnReport));
        let draft = Standing { took_part: true, ..standing(ReportState::Draft, 1) };
        assert_eq!(step(draft, Action::Sign, WRITER, Role::Reviewer), Ok(ReportState::Signed));
    }

    #[test]
    fn a_returned_report_is_the_writers_again() {
        let returned = standing(ReportState::Returned, 2);
        assert_eq!(step(returned, Action::Save, OTHER, Role::Reviewer), Err(Refusal::NotTheWriter));
        assert_eq!(step(returned, Action::Save, WRITER, Role::Specialist), Ok(ReportState::Draft));
        assert_eq!(step(returned, Action::Submit, WRITER, Role::Specialist), Ok(ReportState::Submitted));
    }

    #[test]
    fn a_reviewers_own_report_needs_one_signature_whatever_the_rule() {
        assert_eq!(signatures_needed(2, Role::Reviewer), 1);
        assert_eq!(signatures_needed(2, Role::Specialist), 2);
        assert_eq!(signatures_needed(1, Role::Specialist), 1);
        assert_eq!(signatures_needed(0, Role::Specialist), 1);
    }

    #[test]
    fn blanks_and_an_empty_impression_hold_a_report_back() {
        assert_eq!(complete("大小约‹填写›mm，密度‹填写›。", "结节"), Err(Incomplete::Blanks(2)));
        assert_eq!(complete("未见异常。", " \n　"), Err(Incomplete::NoImpression));
        assert_eq!(complete("", "未见异常。"), Ok(()));
    }

    fn actions() -> impl Strategy<Value = Vec<(Action, AccountId, Role)>> {
        let action = prop::sample::select(vec![Action::Save, Action::Submit, Action::Return, Action::Sign]);
        let account = (1i64..4).prop_map(AccountId);
        let role = prop::sample::select(Role::ALL.to_vec());
        prop::collection::vec((action, account, role), 0..40)
    }

    proptest! {
        #[test]
        fn no_path_lets_a_writer_review_and_nothing_follows_a_signature(path in actions(), needed in 1u8..3) {
            let mut report = standing(ReportState::Draft, needed);
            for (action, account, role) in path {
                let before = report.state;
                let Ok(after) = step(report, action, account, role) else { continue };
                prop_assert_ne!(before, ReportState::Signed);
                if before == ReportState::Submitted {
                    prop_assert_ne!(account, WRITER);
                    prop_assert_eq!(role, Role::Reviewer);
                } else {
                    prop_assert_eq!(account, WRITER);
                }
                if after == ReportState::Signed {
                    prop_assert_eq!(before == ReportState::Submitted, needed == 2);
                }
                report.state = after;
            }
        }
    }
}
