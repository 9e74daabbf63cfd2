//! Whether the impression speaks of the side the findings speak of. Pure.
//!
//! A side counts with the organ it stands at, in its own clause: "双侧膈面光整" says nothing of a lung. A clause that calls an
//! organ normal does not carry an impression that calls it ill. Where nothing can be compared nothing is said: a mark that
//! stands for nothing is worse than none.

use crate::i18n::{fill, say};

/// What comparing the two texts came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sides {
    /// The impression names no side.
    Nothing,
    Agree,
    /// What the impression names and the findings do not: "左肺".
    Missing(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Left,
    Right,
    Both,
}

impl Side {
    const fn word(self) -> &'static str {
        match self {
            Side::Left => "左",
            Side::Right => "右",
            Side::Both => "双",
        }
    }
}

/// A side at its organ, in a clause that calls it ill or well.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Mention {
    side: Side,
    /// Which of [`ORGANS`], and the word used.
    organ: Option<(usize, &'static str)>,
    well: bool,
}

/// Organs that come in twos or have sides, each under all its words; the longer word before the one it begins with.
const ORGANS: &[&[&str]] = &[
    &["肺门", "肺"],
    &["胸腔", "胸膜", "胸水", "肋膈角", "膈"],
    &["肋骨", "肋"],
    &["肾上腺"],
    &["肾盂", "肾盏", "肾"],
    &["输尿管"],
    &["甲状腺"],
    &["腮腺"],
    &["颌下腺"],
    &["乳突"],
    &["乳腺", "乳房", "乳头", "乳"],
    &["肝"],
    &["卵巢", "附件", "输卵管"],
    &["睾丸", "附睾", "阴囊"],
    &["颈动脉", "颈静脉", "椎动脉"],
    &["上颌窦", "额窦", "筛窦", "蝶窦"],
    &["额叶", "颞叶", "顶叶", "枕叶", "基底节", "丘脑", "侧脑室", "脑室", "大脑", "小脑", "脑"],
    &["眼", "眶"],
    &["锁骨"],
    &["肩胛骨", "肩胛", "肩", "肱骨"],
    &["肘", "尺骨", "桡骨"],
    &["腕", "掌", "手", "指"],
    &["髋", "股骨头", "股骨颈"],
    &["膝", "髌骨", "半月板"],
    &["股骨"],
    &["胫骨", "腓骨"],
    &["踝", "跟骨", "足", "趾"],
    &["腋"],
    &["腹股沟"],
    &["心", "室", "房"],
];

/// Words after which what is named is not there.
const NOT: &[&str] = &["未见", "未及", "未探及", "未显示", "无"];
const WELL: &[&str] =
    &["正常", "清晰", "光整", "光滑", "通畅", "对称", "锐利", "规则", "均匀", "完整", "不大", "不宽", "良好"];
const ILL: &[&str] = &[
    "影",
    "结节",
    "肿块",
    "肿物",
    "占位",
    "骨折",
    "积液",
    "积气",
    "积水",
    "囊肿",
    "结石",
    "斑",
    "病灶",
    "增厚",
    "增大",
    "增粗",
    "增生",
    "狭窄",
    "扩张",
    "钙化",
    "感染",
    "炎",
    "实变",
    "不张",
    "脱位",
    "回声团",
    "无回声",
    "低回声",
    "强回声",
    "肿大",
    "梗死",
    "出血",
    "血肿",
    "癌",
    "瘤",
    "不规则",
    "不均匀",
    "不清晰",
    "不光整",
    "不对称",
    "不完整",
    "不通畅",
];

/// What a signer has to have read before signing: the impression speaks of a side the findings do not.
pub fn warning(findings: &str, impression: &str) -> Option<String> {
    match compare(findings, impression) {
        Sides::Missing(side) => Some(fill(say::CHECK_SIDES_DIFFER, &[&side])),
        Sides::Nothing | Sides::Agree => None,
    }
}

