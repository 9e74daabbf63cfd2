//! Accepts connections, holds the limits that concern more than one of them, and ends them all at shutdown.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::doors::{self, Anteroom, Doors, Waiting};
use super::memory::Memory;
use super::pdu::Rejection;
use super::services::Services;
use super::tls::Acceptor;
use super::transport::Stream;
use super::{Devices, DimseConfig, Origin, Registered, handshake};
use crate::domain::DeviceId;
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
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    anteroom: Anteroom,
    open: Mutex<HashMap<Share, usize>>,
}

/// Whose associations are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Share {
    /// A device for which a limit is set.
    Device(DeviceId),
    TitleAt(String, IpAddr),
}

/// Serves associations until `shutdown`, then lets messages under way finish and returns.
pub async fn serve(
    doors: Doors,
    config: DimseConfig,
    devices: Arc<dyn Devices>,
    spool: Spool,
    activity: Activity,
    services: Services,
    shutdown: CancellationToken,
) {
    let server = Arc::new(Server {
        memory: Memory::new(config.max_messages),
        places: Arc::new(Semaphore::new(config.max_associations)),
        refusals: Arc::new(Semaphore::new(REFUSALS)),
        config,
        devices,
        spool,
        activity,
        services,
        shutdown: shutdown.clone(),
        anteroom: Anteroom::default(),
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
            accepted = doors.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer, None)) => {
                if let Some(seat) = server.seat() {
                    let origin = Origin { address: peer.ip(), certificate: None };
                    running.spawn(server.clone().host(seat, Stream::Plain(stream), origin));
                }
            }
            Ok((stream, peer, Some(acceptor))) => {
                if let Some(waiting) = server.anteroom.enter(peer.ip(), &server.config) {
                    running.spawn(server.clone().host_secured(waiting, stream, peer.ip(), acceptor));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                // Out of descriptors, most likely: give associations time to end.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(doors);
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

/// What a connection gets.
enum Seat {
    Association(OwnedSemaphorePermit),
    /// There are too many others just now, and it is told so.
    Refusal(OwnedSemaphorePermit),
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "an association's task panicked");
    }
}

impl Server {
    /// `None`: not even time to say no.
    fn seat(&self) -> Option<Seat> {
        let place = self.places.clone().try_acquire_owned().map(Seat::Association);
        place.or_else(|_| self.refusals.clone().try_acquire_owned().map(Seat::Refusal)).ok()
    }

    async fn host(self: Arc<Self>, seat: Seat, stream: Stream, origin: Origin) {
        match seat {
            Seat::Association(_place) => handshake::run(stream, origin, self).await,
            Seat::Refusal(_turn) => handshake::refuse(stream, Rejection::TemporaryCongestion, &self.config).await,
        }
    }

    async fn host_secured(self: Arc<Self>, waiting: Waiting, stream: TcpStream, peer: IpAddr, acceptor: Acceptor) {
        let secured = tokio::select! {
            secured = doors::secure(stream, peer, &acceptor, &self.config) => secured,
            () = self.shutdown.cancelled() => None,
        };
        drop(waiting);
        if let Some((stream, origin)) = secured
            && let Some(seat) = self.seat()
        {
            self.host(seat, stream, origin).await;
        }
    }

    /// Counts one more association; `None` when the device has as many as it may.
    pub fn enter(self: &Arc<Self>, calling: &str, peer: IpAddr, device: Option<Registered>) -> Option<Place> {
        let own = device.and_then(|known| Some((Share::Device(known.device), known.max_associations?)));
        let (share, limit) =
            own.unwrap_or_else(|| (Share::TitleAt(calling.to_owned(), peer), self.config.max_per_device));
        let mut open = self.open();
        let count = open.get(&share).copied().unwrap_or_default();
        if count >= limit {
            return None;
        }
        open.insert(share.clone(), count + 1);
        drop(open);
        Some(Place { server: self.clone(), share })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Share, usize>> {
        self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// One association's share of its device's limit, given back when dropped.
pub(super) struct Place {
    server: Arc<Server>,
    share: Share,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.server.open();
        if let Some(count) = open.get_mut(&self.share) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.share);
            }
        }
    }
}
