//! A store that is slow, and one that is down until the spool is full: whoever sends hears of it last, and only then.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::ingest::spool::{Disk, DiskFile, OsDisk, SpoolError};

/// What a far S3 takes for one request.
const SLOW: Duration = Duration::from_millis(100);
/// What one takes that answers nobody, as far as a test is concerned.
const STUCK: Duration = Duration::from_secs(3_600);

fn of_study(study: u32, number: u32) -> Object {
    Slice { study: &format!("1.2.{study}"), number, ..Slice::default() }.object()
}

#[tokio::test]
async fn intake_does_not_wait_for_a_store_that_hangs_and_a_slow_one_catches_up() {
    on_both_engines(async |db| {
        let mut intake = Intake::over(db, Store::s3()).await;
        for study in 1..=20 {
            intake.receive(&of_study(study, 1)).await;
        }
        let (_, indexed) = intake.index().await;
        intake.archive = intake.store.slow(STUCK);
        let mut sealer = intake.sealer(indexed);
        let receiving = async {
            for study in 21..=40 {
                intake.receive(&of_study(study, 1)).await;
            }
        };
        tokio::select! {
            biased;
            sealed = sealer.pass(later()) => panic!("the store is stuck, and sealing ended with {sealed:?}"),
            () = receiving => {}
        }

        intake.archive = intake.store.slow(SLOW);
        let (_, indexed) = intake.index().await;
        let (mut sealer, mut sealed) = (intake.sealer(indexed), 0);
        while sealed < 40 {
            let more = sealer.pass(later()).await.unwrap();
            assert_ne!(more, 0, "only {sealed} are sealed");
            sealed += more;
        }
        assert!(intake.spool.segments().is_empty(), "caught up");
        assert_eq!(intake.count("SELECT COUNT(*) FROM instance WHERE pack_id IS NOT NULL").await, 40);
    })
    .await;
}

/// The real disk, with as much room as is left of `room` after the spool's segments.
#[derive(Clone)]
struct SmallDisk {
    room: Arc<AtomicU64>,
}

impl Disk for SmallDisk {
    fn create(&self, path: &Path, allocate: u64) -> io::Result<Arc<dyn DiskFile>> {
        OsDisk.create(path, allocate)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        OsDisk.open(path)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        OsDisk.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        OsDisk.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        OsDisk.sync_dir(dir)
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        let mut used = 0;
        for name in OsDisk.list(dir)?.iter().filter(|name| name.ends_with(".seg")) {
            used += std::fs::metadata(dir.join(name))?.len();
        }
        Ok(self.room.load(Ordering::Relaxed).saturating_sub(used))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        OsDisk.lock(path)
    }
}

impl Intake {
    async fn offers(&self, object: &Object) -> Result<(), SpoolError> {
        let mut writer = self.spool.begin(RecordMeta {
            received: clock::now(),
            calling_ae: "CT1".into(),
            called_ae: "YUNYING".into(),
            peer: "127.0.0.1".into(),
            device: Some(self.device),
            sop_class: CT.into(),
            sop_instance: object.sent_as.clone(),
            transfer_syntax: object.syntax.into(),
        });
        writer.append(&object.dataset).await;
        writer.finish().await.map(drop)
    }
}

#[tokio::test]
async fn with_the_store_down_objects_are_taken_until_the_watermark_and_again_when_it_is_back() {
    on_both_engines(async |db| {
        let mut intake = Intake::new(db).await;
        // Segments of one object each, room for about ten of them above the watermark.
        let (segment, watermark) = (4096, 16 * 4096);
        let disk = SmallDisk { room: Arc::new(AtomicU64::new(watermark + 10 * segment)) };
        let dir = tempfile::tempdir().unwrap();
        let options = SpoolOptions { segment_size: segment, keep_free: watermark, ..SpoolOptions::default() };
        intake.spool = Spool::open_on(Arc::new(disk.clone()), dir.path(), options).unwrap();
        intake.spool_dir = dir;
        let in_the_way = intake.store.folder.join("packs");
        std::fs::write(&in_the_way, "").unwrap();

        let mut taken = 0;
        let refused = loop {
            match intake.offers(&of_study(taken + 1, 1)).await {
                Ok(()) => taken += 1,
                Err(error) => break error,
            }
            let (_, indexed) = intake.index().await;
            assert!(intake.sealer(indexed).pass(later()).await.is_err(), "the store is down");
            assert!(taken < 100, "the disk is small");
        };
        assert!(matches!(refused, SpoolError::Full), "{refused}");
        assert!(taken >= 5, "taken until the watermark: {taken}");

        std::fs::remove_file(&in_the_way).unwrap();
        let (_, indexed) = intake.index().await;
        assert_eq!(intake.sealer(indexed).pass(later()).await.unwrap(), taken as usize);
        intake.offers(&of_study(taken + 1, 1)).await.unwrap();
        intake.index().await;
        assert_eq!(intake.count("SELECT COUNT(*) FROM instance").await, i64::from(taken) + 1);
    })
    .await;
}
