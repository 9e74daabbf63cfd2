//! What devices sent and no study could take: where from, why, how large, and what was decided about it. The bytes are kept.
//!
//! The newest page is kept up to date; earlier ones are fetched when asked for and stay.

mod compare;
mod decide;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{QuarantineAct, QuarantineList, QuarantineRow, QuarantineStudy, Role};

use decide::DecideDialog;

use crate::api::{self, Fault};
use crate::app::App;
use crate::clock;
use crate::i18n::{self, fill, say, t};
use crate::live::{self, Beat};
use crate::ui::{LineMark, TopBar, empty, failed, icon, loading_rows};
use crate::web;

/// The list as far as it was fetched.
#[derive(Clone, Copy)]
struct Shelf {
    app: App,
    /// What was decided, instead of what waits.
    settled: RwSignal<bool>,
    /// What somebody is about to decide.
    asked: RwSignal<Option<(QuarantineRow, QuarantineAct)>>,
    list: RwSignal<Option<QuarantineList>>,
    fault: RwSignal<Option<Fault>>,
    /// An earlier page is on its way.
    fetching: RwSignal<bool>,
    /// The last try to get an earlier page failed.
    missed: RwSignal<bool>,
    /// What became of what was decided last.
    done: RwSignal<Option<Done>>,
}

/// Where an object went that somebody decided about.
#[derive(Clone, PartialEq)]
enum Done {
    Joined(Option<QuarantineStudy>),
    Aside,
}

impl Shelf {
    fn start(app: App) -> Self {
        let shelf = Self {
            app,
            settled: RwSignal::new(false),
            asked: RwSignal::new(None),
            list: RwSignal::new(None),
            fault: RwSignal::new(None),
            fetching: RwSignal::new(false),
            missed: RwSignal::new(false),
            done: RwSignal::new(None),
        };
        let refresh = live::gathered(std::time::Duration::from_secs(1), move || shelf.refresh());
        live::listen(move |beat| {
            let concerns = match beat {
                Beat::Event(event) => event.kind.ends_with("quarantined") || event.kind.ends_with("settled"),
                Beat::Poll => true,
            };
            if concerns {
                refresh();
            }
        });
        shelf.refresh();
        shelf
    }

    fn refresh(self) {
        let settled = self.settled.get_untracked();
        spawn_local(async move {
            match api::quarantine(settled, None).await {
                // Asked for before the other list was.
                _ if self.settled.try_get_untracked() != Some(settled) => {}
                Ok(newest) => {
                    self.fault.try_set(None);
                    self.list.try_update(|list| *list = Some(renewed(list.take(), newest)));
                }
                Err(fault) => {
                    self.app.notes(&fault);
                    self.fault.try_set(Some(fault));
                }
            }
        });
    }

    fn show(self, settled: bool) {
        self.settled.set(settled);
        self.done.set(None);
        self.list.set(None);
        self.fault.set(None);
        self.refresh();
    }

    /// A row that was decided about is off this list, wherever it stood; what is said of it has the focus the row had.
    fn decided(self, id: i64, done: Done) {
        self.done.set(Some(done));
        set_timeout(|| web::focus_selector("#q-done"), std::time::Duration::from_millis(50));
        self.list.update(|list| {
            if let Some(list) = list {
                list.rows.retain(|row| row.id != id);
            }
        });
        self.refresh();
    }

    fn more(self) {
        let next = self.list.with_untracked(|list| list.as_ref().and_then(|list| list.next));
        let Some(next) = next.filter(|_| !self.fetching.get_untracked()) else { return };
        self.fetching.set(true);
        spawn_local(async move {
            let answer = api::quarantine(self.settled.get_untracked(), Some(next)).await;
            self.fetching.try_set(false);
            self.missed.try_set(answer.is_err());
            match answer {
                Ok(page) => {
                    self.list.try_update(|list| append(list, next, page));
                }
                Err(fault) => self.app.notes(&fault),
            }
        });
    }
}

