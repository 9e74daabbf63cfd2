//! A backup taken beside a center that receives, indexes and seals: each brings back, elsewhere, whatever was acknowledged
//! before it began.

use std::path::Path;
use std::time::Duration;

use crate::center::Center;
use crate::device::{Device, see_stored};
use crate::exams::ByUid;
use crate::intake::{Caller, check, county};

/// Nothing waits long, so that every backup falls into all steps at once.
const CONFIG: &str = "[ingest]
seal_after_seconds = 0.2
quiet_seconds_after_release = 0.3
quiet_seconds = { \"*\" = 0.6 }
";
const BACKUPS: usize = 4;

fn hasty(center: Center) -> Center {
    let config = center.scratch().join("center.toml");
    std::fs::write(&config, CONFIG).expect("a configuration");
    center.with("YUNYING_CONFIG", &config.display().to_string())
}

#[test]
fn backups_taken_while_devices_send_bring_back_all_that_was_acknowledged() {
    let mut center = county(hasty(Center::new()));
    center.add_user("zhou", "周示例", "主治医师", "specialist", &["--modalities", "CT"]);
    let caller = Caller::integrator(&center, &[]);
    let mut devices = [Device::new(&center, "QH_CT01", 3, 14), Device::new(&center, "DD_US01", 2, 3)];
    center.start();

    let backup = center.scratch().join("backup");
    let mut known = ByUid::new();
    for round in 0..BACKUPS {
        for device in &mut devices {
            device.examine();
            device.examine();
        }
        // Between the arrival of some and the sealing of others.
        std::thread::sleep(Duration::from_millis(150 * round as u64));
        known = devices.iter().flat_map(|device| device.sender.acknowledged()).collect();
        center.command(&["backup", &backup.display().to_string()], "");
        println!("backup {round}: {} instances were acknowledged before it", known.len());
        restore(&backup, &caller, &known);
    }
    assert!(!known.is_empty(), "nothing was acknowledged before the last backup");
    for device in &mut devices {
        let given = device.given;
        device.sender.finish(given);
    }
    check(&center);
}

/// Restores into a new center, which is whole at once and still so after it ran.
fn restore(backup: &Path, caller: &Caller, known: &ByUid) {
    let mut restored = hasty(Center::new());
    restored.command(&["restore", &backup.display().to_string()], "");
    check(&restored);
    restored.start();
    // Accounts and tokens came along.
    see_stored(&restored, caller, known);
    restored.stop();
    check(&restored);
}
