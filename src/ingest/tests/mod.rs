//! What was received becomes rows and packs, on both engines and both stores, also when killed in between.

mod backup;
mod check;
mod completeness;
mod decoder;
mod delivery;
mod erasure;
mod lost;
mod rebuild;
mod release;
mod sealing;
mod sites;
mod store;
mod writings;

use futures_util::TryStreamExt;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::archive::Archive;
use crate::archive::testing::Store;
use crate::clock;
use crate::domain::{DeviceId, InstanceId, Micros, SiteId, Targets};
use crate::index::archive::Place;
use crate::index::testing::{on_both_engines, store_of};
use crate::index::{Db, Scope, community, on, quarantine};
use crate::ingest::activity::{Activity, Sender};
use crate::ingest::batch::{Origin, Tally};
use crate::ingest::bytes::InstanceBytes;
use crate::ingest::completeness::{Completeness, QuietTimes};
use crate::ingest::indexer::{Indexer, IndexerOptions};
use crate::ingest::sealer::{Sealer, SealerOptions};
use crate::ingest::spool::{Position, RecordMeta, Spool, SpoolOptions};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const NODE: &str = "node-1";

/// One center's intake without its listener.
struct Intake {
    db: Db,
    spool: Spool,
    archive: Archive,
    site: SiteId,
    device: DeviceId,
    spool_dir: TempDir,
    store: Store,
}

impl Intake {
    async fn new(db: Db) -> Self {
        let store = store_of(&db);
        Self::over(db, store).await
    }

    async fn over(db: Db, store: Store) -> Self {
        let spool_dir = tempfile::tempdir().unwrap();
        let options = SpoolOptions { segment_size: 1 << 20, keep_free: 0, ..SpoolOptions::default() };
        let spool = Spool::open(spool_dir.path(), options).unwrap();
        let archive = store.archive.clone();
        let mut tx = db.write().await.unwrap();
        let site = community::add_site(&mut tx, "xz", "新镇卫生院", "township", Micros(1)).await.unwrap();
        let device = community::add_device(&mut tx, "CT1", site, "CT", None, Micros(1)).await.unwrap();
        tx.commit().await.unwrap();
        Self { db, spool, archive, site, device, spool_dir, store }
    }

    async fn other_site(&self) -> (SiteId, DeviceId) {
        let mut tx = self.db.write().await.unwrap();
        let site = community::add_site(&mut tx, "dh", "东河卫生院", "township", Micros(1)).await.unwrap();
        let device = community::add_device(&mut tx, "CT2", site, "CT", None, Micros(1)).await.unwrap();
        tx.commit().await.unwrap();
        (site, device)
    }

    async fn receive(&self, object: &Object) -> Vec<u8> {
        self.receive_from(self.device, "CT1", object).await
    }

    /// Puts an object into the spool as the listener does; returns its Part-10 file.
    async fn receive_from(&self, device: DeviceId, calling_ae: &str, object: &Object) -> Vec<u8> {
        self.receive_as(Some(device), calling_ae, object).await
    }

    async fn receive_unknown(&self, calling_ae: &str, object: &Object) -> Vec<u8> {
        self.receive_as(None, calling_ae, object).await
    }

    async fn receive_as(&self, device: Option<DeviceId>, calling_ae: &str, object: &Object) -> Vec<u8> {
        let mut writer = self.spool.begin(RecordMeta {
            received: clock::now(),
            calling_ae: calling_ae.into(),
            called_ae: "YUNYING".into(),
            peer: "127.0.0.1".into(),
            device,
            sop_class: CT.into(),
            sop_instance: object.sent_as.clone(),
            transfer_syntax: object.syntax.into(),
        });
        writer.append(&object.dataset).await;
        let receipt = writer.finish().await.unwrap();
        self.spool.read(receipt.segment, receipt.offset, receipt.length as usize).await.unwrap().to_vec()
    }

    fn indexer(&self) -> Indexer {
        let options = IndexerOptions { node: NODE.into(), zone_minutes: 480 };
        Indexer::new(self.db.clone(), self.spool.clone(), options)
    }

    /// Indexes everything that waits, as after a start.
    async fn index(&self) -> (Tally, watch::Receiver<Position>) {
        let mut indexer = self.indexer();
        let mut all = Tally::default();
        while let Some(tally) = indexer.step().await.unwrap() {
            all.stored += tally.stored;
            all.duplicates += tally.duplicates;
            all.quarantined += tally.quarantined;
        }
        (all, indexer.indexed())
    }

