//! What went wrong with a request, in words of the interface.

use wire::Problem;

use crate::i18n::{Text, say, t};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The server could not be reached.
    Offline,
    /// It did not answer in time.
    Timeout,
    /// It answered, and said no.
    Refused(Problem),
    /// Its answer made no sense to this version of the application.
    Garbled,
}

impl Fault {
    pub fn code(&self) -> &str {
        match self {
            Fault::Offline => "offline",
            Fault::Timeout => "timeout",
            Fault::Refused(problem) => &problem.code,
            Fault::Garbled => "garbled",
        }
    }

    pub fn status(&self) -> u16 {
        match self {
            Fault::Refused(problem) => problem.status,
            _ => 0,
        }
    }

    /// Worth asking again without a person doing anything.
    pub fn passing(&self) -> bool {
        matches!(self, Fault::Offline | Fault::Timeout) || matches!(self.status(), 502..=504)
    }

    /// Someone else changed the same thing first.
    pub fn conflict(&self) -> bool {
        matches!(self.status(), 409 | 412)
    }

    /// The case is no longer held by the caller.
    pub fn lease_lost(&self) -> bool {
        self.code().contains("lease")
    }

    /// One line: what, then what to do.
    pub fn text(&self) -> String {
        match (said(self.code()), self) {
            (Some(text), _) => t(text).to_owned(),
            (None, Fault::Refused(problem)) if !problem.title.is_empty() => problem.title.clone(),
            _ => t(say::P_UNKNOWN).to_owned(),
        }
    }
}

fn said(code: &str) -> Option<Text> {
    Some(match code {
        "offline" => say::P_OFFLINE,
        "timeout" => say::P_TIMEOUT,
        "garbled" => say::P_GARBLED,
        "bad_credentials" | "invalid_credentials" | "wrong_credentials" => say::P_CREDENTIALS,
        "wrong_password" | "bad_password" => say::P_PASSWORD,
        "throttled" | "too_many_attempts" | "rate_limited" | "locked_out" => say::P_THROTTLED,
        "not_signed_in" | "unauthenticated" | "session_expired" | "unauthorized" => say::P_SESSION,
        "forbidden" | "not_allowed" | "role" => say::P_FORBIDDEN,
        "csrf" | "bad_csrf" | "csrf_missing" => say::P_CSRF,
        "not_found" => say::P_NOT_FOUND,
        "stale_version" | "version_conflict" | "changed" => say::P_CHANGED,
        "stale_rev" | "rev_conflict" | "draft_conflict" => say::P_DRAFT_CONFLICT,
        "lease_lost" | "stale_lease" | "no_lease" | "not_leased" => say::P_LEASE_LOST,
        "blank_slots" => say::P_BLANK,
        "empty_impression" | "empty_report" => say::P_EMPTY_REPORT,
        "own_report" => say::P_OWN_REPORT,
        "report_signed" => say::P_SIGNED,
        "needs_review" => say::P_NEEDS_REVIEW,
        "needs_no_review" => say::P_NEEDS_NO_REVIEW,
        "not_the_writer" | "not_a_reviewer" => say::P_FORBIDDEN,
        "wrong_report_state" | "wrong_state" | "case_state" => say::P_STATE,
        "too_large" => say::P_TOO_LARGE,
        "unavailable" | "starting" => say::P_UNAVAILABLE,
        "internal" => say::P_INTERNAL,
        _ => return None,
    })
}
