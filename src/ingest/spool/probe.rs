//! Would an object be taken right now? Asked by whoever watches the center, not by senders: those simply try.

use std::io;

use super::buffer::AlignedBuf;
use super::disk::Disk;
use super::record::BLOCK;
use super::{Spool, SpoolError};

/// Not a segment's name, so a start passes it over should a kill leave it.
const FILE: &str = "probe";

impl Spool {
    /// Does once what every object needs: space, a new file, a write, a sync. Leaves nothing behind. Blocks.
    pub fn probe(&self) -> Result<(), SpoolError> {
        let committing = self._committer.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        if !committing {
            return Err(SpoolError::Closed);
        }
        let shared = &self.shared;
        shared.check_space(shared.options.segment_size)?;
        let path = shared.dir.join(FILE);
        match shared.disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let written = write_block(&*shared.disk, &path);
        let removed = shared.disk.remove(&path);
        written.and(removed).map_err(Into::into)
    }
}

fn write_block(disk: &dyn Disk, path: &std::path::Path) -> io::Result<()> {
    let file = disk.create(path, BLOCK as u64)?;
    file.write_at(&AlignedBuf::new(1), 0)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::super::SpoolOptions;
    use super::super::sim::{Faults, SimDisk};
    use super::*;

    const DIR: &str = "/spool";

    fn open(disk: &SimDisk) -> Spool {
        let options = SpoolOptions { keep_free: 0, ..SpoolOptions::default() };
        Spool::open_on(Arc::new(disk.clone()), Path::new(DIR), options).unwrap()
    }

    #[test]
    fn a_spool_that_takes_writes_says_so_and_keeps_nothing_of_the_question() {
        let disk = SimDisk::default();
        let spool = open(&disk);
        let before = disk.list(Path::new(DIR)).unwrap();
        for _ in 0..3 {
            spool.probe().unwrap();
        }
        assert_eq!(disk.list(Path::new(DIR)).unwrap(), before);
    }

    #[test]
    fn a_full_disk_a_failing_write_and_a_failing_sync_are_each_noticed_and_got_over() {
        let disk = SimDisk::default();
        let spool = open(&disk);
        disk.set_free(1_000);
        assert!(matches!(spool.probe(), Err(SpoolError::Full)));
        disk.set_free(1 << 30);
        // This disk's writes fail for want of space, its syncs for no reason it gives.
        disk.set_faults(Faults { failing_write: Some(0), ..Faults::default() });
        assert!(matches!(spool.probe(), Err(SpoolError::Full)));
        disk.set_faults(Faults { failing_sync: Some(0), ..Faults::default() });
        assert!(matches!(spool.probe(), Err(SpoolError::Io(_))));
        disk.set_faults(Faults::default());
        spool.probe().unwrap();
    }

    #[test]
    fn what_a_kill_left_of_a_question_is_in_nobody_s_way() {
        let disk = SimDisk::default();
        let spool = open(&disk);
        disk.create(&Path::new(DIR).join(FILE), 0).unwrap();
        spool.probe().unwrap();
        disk.create(&Path::new(DIR).join(FILE), 0).unwrap();
        drop(spool);
        open(&disk).probe().unwrap();
    }
}
