//! What all associations together may hold of messages that are no objects: command sets, identifiers and other data sets,
//! from their first byte until the operation they ask for is over.
//!
//! One association is bounded by itself; this keeps many hostile ones, each within its bounds, from taking the machine. Objects
//! are not counted: they go to the spool as they come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Said to whoever asks for more than is left.
pub(super) const USED_UP: &str = "all devices together hold too much: try later";

#[derive(Debug)]
pub(super) struct Memory {
    left: AtomicUsize,
}

/// What one message holds, given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: Arc<Memory>,
    bytes: AtomicUsize,
}

impl Memory {
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(bytes) })
    }

    /// A share of nothing yet.
    pub fn share(self: &Arc<Self>) -> Share {
        Share { of: self.clone(), bytes: AtomicUsize::new(0) }
    }
}

impl Share {
    /// Takes so many bytes more, if they are left.
    pub fn grow(&self, bytes: usize) -> bool {
        let taken = self.of.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        if taken.is_ok() {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        taken.is_ok()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.left.fetch_add(self.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_taken_whole_or_not_at_all_and_comes_back() {
        let memory = Memory::new(10);
        let (first, second) = (memory.share(), memory.share());
        assert!(first.grow(4) && first.grow(3));
        assert!(!second.grow(4) && second.grow(3));
        assert!(!first.grow(1));
        drop(first);
        assert!(second.grow(7));
        drop(second);
        assert_eq!(memory.left.load(Ordering::Relaxed), 10);
    }
}
