//! The form: who, what, with which device, and what the doctor should look for.

use leptos::prelude::*;
use wire::{OrderDevice, OrderForm, Sex, Urgency};

use super::rules::{Field, said_by, usual_exams};
use super::store::{Said, Store, Work, id};
use crate::i18n::{self, Text, fill, say, t};
use crate::ui::icon;
use crate::web;

#[component]
pub fn OrderPanel() -> impl IntoView {
    let store = expect_context::<Store>();
    let on_key = move |event: web_sys::KeyboardEvent| {
        if web::pressed(&event, "Ctrl+Enter") {
            event.prevent_default();
            store.send();
        }
    };
    let is_change = Memo::new(move |_| matches!(store.work.get(), Work::Change(_)));
    let title = move || match store.work.get() {
        Work::New => t(say::O_NEW).to_owned(),
        Work::Change(row) => fill(say::O_CHANGE_OF, &[&row.form.name, &row.form.accession]),
    };
    view! {
        <aside class="panel order-panel" aria-label=t(say::O_FORM) on:keydown=on_key data-testid="order-form">
            <div class="panel-head">
                <h2 class="clip">{title}</h2>
                <span class="grow"></span>
                {move || match is_change.get() {
                    true => view! { <button class="linkish" data-testid="order-back" on:click=move |_| store.leave_change()>{t(say::O_BACK)}" "<kbd>"Esc"</kbd></button> }.into_any(),
                    false => view! { <button class="linkish" data-testid="order-clear" on:click=move |_| store.begin_anew()>{t(say::O_CLEAR)}" "<kbd>"F2"</kbd></button> }.into_any(),
                }}
            </div>
            {move || store.found.get().then(|| view! { <p class="done small" data-testid="order-found">{icon("refresh")}" "{t(say::O_FOUND)}</p> })}
            {move || { store.turn.track(); view! { <Fields/> } }}
            <div class="order-send">
                <Outcome/>
                <button class="button primary big" data-testid="order-send" disabled=move || store.busy.get() on:click=move |_| store.send()>
                    {move || t(if is_change.get() { say::O_SAVE } else { say::O_SEND })}" "<kbd>"Ctrl+Enter"</kbd>
                </button>
            </div>
        </aside>
    }
}

/// Drawn anew with another form, not with every key.
#[component]
fn Fields() -> impl IntoView {
    let store = expect_context::<Store>();
    let form = store.form.get_untracked();
    let is_new = store.work.get_untracked() == Work::New;
    let is_open = !form.latin.is_empty() && !is_new;
    view! {
        <div class="order-fields">
            {text(store, Some(Field::Name), Line { label: say::NAME, hint: say::O_NAME_HINT, value: form.name, most: "64" }, |form, text| form.name = text)}
            <NationalId value=form.national_id/>
            <div class="order-pair">
                <SexChoice/>
                <BirthDate/>
            </div>
            <div class="order-pair">
                {text(store, None, Line { label: say::PID, hint: say::O_GIVEN, value: form.pid, most: "64" }, |form, text| form.pid = text)}
                {is_new.then(|| text(store, Some(Field::Accession), Line { label: say::O_ACCESSION, hint: say::O_GIVEN, value: form.accession, most: "16" }, |form, text| form.accession = text))}
            </div>
            <DeviceChoice/>
            <Exam value=form.exam/>
            <UrgencyChoice/>
            <label class="label" for="order-question">{t(say::QUESTION)}</label>
            <textarea id="order-question" class="field" rows="2" maxlength="500" data-testid="order-question" placeholder=t(say::QUESTION_HINT)
                prop:value=form.question on:input=move |event| { let text = event_target_value(&event); store.edit(|form| form.question = text) }></textarea>
            {text(store, None, Line { label: say::O_REQUESTER, hint: say::O_OPTIONAL, value: form.requester, most: "64" }, |form, text| form.requester = text)}
            <details class="order-more" prop:open=is_open>
                <summary>{t(say::O_MORE)}</summary>
                <div class="order-pair">
                    {dated(store, "order-day", "date", say::O_DAY, form.day, |form, text| form.day = text)}
                    {dated(store, "order-time", "time", say::O_TIME, form.time, |form, text| form.time = text)}
                </div>
                {text(store, None, Line { label: say::O_LATIN, hint: say::O_LATIN_HINT, value: form.latin, most: "64" }, |form, text| form.latin = text)}
                {text(store, None, Line { label: say::O_PERFORMER, hint: say::O_OPTIONAL, value: form.performer, most: "64" }, |form, text| form.performer = text)}
            </details>
        </div>
    }
}

