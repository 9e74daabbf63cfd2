//! What a walk over an instance yields, the bounds it keeps, and how it refuses.

use std::io;
use std::sync::Arc;

use dicom_core::Tag;

use super::dataset::Dataset;
use super::writing::Writing;

/// Bounds on what a walk keeps and how far it goes. Every figure here is ours; none comes from the file.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest value kept; longer ones are kept as a reference.
    pub value: usize,
    /// The same for LUT and palette data.
    pub table: usize,
    /// Bytes kept in all, values and the cost of their elements together; what comes after is walked but not kept.
    pub total: usize,
    /// Sequences inside sequences.
    pub depth: u32,
    /// Elements, items and delimiters walked.
    pub elements: u64,
    pub fragments: usize,
    /// Bytes that a deflated data set may inflate to.
    pub inflated: u64,
}

/// Bytes that a deflated data set may inflate to, for whoever reads one.
pub const MAX_INFLATED: u64 = 1 << 30;

impl Default for Limits {
    fn default() -> Self {
        Self {
            value: 64 * 1024,
            table: 256 * 1024,
            total: 16 * 1024 * 1024,
            depth: 64,
            elements: 4_000_000,
            fragments: 262_144,
            inflated: MAX_INFLATED,
        }
    }
}

impl Limits {
    /// For the data sets of messages, which were bounded on their way in.
    pub fn message() -> Self {
        Self {
            value: 1024 * 1024,
            table: 1024 * 1024,
            total: 4 * 1024 * 1024,
            depth: 16,
            elements: 32_768,
            fragments: 0,
            inflated: 0,
        }
    }
}

/// Why bytes could not be walked as DICOM. Offsets count from the start of what was walked.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    #[error("neither a DICOM file nor a data set")]
    NotDicom,
    #[error("ends at byte {offset}, inside {tag}")]
    Truncated { offset: u64, tag: Tag },
    #[error("{tag} at byte {offset} claims {length} bytes, more than what holds it")]
    Overrun { offset: u64, tag: Tag, length: u64 },
    #[error("{tag} at byte {offset} where an item should be")]
    NotAnItem { offset: u64, tag: Tag },
    #[error("{tag} at byte {offset} has no length and is no sequence")]
    NoLength { offset: u64, tag: Tag },
    #[error("sequences nested deeper than {0}")]
    TooDeep(u32),
    #[error("more than {0} elements")]
    TooManyElements(u64),
    #[error("more than {0} fragments of pixel data")]
    TooManyFragments(usize),
    #[error("the deflated data set inflates to more than {0} bytes")]
    InflatesTooFar(u64),
    #[error("the deflated data set is damaged")]
    Deflate(#[source] io::Error),
    #[error("reading failed")]
    Io(#[from] io::Error),
}

impl WalkError {
    /// A stable word for the quarantine; the message is for logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotDicom => "not_dicom",
            Self::Truncated { .. } => "truncated",
            Self::Overrun { .. } => "bad_length",
            Self::NotAnItem { .. } => "bad_sequence",
            Self::NoLength { .. } => "bad_length",
            Self::TooDeep(_) => "too_deep",
            Self::TooManyElements(_) | Self::TooManyFragments(_) => "too_many_elements",
            Self::InflatesTooFar(_) => "inflates_too_far",
            Self::Deflate(_) => "bad_deflate",
            Self::Io(_) => "read_failed",
        }
    }

    /// Where and how much, without words, for the quarantine.
    pub fn facts(&self) -> String {
        match self {
            Self::NotDicom | Self::Deflate(_) | Self::Io(_) => String::new(),
            Self::Truncated { offset, tag } | Self::NotAnItem { offset, tag } | Self::NoLength { offset, tag } => {
                format!("{tag} @{offset}")
            }
            Self::Overrun { offset, tag, length } => format!("{tag} @{offset} +{length}"),
            Self::TooDeep(most) => format!(">{most}"),
            Self::TooManyElements(most) | Self::InflatesTooFar(most) => format!(">{most}"),
            Self::TooManyFragments(most) => format!(">{most}"),
        }
    }

    /// A fault of the bytes, which reading again will not mend; otherwise one of the medium.
    pub fn is_permanent(&self) -> bool {
        !matches!(self, Self::Io(_))
    }
}

