//! Somebody's way through a campaign: in, from step to step, and out.

use crate::decide::limits::{Mark, MarkKind};
use crate::segment::test::earlier;
use crate::segment::verdict::Asked;
use crate::state::{Engine, GoalEvent, Timer, Triggered};
use domain::campaign::{Action, Again, Campaign, State, Trigger};
use domain::message::{Because, Channel, Message, Outcome};
use domain::{Call, CustomerId, MessageId, Name, Span, Timestamp, Trust};
use std::sync::Arc;
use store::{Arm, Exposure, Journey, Stage};

/// Most entries of one customer into one campaign, for one key, that follow from Perennial's own doing …
const FOLLOWED: u32 = 10;
/// … within this time: more than anybody means.
const FOLLOWED_WITHIN: Span = Span::hours(1);
/// So many are remembered before the old ones are looked for.
const FOLLOWED_ROOM: usize = 1_024;

impl Engine {
    /// Notes an event that may let somebody in or be somebody's goal. Called at the event's own time.
    pub(crate) fn note_event(&mut self, id: CustomerId, call: &Arc<Call>) {
        let lets_in = self.campaigns.values().any(|campaigning| campaigning.current.is_triggered_by_name(call));
        if !lets_in && !self.journeys_of.contains_key(&id) {
            return;
        }
        let zone = self.zone_of(id);
        for (name, campaigning) in &self.campaigns {
            let Trigger::Did { late, .. } = &campaigning.current.campaign.enter.on else { continue };
            let age = self.clock.since(call.timestamp);
            let in_time = call.timestamp >= campaigning.facts.started_at && age <= *late;
            if in_time
                && campaigning.current.campaign.state == State::Running
                && campaigning.current.is_trigger(call, &zone)
            {
                self.work.triggers.push(Triggered { campaign: name.clone(), customer: id, event: Some(call.clone()) });
            }
        }
        for journey in self.journeys_of.get(&id).into_iter().flatten() {
            let Some(journey) = self.journeys.get(journey) else { continue };
            if self.carries_other_key(journey, call) {
                continue;
            }
            let Some(campaigning) = self.campaigns.get(&journey.campaign) else { continue };
            let prepared = campaigning.version(journey.version);
            let Some(goal) = &prepared.campaign.goal else { continue };
            let in_window =
                call.timestamp > journey.entered_at && call.timestamp <= journey.entered_at.plus(goal.within);
            if in_window && let Some(worth) = prepared.goal_worth(call, &zone) {
                self.work.goals.push(GoalEvent { journey: journey.id.clone(), at: call.timestamp, worth });
            }
        }
    }

    /// With a key, an event counts only for the instance whose key it carries, where it has that property.
    fn carries_other_key(&self, journey: &Journey, call: &Call) -> bool {
        let Some(key) = &journey.key else { return false };
        let Some(campaigning) = self.campaigns.get(&journey.campaign) else { return false };
        let Some(path) = &campaigning.version(journey.version).campaign.enter.key else { return false };
        key_of(path, call).is_some_and(|found| found != *key)
    }

    /// The customer's zone now.
    pub(crate) fn zone_of(&self, id: CustomerId) -> domain::Zone {
        let workspace = &self.definitions.settings.zone;
        self.customers.get(&id).map_or_else(|| workspace.clone(), |customer| customer.zone(self.clock, workspace))
    }

    /// Counts goal events, and ends the journeys that reached their goal.
    pub(crate) fn settle_goals(&mut self) {
        for goal in std::mem::take(&mut self.work.goals) {
            self.count_goal(&goal);
            let inside = self.journeys.get(&goal.journey).is_some_and(|journey| journey.stage.is_inside());
            if inside {
                self.leave(&goal.journey, Stage::Converted);
            }
        }
    }

