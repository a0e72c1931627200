//! Scenarios: tests in the words of the business. The runner that reads them stands above this crate; its words are ours.

use super::{Part, described, exactly_one, map, or_nothing, reference, text, word_of};
use crate::DefinitionKind;
use crate::message::{Because, Channel, Outcome};
use serde_json::{Map, Value, json};

/// How a pretended channel may behave.
const ANSWERS: [&str; 4] = ["accept", "4xx", "5xx", "no_reply"];

pub(super) fn parts() -> Vec<Part> {
    vec![
        ("scenario-definition", scenario()),
        ("scenario-step", step()),
        ("scenario-expect", expect()),
        (
            "scenario-define",
            json!({
                "type": "array", "description": "Definitions, and folders or files of such: { from: ../segments }.",
                "items": { "if": { "type": "object", "required": ["from"] }, "then": map("Definitions from elsewhere.", &["from"], [("from", text("A file or folder, from this file's place."))]), "else": reference("any-definition") },
            }),
        ),
        (
            "exact-instant",
            json!({ "type": "string", "description": "RFC 3339 with its offset, such as 2026-03-02T12:00:00Z.", "pattern": "^\\s*[0-9]{4}-.{12,}$" }),
        ),
    ]
}

fn scenario() -> Value {
    map(
        "A test for segments and campaigns, on a clock that is turned by hand.",
        &["scenario", "clock", "steps"],
        [
            ("scenario", json!({ "type": "string", "minLength": 1, "description": "What it shows, in a sentence." })),
            ("clock", described("exact-instant", "Where the clock starts; no step may be before it.")),
            ("zone", or_nothing(&text("The workspace's zone; UTC where nothing is said."))),
            ("define", or_nothing(&reference("scenario-define"))),
            (
                "steps",
                json!({ "type": "array", "items": reference("scenario-step"), "description": "What happens, in order." }),
            ),
        ],
    )
}

fn step() -> Value {
    let pair = |description: &str| json!({ "type": ["array", "null"], "minItems": 2, "maxItems": 2, "items": { "type": "string" }, "description": description });
    let answer = || word_of("How the channel answers.", ANSWERS);
    let outbox: Map<String, Value> = Channel::ALL
        .iter()
        .map(|channel| {
            let by_address = json!({ "type": "object", "additionalProperties": answer() });
            (channel.word().to_owned(), json!({ "if": { "type": "object" }, "then": by_address, "else": answer() }))
        })
        .collect();
    let gone: Map<String, Value> =
        DefinitionKind::ALL.iter().map(|kind| (kind.word().to_owned(), reference("name"))).collect();
    map(
        "One step: the clock moves, then what stands here happens.",
        &["at"],
        [
            (
                "at",
                json!({ "type": "string", "description": "An instant, or +30d after the step before; +0s is allowed.", "pattern": "^(\\+[0-9]+[smhdw]|\\s*[0-9]{4}-.{12,})$", "examples": ["+30d", "+0s"] }),
            ),
            (
                "restart",
                json!({ "type": ["boolean", "null"], "description": "Stop and start from disk; all goes on as if nothing had happened." }),
            ),
            ("define", or_nothing(&described("scenario-define", "New or changed definitions take effect here."))),
            (
                "delete",
                json!({ "type": ["object", "null"], "properties": gone, "additionalProperties": false, "description": "Definitions that are deleted, such as { segment: lapsed }." }),
            ),
            ("merge", pair("Two people become one, by hand.")),
            ("unmerge", pair("Two people are two again.")),
            ("erase", or_nothing(&text("Somebody is erased, with all that is known of them."))),
            (
                "codes",
                json!({ "type": ["object", "null"], "additionalProperties": { "type": "array", "items": { "type": "string", "minLength": 1, "maxLength": 100 } }, "description": "Codes that are imported into pools of vouchers, such as { spring: [SPRING-1, SPRING-2] }." }),
            ),
            (
                "outbox",
                json!({ "type": ["object", "null"], "properties": outbox, "additionalProperties": false, "description": "How pretended channels behave from here on." }),
            ),
            (
                "send",
                json!({ "type": ["array", "null"], "items": call(), "description": "Calls, as senders send them." }),
            ),
            ("expect", or_nothing(&reference("scenario-expect"))),
        ],
    )
}

