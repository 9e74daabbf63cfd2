//! Sign-in: the picture on one side, name and password on the other, help on the page.

use std::cell::RefCell;
use std::time::Duration;

use leptos::html::Canvas;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::{Clamped, JsCast};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, HtmlInputElement, ImageData, KeyboardEvent, SubmitEvent};
use wire::Status;

use super::sinogram::sinogram;
use crate::api::{self, Fault};
use crate::app::App;
use crate::clock;
use crate::i18n::{self, Lang, fill, say, t};
use crate::ui::icon;
use crate::web;

/// The last login used on this machine; never a password.
const KNOWN: &str = "yunying.login";
/// How often it is asked how the center is.
const AGAIN: Duration = Duration::from_secs(20);
/// Seconds a login rests when the server says too many tries and not how long.
const REST: u32 = 60;

thread_local! {
    /// Outlives the form, which a change of language makes anew.
    static RESTS: RefCell<Rests> = RefCell::default();
}

/// Logins the server will not hear for a while, and until when. On a shared PC everybody else signs in meanwhile.
#[derive(Default)]
struct Rests(Vec<(String, i64)>);

impl Rests {
    fn begin(&mut self, login: &str, seconds: u32, now: i64) {
        self.0.retain(|(other, until)| other != login && *until > now);
        self.0.push((login.to_owned(), now + i64::from(seconds) * 1_000_000));
    }

    /// Whole seconds until it will be heard again, the last one begun included.
    fn left(&self, login: &str, now: i64) -> u32 {
        let until = self.0.iter().find(|(other, _)| other == login).map_or(now, |(_, until)| *until);
        u32::try_from((until - now + 999_999) / 1_000_000).unwrap_or(0)
    }
}

#[component]
pub fn SignInPage() -> impl IntoView {
    let status = RwSignal::new(None::<Result<Status, Fault>>);
    let ask = move || {
        spawn_local(async move {
            let answer = api::status().await;
            status.try_set(Some(answer));
        });
    };
    ask();
    // A page may stand here for hours: what it says of the center is never older than this.
    let again = set_interval_with_handle(ask, AGAIN);
    on_cleanup(move || {
        if let Ok(again) = again {
            again.clear();
        }
    });
    view! {
        <main class="signin" data-testid="signin">
            <Picture status=status/>
            <section class="signin-side">
                <Form status=status/>
                <StatusLine status=status/>
            </section>
        </main>
    }
}

type Answered = RwSignal<Option<Result<Status, Fault>>>;

fn center(status: Answered) -> String {
    status.with(|status| match status {
        Some(Ok(status)) => status.center.clone(),
        _ => String::new(),
    })
}

#[component]
fn Picture(status: Answered) -> impl IntoView {
    let canvas = NodeRef::<Canvas>::new();
    Effect::new(move |_| {
        if let Some(canvas) = canvas.get() {
            paint(&canvas);
        }
    });
    view! {
        <section class="signin-picture">
            <canvas node_ref=canvas width="320" height="384" aria-hidden="true"></canvas>
            <header>
                {icon("logo")}
                <div><p class="brand">{t(say::APP)}</p><p class="center">{move || center(status)}</p></div>
            </header>
            <p class="caption">{t(say::SINOGRAM_1)}<br/>{t(say::SINOGRAM_2)}</p>
        </section>
    }
}

/// Nothing is drawn where the browser has no canvas; the page works without.
fn paint(canvas: &HtmlCanvasElement) -> Option<()> {
    let (width, height) = (canvas.width(), canvas.height());
    let context: CanvasRenderingContext2d = canvas.get_context("2d").ok()??.dyn_into().ok()?;
    let pixels = sinogram(width as usize, height as usize);
    let image = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&pixels), width, height).ok()?;
    context.put_image_data(&image, 0.0, 0.0).ok()
}

/// What is being typed, and what came of it.
#[derive(Clone, Copy)]
struct Entry {
    app: App,
    login: RwSignal<String>,
    password: RwSignal<String>,
    busy: RwSignal<bool>,
    problem: RwSignal<Option<String>>,
    /// Seconds until the server will hear this login again.
    rest: Memo<u32>,
    /// Rises when a login was told to wait.
    told: RwSignal<u32>,
    status: Answered,
}

impl Entry {
    fn new(app: App, known: String, status: Answered) -> Self {
        let (login, told) = (RwSignal::new(known), RwSignal::new(0));
        let second = clock::ticks().second;
        let rest = Memo::new(move |_| {
            told.track();
            second.track();
            login.with(|login| RESTS.with_borrow(|rests| rests.left(login.trim(), clock::now_us())))
        });
        Self {
            app,
            login,
            password: RwSignal::new(String::new()),
            busy: RwSignal::new(false),
            problem: RwSignal::new(None),
            rest,
            told,
            status,
        }
    }

