//! Small parts every page is made of.

mod chip;
mod copy;
mod countdown;
mod dialog;
mod icon;
mod journey;
mod keys;
mod number;
mod states;
mod top;

pub use chip::urgency_chip;
pub use copy::copy_button;
pub use countdown::{figure, time_left};
pub use dialog::Dialog;
pub use icon::icon;
pub use journey::{JOURNEY_HEADS, journey};
pub use keys::{KeyLine, KeysOverlay};
pub use number::number;
pub use states::{empty, failed, loading_rows};
pub use top::{LineMark, PersonMenu, TopBar};
