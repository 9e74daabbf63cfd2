//! An S3 server on loopback: s3s over a folder, in this process, on a thread and runtime of its own so that it outlives the
//! runtime of any one test. Requests must be signed. The whole-system tests use this same file.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::sync::oneshot;

pub const BUCKET: &str = "yunying";
pub const ACCESS_KEY: &str = "tester";
pub const SECRET_KEY: &str = "secret";

/// One server; ends with the value.
pub struct S3Server {
    address: SocketAddr,
    root: PathBuf,
    running: Option<Running>,
}

struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl S3Server {
    /// Serves `root` on a free port. Objects lie in it as files, named by bucket and key.
    pub fn start(root: &Path) -> Self {
        std::fs::create_dir_all(root.join(BUCKET)).unwrap();
        let mut server = Self { address: ([127, 0, 0, 1], 0).into(), root: root.to_owned(), running: None };
        server.resume();
        server
    }

    /// Serves again after [`stop`](Self::stop), on the same port.
    pub fn resume(&mut self) {
        assert!(self.running.is_none(), "this server already runs");
        let listener = TcpListener::bind(self.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        self.address = listener.local_addr().unwrap();
        let files = FileSystem::new(&self.root).unwrap();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, files) => {}
                    _ = stopped => {}
                }
            });
        });
        self.running = Some(Running { stop, thread });
    }

    /// Closes the port and every connection, as a server does that goes down.
    pub fn stop(&mut self) {
        if let Some(Running { stop, thread }) = self.running.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }

    /// The address of `prefix` as a center's configuration has it; the keys are not in it.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}?endpoint=http://{}&region=cn-test-1", self.address)
    }

    /// Where the objects under `prefix` lie as files.
    pub fn folder(&self, prefix: &str) -> PathBuf {
        self.root.join(BUCKET).join(prefix)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn serve(listener: TcpListener, files: FileSystem) {
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let service = service.build();
    let http = auto::Builder::new(TokioExecutor::new());
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let connection = http.serve_connection(TokioIo::new(stream), service.clone()).into_owned();
        // How a connection ends is its client's affair.
        tokio::spawn(async move { drop(connection.await) });
    }
}
