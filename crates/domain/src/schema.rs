//! JSON Schemas (2020-12) of definitions, for editors: the same words, limits and meanings as the readers beside them.
//!
//! The words come from the lists that the readers go by, so that none can be in one and not in the other. What a
//! schema cannot say (a name that exists, bounds that fit each other, a date that is in the calendar) the readers say
//! alone; a test holds both against random and mutated definitions.

mod campaign;
mod scenario;
mod segment;
mod values;
mod workspace;

use serde_json::{Map, Value, json};

/// Kinds of schemas, by the words under which they are asked for.
pub const KINDS: &[&str] = &["segment", "campaign", "scenario", "purpose", "template", "workspace", "definition"];

/// The schema of a kind of definition; none if there is no such kind. `definition` is any of them.
pub fn of(kind: &str) -> Option<Value> {
    let (title, root) = match kind {
        "segment" => ("A segment: who is meant", reference("segment-definition")),
        "campaign" => ("A campaign: what is done, perpetually", reference("campaign-definition")),
        "purpose" => ("A purpose: what messages may be for", reference("purpose-definition")),
        "template" => ("A template: what is written", reference("template-definition")),
        "workspace" => ("The settings of the workspace", reference("workspace-definition")),
        "scenario" => ("A scenario: a test for segments and campaigns", scenario::file()),
        "definition" => ("A definition, or a list of them", reference("any-definition")),
        _ => return None,
    };
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("https://perennial.invalid/schemas/{kind}"),
        "title": title,
    });
    let parts = parts_of(&root);
    if let (Value::Object(schema), Value::Object(root)) = (&mut schema, root) {
        schema.extend(root);
        schema.insert("$defs".to_owned(), parts.into());
    }
    Some(schema)
}

fn any_definition() -> Value {
    let heads = ["workspace", "purpose", "segment", "template", "campaign"];
    let cases: Vec<Value> = heads
        .iter()
        .map(|head| {
            // A campaign has a `purpose:` beside its own head.
            let guard = match *head {
                "purpose" => json!({ "required": ["purpose"], "not": { "required": ["campaign"] } }),
                head => json!({ "required": [head] }),
            };
            json!({ "if": guard, "then": reference(&format!("{head}-definition")) })
        })
        .collect();
    let one = json!({
        "type": "object", "allOf": cases,
        "anyOf": heads.map(|head| json!({ "required": [head] })),
    });
    json!({ "if": { "type": "array" }, "then": { "items": one }, "else": one })
}

/// Which parts a schema needs: those that it names, and those that these name.
fn parts_of(root: &Value) -> Map<String, Value> {
    let mut all = all_parts();
    let mut needed: Map<String, Value> = Map::new();
    let mut waiting = vec![root.clone()];
    while let Some(next) = waiting.pop() {
        for rest in next.to_string().split("\"#/$defs/").skip(1) {
            let name = rest.split('"').next().unwrap_or_default();
            if let Some(part) = all.remove(name) {
                waiting.push(part.clone());
                needed.insert(name.to_owned(), part);
            }
        }
    }
    needed.sort_keys();
    needed
}

fn all_parts() -> Map<String, Value> {
    let parts = values::parts().into_iter().chain(segment::parts()).chain(campaign::parts());
    let parts = parts.chain(workspace::parts()).chain(scenario::parts()).chain([("any-definition", any_definition())]);
    parts.map(|(name, part)| (name.to_owned(), part)).collect()
}

/// A named part.
type Part = (&'static str, Value);

fn reference(part: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{part}") })
}

/// A reference with words of its own.
fn described(part: &str, description: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{part}"), "description": description })
}

/// A map of these fields and no others.
fn map<const N: usize>(description: &str, required: &[&str], fields: [(&str, Value); N]) -> Value {
    let properties: Map<String, Value> = fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect();
    json!({
        "type": "object", "description": description, "required": required, "properties": properties,
        "additionalProperties": false,
    })
}

/// A field that may be left empty, which counts as absent.
fn or_nothing(schema: &Value) -> Value {
    match schema {
        Value::Object(map) if map.get("type").is_some_and(Value::is_string) => {
            let mut map = map.clone();
            map.insert("type".to_owned(), json!([map["type"], "null"]));
            if let Some(Value::Array(words)) = map.get_mut("enum") {
                words.push(Value::Null);
            }
            map.into()
        }
        Value::Object(map) => {
            let mut either = Map::new();
            // What is said of it stays where editors look.
            if let Some(description) = map.get("description") {
                either.insert("description".to_owned(), description.clone());
            }
            either.insert("anyOf".to_owned(), json!([schema, { "type": "null" }]));
            either.into()
        }
        other => other.clone(),
    }
}

/// A text.
fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// One of some words.
fn word_of<'a>(description: &str, words: impl IntoIterator<Item = &'a str>) -> Value {
    json!({ "type": "string", "description": description, "enum": words.into_iter().collect::<Vec<_>>() })
}

/// Exactly one of these keys.
fn exactly_one<'a>(keys: impl IntoIterator<Item = &'a str>) -> Value {
    keys.into_iter().map(|key| json!({ "required": [key] })).collect::<Vec<_>>().into()
}

/// At least one of these keys.
fn has_any<'a>(keys: impl IntoIterator<Item = &'a str>) -> Value {
    json!({ "anyOf": exactly_one(keys) })
}