    fn sealer(&self, indexed: watch::Receiver<Position>) -> Sealer {
        Sealer::new(self.db.clone(), self.spool.clone(), self.archive.clone(), indexed, SealerOptions::new(NODE))
    }

    fn completeness(&self, indexed: watch::Receiver<Position>, activity: Activity) -> Completeness {
        Completeness {
            db: self.db.clone(),
            spool: self.spool.clone(),
            indexed,
            activity,
            quiet: QuietTimes::of_config(&crate::config::Ingest::default()),
            targets: Targets::default(),
        }
    }

    fn bytes(&self) -> InstanceBytes {
        InstanceBytes::new(self.db.clone(), Some(self.spool.clone()), self.archive.clone(), NODE)
    }

    async fn read(&self, instance: i64) -> Vec<u8> {
        let (_, stream) = self.bytes().stream(Scope::All, InstanceId(instance), None).await.unwrap();
        stream.try_collect::<Vec<_>>().await.unwrap().concat()
    }

    async fn count(&self, sql: &'static str) -> i64 {
        let mut tx = self.db.read().await.unwrap();
        on!(&mut tx, c => sqlx::query_scalar::<_, i64>(sql).fetch_one(c).await).unwrap()
    }

    async fn word(&self, sql: &'static str) -> String {
        let mut tx = self.db.read().await.unwrap();
        on!(&mut tx, c => sqlx::query_scalar::<_, String>(sql).fetch_one(c).await).unwrap()
    }

    async fn events(&self) -> Vec<String> {
        let mut tx = self.db.read().await.unwrap();
        on!(&mut tx, c => sqlx::query_scalar::<_, String>(
            "SELECT kind FROM event WHERE kind NOT LIKE 'site.%' AND kind NOT LIKE 'device.%' ORDER BY id")
            .fetch_all(c).await)
        .unwrap()
    }
}

/// A CT slice of four pixels, or what is made of it.
#[derive(Clone)]
struct Object {
    sent_as: String,
    syntax: &'static str,
    dataset: Vec<u8>,
}

struct Slice<'a> {
    study: &'a str,
    number: u32,
    pid: &'a str,
    pixels: [u8; 8],
    /// Counts of group 0020, element and value.
    counts: &'a [(u16, &'a str)],
}

impl Default for Slice<'_> {
    fn default() -> Self {
        Self { study: "1.2.3", number: 1, pid: "P-7", pixels: [1, 0, 2, 0, 3, 0, 4, 0], counts: &[] }
    }
}

impl Slice<'_> {
    fn uid(&self) -> String {
        format!("{}.4.{}", self.study, self.number)
    }

    fn object(&self) -> Object {
        let mut out = Vec::new();
        element(&mut out, 0x0008, 0x0005, b"CS", b"ISO_IR 192");
        element(&mut out, 0x0008, 0x0016, b"UI", CT.as_bytes());
        element(&mut out, 0x0008, 0x0018, b"UI", self.uid().as_bytes());
        element(&mut out, 0x0008, 0x0020, b"DA", b"20260301");
        element(&mut out, 0x0008, 0x0030, b"TM", b"093000");
        element(&mut out, 0x0008, 0x0050, b"SH", b"A100");
        element(&mut out, 0x0008, 0x0060, b"CS", b"CT");
        element(&mut out, 0x0008, 0x1030, b"LO", "胸部平扫".as_bytes());
        element(&mut out, 0x0010, 0x0010, b"PN", "Li^Ming=李^明=".as_bytes());
        element(&mut out, 0x0010, 0x0020, b"LO", self.pid.as_bytes());
        element(&mut out, 0x0010, 0x0030, b"DA", b"19680420");
        element(&mut out, 0x0010, 0x0040, b"CS", b"M");
        element(&mut out, 0x0018, 0x0015, b"CS", b"CHEST");
        element(&mut out, 0x0020, 0x000d, b"UI", self.study.as_bytes());
        element(&mut out, 0x0020, 0x000e, b"UI", format!("{}.4", self.study).as_bytes());
        element(&mut out, 0x0020, 0x0011, b"IS", b"2");
        element(&mut out, 0x0020, 0x0013, b"IS", self.number.to_string().as_bytes());
        for (number, value) in self.counts {
            element(&mut out, 0x0020, *number, b"IS", value.as_bytes());
        }
        element(&mut out, 0x0028, 0x0002, b"US", &[1, 0]);
        element(&mut out, 0x0028, 0x0004, b"CS", b"MONOCHROME2");
        element(&mut out, 0x0028, 0x0010, b"US", &[2, 0]);
        element(&mut out, 0x0028, 0x0011, b"US", &[2, 0]);
        element(&mut out, 0x0028, 0x0100, b"US", &[16, 0]);
        element(&mut out, 0x0028, 0x0101, b"US", &[16, 0]);
        element(&mut out, 0x0028, 0x0102, b"US", &[15, 0]);
        element(&mut out, 0x0028, 0x0103, b"US", &[0, 0]);
        out.extend_from_slice(&[0xe0, 0x7f, 0x10, 0x00, b'O', b'W', 0, 0, 8, 0, 0, 0]);
        out.extend_from_slice(&self.pixels);
        Object { sent_as: self.uid(), syntax: EXPLICIT, dataset: out }
    }
}

