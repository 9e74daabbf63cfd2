//! The life of a report, on both engines.

mod hands;

use super::*;
use crate::domain::{Role, Sex, SiteId, StudyId};
use crate::index::testing::{on_both_engines, overtaken};
use crate::index::{Db, Scope, events};
use crate::signing::{Digest, ReportContent, verify};

const NOW: Micros = Micros(1_795_219_200_000_000);
pub(crate) const LEASE: &str = "lease-1";
const CODE: &str = "7F3K29QDXKPM";

/// A case opened by the specialist.
pub(crate) struct Desk {
    case: CaseId,
    specialist: Signatory,
    reviewer: Signatory,
    rule: Rule,
}

async fn one<T>(tx: &mut Tx, sql: &'static str) -> T
where
    T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    on!(tx, c => sqlx::query_scalar::<_, T>(sql).fetch_one(c).await).unwrap()
}

async fn run(tx: &mut Tx, sql: &'static str) -> sqlx::Result<()> {
    on!(tx, c => sqlx::query(sql).execute(c).await.map(drop))
}

pub(crate) async fn desk(db: &Db, signatures: u8) -> Desk {
    let mut tx = db.write().await.unwrap();
    for sql in [
        "INSERT INTO site (code, name, kind, created_us) VALUES ('qh', '青禾镇中心卫生院', 'township', 1)",
        "INSERT INTO device (ae_title, site_id, modality, created_us) VALUES ('CT16', 1, 'CT', 1)",
        "INSERT INTO account (login, name, title, role, modalities, password_hash, created_us)
         VALUES ('zhou', '周示例', '主治医师', 'specialist', '*', '', 1)",
        "INSERT INTO account (login, name, title, role, modalities, password_hash, created_us)
         VALUES ('zheng', '郑演示', '副主任医师', 'reviewer', '*', '', 1)",
        "INSERT INTO patient (site_id, issuer, pid, name, name_raw, sex, birth_date)
         VALUES (1, '', 'P-1', '王喆翀', '', 'female', '19680302')",
        "INSERT INTO study (uid, patient_id, site_id, device_id, accession, study_id, study_date, study_time, exam_us,
                description, modality, modalities, body_part, referring, age, instances, bytes, quarantined, first_us, last_us)
         VALUES ('1.2.3', 1, 1, 1, 'A1', '', '20261121', '', 1, '胸部 CT 平扫', 'CT', 'CT', 'CHEST', '', '', 1, 1, 0, 1, 1)",
        "INSERT INTO case_ (study_id, site_id, modality, body_part, urgency, question, state, version, assignee_id, lease,
                lease_until_us)
         VALUES (1, 1, 'CT', 'CHEST', 'routine', '咳嗽两周', 'opened', 1, 1, 'lease-1', 9000000000000000)",
    ] {
        run(&mut tx, sql).await.unwrap();
    }
    tx.commit().await.unwrap();
    let person = |id, role, name: &str, title: &str| Signatory {
        account: AccountId(id),
        role,
        name: name.into(),
        title: title.into(),
    };
    Desk {
        case: CaseId(1),
        specialist: person(1, Role::Specialist, "周示例", "主治医师"),
        reviewer: person(2, Role::Reviewer, "郑演示", "副主任医师"),
        rule: Rule {
            signatures,
            center: "示例县影像中心".into(),
            zone: jiff::tz::TimeZone::fixed(jiff::tz::offset(8)),
        },
    }
}

fn shown() -> wire::CaseRow {
    wire::CaseRow {
        case: 1,
        study: 1,
        study_uid: "1.2.3".into(),
        accession: "A1".into(),
        patient: wire::Patient {
            name: "王喆翀".into(),
            sex: Sex::Female,
            age: Some(wire::Age { count: 58, unit: wire::AgeUnit::Year }),
            pid: "P-1".into(),
            birth_date: "1968-03-02".into(),
        },
        exam: "胸部 CT 平扫".into(),
        modality: "CT".into(),
        body_part: "CHEST".into(),
        site: wire::Place { id: 1, name: "青禾镇中心卫生院".into() },
        device: "CT16".into(),
        exam_us: 1,
        series: 1,
        instances: 1,
        bytes: 1,
        quarantined: 0,
        late: 0,
        late_seen: 0,
        late_us: None,
        urgency: crate::domain::Urgency::Routine,
        question: "咳嗽两周".into(),
        state: crate::domain::CaseState::Drafted,
        steps: wire::Steps::default(),
        assignee: None,
        reviewer: None,
        due_us: None,
        position: None,
        report: None,
        version: 1,
    }
}

