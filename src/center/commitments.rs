//! Storage commitment as the center keeps it: requests as rows, results from the index, and the room that calls devices back.
//!
//! A result is owed until the device takes it: on the association that asked, else on one of ours to the device's address,
//! again and again with growing pauses, through restarts, for some days.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::dimse::scu::{Called, Client, Kind, ScuError, ScuOptions};
use crate::dimse::services::commitment::{
    Asked, HELD_FOR, Ledger, PUSH_MODEL, PUSH_MODEL_INSTANCE, Reference, Verdict,
};
use crate::dimse::services::retrieve::LibraryError;
use crate::dimse::services::{Peer, Status};
use crate::dimse::tls::Connector;
use crate::dimse::{Address, NotAnAddress};
use crate::domain::{CommitmentId, NotAFingerprint};
use crate::index::commitments::{self as rows, End, Fate, Owed};
use crate::index::{self, Db, community, intake};
use crate::ingest::Ingest;
use crate::ingest::spool::{Position, Spool};

const TICK: Duration = Duration::from_secs(1);
/// Devices called at a time.
const CALLS: usize = 8;
/// How long one call may take; then another one is made.
const CALL: Duration = Duration::from_secs(300);
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// After this a device has asked anew or never will.
const PATIENCE: Duration = Duration::from_secs(3 * 86_400);

pub struct CenterLedger {
    db: Db,
    spool: Spool,
    /// How far the indexer has come.
    indexed: watch::Receiver<Position>,
    /// How devices are called over TLS, if any can be.
    connector: Option<Connector>,
    /// How far it must be for the results of the requests that came since the start, and of those before.
    fences: Mutex<HashMap<CommitmentId, Position>>,
    at_start: Position,
    again: Notify,
}

impl CenterLedger {
    pub fn new(db: &Db, ingest: &Ingest, connector: Option<Connector>) -> Arc<Self> {
        let (spool, indexed) = (ingest.spool.clone(), ingest.indexed.clone());
        let at_start = newest(&spool);
        let db = db.clone();
        Arc::new(Self { db, spool, indexed, connector, fences: Mutex::default(), at_start, again: Notify::new() })
    }

