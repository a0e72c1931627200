//! A campaign on the real past: what it would have done had it been started at an instant of then, with the gate in force.
//!
//! Every call counts at the time at which it happened, and people are who they are known to be today. The campaign's own
//! messages stay inside; those that other campaigns really sent count for caps. Nothing of the workspace changes: all of it
//! happens in a directory that is thrown away.

mod report;

pub use report::{Anyway, DryRun, Ended, Held, Letter, Month, Often, PerPerson, Told};

use crate::run::on_disk;
use domain::call::events;
use domain::definition::{Defined, Definition, Definitions};
use domain::message::{Because, Message, Outcome};
use domain::{Call, Campaign, CustomerId, DefinitionKind, Name, Position, Timestamp, Trust, Zone};
use engine::define::DefineError;
use engine::profile::People;
use engine::{Engine, Options};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use store::{Arm, Commit, Exposure, Journey, Reader, RowId, Store, StoreError, Suppression};

/// Most calls of a past: all of them are in memory while they are put in the order of their time.
pub const CALLS: usize = 3_000_000;
/// Calls between two commits.
const COMMIT: usize = 5_000;
/// Things done by time alone between two looks at whether to go on.
const TURN: usize = 10_000;
/// Letters and refusals that are told one by one.
pub const TOLD: usize = 1_000;
/// People named who would have heard most often.
const MOST: usize = 5;

/// Why there is no dry run.
#[derive(Debug, thiserror::Error)]
pub enum NoDryRun {
    /// There is no such campaign.
    #[error("there is no campaign `{0}`")]
    Unknown(Name),
    /// `from` is not before `to`, or `to` lies ahead.
    #[error("{0}")]
    WrongTime(String),
    /// The past does not fit in memory.
    #[error("there are more than {CALLS} calls up to then; a dry run holds all of them in memory")]
    TooLong,
    /// It was told to stop.
    #[error("the dry run was stopped after {0} of its calls")]
    Stopped(usize),
    /// The campaign cannot be put in force.
    #[error(transparent)]
    Define(#[from] DefineError),
    /// Data cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is needed of a workspace to live through its past again.
pub struct Past {
    /// Who is who.
    people: People,
    /// Everything that is defined.
    defined: Vec<Defined>,
    definitions: Definitions,
    suppressions: Vec<Suppression>,
    /// Codes that are left in pools which have an end.
    codes_left: BTreeMap<Name, usize>,
    /// The last call that counts.
    position: Position,
    now: Timestamp,
    /// When each campaign really started.
    started: BTreeMap<Name, Timestamp>,
    /// Whether push goes to browsers.
    notifies_browsers: bool,
}

impl Past {
    /// Takes what is needed from an engine, with definitions that are tried in the place of those of the same name.
    /// O(names).
    pub fn of(engine: &Engine, tried: Vec<Defined>, now: Timestamp) -> Past {
        let is_tried =
            |kind, name: &Name| tried.iter().any(|one| one.definition.kind() == kind && one.definition.name() == *name);
        let in_force = engine.all_versions().filter(|version| !is_tried(version.kind, &version.name));
        let mut defined: Vec<Defined> = in_force
            .filter_map(|version| {
                let value = version.value.clone()?;
                Some(Defined { definition: Definition::read(&value).ok()?, value })
            })
            .collect();
        defined.extend(tried);
        let mut definitions = Definitions::new();
        for one in &defined {
            definitions.put(one.definition.clone());
        }
        Past {
            people: engine.look().people().clone(),
            defined,
            definitions,
            suppressions: engine.suppressions(),
            codes_left: engine.codes_left(),
            position: engine.position(),
            now: now.max(engine.clock()),
            started: engine.campaign_starts(),
            notifies_browsers: engine.options().notifies_browsers,
        }
    }

    /// What is defined, with what is tried.
    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The campaign.
    pub campaign: Name,
    /// When it would have started.
    pub from: Timestamp,
    /// Until when it is followed.
    pub to: Timestamp,
}

/// Told how many of how many calls were lived through; answers whether to go on.
pub type GoOn<'a> = &'a dyn Fn(usize, usize) -> bool;

/// Lives through a past again with a campaign in it. `scratch`: a directory in which one may be made that is thrown away.
///
/// O(calls up to `to` · log) time, O(calls up to `to`) memory.
pub fn dry_run(
    question: &Question,
    past: &Past,
    reader: &dyn Reader,
    scratch: &Path,
    go_on: GoOn<'_>,
) -> Result<DryRun, NoDryRun> {
    checked(question, past)?;
    live_through(question, past, calls_of(question, past, reader)?, scratch, go_on)
}

/// The campaign, if the question makes sense.
fn checked<'p>(question: &Question, past: &'p Past) -> Result<&'p Campaign, NoDryRun> {
    let campaign = past.definitions.campaigns.get(&question.campaign);
    let campaign = campaign.ok_or_else(|| NoDryRun::Unknown(question.campaign.clone()))?;
    if question.from >= question.to {
        return Err(NoDryRun::WrongTime(format!("{} is not before {}", question.from, question.to)));
    }
    if question.from > past.now {
        return Err(NoDryRun::WrongTime(format!("{} lies ahead; a dry run starts in the past", question.from)));
    }
    Ok(campaign)
}

