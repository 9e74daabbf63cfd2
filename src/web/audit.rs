//! Opening a study or a signed report is an event: the one place where the web writes it, for every way to get at the bytes.
//!
//! Written before anything is sent; who can't be written down gets nothing.

use super::auth::{Caller, Who};
use super::{Answer, App};
use crate::clock;
use crate::domain::{InstanceId, ReportId, StudyId};
use crate::index::archive;
use crate::index::openings::{self, Opener, Subject};

pub async fn study_opened(app: &App, caller: &Caller, study: StudyId) -> Answer<()> {
    opened(app, caller, Subject::Study(study)).await
}

/// Part of a study's images: one frame, say.
pub async fn image_opened(app: &App, caller: &Caller, instance: InstanceId) -> Answer<()> {
    let study = archive::study_of_instance(&mut app.db.read().await?, instance).await?;
    study_opened(app, caller, study).await
}

/// The text of a signed report goes out, or its PDF.
pub async fn report_opened(app: &App, caller: &Caller, report: ReportId) -> Answer<()> {
    opened(app, caller, Subject::Report(report)).await
}

async fn opened(app: &App, caller: &Caller, subject: Subject) -> Answer<()> {
    let opener = match caller.who {
        Who::Person { account, .. } => Opener::Person(account),
        Who::Machine(token) => Opener::Machine(token),
    };
    let now = clock::now();
    // A page fetches hundreds of frames, and there is one writer: nearly every time looking is enough.
    if openings::stands(&mut app.db.read().await?, opener, subject, now).await? {
        return Ok(());
    }
    let mut tx = app.db.write().await?;
    if openings::open(&mut tx, opener, subject, now).await? {
        tx.commit().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode, header};

    use crate::clock;
    use crate::domain::{CaseState, Role, Urgency};
    use crate::index::testing::{on_both_engines, seed_account, seed_case};
    use crate::index::{Db, community, on, sessions};
    use crate::web::testing::{Center, answer};
    use crate::web::{App, auth};

    async fn get(app: &App, (name, value): &(&str, String), path: &str) -> StatusCode {
        const AS_STORED: &str = "multipart/related; type=\"application/dicom\"; transfer-syntax=*, */*;q=0.1";
        let request = Request::builder().uri(path).header(*name, value).header(header::ACCEPT, AS_STORED);
        let request = request.body(Body::empty()).unwrap();
        answer(app, request).await.status()
    }

    async fn opened(db: &Db, kind: &str) -> i64 {
        let mut tx = db.read().await.unwrap();
        on!(&mut tx, c => sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM event WHERE kind = $1")
            .bind(kind).fetch_one(c).await)
        .unwrap()
    }

    /// How an operator of the site calls, and a machine.
    async fn callers(db: &Db, site: crate::domain::SiteId) -> [(&'static str, String); 2] {
        let account = seed_account(db, "wu", Role::Operator, Some(site)).await;
        let (session, token) = (auth::new_secret(), auth::new_secret());
        let now = clock::now();
        let mut tx = db.write().await.unwrap();
        sessions::open(&mut tx, &auth::hash(&session), account, "csrf", now).await.unwrap();
        community::add_token(&mut tx, "pacs", &auth::hash(&token), Role::Integrator, None, now).await.unwrap();
        tx.commit().await.unwrap();
        [("cookie", format!("{}={session}", auth::COOKIE)), ("authorization", format!("Bearer {token}"))]
    }

    #[tokio::test]
    async fn every_way_to_a_study_or_a_signed_report_is_one_opening_by_its_caller() {
        on_both_engines(async |db| {
            let center = Center::open(&db).await;
            let site = center.furnish("QH").await;
            let images = [
                format!("/api/v1/instances/{}/frames/1", site.instance),
                format!("/api/v1/instances/{}/file", site.instance),
                format!("/api/v1/studies/{}/images", site.study),
                format!("/dicomweb/studies/{}/metadata", site.study_uid),
                format!("/dicomweb/studies/{}/series/{}", site.study_uid, site.series_uid),
            ];
            let report = [format!("/api/v1/cases/{}", site.case), format!("/api/v1/reports/{}/pdf", site.report)];
            let callers = callers(&db, site.site).await;
            for (paths, kind) in [(&images[..], "study.opened"), (&report[..], "report.opened")] {
                for first in paths {
                    let mut tx = db.write().await.unwrap();
                    on!(&mut tx, c => sqlx::query("DELETE FROM opening").execute(c).await.map(drop)).unwrap();
                    tx.commit().await.unwrap();
                    for caller in &callers {
                        let before = opened(&db, kind).await;
                        assert_eq!(get(&center.app, caller, first).await, StatusCode::OK, "{first}");
                        assert_eq!(opened(&db, kind).await, before + 1, "{first} by {}", caller.0);
                        for path in paths {
                            assert_eq!(get(&center.app, caller, path).await, StatusCode::OK, "{path}");
                        }
                        assert_eq!(opened(&db, kind).await, before + 1, "{first} by {}", caller.0);
                    }
                }
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_list_brought_up_to_date_opens_no_report() {
        on_both_engines(async |db| {
            let center = Center::open(&db).await;
            let site = center.furnish("QH").await;
            for caller in callers(&db, site.site).await {
                let path = format!("/api/v1/cases/{}/row", site.case);
                assert_eq!(get(&center.app, &caller, &path).await, StatusCode::OK);
            }
            assert_eq!(opened(&db, "report.opened").await, 0);
        })
        .await;
    }

    #[tokio::test]
    async fn a_case_without_a_signed_report_is_looked_at_without_a_word() {
        on_both_engines(async |db| {
            let (app, _data) = crate::web::testing::app(&db).await;
            let seeded = seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, clock::now()).await;
            let [operator, machine] = callers(&db, seeded.site).await;
            for caller in [operator, machine] {
                assert_eq!(get(&app, &caller, &format!("/api/v1/cases/{}", seeded.case)).await, StatusCode::OK);
            }
            assert_eq!(opened(&db, "report.opened").await, 0);
        })
        .await;
    }
}
