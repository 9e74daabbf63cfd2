//! Sites, devices, accounts and tokens: who belongs to the county community.

use super::{Error, Event, EventKind, Result, Scope, Tx, cases, intake, on};
use crate::domain::{AccountId, DeviceId, Micros, Role, SiteId, TokenId};

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Site {
    pub id: SiteId,
    pub code: String,
    pub name: String,
    pub kind: String,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Device {
    pub id: DeviceId,
    pub ae_title: String,
    pub site_id: SiteId,
    pub modality: String,
    /// CIDR the association must come from; `None`: anywhere.
    pub network: Option<String>,
    /// HOST:PORT where it takes objects; `None`: nowhere.
    pub address: Option<String>,
    /// In what it reads the text of answers, by [`crate::dicom::Repertoire`]'s word; `None`: in that of its queries.
    pub charset: Option<String>,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Account {
    pub id: AccountId,
    pub login: String,
    pub name: String,
    pub title: String,
    #[sqlx(try_from = "String")]
    pub role: Role,
    pub site_id: Option<SiteId>,
    /// Comma list of the modalities a specialist may read; `*`: all.
    pub modalities: String,
    pub password_hash: String,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Token {
    pub id: TokenId,
    pub name: String,
    #[sqlx(try_from = "String")]
    pub role: Role,
    pub site_id: Option<SiteId>,
}

/// What an administrator says of a new account; the password is hashed already.
#[derive(Debug, Clone)]
pub struct NewAccount {
    pub login: String,
    pub name: String,
    pub title: String,
    pub role: Role,
    pub site: Option<SiteId>,
    pub modalities: String,
    pub password_hash: String,
}

pub async fn add_site(tx: &mut Tx, code: &str, name: &str, kind: &str, now: Micros) -> Result<SiteId> {
    if site_by_code(tx, code).await.is_ok() {
        return Err(Error::Exists(format!("site {code}")));
    }
    let id = on!(tx, c => sqlx::query_scalar::<_, SiteId>(
        "INSERT INTO site (code, name, kind, created_us) VALUES ($1, $2, $3, $4) RETURNING id")
        .bind(code).bind(name).bind(kind).bind(now).fetch_one(c).await)?;
    tx.event(&Event::new(EventKind::SiteAdded, now).site(id)).await?;
    Ok(id)
}

pub async fn site_by_code(tx: &mut Tx, code: &str) -> Result<Site> {
    on!(tx, c => sqlx::query_as::<_, Site>(
        "SELECT id, code, name, kind FROM site WHERE code = $1 AND removed_us IS NULL")
        .bind(code).fetch_optional(c).await)?
    .ok_or(Error::NotFound)
}

pub async fn sites(tx: &mut Tx) -> Result<Vec<Site>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Site>(
        "SELECT id, code, name, kind FROM site WHERE removed_us IS NULL ORDER BY id").fetch_all(c).await)?)
}

/// A removed site keeps its studies; its devices and accounts must be removed first.
pub async fn remove_site(tx: &mut Tx, code: &str, now: Micros) -> Result<()> {
    let site = site_by_code(tx, code).await?;
    let in_use = on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT (SELECT COUNT(*) FROM device WHERE site_id = $1 AND removed_us IS NULL)
              + (SELECT COUNT(*) FROM account WHERE site_id = $1 AND removed_us IS NULL)")
        .bind(site.id).fetch_one(c).await)?;
    if in_use > 0 {
        return Err(Error::Refused("the site still has devices or accounts"));
    }
    on!(tx, c => sqlx::query("UPDATE site SET removed_us = $1, code = code || '#' || id WHERE id = $2")
        .bind(now).bind(site.id).execute(c).await.map(drop))?;
    tx.event(&Event::new(EventKind::SiteRemoved, now).site(site.id)).await
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

/// Where a device takes objects, HOST:PORT; `None`: nowhere any more.
pub async fn set_device_address(tx: &mut Tx, device: DeviceId, address: Option<&str>, now: Micros) -> Result<()> {
    let site = on!(tx, c => sqlx::query_scalar::<_, SiteId>(
        "UPDATE device SET address = $1 WHERE id = $2 AND removed_us IS NULL RETURNING site_id")
        .bind(address).bind(device).fetch_optional(c).await)?
    .ok_or(Error::NotFound)?;
    let detail = serde_json::json!({ "device": device, "addressed": address.is_some() });
    tx.event(&Event::new(EventKind::DeviceChanged, now).site(site).detail(detail)).await
}

