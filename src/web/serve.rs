//! The server under the routes: TLS or not, how many connections there may be, and how long each may keep its place without
//! using it.
//!
//! Whoever connects and says nothing, or drips a byte a minute, keeps one place for a bounded time. When all places are
//! taken, or too many of them by one address, a further connection is closed at once and costs nothing more.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready as ready_or_return};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum_server::Handle;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use futures_util::StreamExt;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::auth::network_of;
use super::{App, Problem};
use crate::config::Http;

/// Running requests may finish for this long once the center is told to stop.
const LAST_ORDERS: Duration = Duration::from_secs(5);

/// What one server grants to whoever connects.
#[derive(Debug, Clone, Copy)]
struct Limits {
    connections: usize,
    /// Of those, by one address.
    of_one_address: usize,
    /// For the head of a request, and between two requests of one connection.
    head: Duration,
    /// For the whole body of a request.
    body: Duration,
    /// Without a byte in either direction. No answer takes this long to begin, and the live stream says something
    /// every few seconds.
    silence: Duration,
}

impl Limits {
    fn of(http: &Http) -> Self {
        let connections = http.max_connections.max(1);
        // Behind a proxy everybody comes from its address. A health center's machines share one too: a page holds up to
        // six connections, so a quarter of the default is some forty pages.
        let of_one_address = if http.behind_proxy { connections } else { connections.div_ceil(4) };
        Self {
            connections,
            of_one_address,
            head: Duration::from_secs(30),
            body: Duration::from_secs(60),
            silence: Duration::from_secs(120),
        }
    }
}

/// Serves until the application is told to stop, then lets running requests finish.
pub async fn serve(app: App, listener: std::net::TcpListener) -> io::Result<()> {
    let limits = Limits::of(&app.config.http);
    let tls = app.config.http.tls_cert.clone().zip(app.config.http.tls_key.clone());
    let stop = app.stop.clone();
    run(super::service(app), listener, limits, tls, stop).await
}

async fn run(
    router: Router,
    listener: std::net::TcpListener,
    limits: Limits,
    tls: Option<(PathBuf, PathBuf)>,
    stop: CancellationToken,
) -> io::Result<()> {
    let handle = Handle::new();
    let shutdown = handle.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        shutdown.graceful_shutdown(Some(LAST_ORDERS));
    });
    let router = router.layer(from_fn_with_state(limits.body, body_in_time));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    listener.set_nonblocking(true)?;
    let server = axum_server::from_tcp(listener)?.handle(handle);
    let doorkeeper = Doorkeeper { limits, taken: Arc::default() };
    match tls {
        None => {
            let mut server = server.acceptor(doorkeeper);
            impatient(server.http_builder(), limits);
            server.serve(service).await
        }
        Some((cert, key)) => {
            let config = RustlsConfig::from_pem_file(cert, key).await?;
            let mut server = server.acceptor(RustlsAcceptor::new(config).acceptor(doorkeeper));
            impatient(server.http_builder(), limits);
            server.serve(service).await
        }
    }
}

type Builder = hyper_util::server::conn::auto::Builder<TokioExecutor>;

fn impatient(builder: &mut Builder, limits: Limits) {
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head);
    // A peer that vanished without closing is noticed by a ping it does not answer.
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.head)
        .keep_alive_timeout(limits.head)
        .max_concurrent_streams(128);
}

/// Where objects come that take as long as they are large; the service there has a patience of its own.
const OBJECTS: &str = "/dicomweb/";

/// Refuses a body that is still not there when its time is over.
async fn body_in_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() || request.uri().path().starts_with(OBJECTS) {
        return next.run(request).await;
    }
    let late = Arc::new(AtomicBool::new(false));
    let too_late = late.clone();
    let deadline = Instant::now() + limit;
    let (head, body) = request.into_parts();
    let body = async_stream::stream! {
        let mut body = body.into_data_stream();
        loop {
            match timeout_at(deadline, body.next()).await {
                Ok(Some(chunk)) => yield chunk.map_err(io::Error::other),
                Ok(None) => return,
                Err(_) => {
                    too_late.store(true, Ordering::Relaxed);
                    yield Err(io::ErrorKind::TimedOut.into());
                    return;
                }
            }
        }
    };
    let response = next.run(Request::from_parts(head, Body::from_stream(body))).await;
    if late.load(Ordering::Relaxed) {
        return Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow").into_response();
    }
    response
}

/// Gives each connection a place, while there are any.
#[derive(Clone)]
struct Doorkeeper {
    limits: Limits,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by: HashMap<IpAddr, usize>,
}

impl Doorkeeper {
    fn place(&self, address: IpAddr) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.limits.connections {
            return None;
        }
        let own = taken.by.entry(address).or_default();
        if *own >= self.limits.of_one_address {
            return None;
        }
        *own += 1;
        taken.all += 1;
        Some(Place { taken: self.taken.clone(), address })
    }
}

/// Free again when dropped.
struct Place {
    taken: Arc<Mutex<Taken>>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by.get_mut(&self.address) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by.remove(&self.address);
            }
        }
    }
}

impl<S> Accept<TcpStream, S> for Doorkeeper {
    type Stream = Seated;
    type Service = S;
    type Future = Ready<io::Result<(Seated, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let seated = stream.peer_addr().and_then(|peer| {
            let place = self.place(network_of(peer.ip())).ok_or(io::ErrorKind::ConnectionRefused)?;
            // Who connects speaks at once.
            let deadline = Box::pin(tokio::time::sleep(self.limits.head));
            Ok((Seated { stream, silence: self.limits.silence, deadline, _place: place }, service))
        });
        ready(seated)
    }
}

/// A connection that fails once it has been silent for too long.
struct Seated {
    stream: TcpStream,
    silence: Duration,
    deadline: Pin<Box<Sleep>>,
    _place: Place,
}

impl Seated {
    fn moved(&mut self) {
        self.deadline.as_mut().reset(Instant::now() + self.silence);
    }

    /// What a read or a write that has to wait ends with, if it has waited long enough.
    fn waited<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        ready_or_return!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Seated {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(read) => {
                self.moved();
                Poll::Ready(read)
            }
            Poll::Pending => self.waited(cx),
        }
    }
}

impl AsyncWrite for Seated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, buf) {
            Poll::Ready(written) => {
                self.moved();
                Poll::Ready(written)
            }
            Poll::Pending => self.waited(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(cx, bufs) {
            Poll::Ready(written) => {
                self.moved();
                Poll::Ready(written)
            }
            Poll::Pending => self.waited(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