/// The newest page in front of the earlier ones known; where it does not reach them, they are fetched anew when asked for.
fn renewed(known: Option<QuarantineList>, newest: QuarantineList) -> QuarantineList {
    let Some(known) = known else { return newest };
    let Some(last) = newest.rows.last().map(|row| row.id) else { return newest };
    let reaches = known.rows.first().is_some_and(|row| row.id >= last);
    if newest.next.is_none() || !reaches {
        return newest;
    }
    let earlier: Vec<QuarantineRow> = known.rows.into_iter().filter(|row| row.id < last).collect();
    let next = if earlier.is_empty() { newest.next } else { known.next };
    let rows = newest.rows.into_iter().chain(earlier).collect();
    QuarantineList { rows, next, total: newest.total }
}

/// Puts `page` behind what is listed, if it is still what follows.
fn append(list: &mut Option<QuarantineList>, before: i64, page: QuarantineList) {
    let Some(list) = list.as_mut().filter(|list| list.next == Some(before)) else { return };
    list.rows.extend(page.rows);
    list.next = page.next;
    list.total = page.total;
}

#[component]
pub fn QuarantinePage() -> impl IntoView {
    let app = expect_context::<App>();
    let shelf = Shelf::start(app);
    let manager = app.me.with_untracked(|me| me.as_ref().is_some_and(|me| me.role == Role::Manager));
    let center = app.me.with_untracked(|me| me.as_ref().map(|me| me.center.clone()).unwrap_or_default());
    let again = Callback::new(move |()| shelf.refresh());
    let count = Memo::new(move |_| shelf.list.with(|list| list.as_ref().map(|list| list.total)));
    let any = Memo::new(move |_| shelf.list.with(|list| list.as_ref().map(|list| !list.rows.is_empty())));
    let body = move || match any.get() {
        Some(true) => view! { <Table shelf=shelf/> }.into_any(),
        Some(false) if shelf.settled.get() => empty("check", t(say::Q_NONE_SETTLED).to_owned(), "", None).into_any(),
        Some(false) => empty("check", t(say::Q_EMPTY).to_owned(), t(say::Q_EMPTY_DO), None).into_any(),
        // A list already shown stays while the line is down.
        None => match shelf.fault.get() {
            Some(fault) => failed(&fault, again).into_any(),
            None => loading_rows(5, "panel-row").into_any(),
        },
    };
    view! {
        <div class="board-page" data-testid="quarantine">
            <TopBar place=center>
                {manager.then(|| view! { <a class="button bare" href="#">{icon("back")}{t(say::BOARD)}</a> })}
                <LineMark/>
            </TopBar>
            <main class="board one">
                <section class="card">
                    <header class="card-head">
                        <h2>{t(say::Q_TITLE)}</h2>
                        <b data-testid="quarantine-total">{move || count.get().filter(|count| *count > 0).map(|count| fill(say::Q_TOTAL, &[&count.to_string()]))}</b>
                        <span class="small faint">{t(say::Q_LEAD)}</span>
                        <span class="q-lists" role="group" aria-label=t(say::Q_TITLE)>
                            {choice(shelf, false)}
                            {choice(shelf, true)}
                        </span>
                    </header>
                    {move || shelf.done.get().map(|done| went(&done))}
                    {body}
                </section>
            </main>
            {move || shelf.asked.get().map(|(row, act)| view! { <DecideDialog shelf=shelf row=row act=act/> })}
        </div>
    }
}

fn went(done: &Done) -> impl IntoView + use<> {
    let (words, link) = match done {
        Done::Joined(Some(study)) => (fill(say::Q_WENT, &[&named(study)]), study.case.map(images_link)),
        Done::Joined(None) => (t(say::Q_RELEASED).to_owned(), None),
        Done::Aside => (t(say::Q_WENT_ASIDE).to_owned(), None),
    };
    view! { <p id="q-done" class="q-done" role="status" tabindex="-1" data-testid="q-done">{icon("check")}<span>{words}</span>{link}</p> }
}

