//! Associations over loopback: our own sender against our own listener, and peers that behave badly.

mod certificates;
mod memory;
mod query;
mod retries;
mod retrieval;
mod services;
mod tls;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::command::{Command, Status, store_request};
use super::pdu::{self, AssociateAc, AssociateRq, ProposedContext, UserInformation};
use super::pdv::{PdvHeader, command_pdus};
use super::scu::{Client, Failure, Kind, Outcome, ScuError, ScuOptions, read_meta, send_all};
use super::services::Services;
use super::{Admission, Devices, DimseConfig, Doors, Origin, Registered, serve};
use crate::domain::DeviceId;
use crate::ingest::activity::Activity;
use crate::ingest::spool::sim::{Faults, SimDisk};
use crate::ingest::spool::{Position, Record, Spool, SpoolOptions};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const VERIFICATION: &str = "1.2.840.10008.1.1";
const IMPLICIT: &str = "1.2.840.10008.1.2";

/// Knows CT1, called YUNYING.
struct OneDevice;

impl Devices for OneDevice {
    fn admit(&self, calling: &str, called: &str, _from: &Origin) -> Admission {
        match (calling, called) {
            ("CT1", "YUNYING") => Admission::Admitted(Some(Registered { device: DeviceId(7), max_associations: None })),
            ("CT1", _) => Admission::UnknownCalled,
            _ => Admission::UnknownCalling,
        }
    }
}

struct Running {
    address: SocketAddr,
    spool: Spool,
    shutdown: CancellationToken,
    served: tokio::task::JoinHandle<()>,
    dir: tempfile::TempDir,
}

async fn start(config: DimseConfig) -> Running {
    start_with(config, Services::default()).await
}

async fn start_with(config: DimseConfig, services: Services) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let options = SpoolOptions { segment_size: 8 << 20, keep_free: 0, ..SpoolOptions::default() };
    let spool = Spool::open(&dir.path().join("spool"), options).unwrap();
    start_on(spool, dir, config, services).await
}

async fn start_on(spool: Spool, dir: tempfile::TempDir, config: DimseConfig, services: Services) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let doors = Doors { plain: Some(listener), tls: None };
    start_at((doors, address), spool, dir, config, Arc::new(OneDevice), services)
}

/// `address` is where the tests call.
fn start_at(
    (doors, address): (Doors, SocketAddr),
    spool: Spool,
    dir: tempfile::TempDir,
    config: DimseConfig,
    devices: Arc<dyn Devices>,
    services: Services,
) -> Running {
    let shutdown = CancellationToken::new();
    let activity = Activity::default();
    let served = tokio::spawn(serve(doors, config, devices, spool.clone(), activity, services, shutdown.clone()));
    Running { address, spool, shutdown, served, dir }
}

/// Impatient, so that the tests of patience are short.
fn hasty() -> DimseConfig {
    DimseConfig {
        artim: Duration::from_millis(300),
        idle: Duration::from_millis(800),
        patience: Duration::from_millis(300),
        grace: Duration::from_secs(3),
        ..DimseConfig::default()
    }
}

impl Running {
    fn options(&self) -> ScuOptions {
        ScuOptions { patience: Duration::from_secs(10), ..ScuOptions::new(self.address, "YUNYING", "CT1") }
    }

    fn records(&self) -> Vec<Arc<Record>> {
        self.spool.read_from(Position::START, usize::MAX)
    }

    fn dataset(&self, record: &Record) -> Vec<u8> {
        let whole = self.spool.read_blocking(record.segment, record.offset, record.length as usize).unwrap();
        whole[record.dataset_offset as usize..].to_vec()
    }

    /// A peer that we drive by hand, its association open.
    async fn raw_association(&self) -> TcpStream {
        self.associate(association_request()).await.0
    }

    async fn associate(&self, request: AssociateRq) -> (TcpStream, AssociateAc) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(&request.encode()).await.unwrap();
        let (kind, body) = read_pdu(&mut stream).await.unwrap();
        assert_eq!(kind, pdu::ASSOCIATE_AC);
        let accepted = AssociateAc::decode(&body).unwrap();
        assert!(accepted.contexts.iter().all(|context| context.outcome == pdu::ContextOutcome::Accepted));
        (stream, accepted)
    }

    async fn assert_alive(&self) {
        let kind = Kind { sop_class: VERIFICATION.into(), transfer_syntax: IMPLICIT.into() };
        let mut client = Client::connect(&self.options(), &[kind].into()).await.unwrap();
        assert_eq!(client.echo().await.unwrap(), Status::SUCCESS);
        client.release().await.unwrap();
    }
}

