//! Facts that are kept beside the journal, as the engine sees them.

use domain::message::{Because, Channel, Outcome, Phase, ReactionKind, ReportKind, Written};
use domain::{Call, CustomerId, DefinitionKind, MessageId, Money, Name, Position, Timestamp, Trust};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The number of a journal row, from 1. A row is a batch of calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct RowId(pub u64);

/// Most calls in one journal row.
pub const ROW_CALLS: usize = 1_000;

/// A batch of calls as committed.
#[derive(Clone, Debug)]
pub struct JournalRow {
    /// Its number.
    pub id: RowId,
    /// Position of its first call.
    pub first: Position,
    /// The calls in order.
    pub calls: Vec<Arc<Call>>,
}

/// Secrets of a workspace.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secrets {
    /// Signs links in messages.
    pub link_key: [u8; 32],
    /// Keys the hash of message ids, so that nobody can make two collide.
    pub dedupe_key: [u8; 16],
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(***)")
    }
}

/// Somebody entered or left a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transition {
    /// The segment.
    pub segment: Name,
    /// Who.
    pub customer: CustomerId,
    /// When, to the millisecond.
    pub at: Timestamp,
    /// Entered, or left.
    pub entered: bool,
}

/// One attempt to send a message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// Of which message.
    pub message: MessageId,
    /// 1 for the first.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How far it came.
    pub phase: Phase,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended: `sent`, `put_off`, `rejected`, `no_reply`.
    pub result: Option<String>,
    /// The receiver's words, at most 500 characters.
    pub reply: Option<String>,
}

/// What `Recovered` holds of a letter that went out: to whom, with all parts empty.
pub fn address_alone(written: &Written) -> Written {
    Written {
        to: written.to.clone(),
        to_name: written.to_name.clone(),
        subject: String::new(),
        text: String::new(),
        html: None,
        unsubscribe_path: String::new(),
        url: None,
        icon: None,
    }
}

/// Whether a letter is such an address, whose parts are only on disk.
pub fn is_address_alone(written: &Written) -> bool {
    *written == address_alone(written)
}

/// Somebody's way through a campaign.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Journey {
    /// Unique: made from campaign, customer, key and instant of entry.
    pub id: Arc<str>,
    /// Through which campaign.
    pub campaign: Name,
    /// Whose.
    pub customer: CustomerId,
    /// For which key.
    pub key: Option<String>,
    /// When it began.
    pub entered_at: Timestamp,
    /// The version of the campaign it follows.
    pub version: u32,
    /// Index of the step it stands at.
    pub step: u32,
    /// What it does there.
    pub stage: Stage,
    /// For `waiting`: until when.
    pub until: Option<Timestamp>,
    /// The message of the step, while one is decided about.
    pub message: Option<MessageId>,
    /// Properties of the event that let in, as JSON.
    pub trigger: Option<String>,
    /// The record that let in.
    pub record: Option<RecordKey>,
    /// Which of several occasions let in: the local date of a trait's date, the record's date as written, the local time
    /// of a schedule.
    pub occasion: Option<String>,
    /// For `waiting`: since when.
    pub waits_since: Option<Timestamp>,
    /// Ids of the steps that reached somebody or gave something: an edit that moves back repeats none of them.
    pub done: Vec<String>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Which record.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct RecordKey {
    /// Its kind.
    pub kind: Arc<str>,
    /// Its recordId.
    pub id: Arc<str>,
}

/// Something for a person to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Made from journey and step.
    pub id: Arc<str>,
    /// About whom.
    pub customer: CustomerId,
    /// By which campaign.
    pub campaign: Name,
    /// At which step.
    pub step: String,
    /// What is to be done.
    pub title: String,
    /// Whose it is.
    pub owner: Option<String>,
    /// Until when.
    pub due: Option<Timestamp>,
    /// The template that helps to begin.
    pub draft: Option<Name>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was done.
    pub completed_at: Option<Timestamp>,
}

/// A code that was imported into a pool of vouchers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VoucherCode {
    /// What the customer shows: unique over all pools.
    pub code: Arc<str>,
    /// The pool's name in campaigns.
    pub pool: Name,
    /// When it was imported.
    pub added_at: Timestamp,
}

/// A code of a pool that was given to somebody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VoucherGiven {
    /// Which.
    pub code: Arc<str>,
    /// To whom.
    pub customer: CustomerId,
    /// By which campaign.
    pub campaign: Name,
    /// At which step.
    pub step: String,
    /// When.
    pub at: Timestamp,
}

/// A pool as it is recovered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VoucherPool {
    /// Codes that are left, in the order in which they are given.
    pub left: Vec<Arc<str>>,
    /// Codes that were given.
    pub given: Vec<Arc<str>>,
}

