//! Cases past their time or close to it, the most pressing first, each with where it is stuck.

use leptos::prelude::*;
use wire::{Board, CaseRow};

use crate::clock::{self, MINUTE_US};
use crate::i18n::{self, fill, say, t};
use crate::ui::{figure, icon};

const SHOWN: usize = 6;

pub fn late(board: &Board, now: i64) -> impl IntoView + use<> {
    let pressing: Vec<&CaseRow> =
        board.open.iter().filter(|row| row.due_us.is_some_and(|due| due - now < 10 * MINUTE_US)).collect();
    let count = pressing.len();
    let body = if pressing.is_empty() {
        view! { <p class="quiet nothing">{icon("check")}" "{t(say::LATE_NONE)}</p> }.into_any()
    } else {
        view! { <ul>{pressing.into_iter().take(SHOWN).map(|row| line(row, now)).collect_view()}</ul> }.into_any()
    };
    view! {
        <header class="card-head"><h2>{t(say::LATE)}" "{count}</h2><span class="small faint">{t(say::LATE_LEAD)}</span></header>
        {body}
        {(count > SHOWN).then(|| view! { <a class="small" href="#cases">{fill(say::LANE_CLUSTER, &[&(count - SHOWN).to_string()])}</a> })}
    }
}

fn line(row: &CaseRow, now: i64) -> impl IntoView + use<> {
    let left = clock::left(now, row.steps.complete_us, row.due_us.unwrap_or(now));
    let (tone, words) = if left.overdue { ("red", say::OVER_BY) } else { ("amber", say::LEFT_BY) };
    let (number, unit) = figure(left);
    let stands = match &row.assignee {
        Some(who) => fill(say::WITH, &[&who.name]),
        None => t(say::WITH_NOBODY).to_owned(),
    };
    let below = format!("{}　{} ・ {stands}", t(i18n::urgency(row.urgency)), t(i18n::state(row.state)));
    view! {
        <li class="late-row">
            <span class=tone>{icon("clock")}</span>
            <span class="grow">
                <span class="clip"><b>{row.patient.name.clone()}</b><i class="dot"></i>{row.exam.clone()}<i class="dot"></i>{row.site.name.clone()}</span>
                <span class="label clip">{below}</span>
            </span>
            <b class=tone title=row.due_us.map(clock::exact)>{fill(words, &[&number, unit])}</b>
        </li>
    }
}
