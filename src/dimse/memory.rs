//! What all associations together may hold of messages that are no objects: command sets, identifiers and other data sets,
//! from their first byte until the operation they ask for is over.
//!
//! One association is bounded by itself; this keeps many hostile ones, each within its bounds, from taking the machine. Objects
//! are not counted: they go to the spool as they come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Said to whoever asks for more than is left.
pub(super) const USED_UP: &str = "all devices together hold too much: try later";

/// Of each message, for the asking: honest ones need no more, and go on whatever others hold.
const FREE: usize = 4 * 1024;

#[derive(Debug)]
pub(super) struct Memory {
    left: AtomicUsize,
}

/// What one message holds, given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: Arc<Memory>,
    length: AtomicUsize,
    taken: AtomicUsize,
}

impl Memory {
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(bytes) })
    }

    /// A share of nothing yet.
    pub fn share(self: &Arc<Self>) -> Share {
        Share { of: self.clone(), length: AtomicUsize::new(0), taken: AtomicUsize::new(0) }
    }
}

impl Share {
    /// Whether the message may have so many bytes more. It has one reader, so it is asked one thing at a time.
    pub fn grow(&self, bytes: usize) -> bool {
        let length = self.length.load(Ordering::Relaxed).saturating_add(bytes);
        let more = length.saturating_sub(FREE).saturating_sub(self.taken.load(Ordering::Relaxed));
        let taken = self.of.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(more));
        if taken.is_ok() {
            self.length.store(length, Ordering::Relaxed);
            self.taken.fetch_add(more, Ordering::Relaxed);
        }
        taken.is_ok()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.left.fetch_add(self.taken.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_taken_whole_or_not_at_all_and_comes_back() {
        let memory = Memory::new(10);
        let (first, second, third) = (memory.share(), memory.share(), memory.share());
        assert!(first.grow(FREE - 1) && first.grow(5) && first.grow(3));
        assert!(!second.grow(FREE + 4) && second.grow(FREE + 3));
        assert!(!first.grow(1));
        assert!(third.grow(FREE), "what everybody has is there for everybody");
        drop(first);
        assert!(second.grow(7));
        drop((second, third));
        assert_eq!(memory.left.load(Ordering::Relaxed), 10);
    }
}
