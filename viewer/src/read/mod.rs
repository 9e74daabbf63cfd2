//! The reading room: image and report side by side, one case at a time, everything from the keyboard.

mod banner;
mod changed;
mod changes;
mod checks;
mod draft;
mod earlier;
mod editor;
mod hands;
mod idle;
mod keep;
mod loss;
mod news;
mod opening;
mod pane;
mod region;
mod room;
mod said;
mod sides;
mod sign;
mod slots;
mod standing;
#[cfg(test)]
pub mod testing;
mod trouble;
mod turn;
mod unfinished;
mod warned;

use leptos::prelude::*;

pub use earlier::EarlierReport;
pub use keep::NOTES;
pub use region::{ImageRegion, viewer_study};

use crate::app::App;
use crate::clock;
use crate::i18n::{fill, say, t};
use crate::ui::{KeyLine, KeysOverlay, icon};
use crate::{viewport, web};
use banner::Banner;
use idle::{IdleDesk, OpeningCase};
use news::News;
use pane::{Asked, EDITORS, ReportPane, SavedAloud, ask};
use room::{Purpose, Room};
use said::{Said, Tone};
use sign::Asking;
use trouble::Trouble;

const KEYS: &[KeyLine] = &[
    ("F6", say::KEY_SWITCH),
    ("F2", say::KEY_TEMPLATE),
    ("F4", say::KEY_NEWS),
    ("Tab  Shift+Tab", say::KEY_BLANK),
    ("Ctrl+Enter", say::KEY_SUBMIT),
    ("F10", say::KEY_SIGN),
    ("I", say::KEY_INSERT),
    ("P", say::KEY_PAUSE),
    ("F1", say::KEY_HELP),
];

#[component]
pub fn ReadPage() -> impl IntoView {
    let app = expect_context::<App>();
    let room = Room::start(app);
    let asked = RwSignal::new(None::<Asked>);
    let keys = RwSignal::new(false);
    let in_report = keyboard_place();
    watch_keys(room, asked, in_report);
    question_leaving(room);
    let viewer = room.viewer;
    let open = Memo::new(move |_| room.active.with(Option::is_some));
    let case = move || room.active.with(|active| active.as_ref().map(|active| active.row.case.to_string()));
    // What stays the same of the open case is not drawn anew when something else of it changes.
    let study = Memo::new(move |_| {
        room.active.with(|active| active.as_ref().map(|active| viewer_study(&active.row, &active.images)))
    });
    let pane = Memo::new(move |_| room.active.with(|active| active.as_ref().map(|active| active.row.case)));
    let busy = move || asked.with(Option::is_some) || keys.get() || room.undecided();
    let keyboard = Signal::derive(move || open.get() && !in_report.get() && !busy());
    view! {
        <div class="room" data-testid="room">
            <Banner room=room/>
            <main class="reading" class:empty=move || !open.get() data-testid="reading" data-case=case>
                <ImageRegion study=study.into() keyboard=keyboard handle=viewer/>
                {move || match pane.get().and_then(|_| room.active.get_untracked()) {
                    Some(active) => view! { <ReportPane room=room active=active asked=asked/> }.into_any(),
                    None if room.opening.with(Option::is_some) => view! { <OpeningCase room=room/> }.into_any(),
                    None => view! { <IdleDesk room=room/> }.into_any(),
                }}
            </main>
            <Strip room=room in_report=in_report keys=keys/>
            <Asking room=room asked=asked/>
            <Trouble room=room/>
            <KeysOverlay lines=&[KEYS, viewport::KEYS] open=keys/>
        </div>
    }
}

fn news_words(news: &News) -> String {
    let images = news.images.to_string();
    match (news.question, news.images) {
        (true, 0) => t(say::NEWS_QUESTION).to_owned(),
        (true, _) => fill(say::NEWS_BOTH, &[&images]),
        (false, _) => fill(say::NEWS_IMAGES, &[&images]),
    }
}

/// The browser asks before the page goes while text would go with it.
fn question_leaving(room: Room) {
    let handle = window_event_listener(leptos::ev::beforeunload, move |event| {
        if room.draft.at_risk() {
            web::ask_before_leaving(&event);
        }
    });
    on_cleanup(move || handle.remove());
}

/// Whether the report has the keyboard; else the image has.
fn keyboard_place() -> ReadSignal<bool> {
    let (in_report, set) = signal(false);
    let read = move || set.set(web::active().is_some_and(|here| here.closest(".pane").ok().flatten().is_some()));
    let gained = window_event_listener(leptos::ev::focusin, move |_| read());
    let left = window_event_listener(leptos::ev::focusout, move |_| set_timeout(read, std::time::Duration::ZERO));
    on_cleanup(move || {
        gained.remove();
        left.remove();
    });
    in_report
}