pub fn compare(findings: &str, impression: &str) -> Sides {
    let (said, meant) = (mentions(findings), mentions(impression));
    if meant.is_empty() {
        return Sides::Nothing;
    }
    match meant.into_iter().find(|mention| !carried(*mention, &said)) {
        None => Sides::Agree,
        Some(Mention { side, organ, .. }) => {
            Sides::Missing(format!("{}{}", side.word(), organ.map_or("侧", |(_, word)| word)))
        }
    }
}

/// Whether the findings say what the impression means.
fn carried(meant: Mention, said: &[Mention]) -> bool {
    let organ = |mention: &Mention| mention.organ.map(|(organ, _)| organ);
    let same = |mention: &&Mention| organ(mention) == organ(&meant);
    // The findings may use another organ's name (股骨髁 for 膝): then the side alone is compared.
    let named = meant.organ.is_some() && said.iter().any(|mention| same(&mention));
    let said: Vec<Side> = said
        .iter()
        .filter(|mention| !named || same(mention) || mention.organ.is_none())
        .filter(|mention| meant.well || !mention.well)
        .map(|mention| mention.side)
        .collect();
    let (left, right, both) = (said.contains(&Side::Left), said.contains(&Side::Right), said.contains(&Side::Both));
    match meant.side {
        // Both sides are named and then one of them: the one is what was seen.
        Side::Left => left || both && !right,
        Side::Right => right || both && !left,
        Side::Both => both || left && right,
    }
}

fn mentions(text: &str) -> Vec<Mention> {
    let mut all = Vec::new();
    for sentence in text.split(['。', '；', ';', '\n', '\r']) {
        // An organ named once holds for the clauses after it: "甲状腺大小正常，右叶见结节".
        let mut subject = None;
        for clause in sentence.split(['，', ',', '：', ':', '（', '）', '(', ')']) {
            in_clause(clause, &mut subject, &mut all);
        }
    }
    all
}

