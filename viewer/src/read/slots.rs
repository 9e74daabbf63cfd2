//! A list people point at while it changes: rows keep their places, new ones come at the end, and one that is gone stays
//! where it was while somebody may be about to press it. Pure.

use wire::CaseRow;

#[derive(Clone, PartialEq, Debug)]
pub struct Slot {
    pub row: CaseRow,
    /// Somebody else dealt with it.
    pub gone: bool,
}

/// `attended`: the pointer or the focus is in the list.
pub fn merge(known: &[Slot], fresh: &[CaseRow], attended: bool) -> Vec<Slot> {
    let still = |slot: &Slot| match fresh.iter().find(|row| row.case == slot.row.case) {
        Some(row) => Some(Slot { row: row.clone(), gone: false }),
        None => attended.then(|| Slot { row: slot.row.clone(), gone: true }),
    };
    let mut slots: Vec<Slot> = known.iter().filter_map(still).collect();
    let new = fresh.iter().filter(|row| known.iter().all(|slot| slot.row.case != row.case));
    slots.extend(new.map(|row| Slot { row: row.clone(), gone: false }));
    slots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing;
    use wire::Urgency::Routine;

    fn rows(cases: &[i64]) -> Vec<CaseRow> {
        cases.iter().map(|case| testing::row(*case, Routine)).collect()
    }

    fn shown(slots: &[Slot]) -> Vec<(i64, bool)> {
        slots.iter().map(|slot| (slot.row.case, slot.gone)).collect()
    }

    #[test]
    fn what_comes_in_takes_nobodys_place() {
        let slots = merge(&[], &rows(&[5, 7]), true);
        let slots = merge(&slots, &rows(&[2, 5, 6, 7]), true);
        assert_eq!(shown(&slots), [(5, false), (7, false), (2, false), (6, false)]);
    }

    #[test]
    fn what_is_gone_keeps_its_place_while_somebody_points_at_the_list() {
        let slots = merge(&[], &rows(&[5, 6, 7]), true);
        let slots = merge(&slots, &rows(&[5, 7]), true);
        assert_eq!(shown(&slots), [(5, false), (6, true), (7, false)]);
        assert_eq!(shown(&merge(&slots, &rows(&[5, 7]), false)), [(5, false), (7, false)]);
        assert_eq!(shown(&merge(&slots, &rows(&[5, 6, 7]), true))[1], (6, false), "it came back");
    }
}
