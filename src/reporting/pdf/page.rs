//! Drawing finished sheets into a PDF.

use krilla::color::luma;
use krilla::configure::{Archival, ConfigurationBuilder};
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::{Document, SerializeSettings};

use super::text::{Line, Run};
use super::{PdfError, ReportDocument};

/// A4 in points.
pub const WIDTH: f32 = 595.28;
pub const HEIGHT: f32 = 841.89;

/// Stroke around a character the bold face lacks, in em; matches the weight of its neighbours.
const EMBOLDENING: f32 = 0.045;

/// One thing on a sheet; coordinates in points from the top left corner.
#[derive(Clone)]
pub enum Mark {
    Text {
        x: f32,
        baseline: f32,
        line: Line,
    },
    /// A horizontal rule.
    Rule {
        x: f32,
        y: f32,
        width: f32,
        thickness: f32,
        grey: u8,
    },
    /// Black squares of a QR code within a square of `side`.
    Qr {
        x: f32,
        y: f32,
        side: f32,
        modules: Vec<bool>,
        across: usize,
    },
}

/// One page.
#[derive(Clone, Default)]
pub struct Sheet {
    pub marks: Vec<Mark>,
}

/// Writes `sheets` as PDF/A-2b.
pub fn write(sheets: &[Sheet], document: &ReportDocument) -> Result<Vec<u8>, PdfError> {
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A2_B)
        .finish()
        .map_err(|error| PdfError::Writer(format!("{error:?}")))?;
    let mut pdf = Document::new_with(SerializeSettings { configuration, ..SerializeSettings::default() });
    for sheet in sheets {
        let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(|| PdfError::Writer("page size".into()))?;
        let mut page = pdf.start_page_with(settings);
        let mut surface = page.surface();
        for mark in &sheet.marks {
            draw(&mut surface, mark);
        }
        surface.finish();
        page.finish();
    }
    pdf.set_metadata(metadata(document));
    pdf.finish().map_err(|error| PdfError::Writer(error.to_string()))
}

/// Title and date; no patient name, which would show up in file lists and search indexes.
fn metadata(document: &ReportDocument) -> Metadata {
    let signed = document.signed.with_time_zone(jiff::tz::TimeZone::UTC);
    let part = |value: i8| u8::try_from(value).unwrap_or(0);
    let date = DateTime::new(u16::try_from(signed.year()).unwrap_or(0))
        .month(part(signed.month()))
        .day(part(signed.day()))
        .hour(part(signed.hour()))
        .minute(part(signed.minute()))
        .second(part(signed.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0);
    Metadata::new()
        .title(format!("{} {}", document.title, document.number))
        .creator("Yunying".into())
        .producer("Yunying".into())
        .language("zh-CN".into())
        .document_id(document.number.clone())
        .creation_date(date)
}

fn draw(surface: &mut Surface<'_>, mark: &Mark) {
    match mark {
        Mark::Text { x, baseline, line } => {
            for run in &line.runs {
                draw_run(surface, run, Point::from_xy(x + run.x, *baseline));
            }
        }
        Mark::Rule { x, y, width, thickness, grey } => {
            fill_rects(surface, *grey, Rect::from_xywh(*x, y - thickness / 2.0, *width, *thickness).into_iter());
        }
        Mark::Qr { x, y, side, modules, across } => {
            let module = side / *across as f32;
            let dark = modules.iter().enumerate().filter(|(_, dark)| **dark);
            let rects = dark.filter_map(|(index, _)| {
                let (column, row) = (index % across, index / across);
                Rect::from_xywh(x + column as f32 * module, y + row as f32 * module, module, module)
            });
            fill_rects(surface, 0, rects);
        }
    }
}

fn draw_run(surface: &mut Surface<'_>, run: &Run, start: Point) {
    let colour = luma::Color::new(run.style.grey);
    surface.set_fill(Some(Fill { paint: colour.into(), ..Fill::default() }));
    let width = run.style.size * EMBOLDENING;
    surface.set_stroke(run.emboldened.then(|| Stroke { paint: colour.into(), width, ..Stroke::default() }));
    surface.draw_glyphs(start, &run.glyphs, run.font.clone(), &run.text, run.style.size, false);
    surface.set_stroke(None);
}

/// One path for all, so that neighbouring squares show no seams.
fn fill_rects(surface: &mut Surface<'_>, grey: u8, rects: impl Iterator<Item = Rect>) {
    let mut path = PathBuilder::new();
    rects.for_each(|rect| path.push_rect(rect));
    if let Some(path) = path.finish() {
        surface.set_fill(Some(Fill { paint: luma::Color::new(grey).into(), ..Fill::default() }));
        surface.draw_path(&path);
    }
}
