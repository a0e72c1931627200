//! One seed, one run: random definitions, clients that retry, crashes between any two steps of I/O, mail servers.
//! Everything random comes from the seed.
//!
//! The process here mirrors the product's (`perennial::runtime`, `perennial::post`): jobs are done in groups, a group
//! is committed, only then acknowledged and its orders carried out; each phase of an attempt is durable before the next.

use crate::chance::Chance;
use crate::faults::{ServerDoes, Trouble, passing_time};
use crate::memory_store::{MemoryDisk, MemoryStore};
use crate::oracles::{Delivered, Evidence, Ordered};
use crate::random;
use crate::tellings::Tellings;
use domain::call::{Source, Trust};
use domain::campaign::State;
use domain::definition::{Defined, Definition};
use domain::message::Channel;
use domain::{CustomerId, MessageId, Name, Span, Timestamp};
use engine::deliver::webhooks::{Errand, Heard};
use engine::deliver::{End, Order};
use engine::ingest::{Door, DoorOptions, Endpoint};
use engine::state::PlantedBug;
use engine::{Endpoints, Engine, Opened, Options, Receipt};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use store::{Commit, HistoryLimits, Secrets, Store};

/// Most messages on their way at a time: what a crash may leave uncertain.
const IN_FLIGHT: usize = 5;
/// Most things that are due handled between two commits.
const GROUP_DUE: usize = 40;
/// Steps of a run before the faults stop.
const STEPS: usize = 100;
/// Groups after the faults have stopped, by the end of which everything must have come to rest.
const CALM: usize = 20_000;
/// Lines of the trace that a failure shows.
const TRACE: usize = 60;

/// What happened in a run that found nothing wrong.
#[derive(Clone, Copy, Default, Debug)]
pub struct Facts {
    /// Calls that were accepted.
    pub calls: usize,
    /// Starts after the first.
    pub restarts: usize,
    /// Messages that reached a mail server.
    pub delivered: usize,
    /// Outcomes that were written down.
    pub decisions: usize,
    /// Times that the state was compared with one built anew.
    pub comparisons: usize,
    /// Starts from a snapshot and the calls after it.
    pub from_snapshot: usize,
    /// Files of history that were sealed or merged.
    pub sealed: usize,
}

/// An oracle was not satisfied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The step of the run.
    pub step: usize,
    /// What was wrong.
    pub what: String,
    /// What happened before.
    pub trace: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.trace {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "seed {}, step {}: {}", self.seed, self.step, self.what)?;
        write!(f, "replay: cargo run -p testkit --bin verify -- --seed {}", self.seed)
    }
}

/// Runs one seed.
pub fn run(seed: u64, bug: Option<PlantedBug>) -> Result<Facts, Box<Failure>> {
    let mut simulation = Simulation::new(seed, bug);
    match simulation.live() {
        Ok(()) => Ok(simulation.facts),
        Err(what) => {
            let trace = simulation.trace.split_off(simulation.trace.len().saturating_sub(TRACE));
            Err(Box::new(Failure { seed, step: simulation.step, what, trace }))
        }
    }
}

type Check = Result<(), String>;

/// A batch of calls that a client sends until it is acknowledged.
#[derive(Clone)]
struct Batch {
    number: usize,
    calls: Vec<Value>,
}

enum Job {
    Ingest(Batch),
    Define(Vec<Value>),
    Merge(CustomerId, CustomerId),
    Unmerge(CustomerId, CustomerId),
    /// The owner turns endpoints on again.
    TurnOn(Vec<Name>),
    /// A worker asks whether the body may go out.
    MayGo(usize),
    /// A worker tells how its attempt ended.
    Ended(usize, End),
}

/// Somebody who carries out an order.
#[derive(Clone)]
struct Worker {
    number: usize,
    order: Order,
    server: ServerDoes,
    stage: Stage,
}

#[derive(Clone, PartialEq, Debug)]
enum Stage {
    /// Connects; then asks whether the body may go.
    Connecting,
    /// The body may go.
    Sending,
    /// The end waits to be recorded.
    Ended(End),
}

struct Process {
    store: MemoryStore,
    engine: Engine,
    workers: Vec<Worker>,
    /// Webhooks that were told, with the answer that is on its way back.
    told: Vec<(Errand, Heard)>,
}

struct Simulation {
    seed: u64,
    step: usize,
    chance: Chance,
    bug: Option<PlantedBug>,
    disk: MemoryDisk,
    options: Options,
    process: Option<Process>,
    now: Timestamp,
    batches: Vec<Batch>,
    acknowledged: Vec<Batch>,
    definitions: Vec<Value>,
    campaigns: Vec<Value>,
    fresh: usize,
    evidence: Evidence,
    tellings: Tellings,
    facts: Facts,
    /// The snapshot file of the data directory.
    snapshot: Option<Vec<u8>>,
    trace: Vec<String>,
    is_calm: bool,
}

