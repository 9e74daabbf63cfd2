//! The dialogs at the end of a report: sign or submit with the password, send back with a note, give the case back.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use web_sys::{HtmlFormElement, HtmlInputElement, HtmlTextAreaElement, KeyboardEvent, SubmitEvent};
use wire::{CaseDetail, CaseState, ReportState, ReturnRequest, SignRequest};

use super::draft::NotSaved;
use super::keep;
use super::pane::Asked;
use super::room::{Active, Purpose, Room};
use super::said::Said;
use super::trouble::AsideDialog;
use super::unfinished::{Unfinished, UnfinishedDialog};
use super::warned::{Unread, Warned};
use crate::api::{self, Fault};
use crate::clock;
use crate::i18n::{Text, fill, say, t};
use crate::ui::{Dialog, icon};
use crate::web;

#[component]
pub fn Asking(room: Room, asked: RwSignal<Option<Asked>>) -> impl IntoView {
    let close = Callback::new(move |()| asked.set(None));
    let case = Memo::new(move |_| room.active.with(|active| active.as_ref().map(|active| active.row.case)));
    // Nothing is asked while it is not settled whose text this is, and nothing of one case is asked over the next.
    Effect::new(move |before: Option<Option<i64>>| {
        let case = case.get();
        let news = room.news.with(Option::is_some);
        let signing = matches!(asked.get_untracked(), Some(Asked::Sign | Asked::Submit));
        if room.undecided() || before.is_some_and(|before| before != case) {
            asked.set(None);
        } else if news && signing {
            // Somebody is typing a password: another dialog takes its letters, not the text underneath.
            asked.set(Some(Asked::Unfinished(Unfinished::News)));
        } else if news {
            asked.set(None);
        }
        case
    });
    move || {
        case.get()?;
        let active = room.active.get_untracked()?;
        Some(match asked.get()? {
            what @ (Asked::Sign | Asked::Submit) => {
                view! { <SignDialog room=room active=active what=what on_close=close/> }.into_any()
            }
            Asked::Return => view! { <ReturnDialog room=room active=active on_close=close/> }.into_any(),
            Asked::Release => view! { <ReleaseDialog room=room on_close=close/> }.into_any(),
            Asked::Aside => view! { <AsideDialog room=room on_close=close/> }.into_any(),
            Asked::Unfinished(what) => view! { <UnfinishedDialog room=room what=what on_close=close/> }.into_any(),
        })
    }
}

/// How an attempt to let go of a case ended.
enum Ended {
    Done,
    /// Another dialog asks something first, or the page is on its way to the sign-in.
    Elsewhere,
    /// What was asked for is not what is needed; the page behind the dialog says what is.
    Moot,
    Refused(String),
}

/// Saves the text first, so that what is signed is what is on the screen.
async fn sign(room: Room, active: &Active, what: Asked, password: String) -> Ended {
    let case = active.row.case;
    let Some(shown) = room.shown() else { return Ended::Elsewhere };
    let lease = match &active.purpose {
        Purpose::Write { lease } => Some(lease.clone()),
        Purpose::Review => None,
    };
    let rev = match room.draft.flush().await {
        Ok(rev) => rev,
        Err(NotSaved::Undecided | NotSaved::Gone) => return Ended::Elsewhere,
        Err(NotSaved::Refused(fault)) => return Ended::Refused(worded(&fault)),
    };
    let request = SignRequest { lease, rev, password, shown };
    let answer = match what {
        Asked::Submit => api::submit(case, &request).await,
        _ => api::sign(case, &request).await,
    };
    match answer {
        Ok(()) => Ended::Done,
        Err(fault) => refused(room, active, fault).await,
    }
}

/// An answer may be lost on its way, a signature is not: whoever was not answered, or comes a second time, asks first
/// whether it is there.
async fn refused(room: Room, active: &Active, fault: Fault) -> Ended {
    room.app.notes(&fault);
    if fault.status() == 401 {
        return Ended::Elsewhere;
    }
    match fault.code() {
        // The dialog makes way for what there is to see.
        "case_changed" if room.look_again(active.row.case).await => return Ended::Elsewhere,
        "changed_since_submitted" => return Ended::Refused(t(say::CHANGED_SINCE).to_owned()),
        // The rule changed under an open case: the dialog makes way for the button that is right now.
        "needs_review" | "needs_no_review" => {
            room.look_at_rule(active.row.case).await;
            let rule = if fault.code() == "needs_review" { say::RULE_TWO } else { say::RULE_ONE };
            room.said.set(Some(Said::refused(rule, active.row.case, clock::now_us())));
            return Ended::Moot;
        }
        _ => {}
    }
    if !fault.passing() && !fault.conflict() {
        return Ended::Refused(worded(&fault));
    }
    match room.landed(active.row.case).await {
        Ok(Some(_)) => Ended::Done,
        Ok(None) if active.purpose == Purpose::Review && fault.conflict() => {
            Ended::Refused(t(say::REVIEW_MOVED).to_owned())
        }
        Ok(None) if fault.lease_lost() => {
            room.draft.lost.set(true);
            Ended::Elsewhere
        }
        Ok(None) if fault.other_text() && room.draft.meet_center().await => Ended::Elsewhere,
        Err(_) if fault.passing() => Ended::Refused(t(say::SIGN_UNKNOWN).to_owned()),
        _ => Ended::Refused(worded(&fault)),
    }
}

