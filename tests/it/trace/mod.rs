//! What the operating system sees: no C-STORE is answered with success before its bytes are synced.
//!
//! The center runs under strace while devices send; the trace is then held to that sentence, call by call.

mod proof;
mod strace;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::center::Center;
use crate::exams::Exams;
use crate::intake::county;
use crate::need;
use crate::sender::Sender;

/// Everything that can write or sync, and what makes files.
const CALLS: &str = "trace=pwrite64,pwritev,pwritev2,write,writev,sendto,sendmsg,sendmmsg,sendfile,splice,fdatasync,fsync,\
                     openat,io_uring_enter";
/// Enough of each buffer for the spool's header and for a whole response.
const SHOWN: &str = "1024";
const SLICES: usize = 40;
const CLIPS: usize = 6;

#[test]
fn no_success_leaves_before_the_sync_of_its_bytes_has_returned() {
    let Some(strace) = need::strace() else { return };
    for associations in [1, 4] {
        let mut center = county(Center::new());
        let trace = center.scratch().join("trace");
        let mut traced = Command::new(&strace);
        // -D: the center stays the child that is stopped, strace is beside it.
        traced.args(["-D", "-f", "--seccomp-bpf", "-yy", "-xx", "-s", SHOWN, "-e", CALLS, "-o"]).arg(&trace);
        center.launch_under(traced);
        center.wait_until_ready();
        let sent = send(&center, associations);
        center.stop();
        let text = whole(&trace);
        let calls = strace::read(&text).expect("a trace that can be read");
        let proof = proof::prove(&calls, &center.data().join("spool"), center.dimse.port());
        let proof = proof.unwrap_or_else(|fault| panic!("{associations} associations: {fault}"));
        assert_eq!(proof.answers, sent, "every answer a sender saw is in the trace");
        println!("{associations} associations: {sent} answers, each behind one of {} syncs", proof.syncs);
    }
}

/// CT slices, and clips that have a segment each, on that many associations; how many.
fn send(center: &Center, associations: usize) -> usize {
    let mut sender = Sender::start(center.dimse, "QH_CT01", associations);
    sender.give(Exams::of("DD_US01", center.scratch()).study(CLIPS));
    sender.give(Exams::of("QH_CT01", center.scratch()).study(SLICES));
    sender.finish(CLIPS + SLICES);
    assert_eq!(sender.unanswered(), 0, "no association broke");
    CLIPS + SLICES
}

/// The trace once strace has written all of it.
fn whole(trace: &Path) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let text = std::fs::read_to_string(trace).expect("a trace");
        let last = text.lines().last().unwrap_or_default();
        if last.contains("+++ exited with") || last.contains("+++ killed by") {
            return text;
        }
        assert!(Instant::now() < deadline, "the trace does not end: {last}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