impl Simulation {
    fn new(seed: u64, bug: Option<PlantedBug>) -> Simulation {
        let mut chance = Chance::new(seed);
        let now = Timestamp(1_774_000_000_000 + chance.between(0, 20_000) * 1_000);
        let (definitions, campaigns) = workspace(&mut chance, now);
        let options = Options {
            real_channels: BTreeSet::from([Channel::Email]),
            endpoints: Endpoints::Every,
            // There are too few people in these lives to wait for a hundred of each.
            bandits_learn_after: Some(1),
            planted: bug,
            ..Options::default()
        };
        Simulation {
            seed,
            step: 0,
            chance,
            bug,
            disk: MemoryDisk::new(),
            options,
            process: None,
            now,
            batches: Vec::new(),
            acknowledged: Vec::new(),
            definitions,
            campaigns,
            fresh: 0,
            evidence: Evidence::default(),
            tellings: Tellings::new(seed),
            facts: Facts::default(),
            snapshot: None,
            trace: Vec::new(),
            is_calm: false,
        }
    }

    fn note(&mut self, what: impl Into<String>) {
        self.trace.push(format!("{} {}", self.now, what.into()));
    }

    fn has(&self, bug: PlantedBug) -> bool {
        self.bug == Some(bug)
    }

    fn live(&mut self) -> Check {
        let first = self.first_batch();
        let definitions = self.definitions.clone();
        self.group(vec![Job::Ingest(first), Job::Define(definitions)])?;
        for step in 1..=STEPS {
            self.step = step;
            self.one_step()?;
            self.keep_history();
            self.keep_snapshot();
            if self.chance.happens(12) {
                self.compare()?;
            }
        }
        self.come_to_rest()
    }

    fn one_step(&mut self) -> Check {
        match self.chance.below(100) {
            0..24 => {
                let span = passing_time(&mut self.chance);
                self.now = self.now.plus(span);
                self.idle()
            }
            24..52 => {
                let batch = self.new_batch();
                self.batches.push(batch);
                self.clients_send()
            }
            52..58 => self.clients_send(),
            58..84 => self.workers_act(),
            84..88 => self.workspace_changes(),
            _ => {
                let trouble = Trouble::random(&mut self.chance);
                self.note(format!("{trouble:?}"));
                trouble.prepare(&self.disk);
                if trouble == Trouble::Crash {
                    self.process = None;
                    self.idle()?;
                    self.compare()?;
                }
                Ok(())
            }
        }
    }

    /// What is old is sealed and merged in the background, a crash between any two steps of it included.
    fn keep_history(&mut self) {
        let Some(process) = self.process.as_mut().filter(|_| self.step.is_multiple_of(5)) else { return };
        let limits = HistoryLimits { journal_calls: 10, file_calls: 40, file_bytes: u64::MAX };
        let prepared = process.store.sealer().and_then(|mut sealer| sealer.prepare(&limits));
        let done = match prepared {
            Ok(Some(prepared)) => process.store.adopt(prepared).map(|()| 1),
            Ok(None) => Ok(0),
            Err(error) => Err(error),
        };
        match done {
            Ok(sealed) => self.facts.sealed += sealed,
            Err(error) => {
                // The state is not touched by it: a process that lives goes on.
                if process.store.recover().is_err() {
                    self.process = None;
                }
                self.note(format!("sealing: {error}"));
            }
        }
    }

    /// Now and then a snapshot is written; one of several is torn, as by a power cut.
    fn keep_snapshot(&mut self) {
        let Some(process) = self.process.as_mut().filter(|_| self.step % 7 == 3) else { return };
        // A snapshot must not be ahead of the store, so that the clock is committed first.
        let commit = process.engine.take_commit();
        if let Err(error) = process.store.commit(&commit) {
            if process.store.recover().is_err() {
                self.process = None;
            }
            return self.note(format!("before a snapshot: {error}"));
        }
        let mut bytes = Vec::new();
        if process.engine.save(&mut bytes).unwrap_or(false) {
            if self.step.is_multiple_of(4) {
                bytes.truncate(bytes.len() * 2 / 3);
            }
            self.snapshot = Some(bytes);
        }
    }

    fn first_batch(&mut self) -> Batch {
        let calls = ["u1", "u2", "u3"]
            .iter()
            .map(|user| json!({ "type": "identify", "userId": user, "messageId": format!("first-{user}"), "timestamp": self.now.to_string(), "traits": { "email": format!("{user}@example.com") } }))
            .collect();
        Batch { number: 0, calls }
    }

    fn new_batch(&mut self) -> Batch {
        let count = 1 + self.chance.below(4);
        let calls = (0..count).map(|_| self.new_call()).collect();
        self.fresh += 1;
        Batch { number: self.fresh, calls }
    }

