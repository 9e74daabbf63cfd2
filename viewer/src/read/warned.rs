//! A warning that does not forbid to sign, above the password: it is answered for before a letter of the password is taken.

use std::time::Duration;

use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::unfinished::acts;
use crate::i18n::{say, t};
use crate::ui::icon;
use crate::web;

/// What the signer has not said yet to have read.
#[derive(Clone, Copy)]
pub struct Unread {
    warning: StoredValue<Option<String>>,
    read: RwSignal<bool>,
}

impl Unread {
    pub fn of(warning: Option<String>) -> Self {
        Self { read: RwSignal::new(warning.is_none()), warning: StoredValue::new(warning) }
    }

    /// Tracks whether nothing may be signed yet.
    pub fn waits(self) -> bool {
        !self.read.get()
    }

    fn know(self) {
        self.read.set(true);
        // The field can take the focus once it is no longer disabled.
        set_timeout(|| web::focus_selector("#sign-password"), Duration::ZERO);
    }
}

#[component]
pub fn Warned(unread: Unread) -> impl IntoView {
    // Whoever types the password at once presses no button with the space in it.
    let swallow = move |event: KeyboardEvent| {
        if !acts(&event.key()) || event.repeat() {
            event.prevent_default();
        }
    };
    unread.warning.get_value().map(|warning| {
        view! {
            <div class="problem warned" data-testid="sign-warning">
                {icon("warn")}<b class="amber grow">{warning}</b>
                {move || match unread.waits() {
                    true => view! {
                        <button type="button" class="button" data-first="" data-testid="sign-warning-known" on:keydown=swallow on:keyup=swallow
                            on:click=move |_| unread.know()>{t(say::WARNING_KNOWN)}" "<kbd>"Enter"</kbd></button>
                    }
                    .into_any(),
                    false => view! { <span class="quiet small">{icon("check")}{t(say::HANDS_SEEN)}</span> }.into_any(),
                }}
            </div>
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::sides;

    #[test]
    fn a_report_that_contradicts_itself_waits_for_its_signer_to_say_so() {
        let owner = Owner::new();
        owner.with(|| {
            let unread = Unread::of(sides::warning("左下肺野见片状模糊影", "右肺下叶炎症"));
            assert!(unread.waits());
            assert!(unread.warning.get_value().is_some_and(|words| words.contains("右肺")));
            unread.read.set(true);
            assert!(!unread.waits());
        });
    }

    #[test]
    fn a_report_that_agrees_with_itself_asks_for_nothing_but_the_password() {
        let owner = Owner::new();
        owner.with(|| assert!(!Unread::of(sides::warning("右下肺野见片状模糊影", "右肺下叶炎症")).waits()));
    }
}
