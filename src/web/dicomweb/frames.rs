//! WADO-RS: single frames (PS3.18 10.4.1.1.4), as samples, as they are coded, or coded anew.

use std::io;

use axum::extract::{Path, State};
use axum::response::Response;
use futures_util::stream::StreamExt;
use serde::Deserialize;

use super::super::auth::Caller;
use super::super::{Answer, App, Problem};
use super::accept::{self, FrameForm, Ranges};
use super::multipart::{self, Part};
use super::opened::{Opened, frame, refused};
use super::resource::first;
use super::transcode::NOT_ACCEPTABLE;
use super::{Of, audit};
use crate::dicom::uids;

/// Frames of one request.
const MAX_FRAMES: usize = 10_000;

#[derive(Deserialize)]
pub struct OfFrames {
    study: String,
    series: String,
    instance: String,
    /// `1,3,5`, counted from 1.
    frames: String,
}

impl OfFrames {
    /// The instance, and the numbers.
    pub fn parse(self) -> Answer<(Of, Vec<u32>)> {
        let number = |text: &str| text.trim().parse().ok().filter(|&n: &u32| n > 0);
        let wanted: Option<Vec<u32>> = self.frames.split(',').map(number).collect();
        let wanted = wanted.filter(|list| list.len() <= MAX_FRAMES).ok_or(Problem::bad_request("bad_frames"))?;
        Ok((Of { study: Some(self.study), series: Some(self.series), instance: Some(self.instance) }, wanted))
    }
}

pub async fn frames(
    State(app): State<App>,
    caller: Caller,
    Path(of): Path<OfFrames>,
    ranges: Ranges,
) -> Answer<Response> {
    let (of, wanted) = of.parse()?;
    let found = first(&app, caller.scope, &of).await?;
    let offers = accept::frames(&ranges, &found.transfer_syntax);
    if offers.is_empty() {
        return Err(NOT_ACCEPTABLE);
    }
    let opened = Opened::new(&app, &found).await?;
    let count = opened.frames()?.count;
    if wanted.iter().any(|&n| n > count) {
        return Err(Problem::not_found());
    }
    audit(&app, &caller, &found).await?;
    send(app, opened, wanted, offers, &found.transfer_syntax).await
}

/// Sends frames in the first form that the first of them has: what does not decode is refused, not cut off.
pub async fn send(
    app: App,
    opened: Opened,
    wanted: Vec<u32>,
    offers: Vec<(FrameForm, bool)>,
    stored: &str,
) -> Answer<Response> {
    let (mut chosen, mut last) = (None, NOT_ACCEPTABLE);
    for (form, multipart) in offers {
        let frames = opened.frames()?;
        match frame(&app, &frames, wanted[0] - 1, form).await.map_err(refused) {
            Ok(bytes) => {
                chosen = Some((form, multipart, bytes));
                break;
            }
            Err(problem) if problem.status == NOT_ACCEPTABLE.status => last = problem,
            Err(problem) => return Err(problem),
        }
    }
    let Some((form, multipart, bytes)) = chosen else { return Err(last) };
    let (media, syntax) = match form {
        FrameForm::Samples => ("application/octet-stream", uids::EXPLICIT_VR_LITTLE_ENDIAN),
        FrameForm::Stored(media) => (media, stored),
        FrameForm::Coded(target) => (target.media(), target.transfer_syntax()),
    };
    let content_type = format!("{media}; transfer-syntax={syntax}");
    if wanted.len() == 1 && !multipart {
        return Ok(multipart::single(&content_type, multipart::ready(bytes)));
    }
    let parts = async_stream::try_stream! {
        yield Part { content_type: content_type.clone(), body: multipart::ready(bytes) };
        let frames = opened.frames().map_err(|problem| io::Error::other(problem.code))?;
        for &number in &wanted[1..] {
            let bytes = frame(&app, &frames, number - 1, form).await.map_err(io::Error::other)?;
            yield Part { content_type: content_type.clone(), body: multipart::ready(bytes) };
        }
    };
    Ok(multipart::related(media, parts.boxed()))
}
