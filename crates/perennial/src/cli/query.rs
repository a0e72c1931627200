//! `perennial query`: questions in SQL, and the dictionary of what can be asked.

use super::{Out, finish, with};
use crate::client::{Client, WrongUsage};
use anyhow::Context;
use clap::{Args, ValueEnum};
use query::Answer;
use serde_json::json;
use std::io::{IsTerminal, Read, Write};

/// Rows of a table on a terminal: more scroll away unread.
const ROWS_ON_A_TERMINAL: usize = 100;
/// Rows of a table anywhere else. More belong into a file.
const ROWS: usize = 10_000;
/// Most characters of a cell; JSON may be long.
const CELL: usize = 80;

/// What `query` is told.
#[derive(Args)]
pub(super) struct Query {
    /// The question, such as "SELECT name, count(*) FROM events GROUP BY name"; - reads it from standard input
    #[arg(required_unless_present = "tables")]
    sql: Option<String>,
    /// How the answer is written
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// What tables and columns there are and what they mean
    #[arg(long, conflicts_with_all = ["sql", "format"])]
    tables: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people; long answers are cut
    Table,
    /// One document: a list of objects
    Json,
    /// With a line of names
    Csv,
    /// For other programs
    Parquet,
}

/// Answers a question, or says what can be asked.
pub(super) fn query(query: &Query, client: impl FnOnce() -> anyhow::Result<Client>, out: &Out) -> anyhow::Result<()> {
    if query.tables {
        return out.answer(&crate::api::dictionary(), words);
    }
    let sql = match query.sql.as_deref().unwrap_or_default() {
        "-" => {
            let mut sql = String::new();
            let most = query::SQL_BYTES as u64 + 1;
            std::io::stdin().take(most).read_to_string(&mut sql).context("the question could not be read")?;
            sql
        }
        sql => sql.to_owned(),
    };
    let form = query.format.unwrap_or(if out.json { Form::Json } else { Form::Table });
    let format = match form {
        Form::Table => return table(&sql, client()?),
        Form::Json => "json",
        Form::Csv => "csv",
        Form::Parquet if std::io::stdout().is_terminal() => {
            return Err(WrongUsage("Parquet is not for reading: write it to a file with > FILE".to_owned()).into());
        }
        Form::Parquet => "parquet",
    };
    let asked = json!({ "sql": sql, "format": format });
    with(client()?, |client| {
        let result = client.download("/api/query", &asked, &mut std::io::stdout().lock());
        match result {
            Err(error) => match error.downcast::<std::io::Error>() {
                Ok(error) => finish(Err(error)),
                Err(error) => Err(error),
            },
            Ok(()) => Ok(()),
        }
    })
}

fn table(sql: &str, client: Client) -> anyhow::Result<()> {
    let most = if std::io::stdout().is_terminal() { ROWS_ON_A_TERMINAL } else { ROWS };
    let asked = json!({ "sql": sql, "format": "rows", "rows": most });
    let answer: Answer = serde_json::from_value(with(client, |client| client.post("/api/query", &asked))?)?;
    let mut print = std::io::BufWriter::new(std::io::stdout().lock());
    finish(print_table(&mut print, &answer).and_then(|()| print.flush()))?;
    let shown = answer.rows.len() as u64;
    if shown < answer.count {
        eprintln!("the first {shown} of {} rows; `--format csv` gives them all", answer.count);
    }
    Ok(())
}

fn print_table(print: &mut dyn Write, answer: &Answer) -> std::io::Result<()> {
    let heads: Vec<String> = answer.columns.iter().map(|column| shown(&column.name)).collect();
    let row = |cells: &Vec<Option<String>>| -> Vec<String> {
        cells.iter().map(|cell| cell.as_deref().map(shown).unwrap_or_default()).collect()
    };
    let rows: Vec<Vec<String>> = answer.rows.iter().map(row).collect();
    let width = |at: usize| rows.iter().chain([&heads]).map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    for cells in [&heads].into_iter().chain(&rows) {
        let places = cells.iter().zip(&widths).zip(&answer.columns);
        let cells = places.map(|((cell, width), column)| match column.is_number {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        writeln!(print, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// A value in a cell: on one line, without what would move a terminal's cursor.
fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    match text.char_indices().nth(CELL) {
        None => text.chars().map(plain).collect(),
        Some(_) => text.chars().take(CELL - 1).map(plain).chain(['…']).collect(),
    }
}

fn words(print: &mut dyn Write) -> std::io::Result<()> {
    for table in query::dictionary::TABLES {
        writeln!(print, "{}: {}", table.name, table.meaning)?;
        for column in table.columns {
            writeln!(print, "  {:<12} {:<16} {}", column.name, column.kind.word(), column.meaning)?;
        }
        writeln!(print)?;
    }
    writeln!(print, "Functions beyond standard SQL:")?;
    for (function, meaning) in query::dictionary::FUNCTIONS {
        writeln!(print, "  {function}\n      {meaning}")?;
    }
    Ok(())
}
