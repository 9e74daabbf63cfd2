//! Under what a person's name can be found: as written, in Han characters, by sound, by initials.
//!
//! A device in one township writes 张^伟, another Zhang^Wei, a third both; whoever searches types 张伟, zhangwei, "zhang wei"
//! or zw. Names are kept in every such form, folded, so that a search is the beginning of one of them.

use std::collections::BTreeSet;

use pinyin::ToPinyinMulti;

use super::name::PersonName;

/// Characters with several readings (单 dan, shan, chan) multiply; no more spellings than this of one name.
const MAX_SPELLINGS: usize = 16;
/// Longer names are spelled by their beginning.
const MAX_CHARACTERS: usize = 24;

/// What a form is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameKind {
    /// As written, in small letters: `wang^xiaodong`, `王^小东`, and as people write it.
    Written,
    /// Han characters without delimiters.
    Han,
    /// Sounds and initials of a name that is also known in Han characters.
    Sound,
    /// Letters and initials of a name known in letters only.
    Latin,
}

impl NameKind {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Han => "han",
            Self::Sound => "sound",
            Self::Latin => "latin",
        }
    }
}

/// All forms of a PN value; never empty.
pub fn search_forms(raw: &str) -> BTreeSet<(NameKind, String)> {
    let name = PersonName::parse(raw);
    let groups = [&name.alphabetic, &name.ideographic, &name.phonetic];
    let whole = raw.trim_matches([' ', '\0']).trim_end_matches(['=', '^']);
    let shown = name.display();
    let written = groups.iter().map(|group| group.as_str()).chain([whole, &shown]).map(str::to_lowercase);
    let mut forms: BTreeSet<_> =
        written.filter(|form| !form.is_empty()).map(|form| (NameKind::Written, form)).collect();
    let compact: Vec<String> = groups.iter().map(|group| compact(group)).filter(|c| c.chars().any(is_han)).collect();
    let by_letters = if compact.is_empty() { NameKind::Latin } else { NameKind::Sound };
    for han in compact {
        forms.extend(spellings(&han).into_iter().map(|form| (NameKind::Sound, form)));
        forms.insert((NameKind::Han, han));
    }
    for group in groups.iter().filter(|group| !group.chars().any(is_han)) {
        forms.extend(latin(group).into_iter().map(|form| (by_letters, form)));
    }
    if forms.is_empty() {
        forms.insert((NameKind::Written, String::new()));
    }
    forms
}

/// What a fuzzy search looks for: forms of these kinds that begin so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FuzzyName(pub Vec<(NameKind, String)>);

/// `None`: nothing to look for, so everybody is meant.
pub fn fuzzy(query: &str) -> Option<FuzzyName> {
    let query = compact(query);
    if query.is_empty() {
        return None;
    }
    if !query.chars().any(is_han) {
        return Some(FuzzyName(vec![(NameKind::Sound, query.clone()), (NameKind::Latin, query)]));
    }
    // Who is known in letters only is found by how the characters sound; homophones in other characters are others.
    let sounds = spell(&query).into_iter().map(|form| (NameKind::Latin, form));
    Some(FuzzyName([(NameKind::Han, query.clone())].into_iter().chain(sounds).collect()))
}

/// Letters, digits and characters alone, in small letters without accents.
fn compact(text: &str) -> String {
    text.chars()
        .take(MAX_CHARACTERS * 4)
        .flat_map(char::to_lowercase)
        .map(plain)
        .filter(|c| c.is_alphanumeric())
        .collect()
}

/// Latin letters without their accents.
fn plain(c: char) -> char {
    match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' | 'ǎ' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'è'..='ë' | 'ē' | 'ę' | 'ě' => 'e',
        'ì'..='ï' | 'ī' | 'ı' | 'ǐ' => 'i',
        'ł' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ō' | 'ő' | 'ǒ' => 'o',
        'ř' => 'r',
        'ś' | 'š' => 's',
        'ù'..='ü' | 'ū' | 'ű' | 'ů' | 'ǔ' | 'ǖ' | 'ǘ' | 'ǚ' | 'ǜ' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        c => c,
    }
}

/// The ways a name is written, in small letters, each between `=`; empty where there is none.
pub fn written_forms(raw: &str) -> String {
    let forms = search_forms(raw).into_iter().filter(|(kind, form)| *kind == NameKind::Written && !form.is_empty());
    forms.fold(String::new(), |all, (_, form)| if all.is_empty() { format!("={form}=") } else { all + &form + "=" })
}

/// How a Han character is mostly read, without its tone; ü is typed as v.
pub(super) fn usual_reading(c: char) -> Option<String> {
    is_han(c).then(|| readings(c).into_iter().next()).flatten()
}

fn is_han(c: char) -> bool {
    c.to_pinyin_multi().is_some()
}

/// Full spellings and initials of a name in Han characters.
fn spellings(han: &str) -> BTreeSet<String> {
    let mut forms = spell(han);
    let initials = product(han, |reading| reading.chars().take(1).collect());
    forms.extend(initials);
    forms
}

