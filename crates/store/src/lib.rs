//! The seam between the engine and whatever keeps its data, in the engine's words.
//!
//! `Store` has one writer; `Reader`s look at what was committed, beside it. `sqlite` is the
//! implementation of one machine. Nothing outside this crate knows SQL.

mod erasure;
pub mod facts;
pub mod history;
mod journal;
pub mod shelf;
pub mod sqlite;

pub use erasure::{Erased, ErasedName, Erasure, Rewrite};
pub use facts::*;
pub use history::{HistoryFile, HistoryLimits, Prepared, TakenFrom};
pub use shelf::{Shelf, Shelved};

use domain::message::Channel;
use domain::{Call, MessageId, Name, Span, Timestamp};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// How long a message that went out counts for caps: the longest window a cap can have is a year.
pub const CAPS_LOOK_BACK: Span = Span::days(366);

/// How long a complaint about a message counts for its campaign.
pub const COMPLAINTS_LOOK_BACK: Span = Span::days(7);

/// What the engine asks of a store. One process, one writer.
pub trait Store: Send {
    /// Everything that cannot be derived from the journal and is still needed, as of the last commit.
    fn recover(&self) -> Result<Recovered, StoreError>;

    /// Whether a commit with calls may be made now. Ask before working on calls: a commit that is refused
    /// costs a `recover`. Errors: `Full` while the disk is nearly full; commits without calls may still go
    /// through then.
    fn may_append(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Makes everything in `commit` durable at once, or nothing.
    ///
    /// After an error nothing of it may be visible; the caller must drop its live state and
    /// `recover`, since it cannot know how far memory ran ahead.
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError>;

    /// Opens a reader of committed data that may be used from another thread.
    fn reader(&self) -> Result<Box<dyn Reader>, StoreError>;

    /// Opens what keeps history in order, to be used from another thread, one at a time.
    fn sealer(&self) -> Result<Box<dyn Sealer>, StoreError>;

    /// Where the engine keeps what it derived from calls and can make again.
    fn shelf(&self) -> Arc<dyn Shelf>;

    /// Puts a prepared file in the place of the rows or files its calls are taken from, in one short transaction.
    ///
    /// Nothing is seen twice or missed, by readers in the middle of a replay either.
    /// Errors leave everything as it was, except that after `Io` nobody knows; both are right, and the next `prepare`
    /// finds out. A file that no longer fits is refused.
    fn adopt(&mut self, prepared: Prepared) -> Result<(), StoreError>;

    /// Takes a person out of journal, history and facts, all of it or nothing, and with it makes `erasure.commit` durable.
    ///
    /// `rewrite` says what becomes of a call that names somebody of `erasure.names`. Places, numbers and counts stay. What
    /// was prepared for history before is refused from now on. No byte of it is left afterwards, in files either, except
    /// where `Erased::is_scrubbed` says that this is still to be done, which the store sees to.
    ///
    /// After an error it was done or it was not; either way the caller must drop its live state and `recover`, as after a
    /// success. O(journal + files that name the person).
    fn erase(&mut self, erasure: &Erasure, rewrite: Rewrite<'_>) -> Result<Erased, StoreError>;
}

/// Seals the older part of the journal into files, and merges small files into larger ones.
pub trait Sealer: Send {
    /// Finds what is worth doing, and does all of it but the last step, which is `Store::adopt`.
    ///
    /// The calls are read, sorted and encoded, and the file is durable. None: nothing is worth doing now. Memory: the calls
    /// of one file.
    ///
    /// Adopt what comes, or drop it, before calling again. Errors: `Full`, `Io`; `Damaged` if what is to be sealed or
    /// merged cannot be read.
    fn prepare(&mut self, limits: &HistoryLimits) -> Result<Option<Prepared>, StoreError>;
}

/// Looks at committed data. Journal rows are those in the journal and those sealed into history, which nobody can tell
/// apart here except by `history`.
pub trait Reader: Send {
    /// Visits every journal row after `after`, in order, up to the last one at the time of the call.
    ///
    /// These are all calls at one position, each once, whatever is committed, sealed or merged meanwhile. Stops at the
    /// first error.
    ///
    /// To stream everything: `replay(RowId(0), …)`. Memory: the calls of one file of history.
    fn replay(
        &self,
        after: RowId,
        visit: &mut dyn FnMut(JournalRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// The journal rows of these numbers, in ascending order; unknown numbers are left out.
    fn rows(&self, rows: &[RowId]) -> Result<Vec<JournalRow>, StoreError>;

    /// Decisions, newest first.
    fn decisions(
        &self,
        filter: &DecisionFilter,
        page: Page,
    ) -> Result<Vec<(u64, domain::message::Decision)>, StoreError>;

    /// The files of history, in the order of their calls. They change when something is sealed or merged.
    fn history(&self) -> Result<Vec<HistoryFile>, StoreError>;

    /// The calls of these rows that are filed under one of `names`, in ascending order.
    ///
    /// A call is filed under its userId, else its anonymousId (`Call::name`). As it stands here it reads whole rows; a
    /// store that can pass over the others does better.
    fn calls_naming(
        &self,
        rows: &[RowId],
        names: &HashSet<Arc<str>>,
    ) -> Result<Vec<(domain::Position, Arc<Call>)>, StoreError> {
        let mut calls = Vec::new();
        for row in self.rows(rows)? {
            for (offset, call) in (0_u64..).zip(row.calls) {
                if names.contains(call.name()) {
                    calls.push((domain::Position(row.first.0 + offset), call));
                }
            }
        }
        Ok(calls)
    }

    /// Number of decisions that the filter lets through. As it stands here it reads them all; a store that can
    /// count does better.
    fn decision_count(&self, filter: &DecisionFilter) -> Result<u64, StoreError> {
        let (mut count, limit) = (0, 1_000);
        loop {
            let page = self.decisions(filter, Page { skip: count, limit })?.len();
            count += page as u64;
            if page < limit as usize {
                return Ok(count);
            }
        }
    }

    /// Messages, the latest outcome first; those that wait to be sent before all.
    fn messages(&self, filter: &MessageFilter, page: Page) -> Result<Vec<domain::message::Message>, StoreError>;

    /// One message with its attempts, oldest first.
    fn message(&self, id: &MessageId) -> Result<Option<(domain::message::Message, Vec<Attempt>)>, StoreError>;

    /// A mail as it went out first, of a message that may have to go out once more; none: it never did.
    fn kept_mail(&self, id: &MessageId) -> Result<Option<String>, StoreError>;

    /// Another reader of the same store, on a connection of its own.
    fn another(&self) -> Result<Box<dyn Reader>, StoreError>;

    /// A reader of the facts as they are committed now, however much is committed later. It keeps the store from tidying
    /// up behind it: drop it soon. Walk the journal through `another`: files of history that are merged away meanwhile are
    /// missing here, and the journal only grows.
    fn at_rest(&self) -> Result<Box<dyn Reader>, StoreError>;

    /// Messages in the order in which they were first decided about, each with its number: those after `after`, at
    /// most `limit`. Without what was written.
    fn messages_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, domain::message::Message)>, StoreError>;

    /// Number of messages by campaign and latest outcome (None: waiting) and reason.
    fn message_counts(&self, campaign: Option<&Name>) -> Result<Vec<MessageCount>, StoreError>;

    /// What was done with a message, in the order of [`domain::message::ReactionKind`].
    fn reactions(&self, id: &MessageId) -> Result<Vec<Reacted>, StoreError>;

    /// What was done with messages, in the order in which it was first done, each with its number: those after `after`, at
    /// most `limit`.
    fn reactions_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, MessageId, Reacted)>, StoreError>;

    /// With how many messages something was done, by campaign and what.
    fn reaction_counts(&self, campaign: Option<&Name>) -> Result<Vec<ReactionCount>, StoreError>;

    /// Who got which variant at steps with `allocate: bandit`, in order, each with its number: those after `after`, at most
    /// `limit`.
    fn assignments_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Assignment)>, StoreError>;

    /// How customers were shared among variants, in the order in which it took effect, each with its number: those after
    /// `after`, at most `limit`.
    fn sharings_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Sharing)>, StoreError>;

