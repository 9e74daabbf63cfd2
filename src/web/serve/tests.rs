//! What somebody gets who does not behave as a browser does.

use axum::Json;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const SHORT: Duration = Duration::from_millis(300);
/// By then anything that was to happen has happened, also on a busy machine.
const SOON: Duration = Duration::from_secs(10);

const SHORT_LIMITS: Limits = Limits { connections: 8, of_one_address: 8, head: SHORT, body: SHORT, silence: SHORT };

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A server that echoes JSON, says something slowly, and never answers.
fn start(limits: Limits) -> Server {
    let slowly = async || {
        let pieces = futures_util::stream::iter(0..6).then(async |n| {
            tokio::time::sleep(SHORT / 2).await;
            Ok::<_, io::Error>(format!("piece {n}\n"))
        });
        Body::from_stream(pieces)
    };
    let router = Router::new()
        .route("/echo", post(async |Json(body): Json<Value>| Json(body)))
        .route("/slowly", get(slowly))
        .route("/never", get(async || std::future::pending::<()>().await));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(run(router, listener, limits, None, stop.clone()));
    Server { address, stop }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Everything the server says until it closes.
async fn all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut bytes)).await;
    // Closing with unread bytes resets; what was said before counts.
    drop(read.expect("the server closes the connection"));
    String::from_utf8(bytes).unwrap()
}

async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn who_connects_and_says_nothing_or_only_half_a_head_is_sent_away() {
    let server = start(SHORT_LIMITS);
    for beginning in ["", "PRI * HT", "GET /slowly HTTP/1.1\r\nHost: cen"] {
        let mut stream = server.connect().await;
        say(&mut stream, beginning).await;
        assert_eq!(all(&mut stream).await, "", "{beginning:?}");
    }
}

#[tokio::test]
async fn a_head_that_drips_in_does_not_keep_its_place() {
    let server = start(Limits { silence: SOON, ..SHORT_LIMITS });
    let mut stream = server.connect().await;
    let dripping = async {
        loop {
            if stream.write_all(b"G").await.is_err() {
                return;
            }
            tokio::time::sleep(SHORT / 6).await;
        }
    };
    tokio::time::timeout(SOON, dripping).await.expect("the server closes the connection");
}

#[tokio::test]
async fn a_body_that_drips_in_is_refused_and_a_prompt_one_is_taken() {
    let server = start(Limits { silence: SOON, ..SHORT_LIMITS });
    const HEAD: &str = "POST /echo HTTP/1.1\r\nHost: center\r\nContent-Type: application/json\r\nContent-Length: ";
    let mut slow = server.connect().await;
    say(&mut slow, &format!("{HEAD}100\r\n\r\n[1,")).await;
    let answer = all(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(r#""code":"too_slow""#), "{answer}");
    let mut prompt = server.connect().await;
    say(&mut prompt, &format!("{HEAD}5\r\nConnection: close\r\n\r\n[1,2]")).await;
    let answer = all(&mut prompt).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("[1,2]"), "{answer}");
}

#[tokio::test]
async fn an_answer_may_take_its_time_as_long_as_it_moves() {
    let server = start(SHORT_LIMITS);
    let mut stream = server.connect().await;
    say(&mut stream, "GET /slowly HTTP/1.1\r\nHost: center\r\nConnection: close\r\n\r\n").await;
    assert!(all(&mut stream).await.contains("piece 5"), "it takes three times as long as silence may");
    let mut stuck = server.connect().await;
    say(&mut stuck, "GET /never HTTP/1.1\r\nHost: center\r\n\r\n").await;
    assert_eq!(all(&mut stuck).await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = start(Limits { silence: SOON, ..SHORT_LIMITS });
    let mut stream = server.connect().await;
    say(
        &mut stream,
        "POST /echo HTTP/1.1\r\nHost: center\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n7",
    )
    .await;
    assert!(all(&mut stream).await.ends_with('7'));
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once_and_come_in_when_others_leave() {
    for limits in [Limits { connections: 2, ..SHORT_LIMITS }, Limits { of_one_address: 2, ..SHORT_LIMITS }]
        .map(|limits| Limits { head: SOON, silence: SOON, ..limits })
    {
        let server = start(limits);
        let ask = async || {
            let mut stream = server.connect().await;
            // A refused connection may be reset before or while the request is written.
            drop(stream.write_all(b"GET /slowly HTTP/1.1\r\nHost: center\r\nConnection: close\r\n\r\n").await);
            all(&mut stream).await
        };
        let first = server.connect().await;
        // Connections are taken in the order they came.
        let _second = server.connect().await;
        assert_eq!(ask().await, "");
        drop(first);
        let let_in = async { while !ask().await.starts_with("HTTP/1.1 200 ") {} };
        tokio::time::timeout(SOON, let_in).await.expect("a place is free");
    }
}

#[test]
fn behind_a_proxy_one_address_may_have_every_place() {
    let http = Http { max_connections: 100, ..Http::default() };
    assert_eq!(Limits::of(&http).of_one_address, 25);
    assert_eq!(Limits::of(&Http { behind_proxy: true, ..http }).of_one_address, 100);
}
