//! One typed configuration: a TOML file, then environment variables `YUNYING_*`, then flags, each over the one before.

use std::net::{AddrParseError, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::Retention;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read configuration {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("configuration {path}: {source}")]
    Parse { path: PathBuf, source: Box<toml::de::Error> },
    #[error("{0}")]
    Invalid(String),
}

/// Everything an engineer may set. Unknown keys are refused, so that a typing error is not a silent default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Shown on every page and report.
    pub center: String,
    /// Printed on the sign-in page for forgotten passwords.
    pub help_phone: Option<String>,
    /// IANA name; days begin and reports are dated in it.
    pub time_zone: String,
    /// Where the spool, the local archive and SQLite live.
    pub data: PathBuf,
    /// `sqlite:PATH` or `postgres://…`; default: SQLite inside `data`.
    pub database_url: Option<String>,
    /// `file:PATH` or `s3://BUCKET/PREFIX`; default: a folder inside `data`.
    pub store_url: Option<String>,
    pub http: Http,
    pub dimse: Dimse,
    pub ingest: Ingest,
    pub reporting: Reporting,
    /// How long studies with a signed report are kept; without a rule for ever.
    pub retention: Retention,
    pub delivery: Delivery,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    pub address: SocketAddr,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// A proxy in front speaks TLS; cookies are marked Secure and other addresses than loopback are allowed.
    pub behind_proxy: bool,
    /// Where people reach this center from outside, e.g. `https://imaging.example.cn`: what QR codes on reports point to.
    /// Default: the address it listens on.
    pub public_url: Option<String>,
    pub idle_minutes: u32,
    /// Connections at a time; further ones are closed at once.
    pub max_connections: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dimse {
    /// For associations without TLS; `none`: there are none.
    pub address: Listen,
    /// For associations over TLS.
    pub tls_address: Option<SocketAddr>,
    /// Our certificate chain and its key: for whom we call, too.
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// Authorities of the devices' certificates; with these every device must show one.
    pub tls_client_ca: Option<PathBuf>,
    /// Authorities of those we call over TLS; default: the devices'.
    pub tls_peer_ca: Option<PathBuf>,
    /// AE titles this center answers to.
    pub ae_titles: Vec<String>,
    /// `known`: registered devices only. `any`: tests.
    pub accept: Accept,
    pub max_associations: usize,
    pub max_associations_per_device: usize,
}

/// Where to listen: an address, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Listen(pub Option<SocketAddr>);

impl FromStr for Listen {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" { Ok(Self(None)) } else { text.parse().map(|address| Self(Some(address))) }
    }
}

impl TryFrom<String> for Listen {
    type Error = AddrParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accept {
    Known,
    Any,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    /// Quiet time after which a study is taken as complete, by its modality; `*` for the rest.
    pub quiet_seconds: std::collections::BTreeMap<String, f64>,
    /// Quiet time once every association that brought the study has been released.
    pub quiet_seconds_after_release: f64,
    /// Quiet time after which a series is sealed into a pack.
    pub seal_after_seconds: f64,
    /// Parallel transcoders; they yield to intake.
    pub transcoders: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reporting {
    /// Signatures a report by a specialist needs: 1, or 2 with a reviewer's.
    pub signatures: u8,
}

/// What is made of images for viewers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delivery {
    /// How much of the store it may take; none: as much as it needs. Over it, forms of signed studies go, those nobody has
    /// looked at for longest first, and are made again when somebody does.
    pub budget_gb: Option<f64>,
}

impl Delivery {
    pub fn budget(&self) -> Option<u64> {
        // A figure from a configuration, whatever somebody wrote there.
        self.budget_gb.filter(|gb| *gb >= 0.0).map(|gb| (gb * 1e9) as u64)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            center: "县域医共体影像中心".into(),
            help_phone: None,
            time_zone: "Asia/Shanghai".into(),
            data: "yunying-data".into(),
            database_url: None,
            store_url: None,
            http: Http::default(),
            dimse: Dimse::default(),
            ingest: Ingest::default(),
            reporting: Reporting { signatures: 1 },
            retention: Retention::default(),
            delivery: Delivery::default(),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            address: ([127, 0, 0, 1], 8080).into(),
            tls_cert: None,
            tls_key: None,
            behind_proxy: false,
            public_url: None,
            idle_minutes: 15,
            max_connections: 1024,
        }
    }
}

impl Default for Dimse {
    fn default() -> Self {
        Self {
            address: Listen(Some(([127, 0, 0, 1], 11112).into())),
            tls_address: None,
            tls_cert: None,
            tls_key: None,
            tls_client_ca: None,
            tls_peer_ca: None,
            ae_titles: vec!["YUNYING".into()],
            accept: Accept::Known,
            max_associations: 256,
            max_associations_per_device: 32,
        }
    }
}

impl Dimse {
    fn validate(&self) -> Result<(), Error> {
        let invalid = |message: &str| Err(Error::Invalid(message.into()));
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return invalid("TLS of associations needs both a certificate and a key");
        }
        if self.tls_address.is_some() && self.tls_cert.is_none() {
            return invalid("an address for associations over TLS needs a certificate and a key");
        }
        if self.address.0.is_none() && self.tls_address.is_none() {
            return invalid("there is no address for associations, with TLS or without");
        }
        Ok(())
    }

    /// Authorities of those we call over TLS.
    pub fn peer_ca(&self) -> Option<&Path> {
        self.tls_peer_ca.as_deref().or(self.tls_client_ca.as_deref())
    }
}

