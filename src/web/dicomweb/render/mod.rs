//! Rendered images and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.7), with the window and size that were asked for.
//!
//! Of a clip, unless its frames are named or parts are asked for, the representative frame is drawn; of a study or series
//! one picture an instance, and those that hold no image that can be shown are left out.

mod picture;
mod query;

use std::io;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream::StreamExt;

use super::super::auth::Caller;
use super::super::{Answer, App, Problem};
use super::accept::{self, Image, Ranges};
use super::frames::OfFrames;
use super::multipart::{self, Part};
use super::opened::Opened;
use super::resource::{batch, first};
use super::transcode::NOT_ACCEPTABLE;
use super::{Of, audit};
use crate::dicom::tags;
use crate::domain::InstanceId;
use crate::index::dicomweb::{self, NamedInstance};
use picture::picture;
use query::{Viewport, Wanted};

/// Side of a thumbnail whose size nobody asked for.
const THUMBNAIL: u32 = 128;

/// Study, series or instance.
pub async fn rendered(
    State(app): State<App>,
    caller: Caller,
    Path(of): Path<Of>,
    ranges: Ranges,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let wanted = Wanted::parse(query.as_deref())?;
    let (image, multipart) = accept::images(&ranges).ok_or(NOT_ACCEPTABLE)?;
    let found = first(&app, caller.scope, &of).await?;
    if of.instance.is_none() {
        audit(&app, &caller, &found).await?;
        return several(app, caller, of, wanted, image).await;
    }
    let opened = Opened::new(&app, &found).await?;
    let frames = opened.frames()?;
    let numbers = if multipart { (1..=frames.count).collect() } else { vec![representative(&opened, frames.count)] };
    audit(&app, &caller, &found).await?;
    send(app, opened, numbers, wanted, image, multipart).await
}

/// Named frames of an instance.
pub async fn rendered_frames(
    State(app): State<App>,
    caller: Caller,
    Path(of): Path<OfFrames>,
    ranges: Ranges,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let wanted = Wanted::parse(query.as_deref())?;
    let (image, multipart) = accept::images(&ranges).ok_or(NOT_ACCEPTABLE)?;
    let (of, numbers) = of.parse()?;
    let found = first(&app, caller.scope, &of).await?;
    let opened = Opened::new(&app, &found).await?;
    let count = opened.frames()?.count;
    if numbers.iter().any(|&n| n > count) {
        return Err(Problem::not_found());
    }
    audit(&app, &caller, &found).await?;
    let multipart = multipart || numbers.len() > 1;
    send(app, opened, numbers, wanted, image, multipart).await
}

/// One small picture that stands for a study, series or instance: of the first series with images the middle one.
pub async fn thumbnail(
    State(app): State<App>,
    caller: Caller,
    Path(of): Path<Of>,
    ranges: Ranges,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let (image, _) = accept::images(&ranges).ok_or(NOT_ACCEPTABLE)?;
    let found = dicomweb::middle_image(&mut app.db.read().await?, caller.scope, of.named()).await?;
    let found = found.ok_or(Problem::not_found())?;
    let opened = Opened::new(&app, &found).await?;
    let number = representative(&opened, opened.frames()?.count);
    small(app, opened, vec![number], query.as_deref(), image).await
}

/// The same of one frame.
pub async fn thumbnail_of_frame(
    State(app): State<App>,
    caller: Caller,
    Path(of): Path<OfFrames>,
    ranges: Ranges,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let (image, _) = accept::images(&ranges).ok_or(NOT_ACCEPTABLE)?;
    let (of, mut numbers) = of.parse()?;
    numbers.truncate(1);
    let found = first(&app, caller.scope, &of).await?;
    let opened = Opened::new(&app, &found).await?;
    let count = opened.frames()?.count;
    if numbers.iter().any(|&n| n > count) {
        return Err(Problem::not_found());
    }
    small(app, opened, numbers, query.as_deref(), image).await
}

async fn small(app: App, opened: Opened, numbers: Vec<u32>, query: Option<&str>, image: Image) -> Answer<Response> {
    let mut wanted = Wanted::parse(query)?;
    let whole = Viewport { columns: THUMBNAIL, rows: THUMBNAIL, x: 0.0, y: 0.0, width: None, height: None };
    wanted.viewport.get_or_insert(whole);
    send(app, opened, numbers, wanted, image, false).await
}

/// Frame to show of a clip: Representative Frame Number, else its middle.
fn representative(opened: &Opened, count: u32) -> u32 {
    let named = opened.header.dataset.int(tags::REPRESENTATIVE_FRAME_NUMBER).and_then(|n| u32::try_from(n).ok());
    named.filter(|n| (1..=count).contains(n)).unwrap_or(count.div_ceil(2))
}

async fn send(
    app: App,
    opened: Opened,
    numbers: Vec<u32>,
    wanted: Wanted,
    image: Image,
    multipart: bool,
) -> Answer<Response> {
    let warnings = wanted.ignored.clone();
    let frames = opened.frames()?;
    let drawn = picture(&app, &opened, &frames, numbers[0] - 1, &wanted, image).await?;
    if !multipart {
        return Ok(warned(multipart::single(image.media(), multipart::ready(drawn)), &warnings));
    }
    let parts = async_stream::try_stream! {
        yield part(image, drawn);
        let frames = opened.frames().map_err(|problem| io::Error::other(problem.code))?;
        for &number in &numbers[1..] {
            let drawn = picture(&app, &opened, &frames, number - 1, &wanted, image).await;
            yield part(image, drawn.map_err(|problem| io::Error::other(problem.code))?);
        }
    };
    Ok(warned(multipart::related(image.media(), parts.boxed()), &warnings))
}

/// One picture an instance; refused if there is none at all.
async fn several(app: App, caller: Caller, of: Of, wanted: Wanted, image: Image) -> Answer<Response> {
    let warnings = wanted.ignored.clone();
    let scope = caller.scope;
    let pictures = async_stream::try_stream! {
        let mut last = InstanceId(0);
        while let Some(instances) = batch(&app, scope, &of, last).await.map_err(io::Error::other)? {
            for instance in &instances {
                last = instance.id;
                if let Ok(drawn) = of_instance(&app, instance, &wanted, image).await {
                    yield part(image, drawn);
                }
            }
        }
    };
    let pictures: futures_util::stream::BoxStream<'static, io::Result<Part>> = pictures.boxed();
    let mut pictures = pictures.peekable();
    // The first one before the answer begins.
    if std::pin::Pin::new(&mut pictures).peek().await.is_none() {
        return Err(NOT_ACCEPTABLE.detail("there is no image that can be shown"));
    }
    Ok(warned(multipart::related(image.media(), pictures.boxed()), &warnings))
}

async fn of_instance(app: &App, found: &NamedInstance, wanted: &Wanted, image: Image) -> Answer<Vec<u8>> {
    let opened = Opened::new(app, found).await?;
    let frames = opened.frames()?;
    picture(app, &opened, &frames, representative(&opened, frames.count) - 1, wanted, image).await
}

fn part(image: Image, bytes: Vec<u8>) -> Part {
    Part { content_type: image.media().into(), body: multipart::ready(bytes) }
}

fn warned(mut response: Response, warnings: &[&'static str]) -> Response {
    for warning in warnings {
        if let Ok(value) = HeaderValue::try_from(format!("299 yunying: \"{warning}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
}
