//! `yunying erase`: legal holds, and erasing a study in two steps, also while a center runs on the same data directory.

use clap::Subcommand;

use super::{DataArgs, Outcome};
use crate::archive::Archive;
use crate::clock;
use crate::domain::{AccountId, ErasureId, Micros, Role};
use crate::index::{Db, Tx, community, erasure};
use crate::ingest::erasure::Eraser;

const LISTED: i64 = 1_000;

#[derive(Subcommand)]
pub enum EraseCommand {
    /// Ask for a study to be erased; nothing happens to it before `confirm`
    Request {
        #[command(flatten)]
        data: DataArgs,
        /// Study Instance UID
        #[arg(long)]
        study: String,
        #[arg(long)]
        reason: String,
        /// Sign-in name of the administrator who answers for it
        #[arg(long)]
        by: String,
    },
    /// Erase what was asked for. There is no way back but an older backup
    Confirm {
        #[command(flatten)]
        data: DataArgs,
        /// Number of the request
        id: i64,
        #[arg(long)]
        by: String,
    },
    /// Take back a request that is not confirmed
    Withdraw {
        #[command(flatten)]
        data: DataArgs,
        id: i64,
        #[arg(long)]
        by: String,
    },
    /// Requests and erasures, the newest first
    List {
        #[command(flatten)]
        data: DataArgs,
    },
    /// Put a study under legal hold: it can't be erased
    Hold {
        #[command(flatten)]
        data: DataArgs,
        #[arg(long)]
        study: String,
        #[arg(long)]
        reason: String,
        /// Sign-in name of the manager who answers for it
        #[arg(long)]
        by: String,
    },
    /// Lift a legal hold
    Lift {
        #[command(flatten)]
        data: DataArgs,
        #[arg(long)]
        study: String,
        #[arg(long)]
        by: String,
    },
}

impl EraseCommand {
    pub async fn run(self) -> Outcome {
        let now = clock::now();
        match self {
            Self::Request { data, study, reason, by } => {
                let (db, config) = (data.open().await?, data.load()?);
                let reason = reason_of(&reason)?;
                let mut tx = db.write().await?;
                let by = who(&mut tx, &by, &[Role::Admin]).await?;
                let id = erasure::request(&mut tx, &study, reason, by, &config.retention, now).await?;
                tx.commit().await?;
                println!("request {id}: nothing is erased yet; `yunying erase confirm {id}` erases");
                close(db).await
            }
            Self::Confirm { data, id, by } => {
                let (db, config) = (data.open().await?, data.load()?);
                let account = who(&mut db.read().await?, &by, &[Role::Admin]).await?;
                let archive = Archive::open(&config.store_url())?;
                let eraser = Eraser { db: db.clone(), archive, retention: config.retention };
                eraser.confirm(ErasureId(id), account, &by, now).await?;
                println!("erased");
                close(db).await
            }
            Self::Withdraw { data, id, by } => {
                let db = data.open().await?;
                let mut tx = db.write().await?;
                let by = who(&mut tx, &by, &[Role::Admin]).await?;
                erasure::withdraw(&mut tx, ErasureId(id), by, now).await?;
                tx.commit().await?;
                close(db).await
            }
            Self::List { data } => list(data.open().await?).await,
            Self::Hold { data, study, reason, by } => {
                let db = data.open().await?;
                let reason = reason_of(&reason)?;
                let mut tx = db.write().await?;
                let by = who(&mut tx, &by, &[Role::Manager]).await?;
                erasure::hold(&mut tx, &study, reason, by, now).await?;
                tx.commit().await?;
                close(db).await
            }
            Self::Lift { data, study, by } => {
                let db = data.open().await?;
                let mut tx = db.write().await?;
                let by = who(&mut tx, &by, &[Role::Manager]).await?;
                erasure::lift(&mut tx, &study, by, now).await?;
                tx.commit().await?;
                close(db).await
            }
        }
    }
}

async fn close(db: Db) -> Outcome {
    db.close().await;
    Ok(())
}

fn reason_of(reason: &str) -> Result<&str, &'static str> {
    let reason = reason.trim();
    match reason.chars().count() {
        0 => Err("a reason must be given"),
        1..=500 => Ok(reason),
        _ => Err("a reason has at most 500 characters"),
    }
}

/// Whoever has a shell may name an account; only one of these roles can answer for such an act.
async fn who(tx: &mut Tx, login: &str, roles: &[Role]) -> Result<AccountId, Box<dyn std::error::Error + Send + Sync>> {
    let account = community::account_by_login(tx, login).await?;
    match account.filter(|account| roles.contains(&account.role)) {
        Some(account) => Ok(account.id),
        None => {
            let words: Vec<_> = roles.iter().map(|role| role.word()).collect();
            Err(format!("{login} is no account of role {}", words.join(" or ")).into())
        }
    }
}

async fn list(db: Db) -> Outcome {
    let said = |at: Option<Micros>| {
        let at = at.and_then(|at| jiff::Timestamp::from_microsecond(at.0).ok());
        at.map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    };
    for erasure in erasure::list(&mut db.read().await?, LISTED).await? {
        let study = erasure.study_uid.unwrap_or_else(|| format!("sha256:{}", hex::encode(&erasure.uid_hash)));
        println!(
            "{}\t{study}\t{} instances\trequested {} by {}\tconfirmed {} by {}\tdone {}\t{}",
            erasure.id,
            erasure.instances,
            said(Some(erasure.requested_us)),
            erasure.requested_by,
            said(erasure.confirmed_us),
            erasure.confirmed_by,
            said(erasure.done_us),
            erasure.reason
        );
    }
    close(db).await
}
