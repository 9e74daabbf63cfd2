//! Orthanc beside us, at its best settings, on loopback.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::center::usable;
use crate::{Doing, Failure, Result, debian, http, run};

const DICOMWEB: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Orthanc {
    child: Child,
    pub http: SocketAddr,
    pub dimse: SocketAddr,
}

/// Whether there is an Orthanc to measure beside; says so if not.
pub fn is_installed() -> bool {
    let found = debian::on_path("Orthanc") && debian::on_path("cc");
    if !found {
        eprintln!(
            "xtask: no Orthanc here, so its columns stay empty (as root: apt-get install -y orthanc orthanc-dicomweb)"
        );
    }
    found
}

impl Orthanc {
    /// Storing is measured without plugins; with DICOMweb, when that is what is asked.
    pub fn start(home: &Path, dicomweb: bool) -> Result<Self> {
        let home = home.join(if dicomweb { "orthanc-dicomweb" } else { "orthanc" });
        fs::create_dir_all(&home).doing("Orthanc's directory")?;
        let (http, dimse) = (usable(0)?, usable(0)?);
        let configuration = home.join("orthanc.json");
        fs::write(&configuration, settings(&home, http, dimse, dicomweb)).doing("Orthanc's configuration")?;
        let out = File::create(home.join("log")).doing("Orthanc's log")?;
        let child = Command::new("Orthanc")
            .arg(&configuration)
            .current_dir(&home)
            .env("LD_PRELOAD", loopback(&home)?)
            // DCMTK inside it: no waiting for a delayed acknowledgement.
            .env("TCP_NODELAY", "1")
            .stdin(Stdio::null())
            .stdout(out.try_clone().doing("Orthanc's log")?)
            .stderr(out)
            .spawn()
            .doing("starting Orthanc")?;
        let orthanc = Self { child, http, dimse };
        let deadline = Instant::now() + PATIENCE;
        while !http::get(http, "/system", &[]).is_ok_and(|answer| answer.status == 200) {
            if Instant::now() > deadline {
                return Err(Failure::new(format!(
                    "Orthanc is not ready after a minute; see {}",
                    home.join("log").display()
                )));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(orthanc)
    }
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("xtask: Orthanc, process {}, still runs: {error}", self.child.id());
        }
    }
}

fn settings(home: &Path, http: SocketAddr, dimse: SocketAddr, dicomweb: bool) -> String {
    let plugins = if dicomweb { vec![DICOMWEB] } else { Vec::new() };
    serde_json::json!({
        "Name": "PEER",
        "StorageDirectory": home.join("db"),
        "IndexDirectory": home.join("db"),
        "Plugins": plugins,
        "DicomAet": "ORTHANC",
        "DicomPort": dimse.port(),
        "DicomCheckCalledAet": false,
        "DicomAlwaysAllowStore": true,
        "UnknownSopClassAccepted": true,
        "DicomThreadsCount": 8,
        "MaximumPduLength": 131_072,
        "StoreMD5ForAttachments": false,
        "SaveJobs": false,
        "HttpPort": http.port(),
        "HttpBindAddress": "127.0.0.1",
        "RemoteAccessAllowed": false,
        "AuthenticationEnabled": false,
        "DicomWeb": { "Enable": true, "Root": "/dicom-web/" },
    })
    .to_string()
}

/// The shim that keeps Orthanc off the network, built here.
fn loopback(home: &Path) -> Result<PathBuf> {
    let source = home.join("loopback.c");
    let library = home.join("loopback.so");
    fs::write(&source, include_str!("loopback.c")).doing("the loopback shim")?;
    run::step(
        "keeping Orthanc on loopback",
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl"),
    )?;
    Ok(library)
}
