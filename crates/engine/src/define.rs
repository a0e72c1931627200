//! Definitions taking effect: checked together, compiled, and back-filled from history.

use crate::decide::bandit::Occasion;
use crate::decide::prepared::Prepared;
use crate::deliver::letter::LegalGap;
use crate::report::segments::User;
use crate::segment::as_of::Building;
use crate::segment::backfill::Backfilled;
use crate::segment::{Plan, Touch};
use crate::state::{Campaigning, Engine, Entered, Triggered};
use domain::campaign::{Action, State, Trigger};
use domain::definition::{Defined, Definition, DefinitionError, Definitions};
use domain::message::Channel;
use domain::shape::ShapeError;
use domain::{CustomerId, DefinitionKind, Name, Position, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use store::{CampaignFacts, DefinitionVersion, Journey, Recovered, RowId, Stage, StoreError};

/// Why definitions did not take effect.
#[derive(Debug, thiserror::Error)]
pub enum DefineError {
    /// One of them cannot be used; none took effect.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// There is no such definition.
    #[error("there is no {kind} `{name}`")]
    Unknown {
        /// Which kind.
        kind: &'static str,
        /// Which name.
        name: Name,
    },
    /// Something else refers to it.
    #[error("{kind} `{name}` is in use by {}; change or delete that first", listed(users))]
    InUse {
        /// Which kind.
        kind: &'static str,
        /// Which name.
        name: Name,
        /// Who uses it.
        users: Vec<User>,
    },
    /// A segment of this name was deleted, and what was said of it then stays said.
    #[error("the name `{name}` belonged to a segment that was deleted at {at}; names are not used again, take another")]
    NameIsGone {
        /// Which name.
        name: Name,
        /// When it was deleted.
        at: Timestamp,
    },
    /// History could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn listed(users: &[User]) -> String {
    let users: Vec<String> = users.iter().map(|user| format!("{} `{}`", user.kind.word(), user.name)).collect();
    users.join(", ")
}

/// What is to become of definitions, all of it or nothing.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Put in force: new ones, and others in place of those that bear their names.
    pub put: Vec<Defined>,
    /// Taken out of force.
    pub delete: Vec<(DefinitionKind, Name)>,
}

/// What became of one definition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Change {
    /// Its kind.
    pub kind: DefinitionKind,
    /// Its name.
    pub name: Name,
    /// `created`, `changed`, `unchanged` or `deleted`.
    pub action: &'static str,
    /// People who entered by it: into the segment, or the campaign.
    pub enter: u64,
    /// People who left by it.
    pub leave: u64,
}

impl Engine {
    /// The definitions in force.
    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// The latest version of a definition.
    pub fn version(&self, kind: DefinitionKind, name: &Name) -> Option<&DefinitionVersion> {
        self.versions.get(&(kind, name.clone()))
    }

    /// Compiles recovered definitions, with the older versions that journeys still follow.
    pub(crate) fn recover_definitions(&mut self, recovered: &Recovered) -> Result<(), StoreError> {
        for version in &recovered.definitions {
            let Some(value) = &version.value else { continue };
            self.definitions.put(read_stored(version, value)?);
            self.versions.insert((version.kind, version.name.clone()), version.clone());
        }
        let mut needed: BTreeMap<Name, Vec<u32>> = BTreeMap::new();
        for journey in recovered.journeys.iter().filter(|journey| journey.stage.is_inside()) {
            needed.entry(journey.campaign.clone()).or_default().push(journey.version);
        }
        for exposure in &recovered.exposures {
            if let Some(journey) = recovered.journeys.iter().find(|journey| journey.id == exposure.journey) {
                needed.entry(journey.campaign.clone()).or_default().push(journey.version);
            }
        }
        let mut older: BTreeMap<(Name, u32), domain::Campaign> = BTreeMap::new();
        for (name, numbers) in needed {
            for version in self.reader.versions(DefinitionKind::Campaign, &name)? {
                if numbers.contains(&version.version)
                    && let Some(value) = &version.value
                    && let Definition::Campaign(campaign) = read_stored(&version, value)?
                {
                    older.insert((name.clone(), version.version), *campaign);
                }
            }
        }
        let facts = recovered.campaigns.iter().map(|facts| (facts.name.clone(), facts.clone())).collect();
        self.compile(&facts, &older);
        Ok(())
    }

