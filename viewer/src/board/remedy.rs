//! Why a case waits, and the one thing a manager can do about it. Pure.

use wire::{Barred, CaseRow, CaseState, DutyLine, Person, lane};

/// Where a case is stuck.
#[derive(Clone, PartialEq, Debug)]
pub enum Stuck {
    /// Nobody has the privilege to read it.
    NoPrivilege,
    /// Nobody who may read it is on duty.
    OffDuty { call: Person },
    /// Those on duty who may read it were asked, and have no page open.
    Absent { who: Vec<Person>, call: Option<Person> },
    /// Those on duty who may read it give no sign of life.
    Silent { who: Vec<Person>, call: Option<Person> },
    /// Nothing is in their hands, but something else is on their pages.
    Occupied { who: Vec<Person>, call: Option<Person> },
    /// All who may read it and are here have something else in hand.
    Busy { who: Vec<Person>, call: Option<Person> },
    /// Somebody who may read it is free: it is on its way to them.
    Routed,
    /// Written and submitted; those who may review it and are here.
    Review { who: Vec<Person>, call: Option<Person> },
    /// In somebody's hands.
    InHand,
    /// Its images are still coming.
    Arriving,
}

/// Who may read `modality` at all.
fn readers<'a>(duty: &'a [DutyLine], modality: &str) -> Vec<&'a DutyLine> {
    let reads = |line: &&DutyLine| line.modalities.iter().any(|may| may == "*" || lane(may) == lane(modality));
    duty.iter().filter(reads).collect()
}

fn people<'a>(lines: impl IntoIterator<Item = &'a DutyLine>) -> Vec<Person> {
    lines.into_iter().map(|line| line.who.clone()).collect()
}

fn is_here(line: &DutyLine) -> bool {
    line.on_duty && !line.silent
}

fn is_free(line: &DutyLine) -> bool {
    is_here(line) && line.current.is_none() && !line.occupied
}

/// Nobody who is here may read it: a queue of this modality does not move.
pub fn unread(duty: &[DutyLine], modality: &str) -> bool {
    !readers(duty, modality).iter().any(|line| is_here(line))
}

pub fn stuck(row: &CaseRow, duty: &[DutyLine], barred: &[Barred]) -> Stuck {
    let barred: &[i64] = barred.iter().find(|of| of.case == row.case).map_or(&[], |of| &of.who);
    match row.state {
        CaseState::Arriving => return Stuck::Arriving,
        CaseState::Submitted => return review(duty, barred),
        state if state.in_hand() => return Stuck::InHand,
        _ => {}
    }
    let readers = readers(duty, &row.modality);
    let call = readers.iter().find(|line| !line.on_duty).map(|line| line.who.clone());
    let on_duty: Vec<&DutyLine> = readers.iter().copied().filter(|line| line.on_duty).collect();
    let here: Vec<&DutyLine> = on_duty.iter().copied().filter(|line| is_here(line)).collect();
    // Whom it was taken from gets it again only where nobody else is here.
    let others: Vec<&DutyLine> = here.iter().copied().filter(|line| !barred.contains(&line.who.id)).collect();
    let here = if others.is_empty() { here } else { others };
    let holding: Vec<&DutyLine> = here.iter().copied().filter(|line| line.current.is_some()).collect();
    if here.iter().any(|line| is_free(line)) {
        Stuck::Routed
    } else if !holding.is_empty() {
        Stuck::Busy { who: people(holding), call }
    } else if !here.is_empty() {
        Stuck::Occupied { who: people(here), call }
    } else if on_duty.is_empty() {
        call.map_or(Stuck::NoPrivilege, |call| Stuck::OffDuty { call })
    } else if on_duty.iter().all(|line| line.absent) {
        Stuck::Absent { who: people(on_duty), call }
    } else {
        Stuck::Silent { who: people(on_duty.into_iter().filter(|line| !line.absent)), call }
    }
}

