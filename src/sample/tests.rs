//! Whole studies, read back from their files.

use std::collections::BTreeSet;
use std::path::Path;

use dicom_dictionary_std::{tags, uids};
use dicom_object::{DefaultDicomObject, Tag, open_file};
use dicom_pixeldata::PixelDecoder;

use super::*;

/// 2026-11-20 09:42 in the county.
const NOW: Micros = Micros(1_795_138_920_000_000);

fn exam_of(kind: Kind, seed: u64) -> Exam {
    let plan = Plan { ct: 1, dr: 1, us: 1, slices: 4, seed, compact: true, now: NOW };
    exam(&plan, kind, seed as usize, 8)
}

fn number(object: &DefaultDicomObject, tag: Tag) -> f64 {
    object.element(tag).unwrap().to_float64().unwrap()
}

fn text(object: &DefaultDicomObject, tag: Tag) -> String {
    object.element(tag).unwrap().to_str().unwrap().into_owned()
}

/// Value bytes of a text element as they stand in the file (explicit VR, short length).
fn raw_value(file: &[u8], tag: [u8; 4], vr: &[u8; 2]) -> Vec<u8> {
    let header = [&tag[..], &vr[..]].concat();
    let at = file.windows(6).position(|w| w == header).unwrap() + 6;
    let length = usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
    file[at + 2..at + 2 + length].to_vec()
}

const PATIENT_NAME: [u8; 4] = [0x10, 0, 0x10, 0];
const CHARACTER_SET: [u8; 4] = [8, 0, 5, 0];

#[test]
fn names_stand_in_the_file_in_the_character_set_it_declares() {
    let folder = tempfile::tempdir().unwrap();
    for (seed, term) in [(2, "GB18030"), (3, "ISO_IR 192"), (8, "GB18030"), (17, "ISO_IR 192")] {
        let exam = exam_of(Kind::Ct, seed);
        let path = folder.path().join("name.dcm");
        let series = exam::Series { number: 1, description: "胸部", protocol: "平扫" };
        let data = exam.instance(uids::CT_IMAGE_STORAGE, &series, 1, exam.started);
        data.write(&path, dataset::EXPLICIT, "QH_CT01").unwrap();
        let file = std::fs::read(&path).unwrap();
        let name = exam.person.dicom_name();
        let mut expected = match exam.charset {
            Charset::Gb18030 => encoding_rs::GB18030.encode(&name).0.into_owned(),
            Charset::Utf8 => name.clone().into_bytes(),
        };
        if expected.len() % 2 == 1 {
            expected.push(b' ');
        }
        let stored = raw_value(&file, PATIENT_NAME, b"PN");
        assert_eq!(stored, expected, "{name}");
        assert!(!stored.contains(&0x1b), "no escape sequences");
        let declared = raw_value(&file, CHARACTER_SET, b"CS");
        assert_eq!(String::from_utf8(declared).unwrap().trim_end(), term);
        let object = open_file(&path).unwrap();
        assert_eq!(text(&object, tags::PATIENT_NAME).trim_end(), name);
        let institution = text(&object, tags::INSTITUTION_NAME);
        assert_eq!(institution.trim_end(), exam.device.place.name);
    }
}

#[test]
fn the_same_seed_and_time_make_the_same_bytes() {
    let bytes = |seed: u64| {
        let folder = tempfile::tempdir().unwrap();
        let short = us::Clip { frames: 2, ..us::SHORT };
        let mut files = ct::write(&exam_of(Kind::Ct, seed), 2, Packing::JpegLs, folder.path()).unwrap();
        files.extend(us::write(&exam_of(Kind::Us, seed), short, folder.path()).unwrap());
        files.sort();
        files.iter().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>()
    };
    let first = bytes(4);
    assert_eq!(first.len(), 6);
    assert!(first == bytes(4));
    assert!(first.iter().zip(bytes(5)).all(|(a, b)| *a != b));
}