    fn new_call(&mut self) -> Value {
        let (chance, now) = (&mut self.chance, self.now);
        let user = *chance.pick(&["u1", "u2", "u3"]);
        let mut call = match chance.below(100) {
            0..34 => {
                json!({ "type": "track", "userId": user, "event": chance.pick(&["visit", "visit", "order", "visit again"]), "properties": random::properties(chance, now) })
            }
            34..36 => json!({ "type": "track", "userId": user, "event": "Conversation Opened", "properties": {} }),
            36..40 => json!({ "type": "track", "userId": user, "event": "Conversation Closed", "properties": {} }),
            40..41 => {
                json!({ "type": "track", "userId": user, "event": "Complaint Opened", "properties": { "complaint": "k" } })
            }
            41..45 => json!({ "type": "track", "userId": user, "event": "Complaint Resolved", "properties": {} }),
            45..51 => json!({ "type": "track", "userId": user, "event": "Consent Changed", "properties": {
                "purpose": "marketing", "status": chance.pick(&["granted", "granted", "withdrawn"]),
                "expires": if chance.happens(20) { random::near(chance, now, Span(0), Span::days(4)).to_string().into() } else { Value::Null },
            } }),
            51..58 => json!({ "type": "identify", "userId": user, "traits": { "first_name": "Ana" } }),
            58..64 => {
                json!({ "type": "identify", "userId": user, "traits": { "email": format!("{user}@example.com") } })
            }
            _ => random::call(chance, now),
        };
        self.fresh += 1;
        call["messageId"] = format!("call-{}", self.fresh).into();
        if call.get("timestamp").is_none() {
            call["timestamp"] = self.now.to_string().into();
        }
        call
    }

    /// Clients send what was not acknowledged, and now and then again what was: their acknowledgement was lost.
    fn clients_send(&mut self) -> Check {
        let mut jobs = Vec::new();
        for batch in self.batches.clone() {
            if self.is_calm || self.chance.happens(70) {
                jobs.push(Job::Ingest(batch));
            }
        }
        if !self.acknowledged.is_empty() && self.chance.happens(20) {
            let again = self.chance.pick(&self.acknowledged).clone();
            jobs.push(Job::Ingest(again));
        }
        self.group(jobs)
    }

    fn workspace_changes(&mut self) -> Check {
        let people: Vec<CustomerId> = self
            .process
            .as_ref()
            .map(|process| process.engine.look().customers().into_iter().collect())
            .unwrap_or_default();
        let job = match self.chance.below(10) {
            0..4 if people.len() > 1 => Job::Merge(*self.chance.pick(&people), *self.chance.pick(&people)),
            4..7 => Job::Unmerge(
                CustomerId(1 + u32::try_from(self.chance.below(5)).unwrap_or(0)),
                CustomerId(1 + u32::try_from(self.chance.below(5)).unwrap_or(0)),
            ),
            _ => {
                let mut campaign = self.chance.pick(&self.campaigns).clone();
                campaign["state"] = (*self.chance.pick(&["paused", "running", "running"])).into();
                if self.chance.happens(30) {
                    edit(&mut self.chance, &mut campaign);
                }
                Job::Define(vec![campaign])
            }
        };
        self.group(vec![job])
    }

    fn idle(&mut self) -> Check {
        self.group(Vec::new())
    }

    /// Workers go on with their attempts, each by one step, in any order.
    fn workers_act(&mut self) -> Check {
        let mut jobs = Vec::new();
        let Some(process) = &mut self.process else { return self.idle() };
        let mut accepted = Vec::new();
        for worker in &mut process.workers {
            if !self.is_calm && !self.chance.happens(70) {
                continue;
            }
            match worker.stage.clone() {
                Stage::Connecting if worker.server.reaches_body() => jobs.push(Job::MayGo(worker.number)),
                Stage::Connecting => {
                    let end = end_of(worker.server);
                    worker.stage = Stage::Ended(end.clone());
                    jobs.push(Job::Ended(worker.number, end));
                }
                Stage::Sending => {
                    if worker.server.takes_body() {
                        accepted.push(worker.order.clone());
                    }
                    let end = end_of(worker.server);
                    worker.stage = Stage::Ended(end.clone());
                    // The server has the body now; the record of it may come at once or much later.
                    if self.chance.happens(60) {
                        jobs.push(Job::Ended(worker.number, end));
                    }
                }
                Stage::Ended(end) => jobs.push(Job::Ended(worker.number, end)),
            }
        }
        for order in accepted {
            self.accept(&order)?;
        }
        self.group(jobs)
    }

    /// A mail server takes a body.
    fn accept(&mut self, order: &Order) -> Check {
        self.note(format!("a server takes {} (attempt {})", order.message, order.number));
        let store = MemoryStore::open(self.disk.clone());
        self.evidence.accepted(Delivered { order: order.clone(), at: self.now }, &store)
    }

