//! The row of numbers at the top.

use leptos::prelude::*;
use wire::Board;

use crate::i18n::{Text, fill, say, t};
use crate::ui::icon;

pub fn figures(board: &Board) -> impl IntoView + use<> {
    let count = |n: u32| (n.to_string(), t(say::CASES_UNIT));
    let arriving = (board.arriving > 0).then(|| fill(say::F_ARRIVING, &[&board.arriving.to_string()]));
    view! {
        {figure(count(board.today), say::F_TODAY, None)}
        {figure(count(board.signed), say::F_SIGNED, None)}
        {figure(count(board.waiting), say::F_WAITING, arriving)}
        {figure(measured(board.median_minutes, t(say::MINUTES)), say::F_MEDIAN, None)}
        {figure(measured(board.in_time_percent, "%"), say::F_IN_TIME, None)}
        {alarm(count(board.overdue), say::F_OVERDUE, "clock", "red")}
        {alarm((board.quarantined.to_string(), t(say::OBJECTS_UNIT)), say::F_QUARANTINED, "box", "amber")}
    }
}

fn measured(value: Option<f64>, unit: &'static str) -> (String, &'static str) {
    value.map_or_else(|| ("—".to_owned(), ""), |value| (format!("{value:.1}"), unit))
}

fn figure((number, unit): (String, &'static str), word: Text, more: Option<String>) -> impl IntoView {
    view! {
        <div class="figure">
            <p><b class="figure-n">{number}</b><span class="quiet">{unit}</span></p>
            <p class="small quiet">{t(word)}<span class="faint">" "{more}</span></p>
        </div>
    }
}

/// Coloured only when there is something to do.
fn alarm((number, unit): (String, &'static str), word: Text, mark: &'static str, tone: &'static str) -> impl IntoView {
    let tone = if number == "0" { "quiet" } else { tone };
    view! {
        <div class=format!("figure {tone}")>
            <p><b class="figure-n">{number}</b><span>{unit}</span></p>
            <p class="small">{icon(mark)}" "{t(word)}</p>
        </div>
    }
}
