//! Why a case is no longer in its reader's hands, as its history has it. Pure.

use wire::HistoryLine;

use crate::i18n::{fill, say, t};

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Loss {
    /// Its history could not be asked, or says nothing of it.
    #[default]
    Unknown,
    /// No sign of life came from the page for too long.
    Lapsed,
    /// A manager took it back.
    TakenBack { by: Option<String> },
}

impl Loss {
    /// What ended the hold of `me`: the first such step after the last one that was theirs.
    pub fn of(history: &[HistoryLine], me: &str) -> Self {
        let theirs = |line: &HistoryLine| {
            matches!(line.kind.as_str(), "case.opened" | "case.drafted") && line.who.as_deref() == Some(me)
        };
        let since = history.iter().rposition(theirs).map_or(0, |at| at + 1);
        let ended = |line: &HistoryLine| match line.kind.as_str() {
            "case.taken_back" => Some(Loss::TakenBack { by: line.who.clone() }),
            "case.lapsed" => Some(Loss::Lapsed),
            "case.released" => Some(Loss::Unknown),
            _ => None,
        };
        history[since..].iter().find_map(ended).unwrap_or_default()
    }

    pub fn words(&self) -> String {
        match self {
            Loss::TakenBack { by: Some(who) } => fill(say::LEASE_LOST_TAKEN, &[who]),
            Loss::Lapsed => t(say::LEASE_LOST_LAPSED).to_owned(),
            Loss::TakenBack { by: None } | Loss::Unknown => t(say::LEASE_LOST_LEAD).to_owned(),
        }
    }
}

/// Whether an event of the open case means that its hold may have ended.
pub fn ends_hold(kind: &str) -> bool {
    matches!(kind, "case.taken_back" | "case.lapsed" | "case.released")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: &str, who: &str) -> HistoryLine {
        HistoryLine { at_us: 0, kind: kind.into(), who: Some(who.into()), detail: String::new() }
    }

    #[test]
    fn a_case_taken_back_names_who_took_it() {
        let history = [line("case.opened", "周示例"), line("case.taken_back", "林示例"), line("case.opened", "郑样例")];
        let loss = Loss::of(&history, "周示例");
        assert_eq!(loss, Loss::TakenBack { by: Some("林示例".into()) });
        assert!(loss.words().contains("林示例") && !loss.words().contains("网络"));
    }

    #[test]
    fn what_happened_to_the_next_holder_is_not_the_reason() {
        let history = [
            line("case.taken_back", "林示例"),
            line("case.drafted", "周示例"),
            line("case.lapsed", "周示例"),
            line("case.opened", "郑样例"),
            line("case.taken_back", "林示例"),
        ];
        assert_eq!(Loss::of(&history, "周示例"), Loss::Lapsed);
    }

    #[test]
    fn where_nothing_is_known_no_reason_is_made_up() {
        assert_eq!(Loss::of(&[], "周示例"), Loss::Unknown);
        assert!(!Loss::Unknown.words().contains("网络"));
    }

    #[test]
    fn only_what_ends_a_hold_asks_the_center_again() {
        assert!(ends_hold("case.taken_back") && ends_hold("case.lapsed"));
        assert!(!ends_hold("case.assigned") && !ends_hold("case.urgency"));
    }
}