    /// Starts the process if there is none. It may die again on the way.
    fn start(&mut self) {
        if self.process.is_some() {
            return;
        }
        loop {
            let mut store =
                MemoryStore::open_with(self.disk.clone(), Secrets { link_key: [1; 32], dedupe_key: [2; 16] });
            let mut snapshot = self.snapshot.as_deref();
            let snapshot = snapshot.as_mut().map(|snapshot| snapshot as &mut dyn std::io::Read);
            let Ok((mut engine, opened)) = Engine::open_with(&store, self.options.clone(), snapshot) else { continue };
            self.facts.from_snapshot += usize::from(matches!(opened, Opened::FromSnapshot(_)));
            if !self.has(PlantedBug::DeliveriesAreNotResumed) {
                engine.resume_deliveries();
            }
            let commit = engine.take_commit();
            if commit.is_empty() || store.commit(&commit).is_ok() {
                self.facts.restarts += 1;
                self.note("Perennial starts");
                self.process = Some(Process { store, engine, workers: Vec::new(), told: Vec::new() });
                return;
            }
            // A disk that stays full would be tried for ever; somebody frees it.
            self.disk.set_full(false);
        }
    }

    /// Does a group of jobs and everything due, commits it all at once, and only then acknowledges.
    fn group(&mut self, jobs: Vec<Job>) -> Check {
        self.start();
        // In calm there are hundreds of groups: some of them will do.
        let by_time_alone = jobs.is_empty() && (!self.is_calm || self.chance.happens(10));
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let expected = if by_time_alone {
            Some(self.evidence.expect_by_time(&process.engine, &process.store, self.now)?)
        } else {
            None
        };
        let mut done = Vec::new();
        for job in jobs {
            if let Some(job) = self.work(&mut process, job) {
                done.push(job);
            }
        }
        let taken = self.hear_back(&mut process);
        let more = process.engine.tick_some(self.now, GROUP_DUE);
        let (mut orders, mut errands) = (Vec::new(), Vec::new());
        if !more {
            errands = process.engine.order_webhooks(self.now);
            let free = IN_FLIGHT.saturating_sub(process.workers.len());
            orders = process.engine.order_attempts(Channel::Email, self.now, free);
            if self.has(PlantedBug::CheckpointAtFetch) {
                let at = process.engine.clock();
                for order in &orders {
                    process.engine.attempt_sends_data(&order.message, order.number, at);
                    process.engine.attempt_ended(
                        &order.message,
                        order.number,
                        End::Sent { reply: "fetched".to_owned() },
                        at,
                    );
                }
            }
        }
        let commit = process.engine.take_commit();
        if let (Some(expected), false) = (expected, more) {
            // A message that expires lets somebody go on to a step that sets a trait: from then on it is not time alone.
            let own_calls_since = commit.calls.iter().map(|call| call.timestamp).min();
            self.evidence.check_by_time(&expected, &commit.transitions, own_calls_since)?;
        }
        self.finish_group(process, done, (&orders, &errands), (&commit, &taken))
    }

    /// Endpoints have answered some of what they were told. Returns what they took.
    fn hear_back(&mut self, process: &mut Process) -> Vec<Errand> {
        let mut taken = Vec::new();
        for (errand, heard) in std::mem::take(&mut process.told) {
            if self.is_calm || self.tellings.comes_back() {
                taken.extend(matches!(heard, Heard::Done { .. }).then(|| errand.clone()));
                process.engine.webhook_ended(&errand.id, errand.number, heard, self.now);
            } else {
                process.told.push((errand, heard));
            }
        }
        taken
    }

    fn finish_group(
        &mut self,
        mut process: Process,
        done: Vec<Done>,
        (orders, errands): (&[Order], &[Errand]),
        (commit, taken): (&Commit, &[Errand]),
    ) -> Check {
        let at = process.engine.clock();
        if self.has(PlantedBug::AcknowledgeBeforeCommit) {
            self.acknowledge(&mut process, &done);
        }
        if self.has(PlantedBug::SendBeforeCommit) {
            for order in orders {
                self.accept(order)?;
            }
        }
        // Also of those that turn out to be lost: the oracles take it for what may have happened.
        self.evidence.saw(commit);
        let result = if commit.is_empty() { Ok(()) } else { process.store.commit(commit) };
        match result {
            Ok(()) => self.tellings.recorded(taken, commit),
            Err(error) if self.has(PlantedBug::CommitErrorIsIgnored) && process.store.recover().is_ok() => {
                self.note(format!("ignored: {error}"))
            }
            Err(error) => {
                self.note(format!("commit: {error}"));
                return self.after_failed_commit(process, done);
            }
        }
        if !self.has(PlantedBug::AcknowledgeBeforeCommit) {
            self.acknowledge(&mut process, &done);
        }
        for errand in errands {
            let heard = self.tellings.tell(errand, &process.store, self.is_calm)?;
            self.note(format!("webhook {} attempt {}: {heard:?}", errand.id, errand.number));
            process.told.push((errand.clone(), heard));
        }
        for order in orders {
            self.note(format!("order {} attempt {} to {}", order.message, order.number, order.written.to));
            let server = if self.is_calm { ServerDoes::Accepts } else { ServerDoes::random(&mut self.chance) };
            self.evidence.ordered(&Ordered { order: order.clone(), at }, &process.engine, &process.store)?;
            self.fresh += 1;
            let is_recorded = self.has(PlantedBug::CheckpointAtFetch);
            let stage = if is_recorded { Stage::Sending } else { Stage::Connecting };
            process.workers.push(Worker { number: self.fresh, order: order.clone(), server, stage });
        }
        self.process = Some(process);
        Ok(())
    }