    /// Compiles all definitions into a new plan. `older`: versions of campaigns that somebody still follows.
    fn compile(&mut self, facts: &HashMap<Name, CampaignFacts>, older: &BTreeMap<(Name, u32), domain::Campaign>) {
        (self.plan, self.campaigns) = compiled(&self.definitions, facts, older);
    }

    /// The plan that definitions would be compiled to if they took effect now.
    pub(crate) fn plan_for(&self, definitions: &Definitions) -> Plan {
        let mut facts = self.campaign_facts();
        for name in definitions.campaigns.keys() {
            facts.entry(name.clone()).or_insert_with(|| CampaignFacts {
                name: name.clone(),
                started_at: self.clock,
                draw: 1,
                compared_since: self.clock,
                version: 0,
                paused_at: None,
                stopped_at: None,
            });
        }
        compiled(definitions, &facts, &self.followed_versions()).0
    }

    fn campaign_facts(&self) -> HashMap<Name, CampaignFacts> {
        let facts = self.campaigns.values().map(|campaigning| &campaigning.facts);
        facts.map(|facts| (facts.name.clone(), facts.clone())).collect()
    }

    /// Versions of campaigns that somebody inside follows, the present ones among them.
    fn followed_versions(&self) -> BTreeMap<(Name, u32), domain::Campaign> {
        let mut followed = BTreeMap::new();
        for campaigning in self.campaigns.values() {
            for prepared in campaigning.older.values().chain([&campaigning.current]) {
                let is_followed = self
                    .journeys
                    .values()
                    .any(|journey| journey.campaign == prepared.campaign.name && journey.version == prepared.version);
                if is_followed {
                    followed.insert((prepared.campaign.name.clone(), prepared.version), prepared.campaign.clone());
                }
            }
        }
        followed
    }

    /// Takes the recovered facts into the live state. Customers exist already.
    pub(crate) fn recover_facts(&mut self, recovered: Recovered) {
        for suppression in recovered.suppressions {
            self.suppressions.insert(suppression.address.clone(), suppression);
        }
        for key in recovered.keys {
            self.keys.insert(key.id.clone(), key);
        }
        for exposure in recovered.exposures {
            let person = self.person(exposure.customer);
            self.exposures.entry(person).or_default().push(exposure);
        }
        for journey in recovered.journeys {
            self.restore_journey(journey);
        }
        for (campaign, sent_at) in &recovered.complaints {
            self.brake_recalls_complaint(campaign, *sent_at);
        }
        for (channel, since) in recovered.first_sent {
            self.outbox.began(channel, since);
        }
        for rest in recovered.resting {
            self.outbox.rested(rest);
        }
        self.recover_bandits(recovered.sharings, &recovered.assignments);
        self.restore_webhooks(recovered.webhooks, recovered.endpoints_off);
        self.pools = crate::decide::pools::Pools::recovered(recovered.pools);
        for message in recovered.messages {
            #[cfg(feature = "planted-bugs")]
            if self.has_bug(crate::state::PlantedBug::CapsAreForgottenAtRestart)
                && matches!(message.outcome, Some(domain::message::Outcome::Sent))
            {
                continue;
            }
            self.restore_message(message);
        }
    }

    fn restore_journey(&mut self, journey: Journey) {
        let person = self.person(journey.customer);
        let entered = Entered { at: journey.entered_at, occasion: journey.occasion.clone() };
        let place = (journey.campaign.clone(), journey.customer, journey.key.clone());
        if self.entries.get(&place).is_none_or(|last| last.at <= entered.at) {
            self.entries.insert(place, entered);
        }
        let watched = self
            .exposures
            .get(&person)
            .into_iter()
            .flatten()
            .find(|exposure| exposure.journey == journey.id)
            .map(|exposure| exposure.until);
        if !journey.stage.is_inside() && watched.is_none() {
            return;
        }
        if let Some(until) = watched {
            self.timers.insert(until.plus(domain::Span(1)), crate::timers::Timer::Journey(journey.id.clone()));
        }
        match (journey.stage, journey.until) {
            (Stage::Waiting, Some(until)) => self.set_journey_timer(&journey.id, until),
            (Stage::Due, _) => {
                self.timers.insert(self.clock, crate::timers::Timer::Journey(journey.id.clone()));
            }
            _ => {}
        }
        self.journeys_of.entry(person).or_default().insert(journey.id.clone());
        self.journeys.insert(journey.id.clone(), journey);
    }

