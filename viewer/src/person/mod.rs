//! Who a case's patient is: earlier and later studies of the same person and how each is known to be theirs, records that may be,
//! and a study under the wrong name put right. Everybody reads; a manager decides.

mod correct;
mod decide;

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{CaseRow, Correction, LinkedBy, PatientRecord, Prior, Priors, Role};

use correct::CorrectDialog;
use decide::DecideDialog;

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
    /// What is about to be said of another record: that it is the same person's, or not.
    deciding: RwSignal<Option<(PatientRecord, bool)>>,
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
        self.deciding.set(None);
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
        deciding: RwSignal::new(None),
        changed,
        beside,
    };
    let seen = Memo::new(move |_| row.with(|row| row.as_ref().map(|row| (row.case, row.version))));
    Effect::new(move |_| {
        seen.track();
        known.load();
    });
    // Somebody else says whose records are whose: also beside an open report.
    let again = crate::live::gathered(Duration::from_millis(500), move || known.load());
    crate::live::listen(move |beat| match beat {
        crate::live::Beat::Event(event) if event.kind.starts_with("patient.") || event.kind == "study.corrected" => {
            again()
        }
        _ => {}
    });
    let may_correct = move || known.manages() && row.with(|row| row.as_ref().is_some_and(|row| !row.state.in_hand()));
    view! {
        {move || known.found.get().map(|found| shown(known, &found))}
        {move || known.problem.get().map(|text| view! { <p class="problem" role="alert">{icon("warn")}<span>{text}</span></p> })}
        {move || may_correct().then(|| view! {
            <button class="linkish" data-testid="correct-patient" on:click=move |_| known.correcting.set(true)>{icon("pen")}" "{t(say::CORRECT)}</button>
        })}
        {move || known.correcting.get().then(|| view! { <CorrectDialog known=known/> })}
        {move || known.deciding.get().map(|(record, same)| view! { <DecideDialog known=known record=record same=same/> })}
    }
}

fn shown(known: Known, found: &Priors) -> impl IntoView + use<> {
    let manages = known.manages();
    let of = |hows: &[LinkedBy]| -> Vec<PatientRecord> {
        found.records.iter().filter(|record| hows.contains(&record.how)).cloned().collect()
    };
    let proposed = of(&[LinkedBy::Proposed]);
    let (linked, rejected) = match manages {
        true => (of(&[LinkedBy::Confirmed, LinkedBy::NationalId, LinkedBy::Same]), of(&[LinkedBy::Rejected])),
        false => (Vec::new(), Vec::new()),
    };
    let compared = [&proposed, &linked, &rejected].iter().any(|records| !records.is_empty());
    let own = (!known.beside || compared).then(|| own_line(&found.record));
    let records = |title, records: Vec<PatientRecord>| {
        (!records.is_empty()).then(|| view! {
            <section class="person" data-testid="person-records">
                <h3>{t(title)}</h3>
                <ul class="small">{records.iter().map(|record| record_line(known, &found.record, record, manages)).collect_view()}</ul>
            </section>
        })
    };
    view! {
        {found.corrected.as_ref().map(corrected)}
        {studies(say::PRIORS, "priors", &found.priors, known.beside)}
        {studies(say::LATER, "later", &found.later, known.beside)}
        {own}
        {records(say::RECORDS, proposed)}
        {records(say::RECORDS_LINKED, linked)}
        {records(say::RECORDS_REJECTED, rejected)}
    }
}

fn studies(title: i18n::Text, testid: &'static str, studies: &[Prior], beside: bool) -> Option<impl IntoView + use<>> {
    (!studies.is_empty()).then(|| {
        view! {
            <section class="person" data-testid=testid>
                <h3>{fill(title, &[&studies.len().to_string()])}</h3>
                <ul class="small">{studies.iter().map(|one| prior(one, beside)).collect_view()}</ul>
            </section>
        }
    })
}

/// What there is to compare another record with.
fn own_line(record: &PatientRecord) -> impl IntoView + use<> {
    view! { <p class="small quiet person" data-testid="own-record">{fill(say::OWN_RECORD, &[&about(record, false)])}</p> }
}

/// Name, sex, birth date, number, and the site where it matters.
fn about(record: &PatientRecord, site: bool) -> String {
    let site = if site { &*record.site.name } else { "" };
    let parts = [&*record.name, t(i18n::sex(record.sex)), &*record.birth_date, &*record.pid, site];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
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
        LinkedBy::Proposed => String::new(),
        LinkedBy::Rejected => fill(say::BY_REJECTED, &[by]),
    }
}

