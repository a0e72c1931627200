//! In the editor of a campaign: how customers are shared among the variants of each message, chosen by a button instead of
//! in the text. The text stays what counts; a button rewrites it.

use crate::views::yaml;
use domain::campaign::BANDIT_LIMIT;
use domain::definition::read_yaml;
use serde_json::{Map, Value};

/// How customers are shared among variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Each gets as many.
    Evenly,
    /// By the weights in the text.
    Weights,
    /// More and more of what works.
    Works,
}

impl Way {
    const ALL: [Way; 3] = [Way::Evenly, Way::Weights, Way::Works];

    /// The word in forms.
    pub(super) fn word(self) -> &'static str {
        match self {
            Way::Evenly => "evenly",
            Way::Weights => "weights",
            Way::Works => "works",
        }
    }

    pub(super) fn says(self) -> &'static str {
        match self {
            Way::Evenly => "Split evenly",
            Way::Weights => "By the weights in the text",
            Way::Works => "Send more of what works",
        }
    }
}

/// A message with variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// Its place among all of them in the text.
    pub(super) place: usize,
    /// Its template.
    pub(super) message: String,
    /// Its variants.
    pub(super) names: Vec<String>,
    /// How customers are shared now.
    pub(super) way: Way,
}

impl Choice {
    /// The ways one can choose from.
    pub(super) fn ways(&self) -> impl Iterator<Item = Way> + use<> {
        let is_too_many = self.names.len() > BANDIT_LIMIT;
        Way::ALL.into_iter().filter(move |way| *way != Way::Works || !is_too_many)
    }
}

/// The messages with two variants or more in the campaigns of a text; none where it cannot be read.
pub(super) fn choices(text: &str) -> Vec<Choice> {
    let mut found = Vec::new();
    for mut definition in read_yaml(text).unwrap_or_default() {
        each_message(&mut definition, &mut |step| {
            found.push(Choice {
                place: found.len(),
                message: step.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
                names: names(step),
                way: way(step),
            });
        });
    }
    found
}

/// The text with another choice, from a button's value such as `works:0`; none where there is no such button.
/// Comments in it are lost: it is written anew.
pub(super) fn choose(text: &str, pressed: &str) -> Option<String> {
    let (word, place) = pressed.split_once(':')?;
    let way = Way::ALL.into_iter().find(|way| way.word() == word)?;
    let place: usize = place.parse().ok()?;
    let mut definitions = read_yaml(text).ok()?;
    let mut at = 0;
    let mut is_changed = false;
    for definition in &mut definitions {
        each_message(definition, &mut |step| {
            if at == place {
                set(step, way);
                is_changed = true;
            }
            at += 1;
        });
    }
    is_changed.then(|| yaml::write_all(&definitions))
}

/// Every message step with two variants or more, in order.
fn each_message(definition: &mut Value, visit: &mut dyn FnMut(&mut Map<String, Value>)) {
    if definition.get("campaign").is_some()
        && let Some(Value::Array(steps)) = definition.get_mut("steps")
    {
        each_of(steps, visit);
    }
}

/// Text that can be read is not nested deeper than a reader of YAML lets it be.
fn each_of(steps: &mut [Value], visit: &mut dyn FnMut(&mut Map<String, Value>)) {
    for step in steps.iter_mut().filter_map(Value::as_object_mut) {
        if step.contains_key("message") && names(step).len() > 1 {
            visit(step);
        }
        let Some(Value::Array(ways)) = step.get_mut("branch") else { continue };
        for way in ways.iter_mut().filter_map(Value::as_object_mut) {
            for inner in ["then", "else"] {
                if let Some(Value::Array(steps)) = way.get_mut(inner) {
                    each_of(steps, visit);
                }
            }
        }
    }
}

fn names(step: &Map<String, Value>) -> Vec<String> {
    match step.get("variants") {
        Some(Value::Object(weights)) => weights.keys().cloned().collect(),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn way(step: &Map<String, Value>) -> Way {
    let is_even = match step.get("variants") {
        Some(Value::Object(weights)) => {
            let mut weights = weights.values();
            let first = weights.next();
            weights.all(|weight| Some(weight) == first)
        }
        _ => true,
    };
    match step.get("allocate").and_then(Value::as_str) {
        Some("bandit") => Way::Works,
        _ if is_even => Way::Evenly,
        _ => Way::Weights,
    }
}

fn set(step: &mut Map<String, Value>, way: Way) {
    let names = names(step);
    let equal = || names.iter().map(|name| (name.clone(), Value::from(1))).collect::<Map<_, _>>();
    match way {
        Way::Evenly => {
            step.shift_remove("allocate");
            step.insert("variants".to_owned(), equal().into());
        }
        Way::Weights => {
            step.shift_remove("allocate");
            if !matches!(step.get("variants"), Some(Value::Object(_))) {
                step.insert("variants".to_owned(), equal().into());
            }
        }
        Way::Works => {
            step.insert("allocate".to_owned(), "bandit".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "campaign: win-back
enter:
  on: { did: visit }
goal: { did: order }
steps:
  - { message: plain-one }
  - { message: hello, variants: { plain: 3, restock: 1 } }
  - branch:
      - { if: { everyone: true }, then: [{ message: again, variants: [a, b], allocate: bandit }] }
---
template: hello
subject: Hi
body: Hi
variants: { restock: { subject: Back } }
";

    #[test]
    fn every_message_with_variants_is_offered_and_says_how_it_is_shared() {
        let found = choices(TEXT);
        let words: Vec<_> = found.iter().map(|it| (it.place, it.message.as_str(), it.way)).collect();
        assert_eq!(words, [(0, "hello", Way::Weights), (1, "again", Way::Works)]);
        assert!(
            choices("campaign: [").is_empty() && choices("").is_empty() && choices("campaign: x\nsteps: 3").is_empty()
        );
    }

    #[test]
    fn a_button_changes_its_message_and_nothing_else() {
        let works = choose(TEXT, "works:0").unwrap();
        let step = &read_yaml(&works).unwrap()[0]["steps"][1];
        assert_eq!(
            *step,
            serde_json::json!({ "message": "hello", "variants": { "plain": 3, "restock": 1 }, "allocate": "bandit" })
        );
        for one in read_yaml(&works).unwrap() {
            domain::Definition::read(&one).unwrap();
        }
        let even = choose(&works, "evenly:0").unwrap();
        assert_eq!(choices(&even)[0].way, Way::Evenly);
        let weights = choose(&choose(TEXT, "works:0").unwrap(), "weights:0").unwrap();
        assert_eq!(read_yaml(&weights).unwrap(), read_yaml(TEXT).unwrap());
        let list = choose(TEXT, "weights:1").unwrap();
        assert!(list.contains("{ a: 1, b: 1 }"), "{list}");
        for nonsense in ["works:2", "works", "other:0", "works:-1", "save", ""] {
            assert_eq!(choose(TEXT, nonsense), None, "{nonsense}");
        }
    }
}