/// A Segment call, or a record. What ingest would refuse it refuses here too; that is its matter.
fn call() -> Value {
    json!({
        "type": "object", "required": ["type"],
        "properties": { "type": { "enum": ["identify", "track", "page", "screen", "group", "alias", "record"] } },
    })
}

fn expect() -> Value {
    let by = |keys: &Value, value: Value, description: &str| json!({ "type": ["object", "null"], "propertyNames": keys, "additionalProperties": value, "description": description });
    let of_people = |value: Value| json!({ "type": "object", "additionalProperties": value });
    let each = |item: Value, description: &str| json!({ "type": ["array", "null"], "items": item, "description": description });
    let name = reference("name");
    let flag = || json!({ "type": "boolean" });
    let number = || json!({ "type": "integer", "minimum": 0 });
    let words = || json!({ "type": "string" });
    let field = |description: &str| or_nothing(&text(description));
    let message = map(
        "A message, and what became of it.",
        &[],
        [
            ("to", field("To whom.")),
            ("campaign", or_nothing(&reference("name"))),
            ("step", field("At which step.")),
            ("template", field("From which template.")),
            ("variant", field("Which variant.")),
            ("channel", or_nothing(&reference("channel"))),
            ("outcome", or_nothing(&word_of("What became of it.", Outcome::ALL.iter().map(|word| word.word())))),
            ("because", or_nothing(&word_of("Why.", Because::ALL.iter().map(|word| word.word())))),
            ("contains", field("Text that is in it.")),
            ("lacks", field("Text that is not in it.")),
            ("at", or_nothing(&described("exact-instant", "When."))),
        ],
    );
    let task = map(
        "A task.",
        &[],
        [
            ("about", field("About whom.")),
            ("title", field("Its title.")),
            ("campaign", field("Of which campaign.")),
            ("step", field("At which step.")),
            ("owner", field("Whose.")),
            ("for", field("Whose, in the campaign's word.")),
            ("due", or_nothing(&described("exact-instant", "Until when."))),
            ("draft", field("The template that helps to begin.")),
        ],
    );
    let webhook = map(
        "A webhook.",
        &[],
        [
            ("about", field("About whom.")),
            ("event", field("Its event.")),
            ("campaign", field("Of which campaign.")),
            ("step", field("At which step.")),
            ("url_of", field("Which system.")),
        ],
    );
    let until = json!({ "anyOf": [reference("exact-instant"), { "type": "null" }] });
    map(
        "What must hold now.",
        &[],
        [
            ("members", by(&name, of_people(flag()), "Who belongs: { lapsed: { u1: true } }.")),
            ("count", by(&name, number(), "How many belong.")),
            ("messages", each(message, "Outcomes reached since the step before.")),
            ("only", json!({ "type": ["boolean", "null"], "description": "… and no other messages." })),
            ("not_sent", each(words(), "Neither sent nor uncertain, whatever was decided.")),
            ("no_messages_to", each(words(), "No outcome of any kind.")),
            ("inside", by(&name, of_people(flag()), "Who is inside a campaign.")),
            (
                "traits",
                json!({ "type": ["object", "null"], "additionalProperties": { "type": "object" }, "description": "Traits of people." }),
            ),
            ("tasks", each(task, "Tasks for people.")),
            ("webhooks", each(webhook, "Webhooks that went out.")),
            (
                "vouchers",
                json!({ "type": ["object", "null"], "additionalProperties": number(), "description": "Vouchers of people." }),
            ),
            (
                "points",
                json!({ "type": ["object", "null"], "additionalProperties": number(), "description": "Points of people." }),
            ),
            (
                "entered",
                by(&name, json!({ "type": "array", "items": words() }), "Who entered a segment since the step before."),
            ),
            (
                "left",
                by(&name, json!({ "type": "array", "items": words() }), "Who left a segment since the step before."),
            ),
            ("until", by(&name, of_people(until), "When the verdict changes by time alone; null: never.")),
            (
                "as_of",
                json!({ "type": ["object", "null"], "additionalProperties": { "type": "object", "propertyNames": name, "additionalProperties": of_people(flag()) }, "description": "Who belonged at an earlier instant." }),
            ),
        ],
    )
}

/// A file of scenarios: one, or definitions that others take `from` here.
pub(super) fn file() -> Value {
    json!({
        "type": "object", "anyOf": exactly_one(["scenario", "workspace", "purpose", "segment", "template", "campaign"]),
        "if": { "required": ["scenario"] }, "then": reference("scenario-definition"), "else": reference("any-definition"),
    })
}
