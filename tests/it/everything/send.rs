//! Three senders in turn: dcmtk; for what it refuses to send, `yunying send`; and for what both refuse, pynetdicom with
//! the bare bytes. Each through a recorder, so that what was sent is known, not supposed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::plan::Input;
use crate::center::{Center, YUNYING};
use crate::need;
use crate::wire::{Stored, Wire};

/// What a receiver that may choose turns to Explicit VR Little Endian: Implicit VR and Big Endian.
const CONVERTED: [&str; 2] = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2"];

/// The programs this needs; all or none.
pub struct Tools {
    dcmsend: PathBuf,
    storescu: PathBuf,
    echoscu: PathBuf,
    dcmdump: PathBuf,
    python: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sender {
    Dcmtk,
    Ours,
    Pynetdicom,
    /// Under UIDs made up, because the file says none.
    PynetdicomInvented,
    /// STOW-RS, a whole file.
    Stow,
}

/// One file that went out whole and was answered.
pub struct Sent<'a> {
    pub input: &'a Input,
    pub by: Sender,
    pub wire: Stored,
    /// The data set that was sent is the one in the file.
    pub verbatim: bool,
    /// Of the object as the center keeps it, where its sender decides that.
    pub length: Option<u64>,
}

/// What became of a batch's files on the way.
#[derive(Default)]
pub struct Pushed<'a> {
    pub sent: Vec<Sent<'a>>,
    /// Files nobody could send, with each sender's reason.
    pub unsent: Vec<(&'a Input, Vec<String>)>,
    /// Files of objects that a sender began and did not end.
    pub given_up: Vec<&'a Input>,
}

impl Tools {
    pub fn find() -> Option<Self> {
        Some(Self {
            dcmsend: need::program("dcmsend")?,
            storescu: need::program("storescu")?,
            echoscu: need::program("echoscu")?,
            dcmdump: need::program("dcmdump")?,
            python: need::python()?,
        })
    }

    /// The center answers another client at once.
    pub fn echo(&self, center: &Center) {
        let mut echo = Command::new(&self.echoscu);
        echo.args(["-to", "30", "-ta", "30", "-td", "30", "-aec", "YUNYING"]).args(endpoint(center.dimse));
        let output = echo.output().expect("echoscu runs");
        assert!(output.status.success(), "no echo: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Files of a folder that dcmtk does not read to their end, and why.
    pub fn unreadable(&self, folder: &Path) -> Vec<(String, String)> {
        let mut dump = Command::new(&self.dcmdump);
        // Only errors, and only of DICOM files.
        let output = dump.args(["-ll", "error", "+fo", "+sd"]).arg(folder).stdin(Stdio::null()).output();
        let said = output.expect("dcmdump runs").stderr;
        let failed = |line: &str| {
            let (error, path) = line.strip_prefix("E: dcmdump: ")?.rsplit_once(": reading file: ")?;
            let name = Path::new(path).file_name()?.to_string_lossy().into_owned();
            Some((name, error.to_owned()))
        };
        String::from_utf8_lossy(&said).lines().filter_map(failed).collect()
    }

    pub fn push<'a>(&self, center: &Center, root: &Path, batch: &[&'a Input]) -> Pushed<'a> {
        let mut round = Round {
            center,
            root,
            left: batch.iter().map(|input| (*input, Vec::new())).collect(),
            out: Pushed::default(),
        };
        let (plain, other) = batch.iter().partition::<Vec<_>, _>(|input| CONVERTED.contains(&input.syntax.as_str()));
        round.dcmtk(&self.dcmsend, &["-d", "-nh", "-nuc", "-dn", "+f"], &other);
        // storescu can be told to propose one context a class and syntax, which leaves nothing to choose.
        let contexts = center.scratch().join("contexts.cfg");
        std::fs::write(&contexts, contexts_of(&plain)).expect("a configuration is written");
        round.dcmtk(&self.storescu, &["-d", "-nh", "-xf", &contexts.to_string_lossy(), "Each"], &plain);
        self.echo(center);
        round.ours();
        self.echo(center);
        round.pynetdicom(&self.python);
        let Round { left, mut out, .. } = round;
        out.unsent = left;
        out
    }
}

