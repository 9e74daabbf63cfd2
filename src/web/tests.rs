//! Every route × every role × one's own and a foreign site, enumerated from the route table itself.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use futures_util::StreamExt;
use serde_json::Value;

use super::testing::{Center, Furnished, answer, app};
use super::{Access, App, Route, auth, passwords, routes};
use crate::clock;
use crate::domain::{AccountId, Role, SiteId};
use crate::index::testing::{on_both_engines, seed_account};
use crate::index::{Db, Scope, cases, community, events, on, sessions};

const PASSWORD: &str = "山高水长";

/// A signed-in person: the cookie's secret and the CSRF token.
struct Session {
    secret: String,
    csrf: String,
}

async fn session(db: &Db, account: AccountId) -> Session {
    let session = Session { secret: auth::new_secret(), csrf: auth::new_secret() };
    let mut tx = db.write().await.unwrap();
    sessions::open(&mut tx, &auth::hash(&session.secret), account, &session.csrf, clock::now()).await.unwrap();
    tx.commit().await.unwrap();
    session
}

async fn token(db: &Db, role: Role, site: Option<SiteId>) -> String {
    let secret = auth::new_secret();
    let mut tx = db.write().await.unwrap();
    let name = format!("{role}-{site:?}");
    community::add_token(&mut tx, &name, &auth::hash(&secret), role, site, clock::now()).await.unwrap();
    tx.commit().await.unwrap();
    secret
}

fn cookie(session: &Session) -> String {
    format!("{}={}", auth::COOKIE, session.secret)
}

/// Somebody who calls: a person with an account, or a machine with a token.
#[derive(Clone)]
enum By {
    Person(AccountId),
    Machine(String),
}

impl By {
    async fn headers(&self, db: &Db) -> Vec<(&'static str, String)> {
        match self {
            By::Person(account) => {
                let session = session(db, *account).await;
                vec![("cookie", cookie(&session)), (auth::CSRF_HEADER, session.csrf)]
            }
            By::Machine(secret) => vec![("authorization", format!("Bearer {secret}"))],
        }
    }
}

/// The route's path with what the site has in it, and what must be asked besides.
fn path_of(route: &Route, of: &Furnished) -> String {
    let own = route.path.starts_with("/api/");
    let parts = route.path.split('/').map(|part| match part {
        "{case}" => of.case.to_string(),
        "{study}" if own => of.study.to_string(),
        "{study}" => of.study_uid.clone(),
        "{series}" => of.series_uid.clone(),
        "{instance}" if own => of.instance.to_string(),
        "{instance}" => of.instance_uid.clone(),
        "{report}" => of.report.to_string(),
        "{order}" => of.order.to_string(),
        "{bulk}" => "7FE00010".to_owned(),
        part if part.starts_with('{') => "1".to_owned(),
        part => part.to_owned(),
    });
    let path = parts.collect::<Vec<_>>().join("/");
    match route.path {
        "/api/v1/events" => path + "?after=0",
        "/api/v1/templates" => path + "?modality=US",
        "/api/v1/cases" => path + "?tab=signed",
        _ => path,
    }
}

/// Has the fields of every message, so that a refusal is about the caller or the case and not about the body.
fn any_body(reader: AccountId, role: Role) -> String {
    let form =
        serde_json::json!({ "name": "张三", "sex": "male", "exam": "x", "modality": "US", "urgency": "routine" });
    let mut body = serde_json::json!({
        "form": form, "version": 1, "on": true, "login": "x", "password": PASSWORD, "lease": "x", "rev": 1, "note": "x",
        "name": "张三", "sex": "male", "exam": "x", "modality": "US", "urgency": "routine", "template": "",
        "findings": "x", "impression": "x", "instances": 1, "act": "release", "patient": 1, "same": true, "shown": { "question": "", "instances": 1 },
    });
    if role == Role::Manager {
        // A manager changes others' shifts only.
        body["account"] = reader.0.into();
    }
    body.to_string()
}

