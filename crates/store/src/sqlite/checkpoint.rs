//! Moves what the log holds into the database, beside the writer.
//!
//! Left to commits, one of them now and then carries 32 MB over and waits for the disk, and whoever calls just then waits with
//! it: 10 to 20 ms where others wait 2. Here a thread of its own does it a little at a time. The log can begin anew only
//! when nothing of it is left to carry over, which while calls rush in only a commit can bring about: it finds little left
//! to do then. What happens here is no promise to anybody: without the thread commits do all of it.

use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Pages of the log that wait to be carried over before the thread is woken: 8 MB.
const WORTH_IT: i64 = 1_000;

/// The thread, from when the log was first long enough.
pub(super) struct Checkpoints {
    database: PathBuf,
    outlasts_power_cut: bool,
    running: Option<(SyncSender<()>, JoinHandle<()>)>,
    is_hopeless: bool,
}

impl Checkpoints {
    /// Of a database that is open for writing.
    pub(super) fn of(database: &Path, outlasts_power_cut: bool) -> Checkpoints {
        Checkpoints { database: database.to_owned(), outlasts_power_cut, running: None, is_hopeless: false }
    }

    /// To be called after a commit: wakes the thread if enough waits. O(1).
    pub(super) fn look(&mut self, connection: &Connection) {
        if self.is_hopeless || pages_waiting(connection).is_none_or(|pages| pages < WORTH_IT) {
            return;
        }
        if self.running.is_none() {
            self.running = self.start();
            self.is_hopeless = self.running.is_none();
        }
        if let Some((wake, _)) = &self.running {
            // Awake already: it will see these pages too.
            let _ = wake.try_send(());
        }
    }

    fn start(&self) -> Option<(SyncSender<()>, JoinHandle<()>)> {
        let connection = super::open_for_writing(&self.database, self.outlasts_power_cut).ok()?;
        let (wake, woken) = sync_channel(1);
        let work = move || {
            for () in woken {
                // Whatever goes wrong here a commit meets as well, and tells somebody.
                let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            }
        };
        let thread = std::thread::Builder::new().name("checkpoints".to_owned()).spawn(work).ok()?;
        Some((wake, thread))
    }
}

impl Drop for Checkpoints {
    /// Ends the thread; what it is just doing is finished first.
    fn drop(&mut self) {
        if let Some((wake, thread)) = self.running.take() {
            drop(wake);
            // A panic there would have been told when it happened.
            let _ = thread.join();
        }
    }
}

/// Pages of the log that are not in the database yet. None: nobody can say.
fn pages_waiting(connection: &Connection) -> Option<i64> {
    let mut ask = connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)").ok()?;
    ask.query_row([], |row| Ok(row.get::<_, i64>(1)?.saturating_sub(row.get(2)?))).ok()
}
