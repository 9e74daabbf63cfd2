//! Beside the list: one case in full. The clinical question, the urgency, what happened, the signed words.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{CaseChange, CaseDetail, CaseRow, CaseState, HistoryLine, ReportBody, ReportState, Urgency};

use super::manage::{Manage, done};
use super::question::Question;
use super::refusals::Refusals;
use super::report::Opened;
use super::row::{exam, sex_age};
use super::store::Store;
use crate::api::{self, Fault};
use crate::clock;
use crate::i18n::{self, fill, say, t};
use crate::person::PersonPart;
use crate::ui::{empty, failed, icon, loading_rows};

pub(super) type Shown = RwSignal<Option<Result<CaseDetail, Fault>>>;

#[component]
pub fn SidePanel(editable: bool) -> impl IntoView {
    let store = expect_context::<Store>();
    let detail: Shown = RwSignal::new(None);
    Effect::new(move |before: Option<Option<i64>>| {
        let case = store.selected.get();
        store.touched.track();
        if before != Some(case) {
            detail.set(None);
        }
        if let Some(case) = case {
            spawn_local(load(store, detail, case));
        }
        case
    });
    let again = Callback::new(move |()| store.touched.update(|touched| *touched += 1));
    let ready = Memo::new(move |_| detail.with(|detail| matches!(detail, Some(Ok(_)))));
    let body = move || {
        let Some(case) = store.selected.get() else {
            return empty("queue", t(say::CHOOSE_ROW).to_owned(), t(say::CHOOSE_ROW_DO), None).into_any();
        };
        if ready.get() {
            return view! { <Case case=case detail=detail editable=editable/> }.into_any();
        }
        match detail.get() {
            Some(Err(fault)) => failed(&fault, again).into_any(),
            _ => loading_rows(4, "panel-row").into_any(),
        }
    };
    view! { <aside class="panel" aria-label=t(say::REPORT) data-testid="panel">{body}</aside> }
}

pub(super) async fn load(store: Store, detail: Shown, case: i64) {
    let answer = api::case(case).await;
    if store.selected.try_get_untracked() != Some(Some(case)) {
        return;
    }
    match answer {
        Ok(found) => {
            store.patch(found.row.clone());
            detail.set(Some(Ok(found)));
        }
        Err(fault) => {
            store.app().notes(&fault);
            // What is on the screen stays while the line is down.
            if !detail.with_untracked(|detail| matches!(detail, Some(Ok(_)))) {
                detail.set(Some(Err(fault)));
            }
        }
    }
}

#[component]
fn Case(case: i64, detail: Shown, editable: bool) -> impl IntoView {
    let store = expect_context::<Store>();
    let of = move || detail.with(|detail| detail.as_ref().and_then(|detail| detail.as_ref().ok()).cloned());
    let row = Memo::new(move |_| of().map(|detail| detail.row));
    let report = Memo::new(move |_| of().and_then(|detail| detail.report));
    let history = Memo::new(move |_| of().map(|detail| detail.history).unwrap_or_default());
    let open = Memo::new(move |_| row.get().is_some_and(|row| row.state.is_open()));
    let problem = RwSignal::new(None::<String>);
    // Opened with its signed words: read. What comes while it stands open is read once somebody touches it.
    let told = StoredValue::new(None::<u32>);
    let read = move || {
        let words =
            report.with_untracked(|report| report.as_ref().is_some_and(|report| report.state == ReportState::Signed));
        let Some(row) = row.get_untracked().filter(|_| words) else { return };
        let all = row.late + row.late_seen;
        if told.get_value() != Some(all) {
            told.set_value(Some(all));
            store.read(case, row.steps.read_us.is_none());
        }
    };
    read();
    view! {
        <div on:pointerdown=move |_| read() on:wheel=move |_| read() on:keydown=move |_| read()>
        <header class="panel-head">
            {move || row.get().map(|row| view! {
                <h2>{row.patient.name.clone()}</h2>
                <span class="quiet clip" title=images(&row)>{sex_age(&row)}<i class="dot"></i>{exam(&row)}</span>
            })}
            <span class="grow"></span>
            <button class="button bare small" data-testid="panel-close" on:click=move |_| store.selected.set(None)>{t(say::CLOSE)}" "<kbd>"Esc"</kbd></button>
        </header>
        <Refusals row=row/>
        {move || row.get().filter(|row| row.late > 0 && row.state == CaseState::Signed).map(|row| outdated(row.late))}
        {move || row.get().filter(answered).map(|row| view! {
            <p class="quiet small" data-testid="late-answered">{icon("check")}" "{fill(say::LATE_ANSWERED, &[&row.late_seen.to_string()])}</p>
        })}
        <Question case=case row=row editable=Signal::derive(move || editable && open.get()) problem=problem detail=detail/>
        {move || problem.get().map(|text| view! { <p class="problem" role="alert">{icon("warn")}<span>{text}</span></p> })}
        {move || (editable && open.get()).then(|| view! { <UrgencyChoice case=case row=row problem=problem detail=detail/> })}
        <div class="panel-actions">
            <a class="button" href=format!("#images/{case}") data-testid="images-link">{icon("eye")}{t(say::VIEW_IMAGES)}</a>
            {move || row.get().and_then(|row| report_button(&row))}
            <Manage row=row problem=problem detail=detail/>
        </div>
        {move || report.get().filter(|report| report.state == ReportState::Signed).map(|report| words(&report))}
        <PersonPart row=row changed=Callback::new(move |()| store.touched.update(|touched| *touched += 1))/>
        {move || happened(&history.get())}
        </div>
    }
}

