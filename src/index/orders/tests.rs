use super::worklist::{Behind, Keys, page};
use super::*;
use crate::dicom::{Tag, tags};
use crate::domain::{CaseState, Role, StudyId};
use crate::index::Db;
use crate::index::community::{add_device, add_site};
use crate::index::testing::{on_both_engines, overtaken, seed_account, seed_case};

const NOW: Micros = Micros(1_000_000);
const SEQUENCE: Tag = tags::SCHEDULED_PROCEDURE_STEP_SEQUENCE;

fn wanted(name: &str, time: &str) -> Wanted {
    Wanted {
        name: name.into(),
        latin: String::new(),
        pid: String::new(),
        issuer: String::new(),
        sex: Sex::Female,
        birth_date: "19680412".into(),
        national_id: None,
        accession: String::new(),
        exam: "胸部 CT 平扫".into(),
        body_part: "CHEST".into(),
        modality: "CT".into(),
        device: None,
        start_date: "20261125".into(),
        start_time: time.into(),
        question: "咳嗽两周".into(),
        urgency: Urgency::Urgent,
        requester: "李示例".into(),
        performer: String::new(),
    }
}

/// A site with somebody who registers.
async fn site(db: &Db, code: &str) -> (SiteId, AccountId) {
    let mut tx = db.write().await.unwrap();
    let site = add_site(&mut tx, code, "青禾镇", "township", NOW).await.unwrap();
    tx.commit().await.unwrap();
    (site, seed_account(db, code, Role::Operator, Some(site)).await)
}

