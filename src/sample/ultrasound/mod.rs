//! Abdominal ultrasound: a curved array over the right upper abdomen, its echoes, and the screen they are shown on.

pub mod beam;
pub mod scene;
pub mod screen;
