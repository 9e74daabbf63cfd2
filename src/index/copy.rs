//! The whole index out of one database into another, whatever their engines: backups, restoring them, moving to PostgreSQL.
//!
//! A copy is one snapshot read and one transaction written. It knows rows and no meaning, with two exceptions: what
//! lives for minutes stays behind, and what was derived from images can be forgotten on the way.

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Row};

use super::{Error, Result, Tx, on};

/// Every table that is copied, parents before children. The others hold what lives for minutes.
const TABLES: [&str; 36] = [
    "site",
    "device",
    "account",
    "token",
    "event",
    "patient",
    "name_form",
    "patient_unnamed",
    "person",
    "person_link",
    "study",
    "study_correction",
    "study_evidence",
    "series",
    "series_request",
    "pack",
    "instance",
    "instance_metadata",
    "delivery_object",
    "quarantine",
    "quarantine_act",
    "commitment",
    "exam_order",
    "performed_step",
    "spool_cursor",
    "case_",
    "duty",
    "decision",
    "report",
    "report_signature",
    "report_author",
    "legal_hold",
    "erasure",
    "erased_dataset",
    "erasure_pack",
    "erasure_object",
];

/// Rows a statement. PostgreSQL answers each statement over the network; SQLite is fastest row by row.
const POSTGRES_ROWS: usize = 200;

enum Value {
    Whole(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Text,
    Bytes,
}

struct Column {
    name: String,
    kind: Kind,
}

/// Copies every row of `from` into `to`, which must be empty; says after each table how many rows it had. Returns
/// them all.
///
/// Errors: [`Error::Refused`] when `to` holds anything, [`Error::Corrupt`] when the two don't have the same columns.
pub async fn copy_all(from: &mut Tx, to: &mut Tx, said: impl Fn(&str, u64)) -> Result<u64> {
    if !is_empty(to).await? {
        return Err(Error::Refused("the database is not empty"));
    }
    let triggers = Triggers::lift(to).await?;
    let mut all = 0;
    for table in TABLES {
        let columns = columns(to, table).await?;
        let there: Vec<_> = self::columns(from, table).await?.into_iter().map(|column| column.name).collect();
        if columns.len() != there.len() || !columns.iter().all(|column| there.contains(&column.name)) {
            return Err(Error::Corrupt(format!("table {table} has other columns there than here")));
        }
        let rows = copy_table(from, to, table, &columns).await?;
        said(table, rows);
        all += rows;
    }
    triggers.set(to).await?;
    Ok(all)
}

/// Whether there is no row in any table that would be copied.
pub async fn is_empty(tx: &mut Tx) -> Result<bool> {
    for table in TABLES {
        let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM {table} LIMIT 1) AS one");
        let found = on!(tx, c => sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql.clone())).fetch_one(c).await)?;
        if found > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Forgets the delivery forms: whoever has the images makes them again.
