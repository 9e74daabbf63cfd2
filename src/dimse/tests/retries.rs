//! Receivers that are away or full for a while, and the sender that waits for them.

use super::*;

/// A spool whose disk fails as often as it is told to.
fn failing() -> (SimDisk, Spool) {
    let disk = SimDisk::default();
    let options = SpoolOptions {
        segment_size: 1 << 20,
        keep_free: 0,
        quiet: Duration::from_secs(3_600),
        ..SpoolOptions::default()
    };
    let spool = Spool::open_on(Arc::new(disk.clone()), Path::new("/spool"), options).unwrap();
    (disk, spool)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_receiver_refused_goes_out_again_after_a_pause() {
    let (disk, spool) = failing();
    let server = start_on(spool, tempfile::tempdir().unwrap(), DimseConfig::default(), Services::default()).await;
    let paths: Vec<PathBuf> = (0..5).map(|number| part10(server.dir.path(), number, EXPLICIT, 4_000).0).collect();
    disk.set_faults(Faults { failing_write: Some(0), ..Faults::default() });
    let options = ScuOptions { retries: 2, async_window: 1, ..server.options() };
    let outcomes = send(&options, &paths).await;
    assert_eq!(outcomes.len(), paths.len());
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
    assert_eq!(outcomes.last().unwrap().object.sop_instance, "1.2.3.0", "the one that was refused comes last");
    assert_eq!(server.records().len(), paths.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_comes_back_gets_everything() {
    let vacant = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (_, spool) = failing();
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..5).map(|number| part10(dir.path(), number, EXPLICIT, 4_000).0).collect();
    let options = ScuOptions { retries: 4, associations: 2, ..ScuOptions::new(vacant, "YUNYING", "CT1") };
    let back = async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let doors = Doors { plain: Some(TcpListener::bind(vacant).await.unwrap()), tls: None };
        let devices = Arc::new(OneDevice);
        start_at(
            (doors, vacant),
            spool,
            tempfile::tempdir().unwrap(),
            DimseConfig::default(),
            devices,
            Services::default(),
        )
    };
    let (outcomes, server) = tokio::join!(send(&options, &paths), back);
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
    assert_eq!((outcomes.len(), server.records().len()), (5, 5));
}

#[tokio::test]
async fn a_receiver_that_never_comes_or_does_not_want_us_is_given_up() {
    let server = start(DimseConfig::default()).await;
    let paths = [part10(server.dir.path(), 1, EXPLICIT, 100).0];
    let vacant = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let began = std::time::Instant::now();
    let away = send(&ScuOptions { address: vacant, retries: 1, ..server.options() }, &paths).await;
    assert!(matches!(away[0].result, Err(Failure::Association(_))), "{away:?}");
    assert!(began.elapsed() >= Duration::from_secs(1), "tried again after a pause");
    let began = std::time::Instant::now();
    let unknown = send(&ScuOptions { calling: "NOBODY".into(), retries: 9, ..server.options() }, &paths).await;
    assert!(matches!(unknown[0].result, Err(Failure::Association(_))), "{unknown:?}");
    assert!(began.elapsed() < Duration::from_secs(1), "a rejection for good is final");
}
