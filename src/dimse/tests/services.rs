//! What holds for every service: dispatch, pending responses, cancel, the window, requests of ours, and how it all ends.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::*;
use crate::dimse::command::{C_CANCEL_RQ, C_FIND_RQ, C_GET_RQ, N_ACTION_RQ, N_EVENT_REPORT_RQ, RESPONSE, Response};
use crate::dimse::pdu::{ExtendedNegotiation, RoleSelection};
use crate::dimse::pdv::message_pdus;
use crate::dimse::services::{Exchange, Peer, Request, Service};
use crate::dimse::{MAX_DATA_SET, services};

const FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";
const GET: &str = "1.2.840.10008.5.1.4.1.2.2.3";
const COMMITMENT: &str = "1.2.840.10008.1.20.1";

/// Who asked, what was agreed, and the data set.
type Seen = (Arc<Peer>, Vec<u8>, Vec<u8>);

/// Does what the first byte of a data set says.
#[derive(Default)]
struct Script {
    seen: Mutex<Vec<Seen>>,
    running: AtomicUsize,
    let_go: Notify,
}

struct Scripted(Arc<Script>);

impl Service for Scripted {
    fn abstract_syntaxes(&self) -> &[&'static str] {
        &[FIND, GET, COMMITMENT]
    }

    fn commands(&self) -> &[u16] {
        &[C_FIND_RQ, C_GET_RQ, N_ACTION_RQ]
    }

    fn agree(&self, abstract_syntax: &str, wanted: &[u8]) -> Option<Vec<u8>> {
        (abstract_syntax == FIND).then(|| wanted.iter().map(|bit| bit & 1).collect())
    }

    fn stores_back(&self) -> bool {
        true
    }

    fn perform(&self, request: Request, exchange: Exchange) -> BoxFuture<'static, Response> {
        let script = self.0.clone();
        async move {
            script.seen.lock().unwrap().push((request.peer, request.agreed, request.data_set.clone()));
            script.running.fetch_add(1, Ordering::SeqCst);
            let response = act(&script, request.data_set.first().copied().unwrap_or(0), &exchange).await;
            script.running.fetch_sub(1, Ordering::SeqCst);
            response
        }
        .boxed()
    }
}

async fn act(script: &Script, what: u8, exchange: &Exchange) -> Response {
    match what {
        b'3' => {
            for number in 0..3_u8 {
                let response = Response::of(Status::PENDING).with_data(vec![number; 40_000]);
                exchange.pending(response).await.unwrap();
            }
            Response::of(Status::SUCCESS)
        }
        b'w' => tokio::select! {
            stop = exchange.stop() => stop.response(),
            () = script.let_go.notified() => Response::of(Status::SUCCESS),
        },
        b'p' => panic!("scripted"),
        b's' => {
            let context = exchange.invoker().store_contexts().remove(0);
            let mut stored = 0;
            for number in 0..3 {
                let chunks = futures_util::stream::iter([0_u8, 1].map(|n| Ok(Bytes::from(vec![n; 30_000 + number]))));
                let awaited = exchange.invoker().store(&context, &format!("1.2.{number}"), chunks).await.unwrap();
                stored += usize::from(awaited.answer().await.unwrap().status == Some(Status::SUCCESS));
            }
            Response::of(if stored == 3 { Status::SUCCESS } else { Status::INCOMPLETE })
        }
        b'b' => {
            let context = exchange.invoker().store_contexts().remove(0);
            let broken = [Ok(Bytes::from_static(b"half")), Err(std::io::ErrorKind::Other.into())];
            let failed = exchange.invoker().store(&context, "1.2.3", futures_util::stream::iter(broken)).await;
            assert!(matches!(failed.err(), Some(services::InvokeError::Source(_))));
            Response::of(Status::CANNOT_PERFORM)
        }
        b'e' => {
            let invoker = exchange.invoker().clone();
            tokio::spawn(async move { invoker.report(COMMITMENT, "1.2.840.10008.1.20.1.1", 1, b"event").await });
            Response::of(Status::SUCCESS)
        }
        _ => Response::failed(Status::IDENTIFIER_MISMATCH, "not in the script"),
    }
}

struct Asked {
    server: Running,
    script: Arc<Script>,
}

async fn scripted(config: DimseConfig) -> Asked {
    let script = Arc::new(Script::default());
    let server = start_with(config, Services::default().with(Scripted(script.clone()))).await;
    Asked { server, script }
}

