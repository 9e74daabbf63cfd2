//! What an object in quarantine says of itself beside what its study says: a person decides by looking at both.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{Demographics, QuarantineLook, QuarantineRow};

use super::{named, size};
use crate::api;
use crate::clock;
use crate::i18n::{self, Text, fill, say, t};
use crate::ui::icon;

/// One line of the comparison.
#[derive(Clone, PartialEq, Debug)]
struct Line {
    what: Text,
    sent: String,
    standing: String,
    /// Both say something, and not the same.
    differs: bool,
}

impl Line {
    fn new(what: Text, sent: &str, standing: &str) -> Self {
        let differs = !sent.is_empty() && !standing.is_empty() && sent != standing;
        Self { what, sent: sent.to_owned(), standing: standing.to_owned(), differs }
    }
}

/// What there is to compare; nothing where neither side says anything. `when` says a time.
fn lines(look: &QuarantineLook, row: &QuarantineRow, when: fn(i64) -> String) -> Vec<Line> {
    let (sent, study) = (look.sent.as_ref(), look.study.as_ref());
    let of = |said: fn(&Demographics) -> String| {
        (sent.map(|s| said(&s.patient)).unwrap_or_default(), study.map(|s| said(&s.patient)).unwrap_or_default())
    };
    let patient = |what, said| {
        let (sent, standing) = of(said);
        Line::new(what, &sent, &standing)
    };
    let exam = |exam: &str, modality: &str| if exam.is_empty() { modality.to_owned() } else { exam.to_owned() };
    let exams = (
        sent.map(|s| exam(&s.exam, &s.modality)).unwrap_or_default(),
        study.map(|s| exam(&s.exam, &s.modality)).unwrap_or_default(),
    );
    let accessions = (sent.map_or("", |s| &s.accession), study.map_or("", |s| &s.accession));
    let place = sent.map(|s| fill(say::Q_IMAGE_N, &[&s.series.to_string(), &s.number.to_string()])).unwrap_or_default();
    let arrived = |at, ae: &str, bytes| fill(say::Q_ARRIVED_AS, &[&when(at), ae, &size(bytes)]);
    let rival =
        row.rival.as_ref().map(|rival| arrived(rival.at_us, &rival.calling_ae, rival.bytes)).unwrap_or_default();
    let came = Line::new(say::Q_ARRIVED, &arrived(row.at_us, &row.calling_ae, row.bytes), &rival);
    let all = [
        patient(say::NAME, |p| p.name.clone()),
        patient(say::PID, |p| p.pid.clone()),
        patient(say::BIRTH_DATE, |p| p.birth_date.clone()),
        patient(say::SEX, |p| t(i18n::sex(p.sex)).to_owned()),
        Line::new(say::Q_EXAM, &exams.0, &exams.1),
        Line::new(say::Q_ACCESSION, accessions.0, accessions.1),
        Line::new(
            say::Q_SERIES,
            sent.map_or("", |s| &s.series_name),
            row.rival.as_ref().map_or("", |rival| &rival.series),
        ),
        Line { differs: false, ..Line::new(say::Q_IMAGE, &place, "") },
        // Two copies never come at the same time: that they differ in it says nothing.
        Line { differs: false, ..came },
    ];
    all.into_iter().filter(|line| !line.sent.is_empty() || !line.standing.is_empty()).collect()
}

#[component]
pub(super) fn Compared(row: QuarantineRow) -> impl IntoView {
    let look = RwSignal::new(None::<Result<QuarantineLook, String>>);
    let id = row.id;
    spawn_local(async move {
        look.try_set(Some(api::look_quarantine(id).await.map_err(|fault| fault.text())));
    });
    move || match look.get() {
        None => view! { <p class="quiet" role="status">{t(say::Q_LOOKING)}</p> }.into_any(),
        Some(Err(problem)) => view! { <p class="amber" role="alert">{icon("warn")}" "{problem}</p> }.into_any(),
        Some(Ok(look)) => table(&look, &row).into_any(),
    }
}

