//! Looks at committed data through a connection that cannot write.

use super::columns::{self, read_all};
use super::error::Told;
use super::history::{self, history_in};
use super::movements;
use super::words::Columns;
use crate::history::{OpenFile, Placed, Reads, damaged_file};
use crate::journal::{RowReader, StoredRow, damaged_row};
use crate::{
    Assignment, Attempt, DecisionFilter, DefinitionVersion, Exposure, HistoryFile, JournalRow, MailReport,
    MessageCount, MessageFilter, OpenTasks, Page, PoolCount, Reacted, ReactionCount, Reader, Refused, ReportFilter,
    RowId, Sharing, Stage, StoreError, Tally, Task, TaskFilter, Transition, Webhook, WebhookCount, WebhookFilter,
};
use domain::message::{Decision, Message};
use domain::{Call, DefinitionKind, MessageId, Name, Position, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

/// A reader of one data directory.
pub(super) struct SqliteReader {
    connection: Connection,
    dir: PathBuf,
    rows: RefCell<RowReader>,
    /// Files of history that were read last, the latest last.
    files: RefCell<Vec<Arc<OpenFile>>>,
    /// What finding calls by name has read of history so far.
    reads: Cell<Reads>,
}

/// Files of history that stay open: of each the footer with the places of its pages is kept, about 100 KB.
const OPEN_FILES: usize = 16;
/// So often a file may be merged away between a look at the list and its opening, before it counts as missing.
const TRIES: usize = 5;

impl SqliteReader {
    /// Reads through `connection`, which was opened for reading.
    pub(super) fn new(connection: Connection, dir: PathBuf) -> Result<SqliteReader, StoreError> {
        let rows = RefCell::new(RowReader::new()?);
        Ok(SqliteReader { connection, dir, rows, files: RefCell::default(), reads: Cell::default() })
    }

    /// Its connection, which cannot write.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What finding calls by name has read of history so far.
    #[cfg(test)]
    pub(super) fn reads(&self) -> Reads {
        self.reads.get()
    }

    fn told<T>(&self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| Told { dir: &self.dir, doing: "read" }.sqlite(&error))
    }

    /// Rows in the order in which they came. `columns`: the number first.
    fn numbered<T>(
        &self,
        table: &str,
        columns: &str,
        after: u64,
        limit: u32,
        read: fn(&mut Columns<'_, '_>) -> rusqlite::Result<(u64, T)>,
    ) -> Result<Vec<(u64, T)>, StoreError> {
        let sql = format!("SELECT {columns} FROM {table} WHERE number > ?1 ORDER BY number LIMIT ?2");
        let params = params_from_iter([within_sqlite(after).unwrap_or(i64::MAX), i64::from(limit)]);
        self.told(read_all(&self.connection, &sql, params, read))
    }

    fn newest_transitions(&self, segment: &Name, page: Page) -> rusqlite::Result<Vec<Transition>> {
        let mut rows = self
            .connection
            .prepare_cached("SELECT number, count, body FROM transitions WHERE segment = ?1 ORDER BY number DESC")?;
        let mut rows = rows.query([segment.as_str()])?;
        let (mut skip, limit) = (usize::try_from(page.skip).unwrap_or(usize::MAX), page.limit as usize);
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(row) = rows.next()?
        {
            let count = row.get(1)?;
            if skip >= count {
                skip -= count;
                continue;
            }
            let body = row.get_ref(2)?.as_blob()?;
            let movements = movements::newest_first(segment, body).ok_or(rusqlite::Error::FromSqlConversionFailure(
                2,
                rusqlite::types::Type::Blob,
                format!("row {} of transitions is not a list of entries and exits", row.get::<_, i64>(0)?).into(),
            ))?;
            found.extend(movements.skip(skip).take(limit - found.len()));
            skip = 0;
        }
        Ok(found)
    }

    /// A file of the list, open. None if there is no such file, or no longer.
    pub(super) fn open_file(&self, listed: &HistoryFile) -> Result<Option<Arc<OpenFile>>, StoreError> {
        let mut files = self.files.borrow_mut();
        let open = match files.iter().position(|file| file.name() == listed.name) {
            Some(place) => Some(files.remove(place)),
            None => OpenFile::open(&history_in(&self.dir), listed)?.map(Arc::new),
        };
        if let Some(open) = &open {
            if files.len() >= OPEN_FILES {
                files.remove(0);
            }
            files.push(open.clone());
        }
        Ok(open)
    }

    /// The file of history that holds a row, with its place in the list. Call it for a row that is not in the journal: it
    /// moves from there in one transaction, so that whoever looks in this order finds it.
    fn file_of(&self, row: RowId) -> Result<Option<(HistoryFile, Arc<OpenFile>)>, StoreError> {
        let mut name = String::new();
        for _ in 0..TRIES {
            let Some(listed) = self.told(history::find(&self.connection, row))? else { return Ok(None) };
            if let Some(open) = self.open_file(&listed)? {
                return Ok(Some((listed, open)));
            }
            name = listed.name;
        }
        Err(damaged_file(&name, "the file is missing"))
    }

    /// The row of this number, while it is in the journal. Each is read for itself: a statement left open while the engine works
    /// through it would keep the log from being taken over.
    pub(super) fn journal_row(&self, id: RowId) -> Result<Option<JournalRow>, StoreError> {
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
            let mut statement = self.connection.prepare_cached(columns::STORED_ROW)?;
            let mut found = statement.query([number])?;
            let Some(row) = found.next()? else {
                return Ok(None);
            };
            let stored = columns::stored_row(id, row)?;
            Ok(Some(read(&mut self.rows.borrow_mut(), &stored)))
        })();
        self.told(found)?.transpose()
    }
}