    /// Nothing of the group happened, as far as anybody was told: the state is read again.
    fn after_failed_commit(&mut self, mut process: Process, done: Vec<Done>) -> Check {
        for job in done {
            if let Done::MayGo(number, _) = job
                && let Some(worker) = process.workers.iter_mut().find(|worker| worker.number == number)
            {
                // Its record is not durable, as far as we know: the body does not go.
                worker.stage = Stage::Ended(End::PutOff {
                    reply: "not recorded".to_owned(),
                    unreachable: false,
                    retry_after: None,
                });
            }
        }
        if process.store.recover().is_err() {
            self.note("Perennial is dead");
            return Ok(());
        }
        // The process lives on, and its workers with it.
        let under_way: BTreeSet<MessageId> =
            process.workers.iter().map(|worker| worker.order.message.clone()).collect();
        loop {
            let Ok(mut engine) = Engine::open(&process.store, self.options.clone()) else { return Ok(()) };
            engine.resume_deliveries_except(&under_way);
            let commit = engine.take_commit();
            process.engine = engine;
            if commit.is_empty() || process.store.commit(&commit).is_ok() {
                self.process = Some(process);
                return Ok(());
            }
            if process.store.recover().is_err() {
                return Ok(());
            }
            self.disk.set_full(false);
        }
    }

    fn work(&mut self, process: &mut Process, job: Job) -> Option<Done> {
        let now = self.now;
        match job {
            Job::Ingest(batch) => {
                // A disk that is nearly full takes no calls; the client comes again.
                process.store.may_append().ok()?;
                self.ingest(process, batch)
            }
            Job::TurnOn(names) => {
                for name in names {
                    process.engine.turn_on_endpoint(&name, now);
                }
                Some(Done::Other)
            }
            Job::Define(values) => {
                let defined = values
                    .into_iter()
                    .map(|value| Defined {
                        definition: Definition::read(&value)
                            .unwrap_or_else(|error| panic!("seed {}: {value}: {error}", self.seed)),
                        value,
                    })
                    .collect();
                let result = process.engine.define(defined, "simulation", now);
                result.unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
                Some(Done::Other)
            }
            Job::Merge(a, b) => {
                // Refused where they are one already, or one of them is gone.
                let merged = process.engine.merge_people(a, b, now).is_ok();
                self.evidence.joined(&[a, b]);
                merged.then(|| self.note(format!("{a} and {b} are merged")));
                Some(Done::Other)
            }
            Job::Unmerge(a, b) => {
                let people = process.engine.look().customers();
                let parted = process.engine.unmerge_names(a.0, b.0, now).is_ok();
                if parted {
                    // Who they were as one, and who they are now.
                    let after = process.engine.look().customers();
                    self.evidence.joined(&after.difference(&people).copied().chain([a, b]).collect::<Vec<_>>());
                }
                parted.then(|| self.note(format!("{a} and {b} are parted")));
                Some(Done::Other)
            }
            Job::MayGo(number) => {
                let order = process.workers.iter().find(|worker| worker.number == number)?.order.clone();
                Some(Done::MayGo(number, process.engine.attempt_sends_data(&order.message, order.number, now)))
            }
            Job::Ended(number, end) => {
                let order = process.workers.iter().find(|worker| worker.number == number)?.order.clone();
                if self.has(PlantedBug::CheckpointAtFetch) {
                    return Some(Done::Ended(number));
                }
                process.engine.attempt_ended(&order.message, order.number, end, now);
                Some(Done::Ended(number))
            }
        }
    }

    fn ingest(&mut self, process: &mut Process, batch: Batch) -> Option<Done> {
        let source = Source::new("shop", Trust::Server);
        let door = Door {
            now: self.now,
            source: &source,
            fresh_id: &|_| String::new(),
            options: &DoorOptions::default(),
            correct_skew: false,
        };
        let body = json!({ "batch": batch.calls }).to_string();
        let reading = engine::ingest::read(body.as_bytes(), Endpoint::Batch, &door)
            .unwrap_or_else(|refusal| panic!("seed {}: {}", self.seed, refusal.message));
        let calls: Vec<_> = reading
            .items
            .into_iter()
            .map(|item| item.unwrap_or_else(|refusal| panic!("seed {}: {}", self.seed, refusal.message)))
            .collect();
        let receipts = process.engine.ingest(calls, self.now);
        let accepted = receipts.iter().filter(|receipt| matches!(receipt, Receipt::Accepted(_))).count();
        self.note(format!("batch {} arrives: {accepted} of {} new", batch.number, receipts.len()));
        self.facts.calls += accepted;
        self.evidence.arrived(&batch.calls, process.engine.clock());
        Some(Done::Ingested(batch))
    }

