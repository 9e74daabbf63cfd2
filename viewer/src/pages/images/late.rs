//! The bar over images that a signed report does not know: how many, what the report says, and the one button that closes the
//! mark. It asks the center with the number of images that were on the screen, so that nothing unseen is answered for.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{CaseRow, CaseState, Role};

use super::Looking;
use crate::api;
use crate::i18n::{fill, say, t};
use crate::ui::icon;
use crate::web;

/// How far the answer has come.
#[derive(Clone, PartialEq, Debug)]
enum Answer {
    Open,
    Sending,
    Taken,
    /// More has come since: it is on the screen now.
    MoreCame,
    Refused(String),
}

/// What it says of the images to the one who looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// They may say that the diagnosis stands.
    Answers,
    /// They read at the center; another has signed.
    Reads,
    /// They act on the report.
    Acts,
}

fn part(row: &CaseRow, me: i64, role: Role) -> Part {
    let signed = [&row.assignee, &row.reviewer].into_iter().flatten().any(|who| who.id == me);
    match role {
        Role::Reviewer => Part::Answers,
        Role::Specialist if signed => Part::Answers,
        Role::Specialist => Part::Reads,
        _ => Part::Acts,
    }
}

fn unknown(row: &CaseRow) -> bool {
    row.state == CaseState::Signed && row.late > 0
}

#[component]
pub fn LateBar(looking: Looking) -> impl IntoView {
    let answer = RwSignal::new(Answer::Open);
    let impression = RwSignal::new(String::new());
    let late = Memo::new(move |_| looking.row.with(|row| row.as_ref().filter(|row| unknown(row)).cloned()));
    let part = move || {
        let row = late.get()?;
        looking.app.me.with(|me| me.as_ref().map(|me| part(&row, me.account, me.role)))
    };
    let answers = Memo::new(move |_| part() == Some(Part::Answers));
    Effect::new(move |_| {
        if answers.get() {
            spawn_local(async move {
                let report = api::case(looking.case).await.ok().and_then(|detail| detail.report);
                impression.try_set(report.map(|report| report.impression).unwrap_or_default());
            });
        }
    });
    let stands = move || {
        let ready = looking.images.with_untracked(|images| matches!(images, Some(Ok(_))));
        let Some(row) = late.get_untracked().filter(|_| ready && answers.get_untracked()) else { return };
        if matches!(answer.get_untracked(), Answer::Sending | Answer::Taken) {
            return;
        }
        answer.set(Answer::Sending);
        spawn_local(send(looking, answer, row));
    };
    answer_by_key(stands);
    move || {
        let row = late.get()?;
        let signer = row.assignee.as_ref().map(|who| who.name.clone()).unwrap_or_default();
        let advice = match part()? {
            Part::Answers => t(say::LATE_LOOK).to_owned(),
            Part::Reads => fill(say::LATE_LOOK_OTHER, &[&signer]),
            Part::Acts => fill(say::LATE_CALL, &[&signer]),
        };
        let count = fill(say::LATE_SIGNED_LEAD, &[&row.late.to_string()]);
        Some(view! {
            <section class="late-bar" data-testid="late-bar">
                <p role="status">{icon("warn")}" "<b>{count}</b>" "<span class="quiet">{advice}</span></p>
                {move || Some(impression.get()).filter(|text| !text.is_empty()).map(|text| view! {
                    <p class="late-words"><span class="label">{t(say::IMPRESSION)}</span>" "<span data-testid="late-impression">{text}</span></p>
                })}
                {move || answers.get().then(|| view! { <p class="late-answer">{said(answer)}{button(answer, stands)}</p> })}
            </section>
        })
    }
}

fn said(answer: RwSignal<Answer>) -> impl IntoView {
    move || {
        match answer.get() {
        Answer::Open | Answer::Sending => None,
        Answer::Taken => Some(
            view! { <span class="done" role="status" data-testid="late-taken">{icon("check")}" "{t(say::LATE_TAKEN)}</span> }
                .into_any(),
        ),
        Answer::MoreCame => {
            Some(view! { <span class="amber" role="alert">{icon("warn")}" "{t(say::LATE_MORE)}</span> }.into_any())
        }
        Answer::Refused(why) => Some(view! { <span class="amber" role="alert">{icon("warn")}" "{why}</span> }.into_any()),
    }
    }
}

fn button(answer: RwSignal<Answer>, stands: impl Fn() + Copy + Send + 'static) -> impl IntoView {
    let taken = Memo::new(move |_| answer.with(|answer| *answer == Answer::Taken));
    move || {
        (!taken.get()).then(|| view! {
            <button class="button primary" data-testid="late-stands" aria-disabled=move || (answer.get() == Answer::Sending).to_string()
                on:click=move |_| stands()>{icon("check")}{t(say::LATE_STANDS)}" "<kbd>"Ctrl+Enter"</kbd></button>
        })
    }
}

async fn send(looking: Looking, answer: RwSignal<Answer>, row: CaseRow) {
    let came = match api::answer_late(row.case, row.instances).await {
        Ok(()) => Answer::Taken,
        Err(fault) if fault.code() == "stale" => {
            looking.load();
            Answer::MoreCame
        }
        Err(fault) => {
            looking.app.notes(&fault);
            Answer::Refused(fault.text())
        }
    };
    answer.try_set(came);
}

fn answer_by_key(stands: impl Fn() + 'static) {
    let handle = window_event_listener(leptos::ev::keydown, move |event| {
        if web::pressed(&event, "Ctrl+Enter") && !event.repeat() && !web::dialog_open() {
            event.prevent_default();
            stands();
        }
    });
    on_cleanup(move || handle.remove());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing;

    fn person(id: i64) -> Option<wire::Person> {
        Some(wire::Person { id, name: "周示例".into(), title: String::new() })
    }

    #[test]
    fn who_signed_answers_for_what_came_after_and_a_reviewer_in_their_stead() {
        let mut row = testing::row(1, wire::Urgency::Routine);
        (row.assignee, row.reviewer) = (person(7), person(8));
        assert_eq!(part(&row, 7, Role::Specialist), Part::Answers);
        assert_eq!(part(&row, 9, Role::Specialist), Part::Reads);
        assert_eq!(part(&row, 9, Role::Reviewer), Part::Answers);
        for role in [Role::Operator, Role::Clinician, Role::Manager] {
            assert_eq!(part(&row, 7, role), Part::Acts);
        }
    }

    #[test]
    fn only_a_signed_report_can_be_overtaken() {
        let mut row = testing::row(1, wire::Urgency::Routine);
        row.late = 2;
        assert!(!unknown(&row), "it is still being read");
        row.state = CaseState::Signed;
        assert!(unknown(&row));
        row.late = 0;
        assert!(!unknown(&row));
    }
}
