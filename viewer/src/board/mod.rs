//! The manager's board: who waits, how long is left, who is on duty, how fast reports go back.

mod draw;
mod duty;
mod figures;
mod lanes;
mod late;
mod place;
mod quarantine;
mod remedy;
mod turnaround;

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::Board;

pub use quarantine::QuarantinePage;

use crate::api::{self, Fault};
use crate::app::App;
use crate::clock;
use crate::i18n::{say, t};
use crate::live;
use crate::ui::{KeyLine, KeysOverlay, LineMark, TopBar, failed, icon, loading_rows};
use duty::DutyTable;
use figures::figures;
use lanes::lanes;
use late::Late;
use turnaround::{by_modality, by_site};

const KEYS: &[KeyLine] = &[("F1", say::KEY_HELP), ("Esc", say::KEY_CLOSE)];

/// A little longer than a page takes that is open; the center waits three seconds before it says that none is.
const ANSWER: Duration = Duration::from_millis(3_500);

/// What the board shows, and how to have it asked for again.
#[derive(Clone, Copy)]
pub struct Watch {
    app: App,
    board: RwSignal<Option<Board>>,
    fault: RwSignal<Option<Fault>>,
}

impl Watch {
    fn start(app: App) -> Self {
        let watch = Self { app, board: RwSignal::new(None), fault: RwSignal::new(None) };
        let refresh = live::gathered(Duration::from_millis(800), move || watch.refresh());
        live::listen(move |beat| match beat {
            // Whether a page answers to it is known a moment later, and nothing says so.
            live::Beat::Event(event) if event.kind == "duty.on" => watch.settled(),
            _ => refresh(),
        });
        // A page that falls silent, a shift that nobody answers: time passes without an event.
        let now = clock::ticks().quarter;
        Effect::new(move |_| {
            now.track();
            watch.refresh();
        });
        watch
    }

    /// Something was done here: shown at once, and again when an open page has had the time to answer to it.
    pub fn settled(self) {
        self.refresh();
        set_timeout(move || self.refresh(), ANSWER);
    }

    pub fn refresh(self) {
        spawn_local(async move {
            match api::board().await {
                Ok(board) => {
                    self.fault.try_set(None);
                    self.board.try_set(Some(board));
                }
                Err(fault) => self.failed(fault),
            }
        });
    }

    pub fn failed(self, fault: Fault) {
        self.app.notes(&fault);
        self.fault.try_set(Some(fault));
    }
}

#[component]
pub fn BoardPage() -> impl IntoView {
    let app = expect_context::<App>();
    let watch = Watch::start(app);
    let keys = RwSignal::new(false);
    let center = app.me.with_untracked(|me| me.as_ref().map(|me| me.center.clone()).unwrap_or_default());
    let again = Callback::new(move |()| watch.refresh());
    let ready = Memo::new(move |_| watch.board.with(Option::is_some));
    // A board once shown stays: an answer that says the line is fine again draws nothing anew.
    let in_the_way = Memo::new(move |_| watch.fault.get().filter(|_| !ready.get()));
    view! {
        <div class="board-page" data-testid="board">
            <TopBar place=center below=t(say::CENTER_DESK).to_owned()>
                <LineMark/>
                <a class="button" href="#cases" data-testid="all-cases">{icon("queue")}{t(say::ALL_CASES)}</a>
                <a class="button" href="#quarantine" data-testid="quarantine-link">{icon("box")}{t(say::QUARANTINE)}</a>
                <button class="button bare keys-button" aria-label=t(say::ALL_KEYS) on:click=move |_| keys.set(true)>{icon("keyboard")}<kbd>"F1"</kbd></button>
            </TopBar>
            {move || watch.fault.get().filter(|_| ready.get()).map(|fault| view! { <p class="problem board-problem" role="alert">{icon("warn")}<span>{fault.text()}</span></p> })}
            {move || match (ready.get(), in_the_way.get()) {
                (true, _) => view! { <Boards watch=watch/> }.into_any(),
                (false, Some(fault)) => failed(&fault, again).into_any(),
                (false, None) => view! { <main class="board">{loading_rows(6, "panel-row")}</main> }.into_any(),
            }}
            <KeysOverlay lines=&[KEYS] open=keys/>
        </div>
    }
}

#[component]
fn Boards(watch: Watch) -> impl IntoView {
    let now = clock::ticks().quarter;
    let with = move |draw: fn(&Board, i64) -> AnyView| {
        move || watch.board.with(|board| board.as_ref().map(|board| draw(board, now.get())))
    };
    view! {
        <main class="board">
            <section class="figures-row" data-testid="figures">{with(|board, now| figures(board, now).into_any())}</section>
            <div class="board-column">
                <section class="card lanes-card" data-testid="lanes">{with(|board, now| lanes(board, now).into_any())}</section>
                <section class="card turn-card" data-testid="turnaround">{with(|board, _| by_modality(board).into_any())}</section>
            </div>
            <div class="board-column">
                <section class="card late-card" data-testid="late"><Late watch=watch/></section>
                <section class="card duty-card" data-testid="duty-table"><DutyTable watch=watch/></section>
                <section class="card site-card" data-testid="by-site">{with(|board, _| by_site(board).into_any())}</section>
            </div>
        </main>
    }
}
