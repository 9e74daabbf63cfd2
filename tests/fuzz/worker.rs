//! A process that tries inputs until its time is over, or until one of them ends it.

use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::hand::{Hand, LONGEST};
use crate::memory;
use crate::mutate::{Random, mutate};
use crate::targets::Target;

/// Exit codes besides [`memory::TOO_MUCH`].
pub const PANICKED: i32 = 101;
pub const TOO_SLOW: i32 = 103;
/// Inputs made are short: most faults need little, and short ones are tried faster.
const USUAL: usize = 16 * 1024;

/// Milliseconds since the start when the input in hand was begun, plus one; 0: none is.
static BEGUN: AtomicU64 = AtomicU64::new(0);

pub struct Errand<'a> {
    pub target: &'static Target,
    pub seeds: Vec<Vec<u8>>,
    pub seed: u64,
    pub time: Duration,
    pub hand: &'a Path,
}

/// Tries the seeds, then what is made of them; prints how many inputs that were. Ends the process where one fails.
pub fn work(errand: &Errand) {
    let mut hand = Hand::open(errand.hand).expect("a file for the input in hand");
    let started = Instant::now();
    end_where_it_fails(started, errand.target.patience);
    let mut executions = 0u64;
    let mut attempt = |input: &[u8]| {
        hand.hold(input);
        try_one(errand.target, input, started);
        executions += 1;
    };
    errand.seeds.iter().for_each(|seed| attempt(seed));
    let mut random = Random::new(errand.seed);
    while started.elapsed() < errand.time {
        let (base, other) = (random.below(errand.seeds.len()), random.below(errand.seeds.len()));
        let longest = if random.below(50) == 0 { LONGEST } else { USUAL };
        attempt(&mutate(&mut random, &errand.seeds[base], &errand.seeds[other], errand.target.tokens, longest));
    }
    memory::allow_all();
    println!("{executions}");
}

/// One input, to see whether it fails.
pub fn once(target: &'static Target, input: &[u8]) {
    let started = Instant::now();
    end_where_it_fails(started, target.patience);
    // What is made once is not the input's.
    (target.run)(&[]);
    try_one(target, input, started);
    memory::allow_all();
}

fn try_one(target: &Target, input: &[u8], started: Instant) {
    BEGUN.store(started.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
    memory::allow(target.allowance);
    (target.run)(input);
    memory::allow_all();
    BEGUN.store(0, Ordering::Relaxed);
}

fn end_where_it_fails(started: Instant, patience: Duration) {
    std::panic::set_hook(Box::new(|panic| {
        memory::allow_all();
        eprintln!("{panic}");
        exit(PANICKED);
    }));
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(50));
            let begun = BEGUN.load(Ordering::Relaxed);
            if begun > 0 && started.elapsed().as_millis() as u64 + 1 > begun + patience.as_millis() as u64 {
                eprintln!("one input takes longer than {patience:?}");
                exit(TOO_SLOW);
            }
        }
    });
}

/// The seeds of a target, in the order of their names.
pub fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(&path).expect("a seed can be read"))).collect()
}
