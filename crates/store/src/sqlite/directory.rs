//! The data directory: made private, held by one process, watched for room.

use super::error::Told;
use crate::StoreError;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The database's file name.
pub(super) const DATABASE: &str = "perennial.sqlite";
const LOCK: &str = "lock";

/// Below this a disk counts as full even if some bytes are left.
const EXHAUSTED_BYTES: u64 = 1024 * 1024;

/// A data directory held by this process until it is dropped.
pub(super) struct Directory {
    path: PathBuf,
    /// The system lets go of the lock when the process ends, however it ends.
    _lock: File,
    database: Option<FileId>,
    /// Whether its files must outlast a power cut.
    outlasts: bool,
}

impl Directory {
    /// Makes the directory if needed, and holds it. `outlasts`: what is made in it outlasts a power cut.
    /// Errors: `Locked`, `Io`.
    pub(super) fn hold(path: &Path, outlasts: bool) -> Result<Directory, StoreError> {
        let told = Told { dir: path, doing: "opened" };
        make(path).map_err(|error| told.system("", &error))?;
        let mut lock = private_file(&path.join(LOCK)).map_err(|error| told.system(LOCK, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(locked(path, &mut lock)),
            Err(TryLockError::Error(error)) => return Err(told.system(LOCK, &error)),
        }
        lock.set_len(0)
            .and_then(|()| write!(lock, "{}", std::process::id()))
            .map_err(|error| told.system(LOCK, &error))?;
        Ok(Directory { path: path.to_owned(), _lock: lock, database: None, outlasts })
    }

    /// Makes the database's file, empty and private, unless it is there.
    ///
    /// SQLite would make it readable to others; it gives the files beside it the same rights.
    pub(super) fn make_database(&mut self) -> Result<(), StoreError> {
        let told = Told { dir: &self.path, doing: "opened" };
        let file = private_file(&self.database_path())
            .and_then(|file| if self.outlasts { sync_directory(&self.path).map(|()| file) } else { Ok(file) })
            .map_err(|error| told.system(DATABASE, &error))?;
        self.database = file_id(&file.metadata().map_err(|error| told.system(DATABASE, &error))?);
        Ok(())
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the database is.
    pub(super) fn database_path(&self) -> PathBuf {
        database_in(&self.path)
    }

    /// Errors if the database's file was removed or replaced under us: what is written would be lost.
    pub(super) fn check_presence(&self) -> Result<(), StoreError> {
        let told = Told { dir: &self.path, doing: "written" };
        let found = std::fs::metadata(self.database_path()).map_err(|error| told.system(DATABASE, &error))?;
        if file_id(&found) != self.database {
            let error = std::io::Error::other("the file was replaced while Perennial was running");
            return Err(told.system(DATABASE, &error));
        }
        Ok(())
    }

    /// Errors with `Full` if fewer than so many bytes are free.
    pub(super) fn check_room(&self, reserve_bytes: u64) -> Result<(), StoreError> {
        check_room(&self.path, reserve_bytes)
    }
}

/// Errors with `Full` if fewer than so many bytes are free on the disk of a directory.
pub(super) fn check_room(path: &Path, reserve_bytes: u64) -> Result<(), StoreError> {
    match free_bytes(path) {
        Some(free) if free < reserve_bytes => Err(StoreError::Full { place: path.display().to_string() }),
        _ => Ok(()),
    }
}

fn locked(path: &Path, lock: &mut File) -> StoreError {
    let mut holder = String::new();
    // A process number has at most ten digits; on Windows a locked file cannot be read at all.
    let read = lock.take(20).read_to_string(&mut holder);
    let holder = if read.is_err() || holder.is_empty() { "unknown".to_owned() } else { holder };
    StoreError::Locked { place: path.display().to_string(), holder }
}

/// Makes the directory and what is missing above it, and makes sure they outlast a power cut.
pub(crate) fn make(path: &Path) -> std::io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.exists()).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    for part in missing {
        match part.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent)?,
            _ => sync_directory(Path::new("."))?,
        }
    }
    Ok(())
}

pub(super) fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
pub(super) fn sync_directory(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

// Windows has no such call; NTFS journals its directories.
#[cfg(not(unix))]
pub(super) fn sync_directory(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

type FileId = (u64, u64);

#[cfg(unix)]
fn file_id(metadata: &std::fs::Metadata) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn file_id(_metadata: &std::fs::Metadata) -> Option<FileId> {
    None
}

/// Whether the disk has next to nothing left.
pub(super) fn is_exhausted(path: &Path) -> bool {
    free_bytes(path).is_some_and(|free| free < EXHAUSTED_BYTES)
}

/// Bytes that we may still write, where the system tells.
#[cfg(unix)]
fn free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(not(unix))]
fn free_bytes(_path: &Path) -> Option<u64> {
    None
}

/// Where the database of a data directory lies.
pub(super) fn database_in(dir: &Path) -> PathBuf {
    dir.join(DATABASE)
}
