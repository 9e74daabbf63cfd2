//! The citizen identification number of GB 11643: eighteen characters that name one person for life.

use super::Sex;

/// A number whose birth date is a date and whose last character is the check of the others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NationalId(String);

/// What each of the first seventeen digits counts: 2 to the power of its place from the right, modulo 11.
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// ISO 7064, MOD 11-2: the check character for each remainder.
const CHECKS: &[u8; 11] = b"10X98765432";

impl NationalId {
    /// A number as it stands in a field of its own; a small `x` is the same check as a capital one.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_uppercase();
        let (digits, check) = (text.get(..17)?, text.get(17..)?);
        if !digits.bytes().all(|b| b.is_ascii_digit()) || digits.starts_with('0') {
            return None;
        }
        jiff::civil::Date::strptime("%Y%m%d", digits.get(6..14)?).ok()?;
        let sum: u32 = digits.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
        let expected = CHECKS[(sum % 11) as usize];
        (check.as_bytes() == [expected]).then_some(Self(text))
    }

    /// The one number among `texts`; none where several people's stand there.
    pub fn only_one<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut found = texts.into_iter().filter_map(Self::parse);
        let first = found.next()?;
        found.all(|other| other == first).then_some(first)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `YYYYMMDD`
    pub fn birth_date(&self) -> &str {
        &self.0[6..14]
    }

    /// An odd number of order is a man's.
    pub fn sex(&self) -> Sex {
        if self.0.as_bytes()[16] % 2 == 1 { Sex::Male } else { Sex::Female }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The standard's own examples.
    const WANG: &str = "11010519491231002X";
    const LI: &str = "440524188001010014";

    #[test]
    fn the_standards_examples_are_numbers_and_their_neighbours_are_not() {
        assert_eq!(NationalId::parse(WANG).unwrap().as_str(), WANG);
        assert_eq!(NationalId::parse(" 11010519491231002x ").unwrap().as_str(), WANG);
        assert!(NationalId::parse(LI).is_some());
        for place in 0..17 {
            let mut digits = LI.as_bytes().to_vec();
            digits[place] = b'0' + (digits[place] - b'0' + 1) % 10;
            let text = String::from_utf8(digits).unwrap();
            assert_eq!(NationalId::parse(&text), None, "{text} differs in one digit");
        }
    }

    #[test]
    fn birth_date_and_sex_stand_in_the_number() {
        let wang = NationalId::parse(WANG).unwrap();
        assert_eq!((wang.birth_date(), wang.sex()), ("19491231", Sex::Female));
        assert_eq!(NationalId::parse(LI).unwrap().sex(), Sex::Male);
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for text in [
            "",
            "P-7",
            "110105491231002",
            "11010519491331002X",
            "１１０１０５１９４９１２３１００２Ｘ",
            "11010519491231002X1",
        ] {
            assert_eq!(NationalId::parse(text), None, "{text}");
        }
        // The check fits, and the thirteenth month does not exist.
        let no_month = (0..=10).filter_map(|check| {
            let check = CHECKS[check] as char;
            NationalId::parse(&format!("11010519491331002{check}"))
        });
        assert_eq!(no_month.count(), 0);
    }

    #[test]
    fn two_peoples_numbers_on_one_record_name_nobody() {
        assert_eq!(NationalId::only_one(["P-7", WANG, "11010519491231002x"]).unwrap().as_str(), WANG);
        assert_eq!(NationalId::only_one([WANG, LI]), None);
        assert_eq!(NationalId::only_one(["P-7"]), None);
    }
}
