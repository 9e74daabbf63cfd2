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
fn a_pad_byte_behind_an_odd_last_value_is_no_element() {
    let odd = b"\x08\x00\x60\x00CS\x02\x00CT\xE0\x7F\x10\x00OB\0\0\x03\0\0\0\x01\x02\x03";
    let read = |tail: &[u8]| walk_bytes(&[odd, tail].concat(), &Limits::default());
    for tail in [&[][..], &[0], &[0, 0], &[0, 0, 0]] {
        assert_eq!(read(tail).unwrap().pixel_data.map(|pixels| pixels.length), Some(3), "{tail:?}");
    }
    assert_eq!(read(&[7]).map_err(|error| error.reason()).err(), Some("truncated"));
}

#[test]
fn float_samples_are_found_and_taken_for_no_image() {
    let shape = b"\x28\0\x10\0US\x02\0\x01\0\x28\0\x11\0US\x02\0\x01\0\x28\0\x00\x01US\x02\0\x20\0";
    for (pixels, is_image) in [
        (&b"\xE0\x7F\x08\0OF\0\0\x04\0\0\0\0\0\x80\x3F"[..], false),
        (b"\xE0\x7F\x10\0OW\0\0\x04\0\0\0\0\0\x80\x3F", true),
    ] {
        let header = walk_bytes(&[&shape[..], pixels].concat(), &Limits::default()).unwrap();
        assert_eq!(header.pixel_data.as_ref().map(|pixels| pixels.length), Some(4));
        assert_eq!(image_attrs(&header).is_some(), is_image);
    }
}

