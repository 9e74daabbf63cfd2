//! `yunying send`: pushes files to a DICOM receiver, as a device would; also the load generator of the benchmarks.
//!
//! A file goes out as it is where the receiver takes it so, else without compression.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::dimse::Address;
use crate::dimse::scu::{
    Body, Called, Failure, FileError, Outcome, Outgoing, ScuError, ScuOptions, read_meta, send_all,
};
use crate::dimse::tls::{Connector, Identity, TlsError};
use crate::domain::Fingerprint;
use crate::pixels::Decoder;
use crate::retrieve::FileAnew;

/// Send DICOM files, or all of them in folders, by C-STORE.
#[derive(Debug, clap::Args)]
pub struct SendArgs {
    /// Files and folders.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// The receiver, as AET@HOST:PORT, or AET@tls://HOST:PORT over TLS.
    #[arg(long)]
    pub to: Receiver,
    /// Our own AE title.
    #[arg(long, default_value = "YUNYING")]
    pub from: String,
    /// Associations at a time.
    #[arg(long, default_value_t = 1)]
    pub associations: usize,
    /// Objects under way on one association, where the receiver allows more than one.
    #[arg(long, default_value_t = 4)]
    pub window: u16,
    /// Attempts in a row while the receiver is out of reach or out of resources; the pauses grow from a second to a minute
    #[arg(long, default_value_t = 3)]
    pub retries: u8,
    #[command(flatten)]
    tls: TlsArgs,
}

/// What TLS receivers are known by, and we to them.
#[derive(Debug, clap::Args)]
struct TlsArgs {
    /// Authorities by one of which the receiver's certificate must be, PEM
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Our own certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// SHA-256 of the receiver's certificate, where that does not name its host
    #[arg(long, value_name = "HEX")]
    tls_fingerprint: Option<Fingerprint>,
}

impl TlsArgs {
    fn connector(&self) -> Result<Option<Connector>, TlsError> {
        let Some(ca) = &self.tls_ca else { return Ok(None) };
        let own = self.tls_cert.as_deref().zip(self.tls_key.as_deref());
        let own = own.map(|(cert, key)| Identity::read(cert, key)).transpose()?;
        Connector::new(own.as_ref(), ca).map(Some)
    }
}

/// Frames decoded at a time for receivers that take no compression.
const DECODERS: usize = 2;

/// AET@ADDRESS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    pub title: String,
    pub address: Address,
}

impl FromStr for Receiver {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected AET@HOST:PORT or AET@tls://HOST:PORT with an AE title of 1 to 16 characters";
        let (title, address) = text.split_once('@').ok_or(EXPECTED)?;
        if title.is_empty() || title.len() > 16 {
            return Err(EXPECTED);
        }
        Ok(Self { title: title.into(), address: address.parse().map_err(|_| EXPECTED)? })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("{0}: {1}")]
    Path(PathBuf, io::Error),
    #[error("{0}: {1}")]
    Receiver(Address, ScuError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{0} is to be called over TLS: --tls-ca says by which authority its certificate must be")]
    NoAuthority(Address),
    #[error("where this program is: {0}")]
    Program(io::Error),
    #[error("{0} of {1} not sent")]
    NotAllSent(usize, usize),
}

pub async fn run(args: SendArgs) -> Result<(), SendError> {
    let mut gathered = Gathered::default();
    for path in &args.paths {
        gather(path, &mut gathered)?;
    }
    let decoder = Decoder::new(std::env::current_exe().map_err(SendError::Program)?, DECODERS);
    gathered.objects.iter_mut().for_each(|object| can_go_out_anew(object, &decoder));
    let options = options(&args).await?;
    if gathered.skipped > 0 {
        println!("{} files in the folders are not DICOM Part-10 and are skipped", gathered.skipped);
    }
    let total = gathered.objects.len() + gathered.failed.len();
    let mut tally = Tally::new(total);
    for (path, error) in gathered.failed {
        tally.failed(path.display().to_string(), error.into());
    }
    let (outcomes, mut decided) = mpsc::channel(256);
    let count = async {
        while let Some(outcome) = decided.recv().await {
            tally.add(outcome);
        }
    };
    tokio::join!(send_all(&options, gathered.objects, outcomes), count);
    tally.summary()
}

/// Where the receiver does not take a file as it is, it goes out without compression.
fn can_go_out_anew(object: &mut Outgoing, decoder: &Decoder) {
    if let Body::File { path, anew, .. } = &mut object.body {
        *anew = Some(Arc::new(FileAnew::new(path.clone(), decoder.clone())));
    }
}

