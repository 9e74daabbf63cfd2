//! What went wrong with a request, in words of the interface.

use wire::Problem;

use crate::i18n::{Text, say, t};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The server could not be reached.
    Offline,
    /// It did not answer in time.
    Timeout,
    /// It answered, and said no; perhaps also how many seconds to wait.
    Refused(Problem, Option<u32>),
    /// Its answer made no sense to this version of the application.
    Garbled,
}

impl Fault {
    pub fn code(&self) -> &str {
        match self {
            Fault::Offline => "offline",
            Fault::Timeout => "timeout",
            Fault::Refused(problem, _) => &problem.code,
            Fault::Garbled => "garbled",
        }
    }

    pub fn status(&self) -> u16 {
        match self {
            Fault::Refused(problem, _) => problem.status,
            _ => 0,
        }
    }

    /// Seconds the server wants to be left alone.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Fault::Refused(_, seconds) => *seconds,
            _ => None,
        }
    }

    /// Worth asking again without a person doing anything.
    pub fn passing(&self) -> bool {
        matches!(self, Fault::Offline | Fault::Timeout) || matches!(self.status(), 500..=599)
    }

    /// The report's text is no longer the one this change was made from.
    pub fn other_text(&self) -> bool {
        self.code() == "stale_rev"
    }

    /// Someone else changed the same thing first.
    pub fn conflict(&self) -> bool {
        matches!(self.status(), 409 | 412)
    }

    /// The case is no longer held by the caller.
    pub fn lease_lost(&self) -> bool {
        let of_lease = |problem: &Problem| problem.detail.as_ref().is_some_and(|detail| detail.contains("lease"));
        self.code().contains("lease")
            || matches!(self, Fault::Refused(problem, _) if self.conflict() && of_lease(problem))
    }

    /// One line: what, then what to do.
    pub fn text(&self) -> String {
        let code = if self.lease_lost() { "lease_lost" } else { self.code() };
        t(said(code).unwrap_or(say::P_UNKNOWN)).to_owned()
    }
}

fn said(code: &str) -> Option<Text> {
    Some(match code {
        "offline" => say::P_OFFLINE,
        "timeout" => say::P_TIMEOUT,
        "garbled" => say::P_GARBLED,
        "wrong_login_or_password" => say::P_CREDENTIALS,
        "wrong_password" => say::P_PASSWORD,
        "too_many_attempts" => say::P_THROTTLED,
        "unauthenticated" => say::P_SESSION,
        "forbidden" | "not_the_writer" | "not_the_signer" | "not_a_reviewer" => say::P_FORBIDDEN,
        "csrf" => say::P_CSRF,
        "not_found" => say::P_NOT_FOUND,
        "stale" | "case_changed" => say::P_CHANGED,
        "stale_rev" => say::P_DRAFT_CONFLICT,
        "lease_lost" => say::P_LEASE_LOST,
        "blank_slots" => say::P_BLANK,
        "empty_impression" | "no_report" => say::P_EMPTY_REPORT,
        "note_missing" => say::RETURN_NEED,
        "bad_text" => say::P_BAD_TEXT,
        "own_report" => say::P_OWN_REPORT,
        "report_signed" => say::P_SIGNED,
        "needs_review" => say::P_NEEDS_REVIEW,
        "needs_no_review" => say::P_NEEDS_NO_REVIEW,
        "refused" | "wrong_report_state" => say::P_STATE,
        "too_long" => say::P_TOO_LARGE,
        "unavailable" | "busy" => say::P_UNAVAILABLE,
        "internal" => say::P_INTERNAL,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str, detail: &str) -> Fault {
        let detail = (!detail.is_empty()).then(|| detail.to_owned());
        Fault::Refused(Problem { code: code.to_owned(), title: String::new(), status, detail }, None)
    }

    #[test]
    fn a_center_that_failed_once_is_asked_again() {
        for status in [500, 502, 503, 504] {
            assert!(refused(status, "internal", "").passing(), "{status}");
        }
        assert!(Fault::Timeout.passing());
        assert!(!refused(409, "stale_rev", "").passing());
        assert!(!refused(400, "bad_text", "").passing());
    }

    #[test]
    fn only_a_refusal_that_speaks_of_the_lease_takes_a_case_away() {
        assert!(refused(409, "lease_lost", "").lease_lost());
        assert!(refused(409, "stale", "the case is no longer held under this lease").lease_lost());
        for other in
            [refused(500, "internal", ""), refused(403, "csrf", ""), refused(409, "stale_rev", ""), Fault::Garbled]
        {
            assert!(!other.lease_lost(), "{other:?}");
        }
    }

    #[test]
    fn a_text_that_cannot_be_kept_is_not_taken_for_another_version() {
        assert!(refused(409, "stale_rev", "").other_text());
        assert!(!refused(409, "too_long", "").other_text());
        assert!(!refused(409, "bad_text", "").other_text());
    }
}
