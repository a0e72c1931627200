//! The process around the engine: one writer thread that takes jobs, commits them in groups and only then
//! answers; readers beside it.

use anyhow::Context;
use domain::message::Channel;
use domain::{Call, MessageId, Source, Timestamp};
use engine::deliver::Order;
use engine::ingest::Refusal;
use engine::report::{Tables, Wanted};
use engine::{Engine, Options, Receipt};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;
use store::sqlite::SqliteStore;
use store::{Reader, Secrets, Store, StoreError};

/// Jobs that may wait for the writer. Beyond that the door answers that it is busy.
const QUEUE: usize = 1_024;
/// Most calls in one commit: about 20 MB of the senders' JSON.
const GROUP_CALLS: usize = 20_000;
/// Most instants handled between two commits, so that a storm of timers does not hold up the door.
const GROUP_INSTANTS: usize = 2_000;
/// The writer looks at the clock at least so often.
const IDLE: Duration = Duration::from_millis(500);
/// After a failed commit the store is tried again so often.
const RETRY: Duration = Duration::from_secs(1);
/// Most messages on their way at a time: the bound on what a crash can leave uncertain.
pub const IN_FLIGHT: usize = 20;

/// The time, with a demo's lead over it.
#[derive(Default)]
pub struct Clock {
    offset_ms: AtomicI64,
}

impl Clock {
    /// The present instant.
    pub fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond().saturating_add(self.offset_ms.load(Ordering::Relaxed)))
    }

    /// By how many milliseconds a demo's time runs ahead.
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::Relaxed)
    }

    /// Lets a demo's time run ahead by so many milliseconds.
    pub fn set_offset_ms(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
    }
}

/// Why a job was not done. Nothing of it happened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JobError {
    /// Too many jobs wait.
    #[error("too much is waiting; try again in a moment")]
    Busy,
    /// The writer has stopped.
    #[error("Perennial is stopping")]
    Stopped,
    /// The store could not make it durable.
    #[error("{0}")]
    NotStored(String),
    /// The job itself failed in a way that must not happen.
    #[error("the job failed; the reason is in the log")]
    Panicked,
}

type Done = Box<dyn FnOnce(Result<(), JobError>) + Send>;
/// Done with the engine, or without it when the job cannot be stored and only has to be answered.
type Change = Box<dyn FnOnce(Option<(&mut Engine, Timestamp)>) -> Done + Send>;
/// Work that commits by itself, many times: a demo's passing of time.
type Drive = Box<dyn FnOnce(&mut Driver<'_>) -> Done + Send>;

enum Job {
    Change { weight: usize, appends: Appends, change: Change },
    Drive(Drive),
}

/// Whether a job brings calls from outside, which need room on the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Appends {
    Calls,
    Nothing,
}

/// What a `Drive` works with.
pub struct Driver<'a> {
    /// The live state, locked against readers while it is worked on.
    pub engine: &'a RwLock<Engine>,
    /// Where it becomes durable.
    pub store: &'a mut SqliteStore,
    /// The time.
    pub clock: &'a Clock,
}

impl Driver<'_> {
    /// Works on the live state and makes what came of it durable.
    pub fn step<T>(&mut self, work: impl FnOnce(&mut Engine) -> T) -> Result<T, StoreError> {
        let (result, commit) = {
            let mut engine = write(self.engine);
            let result = work(&mut engine);
            (result, engine.take_commit())
        };
        if !commit.is_empty() {
            self.store.commit(&commit)?;
        }
        Ok(result)
    }
}

/// Hands jobs to the writer and looks at the live state. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Arc<RwLock<Engine>>,
    jobs: SyncSender<Job>,
    clock: Arc<Clock>,
    readers: Mutex<Vec<Box<dyn Reader>>>,
    open_reader: Box<dyn Fn() -> Result<Box<dyn Reader>, StoreError> + Send + Sync>,
    health: Arc<Health>,
    dir: PathBuf,
}

/// How the writer fares.
#[derive(Default)]
pub struct Health {
    /// Why the last commit failed, while it does.
    trouble: Mutex<Option<String>>,
    commits: AtomicUsize,
    in_flight: Mutex<BTreeSet<MessageId>>,
    sends_no_more: AtomicBool,
}