/// As `dry_run`, of calls that were read: those of `calls_of`, for this question or one that ends later.
pub(crate) fn live_through(
    question: &Question,
    past: &Past,
    mut calls: Vec<Arc<Call>>,
    scratch: &Path,
    go_on: GoOn<'_>,
) -> Result<DryRun, NoDryRun> {
    let campaign = checked(question, past)?;
    calls.truncate(calls.partition_point(|call| call.timestamp <= question.to));
    let io = |error: std::io::Error| StoreError::Io { doing: "opened", reason: format!("a directory: {error}") };
    let dir = tempfile::Builder::new().prefix("dry-run-").tempdir_in(scratch).map_err(io)?;
    let store = on_disk(dir.path())()?;
    let mut living = Living::open(store, past, campaign)?;
    let all = calls.len();
    if !go_on(0, all) {
        return Err(NoDryRun::Stopped(0));
    }
    let mut started = false;
    let mut at_once: Vec<Call> = Vec::new();
    let mut done = 0;
    let mut suppressed = past.suppressions.iter().peekable();
    let mut calls = calls.into_iter().peekable();
    while let Some(call) = calls.next() {
        let at = call.timestamp;
        if !started && at >= question.from {
            living.go_to(question.from, done, all, go_on)?;
            living.start(campaign, past, question.from)?;
            started = true;
        }
        while let Some(one) = suppressed.next_if(|one| one.at <= at) {
            living.engine.suppress(&one.address, &one.reason);
        }
        done += 1;
        at_once.push(Arc::unwrap_or_clone(call));
        if calls.peek().is_none_or(|next| next.timestamp > at) {
            living.go_to(Timestamp(at.0 - 1), done, all, go_on)?;
            living.take(std::mem::take(&mut at_once), at, &past.definitions)?;
            if done.is_multiple_of(COMMIT) && !go_on(done, all) {
                return Err(NoDryRun::Stopped(done));
            }
        }
    }
    if !started {
        living.go_to(question.from, done, all, go_on)?;
        living.start(campaign, past, question.from)?;
    }
    living.go_to(question.to, done, all, go_on)?;
    living.commit()?;
    let was_running = past.started.get(&question.campaign).is_some_and(|at| *at < question.to.min(past.now));
    Ok(living.into_report(question, all, was_running))
}