    /// Calls devices until told to stop.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        if let Err(error) = self.resume().await {
            tracing::error!(%error, "results of commitments wait for their associations");
        }
        let mut calls = JoinSet::new();
        loop {
            while calls.try_join_next().is_some() {}
            match self.due(CALLS.saturating_sub(calls.len())).await {
                Ok(due) => due.into_iter().for_each(|owed| drop(calls.spawn(self.clone().call(owed)))),
                Err(error) => tracing::error!(%error, "results of commitments not sent"),
            }
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = self.again.notified() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn resume(&self) -> index::Result<()> {
        let mut tx = self.db.write().await?;
        rows::resume(&mut tx, clock::now()).await?;
        tx.commit().await
    }

    async fn due(&self, limit: usize) -> index::Result<Vec<Owed>> {
        let now = clock::now();
        // Most of the time nothing is due, which a reader sees without holding up those who write.
        if limit == 0 || !rows::any_due(&mut self.db.read().await?, now).await? {
            return Ok(Vec::new());
        }
        let mut tx = self.db.write().await?;
        let due = rows::take_due(&mut tx, now, now + CALL + CALL, limit as i64).await?;
        tx.commit().await?;
        Ok(due)
    }

    async fn call(self: Arc<Self>, owed: Owed) {
        let called = tokio::time::timeout(CALL, self.deliver(&owed)).await;
        let settled = match called {
            Ok(Ok(())) => self.end(owed.id, End::Taken).await,
            failed => {
                let error = failed.map_or_else(|_| "no end".to_owned(), |failed| failed.err().unwrap_or_default());
                tracing::info!(
                    error,
                    device = owed.device.0,
                    attempts = owed.attempts,
                    "result of a commitment not taken"
                );
                self.put_off(&owed).await
            }
        };
        if let Err(error) = settled {
            tracing::error!(%error, "what became of a commitment not written");
        }
    }

    /// On an association of ours, in the role of the one who provides (PS3.4 J.3.3).
    async fn deliver(&self, owed: &Owed) -> Result<(), String> {
        let address: Address = match owed.address.as_deref() {
            Some(address) => address.parse().map_err(|error: NotAnAddress| error.to_string())?,
            None => return Err("no address is known for the device".into()),
        };
        let certificate = owed.certificate.as_deref().map(str::parse).transpose();
        let certificate = certificate.map_err(|error: NotAFingerprint| error.to_string())?;
        let verdict = self.known(owed.id).await.map_err(|error| error.to_string())?;
        let peer = Called { address: &address, connector: self.connector.as_ref(), certificate };
        let options = ScuOptions::to(&peer, &owed.ae_title, &owed.asked.called_ae).await;
        match report(&options.map_err(|error| error.to_string())?, &verdict).await {
            Ok(Status::SUCCESS) => Ok(()),
            Ok(Status(status)) => Err(format!("refused with status {status:04X}")),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn known(&self, id: CommitmentId) -> index::Result<Verdict> {
        let fence = self.fences().get(&id).copied().unwrap_or(self.at_start);
        let mut indexed = self.indexed.clone();
        // The indexer ends with the center, and then so does this.
        indexed
            .wait_for(|indexed| *indexed >= fence)
            .await
            .map_err(|_| index::Error::Stale("the indexer has ended"))?;
        let mut tx = self.db.write().await?;
        let owed = rows::owed(&mut tx, id).await?;
        let scope = community::scope_of_device(&mut tx, Some(owed.device)).await?;
        let fates = rows::judge(&mut tx, &owed, scope, clock::now()).await?;
        tx.commit().await?;
        Ok(verdict(owed, &fates))
    }

    async fn end(&self, id: CommitmentId, end: End) -> index::Result<()> {
        self.fences().remove(&id);
        let mut tx = self.db.write().await?;
        rows::end(&mut tx, id, end, clock::now()).await?;
        tx.commit().await
    }

    async fn put_off(&self, owed: &Owed) -> index::Result<()> {
        let now = clock::now();
        if now >= owed.at + PATIENCE {
            tracing::warn!(device = owed.device.0, "result of a commitment given up");
            return self.end(owed.id, End::GivenUp).await;
        }
        let mut tx = self.db.write().await?;
        rows::retry(&mut tx, owed.id, owed.attempts + 1, now + pause(owed.attempts)).await?;
        tx.commit().await
    }

    async fn keep(&self, peer: &Peer, asked: rows::Asked) -> index::Result<CommitmentId> {
        let fence = newest(&self.spool);
        let now = clock::now();
        let mut tx = self.db.write().await?;
        let device = match peer.device {
            Some(device) => device,
            None => intake::unregistered_device(&mut tx, &peer.calling, now).await?.0,
        };
        let id = rows::ask(&mut tx, device, &asked, now, now + HELD_FOR).await?;
        tx.commit().await?;
        self.fences().insert(id, fence);
        Ok(id)
    }

    async fn hand_over(&self, id: CommitmentId) -> index::Result<()> {
        let mut tx = self.db.write().await?;
        rows::retry(&mut tx, id, 0, clock::now()).await?;
        tx.commit().await?;
        self.again.notify_one();
        Ok(())
    }

    fn fences(&self) -> MutexGuard<'_, HashMap<CommitmentId, Position>> {
        self.fences.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Ledger for CenterLedger {
    fn keep<'a>(&'a self, peer: &'a Peer, asked: Asked) -> BoxFuture<'a, Result<CommitmentId, LibraryError>> {
        let named = asked.references.into_iter().map(|one| (one.sop_class, one.sop_instance)).collect();
        let asked = rows::Asked { transaction: asked.transaction, called_ae: peer.called.clone(), named };
        async move { self.keep(peer, asked).await.map_err(failed) }.boxed()
    }

    fn verdict(&self, id: CommitmentId) -> BoxFuture<'_, Result<Verdict, LibraryError>> {
        async move { self.known(id).await.map_err(failed) }.boxed()
    }

    fn reported(&self, id: CommitmentId, taken: bool) -> BoxFuture<'_, ()> {
        async move {
            let written = if taken { self.end(id, End::Taken).await } else { self.hand_over(id).await };
            if let Err(error) = written {
                tracing::warn!(%error, "what became of a commitment not written; it is sent again");
            }
        }
        .boxed()
    }
}

fn failed(error: index::Error) -> LibraryError {
    LibraryError(error.to_string())
}

/// The newest object that was acknowledged; what was let go of is indexed anyway.
fn newest(spool: &Spool) -> Position {
    spool.segments().into_iter().map(|segment| segment.last).max().unwrap_or(Position::START)
}

async fn report(options: &ScuOptions, verdict: &Verdict) -> Result<Status, ScuError> {
    let form = Kind { sop_class: PUSH_MODEL.into(), transfer_syntax: "1.2.840.10008.1.2".into() };
    let mut client = Client::connect_to_report(options, &form.forms().collect()).await?;
    let status = client.report(PUSH_MODEL_INSTANCE, verdict.event_type(), &verdict.information()).await?;
    if let Err(error) = client.release().await {
        tracing::debug!(%error, "association of a commitment's result not released");
    }
    Ok(status)
}

fn verdict(owed: Owed, fates: &[Fate]) -> Verdict {
    let (mut kept, mut failed) = (Vec::new(), Vec::new());
    for ((sop_class, sop_instance), fate) in owed.asked.named.into_iter().zip(fates) {
        let reference = Reference { sop_class, sop_instance };
        match fate {
            Fate::Kept => kept.push(reference),
            Fate::Quarantined => failed.push((reference, Status::PROCESSING_FAILURE)),
            Fate::OtherClass => failed.push((reference, Status::CLASS_INSTANCE_CONFLICT)),
            Fate::Missing => failed.push((reference, Status::NO_SUCH_INSTANCE)),
        }
    }
    Verdict { transaction: owed.asked.transaction, retrieve_from: owed.asked.called_ae, kept, failed }
}

/// Before the next attempt, after so many before this one.
fn pause(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.clamp(0, 16)).unwrap_or(16);
    (FIRST_RETRY * 2_u32.pow(doublings)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let pauses: Vec<u64> = [0, 1, 2, 9, 10, i64::MAX].map(|attempts| pause(attempts).as_secs()).into();
        assert_eq!(pauses, [5, 10, 20, 2_560, 3_600, 3_600]);
    }
}
