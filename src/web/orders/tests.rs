//! Registering as the page does it: what is taken, what is refused and why.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::clock;
use crate::domain::{Role, SiteId};
use crate::index::testing::{on_both_engines, seed_account};
use crate::index::{Db, community, sessions};
use crate::web::testing::{answer, app};
use crate::web::{App, auth};

struct Operator {
    app: App,
    headers: [(&'static str, String); 2],
    site: SiteId,
}

impl Operator {
    async fn at(db: &Db, app: &App, code: &str) -> Self {
        let mut tx = db.write().await.unwrap();
        let site =
            community::add_site(&mut tx, code, &format!("{code}镇卫生院"), "township", clock::now()).await.unwrap();
        community::add_device(&mut tx, &format!("{code}_CT01"), site, "CT", None, clock::now()).await.unwrap();
        tx.commit().await.unwrap();
        let account = seed_account(db, code, Role::Operator, Some(site)).await;
        let (secret, csrf) = (auth::new_secret(), auth::new_secret());
        let mut tx = db.write().await.unwrap();
        sessions::open(&mut tx, &auth::hash(&secret), account, &csrf, clock::now()).await.unwrap();
        tx.commit().await.unwrap();
        let headers = [("cookie", format!("{}={secret}", auth::COOKIE)), (auth::CSRF_HEADER, csrf)];
        Self { app: app.clone(), headers, site }
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let response = answer(&self.app, request.body(body).unwrap()).await;
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn register(&self, form: Value) -> (StatusCode, Value) {
        self.ask(Method::POST, "/api/v1/orders", form).await
    }
}

fn form(more: Value) -> Value {
    let mut form =
        json!({ "name": "王小东", "sex": "unknown", "exam": "胸部 CT 平扫", "modality": "CT", "urgency": "urgent" });
    form.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    form
}

#[tokio::test]
async fn an_exam_is_registered_listed_changed_and_cancelled_by_its_site_alone() {
    on_both_engines(async |db| {
        let (app, _data) = app(&db).await;
        let (own, other) = (Operator::at(&db, &app, "QH").await, Operator::at(&db, &app, "LW").await);
        let (status, row) = own
            .register(form(
                json!({ "national_id": "11010519491231002x", "question": "咳嗽两周", "requester": "李示例" }),
            ))
            .await;
        assert_eq!(status, StatusCode::CREATED, "{row}");
        let given = &row["form"];
        assert_eq!(
            (&row["state"], &given["birth_date"], &given["sex"]),
            (&json!("scheduled"), &json!("1949-12-31"), &json!("female"))
        );
        assert_eq!((&given["latin"], &given["national_id"]), (&json!("Wang XiaoDong"), &json!("11010519491231002X")));
        let accession = given["accession"].as_str().unwrap();
        assert!(accession.len() <= 16 && accession.ends_with("0001"), "{accession}");
        assert_eq!(given["pid"], json!(format!("P{accession}")));
        let (_, second) = own.register(form(json!({}))).await;
        assert!(second["form"]["accession"].as_str().unwrap().ends_with("0002"));
        assert_ne!(second["study_uid"], row["study_uid"]);

        let path = format!("/api/v1/orders/{}", row["order"]);
        let change = json!({ "version": 1, "form": form(json!({ "exam": "头颅 CT", "time": "14:05" })) });
        for (method, path, body) in [
            (Method::GET, path.clone(), Value::Null),
            (Method::PUT, path.clone(), change.clone()),
            (Method::POST, format!("{path}/cancel"), json!({ "version": 1 })),
        ] {
            assert_eq!(other.ask(method, &path, body).await.0, StatusCode::NOT_FOUND, "{path}");
        }
        let (status, changed) = own.ask(Method::PUT, &path, change.clone()).await;
        assert_eq!(status, StatusCode::OK, "{changed}");
        assert_eq!((&changed["form"]["exam"], &changed["form"]["time"]), (&json!("头颅 CT"), &json!("14:05")));
        assert_eq!((&changed["form"]["accession"], &changed["form"]["pid"]), (&given["accession"], &given["pid"]));
        let (status, stale) = own.ask(Method::PUT, &path, change).await;
        assert_eq!((status, &stale["code"]), (StatusCode::CONFLICT, &json!("stale")));

        let (_, list) = own.ask(Method::GET, "/api/v1/orders", Value::Null).await;
        assert_eq!(list["orders"].as_array().unwrap().len(), 2);
        assert_eq!(list["devices"][0]["ae_title"], json!("QH_CT01"));
        let (_, list) = other.ask(Method::GET, "/api/v1/orders", Value::Null).await;
        assert_eq!(list["orders"], json!([]));

        let (status, cancelled) = own.ask(Method::POST, &format!("{path}/cancel"), json!({ "version": 2 })).await;
        assert_eq!((status, &cancelled["state"]), (StatusCode::OK, &json!("cancelled")));
        let (status, _) = own.ask(Method::POST, &format!("{path}/cancel"), json!({ "version": 3 })).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert_ne!(own.site, other.site);
    })
    .await;
}

#[tokio::test]
async fn what_a_form_cannot_mean_is_refused_with_its_reason() {
    on_both_engines(async |db| {
        let (app, _data) = app(&db).await;
        let (own, other) = (Operator::at(&db, &app, "QH").await, Operator::at(&db, &app, "LW").await);
        let (_, list) = other.ask(Method::GET, "/api/v1/orders", Value::Null).await;
        let foreign = list["devices"][0]["device"].clone();
        for (more, code) in [
            (json!({ "name": " " }), "name_missing"),
            (json!({ "exam": "" }), "exam_missing"),
            (json!({ "modality": "" }), "modality_missing"),
            (json!({ "name": "张\\三" }), "bad_text"),
            (json!({ "pid": "1^2" }), "bad_text"),
            (json!({ "accession": "12345678901234567" }), "too_long"),
            (json!({ "birth_date": "1968-02-30" }), "bad_date"),
            (json!({ "birth_date": "2968-02-03" }), "bad_birth_date"),
            (json!({ "time": "25:00" }), "bad_time"),
            (json!({ "national_id": "110105194912310021" }), "bad_national_id"),
            (json!({ "national_id": "11010519491231002X", "sex": "male" }), "national_id_disagrees"),
            (json!({ "national_id": "11010519491231002X", "birth_date": "1949-12-30" }), "national_id_disagrees"),
            (json!({ "device": foreign }), "refused"),
        ] {
            let (status, problem) = own.register(form(more.clone())).await;
            assert!(status.is_client_error(), "{more}: {status}");
            assert_eq!(problem["code"], json!(code), "{more}");
        }
        assert_eq!(own.register(form(json!({ "accession": "A1" }))).await.0, StatusCode::CREATED);
        let (status, problem) = own.register(form(json!({ "accession": "A1" }))).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("exists")));
        assert_eq!(other.register(form(json!({ "accession": "A1" }))).await.0, StatusCode::CREATED);
    })
    .await;
}