/// Reads everything, images included, where they need no decoding.
const ACCEPT: &str = "multipart/related; type=\"image/jpeg\"; transfer-syntax=*, \
    multipart/related; type=\"application/dicom\"; transfer-syntax=*, */*;q=0.1";

struct Answered {
    status: StatusCode,
    kind: String,
    text: String,
}

impl Answered {
    fn code(&self) -> String {
        let problem: Value = serde_json::from_str(&self.text).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The first of a site's marks in it.
    fn tells<'a>(&self, of: &'a Furnished) -> Option<&'a String> {
        of.marks.iter().find(|mark| self.text.contains(*mark))
    }
}

async fn ask(app: &App, route: &Route, path: &str, body: String, headers: &[(&str, String)]) -> Answered {
    let mut request = Request::builder().method(route.method.clone()).uri(path).header(header::ACCEPT, ACCEPT);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let body = if route.method == Method::GET { Body::empty() } else { Body::from(body) };
    let request = request.header(header::CONTENT_TYPE, "application/json").body(body).unwrap();
    let response = answer(app, request).await;
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.to_owned();
    let mut chunks = response.into_body().into_data_stream();
    let mut bytes = Vec::new();
    let streams = kind.starts_with("text/event-stream");
    // The live stream never ends; once it has begun to tell, what there is of it comes at once.
    let patience = |bytes: &[u8]| match streams {
        true if bytes.windows(5).any(|at| at == b"data:") => Duration::from_millis(200),
        true => Duration::from_secs(5),
        false => Duration::from_secs(60),
    };
    while let Ok(Some(chunk)) = tokio::time::timeout(patience(&bytes), chunks.next()).await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    Answered { status, kind, text: String::from_utf8_lossy(&bytes).into_owned() }
}

async fn call(app: &App, route: &Route, path: &str, headers: &[(&str, &str)]) -> StatusCode {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    ask(app, route, path, any_body(AccountId(0), Role::Admin), &headers).await.status
}

async fn reader(db: &Db) -> AccountId {
    seed_account(db, "any-reader", Role::Specialist, None).await
}

