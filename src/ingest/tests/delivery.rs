//! What a viewer gets of an instance, and what it is told where there is nothing to get.

use std::path::PathBuf;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::archive::Kind;
use crate::domain::{Delivery, StudyId};
use crate::index::Error as IndexError;
use crate::ingest::budget::Budget;
use crate::ingest::transcoder::Transcoder;
use crate::ingest::viewing::{ViewError, Viewing};
use crate::pixels::Decoder;

/// One transcoder worker and what is asked of it; no decoder can be started, so only what needs none is delivered.
struct Delivering {
    viewing: Viewing,
    stop: CancellationToken,
    worker: JoinHandle<()>,
}

impl Delivering {
    fn start(intake: &Intake) -> Self {
        let decoder = Decoder::new(PathBuf::from("/nowhere/yunying"), 1);
        let (db, archive, bytes) = (intake.db.clone(), intake.archive.clone(), intake.bytes());
        let transcoder = Transcoder::new(db.clone(), bytes.clone(), archive.clone(), decoder, Activity::default());
        let waiting = Decoder::new(PathBuf::from("/nowhere/yunying"), 1);
        let viewing = Viewing { db, archive, bytes, requests: transcoder.requests(), decoder: waiting };
        let stop = CancellationToken::new();
        let worker = tokio::spawn(transcoder.run(stop.clone()));
        Self { viewing, stop, worker }
    }

    async fn end(self) {
        self.stop.cancel();
        self.worker.await.unwrap();
    }
}

const JPEG: &str = "1.2.840.10008.1.2.4.50";

/// Two frames of eight grey pixels, as an ultrasound device encapsulates them.
pub(super) fn clip(frames: &[Vec<u8>; 2]) -> Object {
    let mut out = Vec::new();
    element(&mut out, 0x0008, 0x0016, b"UI", CT.as_bytes());
    element(&mut out, 0x0008, 0x0018, b"UI", b"1.2.5.1");
    element(&mut out, 0x0008, 0x0060, b"CS", b"US");
    element(&mut out, 0x0010, 0x0020, b"LO", b"P-9");
    element(&mut out, 0x0020, 0x000d, b"UI", b"1.2.5");
    element(&mut out, 0x0020, 0x000e, b"UI", b"1.2.5.0");
    element(&mut out, 0x0028, 0x0002, b"US", &[1, 0]);
    element(&mut out, 0x0028, 0x0004, b"CS", b"MONOCHROME2");
    element(&mut out, 0x0028, 0x0008, b"IS", b"2");
    element(&mut out, 0x0028, 0x0010, b"US", &[8, 0]);
    element(&mut out, 0x0028, 0x0011, b"US", &[8, 0]);
    element(&mut out, 0x0028, 0x0100, b"US", &[8, 0]);
    element(&mut out, 0x0028, 0x0101, b"US", &[8, 0]);
    element(&mut out, 0x0028, 0x0102, b"US", &[7, 0]);
    element(&mut out, 0x0028, 0x0103, b"US", &[0, 0]);
    out.extend_from_slice(&[0xe0, 0x7f, 0x10, 0x00, b'O', b'B', 0, 0, 0xff, 0xff, 0xff, 0xff]);
    out.extend_from_slice(&[0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0]);
    for frame in frames {
        out.extend_from_slice(&[0xfe, 0xff, 0x00, 0xe0]);
        out.extend_from_slice(&(frame.len() as u32).to_le_bytes());
        out.extend_from_slice(frame);
    }
    out.extend_from_slice(&[0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
    Object { sent_as: "1.2.5.1".into(), syntax: JPEG, dataset: out }
}

/// An 8 × 8 baseline JPEG of one grey, of even length.
pub(super) fn jpeg(grey: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut out, 90);
    encoder.encode(&[grey; 64], 8, 8, jpeg_encoder::ColorType::Luma).unwrap();
    if !out.len().is_multiple_of(2) {
        out.push(0);
    }
    out
}

#[tokio::test]
async fn a_device_s_own_jpeg_frames_are_delivered_untouched_and_within_the_site() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        let frames = [jpeg(40), jpeg(200)];
        intake.receive(&clip(&frames)).await;
        assert_eq!(intake.index().await.0, tally(1, 0, 0));
        let delivering = Delivering::start(&intake);
        let (own, other) = (Scope::Site(intake.site), Scope::Site(SiteId(77)));
        for (number, expected) in (1..).zip(&frames) {
            let frame = delivering.viewing.frame(own, InstanceId(1), number).await.unwrap();
            assert_eq!(frame.form, Delivery::Jpeg);
            assert_eq!(frame.bytes, *expected);
        }
        let viewing = &delivering.viewing;
        assert!(matches!(viewing.frame(own, InstanceId(1), 3).await, Err(ViewError::NoSuchFrame(3))));
        assert!(matches!(viewing.frame(own, InstanceId(1), 0).await, Err(ViewError::NoSuchFrame(0))));
        let foreign = viewing.frame(other, InstanceId(1), 1).await;
        assert!(matches!(foreign, Err(ViewError::Index(IndexError::NotFound))), "{foreign:?}");

        let images = viewing.images_of_study(own, StudyId(1)).await.unwrap();
        assert_eq!(images.series[0].instances[0].delivery, Delivery::Jpeg);
        assert_eq!(images.series[0].instances[0].attrs.as_ref().unwrap().frames, 2);
        assert!(viewing.images_of_study(other, StudyId(1)).await.is_err());
        delivering.end().await;
    })
    .await;
}

