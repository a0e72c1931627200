//! The table of contents of the product: an input comes, everything it leads to is done, and what must
//! become durable waits in one commit.

use crate::decide::bandit::{Bandits, Occasion};
use crate::dedupe::{Fingerprint, Fingerprinter, Known, Seen};
use crate::ingest::{Arrival, Arrivals};
use crate::profile::browsers::Browsers;
use crate::profile::orders::Orders;
use crate::profile::{By, Customer, Customers, NodeId, People, memberships};
use crate::report::door::Quarantined;
use crate::segment::as_of::Past;
use crate::segment::lanes::Lanes;
use crate::segment::{Plan, Touch, feature};
use crate::snapshot::Unfit;
use crate::state::{Engine, HashMap, Options, Work};
use crate::timers::{Timer, Timers};
use domain::definition::Definitions;
use domain::{Call, CustomerId, Position, Source, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;
use store::{Commit, JournalRow, ROW_CALLS, Reader, Reception, Refused, RowId, Secrets, Store, StoreError, TallyKey};

/// Most rounds of consequences at one instant; a campaign that feeds itself is stopped there and goes on a millisecond later.
const ROUNDS: usize = 10_000;

/// Journal rows that are decoded before they are taken, at most.
const DECODED_AHEAD: usize = 8;

/// Calls and customers whose memory is fetched ahead: what they need together fits into a processor's second cache.
pub(crate) const FETCHED: usize = 128;

/// Whether a call is new, or was taken before this start.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Now,
    Again,
}

/// What became of a call at the door.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Receipt {
    /// It will count once the commit is durable.
    Accepted(Position),
    /// Its messageId is known. `differs`: with other content.
    Duplicate {
        /// The content is not that of the first.
        differs: bool,
    },
    /// It does not count.
    Refused {
        /// A stable word.
        reason: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
}

/// How a workspace was opened.
#[derive(Debug)]
pub enum Opened {
    /// All calls were read.
    FromHistory,
    /// Calls up to this position were in the snapshot.
    FromSnapshot(Position),
    /// All calls were read, since the snapshot did not fit.
    SnapshotIgnored(Unfit),
}

/// Calls that came together, by source and what became of them: mostly one source and one end.
#[derive(Default)]
struct Counts(Vec<(Arc<str>, Reception, u64)>);

impl Counts {
    fn add(&mut self, source: &Arc<str>, reception: Reception) {
        let same = |known: &&mut (Arc<str>, Reception, u64)| known.1 == reception && known.0 == *source;
        match self.0.iter_mut().find(same) {
            Some((_, _, count)) => *count += 1,
            None => self.0.push((source.clone(), reception, 1)),
        }
    }
}

impl Engine {
    /// Opens a workspace: recovers its facts and rebuilds the live state from history and journal.
    /// O(calls); nothing is written.
    pub fn open(store: &dyn Store, options: Options) -> Result<Engine, StoreError> {
        Engine::open_with(store, options, None).map(|(engine, _)| engine)
    }

    /// As `open`, from a snapshot if it fits: then only later calls are read. A snapshot that does not fit changes nothing.
    pub fn open_with(
        store: &dyn Store,
        options: Options,
        snapshot: Option<&mut dyn Read>,
    ) -> Result<(Engine, Opened), StoreError> {
        let recovered = store.recover()?;
        let reader = store.reader()?;
        let lanes = Lanes::open(store.shelf(), reader.as_ref(), recovered.erasures)?;
        let mut engine = Engine::empty(reader, options, recovered.secrets.clone(), recovered.clock);
        engine.lanes = lanes;
        engine.people = People::with_erased(recovered.erased.clone());
        engine.erasures = recovered.erasures;
        engine.recover_definitions(&recovered)?;
        let opened = match snapshot.map(|from| engine.load(from, recovered.position)) {
            None => Opened::FromHistory,
            Some(Err(unfit)) => Opened::SnapshotIgnored(unfit),
            Some(Ok(loaded)) => {
                let position = loaded.position;
                engine.take_over(loaded);
                Opened::FromSnapshot(position)
            }
        };
        engine.seen.expect(recovered.position.0.saturating_sub(engine.position.0));
        engine.replay_journal(recovered.position, &|| false)?;
        engine.recover_facts(recovered);
        engine.restart_timers();
        Ok((engine, opened))
    }