    fn acknowledge(&mut self, process: &mut Process, done: &[Done]) {
        for job in done {
            match job {
                Done::Ingested(batch) => {
                    self.evidence.acknowledged(&batch.calls);
                    // The client hears of it, or not.
                    if self.is_calm || self.chance.happens(85) {
                        self.batches.retain(|waiting| waiting.number != batch.number);
                        self.acknowledged.push(batch.clone());
                    }
                }
                Done::MayGo(number, may) => {
                    if let Some(worker) = process.workers.iter_mut().find(|worker| worker.number == *number) {
                        let refused = End::PutOff {
                            reply: "no longer the present attempt".to_owned(),
                            unreachable: false,
                            retry_after: None,
                        };
                        worker.stage = if *may { Stage::Sending } else { Stage::Ended(refused) };
                    }
                }
                Done::Ended(number) => process.workers.retain(|worker| worker.number != *number),
                Done::Other => {}
            }
        }
    }

    /// Live state against a state built anew, and the ledger against itself.
    fn compare(&mut self) -> Check {
        self.start();
        let Some(process) = &mut self.process else { return Ok(()) };
        self.facts.comparisons += 1;
        let fresh_store = MemoryStore::open(self.disk.clone());
        self.evidence.compare(&mut process.engine, &fresh_store, &self.options)
    }

    /// The faults stop: clients get through, servers answer, time passes. Then nothing may be left open.
    fn come_to_rest(&mut self) -> Check {
        self.step = STEPS + 1;
        self.is_calm = true;
        self.disk.set_full(false);
        self.process = None;
        self.idle()?;
        self.resume_campaigns()?;
        self.turn_endpoints_on()?;
        let end = self.now.plus(Span::days(30));
        for _ in 0..CALM {
            if !self.batches.is_empty() {
                self.clients_send()?;
            }
            while self.process.as_ref().is_some_and(|process| !process.workers.is_empty()) {
                self.workers_act()?;
            }
            if self.now >= end && self.batches.is_empty() {
                break;
            }
            let due = match &self.process {
                // A crash that was prepared may still come; somebody starts it again at once.
                None => Some(self.now),
                Some(process) => {
                    let engine = &process.engine;
                    // What endpoints answered is heard at once.
                    let answer = process.told.first().map(|_| self.now);
                    let due = [engine.next_due(), engine.next_attempt(), engine.next_webhook(), answer];
                    due.into_iter().flatten().min()
                }
            };
            self.now = due.unwrap_or(end).max(self.now.plus(Span(1))).min(end);
            self.idle()?;
        }
        if self.now < end {
            return Err("the engine does not come to rest after the faults stopped".to_owned());
        }
        self.compare()?;
        let store = MemoryStore::open(self.disk.clone());
        let Some(process) = &self.process else { return Ok(()) };
        let names: Vec<Name> =
            self.campaigns.iter().filter_map(|campaign| Name::parse(campaign["campaign"].as_str()?).ok()).collect();
        self.tellings.check_at_the_end(&store, self.now)?;
        self.evidence.at_the_end(&process.engine, &store, &names)?;
        self.facts.delivered = self.evidence.delivered();
        self.facts.decisions = self.evidence.decisions();
        Ok(())
    }
}

impl Simulation {
    /// The owner resumes every campaign, and again until it is so: a fault that was prepared may still come.
    fn resume_campaigns(&mut self) -> Check {
        let mut resumed = self.campaigns.clone();
        for campaign in &mut resumed {
            campaign["state"] = "running".into();
        }
        for _ in 0..20 {
            self.group(vec![Job::Define(resumed.clone())])?;
            let is_done = |process: &Process| {
                process.engine.definitions().campaigns.values().all(|campaign| campaign.state == State::Running)
            };
            if self.process.as_ref().is_some_and(is_done) {
                return Ok(());
            }
        }
        Err("campaigns cannot be resumed".to_owned())
    }
}

impl Simulation {
    /// The owner turns on every endpoint that said that it wants to hear nothing, and again until it is so.
    fn turn_endpoints_on(&mut self) -> Check {
        for _ in 0..20 {
            let off = |process: &Process| {
                let endpoints = process.engine.endpoints().into_iter();
                endpoints.filter(|it| it.off.is_some()).map(|it| it.name).collect::<Vec<Name>>()
            };
            self.start();
            let names = self.process.as_ref().map(off).unwrap_or_default();
            if self.process.is_some() && names.is_empty() {
                return Ok(());
            }
            self.group(vec![Job::TurnOn(names)])?;
        }
        Err("endpoints cannot be turned on".to_owned())
    }
}

enum Done {
    Ingested(Batch),
    MayGo(usize, bool),
    Ended(usize),
    Other,
}

