//! Decoders that die, and workers that must not wait while somebody looks.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::delivery::{clip, jpeg};
use super::*;
use crate::domain::Delivery;
use crate::ingest::transcoder::Transcoder;
use crate::ingest::viewing::{ViewError, Viewing};
use crate::pixels::Decoder;
use crate::pixels::testing::FlakyWorker;

fn transcoder(intake: &Intake, flaky: &FlakyWorker, activity: &Activity) -> Transcoder {
    let decoder = Decoder::new(flaky.program(), 1);
    let (db, archive) = (intake.db.clone(), intake.archive.clone());
    let transcoder = Transcoder::new(db, intake.bytes(), archive, decoder, activity.clone());
    transcoder.retrying_after(Duration::from_millis(20))
}

fn viewing(intake: &Intake, flaky: &FlakyWorker, transcoder: &Transcoder) -> Viewing {
    Viewing {
        db: intake.db.clone(),
        archive: intake.archive.clone(),
        bytes: intake.bytes(),
        requests: transcoder.requests(),
        decoder: Decoder::new(flaky.program(), 1),
    }
}

/// Waits until the form of an instance is no longer pending; fails where that takes too long.
async fn settled(viewing: &Viewing, instance: i64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !viewing.requests.wait(InstanceId(instance), Duration::from_millis(50)).await.unwrap() {
        assert!(Instant::now() < deadline, "instance {instance} stays pending");
    }
}

#[tokio::test]
async fn an_image_on_which_the_decoder_died_is_prepared_once_it_lives() {
    on_both_engines(async |db| {
        let (intake, flaky, stop) = (Intake::new(db).await, FlakyWorker::install(), CancellationToken::new());
        intake.receive(&slice(1)).await;
        intake.index().await;
        // More than a frame is tried with in a row.
        flaky.dies_at_start(3);
        let transcoder = transcoder(&intake, &flaky, &Activity::default());
        let viewing = viewing(&intake, &flaky, &transcoder);
        let worker = tokio::spawn(transcoder.run(stop.clone()));
        settled(&viewing, 1).await;
        let frame = viewing.frame(Scope::All, InstanceId(1), 1).await.unwrap();
        assert_eq!((frame.form, &frame.bytes[..]), (Delivery::Htj2k, &FlakyWorker::ANSWER[..]));
        stop.cancel();
        worker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_image_that_is_given_up_is_tried_again_at_the_next_start() {
    on_both_engines(async |db| {
        let (intake, flaky) = (Intake::new(db).await, FlakyWorker::install());
        intake.receive(&slice(1)).await;
        let (_, indexed) = intake.index().await;
        flaky.is_dead();
        for (healthy, expected) in [(false, "unavailable"), (true, "htj2k")] {
            if healthy {
                flaky.is_well();
            }
            let stop = CancellationToken::new();
            let transcoder = transcoder(&intake, &flaky, &Activity::default());
            let viewing = viewing(&intake, &flaky, &transcoder);
            let following = tokio::spawn(transcoder.clone().follow(indexed.clone(), stop.clone()));
            if healthy {
                let deadline = Instant::now() + Duration::from_secs(30);
                while intake.word("SELECT delivery FROM instance").await == "unavailable" {
                    assert!(Instant::now() < deadline, "it stays given up");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            let worker = tokio::spawn(transcoder.run(stop.clone()));
            settled(&viewing, 1).await;
            assert_eq!(intake.word("SELECT delivery FROM instance").await, expected);
            let frame = viewing.frame(Scope::All, InstanceId(1), 1).await;
            assert_eq!(matches!(frame, Err(ViewError::Unavailable(_))), !healthy, "{frame:?}");
            stop.cancel();
            worker.await.unwrap();
            following.await.unwrap();
        }
        assert_eq!(intake.word("SELECT delivery_reason FROM instance").await, "");
    })
    .await;
}

#[tokio::test]
async fn what_somebody_looks_at_does_not_wait_for_what_nobody_does() {
    on_both_engines(async |db| {
        let (intake, flaky, stop) = (Intake::new(db).await, FlakyWorker::install(), CancellationToken::new());
        intake.receive(&clip(&[jpeg(40), jpeg(200)])).await;
        intake.receive(&slice(1)).await;
        intake.index().await;
        let activity = Activity::default();
        let arriving = activity.storing(Sender::Device(intake.device));
        let transcoder = transcoder(&intake, &flaky, &activity);
        let viewing = viewing(&intake, &flaky, &transcoder);
        let worker = tokio::spawn(transcoder.run(stop.clone()));
        let deadline = Instant::now() + Duration::from_secs(30);
        while viewing.requests.in_hand() == 0 {
            assert!(Instant::now() < deadline, "the worker takes nothing");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The worker has the first image in hand and holds back.
        assert_eq!(intake.count("SELECT COUNT(*) FROM instance WHERE delivery = 'pending'").await, 2);

        viewing.frame(Scope::All, InstanceId(2), 1).await.unwrap();
        assert_eq!(intake.word("SELECT delivery FROM instance WHERE id = 1").await, "pending");
        drop(arriving);
        settled(&viewing, 1).await;
        stop.cancel();
        worker.await.unwrap();
    })
    .await;
}
