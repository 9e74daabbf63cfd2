//! From the index's rows to what the application shows.

use std::collections::HashMap;

use wire::{Age, AgeUnit, CaseRow, Patient, Person, Place, ReportBrief, Steps};

use crate::domain::CaseId;
use crate::index::cases::Row;

/// A place in the queue for each case that waits, 1 = next.
pub fn positions(order: &[CaseId]) -> HashMap<CaseId, u32> {
    order.iter().copied().zip(1..).collect()
}

pub fn case_row(row: &Row, positions: &HashMap<CaseId, u32>) -> CaseRow {
    let person = |id: Option<i64>, name: &Option<String>, title: &Option<String>| {
        Some(Person { id: id?, name: name.clone()?, title: title.clone().unwrap_or_default() })
    };
    CaseRow {
        case: row.id.0,
        study: row.study_id.0,
        study_uid: row.study_uid.clone(),
        accession: row.accession.clone(),
        patient: Patient {
            name: row.patient_name.clone(),
            sex: row.sex,
            age: age(&row.birth_date, &row.age, row.exam_us.0),
            pid: row.pid.clone(),
            birth_date: dashed(&row.birth_date),
        },
        exam: row.description.clone(),
        modality: row.modality.clone(),
        body_part: row.body_part.clone(),
        site: Place { id: row.site_id.0, name: row.site_name.clone() },
        device: row.device.clone(),
        exam_us: row.exam_us.0,
        series: count(row.series),
        instances: count(row.instances),
        bytes: u64::try_from(row.bytes).unwrap_or(0),
        quarantined: count(row.quarantined),
        late: count(row.late),
        late_seen: count(row.late_seen),
        late_us: row.late_us,
        urgency: row.urgency,
        question: row.question.clone(),
        state: row.state,
        steps: Steps {
            arriving_us: row.arriving_us,
            complete_us: row.complete_us,
            queued_us: row.queued_us,
            assigned_us: row.assigned_us,
            opened_us: row.opened_us,
            drafted_us: row.drafted_us,
            submitted_us: row.submitted_us,
            returned_us: row.returned_us,
            signed_us: row.signed_us,
            delivered_us: row.delivered_us,
            read_us: row.read_us,
        },
        assignee: person(row.assignee_id.map(|id| id.0), &row.assignee_name, &row.assignee_title),
        reviewer: person(row.reviewer_id.map(|id| id.0), &row.reviewer_name, &row.reviewer_title),
        due_us: row.due_us.map(|due| due.0),
        position: positions.get(&row.id).copied(),
        report: row.report_id.zip(row.report_state()).map(|(id, state)| ReportBrief {
            report: id.0,
            state,
            number: row.report_number.clone(),
            version: count(row.report_version.unwrap_or(1)),
            signed_us: row.signed_us,
        }),
        version: row.version,
    }
}

pub fn count(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

/// `19680412` as `1968-04-12`; anything else as it is not a date: empty.
pub fn dashed(date: &str) -> String {
    match (date.get(..4), date.get(4..6), date.get(6..8)) {
        (Some(year), Some(month), Some(day)) if date.len() == 8 => format!("{year}-{month}-{day}"),
        _ => String::new(),
    }
}

/// Age at the exam: from the birth date where it is one, else what the device said (`058Y`).
fn age(birth_date: &str, sent: &str, exam_us: i64) -> Option<Age> {
    from_birth(birth_date, exam_us).or_else(|| from_sent(sent))
}

fn from_birth(birth_date: &str, exam_us: i64) -> Option<Age> {
    let born = jiff::civil::Date::strptime("%Y%m%d", birth_date).ok()?;
    let exam = jiff::Timestamp::from_microsecond(exam_us).ok()?.to_zoned(jiff::tz::TimeZone::UTC).date();
    let span = born.until((jiff::Unit::Year, exam)).ok()?;
    let months = span.get_months();
    let (count, unit) = match i32::from(span.get_years()) {
        years if years < 0 || exam < born => return None,
        0 if months == 0 => (span.get_days() + 7 * span.get_weeks(), AgeUnit::Day),
        years @ 0..=2 => (years * 12 + months, AgeUnit::Month),
        years => (years, AgeUnit::Year),
    };
    Some(Age { count: u32::try_from(count).ok()?, unit })
}

/// An Age String (PS3.5 6.2, VR AS).
fn from_sent(sent: &str) -> Option<Age> {
    let count = sent.get(..3)?.parse().ok()?;
    let unit = match sent.get(3..)? {
        "Y" => AgeUnit::Year,
        "M" => AgeUnit::Month,
        "W" => AgeUnit::Week,
        "D" => AgeUnit::Day,
        _ => return None,
    };
    Some(Age { count, unit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_said_as_people_say_them() {
        let exam = 1_795_219_200_000_000; // 2026-11-21
        let said = |birth: &str, sent: &str| age(birth, sent, exam).map(|age| (age.count, age.unit));
        assert_eq!(said("19680412", ""), Some((58, AgeUnit::Year)));
        assert_eq!(said("20250920", ""), Some((14, AgeUnit::Month)));
        assert_eq!(said("20261110", ""), Some((11, AgeUnit::Day)));
        assert_eq!(said("", "007M"), Some((7, AgeUnit::Month)));
        assert_eq!(said("garbage", "x"), None);
        assert_eq!(said("20300101", ""), None);
    }

    #[test]
    fn hostile_dates_are_no_dates() {
        assert_eq!(dashed("一九六八"), "");
        assert_eq!(dashed("1968041"), "");
        assert_eq!(dashed("19680412"), "1968-04-12");
    }
}
