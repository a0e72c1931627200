//! The way into a campaign: what may let somebody in, and whether it does.

use crate::decide::prepared::Prepared;
use crate::segment::triggered::key_of;
use crate::segment::verdict::Asked;
use crate::segment::{Node, Scope, Touch};
use crate::state::{Engine, Entered, GoalEvent, Triggered};
use domain::campaign::{Again, Campaign, State, Trigger};
use domain::{Call, CustomerId, Name, Span, Trust};
use std::sync::Arc;
use store::{Journey, Stage};

/// Most entries of one customer into one campaign, for one key, that follow from Perennial's own doing …
const FOLLOWED: u32 = 10;
/// … within this time: more than anybody means.
const FOLLOWED_WITHIN: Span = Span::hours(1);
/// So many are remembered before the old ones are looked for.
const FOLLOWED_ROOM: usize = 1_024;

/// An event let somebody in who then did not enter, since it lacks the property that is the campaign's key.
pub const KEY_MISSING: &str = "Entry Refused";

impl Engine {
    /// Notes an event that may let somebody in or be somebody's goal. Called at the event's own time.
    pub(crate) fn note_event(&mut self, id: CustomerId, call: &Arc<Call>) {
        self.note_task(call);
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
                self.work.triggers.push(Triggered { event: Some(call.clone()), ..Triggered::of(name.clone(), id) });
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
        key_of(path, &call.body_value()).is_some_and(|found| found != *key)
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
        let key = match (&campaign.enter.key, &triggered.event, &triggered.record) {
            (Some(path), Some(call), _) => match key_of(path, &call.body_value()) {
                Some(key) => Some(key),
                None => {
                    self.write_down_missing_key(campaign, path.as_str(), id, call);
                    return;
                }
            },
            (_, _, Some(record)) => Some(record.id.to_string()),
            _ => None,
        };
        if self.is_inside(&campaign.name, id, key.as_ref()) || !self.may_enter_again(campaign, id, key.as_ref()) {
            return;
        }
        if triggered.occasion.is_some()
            && self.last_entry(campaign, id, key.as_ref()).is_some_and(|last| last.occasion == triggered.occasion)
        {
            // The same date in another zone is no second date.
            return;
        }
        if !self.satisfies(prepared.only_if.as_ref(), id, triggered) {
            return;
        }
        let is_consequence = triggered.event.as_ref().is_none_or(|call| call.trust == Trust::Perennial);
        let by_time = triggered.occasion.is_some();
        if is_consequence && !by_time && !self.may_follow(&campaign.name, id, key.as_ref()) {
            return;
        }
        self.begin_journey(&prepared, id, key, triggered);
    }

    fn write_down_missing_key(&mut self, campaign: &Campaign, path: &str, id: CustomerId, call: &Call) {
        // Of what Perennial wrote itself there would be no end: what is written down is an event again.
        if call.trust == Trust::Perennial {
            tracing::warn!(campaign.id = %campaign.name, customer.id = %id, "no entry: the event lacks the campaign's key");
            return;
        }
        let properties = serde_json::json!({
            "campaign": campaign.name, "because": "key_missing", "key": path, "event": call.event,
        });
        self.happen(id, KEY_MISSING, &properties, &format!("{}:{}", campaign.name, call.message_id));
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

    fn satisfies(&self, rule: Option<&Node>, id: CustomerId, triggered: &Triggered) -> bool {
        let (Some(rule), Some(customer)) = (rule, self.customers.get(id)) else {
            return rule.is_none();
        };
        let event = triggered.event.as_ref().map(|call| call.body_value());
        let record = triggered.record.as_ref().and_then(|key| customer.records.find(&key.kind, &key.id));
        let scope = Scope { key: None, event: event.as_ref(), record };
        Asked { scope, ..Asked::of(&self.plan, id, customer, self.clock) }.verdict(rule).holds
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

    pub(crate) fn last_entry(&self, campaign: &Campaign, id: CustomerId, key: Option<&String>) -> Option<&Entered> {
        let ids = self.people.nodes_of(id.0).into_iter().map(CustomerId);
        ids.filter_map(|id| self.entries.get(&(campaign.name.clone(), id, key.cloned()))).max_by_key(|last| last.at)
    }

    pub(crate) fn may_enter_again(&self, campaign: &Campaign, id: CustomerId, key: Option<&String>) -> bool {
        match (campaign.enter.again, self.last_entry(campaign, id, key)) {
            (_, None) | (Again::Always, _) => true,
            (Again::Never, Some(_)) => false,
            (Again::After(span), Some(last)) => self.clock >= last.at.plus(span),
        }
    }

    fn begin_journey(&mut self, prepared: &Prepared, id: CustomerId, key: Option<String>, triggered: &Triggered) {
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
            trigger: triggered.event.as_ref().map(|call| match call.is_quarantined() {
                // A message would repeat to the customer what cannot be right.
                true => call.body_value().to_string(),
                false => call.body.get().to_owned(),
            }),
            record: triggered.record.clone(),
            occasion: triggered.occasion.clone(),
            waits_since: None,
            done: Vec::new(),
            ended_at: None,
        };
        let entered = Entered { at: now, occasion: triggered.occasion.clone() };
        self.entries.insert((campaign.clone(), id, key), entered);
        self.journeys_of.entry(id).or_default().insert(journey_id.clone());
        self.journeys.insert(journey_id.clone(), journey);
        self.save_journey(&journey_id);
        self.work.steps.insert(journey_id);
        // Its exit may hold already, or come by time: the customer's timer must know.
        self.work.touched.add(id, Touch::all());
    }
}
