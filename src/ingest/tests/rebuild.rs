//! With the index gone, packs and spool are enough to have every image again.

use std::time::Duration;

use super::*;
use crate::domain::{CaseId, CaseState, Role};
use crate::index::cases::{self, Listing, Tab};
use crate::index::testing::seed_account;
use crate::index::{Db, restored};
use crate::ingest::rebuild::{RebuildError, Rebuilt, rebuild};

fn options() -> IndexerOptions {
    IndexerOptions { node: NODE.into(), zone_minutes: 480 }
}

const DAY: Duration = Duration::from_secs(86_400);

impl Intake {
    async fn rebuild(&self, unread: Duration) -> Result<Rebuilt, RebuildError> {
        rebuild(&self.db, &self.archive, &self.spool, options(), unread, |_| {}).await
    }

    async fn receive_at(&self, received: Micros, object: &Object) {
        let mut writer = self.spool.begin(RecordMeta {
            received,
            calling_ae: "CT1".into(),
            called_ae: "YUNYING".into(),
            peer: "127.0.0.1".into(),
            device: Some(self.device),
            sop_class: CT.into(),
            sop_instance: object.sent_as.clone(),
            transfer_syntax: object.syntax.into(),
        });
        writer.append(&object.dataset).await;
        writer.finish().await.unwrap();
    }

    /// A center that lost its index with three studies: one of last month and one of the day before yesterday in packs,
    /// one of today in the spool; the second got another image today.
    async fn that_lost_its_index(db: Db) -> Self {
        let lost = tempfile::tempdir().unwrap();
        let old = Db::open(&format!("sqlite:{}", lost.path().join("index.db").display())).await.unwrap();
        let mut intake = Self::over(old, store_of(&db)).await;
        let now = clock::now();
        intake.receive_at(now - DAY * 30, &of_study("1.2.30", 1)).await;
        intake.receive_at(now - DAY * 2, &of_study("1.2.2", 1)).await;
        intake.receive_at(now - DAY / 2, &of_study("1.2.2", 2)).await;
        let (_, indexed) = intake.index().await;
        assert_eq!(intake.sealer(indexed).pass(later()).await.unwrap(), 2);
        intake.receive_at(now, &of_study("1.2.1", 1)).await;
        intake.db = db;
        intake
    }

    /// The states of the cases by study, the oldest study first.
    async fn states(&self) -> Vec<CaseState> {
        let mut tx = self.db.read().await.unwrap();
        let words = on!(&mut tx, c => sqlx::query_scalar::<_, String>(
            "SELECT c.state FROM case_ c JOIN study s ON s.id = c.study_id ORDER BY s.last_us").fetch_all(c).await);
        words.unwrap().into_iter().map(|word| CaseState::from_word(&word).unwrap()).collect()
    }

    async fn listed(&self, tab: Tab) -> usize {
        let listing = Listing { scope: Scope::All, tab, day_start: Micros(0), search: "", before: None, limit: 10 };
        cases::list(&mut self.db.read().await.unwrap(), &listing).await.unwrap().len()
    }

    async fn complete_everything(&self) -> usize {
        let (_, indexed) = self.index().await;
        self.completeness(indexed, Activity::default()).pass(later()).await.unwrap()
    }
}

fn of_study(study: &str, number: u32) -> Object {
    Slice { study, number, ..Slice::default() }.object()
}

