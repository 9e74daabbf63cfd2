//! `yunying check`: everything agrees, exit 0; or a list of what does not.

use clap::Args;

use super::{DataArgs, Outcome};
use crate::archive::Archive;
use crate::index::Db;
use crate::ingest::check::{Checked, check};
use crate::ingest::known_node_name;

#[derive(Args)]
pub struct CheckArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Read and hash every byte of every pack
    #[arg(long)]
    deep: bool,
}

pub async fn run(args: CheckArgs) -> Outcome {
    let config = args.data.load()?;
    let db = Db::open_existing(&config.database_url()).await?;
    let node = match known_node_name(&config.data)? {
        Some(node) => node,
        None if config.spool_dir().exists() => {
            let data = config.data.display();
            return Err(format!("this node's name is gone from {data}: nothing says whose the spool is").into());
        }
        // Nothing was ever received here.
        None => String::new(),
    };
    let checked = Checked {
        db,
        archive: Archive::open(&config.store_url())?,
        node,
        spool_dir: config.spool_dir(),
        deep: args.deep,
    };
    let findings = check(&checked).await?;
    checked.db.close().await;
    for (what, count) in &findings.counted {
        println!("{count:>10}  {what}");
    }
    for note in &findings.notes {
        println!("note: {note}");
    }
    for wrong in &findings.wrong {
        println!("WRONG: {wrong}");
    }
    match findings.wrong.len() {
        0 => {
            println!("spool, packs, index, event chain and reports agree");
            Ok(())
        }
        1 => Err("1 thing is wrong".into()),
        count => Err(format!("{count} things are wrong").into()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ingest::node_name;

    fn args(data: &Path) -> CheckArgs {
        CheckArgs { data: DataArgs { data: Some(data.to_owned()), config: None }, deep: false }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_lost_index_is_an_error_and_no_new_one_is_made() {
        let folder = tempfile::tempdir().unwrap();
        node_name(folder.path()).unwrap();
        let refused = run(args(folder.path())).await.unwrap_err().to_string();
        assert!(refused.starts_with("there is no index in sqlite:"), "{refused}");
        assert_eq!(names(folder.path()), ["node"]);
    }

    #[tokio::test]
    async fn a_spool_without_its_node_s_name_is_an_error_and_no_new_name_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let url = args(folder.path()).data.load().unwrap().database_url();
        Db::open(&url).await.unwrap().close().await;
        run(args(folder.path())).await.unwrap();
        std::fs::create_dir(folder.path().join("spool")).unwrap();
        let refused = run(args(folder.path())).await.unwrap_err().to_string();
        assert!(refused.starts_with("this node's name is gone"), "{refused}");
        assert!(!folder.path().join("node").exists());
    }
}
