//! SQL that grows with what is asked: fixed pieces of text, values always as parameters.

use std::fmt::Write;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow};

use crate::index::{Result, Tx, on};

#[derive(Debug, Clone)]
enum Bind {
    Number(i64),
    Text(String),
}

/// A statement being written. Nothing of a caller's gets into its text: [`Statement::value`] answers with a
/// parameter's number.
#[derive(Debug)]
pub(in crate::index) struct Statement {
    sql: String,
    binds: Vec<Bind>,
    conditions: usize,
    /// Wildcards have an operator of their own on each engine: PostgreSQL's LIKE and SQLite's GLOB mind the case of
    /// letters, SQLite's LIKE does not.
    postgres: bool,
}

impl Statement {
    pub fn new(select: String, tx: &Tx) -> Self {
        Self { sql: select, binds: Vec::new(), conditions: 0, postgres: tx.is_postgres() }
    }

    pub fn number(&mut self, value: i64) -> String {
        self.bind(Bind::Number(value))
    }

    pub fn value(&mut self, value: impl Into<String>) -> String {
        self.bind(Bind::Text(value.into()))
    }

    fn bind(&mut self, bind: Bind) -> String {
        self.binds.push(bind);
        format!("${}", self.binds.len())
    }

    /// Parameters in parentheses.
    pub fn values(&mut self, values: impl IntoIterator<Item = String>) -> String {
        let numbers: Vec<String> = values.into_iter().map(|value| self.value(value)).collect();
        format!("({})", numbers.join(", "))
    }

    pub fn numbers(&mut self, values: impl IntoIterator<Item = i64>) -> String {
        let numbers: Vec<String> = values.into_iter().map(|value| self.number(value)).collect();
        format!("({})", numbers.join(", "))
    }

    /// One more condition, made of pieces of ours and parameters' numbers.
    pub fn and(&mut self, condition: &str) {
        let word = if self.conditions == 0 { "WHERE" } else { "AND" };
        self.conditions += 1;
        self.push(format_args!(" {word} {condition}"));
    }

    pub fn end(&mut self, rest: &str) {
        self.push(format_args!(" {rest}"));
    }

    fn push(&mut self, piece: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        self.sql.write_fmt(piece).unwrap_or_default();
    }

    /// `column` matches a pattern of `*` and `?`.
    pub fn wildcard(&mut self, column: &str, pattern: &str) -> String {
        if self.postgres {
            let number = self.value(like(pattern));
            format!("{column} LIKE {number} ESCAPE '\\'")
        } else {
            let number = self.value(glob(pattern));
            format!("{column} GLOB {number}")
        }
    }

    /// `column` begins with `prefix`: a range, which an index can serve.
    pub fn begins(&mut self, column: &str, prefix: &str) -> String {
        // No text has the last code point, which sorts behind all others in the order of bytes.
        let (from, to) = (self.value(prefix), self.value(format!("{prefix}\u{10FFFF}")));
        format!("({column} >= {from} AND {column} < {to})")
    }

    pub async fn fetch<T>(self, tx: &mut Tx) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        Ok(on!(tx, c => {
            let mut query = sqlx::query_as::<_, T>(AssertSqlSafe(self.sql));
            for bind in self.binds {
                query = match bind {
                    Bind::Number(number) => query.bind(number),
                    Bind::Text(text) => query.bind(text),
                };
            }
            query.fetch_all(c).await
        })?)
    }

    /// How the engine would go about it, a step a line.
    #[cfg(test)]
    pub async fn plan(mut self, tx: &mut Tx) -> Result<String> {
        let (explain, column) = if self.postgres { ("EXPLAIN ", 0) } else { ("EXPLAIN QUERY PLAN ", 3) };
        self.sql.insert_str(0, explain);
        let lines: Vec<String> = on!(tx, c => {
            let mut query = sqlx::query(AssertSqlSafe(self.sql));
            for bind in self.binds {
                query = match bind {
                    Bind::Number(number) => query.bind(number),
                    Bind::Text(text) => query.bind(text),
                };
            }
            let rows = query.fetch_all(c).await?;
            rows.iter().map(|row| sqlx::Row::get::<String, usize>(row, column)).collect()
        });
        Ok(lines.join("\n"))
    }
}

fn like(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match c {
            '*' => out.push('%'),
            '?' => out.push('_'),
            '%' | '_' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// GLOB has DICOM's own wildcards, and brackets, which here are letters like others.
fn glob(pattern: &str) -> String {
    pattern.replace('[', "[[]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_would_take_for_a_wildcard_is_a_letter() {
        assert_eq!(like("a*b?c%d_e\\f"), "a%b_c\\%d\\_e\\\\f");
        assert_eq!(glob("a[b]*?"), "a[[]b]*?");
    }
}
