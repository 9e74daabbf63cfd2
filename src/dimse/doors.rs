//! Where connections come in, with TLS or without, and what happens before there can be an association.
//!
//! Who is slow with its TLS handshake keeps one of the places for that, of which each address has a few, and for a bounded
//! time: no association waits for it.

use std::collections::HashMap;
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::pdu::{ASSOCIATE_RQ, Rejection};
use super::tls::{Acceptor, TlsFault, shown_by_peer};
use super::transport::Stream;
use super::{DimseConfig, Origin, handshake};
use crate::domain::Fingerprint;

/// The sockets of one center.
#[derive(Default)]
pub struct Doors {
    pub plain: Option<TcpListener>,
    pub tls: Option<(TcpListener, Acceptor)>,
}

impl Doors {
    /// The next connection, and by what it is to be secured.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, Option<Acceptor>)> {
        tokio::select! {
            accepted = next(self.plain.as_ref()) => accepted.map(|(stream, peer)| (stream, peer, None)),
            accepted = next(self.tls.as_ref().map(|(listener, _)| listener)) => {
                let acceptor = self.tls.as_ref().map(|(_, acceptor)| acceptor.clone());
                accepted.map(|(stream, peer)| (stream, peer, acceptor))
            }
        }
    }
}

async fn next(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => pending().await,
    }
}

#[derive(Debug, thiserror::Error)]
enum Unsecured {
    #[error("no end of the TLS handshake in time")]
    Slow,
    #[error("a DICOM association without TLS came to the address for TLS")]
    Plain,
    #[error("{0}")]
    Tls(TlsFault),
    #[error("connection: {0}")]
    Io(io::Error),
}

/// Shakes hands with a peer. `None`: it did not come to that, which is logged.
pub(super) async fn secure(
    tcp: TcpStream,
    peer: IpAddr,
    acceptor: &Acceptor,
    config: &DimseConfig,
) -> Option<(Stream, Origin)> {
    let fault = match timeout(config.tls_handshake, shake_hands(tcp, acceptor, config)).await {
        Ok(Ok((stream, certificate))) => return Some((stream, Origin { address: peer, certificate })),
        Ok(Err(fault)) => fault,
        Err(_) => Unsecured::Slow,
    };
    tracing::info!(%peer, %fault, "no TLS connection");
    None
}

async fn shake_hands(
    tcp: TcpStream,
    acceptor: &Acceptor,
    config: &DimseConfig,
) -> Result<(Stream, Option<Fingerprint>), Unsecured> {
    let mut first = [0];
    if tcp.peek(&mut first).await.map_err(Unsecured::Io)? == 1 && first[0] == ASSOCIATE_RQ {
        handshake::refuse(Stream::Plain(tcp), Rejection::NoReason, config).await;
        return Err(Unsecured::Plain);
    }
    // Its own last word of the handshake must not wait for an acknowledgement.
    tcp.set_nodelay(true).map_err(Unsecured::Io)?;
    let tls = acceptor.accept(tcp).await.map_err(|error| match TlsFault::of(&error) {
        Some(fault) => Unsecured::Tls(fault),
        None => Unsecured::Io(error),
    })?;
    let certificate = shown_by_peer(&tls);
    Ok((Stream::Tls(Box::new(tls)), certificate))
}

/// Counts the handshakes under way.
#[derive(Clone, Default)]
pub(super) struct Anteroom(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Anteroom {
    /// `None` where too many wait already.
    pub fn enter(&self, peer: IpAddr, config: &DimseConfig) -> Option<Waiting> {
        let mut waiting = self.waiting();
        let all: usize = waiting.values().sum();
        let own = waiting.get(&peer).copied().unwrap_or_default();
        if all >= config.max_tls_handshakes || own >= config.max_tls_handshakes_per_address {
            return None;
        }
        waiting.insert(peer, own + 1);
        drop(waiting);
        Some(Waiting { room: self.clone(), peer })
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// One handshake under way; it is over when this is dropped.
pub(super) struct Waiting {
    room: Anteroom,
    peer: IpAddr,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.room.waiting();
        if let Some(own) = waiting.get_mut(&self.peer) {
            *own -= 1;
            if *own == 0 {
                waiting.remove(&self.peer);
            }
        }
    }
}
