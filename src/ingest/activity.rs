//! What devices are doing at this moment, as the listener sees it: hints that shorten or lengthen the wait for more
//! images of a study. Lost at a restart, which only means the full quiet time applies.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock;
use crate::domain::{DeviceId, Micros};

/// A sender: the registered device, or the AE title of one that is not registered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sender {
    Device(DeviceId),
    Unregistered(String),
}

impl Sender {
    pub fn of(device: Option<DeviceId>, calling_ae: &str) -> Self {
        device.map_or_else(|| Sender::Unregistered(calling_ae.to_owned()), Sender::Device)
    }
}

/// Shared by the listener, which tells, and completeness, which asks.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    senders: Arc<Mutex<HashMap<Sender, State>>>,
    /// Objects that were refused, by the DIMSE status their senders got (PS3.4 B.2.3).
    refused: Arc<Mutex<BTreeMap<u16, u64>>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    storing: usize,
    /// Objects begun since the start, to tell an association that stored from one that only asked.
    stored: u64,
    released: Option<Micros>,
}

/// An open association of a sender; released with the value.
#[derive(Debug)]
pub struct Association {
    activity: Activity,
    sender: Sender,
    stored_before: u64,
}

/// An object is arriving; ends with the value.
#[derive(Debug)]
pub struct Storing {
    activity: Activity,
    sender: Sender,
}

impl Activity {
    /// The first bytes of an object came from `sender`.
    pub fn storing(&self, sender: Sender) -> Storing {
        let mut senders = self.lock();
        let state = senders.entry(sender.clone()).or_default();
        state.storing += 1;
        state.stored += 1;
        drop(senders);
        Storing { activity: self.clone(), sender }
    }

    /// `sender` opened an association. If anything is stored in it, its end is a release.
    pub fn association(&self, sender: Sender) -> Association {
        let stored_before = self.lock().entry(sender.clone()).or_default().stored;
        Association { activity: self.clone(), sender, stored_before }
    }

    /// `sender` released an association in which it stored something.
    pub fn released(&self, sender: Sender, at: Micros) {
        self.lock().entry(sender).or_default().released = Some(at);
    }

    /// Whether an object of this sender is arriving right now.
    pub fn is_storing(&self, sender: &Sender) -> bool {
        self.lock().get(sender).is_some_and(|state| state.storing > 0)
    }

    /// Whether an object of any sender is arriving right now.
    pub fn is_anybody_storing(&self) -> bool {
        self.lock().values().any(|state| state.storing > 0)
    }

    /// How many objects were refused since the start, by the status their senders got.
    pub fn refused(&self) -> BTreeMap<u16, u64> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When this sender last released an association.
    pub fn last_release(&self, sender: &Sender) -> Option<Micros> {
        self.lock().get(sender).and_then(|state| state.released)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Sender, State>> {
        // Plain counters: a panic elsewhere cannot leave them half changed.
        self.senders.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Storing {
    /// The object was not taken; its sender is told `status`.
    pub fn refused(&self, status: u16) {
        *self.activity.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
    }
}

impl Drop for Storing {
    fn drop(&mut self) {
        if let Some(state) = self.activity.lock().get_mut(&self.sender) {
            state.storing = state.storing.saturating_sub(1);
        }
    }
}

impl Drop for Association {
    fn drop(&mut self) {
        if let Some(state) = self.activity.lock().get_mut(&self.sender)
            && state.stored > self.stored_before
        {
            state.released = Some(clock::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_storing_until_its_last_object_is_in() {
        let activity = Activity::default();
        let device = Sender::Device(DeviceId(1));
        let (first, second) = (activity.storing(device.clone()), activity.storing(device.clone()));
        drop(first);
        assert!(activity.is_storing(&device));
        drop(second);
        assert!(!activity.is_storing(&device));
        assert!(!activity.is_storing(&Sender::of(None, "US1")));
        activity.released(device.clone(), Micros(5));
        assert_eq!(activity.last_release(&device), Some(Micros(5)));
    }

    #[test]
    fn refused_objects_are_counted_by_what_their_senders_were_told() {
        let activity = Activity::default();
        for status in [0xA700, 0xC000, 0xA700] {
            activity.storing(Sender::Device(DeviceId(1))).refused(status);
        }
        assert_eq!(activity.refused(), BTreeMap::from([(0xA700, 2), (0xC000, 1)]));
    }

    #[test]
    fn only_an_association_that_stored_something_counts_as_released() {
        let activity = Activity::default();
        let device = Sender::Device(DeviceId(1));
        drop(activity.association(device.clone()));
        assert_eq!(activity.last_release(&device), None);
        let association = activity.association(device.clone());
        drop(activity.storing(device.clone()));
        drop(association);
        assert!(activity.last_release(&device).is_some());
    }
}
