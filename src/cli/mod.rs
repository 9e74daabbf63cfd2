//! Subcommands, one file each: they parse, call the library, print. No logic of their own.

mod backup;
mod center;
mod check;
mod community;
mod erase;
mod explain;
mod rebuild;
mod sample;
mod send;
mod verify;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Config;
use crate::index::Db;

/// What a subcommand ends with when it fails: printed once, by `main`.
pub type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
#[command(name = "yunying", version, about = "The shared imaging center of a county medical community, in one program")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything on one machine
    Center(center::CenterArgs),
    /// Send DICOM files, or all of them in folders, by C-STORE
    Send(send::SendArgs),
    /// Whether spool, packs, index, event chain and signed reports agree
    Check(check::CheckArgs),
    /// Decodes frames for a parent process
    #[command(hide = true)]
    DecodeWorker,
    /// The index anew from packs and spool, into an empty database
    Rebuild(rebuild::RebuildArgs),
    /// Everything a center has into a directory, consistent, also while it runs
    Backup(backup::BackupArgs),
    /// A backup into an empty data directory, database and archive
    Restore(backup::RestoreArgs),
    /// Synthetic, plausible studies
    Sample(sample::SampleArgs),
    /// Every routing decision of a case, replayed with its reasons
    Explain(explain::ExplainArgs),
    /// Sites of the county community
    #[command(subcommand)]
    Site(community::SiteCommand),
    /// Devices: AE titles bound to sites
    #[command(subcommand)]
    Device(community::DeviceCommand),
    /// People who sign in
    #[command(subcommand)]
    User(community::UserCommand),
    /// Tokens for machines
    #[command(subcommand)]
    Token(community::TokenCommand),
    /// Legal holds, and erasing a study: asked for, confirmed, audited
    #[command(subcommand)]
    Erase(erase::EraseCommand),
    /// Signatures of a report
    Verify(verify::VerifyArgs),
}

/// Which data directory and configuration a subcommand works on.
#[derive(Args, Clone)]
pub struct DataArgs {
    /// Data directory
    #[arg(long, env = "YUNYING_DATA")]
    pub data: Option<PathBuf>,
    /// TOML configuration file
    #[arg(long, env = "YUNYING_CONFIG")]
    pub config: Option<PathBuf>,
}

impl DataArgs {
    pub fn load(&self) -> Result<Config, crate::config::Error> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }

    /// The database of an existing or new data directory; also while a center runs on it.
    pub async fn open(&self) -> Result<Db, Box<dyn std::error::Error + Send + Sync>> {
        let config = self.load()?;
        config.validate()?;
        crate::center::prepare(&config.data)?;
        Ok(Db::open(&config.database_url()).await?)
    }
}

/// Parses the command line and runs it. The process exit code is 0 only on success.
pub fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Center(args) => block_on(center::run(args)),
        Command::Send(args) => block_on(async { Ok(send::run(args).await?) }),
        Command::Check(args) => block_on(check::run(args)),
        Command::DecodeWorker => crate::pixels::run_worker().map_err(Into::into),
        Command::Rebuild(args) => block_on(rebuild::run(args)),
        Command::Backup(args) => block_on(backup::backup(args)),
        Command::Restore(args) => block_on(backup::restore(args)),
        Command::Sample(args) => sample::run(args).map_err(Into::into),
        Command::Explain(args) => block_on(explain::run(args)),
        Command::Site(command) => block_on(command.run()),
        Command::Device(command) => block_on(command.run()),
        Command::User(command) => block_on(command.run()),
        Command::Token(command) => block_on(command.run()),
        Command::Erase(command) => block_on(command.run()),
        Command::Verify(args) => block_on(verify::run(args)),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("yunying: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    // rustls wants exactly one provider, chosen before anything asks for TLS; an earlier choice is the same one.
    drop(rustls::crypto::ring::default_provider().install_default());
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn every_command_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
