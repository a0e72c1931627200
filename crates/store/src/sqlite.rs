//! The store of one machine: SQLite in one data directory, one writer, readers beside it.
//!
//! A commit is one transaction, made durable by one fsync of the log (`synchronous=FULL`). A journal row
//! is a batch of calls; there is no index over their ids, the engine finds duplicates beside the journal.

mod checkpoint;
mod columns;
mod copy;
mod directory;
mod erase;
mod error;
mod format;
mod history;
mod ledger;
mod movements;
mod read;
mod recover;
mod sealer;
#[cfg(test)]
mod tests;
mod words;
mod write;

use crate::shelf::DirectoryShelf;
use crate::{Commit, Erased, Erasure, Prepared, Reader, Recovered, Rewrite, Sealer, Secrets, Shelf, Store, StoreError};
use checkpoint::Checkpoints;
pub use copy::{Copied, copy};
use directory::Directory;
pub(crate) use directory::make as make_private;
use error::Told;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use write::{Pen, WriteError};

/// The oldest SQLite that may write here, as SQLite numbers itself: earlier ones can damage a database
/// when a checkpoint and a commit race (fixed in 3.51.3).
pub const OLDEST_SQLITE: i32 = 3_051_003;

/// Statements that stay prepared: there are about 40 different ones.
const STATEMENTS: usize = 64;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Secrets of the workspace; used only when the store is made, otherwise those it has are kept.
    pub created: Secrets,
    /// While fewer bytes are free on the disk, commits with calls are refused; those without still go
    /// through, so that a customer can unsubscribe and a person can look at the pages.
    pub reserve_bytes: u64,
    /// Whether what was committed outlasts a crash of the machine. `false` is for directories that are thrown away, such
    /// as those of scenarios: nothing waits for the disk, and a power cut may leave the database damaged. A crash of the
    /// process loses nothing either way.
    pub outlasts_power_cut: bool,
}

impl Options {
    /// The usual options: a reserve of 64 MB, and commits that outlast everything.
    pub fn new(created: Secrets) -> Options {
        Options { created, reserve_bytes: 64 * 1024 * 1024, outlasts_power_cut: true }
    }
}

/// A store in a directory. The directory is held against other processes until it is dropped.
pub struct SqliteStore {
    // Dropped in this order: the lock goes last, when the database is closed.
    checkpoints: Checkpoints,
    connection: Connection,
    pen: Pen,
    reserve_bytes: u64,
    directory: Directory,
}

impl SqliteStore {
    /// Opens the store in `dir`, or makes it there.
    ///
    /// Errors: `Locked` if another process holds it; `Newer` if a newer version wrote it, with nothing
    /// changed; `Full`, `Io` and `Damaged` if it cannot be read or made.
    pub fn open(dir: &Path, options: Options) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_with(dir, options, format::STEPS)
    }

    fn open_with(dir: &Path, options: Options, steps: &[&str]) -> Result<SqliteStore, StoreError> {
        let Options { created, reserve_bytes, outlasts_power_cut } = options;
        check_sqlite()?;
        let mut directory = Directory::hold(dir, outlasts_power_cut)?;
        directory.make_database()?;
        format::refuse_newer(dir, &directory.database_path(), steps.len())?;
        let connection = open_for_writing(&directory.database_path(), outlasts_power_cut)
            .and_then(|mut connection| {
                format::bring_up_to_date(&mut connection, steps, &created)?;
                Ok(connection)
            })
            .map_err(|error| Told { dir, doing: "opened" }.sqlite(&error))?;
        history::check_directory(&connection, dir).map_err(|error| told_write(dir, "opened", error))?;
        // What a crash, or somebody who was reading, left of a person who was erased.
        erase::scrub(&connection).map_err(|error| Told { dir, doing: "opened" }.sqlite(&error))?;
        let checkpoints = Checkpoints::of(&directory.database_path(), outlasts_power_cut);
        Ok(SqliteStore { checkpoints, connection, pen: Pen::new()?, reserve_bytes, directory })
    }

    /// Opens a reader of the store in `dir`, which somebody in this process holds.
    pub fn reader_of(dir: &Path) -> Result<Box<dyn Reader>, StoreError> {
        Ok(Box::new(open_reader(dir)?))
    }

    fn write(&mut self, commit: &Commit) -> Result<(), WriteError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // If anything fails, dropping the transaction undoes all of it.
        let written = write::write(&transaction, &mut self.pen, commit).and_then(|()| Ok(transaction.commit()?));
        if written.is_err() {
            self.pen.numbers.forget();
            return written;
        }
        self.checkpoints.look(&self.connection);
        Ok(())
    }

    fn take_in(&mut self, prepared: &Prepared) -> Result<Vec<String>, WriteError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let replaced = history::adopt(&transaction, prepared)?;
        transaction.commit()?;
        Ok(replaced)
    }
}

