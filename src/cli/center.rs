//! `yunying center`: everything on one machine.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{DataArgs, Outcome};
use crate::config::{Accept, Config};

#[derive(Args)]
pub struct CenterArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Where to serve HTTP
    #[arg(long, env = "YUNYING_HTTP")]
    http: Option<SocketAddr>,
    /// Where to listen for DICOM associations
    #[arg(long, env = "YUNYING_DIMSE")]
    dimse: Option<SocketAddr>,
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

impl CenterArgs {
    fn config(&self) -> Result<Config, crate::config::Error> {
        let mut config = self.data.load()?;
        if let Some(address) = self.http {
            config.http.address = address;
        }
        if let Some(address) = self.dimse {
            config.dimse.address = address;
        }
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
