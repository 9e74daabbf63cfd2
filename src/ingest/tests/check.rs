//! `yunying check` finds nothing in what is whole, and names whatever is not.

use super::*;
use crate::ingest::check::{Checked, Spooled, check, check_with};

impl Intake {
    fn checked(&self) -> Checked {
        Checked {
            db: self.db.clone(),
            archive: self.archive.clone(),
            node: NODE.into(),
            spool_dir: self.spool_dir.path().to_owned(),
            deep: true,
        }
    }

    pub(super) async fn wrong(&self) -> Vec<String> {
        check(&self.checked()).await.unwrap().wrong
    }

    async fn run(&self, sql: &'static str) {
        let mut tx = self.db.write().await.unwrap();
        on!(&mut tx, c => sqlx::query(sql).execute(c).await.map(drop)).unwrap();
        tx.commit().await.unwrap();
    }

    /// Two instances and a repetition in a pack, one instance and something in quarantine in the spool.
    async fn some_of_everything(db: Db) -> Self {
        let intake = Intake::new(db).await;
        intake.receive(&slice(1)).await;
        intake.receive(&slice(2)).await;
        let (_, indexed) = intake.index().await;
        intake.sealer(indexed).pass(later()).await.unwrap();
        intake.receive(&slice(1)).await;
        intake.receive(&slice(3)).await;
        intake.receive(&Object { dataset: vec![0xff; 500], ..slice(4) }).await;
        intake.index().await;
        intake
    }

    fn only_pack(&self) -> std::path::PathBuf {
        let folder = std::fs::read_dir(self.store.folder.join("packs")).unwrap().next().unwrap().unwrap();
        std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path()
    }
}

#[tokio::test]
async fn a_whole_center_checks_clean_before_and_after_sealing() {
    on_both_engines(async |db| {
        let intake = Intake::some_of_everything(db).await;
        assert_eq!(intake.wrong().await, Vec::<String>::new());
        let (_, indexed) = intake.index().await;
        intake.sealer(indexed).pass(later()).await.unwrap();
        assert!(intake.spool.segments().is_empty());
        assert_eq!(intake.wrong().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn received_but_not_yet_indexed_is_not_wrong() {
    on_both_engines(async |db| {
        let intake = Intake::some_of_everything(db).await;
        intake.receive(&slice(5)).await;
        assert_eq!(intake.wrong().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn what_comes_while_a_check_is_under_way_is_not_wrong() {
    on_both_engines(async |db| {
        let intake = Intake::some_of_everything(db).await;
        let on = intake.checked();
        let seen = Spooled::inspect(&on).await.unwrap();
        intake.receive(&slice(6)).await;
        intake.receive(&Object { dataset: vec![0xfe; 700], ..slice(7) }).await;
        intake.index().await;
        assert_eq!(check_with(&on, &seen).await.unwrap().wrong, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_changed_byte_or_a_missing_pack_is_named() {
    on_both_engines(async |db| {
        let intake = Intake::some_of_everything(db).await;
        let pack = intake.only_pack();
        let whole = std::fs::read(&pack).unwrap();
        let mut changed = whole.clone();
        changed[400] ^= 1;
        std::fs::write(&pack, &changed).unwrap();
        let wrong = intake.wrong().await;
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].starts_with("instance 1 ") && wrong[0].contains("not those received"), "{wrong:?}");
        std::fs::remove_file(&pack).unwrap();
        let wrong = intake.wrong().await;
        assert_eq!(wrong.iter().filter(|what| what.contains("is missing")).count(), 3, "{wrong:?}");
    })
    .await;
}

#[tokio::test]
async fn an_object_without_a_row_or_a_row_without_its_object_is_named() {
    on_both_engines(async |db| {
        let intake = Intake::some_of_everything(db).await;
        intake.run("DELETE FROM quarantine").await;
        let wrong = intake.wrong().await;
        assert!(wrong.len() == 1 && wrong[0].contains("has no row"), "{wrong:?}");
        intake.run("UPDATE instance SET file_offset = 8 WHERE pack_id IS NULL").await;
        let wrong = intake.wrong().await;
        assert!(wrong.iter().any(|what| what.contains("has no whole object at 8")), "{wrong:?}");
    })
    .await;
}

#[tokio::test]
async fn a_miscounted_study_is_named() {
    on_both_engines(async |db| {
        let intake = Intake::some_of_everything(db).await;
        intake.run("UPDATE study SET instances = 7").await;
        let wrong = intake.wrong().await;
        assert_eq!(wrong, ["study 1 has another number of instances than it says"]);
    })
    .await;
}
