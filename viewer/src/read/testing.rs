//! Rows and desks for the tests of this room.

use wire::{Age, AgeUnit, CaseRow, CaseState, Desk, Patient, Place, ReportBody, ReportState, Sex, Steps, Urgency};

pub fn row(case: i64, urgency: Urgency) -> CaseRow {
    CaseRow {
        case,
        study: case,
        study_uid: format!("1.{case}"),
        accession: String::new(),
        patient: Patient {
            name: "张测试".into(),
            sex: Sex::Female,
            age: Some(Age { count: 58, unit: AgeUnit::Year }),
            pid: "1".into(),
            birth_date: String::new(),
        },
        exam: "胸部 CT 平扫".into(),
        modality: "CT".into(),
        body_part: "CHEST".into(),
        site: Place { id: 1, name: "青禾镇中心卫生院".into() },
        device: "QH_CT01".into(),
        exam_us: 0,
        series: 1,
        instances: 20,
        bytes: 0,
        quarantined: 0,
        late: 0,
        late_seen: 0,
        late_us: None,
        urgency,
        question: "咳嗽两周".into(),
        state: CaseState::Opened,
        steps: Steps::default(),
        assignee: None,
        reviewer: None,
        due_us: None,
        position: None,
        report: None,
        version: 1,
    }
}

/// On duty, with nothing to do.
pub fn desk() -> Desk {
    Desk {
        on_duty: true,
        current: None,
        returned: Vec::new(),
        to_review: Vec::new(),
        to_review_total: 0,
        outdated: Vec::new(),
        next: None,
        waiting: 0,
        signed_today: 0,
        median_minutes: None,
        now_us: 0,
        seq: 0,
    }
}

/// The center's text of a report at `rev`.
pub fn report(rev: i64, findings: &str) -> ReportBody {
    ReportBody {
        report: 1,
        version: 1,
        state: ReportState::Draft,
        number: None,
        template: String::new(),
        findings: findings.into(),
        impression: String::new(),
        note: String::new(),
        returned: None,
        rev,
        saved_us: 0,
        writers: Vec::new(),
        signatures: Vec::new(),
        content_sha256: None,
    }
}
