//! What each key becomes in SQL. Tables are `p` patient, `st` study, `se` series, `i` instance.

use super::key::{Key, Keys};
use super::text::Statement;
use crate::dicom::{Matching, NameKind, PersonName, fuzzy, uid};
use crate::index::Scope;

/// Adds the conditions of `keys` to a search within `scope`.
pub(super) fn add(statement: &mut Statement, scope: Scope, keys: &Keys) {
    if let Scope::Site(site) = scope {
        let number = statement.number(site.0);
        statement.and(&format!("st.site_id = {number}"));
    }
    for (key, name) in keys.names() {
        match key {
            Key::PatientName if keys.is_fuzzy() => sounds_like(statement, name),
            Key::PatientName => written_like(statement, name),
            _ => referring(statement, name, keys.is_fuzzy()),
        }
    }
    let mut request = Vec::new();
    for (key, matching) in keys.asked().filter(|(key, _)| key.level() <= keys.level()) {
        match key {
            Key::RequestedProcedureId => request.push(text(statement, "q.procedure_id", matching)),
            Key::ScheduledStepId => request.push(text(statement, "q.step_id", matching)),
            _ => {
                let condition = of_key(statement, key, matching);
                statement.and(&condition);
            }
        }
    }
    if !request.is_empty() {
        // The keys of a sequence match within one item of it (C.2.2.2.6).
        let keys = request.join(" AND ");
        statement.and(&format!("se.id IN (SELECT q.series_id FROM series_request q WHERE {keys})"));
    }
}

fn of_key(statement: &mut Statement, key: Key, matching: &Matching) -> String {
    let column = match key {
        Key::PatientName | Key::PatientId => "p.pid",
        Key::IssuerOfPatientId => "p.issuer",
        Key::PatientBirthDate => "p.birth_date",
        Key::PatientSex => return sex(statement, matching),
        Key::StudyUid => "st.uid",
        Key::StudyId => "st.study_id",
        Key::StudyDate => "st.study_date",
        Key::StudyTime => "st.study_time",
        Key::AccessionNumber => "st.accession",
        Key::ReferringPhysicianName | Key::StudyDescription => return folded(statement, "st.description", matching),
        Key::ModalitiesInStudy => return modalities(statement, matching),
        Key::SeriesUid => "se.uid",
        Key::SeriesNumber => return number(statement, "se.number", matching),
        Key::Modality => "se.modality",
        Key::SeriesDescription => return folded(statement, "se.description", matching),
        Key::BodyPartExamined => "se.body_part",
        Key::PerformedDate => "se.performed_date",
        Key::PerformedTime => "se.performed_time",
        Key::RequestedProcedureId => "q.procedure_id",
        Key::ScheduledStepId => "q.step_id",
        Key::SopUid => return sop_uid(statement, matching),
        Key::SopClass => "i.sop_class",
        Key::InstanceNumber => return number(statement, "i.number", matching),
    };
    text(statement, column, matching)
}

pub(in crate::index) fn text(statement: &mut Statement, column: &str, matching: &Matching) -> String {
    match matching {
        Matching::Universal => "1 = 1".to_owned(),
        Matching::OneOf(values) => match &values[..] {
            [value] => {
                let value = statement.value(value);
                format!("{column} = {value}")
            }
            values => {
                let values = statement.values(values.iter().cloned());
                format!("{column} IN {values}")
            }
        },
        Matching::Wildcard(pattern) => {
            let begins = (!pattern.prefix().is_empty()).then(|| statement.begins(column, pattern.prefix()));
            let whole = (!pattern.is_prefix_only()).then(|| statement.wildcard(column, pattern.as_str()));
            let conditions: Vec<String> = begins.into_iter().chain(whole).collect();
            conditions.join(" AND ")
        }
        Matching::Range { from, to } => {
            // What has no value sorts first and is in no range.
            let from = statement.value(from.as_deref().filter(|from| !from.is_empty()).unwrap_or("0"));
            match to {
                None => format!("{column} >= {from}"),
                Some(to) => {
                    let to = statement.value(to);
                    format!("({column} >= {from} AND {column} <= {to})")
                }
            }
        }
    }
}

