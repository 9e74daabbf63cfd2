//! A report from its first letter to the verification page, through the routes.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::clock;
use crate::delivery::pdf::Printer;
use crate::domain::{AccountId, ReportId};
use crate::index::reports::tests::{LEASE, desk};
use crate::index::testing::on_both_engines;
use crate::index::{Db, on, reports, sessions};
use crate::reporting::printout::Place;
use crate::web::{App, auth, passwords, testing};

const PASSWORD: &str = "山高水长";

struct Page<'a> {
    app: &'a App,
    cookie: String,
    csrf: String,
}

impl Page<'_> {
    async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Vec<u8>) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, &self.cookie)
            .header(auth::CSRF_HEADER, &self.csrf)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        answer(self.app, request).await
    }

    async fn code(&self, method: Method, path: &str, body: Value) -> (u16, String) {
        let (status, bytes) = self.call(method, path, body).await;
        let problem: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        (status.as_u16(), problem["code"].as_str().unwrap_or_default().to_owned())
    }
}

async fn answer(app: &App, request: Request<Body>) -> (StatusCode, Vec<u8>) {
    let response = crate::web::testing::answer(app, request).await;
    let status = response.status();
    (status, axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec())
}

async fn anybody(app: &App, path: &str) -> String {
    let (status, bytes) = answer(app, Request::builder().uri(path).body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{path}");
    String::from_utf8(bytes).unwrap()
}

async fn page(app: &App, account: i64) -> Page<'_> {
    let (secret, csrf) = (auth::new_secret(), auth::new_secret());
    let mut tx = app.db.write().await.unwrap();
    sessions::open(&mut tx, &auth::hash(&secret), AccountId(account), &csrf, clock::now()).await.unwrap();
    tx.commit().await.unwrap();
    Page { app, cookie: format!("{}={secret}", auth::COOKIE), csrf }
}

/// Account 1 is the specialist, 3 an operator of the exam's site, 4 one of another site.
async fn center(db: &Db) -> (App, Printer, tempfile::TempDir) {
    desk(db, 1).await;
    let hash = passwords::hash(PASSWORD).unwrap();
    let mut tx = db.write().await.unwrap();
    on!(&mut tx, c => sqlx::query("UPDATE account SET password_hash = $1").bind(&hash).execute(c).await.map(drop))
        .unwrap();
    for sql in [
        "INSERT INTO site (code, name, kind, created_us) VALUES ('other', '别处', 'township', 1)",
        "INSERT INTO account (login, name, title, role, site_id, modalities, password_hash, created_us)
         VALUES ('op1', '甲', '', 'operator', 1, '', '', 1)",
        "INSERT INTO account (login, name, title, role, site_id, modalities, password_hash, created_us)
         VALUES ('op2', '乙', '', 'operator', 2, '', '', 1)",
    ] {
        on!(&mut tx, c => sqlx::query(sql).execute(c).await.map(drop)).unwrap();
    }
    tx.commit().await.unwrap();
    let (app, directory) = testing::app(db).await;
    let place = Place { zone: app.zone.clone(), base: "https://imaging.example.cn".into() };
    let printer = Printer { db: db.clone(), archive: app.viewing.archive.clone(), place };
    (app, printer, directory)
}

fn draft(rev: i64, impression: &str) -> Value {
    json!({ "lease": LEASE, "rev": rev, "template": "", "findings": "双肺清晰。", "impression": impression })
}

fn shown() -> Value {
    json!({ "question": "咳嗽两周", "instances": 1 })
}

fn signature(rev: i64, password: &str) -> Value {
    json!({ "lease": LEASE, "rev": rev, "password": password, "shown": shown() })
}

#[tokio::test]
async fn a_report_is_written_signed_opened_and_verified() {
    on_both_engines(async |db| {
        let (app, printer, _directory) = center(&db).await;
        let specialist = page(&app, 1).await;
        let (own_site, other_site) = (page(&app, 3).await, page(&app, 4).await);
        let (draft_path, sign_path) = ("/api/v1/cases/1/draft", "/api/v1/cases/1/sign");

        let (status, _) = specialist.call(Method::PUT, draft_path, draft(0, "‹填写›")).await;
        assert_eq!(status, StatusCode::OK);
        let detail = own_site.call(Method::GET, "/api/v1/cases/1", json!(null)).await.1;
        assert_eq!(serde_json::from_slice::<Value>(&detail).unwrap()["report"], Value::Null);
        let refused = async |body| specialist.code(Method::POST, sign_path, body).await;
        assert_eq!(refused(signature(1, PASSWORD)).await, (409, "blank_slots".into()));
        specialist.call(Method::PUT, draft_path, draft(1, "未见异常。")).await;
        assert_eq!(refused(signature(2, "山高水短")).await, (403, "wrong_password".into()));
        assert_eq!(refused(signature(1, PASSWORD)).await, (409, "stale_rev".into()));
        assert_eq!(
            refused(json!({ "rev": 2, "password": PASSWORD, "shown": shown() })).await,
            (409, "lease_lost".into())
        );
        assert_eq!(specialist.code(Method::POST, sign_path, signature(2, PASSWORD)).await.0, 204);
        assert_eq!(refused(signature(2, PASSWORD)).await, (409, "report_signed".into()));

        printer.print(ReportId(1)).await.unwrap();
        let (status, pdf) = own_site.call(Method::GET, "/api/v1/reports/1/pdf", json!(null)).await;
        assert_eq!(status, StatusCode::OK);
        assert!(pdf.starts_with(b"%PDF-1.7"));
        assert_eq!(other_site.call(Method::GET, "/api/v1/reports/1/pdf", json!(null)).await.0, StatusCode::NOT_FOUND);
        let detail = own_site.call(Method::GET, "/api/v1/cases/1", json!(null)).await.1;
        let detail: Value = serde_json::from_slice(&detail).unwrap();
        assert_eq!(detail["report"]["impression"], "未见异常。");

        let number = detail["report"]["number"].as_str().unwrap();
        let sealed = reports::by_number(&mut db.read().await.unwrap(), number).await.unwrap().unwrap();
        let genuine = anybody(&app, &format!("/verify?n={number}&c={}", sealed.verify_code)).await;
        assert!(genuine.contains("确有此报告") && genuine.contains("王**") && !genuine.contains("喆"));
        let wrong_code = anybody(&app, &format!("/verify?n={number}&c=22222222")).await;
        let no_such = anybody(&app, "/verify?n=YY20200101-000009&c=22222222").await;
        assert!(wrong_code.contains("未找到") && !wrong_code.contains("周示例"));
        assert_eq!(wrong_code.replace(number, "N"), no_such.replace("YY20200101-000009", "N"));
    })
    .await;
}

