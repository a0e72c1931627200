//! Somebody's way through a campaign: from step to step, and out. The way in is in `entry` and `due`.

use crate::decide::limits::{Mark, MarkKind};
use crate::decide::program::Place;
use crate::segment::Scope;
use crate::segment::test::earlier;
use crate::segment::verdict::Asked;
use crate::state::Engine;
use crate::timers::Timer;
use domain::campaign::{Action, Campaign, STEP_LIMIT, State};
use domain::message::{Because, Channel, Message, Outcome};
use domain::{CustomerId, MessageId, Name, Span, Timestamp};
use std::sync::Arc;
use store::{Arm, Exposure, Journey, Stage};

/// What follows a step at the same instant.
pub(crate) enum Then {
    /// The step at this index.
    Go(u32),
    /// The step at this index, once what this one led to has been looked at.
    Settle(u32),
    /// Nothing: the journey waits there.
    Stay,
}

impl Engine {
    /// The customer's zone now.
    pub(crate) fn zone_of(&self, id: CustomerId) -> domain::Zone {
        let workspace = &self.definitions.settings.zone;
        self.customers.get(id).map_or_else(|| workspace.clone(), |customer| customer.zone(self.clock, workspace))
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
            let leaves = || {
                self.exit_verdict(journey).is_some_and(|verdict| verdict.holds)
                    || self.record_verdict(journey, id).is_some_and(|verdict| verdict.holds)
            };
            if journey.stage.is_inside() && leaves() {
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
        let rule = self.campaigns.get(&journey.campaign)?.version(journey.version).exit_if.as_ref()?;
        self.verdict_inside(journey, rule, Some(journey.entered_at))
    }

    /// Asks a rule of somebody inside, for the key of their journey.
    pub(crate) fn verdict_inside(
        &self,
        journey: &Journey,
        rule: &crate::segment::Node,
        floor: Option<Timestamp>,
    ) -> Option<crate::segment::Verdict> {
        let id = self.person(journey.customer);
        let customer = self.customers.get(id)?;
        let scope = Scope { key: journey.key.as_deref(), ..Scope::default() };
        Some(Asked { floor, scope, ..Asked::of(&self.plan, id, customer, self.clock) }.verdict(rule))
    }

    /// When a journey of the customer may end by time alone, or a talk that holds messages.
    pub(crate) fn journeys_due(&self, id: CustomerId, asked: &Asked<'_>) -> Option<Timestamp> {
        let journeys = self.journeys_of.get(&id)?;
        let mut due = None;
        for journey in journeys.iter().filter_map(|journey| self.journeys.get(journey)) {
            if journey.stage.is_inside() {
                due = earlier(due, self.exit_verdict(journey).and_then(|verdict| verdict.check));
                due = earlier(due, self.record_verdict(journey, id).and_then(|verdict| verdict.check));
                due = earlier(due, self.until_verdict(journey).and_then(|verdict| verdict.check));
                // Consent or a talk dated ahead, or a trait such as the address or zone, may lift a hold or end it.
                for terms in self.plan.purposes.values() {
                    due = earlier(due, asked.customer.next_consent_change(terms, asked.now));
                }
                due = earlier(due, asked.customer.standing.next_talk_change(asked.now));
                due = earlier(due, asked.customer.traits.next_change_of_any(asked.now));
            }
        }
        due
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

    /// Takes steps until one waits, or leads to something that comes before the next. At most as many as a campaign has.
    fn take_steps(&mut self, id: &Arc<str>) {
        for _ in 0..=STEP_LIMIT {
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
            let step =
                if journey.stage == Stage::Waiting { prepared.program.after(journey.step) } else { journey.step };
            let place = prepared.program.at(step);
            if paused && !place.is_some_and(|place| matches!(place.action, Action::Message { .. })) {
                // A wait that is over stays over; the step after it is taken on resume.
                return;
            }
            let Some(journey) = self.journeys.get_mut(id) else { return };
            (journey.step, journey.stage) = (step, Stage::Due);
            (journey.until, journey.waits_since) = (None, None);
            let Some(place) = place else {
                journey.stage = Stage::Finished;
                journey.ended_at = Some(self.clock);
                self.save_journey(id);
                self.forget_if_over(id);
                return;
            };
            match self.take_step(id, &prepared.campaign, place, &prepared.habits) {
                Then::Go(next) => self.stand_at(id, next),
                Then::Settle(next) => {
                    self.stand_at(id, next);
                    self.work.steps.insert(id.clone());
                    return;
                }
                Then::Stay => return,
            }
        }
    }

    fn stand_at(&mut self, id: &Arc<str>, step: u32) {
        if let Some(journey) = self.journeys.get_mut(id).filter(|journey| journey.stage.is_inside()) {
            (journey.step, journey.stage) = (step, Stage::Due);
            (journey.until, journey.waits_since) = (None, None);
            self.save_journey(id);
        }
    }

    fn take_step(&mut self, id: &Arc<str>, campaign: &Campaign, place: &Place, habits: &[u32]) -> Then {
        let next = u32::try_from(place.next).unwrap_or(u32::MAX);
        let acts = matches!(
            place.action,
            Action::Message { .. } | Action::Reward(_) | Action::Task(_) | Action::Webhook { .. }
        );
        if let Some(journey) = self.journeys.get_mut(id).filter(|_| acts) {
            // An edit may have moved somebody back to where they have been.
            if journey.done.contains(&place.id) {
                return Then::Go(next);
            }
            journey.done.push(place.id.clone());
        }
        match &place.action {
            Action::Wait(wait) => self.begin_wait(id, wait, place, habits, next),
            Action::Message { template, channel, .. } => {
                let channel = channel.unwrap_or_else(|| {
                    self.definitions.templates.get(template).map_or(Channel::Email, |template| template.channel)
                });
                if let Some(journey) = self.journeys.get_mut(id) {
                    journey.stage = Stage::Messaging;
                }
                self.begin_message(id, campaign, place.id.clone(), template.clone(), channel);
                Then::Stay
            }
            Action::Branch(_) => Then::Go(self.way_of(id, place).unwrap_or(next)),
            Action::Reward(reward) => {
                self.give(id, campaign, &place.id, reward);
                Then::Settle(next)
            }
            Action::Task(task) => {
                self.open_task(id, campaign, &place.id, task);
                Then::Settle(next)
            }
            Action::Set { key, value } => {
                self.set_trait(id, campaign, &place.id, key, value);
                Then::Settle(next)
            }
            Action::Webhook { endpoint, event } => {
                self.tell(id, campaign, &place.id, endpoint, event);
                Then::Go(next)
            }
        }
    }

    /// The first step of the first way of a branch whose condition holds.
    fn way_of(&self, id: &Arc<str>, place: &Place) -> Option<u32> {
        let journey = self.journeys.get(id)?;
        let holds =
            |rule: &crate::segment::Node| self.verdict_inside(journey, rule, None).is_some_and(|verdict| verdict.holds);
        let (_, first) = place.ways.iter().find(|(condition, _)| condition.as_ref().is_none_or(holds))?;
        u32::try_from(*first).ok()
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
            approved: None,
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
        let after = self
            .campaigns
            .get(&journey.campaign)
            .map_or(journey.step, |campaigning| campaigning.version(journey.version).program.after(journey.step));
        journey.stage = Stage::Due;
        journey.step = after;
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
        self.rejoin_dates(stays, goes);
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
        self.know_all_dates();
    }

    /// Starts a new exposure when the draw of a journey takes effect at a message; later ones of it start none.
    pub(crate) fn expose(&mut self, message: &Message, arm: Arm) {
        if let Some(journey) = self.journey_of_message(message) {
            self.expose_journey(&journey, arm);
        }
    }

    /// As `expose`, at whatever step the draw takes effect.
    pub(crate) fn expose_journey(&mut self, journey_id: &Arc<str>, arm: Arm) {
        let journey_id = journey_id.clone();
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
        self.note_what_came(&exposure);
        self.timers.insert(exposure.until.plus(Span(1)), Timer::Journey(exposure.journey.clone()));
        self.exposures.entry(person).or_default().push(exposure);
    }

    /// Marks a message for the caps.
    pub(crate) fn mark(&mut self, message: &Message, at: Timestamp, kind: MarkKind) {
        let mark = Mark {
            at,
            message: message.id.clone(),
            campaign: message.campaign.clone(),
            purpose: message.purpose.clone(),
            channel: message.channel,
            kind,
        };
        self.put_mark(message.customer, mark);
    }

    /// Puts a mark in the place of an earlier one of the same message.
    pub(crate) fn put_mark(&mut self, customer: CustomerId, mark: Mark) {
        // No cap looks back further than a year and a day.
        let edge = mark.at.minus(store::CAPS_LOOK_BACK);
        let marks = self.marks.entry(customer).or_default();
        marks.retain(|known| known.at >= edge && known.message != mark.message);
        marks.push(mark);
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
