//! A store in memory that survives simulated crashes, and fails when told to.
//!
//! `MemoryDisk` is what outlasts a crash; a `MemoryStore` is one run of the process on it. A commit costs
//! what is in it, not what is there already: a simulation makes thousands.

use crate::memory_history::MemoryHistory;
use domain::message::{Channel, Decision, Message, Outcome, Phase, ReactionKind, ReportKind};
use domain::{DefinitionKind, MessageId, Name, Position, Timestamp};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::shelf::MemoryShelf;
use store::{
    Assignment, Attempt, CAPS_LOOK_BACK, COMPLAINTS_LOOK_BACK, CampaignFacts, Commit, DecisionFilter,
    DefinitionVersion, EndpointChange, EndpointOff, Erased, ErasedName, Erasure, Exposure, HistoryFile, HistoryLimits,
    JournalRow, Journey, Key, MailReport, MessageCount, MessageFilter, OpenTasks, Page, PoolCount, Prepared, ROW_CALLS,
    Reacted, Reaction, ReactionCount, Reader, Recovered, Refused, ReportFilter, RestChange, Resting, Rewrite, RowId,
    Sealer, Secrets, Sharing, Store, StoreError, Suppression, SuppressionChange, Tally, TallyKey, Task, TaskFilter,
    Transition, UNMATCHED_KEPT, VoucherCode, VoucherGiven, VoucherPool, Webhook, WebhookCount, WebhookFilter,
    address_alone, is_address_alone,
};

/// What goes wrong at a commit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// An I/O error; nothing is durable, and the process goes on.
    CommitFails,
    /// The process dies before the commit is durable. The store answers nothing more until it is opened again.
    CommitLost,
    /// The commit is durable, but an error is returned: the caller does not know. The process goes on.
    CommitUnacknowledged,
    /// The disk is full: commits with calls are refused, nothing is durable. A commit without calls goes
    /// through and leaves the fault for the next one with calls.
    Full,
}

/// Refused calls that are kept: so many of the newest.
const REFUSED_KEPT: u64 = 10_000;
/// And no longer than this.
const REFUSED_FOR: domain::Span = domain::Span::days(30);

/// The durable part: what is there after a crash. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Disk>>);

#[derive(Clone, Default)]
struct Disk {
    secrets: Option<Secrets>,
    clock: Timestamp,
    clock_offset_ms: i64,
    position: Position,
    /// The journal; rows before it are in history.
    rows: Vec<JournalRow>,
    history: MemoryHistory,
    definitions: BTreeMap<(&'static str, Name), Vec<DefinitionVersion>>,
    campaigns: BTreeMap<Name, CampaignFacts>,
    journeys: Listed<Arc<str>, Journey>,
    messages: Listed<MessageId, Message>,
    attempts: HashMap<MessageId, BTreeMap<u32, Attempt>>,
    kept_mails: HashMap<MessageId, Arc<str>>,
    reactions: Listed<(MessageId, ReactionKind), Reacted>,
    decisions: Vec<Decision>,
    transitions: Vec<Transition>,
    exposures: Listed<Arc<str>, Exposure>,
    sharings: Vec<Sharing>,
    assignments: Listed<MessageId, Assignment>,
    tasks: Listed<Arc<str>, Task>,
    webhooks: Listed<Arc<str>, Webhook>,
    endpoints_off: BTreeMap<Name, EndpointOff>,
    codes: Vec<(VoucherCode, Option<VoucherGiven>)>,
    suppressions: BTreeMap<String, Suppression>,
    refused: BTreeMap<u64, Refused>,
    refused_ever: u64,
    reports: Listed<Arc<str>, MailReport>,
    first_sent: BTreeMap<Channel, Timestamp>,
    resting: BTreeMap<(Channel, Arc<str>), Resting>,
    keys: BTreeMap<String, Key>,
    tallies: BTreeMap<TallyKey, u64>,
    erased: Vec<ErasedName>,
    erasures: u64,
    fault: Option<Fault>,
    crash_at: Option<u64>,
    crash_points: u64,
    full: bool,
    shelf: MemoryShelf,
}

/// Things found by their id, in the order in which they were first put.
#[derive(Clone)]
struct Listed<I, T> {
    places: HashMap<I, usize>,
    items: Vec<T>,
}

impl<I, T> Default for Listed<I, T> {
    fn default() -> Self {
        Listed { places: HashMap::new(), items: Vec::new() }
    }
}

impl<I: std::hash::Hash + Eq, T> Listed<I, T> {
    /// Takes out those that are not wanted. `id_of` gives the id under which an item was put.
    fn retain(&mut self, id_of: impl Fn(&T) -> I, is_wanted: impl Fn(&T) -> bool) {
        self.items.retain(is_wanted);
        self.places = self.items.iter().enumerate().map(|(place, item)| (id_of(item), place)).collect();
    }

    fn get(&self, id: &I) -> Option<&T> {
        self.places.get(id).map(|place| &self.items[*place])
    }

    fn put(&mut self, id: I, item: T) {
        match self.places.get(&id) {
            Some(place) => self.items[*place] = item,
            None => {
                self.places.insert(id, self.items.len());
                self.items.push(item);
            }
        }
    }
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> MemoryDisk {
        MemoryDisk::default()
    }