fn association_request() -> AssociateRq {
    let context = |id, class: &str, transfer_syntaxes: &[&str]| ProposedContext {
        id,
        abstract_syntax: class.into(),
        transfer_syntaxes: transfer_syntaxes.iter().map(|uid| (*uid).into()).collect(),
    };
    AssociateRq {
        called: "YUNYING".into(),
        calling: "CT1".into(),
        application_context: pdu::APPLICATION_CONTEXT.into(),
        contexts: vec![context(1, CT, &[EXPLICIT]), context(3, VERIFICATION, &[IMPLICIT]), context(5, CT, &[IMPLICIT])],
        user: UserInformation { max_length: 16_384, implementation_class: "1.2.3".into(), ..Default::default() },
    }
}

async fn read_pdu(stream: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 6];
    stream.read_exact(&mut header).await?;
    let mut body = vec![0; u32::from_be_bytes([header[2], header[3], header[4], header[5]]) as usize];
    stream.read_exact(&mut body).await?;
    Ok((header[0], body))
}

async fn read_response(stream: &mut TcpStream) -> Command {
    let (kind, body) = read_pdu(stream).await.unwrap();
    assert_eq!(kind, pdu::P_DATA_TF, "{body:?}");
    Command::decode(&body[6..]).unwrap()
}

/// What the server says last: the PDU, or nothing before it closed.
async fn last_word(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let read = tokio::time::timeout(Duration::from_secs(5), read_pdu(stream));
    read.await.expect("the server does not leave a peer hanging").ok()
}

fn fragment(context: u8, command: bool, last: bool, bytes: &[u8]) -> Vec<u8> {
    let mut out = PdvHeader { context, command, last, length: bytes.len() }.alone()[6..].to_vec();
    out.extend_from_slice(bytes);
    out
}

fn p_data(fragments: &[Vec<u8>]) -> Vec<u8> {
    let body: Vec<u8> = fragments.concat();
    let mut out = vec![pdu::P_DATA_TF, 0];
    out.extend_from_slice(&(body.len() as u32).to_be_bytes());
    out.extend_from_slice(&body);
    out
}

/// A Part-10 file of `length` bytes of data set, which nobody here looks into.
fn part10(dir: &Path, number: usize, transfer_syntax: &str, length: usize) -> (PathBuf, Vec<u8>) {
    let dataset: Vec<u8> = (0..length).map(|at| (at * 31 + number * 7) as u8).collect();
    let mut meta = Vec::new();
    for (element, value) in [(2_u8, CT), (3, &format!("1.2.3.{number}")), (0x10, transfer_syntax)] {
        let mut value = value.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(0);
        }
        meta.extend_from_slice(&[2, 0, element, 0, b'U', b'I', value.len() as u8, 0]);
        meta.extend_from_slice(&value);
    }
    let path = dir.join(format!("{number}.dcm"));
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&[0; 128]).unwrap();
    file.write_all(b"DICM").unwrap();
    file.write_all(&meta).unwrap();
    file.write_all(&[8, 0, 5, 0]).unwrap();
    file.write_all(&dataset).unwrap();
    (path, [&[8, 0, 5, 0], dataset.as_slice()].concat())
}

