//! Signing in and out, and what the sign-in page may know.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;
use wire::{DutyChange, Me, Place, SignIn, Status};

use super::auth::{self, Caller, Origin};
use super::proof::{self, Claim};
use super::routes::{Access, EVERYBODY, Route};
use super::{Answer, App, Problem};
use crate::clock;
use crate::domain::{Micros, Role};
use crate::index::attempts::{self, Act, Attempt};
use crate::index::{Db, Event, EventKind, Tx, community, duty, openings, sessions};
use axum::http::Method;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/status", Access::Public, "What the sign-in page shows", status),
        Route::post("/api/v1/session", Access::Public, "Sign in", sign_in),
        Route::get("/api/v1/session", EVERYBODY, "Who am I", me),
        Route::new(Method::DELETE, "/api/v1/session", EVERYBODY, "Sign out", sign_out),
        Route::post("/api/v1/duty", DUTY, "Begin or end a shift", change_duty),
    ]
}

const DUTY: Access = Access::Roles(&[Role::Specialist, Role::Reviewer, Role::Manager]);

async fn status(State(app): State<App>) -> Json<Status> {
    Json(Status {
        center: app.config.center.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        help_phone: app.config.help_phone.clone(),
        now_us: clock::now().0,
    })
}

async fn sign_in(State(app): State<App>, origin: Origin, Json(given): Json<SignIn>) -> Answer<Response> {
    let now = clock::now();
    let login = given.login.trim().chars().take(64).collect::<String>();
    let account = community::account_by_login(&mut app.db.read().await?, &login).await?;
    let attempt = Attempt { act: Act::SignIn, login: &login, address: &origin.0 };
    let stored = account.as_ref().map(|account| account.password_hash.clone());
    let right = proof::is_right(&app, Claim { attempt, password: given.password, stored }).await?;
    let mut tx = app.db.write().await?;
    let Some(account) = account.filter(|_| right) else {
        tx.event(&Event::new(EventKind::SignInRefused, now)).await?;
        tx.commit().await?;
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "wrong_login_or_password"));
    };
    let (secret, csrf) = (auth::new_secret(), auth::new_secret());
    sessions::open(&mut tx, &auth::hash(&secret), account.id, &csrf, now).await?;
    let me = describe(&app, &mut tx, &account, csrf, now).await?;
    tx.commit().await?;
    Ok((cookie_header(&app, &secret), Json(me)).into_response())
}

/// How often what no longer counts is forgotten.
const SWEEP: Duration = Duration::from_secs(600);

/// Forgets ended sessions, old attempts and openings, until told to stop: none may grow for ever.
pub async fn sweep(db: Db, idle: Duration, stop: CancellationToken) {
    loop {
        if let Err(error) = sweep_once(&db, idle, clock::now()).await {
            tracing::warn!(%error, "ended sessions are still kept");
        }
        if stop.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_none() {
            return;
        }
    }
}

async fn sweep_once(db: &Db, idle: Duration, now: Micros) -> crate::index::Result<()> {
    let mut tx = db.write().await?;
    let mut forgotten = sessions::purge(&mut tx, idle, now).await?;
    forgotten += attempts::purge(&mut tx, now).await? + openings::purge(&mut tx, now).await?;
    if forgotten > 0 { tx.commit().await } else { Ok(()) }
}

async fn me(State(app): State<App>, caller: Caller) -> Answer<Json<Me>> {
    let (account, session) = caller.person()?;
    let now = clock::now();
    let mut tx = app.db.read().await?;
    let session = sessions::find(&mut tx, session, app.idle(), now).await?.ok_or(Problem::unauthenticated())?;
    let account = community::account(&mut tx, account).await?;
    Ok(Json(describe(&app, &mut tx, &account, session.csrf, now).await?))
}

async fn sign_out(State(app): State<App>, caller: Caller) -> Answer<Response> {
    let (account, session) = caller.person()?;
    let now = clock::now();
    let mut tx = app.db.write().await?;
    duty::set(&mut tx, account, false, account, now).await?;
    sessions::close(&mut tx, session, account, now).await?;
    tx.commit().await?;
    Ok((cookie_header(&app, ""), StatusCode::NO_CONTENT).into_response())
}

async fn change_duty(State(app): State<App>, caller: Caller, Json(change): Json<DutyChange>) -> Answer<StatusCode> {
    let by = caller.account()?;
    let subject = match change.account {
        Some(other) if caller.role == Role::Manager => crate::domain::AccountId(other),
        None if caller.role.reads() => by,
        Some(own) if own == by.0 && caller.role.reads() => by,
        _ => return Err(Problem::forbidden()),
    };
    let mut tx = app.db.write().await?;
    if !community::account(&mut tx, subject).await?.role.reads() {
        return Err(Problem::bad_request("not_a_specialist"));
    }
    duty::set(&mut tx, subject, change.on, by, clock::now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn describe(app: &App, tx: &mut Tx, account: &community::Account, csrf: String, now: Micros) -> Answer<Me> {
    let site = community::sites(tx).await?.into_iter().find(|site| Some(site.id) == account.site_id);
    let on_duty = duty::on_duty(tx).await?.iter().any(|d| d.account_id == account.id);
    let last = attempts::last_sign_in(tx, &account.login, now).await?;
    Ok(Me {
        account: account.id.0,
        login: account.login.clone(),
        name: account.name.clone(),
        title: account.title.clone(),
        role: account.role,
        site: site.map(|site| Place { id: site.id.0, name: site.name }),
        center: app.config.center.clone(),
        csrf,
        on_duty,
        now_us: now.0,
        zone: zone_name(app, now),
        last_sign_in_us: last.map(|at| at.0),
        idle_minutes: app.config.http.idle_minutes,
    })
}

/// A zone that has no name of its own is said as its distance from UTC.
fn zone_name(app: &App, now: Micros) -> String {
    let at = jiff::Timestamp::from_microsecond(now.0).unwrap_or_default();
    app.zone.iana_name().map_or_else(|| app.zone.to_offset(at).to_string(), str::to_owned)
}

/// The session cookie; an empty secret removes it.
fn cookie_header(app: &App, secret: &str) -> [(header::HeaderName, HeaderValue); 1] {
    let secure = if app.config.secure_cookies() { "; Secure" } else { "" };
    let age = if secret.is_empty() { "; Max-Age=0" } else { "" };
    let text = format!("{}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}{age}", auth::COOKIE);
    [(header::SET_COOKIE, HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("")))]
}
