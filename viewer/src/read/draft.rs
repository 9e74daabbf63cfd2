//! The text being written: on the screen, on this machine at every keystroke, on the server a second after.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{DraftSave, ReportBody, Template};

use super::keep::{self, Aside, Kept, Which, Whose};
use super::room::{Active, Purpose};
use super::standing::{Left, Standing};
use crate::api::{self, Fault};
use crate::app::App;
use crate::clock;

const PAUSE: Duration = Duration::from_millis(900);
const AGAIN_MS: i32 = 4_000;
/// Saves in a row before a text that keeps changing counts as not saved.
const MOST_SAVES: usize = 5;

/// How safe the text is.
#[derive(Clone, Debug, PartialEq)]
pub enum Saved {
    /// Nothing typed yet.
    Nothing,
    At(i64),
    Waiting,
    Saving,
    /// The center does not have it. `here`: a copy on this machine survives a reload.
    Unsent {
        why: Unsent,
        here: bool,
    },
}

/// Why the center does not have the text.
#[derive(Clone, Debug, PartialEq)]
pub enum Unsent {
    /// Not reached; it is tried again.
    Line,
    /// Reached, but it failed; it is tried again.
    Center,
    /// It will not take this text, for the reason given.
    Refused(String),
}

impl Unsent {
    fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Offline | Fault::Timeout => Unsent::Line,
            fault if fault.passing() => Unsent::Center,
            fault => Unsent::Refused(fault.text()),
        }
    }
}

/// Why the text on the screen is not what the center has.
#[derive(Debug)]
pub enum NotSaved {
    /// Two versions stand against each other; somebody must choose.
    Undecided,
    /// The case is no longer in these hands.
    Gone,
    Refused(Fault),
}

/// Which case the text belongs to.
#[derive(Clone, PartialEq)]
struct Seat {
    case: i64,
    account: i64,
    lease: String,
}

#[derive(Clone, Copy)]
pub struct Draft {
    app: App,
    seat: RwSignal<Option<Seat>>,
    pub template: RwSignal<String>,
    pub findings: RwSignal<String>,
    pub impression: RwSignal<String>,
    pub saved: RwSignal<Saved>,
    /// The server's text, when both sides went on from an older one.
    pub conflict: RwSignal<Option<ReportBody>>,
    /// Versions that were not chosen.
    pub asides: RwSignal<Vec<Aside>>,
    pub lost: RwSignal<bool>,
    /// Text of an earlier visit was found on this machine.
    pub restored: RwSignal<bool>,
    standing: RwSignal<Standing>,
    /// The browser keeps a copy.
    here: RwSignal<bool>,
    busy: RwSignal<bool>,
}

impl Draft {
    pub fn new(app: App) -> Self {
        Self {
            app,
            seat: RwSignal::new(None),
            template: RwSignal::new(String::new()),
            findings: RwSignal::new(String::new()),
            impression: RwSignal::new(String::new()),
            saved: RwSignal::new(Saved::Nothing),
            conflict: RwSignal::new(None),
            asides: RwSignal::new(Vec::new()),
            lost: RwSignal::new(false),
            restored: RwSignal::new(false),
            standing: RwSignal::default(),
            here: RwSignal::new(true),
            busy: RwSignal::new(false),
        }
    }

    /// Takes its place at a case: the server's text, or this machine's where that is later.
    pub fn seat(self, active: &Active) {
        let account = self.app.me.with_untracked(|me| me.as_ref().map_or(0, |me| me.account));
        let case = active.row.case;
        self.lost.set(false);
        self.conflict.set(None);
        self.restored.set(false);
        self.busy.set(false);
        self.show(active.report.as_ref());
        let Purpose::Write { lease } = &active.purpose else {
            self.seat.set(None);
            self.asides.set(Vec::new());
            return;
        };
        self.asides.set(keep::asides(account, case));
        self.seat.set(Some(Seat { case, account, lease: lease.clone() }));
        let (findings, impression) = (self.findings.get_untracked(), self.impression.get_untracked());
        match keep::which(keep::read(account, case), self.rev(), &findings, &impression) {
            Which::Server => keep::remove(account, case),
            Which::Here(kept) => {
                self.adopt(&kept);
                self.restored.set(true);
                self.touch();
            }
            Which::Both(kept) => {
                self.adopt(&kept);
                self.standing.update(|standing| _ = standing.typed());
                self.conflict.set(active.report.clone());
            }
        }
    }

