//! The bar over the reading room: whose images these are, why they are here, how long is left, what comes next, who reads.

use leptos::prelude::*;
use wire::CaseRow;

use super::room::{Purpose, Room};
use super::turn::{self, Own};
use crate::clock;
use crate::i18n::{self, Text, fill, say, t};
use crate::ui::{LineMark, PersonMenu, icon, number, time_left, urgency_chip};

#[component]
pub fn Banner(room: Room) -> impl IntoView {
    view! {
        <header class="banner" data-testid="banner">
            <span class="logo-mark">{icon("logo")}</span>
            {move || room.active.get().map(|active| {
                let writing = matches!(active.purpose, Purpose::Write { .. });
                view! {
                    <Patient row=active.row.clone()/>
                    <div class="banner-cell why">
                        {urgency_chip(active.row.urgency)}
                        {why(writing, &active.why)}
                    </div>
                    <Countdown row=active.row/>
                }
            })}
            <Next room=room/>
            <span class="grow"></span>
            <OwnWork room=room/>
            <div class="banner-cell"><LineMark/></div>
            <div class="banner-cell last"><PersonMenu/><DutyButton room=room/></div>
        </header>
    }
}

/// Two lines at most where there is little room; the whole of it on hover.
fn why(writing: bool, reason: &str) -> impl IntoView + use<> {
    let words = if writing { fill(say::WHY, &[reason]) } else { reason.to_owned() };
    view! { <span class="label why-words" title=words.clone()>{words.clone()}</span> }
}

#[component]
fn Patient(row: CaseRow) -> impl IntoView {
    let about = format!("{} {}", t(i18n::sex(row.patient.sex)), i18n::age(row.patient.age));
    let shown = if row.accession.is_empty() { row.patient.pid.clone() } else { row.accession.clone() };
    view! {
        <div class="banner-cell">
            <h1 class="banner-name" data-testid="patient-name">{row.patient.name.clone()}</h1>
            <span class="quiet">{about}</span>
        </div>
        <div class="banner-cell two">
            <b class="clip" data-testid="exam">{row.exam.clone()}</b>
            <span class="label cut" title=clock::exact(row.exam_us)><span class="clip">{row.site.name.clone()}</span><i class="dot"></i>{number(&shown)}
                {(row.late > 0).then(|| view! { <b class="amber" data-testid="banner-late">" "{icon("image")}{fill(say::LATE_N, &[&row.late.to_string()])}</b> })}
            </span>
        </div>
    }
}

#[component]
fn Countdown(row: CaseRow) -> impl IntoView {
    let ticks = clock::ticks();
    let from = row.steps.complete_us.or(row.steps.arriving_us);
    row.due_us.map(|due| {
        // Every second only while seconds are shown.
        let close = Memo::new(move |_| due - ticks.quarter.get() < 150_000_000);
        let now = move || if close.get() { ticks.second.get() } else { ticks.quarter.get() };
        let share = move || format!("{:.1}%", clock::left(now(), from, due).share * 100.0);
        let tone = move || match clock::left(now(), from, due) {
            left if left.overdue => "bar red",
            left if left.soon() => "bar amber",
            _ => "bar",
        };
        view! {
            <div class="banner-cell countdown" data-testid="countdown">
                {move || time_left(now(), from, due)}
                <span class="label">{fill(say::DUE_AT, &[&clock::clock_time(due)])}</span>
                <i class=tone style:width=share></i>
            </div>
        }
    })
}

/// What opens when this case is done: own work first, else the queue's next.
#[component]
fn Next(room: Room) -> impl IntoView {
    let coming = Memo::new(move |_| {
        room.desk.with(|desk| {
            let desk = desk.as_ref()?;
            let own = room.own_next(desk).or_else(|| room.own_first(desk).filter(|_| !desk.on_duty));
            let own = own.map(|(row, own)| (row, Some(own)));
            // A case just taken out of these hands heads the queue again; on the screen it still stands.
            let open = room.active.with(|active| active.as_ref().map(|active| active.row.case));
            own.or_else(|| Some((desk.next.clone().filter(|row| Some(row.case) != open)?, None)))
        })
    });
    let waiting = move || room.desk.with(|desk| desk.as_ref().map_or(0, |desk| desk.waiting));
    view! {
        <div class="banner-cell next" data-testid="next">
            {move || coming.get().map(|(row, own)| view! {
                <span class="label">{t(say::NEXT_CASE)}</span>
                {urgency_chip(row.urgency)}
                {own.map(|own| view! { <b class="small">{t(word(own))}</b> })}
                <span class="clip small">{row.exam.clone()}<i class="dot"></i>{row.site.name.clone()}</span>
            })}
            <span class="label" data-testid="waiting">{move || fill(say::QUEUED_N, &[&waiting().to_string()])}</span>
        </div>
    }
}

fn word(own: Own) -> Text {
    match own {
        Own::Returned => say::OWN_RETURNED,
        Own::Review => say::OWN_REVIEW,
    }
}

/// What was sent back and what waits for a review: always in sight, one press away.
#[component]
fn OwnWork(room: Room) -> impl IntoView {
    view! {
        <div class="banner-own">
            {own_button(room, Own::Returned, "undo", "banner-returned")}
            {own_button(room, Own::Review, "review", "banner-review")}
        </div>
    }
}

fn own_button(room: Room, own: Own, mark: &'static str, testid: &'static str) -> impl IntoView {
    let case = Memo::new(move |_| room.active.with(|active| active.as_ref().map(|active| active.row.case)));
    let count =
        Memo::new(move |_| room.desk.with(|desk| desk.as_ref().map_or(0, |desk| turn::count(desk, own, case.get()))));
    let pressed = move || room.wanted.get() == Some(own);
    let hint = move || match (case.get().is_some(), pressed()) {
        (false, _) => say::OWN_OPEN,
        (true, false) => say::OWN_FIRST,
        (true, true) => say::OWN_FIRST_NOT,
    };
    let any = Memo::new(move |_| count.get() > 0);
    move || {
        any.get().then(|| {
            view! {
                <button class="button bare own" class:on=pressed aria-pressed=move || pressed().to_string() title=move || t(hint())
                    data-testid=testid on:click=move |_| room.want(own)>
                    {icon(mark)}{t(word(own))}" "<b>{move || count.get()}</b>
                </button>
            }
        })
    }
}

#[component]
fn DutyButton(room: Room) -> impl IntoView {
    let on_duty = Memo::new(move |_| room.desk.with(|desk| desk.as_ref().map(|desk| desk.on_duty)));
    move || {
        let on = on_duty.get()?;
        let (mark, word) = if on { ("cup", say::GO_OFF_DUTY) } else { ("play", say::GO_ON_DUTY) };
        Some(view! {
            <button class="button bare duty" aria-pressed=on.to_string() data-testid="duty" on:click=move |_| room.set_duty(!on)>
                {icon(mark)}{t(word)}" "<kbd>"P"</kbd>
            </button>
        })
    }
}
