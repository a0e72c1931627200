//! The snapshot of a data directory: read at the start, written when the writer stops and now and then beside it.
//!
//! Beside the writer it is made by a second engine that reads what is durable, so that nobody waits for it: it costs a
//! core for seconds and, for as long, the memory of the live state once more. It is a cache: whatever is wrong with it is
//! logged, and the state is rebuilt from history.

use crate::runtime::{Handle, JobError, read, write};
use engine::snapshot::{Replica, SnapshotKey};
use engine::{Engine, Opened, Options};
use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use store::{Store, StoreError};

const FILE: &str = "snapshot";
/// What it is called while it is written.
const PART: &str = "snapshot.part";
/// A new snapshot is written when the last one is so old …
const EVERY: Duration = Duration::from_secs(1_800);
/// … and so many calls came since: reading them again takes about a second.
const CALLS: u64 = 200_000;

/// The snapshot of a data directory. Whoever writes, reads or discards it comes here; cheap to clone.
#[derive(Clone)]
pub struct SnapshotFile {
    dir: Arc<Path>,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    /// What the file holds; none: there is none, or it does not fit.
    holds: Option<SnapshotKey>,
    /// How often it was discarded: one that was begun before is not put in its place.
    discarded: u64,
}

impl SnapshotFile {
    /// The snapshot of a directory.
    pub fn of(dir: &Path) -> SnapshotFile {
        SnapshotFile { dir: dir.into(), kept: Arc::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self) -> PathBuf {
        self.dir.join(FILE)
    }

    fn read(&self) -> Option<BufReader<File>> {
        match File::open(self.path()) {
            Ok(file) => Some(BufReader::with_capacity(1 << 20, file)),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!("the snapshot cannot be read: {error}; the state is rebuilt from history");
                None
            }
        }
    }

    /// Opens a workspace, from its snapshot if that fits.
    pub fn open_engine(&self, store: &dyn Store, options: Options) -> Result<Engine, StoreError> {
        let start = Instant::now();
        let mut file = self.read();
        let (engine, opened) = Engine::open_with(store, options, file.as_mut().map(|file| file as &mut dyn Read))?;
        let duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.kept().holds = match opened {
            Opened::SnapshotIgnored(unfit) => {
                tracing::warn!(duration_ms, "the snapshot was not used, {unfit}; the state was rebuilt from history");
                None
            }
            Opened::FromSnapshot(position) => {
                let later = engine.position().0 - position.0;
                tracing::debug!(duration_ms, "opened from the snapshot and {later} later calls");
                Some(SnapshotKey { position, ..engine.snapshot_key() })
            }
            Opened::FromHistory => {
                tracing::debug!(duration_ms, "opened from history");
                None
            }
        };
        Ok(engine)
    }