    /// One that knows nothing yet.
    pub(crate) fn empty(reader: Box<dyn Reader>, options: Options, secrets: Secrets, clock: Timestamp) -> Engine {
        Engine {
            reader: Box::new(crate::report::SharedReader::new(reader)),
            // Whoever has no shelf asks history.
            lanes: Lanes::none(Arc::new(store::shelf::MemoryShelf::default())),
            options,
            seen: Seen::new(secrets.dedupe_key),
            orders: Orders::new(secrets.dedupe_key),
            secrets,
            clock,
            position: Position(0),
            next_row: 1,
            people: People::default(),
            erasures: 0,
            quarantined: Quarantined::default(),
            customers: Customers::default(),
            browser_owners: HashMap::default(),
            definitions: Definitions::new(),
            versions: BTreeMap::new(),
            plan: Plan::default(),
            campaigns: BTreeMap::new(),
            journeys: BTreeMap::new(),
            journeys_of: HashMap::default(),
            entries: HashMap::default(),
            known_dates: HashMap::default(),
            schedules: BTreeMap::new(),
            let_in: (clock, BTreeSet::new()),
            messages: BTreeMap::new(),
            outbox: crate::deliver::outbox::Outbox::default(),
            webhooks: crate::deliver::webhooks::Webhooks::default(),
            pools: crate::decide::pools::Pools::default(),
            marks: HashMap::default(),
            addressed: HashMap::default(),
            followed: HashMap::default(),
            followed_room: 0,
            exposures: HashMap::default(),
            bandits: Bandits::default(),
            suppressions: BTreeMap::new(),
            brake: crate::deliver::brake::Brake::default(),
            reported: std::collections::VecDeque::new(),
            complained: Vec::new(),
            keys: BTreeMap::new(),
            timers: Timers::default(),
            ahead: BTreeMap::new(),
            parted: BTreeMap::new(),
            work: Work::default(),
            rests: HashMap::default(),
            catalogue: crate::report::catalogue::Catalogue::default(),
            samples: crate::report::samples::Samples::default(),
            pending: Commit::default(),
        }
    }

    /// Brings people and customers up to a position, with which a row of the journal ends, without deciding anything.
    /// Stops between two rows once `is_over` says so.
    pub(crate) fn replay_journal(
        &mut self,
        until: Position,
        is_over: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), StoreError> {
        // The reader is taken out for the time of the walk, since the walk changes everything else.
        let reader = std::mem::replace(&mut self.reader, Box::new(crate::report::NoReader));
        let result = std::thread::scope(|scope| {
            // Decoding rows is half of the work: it runs ahead on a thread of its own.
            let (send, rows) = std::sync::mpsc::sync_channel(DECODED_AHEAD);
            let gone = || StoreError::Io { doing: "read", reason: "the replay stopped".to_owned() };
            let (reader, after) = (&reader, RowId(u64::from(self.next_row) - 1));
            let mut arrivals = Arrivals::new(self.seen.fingerprinter());
            let decoding = scope.spawn(move || {
                reader.replay(after, &mut |row: JournalRow| {
                    if row.first > until || is_over() {
                        return Ok(());
                    }
                    let calls = row.calls.into_iter().map(|call| arrivals.of(call)).collect();
                    send.send((row.id, calls)).map_err(|_| gone())
                })
            });
            let taken = rows.into_iter().try_for_each(|(row, calls)| self.replay_row(row, calls));
            let decoded = decoding.join().unwrap_or_else(|_| Err(gone()));
            taken.and(decoded)
        });
        self.reader = reader;
        result?;
        self.rebuild_beside_parted();
        self.rebuild_parted()?;
        self.work = Work::default();
        Ok(())
    }

