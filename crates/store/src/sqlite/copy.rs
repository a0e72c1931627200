//! A copy of everything that survives, as of one commit, while the store is written to.

use super::error::Told;
use super::{directory, history, open_for_copying, open_for_reading};
use crate::StoreError;
use domain::Position;
use std::path::{Path, PathBuf};

/// So often the copy begins again where a file was merged into another one meanwhile.
const TRIES: usize = 5;

/// What was copied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Copied {
    /// The last call in it.
    pub position: Position,
    /// Its files, relative to the directory.
    pub files: Vec<PathBuf>,
}

/// Copies the store in `from`, whoever holds it, into `into`, which is made and must not be there.
///
/// The database is written anew, as it was at one commit; files of history are linked where the file system can, since they never change.
/// O(bytes of the database and, where files cannot be linked, of history). Errors: `Io`, `Damaged`, `Full`.
pub fn copy(from: &Path, into: &Path) -> Result<Copied, StoreError> {
    let told = Told { dir: into, doing: "written" };
    let mut tries = 0;
    loop {
        directory::make(into).map_err(|error| told.system("", &error))?;
        let copied = copy_once(from, into);
        tries += 1;
        match copied {
            Ok(Some(copied)) => return Ok(copied),
            Ok(None) if tries < TRIES => {}
            Ok(None) => {
                let error =
                    std::io::Error::other("history was put in order again and again meanwhile; try again later");
                remove(into, told)?;
                return Err(told.system("history", &error));
            }
            Err(error) => {
                let _ = std::fs::remove_dir_all(into);
                return Err(error);
            }
        }
        remove(into, told)?;
    }
}

fn remove(dir: &Path, told: Told<'_>) -> Result<(), StoreError> {
    std::fs::remove_dir_all(dir).map_err(|error| told.system("", &error))
}

/// None: a file in the list was gone when its turn came, so that the list is an older one's.
fn copy_once(from: &Path, into: &Path) -> Result<Option<Copied>, StoreError> {
    let read = Told { dir: from, doing: "read" };
    let written = Told { dir: into, doing: "written" };
    let target = directory::database_in(into);
    let name = target.to_str().ok_or_else(|| {
        let error = std::io::Error::other("its path is not UTF-8; choose another place");
        written.system("", &error)
    })?;
    // Made first, because SQLite would make it readable to others.
    directory::private_file(&target).map_err(|error| written.system(directory::DATABASE, &error))?;
    {
        let source = open_for_copying(&directory::database_in(from)).map_err(|error| read.sqlite(&error))?;
        source.execute("VACUUM INTO ?1", [name]).map_err(|error| written.sqlite(&error))?;
    }
    let copy = open_for_reading(&target).map_err(|error| written.sqlite(&error))?;
    let listed = history::list(&copy).map_err(|error| written.sqlite(&error))?;
    let position =
        copy.query_row("SELECT position FROM meta", [], |row| row.get(0)).map_err(|error| written.sqlite(&error))?;
    drop(copy);
    let (old, new) = (history::history_in(from), history::history_in(into));
    directory::make(&new).map_err(|error| written.system("history", &error))?;
    let mut files = vec![PathBuf::from(directory::DATABASE)];
    for file in listed {
        let (source, target) = (old.join(&file.name), new.join(&file.name));
        // Another disk has no links to this one.
        let copied = std::fs::hard_link(&source, &target).or_else(|_| std::fs::copy(&source, &target).map(drop));
        match copied {
            Ok(()) => files.push(Path::new("history").join(&file.name)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(written.system("history", &error)),
        }
    }
    Ok(Some(Copied { position: Position(position), files }))
}
