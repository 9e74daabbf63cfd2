//! A copy of each unfinished report on this machine: it survives a reload, a crash and a dead line.
//!
//! Written at every keystroke, removed as soon as the server has all of it: what is found here was never saved, so a
//! colleague's later text is never met by an older copy that had served its purpose.

use serde::{Deserialize, Serialize};

use crate::web;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The server's `rev` this text was edited from.
    pub rev: i64,
    pub template: String,
    pub findings: String,
    pub impression: String,
}

/// What to show when a case is opened.
#[derive(Debug, PartialEq, Eq)]
pub enum Which {
    /// The server's text; nothing else is known.
    Server,
    /// This machine has later text on the same base.
    Here(Kept),
    /// Both went on from an older text.
    Both(Kept),
}

fn key(account: i64, case: i64) -> String {
    format!("yunying.draft.{account}.{case}")
}

pub fn read(account: i64, case: i64) -> Option<Kept> {
    serde_json::from_str(&web::recall(&key(account, case))?).ok()
}

/// Whether the browser took it.
pub fn write(account: i64, case: i64, kept: &Kept) -> bool {
    serde_json::to_string(kept).is_ok_and(|json| web::keep(&key(account, case), &json))
}

pub fn remove(account: i64, case: i64) {
    web::forget(&key(account, case));
}

pub fn which(kept: Option<Kept>, server_rev: i64, findings: &str, impression: &str) -> Which {
    match kept {
        Some(kept) if kept.findings == findings && kept.impression == impression => Which::Server,
        Some(kept) if kept.findings.trim().is_empty() && kept.impression.trim().is_empty() => Which::Server,
        Some(kept) if kept.rev == server_rev || server_rev == 0 => Which::Here(kept),
        Some(kept) => Which::Both(kept),
        None => Which::Server,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(rev: i64, findings: &str) -> Option<Kept> {
        Some(Kept { rev, template: String::new(), findings: findings.into(), impression: String::new() })
    }

    #[test]
    fn text_typed_after_the_last_save_comes_back() {
        assert_eq!(which(kept(3, "后来写的"), 3, "已存的", ""), Which::Here(kept(3, "后来写的").unwrap()));
    }

    #[test]
    fn text_saved_elsewhere_meanwhile_is_never_silently_replaced() {
        assert_eq!(which(kept(3, "这里写的"), 4, "那里写的", ""), Which::Both(kept(3, "这里写的").unwrap()));
    }

    #[test]
    fn text_the_server_has_nothing_of_comes_back_whatever_it_was_edited_from() {
        assert_eq!(which(kept(7, "写过的"), 0, "", ""), Which::Here(kept(7, "写过的").unwrap()));
    }

    #[test]
    fn equal_or_empty_copies_do_not_matter() {
        assert_eq!(which(kept(3, "一样"), 9, "一样", ""), Which::Server);
        assert_eq!(which(kept(0, " "), 9, "有字", ""), Which::Server);
        assert_eq!(which(None, 9, "有字", ""), Which::Server);
    }
}
