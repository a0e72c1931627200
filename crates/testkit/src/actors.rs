//! The people of a story: a shop with its Perennial, and its customers.
//!
//! A `Shop` is the workspace of scenarios, over the store in memory or over SQLite, in the words of stories: what cannot
//! be is a panic that says so.

use crate::clock::instant;
use crate::memory_store::{MemoryDisk, MemoryStore};
use domain::call::Trust;
use domain::definition::read_text;
use domain::message::Channel;
use domain::{Name, Span, Timestamp};
use engine::define::{Change, DefineError};
use engine::deliver::brake::BrakeLimit;
use engine::deliver::pace::Limits;
use engine::deliver::webhooks::Heard;
use engine::segment::lanes::LaneLimits;
use engine::segment::why::Why;
use engine::snapshot::Unfit;
use engine::{Engine, Opened, Receipt};
use scenario::channels::{Answer, Channels, Delivery, Telling};
use scenario::workspace::{Opens, Told, Workspace};
use serde_json::{Map, Value, json};
use std::cell::{Ref, RefCell, RefMut};
use std::collections::BTreeSet;
use std::rc::Rc;
use store::sqlite::SqliteStore;
use store::{Erased, Page, Secrets, Store, Transition};
use tempfile::TempDir;

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

struct Inner {
    workspace: Workspace,
    // Removed when the workspace has let go of it.
    _files: Option<TempDir>,
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
        let (files, opens) = match keeps {
            Keeps::Memory => (None, in_memory(MemoryDisk::new())),
            Keeps::Files => {
                let files = tempfile::tempdir().expect("the machine has a directory for temporary files");
                let opens = in_files(files.path().to_owned());
                (Some(files), opens)
            }
        };
        let real = match post {
            Post::Outbox => BTreeSet::new(),
            Post::Pretended => BTreeSet::from([Channel::Email, Channel::Sms]),
        };
        let workspace = Workspace::open(opens, real, now).unwrap_or_else(|stuck| panic!("{stuck}"));
        Shop(Rc::new(RefCell::new(Inner { workspace, _files: files })))
    }

    /// What the clock shows.
    pub fn now(&self) -> Timestamp {
        self.0.borrow().workspace.now()
    }

    /// The engine, to look at.
    pub fn engine(&self) -> Ref<'_, Engine> {
        Ref::map(self.0.borrow(), |inner| inner.workspace.engine())
    }

    /// The engine, for acts that have no word here; what it leaves is committed by `settle`.
    pub fn engine_mut(&self) -> RefMut<'_, Engine> {
        RefMut::map(self.0.borrow_mut(), |inner| inner.workspace.engine_mut())
    }

    /// Makes chunks of lanes as long as any are worth making, as the product does beside the writer.
    pub fn seal_lanes(&self, limits: &LaneLimits) {
        loop {
            let Some(job) = self.engine().lane_job(limits) else { return };
            let sealed = job.run(self.reader().as_ref(), &mut |row| self.engine().names_of(row));
            let Some(sealed) = sealed.expect("the store can be read") else { return };
            self.engine_mut().adopt_lanes(sealed);
        }
    }

    /// From now on push goes to the customers' browsers.
    pub fn notifies_browsers(&self) {
        let done = self.0.borrow_mut().workspace.notify_browsers();
        done.unwrap_or_else(|stuck| panic!("{stuck}"));
    }

    /// Puts definitions in force; panics with the reason if they cannot be.
    pub fn define(&self, yaml: &str) -> Vec<Change> {
        self.try_define(yaml).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Puts definitions in force, or says why not.
    pub fn try_define(&self, yaml: &str) -> Result<Vec<Change>, DefineError> {
        let defined = read_text(yaml, "story")?;
        let mut inner = self.0.borrow_mut();
        let now = inner.workspace.now();
        let changes = inner.workspace.engine_mut().define(defined, "story", now)?;
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
        let receipt = inner.workspace.send(call, trust);
        inner.settle();
        receipt
    }

    /// Joins two people by hand.
    pub fn merge(&self, a: &str, b: &str) {
        let mut inner = self.0.borrow_mut();
        let now = inner.workspace.now();
        inner.workspace.engine_mut().merge(a, b, now).unwrap_or_else(|error| panic!("{error}"));
        inner.settle();
    }

    /// Parts two people by hand.
    pub fn unmerge(&self, a: &str, b: &str) {
        let mut inner = self.0.borrow_mut();
        let now = inner.workspace.now();
        inner.workspace.engine_mut().unmerge(a, b, now).unwrap_or_else(|error| panic!("{error}"));
        inner.settle();
    }

    /// Erases somebody, with all that is known of them.
    pub fn erase(&self, who: &str) -> Erased {
        let erased = self.0.borrow_mut().workspace.erase(who).unwrap_or_else(|stuck| panic!("{stuck}"));
        erased.unwrap_or_else(|| panic!("nobody is called `{who}`"))
    }

    /// Campaigns pause themselves beyond such a share of complaints; takes a restart.
    pub fn campaigns_are_braked(&self, brake: Option<BrakeLimit>) {
        let braked = self.0.borrow_mut().workspace.set_brake(brake);
        braked.unwrap_or_else(|stuck| panic!("{stuck}"));
    }

    /// A channel answers so from now on: `accept`, `4xx`, `5xx` or `no_reply`.
    pub fn channel_answers(&self, word: &str) {
        let answer = Answer::find(word).unwrap_or_else(|| panic!("`{word}` is no answer of a channel"));
        self.0.borrow_mut().workspace.channels.answer_all(Channel::Email, answer);
    }

    /// E-mails to one address are answered so from now on.
    pub fn channel_answers_to(&self, address: &str, word: &str) {
        let answer = Answer::find(word).unwrap_or_else(|| panic!("`{word}` is no answer of a channel"));
        self.0.borrow_mut().workspace.channels.answer_to(Channel::Email, address, answer);
    }

    /// An endpoint of webhooks answers so from now on.
    pub fn endpoint_answers(&self, endpoint: &str, heard: Heard) {
        self.0.borrow_mut().workspace.channels.answer_endpoint(&name(endpoint), heard);
    }

    /// Every telling of a webhook so far.
    pub fn tellings(&self) -> Vec<Telling> {
        self.0.borrow().workspace.channels.tellings().to_vec()
    }

    /// How fast mail may be; takes a restart.
    pub fn mail_is_limited(&self, limits: Limits) {
        self.0.borrow_mut().workspace.set_limits(Channel::Email, limits).expect("it starts again");
    }

    /// From now on nothing is handed to the channels: what is let through waits.
    pub fn stop_post(&self) {
        self.0.borrow_mut().workspace.rest_post(true);
    }

    /// What waits is handed to the channels again.
    pub fn start_post(&self) {
        self.0.borrow_mut().workspace.rest_post(false);
        self.settle();
    }

    /// The pretended channels.
    pub fn channels(&self) -> RefMut<'_, Channels> {
        RefMut::map(self.0.borrow_mut(), |inner| &mut inner.workspace.channels)
    }

    /// Everything that was handed to a pretended channel.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.0.borrow().workspace.channels.deliveries().to_vec()
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

    /// Stops and starts Perennial from its data, and beside it from a snapshot. Everything goes on as if nothing had
    /// happened.
    pub fn restart(&self) {
        let now = self.now();
        let (before, snapshot) = {
            let mut inner = self.0.borrow_mut();
            let snapshot = inner.workspace.snapshot().unwrap_or_else(|stuck| panic!("{stuck}"));
            (inner.workspace.engine().look().describe(), snapshot)
        };
        if let Some(snapshot) = snapshot {
            let (mut engine, opened) = self.open_from(&snapshot);
            assert!(!matches!(opened, Opened::SnapshotIgnored(Unfit::Damaged(_) | Unfit::Ahead)), "{opened:?}");
            engine.tick(now);
            let differences = scenario::workspace::differences(&before, &engine.look().describe());
            assert!(differences.is_empty(), "from the snapshot the state is another one:\n{}", differences.join("\n"));
        }
        let differences = self.0.borrow_mut().workspace.restart().unwrap_or_else(|stuck| panic!("{stuck}"));
        assert!(differences.is_empty(), "after the restart the state is another one:\n{}", differences.join("\n"));
    }

    /// A snapshot as a stop would leave it, with everything before it durable.
    pub fn snapshot(&self) -> Vec<u8> {
        let snapshot = self.0.borrow_mut().workspace.snapshot().unwrap_or_else(|stuck| panic!("{stuck}"));
        snapshot.expect("nothing waits between the acts of a story")
    }

    /// Another engine on the data of this shop, opened from a snapshot.
    pub fn open_from(&self, snapshot: &[u8]) -> (Engine, Opened) {
        self.0.borrow().workspace.open_from(snapshot).unwrap_or_else(|stuck| panic!("{stuck}"))
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
        self.0.borrow_mut().workspace.take_told().unwrap_or_else(|stuck| panic!("{stuck}"))
    }

    /// Entries and exits of all segments since last asked, in order.
    pub fn take_transitions(&self) -> Vec<Transition> {
        self.0.borrow_mut().workspace.take_transitions()
    }

    /// Entries and exits of a segment so far: `2026-03-02T12:00:00Z ana enters`.
    pub fn transitions(&self, segment: &str) -> Vec<String> {
        let inner = self.0.borrow();
        let reader = inner.workspace.reader().expect("the store can be read");
        let mut found =
            reader.transitions(&name(segment), Page { skip: 0, limit: 1_000 }).expect("the store can be read");
        found.reverse();
        let engine = inner.workspace.engine();
        found
            .into_iter()
            .map(|it| {
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

    /// What a start would find on disk.
    pub fn recovered(&self) -> store::Recovered {
        self.0.borrow().workspace.recovered().expect("the store can be read")
    }

    /// A reader of what is durable.
    pub fn reader(&self) -> Box<dyn store::Reader> {
        self.0.borrow().workspace.open_reader().expect("the store can be read")
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
    fn settle(&mut self) {
        self.workspace.settle().unwrap_or_else(|stuck| panic!("{stuck}"));
    }

    fn move_to(&mut self, now: Timestamp) {
        assert!(now >= self.workspace.now(), "the clock of a story does not run backward");
        self.workspace.move_to(now).unwrap_or_else(|stuck| panic!("{stuck}"));
    }
}

fn secrets() -> Secrets {
    Secrets { link_key: [1; 32], dedupe_key: [2; 16] }
}

fn in_memory(disk: MemoryDisk) -> Opens {
    Box::new(move || Ok(Box::new(MemoryStore::open_with(disk.clone(), secrets())) as Box<dyn Store>))
}

fn in_files(dir: std::path::PathBuf) -> Opens {
    Box::new(move || {
        let mut options = store::sqlite::Options::new(secrets());
        options.reserve_bytes = 0;
        Ok(Box::new(SqliteStore::open(&dir, options)?) as Box<dyn Store>)
    })
}

/// A definition's name; panics if it is none.
pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap_or_else(|error| panic!("{error}"))
}