/// What of two records agrees and what does not; where one says nothing of it, neither.
fn compared(own: &PatientRecord, other: &PatientRecord) -> [Vec<i18n::Text>; 2] {
    let known = |sex: wire::Sex| if sex == wire::Sex::Unknown { String::new() } else { sex.to_string() };
    // Each site counts its patients for itself: another one's number agrees by chance and differs for nothing.
    let pids = if own.site.id == other.site.id { [&*own.pid, &*other.pid] } else { ["", ""] };
    let each = [
        (say::NAME, own.name.clone(), other.name.clone()),
        (say::BIRTH_DATE, own.birth_date.clone(), other.birth_date.clone()),
        (say::SEX, known(own.sex), known(other.sex)),
        (say::PID, pids[0].to_owned(), pids[1].to_owned()),
    ];
    let mut sides = [Vec::new(), Vec::new()];
    for (what, own, other) in each {
        if !own.is_empty() && !other.is_empty() {
            sides[usize::from(own != other)].push(what);
        }
    }
    sides
}

/// Why a record is proposed.
fn alike(own: &PatientRecord, other: &PatientRecord) -> String {
    let listed = |of: &[i18n::Text]| of.iter().map(|what| t(*what)).collect::<Vec<_>>().join(t(say::AGREED_AND));
    let [same, differs] = compared(own, other);
    match differs.is_empty() {
        true => fill(say::BY_NOBODY, &[&listed(&same)]),
        false => fill(say::BY_NOBODY_BUT, &[&listed(&same), &listed(&differs)]),
    }
}

fn prior(prior: &Prior, beside: bool) -> impl IntoView + use<> {
    let exam =
        if prior.exam.is_empty() { format!("{} {}", prior.modality, prior.body_part) } else { prior.exam.clone() };
    let exam = match prior.case {
        Some(case) => images_link(case, exam, beside),
        None => view! { <span>{exam}</span> }.into_any(),
    };
    let when = format!("{} {}", clock::calendar_day(prior.exam_us), clock::clock_time(prior.exam_us));
    view! {
        <li data-testid="prior">
            <time title=clock::exact(prior.exam_us)>{when}</time>" "{exam}" "<span class="quiet">{prior.site.name.clone()}</span>
            <br/><span class="label" title=prior.at_us.map(clock::exact)>{how(prior.how, &prior.by)}</span>
            {prior.case.filter(|_| beside).map(|case| view! { " "<EarlierReport case=case/> })}
        </li>
    }
}

fn images_link(case: i64, text: String, beside: bool) -> AnyView {
    view! { <a href=format!("#images/{case}") target=beside.then_some("_blank")>{text}</a> }.into_any()
}

fn record_line(known: Known, own: &PatientRecord, record: &PatientRecord, manages: bool) -> impl IntoView + use<> {
    let linked = matches!(record.how, LinkedBy::Confirmed | LinkedBy::NationalId);
    let why = if record.how == LinkedBy::Proposed { alike(own, record) } else { how(record.how, &record.by) };
    let other = record.clone();
    let button = move |same: bool, text| {
        let testid = if same { "same-person" } else { "other-person" };
        let other = other.clone();
        let ask = move |_| known.deciding.set(Some((other.clone(), same)));
        view! { <button class="button" data-testid=testid on:click=ask>{t(text)}</button> }
    };
    view! {
        <li data-testid="person-record">
            {about(record, true)}" "{record.case.map(|case| images_link(case, t(say::VIEW_IMAGES).to_owned(), true))}
            <br/><span class="label" title=record.at_us.map(clock::exact)>{why}</span>
            {manages.then(|| view! {
                <span class="person-acts">
                    {(!linked).then(|| button(true, say::SAME_PERSON))}
                    {(record.how != LinkedBy::Rejected).then(|| button(false, if linked { say::UNLINK } else { say::OTHER_PERSON }))}
                </span>
            })}
        </li>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Place, Sex};

    fn record(name: &str, birth_date: &str, pid: &str, site: i64) -> PatientRecord {
        PatientRecord {
            patient: 1,
            name: name.into(),
            sex: Sex::Male,
            pid: pid.into(),
            birth_date: birth_date.into(),
            site: Place { id: site, name: String::new() },
            how: LinkedBy::Proposed,
            by: String::new(),
            at_us: None,
            case: None,
            studies: 1,
        }
    }

    #[test]
    fn a_proposal_says_what_agrees_and_what_does_not() {
        let own = record("赵样本", "1952-05-09", "P-1", 1);
        let same_site = alike(&own, &record("赵样例", "1952-05-09", "P-1", 1));
        assert_eq!(same_site, "出生日期、性别、患者号一致，姓名不同，尚未确认");
        let elsewhere = alike(&own, &record("赵样本", "1952-05-09", "77", 2));
        assert_eq!(elsewhere, "姓名、出生日期、性别一致，尚未确认", "each site has numbers of its own");
        assert_eq!(alike(&own, &record("赵样本", "", "", 1)), "姓名、性别一致，尚未确认", "what one does not say");
    }
}
