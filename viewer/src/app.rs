//! The shell: who is signed in, which language, which page. Pages live inside it and die with a change of either.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{Me, Role};

use crate::board::{BoardPage, QuarantinePage};
use crate::clock::{self, Ticks};
use crate::desk::DeskPage;
use crate::i18n::{self, Lang, say, t};
use crate::live::{self, Line};
use crate::pages::{ImagesPage, MachinePage, SignInPage};
use crate::read::ReadPage;
use crate::{api, web};

/// Set while somebody is signed in here: only then is the server asked who, so that a fresh browser asks nothing in vain.
const WAS_IN: &str = "yunying.in";

/// State that outlives any page.
#[derive(Clone, Copy)]
pub struct App {
    pub me: RwSignal<Option<Me>>,
    pub line: RwSignal<Line>,
    lang: RwSignal<Lang>,
    stage: RwSignal<Stage>,
    /// What the sign-in page says when a session ended by itself.
    pub notice: RwSignal<Option<&'static str>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asking,
    SignedOut,
    SignedIn,
}

impl App {
    pub fn sign_in(self, me: Me) {
        web::keep(WAS_IN, "1");
        live::start(self.line.write_only());
        self.notice.set(None);
        self.me.set(Some(me));
        self.stage.set(Stage::SignedIn);
    }

    pub async fn sign_out(self) {
        // Where the server can't be reached the cookie outlives this page; it says so instead of pretending.
        match api::sign_out().await {
            Err(fault) if fault.passing() => self.notice.set(Some(t(say::P_OFFLINE))),
            _ => self.notice.set(None),
        }
        self.left();
    }

    /// The server no longer knows this session.
    pub fn expired(self) {
        if self.me.get_untracked().is_some() {
            self.notice.set(Some(t(say::SIGNED_OUT_IDLE)));
            self.left();
        }
    }

    fn left(self) {
        web::forget(WAS_IN);
        live::stop();
        api::set_csrf("");
        self.stage.set(Stage::SignedOut);
        self.me.set(None);
        set_hash("");
    }

    pub fn speak(self, lang: Lang) {
        i18n::choose(lang);
        self.lang.set(lang);
    }

    /// Nobody has touched this machine for as long as the server keeps an idle session: the page's own requests must not
    /// keep it open for whoever comes by next.
    fn watch_idle(self) {
        let touched = StoredValue::new(clock::now_us());
        let handles = [
            window_event_listener(leptos::ev::keydown, move |_| touched.set_value(clock::now_us())),
            window_event_listener(leptos::ev::pointerdown, move |_| touched.set_value(clock::now_us())),
            window_event_listener(leptos::ev::pointermove, move |_| touched.set_value(clock::now_us())),
            window_event_listener(leptos::ev::wheel, move |_| touched.set_value(clock::now_us())),
        ];
        on_cleanup(move || handles.into_iter().for_each(WindowListenerHandle::remove));
        Effect::new(move |_| {
            let now = clock::ticks().quarter.get();
            let allowed = self.me.with(|me| me.as_ref().map(|me| (i64::from(me.idle_minutes), me.role)));
            // A manager's board hangs on a wall.
            if let Some((minutes @ 1.., role)) = allowed
                && role != Role::Manager
                && now - touched.get_value() > minutes * clock::MINUTE_US
            {
                touched.set_value(now);
                spawn_local(async move {
                    self.sign_out().await;
                    self.notice.set(Some(t(say::SIGNED_OUT_IDLE)));
                });
            }
        });
    }

    /// Nobody signed in, and no browser around it.
    #[cfg(test)]
    pub fn for_tests() -> Self {
        Self {
            me: RwSignal::new(None),
            line: RwSignal::new(Line::Connecting),
            lang: RwSignal::new(Lang::Zh),
            stage: RwSignal::new(Stage::SignedOut),
            notice: RwSignal::new(None),
        }
    }

    /// Hears every failed request once: an ended session leads back to the sign-in page.
    pub fn notes(self, fault: &api::Fault) {
        if fault.status() == 401 {
            self.expired();
        }
    }
}

pub fn set_hash(hash: &str) {
    window().location().set_hash(hash).ok();
}

/// The part after `#`: `images/12`, `cases`, `quarantine`; empty on the role's own page.
fn hash_signal() -> ReadSignal<String> {
    let read = || window().location().hash().unwrap_or_default().trim_start_matches(['#', '/']).to_owned();
    let (hash, set) = signal(read());
    let handle = window_event_listener(leptos::ev::hashchange, move |_| set.set(read()));
    on_cleanup(move || handle.remove());
    hash
}

#[component]
pub fn App() -> impl IntoView {
    let lang = i18n::remembered();
    i18n::choose(lang);
    let app = App {
        me: RwSignal::new(None),
        line: RwSignal::new(Line::Connecting),
        lang: RwSignal::new(lang),
        stage: RwSignal::new(Stage::Asking),
        notice: RwSignal::new(None),
    };
    provide_context(app);
    provide_context(Ticks::start());
    app.watch_idle();
    let hash = hash_signal();
    match web::recall(WAS_IN) {
        Some(_) => spawn_local(resume(app)),
        None => app.stage.set(Stage::SignedOut),
    }
    let page = Memo::new(move |_| (app.stage.get(), app.lang.get(), hash.get()));
    move || {
        let (stage, _, hash) = page.get();
        match stage {
            Stage::Asking => {
                view! { <div class="boot" role="status"><p class="boot-line">{t(say::OPENING)}</p></div> }.into_any()
            }
            Stage::SignedOut => {
                web::set_setting("desk");
                view! { <SignInPage/> }.into_any()
            }
            Stage::SignedIn => match app.me.get_untracked() {
                Some(me) => home(&me, &hash),
                None => ().into_any(),
            },
        }
    }
}

/// Goes on with the session of before the reload, where the server still knows it.
async fn resume(app: App) {
    match api::session().await {
        Ok(me) => app.sign_in(me),
        Err(fault) => {
            if fault.status() == 401 {
                web::forget(WAS_IN);
            }
            app.stage.set(Stage::SignedOut);
        }
    }
}

fn home(me: &Me, hash: &str) -> AnyView {
    let (page, argument) = hash.split_once('/').unwrap_or((hash, ""));
    let reading = me.role.reads() || page == "images";
    web::set_setting(if reading { "room" } else { "desk" });
    if page == "images"
        && let Ok(case) = argument.parse::<i64>()
    {
        return view! { <ImagesPage case=case/> }.into_any();
    }
    match me.role {
        Role::Specialist | Role::Reviewer => view! { <ReadPage/> }.into_any(),
        Role::Operator | Role::Clinician => view! { <DeskPage/> }.into_any(),
        Role::Admin => view! { <QuarantinePage/> }.into_any(),
        Role::Manager => match page {
            "cases" => view! { <DeskPage/> }.into_any(),
            "quarantine" => view! { <QuarantinePage/> }.into_any(),
            _ => view! { <BoardPage/> }.into_any(),
        },
        Role::Integrator => view! { <MachinePage/> }.into_any(),
    }
}
