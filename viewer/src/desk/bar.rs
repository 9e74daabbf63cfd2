//! The bar at the foot of the desk: one new report at a time, two actions, today's figures. It never moves the list.
//! What it has to say of a key just pressed stands before the news for a few seconds.

use leptos::prelude::*;
use wire::CaseRow;

use super::report::Opened;
use super::row::exam;
use super::store::Store;
use crate::clock;
use crate::i18n::{fill, say, t};
use crate::ui::icon;

fn heard(row: &CaseRow) -> String {
    match row.late {
        0 => fill(say::NEW_REPORT_HEARD, &[&row.patient.name, &exam(row)]),
        late => fill(say::NEW_LATE_HEARD, &[&row.patient.name, &exam(row), &late.to_string()]),
    }
}

#[component]
pub fn EventBar() -> impl IntoView {
    let store = expect_context::<Store>();
    let opened = expect_context::<RwSignal<Option<Opened>>>();
    let ticks = clock::ticks();
    let newest = Memo::new(move |_| store.fresh.with(|fresh| (fresh.newest().cloned(), fresh.count())));
    // What is heard says no time: it would be heard again with each minute that passes.
    let aloud = Memo::new(move |_| {
        let news = || newest.with(|(row, _)| row.as_ref().map(heard));
        store.said.get().map(|said| t(said).to_owned()).or_else(news).unwrap_or_default()
    });
    let event = move || {
        if let Some(said) = store.said.get() {
            return view! { <span class="amber">{icon("warn")}</span><span class="clip" data-testid="bar-said">{t(said)}</span> }.into_any();
        }
        let (row, count) = newest.get();
        let Some(row) = row else {
            return view! { <span class="faint clip">{t(say::BAR_QUIET)}</span> }.into_any();
        };
        let (read, print) = (Opened::of(&row, false), Opened::of(&row, true));
        let late = row.late > 0;
        let came = if late { row.late_us } else { row.steps.signed_us };
        let said = move || {
            let when = clock::ago(ticks.quarter.get(), came.unwrap_or_else(clock::now_us));
            match row.late {
                0 => fill(say::NEW_REPORT_OF, &[&row.patient.name, &exam(&row), &when]),
                late => fill(say::NEW_LATE_OF, &[&row.patient.name, &exam(&row), &late.to_string(), &when]),
            }
        };
        view! {
            <span class=if late { "amber" } else { "done" }>{icon(if late { "warn" } else { "sign" })}</span>
            <b class:amber=late>{t(if late { say::NEW_LATE } else { say::NEW_REPORT })}</b>
            <span class="clip" data-testid=if late { "new-late" } else { "new-report" }>{said}</span>
            <button class="button" data-testid="bar-read" on:click=move |_| opened.set(read.clone())>{t(say::NEXT_READ)}" "<kbd>"F4"</kbd></button>
            <button class="button" data-testid="bar-print" on:click=move |_| opened.set(print.clone())>{icon("print")}{t(say::NEXT_PRINT)}" "<kbd>"Ctrl+P"</kbd></button>
            <span class="faint aside">{if count > 1 { fill(say::BAR_MORE, &[&(count - 1).to_string()]) } else { t(say::BAR_FIXED).to_owned() }}</span>
        }
        .into_any()
    };
    let figures = move || {
        store.counts.with(|counts| {
            let counts = counts.as_ref()?;
            let median = counts.median_minutes.map(|minutes| {
                view! {
                    <span>{t(say::BAR_MEDIAN)}" "<b>{format!("{minutes:.0} {}", t(say::MINUTES))}</b></span>
                }
            });
            let in_time = (counts.signed > 0).then(|| {
                view! {
                    <span>{t(say::BAR_IN_TIME)}" "<b>{format!("{}/{}", counts.in_time, counts.signed)}</b></span>
                }
            });
            Some(view! { <span class="figures quiet">{median}{in_time}</span> })
        })
    };
    view! {
        <footer class="event-bar" data-testid="event-bar">
            <span class="sr" role="status" data-testid="bar-aloud">{move || aloud.get()}</span>
            {event}
            <span class="grow"></span>
            {figures}
        </footer>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing;

    #[test]
    fn what_is_heard_says_whether_a_report_came_or_images_it_does_not_know() {
        let mut row = testing::row(1, wire::Urgency::Routine);
        assert_eq!(heard(&row), "新报告：张测试 胸部 CT 平扫");
        row.late = 3;
        assert_eq!(heard(&row), "张测试 胸部 CT 平扫：签署后又到 3 幅图像");
    }
}
