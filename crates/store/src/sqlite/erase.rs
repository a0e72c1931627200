//! Erasing a person from the database and from the files of history.
//!
//! Files that name them are written anew beside the old ones; then one transaction rewrites the journal, swaps the files
//! in the list, empties the facts and notes the numbers that stay unused. A crash before it leaves files that the next
//! start removes, one after it leaves old files that the next start removes. Deleted content is overwritten with zeros
//! (`secure_delete`); last the log is emptied, which holds pages as they were, and is made up for if a reader is in the way.

use super::columns::{self, STORED_ROW, stored_row, visit_all};
use super::directory::{check_room, make, sync_directory};
use super::error::Told;
use super::history::{check_directory, history_in, insert, list, part_name};
use super::write::{self, WriteError};
use super::{SqliteStore, open_reader, told_write};
use crate::erasure::{Erased, ErasedName, Erasure, Rewrite};
use crate::history::{self, WriteFailed, damaged_file};
use crate::journal::{RowReader, RowWriter};
use crate::{HistoryFile, Refused, RowId, StoreError};
use domain::{Position, Timestamp, Trust};
use rusqlite::{Connection, Result as SqlResult, TransactionBehavior, params};
use std::path::Path;

/// A file of history and the one that takes its place.
struct Swap {
    old: HistoryFile,
    new: HistoryFile,
}

impl SqliteStore {
    pub(super) fn erase_person(&mut self, erasure: &Erasure, rewrite: Rewrite<'_>) -> Result<Erased, StoreError> {
        self.directory.check_presence()?;
        let dir = self.directory.path().to_owned();
        let (swaps, in_files) = write_files(&self.connection, &dir, self.reserve_bytes, erasure, rewrite)?;
        let taken_out = self.take_out(erasure, rewrite, &swaps);
        self.pen.numbers.forget();
        let mut erased = taken_out.map_err(|error| told_write(&dir, "written", error))?;
        erased.calls += in_files;
        // What is no longer in the list goes, and what others have begun to write from before.
        check_directory(&self.connection, &dir).map_err(|error| told_write(&dir, "written", error))?;
        erased.is_scrubbed =
            scrub(&self.connection).map_err(|error| Told { dir: &dir, doing: "written" }.sqlite(&error))?;
        Ok(erased)
    }

    fn take_out(&mut self, erasure: &Erasure, rewrite: Rewrite<'_>, swaps: &[Swap]) -> Result<Erased, WriteError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut erased =
            Erased { calls: rewrite_journal(&transaction, &mut self.pen.rows, erasure, rewrite)?, ..Erased::default() };
        for Swap { old, new } in swaps {
            let gone = transaction.execute("DELETE FROM history WHERE file = ?1", [&old.name])?;
            if gone != 1 {
                let reason = format!("history/{} changed meanwhile; try again", old.name);
                return Err(StoreError::Io { doing: "written", reason }.into());
            }
            insert(&transaction, new)?;
        }
        write::write(&transaction, &mut self.pen, &erasure.commit)?;
        for customer in &erasure.customers {
            erased.letters += empty_facts(&transaction, customer.0, i64::MAX)?;
        }
        for (customer, until) in &erasure.parted {
            erased.letters += empty_facts(&transaction, customer.0, until.0)?;
        }
        erased.refused = forget_refused(&transaction, erasure)?;
        forget_reports(&transaction, erasure)?;
        put_names(&transaction, &erasure.erased)?;
        transaction.execute("UPDATE erasures SET count = count + 1, unscrubbed = 1", [])?;
        transaction.commit()?;
        Ok(erased)
    }
}

/// How often somebody was erased.
pub(super) fn erasures(connection: &Connection) -> SqlResult<u64> {
    connection.query_row("SELECT count FROM erasures", [], |row| row.get(0))
}

