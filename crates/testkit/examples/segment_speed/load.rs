//! The whole past goes through the engine into a store, the last part of it with all segments live.

use crate::events::{self, Events};
use crate::{Result, memory_bytes, processor_seconds};
use domain::Timestamp;
use domain::definition::Defined;
use engine::ingest::{Arrival, Arrivals};
use engine::{Engine, Options};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;
use store::sqlite::SqliteStore;
use store::{Commit, HistoryLimits, Secrets, Store};

/// Calls that reach the engine together while the past is loaded, and while all segments are live: in a rush the product's
/// writer takes what waits, up to 20,000.
const BATCH: usize = 10_000;
pub(crate) const LIVE_BATCH: usize = 5_000;
/// Commits after which it is looked whether something is to be sealed.
const SEALING: usize = 30;

/// How long a part took.
#[derive(Default)]
pub(crate) struct Pace {
    events: usize,
    /// By the clock, and of the engine's own thread on a processor.
    wall: f64,
    processor: f64,
    transitions: usize,
}

impl Pace {
    pub(crate) fn json(&self) -> Value {
        json!({
            "events": self.events,
            "seconds": self.wall,
            "processor_seconds": self.processor,
            "events_per_second": self.events as f64 / self.wall,
            "events_per_processor_second": self.events as f64 / self.processor,
            "transitions": self.transitions,
        })
    }
}

/// Loads `data` into a new store in `dir`; returns what was measured.
pub(crate) fn load(data: &Path, dir: &Path, segments: &[Defined], live: usize) -> Result<Value> {
    let events = events::read(data)?;
    let past = events.all.len().saturating_sub(live);
    let options =
        store::sqlite::Options { outlasts_power_cut: false, ..store::sqlite::Options::new(Secrets::default()) };
    let store = SqliteStore::open(dir, options)?;
    let mut engine = Engine::open(&store, Options::default())?;
    let (send, commits) = sync_channel::<Commit>(4);
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || write(store, &commits, Seal::Meanwhile).map_err(|error| error.to_string()));
        let mut pass_on = |commit: Commit| send.send(commit).map_err(|_| "the store stopped");
        let loaded = feed(scope, &mut engine, &events, 0..past, BATCH, &mut pass_on)?;
        let without = memory_bytes().0;
        let now = events.all[past.saturating_sub(1)].at;
        let start = Instant::now();
        engine.define(segments.to_vec(), "bench", now)?;
        pass_on(engine.take_commit())?;
        let defined = start.elapsed().as_secs_f64();
        let with = memory_bytes().0;
        let entries = entries(&engine);
        let lived = feed(scope, &mut engine, &events, past..events.all.len(), LIVE_BATCH, &mut pass_on)?;
        let answer = json!({
            "customers": engine.look().customers().len(),
            "load": loaded.json(),
            "define_seconds": defined,
            "live": lived.json(),
            "memory_bytes": { "without_segments": without, "with_segments": with },
            "entries_kept": entries,
            "streams": engine.look().plan().streams.len(),
        });
        drop(send);
        writing.join().map_err(|_| "the store's thread panicked")??;
        Ok(answer)
    })
}

/// Entries that the streams of all customers keep.
pub(crate) fn entries(engine: &Engine) -> usize {
    let look = engine.look();
    look.customers().iter().filter_map(|id| look.customer(*id)).map(|customer| customer.streams.len()).sum()
}

/// Feeds some events to the engine; another thread makes calls of them, a third one writes what comes of it.
pub(crate) fn feed<'scope, 'env>(
    scope: &'scope std::thread::Scope<'scope, 'env>,
    engine: &mut Engine,
    events: &'env Events,
    range: std::ops::Range<usize>,
    batch: usize,
    pass_on: &mut dyn FnMut(Commit) -> std::result::Result<(), &'static str>,
) -> Result<Pace> {
    let mut arrivals = Arrivals::new(engine.fingerprinter());
    let (send, batches) = sync_channel::<(Vec<Arrival>, Timestamp)>(4);
    let all = range.clone();
    scope.spawn(move || {
        for start in all.clone().step_by(batch) {
            let end = (start + batch).min(all.end);
            let calls = (start..end).map(|number| arrivals.of(events.call(number))).collect();
            if send.send((calls, events.all[end - 1].at)).is_err() {
                return;
            }
        }
    });
    let mut pace = Pace { events: range.len(), ..Pace::default() };
    let (start, before) = (Instant::now(), processor_seconds());
    for (calls, now) in batches {
        engine.ingest_arrivals(calls, now);
        let commit = engine.take_commit();
        pace.transitions += commit.transitions.len();
        pass_on(commit)?;
    }
    (pace.wall, pace.processor) = (start.elapsed().as_secs_f64(), processor_seconds() - before);
    Ok(pace)
}

/// When history is sealed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seal {
    /// Between commits: the past is too long to wait for its end.
    Meanwhile,
    /// When the rush is over, as in the product: there it waits for two million calls at most.
    Afterwards,
}

/// What writing took, in seconds of its thread on a processor, and by the clock.
pub(crate) struct Written {
    pub(crate) committing: f64,
    pub(crate) sealing: f64,
    pub(crate) sealing_wall: f64,
}

/// Writes what comes, and then seals what is left.
pub(crate) fn write(mut store: SqliteStore, commits: &Receiver<Commit>, when: Seal) -> Result<Written> {
    let limits = HistoryLimits::default();
    let mut sealer = store.sealer()?;
    let mut seal = |store: &mut SqliteStore| -> Result<()> {
        while let Some(prepared) = sealer.prepare(&limits)? {
            store.adopt(prepared)?;
        }
        Ok(())
    };
    for (number, commit) in commits.iter().enumerate() {
        store.commit(&commit)?;
        if when == Seal::Meanwhile && number % SEALING == 0 {
            seal(&mut store)?;
        }
    }
    let (committing, start) = (processor_seconds(), Instant::now());
    seal(&mut store)?;
    let sealing = processor_seconds() - committing;
    Ok(Written { committing, sealing, sealing_wall: start.elapsed().as_secs_f64() })
}
