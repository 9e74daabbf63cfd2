//! In what character sets devices' files are written, where a person has said so.

use super::{Error, Event, EventKind, Result, Tx, on};
use crate::domain::{DeviceId, Micros, SiteId};

/// A device of which it was said.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct FilesCharset {
    pub device: DeviceId,
    pub ae_title: String,
    /// [`crate::dicom::Writing`]'s word.
    pub charset: String,
    /// Removed since; what it sent before is still its own.
    pub removed_us: Option<Micros>,
}

/// Says it of one device; `None`: they are read as they declare, or as they turn out.
pub async fn set_files_charset(tx: &mut Tx, device: DeviceId, charset: Option<&str>, now: Micros) -> Result<()> {
    let site = on!(tx, c => sqlx::query_scalar::<_, SiteId>(
        "UPDATE device SET files_charset = $1 WHERE id = $2 AND removed_us IS NULL RETURNING site_id")
        .bind(charset).bind(device).fetch_optional(c).await)?
    .ok_or(Error::NotFound)?;
    let detail = serde_json::json!({ "device": device, "files_charset": charset });
    tx.event(&Event::new(EventKind::DeviceChanged, now).site(site).detail(detail)).await
}

/// Of all devices, removed ones among them.
pub async fn files_charsets(tx: &mut Tx) -> Result<Vec<FilesCharset>> {
    Ok(on!(tx, c => sqlx::query_as::<_, FilesCharset>(
        "SELECT id AS device, ae_title, files_charset AS charset, removed_us
           FROM device WHERE files_charset IS NOT NULL ORDER BY id")
        .fetch_all(c).await)?)
}

#[cfg(test)]
mod tests {
    use super::super::community::{add_device, add_site, remove_device};
    use super::super::testing::on_both_engines;
    use super::*;

    #[tokio::test]
    async fn what_a_device_writes_is_said_of_it_alone_and_stays_said_when_it_goes() {
        on_both_engines(async |db| {
            let mut tx = db.write().await.unwrap();
            let now = Micros(1);
            let site = add_site(&mut tx, "QH", "青禾镇", "township", now).await.unwrap();
            let old = add_device(&mut tx, "OLD", site, "US", None, now).await.unwrap();
            let new = add_device(&mut tx, "NEW", site, "US", None, now).await.unwrap();
            assert_eq!(files_charsets(&mut tx).await.unwrap(), []);
            set_files_charset(&mut tx, old, Some("gb18030"), now).await.unwrap();
            set_files_charset(&mut tx, new, Some("utf-8"), now).await.unwrap();
            set_files_charset(&mut tx, new, None, now).await.unwrap();
            remove_device(&mut tx, "OLD", Micros(2)).await.unwrap();
            let said = FilesCharset {
                device: old,
                ae_title: "OLD".into(),
                charset: "gb18030".into(),
                removed_us: Some(Micros(2)),
            };
            assert_eq!(files_charsets(&mut tx).await.unwrap(), [said]);
            assert!(matches!(set_files_charset(&mut tx, old, None, now).await, Err(Error::NotFound)));
        })
        .await;
    }
}
