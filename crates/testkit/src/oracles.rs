//! What must hold after every crash and at the end, computed here and not by the engine.

use crate::plain::{Person, Plain};
use domain::call::events;
use domain::campaign::{Action, Wait};
use domain::definition::Definitions;
use domain::message::{Because, Message, Outcome, Phase};
use domain::segment::ConsentState;
use domain::time::add_days;
use domain::workspace::{Cap, CapWindow, marketing, service};
use domain::{Call, CustomerId, MessageId, Name, Timestamp};
use engine::deliver::Order;
use engine::{Engine, Options};
use models::assignment::bucket;
use scenario::workspace::differences;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use store::{Commit, DecisionFilter, MessageFilter, Page, RowId, Store, TaskFilter, Transition};

type Check = Result<(), String>;

/// Most rows of one page of a reader.
const PAGE: u32 = 1_000;

/// A message that a mail server took.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// What was ordered.
    pub order: Order,
    /// When the server took it.
    pub at: Timestamp,
}

/// An attempt that may be carried out: its record is durable.
#[derive(Clone, Debug)]
pub struct Ordered {
    /// The order.
    pub order: Order,
    /// The engine's time when it was made.
    pub at: Timestamp,
}

/// What the outside world saw.
#[derive(Default)]
pub struct Evidence {
    acknowledged: BTreeSet<String>,
    /// When each call arrived, by the engine's clock.
    arrived: HashMap<String, Timestamp>,
    delivered: BTreeMap<MessageId, Vec<Delivered>>,
    /// Entries into campaigns, of commits that may have been lost too.
    entries: BTreeSet<(Name, CustomerId, Timestamp)>,
    /// Campaigns that were paused or edited at some time.
    paused: BTreeSet<Name>,
    /// People that were ever more than one name joined by hand or by their calls.
    joined: BTreeSet<CustomerId>,
    decisions: usize,
}

/// Entries and exits that time alone will bring.
pub struct ByTime {
    expected: Vec<(Timestamp, Name, CustomerId, bool)>,
}

fn fail<T>(what: impl Into<String>) -> Result<T, String> {
    Err(what.into())
}

/// All calls in the journal.
pub fn journal(store: &dyn Store) -> Result<Vec<Arc<Call>>, String> {
    let mut calls = Vec::new();
    let reader = store.reader().map_err(|error| error.to_string())?;
    reader
        .replay(RowId(0), &mut |row| {
            calls.extend(row.calls);
            Ok(())
        })
        .map_err(|error| error.to_string())?;
    Ok(calls)
}

fn messages(store: &dyn Store) -> Result<Vec<Message>, String> {
    let reader = store.reader().map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    loop {
        let page = Page { skip: all.len() as u64, limit: PAGE };
        let found = reader.messages(&MessageFilter::default(), page).map_err(|error| error.to_string())?;
        if found.is_empty() {
            return Ok(all);
        }
        all.extend(found);
    }
}

impl Evidence {
    /// A batch was answered with success.
    pub fn acknowledged(&mut self, calls: &[Value]) {
        self.acknowledged.extend(calls.iter().filter_map(|call| call["messageId"].as_str().map(str::to_owned)));
    }

    /// A batch arrived; of a call the first time counts.
    pub fn arrived(&mut self, calls: &[Value], clock: Timestamp) {
        for id in calls.iter().filter_map(|call| call["messageId"].as_str()) {
            self.arrived.insert(id.to_owned(), clock);
        }
    }

    /// A commit is made. It may be lost.
    pub fn saw(&mut self, commit: &Commit) {
        for journey in &commit.journeys {
            self.entries.insert((journey.campaign.clone(), journey.customer, journey.entered_at));
        }
        self.paused.extend(commit.campaigns.iter().filter(|facts| facts.version > 1).map(|facts| facts.name.clone()));
    }

    /// People who were joined or parted: what they did was another's for a while.
    pub fn joined(&mut self, people: &[CustomerId]) {
        self.joined.extend(people);
    }

    /// Messages that reached a server.
    pub fn delivered(&self) -> usize {
        self.delivered.len()
    }

    /// Outcomes written down, as of the last look.
    pub fn decisions(&self) -> usize {
        self.decisions
    }

