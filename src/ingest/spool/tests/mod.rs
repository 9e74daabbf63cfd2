//! What a spool promises, on a disk that keeps none of its own promises.

mod faults;
mod starts;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use super::sim::SimDisk;
use super::*;
use crate::domain::{DeviceId, Micros};

const DIR: &str = "/spool";

fn small() -> SpoolOptions {
    SpoolOptions {
        segment_size: 128 << 10,
        buffer_size: 16 << 10,
        keep_buffers: 4,
        keep_free: 0,
        checkpoint: 100 << 10,
        quiet: Duration::from_secs(3_600),
    }
}

fn meta(number: u64) -> RecordMeta {
    RecordMeta {
        received: Micros(1_700_000_000_000_000),
        calling_ae: "US1".into(),
        called_ae: "YUNYING".into(),
        peer: "127.0.0.1".into(),
        device: Some(DeviceId(1)),
        sop_class: "1.2.840.10008.5.1.4.1.1.6.1".into(),
        sop_instance: format!("1.2.3.{number}"),
        transfer_syntax: "1.2.840.10008.1.2.1".into(),
    }
}

/// A data set told apart from every other; sometimes larger than a buffer.
fn dataset(seed: u64) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed);
    let length = if seed.is_multiple_of(5) { rng.random_range(16_000..90_000) } else { rng.random_range(0..11_000) };
    let mut bytes = vec![0; length];
    rng.fill_bytes(&mut bytes);
    bytes
}

async fn store(spool: &Spool, number: u64) -> Result<Receipt, SpoolError> {
    let mut writer = spool.begin(meta(number));
    for piece in dataset(number).chunks(7_000) {
        writer.append(piece).await;
    }
    writer.finish().await
}

fn open(disk: &SimDisk) -> Spool {
    Spool::open_on(Arc::new(disk.clone()), Path::new(DIR), small()).unwrap()
}

fn number_of(record: &Record) -> u64 {
    record.meta.sop_instance.rsplit('.').next().unwrap().parse().unwrap()
}

/// Every record is whole; returns them by their number, and there is one of each.
fn verified(spool: &Spool) -> BTreeMap<u64, Arc<Record>> {
    let mut found = BTreeMap::new();
    for record in spool.read_from(Position::START, usize::MAX) {
        let payload = spool.read_blocking(record.segment, record.offset, record.length as usize).unwrap();
        assert_eq!(crc32fast::hash(&payload), record.crc32);
        assert_eq!(&payload[128..132], b"DICM");
        assert_eq!(payload[record.dataset_offset as usize..], dataset(number_of(&record)), "the bytes that were sent");
        let doubled = found.insert(number_of(&record), record);
        assert!(doubled.is_none(), "one record each");
    }
    found
}

#[tokio::test]
async fn objects_small_and_large_come_back_verbatim_and_in_order() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    for number in 0..40 {
        let receipt = store(&spool, number).await.unwrap();
        let expected: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(dataset(number)).into();
        assert_eq!(receipt.sha256, expected);
    }
    assert_eq!(verified(&spool).len(), 40);
    let order: Vec<u64> = spool.read_from(Position::START, 100).iter().map(|record| number_of(record)).collect();
    assert_eq!(order, (0..40).collect::<Vec<_>>());
    assert_eq!(*spool.watch().borrow(), spool.read_from(Position::START, 100).last().unwrap().position);
    drop(spool);
    assert_eq!(verified(&open(&disk)).len(), 40);
}

