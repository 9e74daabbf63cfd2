//! The event log as a browser sees it, over SSE.

use crate::{message, words};

words! {
    /// Every step of the journey and every act worth an auditor's question.
    pub enum EventKind {
        SiteAdded = "site.added",
        SiteRemoved = "site.removed",
        DeviceAdded = "device.added",
        /// Where it takes objects, or in what it reads text.
        DeviceChanged = "device.changed",
        DeviceRemoved = "device.removed",
        AccountAdded = "account.added",
        AccountRemoved = "account.removed",
        TokenAdded = "token.added",
        TokenRemoved = "token.removed",
        SignedIn = "session.opened",
        SignedOut = "session.closed",
        SignInRefused = "session.refused",
        DutyOn = "duty.on",
        DutyOff = "duty.off",
        /// An exam is on the worklist; `order` in the detail, as in those that follow.
        OrderRegistered = "order.registered",
        OrderChanged = "order.changed",
        OrderCancelled = "order.cancelled",
        /// A device has begun it, or its first image came.
        OrderStarted = "order.started",
        /// Its device has ended it, or its study is complete.
        OrderDone = "order.done",
        /// Its device gave it up before there was an image: it is on the worklist again.
        OrderReopened = "order.reopened",
        /// First instance durable and indexed.
        Arriving = "study.arriving",
        /// More instances came; `instances` in the detail. At most one a second and study.
        Progress = "study.progress",
        Complete = "study.complete",
        /// Found in the archive after the index was lost.
        Restored = "study.restored",
        /// An instance came after the study was taken as complete.
        Late = "study.late",
        /// Images came after the report was signed: it does not know them. `account`: the writer; `late` in the detail: how
        /// many by now.
        Outdated = "case.outdated",
        /// A doctor has looked at them: the diagnosis stands. `images` in the detail: how many.
        LateAnswered = "case.late_answered",
        Quarantined = "instance.quarantined",
        /// Somebody decided what becomes of an object in quarantine; `quarantine`, `act` and `instance` in the detail.
        QuarantineSettled = "instance.settled",
        /// Somebody took an object out of quarantine to look at it elsewhere.
        QuarantineOpened = "instance.fetched",
        Sealed = "series.sealed",
        /// A study's delivery form is ready.
        Transcoded = "study.transcoded",
        /// A manager put it under legal hold: it can't be erased.
        Held = "study.held",
        HoldLifted = "study.hold_lifted",
        /// An administrator asks for it to be erased; `erasure` in the detail. Nothing is gone yet.
        ErasureRequested = "study.erasure_requested",
        ErasureWithdrawn = "study.erasure_withdrawn",
        /// Confirmed: its images are gone; `report_kept` in the detail: a signed report is not.
        Erased = "study.erased",
        StudyOpened = "study.opened",
        /// A study is under another patient's record than before; `from` and `to` in the detail.
        StudyCorrected = "study.corrected",
        /// A patient's record is now of a person; `patient`, `person` and `how` in the detail.
        PersonLinked = "patient.linked",
        /// It was said not to be, or no longer is.
        PersonUnlinked = "patient.unlinked",
        Queued = "case.queued",
        Assigned = "case.assigned",
        /// The lease lapsed or was given back; the case is in the queue again.
        Lapsed = "case.lapsed",
        Released = "case.released",
        /// A manager took it out of somebody's hands, or its holder's account was removed; it is in the queue again.
        TakenBack = "case.taken_back",
        CaseOpened = "case.opened",
        Drafted = "case.drafted",
        Submitted = "case.submitted",
        Returned = "case.returned",
        Reviewed = "case.reviewed",
        Signed = "case.signed",
        Delivered = "case.delivered",
        ReadBySite = "case.read",
        UrgencyChanged = "case.urgency",
        QuestionChanged = "case.question",
        ReportOpened = "report.opened",
    }
}

message! {
    /// One chained event; the SSE `id` is `seq`, the SSE `event` is `kind`, one of [`EventKind`].
    pub struct Event {
        pub seq: i64,
        pub kind: String,
        pub at_us: i64,
        pub site: Option<i64>,
        pub study: Option<i64>,
        pub case: Option<i64>,
        pub account: Option<i64>,
        pub report: Option<i64>,
    }
}
