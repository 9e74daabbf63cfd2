//! Where the image stands in the page.

use std::sync::Arc;

use leptos::prelude::*;
use wire::{CaseRow, StudyImages};

use crate::i18n::{say, t};

#[component]
pub fn ImageRegion(row: CaseRow, images: Arc<StudyImages>) -> impl IntoView {
    view! { <section class="viewport-place" tabindex="-1" aria-label=t(say::VIEWPORT_LABEL)>{row.exam}" "{images.series.len()}</section> }
}
