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

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;
    use crate::archive::{Location, ObjectKey};
    use crate::index::Scope;
    use crate::index::events::chain_batch;
    use crate::index::reports::tests::signed;
    use crate::index::testing::{on_both_engines, store_of};

    fn printer(db: &Db, archive: &Archive) -> Printer {
        let place = Place { zone: jiff::tz::TimeZone::UTC, base: "https://imaging.example.cn".into() };
        Printer { db: db.clone(), archive: archive.clone(), place }
    }

    #[tokio::test]
    async fn two_nodes_at_once_publish_one_pdf() {
        on_both_engines(async |db| {
            let store = store_of(&db);
            let archive = &store.archive;
            let report = signed(&db).await;
            let printer = printer(&db, archive);
            let (one, other) = tokio::join!(printer.print(report), printer.print(report));
            one.unwrap();
            other.unwrap();
            let objects: Vec<_> = archive.list(Kind::Document).try_collect().await.unwrap();
            let row = reports::printed(&mut db.read().await.unwrap(), report, Scope::All).await.unwrap();
            assert_eq!(objects.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), [row.pdf_key.unwrap()]);
        })
        .await;
    }

    #[tokio::test]
    async fn a_signature_wakes_the_printer() {
        on_both_engines(async |db| {
            let store = store_of(&db);
            let archive = &store.archive;
            let stop = CancellationToken::new();
            let running = tokio::spawn(printer(&db, archive).run(stop.clone()));
            let report = signed(&db).await;
            chain_batch(&db).await.unwrap();
            let mut log = db.watch();
            let row = loop {
                let row = reports::printed(&mut db.read().await.unwrap(), report, Scope::All).await.unwrap();
                if row.pdf_key.is_some() {
                    break row;
                }
                chain_batch(&db).await.unwrap();
                drop(tokio::time::timeout(Duration::from_millis(50), log.changed()).await);
            };
            stop.cancel();
            running.await.unwrap();
            let key = ObjectKey::from_row(row.pdf_key.unwrap()).unwrap();
            let length = archive.length(&key).await.unwrap();
            let bytes = archive.read_bytes(&Location { key, offset: 0, length }, 0..length).await.unwrap();
            assert!(bytes.starts_with(b"%PDF-1.7"));
            assert!(reports::without_pdf(&mut db.read().await.unwrap(), 1).await.unwrap().is_empty());
        })
        .await;
    }
}