    pub fn unseat(self) {
        self.seat.set(None);
        self.asides.set(Vec::new());
        self.conflict.set(None);
        self.lost.set(false);
        self.restored.set(false);
        self.show(None);
    }

    fn show(self, report: Option<&ReportBody>) {
        let text = |part: fn(&ReportBody) -> &String| report.map(|report| part(report).clone()).unwrap_or_default();
        self.template.set(text(|report| &report.template));
        self.findings.set(text(|report| &report.findings));
        self.impression.set(text(|report| &report.impression));
        self.standing.update(|standing| standing.seat(report.map_or(0, |report| report.rev)));
        self.saved.set(report.map_or(Saved::Nothing, |report| Saved::At(report.saved_us)));
    }

    fn adopt(self, kept: &Kept) {
        self.template.set(kept.template.clone());
        self.findings.set(kept.findings.clone());
        self.impression.set(kept.impression.clone());
    }

    fn kept(self) -> Kept {
        Kept {
            rev: self.rev(),
            template: self.template.get_untracked(),
            findings: self.findings.get_untracked(),
            impression: self.impression.get_untracked(),
        }
    }

    pub fn blank(self) -> bool {
        self.findings.with(|text| text.trim().is_empty()) && self.impression.with(|text| text.trim().is_empty())
    }

    /// The text is this template's already, as it came.
    pub fn filled(self, template: &Template) -> bool {
        self.template.get_untracked() == template.id
            && self.findings.get_untracked() == template.findings
            && self.impression.get_untracked() == template.impression
    }

    pub fn use_template(self, template: &Template) {
        self.template.set(template.id.clone());
        self.findings.set(template.findings.clone());
        self.impression.set(template.impression.clone());
        self.touch();
    }

    /// The text changed: keep it here now, send it soon.
    pub fn touch(self) {
        let Some(seat) = self.seat.get_untracked() else { return };
        self.here.set(keep::write(seat.account, seat.case, &self.kept()));
        self.saved.set(Saved::Waiting);
        let turn = self.standing.try_update(Standing::typed).unwrap_or_default();
        set_timeout(
            move || {
                if self.standing.try_get_untracked().is_some_and(|standing| standing.turn() == turn) {
                    spawn_local(self.save_until_kept());
                }
            },
            PAUSE,
        );
    }

    /// Tries until the server has the text or somebody must decide.
    async fn save_until_kept(self) {
        while let Some(seat) = self.seat.try_get_untracked().flatten() {
            match self.save(&seat).await {
                Err(NotSaved::Refused(fault)) if fault.passing() => api::sleep(AGAIN_MS).await,
                _ => return,
            }
            if self.seat.try_get_untracked().flatten().as_ref() != Some(&seat) {
                return;
            }
        }
    }

    /// While somebody must decide, nothing is saved: which text is meant is not known.
    fn settled_whose(self) -> Result<(), NotSaved> {
        if self.lost.get_untracked() {
            Err(NotSaved::Gone)
        } else if self.conflict.with_untracked(Option::is_some) {
            Err(NotSaved::Undecided)
        } else {
            Ok(())
        }
    }

