//! dcmtk's storescp on loopback, as the workstation that images are sent to.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::need;

/// A running storescp; ended with the value.
pub struct Receiver {
    child: Child,
    folder: tempfile::TempDir,
}

impl Receiver {
    /// Takes images at `port` with storescp's `options`; `None`: a program is missing, and that was said.
    pub fn start(port: u16, options: &[&str]) -> Option<Self> {
        let storescp = need::program("storescp")?;
        let folder = tempfile::tempdir().expect("a temporary directory");
        let shim = shim(folder.path())?;
        let received = folder.path().join("received");
        std::fs::create_dir(&received).expect("a new folder");
        let log = File::create(folder.path().join("log")).expect("a new file");
        let child = Command::new(storescp)
            .env("LD_PRELOAD", shim)
            .args(options)
            .arg("-od")
            .arg(&received)
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("storescp starts");
        let receiver = Self { child, folder };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "storescp does not listen: {}", receiver.said());
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(receiver)
    }

    pub fn files(&self) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(self.folder.path().join("received")).expect("a folder");
        let mut files: Vec<PathBuf> = folder.flatten().map(|entry| entry.path()).collect();
        files.sort();
        files
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// storescp binds every interface; what is preloaded makes that loopback.
pub fn shim(folder: &Path) -> Option<PathBuf> {
    let source = need::shared("peers/loopback_bind.c")?;
    let (cc, shim) = (need::program("cc")?, folder.join("loopback_bind.so"));
    super::run(Command::new(cc).args(["-shared", "-fPIC", "-o"]).arg(&shim).arg(source).arg("-ldl"));
    Some(shim)
}
