//! Decoded pixels against the truth of two independent decoders (`pixels.json` of the shared inputs).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::worker::{Answer, Job, Task, work};
use super::*;
use crate::dicom::tests::shared;
use crate::dicom::{Header, Limits, tags, walk_bytes};

/// What a worker process answers, in this one.
fn decode(shape: &Shape, task: Task, coded: &[u8]) -> Result<Vec<u8>, String> {
    match work(&Job { shape: shape.clone(), task }, coded) {
        (Answer::Done { .. }, bytes) => Ok(bytes),
        (Answer::NoCodestream { reason } | Answer::Damaged { reason }, _) => Err(reason),
    }
}

fn load(path: &Path) -> Option<(Header, Vec<u8>)> {
    let bytes = std::fs::read(path).ok()?;
    Some((walk_bytes(&bytes, &Limits::default()).ok()?, bytes))
}

/// Mean of decoded samples, as the truth file has it.
fn mean(bytes: &[u8], dtype: &str) -> f64 {
    let values: Vec<f64> = match dtype {
        "uint8" => bytes.iter().map(|&b| b.into()).collect(),
        "int8" => bytes.iter().map(|&b| (b as i8).into()).collect(),
        "uint16" => bytes.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b).into()).collect(),
        "int16" => bytes.as_chunks().0.iter().map(|b| i16::from_le_bytes(*b).into()).collect(),
        "uint32" => bytes.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b).into()).collect(),
        other => panic!("no mean of {other}"),
    };
    values.iter().sum::<f64>() / values.len() as f64
}

#[derive(Default)]
struct Checked {
    exact: u32,
    close: u32,
    survived: u32,
    /// Exact and close ones, as `docs/codecs.md` counts them: by transfer syntax, by photometric form.
    tables: [BTreeMap<Vec<String>, [u32; 2]>; 2],
    wrong: Vec<String>,
    not_handled: BTreeMap<String, Vec<String>>,
}

impl Checked {
    fn count(&mut self, column: usize, syntax: &str, header: &Header, shape: &Shape) {
        let stored = if shape.bits_stored < shape.bits_allocated { "fewer" } else { "all" };
        let form = header.dataset.uid(tags::PHOTOMETRIC_INTERPRETATION).unwrap_or("none").to_owned();
        let sign = if shape.signed { "signed" } else { "unsigned" };
        let keys =
            [vec![syntax.to_owned()], vec![form, shape.bits_allocated.to_string(), stored.to_owned(), sign.to_owned()]];
        for (table, key) in self.tables.iter_mut().zip(keys) {
            table.entry(key).or_default()[column] += 1;
        }
        if column == 0 { self.exact += 1 } else { self.close += 1 }
    }
}