#[tokio::test]
async fn after_a_rebuild_only_what_may_not_have_been_read_is_queued() {
    on_both_engines(async |db| {
        let intake = Intake::that_lost_its_index(db).await;
        let rebuilt = intake.rebuild(DAY).await.unwrap();
        assert_eq!((rebuilt.arriving, rebuilt.stored), (2, 1));
        assert_eq!(intake.states().await, [CaseState::Stored, CaseState::Arriving, CaseState::Arriving]);
        assert_eq!(intake.complete_everything().await, 2);
        assert_eq!(intake.states().await, [CaseState::Stored, CaseState::Queued, CaseState::Queued]);

        // The manager sees the stored one, and not among what is to be done.
        assert_eq!((intake.listed(Tab::Open).await, intake.listed(Tab::Today).await), (2, 2));
        assert_eq!(intake.listed(Tab::Signed).await, 1);
        let mut tx = intake.db.read().await.unwrap();
        assert_eq!(cases::open_cases(&mut tx, Scope::All, 10).await.unwrap().len(), 2);
        assert_eq!(cases::figures(&mut tx, Scope::All, later()).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_rebuild_that_shall_queue_nothing_queues_nothing() {
    on_both_engines(async |db| {
        let intake = Intake::that_lost_its_index(db).await;
        let rebuilt = intake.rebuild(Duration::ZERO).await.unwrap();
        assert_eq!((rebuilt.arriving, rebuilt.stored), (0, 3));
        assert_eq!(intake.complete_everything().await, 0);
        assert!(intake.events().await.iter().all(|kind| kind == "study.restored"), "no page hears of an arrival");
    })
    .await;
}

#[tokio::test]
async fn a_stored_study_is_read_when_the_manager_says_so_or_something_new_comes_for_it() {
    on_both_engines(async |db| {
        let intake = Intake::that_lost_its_index(db).await;
        intake.rebuild(Duration::ZERO).await.unwrap();
        let manager = seed_account(&intake.db, "fang", Role::Manager, None).await;
        let oldest = "SELECT c.id FROM case_ c JOIN study s ON s.id = c.study_id WHERE s.uid = '1.2.30'";
        let wanted = CaseId(intake.count(oldest).await);
        for (scope, allowed) in [(Scope::Site(SiteId(99)), false), (Scope::All, true), (Scope::All, false)] {
            let mut tx = intake.db.write().await.unwrap();
            let asked = restored::have_read(&mut tx, wanted, scope, manager, clock::now()).await;
            assert_eq!(asked.is_ok(), allowed, "{asked:?}");
            tx.commit().await.unwrap();
        }
        assert_eq!(intake.complete_everything().await, 1);

        // The same image once more changes nothing; another one does.
        intake.receive(&of_study("1.2.2", 2)).await;
        assert_eq!(intake.complete_everything().await, 0);
        intake.receive(&of_study("1.2.2", 3)).await;
        assert_eq!(intake.complete_everything().await, 1);
        assert_eq!(intake.states().await.iter().filter(|state| **state == CaseState::Stored).count(), 1);
    })
    .await;
}

#[tokio::test]
async fn the_index_is_rebuilt_from_packs_and_spool_and_every_byte_reads_the_same() {
    on_both_engines(async |db| {
        let lost = tempfile::tempdir().unwrap();
        let old = Db::open(&format!("sqlite:{}", lost.path().join("index.db").display())).await.unwrap();
        let mut intake = Intake::over(old, store_of(&db)).await;
        let mut files = Vec::new();
        for number in 1..=2 {
            files.push(intake.receive(&slice(number)).await);
        }
        intake.receive(&Object { dataset: vec![0xff; 700], ..slice(9) }).await;
        let (_, indexed) = intake.index().await;
        assert_eq!(intake.sealer(indexed).pass(later()).await.unwrap(), 2);
        files.push(intake.receive(&slice(3)).await);

        intake.db = db;
        let rebuilt = intake.rebuild(DAY).await.unwrap();
        assert_eq!((rebuilt.packs, rebuilt.from_packs), (2, tally(2, 0, 1)));
        assert_eq!(rebuilt.from_spool, tally(1, 0, 0));
        assert!(rebuilt.unreadable.is_empty());
        for (file, number) in files.iter().zip([1, 2, 3]) {
            assert_eq!(intake.read(number).await, *file);
        }
        assert_eq!(intake.word("SELECT code FROM site ORDER BY id LIMIT 1").await, "xz");
        assert_eq!(intake.word("SELECT name FROM patient").await, "李明");
        assert_eq!(intake.count("SELECT COUNT(*) FROM quarantine").await, 1);
        let again = intake.rebuild(DAY).await;
        assert!(matches!(again, Err(RebuildError::NotEmpty)));
    })
    .await;
}
