//! The format of the database: a number, and the steps that lead up to it. No step leads down.

use super::error::Told;
use crate::{Secrets, StoreError};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use std::path::Path;

/// The steps, in order: the first makes an empty database format 1. Steps that were released never change.
pub(super) const STEPS: &[&str] = &[
    include_str!("format_1.sql"),
    include_str!("format_2.sql"),
    include_str!("format_3.sql"),
    include_str!("format_4.sql"),
    include_str!("format_5.sql"),
    include_str!("format_6.sql"),
    include_str!("format_7.sql"),
    include_str!("format_8.sql"),
    include_str!("format_9.sql"),
    include_str!("format_10.sql"),
    include_str!("format_11.sql"),
    include_str!("format_12.sql"),
    include_str!("format_13.sql"),
    include_str!("format_14.sql"),
    include_str!("format_15.sql"),
    include_str!("format_16.sql"),
    include_str!("format_17.sql"),
];

/// Errors with `Newer` if the database has a format beyond `known`, without changing a byte of it.
pub(super) fn refuse_newer(dir: &Path, database: &Path, known: usize) -> Result<(), StoreError> {
    let told = Told { dir, doing: "opened" };
    // A connection that may write would move the log into the database when it is closed.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let found = Connection::open_with_flags(database, flags)
        .and_then(|connection| format_of(&connection))
        .map_err(|error| told.sqlite(&error))?;
    let known = u32::try_from(known).expect("the steps are a short list in the source");
    if found > known {
        return Err(StoreError::Newer { place: dir.display().to_string(), found, known });
    }
    Ok(())
}

/// Takes the steps that are missing, each whole or not at all.
pub(super) fn bring_up_to_date(connection: &mut Connection, steps: &[&str], created: &Secrets) -> rusqlite::Result<()> {
    let mut format = format_of(connection)?;
    for step in steps.iter().skip(format as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        if format == 0 {
            transaction.execute(
                "INSERT INTO meta (one, position, last_row, clock_ms, clock_offset_ms, link_key, dedupe_key)
                 VALUES (1, 0, 0, 0, 0, ?1, ?2)",
                params![created.link_key, created.dedupe_key],
            )?;
        }
        format += 1;
        transaction.pragma_update(None, "user_version", format)?;
        transaction.commit()?;
    }
    Ok(())
}

fn format_of(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
