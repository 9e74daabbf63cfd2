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

#[component]
pub fn DutyTable(watch: Watch) -> impl IntoView {
    let now = clock::ticks().quarter;
    let lines = Memo::new(move |_| {
        watch.board.with(|board| board.as_ref().map(|board| board.duty.clone()).unwrap_or_default())
    });
    let on = move || lines.with(|lines| lines.iter().filter(|line| line.on_duty).count());
    let may = watch.app.me.with_untracked(|me| me.as_ref().is_some_and(|me| me.role == Role::Manager));
    view! {
        <header class="card-head"><h2>{move || fill(say::DUTY, &[&on().to_string()])}</h2><span class="small faint">{t(say::DUTY_LEAD)}</span></header>
        {move || {
            let lines = lines.get();
            if lines.is_empty() {
                return empty("users", t(say::DUTY_EMPTY).to_owned(), t(say::DUTY_EMPTY_DO), None).into_any();
            }
            view! {
                <table class="duty">
                    <thead class="label"><tr>
                        <th>{t(say::DUTY_DOCTOR)}</th><th>{t(say::DUTY_NOW)}</th><th class="end">{t(say::DUTY_SIGNED)}</th>
                        <th class="end">{t(say::DUTY_MEDIAN)}</th><th class="end">{t(say::DUTY_SWITCH)}</th>
                    </tr></thead>
                    <tbody>{lines.iter().map(|line| doctor(watch, line, now, may)).collect_view()}</tbody>
                </table>
            }
            .into_any()
        }}
    }
}

fn doctor(watch: Watch, line: &DutyLine, now: ReadSignal<i64>, may: bool) -> impl IntoView + use<> {
    let doing_now = line.clone();
    let mut reads: Vec<String> = line.modalities.iter().map(|modality| lane_name(&lane_of(modality))).collect();
    reads.dedup();
    let reads = reads.join(" ");
    view! {
        <tr class:off=!line.on_duty data-testid="duty-line">
            <td><b>{line.who.name.clone()}</b><br/><span class="label">{line.who.title.clone()}" "{reads}</span></td>
            <td>{move || doing(&doing_now, now.get())}</td>
            <td class="end num">{line.signed_today}</td>
            <td class="end">{line.median_minutes.map_or_else(|| "—".to_owned(), |minutes| format!("{minutes:.1}"))}</td>
            <td class="end">{switch(watch, line, may)}</td>
        </tr>
    }
}

fn doing(line: &DutyLine, now: i64) -> AnyView {
    let (mark, words) = match (&line.current, line.on_duty) {
        (Some(row), _) => {
            let since = row.steps.opened_us.or(row.steps.assigned_us).map(|us| clock::ago(now, us)).unwrap_or_default();
            ("eye", format!("{} ・ {since}", row.exam))
        }
        (None, true) => ("routine", t(say::DUTY_FREE).to_owned()),
        (None, false) => ("pause", t(say::DUTY_OFF).to_owned()),
    };
    let since = line.since_us.filter(|_| line.on_duty).map(|us| fill(say::SINCE, &[&clock::day_time(us)]));
    view! { <span class="doing clip">{icon(mark)}" "{words}</span><br/><span class="label">{since}</span> }.into_any()
}

/// A switch the manager may throw; for others a word.
fn switch(watch: Watch, line: &DutyLine, may: bool) -> AnyView {
    let (account, on) = (line.who.id, line.on_duty);
    let word = t(if on { say::ON_DUTY } else { say::OFF_DUTY });
    if !may {
        return view! { <span class="small">{word}</span> }.into_any();
    }
    let throw = move |_| {
        spawn_local(async move {
            if let Err(fault) = api::duty(!on, Some(account)).await {
                watch.failed(fault);
            }
            watch.refresh();
        });
    };
    let label = format!("{} {}", line.who.name, t(say::DUTY_SWITCH));
    view! {
        <button class="switch" role="switch" aria-checked=on.to_string() aria-label=label title=word data-testid="duty-switch" on:click=throw><i></i></button>
    }
    .into_any()
}
