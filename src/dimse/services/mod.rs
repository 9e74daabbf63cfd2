//! What an association can be asked to do, one room a service.
//!
//! C-ECHO and C-STORE are always there. The others implement [`Service`] and are reached by the abstract syntax of the
//! context a request comes on and by its command field. A service sees whole requests and sends whole responses; it
//! knows nothing of PDUs, and reaches rows and bytes only through the traits it is given.

pub mod commitment;
pub(super) mod echo;
pub mod find;
pub mod get;
pub mod mov;
pub mod mpps;
pub mod query;
pub mod retrieve;
pub(super) mod store;
pub mod worklist;

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;

pub use super::command::{Command, Counts, Response, Status};
pub use super::invoker::{InvokeError, Invoker, StoreContext};
pub use super::operations::{Exchange, Gone, Stop};
use crate::domain::DeviceId;

/// One service class, or a part of one.
pub trait Service: Send + Sync + 'static {
    /// By which it is negotiated; no other service has them. Implicit and Explicit VR Little Endian are accepted.
    fn abstract_syntaxes(&self) -> &[&'static str];

    /// Command fields of the requests it performs; others are answered "unrecognized operation".
    fn commands(&self) -> &[u16];

    /// What of a peer's extended negotiation (PS3.7 D.3.3.5) it agrees to; `None`: the item gets no answer.
    fn agree(&self, _abstract_syntax: &str, _wanted: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// Whether it sends C-STOREs on the association it was asked on.
    fn stores_back(&self) -> bool {
        false
    }

    /// Performs one operation. Pending responses go through `exchange`; what is returned is the final one and is sent
    /// in any case. Dropped where the association ends, so it holds nothing that must be undone.
    fn perform(&self, request: Request, exchange: Exchange) -> BoxFuture<'static, Response>;
}

/// One whole request.
#[derive(Debug)]
pub struct Request {
    pub peer: Arc<Peer>,
    pub abstract_syntax: String,
    /// Of the data set, and of those in responses: Implicit or Explicit VR Little Endian.
    pub transfer_syntax: String,
    /// What [`Service::agree`] said for this context; empty: nothing was negotiated.
    pub agreed: Vec<u8>,
    pub command: Command,
    /// As it came, at most [`super::MAX_DATA_SET`] bytes; empty where there is none.
    pub data_set: Vec<u8>,
}

/// Who is at the other end of an association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub calling: String,
    pub called: String,
    pub address: IpAddr,
    /// `None` for a sender that is not registered where any is accepted.
    pub device: Option<DeviceId>,
}

/// The services of one listener. Cheap to clone.
#[derive(Clone, Default)]
pub struct Services(Vec<Arc<dyn Service>>);

impl Services {
    pub fn with(mut self, service: impl Service) -> Self {
        self.0.push(Arc::new(service));
        self
    }

    pub(super) fn of(&self, abstract_syntax: &str) -> Option<&Arc<dyn Service>> {
        self.0.iter().find(|service| service.abstract_syntaxes().contains(&abstract_syntax))
    }
}