/// Names that were erased, by number.
pub(super) fn names(connection: &Connection) -> SqlResult<Vec<ErasedName>> {
    let mut statement =
        connection.prepare("SELECT number, at_ms, shared_name, shared_from FROM erased ORDER BY number")?;
    let name = |row: &rusqlite::Row<'_>| {
        let shared: Option<String> = row.get(2)?;
        let from: Option<u64> = row.get(3)?;
        let shared = shared.map(Into::into).zip(from.map(Position));
        Ok(ErasedName { number: row.get(0)?, at: Timestamp(row.get(1)?), shared })
    };
    statement.query_map([], name)?.collect()
}

/// Empties the log if it may still hold what was erased. Returns whether it holds nothing of it now.
pub(super) fn scrub(connection: &Connection) -> SqlResult<bool> {
    let is_due: bool = connection.query_row("SELECT unscrubbed FROM erasures", [], |row| row.get(0))?;
    if !is_due {
        return Ok(true);
    }
    let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if !is_busy {
        connection.execute("UPDATE erasures SET unscrubbed = 0", [])?;
    }
    Ok(!is_busy)
}

/// Writes the files of history that name the person once more, without them. Returns how many calls changed.
fn write_files(
    connection: &Connection,
    dir: &Path,
    reserve_bytes: u64,
    erasure: &Erasure,
    rewrite: Rewrite<'_>,
) -> Result<(Vec<Swap>, u64), StoreError> {
    let told = Told { dir, doing: "read" };
    let number = erasures(connection).map_err(|error| told.sqlite(&error))? + 1;
    let reader = open_reader(dir)?;
    let (mut swaps, mut changed) = (Vec::new(), 0);
    for old in list(connection).map_err(|error| told.sqlite(&error))? {
        let file = reader.open_file(&old)?.ok_or_else(|| damaged_file(&old.name, "the file is missing"))?;
        if !file.mentions(&erasure.names)? {
            continue;
        }
        let mut calls = file.calls(&|_| true)?;
        let mut of_file = 0;
        for placed in &mut calls {
            if let Some(rewritten) = erasure.rewrite(placed.position, &placed.call, rewrite) {
                placed.call = rewritten;
                of_file += 1;
            }
        }
        if of_file == 0 {
            continue;
        }
        changed += of_file;
        check_room(dir, reserve_bytes.saturating_add(old.size_bytes))?;
        // A file never changes: what takes its place has a name of its own.
        let stem = old.name.split(".parquet").next().unwrap_or_default();
        let stem = stem.split("-e").next().unwrap_or_default();
        let name = format!("{stem}-e{number}.parquet");
        let new = write_file(dir, &name, calls)?;
        swaps.push(Swap { old, new });
    }
    Ok((swaps, changed))
}

fn write_file(dir: &Path, name: &str, calls: Vec<history::Placed>) -> Result<HistoryFile, StoreError> {
    let place = history_in(dir);
    let told = Told { dir, doing: "written" };
    make(&place).map_err(|error| told.system("history", &error))?;
    let part = place.join(part_name(name));
    let written = history::write(&part, name, calls).and_then(|file| {
        std::fs::rename(&part, place.join(name))?;
        sync_directory(&place)?;
        Ok(file)
    });
    written.map_err(|error| {
        let _ = std::fs::remove_file(&part);
        match error {
            WriteFailed::System(error) => told.system(&format!("history/{name}"), &error),
            WriteFailed::Parquet(error) => {
                StoreError::Io { doing: "written", reason: format!("history/{name}: {error}") }
            }
        }
    })
}

/// Rewrites the rows of the journal that name the person. Returns how many calls changed. O(journal).
fn rewrite_journal(
    connection: &Connection,
    writer: &mut RowWriter,
    erasure: &Erasure,
    rewrite: Rewrite<'_>,
) -> Result<u64, WriteError> {
    let mut reader = RowReader::new()?;
    let mut ids = connection.prepare("SELECT row FROM journal ORDER BY row")?;
    let ids: Vec<u64> = ids.query_map([], |row| row.get(0))?.collect::<SqlResult<_>>()?;
    let mut find = connection.prepare(STORED_ROW)?;
    let mut update = connection.prepare(
        "UPDATE journal SET min_time_ms = ?2, max_time_ms = ?3, size_bytes = ?4, checksum = ?5, body = ?6 WHERE row = ?1",
    )?;
    let mut changed = 0;
    for id in ids.into_iter().map(RowId) {
        let row = {
            let mut found = find.query([id.0])?;
            let Some(row) = found.next()? else { continue };
            reader.read(&stored_row(id, row)?)?
        };
        let Some((calls, count)) = erasure.rewrite_row(&row, rewrite) else { continue };
        changed += count;
        let row = writer.write(id, row.first, &calls)?;
        update.execute(params![id.0, row.min_time.0, row.max_time.0, row.size_bytes, row.checksum, row.body])?;
    }
    Ok(changed)
}

