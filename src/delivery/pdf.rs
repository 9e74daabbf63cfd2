//! The PDF of every signed report, made right behind the signature and never again.
//!
//! It is written under a key nobody has used, then published by its row; an attempt that was interrupted leaves an object no row
//! names, never a half-published report. What is printed comes from the sealed content alone.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::archive::{Archive, ArchiveError, Kind};
use crate::clock;
use crate::domain::ReportId;
use crate::index::{self, Db, reports};
use crate::reporting::pdf::{self, PdfError};
use crate::reporting::printout::{self, Place, Unfinished};
use crate::signing::ReportContent;
use crate::signing::content::ContentError;

/// The net under the event log.
const POLL: Duration = Duration::from_secs(5);
/// A report that could not be printed is tried again after this long, and does not hold up the others.
const TRY_AGAIN: Duration = Duration::from_secs(60);
const AT_ONCE: i64 = 20;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Index(#[from] index::Error),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
    #[error(transparent)]
    Pdf(#[from] PdfError),
    #[error("typesetting ended early: {0}")]
    Ended(#[from] tokio::task::JoinError),
}

/// Prints signed reports.
#[derive(Clone)]
pub struct Printer {
    pub db: Db,
    pub archive: Archive,
    pub place: Place,
}

impl Printer {
    /// Prints until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut log = self.db.watch();
        let mut failed: HashMap<ReportId, Instant> = HashMap::new();
        loop {
            failed.retain(|_, since| since.elapsed() < TRY_AGAIN);
            if let Err(error) = self.print_waiting(&mut failed).await {
                tracing::error!(%error, "signed reports wait to be printed");
            }
            tokio::select! {
                _ = log.changed() => {}
                () = tokio::time::sleep(POLL) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn print_waiting(&self, failed: &mut HashMap<ReportId, Instant>) -> Result<(), Error> {
        // Those that failed come first again, so look beyond them.
        let limit = AT_ONCE.saturating_add(i64::try_from(failed.len()).unwrap_or(AT_ONCE));
        let waiting = reports::without_pdf(&mut self.db.read().await?, limit).await?;
        for report in waiting.into_iter().filter(|report| !failed.contains_key(report)).collect::<Vec<_>>() {
            if let Err(error) = self.print(report).await {
                tracing::error!(%report, %error, "a signed report could not be printed");
                failed.insert(report, Instant::now());
            }
        }
        Ok(())
    }

    /// Typesets, stores and publishes one report.
    pub async fn print(&self, report: ReportId) -> Result<(), Error> {
        let sealed = reports::sealed(&mut self.db.read().await?, report).await?;
        let content = ReportContent::parse(&sealed.content)?;
        let document = printout::document(&content, &sealed.verify_code, &self.place)?;
        let rendered = tokio::task::spawn_blocking(move || pdf::render(&document)).await??;
        if !rendered.undrawn.is_empty() {
            let characters: Vec<String> = rendered.undrawn.iter().map(|c| format!("U+{:04X}", u32::from(*c))).collect();
            tracing::warn!(%report, ?characters, "printed as code points: no face has these characters");
        }
        let mut object = self.archive.create(Kind::Document);
        object.write(rendered.bytes.into()).await?;
        let written = object.finish().await?;
        let mut tx = self.db.write().await?;
        let published =
            reports::attach_pdf(&mut tx, report, written.key.as_str(), &written.sha256, clock::now()).await?;
        tx.commit().await?;
        if !published {
            // Another node was faster; its PDF is the one people have.
            self.archive.delete(&written.key).await?;
        }
        Ok(())
    }
}
