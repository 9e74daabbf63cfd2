//! The signed report as it prints: the PDF in a sheet over the desk. It counts as read once it is on the screen, not before.

use std::time::Duration;

use leptos::html::Iframe;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::HtmlIFrameElement;
use wire::CaseRow;

use super::row::{exam, sex_age};
use super::store::Store;
use crate::api::{self, Fault};
use crate::i18n::{fill, say, t};
use crate::ui::{Dialog, failed, icon, loading_rows};
use crate::web;

/// After this long a paper that came counts as on the screen.
const QUIETLY_SHOWN: Duration = Duration::from_millis(1_500);

/// A report on the screen.
#[derive(Clone, PartialEq, Debug)]
pub struct Opened {
    case: i64,
    report: i64,
    title: String,
    number: Option<String>,
    unread: bool,
    /// Images that came after it was signed and that nobody has answered for.
    late: u32,
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
            late: row.late,
            print,
        })
    }
}

/// How far the paper has come.
#[derive(Clone)]
enum Paper {
    Coming,
    /// An address inside this page.
    Here(String),
    Failed(Fault),
    /// This browser shows no PDF inside a page.
    Elsewhere,
}

#[component]
pub fn ReportSheet() -> impl IntoView {
    let opened = expect_context::<RwSignal<Option<Opened>>>();
    let close = Callback::new(move |()| opened.set(None));
    move || opened.get().map(|report| view! { <Sheet report=report on_close=close/> })
}

fn seen(store: Store, report: &Opened) {
    store.read(report.case, report.unread);
}

/// The paper of `report`, fetched; asked for again by the callback.
fn fetched(store: Store, report: i64) -> (RwSignal<Paper>, Callback<()>) {
    let paper = RwSignal::new(if web::shows_pdf() { Paper::Coming } else { Paper::Elsewhere });
    let fetch = Callback::new(move |()| {
        paper.set(Paper::Coming);
        spawn_local(async move {
            let came = match api::pdf(report).await {
                Ok(pdf) => web::address_of(&pdf).map_or(Paper::Failed(Fault::Garbled), Paper::Here),
                Err(fault) => {
                    store.app().notes(&fault);
                    Paper::Failed(fault)
                }
            };
            if let Some(Paper::Here(unwanted)) = paper.try_set(came) {
                web::forget_address(&unwanted);
            }
        });
    });
    if matches!(paper.get_untracked(), Paper::Coming) {
        fetch.run(());
    }
    on_cleanup(move || {
        if let Some(Paper::Here(address)) = paper.try_get_untracked() {
            web::forget_address(&address);
        }
    });
    (paper, fetch)
}

#[component]
fn Sheet(report: Opened, on_close: Callback<()>) -> impl IntoView {
    let store = expect_context::<Store>();
    let frame = NodeRef::<Iframe>::new();
    let path = api::pdf_path(report.report);
    let (paper, again) = fetched(store, report.report);
    let here = Memo::new(move |_| paper.with(|paper| matches!(paper, Paper::Here(_))));
    let print = move || {
        if let Some(frame) = frame.get_untracked().filter(|_| here.get_untracked()) {
            print_frame(&frame);
        }
    };
    print_by_key(print);
    let looked = StoredValue::new(report.clone());
    let straight = report.print;
    let shown = move || {
        looked.try_with_value(|report| seen(store, report));
    };
    // Some browsers never say that a PDF inside a page has loaded.
    Effect::new(move |_| {
        if here.get() {
            set_timeout(shown, QUIETLY_SHOWN);
        }
    });
    let loaded = move |_| {
        shown();
        if straight {
            print();
        }
    };
    let number = report.number.as_ref().map(|number| fill(say::REPORT_NUMBER, &[number]));
    let late = (report.late > 0).then(|| fill(say::LATE_SIGNED_N, &[&report.late.to_string()]));
    let title = report.title.clone();
    let body = move || {
        match paper.get() {
        Paper::Coming => view! {
            <div class="sheet-pdf coming" aria-busy="true" data-testid="report-coming"><p class="quiet">{t(say::REPORT_COMING)}</p>{loading_rows(6, "panel-row")}</div>
        }
        .into_any(),
        Paper::Here(address) => view! {
            <iframe node_ref=frame class="sheet-pdf" src=format!("{address}#toolbar=0&view=FitH") title=title.clone() on:load=loaded></iframe>
        }
        .into_any(),
        Paper::Failed(fault) => view! { <div class="sheet-pdf">{failed(&fault, again)}</div> }.into_any(),
        Paper::Elsewhere => {
            let path = looked.with_value(|report| api::pdf_path(report.report));
            view! {
                <div class="sheet-pdf state" data-testid="report-elsewhere">
                    {icon("doc")}
                    <p class="what">{t(say::REPORT_ELSEWHERE)}</p>
                    <a class="button primary big" href=path target="_blank" rel="noopener" on:click=move |_| shown()>{icon("ext")}{t(say::REPORT_PDF)}</a>
                </div>
            }
            .into_any()
        }
    }
    };
    view! {
        <Dialog title=report.title.clone() on_close=on_close class="sheet" testid="report-sheet">
            <header class="sheet-head">
                <h2 class="clip">{report.title.clone()}</h2>
                <span class="faint small">{number}</span>
                {late.map(|late| view! { <b class="amber small" role="status" data-testid="sheet-late">{icon("warn")}" "{late}</b> })}
                <span class="grow"></span>
                <a class="button" href=path target="_blank" rel="noopener" data-testid="report-tab">{icon("ext")}{t(say::REPORT_NEW_TAB)}</a>
                <button class="button primary" data-first="" data-testid="print" aria-disabled=move || (!here.get()).to_string()
                    on:click=move |_| print()>{icon("print")}{t(say::NEXT_PRINT)}</button>
                <button class="button" data-testid="sheet-close" on:click=move |_| on_close.run(())>{t(say::CLOSE)}" "<kbd>"Esc"</kbd></button>
            </header>
            {body}
        </Dialog>
    }
}

/// The key prints the paper, never the page around it.
fn print_by_key(print: impl Fn() + 'static) {
    let handle = window_event_listener(leptos::ev::keydown, move |event| {
        if web::pressed(&event, "Ctrl+P") {
            event.prevent_default();
            print();
        }
    });
    on_cleanup(move || handle.remove());
}

/// The browser's own print dialog on the PDF; where it refuses, the new window remains.
fn print_frame(frame: &HtmlIFrameElement) -> Option<()> {
    let inner: JsValue = frame.content_window()?.into();
    let print: js_sys::Function = js_sys::Reflect::get(&inner, &"print".into()).ok()?.dyn_into().ok()?;
    print.call0(&inner).ok().map(drop)
}