    /// Ends the journeys of a customer whose `exit_if` holds.
    pub(crate) fn watch_exits(&mut self, id: CustomerId) {
        let Some(journeys) = self.journeys_of.get(&id) else { return };
        let mut exits = Vec::new();
        for journey in journeys.iter().filter_map(|journey| self.journeys.get(journey)) {
            if journey.stage.is_inside() && self.exit_verdict(journey).is_some_and(|verdict| verdict.holds) {
                exits.push(journey.id.clone());
            }
        }
        for journey in exits {
            // A goal reached by the same event counts as the goal.
            if self.work.goals.iter().any(|goal| goal.journey == journey) {
                continue;
            }
            self.leave(&journey, Stage::Exited);
        }
    }

    fn exit_verdict(&self, journey: &Journey) -> Option<crate::segment::Verdict> {
        let id = self.person(journey.customer);
        let rule = &self.campaigns.get(&journey.campaign)?.version(journey.version).exit_if.as_ref()?.0;
        let customer = self.customers.get(&id)?;
        Some(Asked { plan: &self.plan, id, customer, now: self.clock, floor: Some(journey.entered_at) }.verdict(rule))
    }

    /// When a journey of the customer may end by time alone, or a talk that holds messages.
    pub(crate) fn journeys_due(&self, id: CustomerId, asked: &Asked<'_>) -> Option<Timestamp> {
        let journeys = self.journeys_of.get(&id)?;
        let mut due = None;
        for journey in journeys.iter().filter_map(|journey| self.journeys.get(journey)) {
            if journey.stage.is_inside() {
                due = earlier(due, self.exit_verdict(journey).and_then(|verdict| verdict.check));
                // Consent or a talk dated ahead, or a trait such as the address or zone, may lift a hold or end it.
                due = earlier(due, asked.customer.standing.next_consent_change(asked.now));
                due = earlier(due, asked.customer.standing.next_talk_change(asked.now));
                due = earlier(due, asked.customer.traits.next_change_of_any(asked.now));
            }
        }
        due
    }

    /// Lets in whom the triggers name, unless the campaign says otherwise.
    pub(crate) fn settle_entries(&mut self) {
        for triggered in std::mem::take(&mut self.work.triggers) {
            self.enter(&triggered);
        }
    }

    fn enter(&mut self, triggered: &Triggered) {
        let id = self.person(triggered.customer);
        let Some(campaigning) = self.campaigns.get(&triggered.campaign) else { return };
        let prepared = campaigning.current.clone();
        let campaign = &prepared.campaign;
        if campaign.state != State::Running {
            return;
        }
        let key = match (&campaign.enter.key, &triggered.event) {
            (Some(path), Some(call)) => match key_of(path, call) {
                Some(key) => Some(key),
                None => {
                    tracing::warn!(campaign.id = %campaign.name, customer.id = %id, "no entry: the event lacks the campaign's key");
                    return;
                }
            },
            _ => None,
        };
        if self.is_inside(&campaign.name, id, key.as_ref()) || !self.may_enter_again(campaign, id, key.as_ref()) {
            return;
        }
        if !self.satisfies(prepared.only_if.as_ref(), id) {
            return;
        }
        let is_consequence = triggered.event.as_ref().is_none_or(|call| call.trust == Trust::Perennial);
        if is_consequence && !self.may_follow(&campaign.name, id, key.as_ref()) {
            return;
        }
        self.begin_journey(&prepared, id, key, triggered.event.as_deref());
    }

