//! A whole workspace on a clock that is turned by hand: engine and store as in production, channels that pretend.
//!
//! It does what the product's process does, in the same order: commit, then acknowledge, then carry out orders, each
//! phase of an attempt durable before the next. Real time, sockets and threads are absent on purpose.

use crate::channels::Channels;
use domain::call::{Source, Trust};
use domain::message::{Channel, Decision, Message};
use domain::{CustomerId, Name, Timestamp};
use engine::decide::pools::{CodesAdded, CodesRefused};
use engine::deliver::brake::BrakeLimit;
use engine::deliver::pace::Limits;
use engine::ingest::{Door, DoorOptions, Endpoint};
use engine::{Endpoints, Engine, Opened, Options, Receipt};
use serde_json::Value;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use store::{Erased, Reader, Store, StoreError, Transition};

/// Most messages on their way at a time, as in the product.
const IN_FLIGHT: usize = 20;
/// Most rounds of sending at one instant: beyond that a message is ordered again and again.
const ROUNDS: usize = 10_000;
/// Most rounds at one instant in which a message was due and none was ordered.
const IDLE: usize = 100;
/// Most instants at which something happens by time alone. A campaign that greets every minute would reach this
/// within two years; without an end, turning the clock by a century would look like a hang.
const INSTANTS: u64 = 1_000_000;

/// Why a workspace cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Stuck {
    /// Its data cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too much happens by time alone.
    #[error("more than {INSTANTS} things happened by time alone before {0}; turn the clock by less")]
    TooMuchTime(Timestamp),
    /// Messages are sent again and again at one instant.
    #[error("messages are sent again and again at {0}")]
    Endless(Timestamp),
    /// Something that must always hold does not: a bug of Perennial.
    #[error("{0}; this is a bug of Perennial, please report it with the scenario")]
    Broken(String),
}

/// Opens the store anew each time it is called: first, and at every restart.
pub type Opens = Box<dyn Fn() -> Result<Box<dyn Store>, StoreError>>;

struct Running {
    // Dropped in this order: whoever reads goes before the store that holds the directory.
    reader: OnceCell<Box<dyn Reader>>,
    engine: Engine,
    store: Box<dyn Store>,
}

/// A workspace that is run by hand.
pub struct Workspace {
    opens: Opens,
    running: Option<Running>,
    options: Options,
    now: Timestamp,
    /// How the pretended channels answer, and what they were handed.
    pub channels: Channels,
    post_rests: bool,
    fresh_ids: u64,
    instants: u64,
    decisions: Vec<Decision>,
    transitions: Vec<Transition>,
}

/// One outcome of a message, as it is told.
#[derive(Clone, PartialEq, Debug)]
pub struct Told {
    /// The person's name: userId, else anonymousId.
    pub to: String,
    /// The person as they are joined now.
    pub customer: CustomerId,
    /// What was decided.
    pub decision: Decision,
    /// The message as it stands now.
    pub message: Message,
}

impl std::fmt::Display for Told {
    /// `ana win-back sent`, `ben win-back held: quiet_hours`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.to, self.decision.campaign, self.decision.outcome)?;
        match self.decision.because {
            Some(because) => write!(f, ": {because}"),
            None => Ok(()),
        }
    }
}

impl Workspace {
    /// Opens a workspace whose clock shows `now`. Channels in `real` pretend to send and answer as they are told to; on
    /// the others messages stay in the outbox and count as sent. Where any is real, every endpoint of webhooks is.
    pub fn open(opens: Opens, real: BTreeSet<Channel>, now: Timestamp) -> Result<Workspace, Stuck> {
        let endpoints = if real.is_empty() { Endpoints::default() } else { Endpoints::Every };
        let mut workspace = Workspace {
            opens,
            running: None,
            options: Options { real_channels: real, endpoints, ..Options::default() },
            now,
            channels: Channels::default(),
            post_rests: false,
            fresh_ids: 0,
            instants: 0,
            decisions: Vec::new(),
            transitions: Vec::new(),
        };
        workspace.start()?;
        workspace.move_to(now)?;
        Ok(workspace)
    }

    /// How fast a channel may be, from the next restart on as well.
    pub fn set_limits(&mut self, channel: Channel, limits: Limits) -> Result<(), Stuck> {
        self.options.limits.insert(channel, limits);
        self.restart().map(drop)
    }

    /// Push goes to the customers' browsers, over a pretended channel, from the next restart on as well.
    pub fn notify_browsers(&mut self) -> Result<(), Stuck> {
        self.options.notifies_browsers = true;
        self.options.real_channels.insert(Channel::Push);
        self.restart().map(drop)
    }

    /// When a campaign pauses itself because of complaints, from the next restart on as well.
    pub fn set_brake(&mut self, brake: Option<BrakeLimit>) -> Result<(), Stuck> {
        self.options.brake = brake;
        self.restart().map(drop)
    }