/// All calls up to the end in the order of their time, each as if it had arrived when it happened, without what the
/// campaign itself did then.
pub(crate) fn calls_of(question: &Question, past: &Past, reader: &dyn Reader) -> Result<Vec<Arc<Call>>, NoDryRun> {
    let mut calls: Vec<Arc<Call>> = Vec::new();
    let mut is_too_long = false;
    let own = question.campaign.as_str();
    reader.replay(RowId(0), &mut |row| {
        for (position, call) in (row.first.0..).zip(row.calls) {
            let counts = position <= past.position.0
                && call.timestamp <= question.to
                && call.emptied_mark().is_none()
                && !engine::profile::identity::is_by_hand(&call)
                && !(call.trust == Trust::Perennial
                    && call.body_value().get("campaign").and_then(Value::as_str) == Some(own));
            if !counts {
                continue;
            }
            if calls.len() == CALLS {
                is_too_long = true;
                return Ok(());
            }
            let mut call = Arc::unwrap_or_clone(call);
            call.received_at = call.timestamp;
            calls.push(Arc::new(call));
        }
        Ok(())
    })?;
    if is_too_long {
        return Err(NoDryRun::TooLong);
    }
    // Stable: what happened at one instant stays in the order in which it came.
    calls.sort_by_key(|call| call.timestamp);
    Ok(calls)
}

/// The past while it is lived through.
struct Living {
    campaign: Name,
    engine: Engine,
    store: Box<dyn Store>,
    /// Calls since the last commit.
    waiting: usize,
    /// What is known of messages, journeys and exposures, by id.
    messages: HashMap<Arc<str>, Message>,
    journeys: HashMap<Arc<str>, Journey>,
    exposures: HashMap<Arc<str>, Exposure>,
    holds: BTreeMap<&'static str, (Because, BTreeSet<Arc<str>>)>,
    given: Given,
}

/// What steps that are no messages lead to.
#[derive(Default)]
struct Given {
    tasks: BTreeSet<Arc<str>>,
    webhooks: BTreeSet<Arc<str>>,
    vouchers: usize,
    without_voucher: BTreeSet<(String, String)>,
    points: u64,
}

impl Living {
    fn open(store: Box<dyn Store>, past: &Past, campaign: &Campaign) -> Result<Living, NoDryRun> {
        // What people really did cannot tell which of two messages works that nobody got: everybody is shared as at the start.
        let options =
            Options { bandits_learn_after: None, notifies_browsers: past.notifies_browsers, ..Options::default() };
        let mut engine = Engine::open(store.as_ref(), options)?;
        engine.know_people(&past.people);
        engine.lend_codes(&past.codes_left);
        let mut living = Living {
            campaign: campaign.name.clone(),
            engine,
            store,
            waiting: 0,
            messages: HashMap::new(),
            journeys: HashMap::new(),
            exposures: HashMap::new(),
            holds: BTreeMap::new(),
            given: Given::default(),
        };
        // Of the same exclusion group: the draw among them needs their names. Paused, they do nothing.
        let is_rival = |other: &Campaign| {
            campaign.exclusion_group.is_some()
                && other.exclusion_group == campaign.exclusion_group
                && other.name != campaign.name
        };
        let rivals = past.definitions.campaigns.values().filter(|other| is_rival(other));
        let asked: BTreeSet<Name> = rivals
            .chain([campaign])
            .flat_map(|one| engine::decide::past::segments_of(one, &past.definitions))
            .collect();
        let wanted = past.defined.iter().filter_map(|one| match &one.definition {
            Definition::Workspace(_) | Definition::Purpose(_) | Definition::Template(_) => Some(one.clone()),
            Definition::Segment(segment) => asked.contains(&segment.name).then(|| one.clone()),
            Definition::Campaign(other) => is_rival(other).then(|| in_state(one, "paused")).flatten(),
        });
        living.engine.define(wanted.collect(), "dry run", Timestamp(0))?;
        living.commit()?;
        Ok(living)
    }

    /// Lets time pass; what is due on the way happens.
    fn go_to(&mut self, at: Timestamp, done: usize, all: usize, go_on: GoOn<'_>) -> Result<(), NoDryRun> {
        while self.engine.tick_some(at, TURN) {
            self.commit()?;
            if !go_on(done, all) {
                return Err(NoDryRun::Stopped(done));
            }
        }
        Ok(())
    }

    fn take(&mut self, calls: Vec<Call>, at: Timestamp, definitions: &Definitions) -> Result<(), NoDryRun> {
        self.waiting += calls.len();
        for call in &calls {
            self.engine.recall_sent(call, definitions);
        }
        self.engine.ingest(calls, at);
        if self.waiting >= COMMIT {
            self.commit()?;
        }
        Ok(())
    }

