//! The list of the files of history, and the transactions that change it.

use super::columns::read_all;
use super::words::Columns;
use super::write::WriteError;
use crate::history::damaged_file;
use crate::{HistoryFile, Prepared, RowId, StoreError, TakenFrom};
use domain::Position;
use rusqlite::{Connection, OptionalExtension, Result, params};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

const FILE: &str = "first_row, last_row, first, count, json_bytes, min_time_ms, max_time_ms, min_name, max_name, \
    file, size_bytes, sums";

/// Where the files of a data directory lie.
pub(super) fn history_in(dir: &Path) -> PathBuf {
    dir.join("history")
}

fn file(columns: &mut Columns<'_, '_>) -> Result<HistoryFile> {
    Ok(HistoryFile {
        first_row: RowId(columns.take()?),
        last_row: RowId(columns.take()?),
        first: Position(columns.take()?),
        count: columns.take()?,
        json_bytes: columns.take()?,
        min_time: columns.instant()?,
        max_time: columns.instant()?,
        min_name: columns.take()?,
        max_name: columns.take()?,
        name: columns.take()?,
        size_bytes: columns.take()?,
        sums: columns.take::<Vec<u8>>()?.chunks(4).map(sum).collect(),
    })
}

/// One cut short becomes a sum that fits nothing.
fn sum(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_le_bytes)
}

/// All files, in the order of their calls.
pub(super) fn list(connection: &Connection) -> Result<Vec<HistoryFile>> {
    read_all(connection, &format!("SELECT {FILE} FROM history ORDER BY first_row"), [], file)
}

/// The file that holds a row, if one does.
pub(super) fn find(connection: &Connection, row: RowId) -> Result<Option<HistoryFile>> {
    let Some(number) = super::read::within_sqlite(row.0) else { return Ok(None) };
    let sql = format!("SELECT {FILE} FROM history WHERE first_row <= ?1 ORDER BY first_row DESC LIMIT 1");
    let found = read_all(connection, &sql, [number], file)?.pop();
    Ok(found.filter(|file| file.holds(row)))
}

/// Puts a prepared file in the place of what its calls are taken from. The caller's transaction makes it one step.
/// Returns the names of the files that are no longer in the list.
pub(super) fn adopt(connection: &Connection, prepared: &Prepared) -> std::result::Result<Vec<String>, WriteError> {
    let Prepared { file, from, erasures: _ } = prepared;
    let rows = params![file.first_row.0, file.last_row.0];
    let replaced = list(connection)?;
    let replaced = replaced.into_iter().filter(|it| it.first_row <= file.last_row && it.last_row >= file.first_row);
    let replaced: Vec<String> = replaced.map(|it| it.name).collect();
    let gone = replaced.iter().filter(|name| **name != file.name).cloned().collect();
    let sealed = connection
        .query_row("SELECT sum(count), min(first) FROM journal WHERE row BETWEEN ?1 AND ?2", rows, |row| {
            Ok((row.get::<_, Option<u64>>(0)?, row.get::<_, Option<u64>>(1)?))
        })
        .optional()?;
    let merged = connection.query_row(
        "SELECT sum(count), min(first) FROM history WHERE first_row >= ?1 AND last_row <= ?2",
        rows,
        |row| Ok((row.get::<_, Option<u64>>(0)?, row.get::<_, Option<u64>>(1)?)),
    )?;
    let whole = (Some(file.count), Some(file.first.0));
    let fits = match from {
        TakenFrom::Journal => sealed == Some(whole) && replaced.is_empty(),
        TakenFrom::Files => merged == whole && sealed == Some((None, None)),
    };
    if !fits {
        let reason = format!("the calls of history/{} are no longer where they were taken from", file.name);
        return Err(StoreError::Io { doing: "written", reason }.into());
    }
    connection.execute("DELETE FROM journal WHERE row BETWEEN ?1 AND ?2", rows)?;
    connection.execute("DELETE FROM history WHERE first_row >= ?1 AND last_row <= ?2", rows)?;
    insert(connection, file)?;
    Ok(gone)
}

pub(super) fn insert(connection: &Connection, file: &HistoryFile) -> Result<()> {
    let sums: Vec<u8> = file.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
    connection.execute(
        &format!("INSERT INTO history ({FILE}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"),
        params![
            file.first_row.0,
            file.last_row.0,
            file.first.0,
            file.count,
            file.json_bytes,
            file.min_time.0,
            file.max_time.0,
            file.min_name,
            file.max_name,
            file.name,
            file.size_bytes,
            sums
        ],
    )?;
    Ok(())
}

/// Errors with its name if a file of the list is gone, and removes files that are not in the list.
///
/// A crash leaves those between a file and its transaction; others were merged. Called while nobody else uses the
/// directory.
pub(super) fn check_directory(connection: &Connection, dir: &Path) -> std::result::Result<(), WriteError> {
    let listed: HashSet<String> = list(connection)?.into_iter().map(|file| file.name).collect();
    let place = history_in(dir);
    let io =
        |error: std::io::Error| StoreError::Io { doing: "opened", reason: format!("{}: {error}", place.display()) };
    if let Some(missing) = listed.iter().filter(|name| !place.join(name).exists()).min() {
        return Err(damaged_file(missing, "the file is missing").into());
    }
    let entries = match std::fs::read_dir(&place) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error).into()),
    };
    for entry in entries {
        let entry = entry.map_err(io)?;
        let name = entry.file_name();
        // Only what bears a name that we give: other files are none of our business.
        let is_ours = name.to_str().is_some_and(|name| is_file_name(name) && !listed.contains(name));
        if is_ours {
            std::fs::remove_file(entry.path()).map_err(io)?;
        }
    }
    Ok(())
}

/// The name of a file that holds the calls from one position to another.
pub(super) fn file_name(first: Position, last: Position) -> String {
    format!("calls-{:012}-{:012}.parquet", first.0, last.0)
}

/// What a file is called while it is written.
pub(super) fn part_name(name: &str) -> String {
    format!("{name}.part")
}

fn is_file_name(name: &str) -> bool {
    name.starts_with("calls-") && (name.ends_with(".parquet") || name.ends_with(".parquet.part"))
}
