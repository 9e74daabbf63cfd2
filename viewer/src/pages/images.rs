//! The images of one case, to look at: reached from the desk, without report or lease.

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{CaseRow, StudyImages};

use crate::api::{self, Fault};
use crate::app::App;
use crate::i18n::{self, say, t};
use crate::read::{ImageRegion, viewer_study};
use crate::ui::{KeyLine, KeysOverlay, failed, icon, number, urgency_chip};
use crate::viewport::{self, ViewerHandle};

const KEYS: &[KeyLine] = &[("F1", say::KEY_HELP)];

#[component]
pub fn ImagesPage(case: i64) -> impl IntoView {
    let app = expect_context::<App>();
    let detail = RwSignal::new(None::<Result<Looked, Fault>>);
    let load = move || {
        detail.set(None);
        spawn_local(async move {
            let answer = fetch(case).await;
            if let Err(fault) = &answer {
                app.notes(fault);
            }
            detail.set(Some(answer));
        });
    };
    load();
    let again = Callback::new(move |()| load());
    let keys = RwSignal::new(false);
    view! {
        <div class="room images-page" data-testid="images">
            {move || match detail.get() {
                None => view! { <div class="boot" role="status"><p>{t(say::LOADING)}</p></div> }.into_any(),
                Some(Err(fault)) => failed(&fault, again).into_any(),
                Some(Ok(looked)) => looking(looked, keys).into_any(),
            }}
            <KeysOverlay lines=&[viewport::KEYS, KEYS] open=keys/>
        </div>
    }
}

type Looked = (CaseRow, Arc<StudyImages>);

/// Name and images arrive together or not at all.
async fn fetch(case: i64) -> Result<Looked, Fault> {
    let row = api::case(case).await?.row;
    let images = api::images(row.study).await?;
    Ok((row, Arc::new(images)))
}

fn looking((row, images): Looked, keys: RwSignal<bool>) -> impl IntoView {
    let keyboard = Signal::derive(move || !keys.get());
    let study = viewer_study(&row, &images);
    let shown = Signal::derive(move || Some(study.clone()));
    let sub = format!("{} {}", t(i18n::sex(row.patient.sex)), i18n::age(row.patient.age));
    view! {
        <header class="banner">
            <a class="button bare" href="#" data-testid="images-back">{icon("back")}{t(say::IMAGES_BACK)}</a>
            <div class="banner-cell"><b class="banner-name">{row.patient.name.clone()}</b><span class="quiet">{sub}</span></div>
            <div class="banner-cell two"><b>{row.exam.clone()}</b><span class="label cut"><span class="clip">{row.site.name.clone()}</span><i class="dot"></i>{number(&row.accession)}</span></div>
            <div class="banner-cell">{urgency_chip(row.urgency)}</div>
            <span class="grow"></span>
            <button class="button bare keys-button" aria-label=t(say::ALL_KEYS) data-testid="keys-open" on:click=move |_| keys.set(true)>{icon("keyboard")}<kbd>"F1"</kbd></button>
        </header>
        <main class="reading solo"><ImageRegion study=shown keyboard=keyboard handle=ViewerHandle::new()/></main>
    }
}
