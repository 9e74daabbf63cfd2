//! Archives for tests: in a temporary directory, and on an S3 server on loopback.

pub mod s3;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use tempfile::TempDir;

use self::s3::S3Server;
use super::{Archive, url};

/// An empty archive.
pub struct Store {
    pub archive: Archive,
    /// Where its objects lie as files, for tests that look at or spoil them.
    pub folder: PathBuf,
    /// Deleted with the value.
    _directory: Option<TempDir>,
}

impl Store {
    /// In a temporary directory.
    pub fn local() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::open(&format!("file:{}", directory.path().display())).unwrap();
        Self { archive, folder: directory.path().to_owned(), _directory: Some(directory) }
    }

    /// On this process's S3 server.
    pub fn s3() -> Self {
        Self::on(server())
    }

    /// The same objects through a line on which each request takes `wait`.
    pub fn slow(&self, wait: Duration) -> Archive {
        let config = ThrottleConfig {
            wait_delete_per_call: wait,
            wait_get_per_call: wait,
            wait_list_per_call: wait,
            wait_put_per_call: wait,
            ..ThrottleConfig::default()
        };
        let Archive { store, prefix } = self.archive.clone();
        Archive::over(Arc::new(ThrottledStore::new(store, config)), prefix)
    }

    /// Under a fresh prefix of `server`.
    pub fn on(server: &S3Server) -> Self {
        // Another test of this process may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let prefix = format!("county/{:016x}", rand::random::<u64>());
        let keys = AmazonS3Builder::new().with_access_key_id(s3::ACCESS_KEY).with_secret_access_key(s3::SECRET_KEY);
        let archive = url::open_with(&server.url(&prefix), keys).unwrap();
        let folder = server.folder(&prefix);
        std::fs::create_dir_all(&folder).unwrap();
        Self { archive, folder, _directory: None }
    }
}

/// One server for all tests of a process.
fn server() -> &'static S3Server {
    static SERVER: OnceLock<S3Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        remove_at_exit(&folder);
        S3Server::start(&folder)
    })
}

/// Statics are never dropped. The shell reads from a pipe this process holds: when the process ends, however, it cleans up.
fn remove_at_exit(folder: &std::path::Path) {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "read -r _; rm -rf \"$0\""]).arg(folder);
    // It is there as long as this process, which is why nobody waits for it.
    std::mem::forget(shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
}
