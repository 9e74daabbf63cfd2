//! What a person decides about an object in quarantine is what lists, searches and the archive show from then on.

use super::*;
use crate::domain::{AccountId, QuarantineId, Role};
use crate::index::Error as IndexError;
use crate::index::quarantine::{Reason, Settling};
use crate::index::testing::seed_account;
use crate::ingest::release::{Release, ReleaseError};
use wire::QuarantineAct::{self, Choose, Keep, Release as Again};

impl Intake {
    pub(super) async fn manager(&self) -> AccountId {
        seed_account(&self.db, "feng", Role::Manager, None).await
    }

    pub(super) async fn decide(
        &self,
        id: i64,
        act: QuarantineAct,
        by: AccountId,
    ) -> Result<Option<InstanceId>, ReleaseError> {
        self.decide_in(Scope::All, id, act, by).await
    }

    async fn decide_in(
        &self,
        scope: Scope,
        id: i64,
        act: QuarantineAct,
        by: AccountId,
    ) -> Result<Option<InstanceId>, ReleaseError> {
        let bytes = self.bytes();
        let release = Release { db: &self.db, bytes: &bytes, archive: &self.archive, zone_minutes: 480 };
        let settling = Settling { act, by, note: "核对过设备与登记", now: clock::now() };
        release.decide(scope, QuarantineId(id), settling).await
    }

    async fn is_sound(&self) {
        assert_eq!(self.wrong().await, Vec::<String>::new());
    }

    async fn waiting(&self) -> i64 {
        self.count("SELECT COUNT(*) FROM quarantine WHERE settled_us IS NULL").await
    }

    async fn settled_events(&self) -> usize {
        self.events().await.iter().filter(|kind| *kind == "instance.settled").count()
    }
}

fn other_pixels() -> Object {
    Slice { pixels: [9; 8], ..Slice::default() }.object()
}

async fn choose_the_second_copy(db: Db, sealed_before: bool) {
    let intake = Intake::new(db).await;
    let by = intake.manager().await;
    let first = intake.receive(&slice(1)).await;
    let second = intake.receive(&other_pixels()).await;
    let (_, indexed) = intake.index().await;
    if sealed_before {
        intake.sealer(indexed).pass(later()).await.unwrap();
    }
    let chosen = intake.decide(1, Choose, by).await.unwrap().unwrap();
    assert_ne!(chosen, InstanceId(1), "what a browser keeps of the first is not shown for the second");
    assert_eq!(intake.read(chosen.0).await, second);
    assert_eq!(intake.waiting().await, 0);
    for (counted, count) in [
        ("SELECT COUNT(*) FROM instance", 1),
        ("SELECT quarantined FROM study", 0),
        ("SELECT instances FROM study", 1),
        ("SELECT instances FROM series", 1),
    ] {
        assert_eq!(intake.count(counted).await, count, "{counted}");
    }
    assert_eq!(intake.word("SELECT note FROM quarantine_act").await, "核对过设备与登记");
    assert!(matches!(intake.decide(1, Choose, by).await, Err(ReleaseError::Index(IndexError::Refused(_)))));

    // Both, sent again, are known: the decision stands.
    intake.receive(&slice(1)).await;
    intake.receive(&other_pixels()).await;
    let (again, indexed) = intake.index().await;
    assert_eq!((again.stored, again.quarantined), (0, 0));
    intake.sealer(indexed).pass(later()).await.unwrap();
    assert!(intake.spool.segments().is_empty());
    intake.is_sound().await;

    // And it can be taken back, as often as somebody likes.
    let back = intake.decide(2, Choose, by).await.unwrap().unwrap();
    assert_eq!(intake.read(back.0).await, first);
    let forth = intake.decide(1, Choose, by).await.unwrap().unwrap();
    assert_eq!(intake.read(forth.0).await, second);
    assert_eq!(intake.count("SELECT COUNT(*) FROM quarantine WHERE instance_id IS NULL").await, 1);
    assert_eq!(intake.count("SELECT instances FROM study").await, 1);
    assert_eq!(intake.settled_events().await, 3);
    intake.is_sound().await;
}

#[tokio::test]
async fn of_two_copies_in_the_spool_the_chosen_one_counts_and_the_other_stays_stored() {
    on_both_engines(async |db| choose_the_second_copy(db, false).await).await;
}

#[tokio::test]
async fn of_two_sealed_copies_the_chosen_one_counts_and_the_other_stays_stored() {
    on_both_engines(async |db| choose_the_second_copy(db, true).await).await;
}