    /// The next commit meets this fault.
    pub fn fail_next(&self, fault: Fault) {
        self.lock().fault = Some(fault);
    }

    /// Until further notice, commits with calls are refused with `Full`.
    pub fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// The process dies at the crash point of this number, counted from 1 over the life of the disk.
    ///
    /// Each commit has two, as has the adoption of a file of history: before it is durable, and after it, before it is
    /// acknowledged. A file has one more, between being written and being adopted. To try every
    /// crash of a run, repeat it with 1, 2, 3 … until it ends with fewer `crash_points`.
    pub fn crash_at(&self, point: u64) {
        self.lock().crash_at = Some(point);
    }

    /// Files of history that no transaction has adopted.
    pub fn orphans(&self) -> usize {
        self.lock().history.orphans()
    }

    /// Everything on the disk in words, to look for what must not be there.
    pub fn dump(&self) -> String {
        let disk = self.lock();
        let mut calls: Vec<String> = disk.history.rows().chain(&disk.rows).map(|row| format!("{row:?}")).collect();
        calls.push(format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            disk.journeys.items,
            disk.tasks.items,
            disk.webhooks.items,
            disk.messages.items,
            disk.attempts,
            disk.kept_mails,
            disk.decisions,
            disk.transitions,
            disk.exposures.items,
            disk.suppressions,
            disk.refused,
            disk.reports.items,
            disk.erased
        ));
        calls.join("\n")
    }

