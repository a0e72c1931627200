//! Very many people who turn within one second, by time alone, while calls keep coming in.
//!
//! The writer works as in the product: calls that wait, then what is due, a bounded number of things in each turn, and
//! a committer beside it with a commit under way. What is told is how long a batch of calls waits until it is durable.

use crate::{Result, memory_bytes, processor_seconds, rules};
use domain::{Call, CallKind, Span, Timestamp, Trust};
use engine::{Engine, Options};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};
use store::sqlite::SqliteStore;
use store::{Commit, Secrets, Store};

/// Things due that one turn of the writer takes, as a commit with calls does, and one without, as in the product.
const TURN_DUE: usize = 250;
const GROUP_DUE: usize = 500;
const BATCH: u32 = 10_000;
/// A client sends a batch of so many calls …
const CALLS: u32 = 100;
/// … so often: 20,000 calls a second.
const EVERY: Duration = Duration::from_millis(5);
/// How long calls come in before the people lapse.
const CALM: Duration = Duration::from_secs(5);
/// Calls that one commit takes at most.
const GROUP_CALLS: usize = 20_000;

/// A batch of calls, and when it was sent.
struct Sent {
    at: Instant,
    calls: Vec<Call>,
}

/// What one turn hands to the committer.
struct Turn {
    commit: Commit,
    sent: Vec<Instant>,
}

/// Lets `customers` people do something within one second, and then lapse within one second while others call; `rounds`
/// times, each in a store of its own. One storm is over after some three hundred batches, of which the slowest hundredth
/// are three: what calls waited is told of all rounds together.
pub(crate) fn timers(customers: u32, rounds: u32) -> Result<Value> {
    let done = (0..rounds).map(|_| round(customers)).collect::<Result<Vec<Round>>>()?;
    let all = |in_storm: bool| Latencies::of(done.iter().flat_map(|round| &round.done.waits), in_storm);
    let (calm, storm) = (all(false), all(true));
    let total = |of: fn(&Round) -> usize| done.iter().map(of).sum::<usize>();
    let most = |of: fn(&Round) -> f64| done.iter().map(of).fold(0.0, f64::max);
    Ok(json!({
        "customers": customers,
        "rounds": rounds,
        "entered": total(|round| round.entered),
        "left": total(|round| round.done.left),
        "members_afterwards": total(|round| round.members),
        "seconds": most(|round| round.done.seconds),
        "processor_seconds": most(|round| round.done.processor),
        "longest_turn_seconds": most(|round| round.done.longest.as_secs_f64()),
        "due_in_a_turn": TURN_DUE,
        "calm": calm.json(),
        "storm": storm.json(),
        "p99_ratio": storm.at(0.99) / calm.at(0.99),
        "memory_bytes": most(|round| round.memory as f64),
    }))
}

/// What one storm came to.
struct Round {
    entered: usize,
    members: usize,
    memory: u64,
    done: Done,
}

fn round(customers: u32) -> Result<Round> {
    let dir = tempfile::tempdir()?;
    let mut store = SqliteStore::open(dir.path(), store::sqlite::Options::new(Secrets::default()))?;
    let mut engine = Engine::open(&store, Options::default())?;
    let start = Timestamp::parse("2026-03-02T12:00:00Z").ok_or("an instant")?;
    let segment = rules::defined("recent", &json!({ "did": "visit", "within": "30d" }))?;
    engine.define(vec![segment], "bench", start)?;
    let mut entered = 0;
    for first in (0..customers).step_by(BATCH as usize) {
        let visits = (first..(first + BATCH).min(customers)).map(|customer| {
            let at = start.plus(Span(i64::from(customer) * 1_000 / i64::from(customers)));
            call(format!("v{customer}"), format!("u{customer}"), "visit", at)
        });
        engine.ingest(visits.collect(), start.plus(Span(1_000)));
        let commit = engine.take_commit();
        entered += commit.transitions.len();
        store.commit(&commit)?;
    }
    let memory = memory_bytes().0;
    let done = run(&mut engine, store, start.plus(Span::days(30)))?;
    Ok(Round { entered, members: engine.segment_size(&domain::Name::parse("recent")?), memory, done })
}

fn call(id: String, who: String, event: &str, at: Timestamp) -> Call {
    let body = RawValue::from_string("{}".to_owned()).expect("an empty object is JSON");
    Call {
        kind: CallKind::Track,
        message_id: id.into(),
        user_id: Some(who.into()),
        anonymous_id: None,
        other_id: None,
        event: Some(event.into()),
        timestamp: at,
        received_at: at,
        source: "bench".into(),
        trust: Trust::Server,
        record: None,
        body: body.into(),
        context: None,
    }
}

/// What happened.
struct Done {
    left: usize,
    longest: Duration,
    /// From the first lapse to the last, by the clock and of the writer's own thread on a processor.
    seconds: f64,
    processor: f64,
    /// How long each batch waited until it was durable, and whether people were lapsing when it was sent.
    waits: Vec<(Duration, bool)>,
}

