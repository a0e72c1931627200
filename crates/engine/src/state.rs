//! The live state of a workspace: a cache of its history and facts, owned by one thread.
//! Each step of the engine is an `impl Engine` in its own module; `run` is the table of contents.

use crate::decide::limits::Mark;
use crate::decide::prepared::Prepared;
use crate::dedupe::Seen;
use crate::deliver::brake::BrakeLimit;
use crate::deliver::pace::Limits;
use crate::profile::orders::Orders;
use crate::profile::{Customers, People};
use crate::report::door::Quarantined;
use crate::segment::live::Asking;
use crate::segment::{Plan, Touch};
use crate::timers::Timers;
use domain::definition::Definitions;
use domain::message::{Channel, Message, ReportKind};
use domain::{Call, CustomerId, DefinitionKind, MessageId, Name, Position, Timestamp};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use store::{
    CampaignFacts, Commit, DefinitionVersion, Exposure, Journey, Key, Reader, RecordKey, Secrets, Suppression,
};

/// A map whose hash has a random seed, so that nobody can choose keys that collide, and costs little.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::quality::RandomState>;
/// A set with the same hash.
pub(crate) type HashSet<K> = std::collections::HashSet<K, foldhash::quality::RandomState>;

/// How a workspace is run; passed in at start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where links in messages lead, without a slash at the end.
    pub public_url: String,
    /// Channels that really send; on all others messages are kept in the outbox and count as sent.
    pub real_channels: BTreeSet<Channel>,
    /// Whom webhooks are told; those to all others are kept.
    pub endpoints: Endpoints,
    /// Whether marketing mail that lacks what the law asks of it (a postal address, a link to unsubscribe) is refused: where
    /// mail really goes out.
    pub keeps_the_law: bool,
    /// Whether marketing mails carry the picture by which opens are told.
    pub counts_opens: bool,
    /// When a campaign pauses itself because of complaints; none: never.
    pub brake: Option<BrakeLimit>,
    /// How fast channels may be; those that are not here have no limits.
    pub limits: BTreeMap<Channel, Limits>,
    /// Of how many customers of each variant a bandit must know what came of it before it shares by that; none: it never
    /// does, as where nothing can come of it.
    pub bandits_learn_after: Option<u64>,
    /// Whether messages of the channel push go to the customer's browsers: then who has none has no address there.
    pub notifies_browsers: bool,
    /// A bug that the simulation plants to test its oracles.
    #[cfg(feature = "planted-bugs")]
    pub planted: Option<PlantedBug>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            public_url: "http://127.0.0.1:7700".to_owned(),
            real_channels: BTreeSet::new(),
            endpoints: Endpoints::default(),
            keeps_the_law: false,
            counts_opens: false,
            brake: Some(BrakeLimit::default()),
            limits: BTreeMap::new(),
            bandits_learn_after: Some(models::bandit::LEAST),
            notifies_browsers: false,
            #[cfg(feature = "planted-bugs")]
            planted: None,
        }
    }
}

/// What holds for channels of which nothing is said.
static UNLIMITED: Limits =
    Limits { places: None, per_minute: None, domain_per_minute: None, domains: BTreeMap::new(), warm_up: Vec::new() };

impl Options {
    /// How fast a channel may be.
    pub(crate) fn limits(&self, channel: Channel) -> &Limits {
        self.limits.get(&channel).unwrap_or(&UNLIMITED)
    }
}

/// Endpoints of webhooks that are told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Endpoints {
    /// Those that the owner configured.
    Only(BTreeSet<Name>),
    /// Whichever is named: where telling is only pretended.
    Every,
}

impl Default for Endpoints {
    /// Nobody is told anything.
    fn default() -> Endpoints {
        Endpoints::Only(BTreeSet::new())
    }
}

impl Endpoints {
    /// Asks whether an endpoint is told.
    pub fn has(&self, name: &Name) -> bool {
        match self {
            Endpoints::Only(names) => names.contains(name),
            Endpoints::Every => true,
        }
    }

    /// Those that were named to be told.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        match self {
            Endpoints::Only(names) => Some(names),
            Endpoints::Every => None,
        }
        .into_iter()
        .flatten()
    }
}

/// Bugs that exist only to be found: the tests of the tests.
#[cfg(feature = "planted-bugs")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "named after what goes wrong")]
pub enum PlantedBug {
    NoDedupe,
    TimersNotRebuilt,
    HoldoutGetsMessages,
    UncertainIsRepeated,
    ConsentIsNotAskedAgain,
    CapsAreForgottenAtRestart,
    WebhookIsToldAgain,
    WebhooksAreNotResumed,
    BanditLearnsTooEarly,
    VariantsAreRedrawn,
    // The bugs of the process around the engine.
    AcknowledgeBeforeCommit,
    SendBeforeCommit,
    CheckpointAtFetch,
    CommitErrorIsIgnored,
    DeliveriesAreNotResumed,
}

