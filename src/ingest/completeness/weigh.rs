//! What all that was told of a study comes to. Pure.
//!
//! A step that is completed, a commitment asked for all that is there and a count of the whole study say that it is
//! complete. A series' or an acquisition's count says nothing of the series to come, so it only shortens the wait. What
//! counts as it goes (1, then 2, ...) is known by telling different counts, and a lone 1 may be the first of those.

use std::collections::BTreeMap;

use crate::index::evidence::{Kind, Told};

/// How much of a study is there.
#[derive(Debug, Clone, Copy)]
pub struct There {
    /// With those in quarantine.
    pub instances: i64,
    pub series: i64,
}

/// What is known of how much there will be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// A step of it is in progress.
    pub in_progress: bool,
    /// By this it is complete.
    pub complete: Option<Kind>,
    /// By this everything begun is there.
    pub hint: Option<Kind>,
    /// So many are known to be on their way.
    pub missing: i64,
}

/// Weighs everything told of one study.
pub fn weigh(told: &[Told], there: There) -> Known {
    let of = |kind| told.iter().filter(move |told| told.kind == kind);
    if of(Kind::StepBegun).next().is_some() {
        return Known { in_progress: true, ..Known::default() };
    }
    let mut known = Known::default();
    let made: i64 = of(Kind::StepCompleted).map(|step| step.most).fold(0, i64::saturating_add);
    if of(Kind::StepCompleted).next().is_some() {
        match made {
            // Completed, and not said with what.
            0 => known.hint = Some(Kind::StepCompleted),
            made => known.needs(Kind::StepCompleted, made, there.instances),
        }
    }
    known.commitments(of(Kind::Commitment).map(|asked| asked.most), there.instances);
    for count in of(Kind::StudyCount).filter(|count| is_a_count(count)) {
        known.needs(Kind::StudyCount, count.most, there.instances);
    }
    known.series(told, there.series);
    if known.complete.is_some() {
        known.missing = 0;
    }
    known
}

fn is_a_count(told: &Told) -> bool {
    told.least == told.most && told.most > 1
}

impl Known {
    fn needs(&mut self, kind: Kind, promised: i64, there: i64) {
        if there >= promised {
            self.complete = self.complete.or(Some(kind));
        } else {
            self.missing = self.missing.max(promised - there);
        }
    }

    /// Devices ask for the whole study, or series by series, or once more: only what covers all that is there is the end.
    fn commitments(&mut self, asked: impl Iterator<Item = i64>, there: i64) {
        let (mut sum, mut most) = (0i64, 0);
        for count in asked {
            (sum, most) = (sum.saturating_add(count), most.max(count));
        }
        if most > there {
            self.missing = self.missing.max(most - there);
        } else if there > 0 && (most == there || sum == there) {
            self.complete = self.complete.or(Some(Kind::Commitment));
        }
    }

    fn series(&mut self, told: &[Told], all: i64) {
        let mut full: BTreeMap<&str, Kind> = BTreeMap::new();
        for count in told.iter().filter(|told| told.kind == Kind::SeriesCount && is_a_count(told)) {
            if count.there >= count.most {
                full.insert(&count.subject, Kind::SeriesCount);
            } else {
                self.missing = self.missing.max(count.most - count.there);
            }
        }
        let mut acquired: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for count in told.iter().filter(|told| told.kind == Kind::AcquisitionCount) {
            // Too many rather than too few of what is disputed: a hint that does not come costs seconds.
            let (promised, _) = acquired.entry(&count.subject).or_insert((0, count.there));
            *promised = promised.saturating_add(count.most);
        }
        for (series, (promised, there)) in acquired {
            if promised > 1 && there >= promised {
                full.entry(series).or_insert(Kind::AcquisitionCount);
            }
        }
        if all > 0 && i64::try_from(full.len()) == Ok(all) {
            self.hint = self.hint.or(full.into_values().max());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CaseId;

    fn told(kind: Kind, subject: &str, counts: (i64, i64), there: i64) -> Told {
        Told { case: CaseId(1), kind, subject: subject.into(), least: counts.0, most: counts.1, there }
    }

    fn all(instances: i64, series: i64) -> There {
        There { instances, series }
    }

    #[test]
    fn a_completed_step_ends_the_study_once_all_its_images_are_there() {
        let step = [told(Kind::StepCompleted, "1", (3, 3), 0), told(Kind::StepCompleted, "2", (2, 2), 0)];
        assert_eq!(weigh(&step, all(4, 1)), Known { missing: 1, ..Known::default() });
        assert_eq!(weigh(&step, all(5, 1)).complete, Some(Kind::StepCompleted));
        let going_on = [step[0].clone(), told(Kind::StepBegun, "2", (0, 0), 0)];
        assert_eq!(weigh(&going_on, all(5, 1)), Known { in_progress: true, ..Known::default() });
        let silent = [told(Kind::StepCompleted, "1", (0, 0), 0)];
        assert_eq!(weigh(&silent, all(5, 1)), Known { hint: Some(Kind::StepCompleted), ..Known::default() });
    }

    #[test]
    fn a_commitment_for_one_series_of_two_is_not_the_end() {
        let one = [told(Kind::Commitment, "1", (3, 3), 0)];
        assert_eq!(weigh(&one, all(5, 2)), Known::default());
        assert_eq!(weigh(&one, all(2, 2)).missing, 1);
        assert_eq!(weigh(&one, all(3, 1)).complete, Some(Kind::Commitment));
        let both = [one[0].clone(), told(Kind::Commitment, "2", (2, 2), 0)];
        assert_eq!(weigh(&both, all(5, 2)).complete, Some(Kind::Commitment));
        let asked_again = [one[0].clone(), told(Kind::Commitment, "3", (3, 3), 0)];
        assert_eq!(weigh(&asked_again, all(3, 1)).complete, Some(Kind::Commitment));
    }

    #[test]
    fn a_count_that_grows_as_the_images_come_is_no_count() {
        assert_eq!(weigh(&[told(Kind::StudyCount, "", (1, 1), 0)], all(1, 1)), Known::default());
        assert_eq!(weigh(&[told(Kind::StudyCount, "", (1, 2), 0)], all(2, 1)), Known::default());
        assert_eq!(weigh(&[told(Kind::StudyCount, "", (4, 4), 0)], all(3, 1)).missing, 1);
        assert_eq!(weigh(&[told(Kind::StudyCount, "", (4, 4), 0)], all(4, 1)).complete, Some(Kind::StudyCount));
    }

    #[test]
    fn full_series_are_a_hint_as_more_series_may_come() {
        let counts = [told(Kind::SeriesCount, "a", (3, 3), 3), told(Kind::AcquisitionCount, "b", (2, 2), 4)];
        let more = told(Kind::AcquisitionCount, "b", (2, 2), 4);
        let hint = Known { hint: Some(Kind::AcquisitionCount), ..Known::default() };
        assert_eq!(weigh(&[counts[0].clone(), counts[1].clone(), more], all(7, 2)), hint);
        assert_eq!(weigh(&counts, all(8, 3)), Known::default(), "of the third nothing is known");
        let short = [told(Kind::SeriesCount, "a", (3, 3), 2)];
        assert_eq!(weigh(&short, all(2, 1)), Known { missing: 1, ..Known::default() });
    }
}
