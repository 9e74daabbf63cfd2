//! Beside the list: one case in full. The clinical question, the urgency, what happened, the signed words.

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::HtmlTextAreaElement;
use wire::{CaseChange, CaseDetail, CaseRow, CaseState, HistoryLine, ReportBody, ReportState, Urgency};

use super::manage::{Manage, done};
use super::report::Opened;
use super::row::{exam, sex_age};
use super::store::Store;
use crate::api::{self, Fault};
use crate::clock;
use crate::i18n::{self, fill, say, t};
use crate::ui::{empty, failed, icon, loading_rows};
use crate::web;

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
    view! {
        <header class="panel-head">
            {move || row.get().map(|row| view! {
                <h2>{row.patient.name.clone()}</h2>
                <span class="quiet clip" title=images(&row)>{sex_age(&row)}<i class="dot"></i>{exam(&row)}</span>
            })}
            <span class="grow"></span>
            <button class="button bare small" data-testid="panel-close" on:click=move |_| store.selected.set(None)>{t(say::CLOSE)}" "<kbd>"Esc"</kbd></button>
        </header>
        {move || row.get().filter(|row| row.quarantined > 0).map(|row| quarantined(row.quarantined))}
        <Question case=case row=row editable=Signal::derive(move || editable && open.get()) problem=problem detail=detail/>
        {move || problem.get().map(|text| view! { <p class="problem" role="alert">{icon("warn")}<span>{text}</span></p> })}
        {move || (editable && open.get()).then(|| view! { <UrgencyChoice case=case row=row problem=problem detail=detail/> })}
        <div class="panel-actions">
            <a class="button" href=format!("#images/{case}") data-testid="images-link">{icon("eye")}{t(say::VIEW_IMAGES)}</a>
            {move || row.get().and_then(|row| report_button(&row))}
            <Manage row=row problem=problem detail=detail/>
        </div>
        {move || report.get().filter(|report| report.state == ReportState::Signed).map(|report| words(&report))}
        {move || happened(&history.get())}
    }
}

fn images(row: &CaseRow) -> String {
    fill(say::SERIES_COUNT, &[&row.series.to_string(), &row.instances.to_string()])
}

fn quarantined(count: u32) -> impl IntoView {
    view! {
        <div class="problem" data-testid="quarantined">
            {icon("warn")}
            <span><b class="amber">{fill(say::QUARANTINED_N, &[&count.to_string()])}</b><br/>{t(say::QUARANTINED_DO)}</span>
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
async fn send(store: Store, detail: Shown, case: i64, what: CaseChange, problem: RwSignal<Option<String>>) -> bool {
    let answer = api::change_case(case, &what).await;
    let taken = answer.is_ok();
    done(store, detail, problem, case, answer).await;
    taken
}

#[component]
fn Question(
    case: i64,
    row: Memo<Option<CaseRow>>,
    editable: Signal<bool>,
    problem: RwSignal<Option<String>>,
    detail: Shown,
) -> impl IntoView {
    let store = expect_context::<Store>();
    let editing = Editing::new(None);
    let save = Callback::new(move |()| {
        let Some((version, text)) = editing.get_untracked() else { return };
        let what = CaseChange { version, urgency: None, question: Some(text.trim().to_owned()) };
        spawn_local(async move {
            if send(store, detail, case, what, problem).await {
                editing.set(None);
            } else if let (Some(Some(row)), Some(Some((_, text)))) =
                (row.try_get_untracked(), editing.try_get_untracked())
            {
                editing.set(Some((row.version, text)));
            }
        });
    });
    let is_editing = Memo::new(move |_| editing.with(Option::is_some));
    move || match is_editing.get() {
        true => view! { <QuestionField editing=editing save=save/> }.into_any(),
        false => question_line(row, editable, editing).into_any(),
    }
}

/// The version the text was taken from, and the text: a change made meanwhile is noticed, not overwritten.
type Editing = RwSignal<Option<(i64, String)>>;

fn question_line(row: Memo<Option<CaseRow>>, editable: Signal<bool>, editing: Editing) -> impl IntoView {
    let begin = move |_| {
        if let Some(row) = row.get_untracked() {
            editing.set(Some((row.version, row.question)));
            set_timeout(|| web::focus_selector("#question"), std::time::Duration::ZERO);
        }
    };
    let question = row.get().map(|row| row.question).unwrap_or_default();
    let none = question.is_empty();
    view! {
        <p class="question" data-testid="question">
            <span class="quiet">{t(say::QUESTION_IS)}</span>
            <span class:faint=none>{if none { t(say::QUESTION_NONE).to_owned() } else { question }}</span>
            {move || editable.get().then(|| view! {
                <button class="linkish" data-testid="question-edit" on:click=begin>{icon("pen")}" "{t(say::QUESTION_EDIT)}</button>
            })}
        </p>
    }
}

#[component]
fn QuestionField(editing: Editing, save: Callback<()>) -> impl IntoView {
    let text = editing.with_untracked(|editing| editing.as_ref().map(|(_, text)| text.clone()).unwrap_or_default());
    let typed = move |event: leptos::ev::Event| {
        let text = event_target::<HtmlTextAreaElement>(&event).value();
        editing.update(|editing| {
            if let Some(editing) = editing {
                editing.1 = text;
            }
        });
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        if web::pressed(&event, "Escape") {
            event.stop_propagation();
            editing.set(None);
        } else if web::pressed(&event, "Ctrl+Enter") {
            event.prevent_default();
            save.run(());
        }
    };
    view! {
        <div class="question editing" on:keydown=on_key>
            <label class="label" for="question">{t(say::QUESTION)}</label>
            <textarea id="question" class="field" rows="3" maxlength="500" data-testid="question-field" placeholder=t(say::QUESTION_HINT)
                prop:value=text on:input=typed></textarea>
            <div class="panel-actions">
                <button class="button" on:click=move |_| editing.set(None)>{t(say::CANCEL)}" "<kbd>"Esc"</kbd></button>
                <button class="button primary" data-testid="question-save" on:click=move |_| save.run(())>{t(say::SAVE)}" "<kbd>"Ctrl+Enter"</kbd></button>
            </div>
        </div>
    }
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
        let who = line.who.clone().unwrap_or_default();
        view! {
            <li><time title=clock::exact(line.at_us)>{clock::day_time(line.at_us)}</time>
                <span>{who}" "{i18n::event(&line.kind).to_owned()}</span></li>
        }
    };
    view! {
        <section class="history">
            <h3 class="sr">{t(say::HISTORY)}</h3>
            <ol class="small" data-testid="history">{history.iter().rev().map(line).collect_view()}</ol>
        </section>
    }
}