    /// A server took a message: its record must be on disk, in the phase that says so, and the bytes the same as ever.
    pub fn accepted(&mut self, delivered: Delivered, store: &dyn Store) -> Check {
        let id = delivered.order.message.clone();
        let reader = store.reader().map_err(|error| error.to_string())?;
        let Some((message, attempts)) = reader.message(&id).map_err(|error| error.to_string())? else {
            return fail(format!("{id} went out, and nothing was written down that it should"));
        };
        let attempt = attempts.iter().find(|attempt| attempt.number == delivered.order.number);
        let Some(attempt) = attempt else {
            return fail(format!("{id} went out in an attempt that was never written down"));
        };
        if attempt.phase == Phase::Started {
            return fail(format!("{id} went out, and its record says that it had not begun to"));
        }
        if message.written.as_ref() != Some(&delivered.order.written) {
            return fail(format!("{id} went out with other words than were decided"));
        }
        let before = self.delivered.entry(id.clone()).or_default();
        if before.iter().any(|earlier| earlier.order.written != delivered.order.written) {
            return fail(format!("{id} went out twice with different words"));
        }
        before.push(delivered);
        if message.purpose != service() && before.len() > 1 {
            return fail(format!("{id}, an offer, went out twice"));
        }
        Ok(())
    }

    /// Everything that the gate must have asked, asked again from the ledger and the calls.
    pub fn ordered(&mut self, ordered: &Ordered, engine: &Engine, store: &dyn Store) -> Check {
        let (calls, definitions) = (journal(store)?, engine.definitions());
        let plain = Plain::new(&calls, definitions);
        let all = messages(store)?;
        let id = &ordered.order.message;
        let Some(message) = all.iter().find(|message| message.id == *id) else {
            return fail(format!("{id} is ordered and not written down"));
        };
        let person = plain.today(message.customer);
        let Some(person) = plain.person(person) else {
            return fail(format!("{id} is for {person}, of whom no call is known"));
        };
        if message.purpose != service() {
            check_offer(message, &person, ordered.at, definitions)?;
        }
        let recovered = store.recover().map_err(|error| error.to_string())?;
        if recovered.suppressions.iter().any(|suppression| suppression.address == ordered.order.written.to) {
            return fail(format!("{id} is ordered to a suppressed address"));
        }
        check_caps(message, &person, &plain.ids(person.id), &all, ordered.at, definitions)
    }

    /// Who will enter and leave until an instant if nothing arrives.
    pub fn expect_by_time(&self, engine: &Engine, store: &dyn Store, until: Timestamp) -> Result<ByTime, String> {
        let (calls, now) = (journal(store)?, engine.clock());
        let plain = Plain::new(&calls, engine.definitions());
        let mut expected = Vec::new();
        for segment in engine.definitions().segments.keys() {
            for person in plain.people().into_iter().filter_map(|id| plain.person(id)) {
                let mut member = person.is_in(segment, now);
                for at in person.turns(segment, now, until) {
                    if person.is_in(segment, at) != member {
                        member = !member;
                        expected.push((at, segment.clone(), person.id, member));
                    }
                }
            }
        }
        expected.sort();
        Ok(ByTime { expected })
    }

    /// Time alone did what it had to, to the millisecond. `until`: since when something came to it, if anything did.
    pub fn check_by_time(&self, by_time: &ByTime, found: &[Transition], until: Option<Timestamp>) -> Check {
        let is_meant = |at: Timestamp| until.is_none_or(|until| at < until);
        let found = found.iter().filter(|it| is_meant(it.at));
        let mut found: Vec<_> = found.map(|it| (it.at, it.segment.clone(), it.customer, it.entered)).collect();
        found.sort();
        let expected: Vec<_> = by_time.expected.iter().filter(|(at, ..)| is_meant(*at)).cloned().collect();
        if found == expected {
            return Ok(());
        }
        let words = |list: &[(Timestamp, Name, CustomerId, bool)]| -> Vec<String> {
            list.iter()
                .map(|(at, segment, id, entered)| {
                    format!("{at} {id} {} {segment}", if *entered { "enters" } else { "leaves" })
                })
                .collect()
        };
        fail(format!("by time alone {:?} was expected, and {:?} happened", words(&expected), words(&found)))
    }