/// The rows of the document's tables: the first `keys` cells of each that has two figures at its end.
fn documented(keys: usize) -> BTreeMap<Vec<String>, [u32; 2]> {
    let text = include_str!("../../docs/codecs.md");
    let row = |line: &str| {
        let cells: Vec<String> =
            line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(|c| c.trim().into()).collect();
        let [.., exact, close] = &cells[..] else { return None };
        let figures = [exact.parse().ok()?, close.parse().ok()?];
        let table = if cells[0].starts_with("1.2.") { 1 } else { 4 };
        (table == keys).then(|| (cells[..keys].to_vec(), figures))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn the_table_of_codecs_names_every_syntax_that_is_decoded_and_no_other() {
    let native = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"];
    let decoded = shape::DECODED.iter().map(|(uid, _)| *uid).chain(native);
    let decoded: BTreeSet<Vec<String>> = decoded.map(|uid| vec![uid.to_owned()]).collect();
    assert_eq!(documented(1).into_keys().collect::<BTreeSet<_>>(), decoded);
}

/// The coded first frame of a file, and its last where the truth knows that one too.
struct Coded {
    shape: Shape,
    first: Vec<u8>,
    last: Option<Vec<u8>>,
}

async fn read(header: &Header, bytes: &Vec<u8>, with_last: bool) -> Result<Coded, FrameError> {
    let cache = FrameCache::default();
    let frames = Frames::new(header, bytes, &cache)?;
    let first = frames.read(0).await?;
    let last = if with_last { Some(frames.read(frames.count - 1).await?) } else { None };
    Ok(Coded { shape: frames.shape.clone(), first, last })
}

async fn check(root: &Path, name: &str, truth: &serde_json::Value, checked: &mut Checked) {
    let syntax = truth["transfer_syntax"].as_str().unwrap_or_default().to_owned();
    let robust = truth["check"] == "robustness";
    let Some((header, bytes)) = load(&root.join(name)) else {
        match robust {
            true => checked.survived += 1,
            false => checked.wrong.push(format!("{name}: not walked")),
        }
        return;
    };
    let coded = match read(&header, &bytes, truth["last_frame"]["sha256"].is_string()).await {
        Ok(coded) => coded,
        Err(error) => {
            checked.not_handled.entry(format!("{syntax} {error}")).or_default().push(name.to_owned());
            return;
        }
    };
    let first = match decode(&coded.shape, Task::RawSamples, &coded.first) {
        Ok(bytes) => bytes,
        Err(_) if robust => {
            checked.survived += 1;
            return;
        }
        Err(error) => {
            checked.wrong.push(format!("{name} ({syntax}): {error}"));
            return;
        }
    };
    match truth["check"].as_str() {
        Some("exact") if is_exact(truth, &coded, &first) => checked.count(0, &syntax, &header, &coded.shape),
        Some("exact") => checked.wrong.push(format!("{name} ({syntax}): other pixels")),
        Some("tolerance") => match far_off(truth, &first) {
            None => checked.count(1, &syntax, &header, &coded.shape),
            Some(far_off) => checked.wrong.push(format!("{name} ({syntax}): {far_off}")),
        },
        _ => checked.survived += 1,
    }
}

/// Whether the decoded `first` frame, the last, and the colours are those of the truth, bit by bit.
fn is_exact(truth: &serde_json::Value, coded: &Coded, first: &[u8]) -> bool {
    let hash = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let decodes_to = |task, coded_frame: &[u8], expected: &serde_json::Value| {
        decode(&coded.shape, task, coded_frame).is_ok_and(|bytes| *expected == hash(&bytes))
    };
    let same_last =
        coded.last.as_ref().is_none_or(|last| decodes_to(Task::RawSamples, last, &truth["last_frame"]["sha256"]));
    let same_colours =
        truth["rgb"]["how"] != "pydicom YBR->RGB" || decodes_to(Task::Samples, &coded.first, &truth["rgb"]["sha256"]);
    truth["sha256_native"] == hash(first) && same_last && same_colours
}

/// How the mean of a lossily coded frame differs from the truth by more than decoders may differ.
fn far_off(truth: &serde_json::Value, first: &[u8]) -> Option<String> {
    let dtype = truth["dtype"].as_str().unwrap();
    let (found, expected) = (mean(first, dtype), truth["mean"].as_f64().unwrap());
    let allowed = if dtype.ends_with('8') { 1.0 } else { truth["max"].as_f64().unwrap() * 0.001 };
    ((found - expected).abs() > allowed).then(|| format!("mean {found} for {expected}"))
}

#[tokio::test]
async fn decoded_frames_equal_the_truth() {
    let Some(root) = shared() else { return };
    let truth: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&std::fs::read(root.join("pixels.json")).unwrap()).unwrap();
    let mut checked = Checked::default();
    for (name, truth) in truth.iter().filter(|(_, truth)| truth["confidence"] != "DISPUTED") {
        check(&root, name, truth, &mut checked).await;
    }
    let Checked { exact, close, survived, tables, wrong, not_handled } = checked;
    println!("{exact} exact, {close} within tolerance, {survived} damaged ones survived");
    println!("not handled: {not_handled:#?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (table, keys) in tables.into_iter().zip([1, 4]) {
        let said: BTreeMap<_, _> = documented(keys).into_iter().filter(|(_, figures)| *figures != [0, 0]).collect();
        let rows = table.iter().map(|(key, [a, b])| format!("| {} | {a} | {b} |\n", key.join(" | ")));
        assert_eq!(said, table, "docs/codecs.md says otherwise; seen was\n{}", rows.collect::<String>());
    }
    // Every transfer syntax of the truth file had a decoder when this was written.
    assert!(exact >= 319 && close >= 51 && not_handled.is_empty());
}

/// The same three frames of single bits, natively, as RLE and as a deflated stream each.
#[tokio::test]
async fn single_bits_are_the_same_however_they_are_coded() {
    let Some(root) = shared() else { return };
    let mut seen = Vec::new();
    for name in ["liver.dcm", "liver_expb.dcm", "liver_rle.dcm", "liver_deflate.dcm"] {
        let (header, bytes) = load(&root.join("pydicom-data").join(name)).unwrap();
        let cache = FrameCache::default();
        let frames = Frames::new(&header, &bytes, &cache).unwrap();
        let mut decoded = Vec::new();
        for index in 0..frames.count {
            let coded = frames.read(index).await.unwrap();
            decoded.push(decode(&frames.shape, Task::RawSamples, &coded).unwrap());
        }
        seen.push((name, decoded));
    }
    let (_, wanted) = &seen[0];
    assert_eq!((wanted.len(), wanted[0].len()), (3, 512 * 512));
    assert!(wanted.iter().flatten().any(|&bit| bit == 1));
    for (name, decoded) in &seen {
        assert!(decoded == wanted, "{name}");
    }
}

/// Eight by eight pixels of one colour, as JPEG with these three components.
fn of_one_colour(components: [u8; 3], kind: jpeg_encoder::ColorType) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut out, 100);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_1_1);
    encoder.encode(&components.repeat(64), 8, 8, kind).unwrap();
    assert_eq!(&out[6..11], b"JFIF\0");
    out
}

