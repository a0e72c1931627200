//! Ready segments for keeping customers: each a file that says what it is for, what one may change, and whom it means.

use domain::segment::{Condition, EventName};
use domain::{Name, Segment};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

const FILES: &[&str] = &[
    include_str!("new-customers.yaml"),
    include_str!("came-back.yaml"),
    include_str!("active-customers.yaml"),
    include_str!("regulars.yaml"),
    include_str!("steady-every-month.yaml"),
    include_str!("big-spenders.yaml"),
    include_str!("at-risk.yaml"),
    include_str!("lapsed-regulars.yaml"),
    include_str!("one-time-buyers.yaml"),
    include_str!("buys-less-often.yaml"),
    include_str!("browsed-not-bought.yaml"),
    include_str!("cart-abandoned.yaml"),
    include_str!("searched-not-bought.yaml"),
    include_str!("stopped-opening.yaml"),
    include_str!("may-write-offers.yaml"),
    include_str!("birthday-this-week.yaml"),
    include_str!("pass-expires-soon.yaml"),
    include_str!("customer-for-a-year.yaml"),
    include_str!("parcel-late.yaml"),
    include_str!("payment-failed.yaml"),
    include_str!("complained.yaml"),
    include_str!("low-reviews.yaml"),
    include_str!("refunded.yaml"),
];

/// A ready segment.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Its name in addresses, and of the segment that is made of it.
    pub name: String,
    /// What it stands under.
    pub group: String,
    /// Its title.
    pub title: String,
    /// What it is for.
    pub purpose: String,
    /// What one may change.
    pub parameters: Vec<Parameter>,
    template: Value,
}

/// Something that one may change.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name in the file.
    pub name: String,
    /// What people read.
    pub label: String,
    /// What it is unless somebody changes it.
    pub value: String,
    /// Whether it is a whole number.
    pub is_number: bool,
}

/// What a ready segment asks about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Need {
    /// An event.
    Event(String),
    /// A trait.
    Trait(String),
    /// A kind of record.
    Record(String),
}

/// All of them, in the order in which they are shown: what belongs together stands together.
pub fn all() -> &'static [Ready] {
    static ALL: LazyLock<Vec<Ready>> =
        LazyLock::new(|| FILES.iter().map(|file| read(file).expect("a test reads every file")).collect());
    &ALL
}

/// Finds one by its name.
pub fn find(name: &str) -> Option<&'static Ready> {
    all().iter().find(|ready| ready.name == name)
}

/// The definition of a ready segment with what was chosen; what cannot be meant counts as not chosen.
pub fn fill(name: &str, chosen: &BTreeMap<String, String>) -> Option<Value> {
    find(name).map(|ready| ready.definition(chosen))
}

fn read(file: &str) -> Option<Ready> {
    let value = domain::definition::read_yaml(file).ok()?.pop()?;
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(|text| text.trim().to_owned());
    let parameter = |value: &Value| {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let (shown, is_number) = match value.get("value")? {
            Value::Number(number) => (number.to_string(), true),
            Value::String(text) => (text.clone(), false),
            _ => return None,
        };
        Some(Parameter { name: text("name")?, label: text("label")?, value: shown, is_number })
    };
    Some(Ready {
        name: text("ready")?,
        group: text("group")?,
        title: text("title")?,
        purpose: text("for")?,
        parameters: value.get("change")?.as_array()?.iter().map(parameter).collect::<Option<_>>()?,
        template: value.get("where")?.clone(),
    })
}

impl Ready {
    /// The segment as it would be saved.
    pub fn definition(&self, chosen: &BTreeMap<String, String>) -> Value {
        let values: Vec<(String, &str)> = self
            .parameters
            .iter()
            .map(|parameter| {
                let chosen = chosen.get(&parameter.name).map(|text| text.trim());
                (
                    format!("{{{}}}", parameter.name),
                    chosen.filter(|text| parameter.takes(text)).unwrap_or(&parameter.value),
                )
            })
            .collect();
        json!({ "segment": self.name, "title": self.title, "where": filled(&self.template, &values) })
    }

