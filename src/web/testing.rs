//! An [`App`] over a test's database, with a data directory of its own.

use std::sync::Arc;

use super::App;
use crate::config::Config;
use crate::index::Db;
use crate::ingest::Ingest;
use crate::monitor::Monitor;

/// The directory lives as long as what is returned beside the app.
pub async fn app(db: &Db) -> (App, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { data: folder.path().to_owned(), ..Config::default() };
    let ingest = Ingest::open(&config, db).await.unwrap();
    let (viewing, monitor) = (ingest.viewing.clone(), Monitor::new(db, &ingest));
    let zone = config.zone().unwrap();
    (App { db: db.clone(), zone, viewing, monitor, config: Arc::new(config), stop: Default::default() }, folder)
}
