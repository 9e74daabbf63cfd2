//! What the viewer must know of an image before its pixels, and how the pixels come.

use crate::{message, words};

words! {
    /// In what form frames are delivered.
    pub enum Delivery {
        /// Not made yet; the server renders on demand meanwhile.
        Pending = "pending",
        /// Lossless HTJ2K, resolution-first (`image/jphc`).
        Htj2k = "htj2k",
        /// The device's own JPEG Baseline frames, untouched (`image/jpeg`).
        Jpeg = "jpeg",
        /// Native samples, zlib (`application/vnd.yunying.samples`): little endian, pixel-interleaved.
        Deflate = "deflate",
        /// Stored, but no decoder here can show it; download instead.
        Unavailable = "unavailable",
        /// No pixels in this instance (report, presentation state, ...).
        NoImage = "none",
    }

    /// PS3.3 C.7.6.3.1.2, of the *delivered* samples: YBR is already RGB unless delivered as JPEG.
    pub enum Photometric {
        Monochrome1 = "MONOCHROME1",
        Monochrome2 = "MONOCHROME2",
        Palette = "PALETTE COLOR",
        Rgb = "RGB",
        YbrFull = "YBR_FULL",
        YbrFull422 = "YBR_FULL_422",
    }

    /// PS3.3 C.11.2.1.3
    pub enum VoiFunction { Linear = "LINEAR", LinearExact = "LINEAR_EXACT", Sigmoid = "SIGMOID" }
}

message! {
    /// `GET /api/v1/studies/{study}/images`
    pub struct StudyImages {
        pub study: i64,
        pub study_uid: String,
        /// Instances that came after the report was signed and that nobody has answered for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub late: Vec<i64>,
        pub series: Vec<SeriesImages>,
    }

    pub struct SeriesImages {
        pub series: i64,
        pub uid: String,
        pub number: i32,
        pub modality: String,
        pub description: String,
        pub body_part: String,
        /// In viewing order: by position along the stack normal where there is one, else by instance number.
        pub instances: Vec<InstanceImage>,
    }

    pub struct InstanceImage {
        pub instance: i64,
        pub uid: String,
        pub number: i32,
        pub delivery: Delivery,
        /// Why it is unavailable, or some of its frames are: a stable word, after a space what it is about, e.g.
        /// `no_decoder 1.2.840.10008.1.2.4.102`; empty otherwise.
        pub reason: String,
        pub attrs: Option<ImageAttrs>,
    }

    /// What the display pipeline needs. Frame bytes: `GET /api/v1/instances/{instance}/frames/{n}`, n from 1.
    pub struct ImageAttrs {
        pub rows: u32,
        pub columns: u32,
        pub frames: u32,
        pub samples_per_pixel: u16,
        pub photometric: Photometric,
        pub bits_allocated: u16,
        pub bits_stored: u16,
        pub high_bit: u16,
        pub signed: bool,
        pub rescale_slope: f64,
        pub rescale_intercept: f64,
        /// HU, US (unspecified), OD, ...; empty where absent.
        pub rescale_type: String,
        /// Modality LUT Sequence, instead of slope and intercept.
        pub modality_lut: Option<Lut>,
        pub windows: Vec<VoiWindow>,
        pub voi_function: VoiFunction,
        pub voi_luts: Vec<Lut>,
        pub palette: Option<Palette>,
        /// Pixel Padding Value and Range Limit, as stored values.
        pub padding: Option<(i32, i32)>,
        /// Presentation LUT Shape INVERSE (DX, MG), PS3.3 C.11.6.
        pub inverse: bool,
        /// mm, row spacing then column spacing, in the patient (0028,0030).
        pub pixel_spacing: Option<(f64, f64)>,
        /// mm at the detector (0018,1164), not corrected for magnification.
        pub imager_spacing: Option<(f64, f64)>,
        /// Height over width of one pixel where no spacing is given (0028,0034).
        pub aspect: Option<(u32, u32)>,
        /// Image Position (Patient), mm.
        pub position: Option<[f64; 3]>,
        /// Image Orientation (Patient), row then column cosines.
        pub orientation: Option<[f64; 6]>,
        pub slice_thickness: Option<f64>,
        pub slice_location: Option<f64>,
        pub kvp: Option<f64>,
        pub mas: Option<f64>,
        /// Patient Orientation (0020,0020) of projection images, e.g. L then F.
        pub patient_orientation: String,
        pub laterality: String,
        pub view: String,
        /// Milliseconds a frame; empty: not a clip. One value: the same for all. Else one a frame.
        pub frame_times_ms: Vec<f64>,
        /// Sequence of Ultrasound Regions, PS3.3 C.8.5.5.
        pub regions: Vec<UltrasoundRegion>,
        /// Lossy Image Compression (0028,2110) is 01: loss at the source.
        pub lossy_at_source: bool,
        pub lossy_ratio: Option<f64>,
        /// Overlay planes and burned-in text are said, never guessed.
        pub burned_in: Option<bool>,
        /// What each frame says for itself where they differ (enhanced objects); empty: all frames are as above.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub each_frame: Vec<FrameAttrs>,
    }

    /// Per-Frame Functional Groups (PS3.3 C.7.6.16) as far as a display needs them.
    pub struct FrameAttrs {
        pub rescale_slope: f64,
        pub rescale_intercept: f64,
        pub windows: Vec<VoiWindow>,
        pub pixel_spacing: Option<(f64, f64)>,
        pub position: Option<[f64; 3]>,
        pub orientation: Option<[f64; 6]>,
        pub slice_thickness: Option<f64>,
    }

    pub struct VoiWindow {
        pub center: f64,
        pub width: f64,
        pub explanation: String,
    }

    /// LUT Descriptor and Data, PS3.3 C.11.1.1 and C.11.2.1.1.
    pub struct Lut {
        pub first: i32,
        pub bits: u16,
        pub data: Vec<u16>,
        pub explanation: String,
    }

    /// Palette Color LUTs, expanded, 16 bit; one first value for all three, PS3.3 C.7.6.3.1.5.
    pub struct Palette {
        pub first: i32,
        pub red: Vec<u16>,
        pub green: Vec<u16>,
        pub blue: Vec<u16>,
    }

    /// PS3.3 C.8.5.5.1: pixel bounds inclusive, physical deltas per pixel in the unit code (3 = cm).
    pub struct UltrasoundRegion {
        pub x0: u32,
        pub y0: u32,
        pub x1: u32,
        pub y1: u32,
        pub unit_x: u16,
        pub unit_y: u16,
        pub delta_x: f64,
        pub delta_y: f64,
        pub spatial_format: u16,
        pub data_type: u16,
    }
}

impl ImageAttrs {
    /// One set of attributes for every frame in turn, or a single one where all frames share it.
    pub fn into_frames(mut self) -> Vec<Self> {
        let each_frame = std::mem::take(&mut self.each_frame);
        if each_frame.is_empty() {
            return vec![self];
        }
        let of = |own: FrameAttrs| Self {
            rescale_slope: own.rescale_slope,
            rescale_intercept: own.rescale_intercept,
            windows: own.windows,
            pixel_spacing: own.pixel_spacing,
            position: own.position,
            orientation: own.orientation,
            slice_thickness: own.slice_thickness,
            ..self.clone()
        };
        each_frame.into_iter().map(of).collect()
    }
}