/// What `me` has put a name to, if the case holds that now.
pub fn landed(detail: &CaseDetail, me: i64) -> Option<Text> {
    let report = detail.report.as_ref()?;
    let mine = report.signatures.iter().any(|signature| signature.who.id == me);
    match report.state {
        ReportState::Signed if mine => Some(say::SIGNED_NOW),
        ReportState::Submitted if mine => Some(say::SUBMITTED_NOW),
        _ => None,
    }
}

/// Whether `me` has sent it back already.
fn sent_back(detail: &CaseDetail, me: i64) -> bool {
    detail.row.state == CaseState::Returned && detail.row.reviewer.as_ref().is_some_and(|who| who.id == me)
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
    let unread = Unread::of(untrack(|| room.warning()));
    let login = room.app.me.with_untracked(|me| me.as_ref().map(|me| me.login.clone()).unwrap_or_default());
    let words = fill(lead, &[&active.row.patient.name, &active.row.exam]);
    let on_close = unless(busy, on_close);
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let secret = password.get_untracked();
        if unread.waits() || secret.is_empty() || busy.get_untracked() {
            web::focus_selector("[data-testid=sign-dialog] [data-first]");
            return;
        }
        busy.set(true);
        problem.set(None);
        let active = active.clone();
        spawn_local(async move {
            match sign(room, &active, what, secret).await {
                Ended::Done => room.finish(active.row.case, done),
                Ended::Elsewhere => {
                    busy.try_set(false);
                }
                Ended::Moot => {
                    busy.try_set(false);
                    on_close.run(());
                }
                Ended::Refused(text) => {
                    busy.try_set(false);
                    password.try_set(String::new());
                    problem.try_set(Some(text));
                    web::focus_selector("#sign-password");
                }
            }
        });
    };
    view! {
        <Dialog title=t(title).to_owned() on_close=on_close testid="sign-dialog">
            <form on:submit=submit>
                <p>{words}</p>
                <Warned unread=unread/>
                <input class="sr" type="text" name="username" autocomplete="username" tabindex="-1" aria-hidden="true" prop:value=login/>
                <label for="sign-password">{t(say::SIGN_PASSWORD)}</label>
                <input id="sign-password" class="field" type="password" autocomplete="current-password" data-testid="sign-password"
                    data-first=move || (!unread.waits()).then_some("") disabled=move || unread.waits()
                    prop:value=move || password.get() on:input=move |event| password.set(event_target::<HtmlInputElement>(&event).value())/>
                {move || problem.get().map(|text| view! { <p class="problem" role="alert" data-testid="sign-problem">{icon("warn")}<span>{text}</span></p> })}
                <div class="actions">
                    <button type="button" class="button" disabled=move || busy.get() on:click=move |_| on_close.run(())>{t(say::CANCEL)}" "<kbd>"Esc"</kbd></button>
                    <button type="submit" class="button primary" data-testid="sign-confirm" disabled=move || busy.get() || unread.waits()>
                        {icon("sign")}{move || t(if busy.get() { say::SIGN_BUSY } else { act })}" "<kbd>"Enter"</kbd>
                    </button>
                </div>
            </form>
        </Dialog>
    }
}

/// While something is on its way it cannot be called off, so neither Esc nor a button says that it could.
fn unless(busy: RwSignal<bool>, on_close: Callback<()>) -> Callback<()> {
    Callback::new(move |()| {
        if !busy.get_untracked() {
            on_close.run(());
        }
    })
}

fn worded(fault: &Fault) -> String {
    match fault.retry_after() {
        Some(seconds @ 60..) => fill(say::WAIT_MINUTES, &[&seconds.div_ceil(60).to_string()]),
        Some(seconds) if fault.status() == 429 => fill(say::WAIT_SECONDS, &[&seconds.to_string()]),
        _ => fault.text(),
    }
}

async fn send_back(room: Room, case: i64, note: String) -> Ended {
    let Err(fault) = api::send_back(case, &ReturnRequest { rev: room.draft.rev(), note }).await else {
        return Ended::Done;
    };
    room.app.notes(&fault);
    let again = fault.passing() || fault.conflict();
    match api::case(case).await {
        Ok(detail) if again && sent_back(&detail, room.me()) => Ended::Done,
        Ok(_) if fault.conflict() => Ended::Refused(t(say::REVIEW_MOVED).to_owned()),
        _ => Ended::Refused(fault.text()),
    }
}

