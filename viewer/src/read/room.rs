//! The reading room's state: what the desk holds, and the one case that is open.
//!
//! A case opens in three requests (lease, case, images) and appears in one step: banner, image and report are one signal,
//! so they change together or not at all. While it is open, nothing but its reader replaces it.

use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{CaseRow, Desk, Hand, ReportBody, StudyImages};

use super::draft::Draft;
use super::hands::others;
use super::loss::{self, Loss};
use super::news::{News, concerns};
use super::opening::Opening;
use super::region::not_yet_whole;
use super::said::Said;
use super::sides;
use super::sign;
use super::turn::{Own, PutOff, Wishes, before_the_queue, begins, may_say_free, most_pressing, next_up};
use crate::api::{self, Fault};
use crate::app::App;
use crate::clock;
use crate::i18n::{Text, fill};
use crate::live::{self, Beat};
use crate::viewport::ViewerHandle;

/// What the reader came to do with the open case.
#[derive(Clone, PartialEq, Debug)]
pub enum Purpose {
    /// Write its report, under a lease.
    Write { lease: String },
    /// Review a report somebody else wrote.
    Review,
}

/// The open case. Replaced as a whole, never in parts.
#[derive(Clone, PartialEq, Debug)]
pub struct Active {
    pub row: CaseRow,
    pub purpose: Purpose,
    /// The routing's reason, in words.
    pub why: String,
    pub report: Option<ReportBody>,
    pub images: Arc<StudyImages>,
    /// By the center's rule as it was last heard.
    pub signatures_needed: u8,
}

#[derive(Clone, Copy)]
pub struct Room {
    pub app: App,
    pub desk: RwSignal<Option<Desk>>,
    pub fault: RwSignal<Option<Fault>>,
    pub active: RwSignal<Option<Active>>,
    pub opening: RwSignal<Option<Opening>>,
    /// The lease of the open case is gone.
    pub lost: RwSignal<bool>,
    /// Why, once it is.
    pub loss: RwSignal<Loss>,
    /// What changed in the open case and was not seen yet.
    pub news: RwSignal<Option<News>>,
    /// The clinical question on the screen is not the one the case was opened with.
    pub asked_anew: RwSignal<bool>,
    /// The reader knows whose draft they go on with.
    pub hands_seen: RwSignal<bool>,
    /// What just happened, for the line at the foot of the page.
    pub said: RwSignal<Option<Said>>,
    pub draft: Draft,
    /// What the viewport says of the image on the screen.
    pub viewer: ViewerHandle,
    /// Own work the reader wants before the queue's next case.
    pub wanted: RwSignal<Option<Own>>,
    pub put_off: RwSignal<Vec<PutOff>>,
    /// Cases the reader was done with on this page.
    pub done: RwSignal<Vec<i64>>,
    /// Between two cases: what comes next is being looked up.
    pub choosing: RwSignal<bool>,
    /// The last event the desk on the page reflects.
    reflects: StoredValue<i64>,
    /// Rises with each case; the heartbeat of an older one ends itself.
    pub(super) beating: RwSignal<u32>,
}

impl Room {
    pub fn start(app: App) -> Self {
        let room = Self {
            app,
            desk: RwSignal::new(None),
            fault: RwSignal::new(None),
            active: RwSignal::new(None),
            opening: RwSignal::new(None),
            lost: RwSignal::new(false),
            loss: RwSignal::new(Loss::Unknown),
            news: RwSignal::new(None),
            asked_anew: RwSignal::new(false),
            hands_seen: RwSignal::new(false),
            said: RwSignal::new(None),
            draft: Draft::new(app),
            viewer: ViewerHandle::new(),
            wanted: RwSignal::new(None),
            put_off: RwSignal::new(Vec::new()),
            done: RwSignal::new(Vec::new()),
            choosing: RwSignal::new(false),
            reflects: StoredValue::new(0),
            beating: RwSignal::new(0),
        };
        let refresh = live::gathered(Duration::from_millis(250), move || room.refresh());
        live::listen(move |beat| {
            let open = room.active.with_untracked(|active| active.as_ref().map(|active| active.row.study));
            let concerns = match beat {
                Beat::Poll => true,
                Beat::Event(event) => concerns(&event.kind, event.study, open),
            };
            if concerns {
                refresh();
            }
            if let Beat::Event(event) = beat
                && event.case.is_some()
                && event.case == room.open_case()
                && loss::ends_hold(&event.kind)
            {
                room.check_lease();
            }
        });
        // Also the page's sign of life: a desk nobody looks at gets no cases.
        let again = set_interval_with_handle(move || room.refresh(), Duration::from_secs(20));
        on_cleanup(move || {
            if let Ok(again) = again {
                again.clear();
            }
        });
        Effect::new(move |_| {
            if room.draft.lost.get() {
                spawn_local(room.lease_refused());
            }
        });
        room.refresh();
        room
    }

