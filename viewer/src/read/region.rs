//! The image's place in the page: one viewport for the life of the page, so that its canvas and workers stay warm.

use std::sync::Arc;

use leptos::prelude::*;
use wire::{CaseRow, Delivery, InstanceImage, StudyImages};

use crate::app::App;
use crate::clock;
use crate::i18n::{self, say, t};
use crate::viewport::{ViewerHandle, ViewerStudy, Viewport};
use crate::web;

const PLACE: &str = ".viewport-place";

/// The study with the words that name it, for the corners of the image.
pub fn viewer_study(row: &CaseRow, images: &Arc<StudyImages>) -> Arc<ViewerStudy> {
    Arc::new(ViewerStudy {
        images: images.clone(),
        who: who(row),
        place: vec![row.site.name.clone(), row.device.clone()],
        when: clock::day_time(row.exam_us),
        prior: false,
    })
}

/// One line each: name; sex and age; the two numbers, each under its own word.
fn who(row: &CaseRow) -> Vec<String> {
    let numbered = |word, number: &str| (!number.is_empty()).then(|| format!("{} {number}", t(word)));
    let about = format!("{} {}", t(i18n::sex(row.patient.sex)), i18n::age(row.patient.age));
    [row.patient.name.clone(), about]
        .into_iter()
        .chain(numbered(say::PATIENT_ID, &row.patient.pid))
        .chain(numbered(say::EXAM_NUMBER, &row.accession))
        .collect()
}

/// `keyboard`: the image, not the report, has it.
#[component]
pub fn ImageRegion(
    study: Signal<Option<Arc<ViewerStudy>>>,
    keyboard: Signal<bool>,
    handle: ViewerHandle,
) -> impl IntoView {
    let activate = Callback::new(|()| take_keyboard());
    let app = expect_context::<App>();
    Effect::new(move |_| {
        if handle.signed_out() {
            app.expired();
        }
    });
    view! {
        <section class="viewport-place" tabindex="-1" aria-label=t(say::VIEWPORT_LABEL) data-testid="viewport" hidden=move || study.with(Option::is_none)>
            <Viewport study=study active=keyboard handle=handle on_activate=activate/>
        </section>
    }
}

/// The image takes the keyboard.
pub fn take_keyboard() {
    web::focus_selector(PLACE);
}

/// The image on the screen is not one to sign on: still coming, a preview, or one that failed. A study with nothing to show
/// is exempt.
pub fn not_yet_whole(handle: ViewerHandle, images: &StudyImages) -> bool {
    let viewable = |image: &InstanceImage| !matches!(image.delivery, Delivery::Unavailable | Delivery::NoImage);
    let any = images.series.iter().flat_map(|series| &series.instances).any(viewable);
    any && !handle.is_diagnostic()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing;

    #[test]
    fn the_patients_number_and_the_exams_are_not_taken_for_one_another() {
        let mut row = testing::row(1, wire::Urgency::Routine);
        row.accession = "SAMPLE-20931".into();
        row.patient.pid = "DD2611".into();
        assert_eq!(who(&row)[2..], ["患者号 DD2611", "检查号 SAMPLE-20931"]);
        row.accession.clear();
        assert_eq!(who(&row)[2..], ["患者号 DD2611"]);
    }
}
