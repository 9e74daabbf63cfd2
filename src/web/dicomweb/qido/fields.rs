//! `includefield` (PS3.18 8.3.4.3): attributes that are no columns, from a header as DICOM JSON.
//!
//! A study shows what all its instances share, a series what its own do; what differs between them is shown of instances
//! only.

use serde_json::{Map, Value};

use super::AttributePath;
use crate::dicom::Tag;
use crate::index::find::{Level, level_of};

/// Attributes of one request.
const MAX_FIELDS: usize = 512;

#[derive(Debug, Default)]
pub struct Fields {
    all: bool,
    paths: Vec<AttributePath>,
}

impl Fields {
    /// Whether anything was asked for that results like `first` do not have.
    pub fn are_missing(&self, level: Level, first: Option<&Map<String, Value>>) -> bool {
        let Some(first) = first else { return false };
        let missing = |tag: Tag| level_of(tag) <= level && !first.contains_key(&name_of(tag));
        self.all || self.paths.iter().any(|path| path.first().is_some_and(|tag| missing(*tag)))
    }

    pub fn all(&mut self) {
        self.all = true;
    }

    pub fn add(&mut self, path: AttributePath) {
        if self.paths.len() < MAX_FIELDS && !self.paths.contains(&path) {
            self.paths.push(path);
        }
    }

    /// Adds to `result` what was asked for and `header` has; what is there already stays.
    pub fn pick(&self, level: Level, header: &Map<String, Value>, result: &mut Map<String, Value>) {
        if self.all {
            for (name, value) in header {
                if tag_of(name).is_some_and(|tag| level_of(tag) <= level) {
                    result.entry(name).or_insert_with(|| value.clone());
                }
            }
        }
        for path in &self.paths {
            let Some(first) = path.first().filter(|tag| level_of(**tag) <= level) else { continue };
            if first.0 % 2 == 1 {
                // A private element means nothing without its creator (PS3.5 7.8.1).
                let creator = name_of(Tag(first.0, first.1 >> 8));
                if let Some(value) = header.get(&creator) {
                    result.entry(creator).or_insert_with(|| value.clone());
                }
            }
            if let Some(found) = at(path, header) {
                merge(result, name_of(*first), found);
            }
        }
    }
}

/// The attribute at `path`: the sequences on the way hold nothing else.
fn at(path: &[Tag], set: &Map<String, Value>) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    let found = set.get(&name_of(*first))?;
    if rest.is_empty() {
        return Some(found.clone());
    }
    let items = found.get("Value")?.as_array()?;
    let items: Vec<Value> = items
        .iter()
        .map(|item| {
            let inner = item.as_object().and_then(|set| at(rest, set));
            Value::Object(inner.map(|value| (name_of(rest[0]), value)).into_iter().collect())
        })
        .collect();
    Some(serde_json::json!({"vr": "SQ", "Value": items}))
}

/// Several paths into one sequence meet item by item.
fn merge(into: &mut Map<String, Value>, name: String, found: Value) {
    let Some(before) = into.get_mut(&name) else {
        into.insert(name, found);
        return;
    };
    let mut items = found.get("Value").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(known) = before.get_mut("Value").and_then(Value::as_array_mut).filter(|k| k.len() == items.len()) else {
        return;
    };
    for (known, item) in known.iter_mut().zip(&mut items) {
        let (Some(known), Some(item)) = (known.as_object_mut(), item.as_object_mut()) else { return };
        for (name, value) in std::mem::take(item) {
            merge(known, name, value);
        }
    }
}

fn name_of(tag: Tag) -> String {
    format!("{:04X}{:04X}", tag.0, tag.1)
}

fn tag_of(name: &str) -> Option<Tag> {
    let number = u32::from_str_radix(name, 16).ok()?;
    Some(Tag((number >> 16) as u16, number as u16))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    fn header() -> Map<String, Value> {
        map(json!({
            "00080080": {"vr": "LO", "Value": ["新镇卫生院"]},
            "00091001": {"vr": "LO", "Value": ["x"]},
            "00090010": {"vr": "LO", "Value": ["MAKER"]},
            "00101030": {"vr": "DS", "Value": [70]},
            "00180050": {"vr": "DS", "Value": [5]},
            "00400275": {"vr": "SQ", "Value": [
                {"00400007": {"vr": "LO", "Value": ["chest"]}, "00400009": {"vr": "SH", "Value": ["S1"]}},
                {"00400009": {"vr": "SH", "Value": ["S2"]}}
            ]}
        }))
    }

    fn picked(level: Level, names: &[&str]) -> Vec<String> {
        let mut fields = Fields::default();
        for name in names {
            match *name {
                "all" => fields.all(),
                name => fields.add(super::super::query::path(name).unwrap()),
            }
        }
        let mut result = Map::new();
        fields.pick(level, &header(), &mut result);
        result.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn each_level_shows_its_own_and_what_is_above() {
        assert_eq!(picked(Level::Study, &["all"]), ["00101030"]);
        assert_eq!(picked(Level::Series, &["all"]), ["00080080", "00101030", "00400275"]);
        assert_eq!(picked(Level::Instance, &["all"]).len(), 6);
        assert_eq!(picked(Level::Study, &["SliceThickness", "PatientWeight"]), ["00101030"]);
        assert_eq!(picked(Level::Instance, &["00091001"]), ["00090010", "00091001"], "with its creator");
    }

    #[test]
    fn paths_lead_into_sequences_and_meet_there() {
        let mut fields = Fields::default();
        for path in ["RequestAttributesSequence.ScheduledProcedureStepID", "00400275.00400007"] {
            fields.add(super::super::query::path(path).unwrap());
        }
        let mut result = Map::new();
        fields.pick(Level::Series, &header(), &mut result);
        assert_eq!(result["00400275"], header()["00400275"]);
        let mut one = Fields::default();
        one.add(super::super::query::path("00400275.ScheduledProcedureStepDescription").unwrap());
        let mut result = Map::new();
        one.pick(Level::Series, &header(), &mut result);
        let items = json!([{"00400007": {"vr": "LO", "Value": ["chest"]}}, {}]);
        assert_eq!(result["00400275"]["Value"], items);
    }
}