struct Line {
    label: Text,
    hint: Text,
    value: String,
    most: &'static str,
}

/// One line of text, with what is wrong with it below.
fn text(store: Store, field: Option<Field>, line: Line, write: fn(&mut OrderForm, String)) -> impl IntoView {
    let id = field.map_or_else(
        || format!("order-{}", line.label.en.replace(' ', "-").to_lowercase()),
        |field| id(field).to_owned(),
    );
    let typed = move |event: leptos::ev::Event| {
        let text = event_target_value(&event);
        store.edit(|form| write(form, text));
    };
    let needed = field == Some(Field::Name);
    let wrong = Memo::new(move |_| field.and_then(|field| store.fault_at(field)));
    view! {
        <div>
            <label class="label" class:needed=needed for=id.clone()>{t(line.label)}</label>
            <input id=id.clone() class="field" type="text" maxlength=line.most autocomplete="off" placeholder=t(line.hint) data-testid=id
                aria-invalid=move || wrong.with(Option::is_some).to_string() prop:value=line.value on:input=typed/>
            {move || wrong.get().map(complaint)}
        </div>
    }
}

fn complaint(text: String) -> impl IntoView {
    view! { <p class="amber small" role="alert" data-testid="order-wrong">{icon("warn")}" "{text}</p> }
}

fn dated(
    store: Store,
    id: &'static str,
    kind: &'static str,
    label: Text,
    value: String,
    write: fn(&mut OrderForm, String),
) -> impl IntoView {
    let typed = move |event: leptos::ev::Event| {
        let text = event_target_value(&event);
        store.edit(|form| write(form, text));
    };
    view! {
        <div>
            <label class="label" for=id>{t(label)}</label>
            <input id=id class="field" type=kind data-testid=id prop:value=value on:input=typed/>
        </div>
    }
}

/// Fills in birth date and sex as soon as it is whole.
#[component]
fn NationalId(value: String) -> impl IntoView {
    let store = expect_context::<Store>();
    let typed = move |event: leptos::ev::Event| {
        let text = event_target_value(&event);
        store.edit(|form| {
            if let Some((birth_date, sex)) = said_by(&text) {
                (form.birth_date, form.sex) = (birth_date, sex);
            }
            form.national_id = text;
        });
    };
    let wrong = Memo::new(move |_| store.fault_at(Field::NationalId));
    view! {
        <div>
            <label class="label" for="order-number">{t(say::O_NUMBER)}</label>
            <input id="order-number" class="field" type="text" maxlength="18" autocomplete="off" placeholder=t(say::O_NUMBER_HINT)
                data-testid="order-number" aria-invalid=move || wrong.with(Option::is_some).to_string() prop:value=value on:input=typed/>
            {move || wrong.get().map(complaint)}
        </div>
    }
}

#[component]
fn SexChoice() -> impl IntoView {
    let store = expect_context::<Store>();
    let chosen = Memo::new(move |_| store.form.with(|form| form.sex));
    let option = move |sex: Sex| {
        view! {
            <button role="radio" type="button" class="segment" data-testid=format!("order-sex-{sex}") aria-checked=move || (chosen.get() == sex).to_string()
                on:click=move |_| store.edit(|form| form.sex = sex)>{t(if sex == Sex::Unknown { say::O_SEX_UNKNOWN } else { i18n::sex(sex) })}</button>
        }
    };
    view! {
        <div>
            <span class="label">{t(say::SEX)}</span>
            <div class="segments" role="radiogroup" aria-label=t(say::SEX)>{[Sex::Male, Sex::Female, Sex::Unknown].map(option)}</div>
        </div>
    }
}

#[component]
fn BirthDate() -> impl IntoView {
    let store = expect_context::<Store>();
    // The national number writes it, too.
    let shown = Memo::new(move |_| store.form.with(|form| form.birth_date.clone()));
    let wrong = Memo::new(move |_| store.fault_at(Field::BirthDate));
    view! {
        <div>
            <label class="label" for="order-birth">{t(say::BIRTH_DATE)}</label>
            <input id="order-birth" class="field" type="date" max=move || store.today() data-testid="order-birth" prop:value=shown
                on:change=move |event| { let text = event_target_value(&event); store.edit(|form| form.birth_date = text) }/>
            {move || wrong.get().map(complaint)}
        </div>
    }
}

