//! The clinical question beside the list: read by all, written by an operator of the site.

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::HtmlTextAreaElement;
use wire::{CaseChange, CaseRow};

use super::begun::{self, Begun};
use super::panel::{Shown, send};
use super::store::Store;
use crate::i18n::{fill, say, t};
use crate::ui::{copy_button, icon};
use crate::web;

/// A question on its way to being another.
#[derive(Clone, Copy)]
struct Editing {
    store: Store,
    case: i64,
    row: Memo<Option<CaseRow>>,
    begun: RwSignal<Option<Begun>>,
    /// It was begun in an earlier visit.
    found: bool,
    busy: RwSignal<bool>,
}

impl Editing {
    fn begin(self) {
        if let Some(row) = self.row.get_untracked() {
            self.begun.set(Some(Begun::on(&row)));
            set_timeout(|| web::focus_selector("#question"), std::time::Duration::ZERO);
        }
    }

    fn typed(self, text: String) {
        self.begun.update(|begun| {
            if let Some(begun) = begun {
                begun.text = text;
            }
        });
        self.begun.with_untracked(|begun| {
            if let Some(begun) = begun {
                begun::keep(self.store.account(), self.case, begun);
            }
        });
        self.store.begun_changed();
    }

    fn call_off(self) {
        begun::forget(self.store.account(), self.case);
        self.store.begun_changed();
        self.begun.set(None);
    }

    fn save(self, problem: RwSignal<Option<String>>, detail: Shown) {
        let (Some(begun), Some(now)) = (self.begun.get_untracked(), self.row.get_untracked()) else { return };
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        let text = begun.text.trim().to_owned();
        let what = CaseChange { version: begun.based_on(&now), urgency: None, question: Some(text) };
        spawn_local(async move {
            let taken = send(self.store, detail, self.case, what, problem).await;
            self.busy.try_set(false);
            if taken { self.taken(&begun) } else { self.shown_another() }
        });
    }

    /// The center has `sent`; what was typed since stays.
    fn taken(self, sent: &Begun) {
        let account = self.store.account();
        if begun::read(account, self.case).is_none_or(|kept| kept.text == sent.text) {
            begun::forget(account, self.case);
            self.store.begun_changed();
            self.begun.try_set(None);
        }
    }

    fn shown_another(self) {
        if let Some(Some(now)) = self.row.try_get_untracked() {
            self.begun.try_update(|begun| *begun = begun.take().map(|begun| begun.after(&now)));
        }
    }
}

#[component]
pub fn Question(
    case: i64,
    row: Memo<Option<CaseRow>>,
    editable: Signal<bool>,
    problem: RwSignal<Option<String>>,
    detail: Shown,
) -> impl IntoView {
    let store = expect_context::<Store>();
    let kept = begun::read(store.account(), case);
    let found = kept.is_some();
    let editing = Editing { store, case, row, begun: RwSignal::new(kept), found, busy: RwSignal::new(false) };
    let save = Callback::new(move |()| editing.save(problem, detail));
    let state = Memo::new(move |_| (editing.begun.with(Option::is_some), editable.get()));
    move || match state.get() {
        (true, true) => view! { <QuestionField editing=editing save=save/> }.into_any(),
        (true, false) => view! { {line(editing, editable)} {too_late(editing)} }.into_any(),
        (false, _) => line(editing, editable).into_any(),
    }
}

fn line(editing: Editing, editable: Signal<bool>) -> impl IntoView {
    let question = move || editing.row.with(|row| row.as_ref().map(|row| row.question.clone())).unwrap_or_default();
    let none = Memo::new(move |_| question().is_empty());
    view! {
        <p class="question" data-testid="question">
            <span class="quiet">{t(say::QUESTION_IS)}</span>
            <span class:faint=move || none.get()>{move || if none.get() { t(say::QUESTION_NONE).to_owned() } else { question() }}</span>
            {move || editable.get().then(|| view! {
                <button class="linkish" data-testid="question-edit" on:click=move |_| editing.begin()>{icon("pen")}" "{t(say::QUESTION_EDIT)}</button>
            })}
        </p>
    }
}

/// The case went on without it: the words are its writer's to take elsewhere.
fn too_late(editing: Editing) -> impl IntoView {
    let text = editing.begun.with_untracked(|begun| begun.as_ref().map(|begun| begun.text.clone())).unwrap_or_default();
    view! {
        <div class="problem" data-testid="question-too-late">
            {icon("warn")}
            <div class="grow">
                <p>{t(say::QUESTION_TOO_LATE)}</p>
                <p class="unsent">{text.clone()}</p>
                <div class="panel-actions">
                    {copy_button(text)}
                    <button class="button" on:click=move |_| editing.call_off()>{t(say::ASIDE_DISMISS)}</button>
                </div>
            </div>
        </div>
    }
}

#[component]
fn QuestionField(editing: Editing, save: Callback<()>) -> impl IntoView {
    let begun = editing.begun;
    let text = begun.with_untracked(|begun| begun.as_ref().map(|begun| begun.text.clone())).unwrap_or_default();
    let typed = move |event: leptos::ev::Event| editing.typed(event_target::<HtmlTextAreaElement>(&event).value());
    let on_key = move |event: web_sys::KeyboardEvent| {
        if web::pressed(&event, "Escape") {
            event.stop_propagation();
            editing.call_off();
        } else if web::pressed(&event, "Ctrl+Enter") {
            event.prevent_default();
            save.run(());
        }
    };
    let other = Memo::new(move |_| {
        let now = editing.row.get()?;
        begun.with(|begun| begun.as_ref().is_some_and(|begun| begun.overtaken(&now))).then_some(now.question)
    });
    view! {
        <div class="question editing" on:keydown=on_key>
            <label class="label" for="question">{t(say::QUESTION)}</label>
            {move || other.get().map(|question| view! { <p class="amber small" role="status" data-testid="question-other">{icon("warn")}" "{fill(say::QUESTION_OTHER, &[&question])}</p> })}
            {editing.found.then(|| view! { <p class="done small" data-testid="question-found">{icon("refresh")}" "{t(say::QUESTION_FOUND)}</p> })}
            <textarea id="question" class="field" rows="3" maxlength="500" data-testid="question-field" placeholder=t(say::QUESTION_HINT)
                prop:value=text on:input=typed></textarea>
            <div class="panel-actions">
                <button class="button" on:click=move |_| editing.call_off()>{t(say::CANCEL)}" "<kbd>"Esc"</kbd></button>
                <button class="button primary" data-testid="question-save" disabled=move || editing.busy.get() on:click=move |_| save.run(())>{t(say::SAVE)}" "<kbd>"Ctrl+Enter"</kbd></button>
            </div>
        </div>
    }
}
