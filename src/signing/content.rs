//! What is signed: the canonical content of a report.
//!
//! # Canonical form
//! One JSON object in UTF-8, no white space between tokens, members in the order of the structs below, strings escaped as
//! `serde_json` does (`"`, `\` and U+0000..U+001F only), integers in decimal, no floating point anywhere, absent values
//! as `null`. Texts are taken as stored, to the byte: no trimming, no normalisation. The form has a name, [`FORMAT`]; a change of
//! members or their order is a new name, and old reports keep verifying under the old one.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::SignatureRole;

pub const FORMAT: &str = "yunying-report/1";

/// Everything a signature vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportContent {
    pub format: String,
    /// The report's row; with `version` it tells two reports of equal text apart.
    pub report: i64,
    pub version: u32,
    /// Given with the last signature; `None` in what a writer signs while a reviewer is still to come.
    pub number: Option<String>,
    pub center: String,
    pub site: String,
    pub patient: PatientFacts,
    pub exam: Exam,
    pub template: String,
    pub findings: String,
    pub impression: String,
    /// In the order they signed.
    pub signatures: Vec<SignedBy>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientFacts {
    pub name: String,
    /// As [`wire::Sex`] spells it.
    pub sex: String,
    pub age: String,
    pub pid: String,
    pub birth_date: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exam {
    pub study_uid: String,
    pub accession: String,
    pub modality: String,
    pub body_part: String,
    pub description: String,
    pub device: String,
    /// UTC microseconds.
    pub at_us: i64,
    /// The clinical question.
    pub question: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedBy {
    /// As [`SignatureRole`] spells it.
    pub role: String,
    pub account: i64,
    pub name: String,
    pub title: String,
    /// UTC microseconds.
    pub at_us: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error("not a report's canonical content: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the content is in form {0:?}, which this program does not know")]
    UnknownFormat(String),
    #[error("the content is not in canonical form")]
    NotCanonical,
}

impl ReportContent {
    /// The bytes that are signed.
    pub fn canonical(&self) -> Result<Vec<u8>, ContentError> {
        Ok(serde_json::to_vec(self)?)
    }

    /// Reads canonical bytes; anything that would be written differently is refused.
    pub fn parse(canonical: &[u8]) -> Result<Self, ContentError> {
        let content: Self = serde_json::from_slice(canonical)?;
        if content.format != FORMAT {
            return Err(ContentError::UnknownFormat(content.format));
        }
        if content.canonical()? != canonical {
            return Err(ContentError::NotCanonical);
        }
        Ok(content)
    }

    /// What the signature at `index` was given over: itself and those before it; the number only if it was the last.
    pub fn as_signed_by(&self, index: usize) -> Self {
        let mut content = self.clone();
        content.signatures.truncate(index.saturating_add(1));
        if content.signatures.len() < self.signatures.len() {
            content.number = None;
        }
        content
    }

    /// Lower-case hex SHA-256 of the canonical bytes.
    pub fn sha256(&self) -> Result<String, ContentError> {
        Ok(hex::encode(Sha256::digest(self.canonical()?)))
    }

    /// What a person compares of it: its first eight digits, in two groups.
    pub fn short_digest(&self) -> Result<String, ContentError> {
        let digest = self.sha256()?.to_ascii_uppercase();
        Ok([digest.get(..4), digest.get(4..8)].into_iter().flatten().collect::<Vec<_>>().join(" "))
    }
}

impl SignedBy {
    pub fn role(&self) -> Option<SignatureRole> {
        SignatureRole::from_word(&self.role)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn chest_ct() -> ReportContent {
        ReportContent {
            format: FORMAT.into(),
            report: 7,
            version: 1,
            number: Some("YY20261122-000123".into()),
            center: "示例县县域医共体影像中心".into(),
            site: "青禾镇中心卫生院".into(),
            patient: PatientFacts {
                name: "张\"测试\"".into(),
                sex: "female".into(),
                age: "58 岁".into(),
                pid: "P-000417".into(),
                birth_date: "1968-03-02".into(),
            },
            exam: Exam {
                study_uid: "1.2.826.0.1.3680043.9.1".into(),
                accession: "SAMPLE-20931".into(),
                modality: "CT".into(),
                body_part: "CHEST".into(),
                description: "胸部 CT 平扫".into(),
                device: "CT16".into(),
                at_us: 1_795_138_920_000_000,
                question: "咳嗽两周".into(),
            },
            template: "ct-chest".into(),
            findings: "双肺纹理清晰。\n未见实变。".into(),
            impression: "未见明显异常。".into(),
            signatures: vec![
                SignedBy {
                    role: "writer".into(),
                    account: 3,
                    name: "周示例".into(),
                    title: "主治医师".into(),
                    at_us: 1_795_140_960_000_000,
                },
                SignedBy {
                    role: "reviewer".into(),
                    account: 4,
                    name: "郑演示".into(),
                    title: "副主任医师".into(),
                    at_us: 1_795_141_020_000_000,
                },
            ],
        }
    }

    /// Signed reports are verified against these bytes for decades: a failure here means a new `FORMAT`, never a new constant.
    #[test]
    fn the_canonical_form_stays_what_it_was() {
        let golden = concat!(
            r#"{"format":"yunying-report/1","report":7,"version":1,"number":"YY20261122-000123","#,
            r#""center":"示例县县域医共体影像中心","site":"青禾镇中心卫生院","#,
            r#""patient":{"name":"张\"测试\"","sex":"female","age":"58 岁","pid":"P-000417","birth_date":"1968-03-02"},"#,
            r#""exam":{"study_uid":"1.2.826.0.1.3680043.9.1","accession":"SAMPLE-20931","modality":"CT","body_part":"CHEST","#,
            r#""description":"胸部 CT 平扫","device":"CT16","at_us":1795138920000000,"question":"咳嗽两周"},"#,
            r#""template":"ct-chest","findings":"双肺纹理清晰。\n未见实变。","impression":"未见明显异常。","#,
            r#""signatures":[{"role":"writer","account":3,"name":"周示例","title":"主治医师","at_us":1795140960000000},"#,
            r#"{"role":"reviewer","account":4,"name":"郑演示","title":"副主任医师","at_us":1795141020000000}]}"#,
        );
        assert_eq!(String::from_utf8(chest_ct().canonical().unwrap()).unwrap(), golden);
        assert_eq!(chest_ct().sha256().unwrap(), hex::encode(Sha256::digest(golden)));
    }

    #[test]
    fn what_was_written_is_read_back() {
        let content = chest_ct();
        assert_eq!(ReportContent::parse(&content.canonical().unwrap()).unwrap(), content);
    }

    #[test]
    fn another_spelling_of_the_same_content_is_refused() {
        let canonical = String::from_utf8(chest_ct().canonical().unwrap()).unwrap();
        let spaced = canonical.replacen(':', ": ", 1);
        assert!(matches!(ReportContent::parse(spaced.as_bytes()), Err(ContentError::NotCanonical)));
        let escaped = canonical.replacen("示", "\\u793a", 1);
        assert!(matches!(ReportContent::parse(escaped.as_bytes()), Err(ContentError::NotCanonical)));
        let foreign = canonical.replace("yunying-report/1", "yunying-report/9");
        assert!(matches!(ReportContent::parse(foreign.as_bytes()), Err(ContentError::UnknownFormat(_))));
    }

    #[test]
    fn the_writer_signed_without_the_number_and_the_reviewer() {
        let first = chest_ct().as_signed_by(0);
        assert_eq!((first.number, first.signatures.len()), (None, 1));
        assert_eq!(chest_ct().as_signed_by(1), chest_ct());
    }
}
