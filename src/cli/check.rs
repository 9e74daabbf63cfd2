//! `yunying check`: everything agrees, exit 0; or a list of what does not.

use clap::Args;

use super::{DataArgs, Outcome};
use crate::archive::Archive;
use crate::index::Db;
use crate::ingest::check::{Checked, check};
use crate::ingest::node_name;

#[derive(Args)]
pub struct CheckArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Read and hash every byte of every pack
    #[arg(long)]
    deep: bool,
}

pub async fn run(args: CheckArgs) -> Outcome {
    let config = args.data.load()?;
    let checked = Checked {
        db: Db::open(&config.database_url()).await?,
        archive: Archive::open(&config.store_url())?,
        node: node_name(&config.data)?,
        spool_dir: config.spool_dir(),
        deep: args.deep,
    };
    let findings = check(&checked).await?;
    checked.db.close().await;
    for (what, count) in &findings.counted {
        println!("{count:>10}  {what}");
    }
    for note in &findings.notes {
        println!("note: {note}");
    }
    for wrong in &findings.wrong {
        println!("WRONG: {wrong}");
    }
    match findings.wrong.len() {
        0 => {
            println!("spool, packs, index, event chain and reports agree");
            Ok(())
        }
        1 => Err("1 thing is wrong".into()),
        count => Err(format!("{count} things are wrong").into()),
    }
}