/// A pool in numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolCount {
    /// Its name.
    pub pool: Name,
    /// Codes that are left.
    pub left: u64,
    /// Codes that were given.
    pub given: u64,
    /// Of these, those given from the asked instant on.
    pub given_since: u64,
    /// When codes were imported last.
    pub added_at: Timestamp,
}

/// Something that another system is to be told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Webhook {
    /// Made from journey and step: the webhook-id of every attempt.
    pub id: Arc<str>,
    /// About whom.
    pub customer: CustomerId,
    /// By which campaign.
    pub campaign: Name,
    /// At which step.
    pub step: String,
    /// The name under which its address is configured.
    pub endpoint: Name,
    /// The event's name.
    pub event: String,
    /// What is handed over, as JSON: the same bytes at every attempt.
    pub body: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// How far it has come.
    pub progress: WebhookProgress,
}

/// How far a webhook has come: all of it that ever changes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WebhookProgress {
    /// Where it stands.
    pub state: WebhookState,
    /// Attempts begun so far.
    pub attempts: u32,
    /// For `waiting`: when it may be tried.
    pub due: Option<Timestamp>,
    /// When the latest attempt began.
    pub tried_at: Option<Timestamp>,
    /// When it came to its end.
    pub ended_at: Option<Timestamp>,
    /// After this instant it is not tried again.
    pub expires: Timestamp,
    /// What came of the latest attempt, in words, at most 500 characters.
    pub reply: Option<String>,
}

/// Where a webhook stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookState {
    /// To be tried when it is due.
    Waiting,
    /// An attempt is under way.
    Trying,
    /// The endpoint has it.
    Done,
    /// The endpoint never took it.
    GaveUp,
    /// Its endpoint was not configured when it was made: nothing left this machine, or will.
    Kept,
}

impl WebhookState {
    /// Every state.
    pub const ALL: [WebhookState; 5] =
        [WebhookState::Waiting, WebhookState::Trying, WebhookState::Done, WebhookState::GaveUp, WebhookState::Kept];

    /// Whether it may still go out.
    pub fn is_open(self) -> bool {
        matches!(self, WebhookState::Waiting | WebhookState::Trying)
    }

    /// The word in tables and pages.
    pub fn word(self) -> &'static str {
        match self {
            WebhookState::Waiting => "waiting",
            WebhookState::Trying => "trying",
            WebhookState::Done => "done",
            WebhookState::GaveUp => "gave_up",
            WebhookState::Kept => "kept",
        }
    }

    /// Finds it by its word.
    pub fn find(word: &str) -> Option<WebhookState> {
        WebhookState::ALL.into_iter().find(|it| it.word() == word)
    }
}

/// An endpoint that said that it wants to hear nothing any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EndpointOff {
    /// Which.
    pub name: Name,
    /// Since when.
    pub at: Timestamp,
    /// Its words.
    pub reason: String,
}

/// A change of the endpoints that are told nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EndpointChange {
    /// From now on it is told nothing.
    Off(EndpointOff),
    /// A person turned it on again.
    On(Name),
}

/// What a journey does at its step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A step is due.
    Due,
    /// Waits for time.
    Waiting,
    /// Its message is held, queued or being sent.
    Messaging,
    /// All steps are done.
    Finished,
    /// Left by `exit_if`, by the end of the campaign or by a merge.
    Exited,
    /// Reached the goal.
    Converted,
}

impl Stage {
    /// Whether the customer is still inside.
    pub fn is_inside(self) -> bool {
        matches!(self, Stage::Due | Stage::Waiting | Stage::Messaging)
    }

    /// The word in tables and pages.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Due => "due",
            Stage::Waiting => "waiting",
            Stage::Messaging => "messaging",
            Stage::Finished => "finished",
            Stage::Exited => "exited",
            Stage::Converted => "converted",
        }
    }

    /// Finds it by its word.
    pub fn find(word: &str) -> Option<Stage> {
        [Stage::Due, Stage::Waiting, Stage::Messaging, Stage::Finished, Stage::Exited, Stage::Converted]
            .into_iter()
            .find(|it| it.word() == word)
    }
}

/// To which side of the comparison somebody belongs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// Got, or was meant to get, the message.
    Messaged,
    /// Kept out, to compare.
    HeldOut,
}

impl Arm {
    /// The word in tables and pages.
    pub fn word(self) -> &'static str {
        match self {
            Arm::Messaged => "messaged",
            Arm::HeldOut => "held_out",
        }
    }

    /// Finds it by its word.
    pub fn find(word: &str) -> Option<Arm> {
        [Arm::Messaged, Arm::HeldOut].into_iter().find(|it| it.word() == word)
    }
}

