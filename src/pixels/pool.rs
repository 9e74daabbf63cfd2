//! The parent's side of decoding: a few worker processes, each given one frame at a time and so much time for it.
//!
//! A worker that dies, hangs or babbles is replaced, and the frame it had is tried once more in a fresh one: it may have
//! died of the machine's need for memory, or long before the frame came.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex, Semaphore};

use super::shape::Shape;
use super::target::Target;
use super::worker::{Answer, Job, Task, join_lengths, split_lengths};

/// Time for one frame: a start, and what the slowest codec needs for its samples on a busy machine.
const START: Duration = Duration::from_secs(20);
const SAMPLES_A_SECOND: u64 = 1_000_000;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the frame does not decode: {0}")]
    Damaged(String),
    #[error("the frame cannot be so compressed: {0}")]
    NoSuchForm(String),
    #[error("the frame took the decoder too long")]
    TimedOut,
    #[error("the frame brought the decoder down")]
    Died,
    #[error("no decoder could be started: {0}")]
    NoWorker(String),
}

impl DecodeError {
    /// What a decoder that failed says, which need not be the frame's fault: another day may fare better.
    pub const FAILURES: [DecodeError; 2] = [DecodeError::TimedOut, DecodeError::Died];

    /// A stable word, as of [`super::ShapeError::reason`]; what the codec says follows.
    pub fn reason(&self) -> String {
        match self {
            Self::Damaged(words) => format!("damaged {words}"),
            Self::NoSuchForm(_) => "no_form".into(),
            Self::TimedOut => "decoder_timed_out".into(),
            Self::Died => "decoder_died".into(),
            Self::NoWorker(_) => "no_worker".into(),
        }
    }

    pub fn is_failure(&self) -> bool {
        Self::FAILURES.contains(self)
    }
}

/// What a worker made of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub bytes: Vec<u8>,
    /// Bytes needed for each resolution; only of a delivery codestream.
    pub resolution_offsets: Vec<u32>,
}

/// A pool of decode workers. Cheap to clone.
#[derive(Clone)]
pub struct Decoder {
    program: PathBuf,
    slots: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Worker>>>,
}

struct Worker {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Decoder {
    /// `program` is this program itself; it is started as `program decode-worker` when a frame asks for it.
    pub fn new(program: PathBuf, workers: usize) -> Self {
        Self { program, slots: Arc::new(Semaphore::new(workers.max(1))), idle: Arc::default() }
    }

    /// Native samples of one frame: little endian, pixel-interleaved, colours as RGB.
    pub async fn samples(&self, shape: &Shape, coded: &[u8]) -> Result<Frame, DecodeError> {
        self.frame(shape, Task::Samples, coded).await?.map_err(DecodeError::Damaged)
    }

    /// As [`Decoder::samples`], with YBR left as it is.
    pub async fn raw_samples(&self, shape: &Shape, coded: &[u8]) -> Result<Frame, DecodeError> {
        self.frame(shape, Task::RawSamples, coded).await?.map_err(DecodeError::Damaged)
    }

    /// One frame in another transfer syntax, proven to hold the same samples; YBR stays YBR.
    pub async fn coded(&self, shape: &Shape, target: Target, coded: &[u8]) -> Result<Frame, DecodeError> {
        self.frame(shape, Task::Coded { target }, coded).await?.map_err(DecodeError::NoSuchForm)
    }

    /// The inner error: the frame decodes, but has no such form.
    pub(super) async fn frame(
        &self,
        shape: &Shape,
        task: Task,
        coded: &[u8],
    ) -> Result<Result<Frame, String>, DecodeError> {
        let _slot = self.slots.acquire().await.map_err(|_| DecodeError::NoWorker("shutting down".into()))?;
        let job = Job { shape: shape.clone(), task };
        let idle = self.idle.lock().await.pop();
        let worker = match idle {
            Some(worker) => worker,
            None => self.start()?,
        };
        match self.ask(worker, &job, coded).await {
            Err(failure) if failure.is_failure() => self.ask(self.start()?, &job, coded).await,
            answer => answer,
        }
    }