    /// After a crash, and now and then: nothing acknowledged is lost, nothing counts twice, the live state is that of
    /// history, memberships are those of the plain evaluator, the ledger is consistent.
    pub fn compare(&mut self, live: &mut Engine, store: &dyn Store, options: &Options) -> Check {
        let calls = journal(store)?;
        self.check_calls(&calls)?;
        let mut fresh =
            Engine::open(store, Options { planted: None, ..options.clone() }).map_err(|error| error.to_string())?;
        fresh.tick(live.clock());
        if fresh.has_pending() {
            return fail(format!("an engine opened anew does what was done before: {:?}", fresh.take_commit()));
        }
        let differences = differences(&live.look().describe(), &fresh.look().describe());
        if !differences.is_empty() {
            return fail(format!("the live state is not that of history:\n{}", differences.join("\n")));
        }
        if !live.look().timers_missing_beside(fresh.look()).is_empty() {
            // Who was asked earlier may be due earlier than who is asked now: a yes that could still end was one of two
            // reasons to be in a segment, and the other holds for ever.
            fresh.ask_everybody();
            let missing = live.look().timers_missing_beside(fresh.look());
            if !missing.is_empty() {
                return fail(format!("timers are lost: {missing:?}"));
            }
        }
        let plain = Plain::new(&calls, live.definitions());
        for segment in live.definitions().segments.keys() {
            let (found, expected) = (live.look().members(segment), plain.members(segment, live.clock()));
            if found.as_ref() != Some(&expected) {
                return fail(format!("{segment} holds {found:?}, by the calls {expected:?}"));
            }
        }
        for id in plain.people() {
            let ids = plain.ids(id);
            if ids.len() > 1 {
                self.joined.extend(ids);
            }
        }
        self.check_ledger(store)
    }

    fn check_calls(&self, calls: &[Arc<Call>]) -> Check {
        let mut seen = BTreeSet::new();
        for call in calls {
            if !seen.insert(call.message_id.to_string()) {
                return fail(format!("{} counts twice", call.message_id));
            }
        }
        // What is given is given once: by each step of each journey.
        let mut given = BTreeSet::new();
        for call in calls.iter().filter(|call| call.trust == domain::Trust::Perennial) {
            if matches!(call.event.as_deref(), Some(events::POINTS_EARNED | events::VOUCHER_ISSUED)) {
                let body = call.body_value();
                if !given.insert((body["journey"].to_string(), body["step"].to_string())) {
                    return fail(format!("{body} was given twice"));
                }
            }
        }
        match self.acknowledged.iter().find(|id| !seen.contains(*id)) {
            Some(lost) => fail(format!("{lost} was acknowledged and is lost")),
            None => Ok(()),
        }
    }

    /// Every outcome in its order, and each message in one.
    fn check_ledger(&mut self, store: &dyn Store) -> Check {
        let mut by_message: BTreeMap<MessageId, Vec<(Outcome, Option<Because>)>> = BTreeMap::new();
        let reader = store.reader().map_err(|error| error.to_string())?;
        let mut skip = 0;
        loop {
            let found = reader
                .decisions(&DecisionFilter::default(), Page { skip, limit: PAGE })
                .map_err(|error| error.to_string())?;
            if found.is_empty() {
                break;
            }
            skip += found.len() as u64;
            for (_, decision) in found {
                by_message.entry(decision.message).or_default().insert(0, (decision.outcome, decision.because));
            }
        }
        self.decisions = usize::try_from(skip).unwrap_or_default();
        for message in messages(store)? {
            let outcomes = by_message.remove(&message.id).unwrap_or_default();
            check_outcomes(&message, &outcomes)?;
        }
        self.check_tasks(store)?;
        let recovered = store.recover().map_err(|error| error.to_string())?;
        crate::sharing::check(&recovered, &messages(store)?, &self.joined)?;
        match by_message.keys().next() {
            Some(id) => fail(format!("{id} was decided about, and there is no such message")),
            None => Ok(()),
        }
    }

    /// Each task is a row in the inbox and an event in the history of the same name.
    fn check_tasks(&self, store: &dyn Store) -> Check {
        let opened: BTreeSet<String> = journal(store)?
            .iter()
            .filter(|call| call.event.as_deref() == Some(events::TASK_OPENED))
            .filter_map(|call| call.body_value()["task"].as_str().map(str::to_owned))
            .collect();
        let reader = store.reader().map_err(|error| error.to_string())?;
        let page = Page { skip: 0, limit: u32::MAX };
        let tasks = reader.tasks(&TaskFilter::default(), page).map_err(|error| error.to_string())?;
        let listed: BTreeSet<String> = tasks.into_iter().map(|task| task.id.to_string()).collect();
        match opened.symmetric_difference(&listed).next() {
            Some(task) => fail(format!("{task} is in the history or in the inbox, and not in both")),
            None => Ok(()),
        }
    }