    /// Puts definitions in force, all or none. Everything they lead to at this instant is done: people enter
    /// and leave redefined segments, present members enter campaigns that start.
    ///
    /// O(history) when they ask about events that no definition asked about before, else O(customers).
    pub fn define(&mut self, defined: Vec<Defined>, by: &str, now: Timestamp) -> Result<Vec<Change>, DefineError> {
        self.define_with(defined, by, now, None)
    }

    /// As `define`, with what was read of history ahead of it: O(customers + calls since).
    pub fn define_with(
        &mut self,
        defined: Vec<Defined>,
        by: &str,
        now: Timestamp,
        backfilled: Option<Backfilled>,
    ) -> Result<Vec<Change>, DefineError> {
        self.change_definitions(Wanted { put: defined, delete: Vec::new() }, by, now, backfilled)
    }

    /// Deletes a definition that nothing refers to.
    pub fn delete_definition(
        &mut self,
        kind: DefinitionKind,
        name: &Name,
        by: &str,
        now: Timestamp,
    ) -> Result<Change, DefineError> {
        let wanted = Wanted { put: Vec::new(), delete: vec![(kind, name.clone())] };
        let mut changes = self.change_definitions(wanted, by, now, None)?;
        Ok(changes.pop().expect("one deletion is one change"))
    }

    /// Puts definitions in force and takes others out, as `define` and `delete_definition` do, at one instant.
    /// `backfilled`: what was read of history ahead of it.
    pub fn change_definitions(
        &mut self,
        wanted: Wanted,
        by: &str,
        now: Timestamp,
        backfilled: Option<Backfilled>,
    ) -> Result<Vec<Change>, DefineError> {
        let (definitions, mut changes) = self.check_wanted(&wanted)?;
        let mut versions = Vec::new();
        for (change, value) in changes.iter().zip(values_of(wanted)) {
            if change.action != "unchanged" {
                versions.push(DefinitionVersion {
                    kind: change.kind,
                    name: change.name.clone(),
                    version: self.latest_version(change.kind, &change.name)? + 1,
                    at: now.max(self.clock),
                    by: by.to_owned(),
                    value,
                });
            }
        }
        if versions.is_empty() {
            return Ok(changes);
        }
        self.reach(now);
        for version in versions.iter().filter(|version| version.kind == DefinitionKind::Campaign) {
            if version.value.is_none() {
                self.end_campaign(&version.name);
            }
        }
        // What other inputs of the same commit led to is no consequence of the definitions.
        let before = (self.pending.transitions.len(), self.pending.journeys.len());
        self.switch(definitions, versions, backfilled)?;
        self.count_changes(&mut changes, before);
        Ok(changes)
    }

    /// Checks what is wanted as making it so would, without making it so: the definitions that would be in force, and
    /// a change for each that is put, then for each that is deleted, with nobody counted yet.
    pub(crate) fn check_wanted(&self, wanted: &Wanted) -> Result<(Definitions, Vec<Change>), DefineError> {
        let mut definitions = self.definitions.clone();
        let mut changes = Vec::new();
        let mut seen = BTreeSet::new();
        for one in &wanted.put {
            let (kind, name) = (one.definition.kind(), one.definition.name());
            check_alone(&one.definition, &name)?;
            if !seen.insert((kind, name.clone())) {
                let message = "it is there twice; keep one of them".to_owned();
                return Err(definition_error(kind, &name, "", message).into());
            }
            self.check_delivers(&one.definition, &name)?;
            let action = match self.versions.get(&(kind, name.clone())) {
                None => {
                    self.check_name(kind, &name)?;
                    "created"
                }
                Some(old) if old.value.as_ref() == Some(&one.value) => "unchanged",
                Some(_) => "changed",
            };
            changes.push(Change { kind, name, action, enter: 0, leave: 0 });
            definitions.put(one.definition.clone());
        }
        for (kind, name) in &wanted.delete {
            if self.version(*kind, name).is_none() {
                return Err(DefineError::Unknown { kind: kind.word(), name: name.clone() });
            }
            definitions.remove(*kind, name);
            changes.push(Change { kind: *kind, name: name.clone(), action: "deleted", enter: 0, leave: 0 });
        }
        if let Err(error) = definitions.check() {
            for (kind, name) in &wanted.delete {
                let users = users_of(&definitions, *kind, name);
                if !users.is_empty() {
                    return Err(DefineError::InUse { kind: kind.word(), name: name.clone(), users });
                }
            }
            return Err(error.into());
        }
        self.check_law(&wanted.put, &definitions)?;
        let count = definitions.segments.len() + definitions.campaigns.len() + definitions.templates.len();
        if count > domain::definition::DEFINITION_LIMIT {
            let message = format!("{count} definitions, more than {}", domain::definition::DEFINITION_LIMIT);
            return Err(definition_error(DefinitionKind::Workspace, &settings_name(), "", message).into());
        }
        Ok((definitions, changes))
    }

