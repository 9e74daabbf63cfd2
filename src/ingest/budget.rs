//! Keeps the delivery forms within their budget: those of signed studies that nobody has looked at for longest go, and are
//! made again when somebody opens the study. Nothing that was received is ever touched.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::archive::{Archive, ArchiveError};
use crate::clock;
use crate::domain::Micros;
use crate::index::{Db, Error as IndexError, budget};

const TICK: Duration = Duration::from_secs(600);
/// Whatever was made, signed or opened within this stays, also over budget: somebody may be at it.
const IN_USE: Duration = Duration::from_secs(24 * 3600);
/// Studies looked at together.
const STUDIES: i64 = 100;

#[derive(Debug, thiserror::Error)]
pub enum BudgetError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

pub struct Budget {
    pub db: Db,
    pub archive: Archive,
    /// None: no budget.
    pub bytes: Option<u64>,
}

impl Budget {
    pub async fn run(self, stop: CancellationToken) {
        loop {
            match self.pass(clock::now()).await {
                Ok(0) => {}
                Ok(studies) => tracing::info!(studies, "delivery forms given up to stay within the budget"),
                Err(error) => tracing::warn!(%error, "delivery forms over budget wait to be given up"),
            }
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Gives up what is over budget at `now`, as far as it may go; of how many studies.
    pub async fn pass(&self, now: Micros) -> Result<usize, BudgetError> {
        let Some(budget) = self.bytes else { return Ok(0) };
        let mut given_up = 0;
        loop {
            let mut tx = self.db.read().await?;
            let mut over = budget::used(&mut tx).await?.saturating_sub(budget);
            if over == 0 {
                return Ok(given_up);
            }
            let idle = budget::idle(&mut tx, now - IN_USE, STUDIES).await?;
            drop(tx);
            if idle.is_empty() {
                return Ok(given_up);
            }
            for study in idle {
                if over == 0 {
                    break;
                }
                let mut tx = self.db.write().await?;
                let keys = budget::give_up(&mut tx, study.study).await?;
                tx.commit().await?;
                for key in keys {
                    self.archive.delete(&key).await?;
                }
                over = over.saturating_sub(u64::try_from(study.bytes).unwrap_or(0));
                given_up += 1;
            }
        }
    }
}
