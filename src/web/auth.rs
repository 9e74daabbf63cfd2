//! Who is calling: a person's session cookie or a machine's bearer token, and what they may see.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rand::RngCore;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Answer, App, Problem};
use crate::clock;
use crate::domain::{AccountId, Micros, Role, TokenId};
use crate::index::{Scope, community, sessions};

pub const COOKIE: &str = "yunying_session";
pub const CSRF_HEADER: &str = "x-yunying-csrf";
/// A session's last use is written at most this often.
const TOUCH_EVERY: Duration = Duration::from_secs(30);

/// Who calls, as the guard found out; every handler that is not public can ask for it.
#[derive(Debug, Clone)]
pub struct Caller {
    pub who: Who,
    pub role: Role,
    pub scope: Scope,
}

#[derive(Debug, Clone)]
pub enum Who {
    Person { account: AccountId, session: Vec<u8> },
    Machine(TokenId),
}

impl Caller {
    /// The person behind the call; machines are refused where a person must answer for it.
    pub fn account(&self) -> Answer<AccountId> {
        self.person().map(|(account, _)| account)
    }

    /// That person and the hash of their session.
    pub fn person(&self) -> Answer<(AccountId, &[u8])> {
        match &self.who {
            Who::Person { account, session } => Ok((*account, session)),
            Who::Machine(_) => Err(Problem::new(StatusCode::FORBIDDEN, "not_for_machines")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        parts.extensions.get::<Caller>().cloned().ok_or(Problem::unauthenticated())
    }
}

#[derive(Clone)]
pub struct Guard {
    pub app: App,
    pub roles: &'static [Role],
    /// Whether a call from this machine itself needs no role.
    pub on_machine: bool,
}

/// Lets a request through to its handler if its caller has one of the route's roles.
pub async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Answer<Response> {
    if guard.on_machine && is_on_machine(&guard.app, &request) {
        return Ok(next.run(request).await);
    }
    let caller = identify(&guard.app, request.headers(), request.method()).await?;
    if !guard.roles.contains(&caller.role) {
        return Err(Problem::forbidden());
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Whether the caller itself is on this machine. A proxy is, too, and whom it calls for nobody knows for sure: behind one
/// that is configured, or that says it is one, nobody is.
fn is_on_machine(app: &App, request: &Request) -> bool {
    const BY_PROXIES: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback())
        && !app.config.http.behind_proxy
        && BY_PROXIES.iter().all(|name| !request.headers().contains_key(*name))
}

async fn identify(app: &App, headers: &HeaderMap, method: &Method) -> Answer<Caller> {
    if let Some(secret) = bearer(headers) {
        let token = community::token_by_hash(&mut app.db.read().await?, &hash(secret)).await?;
        let token = token.ok_or(Problem::unauthenticated())?;
        let scope = token.site_id.map_or(Scope::All, Scope::Site);
        return Ok(Caller { who: Who::Machine(token.id), role: token.role, scope });
    }
    let session_hash = hash(cookie(headers).ok_or(Problem::unauthenticated())?);
    let now = clock::now();
    let mut tx = app.db.read().await?;
    let session = sessions::find(&mut tx, &session_hash, app.idle(), now).await?.ok_or(Problem::unauthenticated())?;
    let account = community::account(&mut tx, session.account_id).await.map_err(|_| Problem::unauthenticated())?;
    drop(tx);
    let changes_something = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if changes_something && !csrf_matches(headers, &session.csrf) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "csrf"));
    }
    if now.since(session.seen_us) > TOUCH_EVERY {
        touch(app, &session_hash, now).await?;
    }
    let scope = account.site_id.map_or(Scope::All, Scope::Site);
    Ok(Caller { who: Who::Person { account: account.id, session: session_hash }, role: account.role, scope })
}

async fn touch(app: &App, session_hash: &[u8], now: Micros) -> Answer<()> {
    let mut tx = app.db.write().await?;
    sessions::touch(&mut tx, session_hash, now).await?;
    Ok(tx.commit().await?)
}