/// The site's devices, and each of their kinds without saying which.
#[component]
fn DeviceChoice() -> impl IntoView {
    let store = expect_context::<Store>();
    let devices =
        Memo::new(move |_| store.list.with(|list| list.as_ref().map(|list| list.devices.clone()).unwrap_or_default()));
    let chosen = Memo::new(move |_| store.form.with(|form| value_of(form.device, &form.modality)));
    let choose = move |event: leptos::ev::Event| {
        let value = event_target_value(&event);
        let found =
            devices.with_untracked(|devices| devices.iter().find(|one| value == one.device.to_string()).cloned());
        store.edit(|form| match found {
            Some(OrderDevice { device, modality, .. }) => (form.device, form.modality) = (Some(device), modality),
            None => (form.device, form.modality) = (None, value),
        });
    };
    let option = move |value: String, text: String| {
        let is_chosen = value == chosen.get();
        view! { <option value=value selected=is_chosen>{text}</option> }
    };
    let options = move || {
        let devices = devices.get();
        let each =
            devices.iter().map(|one| option(one.device.to_string(), format!("{} · {}", one.modality, one.ae_title)));
        let mut kinds: Vec<String> = devices.iter().map(|one| one.modality.clone()).collect();
        kinds.sort();
        kinds.dedup();
        // Of a kind with one device there is nothing to leave open.
        kinds.retain(|kind| devices.iter().filter(|one| one.modality == *kind).count() > 1);
        let any = kinds.into_iter().map(|kind| {
            let text = fill(say::O_ANY_DEVICE, &[&kind]);
            option(kind, text)
        });
        each.chain(any).collect_view()
    };
    let wrong = Memo::new(move |_| store.fault_at(Field::Device));
    view! {
        <div>
            <label class="label needed" for="order-device">{t(say::O_DEVICE)}</label>
            <select id="order-device" class="field" data-testid="order-device" on:change=choose aria-invalid=move || wrong.with(Option::is_some).to_string()>
                <option value="" selected=move || chosen.get().is_empty()>{t(say::O_CHOOSE)}</option>
                {options}
            </select>
            {move || wrong.get().map(complaint)}
        </div>
    }
}

fn value_of(device: Option<i64>, modality: &str) -> String {
    device.map_or_else(|| modality.to_owned(), |device| device.to_string())
}

/// What is to be examined: typed, or one of the usual ones.
#[component]
fn Exam(value: String) -> impl IntoView {
    let store = expect_context::<Store>();
    let usual = Memo::new(move |_| store.form.with(|form| usual_exams(&form.modality)));
    let typed = move |event: leptos::ev::Event| {
        let text = event_target_value(&event);
        store.edit(|form| form.exam = text);
    };
    let wrong = Memo::new(move |_| store.fault_at(Field::Exam));
    view! {
        <div>
            <label class="label needed" for="order-exam">{t(say::O_EXAM)}</label>
            <input id="order-exam" class="field" type="text" list="order-exams" maxlength="64" autocomplete="off" placeholder=t(say::O_EXAM_HINT)
                data-testid="order-exam" aria-invalid=move || wrong.with(Option::is_some).to_string() prop:value=value on:input=typed/>
            <datalist id="order-exams">{move || usual.get().iter().map(|exam| view! { <option value=*exam></option> }).collect_view()}</datalist>
            {move || wrong.get().map(complaint)}
        </div>
    }
}

#[component]
fn UrgencyChoice() -> impl IntoView {
    let store = expect_context::<Store>();
    let option = move |urgency: Urgency| {
        view! {
            <button role="radio" type="button" class="segment" data-testid=format!("order-urgency-{urgency}")
                aria-checked=move || (store.urgency() == urgency).to_string() on:click=move |_| store.edit(|form| form.urgency = urgency)>
                {icon(urgency.word())}{t(i18n::urgency(urgency))}
            </button>
        }
    };
    view! {
        <div>
            <span class="label">{t(say::COL_URGENCY)}</span>
            <div class="segments" role="radiogroup" aria-label=t(say::COL_URGENCY)>{Urgency::ALL.iter().copied().map(option).collect_view()}</div>
        </div>
    }
}

/// What became of the last form: said at the button, where the eye is.
#[component]
fn Outcome() -> impl IntoView {
    let store = expect_context::<Store>();
    move || match store.said.get() {
        Some(Said::Done(text)) => {
            view! { <p class="order-said done" role="status" data-testid="order-said">{icon("check")}" "{text}</p> }
                .into_any()
        }
        Some(Said::Fault(None, text)) => {
            view! { <p class="problem" role="alert" data-testid="order-problem">{icon("warn")}<span>{text}</span></p> }
                .into_any()
        }
        _ => ().into_any(),
    }
}