fn open_reader(dir: &Path) -> Result<read::SqliteReader, StoreError> {
    let connection =
        open_for_reading(&directory::database_in(dir)).map_err(|error| Told { dir, doing: "opened" }.sqlite(&error))?;
    read::SqliteReader::new(connection, dir.to_owned())
}

fn told_write(dir: &Path, doing: &'static str, error: WriteError) -> StoreError {
    match error {
        WriteError::Store(error) => error,
        WriteError::Sqlite(error) => Told { dir, doing }.sqlite(&error),
    }
}

impl Drop for SqliteStore {
    /// Brings the log into the database, so that a copy of the directory needs no log. Readers may stay open; if one
    /// is in the middle of a read the log stays, and nothing is lost.
    fn drop(&mut self) {
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        let _ = self.connection.query_row(checkpoint, [], |_| Ok(()));
    }
}

impl Store for SqliteStore {
    fn recover(&self) -> Result<Recovered, StoreError> {
        let told = Told { dir: self.directory.path(), doing: "read" };
        recover::recover(&self.connection).map_err(|error| told.sqlite(&error))
    }

    fn may_append(&self) -> Result<(), StoreError> {
        self.directory.check_presence()?;
        self.directory.check_room(self.reserve_bytes)
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        // What Perennial itself writes down, such as an unsubscribe, may use the reserve.
        let from_outside = commit.calls.iter().any(|call| call.trust != domain::Trust::Perennial);
        if from_outside {
            self.may_append()?;
        } else {
            self.directory.check_presence()?;
        }
        self.write(commit).map_err(|error| told_write(self.directory.path(), "written", error))
    }

    fn adopt(&mut self, prepared: Prepared) -> Result<(), StoreError> {
        self.directory.check_presence()?;
        let told = |error| Told { dir: self.directory.path(), doing: "written" }.sqlite(&error);
        if erase::erasures(&self.connection).map_err(told)? != prepared.erasures {
            sealer::remove(self.directory.path(), std::slice::from_ref(&prepared.file.name));
            let reason = "somebody was erased while a file of history was written; it is written again".to_owned();
            return Err(StoreError::Io { doing: "written", reason });
        }
        erase::scrub(&self.connection).map_err(told)?;
        let replaced = self.take_in(&prepared).map_err(|error| told_write(self.directory.path(), "written", error))?;
        sealer::remove(self.directory.path(), &replaced);
        Ok(())
    }

    fn erase(&mut self, erasure: &Erasure, rewrite: Rewrite<'_>) -> Result<Erased, StoreError> {
        self.erase_person(erasure, rewrite)
    }

    fn sealer(&self) -> Result<Box<dyn Sealer>, StoreError> {
        let dir = self.directory.path();
        Ok(Box::new(sealer::SqliteSealer::new(open_reader(dir)?, dir.to_owned(), self.reserve_bytes)))
    }

    fn shelf(&self) -> Arc<dyn Shelf> {
        Arc::new(DirectoryShelf::new(&self.directory.path().join("lanes")))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        SqliteStore::reader_of(self.directory.path())
    }
}

fn check_sqlite() -> Result<(), StoreError> {
    if rusqlite::version_number() >= OLDEST_SQLITE {
        return Ok(());
    }
    let reason = format!("SQLite {} can damage data, 3.51.3 or later is needed", rusqlite::version());
    Err(StoreError::Io { doing: "opened", reason })
}

fn open_for_writing(database: &Path, outlasts_power_cut: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    set_common(&connection)?;
    // Before anything is written: making the log waits for the disk too.
    let synchronous = if outlasts_power_cut { "FULL" } else { "OFF" };
    connection.execute_batch(&format!("PRAGMA synchronous = {synchronous};"))?;
    // The page size counts only before the first page is written.
    connection.execute_batch("PRAGMA page_size = 8192;")?;
    // Some file systems cannot do WAL; SQLite then stays silently with what it had.
    connection.pragma_update_and_check(None, "journal_mode", "wal", |row| match row.get::<_, String>(0)?.as_str() {
        "wal" => Ok(()),
        other => Err(rusqlite::Error::InvalidParameterName(format!("the log is `{other}` instead of `wal` here"))),
    })?;
    connection.execute_batch(
        "PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA secure_delete = ON;
         PRAGMA cache_size = -65536;
         PRAGMA wal_autocheckpoint = 8000;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    Ok(connection)
}

/// As for reading; what the copy is written with is no query.
fn open_for_copying(database: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    set_common(&connection)?;
    Ok(connection)
}

fn open_for_reading(database: &Path) -> rusqlite::Result<Connection> {
    let connection = open_for_copying(database)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;")?;
    Ok(connection)
}

fn set_common(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(Duration::from_secs(5))?;
    // A page that was damaged on the disk is found when it is read; memory maps would turn it into a crash.
    connection.execute_batch("PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;")
}