/// Free text, in which capitals and small letters are the same; SQLite knows that of ASCII only.
fn folded(statement: &mut Statement, column: &str, matching: &Matching) -> String {
    let pattern = match matching {
        Matching::OneOf(values) => values.first().cloned().unwrap_or_default(),
        Matching::Wildcard(pattern) => pattern.as_str().to_owned(),
        Matching::Universal | Matching::Range { .. } => return "1 = 1".to_owned(),
    };
    statement.wildcard(&format!("LOWER({column})"), &pattern.to_lowercase())
}

fn number(statement: &mut Statement, column: &str, matching: &Matching) -> String {
    let Matching::OneOf(values) = matching else { return "1 = 1".to_owned() };
    let values = statement.numbers(values.iter().filter_map(|value| value.parse().ok()));
    format!("{column} IN {values}")
}

fn sex(statement: &mut Statement, matching: &Matching) -> String {
    let Matching::OneOf(values) = matching else { return "1 = 1".to_owned() };
    let word = |code: &String| match code.as_str() {
        "M" => "male".to_owned(),
        "F" => "female".to_owned(),
        "O" => "other".to_owned(),
        _ => String::new(),
    };
    let values = statement.values(values.iter().map(word));
    format!("p.sex IN {values}")
}

/// Any of the study's modalities.
fn modalities(statement: &mut Statement, matching: &Matching) -> String {
    let patterns: Vec<String> = match matching {
        Matching::OneOf(values) => values.clone(),
        Matching::Wildcard(pattern) => vec![pattern.as_str().to_owned()],
        Matching::Universal | Matching::Range { .. } => return "1 = 1".to_owned(),
    };
    let column = "',' || st.modalities || ','";
    let any: Vec<String> = patterns.iter().map(|one| statement.wildcard(column, &format!("*,{one},*"))).collect();
    format!("({})", any.join(" OR "))
}

/// UIDs of instances are looked up by their hash.
fn sop_uid(statement: &mut Statement, matching: &Matching) -> String {
    let Matching::OneOf(values) = matching else { return "1 = 1".to_owned() };
    let hashes = statement.numbers(values.iter().map(|value| uid::hash(value)));
    let values = statement.values(values.iter().cloned());
    format!("i.sop_hash IN {hashes} AND i.sop_uid IN {values}")
}

/// Each component group that is asked for must match a form the name is written in.
fn written_like(statement: &mut Statement, name: &str) {
    let kind = NameKind::Written.word();
    for group in groups(name) {
        let condition = match Matching::name_group(&group) {
            Matching::Universal => continue,
            matching => text(statement, "n.form", &matching),
        };
        statement.and(&format!(
            "st.patient_id IN (SELECT n.patient_id FROM name_form n WHERE n.kind = '{kind}' AND {condition})"
        ));
    }
}

/// The name begins so, in characters, sounds or initials.
fn sounds_like(statement: &mut Statement, name: &str) {
    let Some(wanted) = fuzzy(name) else { return };
    let any = wanted.0.iter().map(|(kind, form)| {
        let begins = statement.begins("n.form", form);
        format!("n.kind = '{}' AND {begins}", kind.word())
    });
    let any: Vec<String> = any.collect();
    // One look-up a form: an OR of them all may be answered by reading every name.
    let each: Vec<String> = any.iter().map(|one| format!("SELECT n.patient_id FROM name_form n WHERE {one}")).collect();
    statement.and(&format!("st.patient_id IN ({})", each.join(" UNION ")));
}

/// The physician's name.
fn referring(statement: &mut Statement, name: &str, fuzzy: bool) {
    among_forms(statement, "st.referring_forms", name, fuzzy);
}

/// A name among its forms, which stand between `=` in `column`.
pub(in crate::index) fn among_forms(statement: &mut Statement, column: &str, name: &str, fuzzy: bool) {
    for group in groups(name) {
        let pattern = match Matching::name_group(&group) {
            Matching::OneOf(values) => values.first().cloned().unwrap_or_default(),
            Matching::Wildcard(pattern) => pattern.as_str().to_owned(),
            Matching::Universal | Matching::Range { .. } => continue,
        };
        let pattern = if fuzzy { format!("*{}*", pattern.trim_matches('*')) } else { format!("*={pattern}=*") };
        let condition = statement.wildcard(column, &pattern);
        statement.and(&condition);
    }
}

/// The component groups of a name that was asked for; a name in one group may stand in any.
fn groups(name: &str) -> Vec<String> {
    let asked = PersonName::parse(name);
    [asked.alphabetic, asked.ideographic, asked.phonetic].into_iter().filter(|group| !group.is_empty()).collect()
}
