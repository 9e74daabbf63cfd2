//! Holding on to the files of a spool that may be in use, so that they can be copied whatever is released meanwhile.
//!
//! A copy made so is what a power cut at that moment would have left: every record that was durable before the copy
//! began is whole in it, what was being written is torn, and a start on it knows the difference. The state file is read before
//! the segments, so it never claims more than they hold.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::record::SegmentId;
use super::replay::{STATE_FILE, segment_of};

/// Descriptors of a spool's files. A file that is removed stays readable through them.
pub struct Held {
    dir: PathBuf,
    /// `None` where no spool was ever opened.
    state: Option<Vec<u8>>,
    segments: BTreeMap<SegmentId, (String, File)>,
}

impl Held {
    /// Opens what is in `dir` now; a directory that is not there holds nothing.
    pub fn of(dir: &Path) -> io::Result<Self> {
        let state = match fs::read(dir.join(STATE_FILE)) {
            Ok(state) => Some(state),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut held = Self { dir: dir.to_owned(), state, segments: BTreeMap::new() };
        held.open_more()?;
        Ok(held)
    }

    /// Opens segments begun since.
    pub fn open_more(&mut self) -> io::Result<()> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let Some(segment) = segment_of(&name) else { continue };
            if self.segments.contains_key(&segment) {
                continue;
            }
            match File::open(self.dir.join(&name)) {
                Ok(file) => drop(self.segments.insert(segment, (name, file))),
                // Released between the listing and here.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub fn has(&self, segment: SegmentId) -> bool {
        self.segments.contains_key(&segment)
    }

    /// Writes copies of all of them to the new directory `to`, durably; returns how many bytes.
    pub fn copy_to(&mut self, to: &Path) -> io::Result<u64> {
        fs::create_dir(to)?;
        let mut bytes = 0;
        if let Some(state) = &self.state {
            fs::write(to.join(STATE_FILE), state)?;
            File::open(to.join(STATE_FILE))?.sync_all()?;
        }
        for (name, file) in self.segments.values_mut() {
            let mut copy = File::create_new(to.join(name))?;
            bytes += io::copy(file, &mut copy)?;
            copy.sync_all()?;
        }
        File::open(to)?.sync_all()?;
        Ok(bytes)
    }
}
