//! Values, durations, instants, and tests on values.

use super::{Part, exactly_one, has_any, or_nothing, reference, text};
use crate::shape::LIST_LIMIT;
use crate::value::{OPERATORS, TEXTUAL};
use serde_json::{Map, Value, json};

/// How many elements or records must pass.
pub(super) const QUANTIFIERS: [(&str, &str); 3] = [
    ("any", "At least one satisfies all tests, one and the same."),
    ("every", "Every one does, and there is at least one."),
    ("no_one", "None does; true where there are none."),
];

/// Exactly what JSON calls a number, as text.
const NUMBER: &str = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$";

pub(super) fn parts() -> Vec<Part> {
    vec![
        (
            "name",
            json!({ "type": "string", "description": "Kebab-case: 1 to 100 lower-case letters, digits and `-`.", "pattern": "^[a-z0-9][a-z0-9-]{0,99}$" }),
        ),
        (
            "duration",
            json!({ "type": "string", "description": "One number and one unit: 90s, 15m, 24h, 30d, 2w. A day is 86,400 seconds.", "pattern": "^[0-9]+[smhdw]$", "examples": ["30d", "24h", "2w"] }),
        ),
        (
            "some-time",
            json!({ "type": "string", "description": "A duration of more than nothing: 90s, 15m, 24h, 30d, 2w.", "pattern": "^0*[1-9][0-9]*[smhdw]$", "examples": ["7d", "2h"] }),
        ),
        (
            "instant",
            json!({ "type": "string", "description": "RFC 3339, a local date-time, or a date (the start of that local day).", "pattern": r"^\s*[0-9]{4}-.{5,}$", "examples": ["2026-01-31", "2026-01-31T09:00:00Z"] }),
        ),
        (
            "moving-instant",
            json!({ "type": "string", "description": "An instant, a date, or now, now+3d, now-3d.", "pattern": r"^(\s*[0-9]{4}-.{5,}|now([+-][0-9]+[smhdw])?)$", "examples": ["now", "now-3d", "2026-01-31"] }),
        ),
        ("zone", text("An IANA zone such as Europe/Berlin; absent: the customer's, else the workspace's.")),
        (
            "number",
            json!({ "description": "An exact number; text that is a JSON number is one too.", "anyOf": [{ "type": "number" }, { "type": "string", "pattern": NUMBER, "maxLength": 64 }] }),
        ),
        (
            "scalar",
            json!({ "description": "Text, a number, true or false.", "anyOf": [{ "type": ["number", "boolean"] }, { "type": "string", "minLength": 1 }] }),
        ),
        (
            "share",
            json!({ "description": "A share of people, 0 to 100 with at most two decimals, such as 20%.", "anyOf": [{ "type": "number", "minimum": 0, "maximum": 100 }, { "type": "string", "pattern": "^\\s*[0-9.]+\\s*%*\\s*$" }], "examples": ["20%"] }),
        ),
        (
            "event",
            json!({ "type": "string", "description": "An event's name; `*` at the end makes a prefix.", "minLength": 1, "maxLength": 200, "examples": ["Order Completed", "Email *"] }),
        ),
        ("tests", tests("test", "tests")),
        ("record-tests", tests("record-test", "record-tests")),
        ("test", test(false)),
        ("record-test", test(true)),
    ]
}

/// A block of tests: a map of paths, a list of maps, or `all`, `any`, `none` of such.
fn tests(test: &str, own: &str) -> Value {
    let list = json!({ "type": "array", "minItems": 1, "maxItems": LIST_LIMIT, "items": reference(own) });
    // Under a list they head a group; under a map they are the name of a property.
    let group = |description: &str| json!({ "description": description, "if": { "type": "array" }, "then": list, "else": reference(test) });
    json!({
        "description": "Tests by path, all of which hold; a list of such; or `all`, `any`, `none` of such.",
        "if": { "type": "array" },
        "then": list,
        "else": {
            "type": "object", "minProperties": 1,
            "properties": {
                "all": group("All of these hold."), "any": group("One of these holds."), "none": group("None of these holds."),
            },
            "additionalProperties": reference(test),
        },
    })
}

/// What is tested at a path: one operator, or the elements of a list.
fn test(keeps_past: bool) -> Value {
    let mut schema = value_test(keeps_past, Map::new(), &[]);
    schema["description"] =
        "One operator with its value, such as { is: tea }; or any, every, no_one of a list's elements.".into();
    schema
}

