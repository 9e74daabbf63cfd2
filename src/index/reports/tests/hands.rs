//! Whose hands a report goes through: somebody leaves, a manager takes it back, a draft goes on in other hands.

use std::time::Duration;

use super::*;
use crate::domain::CaseState;
use crate::index::{cases, community, duty};

const MINUTE: Duration = Duration::from_secs(60);

async fn remove(db: &Db, login: &str) {
    let mut tx = db.write().await.unwrap();
    community::remove_account(&mut tx, login, NOW).await.unwrap();
    tx.commit().await.unwrap();
}

async fn sql(db: &Db, sql: &'static str) {
    let mut tx = db.write().await.unwrap();
    run(&mut tx, sql).await.unwrap();
    tx.commit().await.unwrap();
}

async fn row(db: &Db) -> cases::Row {
    cases::row(&mut db.read().await.unwrap(), CaseId(1), Scope::All).await.unwrap()
}

async fn where_it_is(db: &Db) -> (CaseState, Option<AccountId>, Option<String>) {
    let row = row(db).await;
    (row.state, row.assignee_id, row.lease)
}

const WAITS: (CaseState, Option<AccountId>, Option<String>) = (CaseState::Queued, None, None);

/// The queue gives the case to `to` under [`LEASE`], who opens it.
async fn given(db: &Db, to: &Signatory) {
    let mut tx = db.write().await.unwrap();
    let decision = crate::routing::Decision {
        case: CaseId(1),
        outcome: crate::routing::Outcome::Given(to.account),
        reason: crate::routing::Reason::MostUrgentOldest,
        passed_over: Vec::new(),
    };
    assert!(duty::apply(&mut tx, &decision, "", LEASE, MINUTE, NOW).await.unwrap());
    cases::open(&mut tx, CaseId(1), to.account, LEASE, NOW).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_somebody_who_leaves_has_in_hand_waits_for_others_with_its_text() {
    on_both_engines(async |db| {
        let desk = desk(&db, 2).await;
        desk.save(&db, &desk.specialist, &draft(0, "未见异常。")).await.unwrap();
        desk.submit(&db, &desk.specialist, 1).await.unwrap();
        desk.send_back(&db, &desk.reviewer, 1, "请补充纵隔").await.unwrap();
        remove(&db, "zhou").await;
        assert_eq!(where_it_is(&db).await, WAITS);
        given(&db, &desk.reviewer).await;
        let body = desk.body(&db).await;
        assert_eq!((body.impression.as_str(), body.note.as_str()), ("未见异常。", "请补充纵隔"));
        desk.save(&db, &desk.reviewer, &draft(1, "纵隔未见异常。")).await.unwrap();
        desk.sign(&db, &desk.reviewer, Some(LEASE), 2).await.unwrap();
        assert!(kinds(&db).await.contains(&"case.taken_back".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn what_is_sent_back_to_somebody_who_has_left_waits_for_others() {
    on_both_engines(async |db| {
        let desk = desk(&db, 2).await;
        desk.save(&db, &desk.specialist, &draft(0, "未见异常。")).await.unwrap();
        desk.submit(&db, &desk.specialist, 1).await.unwrap();
        remove(&db, "zhou").await;
        assert_eq!(row(&db).await.state, CaseState::Submitted, "a reviewer may still sign it");
        desk.send_back(&db, &desk.reviewer, 1, "请补充纵隔").await.unwrap();
        assert_eq!(where_it_is(&db).await, WAITS);
        given(&db, &desk.reviewer).await;
    })
    .await;
}

async fn take_back(db: &Db, scope: Scope, version: i64) -> Result<()> {
    let mut tx = db.write().await?;
    cases::take_back(&mut tx, CaseId(1), scope, version, AccountId(2), NOW).await?;
    tx.commit().await
}

#[tokio::test]
async fn a_manager_takes_a_case_out_of_anybodys_hands() {
    on_both_engines(async |db| {
        let desk = desk(&db, 2).await;
        let version = row(&db).await.version;
        assert_eq!(refusal(take_back(&db, Scope::All, version + 1).await), "the case has changed since it was shown");
        let elsewhere = take_back(&db, Scope::Site(SiteId(77)), version).await;
        assert!(matches!(elsewhere, Err(Error::NotFound)), "{elsewhere:?}");

        for state in [CaseState::Drafted, CaseState::Submitted, CaseState::Returned] {
            let rev = body(&mut db.read().await.unwrap(), desk.case).await.unwrap().map_or(0, |body| body.rev);
            let text = draft(rev, &format!("{state}。"));
            desk.save(&db, &desk.specialist, &text).await.unwrap();
            if state != CaseState::Drafted {
                desk.submit(&db, &desk.specialist, rev + 1).await.unwrap();
            }
            if state == CaseState::Returned {
                desk.send_back(&db, &desk.reviewer, rev + 1, "请补充纵隔").await.unwrap();
            }
            assert_eq!(row(&db).await.state, state);
            take_back(&db, Scope::All, row(&db).await.version).await.unwrap();
            assert_eq!(where_it_is(&db).await, WAITS);
            let body = desk.body(&db).await;
            assert_eq!((body.impression, body.signatures.len()), (format!("{state}。"), 0));
            assert_eq!(refusal(desk.save(&db, &desk.specialist, &draft(rev + 1, "")).await), "lease");
            assert_eq!(refusal(desk.sign(&db, &desk.reviewer, None, rev + 1).await), "lease");
            assert!(matches!(take_back(&db, Scope::All, row(&db).await.version).await, Err(Error::Refused(_))));
            given(&db, &desk.specialist).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_case_that_is_in_nobodys_hands_is_not_taken_back() {
    on_both_engines(async |db| {
        desk(&db, 1).await;
        for free in [
            "UPDATE case_ SET state = 'stored', assignee_id = NULL, lease = NULL",
            "UPDATE case_ SET state = 'arriving'",
            "UPDATE case_ SET state = 'queued'",
            "UPDATE case_ SET state = 'signed'",
        ] {
            sql(&db, free).await;
            let taken = take_back(&db, Scope::All, row(&db).await.version).await;
            assert!(matches!(taken, Err(Error::Refused(_))), "{free}: {taken:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_reviews_a_text_they_wrote_any_part_of() {
    on_both_engines(async |db| {
        let desk = desk(&db, 2).await;
        let other = Signatory { account: AccountId(3), ..desk.reviewer.clone() };
        let added = "INSERT INTO account (login, name, title, role, modalities, password_hash, created_us)
                     VALUES ('feng', '冯样例', '主任医师', 'reviewer', '*', '', 1)";
        sql(&db, added).await;
        // The reviewer begins; the lease lapses; a specialist goes on and submits.
        sql(&db, "UPDATE case_ SET assignee_id = 2").await;
        desk.save(&db, &desk.reviewer, &draft(0, "右肺结节。")).await.unwrap();
        let mut tx = db.write().await.unwrap();
        assert_eq!(cases::lapse(&mut tx, Micros(9_000_000_000_000_001)).await.unwrap(), 1);
        tx.commit().await.unwrap();
        given(&db, &desk.specialist).await;
        desk.save(&db, &desk.specialist, &draft(1, "右肺结节，建议随访。")).await.unwrap();
        desk.submit(&db, &desk.specialist, 2).await.unwrap();

        assert_eq!(refusal(desk.sign(&db, &desk.reviewer, None, 2).await), "own_report");
        assert_eq!(refusal(desk.send_back(&db, &desk.reviewer, 2, "x").await), "own_report");
        let mut tx = db.read().await.unwrap();
        assert!(cases::to_review(&mut tx, desk.reviewer.account, 10).await.unwrap().is_empty());
        assert_eq!(cases::to_review(&mut tx, other.account, 10).await.unwrap().len(), 1);
        let writers = cases::writers_of_submitted(&mut tx, Scope::All).await.unwrap();
        let writers: Vec<_> = writers.into_iter().map(|(_, writer)| writer).collect();
        assert_eq!(writers, [desk.specialist.account, desk.reviewer.account], "the board asks neither to review it");
        drop(tx);
        desk.sign(&db, &other, None, 2).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_draft_saved_again_without_a_change_makes_nobody_its_author() {
    on_both_engines(async |db| {
        let desk = desk(&db, 2).await;
        desk.save(&db, &desk.specialist, &draft(0, "未见异常。")).await.unwrap();
        sql(&db, "UPDATE case_ SET assignee_id = 2").await;
        desk.save(&db, &desk.reviewer, &draft(1, "未见异常。")).await.unwrap();
        let mut tx = db.read().await.unwrap();
        assert_eq!(one::<i64>(&mut tx, "SELECT MAX(account_id) FROM report_author").await, 1);
    })
    .await;
}

/// Signs as the specialist, with a case that was read as [`shown`], and this on the screen.
async fn sign_seeing(db: &Db, desk: &Desk, question: &str, instances: u32) -> Result<ReportId> {
    let mut tx = db.write().await?;
    let seen = wire::Shown { question: question.into(), instances };
    let (shown, by) = (shown(), &desk.specialist);
    let signing = Signing { shown: &shown, seen: &seen, by, lease: Some(LEASE), rev: 1, rule: &desk.rule, now: NOW };
    let report = sign(&mut tx, signing, &Digest, CODE).await?;
    tx.commit().await?;
    Ok(report)
}

#[tokio::test]
async fn nobody_signs_for_a_question_or_images_they_did_not_see() {
    on_both_engines(async |db| {
        let desk = desk(&db, 1).await;
        desk.save(&db, &desk.specialist, &draft(0, "未见异常。")).await.unwrap();
        assert_eq!(refusal(sign_seeing(&db, &desk, "发热三天", 1).await), "case");
        assert_eq!(refusal(sign_seeing(&db, &desk, "咳嗽两周", 2).await), "case");
        // The operator was faster than this transaction: what it has read is no longer what the row says.
        sql(&db, "UPDATE case_ SET question = '发热三天'").await;
        assert_eq!(refusal(sign_seeing(&db, &desk, "咳嗽两周", 1).await), "case");
        sql(&db, "UPDATE case_ SET question = '咳嗽两周'").await;
        // The same of an image.
        sql(&db, "UPDATE study SET instances = 2").await;
        assert_eq!(refusal(sign_seeing(&db, &desk, "咳嗽两周", 1).await), "case");
        sql(&db, "UPDATE study SET instances = 1").await;
        sql(&db, "UPDATE case_ SET late = 2, late_us = 5").await;
        sign_seeing(&db, &desk, "咳嗽两周", 1).await.unwrap();
        let mut tx = db.read().await.unwrap();
        assert_eq!(one::<i64>(&mut tx, "SELECT late FROM case_").await, 0, "the signer saw them");
    })
    .await;
}

#[tokio::test]
async fn images_that_came_after_the_writer_signed_go_back_to_the_writer() {
    on_both_engines(async |db| {
        let desk = desk(&db, 2).await;
        desk.save(&db, &desk.specialist, &draft(0, "未见异常。")).await.unwrap();
        desk.submit(&db, &desk.specialist, 1).await.unwrap();
        sql(&db, "UPDATE study SET instances = 2").await;
        let mut tx = db.write().await.unwrap();
        let shown = wire::CaseRow { instances: 2, ..shown() };
        let seen = wire::Shown { question: shown.question.clone(), instances: 2 };
        let by = &desk.reviewer;
        let signing = Signing { shown: &shown, seen: &seen, by, lease: None, rev: 1, rule: &desk.rule, now: NOW };
        assert_eq!(refusal(sign(&mut tx, signing, &Digest, CODE).await), "changed_since_submitted");
        drop(tx);
        sql(&db, "UPDATE study SET instances = 1").await;
        desk.sign(&db, &desk.reviewer, None, 1).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_question_changed_after_the_writer_signed_goes_back_to_the_writer() {
    on_both_engines(async |db| {
        let desk = desk(&db, 2).await;
        desk.save(&db, &desk.specialist, &draft(0, "未见异常。")).await.unwrap();
        desk.submit(&db, &desk.specialist, 1).await.unwrap();
        sql(&db, "UPDATE case_ SET question = '发热三天'").await;
        let mut tx = db.write().await.unwrap();
        let shown = wire::CaseRow { question: "发热三天".into(), ..shown() };
        let seen = wire::Shown { question: "发热三天".into(), instances: 1 };
        let by = &desk.reviewer;
        let signing = Signing { shown: &shown, seen: &seen, by, lease: None, rev: 1, rule: &desk.rule, now: NOW };
        assert_eq!(refusal(sign(&mut tx, signing, &Digest, CODE).await), "changed_since_submitted");
        drop(tx);
        desk.send_back(&db, &desk.reviewer, 1, "临床问题已变").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_draft_says_who_wrote_in_it_the_latest_last() {
    on_both_engines(async |db| {
        let desk = desk(&db, 1).await;
        sql(&db, "UPDATE case_ SET assignee_id = 2").await;
        desk.save(&db, &desk.reviewer, &draft(0, "右肺结节。")).await.unwrap();
        sql(&db, "UPDATE case_ SET assignee_id = 1").await;
        let (later, draft) = (NOW + MINUTE, draft(1, "右肺结节，建议随访。"));
        let mut tx = db.write().await.unwrap();
        save_draft(&mut tx, Save { case: desk.case, by: &desk.specialist, draft: &draft, now: later }).await.unwrap();
        tx.commit().await.unwrap();
        let writers = desk.body(&db).await.writers;
        let hands: Vec<_> = writers.iter().map(|hand| (hand.who.name.as_str(), hand.at_us)).collect();
        assert_eq!(hands, [("郑演示", Some(NOW.0)), ("周示例", Some(later.0))]);
    })
    .await;
}
