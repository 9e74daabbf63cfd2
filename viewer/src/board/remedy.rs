//! Why a case waits, and the one thing a manager can do about it. Pure.

use wire::{CaseRow, CaseState, DutyLine, Person, lane};

/// Where a case is stuck.
#[derive(Clone, PartialEq, Debug)]
pub enum Stuck {
    /// Nobody has the privilege to read it.
    NoPrivilege,
    /// Nobody who may read it is on duty.
    OffDuty { call: Person },
    /// Those on duty who may read it give no sign of life.
    Silent { who: Vec<Person>, call: Option<Person> },
    /// All who may read it and are here have something else in hand.
    Busy { who: Vec<Person>, call: Option<Person> },
    /// Somebody who may read it is free: it is on its way to them.
    Routed,
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

/// Nobody who is here may read it: a queue of this modality does not move.
pub fn unread(duty: &[DutyLine], modality: &str) -> bool {
    !readers(duty, modality).iter().any(|line| line.on_duty && !line.silent)
}

pub fn stuck(row: &CaseRow, duty: &[DutyLine]) -> Stuck {
    match row.state {
        CaseState::Arriving => return Stuck::Arriving,
        state if state.in_hand() => return Stuck::InHand,
        _ => {}
    }
    let readers = readers(duty, &row.modality);
    let people = |lines: Vec<&&DutyLine>| lines.into_iter().map(|line| line.who.clone()).collect::<Vec<_>>();
    let call = readers.iter().find(|line| !line.on_duty).map(|line| line.who.clone());
    let here: Vec<&&DutyLine> = readers.iter().filter(|line| line.on_duty).collect();
    let awake: Vec<&&DutyLine> = here.iter().copied().filter(|line| !line.silent).collect();
    if awake.iter().any(|line| line.current.is_none()) {
        Stuck::Routed
    } else if !awake.is_empty() {
        Stuck::Busy { who: people(awake), call }
    } else if !here.is_empty() {
        Stuck::Silent { who: people(here), call }
    } else {
        call.map_or(Stuck::NoPrivilege, |call| Stuck::OffDuty { call })
    }
}

impl Stuck {
    /// Who may be called on duty for it.
    pub fn call(&self) -> Option<&Person> {
        match self {
            Stuck::OffDuty { call } => Some(call),
            Stuck::Silent { call, .. } | Stuck::Busy { call, .. } => call.as_ref(),
            _ => None,
        }
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
            since_us: None,
            current: None,
            signed_today: 0,
            median_minutes: None,
        }
    }

    #[test]
    fn a_case_nobody_may_read_is_told_apart_from_one_whose_readers_are_away() {
        let duty = [doctor(1, "CT,DX", true), doctor(2, "MR", false)];
        assert_eq!(stuck(&waiting("NM"), &duty), Stuck::NoPrivilege);
        assert_eq!(stuck(&waiting("MR"), &duty), Stuck::OffDuty { call: duty[1].who.clone() });
        assert!(unread(&duty, "NM") && unread(&duty, "MR") && !unread(&duty, "CR"));
    }

    #[test]
    fn busy_and_silent_readers_are_named_and_somebody_else_is_called() {
        let mut duty = vec![doctor(1, "CT", true), doctor(2, "*", false)];
        assert_eq!(stuck(&waiting("CT"), &duty), Stuck::Routed);
        duty[0].current = Some(row(9, Routine));
        let busy = stuck(&waiting("CT"), &duty);
        assert_eq!(busy, Stuck::Busy { who: vec![duty[0].who.clone()], call: Some(duty[1].who.clone()) });
        duty[0].silent = true;
        let silent = stuck(&waiting("CT"), &duty);
        assert_eq!(silent, Stuck::Silent { who: vec![duty[0].who.clone()], call: Some(duty[1].who.clone()) });
        assert_eq!(silent.call(), Some(&duty[1].who));
        assert!(unread(&duty, "CT"), "a page that is silent reads nothing");
    }

    #[test]
    fn what_somebody_has_in_hand_calls_for_nobody() {
        let held = CaseRow { state: CaseState::Opened, ..waiting("MR") };
        assert_eq!(stuck(&held, &[]), Stuck::InHand);
        assert_eq!(Stuck::InHand.call(), None);
    }
}