    /// Asks what is in hand; an idle desk opens what it was given.
    pub fn refresh(self) {
        let on_duty = self.desk.try_with_untracked(|known| may_say_free(known.as_ref())) == Some(true);
        spawn_local(async move {
            match api::desk(on_duty && self.free()).await {
                Ok(desk) => {
                    let begins = self.desk.try_with_untracked(|known| begins(known.as_ref(), &desk)) == Some(true);
                    self.take(desk);
                    self.open_if_idle();
                    if begins && self.free() {
                        self.next();
                    }
                }
                Err(fault) => self.failing(fault),
            }
        });
    }

    pub(super) fn failing(self, fault: Fault) {
        self.app.notes(&fault);
        self.fault.try_set(Some(fault));
    }

    /// Nothing is on the page and nothing is coming: only then may a case be given to its reader.
    pub(super) fn free(self) -> bool {
        self.idle() && self.choosing.try_get_untracked() == Some(false)
    }

    /// The page is empty: what was sent back and what waits for a review come up before it says it is free.
    fn next(self) {
        self.choosing.set(true);
        spawn_local(async move {
            let answer = api::desk(false).await;
            if self.choosing.try_set(false).is_some() {
                return;
            }
            match answer {
                Ok(desk) => self.choose(desk),
                Err(fault) => self.failing(fault),
            }
            if self.free() {
                self.refresh();
            }
        });
    }

    fn choose(self, desk: Desk) {
        let own = untrack(|| self.own_next(&desk)).map(|(row, _)| row);
        self.take(desk);
        self.open_if_idle();
        if let Some(row) = own.filter(|_| self.idle()) {
            self.open(row, None);
        }
    }

    /// Own work that comes before the queue. Tracks what its reader said of it.
    pub fn own_next(self, desk: &Desk) -> Option<(CaseRow, Own)> {
        let open = self.active.with(|active| active.as_ref().map(|active| active.row.case));
        self.put_off.with(|put_off| {
            let wishes = Wishes { asked: self.wanted.get(), put_off, open };
            next_up(desk, wishes).map(|(row, own)| (row.clone(), own))
        })
    }

    /// What a shift would begin with. Tracks what its reader said of it.
    pub fn own_first(self, desk: &Desk) -> Option<(CaseRow, Own)> {
        self.put_off.with(|put_off| {
            let wishes = Wishes { put_off, ..Wishes::default() };
            before_the_queue(desk, wishes).map(|(row, own)| (row.clone(), own))
        })
    }

    /// Own work now, where nothing is open; else as soon as this case is done. A second time: after all not.
    pub fn want(self, own: Own) {
        let first =
            self.desk.with_untracked(|desk| most_pressing(desk.as_ref()?, own, None).map(|(row, _)| row.clone()));
        match first {
            Some(row) if self.idle() => self.open(row, None),
            _ => self.wanted.update(|wanted| *wanted = if *wanted == Some(own) { None } else { Some(own) }),
        }
    }

    /// Sets the desk where it says something new: what stands under the pointer is not redrawn for nothing.
    pub(super) fn take(self, mut desk: Desk) {
        let known = self.desk.try_with_untracked(|known| known.as_ref().map(|known| (known.now_us, known.seq)));
        // The page has been left meanwhile, or a later answer came first.
        let Some(known) = known.filter(|_| desk.seq >= self.reflects.get_value()) else { return };
        self.reflects.set_value(desk.seq);
        self.fault.set(None);
        if let Some((now_us, seq)) = known {
            (desk.now_us, desk.seq) = (now_us, seq);
        }
        let mut rows = desk.current.iter().map(|lease| &lease.row).chain(&desk.returned).chain(&desk.to_review);
        let open = self.open_case();
        if let Some(row) = rows.rfind(|row| Some(row.case) == open) {
            self.compare(row);
        }
        let in_hand = desk.current.as_ref().map(|lease| lease.case);
        if self.desk.with_untracked(|known| known.as_ref() != Some(&desk)) {
            self.desk.set(Some(desk));
        }
        if open.is_some() && in_hand != open {
            self.check_lease();
        }
    }

    fn idle(self) -> bool {
        self.active.try_with_untracked(Option::is_none).unwrap_or(false)
            && self.opening.try_with_untracked(Option::is_none).unwrap_or(false)
    }

    pub(super) fn open_if_idle(self) {
        if !self.idle() {
            return;
        }
        let lease = self.desk.with_untracked(|desk| desk.as_ref().and_then(|desk| desk.current.clone()));
        if let Some(lease) = lease {
            self.open(lease.row.clone(), Some(lease));
        }
    }

    /// Keeps the lease alive while the case is open.
    pub(super) async fn beat(self, turn: u32, case: i64, lease: String, seconds: u32) {
        let pause = i32::try_from(seconds.clamp(2, 120)).unwrap_or(30) * 1000;
        loop {
            api::sleep(pause).await;
            if self.beating.try_get_untracked() != Some(turn) {
                return;
            }
            if !self.still_held(turn, case, &lease).await {
                return;
            }
        }
    }

    /// One sign of life. False: the lease is over, and the page knows.
    async fn still_held(self, turn: u32, case: i64, lease: &str) -> bool {
        if let Err(fault) = api::heartbeat(case, lease).await
            && self.beating.try_get_untracked() == Some(turn)
        {
            self.app.notes(&fault);
            if fault.lease_lost() {
                self.draft.lost.set(true);
                return false;
            }
        }
        true
    }

