//! A strict reader of the text exposition format, for tests: panics at whatever Prometheus or its linter would refuse.

use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, String>;

pub struct Parsed(BTreeMap<(String, Labels), f64>);

struct Family {
    name: String,
    kind: String,
    samples: Vec<(String, Labels, f64)>,
}

impl Parsed {
    pub fn strictly(text: &str) -> Self {
        assert!(text.is_empty() || text.ends_with('\n'), "the last line does not end");
        let mut families: Vec<Family> = Vec::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').expect("help has words");
                assert!(is_name(name) && !words.is_empty(), "{line}");
                assert!(families.iter().all(|family| family.name != name), "{name} comes twice");
                let kind =
                    lines.next().and_then(|next| next.strip_prefix("# TYPE ")?.strip_prefix(name)?.strip_prefix(' '));
                let kind = kind.unwrap_or_else(|| panic!("no TYPE follows {line}")).to_owned();
                assert!(["counter", "gauge", "histogram"].contains(&kind.as_str()), "{name} is a {kind}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
                families.push(Family { name: name.to_owned(), kind, samples: Vec::new() });
            } else {
                let family = families.last_mut().expect("a family begins before its samples");
                family.samples.push(sample(line));
            }
        }
        let mut all = BTreeMap::new();
        for family in families {
            family.check();
            for (name, labels, value) in family.samples {
                let before = all.insert((name.clone(), labels), value);
                assert!(before.is_none(), "a sample of {name} comes twice");
            }
        }
        Self(all)
    }

    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.0.get(&(name.to_owned(), labels)).copied()
    }

    pub fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(|(name, _)| name.as_str()).collect()
    }

    pub fn label_values(&self) -> BTreeSet<&str> {
        self.0.keys().flat_map(|(_, labels)| labels.values().map(String::as_str)).collect()
    }
}

impl Family {
    fn check(&self) {
        match self.kind.as_str() {
            "histogram" => self.check_histogram(),
            kind => {
                for (name, labels, value) in &self.samples {
                    assert_eq!(*name, self.name);
                    assert!(!labels.contains_key("le"), "{name} is no histogram");
                    assert!(kind != "counter" || *value >= 0.0, "{name} counts {value}");
                }
            }
        }
    }

    fn check_histogram(&self) {
        type Series = (Vec<(f64, f64)>, Option<f64>, Option<f64>);
        let mut series: BTreeMap<Labels, Series> = BTreeMap::new();
        for (name, labels, value) in &self.samples {
            let mut labels = labels.clone();
            let bound = labels.remove("le");
            let (buckets, sum, count) = series.entry(labels).or_default();
            match (name.strip_prefix(&self.name), bound) {
                (Some("_bucket"), Some(bound)) => buckets.push((number(&bound), *value)),
                (Some("_sum"), None) => assert!(sum.replace(*value).is_none()),
                (Some("_count"), None) => assert!(count.replace(*value).is_none()),
                _ => panic!("{name} is no part of the histogram {}", self.name),
            }
        }
        for (labels, (buckets, sum, count)) in series {
            let what = format!("{} {labels:?}", self.name);
            assert!(buckets.windows(2).all(|two| two[0].0 < two[1].0), "{what}: bounds do not rise");
            assert!(buckets.windows(2).all(|two| two[0].1 <= two[1].1), "{what}: buckets are not cumulative");
            let (last, all) = *buckets.last().expect("a histogram has buckets");
            assert_eq!(last, f64::INFINITY, "{what} does not end with +Inf");
            assert_eq!(count, Some(all), "{what}: the count is not that of +Inf");
            assert!(sum.is_some(), "{what} has no sum");
        }
    }
}

fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    first && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        text => text.parse().unwrap_or_else(|_| panic!("{text:?} is no number")),
    }
}

/// One line: name, labels, value.
fn sample(line: &str) -> (String, Labels, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?} has no value"));
    let (name, labels) = match series.split_once('{') {
        None => (series, Labels::new()),
        Some((name, labels)) => (name, self::labels(labels)),
    };
    assert!(is_name(name), "{line:?}");
    (name.to_owned(), labels, number(value))
}

/// What follows the opening brace.
fn labels(text: &str) -> Labels {
    let mut found = Labels::new();
    let mut rest = text;
    loop {
        let (name, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{rest:?} is no label"));
        assert!(is_name(name), "{name:?}");
        let mut letters = value.char_indices();
        let mut plain = String::new();
        let end = loop {
            match letters.next().unwrap_or_else(|| panic!("{value:?} does not end")) {
                (at, '"') => break at,
                (_, '\\') => match letters.next() {
                    Some((_, 'n')) => plain.push('\n'),
                    Some((_, letter @ ('\\' | '"'))) => plain.push(letter),
                    other => panic!("{other:?} was escaped"),
                },
                (_, letter) => plain.push(letter),
            }
        };
        assert!(found.insert(name.to_owned(), plain).is_none(), "label {name} comes twice");
        rest = &value[end + 1..];
        match rest {
            "}" => return found,
            more => rest = more.strip_prefix(',').unwrap_or_else(|| panic!("{more:?} after a label")),
        }
    }
}
