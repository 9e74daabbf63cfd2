//! `yunying explain CASE`: every routing decision of a case, replayed, with its reasons.

use std::collections::HashMap;
use std::io::Write;

use clap::Args;

use super::{DataArgs, Outcome};
use crate::domain::{AccountId, CaseId, Micros};
use crate::index::duty::{self, DecisionRow};
use crate::index::{Scope, cases, community};
use crate::routing::{self, PassedOver, Policy, Replay};

#[derive(Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Number of the case
    case: i64,
}

pub async fn run(args: ExplainArgs) -> Outcome {
    let config = args.data.load()?;
    let zone = config.zone()?;
    let db = args.data.open().await?;
    let mut tx = db.read().await?;
    let case = cases::row(&mut tx, CaseId(args.case), Scope::All).await?;
    let accounts = community::accounts(&mut tx).await?;
    let names: HashMap<AccountId, String> = accounts.into_iter().map(|a| (a.id, a.login)).collect();
    let mut out = std::io::stdout().lock();
    writeln!(out, "case {}: {} {}, {}, now {}", case.id, case.modality, case.body_part, case.urgency, case.state)?;
    for row in duty::decisions(&mut tx, case.id).await? {
        explain(&mut out, &row, &names, &zone)?;
    }
    Ok(())
}

fn explain(
    out: &mut impl Write,
    row: &DecisionRow,
    names: &HashMap<AccountId, String>,
    zone: &jiff::tz::TimeZone,
) -> std::io::Result<()> {
    let name = |account: AccountId| names.get(&account).map_or("(removed)", String::as_str);
    let outcome = row.account_id.map_or("waits".to_owned(), |account| format!("given to {}", name(account)));
    let passed_over: Vec<PassedOver> = serde_json::from_str(&row.passed_over).unwrap_or_default();
    let replayed = replayed(row, &passed_over);
    writeln!(out, "{}  {outcome}: {}  ({replayed})", local(row.at_us, zone), row.reason)?;
    for passed in passed_over {
        writeln!(out, "    passed over {}: {}", name(passed.account), passed.why.word())?;
    }
    Ok(())
}

/// What comes of deciding again from what the decision saw.
fn replayed(row: &DecisionRow, passed_over: &[PassedOver]) -> &'static str {
    let outcome = row.account_id.map_or(routing::Outcome::Waits, routing::Outcome::Given);
    match routing::replay(&row.inputs, row.at_us, &Policy::default(), outcome, passed_over) {
        Replay::Same => "replayed: same",
        Replay::Different => "replayed: DIFFERENT",
        Replay::NothingSeen => "what it saw was not kept",
    }
}

fn local(at: Micros, zone: &jiff::tz::TimeZone) -> String {
    let time = jiff::Timestamp::from_microsecond(at.0).unwrap_or_default().to_zoned(zone.clone());
    time.strftime("%F %T").to_string()
}