fn in_clause(clause: &str, subject: &mut Option<(usize, &'static str)>, all: &mut Vec<Mention>) {
    let well = well(clause);
    let first = all.len();
    let mut rest = clause;
    while let Some(next) = rest.chars().next() {
        if let Some(after) = no_side(rest) {
            rest = after;
        } else if let Some((side, taken)) = side_at(rest) {
            // Two sides before one organ ("左、右肾") mean that organ both times.
            all.push(Mention { side, organ: None, well });
            rest = &rest[taken..];
        } else if let Some((organ, word)) = organ_at(rest) {
            *subject = Some((organ, word));
            for mention in all[first..].iter_mut().filter(|mention| mention.organ.is_none()) {
                mention.organ = *subject;
            }
            rest = &rest[word.len()..];
        } else {
            rest = &rest[next.len_utf8()..];
        }
    }
    for mention in all[first..].iter_mut().filter(|mention| mention.organ.is_none()) {
        mention.organ = *subject;
    }
}

fn organ_at(text: &str) -> Option<(usize, &'static str)> {
    ORGANS
        .iter()
        .enumerate()
        .find_map(|(n, words)| words.iter().find(|word| text.starts_with(**word)).map(|word| (n, *word)))
}

fn placed(text: &str) -> bool {
    text.starts_with(['侧', '上', '中', '下', '两', '双']) || organ_at(text).is_some()
}

/// What comes after a "左右" that means "about": "5 mm左右".
fn no_side(text: &str) -> Option<&str> {
    text.strip_prefix("左右").filter(|after| !placed(after))
}

/// A side at the beginning of `text`, and how many bytes it takes; "两枚" and "双源" are none.
fn side_at(text: &str) -> Option<(Side, usize)> {
    if let Some(rest) = text.strip_prefix("左右") {
        return placed(rest).then_some((Side::Both, 6));
    }
    if let Some(rest) = text.strip_prefix(['双', '两']) {
        return placed(rest).then_some((Side::Both, 3));
    }
    match text.chars().next()? {
        '左' => Some((Side::Left, 3)),
        '右' => Some((Side::Right, 3)),
        _ => None,
    }
}

/// A clause that finds nothing wrong.
fn well(clause: &str) -> bool {
    let not = NOT
        .iter()
        .filter(|word| **word != "无" || !clause.contains("无回声"))
        .filter_map(|word| clause.find(word))
        .min();
    let before = &clause[..not.unwrap_or(clause.len())];
    let ill = ILL.iter().any(|word| before.contains(word));
    !ill && (not.is_some() || WELL.iter().any(|word| clause.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(word: &str) -> Sides {
        Sides::Missing(word.into())
    }

    #[test]
    fn both_sides_of_another_organ_say_nothing_of_this_one() {
        let findings = "胸廓对称，双侧肺门不大，双侧膈面光整。右肺下野见斑片状密度增高影。";
        assert_eq!(compare(findings, "左肺下野感染，建议复查"), missing("左肺"));
        assert_eq!(compare(findings, "右肺下野感染，建议复查"), Sides::Agree);
    }

    #[test]
    fn a_normal_pair_carries_no_finding_on_one_side() {
        let findings = "双肺纹理清晰。右肺下野见斑片影。左肺未见异常。";
        assert_eq!(compare(findings, "左肺感染"), missing("左肺"));
        assert_eq!(compare("双肺纹理清晰", "左肺感染"), missing("左肺"));
        assert_eq!(compare("双肺纹理清晰", "左肺未见异常"), Sides::Agree);
    }

    #[test]
    fn an_ill_pair_carries_either_side_until_one_is_named() {
        assert_eq!(compare("双肺多发斑片影", "左肺感染"), Sides::Agree);
        assert_eq!(compare("双肺纹理增多，右肺下叶结节", "左肺结节"), missing("左肺"));
        assert_eq!(compare("两肺多发结节", "双肺结节"), Sides::Agree);
        assert_eq!(compare("右肺见结节", "双肺结节"), missing("双肺"));
    }

    #[test]
    fn a_side_belongs_to_its_organ() {
        let findings = "左肾见囊肿，大小约 12 mm。右侧输尿管上段见结石。";
        assert_eq!(compare(findings, "右肾囊肿"), missing("右肾"));
        assert_eq!(compare(findings, "左肾囊肿；右输尿管结石"), Sides::Agree);
        assert_eq!(compare(findings, "左侧输尿管结石"), missing("左输尿管"));
    }

    #[test]
    fn an_organ_before_its_side_and_in_the_clause_before_counts() {
        assert_eq!(compare("甲状腺大小正常，右叶见低回声结节", "甲状腺左叶结节"), missing("左甲状腺"));
        assert_eq!(compare("甲状腺大小正常，右叶见低回声结节", "甲状腺右叶结节"), Sides::Agree);
    }

    #[test]
    fn another_name_for_the_place_is_compared_by_side() {
        assert_eq!(compare("右侧股骨髁边缘骨质增生", "右膝退行性变"), Sides::Agree);
        assert_eq!(compare("右侧股骨髁边缘骨质增生", "左膝退行性变"), missing("左膝"));
        assert_eq!(compare("右肺下叶结节", "左侧病变"), missing("左侧"));
    }

    #[test]
    fn nothing_compared_is_not_agreement() {
        assert_eq!(compare("右肺下叶结节", ""), Sides::Nothing);
        assert_eq!(compare("右肺下叶结节", "肺结节，随诊"), Sides::Nothing);
        assert_eq!(compare("结节 5 mm左右", "结节 5 mm左右"), Sides::Nothing);
    }

    #[test]
    fn what_is_ill_and_well_defined_is_ill() {
        assert_eq!(compare("左肺上叶结节边界清晰", "左肺上叶结节"), Sides::Agree);
        assert_eq!(compare("左肾上极见无回声", "左肾囊肿"), Sides::Agree);
    }
}