fn watch_keys(room: Room, asked: RwSignal<Option<Asked>>, in_report: ReadSignal<bool>) {
    let handle = window_event_listener(leptos::ev::keydown, move |event| {
        // A dialog has the keyboard to itself, whichever it is.
        if asked.with_untracked(Option::is_some) || untrack(|| room.undecided()) || web::dialog_open() {
            return;
        }
        // A letter acts only where the report does not have the keyboard.
        if web::pressed(&event, "p") && !in_report.get_untracked() && !web::typing() && !event.repeat() {
            let on = room.desk.with_untracked(|desk| desk.as_ref().map(|desk| desk.on_duty));
            if let Some(on) = on {
                room.set_duty(!on);
            }
            return;
        }
        if web::pressed(&event, "F4") && !event.repeat() {
            event.prevent_default();
            room.see_what_is_new();
            return;
        }
        let Some(active) = room.active.get_untracked() else { return };
        let writing = matches!(active.purpose, Purpose::Write { .. });
        let two = active.signatures_needed > 1;
        if web::pressed(&event, "i") && !in_report.get_untracked() && writing {
            insert_measurement(room);
        } else if web::pressed(&event, "F6") {
            event.prevent_default();
            if in_report.get_untracked() {
                region::take_keyboard();
            } else {
                web::focus_selector("#findings");
            }
        } else if web::pressed(&event, "F2") {
            event.prevent_default();
            web::focus_selector("#template");
        } else if web::pressed(&event, "F10") || (writing && web::pressed(&event, "Ctrl+Enter")) {
            event.prevent_default();
            // The writer's signature under a report that needs two is its submission.
            ask(if writing && two { Asked::Submit } else { Asked::Sign }, room, asked);
        }
    });
    on_cleanup(move || handle.remove());
}

/// The newest measurement goes into the findings, where the caret was left.
fn insert_measurement(room: Room) {
    let newest = untrack(|| room.viewer.measured()).pop();
    if let Some(text) = newest.and_then(|measured| editor::insert(EDITORS[0], &measured.text)) {
        room.draft.findings.set(text);
        room.draft.touch();
    }
}

/// What the reader has not seen of the open case; until then nobody signs.
#[component]
fn NewsLine(room: Room) -> impl IntoView {
    // Beside a case only: the idle page lists them all.
    let overtaken = Memo::new(move |_| {
        let open = room.active.with(Option::is_some);
        room.desk.with(|desk| {
            desk.as_ref().filter(|_| open).and_then(news::overtaken).map(|row| (row.patient.name.clone(), row.late))
        })
    });
    view! {
        <span role="status" class="news">
            {move || match (room.news.get(), overtaken.get()) {
                (Some(news), _) => Some(view! {
                    <span class="amber" data-testid="news">{icon("warn")}" "{news_words(&news)}</span>
                    <button class="linkish" data-testid="news-see" on:click=move |_| room.see_news()>{t(say::NEWS_SEE)}" "<kbd>"F4"</kbd></button>
                }.into_any()),
                (None, Some((name, late))) => Some(view! {
                    <span class="amber" data-testid="overtaken">{icon("warn")}" "{fill(say::OUTDATED_NEWS, &[&name, &late.to_string()])}</span>
                    <button class="linkish" data-testid="overtaken-see" on:click=move |_| room.see_what_is_new()>{t(say::OUTDATED_SEE)}" "<kbd>"F4"</kbd></button>
                }.into_any()),
                (None, None) => None,
            }}
        </span>
    }
}

/// What came of a key just pressed, for as long as it is true of the screen.
#[component]
fn SaidLine(room: Room) -> impl IntoView {
    let second = clock::ticks().second;
    let said = Memo::new(move |_| {
        let open = room.active.with(|active| active.as_ref().map(|active| active.row.case));
        let now = second.get().max(untrack(clock::now_us));
        room.said.get().filter(|said| said.stands(now, open))
    });
    let shown = |said: Said| {
        let (tone, mark) = match said.tone {
            Tone::Done => ("done", "check"),
            Tone::Refused => ("amber", "warn"),
        };
        view! { <span class=tone>{icon(mark)}</span>" "{said.words} }
    };
    view! { <span role="status" class="clip" data-testid="said">{move || said.get().map(shown)}</span> }
}

/// The line at the foot: what just happened, who has the keyboard.
#[component]
fn Strip(room: Room, in_report: ReadSignal<bool>, keys: RwSignal<bool>) -> impl IntoView {
    let open = move || room.active.with(Option::is_some);
    view! {
        <footer class="strip small" data-testid="strip">
            <NewsLine room=room/>
            <SavedAloud draft=room.draft/>
            <SaidLine room=room/>
            {move || room.desk.with(Option::is_some).then(|| room.fault.get()).flatten().map(|fault| view! { <span class="amber clip" role="alert">{icon("warn")}" "{fault.text()}</span> })}
            <span class="grow"></span>
            {move || open().then(|| {
                let (here, there) = if in_report.get() { (say::KEYBOARD_REPORT, say::TO_IMAGE) } else { (say::KEYBOARD_IMAGE, say::TO_REPORT) };
                view! { <span data-testid="keyboard">{t(say::KEYBOARD_IN)}" "<b>{t(here)}</b></span><span class="quiet">{t(there)}" "<kbd>"F6"</kbd></span> }
            })}
            <button class="linkish quiet" data-testid="keys-open" on:click=move |_| keys.set(true)>{t(say::ALL_KEYS)}" "<kbd>"F1"</kbd></button>
        </footer>
    }
}
