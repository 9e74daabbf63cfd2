//! What a specialist starts from: 检查所见 and 诊断意见 for the exams a county does every day.
//!
//! Data, in `templates.toml`, embedded. A template describes a normal exam; `‹填写›` marks what must be measured or decided. Blanks
//! keep a report from being signed ([`super::state::complete`]), so a normal exam has as few as it can.

use std::sync::LazyLock;

use wire::Template;

/// The file as it is written; the modality and body part are given once a group.
#[derive(serde::Deserialize)]
struct File {
    group: Vec<Group>,
}

#[derive(serde::Deserialize)]
struct Group {
    modalities: Vec<String>,
    template: Vec<Entry>,
}

#[derive(serde::Deserialize)]
struct Entry {
    id: String,
    name: String,
    /// Words a device or an order may use for the body part, lower case; the first is the template's own.
    #[serde(default)]
    parts: Vec<String>,
    findings: String,
    impression: String,
}

/// None if the embedded file could not be read, which its test rules out.
static FILE: LazyLock<Option<File>> = LazyLock::new(|| toml::from_str(include_str!("templates.toml")).ok());

/// Templates for an exam: those of its body part first, then the others of its modality. `body_part` is searched for
/// the words a template knows, so `CHEST_TO_PELVIS`, `胸部 CT 平扫` and `chest` all find the chest.
pub fn for_modality(modality: &str, body_part: &str) -> Vec<Template> {
    let modality = modality.trim().to_ascii_uppercase();
    let body_part = body_part.to_lowercase();
    let groups = FILE.iter().flat_map(|file| &file.group);
    let groups = groups.filter(|group| group.modalities.contains(&modality));
    let mut entries: Vec<&Entry> = groups.flat_map(|group| &group.template).collect();
    // The longest word found decides: 胸椎 is a spine, not a chest.
    entries.sort_by_key(|entry| std::cmp::Reverse(longest_found(&entry.parts, &body_part)));
    entries.into_iter().map(|entry| offer(entry, &modality)).collect()
}

fn longest_found(words: &[String], text: &str) -> usize {
    words.iter().filter(|word| text.contains(word.as_str())).map(|word| word.chars().count()).max().unwrap_or(0)
}

fn offer(entry: &Entry, modality: &str) -> Template {
    Template {
        id: entry.id.clone(),
        name: entry.name.clone(),
        modality: modality.to_owned(),
        body_part: entry.parts.first().cloned().unwrap_or_default(),
        findings: entry.findings.trim().to_owned(),
        impression: entry.impression.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::reporting::state::SLOT;

    #[test]
    fn the_file_reads_and_every_id_is_its_own() {
        let file: File = toml::from_str(include_str!("templates.toml")).unwrap();
        let ids: Vec<&str> =
            file.group.iter().flat_map(|group| &group.template).map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }

    #[test]
    fn the_body_part_comes_first_whatever_it_is_called() {
        for (modality, part, id) in [
            ("CT", "CHEST", "ct-chest"),
            ("CT", "胸部 CT 平扫", "ct-chest"),
            ("CT", "HEAD", "ct-head"),
            ("ct", "上腹部", "ct-abdomen"),
            ("DX", "CHEST", "dx-chest"),
            ("CR", "胸部正侧位", "dx-chest"),
            ("US", "ABDOMEN", "us-abdomen"),
            ("US", "甲状腺", "us-thyroid"),
            ("US", "双侧颈动脉", "us-vessel"),
            ("DX", "胸椎正侧位", "dx-spine"),
        ] {
            assert_eq!(for_modality(modality, part)[0].id, id, "{modality} {part}");
        }
    }

    #[test]
    fn every_modality_of_a_county_has_something_to_start_from() {
        for modality in ["CT", "DX", "CR", "US", "MR", "MG"] {
            assert!(!for_modality(modality, "").is_empty(), "{modality}");
        }
        assert!(for_modality("XYZ", "CHEST").is_empty());
    }

    #[test]
    fn a_slot_is_spelled_in_one_way() {
        let file: File = toml::from_str(include_str!("templates.toml")).unwrap();
        for entry in file.group.iter().flat_map(|group| &group.template) {
            for text in [&entry.findings, &entry.impression] {
                assert_eq!(text.matches('‹').count(), text.matches(SLOT).count(), "{}", entry.id);
                assert!(!text.trim().is_empty(), "{}", entry.id);
            }
        }
    }
}
