//! What events, traits and records really bore, with their frequent values: for pickers. Which names there are, and how
//! many, is the catalogue's.
//!
//! Bounded: beyond the limits further names and values are left out. Names and values come from a sample of the calls,
//! so that reading them costs ingest next to nothing.

use domain::call::events::LIST_CHANGED;
use domain::segment::EventName;
use domain::{Call, CallKind, Path};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Most events that are looked into.
pub const EVENTS: usize = 5_000;
/// Most properties of an event, attributes of a kind of record, or traits.
pub const NAMES: usize = 60;
/// Values of one name that are watched at a time.
pub const VALUES: usize = 24;
/// Names and values kept in all; a name or value is at most [`LENGTH`] bytes long.
pub const KEPT: usize = 60_000;
/// Longest name or value that is kept, in bytes.
pub const LENGTH: usize = 80;
/// Most kinds of records and most lists.
const KINDS: usize = 500;
/// So many calls of each thing are looked into, and then one in [`EVERY`].
const FIRST: u64 = 200;
/// Of later calls one in so many is looked into.
const EVERY: u64 = 32;
/// Entries of a list that are looked into.
const ENTRIES: usize = 4;

/// Names and values seen in a sample of the calls.
#[derive(Clone, Default, Debug, serde::Serialize, serde::Deserialize)]
pub struct Samples {
    properties: BTreeMap<String, Sample>,
    traits: Sample,
    records: BTreeMap<String, Sample>,
    lists: BTreeMap<String, u64>,
    kept: usize,
}

/// What a sample of calls bore.
#[derive(Clone, Default, Debug, serde::Serialize, serde::Deserialize)]
struct Sample {
    calls: u64,
    names: BTreeMap<String, Values>,
}

#[derive(Clone, Default, Debug, serde::Serialize, serde::Deserialize)]
struct Values {
    times: u64,
    numbers: u64,
    frequent: BTreeMap<String, u64>,
}

/// A property, a trait or an attribute that was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenName<'a> {
    /// As a path: `address.city`; of the entries of a list `products[].category`.
    pub path: &'a str,
    /// In how many calls of the sample.
    pub times: u64,
    /// Whether every value was a number.
    pub is_number: bool,
    /// Values seen more than once, the most frequent first.
    pub values: Vec<&'a str>,
}

impl Samples {
    /// Looks into a call's body if it is one of the sample. O(log names), of the sample O(size of the body).
    pub(crate) fn note(&mut self, call: &Call) {
        let kept = &mut self.kept;
        match (&call.event, call.kind) {
            (Some(event), _) => {
                let event = event.as_ref();
                if event == LIST_CHANGED
                    && let Some(list) = call.body_value().get("list").and_then(Value::as_str)
                    && (self.lists.len() < KINDS || self.lists.contains_key(list))
                    && list.len() <= LENGTH
                {
                    *self.lists.entry(list.to_owned()).or_default() += 1;
                }
                if let Some(sample) = sample_of(&mut self.properties, event, EVENTS) {
                    sample.note(call, kept);
                }
            }
            (None, CallKind::Identify) => self.traits.note(call, kept),
            (None, CallKind::Record) => {
                let kind = call.record.as_ref().map(|part| part.kind.as_ref());
                if let Some(sample) = kind.and_then(|kind| sample_of(&mut self.records, kind, KINDS)) {
                    sample.note(call, kept);
                }
            }
            _ => {}
        }
    }