impl Health {
    /// Why nothing can be stored at present, if so.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().ok().and_then(|trouble| trouble.clone())
    }

    /// Commits made since the start.
    pub fn commits(&self) -> usize {
        self.commits.load(Ordering::Relaxed)
    }

    /// Messages on their way.
    pub fn in_flight(&self) -> usize {
        self.under_way().len()
    }

    /// From now on no further message sets out.
    pub fn send_no_more(&self) {
        self.sends_no_more.store(true, Ordering::Relaxed);
    }

    /// How many messages may set out now.
    fn places(&self) -> usize {
        match self.sends_no_more.load(Ordering::Relaxed) {
            true => 0,
            false => IN_FLIGHT.saturating_sub(self.in_flight()),
        }
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeSet<MessageId>> {
        // A set that a panic left is still a set.
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message is no longer on its way.
    pub fn landed(&self, message: &MessageId) {
        self.under_way().remove(message);
    }
}

/// The writer thread; stops and closes the store when told to.
pub struct Writer {
    stop: Arc<AtomicBool>,
    jobs: SyncSender<Job>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    /// Finishes the jobs that wait, and closes the store.
    pub fn stop(mut self) {
        self.stop.store(true, Ordering::Release);
        // An empty job wakes it at once; a full queue wakes it anyway.
        let wake: Change = Box::new(|_| Box::new(|_| {}));
        let _ = self.jobs.try_send(Job::Change { weight: 0, appends: Appends::Nothing, change: wake });
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer thread panicked");
        }
    }
}

/// Where orders go that are durable and may be carried out.
pub type Deliveries = Box<dyn Fn(Order) + Send>;

/// Opens the store of a data directory, making it if there is none.
pub fn open_store(dir: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(dir, store::sqlite::Options::new(fresh_secrets()?))
}

fn fresh_secrets() -> Result<Secrets, StoreError> {
    let mut secrets = Secrets::default();
    let io = |error: getrandom::Error| StoreError::Io { doing: "opened", reason: format!("no randomness: {error}") };
    getrandom::fill(&mut secrets.link_key).map_err(io)?;
    getrandom::fill(&mut secrets.dedupe_key).map_err(io)?;
    Ok(secrets)
}

/// Opens a data directory and starts its writer.
pub fn start(dir: &Path, options: Options, deliveries: Option<Deliveries>) -> anyhow::Result<(Handle, Writer)> {
    let mut store = open_store(dir)?;
    let offset_ms = store.recover()?.clock_offset_ms;
    let clock = Arc::new(Clock::default());
    clock.set_offset_ms(offset_ms);
    let mut engine = Engine::open(&store, options.clone()).context("the data could not be opened")?;
    engine.resume_deliveries();
    store.commit(&engine.take_commit())?;
    let engine = Arc::new(RwLock::new(engine));
    let (jobs, queue) = sync_channel(QUEUE);
    let health = Arc::new(Health::default());
    let stop = Arc::new(AtomicBool::new(false));
    let first = store.reader()?;
    let place = dir.to_owned();
    let open_reader = Box::new(move || SqliteStore::reader_of(&place));
    let shared = Shared {
        engine: engine.clone(),
        jobs: jobs.clone(),
        clock: clock.clone(),
        readers: Mutex::new(vec![first]),
        open_reader,
        health: health.clone(),
        dir: dir.to_owned(),
    };
    let loop_state = Loop { store, engine, queue, clock, health, options, deliveries, stop: stop.clone() };
    let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || loop_state.run())?;
    Ok((Handle { shared: Arc::new(shared) }, Writer { stop, jobs, thread: Some(thread) }))
}

struct Loop {
    store: SqliteStore,
    engine: Arc<RwLock<Engine>>,
    queue: Receiver<Job>,
    clock: Arc<Clock>,
    health: Arc<Health>,
    options: Options,
    deliveries: Option<Deliveries>,
    stop: Arc<AtomicBool>,
}

impl Loop {
    fn run(mut self) {
        loop {
            let first = match self.queue.recv_timeout(self.patience()) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if first.is_none() && self.stop.load(Ordering::Acquire) {
                return;
            }
            match first {
                Some(Job::Drive(drive)) => self.drive(drive),
                first => {
                    if let Some(drive) = self.group(first) {
                        self.drive(drive);
                    }
                }
            }
        }
    }

    /// How long the writer may sleep: until the next thing is due.
    fn patience(&self) -> Duration {
        if self.stop.load(Ordering::Acquire) {
            return Duration::ZERO;
        }
        let engine = read(&self.engine);
        let waits_to_go = engine.next_attempt().filter(|_| self.deliveries.is_some() && self.health.places() > 0);
        let due = [engine.next_due(), waits_to_go].into_iter().flatten().min();
        let Some(due) = due else { return IDLE };
        let wait = due.since(self.clock.now()).0.max(0);
        IDLE.min(Duration::from_millis(u64::try_from(wait).unwrap_or_default()))
    }