fn context(id: u8, class: &str) -> ProposedContext {
    ProposedContext { id, abstract_syntax: class.into(), transfer_syntaxes: vec![IMPLICIT.into(), EXPLICIT.into()] }
}

fn asking(window: u16) -> AssociateRq {
    let contexts = vec![context(1, FIND), context(3, CT), context(5, GET), context(7, COMMITMENT)];
    let user = UserInformation {
        max_length: 16_384,
        async_window: Some((window, 1)),
        roles: vec![RoleSelection { sop_class: CT.into(), scu: false, scp: true }],
        extended: vec![ExtendedNegotiation { sop_class: FIND.into(), information: vec![1, 2, 3] }],
        ..UserInformation::default()
    };
    AssociateRq { contexts, user, ..association_request() }
}

/// A request of any service, as [`store_request`] has it but for its field.
fn request(field: u16, message_id: u16, data_set: &[u8], context: u8) -> Vec<u8> {
    let mut command = store_request(message_id, FIND, "", None);
    let at = command.windows(8).position(|window| window[..4] == [0, 0, 0, 1]).unwrap();
    command[at + 8..at + 10].copy_from_slice(&field.to_le_bytes());
    message_pdus(context, &command, Some(data_set), 16_384)
}

pub(super) fn cancel(message_id: u16) -> Vec<u8> {
    let mut command = Vec::new();
    for (element, value) in [(0x0100_u16, C_CANCEL_RQ), (0x0120, message_id), (0x0800, 0x0101)] {
        command.extend_from_slice(&[0, 0]);
        command.extend_from_slice(&element.to_le_bytes());
        command.extend_from_slice(&[2, 0, 0, 0]);
        command.extend_from_slice(&value.to_le_bytes());
    }
    command_pdus(1, &command, 0)
}

/// A whole message: its command and its data set.
pub(super) async fn message(stream: &mut TcpStream) -> (Command, Vec<u8>) {
    let (mut command, mut data_set) = (Vec::new(), Vec::new());
    loop {
        let (kind, body) = read_pdu(stream).await.unwrap();
        assert_eq!(kind, pdu::P_DATA_TF, "{body:?}");
        assert!(body.len() <= 16_384);
        let (is_command, last) = (body[5] & 1 != 0, body[5] & 2 != 0);
        if is_command { &mut command } else { &mut data_set }.extend_from_slice(&body[6..]);
        if !last {
            continue;
        }
        let decoded = Command::decode(&command).unwrap();
        if !is_command || !decoded.has_data_set {
            return (decoded, data_set);
        }
    }
}