    /// Who is held out of a campaign is given nothing by it. Of people who were joined the draw was another's.
    fn check_given(&self, plain: &Plain<'_>, definitions: &Definitions, calls: &[Arc<Call>]) -> Check {
        for (index, call) in calls.iter().enumerate() {
            let is_given = matches!(
                call.event.as_deref(),
                Some(events::POINTS_EARNED | events::VOUCHER_ISSUED | events::TASK_OPENED)
            );
            let Some(owner) = plain.owner(index).filter(|_| is_given && call.trust == domain::Trust::Perennial) else {
                continue;
            };
            let body = call.body_value();
            let campaign = body["campaign"].as_str().and_then(|name| Name::parse(name).ok());
            let Some(campaign) = campaign.and_then(|name| definitions.campaigns.get(&name)) else { continue };
            if campaign.purpose == service() || self.joined.contains(&owner) {
                continue;
            }
            let held_out = bucket(&format!("{}:1", campaign.name), &owner.to_string()) < campaign.holdout.buckets();
            let global = definitions
                .settings
                .global_holdout
                .as_ref()
                .is_some_and(|holdout| bucket(&holdout.seed, &owner.to_string()) < holdout.percent.buckets());
            if held_out || global {
                return fail(format!("{owner} is held out of {} and was given {body}", campaign.name));
            }
        }
        Ok(())
    }

    /// After the faults have stopped and everything came to rest.
    pub fn at_the_end(&self, engine: &Engine, store: &dyn Store, campaigns: &[Name]) -> Check {
        let (calls, definitions) = (journal(store)?, engine.definitions());
        let plain = Plain::new(&calls, definitions);
        for message in messages(store)? {
            self.check_final(&message, engine.clock())?;
            self.check_wait(&message, definitions)?;
        }
        self.check_given(&plain, definitions, &calls)?;
        for campaign in campaigns {
            self.check_exposures(campaign, store, &plain, definitions, &calls)?;
            self.check_triggers(campaign, store, &plain, definitions, &calls)?;
        }
        Ok(())
    }

    fn check_final(&self, message: &Message, now: Timestamp) -> Check {
        let id = &message.id;
        let arrived = self.delivered.get(id).map_or(0, Vec::len);
        match message.outcome {
            // Decided about shortly before the end of the run: its time is not over yet.
            Some(Outcome::Held) if message.expires > now => Ok(()),
            None | Some(Outcome::Held) => fail(format!("{id} never came to an end: {message:?}")),
            Some(Outcome::Sent) if arrived == 0 => fail(format!("{id} counts as sent and reached nobody")),
            Some(Outcome::Skipped | Outcome::WouldHaveSent) if arrived > 0 => {
                fail(format!("{id} reached somebody and counts as {:?} {:?}", message.outcome, message.because))
            }
            // A service message whose first reply was lost may be refused when it is repeated.
            Some(Outcome::Failed) if arrived > 0 && message.purpose != service() => {
                fail(format!("{id} reached somebody and counts as failed"))
            }
            _ => Ok(()),
        }
    }

    /// The first message after a wait is decided about at the very instant at which the wait is over.
    fn check_wait(&self, message: &Message, definitions: &Definitions) -> Check {
        let Some(campaign) = definitions.campaigns.get(&message.campaign) else { return Ok(()) };
        let waits = match campaign.steps.as_slice() {
            [wait, first, ..] if first.id == message.step => match wait.action {
                Action::Wait(Wait::For(span)) => span,
                _ => return Ok(()),
            },
            [first, ..] if first.id == message.step => domain::Span(0),
            _ => return Ok(()),
        };
        let is_exact = self.entries.iter().any(|(name, customer, at)| {
            *name == message.campaign && *customer == message.customer && at.plus(waits) == message.decided_at
        });
        if is_exact || self.paused.contains(&message.campaign) {
            return Ok(());
        }
        fail(format!(
            "{} was decided about at {}, when no wait of {} was over",
            message.id, message.decided_at, message.customer
        ))
    }

