//! TLS under associations (PS3.15 B.9 and B.12, BCP 195): who we are, whose certificates we take, and the handshake.
//!
//! TLS 1.2 and 1.3 with the cipher suites of [`rustls`], which has none that BCP 195 advises against. PEM files are read
//! once, at start. Sessions are not resumed, so every association shows its certificate anew. Nothing here knows PDUs.

mod fault;
mod verifier;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::address::Address;
use crate::domain::Fingerprint;
pub use fault::TlsFault;
use verifier::PeerVerifier;

/// For a peer to read why it was refused.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why what was named cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: pem::Error },
    #[error("{}: no certificate in PEM", path.display())]
    NoCertificate { path: PathBuf },
    #[error("{}: not the certificates of authorities: {source}", path.display())]
    Authority { path: PathBuf, source: rustls::Error },
    #[error("{}: not the certificates of authorities: {source}", path.display())]
    Authorities { path: PathBuf, source: VerifierBuilderError },
    #[error("{} with its key: {source}", path.display())]
    Identity { path: PathBuf, source: rustls::Error },
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

impl TlsError {
    fn read(path: &Path) -> impl Fn(pem::Error) -> Self {
        |source| Self::Read { path: path.to_owned(), source }
    }
}

/// Our certificate with those between it and the authority, and its key.
pub struct Identity {
    path: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    pub fn read(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = certificates(cert)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(TlsError::read(key))?;
        Ok(Self { path: cert.to_owned(), chain, key })
    }

    fn unusable(&self, source: rustls::Error) -> TlsError {
        TlsError::Identity { path: self.path.clone(), source }
    }
}

/// Of the first certificate in a PEM file.
pub fn fingerprint_of(file: &Path) -> Result<Fingerprint, TlsError> {
    let certificates = certificates(file)?;
    let none = || TlsError::NoCertificate { path: file.to_owned() };
    certificates.first().map(|leaf| Fingerprint::of(leaf)).ok_or_else(none)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(file).map_err(TlsError::read(file))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(TlsError::read(file))?;
    if found.is_empty() { Err(TlsError::NoCertificate { path: file.to_owned() }) } else { Ok(found) }
}

fn authorities(file: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|source| TlsError::Authority { path: file.to_owned(), source })?;
    }
    Ok(Arc::new(roots))
}

/// That of the HTTPS listener, too.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The side that is called.
#[derive(Clone)]
pub struct Acceptor(TlsAcceptor);

impl Acceptor {
    /// With `client_ca` every peer must show a certificate by one of its authorities; without, none is asked for.
    pub fn new(identity: &Identity, client_ca: Option<&Path>) -> Result<Self, TlsError> {
        let provider = provider();
        let config = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let config = match client_ca {
            None => config.with_no_client_auth(),
            Some(file) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(authorities(file)?, provider).build();
                let unusable = |source| TlsError::Authorities { path: file.to_owned(), source };
                config.with_client_cert_verifier(verifier.map_err(unusable)?)
            }
        };
        let chain = identity.chain.clone();
        let mut config =
            config.with_single_cert(chain, identity.key.clone_key()).map_err(|error| identity.unusable(error))?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Shakes hands; bound its time from outside.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let (error, mut stream) = match self.0.accept(stream).into_fallible().await {
            Ok(secured) => return Ok(secured.into()),
            Err(failed) => failed,
        };
        // Closed with something unread, the connection would be reset and take our alert with it, which says why.
        let farewell = async {
            stream.shutdown().await?;
            while stream.read(&mut [0; 512]).await? > 0 {}
            io::Result::Ok(())
        };
        drop(timeout(FAREWELL, farewell).await);
        Err(error)
    }
}

/// The side that calls.
#[derive(Clone)]
pub struct Connector {
    config: ClientConfig,
    verifier: PeerVerifier,
}

impl Connector {
    /// Takes peers with a certificate by an authority of `peer_ca`; shows them our own, if there is one and they ask.
    pub fn new(identity: Option<&Identity>, peer_ca: &Path) -> Result<Self, TlsError> {
        let provider = provider();
        let verifier = PeerVerifier::new(authorities(peer_ca)?, provider.signature_verification_algorithms);
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier.clone()));
        let mut config = match identity {
            None => config.with_no_client_auth(),
            Some(identity) => config
                .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
                .map_err(|error| identity.unusable(error))?,
        };
        config.resumption = Resumption::disabled();
        Ok(Self { config, verifier })
    }

    /// How to call `address`. Its certificate must name the host, unless it is the one `registered` for that peer.
    pub fn to(&self, address: &Address, registered: Option<Fingerprint>) -> Result<Secured, TlsFault> {
        let name = ServerName::try_from(address.host().to_owned());
        let name = name.map_err(|_| TlsFault::Other(format!("no certificate can name {}", address.host())))?;
        let mut config = self.config.clone();
        config.dangerous().set_certificate_verifier(Arc::new(self.verifier.clone().with(registered)));
        Ok(Secured { connector: TlsConnector::from(Arc::new(config)), name })
    }
}

/// How one peer is called over TLS.
#[derive(Clone)]
pub struct Secured {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Secured {
    /// Shakes hands; bound its time from outside.
    pub(super) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        Ok(self.connector.connect(self.name.clone(), stream).await?.into())
    }
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secured").field(&self.name).finish()
    }
}

/// Of the certificate that the peer showed and that was verified.
pub(super) fn shown_by_peer(stream: &TlsStream<TcpStream>) -> Option<Fingerprint> {
    let (_, session) = stream.get_ref();
    session.peer_certificates()?.first().map(|leaf| Fingerprint::of(leaf))
}
