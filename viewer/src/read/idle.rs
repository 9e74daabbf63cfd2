//! The desk with no case on it: waiting, or off duty; what came back and what waits for review.
//!
//! Its parts are made once and stay where they are; only the words and rows in them change.

use leptos::prelude::*;
use wire::{CaseRow, Desk, Role};

use super::room::Room;
use super::slots::{Slot, merge};
use super::turn::{Own, unlisted};
use crate::clock;
use crate::i18n::{Text, fill, say, t};
use crate::ui::{failed, icon, time_left, urgency_chip};
use crate::web;

const LISTS: &str = ".idle-lists";

#[component]
pub fn IdleDesk(room: Room) -> impl IntoView {
    let again = Callback::new(move |()| room.refresh());
    let known = Memo::new(move |_| room.desk.with(Option::is_some));
    // What was shown stays: an answer that says the line is fine again draws nothing anew.
    let in_the_way = Memo::new(move |_| room.fault.get().filter(|_| !known.get()));
    move || match (known.get(), in_the_way.get()) {
        (true, _) => view! { <Waiting room=room/> }.into_any(),
        (false, Some(fault)) => failed(&fault, again).into_any(),
        (false, None) => view! { <div class="state" role="status"><p>{t(say::LOADING)}</p></div> }.into_any(),
    }
}

#[component]
fn Waiting(room: Room) -> impl IntoView {
    let of_desk = move |part: fn(&Desk) -> String| {
        let part = Memo::new(move |_| room.desk.with(|desk| desk.as_ref().map(part).unwrap_or_default()));
        move || part.get()
    };
    let on = Memo::new(move |_| room.desk.with(|desk| desk.as_ref().is_some_and(|desk| desk.on_duty)));
    let by_duty = move |off: Text, on_duty: Text| move || t(if on.get() { on_duty } else { off });
    let minutes = |desk: &Desk| desk.median_minutes.map_or("—".into(), |n| format!("{n:.0} {}", t(say::MINUTES)));
    let reviews = room.app.me.with_untracked(|me| me.as_ref().is_some_and(|me| me.role == Role::Reviewer));
    view! {
        <div class="idle" data-testid="idle" data-duty=move || on.get().to_string()>
            <section class="idle-card">
                {move || icon(if on.get() { "clock" } else { "cup" })}
                <h2>{move || t(if room.choosing.get() { say::IDLE_CHOOSING } else if on.get() { say::IDLE_WAITING } else { say::IDLE_OFF })}</h2>
                <p class="quiet">{by_duty(say::IDLE_OFF_DO, say::IDLE_WAITING_DO)}</p>
                <button class="button big" class:primary=move || !on.get() data-testid="duty-big"
                    on:click=move |_| room.set_duty(!on.get_untracked())>{by_duty(say::GO_ON_DUTY, say::GO_OFF_DUTY)}" "<kbd>"P"</kbd></button>
                <dl class="idle-figures">
                    {figure(of_desk(|desk| desk.waiting.to_string()), say::IDLE_QUEUED)}
                    {figure(of_desk(|desk| desk.signed_today.to_string()), say::IDLE_SIGNED)}
                    {figure(of_desk(minutes), say::IDLE_MEDIAN)}
                </dl>
            </section>
            <Outdated room=room/>
            <div class="idle-lists" class:two=reviews>
                {list(room, Listed { title: say::IDLE_RETURNED, none: say::IDLE_RETURNED_NONE, own: Own::Returned, testid: "returned", act: say::OPEN_IT }, |desk| desk.returned.clone())}
                {reviews.then(|| list(room, Listed { title: say::IDLE_REVIEW, none: say::IDLE_REVIEW_NONE, own: Own::Review, testid: "to-review", act: say::REVIEW_IT }, |desk| desk.to_review.clone()))}
            </div>
        </div>
    }
}

