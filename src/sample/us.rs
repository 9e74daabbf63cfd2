//! An abdominal ultrasound study: a colour clip and stills, calibrated as PS3.3 C.8.5.5 asks.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use jiff::civil::DateTime;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::dataset::{Dataset, EXPLICIT, JPEG_BASELINE};
use super::exam::{Exam, Series, da, later, tm};
use super::rng::Rng;
use super::ultrasound::beam::{ColourBox, FACE, Scatterers, angle, listen};
use super::ultrasound::scene::{Scene, Spot};
use super::ultrasound::screen::{Converter, HEIGHT, Lettering, MILLIMETRES, ORIGIN, Picture, REGION, WIDTH, on_screen};
use super::{SampleError, each};

/// How long and how fine a clip is.
#[derive(Debug, Clone, Copy)]
pub struct Clip {
    pub frames: usize,
    pub quality: u8,
    /// Keep the measured still uncompressed.
    pub plain: bool,
}

pub const FULL: Clip = Clip { frames: 96, quality: 88, plain: true };
pub const SHORT: Clip = Clip { frames: 72, quality: 52, plain: false };

/// Frames a second.
const RATE: f64 = 24.0;

const COLOUR: ColourBox = ColourBox { beams: (66, 152), depths: (66.0, 114.0) };

const SERIES: Series = Series { number: 1, description: "肝胆胰脾肾", protocol: "上腹部" };

/// The exam room: who lies there and what draws them.
struct Room<'a> {
    exam: &'a Exam,
    scene: Scene,
    scatterers: Scatterers,
    converter: Converter,
}

/// Writes clip and stills into `folder`; returns their paths.
pub fn write(exam: &Exam, clip: Clip, folder: &Path) -> Result<Vec<PathBuf>, SampleError> {
    let rng = Rng::new(exam.seed);
    let room = Room {
        exam,
        scene: Scene::new(&mut rng.fork("scene")),
        scatterers: Scatterers::new(&mut rng.fork("scatterers")),
        converter: Converter::default(),
    };
    let mut paths = Vec::new();
    let mut save = |name: &str, data: Dataset, syntax: &str| {
        let path = folder.join(name);
        let written = data.write(&path, syntax, &exam.device.ae_title);
        paths.push(path);
        written
    };
    let measured = room.still(1, None);
    match clip.plain {
        true => save("us-1-still.dcm", room.plain(1, measured), EXPLICIT)?,
        false => save("us-1-still.dcm", room.compressed(1, vec![encoded(&measured, 90)?], None), JPEG_BASELINE)?,
    }
    let coloured = room.still(2, Some(COLOUR));
    let jpeg = encoded(&coloured, 90)?;
    save("us-2-still.dcm", room.compressed(2, vec![jpeg], Some(COLOUR)), JPEG_BASELINE)?;
    let frames = room.clip(clip)?;
    save("us-3-clip.dcm", room.compressed(3, frames, Some(COLOUR)), JPEG_BASELINE)?;
    Ok(paths)
}

