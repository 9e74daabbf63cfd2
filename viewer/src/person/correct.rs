//! A study under the wrong patient's name: what is right is typed here, with the reason.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{Demographics, PatientCorrection, Sex};

use super::Known;
use crate::api;
use crate::i18n::{self, say, t};
use crate::ui::{Dialog, icon};

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
    let ready = Memo::new(move |_| !busy.get() && note.with(|note| !note.trim().is_empty()));
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
    let typed = move || Demographics {
        name: name.get_untracked(),
        pid: pid.get_untracked(),
        birth_date: birth_date.get_untracked(),
        sex: sex.get_untracked(),
    };
    let choose =
        move |event: leptos::ev::Event| sex.set(Sex::from_word(&event_target_value(&event)).unwrap_or(Sex::Unknown));
    let options = SEXES.map(
        |one| view! { <option value=one.word() selected={sex.get_untracked() == one}>{t(i18n::sex(one))}</option> },
    );
    view! {
        <Dialog title=t(say::CORRECT).to_owned() on_close=Callback::new(move |()| close()) testid="correct-dialog">
            <p>{t(say::CORRECT_LEAD)}</p>
            {field("correct-name", t(say::NAME), "text", name)}
            {field("correct-pid", t(say::PID), "text", pid)}
            {field("correct-birth", t(say::BIRTH_DATE), "date", birth_date)}
            <label class="label" for="correct-sex">{t(say::SEX)}</label>
            <select id="correct-sex" class="field" on:change=choose>{options}</select>
            {field("correct-note", t(say::Q_WHY), "text", note)}
            <p class="amber" role="alert">{move || problem.get().map(|problem| view! { {icon("warn")}" "{problem} })}</p>
            <div class="actions">
                <button class="button" on:click=move |_| close()>{t(say::CANCEL)}" "<kbd>"Esc"</kbd></button>
                {is_corrected.then(|| view! {
                    <button class="button" data-testid="correct-undo" disabled=move || !ready.get()
                        on:click=move |_| send.with_value(|send| send(None))>{icon("undo")}{t(say::CORRECT_UNDO)}</button>
                })}
                <button class="button primary" data-testid="correct-confirm" disabled=move || !ready.get()
                    on:click=move |_| send.with_value(|send| send(Some(typed())))>{t(say::SAVE)}</button>
            </div>
        </Dialog>
    }
}

fn field(id: &'static str, label: &'static str, kind: &'static str, value: RwSignal<String>) -> impl IntoView {
    view! {
        <label class="label" for=id>{label}</label>
        <input id=id class="field" type=kind maxlength="64" data-testid=id prop:value=value
            on:input=move |event| value.set(event_target_value(&event))/>
    }
}