    /// Everything in words, for comparing.
    pub(crate) fn describe(&self, visit: &mut dyn FnMut(String, String)) {
        let of_kind =
            |word: &'static str, samples: &BTreeMap<String, Sample>, visit: &mut dyn FnMut(String, String)| {
                for (name, sample) in samples {
                    visit(format!("sample of {word} {name}"), format!("{sample:?}"));
                }
            };
        of_kind("event", &self.properties, visit);
        of_kind("record", &self.records, visit);
        visit("sample of traits".to_owned(), format!("{:?}", self.traits));
        visit("lists".to_owned(), format!("{:?} {}", self.lists, self.kept));
    }

    /// Properties of an event, the most frequent first; of a prefix those of the first event that has it.
    pub fn properties(&self, event: &EventName) -> Vec<SeenName<'_>> {
        let found = match event {
            EventName::Exact(name) => self.properties.get(name),
            EventName::Prefix(prefix) => {
                let mut from = self.properties.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(prefix));
                from.next().map(|(_, sample)| sample)
            }
        };
        found.map(Sample::seen).unwrap_or_default()
    }

    /// Traits, the most frequent first.
    pub fn traits(&self) -> Vec<SeenName<'_>> {
        self.traits.seen()
    }

    /// Kinds of records with their attributes, the most frequent first.
    pub fn records(&self) -> Vec<(&str, Vec<SeenName<'_>>)> {
        let mut kinds: Vec<_> = self.records.iter().collect();
        kinds.sort_by(|a, b| b.1.calls.cmp(&a.1.calls).then(a.0.cmp(b.0)));
        kinds.into_iter().map(|(kind, sample)| (kind.as_str(), sample.seen())).collect()
    }

    /// Names of lists, the most frequent first.
    pub fn lists(&self) -> Vec<&str> {
        let mut lists: Vec<_> = self.lists.iter().collect();
        lists.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        lists.into_iter().map(|(name, _)| name.as_str()).collect()
    }
}

fn sample_of<'a>(samples: &'a mut BTreeMap<String, Sample>, name: &str, most: usize) -> Option<&'a mut Sample> {
    if !samples.contains_key(name) {
        if samples.len() >= most || name.len() > 4 * LENGTH {
            return None;
        }
        samples.insert(name.to_owned(), Sample::default());
    }
    samples.get_mut(name)
}

impl Sample {
    fn note(&mut self, call: &Call, kept: &mut usize) {
        self.calls += 1;
        if self.calls > FIRST && !self.calls.is_multiple_of(EVERY) {
            return;
        }
        if let Value::Object(body) = call.body_value() {
            self.look_into(&body, "", 0, kept);
        }
    }

    fn look_into(&mut self, object: &Map<String, Value>, before: &str, depth: u8, kept: &mut usize) {
        for (key, value) in object {
            let Some(path) = path_to(before, key) else { continue };
            match value {
                Value::Object(inner) if depth == 0 => self.look_into(inner, &path, 1, kept),
                Value::Array(entries) => {
                    self.count(&path, None, false, kept);
                    for entry in entries.iter().take(ENTRIES) {
                        match entry {
                            Value::Object(inner) if depth == 0 => self.look_into(inner, &format!("{path}[]"), 1, kept),
                            Value::String(text) => self.count(&path, Some(text), false, kept),
                            _ => {}
                        }
                    }
                }
                Value::String(text) => self.count(&path, Some(text), false, kept),
                Value::Number(number) => self.count(&path, Some(&number.to_string()), true, kept),
                Value::Bool(flag) => self.count(&path, Some(if *flag { "true" } else { "false" }), false, kept),
                Value::Null | Value::Object(_) => {}
            }
        }
    }

    fn count(&mut self, path: &str, value: Option<&str>, is_number: bool, kept: &mut usize) {
        if !self.names.contains_key(path) {
            if self.names.len() >= NAMES || *kept >= KEPT {
                return;
            }
            *kept += 1;
            self.names.insert(path.to_owned(), Values::default());
        }
        let Some(values) = self.names.get_mut(path) else { return };
        values.times += 1;
        values.numbers += u64::from(is_number);
        if let Some(value) = value {
            values.watch(value, kept);
        }
    }

    fn seen(&self) -> Vec<SeenName<'_>> {
        let seen = self.names.iter().map(|(path, values)| {
            let mut frequent: Vec<_> = values.frequent.iter().filter(|(_, times)| **times > 1).collect();
            frequent.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            SeenName {
                path,
                times: values.times,
                is_number: values.numbers == values.times,
                values: frequent.into_iter().map(|(value, _)| value.as_str()).collect(),
            }
        });
        let mut seen: Vec<_> = seen.collect();
        seen.sort_by(|a, b| b.times.cmp(&a.times).then(a.path.cmp(b.path)));
        seen
    }
}

