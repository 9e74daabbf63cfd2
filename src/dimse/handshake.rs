//! How an association begins and ends: the acceptor's side of PS3.8 section 9.2, around the [`association`] itself.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::association::{Association, Fault};
use super::listener::Server;
use super::pdu::{self, AbortReason, AssociateRq, PduError, Rejection};
use super::services::Peer;
use super::transport::{Inbound, Outbound, Stream, split};
use super::{Admission, DimseConfig, Origin, negotiation};
use crate::ingest::activity;

/// 128 contexts with 30 transfer syntaxes each fit; nobody needs more.
const MAX_REQUEST: u32 = 512 * 1024;
/// For a peer to close after our last word.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves one connection to its end.
pub(super) async fn run(stream: Stream, from: Origin, server: Arc<Server>) {
    let (artim, patience) = (server.config.artim, server.config.patience);
    let Ok((mut inbound, outbound)) = split(stream, patience) else { return };
    let ended = match timeout(artim, request(&mut inbound)).await {
        Ok(Ok(request)) => serve(&mut inbound, &outbound, request, from, server).await,
        Ok(Err(fault)) => Err(fault),
        Err(_) => Err(Fault::Io(io::ErrorKind::TimedOut.into())),
    };
    let last_word = match &ended {
        Ok(()) => Some(pdu::encode_release_rp()),
        Err(Fault::Protocol(reason, _)) => Some(pdu::encode_abort(*reason)),
        Err(Fault::Rejected(rejection)) => Some(pdu::encode_reject(*rejection)),
        Err(Fault::Impostor(_)) => Some(pdu::encode_reject(Rejection::CallingAeNotRecognized)),
        Err(Fault::Idle | Fault::Shutdown) => Some(pdu::encode_abort(AbortReason::NotSpecified)),
        Err(Fault::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
            Some(pdu::encode_abort(AbortReason::NotSpecified))
        }
        Err(Fault::Io(_) | Fault::Tls(_) | Fault::PeerAborted | Fault::PeerClosed) => None,
    };
    let peer = from.address;
    match &ended {
        Ok(()) | Err(Fault::Shutdown) => tracing::debug!(%peer, "association ended"),
        Err(fault) => tracing::info!(%peer, %fault, "association ended"),
    }
    if let Some(pdu) = last_word
        && outbound.send(&pdu).await.is_ok()
    {
        inbound.await_close(artim.min(FAREWELL)).await;
    }
    outbound.close(artim.min(FAREWELL)).await;
}

/// Tells a peer that it can have no association here, whatever it asks for.
pub(super) async fn refuse(stream: Stream, rejection: Rejection, config: &DimseConfig) {
    let wait = config.artim.min(FAREWELL);
    let refuse = async {
        let (mut inbound, outbound) = split(stream, wait)?;
        // The answer is due to a request; what it says does not matter.
        let header = inbound.header().await?;
        if let Some(header) = header {
            inbound.skip(header.length.min(MAX_REQUEST) as usize).await?;
            outbound.send(&pdu::encode_reject(rejection)).await?;
            inbound.await_close(wait).await;
        }
        io::Result::Ok(())
    };
    drop(timeout(wait, refuse).await);
}

/// Reads the association request.
async fn request(inbound: &mut Inbound) -> Result<AssociateRq, Fault> {
    let Some(header) = inbound.header().await? else { return Err(Fault::PeerClosed) };
    match header.kind {
        pdu::ASSOCIATE_RQ if header.length <= MAX_REQUEST => {}
        pdu::ASSOCIATE_RQ => {
            return Err(Fault::Protocol(AbortReason::InvalidParameter, "association request too long"));
        }
        pdu::ABORT => return Err(Fault::PeerAborted),
        kind if pdu::TLS_RECORDS.contains(&kind) => {
            return Err(Fault::Protocol(AbortReason::UnrecognizedPdu, "TLS came to the address without TLS"));
        }
        2..=6 => return Err(Fault::Protocol(AbortReason::UnexpectedPdu, "no association yet")),
        _ => return Err(Fault::Protocol(AbortReason::UnrecognizedPdu, "not a DICOM peer")),
    }
    let mut body = Vec::new();
    inbound.read_into(&mut body, header.length as usize).await?;
    AssociateRq::decode(&body).map_err(|error| match error {
        PduError::ProtocolVersion => Fault::Rejected(Rejection::ProtocolVersionNotSupported),
        PduError::Truncated | PduError::Contexts => {
            Fault::Protocol(AbortReason::InvalidParameter, "malformed association request")
        }
    })
}

async fn serve(
    inbound: &mut Inbound,
    outbound: &Outbound,
    request: AssociateRq,
    from: Origin,
    server: Arc<Server>,
) -> Result<(), Fault> {
    if request.application_context != pdu::APPLICATION_CONTEXT {
        return Err(Fault::Rejected(Rejection::ApplicationContextNotSupported));
    }
    let registered = match server.devices.admit(&request.calling, &request.called, &from) {
        Admission::Admitted(registered) => registered,
        Admission::OtherCertificate => return Err(Fault::Impostor(told_apart(&request.calling, &from))),
        Admission::UnknownCalling => return Err(Fault::Rejected(Rejection::CallingAeNotRecognized)),
        Admission::UnknownCalled => return Err(Fault::Rejected(Rejection::CalledAeNotRecognized)),
    };
    let Some(_place) = server.enter(&request.calling, from.address, registered) else {
        return Err(Fault::Rejected(Rejection::LocalLimitExceeded));
    };
    let agreement = negotiation::agree(&request, &server.config, &server.services);
    outbound.send(&agreement.answer.encode()).await?;
    let contexts = agreement.contexts.len();
    let (address, device) = (from.address, registered.map(|known| known.device));
    tracing::debug!(calling = %request.calling, %address, contexts, "association accepted");

    let _told_when_it_ends = server.activity.association(activity::Sender::of(device, &request.calling));
    let peer = Peer { calling: request.calling, called: request.called, address, device };
    let mut association =
        Association::new(inbound, outbound, peer, request.user.max_length, &agreement, server.clone());
    let ended = association.exchange().await;
    // What the peer sent completely is stored and answered, whatever ended the association.
    association.settle(&ended).await;
    ended
}

/// What an engineer needs to register the right certificate, or to find out who that was.
fn told_apart(calling: &str, from: &Origin) -> String {
    match from.certificate {
        Some(shown) => format!("{calling:?} showed another certificate than the one registered: SHA-256 {shown}"),
        None => format!("{calling:?} is registered with a certificate and showed none"),
    }
}
