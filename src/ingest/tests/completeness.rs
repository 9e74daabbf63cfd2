//! A study is complete by what its device told of it.

use super::*;
use crate::domain::{AccountId, Role};
use crate::index::cases;
use crate::index::evidence::{self, Evidence};
use crate::index::testing::seed_account;

/// Number of Study Related Instances.
const STUDY_COUNT: u16 = 0x1208;
/// Images in Acquisition.
const ACQUISITION_COUNT: u16 = 0x1002;

impl Intake {
    async fn told(&self, evidence: Evidence) {
        let mut tx = self.db.write().await.unwrap();
        evidence::note(&mut tx, self.site, "1.2.3", &evidence, clock::now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn counted(&self, number: u32, counts: &[(u16, &str)]) {
        self.receive(&Slice { number, counts, ..Slice::default() }.object()).await;
    }

    /// How many are complete `seconds` after now, and the last one's evidence.
    async fn complete_after(&self, seconds: i64) -> Option<serde_json::Value> {
        let (_, indexed) = self.index().await;
        let completeness = self.completeness(indexed, Activity::default());
        let done = completeness.pass(Micros(clock::now().0 + seconds * 1_000_000)).await.unwrap();
        if done == 0 {
            return None;
        }
        let detail = self.word("SELECT detail FROM event WHERE kind = 'study.complete' ORDER BY id DESC LIMIT 1").await;
        Some(serde_json::from_str(&detail).unwrap())
    }
}

#[tokio::test]
async fn a_study_whose_device_says_how_many_it_has_is_complete_with_the_last_of_them() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        for number in 1..=2 {
            intake.counted(number, &[(STUDY_COUNT, "3")]).await;
        }
        assert_eq!(intake.complete_after(60).await, None, "one is known to be missing");
        intake.counted(3, &[(STUDY_COUNT, "3")]).await;
        let detail = intake.complete_after(3).await.unwrap();
        assert_eq!((&detail["evidence"], &detail["instances"]), (&"study_count".into(), &3.into()));
    })
    .await;
}

#[tokio::test]
async fn an_image_promised_and_never_sent_is_said_and_does_not_keep_the_study_from_being_read() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        intake.counted(1, &[(STUDY_COUNT, "3")]).await;
        assert_eq!(intake.complete_after(120).await, None);
        let detail = intake.complete_after(140).await.unwrap();
        assert_eq!((&detail["evidence"], &detail["missing"]), (&"quiet".into(), &2.into()));
    })
    .await;
}

#[tokio::test]
async fn a_full_acquisition_shortens_the_wait_as_a_release_does() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        for number in 1..=2 {
            intake.counted(number, &[(ACQUISITION_COUNT, "2")]).await;
        }
        assert_eq!(intake.complete_after(2).await, None);
        assert_eq!(intake.complete_after(4).await.unwrap()["evidence"], "acquisition_count");
    })
    .await;
}

#[tokio::test]
async fn a_step_told_before_its_first_image_holds_its_study_until_it_is_completed() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        let step = || "2.25.5".to_owned();
        intake.told(Evidence::StepBegun { step: step() }).await;
        intake.receive(&slice(1)).await;
        assert_eq!(intake.complete_after(600).await, None);
        intake.told(Evidence::StepCompleted { step: step(), instances: 2 }).await;
        assert_eq!(intake.complete_after(60).await, None);
        intake.receive(&slice(2)).await;
        assert_eq!(intake.complete_after(3).await.unwrap()["evidence"], "step_completed");
    })
    .await;
}

