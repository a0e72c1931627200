//! The live state of one customer: a cache of their history.

use crate::profile::browsers::Browsers;
use crate::profile::in_app::InApp;
use crate::profile::memberships::{Memberships, Stand};
use crate::profile::records::Records;
use crate::profile::rewards::Rewards;
use crate::profile::standing::Standing;
use crate::segment::feature::{Entry, Streams};
use crate::segment::plan::Plan;
use domain::value::find_keys;
use domain::{Path, Span, Timestamp, Zone};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Where a call stands in the order of history: its time, then its position.
pub type Order = (Timestamp, u64);

/// What is kept of one customer between events. What every event touches stands first and together: of a million
/// customers each line of memory is fetched anew.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Customer {
    /// The earlier of the first arrival and the earliest timestamp.
    pub first_seen: Timestamp,
    /// The latest time of a call, at most that of its arrival.
    pub last_seen: Timestamp,
    /// What the plan's streams keep.
    pub streams: Streams,
    /// Where they stand with the plan's segments.
    #[serde(skip)]
    pub memberships: Memberships,
    /// Number of calls.
    pub calls: u32,
    /// Values of traits.
    pub traits: Traits,
    /// Consent, lists, talks and complaints.
    pub standing: Standing,
    /// Passes, subscriptions, shipments: what they have, or once named.
    pub records: Records,
    /// Points and vouchers, once there are any.
    pub(crate) rewards: Option<Box<Rewards>>,
    /// Messages in the shop, once there are any.
    pub(crate) in_app: Option<Box<InApp>>,
    /// Browsers that are notified, once there were any.
    pub(crate) browsers: Option<Box<Browsers>>,
}

impl Customer {
    /// Somebody of whom nothing is known yet.
    pub fn new(first_seen: Timestamp) -> Customer {
        Customer {
            first_seen,
            last_seen: first_seen,
            streams: Streams::default(),
            memberships: Memberships::default(),
            calls: 0,
            traits: Traits::default(),
            standing: Standing::default(),
            records: Records::default(),
            rewards: None,
            in_app: None,
            browsers: None,
        }
    }

    /// Takes over the state of somebody who turned out to be the same person. Exact without reading history:
    /// of two lists of the most recent entries the most recent of both are the most recent of all.
    pub fn absorb(&mut self, other: Customer, plan: &Plan, now: Timestamp) {
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.calls = self.calls.saturating_add(other.calls);
        self.traits.absorb(other.traits, &plan.held.traits, now);
        self.standing.absorb(other.standing);
        self.records.absorb(other.records);
        if let Some(other) = other.rewards {
            self.rewards.get_or_insert_default().absorb(*other);
        }
        if let Some(other) = other.in_app {
            self.in_app.get_or_insert_default().absorb(*other);
        }
        if let Some(other) = other.browsers {
            self.browsers.get_or_insert_default().absorb(*other);
        }
        self.streams.absorb(other.streams, plan, now);
    }

    /// Points and vouchers.
    pub fn rewards(&self) -> Rewards {
        self.rewards.as_deref().cloned().unwrap_or_default()
    }

    /// What the next event will touch beside the customer: where it lies in memory, not looked at yet.
    pub(crate) fn kept_of_events(&self) -> (&[Entry], &[Stand]) {
        (self.streams.all(), self.memberships.stands())
    }

    /// Takes over what another plan keeps of the same history.
    pub fn take_kept(&mut self, fresh: Customer) {
        self.streams = fresh.streams;
        self.traits = fresh.traits;
        self.records = fresh.records;
    }

    /// Whether the customer is in segment `index` of the plan.
    pub fn is_member(&self, index: usize) -> bool {
        self.memberships.has(index)
    }

    /// The customer's zone: the trait `timezone` if it is an IANA name, else the workspace's.
    pub fn zone(&self, now: Timestamp, workspace: &Zone) -> Zone {
        self.own_zone(now).unwrap_or_else(|| workspace.clone())
    }

