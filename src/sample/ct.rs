//! A plain chest CT with the upper abdomen: a body sampled on slices, with couch, grain and padding.
//!
//! Positions are true: pixel spacing, slice positions and the size of the nodule agree with the model to which
//! [`Scan`] maps them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use dicom_dictionary_std::{tags, uids};

use super::anatomy::{Arms, Body, Detail, Grid, Painter};
use super::dataset::{Dataset, Packing};
use super::exam::{Exam, Series, da, later, tm};
use super::film;
use super::noise::Grain;
use super::project::{Beam, Screen, project};
use super::rng::Rng;
use super::{SampleError, each};

pub const SIDE: usize = 512;

/// How stored values are laid out; scanners differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Two's complement in 16 bits, padding well below air.
    Signed,
    /// 12 bits from 0, padding 0.
    Unsigned,
}

impl Layout {
    const INTERCEPT: i32 = -1024;

    fn padding(self) -> i32 {
        match self {
            Self::Signed => -2000,
            Self::Unsigned => 0,
        }
    }

    fn stored(self, hu: f32) -> u16 {
        let value = hu.round() as i32 - Self::INTERCEPT;
        match self {
            Self::Signed => value.clamp(0, 4095) as i16 as u16,
            Self::Unsigned => value.clamp(1, 4095) as u16,
        }
    }
}

/// One acquisition: a body, where its slices lie, and what the scanner adds.
pub struct Scan {
    pub body: Body,
    pub spacing: f32,
    /// Slice thickness and distance, millimetres.
    pub thickness: f32,
    pub count: usize,
    /// Patient coordinates of the first pixel of the first slice.
    pub origin: [f32; 3],
    layout: Layout,
    grid: Grid,
    grain: Grain,
    sigma: f32,
    seed: u64,
}

/// Where the isocentre lies behind the body's axis.
const CENTER_Y: f32 = 14.0;

impl Scan {
    pub fn new(seed: u64, female: bool, count: usize) -> Self {
        let rng = Rng::new(seed);
        let mut draw = rng.fork("scan");
        let body = Body::new(seed, female, Arms::Raised, false, Some((draw.range(7.5, 12.0), draw.range(5.8, 7.4))));
        let thickness = match count {
            0..=90 => 5.0,
            91..=200 => 2.5,
            _ => 1.25,
        };
        let size = body.build.size;
        // The field of view leaves a margin around this body.
        let spacing = (*draw.pick(&[360.0, 370.0, 380.0]) * size / SIDE as f32 * 1e4).round() / 1e4;
        let length = thickness * count as f32;
        let nodule_z = body.nodule_center().map_or(0.0, |c| c.z * size);
        // From above the apices if that reaches the liver, else around the nodule.
        let top = if length >= 250.0 { 162.0 * size } else { nodule_z + length / 2.0 };
        let top = (top / thickness).round() * thickness;
        let edge = -(SIDE as f32 - 1.0) / 2.0 * spacing;
        let origin = [edge, edge + CENTER_Y, top];
        let step = spacing / size;
        let grid = Grid::new(origin[0] / size, origin[1] / size, step, step, SIDE, SIDE);
        let layout = if draw.below(2) == 0 { Layout::Signed } else { Layout::Unsigned };
        let grain = Grain::new(&mut rng.fork("grain"), 1, 4);
        Self { body, spacing, thickness, count, origin, layout, grid, grain, sigma: draw.range(12.0, 15.0), seed }
    }

    pub fn z(&self, index: usize) -> f32 {
        self.origin[2] - self.thickness * index as f32
    }

    /// Hounsfield units of one slice without grain, averaged over its thickness.
    pub fn slice(&self, painter: &mut Painter, index: usize) -> Vec<f32> {
        // Fewer would show as doubled edges.
        let parts = if self.thickness > 2.5 { 4 } else { 1 };
        let mut mean = vec![0.0; SIDE * SIDE];
        for part in 0..parts {
            let offset = ((part as f32 + 0.5) / parts as f32 - 0.5) * self.thickness;
            painter.paint((self.z(index) + offset) / self.body.build.size);
            mean.iter_mut().zip(&painter.hu).for_each(|(sum, hu)| *sum += hu / parts as f32);
        }
        self.couch(&mut mean);
        mean
    }

