//! The table of cases: tabs, search, and as many rows as the window shows.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use leptos::html::Div;
use leptos::prelude::*;
use web_sys::{HtmlElement, HtmlInputElement, KeyboardEvent};

use super::row::CaseLine;
use super::store::{Load, Slot, Store, Tab};
use crate::i18n::{fill, say, t};
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
                {t(tab.name())}" "<span class="n">{move || store.counts.with(|counts| tab.count(counts))}</span>
            </button>
        }
    };
    view! { <nav class="tabs">{Tab::ALL.map(tab).into_iter().collect_view()}</nav> }
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
            <input id="search" type="search" data-testid="search" placeholder=t(say::SEARCH) on:input=input on:keydown=leave/>
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
        return empty("download", t(say::EMPTY_TODAY).to_owned(), t(say::EMPTY_TODAY_DO), None).into_any();
    }
    let button =
        view! { <button class="button" on:click=move |_| store.tab.set(Tab::Today)>{t(say::SHOW_TODAY)}</button> };
    empty("check", t(say::EMPTY_TAB).to_owned(), t(say::EMPTY_TAB_DO), Some(button.into_any())).into_any()
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
        rows.track();
        measure();
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
            data-rows="" data-testid="rows" on:scroll=move |_| measure() on:keydown=move |event| walk(&event, store)>
            <Heads/>
            <div style:height=above></div>
            <For each=visible key=|slot| slot.case children=move |slot| view! { <CaseLine line=slot of_center=of_center/> }/>
            <div style:height=below></div>
            <p class="case-end label">{move || store.complete().then(|| fill(say::LIST_END, &[&count.get().to_string()]))}</p>
        </div>
    }
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
