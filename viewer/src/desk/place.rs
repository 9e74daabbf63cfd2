//! Where the list was left for a case's images: the way back leads to the same row. For the account that left it, and never
//! longer than the way.

use std::cell::RefCell;

use super::store::Tab;

#[derive(Clone, PartialEq, Debug)]
pub struct Left {
    pub account: i64,
    pub tab: Tab,
    pub query: String,
    pub selected: Option<i64>,
    /// How far the list was scrolled, in pixels.
    pub top: f64,
}

thread_local! {
    static LEFT: RefCell<Option<Left>> = const { RefCell::new(None) };
}

pub fn leave(left: Left) {
    LEFT.set(Some(left));
}

/// What `account` left, once.
pub fn back(account: i64) -> Option<Left> {
    LEFT.take().filter(|left| left.account == account)
}

/// Another page was chosen meanwhile.
pub fn forget() {
    LEFT.set(None);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(account: i64) -> Left {
        Left { account, tab: Tab::Signed, query: "张".into(), selected: Some(7), top: 530.0 }
    }

    #[test]
    fn the_list_is_found_as_it_was_left_and_only_once() {
        leave(left(1));
        assert_eq!(back(1), Some(left(1)));
        assert_eq!(back(1), None);
    }

    #[test]
    fn another_account_and_another_page_find_nothing() {
        leave(left(1));
        assert_eq!(back(2), None, "on a shared PC");
        leave(left(1));
        forget();
        assert_eq!(back(1), None);
    }
}
