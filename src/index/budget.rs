//! The space delivery forms take: how much it is, and giving up those of studies nobody has looked at for longest.
//!
//! What was given up is pending again, with a word that keeps it from being made before somebody asks for it.

use super::archive::{key_of, unsigned};
use super::{Result, Tx, on};
use crate::archive::ObjectKey;
use crate::domain::{Micros, StudyId};

/// A pending form that is made when somebody opens the study, and not before.
pub const ON_DEMAND: &str = "on_demand";

/// Bytes of all delivery forms.
pub async fn used(tx: &mut Tx) -> Result<u64> {
    let bytes = on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM delivery_object").fetch_one(c).await)?;
    unsigned(bytes)
}

/// A study whose delivery forms may go.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Idle {
    pub study: StudyId,
    pub bytes: i64,
}

/// Signed or stored studies that have delivery forms and that nobody opened, signed or made the forms of since `before`; the
/// one longest left alone first.
pub async fn idle(tx: &mut Tx, before: Micros, limit: i64) -> Result<Vec<Idle>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Idle>(
        "SELECT made.study, CAST(made.bytes AS BIGINT) AS bytes
           FROM (SELECT se.study_id AS study, SUM(d.bytes) AS bytes, MAX(d.created_us) AS made_us
                   FROM delivery_object d JOIN instance i ON i.id = d.instance_id JOIN series se ON se.id = i.series_id
                  GROUP BY se.study_id) AS made
           JOIN study s ON s.id = made.study JOIN case_ c ON c.study_id = made.study
          WHERE c.state IN ('signed', 'stored') AND made.made_us < $1 AND COALESCE(c.signed_us, 0) < $1
            AND COALESCE(s.opened_us, 0) < $1
          ORDER BY CASE WHEN COALESCE(s.opened_us, 0) > made.made_us THEN s.opened_us ELSE made.made_us END, made.study
          LIMIT $2")
        .bind(before).bind(limit).fetch_all(c).await)?)
}

/// Gives up a study's delivery forms; the objects that no row names any more.
pub async fn give_up(tx: &mut Tx, study: StudyId) -> Result<Vec<ObjectKey>> {
    on!(tx, c => sqlx::query(
        "UPDATE instance SET delivery = 'pending', delivery_reason = $2
          WHERE series_id IN (SELECT id FROM series WHERE study_id = $1)
            AND EXISTS (SELECT 1 FROM delivery_object d WHERE d.instance_id = instance.id)")
        .bind(study).bind(ON_DEMAND).execute(c).await.map(drop))?;
    let keys = on!(tx, c => sqlx::query_scalar::<_, String>(
        "DELETE FROM delivery_object WHERE instance_id IN
            (SELECT i.id FROM instance i JOIN series se ON se.id = i.series_id WHERE se.study_id = $1) RETURNING key")
        .bind(study).fetch_all(c).await)?;
    keys.into_iter().map(key_of).collect()
}
