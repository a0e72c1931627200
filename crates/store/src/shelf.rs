//! Where things lie that were derived from calls and can be made again: losing any of it costs time alone.

use crate::StoreError;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Things by name. Each is written once, whole, and read in parts.
pub trait Shelf: Send + Sync {
    /// The names of all things, in order.
    fn names(&self) -> Result<Vec<String>, StoreError>;

    /// Puts a thing there, all of it or nothing, in the place of one of the same name. It need not outlast a power cut.
    ///
    /// `name`: letters, digits, dots and hyphens. Errors: `Full`, `Io`.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Opens a thing. One that is open can be read to the end even if it is taken away meanwhile. Errors: `Io`.
    fn open(&self, name: &str) -> Result<Box<dyn Shelved>, StoreError>;

    /// Takes a thing away, if it is there.
    fn remove(&self, name: &str);
}

/// A thing that is open for reading.
pub trait Shelved: Send + Sync {
    /// Its size in bytes.
    fn size_bytes(&self) -> u64;

    /// Fills `into` from a place on. Errors: `Io`, also where it ends before.
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), StoreError>;
}

fn failed(doing: &'static str, name: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Io { doing, reason: format!("{name}: {error}") }
}

/// A shelf that is a directory, which is made when the first thing is put there.
pub struct DirectoryShelf(PathBuf);

/// What a thing is called while it is written.
const PART: &str = ".part";

impl DirectoryShelf {
    /// The shelf in a directory.
    pub fn new(path: &Path) -> DirectoryShelf {
        DirectoryShelf(path.to_owned())
    }
}

impl Shelf for DirectoryShelf {
    fn names(&self) -> Result<Vec<String>, StoreError> {
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read", &self.0.display().to_string(), &error)),
        };
        let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        crate::sqlite::make_private(&self.0).map_err(|error| failed("written", name, &error))?;
        let part = self.0.join(format!("{name}{PART}"));
        let written = private(&part).and_then(|mut file| file.write_all(bytes));
        let written = written.and_then(|()| std::fs::rename(&part, self.0.join(name)));
        written.map_err(|error| {
            // Half a thing is of no use, and whoever lists the shelf takes it away.
            let _ = std::fs::remove_file(&part);
            failed("written", name, &error)
        })
    }

    fn open(&self, name: &str) -> Result<Box<dyn Shelved>, StoreError> {
        let file = File::open(self.0.join(name)).map_err(|error| failed("read", name, &error))?;
        let size_bytes = file.metadata().map_err(|error| failed("read", name, &error))?.len();
        Ok(Box::new(ShelvedFile { name: name.to_owned(), size_bytes, file }))
    }

    fn remove(&self, name: &str) {
        let _ = std::fs::remove_file(self.0.join(name));
    }
}

fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

struct ShelvedFile {
    name: String,
    size_bytes: u64,
    file: File,
}

impl Shelved for ShelvedFile {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    #[cfg(unix)]
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), StoreError> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, into, at)
            .map_err(|error| failed("read", &self.name, &error))
    }

    #[cfg(not(unix))]
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), StoreError> {
        use std::io::{Read, Seek, SeekFrom};
        // Another handle has a place of its own, so that threads do not move each other's.
        let read = || {
            let mut file = self.file.try_clone()?;
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(into)
        };
        read().map_err(|error: std::io::Error| failed("read", &self.name, &error))
    }
}

/// A shelf in memory. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryShelf(Arc<Mutex<BTreeMap<String, Arc<[u8]>>>>);

impl MemoryShelf {
    fn things(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<[u8]>>> {
        // Whoever panicked left the map whole: every change of it is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf for MemoryShelf {
    fn names(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.things().keys().cloned().collect())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.things().insert(name.to_owned(), bytes.into());
        Ok(())
    }

    fn open(&self, name: &str) -> Result<Box<dyn Shelved>, StoreError> {
        match self.things().get(name) {
            Some(bytes) => Ok(Box::new(bytes.clone())),
            None => Err(failed("read", name, &"there is no such thing")),
        }
    }

    fn remove(&self, name: &str) {
        self.things().remove(name);
    }
}

impl Shelved for Arc<[u8]> {
    fn size_bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), StoreError> {
        let part = usize::try_from(at).ok().and_then(|at| self.get(at..at.checked_add(into.len())?));
        match part {
            Some(part) => {
                into.copy_from_slice(part);
                Ok(())
            }
            None => Err(failed("read", "memory", &"it ends before")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_read_in_parts_until_it_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let shelves: [Box<dyn Shelf>; 2] =
            [Box::new(DirectoryShelf::new(&dir.path().join("lanes"))), Box::<MemoryShelf>::default()];
        for shelf in shelves {
            assert_eq!(shelf.names().unwrap(), Vec::<String>::new());
            shelf.put("a.bin", b"tea and cups").unwrap();
            shelf.put("b.bin", b"").unwrap();
            shelf.put("a.bin", b"cups and tea").unwrap();
            assert_eq!(shelf.names().unwrap(), ["a.bin", "b.bin"]);
            let open = shelf.open("a.bin").unwrap();
            shelf.remove("a.bin");
            let mut word = [0; 3];
            open.read(9, &mut word).unwrap();
            assert_eq!((&word, open.size_bytes()), (b"tea", 12));
            assert!(open.read(10, &mut word).is_err(), "it ends before");
            assert!(shelf.open("a.bin").is_err());
            assert_eq!(shelf.names().unwrap(), ["b.bin"]);
        }
    }
}
