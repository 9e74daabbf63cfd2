//! The rows on the desk: loaded by page, patched in place as events arrive, never moved by them.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{CaseCounts, CaseList, CaseRow, CaseState, Role};

use super::begun;
use super::fresh::Fresh;
use super::place::{self, Left};
use crate::api::{self, Fault};
use crate::app::App;
use crate::clock;
use crate::i18n::{Text, say};
use crate::live::{self, Beat};
use crate::web;

const NOW_AND_THEN: Duration = Duration::from_secs(60);
/// How long the bar speaks of a key just pressed.
const SAID_FOR: Duration = Duration::from_secs(6);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tab {
    Today,
    Open,
    Waiting,
    Signed,
}

impl Tab {
    pub const ALL: [Tab; 4] = [Tab::Today, Tab::Open, Tab::Waiting, Tab::Signed];

    pub fn word(self) -> &'static str {
        match self {
            Tab::Today => "today",
            Tab::Open => "open",
            Tab::Waiting => "waiting",
            Tab::Signed => "signed",
        }
    }

    pub fn name(self) -> Text {
        match self {
            Tab::Today => say::TAB_TODAY,
            Tab::Open => say::TAB_OPEN,
            Tab::Waiting => say::TAB_WAITING,
            Tab::Signed => say::TAB_SIGNED,
        }
    }

    /// How many it lists; nobody counts all that was ever signed.
    pub fn count(self, counts: &CaseCounts) -> Option<u32> {
        match self {
            Tab::Today => Some(counts.today),
            Tab::Open => Some(counts.in_progress),
            Tab::Waiting => Some(counts.waiting_for_me),
            Tab::Signed => None,
        }
    }
}

/// One row that keeps its place while what it says changes.
#[derive(Clone)]
pub struct Slot {
    pub case: i64,
    pub row: ArcRwSignal<CaseRow>,
}

impl Slot {
    fn new(row: CaseRow) -> Self {
        Self { case: row.case, row: ArcRwSignal::new(row) }
    }
}

fn unfound(query: &str, found: &[CaseRow], selected: Option<i64>) -> bool {
    !query.is_empty() && selected.is_some_and(|case| found.iter().all(|row| row.case != case))
}

/// Whose reading is the township's.
const fn is_site(role: Role) -> bool {
    matches!(role, Role::Operator | Role::Clinician)
}

#[derive(Clone, Debug)]
pub enum Load {
    Loading,
    Ready,
    Failed(Fault),
}

#[derive(Clone, Copy)]
pub struct Store {
    app: App,
    pub tab: RwSignal<Tab>,
    pub query: RwSignal<String>,
    pub slots: RwSignal<Vec<Slot>>,
    pub load: RwSignal<Load>,
    /// None until the center has said so.
    pub counts: RwSignal<Option<CaseCounts>>,
    /// Rows that arrived while the pointer was over the list.
    pub held: RwSignal<Vec<CaseRow>>,
    pub selected: RwSignal<Option<i64>>,
    pub fresh: RwSignal<Fresh>,
    /// Why what was just asked for does nothing, for the bar.
    pub said: RwSignal<Option<Text>>,
    /// Rises when a question is begun, sent or called off.
    begun: RwSignal<u32>,
    /// Rises whenever the selected case may have changed.
    pub touched: RwSignal<u32>,
    /// Cases that changed and were not asked for yet.
    dirty: StoredValue<BTreeSet<i64>>,
    /// How far the list is scrolled.
    pub top: RwSignal<f64>,
    /// How far it was when it was left, until it stands there again.
    pub stood_at: StoredValue<Option<f64>>,
    next: RwSignal<Option<String>>,
    fetching: RwSignal<bool>,
    /// Answers of an older tab or search are dropped.
    asked: RwSignal<u32>,
}