    fn replay_row(&mut self, row: RowId, calls: Vec<Arrival>) -> Result<(), StoreError> {
        let out_of_range = |_| StoreError::Damaged {
            place: format!("journal row {}", row.0),
            reason: "the row's number is out of range".to_owned(),
        };
        let number = u32::try_from(row.0).map_err(out_of_range)?;
        self.next_row = number + 1;
        for arrival in calls {
            self.note(&arrival);
            self.take(arrival.call, number, Taken::Again);
        }
        self.catalogue.settle();
        Ok(())
    }

    /// Asks every customer where they stand at the recovered instant, and sets their timers.
    fn restart_timers(&mut self) {
        self.reset_all_memberships();
        self.know_all_dates();
        self.set_schedules();
    }

    /// Moves time on: everything due at or before `now` happens, at its own instant and in order.
    /// A clock that runs backwards changes nothing.
    pub fn tick(&mut self, now: Timestamp) {
        while self.tick_some(now, usize::MAX) {}
    }

    /// As `tick`, but stops between two instants once about `limit` things were due, so that a commit stays small.
    /// Returns whether something due is left.
    pub fn tick_some(&mut self, now: Timestamp, limit: usize) -> bool {
        self.run_until(now, limit);
        if self.timers.first(now).is_some() {
            return true;
        }
        self.clock = self.clock.max(now);
        false
    }

    fn run_until(&mut self, now: Timestamp, limit: usize) {
        let (mut done, mut fetched) = (0, 0);
        while done < limit
            && let Some(due) = self.timers.first(now)
        {
            if done >= fetched {
                self.fetch_customers(&self.timers.upcoming(now, FETCHED).collect::<Vec<_>>());
                fetched = done + FETCHED;
            }
            let at = due.max(self.clock);
            self.clock = at;
            done += self.take_due(at);
            self.settle();
        }
    }

    /// Takes calls that ingest has checked, at the present instant. What is accepted counts once the commit is durable.
    ///
    /// Timers before this instant run first; then events in order of arrival, then what they lead to.
    pub fn ingest(&mut self, calls: Vec<Call>, now: Timestamp) -> Vec<Receipt> {
        let mut arrivals = Arrivals::new(self.seen.fingerprinter());
        self.ingest_arrivals(calls.into_iter().map(|call| arrivals.of(call)).collect(), now)
    }

    /// As `ingest`, of calls out of which another thread worked what it could.
    pub fn ingest_arrivals(&mut self, arrivals: Vec<Arrival>, now: Timestamp) -> Vec<Receipt> {
        let now = self.reach(now);
        let mut counts = Counts::default();
        let mut receipts = Vec::with_capacity(arrivals.len());
        let mut waiting = arrivals.into_iter();
        while !waiting.as_slice().is_empty() {
            let next = waiting.as_slice();
            self.fetch(&next[..next.len().min(FETCHED)]);
            receipts.extend(waiting.by_ref().take(FETCHED).map(|arrival| self.receive(arrival, &mut counts)));
        }
        for (source, reception, count) in counts.0 {
            self.tally(&source, reception, None, count);
        }
        self.catalogue.settle();
        self.take_due(now);
        self.settle();
        self.follow_complaints();
        receipts
    }

    /// What makes the fingerprints of arrivals.
    pub fn fingerprinter(&self) -> Fingerprinter {
        self.seen.fingerprinter()
    }

    /// Runs everything that is due before an input's instant. Returns the instant, never before the clock.
    pub(crate) fn reach(&mut self, now: Timestamp) -> Timestamp {
        let now = now.max(self.clock);
        self.run_until(Timestamp(now.0 - 1), usize::MAX);
        self.clock = now;
        self.begin_day();
        now
    }

