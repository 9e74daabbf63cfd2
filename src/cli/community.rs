//! `yunying site|device|user|token add|list|remove`, also while a center runs on the same data directory.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{DataArgs, Outcome};
use crate::clock;
use crate::dicom::{Repertoire, Writing};
use crate::dimse::Address;
use crate::dimse::tls::{self, TlsError};
use crate::domain::{Fingerprint, Role};
use crate::index::community::{self, NewAccount};
use crate::index::{Tx, device_text, events};
use crate::web::{auth, passwords};

#[derive(Subcommand)]
pub enum SiteCommand {
    /// Add an institution
    Add {
        #[command(flatten)]
        data: DataArgs,
        /// Short code, e.g. QH
        #[arg(long)]
        code: String,
        #[arg(long)]
        name: String,
        #[arg(long, default_value = "township", value_parser = ["county", "township", "community"])]
        kind: String,
    },
    List {
        #[command(flatten)]
        data: DataArgs,
    },
    Remove {
        #[command(flatten)]
        data: DataArgs,
        #[arg(long)]
        code: String,
    },
}

#[derive(Subcommand)]
pub enum DeviceCommand {
    /// Add a device: its AE title may then open associations
    Add {
        #[command(flatten)]
        data: DataArgs,
        /// AE title, 1 to 16 characters
        #[arg(long)]
        ae: String,
        /// Code of its site
        #[arg(long)]
        site: String,
        #[arg(long)]
        modality: String,
        /// Network it must call from, e.g. 10.20.3.0/24; without it any machine that knows the AE title may send
        #[arg(long)]
        network: Option<ipnet::IpNet>,
        /// Where it takes images that are sent to it, HOST:PORT, or tls://HOST:PORT over TLS
        #[arg(long)]
        address: Option<Address>,
        #[command(flatten)]
        certificate: CertificateArgs,
        /// Associations it may have at a time; default: as many as any other
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        associations: Option<u16>,
    },
    /// Say where a device takes images that are sent to it
    Address {
        #[command(flatten)]
        data: DataArgs,
        #[arg(long)]
        ae: String,
        /// HOST:PORT, or tls://HOST:PORT over TLS; left out: it takes none any more
        #[arg(long)]
        address: Option<Address>,
    },
    /// Say which certificate a device must show, so that it is admitted by TLS only; left out: none any more
    Certificate {
        #[command(flatten)]
        data: DataArgs,
        #[arg(long)]
        ae: String,
        #[command(flatten)]
        certificate: CertificateArgs,
    },
    /// Say how many associations a device may have at a time; left out: as many as any other
    Limit {
        #[command(flatten)]
        data: DataArgs,
        #[arg(long)]
        ae: String,
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        associations: Option<u16>,
    },
    /// Say in what character set a device reads what its queries are answered
    Charset {
        #[command(flatten)]
        data: DataArgs,
        #[arg(long)]
        ae: String,
        /// utf-8, gb18030 or gb2312; left out: that of its queries
        #[arg(long, value_parser = charset)]
        charset: Option<Repertoire>,
    },
    /// Say in what character set a device's files are written, whatever they declare; for what comes from then on
    Files {
        #[command(flatten)]
        data: DataArgs,
        #[arg(long)]
        ae: String,
        /// utf-8, gb18030 (also for GBK and GB 2312) or latin-1; left out: as they declare, or as their bytes turn out
        #[arg(long, value_parser = writing)]
        charset: Option<Writing>,
    },
    List {
        #[command(flatten)]
        data: DataArgs,
    },
    Remove {
        #[command(flatten)]
        data: DataArgs,
        #[arg(long)]
        ae: String,
    },
}

/// One certificate, by its fingerprint or as a file.
#[derive(Args)]
pub struct CertificateArgs {
    /// SHA-256 of the certificate that it shows over TLS, as `openssl x509 -fingerprint -sha256` prints it
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<Fingerprint>,
    /// The certificate itself, PEM
    #[arg(long, value_name = "FILE", conflicts_with = "fingerprint")]
    cert: Option<PathBuf>,
}

impl CertificateArgs {
    fn read(&self) -> Result<Option<Fingerprint>, TlsError> {
        match &self.cert {
            Some(file) => tls::fingerprint_of(file).map(Some),
            None => Ok(self.fingerprint),
        }
    }
}

#[derive(Subcommand)]
pub enum UserCommand {
    /// Add a person; the password is asked for, or read from standard input
    Add {
        #[command(flatten)]
        data: DataArgs,
        #[arg(long)]
        login: String,
        #[arg(long)]
        name: String,
        #[arg(long, default_value = "")]
        title: String,
        #[arg(long, value_parser = role)]
        role: Role,
        /// Code of the site an operator or clinician belongs to
        #[arg(long)]
        site: Option<String>,
        /// Modalities a specialist may read, e.g. CT,DX; default: all
        #[arg(long, default_value = "*")]
        modalities: String,
        /// Read the password from standard input without a prompt
        #[arg(long)]
        password_stdin: bool,
    },
    List {
        #[command(flatten)]
        data: DataArgs,
    },
    Remove {
        #[command(flatten)]
        data: DataArgs,
        #[arg(long)]
        login: String,
    },
}