#[cfg(feature = "planted-bugs")]
impl PlantedBug {
    /// Every bug that can be planted.
    pub const ALL: [PlantedBug; 15] = [
        PlantedBug::NoDedupe,
        PlantedBug::TimersNotRebuilt,
        PlantedBug::HoldoutGetsMessages,
        PlantedBug::UncertainIsRepeated,
        PlantedBug::ConsentIsNotAskedAgain,
        PlantedBug::CapsAreForgottenAtRestart,
        PlantedBug::WebhookIsToldAgain,
        PlantedBug::WebhooksAreNotResumed,
        PlantedBug::BanditLearnsTooEarly,
        PlantedBug::VariantsAreRedrawn,
        PlantedBug::AcknowledgeBeforeCommit,
        PlantedBug::SendBeforeCommit,
        PlantedBug::CheckpointAtFetch,
        PlantedBug::CommitErrorIsIgnored,
        PlantedBug::DeliveriesAreNotResumed,
    ];
}

/// Everything the engine knows between inputs.
pub struct Engine {
    pub(crate) reader: Box<dyn Reader + Sync>,
    pub(crate) options: Options,
    pub(crate) secrets: Secrets,
    pub(crate) clock: Timestamp,
    pub(crate) position: Position,
    /// The number of the journal row that the next commit begins.
    pub(crate) next_row: u32,
    pub(crate) seen: Seen,
    pub(crate) people: People,
    pub(crate) lanes: crate::segment::lanes::Lanes,
    /// How often somebody was erased.
    pub(crate) erasures: u64,
    pub(crate) orders: Orders,
    pub(crate) quarantined: Quarantined,
    pub(crate) customers: Customers,
    /// Who registered an endpoint of a browser last, under the id of then.
    pub(crate) browser_owners: HashMap<Arc<str>, CustomerId>,
    pub(crate) definitions: Definitions,
    pub(crate) versions: BTreeMap<(DefinitionKind, Name), DefinitionVersion>,
    pub(crate) plan: Plan,
    pub(crate) campaigns: BTreeMap<Name, Campaigning>,
    pub(crate) journeys: BTreeMap<Arc<str>, Journey>,
    pub(crate) journeys_of: HashMap<CustomerId, BTreeSet<Arc<str>>>,
    /// When somebody last entered a campaign, by key. Under the id they had then, so that parting gives it back.
    pub(crate) entries: HashMap<(Name, CustomerId, Option<String>), Entered>,
    /// Dates of records as campaigns saw them last, so that a new or moved one is told from a known one.
    pub(crate) known_dates: HashMap<(Name, CustomerId), BTreeMap<Arc<str>, KnownDate>>,
    /// When schedules come next, by campaign and, where each customer's own zone counts, zone.
    pub(crate) schedules: BTreeMap<(Name, Option<String>), Timestamp>,
    /// What time let somebody in for at the present instant: by campaign, customer and key.
    pub(crate) let_in: (Timestamp, BTreeSet<(Name, CustomerId, Option<String>)>),
    /// Messages without a final outcome.
    pub(crate) messages: BTreeMap<MessageId, Message>,
    pub(crate) outbox: crate::deliver::outbox::Outbox,
    /// Webhooks that are not over.
    pub(crate) webhooks: crate::deliver::webhooks::Webhooks,
    /// Codes of vouchers that were imported and are left.
    pub(crate) pools: crate::decide::pools::Pools,
    /// What counts for caps, under the id that each message bears.
    pub(crate) marks: HashMap<CustomerId, Vec<Mark>>,
    /// Who got a step at an address, so that a second customer with it does not: by campaign, step and address
    /// the messages that went there.
    pub(crate) addressed: HashMap<(Name, String, String), BTreeMap<MessageId, Addressed>>,
    /// Entries that followed from Perennial's own doing: by campaign, customer and key, since when and how many.
    pub(crate) followed: HashMap<(Name, CustomerId, Option<String>), (Timestamp, u32)>,
    /// Beyond so many the old ones are forgotten.
    pub(crate) followed_room: usize,
    pub(crate) exposures: HashMap<CustomerId, Vec<Exposure>>,
    /// Variants that are shared by what works.
    pub(crate) bandits: crate::decide::bandit::Bandits,
    pub(crate) suppressions: BTreeMap<String, Suppression>,
    pub(crate) brake: crate::deliver::brake::Brake,
    /// Reports about mails taken since the start, the latest last: about which message, what, and their id.
    pub(crate) reported: VecDeque<(Option<MessageId>, ReportKind, Arc<str>)>,
    /// Messages that events of this moment call spam.
    pub(crate) complained: Vec<MessageId>,
    pub(crate) keys: BTreeMap<String, Key>,
    pub(crate) timers: Timers,
    /// Events dated ahead, waiting for their time.
    pub(crate) ahead: BTreeMap<(Timestamp, Position), Arc<Call>>,
    /// People that were parted and whose state must be built again from history, each with the whole it was part of.
    pub(crate) parted: BTreeMap<CustomerId, CustomerId>,
    pub(crate) work: Work,
    pub(crate) rests: HashMap<Channel, Rest>,
    pub(crate) catalogue: crate::report::catalogue::Catalogue,
    pub(crate) samples: crate::report::samples::Samples,
    /// What the next commit makes durable.
    pub(crate) pending: Commit,
}