    fn receive(&mut self, arrival: Arrival, counts: &mut Counts) -> Receipt {
        let call = &arrival.call;
        let known = self.ask_seen(arrival.fingerprint);
        if known != Known::No {
            let differs = known == Known::Differs;
            counts.add(&call.source, if differs { Reception::DuplicateDiffers } else { Reception::Duplicate });
            return Receipt::Duplicate { differs };
        }
        if let Err(refused) = self.people.may_join(call) {
            let source = Source { name: call.source.clone(), trust: call.trust };
            self.refuse(&source, "needs_server_key", &refused.to_string(), call.body.get());
            return Receipt::Refused { reason: "needs_server_key", message: refused.to_string() };
        }
        counts.add(&call.source, Reception::Accepted);
        Receipt::Accepted(self.append_arrival(self.within_its_order(arrival)))
    }

    /// Has what the next calls need brought from memory.
    ///
    /// Of a million customers hardly anything is in a processor's cache. Call by call each look would wait for the one
    /// before it; here the same look is taken for all of them, so that the processor waits for many at once.
    fn fetch(&self, arrivals: &[Arrival]) {
        let known = arrivals.iter().filter(|arrival| self.seen.ask(arrival.fingerprint) != Known::No).count();
        let mut nodes: Vec<NodeId> = Vec::with_capacity(arrivals.len());
        nodes.extend(arrivals.iter().filter_map(|arrival| self.people.node_now(&arrival.call)));
        let people: Vec<CustomerId> = nodes.iter().map(|node| CustomerId(self.people.person(*node))).collect();
        std::hint::black_box(known + self.lanes.fetch(arrivals.len()));
        self.fetch_customers(&people);
    }

    /// Has customers brought from memory, whose turn comes next.
    ///
    /// In steps, each of which needs no more than the one before it has brought: a processor that has to guess how much there
    /// is to look at guesses wrong of nearly everybody, and then waits for one after the other.
    pub(crate) fn fetch_customers(&self, people: &[CustomerId]) {
        let mut found: Vec<&Customer> = Vec::with_capacity(people.len());
        found.extend(people.iter().filter_map(|id| self.customers.get(*id)));
        let due = people.iter().filter(|id| self.timers.due(**id).is_some()).count();
        let held: Vec<_> = found.iter().map(|customer| customer.kept_of_events()).collect();
        let kept =
            held.iter().fold(0, |sum, (entries, stands)| sum ^ feature::fetch(entries) ^ memberships::fetch(stands));
        std::hint::black_box((kept, due));
    }

    fn ask_seen(&self, call: Fingerprint) -> Known {
        #[cfg(feature = "planted-bugs")]
        if self.has_bug(crate::state::PlantedBug::NoDedupe) {
            return Known::No;
        }
        self.seen.ask(call)
    }

    /// Appends a call of our own to the journal and takes it into the live state.
    pub(crate) fn append(&mut self, call: Call) -> Position {
        let arrival = Arrivals::new(self.seen.fingerprinter()).of(call);
        let position = self.append_arrival(arrival);
        self.catalogue.settle();
        position
    }

    fn append_arrival(&mut self, arrival: Arrival) -> Position {
        self.note(&arrival);
        let call = arrival.call;
        let row = self.next_row + u32::try_from(self.pending.calls.len() / ROW_CALLS).expect("a commit is far smaller");
        self.pending.calls.push(call.clone());
        self.note_reaction(&call);
        self.note_complaint(&call);
        self.take(call, row, Taken::Now)
    }

    /// Notes what is known of a call whoever it belongs to.
    fn note(&mut self, arrival: &Arrival) {
        self.seen.add(arrival.fingerprint);
        if arrival.call.emptied_mark().is_some() {
            return;
        }
        self.catalogue.note(&arrival.call, &arrival.keys);
        self.samples.note(&arrival.call);
        self.orders.take(&arrival.call);
        if arrival.is_quarantined {
            self.quarantined.note(Position(self.position.0 + 1), &arrival.call);
        }
    }