#[tokio::test]
async fn a_copy_that_is_to_stay_aside_is_off_the_list_and_can_still_be_chosen() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        let by = intake.manager().await;
        let first = intake.receive(&slice(1)).await;
        intake.receive(&other_pixels()).await;
        intake.index().await;
        assert_eq!(intake.decide(1, Keep, by).await.unwrap(), None);
        assert_eq!((intake.waiting().await, intake.count("SELECT quarantined FROM study").await), (0, 0));
        assert_eq!(intake.read(1).await, first);
        intake.receive(&other_pixels()).await;
        assert_eq!(intake.index().await.0, tally(0, 1, 0));
        intake.is_sound().await;
        assert!(intake.decide(1, Choose, by).await.unwrap().is_some());
        intake.is_sound().await;
    })
    .await;
}

#[tokio::test]
async fn images_of_a_mistyped_patient_id_join_their_study_once_a_person_vouches_for_them() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        let by = intake.manager().await;
        intake.receive(&slice(1)).await;
        let mistyped = intake.receive(&Slice { number: 2, pid: "P-8", ..Slice::default() }.object()).await;
        let (_, indexed) = intake.index().await;
        intake.completeness(indexed, Activity::default()).pass(later()).await.unwrap();
        let released = intake.decide(1, Again, by).await.unwrap().unwrap();
        assert_eq!(intake.read(released.0).await, mistyped);
        assert_eq!(intake.count("SELECT instances FROM study").await, 2);
        assert_eq!(intake.count("SELECT COUNT(*) FROM study").await, 1);
        assert_eq!(intake.word("SELECT pid FROM patient WHERE id = (SELECT patient_id FROM study)").await, "P-7");
        let events = intake.events().await;
        assert_eq!(&events[events.len() - 2..], ["study.late", "instance.settled"], "readers hear of it");
        intake.is_sound().await;
    })
    .await;
}

#[tokio::test]
async fn what_no_program_can_read_yet_stays_and_is_its_own_sites_business() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        let by = intake.manager().await;
        let (other_site, _) = intake.other_site().await;
        intake.receive(&Object { sent_as: "9.9".into(), syntax: EXPLICIT, dataset: vec![0xff; 500] }).await;
        let (_, indexed) = intake.index().await;
        intake.sealer(indexed).pass(later()).await.unwrap();
        let of_another = intake.decide_in(Scope::Site(other_site), 1, Keep, by).await;
        assert!(matches!(of_another, Err(ReleaseError::Index(IndexError::NotFound))));
        assert!(matches!(intake.decide(1, Again, by).await, Err(ReleaseError::StillRefused(_))));
        assert_eq!(intake.waiting().await, 1);
        assert_eq!(intake.decide(1, Keep, by).await.unwrap(), None);
        assert_eq!((intake.waiting().await, intake.settled_events().await), (0, 1));
        intake.is_sound().await;
    })
    .await;
}

#[tokio::test]
async fn what_an_older_program_could_not_read_becomes_an_image_when_looked_at_again() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        let by = intake.manager().await;
        let file = intake.receive(&slice(1)).await;
        let record = intake.spool.read_from(Position::START, 1)[0].clone();
        let refused = crate::ingest::describe::Refused {
            reason: Reason { code: "parser_failed".into(), detail: String::new() },
            sop_uid: record.meta.sop_instance.clone(),
            study_uid: None,
        };
        let items = [crate::ingest::batch::Item { record, outcome: Err(refused) }];
        let mut pace = crate::ingest::batch::ProgressPace::default();
        let mut tx = intake.db.write().await.unwrap();
        crate::ingest::batch::apply(&mut tx, NODE, &items, Origin::Device, &mut pace, clock::now()).await.unwrap();
        tx.commit().await.unwrap();

        let (_, indexed) = intake.index().await;
        let released = intake.decide(1, Again, by).await.unwrap().unwrap();
        assert_eq!(intake.read(released.0).await, file);
        assert_eq!(intake.word("SELECT state FROM case_").await, "arriving", "as if it had just come");
        intake.sealer(indexed).pass(later()).await.unwrap();
        assert!(intake.spool.segments().is_empty());
        assert_eq!(intake.read(released.0).await, file);
        intake.is_sound().await;
    })
    .await;
}

#[tokio::test]
async fn what_an_unknown_device_sent_is_its_sites_once_the_device_is_registered() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        let by = intake.manager().await;
        intake.receive(&slice(1)).await;
        intake.receive_unknown("CT9", &slice(2)).await;
        assert_eq!(intake.index().await.0, tally(1, 0, 1));
        assert!(matches!(intake.decide(1, Again, by).await, Err(ReleaseError::StillRefused(_))), "nobody knows whose");

        let mut tx = intake.db.write().await.unwrap();
        community::add_device(&mut tx, "CT9", intake.site, "CT", None, Micros(1)).await.unwrap();
        tx.commit().await.unwrap();
        assert!(intake.decide(1, Again, by).await.unwrap().is_some());
        assert_eq!(intake.count("SELECT instances FROM study").await, 2);
        assert_eq!(intake.count("SELECT COUNT(*) FROM study").await, 1);
        intake.is_sound().await;
    })
    .await;
}
