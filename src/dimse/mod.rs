//! DICOM associations: the listener that devices push to and ask, and the sender that pushes to others.
//!
//! Owns everything between a TCP connection and the rooms behind it: upper layer (PS3.8), command sets (PS3.7), and the
//! services of PS3.4. It never parses a stored object: its bytes go to the spool as they came, and the success response
//! follows their fsync. It knows no SQL; who may connect is asked of [`Devices`], the rest of what [`services`] are given.
//!
//! From the wire inwards: [`transport`] reads bytes, [`pdu`] and [`pdv`] name them, [`handshake`] opens and ends an
//! association by what [`negotiation`] agrees to, [`command`] reads command sets, [`association`] sorts the messages of one
//! peer, [`operations`] keeps those under way, [`services`] do the work, [`invoker`] asks the peer in turn; [`listener`] holds
//! limits and shutdown.

mod association;
pub mod command;
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
mod transport;

use std::net::IpAddr;
use std::time::Duration;

pub use listener::serve;

use crate::domain::DeviceId;

/// Who may open an association. Asked once for each, so it must answer from memory.
pub trait Devices: Send + Sync + 'static {
    fn admit(&self, calling: &str, called: &str, peer: IpAddr) -> Admission;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// `None` for a sender that is not registered where any is accepted.
    Admitted(Option<DeviceId>),
    UnknownCalling,
    UnknownCalled,
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
    /// Associations at a time of one calling AE title and address.
    pub max_per_device: usize,
    /// Bytes of messages other than objects that all associations together may hold.
    pub max_messages: usize,
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
            artim: Duration::from_secs(30),
            idle: Duration::from_secs(600),
            patience: Duration::from_secs(60),
            grace: Duration::from_secs(10),
            async_window: 8,
            private_classes: PrivateClasses::Accept,
        }
    }
}