/// storescu's association profile `Each`: a presentation context for every class and syntax among `inputs`.
fn contexts_of(inputs: &[&&Input]) -> String {
    let kinds: BTreeSet<(&str, &str)> =
        inputs.iter().filter(|i| !i.sop_class.is_empty()).map(|i| (i.sop_class.as_str(), i.syntax.as_str())).collect();
    let mut text = "[[TransferSyntaxes]]\n".to_owned();
    for (number, syntax) in CONVERTED.iter().enumerate() {
        text += &format!("[Syntax{number}]\nTransferSyntax1 = {syntax}\n");
    }
    text += "[[PresentationContexts]]\n[Kinds]\n";
    for (index, (class, syntax)) in kinds.into_iter().enumerate() {
        let number = usize::from(syntax == CONVERTED[1]);
        text += &format!("PresentationContext{} = {class}\\Syntax{number}\n", index + 1);
    }
    text + "[[Profiles]]\n[Each]\nPresentationContexts = Kinds\n"
}

fn endpoint(address: std::net::SocketAddr) -> [String; 2] {
    [address.ip().to_string(), address.port().to_string()]
}

struct Round<'a, 'c> {
    center: &'c Center,
    root: &'c Path,
    /// Not sent yet, and why not.
    left: Vec<(&'a Input, Vec<String>)>,
    out: Pushed<'a>,
}

impl<'a> Round<'a, '_> {
    fn dcmtk(&mut self, tool: &Path, flags: &[&str], inputs: &[&&'a Input]) {
        if inputs.is_empty() {
            return;
        }
        let wire = Wire::to(self.center.dimse);
        let log = self.center.scratch().join("dcmtk.log");
        let file = File::create(&log).expect("a log file");
        let mut command = Command::new(tool);
        command.args(flags).args(["-aec", "YUNYING"]).args(endpoint(wire.address));
        command.args(inputs.iter().map(|input| &input.path)).current_dir(self.root);
        // Its Nagle algorithm would wait 40 ms an object for the recorder's acknowledgement.
        command.env("TCP_NODELAY", "1").stdin(Stdio::null());
        let status = command.stdout(file.try_clone().expect("a handle")).stderr(file).status();
        // Its exit code tells of files it refused, too; what became of each is in its log.
        status.unwrap_or_else(|error| panic!("{}: {error}", tool.display()));
        let log = std::fs::read(log).expect("the log");
        let said = said_by_dcmtk(&String::from_utf8_lossy(&log));
        let mut stores = wire.finish().into_iter().peekable();
        let mut outcome = BTreeMap::new();
        for (path, request) in &said.requests {
            // It logs a request before it finds that it cannot encode it.
            if let Some(stored) = stores.next_if(|stored| stored.message_id == *request) {
                outcome.insert(path.as_str(), stored);
            }
        }
        assert!(stores.next().is_none(), "more crossed the wire than the log tells of");
        for input in inputs {
            let reason = said.refused.get(&input.path).map_or("dcmtk passed it over", String::as_str);
            self.settle(input, Sender::Dcmtk, outcome.remove(input.path.as_str()), reason);
        }
    }

    /// `yunying send` streams a file's bytes as they are, but wants file meta.
    fn ours(&mut self) {
        let inputs: Vec<&'a Input> = self.left.iter().map(|(input, _)| *input).collect();
        if inputs.is_empty() {
            return;
        }
        let wire = Wire::to(self.center.dimse);
        let output = Command::new(YUNYING)
            .args(["send", "--from", "YUNYING_SEND", "--to", &format!("YUNYING@{}", wire.address)])
            .args(inputs.iter().map(|input| &input.path))
            .current_dir(self.root)
            .output()
            .expect("yunying send runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let refused =
            |line: &str| line.strip_prefix("FAILED ")?.split_once(": ").map(|(a, b)| (a.to_owned(), b.to_owned()));
        let refused: BTreeMap<String, String> = said.lines().filter_map(refused).collect();
        let mut stores = wire.finish();
        for input in inputs {
            let of_it = |stored: &Stored| input.uids.contains(&stored.sop_instance);
            let sent = !refused.contains_key(&input.path);
            let stored = stores.iter().position(of_it).filter(|_| sent).map(|at| stores.remove(at));
            let reason = refused.get(&input.path).map_or("yunying send passed it over", String::as_str);
            self.settle(input, Sender::Ours, stored, reason);
        }
    }

    fn pynetdicom(&mut self, python: &Path) {
        let inputs: Vec<&'a Input> = self.left.iter().map(|(input, _)| *input).collect();
        if inputs.is_empty() {
            return;
        }
        let wire = Wire::to(self.center.dimse);
        let output = need::script(python, "raw_store.py")
            .arg(wire.address.to_string())
            .args(inputs.iter().map(|input| &input.path))
            .current_dir(self.root)
            .output()
            .expect("python runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut stores = wire.finish().into_iter();
        for (input, line) in inputs.into_iter().zip(String::from_utf8_lossy(&output.stdout).lines()) {
            let said: Value = serde_json::from_str(line).expect("a line of JSON");
            assert_eq!(said["file"], input.path.as_str());
            let by = if said["invented"] == true { Sender::PynetdicomInvented } else { Sender::Pynetdicom };
            let stored = said["status"].is_u64().then(|| stores.next().expect("what was answered crossed the wire"));
            self.settle(input, by, stored, said["error"].as_str().unwrap_or_default());
        }
    }

    /// Notes one file's way: sent whole and answered, or still to be sent.
    fn settle(&mut self, input: &'a Input, by: Sender, stored: Option<Stored>, reason: &str) {
        let place = self.left.iter().position(|(left, _)| std::ptr::eq(*left, input)).expect("it was left");
        match stored {
            Some(wire) if wire.whole && wire.status.is_some() => {
                self.left.swap_remove(place);
                let file = std::fs::read(self.root.join(&input.path)).expect("a shared file");
                let verbatim = file.ends_with(&wire.dataset);
                self.out.sent.push(Sent { input, by, wire, verbatim, length: None });
            }
            other => {
                self.out.given_up.extend(other.map(|_| input));
                self.left[place].1.push(reason.to_owned());
            }
        }
    }
}

/// What dcmtk's debug log tells: files in the order of their requests, with their message ids, and why others were not sent.
#[derive(Default)]
struct Said {
    requests: Vec<(String, u16)>,
    refused: BTreeMap<String, String>,
}

fn said_by_dcmtk(log: &str) -> Said {
    let mut said = Said::default();
    let mut current = String::new();
    for line in log.lines() {
        let begun = ["D: sending SOP instance from file: ", "I: Sending file: "];
        if let Some(path) = begun.iter().find_map(|start| line.strip_prefix(start)) {
            current = path.to_owned();
        } else if let Some(id) = line.strip_prefix("D: Message ID   ").and_then(|rest| rest.split_once(": ")) {
            said.requests.push((current.clone(), id.1.trim().parse().expect("a message id")));
        } else if let Some(path) = line.strip_prefix("W: missing SOP class (or instance) in file: ") {
            let path = path.trim_end_matches(", ignoring file");
            said.refused.insert(path.to_owned(), "it says no SOP class or instance".into());
        } else if let Some(refusal) = line.strip_prefix("E: cannot add DICOM file to the transfer list: ") {
            let (path, reason) = refusal.split_once(": ").expect("a path and a reason");
            said.refused.insert(path.to_owned(), reason.to_owned());
        } else if let Some(error) = line.strip_prefix("E: ") {
            let error = error.trim_start_matches(&format!("cannot send SOP instance from file: {current}: "));
            // The first says what is wrong, the others what follows from it.
            said.refused.entry(current.clone()).or_insert_with(|| error.trim().to_owned());
        }
    }
    said
}
