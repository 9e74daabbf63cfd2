//! The same searches find the same on both engines, and each finds the index that serves it.

use super::*;
use crate::dicom::{Tag, tags};
use crate::domain::{Micros, SiteId};
use crate::index::intake::{self, InstanceRow, PatientRow, RequestRow, SeriesRow, SpoolPlace, StudyRow};
use crate::index::testing::on_both_engines;
use crate::index::{Db, Scope, Tx, community, on};

/// Rows as the indexer writes them.
struct Seed {
    name: &'static str,
    pid: &'static str,
    uid: &'static str,
    date: &'static str,
    time: &'static str,
    accession: &'static str,
}

const SEEDS: [Seed; 4] = [
    Seed { name: "Zhang^Wei=张^伟=", pid: "P-1", uid: "1.2.1", date: "20260301", time: "0930", accession: "A100" },
    Seed { name: "张^伟", pid: "p-1", uid: "1.2.2", date: "20260302", time: "093000.5", accession: "a100" },
    Seed { name: "ZHANG^WEI", pid: "P[2]", uid: "1.2.3", date: "", time: "", accession: "A_00" },
    Seed { name: "Li^Na=李^娜", pid: "P%3", uid: "1.2.4", date: "20251231", time: "10", accession: "" },
];

/// Two sites; the last patient is the second's.
pub(super) async fn seed(db: &Db) -> [SiteId; 2] {
    let mut tx = db.write().await.unwrap();
    let here = community::add_site(&mut tx, "qh", "清河", "township", Micros(1)).await.unwrap();
    let there = community::add_site(&mut tx, "np", "南坪", "township", Micros(1)).await.unwrap();
    for (index, seed) in SEEDS.iter().enumerate() {
        let site = if index == 3 { there } else { here };
        study(&mut tx, site, seed).await;
    }
    tx.commit().await.unwrap();
    [here, there]
}

async fn study(tx: &mut Tx, site: SiteId, seed: &Seed) {
    let device = community::add_device(tx, seed.uid, site, "CT", None, Micros(1)).await.unwrap();
    let patient = PatientRow {
        issuer: String::new(),
        pid: seed.pid.into(),
        name: seed.name.into(),
        name_raw: seed.name.into(),
        sex: "male".into(),
        birth_date: "19700101".into(),
    };
    let patient = intake::patient(tx, site, &patient).await.unwrap();
    let row = StudyRow {
        uid: seed.uid.into(),
        accession: seed.accession.into(),
        study_id: "S".into(),
        study_date: seed.date.into(),
        study_time: seed.time.into(),
        exam: Micros(1),
        description: "Chest 胸部".into(),
        modality: "CT".into(),
        body_part: "CHEST".into(),
        referring: "王医生".into(),
        referring_raw: "Wang^Yisheng=王^医生".into(),
        referring_forms: "=wang^yisheng=王^医生=王医生=".into(),
        age: String::new(),
        timezone: "+0800".into(),
    };
    let study = intake::insert_study(tx, &row, patient, site, device, Micros(1)).await.unwrap().unwrap();
    intake::set_study_modality(tx, study, "CT", "CT,SR", "CHEST").await.unwrap();
    for number in 1..=2i64 {
        let series = SeriesRow {
            uid: format!("{}.{number}", seed.uid),
            modality: if number == 1 { "CT" } else { "SR" }.into(),
            number,
            description: "lung".into(),
            body_part: "CHEST".into(),
            performed_date: "20260301".into(),
            performed_time: "0931".into(),
            requests: (1..=number)
                .map(|n| RequestRow { procedure_id: format!("R{n}"), step_id: format!("S{n}") })
                .collect(),
        };
        let series = intake::series(tx, study, &series, Micros(1)).await.unwrap();
        instance(tx, series, device, &format!("{}.{number}.1", seed.uid)).await;
    }
}

