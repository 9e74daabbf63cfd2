//! For those who watch the center: is it alive, can it work, and how is it doing.
//!
//! `/healthz` and `/readyz` are for anybody and say no more than that. `/metrics` holds figures only, but those are not
//! for everybody: over loopback, with no proxy in between, they are free; from anywhere else they need a token that sees
//! all sites. `admin` is the role for that: its token opens no image and no report.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::auth::Caller;
use super::routes::{Access, Route};
use super::{Answer, App, Problem};
use crate::domain::Role;
use crate::index::Scope;
use crate::monitor::exposition::CONTENT_TYPE;

const METRICS: Access = Access::OnMachine(&[Role::Manager, Role::Admin, Role::Integrator]);

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/healthz", Access::Public, "Alive", healthz),
        Route::get("/readyz", Access::Public, "Ready: the database answers and the spool takes writes", readyz),
        Route::get("/metrics", METRICS, "Figures for Prometheus", metrics),
    ]
}

async fn healthz() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], "ok\n").into_response()
}

async fn readyz(State(app): State<App>) -> Answer<Response> {
    let why = app.monitor.ready().await;
    if !why.is_empty() {
        let words: Vec<&str> = why.into_iter().map(|part| part.words()).collect();
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready");
        return Err(problem.detail(words.join("; ")).retry_after(5));
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], "ready\n").into_response())
}

/// A program on this machine has no caller; whoever has one must see all sites, because the figures are of all.
async fn metrics(State(app): State<App>, caller: Answer<Caller>) -> Answer<Response> {
    if caller.is_ok_and(|caller| caller.scope != Scope::All) {
        return Err(Problem::forbidden());
    }
    let headers = [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, app.monitor.metrics().await).into_response())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use axum::body::{Body, to_bytes};
    use axum::extract::ConnectInfo;
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;
    use crate::clock;
    use crate::config::Config;
    use crate::index::testing::{on_both_engines, seed_case};
    use crate::index::{Db, community};
    use crate::web::testing::app;
    use crate::web::{auth, service};

    const HERE: &str = "127.0.0.1:40000";
    const ELSEWHERE: &str = "10.20.3.7:40000";

    async fn get(app: &App, path: &str, peer: &str, headers: &[(&str, &str)]) -> (StatusCode, Response) {
        let mut request = Request::builder().uri(path).extension(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = service(app.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        (answer.status(), answer)
    }

    async fn text(answer: Response) -> String {
        String::from_utf8(to_bytes(answer.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
    }

    async fn token(db: &Db, role: Role, of_site: bool) -> String {
        let site = if of_site {
            let case =
                seed_case(db, "QH", crate::domain::CaseState::Queued, crate::domain::Urgency::Routine, clock::now());
            Some(case.await.site)
        } else {
            None
        };
        let secret = auth::new_secret();
        let mut tx = db.write().await.unwrap();
        let name = format!("{role}{of_site}");
        community::add_token(&mut tx, &name, &auth::hash(&secret), role, site, clock::now()).await.unwrap();
        tx.commit().await.unwrap();
        format!("Bearer {secret}")
    }

    #[tokio::test]
    async fn anybody_learns_whether_the_center_is_ready_and_what_is_not_but_no_more() {
        on_both_engines(async |db| {
            let (app, _data) = app(&db).await;
            let (status, answer) = get(&app, "/readyz", ELSEWHERE, &[]).await;
            assert_eq!((status, text(answer).await.as_str()), (StatusCode::OK, "ready\n"));
            db.close().await;
            let (status, answer) = get(&app, "/readyz", ELSEWHERE, &[]).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
            let problem: wire::Problem = serde_json::from_str(&text(answer).await).unwrap();
            assert_eq!(problem.code, "not_ready");
            assert_eq!(problem.detail.as_deref(), Some("the database does not answer"));
            assert_eq!(get(&app, "/healthz", ELSEWHERE, &[]).await.0, StatusCode::OK, "alive all the same");
        })
        .await;
    }

    #[tokio::test]
    async fn figures_are_for_programs_on_this_machine_and_for_tokens_that_see_all_sites() {
        on_both_engines(async |db| {
            let (mut app, _data) = app(&db).await;
            let (status, answer) = get(&app, "/metrics", HERE, &[]).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(answer.headers()[header::CONTENT_TYPE], CONTENT_TYPE);
            assert!(text(answer).await.contains("yunying_instances_received_total 0\n"));
            assert_eq!(get(&app, "/metrics", "[::ffff:127.0.0.1]:4", &[]).await.0, StatusCode::OK);

            assert_eq!(get(&app, "/metrics", ELSEWHERE, &[]).await.0, StatusCode::UNAUTHORIZED);
            for (role, of_site, expected) in [
                (Role::Admin, false, StatusCode::OK),
                (Role::Integrator, false, StatusCode::OK),
                (Role::Integrator, true, StatusCode::FORBIDDEN),
                (Role::Operator, true, StatusCode::FORBIDDEN),
            ] {
                let bearer = token(&db, role, of_site).await;
                let (status, _) = get(&app, "/metrics", ELSEWHERE, &[("authorization", &bearer)]).await;
                assert_eq!(status, expected, "{role}, of one site: {of_site}");
            }

            for proxy in ["x-forwarded-for", "Forwarded", "Via"] {
                let (status, _) = get(&app, "/metrics", HERE, &[(proxy, "10.0.0.1")]).await;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{proxy}");
            }
            let mut config = Config::clone(&app.config);
            config.http.behind_proxy = true;
            app.config = Arc::new(config);
            assert_eq!(get(&app, "/metrics", HERE, &[]).await.0, StatusCode::UNAUTHORIZED);
        })
        .await;
    }
}
