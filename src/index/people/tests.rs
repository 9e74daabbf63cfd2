use super::*;
use crate::domain::{CaseState, Role, Urgency};
use crate::index::Db;
use crate::index::testing::{SeededCase, on_both_engines, seed_account, seed_case};

const NOW: Micros = Micros(1_000);
const NUMBER: &str = "11010519491231002X";
const OTHER_NUMBER: &str = "440524188001010014";

/// Two studies of two sites, under two records that say the same name, birth date and sex.
async fn two(db: &Db) -> [SeededCase; 2] {
    let seed = async |code| seed_case(db, code, CaseState::Queued, Urgency::Routine, NOW).await;
    [seed("QH").await, seed("LW").await]
}

async fn record_of(db: &Db, case: &SeededCase) -> PatientId {
    of_study(&mut db.read().await.unwrap(), Scope::All, StudyId(case.study)).await.unwrap().patient
}

async fn numbered(db: &Db, case: &SeededCase, number: &str) {
    let patient = record_of(db, case).await;
    let mut tx = db.write().await.unwrap();
    has_number(&mut tx, patient, case.site, &NationalId::parse(number).unwrap(), NOW).await.unwrap();
    tx.commit().await.unwrap();
}

async fn prior_of(db: &Db, case: &SeededCase) -> Vec<(i64, LinkedBy, Option<String>)> {
    let found = priors(&mut db.read().await.unwrap(), Scope::All, StudyId(case.study)).await.unwrap();
    found.into_iter().map(|prior| (prior.study_id.0, prior.how, prior.by_name)).collect()
}

async fn beside(db: &Db, case: &SeededCase) -> Vec<LinkedBy> {
    let patient = record_of(db, case).await;
    let found = records(&mut db.read().await.unwrap(), Scope::All, patient).await.unwrap();
    found.into_iter().map(|record| record.how).collect()
}

async fn says(db: &Db, by: AccountId, act: LinkedBy, [own, other]: [&SeededCase; 2]) -> Result<()> {
    let pair = Pair { own: record_of(db, own).await, other: record_of(db, other).await };
    let mut tx = db.write().await?;
    match act {
        LinkedBy::Confirmed => confirm(&mut tx, Scope::All, pair, by, NOW).await?,
        _ => reject(&mut tx, Scope::All, pair, by, NOW).await?,
    }
    tx.commit().await
}

async fn events(db: &Db) -> Vec<String> {
    let mut tx = db.read().await.unwrap();
    on!(&mut tx, c => sqlx::query_scalar::<_, String>("SELECT kind FROM event WHERE kind LIKE 'patient.%' ORDER BY id")
        .fetch_all(c).await)
    .unwrap()
}

#[tokio::test]
async fn one_national_number_in_two_records_makes_them_one_persons() {
    on_both_engines(async |db| {
        let [one, other] = two(&db).await;
        assert_eq!(prior_of(&db, &one).await, [], "what looks alike is not linked");
        numbered(&db, &one, NUMBER).await;
        numbered(&db, &one, NUMBER).await;
        numbered(&db, &other, NUMBER).await;
        assert_eq!(prior_of(&db, &one).await, [(other.study, LinkedBy::NationalId, None)]);
        assert_eq!(prior_of(&db, &other).await, [(one.study, LinkedBy::NationalId, None)]);
        assert_eq!(beside(&db, &one).await, [LinkedBy::NationalId]);
        assert_eq!(
            events(&db).await,
            ["patient.linked", "patient.linked"],
            "an event for each link, none for a repetition"
        );
        let mut tx = db.read().await.unwrap();
        let own_site = Scope::Site(one.site);
        assert!(priors(&mut tx, own_site, StudyId(one.study)).await.unwrap().is_empty(), "another site's stay its own");
        assert!(matches!(of_study(&mut tx, own_site, StudyId(other.study)).await, Err(Error::NotFound)));
    })
    .await;
}

#[tokio::test]
async fn what_looks_alike_is_proposed_and_a_person_confirms_or_rejects_it_and_can_change_their_mind() {
    on_both_engines(async |db| {
        let [one, other] = two(&db).await;
        let feng = seed_account(&db, "feng", Role::Manager, None).await;
        let pair = [&one, &other];
        assert_eq!(beside(&db, &one).await, [LinkedBy::Proposed]);
        says(&db, feng, LinkedBy::Confirmed, pair).await.unwrap();
        let by = Some("feng".to_owned());
        assert_eq!(prior_of(&db, &one).await, [(other.study, LinkedBy::Confirmed, by.clone())]);
        assert_eq!(prior_of(&db, &other).await, [(one.study, LinkedBy::Confirmed, by)], "seen from either side");
        assert!(matches!(says(&db, feng, LinkedBy::Confirmed, pair).await, Err(Error::Stale(_))));

        says(&db, feng, LinkedBy::Rejected, pair).await.unwrap();
        assert_eq!(prior_of(&db, &one).await, []);
        assert_eq!(prior_of(&db, &other).await, []);
        assert_eq!(beside(&db, &one).await, [LinkedBy::Rejected], "not proposed again");
        assert_eq!(beside(&db, &other).await, [] as [LinkedBy; 0]);

        says(&db, feng, LinkedBy::Confirmed, pair).await.unwrap();
        assert_eq!(beside(&db, &one).await, [LinkedBy::Confirmed]);
        assert_eq!(events(&db).await, ["patient.linked", "patient.unlinked", "patient.linked"]);
    })
    .await;
}

#[tokio::test]
async fn a_link_by_number_that_was_undone_stays_undone_when_more_images_come() {
    on_both_engines(async |db| {
        let [one, other] = two(&db).await;
        let feng = seed_account(&db, "feng", Role::Manager, None).await;
        numbered(&db, &one, NUMBER).await;
        numbered(&db, &other, NUMBER).await;
        says(&db, feng, LinkedBy::Rejected, [&one, &other]).await.unwrap();
        numbered(&db, &other, NUMBER).await;
        assert_eq!(prior_of(&db, &one).await, []);
    })
    .await;
}

#[tokio::test]
async fn records_of_two_national_numbers_are_two_people_and_one_number_carries_the_rest_along() {
    on_both_engines(async |db| {
        let [one, other] = two(&db).await;
        let third = seed_case(&db, "DH", CaseState::Queued, Urgency::Routine, NOW).await;
        let feng = seed_account(&db, "feng", Role::Manager, None).await;
        says(&db, feng, LinkedBy::Confirmed, [&one, &third]).await.unwrap();
        numbered(&db, &other, NUMBER).await;
        says(&db, feng, LinkedBy::Confirmed, [&one, &other]).await.unwrap();
        assert_eq!(prior_of(&db, &other).await.len(), 2, "both records that were one person's came along");

        let fourth = seed_case(&db, "CX", CaseState::Queued, Urgency::Routine, NOW).await;
        numbered(&db, &fourth, OTHER_NUMBER).await;
        assert!(!beside(&db, &one).await.contains(&LinkedBy::Proposed));
        assert!(matches!(says(&db, feng, LinkedBy::Confirmed, [&one, &fourth]).await, Err(Error::Refused(_))));
        assert!(matches!(says(&db, feng, LinkedBy::Confirmed, [&one, &one]).await, Err(Error::Refused(_))));
    })
    .await;
}