/// An explicit little endian element with a two-byte length.
fn element(out: &mut Vec<u8>, group: u16, number: u16, vr: &[u8; 2], value: &[u8]) {
    out.extend_from_slice(&group.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(vr);
    out.extend_from_slice(&(value.len().next_multiple_of(2) as u16).to_le_bytes());
    out.extend_from_slice(value);
    if !value.len().is_multiple_of(2) {
        out.push(if vr == b"UI" { 0 } else { b' ' });
    }
}

fn slice(number: u32) -> Object {
    Slice { number, ..Slice::default() }.object()
}

fn tally(stored: usize, duplicates: usize, quarantined: usize) -> Tally {
    Tally { stored, duplicates, quarantined }
}

/// A time by which everything is quiet.
fn later() -> Micros {
    Micros(clock::now().0 + 3_600_000_000)
}

#[tokio::test]
async fn a_pushed_study_becomes_one_case_with_its_patient_series_and_images() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        for number in 1..=3 {
            intake.receive(&slice(number)).await;
        }
        assert_eq!(intake.index().await.0, tally(3, 0, 0));
        assert_eq!(intake.word("SELECT name FROM patient").await, "李明");
        assert_eq!(intake.word("SELECT description FROM study").await, "胸部平扫");
        assert_eq!(intake.count("SELECT instances FROM study").await, 3);
        assert_eq!(intake.count("SELECT instances FROM series").await, 3);
        assert_eq!(intake.count("SELECT COUNT(*) FROM instance WHERE delivery = 'pending'").await, 3);
        assert_eq!(intake.count("SELECT COUNT(*) FROM instance_metadata").await, 3);
        // 09:30 on a clock eight hours east of Greenwich.
        assert_eq!(intake.count("SELECT exam_us FROM study").await, 1_772_328_600_000_000);
        assert_eq!(intake.word("SELECT state FROM case_").await, "arriving");
        assert_eq!(intake.word("SELECT modality FROM case_").await, "CT");
        assert_eq!(intake.events().await, ["study.arriving"]);
    })
    .await;
}

#[tokio::test]
async fn the_same_spool_read_again_after_a_kill_changes_nothing() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        intake.receive(&slice(1)).await;
        intake.receive(&slice(2)).await;
        intake
            .receive(&Object { sent_as: "9.9".into(), syntax: EXPLICIT, dataset: b"not a data set at all".to_vec() })
            .await;
        assert_eq!(intake.indexer().step().await.unwrap(), Some(tally(2, 0, 1)));
        let before = (intake.events().await, intake.count("SELECT COUNT(*) FROM instance").await);
        // Killed here: a new reader begins at the spool's start, where more has come meanwhile.
        assert_eq!(intake.index().await.0, tally(0, 0, 0));
        assert_eq!((intake.events().await, intake.count("SELECT COUNT(*) FROM instance").await), before);
        intake.receive(&slice(3)).await;
        assert_eq!(intake.index().await.0, tally(1, 0, 0));
        assert_eq!(intake.count("SELECT instances FROM study").await, 3);
        assert_eq!(intake.count("SELECT position FROM spool_cursor").await, 4);
    })
    .await;
}

