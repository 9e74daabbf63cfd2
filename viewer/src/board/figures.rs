//! The row of numbers at the top.

use leptos::prelude::*;
use wire::Board;

use crate::i18n::{Text, fill, say, t};
use crate::ui::icon;

pub fn figures(board: &Board, now: i64) -> impl IntoView + use<> {
    let count = |n: u32| (n.to_string(), t(say::CASES_UNIT));
    let arriving = (board.arriving > 0).then(|| fill(say::F_ARRIVING, &[&board.arriving.to_string()]));
    view! {
        {figure(count(board.today), say::F_TODAY, None)}
        {figure(count(board.signed), say::F_SIGNED, None)}
        {figure(count(board.waiting), say::F_WAITING, arriving)}
        {figure(measured(board.median_minutes, t(say::MINUTES)), say::F_MEDIAN, None)}
        {figure(measured(board.in_time_percent, "%"), say::F_IN_TIME, None)}
        {alarm(count(overdue(board, now)), say::F_OVERDUE, "clock", "red")}
        {alarm((board.quarantined.to_string(), t(say::OBJECTS_UNIT)), say::F_QUARANTINED, "box", "amber")}
    }
}

/// Past their time by now, like the lanes below: time goes on between two answers of the center, which listed the most
/// pressing and counted those it did not list.
fn overdue(board: &Board, now: i64) -> u32 {
    let listed = board.open.iter().filter(|row| row.due_us.is_some_and(|due| due < now)).count();
    u32::try_from(listed).unwrap_or(u32::MAX).max(board.overdue)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::row;
    use wire::{CaseRow, Urgency};

    #[test]
    fn what_runs_over_its_time_between_two_answers_is_counted() {
        let due = |case, due| CaseRow { due_us: Some(due), ..row(case, Urgency::Routine) };
        let board = |overdue, open| Board {
            now_us: 0,
            seq: 0,
            today: 0,
            signed: 0,
            waiting: 0,
            arriving: 0,
            median_minutes: None,
            in_time_percent: None,
            overdue,
            quarantined: 0,
            open_total: 3,
            open,
            duty: Vec::new(),
            barred: Vec::new(),
            sites: Vec::new(),
            lanes: Vec::new(),
        };
        let rows = vec![due(1, 10), due(2, 20), due(3, 30)];
        assert_eq!(overdue(&board(0, rows.clone()), 5), 0);
        assert_eq!(overdue(&board(0, rows), 25), 2);
        assert_eq!(overdue(&board(700, vec![due(1, 10)]), 25), 700, "those that are not listed");
    }
}
