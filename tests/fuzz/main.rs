//! Fuzzing: every parser that meets bytes from outside, on bytes that are almost right.
//!
//! Each target runs in a process of its own ([`worker`]), so that whatever ends it (a panic, an abort, memory, time) is a
//! finding and no end of the run. Seeds lie in `corpus/`, one folder a target, tried as they are before anything is made of
//! them; an input that failed once belongs there. A run is short unless `YUNYING_SOAK` or `YUNYING_FUZZ_SECONDS` says
//! otherwise; `YUNYING_SEED` repeats one, and an argument that names a target leaves out the others.

mod association;
mod hand;
mod memory;
mod minimise;
mod mutate;
mod targets;
mod worker;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use targets::{PLANTED, TARGETS, Target};
use worker::Errand;

/// Two seconds for each target find what a careless change breaks; the soak looks for the rest.
const SHORT: u64 = 2;
const SOAK: u64 = 600;
/// Targets at a time.
const AT_ONCE: usize = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["worker", target, seed, seconds, hand] => work(target, seed, seconds, hand),
        ["once", target, input] => once(target, input),
        others => run(others),
    }
}

fn work(target: &str, seed: &str, seconds: &str, hand: &str) -> ExitCode {
    let target = targets::by_name(target).expect("a target");
    let mut seeds: Vec<Vec<u8>> = worker::seeds(target.name).into_iter().map(|(_, bytes)| bytes).collect();
    if seeds.is_empty() {
        seeds.push(Vec::new());
    }
    let time = Duration::from_millis((seconds.parse::<f64>().expect("seconds") * 1000.0) as u64);
    worker::work(&Errand { target, seeds, seed: seed.parse().expect("a seed"), time, hand: Path::new(hand) });
    ExitCode::SUCCESS
}

fn once(target: &str, input: &str) -> ExitCode {
    worker::once(targets::by_name(target).expect("a target"), &std::fs::read(input).expect("an input"));
    ExitCode::SUCCESS
}

fn run(words: &[&str]) -> ExitCode {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let usual = if std::env::var_os("YUNYING_SOAK").is_some() { SOAK } else { SHORT };
    let seconds = number("YUNYING_FUZZ_SECONDS").unwrap_or(usual);
    let seed = number("YUNYING_SEED").unwrap_or_else(|| rand::random_range(1..1_000_000));
    // Flags are for the other test binaries.
    let named: Vec<&&str> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let chosen = |target: &&Target| named.is_empty() || named.iter().any(|name| **name == target.name);
    println!("\nfuzzing with seed {seed}");
    let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    std::fs::create_dir_all(&kept).expect("a folder for what is found");
    let mut failed = planted_faults_are_found(&kept);
    let found = on_threads(TARGETS.iter().filter(chosen).collect(), |target| {
        try_target(target, seed, seconds as f64, &kept).map_err(|finding| finding.report(target, &kept))
    });
    failed += found.iter().filter(|outcome| outcome.is_err()).count();
    match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn on_threads<T: Send>(items: Vec<&'static Target>, work: impl Fn(&'static Target) -> T + Sync) -> Vec<T> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(target) = items.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let outcome = work(target);
                    done.lock().expect("no thread failed").push(outcome);
                }
            });
        }
    });
    done.into_inner().expect("no thread failed")
}

/// How many kinds of fault this harness would miss.
fn planted_faults_are_found(kept: &Path) -> usize {
    let found = on_threads(PLANTED.iter().collect(), |target| match try_target(target, 1, 5.0, kept) {
        Err(finding) if minimise::fails(target, &finding.input, kept) => true,
        _ => {
            println!("{}: the fault was not found", target.name);
            false
        }
    });
    let missed = found.iter().filter(|found| !**found).count();
    println!("{} of {} planted faults found", found.len() - missed, found.len());
    missed
}

/// An input that ended its worker.
struct Finding {
    input: Vec<u8>,
    said: String,
}

fn try_target(target: &'static Target, seed: u64, seconds: f64, kept: &Path) -> Result<(), Finding> {
    let hand = kept.join(format!("{}.hand", target.name));
    let seed_text = seed.to_string();
    let worker = Command::new(std::env::current_exe().expect("this program"))
        .args(["worker", target.name, &seed_text, &seconds.to_string()])
        .arg(&hand)
        .stdin(Stdio::null())
        .output()
        .expect("a worker starts");
    if !worker.status.success() {
        let said = String::from_utf8_lossy(&worker.stderr).trim().to_owned();
        let said = format!("{said}\n    {}", worker.status);
        return Err(Finding { input: hand::held(&hand).expect("the input in hand"), said });
    }
    let (executions, seeds) = (String::from_utf8_lossy(&worker.stdout).trim().to_owned(), worker::seeds(target.name));
    println!(
        "{:<12} {executions:>9} executions in {seconds} s, from {} seeds: nothing found",
        target.name,
        seeds.len()
    );
    Ok(())
}

impl Finding {
    fn report(&self, target: &'static Target, kept: &Path) {
        let small = minimise::minimise(target, &self.input, kept);
        let hash =
            small.iter().fold(0xCBF2_9CE4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01B3));
        let path = kept.join(format!("{}-{hash:016x}", target.name));
        std::fs::write(&path, &small).expect("what was found is written down");
        println!("{}: FAILED\n    {}", target.name, self.said);
        println!("    {} bytes, made {} of them: {}", self.input.len(), small.len(), path.display());
        println!("    once it is mended, it belongs into tests/fuzz/corpus/{}/", target.name);
    }
}