/// What the reader signed and images came for since: said first, as somebody acts on the report meanwhile.
#[component]
fn Outdated(room: Room) -> impl IntoView {
    let rows =
        Memo::new(move |_| room.desk.with(|desk| desk.as_ref().map(|desk| desk.outdated.clone()).unwrap_or_default()));
    let line = |row: CaseRow| {
        view! {
            <li class="idle-row">
                {icon("warn")}<b>{row.patient.name}</b>
                <span class="clip grow">{row.exam}<i class="dot"></i><span class="quiet">{row.site.name}</span></span>
                <b class="amber">{fill(say::LATE_SIGNED_N, &[&row.late.to_string()])}</b>
                <a class="button" href=format!("#images/{}", row.case) data-testid="outdated-images">{t(say::VIEW_IMAGES)}</a>
            </li>
        }
    };
    move || {
        let rows = rows.get();
        (!rows.is_empty()).then(|| {
            view! {
                <section class="idle-list" role="alert" data-testid="outdated">
                    <h3>{t(say::IDLE_OUTDATED)}" "<span class="faint">{rows.len()}</span></h3>
                    <p class="faint small">{t(say::IDLE_OUTDATED_DO)}</p>
                    <ul>{rows.into_iter().map(line).collect_view()}</ul>
                </section>
            }
        })
    }
}

fn figure(number: impl Fn() -> String + Send + 'static, word: Text) -> impl IntoView {
    view! { <div><dd>{number}</dd><dt class="label">{t(word)}</dt></div> }
}

/// The words of one list.
#[derive(Clone, Copy)]
struct Listed {
    title: Text,
    none: Text,
    own: Own,
    testid: &'static str,
    /// What its button does with a case.
    act: Text,
}

fn list(room: Room, words: Listed, part: fn(&Desk) -> Vec<CaseRow>) -> impl IntoView {
    let fresh = Memo::new(move |_| room.desk.with(|desk| desk.as_ref().map(part).unwrap_or_default()));
    let slots = RwSignal::new(Vec::<Slot>::new());
    let settle = move |attended: bool| {
        let merged = slots.with_untracked(|slots| fresh.with_untracked(|fresh| merge(slots, fresh, attended)));
        if slots.with_untracked(|slots| *slots != merged) {
            slots.set(merged);
        }
    };
    Effect::new(move |_| {
        fresh.track();
        settle(web::attended(LISTS));
    });
    let unlisted = Memo::new(move |_| room.desk.with(|desk| desk.as_ref().map_or(0, |desk| unlisted(desk, words.own))));
    let listed = Memo::new(move |_| slots.with(|slots| slots.iter().filter(|slot| !slot.gone).count()));
    view! {
        <section class="idle-list" data-testid=words.testid on:pointerleave=move |_| settle(false)>
            <h3>{t(words.title)}" "<span class="faint">{move || listed.get() + unlisted.get()}</span></h3>
            <ul>
                <For each=move || slots.get() key=|slot| slot.row.case let(slot)>
                    {line(room, words.act, slot.row.case, slots)}
                </For>
            </ul>
            {move || (unlisted.get() > 0).then(|| view! { <p class="faint small idle-none">{fill(say::IDLE_REST, &[&unlisted.get().to_string()])}</p> })}
            {move || slots.with(Vec::is_empty).then(|| view! { <p class="faint idle-none">{t(words.none)}</p> })}
        </section>
    }
}

/// One row: its place and its button live as long as the case is listed.
fn line(room: Room, act: Text, case: i64, slots: RwSignal<Vec<Slot>>) -> impl IntoView {
    let ticks = clock::ticks();
    let slot = Memo::new(move |_| slots.with(|slots| slots.iter().find(|slot| slot.row.case == case).cloned()));
    let gone = Memo::new(move |_| slot.with(|slot| slot.as_ref().is_none_or(|slot| slot.gone)));
    let mine = Memo::new(move |_| room.done.with(|done| done.contains(&case)));
    let open = move |_| {
        if let Some(slot) = slot.get_untracked().filter(|slot| !slot.gone) {
            room.open(slot.row, None);
        }
    };
    let words = move || {
        slot.get().map(|Slot { row, .. }| {
        let writer = row.assignee.as_ref().map(|who| who.name.clone()).unwrap_or_default();
        let (due, from) = (row.due_us, row.steps.complete_us);
        view! {
            {urgency_chip(row.urgency)}
            <b>{row.patient.name.clone()}</b>
            <span class="clip grow">{row.exam.clone()}<i class="dot"></i><span class="quiet">{row.site.name.clone()}</span></span>
            <span class="quiet small">{writer}</span>
            {due.map(|due| view! { <span class="idle-due">{move || time_left(ticks.quarter.get(), from, due)}</span> })}
        }
    })
    };
    view! {
        <li class="idle-row" class:gone=move || gone.get()>
            {words}
            <button class="button" data-testid="desk-open" aria-disabled=move || gone.get().to_string() on:click=open>
                {move || t(if !gone.get() { act } else if mine.get() { say::IDLE_DONE } else { say::IDLE_GONE })}
            </button>
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