/// What the signer has on the screen.
fn seen() -> wire::Shown {
    let wire::CaseRow { question, instances, .. } = shown();
    wire::Shown { question, instances }
}

fn draft(rev: i64, impression: &str) -> wire::DraftSave {
    wire::DraftSave {
        lease: LEASE.into(),
        rev,
        template: "ct-chest".into(),
        findings: "双肺纹理清晰。".into(),
        impression: impression.into(),
    }
}

impl Desk {
    async fn save(&self, db: &Db, by: &Signatory, draft: &wire::DraftSave) -> Result<wire::DraftSaved> {
        let mut tx = db.write().await?;
        let saved = save_draft(&mut tx, Save { case: self.case, by, draft, now: NOW }).await?;
        tx.commit().await?;
        Ok(saved)
    }

    async fn sign(&self, db: &Db, by: &Signatory, lease: Option<&str>, rev: i64) -> Result<ReportId> {
        let mut tx = db.write().await?;
        let signing = Signing { shown: &shown(), seen: &seen(), by, lease, rev, rule: &self.rule, now: NOW };
        let report = sign(&mut tx, signing, &Digest, CODE).await?;
        tx.commit().await?;
        Ok(report)
    }

    async fn submit(&self, db: &Db, by: &Signatory, rev: i64) -> Result<ReportId> {
        let mut tx = db.write().await?;
        let (shown, seen) = (shown(), seen());
        let signing = Signing { shown: &shown, seen: &seen, by, lease: Some(LEASE), rev, rule: &self.rule, now: NOW };
        let report = submit(&mut tx, signing, &Digest).await?;
        tx.commit().await?;
        Ok(report)
    }

    async fn send_back(&self, db: &Db, by: &Signatory, rev: i64, note: &str) -> Result<()> {
        let mut tx = db.write().await?;
        let request = wire::ReturnRequest { rev, note: note.into() };
        send_back(&mut tx, self.case, by, &request, NOW).await?;
        tx.commit().await
    }

    async fn body(&self, db: &Db) -> wire::ReportBody {
        body(&mut db.read().await.unwrap(), self.case).await.unwrap().unwrap()
    }
}

/// A report that was signed just now.
pub(crate) async fn signed(db: &Db) -> ReportId {
    let desk = desk(db, 1).await;
    desk.save(db, &desk.specialist, &draft(0, "未见异常。")).await.unwrap();
    desk.sign(db, &desk.specialist, Some(LEASE), 1).await.unwrap()
}

fn refusal<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    match result {
        Err(Error::Refused(code) | Error::Stale(code)) => code,
        other => panic!("{other:?}"),
    }
}

async fn kinds(db: &Db) -> Vec<String> {
    events::chain_batch(db).await.unwrap();
    let mut tx = db.read().await.unwrap();
    events::of_case(&mut tx, CaseId(1)).await.unwrap().into_iter().map(|event| event.kind).collect()
}

async fn content(db: &Db, report: ReportId) -> (ReportContent, Sealed) {
    let sealed = sealed(&mut db.read().await.unwrap(), report).await.unwrap();
    (ReportContent::parse(&sealed.content).unwrap(), sealed)
}