    /// Entries and exits of a segment, newest first.
    fn transitions(&self, segment: &Name, page: Page) -> Result<Vec<Transition>, StoreError>;

    /// Tasks: open ones, the one that is due first before and those without a time last, then done ones, the latest first.
    fn tasks(&self, filter: &TaskFilter, page: Page) -> Result<Vec<Task>, StoreError>;

    /// Tasks in the order in which they were opened, each with its number: those after `after`, at most `limit`.
    fn tasks_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Task)>, StoreError>;

    /// Number of open tasks by owner, nobody's first, and of those that are overdue at an instant.
    fn open_tasks(&self, now: Timestamp) -> Result<Vec<OpenTasks>, StoreError>;

    /// Webhooks, newest first.
    fn webhooks(&self, filter: &WebhookFilter, page: Page) -> Result<Vec<Webhook>, StoreError>;

    /// One webhook.
    fn webhook(&self, id: &str) -> Result<Option<Webhook>, StoreError>;

    /// Webhooks in the order in which they were made, each with its number: those after `after`, at most `limit`.
    fn webhooks_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Webhook)>, StoreError>;

    /// Number of webhooks by endpoint and state, in that order.
    fn webhook_counts(&self) -> Result<Vec<WebhookCount>, StoreError>;

    /// Pools of vouchers with imported codes, by name. `since`: from when on what was given is counted apart.
    fn pool_counts(&self, since: Timestamp) -> Result<Vec<PoolCount>, StoreError>;

    /// Exposures of a campaign, oldest first.
    fn exposures(&self, campaign: &Name) -> Result<Vec<Exposure>, StoreError>;

    /// Number of journeys of a campaign ever begun, and of those still inside.
    fn journey_counts(&self, campaign: &Name) -> Result<(u64, u64), StoreError>;

    /// Versions of a definition, newest first.
    fn versions(&self, kind: domain::DefinitionKind, name: &Name) -> Result<Vec<DefinitionVersion>, StoreError>;

    /// What came back about mails, newest first.
    fn reports(&self, filter: &ReportFilter, page: Page) -> Result<Vec<MailReport>, StoreError>;

    /// What came back about mails in the order in which it came, each with its number: those after `after`, at most `limit`.
    fn reports_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, MailReport)>, StoreError>;

    /// Refused calls, newest first.
    fn refused(&self, page: Page) -> Result<Vec<Refused>, StoreError>;

    /// Number of refused calls that are kept, by reason, in no particular order. As it stands here it reads them
    /// all; a store that can count does better.
    fn refused_counts(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let (mut skip, limit) = (0, 200);
        loop {
            let page = self.refused(Page { skip, limit })?;
            let is_last = page.len() < limit as usize;
            skip += page.len() as u64;
            for refused in page {
                *counts.entry(refused.reason).or_default() += 1;
            }
            if is_last {
                return Ok(counts.into_iter().collect());
            }
        }
    }

    /// One refused call.
    fn refused_call(&self, id: u64) -> Result<Option<Refused>, StoreError>;

    /// What was taken at the door, by day (UTC), source and result, newest day first, at most `days` days.
    fn tallies(&self, days: u32) -> Result<Vec<Tally>, StoreError>;

    /// Size of the data on disk, in bytes, where the store has one.
    fn size_bytes(&self) -> Result<u64, StoreError>;
}

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the data directory.
    #[error("another Perennial is using {place} (process {holder}); stop it, or use another --data-dir")]
    Locked {
        /// The directory.
        place: String,
        /// The other process, as far as known.
        holder: String,
    },
    /// The data was written by a newer version.
    #[error(
        "the data in {place} has format {found}, this version knows up to {known}; run the newer Perennial, migrations do not go down"
    )]
    Newer {
        /// The directory.
        place: String,
        /// Its format.
        found: u32,
        /// The newest we know.
        known: u32,
    },
    /// The disk is full, or nearly so.
    #[error("the disk that holds {place} is full; free some space, new events are refused until then")]
    Full {
        /// The directory.
        place: String,
    },
    /// Reading or writing failed.
    #[error("the data could not be {doing}: {reason}")]
    Io {
        /// `read`, `written`, `opened`.
        doing: &'static str,
        /// What the system said.
        reason: String,
    },
    /// What was read cannot be.
    #[error("the data is damaged at {place}: {reason}")]
    Damaged {
        /// Which table or row.
        place: String,
        /// What is wrong.
        reason: String,
    },
}

