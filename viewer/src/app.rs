//! The shell: who is signed in, which language, which page. Pages live inside it and die with a change of either.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{Me, Role};

use crate::board::{BoardPage, QuarantinePage};
use crate::clock::{self, Ticks};
use crate::desk::{self, DeskPage};
use crate::i18n::{self, Lang, Text, fill, say, t};
use crate::live::{self, Line};
use crate::orders::{self, OrdersPage};
use crate::pages::{ImagesPage, MachinePage, SignInPage};
use crate::read::{self, ReadPage};
use crate::{api, web};

/// Set while somebody is signed in here: only then is the server asked who, so that a fresh browser asks nothing in vain.
const WAS_IN: &str = "yunying.in";

/// Ends the address of a page that stands next to another.
const BESIDE: &str = "/beside";

/// What people type outside of a report, by what its keys begin with.
const TYPED: [&str; 3] = [desk::BEGUN, orders::DRAFTS, read::NOTES];

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

    /// Keeps the session while somebody is here, whether or not their page asks the server for anything; ends it when nobody
    /// has touched this machine for as long as the server keeps an idle one, whatever the page asks by itself.
    fn watch_idle(self) {
        let touched = StoredValue::new(clock::now_us());
        let told = StoredValue::new(clock::now_us());
        let handles = [
            window_event_listener(leptos::ev::keydown, move |_| touched.set_value(clock::now_us())),
            window_event_listener(leptos::ev::pointerdown, move |_| touched.set_value(clock::now_us())),
            window_event_listener(leptos::ev::pointermove, move |_| touched.set_value(clock::now_us())),
            window_event_listener(leptos::ev::wheel, move |_| touched.set_value(clock::now_us())),
        ];
        on_cleanup(move || handles.into_iter().for_each(WindowListenerHandle::remove));
        Effect::new(move |_| {
            let now = clock::ticks().quarter.get();
            let Some((minutes, role)) = self.me.with(|me| me.as_ref().map(|me| (i64::from(me.idle_minutes), me.role)))
            else {
                return;
            };
            let presence = Presence {
                now,
                touched: touched.get_value(),
                told: told.get_value(),
                allowed: minutes * clock::MINUTE_US,
                on_a_wall: Page::of(role, &hash()) == Page::Board,
            };
            match presence.calls_for() {
                Call::Nothing => {}
                Call::Stay => {
                    told.set_value(now);
                    spawn_local(async move {
                        if let Err(fault) = api::stay().await {
                            self.notes(&fault);
                        }
                    });
                }
                Call::Leave => {
                    touched.set_value(now);
                    spawn_local(async move {
                        self.sign_out().await;
                        self.notice.set(Some(t(say::SIGNED_OUT_IDLE)));
                    });
                }
            }
        });
    }

    /// The browser asks before the page goes while a text goes with it that no other place has. A report's own text is
    /// its page's business.
    fn question_leaving(self) {
        let handle = window_event_listener(leptos::ev::beforeunload, |event| {
            if TYPED.into_iter().any(web::only_here) {
                web::ask_before_leaving(&event);
            }
        });
        on_cleanup(move || handle.remove());
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

/// Whether somebody is at the machine, in microseconds.
#[derive(Clone, Copy)]
struct Presence {
    now: i64,
    /// The last key or move of the pointer.
    touched: i64,
    /// When the server was last told that somebody is here.
    told: i64,
    /// How long the server keeps an idle session; 0: nothing was said about it.
    allowed: i64,
    /// A board for everybody to see: nobody touches it.
    on_a_wall: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    Nothing,
    Stay,
    Leave,
}

impl Presence {
    fn calls_for(self) -> Call {
        let told_ago = self.now - self.told;
        if !self.on_a_wall && self.allowed > 0 && self.now - self.touched > self.allowed {
            Call::Leave
        } else if (self.on_a_wall || self.touched > self.told) && told_ago >= clock::MINUTE_US.min(self.allowed / 3) {
            Call::Stay
        } else {
            Call::Nothing
        }
    }
}

pub fn set_hash(hash: &str) {
    window().location().set_hash(hash).ok();
}

/// Where a case's images are looked at next to what is on this page.
pub fn images_beside(case: i64) -> String {
    format!("#images/{case}{BESIDE}")
}

/// The part after `#`: `images/12`, `images/12/beside`, `cases`, `orders`, `quarantine`; empty on the role's own page.
fn hash() -> String {
    window().location().hash().unwrap_or_default().trim_start_matches(['#', '/']).to_owned()
}

fn hash_signal() -> ReadSignal<String> {
    let (read, set) = signal(hash());
    let handle = window_event_listener(leptos::ev::hashchange, move |_| set.set(hash()));
    on_cleanup(move || handle.remove());
    read
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
    app.question_leaving();
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
                entitle(say::SIGN_IN);
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

/// What fills the window for somebody signed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Page {
    /// `beside`: in a window of its own, next to the reading room.
    Images {
        case: i64,
        beside: bool,
    },
    Reading,
    Desk,
    Orders,
    Board,
    Quarantine,
    Machine,
}

impl Page {
    fn of(role: Role, hash: &str) -> Self {
        let (name, argument) = hash.split_once('/').unwrap_or((hash, ""));
        let (case, beside) = argument.strip_suffix(BESIDE).map_or((argument, false), |case| (case, true));
        if name == "images"
            && let Ok(case) = case.parse()
        {
            return Page::Images { case, beside };
        }
        match role {
            Role::Specialist | Role::Reviewer => Page::Reading,
            Role::Operator if name == "orders" => Page::Orders,
            Role::Operator | Role::Clinician => Page::Desk,
            Role::Admin => Page::Quarantine,
            Role::Manager => match name {
                "cases" => Page::Desk,
                "quarantine" => Page::Quarantine,
                _ => Page::Board,
            },
            Role::Integrator => Page::Machine,
        }
    }

    /// For the window and its history; never a name.
    const fn title(self) -> Text {
        match self {
            Page::Images { .. } => say::TITLE_IMAGES,
            Page::Reading => say::TITLE_READING,
            Page::Desk => say::ALL_CASES,
            Page::Orders => say::O_TITLE,
            Page::Board => say::BOARD,
            Page::Quarantine => say::QUARANTINE,
            Page::Machine => say::MACHINE_ACCOUNT,
        }
    }

    const fn setting(self) -> &'static str {
        if matches!(self, Page::Images { .. } | Page::Reading) { "room" } else { "desk" }
    }
}