    /// Whether another entry may follow from what Perennial itself did. Two campaigns that each wait for the other's
    /// message would otherwise write to somebody without end; what is refused here is forgotten, as a trigger that
    /// `again` refuses.
    fn may_follow(&mut self, campaign: &Name, id: CustomerId, key: Option<&String>) -> bool {
        let now = self.clock;
        if self.followed.len() >= self.followed_room {
            self.followed.retain(|_, (since, _)| since.plus(FOLLOWED_WITHIN) > now);
            self.followed_room = (self.followed.len() * 2).max(FOLLOWED_ROOM);
        }
        let (since, entries) = self.followed.entry((campaign.clone(), id, key.cloned())).or_insert((now, 0));
        if since.plus(FOLLOWED_WITHIN) <= now {
            (*since, *entries) = (now, 0);
        }
        *entries += 1;
        if *entries == FOLLOWED + 1 {
            tracing::warn!(
                campaign.id = %campaign,
                customer.id = %id,
                "the campaign lets the same customer in again and again by what it leads to itself; that ends at {FOLLOWED} times an hour"
            );
        }
        *entries <= FOLLOWED
    }

    fn satisfies(&self, rule: Option<&crate::segment::Node>, id: CustomerId) -> bool {
        let (Some(rule), Some(customer)) = (rule, self.customers.get(&id)) else {
            return rule.is_none();
        };
        Asked { plan: &self.plan, id, customer, now: self.clock, floor: None }.verdict(rule).holds
    }

    /// Whether somebody is inside a campaign for a key.
    pub(crate) fn is_inside(&self, campaign: &Name, id: CustomerId, key: Option<&String>) -> bool {
        self.journeys_of
            .get(&id)
            .into_iter()
            .flatten()
            .filter_map(|journey| self.journeys.get(journey))
            .any(|journey| journey.campaign == *campaign && journey.stage.is_inside() && journey.key.as_ref() == key)
    }

    pub(crate) fn may_enter_again(&self, campaign: &Campaign, id: CustomerId, key: Option<&String>) -> bool {
        let ids = self.people.nodes_of(id.0).into_iter().map(CustomerId);
        let last = ids.filter_map(|id| self.entries.get(&(campaign.name.clone(), id, key.cloned()))).max();
        match (campaign.enter.again, last) {
            (_, None) | (Again::Always, _) => true,
            (Again::Never, Some(_)) => false,
            (Again::After(span), Some(last)) => self.clock >= last.plus(span),
        }
    }

    fn begin_journey(
        &mut self,
        prepared: &crate::decide::prepared::Prepared,
        id: CustomerId,
        key: Option<String>,
        event: Option<&Call>,
    ) {
        let campaign = &prepared.campaign.name;
        let now = self.clock;
        // Twice at one instant must be two journeys: calls have been accepted in between, its own messages at least.
        let (customer, at, position) = (id.to_string(), now.0.to_string(), self.position.0.to_string());
        let words = [campaign.as_str(), &customer, key.as_deref().unwrap_or(""), &at, &position];
        let mut journey_id: Arc<str> = format!("j_{}", self.seen.id_of(&words)).into();
        while self.journeys.contains_key(&journey_id) {
            journey_id = format!("j_{}", self.seen.id_of(&[&words.concat(), &journey_id])).into();
        }
        let journey = Journey {
            id: journey_id.clone(),
            campaign: campaign.clone(),
            customer: id,
            key: key.clone(),
            entered_at: now,
            version: prepared.version,
            step: 0,
            stage: Stage::Due,
            until: None,
            message: None,
            trigger: event.map(|call| match call.is_quarantined() {
                // A message would repeat to the customer what cannot be right.
                true => call.body_value().to_string(),
                false => call.body.get().to_owned(),
            }),
            ended_at: None,
        };
        self.entries.insert((campaign.clone(), id, key), now);
        self.journeys_of.entry(id).or_default().insert(journey_id.clone());
        self.journeys.insert(journey_id.clone(), journey);
        self.save_journey(&journey_id);
        self.work.steps.insert(journey_id);
        // Its exit may hold already, or come by time: the customer's timer must know.
        self.work.touched.entry(id).or_default().everything = true;
    }

    pub(crate) fn save_journey(&mut self, id: &Arc<str>) {
        if let Some(journey) = self.journeys.get(id) {
            self.pending.journeys.push(journey.clone());
        }
    }

