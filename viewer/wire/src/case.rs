//! Cases: what an operator follows and a specialist reads.

use crate::{Person, Place, ReportBody, ReportBrief, message, words};

words! {
    /// STAT, urgent, routine (紧急、加急、常规); the most urgent first.
    pub enum Urgency { Stat = "stat", Urgent = "urgent", Routine = "routine" }

    /// Where a case stands; the journey of `product.md`, one word each.
    pub enum CaseState {
        /// Images are arriving; nothing says yet that the study is complete.
        Arriving = "arriving",
        /// Complete, waiting for a specialist.
        Queued = "queued",
        /// Leased to a specialist who has not opened it.
        Assigned = "assigned",
        /// On the specialist's screen, nothing written.
        Opened = "opened",
        /// The specialist has begun the report.
        Drafted = "drafted",
        /// With the reviewer (two signatures asked for).
        Submitted = "submitted",
        /// Sent back by the reviewer to its writer.
        Returned = "returned",
        /// Report signed; final unless amended.
        Signed = "signed",
        /// Known from the archive alone, after the index was lost: nothing says whether it was read, nobody is asked to.
        Stored = "stored",
    }

    pub enum Sex { Male = "male", Female = "female", Other = "other", Unknown = "unknown" }

    pub enum AgeUnit { Year = "year", Month = "month", Week = "week", Day = "day" }
}

/// What a study is read as: the several codes of plain radiography are one kind of work (PS3.3 C.7.3.1.1.1).
pub fn lane(modality: &str) -> &str {
    match modality {
        "CR" | "DX" | "DR" | "RF" | "XA" | "IO" | "PX" | "MG" | "RG" => "DR",
        "US" | "IVUS" | "BDUS" => "US",
        "CT" => "CT",
        "MR" => "MR",
        other => other,
    }
}

impl CaseState {
    /// Held by one specialist under a lease.
    pub const fn leased(self) -> bool {
        matches!(self, CaseState::Assigned | CaseState::Opened | CaseState::Drafted)
    }

    /// On its way to a signed report.
    pub const fn is_open(self) -> bool {
        !matches!(self, CaseState::Signed | CaseState::Stored)
    }

    /// Somebody is at it: holds it, reviews it, or has it back to mend.
    pub const fn in_hand(self) -> bool {
        self.leased() || matches!(self, CaseState::Submitted | CaseState::Returned)
    }
}

