//! Who is on duty, what each is doing, and the switch.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{DutyLine, Role};

use super::Watch;
use super::lanes::{lane_name, lane_of};
use crate::api;
use crate::clock;
use crate::i18n::{fill, say, t};
use crate::ui::{empty, icon};

/// One doctor's line, as the board has it now.
type Line = Memo<Option<DutyLine>>;

#[component]
pub fn DutyTable(watch: Watch) -> impl IntoView {
    let lines = Memo::new(move |_| {
        watch.board.with(|board| board.as_ref().map(|board| board.duty.clone()).unwrap_or_default())
    });
    let on = move || lines.with(|lines| lines.iter().filter(|line| line.on_duty).count());
    let may = watch.app.me.with_untracked(|me| me.as_ref().is_some_and(|me| me.role == Role::Manager));
    // A doctor's line and its switch stay where they are while what they say changes.
    let doctors = Memo::new(move |known: Option<&Vec<i64>>| {
        let now: Vec<i64> = lines.with(|lines| lines.iter().map(|line| line.who.id).collect());
        steady(known.map_or(&[], Vec::as_slice), &now)
    });
    let none = Memo::new(move |_| doctors.with(Vec::is_empty));
    view! {
        <header class="card-head"><h2>{move || fill(say::DUTY, &[&on().to_string()])}</h2><span class="small faint">{t(say::DUTY_LEAD)}</span></header>
        {move || match none.get() {
            true => empty("users", t(say::DUTY_EMPTY).to_owned(), t(say::DUTY_EMPTY_DO), None).into_any(),
            false => table(watch, lines, doctors, may).into_any(),
        }}
    }
}

fn table(watch: Watch, lines: Memo<Vec<DutyLine>>, doctors: Memo<Vec<i64>>, may: bool) -> impl IntoView {
    view! {
        <table class="duty">
            <thead class="label"><tr>
                <th>{t(say::DUTY_DOCTOR)}</th><th>{t(say::DUTY_NOW)}</th><th class="end">{t(say::DUTY_SIGNED)}</th>
                <th class="end">{t(say::DUTY_MEDIAN)}</th><th class="end">{t(say::DUTY_SWITCH)}</th>
            </tr></thead>
            <tbody>
                <For each=move || doctors.get() key=|doctor| *doctor let(id)>
                    {doctor(watch, Memo::new(move |_| lines.with(|lines| lines.iter().find(|line| line.who.id == id).cloned())), may)}
                </For>
            </tbody>
        </table>
    }
}

/// Who was there keeps their place; who is new comes last.
fn steady(known: &[i64], now: &[i64]) -> Vec<i64> {
    let still = known.iter().filter(|id| now.contains(id));
    let new = now.iter().filter(|id| !known.contains(id));
    still.chain(new).copied().collect()
}

fn doctor(watch: Watch, line: Line, may: bool) -> impl IntoView {
    let now = clock::ticks().quarter;
    let off = Memo::new(move |_| line.with(|line| line.as_ref().is_none_or(|line| !line.on_duty)));
    let of_line = move |part: fn(&DutyLine) -> String| {
        let part = Memo::new(move |_| line.with(|line| line.as_ref().map(part).unwrap_or_default()));
        move || part.get()
    };
    let median =
        |line: &DutyLine| line.median_minutes.map_or_else(|| "—".to_owned(), |minutes| format!("{minutes:.1}"));
    view! {
        <tr class:off=move || off.get() data-testid="duty-line">
            <td><b>{of_line(|line| line.who.name.clone())}</b><br/><span class="label">{of_line(about)}</span></td>
            <td>{move || line.with(|line| line.as_ref().map(|line| doing(line, now.get())))}</td>
            <td class="end num" data-label=t(say::DUTY_SIGNED)>{of_line(|line| line.signed_today.to_string())}</td>
            <td class="end" data-label=t(say::DUTY_MEDIAN)>{of_line(median)}</td>
            <td class="end">{switch(watch, line, off, may)}</td>
        </tr>
    }
}

/// Title, and what the doctor reads.
fn about(line: &DutyLine) -> String {
    let name =
        |modality: &String| if modality == "*" { t(say::READS_ALL).to_owned() } else { lane_name(&lane_of(modality)) };
    let mut reads: Vec<String> = line.modalities.iter().map(name).collect();
    reads.dedup();
    format!("{} {}", line.who.title, reads.join(" "))
}

fn doing(line: &DutyLine, now: i64) -> AnyView {
    let (mark, words) = match (&line.current, line.on_duty) {
        (Some(row), _) => {
            let since = row.steps.opened_us.or(row.steps.assigned_us).map(|us| clock::ago(now, us)).unwrap_or_default();
            ("eye", format!("{} ・ {since}", row.exam))
        }
        (None, true) if line.absent => ("warn", t(say::DUTY_ABSENT).to_owned()),
        (None, true) if line.silent => ("warn", t(say::DUTY_SILENT).to_owned()),
        (None, true) if line.occupied => ("doc", t(say::DUTY_OCCUPIED).to_owned()),
        (None, true) => ("routine", t(say::DUTY_FREE).to_owned()),
        (None, false) => ("pause", t(say::DUTY_OFF).to_owned()),
    };
    let since = line.since_us.filter(|_| line.on_duty).map(|us| fill(say::SINCE, &[&clock::day_time(us)]));
    view! { <span class="doing clip">{icon(mark)}" "{words}</span><br/><span class="label">{since}</span> }.into_any()
}

/// A switch the manager may throw; for others a word.
fn switch(watch: Watch, line: Line, off: Memo<bool>, may: bool) -> AnyView {
    let word = move || t(if off.get() { say::OFF_DUTY } else { say::ON_DUTY });
    if !may {
        return view! { <span class="small">{word}</span> }.into_any();
    }
    let throw = move |_| {
        let Some(line) = line.get_untracked() else { return };
        spawn_local(async move {
            if let Err(fault) = api::duty(!line.on_duty, Some(line.who.id)).await {
                watch.failed(fault);
            }
            watch.settled();
        });
    };
    let name = line.with_untracked(|line| line.as_ref().map(|line| line.who.name.clone()).unwrap_or_default());
    let label = format!("{name} {}", t(say::DUTY_SWITCH));
    view! {
        <button class="switch" role="switch" aria-checked=move || (!off.get()).to_string() aria-label=label title=word data-testid="duty-switch" on:click=throw><i></i></button>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_doctor_moves_under_the_pointer_whatever_order_the_center_lists_them_in() {
        assert_eq!(steady(&[], &[3, 1, 2]), [3, 1, 2]);
        assert_eq!(steady(&[3, 1, 2], &[1, 2, 3]), [3, 1, 2]);
        assert_eq!(steady(&[3, 1, 2], &[0, 1, 3]), [3, 1, 0], "who is gone is gone, who is new comes last");
    }
}
