//! When a report can't simply go on: its case is gone, or its text was changed in two places. No text is ever dropped.

use leptos::prelude::*;
use wire::ReportBody;

use super::draft::both;
use super::keep::{Aside, Whose};
use super::loss::Loss;
use super::room::Room;
use crate::clock;
use crate::i18n::{fill, say, t};
use crate::ui::{Dialog, copy_button};
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
    let text = Some(room.draft.whole()).filter(|text| !text.trim().is_empty());
    let about = t(if text.is_some() { say::LEASE_LOST_TEXT } else { say::LEASE_LOST_BLANK });
    let kept = text.clone().map(|text| {
        view! { <textarea class="field kept" rows="9" readonly=true aria-label=t(say::REPORT_TITLE) prop:value=text></textarea> }
    });
    let on_duty = Memo::new(move |_| room.desk.with(|desk| desk.as_ref().is_some_and(|desk| desk.on_duty)));
    // Esc does not throw text away: the way out is a button that says so.
    let stay = Callback::new(|()| ());
    view! {
        <Dialog title=t(say::LEASE_LOST).to_owned() on_close=stay testid="lease-lost">
            // It may come up under somebody's typing: no key of theirs may close it.
            <p tabindex="-1" data-first="" data-testid="lease-lost-why">{move || room.loss.with(Loss::words)}" "{about}</p>
            {move || on_duty.get().then(|| view! { <p class="quiet">{t(say::LEASE_LOST_DUTY)}</p> })}
            {kept}
            <div class="actions">
                {text.map(copy_button)}
                <button class="button" data-testid="lease-lost-close" on:click=move |_| room.close()>{t(say::LEASE_LOST_DO)}</button>
            </div>
        </Dialog>
    }
}

#[component]
fn Conflict(room: Room, theirs: ReportBody) -> impl IntoView {
    let choose = move |mine: bool| room.draft.choose(mine);
    let stay = Callback::new(|()| ());
    view! {
        <Dialog title=t(say::CONFLICT).to_owned() on_close=stay class="wide" testid="conflict">
            // It may come up under somebody's typing: no key of theirs may choose.
            <p tabindex="-1" data-first="">{t(say::CONFLICT_LEAD)}</p>
            <div class="versions">
                <section>
                    <h3>{t(say::CONFLICT_HERE)}</h3><p>{room.draft.whole()}</p>
                    <button class="button" data-testid="conflict-mine" on:click=move |_| choose(true)>{t(say::CONFLICT_MINE)}</button>
                </section>
                <section>
                    <h3>{t(say::CONFLICT_CENTER)}</h3><p>{both(&theirs.findings, &theirs.impression)}</p>
                    <button class="button" data-testid="conflict-theirs" on:click=move |_| choose(false)>{t(say::CONFLICT_THEIRS)}</button>
                </section>
            </div>
        </Dialog>
    }
}

/// The versions that were not chosen, to read, copy and let go.
#[component]
pub fn AsideDialog(room: Room, on_close: Callback<()>) -> impl IntoView {
    view! {
        <Dialog title=t(say::ASIDE_TITLE).to_owned() on_close=on_close class="wide" testid="aside-dialog">
            {move || room.draft.asides.get().into_iter().enumerate().map(|(place, aside)| version(room, place, aside, on_close)).collect_view()}
            <div class="actions">
                <span></span>
                <button class="button" data-first="" on:click=move |_| on_close.run(())>{t(say::CLOSE)}" "<kbd>"Esc"</kbd></button>
            </div>
        </Dialog>
    }
}

fn version(room: Room, place: usize, aside: Aside, on_close: Callback<()>) -> impl IntoView {
    let dismiss = move |_| {
        room.draft.dismiss(place);
        match room.draft.asides.with_untracked(Vec::is_empty) {
            true => on_close.run(()),
            false => web::focus_selector("[data-testid=aside-dialog] [data-first]"),
        }
    };
    let whose = match aside.whose {
        Whose::Here => say::ASIDE_HERE,
        Whose::Center => say::ASIDE_CENTER,
    };
    let text = both(&aside.findings, &aside.impression);
    let shown = text.clone();
    view! {
        <section class="aside">
            <h3>{t(whose)}<i class="dot"></i><span class="quiet">{fill(say::ASIDE_SINCE, &[&clock::day_time(aside.at_us)])}</span></h3>
            <textarea class="field kept" rows="7" readonly=true aria-label=t(whose) prop:value=shown></textarea>
            <div class="actions">
                {copy_button(text)}
                <button class="button danger" data-testid="aside-dismiss" on:click=dismiss>{t(say::ASIDE_DISMISS)}</button>
            </div>
        </section>
    }
}