/// Some seconds of calls alone, then the storm, until everything due is done. The clock of the people begins so that
/// the first of them lapses after the calm.
fn run(engine: &mut Engine, store: SqliteStore, storm: Timestamp) -> Result<Done> {
    let zero = Instant::now() + Duration::from_millis(200);
    let calm = Span(i64::try_from(CALM.as_millis())?);
    let clock = move || storm.minus(calm).plus(Span(i64::try_from(zero.elapsed().as_millis()).unwrap_or(i64::MAX)));
    let over = Arc::new(AtomicBool::new(false));
    let (send, calls) = channel::<Sent>();
    let is_busy = Arc::new(AtomicBool::new(false));
    let (hand_over, turns) = sync_channel::<Turn>(1);
    std::thread::scope(|scope| {
        let (stop, busy) = (over.clone(), is_busy.clone());
        let sending = scope.spawn(move || feed(&send, zero, &clock, &stop));
        let committing = scope.spawn(move || commit(store, &turns, &busy).map_err(|error| error.to_string()));
        let done = write(engine, &calls, (&hand_over, &is_busy), &clock, storm);
        over.store(true, Ordering::Release);
        drop(hand_over);
        sending.join().map_err(|_| "the client panicked")?;
        let durable = committing.join().map_err(|_| "the committer panicked")??;
        let mut done = done?;
        let storm = zero + CALM..zero + CALM + Duration::from_secs_f64(done.seconds);
        // The first second is that of a process that has just begun.
        let counts = |sent: Instant| sent >= zero + Duration::from_secs(1) && sent < storm.end;
        let waits = durable.into_iter().filter(|(sent, _)| counts(*sent));
        done.waits = waits.map(|(sent, durable)| (durable.duration_since(sent), storm.contains(&sent))).collect();
        Ok(done)
    })
}

/// A client that sends on time, whatever the server does.
fn feed(send: &Sender<Sent>, zero: Instant, clock: &dyn Fn() -> Timestamp, stop: &AtomicBool) {
    let mut number = 0_u32;
    while !stop.load(Ordering::Acquire) {
        let due = zero + EVERY * (number / CALLS);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let now = clock();
        let calls = (number..number + CALLS)
            .map(|number| call(format!("s{number}"), format!("u{}", number % 10_007), "search", now))
            .collect();
        // A batch that could not be sent on time has waited since then.
        if send.send(Sent { at: due, calls }).is_err() {
            return;
        }
        number += CALLS;
    }
}

fn commit(mut store: SqliteStore, turns: &Receiver<Turn>, is_busy: &AtomicBool) -> Result<Vec<(Instant, Instant)>> {
    let mut durable = Vec::new();
    for turn in turns {
        store.commit(&turn.commit)?;
        let now = Instant::now();
        durable.extend(turn.sent.into_iter().map(|sent| (sent, now)));
        is_busy.store(false, Ordering::Release);
    }
    Ok(durable)
}

fn write(
    engine: &mut Engine,
    calls: &Receiver<Sent>,
    (hand_over, is_busy): (&SyncSender<Turn>, &AtomicBool),
    clock: &dyn Fn() -> Timestamp,
    storm: Timestamp,
) -> Result<Done> {
    let mut done = Done { left: 0, longest: Duration::ZERO, seconds: 0.0, processor: 0.0, waits: Vec::new() };
    let mut begun: Option<(Instant, f64)> = None;
    loop {
        let (mut sent, mut taken, mut due, mut more) = (Vec::new(), 0, 0, false);
        loop {
            let has_room = due < if taken > 0 { TURN_DUE } else { GROUP_DUE };
            let patience = if more && has_room { Duration::ZERO } else { Duration::from_millis(1) };
            let mut next = match calls.recv_timeout(patience) {
                Ok(next) => Some(next),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(done),
            };
            let (turn, now) = (Instant::now(), clock());
            if now >= storm && begun.is_none() {
                begun = Some((turn, processor_seconds()));
            }
            if has_room {
                more = engine.tick_some(now, TURN_DUE);
                due += if more { TURN_DUE } else { 0 };
            }
            let instant = if more { engine.clock() } else { now };
            while let Some(Sent { at, calls: batch }) = next {
                sent.push(at);
                taken += batch.len();
                engine.ingest(batch, instant);
                next = if taken < GROUP_CALLS { calls.try_recv().ok() } else { None };
            }
            done.longest = done.longest.max(turn.elapsed());
            if taken >= GROUP_CALLS || !is_busy.load(Ordering::Acquire) {
                break;
            }
        }
        let commit = engine.take_commit();
        let left = commit.transitions.iter().filter(|transition| !transition.entered).count();
        done.left += left;
        is_busy.store(true, Ordering::Release);
        hand_over.send(Turn { commit, sent }).map_err(|_| "the committer stopped")?;
        let Some((since, processor)) = begun else { continue };
        if left > 0 {
            (done.seconds, done.processor) = (since.elapsed().as_secs_f64(), processor_seconds() - processor);
        } else if !more && clock() > storm.plus(Span(1_500)) {
            return Ok(done);
        }
    }
}

/// How long batches waited, in order.
struct Latencies(Vec<Duration>);

impl Latencies {
    fn of<'a>(waits: impl Iterator<Item = &'a (Duration, bool)>, in_storm: bool) -> Latencies {
        let mut waits: Vec<Duration> = waits.filter(|(_, storm)| *storm == in_storm).map(|(wait, _)| *wait).collect();
        waits.sort_unstable();
        Latencies(waits)
    }

    /// The wait that a share of all does not exceed, in milliseconds.
    fn at(&self, share: f64) -> f64 {
        let place = (self.0.len() as f64 * share) as usize;
        self.0.get(place.min(self.0.len().saturating_sub(1))).map_or(f64::NAN, |wait| wait.as_secs_f64() * 1_000.0)
    }

    fn json(&self) -> Value {
        json!({ "batches": self.0.len(), "p50_ms": self.at(0.5), "p99_ms": self.at(0.99), "most_ms": self.at(1.0) })
    }
}