/// Deletes what facts of a customer say of a person, up to an instant; what counts stays. Returns the number of letters.
fn empty_facts(connection: &Connection, customer: u32, until_ms: i64) -> SqlResult<u64> {
    let letters = "DELETE FROM letters WHERE message IN
        (SELECT number FROM messages WHERE customer = ?1 AND decided_at_ms <= ?2)";
    let letters = connection.execute(letters, params![customer, until_ms])?;
    for sql in [
        "DELETE FROM kept_mails WHERE message IN
             (SELECT number FROM messages WHERE customer = ?1 AND decided_at_ms <= ?2)",
        "UPDATE attempts SET reply = NULL WHERE message IN
             (SELECT number FROM messages WHERE customer = ?1 AND decided_at_ms <= ?2)",
        "UPDATE messages SET detail = NULL WHERE customer = ?1 AND decided_at_ms <= ?2",
        "UPDATE decisions SET detail = NULL WHERE customer = ?1 AND at_ms <= ?2",
        // A date by which somebody was let in may be their birthday.
        "UPDATE journeys SET key = NULL, trigger = NULL, record_kind = NULL, record_id = NULL, occasion = NULL
             WHERE customer = ?1 AND entered_at_ms <= ?2",
        // That a code was given stays, so that nobody gets it again; to whom does not.
        "UPDATE voucher_codes SET customer = NULL WHERE customer = ?1 AND given_at_ms <= ?2",
        "DELETE FROM tasks WHERE customer = ?1 AND opened_at_ms <= ?2",
        "DELETE FROM webhooks WHERE customer = ?1 AND made_at_ms <= ?2",
    ] {
        connection.execute(sql, params![customer, until_ms])?;
    }
    Ok(letters as u64)
}

fn forget_refused(connection: &Connection, erasure: &Erasure) -> SqlResult<u64> {
    let mut statement = connection.prepare("SELECT id, message, raw FROM refused")?;
    let refused = statement.query_map([], |row| {
        Ok(Refused {
            id: row.get(0)?,
            at: Timestamp(0),
            source: String::new(),
            trust: Trust::Browser,
            reason: String::new(),
            message: row.get(1)?,
            raw: row.get(2)?,
        })
    })?;
    let mut gone = Vec::new();
    for refused in refused {
        let refused = refused?;
        if erasure.is_about(&refused) {
            gone.push(refused.id);
        }
    }
    for id in &gone {
        connection.execute("DELETE FROM refused WHERE id = ?1", [id])?;
    }
    Ok(gone.len() as u64)
}

fn forget_reports(connection: &Connection, erasure: &Erasure) -> SqlResult<()> {
    let sql = format!("SELECT {} FROM reports", columns::REPORT);
    let mut gone = Vec::new();
    visit_all(connection, &sql, [], columns::report, |report| {
        if erasure.is_about_report(&report) {
            gone.push(report.id);
        }
    })?;
    for id in gone {
        connection.execute("DELETE FROM reports WHERE id = ?1", [&*id])?;
    }
    Ok(())
}

fn put_names(connection: &Connection, names: &[ErasedName]) -> SqlResult<()> {
    connection.execute("DELETE FROM erased", [])?;
    let mut put =
        connection.prepare("INSERT INTO erased (number, at_ms, shared_name, shared_from) VALUES (?1, ?2, ?3, ?4)")?;
    for ErasedName { number, at, shared } in names {
        let (name, from) = shared.as_ref().map(|(name, from)| (&**name, from.0)).unzip();
        put.execute(params![number, at.0, name, from])?;
    }
    Ok(())
}