async fn options(args: &SendArgs) -> Result<ScuOptions, SendError> {
    let (address, connector) = (&args.to.address, args.tls.connector()?);
    let peer = Called { address, connector: connector.as_ref(), certificate: args.tls.tls_fingerprint };
    let found = ScuOptions::to(&peer, &args.to.title, &args.from).await.map_err(|error| match error {
        ScuError::NoAuthority => SendError::NoAuthority(address.clone()),
        other => SendError::Receiver(address.clone(), other),
    })?;
    let (associations, async_window) = (args.associations.max(1), args.window.max(1));
    Ok(ScuOptions { associations, async_window, retries: args.retries, ..found })
}

#[derive(Default)]
struct Gathered {
    objects: Vec<Outgoing>,
    failed: Vec<(PathBuf, FileError)>,
    skipped: usize,
}

/// A file that is named must be sendable; one that merely lies in a folder may be something else.
fn gather(path: &Path, into: &mut Gathered) -> Result<(), SendError> {
    let at = |error| SendError::Path(path.to_owned(), error);
    if !fs::metadata(path).map_err(at)?.is_dir() {
        add(path, true, into);
        return Ok(());
    }
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let at = |error| SendError::Path(folder.clone(), error);
        let mut entries = fs::read_dir(&folder).map_err(at)?.collect::<Result<Vec<_>, _>>().map_err(at)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let kind = entry.file_type().map_err(at)?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else {
                add(&entry.path(), false, into);
            }
        }
    }
    Ok(())
}

fn add(path: &Path, named: bool, into: &mut Gathered) {
    match read_meta(path) {
        Ok(object) => into.objects.push(object),
        Err(FileError::NotPart10) if !named => into.skipped += 1,
        Err(error) => into.failed.push((path.to_owned(), error)),
    }
}

/// What was sent so far, and how fast.
struct Tally {
    total: usize,
    sent: usize,
    bytes: u64,
    failed: Vec<(String, Failure)>,
    began: Instant,
    shown: Instant,
    live: bool,
}

impl Tally {
    fn new(total: usize) -> Self {
        let now = Instant::now();
        Self { total, sent: 0, bytes: 0, failed: Vec::new(), began: now, shown: now, live: io::stderr().is_terminal() }
    }

    fn add(&mut self, outcome: Outcome) {
        match outcome.result {
            Ok(_status) => {
                self.sent += 1;
                self.bytes += outcome.bytes;
            }
            Err(failure) => self.failed(outcome.object.to_string(), failure),
        }
        let every = Duration::from_millis(if self.live { 200 } else { 5000 });
        if self.shown.elapsed() >= every {
            self.shown = Instant::now();
            let line = format!("{} of {} sent, {} failed", self.sent, self.total, self.failed.len());
            let end = if self.live { "\r" } else { "\n" };
            // Progress that cannot be shown is no reason to stop sending.
            drop(write!(io::stderr(), "{line}, {}{end}", self.rate()));
        }
    }

    fn failed(&mut self, what: String, failure: Failure) {
        self.failed.push((what, failure));
    }

    fn rate(&self) -> String {
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        let megabytes = self.bytes as f64 / 1e6;
        format!("{:.1}/s, {:.1} MB/s", self.sent as f64 / seconds, megabytes / seconds)
    }

    fn summary(self) -> Result<(), SendError> {
        for (what, failure) in &self.failed {
            println!("FAILED {what}: {failure}");
        }
        println!(
            "sent {} of {} objects, {:.1} MB, in {:.2} s: {}",
            self.sent,
            self.total,
            self.bytes as f64 / 1e6,
            self.began.elapsed().as_secs_f64(),
            self.rate()
        );
        match self.failed.len() {
            0 => Ok(()),
            failed => Err(SendError::NotAllSent(failed, self.total)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_a_title_at_an_address() {
        let receiver: Receiver = "YUNYING@127.0.0.1:11112".parse().unwrap();
        assert_eq!((receiver.title.as_str(), receiver.address.to_string().as_str()), ("YUNYING", "127.0.0.1:11112"));
        assert!("A@tls://ws1.county.cn:2762".parse::<Receiver>().unwrap().address.tls);
        for wrong in ["YUNYING", "@a:1", "SEVENTEEN_LETTERS@a:1", "A@host"] {
            assert!(wrong.parse::<Receiver>().is_err(), "{wrong}");
        }
    }
}