fn csrf_matches(headers: &HeaderMap, expected: &str) -> bool {
    let given = headers.get(CSRF_HEADER).map_or(&b""[..], |value| value.as_bytes());
    given.ct_eq(expected.as_bytes()).into()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    pairs.flat_map(|line| line.split("; ")).find_map(|pair| pair.strip_prefix(COOKIE)?.strip_prefix('='))
}

/// What is stored of a secret: its SHA-256. The secrets have 256 random bits, so no salt is needed.
pub fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// A new secret of 256 random bits, URL-safe.
pub fn new_secret() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Where a request comes from: an address, or the network of one.
pub struct Origin(pub String);

impl FromRequestParts<App> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Answer<Self> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let ConnectInfo(peer) = peer.ok_or_else(|| Problem::internal("a request from nowhere"))?;
        Ok(Self(address(app, &parts.headers, *peer)))
    }
}

/// The caller's network address; behind a proxy, the last one the proxy named.
///
/// Each proxy appends the address it heard from, to the last line or as a line of its own; what stands before came with the
/// request and may be made up. Of IPv6 the network counts: a host there has as many addresses as it likes.
fn address(app: &App, headers: &HeaderMap, peer: SocketAddr) -> String {
    let forwarded = headers.get_all("x-forwarded-for").into_iter().next_back();
    let last = forwarded.and_then(|line| line.to_str().ok()?.rsplit(',').next().map(str::trim));
    // Some write the port as well.
    let last = last.and_then(|last| last.parse().or_else(|_| last.parse::<SocketAddr>().map(|at| at.ip())).ok());
    let address = last.filter(|_| app.config.http.behind_proxy).unwrap_or(peer.ip());
    match network_of(address) {
        IpAddr::V6(network) => format!("{network}/64"),
        address => address.to_string(),
    }
}

/// Whom an address stands for: itself, or of IPv6 its /64.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::http::HeaderValue;

    use super::*;
    use crate::config::{Config, Http};
    use crate::index::Db;

    async fn address_of(behind_proxy: bool, lines: &[&'static str], peer: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}", folder.path().join("index.db").display())).await.unwrap();
        let (mut app, _data) = crate::web::testing::app(&db).await;
        app.config = Arc::new(Config { http: Http { behind_proxy, ..Http::default() }, ..Config::default() });
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_static(line));
        }
        address(&app, &headers, peer.parse().unwrap())
    }

    #[tokio::test]
    async fn behind_a_proxy_the_address_is_the_one_the_proxy_added() {
        const PROXY: &str = "10.0.0.2:443";
        assert_eq!(address_of(true, &["6.6.6.6, 10.1.1.5"], PROXY).await, "10.1.1.5");
        assert_eq!(address_of(true, &["6.6.6.6", "10.1.1.5"], PROXY).await, "10.1.1.5", "a line of the proxy's own");
        assert_eq!(address_of(true, &["10.1.1.5:50123"], PROXY).await, "10.1.1.5");
        assert_eq!(address_of(true, &["6.6.6.6", "unknown"], PROXY).await, "10.0.0.2");
        assert_eq!(address_of(true, &[], PROXY).await, "10.0.0.2");
        assert_eq!(address_of(false, &["6.6.6.6"], "10.1.1.5:50000").await, "10.1.1.5");
    }

    #[tokio::test]
    async fn hosts_of_one_ipv6_network_are_one_and_ipv4_is_itself_however_written() {
        assert_eq!(address_of(false, &[], "[2001:db8:1:2:3:4:5:6]:9").await, "2001:db8:1:2::/64");
        assert_eq!(address_of(false, &[], "[2001:db8:1:2:ffff::1]:9").await, "2001:db8:1:2::/64");
        assert_eq!(address_of(false, &[], "[::ffff:10.1.1.5]:9").await, "10.1.1.5");
    }
}