    /// Goals counted again from the calls.
    fn check_exposures(
        &self,
        name: &Name,
        store: &dyn Store,
        plain: &Plain<'_>,
        definitions: &Definitions,
        calls: &[Arc<Call>],
    ) -> Check {
        let Some(goal) = definitions.campaigns.get(name).and_then(|campaign| campaign.goal.as_ref()) else {
            return Ok(());
        };
        let reader = store.reader().map_err(|error| error.to_string())?;
        for exposure in reader.exposures(name).map_err(|error| error.to_string())? {
            if self.joined.contains(&exposure.customer) {
                continue;
            }
            let is_goal = |call: &Call| {
                call.event.as_deref().is_some_and(|event| goal.event.matches(event))
                    && call.timestamp > exposure.at
                    && call.timestamp <= exposure.until
            };
            let (mut surely, mut perhaps) = (0, 0);
            for (index, call) in calls.iter().enumerate() {
                if plain.owner(index) == Some(exposure.customer) && is_goal(call) {
                    let arrived = self.arrived.get(&*call.message_id).copied().unwrap_or(call.received_at);
                    perhaps += 1;
                    // What arrives after the window is over may be too late to count.
                    surely += u32::from(arrived <= exposure.until && call.received_at <= exposure.until);
                }
            }
            if !(surely..=perhaps).contains(&exposure.goals) {
                return fail(format!(
                    "{} reached the goal of {name} {} times, by the calls {surely} to {perhaps} times",
                    exposure.customer, exposure.goals
                ));
            }
        }
        Ok(())
    }

    /// Whoever did what lets in, and is not kept out by anything, was decided about.
    fn check_triggers(
        &self,
        name: &Name,
        store: &dyn Store,
        plain: &Plain<'_>,
        definitions: &Definitions,
        calls: &[Arc<Call>],
    ) -> Check {
        let campaign = &definitions.campaigns[name];
        let domain::campaign::Trigger::Did { event, late, .. } = &campaign.enter.on else { return Ok(()) };
        let recovered = store.recover().map_err(|error| error.to_string())?;
        let started = recovered.campaigns.iter().find(|facts| facts.name == *name).map(|facts| facts.started_at);
        let leads_to_message =
            campaign.exit_if.is_none() && campaign.goal.is_none() && campaign.enter.only_if.is_none();
        let Some(started) = started.filter(|_| leads_to_message && !self.paused.contains(name)) else { return Ok(()) };
        let decided: BTreeSet<CustomerId> = messages(store)?
            .into_iter()
            .filter(|message| message.campaign == *name)
            .map(|message| plain.today(message.customer))
            .collect();
        for (index, call) in calls.iter().enumerate() {
            let Some(owner) = plain.owner(index) else { continue };
            let arrived = self.arrived.get(&*call.message_id).copied().unwrap_or(call.received_at);
            let lets_in = call.event.as_deref().is_some_and(|name| event.matches(name))
                && call.timestamp >= started
                && arrived.since(call.timestamp) <= *late;
            if lets_in && !decided.contains(&owner) && !self.joined.contains(&owner) {
                return fail(format!("{} let {owner} into {name}, and nothing was ever decided", call.message_id));
            }
        }
        Ok(())
    }
}

fn check_outcomes(message: &Message, outcomes: &[(Outcome, Option<Because>)]) -> Check {
    let id = &message.id;
    let finals: Vec<Outcome> =
        outcomes.iter().map(|(outcome, _)| *outcome).filter(|outcome| *outcome != Outcome::Held).collect();
    let allowed = match finals.as_slice() {
        [] | [_] => true,
        // The reply of a service message was lost, then it was repeated.
        [Outcome::Uncertain, Outcome::Sent | Outcome::Failed] => message.purpose == service(),
        _ => false,
    };
    if !allowed {
        return fail(format!("{id} came to more than one end: {outcomes:?}"));
    }
    if finals.first().is_some_and(|_| outcomes.last().is_some_and(|(outcome, _)| *outcome == Outcome::Held)) {
        return fail(format!("{id} is held after its end: {outcomes:?}"));
    }
    if outcomes.windows(2).any(|pair| pair[0] == pair[1]) {
        return fail(format!("{id} says the same twice: {outcomes:?}"));
    }
    let latest = outcomes.last().copied();
    let agrees = match (message.outcome, latest) {
        // A merge ended it without a decision.
        (Some(Outcome::Skipped), _) if message.because == Some(Because::Exited) => true,
        (Some(Outcome::Uncertain), _) => true,
        (Some(outcome), latest) => latest == Some((outcome, message.because)),
        (None, Some((outcome, _))) => outcome == Outcome::Held || message.fate_is_unknown(),
        (None, None) => true,
    };
    if agrees {
        Ok(())
    } else {
        fail(format!("{id} is {:?} {:?}, its decisions say {outcomes:?}", message.outcome, message.because))
    }
}