    /// Gives `worker` one job. It is kept only if it answered; else it is dropped here, and killed with it.
    async fn ask(&self, mut worker: Worker, job: &Job, coded: &[u8]) -> Result<Result<Frame, String>, DecodeError> {
        let samples = job.shape.pixels() * u64::from(job.shape.samples);
        let allowed = START + Duration::from_secs(samples / SAMPLES_A_SECOND);
        let answer = match tokio::time::timeout(allowed, worker.exchange(job, coded)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => return Err(DecodeError::Died),
            Err(_) => return Err(DecodeError::TimedOut),
        };
        self.idle.lock().await.push(worker);
        match answer {
            (Answer::Done { resolution_offsets }, bytes) => Ok(Ok(Frame { bytes, resolution_offsets })),
            (Answer::NoCodestream { reason }, _) => Ok(Err(reason)),
            (Answer::Damaged { reason }, _) => Err(DecodeError::Damaged(reason)),
        }
    }

    fn start(&self) -> Result<Worker, DecodeError> {
        let failed = |why: String| DecodeError::NoWorker(why);
        let mut child = Command::new(&self.program)
            .arg("decode-worker")
            // Nothing of the parent's surroundings, which may hold secrets, is a codec's business.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| failed(e.to_string()))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| failed("no pipes".into()))?;
        Ok(Worker { child, input, output })
    }
}

impl Worker {
    async fn exchange(&mut self, job: &Job, coded: &[u8]) -> std::io::Result<(Answer, Vec<u8>)> {
        let head = serde_json::to_vec(job)?;
        let lengths = join_lengths(&head, coded)?;
        let send = async {
            self.input.write_all(&lengths).await?;
            self.input.write_all(&head).await?;
            self.input.write_all(coded).await?;
            self.input.flush().await
        };
        let receive = async {
            let mut lengths = [0; 8];
            self.output.read_exact(&mut lengths).await?;
            let (head, body) = split_lengths(lengths)?;
            // A worker is as trustworthy as the bytes it decoded: never more than the frame can come to.
            let most = job.shape.decoded_length() as u64 * 2 + (1 << 20);
            if u64::from(body) > most {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            let head = read(&mut self.output, head).await?;
            Ok((serde_json::from_slice(&head)?, read(&mut self.output, body).await?))
        };
        let (sent, received) = tokio::join!(send, receive);
        if received.is_err() {
            self.child.start_kill()?;
        }
        sent.and(received)
    }
}

async fn read(output: &mut ChildStdout, length: u32) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let got = output.take(length.into()).read_to_end(&mut bytes).await?;
    if got == length as usize { Ok(bytes) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::FlakyWorker;
    use super::super::{Codec, Colour};
    use super::*;

    fn shape() -> Shape {
        Shape {
            rows: 2,
            columns: 2,
            samples: 1,
            bits_allocated: 8,
            bits_stored: 8,
            high_bit: 7,
            signed: false,
            planar: false,
            colour: Colour::Plain,
            codec: Codec::Native,
        }
    }

    #[tokio::test]
    async fn a_frame_whose_worker_dies_is_tried_once_more_in_a_fresh_one() {
        let flaky = FlakyWorker::install();
        let decoder = Decoder::new(flaky.program(), 1);
        flaky.dies_at_start(1);
        assert_eq!(decoder.samples(&shape(), &[1; 4]).await.unwrap().bytes, FlakyWorker::ANSWER);
        assert_eq!(decoder.samples(&shape(), &[1; 4]).await.unwrap().bytes, FlakyWorker::ANSWER, "and it stays");
        assert_eq!(flaky.deaths_left(), 0);
    }

    #[tokio::test]
    async fn a_frame_that_brings_two_workers_down_is_given_up() {
        let flaky = FlakyWorker::install();
        let decoder = Decoder::new(flaky.program(), 1);
        flaky.dies_at_start(2);
        assert_eq!(decoder.samples(&shape(), &[1; 4]).await, Err(DecodeError::Died));
        assert_eq!(decoder.samples(&shape(), &[1; 4]).await.unwrap().bytes, FlakyWorker::ANSWER);
    }

    #[tokio::test]
    async fn a_worker_that_died_while_it_was_idle_costs_no_frame() {
        let flaky = FlakyWorker::install();
        let decoder = Decoder::new(flaky.program(), 1);
        decoder.samples(&shape(), &[1; 4]).await.unwrap();
        decoder.idle.lock().await[0].child.kill().await.unwrap();
        assert_eq!(decoder.samples(&shape(), &[1; 4]).await.unwrap().bytes, FlakyWorker::ANSWER);
    }
}
