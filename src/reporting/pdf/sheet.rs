//! What stands where: the head, the flow of text over as many sheets as it takes, the signatures, the foot.
//!
//! Measures follow the design's A4 page. The flow is a list of [`Row`]s, broken between rows: a heading stays with its text, and the
//! signatures never stand alone on a sheet. Key images will be rows between the exam and the findings.

use qrcode::QrCode;

use super::faces::{Face, Faces};
use super::page::{HEIGHT, Mark, Sheet, WIDTH};
use super::text::{self, Line, Style};
use super::{PdfError, ReportDocument, Signatory};

const MARGIN: f32 = 44.0;
const MEASURE: f32 = WIDTH - 2.0 * MARGIN;
/// Where the flow begins below the full head, and below the short one of later sheets.
const FIRST_TOP: f32 = 142.0;
const LATER_TOP: f32 = 66.0;
const FOOT: f32 = HEIGHT - 50.0;
/// The flow ends here; above the signatures on the last sheet.
const BOTTOM: f32 = FOOT - 12.0;
const SIGNATURES: f32 = 118.0;
const QR_SIDE: f32 = 72.0;

const LABEL: Style = Style { face: Face::Text, size: 9.5, grey: 0x55 };
const FACT: Style = Style { face: Face::Text, size: 10.0, grey: 0x11 };
const SMALL: Style = Style { face: Face::Text, size: 8.5, grey: 0x33 };
const HEADING: Style = Style { face: Face::Bold, size: 11.0, grey: 0 };
const BODY: Style = Style { face: Face::Text, size: 10.5, grey: 0 };
const IMPRESSION: Style = Style { face: Face::Bold, size: 12.0, grey: 0 };
const BODY_PITCH: f32 = 17.4;
const IMPRESSION_PITCH: f32 = 19.4;

/// One line's worth of the flow.
#[derive(Default)]
struct Row {
    height: f32,
    /// From the top of the row.
    baseline: f32,
    /// Text and its distance from the left margin.
    parts: Vec<(f32, Line)>,
    ruled: bool,
    /// Never the last row of a sheet.
    with_next: bool,
}

impl Row {
    fn gap(height: f32) -> Self {
        Self { height, ..Self::default() }
    }

    fn rule() -> Self {
        Self { height: 1.0, ruled: true, ..Self::default() }
    }

    fn text(parts: Vec<(f32, Line)>, pitch: f32) -> Self {
        Self { height: pitch, baseline: pitch * 0.72, parts, ..Self::default() }
    }

    fn blank(&self) -> bool {
        self.parts.is_empty() && !self.ruled
    }
}

/// Lays the whole document out.
pub fn compose(document: &ReportDocument, faces: &mut Faces) -> Result<Vec<Sheet>, PdfError> {
    let pages = paginate(flow(document, faces));
    let of = pages.len();
    let mut sheets = Vec::with_capacity(of);
    for (index, rows) in pages.into_iter().enumerate() {
        let mut pen = Pen { faces, sheet: Sheet::default() };
        if index == 0 {
            head(&mut pen, document);
        } else {
            short_head(&mut pen, document);
        }
        place(&mut pen, rows, if index == 0 { FIRST_TOP } else { LATER_TOP });
        if index + 1 == of {
            signatures(&mut pen, document)?;
        }
        foot(&mut pen, document, index + 1, of);
        sheets.push(pen.sheet);
    }
    Ok(sheets)
}

/// Puts marks on one sheet.
struct Pen<'a> {
    faces: &'a mut Faces,
    sheet: Sheet,
}

impl Pen<'_> {
    fn line(&mut self, x: f32, baseline: f32, line: Line) {
        self.sheet.marks.push(Mark::Text { x, baseline, line });
    }

    /// Writes within `width` and returns what was used of it.
    fn text(&mut self, x: f32, baseline: f32, text: &str, style: Style, width: f32) -> f32 {
        let line = text::set_within(self.faces, text, style, width);
        let used = line.width;
        self.line(x, baseline, line);
        used
    }

    fn text_right(&mut self, right: f32, baseline: f32, text: &str, style: Style, width: f32) {
        let line = text::set_within(self.faces, text, style, width);
        self.line(right - line.width, baseline, line);
    }

    /// A small grey label and its value; nothing where there is no value.
    fn fact(&mut self, x: f32, baseline: f32, label: &str, value: &str, style: Style, width: f32) {
        if !value.trim().is_empty() {
            let used = self.text(x, baseline, label, LABEL, width) + 5.0;
            self.text(x + used, baseline, value, style, width - used);
        }
    }

    fn rule(&mut self, x: f32, y: f32, width: f32, thickness: f32, grey: u8) {
        self.sheet.marks.push(Mark::Rule { x, y, width, thickness, grey });
    }
}