    /// Deletes it, and what is being written in its place.
    pub fn discard(&self) -> Result<(), StoreError> {
        let mut kept = self.kept();
        kept.discarded += 1;
        kept.holds = None;
        for name in [FILE, PART] {
            match std::fs::remove_file(self.dir.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(self.io(&error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes a snapshot, whole or not at all. `fill` returns false where that makes no sense now.
    fn put(
        &self,
        key: SnapshotKey,
        fill: impl FnOnce(&mut dyn Write) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        let (part, begun) = (self.dir.join(PART), self.kept().discarded);
        let written = (|| {
            let mut out = BufWriter::with_capacity(1 << 20, private(&part).map_err(|error| self.io(&error))?);
            if !fill(&mut out)? {
                return Ok(false);
            }
            let file = out.into_inner().map_err(|error| self.io(error.error()))?;
            file.sync_all().map_err(|error| self.io(&error))?;
            let mut kept = self.kept();
            if kept.discarded != begun {
                return Ok(false);
            }
            std::fs::rename(&part, self.path()).map_err(|error| self.io(&error))?;
            kept.holds = Some(key);
            Ok(true)
        })();
        if !matches!(written, Ok(true)) {
            // Half of one is of no use; the next one is written over it anyway.
            let _ = std::fs::remove_file(&part);
        }
        written
    }

    fn io(&self, error: &std::io::Error) -> StoreError {
        StoreError::Io { doing: "written", reason: format!("{}: {error}", self.path().display()) }
    }
}

fn private(path: &Path) -> std::io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes snapshots in time, for the writer.
pub(crate) struct Snapshots {
    file: SnapshotFile,
    /// When the last one was tried.
    at: Instant,
    beside: Option<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

impl Snapshots {
    pub(crate) fn new(file: SnapshotFile) -> Snapshots {
        Snapshots { file, at: Instant::now(), beside: None, is_over: Arc::default() }
    }

    pub(crate) fn file(&self) -> &SnapshotFile {
        &self.file
    }

    /// Whether a new one is worth its work, so that a start after a crash is quick too.
    pub(crate) fn is_due(&self, position: domain::Position) -> bool {
        let is_under_way = self.beside.as_ref().is_some_and(|thread| !thread.is_finished());
        let since = || self.file.kept().holds.map_or(0, |key| key.position.0);
        self.at.elapsed() >= EVERY && !is_under_way && position.0 >= since() + CALLS
    }

    /// Puts the next one off.
    pub(crate) fn tried(&mut self) {
        self.at = Instant::now();
    }

    /// Writes one on a thread of its own. `replica`: of the live state between two commits, with the clock committed.
    pub(crate) fn write_beside(&mut self, replica: Replica) {
        if !has_room() {
            return tracing::debug!("no snapshot is written now, since little memory is free");
        }
        let (file, is_over) = (self.file.clone(), self.is_over.clone());
        let work = move || {
            let start = Instant::now();
            let key = replica.key();
            let mut older = file.read();
            let older = older.as_mut().map(|older| older as &mut dyn Read);
            match file.put(key, |out| replica.write(older, out, &|| is_over.load(Ordering::Relaxed))) {
                Ok(false) => {}
                Ok(true) => {
                    let duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                    tracing::debug!(duration_ms, "a snapshot was written");
                }
                Err(error) => {
                    tracing::warn!("no snapshot could be written, so that the next start takes longer: {error}");
                }
            }
        };
        match std::thread::Builder::new().name("snapshot".to_owned()).spawn(work) {
            Ok(thread) => self.beside = Some(thread),
            Err(error) => tracing::warn!("no snapshot could be written: {error}"),
        }
    }

    /// Lets the one beside come to its end soon.
    pub(crate) fn settle(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.beside.take()
            && thread.join().is_err()
        {
            tracing::error!("the snapshot thread panicked");
        }
    }

    /// Writes the last one, when nobody waits any more: everything is durable, the clock too.
    pub(crate) fn write_last(&mut self, engine: &Engine) {
        self.settle();
        let key = engine.snapshot_key();
        if self.file.kept().holds == Some(key) {
            return;
        }
        if let Err(error) = self.file.put(key, |out| engine.save(out)) {
            tracing::warn!("no snapshot could be written, so that the next start takes longer: {error}");
        }
    }

    /// Whether the one there is holds the state of this engine.
    pub(crate) fn holds(&self, engine: &Engine) -> bool {
        self.file.kept().holds == Some(engine.snapshot_key())
    }
}

/// Whether there is memory for the live state once more. Where the system does not say: yes.
fn has_room() -> bool {
    let kilobytes = |path: &str, key: &str| {
        let text = std::fs::read_to_string(path).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    match (kilobytes("/proc/meminfo", "MemAvailable:"), kilobytes("/proc/self/status", "VmRSS:")) {
        (Some(free), Some(own)) => free > own,
        _ => true,
    }
}

/// What came of a rebuild.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rebuilt {
    /// Hash of the live state as it was.
    pub before: String,
    /// Hash of the state that was rebuilt from history.
    pub after: String,
    /// Calls that were read.
    pub calls: u64,
}

/// Deletes the snapshot, rebuilds the live state from history and compares it with the one that was.
///
/// Where they differ, the rebuilt one is right and takes its place. The writer waits meanwhile, O(calls); readers do not.
pub fn rebuild(handle: &Handle) -> Result<Result<Rebuilt, StoreError>, JobError> {
    let (file, health) = (handle.snapshot().clone(), handle.health().clone());
    handle.drive(move |driver| {
        file.discard()?;
        let live = read(driver.engine);
        let mut fresh = Engine::open(driver.store, live.options().clone())?;
        fresh.tick(live.clock());
        let rebuilt = Rebuilt { before: live.state_hash(), after: fresh.state_hash(), calls: fresh.position().0 };
        drop(live);
        if rebuilt.before != rebuilt.after {
            tracing::error!("the live state was not that of history, which is a bug; the rebuilt one is used now");
            fresh.resume_deliveries_except(&health.under_way());
            *write(driver.engine) = fresh;
        }
        Ok(rebuilt)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{Writer, start, take_items};
    use domain::{Source, Trust};
    use engine::ingest::{Door, DoorOptions, Endpoint};

    fn open(dir: &Path) -> (Handle, Writer) {
        start(dir, Options::default(), None).unwrap()
    }

    /// An order of somebody.
    fn order(handle: &Handle, who: &str) {
        let call = serde_json::json!({ "type": "track", "userId": who, "event": "Order Completed", "messageId": who });
        let source = Source::new("shop", Trust::Server);
        let taken = handle.change(move |engine, now| {
            let options = DoorOptions::default();
            let fresh_id = |_| "none".to_owned();
            let door = Door { now, source: &source, fresh_id: &fresh_id, options: &options, correct_skew: false };
            let reading = engine::ingest::read(call.to_string().as_bytes(), Endpoint::Any, &door).unwrap();
            take_items(engine, &source, reading.items, now)
        });
        assert!(matches!(taken.unwrap()[..], [engine::Receipt::Accepted(_)]));
    }

    /// As the writer takes it: everything is durable, the clock too.
    fn replica(handle: &Handle) -> Replica {
        let taken = handle.drive(|driver| {
            let commit = write(driver.engine).take_commit();
            driver.store.commit(&commit).unwrap();
            read(driver.engine).replica(driver.store.reader().unwrap())
        });
        taken.unwrap()
    }

    #[test]
    fn a_snapshot_is_made_beside_the_writer_and_the_next_start_reads_only_what_came_later() {
        let dir = tempfile::tempdir().unwrap();
        let (handle, writer) = open(dir.path());
        order(&handle, "ana");
        let first = replica(&handle);
        // What comes while it is made is not in it.
        order(&handle, "ben");
        let mut snapshots = Snapshots::new(handle.snapshot().clone());
        assert!(!snapshots.is_due(handle.read().position()), "two calls are not worth it");
        snapshots.write_beside(first);
        let beside = snapshots.beside.take().unwrap();
        beside.join().unwrap();
        assert_eq!(handle.snapshot().kept().holds.unwrap().position.0, 1);
        // The next one goes on from there.
        snapshots.write_beside(replica(&handle));
        snapshots.beside.take().unwrap().join().unwrap();
        assert_eq!(handle.snapshot().kept().holds.unwrap().position.0, 2);
        let hash = handle.read().state_hash();
        order(&handle, "cleo");
        let later = handle.read().state_hash();
        // As if the process had died: the file is what was made beside it.
        let saved = std::fs::read(dir.path().join(FILE)).unwrap();
        writer.stop();
        drop(handle);
        std::fs::write(dir.path().join(FILE), saved).unwrap();
        let (handle, writer) = open(dir.path());
        assert_eq!(handle.snapshot().kept().holds.unwrap().position.0, 2, "it fitted");
        assert_eq!(handle.read().state_hash(), later);
        assert_ne!(hash, later);
        writer.stop();
    }

    #[test]
    fn a_snapshot_that_was_begun_before_a_discard_is_not_put_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let (handle, writer) = open(dir.path());
        order(&handle, "ana");
        let begun = replica(&handle);
        let key = begun.key();
        let file = handle.snapshot();
        let put = file.put(key, |out| {
            let written = begun.write(None, out, &|| false)?;
            file.discard()?;
            Ok(written)
        });
        assert!(!put.unwrap());
        assert!(!dir.path().join(FILE).exists() && !dir.path().join(PART).exists());
        assert!(!file.put(key, |out| replica(&handle).write(None, out, &|| true)).unwrap(), "it is over");
        writer.stop();
        assert!(dir.path().join(FILE).exists(), "a clean stop leaves one");
    }
}
