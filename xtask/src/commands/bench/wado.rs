//! WADO-RS: what another program waits for, a study's metadata and a frame. One connection a request, for both.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::table::{Figure, Table};
use crate::{Doing, Failure, Result, http};

const METADATA_TIMES: usize = 7;
const FRAME_TIMES: usize = 60;
const PATIENCE: Duration = Duration::from_secs(120);
const FRAME: (&str, &str) = ("Accept", r#"multipart/related; type="application/octet-stream"; transfer-syntax=*"#);
const JSON: (&str, &str) = ("Accept", "application/dicom+json");

/// A DICOMweb server.
pub struct Server {
    pub at: SocketAddr,
    pub root: &'static str,
    /// The value of the Authorization header, where one is needed.
    pub authorization: Option<String>,
}

/// A study there: the addresses to ask for.
struct Study {
    metadata: String,
    frames: Vec<String>,
}

pub fn measure(instances: usize, ours: &Server, theirs: Option<&Server>, table: &mut Table) -> Result<()> {
    let our_study = ours.study_of(instances)?;
    let their_study = theirs.map(|server| server.study_of(instances)).transpose()?;
    let their = theirs.zip(their_study.as_ref());

    let (mut us, mut them) = (Vec::new(), Vec::new());
    for _ in 0..METADATA_TIMES {
        us.push(ours.milliseconds(&our_study.metadata, JSON)?);
        if let Some((server, study)) = their {
            them.push(server.milliseconds(&study.metadata, JSON)?);
        }
    }
    table.add(&format!("WADO-RS metadata, {instances} instances"), "ms", Figure::LessIsBetter, &us, &them);

    let (mut us, mut them) = (Vec::new(), Vec::new());
    for turn in 0..FRAME_TIMES {
        us.push(ours.milliseconds(&our_study.frames[turn % our_study.frames.len()], FRAME)?);
        if let Some((server, study)) = their {
            them.push(server.milliseconds(&study.frames[turn % study.frames.len()], FRAME)?);
        }
    }
    table.add("WADO-RS one frame, CT 512²", "ms", Figure::LessIsBetter, &us, &them);
    Ok(())
}

impl Server {
    fn ask(&self, path: &str, accept: (&str, &str)) -> Result<http::Answer> {
        let mut headers = vec![accept];
        headers.extend(self.authorization.as_deref().map(|value| ("Authorization", value)));
        let path = format!("{}{path}", self.root);
        let answer = http::get(self.at, &path, &headers).doing(&path)?;
        if answer.status == 200 {
            Ok(answer)
        } else {
            Err(Failure::new(format!("{path}: {} {}", answer.status, answer.text())))
        }
    }

    fn milliseconds(&self, path: &str, accept: (&str, &str)) -> Result<f64> {
        let began = Instant::now();
        self.ask(path, accept)?;
        Ok(began.elapsed().as_secs_f64() * 1000.0)
    }

    /// Waits until the server knows a study of so many instances.
    fn study_of(&self, instances: usize) -> Result<Study> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for study in self.search("/studies")? {
                let uid = text(&study, "0020000D");
                let found = self.search(&format!("/studies/{uid}/instances"))?;
                if found.len() == instances {
                    let frame = |instance: &Value| {
                        let (series, sop) = (text(instance, "0020000E"), text(instance, "00080018"));
                        format!("/studies/{uid}/series/{series}/instances/{sop}/frames/1")
                    };
                    return Ok(Study {
                        metadata: format!("/studies/{uid}/metadata"),
                        frames: found.iter().map(frame).collect(),
                    });
                }
            }
            if Instant::now() > deadline {
                return Err(Failure::new(format!("{} has no study of {instances} instances", self.at)));
            }
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// QIDO-RS; "no content" is an answer too.
    fn search(&self, path: &str) -> Result<Vec<Value>> {
        let mut headers = vec![JSON];
        headers.extend(self.authorization.as_deref().map(|value| ("Authorization", value)));
        let full = format!("{}{path}", self.root);
        let answer = http::get(self.at, &full, &headers).doing(&full)?;
        match answer.status {
            200 => serde_json::from_slice(&answer.body).doing(&full),
            204 => Ok(Vec::new()),
            status => Err(Failure::new(format!("{full}: {status} {}", answer.text()))),
        }
    }
}

/// The first value of an attribute in DICOM JSON.
fn text(of: &Value, tag: &str) -> String {
    of[tag]["Value"][0].as_str().unwrap_or_default().to_owned()
}