/// How elements are written (PS3.5 A).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    ImplicitLittle,
    ExplicitLittle,
    ExplicitBig,
}

/// One instance without its pixels.
#[derive(Debug, Clone)]
pub struct Header {
    /// From the file meta; empty where there is none.
    pub transfer_syntax: String,
    /// How the data set turned out to be written, which need not be what the transfer syntax says.
    pub encoding: Encoding,
    pub file_meta: Dataset,
    pub dataset: Dataset,
    pub pixel_data: Option<PixelData>,
    /// Where the data set begins in the file.
    pub dataset_offset: u64,
    /// The data set is deflated; offsets in `dataset` and `pixel_data` then count inflated bytes of the data set.
    pub deflated: bool,
    /// More than [`Limits::total`] was there; what came later was not kept.
    pub shortened: bool,
    /// Sequences of damaged structure that were passed over by their declared length.
    pub damaged: Vec<Tag>,
    /// What was said of its text from outside; none: it is read as it declares, or as it turns out.
    pub written_in: Option<Writing>,
}

impl Header {
    /// The same, its text read as `writing`; as before where that is not known.
    pub fn read_as(mut self, writing: Option<Writing>) -> Self {
        if let Some(writing) = writing {
            self.dataset.is_written_in(&Arc::new(writing.charset()));
            self.written_in = Some(writing);
        }
        self
    }
}

/// (7FE0,0010), (7FE0,0008) or (7FE0,0009): where it is, never what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PixelData {
    pub tag: Tag,
    pub vr: dicom_core::VR,
    /// First byte of the value: of the samples, or of the first item's tag.
    pub offset: u64,
    /// Bytes there, at most what was declared; with delimiters where encapsulated.
    pub length: u64,
    /// The file ended before the value did.
    pub truncated: bool,
    pub encapsulated: Option<Encapsulated>,
}

/// PS3.5 A.4
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encapsulated {
    /// Basic Offset Table: offsets of each frame's first item tag from the first fragment's item tag.
    pub basic_offsets: Vec<u32>,
    /// Extended Offset Table (7FE0,0001), in the same terms.
    pub extended_offsets: Vec<u64>,
    /// Without the offset table's item.
    pub fragments: Vec<Fragment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// First byte of the fragment's value, after its item tag and length.
    pub offset: u64,
    pub length: u32,
}

impl Encapsulated {
    /// The fragments of each frame, as ranges into `fragments`, where tables or counts tell.
    ///
    /// `None`: only the codestreams themselves can tell where a frame begins.
    pub fn frames(&self, frames: usize) -> Option<Vec<std::ops::Range<usize>>> {
        let count = self.fragments.len();
        if frames <= 1 {
            return (count > 0).then(|| std::iter::once(0..count).collect());
        }
        if count == frames {
            return Some((0..count).map(|i| i..i + 1).collect());
        }
        let offsets: Vec<u64> = if self.extended_offsets.len() == frames {
            self.extended_offsets.clone()
        } else if self.basic_offsets.len() == frames {
            self.basic_offsets.iter().map(|&o| u64::from(o)).collect()
        } else {
            return None;
        };
        let base = self.fragments.first()?.offset;
        let starts: Option<Vec<usize>> = offsets
            .iter()
            .map(|&o| self.fragments.binary_search_by_key(&base.checked_add(o)?, |f| f.offset).ok())
            .collect();
        let starts = starts?;
        if starts.first() != Some(&0) || !starts.is_sorted_by(|a, b| a < b) {
            return None;
        }
        let ends = starts.iter().skip(1).copied().chain([count]);
        Some(starts.iter().copied().zip(ends).map(|(a, b)| a..b).collect())
    }
}
