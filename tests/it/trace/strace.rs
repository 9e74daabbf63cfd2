//! Reads what strace wrote (`-f -yy -xx`): calls in the order in which they began, and when each had returned.
//!
//! The number of a line is the only clock: strace writes a call's beginning when it stops the thread before the call, and
//! its end when it stops it after, so two numbers compare as the two moments did. It knows nothing of what is written where.

use std::collections::HashMap;

/// One system call of one thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    /// Between the parentheses.
    pub arguments: String,
    pub began: usize,
    /// `None`: it never did.
    pub returned: Option<usize>,
    /// `None`: it did not, or with something that is no number.
    pub result: Option<i64>,
}

/// What the first argument of a call stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Descriptor {
    File(String),
    /// This side's port and the other's.
    Tcp(u16, u16),
    Other,
}

/// Reads a whole trace. Lines that are no calls (signals, exits) are passed over; one that makes no sense is an error.
pub fn read(text: &str) -> Result<Vec<Call>, String> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished: HashMap<&str, usize> = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let nonsense = || format!("line {}: {line}", number + 1);
        let (thread, said) = line.split_once(' ').ok_or_else(nonsense)?;
        let said = said.trim_start();
        if said.starts_with("+++") || said.starts_with("---") {
            continue;
        }
        if let Some(resumed) = said.strip_prefix("<... ") {
            let (name, rest) = resumed.split_once(" resumed>").ok_or_else(nonsense)?;
            let call = unfinished.remove(thread).map(|index| &mut calls[index]).ok_or_else(nonsense)?;
            let (arguments, result) = ending(rest).ok_or_else(nonsense)?;
            if call.name != name {
                return Err(nonsense());
            }
            call.arguments.push_str(arguments);
            (call.returned, call.result) = (Some(number), result);
            continue;
        }
        let (name, rest) = said.split_once('(').ok_or_else(nonsense)?;
        let mut call =
            Call { name: name.into(), arguments: String::new(), began: number, returned: None, result: None };
        if let Some(arguments) = rest.strip_suffix("<unfinished ...>") {
            call.arguments = arguments.trim_end().into();
            unfinished.insert(thread, calls.len());
        } else {
            let (arguments, result) = ending(rest).ok_or_else(nonsense)?;
            call.arguments = arguments.into();
            (call.returned, call.result) = (Some(number), result);
        }
        calls.push(call);
    }
    Ok(calls)
}

/// `arguments) = result and what it means`
fn ending(rest: &str) -> Option<(&str, Option<i64>)> {
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    let number = result.split(|c: char| c == '<' || c.is_whitespace()).next()?;
    Some((arguments, number.parse().ok()))
}

impl Call {
    pub fn succeeded(&self) -> bool {
        self.returned.is_some() && self.result.is_some_and(|result| result >= 0)
    }

    /// Of the first argument.
    pub fn descriptor(&self) -> Descriptor {
        let numbered = self.arguments.split_once('<').filter(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()));
        let Some((_, rest)) = numbered else { return Descriptor::Other };
        if let Some(ends) = rest.strip_prefix("TCP:[") {
            let port = |address: &str| address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            let ends = ends.split_once(']').and_then(|(ends, _)| ends.split_once("->"));
            let ports = ends.and_then(|(ours, theirs)| Some((port(ours)?, port(theirs)?)));
            return ports.map_or(Descriptor::Other, |(ours, theirs)| Descriptor::Tcp(ours, theirs));
        }
        let path = rest.split_once('>').and_then(|(path, _)| unescape(path));
        path.and_then(|path| String::from_utf8(path).ok()).map_or(Descriptor::Other, Descriptor::File)
    }

    /// The first string argument; whether all of it was shown; and the arguments after it.
    pub fn string(&self) -> Option<(Vec<u8>, bool, Vec<&str>)> {
        let (_, rest) = self.arguments.split_once('"')?;
        let (string, rest) = rest.split_once('"')?;
        let shown = rest.strip_prefix("...");
        let after = shown.unwrap_or(rest).split(", ").skip(1).collect();
        Some((unescape(string)?, shown.is_none(), after))
    }
}

/// `\x2f\x61` as bytes; a path without escapes as it is.
fn unescape(text: &str) -> Option<Vec<u8>> {
    if !text.contains('\\') {
        return Some(text.as_bytes().to_vec());
    }
    hex::decode(text.replace("\\x", "")).ok()
}

#[test]
fn calls_that_others_interrupt_are_put_together() {
    let text = r#"7  pwrite64(5</s/1.seg>, "\x59\x59"..., 4096, 8192 <unfinished ...>
8  sendto(9<TCP:[127.0.0.1:104->127.0.0.1:5000]>, "\x04", 1, MSG_NOSIGNAL, NULL, 0) = 1
8  --- SIGCHLD {si_signo=SIGCHLD} ---
7  <... pwrite64 resumed>)           = 4096
7  fdatasync(5<\x2f\x73> <unfinished ...>
8  +++ exited with 0 +++
9  fsync(6</s>) = -1 EIO (Input/output error)
"#;
    let calls = read(text).unwrap();
    let brief: Vec<_> = calls.iter().map(|c| (c.name.as_str(), c.began, c.returned, c.result)).collect();
    assert_eq!(
        brief,
        [
            ("pwrite64", 0, Some(3), Some(4096)),
            ("sendto", 1, Some(1), Some(1)),
            ("fdatasync", 4, None, None),
            ("fsync", 6, Some(6), Some(-1)),
        ]
    );
    assert_eq!(calls[0].descriptor(), Descriptor::File("/s/1.seg".into()));
    assert_eq!(calls[0].string(), Some((b"YY".to_vec(), false, vec!["4096", "8192"])));
    assert_eq!(calls[1].descriptor(), Descriptor::Tcp(104, 5000));
    assert_eq!(calls[1].string(), Some((vec![4], true, vec!["1", "MSG_NOSIGNAL", "NULL", "0"])));
    assert_eq!(calls[2].descriptor(), Descriptor::File("/s".into()));
    assert!(!calls[2].succeeded() && !calls[3].succeeded());
    assert!(read("7  <... fsync resumed>) = 0\n").is_err(), "nothing was begun");
}
