//! Authorities and certificates for tests, made anew by the `openssl` command each time. The whole-system tests use this
//! same file.

use std::path::{Path, PathBuf};
use std::process::Command;

const CONFIGURATION: &str = "
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[named]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
subjectAltName = DNS:localhost, IP:127.0.0.1
[nameless]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
";

const CURVE: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// Signs certificates; what it makes goes with it.
pub struct Authority {
    folder: tempfile::TempDir,
}

/// A certificate and its private key, PEM.
#[derive(Debug, Clone)]
pub struct Papers {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// `None`: there is no `openssl` here.
    pub fn new(name: &str) -> Option<Self> {
        Command::new("openssl").arg("version").output().ok().filter(|output| output.status.success())?;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("configuration"), CONFIGURATION).unwrap();
        let authority = Self { folder };
        let mut request = authority.request("authority", name, CURVE);
        openssl(request.args(["-x509", "-extensions", "authority", "-days", "2", "-out"]).arg(authority.certificate()));
        Some(authority)
    }

    /// Its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.file("authority.pem")
    }

    /// A certificate for this machine.
    pub fn issue(&self, name: &str) -> Papers {
        self.sign(name, "named", 2, CURVE)
    }

    /// The same with the kind of key that old devices have.
    pub fn issue_rsa(&self, name: &str) -> Papers {
        self.sign(name, "named", 2, &["rsa:2048"])
    }

    /// One that names no host.
    pub fn issue_nameless(&self, name: &str) -> Papers {
        self.sign(name, "nameless", 2, CURVE)
    }

    /// One that ended yesterday.
    pub fn issue_expired(&self, name: &str) -> Papers {
        self.sign(name, "named", -1, CURVE)
    }

    fn sign(&self, name: &str, extensions: &str, days: i32, key: &[&str]) -> Papers {
        let (request, cert) = (self.file(&format!("{name}.csr")), self.file(&format!("{name}.pem")));
        openssl(self.request(name, name, key).arg("-out").arg(&request));
        let mut sign = Command::new("openssl");
        sign.args(["x509", "-req", "-CAcreateserial", "-days", &days.to_string(), "-extensions", extensions]);
        sign.arg("-extfile").arg(self.file("configuration")).arg("-in").arg(request);
        sign.arg("-CA").arg(self.certificate()).arg("-CAkey").arg(self.file("authority.key"));
        openssl(sign.arg("-out").arg(&cert));
        Papers { cert, key: self.file(&format!("{name}.key")) }
    }

    /// `openssl req` with a new key in `file`.key.
    fn request(&self, file: &str, name: &str, key: &[&str]) -> Command {
        let mut request = Command::new("openssl");
        request.args(["req", "-new", "-nodes", "-newkey"]).args(key);
        request.args(["-subj", &format!("/CN={name}"), "-keyout"]).arg(self.file(&format!("{file}.key")));
        request.arg("-config").arg(self.file("configuration"));
        request
    }

    fn file(&self, name: &str) -> PathBuf {
        let folder: &Path = self.folder.path();
        folder.join(name)
    }
}

fn openssl(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
