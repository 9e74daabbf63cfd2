//! A disk in memory that loses what real disks lose: everything not synced, in any combination, torn in the middle.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::disk::{Disk, DiskFile};

const SECTOR: usize = 512;

#[derive(Clone, Default)]
pub(crate) struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: Vec<File>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    locked: bool,
    free: Option<u64>,
    faults: Faults,
    /// Power is cut once this many more operations were done, in the middle of the next.
    power_left: Option<u64>,
    power_is_off: bool,
    bytes_read: u64,
    operations: u64,
}

/// What goes wrong next.
#[derive(Debug, Default, Clone)]
pub(crate) struct Faults {
    /// This many syncs succeed, the next one fails and loses what it should have written.
    pub failing_sync: Option<u64>,
    /// This many writes succeed, the next one fails.
    pub failing_write: Option<u64>,
    /// Nothing can be read from this file.
    pub unreadable: Option<PathBuf>,
    /// No file can be removed.
    pub undeletable: bool,
}

#[derive(Default, Clone)]
struct File {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                if to.len() < offset + bytes.len() {
                    to.resize(offset + bytes.len(), 0);
                }
                to[*offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Self::Length(length) => to.resize(*length, 0),
        }
    }
}

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    pub fn set_free(&self, free: u64) {
        self.state().free = Some(free);
    }

    pub fn cut_power_after(&self, operations: u64) {
        self.state().power_left = Some(operations);
    }

    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    pub fn bytes_read(&self) -> u64 {
        self.state().bytes_read
    }

    pub fn power_is_off(&self) -> bool {
        self.state().power_is_off
    }

    /// The worst that a power cut may leave: nothing at all of what was not synced.
    pub fn after_losing_the_unsynced(&self) -> SimDisk {
        let state = self.state();
        let kept =
            |file: &File| File { now: file.durable.clone(), durable: file.durable.clone(), unsynced: Vec::new() };
        let files = state.files.iter().map(kept).collect();
        let names = state.durable_names.clone();
        let found = State { files, durable_names: names.clone(), names, ..State::default() };
        SimDisk { state: Arc::new(Mutex::new(found)) }
    }

    /// As [`Self::after_losing_the_unsynced`], but of the write that was cut off these sectors were written.
    pub fn after_tearing_a_write(&self, written: std::ops::Range<usize>) -> SimDisk {
        let torn = self.after_losing_the_unsynced();
        let cut_off = self.state().files.iter().map(|file| file.unsynced.last().cloned()).collect::<Vec<_>>();
        for (file, change) in torn.state().files.iter_mut().zip(cut_off) {
            let Some(Change::Write { offset, bytes }) = change else { continue };
            for (index, sector) in bytes.chunks(SECTOR).enumerate().filter(|(index, _)| written.contains(index)) {
                let sector = Change::Write { offset: offset + index * SECTOR, bytes: sector.to_vec() };
                sector.apply(&mut file.now);
                sector.apply(&mut file.durable);
            }
        }
        torn
    }

    /// The disk as it may be found after the power came back: of what was not synced, any part.
    pub fn after_power_cut(&self, seed: u64) -> SimDisk {
        let mut rng = StdRng::seed_from_u64(seed);
        let state = self.state();
        let mut files = state.files.clone();
        for file in &mut files {
            let mut found = file.durable.clone();
            for change in &file.unsynced {
                match (rng.random_range(0..3), change) {
                    (0, _) => {}
                    (1, change) => change.apply(&mut found),
                    (_, Change::Write { offset, bytes }) => {
                        for (index, sector) in bytes.chunks(SECTOR).enumerate() {
                            if rng.random() {
                                Change::Write { offset: offset + index * SECTOR, bytes: sector.to_vec() }
                                    .apply(&mut found);
                            }
                        }
                    }
                    (_, Change::Length(_)) => {}
                }
            }
            *file = File { now: found.clone(), durable: found, unsynced: Vec::new() };
        }
        let mut names = state.durable_names.clone();
        for (path, &file) in &state.names {
            if rng.random() {
                names.insert(path.clone(), file);
            }
        }
        for path in state.durable_names.keys() {
            if !state.names.contains_key(path) && rng.random() {
                names.remove(path);
            }
        }
        let found = State { files, durable_names: names.clone(), names, ..State::default() };
        SimDisk { state: Arc::new(Mutex::new(found)) }
    }

    /// As after a SIGKILL: the page cache stays.
    pub fn after_kill(&self) -> SimDisk {
        let state = self.state();
        let found = State {
            files: state.files.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            ..State::default()
        };
        SimDisk { state: Arc::new(Mutex::new(found)) }
    }

    /// What a power cut would leave of a range for certain.
    pub fn durable(&self, path: &Path, offset: u64, length: u64) -> Option<Vec<u8>> {
        let state = self.state();
        let file = &state.files[*state.durable_names.get(path)?];
        file.durable.get(offset as usize..(offset + length) as usize).map(<[u8]>::to_vec)
    }
}

