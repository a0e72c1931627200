//! `/api/query`: questions in SQL, and the dictionary of what can be asked.

use crate::api::Shared;
use crate::api::operations::Operation;
use crate::api::problems::{Fault, Problem};
use crate::questions::QuestionError;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use query::QueryError;
use query::write::Format;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;

/// Most rows of an answer that is looked at; files have them all.
const ROWS: usize = 10_000;
/// Bytes of a file that are read at a time.
const PIECE: usize = 64 * 1024;

/// What stands under `/api/query`.
pub(super) fn operations() -> Vec<Operation> {
    let asked = json!({
        "type": "object", "required": ["sql"], "additionalProperties": false,
        "properties": {
            "sql": { "type": "string", "examples": ["SELECT name, count(*) FROM events GROUP BY name"] },
            "format": { "enum": ["rows", "csv", "json", "jsonl", "parquet"], "default": "rows" },
            "rows": { "type": "integer", "minimum": 0, "maximum": ROWS, "description": "Of `rows`: how many." },
        },
    });
    vec![
        Operation::new(Method::POST, "/api/query", "query", "Asks one question in SQL, which only reads.", query)
            .says(
                "`rows` answers the first rows as text and their number; the other formats are files with all of them.",
            )
            .takes_json(asked)
            .answers(json!({ "type": "object" }))
            .may_say(&["disk_full"]),
        Operation::new(
            Method::GET,
            "/api/query/dictionary",
            "getDictionary",
            "Every table and column that can be asked, with what it means.",
            get_dictionary,
        )
        .answers(json!({ "type": "object", "required": ["tables", "functions"] })),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    sql: String,
    /// `rows`: the first ones as text, and their number; else a form of files.
    #[serde(default)]
    format: Option<String>,
    /// For `rows`: how many.
    #[serde(default)]
    rows: Option<usize>,
}

pub(super) async fn query(State(app): State<Shared>, Json(asked): Json<Asked>) -> Response {
    let format = match asked.format.as_deref() {
        None | Some("rows") => None,
        Some(word) => match Format::find(word) {
            Some(format) => Some(format),
            None => {
                let words = ["rows", "csv", "json", "jsonl", "parquet"].into_iter();
                let message = domain::shape::unknown("format", word, words);
                return Problem::new("wrong", message).into_response();
            }
        },
    };
    let answered = tokio::task::spawn_blocking(move || match format {
        None => {
            let answer = app.questions.look(&asked.sql, asked.rows.unwrap_or(ROWS).min(ROWS))?;
            Ok(Json(answer).into_response())
        }
        Some(format) => Ok(sent(app.questions.file(&asked.sql, format)?, format)),
    });
    match answered.await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => refused(error),
        Err(error) => refused(QuestionError::Query(QueryError::Failed(error.to_string()))),
    }
}

pub(super) async fn get_dictionary() -> Json<Value> {
    Json(dictionary())
}

/// The dictionary: tables and columns with what they mean, and functions.
pub fn dictionary() -> Value {
    let tables = query::dictionary::TABLES.map(|table| {
        let columns = table.columns.iter();
        let columns: Vec<Value> = columns
            .map(|column| json!({ "column": column.name, "type": column.kind.word(), "meaning": column.meaning }))
            .collect();
        json!({ "table": table.name, "meaning": table.meaning, "columns": columns })
    });
    let functions = query::dictionary::FUNCTIONS.iter();
    let functions: Vec<Value> =
        functions.map(|(function, meaning)| json!({ "function": function, "meaning": meaning })).collect();
    json!({ "tables": tables, "functions": functions })
}

/// Sends a file as it is read.
pub fn sent(file: File, format: Format) -> Response {
    let pieces = stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; PIECE];
            let length = file.read(&mut piece)?;
            piece.truncate(length);
            Ok((piece, file))
        });
        match read.await.map_err(std::io::Error::other).flatten() {
            Ok((piece, _)) if piece.is_empty() => None,
            Ok((piece, file)) => Some((Ok(Bytes::from(piece)), Some(file))),
            // The receiver sees an answer that breaks off.
            Err(error) => Some((Err::<Bytes, std::io::Error>(error), None)),
        }
    });
    let body = Body::from_stream(pieces);
    ([(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()))], body).into_response()
}

fn refused(error: QuestionError) -> Response {
    match error {
        QuestionError::Query(error) if error.is_the_askers() => {
            Problem::new("wrong", error.to_string()).into_response()
        }
        QuestionError::Job(error) => Fault::from(error).into_response(),
        QuestionError::Query(QueryError::NotWritten(error)) => {
            Problem::new("disk_full", format!("the answer could not be written: {error}")).into_response()
        }
        error => {
            tracing::error!("a question could not be answered: {error}");
            Problem::new("failed", "it could not be answered; the reason is in the log").into_response()
        }
    }
}
