//! One running center: opens the stores, starts every room, and closes them in order.

mod devices;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::delivery::pdf::Printer;
use crate::dimse::{self, DimseConfig};
use crate::index::{Db, events};
use crate::ingest::Ingest;
use crate::monitor::Monitor;
use crate::reporting::printout::Place;
use crate::routing::{self, dispatcher};
use crate::web::{self, App};

/// Makes a data directory that only its owner can read.
pub fn prepare(data: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data)
}

/// Runs until told to stop. Prints the addresses on standard output once everything listens.
pub async fn run(config: Config, stop: CancellationToken) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    prepare(&config.data)?;
    let db = Db::open(&config.database_url()).await?;
    let http = TcpListener::bind(config.http.address)?;
    let http_address = http.local_addr()?;
    let ingest = Ingest::open(&config, &db).await?;
    let viewing = ingest.viewing.clone();
    let monitor = Monitor::new(&db, &ingest);
    let tasks = TaskTracker::new();
    let dimse_address = listen_dimse(&config, &db, &ingest, &tasks, &stop).await?;
    ingest.start(&tasks, &stop);
    tasks.spawn(events::sequence(db.clone(), stop.clone()));
    tasks.spawn(dispatcher::run(db.clone(), routing::Policy::default(), stop.clone()));
    let place = Place { zone: config.zone()?, base: config.public_url(http_address) };
    let printer = Printer { db: db.clone(), archive: viewing.archive.clone(), place };
    tasks.spawn(printer.run(stop.clone()));
    tasks.spawn(monitor.clone().follow(stop.clone()));
    let zone = config.zone()?;
    let app = App { db: db.clone(), zone, viewing, monitor, config: Arc::new(config), stop: stop.clone() };
    announce(&app.config, http_address, dimse_address)?;
    web::serve(app, http).await?;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    db.close().await;
    Ok(())
}

async fn listen_dimse(
    config: &Config,
    db: &Db,
    ingest: &Ingest,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<SocketAddr, Box<dyn std::error::Error + Send + Sync>> {
    let listener = tokio::net::TcpListener::bind(config.dimse.address).await?;
    let address = listener.local_addr()?;
    let limits = DimseConfig {
        max_associations: config.dimse.max_associations,
        max_per_device: config.dimse.max_associations_per_device,
        ..DimseConfig::default()
    };
    let known = devices::KnownDevices::load(db, &config.dimse).await?;
    tasks.spawn(known.clone().follow(db.clone(), stop.clone()));
    tasks.spawn(dimse::serve(listener, limits, known, ingest.spool.clone(), ingest.activity.clone(), stop.clone()));
    Ok(address)
}

fn announce(config: &Config, http: SocketAddr, dimse: SocketAddr) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "http   {}://{http}/", config.scheme())?;
    writeln!(out, "dimse  {dimse}")?;
    out.flush()
}