fn images_link(case: i64) -> impl IntoView + use<> {
    view! { <a href=format!("#images/{case}") target="_blank">{t(say::VIEW_IMAGES)}</a> }
}

/// Whose study, and which.
fn named(study: &QuarantineStudy) -> String {
    let exam = if study.exam.is_empty() { &study.modality } else { &study.exam };
    let parts = [&*study.patient.name, exam, &*study.accession].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" ・ ")
}

/// Which study an object has to do with, for those who see patients.
fn beside(study: &QuarantineStudy) -> impl IntoView + use<> {
    let signed = study.signed.then(|| view! { <span class="amber">{icon("sign")}{t(say::Q_IS_SIGNED)}</span> });
    view! { <p class="q-study" data-testid="q-study"><b>{named(study)}</b>" "{study.case.map(images_link)}" "{signed}</p> }
}

fn choice(shelf: Shelf, settled: bool) -> impl IntoView {
    let (text, testid) = if settled { (say::Q_SETTLED, "q-settled") } else { (say::Q_WAITING, "q-waiting") };
    let pressed = move || if shelf.settled.get() == settled { "true" } else { "false" };
    view! {
        <button class="button bare" aria-pressed=pressed data-testid=testid
            on:click=move |_| shelf.show(settled)>{t(text)}</button>
    }
}

#[component]
fn Table(shelf: Shelf) -> impl IntoView {
    let rows = move || shelf.list.with(|list| list.as_ref().map(|list| list.rows.clone()).unwrap_or_default());
    let more = Memo::new(move |_| shelf.list.with(|list| list.as_ref().is_some_and(|list| list.next.is_some())));
    view! {
        <div class="table-scroll">
            <table class="quarantine">
                <thead class="label"><tr>
                    <th>{t(say::Q_WHEN)}</th><th>{t(say::Q_FROM)}</th><th>{t(say::Q_REASON)}</th><th>{t(say::Q_DETAIL)}</th><th class="end">{t(say::Q_SIZE)}</th>
                    <th>{t(say::Q_DECIDE)}</th>
                </tr></thead>
                <tbody><For each=rows key=|row| (row.id, row.reason.clone()) let(row)>{line(shelf, &row)}</For></tbody>
            </table>
        </div>
        {move || more.get().then(|| view! {
            <p class="table-more">
                <button class="button" data-testid="quarantine-more" disabled=move || shelf.fetching.get() on:click=move |_| shelf.more()>
                    {move || t(if shelf.fetching.get() { say::LOADING } else { say::Q_MORE })}
                </button>
                <span class="small amber" role="status">{move || shelf.missed.get().then(|| t(say::Q_MORE_FAILED))}</span>
            </p>
        })}
    }
}

fn line(shelf: Shelf, row: &QuarantineRow) -> impl IntoView + use<> {
    let site = row.site.as_ref().map(|site| site.name.clone()).unwrap_or_default();
    let rival = row.rival.as_ref().map(|rival| {
        let parts = [&*clock::day_time(rival.at_us), &*rival.calling_ae, &*size(rival.bytes)];
        view! { <br/><span>{fill(say::Q_RIVAL, &parts)}</span> }
    });
    view! {
        <tr data-testid="quarantine-row">
            <td class="q-when" title=clock::exact(row.at_us)>{clock::day_time(row.at_us)}</td>
            <td class="q-from">{site}<br/><span class="label">{row.calling_ae.clone()}</span></td>
            <td class="q-reason"><b>{i18n::quarantine(&row.reason)}</b></td>
            <td class="small q-detail">{row.study.as_ref().map(beside)}{i18n::quarantine_detail(&row.reason, &row.detail)}{rival}<br/><span class="label uid">{row.sop_uid.clone()}</span></td>
            <td class="end q-size">{size(row.bytes)}</td>
            <td class="small q-decide">{said(row)}{buttons(shelf, row)}</td>
        </tr>
    }
}

