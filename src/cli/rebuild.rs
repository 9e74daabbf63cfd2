//! `yunying rebuild`: the index anew from packs and spool, into an empty database.

use std::time::Duration;

use clap::Args;

use super::{DataArgs, Outcome};
use crate::archive::Archive;
use crate::index::Db;
use crate::ingest::indexer::IndexerOptions;
use crate::ingest::node_name;
use crate::ingest::rebuild::rebuild;
use crate::ingest::spool::{Spool, SpoolOptions};

#[derive(Args)]
pub struct RebuildArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Queue studies again that got images within so many hours before the last image came; 0: none
    #[arg(long, default_value_t = 24)]
    queue_hours: u32,
}

pub async fn run(args: RebuildArgs) -> Outcome {
    let config = args.data.load()?;
    let db = Db::open(&config.database_url()).await?;
    let archive = Archive::open(&config.store_url())?;
    let directory = config.spool_dir();
    let spool = tokio::task::spawn_blocking(move || Spool::open(&directory, SpoolOptions::default())).await??;
    let zone_minutes = config.zone()?.to_offset(jiff::Timestamp::now()).seconds() / 60;
    let options = IndexerOptions { node: node_name(&config.data)?, zone_minutes };
    let said = |packs: usize| {
        if packs.is_multiple_of(100) {
            eprintln!("{packs} packs read");
        }
    };
    let unread = Duration::from_secs(3_600) * args.queue_hours;
    let rebuilt = rebuild(&db, &archive, &spool, options, unread, said).await?;
    db.close().await;
    println!(
        "{} packs: {} instances, {} in quarantine",
        rebuilt.packs, rebuilt.from_packs.stored, rebuilt.from_packs.quarantined
    );
    println!("spool: {} instances, {} in quarantine", rebuilt.from_spool.stored, rebuilt.from_spool.quarantined);
    println!("cases: {} will be queued again, {} are stored and not queued", rebuilt.arriving, rebuilt.stored);
    if rebuilt.tombstones > 0 {
        println!("{} studies were erased; what still comes of them goes into quarantine", rebuilt.tombstones);
    }
    for unreadable in &rebuilt.unreadable {
        println!("UNREADABLE: {unreadable}");
    }
    match rebuilt.unreadable.len() {
        0 => Ok(()),
        count => Err(format!("{count} packs could not be read").into()),
    }
}
