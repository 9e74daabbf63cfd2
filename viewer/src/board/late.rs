//! Cases past their time or close to it, the most pressing first, each with where it is stuck and what can be done.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{Board, CaseRow, Person};

use super::Watch;
use super::lanes::{lane_name, lane_of};
use super::remedy::{Next, Stuck, after_taking_back, stuck};
use crate::api::{self, Fault};
use crate::clock::{self, MINUTE_US};
use crate::desk::exam;
use crate::i18n::{self, fill, say, t};
use crate::ui::{Dialog, figure, icon};

const SHOWN: usize = 6;

/// One line of the list; drawn anew only when something of it changes.
#[derive(Clone, PartialEq)]
struct Line {
    row: CaseRow,
    stuck: Stuck,
}

fn pressing(board: &Board, now: i64) -> Vec<Line> {
    let close = board.open.iter().filter(|row| row.due_us.is_some_and(|due| due - now < 10 * MINUTE_US));
    close.map(|row| Line { row: row.clone(), stuck: stuck(row, &board.duty, &board.barred) }).collect()
}

#[component]
pub fn Late(watch: Watch) -> impl IntoView {
    let now = clock::ticks().quarter;
    let all = Memo::new(move |_| {
        watch.board.with(|board| board.as_ref().map(|board| pressing(board, now.get()))).unwrap_or_default()
    });
    let count = Memo::new(move |_| all.with(Vec::len));
    let asked = RwSignal::new(None::<CaseRow>);
    let shown = move || all.with(|all| all.iter().take(SHOWN).cloned().collect::<Vec<_>>());
    let key = |line: &Line| (line.row.case, line.row.version, said(line), line.stuck.call().map(|who| who.id));
    view! {
        <header class="card-head"><h2>{t(say::LATE)}" "{move || count.get()}</h2><span class="small faint">{t(say::LATE_LEAD)}</span></header>
        {move || (count.get() == 0).then(|| view! { <p class="quiet nothing">{icon("check")}" "{t(say::LATE_NONE)}</p> })}
        <ul><For each=shown key=key let(late)>{line(watch, late, asked)}</For></ul>
        {move || (count.get() > SHOWN).then(|| view! { <a class="small" href="#cases">{fill(say::LANE_CLUSTER, &[&(count.get() - SHOWN).to_string()])}</a> })}
        {move || asked.get().map(|row| view! { <TakeBack watch=watch row=row asked=asked/> })}
    }
}

fn line(watch: Watch, late: Line, asked: RwSignal<Option<CaseRow>>) -> impl IntoView {
    let now = clock::ticks().quarter;
    let below = format!("{}　{}", t(i18n::urgency(late.row.urgency)), said(&late));
    let remedy = remedy(watch, &late, asked);
    let row = late.row;
    let (complete, due) = (row.steps.complete_us, row.due_us);
    let left = move || clock::left(now.get(), complete, due.unwrap_or_else(|| now.get()));
    let tone = move || if left().overdue { "red" } else { "amber" };
    let words = move || {
        let left = left();
        let (number, unit) = figure(left);
        fill(if left.overdue { say::OVER_BY } else { say::LEFT_BY }, &[&number, unit])
    };
    view! {
        <li class="late-row" data-testid="late-row">
            <span class=tone>{icon("clock")}</span>
            <span class="grow">
                <span class="clip"><b>{row.patient.name.clone()}</b><i class="dot"></i>{exam(&row)}<i class="dot"></i>{row.site.name.clone()}</span>
                <span class="label late-why" data-testid="late-why">{below}</span>
            </span>
            <b class=tone title=due.map(clock::exact)>{words}</b>
            {remedy}
        </li>
    }
}

fn named(people: &[Person]) -> String {
    people.iter().map(|who| who.name.as_str()).collect::<Vec<_>>().join("、")
}

