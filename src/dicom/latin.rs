//! Names that people write in Han characters, as devices need them: the sound in Latin letters first (PS3.5 6.2.1.2), which
//! any device can show, then the characters.

use super::name::PersonName;
use super::spelling::usual_reading;

/// Family names of two characters; every other one has one.
const TWO: [&str; 36] = [
    "欧阳", "司马", "上官", "诸葛", "东方", "皇甫", "尉迟", "公孙", "慕容", "长孙", "宇文", "司徒", "夏侯", "令狐",
    "端木", "南宫", "独孤", "呼延", "闻人", "钟离", "轩辕", "申屠", "淳于", "单于", "澹台", "公冶", "宗政", "濮阳",
    "太史", "西门", "百里", "万俟", "第五", "拓跋", "赫连", "鲜于",
];

/// How characters sound that are read in their own way as, or in, a family name.
const FAMILY: [(&str, &str); 34] = [
    ("万俟", "moqi"),
    ("尉迟", "yuchi"),
    ("长孙", "zhangsun"),
    ("单于", "chanyu"),
    ("澹台", "tantai"),
    ("单", "shan"),
    ("曾", "zeng"),
    ("解", "xie"),
    ("仇", "qiu"),
    ("查", "zha"),
    ("任", "ren"),
    ("盖", "ge"),
    ("区", "ou"),
    ("朴", "piao"),
    ("乐", "yue"),
    ("翟", "zhai"),
    ("缪", "miao"),
    ("覃", "qin"),
    ("华", "hua"),
    ("宁", "ning"),
    ("纪", "ji"),
    ("员", "yun"),
    ("折", "she"),
    ("黑", "he"),
    ("种", "chong"),
    ("卜", "bu"),
    ("秘", "bi"),
    ("燕", "yan"),
    ("应", "ying"),
    ("薄", "bo"),
    ("柏", "bai"),
    ("车", "che"),
    ("沈", "shen"),
    ("葛", "ge"),
];

/// A name as people write it, as a PN value: 张三 is `Zhang^San=张^三`. `latin`, where somebody says how it sounds, family
/// name first, is taken for it. A name without Han characters is its own first group.
pub fn person_name(written: &str, latin: &str) -> String {
    let written = plain(written);
    let latin = parts(&plain(latin));
    if !written.chars().any(|c| usual_reading(c).is_some()) {
        return if latin.is_empty() { parts(&written) } else { latin };
    }
    let (family, given) = divide(&written);
    let latin = match latin.is_empty() {
        true => join(&sound_of_family(family), &sound(given)),
        false => latin,
    };
    format!("{latin}={}", join(family, given))
}

/// How somebody's name sounds, as they would write it in Latin letters: the first group of [`person_name`] without its `^`.
pub fn latin_of(name_raw: &str) -> String {
    PersonName::parse(name_raw).alphabetic.replace('^', " ")
}

/// Without what delimits in a PN value or ends it.
fn plain(text: &str) -> String {
    let kept: String =
        text.chars().map(|c| if matches!(c, '^' | '=' | '\\') || c.is_control() { ' ' } else { c }).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn join(family: &str, given: &str) -> String {
    if given.is_empty() { family.to_owned() } else { format!("{family}^{given}") }
}

/// `Zhang San Feng` as `Zhang^San Feng`.
fn parts(latin: &str) -> String {
    let (family, given) = latin.split_once(' ').unwrap_or((latin, ""));
    join(family, given)
}

/// Family and given name; a name with a dot in it, as Uyghurs and others have it, is not divided.
fn divide(written: &str) -> (&str, &str) {
    if let Some((family, given)) = written.split_once(' ') {
        return (family, given);
    }
    if written.contains(['·', '•', '・', '．']) {
        return (written, "");
    }
    let characters = written.chars().count();
    let family = if characters > 2 && TWO.iter().any(|two| written.starts_with(two)) { 2 } else { 1 };
    let at = written.char_indices().nth(family).map_or(written.len(), |(at, _)| at);
    written.split_at(at)
}

fn sound_of_family(family: &str) -> String {
    match FAMILY.iter().find(|(characters, _)| *characters == family) {
        Some((_, sound)) => capitalized(sound),
        None if family.chars().count() <= 2 => capitalized(&sound(family).to_lowercase()),
        None => sound(family),
    }
}

/// Each syllable with a capital, as PS3.5 annex K writes them: 晓东 is `XiaoDong`.
fn sound(characters: &str) -> String {
    let syllable = |c: char| match usual_reading(c) {
        Some(reading) => capitalized(&reading),
        None if matches!(c, '·' | '•' | '・' | '．') => " ".to_owned(),
        // What has no reading in letters is not one that every device can show.
        None => c.is_ascii().then_some(c).map(String::from).unwrap_or_default(),
    };
    characters.chars().map(syllable).collect::<String>().trim().to_owned()
}

fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_characters_is_spelled_before_it_family_name_first() {
        for (written, raw) in [
            ("张三", "Zhang^San=张^三"),
            ("王小东", "Wang^XiaoDong=王^小东"),
            ("欧阳娜", "Ouyang^Na=欧阳^娜"),
            ("欧阳", "Ou^Yang=欧^阳"),
            ("单晓宁", "Shan^XiaoNing=单^晓宁"),
            ("曾国", "Zeng^Guo=曾^国"),
            ("吕布", "Lv^Bu=吕^布"),
            ("尉迟恭", "Yuchi^Gong=尉迟^恭"),
            ("阿依古丽·买买提", "AYiGuLi MaiMaiTi=阿依古丽·买买提"),
            ("张", "Zhang=张"),
            (" 张 三 ", "Zhang^San=张^三"),
        ] {
            assert_eq!(person_name(written, ""), raw);
        }
    }

    #[test]
    fn how_somebody_says_it_sounds_outranks_the_characters() {
        assert_eq!(person_name("乐天", "Le Tian"), "Le^Tian=乐^天");
        assert_eq!(person_name("Anna Müller", ""), "Anna^Müller");
        assert_eq!(person_name("Anna", "Anna M"), "Anna^M");
        assert_eq!(latin_of("Le^Tian=乐^天"), "Le Tian");
    }

    #[test]
    fn nothing_that_is_typed_breaks_out_of_its_group() {
        assert_eq!(person_name("张^三=\\李", ""), "Zhang^San Li=张^三 李");
        assert_eq!(person_name("", ""), "");
    }
}
