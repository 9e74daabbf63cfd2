//! The swim lane: one row a modality, each open case a mark at the minutes it has left. Left is late.

use leptos::prelude::*;
use wire::{Board, CaseRow, Urgency};

use super::place::{FIRST, LAST, SOON, place, share};
use crate::clock::{self, MINUTE_US};
use crate::i18n::{self, fill, say, t};

const LANE: f64 = 96.0;
const WIDTH: f64 = 880.0;
/// Room for a mark and its ring.
const APART: f64 = 0.024;

pub fn lanes(board: &Board, now: i64) -> impl IntoView + use<> {
    let open: Vec<&CaseRow> = board.open.iter().filter(|row| row.due_us.is_some()).collect();
    let left: Vec<f64> = open.iter().map(|row| minutes(row, now)).collect();
    let over = left.iter().filter(|left| **left < 0.0).count();
    let soon = left.iter().filter(|left| (0.0..SOON).contains(*left)).count();
    let body = if open.is_empty() {
        view! { <div class="state"><p class="what">{t(say::LANES_EMPTY)}</p></div> }.into_any()
    } else {
        let rows = modalities(&open).into_iter().map(|modality| lane(&modality, &open, now)).collect_view();
        view! { <div class="lanes">{heads(over, soon)}{rows}{axis()}</div> }.into_any()
    };
    view! {
        <header class="card-head">
            <h2>{t(say::LANES)}</h2><span class="small faint">{t(say::LANES_LEAD)}</span>
            <span class="grow"></span>
            {legend()}
        </header>
        {body}
    }
}

fn minutes(row: &CaseRow, now: i64) -> f64 {
    row.due_us.map_or(LAST, |due| (due - now) as f64 / MINUTE_US as f64)
}

/// The three the center reads most stay in place; others follow by name.
fn modalities(open: &[&CaseRow]) -> Vec<String> {
    let mut all: Vec<String> = ["US", "DX", "CT"].map(str::to_owned).to_vec();
    let mut rest: Vec<String> =
        open.iter().map(|row| lane_of(&row.modality)).filter(|modality| !all.contains(modality)).collect();
    rest.sort();
    rest.dedup();
    all.extend(rest);
    all
}

/// CR and DX are one lane: the same rooms, the same readers.
pub fn lane_of(modality: &str) -> String {
    if modality == "CR" || modality == "DR" { "DX".to_owned() } else { modality.to_owned() }
}

/// As people call it.
pub fn lane_name(modality: &str) -> String {
    match modality {
        "US" => t(say::M_US).to_owned(),
        "DX" => t(say::M_DX).to_owned(),
        other => other.to_owned(),
    }
}

fn legend() -> impl IntoView {
    let item = |urgency: Urgency| {
        view! { <span><svg class="mark-sample" viewBox="-9 -9 18 18" aria-hidden="true">{shape(urgency, 0.0, 0.0, true)}</svg>{t(i18n::urgency(urgency))}</span> }
    };
    view! {
        <span class="legend small quiet">
            {Urgency::ALL.iter().copied().map(item).collect_view()}
            <span>{t(say::LANE_READING)}</span><span>{t(say::LANE_WAITING)}</span>
        </span>
    }
}

fn heads(over: usize, soon: usize) -> impl IntoView {
    view! {
        <div class="lane lane-heads label">
            <span></span>
            {Urgency::ALL.iter().map(|urgency| view! { <span class="end">{t(i18n::urgency(*urgency))}</span> }).collect_view()}
            <span class="end">{t(say::LANE_LONGEST)}</span>
            <span class="lane-zones">
                <span class:red=move || { over > 0 }>{fill(say::LANE_OVER, &[&over.to_string()])}</span>
                <span class:amber=move || { soon > 0 }>{fill(say::LANE_SOON, &[&soon.to_string()])}</span>
                <span>{t(say::LANE_AXIS)}</span>
            </span>
        </div>
    }
}