message! {
    /// As people say it: the largest unit that says enough of a child.
    #[derive(Copy, Eq)]
    pub struct Age {
        pub count: u32,
        pub unit: AgeUnit,
    }

    pub struct Patient {
        /// As people write it: the ideographic group where there is one.
        pub name: String,
        pub sex: Sex,
        /// From birth date at the time of the study, else what the device said.
        pub age: Option<Age>,
        pub pid: String,
        /// `YYYY-MM-DD`, or empty.
        pub birth_date: String,
    }

    /// When each step was reached; `None`: not yet.
    #[derive(Default)]
    pub struct Steps {
        pub arriving_us: Option<i64>,
        pub complete_us: Option<i64>,
        pub queued_us: Option<i64>,
        pub assigned_us: Option<i64>,
        pub opened_us: Option<i64>,
        pub drafted_us: Option<i64>,
        pub submitted_us: Option<i64>,
        pub returned_us: Option<i64>,
        pub signed_us: Option<i64>,
        pub delivered_us: Option<i64>,
        pub read_us: Option<i64>,
    }

    /// One row of the operator's list and the head of every case page.
    pub struct CaseRow {
        pub case: i64,
        pub study: i64,
        pub study_uid: String,
        pub accession: String,
        pub patient: Patient,
        /// What was examined, e.g. 胸部 CT 平扫.
        pub exam: String,
        pub modality: String,
        pub body_part: String,
        pub site: Place,
        /// The device's AE title.
        pub device: String,
        /// When the exam was made, by the device's clock; else when it arrived.
        pub exam_us: i64,
        pub series: u32,
        pub instances: u32,
        pub bytes: u64,
        /// Instances of this study in quarantine.
        pub quarantined: u32,
        /// Images that came after the study was complete; once the report is signed, those that came after it was and that no
        /// doctor has answered for.
        #[serde(default)]
        pub late: u32,
        /// Of those that came after signing, the ones a doctor has looked at: the diagnosis stands.
        #[serde(default)]
        pub late_seen: u32,
        /// When the last of them came.
        #[serde(default)]
        pub late_us: Option<i64>,
        pub urgency: Urgency,
        pub question: String,
        pub state: CaseState,
        pub steps: Steps,
        pub assignee: Option<Person>,
        pub reviewer: Option<Person>,
        /// When the signed report is due.
        pub due_us: Option<i64>,
        /// Place in the queue, 1 = next; only while queued.
        pub position: Option<u32>,
        pub report: Option<ReportBrief>,
        /// Rises with every change; a change based on an old one is refused.
        pub version: i64,
    }

    /// `GET /api/v1/cases`
    pub struct CaseList {
        pub cases: Vec<CaseRow>,
        /// Pass back as `before` for the rows that follow; none at the end.
        pub next: Option<String>,
        pub counts: CaseCounts,
        pub now_us: i64,
        /// Sequence number of the last event these rows reflect; where to start listening.
        pub seq: i64,
    }

    /// For the tabs above the list; within the caller's site scope, today in the center's time zone.
    #[derive(Default)]
    pub struct CaseCounts {
        pub today: u32,
        pub in_progress: u32,
        /// Signed and not read yet, or images came since it was; of any day; counted up to 1000.
        pub waiting_for_me: u32,
        pub signed: u32,
        pub median_minutes: Option<f64>,
        pub in_time: u32,
        /// Doctors on duty at the center; none said: an older center.
        #[serde(default)]
        pub on_duty: Option<u32>,
    }

    /// `PATCH /api/v1/cases/{case}` by an operator of its site.
    pub struct CaseChange {
        pub version: i64,
        #[serde(default)]
        pub urgency: Option<Urgency>,
        #[serde(default)]
        pub question: Option<String>,
    }

    /// `GET /api/v1/cases/{case}`
    pub struct CaseDetail {
        pub row: CaseRow,
        pub report: Option<ReportBody>,
        pub history: Vec<HistoryLine>,
        pub decisions: Vec<Decision>,
        /// Signatures the report needs if the caller writes it, by the rule as it stands now: 1 or 2. Nothing else says it: a
        /// draft keeps no number of its own, so a rule that changes reaches the drafts that are open.
        pub signatures_needed: u8,
    }

    /// One event of a case as people read it.
    pub struct HistoryLine {
        pub at_us: i64,
        pub kind: String,
        pub who: Option<String>,
        /// Kind-specific figures and ids, never names or texts.
        pub detail: String,
    }

    /// One routing decision, replayable.
    pub struct Decision {
        pub at_us: i64,
        /// Who was given the case; none: it stayed queued.
        pub given_to: Option<Person>,
        /// Why this one, as a stable code with figures, e.g. `most_urgent_oldest`.
        pub reason: String,
        pub passed_over: Vec<PassedOver>,
    }

    pub struct PassedOver {
        pub who: Person,
        /// `off_duty`, `busy`, `no_privilege`, `longer_on_desk`.
        pub reason: String,
    }

    /// `GET /api/v1/desk`: what a specialist has in hand and what comes next.
    pub struct Desk {
        pub on_duty: bool,
        /// The case leased to the caller; opens by itself only on an idle desk.
        pub current: Option<Lease>,
        /// Cases the caller wrote that came back, and cases waiting for the caller's review.
        pub returned: Vec<CaseRow>,
        pub to_review: Vec<CaseRow>,
        /// How many wait for the caller's review; `to_review` has the most urgent 50.
        pub to_review_total: u32,
        /// Signed by the caller, and images came since that the report does not know.
        #[serde(default)]
        pub outdated: Vec<CaseRow>,
        pub next: Option<CaseRow>,
        pub waiting: u32,
        /// Reports signed today with this doctor's name under them, as writer or as reviewer.
        pub signed_today: u32,
        pub median_minutes: Option<f64>,
        pub now_us: i64,
        pub seq: i64,
    }

    /// A case held by one specialist. Every change to it carries `lease`; a stale one is refused.
    pub struct Lease {
        pub case: i64,
        pub lease: String,
        pub expires_us: i64,
        pub heartbeat_seconds: u32,
        pub row: CaseRow,
        /// Why the caller has it: the decision's reason code.
        pub why: String,
    }

    /// `POST /api/v1/cases/{case}/take-back` by a manager: out of somebody's hands, back into the queue, with its text.
    pub struct TakeBack {
        /// Of the row as shown; a change since then is refused.
        pub version: i64,
    }

    /// `POST /api/v1/cases/{case}/late` by who signed it, or by a reviewer in their stead: the images that came after signing were
    /// looked at, and the diagnosis stands.
    pub struct LateAnswer {
        /// Of the study, as they were on the screen; if more have come since, it is refused.
        pub instances: u32,
    }

    /// Body of `POST /api/v1/cases/{case}/heartbeat` and `/open`.
    pub struct LeaseToken {
        pub lease: String,
    }
}
