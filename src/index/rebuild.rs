//! What only `yunying rebuild` writes.

use super::{Result, Tx, on};
use crate::archive::Written;
use crate::domain::{DeviceId, Micros, PackId, SiteId};

pub async fn any_instance(tx: &mut Tx) -> Result<bool> {
    let found = on!(tx, c => sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM (SELECT 1 FROM instance LIMIT 1) AS one")
        .fetch_one(c).await)?;
    Ok(found > 0)
}

/// Finds or adds the device of that AE title at the site of that code.
pub async fn device(tx: &mut Tx, site_code: &str, ae_title: &str, now: Micros) -> Result<DeviceId> {
    on!(tx, c => sqlx::query(
        "INSERT INTO site (code, name, kind, created_us) VALUES ($1, $1, 'township', $2) ON CONFLICT (code) DO NOTHING")
        .bind(site_code).bind(now).execute(c).await.map(drop))?;
    let site = on!(tx, c => sqlx::query_scalar::<_, SiteId>("SELECT id FROM site WHERE code = $1")
        .bind(site_code).fetch_one(c).await)?;
    let found = on!(tx, c => sqlx::query_scalar::<_, DeviceId>(
        "SELECT id FROM device WHERE ae_title = $1 AND site_id = $2 ORDER BY id LIMIT 1")
        .bind(ae_title).bind(site).fetch_optional(c).await)?;
    if let Some(found) = found {
        return Ok(found);
    }
    Ok(on!(tx, c => sqlx::query_scalar::<_, DeviceId>(
        "INSERT INTO device (ae_title, site_id, modality, created_us) VALUES ($1, $2, '', $3) RETURNING id")
        .bind(ae_title).bind(site).bind(now).fetch_one(c).await)?)
}

/// A pack that was found in the store.
pub async fn insert_pack(tx: &mut Tx, pack: &Written, entries: usize, now: Micros) -> Result<PackId> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, PackId>(
        "INSERT INTO pack (key, bytes, entries, sha256, created_us) VALUES ($1, $2, $3, $4, $5) RETURNING id")
        .bind(pack.key.as_str()).bind(pack.bytes as i64).bind(entries as i64).bind(&pack.sha256[..]).bind(now)
        .fetch_one(c).await)?)
}

/// What was just added lies in `pack`, and its series is the pack's.
pub async fn place_in_pack(tx: &mut Tx, node: &str, pack: PackId) -> Result<()> {
    on!(tx, c => sqlx::query(
        "UPDATE instance SET pack_id = $2 WHERE node = $1 AND segment = 0 AND pack_id IS NULL")
        .bind(node).bind(pack).execute(c).await.map(drop))?;
    on!(tx, c => sqlx::query(
        "UPDATE quarantine SET pack_id = $2 WHERE node = $1 AND segment = 0 AND pack_id IS NULL")
        .bind(node).bind(pack).execute(c).await.map(drop))?;
    on!(tx, c => sqlx::query(
        "UPDATE pack SET series_id = (SELECT MIN(i.series_id) FROM instance i WHERE i.pack_id = pack.id) WHERE id = $1")
        .bind(pack).execute(c).await.map(drop))?;
    Ok(())
}
