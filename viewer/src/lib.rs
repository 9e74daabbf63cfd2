//! The application in the browser.

pub mod viewport;
