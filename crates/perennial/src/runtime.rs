//! The process around the engine: one writer thread that takes jobs (`writer`) and hands them on in groups to be
//! committed, which is when they are answered (`committer`); readers beside it.

use crate::committer::Committer;
use crate::connections::Connections;
use crate::consignment::Consignment;
use crate::snapshot::{SnapshotFile, Snapshots};
use crate::writer::Loop;
use anyhow::Context;
use domain::message::Channel;
use domain::{Call, MessageId, Source, Timestamp};
use engine::dedupe::Fingerprinter;
use engine::deliver::webhooks::Errand;
use engine::ingest::{Arrival, Arrivals, Refusal};
use engine::report::{Tables, Wanted};
use engine::{Engine, Options, Receipt};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use store::sqlite::SqliteStore;
use store::{Reader, Secrets, Store, StoreError};

/// Jobs that may wait for the writer. Beyond that the door answers that it is busy.
const QUEUE: usize = 1_024;
/// Most messages on their way at a time on a channel that has no connections of its own: the bound on what a crash can leave
/// uncertain. Of mails only those that have a connection can be.
pub const IN_FLIGHT: usize = 20;
/// Mails on their way for each connection.
///
/// While one is sent, another is made ready and the end of a third is written down. Were there no more mails than connections,
/// each would stand still while the ledger is written.
pub const MAILS_PER_CONNECTION: usize = 3;

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

pub(crate) type Done = Box<dyn FnOnce(Result<(), JobError>) + Send>;
/// Done with the engine, or without it when the job cannot be stored and only has to be answered.
pub(crate) type Change = Box<dyn FnOnce(Option<(&mut Engine, Timestamp)>) -> Done + Send>;
/// Work that commits by itself, many times: a demo's passing of time.
pub(crate) type Drive = Box<dyn FnOnce(&mut Driver<'_>) -> Done + Send>;

/// Something for the writer to do.
pub(crate) enum Job {
    Change { weight: usize, appends: Appends, change: Change },
    Drive(Drive),
}

/// Whether a job brings calls from outside, which need room on the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appends {
    Calls,
    Nothing,
}

/// A job that wakes the writer.
fn nothing() -> Job {
    Job::Change { weight: 0, appends: Appends::Calls, change: Box::new(|_| Box::new(|_| {})) }
}

/// What a `Drive` works with.
pub struct Driver<'a> {
    /// The live state, locked against readers while it is worked on.
    pub engine: &'a RwLock<Engine>,
    /// Where it becomes durable.
    pub store: &'a mut dyn Store,
    /// The time.
    pub clock: &'a Clock,
    /// Set where the data was changed behind the live state's back: it is read again before anybody hears of it.
    pub must_reopen: bool,
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
    open_reader: OpenReader,
    health: Arc<Health>,
    fingerprinter: Fingerprinter,
    connections: Arc<Connections>,
    snapshot: SnapshotFile,
    dir: PathBuf,
}

/// What is asked of the live state, and a reader of the same position; or why the store could not be read.
pub type AtRest = Result<(Tables, Box<dyn Reader>), StoreError>;

/// Opens another reader of committed data.
pub type OpenReader = Box<dyn Fn() -> Result<Box<dyn Reader>, StoreError> + Send + Sync>;

/// Readers that are kept open for the next who asks; more than ever look at a time on a small machine.
const READERS_KEPT: usize = 8;

/// A reader of committed data; dropped, it waits for the next who asks.
pub struct Lent {
    reader: Option<Box<dyn Reader>>,
    shared: Arc<Shared>,
}

impl std::ops::Deref for Lent {
    type Target = dyn Reader;

    fn deref(&self) -> &(dyn Reader + 'static) {
        self.reader.as_deref().expect("only dropping takes it out")
    }
}

impl AsRef<dyn Reader> for Lent {
    fn as_ref(&self) -> &(dyn Reader + 'static) {
        &**self
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(reader), Ok(mut readers)) = (self.reader.take(), self.shared.readers.lock())
            && readers.len() < READERS_KEPT
        {
            readers.push(reader);
        }
    }
}