    /// Takes the steps that are due.
    pub(crate) fn settle_steps(&mut self) {
        for id in std::mem::take(&mut self.work.steps) {
            self.take_steps(&id);
        }
    }

    /// Takes steps until one waits. At most as many as the campaign has.
    fn take_steps(&mut self, id: &Arc<str>) {
        loop {
            let Some(journey) = self.journeys.get(id) else { return };
            let Some(campaigning) = self.campaigns.get(&journey.campaign) else { return };
            let prepared = campaigning.version(journey.version).clone();
            let paused = campaigning.current.campaign.state == State::Paused;
            let waiting = journey.stage == Stage::Waiting && journey.until.is_some_and(|until| until > self.clock);
            if !journey.stage.is_inside() {
                self.forget_if_over(id);
                return;
            }
            if journey.stage == Stage::Messaging || waiting {
                return;
            }
            let step = if journey.stage == Stage::Waiting { journey.step + 1 } else { journey.step };
            let action = prepared.campaign.steps.get(step as usize).map(|step| (step.id.clone(), step.action.clone()));
            if paused && !matches!(action, Some((_, Action::Message { .. }))) {
                // A wait that is over stays over; the step after it is taken on resume.
                return;
            }
            let now = self.clock;
            let Some(journey) = self.journeys.get_mut(id) else { return };
            journey.step = step;
            journey.until = None;
            match action {
                None => {
                    journey.stage = Stage::Finished;
                    journey.ended_at = Some(now);
                    self.save_journey(id);
                    self.forget_if_over(id);
                    return;
                }
                Some((_, Action::Wait(span))) => {
                    let until = now.plus(span);
                    journey.stage = Stage::Waiting;
                    journey.until = Some(until);
                    self.timers.insert((until, Timer::Journey(id.clone())));
                    self.save_journey(id);
                    if until > now {
                        return;
                    }
                }
                Some((step_id, Action::Message { template, channel, .. })) => {
                    journey.stage = Stage::Messaging;
                    let channel = channel.unwrap_or_else(|| {
                        self.definitions.templates.get(&template).map_or(Channel::Email, |template| template.channel)
                    });
                    self.begin_message(id, &prepared.campaign, step_id, template, channel);
                    return;
                }
            }
        }
    }

    fn begin_message(
        &mut self,
        journey_id: &Arc<str>,
        campaign: &Campaign,
        step: String,
        template: Name,
        channel: Channel,
    ) {
        let Some(journey) = self.journeys.get_mut(journey_id) else { return };
        let id = MessageId(format!("m_{}", self.seen.id_of(&["message", journey_id, &step])).into());
        journey.message = Some(id.clone());
        let customer = journey.customer;
        let message = Message {
            id: id.clone(),
            customer,
            campaign: campaign.name.clone(),
            step,
            template,
            variant: None,
            channel,
            purpose: campaign.purpose.clone(),
            decided_at: self.clock,
            outcome: None,
            because: None,
            outcome_at: None,
            attempts: 0,
            phase: None,
            due: None,
            expires: domain::time::LATEST,
            written: None,
            detail: None,
        };
        self.messages.insert(id.clone(), message);
        self.save_journey(journey_id);
        self.work.gate.insert(id);
    }

    /// Goes on after the message of a step has ended with an outcome.
    pub(crate) fn after_message(&mut self, message: &Message, outcome: Outcome, because: Option<Because>) {
        let Some(journey_id) = self.journey_of_message(message) else { return };
        let Some(journey) = self.journeys.get_mut(&journey_id) else { return };
        if journey.stage != Stage::Messaging || journey.message.as_ref() != Some(&message.id) {
            return;
        }
        if (outcome, because) == (Outcome::Skipped, Some(Because::NotEligible)) {
            self.leave(&journey_id, Stage::Exited);
            return;
        }
        journey.stage = Stage::Due;
        journey.step += 1;
        journey.message = None;
        self.save_journey(&journey_id);
        self.work.steps.insert(journey_id);
    }

