//! From an address in the configuration to a store.
//!
//! `file:DIR` or `file:///DIR`; `s3://bucket/prefix`, with credentials, region and endpoint from the usual `AWS_*`
//! environment, or `?endpoint=…&region=…` in the address. Plain HTTP is allowed when the endpoint itself says so.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use super::{Archive, ArchiveError};

pub(super) fn open(url: &str) -> Result<Archive, ArchiveError> {
    open_with(url, AmazonS3Builder::from_env())
}

/// As [`open`], with credentials that are in `bucket`.
pub(super) fn open_with(url: &str, bucket: AmazonS3Builder) -> Result<Archive, ArchiveError> {
    let refuse = |why: String| ArchiveError::Address { url: url.to_owned(), why };
    if let Some(directory) = url.strip_prefix("file:") {
        let directory = directory.strip_prefix("//").unwrap_or(directory);
        return open_directory(directory).map_err(refuse);
    }
    if let Some(rest) = url.strip_prefix("s3://") {
        return open_bucket(rest, bucket).map_err(refuse);
    }
    Err(refuse("it begins neither with file: nor with s3://".into()))
}

fn open_directory(directory: &str) -> Result<Archive, String> {
    if directory.is_empty() {
        return Err("no directory is named".into());
    }
    std::fs::create_dir_all(directory).map_err(|error| error.to_string())?;
    let store = LocalFileSystem::new_with_prefix(directory).map_err(|error| error.to_string())?.with_fsync(true);
    Ok(Archive::over(Arc::new(store), Path::default()))
}

fn open_bucket(rest: &str, builder: AmazonS3Builder) -> Result<Archive, String> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let mut builder = builder.with_bucket_name(bucket);
    let mut endpoint = std::env::var("AWS_ENDPOINT_URL").or_else(|_| std::env::var("AWS_ENDPOINT")).ok();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("endpoint", url)) => endpoint = Some(url.to_owned()),
            Some(("region", region)) => builder = builder.with_region(region),
            _ => return Err(format!("{pair:?} is not understood")),
        }
    }
    let plain_http = endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let store = builder
        .with_client_options(client_options(plain_http))
        .with_retry(retries())
        .build()
        .map_err(|error| error.to_string())?;
    let prefix = Path::parse(prefix).map_err(|error| error.to_string())?;
    Ok(Archive::over(Arc::new(store), prefix))
}

/// A whole transfer may take long, silence may not.
fn client_options(plain_http: bool) -> ClientOptions {
    ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(Duration::from_secs(5))
        .with_read_timeout(Duration::from_secs(30))
        .with_allow_http(plain_http)
}

/// Short: whoever writes in the background keeps its own, longer patience, and whoever reads has a person waiting.
fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: 3,
        retry_timeout: Duration::from_secs(15),
    }
}