/// How the writer fares.
#[derive(Default)]
pub struct Health {
    /// Why the last commit failed, while it does.
    trouble: Mutex<Option<String>>,
    commits: AtomicUsize,
    in_flight: Mutex<BTreeMap<MessageId, Channel>>,
    webhooks: AtomicUsize,
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
        self.on_their_way().len()
    }

    /// Webhooks that are being told.
    pub fn webhooks_under_way(&self) -> usize {
        self.webhooks.load(Ordering::Relaxed)
    }

    /// A webhook is being told until what is returned is dropped.
    pub fn webhook_sets_out(self: &Arc<Self>) -> UnderWay {
        self.webhooks.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// Whether something may still set out.
    pub(crate) fn may_set_out(&self) -> bool {
        !self.sends_no_more.load(Ordering::Relaxed)
    }

    /// From now on no further message sets out.
    pub fn send_no_more(&self) {
        self.sends_no_more.store(true, Ordering::Relaxed);
    }

    /// How many messages may set out on a channel now. Each has its own places: a provider that hangs holds up no mail.
    pub(crate) fn places(&self, channel: Channel, all: usize) -> usize {
        if !self.may_set_out() {
            return 0;
        }
        let taken = self.on_their_way().values().filter(|taken| **taken == channel).count();
        all.saturating_sub(taken)
    }

    /// A commit is durable.
    pub(crate) fn committed(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn set_trouble(&self, trouble: Option<String>) {
        if let Ok(mut known) = self.trouble.lock() {
            *known = trouble;
        }
    }

    /// A message is on its way from now on.
    pub(crate) fn sets_out(&self, message: &MessageId, channel: Channel) {
        self.on_their_way().insert(message.clone(), channel);
    }

    /// The messages on their way.
    pub(crate) fn under_way(&self) -> BTreeSet<MessageId> {
        self.on_their_way().keys().cloned().collect()
    }

    fn on_their_way(&self) -> MutexGuard<'_, BTreeMap<MessageId, Channel>> {
        // A map that a panic left is still a map.
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message is no longer on its way.
    pub fn landed(&self, message: &MessageId) {
        self.on_their_way().remove(message);
    }
}

/// A webhook that is being told.
pub struct UnderWay(Arc<Health>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.webhooks.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Something to carry out.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// A message to a customer. It comes while the commit that records it is under way; its body waits for a record.
    Message(Consignment),
    /// A webhook to a system. It comes when the commit that records it is durable.
    Webhook(Errand),
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
        let _ = self.jobs.try_send(nothing());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer thread panicked");
        }
    }
}

/// Where everything goes that is to be carried out.
pub type Deliveries = Box<dyn Fn(Outgoing) + Send>;

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
    let place = dir.to_owned();
    start_on(Box::new(open_store(dir)?), Box::new(move || SqliteStore::reader_of(&place)), dir, options, deliveries)
}

/// Starts the writer of a store. `open_reader` opens readers of the same store.
pub fn start_on(
    mut store: Box<dyn Store>,
    open_reader: OpenReader,
    dir: &Path,
    options: Options,
    deliveries: Option<Deliveries>,
) -> anyhow::Result<(Handle, Writer)> {
    let offset_ms = store.recover()?.clock_offset_ms;
    let clock = Arc::new(Clock::default());
    clock.set_offset_ms(offset_ms);
    let snapshot = SnapshotFile::of(dir);
    let mut engine = snapshot.open_engine(store.as_ref(), options.clone()).context("the data could not be opened")?;
    engine.resume_deliveries();
    store.commit(&engine.take_commit())?;
    let fingerprinter = engine.fingerprinter();
    let engine = Arc::new(RwLock::new(engine));
    let (jobs, queue) = sync_channel(QUEUE);
    let health = Arc::new(Health::default());
    let stop = Arc::new(AtomicBool::new(false));
    let first = store.reader()?;
    let shared = Shared {
        engine: engine.clone(),
        jobs: jobs.clone(),
        clock: clock.clone(),
        readers: Mutex::new(vec![first]),
        open_reader,
        health: health.clone(),
        fingerprinter,
        connections: Arc::default(),
        snapshot: snapshot.clone(),
        dir: dir.to_owned(),
    };
    let sends = deliveries.is_some();
    let wake = jobs.clone();
    let wake = move || {
        // A full queue wakes the writer anyway.
        let _ = wake.try_send(nothing());
    };
    let committer = Committer::start(store, health.clone(), deliveries, wake)?;
    let stop_asked = stop.clone();
    let loop_state = Loop {
        committer,
        engine,
        queue,
        carried: None,
        clock,
        health,
        options,
        sends,
        stop: stop_asked,
        snapshots: Snapshots::new(snapshot),
    };
    let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || loop_state.run())?;
    Ok((Handle { shared: Arc::new(shared) }, Writer { stop, jobs, thread: Some(thread) }))
}

