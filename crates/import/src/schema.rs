//! The JSON Schema (2020-12) of mappings, for editors: the words of `mapping` and `condition`, and what they mean.

use crate::condition::OPERATORS;
use crate::mapping::{CONSENT_KEYS, EVENT_KEYS, FORMAT_KEYS, RECORD_KEYS, TIME_KEYS, TOP_KEYS, VALUE_KEYS};
use serde_json::{Map, Value, json};

/// The schema of a mapping.
pub fn schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://perennial.invalid/schemas/mapping",
        "title": "A mapping: what the columns of a file mean",
        "$defs": {
            "columns": one_or_more(&json!({ "type": "string", "minLength": 1 }), "Columns by their names."),
            "column": { "type": "string", "minLength": 1, "description": "A column by its name." },
            "when": one_or_more(&json!({ "$ref": "#/$defs/tests" }), "For which rows; all where nothing is said."),
            "tests": tests(),
            "value": either_column(&map(VALUE_KEYS, &[], "What a property is made of.")),
            "values": { "type": "object", "minProperties": 1, "additionalProperties": { "$ref": "#/$defs/value" }, "description": "Names, and the columns or values they get." },
            "id": either_column(&map(&["column", "clean"], &["column"], "The column that holds the id, and how it is cleaned.")),
            "text": either_column(&map(&["column"], &["column"], "A text, or { column: … }.")),
        },
    });
    if let (Value::Object(schema), Value::Object(root)) =
        (&mut schema, map(TOP_KEYS, &["mapping"], "What the columns of a file mean."))
    {
        schema.extend(root);
    }
    schema
}

/// A map of these keys and no others.
fn map(keys: &[&str], required: &[&str], description: &str) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), field(key, keys))).collect();
    json!({
        "type": "object", "description": description, "required": required, "properties": properties,
        "additionalProperties": false,
    })
}

fn one_or_more(item: &Value, description: &str) -> Value {
    json!({ "description": description, "if": { "type": "array" }, "then": { "type": "array", "minItems": 1, "items": item }, "else": item })
}

/// A column by its name, or a map that says more.
fn either_column(more: &Value) -> Value {
    json!({ "if": { "type": "string" }, "then": { "type": "string", "minLength": 1 }, "else": more })
}

fn word_of(words: &[&str], description: &str) -> Value {
    json!({ "type": "string", "enum": words, "description": description })
}

fn part(name: &str, description: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}"), "description": description })
}

/// What stands under a key; `beside` are the keys of its map, where a key means several things.
fn field(key: &str, beside: &[&str]) -> Value {
    let text = |description: &str| json!({ "type": "string", "minLength": 1, "description": description });
    let flag = |description: &str| json!({ "type": "boolean", "description": description });
    let id =
        |description: &str| json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$", "description": description });
    let is_value = beside.contains(&"calculate");
    match key {
        "mapping" => id("Its name; it becomes part of every message id."),
        "title" => text("For people."),
        "format" if beside.contains(&"mapping") => {
            map(FORMAT_KEYS, &[], "How the file is written; found out by looking at it where nothing is said.")
        }
        "format" => text("iso, unix_seconds, unix_milliseconds, or a pattern such as %d/%m/%Y %H:%M."),
        "encoding" => word_of(&["utf-8", "windows-1252"], "How letters are written; utf-8 where nothing is said."),
        "empty" => one_or_more(&json!({ "type": "string" }), "Words that count as empty, such as NULL or n/a."),
        "customer" => part("id", "Whose row it is."),
        "anonymous" => part("id", "Which visitor's row it is."),
        "time" => either_column(&map(TIME_KEYS, &[], "When it happened: a column, or one instant for all rows.")),
        "group_by" => part("columns", "Lines with the same values here are one order."),
        "sorted" => flag("Lines of one order stand together in the file."),
        "refuse" => one_or_more(
            &map(&["when", "reason"], &["when", "reason"], "Rows that are refused."),
            "Rows that are refused, and why.",
        ),
        "events" => one_or_more(
            &map(EVENT_KEYS, &["event"], "An event that a row or an order becomes."),
            "Events that rows or orders become.",
        ),
        "identify" => one_or_more(
            &map(&["when", "traits"], &["traits"], "What a row says of its customer."),
            "What rows say of their customers.",
        ),
        "records" => one_or_more(
            &map(RECORD_KEYS, &["record", "record_id"], "A thing that the customer has."),
            "Things that customers have.",
        ),
        "consent" if beside.contains(&"mapping") => one_or_more(
            &map(CONSENT_KEYS, &["purpose", "status", "source", "text_version"], "A consent."),
            "Who agreed to what, where and to which wording.",
        ),
        "consent" => word_of(&["refuse", "with_source"], "What becomes of consent in the calls."),
        "pass_through" => map(&["consent"], &[], "The lines already are calls."),
        "kind" => word_of(&["csv", "jsonl", "parquet"], "What kind of file it is."),
        "delimiter" => text("One character, or tab, or whitespace."),
        "header" => flag("The first line names the columns."),
        "columns" => part("columns", "Names of the columns, in order, where the file does not say them."),
        "quote" => flag("Cells may stand in double quotes."),
        "decimal_mark" => word_of(&[".", ","], "Between whole and parts of numbers."),
        "value" if is_value => json!({ "type": ["string", "number", "boolean"], "description": "The same for all." }),
        "value" => text("One instant for all rows."),
        "zone" => text("An IANA zone such as Europe/Berlin; UTC where nothing is said."),
        "column" => part("column", "The column."),
        "as" => {
            word_of(&["text", "decimal", "integer", "money", "boolean", "instant", "date"], "What the cell is read as.")
        }
        "calculate" => text("A calculation over the columns of a line, such as Quantity * UnitPrice."),
        "sum" => text("The sum of a calculation over the lines of an order."),
        "count" => word_of(&["lines"], "How many lines the order has."),
        "object" => part("values", "A map of values."),
        "event" => part("text", "Its name, or the column that holds it."),
        "rule" => id("What stands for the rule in message ids, where two rules make the same event."),
        "when" => part("when", "For which rows; all where nothing is said."),
        "id" => part("columns", "Columns that tell one event from another."),
        "properties" | "products" | "traits" | "attributes" => {
            part("values", "Names, and the columns or values they get.")
        }
        "record" => text("The kind, such as pass."),
        "record_id" => part("columns", "Columns that tell one of them from another."),
        "deleted_when" => part("when", "Rows by which it ends."),
        "left_when" => part("when", "Rows by which this customer no longer has it."),
        "purpose" => text("For which purpose."),
        "channel" => text("On which channel; all where nothing is said."),
        "status" => json!({
            "type": "object", "description": "The column, and the words that mean yes and no.", "required": ["column"],
            "properties": { "column": part("column", "The column."), "granted": part("columns", "Words that mean yes."), "withdrawn": part("columns", "Words that mean no.") },
            "additionalProperties": false, "anyOf": [{ "required": ["granted"] }, { "required": ["withdrawn"] }],
        }),
        "basis" => word_of(&["express", "implied"], "How they agreed; express where nothing is said."),
        "source" => part("text", "Where the consent was given, or the column that says it."),
        "text_version" => part("text", "Which wording they agreed to, or the column that says it."),
        "expires" => part("value", "When it runs out."),
        "reason" => text("Why, in a few words."),
        "clean" => one_or_more(
            &word_of(&["whole_number", "trim", "lowercase"], "How the id is cleaned."),
            "How the id is cleaned.",
        ),
        // A key without a meaning must show: the test of the keys finds it.
        _ => json!(false),
    }
}

