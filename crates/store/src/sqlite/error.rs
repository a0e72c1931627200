//! What SQLite and the system say, in the words of the seam.

use crate::StoreError;
use rusqlite::ErrorCode;
use std::path::Path;

/// Turns errors met in one directory, doing one thing, into those of the seam.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    /// The data directory.
    pub(super) dir: &'a Path,
    /// `read`, `written`, `opened`.
    pub(super) doing: &'static str,
}

impl Told<'_> {
    /// An error of SQLite.
    pub(super) fn sqlite(self, error: &rusqlite::Error) -> StoreError {
        let damaged = |reason: String| StoreError::Damaged { place: self.place("perennial.sqlite"), reason };
        match error {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => StoreError::Full { place: self.dir.display().to_string() },
                // A full disk shows as an I/O error when it strikes at fsync.
                ErrorCode::SystemIoFailure if super::directory::is_exhausted(self.dir) => {
                    StoreError::Full { place: self.dir.display().to_string() }
                }
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => damaged(error.to_string()),
                _ => self.other(&format!("{error} (SQLite code {})", failure.extended_code)),
            },
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..) => damaged(error.to_string()),
            _ => self.other(&error.to_string()),
        }
    }

    /// An error of the system, at one file of the directory or at the directory itself (`""`).
    pub(super) fn system(self, file: &str, error: &std::io::Error) -> StoreError {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                StoreError::Full { place: self.dir.display().to_string() }
            }
            _ => StoreError::Io { doing: self.doing, reason: format!("{}: {error}", self.place(file)) },
        }
    }

    fn other(self, reason: &str) -> StoreError {
        StoreError::Io { doing: self.doing, reason: format!("{}: {reason}", self.dir.display()) }
    }

    fn place(self, file: &str) -> String {
        if file.is_empty() { self.dir.display().to_string() } else { self.dir.join(file).display().to_string() }
    }
}
