//! Retrieval over the association it was asked on (PS3.4 C.4.3): the peer is the SCP of the C-STOREs.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use dicom_dictionary_std::uids;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::query::{Identifier, PATIENT_STUDY_ONLY_GET, agree};
use super::retrieve::{Library, Tally, Wanted, unavailable};
use super::{Command, Exchange, InvokeError, Request, Response, Service, Status, StoreContext};
use crate::dimse::command::C_GET_RQ;
use crate::dimse::object::{Kind, Outgoing};

const SYNTAXES: [&str; 3] = [
    uids::PATIENT_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_GET,
    uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_GET,
    PATIENT_STUDY_ONLY_GET,
];

pub struct Get {
    library: Arc<dyn Library>,
}

impl Get {
    pub fn new(library: Arc<dyn Library>) -> Self {
        Self { library }
    }
}

impl Service for Get {
    fn abstract_syntaxes(&self) -> &[&'static str] {
        &SYNTAXES
    }

    fn commands(&self) -> &[u16] {
        &[C_GET_RQ]
    }

    fn agree(&self, _abstract_syntax: &str, wanted: &[u8]) -> Option<Vec<u8>> {
        Some(agree(wanted, &[true]))
    }

    fn stores_back(&self) -> bool {
        true
    }

    fn perform(&self, request: Request, exchange: Exchange) -> BoxFuture<'static, Response> {
        let library = self.library.clone();
        async move { get(&*library, &request, &exchange).await.unwrap_or_else(|refused| refused) }.boxed()
    }
}

async fn get(library: &dyn Library, request: &Request, exchange: &Exchange) -> Result<Response, Response> {
    let identifier = Identifier::read(request)?;
    let wanted = Wanted::read(&identifier)?;
    let selected = library.select(&request.peer, wanted, None).await;
    let mut selection = selected.map_err(|error| unavailable(Status::CANNOT_COUNT, &error))?;
    let mut giving = Giving {
        exchange,
        contexts: contexts(exchange),
        tally: Tally::new(&*selection),
        answers: FuturesUnordered::new(),
        lost: false,
    };
    giving.progress().await;
    let mut stopped = None;
    'all: loop {
        let page = selection.next().await.map_err(|error| unavailable(Status::CANNOT_PERFORM, &error))?;
        if page.is_empty() {
            break;
        }
        for object in page {
            stopped = exchange.stopped();
            if stopped.is_some() || giving.lost {
                break 'all;
            }
            giving.give(object).await;
        }
    }
    giving.finish().await;
    Ok(giving.tally.last(stopped, identifier.form))
}

fn contexts(exchange: &Exchange) -> HashMap<Kind, StoreContext> {
    let of_kind = |context: StoreContext| {
        let kind = Kind { sop_class: context.sop_class.clone(), transfer_syntax: context.transfer_syntax.clone() };
        (kind, context)
    };
    exchange.invoker().store_contexts().into_iter().map(of_kind).collect()
}

type Answer = (String, Result<Command, InvokeError>);

/// The C-STOREs of one C-GET.
struct Giving<'a> {
    exchange: &'a Exchange,
    contexts: HashMap<Kind, StoreContext>,
    tally: Tally,
    answers: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// The peer does not answer any more.
    lost: bool,
}

impl Giving<'_> {
    /// Sends one object, taking answers to those before it meanwhile.
    async fn give(&mut self, object: Outgoing) {
        let uid = object.sop_instance.clone();
        let context = object.forms().find_map(|form| self.contexts.get(&form)).cloned();
        let (Some(context), Some(source)) = (context, object.source()) else {
            self.tally.failed(&uid);
            return self.progress().await;
        };
        let data_set = match source.open(&context.transfer_syntax).await {
            Ok(data_set) => data_set,
            Err(error) => {
                tracing::warn!(%error, "an object cannot be retrieved");
                self.tally.failed(&uid);
                return self.progress().await;
            }
        };
        let invoker = self.exchange.invoker();
        let stored = {
            let mut storing = pin!(invoker.store(&context, &uid, data_set));
            loop {
                tokio::select! {
                    stored = &mut storing => break stored,
                    Some(answer) = self.answers.next(), if !self.answers.is_empty() => self.answered(answer).await,
                }
            }
        };
        match stored {
            Ok(awaited) => self.answers.push(awaited.answer().map(move |answer| (uid, answer)).boxed()),
            Err(error) => self.answered((uid, Err(error))).await,
        }
    }

    async fn answered(&mut self, (uid, answer): Answer) {
        match answer {
            Ok(response) => self.tally.answered(&uid, response.status.unwrap_or(Status::CANNOT_UNDERSTAND)),
            Err(error) => {
                tracing::info!(%error, "an object was not taken");
                self.lost |= !matches!(error, InvokeError::Source(_));
                self.tally.failed(&uid);
            }
        }
        self.progress().await;
    }

    async fn progress(&mut self) {
        self.lost |= self.exchange.pending(self.tally.pending()).await.is_err();
    }

    /// Waits for what is still to be answered.
    async fn finish(&mut self) {
        while let Some(answer) = self.answers.next().await {
            self.answered(answer).await;
        }
        if self.lost {
            self.tally.give_up();
        }
    }
}
