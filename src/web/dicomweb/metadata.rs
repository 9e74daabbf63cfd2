//! Metadata (PS3.18 10.4.1.1.2): DICOM JSON of all named instances, as it was made when they were indexed.
//!
//! No file is read and nothing is parsed: the stored texts are joined, and for clients that take gzip they are joined
//! as they are compressed.

use std::collections::HashMap;
use std::io;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::StreamExt;
use serde_json::{Map, Value};

use super::super::auth::Caller;
use super::super::{Answer, App, Problem};
use super::accept::{self, Ranges};
use super::gzip::Splice;
use super::qido::Attributes;
use super::resource::first;
use super::{Of, audit, multipart};
use crate::dicom::packed::{Packed, pack, unpack};
use crate::domain::InstanceId;
use crate::index::Tx;
use crate::index::dicomweb::{self, StoredMetadata};

/// Instances read at a time.
const BATCH: usize = 100;

pub async fn metadata(
    State(app): State<App>,
    caller: Caller,
    Path(of): Path<Of>,
    ranges: Ranges,
    headers: HeaderMap,
) -> Answer<Response> {
    if !ranges.take_json() {
        return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable"));
    }
    let first = first(&app, caller.scope, &of).await?;
    audit(&app, &caller, &first).await?;
    let ids = dicomweb::ids(&mut app.db.read().await?, caller.scope, of.named()).await?;
    let (body, coding) = match accept::takes_gzip(&headers) {
        true => (spliced(app, ids), Some("gzip")),
        false => (joined(app, ids), None),
    };
    let mut response = multipart::single("application/dicom+json", body);
    if let Some(coding) = coding {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    Ok(response)
}

/// The next batch's texts, packed.
async fn batch(app: &App, ids: &[InstanceId]) -> io::Result<Vec<Packed>> {
    let mut tx = app.db.read().await.map_err(io::Error::other)?;
    let found = dicomweb::metadata_of(&mut tx, ids).await.map_err(io::Error::other)?;
    drop(tx);
    let unreadable = || io::Error::other("metadata that does not unpack");
    if found.iter().all(|stored| stored.instead().is_none()) {
        return found.into_iter().map(|stored| stored.packed().ok_or_else(unreadable)).collect();
    }
    // A study that was corrected: its texts are written anew, which takes a while.
    let corrected = move || found.into_iter().map(|stored| stored.corrected().ok_or_else(unreadable)).collect();
    tokio::task::spawn_blocking(corrected).await.map_err(io::Error::other)?
}

fn joined(app: App, ids: Vec<InstanceId>) -> multipart::Bytestream {
    let body = async_stream::try_stream! {
        let mut begun = false;
        for ids in ids.chunks(BATCH) {
            let packed = batch(&app, ids).await?;
            let inflated = tokio::task::spawn_blocking(move || {
                let mut out = Vec::with_capacity(packed.iter().map(|one| one.length as usize + 2).sum());
                for one in packed {
                    out.extend_from_slice(separator(&mut begun));
                    out.extend(unpack(&one.deflated, one.length)?);
                }
                Some((out, begun))
            });
            let inflated = inflated.await.map_err(io::Error::other)?;
            let (out, now) = inflated.ok_or_else(|| io::Error::other("metadata that does not unpack"))?;
            begun = now;
            yield Bytes::from(out);
        }
        yield Bytes::from_static(if begun { b"]" } else { b"[]" });
    };
    let body: multipart::Bytestream = body.boxed();
    body
}

fn spliced(app: App, ids: Vec<InstanceId>) -> multipart::Bytestream {
    let body = async_stream::try_stream! {
        let (mut splice, mut begun) = (Splice::default(), false);
        yield Bytes::from_static(const { &Splice::head() });
        for ids in ids.chunks(BATCH) {
            let mut out = Vec::new();
            for one in batch(&app, ids).await? {
                out.extend(splice.stored(separator(&mut begun)));
                out.extend_from_slice(&splice.packed(one));
            }
            yield Bytes::from(out);
        }
        yield Bytes::from(splice.stored(if begun { b"]" } else { b"[]" }));
        yield Bytes::from(splice.end());
    };
    let body: multipart::Bytestream = body.boxed();
    body
}

/// What stands in front of the next object.
fn separator(begun: &mut bool) -> &'static [u8] {
    if std::mem::replace(begun, true) { b",\n" } else { b"[" }
}

/// The headers of instances as DICOM JSON; the caller has checked that they may be seen.
pub async fn headers(tx: &mut Tx, instances: &[InstanceId]) -> Answer<HashMap<InstanceId, Map<String, Value>>> {
    let found = dicomweb::metadata_of(tx, instances).await?;
    let parsed = tokio::task::spawn_blocking(move || {
        let parse = |stored: StoredMetadata| Some((stored.instance, stored.object()?));
        found.into_iter().filter_map(parse).collect()
    });
    parsed.await.map_err(Problem::internal)
}

/// Ids of whoever the study was sent as: they would name another person beside the right one.
const OTHER_IDS: [&str; 3] = ["00100024", "00101000", "00101002"];

impl StoredMetadata {
    /// The attributes, with the patient they are of.
    fn object(self) -> Option<Map<String, Value>> {
        let instead = self.instead();
        let packed = self.packed()?;
        let mut object: Map<String, Value> = serde_json::from_slice(&unpack(&packed.deflated, packed.length)?).ok()?;
        if let Some(instead) = instead {
            object.retain(|name, _| !OTHER_IDS.contains(&&**name));
            object.extend(Attributes::patient(&instead).whole());
        }
        Some(object)
    }

    fn corrected(self) -> Option<Packed> {
        match self.instead() {
            None => self.packed(),
            Some(_) => pack(serde_json::to_string(&self.object()?).ok()?.as_bytes()),
        }
    }

    /// As it is kept; what an older version kept is packed anew.
    fn packed(self) -> Option<Packed> {
        match (self.length, self.crc32) {
            (Some(length), Some(crc32)) => Some(Packed {
                deflated: self.json,
                length: u32::try_from(length).ok()?,
                crc32: u32::try_from(crc32).ok()?,
            }),
            _ => pack(&inflate(&self.json)?),
        }
    }
}

/// Longest DICOM JSON of an instance.
const MAX_JSON: u64 = 256 << 20;

fn inflate(deflated: &[u8]) -> Option<Vec<u8>> {
    let mut json = Vec::new();
    let mut limited = io::Read::take(flate2::read::DeflateDecoder::new(deflated), MAX_JSON);
    io::Read::read_to_end(&mut limited, &mut json).ok()?;
    Some(json)
}
