//! What the operating system says of this process. Linux only; elsewhere there is nothing to say.

/// Bytes of memory in use.
pub fn resident_memory() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    // SAFETY: a question without preconditions.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    pages.checked_mul(page)
}

/// Files, sockets and pipes that are open.
pub fn open_descriptors() -> Option<u64> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?;
    // The listing itself is one of them.
    u64::try_from(entries.count().saturating_sub(1)).ok()
}

/// How many may be open.
pub fn most_descriptors() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes into the struct it is given.
    let asked = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    (asked == 0).then_some(limit.rlim_cur)
}

/// Seconds of processor time used so far, by all threads.
pub fn processor_seconds() -> Option<f64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes into the struct it is given.
    let asked = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    (asked == 0).then(|| time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_descriptors_and_time_are_plausible() {
        let memory = resident_memory().unwrap();
        assert!((1 << 20..1 << 40).contains(&memory), "{memory}");
        let before = open_descriptors().unwrap();
        let files: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        // Other tests of this process open and close files meanwhile.
        let during = open_descriptors().unwrap();
        assert!(before > 2 && during > 50 && during <= most_descriptors().unwrap(), "{before}, {during}");
        drop(files);
        assert!(processor_seconds().unwrap() > 0.0);
    }
}
