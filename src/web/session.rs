//! Signing in and out, and what the sign-in page may know.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wire::{DutyChange, Me, Place, SignIn, Status};

use super::auth::{self, Caller, Who};
use super::routes::{Access, EVERYBODY, Route};
use super::{Answer, App, Problem, passwords};
use crate::clock;
use crate::domain::{Micros, Role};
use crate::index::{Event, EventKind, Tx, community, duty, sessions};
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

async fn sign_in(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(given): Json<SignIn>,
) -> Answer<Response> {
    let now = clock::now();
    let address = auth::address(&app, &headers, peer);
    let login = given.login.trim().chars().take(64).collect::<String>();
    let mut tx = app.db.read().await?;
    if sessions::throttled(&mut tx, &login, &address, now).await? {
        let seconds = u32::try_from(sessions::WINDOW.as_secs()).unwrap_or(u32::MAX);
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts").retry_after(seconds));
    }
    let account = community::account_by_login(&mut tx, &login).await?;
    drop(tx);
    let ok = passwords::verify(given.password, account.as_ref().map(|a| a.password_hash.clone())).await;
    let mut tx = app.db.write().await?;
    sessions::record_attempt(&mut tx, &login, &address, ok, now).await?;
    let Some(account) = account.filter(|_| ok) else {
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

async fn me(State(app): State<App>, caller: Caller) -> Answer<Json<Me>> {
    let Who::Person { account, session } = &caller.who else { return Err(Problem::forbidden()) };
    let now = clock::now();
    let mut tx = app.db.read().await?;
    let session = sessions::find(&mut tx, session, app.idle(), now).await?.ok_or(Problem::unauthenticated())?;
    let account = community::account(&mut tx, *account).await?;
    Ok(Json(describe(&app, &mut tx, &account, session.csrf, now).await?))
}

async fn sign_out(State(app): State<App>, caller: Caller) -> Answer<Response> {
    let Who::Person { account, session } = &caller.who else { return Err(Problem::forbidden()) };
    let now = clock::now();
    let mut tx = app.db.write().await?;
    duty::set(&mut tx, *account, false, *account, now).await?;
    sessions::close(&mut tx, session, *account, now).await?;
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
    let last = sessions::last_sign_in(tx, &account.login, now).await?;
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
        last_sign_in_us: last.map(|at| at.0),
        idle_minutes: app.config.http.idle_minutes,
    })
}

/// The session cookie; an empty secret removes it.
fn cookie_header(app: &App, secret: &str) -> [(header::HeaderName, HeaderValue); 1] {
    let secure = if app.config.secure_cookies() { "; Secure" } else { "" };
    let age = if secret.is_empty() { "; Max-Age=0" } else { "" };
    let text = format!("{}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}{age}", auth::COOKIE);
    [(header::SET_COOKIE, HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("")))]
}
