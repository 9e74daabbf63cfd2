//! What becomes of an object in quarantine, and why: asked once more before it is done.

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::HtmlTextAreaElement;
use wire::{QuarantineAct, QuarantineRow, Role};

use super::compare::Compared;
use super::{Done, Shelf};
use crate::api::{self, Fault};
use crate::i18n::{self, Text, fill, say, t};
use crate::ui::{Dialog, icon};
use crate::web;

/// What a button says.
pub fn label(row: &QuarantineRow, act: QuarantineAct) -> Text {
    match act {
        QuarantineAct::Release => say::Q_RELEASE,
        QuarantineAct::Choose => say::Q_CHOOSE,
        QuarantineAct::Keep if row.reason == "duplicate" => say::Q_KEEP_COPY,
        QuarantineAct::Keep => say::Q_KEEP,
    }
}

/// The same of what was decided.
pub fn done(row: &QuarantineRow, act: QuarantineAct) -> Text {
    match act {
        QuarantineAct::Release => say::Q_RELEASED,
        QuarantineAct::Choose => say::Q_CHOSEN,
        QuarantineAct::Keep if row.reason == "duplicate" => say::Q_KEPT_COPY,
        QuarantineAct::Keep => say::Q_KEPT,
    }
}

fn lead(row: &QuarantineRow, act: QuarantineAct) -> Text {
    match act {
        QuarantineAct::Release if row.reason == "patient_mismatch" => say::Q_RELEASE_PATIENT_LEAD,
        QuarantineAct::Release => say::Q_RELEASE_LEAD,
        QuarantineAct::Choose => say::Q_CHOOSE_LEAD,
        QuarantineAct::Keep => say::Q_KEEP_LEAD,
    }
}

#[component]
pub(super) fn DecideDialog(shelf: Shelf, row: QuarantineRow, act: QuarantineAct) -> impl IntoView {
    let note = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let problem = RwSignal::new(None::<String>);
    let title = fill(say::Q_TITLED, &[t(label(&row, act)), &i18n::quarantine(&row.reason)]);
    let (id, lead) = (row.id, lead(&row, act));
    let changes_images = act != QuarantineAct::Keep;
    let signed = changes_images && row.study.as_ref().is_some_and(|study| study.signed);
    let manages = shelf.app.me.with_untracked(|me| me.as_ref().is_some_and(|me| me.role == Role::Manager));
    let close = Callback::new(move |()| shelf.asked.set(None));
    let ready = Memo::new(move |_| note.with(|note| !note.trim().is_empty()) && !busy.get());
    let decide = move || {
        if !ready.get_untracked() {
            return;
        }
        busy.set(true);
        spawn_local(async move {
            let answer = api::decide_quarantine(id, act, note.get_untracked().trim()).await;
            busy.try_set(false);
            match answer {
                Ok(decided) => {
                    shelf.asked.try_set(None);
                    shelf.decided(id, if changes_images { Done::Joined(decided.study) } else { Done::Aside });
                }
                Err(fault) => {
                    problem.try_set(Some(words(&fault)));
                    shelf.app.notes(&fault);
                    shelf.refresh();
                }
            }
        });
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        if web::pressed(&event, "Ctrl+Enter") {
            event.prevent_default();
            decide();
        }
    };
    view! {
        <Dialog title=title on_close=close class="wide" testid="q-dialog">
            <p>{t(lead)}</p>
            {manages.then(|| view! { <Compared row=row.clone()/> })}
            {signed.then(|| view! { <p class="amber" data-testid="q-signed">{icon("warn")}" "{t(say::Q_SIGNED_DO)}</p> })}
            <label class="label" for="q-note">{t(say::Q_WHY)}</label>
            <textarea id="q-note" class="field" rows="3" maxlength="500" data-first="" data-testid="q-note" placeholder=t(say::Q_WHY_HINT)
                on:keydown=on_key on:input=move |event| note.set(event_target::<HtmlTextAreaElement>(&event).value())></textarea>
            <p class="amber" role="alert">{move || problem.get().map(|problem| view! { {icon("warn")}" "{problem} })}</p>
            <div class="actions">
                <button class="button" on:click=move |_| shelf.asked.set(None)>{t(say::CANCEL)}" "<kbd>"Esc"</kbd></button>
                <button class="button primary" data-testid="q-confirm" disabled=move || !ready.get() on:click=move |_| decide()>
                    {t(label(&row, act))}" "<kbd>"Ctrl+Enter"</kbd>
                </button>
            </div>
        </Dialog>
    }
}

/// A refusal names what still stands in the way.
fn words(fault: &Fault) -> String {
    match fault {
        Fault::Refused(problem, _) if problem.code == "still_refused" => {
            fill(say::Q_STILL, &[&i18n::quarantine(problem.detail.as_deref().unwrap_or_default())])
        }
        fault => fault.text(),
    }
}
