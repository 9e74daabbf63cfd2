//! DICOMweb: search, retrieval, rendering and storage (PS3.18), for machines with tokens and people with sessions.
//!
//! Every query carries the caller's site scope; what lies outside is "not found". Stored bytes go out as they came in;
//! other forms are made on the way and kept nowhere. Opening a study is an event.

mod accept;
mod bulk;
mod frames;
pub(super) mod fuzzing;
mod gzip;
mod metadata;
mod multipart;
mod opened;
mod parts;
mod qido;
mod range;
mod render;
mod resource;
mod retrieve;
mod stow;
mod transcode;

use serde::Deserialize;

use super::auth::Caller;
use super::routes::{Access, CLINICAL, Route};
use super::{Answer, App};
use crate::domain::Role;
use crate::index::dicomweb::NamedInstance;

pub fn routes() -> Vec<Route> {
    const STUDY: &str = "/dicomweb/studies/{study}";
    const SERIES: &str = "/dicomweb/studies/{study}/series/{series}";
    const INSTANCE: &str = "/dicomweb/studies/{study}/series/{series}/instances/{instance}";
    let mut routes = vec![
        Route::get("/dicomweb/studies", CLINICAL, "QIDO-RS: search for studies", qido::studies),
        Route::get("/dicomweb/series", CLINICAL, "QIDO-RS: search for series", qido::series),
        Route::get("/dicomweb/instances", CLINICAL, "QIDO-RS: search for instances", qido::instances),
        Route::get("/dicomweb/studies/{study}/series", CLINICAL, "QIDO-RS: series of a study", qido::series),
        Route::get("/dicomweb/studies/{study}/instances", CLINICAL, "QIDO-RS: instances of a study", qido::instances),
        Route::get(
            "/dicomweb/studies/{study}/series/{series}/instances",
            CLINICAL,
            "QIDO-RS: instances of a series",
            qido::instances,
        ),
        Route::post("/dicomweb/studies", SENDERS, "STOW-RS: store instances", stow::store),
        Route::post(STUDY, SENDERS, "STOW-RS: store instances of one study", stow::store),
        Route::get(STUDY, CLINICAL, "WADO-RS: a study's instances", retrieve::retrieve),
        Route::get(SERIES, CLINICAL, "WADO-RS: a series' instances", retrieve::retrieve),
        Route::get(INSTANCE, CLINICAL, "WADO-RS: an instance", retrieve::retrieve),
        Route::get("/dicomweb/studies/{study}/metadata", CLINICAL, "WADO-RS: a study's metadata", metadata::metadata),
        Route::get(
            "/dicomweb/studies/{study}/series/{series}/metadata",
            CLINICAL,
            "WADO-RS: a series' metadata",
            metadata::metadata,
        ),
        Route::get(
            "/dicomweb/studies/{study}/series/{series}/instances/{instance}/metadata",
            CLINICAL,
            "WADO-RS: an instance's metadata",
            metadata::metadata,
        ),
        Route::get(
            "/dicomweb/studies/{study}/series/{series}/instances/{instance}/frames/{frames}",
            CLINICAL,
            "WADO-RS: single frames",
            frames::frames,
        ),
        Route::get(
            "/dicomweb/studies/{study}/series/{series}/instances/{instance}/bulkdata/{bulk}",
            CLINICAL,
            "WADO-RS: a value too large for the metadata",
            bulk::bulk,
        ),
    ];
    routes.extend(pictures());
    routes
}

/// Rendered images and thumbnails.
fn pictures() -> Vec<Route> {
    vec![
        Route::get("/dicomweb/studies/{study}/rendered", CLINICAL, "WADO-RS: a study's images drawn", render::rendered),
        Route::get(
            "/dicomweb/studies/{study}/series/{series}/rendered",
            CLINICAL,
            "WADO-RS: a series' images drawn",
            render::rendered,
        ),
        Route::get(
            "/dicomweb/studies/{study}/series/{series}/instances/{instance}/rendered",
            CLINICAL,
            "WADO-RS: an instance's image drawn",
            render::rendered,
        ),
        Route::get(
            "/dicomweb/studies/{study}/series/{series}/instances/{instance}/frames/{frames}/rendered",
            CLINICAL,
            "WADO-RS: single frames drawn",
            render::rendered_frames,
        ),
        Route::get(
            "/dicomweb/studies/{study}/thumbnail",
            CLINICAL,
            "WADO-RS: a study's small picture",
            render::thumbnail,
        ),
        Route::get(
            "/dicomweb/studies/{study}/series/{series}/thumbnail",
            CLINICAL,
            "WADO-RS: a series' small picture",
            render::thumbnail,
        ),
        Route::get(
            "/dicomweb/studies/{study}/series/{series}/instances/{instance}/thumbnail",
            CLINICAL,
            "WADO-RS: an instance's small picture",
            render::thumbnail,
        ),
        Route::get(
            "/dicomweb/studies/{study}/series/{series}/instances/{instance}/frames/{frames}/thumbnail",
            CLINICAL,
            "WADO-RS: a frame's small picture",
            render::thumbnail_of_frame,
        ),
    ]
}

/// Machines that send images by HTTP.
const SENDERS: Access = Access::Roles(&[Role::Integrator]);

/// What a path names.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Of {
    study: Option<String>,
    series: Option<String>,
    instance: Option<String>,
}

/// The address of a resource, without the host: it is right behind any proxy.
fn base_url(study: &str, series: Option<&str>, instance: Option<&str>) -> String {
    let mut url = format!("/dicomweb/studies/{study}");
    for (name, uid) in [("series", series), ("instances", instance)] {
        if let Some(uid) = uid {
            url.push_str(&format!("/{name}/{uid}"));
        }
    }
    url
}

/// Writes that the caller opened the study.
async fn audit(app: &App, caller: &Caller, found: &NamedInstance) -> Answer<()> {
    super::audit::study_opened(app, caller, found.study).await
}
