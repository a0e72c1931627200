//! Words of the domain in columns, and columns read in their order.

use crate::{Arm, Reception, Stage, WebhookState};
use domain::message::{Because, Channel, Outcome, Phase, ReactionKind, ReportKind};
use domain::{DefinitionKind, Name, Timestamp, Trust};
use rusqlite::Row;
use rusqlite::types::{FromSql, Type};
use std::collections::HashMap;

/// Something that stands in a column as a word.
pub(super) trait Word: Sized {
    /// Finds it by its word.
    fn find_word(word: &str) -> Option<Self>;
}

macro_rules! found_by_the_domain {
    ($($kind:ty),+) => { $(impl Word for $kind {
        fn find_word(word: &str) -> Option<Self> { Self::find(word) }
    })+ };
}

found_by_the_domain!(
    Because,
    Channel,
    DefinitionKind,
    Outcome,
    Phase,
    ReactionKind,
    ReportKind,
    Stage,
    Arm,
    Reception,
    Trust,
    WebhookState
);

/// Names met so far, so that a million rows share one allocation for each.
#[derive(Default)]
pub(super) struct Names(HashMap<String, Name>);

impl Names {
    fn share(&mut self, text: &str) -> Result<Name, String> {
        if let Some(name) = self.0.get(text) {
            return Ok(name.clone());
        }
        let name = Name::parse(text)?;
        self.0.insert(text.to_owned(), name.clone());
        Ok(name)
    }
}

/// The columns of a row, taken from the left: finding them by name costs more than reading them.
pub(super) struct Columns<'a, 'row> {
    row: &'a Row<'row>,
    names: &'a mut Names,
    next: usize,
}

impl<'a, 'row> Columns<'a, 'row> {
    /// Starts at the first column.
    pub(super) fn of(row: &'a Row<'row>, names: &'a mut Names) -> Self {
        Columns { row, names, next: 0 }
    }

    /// The next column as it is.
    pub(super) fn take<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let at = self.next;
        self.next += 1;
        self.row.get(at)
    }

    /// An instant.
    pub(super) fn instant(&mut self) -> rusqlite::Result<Timestamp> {
        self.take().map(Timestamp)
    }

    /// An instant, or none.
    pub(super) fn instant_if_any(&mut self) -> rusqlite::Result<Option<Timestamp>> {
        Ok(self.take::<Option<i64>>()?.map(Timestamp))
    }

    /// A definition's name.
    pub(super) fn name(&mut self) -> rusqlite::Result<Name> {
        let at = self.next;
        self.next += 1;
        let text = self.row.get_ref(at)?.as_str()?;
        self.names.share(text).map_err(|reason| unreadable(at, reason))
    }

    /// A definition's name, or none.
    pub(super) fn name_if_any(&mut self) -> rusqlite::Result<Option<Name>> {
        let at = self.next;
        self.next += 1;
        let Some(text) = self.row.get_ref(at)?.as_str_or_null()? else {
            return Ok(None);
        };
        self.names.share(text).map(Some).map_err(|reason| unreadable(at, reason))
    }

    /// A word.
    pub(super) fn word<T: Word>(&mut self) -> rusqlite::Result<T> {
        match self.word_if_any()? {
            Some(word) => Ok(word),
            None => Err(unreadable(self.next - 1, "a word is missing".to_owned())),
        }
    }

    /// A word, or none.
    pub(super) fn word_if_any<T: Word>(&mut self) -> rusqlite::Result<Option<T>> {
        let at = self.next;
        self.next += 1;
        let Some(text) = self.row.get_ref(at)?.as_str_or_null()? else {
            return Ok(None);
        };
        T::find_word(text).map(Some).ok_or_else(|| unreadable(at, format!("the word `{text}` is unknown")))
    }

    /// JSON, or none.
    pub(super) fn json_if_any<T: serde::de::DeserializeOwned>(&mut self) -> rusqlite::Result<Option<T>> {
        let at = self.next;
        self.next += 1;
        let Some(text) = self.row.get_ref(at)?.as_str_or_null()? else {
            return Ok(None);
        };
        serde_json::from_str(text).map(Some).map_err(|error| unreadable(at, error.to_string()))
    }
}

fn unreadable(at: usize, reason: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, Type::Text, reason.into())
}