/// What holds for offers alone: consent, nobody talking, quiet hours, the comparison groups, a campaign that runs.
fn check_offer(message: &Message, person: &Person<'_>, now: Timestamp, definitions: &Definitions) -> Check {
    let id = &message.id;
    let consent = person.consent(&definitions.purposes[&message.purpose], message.channel.word(), now);
    if consent != ConsentState::Granted {
        return fail(format!("{id} is ordered though consent is {}", consent.word()));
    }
    if person.is_in_talks(now) {
        return fail(format!("{id} is ordered while somebody talks with {}", person.id));
    }
    let Some(campaign) = definitions.campaigns.get(&message.campaign) else {
        return fail(format!("{id} has no campaign"));
    };
    if campaign.state != domain::campaign::State::Running {
        return fail(format!("{id} is ordered while its campaign is {}", campaign.state.word()));
    }
    if message.expires <= now {
        return fail(format!("{id} is ordered though it expired at {}", message.expires));
    }
    if let Some(hours) = &definitions.settings.quiet_hours {
        let time = person.zone(now).local(now).time();
        let is_quiet = if hours.from < hours.to {
            hours.from <= time && time < hours.to
        } else {
            hours.from <= time || time < hours.to
        };
        if is_quiet && hours.purposes.contains(&message.purpose) {
            return fail(format!("{id} is ordered in quiet hours"));
        }
    }
    // One that was tried before has passed the draw; a merge since then does not take that back.
    let is_first = message.attempts <= 1;
    let unit = person.id.to_string();
    let global = definitions.settings.global_holdout.as_ref();
    let is_held_out = global.is_some_and(|holdout| bucket(&holdout.seed, &unit) < holdout.percent.buckets())
        || bucket(&format!("{}:1", campaign.name), &unit) < campaign.holdout.buckets();
    if is_first && is_held_out {
        return fail(format!("{id} is ordered for {unit}, who is in the comparison group"));
    }
    Ok(())
}

/// Caps counted again from the ledger: what went, and what is on its way.
fn check_caps(
    message: &Message,
    person: &Person<'_>,
    ids: &BTreeSet<CustomerId>,
    all: &[Message],
    now: Timestamp,
    definitions: &Definitions,
) -> Check {
    let zone = person.zone(now);
    let leaves = |cap: &Cap, at: Timestamp| match cap.window {
        CapWindow::Per(span) => at.plus(span),
        CapWindow::PerDays(days) => zone.start_of_day(add_days(zone.date(at), i64::from(days))),
    };
    // A repetition whose fate is unknown was counted when it first went.
    if message.fate_is_unknown() {
        return Ok(());
    }
    let default = marketing();
    let own = definitions.campaigns.get(&message.campaign).and_then(|campaign| campaign.cap.as_ref());
    for (cap, is_own) in definitions.settings.caps.iter().map(|cap| (cap, false)).chain(own.map(|cap| (cap, true))) {
        let purpose = cap.purpose.as_ref().or(if is_own { None } else { Some(&default) });
        let concerns = |other: &Message| {
            purpose.is_none_or(|purpose| *purpose == other.purpose)
                && cap.channel.is_none_or(|channel| channel == other.channel)
                && (!is_own || other.campaign == message.campaign)
        };
        if !concerns(message) {
            continue;
        }
        let is_inside = |other: &Message| other.outcome_at.is_some_and(|at| at <= now && leaves(cap, at) > now);
        let counts = |other: &&Message| {
            let went = match other.outcome {
                Some(Outcome::Sent | Outcome::Uncertain) => is_inside(other),
                None if other.phase.is_some() => true,
                None if other.fate_is_unknown() => is_inside(other),
                _ => false,
            };
            other.id != message.id && ids.contains(&other.customer) && concerns(other) && went
        };
        let used = all.iter().filter(counts).count();
        if used >= cap.at_most as usize {
            return fail(format!("{} is ordered though {used} of a cap of {} are used", message.id, cap.at_most));
        }
    }
    Ok(())
}