impl SqliteReader {
    /// Looks at those of these rows that are in the journal. Returns the others, ascending.
    fn visit_journal(
        &self,
        rows: &[RowId],
        mut visit: impl FnMut(&mut RowReader, &StoredRow<'_>) -> Result<(), StoreError>,
    ) -> Result<Vec<RowId>, StoreError> {
        let mut ids = rows.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let mut others = Vec::new();
        for id in ids {
            if self.with_row(id, &mut visit)?.is_none() {
                others.push(id);
            }
        }
        Ok(others)
    }

    /// Looks at each file of history that holds some of these rows (ascending), with the rows it is asked for.
    fn visit_history(
        &self,
        rows: &[RowId],
        mut visit: impl FnMut(&OpenFile, &[RowId]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut left = rows;
        while let Some(first) = left.first() {
            let Some((listed, file)) = self.file_of(*first)? else {
                left = &left[1..];
                continue;
            };
            let (wanted, later) = left.split_at(left.partition_point(|row| *row <= listed.last_row));
            visit(&file, wanted)?;
            left = later;
        }
        Ok(())
    }
}

/// Calls, which are in the order of their positions, as the rows in which they were committed.
fn rows_of(calls: Vec<Placed>) -> Vec<JournalRow> {
    let mut rows: Vec<JournalRow> = Vec::new();
    for Placed { position, row: id, call } in calls {
        match rows.last_mut() {
            Some(row) if row.id == id => row.calls.push(call),
            _ => rows.push(JournalRow { id, first: position, calls: vec![call] }),
        }
    }
    rows
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
        let mut take = |row: JournalRow| {
            let next = row.first.0 + row.calls.len() as u64;
            let is_last = row.id.0 == last;
            if expected.is_some_and(|expected| expected != row.first.0) || (is_last && next != position + 1) {
                return Err(damaged_row(row.id, format!("its first call is at {}, out of step", row.first.0)));
            }
            expected = Some(next);
            visit(row)
        };
        let mut next = after.0.saturating_add(1);
        while next <= last {
            let id = RowId(next);
            if let Some(row) = self.journal_row(id)? {
                take(row)?;
                next += 1;
                continue;
            }
            let (listed, file) = self.file_of(id)?.ok_or_else(|| damaged_row(id, "it is missing".to_owned()))?;
            // Sealing may have gone beyond the end since it was fixed.
            for row in rows_of(file.calls(&|row| (id.0..=last).contains(&row.0))?) {
                if row.id.0 != next {
                    return Err(damaged_row(RowId(next), format!("it is missing in history/{}", listed.name)));
                }
                take(row)?;
                next += 1;
            }
            if next == id.0 {
                return Err(damaged_row(id, format!("it is missing in history/{}", listed.name)));
            }
        }
        Ok(())
    }

    fn rows(&self, rows: &[RowId]) -> Result<Vec<JournalRow>, StoreError> {
        let mut found = Vec::new();
        let sealed = self.visit_journal(rows, |rows, stored| {
            found.push(rows.read(stored)?);
            Ok(())
        })?;
        self.visit_history(&sealed, |file, wanted| {
            found.extend(rows_of(file.calls(&|row| wanted.binary_search(&row).is_ok())?));
            Ok(())
        })?;
        found.sort_by_key(|row| row.id);
        Ok(found)
    }

    fn calls_naming(
        &self,
        rows: &[RowId],
        names: &HashSet<Arc<str>>,
    ) -> Result<Vec<(Position, Arc<Call>)>, StoreError> {
        let mut calls = Vec::new();
        let sealed = self.visit_journal(rows, |rows, stored| {
            calls.extend(rows.read_naming(stored, names)?);
            Ok(())
        })?;
        self.visit_history(&sealed, |file, wanted| {
            let mut reads = self.reads.get();
            let found = file.calls_naming(names, &|row| wanted.binary_search(&row).is_ok(), &mut reads)?;
            self.reads.set(reads);
            calls.extend(found.into_iter().map(|it| (it.position, it.call)));
            Ok(())
        })?;
        calls.sort_by_key(|(position, _)| *position);
        Ok(calls)
    }

    fn history(&self) -> Result<Vec<HistoryFile>, StoreError> {
        self.told(history::list(&self.connection))
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
        let attempts = format!(
            "SELECT {attempt} FROM attempts WHERE message = (SELECT number FROM messages WHERE id = ?1) ORDER BY number"
        );
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

    fn kept_mail(&self, id: &MessageId) -> Result<Option<String>, StoreError> {
        let sql = "SELECT mail FROM kept_mails JOIN messages ON messages.number = kept_mails.message WHERE id = ?1";
        self.told(read_all(&self.connection, sql, [&*id.0], |columns| columns.take()).map(|mut mails| mails.pop()))
    }

    fn another(&self) -> Result<Box<dyn Reader>, StoreError> {
        Ok(Box::new(super::open_reader(&self.dir)?))
    }

    fn at_rest(&self) -> Result<Box<dyn Reader>, StoreError> {
        let reader = super::open_reader(&self.dir)?;
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

    fn reactions(&self, id: &MessageId) -> Result<Vec<Reacted>, StoreError> {
        let sql = format!(
            "SELECT {} FROM reactions WHERE message = (SELECT number FROM messages WHERE id = ?1)",
            columns::REACTED
        );
        let mut found = self.told(read_all(&self.connection, &sql, [&*id.0], columns::reacted))?;
        found.sort_by_key(|reacted| reacted.kind);
        Ok(found)
    }

    fn reactions_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, MessageId, Reacted)>, StoreError> {
        let sql = format!(
            "SELECT reactions.number, messages.id, {} FROM reactions JOIN messages ON messages.number = reactions.message
             WHERE reactions.number > ?1 ORDER BY reactions.number LIMIT ?2",
            columns::REACTED
        );
        let params = params_from_iter([within_sqlite(after).unwrap_or(i64::MAX), i64::from(limit)]);
        self.told(read_all(&self.connection, &sql, params, columns::numbered_reaction))
    }

    fn assignments_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Assignment)>, StoreError> {
        let of = "number, message, journey, campaign, step, draw, customer, at_ms, variant, shares";
        self.numbered("assignments", of, after, limit, columns::numbered_assignment)
    }

    fn sharings_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Sharing)>, StoreError> {
        self.numbered("shares", &format!("number, {}", columns::SHARING), after, limit, columns::numbered_sharing)
    }

