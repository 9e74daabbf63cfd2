//! Starts: what is read again, what is taken as settled, and many lives of one disk.

use super::super::buffer::AlignedBuf;
use super::super::record::SegmentId;
use super::super::replay::{Settled, State, read_state, write_state};
use super::super::sim::Faults;
use super::*;

/// Overwrites one block of what was received.
fn damage(disk: &SimDisk, record: &Record) {
    let file = disk.open(&Path::new(DIR).join(replay::file_name(record.segment))).unwrap();
    let mut block = AlignedBuf::new(1);
    block.fill(0xdb);
    file.write_at(&block, record.offset).unwrap();
}

#[tokio::test]
async fn a_start_reads_no_more_than_headers_of_what_was_settled() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    let mut bytes = 0;
    for number in 0..60 {
        bytes += store(&spool, number).await.unwrap().length;
    }
    drop(spool);
    let before = disk.bytes_read();
    let spool = open(&disk);
    let read = disk.bytes_read() - before;
    assert!(read < 120 * BLOCK as u64 && read < bytes / 2, "{read} of {bytes} bytes read");
    assert_eq!(verified(&spool).len(), 60);
}

#[tokio::test]
async fn what_came_after_the_last_checkpoint_is_verified() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    store(&spool, 1).await.unwrap();
    let unsettled = store(&spool, 2).await.unwrap();
    damage(&disk, &unsettled);
    // A kill leaves no time for a last note.
    let killed = disk.after_kill();
    assert_eq!(verified(&open(&killed)).into_keys().collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn damage_to_what_was_settled_is_kept_for_whoever_must_look_at_it() {
    let disk = SimDisk::default();
    let spool = open(&disk);
    let alone = store(&spool, 5).await.unwrap();
    drop(spool);
    damage(&disk, &alone);
    for _ in 0..2 {
        let spool = open(&disk);
        let [record] = &spool.read_from(Position::START, 10)[..] else { panic!("one record") };
        let bytes = spool.read_blocking(record.segment, record.offset, record.length as usize).unwrap();
        assert_ne!(crc32fast::hash(&bytes), record.crc32, "its reader sees that it is not what was received");
    }
}

#[test]
fn a_state_without_a_settled_position_settles_nothing() {
    let disk = SimDisk::default();
    let file = disk.create(&Path::new(DIR).join("state"), 0).unwrap();
    let mut block = AlignedBuf::new(1);
    block.fill(b'\n');
    let json = br#"{"key":"000102030405060708090a0b0c0d0e0f","position":7,"segment":3}"#;
    block[..json.len()].copy_from_slice(json);
    file.write_at(&block, 0).unwrap();
    let (_, state) = read_state(&disk, Path::new(DIR)).unwrap().unwrap();
    assert_eq!(state, State { position: 7, segment: 3, settled: Settled::default() });
}

#[test]
fn more_doubt_than_fits_the_state_settles_nothing() {
    let disk = SimDisk::default();
    let dir = Path::new(DIR);
    let with = |doubtful: u64| {
        let settled = Settled { through: Position(40), doubtful: (0..doubtful).map(SegmentId).collect() };
        State { position: 41, segment: 5_000, settled }
    };
    write_state(&disk, dir, &[1; 16], &with(100)).unwrap();
    assert_eq!(read_state(&disk, dir).unwrap(), Some(([1; 16], with(100))));
    write_state(&disk, dir, &[1; 16], &with(5_000)).unwrap();
    let (_, state) = read_state(&disk, dir).unwrap().unwrap();
    assert_eq!(state, State { settled: Settled::default(), ..with(0) });
}

/// Kills, power cuts in operation and in recovery, faults and releases, one after the other on the same disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_is_lost_over_many_lives() {
    let rounds = if std::env::var_os("YUNYING_SOAK").is_some() { 1_000 } else { 60 };
    for seed in 0..rounds {
        let mut lives = Lives::new(seed);
        for _ in 0..8 {
            lives.live().await;
        }
    }
}

struct Lives {
    seed: u64,
    rng: StdRng,
    disk: SimDisk,
    /// What must be there, by number.
    acknowledged: BTreeMap<u64, Position>,
    highest: Position,
    next_number: u64,
}

impl Lives {
    fn new(seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        let acknowledged = BTreeMap::new();
        Self { seed, rng, disk: SimDisk::default(), acknowledged, highest: Position::START, next_number: 0 }
    }

    async fn live(&mut self) {
        if self.rng.random_bool(0.7) {
            self.disk.cut_power_after(self.rng.random_range(0..150));
        }
        // A start that is cut off is one life, too.
        if let Ok(spool) = Spool::open_on(Arc::new(self.disk.clone()), Path::new(DIR), small()) {
            self.look(&spool);
            let nth = Some(self.rng.random_range(0..60));
            match self.rng.random_range(0..4) {
                0 => self.disk.set_faults(Faults { failing_sync: nth, ..Faults::default() }),
                1 => self.disk.set_faults(Faults { failing_write: nth, ..Faults::default() }),
                _ => {}
            }
            self.send(&spool).await;
            self.release_one(&spool);
        }
        self.end();
    }

    fn look(&self, spool: &Spool) {
        let found = verified(spool);
        for (number, position) in &self.acknowledged {
            let kept = found.get(number).map(|record| record.position);
            assert_eq!(kept, Some(*position), "seed {}: object {number} was acknowledged", self.seed);
        }
    }

    async fn send(&mut self, spool: &Spool) {
        let before = self.highest;
        for _ in 0..self.rng.random_range(0..3) {
            for (number, position) in send_concurrently(spool, self.next_number).await {
                assert!(position > before, "seed {}: positions are never reused", self.seed);
                self.highest = self.highest.max(position);
                self.acknowledged.insert(number, position);
            }
            self.next_number += 32;
        }
    }

    fn release_one(&mut self, spool: &Spool) {
        let segments = spool.segments();
        if segments.is_empty() || self.rng.random() {
            return;
        }
        let segment = &segments[self.rng.random_range(0..segments.len())];
        for record in spool.read_from(Position::START, usize::MAX) {
            if record.segment == segment.id {
                self.acknowledged.remove(&number_of(&record));
            }
        }
        // Whether it worked or not: nobody needs it any more.
        drop(spool.release(segment.id, segment.last));
    }

    fn end(&mut self) {
        let seed = self.rng.random();
        self.disk = match self.rng.random_range(0..3) {
            0 if !self.disk.power_is_off() => self.disk.after_kill(),
            1 => self.disk.after_losing_the_unsynced(),
            _ => self.disk.after_power_cut(seed),
        };
    }
}