    pub fn painter(&self) -> Painter<'_> {
        Painter::new(&self.body, &self.grid, Detail::Full)
    }

    /// A carbon shell with foam inside, hollowed for the back.
    fn couch(&self, hu: &mut [f32]) {
        let size = self.body.build.size;
        let rest = self.body.back() * size + 3.0;
        for row in 0..SIDE {
            let y = self.origin[1] + self.spacing * row as f32;
            for column in 0..SIDE {
                let x = self.origin[0] + self.spacing * column as f32;
                // Distance below the upper and above the lower face: two shallow arcs.
                let upper = y - (rest - x * x / 900.0);
                let lower = rest + 46.0 - x * x / 560.0 - y;
                let depth = upper.min(lower).min(205.0 - x.abs());
                let at = row * SIDE + column;
                if depth > -1.0 && hu[at] < -990.0 {
                    let shell = (1.0 - (depth - 1.1).abs() / 1.3).clamp(0.0, 1.0);
                    hu[at] = if depth > 1.1 { -962.0 } else { -1000.0 } + shell * 930.0;
                }
            }
        }
    }

    /// Stored values of one slice: with grain, and padding outside the reconstructed circle.
    pub fn stored(&self, painter: &mut Painter, index: usize) -> Vec<u16> {
        let hu = self.slice(painter, index);
        let mut draw = Rng::new(self.seed).fork(&format!("slice {index}"));
        let (dx, dy) = (draw.below(1024), draw.below(1024));
        // Shoulders and liver let less through than lungs.
        let solid = hu.iter().filter(|&&h| h > -200.0).count() as f32 / hu.len() as f32;
        let sigma = self.sigma * (0.55 + 1.5 * solid) * (2.5 / self.thickness).sqrt().clamp(0.75, 1.3);
        let half = (SIDE as f32 - 1.0) / 2.0;
        let mut stored = Vec::with_capacity(hu.len());
        for row in 0..SIDE {
            let y = (row as f32 - half) / half;
            let values = &hu[row * SIDE..(row + 1) * SIDE];
            for ((column, &h), noise) in values.iter().enumerate().zip(self.grain.row(row, dx, dy)) {
                let x = (column as f32 - half) / half;
                let r2 = x * x + y * y;
                stored.push(if r2 > 1.0 {
                    self.layout.padding() as i16 as u16
                } else {
                    self.layout.stored(h + noise * sigma * (1.15 - 0.6 * r2))
                });
            }
        }
        stored
    }
}

const SERIES: Series = Series { number: 2, description: "胸部平扫 2.5mm 标准", protocol: "胸部平扫" };

/// Writes the localizer and the series' files into `folder`; returns their paths.
pub fn write(exam: &Exam, slices: usize, packing: Packing, folder: &Path) -> Result<Vec<PathBuf>, SampleError> {
    let scan = Scan::new(exam.seed, exam.person.female, slices);
    let next = AtomicUsize::new(0);
    let mut paths = each(|| {
        let mut painter = scan.painter();
        let mut paths = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= scan.count {
                return Ok(paths);
            }
            let path = folder.join(format!("ct-{:04}.dcm", index + 1));
            let mut data = instance(exam, &scan, index);
            data.pixels(scan.stored(&mut painter, index));
            data.write_packed(&path, packing, &exam.device.ae_title)?;
            paths.push(path);
        }
    })?;
    let path = folder.join("ct-0000-localizer.dcm");
    localizer(exam, &scan)?.write_packed(&path, packing, &exam.device.ae_title)?;
    paths.push(path);
    Ok(paths)
}

const LOCALIZER: Series = Series { number: 1, description: "定位像", protocol: "胸部平扫" };

/// The frontal overview that precedes the scan, in the same frame of reference.
fn localizer(exam: &Exam, scan: &Scan) -> Result<Dataset, SampleError> {
    let (columns, rows, pixel) = (400, 400, 1.0);
    let center = (0.0, 10.0);
    let screen = Screen { beam: Beam::Frontal, columns, rows, pixel, voxel: 2.5, center };
    let shadow = project(&scan.body, &screen, exam.seed)?;
    let soft = film::blurred(&shadow.values, columns, rows, 8);
    let layout = scan.layout;
    // Not Hounsfield units, but on their scale, as scanners show them: from air to the spine.
    let level = |path: f32, around: f32| -1000.0 + 6.5 * path + 9.0 * (path - around);
    let stored = shadow.values.iter().zip(&soft).map(|(&p, &s)| layout.stored(level(p, s))).collect();
    let half = f64::from(pixel) / 2.0;
    let corner = [half - columns as f64 / 2.0, 0.0, f64::from(center.1) + rows as f64 / 2.0 - half];
    let at = later(exam.started, 8.0);
    let mut data = exam.instance(uids::CT_IMAGE_STORAGE, &LOCALIZER, 1, at);
    data.text(tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY\\LOCALIZER")
        .number(tags::ACQUISITION_NUMBER, 0.0)
        .text(tags::PATIENT_POSITION, "HFS")
        .text(tags::FRAME_OF_REFERENCE_UID, exam.frame_of_reference())
        .empty(tags::POSITION_REFERENCE_INDICATOR)
        .numbers(tags::IMAGE_POSITION_PATIENT, &corner)
        .numbers(tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 0.0, -1.0])
        .number(tags::SLICE_THICKNESS, 0.6)
        .numbers(tags::PIXEL_SPACING, &[1.0, 1.0])
        .number(tags::KVP, 120.0);
    pixel_module(&mut data, layout, columns, rows);
    data.text(tags::RESCALE_TYPE, "US").text(tags::WINDOW_CENTER, "80").text(tags::WINDOW_WIDTH, "1900");
    data.pixels(stored);
    Ok(data)
}