/// A doctor has answered for everything that came after signing.
fn answered(row: &CaseRow) -> bool {
    row.state == CaseState::Signed && row.late == 0 && row.late_seen > 0
}

fn images(row: &CaseRow) -> String {
    fill(say::SERIES_COUNT, &[&row.series.to_string(), &row.instances.to_string()])
}

fn outdated(count: u32) -> impl IntoView {
    view! {
        <div class="problem" data-testid="outdated">
            {icon("warn")}
            <span><b class="amber">{fill(say::LATE_SIGNED_LEAD, &[&count.to_string()])}</b><br/>{t(say::LATE_SIGNED_DO)}</span>
        </div>
    }
}

fn report_button(row: &CaseRow) -> Option<impl IntoView + use<>> {
    let opened = expect_context::<RwSignal<Option<Opened>>>();
    let target = (row.state == CaseState::Signed).then(|| Opened::of(row, false)).flatten()?;
    Some(view! {
        <button class="button primary" data-testid="open-report" on:click=move |_| opened.set(Some(target.clone()))>{icon("doc")}{t(say::REPORT_PDF)}</button>
    })
}

/// Sends a change made to the row as it was seen; what came instead is shown where someone was faster.
pub(super) async fn send(
    store: Store,
    detail: Shown,
    case: i64,
    what: CaseChange,
    problem: RwSignal<Option<String>>,
) -> bool {
    let answer = api::change_case(case, &what).await;
    let taken = answer.is_ok();
    done(store, detail, problem, case, answer).await;
    taken
}

#[component]
fn UrgencyChoice(
    case: i64,
    row: Memo<Option<CaseRow>>,
    problem: RwSignal<Option<String>>,
    detail: Shown,
) -> impl IntoView {
    let store = expect_context::<Store>();
    let now = Memo::new(move |_| row.get().map(|row| row.urgency));
    let choose = move |urgency: Urgency| {
        let Some(row) = row.get_untracked().filter(|row| row.urgency != urgency) else { return };
        let what = CaseChange { version: row.version, urgency: Some(urgency), question: None };
        spawn_local(async move {
            send(store, detail, case, what, problem).await;
        });
    };
    let option = move |urgency: Urgency| {
        view! {
            <button role="radio" class="segment" data-testid=format!("urgency-{urgency}") aria-checked=move || (now.get() == Some(urgency)).to_string()
                on:click=move |_| choose(urgency)>
                {icon(urgency.word())}{t(i18n::urgency(urgency))}
            </button>
        }
    };
    view! {
        <div class="segments" role="radiogroup" aria-label=t(say::SET_URGENCY)>{Urgency::ALL.iter().copied().map(option).collect_view()}</div>
    }
}

/// The signed words, verbatim.
fn words(report: &ReportBody) -> impl IntoView + use<> {
    let signatures = report.signatures.iter().map(|signature| {
        view! { <span title=clock::exact(signature.at_us)>{signature.who.name.clone()}" "<span class="faint">{clock::day_time(signature.at_us)}</span></span> }
    });
    view! {
        <section class="signed-words" data-testid="report-text">
            <h3>{t(say::IMPRESSION)}</h3>
            <p class="impression">{report.impression.clone()}</p>
            <h3>{t(say::FINDINGS)}</h3>
            <p>{report.findings.clone()}</p>
            <p class="signers small">{icon("sign")}{signatures.collect_view()}</p>
            <p class="faint small">{report.number.as_ref().map(|number| fill(say::REPORT_NUMBER, &[number]))}</p>
        </section>
    }
}

fn happened(history: &[HistoryLine]) -> impl IntoView + use<> {
    let line = |line: &HistoryLine| {
        view! {
            <li><time title=clock::exact(line.at_us)>{clock::day_time(line.at_us)}</time>
                <span>{i18n::happening(line)}</span></li>
        }
    };
    view! {
        <section class="history">
            <h3 class="sr">{t(say::HISTORY)}</h3>
            <ol class="small" data-testid="history">{history.iter().rev().map(line).collect_view()}</ol>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing;

    #[test]
    fn that_the_diagnosis_stands_is_said_while_nothing_newer_waits() {
        let mut row = testing::row(1, Urgency::Routine);
        (row.state, row.late_seen) = (CaseState::Signed, 3);
        assert!(answered(&row));
        row.late = 1;
        assert!(!answered(&row));
        (row.late, row.late_seen) = (0, 0);
        assert!(!answered(&row));
    }
}
