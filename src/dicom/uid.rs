//! Unique identifiers (PS3.5 9).

use sha2::{Digest, Sha256};

/// At most 64 digits and dots, no empty component. Leading zeros are let pass: they are wrong, common and harmless.
pub fn is_valid(uid: &str) -> bool {
    uid.len() <= 64 && uid.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// A new UID from 128 random bits, as a UUID of version 4 (PS3.5 B.2).
pub fn of_random(random: u128) -> String {
    let versioned = random & !(0xF << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    format!("2.25.{versioned}")
}

/// A well-spread, stable number for look-ups by UID alone.
pub fn hash(uid: &str) -> i64 {
    let digest = Sha256::digest(uid.as_bytes());
    digest.first_chunk::<8>().map_or(0, |first| i64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_digits_between_dots_and_fits_a_column() {
        assert!(is_valid("1.2.840.10008.1.2"));
        for bad in ["", ".", "1..2", "1.2.", "1.2/../../etc", "1.2.abc", "1.2 ", &"1".repeat(65)] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn random_bits_become_a_uuid_of_version_4() {
        assert_eq!(of_random(0), "2.25.302240678275694148452352");
        assert!(is_valid(&of_random(u128::MAX)));
        assert_ne!(of_random(1), of_random(2));
    }

    #[test]
    fn the_hash_of_a_uid_never_changes() {
        assert_eq!(hash("1.2.3"), hash("1.2.3"));
        assert_ne!(hash("1.2.3"), hash("1.2.4"));
    }
}
