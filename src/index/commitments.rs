//! Requests for storage commitment (PS3.4 annex J): what was asked, what the archive has of it, and when its result is sent.
//!
//! The result is judged anew whenever it is sent; nothing here waits for what is still on its way into the index.

use std::collections::BTreeMap;

use super::evidence::{self, Evidence};
use super::{Error, Result, Scope, Tx, on};
use crate::dicom::uid;
use crate::domain::{CommitmentId, DeviceId, Micros, SiteId};

/// SOP class and SOP instance, as the device names them.
pub type Named = (String, String);

/// A device's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub transaction: String,
    /// As whom we were called.
    pub called_ae: String,
    pub named: Vec<Named>,
}

/// A request whose result is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    pub id: CommitmentId,
    pub device: DeviceId,
    pub site: SiteId,
    /// The device's title and where it takes what is sent to it; `None`: nowhere.
    pub ae_title: String,
    pub address: Option<String>,
    /// By which it is known where it is called over TLS, by [`crate::domain::Fingerprint`]'s text.
    pub certificate: Option<String>,
    pub asked: Asked,
    pub at: Micros,
    pub attempts: i64,
}

/// What the archive has of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Kept,
    /// It came, and is not among the instances, or not as it came last.
    Quarantined,
    OtherClass,
    Missing,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Taken,
    GivenUp,
}

impl End {
    const fn word(self) -> &'static str {
        match self {
            End::Taken => "taken",
            End::GivenUp => "given_up",
        }
    }
}

/// Keeps a request; `due`: when its result is sent if nobody did before. A device that asks again under the same
/// transaction has not heard, and means the same.
pub async fn ask(tx: &mut Tx, device: DeviceId, asked: &Asked, now: Micros, due: Micros) -> Result<CommitmentId> {
    let named = serde_json::to_string(&asked.named).map_err(|error| Error::Corrupt(error.to_string()))?;
    let instances = i64::try_from(asked.named.len()).unwrap_or(i64::MAX);
    Ok(on!(tx, c => sqlx::query_scalar::<_, CommitmentId>(
        "INSERT INTO commitment (device_id, transaction_uid, called_ae, instances, named, asked_us, attempts, due_us)
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7)
         ON CONFLICT (device_id, transaction_uid) DO UPDATE SET
            called_ae = excluded.called_ae, instances = excluded.instances, named = excluded.named,
            asked_us = excluded.asked_us, attempts = 0, due_us = excluded.due_us, ended = NULL, ended_us = NULL
         RETURNING id")
        .bind(device).bind(&asked.transaction).bind(&asked.called_ae).bind(instances).bind(&named).bind(now).bind(due)
        .fetch_one(c).await)?)
}

#[derive(sqlx::FromRow)]
struct OwedRow {
    id: CommitmentId,
    device_id: DeviceId,
    site_id: SiteId,
    ae_title: String,
    address: Option<String>,
    certificate: Option<String>,
    transaction_uid: String,
    called_ae: String,
    named: String,
    asked_us: Micros,
    attempts: i64,
}

impl TryFrom<OwedRow> for Owed {
    type Error = Error;

    fn try_from(row: OwedRow) -> Result<Self> {
        let named = serde_json::from_str(&row.named)
            .map_err(|error| Error::Corrupt(format!("instances of commitment {}: {error}", row.id)))?;
        let OwedRow { id, device_id, site_id, ae_title, address, certificate, called_ae, asked_us, attempts, .. } = row;
        let asked = Asked { transaction: row.transaction_uid, called_ae, named };
        Ok(Self { id, device: device_id, site: site_id, ae_title, address, certificate, asked, at: asked_us, attempts })
    }
}

macro_rules! owed {
    ($rest:literal) => {
        concat!(
            "SELECT k.id, k.device_id, d.site_id, d.ae_title, ",
            "CASE WHEN d.removed_us IS NULL THEN d.address END AS address, d.certificate, k.transaction_uid, k.called_ae, k.named, ",
            "k.asked_us, k.attempts FROM commitment k JOIN device d ON d.id = k.device_id ",
            $rest
        )
    };
}

