//! `yunying backup` and `yunying restore`: everything a center has, into a directory and back.

use std::path::PathBuf;

use clap::Args;

use super::{DataArgs, Outcome};
use crate::archive::Archive;
use crate::backup::{Destination, Source, put_back, take};
use crate::clock;
use crate::index::Db;
use crate::ingest::known_node_name;

#[derive(Args)]
pub struct BackupArgs {
    /// Directory of the backup: new, or holding an earlier one of the same center, then only what is new is copied
    directory: PathBuf,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Args)]
pub struct RestoreArgs {
    /// Directory of the backup
    directory: PathBuf,
    #[command(flatten)]
    data: DataArgs,
}

pub async fn backup(args: BackupArgs) -> Outcome {
    let config = args.data.load()?;
    let source = Source {
        db: Db::open_existing(&config.database_url()).await?,
        archive: Archive::open(&config.store_url())?,
        node: known_node_name(&config.data)?,
        spool_dir: config.spool_dir(),
    };
    let taken = take(&source, &args.directory, clock::now(), |what| eprintln!("{what}")).await?;
    source.db.close().await;
    println!("index: {} rows", taken.rows);
    println!("archive: {} objects, {} of them new, {} bytes copied", taken.objects, taken.copied, taken.copied_bytes);
    println!("spool: {} bytes", taken.spool_bytes);
    for (node, count) in &taken.elsewhere {
        println!("NOT HERE: {count} objects that only the spool of {node} has; back that node up as well");
    }
    for missing in &taken.missing {
        println!("MISSING: {missing}");
    }
    match taken.missing.len() {
        0 => Ok(()),
        count => Err(format!("the backup is complete but for {count} objects that the archive does not have").into()),
    }
}

pub async fn restore(args: RestoreArgs) -> Outcome {
    let config = args.data.load()?;
    config.validate()?;
    let zone = config.zone()?;
    crate::center::prepare(&config.data)?;
    let to = Destination {
        db: Db::open(&config.database_url()).await?,
        archive: Archive::open(&config.store_url())?,
        spool_dir: config.spool_dir(),
        data: config.data,
    };
    let restored = put_back(&args.directory, &to, |what| eprintln!("{what}")).await?;
    to.db.close().await;
    let taken = jiff::Timestamp::from_microsecond(restored.manifest.taken.0).unwrap_or_default().to_zoned(zone);
    println!("the backup taken {} by version {}", taken.strftime("%Y-%m-%d %H:%M:%S"), restored.manifest.version);
    println!("index: {} rows", restored.rows);
    println!("archive: {} objects", restored.objects);
    println!("spool: {} bytes", restored.spool_bytes);
    for missing in &restored.missing {
        println!("MISSING: {missing}, and was when the backup was taken");
    }
    println!("now: yunying check --data {}", to.data.display());
    Ok(())
}
