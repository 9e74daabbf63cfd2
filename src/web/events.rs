//! The live stream: the event log as server-sent events, from where the caller left off.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use serde::Deserialize;
use wire::{Event, EventKind};

use super::auth::{Caller, Who};
use super::routes::{EVERYBODY, Route};
use super::{Answer, App};
use crate::clock;
use crate::domain::Role;
use crate::index::events::{self, Chained};
use crate::index::{community, sessions};

const BATCH: i64 = 200;
/// How often a stream asks whether its caller may still listen.
const CHECK: Duration = Duration::from_secs(15);

pub fn routes() -> Vec<Route> {
    vec![Route::get("/api/v1/events", EVERYBODY, "The event log, live", stream)]
}

#[derive(Deserialize)]
struct From {
    after: Option<i64>,
}

async fn stream(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(from): Query<From>,
) -> Answer<Response> {
    let last_id = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let start = match last_id.or(from.after) {
        Some(seq) => seq,
        None => events::last_seq(&mut app.db.read().await?).await?,
    };
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(10));
    Ok(Sse::new(follow(app, caller, start)).keep_alive(keep_alive).into_response())
}

fn follow(app: App, caller: Caller, mut seq: i64) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    async_stream::stream! {
        let mut chained = app.db.watch();
        let mut checked = tokio::time::Instant::now();
        // Says at once that the stream comes through; a proxy that holds it back is found out by its silence.
        yield Ok(sse::Event::default().comment("here"));
        loop {
            if checked.elapsed() >= CHECK {
                checked = tokio::time::Instant::now();
                if !still_welcome(&app, &caller).await {
                    return;
                }
            }
            chained.borrow_and_update();
            let page = match app.db.read().await {
                Ok(mut tx) => events::after(&mut tx, seq, caller.scope, BATCH).await.unwrap_or_default(),
                Err(_) => Vec::new(),
            };
            let more = i64::try_from(page.len()).is_ok_and(|len| len == BATCH);
            for event in page {
                seq = event.seq;
                if may_see(&caller, &event) {
                    yield Ok(frame(event));
                }
            }
            if more {
                continue;
            }
            tokio::select! {
                changed = chained.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(CHECK) => {}
                () = app.stop.cancelled() => return,
            }
        }
    }
}

fn frame(event: Chained) -> sse::Event {
    let body = Event {
        seq: event.seq,
        kind: event.kind.clone(),
        at_us: event.at_us.0,
        site: event.site_id,
        study: event.study_id,
        case: event.case_id,
        account: event.subject_id.or(event.account_id),
        report: event.report_id,
    };
    let data = serde_json::to_string(&body).unwrap_or_default();
    sse::Event::default().id(event.seq.to_string()).event(event.kind).data(data)
}

/// Who opened what, and who signed in where, is for those who answer for it.
fn may_see(caller: &Caller, event: &Chained) -> bool {
    let audit = EventKind::from_word(&event.kind).is_none_or(|kind| {
        let word = kind.word();
        ["session.", "account.", "token."].iter().any(|prefix| word.starts_with(prefix))
            || matches!(kind, EventKind::StudyOpened | EventKind::ReportOpened | EventKind::QuarantineOpened)
    });
    !audit || matches!(caller.role, Role::Manager | Role::Admin)
}

/// The session or token still stands. A stream is no sign of life of a specialist: it goes on behind a page that has crashed.
async fn still_welcome(app: &App, caller: &Caller) -> bool {
    let check = async {
        let mut tx = app.db.read().await?;
        match &caller.who {
            Who::Machine(id) => Ok(community::tokens(&mut tx).await?.iter().any(|token| token.id == *id)),
            Who::Person { session, .. } => Ok::<_, crate::index::Error>(
                sessions::find(&mut tx, session, app.idle(), clock::now()).await?.is_some(),
            ),
        }
    };
    check.await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;
    use crate::domain::Role;
    use crate::index::testing::{on_both_engines, seed_account};
    use crate::index::{Scope, duty};
    use crate::web::testing::app;

    #[tokio::test]
    async fn a_stream_behind_a_crashed_page_is_no_sign_of_life() {
        on_both_engines(async |db| {
            let (app, _data) = app(&db).await;
            let account = seed_account(&db, "zhou", Role::Specialist, None).await;
            let (now, session) = (clock::now(), b"session".to_vec());
            let long_ago = now - Duration::from_secs(120);
            let mut tx = db.write().await.unwrap();
            duty::set(&mut tx, account, true, account, long_ago).await.unwrap();
            sessions::open(&mut tx, &session, account, "csrf", now).await.unwrap();
            tx.commit().await.unwrap();
            let caller = Caller { who: Who::Person { account, session }, role: Role::Specialist, scope: Scope::All };
            assert!(still_welcome(&app, &caller).await);
            let on_duty = duty::on_duty(&mut db.read().await.unwrap()).await.unwrap();
            assert_eq!(on_duty[0].seen_us, long_ago);
        })
        .await;
    }

    #[tokio::test]
    async fn a_stream_speaks_before_there_is_anything_to_say() {
        on_both_engines(async |db| {
            let (app, _data) = app(&db).await;
            let caller = Caller {
                who: Who::Person { account: crate::domain::AccountId(1), session: Vec::new() },
                role: Role::Admin,
                scope: Scope::All,
            };
            let body = Sse::new(follow(app, caller, 1_000)).into_response().into_body();
            let mut chunks = std::pin::pin!(body.into_data_stream());
            let first = tokio::time::timeout(Duration::from_secs(5), chunks.next()).await;
            assert_eq!(first.unwrap().unwrap().unwrap(), ": here\n\n");
        })
        .await;
    }
}