/// Everything recovered at start beside the journal.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// The last instant that was fully processed.
    pub clock: Timestamp,
    /// Calls committed so far.
    pub position: domain::Position,
    /// Secrets of the workspace, made when the store was created.
    pub secrets: Secrets,
    /// Milliseconds by which a demo's time runs ahead of real time.
    pub clock_offset_ms: i64,
    /// The latest version of each definition that exists.
    pub definitions: Vec<DefinitionVersion>,
    /// What was recorded of campaigns.
    pub campaigns: Vec<CampaignFacts>,
    /// Journeys that are not over: inside, or watched for their goal. And for `again`, the last entry
    /// of those that are over.
    pub journeys: Vec<Journey>,
    /// Messages without a final outcome, and those sent, uncertain or withheld as `would_have_sent` in the
    /// last 366 days (for caps). Of what was written the latter carry the `address_alone`: a year of letters
    /// would not fit in memory.
    pub messages: Vec<domain::message::Message>,
    /// Exposures whose goal window is open.
    pub exposures: Vec<Exposure>,
    /// How variants were shared by what works, in the order in which that took effect.
    pub sharings: Vec<Sharing>,
    /// Who got which of them, in the order of assignment, each with what came of the journey: its exposure, if it has one,
    /// however long ago its window closed.
    pub assignments: Vec<(Assignment, Option<Exposure>)>,
    /// Addresses that may not be written to.
    pub suppressions: Vec<Suppression>,
    /// Webhooks that may still go out, in the order in which they were made. Their bodies are empty: a reader has them.
    pub webhooks: Vec<Webhook>,
    /// Endpoints that are told nothing, by name.
    pub endpoints_off: Vec<EndpointOff>,
    /// Of messages that were sent in the last week and called spam: the campaign, and when they were sent.
    pub complaints: Vec<(Name, Timestamp)>,
    /// When the first message went on a channel.
    pub first_sent: Vec<(Channel, Timestamp)>,
    /// Domains that are let rest, or were and took nothing since, by channel and domain.
    pub resting: Vec<Resting>,
    /// Pools of vouchers with imported codes.
    pub pools: BTreeMap<Name, VoucherPool>,
    /// Keys, revoked ones too.
    pub keys: Vec<Key>,
    /// Names that were erased, by number.
    pub erased: Vec<ErasedName>,
    /// How often somebody was erased: a snapshot from before is none of this data.
    pub erasures: u64,
}