impl State {
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        match &mut self.power_left {
            Some(0) => {
                self.power_is_off = true;
                Err(io::Error::other("no power"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Whether the countdown has reached the failure; it happens once.
fn strikes(countdown: &mut Option<u64>) -> bool {
    match countdown {
        Some(0) => {
            *countdown = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

struct SimFile {
    disk: SimDisk,
    number: usize,
}

impl DiskFile for SimFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        assert!(bytes.len().is_multiple_of(super::BLOCK) && offset.is_multiple_of(super::BLOCK as u64));
        assert!((bytes.as_ptr() as usize).is_multiple_of(super::BLOCK), "direct I/O wants aligned memory");
        let mut state = self.disk.state();
        let was_on = !state.power_is_off;
        if let Err(cut) = state.operate() {
            if was_on {
                // Cut in the middle of this write: any part of it may be found.
                let change = Change::Write { offset: offset as usize, bytes: bytes.to_vec() };
                state.files[self.number].unsynced.push(change);
            }
            return Err(cut);
        }
        let failing = strikes(&mut state.faults.failing_write);
        let torn = if failing { bytes.len() / 2 / SECTOR * SECTOR } else { bytes.len() };
        let change = Change::Write { offset: offset as usize, bytes: bytes[..torn].to_vec() };
        let file = &mut state.files[self.number];
        change.apply(&mut file.now);
        file.unsynced.push(change);
        if failing { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        let bad = state.faults.unreadable.as_ref().and_then(|path| state.names.get(path));
        if bad == Some(&self.number) {
            return Err(io::Error::other("unreadable"));
        }
        let bytes = state.files[self.number].now.get(offset as usize..).unwrap_or_default();
        let count = bytes.len().min(into.len());
        into[..count].copy_from_slice(&bytes[..count]);
        state.bytes_read += count as u64;
        Ok(count)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.operate()?;
        if strikes(&mut state.faults.failing_sync) {
            // As Linux does: the pages count as clean from here on, and a later sync says that all is well.
            state.files[self.number].unsynced.clear();
            return Err(io::Error::other("sync failed"));
        }
        let file = &mut state.files[self.number];
        for change in std::mem::take(&mut file.unsynced) {
            change.apply(&mut file.durable);
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.number].now.len() as u64)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.operate()?;
        let file = &mut state.files[self.number];
        let change = Change::Length(length as usize);
        change.apply(&mut file.now);
        file.unsynced.push(change);
        Ok(())
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path, allocate: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.operate()?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let number = state.files.len();
        let length = Change::Length(allocate as usize);
        state.files.push(File { now: vec![0; allocate as usize], durable: Vec::new(), unsynced: vec![length] });
        state.names.insert(path.to_owned(), number);
        Ok(Arc::new(SimFile { disk: self.clone(), number }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let number = self.state().find(path)?;
        Ok(Arc::new(SimFile { disk: self.clone(), number }))
    }

    fn create_dir_all(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let names = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(names.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let number = state.find(from)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), number);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.find(path)?;
        state.operate()?;
        if state.faults.undeletable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        state.names.remove(path);
        Ok(())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn free_space(&self, _dir: &Path) -> io::Result<u64> {
        Ok(self.state().free.unwrap_or(u64::MAX))
    }

    fn lock(&self, _path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        struct Held(SimDisk);
        impl Drop for Held {
            fn drop(&mut self) {
                self.0.state().locked = false;
            }
        }
        let mut state = self.state();
        if std::mem::replace(&mut state.locked, true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Held(self.clone())))
    }
}
