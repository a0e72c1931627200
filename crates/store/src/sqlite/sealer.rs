//! Does the long part of sealing and merging, on a connection that cannot write to the database.

use super::directory::{check_room, make, sync_directory};
use super::erase::erasures;
use super::error::Told;
use super::history::{file_name, history_in, list, part_name};
use super::read::SqliteReader;
use crate::history::{self, JournalSpan, Placed, WriteFailed, files_to_merge, rows_to_seal};
use crate::{HistoryFile, HistoryLimits, Prepared, RowId, Sealer, StoreError, TakenFrom};
use domain::Position;
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// The sealer of one data directory.
pub(super) struct SqliteSealer {
    reader: SqliteReader,
    dir: PathBuf,
    reserve_bytes: u64,
}

impl SqliteSealer {
    /// Prepares files while so many bytes are free on the disk.
    pub(super) fn new(reader: SqliteReader, dir: PathBuf, reserve_bytes: u64) -> SqliteSealer {
        SqliteSealer { reader, dir, reserve_bytes }
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        read(self.reader.connection()).map_err(|error| Told { dir: &self.dir, doing: "read" }.sqlite(&error))
    }

    fn seal(&self, limits: &HistoryLimits, erasures: u64) -> Result<Option<Prepared>, StoreError> {
        let Some((first, last)) = self.read(|connection| find_rows(connection, limits))? else { return Ok(None) };
        let mut calls = Vec::new();
        for id in (first.0..=last.0).map(RowId) {
            let row = self.reader.journal_row(id)?;
            let row = row.ok_or_else(|| crate::journal::damaged_row(id, "it is missing".to_owned()))?;
            let placed = (row.first.0..).map(Position).zip(row.calls);
            calls.extend(placed.map(|(position, call)| Placed { position, row: id, call }));
        }
        self.write(calls, TakenFrom::Journal, erasures).map(Some)
    }

    fn merge(&self, limits: &HistoryLimits, erasures: u64) -> Result<Option<Prepared>, StoreError> {
        let files = self.read(list)?;
        let Some(run) = files_to_merge(&files, limits) else { return Ok(None) };
        let mut calls = Vec::new();
        for listed in &files[run] {
            // Only the sealer's own work takes files away, so those of the list are there.
            let file = self.reader.open_file(listed)?;
            calls.extend(file.ok_or_else(|| missing(listed))?.calls(&|_| true)?);
        }
        self.write(calls, TakenFrom::Files, erasures).map(Some)
    }

    /// Writes calls into a file that is durable when this returns.
    fn write(&self, calls: Vec<Placed>, from: TakenFrom, erasures: u64) -> Result<Prepared, StoreError> {
        let place = history_in(&self.dir);
        let positions = || calls.iter().map(|it| it.position);
        let first = positions().min().unwrap_or_default();
        let name = file_name(first, positions().max().unwrap_or_default());
        let told = Told { dir: &self.dir, doing: "written" };
        // Compressed it is several times smaller than in memory; a tenth of a kilobyte a call is ample.
        check_room(&self.dir, self.reserve_bytes.saturating_add(calls.len() as u64 * 100))?;
        make(&place).map_err(|error| told.system("history", &error))?;
        let (part, path) = (place.join(part_name(&name)), place.join(&name));
        let written = history::write(&part, &name, calls).and_then(|file| {
            std::fs::rename(&part, &path)?;
            sync_directory(&place)?;
            Ok(file)
        });
        written.map(|file| Prepared { file, from, erasures }).map_err(|error| {
            // Half a file is of no use; if it cannot be removed now, the next start does it.
            let _ = std::fs::remove_file(&part);
            match error {
                WriteFailed::System(error) => told.system(&format!("history/{name}"), &error),
                WriteFailed::Parquet(error) => {
                    StoreError::Io { doing: "written", reason: format!("history/{name}: {error}") }
                }
            }
        })
    }
}

impl Sealer for SqliteSealer {
    fn prepare(&mut self, limits: &HistoryLimits) -> Result<Option<Prepared>, StoreError> {
        // Asked before anything is read.
        let erasures = self.read(erasures)?;
        match self.seal(limits, erasures)? {
            Some(prepared) => Ok(Some(prepared)),
            None => self.merge(limits, erasures),
        }
    }
}

/// The journal rows to seal next: the first and the last.
fn find_rows(connection: &Connection, limits: &HistoryLimits) -> rusqlite::Result<Option<(RowId, RowId)>> {
    let transaction = connection.unchecked_transaction()?;
    let position: u64 = transaction.query_row("SELECT position FROM meta", [], |row| row.get(0))?;
    let oldest = "SELECT min(row), (SELECT first FROM journal ORDER BY row LIMIT 1) FROM journal";
    let oldest =
        transaction.query_row(oldest, [], |row| Ok((row.get::<_, Option<u64>>(0)?, row.get::<_, Option<u64>>(1)?)))?;
    let (Some(row), Some(first)) = oldest else { return Ok(None) };
    let waiting = (position + 1).saturating_sub(first);
    let mut rows = transaction.prepare_cached("SELECT row, count, size_bytes FROM journal ORDER BY row")?;
    let rows = rows.query_map([], |row| {
        Ok(JournalSpan { row: RowId(row.get(0)?), count: row.get(1)?, json_bytes: row.get(2)? })
    })?;
    Ok(rows_to_seal(waiting, rows, limits)?.map(|last| (RowId(row), last)))
}

fn missing(file: &HistoryFile) -> StoreError {
    history::damaged_file(&file.name, "the file is missing")
}

/// Takes files away that are no longer in the list. Whoever has one open goes on reading it; where the system does not
/// allow that, the file stays until the next start.
pub(super) fn remove(dir: &Path, names: &[String]) {
    for name in names {
        let _ = std::fs::remove_file(history_in(dir).join(name));
    }
}