fn tests() -> Value {
    let operators: Map<String, Value> = OPERATORS
        .iter()
        .map(|word| ((*word).to_owned(), json!({ "description": "An operator, as in segments." })))
        .collect();
    let test = json!({ "type": "object", "properties": operators, "additionalProperties": false });
    let list = json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/when" } });
    let group = json!({ "if": { "type": "array" }, "then": list, "else": test });
    json!({
        "type": "object", "description": "Tests on cells by column, all of which hold; or all, any, none of such.",
        "properties": { "all": group, "any": group, "none": group }, "additionalProperties": test,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mapping;
    use serde_json::json;

    #[test]
    fn every_key_of_the_reader_is_described_and_shipped_mappings_fit() {
        for (keys, name) in [
            (TOP_KEYS, "top"),
            (FORMAT_KEYS, "format"),
            (TIME_KEYS, "time"),
            (EVENT_KEYS, "event"),
            (VALUE_KEYS, "value"),
            (CONSENT_KEYS, "consent"),
            (RECORD_KEYS, "record"),
        ] {
            for key in keys {
                assert!(field(key, keys).is_object(), "{name}: {key}");
            }
        }
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let read = |yaml: &str| serde_saphyr::from_str::<Value>(yaml).unwrap();
        for name in ["online-retail", "cdnow", "grocery", "segment-calls"] {
            let value = read(Mapping::shipped(name).unwrap().yaml());
            let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{name}: {errors:?}");
        }
        let whole = "mapping: all\ntitle: All\nformat: { kind: csv, delimiter: tab, header: false, columns: [a, b], quote: true, decimal_mark: \",\" }\nencoding: windows-1252\nempty: \"NULL\"\ncustomer: { column: a, clean: [trim, lowercase] }\nanonymous: b\ntime: { column: b, format: unix_seconds, zone: UTC }\nrefuse: { when: { a: { is: x } }, reason: test rows }\nidentify: { when: { any: [ { a: { exists: true } } ] }, traits: { email: a } }\nrecords: { record: pass, record_id: a, attributes: { b: { column: b, as: money } }, deleted_when: { b: { is: gone } } }\nconsent: { purpose: news, status: { column: b, granted: [\"yes\"], withdrawn: \"no\" }, source: shop, text_version: { column: b }, basis: implied, expires: b }\nevents: { event: { column: a }, rule: r, id: [a], properties: { x: { calculate: a * 2 }, y: { value: 3 }, z: { object: { w: a } } } }\n";
        Mapping::parse(whole, "whole").unwrap();
        assert!(
            validator.is_valid(&read(whole)),
            "{:?}",
            validator.iter_errors(&read(whole)).map(|error| error.to_string()).collect::<Vec<_>>()
        );
        // What the reader refuses for its shape, the schema refuses.
        let good = read(whole);
        for (place, wrong) in [
            ("/colour", json!("blue")),
            ("/events/colour", json!(1)),
            ("/format/kind", json!("xlsx")),
            ("/mapping", json!("a b")),
            ("/sorted", json!("yes")),
            ("/customer/clean", json!("upper")),
            ("/events/properties/y", json!({ "values": 3 })),
            ("/refuse/when/a", json!({ "within": "3d" })),
            ("/consent/status", json!({ "column": "b" })),
            ("/title", json!(3)),
            ("/empty", json!([])),
            ("/events/properties", json!({})),
        ] {
            let (parent, key) = place.rsplit_once('/').unwrap();
            let mut bad = good.clone();
            bad.pointer_mut(parent).unwrap()[key] = wrong;
            assert!(Mapping::parse(&bad.to_string(), "bad").is_err(), "{place}");
            assert!(!validator.is_valid(&bad), "{place}");
        }
    }
}