fn head(pen: &mut Pen<'_>, document: &ReportDocument) {
    let right = WIDTH - MARGIN;
    let origin = [document.center.as_str(), document.site.as_str()].map(str::trim);
    let origin = origin.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join("  ·  ");
    pen.text(MARGIN, 52.0, &origin, Style { grey: 0x33, ..BODY }, MEASURE - 170.0);
    pen.text(MARGIN, 77.0, &document.title, Style { face: Face::Bold, size: 20.0, grey: 0 }, MEASURE - 170.0);
    let aside = Style { size: 9.5, grey: 0x33, ..FACT };
    pen.text_right(right, 60.0, &format!("报告编号 {}", document.number), aside, 165.0);
    if !document.accession.is_empty() {
        pen.text_right(right, 76.0, &format!("检查号 {}", document.accession), aside, 165.0);
    }
    pen.rule(MARGIN, 91.0, MEASURE, 1.4, 0);

    let columns = [0.0, 148.0, 270.0, 372.0].map(|offset| MARGIN + offset);
    let name = Style { face: Face::Bold, size: 12.5, grey: 0 };
    pen.fact(columns[0], 112.0, "姓名", &document.name, name, 142.0);
    pen.fact(columns[1], 112.0, "性别", &document.sex, FACT, 116.0);
    pen.fact(columns[2], 112.0, "年龄", &document.age, FACT, 96.0);
    pen.fact(columns[3], 112.0, "患者号", &document.pid, FACT, right - columns[3]);
    pen.fact(columns[0], 130.0, "机构", &document.site, FACT, 142.0);
    pen.fact(columns[1], 130.0, "设备", &document.device, FACT, 218.0);
    pen.fact(columns[3], 130.0, "检查时间", &document.exam_time, FACT, right - columns[3]);
    pen.rule(MARGIN, FIRST_TOP, MEASURE, 0.5, 0x99);
}

/// Enough on every later sheet to know whose it is should the sheets come apart.
fn short_head(pen: &mut Pen<'_>, document: &ReportDocument) {
    let who = [&document.name, &document.sex, &document.age].map(|fact| fact.trim());
    let who = who.into_iter().filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join("  ");
    let used = pen.text(MARGIN, 48.0, &document.title, Style { size: 10.5, ..HEADING }, 160.0);
    pen.text(MARGIN + used + 16.0, 48.0, &who, FACT, 150.0);
    let accession =
        if document.accession.is_empty() { String::new() } else { format!("检查号 {}　", document.accession) };
    let numbers = format!("{accession}报告编号 {}", document.number);
    pen.text_right(WIDTH - MARGIN, 48.0, &numbers, SMALL, MEASURE - used - 180.0);
    pen.rule(MARGIN, 56.0, MEASURE, 0.8, 0x33);
}

/// Exam and question, findings, impression.
fn flow(document: &ReportDocument, faces: &mut Faces) -> Vec<Row> {
    let mut rows = vec![Row::gap(9.0)];
    rows.extend(exam(document, faces));
    rows.extend([Row::gap(8.0), Row::rule()]);
    rows.extend(part(faces, "检查所见", &document.findings, BODY, BODY_PITCH));
    rows.extend(part(faces, "诊断意见", &document.impression, IMPRESSION, IMPRESSION_PITCH));
    rows
}

