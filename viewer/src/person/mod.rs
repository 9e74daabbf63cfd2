//! Who a case's patient is: other studies of the same person and how each is known to be theirs, records that may be theirs,
//! and a study under the wrong name put right. Everybody reads; a manager decides.

mod correct;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{CaseRow, Correction, LinkedBy, PatientRecord, Prior, Priors, Role};

use correct::CorrectDialog;

use crate::api;
use crate::app::App;
use crate::clock;
use crate::i18n::{self, fill, say, t};
use crate::read::EarlierReport;
use crate::ui::icon;

/// What is known of one case's person.
#[derive(Clone, Copy)]
struct Known {
    app: App,
    row: Memo<Option<CaseRow>>,
    found: RwSignal<Option<Priors>>,
    problem: RwSignal<Option<String>>,
    /// A correction is being written.
    correcting: RwSignal<bool>,
    changed: Callback<()>,
    beside: bool,
}

impl Known {
    fn load(self) {
        let Some(case) = self.row.get_untracked().map(|row| row.case) else { return };
        spawn_local(async move {
            let answer = api::priors(case).await;
            if self.row.try_get_untracked().flatten().map(|row| row.case) != Some(case) {
                return;
            }
            match answer {
                Ok(found) => {
                    self.found.try_set(Some(found));
                }
                Err(fault) => self.app.notes(&fault),
            }
        });
    }

    fn decide(self, patient: i64, same: bool) {
        let Some(case) = self.row.get_untracked().map(|row| row.case) else { return };
        spawn_local(async move {
            let answer = api::decide_person(case, patient, same).await;
            self.problem.try_set(answer.as_ref().err().map(api::Fault::text));
            if let Err(fault) = &answer {
                self.app.notes(fault);
            }
            self.load();
        });
    }

    fn manages(self) -> bool {
        self.app.me.with(|me| me.as_ref().is_some_and(|me| me.role == Role::Manager))
    }
}

/// `changed`: a correction has changed the row.
#[component]
pub fn PersonPart(
    row: Memo<Option<CaseRow>>,
    changed: Callback<()>,
    /// Beside an open report: what is looked at opens in a window of its own.
    #[prop(optional)]
    beside: bool,
) -> impl IntoView {
    let known = Known {
        app: expect_context::<App>(),
        row,
        found: RwSignal::new(None),
        problem: RwSignal::new(None),
        correcting: RwSignal::new(false),
        changed,
        beside,
    };
    let seen = Memo::new(move |_| row.with(|row| row.as_ref().map(|row| (row.case, row.version))));
    Effect::new(move |_| {
        seen.track();
        known.load();
    });
    let may_correct = move || known.manages() && row.with(|row| row.as_ref().is_some_and(|row| !row.state.in_hand()));
    view! {
        {move || known.found.get().map(|found| shown(known, &found))}
        {move || known.problem.get().map(|text| view! { <p class="problem" role="alert">{icon("warn")}<span>{text}</span></p> })}
        {move || may_correct().then(|| view! {
            <button class="linkish" data-testid="correct-patient" on:click=move |_| known.correcting.set(true)>{icon("pen")}" "{t(say::CORRECT)}</button>
        })}
        {move || known.correcting.get().then(|| view! { <CorrectDialog known=known/> })}
    }
}

fn shown(known: Known, found: &Priors) -> impl IntoView + use<> {
    let manages = known.manages();
    let records: Vec<PatientRecord> =
        found.records.iter().filter(|record| manages || record.how == LinkedBy::Proposed).cloned().collect();
    let any = !found.priors.is_empty();
    view! {
        {found.corrected.as_ref().map(corrected)}
        {any.then(|| view! {
            <section class="person" data-testid="priors">
                <h3>{fill(say::PRIORS, &[&found.priors.len().to_string()])}</h3>
                <ul class="small">{found.priors.iter().map(|one| prior(one, known.beside)).collect_view()}</ul>
            </section>
        })}
        {(!records.is_empty()).then(|| view! {
            <section class="person" data-testid="person-records">
                <h3>{t(say::RECORDS)}</h3>
                <ul class="small">{records.iter().map(|record| record_line(known, record, manages)).collect_view()}</ul>
            </section>
        })}
    }
}

fn corrected(correction: &Correction) -> impl IntoView + use<> {
    let sent = &correction.sent;
    let was = [&*sent.name, &*sent.pid, &*sent.birth_date].into_iter().filter(|part| !part.is_empty());
    let was = was.collect::<Vec<_>>().join(" ");
    view! {
        <div class="problem" data-testid="corrected" title=clock::exact(correction.at_us)>
            {icon("pen")}<span>{fill(say::CORRECTED, &[&was, &correction.by, &correction.note])}</span>
        </div>
    }
}

/// How a study or a record is known to be the person's.
fn how(linked: LinkedBy, by: &str) -> String {
    match linked {
        LinkedBy::Same => t(say::BY_SAME).to_owned(),
        LinkedBy::NationalId => t(say::BY_NUMBER).to_owned(),
        LinkedBy::Confirmed => fill(say::BY_PERSON, &[by]),
        LinkedBy::Proposed => t(say::BY_NOBODY).to_owned(),
        LinkedBy::Rejected => fill(say::BY_REJECTED, &[by]),
    }
}

fn prior(prior: &Prior, beside: bool) -> impl IntoView + use<> {
    let exam =
        if prior.exam.is_empty() { format!("{} {}", prior.modality, prior.body_part) } else { prior.exam.clone() };
    let exam = match prior.case {
        Some(case) => {
            view! { <a href=format!("#images/{case}") target=beside.then_some("_blank")>{exam}</a> }.into_any()
        }
        None => view! { <span>{exam}</span> }.into_any(),
    };
    view! {
        <li data-testid="prior">
            <time title=clock::exact(prior.exam_us)>{clock::day_time(prior.exam_us)}</time>" "{exam}" "<span class="quiet">{prior.site.name.clone()}</span>
            <br/><span class="label" title=prior.at_us.map(clock::exact)>{how(prior.how, &prior.by)}</span>
            {prior.case.filter(|_| beside).map(|case| view! { " "<EarlierReport case=case/> })}
        </li>
    }
}

fn record_line(known: Known, record: &PatientRecord, manages: bool) -> impl IntoView + use<> {
    let id = record.patient;
    let about = [&*record.name, t(i18n::sex(record.sex)), &*record.birth_date, &*record.pid, &*record.site.name];
    let about = about.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let linked = matches!(record.how, LinkedBy::Confirmed | LinkedBy::NationalId);
    let button = move |same: bool, text| {
        let testid = if same { "same-person" } else { "other-person" };
        view! { <button class="button" data-testid=testid on:click=move |_| known.decide(id, same)>{t(text)}</button> }
    };
    view! {
        <li data-testid="person-record">
            {about}<br/><span class="label" title=record.at_us.map(clock::exact)>{how(record.how, &record.by)}</span>
            {manages.then(|| view! {
                <span class="person-acts">
                    {(!linked).then(|| button(true, say::SAME_PERSON))}
                    {(record.how != LinkedBy::Rejected).then(|| button(false, if linked { say::UNLINK } else { say::OTHER_PERSON }))}
                </span>
            })}
        </li>
    }
}
