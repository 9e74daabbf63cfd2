//! A whole listener over loopback, its spool in a folder of its own: an input is what a device sends from its first byte on.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use yunying::dimse::services::find::{Answers, Catalogue, Find, FindError, Query};
use yunying::dimse::services::{Peer, Services};
use yunying::dimse::{Admission, Devices, DimseConfig, Doors, Origin, serve};
use yunying::ingest::activity::Activity;
use yunying::ingest::spool::{Spool, SpoolOptions};

/// Nothing sensible takes so long over loopback.
const PATIENCE: Duration = Duration::from_secs(4);

struct Anybody;

impl Devices for Anybody {
    fn admit(&self, _: &str, _: &str, _: &Origin) -> Admission {
        Admission::Admitted(None)
    }
}

/// Finds nothing.
struct Nothing;

impl Catalogue for Nothing {
    fn find<'a>(&'a self, _: &'a Peer, _: &'a Query) -> BoxFuture<'a, Result<Box<dyn Answers>, FindError>> {
        std::future::ready(Err(FindError::BadKey(yunying::dicom::tags::PATIENT_ID))).boxed()
    }
}

/// Sends `bytes`, then nothing more, and reads what comes until the other side ends it.
pub fn exchange(bytes: &[u8]) {
    static LISTENER: OnceLock<SocketAddr> = OnceLock::new();
    let address = LISTENER.get_or_init(listen);
    let mut stream = TcpStream::connect(address).expect("the listener accepts");
    stream.set_nodelay(true).expect("an option");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    // It may have ended the association before it has read everything.
    let written = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = [0; 4096];
    loop {
        match stream.read(&mut answer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return,
            Err(error) => panic!("no end of the association ({error}; written: {written:?})"),
        }
    }
}

fn listen() -> SocketAddr {
    let (say, hear) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let options = SpoolOptions { segment_size: 8 << 20, keep_free: 0, ..SpoolOptions::default() };
            let spool = Spool::open(&folder.path().join("spool"), options).expect("a spool");
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            say.send(listener.local_addr().expect("its address")).expect("somebody waits");
            let config = DimseConfig {
                artim: Duration::from_secs(1),
                idle: Duration::from_secs(1),
                patience: Duration::from_secs(1),
                ..DimseConfig::default()
            };
            let services = Services::default().with(Find::new(Arc::new(Nothing)));
            let (activity, never) = (Activity::default(), CancellationToken::new());
            let doors = Doors { plain: Some(listener), tls: None };
            serve(doors, config, Arc::new(Anybody), spool, activity, services, never).await;
        });
    });
    hear.recv().expect("the listener starts")
}
