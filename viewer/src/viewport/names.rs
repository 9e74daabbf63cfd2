//! What each stack is called, the same on the rail, over the image and for a screen reader. Pure.
//!
//! A volume has its series' number and words. Everything else of one series would share those, so it goes by what tells it
//! apart: the view of a radiograph, a clip's or a still's place among its like.

use wire::StudyImages;

use super::stacks::Stack;
use super::words::say;

/// One name a stack, in order.
pub fn names(study: &StudyImages, stacks: &[Stack]) -> Vec<String> {
    let mut taken: Vec<(String, usize)> = Vec::new();
    let kinds: Vec<Option<String>> = stacks.iter().map(|stack| own_kind(study, stack)).collect();
    let times = |kind: &str| kinds.iter().flatten().filter(|other| *other == kind).count();
    let number = |taken: &mut Vec<(String, usize)>, kind: &str| match taken.iter_mut().find(|(name, _)| name == kind) {
        Some((_, count)) => {
            *count += 1;
            *count
        }
        None => {
            taken.push((kind.to_owned(), 1));
            1
        }
    };
    let name = |(stack, kind): (&Stack, &Option<String>)| match kind {
        Some(kind) if times(kind) > 1 => format!("{kind} {}", number(&mut taken, kind)),
        Some(kind) => kind.clone(),
        None => {
            let series = &study.series[stack.series];
            let words = series.description.trim();
            format!("{} {}", series.number, if words.is_empty() { series.modality.as_str() } else { words })
        }
    };
    stacks.iter().zip(&kinds).map(name).collect()
}

/// `None`: its series' own.
fn own_kind(study: &StudyImages, stack: &Stack) -> Option<String> {
    let series = &study.series[stack.series];
    let first = stack.slots.first()?;
    let attrs = series.instances.get(first.instance)?.attrs.as_ref();
    if let Some(view) = attrs.and_then(|attrs| projection(&attrs.view)) {
        return Some(view.to_owned());
    }
    if stack.times.is_some() {
        return Some(say("动态", "Clip").to_owned());
    }
    let alone = stack.slots.len() == 1 && series.instances.len() > 1;
    alone.then(|| say("静图", "Still").to_owned())
}

/// View Position (0018,5101) in the reader's words; `None` where the words are not known.
fn projection(view: &str) -> Option<&'static str> {
    Some(match view.trim() {
        "PA" | "AP" => say("正位", "Frontal"),
        "LL" | "RL" | "LAT" | "LATERAL" | "ML" | "LM" => say("侧位", "Lateral"),
        "RLD" | "LLD" => say("卧侧位", "Decubitus"),
        "RLO" | "LLO" | "LPO" | "RPO" | "LAO" | "RAO" => say("斜位", "Oblique"),
        "MLO" => say("内外斜位", "MLO"),
        "CC" => say("头尾位", "CC"),
        _ => return None,
    })
}

/// `正位 PA  右`: the view with the device's own word for it, and the side of a paired part. `U` says the part has no pair.
pub fn view_words(view: &str, laterality: &str) -> String {
    let view = view.trim();
    let side = match laterality.trim() {
        "L" => say("左", "Left"),
        "R" => say("右", "Right"),
        "B" => say("双侧", "Both"),
        _ => "",
    };
    let named = projection(view).map_or_else(|| view.to_owned(), |words| format!("{words} {view}"));
    [named.as_str(), side].into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::super::stacks;
    use super::super::stacks::tests::{attrs, study};
    use super::*;

    fn named(series: Vec<Vec<wire::ImageAttrs>>, description: &str) -> Vec<String> {
        let mut study = study(series);
        for series in &mut study.series {
            series.description = description.into();
            series.number += 3;
        }
        names(&study, &stacks::stacks(&study))
    }

    fn film(view: &str) -> wire::ImageAttrs {
        wire::ImageAttrs { view: view.into(), ..attrs(1, &[], false) }
    }

    #[test]
    fn two_views_of_one_series_have_two_names() {
        assert_eq!(named(vec![vec![film("PA"), film("LL")]], "胸部正侧位"), ["正位", "侧位"]);
        assert_eq!(named(vec![vec![film("RLO"), film("LLO")]], "颈椎"), ["斜位 1", "斜位 2"]);
    }

    #[test]
    fn clips_and_stills_are_told_apart_by_their_turn() {
        let clip = || attrs(30, &[40.0], false);
        let all = named(vec![vec![clip(), attrs(1, &[], false), clip(), attrs(1, &[], false)]], "肝胆胰脾肾");
        assert_eq!(all, ["动态 1", "静图 1", "动态 2", "静图 2"]);
    }

    #[test]
    fn a_volume_keeps_the_number_of_its_series() {
        let slices = || (0..5).map(|_| attrs(1, &[], true)).collect::<Vec<_>>();
        assert_eq!(named(vec![slices(), slices()], "肺窗"), ["3 肺窗", "4 肺窗"]);
    }

    #[test]
    fn an_unpaired_part_has_no_side() {
        assert_eq!(view_words("PA", "U"), "正位 PA");
        assert_eq!(view_words("", "L"), "左");
        assert_eq!(view_words("SKIERS", ""), "SKIERS");
    }
}