    pub(crate) fn journey_of_message(&self, message: &Message) -> Option<Arc<str>> {
        let id = self.person(message.customer);
        self.journeys_of
            .get(&id)?
            .iter()
            .find(|journey| {
                self.journeys.get(*journey).is_some_and(|journey| journey.message.as_ref() == Some(&message.id))
            })
            .cloned()
    }

    /// Ends a journey. A message that is held ends with it; one that is on its way does not come back.
    pub(crate) fn leave(&mut self, id: &Arc<str>, stage: Stage) {
        let now = self.clock;
        let Some(journey) = self.journeys.get_mut(id) else { return };
        journey.stage = stage;
        journey.ended_at = Some(now);
        journey.until = None;
        let message = journey.message.take();
        self.save_journey(id);
        if let Some(message) = message
            && let Some(open) = self.messages.get(&message)
        {
            match (open.phase, open.fate_is_unknown()) {
                (Some(_), _) => {}
                // It may have arrived: that it will not be repeated does not make it skipped.
                (None, true) => self.conclude(&message, Outcome::Uncertain, Some(Because::NoReply), None),
                (None, false) => self.conclude(&message, Outcome::Skipped, Some(Because::Exited), None),
            }
        }
        self.forget_if_over(id);
    }

    /// Forgets a journey that is over and whose goal is no longer watched.
    pub(crate) fn forget_if_over(&mut self, id: &Arc<str>) {
        let Some(journey) = self.journeys.get(id) else { return };
        let person = self.person(journey.customer);
        let watched = self
            .exposures
            .get(&person)
            .into_iter()
            .flatten()
            .any(|exposure| exposure.journey == *id && exposure.until >= self.clock);
        if journey.stage.is_inside() || watched {
            return;
        }
        if let Some(exposures) = self.exposures.get_mut(&person) {
            exposures.retain(|exposure| exposure.journey != *id);
            if exposures.is_empty() {
                self.exposures.remove(&person);
            }
        }
        self.journeys.remove(id);
        if let Some(journeys) = self.journeys_of.get_mut(&person) {
            journeys.remove(id);
            if journeys.is_empty() {
                self.journeys_of.remove(&person);
            }
        }
    }

    /// Moves what belongs to campaigns from somebody to the person they turned out to be.
    pub(crate) fn rejoin_campaigns(&mut self, stays: CustomerId, goes: CustomerId) {
        let journeys = self.journeys_of.remove(&goes).unwrap_or_default();
        self.journeys_of.entry(stays).or_default().extend(journeys);
        if self.journeys_of.get(&stays).is_some_and(std::collections::BTreeSet::is_empty) {
            self.journeys_of.remove(&stays);
        }
        let exposures = self.exposures.remove(&goes).unwrap_or_default();
        self.exposures.entry(stays).or_default().extend(exposures);
        self.end_doubles(stays);
    }

    /// Of two journeys through one campaign with the same key the older goes on; the other ends without a decision.
    fn end_doubles(&mut self, id: CustomerId) {
        let mut inside: Vec<&Journey> = self
            .journeys_of
            .get(&id)
            .into_iter()
            .flatten()
            .filter_map(|journey| self.journeys.get(journey))
            .filter(|journey| journey.stage.is_inside())
            .collect();
        inside.sort_by_key(|journey| (journey.entered_at, journey.id.clone()));
        let mut kept: Vec<(&Name, Option<&String>)> = Vec::new();
        let mut doubles = Vec::new();
        for journey in inside {
            let place = (&journey.campaign, journey.key.as_ref());
            if kept.contains(&place) {
                doubles.push(journey.id.clone());
            } else {
                kept.push(place);
            }
        }
        for double in doubles {
            let now = self.clock;
            let Some(journey) = self.journeys.get_mut(&double) else { continue };
            journey.stage = Stage::Exited;
            journey.ended_at = Some(now);
            let message = journey.message.take();
            self.save_journey(&double);
            if let Some(message) = message
                && self.messages.get(&message).is_some_and(|message| message.phase.is_none())
            {
                self.drop_message(&message);
            }
            self.forget_if_over(&double);
        }
    }