fn entitle(page: Text) {
    web::set_title(&fill(say::TITLE, &[t(page)]));
}

fn home(me: &Me, hash: &str) -> AnyView {
    let page = Page::of(me.role, hash);
    web::set_setting(page.setting());
    entitle(page.title());
    if !matches!(page, Page::Images { .. } | Page::Desk) {
        desk::forget_place();
    }
    match page {
        Page::Images { case, beside } => view! { <ImagesPage case=case beside=beside/> }.into_any(),
        Page::Reading => view! { <ReadPage/> }.into_any(),
        Page::Desk => view! { <DeskPage/> }.into_any(),
        Page::Orders => view! { <OrdersPage/> }.into_any(),
        Page::Board => view! { <BoardPage/> }.into_any(),
        Page::Quarantine => view! { <QuarantinePage/> }.into_any(),
        Page::Machine => view! { <MachinePage/> }.into_any(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_page_and_its_addresses() {
        assert_eq!(Page::of(Role::Operator, ""), Page::Desk);
        assert_eq!(Page::of(Role::Operator, "images/12"), Page::Images { case: 12, beside: false });
        assert_eq!(Page::of(Role::Reviewer, "images/12/beside"), Page::Images { case: 12, beside: true });
        assert_eq!(Page::of(Role::Operator, "orders"), Page::Orders);
        assert_eq!(Page::of(Role::Clinician, "orders"), Page::Desk);
        assert_eq!(Page::of(Role::Manager, "cases"), Page::Desk);
        assert_eq!(Page::of(Role::Operator, "quarantine"), Page::Desk, "an address opens nothing to a role");
        assert_eq!(Page::of(Role::Specialist, "images/x"), Page::Reading);
    }

    #[test]
    fn no_two_pages_have_the_same_title() {
        let pages = [
            Page::Images { case: 1, beside: false },
            Page::Reading,
            Page::Desk,
            Page::Orders,
            Page::Board,
            Page::Quarantine,
            Page::Machine,
        ];
        for language in [|text: Text| text.zh, |text: Text| text.en] {
            let titles: std::collections::BTreeSet<_> = pages.iter().map(|page| language(page.title())).collect();
            assert_eq!(titles.len(), pages.len());
        }
    }

    const MINUTE: i64 = clock::MINUTE_US;

    /// Minutes ago that somebody touched the machine and that the server was told.
    fn call(touched: i64, told: i64, on_a_wall: bool) -> Call {
        let now = 1_000 * MINUTE;
        let (touched, told) = (now - touched * MINUTE, now - told * MINUTE);
        Presence { now, touched, told, allowed: 15 * MINUTE, on_a_wall }.calls_for()
    }

    #[test]
    fn who_is_at_the_machine_keeps_the_session_and_who_left_does_not() {
        assert_eq!(call(0, 1, false), Call::Stay);
        assert_eq!(call(0, 0, false), Call::Nothing, "told already");
        assert_eq!(call(5, 3, false), Call::Nothing, "nobody since");
        assert_eq!(call(16, 14, false), Call::Leave);
    }

    #[test]
    fn a_board_on_the_wall_stays_though_nobody_touches_it() {
        assert_eq!(call(500, 1, true), Call::Stay);
        assert_eq!(call(500, 0, true), Call::Nothing);
        for (hash, board) in [("", true), ("cases", false), ("quarantine", false), ("images/12", false)] {
            assert_eq!(Page::of(Role::Manager, hash) == Page::Board, board, "{hash}");
        }
    }
}
