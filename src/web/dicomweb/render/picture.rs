//! One frame as a JPEG or PNG: the viewer's own pipeline, so that a browser and another program see the same.

use axum::http::StatusCode;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use pixel::colour::{Kind, kind};
use pixel::resample::{Raster, Region, fit, resample};
use pixel::scale::pixel_aspect;
use pixel::{Layout, Samples, View, Voi};
use tokio::sync::Semaphore;
use wire::{ImageAttrs, Photometric};

use super::super::super::{Answer, App, Problem};
use super::super::accept::Image;
use super::super::opened::{Opened, OpenedFrames, refused};
use super::super::transcode::NOT_ACCEPTABLE;
use super::query::Wanted;
use crate::dicom::{image_attrs, tags};
use crate::pixels::{Codec, native_samples};

/// Largest image that is drawn.
const MAX_PIXELS: u64 = 100 << 20;
/// Images drawn at a time; each may take several hundred megabytes.
static DRAWING: Semaphore = Semaphore::const_new(2);

/// Draws frame `index`, from 0; 406 where it cannot be shown.
pub async fn picture(
    app: &App,
    opened: &Opened,
    frames: &OpenedFrames<'_>,
    index: u32,
    wanted: &Wanted,
    image: Image,
) -> Answer<Vec<u8>> {
    let attrs = attrs(opened, index).ok_or(NOT_ACCEPTABLE.detail("there is no image in it"))?;
    if frames.shape.pixels() > MAX_PIXELS {
        return Err(NOT_ACCEPTABLE.detail("the image is too large to be drawn"));
    }
    let modality = opened.header.dataset.uid(tags::MODALITY).unwrap_or_default().to_owned();
    let _place = DRAWING.acquire().await.map_err(Problem::internal)?;
    let bytes = frames.read(index).await.map_err(|error| refused(error.into()))?;
    let (shape, wanted) = (frames.shape.clone(), wanted.clone());
    let samples = match shape.codec {
        Codec::Native => None,
        _ => Some(app.viewing.decoder.samples(&shape, &bytes).await.map_err(|error| refused(error.into()))?.bytes),
    };
    let drawn = tokio::task::spawn_blocking(move || {
        let samples = match samples {
            Some(samples) => samples,
            None => native_samples(&shape, &bytes).map_err(|error| error.to_string())?,
        };
        let samples = Samples::unpack(&samples, &Layout::of(&attrs)).map_err(|error| error.to_string())?;
        let raster = draw(&samples, &attrs, &modality, &wanted);
        encode(&raster, image, wanted.quality)
    });
    let drawn = drawn.await.map_err(Problem::internal)?;
    drawn.map_err(|why| Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable").detail(why))
}

/// A frame's attributes as decoding leaves its samples: all colours are red, green, blue.
fn attrs(opened: &Opened, index: u32) -> Option<ImageAttrs> {
    let mut of_frames = image_attrs(&opened.header)?.into_frames();
    let own = if of_frames.len() > 1 { index as usize } else { 0 };
    let mut attrs = (own < of_frames.len()).then(|| of_frames.swap_remove(own))?;
    if attrs.samples_per_pixel >= 3 {
        attrs.photometric = Photometric::Rgb;
    }
    Some(attrs)
}

fn draw(samples: &Samples, attrs: &ImageAttrs, modality: &str, wanted: &Wanted) -> Raster {
    let mut view = View::opening(attrs, modality, Some(samples));
    let is_grey = kind(attrs) == Kind::Grey;
    // A window is of grey values; colours are shown as they are (PS3.3 C.11.2).
    if let Some((center, width, function)) = wanted.window.filter(|_| is_grey) {
        view.voi = Voi::Window { center, width, function };
    }
    let rgba = pixel::render(samples, attrs, &view);
    let channels = if is_grey { 1 } else { 3 };
    let bytes = rgba.as_chunks::<4>().0.iter().flat_map(|pixel| pixel[..channels].iter().copied()).collect();
    let whole = Raster { columns: samples.columns, rows: samples.rows, channels, bytes };
    let Some(viewport) = wanted.viewport else { return whole };
    let (columns, rows) = (f64::from(whole.columns), f64::from(whole.rows));
    let (x, y) = (viewport.x.min(columns - 1.0), viewport.y.min(rows - 1.0));
    let (width, height) = (viewport.width.unwrap_or(columns - x), viewport.height.unwrap_or(rows - y));
    let region = Region {
        x,
        y,
        width: width.abs().min(columns - x),
        height: height.abs().min(rows - y),
        flip_horizontal: width < 0.0,
        flip_vertical: height < 0.0,
    };
    let size = fit(&region, pixel_aspect(attrs), (viewport.columns, viewport.rows));
    resample(&whole, &region, size)
}

fn encode(raster: &Raster, image: Image, quality: u8) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    match image {
        Image::Jpeg => {
            let side = |length: u32| u16::try_from(length).map_err(|_| "too large for a JPEG".to_owned());
            let colour = if raster.channels == 1 { ColorType::Luma } else { ColorType::Rgb };
            let mut encoder = Encoder::new(&mut out, quality);
            encoder.set_sampling_factor(SamplingFactor::F_1_1);
            let done = encoder.encode(&raster.bytes, side(raster.columns)?, side(raster.rows)?, colour);
            done.map_err(|error| error.to_string())?;
        }
        Image::Png => {
            let mut encoder = png::Encoder::new(&mut out, raster.columns, raster.rows);
            encoder.set_color(if raster.channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
            encoder.set_depth(png::BitDepth::Eight);
            encoder.set_compression(png::Compression::Fast);
            let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&raster.bytes));
            written.map_err(|error| error.to_string())?;
        }
    }
    Ok(out)
}
