//! The swim lane: one row a modality, each open case a mark at the minutes it has left. Left is late.

use leptos::prelude::*;
use wire::{Board, CaseRow, CaseState, Urgency};

use super::draw::{self, Spot};
use super::place::{FIRST, LAST, SOON, place, share};
use super::remedy::unread;
use crate::clock::{self, MINUTE_US};
use crate::i18n::{self, fill, say, t};
use crate::ui::icon;

/// Room for a mark and its ring, as a share of the axis.
const APART: f64 = 0.024;

pub fn lanes(board: &Board, now: i64) -> impl IntoView + use<> {
    let open: Vec<&CaseRow> = board.open.iter().filter(|row| row.due_us.is_some()).collect();
    let (listed, all) = (board.open.len(), board.open_total as usize);
    let left: Vec<f64> = open.iter().map(|row| minutes(row, now)).collect();
    let over = left.iter().filter(|left| **left < 0.0).count();
    let soon = left.iter().filter(|left| (0.0..SOON).contains(*left)).count();
    let body = if open.is_empty() {
        view! { <div class="state"><p class="what">{t(say::LANES_EMPTY)}</p></div> }.into_any()
    } else {
        let rows = modalities(&open)
            .into_iter()
            .map(|modality| lane(&modality, &open, unread(&board.duty, &modality), now))
            .collect_view();
        view! { <div class="lanes">{heads(over, soon)}{rows}{axis()}</div> }.into_any()
    };
    view! {
        <header class="card-head">
            <h2>{t(say::LANES)}</h2><span class="small faint">{t(say::LANES_LEAD)}</span>
            <span class="grow"></span>
            {legend()}
        </header>
        {body}
        {(listed < all).then(|| view! { <p class="small quiet">{fill(say::LANES_SOME, &[&listed.to_string(), &all.to_string()])}</p> })}
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
        view! { <span><svg class="mark-sample" viewBox="-9 -9 18 18" aria-hidden="true" inner_html=draw::shape(urgency, true)></svg>{t(i18n::urgency(urgency))}</span> }
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

/// `unread`: nobody who is here may read what stands in it.
fn lane(modality: &str, open: &[&CaseRow], unread: bool, now: i64) -> impl IntoView + use<> {
    let rows: Vec<&CaseRow> = open.iter().copied().filter(|row| lane_of(&row.modality) == modality).collect();
    let left: Vec<f64> = rows.iter().map(|row| minutes(row, now)).collect();
    let (marks, crowded) = place(&left, APART);
    let stacked = marks.iter().any(|mark| mark.level > 0) || crowded.iter().any(|count| *count > 0);
    let more = crowded.iter().any(|count| *count > 0);
    let height = draw::height(marks.len(), stacked);
    // What the lane has no room for is written under its lowest marks.
    let (middle, height) = (height / 2.0, if more { height + draw::MORE } else { height });
    let unread = unread && rows.iter().any(|row| row.state == CaseState::Queued);
    let longest = rows.iter().filter_map(|row| row.steps.complete_us).map(|us| (now - us) / MINUTE_US).max();
    let counts = Urgency::ALL.iter().map(|urgency| {
        let count = rows.iter().filter(|row| row.urgency == *urgency).count();
        view! { <b class=if count == 0 { "end lane-n none" } else { "end lane-n" }>{count}</b> }
    });
    // One name a lane, the latest: more would cover each other.
    let named = marks.iter().position(|mark| mark.level == 0 && left[mark.case] < 0.0);
    let spots = marks.iter().enumerate().map(|(n, mark)| {
        let row = rows[mark.case];
        draw::spot(&Spot {
            at: mark.at,
            level: mark.level,
            middle,
            urgency: row.urgency,
            held: held(row),
            over: left[mark.case] < 0.0,
            name: (named == Some(n)).then_some(row.patient.name.as_str()),
            hint: hint(row),
        })
    });
    let rest = crowded.iter().enumerate().filter(|(_, count)| **count > 0).map(|(tenth, count)| {
        let text = fill(say::LANE_CLUSTER, &[&count.to_string()]);
        draw::word("lane-more", (tenth as f64 + 0.5) / 10.0, height - 6.0, &text)
    });
    let drawing = draw::ground() + &spots.chain(rest).collect::<String>();
    view! {
        <div class="lane" class:thin=rows.is_empty()>
            <h3>{lane_name(modality)}{unread.then(|| view! { <span class="amber lane-unread" data-testid="lane-unread">{icon("warn")}{t(say::LANE_UNREAD)}</span> })}</h3>
            {counts.collect_view()}
            <span class="end quiet">{longest.map(|longest| view! { {longest}" "<span class="label">{t(say::MINUTES)}</span> })}</span>
            <svg class="lane-marks" height=height.to_string() role="img" aria-label=spoken(modality, &left) inner_html=drawing></svg>
        </div>
    }
}

/// What the drawing shows, for those who hear it.
fn spoken(modality: &str, left: &[f64]) -> String {
    let count = |matches: fn(&f64) -> bool| left.iter().filter(|left| matches(left)).count().to_string();
    let parts = [count(|_| true), count(|left| *left < 0.0), count(|left| (0.0..SOON).contains(left))];
    fill(say::LANE_SAYS, &[&lane_name(modality), &parts[0], &parts[1], &parts[2]])
}

/// Filled while somebody reads or reviews it.
fn held(row: &CaseRow) -> bool {
    row.state.in_hand()
}

fn hint(row: &CaseRow) -> String {
    let due = row.due_us.map(|due| fill(say::DUE_AT, &[&clock::clock_time(due)])).unwrap_or_default();
    format!("{} {} ・ {} ・ {}\n{due}", row.site.name, row.patient.name, row.exam, t(i18n::state(row.state)))
}

fn axis() -> impl IntoView {
    let mut drawing = draw::word("axis past", share(FIRST + 2.5), 14.0, &fill(say::LANE_PAST, &["10"]));
    drawing += &draw::word("axis due", share(0.0), 14.0, t(say::LANE_DUE));
    for tens in 1..=6 {
        let minutes = f64::from(tens) * 10.0;
        let class = if tens % 2 == 0 { "axis" } else { "axis odd" };
        drawing += &draw::word(class, share(minutes), 14.0, &format!("{minutes:.0}"));
    }
    view! {
        <div class="lane lane-axis">
            <span></span><span></span><span></span><span></span><span></span>
            <svg class="lane-marks" height="20" aria-hidden="true" inner_html=drawing></svg>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_says_how_many_wait_and_how_late_they_are() {
        assert_eq!(spoken("US", &[-3.0, 0.0, 9.9, 10.0, 45.0]), "超声：5 例，超时 1，10 分钟内到时 2");
        assert_eq!(spoken("CT", &[]), "CT：0 例，超时 0，10 分钟内到时 0");
    }
}
