//! Devices: AE titles bound to sites, and what is known of each.

use super::Site;
use crate::domain::{DeviceId, Fingerprint, Micros, SiteId};
use crate::index::{Error, Event, EventKind, Result, Scope, Tx, on};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Device {
    pub id: DeviceId,
    pub ae_title: String,
    pub site_id: SiteId,
    pub modality: String,
    /// CIDR the association must come from; `None`: anywhere.
    pub network: Option<String>,
    /// Where it takes objects, by [`crate::dimse::Address`]'s text; `None`: nowhere.
    pub address: Option<String>,
    /// In what it reads the text of answers, by [`crate::dicom::Repertoire`]'s word; `None`: in that of its queries.
    pub charset: Option<String>,
    /// SHA-256 of the certificate it must show, by [`crate::domain::Fingerprint`]'s text; `None`: none.
    pub certificate: Option<String>,
    /// Associations it may have at a time; `None`: as many as any other.
    pub max_associations: Option<i64>,
}

/// A device that only sends; see [`set_device_address`].
pub async fn add_device(
    tx: &mut Tx,
    ae_title: &str,
    site: SiteId,
    modality: &str,
    network: Option<&str>,
    now: Micros,
) -> Result<DeviceId> {
    let placeholders = on!(tx, c => sqlx::query_as::<_, (DeviceId, SiteId)>(
        "UPDATE device SET removed_us = $2 WHERE ae_title = $1 AND removed_us IS NULL AND site_id <> $3
            AND site_id IN (SELECT id FROM site WHERE code = 'unregistered') RETURNING id, site_id")
        .bind(ae_title).bind(now).bind(site).fetch_all(c).await)?;
    for (placeholder, unregistered) in placeholders {
        // Made when the device sent and nobody had registered it: it has a place now.
        let detail = serde_json::json!({ "device": placeholder });
        tx.event(&Event::new(EventKind::DeviceRemoved, now).site(unregistered).detail(detail)).await?;
    }
    let same = devices(tx).await?.into_iter().any(|d| d.ae_title == ae_title && d.network.as_deref() == network);
    if same {
        return Err(Error::Exists(format!("device {ae_title}")));
    }
    let id = on!(tx, c => sqlx::query_scalar::<_, DeviceId>(
        "INSERT INTO device (ae_title, site_id, modality, network, created_us) VALUES ($1, $2, $3, $4, $5) RETURNING id")
        .bind(ae_title).bind(site).bind(modality).bind(network).bind(now).fetch_one(c).await)?;
    tx.event(&Event::new(EventKind::DeviceAdded, now).site(site).detail(serde_json::json!({ "device": id }))).await?;
    Ok(id)
}

/// Where a device takes objects, by [`crate::dimse::Address`]'s text; `None`: nowhere any more.
pub async fn set_device_address(tx: &mut Tx, device: DeviceId, address: Option<&str>, now: Micros) -> Result<()> {
    let site = on!(tx, c => sqlx::query_scalar::<_, SiteId>(
        "UPDATE device SET address = $1 WHERE id = $2 AND removed_us IS NULL RETURNING site_id")
        .bind(address).bind(device).fetch_optional(c).await)?;
    changed(tx, site, serde_json::json!({ "device": device, "addressed": address.is_some() }), now).await
}

/// In what a device reads the text of answers; `None`: in that of its queries.
pub async fn set_device_charset(tx: &mut Tx, device: DeviceId, charset: Option<&str>, now: Micros) -> Result<()> {
    let site = on!(tx, c => sqlx::query_scalar::<_, SiteId>(
        "UPDATE device SET charset = $1 WHERE id = $2 AND removed_us IS NULL RETURNING site_id")
        .bind(charset).bind(device).fetch_optional(c).await)?;
    changed(tx, site, serde_json::json!({ "device": device, "charset": charset }), now).await
}

/// The certificate a device must show; `None`: none any more.
pub async fn set_device_certificate(
    tx: &mut Tx,
    device: DeviceId,
    certificate: Option<Fingerprint>,
    now: Micros,
) -> Result<()> {
    let certificate = certificate.map(|fingerprint| fingerprint.to_string());
    let site = on!(tx, c => sqlx::query_scalar::<_, SiteId>(
        "UPDATE device SET certificate = $1 WHERE id = $2 AND removed_us IS NULL RETURNING site_id")
        .bind(&certificate).bind(device).fetch_optional(c).await)?;
    changed(tx, site, serde_json::json!({ "device": device, "certificate": certificate }), now).await
}

/// Associations a device may have at a time; `None`: as many as any other.
pub async fn set_device_limit(tx: &mut Tx, device: DeviceId, most: Option<u16>, now: Micros) -> Result<()> {
    let site = on!(tx, c => sqlx::query_scalar::<_, SiteId>(
        "UPDATE device SET max_associations = $1 WHERE id = $2 AND removed_us IS NULL RETURNING site_id")
        .bind(most.map(i64::from)).bind(device).fetch_optional(c).await)?;
    changed(tx, site, serde_json::json!({ "device": device, "max_associations": most }), now).await
}

/// The event of a change to a device; `site` is its own, if there is such a device.
async fn changed(tx: &mut Tx, site: Option<SiteId>, detail: serde_json::Value, now: Micros) -> Result<()> {
    let site = site.ok_or(Error::NotFound)?;
    tx.event(&Event::new(EventKind::DeviceChanged, now).site(site).detail(detail)).await
}

pub async fn charset_of_device(tx: &mut Tx, device: Option<DeviceId>) -> Result<Option<String>> {
    let found = on!(tx, c => sqlx::query_scalar::<_, Option<String>>("SELECT charset FROM device WHERE id = $1")
        .bind(device).fetch_optional(c).await)?;
    Ok(found.flatten())
}

pub async fn devices(tx: &mut Tx) -> Result<Vec<Device>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Device>(
        "SELECT id, ae_title, site_id, modality, network, address, charset, certificate, max_associations
           FROM device WHERE removed_us IS NULL ORDER BY id")
        .fetch_all(c).await)?)
}