    /// Where messages really go out, nothing may pretend to be told to another system that is not.
    fn check_delivers(&self, definition: &Definition, name: &Name) -> Result<(), DefinitionError> {
        let Definition::Campaign(campaign) = definition else { return Ok(()) };
        let known = &self.options.endpoints;
        let is_pretended = self.options.real_channels.is_empty() && known.names().next().is_none();
        if is_pretended || campaign.state == State::Stopped {
            return Ok(());
        }
        let mut result = Ok(());
        campaign.walk(&mut |path, step| {
            if let Action::Webhook { endpoint, .. } = &step.action
                && !known.has(endpoint)
                && result.is_ok()
            {
                let near = domain::shape::nearest(endpoint.as_str(), known.names().map(Name::as_str));
                let near = near.map(|near| format!(" (the nearest is `{near}`)")).unwrap_or_default();
                let message = format!(
                    "this workspace sends for real, and no endpoint `{endpoint}` is configured{near}: add `[webhooks.{endpoint}]` with its url and secrets to the configuration and start again, or keep the campaign stopped"
                );
                let path = format!("{path}.webhook.url_of");
                result = Err(definition_error(DefinitionKind::Campaign, name, &path, message));
            }
        });
        result
    }

    /// Where mail really goes out, nothing is saved with which marketing mail would lack what the law asks of it.
    fn check_law(&self, put: &[Defined], definitions: &Definitions) -> Result<(), DefinitionError> {
        if !self.options.keeps_the_law {
            return Ok(());
        }
        let sender = definitions.settings.sender.as_ref();
        for campaign in definitions.campaigns.values() {
            if campaign.state == State::Stopped || campaign.purpose == domain::workspace::service() {
                continue;
            }
            for step in campaign.all_steps() {
                let Action::Message { template, channel, .. } = &step.action else { continue };
                let Some(template) = definitions.templates.get(template) else { continue };
                let touches = |one: &Defined| match &one.definition {
                    Definition::Campaign(own) => own.name == campaign.name,
                    Definition::Template(own) => own.name == template.name,
                    Definition::Workspace(_) => true,
                    _ => false,
                };
                let Some(one) = put.iter().find(|one| touches(one)) else { continue };
                if channel.unwrap_or(template.channel) != Channel::Email {
                    continue;
                }
                let facts = crate::write::check_template(template).ok();
                if let Some(gap) = facts.and_then(|facts| LegalGap::of_template(sender, &facts)) {
                    let message = format!("campaign `{}` writes `{}`, and {gap}", campaign.name, template.name);
                    return Err(definition_error(one.definition.kind(), &one.definition.name(), "", message));
                }
            }
        }
        Ok(())
    }

    /// What a segment was called nobody else is called later: counts and decisions of then still name it.
    fn check_name(&self, kind: DefinitionKind, name: &Name) -> Result<(), DefineError> {
        if kind != DefinitionKind::Segment {
            return Ok(());
        }
        let is_own = |version: &&DefinitionVersion| version.kind == kind && version.name == *name;
        let pending = self.pending.definitions.iter().rev().find(is_own).cloned();
        let last = match pending {
            Some(version) => Some(version),
            None => self.reader.versions(kind, name)?.into_iter().next(),
        };
        match last {
            Some(DefinitionVersion { value: None, at, .. }) => Err(DefineError::NameIsGone { name: name.clone(), at }),
            _ => Ok(()),
        }
    }

    // A name that was deleted and is used again must not repeat a version's number.
    fn latest_version(&self, kind: DefinitionKind, name: &Name) -> Result<u32, StoreError> {
        if let Some(version) = self.versions.get(&(kind, name.clone())) {
            return Ok(version.version);
        }
        let pending = self.pending.definitions.iter().filter(|version| version.kind == kind && version.name == *name);
        let pending = pending.map(|version| version.version).max().unwrap_or(0);
        Ok(self.reader.versions(kind, name)?.first().map_or(0, |version| version.version).max(pending))
    }

