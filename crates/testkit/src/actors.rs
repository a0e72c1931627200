//! The people of a story: a shop with its Perennial, and its customers.
//!
//! A `Shop` runs the whole engine on a clock that is turned by hand, over the store in memory or over SQLite,
//! and does what the product's process does: commit, then acknowledge, then carry out orders, each phase of
//! an attempt durable before the next.

use crate::channels::{Answer, Channels, Delivery};
use crate::clock::{Clock, instant};
use crate::memory_store::{MemoryDisk, MemoryStore};
use domain::call::{Source, Trust};
use domain::definition::read_text;
use domain::message::{Channel, Decision, Message};
use domain::{CustomerId, Name, Span, Timestamp};
use engine::define::{Change, DefineError};
use engine::ingest::{Door, DoorOptions, Endpoint};
use engine::segment::why::Why;
use engine::{Engine, Options, Receipt};
use serde_json::{Map, Value, json};
use std::cell::{Ref, RefCell, RefMut};
use std::collections::BTreeSet;
use std::rc::Rc;
use store::sqlite::SqliteStore;
use store::{DecisionFilter, Page, Secrets, Store, TransitionFilter};
use tempfile::TempDir;

/// Most messages on their way at a time, as in the product.
const IN_FLIGHT: usize = 20;
/// Most rounds of sending at one instant: beyond that a message is ordered again and again.
const ROUNDS: usize = 10_000;

/// Where a shop keeps its data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keeps {
    /// In memory.
    Memory,
    /// In SQLite, in a directory that is removed afterwards.
    Files,
}

/// How messages leave the shop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Post {
    /// The built-in outbox: nothing leaves, everything counts as sent.
    Outbox,
    /// Channels that pretend to be real and answer as told.
    Pretended,
}

enum Place {
    Memory(MemoryDisk),
    Files(TempDir),
}

struct Inner {
    place: Place,
    store: Option<Box<dyn Store>>,
    engine: Option<Engine>,
    options: Options,
    clock: Clock,
    channels: Channels,
    /// Nothing is handed to the channels, as when nobody carries out orders.
    post_rests: bool,
    fresh_ids: u64,
    /// The number of the last decision that was told.
    told_decision: u64,
}

/// A shop with its Perennial. Clones are the same shop.
#[derive(Clone)]
pub struct Shop(Rc<RefCell<Inner>>);

/// One customer of a shop, by the name under which calls are sent.
#[derive(Clone)]
pub struct Customer {
    shop: Shop,
    user: Option<String>,
    visitor: Option<String>,
}

/// One outcome of a message, as it is told.
#[derive(Clone, PartialEq, Debug)]
pub struct Told {
    /// The person's name: userId, else anonymousId.
    pub to: String,
    /// Whom it was decided about.
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

impl Shop {
    /// A shop whose e-mails go over a pretended channel, and where silence means yes to marketing. It is in memory;
    /// with `SHOP_KEEPS=files` in the environment the same stories are told of SQLite.
    pub fn open(now: &str) -> Shop {
        let keeps =
            if std::env::var("SHOP_KEEPS").is_ok_and(|word| word == "files") { Keeps::Files } else { Keeps::Memory };
        Shop::open_with(now, keeps, Post::Pretended)
    }

    /// As `open`, for stories that are told of every store.
    pub fn open_in(keeps: Keeps, now: &str) -> Shop {
        Shop::open_with(now, keeps, Post::Pretended)
    }

    /// A shop of any kind.
    pub fn open_with(now: &str, keeps: Keeps, post: Post) -> Shop {
        let shop = Shop::bare(instant(now), keeps, post);
        shop.define("purpose: marketing\ndefault: granted");
        shop
    }

    /// A shop in which nothing is defined.
    pub fn bare(now: Timestamp, keeps: Keeps, post: Post) -> Shop {
        let place = match keeps {
            Keeps::Memory => Place::Memory(MemoryDisk::new()),
            Keeps::Files => Place::Files(tempfile::tempdir().expect("the machine has a directory for temporary files")),
        };
        let real = match post {
            Post::Outbox => BTreeSet::new(),
            Post::Pretended => BTreeSet::from([Channel::Email, Channel::Sms]),
        };
        let options = Options { real_channels: real, ..Options::default() };
        let inner = Inner {
            place,
            store: None,
            engine: None,
            options,
            clock: Clock::at(now),
            channels: Channels::default(),
            post_rests: false,
            fresh_ids: 0,
            told_decision: 0,
        };
        let shop = Shop(Rc::new(RefCell::new(inner)));
        shop.0.borrow_mut().start();
        shop.move_to(now);
        shop
    }

