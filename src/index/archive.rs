//! Where the bytes are: moving rows from the spool to packs, and finding an instance's place.

use super::{Error, Event, EventKind, Result, Scope, Tx, on};
use crate::archive::{Location, ObjectKey, SealedPack};
use crate::domain::{InstanceId, Micros, PackId, QuarantineId, SeriesId, SiteId, StudyId};

/// Where an instance lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the spool of a node.
    Spool {
        node: String,
        segment: u64,
        offset: u64,
        length: u64,
    },
    Pack(Location),
}

impl Place {
    pub fn length(&self) -> u64 {
        match self {
            Place::Spool { length, .. } => *length,
            Place::Pack(location) => location.length,
        }
    }
}

/// An instance as whoever reads its bytes must know it.
#[derive(Debug, Clone)]
pub struct Stored {
    pub id: InstanceId,
    pub study: StudyId,
    pub site: SiteId,
    pub sop_uid: String,
    pub transfer_syntax: String,
    pub dataset_offset: u64,
    pub crc32: u32,
    /// Of the dataset.
    pub sha256: Vec<u8>,
    pub place: Place,
}

#[derive(sqlx::FromRow)]
struct StoredRow {
    id: InstanceId,
    study_id: StudyId,
    site_id: SiteId,
    sop_uid: String,
    transfer_syntax: String,
    dataset_offset: i64,
    crc32: i64,
    sha256: Vec<u8>,
    bytes: i64,
    node: String,
    segment: i64,
    file_offset: i64,
    pack_key: Option<String>,
}

impl TryFrom<StoredRow> for Stored {
    type Error = Error;
    fn try_from(row: StoredRow) -> Result<Self> {
        let (offset, length) = (unsigned(row.file_offset)?, unsigned(row.bytes)?);
        Ok(Self {
            id: row.id,
            study: row.study_id,
            site: row.site_id,
            sop_uid: row.sop_uid,
            transfer_syntax: row.transfer_syntax,
            dataset_offset: unsigned(row.dataset_offset)?,
            crc32: u32::try_from(row.crc32).map_err(|_| corrupt("crc32", row.crc32))?,
            sha256: row.sha256,
            place: place(row.pack_key, row.node, row.segment, offset, length)?,
        })
    }
}

pub(super) fn place(pack: Option<String>, node: String, segment: i64, offset: u64, length: u64) -> Result<Place> {
    Ok(match pack {
        Some(key) => Place::Pack(Location { key: key_of(key)?, offset, length }),
        None => Place::Spool { node, segment: unsigned(segment)?, offset, length },
    })
}

pub(super) fn key_of(text: String) -> Result<ObjectKey> {
    ObjectKey::from_row(text).map_err(|error| Error::Corrupt(error.to_string()))
}

pub(super) fn unsigned(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| corrupt("length or offset", value))
}

fn corrupt(what: &str, value: i64) -> Error {
    Error::Corrupt(format!("{what} {value}"))
}

macro_rules! stored_columns {
    ($rest:literal) => {
        concat!(
            "SELECT i.id, se.study_id, st.site_id, i.sop_uid, i.transfer_syntax, i.dataset_offset, i.crc32, i.sha256, ",
            "i.bytes, i.node, i.segment, i.file_offset, p.key AS pack_key ",
            "FROM instance i JOIN series se ON se.id = i.series_id JOIN study st ON st.id = se.study_id ",
            "LEFT JOIN pack p ON p.id = i.pack_id ",
            $rest
        )
    };
}

/// One instance, within the caller's sites.
pub async fn instance(tx: &mut Tx, scope: Scope, id: InstanceId) -> Result<Stored> {
    let row = on!(tx, c => sqlx::query_as::<_, StoredRow>(stored_columns!(
        "WHERE i.id = $1 AND (CAST($2 AS BIGINT) IS NULL OR st.site_id = $2)"))
        .bind(id).bind(scope.site()).fetch_optional(c).await)?;
    row.ok_or(Error::NotFound)?.try_into()
}

/// The study an instance belongs to.
pub async fn study_of_instance(tx: &mut Tx, instance: InstanceId) -> Result<StudyId> {
    on!(tx, c => sqlx::query_scalar::<_, StudyId>(
        "SELECT se.study_id FROM instance i JOIN series se ON se.id = i.series_id WHERE i.id = $1")
        .bind(instance).fetch_optional(c).await)?
    .ok_or(Error::NotFound)
}

/// The site a study belongs to.
pub async fn site_of_study(tx: &mut Tx, study: StudyId) -> Result<SiteId> {
    on!(tx, c => sqlx::query_scalar::<_, SiteId>("SELECT site_id FROM study WHERE id = $1")
        .bind(study).fetch_optional(c).await)?
    .ok_or(Error::NotFound)
}

