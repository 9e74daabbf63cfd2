//! QIDO-RS: search for studies, series and instances (PS3.18 10.6).

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::StandardDataDictionary;
use serde_json::{Map, Value, json};
use wire::ImageAttrs;

use super::super::auth::Caller;
use super::super::{Answer, App, Problem};
use super::{Of, base_url};
use crate::dicom::{PersonName, Tag, VR, tags, uid};
use crate::index::dicomweb::{self, InstanceFound, Keys, SeriesFound, StudyFound};

/// Results of one answer at most; the rest by `offset`.
const PAGE: i64 = 1000;

pub async fn studies(State(app): State<App>, caller: Caller, RawQuery(query): RawQuery) -> Answer<Response> {
    let search = Search::parse(query.as_deref(), Of::default())?;
    let found =
        dicomweb::studies(&mut app.db.read().await?, caller.scope, &search.keys, search.limit, search.offset).await?;
    Ok(search.answer(found.iter().map(study_json).collect()))
}

pub async fn series(
    State(app): State<App>,
    caller: Caller,
    Path(of): Path<Of>,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let search = Search::parse(query.as_deref(), of)?;
    let found =
        dicomweb::series(&mut app.db.read().await?, caller.scope, &search.keys, search.limit, search.offset).await?;
    Ok(search.answer(found.iter().map(series_json).collect()))
}

pub async fn instances(
    State(app): State<App>,
    caller: Caller,
    Path(of): Path<Of>,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let search = Search::parse(query.as_deref(), of)?;
    let mut tx = app.db.read().await?;
    let found = dicomweb::instances(&mut tx, caller.scope, &search.keys, search.limit, search.offset).await?;
    Ok(search.answer(found.iter().map(instance_json).collect()))
}

struct Search {
    keys: Keys,
    limit: i64,
    offset: i64,
    /// Attributes asked for that nothing here can match.
    ignored: bool,
}

impl Search {
    fn parse(query: Option<&str>, of: Of) -> Answer<Self> {
        let mut search = Self { keys: Keys::default(), limit: PAGE, offset: 0, ignored: false };
        for (key, value) in pairs(query.unwrap_or_default()) {
            search.take(&key, value.trim())?;
        }
        // The path counts, whatever the query says.
        if let Some(study) = of.study {
            search.keys.study_uids = uid_list(&study)?;
        }
        if let Some(series) = of.series {
            search.keys.series_uids = uid_list(&series)?;
        }
        Ok(search)
    }

    fn take(&mut self, key: &str, value: &str) -> Answer<()> {
        let number = || value.parse::<i64>().ok().filter(|n| *n >= 0).ok_or(Problem::bad_request("bad_query"));
        match key {
            "limit" => self.limit = number()?.min(PAGE),
            "offset" => self.offset = number()?,
            // Everything the index knows is returned anyway; fuzzy matching is not done (PS3.18 8.3.4.2).
            "includefield" => {}
            "fuzzymatching" => self.ignored |= value == "true",
            _ if value.is_empty() => {}
            _ => self.matching(attribute(key)?, value)?,
        }
        Ok(())
    }

    fn matching(&mut self, tag: Tag, value: &str) -> Answer<()> {
        let keys = &mut self.keys;
        let (exact, folded) = (Some(wildcards(value)), Some(wildcards(&value.to_lowercase())));
        let whole = || value.parse().ok().ok_or(Problem::bad_request("bad_query"));
        match tag {
            tags::STUDY_INSTANCE_UID => keys.study_uids = uid_list(value)?,
            tags::SERIES_INSTANCE_UID => keys.series_uids = uid_list(value)?,
            tags::SOP_INSTANCE_UID => keys.sop_uids = uid_list(value)?,
            tags::SOP_CLASS_UID => keys.sop_class = Some(value.to_owned()),
            tags::STUDY_DATE => (keys.date_from, keys.date_to) = span(value, "99999999"),
            tags::STUDY_TIME => (keys.time_from, keys.time_to) = span(value, "999999.999999"),
            tags::ACCESSION_NUMBER => keys.accession = exact,
            tags::STUDY_ID => keys.study_id = exact,
            tags::PATIENT_ID => keys.patient_id = exact,
            tags::PATIENT_NAME => keys.patient_name = folded,
            tags::REFERRING_PHYSICIAN_NAME => keys.referring = folded,
            tags::STUDY_DESCRIPTION => keys.description = folded,
            tags::MODALITIES_IN_STUDY => keys.modality_in_study = exact,
            tags::MODALITY => keys.modality = exact,
            tags::SERIES_NUMBER => keys.series_number = Some(whole()?),
            tags::INSTANCE_NUMBER => keys.instance_number = Some(whole()?),
            _ => self.ignored = true,
        }
        Ok(())
    }

    fn answer(&self, found: Vec<Value>) -> Response {
        let mut response = Json(found).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/dicom+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        if self.ignored {
            let warning = "299 yunying: \"some matching keys or options are not supported and were ignored\"";
            headers.insert(header::WARNING, HeaderValue::from_static(warning));
        }
        response
    }
}