async fn registered(db: &Db, (site, by): (SiteId, AccountId), wanted: &Wanted, uid: &str) -> OrderId {
    let mut tx = db.write().await.unwrap();
    let id = register(&mut tx, site, wanted, uid, by, NOW).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn state_of(tx: &mut Tx, id: OrderId) -> OrderState {
    order(tx, Scope::All, id).await.unwrap().state
}

fn step(tag: Tag) -> Vec<Tag> {
    vec![SEQUENCE, tag]
}

/// Names found by these keys.
async fn found(db: &Db, site: SiteId, keys: &[(Vec<Tag>, &str)]) -> Vec<String> {
    let keys: Vec<_> = keys.iter().map(|(path, value)| (path.clone(), (*value).to_owned())).collect();
    let (read, others) = Keys::read(&keys).unwrap();
    assert!(others.is_empty());
    let mut tx = db.read().await.unwrap();
    let (mut names, mut behind) = (Vec::new(), Behind::default());
    loop {
        let found = page(&mut tx, site, &read, "20261118", &behind, 2).await.unwrap();
        let Some(last) = found.last() else { return names };
        behind = Behind::order(last);
        names.extend(found.into_iter().map(|order| order.name));
    }
}

#[tokio::test]
async fn a_query_finds_the_open_orders_of_its_site_by_every_required_key() {
    on_both_engines(async |db| {
        let (own, other) = (site(&db, "QH").await, site(&db, "LW").await);
        let mut tx = db.write().await.unwrap();
        let device = add_device(&mut tx, "QH_US01", own.0, "US", None, NOW).await.unwrap();
        tx.commit().await.unwrap();
        registered(&db, own, &wanted("张三", "093000"), "2.25.1").await;
        let of_us = Wanted {
            device: Some(device),
            modality: String::new(),
            performer: "王五".into(),
            pid: "M77".into(),
            accession: "A9".into(),
            start_date: "20261126".into(),
            ..wanted("章薇", "080000")
        };
        let second = registered(&db, own, &of_us, "2.25.2").await;
        registered(&db, own, &wanted("赵六", "080000"), "2.25.3").await;
        registered(&db, own, &Wanted { start_date: "20261117".into(), ..wanted("旧单", "080000") }, "2.25.4").await;
        registered(&db, other, &wanted("别处", "093000"), "2.25.5").await;
        let both = ["赵六", "张三", "章薇"];
        assert_eq!(found(&db, own.0, &[]).await, both, "by their time, page by page");
        assert_eq!(found(&db, other.0, &[]).await, ["别处"]);
        let (date, time) =
            (step(tags::SCHEDULED_PROCEDURE_STEP_START_DATE), step(tags::SCHEDULED_PROCEDURE_STEP_START_TIME));
        let station = step(tags::SCHEDULED_STATION_AE_TITLE);
        let performer = step(tags::SCHEDULED_PERFORMING_PHYSICIAN_NAME);
        let procedure = format!("R{second}");
        for (keys, expected) in [
            (vec![(vec![tags::PATIENT_NAME], "zhang*")], &both[1..]),
            (vec![(vec![tags::PATIENT_NAME], "ZHANG^SAN")], &both[1..2]),
            (vec![(vec![tags::PATIENT_NAME], "张三")], &both[1..2]),
            (vec![(vec![tags::PATIENT_NAME], "张^?")], &both[1..2]),
            (vec![(vec![tags::PATIENT_NAME], "*")], &both[..]),
            (vec![(vec![tags::PATIENT_NAME], "三")], &[][..]),
            (vec![(vec![tags::PATIENT_ID], "M77")], &both[2..]),
            (vec![(vec![tags::ACCESSION_NUMBER], "A9")], &both[2..]),
            (vec![(vec![tags::REQUESTED_PROCEDURE_ID], procedure.as_str())], &both[2..]),
            (vec![(vec![tags::STUDY_INSTANCE_UID], "2.25.3\\2.25.2\\2.25.5")], &["赵六", "章薇"][..]),
            (vec![(step(tags::MODALITY), "US")], &both[2..]),
            (vec![(step(tags::MODALITY), "CT")], &both[..2]),
            (vec![(station.clone(), "QH_US01")], &both[..]),
            (vec![(station.clone(), "QH_CT01")], &both[..2]),
            (vec![(performer.clone(), "wang*")], &both[2..]),
            (vec![(performer, "zhao*")], &[][..]),
            (vec![(date.clone(), "20261125")], &both[..2]),
            (vec![(date.clone(), "20261126-")], &both[2..]),
            (vec![(date.clone(), "20261125-20261126"), (time.clone(), "0900-1000")], &both[1..]),
            (vec![(date.clone(), "20261125"), (time.clone(), "0900-1000")], &both[1..2]),
            (vec![(date, "20261125-20261126"), (time, "0800")], &["赵六", "章薇"][..]),
            (vec![(step(tags::SCHEDULED_PROCEDURE_STEP_STATUS), "STARTED")], &[][..]),
        ] {
            assert_eq!(found(&db, own.0, &keys).await, expected, "{keys:?}");
        }
        let bad = [
            (vec![tags::PATIENT_NAME], "x".to_owned()),
            (step(tags::SCHEDULED_PROCEDURE_STEP_START_DATE), "today".to_owned()),
        ];
        assert_eq!(Keys::read(&bad).unwrap_err(), tags::SCHEDULED_PROCEDURE_STEP_START_DATE);
    })
    .await;
}

#[tokio::test]
async fn two_that_register_at_a_time_get_numbers_of_their_own() {
    on_both_engines(async |db| {
        let (site, by) = site(&db, "QH").await;
        let mut first = db.write().await.unwrap();
        let one = register(&mut first, site, &wanted("张三", "093000"), "2.25.1", by, NOW).await.unwrap();
        let two =
            overtaken(&db, first, async |tx| register(tx, site, &wanted("李四", "093000"), "2.25.2", by, NOW).await);
        let two = two.await.unwrap();
        let mut tx = db.read().await.unwrap();
        let numbers = [order(&mut tx, Scope::All, one).await.unwrap(), order(&mut tx, Scope::All, two).await.unwrap()];
        let begins = format!("261125{:03}", site.0);
        assert_eq!(numbers.map(|order| order.accession), [format!("{begins}0001"), format!("{begins}0002")]);
    })
    .await;
}

#[tokio::test]
async fn a_study_is_its_order_s_by_its_uid_or_by_number_and_patient() {
    on_both_engines(async |db| {
        let case = seed_case(&db, "xz", CaseState::Arriving, Urgency::Routine, NOW).await;
        let by = (case.site, seed_account(&db, "wu", Role::Operator, Some(case.site)).await);
        let elsewhere = site(&db, "LW").await;
        let named = Wanted { accession: "A1".into(), pid: "P1".into(), ..wanted("张三", "093000") };
        let id = registered(&db, by, &named, "2.25.1").await;
        registered(&db, elsewhere, &named, "2.25.9").await;
        let mut tx = db.write().await.unwrap();
        let tx = &mut tx;
        let study = StudyId(case.study);
        let arrive = async |tx: &mut Tx, study_uid: &str, accession: &str, pid: &str| {
            let referred = Referred { study_uid, accession, pid };
            arrived(tx, &Arrival { referred, site: case.site, study }, NOW).await.unwrap()
        };
        assert_eq!(arrive(tx, "2.25.9", "A7", "P1").await, None, "another site's UID means nothing here");
        assert_eq!(arrive(tx, "1.2.3", "A1", "P2").await, None, "another patient's");
        assert_eq!(state_of(tx, id).await, OrderState::Scheduled);
        let meant = Some(Meant { urgency: Urgency::Urgent, question: "咳嗽两周".into() });
        assert_eq!(arrive(tx, "1.2.3", "A1", "P1").await, meant);
        assert_eq!(arrive(tx, "2.25.1", "", "").await, meant);
        assert_eq!(arrive(tx, "1.2.4", "A1", "P1").await, None, "it is a study already");
        assert_eq!(state_of(tx, id).await, OrderState::Started);
        complete(tx, case.site, study, NOW).await.unwrap();
        assert_eq!(state_of(tx, id).await, OrderState::Done);
        let row = order(tx, Scope::Site(case.site), id).await.unwrap();
        assert_eq!(row.case_id, Some(case.case));
        assert!(matches!(cancel(tx, Scope::All, id, row.version, by.1, NOW).await, Err(Error::Refused(_))));
    })
    .await;
}

#[tokio::test]
async fn a_step_begins_and_ends_what_it_is_of_and_one_that_is_given_up_is_offered_again() {
    on_both_engines(async |db| {
        let own = site(&db, "QH").await;
        let id = registered(
            &db,
            own,
            &Wanted { pid: "P1".into(), accession: "A1".into(), ..wanted("张三", "093000") },
            "2.25.1",
        )
        .await;
        let mut tx = db.write().await.unwrap();
        let tx = &mut tx;
        let referred = |study_uid| Referred { study_uid, accession: "A1", pid: "P1" };
        assert_eq!(refer_to(tx, SiteId(0), referred("2.25.1"), NOW).await.unwrap(), None);
        assert_eq!(refer_to(tx, own.0, referred("2.25.1"), NOW).await.unwrap(), Some(id));
        assert_eq!(state_of(tx, id).await, OrderState::Started);
        over(tx, own.0, &[id], Over::Discontinued, NOW).await.unwrap();
        let row = order(tx, Scope::All, id).await.unwrap();
        assert_eq!((row.state, row.started_us), (OrderState::Scheduled, None));
        cancel(tx, Scope::All, id, row.version, own.1, NOW).await.unwrap();
        assert_eq!(refer_to(tx, own.0, referred("1.2"), NOW).await.unwrap(), Some(id), "made all the same");
        over(tx, own.0, &[id], Over::Completed, NOW).await.unwrap();
        let row = order(tx, Scope::All, id).await.unwrap();
        assert_eq!((row.state, row.cancelled_us, row.done_us), (OrderState::Done, None, Some(NOW.0)));
        over(tx, own.0, &[id], Over::Discontinued, NOW).await.unwrap();
        assert_eq!(state_of(tx, id).await, OrderState::Done);
    })
    .await;
}

#[tokio::test]
async fn a_day_lists_its_orders_and_what_earlier_days_left() {
    on_both_engines(async |db| {
        let own = site(&db, "QH").await;
        for (day, name, uid) in
            [("20261124", "昨天", "2.25.1"), ("20261125", "今天", "2.25.2"), ("20261126", "明天", "2.25.3")]
        {
            registered(&db, own, &Wanted { start_date: day.into(), ..wanted(name, "090000") }, uid).await;
        }
        let cancelled = Wanted { start_date: "20261124".into(), ..wanted("取消", "080000") };
        let id = registered(&db, own, &cancelled, "2.25.4").await;
        let mut tx = db.write().await.unwrap();
        cancel(&mut tx, Scope::Site(own.0), id, 1, own.1, NOW).await.unwrap();
        let mut names = async |day: &str, earliest: &str| -> Vec<String> {
            let found = of_day(&mut tx, Scope::Site(own.0), day, earliest, 10).await.unwrap();
            found.into_iter().map(|order| order.name).collect()
        };
        assert_eq!(names("20261125", "20261118").await, ["昨天", "今天"]);
        assert_eq!(names("20261124", "20261124").await, ["取消", "昨天"]);
        assert_eq!(earliest_offered(jiff::civil::date(2026, 3, 3)), "20260224");
    })
    .await;
}
