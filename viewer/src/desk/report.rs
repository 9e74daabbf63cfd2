//! The signed report as it prints: the PDF in a sheet over the desk. Looking at it is what marks it read.

use leptos::html::Iframe;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::HtmlIFrameElement;
use wire::{CaseRow, Role};

use super::row::{exam, sex_age};
use super::store::Store;
use crate::api;
use crate::i18n::{fill, say, t};
use crate::ui::{Dialog, icon};

/// A report on the screen.
#[derive(Clone, PartialEq, Debug)]
pub struct Opened {
    case: i64,
    report: i64,
    title: String,
    number: Option<String>,
    unread: bool,
    /// Straight to the printer.
    print: bool,
}

impl Opened {
    pub fn of(row: &CaseRow, print: bool) -> Option<Self> {
        let report = row.report.as_ref()?;
        Some(Self {
            case: row.case,
            report: report.report,
            title: format!("{} {} ・ {}", row.patient.name, sex_age(row), exam(row)),
            number: report.number.clone(),
            unread: row.steps.read_us.is_none(),
            print,
        })
    }
}

#[component]
pub fn ReportSheet() -> impl IntoView {
    let store = expect_context::<Store>();
    let opened = expect_context::<RwSignal<Option<Opened>>>();
    Effect::new(move |_| {
        if let Some(report) = opened.get() {
            seen(store, &report);
        }
    });
    let close = Callback::new(move |()| opened.set(None));
    move || opened.get().map(|report| view! { <Sheet report=report on_close=close/> })
}

/// Tells the server once; people of the center reading along do not count as the site.
fn seen(store: Store, report: &Opened) {
    store.looked_at(report.case);
    let role = store.app().me.get_untracked().map(|me| me.role);
    if !report.unread || !matches!(role, Some(Role::Operator | Role::Clinician)) {
        return;
    }
    let case = report.case;
    spawn_local(async move {
        // A failure leaves the row asking to be read: opening it again repeats this.
        if api::mark_read(case).await.is_ok()
            && let Ok(detail) = api::case(case).await
        {
            store.patch(detail.row);
        }
    });
}

#[component]
fn Sheet(report: Opened, on_close: Callback<()>) -> impl IntoView {
    let frame = NodeRef::<Iframe>::new();
    let path = api::pdf_path(report.report);
    let print = move || {
        if let Some(frame) = frame.get_untracked() {
            print_frame(&frame);
        }
    };
    let straight = report.print;
    let loaded = move |_| {
        if straight {
            print();
        }
    };
    let number = report.number.as_ref().map(|number| fill(say::REPORT_NUMBER, &[number]));
    view! {
        <Dialog title=report.title.clone() on_close=on_close class="sheet" testid="report-sheet">
            <header class="sheet-head">
                <h2 class="clip">{report.title.clone()}</h2>
                <span class="faint small">{number}</span>
                <span class="grow"></span>
                <a class="button" href=path.clone() target="_blank" rel="noopener" data-testid="report-tab">{icon("ext")}{t(say::REPORT_NEW_TAB)}</a>
                <button class="button primary" data-first="" data-testid="print" on:click=move |_| print()>{icon("print")}{t(say::NEXT_PRINT)}</button>
                <button class="button" data-testid="sheet-close" on:click=move |_| on_close.run(())>{t(say::CLOSE)}" "<kbd>"Esc"</kbd></button>
            </header>
            <iframe node_ref=frame class="sheet-pdf" src=format!("{path}#toolbar=0&view=FitH") title=report.title.clone() on:load=loaded></iframe>
        </Dialog>
    }
}

/// The browser's own print dialog on the PDF; where it refuses, the new window remains.
fn print_frame(frame: &HtmlIFrameElement) -> Option<()> {
    let inner: JsValue = frame.content_window()?.into();
    let print: js_sys::Function = js_sys::Reflect::get(&inner, &"print".into()).ok()?.dyn_into().ok()?;
    print.call0(&inner).ok().map(drop)
}
