//! The walker against every real and every hostile file at hand.

use std::path::{Path, PathBuf};

use super::*;

/// The shared test inputs, where there are any; their absence fails only where `CI` says that they must be there.
pub(crate) fn shared() -> Option<PathBuf> {
    let path = std::env::var_os("YUNYING_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
        .join("dicom");
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is missing", path.display());
    eprintln!("skipped: {} is missing", path.display());
    None
}

/// Every file below the shared inputs with its path relative to them.
pub(crate) fn files(root: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if !path.extension().is_some_and(|e| e == "json" || e == "md") {
                found.push((path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), path));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn headers_agree_with_what_another_reader_found() {
    let Some(root) = shared() else { return };
    let manifest: Vec<serde_json::Value> =
        serde_json::from_slice(&std::fs::read(root.join("manifest.json")).unwrap()).unwrap();
    let (mut walked, mut refused, mut wrong) = (0, Vec::new(), Vec::new());
    for entry in &manifest {
        let path = entry["path"].as_str().unwrap();
        let file = std::fs::File::open(root.join(path)).unwrap();
        let header = match walk(file, &Limits::default()) {
            Ok(header) => header,
            Err(error) => {
                refused.push(format!("{path}: {error}"));
                continue;
            }
        };
        walked += 1;
        let set = &header.dataset;
        let texts = [
            ("ts", Some(header.transfer_syntax.as_str())),
            ("sopi", set.uid(tags::SOP_INSTANCE_UID)),
            ("study", set.uid(tags::STUDY_INSTANCE_UID)),
            ("series", set.uid(tags::SERIES_INSTANCE_UID)),
        ];
        for (key, found) in texts {
            if let Some(expected) = entry[key].as_str()
                && found.unwrap_or_default() != expected
            {
                wrong.push(format!("{path}: {key} {found:?} for {expected}"));
            }
        }
        let numbers = [
            ("rows", tags::ROWS),
            ("cols", tags::COLUMNS),
            ("frames", tags::NUMBER_OF_FRAMES),
            ("bs", tags::BITS_STORED),
        ];
        for (key, tag) in numbers {
            if let Some(expected) = entry[key].as_i64()
                && set.int(tag) != Some(expected)
            {
                wrong.push(format!("{path}: {key} {:?} for {expected}", set.int(tag)));
            }
        }
    }
    println!("{walked} walked, {} refused:\n{}", refused.len(), refused.join("\n"));
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn hostile_files_are_refused_with_their_reason_or_read() {
    let Some(root) = shared() else { return };
    let reason = |name: &str| {
        let file = std::fs::File::open(root.join("derived/broken").join(name)).unwrap();
        walk(file, &Limits::default()).map(|h| h.pixel_data.map(|p| p.truncated)).map_err(|e| e.reason())
    };
    for name in ["empty.dcm", "zeros_4k.dcm", "preamble_only_then_dicm_garbage.dcm", "trunc_after_dicm.dcm"] {
        assert_eq!(reason(name), Err("not_dicom"), "{name}");
    }
    assert_eq!(reason("trunc_in_header.dcm"), Err("truncated"));
    assert_eq!(reason("trunc_in_meta.dcm"), Err("truncated"));
    assert_eq!(reason("nested_sq_200.dcm"), Err("too_deep"));
    assert_eq!(reason("trunc_pixel_half.dcm"), Ok(Some(true)));
    assert_eq!(reason("pixel_undefined_len_no_items.dcm"), Ok(Some(true)));
    assert_eq!(reason("trunc_last_byte.dcm"), Ok(Some(false)));
    assert_eq!(reason("wrong_vr_rows_XX.dcm"), Ok(Some(false)));
    assert_eq!(reason("no_meta_no_preamble_explicit.dcm"), Ok(Some(false)));
}

#[test]
fn names_read_right_in_whatever_character_set_they_came() {
    let Some(root) = shared() else { return };
    let name = |path: &str| {
        let header = walk(std::fs::File::open(root.join(path)).unwrap(), &Limits::default()).unwrap();
        PersonName::parse(&header.dataset.text(tags::PATIENT_NAME).unwrap()).display()
    };
    for (path, expected) in [
        ("derived/charset/gb18030_three_component.dcm", "王小东"),
        ("derived/charset/latin1_declared_gbk_bytes.dcm", "赵志强"),
        ("derived/charset/utf8_japanese_korean_mix.dcm", "山田太郎"),
        ("derived/charset/utf8_three_component.dcm", "李娜"),
        ("pydicom/charset_files/chrArab.dcm", "قباني لنزار"),
        ("pydicom/charset_files/chrFren.dcm", "Buc Jérôme"),
        ("pydicom/charset_files/chrFrenMulti.dcm", "Buc Jérôme"),
        ("pydicom/charset_files/chrGerm.dcm", "Äneas Rüdiger"),
        ("pydicom/charset_files/chrGreek.dcm", "Διονυσιος"),
        ("pydicom/charset_files/chrH31.dcm", "山田太郎"),
        ("pydicom/charset_files/chrH32.dcm", "山田太郎"),
        ("pydicom/charset_files/chrHbrw.dcm", "שרון דבורה"),
        ("pydicom/charset_files/chrI2.dcm", "洪吉洞"),
        ("pydicom/charset_files/chrJapMulti.dcm", "やまだたろう"),
        ("pydicom/charset_files/chrRuss.dcm", "Люкceмбypг"),
        ("pydicom/charset_files/chrX1.dcm", "王小東"),
    ] {
        assert_eq!(name(path), expected, "{path}");
    }
}

/// A small, fast, seeded generator: failures can be repeated from the seed in the message.
pub(crate) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// Changes, cuts or repeats a few bytes, preferring the header's.
    pub fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(8) {
            let reach = if self.below(4) == 0 { bytes.len() } else { bytes.len().min(4096) };
            let at = self.below(reach);
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => {
                    let end = (at + self.below(64)).min(bytes.len());
                    let piece = bytes[at.min(end)..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                2 => {
                    let end = (at + 4).min(bytes.len());
                    bytes[at.min(end)..end].fill(0xFF);
                }
                _ if at < bytes.len() => bytes[at] = self.next() as u8,
                _ => {}
            }
        }
    }
}

#[test]
fn no_bytes_make_the_walker_panic_or_hoard() {
    let Some(root) = shared() else { return };
    let limits = Limits { total: 1 << 20, inflated: 8 << 20, ..Limits::default() };
    let rounds = std::env::var("YUNYING_FUZZ_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let mut random = Random(0x5EED_0FD1_C00D);
    for (name, path) in files(&root) {
        let mut original = std::fs::read(&path).unwrap();
        original.truncate(256 * 1024);
        for _ in 0..rounds {
            let seed = random.0;
            let mut bytes = original.clone();
            random.mutate(&mut bytes);
            let Ok(header) = walk_bytes(&bytes, &limits) else { continue };
            let kept: usize = held(&header.dataset);
            assert!(kept <= limits.total + 64 * 1024, "{name} seed {seed:#x} keeps {kept} bytes");
            for element in header.dataset.elements() {
                header.dataset.texts(element.tag);
                header.dataset.floats(element.tag);
                header.dataset.uid(element.tag);
            }
        }
    }
}

fn held(set: &Dataset) -> usize {
    set.elements()
        .iter()
        .map(|e| match &e.value {
            Value::Bytes(bytes) => bytes.len() + size_of::<Element>(),
            Value::Items(items) => items.iter().map(held).sum::<usize>() + size_of::<Element>(),
            Value::Elsewhere { .. } => size_of::<Element>(),
        })
        .sum()
}
