//! Passwords said, right and wrong, and how long somebody has to wait before the next one is heard.
//!
//! An attempt is counted as failed before its password is looked at, and settled afterwards: whoever sends a hundred at once
//! is counted a hundred times. A login is closed for the address that guesses at it, not for its owner elsewhere; over all
//! addresses there is a cap that grows with the guesses and does not hold where the login was right before.

use std::time::Duration;

use super::{Result, Tx, on};
use crate::domain::Micros;

/// Failures of one login from one address, and of one address, count for this long.
const WINDOW: Duration = Duration::from_secs(15 * 60);
const OF_LOGIN_HERE: i64 = 5;
/// Township PCs share an address.
const OF_ADDRESS: i64 = 30;
/// Failures of one login from anywhere count for this long.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// So many are free; each further one doubles the wait for the next, from one second.
const OF_LOGIN_ANYWHERE: i64 = 10;
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// How long an address is remembered as one from where a login was right.
const FAMILIAR: Duration = Duration::from_secs(90 * 24 * 3600);

/// PostgreSQL advisory lock: attempts are counted one after the other over all nodes. ("yyattmpt" in ASCII.)
const LOCK: i64 = 0x7979_6174_746d_7074;

/// What the password is said for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    SignIn,
    Signature,
}

impl Act {
    const fn word(self) -> &'static str {
        match self {
            Act::SignIn => "sign_in",
            Act::Signature => "signature",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    pub act: Act,
    pub login: &'a str,
    /// Where it comes from.
    pub address: &'a str,
}

/// What becomes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is heard: settle it under this number.
    Heard(i64),
    /// Not before this time has passed.
    Wait(Duration),
}

#[derive(Debug, Clone, Copy, sqlx::FromRow)]
struct Counts {
    here: i64,
    of_address: i64,
    anywhere: i64,
    last_us: Option<Micros>,
    familiar: i64,
}

/// Counts an attempt, as failed for now, or says how long to wait.
pub async fn begin(tx: &mut Tx, attempt: Attempt<'_>, now: Micros) -> Result<Begun> {
    if let Tx::Postgres { inner, .. } = tx {
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut **inner).await?;
    }
    let wait = wait(count(tx, attempt, now).await?, now);
    if !wait.is_zero() {
        return Ok(Begun::Wait(wait));
    }
    let id = on!(tx, c => sqlx::query_scalar::<_, i64>(
        "INSERT INTO password_attempt (act, login, address, at_us, ok) VALUES ($1, $2, $3, $4, 0) RETURNING id")
        .bind(attempt.act.word()).bind(attempt.login).bind(attempt.address).bind(now).fetch_one(c).await)?;
    Ok(Begun::Heard(id))
}

/// The password of attempt `id` was right.
pub async fn was_right(tx: &mut Tx, id: i64) -> Result<()> {
    on!(tx, c => sqlx::query("UPDATE password_attempt SET ok = 1 WHERE id = $1").bind(id).execute(c).await.map(drop))?;
    Ok(())
}

/// When this login last signed in before now.
pub async fn last_sign_in(tx: &mut Tx, login: &str, now: Micros) -> Result<Option<Micros>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, Option<Micros>>(
        "SELECT MAX(at_us) FROM password_attempt WHERE act = 'sign_in' AND login = $1 AND ok = 1 AND at_us < $2")
        .bind(login).bind(now).fetch_one(c).await)?)
}

/// Forgets what no longer counts; how many rows.
pub async fn purge(tx: &mut Tx, now: Micros) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query(
        "DELETE FROM password_attempt WHERE (ok = 0 AND at_us <= $1) OR (ok = 1 AND at_us <= $2)")
        .bind(now - DAY).bind(now - FAMILIAR).execute(c).await.map(|done| done.rows_affected()))?)
}

async fn count(tx: &mut Tx, attempt: Attempt<'_>, now: Micros) -> Result<Counts> {
    Ok(on!(tx, c => sqlx::query_as::<_, Counts>(
        "SELECT (SELECT COUNT(*) FROM password_attempt WHERE act = $1 AND login = $2 AND address = $3 AND ok = 0 AND at_us > $4
                    AND at_us > COALESCE((SELECT MAX(at_us) FROM password_attempt
                                           WHERE act = $1 AND login = $2 AND address = $3 AND ok = 1), 0)) AS here,
                (SELECT COUNT(*) FROM password_attempt WHERE act = $1 AND address = $3 AND ok = 0 AND at_us > $4) AS of_address,
                (SELECT COUNT(*) FROM password_attempt WHERE act = $1 AND login = $2 AND ok = 0 AND at_us > $5) AS anywhere,
                (SELECT MAX(at_us) FROM password_attempt WHERE act = $1 AND login = $2 AND ok = 0 AND at_us > $5) AS last_us,
                (SELECT COUNT(*) FROM password_attempt WHERE login = $2 AND address = $3 AND ok = 1 AND at_us > $6) AS familiar")
        .bind(attempt.act.word()).bind(attempt.login).bind(attempt.address)
        .bind(now - WINDOW).bind(now - DAY).bind(now - FAMILIAR).fetch_one(c).await)?)
}

