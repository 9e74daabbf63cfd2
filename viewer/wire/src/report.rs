//! Reports: drafts, submissions, signatures.

use crate::{Person, message, words};

words! {
    pub enum ReportState { Draft = "draft", Submitted = "submitted", Returned = "returned", Signed = "signed" }
    pub enum SignatureRole { Writer = "writer", Reviewer = "reviewer" }
}

message! {
    pub struct ReportBrief {
        pub report: i64,
        pub state: ReportState,
        /// Human-facing number, printed and verifiable; set at signing.
        pub number: Option<String>,
        pub version: u32,
        pub signed_us: Option<i64>,
    }

    pub struct ReportBody {
        pub report: i64,
        pub version: u32,
        pub state: ReportState,
        pub number: Option<String>,
        pub template: String,
        pub findings: String,
        pub impression: String,
        /// Why a reviewer sent it back; empty otherwise.
        pub note: String,
        /// What a reviewer sent back the last time; none: nobody has.
        #[serde(default)]
        pub returned: Option<Returned>,
        /// Rises with every save; a save based on an old one is refused, the text kept on both sides.
        pub rev: i64,
        pub saved_us: i64,
        /// Everybody who wrote any of the text, also before it went on in other hands; the latest last.
        pub writers: Vec<Hand>,
        pub signatures: Vec<Signature>,
        /// Hex SHA-256 of the canonical content, once sealed.
        pub content_sha256: Option<String>,
    }

    /// A report as it was sent back, and why: what a second review is compared with.
    pub struct Returned {
        pub note: String,
        pub findings: String,
        pub impression: String,
    }

    /// Somebody who wrote in a report.
    pub struct Hand {
        pub who: Person,
        /// Their last change of the text; none where it was not kept.
        pub at_us: Option<i64>,
    }

    pub struct Signature {
        pub role: SignatureRole,
        pub who: Person,
        pub at_us: i64,
    }

    /// `PUT /api/v1/cases/{case}/draft`
    pub struct DraftSave {
        pub lease: String,
        /// The `rev` this text was edited from; 0 for the first save.
        pub rev: i64,
        pub template: String,
        pub findings: String,
        pub impression: String,
    }

    pub struct DraftSaved {
        pub rev: i64,
        pub saved_us: i64,
    }

    /// `POST /api/v1/cases/{case}/submit` (one more signature is needed) and `/sign`.
    ///
    /// `lease` for the writer; a reviewer signs what was submitted and has none.
    pub struct SignRequest {
        #[serde(default)]
        pub lease: Option<String>,
        pub rev: i64,
        pub password: String,
        pub shown: Shown,
    }

    /// What of the case may change while a report is written, as it stood on the signer's screen. If it has changed since, the
    /// signature is refused: nobody signs for what they did not see.
    pub struct Shown {
        pub question: String,
        pub instances: u32,
    }

    /// `POST /api/v1/cases/{case}/return` by the reviewer.
    pub struct ReturnRequest {
        pub rev: i64,
        pub note: String,
    }

    /// `GET /api/v1/templates?modality=CT`. A slot to be filled reads `‹填写›`.
    pub struct Template {
        pub id: String,
        pub name: String,
        pub modality: String,
        pub body_part: String,
        pub findings: String,
        pub impression: String,
    }
}
