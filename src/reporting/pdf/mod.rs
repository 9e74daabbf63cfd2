//! The signed report on A4, as the township prints it.
//!
//! Owns the page: type, measures, breaking into lines and pages, the QR code. A [`ReportDocument`] of ready strings goes in,
//! PDF/A-2b comes out; equal documents give equal bytes. Never reads a clock, a file or the network, and never fails for a
//! character it cannot draw: that one is printed as its code point and named in [`Rendered::undrawn`].
//!
//! Read on from [`sheet`] (what stands where), [`text`] (lines), [`faces`] (fonts), [`page`] (drawing).

mod document;
mod faces;
mod page;
mod sheet;
mod text;

pub use document::{ReportDocument, Signatory};

/// A finished PDF.
#[derive(Debug)]
pub struct Rendered {
    pub bytes: Vec<u8>,
    pub pages: usize,
    /// Characters neither face has, each once, in order of appearance. Worth a warning in the log, by code point.
    pub undrawn: Vec<char>,
}

#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    #[error("the embedded report font {0} cannot be read")]
    Font(&'static str),
    #[error("the verification address does not fit a QR code: {0}")]
    Qr(#[from] qrcode::types::QrError),
    #[error("the PDF writer refused the document: {0}")]
    Writer(String),
}

/// Sets `document` and writes it.
pub fn render(document: &ReportDocument) -> Result<Rendered, PdfError> {
    let mut faces = faces::Faces::embedded()?;
    let sheets = sheet::compose(document, &mut faces)?;
    let bytes = page::write(&sheets, document)?;
    Ok(Rendered { bytes, pages: sheets.len(), undrawn: faces.into_undrawn() })
}

#[cfg(test)]
mod tests;