/// One that is not over.
pub async fn owed(tx: &mut Tx, id: CommitmentId) -> Result<Owed> {
    let row = on!(tx, c => sqlx::query_as::<_, OwedRow>(owed!("WHERE k.id = $1 AND k.due_us IS NOT NULL"))
        .bind(id).fetch_optional(c).await)?;
    row.ok_or(Error::NotFound)?.try_into()
}

pub async fn any_due(tx: &mut Tx, now: Micros) -> Result<bool> {
    let first = on!(tx, c => sqlx::query_scalar::<_, i64>("SELECT id FROM commitment WHERE due_us <= $1 LIMIT 1")
        .bind(now).fetch_optional(c).await)?;
    Ok(first.is_some())
}

/// Takes up to `limit` whose results are due; nobody else gets them until `lease`.
pub async fn take_due(tx: &mut Tx, now: Micros, lease: Micros, limit: i64) -> Result<Vec<Owed>> {
    let rows = on!(tx, c => sqlx::query_as::<_, OwedRow>(owed!("WHERE k.due_us <= $1 ORDER BY k.due_us, k.id LIMIT $2"))
        .bind(now).bind(limit).fetch_all(c).await)?;
    let mut taken = Vec::with_capacity(rows.len());
    for row in rows {
        if put_off(tx, row.id, now, lease, row.attempts).await? {
            taken.push(row.try_into()?);
        }
    }
    Ok(taken)
}

/// The result is tried next at `due`, if it is still due by `now`: whoever comes second does nothing.
async fn put_off(tx: &mut Tx, id: CommitmentId, now: Micros, due: Micros, attempts: i64) -> Result<bool> {
    let changed = on!(tx, c => sqlx::query(
        "UPDATE commitment SET due_us = $1 WHERE id = $2 AND due_us <= $3 AND attempts = $4")
        .bind(due).bind(id).bind(now).bind(attempts).execute(c).await?.rows_affected());
    Ok(changed > 0)
}

/// The result is tried next at `due`, after so many attempts.
pub async fn retry(tx: &mut Tx, id: CommitmentId, attempts: i64, due: Micros) -> Result<()> {
    Ok(
        on!(tx, c => sqlx::query("UPDATE commitment SET attempts = $1, due_us = $2 WHERE id = $3 AND due_us IS NOT NULL")
        .bind(attempts).bind(due).bind(id).execute(c).await.map(drop))?,
    )
}

/// It is over; what it named is no longer needed.
pub async fn end(tx: &mut Tx, id: CommitmentId, end: End, now: Micros) -> Result<()> {
    Ok(on!(tx, c => sqlx::query(
        "UPDATE commitment SET named = '[]', due_us = NULL, ended = $1, ended_us = $2 WHERE id = $3")
        .bind(end.word()).bind(now).bind(id).execute(c).await.map(drop))?)
}

/// After a start no association holds any: what was never tried is due.
pub async fn resume(tx: &mut Tx, now: Micros) -> Result<()> {
    Ok(on!(tx, c => sqlx::query("UPDATE commitment SET due_us = $1 WHERE attempts = 0 AND due_us > $1")
        .bind(now).execute(c).await.map(drop))?)
}

/// What the archive has of each instance that is named, within `scope`. What is there of a study of the device's own site
/// is evidence of that study.
pub async fn judge(tx: &mut Tx, owed: &Owed, scope: Scope, now: Micros) -> Result<Vec<Fate>> {
    let mut fates = Vec::with_capacity(owed.asked.named.len());
    let mut of_study: BTreeMap<String, i64> = BTreeMap::new();
    for (sop_class, sop_uid) in &owed.asked.named {
        let found = instances(tx, scope, sop_uid).await?;
        let held_back = quarantined(tx, scope, sop_uid).await?;
        fates.push(match () {
            () if !held_back.is_empty() => Fate::Quarantined,
            () if found.is_empty() => Fate::Missing,
            () if found.iter().any(|one| one.sop_class == *sop_class) => Fate::Kept,
            () => Fate::OtherClass,
        });
        let mut studies: Vec<_> = found.into_iter().chain(held_back).filter(|one| one.site_id == owed.site).collect();
        studies.dedup_by(|a, b| a.study_uid == b.study_uid);
        for study in studies.into_iter().filter_map(|one| one.study_uid) {
            *of_study.entry(study).or_default() += 1;
        }
    }
    for (study, instances) in of_study {
        let asked = Evidence::CommitmentAsked { transaction: owed.asked.transaction.clone(), instances };
        evidence::note(tx, owed.site, &study, &asked, now).await?;
    }
    Ok(fates)
}

