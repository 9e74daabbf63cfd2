//! What can't be packed holds up nobody: not the other series, not the segments that are free to go.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::ingest::spool::{Disk, DiskFile, OsDisk, SegmentId};

/// The real disk, with files that it refuses to read.
#[derive(Clone, Default)]
struct BadSectors(Arc<Mutex<Vec<PathBuf>>>);

struct BadFile {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    bad: BadSectors,
}

impl BadSectors {
    fn in_file(&self, path: &Path) {
        self.0.lock().unwrap().push(path.to_owned());
    }

    fn are_gone(&self) {
        self.0.lock().unwrap().clear();
    }

    fn wrap(&self, file: Arc<dyn DiskFile>, path: &Path) -> Arc<dyn DiskFile> {
        Arc::new(BadFile { file, path: path.to_owned(), bad: self.clone() })
    }
}

impl DiskFile for BadFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.bad.0.lock().unwrap().contains(&self.path) {
            true => Err(io::Error::from_raw_os_error(libc::EIO)),
            false => self.file.read_at(into, offset),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
}

impl Disk for BadSectors {
    fn create(&self, path: &Path, allocate: u64) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(OsDisk.create(path, allocate)?, path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(OsDisk.open(path)?, path))
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
        OsDisk.free_space(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        OsDisk.lock(path)
    }
}

impl Intake {
    /// An intake over a disk that may refuse to read, with a segment for each object.
    async fn on_a_bad_disk(db: Db) -> (Self, BadSectors) {
        let mut intake = Self::new(db).await;
        let (disk, dir) = (BadSectors::default(), tempfile::tempdir().unwrap());
        let options = SpoolOptions { segment_size: 4096, keep_free: 0, ..SpoolOptions::default() };
        intake.spool = Spool::open_on(Arc::new(disk.clone()), dir.path(), options).unwrap();
        intake.spool_dir = dir;
        (intake, disk)
    }

    /// Receives an object and tells its segment's file.
    async fn receive_into_segment(&self, object: &Object) -> PathBuf {
        self.receive(object).await;
        let segment = self.spool.segments().last().unwrap().id;
        self.file_of(segment)
    }

    fn file_of(&self, segment: SegmentId) -> PathBuf {
        self.spool_dir.path().join(format!("{segment}.seg"))
    }
}

