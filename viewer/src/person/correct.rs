//! A study under the wrong patient's name: what is right is typed here, with the reason.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{CaseState, Demographics, PatientCorrection, Sex};

use super::Known;
use crate::api;
use crate::desk::exam;
use crate::i18n::{self, fill, say, t};
use crate::ui::{Dialog, icon};
use crate::web;

const SEXES: [Sex; 4] = [Sex::Male, Sex::Female, Sex::Other, Sex::Unknown];

#[component]
pub(super) fn CorrectDialog(known: Known) -> impl IntoView {
    let row = known.row.get_untracked();
    let patient = row.as_ref().map(|row| row.patient.clone());
    let of = move |text: fn(&wire::Patient) -> &String| {
        RwSignal::new(patient.as_ref().map(text).cloned().unwrap_or_default())
    };
    let (name, pid, birth_date) = (of(|p| &p.name), of(|p| &p.pid), of(|p| &p.birth_date));
    let sex = RwSignal::new(row.as_ref().map_or(Sex::Unknown, |row| row.patient.sex));
    let note = RwSignal::new(String::new());
    let (busy, problem) = (RwSignal::new(false), RwSignal::new(None::<String>));
    let is_corrected =
        known.found.with_untracked(|found| found.as_ref().is_some_and(|found| found.corrected.is_some()));
    let close = move || known.correcting.set(false);
    let before = row.as_ref().map(|row| of_row(&row.patient));
    let ready = Memo::new(move |_| !busy.get() && note.with(|note| !note.trim().is_empty()));
    let bad_birth = Memo::new(move |_| birth_date.with(|typed| !is_date(typed.trim())));
    // Nothing is saved that changes nothing.
    let changed = Memo::new(move |_| Some(typed_now(name, pid, birth_date, sex)) != before);
    let may_save = move || ready.get() && changed.get() && !bad_birth.get();
    let title = row.as_ref().map(|row| fill(say::CORRECT_OF, &[&row.patient.name, &exam(row)])).unwrap_or_default();
    let signed = row.as_ref().is_some_and(|row| row.state == CaseState::Signed);
    let send = move |to: Option<Demographics>| {
        let Some(row) = row.clone().filter(|_| ready.get_untracked()) else { return };
        busy.set(true);
        spawn_local(async move {
            let what = PatientCorrection { to, note: note.get_untracked(), version: row.version };
            let answer = api::correct_patient(row.case, &what).await;
            busy.try_set(false);
            match answer {
                Ok(()) => {
                    known.correcting.try_set(false);
                    known.changed.run(());
                    known.load();
                }
                Err(fault) => {
                    problem.try_set(Some(fault.text()));
                    known.app.notes(&fault);
                }
            }
        });
    };
    let send = StoredValue::new_local(send);
    let save = move || {
        if untrack(may_save) {
            let to = untrack(move || typed_now(name, pid, birth_date, sex));
            send.with_value(|send| send(Some(to)));
        }
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        if web::pressed(&event, "Ctrl+Enter") {
            event.prevent_default();
            save();
        }
    };
    let choose =
        move |event: leptos::ev::Event| sex.set(Sex::from_word(&event_target_value(&event)).unwrap_or(Sex::Unknown));
    let options = SEXES.map(
        |one| view! { <option value=one.word() selected={sex.get_untracked() == one}>{t(i18n::sex(one))}</option> },
    );
    view! {
        <Dialog title=title on_close=Callback::new(move |()| close()) testid="correct-dialog">
        <div on:keydown=on_key>
            <p>{t(say::CORRECT_LEAD)}</p>
            {signed.then(|| view! { <p class="amber" data-testid="correct-signed">{icon("sign")}" "{t(say::CORRECT_SIGNED)}</p> })}
            {field("correct-name", t(say::NAME), "", name)}
            {field("correct-pid", t(say::PID), "", pid)}
            {field("correct-birth", t(say::CORRECT_BIRTH), "1952-05-09", birth_date)}
            <p class="amber" role="status">{move || bad_birth.get().then(|| view! { {icon("warn")}" "{t(say::CORRECT_BAD_BIRTH)} })}</p>
            <label class="label" for="correct-sex">{t(say::SEX)}</label>
            <select id="correct-sex" class="field" on:change=choose>{options}</select>
            {field("correct-note", t(say::Q_WHY), t(say::CORRECT_WHY_HINT), note)}
            <p class="amber" role="alert">{move || problem.get().map(|problem| view! { {icon("warn")}" "{problem} })}</p>
            <div class="actions">
                <button class="button" on:click=move |_| close()>{t(say::CANCEL)}" "<kbd>"Esc"</kbd></button>
                {is_corrected.then(|| view! {
                    <button class="button" data-testid="correct-undo" disabled=move || !ready.get()
                        on:click=move |_| send.with_value(|send| send(None))>{icon("undo")}{t(say::CORRECT_UNDO)}</button>
                })}
                <button class="button primary" data-testid="correct-confirm" disabled=move || !may_save()
                    on:click=move |_| save()>{t(say::SAVE)}" "<kbd>"Ctrl+Enter"</kbd></button>
            </div>
        </div>
        </Dialog>
    }
}

/// What a case's row says, as it would be typed.
fn of_row(patient: &wire::Patient) -> Demographics {
    Demographics {
        name: patient.name.clone(),
        pid: patient.pid.clone(),
        birth_date: patient.birth_date.clone(),
        sex: patient.sex,
    }
}

/// What stands in the fields, without the spaces around it.
fn typed_now(
    name: RwSignal<String>,
    pid: RwSignal<String>,
    birth_date: RwSignal<String>,
    sex: RwSignal<Sex>,
) -> Demographics {
    let text = |field: RwSignal<String>| field.with(|text| text.trim().to_owned());
    Demographics { name: text(name), pid: text(pid), birth_date: text(birth_date), sex: sex.get() }
}

/// Nothing, or year, month and day; whether the month has that day the center says.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let digits = |part: &str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    text.is_empty() || matches!(parts[..], [y, m, d] if digits(y, 4) && digits(m, 2) && digits(d, 2))
}

fn field(id: &'static str, label: &'static str, hint: &'static str, value: RwSignal<String>) -> impl IntoView {
    view! {
        <label class="label" for=id>{label}</label>
        <input id=id class="field" type="text" maxlength="64" placeholder=hint data-testid=id prop:value=value
            on:input=move |event| value.set(event_target_value(&event))/>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birth_date_is_written_as_everywhere_else_or_not_at_all() {
        assert!(is_date("1952-05-09") && is_date(""));
        for wrong in ["05/09/1952", "1952-5-9", "19520509", "1952-05-09x", "一九五二-05-09"] {
            assert!(!is_date(wrong), "{wrong}");
        }
    }
}
