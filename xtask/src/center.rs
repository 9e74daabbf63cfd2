//! A running `yunying center` that ends with the command that started it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Doing, Failure, Result, http, run};

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Center {
    child: Child,
    pub http: SocketAddr,
    pub dimse: SocketAddr,
    log: PathBuf,
}

impl Center {
    /// Starts a center on `data` and waits until it is ready. What it prints goes to `log`; `ports` are wished for, HTTP
    /// then DIMSE, 0 for any.
    pub fn start(yunying: &Path, data: &Path, log: &Path, ports: (u16, u16), more: &[&str]) -> Result<Self> {
        let (http, dimse) = (usable(ports.0)?, usable(ports.1)?);
        let out = File::create(log).doing("the center's log")?;
        let child = Command::new(yunying)
            .arg("center")
            .arg("--data")
            .arg(data)
            .args(["--http", &http.to_string(), "--dimse", &dimse.to_string()])
            .args(more)
            .stdin(Stdio::null())
            .stdout(out.try_clone().doing("the center's log")?)
            .stderr(out)
            .spawn()
            .doing("starting the center")?;
        let mut center = Self { child, http, dimse, log: log.to_owned() };
        center.wait_until_ready()?;
        Ok(center)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !http::get(self.http, "/readyz", &[]).is_ok_and(|answer| answer.status == 200) {
            self.assert_running()?;
            if Instant::now() > deadline {
                return Err(Failure::new(format!(
                    "the center is not ready after a minute; see {}",
                    self.log.display()
                )));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Fails with the center's last words if it has ended.
    pub fn assert_running(&mut self) -> Result<()> {
        match self.child.try_wait().doing("asking for the center")? {
            None => Ok(()),
            Some(status) => {
                let said = std::fs::read_to_string(&self.log).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(20).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                Err(Failure::new(format!("the center ended ({status}):\n{}", last.join("\n"))))
            }
        }
    }

    /// Asks the center to end, as a service manager does, and waits for it.
    pub fn stop(mut self) -> Result<()> {
        // The standard library cannot send SIGTERM.
        run::output_of(Command::new("kill").arg(self.child.id().to_string()));
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait().doing("waiting for the center to end")? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(Failure::new(format!("the center ended badly ({status})"))),
                None if Instant::now() > deadline => return Err(Failure::new("the center does not end when asked to")),
                None => thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

impl Drop for Center {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None))
            && let Err(error) = self.child.kill().and_then(|()| self.child.wait())
        {
            eprintln!("xtask: process {} still runs: {error}", self.child.id());
        }
    }
}

/// `wanted` on loopback if nobody has it, else any free port.
pub fn usable(wanted: u16) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .doing("looking for a free port")?;
    listener.local_addr().doing("looking for a free port")
}