impl Room<'_> {
    fn time(&self, instance: usize) -> DateTime {
        later(self.exam.started, 60.0 * instance as f64)
    }

    /// The screen without echoes.
    fn screen(&self, instance: usize) -> Picture {
        let mut picture = Picture::default();
        picture.furniture(&Lettering {
            title: format!("{}  C5-2  ABD", self.exam.person.id),
            time: self.time(instance).strftime("%Y-%m-%d %H:%M").to_string(),
            settings: ["FR 24Hz", "D 16.0cm", "G 52%", "MI 0.9", "TIs 0.2"].map(str::to_owned).to_vec(),
        });
        picture
    }

    /// A frozen picture: with calipers on the stone, or with flow.
    fn still(&self, instance: usize, colour: Option<ColourBox>) -> Picture {
        let mut picture = self.screen(instance);
        let mut noise = Rng::new(self.exam.seed).fork(&format!("still {instance}"));
        let echoes = listen(&self.scene, &self.scatterers, colour, (0.0, 0.25), &mut noise);
        self.converter.draw(&echoes, &mut picture);
        match (colour, self.scene.largest_stone()) {
            (Some(colour), _) => picture.colour_box(&colour),
            (None, Some(stone)) => {
                let (from, to) = stone.ends();
                picture.calipers(from, to);
            }
            (None, None) => {}
        }
        picture
    }

    /// The clip's frames as JPEG, in order: one breath, so that it loops.
    fn clip(&self, clip: Clip) -> Result<Vec<Vec<u8>>, SampleError> {
        let mut empty = self.screen(3);
        empty.colour_box(&COLOUR);
        let next = AtomicUsize::new(0);
        let mut frames: Vec<(usize, Vec<u8>)> = each(|| {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= clip.frames {
                    return Ok(done);
                }
                let phase = index as f32 / clip.frames as f32;
                let beats = (clip.frames as f32 / RATE as f32 * 1.2).round().max(1.0);
                let mut noise = Rng::new(self.exam.seed).fork(&format!("frame {index}"));
                let heart = (phase * beats).fract();
                let echoes = listen(&self.scene, &self.scatterers, Some(COLOUR), (phase, heart), &mut noise);
                let mut picture = empty.clone();
                self.converter.draw(&echoes, &mut picture);
                picture.colour_box(&COLOUR);
                done.push((index, encoded(&picture, clip.quality)?));
            }
        })?;
        frames.sort();
        Ok(frames.into_iter().map(|(_, jpeg)| jpeg).collect())
    }

    /// An uncompressed still.
    fn plain(&self, instance: usize, picture: Picture) -> Dataset {
        let mut data = self.instance(uids::ULTRASOUND_IMAGE_STORAGE, instance, None);
        data.text(tags::PHOTOMETRIC_INTERPRETATION, "RGB").text(tags::LOSSY_IMAGE_COMPRESSION, "00");
        data.bytes(tags::PIXEL_DATA, VR::OB, picture.rgb);
        data
    }

    /// A clip, or a still when there is only one frame, of JPEG frames.
    fn compressed(&self, instance: usize, frames: Vec<Vec<u8>>, colour: Option<ColourBox>) -> Dataset {
        let moving = frames.len() > 1;
        let class = if moving { uids::ULTRASOUND_MULTI_FRAME_IMAGE_STORAGE } else { uids::ULTRASOUND_IMAGE_STORAGE };
        let mut data = self.instance(class, instance, colour);
        let raw = (WIDTH * HEIGHT * 3 * frames.len()) as f64;
        let ratio = raw / frames.iter().map(Vec::len).sum::<usize>() as f64;
        data.text(tags::PHOTOMETRIC_INTERPRETATION, "YBR_FULL_422")
            .text(tags::LOSSY_IMAGE_COMPRESSION, "01")
            .number(tags::LOSSY_IMAGE_COMPRESSION_RATIO, (ratio * 100.0).round() / 100.0)
            .text(tags::LOSSY_IMAGE_COMPRESSION_METHOD, "ISO_10918_1");
        if moving {
            let frame_time = (1e5 / RATE).round() / 100.0;
            data.number(tags::NUMBER_OF_FRAMES, frames.len() as f64)
                .pointer(tags::FRAME_INCREMENT_POINTER, tags::FRAME_TIME)
                .number(tags::FRAME_TIME, frame_time)
                .number(tags::CINE_RATE, RATE)
                .number(tags::RECOMMENDED_DISPLAY_FRAME_RATE, RATE)
                .number(tags::EFFECTIVE_DURATION, (frames.len() as f64 / RATE * 1000.0).round() / 1000.0)
                .number(tags::PREFERRED_PLAYBACK_SEQUENCING, 0.0);
        }
        data.frames(frames);
        data
    }

    fn instance(&self, class: &str, instance: usize, colour: Option<ColourBox>) -> Dataset {
        let at = self.time(instance);
        let mut data = self.exam.instance(class, &SERIES, instance, at);
        data.text(
            tags::IMAGE_TYPE,
            if colour.is_some() { "ORIGINAL\\PRIMARY\\ABDOMINAL\\0011" } else { "ORIGINAL\\PRIMARY\\ABDOMINAL\\0001" },
        )
        .text(tags::ACQUISITION_DATE_TIME, format!("{}{}", da(at), tm(at)))
        .empty(tags::PATIENT_ORIENTATION)
        .text(tags::BURNED_IN_ANNOTATION, "YES")
        .text(tags::TRANSDUCER_DATA, "C5-2")
        .text(tags::TRANSDUCER_TYPE, "CURVED LINEAR")
        .number(tags::MECHANICAL_INDEX, 0.9)
        .number(tags::SOFT_TISSUE_THERMAL_INDEX, 0.2)
        .number(tags::DEPTH_OF_SCAN_FIELD, 160.0)
        .code(tags::ANATOMIC_REGION_SEQUENCE, "113345001", "SCT", "Abdomen")
        .number(tags::SAMPLES_PER_PIXEL, 3.0)
        .number(tags::PLANAR_CONFIGURATION, 0.0)
        .number(tags::ROWS, HEIGHT as f64)
        .number(tags::COLUMNS, WIDTH as f64)
        .number(tags::BITS_ALLOCATED, 8.0)
        .number(tags::BITS_STORED, 8.0)
        .number(tags::HIGH_BIT, 7.0)
        .number(tags::PIXEL_REPRESENTATION, 0.0)
        .number(tags::ULTRASOUND_COLOR_DATA_PRESENT, f64::from(u8::from(colour.is_some())));
        let mut regions = vec![region(REGION, 1)];
        if let Some(colour) = colour {
            regions.push(region(bounds(&colour), 2));
        }
        data.items(tags::SEQUENCE_OF_ULTRASOUND_REGIONS, regions);
        data
    }
}

