//! The sockets that devices call, and by which authorities we know those that we call, as the settings say.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::config::Dimse;
use crate::dimse::tls::{Acceptor, Connector, Identity, TlsError};
use crate::dimse::{Address, Doors};

#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    #[error("listening for associations at {0}: {1}")]
    Bind(SocketAddr, #[source] std::io::Error),
    #[error("TLS of associations: {0}")]
    Tls(#[from] TlsError),
}

/// Opens what the settings name, and says where.
pub async fn open(settings: &Dimse) -> Result<(Doors, Vec<Address>), DoorError> {
    let mut doors = Doors::default();
    let mut addresses = Vec::new();
    if let Some(address) = settings.address.0 {
        let (listener, bound) = bind(address).await?;
        addresses.push(Address::of(bound, false));
        doors.plain = Some(listener);
    }
    if let (Some(address), Some(own)) = (settings.tls_address, identity(settings)?) {
        let acceptor = Acceptor::new(&own, settings.tls_client_ca.as_deref())?;
        let (listener, bound) = bind(address).await?;
        addresses.push(Address::of(bound, true));
        doors.tls = Some((listener, acceptor));
    }
    Ok((doors, addresses))
}

/// `None`: nobody can be called over TLS.
pub fn connector(settings: &Dimse) -> Result<Option<Connector>, DoorError> {
    let Some(authorities) = settings.peer_ca() else { return Ok(None) };
    Ok(Some(Connector::new(identity(settings)?.as_ref(), authorities)?))
}

fn identity(settings: &Dimse) -> Result<Option<Identity>, TlsError> {
    let files = settings.tls_cert.as_deref().zip(settings.tls_key.as_deref());
    files.map(|(cert, key)| Identity::read(cert, key)).transpose()
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), DoorError> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    bound.await.map_err(|error| DoorError::Bind(address, error))
}
