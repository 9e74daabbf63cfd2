//! One receiver, one association at a time: opened again when it breaks, as long as objects get through.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::client::{Broken, Client};
use super::{Failure, Kind, Outcome, Queue, ScuError, ScuOptions, Waiting};
use crate::dimse::pdu::MAX_CONTEXTS;

/// How often an object may be under way when its association breaks.
const MAX_BREAKS: u8 = 2;
/// Associations in a row that break before a single object got through.
const MAX_STALLS: u8 = 2;

/// A receiver that objects are sent to, a queue at a time.
pub struct Session {
    options: ScuOptions,
    forms: BTreeSet<Kind>,
    client: Option<Client>,
}

impl Session {
    /// Opens an association with a context for each form; those that do not fit into one are left out, compressed ones
    /// first.
    pub async fn open(options: ScuOptions, forms: BTreeSet<Kind>) -> Result<Self, Arc<ScuError>> {
        let forms = within_one_association(forms);
        let client = Client::connect(&options, &forms).await.map_err(Arc::new)?;
        Ok(Self { options, forms, client: Some(client) })
    }

    /// Sends what is in `queue` until it is empty and everything is decided. An error means that the receiver is out of
    /// reach; the queue then keeps what was not begun.
    pub async fn send(&mut self, queue: &Queue, outcomes: &mpsc::Sender<Outcome>) -> Result<(), Arc<ScuError>> {
        let mut stalls = 0;
        loop {
            let mut client = match self.client.take() {
                Some(client) => client,
                None if queue.is_empty() => return Ok(()),
                None => Client::connect(&self.options, &self.forms).await.map_err(Arc::new)?,
            };
            let Err(broken) = client.send_queue(queue.clone(), outcomes).await else {
                self.client = Some(client);
                return Ok(());
            };
            stalls = if broken.answered > 0 { 0 } else { stalls + 1 };
            tracing::info!(receiver = %self.options.called, error = %broken.error, "association broke while sending");
            let again = stalls < MAX_STALLS;
            let error = broken.error.clone();
            let breaks =
                if again || self.options.retries > 0 { MAX_BREAKS.saturating_add(self.options.retries) } else { 0 };
            take_back(broken, queue, outcomes, breaks).await?;
            if !again {
                return Err(error);
            }
        }
    }

    /// Ends the association in order.
    pub async fn close(self) -> Result<(), Arc<ScuError>> {
        match self.client {
            Some(client) => client.release().await.map_err(Arc::new),
            None => Ok(()),
        }
    }
}

/// What was under way goes back to the front of the queue, or is given up.
async fn take_back(
    broken: Broken,
    queue: &Queue,
    outcomes: &mpsc::Sender<Outcome>,
    most_breaks: u8,
) -> Result<(), Arc<ScuError>> {
    for Waiting { object, breaks, refused } in broken.unanswered {
        if breaks.saturating_add(1) < most_breaks {
            queue.lock().push_front(Waiting { object, breaks: breaks.saturating_add(1), refused });
            continue;
        }
        let result = Err(Failure::Association(broken.error.clone()));
        outcomes.send(Outcome { object, bytes: 0, result }).await.map_err(|_| Arc::new(ScuError::Closed))?;
    }
    Ok(())
}

/// Uncompressed forms first: everything can go out in those.
fn within_one_association(mut forms: BTreeSet<Kind>) -> BTreeSet<Kind> {
    let plain = |kind: &Kind| kind.forms().skip(1).count() == 1;
    while forms.len() > MAX_CONTEXTS {
        let compressed = forms.iter().rfind(|kind| !plain(kind)).or(forms.last()).cloned();
        if let Some(kind) = compressed {
            forms.remove(&kind);
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_not_all_forms_fit_the_uncompressed_ones_stay() {
        let kind = |class: usize, transfer_syntax: &str| Kind {
            sop_class: format!("1.2.{class}"),
            transfer_syntax: transfer_syntax.into(),
        };
        let forms: BTreeSet<Kind> =
            (0..50).flat_map(|n| kind(n, "1.2.840.10008.1.2.4.90").forms().collect::<Vec<_>>()).collect();
        assert_eq!(forms.len(), 150);
        let fit = within_one_association(forms);
        assert_eq!(fit.len(), MAX_CONTEXTS);
        assert!((0..50).all(|n| fit.contains(&kind(n, "1.2.840.10008.1.2"))));
    }
}