#[tokio::test]
async fn what_has_lost_its_pixels_is_unavailable_and_says_why() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        let mut cut = slice(1);
        cut.dataset.truncate(cut.dataset.len() - 8);
        intake.receive(&cut).await;
        assert_eq!(intake.index().await.0, tally(1, 0, 0));
        let delivering = Delivering::start(&intake);
        let refused = delivering.viewing.frame(Scope::All, InstanceId(1), 1).await;
        assert!(matches!(&refused, Err(ViewError::Unavailable(why)) if why == "truncated"), "{refused:?}");
        let images = delivering.viewing.images_of_study(Scope::All, StudyId(1)).await.unwrap();
        assert_eq!(images.series[0].instances[0].delivery, Delivery::Unavailable);
        delivering.end().await;
    })
    .await;
}

#[tokio::test]
async fn without_a_decoder_an_image_stays_pending_rather_than_lost() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        intake.receive(&slice(1)).await;
        intake.index().await;
        let delivering = Delivering::start(&intake);
        let settled = delivering.viewing.requests.wait(InstanceId(1), std::time::Duration::from_millis(300)).await;
        assert!(!settled.unwrap());
        assert_eq!(intake.word("SELECT delivery FROM instance").await, "pending");
        delivering.end().await;
    })
    .await;
}

#[tokio::test]
async fn over_budget_the_forms_of_a_signed_study_go_and_are_made_again_when_somebody_opens_it() {
    on_both_engines(async |db| {
        let intake = Intake::new(db).await;
        let frames = [jpeg(40), jpeg(200)];
        intake.receive(&clip(&frames)).await;
        intake.index().await;
        let delivering = Delivering::start(&intake);
        let first = delivering.viewing.frame(Scope::All, InstanceId(1), 1).await.unwrap();
        let budget = |bytes| Budget { db: intake.db.clone(), archive: intake.archive.clone(), bytes };
        let derived = async || intake.archive.list(Kind::Derived).try_collect::<Vec<_>>().await.unwrap().len();
        assert_eq!(budget(Some(0)).pass(later() + DAY * 2).await.unwrap(), 0, "it is still to be read");
        sql(&intake, "UPDATE case_ SET state = 'signed', signed_us = 1").await;
        assert_eq!(budget(Some(0)).pass(later()).await.unwrap(), 0, "it was made today");
        assert_eq!(budget(None).pass(later() + DAY * 2).await.unwrap(), 0);
        assert_eq!(budget(Some(1 << 20)).pass(later() + DAY * 2).await.unwrap(), 0);
        assert_eq!(derived().await, 1);
        assert_eq!(budget(Some(0)).pass(later() + DAY * 2).await.unwrap(), 1);
        assert_eq!(derived().await, 0);
        let mut tx = intake.db.read().await.unwrap();
        assert!(crate::index::delivery::pending(&mut tx, 10).await.unwrap().is_empty(), "nobody asked for it yet");
        drop(tx);
        assert_eq!(intake.word("SELECT delivery FROM instance").await, "pending");
        let again = delivering.viewing.frame(Scope::All, InstanceId(1), 1).await.unwrap();
        assert_eq!(again.bytes, first.bytes);
        assert_eq!(derived().await, 1);

        // Looked at lately: the next one over budget is another.
        sql(&intake, "UPDATE delivery_object SET created_us = 1").await;
        let mut tx = intake.db.write().await.unwrap();
        let machine = crate::index::openings::Opener::Machine(crate::domain::TokenId(1));
        let study = crate::index::openings::Subject::Study(StudyId(1));
        crate::index::openings::open(&mut tx, machine, study, later()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(budget(Some(0)).pass(later()).await.unwrap(), 0);
        delivering.end().await;
    })
    .await;
}

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

async fn sql(intake: &Intake, text: &'static str) {
    let mut tx = intake.db.write().await.unwrap();
    on!(&mut tx, c => sqlx::query(text).execute(c).await.map(drop)).unwrap();
    tx.commit().await.unwrap();
}