impl Store {
    pub fn start(app: App) -> Self {
        let account = app.me.with_untracked(|me| me.as_ref().map_or(0, |me| me.account));
        let left = place::back(account);
        let (tab, query) = left.as_ref().map_or((Tab::Today, String::new()), |left| (left.tab, left.query.clone()));
        let store = Self {
            app,
            tab: RwSignal::new(tab),
            query: RwSignal::new(query),
            top: RwSignal::new(left.as_ref().map_or(0.0, |left| left.top)),
            stood_at: StoredValue::new(left.as_ref().map(|left| left.top)),
            slots: RwSignal::new(Vec::new()),
            load: RwSignal::new(Load::Loading),
            counts: RwSignal::new(None),
            held: RwSignal::new(Vec::new()),
            selected: RwSignal::new(left.and_then(|left| left.selected)),
            fresh: RwSignal::new(Fresh::since(clock::now_us())),
            dirty: StoredValue::new(BTreeSet::new()),
            said: RwSignal::new(None),
            begun: RwSignal::new(0),
            touched: RwSignal::new(0),
            next: RwSignal::new(None),
            fetching: RwSignal::new(false),
            asked: RwSignal::new(0),
        };
        Effect::new(move |_| {
            store.tab.track();
            store.query.track();
            store.reload();
        });
        store.follow();
        on_cleanup(move || store.leave(account));
        store
    }

    /// The page goes away: what it shows is kept for the way back.
    fn leave(self, account: i64) {
        let place = (
            self.tab.try_get_untracked(),
            self.query.try_get_untracked(),
            self.selected.try_get_untracked(),
            self.top.try_get_untracked(),
        );
        if let (Some(tab), Some(query), Some(selected), Some(top)) = place {
            place::leave(Left { account, tab, query, selected, top });
        }
    }

    fn follow(self) {
        let polled = Rc::new(Cell::new(false));
        let refresh = {
            let polled = polled.clone();
            Rc::new(live::gathered(Duration::from_millis(600), move || {
                let cases = self.dirty.try_update_value(std::mem::take).unwrap_or_default();
                spawn_local(self.refresh(cases, polled.take()));
            }))
        };
        // Who is on duty is no site's event: it is looked at again now and then.
        let again = {
            let refresh = refresh.clone();
            set_interval_with_handle(move || refresh(), NOW_AND_THEN)
        };
        on_cleanup(move || {
            if let Ok(again) = again {
                again.clear();
            }
        });
        live::listen(move |beat| {
            match beat {
                Beat::Poll => polled.set(true),
                Beat::Event(event) => match event.case {
                    Some(case) => self.dirty.update_value(|dirty| _ = dirty.insert(case)),
                    // A study may have become a case just now, or somebody may have come to read it.
                    None if event.kind.starts_with("study.") || event.kind.starts_with("duty.") => {}
                    None => return,
                },
            }
            refresh();
        });
    }

    pub fn reload(self) {
        let asked = self.asked.get_untracked() + 1;
        self.asked.set(asked);
        self.load.set(Load::Loading);
        self.held.set(Vec::new());
        let (tab, query) = (self.tab.get_untracked(), self.query.get_untracked());
        spawn_local(async move {
            let answer = api::cases(tab.word(), &query, None).await;
            if self.asked.try_get_untracked() != Some(asked) {
                return;
            }
            match answer {
                Ok(list) => {
                    self.counts.set(Some(list.counts));
                    self.leave_unfound(&query, &list.cases);
                    self.next.set(list.next);
                    self.slots.set(list.cases.into_iter().map(Slot::new).collect());
                    self.load.set(Load::Ready);
                }
                Err(fault) => {
                    self.app.notes(&fault);
                    self.load.set(Load::Failed(fault));
                }
            }
        });
    }

    /// A search that finds others leaves nobody beside the list who was not looked for.
    fn leave_unfound(self, query: &str, found: &[CaseRow]) {
        if self.selected.with_untracked(|selected| unfound(query, found, *selected)) {
            self.selected.set(None);
        }
    }

