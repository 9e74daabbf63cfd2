//! `yunying check` where rows were lost, and where they only moved while it looked.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::*;
use crate::archive::{Kind, PackEntry};
use crate::domain::QuarantineId;
use crate::index::archive as rows;
use crate::ingest::check::instances::quarantine_fault;
use crate::ingest::check::{Checked, Findings, Spooled, check};

impl Intake {
    fn to_be_checked(&self) -> Checked {
        let (db, archive) = (self.db.clone(), self.archive.clone());
        Checked { db, archive, node: NODE.into(), spool_dir: self.spool_dir.path().to_owned(), deep: false }
    }

    async fn findings(&self) -> Findings {
        check(&self.to_be_checked()).await.unwrap()
    }

    /// A pack that no row names, with these data sets in it.
    async fn orphan(&self, objects: &[&Object]) {
        let mut pack = self.archive.create_pack(NODE);
        for object in objects {
            let file = Bytes::from(object.dataset.clone());
            let entry = PackEntry {
                length: file.len() as u64,
                crc32: crc32fast::hash(&file),
                sha256: hex::encode(Sha256::digest(&file)),
                dataset_offset: 0,
                sop_uid: object.sent_as.clone(),
                sop_class: CT.into(),
                transfer_syntax: object.syntax.into(),
                study_uid: String::new(),
                series_uid: String::new(),
                site: self.site.0,
                site_code: "xz".into(),
                device: self.device.0,
                device_ae: "CT1".into(),
                calling_ae: "CT1".into(),
                received_us: 1,
                quarantined: None,
                written_in: None,
            };
            pack.add(entry, futures_util::stream::iter([Ok(file)])).await.unwrap();
        }
        pack.finish(clock::now()).await.unwrap();
    }
}

fn nonsense(number: u32) -> Object {
    Object { dataset: vec![0xff; 500 + number as usize], ..slice(number) }
}

#[tokio::test]
async fn a_pack_without_a_row_is_noted_if_all_it_holds_is_known_and_wrong_otherwise() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        intake.receive(&slice(1)).await;
        intake.receive(&nonsense(2)).await;
        let (_, indexed) = intake.index().await;
        intake.sealer(indexed).pass(later()).await.unwrap();
        intake.receive(&slice(3)).await;
        // An instance in a pack, an object in quarantine, and one that has no row yet: left by an interrupted seal.
        intake.orphan(&[&slice(1), &nonsense(2), &slice(3)]).await;
        let findings = intake.findings().await;
        assert_eq!(findings.wrong, Vec::<String>::new());
        assert!(findings.notes.iter().any(|note| note.starts_with("1 packs in the store are named by no row")));

        let changed = Slice { pixels: [9; 8], ..Slice::default() }.object();
        intake.orphan(&[&slice(1), &changed, &slice(4)]).await;
        let findings = intake.findings().await;
        assert_eq!(findings.wrong.len(), 1, "{:?}", findings.wrong);
        assert!(findings.wrong[0].ends_with("2 of its 3 objects are known nowhere else, 1.2.3.4.1 the first"));
    })
    .await;
}

#[tokio::test]
async fn a_pack_without_a_row_that_can_t_be_read_is_wrong() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        let mut object = intake.archive.create(Kind::Pack);
        object.write(Bytes::from(vec![7; 5_000])).await.unwrap();
        object.finish().await.unwrap();
        let wrong = intake.findings().await.wrong;
        assert!(wrong.len() == 1 && wrong[0].contains("what it holds can't be read"), "{wrong:?}");
    })
    .await;
}

#[tokio::test]
async fn packs_beside_an_empty_index_are_wrong() {
    on_both_engines(async |db| {
        let lost = tempfile::tempdir().unwrap();
        let old = Db::open(&format!("sqlite:{}", lost.path().join("index.db").display())).await.unwrap();
        let mut intake = Intake::over(old, store_of(&db)).await;
        intake.receive(&slice(1)).await;
        let (_, indexed) = intake.index().await;
        intake.sealer(indexed).pass(later()).await.unwrap();
        intake.db = db;
        let wrong = intake.findings().await.wrong;
        assert!(wrong.len() == 1 && wrong[0].contains("1 of its 1 objects are known nowhere else"), "{wrong:?}");
    })
    .await;
}

#[tokio::test]
async fn what_was_sealed_out_of_quarantine_while_a_check_looked_is_not_wrong() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        intake.receive(&nonsense(1)).await;
        let (_, indexed) = intake.index().await;
        let mut tx = intake.db.read().await.unwrap();
        let row = rows::quarantine_after(&mut tx, QuarantineId(0), 1).await.unwrap().remove(0);
        drop(tx);
        intake.sealer(indexed).pass(later()).await.unwrap();
        assert!(intake.spool.segments().is_empty());

        let on = intake.to_be_checked();
        let spool = Spooled::inspect(&on).await.unwrap();
        assert_eq!(quarantine_fault(&on, &spool, &row).await.unwrap(), None);
        // A row whose bytes are gone, and did not move, is still named.
        let mut tx = intake.db.write().await.unwrap();
        on!(&mut tx, c => sqlx::query("UPDATE quarantine SET pack_id = NULL").execute(c).await.map(drop)).unwrap();
        tx.commit().await.unwrap();
        let mut tx = intake.db.read().await.unwrap();
        let row = rows::quarantine_after(&mut tx, QuarantineId(0), 1).await.unwrap().remove(0);
        drop(tx);
        assert!(quarantine_fault(&on, &spool, &row).await.unwrap().is_some());
    })
    .await;
}