    fn idle(self) -> bool {
        !self.busy.get() && self.rest.get() == 0
    }

    fn submit(self) {
        let (login, password) = (self.login.get_untracked().trim().to_owned(), self.password.get_untracked());
        if !untrack(|| self.idle()) {
            return;
        }
        if let Some((missing, field)) = missing(&login, &password) {
            self.problem.set(Some(t(missing).to_owned()));
            web::focus_selector(field);
            return;
        }
        self.busy.set(true);
        self.problem.set(None);
        spawn_local(async move {
            let answer = api::sign_in(&login, &password).await;
            self.busy.set(false);
            match answer {
                Ok(me) => {
                    web::keep(KNOWN, &login);
                    self.app.sign_in(me);
                }
                Err(fault) => self.refused(&login, &fault),
            }
        });
    }

    fn refused(self, login: &str, fault: &Fault) {
        if let Some(down) = down(fault) {
            self.status.set(Some(Err(down)));
        }
        if fault.status() == 429 {
            let seconds = fault.retry_after().unwrap_or(REST);
            RESTS.with_borrow_mut(|rests| rests.begin(login, seconds, clock::now_us()));
            self.told.update(|told| *told += 1);
        } else {
            self.problem.set(Some(fault.text()));
        }
        self.password.set(String::new());
        web::focus_selector("#password");
    }
}

#[component]
fn Form(status: Answered) -> impl IntoView {
    let app = expect_context::<App>();
    let entry = Entry::new(app, web::recall(KNOWN).unwrap_or_default(), status);
    let first = if entry.login.get_untracked().is_empty() { "#login" } else { "#password" };
    set_timeout(move || web::focus_selector(first), Duration::ZERO);
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        entry.submit();
    };
    let other = if i18n::chosen() == Lang::Zh { Lang::En } else { Lang::Zh };
    view! {
        <form class="signin-form" on:submit=submit novalidate=true>
            <h1>{t(say::SIGN_IN)}</h1>
            <p class="lead">{t(say::SIGN_IN_LEAD)}</p>
            {move || app.notice.get().map(|text| view! { <p class="problem" role="alert">{icon("clock")}{text}</p> })}
            <LoginField entry=entry/>
            <PasswordField entry=entry/>
            <Said entry=entry/>
            <button class="button primary big" type="submit" data-testid="sign-in" aria-disabled=move || (!entry.idle()).to_string()>
                {move || t(if entry.busy.get() { say::SIGNING_IN } else { say::SIGN_IN })}" "<kbd>"Enter"</kbd>
            </button>
            <p class="foot">
                <span>{move || help(status)}</span>
                <button type="button" class="linkish" lang=if other == Lang::En { "en" } else { "zh-CN" } data-testid="language"
                    on:click=move |_| app.speak(other)>{t(say::LANG_SWITCH)}</button>
            </p>
        </form>
    }
}

/// What came of it. The seconds that run are for the eye; read aloud it changes once a minute.
#[component]
fn Said(entry: Entry) -> impl IntoView {
    let aloud = Memo::new(move |_| said(entry.rest.get().div_ceil(60) * 60, entry.problem.get()));
    view! {
        <div id="signin-said" role="alert">
            {move || aloud.get().map(|text| view! {
                <p class="problem" data-testid="signin-problem">
                    {icon("warn")}
                    <span class="sr">{text}</span>
                    <span aria-hidden="true">{move || said(entry.rest.get(), entry.problem.get())}</span>
                </p>
            })}
        </div>
    }
}

#[component]
fn LoginField(entry: Entry) -> impl IntoView {
    let known = entry.login.get_untracked();
    let was_known = move || !known.is_empty() && entry.login.get() == known;
    view! {
        <label for="login">{t(say::LOGIN)}</label>
        <div class="box">
            {icon("user")}
            <input id="login" name="username" data-testid="login" autocomplete="username" autocapitalize="none" spellcheck="false"
                required=true aria-describedby="login-known signin-said"
                prop:value=move || entry.login.get() on:input=move |event| entry.login.set(value_of(&event))/>
            <span id="login-known" class="small quiet">{move || was_known().then(|| t(say::LOGIN_KNOWN))}</span>
        </div>
    }
}