    /// The page after the last row, where there is one.
    pub fn more(self) {
        let Some(before) = self.next.get_untracked() else { return };
        if self.fetching.get_untracked() {
            return;
        }
        self.fetching.set(true);
        let (tab, query, asked) = (self.tab.get_untracked(), self.query.get_untracked(), self.asked.get_untracked());
        spawn_local(async move {
            let answer = api::cases(tab.word(), &query, Some(&before)).await;
            self.fetching.set(false);
            if self.asked.try_get_untracked() != Some(asked) {
                return;
            }
            // A failed page is asked for again by the next scroll.
            if let Ok(list) = answer {
                self.next.set(list.next);
                self.append(list.cases);
            }
        });
    }

    pub fn complete(self) -> bool {
        self.next.with(Option::is_none)
    }

    fn append(self, rows: Vec<CaseRow>) {
        self.slots.update(|slots| {
            let known: BTreeSet<i64> = slots.iter().map(|slot| slot.case).collect();
            slots.extend(rows.into_iter().filter(|row| !known.contains(&row.case)).map(Slot::new));
        });
    }

    /// Brings the rows up to date after events about `dirty`, each in its place, and hears of reports whose rows this tab
    /// or search does not show. `polled`: no events came, so there may be some that nobody told of.
    async fn refresh(self, dirty: BTreeSet<i64>, polled: bool) {
        let Some((tab, query, asked)) = self.asking() else { return };
        match api::cases(tab.word(), &query, None).await {
            Ok(list) => {
                let shown: BTreeSet<i64> = list.cases.iter().map(|row| row.case).collect();
                list.cases.iter().for_each(|row| self.hear(row));
                if self.asked.try_get_untracked() == Some(asked) {
                    self.take(list);
                }
                for case in dirty.difference(&shown) {
                    if let Ok(row) = api::case_row(*case).await {
                        self.hear(&row);
                        self.patch(row);
                    }
                }
            }
            Err(fault) => {
                self.app.notes(&fault);
                self.dirty.try_update_value(|waiting| waiting.extend(&dirty));
                return;
            }
        }
        if polled
            && (tab != Tab::Waiting || !query.is_empty())
            && let Ok(list) = api::cases(Tab::Waiting.word(), "", None).await
        {
            list.cases.iter().for_each(|row| self.hear(row));
        }
        let selected = self.selected.try_get_untracked().flatten();
        if selected.is_some_and(|case| dirty.is_empty() || dirty.contains(&case)) {
            self.touched.update(|touched| *touched += 1);
        }
    }

    fn asking(self) -> Option<(Tab, String, u32)> {
        Some((self.tab.try_get_untracked()?, self.query.try_get_untracked()?, self.asked.try_get_untracked()?))
    }

    fn take(self, list: CaseList) {
        self.counts.set(Some(list.counts));
        if !matches!(self.load.get_untracked(), Load::Ready) {
            self.next.set(list.next);
            self.slots.set(list.cases.into_iter().map(Slot::new).collect());
            self.load.set(Load::Ready);
            return;
        }
        let new: Vec<CaseRow> = list.cases.into_iter().filter_map(|row| self.patch(row)).collect();
        if new.is_empty() {
            return;
        }
        let empty = self.slots.with_untracked(Vec::is_empty);
        if !empty && web::hovered("[data-rows]") {
            self.held.set(new);
        } else {
            self.insert(new);
        }
    }

    /// Shows what was held back.
    pub fn show_held(self) {
        let held = self.held.get_untracked();
        self.held.set(Vec::new());
        self.insert(held);
    }

    fn insert(self, rows: Vec<CaseRow>) {
        self.held.set(Vec::new());
        self.slots.update(|slots| {
            let known: BTreeSet<i64> = slots.iter().map(|slot| slot.case).collect();
            let new = rows.into_iter().filter(|row| !known.contains(&row.case)).map(Slot::new);
            slots.splice(0..0, new.collect::<Vec<_>>());
        });
    }