/// A journey whose draw took effect, and what the customer did in the goal's window.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Exposure {
    /// The journey.
    pub journey: Arc<str>,
    /// Of which campaign.
    pub campaign: Name,
    /// Whose.
    pub customer: CustomerId,
    /// Which side.
    pub arm: Arm,
    /// When the draw took effect: the message went, or would have gone.
    pub at: Timestamp,
    /// Goal events count up to and with this instant.
    pub until: Timestamp,
    /// When the first goal event happened.
    pub came_back_at: Option<Timestamp>,
    /// Goal events in the window.
    pub goals: u32,
    /// Their worth, a sum per currency.
    pub worth: Vec<Money>,
}

/// How customers are shared among the variants of a step with `allocate: bandit`, from an instant on until the next.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sharing {
    /// Of which campaign.
    pub campaign: Name,
    /// At which step of it.
    pub step: String,
    /// Of which comparison: the number of the campaign's draw.
    pub draw: u32,
    /// From when on.
    pub since: Timestamp,
    /// The variants, in the order of the definition.
    pub variants: Vec<VariantShare>,
}

/// The share of one variant, and what it was worked out from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VariantShare {
    /// Which variant.
    pub variant: Arc<str>,
    /// Its part of the sum of all.
    pub share: u32,
    /// Customers whose window was over then.
    pub customers: u64,
    /// Of these, those who reached the goal.
    pub came_back: u64,
}

/// A customer's variant at a step with `allocate: bandit`, and with which chances it was drawn.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Assignment {
    /// By which message.
    pub message: MessageId,
    /// In which journey.
    pub journey: Arc<str>,
    /// Of which campaign.
    pub campaign: Name,
    /// At which step of it.
    pub step: String,
    /// Of which comparison.
    pub draw: u32,
    /// Who.
    pub customer: CustomerId,
    /// When.
    pub at: Timestamp,
    /// Which variant.
    pub variant: Arc<str>,
    /// Every variant that could be drawn, with its part of the sum of all.
    pub shares: Arc<[(Arc<str>, u32)]>,
}

/// What is recorded of a campaign beside its definition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CampaignFacts {
    /// Which.
    pub name: Name,
    /// When it was first defined: triggers before do not count.
    pub started_at: Timestamp,
    /// Raised by "start a new comparison".
    pub draw: u32,
    /// When the present comparison began: with the campaign, or when somebody started a new one.
    pub compared_since: Timestamp,
    /// Current version of its definition.
    pub version: u32,
    /// Paused since.
    pub paused_at: Option<Timestamp>,
    /// Stopped since.
    pub stopped_at: Option<Timestamp>,
}

/// A version of a definition.
#[derive(Clone, PartialEq, Debug)]
pub struct DefinitionVersion {
    /// Its kind.
    pub kind: DefinitionKind,
    /// Its name.
    pub name: Name,
    /// From 1.
    pub version: u32,
    /// When it was saved.
    pub at: Timestamp,
    /// By whom: a user, a file, `demo`.
    pub by: String,
    /// The definition as JSON; none: deleted.
    pub value: Option<serde_json::Value>,
}

/// Something that was done with a mail that arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reaction {
    /// With which.
    pub message: MessageId,
    /// What, and by whom.
    pub kind: ReactionKind,
    /// When.
    pub at: Timestamp,
}

/// What was done with one message, of one kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reacted {
    /// What, and by whom.
    pub kind: ReactionKind,
    /// When first.
    pub first_at: Timestamp,
    /// When last.
    pub last_at: Timestamp,
    /// How often.
    pub times: u32,
}

/// Number of messages with which something was done, each counted once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReactionCount {
    /// Of which campaign.
    pub campaign: Name,
    /// What, and by whom.
    pub kind: ReactionKind,
    /// How many messages.
    pub messages: u64,
}

/// A receiving domain that is let rest, after it took nothing or asked for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resting {
    /// On which channel.
    pub channel: Channel,
    /// Which domain; empty on channels that have none.
    pub domain: Arc<str>,
    /// Rests in a row, none taken in between.
    pub in_a_row: u32,
    /// Until when.
    pub until: Timestamp,
}

/// A change of the domains that rest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RestChange {
    /// It rests from now on, or longer.
    Begins(Resting),
    /// It took something.
    Ends(Channel, Arc<str>),
}

/// An address that may not be written to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Suppression {
    /// The address, normalised.
    pub address: String,
    /// Since when.
    pub at: Timestamp,
    /// Why: the receiver's words.
    pub reason: String,
}

/// What came back about a mail, from whichever server. One that says of which message it is keeps no bytes: what follows
/// from it stands in the customer's history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MailReport {
    /// Made of its bytes: the same report twice is one.
    pub id: Arc<str>,
    /// When it came.
    pub at: Timestamp,
    /// What it says.
    pub kind: ReportKind,
    /// Of which message; none: nobody knows.
    pub message: Option<MessageId>,
    /// To whom that went.
    pub customer: Option<CustomerId>,
    /// Of which recipient, as it says itself.
    pub address: Option<String>,
    /// Its status, such as 5.1.1.
    pub status: Option<String>,
    /// The other server's words, at most 500 characters.
    pub words: String,
    /// The report as it came, at most 16 KB of it, where nobody knows of which message it is.
    pub raw: String,
}