/// In what a device reads the text of answers; `None`: in that of its queries.
pub async fn set_device_charset(tx: &mut Tx, device: DeviceId, charset: Option<&str>, now: Micros) -> Result<()> {
    let site = on!(tx, c => sqlx::query_scalar::<_, SiteId>(
        "UPDATE device SET charset = $1 WHERE id = $2 AND removed_us IS NULL RETURNING site_id")
        .bind(charset).bind(device).fetch_optional(c).await)?
    .ok_or(Error::NotFound)?;
    let detail = serde_json::json!({ "device": device, "charset": charset });
    tx.event(&Event::new(EventKind::DeviceChanged, now).site(site).detail(detail)).await
}

pub async fn charset_of_device(tx: &mut Tx, device: Option<DeviceId>) -> Result<Option<String>> {
    let found = on!(tx, c => sqlx::query_scalar::<_, Option<String>>("SELECT charset FROM device WHERE id = $1")
        .bind(device).fetch_optional(c).await)?;
    Ok(found.flatten())
}

pub async fn devices(tx: &mut Tx) -> Result<Vec<Device>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Device>(
        "SELECT id, ae_title, site_id, modality, network, address, charset
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
        "SELECT d.id, d.ae_title, d.site_id, d.modality, d.network, d.address, d.charset
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

pub async fn add_account(tx: &mut Tx, new: &NewAccount, now: Micros) -> Result<AccountId> {
    if account_by_login(tx, &new.login).await?.is_some() {
        return Err(Error::Exists(format!("login {}", new.login)));
    }
    if matches!(new.role, Role::Operator | Role::Clinician) && new.site.is_none() {
        return Err(Error::Refused("operators and clinicians belong to a site"));
    }
    // Cases are given by modality and duty, from every site; a specialist of one site would be shown others' patients.
    if new.role.reads() && new.site.is_some() {
        return Err(Error::Refused("specialists and reviewers read for all sites: they belong to none"));
    }
    let id = on!(tx, c => sqlx::query_scalar::<_, AccountId>(
        "INSERT INTO account (login, name, title, role, site_id, modalities, password_hash, created_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id")
        .bind(&new.login).bind(&new.name).bind(&new.title).bind(new.role.word())
        .bind(new.site.map(|s| s.0)).bind(&new.modalities).bind(&new.password_hash).bind(now)
        .fetch_one(c).await)?;
    tx.event(&Event::new(EventKind::AccountAdded, now).subject(id)).await?;
    Ok(id)
}

pub async fn account_by_login(tx: &mut Tx, login: &str) -> Result<Option<Account>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Account>(
        "SELECT id, login, name, title, role, site_id, modalities, password_hash
           FROM account WHERE login = $1 AND removed_us IS NULL").bind(login).fetch_optional(c).await)?)
}

pub async fn account(tx: &mut Tx, id: AccountId) -> Result<Account> {
    on!(tx, c => sqlx::query_as::<_, Account>(
        "SELECT id, login, name, title, role, site_id, modalities, password_hash
           FROM account WHERE id = $1 AND removed_us IS NULL").bind(id).fetch_optional(c).await)?
    .ok_or(Error::NotFound)
}

pub async fn accounts(tx: &mut Tx) -> Result<Vec<Account>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Account>(
        "SELECT id, login, name, title, role, site_id, modalities, password_hash
           FROM account WHERE removed_us IS NULL ORDER BY id").fetch_all(c).await)?)
}

/// The account's sessions end with it, and what it has in hand goes to others; what it signed stays.
pub async fn remove_account(tx: &mut Tx, login: &str, now: Micros) -> Result<()> {
    let account = account_by_login(tx, login).await?.ok_or(Error::NotFound)?;
    on!(tx, c => sqlx::query("UPDATE account SET removed_us = $1, login = login || '#' || id WHERE id = $2")
        .bind(now).bind(account.id).execute(c).await.map(drop))?;
    cases::take_all_back(tx, account.id, now).await?;
    for table in ["DELETE FROM session WHERE account_id = $1", "DELETE FROM duty WHERE account_id = $1"] {
        on!(tx, c => sqlx::query(table).bind(account.id).execute(c).await.map(drop))?;
    }
    tx.event(&Event::new(EventKind::AccountRemoved, now).subject(account.id)).await
}

pub async fn add_token(
    tx: &mut Tx,
    name: &str,
    hash: &[u8],
    role: Role,
    site: Option<SiteId>,
    now: Micros,
) -> Result<TokenId> {
    if tokens(tx).await?.iter().any(|token| token.name == name) {
        return Err(Error::Exists(format!("token {name}")));
    }
    let id = on!(tx, c => sqlx::query_scalar::<_, TokenId>(
        "INSERT INTO token (name, hash, role, site_id, created_us) VALUES ($1, $2, $3, $4, $5) RETURNING id")
        .bind(name).bind(hash).bind(role.word()).bind(site.map(|s| s.0)).bind(now).fetch_one(c).await)?;
    tx.event(&Event::new(EventKind::TokenAdded, now).detail(serde_json::json!({ "token": id }))).await?;
    Ok(id)
}

pub async fn tokens(tx: &mut Tx) -> Result<Vec<Token>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Token>(
        "SELECT id, name, role, site_id FROM token WHERE removed_us IS NULL ORDER BY id").fetch_all(c).await)?)
}

