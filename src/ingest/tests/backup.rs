//! A backup brings back what was there, onto either engine and either store.

use std::path::Path;

use super::*;
use crate::backup::{BackupError, Destination, Source, Taken, put_back, take};
use crate::domain::{CaseState, Role, Urgency};
use crate::index::testing::{seed_account, seed_case};
use crate::ingest::check::{Checked, check};

impl Intake {
    pub(super) async fn back_up(&self, dir: &Path) -> Result<Taken, BackupError> {
        let source = Source {
            db: self.db.clone(),
            archive: self.archive.clone(),
            node: Some(NODE.into()),
            spool_dir: self.spool_dir.path().to_owned(),
        };
        take(&source, dir, clock::now(), |_| ()).await
    }

    /// What a table holds, in words both engines share.
    async fn rows(db: &Db) -> Vec<String> {
        let mut tx = db.read().await.unwrap();
        let mut rows = on!(&mut tx, c => sqlx::query_scalar::<_, String>(
            "SELECT CAST(i.id AS TEXT) || ' ' || i.sop_uid || ' ' || p.name || ' ' || s.description || ' ' || c.state
               FROM instance i JOIN series e ON e.id = i.series_id JOIN study s ON s.id = e.study_id
               JOIN patient p ON p.id = s.patient_id JOIN case_ c ON c.study_id = s.id
             UNION ALL SELECT CAST(id AS TEXT) || ' ' || kind FROM event
             UNION ALL SELECT login || ' ' || title FROM account
             UNION ALL SELECT reason || ' ' || node FROM quarantine").fetch_all(c).await)
        .unwrap();
        rows.sort();
        rows
    }
}

pub(super) fn destination(db: &Db, archive: &Archive, data: &Path) -> Destination {
    Destination { db: db.clone(), archive: archive.clone(), data: data.to_owned(), spool_dir: data.join("spool") }
}

async fn wrong(to: &Destination) -> Vec<String> {
    let checked = Checked {
        db: to.db.clone(),
        archive: to.archive.clone(),
        node: NODE.into(),
        spool_dir: to.spool_dir.clone(),
        deep: true,
    };
    check(&checked).await.unwrap().wrong
}

/// Something sealed, something in the spool, something in quarantine, a signed report, a person.
async fn a_center_at_work(db: Db) -> Intake {
    let intake = Intake::new(db.clone()).await;
    intake.receive(&slice(1)).await;
    intake.receive(&slice(2)).await;
    let (_, indexed) = intake.index().await;
    intake.sealer(indexed).pass(later()).await.unwrap();
    intake.receive(&slice(3)).await;
    intake.receive(&Object { dataset: vec![0xff; 500], ..slice(4) }).await;
    intake.index().await;
    seed_account(&db, "zhou", Role::Specialist, None).await;
    intake
}

#[tokio::test]
async fn a_backup_is_restored_onto_both_engines_and_agrees_with_itself() {
    on_both_engines(async |db| {
        let intake = a_center_at_work(db).await;
        let folder = tempfile::tempdir().unwrap();
        let backup = folder.path().join("backup");
        let taken = intake.back_up(&backup).await.unwrap();
        assert_eq!((taken.objects, taken.copied, taken.missing.len()), (1, 1, 0));

        on_both_engines(async |restored| {
            let (store, data) = (store_of(&restored), tempfile::tempdir().unwrap());
            let to = destination(&restored, &store.archive, data.path());
            let brought = put_back(&backup, &to, |_| ()).await.unwrap();
            assert_eq!((brought.rows, brought.objects), (taken.rows, taken.objects));
            assert_eq!(Intake::rows(&restored).await, Intake::rows(&intake.db).await);
            assert_eq!(wrong(&to).await, Vec::<String>::new());
            assert_eq!(crate::ingest::known_node_name(data.path()).unwrap().as_deref(), Some(NODE));

            // It goes on from there: what comes next gets numbers of its own.
            let spool = Spool::open(&to.spool_dir, SpoolOptions { keep_free: 0, ..SpoolOptions::default() }).unwrap();
            assert_eq!(spool.read_from(Position::START, 10).len(), 2);
            seed_case(&restored, "dh", CaseState::Queued, Urgency::Routine, Micros(5)).await;
            // And a second restore does not go over it.
            drop(spool);
            assert!(matches!(put_back(&backup, &to, |_| ()).await, Err(BackupError::DataNotEmpty(_))));
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn the_next_backup_copies_only_what_is_new_and_drops_what_is_gone() {
    on_both_engines(async |db| {
        let intake = a_center_at_work(db).await;
        let folder = tempfile::tempdir().unwrap();
        intake.back_up(folder.path()).await.unwrap();
        let (_, indexed) = intake.index().await;
        intake.sealer(indexed).pass(later()).await.unwrap();
        let taken = intake.back_up(folder.path()).await.unwrap();
        assert_eq!((taken.objects, taken.copied, taken.spool_bytes), (3, 2, 0));
        let names = || -> Vec<String> {
            let entries = std::fs::read_dir(folder.path()).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        assert_eq!(names().iter().filter(|name| name.starts_with("snapshot-")).count(), 1);

        // One more that no row of the center names.
        let objects = Archive::open(&format!("file:{}/objects", folder.path().display())).unwrap();
        let mut writer = objects.create(crate::archive::Kind::Pack);
        writer.write(vec![1, 2, 3].into()).await.unwrap();
        let gone = writer.finish().await.unwrap().key;
        intake.back_up(folder.path()).await.unwrap();
        assert!(objects.length(&gone).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn what_the_archive_lost_is_named_and_the_rest_is_backed_up() {
    on_both_engines(async |db| {
        let intake = a_center_at_work(db).await;
        std::fs::remove_dir_all(intake.store.folder.join("packs")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let taken = intake.back_up(folder.path()).await.unwrap();
        assert_eq!((taken.objects, taken.missing.len()), (0, 1));
        assert!(taken.missing[0].ends_with("is not in the archive"), "{:?}", taken.missing);
        let (store, data) = (Store::local(), tempfile::tempdir().unwrap());
        let fresh = Db::open(&format!("sqlite:{}", data.path().join("index.db").display())).await.unwrap();
        let brought = put_back(folder.path(), &destination(&fresh, &store.archive, data.path()), |_| ()).await.unwrap();
        assert_eq!((brought.objects, brought.missing.len()), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn damage_other_folders_and_other_centers_archives_are_refused() {
    on_both_engines(async |db| {
        let intake = a_center_at_work(db).await;
        let folder = tempfile::tempdir().unwrap();
        let backup = folder.path().join("backup");
        std::fs::create_dir(&backup).unwrap();
        std::fs::write(backup.join("holiday.jpg"), b"x").unwrap();
        assert!(matches!(intake.back_up(&backup).await, Err(BackupError::NotABackup(_))));
        std::fs::remove_file(backup.join("holiday.jpg")).unwrap();

        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let fresh = Db::open(&format!("sqlite:{}", data.join("index.db").display())).await.unwrap();
        let to = destination(&fresh, &Store::local().archive, &data);
        assert!(matches!(put_back(&backup, &to, |_| ()).await, Err(BackupError::NoBackup(_))));

        intake.back_up(&backup).await.unwrap();
        let to = destination(&fresh, &intake.archive, &data);
        let mut foreign = intake.archive.create(crate::archive::Kind::Pack);
        foreign.write(vec![7].into()).await.unwrap();
        foreign.finish().await.unwrap();
        assert!(matches!(put_back(&backup, &to, |_| ()).await, Err(BackupError::ArchiveNotEmpty(1))));

        let store = Store::local();
        let to = destination(&fresh, &store.archive, &data);
        let packs = backup.join("objects/packs");
        let shelf = std::fs::read_dir(packs).unwrap().next().unwrap().unwrap().path();
        let pack = std::fs::read_dir(shelf).unwrap().next().unwrap().unwrap().path();
        let mut bytes = std::fs::read(&pack).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&pack, &bytes).unwrap();
        assert!(matches!(put_back(&backup, &to, |_| ()).await, Err(BackupError::Damaged { .. })));
        assert!(crate::index::copy::is_empty(&mut fresh.read().await.unwrap()).await.unwrap());
        assert!(!to.spool_dir.exists());
        // Mended, the same restore goes through.
        bytes[100] ^= 1;
        std::fs::write(&pack, &bytes).unwrap();
        put_back(&backup, &to, |_| ()).await.unwrap();
        assert_eq!(wrong(&to).await, Vec::<String>::new());
    })
    .await;
}