    /// Crash points passed so far.
    pub fn crash_points(&self) -> u64 {
        self.lock().crash_points
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        // A test that panicked with the lock held has failed already; others may go on looking.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One run of a process on a disk. Clones are the same run.
#[derive(Clone)]
pub struct MemoryStore {
    disk: MemoryDisk,
    dead: Arc<std::sync::atomic::AtomicBool>,
}

impl MemoryStore {
    /// Opens the disk, as after a start. Secrets are those of `open_with`, else all zeros.
    pub fn open(disk: MemoryDisk) -> MemoryStore {
        MemoryStore::open_with(disk, Secrets::default())
    }

    /// Opens the disk; the secrets are used only when it is new.
    pub fn open_with(disk: MemoryDisk, created: Secrets) -> MemoryStore {
        disk.lock().secrets.get_or_insert(created);
        disk.lock().history.sweep();
        MemoryStore { disk, dead: Arc::default() }
    }

    fn check_alive(&self) -> Result<(), StoreError> {
        if self.dead.load(std::sync::atomic::Ordering::Relaxed) { Err(crashed()) } else { Ok(()) }
    }

    /// One transaction, with all that can go wrong at it. A full disk refuses only what needs much room, as `change` that
    /// `needs_room`.
    fn make_durable(
        &self,
        needs_room: bool,
        change: impl FnOnce(&mut Disk) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut disk = self.disk.lock();
        if disk.passes_crash_point() {
            return Err(self.die());
        }
        let fault = disk.fault.take_if(|fault| *fault != Fault::Full || needs_room);
        match fault {
            Some(Fault::CommitFails) => return Err(failed("a simulated I/O error")),
            Some(Fault::CommitLost) => return Err(self.die()),
            Some(Fault::Full) => return Err(full()),
            Some(Fault::CommitUnacknowledged) | None => {}
        }
        if disk.full && needs_room {
            return Err(full());
        }
        change(&mut disk)?;
        if disk.passes_crash_point() {
            return Err(self.die());
        }
        match fault {
            Some(_) => Err(failed("a simulated error after the commit was durable")),
            None => Ok(()),
        }
    }

    fn die(&self) -> StoreError {
        self.dead.store(true, std::sync::atomic::Ordering::Relaxed);
        crashed()
    }
}

fn crashed() -> StoreError {
    StoreError::Io { doing: "written", reason: "the simulated process crashed; open the disk again".to_owned() }
}

fn failed(reason: &str) -> StoreError {
    StoreError::Io { doing: "written", reason: reason.to_owned() }
}

fn full() -> StoreError {
    StoreError::Full { place: "memory".to_owned() }
}

impl Store for MemoryStore {
    fn recover(&self) -> Result<Recovered, StoreError> {
        self.check_alive()?;
        Ok(self.disk.lock().recover())
    }

    fn may_append(&self) -> Result<(), StoreError> {
        self.check_alive()?;
        let disk = self.disk.lock();
        if disk.full || disk.fault == Some(Fault::Full) { Err(full()) } else { Ok(()) }
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.check_alive()?;
        let is_refused_when_full = !commit.calls.is_empty();
        self.make_durable(is_refused_when_full, |disk| {
            disk.check(commit)?;
            disk.apply(commit);
            Ok(())
        })
    }

    fn shelf(&self) -> Arc<dyn store::Shelf> {
        Arc::new(self.disk.lock().shelf.clone())
    }

    fn sealer(&self) -> Result<Box<dyn Sealer>, StoreError> {
        self.check_alive()?;
        Ok(Box::new(MemorySealer(self.clone())))
    }

    fn adopt(&mut self, prepared: Prepared) -> Result<(), StoreError> {
        self.check_alive()?;
        self.make_durable(false, |disk| disk.history.adopt(&mut disk.rows, prepared))
    }

    fn erase(&mut self, erasure: &Erasure, rewrite: Rewrite<'_>) -> Result<Erased, StoreError> {
        self.check_alive()?;
        let mut erased = Erased { is_scrubbed: true, ..Erased::default() };
        self.make_durable(false, |disk| {
            disk.check(&erasure.commit)?;
            erased = Erased { is_scrubbed: true, ..disk.erase(erasure, rewrite) };
            Ok(())
        })?;
        Ok(erased)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.check_alive()?;
        Ok(Box::new(MemoryReader(self.disk.clone())))
    }
}

/// Seals for one run of a process.
struct MemorySealer(MemoryStore);

impl Sealer for MemorySealer {
    fn prepare(&mut self, limits: &HistoryLimits) -> Result<Option<Prepared>, StoreError> {
        self.0.check_alive()?;
        let mut disk = self.0.disk.lock();
        if disk.full {
            return Err(full());
        }
        let disk = &mut *disk;
        let prepared = disk.history.prepare(&disk.rows, limits);
        if prepared.is_some() && disk.passes_crash_point() {
            return Err(self.0.die());
        }
        Ok(prepared)
    }
}

impl Disk {
    /// The number of the last row ever committed.
    fn last_row(&self) -> RowId {
        self.rows.last().map_or(self.history.last_row(), |row| row.id)
    }

    fn row(&self, id: RowId) -> Option<JournalRow> {
        let place = self.rows.binary_search_by_key(&id, |row| row.id);
        place.map_or_else(|_| self.history.row(id), |place| Some(self.rows[place].clone()))
    }

    fn passes_crash_point(&mut self) -> bool {
        self.crash_points += 1;
        self.crash_at.take_if(|point| *point == self.crash_points).is_some()
    }

    /// Finds what would make the commit fail, before anything of it is done.
    fn check(&self, commit: &Commit) -> Result<(), StoreError> {
        commit.check_follows(self.position)?;
        let mut new = HashSet::new();
        for definition in &commit.definitions {
            let of = (definition.kind.word(), definition.name.clone());
            let is_known = self
                .definitions
                .get(&of)
                .is_some_and(|versions| versions.iter().any(|it| it.version == definition.version));
            if is_known || !new.insert((of, definition.version)) {
                return Err(failed(&format!("version {} of `{}` exists already", definition.version, definition.name)));
            }
        }
        let mut left: HashSet<&str> =
            self.codes.iter().filter(|(_, given)| given.is_none()).map(|(code, _)| &*code.code).collect();
        for code in &commit.codes {
            let is_known = self.codes.iter().any(|(known, _)| known.code == code.code);
            if is_known || !left.insert(&code.code) {
                return Err(failed(&format!("the code {} exists already", code.code)));
            }
        }
        match commit.codes_given.iter().find(|given| !left.remove(&*given.code)) {
            Some(given) => Err(failed(&format!("the code {} is not left", given.code))),
            None => Ok(()),
        }
    }

    fn apply(&mut self, commit: &Commit) {
        for calls in commit.calls.chunks(ROW_CALLS) {
            let id = RowId(self.last_row().0 + 1);
            self.rows.push(JournalRow { id, first: Position(self.position.0 + 1), calls: calls.to_vec() });
            self.position.0 += calls.len() as u64;
        }
        self.clock = commit.clock;
        self.clock_offset_ms = commit.clock_offset_ms.unwrap_or(self.clock_offset_ms);
        self.transitions.extend_from_slice(&commit.transitions);
        self.decisions.extend_from_slice(&commit.decisions);
        self.apply_sending(commit);
        for journey in &commit.journeys {
            self.journeys.put(journey.id.clone(), journey.clone());
        }
        for task in &commit.tasks {
            self.tasks.put(task.id.clone(), task.clone());
        }
        for (id, at) in &commit.tasks_done {
            if let Some(task) = self.tasks.get(id).cloned() {
                let completed_at = task.completed_at.or(Some(*at));
                self.tasks.put(id.clone(), Task { completed_at, ..task });
            }
        }
        for webhook in &commit.webhooks {
            if self.webhooks.get(&webhook.id).is_none() {
                self.webhooks.put(webhook.id.clone(), webhook.clone());
            }
        }
        for (id, progress) in &commit.webhook_progress {
            if let Some(webhook) = self.webhooks.get(id).cloned() {
                self.webhooks.put(id.clone(), Webhook { progress: progress.clone(), ..webhook });
            }
        }
        for change in &commit.endpoints {
            match change {
                EndpointChange::Off(off) => {
                    self.endpoints_off.entry(off.name.clone()).or_insert_with(|| off.clone());
                }
                EndpointChange::On(name) => drop(self.endpoints_off.remove(name)),
            }
        }
        self.codes.extend(commit.codes.iter().map(|code| (code.clone(), None)));
        for given in &commit.codes_given {
            let code = self.codes.iter_mut().find(|(code, _)| code.code == given.code);
            code.expect("it was checked that the code is left").1 = Some(given.clone());
        }
        for exposure in &commit.exposures {
            self.exposures.put(exposure.journey.clone(), exposure.clone());
        }
        self.sharings.extend(commit.sharings.iter().cloned());
        for assignment in &commit.assignments {
            if self.assignments.get(&assignment.message).is_none() {
                self.assignments.put(assignment.message.clone(), assignment.clone());
            }
        }
        self.campaigns.extend(commit.campaigns.iter().map(|campaign| (campaign.name.clone(), campaign.clone())));
        for definition in &commit.definitions {
            let of = (definition.kind.word(), definition.name.clone());
            let versions = self.definitions.entry(of).or_default();
            versions.push(definition.clone());
            versions.sort_by_key(|it| it.version);
        }
        self.apply_door(commit);
        self.keys.extend(commit.keys.iter().map(|key| (key.id.clone(), key.clone())));
        for (key, count) in &commit.tallies {
            *self.tallies.entry(key.clone()).or_default() += count;
        }
    }

    fn apply_sending(&mut self, commit: &Commit) {
        for message in &commit.messages {
            let mut message = message.clone();
            if message.written.as_deref().is_none_or(is_address_alone) {
                let known = self.messages.get(&message.id).and_then(|known| known.written.clone());
                message.written = known.or(message.written);
            }
            self.messages.put(message.id.clone(), message);
        }
        for (message, mail) in &commit.kept_mails {
            self.kept_mails.entry(message.clone()).or_insert_with(|| mail.clone());
        }
        for attempt in &commit.attempts {
            let Some(message) = self.messages.get(&attempt.message) else { continue };
            let is_present = message.phase == Some(Phase::Started) && message.attempts == attempt.number;
            if attempt.phase == Phase::Data && is_present {
                self.messages.put(message.id.clone(), Message { phase: Some(Phase::Data), ..message.clone() });
            }
            let attempts = self.attempts.entry(attempt.message.clone()).or_default();
            let started_at = attempts.get(&attempt.number).map_or(attempt.started_at, |known| known.started_at);
            attempts.insert(attempt.number, Attempt { started_at, ..attempt.clone() });
        }
        for Reaction { message, kind, at } in &commit.reactions {
            if self.messages.get(message).is_some() {
                let id = (message.clone(), *kind);
                let none = Reacted { kind: *kind, first_at: *at, last_at: *at, times: 0 };
                let known = self.reactions.get(&id).cloned().unwrap_or(none);
                let (first_at, last_at) = (known.first_at.min(*at), known.last_at.max(*at));
                self.reactions.put(id, Reacted { kind: *kind, first_at, last_at, times: known.times + 1 });
            }
        }
        for (channel, at) in &commit.first_sent {
            self.first_sent.entry(*channel).or_insert(*at);
        }
        for change in &commit.rests {
            match change {
                RestChange::Begins(rest) => {
                    self.resting.insert((rest.channel, rest.domain.clone()), rest.clone());
                }
                RestChange::Ends(channel, domain) => {
                    self.resting.remove(&(*channel, domain.clone()));
                }
            }
        }
        for change in &commit.suppressions {
            match change {
                SuppressionChange::Add(suppression) => {
                    self.suppressions.insert(suppression.address.clone(), suppression.clone());
                }
                SuppressionChange::Lift(address) => {
                    self.suppressions.remove(address);
                }
            }
        }
    }

    fn apply_door(&mut self, commit: &Commit) {
        for report in commit.reports.iter() {
            if self.reports.get(&report.id).is_none() {
                self.reports.put(report.id.clone(), report.clone());
            }
        }
        let unmatched: Vec<Arc<str>> =
            self.reports.items.iter().filter(|it| it.message.is_none()).map(|it| it.id.clone()).collect();
        let too_many = unmatched.len().saturating_sub(UNMATCHED_KEPT as usize);
        let gone: HashSet<Arc<str>> = unmatched.into_iter().take(too_many).collect();
        if !gone.is_empty() {
            self.reports.retain(|it| it.id.clone(), |it| !gone.contains(&it.id));
        }
        for refused in &commit.refused {
            self.refused_ever += 1;
            self.refused.insert(self.refused_ever, Refused { id: self.refused_ever, ..refused.clone() });
        }
        if !commit.refused.is_empty() {
            let oldest = self.refused_ever.saturating_sub(REFUSED_KEPT) + 1;
            self.refused = self.refused.split_off(&oldest);
            let since = commit.clock.minus(REFUSED_FOR);
            self.refused.retain(|_, refused| refused.at >= since);
        }
        for id in &commit.refused_gone {
            self.refused.remove(id);
        }
    }

    fn recover(&self) -> Recovered {
        let exposures: Vec<Exposure> =
            self.exposures.items.iter().filter(|exposure| exposure.until >= self.clock).cloned().collect();
        Recovered {
            clock: self.clock,
            position: self.position,
            secrets: self.secrets.clone().unwrap_or_default(),
            clock_offset_ms: self.clock_offset_ms,
            definitions: self
                .definitions
                .values()
                .filter_map(|versions| versions.last())
                .filter(|latest| latest.value.is_some())
                .cloned()
                .collect(),
            campaigns: self.campaigns.values().cloned().collect(),
            journeys: self.recover_journeys(&exposures),
            messages: self.recover_messages(),
            exposures,
            sharings: self.sharings.clone(),
            assignments: self
                .assignments
                .items
                .iter()
                .map(|assignment| (assignment.clone(), self.exposures.get(&assignment.journey).cloned()))
                .collect(),
            suppressions: self.suppressions.values().cloned().collect(),
            webhooks: self
                .webhooks
                .items
                .iter()
                .filter(|webhook| webhook.progress.state.is_open())
                .map(|webhook| Webhook { body: String::new(), ..webhook.clone() })
                .collect(),
            endpoints_off: self.endpoints_off.values().cloned().collect(),
            complaints: self.recover_complaints(),
            first_sent: self.first_sent.iter().map(|(channel, at)| (*channel, *at)).collect(),
            resting: self.resting.values().cloned().collect(),
            pools: self.recover_pools(),
            keys: self.keys.values().cloned().collect(),
            erased: self.erased.clone(),
            erasures: self.erasures,
        }
    }

    fn recover_complaints(&self) -> Vec<(Name, Timestamp)> {
        let since = self.clock.minus(COMPLAINTS_LOOK_BACK);
        let complaints = self.reports.items.iter().filter(|report| report.kind == ReportKind::Complaint);
        let about: HashSet<&MessageId> = complaints.filter_map(|report| report.message.as_ref()).collect();
        let mut found: Vec<(Timestamp, &MessageId, &Name)> = about
            .into_iter()
            .filter_map(|id| self.messages.get(id))
            .filter(|message| message.outcome == Some(Outcome::Sent))
            .filter_map(|message| Some((message.outcome_at?, &message.id, &message.campaign)))
            .filter(|(at, ..)| *at >= since)
            .collect();
        found.sort();
        found.into_iter().map(|(at, _, campaign)| (campaign.clone(), at)).collect()
    }

    fn erase(&mut self, erasure: &Erasure, rewrite: Rewrite<'_>) -> Erased {
        let mut erased = Erased { calls: self.history.erase(erasure, rewrite), ..Erased::default() };
        for row in &mut self.rows {
            if let Some((calls, count)) = erasure.rewrite_row(row, rewrite) {
                row.calls = calls;
                erased.calls += count;
            }
        }
        self.apply(&erasure.commit);
        for message in self.messages.items.iter_mut().filter(|it| erasure.speaks_of(it.customer, it.decided_at)) {
            erased.letters += u64::from(message.written.take().is_some());
            message.detail = None;
            self.kept_mails.remove(&message.id);
            for attempt in self.attempts.get_mut(&message.id).into_iter().flat_map(BTreeMap::values_mut) {
                attempt.reply = None;
            }
        }
        for decision in self.decisions.iter_mut().filter(|it| erasure.speaks_of(it.customer, it.at)) {
            decision.detail = None;
        }
        for journey in self.journeys.items.iter_mut().filter(|it| erasure.speaks_of(it.customer, it.entered_at)) {
            (journey.key, journey.trigger) = (None, None);
            (journey.record, journey.occasion) = (None, None);
        }
        for (_, given) in &mut self.codes {
            if let Some(given) = given.as_mut().filter(|given| erasure.speaks_of(given.customer, given.at)) {
                given.customer = domain::CustomerId(0);
            }
        }
        self.tasks.retain(|it| it.id.clone(), |it| !erasure.speaks_of(it.customer, it.opened_at));
        self.webhooks.retain(|it| it.id.clone(), |it| !erasure.speaks_of(it.customer, it.made_at));
        let before = self.refused.len();
        self.refused.retain(|_, refused| !erasure.is_about(refused));
        erased.refused = (before - self.refused.len()) as u64;
        self.reports.retain(|it| it.id.clone(), |it| !erasure.is_about_report(it));
        self.erased.clone_from(&erasure.erased);
        self.erasures += 1;
        erased
    }

    fn recover_pools(&self) -> BTreeMap<Name, VoucherPool> {
        let mut pools: BTreeMap<Name, VoucherPool> = BTreeMap::new();
        for (code, given) in &self.codes {
            let pool = pools.entry(code.pool.clone()).or_default();
            let list = if given.is_none() { &mut pool.left } else { &mut pool.given };
            list.push(code.code.clone());
        }
        pools
    }

    fn recover_journeys(&self, exposures: &[Exposure]) -> Vec<Journey> {
        let watched: HashSet<&str> = exposures.iter().map(|exposure| &*exposure.journey).collect();
        let mut last: HashMap<_, &Journey> = HashMap::new();
        for journey in self.journeys.items.iter().filter(|journey| !journey.stage.is_inside()) {
            let newest = last.entry((&journey.campaign, journey.customer, &journey.key)).or_insert(journey);
            if journey.entered_at >= newest.entered_at {
                *newest = journey;
            }
        }
        let last: HashSet<&str> = last.into_values().map(|journey| &*journey.id).collect();
        let is_needed = |journey: &&Journey| {
            journey.stage.is_inside() || watched.contains(&*journey.id) || last.contains(&*journey.id)
        };
        self.journeys.items.iter().filter(is_needed).cloned().collect()
    }

    fn recover_messages(&self) -> Vec<Message> {
        let since = self.clock.minus(CAPS_LOOK_BACK);
        let is_open = |message: &&Message| matches!(message.outcome, None | Some(Outcome::Held));
        let counts = |message: &&Message| {
            matches!(message.outcome, Some(Outcome::Sent | Outcome::Uncertain | Outcome::WouldHaveSent))
                && message.outcome_at.is_some_and(|at| at >= since)
        };
        let without_letter = |message: &Message| Message {
            written: message.written.as_deref().map(address_alone).map(Arc::new),
            ..message.clone()
        };
        let open = self.messages.items.iter().filter(is_open).cloned();
        open.chain(self.messages.items.iter().filter(counts).map(without_letter)).collect()
    }
}

/// Looks at a disk. It goes on working after a crash, as a look at the files would.
struct MemoryReader(MemoryDisk);

fn is_wanted<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
    wanted.is_none() || wanted == found
}

/// In the order in which they came, with their numbers from 1.
fn numbered_after<T: Clone>(items: &[T], after: u64, limit: u32) -> Vec<(u64, T)> {
    let later = (1..).zip(items).skip_while(|(number, _)| *number <= after);
    later.take(limit as usize).map(|(number, item)| (number, item.clone())).collect()
}

fn paged<T: Clone>(items: impl Iterator<Item = T>, page: Page) -> Vec<T> {
    items.skip(usize::try_from(page.skip).unwrap_or(usize::MAX)).take(page.limit as usize).collect()
}

/// Their numbers are from 1 in the order of the list.
fn newest_first<T>(items: &[T]) -> impl Iterator<Item = (u64, &T)> {
    (1..=items.len() as u64).rev().zip(items.iter().rev())
}

impl Reader for MemoryReader {
    fn replay(
        &self,
        after: RowId,
        visit: &mut dyn FnMut(JournalRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let end = self.0.lock().last_row();
        for id in (after.0.saturating_add(1)..=end.0).map(RowId) {
            // Visited without the lock: the visitor may look at the disk too, and seal.
            let row = self.0.lock().row(id);
            visit(row.ok_or_else(|| failed(&format!("row {} is gone", id.0)))?)?;
        }
        Ok(())
    }

    fn rows(&self, rows: &[RowId]) -> Result<Vec<JournalRow>, StoreError> {
        let wanted: std::collections::BTreeSet<RowId> = rows.iter().copied().collect();
        let disk = self.0.lock();
        Ok(wanted.iter().filter_map(|id| disk.row(*id)).collect())
    }

    fn history(&self) -> Result<Vec<HistoryFile>, StoreError> {
        Ok(self.0.lock().history.listed().to_vec())
    }

    fn decisions(&self, filter: &DecisionFilter, page: Page) -> Result<Vec<(u64, Decision)>, StoreError> {
        let disk = self.0.lock();
        let found = newest_first(&disk.decisions).filter(|(_, it)| {
            is_wanted(filter.customer.as_ref(), Some(&it.customer))
                && is_wanted(filter.campaign.as_ref(), Some(&it.campaign))
                && is_wanted(filter.outcome.as_ref(), Some(&it.outcome))
                && is_wanted(filter.because.as_ref(), it.because.as_ref())
                && is_wanted(filter.message.as_ref(), Some(&it.message))
        });
        Ok(paged(found.map(|(number, it)| (number, it.clone())), page))
    }

    fn messages(&self, filter: &MessageFilter, page: Page) -> Result<Vec<Message>, StoreError> {
        let disk = self.0.lock();
        let mut found: Vec<(u64, &Message)> = newest_first(&disk.messages.items)
            .filter(|(_, it)| {
                is_wanted(filter.customer.as_ref(), Some(&it.customer))
                    && is_wanted(filter.campaign.as_ref(), Some(&it.campaign))
                    && is_wanted(filter.outcome.as_ref(), it.outcome.as_ref())
                    && is_wanted(filter.because.as_ref(), it.because.as_ref())
                    && (!filter.waiting || it.outcome.is_none())
            })
            .collect();
        let latest = |it: &Message| match (it.outcome, it.outcome_at) {
            (None, _) => i64::MAX,
            (Some(_), Some(at)) => at.0,
            (Some(_), None) => i64::MIN,
        };
        found.sort_by_key(|(number, it)| std::cmp::Reverse((latest(it), *number)));
        Ok(paged(found.into_iter().map(|(_, it)| it.clone()), page))
    }

    fn message(&self, id: &MessageId) -> Result<Option<(Message, Vec<Attempt>)>, StoreError> {
        let disk = self.0.lock();
        let attempts =
            || disk.attempts.get(id).map(|attempts| attempts.values().cloned().collect()).unwrap_or_default();
        Ok(disk.messages.get(id).map(|message| (message.clone(), attempts())))
    }

    fn kept_mail(&self, id: &MessageId) -> Result<Option<String>, StoreError> {
        Ok(self.0.lock().kept_mails.get(id).map(ToString::to_string))
    }

    fn another(&self) -> Result<Box<dyn Reader>, StoreError> {
        Ok(Box::new(MemoryReader(self.0.clone())))
    }

    fn at_rest(&self) -> Result<Box<dyn Reader>, StoreError> {
        let still = self.0.lock().clone();
        Ok(Box::new(MemoryReader(MemoryDisk(Arc::new(Mutex::new(still))))))
    }

    fn messages_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Message)>, StoreError> {
        let disk = self.0.lock();
        let numbered = (1..).zip(&disk.messages.items).skip_while(|(number, _)| *number <= after);
        let without_letter = |(number, it): (u64, &Message)| (number, Message { written: None, ..it.clone() });
        Ok(numbered.take(limit as usize).map(without_letter).collect())
    }

