//! From sealed content to the page: the words a township reads.
//!
//! Only what was signed is printed, so the page can be made again from the content alone and comes out the same.

use super::pdf::{ReportDocument, Signatory};
use crate::domain::{Micros, Sex};
use crate::signing::{ReportContent, SignedBy, numbers};

/// What the page needs beside the content.
#[derive(Debug, Clone)]
pub struct Place {
    /// The center's time zone.
    pub zone: jiff::tz::TimeZone,
    /// Where the verification page is reached from outside, e.g. `https://imaging.example.cn`; no slash at the end.
    pub base: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the content has no number, no signature or an impossible time")]
pub struct Unfinished;

/// The document of a finished report; `code` is its verification code without separators.
pub fn document(content: &ReportContent, code: &str, place: &Place) -> Result<ReportDocument, Unfinished> {
    let number = content.number.clone().ok_or(Unfinished)?;
    let last = content.signatures.last().ok_or(Unfinished)?;
    let (patient, exam) = (&content.patient, &content.exam);
    Ok(ReportDocument {
        center: content.center.clone(),
        site: content.site.clone(),
        title: title(&exam.modality).into(),
        verify_url: format!("{}/verify?n={number}&c={code}", place.base),
        number,
        accession: exam.accession.clone(),
        name: patient.name.clone(),
        sex: sex(&patient.sex).into(),
        age: patient.age.clone(),
        pid: patient.pid.clone(),
        device: exam.device.clone(),
        exam_time: minutes(Micros(exam.at_us), place).ok_or(Unfinished)?,
        exam: examined(&exam.description, &exam.modality, &exam.body_part),
        question: exam.question.clone(),
        findings: content.findings.clone(),
        impression: content.impression.clone(),
        signatories: content
            .signatures
            .iter()
            .map(|by| signatory(by, last, place))
            .collect::<Option<_>>()
            .ok_or(Unfinished)?,
        verification_code: numbers::grouped(code),
        digest: content.short_digest().unwrap_or_default(),
        signed: at(Micros(last.at_us), place).ok_or(Unfinished)?,
    })
}

fn signatory(by: &SignedBy, last: &SignedBy, place: &Place) -> Option<Signatory> {
    let role = if by.role == "reviewer" { "审核医师" } else { "报告医师" };
    let act = if by == last { "签署" } else { "提交" };
    let when = format!("{} {act}", minutes(Micros(by.at_us), place)?);
    Some(Signatory { role: role.into(), name: by.name.clone(), title: by.title.clone(), when })
}

fn at(time: Micros, place: &Place) -> Option<jiff::Zoned> {
    Some(jiff::Timestamp::from_microsecond(time.0).ok()?.to_zoned(place.zone.clone()))
}

/// 2026-11-20 10:16
pub fn minutes(time: Micros, place: &Place) -> Option<String> {
    Some(at(time, place)?.strftime("%Y-%m-%d %H:%M").to_string())
}

fn title(modality: &str) -> &'static str {
    match modality {
        "CT" => "CT 诊断报告",
        "DX" | "CR" | "DR" => "DR 诊断报告",
        "US" => "超声诊断报告",
        "MR" => "MR 诊断报告",
        "MG" => "乳腺 X 线诊断报告",
        "ES" => "内镜诊断报告",
        _ => "影像诊断报告",
    }
}

/// An age as it is signed and printed: reports are in Chinese.
pub fn age(age: Option<wire::Age>) -> String {
    let Some(wire::Age { count, unit }) = age else { return String::new() };
    let unit = match unit {
        wire::AgeUnit::Year => "岁",
        wire::AgeUnit::Month => "月",
        wire::AgeUnit::Week => "周",
        wire::AgeUnit::Day => "天",
    };
    format!("{count} {unit}")
}

pub fn sex(word: &str) -> &'static str {
    match Sex::from_word(word) {
        Some(Sex::Male) => "男",
        Some(Sex::Female) => "女",
        Some(Sex::Other) => "其他",
        Some(Sex::Unknown) | None => "",
    }
}

/// What the device calls the exam, else what it says of it.
fn examined(description: &str, modality: &str, body_part: &str) -> String {
    if description.trim().is_empty() {
        format!("{modality} {body_part}").trim().to_owned()
    } else {
        description.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::content::tests::chest_ct;

    fn place() -> Place {
        let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
        Place { zone, base: "https://imaging.example.cn".into() }
    }

    #[test]
    fn times_are_the_centers_and_the_code_is_the_only_secret_in_the_address() {
        let document = document(&chest_ct(), "7F3K29QDXKPM", &place()).unwrap();
        assert_eq!(document.verify_url, "https://imaging.example.cn/verify?n=YY20261122-000123&c=7F3K29QDXKPM");
        assert_eq!(document.verification_code, "7F3K-29QD-XKPM");
        let when: Vec<&str> = document.signatories.iter().map(|by| by.when.as_str()).collect();
        assert_eq!(when, ["2026-11-20 10:16 提交", "2026-11-20 10:17 签署"]);
        assert_eq!(document.exam_time, "2026-11-20 09:42");
        assert_eq!((document.sex.as_str(), document.title.as_str()), ("女", "CT 诊断报告"));
    }

    #[test]
    fn a_single_signature_is_a_signature() {
        let mut content = chest_ct();
        content.signatures.truncate(1);
        let document = document(&content, "7F3K29QDXKPM", &place()).unwrap();
        assert_eq!(document.signatories[0].when, "2026-11-20 10:16 签署");
    }

    #[test]
    fn an_unfinished_report_is_not_printed() {
        assert!(document(&chest_ct().as_signed_by(0), "7F3K29QDXKPM", &place()).is_err());
        let mut content = chest_ct();
        content.exam.at_us = i64::MAX;
        assert!(document(&content, "7F3K29QDXKPM", &place()).is_err());
    }

    #[test]
    fn an_exam_without_a_name_is_called_by_what_is_known() {
        assert_eq!(examined(" ", "DX", "CHEST"), "DX CHEST");
        assert_eq!(examined("胸部正侧位", "DX", "CHEST"), "胸部正侧位");
    }

    #[test]
    fn ages_are_signed_in_chinese() {
        let said = |count, unit| age(Some(wire::Age { count, unit }));
        assert_eq!([said(58, wire::AgeUnit::Year), said(7, wire::AgeUnit::Month)], ["58 岁", "7 月"]);
        assert_eq!([said(3, wire::AgeUnit::Week), said(11, wire::AgeUnit::Day)], ["3 周", "11 天"]);
        assert_eq!(age(None), "");
    }
}