fn wait(counts: Counts, now: Micros) -> Duration {
    if counts.here >= OF_LOGIN_HERE || counts.of_address >= OF_ADDRESS {
        return WINDOW;
    }
    let over = counts.anywhere - OF_LOGIN_ANYWHERE;
    let Some(last) = counts.last_us.filter(|_| over >= 0 && counts.familiar == 0) else { return Duration::ZERO };
    let doublings = u32::try_from(over).unwrap_or(u32::MAX);
    let pause = 2u64.checked_pow(doublings).map_or(LONGEST_WAIT, Duration::from_secs).min(LONGEST_WAIT);
    pause.saturating_sub(now.since(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Db;
    use crate::index::testing::on_both_engines;

    const START: Micros = Micros(1_000_000_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn from<'a>(login: &'a str, address: &'a str) -> Attempt<'a> {
        Attempt { act: Act::SignIn, login, address }
    }

    async fn tries(db: &Db, attempt: Attempt<'_>, right: bool, now: Micros) -> Begun {
        let mut tx = db.write().await.unwrap();
        let begun = begin(&mut tx, attempt, now).await.unwrap();
        if let Begun::Heard(id) = begun
            && right
        {
            was_right(&mut tx, id).await.unwrap();
        }
        tx.commit().await.unwrap();
        begun
    }

    async fn wrong(db: &Db, times: usize, attempt: Attempt<'_>, now: Micros) -> usize {
        let mut heard = 0;
        for _ in 0..times {
            heard += usize::from(matches!(tries(db, attempt, false, now).await, Begun::Heard(_)));
        }
        heard
    }

    #[tokio::test]
    async fn a_hundred_guesses_at_once_are_five() {
        on_both_engines(async |db| {
            let guesses = (0..100).map(|_| tries(&db, from("zhou", "203.0.113.9"), false, START));
            let begun = futures_util::future::join_all(guesses).await;
            assert_eq!(begun.iter().filter(|begun| matches!(begun, Begun::Heard(_))).count(), 5);
            assert_eq!(begun.iter().filter(|begun| **begun == Begun::Wait(WINDOW)).count(), 95);
        })
        .await;
    }

    #[tokio::test]
    async fn a_stranger_s_guesses_keep_nobody_from_signing_in_where_they_work() {
        on_both_engines(async |db| {
            let (work, stranger) = (from("zhou", "10.1.1.5"), from("zhou", "203.0.113.9"));
            assert!(matches!(tries(&db, work, true, START).await, Begun::Heard(_)));
            for n in 0..40 {
                let address = format!("203.0.113.{n}");
                wrong(&db, 9, from("zhou", &address), START + SECOND).await;
            }
            assert!(matches!(tries(&db, stranger, false, START + SECOND).await, Begun::Wait(_)));
            assert!(matches!(tries(&db, work, true, START + SECOND * 2).await, Begun::Heard(_)));
        })
        .await;
    }

    #[tokio::test]
    async fn guesses_from_many_addresses_wait_twice_as_long_each_time() {
        on_both_engines(async |db| {
            let mut now = START;
            let mut waits = Vec::new();
            for n in 0..24 {
                let address = format!("203.0.113.{n}");
                let mut begun = tries(&db, from("zhou", &address), false, now).await;
                if let Begun::Wait(wait) = begun {
                    waits.push(wait.as_secs());
                    assert_eq!(
                        tries(&db, from("zhou", &address), false, now + wait - SECOND / 2).await,
                        Begun::Wait(SECOND / 2)
                    );
                    now = now + wait;
                    begun = tries(&db, from("zhou", &address), false, now).await;
                }
                assert!(matches!(begun, Begun::Heard(_)));
            }
            assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]);
            assert!(matches!(tries(&db, from("zheng", "203.0.113.1"), false, now).await, Begun::Heard(_)));
        })
        .await;
    }

    #[tokio::test]
    async fn one_address_may_not_try_every_login() {
        on_both_engines(async |db| {
            let mut heard = 0;
            for n in 0..40 {
                heard += wrong(&db, 1, from(&format!("doctor{n}"), "203.0.113.9"), START).await;
            }
            assert_eq!(heard, 30);
            assert!(matches!(tries(&db, from("zhou", "10.1.1.5"), false, START).await, Begun::Heard(_)));
            assert!(matches!(tries(&db, from("zhou", "203.0.113.9"), false, START + WINDOW).await, Begun::Heard(_)));
        })
        .await;
    }

    #[tokio::test]
    async fn signatures_are_counted_apart_and_a_right_one_clears_the_wrong_ones_before() {
        on_both_engines(async |db| {
            let sign_in = from("zhou", "10.1.1.5");
            let signature = Attempt { act: Act::Signature, ..sign_in };
            assert_eq!(wrong(&db, 9, sign_in, START).await, 5);
            assert_eq!(wrong(&db, 4, signature, START).await, 4);
            assert!(matches!(tries(&db, signature, true, START + SECOND).await, Begun::Heard(_)));
            assert_eq!(wrong(&db, 9, signature, START + SECOND * 2).await, 5);
            let mut tx = db.read().await.unwrap();
            assert_eq!(
                last_sign_in(&mut tx, "zhou", START + SECOND * 3).await.unwrap(),
                None,
                "a signature is no sign-in"
            );
        })
        .await;
    }

    #[tokio::test]
    async fn what_no_longer_counts_is_forgotten() {
        on_both_engines(async |db| {
            tries(&db, from("zhou", "10.1.1.5"), true, START).await;
            wrong(&db, 3, from("zhou", "10.1.1.5"), START).await;
            let mut tx = db.write().await.unwrap();
            assert_eq!(purge(&mut tx, START + DAY - SECOND).await.unwrap(), 0);
            assert_eq!(purge(&mut tx, START + DAY).await.unwrap(), 3);
            assert_eq!(last_sign_in(&mut tx, "zhou", START + DAY).await.unwrap(), Some(START));
            assert_eq!(purge(&mut tx, START + FAMILIAR).await.unwrap(), 1);
        })
        .await;
    }
}
