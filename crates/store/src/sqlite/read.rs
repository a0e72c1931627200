//! Looks at committed data through a connection that cannot write.

use super::columns::{self, read_all};
use super::directory::database_in;
use super::error::Told;
use crate::journal::{RowReader, StoredRow, damaged_row};
use crate::{
    Attempt, DecisionFilter, DefinitionVersion, Exposure, JournalRow, MessageCount, MessageFilter, Page, Reader,
    Refused, RowId, Stage, StoreError, Tally, Transition, TransitionFilter,
};
use domain::message::{Decision, Message};
use domain::{Call, DefinitionKind, MessageId, Name, Position, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A reader of one data directory.
pub(super) struct SqliteReader {
    connection: Connection,
    dir: PathBuf,
    rows: RefCell<RowReader>,
}

impl SqliteReader {
    /// Reads the store of a directory through a connection of its own.
    pub(super) fn open(dir: &Path) -> Result<SqliteReader, StoreError> {
        let connection =
            super::open_for_reading(&database_in(dir)).map_err(|error| Told { dir, doing: "opened" }.sqlite(&error))?;
        Ok(SqliteReader { connection, dir: dir.to_owned(), rows: RefCell::new(RowReader::new()?) })
    }

    fn told<T>(&self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| Told { dir: &self.dir, doing: "read" }.sqlite(&error))
    }

    /// The row of this number. Each is read for itself: a statement left open while the engine works
    /// through it would keep the log from being taken over.
    fn row(&self, id: RowId) -> Result<Option<JournalRow>, StoreError> {
        self.with_row(id, |rows, stored| rows.read(stored))
    }

    fn with_row<T>(
        &self,
        id: RowId,
        read: impl FnOnce(&mut RowReader, &StoredRow<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let Some(number) = within_sqlite(id.0) else {
            return Ok(None);
        };
        let found = (|| {
            let mut statement = self.connection.prepare_cached(
                "SELECT first, count, min_time_ms, max_time_ms, size_bytes, checksum, body FROM journal WHERE row = ?1",
            )?;
            let mut found = statement.query([number])?;
            let Some(row) = found.next()? else {
                return Ok(None);
            };
            let stored = StoredRow {
                id,
                first: Position(row.get(0)?),
                count: row.get(1)?,
                min_time: Timestamp(row.get(2)?),
                max_time: Timestamp(row.get(3)?),
                size_bytes: row.get(4)?,
                checksum: row.get(5)?,
                body: row.get_ref(6)?.as_blob()?,
            };
            Ok(Some(read(&mut self.rows.borrow_mut(), &stored)))
        })();
        self.told(found)?.transpose()
    }
}

impl Reader for SqliteReader {
    fn replay(
        &self,
        after: RowId,
        visit: &mut dyn FnMut(JournalRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        // What is committed from here on is not visited: the end is fixed, however long the visits take.
        let (last, position) =
            self.told(self.connection.query_row("SELECT last_row, position FROM meta", [], |row| {
                Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?))
            }))?;
        let mut expected = None;
        for id in (after.0.saturating_add(1)..=last).map(RowId) {
            let row = self.row(id)?.ok_or_else(|| damaged_row(id, "it is missing".to_owned()))?;
            let next = row.first.0 + row.calls.len() as u64;
            if expected.is_some_and(|expected| expected != row.first.0) || (id.0 == last && next != position + 1) {
                return Err(damaged_row(id, format!("its first call is at {}, out of step", row.first.0)));
            }
            expected = Some(next);
            visit(row)?;
        }
        Ok(())
    }

    fn rows(&self, rows: &[RowId]) -> Result<Vec<JournalRow>, StoreError> {
        let mut ids = rows.to_vec();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().filter_map(|id| self.row(id).transpose()).collect()
    }

    fn calls_naming(
        &self,
        rows: &[RowId],
        names: &HashSet<Arc<str>>,
    ) -> Result<Vec<(Position, Arc<Call>)>, StoreError> {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        rows.dedup();
        let mut calls = Vec::new();
        for id in rows {
            let found = self.with_row(id, |rows, stored| rows.read_naming(stored, names))?;
            calls.extend(found.into_iter().flatten());
        }
        Ok(calls)
    }

    fn decisions(&self, filter: &DecisionFilter, page: Page) -> Result<Vec<(u64, Decision)>, StoreError> {
        let select = only_decisions(Select::new(columns::DECISION, "decisions"), filter);
        let (sql, params) = select.page("number DESC", page);
        self.told(read_all(&self.connection, &sql, params_from_iter(params), columns::decision))
    }

    fn decision_count(&self, filter: &DecisionFilter) -> Result<u64, StoreError> {
        let select = only_decisions(Select::new("count(*)", "decisions"), filter);
        self.told(self.connection.query_row(&select.sql, params_from_iter(select.params), |row| row.get(0)))
    }

    fn messages(&self, filter: &MessageFilter, page: Page) -> Result<Vec<Message>, StoreError> {
        let with_letter = format!("{}, {}", columns::MESSAGE, columns::LETTER);
        let mut select = Select::new(&with_letter, "messages LEFT JOIN letters ON letters.message = messages.number");
        select.only("customer", filter.customer.map(|customer| customer.0));
        select.only("campaign", filter.campaign.as_ref().map(|campaign| campaign.as_str().to_owned()));
        select.only("outcome", filter.outcome.map(|outcome| outcome.word().to_owned()));
        select.only("because", filter.because.map(|because| because.word().to_owned()));
        if filter.waiting {
            select.only_where("outcome IS NULL");
        }
        let (sql, params) = select.page("latest_ms DESC, number DESC", page);
        self.told(read_all(&self.connection, &sql, params_from_iter(params), columns::message_with_letter))
    }

    fn message(&self, id: &MessageId) -> Result<Option<(Message, Vec<Attempt>)>, StoreError> {
        let (message, letter, attempt) = (columns::MESSAGE, columns::LETTER, columns::ATTEMPT);
        let message = format!(
            "SELECT {message}, {letter} FROM messages LEFT JOIN letters ON letters.message = messages.number WHERE id = ?1"
        );
        let attempts = format!("SELECT {attempt} FROM attempts WHERE message = ?1 ORDER BY number");
        let read = |connection: &Connection| {
            let message = read_all(connection, &message, [&*id.0], columns::message_with_letter)?.pop();
            let attempts = read_all(connection, &attempts, [&*id.0], columns::attempt)?;
            Ok(message.map(|message| (message, attempts)))
        };
        // One transaction, so that the attempts are those of the message as it is seen; a reader at rest is in one.
        let found = match self.connection.is_autocommit() {
            true => self.connection.unchecked_transaction().and_then(|transaction| read(&transaction)),
            false => read(&self.connection),
        };
        self.told(found)
    }

    fn at_rest(&self) -> Result<Box<dyn Reader>, StoreError> {
        let reader = SqliteReader::open(&self.dir)?;
        // The transaction takes its view of the data at its first read.
        let begun = reader.connection.execute_batch("BEGIN; SELECT position FROM meta;");
        reader.told(begun)?;
        Ok(Box::new(reader))
    }

    fn messages_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Message)>, StoreError> {
        let Some(after) = within_sqlite(after) else {
            return Ok(Vec::new());
        };
        let sql =
            format!("SELECT number, {} FROM messages WHERE number > ?1 ORDER BY number LIMIT ?2", columns::MESSAGE);
        self.told(read_all(&self.connection, &sql, params![after, limit], columns::numbered_message))
    }

    fn message_counts(&self, campaign: Option<&Name>) -> Result<Vec<MessageCount>, StoreError> {
        let mut select = Select::new(columns::MESSAGE_COUNT, "messages");
        select.only("campaign", campaign.map(|campaign| campaign.as_str().to_owned()));
        let sql = format!("{} GROUP BY campaign, outcome, because ORDER BY campaign, outcome, because", select.sql);
        self.told(read_all(&self.connection, &sql, params_from_iter(select.params), columns::message_count))
    }

    fn transitions(&self, filter: &TransitionFilter, page: Page) -> Result<Vec<(u64, Transition)>, StoreError> {
        let mut select = Select::new(columns::TRANSITION, "transitions");
        select.only("customer", filter.customer.map(|customer| customer.0));
        select.only("segment", filter.segment.as_ref().map(|segment| segment.as_str().to_owned()));
        let (sql, params) = select.page("number DESC", page);
        self.told(read_all(&self.connection, &sql, params_from_iter(params), columns::transition))
    }

    fn exposures(&self, campaign: &Name) -> Result<Vec<Exposure>, StoreError> {
        let sql = format!("SELECT {} FROM exposures WHERE campaign = ?1 ORDER BY at_ms, number", columns::EXPOSURE);
        self.told(read_all(&self.connection, &sql, [campaign.as_str()], columns::exposure))
    }

    fn journey_counts(&self, campaign: &Name) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT stage, count(*) FROM journeys WHERE campaign = ?1 GROUP BY stage";
        let by_stage = self.told(read_all(&self.connection, sql, [campaign.as_str()], |columns| {
            Ok((columns.word::<Stage>()?, columns.take::<u64>()?))
        }))?;
        let ever = by_stage.iter().map(|(_, count)| count).sum();
        let inside = by_stage.iter().filter(|(stage, _)| stage.is_inside()).map(|(_, count)| count).sum();
        Ok((ever, inside))
    }

    fn versions(&self, kind: DefinitionKind, name: &Name) -> Result<Vec<DefinitionVersion>, StoreError> {
        let sql = format!(
            "SELECT {} FROM definitions WHERE kind = ?1 AND name = ?2 ORDER BY version DESC",
            columns::DEFINITION
        );
        self.told(read_all(&self.connection, &sql, params![kind.word(), name.as_str()], columns::definition))
    }

    fn refused(&self, page: Page) -> Result<Vec<Refused>, StoreError> {
        let (sql, params) = Select::new(columns::REFUSED, "refused").page("id DESC", page);
        self.told(read_all(&self.connection, &sql, params_from_iter(params), columns::refused))
    }

    fn refused_counts(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let sql = "SELECT reason, count(*) FROM refused GROUP BY reason";
        self.told(read_all(&self.connection, sql, [], |columns| {
            Ok((columns.take::<String>()?, columns.take::<u64>()?))
        }))
    }

    fn refused_call(&self, id: u64) -> Result<Option<Refused>, StoreError> {
        let Some(number) = within_sqlite(id) else {
            return Ok(None);
        };
        let sql = format!("SELECT {} FROM refused WHERE id = ?1", columns::REFUSED);
        Ok(self.told(read_all(&self.connection, &sql, [number], columns::refused))?.pop())
    }

    fn tallies(&self, days: u32) -> Result<Vec<Tally>, StoreError> {
        let sql = format!(
            "SELECT {} FROM tallies WHERE day IN (SELECT DISTINCT day FROM tallies ORDER BY day DESC LIMIT ?1)
             ORDER BY day DESC, source, reception, reason",
            columns::TALLY
        );
        self.told(read_all(&self.connection, &sql, [days], columns::tally))
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        let told = |error| Told { dir: &self.dir, doing: "read" }.system("", &error);
        let mut bytes = 0;
        for entry in std::fs::read_dir(&self.dir).map_err(told)? {
            // The log may be taken away between being listed and being measured.
            match entry.and_then(|entry| entry.metadata()) {
                Ok(metadata) if metadata.is_file() => bytes += metadata.len(),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(told(error)),
            }
        }
        Ok(bytes)
    }
}

