//! The append-only, hash-chained event log.
//!
//! A transaction inserts its events unchained, so writers never wait for one another's numbers. One sequencer, under a
//! database lock, numbers and chains what was committed, in batches; readers see chained rows only, hence never skip
//! one that was inserted earlier but committed later. An event holds ids and figures, no names and no texts.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Db, Result, Scope, Tx, db::PG_CHANNEL, on};
use crate::domain::{AccountId, CaseId, Micros, ReportId, SiteId, StudyId};
pub use wire::EventKind;

/// One event before it is written.
#[derive(Debug, Clone)]
pub struct Event {
    pub kind: EventKind,
    pub at: Micros,
    pub site: Option<SiteId>,
    pub study: Option<StudyId>,
    pub case: Option<CaseId>,
    pub report: Option<ReportId>,
    /// Who did it.
    pub account: Option<AccountId>,
    /// Whom it was done to, or given to.
    pub subject: Option<AccountId>,
    /// Ids and figures.
    pub detail: Value,
}

impl Event {
    pub fn new(kind: EventKind, at: Micros) -> Self {
        Self {
            kind,
            at,
            site: None,
            study: None,
            case: None,
            report: None,
            account: None,
            subject: None,
            detail: json!({}),
        }
    }

    pub fn site(mut self, site: SiteId) -> Self {
        self.site = Some(site);
        self
    }

    pub fn study(mut self, study: StudyId) -> Self {
        self.study = Some(study);
        self
    }

    pub fn case(mut self, case: CaseId) -> Self {
        self.case = Some(case);
        self
    }

    pub fn report(mut self, report: ReportId) -> Self {
        self.report = Some(report);
        self
    }

    pub fn by(mut self, account: AccountId) -> Self {
        self.account = Some(account);
        self
    }

    pub fn subject(mut self, account: AccountId) -> Self {
        self.subject = Some(account);
        self
    }

    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }
}

/// One chained event.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Chained {
    pub seq: i64,
    pub kind: String,
    pub at_us: Micros,
    pub site_id: Option<i64>,
    pub study_id: Option<i64>,
    pub case_id: Option<i64>,
    pub report_id: Option<i64>,
    pub account_id: Option<i64>,
    pub subject_id: Option<i64>,
    pub detail: String,
    pub hash: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct Unchained {
    id: i64,
    kind: String,
    at_us: Micros,
    site_id: Option<i64>,
    study_id: Option<i64>,
    case_id: Option<i64>,
    report_id: Option<i64>,
    account_id: Option<i64>,
    subject_id: Option<i64>,
    detail: String,
}

/// Events numbered in one transaction.
const BATCH: i64 = 500;
/// The net under notifications: another process may have written without telling this one.
const POLL: Duration = Duration::from_millis(500);
/// PostgreSQL advisory lock: one sequencer at a time over all nodes. ("yyevents" in ASCII.)
const SEQUENCER_LOCK: i64 = 0x7979_6576_656e_7473;

pub(super) async fn insert(tx: &mut Tx, event: &Event) -> Result<()> {
    on!(tx, c => sqlx::query(
        "INSERT INTO event (kind, at_us, site_id, study_id, case_id, report_id, account_id, subject_id, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(event.kind.word())
        .bind(event.at)
        .bind(event.site.map(|id| id.0))
        .bind(event.study.map(|id| id.0))
        .bind(event.case.map(|id| id.0))
        .bind(event.report.map(|id| id.0))
        .bind(event.account.map(|id| id.0))
        .bind(event.subject.map(|id| id.0))
        .bind(event.detail.to_string())
        .execute(c).await.map(drop))?;
    Ok(())
}

pub async fn last_seq(tx: &mut Tx) -> Result<i64> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, i64>("SELECT COALESCE(MAX(seq), 0) FROM event").fetch_one(c).await)?)
}

