//! What the page says, as strings ready to print.

/// Everything on the page. Times are already in the center's zone and in the form people read; an empty string is a fact
/// nobody recorded, and its label is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportDocument {
    /// 示例县县域医共体影像中心
    pub center: String,
    /// The institution that made the exam.
    pub site: String,
    /// CT 诊断报告
    pub title: String,
    /// The report's own number, e.g. `YY20261122-000123`; `-2` and so on for later versions.
    pub number: String,
    pub accession: String,
    pub name: String,
    pub sex: String,
    pub age: String,
    pub pid: String,
    pub device: String,
    pub exam_time: String,
    /// 胸部 CT 平扫
    pub exam: String,
    /// The clinical question.
    pub question: String,
    pub findings: String,
    pub impression: String,
    /// In the order they signed: one, or writer and reviewer.
    pub signatories: Vec<Signatory>,
    /// Grouped for reading, e.g. `7F3K-29QD-XXXX`.
    pub verification_code: String,
    /// The first digits of the signed content's digest; empty: none is printed.
    pub digest: String,
    /// What the QR code holds: the verification page with number and code, nothing else.
    pub verify_url: String,
    /// When the last signature was given: the document's date.
    pub signed: jiff::Zoned,
}

/// One named, timed signature.
#[derive(Debug, Clone, PartialEq)]
pub struct Signatory {
    /// 报告医师, 审核医师
    pub role: String,
    pub name: String,
    /// 主治医师
    pub title: String,
    /// 2026-11-20 10:16 签署
    pub when: String,
}
