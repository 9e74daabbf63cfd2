//! With the index gone, packs and spool are enough to have every image again.

use super::*;
use crate::index::Db;
use crate::ingest::rebuild::{RebuildError, rebuild};

fn options() -> IndexerOptions {
    IndexerOptions { node: NODE.into(), zone_minutes: 480 }
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
        let rebuilt = rebuild(&intake.db, &intake.archive, &intake.spool, options(), |_| {}).await.unwrap();
        assert_eq!((rebuilt.packs, rebuilt.from_packs), (2, tally(2, 0, 1)));
        assert_eq!(rebuilt.from_spool, tally(1, 0, 0));
        assert!(rebuilt.unreadable.is_empty());
        for (file, number) in files.iter().zip([1, 2, 3]) {
            assert_eq!(intake.read(number).await, *file);
        }
        assert_eq!(intake.word("SELECT code FROM site ORDER BY id LIMIT 1").await, "xz");
        assert_eq!(intake.word("SELECT name FROM patient").await, "李明");
        assert_eq!(intake.count("SELECT COUNT(*) FROM quarantine").await, 1);
        let again = rebuild(&intake.db, &intake.archive, &intake.spool, options(), |_| {}).await;
        assert!(matches!(again, Err(RebuildError::NotEmpty)));
    })
    .await;
}