    /// Something says that the open case may be out of these hands: the center is asked at once, not at the next sign of life.
    fn check_lease(self) {
        let turn = self.beating.get_untracked();
        let held = self.active.with_untracked(|active| match active.as_ref()? {
            Active { row, purpose: Purpose::Write { lease }, .. } => Some((row.case, lease.clone())),
            _ => None,
        });
        if let Some((case, lease)) = held.filter(|_| !self.draft.lost.get_untracked()) {
            spawn_local(async move {
                self.still_held(turn, case, &lease).await;
            });
        }
    }

    /// Tracks what keeps the open case from being signed: its image is still on the way.
    pub fn not_yet_whole(self) -> bool {
        self.active.with(|active| active.as_ref().is_some_and(|active| not_yet_whole(self.viewer, &active.images)))
    }

    /// Tracks who else wrote in the draft the reader goes on with. A reviewer is told whose report it is anyway.
    pub fn others(self) -> Vec<Hand> {
        let me = self.app.me.with(|me| me.as_ref().map_or(0, |me| me.account));
        self.active.with(|active| match active {
            Some(Active { purpose: Purpose::Write { .. }, report, .. }) => others(report.as_ref(), me),
            _ => Vec::new(),
        })
    }

    /// Tracks whether somebody else's words still wait to be acknowledged.
    pub fn hands_unseen(self) -> bool {
        !self.hands_seen.get() && !self.others().is_empty()
    }

    /// Tracks what does not keep the report from being signed and must have been read before it is.
    pub fn warning(self) -> Option<String> {
        let draft = self.draft;
        draft.findings.with(|findings| draft.impression.with(|impression| sides::warning(findings, impression)))
    }

    /// Tracks whether the open case's report needs a reviewer's signature after its writer's.
    pub fn needs_two(self) -> bool {
        self.active.with(|active| active.as_ref().is_some_and(|active| active.signatures_needed > 1))
    }

    /// It must be settled first whose text this is, or whether there is a case at all.
    pub fn undecided(self) -> bool {
        self.lost.get() || self.draft.conflict.with(Option::is_some)
    }

    pub fn me(self) -> i64 {
        self.app.me.with_untracked(|me| me.as_ref().map_or(0, |me| me.account))
    }

    /// Whether the caller's signature is on the case by now, and what to say of it.
    pub async fn landed(self, case: i64) -> Result<Option<Text>, Fault> {
        Ok(sign::landed(&api::case(case).await?, self.me()))
    }

    /// The lease is over: because the case was signed, though no answer said so, or because it is lost.
    async fn lease_refused(self) {
        let Some(case) = self.open_case() else { return };
        let detail = api::case(case).await.ok();
        if let Some(said) = detail.as_ref().and_then(|detail| sign::landed(detail, self.me())) {
            self.finish(case, said);
        } else if self.open_case() == Some(case) {
            let name = self.app.me.with_untracked(|me| me.as_ref().map(|me| me.name.clone()).unwrap_or_default());
            self.loss.set(detail.map(|detail| Loss::of(&detail.history, &name)).unwrap_or_default());
            self.lost.set(true);
        }
    }

    pub(super) fn open_case(self) -> Option<i64> {
        self.active.try_with_untracked(|active| active.as_ref().map(|active| active.row.case)).flatten()
    }

    /// `case` leaves the screen, if it is still there; the next may come.
    pub fn finish(self, case: i64, said: Text) {
        let Some(active) = self.active.try_get_untracked().flatten().filter(|active| active.row.case == case) else {
            return;
        };
        self.said.set(Some(Said::done(fill(said, &[&active.row.patient.name]), clock::now_us())));
        self.draft.settled();
        self.done.update(|done| done.push(case));
        self.close();
    }

    pub fn close(self) {
        self.beating.update(|turn| *turn += 1);
        self.draft.unseat();
        self.lost.set(false);
        self.news.set(None);
        self.active.set(None);
        self.opening.set(None);
        self.next();
    }

    /// Leaves a review for later: it does not come up by itself again until something changes in it.
    pub fn put_off(self) {
        if let Some(row) = self.active.get_untracked().map(|active| active.row) {
            self.put_off.update(|all| all.push((row.case, row.version)));
        }
        self.close();
    }

    /// Gives an opened case back to the queue.
    pub fn release(self) {
        let Some(Active { row, purpose: Purpose::Write { lease }, .. }) = self.active.get_untracked() else {
            self.close();
            return;
        };
        spawn_local(async move {
            self.draft.flush().await.ok();
            match api::release(row.case, &lease).await {
                Err(fault) if fault.passing() => self.fault.set(Some(fault)),
                _ => self.close(),
            }
        });
    }

    pub fn set_duty(self, on: bool) {
        spawn_local(async move {
            match api::duty(on, None).await {
                Ok(()) => self.refresh(),
                Err(fault) => self.failing(fault),
            }
        });
    }
}