    /// Who refers to a definition. O(nodes of all definitions).
    pub fn users_of(&self, kind: DefinitionKind, name: &Name) -> Vec<User> {
        users_of(&self.definitions, kind, name)
    }

    /// Switches to new definitions at the present instant.
    fn switch(
        &mut self,
        definitions: Definitions,
        versions: Vec<DefinitionVersion>,
        backfilled: Option<Backfilled>,
    ) -> Result<(), StoreError> {
        let old_plan = self.plan.clone();
        let mut facts = self.campaign_facts();
        let older = self.followed_versions();
        let mut started = Vec::new();
        let mut resumed = Vec::new();
        let mut edited = Vec::new();
        for version in &versions {
            if version.kind == DefinitionKind::Campaign && version.value.is_some() {
                let is_new = !facts.contains_key(&version.name);
                let state = definitions.campaigns.get(&version.name).map_or(State::Running, |campaign| campaign.state);
                let own = facts.entry(version.name.clone()).or_insert_with(|| CampaignFacts {
                    name: version.name.clone(),
                    started_at: self.clock,
                    draw: 1,
                    compared_since: self.clock,
                    version: version.version,
                    paused_at: None,
                    stopped_at: None,
                });
                own.version = version.version;
                if let Some(paused_at) = own.paused_at.filter(|_| state != State::Paused) {
                    resumed.push((version.name.clone(), paused_at));
                }
                own.paused_at = (state == State::Paused).then(|| own.paused_at.unwrap_or(self.clock));
                own.stopped_at = (state == State::Stopped).then(|| own.stopped_at.unwrap_or(self.clock));
                self.pending.campaigns.push(own.clone());
                if is_new {
                    started.push(version.name.clone());
                } else {
                    edited.push(version.name.clone());
                }
            }
        }
        self.definitions = definitions;
        self.compile(&facts, &older);
        for version in versions {
            let place = (version.kind, version.name.clone());
            match version.value {
                Some(_) => self.versions.insert(place, version.clone()),
                None => self.versions.remove(&place),
            };
            self.pending.definitions.push(version);
        }
        self.carry_over(&old_plan, backfilled)?;
        let stopped: Vec<Name> = self
            .campaigns
            .values()
            .filter(|campaigning| campaigning.current.campaign.state == State::Stopped)
            .map(|campaigning| campaigning.facts.name.clone())
            .collect();
        for campaign in stopped {
            self.end_campaign(&campaign);
        }
        for (campaign, paused_at) in resumed {
            self.take_back_pause(&campaign, paused_at);
        }
        for campaign in edited {
            self.move_people(&campaign);
        }
        self.know_all_dates();
        self.set_schedules();
        self.share_variants(Occasion::Definitions);
        self.release_held();
        for campaign in started {
            self.start_campaign(&campaign);
        }
        self.settle();
        Ok(())
    }

    /// Gives every customer what the new plan keeps, and asks every rule again. Members of segments that go on
    /// stay members until asked.
    fn carry_over(&mut self, old: &Plan, backfilled: Option<Backfilled>) -> Result<(), StoreError> {
        if !self.plan.keeps_the_same(old) {
            let fits = match backfilled {
                Some(read) => self.take_backfilled(read)?,
                None => false,
            };
            if !fits {
                self.rebuild_customers()?;
            }
        }
        let places: Vec<Option<usize>> = old.segments.iter().map(|segment| self.plan.segment(&segment.name)).collect();
        let everyone: Vec<CustomerId> = self.customers.ids().collect();
        for id in everyone {
            if let Some(customer) = self.customers.get_mut(id) {
                customer.memberships.renumber(&places);
            }
            self.work.touched.add(id, Touch::all());
        }
        Ok(())
    }

    /// Builds what the plan's streams keep from all of history. O(calls).
    fn rebuild_customers(&mut self) -> Result<(), StoreError> {
        let now = self.clock;
        let mut building = Building::new(&self.people, &self.plan, now);
        self.reader.replay(RowId(0), &mut |row| {
            for (offset, call) in (0_u64..).zip(&row.calls) {
                building.take(call, Position(row.first.0 + offset), true);
            }
            Ok(())
        })?;
        let committed = self.position.0 - self.pending.calls.len() as u64;
        for (offset, call) in (1_u64..).zip(&self.pending.calls) {
            building.take(call, Position(committed + offset), true);
        }
        let built = building.finish();
        self.keep(built);
        Ok(())
    }

