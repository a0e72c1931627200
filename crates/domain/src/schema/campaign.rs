//! Campaigns.

use super::{Part, described, exactly_one, map, or_nothing, reference, text, word_of};
use crate::campaign::{POINTS_LIMIT, STEP_LIMIT, State, VARIANT_LIMIT, WAY_LIMIT};
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
            (
                "exclusion_group",
                or_nothing(&described("name", "Of the campaigns of a group each customer gets one at most.")),
            ),
            ("cap", or_nothing(&described("cap", "The campaign's own cap."))),
            (
                "expires_after",
                or_nothing(&described("duration", "How long a message may be held; 3d where nothing is said.")),
            ),
            (
                "deadline",
                or_nothing(&described("duration", "How long after its decision a service message is of use.")),
            ),
            (
                "people_inside",
                or_nothing(&word_of(
                    "What a change means for those inside: they finish with their version (where nothing is said), or move to the new one.",
                    ["finish", "move"],
                )),
            ),
            (
                "steps",
                json!({ "type": "array", "minItems": 1, "maxItems": STEP_LIMIT, "items": reference("step"), "description": "What happens inside, in order." }),
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
        ("date", map("A date of a trait.", &["date"], [("date", on_date())])),
        ("record", map("A date of a record.", &["record"], [("record", on_record())])),
        ("missing", map("Something that did not happen in time.", &["missing"], [("missing", on_missing())])),
        (
            "every",
            map(
                "Everybody who satisfies `only_if`, at local times that come again.",
                &["every"],
                [
                    (
                        "every",
                        json!({ "type": "string", "maxLength": 500, "description": "Five-field cron such as \"0 9 * * MON\", or an RRULE such as \"FREQ=WEEKLY;BYDAY=MO;BYHOUR=9\"." }),
                    ),
                    (
                        "zone",
                        or_nothing(&word_of(
                            "In each customer's zone, or in the workspace's (where nothing is said).",
                            ["customer", "workspace"],
                        )),
                    ),
                ],
            ),
        ),
    ];
    one_of("What lets in.", cases)
}

fn on_date() -> Value {
    let mut schema = map(
        "A local time some whole days before or after the date.",
        &["trait"],
        [
            ("trait", text("The trait that holds the date: 1990-06-15, 06-15, or an instant.")),
            ("before", or_nothing(&described("duration", "Whole local days before it, such as 3d."))),
            ("after", or_nothing(&described("duration", "Whole local days after it."))),
            ("at", or_nothing(&time_of_day("The local time; 09:00 where nothing is said."))),
            (
                "yearly",
                json!({ "type": ["boolean", "null"], "description": "Whether a past date, or one without a year, comes again every year; true where nothing is said." }),
            ),
        ],
    );
    schema["not"] = both("before", "after");
    schema
}

fn on_record() -> Value {
    let mut schema = map(
        "An instant before or after the date, for each record.",
        &["kind", "date"],
        [
            ("kind", kind()),
            ("date", text("The attribute that holds the date.")),
            ("before", or_nothing(&described("duration", "So long before it."))),
            ("after", or_nothing(&described("duration", "So long after it."))),
            ("unless", or_nothing(&described("record-tests", "Not for records that satisfy these."))),
        ],
    );
    schema["not"] = both("before", "after");
    schema
}

fn on_missing() -> Value {
    let mut schema = map(
        "The date plus `after`, if the record does not satisfy `unless`, or the event did not happen.",
        &["record", "date"],
        [
            ("record", kind()),
            ("date", text("The attribute that holds the date.")),
            ("after", or_nothing(&described("duration", "So long after it."))),
            ("unless", or_nothing(&described("record-tests", "Not for records that satisfy these."))),
            ("did", or_nothing(&described("event", "The event that must be missing."))),
            (
                "where",
                or_nothing(&described(
                    "tests",
                    "What the event satisfies; `is: record.id` and `is: record.…` mean values of the record.",
                )),
            ),
        ],
    );
    let said = |key: &str| json!({ "required": [key], "properties": { key: { "not": { "type": "null" } } } });
    schema["anyOf"] = json!([said("unless"), said("did")]);
    // Tests of an event need the event.
    schema["if"] = said("where");
    schema["then"] = said("did");
    schema
}

fn both(one: &str, other: &str) -> Value {
    let said = |key: &str| json!({ "required": [key], "properties": { key: { "type": "string" } } });
    json!({ "allOf": [said(one), said(other)] })
}

fn kind() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 200, "description": "A kind of record, such as pass." })
}