    async fn save(self, seat: &Seat) -> Result<(), NotSaved> {
        self.settled_whose()?;
        if self.busy.get_untracked() {
            return Ok(());
        }
        self.busy.set(true);
        let turn = self.standing.get_untracked().turn();
        self.saved.set(Saved::Saving);
        let Kept { rev, template, findings, impression } = self.kept();
        let body = DraftSave { lease: seat.lease.clone(), rev, template, findings, impression };
        let answer = api::save_draft(seat.case, &body).await;
        if self.seat.try_get_untracked().flatten().as_ref() != Some(seat) {
            return Err(NotSaved::Gone);
        }
        self.busy.set(false);
        match answer {
            Ok(saved) => {
                match self.standing.try_update(|standing| standing.saved(turn, saved.rev)) {
                    Some(Left::More) => self.touch(),
                    _ => {
                        self.saved.set(Saved::At(saved.saved_us.max(clock::now_us() - 1_000_000)));
                        keep::remove(seat.account, seat.case);
                    }
                }
                Ok(())
            }
            Err(fault) => self.refused(fault).await,
        }
    }

    async fn refused(self, fault: Fault) -> Result<(), NotSaved> {
        self.app.notes(&fault);
        self.saved.set(Saved::Unsent { why: Unsent::of(&fault), here: self.here.get_untracked() });
        if fault.lease_lost() {
            self.lost.set(true);
        } else if fault.other_text() {
            self.meet_center().await;
        }
        self.settled_whose()?;
        Err(NotSaved::Refused(fault))
    }

    /// Looks what the center has by now. Whether somebody must choose.
    pub async fn meet_center(self) -> bool {
        let Some(seat) = self.seat.try_get_untracked().flatten() else { return false };
        if let Ok(detail) = api::case(seat.case).await
            && let Some(theirs) = detail.report
            && self.seat.try_get_untracked().flatten().as_ref() == Some(&seat)
        {
            self.meet(&seat, theirs);
        }
        self.conflict.try_with_untracked(Option::is_some) == Some(true)
    }

    /// The server's text moved on: the same words need no decision.
    fn meet(self, seat: &Seat, theirs: ReportBody) {
        let mine = self.kept();
        if theirs.findings == mine.findings && theirs.impression == mine.impression {
            self.show(Some(&theirs));
            keep::remove(seat.account, seat.case);
        } else {
            self.conflict.set(Some(theirs));
        }
    }

    /// Ends a conflict. The version not chosen is put aside before anything takes its place.
    pub fn choose(self, mine: bool) {
        let (Some(theirs), Some(seat)) = (self.conflict.get_untracked(), self.seat.get_untracked()) else { return };
        let (whose, findings, impression) = match mine {
            true => (Whose::Center, theirs.findings.clone(), theirs.impression.clone()),
            false => (Whose::Here, self.findings.get_untracked(), self.impression.get_untracked()),
        };
        let aside = Aside { at_us: clock::now_us(), whose, findings, impression };
        self.asides.set(keep::put_aside(seat.account, seat.case, aside));
        self.conflict.set(None);
        if mine {
            self.standing.update(|standing| standing.rebase(theirs.rev));
            self.touch();
        } else {
            self.show(Some(&theirs));
            keep::remove(seat.account, seat.case);
        }
    }

    /// The reader wants a version put aside no more.
    pub fn dismiss(self, place: usize) {
        if let Some(seat) = self.seat.get_untracked() {
            self.asides.set(keep::dismiss(seat.account, seat.case, place));
        }
    }

    /// Findings and impression as one text, to copy.
    pub fn whole(self) -> String {
        both(&self.findings.get_untracked(), &self.impression.get_untracked())
    }

    /// Saves what is on the screen and says which `rev` that is: what will be signed. An error while the center has
    /// another text than the screen.
    pub async fn flush(self) -> Result<i64, NotSaved> {
        let Some(seat) = self.seat.get_untracked() else { return Ok(self.rev()) };
        for _ in 0..MOST_SAVES {
            while self.busy.try_get_untracked() == Some(true) {
                api::sleep(50).await;
            }
            self.settled_whose()?;
            if self.standing.try_get_untracked().is_none_or(|standing| standing.is_clean()) {
                return Ok(self.rev());
            }
            self.save(&seat).await?;
        }
        Err(NotSaved::Refused(Fault::Timeout))
    }

