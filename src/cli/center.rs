//! `yunying center`: everything on one machine.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{DataArgs, Outcome};
use crate::config::{Accept, Config, Dimse, Listen};

#[derive(Args)]
pub struct CenterArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Where to serve HTTP
    #[arg(long, env = "YUNYING_HTTP")]
    http: Option<SocketAddr>,
    /// Where to listen for DICOM associations without TLS; `none`: nowhere
    #[arg(long, env = "YUNYING_DIMSE")]
    dimse: Option<Listen>,
    #[command(flatten)]
    dimse_tls: DimseTls,
    /// Certificate chain, PEM
    #[arg(long, env = "YUNYING_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// Private key, PEM
    #[arg(long, env = "YUNYING_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// A proxy in front speaks TLS
    #[arg(long, env = "YUNYING_BEHIND_PROXY")]
    behind_proxy: bool,
    /// Take images from any AE title (tests only)
    #[arg(long)]
    accept_any_ae: bool,
}

#[derive(Args)]
struct DimseTls {
    /// Where to listen for DICOM associations over TLS
    #[arg(long, env = "YUNYING_DIMSE_TLS")]
    dimse_tls: Option<SocketAddr>,
    /// Certificate chain of associations over TLS, PEM
    #[arg(long, env = "YUNYING_DIMSE_TLS_CERT")]
    dimse_tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, env = "YUNYING_DIMSE_TLS_KEY")]
    dimse_tls_key: Option<PathBuf>,
    /// Authorities of the devices' certificates, PEM; with these every device must show one over TLS
    #[arg(long, env = "YUNYING_DIMSE_TLS_CLIENT_CA")]
    dimse_tls_client_ca: Option<PathBuf>,
    /// Authorities of those we call over TLS, PEM; default: the devices'
    #[arg(long, env = "YUNYING_DIMSE_TLS_PEER_CA")]
    dimse_tls_peer_ca: Option<PathBuf>,
}

impl DimseTls {
    fn over(&self, dimse: &mut Dimse) {
        let over = |flag: &Option<PathBuf>, setting: &mut Option<PathBuf>| {
            if flag.is_some() {
                setting.clone_from(flag);
            }
        };
        dimse.tls_address = self.dimse_tls.or(dimse.tls_address);
        over(&self.dimse_tls_cert, &mut dimse.tls_cert);
        over(&self.dimse_tls_key, &mut dimse.tls_key);
        over(&self.dimse_tls_client_ca, &mut dimse.tls_client_ca);
        over(&self.dimse_tls_peer_ca, &mut dimse.tls_peer_ca);
    }
}

impl CenterArgs {
    fn config(&self) -> Result<Config, crate::config::Error> {
        let mut config = self.data.load()?;
        if let Some(address) = self.http {
            config.http.address = address;
        }
        if let Some(address) = self.dimse {
            config.dimse.address = address;
        }
        self.dimse_tls.over(&mut config.dimse);
        config.http.tls_cert = self.tls_cert.clone().or(config.http.tls_cert);
        config.http.tls_key = self.tls_key.clone().or(config.http.tls_key);
        config.http.behind_proxy |= self.behind_proxy;
        if self.accept_any_ae {
            config.dimse.accept = Accept::Any;
        }
        config.validate()?;
        Ok(config)
    }
}

pub async fn run(args: CenterArgs) -> Outcome {
    let filter = tracing_subscriber::EnvFilter::try_from_env("YUNYING_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    crate::center::run(args.config()?, stop).await
}

/// SIGTERM and SIGINT end the program cleanly.
async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::warn!("cannot listen for signals; end the program with SIGKILL, which loses nothing acknowledged");
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    stop.cancel();
}
