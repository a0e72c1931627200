//! Which events, properties and traits were really seen: for pickers and warnings. Bounded: beyond the
//! limits names are counted together as `_other`.

use domain::Call;
use std::collections::BTreeMap;

/// Most distinct event names that are told apart.
pub const EVENTS: usize = 5_000;

/// Names seen, with how often.
#[derive(Clone, Default, Debug)]
pub struct Catalogue {
    events: BTreeMap<String, u64>,
}

impl Catalogue {
    /// Counts a call's event. O(log names).
    pub fn note(&mut self, call: &Call) {
        let Some(event) = call.event.as_deref() else { return };
        if let Some(count) = self.events.get_mut(event) {
            *count += 1;
            return;
        }
        let name = if self.events.len() < EVENTS { event } else { "_other" };
        *self.events.entry(name.to_owned()).or_default() += 1;
    }

    /// Event names with their counts, the most frequent first.
    pub fn events(&self) -> Vec<(&str, u64)> {
        let mut events: Vec<(&str, u64)> = self.events.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        events.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        events
    }

    /// Whether an event of a name was ever seen; a name beyond the limit counts as seen.
    pub fn has_event(&self, name: &str) -> bool {
        self.events.contains_key(name) || self.events.contains_key("_other")
    }
}
