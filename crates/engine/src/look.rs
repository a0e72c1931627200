//! What can be seen of the live state without asking history: for pages, and for tests that compare it with
//! a state built anew.

use crate::profile::{Customer, People};
use crate::segment::Plan;
use crate::segment::why::{Why, why};
use crate::state::Engine;
use crate::timers::Timer;
use domain::{CustomerId, Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use store::StoreError;

/// A look at the live state.
#[derive(Clone, Copy)]
pub struct Look<'a>(&'a Engine);

impl Engine {
    /// A look at the live state.
    pub fn look(&self) -> Look<'_> {
        Look(self)
    }
}

impl<'a> Look<'a> {
    /// The person of a name: userId, anonymousId or internal id, looked up in this order.
    pub fn find(self, name: &str) -> Option<CustomerId> {
        self.0.people.look_up(name)
    }

    /// Names and how they join.
    pub fn people(self) -> &'a People {
        &self.0.people
    }

    /// The compiled rules.
    pub fn plan(self) -> &'a Plan {
        &self.0.plan
    }

    /// One person's live state.
    pub fn customer(self, id: CustomerId) -> Option<&'a Customer> {
        self.0.customers.get(id)
    }

    /// Everybody, the oldest first.
    pub fn customers(self) -> BTreeSet<CustomerId> {
        self.0.customers.ids().collect()
    }

    /// Whether somebody is in a segment; none if there is no such segment.
    pub fn is_member(self, segment: &Name, id: CustomerId) -> Option<bool> {
        let index = self.0.plan.segment(segment)?;
        Some(self.0.customers.get(id).is_some_and(|customer| customer.is_member(index)))
    }

    /// Everybody in a segment; none if there is no such segment. O(customers).
    pub fn members(self, segment: &Name) -> Option<BTreeSet<CustomerId>> {
        let index = self.0.plan.segment(segment)?;
        Some(self.0.members_now(index).collect())
    }

    /// Whether somebody is inside a campaign, for whichever key; none if there is no such campaign.
    pub fn is_inside(self, campaign: &Name, id: CustomerId) -> Option<bool> {
        self.0.campaigns.get(campaign)?;
        let mut journeys =
            self.0.journeys_of.get(&id).into_iter().flatten().filter_map(|journey| self.0.journeys.get(journey));
        Some(journeys.any(|journey| journey.campaign == *campaign && journey.stage.is_inside()))
    }

    /// Why somebody is in a segment or not; none if there is no such segment.
    pub fn why(self, segment: &Name, id: CustomerId) -> Result<Option<Why>, StoreError> {
        let Some((planned, defined)) = self.0.plan.segment(segment).zip(self.0.definitions.segments.get(segment))
        else {
            return Ok(None);
        };
        let history = self.0.history(id)?;
        let rule = (&defined.rule, &self.0.plan.segments[planned].rule);
        Ok(Some(why(&self.0.plan, rule, id, &history, self.0.clock)))
    }

    /// Who was in a segment at an instant, by today's definition; none if there is no such segment.
    pub fn members_as_of(self, segment: &Name, at: Timestamp) -> Result<Option<BTreeSet<CustomerId>>, StoreError> {
        let Some(index) = self.0.plan.segment(segment) else { return Ok(None) };
        let rule = &self.0.plan.segments[index].rule;
        let members = crate::segment::as_of::members(self.0.reader.as_ref(), &self.0.people, &self.0.plan, rule, at)?;
        Ok(Some(members.into_iter().collect()))
    }

    /// The live state in words, a line for each thing: two engines with the same history and facts say the same.
    /// What a stream keeps beyond its need, and timers that will find nothing to do, are left out.
    pub fn describe(self) -> BTreeMap<String, String> {
        let mut lines = BTreeMap::new();
        self.describe_each(&mut |thing, words| {
            lines.insert(thing, words);
        });
        lines
    }

    /// As `describe`, one line after the other, in no particular order.
    pub fn describe_each(self, visit: &mut dyn FnMut(String, String)) {
        let engine = self.0;
        for (id, customer) in engine.customers.iter() {
            let segments: Vec<&str> = engine
                .plan
                .segments
                .iter()
                .enumerate()
                .filter(|(index, _)| customer.is_member(*index))
                .map(|(_, segment)| segment.name.as_str())
                .collect();
            let traits = serde_json::Value::Object(customer.traits.all(engine.clock).0);
            let whole = format!(
                "since {} last {} calls {} in {segments:?} traits {traits} {:?} {:?} {:?} {:?}",
                customer.first_seen,
                customer.last_seen,
                customer.calls,
                customer.standing,
                customer.rewards(),
                customer.in_app,
                customer.browsers
            );
            for record in customer.records.all(engine.clock) {
                let attributes = serde_json::Value::Object(record.attributes(engine.clock).0);
                visit(format!("customer {id} has {} {}", record.kind, record.id), attributes.to_string());
            }
            visit(format!("customer {id}"), whole);
        }
        for number in 1..=engine.people.node_count() {
            let node = engine.people.node(u32::try_from(number).expect("nodes are numbered in 32 bits"));
            visit(
                format!("name {number}"),
                format!("{:?} {} is c{} in rows {:?}", node.kind, node.name, node.person, node.rows),
            );
        }
        for (id, journey) in &engine.journeys {
            visit(format!("journey {id}"), format!("of {} {journey:?}", engine.person(journey.customer)));
        }
        for (id, message) in &engine.messages {
            visit(format!("message {id}"), format!("{message:?}"));
        }
        for ((campaign, id), dates) in &engine.known_dates {
            visit(format!("dates of {id} for {campaign}"), format!("{dates:?}"));
        }
        // One of a zone from which everybody has moved comes once more and finds nobody; a start does not set it again.
        let workspace = &engine.definitions.settings.zone;
        let zones: BTreeSet<String> = engine
            .customers
            .values()
            .map(|customer| customer.zone(engine.clock, workspace).name().to_owned())
            .filter(|_| !engine.schedules.is_empty())
            .collect();
        let is_lived_in = |zone: &Option<String>| zone.as_ref().is_none_or(|zone| zones.contains(zone));
        for (place, due) in engine.schedules.iter().filter(|((_, zone), _)| is_lived_in(zone)) {
            visit(format!("schedule {place:?}"), due.to_string());
        }
        let since = engine.clock.minus(store::CAPS_LOOK_BACK);
        for (place, at) in &engine.entries {
            visit(format!("entry {place:?}"), format!("{at:?}"));
        }
        for mark in engine.marks.values().flatten().filter(|mark| mark.at >= since) {
            visit(format!("mark {}", mark.message), format!("{mark:?}"));
        }
        // A window that is over is forgotten with its journey, or at the next start.
        for exposure in engine.exposures.values().flatten().filter(|exposure| exposure.until >= engine.clock) {
            visit(format!("exposure {}", exposure.journey), format!("{exposure:?}"));
        }
        engine.bandits.describe(visit);
        for (place, messages) in &engine.addressed {
            for (message, addressed) in
                messages.iter().filter(|(_, addressed)| addressed.gone_at.is_none_or(|at| at >= since))
            {
                visit(format!("address {place:?} {message}"), format!("{addressed:?}"));
            }
        }
        for (address, suppression) in &engine.suppressions {
            visit(format!("suppression {address}"), format!("{suppression:?}"));
        }
        for (pool, left) in engine.pools.describe() {
            visit(format!("pool {pool}"), left);
        }
        engine.webhooks.describe(visit);
        for (due, _, id) in engine.outbox.iter() {
            visit(format!("outbox {id}"), due.to_string());
        }
        for (order, left) in engine.orders.left() {
            visit(format!("order {order:016x}"), format!("{left:?}"));
        }
        visit("quarantined".to_owned(), engine.quarantined.describe());
        engine.samples.describe(visit);
        // Beyond the limits it depends on which calls came together who is told apart.
        if engine.catalogue.beyond().is_nothing() {
            for (event, count) in engine.catalogue.events() {
                visit(format!("event {event}"), format!("{count} {:?}", engine.catalogue.properties_of(event)));
            }
            visit("traits".to_owned(), format!("{:?}", engine.catalogue.traits()));
        }
        for ((due, position), call) in &engine.ahead {
            visit(format!("ahead {} at {due}", position.0), format!("{:?}", call.event));
        }
    }

    /// When something is due, the earliest for each thing.
    fn timers(self) -> BTreeMap<Timer, Timestamp> {
        let mut earliest = BTreeMap::new();
        for (due, timer) in self.0.timers.all() {
            let at = earliest.entry(timer).or_insert(due);
            *at = due.min(*at);
        }
        earliest
    }

    /// What another engine with the same history would do by time alone and this one would not, or later.
    pub fn timers_missing_beside(self, other: Look<'_>) -> Vec<String> {
        let own = self.timers();
        let late = |(timer, due): (Timer, Timestamp)| {
            let covered = own.get(&timer).is_some_and(|at| *at <= due.max(self.0.clock));
            (!covered).then(|| format!("{timer:?} at {due}"))
        };
        other.timers().into_iter().filter_map(late).collect()
    }
}
