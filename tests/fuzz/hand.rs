//! The input that is being tried, in a file that outlives the process: whatever ends a worker, its parent can read it there.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Longest input.
pub const LONGEST: usize = 256 * 1024;

/// A mapped file: eight bytes of length, then the input.
pub struct Hand(*mut u8);

impl Hand {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(8 + LONGEST as u64)?;
        // SAFETY: a new shared mapping of a file that is as long as the mapping; it is never unmapped.
        let at = unsafe {
            let (protection, length) = (libc::PROT_READ | libc::PROT_WRITE, 8 + LONGEST);
            libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self(at.cast())) }
    }

    pub fn hold(&mut self, input: &[u8]) {
        let input = &input[..input.len().min(LONGEST)];
        // SAFETY: the mapping holds a length and [`LONGEST`] bytes, and this is the only writer.
        unsafe {
            std::ptr::copy_nonoverlapping((input.len() as u64).to_le_bytes().as_ptr(), self.0, 8);
            std::ptr::copy_nonoverlapping(input.as_ptr(), self.0.add(8), input.len());
        }
    }
}

/// What the worker of this file was trying.
pub fn held(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = std::fs::read(path)?;
    let length = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length) as usize);
    Ok(bytes.get(8..8 + length.min(LONGEST)).unwrap_or_default().to_vec())
}