// A panic while the lock was held was caught inside the guard, and the state is read again after it.
pub(crate) fn read(engine: &RwLock<Engine>) -> RwLockReadGuard<'_, Engine> {
    engine.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(crate) fn write(engine: &RwLock<Engine>) -> std::sync::RwLockWriteGuard<'_, Engine> {
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

    /// The connections to the server, and who was turned away.
    pub fn connections(&self) -> &Arc<Connections> {
        &self.shared.connections
    }

    /// The snapshot of the data directory.
    pub fn snapshot(&self) -> &SnapshotFile {
        &self.shared.snapshot
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Looks at committed data on a connection of its own.
    pub fn with_reader<T>(&self, look: impl FnOnce(&dyn Reader) -> Result<T, StoreError>) -> Result<T, StoreError> {
        look(self.reader()?.as_ref())
    }

    /// A reader of committed data, on a connection of its own, kept for the next one when this is done with it.
    pub fn reader(&self) -> Result<Lent, StoreError> {
        let kept = self.shared.readers.lock().ok().and_then(|mut readers| readers.pop());
        let reader = match kept {
            Some(reader) => reader,
            None => (self.shared.open_reader)()?,
        };
        Ok(Lent { reader: Some(reader), shared: self.shared.clone() })
    }

    /// What tables need of the live state, and a reader that stands still beside it: taken between two commits, when
    /// what is in memory is what is on disk. Blocks until the writer has a moment; it then waits while this is taken.
    pub fn at_rest(&self, wanted: Wanted) -> Result<AtRest, JobError> {
        self.drive(move |driver| {
            let tables = read(driver.engine).tables(wanted);
            Ok((tables, driver.store.reader()?.at_rest()?))
        })
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

    /// Works out of read items what can be known before the writer takes them. Pure work, for a blocking thread.
    pub fn arrive(&self, items: Vec<Result<Call, Refusal>>) -> Vec<Result<Arrival, Refusal>> {
        arrive(self.shared.fingerprinter, items)
    }

    /// Takes what was read at the door: accepted once it is durable.
    pub async fn ingest(&self, source: Source, items: Vec<Result<Arrival, Refusal>>) -> Result<Vec<Receipt>, JobError> {
        self.later(items.len(), Appends::Calls, move |engine, now| take_arrivals(engine, &source, items, now)).await
    }
}

fn arrive(fingerprinter: Fingerprinter, items: Vec<Result<Call, Refusal>>) -> Vec<Result<Arrival, Refusal>> {
    let mut arrivals = Arrivals::new(fingerprinter);
    items.into_iter().map(|item| item.map(|call| arrivals.of(call))).collect()
}

/// Takes read items in order: calls are ingested, refusals written down.
pub fn take_items(
    engine: &mut Engine,
    source: &Source,
    items: Vec<Result<Call, Refusal>>,
    now: Timestamp,
) -> Vec<Receipt> {
    let items = arrive(engine.fingerprinter(), items);
    take_arrivals(engine, source, items, now)
}

fn take_arrivals(
    engine: &mut Engine,
    source: &Source,
    items: Vec<Result<Arrival, Refusal>>,
    now: Timestamp,
) -> Vec<Receipt> {
    let mut arrivals = Vec::with_capacity(items.len());
    let mut refused = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        match item {
            Ok(arrival) => arrivals.push(arrival),
            Err(refusal) => refused.push((index, refusal)),
        }
    }
    let mut receipts = engine.ingest_arrivals(arrivals, now);
    for (index, refusal) in refused {
        engine.refuse(source, refusal.reason, &refusal.message, &refusal.raw);
        receipts.insert(index, Receipt::Refused { reason: refusal.reason, message: refusal.message });
    }
    receipts
}
