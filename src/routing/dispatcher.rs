//! Applies decisions: one transaction takes the snapshot, decides, and writes what was decided.

use std::time::Duration;

use base64::Engine;
use rand::RngCore;
use tokio_util::sync::CancellationToken;

use super::{Outcome, Policy, decide};
use crate::clock;
use crate::domain::Micros;
use crate::index::{Db, Result, cases, duty};

/// How long a lease holds without a heartbeat.
pub const LEASE: Duration = Duration::from_secs(90);
pub const HEARTBEAT: Duration = Duration::from_secs(20);
/// Leases lapse and pages fall silent without an event to say so.
const TICK: Duration = Duration::from_secs(1);

/// Runs until told to stop. Several may run: the database lets one decide at a time.
pub async fn run(db: Db, policy: Policy, stop: CancellationToken) {
    let mut events = db.watch();
    loop {
        if let Err(error) = turn(&db, &policy, clock::now()).await {
            tracing::error!(%error, "routing waits for the database");
        }
        tokio::select! {
            changed = events.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(TICK) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// One turn: lapsed leases go back into the queue, then every waiting case is decided.
pub async fn turn(db: &Db, policy: &Policy, now: Micros) -> Result<()> {
    if !cases::routing_has_work(&mut db.read().await?, now).await? {
        return Ok(());
    }
    let mut tx = db.write().await?;
    let snapshot_before = duty::snapshot(&mut tx).await?;
    let lapsed = cases::lapse(&mut tx, now).await?;
    let mut snapshot = if lapsed == 0 { snapshot_before } else { duty::snapshot(&mut tx).await? };
    let mut changed = lapsed > 0;
    for decision in decide(&snapshot, now, policy) {
        let inputs = match decision.outcome {
            Outcome::Given(_) => serde_json::to_string(&snapshot.of_case(decision.case)).unwrap_or_default(),
            Outcome::Waits => String::new(),
        };
        changed |= duty::apply(&mut tx, &decision, &inputs, &new_lease(), LEASE, now).await?;
        snapshot.note(&decision);
    }
    if changed { tx.commit().await } else { Ok(()) }
}

/// 128 random bits: a holder's fencing token.
pub fn new_lease() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