async fn until_running(asked: &Asked, count: usize) {
    for _ in 0..200 {
        if asked.script.running.load(Ordering::SeqCst) == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{count} operations never ran");
}

#[tokio::test]
async fn a_request_reaches_its_service_and_each_pending_response_its_peer() {
    let asked = scripted(DimseConfig::default()).await;
    let (mut stream, accepted) = asked.server.associate(asking(1)).await;
    assert_eq!(accepted.user.extended[0].information, [1, 0, 1]);
    stream.write_all(&request(C_FIND_RQ, 5, b"3 answers", 1)).await.unwrap();
    for number in 0..3_u8 {
        let (response, data_set) = message(&mut stream).await;
        assert_eq!((response.field, response.message_id), (C_FIND_RQ | RESPONSE, 5));
        assert_eq!((response.status, data_set), (Some(Status::PENDING), vec![number; 40_000]));
    }
    let (response, _) = message(&mut stream).await;
    assert_eq!((response.status, response.has_data_set), (Some(Status::SUCCESS), false));
    let (peer, agreed, data_set) = asked.script.seen.lock().unwrap().remove(0);
    assert_eq!((peer.calling.as_str(), peer.device), ("CT1", Some(DeviceId(7))));
    assert_eq!((agreed, data_set), (vec![1, 0, 1], b"3 answers".to_vec()));
}

#[tokio::test]
async fn a_command_or_context_that_is_none_of_the_services_is_not_understood() {
    let asked = scripted(DimseConfig::default()).await;
    let (mut stream, _) = asked.server.associate(asking(1)).await;
    for (field, context) in [(0x0021, 1), (C_FIND_RQ, 3), (0x0150, 7), (0x0001, 1)] {
        stream.write_all(&request(field, 9, b"3", context)).await.unwrap();
        let (response, _) = message(&mut stream).await;
        assert_eq!((response.field, response.status), (field | RESPONSE, Some(Status::UNRECOGNIZED_OPERATION)));
    }
    assert!(asked.script.seen.lock().unwrap().is_empty() && asked.server.records().is_empty());
}

#[tokio::test]
async fn a_cancel_ends_its_own_operation_and_no_other() {
    let asked = scripted(DimseConfig::default()).await;
    let (mut stream, _) = asked.server.associate(asking(2)).await;
    stream.write_all(&[request(C_FIND_RQ, 1, b"w", 1), request(C_FIND_RQ, 2, b"w", 1)].concat()).await.unwrap();
    until_running(&asked, 2).await;
    stream.write_all(&[cancel(77), cancel(2)].concat()).await.unwrap();
    let (response, _) = message(&mut stream).await;
    assert_eq!((response.message_id, response.status), (2, Some(Status::CANCELLED)));
    asked.script.let_go.notify_one();
    let (response, _) = message(&mut stream).await;
    assert_eq!((response.message_id, response.status), (1, Some(Status::SUCCESS)));
}

#[tokio::test]
async fn more_operations_than_agreed_or_the_same_twice_are_refused() {
    let asked = scripted(DimseConfig::default()).await;
    let (mut stream, accepted) = asked.server.associate(asking(2)).await;
    assert_eq!(accepted.user.async_window, Some((2, 1)));
    stream.write_all(&request(C_FIND_RQ, 1, b"w", 1)).await.unwrap();
    until_running(&asked, 1).await;
    stream.write_all(&request(C_FIND_RQ, 1, b"w", 1)).await.unwrap();
    assert_eq!(message(&mut stream).await.0.status, Some(Status::DUPLICATE_INVOCATION));
    stream.write_all(&request(C_FIND_RQ, 2, b"w", 1)).await.unwrap();
    until_running(&asked, 2).await;
    stream.write_all(&request(C_FIND_RQ, 3, b"w", 1)).await.unwrap();
    assert_eq!(message(&mut stream).await.0.status, Some(Status::OUT_OF_RESOURCES));
    stream.write_all(&request(N_ACTION_RQ, 4, b"w", 7)).await.unwrap();
    assert_eq!(message(&mut stream).await.0.status, Some(Status::RESOURCE_LIMITATION));
    // The association itself is fine.
    stream.write_all(&[cancel(1), cancel(2)].concat()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(message(&mut stream).await.0.status, Some(Status::CANCELLED));
    }
}

#[tokio::test]
async fn a_data_set_without_end_costs_no_more_than_its_limit() {
    let asked = scripted(DimseConfig::default()).await;
    let (mut stream, _) = asked.server.associate(asking(1)).await;
    let huge = vec![b'3'; MAX_DATA_SET + 1];
    stream.write_all(&request(C_FIND_RQ, 1, &huge, 1)).await.unwrap();
    let (response, _) = message(&mut stream).await;
    assert_eq!((response.status, response.comment.as_str()), (Some(Status(0xC000)), "data set too long"));
    stream.write_all(&request(C_FIND_RQ, 2, &huge[1..], 1)).await.unwrap();
    assert_eq!(message(&mut stream).await.0.status, Some(Status::PENDING));
}

#[tokio::test]
async fn a_service_that_panics_answers_with_a_failure_and_the_association_goes_on() {
    let asked = scripted(DimseConfig::default()).await;
    let (mut stream, _) = asked.server.associate(asking(1)).await;
    stream.write_all(&request(C_FIND_RQ, 1, b"p", 1)).await.unwrap();
    assert_eq!(message(&mut stream).await.0.status, Some(Status::CANNOT_UNDERSTAND));
    stream.write_all(&request(N_ACTION_RQ, 1, b"p", 7)).await.unwrap();
    assert_eq!(message(&mut stream).await.0.status, Some(Status::PROCESSING_FAILURE));
    stream.write_all(&request(C_FIND_RQ, 1, b"?", 1)).await.unwrap();
    assert_eq!(message(&mut stream).await.0.comment, "not in the script");
}

#[tokio::test]
async fn objects_are_stored_back_to_a_peer_that_offered_to_take_them() {
    let asked = scripted(DimseConfig::default()).await;
    let (mut stream, accepted) = asked.server.associate(asking(1)).await;
    assert!(accepted.user.roles[0].scp);
    stream.write_all(&request(C_GET_RQ, 1, b"s", 5)).await.unwrap();
    for number in 0..3 {
        let (store, data_set) = message(&mut stream).await;
        assert_eq!((store.field, store.sop_instance), (0x0001, format!("1.2.{number}")));
        assert_eq!(data_set, [vec![0; 30_000 + number], vec![1; 30_000 + number]].concat());
        let answer = store_answer(store.message_id);
        stream.write_all(&command_pdus(3, &answer, 0)).await.unwrap();
    }
    let (response, _) = message(&mut stream).await;
    assert_eq!((response.field, response.status), (C_GET_RQ | RESPONSE, Some(Status::SUCCESS)));
}

fn store_answer(message_id: u16) -> Vec<u8> {
    Command::decode(&store_request(message_id, CT, "1.2", None)).unwrap().response(&Response::of(Status::SUCCESS))
}

#[tokio::test]
async fn an_object_that_ends_early_ends_the_association_and_an_answer_to_nothing_does_too() {
    let asked = scripted(DimseConfig::default()).await;
    let (mut stream, _) = asked.server.associate(asking(1)).await;
    stream.write_all(&request(C_GET_RQ, 1, b"b", 5)).await.unwrap();
    while let Some((kind, _)) = last_word(&mut stream).await {
        assert!(matches!(kind, pdu::P_DATA_TF | pdu::ABORT));
        if kind == pdu::ABORT {
            break;
        }
    }
    let (mut stream, _) = asked.server.associate(asking(1)).await;
    stream.write_all(&command_pdus(3, &store_answer(5), 0)).await.unwrap();
    assert_eq!(last_word(&mut stream).await, Some((pdu::ABORT, vec![0, 0, 2, 5])));
}

#[tokio::test]
async fn an_event_is_reported_after_the_operation_that_asked_for_it() {
    let asked = scripted(DimseConfig::default()).await;
    let (mut stream, _) = asked.server.associate(asking(1)).await;
    stream.write_all(&request(N_ACTION_RQ, 1, b"e", 7)).await.unwrap();
    let mut heard = [message(&mut stream).await, message(&mut stream).await];
    heard.sort_by_key(|(command, _)| command.field);
    let [(report, information), (action, _)] = heard;
    assert_eq!((action.field, action.status), (N_ACTION_RQ | RESPONSE, Some(Status::SUCCESS)));
    assert_eq!((report.field, report.event_type), (N_EVENT_REPORT_RQ, Some(1)));
    assert_eq!(information, b"event");
    let answer = report.response(&Response::of(Status::SUCCESS).with_data(vec![1; 10]));
    stream.write_all(&message_pdus(7, &answer, Some(&[1; 10]), 0)).await.unwrap();
    stream.write_all(&pdu::encode_release_rq()).await.unwrap();
    assert_eq!(last_word(&mut stream).await.unwrap().0, pdu::RELEASE_RP);
}

#[tokio::test]
async fn operations_end_with_their_peer_and_with_the_listener() {
    let asked = scripted(hasty()).await;
    let (mut stream, _) = asked.server.associate(asking(1)).await;
    stream.write_all(&request(C_FIND_RQ, 1, b"w", 1)).await.unwrap();
    until_running(&asked, 1).await;
    // Longer than an idle association would last.
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(asked.script.running.load(Ordering::SeqCst), 1);
    drop(stream);
    let over = tokio::time::timeout(Duration::from_secs(3), asked.server.assert_alive());
    over.await.unwrap();

    let (mut stream, _) = asked.server.associate(asking(1)).await;
    stream.write_all(&request(C_FIND_RQ, 1, b"w", 1)).await.unwrap();
    until_running(&asked, 2).await;
    asked.server.shutdown.cancel();
    let (response, _) = message(&mut stream).await;
    assert_eq!((response.status, response.comment.as_str()), (Some(Status::OUT_OF_RESOURCES), "shutting down"));
    assert_eq!(last_word(&mut stream).await.map(|(kind, _)| kind), Some(pdu::ABORT));
    drop(stream);
    tokio::time::timeout(Duration::from_secs(5), asked.server.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_release_waits_for_the_answers_before_it() {
    let asked = scripted(DimseConfig::default()).await;
    let (mut stream, _) = asked.server.associate(asking(1)).await;
    let mut both = request(C_FIND_RQ, 1, b"3", 1);
    both.extend(pdu::encode_release_rq());
    stream.write_all(&both).await.unwrap();
    for _ in 0..3 {
        assert_eq!(message(&mut stream).await.0.status, Some(Status::PENDING));
    }
    assert_eq!(message(&mut stream).await.0.status, Some(Status::SUCCESS));
    assert_eq!(last_word(&mut stream).await.unwrap().0, pdu::RELEASE_RP);
}
