//! `perennial backup` and `restore`: everything that survives in one file, and back.
//!
//! The file is a tar packed with zstd, so that it can be looked into without Perennial: `backup.json` says what is in it, then come the
//! database as it was at one commit, and the files of history. What can be worked out again (the snapshot, lanes) is left out.

use super::Out;
use super::export::{is_taken, private};
use crate::client::WrongUsage;
use crate::demo::DemoShop;
use crate::runtime::open_store;
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};
use store::Store;
use store::sqlite::Copied;

/// What `backup.json` calls this form; a later one is refused.
const FORM: u32 = 1;
const CONTENTS: &str = "backup.json";
/// Bytes of the list of contents: a hundred thousand files of history.
const CONTENTS_BYTES: u64 = 32 << 20;
/// A third of the time of level 9 for nine tenths of its gain; history is packed already.
const ZSTD_LEVEL: i32 = 3;

/// What is in a backup.
#[derive(Serialize, Deserialize)]
struct Contents {
    perennial_backup: u32,
    version: String,
    made_at: String,
    /// Calls in it.
    position: u64,
    files: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    bytes: u64,
    sha256: String,
}

/// Writes a backup of a data directory, whether a server runs on it or not.
pub(super) fn backup(dir: &Path, file: &Path, out: &Out) -> anyhow::Result<()> {
    if file.exists() {
        return Err(WrongUsage(format!("{} is there already; name a file that is not", file.display())).into());
    }
    if !dir.join("perennial.sqlite").exists() {
        return Err(WrongUsage(format!("{} holds no data; name another with --data-dir", dir.display())).into());
    }
    // Beside the data, so that files of history need not be copied.
    let place = dir.join("backup.making");
    // Left by a crash.
    if place.exists() {
        std::fs::remove_dir_all(&place).with_context(|| format!("{} cannot be emptied", place.display()))?;
    }
    let part = beside(file, "part");
    if part.exists() {
        std::fs::remove_file(&part).with_context(|| format!("{} cannot be removed", part.display()))?;
    }
    let written = write_backup(dir, &place, &part);
    let _ = std::fs::remove_dir_all(&place);
    let contents = match written {
        Ok(contents) => contents,
        Err(error) => {
            let _ = std::fs::remove_file(&part);
            return Err(error);
        }
    };
    std::fs::rename(&part, file).with_context(|| format!("{} cannot be named", file.display()))?;
    let bytes = file.metadata()?.len();
    let answer = json!({
        "file": file.display().to_string(), "bytes": bytes, "position": contents.position, "files": contents.files.len(),
    });
    out.answer(&answer, |print| {
        writeln!(
            print,
            "{} calls and all that came of them are in {} ({bytes} bytes)",
            contents.position,
            file.display()
        )
    })
}

fn write_backup(dir: &Path, place: &Path, part: &Path) -> anyhow::Result<Contents> {
    let Copied { position, files: mut names } = store::sqlite::copy(dir, place)?;
    // Which shop a demo simulates: a file that is replaced as a whole.
    if DemoShop::read(dir)?.is_some() {
        std::fs::copy(dir.join("demo.json"), place.join("demo.json"))?;
        names.push(PathBuf::from("demo.json"));
    }
    let entry = |name: &PathBuf| -> anyhow::Result<Entry> {
        let (bytes, sha256) = sum(&mut File::open(place.join(name))?, &mut std::io::sink())?;
        Ok(Entry { name: name.to_string_lossy().into_owned(), bytes, sha256 })
    };
    let contents = Contents {
        perennial_backup: FORM,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: jiff::Timestamp::now().to_string(),
        position: position.0,
        files: names.iter().map(entry).collect::<anyhow::Result<_>>()?,
    };
    let io = || format!("{} cannot be written", part.display());
    let file = private(part).with_context(io)?;
    let packed = zstd::Encoder::new(BufWriter::new(file), ZSTD_LEVEL).with_context(io)?;
    let mut archive = tar::Builder::new(packed);
    let list = serde_json::to_vec_pretty(&contents)?;
    append(&mut archive, CONTENTS, list.len() as u64, list.as_slice()).with_context(io)?;
    for entry in &contents.files {
        let from = File::open(place.join(&entry.name))?;
        append(&mut archive, &entry.name, entry.bytes, BufReader::new(from)).with_context(io)?;
    }
    let file = archive.into_inner().with_context(io)?.finish().with_context(io)?;
    file.into_inner().map_err(|error| error.into_error()).with_context(io)?.sync_all().with_context(io)?;
    Ok(contents)
}

fn append(archive: &mut tar::Builder<impl Write>, name: &str, bytes: u64, from: impl Read) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_entry_type(tar::EntryType::Regular);
    archive.append_data(&mut header, name, from)
}