/// What was examined and why; on one row if they fit there.
fn exam(document: &ReportDocument, faces: &mut Faces) -> Vec<Row> {
    let question = text::set_line(faces, "临床问题", LABEL);
    let exam = text::set_line(faces, "检查项目", LABEL);
    let indent = exam.width + 5.0;
    let value = text::set_within(faces, &document.exam, Style { face: Face::Bold, ..FACT }, MEASURE - indent);
    let after_exam = indent + value.width + 22.0;
    let mut parts = if document.exam.trim().is_empty() { Vec::new() } else { vec![(0.0, exam), (indent, value)] };

    if document.question.trim().is_empty() {
        return Vec::from_iter((!parts.is_empty()).then(|| Row::text(parts, BODY_PITCH)));
    }
    let left = if parts.is_empty() { 0.0 } else { after_exam };
    let value = text::set_line(faces, &document.question, FACT);
    if left + question.width + 5.0 + value.width <= MEASURE {
        parts.extend([(left, question), (left + indent, value)]);
        return vec![Row::text(parts, BODY_PITCH)];
    }
    let mut rows = Vec::from_iter((!parts.is_empty()).then(|| Row::text(parts, BODY_PITCH)));
    let mut label = Some(question);
    for line in text::set(faces, document.question.trim(), FACT, MEASURE - indent) {
        let label = label.take().map(|label| (0.0, label));
        rows.push(Row::text(label.into_iter().chain([(indent, line)]).collect(), BODY_PITCH));
    }
    rows
}

/// A heading and its paragraphs; a numbered one hangs from its number.
fn part(faces: &mut Faces, heading: &str, content: &str, style: Style, pitch: f32) -> Vec<Row> {
    let heading = text::set_line(faces, heading, HEADING);
    let mut rows = vec![Row::gap(14.0), Row { with_next: true, ..Row::text(vec![(0.0, heading)], 22.0) }];
    for paragraph in content.trim_end().lines() {
        let (number, rest) = split_number(paragraph);
        let number = text::set_line(faces, number, style);
        let indent = if number.width > 0.0 { number.width + style.size * 0.25 } else { 0.0 };
        let mut number = (indent > 0.0).then_some((0.0, number));
        for line in text::set(faces, rest, style, MEASURE - indent) {
            rows.push(Row::text(number.take().into_iter().chain([(indent, line)]).collect(), pitch));
        }
    }
    rows
}

/// `1. 右肺结节` → `1.` and `右肺结节`. A decimal such as `1.5 cm` is no number of a paragraph.
fn split_number(paragraph: &str) -> (&str, &str) {
    let trimmed = paragraph.trim_start();
    let digits = trimmed.len() - trimmed.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let mark = trimmed[digits..].chars().next().filter(|mark| ".．、)）".contains(*mark));
    match mark {
        Some(mark) if (1..=2).contains(&digits) => {
            let end = digits + mark.len_utf8();
            let rest = &trimmed[end..];
            if rest.starts_with(|c: char| c.is_ascii_digit()) {
                ("", paragraph)
            } else {
                (&trimmed[..end], rest.trim_start())
            }
        }
        _ => ("", paragraph),
    }
}

/// Rows onto sheets. The last sheet also has room for the signatures, and at least two rows stand above them.
fn paginate(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let mut sheets: Vec<Vec<Row>> = Vec::new();
    let mut sheet: Vec<Row> = Vec::new();
    let mut y = FIRST_TOP;
    for row in rows {
        if y + row.height > BOTTOM {
            let held = sheet.iter().rposition(|row| !row.with_next).map_or(sheet.len(), |last| last + 1);
            let next = sheet.split_off(held);
            sheets.push(std::mem::replace(&mut sheet, next));
            y = LATER_TOP + sheet.iter().map(|row| row.height).sum::<f32>();
        }
        // White space at the top of a sheet says nothing.
        if !(sheet.is_empty() && row.blank() && !sheets.is_empty()) {
            y += row.height;
            sheet.push(row);
        }
    }
    if y > BOTTOM - SIGNATURES {
        let mut carried = sheet.len().saturating_sub(2);
        while carried > 0 && sheet[carried - 1].with_next {
            carried -= 1;
        }
        let next = sheet.split_off(carried);
        sheets.push(std::mem::replace(&mut sheet, next));
    }
    sheets.push(sheet);
    sheets
}

fn place(pen: &mut Pen<'_>, rows: Vec<Row>, top: f32) {
    let mut y = top;
    for row in rows {
        for (x, line) in row.parts {
            pen.line(MARGIN + x, y + row.baseline, line);
        }
        if row.ruled {
            pen.rule(MARGIN, y + row.height / 2.0, MEASURE, 0.5, 0x99);
        }
        y += row.height;
    }
}