#[test]
fn colours_are_those_of_the_codestream_and_fit_what_the_header_calls_them() {
    let (red, as_ybr) = ([200, 60, 30], [98, 89, 200]);
    let jfif = of_one_colour(red, jpeg_encoder::ColorType::Rgb);
    // The same components as they are, and a marker that says so.
    let plain = of_one_colour(red, jpeg_encoder::ColorType::Ycbcr);
    let rest = 4 + usize::from(u16::from_be_bytes([plain[4], plain[5]]));
    let adobe = [&plain[..2], b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0\0", &plain[rest..]].concat();
    for stream in [&jfif, &adobe] {
        for (colour, kept) in [(Colour::Plain, red), (Colour::YbrFull, as_ybr), (Colour::YbrFull422, as_ybr)] {
            let shape = Shape {
                rows: 8,
                columns: 8,
                samples: 3,
                bits_allocated: 8,
                bits_stored: 8,
                high_bit: 7,
                signed: false,
                planar: false,
                colour,
                codec: Codec::Jpeg,
            };
            for (task, expected) in [(Task::Samples, red), (Task::RawSamples, kept)] {
                let samples = decode(&shape, task, stream).unwrap();
                let near = samples
                    .as_chunks::<3>()
                    .0
                    .iter()
                    .all(|pixel| pixel.iter().zip(expected).all(|(found, wanted)| found.abs_diff(wanted) <= 3));
                assert!(near, "{colour:?} {task:?}: {:?} for {expected:?}", &samples[..3]);
            }
        }
    }
}

/// What has pixels and no truth: whatever another decoder reads of these is read here, and the rest is refused.
#[tokio::test]
async fn files_without_a_truth_decode_or_are_refused() {
    let Some(root) = shared() else { return };
    let bytes_of = |name: &str| std::fs::read(root.join(name)).unwrap();
    let manifest: Vec<serde_json::Value> = serde_json::from_slice(&bytes_of("manifest.json")).unwrap();
    let truth: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&bytes_of("pixels.json")).unwrap();
    let mut refused = Vec::new();
    for entry in &manifest {
        let name = entry["path"].as_str().unwrap();
        if truth.get(name).is_some_and(|truth| truth["confidence"] != "DISPUTED") || entry["rows"].is_null() {
            continue;
        }
        let Some((header, bytes)) = load(&root.join(name)) else { continue };
        let decoded = match read(&header, &bytes, false).await {
            Ok(coded) => decode(&coded.shape, Task::Samples, &coded.first),
            Err(error) => Err(error.to_string()),
        };
        if decoded.is_err() {
            refused.push(name);
        }
    }
    assert_eq!(refused, REFUSED);
}

/// None of these is read whole by dcmtk 3.6.7 or pydicom: no pixels, a codestream cut in two, or too few samples.
const REFUSED: [&str; 6] = [
    "pydicom/charset_files/chrJapMulti.dcm",
    "pydicom/test_files/JPEG2000-embedded-sequence-delimiter.dcm",
    "pydicom/test_files/MR_truncated.dcm",
    "derived/broken/pixel_odd_len.dcm",
    "derived/broken/rows_65535.dcm",
    "derived/broken/trunc_pixel_half.dcm",
];