fn spell(han: &str) -> BTreeSet<String> {
    product(han, str::to_owned)
}

/// Every way to read the name, each character's readings passed through `part`.
fn product(han: &str, part: impl Fn(&str) -> String) -> BTreeSet<String> {
    let mut all = vec![String::new()];
    for c in han.chars().take(MAX_CHARACTERS) {
        let parts: BTreeSet<String> = readings(c).iter().map(|reading| part(reading)).collect();
        // Where there would be too many, later characters are read in their first way only.
        let parts: Vec<String> = match all.len() * parts.len() <= MAX_SPELLINGS {
            true => parts.into_iter().collect(),
            false => readings(c).first().map(|reading| part(reading)).into_iter().collect(),
        };
        all = all.iter().flat_map(|begun| parts.iter().map(move |next| format!("{begun}{next}"))).collect();
    }
    all.into_iter().collect()
}

/// How a character is read, without tones, the usual reading first; ü is typed both as v and as u.
fn readings(c: char) -> Vec<String> {
    let Some(multi) = c.to_pinyin_multi() else { return vec![c.to_string()] };
    let mut found: Vec<String> = Vec::new();
    for reading in multi.into_iter().map(|reading| reading.plain()) {
        for spelled in [reading.replace('ü', "v"), reading.replace('ü', "u")] {
            if !found.contains(&spelled) {
                found.push(spelled);
            }
        }
    }
    found
}

/// Letters of a name in the order written and the other way round, and its initials, where a word's inner capitals
/// (XiaoDong) count too.
fn latin(group: &str) -> BTreeSet<String> {
    let words: Vec<&str> = group.split(['^', ' ', '-', '\'', ',', '.']).filter(|word| !word.is_empty()).collect();
    let joined = compact(group);
    let backwards: String = words.iter().rev().map(|word| compact(word)).collect();
    let initials = |begins: &dyn Fn(usize, char) -> bool| -> String {
        let letters = words.iter().flat_map(|word| word.chars().enumerate());
        compact(&letters.filter(|&(at, c)| begins(at, c)).map(|(_, c)| c).collect::<String>())
    };
    let mixed = words.iter().any(|word| word.chars().any(char::is_lowercase));
    let forms =
        [joined, backwards, initials(&|at, _| at == 0), initials(&|at, c| at == 0 || mixed && c.is_uppercase())];
    forms.into_iter().filter(|form| !form.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(raw: &str, query: &str) -> bool {
        let forms = search_forms(raw);
        let wanted = fuzzy(query).unwrap().0;
        wanted.iter().any(|(kind, begin)| forms.iter().any(|(k, form)| k == kind && form.starts_with(begin)))
    }

    #[test]
    fn one_person_is_found_by_characters_sound_and_initials_however_the_device_wrote_the_name() {
        for raw in ["张^伟", "张伟", "Zhang^Wei=张^伟", "Zhang^Wei", "ZHANG^WEI^^^", "Zhang Wei"] {
            for query in ["张伟", "zhangwei", "zhang wei", "ZHANG^WEI", "zw", "张", "zhang"] {
                assert!(found(raw, query), "{raw} by {query}");
            }
            assert!(!found(raw, "李伟") && !found(raw, "li"), "{raw}");
        }
    }

    #[test]
    fn homophones_in_other_characters_are_other_people() {
        assert!(!found("章^薇", "张伟"));
        assert!(!found("Zhang^Wei=章^薇", "张伟"));
        assert!(found("章^薇", "zhangwei"));
    }

    #[test]
    fn characters_with_several_readings_are_found_by_each() {
        for query in ["shan", "dan", "sxn", "单晓宁"] {
            assert!(found("单^晓宁", query), "{query}");
        }
        for query in ["lvbu", "lubu", "lb"] {
            assert!(found("吕^布", query), "{query}");
        }
        assert!(search_forms("单单单单单单单单").len() < 64);
    }

    #[test]
    fn letters_are_found_without_accents_and_in_either_order() {
        for query in ["müller", "muller", "anna muller", "Müller^Anna", "ma"] {
            assert!(found("Müller^Anna", query), "{query}");
        }
        for query in ["wxd", "wx", "wang xiaodong"] {
            assert!(found("Wang^XiaoDong", query), "{query}");
        }
        assert!(!found("WANG^XIAODONG", "wangx iaodonge"));
    }

    #[test]
    fn forms_as_written_are_kept_group_by_group() {
        let forms = search_forms("Wang^XiaoDong=王^小东=");
        for written in ["wang^xiaodong", "王^小东", "王小东", "wang^xiaodong=王^小东"] {
            assert!(forms.contains(&(NameKind::Written, written.into())), "{written}");
        }
        assert_eq!(search_forms(" ^^ ").into_iter().collect::<Vec<_>>(), [(NameKind::Written, String::new())]);
        assert_eq!(fuzzy(" *^ "), None);
    }
}