/// Reports that say not of which message they are are kept: so many of the newest.
pub const UNMATCHED_KEPT: u32 = 1_000;

/// Which reports.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "filters by the field of the same name")]
pub struct ReportFilter {
    pub id: Option<Arc<str>>,
    pub message: Option<MessageId>,
    /// Only those whose message is known, or only the others.
    pub matched: Option<bool>,
}

/// A change of the suppressions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SuppressionChange {
    /// From now on nothing is sent there.
    Add(Suppression),
    /// A person lifted it.
    Lift(String),
}

/// A call that was refused at the door.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// Given by the store, from 1.
    pub id: u64,
    /// When it arrived.
    pub at: Timestamp,
    /// From which source.
    pub source: String,
    /// With what trust.
    pub trust: Trust,
    /// A stable word, such as `no_customer`.
    pub reason: String,
    /// What is wrong, where, and what to do.
    pub message: String,
    /// The call as it came, at most 16 KB of it.
    pub raw: String,
}

/// A write key. The key itself is shown once and never stored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Key {
    /// Its public part.
    pub id: String,
    /// SHA-256 of the key.
    pub hash: Vec<u8>,
    /// Browser or server.
    pub trust: Trust,
    /// Name of the source.
    pub source: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// What became of a call at the door.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reception {
    /// Committed.
    Accepted,
    /// Known already.
    Duplicate,
    /// Known already, with other content.
    DuplicateDiffers,
    /// Refused with a reason.
    Refused,
}

impl Reception {
    /// The word in tables and pages.
    pub fn word(self) -> &'static str {
        match self {
            Reception::Accepted => "accepted",
            Reception::Duplicate => "duplicate",
            Reception::DuplicateDiffers => "duplicate_differs",
            Reception::Refused => "refused",
        }
    }

    /// Finds it by its word.
    pub fn find(word: &str) -> Option<Reception> {
        [Reception::Accepted, Reception::Duplicate, Reception::DuplicateDiffers, Reception::Refused]
            .into_iter()
            .find(|it| it.word() == word)
    }
}

/// What a tally counts.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TallyKey {
    /// Days since 1970-01-01, UTC.
    pub day: i32,
    /// Which source.
    pub source: Arc<str>,
    /// What became of the calls.
    pub reception: Reception,
    /// For refused ones: why.
    pub reason: Option<String>,
}

/// A tally.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally {
    /// What it counts.
    pub key: TallyKey,
    /// How many.
    pub count: u64,
}

/// A page of a list: those after the cursor, at most `limit` (1 to 1,000).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// Offset of the first row.
    pub skip: u64,
    /// Most rows.
    pub limit: u32,
}

/// Which decisions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "filters by the field of the same name")]
pub struct DecisionFilter {
    pub customer: Option<CustomerId>,
    pub campaign: Option<Name>,
    pub outcome: Option<Outcome>,
    pub because: Option<Because>,
    pub message: Option<MessageId>,
}

/// Which messages.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "filters by the field of the same name")]
pub struct MessageFilter {
    pub customer: Option<CustomerId>,
    pub campaign: Option<Name>,
    pub outcome: Option<Outcome>,
    pub because: Option<Because>,
    /// Only those that wait to be sent.
    pub waiting: bool,
}

/// Which tasks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "filters by the field of the same name")]
pub struct TaskFilter {
    pub id: Option<Arc<str>>,
    pub customer: Option<CustomerId>,
    pub campaign: Option<Name>,
    pub owner: Option<String>,
    /// Only those that are not done, or only those that are.
    pub open: Option<bool>,
}

/// Tasks that are not done, of one owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenTasks {
    /// Whose they are; none: nobody's in particular.
    pub owner: Option<String>,
    /// How many.
    pub count: u64,
    /// Of these, those whose time is over.
    pub overdue: u64,
}

/// Which webhooks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "filters by the field of the same name")]
pub struct WebhookFilter {
    pub customer: Option<CustomerId>,
    pub campaign: Option<Name>,
    pub state: Option<WebhookState>,
}

/// Number of webhooks alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookCount {
    /// To which endpoint.
    pub endpoint: Name,
    /// Where they stand.
    pub state: WebhookState,
    /// How many.
    pub count: u64,
}

/// Number of messages alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageCount {
    /// Of which campaign.
    pub campaign: Name,
    /// Latest outcome; none: waiting.
    pub outcome: Option<Outcome>,
    /// Its reason.
    pub because: Option<Because>,
    /// How many.
    pub count: u64,
}