#[component]
fn PasswordField(entry: Entry) -> impl IntoView {
    let shown = RwSignal::new(false);
    let caps = RwSignal::new(false);
    let watch_caps = move |event: KeyboardEvent| caps.set(event.get_modifier_state("CapsLock"));
    view! {
        <label for="password">{t(say::PASSWORD)}</label>
        <div class="box">
            {icon("lock")}
            <input id="password" name="password" data-testid="password" autocomplete="current-password" required=true aria-describedby="caps signin-said"
                type=move || if shown.get() { "text" } else { "password" }
                prop:value=move || entry.password.get() on:input=move |event| entry.password.set(value_of(&event))
                on:keydown=watch_caps on:keyup=watch_caps on:blur=move |_| caps.set(false)/>
            <button type="button" class="linkish quiet" aria-label=move || t(if shown.get() { say::HIDE_PASSWORD } else { say::SHOW_PASSWORD }) on:click=move |_| shown.update(|shown| *shown = !*shown)>
                {move || icon(if shown.get() { "eye-off" } else { "eye" })}" "{move || t(if shown.get() { say::HIDE } else { say::SHOW })}
            </button>
        </div>
        <p id="caps" class="caps amber" aria-live="polite">
            {move || caps.get().then(|| view! { {icon("warn")}" "{t(say::CAPS_LOCK)} })}
        </p>
    }
}

fn value_of(event: &leptos::ev::Event) -> String {
    event_target::<HtmlInputElement>(event).value()
}

fn missing(login: &str, password: &str) -> Option<(i18n::Text, &'static str)> {
    if login.is_empty() {
        Some((say::NEED_LOGIN, "#login"))
    } else if password.is_empty() {
        Some((say::NEED_PASSWORD, "#password"))
    } else {
        None
    }
}

fn said(rest: u32, problem: Option<String>) -> Option<String> {
    match rest {
        0 => problem,
        1..120 => Some(fill(say::WAIT_SECONDS, &[&rest.to_string()])),
        _ => Some(fill(say::WAIT_MINUTES, &[&rest.div_ceil(60).to_string()])),
    }
}

/// The center itself did not answer: what was heard of it before is no longer so.
fn down(fault: &Fault) -> Option<Fault> {
    fault.passing().then(|| fault.clone())
}

fn help(status: Answered) -> String {
    let phone = status.with(|status| match status {
        Some(Ok(status)) => status.help_phone.clone(),
        _ => None,
    });
    phone.map_or_else(|| t(say::FORGOT_NO_PHONE).to_owned(), |phone| fill(say::FORGOT, &[&phone]))
}

#[component]
fn StatusLine(status: Answered) -> impl IntoView {
    let line = move || {
        status.with(|status| match status {
            None => view! { <span class="faint">{icon("refresh")}" "{t(say::SYSTEM_ASKING)}</span> }.into_any(),
            Some(Err(_)) => view! { <span class="amber">{icon("warn")}" "{t(say::SYSTEM_DOWN)}</span> }.into_any(),
            Some(Ok(_)) => {
                let ms = api::round_trip_ms().unwrap_or_default().to_string();
                view! { <span><span class="done">{icon("check")}</span>" "{t(say::SYSTEM_FINE)}<i class="dot"></i>{fill(say::LINE_MS, &[&ms])}</span> }.into_any()
            }
        })
    };
    let version = move || {
        status
            .with(|status| status.as_ref().and_then(|status| status.as_ref().ok()).map(|status| status.version.clone()))
    };
    view! {
        <footer class="signin-status small" data-testid="status">
            {line}
            <span>{icon("clock")}" "{t(say::SHARED_PC)}</span>
            <span class="grow"></span>
            <span class="faint">{t(say::APP)}" "{version}</span>
        </footer>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_center_that_does_not_answer_is_not_called_well_and_a_wrong_password_is_no_outage() {
        let said = |status| {
            let problem = wire::Problem { code: "x".into(), title: String::new(), status, detail: None };
            down(&Fault::Refused(problem, None))
        };
        assert_eq!(down(&Fault::Offline), Some(Fault::Offline));
        assert!(said(503).is_some() && said(401).is_none() && said(429).is_none());
    }

    #[test]
    fn who_guessed_too_often_waits_and_nobody_else_on_the_machine() {
        let mut rests = Rests::default();
        rests.begin("wu", 900, 0);
        assert_eq!((rests.left("wu", 0), rests.left("he", 0)), (900, 0));
        rests.begin("he", 60, 10 * SECOND);
        assert_eq!((rests.left("wu", 10 * SECOND), rests.left("he", 10 * SECOND)), (890, 60));
        assert_eq!(rests.left("he", 69 * SECOND + 1), 1, "the last second begun");
        assert_eq!(rests.left("he", 71 * SECOND), 0);
    }
}