fn table(look: &QuarantineLook, row: &QuarantineRow) -> impl IntoView + use<> {
    let unread = look.sent.is_none().then(|| view! { <p class="quiet">{t(say::Q_SAYS_NOTHING)}</p> });
    let standing = look.study.as_ref().map(|study| {
        let images = study.case.map(super::images_link);
        view! { <p class="small q-study">{named(study)}" "{images}</p> }
    });
    let line = |line: Line| {
        let differs = line.differs.then(|| view! { <span class="amber">{icon("warn")}{t(say::Q_DIFFERS)}</span> });
        view! {
            <tr class:differs=line.differs>
                <th scope="row" class="label">{t(line.what)}</th><td>{line.sent}</td><td>{line.standing}" "{differs}</td>
            </tr>
        }
    };
    view! {
        {standing}
        {unread}
        <table class="compared" data-testid="q-compared">
            <thead class="label"><tr><th></th><th>{t(say::Q_SENT)}</th><th>{t(say::Q_STANDING)}</th></tr></thead>
            <tbody>{lines(look, row, clock::day_time).into_iter().map(line).collect_view()}</tbody>
        </table>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{QuarantineSent, QuarantineStudy, Rival, Sex};

    fn row() -> QuarantineRow {
        QuarantineRow {
            id: 1,
            at_us: 0,
            site: None,
            calling_ae: "QH_CT01".into(),
            reason: "patient_mismatch".into(),
            detail: String::new(),
            sop_uid: String::new(),
            bytes: 126_000,
            acts: Vec::new(),
            rival: None,
            settled: None,
            study: None,
        }
    }

    fn person(name: &str, pid: &str) -> Demographics {
        Demographics { name: name.into(), pid: pid.into(), birth_date: String::new(), sex: Sex::Male }
    }

    fn look() -> QuarantineLook {
        QuarantineLook {
            sop_uid: String::new(),
            sent: Some(QuarantineSent {
                patient: person("钱错号", "SAMPLE-99999"),
                exam: "胸部 CT 平扫".into(),
                modality: "CT".into(),
                accession: String::new(),
                series_name: "胸部平扫 改过".into(),
                series: 2,
                number: 14,
            }),
            study: Some(QuarantineStudy {
                case: Some(3),
                patient: person("张测试", "SAMPLE-20900"),
                exam: "胸部 CT 平扫".into(),
                modality: "CT".into(),
                accession: "QH26112620900".into(),
                exam_us: 0,
                signed: false,
            }),
        }
    }

    #[test]
    fn both_patients_stand_side_by_side_and_what_differs_is_marked() {
        let lines = lines(&look(), &row(), |us| us.to_string());
        let differs: Vec<_> = lines.iter().filter(|line| line.differs).map(|line| line.what).collect();
        assert_eq!(differs, [say::NAME, say::PID]);
        assert_eq!((&*lines[1].sent, &*lines[1].standing), ("SAMPLE-99999", "SAMPLE-20900"));
        assert!(lines.iter().all(|line| line.what != say::BIRTH_DATE), "neither says when they were born");
        assert!(lines.iter().any(|line| line.what == say::Q_ACCESSION && !line.differs), "one says nothing of it");
    }

    #[test]
    fn two_copies_are_told_apart_by_when_they_came_and_not_called_different_for_it() {
        let series = "胸部平扫".to_owned();
        let rival = Rival { at_us: 60_000_000, calling_ae: "QH_CT01".into(), bytes: 126_000, series };
        let rows = QuarantineRow { rival: Some(rival), ..row() };
        let nothing = QuarantineLook { sent: None, study: None, ..look() };
        let came = lines(&nothing, &rows, |us| us.to_string()).pop().unwrap();
        assert!(came.what == say::Q_ARRIVED && !came.differs && came.sent != came.standing);
        let names = lines(&look(), &rows, |us| us.to_string());
        assert!(names.iter().any(|line| line.what == say::Q_SERIES && line.differs), "what the device calls them");
    }
}
