//! What every back end must do, run on the local file system and on S3.

use std::io::Write;

use futures_util::{Stream, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::*;
use crate::domain::Micros;

macro_rules! on_both_stores {
    ($($name:ident)+) => {
        mod local {
            use crate::archive::testing::Store;
            $(#[tokio::test]
            async fn $name() {
                super::$name(&Store::local().archive).await;
            })+
        }
        mod s3 {
            use crate::archive::testing::Store;
            $(#[tokio::test]
            async fn $name() {
                super::$name(&Store::s3().archive).await;
            })+
        }
    };
}

on_both_stores! {
    a_written_object_is_read_back_by_any_range
    an_object_larger_than_one_part_arrives_whole
    an_aborted_object_is_never_seen
    a_missing_object_is_named_as_missing
    a_deleted_object_is_gone_and_deleting_again_is_no_error
    a_listing_shows_what_was_written_of_that_kind
    a_pack_opens_with_outside_tools_and_its_instances_are_where_it_says
    a_pack_refuses_bytes_that_are_not_those_received
    the_manifest_is_read_from_the_pack_alone
}

async fn object(archive: &Archive, kind: Kind, bytes: &[u8]) -> Written {
    let mut writer = archive.create(kind);
    for chunk in bytes.chunks(100_000) {
        writer.write(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    writer.finish().await.unwrap()
}

/// Bytes that differ everywhere.
fn bytes(length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn whole(written: &Written) -> Location {
    Location { key: written.key.clone(), offset: 0, length: written.bytes }
}

async fn a_written_object_is_read_back_by_any_range(archive: &Archive) {
    let content = bytes(700_001);
    let written = object(archive, Kind::Derived, &content).await;
    assert_eq!(written.bytes, 700_001);
    assert_eq!(written.sha256, <[u8; 32]>::from(Sha256::digest(&content)));
    assert_eq!(archive.digest(&written.key).await.unwrap(), written);

    let part = Location { key: written.key.clone(), offset: 1_000, length: 600_000 };
    for range in [0..600_000, 0..1, 599_999..600_000, 262_143..262_145, 5..5] {
        let read = archive.read_bytes(&part, range.clone()).await.unwrap();
        assert_eq!(read, content[1_000 + range.start as usize..1_000 + range.end as usize]);
    }
    assert!(matches!(archive.read_bytes(&part, 0..600_001).await, Err(ArchiveError::OutOfRange { .. })));
    let beyond = Location { key: written.key, offset: 1_000, length: 10_000_000 };
    assert!(matches!(archive.read_bytes(&beyond, 0..10_000_000).await, Err(ArchiveError::Damaged { .. })));
}

async fn an_object_larger_than_one_part_arrives_whole(archive: &Archive) {
    let content = bytes(20 << 20);
    let written = object(archive, Kind::Pack, &content).await;
    let back: Vec<Bytes> = archive.read(&whole(&written), 0..written.bytes).await.unwrap().try_collect().await.unwrap();
    assert!(back.concat() == content);
}

async fn an_aborted_object_is_never_seen(archive: &Archive) {
    let mut writer = archive.create(Kind::Pack);
    writer.write(bytes(9 << 20).into()).await.unwrap();
    writer.abort().await;
    let listed: Vec<_> = archive.list(Kind::Pack).try_collect().await.unwrap();
    assert!(listed.is_empty(), "{listed:?}");
}

async fn a_missing_object_is_named_as_missing(archive: &Archive) {
    let key = ObjectKey::unique(Kind::Pack);
    assert!(matches!(archive.length(&key).await, Err(ArchiveError::Missing(missing)) if missing == key));
    let nowhere = Location { key, offset: 0, length: 10 };
    assert!(matches!(archive.read_bytes(&nowhere, 0..10).await, Err(ArchiveError::Missing(_))));
}

async fn a_deleted_object_is_gone_and_deleting_again_is_no_error(archive: &Archive) {
    let written = object(archive, Kind::Derived, b"short").await;
    archive.delete(&written.key).await.unwrap();
    assert!(matches!(archive.length(&written.key).await, Err(ArchiveError::Missing(_))));
    archive.delete(&written.key).await.unwrap();
}

async fn a_listing_shows_what_was_written_of_that_kind(archive: &Archive) {
    let mut expected = Vec::new();
    for length in [10, 20, 30] {
        expected.push(object(archive, Kind::Pack, &bytes(length)).await.key);
    }
    object(archive, Kind::Derived, b"other").await;
    let mut listed: Vec<_> = archive.list(Kind::Pack).try_collect().await.unwrap();
    listed.sort_by_key(|object| object.bytes);
    assert_eq!(listed.into_iter().map(|object| object.key).collect::<Vec<_>>(), expected);
}

fn entry(sop_uid: &str, content: &[u8]) -> PackEntry {
    PackEntry {
        length: content.len() as u64,
        crc32: crc32fast::hash(content),
        sha256: hex::encode(Sha256::digest(content)),
        dataset_offset: 330,
        sop_uid: sop_uid.into(),
        sop_class: "1.2.840.10008.5.1.4.1.1.2".into(),
        transfer_syntax: "1.2.840.10008.1.2.1".into(),
        study_uid: "1.2.3".into(),
        series_uid: "1.2.3.4".into(),
        site: 3,
        site_code: "sz".into(),
        device: 7,
        device_ae: "CT1".into(),
        calling_ae: "CT1".into(),
        received_us: 1_795_314_610_000_000,
        quarantined: None,
        written_in: None,
    }
}

fn chunks(content: &[u8]) -> impl Stream<Item = std::io::Result<Bytes>> + Unpin {
    stream::iter(content.chunks(50_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect::<Vec<_>>())
}

/// Three instances, one of them empty of content, one whose UID is an attack.
async fn sealed(archive: &Archive) -> (SealedPack, Vec<Vec<u8>>) {
    let contents = vec![bytes(500_000), bytes(132), bytes(9 << 20)];
    let mut pack = archive.create_pack("node-1");
    for (uid, content) in ["1.2.3.4.5", "../../etc/passwd", "1.2.3.4.6"].iter().zip(&contents) {
        pack.add(entry(uid, content), chunks(content)).await.unwrap();
    }
    let sealed = pack.finish(Micros(1_795_314_611_000_000)).await.unwrap();
    archive.verify_pack(&sealed).await.unwrap();
    (sealed, contents)
}

async fn a_pack_opens_with_outside_tools_and_its_instances_are_where_it_says(archive: &Archive) {
    let (sealed, contents) = sealed(archive).await;
    for (place, content) in sealed.instances.iter().zip(&contents) {
        assert!(archive.read_bytes(place, 0..place.length).await.unwrap() == *content);
    }
    let whole = Location { key: sealed.key, offset: 0, length: sealed.bytes };
    let mut file = tempfile::NamedTempFile::with_suffix(".zip").unwrap();
    file.write_all(&archive.read_bytes(&whole, 0..whole.length).await.unwrap()).unwrap();
    outside_tools_agree(file.path());
}

fn outside_tools_agree(pack: &std::path::Path) {
    let python = "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(*z.namelist())";
    let listed = tool("python3", &["-c".as_ref(), python.as_ref(), pack.as_ref()]);
    if let Some(listed) = listed {
        assert_eq!(listed.trim(), "000001-1.2.3.4.5.dcm 000002.dcm 000003-1.2.3.4.6.dcm manifest.json");
    }
    if let Some(said) = tool("unzip", &["-t".as_ref(), pack.as_ref()]) {
        assert!(said.contains("No errors detected"), "{said}");
    }
}

/// What a tool prints; none where it is not installed, which only CI forbids.
fn tool(name: &str, arguments: &[&std::ffi::OsStr]) -> Option<String> {
    match std::process::Command::new(name).args(arguments).output() {
        Ok(output) => {
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Err(error) => {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{name} is needed: {error}");
            eprintln!("skipped: {name} is not installed");
            None
        }
    }
}

async fn a_pack_refuses_bytes_that_are_not_those_received(archive: &Archive) {
    let content = bytes(1_000);
    let mut flipped = content.clone();
    flipped[500] ^= 1;
    for wrong in [&flipped[..], &content[..999]] {
        let mut pack = archive.create_pack("node-1");
        let refused = pack.add(entry("1.2", &content), chunks(wrong)).await;
        assert!(matches!(refused, Err(PackError::SourceDamaged { .. })), "{refused:?}");
        pack.abort().await;
    }
}

async fn the_manifest_is_read_from_the_pack_alone(archive: &Archive) {
    let (sealed, contents) = sealed(archive).await;
    let manifest = archive.manifest(&sealed.key).await.unwrap();
    assert_eq!((manifest.node.as_str(), manifest.instances.len()), ("node-1", 3));
    assert_eq!(manifest.instances[0].instance, entry("1.2.3.4.5", &contents[0]));
    for (noted, place) in manifest.instances.iter().zip(&sealed.instances) {
        assert_eq!((noted.offset, noted.instance.length), (place.offset, place.length));
    }
    let other = object(archive, Kind::Pack, &bytes(5_000)).await;
    assert!(matches!(archive.manifest(&other.key).await, Err(ArchiveError::Damaged { .. })));
}

#[tokio::test]
async fn an_s3_that_goes_down_is_said_to_not_answer_and_works_again_when_it_is_back() {
    let root = tempfile::tempdir().unwrap();
    let mut server = testing::s3::S3Server::start(root.path());
    let store = testing::Store::on(&server);
    let archive = &store.archive;
    let written = object(archive, Kind::Pack, &bytes(1_000)).await;
    server.stop();
    assert!(matches!(archive.length(&written.key).await, Err(ArchiveError::Unavailable(_))));
    assert!(matches!(archive.read_bytes(&whole(&written), 0..10).await, Err(ArchiveError::Unavailable(_))));
    let mut writer = archive.create(Kind::Pack);
    writer.write(bytes(10).into()).await.unwrap();
    assert!(matches!(writer.finish().await, Err(ArchiveError::Unavailable(_))));
    server.resume();
    assert_eq!(archive.digest(&written.key).await.unwrap(), written);
    let listed: Vec<_> = archive.list(Kind::Pack).try_collect().await.unwrap();
    assert_eq!(listed.len(), 1, "what was not finished is not there");
}

#[test]
fn a_key_from_a_row_is_refused_unless_it_is_one_of_ours() {
    let key = ObjectKey::unique(Kind::Pack);
    assert_eq!(ObjectKey::from_row(key.as_str().to_owned()).unwrap(), key);
    for wrong in ["", "packs", "../../x", "packs/../x", "packs//x", "packs/a/b/c", "Packs/a/b", "/etc/passwd"] {
        assert!(ObjectKey::from_row(wrong.into()).is_err(), "{wrong}");
    }
}

#[test]
fn an_address_that_makes_no_sense_is_said_to() {
    for wrong in ["", "file:", "http://x", "s3:bucket", "s3://bucket/?nonsense=1"] {
        assert!(matches!(Archive::open(wrong), Err(ArchiveError::Address { .. })), "{wrong}");
    }
}
