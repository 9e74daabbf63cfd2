//! A device that examines and sends, and whether a center has what it acknowledged.

use crate::center::Center;
use crate::exams::{ByUid, Exams, retrieve};
use crate::intake::{Caller, wait};
use crate::sender::Sender;

/// A device of the samples: what it has to send, and its sender.
pub struct Device {
    exams: Exams,
    pub sender: Sender,
    instances_a_study: usize,
    pub given: usize,
}

impl Device {
    pub fn new(center: &Center, ae: &str, associations: usize, instances_a_study: usize) -> Self {
        let exams = Exams::of(ae, center.scratch());
        Self { exams, sender: Sender::start(center.dimse, ae, associations), instances_a_study, given: 0 }
    }

    pub fn examine(&mut self) {
        self.sender.give(self.exams.study(self.instances_a_study));
        self.given += self.instances_a_study;
    }
}

/// Everything in `acknowledged` is handed out as it was sent, and nothing twice.
pub fn see_stored(center: &Center, caller: &Caller, acknowledged: &ByUid) {
    let mut studies: Vec<&str> = acknowledged.values().map(|exposure| exposure.study.as_str()).collect();
    studies.sort_unstable();
    studies.dedup();
    for study in studies {
        let expected: Vec<_> = acknowledged.values().filter(|exposure| exposure.study == study).collect();
        let stored = wait("acknowledged instances to be handed out", || {
            let stored = retrieve(center, caller, study);
            let there = |uid: &str| stored.iter().any(|(stored, _)| stored == uid);
            expected.iter().all(|exposure| there(exposure.uid())).then_some(stored)
        });
        for exposure in expected {
            let copies: Vec<_> = stored.iter().filter(|(uid, _)| uid == exposure.uid()).collect();
            assert_eq!(copies.len(), 1, "{} is there once", exposure.uid());
            assert!(copies[0].1 == exposure.dataset(), "{} is what was sent", exposure.uid());
        }
    }
}