    /// A refund of more than is left of its order is taken, and what is too much of it set apart.
    fn within_its_order(&self, arrival: Arrival) -> Arrival {
        let Some(left) = self.orders.exceeded_by(&arrival.call) else {
            return arrival;
        };
        match crate::ingest::quarantine_refund(&arrival.call, left.major()) {
            Some(call) => Arrival { call: Arc::new(call), is_quarantined: true, ..arrival },
            None => arrival,
        }
    }

    /// Takes a call into people and customers, and notes what it may lead to.
    fn take(&mut self, call: Arc<Call>, row: u32, taken: Taken) -> Position {
        self.position = Position(self.position.0 + 1);
        let position = self.position;
        if self.take_by_hand(&call) {
            self.lanes.note(position, 0, &call);
            return position;
        }
        let resolved = self.people.resolve(&call, position);
        let is_emptied = call.emptied_mark().is_some();
        let filed_under = resolved.as_ref().filter(|_| !is_emptied).map_or(0, |resolved| resolved.node);
        self.lanes.note(position, filed_under, &call);
        let Some(resolved) = resolved else { return position };
        for (stays, goes) in resolved.joined {
            self.absorb(stays, goes);
        }
        if is_emptied {
            return position;
        }
        self.people.note_row(resolved.node, row);
        let id = CustomerId(self.people.person(resolved.node));
        let now = self.clock;
        let is_new = self.customers.add_with(id, || Customer::new(call.timestamp.min(call.received_at)));
        let past = Past { position, call, by: By::Self_ };
        if past.call.record.is_some() {
            self.share_record(id, resolved.node, &past, taken);
        }
        let Some(customer) = self.customers.get_mut(id) else { return position };
        let mut touch = crate::segment::as_of::apply(&self.plan, customer, &past, now);
        let call = past.call;
        touch.everything |= is_new;
        if Browsers::are_told_by(&call) {
            self.note_endpoints(id);
        }
        if taken == Taken::Now {
            self.work.touched.add(id, touch);
        }
        if call.event.is_some() {
            if call.timestamp > now {
                self.timers.insert(call.timestamp, Timer::Event(position));
                self.ahead.insert((call.timestamp, position), call);
            } else if taken == Taken::Now {
                self.note_event(id, &call);
            }
        }
        position
    }

    /// Brings a call about a record to the others who share it, and what they know of it to somebody who names it for
    /// the first time. O(sharers).
    fn share_record(&mut self, id: CustomerId, node: NodeId, past: &Past, taken: Taken) {
        let Some(part) = &past.call.record else { return };
        let is_new = self.people.sharing.note(part, node);
        let nodes = self.people.sharing.of(&part.kind, &part.id);
        let sharers: BTreeSet<CustomerId> = nodes.iter().map(|node| CustomerId(self.people.person(*node))).collect();
        let others = || sharers.iter().copied().filter(|sharer| *sharer != id);
        if is_new
            && let Some(known) = others().find_map(|sharer| {
                let records = &self.customers.get(sharer)?.records;
                records.knows(&part.kind, &part.id).then(|| records.clone())
            })
            && let Some(customer) = self.customers.get_mut(id)
        {
            customer.records.learn(&known, &part.kind, &part.id);
        }
        let theirs = Past { by: By::Sharer, ..past.clone() };
        for sharer in others() {
            if let Some(customer) = self.customers.get_mut(sharer) {
                let touch = crate::segment::as_of::apply(&self.plan, customer, &theirs, self.clock);
                if taken == Taken::Now {
                    self.work.touched.add(sharer, touch);
                }
            }
        }
    }

