//! What people read out and type: report numbers and verification codes.

use rand::Rng;
use subtle::ConstantTimeEq;

/// No 0 O 1 I L U V: nothing that is misread from a fax or misheard over a telephone.
const ALPHABET: &[u8; 29] = b"23456789ABCDEFGHJKMNPQRSTWXYZ";
/// 29^12 ≈ 2^58: not to be guessed through a page that answers a few times a second.
const CODE_LENGTH: usize = 12;

/// `YY20261122-000123`: the day in the center's zone, and the center's running number, which never starts anew; `-2` and
/// on for later versions.
pub fn report_number(day: jiff::civil::Date, running: i64, version: u32) -> String {
    let number = format!("YY{:04}{:02}{:02}-{running:06}", day.year(), day.month(), day.day());
    if version > 1 { format!("{number}-{version}") } else { number }
}

/// A new verification code, without separators.
pub fn verification_code(random: &mut impl Rng) -> String {
    (0..CODE_LENGTH).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

/// In groups of four, as printed.
pub fn grouped(code: &str) -> String {
    let characters: Vec<char> = code.chars().collect();
    characters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join("-")
}

/// What somebody typed, as the code is stored: separators dropped, capitals.
pub fn normalised(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).take(2 * CODE_LENGTH).collect()
}

/// Compares in constant time.
pub fn same_code(stored: &str, typed: &str) -> bool {
    stored.as_bytes().ct_eq(normalised(typed).as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_day_running_number_and_version() {
        let day = jiff::civil::date(2026, 11, 22);
        assert_eq!(report_number(day, 123, 1), "YY20261122-000123");
        assert_eq!(report_number(day, 1_234_567, 2), "YY20261122-1234567-2");
    }

    #[test]
    fn a_code_survives_being_printed_and_typed() {
        let mut random = rand::rng();
        for _ in 0..1000 {
            let code = verification_code(&mut random);
            assert_eq!(code.len(), CODE_LENGTH);
            assert!(!code.contains(['0', 'O', '1', 'I', 'L', 'U', 'V']));
            assert!(same_code(&code, &format!(" {} ", grouped(&code).to_lowercase())));
            assert!(!same_code(&code, &code[1..]));
        }
    }
}
