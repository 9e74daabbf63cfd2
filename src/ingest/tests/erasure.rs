//! An erased study is gone from rows, packs and store, its neighbours are as they were, and it does not come back.

use std::time::Duration;

use super::*;
use crate::archive::Kind;
use crate::domain::{AccountId, ErasureId, Keep, Retention, Role};
use crate::index::corrections::{self, Demographics, Wish};
use crate::index::testing::seed_account;
use crate::index::{Error, erasure};
use crate::ingest::check::check;
use crate::ingest::erasure::{EraseError, Eraser};
use crate::ingest::rebuild::rebuild;

const GONE: &str = "1.2.3";
const STAYS: &str = "1.2.9";

fn of(study: &str, number: u32, first: u8) -> Object {
    Slice { study, number, pixels: [first; 8], ..Slice::default() }.object()
}

impl Intake {
    /// Two studies of two images, each with a third object in quarantine that says it is one of the first two.
    async fn with_two_studies(db: Db) -> Self {
        let intake = Intake::new(db).await;
        for study in [GONE, STAYS] {
            for (number, first) in [(1, 1), (2, 2), (1, 9)] {
                intake.receive(&of(study, number, first)).await;
            }
        }
        assert_eq!(intake.index().await.0, tally(4, 0, 2));
        intake
    }

    async fn seal_all(&self) {
        let (_, indexed) = self.index().await;
        self.sealer(indexed).pass(later()).await.unwrap();
    }

    fn eraser(&self, retention: Retention) -> Eraser {
        Eraser { db: self.db.clone(), archive: self.archive.clone(), retention }
    }

    async fn admin(&self) -> AccountId {
        seed_account(&self.db, "lin", Role::Admin, None).await
    }

    async fn request(&self, by: AccountId) -> Result<ErasureId, Error> {
        let mut tx = self.db.write().await.unwrap();
        let retention = Retention::default();
        let id = erasure::request(&mut tx, GONE, "登记错误", by, &retention, clock::now()).await?;
        tx.commit().await.unwrap();
        Ok(id)
    }

    async fn erase(&self, by: AccountId) {
        let id = self.request(by).await.unwrap();
        self.eraser(Retention::default()).confirm(id, by, "lin", clock::now()).await.unwrap();
    }

    async fn agrees(&self) {
        let checked = crate::ingest::check::Checked {
            db: self.db.clone(),
            archive: self.archive.clone(),
            node: NODE.into(),
            spool_dir: self.spool_dir.path().to_owned(),
            deep: true,
        };
        let findings = check(&checked).await.unwrap();
        // Reports that a test made up have no sealed content.
        let wrong: Vec<_> = findings.wrong.iter().filter(|wrong| !wrong.ends_with("has no sealed content")).collect();
        assert_eq!(wrong, Vec::<&String>::new());
        let orphans: Vec<_> = findings.notes.iter().filter(|note| note.contains("named by no row")).collect();
        assert_eq!(orphans, Vec::<&String>::new());
    }

    async fn packs(&self) -> usize {
        self.archive.list(Kind::Pack).try_collect::<Vec<_>>().await.unwrap().len()
    }

