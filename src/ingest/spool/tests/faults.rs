//! Disks that fail: what is refused, what is given up for good, and what goes on.

use tokio::sync::oneshot;

use super::super::commit::Commit;
use super::super::log::Segment;
use super::super::sim::Faults;
use super::*;

fn segment_files(disk: &SimDisk) -> usize {
    disk.list(Path::new(DIR)).unwrap().iter().filter(|name| name.ends_with(".seg")).count()
}

fn path_of(record: &Record) -> std::path::PathBuf {
    Path::new(DIR).join(replay::file_name(record.segment))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failed_write_or_sync_fails_its_objects_alone_and_for_good() {
    for seed in 0..60 {
        let disk = SimDisk::default();
        let spool = open(&disk);
        let nth = Some(seed % 20);
        let faults = if seed % 2 == 0 {
            Faults { failing_sync: nth, ..Faults::default() }
        } else {
            Faults { failing_write: nth, ..Faults::default() }
        };
        disk.set_faults(faults);
        let acknowledged = send_concurrently(&spool, 0).await;
        assert!(acknowledged.len() >= 20, "the spool recovers by itself: {} of 32 after one fault", acknowledged.len());
        let readable: Vec<u64> = verified(&spool).into_keys().collect();
        assert_eq!(readable, acknowledged.keys().copied().collect::<Vec<_>>(), "readers see what was acknowledged");
        drop(spool);
        let found = verified(&open(&disk.after_power_cut(seed)));
        assert!(acknowledged.keys().all(|number| found.contains_key(number)), "seed {seed}");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_takes_again_when_there_is_room() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    disk.set_free(1000);
    assert!(matches!(store(&spool, 1).await, Err(SpoolError::Full)));
    assert!(matches!(store(&spool, 5).await, Err(SpoolError::Full)), "a large one");
    disk.set_free(u64::MAX);
    store(&spool, 2).await.unwrap();
    store(&spool, 10).await.unwrap();
    assert_eq!(verified(&spool).into_keys().collect::<Vec<_>>(), [2, 10]);
}

#[tokio::test]
async fn a_segment_whose_sync_failed_is_given_up_with_what_was_refused_in_it() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    let before = store(&spool, 1).await.unwrap();
    disk.set_faults(Faults { failing_sync: Some(0), ..Faults::default() });
    assert!(matches!(store(&spool, 2).await, Err(SpoolError::Abandoned)));
    let after = store(&spool, 3).await.unwrap();
    assert_ne!(after.segment, before.segment, "a second sync of the same file may lie about what the first lost");
    assert_eq!(verified(&spool).into_keys().collect::<Vec<_>>(), [1, 3]);
    drop(spool);
    let found = verified(&open(&disk.after_losing_the_unsynced()));
    assert_eq!(found.into_keys().collect::<Vec<_>>(), [1, 3]);
}

#[tokio::test]
async fn an_object_written_before_its_segment_was_given_up_is_refused_after() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    let written = store(&spool, 1).await.unwrap();
    let segment = Segment::new(written.segment, disk.open(&path_of(&written)).unwrap());
    segment.abandon();
    let (reply, answer) = oneshot::channel();
    let record = Record { position: Position(written.position.0 + 1), ..(*written).clone() };
    spool.shared.queue.push(Commit { segment, record, new_file: false, reply });
    assert!(matches!(answer.await.unwrap(), Err(SpoolError::Abandoned)));
}

#[tokio::test]
async fn a_write_torn_anywhere_is_no_record_and_harms_no_other() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    // A header and two or more blocks, in one write.
    let long = (2..).find(|number| number % 5 != 0 && dataset(*number).len() > BLOCK).unwrap();
    store(&spool, 1).await.unwrap();
    disk.cut_power_after(0);
    store(&spool, long).await.unwrap_err();
    drop(spool);
    let length = store(&open(&SimDisk::default()), long).await.unwrap().length as usize;
    let sectors = (BLOCK + length).div_ceil(512);
    for at in 0..=sectors {
        for (written, whole) in [(0..at, at == sectors), (at..sectors, at == 0)] {
            let torn = disk.after_tearing_a_write(written);
            let back = open(&torn);
            let expected: &[u64] = if whole { &[1, long] } else { &[1] };
            assert_eq!(verified(&back).into_keys().collect::<Vec<_>>(), expected, "torn at sector {at}");
            store(&back, 1_000).await.unwrap();
            drop(back);
            let numbers: Vec<u64> = verified(&open(&torn.after_losing_the_unsynced())).into_keys().collect();
            assert_eq!(numbers, [expected, &[1_000]].concat(), "torn at sector {at}");
        }
    }
}

#[tokio::test]
async fn attempts_on_a_failing_disk_do_not_fill_it() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    for attempt in 0..10 {
        let faults = match attempt % 2 {
            0 => Faults { failing_sync: Some(0), ..Faults::default() },
            _ => Faults { failing_write: Some(0), ..Faults::default() },
        };
        disk.set_faults(faults);
        // Every fifth is large enough for a segment of its own.
        store(&spool, attempt).await.unwrap_err();
        // What a sender gave up half way is removed behind its back.
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while segment_files(&disk) > 1 {
            assert!(std::time::Instant::now() < deadline, "only the segment in use is kept");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    disk.set_faults(Faults::default());
    store(&spool, 11).await.unwrap();
}

#[tokio::test]
async fn a_segment_that_can_not_be_released_stays_readable_until_it_is() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    let kept = store(&spool, 1).await.unwrap();
    let read = || spool.read_blocking(kept.segment, kept.offset, 10);
    for faults in [
        Faults { undeletable: true, ..Faults::default() },
        Faults { failing_sync: Some(0), ..Faults::default() },
        Faults { failing_write: Some(0), ..Faults::default() },
    ] {
        disk.set_faults(faults);
        spool.release(kept.segment, kept.position).unwrap_err();
        read().unwrap();
        assert_eq!(spool.read_from(Position::START, 10).len(), 1);
    }
    let next = store(&spool, 2).await.unwrap();
    assert_ne!(next.segment, kept.segment, "it takes nothing new");
    disk.set_faults(Faults::default());
    spool.release(kept.segment, kept.position).unwrap();
    assert!(matches!(read(), Err(SpoolError::NoSuchSegment(_))));
}

#[tokio::test]
async fn a_segment_that_can_not_be_read_keeps_no_other_from_starting() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    let first = store(&spool, 1).await.unwrap();
    // Large ones have segments of their own.
    let last = store(&spool, 10).await.unwrap();
    drop(spool);
    disk.set_faults(Faults { unreadable: Some(path_of(&last)), ..Faults::default() });
    let spool = open(&disk);
    assert_eq!(verified(&spool).into_keys().collect::<Vec<_>>(), [1]);
    let next = store(&spool, 2).await.unwrap();
    assert!(next.position > last.position && next.segment > last.segment);
    drop(spool);
    disk.set_faults(Faults::default());
    let found = verified(&open(&disk));
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [1, 2, 10], "nothing of it was touched");
    assert_eq!((found[&1].position, found[&10].position), (first.position, last.position));
}