#[test]
fn another_day_shows_the_same_pictures_of_the_same_person_in_another_study() {
    let folder = tempfile::tempdir().unwrap();
    let taken = |now: Micros| {
        let plan = Plan { ct: 1, dr: 0, us: 0, slices: 1, seed: 3, compact: false, now };
        let made = write(&plan, folder.path(), |_| {}).unwrap().remove(0);
        let object = open_file(&made.files[1]).unwrap();
        let pixels = object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap().into_owned();
        (made.exam.person.clone(), pixels, made.exam.study_uid(), made.exam.accession())
    };
    let (first, second) = (taken(NOW), taken(NOW + std::time::Duration::from_secs(86_400)));
    assert_eq!(first.0, second.0);
    assert!(first.1 == second.1);
    assert_ne!(first.2, second.2);
    assert_ne!(first.3, second.3);
}

#[test]
fn a_ct_series_is_one_volume_in_which_the_nodule_is_where_it_should_be() {
    let folder = tempfile::tempdir().unwrap();
    let exam = exam_of(Kind::Ct, 6);
    let count = 7;
    let mut files = ct::write(&exam, count, Packing::Plain, folder.path()).unwrap();
    files.sort();
    let localizer = open_file(files.remove(0)).unwrap();
    let objects: Vec<DefaultDicomObject> = files.iter().map(|f| open_file(f).unwrap()).collect();
    let positions: Vec<Vec<f64>> =
        objects.iter().map(|o| o.element(tags::IMAGE_POSITION_PATIENT).unwrap().to_multi_float64().unwrap()).collect();
    let thickness = number(&objects[0], tags::SLICE_THICKNESS);
    assert!(positions.windows(2).all(|p| (p[0][2] - p[1][2] - thickness).abs() < 1e-6), "evenly spaced, head first");
    let same = |tag: Tag| objects.iter().map(|o| text(o, tag)).collect::<BTreeSet<_>>().len();
    assert_eq!([tags::STUDY_INSTANCE_UID, tags::SERIES_INSTANCE_UID, tags::FRAME_OF_REFERENCE_UID].map(same), [1; 3]);
    assert_eq!(same(tags::SOP_INSTANCE_UID), count);
    assert_eq!(text(&localizer, tags::FRAME_OF_REFERENCE_UID), text(&objects[0], tags::FRAME_OF_REFERENCE_UID));
    assert_ne!(text(&localizer, tags::SERIES_INSTANCE_UID), text(&objects[0], tags::SERIES_INSTANCE_UID));

    let scan = ct::Scan::new(exam.seed, exam.person.female, count);
    let center = scan.body.nodule_center().unwrap() * scan.body.build.size;
    let nearest = (0..count).min_by(|&a, &b| {
        let off = |i: usize| (positions[i][2] - f64::from(center.z)).abs();
        off(a).total_cmp(&off(b))
    });
    let index = nearest.unwrap();
    let object = &objects[index];
    let spacing = object.element(tags::PIXEL_SPACING).unwrap().to_multi_float64().unwrap();
    let column = ((f64::from(center.x) - positions[index][0]) / spacing[1]).round() as usize;
    let row = ((f64::from(center.y) - positions[index][1]) / spacing[0]).round() as usize;
    let values = hounsfield(object);
    let around = |row: usize, column: usize| {
        let cells = (row - 1..=row + 1).flat_map(|r| (column - 1..=column + 1).map(move |c| (r, c)));
        cells.map(|(r, c)| values[r * ct::SIDE + c]).sum::<f32>() / 9.0
    };
    assert!(around(row, column) > -250.0, "{} in the nodule", around(row, column));
}

/// Hounsfield units of a CT file, padding left out of account.
fn hounsfield(object: &DefaultDicomObject) -> Vec<f32> {
    let signed = number(object, tags::PIXEL_REPRESENTATION) > 0.0;
    let intercept = number(object, tags::RESCALE_INTERCEPT) as f32;
    let stored = object.element(tags::PIXEL_DATA).unwrap().to_multi_int::<u16>().unwrap();
    let plain = |v: u16| if signed { f32::from(v as i16) } else { f32::from(v) };
    stored.into_iter().map(|v| plain(v) + intercept).collect()
}

