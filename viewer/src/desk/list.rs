//! The table of cases: tabs, search, and as many rows as the window shows.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use leptos::html::Div;
use leptos::prelude::*;
use web_sys::{HtmlElement, HtmlInputElement, KeyboardEvent};
use wire::{CaseCounts, Role};

use super::row::CaseLine;
use super::store::{Load, Slot, Store, Tab};
use crate::i18n::{Text, fill, say, t};
use crate::ui::{JOURNEY_HEADS, empty, failed, icon, loading_rows};
use crate::web;

/// Heights the style sheet gives a row, wide and narrow.
const ROW: f64 = 53.0;
const ROW_NARROW: f64 = 136.0;
const NARROW: f64 = 720.0;
/// Rows kept beyond each edge of the window.
const MARGIN: usize = 6;

#[component]
pub fn CaseTable(of_center: bool) -> impl IntoView {
    view! {
        <section class="cases" data-testid="cases">
            <div class="cases-head">
                <Tabs/>
                <NobodyReads/>
                <Held/>
                <Search/>
            </div>
            <Body of_center=of_center/>
        </section>
    }
}

/// Rows that wait until the pointer has left the list, or until asked for. In its own place: nothing moves.
#[component]
fn Held() -> impl IntoView {
    let store = expect_context::<Store>();
    let count = move || store.held.with(Vec::len);
    view! {
        <div class="held-place" role="status">
            {move || (count() > 0).then(|| view! {
                <button class="held" data-testid="held" on:click=move |_| store.show_held()>
                    {icon("download")}{fill(say::NEW_ROWS, &[&count().to_string()])}
                </button>
            })}
        </div>
    }
}

#[component]
fn Tabs() -> impl IntoView {
    let store = expect_context::<Store>();
    let tab = move |tab: Tab| {
        view! {
            <button class="tab" data-testid=format!("tab-{}", tab.word()) aria-current=move || if store.tab.get() == tab { "true" } else { "false" }
                on:click=move |_| store.tab.set(tab)>
                {t(tab.name())}" "<span class="n">{move || store.counts.with(|counts| tab.count(counts.as_ref()?))}</span>
            </button>
        }
    };
    view! { <nav class="tabs">{Tab::ALL.map(tab).into_iter().collect_view()}</nav> }
}

/// What waits is not being read by anybody: the time left on its row would promise what nobody keeps.
#[component]
fn NobodyReads() -> impl IntoView {
    let store = expect_context::<Store>();
    let nobody = Memo::new(move |_| store.counts.with(|counts| counts.as_ref().is_some_and(nobody_reads)));
    move || {
        nobody.get().then(|| view! { <b class="amber small nobody" role="status" data-testid="nobody-reads">{icon("warn")}" "{t(say::NOBODY_READS)}</b> })
    }
}

fn nobody_reads(counts: &CaseCounts) -> bool {
    counts.on_duty == Some(0) && counts.in_progress > 0
}

#[component]
fn Search() -> impl IntoView {
    let store = expect_context::<Store>();
    let typed = Rc::new(Cell::new(0_u32));
    let input = move |event: leptos::ev::Event| {
        let text = event_target::<HtmlInputElement>(&event).value();
        let turn = typed.get() + 1;
        typed.set(turn);
        let typed = typed.clone();
        set_timeout(
            move || {
                if typed.get() == turn {
                    store.query.set(text.trim().to_owned());
                }
            },
            Duration::from_millis(300),
        );
    };
    let leave = move |event: KeyboardEvent| {
        if web::pressed(&event, "Escape") {
            let field = event_target::<HtmlInputElement>(&event);
            field.set_value("");
            store.query.set(String::new());
            field.blur().ok();
        }
    };
    view! {
        <label class="search">
            {icon("search")}
            <span class="sr">{t(say::SEARCH)}</span>
            <input id="search" type="search" data-testid="search" placeholder=t(say::SEARCH) prop:value=store.query.get_untracked() on:input=input on:keydown=leave/>
            <kbd>"/"</kbd>
        </label>
    }
}

#[component]
fn Heads() -> impl IntoView {
    view! {
        <div class="case-heads label" role="row">
            <span role="columnheader">{t(say::COL_URGENCY)}</span>
            <span role="columnheader">{t(say::COL_PATIENT)}</span>
            <span role="columnheader">{t(say::COL_EXAM)}</span>
            <span role="columnheader" class="journey">{JOURNEY_HEADS.map(|head| view! { <span>{t(head)}</span> }).into_iter().collect_view()}</span>
            <span role="columnheader">{t(say::COL_DOCTOR)}</span>
            <span role="columnheader" class="end">{t(say::COL_NEXT)}</span>
        </div>
    }
}