fn signatures(pen: &mut Pen<'_>, document: &ReportDocument) -> Result<(), PdfError> {
    let top = FOOT - SIGNATURES;
    pen.rule(MARGIN, top, MEASURE, 0.5, 0x99);
    for (signatory, x) in document.signatories.iter().zip([MARGIN, MARGIN + 211.0]) {
        signature(pen, signatory, x, top);
    }
    let code = QrCode::with_error_correction_level(&document.verify_url, qrcode::EcLevel::M)?;
    let x = WIDTH - MARGIN - QR_SIDE;
    let modules = code.to_colors().into_iter().map(|colour| colour == qrcode::Color::Dark).collect();
    pen.sheet.marks.push(Mark::Qr { x, y: top + 14.0, side: QR_SIDE, modules, across: code.width() });
    let caption = text::set_line(pen.faces, "扫码核验报告", SMALL);
    let centred = x + (QR_SIDE - caption.width) / 2.0;
    pen.line(centred, top + 14.0 + QR_SIDE + 14.0, caption);
    Ok(())
}

fn signature(pen: &mut Pen<'_>, signatory: &Signatory, x: f32, top: f32) {
    const WIDE: f32 = 190.0;
    pen.text(x, top + 36.0, &signatory.role, LABEL, WIDE);
    pen.text(x, top + 62.0, &signatory.name, Style { size: 17.0, ..BODY }, WIDE);
    pen.rule(x, top + 73.0, WIDE, 0.8, 0);
    let who = format!("{}　{}", signatory.name, signatory.title);
    pen.text(x, top + 87.0, who.trim(), Style { grey: 0, ..SMALL }, WIDE);
    pen.text(x, top + 101.0, &signatory.when, Style { grey: 0, ..SMALL }, WIDE);
}

fn foot(pen: &mut Pen<'_>, document: &ReportDocument, page: usize, of: usize) {
    pen.rule(MARGIN, FOOT, MEASURE, 0.5, 0xBB);
    let foot = Style { size: 8.0, ..SMALL };
    let (code, digest) = (&document.verification_code, &document.digest);
    let digest = if digest.is_empty() { String::new() } else { format!("，内容摘要 {digest}") };
    let note = format!("供临床医师参考。已电子签名封存，验证码 {code}{digest}，凭报告编号与验证码或扫码核验。");
    pen.text(MARGIN, FOOT + 14.0, &note, foot, MEASURE - 80.0);
    pen.text_right(WIDTH - MARGIN, FOOT + 14.0, &format!("第 {page} 页，共 {of} 页"), foot, 75.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_number_is_told_from_a_measurement() {
        assert_eq!(split_number("1. 右肺结节"), ("1.", "右肺结节"));
        assert_eq!(split_number("12、胆囊结石"), ("12、", "胆囊结石"));
        assert_eq!(split_number("1.5 cm 结节"), ("", "1.5 cm 结节"));
        assert_eq!(split_number("2026. 年"), ("", "2026. 年"));
        assert_eq!(split_number("右肺结节"), ("", "右肺结节"));
    }

    fn text_rows(count: usize) -> Vec<Row> {
        (0..count).map(|_| Row::text(vec![(0.0, Line::default())], BODY_PITCH)).collect()
    }

    #[test]
    fn every_length_of_text_fits_its_sheets_and_leaves_room_for_the_signatures() {
        for count in 1..150 {
            let sheets = paginate(text_rows(count));
            assert_eq!(sheets.iter().map(Vec::len).sum::<usize>(), count);
            for (index, sheet) in sheets.iter().enumerate() {
                let top = if index == 0 { FIRST_TOP } else { LATER_TOP };
                let bottom = if index + 1 == sheets.len() { BOTTOM - SIGNATURES } else { BOTTOM };
                let height: f32 = sheet.iter().map(|row| row.height).sum();
                assert!(top + height <= bottom, "{count} rows, sheet {index}");
                assert!(!sheet.is_empty(), "{count} rows, sheet {index}");
            }
        }
    }

    #[test]
    fn a_heading_is_never_parted_from_its_text() {
        for count in 1..60 {
            let mut rows = text_rows(count);
            rows.extend([Row::gap(14.0), Row { with_next: true, ..text_rows(1).remove(0) }]);
            rows.extend(text_rows(3));
            for sheet in paginate(rows) {
                assert!(!sheet.last().unwrap().with_next, "{count} rows before");
            }
        }
    }
}