#[test]
fn grain_is_that_of_a_clinical_scan_and_the_corners_are_padding() {
    let folder = tempfile::tempdir().unwrap();
    let exam = exam_of(Kind::Ct, 10);
    let files = ct::write(&exam, 1, Packing::Plain, folder.path()).unwrap();
    let object = open_file(&files[0]).unwrap();
    let values = hounsfield(&object);
    let padding = object.element(tags::PIXEL_PADDING_VALUE).unwrap().to_int::<i32>().unwrap() as f32 - 1024.0;
    let corners = [0, ct::SIDE - 1, ct::SIDE * (ct::SIDE - 1), ct::SIDE * ct::SIDE - 1];
    assert!(corners.iter().all(|&at| values[at] == padding));
    // Air within the circle, above the patient.
    let air: Vec<f32> = (20..30).flat_map(|row| values[row * ct::SIDE + 246..row * ct::SIDE + 266].to_vec()).collect();
    let mean = air.iter().sum::<f32>() / air.len() as f32;
    let deviation = (air.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / air.len() as f32).sqrt();
    assert!((-1010.0..-985.0).contains(&mean), "{mean}");
    assert!((4.0..25.0).contains(&deviation), "{deviation}");
}

#[test]
fn jpeg_ls_gives_the_pixels_back_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = Rng::new(1);
    // As the CT and the radiograph store them: 12, 14 and 16 bits, the last with negative padding.
    for (bits, lowest, highest) in [(12, 0, 4095), (14, 0, 16_383), (16, -2000, 4095)] {
        let signed = lowest < 0;
        let level = |at: usize, noise: f32| (at % 64 * 40) as f32 + noise * 30.0;
        let values: Vec<u16> =
            (0..64 * 48)
                .map(|at| {
                    if signed && at % 64 < 9 {
                        lowest
                    } else {
                        level(at, rng.normal()).clamp(0.0, highest as f32) as i32
                    }
                })
                .map(|value| value as u16)
                .collect();
        let mut data = exam_of(Kind::Ct, 1).instance(
            uids::CT_IMAGE_STORAGE,
            &exam::Series { number: 1, description: "", protocol: "" },
            1,
            exam::local_time(NOW),
        );
        data.number(tags::SAMPLES_PER_PIXEL, 1.0)
            .text(tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2")
            .number(tags::ROWS, 48.0)
            .number(tags::COLUMNS, 64.0)
            .number(tags::BITS_ALLOCATED, 16.0)
            .number(tags::BITS_STORED, f64::from(bits))
            .number(tags::HIGH_BIT, f64::from(bits - 1))
            .number(tags::PIXEL_REPRESENTATION, f64::from(u8::from(signed)))
            .pixels(values.clone());
        let path = folder.path().join("packed.dcm");
        data.write_packed(&path, Packing::JpegLs, "QH_CT01").unwrap();
        let object = open_file(&path).unwrap();
        assert_eq!(object.meta().transfer_syntax(), uids::JPEGLS_LOSSLESS);
        assert!(object.decode_pixel_data().unwrap().data_ow() == values, "{bits} bits");
    }
}

