//! What can be wrong with a question, in plain words that name the nearest known thing.

use crate::dictionary::{self, TABLES};
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use domain::shape::nearest;
use std::time::Duration;
use store::StoreError;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The question itself: it cannot be read, names what is not there, or asks to change something.
    #[error("{0}")]
    Wrong(String),
    /// It took too long and was given up.
    #[error(
        "no answer within {} s, so it was given up; ask about less, such as a shorter time, or raise `query.seconds`",
        .0.as_secs()
    )]
    TooLong(Duration),
    /// It needs more memory or disk than it may have.
    #[error("it needs more than it may have: {0}; ask about less, or raise `query.memory_mb` and `query.disk_mb`")]
    TooMuch(String),
    /// The data could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The answer could not be written.
    #[error("the answer could not be written: {0}")]
    NotWritten(#[from] std::io::Error),
    /// Something that must not happen.
    #[error("the question failed: {0}")]
    Failed(String),
}

impl QueryError {
    /// Whether another question would do better, so that it is for the asker to read.
    pub fn is_the_askers(&self) -> bool {
        matches!(self, QueryError::Wrong(_) | QueryError::TooLong(_) | QueryError::TooMuch(_))
    }
}

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> QueryError {
        match error {
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => (*inner).into(),
            DataFusionError::Collection(errors) => match errors.into_iter().next() {
                Some(first) => first.into(),
                None => QueryError::Failed("no reason was given".to_owned()),
            },
            DataFusionError::Shared(inner) => of_shared(&inner),
            DataFusionError::External(inner) => match inner.downcast::<StoreError>() {
                Ok(store) => QueryError::Store(*store),
                Err(other) => QueryError::Failed(other.to_string()),
            },
            other => of_shared(&other),
        }
    }
}

/// As far as it can be told without owning the error.
fn of_shared(error: &DataFusionError) -> QueryError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => of_shared(inner),
        DataFusionError::Shared(inner) => of_shared(inner),
        DataFusionError::SQL(parser, _) => {
            let text = parser.to_string();
            let text = text.trim_start_matches("sql parser error: ");
            QueryError::Wrong(format!("this cannot be read as SQL: {}", plain(text)))
        }
        DataFusionError::SchemaError(schema, _) => QueryError::Wrong(schema_words(schema)),
        DataFusionError::Plan(text) => QueryError::Wrong(plain(text)),
        DataFusionError::NotImplemented(text) => {
            QueryError::Wrong(format!("this is not possible here: {}", plain(text)))
        }
        // Values that do not fit what is done with them: text that is no number, a division by zero.
        DataFusionError::Execution(text) => QueryError::Wrong(plain(text)),
        DataFusionError::ArrowError(arrow, _) => QueryError::Wrong(plain(&arrow.to_string())),
        DataFusionError::ResourcesExhausted(text) => {
            QueryError::TooMuch(plain(text.lines().next().unwrap_or_default()).trim_end_matches('.').to_owned())
        }
        DataFusionError::External(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => of_shared(inner),
            None => QueryError::Failed(inner.to_string()),
        },
        other => QueryError::Failed(plain(&other.strip_backtrace())),
    }
}

fn schema_words(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let known: Vec<&str> = match field.relation.as_ref().and_then(|table| dictionary::find(table.table())) {
                Some(table) => table.columns.iter().map(|column| column.name).collect(),
                None => valid_fields.iter().map(|column| column.name()).collect(),
            };
            match nearest(&field.name, known.into_iter()) {
                Some(near) => format!("there is no column `{}` here; did you mean `{near}`?", field.name),
                None => format!("there is no column `{}` here", field.name),
            }
        }
        SchemaError::AmbiguousReference { field } => {
            format!("`{0}` could be of several tables; say of which, such as `events.{0}`", field.name)
        }
        other => plain(&other.to_string()),
    }
}

/// The error for a table that does not exist.
pub(crate) fn no_table(name: &str) -> QueryError {
    let near = nearest(name, TABLES.iter().map(|table| table.name));
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let shown: String = name.chars().take(80).collect();
    QueryError::Wrong(format!("there is no table `{shown}`{near}"))
}

/// Without what the engine of SQL puts before and after its sentences.
fn plain(text: &str) -> String {
    let text = text.split("\n\nbacktrace").next().unwrap_or(text).trim();
    let text = text.strip_prefix("Error during planning: ").unwrap_or(text);
    let text = text.strip_prefix("ParserError(\"").and_then(|rest| rest.strip_suffix("\")")).unwrap_or(text);
    let mut text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = text.char_indices().nth(600) {
        text.truncate(at);
        text.push('…');
    }
    text.trim_end_matches('.').to_owned()
}