    /// What it asks about.
    pub fn needs(&self) -> Vec<Need> {
        let mut needs = Vec::new();
        let Ok(segment) = Segment::read(&self.definition(&BTreeMap::new())) else { return needs };
        segment.rule.walk(&mut |condition| {
            condition.events(&mut |event, _| {
                if let EventName::Exact(name) = event {
                    needs.push(Need::Event(name.clone()));
                }
            });
            match condition {
                Condition::Trait(tests) => {
                    tests.walk(&mut |path, _| needs.extend(path.first().map(|key| Need::Trait(key.to_owned()))));
                }
                Condition::Record(asked) => needs.push(Need::Record(asked.kind.clone())),
                _ => {}
            }
        });
        let mut known = Vec::new();
        needs.retain(|need| {
            let is_new = !known.contains(need);
            known.push(need.clone());
            is_new
        });
        needs
    }

    /// The segment under a name that no other has, to count its members.
    pub fn counted(&self) -> Option<Segment> {
        let mut segment = Segment::read(&self.definition(&BTreeMap::new())).ok()?;
        segment.name = Name::parse(&format!("ready-{}", self.name)).ok()?;
        Some(segment)
    }
}

impl Parameter {
    fn takes(&self, text: &str) -> bool {
        match self.is_number {
            true => text.parse::<u32>().is_ok_and(|number| (1..=36_500).contains(&number)),
            false => !text.is_empty() && text.chars().count() <= 60,
        }
    }
}

fn filled(template: &Value, values: &[(String, &str)]) -> Value {
    match template {
        Value::String(text) => match values.iter().find(|(token, _)| token == text) {
            // Alone it is the number or text itself, with a unit beside it a duration.
            Some((_, value)) => value.parse::<u32>().map_or_else(|_| json!(value), |number| json!(number)),
            None => json!(values.iter().fold(text.clone(), |text, (token, value)| text.replace(token.as_str(), value))),
        },
        Value::Array(items) => items.iter().map(|item| filled(item, values)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), filled(value, values))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ready_segment_reads_and_says_what_it_is_for() {
        assert_eq!(FILES.iter().filter_map(|file| read(file)).count(), FILES.len());
        let mut names: Vec<&str> = all().iter().map(|ready| ready.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FILES.len());
        for ready in all() {
            let definition = ready.definition(&BTreeMap::new());
            let segment = Segment::read(&definition).unwrap_or_else(|error| panic!("{}: {error}", ready.name));
            assert_eq!(segment.name.as_str(), ready.name);
            assert!(!definition.to_string().contains("{days}"), "{definition}");
            assert!(ready.purpose.ends_with('.') && ready.purpose.len() > 40, "{}", ready.purpose);
            for parameter in &ready.parameters {
                let other = if parameter.is_number { "17" } else { "EUR" };
                let chosen = BTreeMap::from([(parameter.name.clone(), other.to_owned())]);
                let changed = ready.definition(&chosen);
                assert_ne!(changed, definition, "{}: {} changes nothing", ready.name, parameter.name);
            }
        }
    }

    #[test]
    fn what_cannot_be_meant_is_as_if_nothing_had_been_chosen() {
        let usual = fill("regulars", &BTreeMap::new()).unwrap();
        for odd in ["", "-3", "many", "99999999", "3d\"}"] {
            assert_eq!(fill("regulars", &BTreeMap::from([("orders".to_owned(), odd.to_owned())])).unwrap(), usual);
        }
        let five = fill("regulars", &BTreeMap::from([("orders".to_owned(), " 5 ".to_owned())])).unwrap();
        assert_eq!(five["where"]["at_least"], 5);
        assert!(fill("no-such", &BTreeMap::new()).is_none());
    }
}
