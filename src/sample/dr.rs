//! A chest radiograph in two views, Digital X-Ray Image Storage - For Presentation (PS3.3 A.26).
//!
//! The frontal view is stored as MONOCHROME1, the lateral as MONOCHROME2, as such devices mix them; both carry windows
//! and VOI LUTs with names, and the pixel spacing of the detector, not of the patient.

use std::path::{Path, PathBuf};

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};

use super::anatomy::{Arms, Body};
use super::dataset::{Dataset, Packing, coded};
use super::exam::{Exam, Series, later};
use super::film::{self, Film, WHITE};
use super::project::{Beam, Screen, project};
use super::{SampleError, font};

/// One exposure of the study.
struct View {
    number: usize,
    beam: Beam,
    position: &'static str,
    /// View code and meaning (CID 4010).
    code: (&'static str, &'static str),
    orientation: &'static str,
    inverted: bool,
    center: (f32, f32),
    mas: f64,
}

const VIEWS: [View; 2] = [
    View {
        number: 1,
        beam: Beam::Frontal,
        position: "PA",
        code: ("272479007", "postero-anterior"),
        orientation: "L\\F",
        inverted: true,
        center: (0.0, 8.0),
        mas: 2.5,
    },
    View {
        number: 2,
        beam: Beam::Lateral,
        position: "LL",
        code: ("399173006", "left lateral"),
        orientation: "P\\F",
        inverted: false,
        center: (6.0, 8.0),
        mas: 8.0,
    },
];

/// Size of the detector in its own pixels, and their distance.
#[derive(Debug, Clone, Copy)]
pub struct Detector {
    pub columns: usize,
    pub rows: usize,
    pub pixel: f32,
}

/// 35 cm by 42 cm at full resolution.
pub const FULL: Detector = Detector { columns: 2500, rows: 3000, pixel: 0.14 };
/// The same field read out two by two.
pub const BINNED: Detector = Detector { columns: 1250, rows: 1500, pixel: 0.28 };

const SERIES: Series = Series { number: 1, description: "胸部正侧位", protocol: "胸部正侧位" };

/// Writes both views into `folder`; returns their paths.
pub fn write(exam: &Exam, detector: Detector, packing: Packing, folder: &Path) -> Result<Vec<PathBuf>, SampleError> {
    let mut paths = Vec::new();
    for view in &VIEWS {
        let film = expose(exam.seed, exam.person.female, view, detector)?;
        let path = folder.join(format!("dr-{}.dcm", view.number));
        instance(exam, view, detector, film).write_packed(&path, packing, &exam.device.ae_title)?;
        paths.push(path);
    }
    Ok(paths)
}

/// The picture of one view, bright where little arrived, with the side marker in its corner.
fn expose(seed: u64, female: bool, view: &View, detector: Detector) -> Result<Film, SampleError> {
    // For a lateral view the arms are held up.
    let arms = if view.beam == Beam::Frontal { Arms::Hanging } else { Arms::Raised };
    let body = Body::new(seed, female, arms, true, None);
    let pixel = detector.pixel * 2.0;
    let (columns, rows) = (detector.columns / 2, detector.rows / 2);
    let screen = Screen { beam: view.beam, columns, rows, pixel, voxel: pixel.max(1.25), center: view.center };
    let shadow = project(&body, &screen, seed ^ view.number as u64)?;
    let mut film = film::develop(&shadow, pixel, seed ^ view.number as u64);
    // Lead letters at the patient's left: in the upper corner where only air is behind them.
    let scale = (2.2 / detector.pixel) as usize;
    let (x0, y0) = (film.columns - film.columns / 9, film.rows / 24);
    let columns = film.columns;
    font::draw("L", scale, |x, y| film.values[(y0 + y) * columns + x0 + x] = (WHITE * 0.97) as u16);
    Ok(film)
}

