//! What became of all files: counted, named and judged.

use std::collections::BTreeMap;
use std::fmt::Write;

/// What is said of a file, in the order of the summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    Sent,
    SentByOthers,
    EncodedAnew,
    Unsent,
    GivenUp,
    NotKept,
    Refused,
    Stored,
    Quarantined,
    Lost,
    OtherBytes,
    Exact,
    ExactByHeader,
    ExactRgb,
    NotSeen,
    OtherPixels,
    Rewritten,
    NotRewritten,
    BadlyRewritten,
}

use Said::*;

impl Said {
    fn title(self) -> &'static str {
        match self {
            Sent => "sent whole and answered",
            SentByOthers => "of them by others than dcmtk",
            EncodedAnew => "of them encoded anew by their sender, so not as in their file",
            Unsent => "not sent by anybody, with each sender's reason",
            GivenUp => "begun and given up by a sender",
            NotKept => "answered, and nothing kept of them",
            Refused => "not answered with success",
            Stored => "stored, byte for byte as on the wire",
            Quarantined => "quarantined",
            Lost => "neither stored nor quarantined",
            OtherBytes => "stored as something else than was on the wire",
            Exact => "with exactly the pixels of the truth",
            ExactByHeader => "with them once read as their metadata says",
            ExactRgb => "with them as RGB",
            NotSeen => "of the truth not seen",
            OtherPixels => "with other pixels",
            Rewritten => "of other syntaxes made into Explicit VR Little Endian on the way out, and read by dcmdump",
            NotRewritten => "refused as Explicit VR Little Endian, with the reason",
            BadlyRewritten => "not whole as Explicit VR Little Endian, or not read by dcmdump",
        }
    }

    /// Nothing may be said of any file that is one of these.
    const FAULTS: [Said; 5] = [Refused, Lost, OtherBytes, OtherPixels, BadlyRewritten];
    /// Groups of these are counted, not listed by name.
    const COUNTED: [Said; 4] = [Sent, Stored, Exact, Rewritten];
}

/// At least, and at most, as many as when this was written.
pub struct Bounds {
    floors: &'static [(Said, usize)],
    ceilings: &'static [(Said, usize)],
}

/// With dcmtk 3.6.7.
pub const BY_DEVICES: Bounds = Bounds {
    floors: &[(Sent, 437), (Stored, 395), (Exact, 285), (ExactByHeader, 24), (Rewritten, 212)],
    ceilings: &[(SentByOthers, 30), (NotSeen, 10), (NotRewritten, 5)],
};

/// More are quarantined than from devices, whose senders made names and UIDs of file and request agree.
pub const BY_STOW: Bounds =
    Bounds { floors: &[(Sent, 449), (Stored, 371), (Exact, 270), (ExactByHeader, 22)], ceilings: &[(NotSeen, 27)] };

/// Files by what is said of them and why.
#[derive(Default)]
pub struct Tally(BTreeMap<(Said, String), Vec<String>>);

impl Tally {
    pub fn put(&mut self, said: Said, why: impl Into<String>, path: &str) {
        self.0.entry((said, why.into())).or_default().push(path.to_owned());
    }

    pub fn add(&mut self, other: Self) {
        for (key, paths) in other.0 {
            self.0.entry(key).or_default().extend(paths);
        }
    }

    fn groups(&self, of: Said) -> impl Iterator<Item = (&str, &Vec<String>)> {
        let of_it = move |((said, _), _): &(&(Said, String), &Vec<String>)| *said == of;
        self.0.iter().filter(of_it).map(|((_, why), paths)| (why.as_str(), paths))
    }

    fn count(&self, of: Said) -> usize {
        self.groups(of).map(|(_, paths)| paths.len()).sum()
    }

    pub fn summary(&self) -> String {
        let mut out = String::new();
        let mut last = None;
        for ((said, why), paths) in &self.0 {
            if last != Some(*said) {
                last = Some(*said);
                writeln!(out, "{} {}", self.count(*said), said.title()).expect("a string grows");
            }
            let names = match Said::COUNTED.contains(said) {
                true => String::new(),
                false => format!(": {}", paths.join(", ")),
            };
            writeln!(out, "    {} {why}{names}", paths.len()).expect("a string grows");
        }
        out
    }

    /// Fails where anything is wrong, or where less was seen than has been seen before.
    pub fn judge(&self, files: usize, bounds: &Bounds) {
        assert_eq!(self.count(Sent) + self.count(Unsent) + self.count(NotKept), files, "each file is sent or not");
        assert_eq!(
            self.count(Sent),
            self.count(Stored) + self.count(Quarantined),
            "each object is stored or quarantined"
        );
        for fault in Said::FAULTS {
            assert_eq!(self.count(fault), 0, "{}: see above", fault.title());
        }
        for &(said, floor) in bounds.floors {
            assert!(self.count(said) >= floor, "only {} {}", self.count(said), said.title());
        }
        for &(said, ceiling) in bounds.ceilings {
            assert!(self.count(said) <= ceiling, "as many as {} {}", self.count(said), said.title());
        }
    }
}