    /// Leaving the page now would leave text where only this page, or this machine, has it.
    pub fn at_risk(self) -> bool {
        let unsaved = !self.standing.get_untracked().is_clean();
        let undecided = self.lost.get_untracked() || self.conflict.with_untracked(Option::is_some);
        let stuck = matches!(self.saved.get_untracked(), Saved::Unsent { .. });
        self.seat.with_untracked(Option::is_some) && unsaved && (undecided || stuck || !self.here.get_untracked())
    }

    pub fn rev(self) -> i64 {
        self.standing.try_get_untracked().unwrap_or_default().rev()
    }

    /// The server has the final text: this machine's copies go.
    pub fn settled(self) {
        if let Some(seat) = self.seat.get_untracked() {
            keep::remove(seat.account, seat.case);
            keep::forget_asides(seat.account, seat.case);
        }
    }
}

pub fn both(findings: &str, impression: &str) -> String {
    format!("{findings}\n\n{impression}")
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::read::testing::report;

    fn theirs() -> ReportBody {
        report(4, "那里写的")
    }

    fn at_a_case() -> Draft {
        let draft = Draft::new(App::for_tests());
        draft.seat.set(Some(Seat { case: 1, account: 2, lease: "甲".into() }));
        draft.findings.set("这里写的".into());
        draft
    }

    /// What `flush` says where it needs no answer from anybody.
    fn flushed(draft: Draft) -> Result<i64, NotSaved> {
        match pin!(draft.flush()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("it asks the center"),
        }
    }

    #[test]
    fn what_the_center_failed_at_is_not_said_to_wait_for_the_line() {
        let refused = |status, code: &str| {
            let (code, title) = (code.to_owned(), String::new());
            Unsent::of(&Fault::Refused(wire::Problem { code, title, status, detail: None }, None))
        };
        assert_eq!(Unsent::of(&Fault::Offline), Unsent::Line);
        assert_eq!(refused(500, "internal"), Unsent::Center);
        assert!(matches!(refused(409, "bad_text"), Unsent::Refused(_)));
    }

    #[test]
    fn nothing_is_handed_to_a_signature_while_two_versions_stand_against_each_other() {
        let owner = Owner::new();
        owner.with(|| {
            let draft = at_a_case();
            draft.conflict.set(Some(theirs()));
            assert!(matches!(flushed(draft), Err(NotSaved::Undecided)));
        });
    }

    #[test]
    fn nothing_is_handed_to_a_signature_once_the_case_is_gone() {
        let owner = Owner::new();
        owner.with(|| {
            let draft = at_a_case();
            draft.lost.set(true);
            assert!(matches!(flushed(draft), Err(NotSaved::Gone)));
        });
    }

    #[test]
    fn leaving_is_questioned_only_while_text_is_nowhere_safe() {
        let owner = Owner::new();
        owner.with(|| {
            let draft = at_a_case();
            assert!(!draft.at_risk(), "nothing typed");
            draft.standing.update(|standing| _ = standing.typed());
            assert!(!draft.at_risk(), "typed a moment ago and kept here");
            draft.here.set(false);
            assert!(draft.at_risk(), "the browser keeps nothing");
            draft.here.set(true);
            draft.saved.set(Saved::Unsent { why: Unsent::Line, here: true });
            assert!(draft.at_risk(), "the center does not have it");
            draft.show(Some(&theirs()));
            assert!(!draft.at_risk());
        });
    }

    #[test]
    fn text_the_center_has_is_handed_over_as_the_revision_it_has() {
        let owner = Owner::new();
        owner.with(|| {
            let draft = at_a_case();
            draft.show(Some(&theirs()));
            assert_eq!(flushed(draft).unwrap(), 4);
        });
    }
}