#[test]
fn a_clip_says_its_rate_and_every_frame_is_jpeg_with_halved_chroma() {
    let folder = tempfile::tempdir().unwrap();
    let exam = exam_of(Kind::Us, 9);
    let files = us::write(&exam, us::Clip { frames: 3, ..us::SHORT }, folder.path()).unwrap();
    let object = open_file(folder.path().join("us-3-clip.dcm")).unwrap();
    assert_eq!(files.len(), 3);
    assert_eq!(number(&object, tags::NUMBER_OF_FRAMES), 3.0);
    assert!((number(&object, tags::FRAME_TIME) * number(&object, tags::CINE_RATE) - 1000.0).abs() < 1.0);
    let pixels = object.element(tags::PIXEL_DATA).unwrap();
    let frames = pixels.fragments().unwrap();
    let mut offset = 0;
    for (frame, &listed) in frames.iter().zip(pixels.value().offset_table().unwrap()) {
        assert_eq!(listed, offset);
        offset += frame.len() as u32 + 8;
        // Start of frame: baseline, 8 bits; the first of three components sampled 2 by 1.
        let at = frame.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        assert_eq!((frame[at + 4], frame[at + 9], frame[at + 11]), (8, 3, 0x21));
    }
    let regions = object.element(tags::SEQUENCE_OF_ULTRASOUND_REGIONS).unwrap();
    for region in regions.items().unwrap() {
        let value = |tag: Tag| region.element(tag).unwrap().to_float64().unwrap();
        assert_eq!(value(tags::PHYSICAL_DELTA_X), 0.03125);
        assert_eq!(value(tags::REGION_LOCATION_MIN_X0) + value(tags::REFERENCE_PIXEL_X0), 400.0);
        assert_eq!(value(tags::REGION_LOCATION_MIN_Y0) + value(tags::REFERENCE_PIXEL_Y0), 64.0);
    }
}

#[test]
fn a_radiograph_shows_dark_lungs_a_bright_spine_and_the_heart_on_the_left() {
    let folder = tempfile::tempdir().unwrap();
    let small = dr::Detector { columns: 250, rows: 300, pixel: 1.4 };
    dr::write(&exam_of(Kind::Dr, 5), small, Packing::Plain, folder.path()).unwrap();
    let shown = |path: &Path| {
        let object = open_file(path).unwrap();
        let stored = object.element(tags::PIXEL_DATA).unwrap().to_multi_int::<u16>().unwrap();
        let inverted = text(&object, tags::PHOTOMETRIC_INTERPRETATION).trim_end() == "MONOCHROME1";
        let grey: Vec<f32> = stored.iter().map(|&v| f32::from(if inverted { 16_383 - v } else { v })).collect();
        (inverted, grey)
    };
    let (frontal_inverted, frontal) = shown(&folder.path().join("dr-1.dcm"));
    let (lateral_inverted, _) = shown(&folder.path().join("dr-2.dcm"));
    assert_eq!((frontal_inverted, lateral_inverted), (true, false));
    // Millimetres to the patient's left of the middle, and above the middle of the chest.
    let at = |x: f32, z: f32| {
        let (column, row) = (125.0 + x / 1.4, 150.0 - (z - 8.0) / 1.4);
        let cells = (-2..=2).flat_map(|r| (-2..=2).map(move |c| (row as i32 + r, column as i32 + c)));
        cells.map(|(r, c)| frontal[(r * 250 + c) as usize]).sum::<f32>() / 25.0
    };
    let lung = at(-75.0, 60.0).max(at(75.0, 60.0));
    assert!(lung + 3000.0 < at(0.0, 20.0), "lung {lung}, spine {}", at(0.0, 20.0));
    assert!(at(-60.0, -30.0) + 800.0 < at(60.0, -40.0), "right {}, heart {}", at(-60.0, -30.0), at(60.0, -40.0));
    assert!(at(0.0, 200.0) > at(160.0, 200.0) + 2000.0, "neck beside air");
}

#[test]
fn every_instance_of_a_plan_has_its_own_uid_and_a_folder_named_by_its_device() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { ct: 2, dr: 0, us: 0, slices: 3, seed: 21, compact: true, now: NOW };
    let made = write(&plan, folder.path(), |_| {}).unwrap();
    let mut uids = BTreeSet::new();
    for study in &made {
        for file in &study.files {
            let device = file.parent().and_then(Path::parent).and_then(Path::file_name).unwrap();
            assert_eq!(device.to_str(), Some(study.exam.device.ae_title.as_str()));
            let object = open_file(file).unwrap();
            assert!(uids.insert(text(&object, tags::SOP_INSTANCE_UID)));
            assert_eq!(text(&object, tags::STUDY_DATE), "20261120");
        }
    }
    assert_eq!(uids.len(), 8);
    assert_eq!(made.iter().map(|m| m.exam.study_uid()).collect::<BTreeSet<_>>().len(), 2);
}
