//! Every shared real DICOM file, pushed by the peers a device would be: each ends stored or quarantined with a reason, what
//! is stored is what was on the wire to the byte, its frames are those that two other decoders found, and what is made of it
//! on the way out can be read.

mod compare;
mod plan;
mod send;
mod stow;
mod tally;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use compare::{Fate, Pixels, Plain};
use plan::Input;
use send::{Sender, Sent, Tools};
use tally::{Said, Tally};

use crate::center::Center;
use crate::intake::{Caller, check};
use crate::need;

/// Centers at a time, and requests at a time to each.
const CENTERS: usize = 2;
const REQUESTS: usize = 2;

#[test]
fn every_real_file_is_stored_as_sent_or_quarantined_and_its_frames_are_right() {
    let Some(root) = need::shared_dicom() else { return };
    let Some(tools) = Tools::find() else { return };
    let inputs = plan::inputs(&root);
    let batches = plan::batches(&inputs);
    let tally = Mutex::new(Tally::default());
    on_threads(CENTERS, &batches, |batch| {
        let of_batch = one_center(&tools, &root, batch);
        tally.lock().expect("no other thread failed").add(of_batch);
    });
    let tally = tally.into_inner().expect("no thread failed");
    println!("{} files in {} batches\n{}", inputs.len(), batches.len(), tally.summary());
    tally.judge(inputs.len(), &tally::BY_DEVICES);
}

#[test]
fn every_real_file_by_stow_is_stored_as_it_is_or_quarantined_and_its_frames_are_right() {
    let Some(root) = need::shared_dicom() else { return };
    let inputs = plan::inputs(&root);
    let tally = Mutex::new(Tally::default());
    on_threads(CENTERS, &plan::batches(&inputs), |batch| {
        let of_batch = stow::one_center(&root, batch);
        tally.lock().expect("no other thread failed").add(of_batch);
    });
    let tally = tally.into_inner().expect("no thread failed");
    println!("{} files by STOW-RS\n{}", inputs.len(), tally.summary());
    tally.judge(inputs.len(), &tally::BY_STOW);
}

/// Runs `work` on every item, on some threads.
fn on_threads<T: Sync>(threads: usize, items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::SeqCst)) {
                    work(item);
                }
            });
        }
    });
}

/// One batch to a center of its own.
fn one_center(tools: &Tools, root: &Path, batch: &[&Input]) -> Tally {
    let mut center = Center::new();
    let caller = Caller::of_role(&center, "manager", &[]);
    center.start_with(&["--accept-any-ae"]);
    let pushed = tools.push(&center, root, batch);
    let fates = compare::fates(&center, &caller, &pushed.sent);
    let fated: Vec<(&Sent, Fate)> = pushed.sent.iter().zip(fates).collect();
    let rewritten = center.scratch().join("rewritten");
    std::fs::create_dir(&rewritten).expect("a folder");
    let tally = Mutex::new(Tally::default());
    on_threads(REQUESTS, &fated, |(sent, fate)| {
        let of_one = one_object(&center, &caller, sent, fate, &rewritten);
        tally.lock().expect("no other thread failed").add(of_one);
    });
    tools.echo(&center);
    check(&center);
    let mut tally = tally.into_inner().expect("no thread failed");
    for (file, error) in tools.unreadable(&rewritten) {
        tally.put(Said::BadlyRewritten, error, &file);
    }
    for input in pushed.given_up {
        tally.put(Said::GivenUp, "", &input.path);
    }
    for (input, reasons) in pushed.unsent {
        if input.truth.is_some() {
            tally.put(Said::NotSeen, format!("{} not sent", input.syntax), &input.path);
        }
        tally.put(Said::Unsent, reasons.join("; "), &input.path);
    }
    tally
}

/// What is to be said of one object that was sent. Its Explicit VR form, if it came in another, is put into `rewritten`.
fn one_object(center: &Center, caller: &Caller, sent: &Sent, fate: &Fate, rewritten: &Path) -> Tally {
    let mut tally = Tally::default();
    let (path, syntax) = (&sent.input.path, &sent.wire.transfer_syntax);
    let by = format!("{:?}", sent.by);
    tally.put(Said::Sent, &by, path);
    if sent.by != Sender::Dcmtk {
        tally.put(Said::SentByOthers, &by, path);
    }
    if !sent.verbatim {
        tally.put(Said::EncodedAnew, format!("{by}, {} as {syntax}", sent.input.syntax), path);
    }
    if sent.wire.status != Some(0) {
        tally.put(Said::Refused, format!("{:04X?}", sent.wire.status), path);
    }
    let Some(at) = kept(center, caller, sent, fate, &mut tally) else { return tally };
    if syntax != compare::EXPLICIT_LITTLE {
        match compare::plain(center, caller, at) {
            Plain::Whole(file) => {
                std::fs::write(rewritten.join(path.replace('/', "_")), file).expect("a file is written");
                tally.put(Said::Rewritten, syntax, path);
            }
            Plain::Refused(why) => tally.put(Said::NotRewritten, format!("{syntax} {why}"), path),
            Plain::Broken(why) => tally.put(Said::BadlyRewritten, format!("{syntax} {why}"), path),
        }
    }
    seen(center, caller, sent, at, &mut tally);
    tally
}

/// Whether an object is there, and as it was sent; where it is stored.
fn kept<'f>(center: &Center, caller: &Caller, sent: &Sent, fate: &'f Fate, tally: &mut Tally) -> Option<&'f str> {
    let (path, syntax) = (&sent.input.path, &sent.wire.transfer_syntax);
    let at = match fate {
        Fate::Stored(at) => at,
        Fate::Quarantined { reason, detail } => {
            tally.put(Said::Quarantined, format!("{reason} ({detail})"), path);
            if sent.input.truth.is_some() {
                tally.put(Said::NotSeen, format!("{syntax} quarantined: {reason}"), path);
            }
            return None;
        }
        Fate::Lost => {
            tally.put(Said::Lost, &sent.wire.sop_instance, path);
            return None;
        }
    };
    match compare::difference(center, caller, at, sent) {
        None => tally.put(Said::Stored, syntax, path),
        Some(difference) => tally.put(Said::OtherBytes, difference, path),
    }
    Some(at)
}

/// Whether its frames are what others found, where that is known.
fn seen(center: &Center, caller: &Caller, sent: &Sent, at: &str, tally: &mut Tally) {
    let (path, syntax) = (&sent.input.path, &sent.wire.transfer_syntax);
    let Some(truth) = &sent.input.truth else { return };
    match compare::pixels(center, caller, at, truth) {
        Pixels::Exact => tally.put(Said::Exact, syntax, path),
        Pixels::ExactByHeader => tally.put(Said::ExactByHeader, syntax, path),
        Pixels::ExactRgb => tally.put(Said::ExactRgb, syntax, path),
        Pixels::NotHandled(why) => tally.put(Said::NotSeen, format!("{syntax} {why}"), path),
        Pixels::Wrong(why) => tally.put(Said::OtherPixels, format!("{syntax} {why}"), path),
    }
}