/// `name=value` pairs, percent-decoded; at most 64.
fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            let pair = after.first_chunk::<2>().and_then(|p| std::str::from_utf8(p).ok());
            rest = after;
            bytes.push(match (byte, pair.and_then(|p| u8::from_str_radix(p, 16).ok())) {
                (b'%', Some(decoded)) => {
                    rest = &after[2..];
                    decoded
                }
                (b'+', _) => b' ',
                _ => byte,
            });
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    query
        .split('&')
        .filter(|p| !p.is_empty())
        .take(64)
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

/// A keyword or eight hexadecimal digits.
fn attribute(key: &str) -> Answer<Tag> {
    if key.len() == 8
        && let Ok(number) = u32::from_str_radix(key, 16)
    {
        return Ok(Tag((number >> 16) as u16, number as u16));
    }
    let entry = StandardDataDictionary.by_name(key).ok_or(Problem::bad_request("unknown_attribute"))?;
    Ok(entry.tag())
}

/// `,uid,uid,` from UIDs between commas or backslashes.
fn uid_list(value: &str) -> Answer<Option<String>> {
    let uids: Vec<&str> = value.split([',', '\\']).map(str::trim).collect();
    if uids.len() > 100 || !uids.iter().all(|uid| uid::is_valid(uid)) {
        return Err(Problem::bad_request("bad_uid"));
    }
    Ok(Some(format!(",{},", uids.join(","))))
}

/// DICOM's wildcards as SQL's (PS3.4 C.2.2.2.4).
fn wildcards(value: &str) -> String {
    let mut pattern = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '*' => pattern.push('%'),
            '?' => pattern.push('_'),
            '%' | '_' | '\\' => pattern.extend(['\\', c]),
            c => pattern.push(c),
        }
    }
    pattern
}

/// Range matching (PS3.4 C.2.2.2.5): `a-b`, `a-`, `-b`, or one value, which for a time is the span it names.
fn span(value: &str, end: &str) -> (Option<String>, Option<String>) {
    let bound = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let up_to = |text: &str| bound(text).map(|text| format!("{text}{}", end.get(text.len()..).unwrap_or_default()));
    match value.split_once('-') {
        Some((from, to)) => (bound(from), up_to(to)),
        None => (bound(value), up_to(value)),
    }
}

/// Attributes of one result, sorted as they must be.
#[derive(Default)]
struct Attributes(Map<String, Value>);

impl Attributes {
    fn put(&mut self, tag: Tag, vr: VR, value: Value) -> &mut Self {
        let absent = value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty);
        let values = match value {
            Value::Array(values) => Value::Array(values),
            one => Value::Array(vec![one]),
        };
        let mut attribute = json!({ "vr": vr.to_string() });
        if !absent {
            attribute["Value"] = values;
        }
        self.0.insert(format!("{:04X}{:04X}", tag.0, tag.1), attribute);
        self
    }

    fn name(&mut self, tag: Tag, raw: &str) -> &mut Self {
        let name = PersonName::parse(raw);
        let groups = [("Alphabetic", name.alphabetic), ("Ideographic", name.ideographic), ("Phonetic", name.phonetic)];
        let value: Map<String, Value> =
            groups.into_iter().filter(|(_, g)| !g.is_empty()).map(|(k, g)| (k.to_owned(), Value::String(g))).collect();
        let value = if value.is_empty() { json!([]) } else { json!([value]) };
        self.put(tag, VR::PN, value)
    }

    fn json(self) -> Value {
        Value::Object(self.0)
    }
}

/// PS3.18 table 10.6.3-3
fn study_json(found: &StudyFound) -> Value {
    let mut out = Attributes::default();
    let sex = match found.sex.as_str() {
        "male" => "M",
        "female" => "F",
        "other" => "O",
        _ => "",
    };
    let modalities: Vec<&str> = found.modalities.split(',').filter(|m| !m.is_empty()).collect();
    out.put(tags::SPECIFIC_CHARACTER_SET, VR::CS, json!("ISO_IR 192"))
        .put(tags::STUDY_DATE, VR::DA, json!(found.study_date))
        .put(tags::STUDY_TIME, VR::TM, json!(found.study_time))
        .put(tags::ACCESSION_NUMBER, VR::SH, json!(found.accession))
        .put(tags::INSTANCE_AVAILABILITY, VR::CS, json!("ONLINE"))
        .put(tags::MODALITIES_IN_STUDY, VR::CS, json!(modalities))
        .name(tags::REFERRING_PHYSICIAN_NAME, &found.referring)
        .put(tags::STUDY_DESCRIPTION, VR::LO, json!(found.description))
        .put(tags::RETRIEVE_URL, VR::UR, json!(base_url(&found.uid, None, None)))
        .name(tags::PATIENT_NAME, &found.name_raw)
        .put(tags::PATIENT_ID, VR::LO, json!(found.pid))
        .put(tags::PATIENT_BIRTH_DATE, VR::DA, json!(found.birth_date))
        .put(tags::PATIENT_SEX, VR::CS, json!(sex))
        .put(tags::STUDY_INSTANCE_UID, VR::UI, json!(found.uid))
        .put(tags::STUDY_ID, VR::SH, json!(found.study_id))
        .put(tags::NUMBER_OF_STUDY_RELATED_SERIES, VR::IS, json!(found.series))
        .put(tags::NUMBER_OF_STUDY_RELATED_INSTANCES, VR::IS, json!(found.instances));
    out.json()
}

