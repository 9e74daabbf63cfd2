//! `yunying verify FILE`: is this PDF the one that was signed here?

use std::path::PathBuf;

use clap::Args;
use sha2::{Digest as _, Sha256};

use super::{DataArgs, Outcome};
use crate::index::reports;
use crate::signing::{self, Digest, ReportContent};

#[derive(Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    data: DataArgs,
    /// The report's PDF
    file: PathBuf,
}

/// Finds the report that published exactly these bytes, and checks its signatures over its content. Fails if either does not hold.
pub async fn run(args: VerifyArgs) -> Outcome {
    let bytes = std::fs::read(&args.file).map_err(|error| format!("{}: {error}", args.file.display()))?;
    let db = args.data.open().await?;
    let mut tx = db.read().await?;
    let sealed = reports::by_pdf(&mut tx, &Sha256::digest(&bytes).into()).await?;
    let sealed = sealed.ok_or("not a report of this center, or changed since it was signed")?;
    let content = ReportContent::parse(&sealed.content)?;
    let seals = reports::seals(&mut tx, sealed.id).await?;
    signing::verify(&content, &seals, &[&Digest])?;
    println!("genuine  {}", sealed.number);
    println!("content  sha256 {}", hex::encode(&sealed.content_sha256));
    for by in &content.signatures {
        let at = jiff::Timestamp::from_microsecond(by.at_us)?;
        println!("signed   {} {} ({}) {at}", by.name, by.title, by.role);
    }
    drop(tx);
    db.close().await;
    Ok(())
}
