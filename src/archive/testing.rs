//! Archives for tests: in a temporary directory, and on an S3 server on loopback.

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use tempfile::TempDir;

use super::Archive;

/// An archive in a temporary directory that lives as long as the second value.
pub fn local() -> (Archive, TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = format!("file:{}", directory.path().display());
    (Archive::open(&url).expect("an archive"), directory)
}

/// An archive under a fresh prefix of the bucket `yunying` on the S3 server at `YUNYING_TEST_S3`
/// (`http://127.0.0.1:PORT`, credentials `tester` and `secret`).
///
/// Without a server the test is skipped aloud, in CI too: `cargo xtask test` starts none.
pub fn s3() -> Option<Archive> {
    let Ok(endpoint) = std::env::var("YUNYING_TEST_S3") else {
        eprintln!("skipped on S3: YUNYING_TEST_S3 names no server");
        return None;
    };
    // Another test of this process may have been first.
    drop(rustls::crypto::ring::default_provider().install_default());
    let store = AmazonS3Builder::new()
        .with_bucket_name("yunying")
        .with_region("cn-test-1")
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_access_key_id("tester")
        .with_secret_access_key("secret")
        .build()
        .expect("a client");
    let prefix = format!("county/{:016x}", rand::random::<u64>());
    Some(Archive::over(std::sync::Arc::new(store), Path::from(prefix)))
}
