//! Every route × role × foreign site, enumerated from the route table itself.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use tower::ServiceExt;

use super::testing::app;
use super::{App, Route, auth, routes, service};
use crate::clock;
use crate::domain::{AccountId, CaseState, Role, SiteId, Urgency};
use crate::index::testing::{SeededCase, on_both_engines, seed_account, seed_case};
use crate::index::{Db, community, sessions};

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

/// The route's path with the seeded case's ids in it.
fn path_of(route: &Route, of: &SeededCase) -> String {
    let parts = route.path.split('/').map(|part| match part {
        "{case}" => of.case.to_string(),
        "{study}" if route.path.starts_with("/api/") => of.study.to_string(),
        "{instance}" if route.path.starts_with("/api/") => of.instance.to_string(),
        "{report}" => of.report.to_string(),
        part if part.starts_with('{') => "1".to_owned(),
        part => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Has the fields of every message, so that a refusal is about the caller and not about the body.
const ANY_BODY: &str = r#"{"version":1,"on":true,"login":"x","password":"x","lease":"x","rev":1,"note":"x","template":"",
    "findings":"x","impression":"x"}"#;

async fn call(app: &App, route: &Route, path: &str, headers: &[(&str, &str)]) -> StatusCode {
    let mut request = Request::builder().method(route.method.clone()).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if route.method == Method::GET { Body::empty() } else { Body::from(ANY_BODY) };
    let request = request.header(header::CONTENT_TYPE, "application/json").body(body).unwrap();
    service(app.clone()).oneshot(request).await.unwrap().status()
}

fn cookie(session: &Session) -> String {
    format!("{}={}", auth::COOKIE, session.secret)
}

#[tokio::test]
async fn every_route_refuses_every_role_that_it_does_not_name() {
    on_both_engines(async |db| {
        let (app, _data) = app(&db).await;
        let seeded = seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, clock::now()).await;
        for role in Role::ALL {
            let site = matches!(role, Role::Operator | Role::Clinician).then_some(seeded.site);
            let account = seed_account(&db, role.word(), *role, site).await;
            let secret = token(&db, *role, site).await;
            for route in routes() {
                let Some(allowed) = route.access.roles() else { continue };
                let session = session(&db, account).await;
                let path = path_of(&route, &seeded);
                let by_person =
                    call(&app, &route, &path, &[("cookie", &cookie(&session)), ("x-yunying-csrf", &session.csrf)])
                        .await;
                let by_machine = call(&app, &route, &path, &[("authorization", &format!("Bearer {secret}"))]).await;
                let listed = allowed.contains(role);
                let what = format!("{} {} as {role}: {by_person}, {by_machine}", route.method, route.path);
                if listed {
                    assert_ne!(by_person, StatusCode::UNAUTHORIZED, "{what}");
                } else {
                    assert_eq!((by_person, by_machine), (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN), "{what}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn every_route_that_is_not_public_refuses_strangers_and_forged_requests() {
    on_both_engines(async |db| {
        let (app, _data) = app(&db).await;
        let seeded = seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, clock::now()).await;
        for route in routes() {
            let Some(allowed) = route.access.roles() else { continue };
            let path = path_of(&route, &seeded);
            let what = format!("{} {}", route.method, route.path);
            assert_eq!(call(&app, &route, &path, &[]).await, StatusCode::UNAUTHORIZED, "{what}");
            let wrong = [("authorization", "Bearer wrong")];
            assert_eq!(call(&app, &route, &path, &wrong).await, StatusCode::UNAUTHORIZED, "{what}");
            if route.method == Method::GET {
                continue;
            }
            let login = format!("{}{}", route.method, route.path);
            let site = matches!(allowed[0], Role::Operator | Role::Clinician).then_some(seeded.site);
            let session = session(&db, seed_account(&db, &login, allowed[0], site).await).await;
            let forged = call(&app, &route, &path, &[("cookie", &cookie(&session))]).await;
            assert_eq!(forged, StatusCode::FORBIDDEN, "{what} without the CSRF token");
        }
    })
    .await;
}

#[tokio::test]
async fn no_route_shows_or_changes_another_sites_rows() {
    on_both_engines(async |db| {
        let (app, _data) = app(&db).await;
        let seeded = seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, clock::now()).await;
        let foreign = seed_case(&db, "LW", CaseState::Queued, Urgency::Routine, clock::now()).await.site;
        for role in [Role::Operator, Role::Clinician] {
            let account = seed_account(&db, role.word(), role, Some(foreign)).await;
            let secret = token(&db, role, Some(foreign)).await;
            let session = session(&db, account).await;
            for route in routes().into_iter().filter(names_a_row) {
                let path = path_of(&route, &seeded);
                let headers = [("cookie", &*cookie(&session)), ("x-yunying-csrf", &*session.csrf)];
                let by_person = call(&app, &route, &path, &headers).await;
                let by_machine = call(&app, &route, &path, &[("authorization", &format!("Bearer {secret}"))]).await;
                for status in [by_person, by_machine] {
                    let refused = [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN];
                    assert!(refused.contains(&status), "{} {} as {role}: {status}", route.method, route.path);
                }
            }
        }
    })
    .await;
}

fn names_a_row(route: &Route) -> bool {
    route.access.roles().is_some() && route.path.starts_with("/api/") && route.path.contains('{')
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