    /// When a campaign starts on `enters`, present members enter once.
    fn start_campaign(&mut self, name: &Name) {
        // Memberships first: whoever enters by the definition itself is no present member twice.
        self.settle_memberships();
        let Some(campaigning) = self.campaigns.get(name) else { return };
        let Trigger::Enters(segment) = &campaigning.current.campaign.enter.on else { return };
        let Some(index) = self.plan.segment(segment) else { return };
        let mut present: Vec<CustomerId> = self.members_now(index).collect();
        present.sort_unstable();
        self.work.triggers.retain(|triggered| triggered.campaign != *name);
        for customer in present {
            self.work.triggers.push(Triggered::of(name.clone(), customer));
        }
    }

    /// Everybody inside leaves; held messages end with them.
    fn end_campaign(&mut self, name: &Name) {
        let inside: Vec<Arc<str>> = self
            .journeys
            .values()
            .filter(|journey| journey.campaign == *name && journey.stage.is_inside())
            .map(|journey| journey.id.clone())
            .collect();
        for journey in inside {
            self.leave(&journey, Stage::Exited);
        }
    }

    /// A pause does not count against the time for which a message may be held.
    fn take_back_pause(&mut self, campaign: &Name, paused_at: Timestamp) {
        let now = self.clock;
        for message in self
            .messages
            .values_mut()
            .filter(|message| message.campaign == *campaign && message.expires != domain::time::LATEST)
        {
            let since = paused_at.max(message.decided_at);
            message.expires = message.expires.plus(now.since(since));
            self.timers.insert(message.expires, crate::timers::Timer::Message(message.id.clone()));
            self.pending.messages.push(message.clone());
        }
    }

    /// New definitions may lift holds and let people go on who stood still in a pause.
    fn release_held(&mut self) {
        let mut due = Vec::new();
        for journey in self.journeys.values().filter(|journey| journey.stage.is_inside()) {
            self.work.held_of.insert(self.person(journey.customer));
            let waits = journey.stage == Stage::Waiting && journey.until.is_some_and(|until| until > self.clock);
            if journey.stage != Stage::Messaging && !waits {
                due.push(journey.id.clone());
            }
        }
        self.work.steps.extend(due);
    }

    /// Counts who entered and left by the change: in what is pending, after the places in `since`.
    fn count_changes(&self, changes: &mut [Change], since: (usize, usize)) {
        for change in changes {
            match change.kind {
                DefinitionKind::Segment => {
                    let moved = &self.pending.transitions[since.0..];
                    for transition in moved.iter().filter(|transition| transition.segment == change.name) {
                        if transition.entered { change.enter += 1 } else { change.leave += 1 }
                    }
                }
                DefinitionKind::Campaign => {
                    let own = self.pending.journeys[since.1..].iter().filter(|journey| journey.campaign == change.name);
                    let ids: std::collections::BTreeSet<_> =
                        own.filter(|journey| journey.entered_at == self.clock).map(|journey| &journey.id).collect();
                    change.enter = ids.len() as u64;
                }
                _ => {}
            }
        }
    }

    /// Starts a new comparison: from now on the comparison group and the variants are drawn anew, what was learned of variants
    /// is forgotten, and what came of messages before is compared no more. Returns its number. Those inside whose draw has
    /// taken effect count for neither comparison.
    pub fn start_comparison(&mut self, name: &Name, now: Timestamp) -> Result<u32, DefineError> {
        self.reach(now);
        let since = self.clock;
        let Some(campaigning) = self.campaigns.get_mut(name) else {
            return Err(DefineError::Unknown { kind: "campaign", name: name.clone() });
        };
        campaigning.facts.draw = campaigning.facts.draw.saturating_add(1);
        campaigning.facts.compared_since = since;
        let facts = campaigning.facts.clone();
        self.pending.campaigns.push(facts.clone());
        self.share_variants(Occasion::Definitions);
        self.settle();
        Ok(facts.draw)
    }

