//! Proving who one is by a password: queued, counted, and refused after too many wrong ones.

use std::time::Duration;

use axum::http::StatusCode;

use super::{Answer, App, Problem, passwords};
use crate::clock;
use crate::index::attempts::{self, Act, Attempt, Begun};

/// Somebody says a password.
pub struct Claim<'a> {
    pub attempt: Attempt<'a>,
    pub password: String,
    /// What the password was hashed to; none: nobody has this login.
    pub stored: Option<String>,
}

/// Whether the password is right. The attempt is counted before it is looked at, so a burst gets no more than its due.
pub async fn is_right(app: &App, claim: Claim<'_>) -> Answer<bool> {
    let door = match claim.attempt.act {
        Act::SignIn => &passwords::SIGN_IN,
        Act::Signature => &passwords::SIGNATURES,
    };
    let turn = door.enter().await.ok_or(BUSY)?;
    let mut tx = app.db.write().await?;
    let attempt = match attempts::begin(&mut tx, claim.attempt, clock::now()).await? {
        Begun::Heard(attempt) => attempt,
        Begun::Wait(wait) => return Err(too_many(wait)),
    };
    tx.commit().await?;
    if !passwords::verify(turn, claim.password, claim.stored).await {
        return Ok(false);
    }
    let mut tx = app.db.write().await?;
    attempts::was_right(&mut tx, attempt).await?;
    tx.commit().await?;
    Ok(true)
}

const BUSY: Problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy").retry_after(2);

fn too_many(wait: Duration) -> Problem {
    let seconds = u32::try_from(wait.as_secs().saturating_add(1)).unwrap_or(u32::MAX);
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts").retry_after(seconds)
}
