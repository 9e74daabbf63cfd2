//! The report of another study of the same person, read beside the open one: "compared with before" can be written from it.
//! Asked for when somebody wants it, as every opened report is an event.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{CaseDetail, ReportState};

use crate::api::{self, Fault};
use crate::app::App;
use crate::i18n::{say, t};
use crate::ui::icon;

/// What came of asking for it.
#[derive(Clone, PartialEq, Debug)]
enum Earlier {
    Closed,
    Coming,
    Words {
        findings: String,
        impression: String,
    },
    /// It was never signed.
    None,
    Failed(String),
}

impl Earlier {
    fn of(answer: Result<CaseDetail, Fault>) -> Self {
        match answer.map(|detail| detail.report.filter(|report| report.state == ReportState::Signed)) {
            Ok(Some(report)) => Earlier::Words { findings: report.findings, impression: report.impression },
            Ok(None) => Earlier::None,
            Err(fault) => Earlier::Failed(fault.text()),
        }
    }
}

#[component]
pub fn EarlierReport(case: i64) -> impl IntoView {
    let app = expect_context::<App>();
    let shown = RwSignal::new(Earlier::Closed);
    let open = move || shown.with(|shown| *shown != Earlier::Closed);
    let turn = move |_| {
        if shown.with_untracked(|shown| *shown != Earlier::Closed) {
            shown.set(Earlier::Closed);
            return;
        }
        shown.set(Earlier::Coming);
        spawn_local(async move {
            let answer = api::case(case).await;
            if let Err(fault) = &answer {
                app.notes(fault);
            }
            shown.try_set(Earlier::of(answer));
        });
    };
    let words = move || match shown.get() {
        Earlier::Closed => ().into_any(),
        Earlier::Coming => view! { <p class="faint">{t(say::REPORT_COMING)}</p> }.into_any(),
        Earlier::None => view! { <p class="faint">{t(say::EARLIER_NONE)}</p> }.into_any(),
        Earlier::Failed(why) => view! { <p class="amber" role="alert">{icon("warn")}" "{why}</p> }.into_any(),
        Earlier::Words { findings, impression } => view! {
            <div class="earlier" data-testid="earlier-text">
                <span class="label">{t(say::IMPRESSION)}</span><p>{impression}</p>
                <span class="label">{t(say::FINDINGS)}</span><p>{findings}</p>
            </div>
        }
        .into_any(),
    };
    view! {
        <button class="linkish small" data-testid="earlier-report" aria-expanded=move || open().to_string() on:click=turn>
            {icon("doc")}" "{move || t(if open() { say::EARLIER_CLOSE } else { say::EARLIER_READ })}
        </button>
        {words}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::{report, row};

    fn detail(state: Option<ReportState>) -> CaseDetail {
        let report =
            state.map(|state| wire::ReportBody { state, impression: "右肺结节".into(), ..report(1, "见结节") });
        let row = row(1, wire::Urgency::Routine);
        CaseDetail { row, report, history: Vec::new(), decisions: Vec::new(), signatures_needed: 1 }
    }

    #[test]
    fn only_a_signed_report_is_compared_with() {
        let words = Earlier::Words { findings: "见结节".into(), impression: "右肺结节".into() };
        assert_eq!(Earlier::of(Ok(detail(Some(ReportState::Signed)))), words);
        assert_eq!(Earlier::of(Ok(detail(Some(ReportState::Draft)))), Earlier::None, "somebody is still writing it");
        assert_eq!(Earlier::of(Ok(detail(None))), Earlier::None);
        assert!(matches!(Earlier::of(Err(Fault::Offline)), Earlier::Failed(_)));
    }
}