/// What one commit makes durable, all of it or nothing.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Calls to append to the journal, in order. They fill rows of `ROW_CALLS`; the last one may be
    /// smaller, and the next commit begins a new row.
    pub calls: Vec<std::sync::Arc<Call>>,
    /// Calls accepted in all after this commit: those before, and `calls`. Anything else is an error.
    pub position: domain::Position,
    /// The instant up to which everything due was done.
    pub clock: Timestamp,
    /// A demo's time moved.
    pub clock_offset_ms: Option<i64>,
    /// Entries and exits.
    pub transitions: Vec<Transition>,
    /// Outcomes reached.
    pub decisions: Vec<domain::message::Decision>,
    /// Messages new or changed, by id. One without `written`, or with the `address_alone`, leaves what was
    /// written as it is.
    pub messages: Vec<domain::message::Message>,
    /// Attempts new or changed, by message and number; those of a message that is not there are passed over. When one began
    /// is written once. That the body of the present attempt is about to go out need not be said by the message as well.
    pub attempts: Vec<Attempt>,
    /// What was done with messages; one that is not there is passed over.
    pub reactions: Vec<Reaction>,
    /// Mails as they are about to go out, of messages that may have to go out once more. One that is kept stays as it is.
    pub kept_mails: Vec<(MessageId, Arc<str>)>,
    /// Journeys new or changed, by id.
    pub journeys: Vec<Journey>,
    /// Tasks new or changed, by id.
    pub tasks: Vec<Task>,
    /// Ids of tasks that were done, and when; unknown ones and those done before stay as they are.
    pub tasks_done: Vec<(Arc<str>, Timestamp)>,
    /// Webhooks made, by id; one that exists stays as it is.
    pub webhooks: Vec<Webhook>,
    /// How far webhooks have come, by id; unknown ones are passed over.
    pub webhook_progress: Vec<(Arc<str>, WebhookProgress)>,
    /// Endpoints turned off, or on again.
    pub endpoints: Vec<EndpointChange>,
    /// Codes imported into pools; one that exists is an error.
    pub codes: Vec<VoucherCode>,
    /// Codes given, those of `codes` among them; one that is not there or was given before is an error.
    pub codes_given: Vec<VoucherGiven>,
    /// Exposures new or changed, by journey.
    pub exposures: Vec<Exposure>,
    /// How variants are shared from now on, in this order.
    pub sharings: Vec<Sharing>,
    /// Who got which variant, by message; one that is known stays as it is.
    pub assignments: Vec<Assignment>,
    /// Facts of campaigns new or changed, by name.
    pub campaigns: Vec<CampaignFacts>,
    /// New versions of definitions; one without value deletes. A version that exists is an error.
    pub definitions: Vec<DefinitionVersion>,
    /// When the first message went on a channel; one that is known stays as it is.
    pub first_sent: Vec<(Channel, Timestamp)>,
    /// Domains that begin to rest, or take something again.
    pub rests: Vec<RestChange>,
    /// Addresses suppressed, or lifted.
    pub suppressions: Vec<SuppressionChange>,
    /// What came back about mails, by id; one that is kept stays as it is.
    pub reports: Vec<MailReport>,
    /// Calls refused at the door. Their `id` is given by the store (0 here).
    pub refused: Vec<Refused>,
    /// Refused calls that were replayed or dismissed.
    pub refused_gone: Vec<u64>,
    /// Keys new or changed, by id.
    pub keys: Vec<Key>,
    /// Numbers to add to the tallies.
    pub tallies: BTreeMap<TallyKey, u64>,
}

