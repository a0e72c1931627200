//! The table of contents of the product: an input comes, everything it leads to is done, and what must
//! become durable waits in one commit.

use crate::dedupe::{Known, Seen};
use crate::profile::{By, Customer, NodeId, People};
use crate::segment::Plan;
use crate::segment::as_of::Past;
use crate::state::{Engine, Options, Timer, Work};
use domain::definition::Definitions;
use domain::{Call, CustomerId, Position, Source, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use store::{Commit, JournalRow, ROW_CALLS, Reception, Refused, RowId, Store, StoreError, TallyKey};

/// Most rounds of consequences at one instant; a campaign that feeds itself is stopped there and goes on a millisecond later.
const ROUNDS: usize = 10_000;

/// Journal rows that are decoded before they are taken, at most.
const DECODED_AHEAD: usize = 8;

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

impl Engine {
    /// Opens a workspace: recovers its facts and rebuilds the live state from the journal.
    /// O(calls); nothing is written.
    pub fn open(store: &dyn Store, options: Options) -> Result<Engine, StoreError> {
        let recovered = store.recover()?;
        let mut engine = Engine {
            reader: Box::new(crate::report::SharedReader::new(store.reader()?)),
            options,
            seen: Seen::new(recovered.secrets.dedupe_key),
            secrets: recovered.secrets.clone(),
            clock: recovered.clock,
            position: Position(0),
            next_row: 1,
            people: People::default(),
            customers: HashMap::new(),
            definitions: Definitions::new(),
            versions: BTreeMap::new(),
            plan: Plan::default(),
            campaigns: BTreeMap::new(),
            journeys: BTreeMap::new(),
            journeys_of: HashMap::new(),
            entries: HashMap::new(),
            messages: BTreeMap::new(),
            outbox: BTreeSet::new(),
            marks: HashMap::new(),
            addressed: HashMap::new(),
            exposures: HashMap::new(),
            suppressions: BTreeMap::new(),
            keys: BTreeMap::new(),
            timers: BTreeSet::new(),
            ahead: BTreeMap::new(),
            parted: BTreeMap::new(),
            work: Work::default(),
            rests: HashMap::new(),
            catalogue: crate::report::catalogue::Catalogue::default(),
            pending: Commit::default(),
        };
        engine.seen.expect(recovered.position.0);
        engine.recover_definitions(&recovered)?;
        engine.replay_journal()?;
        engine.recover_facts(recovered);
        engine.restart_timers();
        Ok(engine)
    }

    /// Rebuilds people and customers from the journal, without deciding anything.
    fn replay_journal(&mut self) -> Result<(), StoreError> {
        // The reader is taken out for the time of the walk, since the walk changes everything else.
        let reader = std::mem::replace(&mut self.reader, Box::new(crate::report::NoReader));
        let result = std::thread::scope(|scope| {
            // Decoding rows is half of the work: it runs ahead on a thread of its own.
            let (send, rows) = std::sync::mpsc::sync_channel(DECODED_AHEAD);
            let gone = || StoreError::Io { doing: "read", reason: "the replay stopped".to_owned() };
            let reader = &reader;
            let decoding = scope.spawn(move || reader.replay(RowId(0), &mut |row| send.send(row).map_err(|_| gone())));
            let taken = rows.into_iter().try_for_each(|row| self.replay_row(row));
            let decoded = decoding.join().unwrap_or_else(|_| Err(gone()));
            taken.and(decoded)
        });
        self.reader = reader;
        result?;
        self.rebuild_parted()?;
        self.work = Work::default();
        Ok(())
    }

    fn replay_row(&mut self, row: JournalRow) -> Result<(), StoreError> {
        let out_of_range = |_| StoreError::Damaged {
            place: format!("journal row {}", row.id.0),
            reason: "the row's number is out of range".to_owned(),
        };
        let number = u32::try_from(row.id.0).map_err(out_of_range)?;
        self.next_row = number + 1;
        for call in row.calls {
            self.seen.add(&call);
            self.take(call, number, Taken::Again);
        }
        Ok(())
    }

    /// Asks every customer where they stand at the recovered instant, and sets their timers.
    fn restart_timers(&mut self) {
        let everyone: Vec<CustomerId> = self.customers.keys().copied().collect();
        for customer in everyone {
            self.reset_memberships(customer);
        }
    }

    /// Moves time on: everything due at or before `now` happens, at its own instant and in order.
    /// A clock that runs backwards changes nothing.
    pub fn tick(&mut self, now: Timestamp) {
        while self.tick_some(now, usize::MAX) {}
    }

    /// As `tick`, but stops after about `limit` instants, so that a commit stays small.
    /// Returns whether something due is left.
    pub fn tick_some(&mut self, now: Timestamp, limit: usize) -> bool {
        self.run_until(now, limit);
        if self.timers.first().is_some_and(|(due, _)| *due <= now) {
            return true;
        }
        self.clock = self.clock.max(now);
        false
    }

    fn run_until(&mut self, now: Timestamp, limit: usize) {
        let mut instants = 0;
        while let Some((due, _)) = self.timers.first()
            && *due <= now
            && instants < limit
        {
            let at = (*due).max(self.clock);
            self.clock = at;
            self.take_due(at);
            self.settle();
            instants += 1;
        }
    }

    /// Takes calls that ingest has checked, at the present instant. What is accepted counts once the commit is durable.
    ///
    /// Timers before this instant run first; then events in order of arrival, then what they lead to.
    pub fn ingest(&mut self, calls: Vec<Call>, now: Timestamp) -> Vec<Receipt> {
        let now = self.reach(now);
        let receipts = calls.into_iter().map(|call| self.receive(call)).collect();
        self.take_due(now);
        self.settle();
        receipts
    }

    /// Runs everything that is due before an input's instant. Returns the instant, never before the clock.
    pub(crate) fn reach(&mut self, now: Timestamp) -> Timestamp {
        let now = now.max(self.clock);
        self.run_until(Timestamp(now.0 - 1), usize::MAX);
        self.clock = now;
        now
    }

    fn receive(&mut self, call: Call) -> Receipt {
        match self.ask_seen(&call) {
            Known::No => {}
            known => {
                let differs = known == Known::Differs;
                let reception = if differs { Reception::DuplicateDiffers } else { Reception::Duplicate };
                self.tally(&call.source, reception, None, 1);
                return Receipt::Duplicate { differs };
            }
        }
        if let Err(refused) = self.people.may_join(&call) {
            let raw = call.body.get().to_owned();
            let source = Source { name: call.source.clone(), trust: call.trust };
            self.refuse(&source, "needs_server_key", &refused.to_string(), &raw);
            return Receipt::Refused { reason: "needs_server_key", message: refused.to_string() };
        }
        self.tally(&call.source, Reception::Accepted, None, 1);
        Receipt::Accepted(self.append(call))
    }

    fn ask_seen(&self, call: &Call) -> Known {
        #[cfg(feature = "planted-bugs")]
        if self.has_bug(crate::state::PlantedBug::NoDedupe) {
            return Known::No;
        }
        self.seen.ask(call)
    }

    /// Appends a call to the journal and takes it into the live state.
    pub(crate) fn append(&mut self, call: Call) -> Position {
        let call = Arc::new(call);
        self.seen.add(&call);
        let row = self.next_row + u32::try_from(self.pending.calls.len() / ROW_CALLS).expect("a commit is far smaller");
        self.pending.calls.push(call.clone());
        self.take(call, row, Taken::Now)
    }

    /// Takes a call into people and customers, and notes what it may lead to.
    fn take(&mut self, call: Arc<Call>, row: u32, taken: Taken) -> Position {
        self.position = Position(self.position.0 + 1);
        let position = self.position;
        if self.take_by_hand(&call) {
            return position;
        }
        let Some(resolved) = self.people.resolve(&call, position) else {
            return position;
        };
        self.people.note_row(resolved.node, row);
        for (stays, goes) in resolved.joined {
            self.absorb(stays, goes);
        }
        let id = CustomerId(self.people.person(resolved.node));
        let now = self.clock;
        let is_new = !self.customers.contains_key(&id);
        self.customers.entry(id).or_insert_with(|| Customer::new(call.timestamp.min(call.received_at)));
        let past = Past { position, call, by: By::Self_ };
        if past.call.record.is_some() {
            self.share_record(id, resolved.node, &past, taken);
        }
        let Some(customer) = self.customers.get_mut(&id) else { return position };
        let mut touch = crate::segment::as_of::apply(&self.plan, customer, &past, now);
        let call = past.call;
        touch.everything |= is_new;
        if taken == Taken::Now {
            self.work.touched.entry(id).or_default().add(touch);
        }
        self.catalogue.note(&call);
        if call.event.is_some() {
            if call.timestamp > now {
                self.timers.insert((call.timestamp, Timer::Event(position)));
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
                let records = &self.customers.get(&sharer)?.records;
                records.knows(&part.kind, &part.id).then(|| records.clone())
            })
            && let Some(customer) = self.customers.get_mut(&id)
        {
            customer.records.learn(&known, &part.kind, &part.id);
        }
        let theirs = Past { by: By::Sharer, ..past.clone() };
        for sharer in others() {
            if let Some(customer) = self.customers.get_mut(&sharer) {
                let touch = crate::segment::as_of::apply(&self.plan, customer, &theirs, self.clock);
                if taken == Taken::Now {
                    self.work.touched.entry(sharer).or_default().add(touch);
                }
            }
        }
    }

    /// Moves what is due at `at` from the timers to the work.
    fn take_due(&mut self, at: Timestamp) {
        while let Some((due, _)) = self.timers.first()
            && *due <= at
        {
            let Some((due, timer)) = self.timers.pop_first() else { return };
            match timer {
                Timer::Event(position) => {
                    if let Some(call) = self.ahead.remove(&(due, position))
                        && let Some(owner) = self.people.owner(&call, position)
                    {
                        self.work.touched.entry(owner).or_default().everything = true;
                        self.note_event(owner, &call);
                    }
                }
                Timer::Customer(id) => {
                    if let Some(customer) = self.customers.get_mut(&id) {
                        customer.due = None;
                        self.work.touched.entry(id).or_default().everything = true;
                    }
                }
                Timer::Journey(id) => {
                    self.work.steps.insert(id);
                }
                Timer::Message(id) => {
                    self.work.gate.insert(id);
                }
            }
        }
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
            self.settle_gate();
        }
        tracing::warn!("a chain of campaigns did not come to rest at one instant; what is left is put off");
        self.put_off_work();
    }

    fn put_off_work(&mut self) {
        let later = self.clock.plus(domain::Span(1));
        let work = std::mem::take(&mut self.work);
        for customer in work.touched.keys() {
            self.timers.insert((later, Timer::Customer(*customer)));
        }
        for journey in work.steps {
            self.timers.insert((later, Timer::Journey(journey)));
        }
        for message in work.gate {
            self.timers.insert((later, Timer::Message(message)));
        }
    }

    /// What must become durable before anything of it may be seen outside. The caller commits it; on an
    /// error the caller drops this engine and opens the workspace again.
    pub fn take_commit(&mut self) -> Commit {
        let mut commit = std::mem::take(&mut self.pending);
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

    /// The next instant at which something happens by time alone.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers.first().map(|(due, _)| *due)
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
