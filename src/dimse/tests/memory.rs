//! Many devices at once, each within its own bounds, that send messages without an end.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::*;
use crate::dimse::command::{C_FIND_RQ, Response};
use crate::dimse::services::{Exchange, Request, Service};

const ASKED: &str = "1.2.840.10008.5.1.4.1.2.2.1";
/// Of all associations together.
const ALLOWED: usize = 1_000_000;
const PIECE: usize = 50_000;

/// Takes whatever it is asked.
struct Patient;

impl Service for Patient {
    fn abstract_syntaxes(&self) -> &[&'static str] {
        &[ASKED]
    }

    fn commands(&self) -> &[u16] {
        &[C_FIND_RQ]
    }

    fn perform(&self, _: Request, _: Exchange) -> BoxFuture<'static, Response> {
        async { Response::of(Status::SUCCESS) }.boxed()
    }
}

async fn server() -> Running {
    start_with(DimseConfig { max_messages: ALLOWED, ..DimseConfig::default() }, Services::default().with(Patient)).await
}

async fn device(server: &Running) -> TcpStream {
    let context = |id, abstract_syntax: &str| ProposedContext {
        id,
        abstract_syntax: abstract_syntax.into(),
        transfer_syntaxes: vec![IMPLICIT.into()],
    };
    let contexts = vec![context(1, ASKED), context(3, VERIFICATION)];
    server.associate(AssociateRq { contexts, ..association_request() }).await.0
}

fn query() -> Vec<u8> {
    let mut command = store_request(1, ASKED, "", None);
    let at = command.windows(8).position(|window| window[..4] == [0, 0, 0, 1]).unwrap();
    command[at + 8..at + 10].copy_from_slice(&C_FIND_RQ.to_le_bytes());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn identifiers_of_all_devices_together_are_bounded_and_the_rest_is_told_so() {
    let server = server().await;
    let mut devices = Vec::new();
    for _ in 0..40 {
        let mut stream = device(&server).await;
        stream.write_all(&p_data(&[fragment(1, true, true, &query())])).await.unwrap();
        // Two pieces each are four times what all may have.
        for _ in 0..2 {
            stream.write_all(&p_data(&[fragment(1, false, false, &[7; PIECE])])).await.unwrap();
        }
        devices.push(stream);
    }
    // Each is still answered, and what it held comes back with the answer.
    let (mut served, mut refused) = (0, 0);
    for stream in &mut devices {
        let mut ask = p_data(&[fragment(1, false, true, &[0; 8])]);
        ask.extend(p_data(&[fragment(3, true, true, &super::super::command::echo_request(9))]));
        stream.write_all(&ask).await.unwrap();
        let mut answers = [read_response(stream).await, read_response(stream).await];
        answers.sort_by_key(|answer| answer.message_id);
        let [query, echo] = answers;
        assert_eq!((echo.message_id, echo.status), (9, Some(Status::SUCCESS)));
        match query.status {
            Some(Status::SUCCESS) => served += 1,
            Some(Status::OUT_OF_RESOURCES) => {
                assert_eq!(query.comment, "all devices together hold too much: try later");
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(served + refused, 40);
    // Whose pieces are read only after others were answered has their room; all at once have none.
    assert!(served > 0 && refused > 0, "{served} were served with {} bytes each, of {ALLOWED}", 2 * PIECE - 4096);
    let mut later = device(&server).await;
    let ask = [p_data(&[fragment(1, true, true, &query())]), p_data(&[fragment(1, false, true, &[7; PIECE])])].concat();
    later.write_all(&ask).await.unwrap();
    assert_eq!(read_response(&mut later).await.status, Some(Status::SUCCESS), "as soon as others are done");
}

#[tokio::test(flavor = "multi_thread")]
async fn command_sets_without_an_end_end_their_own_associations_and_give_back_what_they_held() {
    let server = server().await;
    let mut devices = Vec::new();
    for _ in 0..60 {
        let mut stream = device(&server).await;
        stream.write_all(&p_data(&[fragment(3, true, false, &[0; PIECE])])).await.unwrap();
        devices.push(stream);
    }
    let mut aborted = 0;
    for stream in &mut devices {
        let word = tokio::time::timeout(Duration::from_millis(200), read_pdu(stream)).await;
        aborted += usize::from(matches!(word, Ok(Ok((pdu::ABORT, _)))));
    }
    // 4 KiB of each message are free.
    assert_eq!(aborted, 60 - ALLOWED / (PIECE - 4096), "as many as do not fit");
    drop(devices);
    let begun = std::time::Instant::now();
    loop {
        let mut stream = device(&server).await;
        stream.write_all(&p_data(&[fragment(1, true, true, &query())])).await.unwrap();
        stream.write_all(&p_data(&[fragment(1, false, true, &[7; PIECE])])).await.unwrap();
        match last_word(&mut stream).await {
            Some((pdu::P_DATA_TF, body)) if Command::decode(&body[6..]).unwrap().status == Some(Status::SUCCESS) => {
                break;
            }
            _ => assert!(begun.elapsed() < Duration::from_secs(10), "nothing comes back"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.assert_alive().await;
}