    fn reaction_counts(&self, campaign: Option<&Name>) -> Result<Vec<ReactionCount>, StoreError> {
        let mut select =
            Select::new("campaign, kind, count(*)", "reactions JOIN messages ON messages.number = reactions.message");
        select.only("campaign", campaign.map(|campaign| campaign.as_str().to_owned()));
        let sql = format!("{} GROUP BY campaign, kind ORDER BY campaign, kind", select.sql);
        self.told(read_all(&self.connection, &sql, params_from_iter(select.params), columns::reaction_count))
    }

    fn transitions(&self, segment: &Name, page: Page) -> Result<Vec<Transition>, StoreError> {
        self.told(self.newest_transitions(segment, page))
    }

    fn tasks(&self, filter: &TaskFilter, page: Page) -> Result<Vec<Task>, StoreError> {
        let mut select = Select::new(columns::TASK, "tasks");
        select.only("id", filter.id.as_ref().map(ToString::to_string));
        select.only("customer", filter.customer.map(|customer| customer.0));
        select.only("campaign", filter.campaign.as_ref().map(|campaign| campaign.as_str().to_owned()));
        if let Some(open) = filter.open {
            select.only_where(if open { "completed_at_ms IS NULL" } else { "completed_at_ms IS NOT NULL" });
        }
        select.only("owner", filter.owner.clone());
        let order = "completed_at_ms IS NOT NULL, \
             CASE WHEN completed_at_ms IS NULL THEN coalesce(due_ms, 9223372036854775807) ELSE -completed_at_ms END, number";
        let (sql, params) = select.page(order, page);
        self.told(read_all(&self.connection, &sql, params_from_iter(params), columns::task))
    }