#[tokio::test]
async fn one_signature_makes_a_report_final() {
    on_both_engines(async |db| {
        let desk = desk(&db, 1).await;
        assert_eq!(desk.save(&db, &desk.specialist, &draft(0, "")).await.unwrap().rev, 1);
        assert_eq!(desk.save(&db, &desk.specialist, &draft(1, "未见异常。")).await.unwrap().rev, 2);
        let report = desk.sign(&db, &desk.specialist, Some(LEASE), 2).await.unwrap();

        let body = desk.body(&db).await;
        assert_eq!(body.state, ReportState::Signed);
        // 2026-11-21 in UTC is the same day at +8.
        assert_eq!(body.number.as_deref(), Some("YY20261121-000001"));
        assert_eq!(body.signatures.len(), 1);
        let (content, sealed) = content(&db, report).await;
        assert_eq!(content.patient.name, "王喆翀");
        assert_eq!(body.content_sha256, Some(hex::encode(&sealed.content_sha256)));
        let seals = seals(&mut db.read().await.unwrap(), report).await.unwrap();
        verify(&content, &seals, &[&Digest]).unwrap();

        let mut tx = db.read().await.unwrap();
        assert_eq!(one::<String>(&mut tx, "SELECT state FROM case_").await, "signed");
        assert_eq!(one::<Option<String>>(&mut tx, "SELECT lease FROM case_").await, None);
        drop(tx);
        assert_eq!(kinds(&db).await, ["case.drafted", "case.signed"]);
    })
    .await;
}

