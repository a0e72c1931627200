//! Which files are meant: paths are walked, and texts are read within bounds.

use std::io::Read;
use std::path::{Path, PathBuf};

/// Most files of one walk: beyond that somebody gave the wrong folder.
const FILES: usize = 10_000;
/// Deepest folder below the one that was given.
const DEPTH: usize = 16;

/// A file that was found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// It was named, and not met in a folder.
    pub(crate) named: bool,
}

/// A path that cannot be read, and why.
pub(crate) type Unread = (PathBuf, String);

/// All files of the paths, each once: those of a folder sorted, folders in the order in which they were given.
pub(crate) fn find(paths: &[PathBuf]) -> (Vec<Found>, Vec<Unread>) {
    let (mut found, mut unread) = (Vec::new(), Vec::new());
    for path in paths {
        if !path.is_dir() {
            found.push(Found { path: path.clone(), named: true });
            continue;
        }
        let mut files = Vec::new();
        match walk(path, &mut files, 0) {
            Ok(()) if files.is_empty() => {
                unread.push((path.clone(), "the folder holds no .yaml, .yml or .json files".to_owned()));
            }
            Ok(()) => {
                files.sort();
                found.extend(files.into_iter().map(|path| Found { path, named: false }));
            }
            Err(broken) => unread.push(broken),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|file| seen.insert(file.path.clone()));
    (found, unread)
}

/// Files of a folder and of those in it. Hidden ones are passed over, and links are not followed into folders: they
/// could lead in a circle.
fn walk(dir: &Path, files: &mut Vec<PathBuf>, depth: usize) -> Result<(), Unread> {
    let fail = |error: std::io::Error| (dir.to_owned(), error.to_string());
    if depth > DEPTH {
        return Err((dir.to_owned(), format!("the folder lies more than {DEPTH} folders deep")));
    }
    for entry in std::fs::read_dir(dir).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(fail)?.is_dir() {
            walk(&path, files, depth + 1)?;
        } else if is_text(&path) && path.is_file() {
            if files.len() == FILES {
                return Err((dir.to_owned(), format!("more than {FILES} files; name a smaller folder")));
            }
            files.push(path);
        }
    }
    Ok(())
}

fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json")
}

/// The text of a file of at most as many bytes as definitions may have.
pub(crate) fn text(path: &Path) -> Result<String, String> {
    let limit = domain::definition::TEXT_LIMIT as u64;
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > limit {
        return Err(format!("the file is larger than {limit} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "the file is no UTF-8 text".to_owned())
}

/// The files behind a `from:`, sorted: the file itself, or those of the folder.
pub(crate) fn behind(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    walk(path, &mut files, 0).map_err(|(place, reason)| format!("{}: {reason}", place.display()))?;
    files.sort();
    Ok(files)
}
