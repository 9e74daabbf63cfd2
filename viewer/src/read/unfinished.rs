//! Why a report cannot be signed yet, in a dialog: whoever pressed the signing key may be typing a password already, and no
//! letter of it may land in the text. Nothing but Enter and Esc does anything here.

use std::time::Duration;

use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::editor::first_blank;
use super::hands;
use super::pane::{EDITORS, blanks};
use super::room::{Purpose, Room};
use crate::i18n::{Text, fill, say, t};
use crate::ui::{Dialog, icon};
use crate::web;

/// What has to come first, the most pressing of several.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfinished {
    /// The case changed and nobody has looked.
    News,
    /// Somebody else wrote in this draft, and it was not said so yet.
    Hands,
    /// The image is not all there.
    Image,
    Blanks(usize),
    Impression,
}

impl Unfinished {
    /// Tracks everything a signature waits for.
    pub fn of(room: Room) -> Option<Self> {
        let draft = room.draft;
        let unwritten = draft.impression.with(|text| text.trim().is_empty());
        let news = room.news.with(Option::is_some);
        Self::first(news, room.hands_unseen(), room.not_yet_whole(), blanks(draft), unwritten)
    }

    fn first(news: bool, hands: bool, coming: bool, blanks: usize, unwritten: bool) -> Option<Self> {
        match (news, hands, coming, blanks) {
            (true, ..) => Some(Self::News),
            (_, true, ..) => Some(Self::Hands),
            (_, _, true, _) => Some(Self::Image),
            (.., 0) => unwritten.then_some(Self::Impression),
            (.., blanks) => Some(Self::Blanks(blanks)),
        }
    }

    pub fn title(self) -> String {
        match self {
            Self::News => t(say::NEWS_FIRST).to_owned(),
            Self::Hands => t(say::HANDS_FIRST).to_owned(),
            Self::Image => t(say::CHECK_PREVIEW).to_owned(),
            Self::Blanks(blanks) => fill(say::UNFINISHED_BLANKS, &[&blanks.to_string()]),
            Self::Impression => t(say::UNFINISHED_IMPRESSION).to_owned(),
        }
    }

    /// What its button says, where there is somewhere to go; else the dialog is only to be known of.
    fn way(self, writing: bool) -> Option<Text> {
        match self {
            Self::News => Some(say::NEWS_SEE),
            Self::Hands => Some(say::UNFINISHED_HANDS_GO),
            Self::Blanks(_) if writing => Some(say::UNFINISHED_BLANK_GO),
            Self::Impression if writing => Some(say::UNFINISHED_IMPRESSION_GO),
            Self::Image | Self::Blanks(_) | Self::Impression => None,
        }
    }

    /// Takes the reader to it.
    fn go(self, room: Room) {
        match self {
            Self::News => room.see_news(),
            Self::Hands => web::focus_selector(hands::ANSWER),
            Self::Image => {}
            Self::Blanks(_) => _ = first_blank(&EDITORS),
            Self::Impression => web::focus_selector("#impression"),
        }
    }
}

/// Whether a key does anything in this dialog.
pub fn acts(key: &str) -> bool {
    matches!(key, "Enter" | "Escape" | "Tab")
}

#[component]
pub fn UnfinishedDialog(room: Room, what: Unfinished, on_close: Callback<()>) -> impl IntoView {
    let writing = room
        .active
        .with_untracked(|active| active.as_ref().is_some_and(|a| matches!(a.purpose, Purpose::Write { .. })));
    let way = what.way(writing);
    let (word, mark) = way.map_or((say::UNFINISHED_KNOWN, "check"), |word| (word, "eye"));
    let go = move |_| {
        on_close.run(());
        // The dialog gives the focus back to where it was; this comes after.
        set_timeout(move || what.go(room), Duration::ZERO);
    };
    // Space presses a button, and passwords have spaces.
    let swallow = move |event: KeyboardEvent| {
        if !acts(&event.key()) || event.repeat() {
            event.prevent_default();
        }
    };
    view! {
        <div on:keydown=swallow on:keyup=swallow>
            <Dialog title=what.title() on_close=on_close testid="unfinished">
                <p>{t(say::UNFINISHED_LEAD)}</p>
                <div class="actions">
                    {way.map(|_| view! { <button class="button" on:click=move |_| on_close.run(())>{t(say::CANCEL)}" "<kbd>"Esc"</kbd></button> })}
                    <button class="button primary" data-first="" data-testid="unfinished-go" on:click=go>{icon(mark)}{t(word)}" "<kbd>"Enter"</kbd></button>
                </div>
            </Dialog>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_signed_while_something_must_come_first() {
        assert_eq!(Unfinished::first(true, true, true, 4, true), Some(Unfinished::News));
        assert_eq!(Unfinished::first(false, true, true, 4, true), Some(Unfinished::Hands));
        assert_eq!(Unfinished::first(false, false, true, 4, true), Some(Unfinished::Image));
        assert_eq!(Unfinished::first(false, false, false, 4, false), Some(Unfinished::Blanks(4)));
        assert_eq!(Unfinished::first(false, false, false, 0, true), Some(Unfinished::Impression));
        assert_eq!(Unfinished::first(false, false, false, 0, false), None);
    }

    #[test]
    fn the_button_leads_somewhere_or_says_no_more_than_that_it_was_read() {
        let says = |what: Unfinished, writing| what.way(writing).map(|word| word.zh);
        assert_eq!(says(Unfinished::Hands, true), Some("去看"));
        assert_eq!(says(Unfinished::Blanks(2), true), Some("去第一处"));
        for (what, writing) in
            [(Unfinished::Image, true), (Unfinished::Blanks(2), false), (Unfinished::Impression, false)]
        {
            assert_eq!(says(what, writing), None, "{what:?}");
        }
    }

    #[test]
    fn no_letter_and_no_space_of_a_password_does_anything() {
        assert!("demo pass 2026".chars().all(|letter| !acts(&letter.to_string())));
        assert!(acts("Enter") && acts("Escape"));
    }
}
