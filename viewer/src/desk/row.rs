//! One case in the table.

use leptos::prelude::*;
use wire::{CaseRow, CaseState};

use super::report::Opened;
use super::store::{Slot, Store};
use crate::clock;
use crate::i18n::{self, fill, say, t};
use crate::ui::{icon, journey, number, time_left, urgency_chip};
use crate::web;

/// "男 45 岁".
pub fn sex_age(row: &CaseRow) -> String {
    format!("{} {}", t(i18n::sex(row.patient.sex)), i18n::age(row.patient.age)).trim().to_owned()
}

/// What was examined, in words; the modality where the device said nothing.
pub fn exam(row: &CaseRow) -> String {
    if row.exam.is_empty() { format!("{} {}", row.modality, row.body_part).trim().to_owned() } else { row.exam.clone() }
}

#[component]
pub fn CaseLine(line: Slot, of_center: bool) -> impl IntoView {
    let store = expect_context::<Store>();
    let opened = expect_context::<RwSignal<Option<Opened>>>();
    let case = line.case;
    let row = line.row;
    let select = move || store.selected.set(Some(case));
    let on_key = move |event: web_sys::KeyboardEvent| {
        if web::pressed(&event, "Enter") && web::active().is_some_and(|here| here.has_attribute("data-case")) {
            event.prevent_default();
            select();
        }
    };
    let state = row.clone();
    let begun = Memo::new(move |_| store.has_begun(case));
    view! {
        <div class="case-row" role="row" tabindex=move || if store.reachable(case) { "0" } else { "-1" } data-case=case.to_string() data-testid="case-row"
            data-state=move || state.with(|row| row.state.word())
            class:selected=move || store.selected.get() == Some(case)
            aria-selected=move || (store.selected.get() == Some(case)).to_string()
            on:click=move |_| select() on:keydown=on_key>
            {move || cells(&row.get(), of_center, opened, begun)}
        </div>
    }
}

/// What tells the time is redrawn with it; the rest, and above all the button, stays until the row changes.
fn cells(row: &CaseRow, of_center: bool, opened: RwSignal<Option<Opened>>, begun: Memo<bool>) -> impl IntoView + use<> {
    let now = clock::ticks().quarter;
    let walked = row.clone();
    view! {
        <span class="c-urgency" role="cell">{urgency_chip(row.urgency)}</span>
        <span class="c-patient" role="cell">
            <b class="clip">
                {row.patient.name.clone()}
                {move || begun.get().then(|| view! { <span class="amber" data-testid="row-begun" title=t(say::QUESTION_BEGUN)>" "{icon("pen")}<span class="sr">{t(say::QUESTION_BEGUN)}</span></span> })}
            </b>
            <span class="label cut">{about(row)}</span>
        </span>
        <span class="c-exam" role="cell">
            <span class="clip exam">
                {exam(row)}
                {(row.quarantined > 0).then(|| view! { <span class="amber" title=fill(say::QUARANTINED_N, &[&row.quarantined.to_string()])>" "{icon("warn")}</span> })}
            </span>
            <span class="label cut" title=clock::exact(row.exam_us)>{made(row, of_center)}</span>
        </span>
        <span class="c-journey" role="cell">{move || journey(&walked, now.get())}</span>
        {doctor(row)}
        <span class="c-next" role="cell">{next(row, opened)}</span>
    }
}

/// Some devices send no number at all, some neither sex nor age: a dot stands only between two things.
fn about(row: &CaseRow) -> impl IntoView + use<> {
    let (person, known) = (sex_age(row), number_of(row));
    let dot = (!person.is_empty() && !known.is_empty()).then(|| view! { <i class="dot"></i> });
    view! { {person}{dot}{(!known.is_empty()).then(|| number(known))} }
}

fn number_of(row: &CaseRow) -> &str {
    if row.accession.is_empty() { &row.patient.pid } else { &row.accession }
}

/// For the center where and when; for a site, which knows where, when and how much. What came late stands in the place of
/// the rest: a warning is never cut.
fn made(row: &CaseRow, of_center: bool) -> AnyView {
    let site = of_center.then(|| view! { <span class="clip">{row.site.name.clone()}</span><i class="dot"></i> });
    if let Some(words) = late(row) {
        return view! { {site}<b class="amber" data-testid="row-late">{icon("image")}" "{words}</b> }.into_any();
    }
    let when = clock::day_or_time(row.exam_us);
    let count = match row.state {
        CaseState::Arriving => t(say::UPLOADING).to_owned(),
        _ => fill(say::IMAGES_COUNT, &[&row.instances.to_string()]),
    };
    match (of_center, row.state) {
        (true, CaseState::Arriving) => view! { {site}<span>{count}</span> }.into_any(),
        (true, _) => view! { {site}<span>{when}</span> }.into_any(),
        (false, _) => view! { <span>{when}</span><i class="dot"></i><span class="clip">{count}</span> }.into_any(),
    }
}

/// Images that came after the study was complete, or after its report was signed.
fn late(row: &CaseRow) -> Option<String> {
    let words = if row.state == CaseState::Signed { say::LATE_SIGNED_N } else { say::LATE_N };
    (row.late > 0).then(|| fill(words, &[&row.late.to_string()]))
}

fn doctor(row: &CaseRow) -> impl IntoView + use<> {
    let (name, below) = match (&row.assignee, row.state) {
        (Some(who), _) => (who.name.clone(), who.title.clone()),
        (None, CaseState::Arriving | CaseState::Stored) => ("—".to_owned(), String::new()),
        (None, _) => (t(say::UNASSIGNED).to_owned(), String::new()),
    };
    view! {
        <span class="c-doctor" role="cell">
            <span class="clip">{name}</span>
            <span class="label clip">{below}</span>
        </span>
    }
}

/// The time left, or the single thing to do; never both.
fn next(row: &CaseRow, opened: RwSignal<Option<Opened>>) -> AnyView {
    match (row.state, row.due_us) {
        (CaseState::Signed, _) if row.steps.read_us.is_some() => {
            view! { <span class="quiet">{icon("check")}" "{t(say::READ_DONE)}</span> }.into_any()
        }
        (CaseState::Signed, _) => {
            let target = Opened::of(row, false);
            let open = move |event: web_sys::MouseEvent| {
                event.stop_propagation();
                opened.set(target.clone());
            };
            view! { <button class="button outline" data-testid="row-report" on:click=open>{icon("doc")}{t(say::NEXT_READ)}</button> }.into_any()
        }
        (CaseState::Arriving | CaseState::Stored, _) | (_, None) => view! { <span class="faint">"—"</span> }.into_any(),
        (_, Some(due)) => {
            let (now, from) = (clock::ticks().quarter, row.steps.complete_us.or(row.steps.arriving_us));
            view! { {move || time_left(now.get(), from, due)} }.into_any()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing;

    #[test]
    fn who_has_no_age_is_not_followed_by_a_gap() {
        let mut row = testing::row(1, wire::Urgency::Routine);
        assert_eq!(sex_age(&row), "女 58 岁");
        row.patient.age = None;
        assert_eq!(sex_age(&row), "女");
    }

    #[test]
    fn the_row_says_whether_images_came_before_or_after_signing() {
        let mut row = testing::row(1, wire::Urgency::Routine);
        assert_eq!(late(&row), None);
        row.late = 3;
        assert_eq!(late(&row).as_deref(), Some("又到 3 幅"));
        row.state = CaseState::Signed;
        assert_eq!(late(&row).as_deref(), Some("签署后又到 3 幅"));
    }
}