    /// What the clock shows.
    pub fn now(&self) -> Timestamp {
        self.0.borrow().clock.now()
    }

    /// The engine, to look at.
    pub fn engine(&self) -> Ref<'_, Engine> {
        Ref::map(self.0.borrow(), |inner| inner.engine.as_ref().expect("a shop is open between its acts"))
    }

    /// The engine, for acts that have no word here; what it leaves is committed by `settle`.
    pub fn engine_mut(&self) -> RefMut<'_, Engine> {
        RefMut::map(self.0.borrow_mut(), Inner::engine)
    }

    /// Puts definitions in force; panics with the reason if they cannot be.
    pub fn define(&self, yaml: &str) -> Vec<Change> {
        self.try_define(yaml).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Puts definitions in force, or says why not.
    pub fn try_define(&self, yaml: &str) -> Result<Vec<Change>, DefineError> {
        let defined = read_text(yaml, "story")?;
        let mut inner = self.0.borrow_mut();
        let now = inner.clock.now();
        let changes = inner.engine().define(defined, "story", now)?;
        inner.settle();
        Ok(changes)
    }

    /// A customer with a userId.
    pub fn customer(&self, user: &str) -> Customer {
        Customer { shop: self.clone(), user: Some(user.to_owned()), visitor: None }
    }

    /// A visitor with an anonymousId.
    pub fn visitor(&self, visitor: &str) -> Customer {
        Customer { shop: self.clone(), user: None, visitor: Some(visitor.to_owned()) }
    }

    /// Sends one call as a source with this trust would. The time defaults to now, the messageId to a fresh one.
    pub fn send(&self, call: &Value, trust: Trust) -> Receipt {
        let mut inner = self.0.borrow_mut();
        let receipt = inner.send(call, trust);
        inner.settle();
        receipt
    }

    /// Joins two people by hand.
    pub fn merge(&self, a: &str, b: &str) {
        let mut inner = self.0.borrow_mut();
        let now = inner.clock.now();
        inner.engine().merge(a, b, now).unwrap_or_else(|error| panic!("{error}"));
        inner.settle();
    }

    /// Parts two people by hand.
    pub fn unmerge(&self, a: &str, b: &str) {
        let mut inner = self.0.borrow_mut();
        let now = inner.clock.now();
        inner.engine().unmerge(a, b, now).unwrap_or_else(|error| panic!("{error}"));
        inner.settle();
    }

    /// A channel answers so from now on: `accept`, `4xx`, `5xx` or `no_reply`.
    pub fn channel_answers(&self, word: &str) {
        let answer = Answer::find(word).unwrap_or_else(|| panic!("`{word}` is no answer of a channel"));
        self.0.borrow_mut().channels.answer_all(Channel::Email, answer);
    }

    /// E-mails to one address are answered so from now on.
    pub fn channel_answers_to(&self, address: &str, word: &str) {
        let answer = Answer::find(word).unwrap_or_else(|| panic!("`{word}` is no answer of a channel"));
        self.0.borrow_mut().channels.answer_to(Channel::Email, address, answer);
    }

    /// From now on nothing is handed to the channels: what is let through waits.
    pub fn stop_post(&self) {
        self.0.borrow_mut().post_rests = true;
    }

    /// What waits is handed to the channels again.
    pub fn start_post(&self) {
        self.0.borrow_mut().post_rests = false;
        self.settle();
    }

    /// The pretended channels.
    pub fn channels(&self) -> RefMut<'_, Channels> {
        RefMut::map(self.0.borrow_mut(), |inner| &mut inner.channels)
    }

    /// Everything that was handed to a pretended channel.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.0.borrow().channels.deliveries().to_vec()
    }

    /// Turns the clock to an instant. Everything due on the way happens, at its own time.
    pub fn at(&self, now: &str) {
        self.move_to(instant(now));
    }

    /// As `at`.
    pub fn move_to(&self, now: Timestamp) {
        self.0.borrow_mut().move_to(now);
    }

    /// Turns the clock forward by whole days of 86,400 s.
    pub fn days(&self, days: i64) {
        self.move_to(self.now().plus(Span::days(days)));
    }

    /// Turns the clock forward by hours.
    pub fn hours(&self, hours: i64) {
        self.move_to(self.now().plus(Span::hours(hours)));
    }

    /// Turns the clock forward by minutes.
    pub fn minutes(&self, minutes: i64) {
        self.move_to(self.now().plus(Span::minutes(minutes)));
    }

    /// Turns the clock forward by seconds.
    pub fn seconds(&self, seconds: i64) {
        self.move_to(self.now().plus(Span(seconds * 1_000)));
    }

    /// Turns the clock forward by milliseconds.
    pub fn milliseconds(&self, milliseconds: i64) {
        self.move_to(self.now().plus(Span(milliseconds)));
    }

    /// Stops and starts Perennial from its data. Everything goes on as if nothing had happened.
    pub fn restart(&self) {
        let mut inner = self.0.borrow_mut();
        let before = inner.engine().look().describe();
        inner.start();
        // The clock alone is not worth a commit: what led to nothing before the stop leads to nothing again.
        let now = inner.clock.now();
        inner.engine().tick(now);
        assert!(
            !inner.engine().has_pending(),
            "a restart does something by itself: {:?}",
            inner.engine().take_commit()
        );
        assert_same(&before, &inner.engine().look().describe());
        inner.move_to(now);
    }

    /// Whether somebody is in a segment now. A name that nobody bears is a member of nothing.
    pub fn is_in(&self, segment: &str, who: &str) -> bool {
        let engine = self.engine();
        let member = engine.look().find(who).map(|id| engine.look().is_member(&name(segment), id));
        member.is_some_and(|member| member.unwrap_or_else(|| panic!("there is no segment `{segment}`")))
    }

    /// Names of everybody in a segment, sorted.
    pub fn members(&self, segment: &str) -> Vec<String> {
        let engine = self.engine();
        let members =
            engine.look().members(&name(segment)).unwrap_or_else(|| panic!("there is no segment `{segment}`"));
        let mut names: Vec<String> =
            members.into_iter().map(|id| engine.look().people().name_of(id).to_string()).collect();
        names.sort();
        names
    }

    /// Who was in a segment at an instant, by today's rule, sorted by name.
    pub fn members_as_of(&self, segment: &str, at: &str) -> Vec<String> {
        let engine = self.engine();
        let members = engine.look().members_as_of(&name(segment), instant(at)).expect("the journal can be read");
        let members = members.unwrap_or_else(|| panic!("there is no segment `{segment}`"));
        let mut names: Vec<String> =
            members.into_iter().map(|id| engine.look().people().name_of(id).to_string()).collect();
        names.sort();
        names
    }

    /// Why somebody is in a segment or not.
    pub fn why(&self, segment: &str, who: &str) -> Why {
        let engine = self.engine();
        let id = engine.look().find(who).unwrap_or_else(|| panic!("nobody is called `{who}`"));
        let why = engine.look().why(&name(segment), id).expect("the journal can be read");
        why.unwrap_or_else(|| panic!("there is no segment `{segment}`"))
    }

    /// Whether somebody is inside a campaign.
    pub fn is_inside(&self, campaign: &str, who: &str) -> bool {
        let engine = self.engine();
        let inside = engine.look().find(who).map(|id| engine.look().is_inside(&name(campaign), id));
        inside.is_some_and(|inside| inside.unwrap_or_else(|| panic!("there is no campaign `{campaign}`")))
    }

    /// A customer's traits now.
    pub fn traits(&self, who: &str) -> Map<String, Value> {
        let engine = self.engine();
        let customer = engine.look().find(who).and_then(|id| engine.look().customer(id));
        customer.map(|customer| customer.traits.all(engine.clock()).0).unwrap_or_default()
    }

    /// Outcomes reached since last asked, in order: `ana win-back sent`, `ben win-back held: quiet_hours`.
    pub fn messages(&self) -> Vec<String> {
        self.told().iter().map(Told::to_string).collect()
    }

    /// As `messages`, each with its instant before it.
    pub fn messages_with_times(&self) -> Vec<String> {
        self.told().iter().map(|told| format!("{} {told}", told.decision.at)).collect()
    }

    /// Outcomes reached since last asked, with all that is known of them.
    pub fn told(&self) -> Vec<Told> {
        let mut inner = self.0.borrow_mut();
        let after = inner.told_decision;
        let decisions = inner.decisions_after(after);
        inner.told_decision = decisions.last().map_or(after, |(number, _)| *number);
        let reader = inner.store().reader().expect("the store can be read");
        decisions
            .into_iter()
            .map(|(_, decision)| {
                let found = reader.message(&decision.message).expect("the store can be read");
                let (message, _) =
                    found.unwrap_or_else(|| panic!("{} was decided about but never written down", decision.message));
                let engine = inner.engine_ref();
                let person = engine.look().find(&decision.customer.to_string()).unwrap_or(decision.customer);
                Told { to: engine.look().people().name_of(person).to_string(), customer: person, decision, message }
            })
            .collect()
    }

    /// Entries and exits of a segment so far: `2026-03-02T12:00:00Z ana enters`.
    pub fn transitions(&self, segment: &str) -> Vec<String> {
        let inner = self.0.borrow();
        let reader = inner.store().reader().expect("the store can be read");
        let filter = TransitionFilter { segment: Some(name(segment)), customer: None };
        let mut found = reader.transitions(&filter, Page { skip: 0, limit: 1_000 }).expect("the store can be read");
        found.reverse();
        let engine = inner.engine_ref();
        found
            .into_iter()
            .map(|(_, it)| {
                let person = engine.look().find(&it.customer.to_string()).unwrap_or(it.customer);
                format!(
                    "{} {} {}",
                    it.at,
                    engine.look().people().name_of(person),
                    if it.entered { "enters" } else { "leaves" }
                )
            })
            .collect()
    }

    /// Commits and sends whatever `engine_mut` left to do at this instant.
    pub fn settle(&self) {
        self.0.borrow_mut().settle();
    }

    /// A reader of what is durable.
    pub fn reader(&self) -> Box<dyn store::Reader> {
        self.0.borrow().store().reader().expect("the store can be read")
    }
}