/// Where it is stuck, in words.
fn said(Line { row, stuck }: &Line) -> String {
    let kind = lane_name(&lane_of(&row.modality));
    match stuck {
        Stuck::NoPrivilege => fill(say::STUCK_PRIVILEGE, &[&kind]),
        Stuck::OffDuty { .. } => fill(say::STUCK_OFF, &[&kind]),
        Stuck::Silent { who, .. } => fill(say::STUCK_SILENT, &[&named(who)]),
        Stuck::Absent { who, .. } => fill(say::STUCK_ABSENT, &[&named(who)]),
        Stuck::Occupied { who, .. } => fill(say::STUCK_OCCUPIED, &[&named(who)]),
        Stuck::Busy { who, .. } => fill(say::STUCK_BUSY, &[&kind, &named(who)]),
        Stuck::Review { who, .. } if !who.is_empty() => fill(say::STUCK_REVIEW, &[&named(who)]),
        Stuck::Review { call: Some(_), .. } => t(say::STUCK_REVIEW_OFF).to_owned(),
        Stuck::Review { .. } => t(say::STUCK_REVIEW_NONE).to_owned(),
        Stuck::Routed => t(say::STUCK_ROUTED).to_owned(),
        Stuck::Arriving => t(i18n::state(row.state)).to_owned(),
        Stuck::InHand => {
            let with = row.assignee.as_ref().map(|who| fill(say::WITH, &[&who.name])).unwrap_or_default();
            format!("{} ・ {with}", t(i18n::state(row.state)))
        }
    }
}

/// The one thing to do: call somebody on duty, or take the case back from whoever has it too long.
fn remedy(watch: Watch, late: &Line, asked: RwSignal<Option<CaseRow>>) -> Option<AnyView> {
    if late.stuck == Stuck::InHand {
        let row = late.row.clone();
        let ask = move |_| asked.set(Some(row.clone()));
        return Some(
            view! { <button class="button" data-testid="late-take-back" on:click=ask>{t(say::TAKE_BACK)}</button> }
                .into_any(),
        );
    }
    let Person { id, name, .. } = late.stuck.call()?.clone();
    let call = move |_| settle(watch, async move { api::duty(true, Some(id)).await });
    Some(
        view! { <button class="button" data-testid="late-call" on:click=call>{fill(say::CALL_ON, &[&name])}</button> }
            .into_any(),
    )
}

/// Does it, says what went wrong, and shows the board as it is then.
fn settle(watch: Watch, act: impl Future<Output = Result<(), Fault>> + 'static) {
    spawn_local(async move {
        if let Err(fault) = act.await {
            watch.failed(fault);
        }
        watch.settled();
    });
}

/// Where it goes, in words; a warning where taking it back changes nothing.
fn goes_to(next: &Next, holder: &str) -> AnyView {
    let words = match next {
        Next::Free(who) => fill(say::TAKE_BACK_FREE, &[&named(who)]),
        Next::Busy(who) => fill(say::TAKE_BACK_BUSY, &[&named(who), holder]),
        Next::Same => fill(say::TAKE_BACK_SAME, &[holder]),
        Next::Nobody => t(say::TAKE_BACK_NOBODY).to_owned(),
    };
    match next {
        Next::Free(_) => view! { <span>{words}</span> }.into_any(),
        _ => view! { <span class="amber">{icon("warn")}" "{words}</span> }.into_any(),
    }
}

#[component]
fn TakeBack(watch: Watch, row: CaseRow, asked: RwSignal<Option<CaseRow>>) -> impl IntoView {
    let close = Callback::new(move |()| asked.set(None));
    let holder = row.assignee.as_ref().map(|who| who.name.clone()).unwrap_or_default();
    let case = format!("{} {}", row.patient.name, exam(&row));
    let of_row = row.clone();
    // Said as it is now: somebody may come or go while it is being thought over.
    let next = Memo::new(move |_| {
        watch.board.with(|board| board.as_ref().map(|board| after_taking_back(&of_row, &board.duty)))
    });
    let title = fill(say::TAKE_BACK_OF, &[&holder, &case]);
    let confirm = move |_| {
        asked.set(None);
        let (case, version) = (row.case, row.version);
        settle(watch, async move { api::take_back(case, version).await });
    };
    view! {
        <Dialog title=title on_close=close testid="take-back-dialog">
            <p>{t(say::TAKE_BACK_KEPT)}</p>
            <p data-testid="take-back-next">{move || next.get().map(|next| goes_to(&next, &holder))}</p>
            <div class="actions">
                <button class="button" data-first="" on:click=move |_| asked.set(None)>{t(say::CANCEL)}" "<kbd>"Esc"</kbd></button>
                <button class="button danger" data-testid="take-back-confirm" on:click=confirm>{t(say::TAKE_BACK)}</button>
            </div>
        </Dialog>
    }
}
