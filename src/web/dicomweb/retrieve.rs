//! WADO-RS: studies, series and instances (PS3.18 10.4.1.1.1).
//!
//! Of a study or series, instances in transfer syntaxes that have no acceptable form are left out and the answer is 206;
//! one whose frames turn out not to decode goes as it is stored, and its part says so.

use std::io;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::stream::StreamExt;

use super::super::auth::Caller;
use super::super::{Answer, App};
use super::accept::{self, Form, Ranges};
use super::multipart::{self, Part};
use super::resource::{batch, first};
use super::transcode::{NOT_ACCEPTABLE, open};
use super::{Of, audit};
use crate::domain::InstanceId;
use crate::index::dicomweb;

pub async fn retrieve(State(app): State<App>, caller: Caller, Path(of): Path<Of>, ranges: Ranges) -> Answer<Response> {
    let found = first(&app, caller.scope, &of).await?;
    if of.instance.is_none() {
        audit(&app, &caller, &found).await?;
        return several(app, caller, of, ranges).await;
    }
    let offers = accept::instance(&ranges, &found.transfer_syntax);
    let Some(&(_, multipart)) = offers.first() else { return Err(NOT_ACCEPTABLE) };
    let part = open(&app, caller.scope, &found, offers.into_iter().map(|(form, _)| form)).await?;
    audit(&app, &caller, &found).await?;
    Ok(match multipart {
        true => multipart::related("application/dicom", futures_util::stream::iter([Ok(part)]).boxed()),
        false => multipart::single(&part.content_type, part.body),
    })
}

async fn several(app: App, caller: Caller, of: Of, ranges: Ranges) -> Answer<Response> {
    let scope = caller.scope;
    let syntaxes = dicomweb::transfer_syntaxes(&mut app.db.read().await?, scope, of.named()).await?;
    let acceptable = syntaxes.iter().filter(|syntax| !accept::instance(&ranges, syntax).is_empty()).count();
    if acceptable == 0 {
        return Err(NOT_ACCEPTABLE);
    }
    let parts = async_stream::try_stream! {
        let mut last = InstanceId(0);
        while let Some(instances) = batch(&app, scope, &of, last).await.map_err(io::Error::other)? {
            for instance in &instances {
                last = instance.id;
                let offers = accept::instance(&ranges, &instance.transfer_syntax);
                if offers.is_empty() {
                    continue;
                }
                let forms = offers.into_iter().map(|(form, _)| form).chain([Form::Stored]);
                let part: Part = open(&app, scope, instance, forms).await.map_err(|problem| io::Error::other(problem.code))?;
                yield part;
            }
        }
    };
    let mut response = multipart::related("application/dicom", parts.boxed());
    if acceptable < syntaxes.len() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}