impl Default for Ingest {
    fn default() -> Self {
        let quiet = [("DX", 6.0), ("CR", 6.0), ("US", 10.0), ("CT", 15.0), ("*", 15.0)];
        Self {
            quiet_seconds: quiet.into_iter().map(|(modality, seconds)| (modality.to_owned(), seconds)).collect(),
            quiet_seconds_after_release: 3.0,
            seal_after_seconds: 30.0,
            transcoders: 1,
        }
    }
}

impl Default for Reporting {
    fn default() -> Self {
        Self { signatures: 1 }
    }
}

impl Config {
    /// The file, if one is named, and the two environment variables for the outside stores.
    pub fn load(file: Option<&Path>) -> Result<Self, Error> {
        let mut config = match file {
            None => Self::default(),
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
                toml::from_str(&text)
                    .map_err(|source| Error::Parse { path: path.to_owned(), source: Box::new(source) })?
            }
        };
        if let Ok(url) = std::env::var("YUNYING_DATABASE_URL") {
            config.database_url = Some(url);
        }
        if let Ok(url) = std::env::var("YUNYING_STORE_URL") {
            config.store_url = Some(url);
        }
        Ok(config)
    }

    /// Refuses what cannot work or would leave patients' data in the open.
    pub fn validate(&self) -> Result<(), Error> {
        let invalid = |message: &str| Err(Error::Invalid(message.into()));
        if self.http.tls_cert.is_some() != self.http.tls_key.is_some() {
            return invalid("TLS needs both a certificate and a key");
        }
        let in_the_open = !self.http.address.ip().is_loopback() && self.http.tls_cert.is_none();
        if in_the_open && !self.http.behind_proxy {
            return invalid("plain HTTP listens on loopback only: give --tls-cert and --tls-key, or --behind-proxy");
        }
        self.dimse.validate()?;
        if self.dimse.ae_titles.iter().any(|ae| ae.is_empty() || ae.len() > 16 || !ae.is_ascii()) {
            return invalid("an AE title has 1 to 16 ASCII characters");
        }
        if !(1..=2).contains(&self.reporting.signatures) {
            return invalid("reports need 1 or 2 signatures");
        }
        self.zone().map(drop)
    }

    pub fn zone(&self) -> Result<jiff::tz::TimeZone, Error> {
        jiff::tz::TimeZone::get(&self.time_zone).map_err(|e| Error::Invalid(e.to_string()))
    }

    pub fn database_url(&self) -> String {
        let inside = || format!("sqlite:{}", self.data.join("index.db").display());
        self.database_url.clone().unwrap_or_else(inside)
    }

    pub fn store_url(&self) -> String {
        let inside = || format!("file:{}", self.data.join("archive").display());
        self.store_url.clone().unwrap_or_else(inside)
    }

    pub fn spool_dir(&self) -> PathBuf {
        self.data.join("spool")
    }

    /// Quiet time of a modality.
    pub fn quiet(&self, modality: &str) -> Duration {
        let seconds = self.ingest.quiet_seconds.get(modality).or_else(|| self.ingest.quiet_seconds.get("*"));
        Duration::from_secs_f64(seconds.copied().unwrap_or(15.0).max(0.0))
    }

    pub fn scheme(&self) -> &'static str {
        if self.http.tls_cert.is_some() { "https" } else { "http" }
    }

    /// Without a slash at the end.
    pub fn public_url(&self, listening: SocketAddr) -> String {
        let own = || format!("{}://{listening}", self.scheme());
        self.http.public_url.as_deref().map_or_else(own, |url| url.trim_end_matches('/').to_owned())
    }

    /// Cookies travel over TLS only, wherever there is TLS.
    pub fn secure_cookies(&self) -> bool {
        self.http.behind_proxy || self.http.tls_cert.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_loopback() {
        let mut config = Config::default();
        assert!(config.validate().is_ok());
        config.http.address = ([0, 0, 0, 0], 8080).into();
        assert!(config.validate().is_err());
        config.http.behind_proxy = true;
        assert!(config.validate().is_ok());
    }

    #[test]
    fn retention_and_the_delivery_budget_are_as_written() {
        let text = "[delivery]\nbudget_gb = 1.5\n[[retention.keep]]\nmodality = '*'\nunder_age = 18\nyears = 30\n";
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.delivery.budget(), Some(1_500_000_000));
        assert_eq!((config.retention.keep[0].under_age, config.retention.keep[0].years), (Some(18), 30));
        assert_eq!(Config::default().delivery.budget(), None);
    }

    #[test]
    fn associations_come_without_tls_with_it_or_both_ways() {
        let read = |text: &str| toml::from_str::<Config>(&format!("[dimse]\n{text}")).unwrap();
        let key = "tls_cert = 'a.pem'\ntls_key = 'a.key'\n";
        for (text, fits) in [
            ("address = 'none'", false),
            ("tls_address = '127.0.0.1:2762'", false),
            ("tls_cert = 'a.pem'", false),
            (&format!("{key}tls_address = '127.0.0.1:2762'"), true),
            (&format!("{key}tls_address = '127.0.0.1:2762'\naddress = 'none'"), true),
        ] {
            assert_eq!(read(text).validate().is_ok(), fits, "{text}");
        }
        assert_eq!(read("address = '127.0.0.1:104'").dimse.address, Listen(Some(([127, 0, 0, 1], 104).into())));
        assert!(toml::from_str::<Config>("[dimse]\naddress = 'nowhere'").is_err());
        assert_eq!(read("tls_client_ca = 'ca.pem'").dimse.peer_ca(), Some(Path::new("ca.pem")));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<Config>("centre = 'x'").is_err());
        let config: Config = toml::from_str("[dimse]\naccept = 'any'\n[ingest]\nseal_after_seconds = 5.0").unwrap();
        assert_eq!(config.dimse.accept, Accept::Any);
    }
}