impl Commit {
    /// Errors unless this commit is the next one after `position` calls.
    pub fn check_follows(&self, position: domain::Position) -> Result<(), StoreError> {
        let count = self.calls.len() as u64;
        if position.0.checked_add(count) == Some(self.position.0) {
            return Ok(());
        }
        let reason = format!(
            "a commit of {count} calls up to position {} does not follow position {}",
            self.position.0, position.0
        );
        Err(StoreError::Io { doing: "written", reason })
    }

    /// Leaves of each journey, message, webhook and exposure that changed several times only how it is in the end, at the place
    /// where it was first: what is in between nobody can ever see, and writing it costs as much.
    pub fn keep_latest(&mut self) {
        keep_latest(&mut self.journeys, |journey| journey.id.clone(), |_, _| ());
        keep_latest(&mut self.webhook_progress, |(id, _)| id.clone(), |_, _| ());
        keep_latest(&mut self.exposures, |exposure| exposure.journey.clone(), |_, _| ());
        keep_latest(
            &mut self.messages,
            |message| message.id.0.clone(),
            |older, newer| {
                let is_whole = newer.written.as_ref().is_some_and(|written| !is_address_alone(written));
                if !is_whole && older.written.is_some() {
                    newer.written = older.written.take();
                }
            },
        );
    }

    /// Whether nothing is in it that would have to be written. The clock alone is not worth a commit.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
            && self.clock_offset_ms.is_none()
            && self.transitions.is_empty()
            && self.decisions.is_empty()
            && self.messages.is_empty()
            && self.attempts.is_empty()
            && self.reactions.is_empty()
            && self.kept_mails.is_empty()
            && self.journeys.is_empty()
            && self.tasks.is_empty()
            && self.tasks_done.is_empty()
            && self.webhooks.is_empty()
            && self.webhook_progress.is_empty()
            && self.endpoints.is_empty()
            && self.codes.is_empty()
            && self.codes_given.is_empty()
            && self.exposures.is_empty()
            && self.sharings.is_empty()
            && self.assignments.is_empty()
            && self.campaigns.is_empty()
            && self.definitions.is_empty()
            && self.first_sent.is_empty()
            && self.rests.is_empty()
            && self.suppressions.is_empty()
            && self.reports.is_empty()
            && self.refused.is_empty()
            && self.refused_gone.is_empty()
            && self.keys.is_empty()
            && self.tallies.is_empty()
    }
}

/// Keeps the last of the items with one id. `inherit`: what the newer takes over from the older.
fn keep_latest<T>(items: &mut Vec<T>, id_of: impl Fn(&T) -> Arc<str>, inherit: impl Fn(&mut T, &mut T)) {
    if items.len() < 2 {
        return;
    }
    let mut places: HashMap<Arc<str>, usize> = HashMap::with_capacity(items.len());
    let mut kept: Vec<T> = Vec::with_capacity(items.len());
    for mut item in items.drain(..) {
        match places.entry(id_of(&item)) {
            Entry::Occupied(place) => {
                let older = &mut kept[*place.get()];
                inherit(older, &mut item);
                *older = item;
            }
            Entry::Vacant(free) => {
                free.insert(kept.len());
                kept.push(item);
            }
        }
    }
    *items = kept;
}