/// What was decided, by whom, why.
fn said(row: &QuarantineRow) -> Option<impl IntoView + use<>> {
    let settled = row.settled.as_ref()?;
    let what = settled.act.map_or(t(say::Q_SUPERSEDED), |act| t(decide::done(row, act)));
    let why = settled.act.is_some().then(|| fill(say::Q_SAID, &[&settled.by, &settled.note]));
    Some(view! { <p title=clock::exact(settled.at_us)><b>{what}</b>" "{why}</p> })
}

fn buttons(shelf: Shelf, row: &QuarantineRow) -> impl IntoView + use<> {
    let decides =
        shelf.app.me.with_untracked(|me| me.as_ref().is_some_and(|me| matches!(me.role, Role::Manager | Role::Admin)));
    // Once released, the bytes are an image's and are looked at as one.
    let is_kept =
        row.settled.as_ref().is_none_or(|settled| !row.acts.is_empty() || settled.act == Some(QuarantineAct::Keep));
    let download = (decides && is_kept).then(|| view! {
        <a class="button" data-testid="q-file" href=api::quarantine_file(row.id) download="">{icon("download")}{t(say::Q_FILE)}</a>
    });
    let act = |act: &QuarantineAct| {
        let (act, row) = (*act, row.clone());
        let (name, text) = (act.word(), t(decide::label(&row, act)));
        view! {
            <button class="button" data-testid=format!("q-{name}") on:click=move |_| shelf.asked.set(Some((row.clone(), act)))>{text}</button>
        }
    };
    view! { <span class="q-acts">{row.acts.iter().map(act).collect_view()}{download}</span> }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} KB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(ids: impl Iterator<Item = i64>, next: Option<i64>, total: u32) -> QuarantineList {
        let row = |id| QuarantineRow {
            id,
            at_us: id,
            site: None,
            calling_ae: String::new(),
            reason: "truncated".into(),
            detail: String::new(),
            sop_uid: String::new(),
            bytes: 0,
            acts: Vec::new(),
            rival: None,
            settled: None,
            study: None,
        };
        QuarantineList { rows: ids.map(row).collect(), next, total }
    }

    fn ids(list: &QuarantineList) -> Vec<i64> {
        list.rows.iter().map(|row| row.id).collect()
    }

    #[test]
    fn a_study_is_named_by_patient_exam_and_number_as_far_as_they_are_known() {
        let study = QuarantineStudy {
            case: Some(3),
            patient: wire::Demographics {
                name: "张测试".into(),
                pid: "SAMPLE-20900".into(),
                birth_date: String::new(),
                sex: wire::Sex::Unknown,
            },
            exam: "胸部 CT 平扫".into(),
            modality: "CT".into(),
            accession: "QH26112620900".into(),
            exam_us: 0,
            signed: true,
        };
        assert_eq!(named(&study), "张测试 ・ 胸部 CT 平扫 ・ QH26112620900");
        assert_eq!(named(&QuarantineStudy { exam: String::new(), accession: String::new(), ..study }), "张测试 ・ CT");
    }

    #[test]
    fn earlier_pages_stay_when_the_newest_is_looked_at_again() {
        let mut known = Some(list((4..=6).rev(), Some(4), 6));
        append(&mut known, 4, list((2..=3).rev(), Some(2), 6));
        let renewed = renewed(known, list((5..=7).rev(), Some(5), 7));
        assert_eq!((ids(&renewed), renewed.next, renewed.total), (vec![7, 6, 5, 4, 3, 2], Some(2), 7));
    }

    #[test]
    fn a_newest_page_that_does_not_reach_the_known_ones_begins_anew() {
        let renewed = renewed(Some(list((1..=3).rev(), None, 3)), list((7..=9).rev(), Some(7), 9));
        assert_eq!((ids(&renewed), renewed.next), (vec![9, 8, 7], Some(7)), "4 to 6 must not be skipped");
    }

    #[test]
    fn a_page_that_no_longer_follows_is_not_appended() {
        let mut known = Some(list((7..=9).rev(), Some(7), 9));
        append(&mut known, 4, list((1..=3).rev(), None, 9));
        assert_eq!(ids(&known.unwrap()), [9, 8, 7]);
    }
}
