//! A copy of each unfinished report and note on this machine: it survives a reload, a crash and a dead line.
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

/// A version that was not chosen where two stood against each other. It stays until its reader says it may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    pub at_us: i64,
    pub whose: Whose,
    pub findings: String,
    pub impression: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// Written on this machine.
    Here,
    /// The center had it.
    Center,
}

/// Versions put aside for one report; nobody chooses that often.
const MOST_ASIDE: usize = 8;

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

fn aside_key(account: i64, case: i64) -> String {
    format!("yunying.aside.{account}.{case}")
}

/// Every version put aside, the latest first.
pub fn asides(account: i64, case: i64) -> Vec<Aside> {
    web::recall(&aside_key(account, case)).and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}

/// All versions there are now. Whether the browser took them is not asked: the page itself holds what it would not.
pub fn put_aside(account: i64, case: i64, aside: Aside) -> Vec<Aside> {
    let mut all = asides(account, case);
    all.retain(|other| other.findings != aside.findings || other.impression != aside.impression);
    all.insert(0, aside);
    all.truncate(MOST_ASIDE);
    keep_asides(account, case, &all);
    all
}

/// The versions that are left without the one at `place`.
pub fn dismiss(account: i64, case: i64, place: usize) -> Vec<Aside> {
    let mut all = asides(account, case);
    if place < all.len() {
        all.remove(place);
    }
    keep_asides(account, case, &all);
    all
}

pub fn forget_asides(account: i64, case: i64) {
    web::forget(&aside_key(account, case));
}

fn keep_asides(account: i64, case: i64, all: &[Aside]) {
    match serde_json::to_string(all) {
        Ok(json) if !all.is_empty() => {
            web::keep(&aside_key(account, case), &json);
        }
        _ => forget_asides(account, case),
    }
}

/// What the keys of all notes begin with.
pub const NOTES: &str = "yunying.note.";

fn note_key(account: i64, case: i64) -> String {
    format!("{NOTES}{account}.{case}")
}

/// What a reviewer has begun to say to a report's writer.
pub fn note(account: i64, case: i64) -> String {
    web::recall(&note_key(account, case)).unwrap_or_default()
}

pub fn keep_note(account: i64, case: i64, text: &str) {
    if text.is_empty() {
        web::forget(&note_key(account, case));
    } else {
        web::keep(&note_key(account, case), text);
    }
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

    fn aside(findings: &str) -> Aside {
        Aside { at_us: 0, whose: Whose::Here, findings: findings.into(), impression: String::new() }
    }

    #[test]
    fn a_version_not_chosen_stays_until_it_is_dismissed() {
        put_aside(1, 1, aside("甲"));
        assert_eq!(put_aside(1, 1, aside("乙")), [aside("乙"), aside("甲")]);
        assert_eq!(put_aside(1, 1, aside("甲")), [aside("甲"), aside("乙")], "the same text is kept once");
        assert_eq!(asides(1, 1).len(), 2);
        assert_eq!(asides(1, 2), [], "another case has its own");
        assert_eq!(dismiss(1, 1, 0), [aside("乙")]);
        assert_eq!(dismiss(1, 1, 0), []);
        assert_eq!(asides(1, 1), []);
    }

    #[test]
    fn a_note_begun_is_there_again_and_each_case_has_its_own() {
        keep_note(1, 5, "左右写反了");
        assert_eq!((note(1, 5), note(1, 6), note(2, 5)), ("左右写反了".to_owned(), String::new(), String::new()));
        assert!(web::only_here(NOTES), "no browser keeps it here, so leaving would lose it");
        keep_note(1, 5, "");
        assert_eq!(note(1, 5), "");
        assert!(!web::only_here(NOTES));
    }

    #[test]
    fn a_copy_the_browser_refuses_lives_as_long_as_the_page() {
        let copy = kept(3, "写过的").unwrap();
        assert!(!write(1, 3, &copy), "there is no browser here to keep it");
        assert_eq!(read(1, 3), Some(copy));
        remove(1, 3);
        assert_eq!(read(1, 3), None);
    }

    #[test]
    fn equal_or_empty_copies_do_not_matter() {
        assert_eq!(which(kept(3, "一样"), 9, "一样", ""), Which::Server);
        assert_eq!(which(kept(0, " "), 9, "有字", ""), Which::Server);
        assert_eq!(which(None, 9, "有字", ""), Which::Server);
    }
}