fn end_of(server: ServerDoes) -> End {
    let text = |words: &str| words.to_owned();
    match server {
        ServerDoes::NotReached => {
            End::PutOff { reply: text("the server cannot be reached"), unreachable: true, retry_after: None }
        }
        ServerDoes::PutsOffRecipient => End::PutOff { reply: text("451 later"), unreachable: false, retry_after: None },
        ServerDoes::PutsOffBody => End::PutOff { reply: text("452 later"), unreachable: false, retry_after: None },
        ServerDoes::RefusesRecipient => End::Rejected { reply: text("550 5.1.1 unknown"), of_recipient: true },
        ServerDoes::RefusesPolicy => End::Rejected { reply: text("550 5.7.1 policy"), of_recipient: false },
        ServerDoes::Accepts => End::Sent { reply: text("250 ok") },
        ServerDoes::AcceptsInSilence | ServerDoes::LosesBody => {
            End::NoReply { detail: text("no reply after the final dot") }
        }
    }
}

/// A random workspace, and its campaigns among it.
fn workspace(chance: &mut Chance, now: Timestamp) -> (Vec<Value>, Vec<Value>) {
    let mut settings =
        json!({ "workspace": "settings", "zone": chance.pick(&["UTC", "Europe/London", "America/New_York"]) });
    if chance.happens(50) {
        settings["quiet_hours"] = json!({ "from": "21:00", "to": "08:00" });
    }
    if chance.happens(60) {
        let caps = [
            json!({ "at_most": 1, "per": "1d" }),
            json!({ "at_most": 2, "per_days": 2, "channel": "email" }),
            json!({ "purpose": "service", "at_most": 3, "per": "6h" }),
        ];
        let count = 1 + chance.below(2);
        settings["caps"] = (0..count).map(|_| chance.pick(&caps).clone()).collect::<Vec<_>>().into();
    }
    if chance.happens(30) {
        settings["global_holdout"] = json!({ "percent": 20, "seed": "g" });
    }
    let segments = random::segments(chance, now);
    let campaigns: Vec<Value> =
        (0..1 + chance.below(3)).map(|number| campaign(chance, number, segments.len() as u64)).collect();
    let mut all = vec![
        settings,
        marketing(chance),
        random::purpose(&mut chance.aside(2)),
        json!({ "template": "hello", "subject": "Hello", "body": "Hello" }),
        json!({ "template": "greeting", "subject": "Hello", "body": "Dear {{ customer.first_name }}" }),
    ];
    all.extend(segments);
    all.extend(campaigns.iter().cloned());
    (all, campaigns)
}

/// Mostly everybody may be written to; else who bought or came lately, or has confirmed it.
fn marketing(chance: &mut Chance) -> Value {
    let mut aside = chance.aside(1);
    let default = *chance.pick(&["granted", "granted", "unknown"]);
    if default == "granted" || aside.happens(30) {
        return json!({ "purpose": "marketing", "default": default });
    }
    json!({
        "purpose": "marketing", "implied": [{ "did": "visit", "for": "1d" }, { "did": "order", "for": "3d" }],
        "confirm": { "within": "6h" },
    })
}

fn campaign(chance: &mut Chance, number: u64, segments: u64) -> Value {
    let is_service = chance.happens(30);
    let segment = format!("s{}", chance.below(segments));
    let on = match chance.below(20) {
        0..8 => json!({ "did": "visit" }),
        8..12 => json!({ "enters": segment }),
        12..14 => json!({ "leaves": segment }),
        _ => trigger_by_time(chance),
    };
    let mut enter = json!({ "on": on, "again": chance.pick(&[json!("always"), json!("always"), json!("never"), json!({ "after": "2d" })]) });
    if chance.happens(15) {
        enter["only_if"] = json!({ "trait": "plan", "is_not": "gold" });
    }
    let mut steps = Vec::new();
    if chance.happens(45) {
        steps.push(json!({ "wait": chance.pick(&["10m", "1h", "1d"]) }));
    }
    steps.push(json!({ "id": "first", "message": chance.pick(&["hello", "hello", "greeting"]) }));
    if chance.happens(30) {
        steps.push(json!({ "wait": chance.pick(&["1h", "1d"]) }));
        steps.push(json!({ "id": "second", "message": "hello" }));
    }
    if chance.happens(50) {
        steps.extend(random_steps(chance, 1));
    }
    let mut campaign = json!({
        "campaign": format!("c{number}"),
        "purpose": if is_service { "service" } else { "marketing" },
        "priority": chance.between(0, 2),
        "enter": enter,
        "steps": steps,
        "expires_after": chance.pick(&["6h", "1d", "3d"]),
    });
    if !is_service && chance.happens(60) {
        campaign["holdout"] = (*chance.pick(&["30%", "50%"])).into();
    }
    if chance.happens(25) {
        campaign["cap"] = json!({ "at_most": 1, "per": "1d" });
    }
    if chance.happens(50) {
        campaign["goal"] = json!({ "did": "order", "within": "5d", "value": "properties.n" });
    }
    share_by_what_works(&mut chance.aside(3), &mut campaign);
    if chance.happens(25) {
        campaign["exit_if"] = json!({ "did": "visit again" });
    }
    campaign
}

