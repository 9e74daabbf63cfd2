//! Modality performed procedure steps (PS3.4 annex F), as a modality tells of them.

/// Performed Procedure Step Status (PS3.3 C.4.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    InProgress,
    Completed,
    Discontinued,
}

impl StepState {
    pub const fn word(self) -> &'static str {
        match self {
            Self::InProgress => "IN PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Discontinued => "DISCONTINUED",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        [Self::InProgress, Self::Completed, Self::Discontinued].into_iter().find(|state| state.word() == word)
    }
}

/// What a step is made for: an item of its Scheduled Step Attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledStep {
    pub study_uid: String,
    pub accession: String,
}

/// A step as it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStep {
    pub uid: String,
    pub patient_id: String,
    /// At least one.
    pub scheduled: Vec<ScheduledStep>,
    /// That it has made already.
    pub instances: i64,
}

/// What becomes of a step; `None`: nothing is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepChange {
    pub state: Option<StepState>,
    /// That it has made so far, all of them.
    pub instances: Option<i64>,
}