#[tokio::test]
async fn a_batch_whose_transaction_dies_is_indexed_whole_the_next_time() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        intake.receive(&slice(1)).await;
        let mut tx = intake.db.write().await.unwrap();
        let records = intake.spool.read_from(Position::START, 10);
        let items = [crate::ingest::batch::Item {
            record: records[0].clone(),
            outcome: Err(crate::ingest::describe::Refused {
                reason: quarantine::Reason { code: "parser_failed".into(), detail: String::new() },
                sop_uid: String::new(),
                study_uid: None,
            }),
        }];
        let mut pace = crate::ingest::batch::ProgressPace::default();
        let applied =
            crate::ingest::batch::apply(&mut tx, NODE, &items, Origin::Device, &mut pace, clock::now()).await.unwrap();
        assert_eq!(applied, tally(0, 0, 1));
        drop(tx);
        assert_eq!(intake.count("SELECT COUNT(*) FROM quarantine").await, 0);
        assert_eq!(intake.index().await.0, tally(1, 0, 0));
    })
    .await;
}

#[tokio::test]
async fn an_image_sent_twice_is_one_and_other_pixels_under_its_uid_are_kept_aside() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        intake.receive(&slice(1)).await;
        intake.receive(&slice(1)).await;
        let other = Slice { pixels: [9; 8], ..Slice::default() };
        let file = intake.receive(&other.object()).await;
        let (indexed, watch) = intake.index().await;
        assert_eq!(indexed, tally(1, 1, 1));
        assert_eq!(intake.word("SELECT reason FROM quarantine").await, "duplicate");
        assert_eq!(intake.count("SELECT quarantined FROM study").await, 1);
        assert_eq!(intake.count("SELECT instances FROM study").await, 1);
        assert_eq!(intake.events().await, ["study.arriving", "instance.quarantined"]);

        assert_eq!(intake.sealer(watch).pass(later()).await.unwrap(), 2);
        let mut tx = intake.db.read().await.unwrap();
        let kept = crate::index::archive::quarantine_after(&mut tx, crate::domain::QuarantineId(0), 10).await.unwrap();
        drop(tx);
        let stream = intake.bytes().open(&kept[0].place, None).await.unwrap();
        assert_eq!(stream.try_collect::<Vec<_>>().await.unwrap().concat(), file);
    })
    .await;
}

#[tokio::test]
async fn what_contradicts_itself_is_put_aside_with_its_reason_and_stops_nobody() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        let (_, other_device) = intake.other_site().await;
        intake.receive(&slice(1)).await;
        intake.receive(&Object { sent_as: "1.2.3.4.99".into(), ..slice(2) }).await;
        intake.receive(&Object { sent_as: "1.2.3.4.3".into(), syntax: EXPLICIT, dataset: vec![0xff; 5_000] }).await;
        intake.receive(&Slice { number: 4, pid: "P-8", ..Slice::default() }.object()).await;
        intake.receive_from(other_device, "CT2", &slice(5)).await;
        intake.receive(&Slice { study: "1.2/../3", number: 6, ..Slice::default() }.object()).await;
        intake.receive(&slice(7)).await;
        assert_eq!(intake.index().await.0, tally(2, 0, 5));
        let mut tx = intake.db.read().await.unwrap();
        let rows = quarantine::list(&mut tx, Scope::All, false, None, 10).await.unwrap();
        let reasons: Vec<_> = rows.iter().rev().map(|row| row.reason.as_str()).collect();
        assert_eq!(reasons, ["uid_mismatch", "bad_sequence", "patient_mismatch", "other_site", "bad_uid"]);
        let own = quarantine::list(&mut tx, Scope::Site(intake.site), false, None, 10).await.unwrap();
        assert_eq!(own.len(), 4, "the other site's attempt is not shown here");
        assert_eq!(quarantine::count(&mut tx, Scope::Site(intake.site), false).await.unwrap(), 4);
    })
    .await;
}