pub async fn token_by_hash(tx: &mut Tx, hash: &[u8]) -> Result<Option<Token>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Token>(
        "SELECT id, name, role, site_id FROM token WHERE hash = $1 AND removed_us IS NULL")
        .bind(hash).fetch_optional(c).await)?)
}

pub async fn remove_token(tx: &mut Tx, name: &str, now: Micros) -> Result<()> {
    let id = on!(tx, c => sqlx::query_scalar::<_, TokenId>(
        "UPDATE token SET removed_us = $1, name = name || '#' || id WHERE name = $2 AND removed_us IS NULL RETURNING id")
        .bind(now).bind(name).fetch_optional(c).await)?
    .ok_or(Error::NotFound)?;
    tx.event(&Event::new(EventKind::TokenRemoved, now).detail(serde_json::json!({ "token": id }))).await
}

pub async fn token_name(tx: &mut Tx, id: TokenId) -> Result<String> {
    on!(tx, c => sqlx::query_scalar::<_, String>("SELECT name FROM token WHERE id = $1 AND removed_us IS NULL")
        .bind(id).fetch_optional(c).await)?
    .ok_or(Error::NotFound)
}

/// What the AE titles begin with of devices that store by HTTP: no such title opens an association.
pub const STOW_TITLE: &str = "STOW:";

/// The device that stands for what `name` stores by HTTP: made with its first object, at its site, or where senders are whom
/// nobody registered at one.
pub async fn device_by_http(tx: &mut Tx, name: &str, site: Option<SiteId>, now: Micros) -> Result<(DeviceId, String)> {
    let site = match site {
        Some(site) => site,
        None => intake::site_of_unregistered(tx, now).await?,
    };
    // An AE title has 16 characters of ASCII without backslash (PS3.5 6.2); names that begin alike share one.
    let fits = |c: char| if c.is_ascii_graphic() && c != '\\' { c } else { '_' };
    let title: String = STOW_TITLE.chars().chain(name.chars().map(fits)).take(16).collect();
    let found = on!(tx, c => sqlx::query_scalar::<_, DeviceId>(
        "SELECT id FROM device WHERE ae_title = $1 AND site_id = $2 AND removed_us IS NULL ORDER BY id LIMIT 1")
        .bind(&title).bind(site).fetch_optional(c).await)?;
    if let Some(found) = found {
        return Ok((found, title));
    }
    let id = on!(tx, c => sqlx::query_scalar::<_, DeviceId>(
        "INSERT INTO device (ae_title, site_id, modality, created_us) VALUES ($1, $2, '', $3) RETURNING id")
        .bind(&title).bind(site).bind(now).fetch_one(c).await)?;
    let detail = serde_json::json!({ "device": id });
    tx.event(&Event::new(EventKind::DeviceAdded, now).site(site).detail(detail)).await?;
    Ok((id, title))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::testing::on_both_engines;

    #[tokio::test]
    async fn those_who_read_belong_to_no_site_and_those_who_work_at_one_do() {
        on_both_engines(async |db| {
            let mut tx = db.write().await.unwrap();
            let site = add_site(&mut tx, "QH", "青禾镇中心卫生院", "township", Micros(1)).await.unwrap();
            for role in Role::ALL {
                for site in [None, Some(site)] {
                    let new = NewAccount {
                        login: format!("{role}{site:?}"),
                        name: "周示例".into(),
                        title: String::new(),
                        role: *role,
                        site,
                        modalities: "*".into(),
                        password_hash: String::new(),
                    };
                    let fits = match role {
                        Role::Operator | Role::Clinician => site.is_some(),
                        Role::Specialist | Role::Reviewer => site.is_none(),
                        Role::Manager | Role::Admin | Role::Integrator => true,
                    };
                    assert_eq!(add_account(&mut tx, &new, Micros(1)).await.is_ok(), fits, "{role} of {site:?}");
                }
            }
        })
        .await;
    }

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
}