#[derive(sqlx::FromRow)]
struct Found {
    sop_class: String,
    study_uid: Option<String>,
    site_id: SiteId,
}

async fn instances(tx: &mut Tx, scope: Scope, sop_uid: &str) -> Result<Vec<Found>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Found>(
        "SELECT i.sop_class, st.uid AS study_uid, st.site_id
           FROM instance i JOIN series se ON se.id = i.series_id JOIN study st ON st.id = se.study_id
          WHERE i.sop_hash = $1 AND i.sop_uid = $2 AND (CAST($3 AS BIGINT) IS NULL OR st.site_id = $3)
          ORDER BY st.uid")
        .bind(uid::hash(sop_uid)).bind(sop_uid).bind(scope.site()).fetch_all(c).await)?)
}

/// What lies in quarantine and did not become an instance; what a person decided to leave there matters only where there
/// is no other copy.
async fn quarantined(tx: &mut Tx, scope: Scope, sop_uid: &str) -> Result<Vec<Found>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Found>(
        "SELECT q.sop_class, st.uid AS study_uid, q.site_id
           FROM quarantine q LEFT JOIN study st ON st.id = q.study_id
          WHERE q.sop_uid = $1 AND (CAST($2 AS BIGINT) IS NULL OR q.site_id = $2) AND q.instance_id IS NULL
            AND (q.settled_us IS NULL
                OR NOT EXISTS (SELECT 1 FROM instance i WHERE i.sop_hash = $3 AND i.sop_uid = q.sop_uid))
          ORDER BY q.id")
        .bind(sop_uid).bind(scope.site()).bind(uid::hash(sop_uid)).fetch_all(c).await)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CaseState, Urgency};
    use crate::index::Db;
    use crate::index::community::{add_device, add_site, set_device_address};
    use crate::index::evidence::{Kind, of_arriving};
    use crate::index::testing::{on_both_engines, seed_case};

    const NOW: Micros = Micros(1_000_000);

    fn asked(transaction: &str, named: &[(&str, &str)]) -> Asked {
        let named = named.iter().map(|(class, instance)| ((*class).to_owned(), (*instance).to_owned())).collect();
        Asked { transaction: transaction.into(), called_ae: "YUNYING".into(), named }
    }

    /// Its one instance has the UID of its study, and the class 1.2.
    async fn arriving(db: &Db) -> (SiteId, String) {
        let seeded = seed_case(db, "xz", CaseState::Arriving, Urgency::Routine, NOW).await;
        let mut tx = db.write().await.unwrap();
        let uid = on!(&mut tx, c => sqlx::query_scalar::<_, String>("SELECT uid FROM study WHERE id = $1")
            .bind(seeded.study).fetch_one(c).await)
        .unwrap();
        on!(&mut tx, c => sqlx::query("UPDATE instance SET sop_hash = $1, sop_uid = $2")
            .bind(uid::hash(&uid)).bind(&uid).execute(c).await.map(drop))
        .unwrap();
        tx.commit().await.unwrap();
        (seeded.site, uid)
    }

    #[tokio::test]
    async fn what_is_kept_is_told_from_what_is_not_and_is_evidence_of_its_study() {
        on_both_engines(async |db| {
            let (site, uid) = arriving(&db).await;
            let mut tx = db.write().await.unwrap();
            let tx = &mut tx;
            let device = add_device(tx, "CT1", site, "CT", None, NOW).await.unwrap();
            on!(&mut *tx, c => sqlx::query(
                "INSERT INTO quarantine (received_us, device_id, site_id, calling_ae, sop_uid, sop_class, transfer_syntax,
                    reason, detail, bytes, sha256, crc32, dataset_offset, node, segment, position, file_offset)
                 VALUES (1, $1, $2, 'CT1', '1.66', '1.2', '1.2', 'unreadable', '', 1, $3, 0, 0, 'n', 1, 99, 0)")
                .bind(device).bind(site).bind(&[0_u8; 32][..]).execute(c).await.map(drop))
            .unwrap();
            let named = [("1.2", uid.as_str()), ("1.3", uid.as_str()), ("1.2", "1.66"), ("1.2", "1.77")];
            let id = ask(tx, device, &asked("1.5", &named), NOW, NOW).await.unwrap();
            let owed = owed(tx, id).await.unwrap();
            assert_eq!((&owed.ae_title[..], owed.address.as_deref(), owed.site), ("CT1", None, site));
            let fates = judge(tx, &owed, Scope::Site(site), NOW).await.unwrap();
            assert_eq!(fates, [Fate::Kept, Fate::OtherClass, Fate::Quarantined, Fate::Missing]);
            let told = of_arriving(tx).await.unwrap();
            assert_eq!(told.iter().map(|told| (told.kind, told.most)).collect::<Vec<_>>(), [(Kind::Commitment, 2)]);

            let elsewhere = add_site(tx, "NP", "南坪镇", "township", NOW).await.unwrap();
            let fates = judge(tx, &owed, Scope::Site(elsewhere), NOW).await.unwrap();
            assert_eq!(fates, [Fate::Missing; 4], "what a device may not see is not there");
        })
        .await;
    }

    #[tokio::test]
    async fn a_result_is_owed_until_it_is_taken_and_one_sender_has_it_at_a_time() {
        on_both_engines(async |db| {
            let mut tx = db.write().await.unwrap();
            let tx = &mut tx;
            let site = add_site(tx, "QH", "青禾镇", "township", NOW).await.unwrap();
            let device = add_device(tx, "CT1", site, "CT", None, NOW).await.unwrap();
            set_device_address(tx, device, Some("10.0.0.9:104"), NOW).await.unwrap();
            let (soon, late) = (Micros(NOW.0 + 10), Micros(NOW.0 + 1000));
            let id = ask(tx, device, &asked("1.5", &[("1.2", "1.3")]), NOW, soon).await.unwrap();
            assert!(take_due(tx, NOW, late, 9).await.unwrap().is_empty(), "its association has it");
            resume(tx, NOW).await.unwrap();
            let taken = take_due(tx, NOW, late, 9).await.unwrap();
            assert_eq!(taken.iter().map(|owed| owed.id).collect::<Vec<_>>(), [id]);
            assert_eq!(
                (taken[0].address.as_deref(), &taken[0].asked.named[..]),
                (Some("10.0.0.9:104"), &[("1.2".to_owned(), "1.3".to_owned())][..])
            );
            assert!(take_due(tx, soon, late, 9).await.unwrap().is_empty());
            retry(tx, id, 1, soon).await.unwrap();
            resume(tx, NOW).await.unwrap();
            assert!(take_due(tx, NOW, late, 9).await.unwrap().is_empty(), "a start does not hasten retries");
            assert_eq!(take_due(tx, soon, late, 9).await.unwrap()[0].attempts, 1);
            end(tx, id, End::Taken, late).await.unwrap();
            assert!(matches!(owed(tx, id).await, Err(Error::NotFound)));
            retry(tx, id, 2, NOW).await.unwrap();
            assert!(take_due(tx, late, late, 9).await.unwrap().is_empty(), "what is over stays over");

            let again = ask(tx, device, &asked("1.5", &[("1.2", "1.4")]), late, late).await.unwrap();
            assert_eq!((again, owed(tx, id).await.unwrap().attempts), (id, 0));
        })
        .await;
    }
}
