//! Performed procedure steps (PS3.4 annex F): what a modality says that it does for a study, until it says that it is done.
//!
//! A step is known by its UID within the site that tells of it. Once it is over, nothing changes it.

use super::evidence::{self, Evidence};
use super::orders::{self, Over, Referred};
use super::{Error, Result, Tx, on};
use crate::domain::{DeviceId, Micros, NewStep, OrderId, SiteId, StepChange, StepState};

/// Errors: [`Error::Exists`] where the site has told of it before.
pub async fn begin(tx: &mut Tx, device: DeviceId, site: SiteId, step: &NewStep, now: Micros) -> Result<()> {
    let mut studies: Vec<&str> = step.scheduled.iter().map(|one| one.study_uid.as_str()).collect();
    studies.sort_unstable();
    studies.dedup();
    let as_json = serde_json::to_string(&studies).map_err(|error| Error::Corrupt(error.to_string()))?;
    let begun = on!(tx, c => sqlx::query_scalar::<_, i64>(
        "INSERT INTO performed_step (site_id, device_id, uid, studies, state, instances, begun_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (site_id, uid) DO NOTHING RETURNING id")
        .bind(site).bind(device).bind(&step.uid).bind(&as_json).bind(StepState::InProgress.word()).bind(step.instances)
        .bind(now).fetch_optional(c).await)?;
    let Some(begun) = begun else {
        return Err(Error::Exists(format!("performed procedure step {}", step.uid)));
    };
    for study in studies {
        evidence::note(tx, site, study, &Evidence::StepBegun { step: step.uid.clone() }, now).await?;
    }
    refer_to_orders(tx, begun, site, step, now).await
}

/// What was registered as an exam and is made by this step has begun.
async fn refer_to_orders(tx: &mut Tx, begun: i64, site: SiteId, step: &NewStep, now: Micros) -> Result<()> {
    let mut of_step: Vec<OrderId> = Vec::new();
    for one in &step.scheduled {
        let referred = Referred { study_uid: &one.study_uid, accession: &one.accession, pid: &step.patient_id };
        of_step.extend(orders::refer_to(tx, site, referred, now).await?);
    }
    if of_step.is_empty() {
        return Ok(());
    }
    let of_step = serde_json::to_string(&of_step).map_err(|error| Error::Corrupt(error.to_string()))?;
    on!(tx, c => sqlx::query("UPDATE performed_step SET orders = $2 WHERE id = $1")
        .bind(begun).bind(&of_step).execute(c).await.map(drop))?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct StepRow {
    id: i64,
    studies: String,
    orders: String,
    instances: i64,
}

/// Errors: [`Error::NotFound`] where the site has told of no such step, [`Error::Refused`] where it is over.
pub async fn change(tx: &mut Tx, site: SiteId, uid: &str, change: &StepChange, now: Micros) -> Result<()> {
    let known = on!(tx, c => sqlx::query_scalar::<_, i64>("SELECT id FROM performed_step WHERE site_id = $1 AND uid = $2")
        .bind(site).bind(uid).fetch_optional(c).await)?;
    let known = known.ok_or(Error::NotFound)?;
    let state = change.state.unwrap_or(StepState::InProgress);
    let ended = (state != StepState::InProgress).then_some(now.0);
    // Of two that end it at a time the second finds it over.
    let row = on!(tx, c => sqlx::query_as::<_, StepRow>(
        "UPDATE performed_step SET state = $1, instances = COALESCE(CAST($2 AS BIGINT), instances), ended_us = $3
          WHERE id = $4 AND ended_us IS NULL RETURNING id, studies, orders, instances")
        .bind(state.word()).bind(change.instances).bind(ended).bind(known).fetch_optional(c).await)?;
    let row = row.ok_or(Error::Refused("the step is over"))?;
    let studies: Vec<String> = serde_json::from_str(&row.studies)
        .map_err(|error| Error::Corrupt(format!("studies of performed step {}: {error}", row.id)))?;
    // Which of several studies an image is in is not said.
    let instances = if studies.len() == 1 { row.instances } else { 0 };
    let step = || uid.to_owned();
    let (told, over) = match state {
        StepState::InProgress => return Ok(()),
        StepState::Completed => (Evidence::StepCompleted { step: step(), instances }, Over::Completed),
        StepState::Discontinued => (Evidence::StepDiscontinued { step: step() }, Over::Discontinued),
    };
    for study in &studies {
        evidence::note(tx, site, study, &told, now).await?;
    }
    let orders: Vec<OrderId> = serde_json::from_str(&row.orders)
        .map_err(|error| Error::Corrupt(format!("orders of performed step {}: {error}", row.id)))?;
    orders::over(tx, site, &orders, over, now).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CaseState, ScheduledStep, Urgency};
    use crate::index::community::{add_device, add_site};
    use crate::index::evidence::{Kind, of_arriving};
    use crate::index::testing::{on_both_engines, seed_case};

    const NOW: Micros = Micros(1_000_000);

    fn to(state: StepState, instances: Option<i64>) -> StepChange {
        StepChange { state: Some(state), instances }
    }

    #[tokio::test]
    async fn a_step_is_begun_once_changed_until_it_is_over_and_is_evidence_of_its_study() {
        on_both_engines(async |db| {
            let seeded = seed_case(&db, "xz", CaseState::Arriving, Urgency::Routine, NOW).await;
            let mut tx = db.write().await.unwrap();
            let tx = &mut tx;
            let study = on!(&mut *tx, c => sqlx::query_scalar::<_, String>("SELECT uid FROM study WHERE id = $1")
                .bind(seeded.study).fetch_one(c).await)
            .unwrap();
            let device = add_device(tx, "US9", seeded.site, "US", None, NOW).await.unwrap();
            let scheduled = vec![ScheduledStep { study_uid: study, accession: String::new() }];
            let step = NewStep { uid: "1.9".into(), patient_id: String::new(), scheduled, instances: 0 };
            begin(tx, device, seeded.site, &step, NOW).await.unwrap();
            assert!(matches!(begin(tx, device, seeded.site, &step, NOW).await, Err(Error::Exists(_))));
            let kinds = async |tx: &mut Tx| {
                let told = of_arriving(tx).await.unwrap();
                told.into_iter().map(|told| (told.kind, told.most)).collect::<Vec<_>>()
            };
            assert_eq!(kinds(tx).await, [(Kind::StepBegun, 0)]);

            let other = add_site(tx, "NP", "南坪镇", "township", NOW).await.unwrap();
            let done = to(StepState::Completed, None);
            assert!(matches!(change(tx, other, "1.9", &done, NOW).await, Err(Error::NotFound)));
            change(tx, seeded.site, "1.9", &StepChange { state: None, instances: Some(4) }, NOW).await.unwrap();
            assert_eq!(kinds(tx).await, [(Kind::StepBegun, 0)]);
            change(tx, seeded.site, "1.9", &done, NOW).await.unwrap();
            assert_eq!(kinds(tx).await, [(Kind::StepCompleted, 4)]);
            for late in [done, to(StepState::InProgress, Some(9)), to(StepState::Discontinued, None)] {
                assert!(matches!(change(tx, seeded.site, "1.9", &late, NOW).await, Err(Error::Refused(_))));
            }

            let step = NewStep { uid: "1.10".into(), ..step };
            begin(tx, device, seeded.site, &step, NOW).await.unwrap();
            change(tx, seeded.site, "1.10", &to(StepState::Discontinued, Some(1)), NOW).await.unwrap();
            assert_eq!(kinds(tx).await, [(Kind::StepCompleted, 4)], "what is discontinued promises nothing");
        })
        .await;
    }
}
