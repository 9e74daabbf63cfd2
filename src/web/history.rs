//! What of a case's events people are told, and of whom: one line an act, however many events it left.

use std::time::Duration;

use crate::domain::Micros;
use crate::index::EventKind;
use crate::index::events::Chained;

/// What the same person does within this is one act.
const ONE_ACT: Duration = Duration::from_secs(60);

/// The events without those that say less of what another of them says.
pub fn told(events: Vec<Chained>) -> Vec<Chained> {
    let says_more: Vec<bool> = events.iter().map(|event| !is_said_better(event, &events)).collect();
    events.into_iter().zip(says_more).filter_map(|(event, tell)| tell.then_some(event)).collect()
}

/// Whose name stands at a line: who did it, and where nobody did, whom it befell. That images came late is nobody's doing,
/// though the event names the writer, whom it concerns.
pub fn named(event: &Chained) -> Option<i64> {
    match is(event, EventKind::Outdated) {
        true => None,
        false => event.account_id.or(event.subject_id),
    }
}

fn is(event: &Chained, kind: EventKind) -> bool {
    event.kind == kind.word()
}

fn is_said_better(event: &Chained, events: &[Chained]) -> bool {
    let near = |other: &Chained| apart(event.at_us, other.at_us) <= ONE_ACT && other.account_id == event.account_id;
    let by_them = |kinds: &[EventKind]| events.iter().any(|other| kinds.iter().any(|k| is(other, *k)) && near(other));
    if is(event, EventKind::Late) {
        return events.iter().any(|other| is(other, EventKind::Outdated) && other.at_us == event.at_us);
    }
    if is(event, EventKind::ReportOpened) {
        // Who signs it is shown it again at once; who ticks it as read has it open.
        return by_them(&[EventKind::ReadBySite, EventKind::Signed, EventKind::Reviewed, EventKind::Returned]);
    }
    // Taking a case up is opening its images; and that machines fetch them is for the auditor.
    is(event, EventKind::StudyOpened) && (event.account_id.is_none() || by_them(&[EventKind::CaseOpened]))
}

fn apart(one: Micros, other: Micros) -> Duration {
    one.max(other).since(one.min(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITER: i64 = 3;
    const TOWNSHIP: i64 = 7;
    const MINUTE: i64 = 60_000_000;

    fn event(kind: EventKind, minutes: i64, by: Option<i64>) -> Chained {
        Chained {
            seq: minutes,
            kind: kind.word().into(),
            at_us: Micros(minutes * MINUTE),
            site_id: None,
            study_id: None,
            case_id: None,
            report_id: None,
            account_id: by,
            subject_id: None,
            detail: "{}".into(),
            hash: Vec::new(),
        }
    }

    fn kinds(events: Vec<Chained>) -> Vec<String> {
        told(events).into_iter().map(|event| event.kind).collect()
    }

    #[test]
    fn images_after_signing_are_one_line_and_nobodys_doing() {
        let outdated = Chained { subject_id: Some(WRITER), ..event(EventKind::Outdated, 9, None) };
        assert_eq!(named(&outdated), None);
        let late = event(EventKind::Late, 9, None);
        assert_eq!(kinds(vec![late.clone(), outdated]), ["case.outdated"]);
        assert_eq!(kinds(vec![late]), ["study.late"], "before signing it is all there is");
    }

    #[test]
    fn whom_a_case_was_given_to_is_named_though_nobody_gave_it() {
        let assigned = Chained { subject_id: Some(WRITER), ..event(EventKind::Assigned, 1, None) };
        assert_eq!(named(&assigned), Some(WRITER));
        let taken = Chained { subject_id: Some(WRITER), ..event(EventKind::TakenBack, 2, Some(TOWNSHIP)) };
        assert_eq!(named(&taken), Some(TOWNSHIP));
    }

    #[test]
    fn one_act_is_one_line_and_another_persons_or_a_later_one_is_its_own() {
        let history = vec![
            event(EventKind::StudyOpened, 10, Some(WRITER)),
            event(EventKind::CaseOpened, 10, Some(WRITER)),
            event(EventKind::Signed, 20, Some(WRITER)),
            event(EventKind::ReportOpened, 20, Some(WRITER)),
            event(EventKind::ReportOpened, 30, Some(TOWNSHIP)),
            event(EventKind::ReadBySite, 30, Some(TOWNSHIP)),
            event(EventKind::StudyOpened, 30, Some(TOWNSHIP)),
            event(EventKind::StudyOpened, 35, None),
            event(EventKind::ReportOpened, 40, Some(WRITER)),
        ];
        let expected = ["case.opened", "case.signed", "case.read", "study.opened", "report.opened"];
        assert_eq!(kinds(history), expected);
    }
}
