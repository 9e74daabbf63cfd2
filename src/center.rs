//! One running center: opens the stores, starts every room, and closes them in order.

mod catalogue;
mod commitments;
mod devices;
mod doors;
mod library;
mod rooms;
mod steps;
mod worklist;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::delivery::pdf::Printer;
use crate::dimse::services::Services;
use crate::dimse::services::commitment::Commitment;
use crate::dimse::services::find::Find;
use crate::dimse::services::get::Get;
use crate::dimse::services::mov::Move;
use crate::dimse::services::mpps::Mpps;
use crate::dimse::services::worklist::Worklist;
use crate::dimse::{self, Address, DimseConfig};
use crate::index::{Db, events};
use crate::ingest::Ingest;
use crate::monitor::Monitor;
use crate::reporting::printout::Place;
use crate::retrieve::Stored;
use crate::routing::{self, dispatcher};
use crate::web::{self, App, Intake};
use rooms::Rooms;

/// Makes a data directory that only its owner can read.
pub fn prepare(data: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data)
}

/// Runs until told to stop, or until a room ends that was not told to, which is an error. Prints the addresses on standard
/// output once everything listens.
pub async fn run(config: Config, stop: CancellationToken) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    prepare(&config.data)?;
    let db = Db::open(&config.database_url()).await?;
    let http = TcpListener::bind(config.http.address)?;
    let http_address = http.local_addr()?;
    let ingest = Ingest::open(&config, &db).await?;
    let viewing = ingest.viewing.clone();
    let monitor = Monitor::new(&db, &ingest);
    let intake = Intake { spool: ingest.spool.clone(), activity: ingest.activity.clone() };
    let rooms = Rooms::new(&stop);
    let dimse_addresses = listen_dimse(&config, &db, &ingest, &rooms, &stop).await?;
    for (room, work) in ingest.rooms(&stop) {
        rooms.start(room, work);
    }
    rooms.start("sequencer", events::sequence(db.clone(), stop.clone()));
    rooms.start("dispatcher", dispatcher::run(db.clone(), routing::Policy::default(), stop.clone()));
    let place = Place { zone: config.zone()?, base: config.public_url(http_address) };
    let printer = Printer { db: db.clone(), archive: viewing.archive.clone(), place };
    rooms.start("printer", printer.run(stop.clone()));
    rooms.start("monitor", monitor.clone().follow(stop.clone()));
    let zone = config.zone()?;
    let config = Arc::new(config);
    let app = App { db: db.clone(), zone, viewing, intake, monitor, config, stop: stop.clone() };
    rooms.start("sweeper", web::sweep(db.clone(), app.idle(), stop.clone()));
    announce(&app.config, http_address, &dimse_addresses)?;
    let served = web::serve(app, http).await;
    stop.cancel();
    let ended = rooms.ended().await;
    db.close().await;
    served?;
    Ok(ended?)
}

async fn listen_dimse(
    config: &Config,
    db: &Db,
    ingest: &Ingest,
    rooms: &Rooms,
    stop: &CancellationToken,
) -> Result<Vec<Address>, Box<dyn std::error::Error + Send + Sync>> {
    let (listener, addresses) = doors::open(&config.dimse).await?;
    let limits = DimseConfig {
        max_associations: config.dimse.max_associations,
        max_per_device: config.dimse.max_associations_per_device,
        ..DimseConfig::default()
    };
    let known = devices::KnownDevices::load(db, &config.dimse).await?;
    rooms.start("list of devices", known.clone().follow(db.clone(), stop.clone()));
    let stored = Stored { bytes: ingest.viewing.bytes.clone(), decoder: ingest.viewing.decoder.clone() };
    let library = Arc::new(library::CenterLibrary { db: db.clone(), stored });
    let find = Find::new(Arc::new(catalogue::CenterCatalogue { db: db.clone() }));
    let connector = doors::connector(&config.dimse)?;
    let ledger = commitments::CenterLedger::new(db, ingest, connector.clone());
    rooms.start("room that reports commitments", ledger.clone().run(stop.clone()));
    let services = Services::default()
        .with(find)
        .with(Get::new(library.clone()))
        .with(Move::new(library).over_tls(connector))
        .with(Commitment::new(ledger))
        .with(Mpps::new(Arc::new(steps::CenterSteps { db: db.clone() })))
        .with(Worklist::new(Arc::new(worklist::CenterSchedule { db: db.clone(), zone: config.zone()? })));
    let (spool, activity) = (ingest.spool.clone(), ingest.activity.clone());
    rooms.start("listener", dimse::serve(listener, limits, known, spool, activity, services, stop.clone()));
    Ok(addresses)
}

fn announce(config: &Config, http: SocketAddr, dimse: &[Address]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "http   {}://{http}/", config.scheme())?;
    for address in dimse {
        writeln!(out, "dimse  {address}")?;
    }
    out.flush()
}