#[tokio::test]
async fn a_receipt_means_the_bytes_are_on_the_device() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    for number in 0..30 {
        let receipt = store(&spool, number).await.unwrap();
        let path = Path::new(DIR).join(replay::file_name(receipt.segment));
        let on_device = disk.durable(&path, receipt.offset, receipt.length).expect("its file and its bytes");
        assert_eq!(crc32fast::hash(&on_device), receipt.crc32, "synced before the receipt");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_is_lost_whenever_the_power_goes() {
    let rounds = if std::env::var_os("YUNYING_SOAK").is_some() { 2_000 } else { 150 };
    for seed in 0..rounds {
        let disk = SimDisk::default();
        // Acknowledged before an earlier restart, too.
        let first = open(&disk);
        store(&first, 1_000).await.unwrap();
        drop(first);
        let spool = open(&disk);
        let before = disk.operations();
        disk.cut_power_after(StdRng::seed_from_u64(seed).random_range(0..120));
        let acknowledged = send_concurrently(&spool, 0).await;
        assert!(disk.operations() > before);
        drop(spool);
        for found in [disk.after_losing_the_unsynced(), disk.after_power_cut(seed)] {
            assert_all_there(seed, &found, &acknowledged).await;
        }
    }
}

async fn assert_all_there(seed: u64, disk: &SimDisk, acknowledged: &BTreeMap<u64, Position>) {
    let back = open(disk);
    let found = verified(&back);
    assert!(found.contains_key(&1_000), "seed {seed}");
    for (number, position) in acknowledged {
        let kept = found.get(number).unwrap_or_else(|| panic!("seed {seed}: object {number} was acknowledged"));
        assert_eq!(kept.position, *position);
    }
    // And life goes on.
    let next = store(&back, 2_000).await.unwrap();
    assert!(acknowledged.values().all(|position| *position < next.position), "positions are never reused");
}

/// 32 objects, numbered from `first`, from four senders; what was acknowledged.
async fn send_concurrently(spool: &Spool, first: u64) -> BTreeMap<u64, Position> {
    let acknowledged = Arc::new(Mutex::new(BTreeMap::new()));
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..4 {
        let (spool, acknowledged) = (spool.clone(), acknowledged.clone());
        senders.spawn(async move {
            for number in 0..8 {
                let number = first + sender * 8 + number;
                if let Ok(receipt) = store(&spool, number).await {
                    acknowledged.lock().unwrap().insert(number, receipt.position);
                }
            }
        });
    }
    while let Some(ended) = senders.join_next().await {
        ended.unwrap();
    }
    Arc::into_inner(acknowledged).unwrap().into_inner().unwrap()
}

#[tokio::test]
async fn an_object_given_up_half_way_leaves_nothing() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    let mut writer = spool.begin(meta(5));
    writer.append(&vec![1; 100_000]).await;
    drop(writer);
    store(&spool, 1).await.unwrap();
    drop(spool);
    let killed = open(&disk.after_kill());
    assert_eq!(verified(&killed).into_keys().collect::<Vec<_>>(), [1]);
    assert_eq!(killed.segments().len(), 1);
}

#[tokio::test]
async fn a_segment_goes_when_nobody_needs_it_and_positions_go_on() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    let first = store(&spool, 1).await.unwrap();
    let second = store(&spool, 2).await.unwrap();
    assert!(matches!(spool.release(first.segment, first.position), Err(SpoolError::StillNeeded(_))));
    spool.release(first.segment, second.position).unwrap();
    assert!(matches!(spool.read_blocking(first.segment, first.offset, 10), Err(SpoolError::NoSuchSegment(_))));
    assert!(spool.segments().is_empty());
    drop(spool);
    let again = open(&disk.after_power_cut(3));
    let third = store(&again, 3).await.unwrap();
    assert!(third.position > second.position && third.segment > second.segment);
    assert_eq!(again.read_from(second.position, 10), [third]);
}

#[tokio::test]
async fn an_object_under_way_begins_with_no_header_not_even_that_of_another() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    store(&spool, 1).await.unwrap();
    let mut writer = spool.begin(meta(2));
    // So long that its first buffer, the one that the object before used, is written by now.
    writer.append(&vec![1; 100_000]).await;
    let newest = disk.list(Path::new(DIR)).unwrap().into_iter().filter(|name| name.ends_with(".seg")).max().unwrap();
    let mut block = vec![0xaa; BLOCK];
    disk.open(&Path::new(DIR).join(newest)).unwrap().read_at(&mut block, 0).unwrap();
    assert!(block.iter().all(|byte| *byte == 0));
}

#[tokio::test]
async fn a_record_inside_an_object_is_not_a_record() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    let inner = store(&spool, 1).await.unwrap();
    let forged =
        spool.read_blocking(inner.segment, inner.header_offset(), (inner.end() - inner.header_offset()) as usize);
    drop(spool);

    // The same bytes in a spool with another secret, placed so that they begin a block, in a record that then is torn.
    let other = SimDisk::default();
    let spool = open(&other);
    let mut writer = spool.begin(meta(9));
    let fill = BLOCK as u64 - writer.length();
    writer.append(&vec![0; fill as usize]).await;
    writer.append(&forged.unwrap()).await;
    let outer = writer.finish().await.unwrap();
    let path = Path::new(DIR).join(replay::file_name(outer.segment));
    let file = other.open(&path).unwrap();
    let mut zero = buffer::AlignedBuf::new(1);
    zero.fill(0);
    file.write_at(&zero, outer.offset).unwrap();
    assert!(open(&other.after_kill()).read_from(Position::START, 10).is_empty());
}

#[test]
fn two_processes_do_not_share_a_spool() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), small()).unwrap();
    assert!(matches!(Spool::open(dir.path(), small()), Err(SpoolError::InUse(_))));
    drop(spool);
    Spool::open(dir.path(), small()).unwrap();
}

#[tokio::test]
async fn the_real_disk_keeps_them_too() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), small()).unwrap();
    for number in 0..20 {
        store(&spool, number).await.unwrap();
    }
    drop(spool);
    assert_eq!(inspect(dir.path()).unwrap().records.len(), 20);
    let spool = Spool::open(dir.path(), small()).unwrap();
    assert_eq!(verified(&spool).len(), 20);
}