    fn tasks_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Task)>, StoreError> {
        self.numbered("tasks", &format!("number, {}", columns::TASK), after, limit, columns::numbered_task)
    }

    fn open_tasks(&self, now: Timestamp) -> Result<Vec<OpenTasks>, StoreError> {
        let sql = "SELECT owner, count(*), count(CASE WHEN due_ms <= ?1 THEN 1 END) FROM tasks
                   WHERE completed_at_ms IS NULL GROUP BY owner ORDER BY owner";
        self.told(read_all(&self.connection, sql, [now.0], columns::open_tasks))
    }

    fn webhooks(&self, filter: &WebhookFilter, page: Page) -> Result<Vec<Webhook>, StoreError> {
        let mut select = Select::new(&format!("{}, body", columns::WEBHOOK), "webhooks");
        select.only("customer", filter.customer.map(|customer| customer.0));
        select.only("state", filter.state.map(|state| state.word().to_owned()));
        select.only("campaign", filter.campaign.as_ref().map(|campaign| campaign.as_str().to_owned()));
        let (sql, params) = select.page("number DESC", page);
        self.told(read_all(&self.connection, &sql, params_from_iter(params), columns::webhook))
    }

    fn webhook(&self, id: &str) -> Result<Option<Webhook>, StoreError> {
        let sql = format!("SELECT {}, body FROM webhooks WHERE id = ?1", columns::WEBHOOK);
        let found = read_all(&self.connection, &sql, [id], columns::webhook);
        Ok(self.told(found)?.pop())
    }

    fn webhooks_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Webhook)>, StoreError> {
        let of = format!("number, {}, body", columns::WEBHOOK);
        self.numbered("webhooks", &of, after, limit, columns::numbered_webhook)
    }

    fn webhook_counts(&self) -> Result<Vec<WebhookCount>, StoreError> {
        let sql = "SELECT endpoint, state, count(*) FROM webhooks GROUP BY endpoint, state ORDER BY endpoint, state";
        self.told(read_all(&self.connection, sql, [], columns::webhook_count))
    }

    fn pool_counts(&self, since: Timestamp) -> Result<Vec<PoolCount>, StoreError> {
        let sql = "SELECT pool, count(*) - count(given_at_ms), count(given_at_ms),
                       count(CASE WHEN given_at_ms >= ?1 THEN 1 END), max(added_at_ms)
                   FROM voucher_codes GROUP BY pool ORDER BY pool";
        self.told(read_all(&self.connection, sql, [since.0], columns::pool_count))
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

    fn reports(&self, filter: &ReportFilter, page: Page) -> Result<Vec<MailReport>, StoreError> {
        let mut select = Select::new(columns::REPORT, "reports");
        select.only("id", filter.id.as_ref().map(ToString::to_string));
        select.only("message", filter.message.as_ref().map(|message| message.0.to_string()));
        if let Some(matched) = filter.matched {
            select.only_where(if matched { "message IS NOT NULL" } else { "message IS NULL" });
        }
        let (sql, params) = select.page("number DESC", page);
        self.told(read_all(&self.connection, &sql, params_from_iter(params), columns::report))
    }

    fn reports_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, MailReport)>, StoreError> {
        self.numbered("reports", &format!("number, {}", columns::REPORT), after, limit, columns::numbered_report)
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
        let mut bytes = self.history()?.iter().map(|file| file.size_bytes).sum();
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
    if let Some(message) = &filter.message {
        // Decisions are found by their customer, of whom there are few: an index over the ids of messages, which come in no
        // order, would change a page somewhere else with each of them.
        select.params.push(message.0.to_string().into());
        select.only_where("customer = (SELECT customer FROM messages WHERE id = ?1) AND +message = ?1");
    }
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