fn instance(exam: &Exam, view: &View, detector: Detector, film: Film) -> Dataset {
    let at = later(exam.started, 20.0 + 35.0 * view.number as f64);
    let storage = uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION;
    let mut data = exam.instance(storage, &SERIES, view.number, at);
    data.text(tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY\\")
        .number(tags::ACQUISITION_NUMBER, view.number as f64)
        .text(tags::PRESENTATION_INTENT_TYPE, "FOR PRESENTATION")
        .text(tags::BURNED_IN_ANNOTATION, "NO")
        .text(tags::LOSSY_IMAGE_COMPRESSION, "00")
        .text(tags::ACQUISITION_DEVICE_PROCESSING_DESCRIPTION, "CHEST MFP")
        .empty(tags::ACQUISITION_CONTEXT_SEQUENCE);
    position(&mut data, view);
    detector_module(&mut data, detector, view);
    pixel_module(&mut data, view, &film);
    voi(&mut data, view);
    let stored = match view.inverted {
        true => film.values.iter().map(|v| WHITE as u16 - v).collect(),
        false => film.values,
    };
    data.pixels(stored);
    data
}

fn position(data: &mut Dataset, view: &View) {
    data.text(tags::VIEW_POSITION, view.position)
        .text(tags::PATIENT_ORIENTATION, view.orientation)
        .text(tags::IMAGE_LATERALITY, "U")
        .text(tags::POSITIONER_TYPE, "COLUMN")
        .code(tags::ANATOMIC_REGION_SEQUENCE, "51185008", "SCT", "Chest")
        .code(tags::PATIENT_ORIENTATION_CODE_SEQUENCE, "10904000", "SCT", "erect")
        .code(tags::PATIENT_GANTRY_RELATIONSHIP_CODE_SEQUENCE, "102540001", "SCT", "headfirst");
    let mut code = coded(view.code.0, "SCT", view.code.1);
    code.empty(tags::VIEW_MODIFIER_CODE_SEQUENCE);
    data.items(tags::VIEW_CODE_SEQUENCE, vec![code]);
}

fn detector_module(data: &mut Dataset, detector: Detector, view: &View) {
    let pitch = f64::from((detector.pixel * 1000.0).round()) / 1000.0;
    data.text(tags::DETECTOR_TYPE, "SCINTILLATOR")
        .text(tags::DETECTOR_CONFIGURATION, "AREA")
        .text(tags::DETECTOR_ID, "SYN-FPD-01")
        .numbers(tags::IMAGER_PIXEL_SPACING, &[pitch, pitch])
        .text(tags::FIELD_OF_VIEW_SHAPE, "RECTANGLE")
        .numbers(tags::FIELD_OF_VIEW_DIMENSIONS, &[420.0, 350.0])
        .number(tags::FIELD_OF_VIEW_ROTATION, 0.0)
        .text(tags::FIELD_OF_VIEW_HORIZONTAL_FLIP, if view.beam == Beam::Frontal { "YES" } else { "NO" })
        .numbers(tags::FIELD_OF_VIEW_ORIGIN, &[0.0, 0.0])
        .number(tags::KVP, 110.0)
        .number(tags::EXPOSURE, view.mas.round())
        .number(tags::EXPOSURE_INU_AS, view.mas * 1000.0)
        .number(tags::X_RAY_TUBE_CURRENT, 320.0)
        .number(tags::EXPOSURE_TIME, (view.mas / 0.32).round())
        .number(tags::DISTANCE_SOURCE_TO_DETECTOR, 1800.0)
        .text(tags::EXPOSURE_CONTROL_MODE, "AUTOMATIC")
        .text(tags::GRID, "FIXED\\FOCUSED")
        .number(tags::EXPOSURE_INDEX, 280.0)
        .number(tags::TARGET_EXPOSURE_INDEX, 300.0)
        .number(tags::DEVIATION_INDEX, -0.3);
}

fn pixel_module(data: &mut Dataset, view: &View, film: &Film) {
    data.number(tags::SAMPLES_PER_PIXEL, 1.0)
        .text(tags::PHOTOMETRIC_INTERPRETATION, if view.inverted { "MONOCHROME1" } else { "MONOCHROME2" })
        .text(tags::PRESENTATION_LUT_SHAPE, if view.inverted { "INVERSE" } else { "IDENTITY" })
        .number(tags::ROWS, film.rows as f64)
        .number(tags::COLUMNS, film.columns as f64)
        .number(tags::BITS_ALLOCATED, 16.0)
        .number(tags::BITS_STORED, 14.0)
        .number(tags::HIGH_BIT, 13.0)
        .number(tags::PIXEL_REPRESENTATION, 0.0)
        .text(tags::PIXEL_INTENSITY_RELATIONSHIP, "LOG")
        .number(tags::PIXEL_INTENSITY_RELATIONSHIP_SIGN, if view.inverted { 1.0 } else { -1.0 })
        .number(tags::RESCALE_INTERCEPT, 0.0)
        .number(tags::RESCALE_SLOPE, 1.0)
        .text(tags::RESCALE_TYPE, "US");
}

/// Windows and LUTs with names: the device's presets. All are given in stored values, so MONOCHROME1 mirrors them.
fn voi(data: &mut Dataset, view: &View) {
    let mirrored = |center: f64| if view.inverted { f64::from(WHITE) - center } else { center };
    data.numbers(tags::WINDOW_CENTER, &[mirrored(7800.0), mirrored(5600.0), mirrored(10200.0)])
        .numbers(tags::WINDOW_WIDTH, &[14_800.0, 9600.0, 9000.0])
        .text(tags::WINDOW_CENTER_WIDTH_EXPLANATION, "标准\\肺野\\纵隔与骨");
    let luts = [("标准 S 形", 7800.0, 3300.0), ("高对比", 7400.0, 2300.0)];
    let items = luts.map(|(name, center, slope)| {
        let curve = (0..=WHITE as u32)
            .map(|stored| 65_535.0 / (1.0 + (-(f64::from(stored) - mirrored(center)) / slope).exp()))
            .map(|value| value.round() as u16)
            .collect();
        let mut item = Dataset::default();
        // 16384 entries from 0, 16 bits each.
        item.words(tags::LUT_DESCRIPTOR, VR::US, vec![16_384, 0, 16]).text(tags::LUT_EXPLANATION, name).words(
            tags::LUT_DATA,
            VR::OW,
            curve,
        );
        item
    });
    data.items(tags::VOILUT_SEQUENCE, items.into());
}
