//! Reading inside a deflated data set (PS3.5 A.5): forwards, a piece at a time, in the memory of what was asked for.
//!
//! There is no way into the middle of a deflate stream but from its beginning, so a reader stays where it stopped: frames
//! read in order inflate the stream once.

use std::io;

use flate2::{Decompress, FlushDecompress, Status};
use tokio::sync::{Mutex, Semaphore};

use super::frames::{FrameError, FrameSource};
use crate::dicom::MAX_INFLATED;

/// Deflated bytes read at a time.
const INPUT: u64 = 256 << 10;
/// Bytes inflated before anybody else has a turn.
const STEP: usize = 128 << 10;

/// Reads that inflate at the same time, over all requests: a few bytes can be a second's work.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Where reading one data set stopped.
#[derive(Default)]
pub(super) struct Inflater(Mutex<Option<Stream>>);

struct Stream {
    inflate: Decompress,
    /// Read and not inflated yet, from `used` on.
    input: Vec<u8>,
    used: usize,
    /// Where the next deflated bytes are read.
    next: u64,
    ended: bool,
}

impl Inflater {
    /// Bytes `offset..offset + length` of what the deflate stream from `start` of `source` inflates to.
    pub async fn read<S: FrameSource>(
        &self,
        source: &S,
        start: u64,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, FrameError> {
        let end = offset.checked_add(length).filter(|&end| end <= MAX_INFLATED).ok_or(FrameError::TooLarge)?;
        let mut stopped = self.0.lock().await;
        // Taken out while at work: a read that is dropped half way leaves nothing to go on from.
        let mut stream = match stopped.take().filter(|stream| stream.position() <= offset) {
            Some(stream) => stream,
            None => Stream { inflate: Decompress::new(false), input: Vec::new(), used: 0, next: start, ended: false },
        };
        let mut wanted = Vec::new();
        let mut step = vec![0; STEP];
        while stream.position() < end {
            let position = stream.position();
            let until = if position < offset { offset } else { end };
            let room = usize::try_from(until - position).unwrap_or(STEP).min(STEP);
            stream.fill(source).await?;
            // Only while it inflates: a slow store must not keep others from their turn.
            let turn = TURNS.acquire().await.map_err(io::Error::other)?;
            let made = stream.step(&mut step[..room])?;
            drop(turn);
            if position >= offset {
                wanted.extend_from_slice(&step[..made]);
            }
            tokio::task::yield_now().await;
        }
        *stopped = Some(stream);
        Ok(wanted)
    }
}

impl Stream {
    fn position(&self) -> u64 {
        self.inflate.total_out()
    }

    /// Makes sure that there is input to go on with.
    async fn fill<S: FrameSource>(&mut self, source: &S) -> Result<(), FrameError> {
        if self.ended {
            return Err(FrameError::Truncated);
        }
        if self.used < self.input.len() {
            return Ok(());
        }
        let left = source.length().saturating_sub(self.next);
        if left == 0 {
            return Err(FrameError::Truncated);
        }
        self.input = source.read(self.next, left.min(INPUT)).await?;
        self.next += self.input.len() as u64;
        self.used = 0;
        Ok(())
    }