    /// The customer's own zone, if the trait `timezone` is an IANA name.
    pub fn own_zone(&self, now: Timestamp) -> Option<Zone> {
        match self.traits.get("timezone", now) {
            Some(Value::String(name)) => Zone::find(name),
            _ => None,
        }
    }
}

/// Whether the sender of a trait could be anybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum Proof {
    /// Sent with a secret key or from the owner's file.
    Proven,
    /// A protected trait that a browser set on a visitor: it never stands against a proven one.
    Unproven,
}

/// Since when each trait has its value, by key.
pub type Since = Vec<(Arc<str>, Timestamp)>;

/// One value of a trait.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Said {
    order: Order,
    proof: Proof,
    /// None: removed.
    #[serde(with = "crate::snapshot::as_json")]
    value: Option<Arc<Value>>,
}

/// How far back the past of a value must be kept, by its top-level key, because a rule asks how long it has been held.
pub type Horizons = HashMap<String, Span>;

/// Most traits of one customer: of more, the first by name are kept, so that it does not matter in which order they came.
/// The widest real profile seen had 70; without a bound one visitor could fill the memory.
const TRAITS: usize = 1_000;

/// Values of top-level traits, or of a record's attributes.
///
/// For each the latest value at or before now, those dated ahead, and where a rule asks how long a value has been held, those of that long ago and since.
#[derive(Clone, Default, Debug, serde::Serialize, serde::Deserialize)]
pub struct Traits {
    /// Sorted by key; the values of each by their order.
    values: Vec<(Arc<str>, Vec<Said>)>,
}

impl Traits {
    /// Merges the traits of one call, key by key. Returns the keys it named, and those for which there was no more room.
    pub fn merge(
        &mut self,
        traits: &Map<String, Value>,
        order: Order,
        now: Timestamp,
        horizons: &Horizons,
        proof_of: &dyn Fn(&str) -> Proof,
    ) -> Vec<Arc<str>> {
        let mut touched = Vec::with_capacity(traits.len());
        for (key, value) in traits {
            let value = if value.is_null() { None } else { Some(Arc::new(value.clone())) };
            touched.push(self.set(key, Said { order, proof: proof_of(key), value }, horizons, now));
            touched.extend(self.make_room());
        }
        touched
    }

    /// Takes over everything said of somebody who turned out to be the same person.
    pub fn absorb(&mut self, other: Traits, horizons: &Horizons, now: Timestamp) {
        for (key, values) in other.values {
            for said in values {
                self.set(&key, said, horizons, now);
                self.make_room();
            }
        }
    }

    /// Drops the last trait by name where there are too many. Returns its key.
    fn make_room(&mut self) -> Option<Arc<str>> {
        if self.values.len() <= TRAITS {
            return None;
        }
        self.values.pop().map(|(key, _)| key)
    }

    fn set(&mut self, key: &str, said: Said, horizons: &Horizons, now: Timestamp) -> Arc<str> {
        let at = match self.values.binary_search_by(|(known, _)| known.as_ref().cmp(key)) {
            Ok(at) => at,
            Err(at) => {
                self.values.insert(at, (key.into(), Vec::new()));
                at
            }
        };
        let (key, values) = &mut self.values[at];
        let place = values.partition_point(|other| other.order <= said.order);
        values.insert(place, said);
        // Of what is past only the latest of each proof can ever matter again: the latest of all, or the latest of
        // before the time in which a rule asks whether the value was held.
        let edge = horizons.get(key.as_ref()).map_or(now, |horizon| now.minus(*horizon));
        let past = values.partition_point(|said| said.order.0 <= edge);
        let latest = |proof| values[..past].iter().rposition(|said| said.proof == proof);
        let kept = [latest(Proof::Proven), latest(Proof::Unproven)];
        let mut index = 0;
        values.retain(|_| {
            index += 1;
            index > past || kept.contains(&Some(index - 1))
        });
        key.clone()
    }

    /// The value of a top-level trait at an instant.
    pub fn get(&self, key: &str, now: Timestamp) -> Option<&Value> {
        self.get_after(key, now, None)
    }