    fn start(&mut self, campaign: &Campaign, past: &Past, at: Timestamp) -> Result<(), NoDryRun> {
        self.commit()?;
        let own = past
            .defined
            .iter()
            .find(|one| one.definition.kind() == DefinitionKind::Campaign && one.definition.name() == campaign.name)
            .and_then(|one| in_state(one, "running"))
            .ok_or_else(|| NoDryRun::Unknown(campaign.name.clone()))?;
        self.engine.define(vec![own], "dry run", at)?;
        self.commit()
    }

    fn commit(&mut self) -> Result<(), NoDryRun> {
        self.waiting = 0;
        let commit = self.engine.take_commit();
        if commit.is_empty() {
            return Ok(());
        }
        self.store.commit(&commit)?;
        let Commit { calls, messages, journeys, exposures, decisions, tasks, webhooks, .. } = commit;
        self.given.tasks.extend(tasks.into_iter().map(|task| task.id));
        self.given.webhooks.extend(webhooks.into_iter().map(|webhook| webhook.id));
        // What the campaign itself did then was left out, and that of others tells of them.
        let own = self.campaign.as_str();
        for call in calls.iter().filter(|call| call.trust == Trust::Perennial) {
            let body = call.body_value();
            if body.get("campaign").and_then(Value::as_str) != Some(own) {
                continue;
            }
            match call.event.as_deref() {
                Some(events::VOUCHER_ISSUED) => self.given.vouchers += 1,
                Some(events::VOUCHER_NOT_ISSUED) => {
                    let of = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                    self.given.without_voucher.insert((of("journey"), of("step")));
                }
                Some(events::POINTS_EARNED) => {
                    self.given.points += body.get("points").and_then(Value::as_u64).unwrap_or_default();
                }
                _ => {}
            }
        }
        self.messages.extend(messages.into_iter().map(|message| (message.id.0.clone(), message)));
        self.journeys.extend(journeys.into_iter().map(|journey| (journey.id.clone(), journey)));
        self.exposures.extend(exposures.into_iter().map(|exposure| (exposure.journey.clone(), exposure)));
        for decision in decisions {
            if let (Outcome::Held, Some(because)) = (decision.outcome, decision.because) {
                let held = self.holds.entry(because.word()).or_insert_with(|| (because, BTreeSet::new()));
                held.1.insert(decision.message.0);
            }
        }
        Ok(())
    }