/// Instances after `after`, in order of their numbers: for walks over everything.
pub async fn instances_after(tx: &mut Tx, after: InstanceId, limit: i64) -> Result<Vec<Stored>> {
    let rows = on!(tx, c => sqlx::query_as::<_, StoredRow>(stored_columns!("WHERE i.id > $1 ORDER BY i.id LIMIT $2"))
        .bind(after).bind(limit).fetch_all(c).await)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// A series of which something still lies in the spool.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct QuietSeries {
    pub series_id: SeriesId,
    pub instances: i64,
    pub bytes: i64,
}

/// Series of `node`'s spool of which nothing came since `before`.
pub async fn quiet_series(tx: &mut Tx, node: &str, before: Micros, limit: i64) -> Result<Vec<QuietSeries>> {
    Ok(on!(tx, c => sqlx::query_as::<_, QuietSeries>(
        "SELECT i.series_id, COUNT(*) AS instances, CAST(SUM(i.bytes) AS BIGINT) AS bytes
           FROM instance i JOIN series se ON se.id = i.series_id
          WHERE i.node = $1 AND i.pack_id IS NULL AND se.last_us < $2
          GROUP BY i.series_id ORDER BY MIN(i.position) LIMIT $3")
        .bind(node).bind(before).bind(limit).fetch_all(c).await)?)
}

/// What the sealer must know of an object in the spool; an instance or something in quarantine.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Unsealed {
    pub id: i64,
    pub segment: i64,
    pub file_offset: i64,
    pub bytes: i64,
    pub crc32: i64,
    pub sha256: Vec<u8>,
    pub dataset_offset: i64,
    pub sop_uid: String,
    pub sop_class: String,
    pub transfer_syntax: String,
    pub study_uid: String,
    pub series_uid: String,
    pub study_id: Option<StudyId>,
    pub site_id: SiteId,
    pub site_code: String,
    pub device_id: i64,
    pub device_ae: String,
    pub calling_ae: String,
    pub received_us: i64,
    pub reason: Option<String>,
    pub written_in: Option<String>,
}

/// Instances of a series that lie in `node`'s spool, in the order they came.
pub async fn unsealed_of_series(tx: &mut Tx, node: &str, series: SeriesId, limit: i64) -> Result<Vec<Unsealed>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Unsealed>(
        "SELECT i.id, i.segment, i.file_offset, i.bytes, i.crc32, i.sha256, i.dataset_offset, i.sop_uid, i.sop_class,
                i.transfer_syntax, st.uid AS study_uid, se.uid AS series_uid, st.id AS study_id, st.site_id,
                s.code AS site_code, i.device_id, d.ae_title AS device_ae, i.calling_ae, i.received_us,
                CAST(NULL AS TEXT) AS reason, i.written_in
           FROM instance i JOIN series se ON se.id = i.series_id JOIN study st ON st.id = se.study_id
           JOIN site s ON s.id = st.site_id JOIN device d ON d.id = i.device_id
          WHERE i.series_id = $1 AND i.node = $2 AND i.pack_id IS NULL ORDER BY i.position LIMIT $3")
        .bind(series).bind(node).bind(limit).fetch_all(c).await)?)
}

/// Quarantined objects that lie in `node`'s spool since before `before`.
pub async fn unsealed_quarantine(tx: &mut Tx, node: &str, before: Micros, limit: i64) -> Result<Vec<Unsealed>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Unsealed>(
        "SELECT q.id, q.segment, q.file_offset, q.bytes, q.crc32, q.sha256, q.dataset_offset, q.sop_uid, q.sop_class,
                q.transfer_syntax, COALESCE(st.uid, '') AS study_uid, '' AS series_uid, q.study_id, q.site_id,
                s.code AS site_code, q.device_id, d.ae_title AS device_ae, q.calling_ae, q.received_us, q.reason,
                CAST(NULL AS TEXT) AS written_in
           FROM quarantine q JOIN site s ON s.id = q.site_id JOIN device d ON d.id = q.device_id
           LEFT JOIN study st ON st.id = q.study_id
          WHERE q.node = $1 AND q.pack_id IS NULL AND q.instance_id IS NULL AND q.received_us < $2
          ORDER BY q.position LIMIT $3")
        .bind(node).bind(before).bind(limit).fetch_all(c).await)?)
}

/// What a pack replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PackOf {
    Series(SeriesId),
    Quarantine,
}

