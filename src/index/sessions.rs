//! Sessions of people, and the attempts to open one.

use std::time::Duration;

use super::{Event, EventKind, Result, Tx, on};
use crate::domain::{AccountId, Micros};

/// Failures counted over this time decide whether another attempt is heard.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);
const FAILURES_PER_LOGIN: i64 = 5;
/// Township PCs share an address.
const FAILURES_PER_ADDRESS: i64 = 30;
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

/// When this account last signed in before now.
pub async fn last_sign_in(tx: &mut Tx, login: &str, now: Micros) -> Result<Option<Micros>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, Option<Micros>>(
        "SELECT MAX(at_us) FROM sign_in_attempt WHERE login = $1 AND ok = 1 AND at_us < $2")
        .bind(login).bind(now).fetch_one(c).await)?)
}

pub async fn record_attempt(tx: &mut Tx, login: &str, address: &str, ok: bool, now: Micros) -> Result<()> {
    on!(tx, c => sqlx::query("INSERT INTO sign_in_attempt (login, address, at_us, ok) VALUES ($1, $2, $3, $4)")
        .bind(login).bind(address).bind(now).bind(i64::from(ok)).execute(c).await.map(drop))?;
    Ok(())
}

/// True when too many attempts failed lately for this login, or from this address.
pub async fn throttled(tx: &mut Tx, login: &str, address: &str, now: Micros) -> Result<bool> {
    let since = now - WINDOW;
    let (of_login, of_address) = on!(tx, c => sqlx::query_as::<_, (i64, i64)>(
        "SELECT (SELECT COUNT(*) FROM sign_in_attempt WHERE login = $1 AND at_us > $3 AND ok = 0
                    AND at_us > COALESCE((SELECT MAX(at_us) FROM sign_in_attempt WHERE login = $1 AND ok = 1), 0)),
                (SELECT COUNT(*) FROM sign_in_attempt WHERE address = $2 AND at_us > $3 AND ok = 0)")
        .bind(login).bind(address).bind(since).fetch_one(c).await)?;
    Ok(of_login >= FAILURES_PER_LOGIN || of_address >= FAILURES_PER_ADDRESS)
}
