//! Figures for those who watch the center: counts, no person and no study.

use super::{Error, Result, Tx, on};
use crate::domain::{CaseId, CaseState, Micros, Urgency};

/// Whether the database answers at all.
pub async fn answers(tx: &mut Tx) -> Result<()> {
    on!(tx, c => sqlx::query_scalar::<_, i64>("SELECT CAST(1 AS BIGINT)").fetch_one(c).await)?;
    Ok(())
}

/// A case's modality and urgency.
pub async fn kind_of_case(tx: &mut Tx, case: CaseId) -> Result<(String, Urgency)> {
    let (modality, urgency) = on!(tx, c => sqlx::query_as::<_, (String, String)>(
        "SELECT modality, urgency FROM case_ WHERE id = $1").bind(case).fetch_optional(c).await)?
    .ok_or(Error::NotFound)?;
    Ok((modality, Urgency::try_from(urgency).map_err(|error| Error::Corrupt(error.to_string()))?))
}

/// Open cases in one state.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Open {
    #[sqlx(try_from = "String")]
    pub state: CaseState,
    pub cases: i64,
    /// Of these, whose report should have been signed by now.
    pub overdue: i64,
}

/// How many cases are open, by state. The states are listed so that signed cases, by far the most, are not even counted.
pub async fn open_cases(tx: &mut Tx, now: Micros) -> Result<Vec<Open>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Open>(
        "SELECT state, COUNT(*) AS cases,
                CAST(SUM(CASE WHEN due_us < $1 THEN 1 ELSE 0 END) AS BIGINT) AS overdue
           FROM case_
          WHERE state IN ('arriving', 'queued', 'assigned', 'opened', 'drafted', 'submitted', 'returned')
          GROUP BY state ORDER BY state").bind(now).fetch_all(c).await)?)
}

/// Events that wait for the sequencer.
pub async fn unchained_events(tx: &mut Tx) -> Result<i64> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM event WHERE seq IS NULL").fetch_one(c).await)?)
}

/// Instances that wait for their delivery form.
pub async fn pending_instances(tx: &mut Tx) -> Result<i64> {
    Ok(
        on!(tx, c => sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM instance WHERE delivery = 'pending' AND delivery_reason = ''")
        .fetch_one(c).await)?,
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::index::testing::{on_both_engines, seed_case};
    use crate::index::{Scope, cases};

    #[tokio::test]
    async fn every_state_in_which_a_report_is_awaited_counts_as_open() {
        on_both_engines(async |db| {
            let start = Micros(1_000_000_000);
            for state in CaseState::ALL {
                seed_case(&db, "QH", *state, Urgency::Stat, start).await;
            }
            let late = seed_case(&db, "QH", CaseState::Queued, Urgency::Routine, start).await.case;
            let mut tx = db.write().await.unwrap();
            on!(&mut tx, c => sqlx::query("UPDATE case_ SET due_us = $1 WHERE id = $2")
                .bind(start).bind(late).execute(c).await.map(drop))
            .unwrap();
            let open = open_cases(&mut tx, start + Duration::from_secs(1)).await.unwrap();
            assert_eq!(open.len(), CaseState::ALL.len() - 2, "not the signed and not the stored");
            for Open { state, cases, overdue } in open {
                let expected = if state == CaseState::Queued { (2, 1) } else { (1, 0) };
                assert_eq!((cases, overdue), expected, "{state}");
            }
            assert_eq!(kind_of_case(&mut tx, late).await.unwrap(), ("CT".to_owned(), Urgency::Routine));
            assert!(matches!(kind_of_case(&mut tx, CaseId(99)).await, Err(Error::NotFound)));
            answers(&mut tx).await.unwrap();
            assert_eq!(
                (unchained_events(&mut tx).await.unwrap() > 0, pending_instances(&mut tx).await.unwrap()),
                (true, 0)
            );
        })
        .await;
    }

    #[tokio::test]
    async fn open_is_what_is_on_its_way_to_a_signed_report_and_nothing_else() {
        on_both_engines(async |db| {
            for state in CaseState::ALL {
                seed_case(&db, "QH", *state, Urgency::Routine, Micros(1)).await;
            }
            let mut tx = db.read().await.unwrap();
            let mut counted: Vec<_> = open_cases(&mut tx, Micros(2)).await.unwrap().iter().map(|of| of.state).collect();
            let listed = cases::open_cases(&mut tx, Scope::All, 100).await.unwrap();
            let mut listed: Vec<_> = listed.iter().map(|row| row.state).collect();
            let of_board = cases::figures(&mut tx, Scope::All, Micros(i64::MAX)).await.unwrap();
            let mut of_board: Vec<_> = of_board.iter().map(|figure| figure.state).collect();
            let mut expected: Vec<_> = CaseState::ALL.iter().copied().filter(|state| state.is_open()).collect();
            for states in [&mut counted, &mut listed, &mut of_board, &mut expected] {
                states.sort();
            }
            assert_eq!((&counted, &listed, &of_board), (&expected, &expected, &expected));
        })
        .await;
    }
}
