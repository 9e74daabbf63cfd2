//! When a report can't simply go on: its case is gone, or its text was changed in two places. No text is ever dropped.

use leptos::prelude::*;
use wire::ReportBody;

use super::room::Room;
use crate::i18n::{say, t};
use crate::ui::{Dialog, icon};
use crate::web;

#[component]
pub fn Trouble(room: Room) -> impl IntoView {
    move || {
        if room.lost.get() {
            Some(view! { <LeaseLost room=room/> }.into_any())
        } else {
            room.draft.conflict.get().map(|theirs| view! { <Conflict room=room theirs=theirs/> }.into_any())
        }
    }
}

#[component]
fn LeaseLost(room: Room) -> impl IntoView {
    let text = room.draft.whole();
    let shown = text.clone();
    // Esc does not throw text away: the way out is a button that says so.
    let stay = Callback::new(|()| ());
    view! {
        <Dialog title=t(say::LEASE_LOST).to_owned() on_close=stay testid="lease-lost">
            <p>{t(say::LEASE_LOST_LEAD)}</p>
            <textarea class="field kept" rows="9" readonly=true aria-label=t(say::REPORT_TITLE) prop:value=shown></textarea>
            <div class="actions">
                <button class="button primary" data-first="" data-testid="copy-text" on:click=move |_| web::copy(&text)>{icon("copy")}{t(say::COPY)}</button>
                <button class="button" data-testid="lease-lost-close" on:click=move |_| room.close()>{t(say::LEASE_LOST_DO)}</button>
            </div>
        </Dialog>
    }
}

#[component]
fn Conflict(room: Room, theirs: ReportBody) -> impl IntoView {
    let choose = move |mine: bool| {
        if let Some(other) = room.draft.choose(mine) {
            web::copy(&other);
        }
    };
    let stay = Callback::new(|()| ());
    view! {
        <Dialog title=t(say::CONFLICT).to_owned() on_close=stay class="wide" testid="conflict">
            // It may come up under somebody's typing: no key of theirs may choose.
            <p tabindex="-1" data-first="">{t(say::CONFLICT_LEAD)}</p>
            <div class="versions">
                <section><h3>{t(say::CONFLICT_MINE)}</h3><p>{room.draft.whole()}</p></section>
                <section><h3>{t(say::CONFLICT_THEIRS)}</h3><p>{theirs.findings.clone()}"\n\n"{theirs.impression.clone()}</p></section>
            </div>
            <div class="actions">
                <button class="button" data-testid="conflict-theirs" on:click=move |_| choose(false)>{t(say::CONFLICT_THEIRS)}</button>
                <button class="button" data-testid="conflict-mine" on:click=move |_| choose(true)>{t(say::CONFLICT_MINE)}</button>
            </div>
        </Dialog>
    }
}
