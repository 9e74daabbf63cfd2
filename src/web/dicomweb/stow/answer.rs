//! What a sender is told (PS3.18 10.5.3): which instances are stored, which are not, and why.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::super::base_url;

/// Failure reasons (PS3.18 10.5.3.2, PS3.4 table B.2-1).
pub const PROCESSING_FAILURE: u16 = 0x0110;
pub const OUT_OF_RESOURCES: u16 = 0xA700;
/// The resource takes instances of one study, and this is of another.
pub const NOT_OF_THIS_STUDY: u16 = 0xA900;
pub const CANNOT_UNDERSTAND: u16 = 0xC000;
/// It is stored, but its header contradicts its file meta or cannot be read, so that quarantine awaits it.
const DOUBTFUL: u16 = 0xB007;

/// What became of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// As its file meta says; empty where that says nothing.
    pub class: String,
    pub instance: String,
    pub result: Result<Stored, u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its study and series; none: its header does not say which without contradiction.
    pub place: Option<(String, String)>,
}

impl Outcome {
    /// Of something that could not be told apart.
    pub fn unknown(reason: u16) -> Self {
        Self { class: String::new(), instance: String::new(), result: Err(reason) }
    }

    pub fn is_stored(&self) -> bool {
        self.result.is_ok()
    }
}

pub fn answer(outcomes: Vec<Outcome>) -> Response {
    let status = status(&outcomes);
    let mut response = (status, Json(body(&outcomes))).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/dicom+json"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
    }
    response
}

/// All, some or none; none only for want of room may be tried again.
fn status(outcomes: &[Outcome]) -> StatusCode {
    let stored = outcomes.iter().filter(|outcome| outcome.is_stored()).count();
    let without_doubt = |outcome: &Outcome| matches!(&outcome.result, Ok(Stored { place: Some(_) }));
    match stored {
        0 if outcomes.iter().all(|outcome| outcome.result == Err(OUT_OF_RESOURCES)) => StatusCode::SERVICE_UNAVAILABLE,
        0 => StatusCode::CONFLICT,
        _ if outcomes.iter().all(without_doubt) => StatusCode::OK,
        _ => StatusCode::ACCEPTED,
    }
}

/// The Store Instances Response Module.
fn body(outcomes: &[Outcome]) -> Value {
    let mut of_study: Option<Option<&str>> = None;
    let (mut stored, mut failed, mut other) = (Vec::new(), Vec::new(), Vec::new());
    for outcome in outcomes {
        match &outcome.result {
            Ok(Stored { place }) => {
                let study = place.as_ref().map(|(study, _)| study.as_str());
                of_study = Some(study.filter(|_| of_study.is_none() || of_study == Some(study)));
                let mut item = reference(outcome);
                match place {
                    Some((study, series)) => {
                        let url = base_url(study, Some(series), Some(&outcome.instance));
                        item.insert("00081190".into(), text("UR", &url));
                    }
                    None => {
                        item.insert("00081196".into(), number(DOUBTFUL));
                    }
                }
                stored.push(Value::Object(item));
            }
            Err(reason) if outcome.instance.is_empty() => other.push(json!({ "00081197": number(*reason) })),
            Err(reason) => {
                let mut item = reference(outcome);
                item.insert("00081197".into(), number(*reason));
                failed.push(Value::Object(item));
            }
        }
    }
    let mut body = Map::new();
    if let Some(Some(study)) = of_study {
        body.insert("00081190".into(), text("UR", &base_url(study, None, None)));
    }
    for (tag, items) in [("00081198", failed), ("00081199", stored), ("0008119A", other)] {
        if !items.is_empty() {
            body.insert(tag.into(), json!({ "vr": "SQ", "Value": items }));
        }
    }
    Value::Object(body)
}

fn reference(outcome: &Outcome) -> Map<String, Value> {
    [("00081150".to_owned(), text("UI", &outcome.class)), ("00081155".to_owned(), text("UI", &outcome.instance))]
        .into_iter()
        .collect()
}

fn text(vr: &str, value: &str) -> Value {
    if value.is_empty() { json!({ "vr": vr }) } else { json!({ "vr": vr, "Value": [value] }) }
}

fn number(value: u16) -> Value {
    json!({ "vr": "US", "Value": [value] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(instance: &str, result: Result<Option<&str>, u16>) -> Outcome {
        let place = |study: Option<&str>| Stored { place: study.map(|study| (study.to_owned(), format!("{study}.1"))) };
        Outcome { class: "1.2".into(), instance: instance.into(), result: result.map(place) }
    }

    #[test]
    fn the_status_says_all_some_or_none() {
        let (good, doubtful) = (outcome("1", Ok(Some("9"))), outcome("2", Ok(None)));
        let (bad, full) = (outcome("3", Err(CANNOT_UNDERSTAND)), outcome("4", Err(OUT_OF_RESOURCES)));
        assert_eq!(status(std::slice::from_ref(&good)), StatusCode::OK);
        assert_eq!(status(&[good.clone(), doubtful]), StatusCode::ACCEPTED);
        assert_eq!(status(&[good, bad.clone()]), StatusCode::ACCEPTED);
        assert_eq!(status(&[bad, full.clone()]), StatusCode::CONFLICT);
        assert_eq!(status(&[full.clone(), full]), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn each_part_is_named_where_it_ended() {
        let all = [
            outcome("1", Ok(Some("9"))),
            outcome("2", Err(CANNOT_UNDERSTAND)),
            Outcome::unknown(PROCESSING_FAILURE),
            outcome("3", Ok(Some("9"))),
        ];
        let body = body(&all);
        assert_eq!(body["00081190"]["Value"][0], "/dicomweb/studies/9");
        let url = "/dicomweb/studies/9/series/9.1/instances/1";
        assert_eq!(body["00081199"]["Value"][0]["00081190"]["Value"][0], url);
        assert_eq!(body["00081199"]["Value"][1]["00081155"]["Value"][0], "3");
        assert_eq!(body["00081198"]["Value"][0]["00081197"]["Value"][0], CANNOT_UNDERSTAND);
        assert_eq!(body["0008119A"]["Value"][0]["00081197"]["Value"][0], PROCESSING_FAILURE);
    }

    #[test]
    fn the_study_is_named_only_where_there_is_one() {
        let two = [outcome("1", Ok(Some("8"))), outcome("2", Ok(Some("9"))), outcome("3", Ok(Some("8")))];
        assert!(body(&two).get("00081190").is_none());
        let doubtful = [outcome("1", Ok(Some("8"))), outcome("2", Ok(None))];
        let body = body(&doubtful);
        assert!(body.get("00081190").is_none());
        assert_eq!(body["00081199"]["Value"][1]["00081196"]["Value"][0], DOUBTFUL);
    }
}
