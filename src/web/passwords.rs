//! Passwords: argon2id, a few at a time, and only so many callers waiting: guessing can take neither the machine's memory nor
//! its time. Strangers queue apart from those who sign reports.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Where a password is looked at.
pub struct Door {
    at_once: Semaphore,
    /// Those inside and those who wait.
    places: Semaphore,
}

/// For whoever wants in.
pub static SIGN_IN: Door = Door::new(2, 16);
/// For those who are in already.
pub static SIGNATURES: Door = Door::new(2, 64);

/// Compared against when the login is unknown, so that the time an answer takes does not tell.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash("nobody").unwrap_or_default());

/// One caller's turn at a door.
pub struct Turn {
    _inside: SemaphorePermit<'static>,
    _place: SemaphorePermit<'static>,
}

impl Door {
    const fn new(at_once: usize, waiting: usize) -> Self {
        Self { at_once: Semaphore::const_new(at_once), places: Semaphore::const_new(at_once + waiting) }
    }

    /// Waits for a turn; none where too many wait already.
    pub async fn enter(&'static self) -> Option<Turn> {
        let place = self.places.try_acquire().ok()?;
        let inside = self.at_once.acquire().await.ok()?;
        Some(Turn { _inside: inside, _place: place })
    }
}

/// A PHC string with a salt of its own.
pub fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    let salt = SaltString::generate(&mut OsRng);
    Ok(Argon2::default().hash_password(password.as_bytes(), &salt)?.to_string())
}

/// True if `password` is the one `stored` was made of; `None`: no such account, takes as long.
pub async fn verify(turn: Turn, password: String, stored: Option<String>) -> bool {
    let work = move || {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| NOBODY.clone());
        let matches = PasswordHash::new(&stored)
            .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok());
        // The turn lasts as long as the work, also when the caller has gone away.
        drop(turn);
        matches && known
    };
    tokio::task::spawn_blocking(work).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_right(password: &str, stored: Option<String>) -> bool {
        verify(SIGNATURES.enter().await.unwrap(), password.into(), stored).await
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_account_opens() {
        let stored = hash("山高水长").unwrap();
        assert!(is_right("山高水长", Some(stored.clone())).await);
        assert!(!is_right("山高水", Some(stored)).await);
        assert!(!is_right("nobody", None).await);
    }

    #[tokio::test]
    async fn whoever_comes_when_all_places_are_taken_is_turned_away() {
        static NARROW: Door = Door::new(1, 1);
        let inside = NARROW.enter().await.unwrap();
        let waiting = tokio::spawn(NARROW.enter());
        while NARROW.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(NARROW.enter().await.is_none());
        drop(inside);
        assert!(waiting.await.unwrap().is_some());
        assert!(NARROW.enter().await.is_some());
    }
}