impl Values {
    /// Counts a value. Where there are too many to watch, all lose one, and those that have nothing left go: what is
    /// frequent stays (Misra and Gries, 1982), what is different every time, such as an address, does not.
    fn watch(&mut self, value: &str, kept: &mut usize) {
        if value.is_empty() || value.len() > LENGTH {
            return;
        }
        if let Some(times) = self.frequent.get_mut(value) {
            *times += 1;
        } else if self.frequent.len() < VALUES {
            if *kept < KEPT {
                *kept += 1;
                self.frequent.insert(value.to_owned(), 1);
            }
        } else {
            let before = self.frequent.len();
            self.frequent.retain(|_, times| {
                *times -= 1;
                *times > 0
            });
            *kept -= before - self.frequent.len();
        }
    }
}

/// The path of a key; none for a key that no path can name, or one that is too long to be kept.
fn path_to(before: &str, key: &str) -> Option<String> {
    let path = Path::new(key);
    let is_plain = path.first() == Some(key) && path.rest().is_empty();
    let key = match is_plain {
        true => key.to_owned(),
        false if key.is_empty() || key.contains("\"]") => return None,
        false => format!("[\"{key}\"]"),
    };
    let dot = if before.is_empty() || key.starts_with('[') { "" } else { "." };
    let path = format!("{before}{dot}{key}");
    (path.len() <= LENGTH).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(value: &Value) -> Call {
        serde_json::from_value(value.clone()).unwrap()
    }

    fn ordered(category: &str, order: u32) -> Call {
        call(&json!({
            "k": "track", "m": format!("m{order}"), "u": "ana", "e": "Order Completed", "t": 1, "r": 1, "s": "shop",
            "w": "server",
            "b": { "order_id": format!("o-{order}"), "revenue": order, "currency": "GBP",
                   "products": [{ "category": category, "price": 3 }], "ship to": { "city": "York" } },
        }))
    }

    #[test]
    fn what_is_frequent_is_offered_and_what_is_different_every_time_is_not() {
        let mut samples = Samples::default();
        for order in 0..150 {
            samples.note(&ordered(if order % 3 == 0 { "coffee" } else { "tea" }, order));
        }
        let seen = samples.properties(&EventName::Exact("Order Completed".to_owned()));
        let find =
            |path: &str| seen.iter().find(|seen| seen.path == path).unwrap_or_else(|| panic!("{path}: {seen:?}"));
        assert_eq!(find("currency").values, ["GBP"]);
        assert_eq!(find("products[].category").values, ["tea", "coffee"]);
        assert_eq!(find("[\"ship to\"].city").values, ["York"]);
        assert!(find("revenue").is_number && !find("currency").is_number);
        assert!(find("order_id").values.is_empty());
        assert_eq!(samples.properties(&EventName::Prefix("Order".to_owned())).len(), seen.len());
        assert!(samples.properties(&EventName::Exact("Other".to_owned())).is_empty());
    }

    #[test]
    fn whatever_is_sent_little_is_kept() {
        let mut samples = Samples::default();
        for number in 0..2_000 {
            let names: Map<String, Value> = (0..100).map(|name| (format!("n{number}-{name}"), json!("x"))).collect();
            samples.note(&call(&json!({
                "k": "track", "m": format!("m{number}"), "u": "ana", "e": format!("Event {number}"), "t": 1, "r": 1,
                "s": "shop", "w": "server", "b": names,
            })));
        }
        assert!(samples.kept <= KEPT, "{}", samples.kept);
        let held: usize = samples
            .properties
            .values()
            .flat_map(|sample| sample.names.values())
            .map(|values| 1 + values.frequent.len())
            .sum();
        assert_eq!(held, samples.kept);
    }
}