#[derive(Subcommand)]
pub enum TokenCommand {
    /// Add a token; it is printed once, alone on standard output
    Add {
        #[command(flatten)]
        data: DataArgs,
        #[arg(long)]
        name: String,
        #[arg(long, value_parser = role)]
        role: Role,
        /// Code of the one site it may see; default: all
        #[arg(long)]
        site: Option<String>,
    },
    List {
        #[command(flatten)]
        data: DataArgs,
    },
    Remove {
        #[command(flatten)]
        data: DataArgs,
        #[arg(long)]
        name: String,
    },
}

fn role(word: &str) -> Result<Role, String> {
    Role::from_word(word).ok_or_else(|| {
        let words: Vec<_> = Role::ALL.iter().map(|role| role.word()).collect();
        format!("one of {}", words.join(", "))
    })
}

fn charset(word: &str) -> Result<Repertoire, String> {
    Repertoire::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = Repertoire::ALL.iter().map(|repertoire| repertoire.word()).collect();
        format!("one of {}", words.join(", "))
    })
}

fn writing(word: &str) -> Result<Writing, String> {
    Writing::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = Writing::ALL.iter().map(|writing| writing.word()).collect();
        format!("one of {}", words.join(", "))
    })
}

impl SiteCommand {
    pub async fn run(self) -> Outcome {
        match self {
            Self::Add { data, code, name, kind } => {
                change(&data, async |tx| community::add_site(tx, &code, &name, &kind, clock::now()).await.map(drop))
                    .await
            }
            Self::Remove { data, code } => {
                change(&data, async |tx| community::remove_site(tx, &code, clock::now()).await).await
            }
            Self::List { data } => {
                let rows = community::sites(&mut data.open().await?.read().await?).await?;
                print(rows.iter().map(|site| format!("{}\t{}\t{}", site.code, site.kind, site.name)))
            }
        }
    }
}

impl DeviceCommand {
    pub async fn run(self) -> Outcome {
        match self {
            Self::Add { data, ae, site, modality, network, address, certificate, associations } => {
                if ae.is_empty() || ae.len() > 16 || !ae.is_ascii() || ae.trim() != ae {
                    return Err("an AE title has 1 to 16 ASCII characters".into());
                }
                if ae.starts_with(community::STOW_TITLE) {
                    return Err("AE titles that begin so stand for tokens".into());
                }
                let certificate = certificate.read()?;
                if let Some(warning) = too_open(&ae, network.as_ref()).filter(|_| certificate.is_none()) {
                    eprintln!("yunying: {warning}");
                }
                let (network, address) = (network.map(|net| net.to_string()), address.map(|at| at.to_string()));
                change(&data, async |tx| {
                    let now = clock::now();
                    let site = community::site_by_code(tx, &site).await?.id;
                    let device = community::add_device(tx, &ae, site, &modality, network.as_deref(), now).await?;
                    if address.is_some() {
                        community::set_device_address(tx, device, address.as_deref(), now).await?;
                    }
                    if certificate.is_some() {
                        community::set_device_certificate(tx, device, certificate, now).await?;
                    }
                    match associations {
                        Some(_) => community::set_device_limit(tx, device, associations, now).await,
                        None => Ok(()),
                    }
                })
                .await
            }
            Self::Address { data, ae, address } => {
                let address = address.map(|at| at.to_string());
                change(&data, async |tx| {
                    let device = community::device_by_title(tx, &ae).await?;
                    community::set_device_address(tx, device.id, address.as_deref(), clock::now()).await
                })
                .await
            }
            Self::Certificate { data, ae, certificate } => {
                let certificate = certificate.read()?;
                change(&data, async |tx| {
                    let device = community::device_by_title(tx, &ae).await?;
                    community::set_device_certificate(tx, device.id, certificate, clock::now()).await
                })
                .await
            }
            Self::Limit { data, ae, associations } => {
                change(&data, async |tx| {
                    let device = community::device_by_title(tx, &ae).await?;
                    community::set_device_limit(tx, device.id, associations, clock::now()).await
                })
                .await
            }
            Self::Charset { data, ae, charset } => {
                change(&data, async |tx| {
                    let device = community::device_by_title(tx, &ae).await?;
                    community::set_device_charset(tx, device.id, charset.map(Repertoire::word), clock::now()).await
                })
                .await
            }
            Self::Files { data, ae, charset } => {
                change(&data, async |tx| {
                    let device = community::device_by_title(tx, &ae).await?;
                    device_text::set_files_charset(tx, device.id, charset.map(Writing::word), clock::now()).await
                })
                .await
            }
            Self::Remove { data, ae } => {
                change(&data, async |tx| community::remove_device(tx, &ae, clock::now()).await).await
            }
            Self::List { data } => {
                let mut tx = data.open().await?.read().await?;
                let sites = community::sites(&mut tx).await?;
                let code = |id| sites.iter().find(|site| site.id == id).map_or("", |site| site.code.as_str());
                let written = device_text::files_charsets(&mut tx).await?;
                let files =
                    |id| written.iter().find(|said| said.device == id).map_or("-", |said| said.charset.as_str());
                print(community::devices(&mut tx).await?.iter().map(|device| {
                    let network = device.network.as_deref().unwrap_or("any");
                    let address = device.address.as_deref().unwrap_or("-");
                    let (title, site, modality) = (&device.ae_title, code(device.site_id), &device.modality);
                    let (reads, writes) = (device.charset.as_deref().unwrap_or("-"), files(device.id));
                    let certificate = device.certificate.as_deref().unwrap_or("-");
                    let most = device.max_associations.map_or_else(|| "-".to_owned(), |most| most.to_string());
                    format!(
                        "{title}\t{site}\t{modality}\t{network}\t{address}\t{reads}\t{writes}\t{certificate}\t{most}"
                    )
                }))
            }
        }
    }
}

