//! A center that is killed again and again while devices send to it: whatever it acknowledged is there, byte for byte, once,
//! and it starts again by itself and soon.
//!
//! `YUNYING_SEED` repeats the moments of an earlier run as far as a clock can be repeated; with `YUNYING_SOAK` the rounds are many.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::center::Center;
use crate::device::{Device, see_stored};
use crate::exams::ByUid;
use crate::intake::{Caller, check, check_with, county};

/// Nothing waits long, so that every step falls into the time between two kills.
const CONFIG: &str = "[ingest]
seal_after_seconds = 0.2
quiet_seconds_after_release = 0.3
quiet_seconds = { \"*\" = 0.6 }
";
const SLICES: usize = 14;
/// The three of the sample: two stills and a clip that is too large for a shared segment.
const CLIPS: usize = 3;
const READY: Duration = Duration::from_secs(20);

/// When the center is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Somewhere in the middle of receiving.
    Receiving,
    /// Just after something was acknowledged: it is on its way into the index.
    Indexing,
    /// While a pack is written, or just after.
    Sealing,
    /// Before it is ready, while it looks through what the last kill left.
    Starting,
}

const MOMENTS: [Moment; 4] = [Moment::Receiving, Moment::Indexing, Moment::Sealing, Moment::Starting];

#[test]
fn a_center_killed_at_any_moment_keeps_what_it_acknowledged() {
    let rounds = if std::env::var_os("YUNYING_SOAK").is_some() { 60 } else { 8 };
    let mut siege = Siege::begin();
    for round in 0..rounds {
        siege.round(MOMENTS[round % MOMENTS.len()]);
    }
    siege.end();
}

struct Siege {
    center: Center,
    caller: Caller,
    devices: [Device; 2],
    rng: StdRng,
    /// From a kill to readiness, each.
    starts: Vec<Duration>,
}

impl Siege {
    fn begin() -> Self {
        let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |now| now.as_secs());
        let given = std::env::var("YUNYING_SEED").ok();
        let seed = given.map_or_else(now, |seed| seed.parse().expect("YUNYING_SEED is a number"));
        println!("seed {seed} (YUNYING_SEED={seed} repeats it)");
        let center = Center::new();
        let config = center.scratch().join("center.toml");
        std::fs::write(&config, CONFIG).expect("a configuration");
        let mut center = county(center.with("YUNYING_CONFIG", &config.display().to_string()));
        let caller = Caller::integrator(&center, &[]);
        let devices = [Device::new(&center, "QH_CT01", 3, SLICES), Device::new(&center, "DD_US01", 2, CLIPS)];
        center.start();
        Self { center, caller, devices, rng: StdRng::seed_from_u64(seed), starts: Vec::new() }
    }

    fn examine(&mut self) {
        self.devices.iter_mut().for_each(Device::examine);
    }

    fn round(&mut self, moment: Moment) {
        self.examine();
        self.examine();
        let waited = self.wait_for(moment);
        self.center.kill();
        let acknowledged = self.acknowledged();
        println!("killed {waited:?} into {moment:?}: {} instances acknowledged", acknowledged.len());
        check_with(&self.center, &[]);

        let killed = Instant::now();
        self.center.start();
        self.starts.push(killed.elapsed());
        assert!(killed.elapsed() < READY, "{:?} until the center was ready again", killed.elapsed());
        // While it receives again.
        self.examine();
        check_with(&self.center, &[]);
        see_stored(&self.center, &self.caller, &acknowledged);
    }

    /// Lets the moment come, kills before if it lies in a start; how long that took.
    fn wait_for(&mut self, moment: Moment) -> Duration {
        let mut within = |millis: u64| Duration::from_millis(self.rng.random_range(0..=millis));
        let began = Instant::now();
        match moment {
            Moment::Receiving => std::thread::sleep(within(400)),
            Moment::Indexing => {
                let pause = within(30);
                let before = self.count();
                wait_briefly(|| self.count() > before);
                std::thread::sleep(pause);
            }
            Moment::Sealing => {
                let pause = within(40);
                let before = entries(&self.center.data().join("archive/packs"));
                wait_briefly(|| entries(&self.center.data().join("archive/packs")) != before);
                std::thread::sleep(pause);
            }
            Moment::Starting => {
                let pause = within(250);
                std::thread::sleep(Duration::from_millis(30));
                self.center.kill();
                self.center.launch();
                std::thread::sleep(pause);
            }
        }
        began.elapsed()
    }

    fn count(&self) -> usize {
        self.devices.iter().map(|device| device.sender.count()).sum()
    }

    fn acknowledged(&self) -> ByUid {
        self.devices.iter().flat_map(|device| device.sender.acknowledged()).collect()
    }

    /// Everything is sent, and everything is there.
    fn end(mut self) {
        let sent: ByUid = self.devices.iter_mut().flat_map(|device| device.sender.finish(device.given)).collect();
        see_stored(&self.center, &self.caller, &sent);
        check(&self.center);
        self.center.kill();
        let said = check(&self.center);
        let counted = |what: &str| said.lines().find_map(|line| line.trim().strip_suffix(what)?.trim().parse().ok());
        assert_eq!(counted("instances"), Some(sent.len()), "no more and no fewer than were sent:\n{said}");
        assert_eq!(counted("quarantined objects"), Some(0), "{said}");
        assert!(counted("packs").is_some_and(|packs| packs > 0), "nothing was sealed:\n{said}");
        let sent_again: usize = self.devices.iter().map(|device| device.sender.unanswered()).sum();
        let longest = self.starts.iter().max().expect("a start");
        println!("{} instances, {sent_again} sent again; ready again within {longest:?} of each kill", sent.len());
    }
}

/// Waits for something that mostly happens; a kill without it is a kill all the same.
fn wait_briefly(mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(4);
    while !happened() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Names of everything under a folder that may not be there yet.
fn entries(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        names.push(entry.file_name().to_string_lossy().into_owned());
        names.extend(entries(&entry.path()));
    }
    names.sort();
    names
}