#[expect(clippy::needless_pass_by_value, reason = "stories write `json!(…)` where it is used")]
impl Customer {
    /// The name under which calls are sent.
    pub fn name(&self) -> &str {
        self.user.as_deref().or(self.visitor.as_deref()).expect("a customer is made with a name")
    }

    /// This customer on a device with an anonymousId: calls carry both.
    pub fn on(&self, visitor: &str) -> Customer {
        Customer { visitor: Some(visitor.to_owned()), ..self.clone() }
    }

    /// Something of the customer is known: `identify`.
    pub fn identifies(&self, traits: Value) -> &Customer {
        self.says(json!({ "type": "identify", "traits": traits }))
    }

    /// The customer did something now: `track`.
    pub fn does(&self, event: &str, properties: Value) -> &Customer {
        self.says(json!({ "type": "track", "event": event, "properties": properties }))
    }

    /// The customer did something at another time, earlier or later; it arrives now.
    pub fn did_at(&self, at: &str, event: &str, properties: Value) -> &Customer {
        self.says(json!({ "type": "track", "event": event, "properties": properties, "timestamp": at }))
    }

    /// Sends any call with a server key; panics if it is refused.
    pub fn says(&self, call: Value) -> &Customer {
        let receipt = self.says_as(call, Trust::Server);
        if let Receipt::Refused { reason, message } = receipt {
            panic!("refused ({reason}): {message}");
        }
        self
    }

