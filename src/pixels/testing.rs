//! A decode worker that fails when a test wants it to.

use std::path::PathBuf;

use tempfile::TempDir;

/// Workers that are started from here die as told; each has its own folder.
pub struct FlakyWorker(TempDir);

impl FlakyWorker {
    /// What a worker that lives makes of every frame.
    pub const ANSWER: [u8; 4] = [1, 2, 3, 4];

    pub fn install() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/pixels/testing/flaky-worker.sh");
        // A link and no copy: a file that was just written may not be started while another thread forks.
        std::os::unix::fs::symlink(script, folder.path().join("worker")).unwrap();
        Self(folder)
    }

    pub fn program(&self) -> PathBuf {
        self.0.path().join("worker")
    }

    /// The next `count` workers die at their start.
    pub fn dies_at_start(&self, count: usize) {
        (0..count).for_each(|n| std::fs::write(self.0.path().join(format!("die-{n}")), "").unwrap());
    }

    /// How many are still to die.
    pub fn deaths_left(&self) -> usize {
        let files = std::fs::read_dir(self.0.path()).unwrap().flatten();
        files.filter(|file| file.file_name().to_string_lossy().starts_with("die-")).count()
    }

    /// Every worker dies at its start from now on.
    pub fn is_dead(&self) {
        std::fs::write(self.0.path().join("dead"), "").unwrap();
    }

    pub fn is_well(&self) {
        std::fs::remove_file(self.0.path().join("dead")).unwrap();
    }
}