    /// Starts, pauses or stops a campaign: a new version with another `state`.
    pub fn set_campaign_state(
        &mut self,
        name: &Name,
        state: State,
        by: &str,
        now: Timestamp,
    ) -> Result<Vec<Change>, DefineError> {
        let Some(version) = self.versions.get(&(DefinitionKind::Campaign, name.clone())) else {
            return Err(DefineError::Unknown { kind: "campaign", name: name.clone() });
        };
        let mut value = version.value.clone().unwrap_or_default();
        value["state"] = state.word().into();
        let definition = Definition::read(&value)
            .map_err(|error| definition_error(DefinitionKind::Campaign, name, &error.path, error.message.clone()))?;
        self.define(vec![Defined { definition, value }], by, now)
    }
}

/// What is wrong with a definition whatever stands beside it, beyond its shape.
fn check_alone(definition: &Definition, name: &Name) -> Result<(), DefinitionError> {
    match definition {
        Definition::Template(template) => crate::write::check_template(template)
            .map(drop)
            .map_err(|message| definition_error(DefinitionKind::Template, name, "", message)),
        Definition::Campaign(campaign) => check_titles(campaign, name),
        Definition::Workspace(settings) => match &settings.sender {
            Some(sender) if crate::decide::address::normal_email(&sender.address).is_none() => {
                let message = "is no e-mail address".to_owned();
                Err(definition_error(DefinitionKind::Workspace, name, "sender.address", message))
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The titles of tasks are templates too.
fn check_titles(campaign: &domain::Campaign, name: &Name) -> Result<(), DefinitionError> {
    let mut result = Ok(());
    campaign.walk(&mut |path, step| {
        let Action::Task(task) = &step.action else { return };
        let template = serde_json::json!({ "template": "title", "subject": task.title, "body": "-" });
        let checked = domain::Template::read(&template).map_err(|error| error.message);
        if let Err(message) = checked.and_then(|template| crate::write::check_template(&template))
            && result.is_ok()
        {
            let message = message.trim_start_matches("subject: ").to_owned();
            result = Err(definition_error(DefinitionKind::Campaign, name, &format!("{path}.task.title"), message));
        }
    });
    result
}

/// The values to store, in the order of the changes; none deletes.
fn values_of(wanted: Wanted) -> impl Iterator<Item = Option<serde_json::Value>> {
    let deleted = wanted.delete.into_iter().map(|_| None);
    wanted.put.into_iter().map(|one| Some(one.value)).chain(deleted)
}

fn users_of(definitions: &Definitions, kind: DefinitionKind, name: &Name) -> Vec<User> {
    let title = |kind, name: &Name| match kind {
        DefinitionKind::Campaign => definitions.campaigns.get(name).and_then(|campaign| campaign.title.as_deref()),
        _ => definitions.segments.get(name).and_then(|segment| segment.title.as_deref()),
    };
    let users = definitions.users_of(kind, name).into_iter();
    users.map(|(kind, name)| User::new(kind, &name, title(kind, &name))).collect()
}

fn settings_name() -> Name {
    Name::parse("settings").expect("a literal that fits the grammar")
}

fn definition_error(kind: DefinitionKind, name: &Name, path: &str, message: String) -> DefinitionError {
    let heading = format!("{} `{name}`", kind.word());
    DefinitionError::new(heading, ShapeError { path: path.to_owned(), message })
}

/// Compiles definitions. Campaigns without facts have not started and are left out.
fn compiled(
    definitions: &Definitions,
    facts: &HashMap<Name, CampaignFacts>,
    older: &BTreeMap<(Name, u32), domain::Campaign>,
) -> (Plan, BTreeMap<Name, Campaigning>) {
    let mut plan = Plan::new(definitions);
    plan.keep_purposes(&definitions.purposes);
    let mut campaigns = BTreeMap::new();
    for campaign in definitions.campaigns.values() {
        let Some(facts) = facts.get(&campaign.name) else { continue };
        let current = Arc::new(Prepared::new(campaign, facts.version, &mut plan, definitions));
        let older = older
            .iter()
            .filter(|((name, version), _)| *name == campaign.name && *version != facts.version)
            .map(|((_, version), campaign)| {
                (*version, Arc::new(Prepared::new(campaign, *version, &mut plan, definitions)))
            })
            .collect();
        campaigns.insert(campaign.name.clone(), Campaigning { facts: facts.clone(), current, older });
    }
    (plan, campaigns)
}

fn read_stored(version: &DefinitionVersion, value: &serde_json::Value) -> Result<Definition, StoreError> {
    Definition::read(value).map_err(|error| StoreError::Damaged {
        place: format!("{} `{}`, version {}", version.kind.word(), version.name, version.version),
        reason: error.to_string(),
    })
}