#[tokio::test]
async fn passwords_cannot_be_guessed_by_signing() {
    on_both_engines(async |db| {
        let (app, _printer, _directory) = center(&db).await;
        let specialist = page(&app, 1).await;
        let mut answers = Vec::new();
        for _ in 0..12 {
            answers.push(specialist.code(Method::POST, "/api/v1/cases/1/sign", signature(0, "x")).await);
        }
        assert_eq!(answers[0], (403, "wrong_password".into()));
        assert_eq!(answers[11], (429, "too_many_attempts".into()));
    })
    .await;
}

#[tokio::test]
async fn a_burst_of_guesses_gets_no_more_than_a_slow_one_and_stops_nobody_from_signing() {
    on_both_engines(async |db| {
        let (app, _printer, _directory) = center(&db).await;
        let specialist = page(&app, 1).await;
        let guess = |n: usize| {
            let guess = json!({ "login": "zhou", "password": format!("guess {n}") });
            specialist.code(Method::POST, "/api/v1/session", guess)
        };
        let mut answers = futures_util::future::join_all((0..12).map(guess)).await;
        answers.sort();
        let heard = answers.iter().filter(|answer| **answer == (401, "wrong_login_or_password".into())).count();
        let refused = answers.iter().filter(|answer| **answer == (429, "too_many_attempts".into())).count();
        assert_eq!((heard, refused), (5, 7), "{answers:?}");

        specialist.call(Method::PUT, "/api/v1/cases/1/draft", draft(0, "未见异常。")).await;
        let signed = specialist.code(Method::POST, "/api/v1/cases/1/sign", signature(1, PASSWORD)).await;
        assert_eq!(signed.0, 204, "{signed:?}");
    })
    .await;
}

#[tokio::test]
async fn what_changed_since_it_was_shown_is_not_signed() {
    on_both_engines(async |db| {
        let (app, _printer, _directory) = center(&db).await;
        let (specialist, operator) = (page(&app, 1).await, page(&app, 3).await);
        specialist.call(Method::PUT, "/api/v1/cases/1/draft", draft(0, "未见异常。")).await;
        let detail = operator.call(Method::GET, "/api/v1/cases/1", json!(null)).await.1;
        let version = serde_json::from_slice::<Value>(&detail).unwrap()["row"]["version"].clone();
        let change = json!({ "version": version, "question": "发热三天" });
        assert_eq!(operator.call(Method::PATCH, "/api/v1/cases/1", change).await.0, StatusCode::OK);
        let sign = async |body| specialist.code(Method::POST, "/api/v1/cases/1/sign", body).await;
        assert_eq!(sign(signature(1, PASSWORD)).await, (409, "case_changed".into()));
        let mut seen = signature(1, PASSWORD);
        seen["shown"]["question"] = "发热三天".into();
        assert_eq!(sign(seen).await.0, 204);
    })
    .await;
}

#[tokio::test]
async fn a_draft_follows_the_rule_as_it_stands_when_it_is_signed() {
    on_both_engines(async |db| {
        let (mut app, _printer, _directory) = center(&db).await;
        page(&app, 1).await.call(Method::PUT, "/api/v1/cases/1/draft", draft(0, "未见异常。")).await;
        for (signatures, wrong, code, right) in
            [(2, "sign", "needs_review", "submit"), (1, "submit", "needs_no_review", "sign")]
        {
            let mut config = (*app.config).clone();
            config.reporting.signatures = signatures;
            app.config = std::sync::Arc::new(config);
            let specialist = page(&app, 1).await;
            let detail = specialist.call(Method::GET, "/api/v1/cases/1", json!(null)).await.1;
            let detail: Value = serde_json::from_slice(&detail).unwrap();
            assert_eq!(detail["signatures_needed"], signatures, "what the page offers by");
            assert_eq!(detail["report"]["signatures_needed"], Value::Null, "and there is no second word for it");
            let act = async |what: &str| {
                specialist.code(Method::POST, &format!("/api/v1/cases/1/{what}"), signature(1, PASSWORD)).await
            };
            assert_eq!(act(wrong).await, (409, code.into()));
            if signatures == 1 {
                assert_eq!(act(right).await.0, 204);
            }
        }
    })
    .await;
}