#[tokio::test]
async fn an_image_after_the_study_is_complete_is_said_on_its_row_and_after_signing_it_alarms_the_signer_and_the_site() {
    on_both_engines(async |db| {
        let intake = Intake::new(db.clone()).await;
        intake.receive(&slice(1)).await;
        assert!(intake.complete_after(3_600).await.is_some());
        intake.receive(&slice(2)).await;
        intake.index().await;
        assert_eq!(intake.count("SELECT late FROM case_").await, 1);
        assert_eq!(intake.count("SELECT COUNT(*) FROM event WHERE kind = 'case.outdated'").await, 0);

        let writer = seed_account(&db, "zhou", Role::Specialist, None).await;
        let mut tx = db.write().await.unwrap();
        on!(&mut tx, c => sqlx::query("UPDATE case_ SET state = 'signed', assignee_id = $1, late = 0, late_us = NULL")
            .bind(writer).execute(c).await.map(drop))
        .unwrap();
        tx.commit().await.unwrap();
        for number in 3..=4 {
            intake.receive(&slice(number)).await;
            intake.index().await;
        }
        let alarms = "SELECT COUNT(*) FROM event WHERE kind = 'case.outdated'";
        assert_eq!(intake.count(alarms).await, 2);
        let subject = "SELECT subject_id FROM event WHERE kind = 'case.outdated' AND site_id IS NOT NULL LIMIT 1";
        assert_eq!(intake.count(subject).await, writer.0);
        let mut tx = db.read().await.unwrap();
        let rows = cases::outdated(&mut tx, writer, Micros(1), 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.late).collect::<Vec<_>>(), [2]);
        assert!(cases::outdated(&mut tx, AccountId(writer.0 + 1), Micros(1), 10).await.unwrap().is_empty());
        let day_start = clock::now() - std::time::Duration::from_secs(60);
        let listing = cases::Listing {
            scope: Scope::Site(intake.site),
            tab: cases::Tab::Today,
            day_start,
            search: "",
            before: None,
            limit: 10,
        };
        assert_eq!(cases::list(&mut tx, &listing).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn images_after_signing_make_a_read_report_unread_until_a_doctor_who_saw_all_of_them_says_the_diagnosis_stands() {
    on_both_engines(async |db| {
        let intake = Intake::new(db.clone()).await;
        intake.receive(&slice(1)).await;
        assert!(intake.complete_after(3_600).await.is_some());
        let writer = seed_account(&db, "zhou", Role::Specialist, None).await;
        let mut tx = db.write().await.unwrap();
        on!(&mut tx, c => sqlx::query("UPDATE case_ SET state = 'signed', assignee_id = $1, signed_us = 5, read_us = 6")
            .bind(writer).execute(c).await.map(drop))
        .unwrap();
        let case = crate::domain::CaseId(1);
        cases::knows_all_images(&mut tx, case).await.unwrap();
        tx.commit().await.unwrap();
        let unread = async || cases::unread(&mut db.read().await.unwrap(), Scope::All, 10).await.unwrap();
        let row = async || cases::row(&mut db.read().await.unwrap(), case, Scope::All).await.unwrap();
        let late = async || {
            let study = row().await.study_id;
            cases::late_images(&mut db.read().await.unwrap(), study).await.unwrap().len()
        };
        assert_eq!((unread().await, late().await), (0, 0));

        for number in 2..=3 {
            intake.receive(&slice(number)).await;
        }
        intake.index().await;
        let came = row().await;
        assert_eq!((unread().await, late().await, came.late, came.read_us), (1, 2, 2, None));

        let answer = async |row: &cases::Row, instances| {
            let mut tx = db.write().await.unwrap();
            let answered = cases::answer_late(&mut tx, row, instances, writer, Micros(9)).await;
            tx.commit().await.unwrap();
            answered
        };
        let unseen = answer(&came, 2).await;
        assert!(matches!(unseen, Err(crate::index::Error::Stale(_))), "one of them was not on the screen: {unseen:?}");
        intake.receive(&slice(4)).await;
        intake.index().await;
        assert!(answer(&came, 3).await.is_err(), "another has come since");
        assert!(answer(&row().await, 4).await.is_ok());
        let answered = row().await;
        assert_eq!((answered.late, answered.late_seen, late().await), (0, 3, 0));
        assert!(cases::outdated(&mut db.read().await.unwrap(), writer, Micros(1), 10).await.unwrap().is_empty());
        assert_eq!(unread().await, 1, "the site has not seen that yet");
        assert!(answer(&answered, 4).await.is_ok(), "said twice");
        assert_eq!(intake.count("SELECT COUNT(*) FROM event WHERE kind = 'case.late_answered'").await, 1);

        intake.receive(&slice(5)).await;
        intake.index().await;
        assert_eq!((row().await.late, late().await), (1, 1), "the next is a new alarm");
    })
    .await;
}
