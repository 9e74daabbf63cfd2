//! One connection, over TLS or not: buffered reads with a limit on silence, replies that leave at once.
//!
//! Knows the six bytes in front of a PDU and nothing of what they mean.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;
use tokio_rustls::TlsStream;

use super::pdu::{HEADER_LENGTH, PduHeader};

const BUFFER: usize = 32 * 1024;

/// What PDUs travel on.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

enum Reading {
    Plain(OwnedReadHalf),
    Tls(ReadHalf<Box<TlsStream<TcpStream>>>),
}

enum Writing {
    Plain(OwnedWriteHalf),
    Tls(WriteHalf<Box<TlsStream<TcpStream>>>),
}

/// The receiving half.
pub struct Inbound {
    stream: Reading,
    /// Of the stream, and open as long as that is.
    socket: RawFd,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// How long a peer may be silent within a PDU.
    patience: Duration,
}

/// The sending half, shared by whatever has an answer ready. A message goes out whole: its PDUs are never mixed with
/// those of another.
#[derive(Clone)]
pub struct Outbound {
    stream: Arc<Mutex<Writing>>,
    patience: Duration,
}

/// A message that goes out piece by piece; others wait until it is dropped.
pub struct Sending<'a> {
    stream: MutexGuard<'a, Writing>,
    patience: Duration,
}

/// Splits a connection; `patience` limits the silence within a PDU and the time to take a piece of a reply.
pub fn split(stream: Stream, patience: Duration) -> io::Result<(Inbound, Outbound)> {
    let (socket, read, write) = match stream {
        Stream::Plain(tcp) => {
            tcp.set_nodelay(true)?;
            let socket = tcp.as_raw_fd();
            let (read, write) = tcp.into_split();
            (socket, Reading::Plain(read), Writing::Plain(write))
        }
        Stream::Tls(tls) => {
            let (tcp, _) = tls.get_ref();
            tcp.set_nodelay(true)?;
            let socket = tcp.as_raw_fd();
            let (read, write) = tokio::io::split(tls);
            (socket, Reading::Tls(read), Writing::Tls(write))
        }
    };
    let inbound = Inbound { stream: read, socket, buffer: vec![0; BUFFER].into(), start: 0, end: 0, patience };
    Ok((inbound, Outbound { stream: Arc::new(Mutex::new(write)), patience }))
}

impl Reading {
    async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(into).await,
            Self::Tls(tls) => tls.read(into).await,
        }
    }
}

impl Writing {
    async fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(from).await,
            Self::Tls(tls) => tls.write(from).await,
        }
    }

    /// TLS keeps the end of what was written until told to send it.
    async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.flush().await,
        }
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.shutdown().await,
        }
    }
}

impl Inbound {
    /// The next PDU's header; `None` when the peer closed between PDUs. Waits for its first byte without limit, and is
    /// cancel safe until that came: bound it from outside.
    pub async fn header(&mut self) -> io::Result<Option<PduHeader>> {
        if self.start == self.end && self.receive().await? == 0 {
            return Ok(None);
        }
        let bytes = self.take::<HEADER_LENGTH>().await?;
        Ok(Some(PduHeader::decode(bytes)))
    }

    /// The next `N` bytes.
    pub async fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        while self.end - self.start < N {
            self.more().await?;
        }
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.buffer[self.start..self.start + N]);
        self.start += N;
        Ok(bytes)
    }

    /// Some of the next bytes into the front of `into`: what is buffered first, then straight from the socket.
    pub async fn read_some(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end && into.len() >= BUFFER / 2 {
            let read = match timeout(self.patience, self.stream.read(into)).await {
                Ok(read) => read?,
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            };
            acknowledge_at_once(self.socket);
            return if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) };
        }
        if self.start == self.end {
            self.more().await?;
        }
        let taken = into.len().min(self.end - self.start);
        into[..taken].copy_from_slice(&self.buffer[self.start..self.start + taken]);
        self.start += taken;
        Ok(taken)
    }

    /// Exactly `count` bytes, appended to `out`, which grows only as they arrive.
    pub async fn read_into(&mut self, out: &mut Vec<u8>, mut count: usize) -> io::Result<()> {
        while count > 0 {
            if self.start == self.end {
                self.more().await?;
            }
            let taken = count.min(self.end - self.start);
            out.extend_from_slice(&self.buffer[self.start..self.start + taken]);
            self.start += taken;
            count -= taken;
        }
        Ok(())
    }

    /// Reads and drops `count` bytes.
    pub async fn skip(&mut self, mut count: usize) -> io::Result<()> {
        while count > 0 {
            if self.start == self.end {
                self.more().await?;
            }
            let taken = count.min(self.end - self.start);
            self.start += taken;
            count -= taken;
        }
        Ok(())
    }

    /// More bytes into the buffer, within the patience; the end of the connection is an error here.
    async fn more(&mut self) -> io::Result<()> {
        match timeout(self.patience, self.receive()).await {
            Ok(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(received) => received.map(drop),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    async fn receive(&mut self) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let read = self.stream.read(&mut self.buffer[self.end..]).await?;
        self.end += read;
        acknowledge_at_once(self.socket);
        Ok(read)
    }

    /// After our last PDU: lets the peer read it and close first (PS3.8 state 13), for at most `wait`.
    pub async fn await_close(&mut self, wait: Duration) {
        let drain = async {
            while let Ok(1..) = self.receive().await {
                self.start = self.end;
            }
        };
        // Running out of time is as good an end as the peer's close.
        drop(timeout(wait, drain).await);
    }
}

impl Outbound {
    /// Sends the PDUs of one message.
    pub async fn send(&self, pdus: &[u8]) -> io::Result<()> {
        self.begin().await.write(pdus).await
    }

    /// Says that nothing follows, where TLS wants it said; the connection closes with its halves.
    pub async fn close(&self, wait: Duration) {
        let end = async { self.stream.lock().await.shutdown().await };
        // A peer that has gone already misses nothing.
        drop(timeout(wait, end).await);
    }

    /// Begins a message of several pieces.
    pub async fn begin(&self) -> Sending<'_> {
        // Whoever sends at the moment is held to the patience, so this wait has an end, too.
        Sending { stream: self.stream.lock().await, patience: self.patience }
    }
}

impl Sending<'_> {
    /// Sends some PDUs. A peer that takes nothing for as long as the patience lasts is gone; a slow one is not.
    pub async fn write(&mut self, pdus: &[u8]) -> io::Result<()> {
        let mut left = pdus;
        while !left.is_empty() {
            let written = match timeout(self.patience, self.stream.write(left)).await {
                Ok(written) => written?,
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            left = &left[written..];
        }
        match timeout(self.patience, self.stream.flush()).await {
            Ok(flushed) => flushed,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// Clients that do not switch Nagle's algorithm off wait for our acknowledgement before they send the rest of a
/// message; the kernel would delay it by 40 ms. The option is not sticky, so it follows every read.
fn acknowledge_at_once(socket: RawFd) {
    let on: libc::c_int = 1;
    // SAFETY: the caller holds the stream, so the descriptor is open, and the option is an int that outlives the call.
    // Failing costs speed only.
    unsafe {
        libc::setsockopt(
            socket,
            libc::IPPROTO_TCP,
            libc::TCP_QUICKACK,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}
