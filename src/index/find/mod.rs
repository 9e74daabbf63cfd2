//! Studies, series and instances by their attributes (PS3.4 C.2.2.2): one matching for QIDO-RS and C-FIND.
//!
//! Owns which attributes can be matched ([`Key`]) and the SQL that does it: a WHERE clause of the keys that are there and
//! nothing else, so that each engine finds the index that serves them. Knows neither HTTP nor DIMSE. Every search carries
//! the caller's site scope.

pub(super) mod condition;
mod key;
mod levels;
mod names;
mod rows;
#[cfg(test)]
mod tests;
pub(super) mod text;
mod walk;

pub use key::{Key, Keys, Level};
pub use levels::level_of;
pub(super) use names::{add_names, name_the_unnamed};
pub use rows::{
    InstanceFound, Page, RequestFound, SeriesFound, StudyFound, instances, requests_of_series, sample_of_series,
    sample_of_study, series, studies,
};
pub use walk::{PatientFound, classes_of_studies, instances_below, patients_below, series_below, studies_below};
