//! What a display needs to know of an image, read from its header: [`wire::ImageAttrs`].
//!
//! Enhanced multi-frame objects keep most of it in functional groups (PS3.3 C.7.6.16), see [`super::groups`]: a frame's own
//! group counts before the shared one, and both before the top level.

use wire::{FrameAttrs, ImageAttrs, Photometric, UltrasoundRegion, VoiFunction, VoiWindow};

use super::groups::{Groups, frames};
use super::palette::{lut, palette};
use super::{Dataset, Header, tags, uids};

/// Most windows, LUTs or regions kept of one image.
const FEW: usize = 32;

/// `None` where there are no pixels, or where nothing says how they lie.
pub fn image_attrs(header: &Header) -> Option<ImageAttrs> {
    let set = &header.dataset;
    let layout = Layout::of(header)?;
    let signed = layout.signed;
    let groups = Groups::new(set, frames(set).first());
    let first = frame_attrs(&groups);
    Some(ImageAttrs {
        rows: layout.rows.into(),
        columns: layout.columns.into(),
        frames: layout.frames,
        samples_per_pixel: layout.samples,
        photometric: layout.photometric,
        // Single bits are delivered one a byte.
        bits_allocated: layout.allocated.max(8),
        bits_stored: layout.stored,
        // Samples are delivered cut to their stored bits.
        high_bit: layout.stored - 1,
        signed,
        rescale_slope: first.rescale_slope,
        rescale_intercept: first.rescale_intercept,
        rescale_type: groups.text(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, tags::RESCALE_TYPE),
        modality_lut: set.item(tags::MODALITY_LUT_SEQUENCE).and_then(|item| lut(item, signed)),
        windows: first.windows.clone(),
        voi_function: voi_function(&groups.text(tags::FRAME_VOILUT_SEQUENCE, tags::VOILUT_FUNCTION)),
        voi_luts: set.sequence(tags::VOILUT_SEQUENCE).iter().take(FEW).filter_map(|item| lut(item, signed)).collect(),
        palette: if layout.photometric == Photometric::Palette { palette(set, signed) } else { None },
        padding: padding(set),
        inverse: set.uid(tags::PRESENTATION_LUT_SHAPE) == Some("INVERSE"),
        pixel_spacing: first.pixel_spacing,
        imager_spacing: array::<2>(&set.floats(tags::IMAGER_PIXEL_SPACING)).and_then(spacing),
        aspect: aspect(set),
        position: first.position,
        orientation: first.orientation,
        slice_thickness: first.slice_thickness,
        slice_location: set.float(tags::SLICE_LOCATION),
        kvp: set.float(tags::KVP),
        mas: exposure(set),
        patient_orientation: set.texts(tags::PATIENT_ORIENTATION).join("\\"),
        laterality: set.text(tags::IMAGE_LATERALITY).or_else(|| set.text(tags::LATERALITY)).unwrap_or_default(),
        view: view(set),
        frame_times_ms: frame_times(set, layout.frames),
        regions: regions(set),
        lossy_at_source: is_lossy(header),
        lossy_ratio: set.floats(tags::LOSSY_IMAGE_COMPRESSION_RATIO).into_iter().reduce(|a, b| a * b),
        burned_in: burned_in(set),
        each_frame: each_frame(set, layout.frames, &first),
    })
}

/// How the samples lie (PS3.3 C.7.6.3), as far as the header says.
struct Layout {
    rows: u16,
    columns: u16,
    frames: u32,
    samples: u16,
    allocated: u16,
    stored: u16,
    signed: bool,
    photometric: Photometric,
}

