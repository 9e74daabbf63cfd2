//! Query and retrieval as other people's programs ask for them: dcmtk's findscu, movescu and getscu, pynetdicom where it
//! takes a peer that negotiates as it likes.

mod dcmtk;
mod orthanc;
mod receiver;
mod secure;
mod worklist;
mod written;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::center::Center;
use crate::intake::{Caller, county, send};
use crate::need;
use receiver::Receiver;

/// A county that has received the samples, with a workstation in the county hospital and one in a township.
struct County {
    center: Center,
    /// Where both workstations take images.
    port: u16,
}

const STUDIES: usize = 3;

impl County {
    fn new() -> Self {
        Self::started_with(&[])
    }

    fn started_with(flags: &[&str]) -> Self {
        let mut center = county(Center::new());
        center.add_site("XY", "县人民医院", "county");
        let port = crate::center::free_port().port();
        for (ae, site) in [("WS_COUNTY", "XY"), ("WS_QH", "QH")] {
            center.add_device(ae, site, "");
            center.command(&["device", "address", "--ae", ae, "--address", &format!("localhost:{port}")], "");
        }
        center.start_with(flags);
        for ae in ["QH_CT01", "NP_DR01", "DD_US01"] {
            send(&center, ae);
        }
        let caller = Caller::integrator(&center, &[]);
        let deadline = Instant::now() + Duration::from_secs(60);
        while caller.json(&center, "/dicomweb/instances").as_array().map_or(0, Vec::len) < samples().len() {
            assert!(Instant::now() < deadline, "the samples are not indexed");
            std::thread::sleep(Duration::from_millis(100));
        }
        Self { center, port }
    }

    /// The options by which a peer calls the center as `ae`.
    fn call(&self, ae: &str) -> Vec<String> {
        let address = self.center.dimse;
        ["-aet", ae, "-aec", "YUNYING", &address.ip().to_string(), &address.port().to_string()]
            .map(str::to_owned)
            .into()
    }
}

fn samples() -> Vec<PathBuf> {
    crate::intake::files(&crate::intake::samples())
}

/// Runs a program to its end; what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
    let said = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// The value of an element as dcmdump prints it, in UTF-8; `None` where it is not there.
fn value(file: &std::path::Path, tag: &str) -> Option<String> {
    let dump = run(Command::new("dcmdump").args(["+U8", "+L", "-q", "-Un"]).args(["+P", tag]).arg(file));
    let line = dump.lines().find(|line| !line.trim().is_empty())?;
    let text = line.split_once('[').and_then(|(_, rest)| rest.rsplit_once(']')).map(|(text, _)| text.to_owned());
    Some(text.unwrap_or_default())
}

#[test]
fn every_name_of_real_files_is_right_in_every_character_set_that_a_peer_reads() {
    let (Some(python), Some(shared)) = (need::python(), need::shared_dicom()) else { return };
    let mut center = Center::new();
    center.start_with(&["--accept-any-ae"]);
    run(need::script(&python, "query_retrieve/names.py").arg(center.dimse.port().to_string()).arg(shared));
}

#[test]
fn pynetdicom_negotiates_queries_cancels_and_retrieves() {
    let Some(python) = need::python() else { return };
    let county = County::new();
    run(need::script(&python, "query_retrieve/peer.py")
        .args([county.center.dimse.port().to_string(), county.port.to_string()])
        .arg(need::workspace().join("sample-dicom")));
}

#[test]
fn pynetdicom_is_told_what_is_kept_wherever_it_is_and_after_a_restart() {
    let Some(python) = need::python() else { return };
    let mut center = county(Center::new());
    let port = crate::center::free_port().port();
    center.command(&["device", "address", "--ae", "QH_CT01", "--address", &format!("localhost:{port}")], "");
    center.start();
    let ask = |center: &Center, what: &str| {
        run(need::script(&python, "query_retrieve/commitment.py")
            .args([center.dimse.port().to_string(), port.to_string()])
            .arg(need::workspace().join("sample-dicom"))
            .arg(what));
    };
    // What another site's device sent is not there for this one.
    send(&center, "DD_US01");
    ask(&center, "stay");
    ask(&center, "leave");
    ask(&center, "ask");
    center.kill();
    center.start();
    ask(&center, "hear");
}

#[test]
fn pynetdicom_tells_of_performed_steps_once_and_until_they_are_over() {
    let Some(python) = need::python() else { return };
    let mut center = county(Center::new());
    center.start();
    run(need::script(&python, "query_retrieve/mpps.py")
        .arg(center.dimse.port().to_string())
        .arg(need::workspace().join("sample-dicom")));
}
