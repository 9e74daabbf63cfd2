//! QIDO-RS: search for studies, series and instances (PS3.18 10.6).
//!
//! Owns what a query string means; how attributes match is [`find`]'s. Answers in DICOM JSON.

mod attributes;
mod fields;
mod query;

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::super::auth::Caller;
use super::super::{Answer, App, Problem};
use super::accept::Ranges;
use super::{Of, metadata};
use crate::dicom::Tag;
use crate::domain::InstanceId;
use crate::index::Tx;
use crate::index::find::{self, Key, Keys, Level, Page, RequestFound};
use attributes::Above;
pub use attributes::Attributes;
use fields::Fields;
pub use query::{decode, pairs};

/// Results of one answer at most; the rest by `offset`.
const PAGE: i64 = 1000;
/// Headers read at a time for attributes that are not columns.
const SAMPLES: usize = 100;

pub async fn studies(
    State(app): State<App>,
    caller: Caller,
    ranges: Ranges,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let search = Search::parse(Level::Study, query.as_deref(), Of::default(), &ranges)?;
    let mut tx = app.db.read().await?;
    let mut found = find::studies(&mut tx, caller.scope, &search.keys, search.page()).await?;
    let more = search.cut(&mut found);
    let mut results: Vec<_> = found.iter().map(|study| Attributes::study(study).whole()).collect();
    if search.fields.are_missing(search.keys.level(), results.first()) {
        let ids: Vec<_> = found.iter().map(|study| study.study).collect();
        let samples: HashMap<_, _> = find::sample_of_study(&mut tx, &ids).await?.into_iter().collect();
        let samples = ids.iter().map(|id| samples.get(id).copied()).collect();
        search.include(&mut tx, samples, &mut results).await?;
    }
    Ok(search.answer(results, more))
}

pub async fn series(
    State(app): State<App>,
    caller: Caller,
    Path(of): Path<Of>,
    ranges: Ranges,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let above = Above::of(&of);
    let search = Search::parse(Level::Series, query.as_deref(), of, &ranges)?;
    let mut tx = app.db.read().await?;
    let mut found = find::series(&mut tx, caller.scope, &search.keys, search.page()).await?;
    let more = search.cut(&mut found);
    let ids: Vec<_> = found.iter().map(|series| series.series).collect();
    let mut requests: HashMap<_, Vec<RequestFound>> = HashMap::new();
    if !ids.is_empty() {
        for request in find::requests_of_series(&mut tx, &ids).await? {
            requests.entry(request.series_id).or_default().push(request);
        }
    }
    let requested = |id| requests.get(id).map_or(&[][..], Vec::as_slice);
    let mut results: Vec<_> =
        found.iter().map(|series| Attributes::series(series, requested(&series.series), above).whole()).collect();
    if search.fields.are_missing(search.keys.level(), results.first()) {
        let samples: HashMap<_, _> = find::sample_of_series(&mut tx, &ids).await?.into_iter().collect();
        let samples = ids.iter().map(|id| samples.get(id).copied()).collect();
        search.include(&mut tx, samples, &mut results).await?;
    }
    Ok(search.answer(results, more))
}

pub async fn instances(
    State(app): State<App>,
    caller: Caller,
    Path(of): Path<Of>,
    ranges: Ranges,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let above = Above::of(&of);
    let search = Search::parse(Level::Instance, query.as_deref(), of, &ranges)?;
    let mut tx = app.db.read().await?;
    let mut found = find::instances(&mut tx, caller.scope, &search.keys, search.page()).await?;
    let more = search.cut(&mut found);
    let mut results: Vec<_> = found.iter().map(|one| Attributes::instance(one, above).whole()).collect();
    if search.fields.are_missing(search.keys.level(), results.first()) {
        let samples = found.iter().map(|one| Some(one.instance)).collect();
        search.include(&mut tx, samples, &mut results).await?;
    }
    Ok(search.answer(results, more))
}