/// Brings a backup back. Nothing is left of one that is damaged.
pub(super) fn restore(dir: &Path, file: &Path, out: &Out) -> anyhow::Result<()> {
    if is_taken(dir) {
        let words = format!(
            "{} is not empty; a backup is brought back into a directory that is empty or not there",
            dir.display()
        );
        return Err(WrongUsage(words).into());
    }
    let place = beside(dir, "restoring");
    if place.exists() {
        std::fs::remove_dir_all(&place).with_context(|| format!("{} cannot be emptied", place.display()))?;
    }
    let read = read_backup(file, &place).with_context(|| format!("{} cannot be brought back", file.display()));
    let contents = match read {
        Ok(contents) => contents,
        Err(error) => {
            let _ = std::fs::remove_dir_all(&place);
            return Err(error);
        }
    };
    if dir.exists() {
        std::fs::remove_dir(dir).with_context(|| format!("{} cannot be replaced", dir.display()))?;
    }
    std::fs::rename(&place, dir).with_context(|| format!("{} cannot be named", dir.display()))?;
    let answer =
        json!({ "data_dir": dir.display().to_string(), "position": contents.position, "made_at": contents.made_at });
    out.answer(&answer, |print| {
        writeln!(
            print,
            "{} calls and all that came of them, of {}, are in {}",
            contents.position,
            contents.made_at,
            dir.display()
        )
    })
}

fn read_backup(file: &Path, place: &Path) -> anyhow::Result<Contents> {
    let packed = zstd::Decoder::new(File::open(file)?).context("it is no backup")?;
    let mut archive = tar::Archive::new(packed);
    let mut entries = archive.entries().context("it is no backup")?;
    let Some(first) = entries.next() else { bail!("it is empty") };
    let first = first.context("it is no backup")?;
    if first.path()?.as_ref() != Path::new(CONTENTS) {
        bail!("it is no backup: it does not begin with {CONTENTS}");
    }
    let mut list = String::new();
    first.take(CONTENTS_BYTES).read_to_string(&mut list)?;
    let contents: Contents = serde_json::from_str(&list).context("its list of contents cannot be read")?;
    if contents.perennial_backup > FORM {
        bail!("a newer version of Perennial ({}) wrote it; bring it back with that one", contents.version);
    }
    make_private_dir(&place.join("history"))?;
    let mut expected: BTreeMap<&str, &Entry> = BTreeMap::new();
    for entry in &contents.files {
        if !may_stand(&entry.name) {
            bail!("it lists `{}`, which is no file of ours", entry.name.escape_debug());
        }
        expected.insert(&entry.name, entry);
    }
    for entry in entries {
        let entry = entry.context("it is damaged")?;
        let name = entry.path().context("it is damaged")?.to_string_lossy().into_owned();
        let Some(listed) = expected.remove(name.as_str()) else {
            bail!("it holds `{}`, which is not in its list, or twice", name.escape_debug());
        };
        let mut to = BufWriter::new(private(&place.join(&name))?);
        // One byte more than it should have is enough to tell.
        let (bytes, sha256) = sum(&mut entry.take(listed.bytes.saturating_add(1)), &mut to).context("it is damaged")?;
        to.into_inner().map_err(|error| error.into_error())?.sync_all()?;
        if bytes != listed.bytes || sha256 != listed.sha256 {
            bail!("it is damaged: `{name}` is not what was written");
        }
    }
    if let Some(name) = expected.keys().next() {
        bail!("it is cut short: `{name}` is missing");
    }
    // It must open before it bears the name: with everything that its database lists.
    let store = open_store(place)?;
    let position = store.recover()?.position.0;
    if position != contents.position {
        bail!("it holds {position} calls instead of {}", contents.position);
    }
    Ok(contents)
}

/// Files that a backup may hold: ours by name, and nothing above or beside the directory.
fn may_stand(name: &str) -> bool {
    let parts: Vec<Component<'_>> = Path::new(name).components().collect();
    match parts.as_slice() {
        [Component::Normal(file)] => *file == "perennial.sqlite" || *file == "demo.json",
        [Component::Normal(folder), Component::Normal(_)] => *folder == "history",
        _ => false,
    }
}

/// Reads to the end, writing it through. Returns bytes and SHA-256.
fn sum(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<(u64, String)> {
    let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), 0_u64, vec![0; 1 << 16]);
    loop {
        let read = from.read(&mut buffer)?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
        hasher.update(piece);
        to.write_all(piece)?;
        bytes += piece.len() as u64;
    }
    let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((bytes, digest))
}

/// The same path with a word behind its last name.
fn beside(path: &Path, word: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}.{word}"))
}

fn make_private_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_writes_nothing_beside_the_directory() {
        for ours in ["perennial.sqlite", "demo.json", "history/calls-1-2.parquet"] {
            assert!(may_stand(ours), "{ours}");
        }
        for odd in [
            "",
            "lock",
            "snapshot",
            "/etc/passwd",
            "../x",
            "history/../../x",
            "history/a/b",
            "history",
            "./demo.json/x",
        ] {
            assert!(!may_stand(odd), "{odd}");
        }
        assert_eq!(beside(Path::new("/data/shop"), "restoring"), Path::new("/data/shop.restoring"));
        assert_eq!(beside(Path::new("shop.tar.zst"), "part"), Path::new("shop.tar.zst.part"));
    }
}
