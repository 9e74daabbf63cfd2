//! The few file operations the spool needs, behind one seam, so that tests put a failing disk under it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// A directory of files. Every method may block.
pub trait Disk: Send + Sync + 'static {
    /// A new file with `allocate` bytes of space already its own. Fails when one of that name exists.
    fn create(&self, path: &Path, allocate: u64) -> io::Result<Arc<dyn DiskFile>>;
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes an ordinary user may still write.
    fn free_space(&self, dir: &Path) -> io::Result<u64>;
    /// Held until dropped; a second holder is refused.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
}

/// One file, written at positions. Writes are not durable before [`DiskFile::sync_data`] returned.
pub trait DiskFile: Send + Sync {
    /// Offset, length and address of `bytes` are multiples of the block size.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Fills as much of `into` as the file has from `offset` on.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    fn sync_data(&self) -> io::Result<()>;
    fn length(&self) -> io::Result<u64>;
    fn set_len(&self, length: u64) -> io::Result<()>;
}

/// The operating system's files. Writes go around the page cache where the file system lets them: then a sync has only
/// the device's cache left to flush, and a burst of images does not push everything else out of memory.
pub struct OsDisk;

struct OsFile {
    write: File,
    read: File,
}

impl OsFile {
    fn open(path: &Path, create: bool) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(create);
        let read = options.open(path)?;
        let direct = OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path);
        let write = match direct {
            Ok(direct) => direct,
            Err(refused) if refused.raw_os_error() == Some(libc::EINVAL) => read.try_clone()?,
            Err(error) => return Err(error),
        };
        Ok(Self { write, read })
    }
}

impl DiskFile for OsFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write.write_all_at(bytes, offset)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            match self.read.read_at(&mut into[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.write.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.read.metadata()?.len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.write.set_len(length)
    }
}

impl Disk for OsDisk {
    fn create(&self, path: &Path, allocate: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = OsFile::open(path, true)?;
        if let Err(error) = reserve_space(&file.read, allocate) {
            fs::remove_file(path)?;
            return Err(error);
        }
        Ok(Arc::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OsFile::open(path, false)?))
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        let dir = File::open(dir)?;
        // SAFETY: an all-zero `statvfs` is a valid value, and the descriptor is open for the whole call.
        let stat = unsafe {
            let mut stat: libc::statvfs = std::mem::zeroed();
            if libc::fstatvfs(dir.as_raw_fd(), &mut stat) != 0 {
                return Err(io::Error::last_os_error());
            }
            stat
        };
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Takes the space now, so that a full disk shows here and not in the middle of an object.
fn reserve_space(file: &File, bytes: u64) -> io::Result<()> {
    let Ok(bytes) = libc::off_t::try_from(bytes) else { return Err(io::ErrorKind::FileTooLarge.into()) };
    if bytes == 0 {
        return Ok(());
    }
    // SAFETY: a plain system call on an open descriptor.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, bytes) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}
