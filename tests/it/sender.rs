//! A device that sends until it is told to stop, whatever becomes of the center, and knows of each instance whether it was
//! acknowledged.
//!
//! Whatever got no answer is sent again, as devices do; so the center gets some of it twice.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use yunying::dimse::scu::{Failure, Outcome, ScuOptions, send_all};

use crate::exams::{ByUid, Exposure};

pub struct Sender {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    options: ScuOptions,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Exposure>,
    acknowledged: ByUid,
    /// Answers other than success.
    refused: Vec<String>,
    /// Instances that had no answer when their association ended.
    unanswered: usize,
    stop: bool,
}

impl Sender {
    /// Begins with nothing to send.
    pub fn start(to: SocketAddr, ae: &str, associations: usize) -> Self {
        let options = ScuOptions {
            associations,
            connect: Duration::from_secs(2),
            patience: Duration::from_secs(30),
            ..ScuOptions::new(to, "YUNYING", ae)
        };
        let shared = Arc::new(Shared { options, state: Mutex::default() });
        let of_thread = shared.clone();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(of_thread.run());
        };
        let thread = std::thread::Builder::new().name(format!("sender {ae}")).spawn(run).expect("a thread");
        Self { shared, thread: Some(thread) }
    }

    pub fn give(&self, exposures: Vec<Exposure>) {
        self.shared.state().waiting.extend(exposures);
    }

    /// What the center said is stored.
    pub fn acknowledged(&self) -> ByUid {
        self.shared.state().acknowledged.clone()
    }

    pub fn count(&self) -> usize {
        self.shared.state().acknowledged.len()
    }

    /// How often an instance had to be sent again because nobody answered.
    pub fn unanswered(&self) -> usize {
        self.shared.state().unanswered
    }

    /// Waits until everything given was acknowledged, stops, and says what was.
    pub fn finish(&mut self, given: usize) -> ByUid {
        let deadline = Instant::now() + Duration::from_secs(120);
        while self.count() < given {
            let refused = self.shared.state().refused.clone();
            assert!(refused.is_empty(), "refused: {refused:?}");
            let thread = self.thread.as_ref().is_some_and(|thread| !thread.is_finished());
            assert!(thread && Instant::now() < deadline, "{} of {given} acknowledged", self.count());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.stop();
        self.acknowledged()
    }

    fn stop(&mut self) {
        self.shared.state().stop = true;
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking(), "a sender panicked");
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    async fn run(&self) {
        while !self.state().stop {
            let waiting = std::mem::take(&mut self.state().waiting);
            if waiting.is_empty() || !self.send(waiting).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Whether all got their answers.
    async fn send(&self, exposures: VecDeque<Exposure>) -> bool {
        let objects = exposures.iter().map(|exposure| exposure.outgoing.clone()).collect();
        let mut pending: HashMap<String, Exposure> =
            exposures.into_iter().map(|exposure| (exposure.uid().to_owned(), exposure)).collect();
        let (outcomes, mut decided) = mpsc::channel::<Outcome>(256);
        let note = async {
            while let Some(Outcome { object, result, .. }) = decided.recv().await {
                match result {
                    Ok(_) => {
                        let exposure =
                            pending.remove(&object.sop_instance).expect("an outcome of what was sent, and only one");
                        self.state().acknowledged.insert(exposure.uid().to_owned(), exposure);
                    }
                    Err(Failure::Association(_)) => {}
                    Err(failure) => {
                        pending.remove(&object.sop_instance);
                        self.state().refused.push(format!("{object}: {failure}"));
                    }
                }
            }
        };
        tokio::join!(send_all(&self.options, objects, outcomes), note);
        // What has no answer, whether it was under way or never begun.
        let mut state = self.state();
        let all = pending.is_empty();
        state.unanswered += pending.len();
        state.waiting.extend(pending.into_values());
        all
    }
}
