//! What of a report's text changed between two reviews, by its sentences. Pure.

use wire::{ReportBody, Returned};

/// A sentence that is only in one of the two texts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    Gone(String),
    New(String),
}

/// Findings, then impression; in the order one reads, what was there before what replaced it.
pub fn changed(was: &Returned, now: &ReportBody) -> Vec<Line> {
    let mut lines = compare(&was.findings, &now.findings);
    lines.extend(compare(&was.impression, &now.impression));
    lines
}

/// Sentences of a report, each with its stop.
fn sentences(text: &str) -> Vec<&str> {
    let all = text.split_inclusive(['。', '；', '\n', ';']).map(str::trim);
    all.filter(|sentence| !sentence.is_empty()).collect()
}

/// More sentences than that are shown as a whole text gone and a whole text new.
const MOST: usize = 400;

/// By the longest common run of sentences.
fn compare(was: &str, now: &str) -> Vec<Line> {
    let (was, now) = (sentences(was), sentences(now));
    let gone = |text: &&str| Line::Gone((*text).to_owned());
    let new = |text: &&str| Line::New((*text).to_owned());
    if was.len() > MOST || now.len() > MOST {
        return was.iter().map(gone).chain(now.iter().map(new)).filter(|_| was != now).collect();
    }
    let common = common(&was, &now);
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < was.len() || j < now.len() {
        match (was.get(i), now.get(j)) {
            (Some(old), Some(young)) if old == young => (i, j) = (i + 1, j + 1),
            (Some(old), young) if young.is_none() || common[i + 1][j] >= common[i][j + 1] => {
                lines.push(gone(old));
                i += 1;
            }
            (_, Some(young)) => {
                lines.push(new(young));
                j += 1;
            }
            (_, None) => break,
        }
    }
    lines
}

/// How many sentences the rests from each place have in common.
fn common(was: &[&str], now: &[&str]) -> Vec<Vec<usize>> {
    let mut table = vec![vec![0; now.len() + 1]; was.len() + 1];
    for i in (0..was.len()).rev() {
        for j in (0..now.len()).rev() {
            table[i][j] = if was[i] == now[j] { table[i + 1][j + 1] + 1 } else { table[i + 1][j].max(table[i][j + 1]) };
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing;

    fn lines(was: &str, now: &str) -> Vec<Line> {
        compare(was, now)
    }

    #[test]
    fn a_sentence_put_right_is_shown_as_it_was_and_as_it_is() {
        let was = "右肺上叶见结节。左肺清晰。心影不大。";
        let now = "左肺上叶见结节。左肺清晰。心影不大。";
        assert_eq!(lines(was, now), [Line::Gone("右肺上叶见结节。".into()), Line::New("左肺上叶见结节。".into())]);
    }

    #[test]
    fn what_was_added_and_what_was_taken_out_stand_alone() {
        assert_eq!(lines("甲。乙。", "甲。丙。乙。"), [Line::New("丙。".into())]);
        assert_eq!(lines("甲。丙。乙。", "甲。乙。"), [Line::Gone("丙。".into())]);
        assert_eq!(lines("", "甲。"), [Line::New("甲。".into())]);
        assert_eq!(lines("甲。", "甲。"), []);
    }

    #[test]
    fn findings_and_impression_are_both_compared() {
        let was =
            Returned { note: "左右写反".into(), findings: "甲。".into(), impression: "右肺炎。".into() };
        let mut now = testing::report(2, "甲。");
        now.impression = "左肺炎。".into();
        assert_eq!(changed(&was, &now), [Line::Gone("右肺炎。".into()), Line::New("左肺炎。".into())]);
    }

    #[test]
    fn a_text_beyond_measure_is_shown_whole() {
        let long = "甲。".repeat(MOST + 1);
        assert_eq!(lines(&long, "乙。").len(), MOST + 2);
        assert_eq!(lines(&long, &long), []);
    }
}
