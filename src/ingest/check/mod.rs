//! `yunying check`: spool, packs, index, event chain and sealed reports agree, or a list of what does not.
//!
//! Reads only, also while a center runs on the same data: what seems wrong is looked at again, in the newest rows and in
//! the spool as it is by then, before it is said, since objects come and series are sealed between two looks.

mod chain;
pub(super) mod instances;
mod packs;
mod spooled;

use std::collections::HashMap;
use std::path::PathBuf;

use super::bytes::InstanceBytes;
use super::spool::{Inspection, Record, SegmentId, SpoolError};
use crate::archive::{Archive, ArchiveError};
use crate::index::{Db, Error as IndexError};

/// Where a check looks.
pub struct Checked {
    pub db: Db,
    pub archive: Archive,
    pub node: String,
    pub spool_dir: PathBuf,
    /// Read and hash every byte.
    pub deep: bool,
}

/// What was found. Right if `wrong` is empty.
#[derive(Debug, Default)]
pub struct Findings {
    /// One sentence each, naming what a person must look at.
    pub wrong: Vec<String>,
    /// Not wrong, but worth a line.
    pub notes: Vec<String>,
    /// How many of what were looked at.
    pub counted: Vec<(&'static str, u64)>,
}

impl Findings {
    fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    fn counted(&mut self, what: &'static str, count: u64) {
        self.counted.push((what, count));
    }
}

/// The check itself could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("the check was interrupted")]
    Interrupted,
}

/// Checks everything; see [`Findings`].
pub async fn check(on: &Checked) -> Result<Findings, CheckError> {
    check_with(on, &Spooled::inspect(on).await?).await
}

/// As [`check`], with the spool as it was a while ago.
pub(super) async fn check_with(on: &Checked, spool: &Spooled) -> Result<Findings, CheckError> {
    let mut findings = Findings::default();
    findings.counted("objects in the spool", spool.inspection.records.len() as u64);
    spooled::check(on, spool, &mut findings).await?;
    instances::check(on, spool, &mut findings).await?;
    packs::check(on, spool, &mut findings).await?;
    chain::check(on, &mut findings).await?;
    Ok(findings)
}

/// The spool as it lies on disk, by where each object begins.
pub(super) struct Spooled {
    directory: PathBuf,
    inspection: Inspection,
    by_place: HashMap<(u64, u64), usize>,
}

impl Spooled {
    pub(super) async fn inspect(on: &Checked) -> Result<Self, CheckError> {
        let directory = on.spool_dir.clone();
        let inspected = tokio::task::spawn_blocking({
            let directory = directory.clone();
            move || if directory.exists() { super::spool::inspect(&directory) } else { Ok(Inspection::default()) }
        });
        let inspection = inspected.await.map_err(|_| CheckError::Interrupted)??;
        let places = inspection.records.iter().enumerate();
        let by_place = places.map(|(index, record)| ((record.segment.0, record.offset), index)).collect();
        Ok(Self { directory, inspection, by_place })
    }

    /// The whole record that begins there: of those found, or received since.
    async fn at(&self, segment: u64, offset: u64) -> Result<Option<Record>, CheckError> {
        if let Some(found) = self.by_place.get(&(segment, offset)) {
            return Ok(self.inspection.records.get(*found).cloned());
        }
        let directory = self.directory.clone();
        let look = move || super::spool::inspect_at(&directory, SegmentId(segment), offset);
        Ok(tokio::task::spawn_blocking(look).await.map_err(|_| CheckError::Interrupted)??)
    }
}

impl Checked {
    /// Reads packs; the spool is read through [`Spooled`].
    fn bytes(&self) -> InstanceBytes {
        InstanceBytes::new(self.db.clone(), None::<super::spool::Spool>, self.archive.clone(), &self.node)
    }
}