fn of_study(study: &str, number: u32) -> Object {
    Slice { study, number, ..Slice::default() }.object()
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

#[tokio::test]
async fn an_object_that_can_t_be_read_holds_up_nobody_and_is_packed_once_it_can() {
    on_both_engines(async |db| {
        let (intake, disk) = Intake::on_a_bad_disk(db).await;
        let bad = intake.receive_into_segment(&of_study("1.2.3", 1)).await;
        intake.receive(&of_study("1.2.3", 2)).await;
        intake.receive(&of_study("1.2.9", 1)).await;
        let (_, indexed) = intake.index().await;
        let mut sealer = intake.sealer(indexed);
        disk.in_file(&bad);
        let quiet = later();
        assert_eq!(sealer.pass(quiet).await.unwrap(), 2, "the rest of its series, and the next series");
        assert_eq!(intake.count("SELECT COUNT(*) FROM instance WHERE pack_id IS NULL").await, 1);
        assert_eq!(intake.spool.segments().len(), 1, "only the segment that is needed still stands");

        disk.are_gone();
        assert_eq!(sealer.pass(quiet).await.unwrap(), 0, "not tried at once");
        assert_eq!(sealer.pass(quiet + minutes(2)).await.unwrap(), 1);
        assert!(intake.spool.segments().is_empty());
        assert_eq!(intake.count("SELECT COUNT(*) FROM instance WHERE pack_id IS NULL").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_segment_that_is_gone_holds_up_nobody() {
    on_both_engines(async |db| {
        let (intake, _) = Intake::on_a_bad_disk(db).await;
        let mut lost = Vec::new();
        for number in 1..=3 {
            lost.push(intake.receive_into_segment(&of_study("1.2.3", number)).await);
        }
        intake.receive(&of_study("1.2.3", 4)).await;
        intake.receive(&of_study("1.2.9", 1)).await;
        let (_, indexed) = intake.index().await;
        for file in lost {
            std::fs::remove_file(file).unwrap();
        }
        assert_eq!(intake.sealer(indexed).pass(later()).await.unwrap(), 2);
        assert_eq!(intake.count("SELECT COUNT(*) FROM instance WHERE pack_id IS NULL").await, 3);
        assert_eq!(intake.spool.segments().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn many_series_that_can_t_be_packed_do_not_crowd_out_the_next() {
    on_both_engines(async |db| {
        let (intake, disk) = Intake::on_a_bad_disk(db).await;
        let mut files = Vec::new();
        for study in 1..=33 {
            files.push(intake.receive_into_segment(&of_study(&format!("1.2.{study}"), 1)).await);
        }
        let (_, indexed) = intake.index().await;
        files[..32].iter().for_each(|file| disk.in_file(file));
        let mut sealer = intake.sealer(indexed);
        assert_eq!(sealer.pass(later()).await.unwrap(), 0, "a pass looks at so many series");
        assert_eq!(sealer.pass(later()).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn with_the_store_down_segments_that_nobody_needs_still_go() {
    on_both_engines(async |db| {
        let (mut intake, _) = Intake::on_a_bad_disk(db).await;
        intake.receive(&slice(1)).await;
        let (_, indexed) = intake.index().await;
        intake.sealer(indexed).pass(later()).await.unwrap();
        intake.receive(&slice(2)).await;
        intake.receive(&slice(1)).await;
        assert_eq!(intake.index().await.0, tally(1, 1, 0));

        // A file where the packs' directory should be: nothing can be written.
        let down = tempfile::tempdir().unwrap();
        intake.archive = Archive::open(&format!("file:{}", down.path().display())).unwrap();
        std::fs::write(down.path().join("packs"), "").unwrap();
        let (_, indexed) = intake.index().await;
        assert!(intake.sealer(indexed).pass(later()).await.is_err());
        assert_eq!(intake.spool.segments().len(), 1, "the repetition's segment went");
    })
    .await;
}

/// Names of all files and folders below.
fn names(folder: &std::path::Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        all.push(entry.file_name().to_string_lossy().into_owned());
        if entry.file_type().unwrap().is_dir() {
            all.extend(names(&entry.path()));
        }
    }
    all
}

#[tokio::test]
async fn no_file_is_named_by_a_uid_or_anything_else_a_device_sent() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        intake.receive(&slice(1)).await;
        intake.receive(&Object { sent_as: "../../../escaped".into(), ..slice(2) }).await;
        let spooled = names(intake.spool_dir.path());
        let (indexed, watch) = intake.index().await;
        assert_eq!(indexed, tally(1, 0, 1));
        assert_eq!(intake.sealer(watch).pass(later()).await.unwrap(), 2);
        let sealed = names(&intake.store.folder);
        assert!(!spooled.is_empty() && !sealed.is_empty());
        for name in spooled.iter().chain(&sealed) {
            assert!(!["1.2.3", "escaped", "CT1", "P-7"].iter().any(|sent| name.contains(sent)), "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn who_reads_an_instance_piece_by_piece_follows_it_into_its_pack() {
    use crate::ingest::derived::StoredFrames;
    use crate::pixels::FrameSource;

    on_both_engines(async |db| {
        let (intake, _) = Intake::on_a_bad_disk(db).await;
        let file = intake.receive(&slice(1)).await;
        let (_, indexed) = intake.index().await;
        let frames = StoredFrames::new(intake.bytes(), InstanceId(1), file.len() as u64);
        assert_eq!(frames.read(0, 200).await.unwrap(), file[..200]);
        assert_eq!(intake.sealer(indexed).pass(later()).await.unwrap(), 1);
        assert!(intake.spool.segments().is_empty());
        assert_eq!(frames.read(200, 100).await.unwrap(), file[200..300]);
        assert!(frames.read(200, file.len() as u64).await.is_err(), "past its end");
    })
    .await;
}