    fn message_counts(&self, campaign: Option<&Name>) -> Result<Vec<MessageCount>, StoreError> {
        let disk = self.0.lock();
        let mut counts = BTreeMap::new();
        for message in disk.messages.items.iter().filter(|it| is_wanted(campaign, Some(&it.campaign))) {
            let words = (message.outcome.map(Outcome::word), message.because.map(|because| because.word()));
            let (_, count) =
                counts.entry((message.campaign.clone(), words)).or_insert(((message.outcome, message.because), 0));
            *count += 1;
        }
        let count = |((campaign, _), ((outcome, because), count))| MessageCount { campaign, outcome, because, count };
        Ok(counts.into_iter().map(count).collect())
    }

    fn reactions(&self, id: &MessageId) -> Result<Vec<Reacted>, StoreError> {
        let disk = self.0.lock();
        let of = |kind: &ReactionKind| disk.reactions.get(&(id.clone(), *kind)).cloned();
        Ok(ReactionKind::ALL.iter().filter_map(of).collect())
    }

    fn reactions_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, MessageId, Reacted)>, StoreError> {
        let disk = self.0.lock();
        let mut numbered: Vec<(u64, MessageId, Reacted)> = disk
            .reactions
            .places
            .iter()
            .map(|((message, _), place)| (*place as u64 + 1, message.clone(), disk.reactions.items[*place].clone()))
            .collect();
        numbered.sort_by_key(|(number, ..)| *number);
        Ok(numbered.into_iter().filter(|(number, ..)| *number > after).take(limit as usize).collect())
    }

