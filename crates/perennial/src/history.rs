//! Keeps history in order beside the writer: reads, sorts and encodes on a thread of its own, and hands the writer only
//! the short transaction at the end.

use crate::runtime::{Handle, JobError};
use engine::segment::lanes::LaneLimits;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use store::{HistoryLimits, JournalRow, Prepared, Sealer, TakenFrom};

/// So often it is looked whether enough waits. A look is one query; at 200,000 events a second a journal grows
/// by as many calls meanwhile.
const LOOK: Duration = Duration::from_secs(1);
/// After a failure it is tried again so much later: a full disk is seldom freed at once, and the log is for reading.
const AFTER_FAILURE: Duration = Duration::from_secs(60);
/// More calls a second than this are a rush, such as an import: history waits until it is over, since it would take a
/// quarter of the processor from it.
const RUSH: u64 = 10_000;
/// But it waits for no more calls than this, so that the journal does not grow beyond about a gigabyte.
const RUSH_CALLS: u64 = 2_000_000;
/// While too much waits for the writer, what is prepared waits too.
const WHILE_BUSY: Duration = Duration::from_millis(100);

/// The thread; it ends when told to.
pub struct Keeper {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Keeper {
    /// Starts it on an open workspace.
    pub fn start(handle: &Handle, limits: HistoryLimits) -> anyhow::Result<Keeper> {
        let work = Work::on(handle, limits)?;
        let stop = work.stop.clone();
        let thread = std::thread::Builder::new().name("history".to_owned()).spawn(move || work.run())?;
        Ok(Keeper { stop, thread })
    }

    /// Ends it. A file that it is just writing is finished first, which takes a second or two at most.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the thread that keeps history in order panicked");
        }
    }
}

/// Does all that there is to do, and returns: for a workspace that nobody serves yet.
pub fn settle(handle: &Handle, limits: HistoryLimits) -> anyhow::Result<()> {
    let mut work = Work::on(handle, limits)?;
    while work.step()? {}
    Ok(())
}

struct Work {
    sealer: Box<dyn Sealer>,
    handle: Handle,
    limits: HistoryLimits,
    stop: Arc<AtomicBool>,
    rush: Rush,
}

/// How many calls come in, look by look.
struct Rush {
    looked: Instant,
    position: u64,
    is_on: bool,
    /// Calls since it began.
    passed: u64,
}

impl Rush {
    /// Whether history had better wait.
    fn is_on(&mut self, now: Instant, position: u64) -> bool {
        let elapsed = now.saturating_duration_since(self.looked);
        if elapsed >= LOOK {
            let calls = position.saturating_sub(self.position);
            self.is_on = u128::from(calls) * 1_000 > u128::from(RUSH) * elapsed.as_millis();
            self.passed = if self.is_on { self.passed + calls } else { 0 };
            (self.looked, self.position) = (now, position);
        }
        self.is_on && self.passed < RUSH_CALLS
    }
}

impl Work {
    fn on(handle: &Handle, limits: HistoryLimits) -> anyhow::Result<Work> {
        let sealer = handle.drive(|driver| driver.store.sealer())??;
        let rush = Rush { looked: Instant::now(), position: handle.read().position().0, is_on: false, passed: 0 };
        Ok(Work { sealer, handle: handle.clone(), limits, stop: Arc::default(), rush })
    }

    fn run(mut self) {
        give_way();
        while !self.stop.load(Ordering::Acquire) {
            let position = self.handle.read().position().0;
            if self.rush.is_on(Instant::now(), position) {
                self.sleep(LOOK);
                continue;
            }
            let pause = match self.step() {
                Ok(true) => continue,
                Ok(false) => LOOK,
                Err(error) => {
                    tracing::error!(
                        "history could not be kept in order: {error:#}; it is tried again, and nothing is lost"
                    );
                    AFTER_FAILURE
                }
            };
            self.sleep(pause);
        }
    }

    /// Does one thing. Returns whether there was anything to do.
    fn step(&mut self) -> anyhow::Result<bool> {
        Ok(self.seal()? || self.make_lanes()?)
    }

    /// Makes a chunk of lanes, out of which new segments are answered at once.
    fn make_lanes(&mut self) -> anyhow::Result<bool> {
        let start = Instant::now();
        let Some(job) = self.handle.read().lane_job(&LaneLimits::default()) else { return Ok(false) };
        let names = &mut |row: &JournalRow| self.handle.read().names_of(row);
        let Some(sealed) = self.handle.with_reader(|reader| job.run(reader, names))? else { return Ok(false) };
        let (calls, size_bytes) = sealed.size();
        let duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        match self.handle.drive(move |driver| driver.step(|engine| engine.adopt_lanes(sealed))) {
            Ok(adopted) => {
                adopted?;
                tracing::info!(duration_ms, calls, size_bytes, "the columns of {calls} calls are in lanes");
            }
            // It lies on the shelf: the next start finds it there, or another one is made.
            Err(JobError::Busy | JobError::Stopped) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// Seals or merges once. Returns whether there was anything to do.
    fn seal(&mut self) -> anyhow::Result<bool> {
        let start = Instant::now();
        let Some(prepared) = self.sealer.prepare(&self.limits)? else { return Ok(false) };
        let (file, from) = (prepared.file.clone(), prepared.from);
        if !self.adopt(&prepared)? {
            return Ok(false);
        }
        let did = match from {
            TakenFrom::Journal => "sealed",
            TakenFrom::Files => "merged",
        };
        let duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (calls, size_bytes) = (file.count, file.size_bytes);
        tracing::info!(duration_ms, calls, size_bytes, "{did} {calls} calls into history/{}", file.name);
        Ok(true)
    }

    /// Hands the last step to the writer. False: it is time to stop; the next start forgets the file.
    fn adopt(&self, prepared: &Prepared) -> anyhow::Result<bool> {
        while !self.stop.load(Ordering::Acquire) {
            let prepared = prepared.clone();
            match self.handle.drive(move |driver| driver.store.adopt(prepared)) {
                Ok(adopted) => return Ok(adopted.map(|()| true)?),
                Err(JobError::Busy) => std::thread::sleep(WHILE_BUSY),
                Err(JobError::Stopped) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    fn sleep(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while let Some(left) = until.checked_duration_since(Instant::now())
            && !self.stop.load(Ordering::Acquire)
        {
            std::thread::park_timeout(left);
        }
    }
}

/// Lets other threads go first, so that ingest does not notice. Linux counts niceness by thread; elsewhere it would slow
/// the whole process down.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(10) {
        tracing::debug!("sealing runs at the usual priority: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_waits_while_an_import_rushes_in_but_not_for_ever() {
        let begin = Instant::now();
        let mut rush = Rush { looked: begin, position: 0, is_on: false, passed: 0 };
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        assert!(!rush.is_on(begin, 0));
        assert!(!rush.is_on(at(1), 9_000), "a shop on a busy day is no rush");
        assert!(rush.is_on(at(2), 209_000));
        assert!(rush.is_on(at(2) + Duration::from_millis(1), 209_100), "as at the last look");
        for second in 3..11 {
            assert!(rush.is_on(at(second), 9_000 + 200_000 * (second - 1)), "{second}");
        }
        assert!(!rush.is_on(at(11), 2_009_000), "two million calls are enough");
        assert!(!rush.is_on(at(12), 2_010_000), "it is over");
        assert!(rush.is_on(at(13), 2_110_000), "a new one");
    }
}