    /// Does a group of jobs and everything due, and commits it all at once.
    /// Returns a drive that came up in the queue, to be done after the commit.
    fn group(&mut self, first: Option<Job>) -> Option<Drive> {
        let mut weight = 0;
        let mut next = first;
        let mut dones: Vec<Done> = Vec::new();
        let mut drive = None;
        let mut orders = Vec::new();
        // Asked before memory runs ahead: a refusal by the commit would cost reading everything again.
        let full = self.store.may_append().err().map(|error| error.to_string());
        let commit = {
            let mut engine = write(&self.engine);
            let now = self.clock.now();
            while let Some(job) = next {
                match job {
                    Job::Change { appends: Appends::Calls, change, .. } if full.is_some() => {
                        let reason = full.clone().unwrap_or_default();
                        change(None)(Err(JobError::NotStored(reason)));
                    }
                    Job::Change { weight: own, change, .. } => {
                        weight += own.max(1);
                        let done =
                            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| change(Some((&mut engine, now)))));
                        match done {
                            Ok(done) => dones.push(done),
                            Err(_) => {
                                drop(engine);
                                tracing::error!("a job panicked; the state is read again");
                                self.fail(dones, &JobError::Panicked);
                                return None;
                            }
                        }
                    }
                    Job::Drive(found) => {
                        drive = Some(found);
                        break;
                    }
                }
                next = if weight < GROUP_CALLS { self.queue.try_recv().ok() } else { None };
            }
            let more = engine.tick_some(now, GROUP_INSTANTS);
            if self.deliveries.is_some() && !more {
                let free = self.health.places();
                if free > 0 {
                    orders = engine.order_attempts(Channel::Email, now, free);
                }
            }
            engine.take_commit()
        };
        if !commit.is_empty()
            && let Err(error) = self.store.commit(&commit)
        {
            tracing::error!("nothing can be stored: {error}");
            self.set_trouble(Some(error.to_string()));
            self.fail(dones, &JobError::NotStored(error.to_string()));
            return drive;
        }
        self.set_trouble(full);
        self.health.commits.fetch_add(1, Ordering::Relaxed);
        for done in dones {
            done(Ok(()));
        }
        if let Some(deliveries) = &self.deliveries {
            for order in orders {
                self.health.under_way().insert(order.message.clone());
                deliveries(order);
            }
        }
        drive
    }

    fn set_trouble(&self, trouble: Option<String>) {
        if let Ok(mut known) = self.health.trouble.lock() {
            *known = trouble;
        }
    }

    /// Answers jobs that did not become durable, and reads the state again: memory ran ahead of it.
    fn fail(&mut self, dones: Vec<Done>, error: &JobError) {
        for done in dones {
            done(Err(error.clone()));
        }
        self.reopen();
    }

    fn reopen(&mut self) {
        loop {
            match Engine::open(&self.store, self.options.clone()) {
                Ok(mut fresh) => {
                    // Attempts that were recorded and whose orders were lost with the failed answer are taken up again.
                    fresh.resume_deliveries_except(&self.health.under_way());
                    *write(&self.engine) = fresh;
                    return;
                }
                Err(error) => {
                    tracing::error!("the data cannot be read: {error}");
                    if self.stop.load(Ordering::Acquire) {
                        return;
                    }
                    std::thread::sleep(RETRY);
                }
            }
        }
    }

    fn drive(&mut self, drive: Drive) {
        let mut driver = Driver { engine: &self.engine, store: &mut self.store, clock: &self.clock };
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drive(&mut driver))) {
            Ok(done) => {
                let left = write(&self.engine).take_commit();
                let result = if left.is_empty() { Ok(()) } else { self.store.commit(&left) };
                match result {
                    Ok(()) => done(Ok(())),
                    Err(error) => self.fail(vec![done], &JobError::NotStored(error.to_string())),
                }
            }
            Err(_) => {
                tracing::error!("a long job panicked; the state is read again");
                self.reopen();
            }
        }
    }
}