async fn give_passwords(db: &Db) {
    let hash = passwords::hash(PASSWORD).unwrap();
    let mut tx = db.write().await.unwrap();
    on!(&mut tx, c => sqlx::query("UPDATE account SET password_hash = $1").bind(&hash).execute(c).await.map(drop))
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn every_route_serves_the_roles_it_names_and_refuses_the_others() {
    on_both_engines(async |db| {
        let center = Center::open(&db).await;
        let own = center.furnish("QH").await;
        while events::chain_batch(&db).await.unwrap() {}
        let reader = reader(&db).await;
        for role in Role::ALL {
            let site = matches!(role, Role::Operator | Role::Clinician).then_some(own.site);
            let person = By::Person(seed_account(&db, role.word(), *role, site).await);
            let machine = By::Machine(token(&db, *role, site).await);
            give_passwords(&db).await;
            for route in routes() {
                let Some(allowed) = route.access.roles() else { continue };
                let path = path_of(&route, &own);
                for by in [&person, &machine] {
                    let headers = by.headers(&db).await;
                    let answered = ask(&center.app, &route, &path, any_body(reader, *role), &headers).await;
                    let (status, code) = (answered.status, answered.code());
                    let what = format!("{} {path} as {role}: {status} {code}", route.method);
                    if !allowed.contains(role) {
                        assert_eq!((status, &*code), (StatusCode::FORBIDDEN, "forbidden"), "{what}");
                    } else if matches!(by, By::Machine(_)) && status == StatusCode::FORBIDDEN {
                        assert_eq!(code, "not_for_machines", "{what}");
                    } else if route.method == Method::GET {
                        assert!(is_shown(&route, &answered), "{what}");
                    } else {
                        // Done, or refused for what the case or the message is; never for who calls.
                        let about_the_caller = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND];
                        assert!(!about_the_caller.contains(&status) && !status.is_server_error(), "{what}");
                    }
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn every_route_that_is_not_public_refuses_strangers_and_forged_requests() {
    on_both_engines(async |db| {
        let center = Center::open(&db).await;
        let (app, seeded) = (&center.app, center.furnish("QH").await);
        for route in routes() {
            let Some(allowed) = route.access.roles() else { continue };
            let path = path_of(&route, &seeded);
            let what = format!("{} {}", route.method, route.path);
            assert_eq!(call(app, &route, &path, &[]).await, StatusCode::UNAUTHORIZED, "{what}");
            let wrong = [("authorization", "Bearer wrong")];
            assert_eq!(call(app, &route, &path, &wrong).await, StatusCode::UNAUTHORIZED, "{what}");
            if route.method == Method::GET {
                continue;
            }
            let login = format!("{}{}", route.method, route.path);
            let site = matches!(allowed[0], Role::Operator | Role::Clinician).then_some(seeded.site);
            let session = session(&db, seed_account(&db, &login, allowed[0], site).await).await;
            let forged = call(app, &route, &path, &[("cookie", &cookie(&session))]).await;
            assert_eq!(forged, StatusCode::FORBIDDEN, "{what} without the CSRF token");
        }
    })
    .await;
}

/// Who is bound to a site: people who work at one, and anybody an administrator has bound to one.
async fn bound_to(db: &Db, site: SiteId) -> Vec<(Role, By)> {
    let mut callers = Vec::new();
    for role in Role::ALL {
        if !role.reads() {
            let account = seed_account(db, &format!("{role} of {site}"), *role, Some(site)).await;
            callers.push((*role, By::Person(account)));
        }
        callers.push((*role, By::Machine(token(db, *role, Some(site)).await)));
    }
    callers
}

#[tokio::test]
async fn every_route_shows_a_site_its_own_and_nothing_of_another() {
    on_both_engines(async |db| {
        let center = Center::open(&db).await;
        let (own, other) = (center.furnish("QH").await, center.furnish("LW").await);
        while events::chain_batch(&db).await.unwrap() {}
        let reader = reader(&db).await;
        let (here, there) = (bound_to(&db, own.site).await, bound_to(&db, other.site).await);
        let before = cases::row(&mut db.read().await.unwrap(), own.case, Scope::All).await.unwrap().version;
        for route in routes() {
            let Some(allowed) = route.access.roles().filter(|_| route.path != OF_ALL_SITES) else { continue };
            let path = path_of(&route, &own);
            for (role, by) in there.iter().filter(|(role, _)| allowed.contains(role)) {
                let headers = by.headers(&db).await;
                let answered = ask(&center.app, &route, &path, any_body(reader, *role), &headers).await;
                let what = format!("{} {path} as {role} of another site: {}", route.method, answered.status);
                assert_eq!(answered.tells(&own), None, "{what}");
                if names_a_row(&route) && answered.code() != "not_for_machines" {
                    assert_eq!(answered.status, StatusCode::NOT_FOUND, "{what}");
                }
            }
            // The same as the site's own people see it: else there would have been nothing to hide.
            for (role, by) in here.iter().filter(|(role, _)| allowed.contains(role) && route.method == Method::GET) {
                let headers = by.headers(&db).await;
                let answered = ask(&center.app, &route, &path, String::new(), &headers).await;
                let what = format!("{path} as {role} of the site: {} {}", answered.status, answered.code());
                if answered.code() == "not_for_machines" {
                    continue;
                }
                assert!(is_shown(&route, &answered), "{what}");
                if is_drawn(&route) {
                    continue;
                }
                let speaks = answered.kind.contains("json") || answered.kind.contains("event-stream");
                if speaks && !TELLS_OF_NO_SITE.contains(&route.path) {
                    assert!(answered.tells(&own).is_some(), "{what}: {}", answered.text);
                    assert_eq!(answered.tells(&other), None, "{what}");
                }
            }
        }
        let after = cases::row(&mut db.read().await.unwrap(), own.case, Scope::All).await.unwrap().version;
        assert_eq!(after, before, "nobody changed anything");
    })
    .await;
}

/// Figures of the whole center, which nobody bound to a site sees; `health` tries that.
const OF_ALL_SITES: &str = "/metrics";

/// Routes that answer the same whatever there is at a site.
const TELLS_OF_NO_SITE: [&str; 2] = ["/api/v1/session", "/api/v1/templates"];

/// A picture of an image that only a decode worker opens; a program of tests is none.
fn is_drawn(route: &Route) -> bool {
    route.path.ends_with("/rendered") || route.path.ends_with("/thumbnail")
}

/// Answered, or refused for what the image is: not for who calls.
fn is_shown(route: &Route, answered: &Answered) -> bool {
    let cannot_be_drawn = (answered.status, &*answered.code()) == (StatusCode::NOT_ACCEPTABLE, "not_acceptable");
    answered.status == StatusCode::OK || is_drawn(route) && cannot_be_drawn
}

/// A search below a study that the caller may not see finds nothing, and what is stored is the caller's own; everything else
/// below it is not there.
fn names_a_row(route: &Route) -> bool {
    route.path.contains('{') && !["QIDO-RS", "STOW-RS"].iter().any(|service| route.summary.starts_with(service))
}

#[tokio::test]
async fn an_idle_session_and_a_removed_token_open_nothing() {
    on_both_engines(async |db| {
        let (app, _data) = app(&db).await;
        let account = seed_account(&db, "zhou", Role::Specialist, None).await;
        let session = session(&db, account).await;
        let desk = routes().into_iter().find(|route| route.path == "/api/v1/desk").unwrap();
        let own = cookie(&session);
        assert_eq!(call(&app, &desk, desk.path, &[("cookie", &own)]).await, StatusCode::OK);
        let mut tx = db.write().await.unwrap();
        let long_ago = clock::now() - app.idle() - std::time::Duration::from_secs(1);
        sessions::touch(&mut tx, &auth::hash(&session.secret), long_ago).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(call(&app, &desk, desk.path, &[("cookie", &own)]).await, StatusCode::UNAUTHORIZED);

        let secret = token(&db, Role::Integrator, None).await;
        let cases = routes().into_iter().find(|route| route.path == "/api/v1/cases").unwrap();
        let bearer = format!("Bearer {secret}");
        assert_eq!(call(&app, &cases, cases.path, &[("authorization", &bearer)]).await, StatusCode::OK);
        let mut tx = db.write().await.unwrap();
        community::remove_token(&mut tx, "integrator-None", clock::now()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(call(&app, &cases, cases.path, &[("authorization", &bearer)]).await, StatusCode::UNAUTHORIZED);
    })
    .await;
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_refused_with_a_code() {
    on_both_engines(async |db| {
        let (app, _data) = app(&db).await;
        let headers = By::Person(reader(&db).await).headers(&db).await;
        let route = |method: Method, path: &'static str| Route::new(method, path, Access::Public, "", async || ());
        for (method, path, body, status, code) in [
            (Method::POST, "/api/v1/session", "{", 400, "bad_request"),
            (Method::POST, "/api/v1/session", "{}", 422, "bad_message"),
            (Method::PUT, "/api/v1/session", "{}", 405, "method_not_allowed"),
            (Method::GET, "/api/v1/cases/seven", "", 400, "bad_request"),
            (Method::GET, "/api/v1/templates", "", 400, "bad_request"),
            (Method::GET, "/api/v1/nothing", "", 404, "not_found"),
            (Method::POST, "/somewhere", "", 405, "method_not_allowed"),
        ] {
            let answered = ask(&app, &route(method, path), path, body.into(), &headers).await;
            let said = (answered.status.as_u16(), answered.code(), answered.kind.as_str());
            assert_eq!(said, (status, code.to_owned(), "application/problem+json"), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn whoever_signs_in_is_told_the_zone_the_printed_report_is_in() {
    on_both_engines(async |db| {
        let (app, _data) = app(&db).await;
        let account = seed_account(&db, "zhou", Role::Specialist, None).await;
        let own = cookie(&session(&db, account).await);
        let request = Request::builder().uri("/api/v1/session").header(header::COOKIE, own).body(Body::empty());
        let response = answer(&app, request.unwrap()).await;
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let me: wire::Me = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(me.zone, app.config.time_zone);
    })
    .await;
}
