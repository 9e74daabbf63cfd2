//! What the verification page says, in Simplified Chinese and English.

use axum::http::{HeaderMap, header};

pub struct Words {
    pub tag: &'static str,
    /// The other language: its word in the address, its tag, its own name.
    pub other: &'static str,
    pub other_tag: &'static str,
    pub other_name: &'static str,
    pub title: &'static str,
    pub number: &'static str,
    pub code: &'static str,
    pub check: &'static str,
    pub foot: &'static str,
    /// Verdicts: a word, then what it means.
    pub unknown: (&'static str, &'static str),
    pub broken: (&'static str, &'static str),
    pub unavailable: (&'static str, &'static str),
    pub genuine: (&'static str, &'static str),
    pub name: &'static str,
    pub exam: &'static str,
    pub site: &'static str,
    pub at: &'static str,
    pub writer: &'static str,
    pub reviewer: &'static str,
    pub digest: &'static str,
}

pub const ZH: Words = Words {
    tag: "zh-CN",
    other: "en",
    other_tag: "en",
    other_name: "English",
    title: "报告核验",
    number: "报告编号",
    code: "验证码",
    check: "核验",
    foot: "编号与验证码印在报告页脚。本页不显示完整姓名与报告内容。",
    unknown: ("未找到", "没有编号与验证码同时相符的报告。请核对纸质报告页脚后重试。"),
    broken: ("不可信", "编号与验证码相符，但存档内容与签名不一致。请联系影像中心。"),
    unavailable: ("暂时查不了", "影像中心现在无法查询，这不说明报告是真是假。请过几分钟再试。"),
    genuine: ("真实有效", "编号与验证码相符，内容自签名以来没有改动。请与手中报告逐项比对。"),
    name: "姓名",
    exam: "检查项目",
    site: "检查机构",
    at: "检查时间",
    writer: "报告医师",
    reviewer: "审核医师",
    digest: "内容摘要",
};

pub const EN: Words = Words {
    tag: "en",
    other: "zh",
    other_tag: "zh-CN",
    other_name: "中文",
    title: "Report verification",
    number: "Report number",
    code: "Verification code",
    check: "Verify",
    foot: "Number and code are printed at the foot of the report. This page shows neither the full name nor the text.",
    unknown: (
        "Not found",
        "No report has both this number and this code. Compare them with the foot of the paper and try again.",
    ),
    broken: (
        "Not to be trusted",
        "Number and code are right, but what is stored is not what was signed. Please call the imaging center.",
    ),
    unavailable: (
        "Can't be checked now",
        "The imaging center can't look it up at the moment, which says nothing about the report. Try again in a few minutes.",
    ),
    genuine: (
        "Genuine",
        "Number and code are right, and nothing has changed since it was signed. Compare each line with the paper in your hand.",
    ),
    name: "Name",
    exam: "Exam",
    site: "Institution",
    at: "Exam time",
    writer: "Reported by",
    reviewer: "Reviewed by",
    digest: "Digest",
};

/// The language asked for in the address, else Chinese unless the browser's first language is another.
pub fn chosen(asked: &str, headers: &HeaderMap) -> &'static Words {
    match asked {
        "zh" => return &ZH,
        "en" => return &EN,
        _ => {}
    }
    let languages =
        headers.get(header::ACCEPT_LANGUAGE).and_then(|languages| languages.to_str().ok()).unwrap_or_default();
    let first = languages.split([',', ';']).next().unwrap_or_default().trim().to_ascii_lowercase();
    if first.is_empty() || first == "*" || first.starts_with("zh") { &ZH } else { &EN }
}
