//! What the verification page says, in Simplified Chinese and English.

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
    /// What the page proves, and what only a comparison does.
    pub proves: &'static str,
    pub name: &'static str,
    pub person: &'static str,
    /// How the opinion is shown, and how many characters it has.
    pub opinion: &'static str,
    pub characters: &'static str,
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
    foot: "编号与验证码印在报告页脚。本页不显示完整姓名与报告全文。",
    unknown: ("未找到", "没有编号与验证码同时相符的报告。请核对纸质报告页脚后重试。"),
    broken: ("不可信", "编号与验证码相符，但存档内容与签名不一致。请联系影像中心。"),
    unavailable: ("暂时查不了", "影像中心现在无法查询，这不说明报告是真是假。请过几分钟再试。"),
    genuine: ("确有此报告", "编号与验证码相符，中心存档的报告自签名以来没有改动。请与手中报告逐项比对。"),
    proves: "本页说的是中心存档的报告。纸上的文字可能被人改过：以上各项有一项对不上，或对内容有疑问，请致电影像中心核对原件。早先打印的报告没有印内容摘要。",
    person: "性别、年龄",
    opinion: "诊断意见",
    characters: "共 {} 字",
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
    foot: "Number and code are printed at the foot of the report. This page shows neither the full name nor the whole text.",
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
        "There is such a report",
        "Number and code are right, and the report the center keeps has not changed since it was signed. Compare each line with the paper in your hand.",
    ),
    proves: "This page speaks of the report that the center keeps. The words on a paper can be altered: if any line differs, or you doubt what it says, call the imaging center. Reports printed earlier have no digest.",
    person: "Sex, age",
    opinion: "Impression",
    characters: "{} characters",
    name: "Name",
    exam: "Exam",
    site: "Institution",
    at: "Exam time",
    writer: "Reported by",
    reviewer: "Reviewed by",
    digest: "Digest",
};

/// English where it was asked for in the address, else Chinese: the paper is, and a browser's language is that of whoever sold
/// the machine.
pub fn chosen(asked: &str) -> &'static Words {
    if asked == "en" { &EN } else { &ZH }
}