    /// Sends any call with any trust.
    pub fn says_as(&self, mut call: Value, trust: Trust) -> Receipt {
        if let Some(user) = &self.user {
            call["userId"] = user.as_str().into();
        }
        if let Some(visitor) = &self.visitor {
            call["anonymousId"] = visitor.as_str().into();
        }
        self.shop.send(&call, trust)
    }
}

impl Inner {
    fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().expect("a shop is open between its acts")
    }

    fn engine_ref(&self) -> &Engine {
        self.engine.as_ref().expect("a shop is open between its acts")
    }

    fn store(&self) -> &dyn Store {
        self.store.as_deref().expect("a shop is open between its acts")
    }

    fn start(&mut self) {
        self.engine = None;
        // SQLite's directory is held until its store is dropped.
        self.store = None;
        let secrets = Secrets { link_key: [1; 32], dedupe_key: [2; 16] };
        let store: Box<dyn Store> = match &self.place {
            Place::Memory(disk) => Box::new(MemoryStore::open_with(disk.clone(), secrets)),
            Place::Files(dir) => {
                let mut options = store::sqlite::Options::new(secrets);
                options.reserve_bytes = 0;
                Box::new(SqliteStore::open(dir.path(), options).expect("the directory is new, or was closed"))
            }
        };
        let mut engine = Engine::open(store.as_ref(), self.options.clone()).expect("the store can be read");
        engine.resume_deliveries();
        self.store = Some(store);
        self.engine = Some(engine);
        self.commit();
    }

    fn commit(&mut self) {
        let commit = self.engine().take_commit();
        if !commit.is_empty() {
            self.store
                .as_mut()
                .expect("a shop is open between its acts")
                .commit(&commit)
                .expect("the store of a story does not fail");
        }
    }

    fn move_to(&mut self, now: Timestamp) {
        assert!(now >= self.clock.now(), "the clock of a story does not run backward");
        while let Some(due) = self.next_due().filter(|due| *due <= now) {
            let at = due.max(self.clock.now());
            self.clock.set(at);
            self.engine().tick(at);
            self.settle();
        }
        self.clock.set(now);
        self.engine().tick(now);
        self.settle();
    }

    fn next_due(&self) -> Option<Timestamp> {
        let engine = self.engine_ref();
        let attempt = engine.next_attempt().filter(|_| !self.post_rests);
        [engine.next_due(), attempt].into_iter().flatten().min()
    }

    /// Commits, and carries out orders until none is left at this instant.
    fn settle(&mut self) {
        self.commit();
        if self.post_rests {
            return;
        }
        let now = self.clock.now();
        for _ in 0..ROUNDS {
            let mut orders = Vec::new();
            for channel in self.options.real_channels.clone() {
                orders.extend(self.engine().order_attempts(channel, now, IN_FLIGHT));
            }
            self.commit();
            if orders.is_empty() {
                let waits = self.engine_ref().next_attempt().is_some_and(|due| due <= now);
                assert!(!waits, "the outbox holds a message that is due but never ordered");
                return;
            }
            for order in orders {
                if self.engine().attempt_sends_data(&order.message, order.number, now) {
                    self.commit();
                    let end = self.channels.take(&order);
                    self.engine().attempt_ended(&order.message, order.number, end, now);
                }
                self.commit();
            }
        }
        panic!("messages are sent again and again at {now}");
    }

    fn send(&mut self, call: &Value, trust: Trust) -> Receipt {
        let now = self.clock.now();
        self.fresh_ids += 1;
        let fresh_id = format!("fresh-{}", self.fresh_ids);
        let source = Source::new("story", trust);
        let door = Door {
            now,
            source: &source,
            fresh_id: &|_| fresh_id.clone(),
            options: &DoorOptions::default(),
            correct_skew: false,
        };
        let reading = engine::ingest::read(call.to_string().as_bytes(), Endpoint::Any, &door);
        let item = reading.and_then(|mut reading| reading.items.remove(0));
        match item {
            Ok(call) => self.engine().ingest(vec![call], now).remove(0),
            Err(refusal) => Receipt::Refused { reason: refusal.reason, message: refusal.message },
        }
    }

    fn decisions_after(&self, after: u64) -> Vec<(u64, Decision)> {
        let reader = self.store().reader().expect("the store can be read");
        let mut found = Vec::new();
        loop {
            let page = Page { skip: found.len() as u64, limit: 500 };
            let decisions = reader.decisions(&DecisionFilter::default(), page).expect("the store can be read");
            let is_last = decisions.len() < 500;
            let fresh: Vec<_> = decisions.into_iter().take_while(|(number, _)| *number > after).collect();
            let is_end = is_last || fresh.len() < 500;
            found.extend(fresh);
            if is_end {
                break;
            }
        }
        found.reverse();
        found
    }
}

/// Panics with the lines in which two descriptions of live state differ.
fn assert_same(
    before: &std::collections::BTreeMap<String, String>,
    after: &std::collections::BTreeMap<String, String>,
) {
    let differences = differences(before, after);
    assert!(differences.is_empty(), "after the restart the state is another one:\n{}", differences.join("\n"));
}

/// The lines in which two descriptions of live state differ.
pub fn differences(
    before: &std::collections::BTreeMap<String, String>,
    after: &std::collections::BTreeMap<String, String>,
) -> Vec<String> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let nothing = "nothing".to_owned();
    keys.into_iter()
        .filter_map(|key| {
            let (old, new) = (before.get(key).unwrap_or(&nothing), after.get(key).unwrap_or(&nothing));
            (old != new).then(|| format!("  {key}\n    before: {old}\n    after:  {new}"))
        })
        .collect()
}

/// A definition's name; panics if it is none.
pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap_or_else(|error| panic!("{error}"))
}
