//! Which events, properties and traits were really seen: for pickers and warnings.
//!
//! Bounded, whatever anybody sends: beyond the limits names are counted together as `_other`, and the owner is shown how many.

use crate::ingest::Keys;
use crate::state::HashMap;
use domain::{Call, CallKind};
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Most distinct event names that are told apart.
pub const EVENTS: usize = 5_000;
/// Most distinct properties of one event, and most distinct traits.
pub const PROPERTIES: usize = 500;
/// Most distinct properties of all events together: some 10 MB.
pub const PROPERTIES_IN_ALL: usize = 50_000;
/// What is beyond the limits goes by this name.
pub const OTHER: &str = "_other";

/// Pairs of event and keys that are counted before they are put into the lists.
const COUNTED_AHEAD: usize = 256;

/// Names seen, with how often.
#[derive(Clone, Default, Debug, serde::Serialize, serde::Deserialize)]
pub struct Catalogue {
    events: BTreeMap<Arc<str>, Names>,
    /// Events beyond the limit.
    other: Names,
    traits: Names,
    /// Properties and traits that are told apart.
    properties: usize,
    /// None between two turns of the engine.
    #[serde(skip)]
    ahead: Vec<Ahead>,
    /// Where each of them stands, by a hash of its event and of where its keys are.
    #[serde(skip)]
    places: HashMap<u64, usize>,
}

/// The names of one event's properties.
#[derive(Clone, Default, Debug, serde::Serialize, serde::Deserialize)]
struct Names {
    calls: u64,
    known: BTreeMap<Box<str>, u64>,
    /// Calls that used a name beyond the limit.
    beyond: u64,
}

/// Calls that were counted and not yet put into the lists.
#[derive(Clone, Debug)]
struct Ahead {
    /// None: traits.
    event: Option<Arc<str>>,
    keys: Keys,
    calls: u64,
}

/// What is beyond the limits.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Beyond {
    /// Events whose names are beyond `EVENTS`.
    pub events: u64,
    /// Events, and calls with traits, that use a name beyond the limits of properties.
    pub properties: u64,
    /// Where those are, the most frequent first, at most ten: the event's name, or `traits`.
    pub of: Vec<(String, u64)>,
}

impl Beyond {
    /// Whether every name is told apart.
    pub fn is_nothing(&self) -> bool {
        self.events == 0 && self.properties == 0
    }
}

impl Catalogue {
    /// Counts a call's event and the names in it. Shows in the lists after `settle`.
    pub(crate) fn note(&mut self, call: &Call, keys: &Keys) {
        if call.event.is_none() && call.kind != CallKind::Identify {
            return;
        }
        // The keys of calls that came together are shared, so that they are told apart by where they are.
        let hash = self.places.hasher().hash_one((keys.as_ptr().addr(), call.event.as_deref()));
        if let Some(ahead) = self.places.get(&hash).and_then(|place| self.ahead.get_mut(*place)) {
            if Arc::ptr_eq(&ahead.keys, keys) && ahead.event == call.event {
                ahead.calls += 1;
                return;
            }
            self.settle();
        } else if self.ahead.len() == COUNTED_AHEAD {
            self.settle();
        }
        self.places.insert(hash, self.ahead.len());
        self.ahead.push(Ahead { event: call.event.clone(), keys: keys.clone(), calls: 1 });
    }

    /// Puts what was counted into the lists. O(names in what was counted).
    pub(crate) fn settle(&mut self) {
        self.places.clear();
        let mut counted = std::mem::take(&mut self.ahead);
        for Ahead { event, keys, calls } in counted.drain(..) {
            let has_room = self.events.len() < EVENTS;
            let names = match event {
                None => &mut self.traits,
                Some(event) if has_room => self.events.entry(event).or_default(),
                Some(event) => self.events.get_mut(&event).unwrap_or(&mut self.other),
            };
            names.calls += calls;
            names.add(&keys, calls, &mut self.properties);
        }
        // Its room serves again.
        self.ahead = counted;
    }

    /// Event names with their counts, the most frequent first.
    pub fn events(&self) -> Vec<(&str, u64)> {
        let other = (self.other.calls > 0).then_some((OTHER, self.other.calls));
        let mut events: Vec<(&str, u64)> =
            self.events.iter().map(|(name, names)| (name.as_ref(), names.calls)).chain(other).collect();
        events.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        events
    }

    /// Whether an event of a name was ever seen; a name beyond the limit counts as seen.
    pub fn has_event(&self, name: &str) -> bool {
        self.events.contains_key(name) || self.other.calls > 0
    }

    /// The properties that events of a name had, with the number of events, the most frequent first.
    pub fn properties_of(&self, event: &str) -> Vec<(&str, u64)> {
        self.events.get(event).map(Names::list).unwrap_or_default()
    }

    /// The traits that were ever sent, with the number of calls, the most frequent first.
    pub fn traits(&self) -> Vec<(&str, u64)> {
        self.traits.list()
    }

    /// What is beyond the limits.
    pub fn beyond(&self) -> Beyond {
        let traits = ("traits", &self.traits);
        let named = self.events.iter().map(|(name, names)| (name.as_ref(), names));
        let mut of: Vec<(String, u64)> = named
            .chain([traits, (OTHER, &self.other)])
            .filter(|(_, names)| names.beyond > 0)
            .map(|(name, names)| (name.to_owned(), names.beyond))
            .collect();
        of.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let properties = of.iter().map(|(_, calls)| calls).sum();
        of.truncate(10);
        Beyond { events: self.other.calls, properties, of }
    }
}

impl Names {
    fn add(&mut self, keys: &Keys, calls: u64, in_all: &mut usize) {
        let mut is_beyond = false;
        for key in keys.iter() {
            if let Some(count) = self.known.get_mut(key) {
                *count += calls;
            } else if self.known.len() < PROPERTIES && *in_all < PROPERTIES_IN_ALL {
                self.known.insert(key.clone(), calls);
                *in_all += 1;
            } else {
                is_beyond = true;
            }
        }
        self.beyond += if is_beyond { calls } else { 0 };
    }

    fn list(&self) -> Vec<(&str, u64)> {
        let other = (self.beyond > 0).then_some((OTHER, self.beyond));
        let mut list: Vec<(&str, u64)> =
            self.known.iter().map(|(name, calls)| (name.as_ref(), *calls)).chain(other).collect();
        list.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        list
    }
}