/// One calibrated region; `kind` is 1 for tissue, 2 for colour flow.
fn region([x0, y0, x1, y1]: [usize; 4], kind: u16) -> Dataset {
    let centimetres = f64::from(MILLIMETRES) / 10.0;
    let mut item = Dataset::default();
    item.number(tags::REGION_SPATIAL_FORMAT, 1.0)
        .number(tags::REGION_DATA_TYPE, f64::from(kind))
        // Tissue is opaque; colour lies over it, so both are transparent there (bit 0 of the flags).
        .number(tags::REGION_FLAGS, if kind == 1 { 0.0 } else { 1.0 })
        .number(tags::REGION_LOCATION_MIN_X0, x0 as f64)
        .number(tags::REGION_LOCATION_MIN_Y0, y0 as f64)
        .number(tags::REGION_LOCATION_MAX_X1, x1 as f64)
        .number(tags::REGION_LOCATION_MAX_Y1, y1 as f64)
        .number(tags::PHYSICAL_UNITS_X_DIRECTION, 3.0)
        .number(tags::PHYSICAL_UNITS_Y_DIRECTION, 3.0)
        .number(tags::PHYSICAL_DELTA_X, centimetres)
        .number(tags::PHYSICAL_DELTA_Y, centimetres)
        // The middle of the probe's face, counted from the region's corner.
        .number(tags::REFERENCE_PIXEL_X0, ORIGIN.0 as f64 - x0 as f64)
        .number(tags::REFERENCE_PIXEL_Y0, ORIGIN.1 as f64 - y0 as f64)
        .number(tags::REFERENCE_PIXEL_PHYSICAL_VALUE_X, 0.0)
        .number(tags::REFERENCE_PIXEL_PHYSICAL_VALUE_Y, 0.0)
        .number(tags::TRANSDUCER_FREQUENCY, if kind == 1 { 3500.0 } else { 2500.0 });
    item
}

/// The rectangle around the colour box on the screen.
fn bounds(colour: &ColourBox) -> [usize; 4] {
    let corners = [0.0, 0.25, 0.5, 0.75, 1.0].into_iter().flat_map(|t| {
        let turn = angle(colour.beams.0 as f32 + t * (colour.beams.1 - colour.beams.0) as f32);
        [colour.depths.0, colour.depths.1].map(|depth| {
            let r = FACE + depth;
            on_screen(Spot { u: r * turn.sin(), w: r * turn.cos() - FACE })
        })
    });
    corners.fold([WIDTH, HEIGHT, 0, 0], |[x0, y0, x1, y1], (x, y)| {
        let (x, y) = (x.round() as usize, y.round() as usize);
        [x0.min(x), y0.min(y), x1.max(x), y1.max(y)]
    })
}

/// JPEG Baseline with chroma at half the horizontal resolution: YBR_FULL_422.
fn encoded(picture: &Picture, quality: u8) -> Result<Vec<u8>, SampleError> {
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_1);
    encoder
        .encode(&picture.rgb, WIDTH as u16, HEIGHT as u16, ColorType::Rgb)
        .map_err(|error| SampleError::Encode(error.to_string()))?;
    Ok(jpeg)
}
