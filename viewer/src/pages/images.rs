//! The images of one case, to look at: without report or lease, from the desk, or in a window next to the reading room.
//!
//! Nobody opens a report by it. Where images came after the report was signed it says so, shows the first of them, and takes
//! the word of who may say that the diagnosis stands.

mod late;

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{CaseRow, Role, StudyImages};

use crate::api::{self, Fault};
use crate::app::App;
use crate::i18n::{self, say, t};
use crate::read::{ImageRegion, viewer_study};
use crate::ui::{KeyLine, KeysOverlay, failed, icon, number, urgency_chip};
use crate::viewport::{self, ViewerHandle};
use crate::web;
use late::LateBar;

const KEYS: &[KeyLine] = &[("Ctrl+Enter", say::KEY_STANDS), ("F1", say::KEY_HELP)];

/// What the page knows by now: whose images they are before the images themselves.
#[derive(Clone, Copy)]
struct Looking {
    app: App,
    case: i64,
    row: RwSignal<Option<CaseRow>>,
    images: RwSignal<Option<Result<Arc<StudyImages>, Fault>>>,
}

impl Looking {
    fn load(self) {
        self.images.set(None);
        spawn_local(async move {
            let answer = self.fetch().await;
            if let Err(fault) = &answer {
                self.app.notes(fault);
            }
            self.images.try_set(Some(answer.map(Arc::new)));
        });
    }

    /// The row first: what comes in between is missing from its count, and is said when it is answered for.
    async fn fetch(self) -> Result<StudyImages, Fault> {
        let row = api::case_row(self.case).await?;
        let study = row.study;
        self.row.try_set(Some(row));
        api::images(study).await
    }
}

#[component]
pub fn ImagesPage(case: i64, beside: bool) -> impl IntoView {
    let app = expect_context::<App>();
    let looking = Looking { app, case, row: RwSignal::new(None), images: RwSignal::new(None) };
    looking.load();
    let again = Callback::new(move |()| looking.load());
    let keys = RwSignal::new(false);
    let study = Memo::new(move |_| {
        let images = looking.images.with(|images| images.as_ref()?.as_ref().ok().cloned())?;
        looking.row.with(|row| row.as_ref().map(|row| viewer_study(row, &images)))
    });
    let keyboard = Signal::derive(move || !keys.get());
    let fault = move || looking.images.with(|images| images.as_ref()?.as_ref().err().cloned());
    let waits = move || looking.images.with(Option::is_none);
    view! {
        <div class="room images-page" data-testid="images">
            <header class="banner">
                {way_back(app, beside)}
                {move || looking.row.get().map(|row| named(&row))}
                <span class="grow"></span>
                <button class="button bare keys-button" aria-label=t(say::ALL_KEYS) data-testid="keys-open" on:click=move |_| keys.set(true)>{icon("keyboard")}<kbd>"F1"</kbd></button>
            </header>
            <LateBar looking=looking/>
            {move || waits().then(|| view! { <div class="boot" role="status"><p>{t(say::LOADING)}</p></div> })}
            {move || fault().map(|fault| failed(&fault, again))}
            <main class="reading solo" hidden=move || study.with(Option::is_none)><ImageRegion study=study.into() keyboard=keyboard handle=ViewerHandle::new()/></main>
            <KeysOverlay lines=&[viewport::KEYS, KEYS] open=keys/>
        </div>
    }
}

/// Back to the list, or the window closes: the reading room is still in the other one.
fn way_back(app: App, beside: bool) -> AnyView {
    if beside {
        return view! { <button class="button bare" data-testid="images-close" on:click=move |_| web::close()>{icon("back")}{t(say::IMAGES_CLOSE)}</button> }.into_any();
    }
    let role = app.me.with_untracked(|me| me.as_ref().map(|me| me.role));
    view! { <a class="button bare" href=back_to(role) data-testid="images-back">{icon("back")}{t(say::IMAGES_BACK)}</a> }
        .into_any()
}

/// Where the list is that led here.
const fn back_to(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::Manager) => "#cases",
        _ => "#",
    }
}

fn named(row: &CaseRow) -> impl IntoView + use<> {
    let sub = format!("{} {}", t(i18n::sex(row.patient.sex)), i18n::age(row.patient.age));
    view! {
        <div class="banner-cell"><b class="banner-name">{row.patient.name.clone()}</b><span class="quiet">{sub}</span></div>
        <div class="banner-cell two"><b>{row.exam.clone()}</b><span class="label cut"><span class="clip">{row.site.name.clone()}</span><i class="dot"></i>{number(&row.accession)}</span></div>
        <div class="banner-cell">{urgency_chip(row.urgency)}</div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_to_the_list_that_led_here() {
        assert_eq!(back_to(Some(Role::Manager)), "#cases");
        assert_eq!(back_to(Some(Role::Operator)), "#");
    }
}