async fn instance(tx: &mut Tx, series: crate::domain::SeriesId, device: crate::domain::DeviceId, uid: &str) {
    let row = InstanceRow {
        sop_uid: uid.into(),
        sop_hash: crate::dicom::uid::hash(uid),
        sop_class: "1.2.840.10008.5.1.4.1.1.2".into(),
        number: 1,
        frames: 0,
        delivery: crate::domain::Delivery::NoImage,
        delivery_reason: String::new(),
        attrs: None,
        metadata: crate::dicom::packed::pack(b"{}").unwrap(),
        written_in: None,
    };
    let place = SpoolPlace {
        node: "n".into(),
        segment: 1,
        position: 1,
        offset: 0,
        bytes: 1,
        dataset_offset: 0,
        crc32: 0,
        sha256: [0; 32],
        received: Micros(1),
        calling_ae: "A".into(),
        sop_class: String::new(),
        transfer_syntax: "1.2.840.10008.1.2.1".into(),
    };
    intake::insert_instance(tx, series, device, &row, &place).await.unwrap().unwrap();
}

const ALL: Page = Page { limit: 100, offset: 0 };

pub(super) fn keys(level: Level, asked: &[(&[Tag], &str)]) -> Keys {
    let mut keys = Keys::new(level);
    for (path, value) in asked {
        assert!(keys.add(path, value).unwrap(), "{path:?}");
    }
    keys
}

async fn found(db: &Db, scope: Scope, keys: &Keys) -> Vec<String> {
    let mut tx = db.read().await.unwrap();
    let mut uids: Vec<String> = match keys.level() {
        Level::Patient | Level::Study => {
            studies(&mut tx, scope, keys, ALL).await.unwrap().into_iter().map(|s| s.study_uid).collect()
        }
        Level::Series => series(&mut tx, scope, keys, ALL).await.unwrap().into_iter().map(|s| s.series_uid).collect(),
        Level::Instance => instances(&mut tx, scope, keys, ALL).await.unwrap().into_iter().map(|i| i.sop_uid).collect(),
    };
    uids.sort();
    uids
}