fn time_of_day(description: &str) -> Value {
    json!({ "type": "string", "description": description, "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "examples": ["09:00"] })
}

fn id() -> Value {
    or_nothing(
        &json!({ "type": "string", "pattern": "^[!-~]{1,100}$", "description": "The step's id; its place, from 1, where nothing is said." }),
    )
}

fn variants() -> Value {
    let weight = json!({ "type": "integer", "minimum": 0, "maximum": 1_000_000 });
    let named = json!({ "type": "array", "minItems": 1, "maxItems": VARIANT_LIMIT, "uniqueItems": true, "items": { "type": "string" } });
    let weighed =
        json!({ "type": "object", "minProperties": 1, "maxProperties": VARIANT_LIMIT, "additionalProperties": weight });
    json!({ "anyOf": [weighed, named, { "type": "null" }], "description": "Variants with their weights, such as { plain: 1, warm: 1 }, or by name alone, which gives all the same weight: [plain, warm]." })
}

fn step() -> Value {
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
                    ("variants", variants()),
                    (
                        "allocate",
                        or_nothing(&word_of(
                            "How customers are shared among the variants: by their weights, or, with bandit, by the weights at first and then more and more to what reaches the goal. A bandit takes two to five variants with a weight above 0, and the campaign needs a goal.",
                            ["weights", "bandit"],
                        )),
                    ),
                    ("approve", json!({ "type": ["boolean", "null"], "description": "A person approves each one." })),
                ],
            ),
        ),
        ("wait", map("Nothing happens for a while.", &["wait"], [("wait", wait()), ("id", id())])),
        (
            "branch",
            map(
                "The first way whose condition holds.",
                &["branch"],
                [
                    (
                        "branch",
                        json!({ "type": "array", "minItems": 1, "maxItems": WAY_LIMIT, "items": way(), "description": "Ways, asked in order." }),
                    ),
                    ("id", id()),
                ],
            ),
        ),
        ("reward", map("The customer is given something.", &["reward"], [("reward", reward()), ("id", id())])),
        (
            "task",
            map(
                "Something for a person to do.",
                &["task"],
                [
                    (
                        "task",
                        map(
                            "What, whose and until when.",
                            &["title"],
                            [
                                (
                                    "title",
                                    json!({ "type": "string", "pattern": "\\S", "maxLength": 1_000, "description": "Liquid, such as Call {{ customer.first_name }}." }),
                                ),
                                (
                                    "for",
                                    or_nothing(
                                        &json!({ "type": "string", "minLength": 1, "maxLength": 200, "description": "Whose it is, such as care." }),
                                    ),
                                ),
                                (
                                    "due",
                                    or_nothing(&described(
                                        "duration",
                                        "Until when it is to be done, from its beginning.",
                                    )),
                                ),
                                ("draft", or_nothing(&described("name", "A template that helps the person to begin."))),
                            ],
                        ),
                    ),
                    ("id", id()),
                ],
            ),
        ),
        (
            "set",
            map(
                "A trait gets a value.",
                &["set"],
                [
                    (
                        "set",
                        map(
                            "Which trait, and the value.",
                            &["trait", "to"],
                            [
                                (
                                    "trait",
                                    json!({ "type": "string", "minLength": 1, "maxLength": 200, "description": "A top-level trait." }),
                                ),
                                ("to", json!({ "description": "The value; null removes the trait." })),
                            ],
                        ),
                    ),
                    ("id", id()),
                ],
            ),
        ),
        (
            "webhook",
            map(
                "Another system is told.",
                &["webhook"],
                [
                    (
                        "webhook",
                        map(
                            "Which system, and what happened.",
                            &["url_of", "event"],
                            [
                                ("url_of", described("name", "The name under which its address is configured.")),
                                (
                                    "event",
                                    json!({ "type": "string", "pattern": "^[!-~]{1,200}$", "description": "The event's name, such as promo.granted." }),
                                ),
                            ],
                        ),
                    ),
                    ("id", id()),
                ],
            ),
        ),
    ];
    one_of("What happens.", cases)
}

fn wait() -> Value {
    let cases = [
        (
            "until",
            map(
                "Until a condition holds.",
                &["until"],
                [
                    ("until", described("condition", "`did` means an event later than the start of the wait.")),
                    ("at_most", or_nothing(&described("duration", "No longer than this."))),
                ],
            ),
        ),
        (
            "local",
            map(
                "Until a local time of the week.",
                &["local"],
                [(
                    "local",
                    json!({ "type": "string", "maxLength": 100, "description": "Days and a time, or a window.", "examples": ["Tue-Thu 10:00", "Sat 09:30-12:00", "10:00"] }),
                )],
            ),
        ),
        (
            "best_time",
            map(
                "Until the hour within this time at which the customer is most often there.",
                &["best_time"],
                [("best_time", reference("duration"))],
            ),
        ),
    ];
    let mut schema = json!({ "description": "So long, or until something." });
    schema["if"] = json!({ "type": "object" });
    schema["then"] = one_of("Until something.", cases);
    schema["else"] = reference("duration");
    schema
}

fn way() -> Value {
    let steps = |description: &str| json!({ "type": "array", "maxItems": STEP_LIMIT, "items": reference("step"), "description": description });
    json!({
        "if": { "required": ["else"] },
        "then": map("Whatever else holds.", &["else"], [("else", steps("What happens then."))]),
        "else": map(
            "Taken if its condition holds.",
            &["if", "then"],
            [("if", described("condition", "Asked at once.")), ("then", steps("What happens then."))],
        ),
    })
}

fn reward() -> Value {
    let cases = [
        (
            "points",
            map(
                "Points, in the customer's ledger.",
                &["points"],
                [(
                    "points",
                    json!({ "type": "integer", "minimum": 1, "maximum": POINTS_LIMIT, "description": "How many." }),
                )],
            ),
        ),
        (
            "voucher",
            map(
                "A voucher.",
                &["voucher"],
                [
                    ("voucher", described("name", "From which pool.")),
                    ("expires", or_nothing(&described("duration", "For how long it is good."))),
                ],
            ),
        ),
    ];
    one_of("What the customer is given.", cases)
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