    /// Inflates at most as much as `into` holds; how much that was. It may be nothing where more input is needed.
    fn step(&mut self, into: &mut [u8]) -> Result<usize, FrameError> {
        let (read, made) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(&self.input[self.used..], into, FlushDecompress::None);
        let (read, made) = (self.inflate.total_in() - read, self.inflate.total_out() - made);
        self.used += read as usize;
        self.ended = matches!(status, Ok(Status::StreamEnd));
        match status {
            Err(_) => Err(FrameError::Deflate),
            Ok(Status::StreamEnd) => Ok(made as usize),
            // Neither input taken nor output made: it would never end.
            Ok(_) if read == 0 && made == 0 => Err(FrameError::Deflate),
            Ok(_) => Ok(made as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicU64, Ordering};

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    /// A deflated file behind ten other bytes that counts what is read of it.
    struct Counted {
        file: Vec<u8>,
        read: AtomicU64,
    }

    const START: u64 = 10;

    impl Counted {
        fn new(plain: &[u8]) -> Self {
            let mut deflated = DeflateEncoder::new(vec![7; START as usize], Compression::new(1));
            deflated.write_all(plain).unwrap();
            Self { file: deflated.finish().unwrap(), read: AtomicU64::new(0) }
        }

        fn was_read(&self) -> u64 {
            self.read.load(Ordering::Relaxed)
        }
    }

    impl FrameSource for Counted {
        async fn read(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
            self.read.fetch_add(length, Ordering::Relaxed);
            self.file.read(offset, length).await
        }

        fn length(&self) -> u64 {
            self.file.len() as u64
        }
    }

    /// Bytes that do not deflate well.
    fn noise(length: usize) -> Vec<u8> {
        (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
    }

    #[tokio::test]
    async fn pieces_come_from_where_they_are_and_in_order_the_stream_is_read_once() {
        let plain = noise(3_000_000);
        let source = Counted::new(&plain);
        let inflater = Inflater::default();
        for at in (0..3_000_000).step_by(300_000) {
            let piece = inflater.read(&source, START, at, 300_000).await.unwrap();
            assert!(piece == plain[at as usize..][..300_000]);
        }
        assert!(source.was_read() <= source.length() - START, "{} of {}", source.was_read(), source.length());
        let back = inflater.read(&source, START, 5, 10).await.unwrap();
        assert_eq!(back, plain[5..15], "going back begins again");
    }

    #[tokio::test]
    async fn no_more_is_inflated_than_was_asked_for() {
        let plain = noise(8_000_000);
        let source = Counted::new(&plain);
        Inflater::default().read(&source, START, 100, 1_000).await.unwrap();
        assert!(source.was_read() <= INPUT, "{}", source.was_read());
    }

    #[tokio::test]
    async fn what_ends_early_or_makes_no_sense_is_an_error_and_no_endless_work() {
        let source = Counted::new(&noise(100_000));
        let read =
            async |source: &Counted, offset, length| Inflater::default().read(source, START, offset, length).await;
        assert!(matches!(read(&source, 90_000, 20_000).await, Err(FrameError::Truncated)));
        assert!(matches!(read(&source, u64::MAX, 2).await, Err(FrameError::TooLarge)));
        assert!(matches!(read(&source, 0, MAX_INFLATED + 1).await, Err(FrameError::TooLarge)));
        let cut = Counted { file: source.file[..source.file.len() / 2].to_vec(), read: AtomicU64::new(0) };
        assert!(matches!(read(&cut, 0, 100_000).await, Err(FrameError::Truncated)));
        let wrong = Counted { file: vec![0xff; 5_000], read: AtomicU64::new(0) };
        assert!(matches!(read(&wrong, 0, 100).await, Err(FrameError::Deflate)));
    }

    /// Never answers: a store that hangs.
    struct Hanging;

    impl FrameSource for Hanging {
        async fn read(&self, _: u64, _: u64) -> io::Result<Vec<u8>> {
            std::future::pending().await
        }

        fn length(&self) -> u64 {
            1_000
        }
    }

    #[tokio::test]
    async fn a_store_that_hangs_takes_nobodys_turn() {
        let inflaters: [Inflater; 4] = Default::default();
        let hung =
            futures_util::future::join_all(inflaters.iter().map(|inflater| inflater.read(&Hanging, START, 0, 10)));
        let source = Counted::new(&noise(100_000));
        let healthy = async {
            tokio::task::yield_now().await;
            Inflater::default().read(&source, START, 0, 100_000).await.unwrap().len()
        };
        tokio::select! {
            _ = hung => panic!("a store that hangs has answered"),
            read = healthy => assert_eq!(read, 100_000),
            () = tokio::time::sleep(std::time::Duration::from_secs(30)) => panic!("it waits for a turn"),
        }
    }
}