pub async fn forget_derived(tx: &mut Tx) -> Result<()> {
    on!(tx, c => sqlx::query(
        "UPDATE instance SET delivery = 'pending', delivery_reason = ''
          WHERE id IN (SELECT instance_id FROM delivery_object)").execute(c).await.map(drop))?;
    on!(tx, c => sqlx::query("DELETE FROM delivery_object").execute(c).await.map(drop))?;
    Ok(())
}

/// An object of the archive that a row names, and what was written to it.
#[derive(Debug, sqlx::FromRow)]
pub struct NamedObject {
    pub key: String,
    /// Known of packs only.
    pub bytes: Option<i64>,
    pub sha256: Vec<u8>,
}

/// Every pack, document and tombstone that a row names: what can't be made again.
pub async fn objects(tx: &mut Tx) -> Result<Vec<NamedObject>> {
    Ok(on!(tx, c => sqlx::query_as::<_, NamedObject>(
        "SELECT key, bytes, sha256 FROM pack
         UNION ALL SELECT pdf_key, NULL, pdf_sha256 FROM report WHERE pdf_key IS NOT NULL
         UNION ALL SELECT tombstone_key, NULL, tombstone_sha256 FROM erasure WHERE tombstone_key IS NOT NULL
          ORDER BY 1").fetch_all(c).await)?)
}

/// Segments of `node`'s spool that hold what no pack has yet.
pub async fn segments_needed(tx: &mut Tx, node: &str) -> Result<Vec<i64>> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT segment FROM instance WHERE pack_id IS NULL AND node = $1
         UNION SELECT segment FROM quarantine WHERE pack_id IS NULL AND instance_id IS NULL AND node = $1").bind(node).fetch_all(c).await)?)
}

/// Objects that lie in the spools of other nodes than `node`, by node.
pub async fn unsealed_elsewhere(tx: &mut Tx, node: &str) -> Result<Vec<(String, i64)>> {
    Ok(on!(tx, c => sqlx::query_as::<_, (String, i64)>(
        "SELECT node, COUNT(*) FROM (
            SELECT node FROM instance WHERE pack_id IS NULL AND node <> $1
            UNION ALL SELECT node FROM quarantine
             WHERE pack_id IS NULL AND instance_id IS NULL AND node <> $1) AS unsealed
          GROUP BY node ORDER BY node").bind(node).fetch_all(c).await)?)
}

/// In the order of the table. Kinds are those of the declaration; this program's tables have no others.
async fn columns(tx: &mut Tx, table: &str) -> Result<Vec<Column>> {
    let sql = if tx.is_postgres() {
        "SELECT column_name::TEXT, UPPER(data_type::TEXT) FROM information_schema.columns
          WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"
    } else {
        "SELECT name, UPPER(type) FROM pragma_table_info($1) ORDER BY cid"
    };
    let found: Vec<(String, String)> =
        on!(tx, c => sqlx::query_as::<_, (String, String)>(sql).bind(table).fetch_all(c).await)?;
    let column = |(name, declared): (String, String)| {
        let kind = match declared.as_str() {
            "BIGINT" | "INTEGER" => Kind::Whole,
            "TEXT" => Kind::Text,
            "BLOB" | "BYTEA" => Kind::Bytes,
            _ => return Err(Error::Corrupt(format!("column {table}.{name} is declared {declared}"))),
        };
        Ok(Column { name, kind })
    };
    found.into_iter().map(column).collect()
}

async fn copy_table(from: &mut Tx, to: &mut Tx, table: &str, columns: &[Column]) -> Result<u64> {
    let names: Vec<_> = columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    let names = names.join(", ");
    let at_once = if to.is_postgres() { POSTGRES_ROWS } else { 1 };
    let select = format!("SELECT {names} FROM {table}");
    let mut batch = Vec::with_capacity(at_once * columns.len());
    let mut rows = 0;
    on!(from, c => {
        let mut found = sqlx::query(AssertSqlSafe(select.clone())).fetch(c);
        while let Some(row) = found.try_next().await? {
            for (index, column) in columns.iter().enumerate() {
                batch.push(match column.kind {
                    Kind::Whole => Value::Whole(row.try_get(index)?),
                    Kind::Text => Value::Text(row.try_get(index)?),
                    Kind::Bytes => Value::Bytes(row.try_get(index)?),
                });
            }
            rows += 1;
            if batch.len() == at_once * columns.len() {
                insert(to, table, &names, columns.len(), std::mem::take(&mut batch)).await?;
            }
        }
    });
    if !batch.is_empty() {
        insert(to, table, &names, columns.len(), batch).await?;
    }
    if to.is_postgres() && columns.iter().any(|column| column.name == "id") {
        // Numbers given by hand don't move the counter that gives them.
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', 'id'), COALESCE(MAX(id), 1), MAX(id) IS NOT NULL) FROM {table}"
        );
        on!(to, c => sqlx::query(AssertSqlSafe(sql.clone())).execute(c).await.map(drop))?;
    }
    Ok(rows)
}

/// `values` are whole rows of `width`, one behind the other.
async fn insert(to: &mut Tx, table: &str, names: &str, width: usize, values: Vec<Value>) -> Result<()> {
    let row = |row: usize| {
        let places: Vec<_> = (1..=width).map(|column| format!("${}", row * width + column)).collect();
        format!("({})", places.join(", "))
    };
    let rows: Vec<_> = (0..values.len() / width).map(row).collect();
    // Ids are kept: rows and signed contents name each other by them.
    let own_ids = if to.is_postgres() { "OVERRIDING SYSTEM VALUE" } else { "" };
    let sql = format!("INSERT INTO {table} ({names}) {own_ids} VALUES {}", rows.join(", "));
    on!(to, c => {
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for value in values {
            query = match value {
                Value::Whole(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
            };
        }
        query.execute(c).await.map(drop)
    })?;
    Ok(())
}

/// What watches over signed reports would refuse them one row at a time.
struct Triggers {
    /// SQLite's, as they were made: there is no other way to switch one off.
    made: Vec<String>,
}

impl Triggers {
    async fn lift(tx: &mut Tx) -> Result<Self> {
        if tx.is_postgres() {
            switch(tx, "DISABLE").await?;
            return Ok(Self { made: Vec::new() });
        }
        let found: Vec<(String, String)> = on!(tx, c => sqlx::query_as::<_, (String, String)>(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetch_all(c).await)?;
        for (name, _) in &found {
            let sql = format!("DROP TRIGGER \"{name}\"");
            on!(tx, c => sqlx::query(AssertSqlSafe(sql)).execute(c).await.map(drop))?;
        }
        Ok(Self { made: found.into_iter().map(|(_, sql)| sql).collect() })
    }

    async fn set(self, tx: &mut Tx) -> Result<()> {
        if tx.is_postgres() {
            return switch(tx, "ENABLE").await;
        }
        for sql in self.made {
            on!(tx, c => sqlx::query(AssertSqlSafe(sql)).execute(c).await.map(drop))?;
        }
        Ok(())
    }
}

async fn switch(tx: &mut Tx, to: &str) -> Result<()> {
    for table in TABLES {
        let sql = format!("ALTER TABLE {table} {to} TRIGGER USER");
        on!(tx, c => sqlx::query(AssertSqlSafe(sql)).execute(c).await.map(drop))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CaseState, Micros, Role, Urgency};
    use crate::index::Db;
    use crate::index::testing::{on_both_engines, seed_account, seed_case};

    /// Who is signed in, which passwords were tried, what was opened lately: of no use on another day, and better not kept.
    const LEFT_BEHIND: [&str; 3] = ["session", "password_attempt", "opening"];

    async fn run(db: &Db, sql: &'static str) -> Result<()> {
        let mut tx = db.write().await?;
        on!(&mut tx, c => sqlx::query(sql).execute(c).await.map(drop))?;
        tx.commit().await
    }

    async fn tables(db: &Db) -> Vec<String> {
        let mut tx = db.read().await.unwrap();
        let sql = if tx.is_postgres() {
            "SELECT table_name::TEXT FROM information_schema.tables WHERE table_schema = current_schema()"
        } else {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        };
        on!(&mut tx, c => sqlx::query_scalar::<_, String>(sql).fetch_all(c).await).unwrap()
    }

    #[tokio::test]
    async fn every_table_is_copied_or_left_behind_on_purpose() {
        on_both_engines(async |db| {
            let mut there = tables(&db).await;
            there.retain(|table| table != "_sqlx_migrations");
            there.sort();
            let mut known: Vec<_> = TABLES.iter().chain(&LEFT_BEHIND).map(|table| (*table).to_owned()).collect();
            known.sort();
            assert_eq!(there, known);
        })
        .await;
    }

    #[tokio::test]
    async fn a_copy_keeps_ids_goes_on_counting_and_watches_over_signed_reports_again() {
        on_both_engines(async |db| {
            let seeded = seed_case(&db, "xz", CaseState::Submitted, Urgency::Stat, Micros(5)).await;
            seed_account(&db, "zhou", Role::Specialist, None).await;
            let mut tx = db.write().await.unwrap();
            on!(&mut tx, c => sqlx::query(
                "INSERT INTO report_signature (report_id, role, account_id, name, title, at_us, content_sha256, signature)
                 SELECT $1, 'writer', id, '周', '医师', 7, $2, $2 FROM account")
                .bind(seeded.report).bind(&[0_u8, 255][..]).execute(c).await.map(drop))
            .unwrap();
            tx.commit().await.unwrap();
            run(&db, "UPDATE report SET state = 'signed', number = 'R1', findings = '两肺清晰'").await.unwrap();

            on_both_engines(async |copy| {
                let mut from = db.read().await.unwrap();
                let mut to = copy.write().await.unwrap();
                assert!(is_empty(&mut to).await.unwrap());
                let rows = copy_all(&mut from, &mut to, |_, _| ()).await.unwrap();
                assert!(rows > 7);
                assert!(matches!(copy_all(&mut from, &mut to, |_, _| ()).await, Err(Error::Refused(_))));
                to.commit().await.unwrap();

                let mut tx = copy.read().await.unwrap();
                let report = on!(&mut tx, c => sqlx::query_as::<_, (i64, String, Option<String>)>(
                    "SELECT id, findings, number FROM report").fetch_one(c).await).unwrap();
                assert_eq!(report, (seeded.report, "两肺清晰".into(), Some("R1".into())));
                let signature = on!(&mut tx, c => sqlx::query_scalar::<_, Vec<u8>>(
                    "SELECT signature FROM report_signature").fetch_one(c).await).unwrap();
                assert_eq!(signature, [0, 255]);
                drop(tx);
                assert!(run(&copy, "UPDATE report SET findings = ''").await.is_err());
                assert!(run(&copy, "DELETE FROM report").await.is_err());
                let next = seed_case(&copy, "dh", CaseState::Queued, Urgency::Routine, Micros(9)).await;
                assert!(next.report > seeded.report && next.study > seeded.study);
            })
            .await;
        })
        .await;
    }
}