#[component]
fn Body(of_center: bool) -> impl IntoView {
    let store = expect_context::<Store>();
    let again = Callback::new(move |()| store.reload());
    // Told apart so that a new row never rebuilds the table.
    let showing = Memo::new(move |_| match store.load.get() {
        Load::Ready if store.slots.with(Vec::is_empty) => 0,
        Load::Ready => 1,
        Load::Loading if store.slots.with(Vec::is_empty) => 2,
        Load::Loading => 1,
        Load::Failed(_) => 3,
    });
    move || match showing.get() {
        0 => nothing(store).into_any(),
        1 => view! { <Rows of_center=of_center/> }.into_any(),
        2 => loading_rows(9, "case-row").into_any(),
        _ => match store.load.get() {
            Load::Failed(fault) => failed(&fault, again).into_any(),
            _ => ().into_any(),
        },
    }
}

fn nothing(store: Store) -> impl IntoView {
    let query = store.query.get();
    if !query.is_empty() {
        return empty("search", fill(say::EMPTY_SEARCH, &[&query]), t(say::EMPTY_SEARCH_DO), None).into_any();
    }
    if store.tab.get() == Tab::Today {
        let role = store.app().me.with_untracked(|me| me.as_ref().map(|me| me.role));
        return empty("download", t(say::EMPTY_TODAY).to_owned(), t(today_do(role)), None).into_any();
    }
    let button =
        view! { <button class="button" on:click=move |_| store.tab.set(Tab::Today)>{t(say::SHOW_TODAY)}</button> };
    empty("check", t(say::EMPTY_TAB).to_owned(), t(say::EMPTY_TAB_DO), Some(button.into_any())).into_any()
}

/// Only who stands at a device is told to press its button.
const fn today_do(role: Option<Role>) -> Text {
    match role {
        Some(Role::Operator) => say::EMPTY_TODAY_DO,
        _ => say::EMPTY_TODAY_WAIT,
    }
}

/// Which rows are in the window, and how tall one is.
#[derive(Clone, Copy)]
struct Window {
    top: RwSignal<f64>,
    height: RwSignal<f64>,
    row: RwSignal<f64>,
}

impl Window {
    fn new() -> Self {
        Self { top: RwSignal::new(0.0), height: RwSignal::new(900.0), row: RwSignal::new(ROW) }
    }

    fn measure(self, rows: &HtmlElement) {
        let wide = window().inner_width().ok().and_then(|width| width.as_f64()).unwrap_or(NARROW);
        self.row.set(if wide < NARROW { ROW_NARROW } else { ROW });
        self.top.set(f64::from(rows.scroll_top()));
        self.height.set(f64::from(rows.client_height()));
    }

    fn range(self, count: usize) -> (usize, usize) {
        let row = self.row.get();
        let first = ((self.top.get() / row) as usize).saturating_sub(MARGIN);
        let shown = (self.height.get() / row) as usize + 2 * MARGIN + 2;
        (first.min(count), (first + shown).min(count))
    }
}

#[component]
fn Rows(of_center: bool) -> impl IntoView {
    let store = expect_context::<Store>();
    let rows = NodeRef::<Div>::new();
    let seen = Window::new();
    let measure = move || {
        if let Some(rows) = rows.get_untracked() {
            seen.measure(&rows);
        }
    };
    Effect::new(move |_| {
        if let Some(rows) = rows.get() {
            // Back from the images of a row: the list stands where it was left, and the keyboard in that row.
            let stood_at = store.stood_at.try_update_value(Option::take).flatten();
            if let Some(top) = stood_at {
                rows.set_scroll_top(top as i32);
            }
            measure();
            if let Some(case) = store.selected.get_untracked().filter(|_| stood_at.is_some()) {
                let row = format!("[data-case='{case}']");
                set_timeout(move || web::focus_selector(&row), Duration::ZERO);
            }
        }
    });
    let handle = window_event_listener(leptos::ev::resize, move |_| measure());
    on_cleanup(move || handle.remove());

    let count = Memo::new(move |_| store.slots.with(Vec::len));
    let range = Memo::new(move |_| seen.range(count.get()));
    Effect::new(move |_| {
        let (_, last) = range.get();
        if last + 20 >= count.get() {
            store.more();
        }
    });
    let visible = move || {
        let (first, last) = range.get();
        store.slots.with(|slots| slots.get(first..last).map(<[Slot]>::to_vec).unwrap_or_default())
    };
    let above = move || format!("{}px", range.get().0 as f64 * seen.row.get());
    let below = move || format!("{}px", (count.get() - range.get().1.min(count.get())) as f64 * seen.row.get());
    view! {
        <div class="case-rows" node_ref=rows role="table" aria-label=t(say::ALL_CASES) aria-rowcount=move || count.get().to_string()
            data-rows="" data-testid="rows" on:scroll=move |_| { measure(); store.top.set(seen.top.get_untracked()); } on:keydown=move |event| walk(&event, store)>
            <Heads/>
            <div style:height=above></div>
            <For each=visible key=|slot| slot.case children=move |slot| view! { <CaseLine line=slot of_center=of_center/> }/>
            <div style:height=below></div>
            <p class="case-end label">{move || store.complete().then(|| fill(say::LIST_END, &[&count.get().to_string()]))}</p>
        </div>
    }
}