#[component]
fn ReturnDialog(room: Room, active: Active, on_close: Callback<()>) -> impl IntoView {
    let (case, me) = (active.row.case, room.me());
    let note = RwSignal::new(keep::note(me, case));
    let busy = RwSignal::new(false);
    let problem = RwSignal::new(None::<String>);
    let on_close = unless(busy, on_close);
    let typed = move |event| {
        let text = event_target::<HtmlTextAreaElement>(&event).value();
        keep::keep_note(me, case, &text);
        note.set(text);
    };
    let send = move |event: SubmitEvent| {
        event.prevent_default();
        let text = note.get_untracked().trim().to_owned();
        if text.is_empty() {
            problem.set(Some(t(say::RETURN_NEED).to_owned()));
            web::focus_selector("#return-note");
        } else if !busy.get_untracked() {
            busy.set(true);
            problem.set(None);
            spawn_local(async move {
                match send_back(room, case, text).await {
                    Ended::Done => {
                        keep::keep_note(me, case, "");
                        room.finish(case, say::RETURNED_NOW);
                    }
                    Ended::Elsewhere | Ended::Moot => {}
                    Ended::Refused(text) => {
                        busy.try_set(false);
                        problem.try_set(Some(text));
                    }
                }
            });
        }
    };
    view! {
        <Dialog title=fill(say::RETURN_OF, &[&active.row.patient.name]) on_close=on_close testid="return-dialog">
            <form on:submit=send on:keydown=send_by_key>
                <label for="return-note">{t(say::RETURN_NOTE)}</label>
                <textarea id="return-note" class="field" rows="4" maxlength="1000" data-first="" data-testid="return-note"
                    prop:value=note.get_untracked() on:input=typed></textarea>
                {move || problem.get().map(|text| view! { <p class="problem" role="alert">{icon("warn")}<span>{text}</span></p> })}
                <div class="actions">
                    <button type="button" class="button" disabled=move || busy.get() on:click=move |_| on_close.run(())>{t(say::CANCEL)}" "<kbd>"Esc"</kbd></button>
                    <button type="submit" class="button primary" data-testid="return-confirm" disabled=move || busy.get()>{icon("undo")}{t(say::RETURN)}" "<kbd>"Ctrl+Enter"</kbd></button>
                </div>
            </form>
        </Dialog>
    }
}

/// Enter makes a new line in a note; with Ctrl it sends it.
fn send_by_key(event: KeyboardEvent) {
    if web::pressed(&event, "Ctrl+Enter")
        && let Some(form) = event.current_target().and_then(|form| form.dyn_into::<HtmlFormElement>().ok())
    {
        event.prevent_default();
        form.request_submit().ok();
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

#[cfg(test)]
mod tests {
    use wire::ReportBody;

    use super::*;
    use crate::read::testing::{report, row};

    /// A case whose report is in `state`, signed by `signed`.
    fn case(state: ReportState, signed: &[i64]) -> CaseDetail {
        let who = |id| wire::Person { id, name: String::new(), title: String::new() };
        let signature = |id| wire::Signature { role: wire::SignatureRole::Writer, who: who(id), at_us: 0 };
        let report = ReportBody { state, signatures: signed.iter().copied().map(signature).collect(), ..report(1, "") };
        let row = row(1, wire::Urgency::Routine);
        CaseDetail { row, report: Some(report), history: Vec::new(), decisions: Vec::new(), signatures_needed: 2 }
    }

    #[test]
    fn a_signature_whose_answer_was_lost_counts_as_given() {
        assert_eq!(landed(&case(ReportState::Signed, &[7]), 7), Some(say::SIGNED_NOW));
        assert_eq!(landed(&case(ReportState::Submitted, &[7]), 7), Some(say::SUBMITTED_NOW));
        assert_eq!(landed(&case(ReportState::Signed, &[3, 7]), 7), Some(say::SIGNED_NOW));
    }

    #[test]
    fn somebody_elses_signature_is_not_mine() {
        assert_eq!(landed(&case(ReportState::Signed, &[3]), 7), None);
        assert_eq!(landed(&case(ReportState::Draft, &[]), 7), None);
        assert_eq!(landed(&case(ReportState::Returned, &[7]), 7), None);
    }

    #[test]
    fn a_return_counts_as_made_when_the_case_is_back_by_the_same_reviewer() {
        let mut detail = case(ReportState::Returned, &[]);
        detail.row.state = CaseState::Returned;
        detail.row.reviewer = Some(wire::Person { id: 7, name: String::new(), title: String::new() });
        assert!(sent_back(&detail, 7));
        assert!(!sent_back(&detail, 3));
    }

    #[test]
    fn what_is_on_its_way_is_not_called_off() {
        let owner = Owner::new();
        owner.with(|| {
            let (busy, closed) = (RwSignal::new(true), RwSignal::new(false));
            let close = unless(busy, Callback::new(move |()| closed.set(true)));
            close.run(());
            assert!(!closed.get_untracked());
            busy.set(false);
            close.run(());
            assert!(closed.get_untracked());
        });
    }
}
