//! The open case changes at its site while it is read: noticed, said, and put on the screen when its reader looks.

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{CaseRow, Shown, StudyImages};

use super::news::{self, news, set_apart};
use super::region;
use super::room::Room;
use crate::api::{self, Fault};
use crate::app::images_beside;
use crate::web;

impl Room {
    /// The open case as the center has it now.
    pub fn compare(self, now: &CaseRow) {
        let Some(seen) = self.active.with_untracked(|active| active.as_ref().map(|active| active.row.clone())) else {
            return;
        };
        let news = news(&seen, now);
        if self.news.with_untracked(|known| *known != news) {
            self.news.set(news);
        }
        if let Some(row) = set_apart(&seen, now) {
            self.show_row(row);
        }
    }

    fn show_row(self, row: CaseRow) {
        self.active.update(|active| {
            if let Some(active) = active.as_mut().filter(|active| active.row.case == row.case) {
                active.row = row;
            }
        });
    }

    /// Asks the center what the open case is now. Whether there is something to look at.
    pub async fn look_again(self, case: i64) -> bool {
        if let Ok(detail) = api::case(case).await
            && self.open_case() == Some(case)
        {
            self.compare(&detail.row);
        }
        self.news.try_with_untracked(Option::is_some) == Some(true)
    }

    /// The center's rule is not the one the case was opened under: the page offers what it asks for now.
    pub async fn look_at_rule(self, case: i64) {
        if let Ok(detail) = api::case(case).await {
            self.active.try_update(|active| {
                if let Some(active) = active.as_mut().filter(|active| active.row.case == case) {
                    active.signatures_needed = detail.signatures_needed;
                }
            });
        }
    }

    /// Puts on the screen what changed: the question at once, the images when they are known.
    pub fn see_news(self) {
        let Some(case) = self.open_case().filter(|_| self.news.with_untracked(Option::is_some)) else { return };
        spawn_local(async move {
            match seen_anew(case).await {
                Ok(fresh) => self.show_anew(fresh),
                Err(fault) => self.failing(fault),
            }
        });
    }

    fn show_anew(self, (row, images): (CaseRow, StudyImages)) {
        if self.open_case() != Some(row.case) {
            return;
        }
        self.active.update(|active| {
            if let Some(active) = active {
                self.asked_anew.update(|anew| *anew |= active.row.question != row.question);
                active.row = row;
                active.images = Arc::new(news::marked(&active.images, images));
            }
        });
        let images = self.news.with_untracked(|news| news.as_ref().is_some_and(|news| news.images > 0));
        self.news.set(None);
        self.said.set(None);
        if images {
            // What came is looked at, not typed over.
            region::take_keyboard();
        }
    }

    /// What is new: of the open case first, else of a report signed before, in a window of its own.
    pub fn see_what_is_new(self) {
        if self.news.with_untracked(Option::is_some) {
            self.see_news();
        } else if let Some(case) = self.overtaken_case() {
            web::open_beside(&images_beside(case));
        }
    }

    fn overtaken_case(self) -> Option<i64> {
        self.desk.with_untracked(|desk| desk.as_ref().and_then(news::overtaken).map(|row| row.case))
    }

    /// What of the open case is on the screen, for a signature.
    pub fn shown(self) -> Option<Shown> {
        self.active.try_with_untracked(|active| active.as_ref().map(|active| news::shown(&active.row))).flatten()
    }
}

/// The row first: images that come in between are news again rather than never.
async fn seen_anew(case: i64) -> Result<(CaseRow, StudyImages), Fault> {
    let row = api::case(case).await?.row;
    let images = api::images(row.study).await?;
    Ok((row, images))
}
