//! An [`App`] over a test's database, with a data directory of its own, and a caller on its network.

mod furnished;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::Response;
use tower::ServiceExt;

pub use furnished::{Center, Furnished};

use super::{App, Intake, service};
use crate::config::Config;
use crate::index::Db;
use crate::ingest::Ingest;
use crate::monitor::Monitor;

/// The directory lives as long as what is returned beside the app.
pub async fn app(db: &Db) -> (App, tempfile::TempDir) {
    let (app, _, folder) = opened(db).await;
    (app, folder)
}

/// The same, and the intake whose rooms may be started.
async fn opened(db: &Db) -> (App, Ingest, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { data: folder.path().to_owned(), ..Config::default() };
    let ingest = Ingest::open(&config, db).await.unwrap();
    let (viewing, monitor) = (ingest.viewing.clone(), Monitor::new(db, &ingest));
    let intake = Intake { spool: ingest.spool.clone(), activity: ingest.activity.clone() };
    let (zone, config) = (config.zone().unwrap(), Arc::new(config));
    let app = App { db: db.clone(), zone, viewing, intake, monitor, config, stop: Default::default() };
    (app, ingest, folder)
}

/// What the whole service answers to a request from 192.0.2.7.
pub async fn answer(app: &App, mut request: Request<Body>) -> Response {
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 50_000))));
    service(app.clone()).oneshot(request).await.unwrap()
}
