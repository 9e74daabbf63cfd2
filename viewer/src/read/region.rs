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
    let number = if row.accession.is_empty() { &row.patient.pid } else { &row.accession };
    Arc::new(ViewerStudy {
        images: images.clone(),
        who: vec![
            row.patient.name.clone(),
            format!("{} {} ・ ID {number}", t(i18n::sex(row.patient.sex)), i18n::age(row.patient.age)),
        ],
        place: vec![row.site.name.clone(), row.device.clone()],
        when: clock::day_time(row.exam_us),
        prior: false,
    })
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
