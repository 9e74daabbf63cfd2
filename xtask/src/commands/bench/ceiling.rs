//! What this machine writes at best: messages over plain TCP, appended to one file, acknowledged after a shared fdatasync.
//!
//! The same work as a durable C-STORE without DICOM, index or checksums; a rate beside it says how much those cost.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::{Doing, Result};

/// Bytes of a 512² CT slice, uncompressed.
const MESSAGE: usize = 524_288;

/// Messages a second over so many connections.
pub fn measure(home: &Path, connections: usize, messages: usize) -> Result<f64> {
    let path = home.join("ceiling");
    let file = File::create(&path).doing("the ceiling's file")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("the ceiling's listener")?;
    let at = listener.local_addr().doing("the ceiling's listener")?;
    let each = messages.div_ceil(connections);
    let log = Log { file, committed: Mutex::default(), turn: Condvar::new() };
    let began = Instant::now();
    let outcome = thread::scope(|scope| {
        let senders: Vec<_> = (0..connections).map(|_| scope.spawn(move || send(at, each))).collect();
        let receivers: Vec<_> = (0..connections)
            .map(|number| {
                let (stream, _) = listener.accept()?;
                let log = &log;
                Ok(scope.spawn(move || receive(stream, log, number * each, each)))
            })
            .collect::<io::Result<_>>()?;
        let ended = |thread: thread::ScopedJoinHandle<'_, io::Result<()>>| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
        };
        senders.into_iter().chain(receivers).try_for_each(ended)
    });
    outcome.doing("the ceiling of TCP and fdatasync")?;
    let seconds = began.elapsed().as_secs_f64();
    std::fs::remove_file(&path).doing("removing the ceiling's file")?;
    Ok((each * connections) as f64 / seconds)
}

/// One file, made durable for everybody who waits, by whoever comes first.
struct Log {
    file: File,
    committed: Mutex<Commit>,
    turn: Condvar,
}

#[derive(Default)]
struct Commit {
    /// Syncs begun and ended; a writer needs one that began after its write.
    begun: u64,
    ended: u64,
    running: bool,
}

impl Log {
    fn sync(&self) -> io::Result<()> {
        let mut state = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = state.begun + 1;
        while state.ended < needed {
            if state.running {
                state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.running = true;
            state.begun += 1;
            let mine = state.begun;
            drop(state);
            let outcome = self.file.sync_data();
            state = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
            state.running = false;
            state.ended = mine;
            self.turn.notify_all();
            outcome?;
        }
        Ok(())
    }
}

fn send(at: SocketAddr, messages: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_nodelay(true)?;
    let message = vec![0x5A; MESSAGE];
    for _ in 0..messages {
        stream.write_all(&message)?;
        stream.read_exact(&mut [0])?;
    }
    Ok(())
}

fn receive(mut stream: TcpStream, log: &Log, first: usize, messages: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut message = vec![0; MESSAGE];
    for number in first..first + messages {
        stream.read_exact(&mut message)?;
        log.file.write_all_at(&message, (number * MESSAGE) as u64)?;
        log.sync()?;
        stream.write_all(&[1])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_message_is_written_and_answered() {
        let home = std::env::temp_dir().join(format!("yunying-ceiling-{}", std::process::id()));
        std::fs::create_dir_all(&home).unwrap();
        let rate = super::measure(&home, 3, 7).unwrap();
        assert!(rate.is_finite() && rate > 0.0);
        std::fs::remove_dir_all(&home).unwrap();
    }
}