/// The query for the decisions that a filter lets through.
fn only_decisions(mut select: Select, filter: &DecisionFilter) -> Select {
    select.only("message", filter.message.as_ref().map(|message| message.0.to_string()));
    select.only("customer", filter.customer.map(|customer| customer.0));
    select.only("campaign", filter.campaign.as_ref().map(|campaign| campaign.as_str().to_owned()));
    select.only("outcome", filter.outcome.map(|outcome| outcome.word().to_owned()));
    select.only("because", filter.because.map(|because| because.word().to_owned()));
    select
}

/// SQLite's numbers end at 2^63 - 1; what is beyond cannot be in a table.
pub(super) fn within_sqlite(number: u64) -> Option<i64> {
    i64::try_from(number).ok()
}

/// A query made of the filters that are set.
struct Select {
    sql: String,
    params: Vec<Value>,
}

impl Select {
    fn new(columns: &str, tables: &str) -> Select {
        Select { sql: format!("SELECT {columns} FROM {tables} WHERE TRUE"), params: Vec::new() }
    }

    /// Keeps rows with this value, if one is given. Call it for the most selective column first.
    fn only(&mut self, column: &str, value: Option<impl Into<Value>>) {
        let Some(value) = value else { return };
        // Without statistics SQLite cannot know which index is best. `+` hides a column from its choice,
        // so it takes that of the first filter.
        let hidden = if self.params.is_empty() { "" } else { "+" };
        self.params.push(value.into());
        self.only_where(&format!("{hidden}{column} = ?{}", self.params.len()));
    }

    fn only_where(&mut self, condition: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
    }

    /// The page, newest first as `order` says.
    fn page(mut self, order: &str, page: Page) -> (String, Vec<Value>) {
        let at = self.params.len();
        self.params.push(i64::from(page.limit).into());
        self.params.push(within_sqlite(page.skip).unwrap_or(i64::MAX).into());
        (format!("{} ORDER BY {order} LIMIT ?{} OFFSET ?{}", self.sql, at + 1, at + 2), self.params)
    }
}