// A panic while the lock was held was caught inside the guard, and the state is read again after it.
fn read(engine: &RwLock<Engine>) -> RwLockReadGuard<'_, Engine> {
    engine.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write(engine: &RwLock<Engine>) -> std::sync::RwLockWriteGuard<'_, Engine> {
    engine.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Handle {
    /// The live state. Hold it shortly: the writer waits meanwhile.
    pub fn read(&self) -> RwLockReadGuard<'_, Engine> {
        read(&self.shared.engine)
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// How the writer fares.
    pub fn health(&self) -> &Arc<Health> {
        &self.shared.health
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Looks at committed data on a connection of its own. Connections are kept for the next reader.
    pub fn with_reader<T>(&self, look: impl FnOnce(&dyn Reader) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let kept = self.shared.readers.lock().ok().and_then(|mut readers| readers.pop());
        let reader = match kept {
            Some(reader) => reader,
            None => (self.shared.open_reader)()?,
        };
        let result = look(reader.as_ref());
        if let Ok(mut readers) = self.shared.readers.lock()
            && readers.len() < 8
        {
            readers.push(reader);
        }
        result
    }

    /// What tables need of the live state, and a reader that stands still beside it: taken between two commits, when
    /// what is in memory is what is on disk. Blocks until the writer has a moment; it then waits while this is taken.
    pub fn at_rest(&self, wanted: Wanted) -> Result<Result<(Tables, Box<dyn Reader>), StoreError>, JobError> {
        self.drive(move |driver| {
            let tables = read(driver.engine).tables(wanted);
            Ok((tables, driver.store.reader()?.at_rest()?))
        })
    }

    /// A reader of committed data, on a connection of its own.
    pub fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        (self.shared.open_reader)()
    }

    /// Changes the live state on the writer thread, and returns when that is durable.
    /// Blocks; from async code use `change_later`.
    pub fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Engine, Timestamp) -> T + Send + 'static,
    ) -> Result<T, JobError> {
        let (answer, wait) = sync_channel(1);
        self.submit(1, Appends::Nothing, change, move |result| {
            // The caller may have gone away; what was done stays done.
            let _ = answer.send(result);
        })?;
        wait.recv().map_err(|_| JobError::Stopped)?
    }

    /// As `change`, for async code. `weight`: the number of calls in it.
    pub async fn change_later<T: Send + 'static>(
        &self,
        weight: usize,
        change: impl FnOnce(&mut Engine, Timestamp) -> T + Send + 'static,
    ) -> Result<T, JobError> {
        self.later(weight, Appends::Nothing, change).await
    }

    async fn later<T: Send + 'static>(
        &self,
        weight: usize,
        appends: Appends,
        change: impl FnOnce(&mut Engine, Timestamp) -> T + Send + 'static,
    ) -> Result<T, JobError> {
        let (answer, wait) = tokio::sync::oneshot::channel();
        self.submit(weight, appends, change, move |result| {
            let _ = answer.send(result);
        })?;
        wait.await.map_err(|_| JobError::Stopped)?
    }

    fn submit<T: Send + 'static>(
        &self,
        weight: usize,
        appends: Appends,
        change: impl FnOnce(&mut Engine, Timestamp) -> T + Send + 'static,
        answer: impl FnOnce(Result<T, JobError>) + Send + 'static,
    ) -> Result<(), JobError> {
        let change: Change = Box::new(move |given| {
            let result = given.map(|(engine, now)| change(engine, now));
            Box::new(move |stored| answer(stored.and_then(|()| result.ok_or(JobError::Stopped))))
        });
        self.send(Job::Change { weight, appends, change })
    }

    /// Runs long work on the writer thread, which commits by itself.
    pub fn drive<T: Send + 'static>(
        &self,
        drive: impl FnOnce(&mut Driver<'_>) -> T + Send + 'static,
    ) -> Result<T, JobError> {
        let (answer, wait) = sync_channel(1);
        let drive: Drive = Box::new(move |driver| {
            let result = drive(driver);
            Box::new(move |stored| {
                let _ = answer.send(stored.map(|()| result));
            })
        });
        self.send(Job::Drive(drive))?;
        wait.recv().map_err(|_| JobError::Stopped)?
    }

    fn send(&self, job: Job) -> Result<(), JobError> {
        self.shared.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => JobError::Busy,
            TrySendError::Disconnected(_) => JobError::Stopped,
        })
    }

    /// Takes what was read at the door: accepted once it is durable.
    pub async fn ingest(&self, source: Source, items: Vec<Result<Call, Refusal>>) -> Result<Vec<Receipt>, JobError> {
        self.later(items.len(), Appends::Calls, move |engine, now| take_items(engine, &source, items, now)).await
    }
}

/// Takes read items in order: calls are ingested, refusals written down.
pub fn take_items(
    engine: &mut Engine,
    source: &Source,
    items: Vec<Result<Call, Refusal>>,
    now: Timestamp,
) -> Vec<Receipt> {
    let mut calls = Vec::with_capacity(items.len());
    let mut refused = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        match item {
            Ok(call) => calls.push(call),
            Err(refusal) => refused.push((index, refusal)),
        }
    }
    let mut receipts = engine.ingest(calls, now);
    for (index, refusal) in refused {
        engine.refuse(source, refusal.reason, &refusal.message, &refusal.raw);
        receipts.insert(index, Receipt::Refused { reason: refusal.reason, message: refusal.message });
    }
    receipts
}
