//! DICOM associations: the listener that devices push to and ask, and the sender that pushes to others.
//!
//! Owns everything between a TCP connection and the rooms behind it: upper layer (PS3.8), command sets (PS3.7), and the
//! services of PS3.4. It never parses a stored object: its bytes go to the spool as they came, and the success response
//! follows their fsync. It knows no SQL; who may connect is asked of [`Devices`], the rest of what [`services`] are given.
//!
//! From the wire inwards: [`tls`] shakes hands where that is wanted, [`transport`] reads bytes, [`pdu`] and [`pdv`] name them,
//! [`handshake`] opens and ends an association by what [`negotiation`] agrees to, [`command`] reads command sets,
//! [`association`] sorts the messages of one peer, [`operations`] keeps those under way, [`services`] do the work, [`invoker`]
//! asks the peer in turn; [`doors`] is where connections come in, [`listener`] holds limits and shutdown.

mod address;
mod association;
pub mod command;
mod doors;
pub(crate) mod fuzzing;
mod handshake;
mod invoker;
mod listener;
mod memory;
mod negotiation;
mod object;
mod operations;
mod pdu;
mod pdv;
pub mod scu;
pub mod services;
#[cfg(test)]
mod tests;
pub mod tls;
mod transport;

use std::net::IpAddr;
use std::time::Duration;

pub use address::{Address, NotAnAddress};
pub use doors::Doors;
pub use listener::serve;

use crate::domain::{DeviceId, Fingerprint};

/// Who may open an association. Asked once for each, so it must answer from memory.
pub trait Devices: Send + Sync + 'static {
    fn admit(&self, calling: &str, called: &str, from: &Origin) -> Admission;
}

/// Where an association comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    pub address: IpAddr,
    /// Of the certificate that it showed over TLS and that was verified.
    pub certificate: Option<Fingerprint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// `None` for a sender that is not registered where any is accepted.
    Admitted(Option<Registered>),
    UnknownCalling,
    UnknownCalled,
    /// A device has that title, and a certificate that is not the one shown.
    OtherCertificate,
}

/// What the listener must know of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    pub device: DeviceId,
    /// Associations it may have at a time; `None`: as many as any.
    pub max_associations: Option<usize>,
}

/// Longest data set of a request that is no C-STORE, all that are arriving on one association together.
pub const MAX_DATA_SET: usize = 1024 * 1024;

/// Limits and names of the listener.
#[derive(Debug, Clone)]
pub struct DimseConfig {
    /// Longest P-DATA-TF body a peer may send; never held in memory as a whole.
    pub max_pdu: u32,
    /// Connections at a time, all peers together.
    pub max_associations: usize,
    /// Associations at a time of one calling AE title and address, where none is said for the device.
    pub max_per_device: usize,
    /// Bytes of messages other than objects that all associations together may hold.
    pub max_messages: usize,
    /// Connections at a time that have not finished the TLS handshake, and those of one address; they take no place of
    /// the others.
    pub max_tls_handshakes: usize,
    pub max_tls_handshakes_per_address: usize,
    pub tls_handshake: Duration,
    /// From the connection to the whole association request (PS3.8 ARTIM), and for the peer to close at the end.
    pub artim: Duration,
    /// Silence between messages.
    pub idle: Duration,
    /// Silence in the middle of one, and time to take a reply.
    pub patience: Duration,
    /// For messages under way when shutdown begins.
    pub grace: Duration,
    /// Operations a peer may have outstanding if it asks for more than one.
    pub async_window: u16,
    pub private_classes: PrivateClasses,
}

/// Which SOP classes outside the standard are taken for storage classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateClasses {
    Refuse,
    Accept,
    /// Those whose UID begins with one of these.
    Beginning(Vec<String>),
}

impl Default for DimseConfig {
    fn default() -> Self {
        Self {
            max_pdu: 256 * 1024,
            max_associations: 256,
            max_per_device: 64,
            max_messages: 64 * 1024 * 1024,
            max_tls_handshakes: 128,
            max_tls_handshakes_per_address: 32,
            tls_handshake: Duration::from_secs(10),
            artim: Duration::from_secs(30),
            idle: Duration::from_secs(600),
            patience: Duration::from_secs(60),
            grace: Duration::from_secs(10),
            async_window: 8,
            private_classes: PrivateClasses::Accept,
        }
    }
}
