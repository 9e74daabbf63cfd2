//! How an attribute of a search must match (PS3.4 C.2.2.2): what C-FIND identifiers and QIDO-RS queries both mean.
//!
//! Pure: says what a key asks for, not where its values are kept. A sequence's keys are named by their path and match
//! within one item (C.2.2.2.6).

use dicom_core::VR;

use super::uid;

/// UIDs or codes in one key.
const MAX_VALUES: usize = 512;
/// Characters in one value.
const MAX_LENGTH: usize = 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matching {
    /// Whatever the value, also none: the attribute is only asked back.
    Universal,
    /// One of these: single value matching, and lists of UIDs or codes.
    OneOf(Vec<String>),
    Wildcard(Pattern),
    /// Inclusive; an open end takes everything on that side. What has no value is in no range.
    Range {
        from: Option<String>,
        to: Option<String>,
    },
}

/// A text with `*` for any characters and `?` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

/// The key's value is none of its representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a value that its attribute cannot have")]
pub struct BadKey;

impl Matching {
    /// What `value` asks of an attribute of representation `vr`.
    pub fn parse(vr: VR, value: &str) -> Result<Self, BadKey> {
        let value = value.trim_matches([' ', '\0']);
        if value.is_empty() {
            return Ok(Self::Universal);
        }
        if value.chars().count() > MAX_LENGTH && vr != VR::UI {
            return Err(BadKey);
        }
        match vr {
            VR::UI => list(value, uid::is_valid),
            VR::DA => range(value, date, date_from, date_to),
            VR::TM => range(value, time, time_from, time_to),
            VR::IS | VR::US | VR::UL | VR::SS | VR::SL => {
                let number: i64 = value.parse().map_err(|_| BadKey)?;
                Ok(Self::OneOf(vec![number.to_string()]))
            }
            VR::CS if !value.contains(['*', '?']) => list(value, |_| true),
            _ => Ok(Self::text(value)),
        }
    }

    fn text(value: &str) -> Self {
        if value.chars().all(|c| c == '*') {
            return Self::Universal;
        }
        match value.contains(['*', '?']) {
            true => Self::Wildcard(Pattern(value.to_owned())),
            false => Self::OneOf(vec![value.to_owned()]),
        }
    }

    /// A person's name, component groups and all, the case of its letters aside (C.2.2.2.1); what follows the last
    /// component that is there says nothing.
    pub fn name_group(group: &str) -> Self {
        Self::text(group.trim_matches([' ', '\0']).trim_end_matches('^').to_lowercase().as_str())
    }

    /// Takes another value into a list of UIDs or codes; false where this is no list.
    pub fn also(&mut self, more: Self) -> bool {
        let (Self::OneOf(values), Self::OneOf(more)) = (&mut *self, more) else { return false };
        values.extend(more);
        values.len() <= MAX_VALUES
    }
}

impl Pattern {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What every match begins with.
    pub fn prefix(&self) -> &str {
        self.0.split(['*', '?']).next().unwrap_or_default()
    }

    /// Matches are all that begin with [`Pattern::prefix`].
    pub fn is_prefix_only(&self) -> bool {
        self.0.strip_suffix('*').is_some_and(|rest| !rest.contains(['*', '?']))
    }
}

fn list(value: &str, good: impl Fn(&str) -> bool) -> Result<Matching, BadKey> {
    let values: Vec<String> = value.split([',', '\\']).map(|v| v.trim_matches([' ', '\0']).to_owned()).collect();
    let values: Vec<String> = values.into_iter().filter(|v| !v.is_empty()).collect();
    if values.len() > MAX_VALUES || !values.iter().all(|v| good(v)) {
        return Err(BadKey);
    }
    Ok(if values.is_empty() { Matching::Universal } else { Matching::OneOf(values) })
}

/// C.2.2.2.5: `a-b`, `a-`, `-b`; one value is the span it names.
fn range(
    value: &str,
    clean: fn(&str) -> Result<String, BadKey>,
    from: fn(&str) -> String,
    to: fn(&str) -> String,
) -> Result<Matching, BadKey> {
    let bound = |text: &str| -> Result<Option<String>, BadKey> {
        let text = text.trim();
        if text.is_empty() { Ok(None) } else { clean(text).map(Some) }
    };
    let (first, last) = match value.split_once('-') {
        Some((first, last)) => (bound(first)?, bound(last)?),
        None => (bound(value)?, bound(value)?),
    };
    if first.is_none() && last.is_none() {
        return Err(BadKey);
    }
    Ok(Matching::Range { from: first.as_deref().map(from), to: last.as_deref().map(to) })
}

