//! What a test needs from outside: other people's programs, and the built viewer.
//!
//! `None` means: not here, said so, skip. With `CI=true` a skip is a failure.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A program on the path.
pub fn program(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.or_else(|| skip(&format!("the program {name}")))
}

/// strace, where it is allowed to trace.
pub fn strace() -> Option<PathBuf> {
    let strace = program("strace")?;
    let tried = Command::new(&strace).args(["-D", "-f", "-o", "/dev/null", "true"]).output();
    if tried.is_ok_and(|tried| tried.status.success()) { Some(strace) } else { skip("permission to trace processes") }
}

/// A Python with pydicom, pynetdicom, dicomweb-client and numpy.
pub fn python() -> Option<PathBuf> {
    let named = std::env::var_os("YUNYING_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| workspace().join("target/venv/bin/python"));
    if python.is_file() { Some(python) } else { skip("Python with pydicom (`cargo xtask test` makes one)") }
}

/// That Python with one of the scripts here, which finds its modules beside this file.
pub fn script(python: &Path, script: &str) -> Command {
    let folder = workspace().join("tests/it");
    let mut command = Command::new(python);
    command.arg(folder.join(script)).env("PYTHONPATH", folder);
    command
}

/// A PostgreSQL server for this process.
pub fn postgres() -> Option<&'static crate::postgres::Server> {
    crate::postgres::server().or_else(|| skip("PostgreSQL (Debian's package `postgresql`)"))
}

/// An authority that signs certificates.
pub fn authority(name: &str) -> Option<crate::certificates::Authority> {
    crate::certificates::Authority::new(name).or_else(|| skip("the program openssl"))
}

/// A file or folder of the shared test inputs.
pub fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("YUNYING_SHARED").map_or_else(|| workspace().join("../shared"), PathBuf::from);
    let path = root.join(name);
    if path.exists() { Some(path) } else { skip(&format!("the shared test input `../shared/{name}`")) }
}

/// The built viewer.
pub fn viewer() -> Option<()> {
    let built = workspace().join("viewer/dist/viewer_bg.wasm").is_file();
    if built { Some(()) } else { skip("the built viewer (`cargo xtask build --viewer`)") }
}

/// The shared real DICOM files (`manifest.json`, `pixels.json`), which lie beside the project and not in it.
pub fn shared_dicom() -> Option<PathBuf> {
    shared("dicom")
}

pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn skip<T>(what: &str) -> Option<T> {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} needs {what}");
    eprintln!("SKIPPED {test}: needs {what}");
    None
}