    /// Puts a newer row in its place; gives it back where the list has none.
    pub fn patch(self, row: CaseRow) -> Option<CaseRow> {
        let slot = self
            .slots
            .try_with_untracked(|slots| slots.iter().find(|slot| slot.case == row.case).map(|slot| slot.row.clone()))?;
        let Some(slot) = slot else { return Some(row) };
        if slot.with_untracked(|old| *old != row) {
            slot.set(row);
        }
        None
    }

    pub fn row(self, case: i64) -> Option<CaseRow> {
        self.slots
            .with_untracked(|slots| slots.iter().find(|slot| slot.case == case).map(|slot| slot.row.get_untracked()))
    }

    /// The report Ctrl+P means: of the selected case, else the newest in the bar.
    pub fn printable(self) -> Option<CaseRow> {
        let signed = |row: &CaseRow| row.state == CaseState::Signed;
        let selected = self.selected.get_untracked().and_then(|case| self.row(case)).filter(signed);
        selected.or_else(|| self.fresh.with_untracked(|fresh| fresh.newest().cloned()))
    }

    /// Tab reaches one row, the selected or the first; arrow keys reach the others.
    pub fn reachable(self, case: i64) -> bool {
        match self.selected.get() {
            Some(selected) => selected == case,
            None => self.slots.with(|slots| slots.first().is_some_and(|slot| slot.case == case)),
        }
    }

    /// A case as it is now: a report of it may be new.
    fn hear(self, row: &CaseRow) {
        self.fresh.maybe_update(|fresh| fresh.hear(row));
    }

    /// The signed words of a case are before somebody, on paper or on the page: one act, said to the center once. People of the
    /// center reading along do not count as the site.
    pub fn read(self, case: i64, unread: bool) {
        self.looked_at(case);
        let role = self.app.me.with_untracked(|me| me.as_ref().map(|me| me.role));
        if !unread || !role.is_some_and(is_site) {
            return;
        }
        spawn_local(async move {
            // A failure leaves the row asking to be read: opening it again repeats this.
            if api::mark_read(case).await.is_ok()
                && let Ok(row) = api::case_row(case).await
            {
                self.patch(row);
            }
        });
    }

    pub fn looked_at(self, case: i64) {
        self.fresh.maybe_update(|fresh| fresh.looked_at(case));
    }

    /// Says it in the bar, for a while.
    pub fn say(self, what: Text) {
        self.said.set(Some(what));
        set_timeout(
            move || {
                self.said.try_set(None);
            },
            SAID_FOR,
        );
    }

    pub fn account(self) -> i64 {
        self.app.me.with_untracked(|me| me.as_ref().map_or(0, |me| me.account))
    }

    pub fn begun_changed(self) {
        self.begun.try_update(|turn| *turn += 1);
    }

    /// Whether this account has begun a question for the case and not sent it.
    pub fn has_begun(self, case: i64) -> bool {
        self.begun.track();
        begun::read(self.account(), case).is_some()
    }

    pub fn app(self) -> App {
        self.app
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_not_found_does_not_stay_beside_the_list() {
        let found = [crate::read::testing::row(1, wire::Urgency::Routine)];
        assert!(unfound("张", &found, Some(2)) && unfound("张", &[], Some(1)));
        assert!(!unfound("张", &found, Some(1)) && !unfound("张", &found, None));
        assert!(!unfound("", &[], Some(2)), "another tab is no search");
    }

    #[test]
    fn only_the_site_reads_for_the_site() {
        assert!(is_site(Role::Operator) && is_site(Role::Clinician));
        assert!(!is_site(Role::Manager) && !is_site(Role::Reviewer));
    }

    #[test]
    fn a_tab_counts_what_it_lists_or_nothing() {
        let counts = CaseCounts { today: 9, in_progress: 3, waiting_for_me: 2, signed: 6, ..CaseCounts::default() };
        assert_eq!(Tab::ALL.map(|tab| tab.count(&counts)), [Some(9), Some(3), Some(2), None]);
    }
}
