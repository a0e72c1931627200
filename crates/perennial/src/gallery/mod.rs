//! Ready segments for keeping customers: each a file that says what it is for, what one may change, and whom it means.
//! Ready campaigns are in `plays`.

pub mod plays;

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

/// What people read of a ready segment or campaign before they take it.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its name in addresses, and of what is made of it.
    pub name: String,
    /// What it stands under.
    pub group: String,
    /// Its title.
    pub title: String,
    /// What it is for.
    pub purpose: String,
    /// What one may change.
    pub parameters: Vec<Parameter>,
}

/// A ready segment.
#[derive(Clone, Debug)]
pub struct Ready {
    /// What people read of it.
    pub offer: Offer,
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
    all().iter().find(|ready| ready.offer.name == name)
}

/// The definition of a ready segment with what was chosen; what cannot be meant counts as not chosen.
pub fn fill(name: &str, chosen: &BTreeMap<String, String>) -> Option<Value> {
    find(name).map(|ready| ready.definition(chosen))
}

fn read(file: &str) -> Option<Ready> {
    let value = domain::definition::read_yaml(file).ok()?.pop()?;
    Some(Ready { offer: offer(&value)?, template: value.get("where")?.clone() })
}

fn offer(value: &Value) -> Option<Offer> {
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
    Some(Offer {
        name: text("ready")?,
        group: text("group")?,
        title: text("title")?,
        purpose: text("for")?,
        parameters: value.get("change")?.as_array()?.iter().map(parameter).collect::<Option<_>>()?,
    })
}

impl Ready {
    /// The segment as it would be saved.
    pub fn definition(&self, chosen: &BTreeMap<String, String>) -> Value {
        let values: Vec<(String, &str)> = self
            .offer
            .parameters
            .iter()
            .map(|parameter| (format!("{{{}}}", parameter.name), parameter.chosen(chosen)))
            .collect();
        json!({ "segment": self.offer.name, "title": self.offer.title, "where": filled(&self.template, &values) })
    }

    /// What it asks about.
    pub fn needs(&self) -> Vec<Need> {
        let segment = Segment::read(&self.definition(&BTreeMap::new()));
        segment.map_or_else(|_| Vec::new(), |segment| each_once(Need::of(&segment.rule)))
    }

    /// The segment under a name that no other has, to count its members.
    pub fn counted(&self) -> Option<Segment> {
        let mut segment = Segment::read(&self.definition(&BTreeMap::new())).ok()?;
        segment.name = Name::parse(&format!("ready-{}", self.offer.name)).ok()?;
        Some(segment)
    }
}

impl Need {
    /// What a condition asks about.
    fn of(rule: &Condition) -> Vec<Need> {
        let mut needs = Vec::new();
        rule.walk(&mut |condition| {
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
        needs
    }
}

/// The needs in their order, each once.
fn each_once(mut needs: Vec<Need>) -> Vec<Need> {
    let mut known = Vec::new();
    needs.retain(|need| {
        let is_new = !known.contains(need);
        known.push(need.clone());
        is_new
    });
    needs
}

impl Parameter {
    /// What was chosen, or what it is unless somebody changes it.
    fn chosen<'a>(&'a self, chosen: &'a BTreeMap<String, String>) -> &'a str {
        let chosen = chosen.get(&self.name).map(|text| text.trim());
        chosen.filter(|text| self.takes(text)).unwrap_or(&self.value)
    }

    fn takes(&self, text: &str) -> bool {
        match self.is_number {
            true => text.parse::<u32>().is_ok_and(|number| (1..=36_500).contains(&number)),
            // It stands between quotes in a text that is read again.
            false => {
                let is_plain = |c: char| !c.is_control() && !matches!(c, '"' | '\\');
                !text.is_empty() && text.chars().count() <= 60 && text.chars().all(is_plain)
            }
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
        let mut names: Vec<&str> = all().iter().map(|ready| ready.offer.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FILES.len());
        for ready in all() {
            let definition = ready.definition(&BTreeMap::new());
            let segment = Segment::read(&definition).unwrap_or_else(|error| panic!("{}: {error}", ready.offer.name));
            assert_eq!(segment.name.as_str(), ready.offer.name);
            assert!(!definition.to_string().contains("{days}"), "{definition}");
            assert!(ready.offer.purpose.ends_with('.') && ready.offer.purpose.len() > 40, "{}", ready.offer.purpose);
            for parameter in &ready.offer.parameters {
                let other = if parameter.is_number { "17" } else { "EUR" };
                let chosen = BTreeMap::from([(parameter.name.clone(), other.to_owned())]);
                let changed = ready.definition(&chosen);
                assert_ne!(changed, definition, "{}: {} changes nothing", ready.offer.name, parameter.name);
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
