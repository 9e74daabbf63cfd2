//! The rooms of a running center, each a task. A room that ends by itself, by a panic or by returning, takes the whole center
//! with it: a center without its sequencer or its indexer would go on saying that it is alive while nothing moves.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::panics;

#[derive(Clone)]
pub struct Rooms {
    tasks: TaskTracker,
    stop: CancellationToken,
    dead: Arc<OnceLock<Dead>>,
}

/// The room that ended before it was told to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {room} has ended: {how}")]
pub struct Dead {
    room: &'static str,
    how: String,
}

impl Rooms {
    /// Rooms that are told to end by `stop`.
    pub fn new(stop: &CancellationToken) -> Self {
        Self { tasks: TaskTracker::new(), stop: stop.clone(), dead: Arc::default() }
    }

    /// Starts a room that works until it is told to stop.
    pub fn start(&self, room: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let rooms = self.clone();
        self.tasks.spawn(async move {
            let how = match AssertUnwindSafe(work).catch_unwind().await {
                Ok(()) if rooms.stop.is_cancelled() => return,
                Ok(()) => "it returned without being told to stop".to_owned(),
                Err(panic) => format!("it panicked: {}", panics::words(&*panic)),
            };
            tracing::error!(room, how, "a room of the center has ended; the center stops");
            rooms.dead.get_or_init(|| Dead { room, how });
            rooms.stop.cancel();
        });
    }

    /// Waits until every room has ended; the first that did so by itself, if one did.
    pub async fn ended(&self) -> Result<(), Dead> {
        self.tasks.close();
        self.tasks.wait().await;
        self.dead.get().map_or(Ok(()), |dead| Err(dead.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn until_told(stop: CancellationToken) {
        stop.cancelled().await;
    }

    #[tokio::test]
    async fn a_room_that_panics_or_returns_stops_the_others_and_is_named() {
        async fn panics() {
            tokio::task::yield_now().await;
            panic!("no rows")
        }
        let stop = CancellationToken::new();
        let rooms = Rooms::new(&stop);
        rooms.start("printer", until_told(stop.clone()));
        rooms.start("sequencer", panics());
        let dead = rooms.ended().await.unwrap_err();
        assert_eq!(dead.to_string(), "the sequencer has ended: it panicked: no rows");
        assert!(stop.is_cancelled());

        let stop = CancellationToken::new();
        let rooms = Rooms::new(&stop);
        rooms.start("printer", until_told(stop.clone()));
        rooms.start("indexer", async {});
        assert_eq!(rooms.ended().await.unwrap_err().room, "indexer");
    }

    #[tokio::test]
    async fn rooms_that_end_when_they_are_told_to_are_no_failure() {
        let stop = CancellationToken::new();
        let rooms = Rooms::new(&stop);
        rooms.start("sequencer", until_told(stop.clone()));
        rooms.start("printer", until_told(stop.clone()));
        stop.cancel();
        assert_eq!(rooms.ended().await, Ok(()));
    }
}
