//! C-GET and C-MOVE on the wire, with receivers that choose what they take, break off, refuse and dawdle.

use std::sync::Mutex;

use dicom_dictionary_std::{tags, uids};

use super::services::{cancel, message};
use super::*;
use crate::dicom::{Composed, Limits, Plain, Repertoire, VR, walk_data_set};
use crate::dimse::command::{C_GET_RQ, C_MOVE_RQ, Counts, Originator, RESPONSE, Response};
use crate::dimse::pdu::{ContextOutcome, ContextResult, RoleSelection};
use crate::dimse::pdv::message_pdus;
use crate::dimse::scu::{Body, DataSet, Outgoing, Source, SourceError};
use crate::dimse::services::get::Get;
use crate::dimse::services::mov::Move;
use crate::dimse::services::retrieve::testing::{Shelf, data_set};

const GET: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_GET;
const MOVE: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE;
const JPEG_2000: &str = uids::JPEG2000_LOSSLESS;

async fn library(shelf: Shelf) -> (Running, Arc<Shelf>) {
    let shelf = Arc::new(shelf);
    let services = Services::default().with(Get::new(shelf.clone())).with(Move::new(shelf.clone()));
    (start_with(DimseConfig::default(), services).await, shelf)
}

fn identifier() -> Vec<u8> {
    let mut keys = Composed::default();
    keys.text(tags::QUERY_RETRIEVE_LEVEL, VR::CS, "STUDY").text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3");
    keys.encode(Plain::Explicit, Repertoire::Utf8)
}

/// A C-GET or C-MOVE of study 1.2.3.
fn retrieve(field: u16, message_id: u16, destination: &str) -> Vec<u8> {
    let mut command = Vec::new();
    let mut element = |number: u16, value: &[u8]| {
        command.extend_from_slice(&[0, 0]);
        command.extend_from_slice(&number.to_le_bytes());
        command.extend_from_slice(&(value.len() as u32).to_le_bytes());
        command.extend_from_slice(value);
    };
    element(0x0100, &field.to_le_bytes());
    element(0x0110, &message_id.to_le_bytes());
    if !destination.is_empty() {
        element(0x0600, destination.as_bytes());
    }
    element(0x0800, &[1, 0]);
    message_pdus(1, &command, Some(&identifier()), 16_384)
}

fn retrieving(class: &str, storage: &[&[&str]], window: (u16, u16)) -> AssociateRq {
    let context = |id: u8, class: &str, syntaxes: &[&str]| ProposedContext {
        id,
        abstract_syntax: class.into(),
        transfer_syntaxes: syntaxes.iter().map(|uid| (*uid).into()).collect(),
    };
    let mut contexts = vec![context(1, class, &[EXPLICIT])];
    contexts.extend(storage.iter().zip(1..).map(|(syntaxes, n)| context(2 * n + 1, CT, syntaxes)));
    let user = UserInformation {
        max_length: 16_384,
        async_window: Some(window),
        roles: vec![RoleSelection { sop_class: CT.into(), scu: false, scp: true }],
        ..UserInformation::default()
    };
    AssociateRq { contexts, user, ..association_request() }
}

fn stored_as(request: &Command, status: Status) -> Vec<u8> {
    request.response(&Response::of(status))
}

fn counts(remaining: Option<u64>, completed: u64, failed: u64, warning: u64) -> Option<Counts> {
    Some(Counts { remaining, completed, failed, warning })
}

