//! Accepts connections, holds the limits that concern more than one of them, and ends them all at shutdown.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::memory::Memory;
use super::services::Services;
use super::{Devices, DimseConfig, handshake};
use crate::ingest::activity::Activity;
use crate::ingest::spool::Spool;

/// Connections beyond the limit that are told so at a time; more are closed without a word.
const REFUSALS: usize = 32;

/// What every association shares.
pub(super) struct Server {
    pub config: DimseConfig,
    pub devices: Arc<dyn Devices>,
    pub spool: Spool,
    pub activity: Activity,
    pub services: Services,
    pub shutdown: CancellationToken,
    pub memory: Arc<Memory>,
    open: Mutex<HashMap<(String, IpAddr), usize>>,
}

/// Serves associations until `shutdown`, then lets messages under way finish and returns.
pub async fn serve(
    listener: TcpListener,
    config: DimseConfig,
    devices: Arc<dyn Devices>,
    spool: Spool,
    activity: Activity,
    services: Services,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(config.max_associations));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let server = Arc::new(Server {
        memory: Memory::new(config.max_messages),
        config,
        devices,
        spool,
        activity,
        services,
        shutdown: shutdown.clone(),
        open: Mutex::default(),
    });
    let mut running = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(ended) = running.join_next() => {
                report_panic(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                // Out of descriptors, most likely: give associations time to end.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        admit(stream, peer.ip(), &server, &places, &refusals, &mut running);
    }
    drop(listener);
    let finish = async {
        while let Some(ended) = running.join_next().await {
            report_panic(ended);
        }
    };
    if timeout(server.config.grace, finish).await.is_err() {
        tracing::warn!(associations = running.len(), "associations cut off at shutdown");
        running.shutdown().await;
    }
}

fn admit(
    stream: TcpStream,
    peer: IpAddr,
    server: &Arc<Server>,
    places: &Arc<Semaphore>,
    refusals: &Arc<Semaphore>,
    running: &mut JoinSet<()>,
) {
    let server = server.clone();
    if let Ok(place) = places.clone().try_acquire_owned() {
        running.spawn(async move {
            handshake::run(stream, peer, server).await;
            drop(place);
        });
    } else if let Ok(turn) = refusals.clone().try_acquire_owned() {
        running.spawn(async move {
            handshake::refuse_congested(stream, &server.config).await;
            drop(turn);
        });
    }
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "an association's task panicked");
    }
}

impl Server {
    /// Counts one more association of a device; `None` when it has as many as it may.
    pub fn enter(self: &Arc<Self>, calling: &str, peer: IpAddr) -> Option<Place> {
        let key = (calling.to_owned(), peer);
        let mut open = self.open();
        let count = open.entry(key.clone()).or_default();
        if *count >= self.config.max_per_device {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Place { server: self.clone(), key })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<(String, IpAddr), usize>> {
        self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// One association's share of its device's limit, given back when dropped.
pub(super) struct Place {
    server: Arc<Server>,
    key: (String, IpAddr),
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.server.open();
        if let Some(count) = open.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}
