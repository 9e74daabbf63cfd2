//! The beginnings of objects just written: who follows the spool closely walks them without reading the disk that
//! others write to. Bounded; what is not here is read.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::record::Position;

/// Kept of each object: more than the header of most.
const LENGTH: usize = 16 << 10;
/// Objects at most. A follower that falls further behind needs the oldest next, so the newest go without.
const OBJECTS: usize = 512;

#[derive(Default)]
pub(super) struct Heads(Mutex<BTreeMap<Position, Bytes>>);

impl Heads {
    /// Keeps the beginning of `file`, the Part-10 file at `position`.
    pub fn keep(&self, position: Position, file: &[u8]) {
        let mut heads = self.lock();
        if heads.len() < OBJECTS {
            heads.insert(position, Bytes::copy_from_slice(&file[..file.len().min(LENGTH)]));
        }
    }

    /// The beginning of the file at `position`, once; those before it are let go.
    pub fn take(&self, position: Position) -> Option<Bytes> {
        let mut heads = self.lock();
        let mut later = heads.split_off(&position);
        let head = later.remove(&position);
        *heads = later;
        head
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Position, Bytes>> {
        // Copies only: at worst one is missing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_kept_and_each_is_given_once() {
        let heads = Heads::default();
        for position in 1..=OBJECTS as u64 + 2 {
            heads.keep(Position(position), &vec![position as u8; LENGTH + 1]);
        }
        assert_eq!(heads.take(Position(1)).unwrap(), vec![1; LENGTH]);
        assert!(heads.take(Position(1)).is_none());
        assert_eq!(heads.take(Position(5)).unwrap(), vec![5; LENGTH]);
        assert!(heads.take(Position(3)).is_none(), "passed over");
        assert!(heads.take(Position(OBJECTS as u64 + 1)).is_none(), "there was no room");
        heads.keep(Position(9_000), b"short");
        assert_eq!(heads.take(Position(9_000)).unwrap(), &b"short"[..]);
    }
}
