//! What tests need besides Rust: other people's DICOM programs, a browser, a database, Python with pydicom.
//!
//! On Debian as root the missing ones are installed; elsewhere their names are printed, and tests that need them say that they
//! skip. With `CI=true` a missing tool is a failure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, Result, run, workspace};

/// How to see that a tool is there.
enum Sign {
    Program(&'static str),
    File(&'static str),
    /// A directory whose sub-directories carry version numbers, and what one of them must hold.
    Versioned(&'static str, &'static str),
}

/// What building the server needs besides Rust and a C compiler: one codec is C++, configured by cmake.
const TO_BUILD: &[(&str, Sign)] = &[("cmake", Sign::Program("cmake")), ("g++", Sign::Program("c++"))];

/// Package, and what shows that it is installed.
const PACKAGES: &[(&str, Sign)] = &[
    ("dcmtk", Sign::Program("storescu")),
    ("orthanc", Sign::Program("Orthanc")),
    ("orthanc-dicomweb", Sign::File("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")),
    ("dicom3tools", Sign::Program("dciodvfy")),
    ("poppler-utils", Sign::Program("pdftotext")),
    ("postgresql", Sign::Versioned("/usr/lib/postgresql", "bin/postgres")),
    ("chromium", Sign::Program("chromium")),
    ("chromium-driver", Sign::Program("chromedriver")),
    ("fonts-noto-cjk", Sign::File("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")),
    ("openssl", Sign::Program("openssl")),
    ("strace", Sign::Program("strace")),
    ("unzip", Sign::Program("unzip")),
    ("python3-venv", Sign::File("/usr/share/doc/python3-venv")),
];

/// The independent reading of DICOM that results are compared with.
const PYTHON: &[&str] =
    &["pydicom>=3,<4", "pynetdicom>=3,<4", "dicomweb-client>=0.60", "numpy>=2", "pylibjpeg[all]>=2"];
const PYTHON_CHECK: &str = "import pydicom, pynetdicom, dicomweb_client, numpy, pylibjpeg, openjpeg, libjpeg";

/// The tools at hand.
pub struct Tools {
    python: Option<PathBuf>,
}

impl Tools {
    /// Installs what is missing, or says exactly what it is.
    pub fn prepare() -> Result<Self> {
        to_build()?;
        let wanted = missing(PACKAGES);
        if !wanted.is_empty() && may_install() {
            install(&wanted)?;
        }
        let mut lacking: Vec<String> = Vec::new();
        let still = missing(PACKAGES);
        if !still.is_empty() {
            lacking.push(format!("Debian packages; as root: apt-get install -y {}", still.join(" ")));
        }
        let python = python();
        if let Err(failure) = &python {
            lacking.push(failure.to_string());
        }
        if !lacking.is_empty() {
            let list = lacking.join("\n  ");
            if workspace::ci() {
                return Err(Failure::new(format!("tests lack:\n  {list}")));
            }
            eprintln!("\nxtask: the tests that need these will skip:\n  {list}\n");
        }
        Ok(Self { python: python.ok() })
    }

    /// Tells the tests where to find what is not on the path.
    pub fn announce(&self, command: &mut Command) {
        if let Some(python) = &self.python {
            command.env("YUNYING_PYTHON", python);
        }
    }
}

/// Sees to it that the server can be built.
pub fn to_build() -> Result<()> {
    let lacking = missing(TO_BUILD);
    if lacking.is_empty() {
        return Ok(());
    }
    if may_install() {
        return install(&lacking);
    }
    Err(Failure::new(format!("building needs {}; on Debian, as root: apt-get install -y {0}", lacking.join(" "))))
}

/// Installs Debian packages; services they bring are not started.
pub fn install(packages: &[&str]) -> Result<()> {
    let _quiet = NoServices::hold();
    run::step("package lists", apt().arg("update"))?;
    run::step(
        &format!("installing {}", packages.join(" ")),
        apt().args(["install", "-y", "--no-install-recommends"]).args(packages),
    )
}

pub fn may_install() -> bool {
    let root = run::output_of(Command::new("id").arg("-u")).is_some_and(|uid| uid == "0");
    root && Path::new("/etc/debian_version").exists() && on_path("apt-get")
}

pub fn on_path(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|dir| dir.join(program).is_file())
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").arg("-q");
    apt
}

fn missing(packages: &[(&'static str, Sign)]) -> Vec<&'static str> {
    packages.iter().filter(|(_, sign)| !is_there(sign)).map(|(package, _)| *package).collect()
}

fn is_there(sign: &Sign) -> bool {
    match sign {
        Sign::Program(name) => on_path(name),
        Sign::File(path) => Path::new(path).exists(),
        Sign::Versioned(dir, inside) => fs::read_dir(dir)
            .is_ok_and(|versions| versions.flatten().any(|version| version.path().join(inside).exists())),
    }
}

/// A Python that has the packages: the one named by `YUNYING_PYTHON`, else a virtual environment in the target directory.
fn python() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("YUNYING_PYTHON") {
        let named = PathBuf::from(named);
        return if has_packages(&named) {
            Ok(named)
        } else {
            Err(Failure::new(format!("YUNYING_PYTHON={} lacks one of: {}", named.display(), PYTHON.join(" "))))
        };
    }
    let venv = workspace::target().join("venv");
    let python = venv.join("bin/python");
    if has_packages(&python) {
        return Ok(python);
    }
    run::step("Python environment", Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    run::step(
        "Python packages",
        Command::new(&python)
            .args(["-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"])
            .args(PYTHON),
    )?;
    if has_packages(&python) { Ok(python) } else { Err(Failure::new(format!("Python packages: {}", PYTHON.join(" ")))) }
}

fn has_packages(python: &Path) -> bool {
    run::output_of(Command::new(python).args(["-c", PYTHON_CHECK])).is_some()
}

/// Keeps Debian from starting the servers that come with packages: tests start their own, on loopback.
struct NoServices(Option<&'static Path>);

impl NoServices {
    fn hold() -> Self {
        let policy = Path::new("/usr/sbin/policy-rc.d");
        if policy.exists() || fs::write(policy, "#!/bin/sh\nexit 101\n").is_err() {
            return Self(None);
        }
        let hold = Self(Some(policy));
        // Not executable means not consulted: then services start, which is a nuisance and no failure.
        #[cfg(unix)]
        if let Err(error) = fs::set_permissions(policy, std::os::unix::fs::PermissionsExt::from_mode(0o755)) {
            eprintln!("xtask: {}: {error}", policy.display());
        }
        hold
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = self.0
            && let Err(error) = fs::remove_file(policy)
        {
            eprintln!(
                "xtask: remove {} by hand ({error}), or no service starts after an installation",
                policy.display()
            );
        }
    }
}