async fn send(options: &ScuOptions, paths: &[PathBuf]) -> Vec<Outcome> {
    let objects = paths.iter().map(|path| read_meta(path).unwrap()).collect();
    let (outcomes, mut decided) = mpsc::channel(16);
    let collect = async {
        let mut all = Vec::new();
        while let Some(outcome) = decided.recv().await {
            all.push(outcome);
        }
        all
    };
    tokio::join!(send_all(options, objects, outcomes), collect).1
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_arrive_verbatim_over_one_and_many_associations() {
    let server = start(DimseConfig::default()).await;
    let sizes = [0, 1, 2, 4_000, 262_132, 524_288, 1_100_000, 5_000_000];
    let transfer_syntaxes = [EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.4.90", "1.2.840.113619.5.2"];
    let mut sent = std::collections::HashMap::new();
    let mut paths = Vec::new();
    for number in 0..32 {
        let transfer_syntax = transfer_syntaxes[number % 4];
        let (path, dataset) = part10(server.dir.path(), number, transfer_syntax, sizes[number % sizes.len()]);
        sent.insert(format!("1.2.3.{number}"), (transfer_syntax, dataset));
        paths.push(path);
    }
    for (associations, async_window) in [(1, 1), (1, 8), (4, 4)] {
        let before = server.records().len();
        let options = ScuOptions { associations, async_window, ..server.options() };
        let outcomes = send(&options, &paths).await;
        assert_eq!(outcomes.len(), paths.len());
        assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
        let stored = &server.records()[before..];
        assert_eq!(stored.len(), paths.len());
        for record in stored {
            let (transfer_syntax, dataset) = &sent[&record.meta.sop_instance];
            assert_eq!(server.dataset(record), *dataset);
            assert_eq!(record.meta.transfer_syntax, *transfer_syntax);
            assert_eq!((record.meta.sop_class.as_str(), record.meta.calling_ae.as_str()), (CT, "CT1"));
            assert_eq!(record.meta.device, Some(DeviceId(7)));
            assert_eq!(record.meta.peer, "127.0.0.1");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failing_disk_did_not_take_is_refused_and_the_next_is_stored() {
    let disk = SimDisk::default();
    let quiet = Duration::from_secs(3_600);
    let options = SpoolOptions { segment_size: 1 << 20, keep_free: 0, quiet, ..SpoolOptions::default() };
    let spool = Spool::open_on(Arc::new(disk.clone()), Path::new("/spool"), options).unwrap();
    let server = start_on(spool, tempfile::tempdir().unwrap(), DimseConfig::default(), Services::default()).await;
    let failing_sync = Faults { failing_sync: Some(0), ..Faults::default() };
    let failing_write = Faults { failing_write: Some(0), ..Faults::default() };
    let mut number = 0;
    for faults in [failing_sync, failing_write] {
        // In a shared segment, and in one of its own.
        for length in [4_000, 3_000_000] {
            let mut send_one = async || {
                number += 1;
                let (path, _) = part10(server.dir.path(), number, EXPLICIT, length);
                send(&server.options(), &[path]).await.remove(0).result
            };
            send_one().await.unwrap();
            disk.set_faults(faults.clone());
            let refused = send_one().await;
            assert!(matches!(refused, Err(Failure::Refused(Status::OUT_OF_RESOURCES))), "{faults:?}: {refused:?}");
            send_one().await.unwrap();
        }
    }
    assert_eq!(server.records().len(), 8, "and nobody is told of what was refused");
}

#[tokio::test]
async fn strangers_are_rejected_with_the_reason() {
    let server = start(DimseConfig::default()).await;
    let kind = [Kind { sop_class: CT.into(), transfer_syntax: EXPLICIT.into() }].into();
    let stranger = ScuOptions { calling: "NOBODY".into(), ..server.options() };
    let refused = Client::connect(&stranger, &kind).await.err();
    assert!(matches!(refused, Some(ScuError::Rejected(1, 1, 3))), "{refused:?}");
    let lost = ScuOptions { called: "ELSEWHERE".into(), ..server.options() };
    let refused = Client::connect(&lost, &kind).await.err();
    assert!(matches!(refused, Some(ScuError::Rejected(1, 1, 7))), "{refused:?}");

    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let odd = AssociateRq { application_context: "1.2.3".into(), ..association_request() };
    stream.write_all(&odd.encode()).await.unwrap();
    assert_eq!(last_word(&mut stream).await, Some((pdu::ASSOCIATE_RJ, vec![0, 1, 1, 2])));
    server.assert_alive().await;
}

#[tokio::test]
async fn limits_hold_per_device_and_in_all() {
    let server = start(DimseConfig { max_per_device: 2, max_associations: 3, ..DimseConfig::default() }).await;
    let kind = [Kind { sop_class: CT.into(), transfer_syntax: EXPLICIT.into() }].into();
    let first = Client::connect(&server.options(), &kind).await.unwrap();
    let second = Client::connect(&server.options(), &kind).await.unwrap();
    let refused = Client::connect(&server.options(), &kind).await.err();
    assert!(matches!(refused, Some(ScuError::Rejected(2, 3, 2))), "{refused:?}");
    let silent = TcpStream::connect(server.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let refused = Client::connect(&server.options(), &kind).await.err();
    assert!(matches!(refused, Some(ScuError::Rejected(2, 3, 1))), "{refused:?}");
    drop(silent);
    first.release().await.unwrap();
    second.release().await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.assert_alive().await;
}

#[tokio::test]
async fn commands_and_data_come_in_any_packing() {
    let server = start(DimseConfig::default()).await;
    let mut stream = server.raw_association().await;
    let command = store_request(1, CT, "1.2.3.1", None);
    let elements = |request: &[u8]| request.to_vec();

    // All in one PDU.
    let all = [fragment(1, true, true, &elements(&command)), fragment(1, false, true, b"one pdu!")];
    stream.write_all(&p_data(&all)).await.unwrap();
    assert_eq!(read_response(&mut stream).await.status, Some(Status::SUCCESS));

    // Command and data in fragments, two in a PDU, an empty last one.
    let (head, tail) = command.split_at(11);
    stream.write_all(&p_data(&[fragment(1, true, false, head)])).await.unwrap();
    stream.write_all(&p_data(&[fragment(1, true, true, tail), fragment(1, false, false, b"frag")])).await.unwrap();
    stream.write_all(&p_data(&[fragment(1, false, false, b"ments")])).await.unwrap();
    stream.write_all(&p_data(&[fragment(1, false, true, b"")])).await.unwrap();
    assert_eq!(read_response(&mut stream).await.status, Some(Status::SUCCESS));

    // An echo on another context, its command begun before the data set's end.
    let echo = super::command::echo_request(9);
    stream.write_all(&p_data(&[fragment(1, true, true, &command), fragment(1, false, false, b"inter")])).await.unwrap();
    stream
        .write_all(&p_data(&[fragment(3, true, false, &echo[..20]), fragment(1, false, false, b"lea")]))
        .await
        .unwrap();
    stream.write_all(&p_data(&[fragment(3, true, true, &echo[20..])])).await.unwrap();
    assert_eq!(read_response(&mut stream).await.message_id, 9);
    // One byte at a time.
    for byte in p_data(&[fragment(1, false, true, b"ved.")]) {
        stream.write_all(&[byte]).await.unwrap();
    }
    assert_eq!(read_response(&mut stream).await.message_id, 1);

    stream.write_all(&pdu::encode_release_rq()).await.unwrap();
    assert_eq!(last_word(&mut stream).await.unwrap().0, pdu::RELEASE_RP);
    let stored: Vec<_> = server.records().iter().map(|record| server.dataset(record)).collect();
    assert_eq!(stored, [b"one pdu!".to_vec(), b"fragments".to_vec(), b"interleaved.".to_vec()]);
}

#[tokio::test]
async fn what_arrived_is_stored_whatever_its_command_says() {
    let server = start(DimseConfig::default()).await;
    let mut stream = server.raw_association().await;
    let long = "1.".repeat(400);
    for (number, uid) in ["", "not a uid/../..", &long].into_iter().enumerate() {
        let command = store_request(number as u16, "", uid, None);
        stream.write_all(&command_pdus(1, &command, 0)).await.unwrap();
        stream.write_all(&p_data(&[fragment(1, false, true, uid.as_bytes())])).await.unwrap();
        let response = read_response(&mut stream).await;
        assert_eq!(response.status, Some(Status::SUCCESS));
        assert_eq!(response.sop_instance, uid);
    }
    for (record, uid) in server.records().iter().zip(["", "not a uid/../..", &long]) {
        assert_eq!(server.dataset(record), uid.as_bytes());
        assert_eq!(record.meta.sop_instance, uid[..uid.len().min(64)]);
        assert_eq!(record.meta.sop_class, CT, "that of the context");
    }
}

#[tokio::test]
async fn a_service_we_do_not_offer_is_answered_and_its_data_set_dropped() {
    let server = start(DimseConfig::default()).await;
    let mut stream = server.raw_association().await;
    let mut find = store_request(3, CT, "1.2.3", None);
    let field = find.windows(8).position(|window| window[..4] == [0, 0, 0, 1]).unwrap();
    find[field + 8] = 0x20;
    stream.write_all(&p_data(&[fragment(1, true, true, &find), fragment(1, false, true, &[0; 500])])).await.unwrap();
    let response = read_response(&mut stream).await;
    assert_eq!((response.field, response.status), (0x8020, Some(Status(0x0211))));
    stream.write_all(&command_pdus(3, &super::command::echo_request(4), 0)).await.unwrap();
    assert_eq!(read_response(&mut stream).await.status, Some(Status::SUCCESS));
    assert!(server.records().is_empty());
}

#[tokio::test]
async fn garbage_ends_its_own_association_with_the_right_abort() {
    let server = start(hasty()).await;
    let abort = |reason: u8| Some((pdu::ABORT, vec![0, 0, 2, reason]));

    let before: [(&[u8], u8); 5] = [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1),
        (&[pdu::P_DATA_TF, 0, 0, 0, 0, 10, 0, 0, 0, 6, 1, 3, 0, 0, 0, 0], 2),
        (&[pdu::ASSOCIATE_RQ, 0, 0xff, 0xff, 0xff, 0xff, 0], 6),
        (&[pdu::ASSOCIATE_RQ, 0, 0, 0, 0, 10, 0, 1, 0, 0, 1, 1, 1, 1, 1, 1], 6),
        (&[0xff; 64], 1),
    ];
    for (bytes, reason) in before {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        assert_eq!(last_word(&mut stream).await, abort(reason), "{bytes:?}");
    }

    let lies = |length: u32| [&length.to_be_bytes()[..], &[1, 3, 0, 0]].concat();
    let object_in_an_object = [
        fragment(1, true, true, &store_request(1, CT, "1.2.3", None)),
        fragment(1, false, false, b"the first of two"),
        fragment(5, true, true, &store_request(2, CT, "1.2.4", None)),
    ];
    let within: [(Vec<u8>, u8); 10] = [
        (p_data(&object_in_an_object), 5),
        (p_data(&[lies(u32::MAX)]), 6),
        (p_data(&[lies(1)]), 6),
        (p_data(&[vec![0; 5]]), 6),
        (vec![pdu::P_DATA_TF, 0, 0xff, 0xff, 0xff, 0xff], 6),
        (p_data(&[fragment(99, true, true, &store_request(1, CT, "1.2", None))]), 5),
        (p_data(&[fragment(1, false, true, b"data before a command")]), 5),
        (p_data(&[fragment(1, true, true, b"not a command set")]), 6),
        (association_request().encode(), 2),
        (vec![0x42, 0, 0, 0, 0, 0], 1),
    ];
    for (bytes, reason) in within {
        let mut stream = server.raw_association().await;
        stream.write_all(&bytes).await.unwrap();
        assert_eq!(last_word(&mut stream).await, abort(reason), "{bytes:?}");
    }
    server.assert_alive().await;
}

#[tokio::test]
async fn an_endless_command_set_is_cut_off() {
    let server = start(hasty()).await;
    let mut stream = server.raw_association().await;
    let piece = p_data(&[fragment(1, true, false, &[0; 16_000])]);
    for _ in 0..5 {
        // The server may have had enough already.
        if stream.write_all(&piece).await.is_err() {
            break;
        }
    }
    assert_eq!(last_word(&mut stream).await.map(|(kind, _)| kind), Some(pdu::ABORT));
    server.assert_alive().await;
}

#[tokio::test]
async fn the_slow_and_the_silent_are_let_go_and_disturb_nobody() {
    let server = start(hasty()).await;
    let silent = TcpStream::connect(server.address).await.unwrap();
    let mut trickling = TcpStream::connect(server.address).await.unwrap();
    let mut half = server.raw_association().await;
    let request =
        p_data(&[fragment(1, true, true, &store_request(1, CT, "1.2.3", None)), fragment(1, false, false, &[1; 999])]);
    half.write_all(&request[..request.len() - 500]).await.unwrap();
    let idle = server.raw_association().await;
    for byte in association_request().encode().into_iter().take(8) {
        trickling.write_all(&[byte]).await.unwrap();
        server.assert_alive().await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    for (name, mut stream) in [("silent", silent), ("trickling", trickling), ("half", half), ("idle", idle)] {
        assert_eq!(last_word(&mut stream).await.map(|(kind, _)| kind), Some(pdu::ABORT), "{name}");
    }
    assert!(server.records().is_empty(), "half an object is none");
    server.assert_alive().await;
}

#[tokio::test]
async fn shutdown_lets_the_object_under_way_finish() {
    let server = start(DimseConfig::default()).await;
    let mut busy = server.raw_association().await;
    let mut idle = server.raw_association().await;
    let command = store_request(1, CT, "1.2.3", None);
    busy.write_all(&p_data(&[fragment(1, true, true, &command), fragment(1, false, false, b"first ")])).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.shutdown.cancel();
    assert_eq!(last_word(&mut idle).await.map(|(kind, _)| kind), Some(pdu::ABORT));
    drop(idle);
    busy.write_all(&p_data(&[fragment(1, false, true, b"last")])).await.unwrap();
    assert_eq!(read_response(&mut busy).await.status, Some(Status::SUCCESS));
    assert_eq!(last_word(&mut busy).await.map(|(kind, _)| kind), Some(pdu::ABORT));
    drop(busy);
    let served = tokio::time::timeout(Duration::from_secs(5), server.served);
    served.await.expect("shutdown takes no longer than its work").unwrap();
    let records = server.spool.read_from(Position::START, 10);
    assert_eq!(records.len(), 1);
}
