//! The dialogs at the end of a report: sign or submit with the password, send back with a note, give the case back.

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::{HtmlInputElement, HtmlTextAreaElement, SubmitEvent};
use wire::{ReturnRequest, SignRequest};

use super::draft::NotSaved;
use super::pane::Asked;
use super::room::{Active, Purpose, Room};
use super::trouble::AsideDialog;
use crate::api::{self, Fault};
use crate::i18n::{fill, say, t};
use crate::ui::{Dialog, icon};
use crate::web;

#[component]
pub fn Asking(room: Room, asked: RwSignal<Option<Asked>>) -> impl IntoView {
    let close = Callback::new(move |()| asked.set(None));
    // Nothing is asked while it is not settled whose text this is.
    Effect::new(move |_| {
        if room.undecided() {
            asked.set(None);
        }
    });
    move || {
        let active = room.active.get()?;
        Some(match asked.get()? {
            what @ (Asked::Sign | Asked::Submit) => {
                view! { <SignDialog room=room active=active what=what on_close=close/> }.into_any()
            }
            Asked::Return => view! { <ReturnDialog room=room active=active on_close=close/> }.into_any(),
            Asked::Release => view! { <ReleaseDialog room=room on_close=close/> }.into_any(),
            Asked::Aside => view! { <AsideDialog room=room on_close=close/> }.into_any(),
        })
    }
}

/// Saves the text first, so that what is signed is what is on the screen.
async fn sign(room: Room, active: &Active, what: Asked, password: String) -> Result<(), NotSaved> {
    let case = active.row.case;
    let lease = match &active.purpose {
        Purpose::Write { lease } => Some(lease.clone()),
        Purpose::Review => None,
    };
    let rev = if lease.is_some() { room.draft.flush().await? } else { room.draft.rev() };
    let request = SignRequest { lease, rev, password };
    match what {
        Asked::Submit => api::submit(case, &request).await,
        _ => api::sign(case, &request).await,
    }
    .map_err(NotSaved::Refused)?;
    room.draft.settled();
    Ok(())
}

#[component]
fn SignDialog(room: Room, active: Active, what: Asked, on_close: Callback<()>) -> impl IntoView {
    let (title, lead, act, done) = match what {
        Asked::Submit => (say::SUBMIT_TITLE, say::SUBMIT_LEAD, say::SUBMIT_DO, say::SUBMITTED_NOW),
        _ => (say::SIGN_TITLE, say::SIGN_LEAD, say::SIGN_DO, say::SIGNED_NOW),
    };
    let password = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let problem = RwSignal::new(None::<String>);
    let login = room.app.me.with_untracked(|me| me.as_ref().map(|me| me.login.clone()).unwrap_or_default());
    let words = fill(lead, &[&active.row.patient.name, &active.row.exam]);
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let secret = password.get_untracked();
        if secret.is_empty() || busy.get_untracked() {
            web::focus_selector("#sign-password");
            return;
        }
        busy.set(true);
        problem.set(None);
        let active = active.clone();
        spawn_local(async move {
            match sign(room, &active, what, secret).await {
                Ok(()) => {
                    on_close.run(());
                    room.finish(done);
                }
                // The dialog has made way for the one that asks.
                Err(NotSaved::Undecided | NotSaved::Gone) => {}
                Err(NotSaved::Refused(fault)) => {
                    busy.set(false);
                    password.set(String::new());
                    problem.set(Some(worded(&fault)));
                    web::focus_selector("#sign-password");
                }
            }
        });
    };
    view! {
        <Dialog title=t(title).to_owned() on_close=on_close testid="sign-dialog">
            <form on:submit=submit>
                <p>{words}</p>
                <input class="sr" type="text" name="username" autocomplete="username" tabindex="-1" aria-hidden="true" prop:value=login/>
                <label for="sign-password">{t(say::SIGN_PASSWORD)}</label>
                <input id="sign-password" class="field" type="password" autocomplete="current-password" data-first="" data-testid="sign-password"
                    prop:value=move || password.get() on:input=move |event| password.set(event_target::<HtmlInputElement>(&event).value())/>
                {move || problem.get().map(|text| view! { <p class="problem" role="alert" data-testid="sign-problem">{icon("warn")}<span>{text}</span></p> })}
                <div class="actions">
                    <button type="button" class="button" on:click=move |_| on_close.run(())>{t(say::CANCEL)}" "<kbd>"Esc"</kbd></button>
                    <button type="submit" class="button primary" data-testid="sign-confirm" disabled=move || busy.get()>
                        {icon("sign")}{move || t(if busy.get() { say::SIGN_BUSY } else { act })}" "<kbd>"Enter"</kbd>
                    </button>
                </div>
            </form>
        </Dialog>
    }
}

/// A refused password ends no session: 401 and 403 here mean the password.
fn worded(fault: &Fault) -> String {
    match fault.status() {
        401 => t(say::P_PASSWORD).to_owned(),
        _ => fault.text(),
    }
}

#[component]
fn ReturnDialog(room: Room, active: Active, on_close: Callback<()>) -> impl IntoView {
    let note = RwSignal::new(String::new());
    let problem = RwSignal::new(None::<String>);
    let send = move |event: SubmitEvent| {
        event.prevent_default();
        let text = note.get_untracked().trim().to_owned();
        if text.is_empty() {
            problem.set(Some(t(say::RETURN_NEED).to_owned()));
            web::focus_selector("#return-note");
            return;
        }
        let (case, rev) = (active.row.case, room.draft.rev());
        spawn_local(async move {
            match api::send_back(case, &ReturnRequest { rev, note: text }).await {
                Ok(()) => {
                    on_close.run(());
                    room.finish(say::RETURNED_NOW);
                }
                Err(fault) => {
                    room.app.notes(&fault);
                    problem.set(Some(fault.text()));
                }
            }
        });
    };
    view! {
        <Dialog title=t(say::RETURN).to_owned() on_close=on_close testid="return-dialog">
            <form on:submit=send>
                <label for="return-note">{t(say::RETURN_NOTE)}</label>
                <textarea id="return-note" class="field" rows="4" maxlength="1000" data-first="" data-testid="return-note"
                    on:input=move |event| note.set(event_target::<HtmlTextAreaElement>(&event).value())></textarea>
                {move || problem.get().map(|text| view! { <p class="problem" role="alert">{icon("warn")}<span>{text}</span></p> })}
                <div class="actions">
                    <button type="button" class="button" on:click=move |_| on_close.run(())>{t(say::CANCEL)}" "<kbd>"Esc"</kbd></button>
                    <button type="submit" class="button primary" data-testid="return-confirm">{icon("undo")}{t(say::RETURN)}</button>
                </div>
            </form>
        </Dialog>
    }
}

#[component]
fn ReleaseDialog(room: Room, on_close: Callback<()>) -> impl IntoView {
    let release = move |_| {
        on_close.run(());
        room.release();
    };
    view! {
        <Dialog title=t(say::RELEASE_TITLE).to_owned() on_close=on_close testid="release-dialog">
            <p>{t(say::RELEASE_LEAD)}</p>
            <div class="actions">
                <button class="button" data-first="" on:click=move |_| on_close.run(())>{t(say::CANCEL)}" "<kbd>"Esc"</kbd></button>
                <button class="button danger" data-testid="release-confirm" on:click=release>{t(say::RELEASE)}</button>
            </div>
        </Dialog>
    }
}
