//! What only a manager may do to a case: have a stored one read, take one out of somebody's hands.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{CaseRow, CaseState, Role};

use super::panel::{self, Shown};
use super::row::exam;
use super::store::Store;
use crate::api::{self, Fault};
use crate::i18n::{fill, say, t};
use crate::ui::{Dialog, icon};

#[component]
pub fn Manage(row: Memo<Option<CaseRow>>, problem: RwSignal<Option<String>>, detail: Shown) -> impl IntoView {
    let store = expect_context::<Store>();
    let asked = RwSignal::new(None::<CaseRow>);
    let manages = move || store.app().me.get().is_some_and(|me| me.role == Role::Manager);
    let queue =
        move |case| spawn_local(async move { done(store, detail, problem, case, api::queue_case(case).await).await });
    let take_back = Callback::new(move |row: CaseRow| {
        asked.set(None);
        spawn_local(async move {
            let answer = api::take_back(row.case, row.version).await;
            done(store, detail, problem, row.case, answer).await;
        });
    });
    let button = move || {
        let row = row.get().filter(|_| manages())?;
        Some(match row.state {
            // A study that came back from the archive without its report.
            CaseState::Stored => view! {
                <button class="button" data-testid="queue-case" on:click=move |_| queue(row.case)>{icon("queue")}{t(say::QUEUE_CASE)}</button>
            }
            .into_any(),
            state if state.in_hand() => view! {
                <button class="button" data-testid="take-back" on:click=move |_| asked.set(Some(row.clone()))>{icon("undo")}{t(say::TAKE_BACK)}</button>
            }
            .into_any(),
            _ => return None,
        })
    };
    view! {
        {button}
        {move || asked.get().map(|row| view! { <TakeBackDialog row=row asked=asked on_confirm=take_back/> })}
    }
}

fn holder(row: &CaseRow) -> String {
    row.assignee.as_ref().map(|who| who.name.clone()).unwrap_or_default()
}

fn whose(row: &CaseRow) -> String {
    fill(say::TAKE_BACK_WHOSE, &[&row.patient.name, &exam(row), &holder(row)])
}

/// A signature is void only where one was given.
fn consequence(row: &CaseRow) -> String {
    match row.state {
        CaseState::Submitted => fill(say::TAKE_BACK_SIGNED, &[&holder(row)]),
        _ => t(say::TAKE_BACK_HELD).to_owned(),
    }
}

#[component]
fn TakeBackDialog(row: CaseRow, asked: RwSignal<Option<CaseRow>>, on_confirm: Callback<CaseRow>) -> impl IntoView {
    let close = Callback::new(move |()| asked.set(None));
    view! {
        <Dialog title=t(say::TAKE_BACK_TITLE).to_owned() on_close=close testid="take-back-dialog">
            <p><b>{whose(&row)}</b></p>
            <p>{consequence(&row)}</p>
            <div class="actions">
                <button class="button" data-first="" on:click=move |_| asked.set(None)>{t(say::CANCEL)}" "<kbd>"Esc"</kbd></button>
                <button class="button danger" data-testid="take-back-confirm" on:click=move |_| on_confirm.run(row.clone())>{t(say::TAKE_BACK)}</button>
            </div>
        </Dialog>
    }
}

/// Says what went wrong, and shows the case as it is now.
pub(super) async fn done(
    store: Store,
    detail: Shown,
    problem: RwSignal<Option<String>>,
    case: i64,
    answer: Result<(), Fault>,
) {
    problem.set(answer.as_ref().err().map(Fault::text));
    if let Err(fault) = &answer {
        store.app().notes(fault);
    }
    panel::load(store, detail, case).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing;

    #[test]
    fn taking_back_names_whose_case_it_is_and_speaks_of_a_signature_only_where_one_was_given() {
        let mut row = testing::row(1, wire::Urgency::Routine);
        row.assignee = Some(wire::Person { id: 7, name: "郑样例".into(), title: String::new() });
        assert!(whose(&row).contains("张测试") && whose(&row).contains("郑样例"));
        assert!(!consequence(&row).contains("签名"));
        row.state = CaseState::Submitted;
        assert!(consequence(&row).contains("郑样例") && consequence(&row).contains("签名"));
    }
}