fn instance(exam: &Exam, scan: &Scan, index: usize) -> Dataset {
    let series = Series {
        description: match scan.thickness {
            t if t > 4.0 => "胸部平扫 5.0mm 标准",
            t if t > 2.0 => SERIES.description,
            _ => "胸部平扫 1.25mm 标准",
        },
        ..SERIES
    };
    let at = later(exam.started, 40.0 + index as f64 * 0.06);
    let z = exact(scan.z(index));
    let spacing = exact(scan.spacing);
    let mut data = exam.instance(uids::CT_IMAGE_STORAGE, &series, index + 1, at);
    data.text(tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY\\AXIAL")
        .number(tags::ACQUISITION_NUMBER, 1.0)
        .text(tags::PATIENT_POSITION, "HFS")
        .text(tags::FRAME_OF_REFERENCE_UID, exam.frame_of_reference())
        .empty(tags::POSITION_REFERENCE_INDICATOR)
        .numbers(tags::IMAGE_POSITION_PATIENT, &[exact(scan.origin[0]), exact(scan.origin[1]), z])
        .numbers(tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
        .number(tags::SLICE_LOCATION, z)
        .number(tags::SLICE_THICKNESS, f64::from(scan.thickness))
        .number(tags::SPACING_BETWEEN_SLICES, f64::from(scan.thickness))
        .numbers(tags::PIXEL_SPACING, &[spacing, spacing]);
    pixel_module(&mut data, scan.layout, SIDE, SIDE);
    data.stored(tags::PIXEL_PADDING_VALUE, scan.layout == Layout::Signed, scan.layout.padding());
    technique(&mut data, exam, scan);
    data.text(tags::WINDOW_CENTER, "40\\-600\\400")
        .text(tags::WINDOW_WIDTH, "400\\1500\\2000")
        .text(tags::WINDOW_CENTER_WIDTH_EXPLANATION, "纵隔窗\\肺窗\\骨窗");
    data
}

/// The decimal that was meant, to a tenth of a micrometre.
fn exact(millimetres: f32) -> f64 {
    (f64::from(millimetres) * 1e4).round() / 1e4
}

fn pixel_module(data: &mut Dataset, layout: Layout, columns: usize, rows: usize) {
    let signed = layout == Layout::Signed;
    let bits = if signed { 16.0 } else { 12.0 };
    data.number(tags::SAMPLES_PER_PIXEL, 1.0)
        .text(tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2")
        .number(tags::ROWS, rows as f64)
        .number(tags::COLUMNS, columns as f64)
        .number(tags::BITS_ALLOCATED, 16.0)
        .number(tags::BITS_STORED, bits)
        .number(tags::HIGH_BIT, bits - 1.0)
        .number(tags::PIXEL_REPRESENTATION, f64::from(u8::from(signed)))
        .number(tags::RESCALE_INTERCEPT, f64::from(Layout::INTERCEPT))
        .number(tags::RESCALE_SLOPE, 1.0)
        .text(tags::RESCALE_TYPE, "HU");
}

fn technique(data: &mut Dataset, exam: &Exam, scan: &Scan) {
    let started = later(exam.started, 40.0);
    let diameter = exact(scan.spacing) * SIDE as f64;
    data.number(tags::KVP, 120.0)
        .number(tags::X_RAY_TUBE_CURRENT, 180.0)
        .number(tags::EXPOSURE_TIME, 600.0)
        .number(tags::EXPOSURE, 108.0)
        .text(tags::SCAN_OPTIONS, "HELICAL MODE")
        .text(tags::CONVOLUTION_KERNEL, "STANDARD")
        .number(tags::DATA_COLLECTION_DIAMETER, 500.0)
        .number(tags::RECONSTRUCTION_DIAMETER, diameter)
        .number(tags::GANTRY_DETECTOR_TILT, 0.0)
        .number(tags::TABLE_HEIGHT, 162.0)
        .text(tags::ROTATION_DIRECTION, "CW")
        .number(tags::SPIRAL_PITCH_FACTOR, 1.375)
        .number(tags::CTD_IVOL, 7.4)
        .code(tags::CTDI_PHANTOM_TYPE_CODE_SEQUENCE, "113691", "DCM", "IEC Body Dosimetry Phantom")
        .text(tags::ACQUISITION_DATE_TIME, format!("{}{}", da(started), tm(started)));
}
