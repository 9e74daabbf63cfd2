//! A real browser, driven over the Chrome DevTools Protocol: what people see and type, nothing below it.
//!
//! [`Browser`] owns one headless Chromium with an empty profile; [`Page`] is its one tab. An uncaught error or a message on the
//! console's error channel fails the test at the next step that looks ([`Page::assert_quiet`], and when the page is dropped).

mod cdp;
mod launch;
mod page;
mod selftest;

pub use launch::Browser;
pub use page::Page;
