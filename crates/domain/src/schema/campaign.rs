//! Campaigns.

use super::{Part, described, exactly_one, map, or_nothing, reference, text, word_of};
use crate::campaign::State;
use crate::message::Channel;
use serde_json::{Value, json};

pub(super) fn parts() -> Vec<Part> {
    vec![
        ("campaign-definition", definition()),
        ("cap", cap()),
        ("channel", word_of("A channel.", Channel::ALL.iter().map(|channel| channel.word()))),
        ("trigger", trigger()),
        ("step", step()),
    ]
}

fn definition() -> Value {
    let mut schema = map(
        "What is done, perpetually, on behaviour.",
        &["campaign", "enter", "steps"],
        [
            ("campaign", described("name", "Unique in the workspace.")),
            ("title", or_nothing(&text("For people."))),
            (
                "state",
                or_nothing(&word_of(
                    "Whether it acts; running where nothing is said.",
                    [State::Running, State::Paused, State::Stopped].map(State::word),
                )),
            ),
            ("purpose", or_nothing(&described("name", "What its messages are for; marketing where nothing is said."))),
            (
                "priority",
                json!({ "type": ["integer", "null"], "minimum": i32::MIN, "maximum": i32::MAX, "description": "Higher goes first; 0 where nothing is said." }),
            ),
            (
                "enter",
                map(
                    "What lets in, and how often.",
                    &["on"],
                    [
                        ("on", reference("trigger")),
                        ("only_if", or_nothing(&described("condition", "Asked once, at the trigger."))),
                        (
                            "again",
                            json!({ "description": "Whether somebody may enter again: never, always, or { after: 90d }.", "anyOf": [
                { "enum": ["never", "always", null] },
                { "type": "object", "required": ["after"], "properties": { "after": reference("duration") }, "additionalProperties": false },
            ] }),
                        ),
                        (
                            "key",
                            or_nothing(&text(
                                "People may be inside once per value of this property, such as properties.order_id.",
                            )),
                        ),
                    ],
                ),
            ),
            (
                "goal",
                or_nothing(&map(
                    "What counts as success.",
                    &["did"],
                    [
                        ("did", reference("event")),
                        (
                            "where",
                            or_nothing(&described("tests", "What the event satisfies; nothing that moves with now.")),
                        ),
                        (
                            "within",
                            or_nothing(&described("duration", "Forward from the entry; 14d where nothing is said.")),
                        ),
                        ("value", or_nothing(&text("The property that holds its worth."))),
                    ],
                )),
            ),
            ("exit_if", or_nothing(&described("condition", "Leaves at once when this holds."))),
            ("holdout", or_nothing(&described("share", "Share of the comparison group, which gets nothing."))),
            ("cap", or_nothing(&described("cap", "The campaign's own cap."))),
            (
                "expires_after",
                or_nothing(&described("duration", "How long a message may be held; 3d where nothing is said.")),
            ),
            ("people_inside", or_nothing(&word_of("What a change means for those inside.", ["finish"]))),
            (
                "steps",
                json!({ "type": "array", "minItems": 1, "maxItems": 100, "items": reference("step"), "description": "What happens inside, in order." }),
            ),
        ],
    );
    // A key is a property of the event that lets in.
    let has_key = json!({ "properties": { "enter": { "required": ["key"], "properties": { "key": { "type": "string" } } } }, "required": ["enter"] });
    let by_event = json!({ "properties": { "enter": { "properties": { "on": { "required": ["did"] } } } } });
    schema["if"] = has_key;
    schema["then"] = by_event;
    schema
}

fn trigger() -> Value {
    let cases = [
        (
            "enters",
            map(
                "Entering a segment; at the campaign's start its present members.",
                &["enters"],
                [("enters", reference("name"))],
            ),
        ),
        ("leaves", map("Leaving a segment.", &["leaves"], [("leaves", reference("name"))])),
        (
            "did",
            map(
                "An event.",
                &["did"],
                [
                    ("did", reference("event")),
                    ("where", or_nothing(&described("tests", "What the event satisfies."))),
                    ("late", or_nothing(&described("duration", "How late it may arrive; 24h where nothing is said."))),
                ],
            ),
        ),
    ];
    one_of("What lets in.", cases)
}

fn step() -> Value {
    let id = || {
        or_nothing(
            &json!({ "type": "string", "pattern": "^[!-~]{1,100}$", "description": "The step's id; its place, from 1, where nothing is said." }),
        )
    };
    let cases = [
        (
            "message",
            map(
                "A message is decided about.",
                &["message"],
                [
                    ("message", described("name", "From which template.")),
                    ("id", id()),
                    ("channel", or_nothing(&reference("channel"))),
                    (
                        "variants",
                        json!({ "type": ["object", "null"], "minProperties": 1, "maxProperties": 20, "additionalProperties": { "type": "integer", "minimum": 0, "maximum": 1_000_000 }, "description": "Variants with their weights, such as { plain: 1, warm: 1 }." }),
                    ),
                    ("approve", json!({ "type": ["boolean", "null"], "description": "A person approves each one." })),
                ],
            ),
        ),
        ("wait", map("Nothing happens for so long.", &["wait"], [("wait", reference("duration")), ("id", id())])),
    ];
    one_of("What happens.", cases)
}

/// A map that is one of several, told apart by its head.
fn one_of<const N: usize>(description: &str, cases: [(&str, Value); N]) -> Value {
    let heads: Vec<&str> = cases.iter().map(|(head, _)| *head).collect();
    let cases: Vec<Value> =
        cases.into_iter().map(|(head, schema)| json!({ "if": { "required": [head] }, "then": schema })).collect();
    json!({ "type": "object", "description": description, "oneOf": exactly_one(heads), "allOf": cases })
}

fn cap() -> Value {
    let mut schema = map(
        "At most so many messages in a window.",
        &["at_most"],
        [
            ("at_most", json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX, "description": "So many." })),
            ("per", or_nothing(&described("some-time", "A rolling window."))),
            (
                "per_days",
                json!({ "type": ["integer", "null"], "minimum": 1, "maximum": 3_660, "description": "So many local days, today included." }),
            ),
            (
                "purpose",
                or_nothing(&described("name", "Only messages of this purpose; marketing where nothing is said.")),
            ),
            ("channel", or_nothing(&described("channel", "Only on this channel; all where nothing is said."))),
        ],
    );
    schema["oneOf"] = json!([
        { "required": ["per"], "properties": { "per": { "type": "string" }, "per_days": { "type": "null" } } },
        { "required": ["per_days"], "properties": { "per_days": { "type": "integer" }, "per": { "type": "null" } } },
    ]);
    schema
}
