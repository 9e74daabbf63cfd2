//! Page-aligned buffers, as direct I/O needs them, taken and given back so that a busy intake allocates none.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Mutex;

use super::record::BLOCK;

/// A fixed run of bytes whose start is aligned to a block.
pub(super) struct AlignedBuf {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the buffer owns its memory exclusively, like a boxed slice.
unsafe impl Send for AlignedBuf {}
// SAFETY: shared access only reads.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// `blocks` whole blocks of zeros. The operating system gives the pages only as they are touched.
    pub fn new(blocks: usize) -> Self {
        let layout = Layout::array::<[u8; BLOCK]>(blocks.max(1))
            .and_then(|layout| layout.align_to(BLOCK))
            .unwrap_or_else(|_| Layout::new::<[u8; BLOCK]>());
        // SAFETY: the layout is never of size zero.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        Self { start, layout }
    }
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: `start` is valid and initialised for the layout's size.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.layout.size()) }
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.layout.size()) }
    }
}

/// Keeps a few used buffers warm. How many are out is bounded by the associations, not here.
pub(super) struct BufferPool {
    blocks: usize,
    keep: usize,
    idle: Mutex<Vec<AlignedBuf>>,
}

impl BufferPool {
    pub fn new(bytes: usize, keep: usize) -> Self {
        Self { blocks: bytes.div_ceil(BLOCK), keep, idle: Mutex::new(Vec::new()) }
    }

    pub fn take(&self) -> AlignedBuf {
        let idle = self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
        idle.unwrap_or_else(|| AlignedBuf::new(self.blocks))
    }

    pub fn give_back(&self, buffer: AlignedBuf) {
        let mut idle = self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if idle.len() < self.keep {
            idle.push(buffer);
        }
    }
}
