//! Child processes whose work shows: what is running, what it says, how long it took, and a sign of life when it is quiet.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Doing, Failure, Result};

/// Silence after which a running step says that it still runs.
const QUIET: Duration = Duration::from_secs(20);

/// Runs `command`, passing on what it prints, and says how long it took.
pub fn step(title: &str, command: &mut Command) -> Result<()> {
    let started = Instant::now();
    last_step(title, command)?;
    eprintln!("── {title}: done in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Like [`step`]; also gives back what the command wrote to its standard output.
pub fn step_heard(title: &str, command: &mut Command) -> Result<String> {
    let started = Instant::now();
    let said = listen(title, command)?;
    eprintln!("── {title}: done in {:.1} s", started.elapsed().as_secs_f64());
    Ok(said)
}

/// Like [`step`], but what the command printed last stays the last thing printed.
pub fn last_step(title: &str, command: &mut Command) -> Result<()> {
    listen(title, command).map(drop)
}

fn listen(title: &str, command: &mut Command) -> Result<String> {
    eprintln!("\n── {title}");
    let started = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().doing(format_args!("{title}: cannot start {:?}", command.get_program()))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let heard = Mutex::new(Instant::now());
    let said = Mutex::new(Vec::new());

    let status = thread::scope(|scope| {
        scope.spawn(|| pass_on(out, std::io::stdout(), &heard, |bytes| locked(&said).extend_from_slice(bytes)));
        scope.spawn(|| pass_on(err, std::io::stderr(), &heard, |_| ()));
        loop {
            if let Some(status) = child.try_wait().doing(title)? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(50));
            let mut heard = locked(&heard);
            if heard.elapsed() > QUIET {
                eprintln!("   … {title}: still at it after {} s", started.elapsed().as_secs());
                *heard = Instant::now();
            }
        }
    })?;

    if status.success() {
        return Ok(String::from_utf8_lossy(&locked(&said)).into_owned());
    }
    Err(Failure::new(format!("{title} failed ({status})")))
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a short command prints, or `None` when it cannot be run or fails.
pub fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn pass_on(from: Option<impl Read>, mut to: impl Write, heard: &Mutex<Instant>, mut keep: impl FnMut(&[u8])) {
    let Some(mut from) = from else { return };
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        *locked(heard) = Instant::now();
        keep(&buffer[..count]);
        // A closed terminal must not end the work.
        if to.write_all(&buffer[..count]).and_then(|()| to.flush()).is_err() {
            return;
        }
    }
}