/// A submitted report is in nobody's hands: any reviewer may take it up who wrote no part of it.
fn review(duty: &[DutyLine], writers: &[i64]) -> Stuck {
    let may = || duty.iter().filter(|line| line.reviews && !writers.contains(&line.who.id));
    let here = people(may().filter(|line| is_here(line)));
    let asked = people(may().filter(|line| line.absent));
    // Where somebody is here already, nobody else is needed.
    let call = may().find(|line| !line.on_duty).filter(|_| here.is_empty()).map(|line| line.who.clone());
    match here.is_empty() && !asked.is_empty() {
        true => Stuck::Absent { who: asked, call },
        false => Stuck::Review { who: here, call },
    }
}

impl Stuck {
    /// Who may be called on duty for it.
    pub fn call(&self) -> Option<&Person> {
        match self {
            Stuck::OffDuty { call } => Some(call),
            Stuck::Silent { call, .. }
            | Stuck::Absent { call, .. }
            | Stuck::Occupied { call, .. }
            | Stuck::Busy { call, .. }
            | Stuck::Review { call, .. } => call.as_ref(),
            _ => None,
        }
    }
}

/// Where a case goes that is taken out of somebody's hands.
#[derive(Clone, PartialEq, Debug)]
pub enum Next {
    /// Somebody else is free.
    Free(Vec<Person>),
    /// Others are here and have something in hand.
    Busy(Vec<Person>),
    /// Nobody else is here: straight back.
    Same,
    Nobody,
}