/// PS3.18 table 10.6.3-4
fn series_json(found: &SeriesFound) -> Value {
    let mut out = Attributes::default();
    out.put(tags::SPECIFIC_CHARACTER_SET, VR::CS, json!("ISO_IR 192"))
        .put(tags::MODALITY, VR::CS, json!(found.modality))
        .put(tags::SERIES_DESCRIPTION, VR::LO, json!(found.description))
        .put(tags::RETRIEVE_URL, VR::UR, json!(base_url(&found.study_uid, Some(&found.uid), None)))
        .put(tags::BODY_PART_EXAMINED, VR::CS, json!(found.body_part))
        .put(tags::STUDY_INSTANCE_UID, VR::UI, json!(found.study_uid))
        .put(tags::SERIES_INSTANCE_UID, VR::UI, json!(found.uid))
        .put(tags::SERIES_NUMBER, VR::IS, json!(found.number))
        .put(tags::NUMBER_OF_SERIES_RELATED_INSTANCES, VR::IS, json!(found.instances));
    out.json()
}

/// PS3.18 table 10.6.3-5
fn instance_json(found: &InstanceFound) -> Value {
    let mut out = Attributes::default();
    let url = base_url(&found.study_uid, Some(&found.series_uid), Some(&found.sop_uid));
    out.put(tags::SPECIFIC_CHARACTER_SET, VR::CS, json!("ISO_IR 192"))
        .put(tags::SOP_CLASS_UID, VR::UI, json!(found.sop_class))
        .put(tags::SOP_INSTANCE_UID, VR::UI, json!(found.sop_uid))
        .put(tags::INSTANCE_AVAILABILITY, VR::CS, json!("ONLINE"))
        .put(tags::AVAILABLE_TRANSFER_SYNTAX_UID, VR::UI, json!(found.transfer_syntax))
        .put(tags::RETRIEVE_URL, VR::UR, json!(url))
        .put(tags::STUDY_INSTANCE_UID, VR::UI, json!(found.study_uid))
        .put(tags::SERIES_INSTANCE_UID, VR::UI, json!(found.series_uid))
        .put(tags::INSTANCE_NUMBER, VR::IS, json!(found.number));
    if let Some(attrs) = found.attrs.as_deref().and_then(|text| serde_json::from_str::<ImageAttrs>(text).ok()) {
        out.put(tags::NUMBER_OF_FRAMES, VR::IS, json!(attrs.frames))
            .put(tags::ROWS, VR::US, json!(attrs.rows))
            .put(tags::COLUMNS, VR::US, json!(attrs.columns))
            .put(tags::BITS_ALLOCATED, VR::US, json!(attrs.bits_allocated));
    }
    out.json()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_by_keyword_or_tag_with_wildcards_and_ranges() {
        let query =
            "PatientName=wang*&00100020=A_1&StudyDate=20260101-&ModalitiesInStudy=CT&limit=5000&includefield=all";
        let search = Search::parse(Some(query), Of::default()).unwrap();
        assert_eq!(search.keys.patient_name.as_deref(), Some("wang%"));
        assert_eq!(search.keys.patient_id.as_deref(), Some("A\\_1"));
        assert_eq!((search.keys.date_from.as_deref(), search.keys.date_to), (Some("20260101"), None));
        assert_eq!((search.limit, search.ignored), (PAGE, false));
        let one_day = Search::parse(Some("StudyDate=20260101&StudyTime=08"), Of::default()).unwrap().keys;
        assert_eq!((one_day.date_from.as_deref(), one_day.date_to.as_deref()), (Some("20260101"), Some("20260101")));
        assert_eq!((one_day.time_from.as_deref(), one_day.time_to.as_deref()), (Some("08"), Some("089999.999999")));
    }

    #[test]
    fn the_path_outranks_the_query_and_nonsense_is_refused() {
        let of = Of { study: Some("1.2.3".into()), ..Of::default() };
        let search = Search::parse(Some("StudyInstanceUID=9.9"), of).unwrap();
        assert_eq!(search.keys.study_uids.as_deref(), Some(",1.2.3,"));
        for bad in ["limit=-1", "NoSuchThing=1", "StudyInstanceUID=1.2'%20OR%201", "SeriesNumber=x"] {
            assert!(Search::parse(Some(bad), Of::default()).is_err(), "{bad}");
        }
        assert!(Search::parse(Some("PatientWeight=70"), Of::default()).unwrap().ignored);
    }

    #[test]
    fn chinese_names_arrive_percent_encoded() {
        assert_eq!(
            pairs("PatientName=%E7%8E%8B*&x=a+b&%zz=%4"),
            [
                ("PatientName".to_owned(), "王*".to_owned()),
                ("x".to_owned(), "a b".to_owned()),
                ("%zz".to_owned(), "%4".to_owned()),
            ]
        );
    }
}