/// A test with other keys beside it, such as `trait`. `keeps_past`: one can ask how long a value has been held.
pub(super) fn value_test(keeps_past: bool, beside: Map<String, Value>, required: &[&str]) -> Value {
    let words: Vec<&str> = OPERATORS.iter().copied().filter(|word| keeps_past || *word != "held_for").collect();
    let quantifiers = QUANTIFIERS.map(|(word, _)| word);
    let mut whole = beside.clone();
    for (word, description) in QUANTIFIERS {
        whole.insert(word.to_owned(), json!({ "$ref": "#/$defs/tests", "description": description }));
    }
    json!({
        "type": "object", "required": required,
        "if": has_any(quantifiers),
        "then": { "properties": whole, "additionalProperties": false, "oneOf": exactly_one(quantifiers) },
        "else": operator_test(&words, beside),
    })
}

/// Exactly one operator, with its zone and case rule.
pub(super) fn operator_test(words: &[&str], beside: Map<String, Value>) -> Value {
    let mut properties = beside;
    for word in words {
        properties.insert((*word).to_owned(), operator(word));
    }
    properties.insert("zone".to_owned(), or_nothing(&text("The zone of this test.")));
    let ignore_case = json!({ "type": ["boolean", "null"], "description": "Compare text without regard to case." });
    properties.insert("ignore_case".to_owned(), ignore_case);
    json!({
        "type": "object", "properties": properties, "additionalProperties": false,
        "oneOf": exactly_one(words.iter().copied()),
        "if": { "properties": { "ignore_case": { "type": "boolean" } }, "required": ["ignore_case"] },
        "then": has_any(TEXTUAL.iter().copied()),
    })
}

/// The value of an operator, and what it says.
fn operator(word: &str) -> Value {
    let of = |part: &str, description: &str| json!({ "$ref": format!("#/$defs/{part}"), "description": description });
    let list_of = |part: &str, description: &str| json!({ "type": "array", "minItems": 1, "maxItems": LIST_LIMIT, "items": reference(part), "description": description });
    let pair = |part: &str, description: &str| json!({ "type": "array", "minItems": 2, "maxItems": 2, "items": reference(part), "description": description });
    let words = |description: &str| json!({ "type": ["string", "number"], "minLength": 1, "description": description });
    let equal =
        |description: &str| json!({ "type": ["string", "number", "boolean", "null"], "description": description });
    match word {
        "is" => equal("Equal."),
        "is_not" => equal("Not equal, or missing."),
        "in" => list_of("scalar", "One of these."),
        "not_in" => list_of("scalar", "None of these, or missing."),
        "exists" => json!({ "type": "boolean", "description": "Present (true) or missing (false)." }),
        "above" => of("number", "A number above this."),
        "at_least" => of("number", "A number of at least this."),
        "below" => of("number", "A number below this."),
        "at_most" => of("number", "A number of at most this."),
        "between" => pair("number", "A number from the first to the second, both included."),
        "contains" => words("Text that contains this."),
        "not_contains" => words("Text that does not contain this, or missing."),
        "starts_with" => words("Text that begins so."),
        "ends_with" => words("Text that ends so."),
        "matches" => text("Text in which this pattern (Rust regex) is found, anywhere."),
        "includes" => of("scalar", "A list that holds this value."),
        "not_includes" => of("scalar", "A list that does not hold this value, or missing."),
        "before" => of("moving-instant", "Strictly before this instant."),
        "after" => of("moving-instant", "Strictly after this instant."),
        "within_past" => of("duration", "An instant in (now - d, now]."),
        "within_next" => of("duration", "An instant in (now, now + d]."),
        "on_day" => {
            json!({ "type": "string", "description": "On this local calendar day.", "pattern": "^(today|yesterday|tomorrow|[+-][0-9]+d)$", "examples": ["today", "+3d"] })
        }
        "anniversary" => json!({
            "description": "Month and day fall on today, or on one of the next days.",
            "if": { "type": "string" },
            "then": { "const": "today" },
            "else": { "type": "object", "required": ["within_next"], "properties": { "within_next": { "type": "string", "pattern": "^[0-9]+[smhdw]$", "examples": ["3d"] } }, "additionalProperties": false },
        }),
        "held_for" => json!({
            "type": "object", "description": "Has been this value in an unbroken run for so long, or not yet so long.",
            "required": ["value"],
            "properties": { "value": reference("scalar"), "at_least": or_nothing(&reference("duration")), "less_than": or_nothing(&reference("duration")) },
            "additionalProperties": false,
            "oneOf": [
                { "required": ["at_least"], "properties": { "at_least": { "type": "string" }, "less_than": { "type": "null" } } },
                { "required": ["less_than"], "properties": { "less_than": { "type": "string" }, "at_least": { "type": "null" } } },
            ],
        }),
        // A word of the list without a schema must show: the test of the words finds it.
        _ => json!(false),
    }
}

#[cfg(test)]
mod tests {
    use super::{OPERATORS, operator};

    #[test]
    fn every_operator_of_the_reader_is_described() {
        for word in OPERATORS {
            assert!(operator(word).get("description").is_some(), "{word}");
        }
    }
}