    fn assignments_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Assignment)>, StoreError> {
        Ok(numbered_after(&self.0.lock().assignments.items, after, limit))
    }

    fn sharings_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Sharing)>, StoreError> {
        Ok(numbered_after(&self.0.lock().sharings, after, limit))
    }

    fn reaction_counts(&self, campaign: Option<&Name>) -> Result<Vec<ReactionCount>, StoreError> {
        let disk = self.0.lock();
        let mut counts: BTreeMap<(Name, &str), ReactionCount> = BTreeMap::new();
        for (message, kind) in disk.reactions.places.keys() {
            let Some(message) = disk.messages.get(message) else { continue };
            if is_wanted(campaign, Some(&message.campaign)) {
                let none = ReactionCount { campaign: message.campaign.clone(), kind: *kind, messages: 0 };
                counts.entry((message.campaign.clone(), kind.word())).or_insert(none).messages += 1;
            }
        }
        Ok(counts.into_values().collect())
    }

    fn transitions(&self, segment: &Name, page: Page) -> Result<Vec<Transition>, StoreError> {
        let disk = self.0.lock();
        let found = disk.transitions.iter().rev().filter(|it| it.segment == *segment);
        Ok(paged(found.cloned(), page))
    }

    fn tasks(&self, filter: &TaskFilter, page: Page) -> Result<Vec<Task>, StoreError> {
        let disk = self.0.lock();
        let mut all: Vec<&Task> = disk.tasks.items.iter().collect();
        all.sort_by_key(|it| match it.completed_at {
            None => (false, it.due.unwrap_or(Timestamp(i64::MAX)).0),
            Some(at) => (true, -at.0),
        });
        let found = all.into_iter().filter(|it| {
            is_wanted(filter.id.as_ref(), Some(&it.id))
                && is_wanted(filter.owner.as_ref(), it.owner.as_ref())
                && is_wanted(filter.customer.as_ref(), Some(&it.customer))
                && is_wanted(filter.campaign.as_ref(), Some(&it.campaign))
                && filter.open.is_none_or(|open| it.completed_at.is_none() == open)
        });
        Ok(paged(found.cloned(), page))
    }

    fn tasks_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Task)>, StoreError> {
        let disk = self.0.lock();
        let numbered = (1..).zip(&disk.tasks.items).skip_while(|(number, _)| *number <= after);
        Ok(numbered.take(limit as usize).map(|(number, it)| (number, it.clone())).collect())
    }

    fn open_tasks(&self, now: Timestamp) -> Result<Vec<OpenTasks>, StoreError> {
        let disk = self.0.lock();
        let mut counts: BTreeMap<Option<String>, OpenTasks> = BTreeMap::new();
        for task in disk.tasks.items.iter().filter(|task| task.completed_at.is_none()) {
            let none = OpenTasks { owner: task.owner.clone(), count: 0, overdue: 0 };
            let open = counts.entry(task.owner.clone()).or_insert(none);
            open.count += 1;
            open.overdue += u64::from(task.due.is_some_and(|due| due <= now));
        }
        Ok(counts.into_values().collect())
    }

    fn webhooks(&self, filter: &WebhookFilter, page: Page) -> Result<Vec<Webhook>, StoreError> {
        let disk = self.0.lock();
        let found = newest_first(&disk.webhooks.items).map(|(_, it)| it).filter(|it| {
            is_wanted(filter.customer.as_ref(), Some(&it.customer))
                && is_wanted(filter.campaign.as_ref(), Some(&it.campaign))
                && is_wanted(filter.state.as_ref(), Some(&it.progress.state))
        });
        Ok(paged(found.cloned(), page))
    }

    fn webhook(&self, id: &str) -> Result<Option<Webhook>, StoreError> {
        Ok(self.0.lock().webhooks.get(&Arc::from(id)).cloned())
    }

    fn webhooks_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Webhook)>, StoreError> {
        let disk = self.0.lock();
        let numbered = (1..).zip(&disk.webhooks.items).skip_while(|(number, _)| *number <= after);
        Ok(numbered.take(limit as usize).map(|(number, it)| (number, it.clone())).collect())
    }

    fn pool_counts(&self, since: Timestamp) -> Result<Vec<PoolCount>, StoreError> {
        let disk = self.0.lock();
        let mut counts: BTreeMap<Name, PoolCount> = BTreeMap::new();
        for (code, given) in &disk.codes {
            let none =
                PoolCount { pool: code.pool.clone(), left: 0, given: 0, given_since: 0, added_at: code.added_at };
            let count = counts.entry(code.pool.clone()).or_insert(none);
            count.added_at = count.added_at.max(code.added_at);
            count.left += u64::from(given.is_none());
            count.given += u64::from(given.is_some());
            count.given_since += u64::from(given.as_ref().is_some_and(|given| given.at >= since));
        }
        Ok(counts.into_values().collect())
    }

    fn webhook_counts(&self) -> Result<Vec<WebhookCount>, StoreError> {
        let disk = self.0.lock();
        let mut counts: BTreeMap<(Name, &str), WebhookCount> = BTreeMap::new();
        for webhook in &disk.webhooks.items {
            let (endpoint, state) = (webhook.endpoint.clone(), webhook.progress.state);
            let none = WebhookCount { endpoint: endpoint.clone(), state, count: 0 };
            counts.entry((endpoint, state.word())).or_insert(none).count += 1;
        }
        Ok(counts.into_values().collect())
    }

    fn exposures(&self, campaign: &Name) -> Result<Vec<Exposure>, StoreError> {
        let disk = self.0.lock();
        let mut found: Vec<Exposure> =
            disk.exposures.items.iter().filter(|it| it.campaign == *campaign).cloned().collect();
        found.sort_by_key(|exposure| exposure.at);
        Ok(found)
    }

    fn journey_counts(&self, campaign: &Name) -> Result<(u64, u64), StoreError> {
        let disk = self.0.lock();
        let of_campaign = || disk.journeys.items.iter().filter(|it| it.campaign == *campaign);
        let inside = of_campaign().filter(|journey| journey.stage.is_inside()).count();
        Ok((of_campaign().count() as u64, inside as u64))
    }

    fn versions(&self, kind: DefinitionKind, name: &Name) -> Result<Vec<DefinitionVersion>, StoreError> {
        let disk = self.0.lock();
        let versions = disk.definitions.get(&(kind.word(), name.clone()));
        Ok(versions.map(|versions| versions.iter().rev().cloned().collect()).unwrap_or_default())
    }

    fn reports(&self, filter: &ReportFilter, page: Page) -> Result<Vec<MailReport>, StoreError> {
        let disk = self.0.lock();
        let found = newest_first(&disk.reports.items).map(|(_, it)| it).filter(|it| {
            is_wanted(filter.id.as_ref(), Some(&it.id))
                && is_wanted(filter.message.as_ref(), it.message.as_ref())
                && filter.matched.is_none_or(|matched| it.message.is_some() == matched)
        });
        Ok(paged(found.cloned(), page))
    }

    fn reports_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, MailReport)>, StoreError> {
        Ok(numbered_after(&self.0.lock().reports.items, after, limit))
    }

    fn refused(&self, page: Page) -> Result<Vec<Refused>, StoreError> {
        Ok(paged(self.0.lock().refused.values().rev().cloned(), page))
    }

    fn refused_call(&self, id: u64) -> Result<Option<Refused>, StoreError> {
        Ok(self.0.lock().refused.get(&id).cloned())
    }

    fn tallies(&self, days: u32) -> Result<Vec<Tally>, StoreError> {
        let disk = self.0.lock();
        let mut by_day: BTreeMap<i32, Vec<Tally>> = BTreeMap::new();
        for (key, count) in &disk.tallies {
            by_day.entry(key.day).or_default().push(Tally { key: key.clone(), count: *count });
        }
        Ok(by_day.into_values().rev().take(days as usize).flatten().collect())
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}