struct Search {
    keys: Keys,
    fields: Fields,
    limit: i64,
    offset: i64,
    /// Attributes asked for that nothing here can match.
    ignored: bool,
}

impl Search {
    fn parse(level: Level, query: Option<&str>, of: Of, ranges: &Ranges) -> Answer<Self> {
        if !ranges.take_json() {
            return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable"));
        }
        let mut search =
            Self { keys: Keys::new(level), fields: Fields::default(), limit: PAGE, offset: 0, ignored: false };
        for (key, value) in query::pairs(query.unwrap_or_default()) {
            search.take(&key, value.trim())?;
        }
        for (key, uid) in [(Key::StudyUid, of.study), (Key::SeriesUid, of.series)] {
            if let Some(uid) = uid {
                search.keys.within(key, &uid).map_err(|_| Problem::bad_request("bad_uid"))?;
            }
        }
        Ok(search)
    }

    fn take(&mut self, key: &str, value: &str) -> Answer<()> {
        let bad = || Problem::bad_request("bad_query").detail(format!("{key}={value}"));
        let number = || value.parse::<i64>().ok().filter(|n| *n >= 0).ok_or_else(bad);
        match key {
            "limit" => self.limit = number()?.min(PAGE),
            "offset" => self.offset = number()?,
            "includefield" => {
                for field in value.split(',').map(str::trim).filter(|field| !field.is_empty()) {
                    match field {
                        "all" => self.fields.all(),
                        path => self.fields.add(query::path(path)?),
                    }
                }
            }
            "fuzzymatching" => self.keys.fuzzy(value.eq_ignore_ascii_case("true")),
            // For who cannot set a header; what it says was looked at with the header.
            "accept" => {}
            _ => {
                let path = query::path(key)?;
                // A key without a value asks for the attribute back.
                let matched = self.keys.add(&path, value).map_err(|_| bad())?;
                self.ignored |= !matched && !value.is_empty();
                // What can be matched is a column, and in every result.
                if !matched {
                    self.fields.add(path);
                }
            }
        }
        Ok(())
    }

    /// One more than asked for, to know whether there are more.
    fn page(&self) -> Page {
        Page { limit: self.limit + 1, offset: self.offset }
    }

    fn cut<T>(&self, found: &mut Vec<T>) -> bool {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = found.len() > limit;
        found.truncate(limit);
        more
    }

    /// Adds what was asked for and is no column, from the header of one instance a result.
    async fn include(
        &self,
        tx: &mut Tx,
        samples: Vec<Option<InstanceId>>,
        results: &mut [Map<String, Value>],
    ) -> Answer<()> {
        for (samples, results) in samples.chunks(SAMPLES).zip(results.chunks_mut(SAMPLES)) {
            let ids: Vec<InstanceId> = samples.iter().flatten().copied().collect();
            let headers = metadata::headers(tx, &ids).await?;
            for (sample, result) in samples.iter().zip(results) {
                let Some(header) = sample.and_then(|id| headers.get(&id)) else { continue };
                self.fields.pick(self.keys.level(), header, result);
            }
        }
        Ok(())
    }

    fn answer(&self, found: Vec<Map<String, Value>>, more: bool) -> Response {
        // Nothing found is an empty list: editions of PS3.18 differ, and no client stumbles over this one.
        let mut response = Json(found).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/dicom+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        let warnings = [
            (more, "299 yunying: \"there are more results: ask for them with offset\""),
            (self.ignored, "299 yunying: \"some matching keys are not supported and were ignored\""),
        ];
        for (_, warning) in warnings.into_iter().filter(|(applies, _)| *applies) {
            headers.append(header::WARNING, HeaderValue::from_static(warning));
        }
        response
    }
}

/// One attribute, or one in the items of a sequence, of a sequence, ...
type AttributePath = Vec<Tag>;

#[cfg(test)]
mod tests;
