//! How long a study with a signed report is to be kept. Pure.

use std::time::Duration;

use serde::Deserialize;

use super::Micros;

/// Rules in order; the first that fits a study holds for it. Without any, everything is kept for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    pub keep: Vec<Keep>,
}

/// One class of studies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// Modality code; `*`: any.
    pub modality: String,
    /// Only of patients younger than so many years at the exam.
    #[serde(default)]
    pub under_age: Option<u32>,
    /// From the exam on.
    pub years: u32,
}

/// A day longer rather than shorter.
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

impl Retention {
    /// Whether a study need not be kept any more. `birth_date` as `YYYYMMDD`; of an unknown one it is not said that the patient
    /// was a child: the longest of the rules that could hold does.
    pub fn has_passed(&self, modality: &str, birth_date: &str, exam: Micros, now: Micros) -> bool {
        let age = age_at(birth_date, exam);
        let fits = |rule: &&Keep| rule.modality == "*" || rule.modality == modality;
        let mut years = None;
        for rule in self.keep.iter().filter(fits) {
            let is_certain = match (rule.under_age, age) {
                (None, _) => true,
                (Some(limit), Some(age)) if age < limit => true,
                (Some(_), Some(_)) => continue,
                (Some(_), None) => false,
            };
            years = years.max(Some(rule.years));
            if is_certain {
                return years.is_some_and(|years| now.since(exam) >= YEAR.saturating_mul(years));
            }
        }
        false
    }
}

fn age_at(birth_date: &str, exam: Micros) -> Option<u32> {
    let born = jiff::civil::Date::strptime("%Y%m%d", birth_date).ok()?;
    let exam = jiff::Timestamp::from_microsecond(exam.0).ok()?.to_zoned(jiff::tz::TimeZone::UTC).date();
    let years = born.until((jiff::Unit::Year, exam)).ok()?.get_years();
    u32::try_from(years).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn years(count: u32) -> Micros {
        Micros(0) + YEAR * count
    }

    #[test]
    fn without_a_rule_everything_is_kept_for_ever() {
        assert!(!Retention::default().has_passed("CT", "19680412", Micros(0), years(900)));
        let ct = Retention { keep: vec![Keep { modality: "CT".into(), under_age: None, years: 15 }] };
        assert!(!ct.has_passed("US", "19680412", Micros(0), years(900)));
        assert!(!ct.has_passed("CT", "19680412", Micros(0), years(14)));
        assert!(ct.has_passed("CT", "19680412", Micros(0), years(15)));
    }

    #[test]
    fn a_child_s_study_is_kept_longer_and_so_is_that_of_whose_age_nothing_is_known() {
        let child = Keep { modality: "*".into(), under_age: Some(18), years: 30 };
        let rules = Retention { keep: vec![child, Keep { modality: "*".into(), under_age: None, years: 15 }] };
        assert!(rules.has_passed("CT", "19300101", Micros(0), years(16)));
        assert!(!rules.has_passed("CT", "19600101", Micros(0), years(16)));
        assert!(!rules.has_passed("CT", "", Micros(0), years(16)));
        assert!(rules.has_passed("CT", "", Micros(0), years(30)));
    }
}