#[test]
fn what_is_written_anew_takes_no_file_meta_out_of_the_data_set() {
    // A data set that brings a transfer syntax of its own, behind the file meta's end.
    let set = b"\x01\0\x10\0LO\x02\0no\x02\0\x10\0UI\x04\x001.2\0\x08\0\x60\0CS\x02\0CT\x10\0\x20\0LO\x02\0P1";
    let header = walk_bytes(&[&super::front_of(uids::EXPLICIT_VR_LITTLE_ENDIAN)[..], set].concat(), &Limits::default());
    let header = header.unwrap();
    assert_eq!(header.dataset.uid(tags::TRANSFER_SYNTAX_UID), Some("1.2"));
    let written = super::rewrite(&header, uids::IMPLICIT_VR_LITTLE_ENDIAN, None).unwrap();
    let [super::Piece::Bytes(before)] = &written.before[..] else { panic!("{written:?}") };
    let again = walk_bytes(&[&written.file_meta[..], before].concat(), &Limits::default()).unwrap();
    assert_eq!(again.transfer_syntax, uids::IMPLICIT_VR_LITTLE_ENDIAN);
    let tags: Vec<Tag> = again.dataset.elements().iter().map(|element| element.tag).collect();
    assert_eq!(tags, [tags::MODALITY, tags::PATIENT_ID]);
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
            let json = to_json(&header, "/i");
            assert!(json.len() < 16 * limits.total, "{name} seed {seed:#x} gives {} bytes of JSON", json.len());
            assert!(serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok(), "{name} seed {seed:#x}: {json}");
            if let Some(attrs) = image_attrs(&header) {
                assert!(
                    attrs.rows > 0 && attrs.columns > 0 && attrs.bits_stored <= attrs.bits_allocated,
                    "{name} {seed:#x}"
                );
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

fn open(path: &str) -> Option<Header> {
    let root = shared()?;
    Some(walk(std::fs::File::open(root.join(path)).unwrap(), &Limits::default()).unwrap())
}

#[test]
fn json_holds_names_numbers_sequences_and_addresses() {
    let Some(header) = open("derived/charset/gb18030_three_component.dcm") else { return };
    let json: serde_json::Value = serde_json::from_str(&to_json(&header, "/dicomweb/x")).unwrap();
    assert_eq!(json["00080005"]["Value"][0], "ISO_IR 192");
    assert_eq!(json["00100010"]["vr"], "PN");
    assert_eq!(json["00100010"]["Value"][0]["Ideographic"], "王^小东");
    assert_eq!(json["00280010"], serde_json::json!({"vr": "US", "Value": [128]}));
    assert_eq!(json["00280030"], serde_json::json!({"vr": "DS", "Value": [0.661468, 0.661468]}));
    assert_eq!(json["7FE00010"], serde_json::json!({"vr": "OW", "BulkDataURI": "/dicomweb/x/bulkdata/7FE00010"}));
    let Some(header) = open("cornerstone3D/no-pixel-spacing.dcm") else { return };
    let json: serde_json::Value = serde_json::from_str(&to_json(&header, "/i")).unwrap();
    assert_eq!(json["00186011"]["Value"][0]["0018601A"]["Value"][0], 60);
}

/// Photometric Interpretation and Planar Configuration in the metadata of a file.
fn described(bytes: &[u8]) -> (String, i64) {
    let header = walk_bytes(bytes, &Limits::default()).unwrap();
    let json: serde_json::Value = serde_json::from_str(&to_json(&header, "/i")).unwrap();
    let text = json["00280004"]["Value"][0].as_str().unwrap_or_default().to_owned();
    (text, json["00280006"]["Value"][0].as_i64().unwrap_or(-1))
}

#[test]
fn metadata_says_of_compressed_pixels_what_they_are_once_decoded() {
    let Some(root) = shared() else { return };
    let read = |path: &str| std::fs::read(root.join(path)).unwrap();
    let clip = read("fo-dicom/multiframe.dcm");
    assert_eq!(described(&clip), ("YBR_FULL".into(), 0));
    // The same, said to be of colour planes, which no JPEG is.
    let planar = [0x28, 0, 6, 0, b'U', b'S', 2, 0, 0, 0];
    let at = clip.windows(planar.len()).position(|bytes| bytes == planar).unwrap();
    let mut of_planes = clip;
    of_planes[at + 8] = 1;
    assert_eq!(described(&of_planes), ("YBR_FULL".into(), 0));
    assert_eq!(described(&read("nema-wg04/J2KR/VL1_J2KR")), ("RGB".into(), 0));
    // Native samples are served as they lie.
    assert_eq!(described(&read("pydicom/test_files/SC_ybr_full_422_uncompressed.dcm")), ("YBR_FULL_422".into(), 0));
    assert_eq!(described(&read("dcm4che/US-RGB-8-epicard")), ("RGB".into(), 1));
}

#[test]
fn an_ultrasound_image_knows_its_regions_palette_and_rate() {
    let Some(header) = open("pydicom-data/OBXXXX1A_rle_2frame.dcm") else { return };
    let attrs = image_attrs(&header).unwrap();
    assert_eq!((attrs.rows, attrs.columns, attrs.frames), (600, 800, 2));
    assert_eq!(attrs.photometric, wire::Photometric::Palette);
    let palette = attrs.palette.unwrap();
    assert_eq!((palette.first, palette.red.len(), palette.green.len()), (0, 256, 256));
    let region = &attrs.regions[0];
    assert_eq!((region.x0, region.y0, region.x1, region.y1, region.unit_x), (120, 60, 800, 518, 3));
    assert!((region.delta_x - 0.026_228_787_661_969_98).abs() < 1e-15);
    let Some(header) = open("nema-wg16/dicom-ts-issues/US-PAL-8-10x-echo.dcm") else { return };
    assert_eq!(image_attrs(&header).unwrap().frame_times_ms, [76.0]);
}

#[test]
fn functional_groups_are_read_shared_and_first_frame() {
    let Some(header) = open("pydicom-data/eCT_Supplemental.dcm") else { return };
    let attrs = image_attrs(&header).unwrap();
    assert_eq!((attrs.frames, attrs.rescale_intercept, attrs.rescale_slope), (2, -1024.0, 1.0));
    assert_eq!(attrs.pixel_spacing, Some((0.388_672, 0.388_672)));
    assert_eq!(attrs.position, Some([99.5, -301.5, -159.0]));
    assert_eq!(attrs.orientation, Some([-1.0, 0.0, 0.0, 0.0, 1.0, 0.0]));
    assert_eq!((attrs.windows[0].center, attrs.windows[0].width), (49.0, 102.0));
    assert!(attrs.frame_times_ms.is_empty());
    let places: Vec<_> = attrs.clone().into_frames().iter().map(|frame| frame.position).collect();
    assert_eq!(places, [Some([99.5, -301.5, -159.0]), Some([99.5, -301.5, -149.0])]);
    let Some(plain) = open("pydicom/test_files/CT_small.dcm") else { return };
    assert_eq!(image_attrs(&plain).unwrap().into_frames().len(), 1);
}

#[test]
fn segmented_palettes_and_modality_luts_are_expanded() {
    let Some(header) = open("pydicom-data/mlut_18.dcm") else { return };
    let lut = image_attrs(&header).unwrap().modality_lut.unwrap();
    assert_eq!((lut.first, lut.bits, lut.data.len()), (-2048, 16, 4096));
    let Some(header) = open("pydicom/palettes/spring.dcm") else { return };
    let palette = palette::palette(&header.dataset, false).unwrap();
    assert_eq!((palette.red.len(), palette.green.len(), palette.blue.len()), (256, 256, 256));
    assert_eq!((palette.red[255], palette.green[0], palette.green[255], palette.blue[255]), (65535, 0, 65535, 0));
}