fn digits(text: &str, lengths: &[usize]) -> Result<(), BadKey> {
    let good = lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if good { Ok(()) } else { Err(BadKey) }
}

/// A year or a month stands for all its days.
fn date(text: &str) -> Result<String, BadKey> {
    let text = text.replace('.', "");
    digits(&text, &[4, 6, 8]).map(|()| text)
}

fn date_from(text: &str) -> String {
    text.to_owned()
}

fn date_to(text: &str) -> String {
    format!("{text}{}", &"9999"[..8 - text.len()])
}

fn time(text: &str) -> Result<String, BadKey> {
    let text = text.replace(':', "");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    digits(whole, &[2, 4, 6])?;
    digits(fraction, &[0, 1, 2, 3, 4, 5, 6])?;
    Ok(text)
}

/// The least text of any time from this one on: `0930` is kept as `0930`, `093000` or `093000.00`.
fn time_from(text: &str) -> String {
    let mut text = match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|b| b == b'0') => whole.to_owned(),
        _ => text.to_owned(),
    };
    while text.len() > 2 && text.ends_with("00") && !text.contains('.') {
        text.truncate(text.len() - 2);
    }
    text
}

/// The greatest text of any time within the one named.
fn time_to(text: &str) -> String {
    const GREATEST: &str = "999999.999999";
    format!("{text}{}", GREATEST.get(text.len()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: &str) -> Matching {
        Matching::OneOf(vec![value.into()])
    }

    fn between(from: &str, to: &str) -> Matching {
        let bound = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Matching::Range { from: bound(from), to: bound(to) }
    }

    #[test]
    fn the_representation_says_what_a_value_means() {
        assert_eq!(Matching::parse(VR::LO, "P-1*"), Ok(Matching::Wildcard(Pattern("P-1*".into()))));
        assert_eq!(Matching::parse(VR::LO, " P-1 "), Ok(one("P-1")));
        assert_eq!(Matching::parse(VR::LO, "*"), Ok(Matching::Universal));
        assert_eq!(Matching::parse(VR::IS, "007"), Ok(one("7")));
        assert_eq!(Matching::parse(VR::CS, "CT\\MR"), Ok(Matching::OneOf(vec!["CT".into(), "MR".into()])));
        assert_eq!(Matching::parse(VR::UI, "1.2,1.3"), Ok(Matching::OneOf(vec!["1.2".into(), "1.3".into()])));
        for (vr, bad) in [(VR::UI, "1.2'x"), (VR::IS, "x"), (VR::DA, "2026-01-01"), (VR::DA, "-"), (VR::TM, "9")] {
            assert_eq!(Matching::parse(vr, bad), Err(BadKey), "{bad}");
        }
    }

    #[test]
    fn dates_and_times_are_ranges_with_open_ends() {
        assert_eq!(Matching::parse(VR::DA, "20260101-20260131"), Ok(between("20260101", "20260131")));
        assert_eq!(Matching::parse(VR::DA, "20260101-"), Ok(between("20260101", "")));
        assert_eq!(Matching::parse(VR::DA, "-20260101"), Ok(between("", "20260101")));
        assert_eq!(Matching::parse(VR::DA, "20260101"), Ok(between("20260101", "20260101")));
        assert_eq!(Matching::parse(VR::DA, "202601"), Ok(between("202601", "20260199")));
    }

    #[test]
    fn a_time_is_found_however_many_of_its_zeros_were_written() {
        let Ok(Matching::Range { from: Some(from), to: Some(to) }) = Matching::parse(VR::TM, "09:30:00-100000") else {
            panic!("a range");
        };
        for inside in ["0930", "093000", "093000.00", "09301", "10", "100000.5"] {
            assert!(*from <= *inside && *inside <= *to, "{inside}");
        }
        for outside in ["0929", "092959.999", "09", "100001", "1001"] {
            assert!(!(*from <= *outside && *outside <= *to), "{outside}");
        }
    }

    #[test]
    fn a_pattern_knows_its_beginning() {
        let pattern = |text: &str| Pattern(text.into());
        assert_eq!((pattern("wa?g*").prefix(), pattern("wa?g*").is_prefix_only()), ("wa", false));
        assert_eq!((pattern("wang*").prefix(), pattern("wang*").is_prefix_only()), ("wang", true));
        assert_eq!(pattern("*wang").prefix(), "");
    }

    #[test]
    fn lists_grow_by_repeated_keys_and_nothing_else_does() {
        let mut list = one("1.2");
        assert!(list.also(one("1.3")));
        assert_eq!(list, Matching::OneOf(vec!["1.2".into(), "1.3".into()]));
        assert!(!between("1", "2").also(one("3")));
    }
}
