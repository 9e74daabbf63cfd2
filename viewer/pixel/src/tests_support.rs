//! The plainest image attributes, for tests to change one thing at a time.

use wire::{ImageAttrs, Photometric, VoiFunction};

pub(crate) fn attrs(columns: u32, rows: u32, bits: u16) -> ImageAttrs {
    ImageAttrs {
        rows,
        columns,
        frames: 1,
        samples_per_pixel: 1,
        photometric: Photometric::Monochrome2,
        bits_allocated: bits,
        bits_stored: bits,
        high_bit: bits - 1,
        signed: false,
        rescale_slope: 1.0,
        rescale_intercept: 0.0,
        rescale_type: String::new(),
        modality_lut: None,
        windows: Vec::new(),
        voi_function: VoiFunction::Linear,
        voi_luts: Vec::new(),
        palette: None,
        padding: None,
        inverse: false,
        pixel_spacing: None,
        imager_spacing: None,
        aspect: None,
        position: None,
        orientation: None,
        slice_thickness: None,
        slice_location: None,
        kvp: None,
        mas: None,
        patient_orientation: String::new(),
        laterality: String::new(),
        view: String::new(),
        frame_times_ms: Vec::new(),
        regions: Vec::new(),
        lossy_at_source: false,
        lossy_ratio: None,
        burned_in: None,
    }
}
