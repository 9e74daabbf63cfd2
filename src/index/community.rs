//! Sites, devices, accounts and tokens: who belongs to the county community.

mod devices;

use super::{Error, Event, EventKind, Result, Tx, cases, intake, on};
use crate::domain::{AccountId, DeviceId, Micros, Role, SiteId, TokenId};
pub use devices::*;

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Site {
    pub id: SiteId,
    pub code: String,
    pub name: String,
    pub kind: String,
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
}
