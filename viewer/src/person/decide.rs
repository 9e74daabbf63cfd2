//! Whether two records are of one person, asked once more with both side by side.

use leptos::prelude::*;
use wire::{LinkedBy, PatientRecord};

use super::{Known, compared};
use crate::i18n::{self, Text, say, t};
use crate::ui::{Dialog, icon};
use crate::web;

#[component]
pub(super) fn DecideDialog(known: Known, record: PatientRecord, same: bool) -> impl IntoView {
    let linked = matches!(record.how, LinkedBy::Confirmed | LinkedBy::NationalId);
    let (title, lead, act) = match (same, linked) {
        (true, _) => (say::DECIDE_SAME, say::DECIDE_SAME_LEAD, say::SAME_PERSON),
        (false, true) => (say::DECIDE_UNLINK, say::DECIDE_UNLINK_LEAD, say::UNLINK),
        (false, false) => (say::DECIDE_OTHER, say::DECIDE_OTHER_LEAD, say::OTHER_PERSON),
    };
    let close = move || known.deciding.set(None);
    let patient = record.patient;
    let own = known.found.with_untracked(|found| found.as_ref().map(|found| found.record.clone()));
    let on_key = move |event: web_sys::KeyboardEvent| {
        if web::pressed(&event, "Ctrl+Enter") {
            event.prevent_default();
            known.decide(patient, same);
        }
    };
    view! {
        <Dialog title=t(title).to_owned() on_close=Callback::new(move |()| close()) testid="person-dialog">
            <div on:keydown=on_key>
                {own.map(|own| side_by_side(&own, &record))}
                <p>{t(lead)}</p>
                <div class="actions">
                    <button class="button" on:click=move |_| close()>{t(say::CANCEL)}" "<kbd>"Esc"</kbd></button>
                    <button class="button primary" data-first="" data-testid="person-confirm" on:click=move |_| known.decide(patient, same)>
                        {t(act)}" "<kbd>"Ctrl+Enter"</kbd>
                    </button>
                </div>
            </div>
        </Dialog>
    }
}

fn side_by_side(own: &PatientRecord, other: &PatientRecord) -> impl IntoView + use<> {
    let [_, differs] = compared(own, other);
    let line = |what: Text, own: String, other: String| {
        let differs =
            differs.contains(&what).then(|| view! { <span class="amber">{icon("warn")}{t(say::Q_DIFFERS)}</span> });
        view! { <tr><th scope="row" class="label">{t(what)}</th><td>{own}</td><td>{other}" "{differs}</td></tr> }
    };
    view! {
        <table class="compared">
            <thead class="label"><tr><th></th><th>{t(say::THIS_RECORD)}</th><th>{t(say::OTHER_RECORD)}</th></tr></thead>
            <tbody>
                {line(say::NAME, own.name.clone(), other.name.clone())}
                {line(say::PID, own.pid.clone(), other.pid.clone())}
                {line(say::BIRTH_DATE, own.birth_date.clone(), other.birth_date.clone())}
                {line(say::SEX, t(i18n::sex(own.sex)).to_owned(), t(i18n::sex(other.sex)).to_owned())}
                {line(say::Q_FROM, own.site.name.clone(), other.site.name.clone())}
            </tbody>
        </table>
    }
}