/// Chained events after `seq`, oldest first, within the caller's sites; `scope` hides other sites' and no site's events.
pub async fn after(tx: &mut Tx, seq: i64, scope: Scope, limit: i64) -> Result<Vec<Chained>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Chained>(
        "SELECT seq, kind, at_us, site_id, study_id, case_id, report_id, account_id, subject_id, detail, hash
           FROM event WHERE seq > $1 AND (CAST($2 AS BIGINT) IS NULL OR site_id = $2) ORDER BY seq LIMIT $3")
        .bind(seq).bind(scope.site()).bind(limit).fetch_all(c).await)?)
}

/// All chained events of one case, oldest first.
pub async fn of_case(tx: &mut Tx, case: CaseId) -> Result<Vec<Chained>> {
    Ok(on!(tx, c => sqlx::query_as::<_, Chained>(
        "SELECT seq, kind, at_us, site_id, study_id, case_id, report_id, account_id, subject_id, detail, hash
           FROM event WHERE case_id = $1 AND seq IS NOT NULL ORDER BY seq")
        .bind(case).fetch_all(c).await)?)
}

/// Numbers and chains committed events until told to stop. One runs in every process that serves.
pub async fn sequence(db: Db, stop: CancellationToken) {
    if let Some(pool) = db.postgres() {
        tokio::spawn(listen(pool.clone(), db.clone(), stop.clone()));
    }
    loop {
        match chain_batch(&db).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "events wait to be chained"),
        }
        tokio::select! {
            () = db.unchained.notified() => {}
            () = tokio::time::sleep(POLL) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Other nodes' commits arrive here.
async fn listen(pool: sqlx::PgPool, db: Db, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let heard = async {
            let mut listener = sqlx::postgres::PgListener::connect_with(&pool).await?;
            listener.listen(PG_CHANNEL).await?;
            loop {
                listener.recv().await?;
                db.unchained.notify_one();
            }
        };
        let ended: sqlx::Result<()> = tokio::select! { ended = heard => ended, () = stop.cancelled() => return };
        if let Err(error) = ended {
            tracing::warn!(%error, "not listening to the database; polling instead");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Chains up to [`BATCH`] events; true when there may be more. Announces what it, or another process, chained.
pub async fn chain_batch(db: &Db) -> Result<bool> {
    let waiting = {
        let mut tx = db.read().await?;
        let last = last_seq(&mut tx).await?;
        db.chained.send_if_modified(|seen| std::mem::replace(seen, last) != last);
        on!(&mut tx, c => sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM event WHERE seq IS NULL").fetch_one(c).await)?
    };
    if waiting == 0 {
        return Ok(false);
    }
    let mut tx = db.write().await?;
    if let Tx::Postgres { inner, .. } = &mut tx {
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(SEQUENCER_LOCK).execute(&mut **inner).await?;
    }
    let (mut seq, mut hash) = chain_end(&mut tx).await?;
    let batch = on!(&mut tx, c => sqlx::query_as::<_, Unchained>(
        "SELECT id, kind, at_us, site_id, study_id, case_id, report_id, account_id, subject_id, detail
           FROM event WHERE seq IS NULL ORDER BY id LIMIT $1").bind(BATCH).fetch_all(c).await)?;
    let count = batch.len();
    for event in batch {
        let id = event.id;
        seq += 1;
        let chained = event.chain(seq, &hash);
        on!(&mut tx, c => sqlx::query("UPDATE event SET seq = $1, hash = $2 WHERE id = $3")
            .bind(seq).bind(&chained.hash[..]).bind(id).execute(c).await.map(drop))?;
        hash = chained.hash;
    }
    tx.commit().await?;
    db.chained.send_replace(seq);
    Ok(i64::try_from(count).is_ok_and(|count| count == BATCH))
}

async fn chain_end(tx: &mut Tx) -> Result<(i64, Vec<u8>)> {
    let end = on!(tx, c => sqlx::query_as::<_, (i64, Vec<u8>)>(
        "SELECT seq, hash FROM event WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1").fetch_optional(c).await)?;
    Ok(end.unwrap_or((0, Vec::new())))
}

impl Unchained {
    fn chain(self, seq: i64, previous: &[u8]) -> Chained {
        let mut chained = Chained {
            seq,
            kind: self.kind,
            at_us: self.at_us,
            site_id: self.site_id,
            study_id: self.study_id,
            case_id: self.case_id,
            report_id: self.report_id,
            account_id: self.account_id,
            subject_id: self.subject_id,
            detail: self.detail,
            hash: Vec::new(),
        };
        chained.hash = chained.digest(previous);
        chained
    }
}

impl Chained {
    /// SHA-256 over the previous event's hash and this one's fields as a JSON array: the link of the chain.
    fn digest(&self, previous: &[u8]) -> Vec<u8> {
        let fields = json!([
            self.seq,
            self.kind,
            self.at_us,
            self.site_id,
            self.study_id,
            self.case_id,
            self.report_id,
            self.account_id,
            self.subject_id,
            self.detail
        ]);
        Sha256::new().chain_update(previous).chain_update(fields.to_string()).finalize().to_vec()
    }
}

/// Walks the whole chain; the number of the first event that does not fit, or the count of those that do.
pub async fn verify_chain(tx: &mut Tx) -> Result<std::result::Result<i64, i64>> {
    let (mut seq, mut hash) = (0, Vec::new());
    loop {
        let page = after(tx, seq, Scope::All, 1000).await?;
        if page.is_empty() {
            return Ok(Ok(seq));
        }
        for event in page {
            if event.seq != seq + 1 || event.digest(&hash) != event.hash {
                return Ok(Err(seq + 1));
            }
            (seq, hash) = (event.seq, event.hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::testing::on_both_engines;

    async fn write(db: &Db, kinds: &[EventKind]) {
        let mut tx = db.write().await.unwrap();
        for kind in kinds {
            tx.event(&Event::new(*kind, Micros(7)).site(SiteId(3))).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    #[tokio::test]
    async fn events_are_numbered_in_commit_order_and_chained() {
        on_both_engines(async |db| {
            write(&db, &[EventKind::Arriving, EventKind::Complete]).await;
            assert!(after(&mut db.read().await.unwrap(), 0, Scope::All, 10).await.unwrap().is_empty());
            chain_batch(&db).await.unwrap();
            write(&db, &[EventKind::Queued]).await;
            chain_batch(&db).await.unwrap();
            let mut tx = db.read().await.unwrap();
            let kinds: Vec<_> = after(&mut tx, 1, Scope::All, 10).await.unwrap().into_iter().map(|e| e.kind).collect();
            assert_eq!(kinds, ["study.complete", "case.queued"]);
            assert_eq!(verify_chain(&mut tx).await.unwrap(), Ok(3));
            assert_eq!(*db.watch().borrow(), 3);
        })
        .await;
    }

    #[tokio::test]
    async fn a_changed_event_breaks_the_chain() {
        on_both_engines(async |db| {
            write(&db, &[EventKind::Arriving, EventKind::Complete, EventKind::Queued]).await;
            chain_batch(&db).await.unwrap();
            let mut tx = db.write().await.unwrap();
            on!(&mut tx, c => sqlx::query("UPDATE event SET at_us = 8 WHERE seq = 2").execute(c).await.map(drop))
                .unwrap();
            assert_eq!(verify_chain(&mut tx).await.unwrap(), Err(2));
        })
        .await;
    }

    #[tokio::test]
    async fn a_site_sees_its_own_events_only() {
        on_both_engines(async |db| {
            write(&db, &[EventKind::Arriving]).await;
            chain_batch(&db).await.unwrap();
            let mut tx = db.read().await.unwrap();
            assert_eq!(after(&mut tx, 0, Scope::Site(SiteId(3)), 10).await.unwrap().len(), 1);
            assert!(after(&mut tx, 0, Scope::Site(SiteId(4)), 10).await.unwrap().is_empty());
        })
        .await;
    }
}
