//! Sessions of people.

use std::time::Duration;

use super::{Event, EventKind, Result, Tx, on};
use crate::domain::{AccountId, Micros};

/// A session ends after this time however busy it is.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Session {
    pub account_id: AccountId,
    pub csrf: String,
    pub created_us: Micros,
    pub seen_us: Micros,
}

pub async fn open(tx: &mut Tx, hash: &[u8], account: AccountId, csrf: &str, now: Micros) -> Result<()> {
    on!(tx, c => sqlx::query(
        "INSERT INTO session (token_hash, account_id, csrf, created_us, seen_us) VALUES ($1, $2, $3, $4, $4)")
        .bind(hash).bind(account).bind(csrf).bind(now).execute(c).await.map(drop))?;
    tx.event(&Event::new(EventKind::SignedIn, now).by(account)).await
}

/// The session, unless it has been idle for longer than `idle` or lived too long.
pub async fn find(tx: &mut Tx, hash: &[u8], idle: Duration, now: Micros) -> Result<Option<Session>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Session>(
        "SELECT account_id, csrf, created_us, seen_us FROM session
          WHERE token_hash = $1 AND seen_us > $2 AND created_us > $3")
        .bind(hash).bind(now - idle).bind(now - LIFETIME).fetch_optional(c).await)?)
}

pub async fn touch(tx: &mut Tx, hash: &[u8], now: Micros) -> Result<()> {
    Ok(on!(tx, c => sqlx::query("UPDATE session SET seen_us = $1 WHERE token_hash = $2")
        .bind(now).bind(hash).execute(c).await.map(drop))?)
}

pub async fn close(tx: &mut Tx, hash: &[u8], account: AccountId, now: Micros) -> Result<()> {
    on!(tx, c => sqlx::query("DELETE FROM session WHERE token_hash = $1").bind(hash).execute(c).await.map(drop))?;
    tx.event(&Event::new(EventKind::SignedOut, now).by(account)).await
}

/// Forgets sessions that no longer open anything; how many.
pub async fn purge(tx: &mut Tx, idle: Duration, now: Micros) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query("DELETE FROM session WHERE seen_us <= $1 OR created_us <= $2")
        .bind(now - idle).bind(now - LIFETIME).execute(c).await.map(|done| done.rows_affected()))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Role;
    use crate::index::testing::{on_both_engines, seed_account};

    #[tokio::test]
    async fn only_sessions_that_open_nothing_are_forgotten() {
        on_both_engines(async |db| {
            let account = seed_account(&db, "zhou", Role::Specialist, None).await;
            let (start, idle) = (Micros(1_000_000_000_000), Duration::from_secs(900));
            let mut tx = db.write().await.unwrap();
            for (hash, opened) in [(b"idle", start), (b"busy", start), (b"past", start - LIFETIME)] {
                open(&mut tx, hash, account, "csrf", opened).await.unwrap();
            }
            let now = start + idle;
            touch(&mut tx, b"busy", now).await.unwrap();
            touch(&mut tx, b"past", now).await.unwrap();
            assert_eq!(purge(&mut tx, idle, now).await.unwrap(), 2);
            assert!(find(&mut tx, b"busy", idle, now).await.unwrap().is_some());
        })
        .await;
    }
}