/// Has the first message in variants, if the campaign has a goal.
fn share_by_what_works(chance: &mut Chance, campaign: &mut Value) {
    if campaign.get("goal").is_none() || !chance.happens(70) {
        return;
    }
    let variants = chance.pick(&[json!(["plain", "restock"]), json!({ "plain": 3, "restock": 1, "never": 0 })]).clone();
    for step in campaign["steps"].as_array_mut().into_iter().flatten().filter(|step| step["id"] == "first") {
        step["variants"] = variants.clone();
        step["allocate"] = "bandit".into();
    }
}

/// One variant comes or goes.
fn edit_variants(chance: &mut Chance, campaign: &mut Value) {
    let variants = [json!(["plain", "restock", "bold"]), json!(["restock", "bold"]), json!(["restock", "plain"])];
    for step in campaign["steps"].as_array_mut().into_iter().flatten().filter(|step| step.get("allocate").is_some()) {
        if chance.happens(50) {
            step["variants"] = chance.pick(&variants).clone();
        }
    }
}

/// Dates of traits and records, what is missing by then, and schedules.
fn trigger_by_time(chance: &mut Chance) -> Value {
    let kind = *chance.pick(&["pass", "parcel"]);
    match chance.below(6) {
        0 | 1 => {
            let mut date = json!({
                "trait": chance.pick(&["born", "ends", "address.since"]), "at": chance.pick(&["09:00", "00:00", "01:30"]),
                "yearly": chance.happens(80),
            });
            if chance.happens(70) {
                date[*chance.pick(&["before", "after"])] = (*chance.pick(&["1d", "3d"])).into();
            }
            json!({ "date": date })
        }
        2 => json!({ "record": { "kind": kind, "date": "ends", "before": chance.pick(&["24h", "6h", "3d"]) } }),
        3 => {
            json!({ "missing": { "record": kind, "date": "ends", "after": "6h", "unless": { "status": { "is": "active" } } } })
        }
        4 => {
            json!({ "missing": { "did": "order", "where": { "kind": { "is": "record.id" } }, "record": kind, "date": "ends" } })
        }
        _ => json!({
            "every": chance.pick(&["30 1 * * *", "0 18 * * MON,THU", "FREQ=DAILY;INTERVAL=2;BYHOUR=8"]),
            "zone": chance.pick(&[json!("customer"), json!(null)]),
        }),
    }
}

/// Steps of every kind but messages that an oracle waits for.
fn random_steps(chance: &mut Chance, depth: usize) -> Vec<Value> {
    (0..1 + chance.below(3)).map(|_| random_step(chance, depth)).collect()
}

fn random_step(chance: &mut Chance, depth: usize) -> Value {
    match chance.below(if depth < 3 { 12 } else { 10 }) {
        0 => json!({ "wait": { "until": { "did": "order" }, "at_most": chance.pick(&["6h", "2d"]) } }),
        1 => json!({ "wait": { "until": { "trait": "plan", "is": "gold" }, "at_most": "3d" } }),
        2 => json!({ "wait": { "local": chance.pick(&["Mon-Fri 10:00", "01:30", "Sat,Sun 22:00-02:00"]) } }),
        3 => json!({ "wait": { "best_time": "24h" } }),
        4 => json!({ "reward": { "points": chance.between(1, 50) } }),
        5 => json!({ "reward": { "voucher": "spring", "expires": "14d" } }),
        6 => json!({ "task": { "title": "Call {{ customer.first_name }}", "due": "2d" } }),
        7 => json!({ "set": { "trait": "plan", "to": chance.pick(&[json!("gold"), json!("tried"), json!(null)]) } }),
        8 => json!({ "webhook": { "url_of": "erp", "event": "promo.granted" } }),
        9 => json!({ "message": "hello" }),
        _ => json!({ "branch": [
            { "if": { "did": "order", "within": "3d" }, "then": random_steps(chance, depth + 1) },
            { "if": { "trait": "plan", "is": "gold" }, "then": [] },
            { "else": random_steps(chance, depth + 1) },
        ] }),
    }
}

/// An edit that moves people inside, or lets them finish: another wait before everything, or the first step gone.
fn edit(chance: &mut Chance, campaign: &mut Value) {
    campaign["people_inside"] = (*chance.pick(&["move", "move", "finish"])).into();
    edit_variants(&mut chance.aside(4), campaign);
    let Some(steps) = campaign["steps"].as_array_mut() else { return };
    match chance.below(3) {
        0 => steps.insert(0, json!({ "wait": "2h" })),
        1 if steps.len() > 1 => {
            steps.remove(0);
        }
        _ => steps.push(json!({ "id": "last", "reward": { "points": 1 } })),
    }
}