pub fn after_taking_back(row: &CaseRow, duty: &[DutyLine]) -> Next {
    let holder = row.assignee.as_ref().map(|who| who.id);
    let readers = readers(duty, &row.modality);
    let (own, others): (Vec<&DutyLine>, Vec<&DutyLine>) =
        readers.into_iter().filter(|line| is_here(line)).partition(|line| Some(line.who.id) == holder);
    let free = people(others.iter().copied().filter(|line| is_free(line)));
    match (free.is_empty(), others.is_empty(), own.is_empty()) {
        (false, ..) => Next::Free(free),
        (true, false, _) => Next::Busy(people(others)),
        (true, true, false) => Next::Same,
        (true, true, true) => Next::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::row;
    use wire::Urgency::Routine;

    fn waiting(modality: &str) -> CaseRow {
        CaseRow { modality: modality.into(), state: CaseState::Queued, ..row(1, Routine) }
    }

    fn doctor(id: i64, modalities: &str, on_duty: bool) -> DutyLine {
        DutyLine {
            who: Person { id, name: format!("医师{id}"), title: String::new() },
            modalities: modalities.split(',').map(str::to_owned).collect(),
            on_duty,
            silent: false,
            absent: false,
            occupied: false,
            reviews: false,
            since_us: None,
            current: None,
            signed_today: 0,
            median_minutes: None,
        }
    }

    fn why(row: &CaseRow, duty: &[DutyLine]) -> Stuck {
        stuck(row, duty, &[])
    }

    #[test]
    fn a_case_nobody_may_read_is_told_apart_from_one_whose_readers_are_away() {
        let duty = [doctor(1, "CT,DX", true), doctor(2, "MR", false)];
        assert_eq!(why(&waiting("NM"), &duty), Stuck::NoPrivilege);
        assert_eq!(why(&waiting("MR"), &duty), Stuck::OffDuty { call: duty[1].who.clone() });
        assert!(unread(&duty, "NM") && unread(&duty, "MR") && !unread(&duty, "CR"));
    }

    #[test]
    fn busy_and_silent_readers_are_named_and_somebody_else_is_called() {
        let mut duty = vec![doctor(1, "CT", true), doctor(2, "*", false)];
        assert_eq!(why(&waiting("CT"), &duty), Stuck::Routed);
        duty[0].current = Some(row(9, Routine));
        let (who, call) = (vec![duty[0].who.clone()], Some(duty[1].who.clone()));
        assert_eq!(why(&waiting("CT"), &duty), Stuck::Busy { who: who.clone(), call: call.clone() });
        duty[0].silent = true;
        let silent = why(&waiting("CT"), &duty);
        assert_eq!(silent, Stuck::Silent { who, call });
        assert_eq!(silent.call(), Some(&duty[1].who));
        assert!(unread(&duty, "CT"), "a page that is silent reads nothing");
    }

    #[test]
    fn a_doctor_who_was_asked_and_has_no_page_open_is_to_be_phoned() {
        let asked = DutyLine { silent: true, absent: true, ..doctor(1, "CT", true) };
        let who = vec![asked.who.clone()];
        assert_eq!(why(&waiting("CT"), std::slice::from_ref(&asked)), Stuck::Absent { who: who.clone(), call: None });
        let silent = DutyLine { silent: true, ..doctor(2, "CT", true) };
        let expected = Stuck::Silent { who: vec![silent.who.clone()], call: None };
        assert_eq!(why(&waiting("CT"), &[asked, silent]), expected);
    }

    #[test]
    fn a_page_with_something_on_it_gets_nothing_and_the_board_does_not_say_it_does() {
        let stands = DutyLine { occupied: true, ..doctor(1, "CT", true) };
        let expected = Stuck::Occupied { who: vec![stands.who.clone()], call: None };
        assert_eq!(why(&waiting("CT"), std::slice::from_ref(&stands)), expected);
        assert_eq!(why(&waiting("CT"), &[stands, doctor(2, "CT", true)]), Stuck::Routed);
    }

    #[test]
    fn what_somebody_has_in_hand_calls_for_nobody() {
        let held = CaseRow { state: CaseState::Opened, ..waiting("MR") };
        assert_eq!(why(&held, &[]), Stuck::InHand);
        assert_eq!(Stuck::InHand.call(), None);
    }

    #[test]
    fn a_submitted_report_waits_for_a_reviewer_who_wrote_no_part_of_it() {
        let submitted = CaseRow { state: CaseState::Submitted, ..waiting("CT") };
        let reviewer = |id, on_duty| DutyLine { reviews: true, ..doctor(id, "*", on_duty) };
        let barred = [Barred { case: 1, who: vec![3] }];
        let duty = [doctor(1, "*", true), reviewer(3, true), reviewer(4, false)];
        let away = stuck(&submitted, &duty, &barred);
        assert_eq!(away, Stuck::Review { who: vec![], call: Some(duty[2].who.clone()) });
        let here = stuck(&submitted, &[reviewer(4, true), reviewer(5, false)], &barred);
        assert_eq!(here, Stuck::Review { who: vec![reviewer(4, true).who], call: None }, "nobody else is needed");
        assert_eq!(stuck(&submitted, &duty[..2], &barred), Stuck::Review { who: vec![], call: None });
        let asked = DutyLine { silent: true, absent: true, ..reviewer(4, true) };
        let who = vec![asked.who.clone()];
        assert_eq!(stuck(&submitted, &[asked], &barred), Stuck::Absent { who, call: None });
    }

    #[test]
    fn a_case_taken_back_is_not_said_to_go_to_whom_it_was_taken_from_while_others_are_here() {
        let barred = [Barred { case: 1, who: vec![1] }];
        let busy = DutyLine { current: Some(row(9, Routine)), ..doctor(2, "CT", true) };
        let expected = Stuck::Busy { who: vec![busy.who.clone()], call: None };
        assert_eq!(stuck(&waiting("CT"), &[doctor(1, "CT", true), busy], &barred), expected);
        assert_eq!(stuck(&waiting("CT"), &[doctor(1, "CT", true)], &barred), Stuck::Routed);
    }

    #[test]
    fn before_a_case_is_taken_back_it_is_known_who_gets_it() {
        let held = CaseRow { state: CaseState::Opened, assignee: Some(doctor(1, "CT", true).who), ..waiting("CT") };
        let holder = DutyLine { current: Some(held.clone()), ..doctor(1, "CT", true) };
        let busy = DutyLine { current: Some(row(9, Routine)), ..doctor(2, "CT", true) };
        let next = |others: Vec<DutyLine>| after_taking_back(&held, &[vec![holder.clone()], others].concat());
        assert_eq!(next(vec![]), Next::Same);
        assert_eq!(next(vec![doctor(2, "US", true), doctor(3, "CT", false)]), Next::Same);
        assert_eq!(next(vec![busy.clone()]), Next::Busy(vec![busy.who.clone()]));
        assert_eq!(next(vec![busy, doctor(3, "*", true)]), Next::Free(vec![doctor(3, "*", true).who]));
        assert_eq!(after_taking_back(&held, &[DutyLine { silent: true, ..holder.clone() }]), Next::Nobody);
    }
}
