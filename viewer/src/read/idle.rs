//! The desk with no case on it: waiting, or off duty; what came back and what waits for review.

use leptos::prelude::*;
use wire::{CaseRow, Desk};

use super::room::Room;
use crate::clock;
use crate::i18n::{fill, say, t};
use crate::ui::{failed, icon, time_left, urgency_chip};

#[component]
pub fn IdleDesk(room: Room) -> impl IntoView {
    let again = Callback::new(move |()| room.refresh());
    // Leases are renewed all the time; the lists are redrawn only when they say something else.
    let desk = Memo::new(move |_| room.desk.get().map(|desk| Desk { current: None, next: None, ..desk }));
    move || match (desk.get(), room.fault.get()) {
        (Some(desk), _) => waiting(room, &desk).into_any(),
        (None, Some(fault)) => failed(&fault, again).into_any(),
        (None, None) => view! { <div class="state" role="status"><p>{t(say::LOADING)}</p></div> }.into_any(),
    }
}

fn waiting(room: Room, desk: &Desk) -> impl IntoView + use<> {
    let on = desk.on_duty;
    let (mark, what, what_to_do) =
        if on { ("clock", say::IDLE_WAITING, say::IDLE_WAITING_DO) } else { ("cup", say::IDLE_OFF, say::IDLE_OFF_DO) };
    let duty = if on { say::GO_OFF_DUTY } else { say::GO_ON_DUTY };
    let class = if on { "button big" } else { "button primary big" };
    view! {
        <div class="idle" data-testid="idle" data-duty=on.to_string()>
            <section class="idle-card">
                {icon(mark)}
                <h2>{t(what)}</h2>
                <p class="quiet">{t(what_to_do)}</p>
                <button class=class data-testid="duty-big" on:click=move |_| room.set_duty(!on)>{t(duty)}" "<kbd>"P"</kbd></button>
                <dl class="idle-figures">
                    {figure(desk.waiting.to_string(), t(say::IDLE_QUEUED))}
                    {figure(desk.signed_today.to_string(), t(say::IDLE_SIGNED))}
                    {desk.median_minutes.map(|minutes| figure(format!("{minutes:.0} {}", t(say::MINUTES)), t(say::IDLE_MEDIAN)))}
                </dl>
            </section>
            {rows(room, t(say::IDLE_RETURNED), "returned", t(say::OPEN_IT), &desk.returned)}
            {rows(room, t(say::IDLE_REVIEW), "to-review", t(say::REVIEW_IT), &desk.to_review)}
        </div>
    }
}

fn figure(number: String, word: &'static str) -> impl IntoView {
    view! { <div><dd>{number}</dd><dt class="label">{word}</dt></div> }
}

fn rows(
    room: Room,
    title: &'static str,
    testid: &'static str,
    act: &'static str,
    rows: &[CaseRow],
) -> Option<impl IntoView + use<>> {
    if rows.is_empty() {
        return None;
    }
    let count = rows.len().to_string();
    let lines = rows.iter().cloned().map(|row| line(room, act, row)).collect_view();
    Some(view! {
        <section class="idle-list" data-testid=testid>
            <h3>{title}" "<span class="faint">{count}</span></h3>
            <ul>{lines}</ul>
        </section>
    })
}

fn line(room: Room, act: &'static str, row: CaseRow) -> impl IntoView {
    let ticks = clock::ticks();
    let target = row.clone();
    let writer = row.assignee.as_ref().map(|who| who.name.clone()).unwrap_or_default();
    let (due, from) = (row.due_us, row.steps.complete_us);
    view! {
        <li class="idle-row">
            {urgency_chip(row.urgency)}
            <b>{row.patient.name.clone()}</b>
            <span class="clip grow">{row.exam.clone()}<i class="dot"></i><span class="quiet">{row.site.name.clone()}</span></span>
            <span class="quiet small">{writer}</span>
            {move || due.map(|due| time_left(ticks.quarter.get(), from, due))}
            <button class="button" data-testid="desk-open" on:click=move |_| room.open(target.clone(), None)>{act}</button>
        </li>
    }
}

/// A case on its way: its name is said before its images are.
#[component]
pub fn OpeningCase(room: Room) -> impl IntoView {
    let again = Callback::new(move |()| room.try_opening());
    move || {
        let opening = room.opening.get()?;
        let name = opening.row.patient.name.clone();
        let body = match &opening.fault {
            None => view! { <div class="state" role="status" data-testid="opening">{icon("image")}<p class="what">{fill(say::OPENING_CASE, &[&name])}</p></div> }.into_any(),
            Some(fault) => view! {
                <div>
                    <p class="opening-name">{fill(say::OPEN_FAILED, &[&name])}</p>
                    {failed(fault, again)}
                </div>
            }
            .into_any(),
        };
        Some(body)
    }
}
