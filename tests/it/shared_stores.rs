//! A center on the stores that several nodes would share, PostgreSQL and S3: it does what it does on one machine's own,
//! and a store that is down for a while keeps nobody from sending.

use std::path::PathBuf;

use crate::center::Center;
use crate::http;
use crate::intake::{Caller, assert_stored, check, county, files, queued, samples, send, wait};
use crate::need;
use crate::s3::{ACCESS_KEY, S3Server, SECRET_KEY};

const PREFIX: &str = "county";
/// Everything at once, so that a test need not wait.
const CONFIG: &str = "[ingest]
seal_after_seconds = 0.5
quiet_seconds_after_release = 0.5
";

/// A center whose index and archive are elsewhere.
struct Shared {
    center: Center,
    store: S3Server,
    _folder: tempfile::TempDir,
}

impl Shared {
    fn new() -> Option<Self> {
        let database = need::postgres()?.fresh_database();
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = S3Server::start(folder.path());
        let config = folder.path().join("center.toml");
        std::fs::write(&config, CONFIG).expect("a configuration");
        let center = Center::new()
            .with("YUNYING_CONFIG", &config.display().to_string())
            .with("YUNYING_DATABASE_URL", &database)
            .with("YUNYING_STORE_URL", &store.url(PREFIX))
            .with("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .with("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        Some(Self { center: county(center), store, _folder: folder })
    }

    /// Segments that wait in the spool.
    fn spooled(&self) -> usize {
        let entries = std::fs::read_dir(self.center.data().join("spool")).expect("a spool");
        entries.flatten().filter(|entry| entry.path().extension().is_some_and(|suffix| suffix == "seg")).count()
    }

    /// A figure without labels, as Prometheus would read it.
    fn figure(&self, name: &str) -> f64 {
        let answer = http::get(self.center.http, "/metrics", &[]).expect("the center answers");
        let text = answer.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no figure {name} in\n{text}"))
    }

    fn wait_until_sealed(&self) {
        wait("everything to be sealed", || (self.spooled() == 0).then_some(()));
    }

    fn packs(&self) -> usize {
        let mut folders = vec![self.store.folder(PREFIX).join("packs")];
        let mut packs = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder of packs").flatten() {
                match entry.path().is_dir() {
                    true => folders.push(entry.path()),
                    false => packs += 1,
                }
            }
        }
        packs
    }
}

fn sent(devices: &[&str]) -> Vec<PathBuf> {
    devices.iter().flat_map(|ae| files(&samples().join(ae))).collect()
}

#[test]
fn studies_are_sealed_on_s3_read_back_from_there_and_found_again_after_a_restart() {
    let Some(mut shared) = Shared::new() else { return };
    shared.center.start();
    let caller = Caller::integrator(&shared.center, &[]);
    for ae in ["QH_CT01", "NP_DR01"] {
        send(&shared.center, ae);
    }
    queued(&shared.center, &caller, 2);
    shared.wait_until_sealed();
    wait("both packs to be counted", || (shared.figure("yunying_packs_sealed_total") >= 2.0).then_some(()));
    assert!(shared.packs() >= 2);
    assert_eq!(shared.figure("yunying_spool_bytes"), 0.0);
    let count = sent(&["QH_CT01", "NP_DR01"]).len();
    assert_eq!(shared.figure("yunying_instances_received_total"), count as f64);
    assert_stored(&shared.center, &caller, &sent(&["QH_CT01", "NP_DR01"]));
    check(&shared.center);

    shared.center.kill();
    check(&shared.center);
    shared.center.start();
    assert_stored(&shared.center, &caller, &sent(&["QH_CT01", "NP_DR01"]));
    send(&shared.center, "DD_US01");
    queued(&shared.center, &caller, 3);
    shared.wait_until_sealed();
    assert_stored(&shared.center, &caller, &sent(&["QH_CT01", "NP_DR01", "DD_US01"]));
    check(&shared.center);
}

#[test]
fn with_s3_down_intake_goes_on_and_sealing_catches_up() {
    let Some(mut shared) = Shared::new() else { return };
    shared.center.start();
    let caller = Caller::integrator(&shared.center, &[]);
    send(&shared.center, "QH_CT01");
    shared.wait_until_sealed();

    shared.store.stop();
    for ae in ["NP_DR01", "DD_US01"] {
        send(&shared.center, ae);
    }
    queued(&shared.center, &caller, 3);
    wait("the sealer to find the store down", || (shared.figure("yunying_store_up") == 0.0).then_some(()));
    assert!(shared.figure("yunying_spool_bytes") > 0.0, "what cannot be sealed stays in the spool");
    let ready = http::get(shared.center.http, "/readyz", &[]).expect("the center answers");
    assert_eq!(ready.status, 200, "a center without its object store still takes images");

    shared.store.resume();
    shared.wait_until_sealed();
    assert_stored(&shared.center, &caller, &sent(&["QH_CT01", "NP_DR01", "DD_US01"]));
    check(&shared.center);
    // Nothing was lost on the way: the same after a new start.
    shared.center.kill();
    shared.center.start();
    assert_stored(&shared.center, &caller, &sent(&["QH_CT01", "NP_DR01", "DD_US01"]));
}
