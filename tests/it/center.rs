//! A real `yunying center` on a data directory of its own, seeded by the program's own commands, ended by its pid.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::http;

pub const YUNYING: &str = env!("CARGO_BIN_EXE_yunying");
pub const PASSWORD: &str = "correct horse battery 云影";

/// A data directory and the center that may run on it.
pub struct Center {
    dir: tempfile::TempDir,
    /// What it and its commands find in their environment.
    environment: Vec<(String, String)>,
    pub http: SocketAddr,
    pub dimse: SocketAddr,
    running: Option<Child>,
}

impl Center {
    /// An empty data directory and two free ports; nothing runs yet.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self { dir, environment: Vec::new(), http: free_port(), dimse: free_port(), running: None }
    }

    /// Sets an environment variable for it and its commands.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The program, to be run on this center's data directory and in its environment.
    pub fn program(&self) -> Command {
        let mut command = Command::new(YUNYING);
        command.env("YUNYING_DATA", self.data()).envs(self.environment.iter().cloned());
        command
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Runs one of the program's commands on this data directory and expects it to succeed.
    pub fn command(&self, words: &[&str], input: &str) -> Output {
        let mut command = self.program();
        command.args(words).env("RUST_LOG", "warn");
        let output = output_with(&mut command, input);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "yunying {} failed: {said}", words.join(" "));
        output
    }

    pub fn add_site(&self, code: &str, name: &str, kind: &str) {
        self.command(&["site", "add", "--code", code, "--name", name, "--kind", kind], "");
    }

    pub fn add_device(&self, ae: &str, site: &str, modality: &str) {
        self.command(&["device", "add", "--ae", ae, "--site", site, "--modality", modality], "");
    }

    /// An account whose password is [`PASSWORD`]; `more` are further flags, e.g. `--site QH`.
    pub fn add_user(&self, login: &str, name: &str, title: &str, role: &str, more: &[&str]) {
        let mut words = vec!["user", "add", "--login", login, "--name", name, "--title", title, "--role", role];
        words.extend_from_slice(more);
        words.push("--password-stdin");
        self.command(&words, &format!("{PASSWORD}\n"));
    }

    /// Starts the center and waits until it is ready.
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// The same, with more flags.
    pub fn start_with(&mut self, flags: &[&str]) {
        self.launch_as(Command::new(YUNYING), flags);
        self.wait_until_ready();
    }

    /// Starts the center and waits for nothing.
    pub fn launch(&mut self) {
        self.launch_as(Command::new(YUNYING), &[]);
    }

    /// The same under `wrapper`, a command that becomes the program that its last words name.
    pub fn launch_under(&mut self, mut wrapper: Command) {
        wrapper.arg(YUNYING);
        self.launch_as(wrapper, &[]);
    }

    fn launch_as(&mut self, mut command: Command, flags: &[&str]) {
        assert!(self.running.is_none(), "this center already runs");
        let log = File::options().create(true).append(true).open(self.log()).expect("a log file");
        command.env("YUNYING_DATA", self.data()).envs(self.environment.iter().cloned());
        let child = command
            .arg("center")
            .args(["--http", &self.http.to_string(), "--dimse", &self.dimse.to_string()])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("yunying center starts");
        self.running = Some(child);
    }

    pub fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !http::get(self.http, "/readyz", &[]).is_ok_and(|answer| answer.status == 200) {
            let ended = self.running.as_mut().and_then(|child| child.try_wait().expect("a child can be asked"));
            assert!(ended.is_none(), "the center ended at start ({ended:?}):\n{}", self.said());
            assert!(Instant::now() < deadline, "the center is not ready after a minute:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the center without warning, as a power cut of the process does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a killed child ends");
        }
    }

    /// Asks the center to end, as a service manager does, and waits until it has.
    pub fn stop(&mut self) {
        let mut child = self.running.take().expect("a running center");
        // SAFETY: a plain system call; the child was not waited for, so the pid is still its own.
        let asked = unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) };
        assert_eq!(asked, 0, "a running center can be asked to end");
        let ended = child.wait().expect("a child ends");
        assert!(ended.success(), "the center ended with {ended}");
    }

    /// What the center printed so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("center.log")
    }

    pub fn scratch(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Center {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let said = self.said();
            let from = said.char_indices().rev().nth(6000).map_or(0, |(at, _)| at);
            eprintln!("the center's last words:\n{}", &said[from..]);
        }
    }
}

/// A port on loopback that nobody has at this moment. Not one of those that outgoing connections get: they would take it
/// while a center is down, a sender's attempt to connect to it first of all.
pub fn free_port() -> SocketAddr {
    let candidates = (0..1_000).map(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, rand::random_range(10_000..32_000))));
    let mut free = candidates.filter(|candidate| TcpListener::bind(candidate).is_ok());
    free.next().expect("a free port")
}

/// Runs a program to its end, with `input` on its standard input.
pub fn output_with(command: &mut Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
    let mut stdin = child.stdin.take().expect("a pipe was asked for");
    // A command that needs no input may have closed it already.
    if let Err(error) = stdin.write_all(input.as_bytes()) {
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    }
    drop(stdin);
    child.wait_with_output().expect("a child ends")
}
