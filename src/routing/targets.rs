//! How soon a report is due.

use std::time::Duration;

use crate::domain::Urgency;

/// From complete to signed, by modality and urgency: CT and MR 25/40/60 minutes, everything else 8/10/20.
pub fn target(modality: &str, urgency: Urgency) -> Duration {
    let minutes = match (modality, urgency) {
        ("CT" | "MR", Urgency::Stat) => 25,
        ("CT" | "MR", Urgency::Urgent) => 40,
        ("CT" | "MR", Urgency::Routine) => 60,
        (_, Urgency::Stat) => 8,
        (_, Urgency::Urgent) => 10,
        (_, Urgency::Routine) => 20,
    };
    Duration::from_secs(minutes * 60)
}
