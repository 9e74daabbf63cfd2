//! A case's way onto the screen: lease, case and images are asked for, and appear in one step.

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{CaseDetail, CaseRow, CaseState, Desk, Lease};

use super::room::{Active, Purpose, Room};
use crate::api::{self, Fault};
use crate::i18n;

/// A case on its way to the screen.
#[derive(Clone, Debug)]
pub struct Opening {
    pub row: CaseRow,
    lease: Option<Lease>,
    pub fault: Option<Fault>,
}

/// Why a case is not on the screen.
enum NotOpened {
    /// One was given to the reader meanwhile, and comes first.
    InHand(Box<Desk>),
    Fault(Fault),
}

impl From<Fault> for NotOpened {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Room {
    /// With a lease: to write. Without: to take back what was returned, or to review what was submitted.
    pub fn open(self, row: CaseRow, lease: Option<Lease>) {
        if lease.is_none() {
            self.wanted.set(None);
        }
        self.opening.set(Some(Opening { row, lease, fault: None }));
        self.try_opening();
    }

    pub fn try_opening(self) {
        let Some(opening) = self.opening.get_untracked() else { return };
        self.opening.update(|opening| {
            if let Some(opening) = opening {
                opening.fault = None;
            }
        });
        spawn_local(async move {
            let case = opening.row.case;
            let fetched = fetch(opening).await;
            if self.opening.try_with_untracked(|now| now.as_ref().is_some_and(|now| now.row.case == case)) != Some(true)
            {
                return;
            }
            match fetched {
                Ok((active, beat_seconds)) => self.show(active, beat_seconds),
                Err(NotOpened::Fault(fault)) => self.failed(fault),
                Err(NotOpened::InHand(desk)) => {
                    self.opening.set(None);
                    self.take(*desk);
                    self.open_if_idle();
                }
            }
        });
    }

    fn failed(self, fault: Fault) {
        self.app.notes(&fault);
        // A lease that ended meanwhile is no failure: the desk simply has something else now.
        if fault.conflict() {
            self.opening.set(None);
            self.refresh();
            return;
        }
        self.opening.update(|opening| {
            if let Some(opening) = opening {
                opening.fault = Some(fault);
            }
        });
    }

    fn show(self, active: Active, beat_seconds: u32) {
        self.lost.set(false);
        self.draft.seat(&active);
        self.opening.set(None);
        self.news.set(None);
        self.asked_anew.set(false);
        self.hands_seen.set(false);
        let lease = match &active.purpose {
            Purpose::Write { lease } => Some(lease.clone()),
            Purpose::Review => None,
        };
        let case = active.row.case;
        self.active.set(Some(active));
        let turn = self.beating.get_untracked() + 1;
        self.beating.set(turn);
        if let Some(lease) = lease {
            spawn_local(self.beat(turn, case, lease, beat_seconds));
        }
    }
}

/// Everything an open case shows, and how often its lease wants a sign of life.
async fn fetch(Opening { row, lease, .. }: Opening) -> Result<(Active, u32), NotOpened> {
    let lease = match lease {
        None if row.state == CaseState::Returned => Some(take_back(row.case).await?),
        None => {
            // A review holds no lease: the center hears here that its reader is no longer free.
            let desk = api::desk(false).await?;
            if desk.current.is_some() {
                return Err(NotOpened::InHand(Box::new(desk)));
            }
            None
        }
        lease => lease,
    };
    let detail = match &lease {
        Some(lease) => api::open_case(row.case, &lease.lease).await?,
        None => api::case(row.case).await?,
    };
    let images = api::images(row.study).await?;
    let (purpose, why, beat) = match lease {
        Some(lease) => (Purpose::Write { lease: lease.lease }, i18n::reason(&lease.why), lease.heartbeat_seconds),
        None => (Purpose::Review, i18n::reason("review"), 0),
    };
    let CaseDetail { row, report, signatures_needed, .. } = detail;
    Ok((Active { row, purpose, why, report, images: Arc::new(images), signatures_needed }, beat))
}

/// What the reviewer sent back, in hand again.
async fn take_back(case: i64) -> Result<Lease, Fault> {
    api::take_case(case).await?;
    let mut lease = api::desk(false).await?.current.filter(|lease| lease.case == case).ok_or(Fault::Garbled)?;
    lease.why = "returned".to_owned();
    Ok(lease)
}