/// The keyboard goes to a row from wherever the page has nothing else for these keys: the chosen one, else the first in sight.
pub fn enter(event: &KeyboardEvent) {
    let here = web::active();
    let place =
        here.as_ref().map_or(Place::Page, |here| Place::of(|within| here.closest(within).ok().flatten().is_some()));
    if !leads_to_rows(&event.key(), place) || web::typing() || web::dialog_open() {
        return;
    }
    event.prevent_default();
    let rows = ["[data-rows] [data-case][tabindex='0']", "[data-rows] [data-case]"];
    if let Some(row) = rows.into_iter().find(|row| web::exists(row)) {
        web::focus_selector(row);
    }
}

/// Where the keyboard is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Page,
    /// Its rows move by themselves.
    Rows,
    /// Arrows scroll it, or choose in it.
    Panel,
}

impl Place {
    fn of(within: impl Fn(&str) -> bool) -> Self {
        if within("[data-case]") {
            Place::Rows
        } else if within(".panel, .menu, [role=radiogroup]") {
            Place::Panel
        } else {
            Place::Page
        }
    }
}

fn leads_to_rows(key: &str, place: Place) -> bool {
    matches!(key, "ArrowDown" | "ArrowUp") && place == Place::Page
}

/// Arrow keys move among the rows; Enter opens the one in focus.
fn walk(event: &KeyboardEvent, store: Store) {
    let step = match event.key().as_str() {
        "ArrowDown" => 1,
        "ArrowUp" => -1,
        _ => return,
    };
    let Some(here) = web::active().and_then(|element| element.get_attribute("data-case")) else { return };
    event.prevent_default();
    let Ok(here) = here.parse::<i64>() else { return };
    let other = store.slots.with_untracked(|slots| {
        let at = slots.iter().position(|slot| slot.case == here)? as i64 + step;
        slots.get(usize::try_from(at).ok()?).map(|slot| slot.case)
    });
    if let Some(other) = other {
        web::focus_selector(&format!("[data-case='{other}']"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_reach_the_rows_from_a_fresh_page_and_leave_other_places_alone() {
        assert!(leads_to_rows("ArrowDown", Place::Page) && leads_to_rows("ArrowUp", Place::Page));
        assert!(!leads_to_rows("Enter", Place::Page));
        let place = |at: &'static str| Place::of(move |within| within.contains(at));
        assert_eq!((place("[data-case]"), place(".panel"), place(".tabs")), (Place::Rows, Place::Panel, Place::Page));
        assert!(!leads_to_rows("ArrowDown", Place::Rows) && !leads_to_rows("ArrowDown", Place::Panel));
    }

    #[test]
    fn that_nobody_reads_is_said_where_something_waits() {
        let counts = |on_duty, in_progress| CaseCounts { on_duty, in_progress, ..CaseCounts::default() };
        assert!(nobody_reads(&counts(Some(0), 1)));
        assert!(!nobody_reads(&counts(Some(0), 0)) && !nobody_reads(&counts(Some(1), 3)));
        assert!(!nobody_reads(&counts(None, 3)), "nothing is known");
    }

    #[test]
    fn only_who_has_a_device_is_told_to_send() {
        assert_eq!(today_do(Some(Role::Operator)).zh, say::EMPTY_TODAY_DO.zh);
        assert_eq!(today_do(Some(Role::Clinician)).zh, say::EMPTY_TODAY_WAIT.zh);
        assert_eq!(today_do(Some(Role::Manager)).zh, say::EMPTY_TODAY_WAIT.zh);
    }
}
