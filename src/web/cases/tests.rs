//! What only some callers may say of a case.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};

use crate::clock;
use crate::domain::{AccountId, Role};
use crate::index::testing::{on_both_engines, seed_account};
use crate::index::{Db, Scope, cases, on, sessions};
use crate::web::testing::{Center, answer};
use crate::web::{App, auth};

/// `account` says that it has seen the case's late images, `instances` in all.
async fn say(app: &App, db: &Db, account: AccountId, case: i64, instances: u32) -> StatusCode {
    let (secret, csrf) = (auth::new_secret(), auth::new_secret());
    let mut tx = db.write().await.unwrap();
    sessions::open(&mut tx, &auth::hash(&secret), account, &csrf, clock::now()).await.unwrap();
    tx.commit().await.unwrap();
    let request = Request::post(format!("/api/v1/cases/{case}/late"))
        .header("cookie", format!("{}={secret}", auth::COOKIE))
        .header(auth::CSRF_HEADER, csrf)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(format!("{{\"instances\":{instances}}}")))
        .unwrap();
    answer(app, request).await.status()
}

#[tokio::test]
async fn late_images_are_answered_for_by_who_signed_or_a_reviewer_and_by_nobody_else() {
    on_both_engines(async |db| {
        let center = Center::open(&db).await;
        let site = center.furnish("QH").await;
        let case = site.case.0;
        let signer = cases::row(&mut db.read().await.unwrap(), site.case, Scope::All).await.unwrap().assignee_id.unwrap();
        let other = seed_account(&db, "zheng", Role::Specialist, None).await;
        let reviewer = seed_account(&db, "qian", Role::Reviewer, None).await;
        for (account, wanted) in [(signer, StatusCode::NO_CONTENT), (reviewer, StatusCode::NO_CONTENT)] {
            let mut tx = db.write().await.unwrap();
            on!(&mut tx, c => sqlx::query("UPDATE case_ SET late = late_seen + 1, late_us = 5").execute(c).await.map(drop))
                .unwrap();
            tx.commit().await.unwrap();
            assert_eq!(say(&center.app, &db, other, case, 1).await, StatusCode::CONFLICT, "another signed");
            let row = cases::row(&mut db.read().await.unwrap(), site.case, Scope::All).await.unwrap();
            assert_eq!(row.late, 1);
            assert_eq!(say(&center.app, &db, account, case, 2).await, StatusCode::CONFLICT, "not all were on the screen");
            assert_eq!(say(&center.app, &db, account, case, 1).await, wanted);
            let row = cases::row(&mut db.read().await.unwrap(), site.case, Scope::All).await.unwrap();
            assert_eq!(row.late, 0);
        }
    })
    .await;
}