fn lane(modality: &str, open: &[&CaseRow], now: i64) -> impl IntoView + use<> {
    let rows: Vec<&CaseRow> = open.iter().copied().filter(|row| lane_of(&row.modality) == modality).collect();
    let left: Vec<f64> = rows.iter().map(|row| minutes(row, now)).collect();
    let (marks, crowded) = place(&left, APART);
    let longest = rows.iter().filter_map(|row| row.steps.complete_us).map(|us| (now - us) / MINUTE_US).max();
    let counts = Urgency::ALL.iter().map(|urgency| {
        let count = rows.iter().filter(|row| row.urgency == *urgency).count();
        view! { <b class=if count == 0 { "end lane-n none" } else { "end lane-n" }>{count}</b> }
    });
    let drawn = marks.iter().map(|mark| {
        let y = LANE / 2.0 + [0.0, -26.0, 26.0][mark.level];
        case_mark(rows[mark.case], mark.at * WIDTH, y, left[mark.case], mark.level == 0)
    });
    let rest = crowded.iter().enumerate().filter(|(_, count)| **count > 0).map(|(tenth, count)| {
        let x = (tenth as f64 + 0.5) / 10.0 * WIDTH;
        view! { <text class="lane-more" x=x.to_string() y=(LANE - 8.0).to_string()>{fill(say::LANE_CLUSTER, &[&count.to_string()])}</text> }
    });
    view! {
        <div class="lane">
            <h3>{lane_name(modality)}</h3>
            {counts.collect_view()}
            <span class="end quiet">{longest.map(|longest| view! { {longest}" "<span class="label">{t(say::MINUTES)}</span> })}</span>
            <svg class="lane-marks" viewBox=format!("0 0 {WIDTH} {LANE}") preserveAspectRatio="xMidYMid meet" role="img" aria-label=lane_name(modality)>
                {zones()}
                {drawn.collect_view()}
                {rest.collect_view()}
            </svg>
        </div>
    }
}

fn zones() -> impl IntoView {
    let x = |minutes: f64| share(minutes) * WIDTH;
    let lines = (1..=6).map(|n| {
        let at = x(f64::from(n) * 10.0).to_string();
        view! { <line class="lane-line" x1=at.clone() x2=at y1="0" y2=LANE.to_string()></line> }
    });
    view! {
        <rect class="zone-over" x="0" y="0" width=x(0.0).to_string() height=LANE.to_string()></rect>
        <rect class="zone-soon" x=x(0.0).to_string() y="0" width=(x(SOON) - x(0.0)).to_string() height=LANE.to_string()></rect>
        {lines.collect_view()}
        <line class="lane-due" x1=x(0.0).to_string() x2=x(0.0).to_string() y1="0" y2=LANE.to_string()></line>
    }
}

/// Diamond, large dot, small dot; filled while somebody reads it; ringed and named when past its time.
fn case_mark(row: &CaseRow, x: f64, y: f64, left: f64, name: bool) -> impl IntoView + use<> {
    let held = row.state.leased() || matches!(row.state, wire::CaseState::Submitted | wire::CaseState::Returned);
    let who = format!("{} {} ・ {} ・ {}", row.site.name, row.patient.name, row.exam, t(i18n::state(row.state)));
    let due = row.due_us.map(|due| fill(say::DUE_AT, &[&clock::clock_time(due)])).unwrap_or_default();
    let over = left < 0.0;
    let (x, y) = (x.clamp(12.0, WIDTH - 12.0), y);
    view! {
        <g class=if over { "case-mark over" } else { "case-mark" }>
            <title>{format!("{who}\n{due}")}</title>
            {over.then(|| view! { <circle class="over-ring" cx=x.to_string() cy=y.to_string() r="12"></circle> })}
            {shape(row.urgency, x, y, held)}
            {(over && name).then(|| view! { <text class="over-name" x=x.to_string() y=(y + 27.0).to_string()>{row.patient.name.clone()}</text> })}
        </g>
    }
}

fn shape(urgency: Urgency, x: f64, y: f64, filled: bool) -> AnyView {
    let class = format!("shape {urgency}{}", if filled { " held" } else { "" });
    match urgency {
        Urgency::Stat => {
            let path = format!("M{x} {} L{} {y} L{x} {} L{} {y} Z", y - 8.5, x + 8.5, y + 8.5, x - 8.5);
            view! { <path class=class d=path></path> }.into_any()
        }
        Urgency::Urgent => view! { <circle class=class cx=x.to_string() cy=y.to_string() r="6.5"></circle> }.into_any(),
        Urgency::Routine => view! { <circle class=class cx=x.to_string() cy=y.to_string() r="4"></circle> }.into_any(),
    }
}

fn axis() -> impl IntoView {
    let tick = |minutes: f64, word: String, class: &'static str| {
        let x = (share(minutes) * WIDTH).clamp(14.0, WIDTH - 10.0);
        view! { <text class=class x=x.to_string() y="14">{word}</text> }
    };
    let numbers = (1..=6).map(|n| tick(f64::from(n) * 10.0, (n * 10).to_string(), "axis"));
    view! {
        <div class="lane lane-axis">
            <span></span><span></span><span></span><span></span><span></span>
            <svg class="lane-marks" viewBox=format!("0 0 {WIDTH} 20") preserveAspectRatio="xMidYMid meet" aria-hidden="true">
                {tick(FIRST + 2.5, fill(say::LANE_PAST, &["10"]), "axis")}
                {tick(0.0, t(say::LANE_DUE).to_owned(), "axis due")}
                {numbers.collect_view()}
            </svg>
        </div>
    }
}
