//! How soon a report is due, by what was examined and how urgent it is.

use std::time::Duration;

use super::{Micros, Urgency, lane};

/// Whether instances of this modality are read by a specialist; reports, marks and plans are not.
pub fn is_read(modality: &str) -> bool {
    !matches!(
        modality,
        "" | "SR"
            | "PR"
            | "KO"
            | "DOC"
            | "REG"
            | "SEG"
            | "FID"
            | "RWV"
            | "STAIN"
            | "AU"
            | "HD"
            | "SMR"
            | "PLAN"
            | "RTSTRUCT"
            | "RTPLAN"
            | "RTDOSE"
            | "RTRECORD"
            | "RTINTENT"
            | "RTSEGANN"
            | "ANN"
            | "M3D"
    )
}

/// Minutes from complete to signed that the center promises, for STAT, urgent and routine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Target {
    pub stat: u16,
    pub urgent: u16,
    pub routine: u16,
}

/// The center's promises. The defaults are those of the demo county.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Targets {
    pub dr: Target,
    pub us: Target,
    /// CT, and whatever has no promise of its own.
    pub ct: Target,
}

impl Default for Targets {
    fn default() -> Self {
        let projection = Target { stat: 8, urgent: 10, routine: 20 };
        Self { dr: projection, us: projection, ct: Target { stat: 25, urgent: 40, routine: 60 } }
    }
}

impl Targets {
    pub fn of(&self, modality: &str, urgency: Urgency) -> Duration {
        let target = match lane(modality) {
            "DR" => self.dr,
            "US" => self.us,
            _ => self.ct,
        };
        let minutes = match urgency {
            Urgency::Stat => target.stat,
            Urgency::Urgent => target.urgent,
            Urgency::Routine => target.routine,
        };
        Duration::from_secs(u64::from(minutes) * 60)
    }

    /// When the signed report is due for a study complete at `complete`.
    pub fn due(&self, modality: &str, urgency: Urgency, complete: Micros) -> Micros {
        complete + self.of(modality, urgency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_chest_radiograph_is_due_in_eight_minutes_whatever_code_its_device_uses() {
        let targets = Targets::default();
        for code in ["CR", "DX", "DR"] {
            let due = targets.due(code, Urgency::Stat, Micros::from_seconds(1_000));
            assert_eq!(due, Micros::from_seconds(1_000 + 8 * 60));
        }
        assert_eq!(targets.of("CT", Urgency::Routine), Duration::from_secs(3_600));
        assert_eq!(targets.of("US", Urgency::Urgent), Duration::from_secs(600));
    }
}