/// A campaign with all versions that somebody still follows.
#[derive(Clone, Debug)]
pub(crate) struct Campaigning {
    pub(crate) facts: CampaignFacts,
    pub(crate) current: Arc<Prepared>,
    pub(crate) older: BTreeMap<u32, Arc<Prepared>>,
}

impl Campaigning {
    /// The version a journey follows.
    pub(crate) fn version(&self, version: u32) -> &Arc<Prepared> {
        self.older.get(&version).unwrap_or(&self.current)
    }
}

/// What is left to do at the present instant.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) touched: Touched,
    pub(crate) triggers: Vec<Triggered>,
    pub(crate) goals: Vec<GoalEvent>,
    pub(crate) steps: BTreeSet<Arc<str>>,
    pub(crate) gate: BTreeSet<MessageId>,
    /// Tasks that a new definition or a new member may release.
    pub(crate) held_of: HashSet<CustomerId>,
    /// Room for what is asked of one customer, and for the segments that they entered or left.
    pub(crate) asking: Asking,
    pub(crate) changed: Vec<(usize, bool)>,
}

/// What was touched of whom, until it is settled.
#[derive(Default)]
pub(crate) struct Touched(Vec<(CustomerId, Touch)>);

impl Touched {
    pub(crate) fn add(&mut self, id: CustomerId, touch: Touch) {
        self.0.push((id, touch));
    }

    /// What was touched of one is touched of another.
    pub(crate) fn hand_over(&mut self, from: CustomerId, to: CustomerId) {
        self.0.iter_mut().filter(|(id, _)| *id == from).for_each(|(id, _)| *id = to);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn people(&self) -> impl Iterator<Item = CustomerId> {
        self.0.iter().map(|(id, _)| *id)
    }

    /// Takes everything out, in the order of ids, each once.
    pub(crate) fn take(&mut self) -> Vec<(CustomerId, Touch)> {
        let mut all = std::mem::take(&mut self.0);
        all.sort_unstable_by_key(|(id, _)| *id);
        all.dedup_by(|(id, touch), (first, whole)| {
            let is_same = id == first;
            if is_same {
                whole.add(std::mem::take(touch));
            }
            is_same
        });
        all
    }

    /// Gives back what was taken and is empty now, so that its room serves again.
    pub(crate) fn keep_room(&mut self, taken: Vec<(CustomerId, Touch)>) {
        if self.0.is_empty() {
            self.0 = taken;
        }
    }
}

impl Work {
    pub(crate) fn is_done(&self) -> bool {
        !self.comes_before_the_gate() && self.gate.is_empty() && self.held_of.is_empty()
    }

    /// Whether something is left that may bring more messages to the gate at this instant.
    pub(crate) fn comes_before_the_gate(&self) -> bool {
        !(self.touched.is_empty() && self.triggers.is_empty() && self.goals.is_empty() && self.steps.is_empty())
    }
}

/// A message that went, or is going, to an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Addressed {
    pub(crate) customer: CustomerId,
    /// When it went; none: it is on its way or held.
    pub(crate) gone_at: Option<Timestamp>,
}

/// The last entry into a campaign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entered {
    pub(crate) at: Timestamp,
    /// For which of several occasions.
    pub(crate) occasion: Option<String>,
}

/// A date of a record as a campaign saw it last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KnownDate {
    pub(crate) written: String,
    /// The instant that it means in the customer's zone.
    pub(crate) at: Timestamp,
}

/// Somebody may enter a campaign.
pub(crate) struct Triggered {
    pub(crate) campaign: Name,
    pub(crate) customer: CustomerId,
    pub(crate) event: Option<Arc<Call>>,
    pub(crate) record: Option<RecordKey>,
    pub(crate) occasion: Option<String>,
}

impl Triggered {
    /// By nothing but membership.
    pub(crate) fn of(campaign: Name, customer: CustomerId) -> Triggered {
        Triggered { campaign, customer, event: None, record: None, occasion: None }
    }
}

/// An event that is the goal of some journey.
pub(crate) struct GoalEvent {
    pub(crate) journey: Arc<str>,
    pub(crate) at: Timestamp,
    pub(crate) worth: Option<(Decimal, Option<String>)>,
}

/// A channel that rests after failures of different addresses in a row.
#[derive(Default, Clone, Debug)]
pub(crate) struct Rest {
    pub(crate) failed: BTreeSet<String>,
    pub(crate) until: Option<Timestamp>,
}

impl Engine {
    /// The last instant that was fully processed.
    pub fn clock(&self) -> Timestamp {
        self.clock
    }

    /// Calls accepted so far, those that wait for the commit included.
    pub fn position(&self) -> Position {
        self.position
    }

    /// How the workspace is run.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The person that a stored customer id means today.
    pub(crate) fn person(&self, id: CustomerId) -> CustomerId {
        CustomerId(self.people.person(id.0))
    }

    #[cfg(feature = "planted-bugs")]
    pub(crate) fn has_bug(&self, bug: PlantedBug) -> bool {
        self.options.planted == Some(bug)
    }
}