/// The one device of that title.
pub async fn device_by_title(tx: &mut Tx, ae_title: &str) -> Result<Device> {
    let mut of_title = devices(tx).await?.into_iter().filter(|device| device.ae_title == ae_title);
    match (of_title.next(), of_title.next()) {
        (Some(device), None) => Ok(device),
        (None, _) => Err(Error::NotFound),
        (Some(_), Some(_)) => Err(Error::Refused("several devices have this title")),
    }
}

/// What a device may find and retrieve: its own site's studies; those of all sites where it stands in the county
/// hospital. A sender nobody registered has those of all such senders.
pub async fn scope_of_device(tx: &mut Tx, device: Option<DeviceId>) -> Result<Scope> {
    let Some(device) = device else { return Ok(Scope::Site(site_of_sender(tx, None).await?)) };
    let site = on!(tx, c => sqlx::query_as::<_, Site>(
        "SELECT s.id, s.code, s.name, s.kind FROM device d JOIN site s ON s.id = d.site_id
          WHERE d.id = $1 AND d.removed_us IS NULL")
        .bind(device).fetch_optional(c).await)?
    .ok_or(Error::NotFound)?;
    Ok(if site.kind == "county" && site.code != "unregistered" { Scope::All } else { Scope::Site(site.id) })
}

/// Where a device stands. A sender nobody registered stands where all such do.
pub async fn site_of_sender(tx: &mut Tx, device: Option<DeviceId>) -> Result<SiteId> {
    let Some(device) = device else {
        let site = on!(tx, c => sqlx::query_scalar::<_, SiteId>("SELECT id FROM site WHERE code = 'unregistered'")
            .fetch_optional(c).await)?;
        // No site has this id.
        return Ok(site.unwrap_or(SiteId(0)));
    };
    on!(tx, c => sqlx::query_scalar::<_, SiteId>("SELECT site_id FROM device WHERE id = $1 AND removed_us IS NULL")
        .bind(device).fetch_optional(c).await)?
    .ok_or(Error::NotFound)
}

/// The device of that title that takes objects, if one of `scope` may send to it: its own site's, or the county's.
pub async fn destination(tx: &mut Tx, scope: Scope, ae_title: &str) -> Result<Option<Device>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Device>(
        "SELECT d.id, d.ae_title, d.site_id, d.modality, d.network, d.address, d.charset, d.certificate, d.max_associations
           FROM device d JOIN site s ON s.id = d.site_id
          WHERE d.ae_title = $1 AND d.removed_us IS NULL AND d.address IS NOT NULL
            AND (CAST($2 AS BIGINT) IS NULL OR d.site_id = $2 OR s.kind = 'county')
          ORDER BY CASE WHEN d.site_id = $2 THEN 0 ELSE 1 END, d.id LIMIT 1")
        .bind(ae_title).bind(scope.site()).fetch_optional(c).await)?)
}