    /// Groups journeys, marks and exposures by today's people again, after some were parted.
    pub(crate) fn repart_campaigns(&mut self) {
        let people: Vec<(Arc<str>, CustomerId)> =
            self.journeys.values().map(|journey| (journey.id.clone(), self.person(journey.customer))).collect();
        self.journeys_of.clear();
        for (journey, person) in people {
            self.journeys_of.entry(person).or_default().insert(journey);
        }
        let exposures: Vec<Exposure> = self.exposures.drain().flat_map(|(_, exposures)| exposures).collect();
        for exposure in exposures {
            let person = self.person(exposure.customer);
            self.exposures.entry(person).or_default().push(exposure);
        }
    }

    /// Starts a new exposure when the draw of a journey takes effect; later messages of it start none.
    pub(crate) fn expose(&mut self, message: &Message, arm: Arm) {
        let Some(journey_id) = self.journey_of_message(message) else { return };
        let Some(journey) = self.journeys.get(&journey_id) else { return };
        let person = self.person(journey.customer);
        let exists = self.exposures.get(&person).into_iter().flatten().any(|exposure| exposure.journey == journey_id);
        let Some(campaigning) = self.campaigns.get(&journey.campaign) else { return };
        let Some(goal) = &campaigning.version(journey.version).campaign.goal else { return };
        // A window that is over has nothing left to count, on either side; and of one that was forgotten by then
        // nobody knows whether it was.
        let is_over = journey.entered_at.plus(goal.within) < self.clock;
        if exists || is_over {
            return;
        }
        let exposure = Exposure {
            journey: journey_id,
            campaign: journey.campaign.clone(),
            // Under the id of its journey, so that a parting gives both to the same person.
            customer: journey.customer,
            arm,
            at: self.clock,
            until: journey.entered_at.plus(goal.within),
            came_back_at: None,
            goals: 0,
            worth: Vec::new(),
        };
        self.pending.exposures.push(exposure.clone());
        self.timers.insert((exposure.until.plus(Span(1)), Timer::Journey(exposure.journey.clone())));
        self.exposures.entry(person).or_default().push(exposure);
    }

    /// Marks a message for the caps.
    pub(crate) fn mark(&mut self, message: &Message, at: Timestamp, kind: MarkKind) {
        let marks = self.marks.entry(message.customer).or_default();
        marks.retain(|mark| mark.message != message.id);
        marks.push(Mark {
            at,
            message: message.id.clone(),
            campaign: message.campaign.clone(),
            purpose: message.purpose.clone(),
            channel: message.channel,
            kind,
        });
        // No cap looks back further than a year and a day.
        let edge = at.minus(store::CAPS_LOOK_BACK);
        marks.retain(|mark| mark.at >= edge);
    }

    /// A message no longer counts for the caps.
    pub(crate) fn unmark(&mut self, message: &Message) {
        if let Some(marks) = self.marks.get_mut(&message.customer) {
            marks.retain(|mark| mark.message != message.id);
            if marks.is_empty() {
                self.marks.remove(&message.customer);
            }
        }
    }

    /// What counts for the caps of a person, under whichever of their ids.
    pub(crate) fn marks_of(&self, person: CustomerId) -> Vec<Mark> {
        let ids = self.people.nodes_of(person.0).into_iter().map(CustomerId);
        ids.filter_map(|id| self.marks.get(&id)).flatten().cloned().collect()
    }
}

fn key_of(path: &domain::Path, call: &Call) -> Option<String> {
    let body = call.body_value();
    match path.without_prefix("properties").find(&body)? {
        serde_json::Value::String(text) if !text.is_empty() => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