fn failed_uids(data: &[u8]) -> Vec<String> {
    let set = walk_data_set(data, EXPLICIT, &Limits::message()).unwrap();
    set.texts(tags::FAILED_SOP_INSTANCE_UID_LIST)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_sends_each_object_as_it_is_or_as_the_peer_takes_it() {
    let shelf = Shelf::of(&[JPEG_2000, EXPLICIT, uids::RLE_LOSSLESS, uids::JPEG_BASELINE8_BIT]);
    let (server, _) = library(shelf).await;
    let (mut stream, _) = server.associate(retrieving(GET, &[&[JPEG_2000], &[IMPLICIT]], (1, 1))).await;
    stream.write_all(&retrieve(C_GET_RQ, 1, "")).await.unwrap();
    let (mut taken, mut pending) = (Vec::new(), Vec::new());
    let (last, data) = loop {
        let (command, data) = message(&mut stream).await;
        if command.field & RESPONSE == 0 {
            taken.push((command.sop_instance.clone(), data));
            let context = if taken.len() == 1 { 3 } else { 5 };
            let status = if taken.len() == 3 { Status(0xB007) } else { Status::SUCCESS };
            stream.write_all(&command_pdus(context, &stored_as(&command, status), 0)).await.unwrap();
        } else if command.status == Some(Status::PENDING) {
            pending.push(command.counts);
        } else {
            break (command, data);
        }
    };
    // The RLE one is said not to decode; the JPEG goes out uncompressed, and is taken with a warning.
    let expected =
        [("1.2.0", data_set(0, JPEG_2000)), ("1.2.1", data_set(1, IMPLICIT)), ("1.2.3", data_set(3, IMPLICIT))];
    assert_eq!(taken.iter().map(|(uid, data)| (uid.as_str(), data.clone())).collect::<Vec<_>>(), expected);
    assert_eq!(pending.first(), Some(&counts(Some(4), 0, 0, 0)));
    assert_eq!(pending.last(), Some(&counts(Some(0), 2, 1, 1)));
    assert_eq!((last.field, last.status), (C_GET_RQ | RESPONSE, Some(Status::INCOMPLETE)));
    assert_eq!((last.counts, failed_uids(&data)), (counts(None, 2, 1, 1), vec!["1.2.2".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_uses_the_window_and_stops_at_a_cancel() {
    let (server, _) = library(Shelf::of(&[EXPLICIT; 9])).await;
    let (mut stream, accepted) = server.associate(retrieving(GET, &[&[EXPLICIT]], (2, 3))).await;
    assert_eq!(accepted.user.async_window, Some((2, 3)));
    stream.write_all(&retrieve(C_GET_RQ, 1, "")).await.unwrap();
    // Three objects come before any is answered.
    let mut outstanding = Vec::new();
    while outstanding.len() < 3 {
        let (command, _) = message(&mut stream).await;
        if command.field & RESPONSE == 0 {
            outstanding.push(command);
        }
    }
    stream.write_all(&cancel(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut answered = 0;
    let last = loop {
        for command in outstanding.drain(..) {
            stream.write_all(&command_pdus(3, &stored_as(&command, Status::SUCCESS), 0)).await.unwrap();
            answered += 1;
        }
        let (command, _) = message(&mut stream).await;
        match command.status {
            None => outstanding.push(command),
            Some(Status::PENDING) => {}
            Some(_) => break command,
        }
    };
    assert!((3..=4).contains(&answered), "one may have been waiting for its turn: {answered}");
    assert_eq!((last.status, last.counts), (Some(Status::CANCELLED), counts(Some(9 - answered), answered, 0, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_of_what_the_peer_cannot_take_fails_and_harms_nothing() {
    let (server, _) = library(Shelf::of(&[uids::RLE_LOSSLESS, EXPLICIT])).await;
    let (mut stream, _) = server.associate(retrieving(GET, &[&[JPEG_2000]], (1, 1))).await;
    for message_id in [1, 2] {
        stream.write_all(&retrieve(C_GET_RQ, message_id, "")).await.unwrap();
        let (last, data) = loop {
            let (command, data) = message(&mut stream).await;
            if command.status != Some(Status::PENDING) {
                break (command, data);
            }
        };
        assert_eq!((last.status, last.counts), (Some(Status::CANNOT_PERFORM), counts(None, 0, 2, 0)));
        assert_eq!(failed_uids(&data), ["1.2.0", "1.2.1"]);
    }
}

/// What a receiver that we drive by hand does.
#[derive(Default)]
struct Behaviour {
    /// Transfer syntaxes it takes; empty: all.
    takes: Vec<&'static str>,
    /// Breaks the connection instead of answering this many of all stores, from the first on.
    break_off: Mutex<usize>,
    /// Status of every store.
    status: Option<Status>,
    /// Says nothing until it may.
    silent: Option<tokio::sync::Semaphore>,
    taken: Mutex<Vec<(Command, Vec<u8>)>>,
    associations: Mutex<Vec<AssociateRq>>,
}

async fn receiver(behaviour: Behaviour) -> (SocketAddr, Arc<Behaviour>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let behaviour = Arc::new(behaviour);
    let shared = behaviour.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(receive(stream, shared.clone()));
        }
    });
    (address, behaviour)
}

async fn receive(mut stream: TcpStream, behaviour: Arc<Behaviour>) {
    let Ok((pdu::ASSOCIATE_RQ, body)) = read_pdu(&mut stream).await else { return };
    let request = AssociateRq::decode(&body).unwrap();
    let result = |context: &ProposedContext| {
        let offered = context.transfer_syntaxes[0].clone();
        let taken = behaviour.takes.is_empty() || behaviour.takes.contains(&offered.as_str());
        let outcome = if taken { ContextOutcome::Accepted } else { ContextOutcome::TransferSyntaxesNotSupported };
        ContextResult { id: context.id, outcome, transfer_syntax: offered }
    };
    let answer = AssociateAc {
        contexts: request.contexts.iter().map(result).collect(),
        user: UserInformation { max_length: 16_384, async_window: Some((2, 1)), ..UserInformation::default() },
        ..AssociateAc::default()
    };
    behaviour.associations.lock().unwrap().push(request);
    stream.write_all(&answer.encode()).await.unwrap();
    let (mut command, mut data) = (Vec::new(), Vec::new());
    while let Ok((kind, body)) = read_pdu(&mut stream).await {
        if kind == pdu::RELEASE_RQ {
            stream.write_all(&pdu::encode_release_rp()).await.unwrap();
        }
        let mut rest = &body[..];
        while kind == pdu::P_DATA_TF && rest.len() > 6 {
            let header = PdvHeader::decode(*rest.first_chunk().unwrap(), rest.len()).unwrap();
            let (fragment, after) = rest[6..].split_at(header.length);
            if header.command { &mut command } else { &mut data }.extend_from_slice(fragment);
            rest = after;
            if header.command || !header.last {
                continue;
            }
            let request = Command::decode(&std::mem::take(&mut command)).unwrap();
            let breaks = {
                let mut left = behaviour.break_off.lock().unwrap();
                let breaks = *left > 0;
                *left = left.saturating_sub(1);
                breaks
            };
            if breaks {
                return;
            }
            if let Some(silent) = &behaviour.silent {
                silent.acquire().await.unwrap().forget();
            }
            let response = stored_as(&request, behaviour.status.unwrap_or(Status::SUCCESS));
            behaviour.taken.lock().unwrap().push((request, std::mem::take(&mut data)));
            if stream.write_all(&command_pdus(header.context, &response, 0)).await.is_err() {
                return;
            }
        }
    }
}

async fn mover(shelf: &[&'static str], address: SocketAddr) -> (Running, TcpStream, Arc<Shelf>) {
    let shelf = Shelf { destination: Some(address.to_string()), ..Shelf::of(shelf) };
    let (server, shelf) = library(shelf).await;
    let (stream, _) = server.associate(retrieving(MOVE, &[], (1, 1))).await;
    (server, stream, shelf)
}

async fn last_of(stream: &mut TcpStream) -> (Command, Vec<u8>) {
    loop {
        let (command, data) = message(stream).await;
        assert_eq!(command.field, C_MOVE_RQ | RESPONSE);
        if command.status != Some(Status::PENDING) {
            return (command, data);
        }
        assert!(command.counts.is_some());
    }
}

fn taken(behaviour: &Behaviour) -> Vec<(String, Vec<u8>)> {
    let mut taken: Vec<_> =
        behaviour.taken.lock().unwrap().iter().map(|(c, data)| (c.sop_instance.clone(), data.clone())).collect();
    taken.sort();
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_goes_to_the_device_in_what_it_takes_and_says_who_asked() {
    let takes = vec![JPEG_2000, EXPLICIT];
    let (address, behaviour) = receiver(Behaviour { takes, ..Behaviour::default() }).await;
    let (_server, mut stream, shelf) = mover(&[JPEG_2000, IMPLICIT, uids::JPEG_BASELINE8_BIT], address).await;
    stream.write_all(&retrieve(C_MOVE_RQ, 77, "CT1 ")).await.unwrap();
    let (last, _) = last_of(&mut stream).await;
    assert_eq!((last.status, last.counts), (Some(Status::SUCCESS), counts(None, 3, 0, 0)));
    let expected = [(0, JPEG_2000), (1, EXPLICIT), (2, EXPLICIT)].map(|(n, ts)| (format!("1.2.{n}"), data_set(n, ts)));
    assert_eq!(taken(&behaviour), expected);
    for (command, _) in behaviour.taken.lock().unwrap().iter() {
        assert_eq!(command.move_originator, Some(("CT1".into(), 77)));
    }
    let associations = behaviour.associations.lock().unwrap();
    assert_eq!((associations[0].called.as_str(), associations[0].calling.as_str()), ("CT1", "YUNYING"));
    let (wanted, to) = shelf.wanted.lock().unwrap().remove(0);
    assert_eq!((wanted.studies, to), (vec!["1.2.3".to_owned()], Some(DeviceId(9))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_to_nobody_or_to_nowhere_is_refused() {
    let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let (_server, mut stream, _) = mover(&[EXPLICIT, EXPLICIT], nowhere).await;
    stream.write_all(&retrieve(C_MOVE_RQ, 1, "NOBODY")).await.unwrap();
    assert_eq!(last_of(&mut stream).await.0.status, Some(Status::UNKNOWN_DESTINATION));
    stream.write_all(&retrieve(C_MOVE_RQ, 2, "CT1 ")).await.unwrap();
    let (last, _) = last_of(&mut stream).await;
    assert_eq!((last.status, last.counts), (Some(Status::CANNOT_PERFORM), counts(None, 0, 2, 0)));
    assert!(last.comment.starts_with("destination: "), "{}", last.comment);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_refuses_is_counted_and_listed() {
    let (address, _) = receiver(Behaviour { status: Some(Status(0xA700)), ..Behaviour::default() }).await;
    let (_server, mut stream, _) = mover(&[EXPLICIT; 3], address).await;
    stream.write_all(&retrieve(C_MOVE_RQ, 1, "CT1 ")).await.unwrap();
    let (last, data) = last_of(&mut stream).await;
    assert_eq!((last.status, last.counts), (Some(Status::CANNOT_PERFORM), counts(None, 0, 3, 0)));
    let mut failed = failed_uids(&data);
    failed.sort();
    assert_eq!(failed, ["1.2.0", "1.2.1", "1.2.2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_association_that_breaks_is_opened_again_and_nothing_is_missing() {
    let (address, behaviour) = receiver(Behaviour { break_off: Mutex::new(1), ..Behaviour::default() }).await;
    let (_server, mut stream, _) = mover(&[EXPLICIT; 5], address).await;
    stream.write_all(&retrieve(C_MOVE_RQ, 1, "CT1 ")).await.unwrap();
    let (last, _) = last_of(&mut stream).await;
    assert_eq!((last.status, last.counts), (Some(Status::SUCCESS), counts(None, 5, 0, 0)));
    assert_eq!(taken(&behaviour).len(), 5);
    assert_eq!(behaviour.associations.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_always_breaks_is_given_up() {
    let (address, behaviour) = receiver(Behaviour { break_off: Mutex::new(usize::MAX), ..Behaviour::default() }).await;
    let (_server, mut stream, _) = mover(&[EXPLICIT; 5], address).await;
    stream.write_all(&retrieve(C_MOVE_RQ, 1, "CT1 ")).await.unwrap();
    let (last, _) = last_of(&mut stream).await;
    assert_eq!((last.status, last.counts), (Some(Status::CANNOT_PERFORM), counts(None, 0, 5, 0)));
    assert_eq!(behaviour.associations.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_stops_decoding_costs_itself_and_no_other() {
    let takes = vec![EXPLICIT];
    let (address, behaviour) = receiver(Behaviour { takes, ..Behaviour::default() }).await;
    let (_server, mut stream, _) = mover(&[EXPLICIT, uids::MPEG2MPML, EXPLICIT, EXPLICIT], address).await;
    stream.write_all(&retrieve(C_MOVE_RQ, 1, "CT1 ")).await.unwrap();
    let (last, data) = last_of(&mut stream).await;
    assert_eq!((last.status, last.counts), (Some(Status::INCOMPLETE), counts(None, 3, 1, 0)));
    assert_eq!(failed_uids(&data), ["1.2.1"]);
    assert_eq!(taken(&behaviour).iter().map(|(uid, _)| uid.as_str()).collect::<Vec<_>>(), ["1.2.0", "1.2.2", "1.2.3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_move_lets_what_is_under_way_finish_and_begins_no_more() {
    let silent = Some(tokio::sync::Semaphore::new(0));
    let (address, behaviour) = receiver(Behaviour { silent, ..Behaviour::default() }).await;
    let (_server, mut stream, _) = mover(&[EXPLICIT; 9], address).await;
    stream.write_all(&retrieve(C_MOVE_RQ, 1, "CT1 ")).await.unwrap();
    assert_eq!(message(&mut stream).await.0.counts, counts(Some(9), 0, 0, 0));
    tokio::time::sleep(Duration::from_millis(300)).await;
    stream.write_all(&cancel(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    behaviour.silent.as_ref().unwrap().add_permits(100);
    let (last, _) = last_of(&mut stream).await;
    let stored = taken(&behaviour).len() as u64;
    assert!((1..=2).contains(&stored), "the first page has two: {stored}");
    assert_eq!((last.status, last.counts), (Some(Status::CANCELLED), counts(Some(9 - stored), stored, 0, 0)));
}

/// Never answers.
struct Stuck;

impl Source for Stuck {
    fn open(&self, _transfer_syntax: &str) -> futures_util::future::BoxFuture<'static, Result<DataSet, SourceError>> {
        Box::pin(async { Err(SourceError("lost".into())) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_waits_for_an_answer_as_long_as_its_patience_and_reports_every_object_once() {
    let silent = Some(tokio::sync::Semaphore::new(0));
    let (address, behaviour) = receiver(Behaviour { silent, ..Behaviour::default() }).await;
    let dir = tempfile::tempdir().unwrap();
    let mut objects: Vec<Outgoing> =
        (0..4).map(|number| read_meta(&part10(dir.path(), number, EXPLICIT, 3_000).0).unwrap()).collect();
    objects.push(Outgoing { sop_instance: "1.2.9".into(), body: Body::Source(Arc::new(Stuck)), ..objects[0].clone() });
    let originator = Some(Originator { title: "WS".into(), message_id: 3 });
    let options = ScuOptions {
        patience: Duration::from_millis(300),
        originator,
        ..ScuOptions::new(address, "RECEIVER", "YUNYING")
    };
    let (outcomes, mut decided) = mpsc::channel(16);
    let collect = async {
        let mut all = Vec::new();
        while let Some(outcome) = decided.recv().await {
            all.push(outcome);
        }
        all
    };
    let all = tokio::join!(send_all(&options, objects, outcomes), collect).1;
    assert_eq!(all.len(), 5, "{all:?}");
    assert!(all.iter().all(|outcome| outcome.result.is_err()));
    assert_eq!(behaviour.associations.lock().unwrap().len(), 2);
}
