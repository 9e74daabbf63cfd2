//! A correction made on the page is what other programs are told.

use std::io::Read;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::clock;
use crate::domain::Role;
use crate::index::testing::{on_both_engines, seed_account};
use crate::index::{Db, on, sessions};
use crate::web::testing::{Center, answer};
use crate::web::{App, auth};

struct Manager {
    cookie: String,
    csrf: String,
}

impl Manager {
    async fn sign_in(db: &Db) -> Self {
        Self::sign_in_as(db, "feng", Role::Manager).await
    }

    async fn sign_in_as(db: &Db, login: &str, role: Role) -> Self {
        let account = seed_account(db, login, role, None).await;
        let (secret, csrf) = (auth::new_secret(), auth::new_secret());
        let mut tx = db.write().await.unwrap();
        sessions::open(&mut tx, &auth::hash(&secret), account, &csrf, clock::now()).await.unwrap();
        tx.commit().await.unwrap();
        Self { cookie: format!("{}={secret}", auth::COOKIE), csrf }
    }

    async fn ask(&self, app: &App, method: Method, path: &str, body: Value, coding: &str) -> (StatusCode, Vec<u8>) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, &self.cookie)
            .header(auth::CSRF_HEADER, &self.csrf)
            .header(header::ACCEPT_ENCODING, coding)
            .header(header::CONTENT_TYPE, "application/json");
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let response = answer(app, request.body(body).unwrap()).await;
        let status = response.status();
        (status, axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec())
    }

    async fn get(&self, app: &App, path: &str) -> Value {
        let (status, bytes) = self.ask(app, Method::GET, path, Value::Null, "identity").await;
        assert_eq!(status, StatusCode::OK, "{path}");
        serde_json::from_slice(&bytes).unwrap()
    }

    /// The same, packed on the way.
    async fn get_packed(&self, app: &App, path: &str) -> Value {
        let (status, bytes) = self.ask(app, Method::GET, path, Value::Null, "gzip").await;
        assert_eq!(status, StatusCode::OK, "{path}");
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// Name, number, birth date and sex of the first object.
fn patient(objects: &Value) -> [&Value; 4] {
    let first = &objects[0];
    let value = |tag: &str| &first[tag]["Value"][0];
    [&value("00100010")["Alphabetic"], value("00100020"), value("00100030"), value("00100040")]
}

#[tokio::test]
async fn a_corrected_patient_is_what_lists_searches_and_metadata_say() {
    on_both_engines(async |db| {
        let center = Center::open(&db).await;
        let site = center.furnish("QH").await;
        let (app, manager) = (&center.app, Manager::sign_in(&db).await);
        let case = format!("/api/v1/cases/{}", site.case);
        let metadata = format!("/dicomweb/studies/{}/metadata", site.study_uid);
        let search = format!("/dicomweb/studies?StudyInstanceUID={}&includefield=all", site.study_uid);
        let version = manager.get(app, &case).await["row"]["version"].clone();
        let to = json!({ "name": "李明", "pid": "P-9", "birth_date": "1970-12-31", "sex": "male" });
        let wanted = json!({ "to": to, "note": "登记时选错了人", "version": version });
        let path = format!("{case}/patient");
        let nameless =
            json!({ "to": { "name": " ", "pid": "", "birth_date": "", "sex": "male" }, "note": "x", "version": 1 });
        let (refused, _) = manager.ask(app, Method::PUT, &path, nameless, "identity").await;
        assert_eq!(refused, StatusCode::BAD_REQUEST);
        let (status, said) = manager.ask(app, Method::PUT, &path, wanted, "identity").await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{}", String::from_utf8_lossy(&said));

        let right = [json!("李明"), json!("P-9"), json!("19701231"), json!("M")];
        for objects in [
            manager.get(app, &metadata).await,
            manager.get_packed(app, &metadata).await,
            manager.get(app, &search).await,
        ] {
            assert_eq!(patient(&objects).map(Clone::clone), right);
        }
        assert_eq!(manager.get(app, &case).await["row"]["patient"]["name"], "李明");
        let priors = manager.get(app, &format!("{case}/priors")).await;
        assert_eq!(priors["corrected"]["sent"]["name"], "患者QH");
        assert_eq!(priors["corrected"]["note"], "登记时选错了人");

        let version = manager.get(app, &case).await["row"]["version"].clone();
        let back = json!({ "to": null, "note": "原来的对", "version": version });
        assert_eq!(manager.ask(app, Method::PUT, &path, back, "identity").await.0, StatusCode::NO_CONTENT);
        let sent = manager.get(app, &metadata).await;
        assert_eq!(patient(&sent)[..2], [&json!("患者QH"), &json!("PID-QH")]);
    })
    .await;
}

#[tokio::test]
async fn a_manager_fetches_what_is_in_quarantine_is_told_why_it_stays_and_puts_it_away() {
    on_both_engines(async |db| {
        let center = Center::open(&db).await;
        let site = center.furnish("QH").await;
        let (app, manager) = (&center.app, Manager::sign_in(&db).await);
        let listed = manager.get(app, "/api/v1/quarantine").await;
        let row = &listed["rows"][0];
        assert_eq!(row["acts"], json!(["release", "keep"]));
        let path = format!("/api/v1/quarantine/{}", row["id"]);
        let (status, file) = manager.ask(app, Method::GET, &format!("{path}/file"), Value::Null, "identity").await;
        assert_eq!(status, StatusCode::OK);
        assert!(file.ends_with(b"not a data set at all") && &file[128..132] == b"DICM");

        let decide = async |act: &str, note: &str| {
            let body = json!({ "act": act, "note": note });
            let (status, said) = manager.ask(app, Method::POST, &path, body, "identity").await;
            let said: Value = serde_json::from_slice(&said).unwrap_or_default();
            (status.as_u16(), said["code"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(decide("release", "  ").await, (400, "note_missing".to_owned()));
        assert_eq!(decide("release", "设备已修").await, (409, "still_refused".to_owned()));
        assert_eq!(decide("choose", "设备已修").await, (409, "refused".to_owned()));
        assert_eq!(decide("keep", "已请设备重发").await, (200, String::new()));
        assert_eq!(manager.get(app, "/api/v1/quarantine").await["total"], 0);
        let settled = manager.get(app, "/api/v1/quarantine?settled=true").await;
        assert_eq!(settled["rows"][0]["settled"]["note"], "已请设备重发");
        assert_eq!(settled["rows"][0]["settled"]["by"], "feng");

        let mut tx = db.read().await.unwrap();
        let events = on!(&mut tx, c => sqlx::query_as::<_, (String, Option<i64>, String)>(
            "SELECT kind, site_id, detail FROM event WHERE kind IN ('instance.settled', 'instance.fetched') ORDER BY id")
            .fetch_all(c).await)
        .unwrap();
        assert_eq!(events.iter().map(|(kind, ..)| &**kind).collect::<Vec<_>>(), ["instance.fetched", "instance.settled"]);
        assert!(events.iter().all(|(_, of, detail)| *of == Some(site.site.0) && !detail.contains("重发")), "ids only");
    })
    .await;
}

#[tokio::test]
async fn a_manager_sees_both_patients_before_deciding_and_where_it_went_after() {
    on_both_engines(async |db| {
        let center = Center::open(&db).await;
        let site = center.furnish("QH").await;
        let id = center.misfile(&site, "钱错号", "SAMPLE-99999").await;
        let (app, manager) = (&center.app, Manager::sign_in(&db).await);
        let row_of = |listed: Value| listed["rows"].as_array().unwrap().iter().find(|row| row["id"] == id).cloned();
        let row = row_of(manager.get(app, "/api/v1/quarantine").await).unwrap();
        assert_eq!((&row["reason"], &row["study"]["patient"]["name"]), (&json!("patient_mismatch"), &json!("患者QH")));
        assert_eq!((&row["study"]["case"], &row["study"]["signed"]), (&json!(site.case), &json!(true)));

        let path = format!("/api/v1/quarantine/{id}");
        let look = manager.get(app, &path).await;
        assert_eq!(look["sent"]["patient"]["name"], "钱错号");
        assert_eq!([&look["sent"]["patient"]["pid"], &look["study"]["patient"]["pid"]], ["SAMPLE-99999", "PID-QH"]);
        assert_eq!([&look["sent"]["series"], &look["sent"]["number"]], [1, 99]);
        let refused = manager.get(app, &format!("/api/v1/cases/{}/refused", site.case)).await;
        assert_eq!(refused["reasons"], json!([{ "reason": "patient_mismatch", "count": 1 }]));

        // Whose they are is not for who keeps the machine.
        let admin = Manager::sign_in_as(&db, "root", Role::Admin).await;
        assert_eq!(row_of(admin.get(app, "/api/v1/quarantine").await).unwrap()["study"], Value::Null);
        let (status, _) = admin.ask(app, Method::GET, &path, Value::Null, "identity").await;
        assert_eq!(status, StatusCode::FORBIDDEN);

        let body = json!({ "act": "release", "note": "登记时输错了号" });
        let (status, said) = manager.ask(app, Method::POST, &path, body, "identity").await;
        assert_eq!(status, StatusCode::OK);
        let said: Value = serde_json::from_slice(&said).unwrap();
        assert_eq!((&said["study"]["patient"]["name"], &said["study"]["case"]), (&json!("患者QH"), &json!(site.case)));
        let settled = manager.get(app, &format!("/api/v1/cases/{}/refused", site.case)).await;
        assert_eq!(settled["reasons"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn only_what_was_made_before_is_an_earlier_study() {
    on_both_engines(async |db| {
        let center = Center::open(&db).await;
        let (one, other) = (center.furnish("QH").await, center.furnish("LW").await);
        let (app, manager) = (&center.app, Manager::sign_in(&db).await);
        let mut tx = db.write().await.unwrap();
        on!(&mut tx, c => sqlx::query("UPDATE study SET exam_us = exam_us + 1000000 WHERE id = $1")
            .bind(other.study).execute(c).await.map(drop))
        .unwrap();
        let number = crate::domain::NationalId::parse("11010519491231002X").unwrap();
        for site in [&one, &other] {
            let study = crate::domain::StudyId(site.study);
            let own = crate::index::people::of_study(&mut tx, crate::index::Scope::All, study).await.unwrap();
            let now = clock::now();
            crate::index::people::has_number(&mut tx, own.patient, site.site, &number, now).await.unwrap();
        }
        tx.commit().await.unwrap();
        let studies = async |case: crate::domain::CaseId| {
            let found = manager.get(app, &format!("/api/v1/cases/{case}/priors")).await;
            ["priors", "later"]
                .map(|of| found[of].as_array().unwrap().iter().map(|s| s["study"].clone()).collect::<Vec<_>>())
        };
        assert_eq!(studies(one.case).await, [vec![], vec![json!(other.study)]]);
        assert_eq!(studies(other.case).await, [vec![json!(one.study)], vec![]]);
    })
    .await;
}
