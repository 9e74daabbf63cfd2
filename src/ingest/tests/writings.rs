//! What is said of a device's files is how their text is read from then on, in rows and metadata alike, also by a rebuild
//! and out of quarantine; the bytes stay what they are.

use std::time::Duration;

use super::*;
use crate::dicom::packed::unpack;
use crate::index::device_text::set_files_charset;
use crate::index::testing::store_of;
use crate::ingest::rebuild::rebuild;
use wire::QuarantineAct::Release as Again;

/// Declares GB18030 and is UTF-8; the bytes would be both.
fn mislabelled(study: &str, number: u32) -> Object {
    let uid = format!("{study}.4.{number}");
    let mut out = Vec::new();
    element(&mut out, 0x0008, 0x0005, b"CS", b"GB18030");
    element(&mut out, 0x0008, 0x0016, b"UI", CT.as_bytes());
    element(&mut out, 0x0008, 0x0018, b"UI", uid.as_bytes());
    element(&mut out, 0x0008, 0x0060, b"CS", b"CT");
    element(&mut out, 0x0008, 0x1030, b"LO", "胸部".as_bytes());
    element(&mut out, 0x0008, 0x1090, b"LO", "超声".as_bytes());
    element(&mut out, 0x0010, 0x0010, b"PN", "王伟".as_bytes());
    element(&mut out, 0x0010, 0x0020, b"LO", study.as_bytes());
    element(&mut out, 0x0020, 0x000d, b"UI", study.as_bytes());
    element(&mut out, 0x0020, 0x000e, b"UI", format!("{study}.4").as_bytes());
    Object { sent_as: uid, syntax: EXPLICIT, dataset: out }
}

impl Intake {
    async fn say(&self, device: DeviceId, charset: Option<&str>) {
        let mut tx = self.db.write().await.unwrap();
        set_files_charset(&mut tx, device, charset, Micros(2)).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Name, description and, out of the metadata, the device's model; as what the header was read.
    async fn read_text(&self, study: &str) -> [String; 4] {
        let mut tx = self.db.read().await.unwrap();
        let (name, description, written, json, length) =
            on!(&mut tx, c => sqlx::query_as::<_, (String, String, Option<String>, Vec<u8>, i64)>(
            "SELECT p.name, s.description, i.written_in, m.json, m.length FROM study s JOIN patient p ON p.id = s.patient_id
               JOIN series e ON e.study_id = s.id JOIN instance i ON i.series_id = e.id
               JOIN instance_metadata m ON m.instance_id = i.id WHERE s.uid = $1")
            .bind(study).fetch_one(c).await)
            .unwrap();
        let json: serde_json::Value = serde_json::from_slice(&unpack(&json, length as u32).unwrap()).unwrap();
        assert_eq!(json["00080005"]["Value"][0], "ISO_IR 192");
        assert_eq!(json["00100010"]["Value"][0]["Alphabetic"], name.as_str());
        let model = json["00081090"]["Value"][0].as_str().unwrap().to_owned();
        [name, description, model, written.unwrap_or_default()]
    }
}

fn right(written: &str) -> [String; 4] {
    ["王伟", "胸部", "超声", written].map(str::to_owned)
}

#[tokio::test]
async fn files_are_read_as_it_was_said_of_their_device_and_of_no_other() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        let (_, other) = intake.other_site().await;
        intake.receive(&mislabelled("1.1", 1)).await;
        intake.index().await;
        intake.say(intake.device, Some("utf-8")).await;
        let file = intake.receive(&mislabelled("1.2", 1)).await;
        intake.receive_from(other, "CT2", &mislabelled("1.3", 1)).await;
        // Not registered when it sent, but of the title.
        intake.receive_unknown("CT1", &mislabelled("1.4", 1)).await;
        assert_eq!(intake.index().await.0, tally(3, 0, 0));
        assert_eq!(intake.read_text("1.2").await, right("utf-8"));
        assert_eq!(intake.read_text("1.4").await, right("utf-8"));
        for before_or_other in ["1.1", "1.3"] {
            let [name, _, _, written] = intake.read_text(before_or_other).await;
            assert_eq!((name.as_str(), written.as_str()), ("鐜嬩紵", ""));
        }
        assert_eq!(intake.read(2).await, file);
        assert!(file.windows(7).any(|bytes| bytes == b"GB18030"), "the stored bytes say what they said");
    })
    .await;
}

#[tokio::test]
async fn a_rebuild_reads_as_the_pack_notes_unless_something_else_is_said_of_the_device_now() {
    on_both_engines(async |db| {
        let lost = tempfile::tempdir().unwrap();
        let old = Db::open(&format!("sqlite:{}", lost.path().join("index.db").display())).await.unwrap();
        let mut intake = Intake::over(old, store_of(&db)).await;
        intake.say(intake.device, Some("utf-8")).await;
        let (_, other) = intake.other_site().await;
        intake.receive(&mislabelled("1.1", 1)).await;
        intake.receive_from(other, "CT2", &mislabelled("1.2", 1)).await;
        let (_, indexed) = intake.index().await;
        assert_eq!(intake.sealer(indexed).pass(later()).await.unwrap(), 2);
        intake.db = db;
        let (_, other) = intake.other_site().await;
        intake.say(other, Some("utf-8")).await;
        let options = IndexerOptions { node: NODE.into(), zone_minutes: 480 };
        let progress = |_| {};
        let rebuilt =
            rebuild(&intake.db, &intake.archive, &intake.spool, options, Duration::ZERO, progress).await.unwrap();
        assert_eq!(rebuilt.from_packs, tally(2, 0, 0));
        assert_eq!(intake.read_text("1.1").await, right("utf-8"));
        assert_eq!(intake.read_text("1.2").await, right("utf-8"));
    })
    .await;
}

#[tokio::test]
async fn what_is_let_out_of_quarantine_is_read_so_too() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        let by = intake.manager().await;
        let mut of_another = mislabelled("1.1", 2);
        intake.receive(&mislabelled("1.1", 1)).await;
        // Another Patient ID, so that a person must say that it belongs there.
        let at = of_another.dataset.windows(6).position(|bytes| bytes == b"LO\x04\x001.").unwrap();
        of_another.dataset[at + 4..at + 7].copy_from_slice(b"9.9");
        intake.receive(&of_another).await;
        assert_eq!(intake.index().await.0, tally(1, 0, 1));
        intake.say(intake.device, Some("utf-8")).await;
        intake.decide(1, Again, by).await.unwrap();
        assert_eq!(intake.count("SELECT COUNT(*) FROM instance WHERE written_in = 'utf-8'").await, 1);
    })
    .await;
}