#[tokio::test]
async fn two_signatures_are_two_people_and_a_return_starts_them_anew() {
    on_both_engines(async |db| {
        let desk = desk(&db, 2).await;
        desk.save(&db, &desk.specialist, &draft(0, "未见异常。")).await.unwrap();
        assert_eq!(refusal(desk.sign(&db, &desk.specialist, Some(LEASE), 1).await), "needs_review");
        desk.submit(&db, &desk.specialist, 1).await.unwrap();
        // The writer, promoted meanwhile, still does not review what they wrote.
        let promoted = Signatory { role: Role::Reviewer, ..desk.specialist.clone() };
        assert_eq!(refusal(desk.sign(&db, &promoted, None, 1).await), "own_report");
        assert_eq!(refusal(desk.send_back(&db, &promoted, 1, "x").await), "own_report");
        assert_eq!(refusal(desk.send_back(&db, &desk.reviewer, 1, " ").await), "note_missing");
        desk.send_back(&db, &desk.reviewer, 1, "请补充纵隔").await.unwrap();
        let body = desk.body(&db).await;
        assert_eq!((body.state, body.note.as_str(), body.signatures.len()), (ReportState::Returned, "请补充纵隔", 0));
        let sent_back = body.returned.unwrap();
        assert_eq!((sent_back.note.as_str(), sent_back.impression.as_str()), ("请补充纵隔", "未见异常。"));

        assert_eq!(refusal(desk.save(&db, &desk.specialist, &draft(1, "")).await), "lease");
        let mut tx = db.write().await.unwrap();
        let minute = std::time::Duration::from_secs(60);
        crate::index::cases::take_returned(&mut tx, desk.case, desk.specialist.account, LEASE, minute, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        desk.save(&db, &desk.specialist, &draft(1, "纵隔未见异常。")).await.unwrap();
        desk.submit(&db, &desk.specialist, 2).await.unwrap();
        let again = desk.body(&db).await;
        let before = again.returned.unwrap();
        assert_eq!(
            (again.note.as_str(), before.note.as_str()),
            ("", "请补充纵隔"),
            "the second review has the first before it"
        );
        assert_eq!((again.impression.as_str(), before.impression.as_str()), ("纵隔未见异常。", "未见异常。"));
        assert_eq!(refusal(desk.sign(&db, &desk.reviewer, None, 1).await), "rev");
        let counted = async |since| signatures_since(&mut db.read().await.unwrap(), since).await.unwrap();
        assert!(counted(NOW).await.is_empty(), "a submitted report is not final");
        let report = desk.sign(&db, &desk.reviewer, None, 2).await.unwrap();
        assert_eq!(counted(NOW).await, [(desk.specialist.account, 1), (desk.reviewer.account, 1)].into());
        assert!(counted(NOW + minute).await.is_empty(), "nothing since then");
        assert_eq!(desk.body(&db).await.returned, None, "nor what its reviewer had said to its writer");

        let (content, _) = content(&db, report).await;
        let roles: Vec<&str> = content.signatures.iter().map(|by| by.role.as_str()).collect();
        assert_eq!(roles, ["writer", "reviewer"]);
        let seals = seals(&mut db.read().await.unwrap(), report).await.unwrap();
        verify(&content, &seals, &[&Digest]).unwrap();
        let kinds = kinds(&db).await;
        assert_eq!(kinds.iter().filter(|kind| *kind == "case.submitted").count(), 2);
        assert_eq!(kinds[kinds.len() - 2..], ["case.reviewed", "case.signed"]);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_written_without_the_lease_or_over_a_newer_text() {
    on_both_engines(async |db| {
        let desk = desk(&db, 1).await;
        let stale = wire::DraftSave { lease: "lease-0".into(), ..draft(0, "") };
        assert_eq!(refusal(desk.save(&db, &desk.specialist, &stale).await), "lease");
        assert_eq!(refusal(desk.save(&db, &desk.reviewer, &draft(0, "")).await), "lease");
        assert_eq!(refusal(desk.save(&db, &desk.specialist, &draft(3, "")).await), "rev");
        desk.save(&db, &desk.specialist, &draft(0, "一")).await.unwrap();
        desk.save(&db, &desk.specialist, &draft(1, "二")).await.unwrap();
        // The answer to that save was lost: sent again, it is not a conflict with itself.
        assert_eq!(desk.save(&db, &desk.specialist, &draft(1, "二")).await.unwrap().rev, 2);
        assert_eq!(refusal(desk.save(&db, &desk.specialist, &draft(1, "三")).await), "rev");
        assert_eq!(refusal(desk.sign(&db, &desk.specialist, Some("lease-0"), 2).await), "lease");
        assert_eq!(refusal(desk.sign(&db, &desk.specialist, None, 2).await), "lease");
        assert_eq!(refusal(desk.sign(&db, &desk.specialist, Some(LEASE), 1).await), "rev");
        let mut tx = db.write().await.unwrap();
        run(&mut tx, "UPDATE case_ SET lease_until_us = 5").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(refusal(desk.save(&db, &desk.specialist, &draft(2, "四")).await), "lease");
        assert_eq!(refusal(desk.sign(&db, &desk.specialist, Some(LEASE), 2).await), "lease");
        assert_eq!(desk.body(&db).await.impression, "二");
    })
    .await;
}

#[tokio::test]
async fn blanks_and_an_empty_impression_are_not_signed() {
    on_both_engines(async |db| {
        let desk = desk(&db, 1).await;
        assert_eq!(refusal(desk.sign(&db, &desk.specialist, Some(LEASE), 0).await), "no_report");
        desk.save(&db, &desk.specialist, &draft(0, "大小‹填写›")).await.unwrap();
        assert_eq!(refusal(desk.sign(&db, &desk.specialist, Some(LEASE), 1).await), "blank_slots");
        desk.save(&db, &desk.specialist, &draft(1, " ")).await.unwrap();
        assert_eq!(refusal(desk.sign(&db, &desk.specialist, Some(LEASE), 2).await), "empty_impression");
        let nul = draft(2, "a\0b");
        assert_eq!(refusal(desk.save(&db, &desk.specialist, &nul).await), "bad_text");
    })
    .await;
}

#[tokio::test]
async fn a_signed_report_cannot_be_changed_by_anyone() {
    on_both_engines(async |db| {
        let desk = desk(&db, 1).await;
        desk.save(&db, &desk.specialist, &draft(0, "未见异常。")).await.unwrap();
        let report = desk.sign(&db, &desk.specialist, Some(LEASE), 1).await.unwrap();
        assert_eq!(refusal(desk.sign(&db, &desk.specialist, Some(LEASE), 1).await), "report_signed");
        assert_eq!(refusal(desk.sign(&db, &desk.reviewer, None, 1).await), "report_signed");
        assert_eq!(refusal(desk.send_back(&db, &desk.reviewer, 1, "x").await), "report_signed");
        for sql in [
            "UPDATE report SET impression = '别的'",
            "UPDATE report SET content = NULL",
            "UPDATE report SET state = 'draft'",
            "DELETE FROM report",
            "DELETE FROM report_signature",
            "UPDATE report_signature SET name = '别人'",
            "INSERT INTO report_signature SELECT report_id, 'reviewer', account_id, name, title, at_us, content_sha256,
                    signature FROM report_signature",
            "UPDATE case_ SET state = 'queued'",
        ] {
            let mut tx = db.write().await.unwrap();
            let refused = run(&mut tx, sql).await.unwrap_err().to_string();
            assert!(refused.contains("final"), "{sql}: {refused}");
        }

        let mut tx = db.write().await.unwrap();
        assert_eq!(without_pdf(&mut tx, 10).await.unwrap(), [report]);
        assert!(attach_pdf(&mut tx, report, "documents/aa/1.pdf", &[7; 32], NOW).await.unwrap());
        assert!(!attach_pdf(&mut tx, report, "documents/aa/2.pdf", &[8; 32], NOW).await.unwrap());
        assert!(run(&mut tx, "UPDATE report SET pdf_key = 'x'").await.is_err());
        drop(tx);
    })
    .await;
}

#[tokio::test]
async fn the_pdf_is_published_once_and_within_the_site() {
    on_both_engines(async |db| {
        let desk = desk(&db, 1).await;
        desk.save(&db, &desk.specialist, &draft(0, "未见异常。")).await.unwrap();
        let report = desk.sign(&db, &desk.specialist, Some(LEASE), 1).await.unwrap();
        let mut tx = db.write().await.unwrap();
        assert!(attach_pdf(&mut tx, report, "documents/aa/1.pdf", &[7; 32], NOW).await.unwrap());
        tx.commit().await.unwrap();
        let mut tx = db.read().await.unwrap();
        let printed_here = printed(&mut tx, report, Scope::Site(SiteId(1))).await.unwrap();
        assert_eq!((printed_here.pdf_key.as_deref(), printed_here.study_id), (Some("documents/aa/1.pdf"), StudyId(1)));
        assert!(matches!(printed(&mut tx, report, Scope::Site(SiteId(2))).await, Err(Error::NotFound)));
        let found = by_number(&mut tx, "YY20261121-000001").await.unwrap().unwrap();
        assert_eq!((found.id, found.verify_code.as_str()), (report, CODE));
        assert_eq!(by_pdf(&mut tx, &[7; 32]).await.unwrap().unwrap().id, report);
        assert!(by_pdf(&mut tx, &[8; 32]).await.unwrap().is_none());
        assert_eq!(one::<Option<i64>>(&mut tx, "SELECT delivered_us FROM case_").await, Some(NOW.0));
        drop(tx);
        assert_eq!(kinds(&db).await.last().map(String::as_str), Some("case.delivered"));
    })
    .await;
}

/// Two reviewers press sign at the same moment; one signature is given.
#[tokio::test]
async fn a_race_of_reviewers_has_one_winner() {
    on_both_engines(async |db| {
        let desk = desk(&db, 2).await;
        desk.save(&db, &desk.specialist, &draft(0, "未见异常。")).await.unwrap();
        desk.submit(&db, &desk.specialist, 1).await.unwrap();
        let (first, second) =
            tokio::join!(desk.sign(&db, &desk.reviewer, None, 1), desk.sign(&db, &desk.reviewer, None, 1));
        assert_eq!([first.is_ok(), second.is_ok()].iter().filter(|won| **won).count(), 1);
        assert_eq!(desk.body(&db).await.signatures.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_lapses_while_its_holder_signs_changes_nothing() {
    on_both_engines(async |db| {
        let desk = desk(&db, 1).await;
        desk.save(&db, &desk.specialist, &draft(0, "未见异常。")).await.unwrap();
        let mut signs = db.write().await.unwrap();
        let (shown, seen, by) = (shown(), seen(), &desk.specialist);
        let signing =
            Signing { shown: &shown, seen: &seen, by, lease: Some(LEASE), rev: 1, rule: &desk.rule, now: NOW };
        sign(&mut signs, signing, &Digest, CODE).await.unwrap();
        let long_after = Micros(9_000_000_000_000_001);
        let lapsed = overtaken(&db, signs, async |tx| crate::index::cases::lapse(tx, long_after).await).await.unwrap();
        assert_eq!(lapsed, 0);
        assert_eq!(desk.body(&db).await.state, ReportState::Signed);
        assert_eq!(kinds(&db).await, ["case.drafted", "case.signed"]);
    })
    .await;
}
