//! The live state of one customer: a cache of their history.

use crate::profile::standing::Standing;
use crate::segment::feature::Streams;
use crate::segment::plan::Plan;
use domain::value::find_keys;
use domain::{Timestamp, Zone};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Where a call stands in the order of history: its time, then its position.
pub type Order = (Timestamp, u64);

/// What is kept of one customer between events.
#[derive(Clone, Debug)]
pub struct Customer {
    /// The earlier of the first arrival and the earliest timestamp.
    pub first_seen: Timestamp,
    /// The latest time of a call, at most that of its arrival.
    pub last_seen: Timestamp,
    /// Number of calls.
    pub calls: u32,
    /// Values of traits.
    pub traits: Traits,
    /// Consent, lists, talks and complaints.
    pub standing: Standing,
    /// What the plan's streams keep.
    pub streams: Streams,
    /// Segments the customer is in, a bit per segment of the plan.
    pub members: Vec<u64>,
    /// The next instant at which something may change by time alone.
    pub due: Option<Timestamp>,
}

impl Customer {
    /// Somebody of whom nothing is known yet.
    pub fn new(first_seen: Timestamp) -> Customer {
        Customer {
            first_seen,
            last_seen: first_seen,
            calls: 0,
            traits: Traits::default(),
            standing: Standing::default(),
            streams: Streams::default(),
            members: Vec::new(),
            due: None,
        }
    }

    /// Takes over the state of somebody who turned out to be the same person. Exact without reading history:
    /// of two lists of the most recent entries the most recent of both are the most recent of all.
    pub fn absorb(&mut self, other: Customer, plan: &Plan, now: Timestamp) {
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.calls = self.calls.saturating_add(other.calls);
        self.traits.absorb(other.traits, now);
        self.standing.absorb(other.standing);
        self.streams.absorb(other.streams, plan, now);
    }

    /// Whether the customer is in segment `index` of the plan.
    pub fn is_member(&self, index: usize) -> bool {
        self.members.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Sets whether the customer is in segment `index`. Returns whether that changed.
    pub fn set_member(&mut self, index: usize, member: bool) -> bool {
        if self.is_member(index) == member {
            return false;
        }
        if self.members.len() <= index / 64 {
            self.members.resize(index / 64 + 1, 0);
        }
        self.members[index / 64] ^= 1 << (index % 64);
        true
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// Sent with a secret key or from the owner's file.
    Proven,
    /// A protected trait that a browser set on a visitor: it never stands against a proven one.
    Unproven,
}

/// Since when each trait has its value, by key.
pub type Since = Vec<(Arc<str>, Timestamp)>;

/// One value of a trait.
#[derive(Clone, Debug)]
struct Said {
    order: Order,
    proof: Proof,
    /// None: removed.
    value: Option<Arc<Value>>,
}

/// Values of top-level traits. For each the latest value at or before now, and those dated ahead.
#[derive(Clone, Default, Debug)]
pub struct Traits {
    /// Sorted by key; the values of each by their order.
    values: Vec<(Arc<str>, Vec<Said>)>,
}

impl Traits {
    /// Merges the traits of one call, key by key. Returns the keys it named.
    pub fn merge(
        &mut self,
        traits: &Map<String, Value>,
        order: Order,
        now: Timestamp,
        proof_of: &dyn Fn(&str) -> Proof,
    ) -> Vec<Arc<str>> {
        traits
            .iter()
            .map(|(key, value)| {
                let value = if value.is_null() { None } else { Some(Arc::new(value.clone())) };
                self.set(key, Said { order, proof: proof_of(key), value }, now)
            })
            .collect()
    }

    /// Takes over everything said of somebody who turned out to be the same person.
    pub fn absorb(&mut self, other: Traits, now: Timestamp) {
        for (key, values) in other.values {
            for said in values {
                self.set(&key, said, now);
            }
        }
    }

    fn set(&mut self, key: &str, said: Said, now: Timestamp) -> Arc<str> {
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
        // Of what is past only the latest of each proof can ever matter again.
        let past = values.partition_point(|said| said.order.0 <= now);
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
        self.said(key, now)?.value.as_deref()
    }

    /// The value that a path leads to at an instant.
    pub fn find(&self, path: &domain::Path, now: Timestamp) -> Option<&Value> {
        let value = self.get(path.first()?, now)?;
        find_keys(value, path.rest())
    }

    /// When the value of a top-level trait changes next by time alone.
    pub fn next_change(&self, key: &str, now: Timestamp) -> Option<Timestamp> {
        self.values_of(key)?.iter().map(|said| said.order.0).find(|time| *time > now)
    }

    fn values_of(&self, key: &str) -> Option<&[Said]> {
        let at = self.values.binary_search_by(|(known, _)| known.as_ref().cmp(key)).ok()?;
        Some(&self.values[at].1)
    }

    fn said(&self, key: &str, now: Timestamp) -> Option<&Said> {
        in_force(self.values_of(key)?, now)
    }

    /// The earliest instant after `now` at which any trait changes.
    pub fn next_change_of_any(&self, now: Timestamp) -> Option<Timestamp> {
        self.values
            .iter()
            .filter_map(|(_, values)| values.iter().map(|said| said.order.0).find(|time| *time > now))
            .min()
    }

    /// All traits at an instant as one object, and since when each has its value.
    pub fn all(&self, now: Timestamp) -> (Map<String, Value>, Since) {
        let mut object = Map::new();
        let mut since = Vec::new();
        for (key, values) in &self.values {
            if let Some(Said { order, value: Some(value), .. }) = in_force(values, now) {
                object.insert(key.to_string(), value.as_ref().clone());
                since.push((key.clone(), order.0));
            }
        }
        (object, since)
    }
}

/// The latest proven word at or before an instant, else the latest of any.
fn in_force(values: &[Said], now: Timestamp) -> Option<&Said> {
    let past = &values[..values.partition_point(|said| said.order.0 <= now)];
    past.iter().rfind(|said| said.proof == Proof::Proven).or(past.last())
}