    /// As `get`, of what was said after a place in history: nothing from before it is kept.
    pub fn get_after(&self, key: &str, now: Timestamp, after: Option<Order>) -> Option<&Value> {
        in_force(between(self.values_of(key)?, after, now))?.value.as_deref()
    }

    /// The value that a path leads to at an instant.
    pub fn find(&self, path: &Path, now: Timestamp) -> Option<&Value> {
        let value = self.get(path.first()?, now)?;
        find_keys(value, path.rest())
    }

    /// Since when the value at a path has satisfied `is_it` in an unbroken run up to now; none if it does not now.
    /// Exact where the run began within the key's horizon; else some instant before that.
    pub fn held_since(
        &self,
        path: &Path,
        now: Timestamp,
        after: Option<Order>,
        is_it: &dyn Fn(Option<&Value>) -> bool,
    ) -> Option<Timestamp> {
        let values = between(self.values_of(path.first()?)?, after, now);
        let mut proven = false;
        let mut since = None;
        for said in values {
            // From the first proven word on, others do not count.
            if proven && said.proof == Proof::Unproven {
                continue;
            }
            proven |= said.proof == Proof::Proven;
            let value = said.value.as_deref().and_then(|value| find_keys(value, path.rest()));
            since = if is_it(value) { since.or(Some(said.order.0)) } else { None };
        }
        since
    }

    /// When the value that a top-level trait has at an instant was said.
    pub fn since(&self, key: &str, now: Timestamp) -> Option<Timestamp> {
        in_force(between(self.values_of(key)?, None, now)).map(|said| said.order.0)
    }

    /// When the value of a top-level trait changes next by time alone.
    pub fn next_change(&self, key: &str, now: Timestamp) -> Option<Timestamp> {
        self.values_of(key)?.iter().map(|said| said.order.0).find(|time| *time > now)
    }

    fn values_of(&self, key: &str) -> Option<&[Said]> {
        let at = self.values.binary_search_by(|(known, _)| known.as_ref().cmp(key)).ok()?;
        Some(&self.values[at].1)
    }

    /// The earliest instant after `now` at which any trait changes.
    pub fn next_change_of_any(&self, now: Timestamp) -> Option<Timestamp> {
        self.values
            .iter()
            .filter_map(|(_, values)| values.iter().map(|said| said.order.0).find(|time| *time > now))
            .min()
    }

    /// Traits at an instant, by key, each with its value and since when it holds: of what was said after a place in
    /// history, if one is given.
    pub fn each_after(
        &self,
        now: Timestamp,
        after: Option<Order>,
    ) -> impl Iterator<Item = (&Arc<str>, &Arc<Value>, Timestamp)> {
        self.values.iter().filter_map(move |(key, values)| {
            let said = in_force(between(values, after, now))?;
            Some((key, said.value.as_ref()?, said.order.0))
        })
    }

    /// All traits at an instant as one object, and since when each has its value.
    pub fn all(&self, now: Timestamp) -> (Map<String, Value>, Since) {
        self.all_after(now, None)
    }

    /// As `all`, of what was said after a place in history.
    pub fn all_after(&self, now: Timestamp, after: Option<Order>) -> (Map<String, Value>, Since) {
        let mut object = Map::new();
        let mut since = Vec::new();
        for (key, value, at) in self.each_after(now, after) {
            object.insert(key.to_string(), value.as_ref().clone());
            since.push((key.clone(), at));
        }
        (object, since)
    }
}

/// What was said after a place in history and at or before an instant.
fn between(values: &[Said], after: Option<Order>, now: Timestamp) -> &[Said] {
    let start = after.map_or(0, |after| values.partition_point(|said| said.order <= after));
    let end = values.partition_point(|said| said.order.0 <= now);
    values.get(start..end).unwrap_or(&[])
}

/// The latest proven word, else the latest of any.
fn in_force(past: &[Said]) -> Option<&Said> {
    past.iter().rfind(|said| said.proof == Proof::Proven).or(past.last())
}