    fn into_report(self, question: &Question, calls: usize, was_running: bool) -> DryRun {
        let people = self.engine.look().people();
        let person = |id: CustomerId| CustomerId(people.person(id.0));
        let zone = &self.engine.definitions().settings.zone;
        let mut months: BTreeMap<String, Month> = BTreeMap::new();
        let mut month = |at: Timestamp, count: &dyn Fn(&mut Month)| {
            let name = month_of(at, zone);
            let fresh = Month { month: name.clone(), entries: 0, sent: 0, would_have_sent: 0 };
            count(months.entry(name).or_insert(fresh));
        };
        for journey in self.journeys.values() {
            month(journey.entered_at, &|month| month.entries += 1);
        }
        let mut ends: BTreeMap<(&str, &str), (Ended, BTreeSet<CustomerId>)> = BTreeMap::new();
        let mut often: BTreeMap<CustomerId, usize> = BTreeMap::new();
        let mut told: Vec<(Timestamp, CustomerId, Told)> = Vec::new();
        for message in self.messages.values() {
            let Some(outcome) = message.outcome else { continue };
            let at = message.outcome_at.unwrap_or(message.decided_at);
            let customer = person(message.customer);
            match outcome {
                Outcome::Sent | Outcome::Uncertain => {
                    *often.entry(customer).or_default() += 1;
                    month(at, &|month| month.sent += 1);
                }
                Outcome::WouldHaveSent => month(at, &|month| month.would_have_sent += 1),
                _ => {}
            }
            let because = message.because.filter(|_| outcome != Outcome::Sent);
            let place = (outcome.word(), because.map_or("", Because::word));
            let fresh = || (Ended { outcome, because, messages: 0, people: 0 }, BTreeSet::new());
            let (ended, who) = ends.entry(place).or_insert_with(fresh);
            ended.messages += 1;
            who.insert(customer);
            let row = Told {
                at,
                customer: people.name_of(customer).to_string(),
                step: message.step.clone(),
                variant: message.variant.clone(),
                outcome,
                because,
                detail: message.detail.clone().filter(|_| outcome != Outcome::Sent),
                subject: message.written.as_ref().map(|written| written.subject.clone()),
            };
            told.push((at, customer, row));
        }
        told.sort_by(|a, b| (a.0, a.1, &a.2.step).cmp(&(b.0, b.1, &b.2.step)));
        let messages_in_all = told.len();
        let mut outcomes: Vec<Ended> =
            ends.into_values().map(|(ended, who)| Ended { people: who.len(), ..ended }).collect();
        outcomes.sort_by_key(|ended| std::cmp::Reverse(ended.messages));
        let mut holds: Vec<Held> =
            self.holds.into_values().map(|(because, messages)| Held { because, messages: messages.len() }).collect();
        holds.sort_by_key(|held| std::cmp::Reverse(held.messages));
        let mut per_person: BTreeMap<usize, usize> = BTreeMap::new();
        for count in often.values() {
            *per_person.entry(*count).or_default() += 1;
        }
        let mut most: Vec<(usize, CustomerId)> = often.iter().map(|(id, count)| (*count, *id)).collect();
        most.sort_by_key(|(count, id)| (std::cmp::Reverse(*count), *id));
        let most = most.into_iter().take(MOST);
        let has_goal =
            self.engine.definitions().campaigns.get(&question.campaign).is_some_and(|own| own.goal.is_some());
        let letters = report::oddest(&self.messages, people);
        let exposed: Vec<&Exposure> = self.exposures.values().collect();
        let complete: Vec<&&Exposure> = exposed.iter().filter(|exposure| exposure.until <= question.to).collect();
        debug_assert!(exposed.iter().all(|exposure| matches!(exposure.arm, Arm::Messaged | Arm::HeldOut)));
        DryRun {
            campaign: question.campaign.clone(),
            from: question.from,
            to: question.to,
            calls,
            customers: self.engine.customer_count(),
            entries: self.journeys.len(),
            at_start: self.journeys.values().filter(|journey| journey.entered_at == question.from).count(),
            people: self.journeys.values().map(|journey| person(journey.customer)).collect::<BTreeSet<_>>().len(),
            inside: self.journeys.values().filter(|journey| journey.stage.is_inside()).count(),
            tasks: self.given.tasks.len(),
            vouchers: self.given.vouchers,
            without_voucher: self.given.without_voucher.len(),
            points: self.given.points,
            webhooks: self.given.webhooks.len(),
            outcomes,
            holds,
            months: months.into_values().collect(),
            per_person: per_person.into_iter().map(|(messages, people)| PerPerson { messages, people }).collect(),
            most: most.map(|(messages, id)| Often { customer: people.name_of(id).to_string(), messages }).collect(),
            anyway: has_goal.then(|| Anyway {
                journeys: exposed.len(),
                complete: complete.len(),
                reached: complete.iter().filter(|exposure| exposure.came_back_at.is_some()).count(),
            }),
            was_running,
            messages: told.into_iter().take(TOLD).map(|(_, _, row)| row).collect(),
            messages_in_all,
            letters,
        }
    }
}

/// A campaign's definition in another state.
fn in_state(one: &Defined, state: &str) -> Option<Defined> {
    let mut value = one.value.clone();
    value["state"] = state.into();
    let definition = Definition::read(&value).ok()?;
    Some(Defined { definition, value })
}

fn month_of(at: Timestamp, zone: &Zone) -> String {
    let local = zone.local(at);
    format!("{:04}-{:02}", local.year(), local.month())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and the line says where")]
mod tests;
