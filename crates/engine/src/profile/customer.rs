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
    /// The latest timestamp that is not in the future of its arrival.
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
        for (key, values) in other.traits.values {
            for (order, value) in values {
                self.traits.set(&key, value, order, now);
            }
        }
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

/// Values of top-level traits. For each the latest value at or before now, and those dated ahead.
#[derive(Clone, Default, Debug)]
pub struct Traits {
    /// Sorted by key.
    values: Vec<(Arc<str>, Vec<(Order, Option<Arc<Value>>)>)>,
}

impl Traits {
    /// Merges the traits of one call, key by key. Returns the keys it named.
    pub fn merge(&mut self, traits: &Map<String, Value>, order: Order, now: Timestamp) -> Vec<Arc<str>> {
        traits
            .iter()
            .map(|(key, value)| {
                let value = if value.is_null() { None } else { Some(Arc::new(value.clone())) };
                self.set(key, value, order, now)
            })
            .collect()
    }

    /// Sets one trait from an instant on; none removes it.
    pub fn set(&mut self, key: &str, value: Option<Arc<Value>>, order: Order, now: Timestamp) -> Arc<str> {
        let at = match self.values.binary_search_by(|(known, _)| known.as_ref().cmp(key)) {
            Ok(at) => at,
            Err(at) => {
                self.values.insert(at, (key.into(), Vec::new()));
                at
            }
        };
        let (key, values) = &mut self.values[at];
        let place = values.partition_point(|(other, _)| *other <= order);
        values.insert(place, (order, value));
        // Of what is past only the latest can ever matter again.
        let past = values.partition_point(|((time, _), _)| *time <= now);
        if past > 1 {
            values.drain(..past - 1);
        }
        key.clone()
    }

    /// The value of a top-level trait at an instant.
    pub fn get(&self, key: &str, now: Timestamp) -> Option<&Value> {
        self.entry(key, now).0
    }

    /// The value that a path leads to at an instant.
    pub fn find(&self, path: &domain::Path, now: Timestamp) -> Option<&Value> {
        let value = self.get(path.first()?, now)?;
        find_keys(value, path.rest())
    }

    /// When the value of a top-level trait changes next by time alone.
    pub fn next_change(&self, key: &str, now: Timestamp) -> Option<Timestamp> {
        self.entry(key, now).1
    }

    fn entry(&self, key: &str, now: Timestamp) -> (Option<&Value>, Option<Timestamp>) {
        let Ok(at) = self.values.binary_search_by(|(known, _)| known.as_ref().cmp(key)) else {
            return (None, None);
        };
        let values = &self.values[at].1;
        let past = values.partition_point(|((time, _), _)| *time <= now);
        let value = past.checked_sub(1).and_then(|last| values[last].1.as_deref());
        (value, values.get(past).map(|((time, _), _)| *time))
    }

    /// The earliest instant after `now` at which any trait changes.
    pub fn next_change_of_any(&self, now: Timestamp) -> Option<Timestamp> {
        self.values
            .iter()
            .filter_map(|(_, values)| values.iter().map(|((time, _), _)| *time).find(|time| *time > now))
            .min()
    }

    /// All traits at an instant as one object, and since when each has its value.
    pub fn all(&self, now: Timestamp) -> (Map<String, Value>, Vec<(Arc<str>, Timestamp)>) {
        let mut object = Map::new();
        let mut since = Vec::new();
        for (key, values) in &self.values {
            let past = values.partition_point(|((time, _), _)| *time <= now);
            if let Some(((time, _), Some(value))) = past.checked_sub(1).map(|last| &values[last]) {
                object.insert(key.to_string(), value.as_ref().clone());
                since.push((key.clone(), *time));
            }
        }
        (object, since)
    }
}