pub async fn remove_device(tx: &mut Tx, ae_title: &str, now: Micros) -> Result<()> {
    let found: Vec<_> = devices(tx).await?.into_iter().filter(|d| d.ae_title == ae_title).collect();
    if found.is_empty() {
        return Err(Error::NotFound);
    }
    for device in found {
        on!(tx, c => sqlx::query("UPDATE device SET removed_us = $1 WHERE id = $2")
            .bind(now).bind(device.id).execute(c).await.map(drop))?;
        let detail = serde_json::json!({ "device": device.id });
        tx.event(&Event::new(EventKind::DeviceRemoved, now).site(device.site_id).detail(detail)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::add_site;
    use super::*;
    use crate::index::testing::on_both_engines;

    #[tokio::test]
    async fn a_device_sees_its_site_and_that_of_the_county_hospital_sees_all() {
        on_both_engines(async |db| {
            let mut tx = db.write().await.unwrap();
            let now = Micros(1);
            let hospital = add_site(&mut tx, "XY", "县医院", "county", now).await.unwrap();
            let township = add_site(&mut tx, "QH", "青禾镇", "township", now).await.unwrap();
            let ws = add_device(&mut tx, "WS1", hospital, "", None, now).await.unwrap();
            let ct = add_device(&mut tx, "CT1", township, "CT", None, now).await.unwrap();
            assert_eq!(scope_of_device(&mut tx, Some(ws)).await.unwrap(), Scope::All);
            assert_eq!(scope_of_device(&mut tx, Some(ct)).await.unwrap(), Scope::Site(township));
            assert_eq!(scope_of_device(&mut tx, None).await.unwrap(), Scope::Site(SiteId(0)));
            let (stranger, unregistered) = crate::index::intake::unregistered_device(&mut tx, "X", now).await.unwrap();
            for device in [None, Some(stranger)] {
                assert_eq!(scope_of_device(&mut tx, device).await.unwrap(), Scope::Site(unregistered));
            }
            remove_device(&mut tx, "CT1", now).await.unwrap();
            assert!(matches!(scope_of_device(&mut tx, Some(ct)).await, Err(Error::NotFound)));
        })
        .await;
    }

    #[tokio::test]
    async fn what_a_device_reads_is_set_for_it_alone() {
        on_both_engines(async |db| {
            let mut tx = db.write().await.unwrap();
            let now = Micros(1);
            let site = add_site(&mut tx, "QH", "青禾镇", "township", now).await.unwrap();
            let old = add_device(&mut tx, "OLD", site, "", None, now).await.unwrap();
            let new = add_device(&mut tx, "NEW", site, "", None, now).await.unwrap();
            set_device_charset(&mut tx, old, Some("gb2312"), now).await.unwrap();
            assert_eq!(charset_of_device(&mut tx, Some(old)).await.unwrap().as_deref(), Some("gb2312"));
            assert_eq!(device_by_title(&mut tx, "OLD").await.unwrap().charset.as_deref(), Some("gb2312"));
            for other in [Some(new), None] {
                assert_eq!(charset_of_device(&mut tx, other).await.unwrap(), None);
            }
            set_device_charset(&mut tx, old, None, now).await.unwrap();
            assert_eq!(charset_of_device(&mut tx, Some(old)).await.unwrap(), None);
            assert!(matches!(device_by_title(&mut tx, "NOBODY").await, Err(Error::NotFound)));
        })
        .await;
    }

    #[tokio::test]
    async fn objects_go_to_devices_with_an_address_of_the_own_site_or_the_county() {
        on_both_engines(async |db| {
            let mut tx = db.write().await.unwrap();
            let now = Micros(1);
            let hospital = add_site(&mut tx, "XY", "县医院", "county", now).await.unwrap();
            let here = add_site(&mut tx, "QH", "青禾镇", "township", now).await.unwrap();
            let there = add_site(&mut tx, "NP", "南坪镇", "township", now).await.unwrap();
            for (title, site) in [("WS", hospital), ("WS", here), ("ONLY_HERE", here), ("ONLY_THERE", there)] {
                let network = (site == here).then_some("10.3.0.0/16");
                let device = add_device(&mut tx, title, site, "", network, now).await.unwrap();
                set_device_address(&mut tx, device, Some(&format!("10.0.0.{site}:104")), now).await.unwrap();
            }
            add_device(&mut tx, "MUTE", here, "CT", None, now).await.unwrap();
            let mut to = async |scope, title| {
                destination(&mut tx, scope, title).await.unwrap().and_then(|device| device.address)
            };
            let own = Scope::Site(here);
            assert_eq!(to(own, "WS").await, Some(format!("10.0.0.{here}:104")), "the own one first");
            assert_eq!(to(Scope::Site(there), "WS").await, Some(format!("10.0.0.{hospital}:104")));
            assert_eq!(to(own, "ONLY_THERE").await, None);
            assert_eq!(to(Scope::All, "ONLY_THERE").await, Some(format!("10.0.0.{there}:104")));
            assert_eq!(to(Scope::All, "MUTE").await, None);
            assert_eq!(to(Scope::All, "NOBODY").await, None);
            let device = destination(&mut tx, own, "ONLY_HERE").await.unwrap().unwrap();
            set_device_address(&mut tx, device.id, None, now).await.unwrap();
            assert!(destination(&mut tx, own, "ONLY_HERE").await.unwrap().is_none());
        })
        .await;
    }

    #[tokio::test]
    async fn a_certificate_and_a_limit_are_set_and_taken_away() {
        on_both_engines(async |db| {
            let mut tx = db.write().await.unwrap();
            let now = Micros(1);
            let site = add_site(&mut tx, "QH", "青禾镇", "township", now).await.unwrap();
            let device = add_device(&mut tx, "CT1", site, "CT", None, now).await.unwrap();
            let own = Fingerprint::of(b"a certificate");
            for (certificate, most) in [(None, None), (Some(own), Some(3)), (None, None)] {
                set_device_certificate(&mut tx, device, certificate, now).await.unwrap();
                set_device_limit(&mut tx, device, most, now).await.unwrap();
                let known = device_by_title(&mut tx, "CT1").await.unwrap();
                assert_eq!(known.certificate, certificate.map(|fingerprint| fingerprint.to_string()));
                assert_eq!(known.max_associations, most.map(i64::from));
            }
            remove_device(&mut tx, "CT1", now).await.unwrap();
            assert!(matches!(set_device_limit(&mut tx, device, None, now).await, Err(Error::NotFound)));
        })
        .await;
    }
}