    /// Moves what is due at `at` from the timers to the work.
    /// Returns how many things that were.
    fn take_due(&mut self, at: Timestamp) -> usize {
        let mut taken = 0;
        while let Some((due, timer)) = self.timers.pop(at) {
            taken += 1;
            match timer {
                Timer::Event(position) => {
                    if let Some(call) = self.ahead.remove(&(due, position))
                        && let Some(owner) = self.people.owner(&call, position)
                    {
                        self.work.touched.add(owner, Touch::all());
                        self.note_event(owner, &call);
                    }
                }
                Timer::Customer(id) => {
                    if self.customers.contains(id) {
                        self.work.touched.add(id, Touch::by_time());
                    }
                }
                Timer::Day => self.share_variants(Occasion::NewDay),
                Timer::Schedule(campaign, zone) => self.schedule_comes(&campaign, zone.as_deref(), due),
                Timer::Journey(id) => {
                    self.work.steps.insert(id);
                }
                Timer::Message(id) => {
                    self.work.gate.insert(id);
                }
            }
        }
        taken
    }

    /// Does everything that is left to do at the present instant, in the order of the spec:
    /// memberships, goals and exits, entries, steps, then the gate by priority.
    pub(crate) fn settle(&mut self) {
        for _ in 0..ROUNDS {
            if self.work.is_done() {
                return;
            }
            self.settle_memberships();
            self.settle_goals();
            self.settle_entries();
            // Whoever entered is asked at once whether they must leave, before anything is sent.
            self.settle_memberships();
            self.settle_steps();
            // The gate goes by priority, so it waits until everything that this instant brings stands before it.
            if !self.work.comes_before_the_gate() {
                self.settle_gate();
            }
        }
        tracing::warn!("a chain of campaigns did not come to rest at one instant; what is left is put off");
        self.put_off_work();
    }

    fn put_off_work(&mut self) {
        let later = self.clock.plus(domain::Span(1));
        let work = std::mem::take(&mut self.work);
        for customer in work.touched.people() {
            self.timers.insert(later, Timer::Customer(customer));
        }
        for journey in work.steps {
            self.timers.insert(later, Timer::Journey(journey));
        }
        for message in work.gate {
            self.timers.insert(later, Timer::Message(message));
        }
    }

    /// What must become durable before anything of it may be seen outside. The caller commits it; on an
    /// error the caller drops this engine and opens the workspace again.
    pub fn take_commit(&mut self) -> Commit {
        // The next one will be about as large.
        let next = Commit {
            calls: Vec::with_capacity(self.pending.calls.len()),
            transitions: Vec::with_capacity(self.pending.transitions.len()),
            ..Commit::default()
        };
        let mut commit = std::mem::replace(&mut self.pending, next);
        commit.keep_latest();
        commit.position = self.position;
        commit.clock = self.clock;
        let rows = commit.calls.len().div_ceil(ROW_CALLS);
        self.next_row += u32::try_from(rows).expect("a commit is far smaller");
        commit
    }

    /// Whether anything waits to become durable.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// An instant before which nothing happens by time alone, and at which something may; none: nothing ever does.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers.not_before()
    }

    /// Writes down a call that was refused at the door.
    pub fn refuse(&mut self, source: &Source, reason: &str, message: &str, raw: &str) {
        self.tally(&source.name, Reception::Refused, Some(reason), 1);
        let end = raw.char_indices().nth(16_000).map_or(raw.len(), |(at, _)| at);
        self.pending.refused.push(Refused {
            id: 0,
            at: self.clock,
            source: source.name.to_string(),
            trust: source.trust,
            reason: reason.to_owned(),
            message: message.to_owned(),
            raw: raw[..end].to_owned(),
        });
    }

    fn tally(&mut self, source: &Arc<str>, reception: Reception, reason: Option<&str>, count: u64) {
        let day = i32::try_from(self.clock.0.div_euclid(86_400_000)).unwrap_or_default();
        let key = TallyKey { day, source: source.clone(), reception, reason: reason.map(str::to_owned) };
        *self.pending.tallies.entry(key).or_default() += count;
    }
}