impl UserCommand {
    pub async fn run(self) -> Outcome {
        match self {
            Self::Add { data, login, name, title, role, site, modalities, password_stdin } => {
                let password = ask_password(password_stdin)?;
                if password.chars().count() < 8 {
                    return Err("a password has at least 8 characters".into());
                }
                let password_hash = passwords::hash(&password).map_err(|e| e.to_string())?;
                change(&data, async |tx| {
                    let site = site_id(tx, site.as_deref()).await?;
                    let new = NewAccount {
                        login: login.clone(),
                        name: name.clone(),
                        title: title.clone(),
                        role,
                        site,
                        modalities: modalities.clone(),
                        password_hash: password_hash.clone(),
                    };
                    community::add_account(tx, &new, clock::now()).await.map(drop)
                })
                .await
            }
            Self::Remove { data, login } => {
                change(&data, async |tx| community::remove_account(tx, &login, clock::now()).await).await
            }
            Self::List { data } => {
                let rows = community::accounts(&mut data.open().await?.read().await?).await?;
                print(rows.iter().map(|a| format!("{}\t{}\t{}\t{}", a.login, a.role, a.name, a.modalities)))
            }
        }
    }
}

impl TokenCommand {
    pub async fn run(self) -> Outcome {
        match self {
            Self::Add { data, name, role, site } => {
                let secret = auth::new_secret();
                change(&data, async |tx| {
                    let site = site_id(tx, site.as_deref()).await?;
                    community::add_token(tx, &name, &auth::hash(&secret), role, site, clock::now()).await.map(drop)
                })
                .await?;
                print([secret].into_iter())
            }
            Self::Remove { data, name } => {
                change(&data, async |tx| community::remove_token(tx, &name, clock::now()).await).await
            }
            Self::List { data } => {
                let rows = community::tokens(&mut data.open().await?.read().await?).await?;
                print(rows.iter().map(|token| format!("{}\t{}", token.name, token.role)))
            }
        }
    }
}

/// What to say of a device that is known by its title alone, which anybody can give themselves.
fn too_open(ae: &str, network: Option<&ipnet::IpNet>) -> Option<String> {
    let anywhere = network.is_none_or(|network| network.prefix_len() == 0);
    anywhere
        .then(|| format!("{ae} is admitted from any address; --network 10.20.3.0/24 would admit it from there only"))
}

async fn site_id(tx: &mut Tx, code: Option<&str>) -> crate::index::Result<Option<crate::domain::SiteId>> {
    match code {
        Some(code) => Ok(Some(community::site_by_code(tx, code).await?.id)),
        None => Ok(None),
    }
}

/// One change in one transaction; its events are chained before the command ends.
async fn change(data: &DataArgs, work: impl AsyncFnOnce(&mut Tx) -> crate::index::Result<()>) -> Outcome {
    let db = data.open().await?;
    let mut tx = db.write().await?;
    work(&mut tx).await?;
    tx.commit().await?;
    while events::chain_batch(&db).await? {}
    db.close().await;
    Ok(())
}

fn print(lines: impl Iterator<Item = String>) -> Outcome {
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Standard input's first line; a terminal is asked aloud.
fn ask_password(silent: bool) -> std::io::Result<String> {
    if !silent && std::io::stdin().is_terminal() {
        eprint!("password (will be visible): ");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_may_call_from_anywhere_is_warned_of() {
        let network = |text: &str| text.parse::<ipnet::IpNet>().unwrap();
        assert!(too_open("QH_CT01", None).is_some_and(|warning| warning.starts_with("QH_CT01 is admitted from any")));
        assert!(too_open("QH_CT01", Some(&network("0.0.0.0/0"))).is_some());
        assert_eq!(too_open("QH_CT01", Some(&network("10.20.3.0/24"))), None);
    }
}
