//! What the reading page and the viewport say to each other.

use std::sync::Arc;

use leptos::prelude::*;
use wire::StudyImages;

/// One study with the words that name it: the unit in which the viewport changes.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewerStudy {
    pub images: Arc<StudyImages>,
    /// Top left, one line each: name; sex, age and id.
    pub who: Vec<String>,
    /// Top right, one line each: site; device.
    pub place: Vec<String>,
    /// When the exam was made, as people read it, for the header strip.
    pub when: String,
    /// A prior, drawn in the prior's colour and labelled so.
    pub prior: bool,
}

/// How far the viewport has come with what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ViewerState {
    /// No study is open.
    #[default]
    Empty,
    /// A study is open, no frame of it is drawn yet.
    Loading,
    /// The frame asked for is on the canvas.
    Ready,
    /// The instance asked for can't be shown; the viewport says why and offers the original.
    Failed,
}

/// What stands between the device's pixels and the screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quality {
    /// Bit for bit what the device sent (◆ 原始无损).
    Lossless,
    /// The device compressed with loss before sending; shown as sent. The ratio where it said so.
    LossyAtSource(Option<f64>),
    /// Less than the device sent: no measuring, no signing (◇ 预览).
    Preview,
}

impl Quality {
    /// The word of the canvas's `data-quality`.
    pub const fn word(self) -> &'static str {
        match self {
            Quality::Lossless => "lossless",
            Quality::LossyAtSource(_) => "lossy-at-source",
            Quality::Preview => "preview",
        }
    }
}

/// The frame on the canvas.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub study: i64,
    pub series: i64,
    pub instance: i64,
    pub uid: String,
    /// From 1.
    pub frame: u32,
    pub quality: Quality,
}

/// One finished measurement, in the words that go into a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    pub instance: i64,
    pub frame: u32,
    /// `9.2 mm`, `1.24 cm`, `143 px`.
    pub text: String,
    /// Where its scale comes from, as people read it.
    pub source: String,
}

/// The reading page's side of one viewport; copy it freely.
#[derive(Debug, Clone, Copy)]
pub struct ViewerHandle {
    state: RwSignal<ViewerState>,
    shown: RwSignal<Option<Shown>>,
    measured: RwSignal<Vec<Measured>>,
    signed_out: RwSignal<bool>,
}

impl ViewerHandle {
    pub fn new() -> Self {
        Self {
            state: RwSignal::default(),
            shown: RwSignal::default(),
            measured: RwSignal::default(),
            signed_out: RwSignal::default(),
        }
    }

    pub fn state(&self) -> ViewerState {
        self.state.get()
    }

    /// A frame of the open study is on the canvas.
    pub fn is_ready(&self) -> bool {
        self.state.get() == ViewerState::Ready
    }

    /// The frame on the canvas; `None` until the first of the open study is drawn.
    pub fn shown(&self) -> Option<Shown> {
        self.shown.get()
    }

    /// What is on the canvas is all the device sent, so that it may be measured and a report on it signed.
    pub fn is_diagnostic(&self) -> bool {
        self.is_ready() && self.shown.with(|s| s.as_ref().is_some_and(|s| s.quality != Quality::Preview))
    }

    /// Measurements of the open study, oldest first.
    pub fn measured(&self) -> Vec<Measured> {
        self.measured.get()
    }

    /// The server refused a frame because it no longer knows who is asking.
    pub fn signed_out(&self) -> bool {
        self.signed_out.get()
    }

    pub(super) fn set_signed_out(&self) {
        // The page may have gone while the answer was on its way.
        self.signed_out.try_set(true);
    }

    pub(super) fn set_state(&self, state: ViewerState) {
        if self.state.get_untracked() != state {
            self.state.set(state);
        }
    }

    pub(super) fn set_shown(&self, shown: Option<Shown>) {
        if self.shown.with_untracked(|now| *now != shown) {
            self.shown.set(shown);
        }
    }

    pub(super) fn set_measured(&self, measured: Vec<Measured>) {
        if self.measured.with_untracked(|now| *now != measured) {
            self.measured.set(measured);
        }
    }
}

impl Default for ViewerHandle {
    fn default() -> Self {
        Self::new()
    }
}