#[tokio::test]
async fn one_person_is_found_by_every_way_to_type_the_name() {
    on_both_engines(async |db| {
        seed(&db).await;
        for query in ["张伟", "zhangwei", "zhang wei", "zw", "Zhang^Wei", "张"] {
            let mut keys = keys(Level::Study, &[(&[tags::PATIENT_NAME], query)]);
            keys.fuzzy(true);
            assert_eq!(found(&db, Scope::All, &keys).await, ["1.2.1", "1.2.2", "1.2.3"], "{query}");
        }
        for (query, expected) in [
            ("zhang^wei", &["1.2.1", "1.2.3"][..]),
            ("ZHANG*", &["1.2.1", "1.2.3"]),
            ("*wei", &["1.2.1", "1.2.3"]),
            ("张^伟", &["1.2.1", "1.2.2"]),
            ("张伟", &["1.2.1", "1.2.2"]),
            ("张?", &["1.2.1", "1.2.2"]),
            ("Zhang*=张*", &["1.2.1"]),
            ("Zhang^Wei^^", &["1.2.1", "1.2.3"]),
            ("zhangwei", &[]),
            ("*", &["1.2.1", "1.2.2", "1.2.3", "1.2.4"]),
        ] {
            let keys = keys(Level::Study, &[(&[tags::PATIENT_NAME], query)]);
            assert_eq!(found(&db, Scope::All, &keys).await, expected, "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_matching_finds_the_same_on_both_engines() {
    on_both_engines(async |db| {
        let [here, there] = seed(&db).await;
        let all = ["1.2.1", "1.2.2", "1.2.3", "1.2.4"];
        for (tag, value, expected) in [
            (tags::PATIENT_ID, "P-1", &["1.2.1"][..]),
            (tags::PATIENT_ID, "P*", &["1.2.1", "1.2.3", "1.2.4"]),
            (tags::PATIENT_ID, "P[2]", &["1.2.3"]),
            (tags::PATIENT_ID, "?[2*", &["1.2.3"]),
            (tags::PATIENT_ID, "P%?", &["1.2.4"]),
            (tags::ACCESSION_NUMBER, "A100", &["1.2.1"]),
            (tags::ACCESSION_NUMBER, "A?00", &["1.2.1", "1.2.3"]),
            (tags::ACCESSION_NUMBER, "A_*", &["1.2.3"]),
            (tags::STUDY_DATE, "20260301", &["1.2.1"]),
            (tags::STUDY_DATE, "20260101-", &["1.2.1", "1.2.2"]),
            (tags::STUDY_DATE, "-20260301", &["1.2.1", "1.2.4"]),
            (tags::STUDY_DATE, "20251231-20260301", &["1.2.1", "1.2.4"]),
            (tags::STUDY_TIME, "0930", &["1.2.1", "1.2.2"]),
            (tags::STUDY_TIME, "093000-100000", &["1.2.1", "1.2.2", "1.2.4"]),
            (tags::STUDY_TIME, "000000-", &["1.2.1", "1.2.2", "1.2.4"]),
            (tags::STUDY_INSTANCE_UID, "1.2.1,1.2.4", &["1.2.1", "1.2.4"]),
            (tags::MODALITIES_IN_STUDY, "SR", &all),
            (tags::MODALITIES_IN_STUDY, "S", &[]),
            (tags::MODALITIES_IN_STUDY, "MR,CT", &all),
            (tags::STUDY_DESCRIPTION, "chest*", &all),
            (tags::REFERRING_PHYSICIAN_NAME, "WANG^*", &all),
            (tags::REFERRING_PHYSICIAN_NAME, "王医生", &all),
            (tags::REFERRING_PHYSICIAN_NAME, "Li*", &[]),
            (tags::PATIENT_SEX, "M", &all),
            (tags::PATIENT_BIRTH_DATE, "1970", &all),
            (tags::STUDY_ID, "", &all),
        ] {
            let keys = keys(Level::Study, &[(&[tag], value)]);
            assert_eq!(found(&db, Scope::All, &keys).await, expected, "{tag} {value}");
        }
        let everything = Keys::new(Level::Study);
        assert_eq!(found(&db, Scope::Site(here), &everything).await, ["1.2.1", "1.2.2", "1.2.3"]);
        let foreign = keys(Level::Study, &[(&[tags::STUDY_INSTANCE_UID], "1.2.1")]);
        assert!(found(&db, Scope::Site(there), &foreign).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn lower_levels_take_the_keys_of_all_above_and_sequences_match_within_one_item() {
    on_both_engines(async |db| {
        seed(&db).await;
        let request = |key| [tags::REQUEST_ATTRIBUTES_SEQUENCE, key];
        let procedure = request(tags::REQUESTED_PROCEDURE_ID);
        let step = request(tags::SCHEDULED_PROCEDURE_STEP_ID);
        let name = (&[tags::PATIENT_NAME][..], "li*");
        for (level, asked, expected) in [
            (Level::Series, &[name, (&[tags::MODALITY][..], "CT")][..], &["1.2.4.1"][..]),
            (Level::Series, &[name, (&[tags::SERIES_NUMBER], "2")], &["1.2.4.2"]),
            (Level::Series, &[name, (&procedure, "R2")], &["1.2.4.2"]),
            (Level::Series, &[name, (&procedure, "R1"), (&step, "S1")], &["1.2.4.1", "1.2.4.2"]),
            (Level::Series, &[name, (&procedure, "R2"), (&step, "S1")], &[]),
            (Level::Series, &[name, (&[tags::PERFORMED_PROCEDURE_STEP_START_TIME], "0931-")], &["1.2.4.1", "1.2.4.2"]),
            (Level::Instance, &[name, (&[tags::MODALITY], "SR")], &["1.2.4.2.1"]),
            (Level::Instance, &[(&[tags::SOP_INSTANCE_UID], "1.2.1.1.1,1.2.9")], &["1.2.1.1.1"]),
            (Level::Instance, &[name, (&[tags::INSTANCE_NUMBER], "2")], &[]),
        ] {
            assert_eq!(found(&db, Scope::All, &keys(level, asked)).await, expected, "{asked:?}");
        }
        let mut tx = db.read().await.unwrap();
        let second = keys(Level::Series, &[name, (&[tags::SERIES_NUMBER], "2")]);
        let second = series(&mut tx, Scope::All, &second, ALL).await.unwrap();
        let requests = requests_of_series(&mut tx, &[second[0].series]).await.unwrap();
        assert_eq!(requests.iter().map(|r| r.step_id.as_str()).collect::<Vec<_>>(), ["S1", "S2"]);
        let sample = sample_of_study(&mut tx, &[second[0].of.study]).await.unwrap();
        assert_eq!(sample.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn results_come_latest_exam_first_page_by_page() {
    on_both_engines(async |db| {
        seed(&db).await;
        let mut tx = db.read().await.unwrap();
        let mut seen = Vec::new();
        for offset in 0..5 {
            let page = Page { limit: 1, offset };
            let found = studies(&mut tx, Scope::All, &Keys::new(Level::Study), page).await.unwrap();
            seen.extend(found.into_iter().map(|study| study.study_uid));
        }
        assert_eq!(seen, ["1.2.2", "1.2.1", "1.2.4", "1.2.3"], "what has no date is last");
    })
    .await;
}

/// Many studies of `each` instances, so that the engines have something to choose by.
async fn crowd(db: &Db, studies: i64, each: i64) -> SiteId {
    let mut tx = db.write().await.unwrap();
    let site = community::add_site(&mut tx, "qh", "清河", "township", Micros(1)).await.unwrap();
    let device = community::add_device(&mut tx, "CT", site, "CT", None, Micros(1)).await.unwrap();
    for sql in [
        "INSERT INTO patient (site_id, issuer, pid, name, name_raw, sex, birth_date)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $3)
         SELECT $1, '', 'P' || i, 'N' || i, 'N' || i, 'male', '' FROM n WHERE $2 > 0",
        "INSERT INTO name_form (patient_id, kind, form) SELECT id, 'written', LOWER(name_raw) FROM patient
          WHERE $1 > 0 AND $2 > 0 AND $3 > 0",
        "INSERT INTO name_form (patient_id, kind, form) SELECT id, 'sound', LOWER(name_raw) FROM patient
          WHERE $1 > 0 AND $2 > 0 AND $3 > 0",
        "INSERT INTO study (uid, patient_id, site_id, device_id, accession, study_id, study_date, study_time, exam_us,
            description, modality, modalities, body_part, referring, age, instances, bytes, quarantined, first_us, last_us)
         SELECT '1.' || id, id, $1, $2, 'A' || id, '', CAST(20000000 + id / 20 AS TEXT), '10', id, '', 'CT', 'CT', '', '',
                '', 1, 1, 0, 1, 1 FROM patient WHERE $3 > 0",
        "INSERT INTO series (study_id, uid, modality, number, description, body_part, instances, last_us)
         SELECT id, uid || '.1', 'CT', 1, '', '', 1, 1 FROM study WHERE $1 > 0 AND $2 > 0 AND $3 > 0",
        "INSERT INTO series_request (series_id, procedure_id, step_id) SELECT id, 'R' || id, 'S' || id FROM series
          WHERE $1 > 0 AND $2 > 0 AND $3 > 0",
    ] {
        on!(&mut tx, c => sqlx::query(sql).bind(site).bind(device).bind(studies).execute(c).await.map(drop)).unwrap();
    }
    on!(&mut tx, c => sqlx::query(
        "INSERT INTO instance (series_id, sop_uid, sop_hash, sop_class, transfer_syntax, number, frames, device_id,
            calling_ae, received_us, bytes, sha256, crc32, dataset_offset, node, segment, position, file_offset,
            delivery, delivery_reason)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
         SELECT id, uid || '.' || i, id * 100000 + i, '1', '1', i, 0, $1, '', 1, 1, '', 1, 1, 'n', 1, id, 1, 'none', ''
           FROM series, n").bind(device).bind(each).execute(c).await.map(drop))
    .unwrap();
    on!(&mut tx, c => sqlx::query("ANALYZE").execute(c).await.map(drop)).unwrap();
    tx.commit().await.unwrap();
    site
}

#[tokio::test]
async fn searches_by_name_date_accession_and_uid_read_an_index_and_not_every_study() {
    on_both_engines(async |db| {
        let site = crowd(&db, 20_000, 1).await;
        let mut tx = db.read().await.unwrap();
        let step = [tags::REQUEST_ATTRIBUTES_SEQUENCE, tags::SCHEDULED_PROCEDURE_STEP_ID];
        for (level, path, value, fuzzy) in [
            (Level::Study, &[tags::PATIENT_NAME][..], "n1234*", false),
            (Level::Study, &[tags::PATIENT_NAME], "n123", false),
            (Level::Study, &[tags::PATIENT_NAME], "n 1234", true),
            (Level::Study, &[tags::PATIENT_ID], "P123", false),
            (Level::Study, &[tags::PATIENT_ID], "P1234*", false),
            (Level::Study, &[tags::STUDY_DATE], "20000123", false),
            (Level::Study, &[tags::STUDY_DATE], "20000123-20000124", false),
            (Level::Study, &[tags::ACCESSION_NUMBER], "A123", false),
            (Level::Study, &[tags::ACCESSION_NUMBER], "A1234*", false),
            (Level::Study, &[tags::STUDY_INSTANCE_UID], "1.7,1.8", false),
            (Level::Series, &[tags::SERIES_INSTANCE_UID], "1.7.1", false),
            (Level::Series, &step, "S7", false),
            (Level::Instance, &[tags::SOP_INSTANCE_UID], "1.7.1.1", false),
            (Level::Instance, &[tags::ACCESSION_NUMBER], "A7", false),
            (Level::Instance, &[tags::PATIENT_NAME], "n1234*", false),
        ] {
            for scope in [Scope::All, Scope::Site(site)] {
                let mut keys = keys(level, &[(path, value)]);
                keys.fuzzy(fuzzy);
                let plan = rows::statement(&tx, scope, &keys, ALL).plan(&mut tx).await.unwrap();
                let reads_all = |line: &&str| {
                    let line = line.trim_start_matches([' ', '-', '>', '|']);
                    let whole = line.starts_with("Seq Scan") || line.starts_with("SCAN") && !line.contains("CONSTANT");
                    // What a subquery found is short.
                    whole && !line.contains("SUBQUERY")
                };
                let all: Vec<&str> = plan.lines().filter(reads_all).collect();
                assert!(all.is_empty(), "{path:?} {value} reads all:\n{plan}");
            }
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "a measurement: a million rows on each engine"]
async fn searches_among_a_million_instances() {
    on_both_engines(async |db| {
        let site = crowd(&db, 10_000, 100).await;
        let engine = if db.read().await.unwrap().is_postgres() { "PostgreSQL" } else { "SQLite" };
        for (what, level, tag, value, fuzzy) in [
            ("name, beginning", Level::Study, tags::PATIENT_NAME, "n123*", false),
            ("name, whole", Level::Study, tags::PATIENT_NAME, "n1234", false),
            ("name, sound", Level::Study, tags::PATIENT_NAME, "n 123", true),
            ("one day", Level::Study, tags::STUDY_DATE, "20000123", false),
            ("ten days", Level::Study, tags::STUDY_DATE, "20000120-20000129", false),
            ("accession", Level::Study, tags::ACCESSION_NUMBER, "A1234", false),
            ("accession, beginning", Level::Study, tags::ACCESSION_NUMBER, "A123*", false),
            ("patient id", Level::Study, tags::PATIENT_ID, "P1234", false),
            ("latest studies", Level::Study, tags::STUDY_ID, "", false),
            ("series of a day", Level::Series, tags::STUDY_DATE, "20000123", false),
            ("instances of a study", Level::Instance, tags::STUDY_INSTANCE_UID, "1.1234", false),
            ("latest instances", Level::Instance, tags::STUDY_ID, "", false),
        ] {
            let mut keys = keys(level, &[(&[tag], value)]);
            keys.fuzzy(fuzzy);
            let (mut times, mut count) = (Vec::new(), 0);
            for round in 0..21 {
                let scope = if round % 2 == 0 { Scope::All } else { Scope::Site(site) };
                let began = std::time::Instant::now();
                count = found(&db, scope, &keys).await.len();
                times.push(began.elapsed());
            }
            times.sort();
            println!("{engine}: {what}: {count} found, median {:?}, worst {:?}", times[10], times[20]);
            assert!(times[10].as_millis() < 20, "{engine}: {what}: {times:?}");
        }
    })
    .await;
}