#[tokio::test]
async fn a_quiet_study_is_complete_and_queued_and_a_later_image_is_a_visible_event() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        intake.receive(&slice(1)).await;
        let (_, indexed) = intake.index().await;
        let activity = Activity::default();
        let completeness = intake.completeness(indexed.clone(), activity.clone());
        let now = clock::now();
        assert_eq!(completeness.pass(now).await.unwrap(), 0);
        activity.released(Sender::Device(intake.device), now);
        let soon = Micros(now.0 + 6_000_000);
        assert_eq!(completeness.pass(soon).await.unwrap(), 1);
        assert_eq!(intake.word("SELECT state FROM case_").await, "queued");
        assert_eq!(intake.count("SELECT due_us - queued_us FROM case_").await, 3_600_000_000);
        assert_eq!(completeness.pass(later()).await.unwrap(), 0);

        intake.receive(&slice(2)).await;
        intake.index().await;
        assert_eq!(intake.events().await, ["study.arriving", "study.complete", "case.queued", "study.late"]);
        assert_eq!(intake.count("SELECT instances FROM study").await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_study_is_not_complete_while_something_received_waits_to_be_indexed() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        intake.receive(&slice(1)).await;
        let (_, indexed) = intake.index().await;
        intake.receive(&slice(2)).await;
        let completeness = intake.completeness(indexed, Activity::default());
        assert_eq!(completeness.pass(later()).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_sealed_series_reads_the_same_from_its_pack_and_its_segment_is_gone() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        let mut files = Vec::new();
        for number in 1..=3 {
            files.push(intake.receive(&slice(number)).await);
        }
        let (_, indexed) = intake.index().await;
        let mut sealer = intake.sealer(indexed);
        assert_eq!(sealer.pass(clock::now()).await.unwrap(), 0, "not quiet yet");
        for (file, id) in files.iter().zip(1..) {
            assert_eq!(intake.read(id).await, *file);
        }
        assert_eq!(sealer.pass(later()).await.unwrap(), 1);
        assert!(intake.spool.segments().is_empty());
        for (file, id) in files.iter().zip(1..) {
            let stored = intake.bytes().find(Scope::Site(intake.site), InstanceId(id)).await.unwrap();
            assert!(matches!(stored.place, Place::Pack(_)));
            assert_eq!(intake.read(id).await, *file);
        }
        assert!(intake.bytes().find(Scope::Site(SiteId(99)), InstanceId(1)).await.is_err());
        assert_eq!(intake.events().await, ["study.arriving", "series.sealed"]);

        // The same image again, and one more: the first is known from its pack, the other makes a second pack.
        intake.receive(&slice(1)).await;
        let fourth = intake.receive(&slice(4)).await;
        let (again, indexed) = intake.index().await;
        assert_eq!(again, tally(1, 1, 0));
        assert_eq!(intake.sealer(indexed).pass(later()).await.unwrap(), 1);
        assert_eq!(intake.read(4).await, fourth);
        assert_eq!(intake.count("SELECT COUNT(*) FROM pack").await, 2);
        assert!(intake.spool.segments().is_empty());
    })
    .await;
}

#[tokio::test]
async fn with_the_store_down_everything_stays_readable_and_is_sealed_when_it_is_back() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        let file = intake.receive(&slice(1)).await;
        let (_, indexed) = intake.index().await;
        let mut sealer = intake.sealer(indexed);
        // A file where the packs' directory should be: nothing can be written.
        let in_the_way = intake.store.folder.join("packs");
        std::fs::write(&in_the_way, "").unwrap();
        assert!(sealer.pass(later()).await.is_err());
        assert_eq!(intake.read(1).await, file);
        intake.receive(&slice(2)).await;
        assert_eq!(intake.index().await.0, tally(1, 0, 0));
        std::fs::remove_file(&in_the_way).unwrap();
        assert_eq!(sealer.pass(later()).await.unwrap(), 1);
        assert_eq!(intake.read(1).await, file);
        assert_eq!(intake.count("SELECT COUNT(*) FROM instance WHERE pack_id IS NULL").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_damaged_object_in_the_spool_is_left_there_and_the_others_are_sealed() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        intake.receive(&slice(1)).await;
        intake.receive(&slice(2)).await;
        let (_, indexed) = intake.index().await;
        let record = intake.spool.read_from(Position::START, 1)[0].clone();
        let segment = intake.spool_dir.path().join(format!("{}.seg", record.segment));
        let file = std::fs::OpenOptions::new().write(true).open(segment).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"!", record.offset + record.length - 1).unwrap();
        let mut sealer = intake.sealer(indexed);
        assert!(sealer.pass(later()).await.is_ok());
        assert_eq!(intake.count("SELECT COUNT(*) FROM instance WHERE pack_id IS NULL").await, 1);
        assert_eq!(intake.count("SELECT entries FROM pack").await, 1);
        assert_eq!(intake.spool.segments().len(), 1);
    })
    .await;
}