/// Publishes a pack: its row, and its objects' rows switched to it, with the event. Refused if one of them is not in
/// the spool any more.
pub async fn publish_pack(
    tx: &mut Tx,
    of: PackOf,
    pack: &SealedPack,
    objects: &[Unsealed],
    now: Micros,
) -> Result<PackId> {
    let series = match of {
        PackOf::Series(series) => Some(series),
        PackOf::Quarantine => None,
    };
    let id = on!(tx, c => sqlx::query_scalar::<_, PackId>(
        "INSERT INTO pack (series_id, key, bytes, entries, sha256, created_us) VALUES ($1, $2, $3, $4, $5, $6)
         RETURNING id")
        .bind(series).bind(pack.key.as_str()).bind(pack.bytes as i64).bind(objects.len() as i64)
        .bind(&pack.sha256[..]).bind(now).fetch_one(c).await)?;
    for (object, place) in objects.iter().zip(&pack.instances) {
        let text = match of {
            PackOf::Series(_) => "UPDATE instance SET pack_id = $2, file_offset = $3 WHERE id = $1 AND pack_id IS NULL",
            PackOf::Quarantine => {
                "UPDATE quarantine SET pack_id = $2, file_offset = $3
                  WHERE id = $1 AND pack_id IS NULL AND instance_id IS NULL"
            }
        };
        let switched = on!(tx, c => sqlx::query(text).bind(object.id).bind(id).bind(place.offset as i64)
            .execute(c).await.map(|done| done.rows_affected()))?;
        if switched != 1 {
            return Err(Error::Stale("an object was sealed by somebody else"));
        }
    }
    if let (PackOf::Series(series), Some(first)) = (of, objects.first()) {
        let detail = serde_json::json!({"series": series, "pack": id, "instances": objects.len(), "bytes": pack.bytes});
        let mut event = Event::new(EventKind::Sealed, now).site(first.site_id).detail(detail);
        event.study = first.study_id;
        tx.event(&event).await?;
    }
    Ok(id)
}

/// Whether rows still need `segment` of `node`'s spool.
pub async fn segment_needed(tx: &mut Tx, node: &str, segment: u64) -> Result<bool> {
    let needed = on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM (
             SELECT 1 AS one FROM instance WHERE node = $1 AND segment = $2 AND pack_id IS NULL
             UNION ALL SELECT 1 FROM quarantine WHERE node = $1 AND segment = $2 AND pack_id IS NULL
                AND instance_id IS NULL) AS needed")
        .bind(node).bind(segment as i64).fetch_one(c).await)?;
    Ok(needed > 0)
}

/// A pack as its row has it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct PackRow {
    pub id: PackId,
    pub key: String,
    pub bytes: i64,
    pub entries: i64,
    pub sha256: Vec<u8>,
}

impl PackRow {
    pub fn key(&self) -> Result<ObjectKey> {
        key_of(self.key.clone())
    }
}

pub async fn packs_after(tx: &mut Tx, after: PackId, limit: i64) -> Result<Vec<PackRow>> {
    Ok(on!(tx, c => sqlx::query_as::<_, PackRow>(
        "SELECT id, key, bytes, entries, sha256 FROM pack WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(after).bind(limit).fetch_all(c).await)?)
}

/// A quarantined object and where it lies.
#[derive(Debug, Clone)]
pub struct StoredQuarantine {
    pub id: QuarantineId,
    pub sop_uid: String,
    pub dataset_offset: u64,
    pub crc32: u32,
    pub sha256: Vec<u8>,
    pub place: Place,
}

#[derive(sqlx::FromRow)]
struct StoredQuarantineRow {
    id: QuarantineId,
    sop_uid: String,
    dataset_offset: i64,
    crc32: i64,
    sha256: Vec<u8>,
    bytes: i64,
    node: String,
    segment: i64,
    file_offset: i64,
    pack_key: Option<String>,
}

/// Those whose bytes are no instance's, after `after`, in order of their numbers.
pub async fn quarantine_after(tx: &mut Tx, after: QuarantineId, limit: i64) -> Result<Vec<StoredQuarantine>> {
    let rows = on!(tx, c => sqlx::query_as::<_, StoredQuarantineRow>(
        "SELECT q.id, q.sop_uid, q.dataset_offset, q.crc32, q.sha256, q.bytes, q.node, q.segment, q.file_offset,
                p.key AS pack_key
           FROM quarantine q LEFT JOIN pack p ON p.id = q.pack_id
          WHERE q.id > $1 AND q.instance_id IS NULL ORDER BY q.id LIMIT $2")
        .bind(after).bind(limit).fetch_all(c).await)?;
    let stored = |row: StoredQuarantineRow| {
        let (offset, length) = (unsigned(row.file_offset)?, unsigned(row.bytes)?);
        Ok(StoredQuarantine {
            id: row.id,
            sop_uid: row.sop_uid,
            dataset_offset: unsigned(row.dataset_offset)?,
            crc32: u32::try_from(row.crc32).map_err(|_| corrupt("crc32", row.crc32))?,
            sha256: row.sha256,
            place: place(row.pack_key, row.node, row.segment, offset, length)?,
        })
    };
    rows.into_iter().map(stored).collect()
}
