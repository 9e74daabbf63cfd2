//! Everything the spool acknowledged has a row, or waits its turn.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::{CheckError, Checked, Findings, Spooled};
use crate::dicom::uid;
use crate::index::check::has_object;
use crate::index::{Tx, intake};
use crate::ingest::spool::Record;

pub(super) async fn check(on: &Checked, spool: &Spooled, findings: &mut Findings) -> Result<(), CheckError> {
    let mut tx = on.db.read().await?;
    let cursor = u64::try_from(intake::cursor(&mut tx, &on.node).await?).unwrap_or(0);
    let mut known: HashMap<u64, HashSet<i64>> = HashMap::new();
    let mut waiting = 0;
    for record in &spool.inspection.records {
        if record.position.0 > cursor {
            waiting += 1;
            continue;
        }
        let segment = record.segment.0;
        let positions = match known.entry(segment) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(intake::known_positions(&mut tx, &on.node, segment as i64).await?),
        };
        let has_row = positions.contains(&(record.position.0 as i64));
        if !has_row && !is_elsewhere(&mut tx, record).await? {
            findings.wrong(format!(
                "object {} in segment {} was received and has no row ({})",
                record.position.0, record.segment, record.meta.sop_instance
            ));
        }
    }
    if waiting > 0 {
        findings.notes.push(format!("{waiting} received objects wait to be indexed"));
    }
    let torn = spool.inspection.mismatched.len();
    if torn > 0 {
        findings.notes.push(format!("{torn} unfinished writes in the spool, never acknowledged unless named above"));
    }
    Ok(())
}

/// A repetition of an instance that has its row already, or one that is sealed while its segment still stands.
async fn is_elsewhere(tx: &mut Tx, record: &Record) -> Result<bool, CheckError> {
    let sop_uid = &record.meta.sop_instance;
    Ok(has_object(tx, sop_uid, uid::hash(sop_uid), &record.sha256).await?)
}