    /// What the clock shows.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("a workspace runs unless its restart failed, and then it is not used again")
    }

    fn running_mut(&mut self) -> &mut Running {
        self.running.as_mut().expect("a workspace runs unless its restart failed, and then it is not used again")
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.running().engine
    }

    /// The engine, for acts that have no word here; what it leaves is committed by `settle`.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.running_mut().engine
    }

    /// What a start would find on disk.
    pub fn recovered(&self) -> Result<store::Recovered, StoreError> {
        self.running().store.recover()
    }

    /// A reader of what is durable.
    pub fn reader(&self) -> Result<&dyn Reader, StoreError> {
        let running = self.running();
        if let Some(reader) = running.reader.get() {
            return Ok(reader.as_ref());
        }
        let reader = running.store.reader()?;
        Ok(running.reader.get_or_init(|| reader).as_ref())
    }

    /// A reader of its own, as another thread would open it.
    pub fn open_reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.running().store.reader()
    }

    fn start(&mut self) -> Result<(), Stuck> {
        // SQLite's directory is held until its store is dropped.
        self.running = None;
        let store = (self.opens)()?;
        let mut engine = Engine::open(store.as_ref(), self.options.clone())?;
        engine.resume_deliveries();
        self.running = Some(Running { reader: OnceCell::new(), engine, store });
        self.commit()
    }

    /// Stops and starts from the data alone. Gives the lines in which the state is another one afterwards, and what
    /// the start did by itself: both should be none. After an error the workspace is not to be used any more.
    pub fn restart(&mut self) -> Result<Vec<String>, Stuck> {
        let before = self.engine().look().describe();
        self.start()?;
        let now = self.now;
        // The clock alone is not worth a commit: what led to nothing before the stop leads to nothing again.
        self.engine_mut().tick(now);
        let mut found = Vec::new();
        if self.engine().has_pending() {
            found.push("the start did something by itself".to_owned());
        }
        found.extend(differences(&before, &self.engine().look().describe()));
        self.move_to(now)?;
        Ok(found)
    }

    /// A snapshot as a stop would leave it; none while something waits. Everything is durable then, the clock too.
    pub fn snapshot(&mut self) -> Result<Option<Vec<u8>>, Stuck> {
        self.commit()?;
        let running = self.running_mut();
        // The clock alone is not worth a commit, but a snapshot may not be ahead of it.
        running.store.commit(&running.engine.take_commit())?;
        let mut bytes = Vec::new();
        Ok(running.engine.save(&mut bytes)?.then_some(bytes))
    }

    /// Another engine on the same data, opened from a snapshot.
    pub fn open_from(&self, mut snapshot: &[u8]) -> Result<(Engine, Opened), Stuck> {
        Ok(Engine::open_with(self.running().store.as_ref(), self.options.clone(), Some(&mut snapshot))?)
    }

    /// Imports codes into a pool of vouchers.
    pub fn add_codes(&mut self, pool: &Name, codes: &[String]) -> Result<Result<CodesAdded, CodesRefused>, Stuck> {
        self.settle()?;
        let now = self.now;
        let added = self.engine_mut().add_codes(pool, codes, now);
        self.settle()?;
        Ok(added)
    }

    /// Erases somebody by their name, and goes on from what is left. None: nobody bears the name.
    pub fn erase(&mut self, name: &str) -> Result<Option<Erased>, Stuck> {
        self.settle()?;
        let now = self.now;
        let Some(person) = self.engine().look().find(name) else { return Ok(None) };
        let running = self.running_mut();
        running.reader = OnceCell::new();
        let engine = &running.engine;
        let erasure = engine.erasure(person)?;
        let erased = running.store.erase(&erasure, &|position, call| engine.without(&erasure, position, call))?;
        self.running_mut().engine = Engine::open(self.running().store.as_ref(), self.options.clone())?;
        self.engine_mut().resume_deliveries();
        self.engine_mut().tick(now);
        self.settle()?;
        Ok(Some(erased))
    }

    /// Makes what the engine did durable.
    pub fn commit(&mut self) -> Result<(), Stuck> {
        let running = self.running_mut();
        let commit = running.engine.take_commit();
        if commit.is_empty() {
            return Ok(());
        }
        running.store.commit(&commit)?;
        self.decisions.extend(commit.decisions);
        self.transitions.extend(commit.transitions);
        Ok(())
    }

    /// Turns the clock to an instant that is not before the present one. Everything due on the way happens, at its own
    /// time.
    pub fn move_to(&mut self, now: Timestamp) -> Result<(), Stuck> {
        while let Some(due) = self.next_due().filter(|due| *due <= now) {
            self.instants += 1;
            if self.instants > INSTANTS {
                return Err(Stuck::TooMuchTime(now));
            }
            let at = due.max(self.now);
            self.now = at;
            self.engine_mut().tick(at);
            self.settle()?;
        }
        self.now = now;
        self.engine_mut().tick(now);
        self.settle()
    }

    fn next_due(&self) -> Option<Timestamp> {
        let attempt = self.engine().next_attempt().filter(|_| !self.post_rests);
        let webhook = self.engine().next_webhook().filter(|_| !self.post_rests);
        [self.engine().next_due(), attempt, webhook].into_iter().flatten().min()
    }

    /// Commits, and carries out orders until none is left at this instant.
    pub fn settle(&mut self) -> Result<(), Stuck> {
        self.commit()?;
        if self.post_rests {
            return Ok(());
        }
        self.tell()?;
        let now = self.now;
        let mut idle = 0;
        for _ in 0..ROUNDS {
            let mut orders = Vec::new();
            if self.engine().next_attempt().is_some_and(|due| due <= now) {
                for channel in self.options.real_channels.clone() {
                    orders.extend(self.engine_mut().order_attempts(channel, now, IN_FLIGHT));
                }
                self.commit()?;
            }
            if orders.is_empty() {
                if self.engine().next_attempt().is_none_or(|due| due > now) {
                    return Ok(());
                }
                // A message that may not go after all can let another one go at the same instant.
                idle += 1;
                if idle == IDLE {
                    return Err(Stuck::Broken("the outbox holds a message that is due but never ordered".to_owned()));
                }
            }
            for order in orders {
                if self.engine_mut().attempt_sends_data(&order.message, order.number, now) {
                    self.commit()?;
                    let end = self.channels.take(&order);
                    self.engine_mut().attempt_ended(&order.message, order.number, end, now);
                }
                self.commit()?;
            }
        }
        Err(Stuck::Endless(now))
    }

    /// Tells the pretended endpoints what is due.
    fn tell(&mut self) -> Result<(), Stuck> {
        let now = self.now;
        for _ in 0..ROUNDS {
            let errands = self.engine_mut().order_webhooks(now);
            self.commit()?;
            if errands.is_empty() {
                return Ok(());
            }
            for errand in errands {
                let heard = self.channels.tell(&errand, now);
                self.engine_mut().webhook_ended(&errand.id, errand.number, heard, now);
            }
            self.commit()?;
        }
        Err(Stuck::Endless(now))
    }

    /// From now on nothing is handed to the channels, as when nobody carries out orders; or it is again.
    pub fn rest_post(&mut self, rests: bool) {
        self.post_rests = rests;
    }

    /// Sends one call through the door that SDKs use. The time defaults to now, the messageId to a fresh one; `sentAt`
    /// is not corrected for. What the call leads to is left to `settle`.
    pub fn send(&mut self, call: &Value, trust: Trust) -> Receipt {
        let now = self.now;
        self.fresh_ids += 1;
        let fresh_id = format!("fresh-{}", self.fresh_ids);
        let source = Source::new("scenario", trust);
        let door = Door {
            now,
            source: &source,
            fresh_id: &|_| fresh_id.clone(),
            options: &DoorOptions::default(),
            correct_skew: false,
        };
        let reading = engine::ingest::read(call.to_string().as_bytes(), Endpoint::Any, &door);
        let items = reading.map(|reading| reading.items);
        let item = items.and_then(|items| items.into_iter().next().transpose());
        match item {
            Ok(Some(call)) => match self.engine_mut().ingest(vec![call], now).pop() {
                Some(receipt) => receipt,
                None => no_call(),
            },
            Ok(None) => no_call(),
            Err(refusal) => Receipt::Refused { reason: refusal.reason, message: refusal.message },
        }
    }

    /// Outcomes reached since last asked, in order.
    pub fn take_told(&mut self) -> Result<Vec<Told>, Stuck> {
        let decisions = std::mem::take(&mut self.decisions);
        if decisions.is_empty() {
            return Ok(Vec::new());
        }
        let reader = self.reader()?;
        let people = self.engine().look().people();
        decisions
            .into_iter()
            .map(|decision| {
                let Some((message, _)) = reader.message(&decision.message)? else {
                    let words = format!("{} was decided about but never written down", decision.message);
                    return Err(Stuck::Broken(words));
                };
                let customer = CustomerId(people.person(decision.customer.0));
                Ok(Told { to: people.name_of(customer).to_string(), customer, decision, message })
            })
            .collect()
    }

    /// Entries and exits written down since last asked, in order.
    pub fn take_transitions(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.transitions)
    }
}

fn no_call() -> Receipt {
    Receipt::Refused { reason: "no_call", message: "this is no call; write a map with a `type`".to_owned() }
}

/// The lines in which two descriptions of live state differ.
pub fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let nothing = "nothing".to_owned();
    keys.into_iter()
        .filter_map(|key| {
            let (old, new) = (before.get(key).unwrap_or(&nothing), after.get(key).unwrap_or(&nothing));
            (old != new).then(|| format!("  {key}\n    before: {old}\n    after:  {new}"))
        })
        .collect()
}