impl Layout {
    fn of(header: &Header) -> Option<Self> {
        // Float and double samples are no grey values that anything here could show.
        header.pixel_data.as_ref().filter(|pixels| pixels.tag == tags::PIXEL_DATA)?;
        let set = &header.dataset;
        let small = |tag| set.int(tag).and_then(|n| u16::try_from(n).ok()).filter(|&n| n > 0);
        let samples = small(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
        let allocated = small(tags::BITS_ALLOCATED)?;
        Some(Self {
            rows: small(tags::ROWS)?,
            columns: small(tags::COLUMNS)?,
            frames: frame_count(set),
            samples,
            allocated,
            stored: small(tags::BITS_STORED).filter(|&n| n <= allocated).unwrap_or(allocated),
            signed: set.int(tags::PIXEL_REPRESENTATION) == Some(1),
            photometric: delivered_photometric(header, samples),
        })
    }
}

fn voi_function(word: &str) -> VoiFunction {
    match word {
        "LINEAR_EXACT" => VoiFunction::LinearExact,
        "SIGMOID" => VoiFunction::Sigmoid,
        _ => VoiFunction::Linear,
    }
}

fn burned_in(set: &Dataset) -> Option<bool> {
    match set.uid(tags::BURNED_IN_ANNOTATION) {
        Some("YES") => Some(true),
        Some("NO") => Some(false),
        _ => None,
    }
}

/// What one frame says for itself.
fn frame_attrs(groups: &Groups) -> FrameAttrs {
    let transform = tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE;
    let measures = tags::PIXEL_MEASURES_SEQUENCE;
    FrameAttrs {
        rescale_slope: groups.float(transform, tags::RESCALE_SLOPE).filter(|&slope| slope != 0.0).unwrap_or(1.0),
        rescale_intercept: groups.float(transform, tags::RESCALE_INTERCEPT).unwrap_or(0.0),
        windows: windows(groups),
        pixel_spacing: groups.array::<2>(measures, tags::PIXEL_SPACING).and_then(spacing),
        position: groups.array(tags::PLANE_POSITION_SEQUENCE, tags::IMAGE_POSITION_PATIENT),
        orientation: groups.array(tags::PLANE_ORIENTATION_SEQUENCE, tags::IMAGE_ORIENTATION_PATIENT),
        slice_thickness: groups.float(measures, tags::SLICE_THICKNESS),
    }
}

/// Empty where every frame says what the first does, or where not every frame has its group: then nothing is certain.
fn each_frame(set: &Dataset, count: u32, first: &FrameAttrs) -> Vec<FrameAttrs> {
    let own = frames(set);
    if count < 2 || own.len() != count as usize {
        return Vec::new();
    }
    let all: Vec<FrameAttrs> = own.iter().map(|frame| frame_attrs(&Groups::new(set, Some(frame)))).collect();
    if all.iter().all(|frame| frame == first) { Vec::new() } else { all }
}

/// Number of Frames, never less than one, never more than a viewer could page through.
pub fn frame_count(set: &Dataset) -> u32 {
    set.int(tags::NUMBER_OF_FRAMES).and_then(|n| u32::try_from(n).ok()).map_or(1, |n| n.clamp(1, 1_000_000))
}

/// Frames reach the browser as the device's own JPEG: baseline, eight bits, and in colours that a browser takes for granted.
pub fn delivered_as_jpeg(header: &Header) -> bool {
    let set = &header.dataset;
    let encapsulated = header.pixel_data.as_ref().is_some_and(|p| p.encapsulated.is_some());
    let photometric = set.uid(tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_default();
    header.transfer_syntax == uids::JPEG_BASELINE8_BIT
        && encapsulated
        && set.int(tags::BITS_ALLOCATED) == Some(8)
        && matches!(photometric, "MONOCHROME1" | "MONOCHROME2" | "YBR_FULL" | "YBR_FULL_422")
}

/// What the samples of a compressed image are once decoded, where that is not what its header says: codecs undo their own
/// colour transforms, and every decoded pixel has chrominances of its own (PS3.3 C.7.6.3.1.2). YBR stays YBR.
///
/// Decoded samples are also interleaved: their Planar Configuration is 0.
pub fn decoded_photometric(header: &Header) -> Option<&'static str> {
    header.pixel_data.as_ref().filter(|pixels| pixels.encapsulated.is_some())?;
    match header.dataset.uid(tags::PHOTOMETRIC_INTERPRETATION) {
        Some("YBR_RCT" | "YBR_ICT") => Some("RGB"),
        Some("YBR_FULL_422") => Some("YBR_FULL"),
        _ => None,
    }
}

fn delivered_photometric(header: &Header, samples: u16) -> Photometric {
    let stated = header.dataset.uid(tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_default();
    match stated {
        "MONOCHROME1" => Photometric::Monochrome1,
        "PALETTE COLOR" => Photometric::Palette,
        "YBR_FULL" if delivered_as_jpeg(header) => Photometric::YbrFull,
        "YBR_FULL_422" if delivered_as_jpeg(header) => Photometric::YbrFull422,
        _ if samples >= 3 => Photometric::Rgb,
        _ => Photometric::Monochrome2,
    }
}

pub(super) fn array<const N: usize>(values: &[f64]) -> Option<[f64; N]> {
    values.first_chunk().copied()
}

/// Zero or negative distances are no distances.
fn spacing([rows, columns]: [f64; 2]) -> Option<(f64, f64)> {
    (rows > 0.0 && columns > 0.0).then_some((rows, columns))
}

/// Window Center and Width in pairs (PS3.3 C.11.2.1.2).
fn windows(groups: &Groups) -> Vec<VoiWindow> {
    let voi = tags::FRAME_VOILUT_SEQUENCE;
    let explanations = groups.texts(voi, tags::WINDOW_CENTER_WIDTH_EXPLANATION);
    let (centers, widths) = (groups.floats(voi, tags::WINDOW_CENTER), groups.floats(voi, tags::WINDOW_WIDTH));
    let pairs = centers.into_iter().zip(widths).take(FEW).enumerate();
    pairs
        .filter(|(_, (_, width))| *width > 0.0)
        .map(|(i, (center, width))| VoiWindow {
            center,
            width,
            explanation: explanations.get(i).cloned().unwrap_or_default(),
        })
        .collect()
}

/// Pixel Padding Value and Range Limit (PS3.3 C.7.5.1.1.2), low then high.
fn padding(set: &Dataset) -> Option<(i32, i32)> {
    let value = i32::try_from(set.int(tags::PIXEL_PADDING_VALUE)?).ok()?;
    let limit = set.int(tags::PIXEL_PADDING_RANGE_LIMIT).and_then(|n| i32::try_from(n).ok()).unwrap_or(value);
    Some((value.min(limit), value.max(limit)))
}

fn aspect(set: &Dataset) -> Option<(u32, u32)> {
    let [vertical, horizontal] = *set.ints(tags::PIXEL_ASPECT_RATIO).first_chunk()?;
    let aspect = (u32::try_from(vertical).ok()?, u32::try_from(horizontal).ok()?);
    (aspect.0 > 0 && aspect.1 > 0).then_some(aspect)
}

/// mAs, whichever of three attributes has it.
fn exposure(set: &Dataset) -> Option<f64> {
    set.float(tags::EXPOSURE)
        .or_else(|| set.float(tags::EXPOSURE_INU_AS).map(|micro| micro / 1000.0))
        .or_else(|| Some(set.float(tags::X_RAY_TUBE_CURRENT)? * set.float(tags::EXPOSURE_TIME)? / 1000.0))
        .filter(|&mas| mas > 0.0)
}

fn view(set: &Dataset) -> String {
    let coded = || set.item(tags::VIEW_CODE_SEQUENCE).and_then(|item| item.text(tags::CODE_MEANING));
    set.text(tags::VIEW_POSITION).or_else(coded).unwrap_or_default()
}

/// How long each frame is shown. A Frame Time Vector holds the time from the frame before, so its first is not used.
fn frame_times(set: &Dataset, frames: u32) -> Vec<f64> {
    if frames < 2 {
        return Vec::new();
    }
    let vector = set.floats(tags::FRAME_TIME_VECTOR);
    if vector.len() == frames as usize && vector[1..].iter().all(|&ms| ms > 0.0) {
        let mut times = vector[1..].to_vec();
        times.extend(times.last().copied());
        return times;
    }
    let rate = |tag| set.float(tag).filter(|&fps| fps > 0.0).map(|fps| 1000.0 / fps);
    let time = set.float(tags::FRAME_TIME).filter(|&ms| ms > 0.0);
    let time = time.or_else(|| rate(tags::CINE_RATE)).or_else(|| rate(tags::RECOMMENDED_DISPLAY_FRAME_RATE));
    time.into_iter().collect()
}

/// Sequence of Ultrasound Regions (PS3.3 C.8.5.5).
fn regions(set: &Dataset) -> Vec<UltrasoundRegion> {
    set.sequence(tags::SEQUENCE_OF_ULTRASOUND_REGIONS).iter().take(FEW).filter_map(region).collect()
}

fn region(item: &Dataset) -> Option<UltrasoundRegion> {
    let place = |tag| item.int(tag).and_then(|n| u32::try_from(n).ok());
    let code = |tag| item.int(tag).and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
    Some(UltrasoundRegion {
        x0: place(tags::REGION_LOCATION_MIN_X0)?,
        y0: place(tags::REGION_LOCATION_MIN_Y0)?,
        x1: place(tags::REGION_LOCATION_MAX_X1)?,
        y1: place(tags::REGION_LOCATION_MAX_Y1)?,
        unit_x: code(tags::PHYSICAL_UNITS_X_DIRECTION),
        unit_y: code(tags::PHYSICAL_UNITS_Y_DIRECTION),
        delta_x: item.float(tags::PHYSICAL_DELTA_X).unwrap_or(0.0),
        delta_y: item.float(tags::PHYSICAL_DELTA_Y).unwrap_or(0.0),
        spatial_format: code(tags::REGION_SPATIAL_FORMAT),
        data_type: code(tags::REGION_DATA_TYPE),
    })
}

/// Said by the device, or certain from a codec that has no lossless form.
fn is_lossy(header: &Header) -> bool {
    header.dataset.uid(tags::LOSSY_IMAGE_COMPRESSION) == Some("01")
        || matches!(header.transfer_syntax.as_str(), uids::JPEG_BASELINE8_BIT | uids::JPEG_EXTENDED12_BIT)
}