    async fn run_sql(&self, sql: &'static str) {
        let mut tx = self.db.write().await.unwrap();
        on!(&mut tx, c => sqlx::query(sql).execute(c).await.map(drop)).unwrap();
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_sealed_study_goes_with_its_packs_and_what_shared_one_with_it_stays_readable() {
    on_both_engines(async |db| {
        let intake = Intake::with_two_studies(db).await;
        intake.seal_all().await;
        assert_eq!(intake.packs().await, 3);
        let other = intake.count("SELECT MAX(id) FROM instance").await;
        let (file, kept) = (intake.read(other).await, "SELECT COUNT(*) FROM quarantine");
        let by = intake.admin().await;
        intake.erase(by).await;

        assert_eq!(intake.packs().await, 2);
        assert_eq!(intake.count("SELECT COUNT(*) FROM instance").await, 2);
        assert_eq!(intake.count(kept).await, 1);
        assert_eq!(intake.count("SELECT COUNT(*) FROM study").await, 1);
        assert_eq!(intake.count("SELECT COUNT(*) FROM case_").await, 1);
        assert_eq!(intake.read(other).await, file);
        let mut tx = intake.db.read().await.unwrap();
        let aside = crate::index::archive::quarantine_after(&mut tx, crate::domain::QuarantineId(0), 10).await.unwrap();
        drop(tx);
        let stream = intake.bytes().open(&aside[0].place, None).await.unwrap();
        assert!(!stream.try_collect::<Vec<_>>().await.unwrap().concat().is_empty());
        intake.agrees().await;

        let events = intake.events().await;
        assert_eq!(events[events.len() - 2..], ["study.erasure_requested", "study.erased"]);
        let account = "SELECT account_id FROM event WHERE kind = 'study.erased'";
        assert_eq!(intake.count(account).await, by.0);
    })
    .await;
}

#[tokio::test]
async fn what_people_decided_about_a_study_goes_with_it() {
    on_both_engines(async |db| {
        let intake = Intake::with_two_studies(db).await;
        let by = intake.manager().await;
        intake.decide(1, wire::QuarantineAct::Choose, by).await.unwrap();
        let demographics = Demographics {
            name: "王明".into(),
            pid: "P-8".into(),
            birth_date: "19700101".into(),
            sex: crate::domain::Sex::Male,
        };
        let case = "SELECT c.id FROM case_ c JOIN study s ON s.id = c.study_id WHERE s.uid = '1.2.3'";
        let case = crate::domain::CaseId(intake.count(case).await);
        let mut tx = intake.db.write().await.unwrap();
        let version = crate::index::cases::row(&mut tx, case, Scope::All).await.unwrap().version;
        let now = clock::now();
        let wish = Wish { case, version, patient: Some(&demographics), by, note: "登记错人", now };
        corrections::correct(&mut tx, Scope::All, wish).await.unwrap();
        tx.commit().await.unwrap();
        intake.seal_all().await;
        assert_eq!(intake.count("SELECT COUNT(*) FROM patient").await, 2);
        assert_eq!(intake.count("SELECT COUNT(*) FROM quarantine_act").await, 1);

        intake.erase(intake.admin().await).await;
        for (counted, count) in [
            ("SELECT COUNT(*) FROM patient WHERE name = '王明'", 0),
            ("SELECT COUNT(*) FROM patient", 1),
            ("SELECT COUNT(*) FROM study_correction", 0),
            ("SELECT COUNT(*) FROM quarantine_act", 0),
            ("SELECT COUNT(*) FROM quarantine", 1),
            ("SELECT COUNT(*) FROM instance", 2),
        ] {
            assert_eq!(intake.count(counted).await, count, "{counted}");
        }
        intake.agrees().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_sent_again_of_an_erased_study_is_kept_aside() {
    on_both_engines(async |db| {
        let intake = Intake::with_two_studies(db).await;
        let by = intake.admin().await;
        intake.erase(by).await;
        intake.agrees().await;
        intake.receive(&of(GONE, 1, 1)).await;
        intake.receive(&of(GONE, 7, 7)).await;
        assert_eq!(intake.index().await.0, tally(0, 0, 2));
        assert_eq!(intake.count("SELECT COUNT(*) FROM quarantine WHERE reason = 'erased'").await, 2);
        assert_eq!(intake.count("SELECT COUNT(*) FROM study").await, 1);
        // The spool held the erased study until now.
        intake.seal_all().await;
        assert!(intake.spool.segments().is_empty());
        intake.agrees().await;
    })
    .await;
}

#[tokio::test]
async fn a_backup_lets_go_of_what_was_erased_and_keeps_its_tombstone() {
    on_both_engines(async |db| {
        let intake = Intake::with_two_studies(db).await;
        intake.seal_all().await;
        let folder = tempfile::tempdir().unwrap();
        let before = intake.back_up(folder.path()).await.unwrap();
        intake.erase(intake.admin().await).await;
        let after = intake.back_up(folder.path()).await.unwrap();
        assert_eq!((before.objects, after.objects, after.missing.len()), (3, 3, 0));
        let objects = Archive::open(&format!("file:{}/objects", folder.path().display())).unwrap();
        assert_eq!(objects.list(Kind::Pack).try_collect::<Vec<_>>().await.unwrap().len(), 2);

        // An index made anew from what was restored knows of the erasure, too.
        let (store, data) = (Store::local(), tempfile::tempdir().unwrap());
        let fresh = Db::open(&format!("sqlite:{}", data.path().join("index.db").display())).await.unwrap();
        let to = super::backup::destination(&fresh, &store.archive, data.path());
        crate::backup::put_back(folder.path(), &to, |_| ()).await.unwrap();
        let empty = Db::open(&format!("sqlite:{}", data.path().join("anew.db").display())).await.unwrap();
        let anew = Intake::over(empty, store).await;
        let options = IndexerOptions { node: NODE.into(), zone_minutes: 480 };
        let rebuilt = rebuild(&anew.db, &anew.archive, &anew.spool, options, Duration::ZERO, |_| ()).await.unwrap();
        assert_eq!((rebuilt.tombstones, rebuilt.from_packs.stored), (1, 2));
    })
    .await;
}

#[tokio::test]
async fn an_index_made_anew_knows_what_was_erased() {
    on_both_engines(async |db| {
        let lost = tempfile::tempdir().unwrap();
        let old = Db::open(&format!("sqlite:{}", lost.path().join("index.db").display())).await.unwrap();
        let mut intake = Intake::over(old, store_of(&db)).await;
        for study in [GONE, STAYS] {
            intake.receive(&of(study, 1, 1)).await;
        }
        intake.index().await;
        let by = intake.admin().await;
        intake.erase(by).await;
        intake.db = db;
        let options = IndexerOptions { node: NODE.into(), zone_minutes: 480 };
        // The spool still has both.
        let rebuilt =
            rebuild(&intake.db, &intake.archive, &intake.spool, options, Duration::ZERO, |_| {}).await.unwrap();
        assert_eq!(rebuilt.from_spool, tally(1, 0, 1));
        assert_eq!(intake.word("SELECT uid FROM study").await, STAYS);
        assert_eq!(intake.word("SELECT reason FROM quarantine").await, "erased");
        intake.agrees().await;
    })
    .await;
}

#[tokio::test]
async fn what_was_begun_and_interrupted_is_finished_by_the_next_pass() {
    on_both_engines(async |db| {
        let intake = Intake::with_two_studies(db).await;
        intake.seal_all().await;
        let by = intake.admin().await;
        let id = intake.request(by).await.unwrap();
        let mut out = intake.archive.create(Kind::Tombstone);
        out.write("{}".into()).await.unwrap();
        let tombstone = out.finish().await.unwrap();
        let mut tx = intake.db.write().await.unwrap();
        erasure::confirm(&mut tx, id, by, &tombstone, &Retention::default(), clock::now()).await.unwrap();
        tx.commit().await.unwrap();
        // Killed here: rows are gone, bytes are not.
        assert_eq!(intake.packs().await, 3);
        let eraser = intake.eraser(Retention::default());
        assert_eq!(eraser.pass(clock::now()).await.unwrap(), 1);
        assert_eq!(intake.packs().await, 2);
        assert_eq!(eraser.pass(clock::now()).await.unwrap(), 0);
        intake.agrees().await;
    })
    .await;
}

#[tokio::test]
async fn a_hold_a_reader_and_a_signed_report_keep_a_study_from_being_erased() {
    on_both_engines(async |db| {
        let intake = Intake::with_two_studies(db).await;
        let by = intake.admin().await;
        let refused = async || match intake.request(by).await {
            Err(Error::Refused(why)) => why,
            other => panic!("not refused: {other:?}"),
        };
        let held = async |lifted: bool| {
            let mut tx = intake.db.write().await.unwrap();
            match lifted {
                false => erasure::hold(&mut tx, GONE, "诉讼", by, clock::now()).await.unwrap(),
                true => erasure::lift(&mut tx, GONE, by, clock::now()).await.unwrap(),
            }
            tx.commit().await.unwrap();
        };
        held(false).await;
        assert_eq!(refused().await, "the study is under legal hold");
        held(true).await;
        // Asked for, then held: the second step refuses, and leaves nothing behind.
        let id = intake.request(by).await.unwrap();
        held(false).await;
        let eraser = intake.eraser(Retention::default());
        let error = eraser.confirm(id, by, "lin", clock::now()).await.unwrap_err();
        assert!(matches!(error, EraseError::Index(Error::Refused("the study is under legal hold"))), "{error}");
        assert!(intake.archive.list(Kind::Tombstone).try_collect::<Vec<_>>().await.unwrap().is_empty());
        held(true).await;

        intake.run_sql("UPDATE case_ SET state = 'drafted'").await;
        assert_eq!(refused().await, "somebody is reading or reviewing this study");
        intake.run_sql("UPDATE case_ SET state = 'signed'").await;
        intake
            .run_sql(
                "INSERT INTO report (case_id, version, state, template, findings, impression, note, rev, saved_us,
                                     signatures_needed)
                 SELECT id, 1, 'signed', '', '两肺清晰', '', '', 1, 1, 1 FROM case_",
            )
            .await;
        assert_eq!(refused().await, "its report is signed, and it is to be kept for longer");

        // Its time has passed: the images go, the report stays.
        let years = Retention { keep: vec![Keep { modality: "CT".into(), under_age: None, years: 15 }] };
        let then = clock::now() + Duration::from_secs(17 * 366 * 24 * 3600);
        let eraser = intake.eraser(years);
        eraser.confirm(id, by, "lin", then).await.unwrap();
        assert_eq!(intake.count("SELECT COUNT(*) FROM report WHERE state = 'signed'").await, 2);
        assert_eq!(intake.count("SELECT instances FROM study WHERE uid = '1.2.3'").await, 0);
        assert_eq!(intake.count("SELECT COUNT(*) FROM instance").await, 2);
        intake.agrees().await;
    })
    .await;
}
