//! Every allocation of this binary is counted; one that would take an input beyond its allowance ends the process before it
//! is made.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Ends a worker that wants too much memory.
pub const TOO_MUCH: i32 = 102;

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// From now on `allowance` more than what is held may be held.
pub fn allow(allowance: usize) {
    MOST.store(HELD.load(Ordering::Relaxed).saturating_add(allowance), Ordering::Relaxed);
}

pub fn allow_all() {
    MOST.store(usize::MAX, Ordering::Relaxed);
}

fn take(size: usize) {
    let held = HELD.fetch_add(size, Ordering::Relaxed).saturating_add(size);
    if held > MOST.load(Ordering::Relaxed) {
        let said = b"more memory than an input may take\n";
        // SAFETY: both are plain system calls on memory that is there; nothing here may allocate.
        unsafe {
            libc::write(2, said.as_ptr().cast(), said.len());
            libc::_exit(TOO_MUCH);
        }
    }
}

// SAFETY: everything is passed to the system's allocator as it came; counting changes no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(size);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}
