//! Shapes of what a campaign would have done and would do, and of what it asks people to do.

use super::shape;
use super::shapes::{Shape, count, flag, instant, list, maybe_instant, maybe_text, object, text};
use serde_json::{Value, json};

/// Their names and what they are.
pub(super) fn shapes() -> Vec<Shape> {
    vec![
        (
            "Simulate",
            json!({
                "type": "object", "required": ["from"], "additionalProperties": false,
                "properties": {
                    "campaign": { "type": "string", "description": "Its name; may be left away where `definitions` hold one campaign." },
                    "definitions": { "type": "string", "description": "Definitions, as YAML or JSON, that are tried in the place of those in force." },
                    "from": { "type": "string", "description": "When it would have started: an instant, or so long ago, as -90d." },
                    "to": { "type": "string", "description": "Until when it is followed; now, where nothing is said." },
                },
            }),
        ),
        (
            "DryRun",
            object(
                "What a campaign would have done. Nothing was sent and nothing is changed.",
                [
                    ("campaign", shape("Name")),
                    ("from", instant()),
                    ("to", instant()),
                    ("calls", count()),
                    ("customers", count()),
                    ("entries", count()),
                    ("at_start", count()),
                    ("people", count()),
                    ("inside", count()),
                    ("tasks", count()),
                    ("vouchers", count()),
                    ("without_voucher", count()),
                    ("points", count()),
                    ("webhooks", count()),
                    ("outcomes", outcomes()),
                    ("holds", holds()),
                    (
                        "months",
                        list(object(
                            "A month, in the workspace's zone.",
                            [("month", text()), ("entries", count()), ("sent", count()), ("would_have_sent", count())],
                            [],
                        )),
                    ),
                    (
                        "per_person",
                        list(object("So many people get so many.", [("messages", count()), ("people", count())], [])),
                    ),
                    ("most", list(object("Who hears most often.", [("customer", text()), ("messages", count())], []))),
                    ("anyway", anyway()),
                    ("was_running", flag()),
                    (
                        "messages",
                        list(object(
                            "A message by its last outcome.",
                            [
                                ("at", instant()),
                                ("customer", text()),
                                ("step", text()),
                                ("variant", maybe_text()),
                                ("outcome", text()),
                                ("because", maybe_text()),
                                ("detail", maybe_text()),
                                ("subject", maybe_text()),
                            ],
                            [],
                        )),
                    ),
                    ("messages_in_all", count()),
                    ("letters", letters()),
                ],
                [],
            ),
        ),
        (
            "Task",
            object(
                "What a campaign asked somebody to do.",
                [
                    ("task", text()),
                    ("customer", text()),
                    ("id", text()),
                    ("campaign", shape("Name")),
                    ("step", text()),
                    ("title", text()),
                    ("for", maybe_text()),
                    ("due", maybe_instant()),
                    ("opened_at", instant()),
                    ("completed_at", maybe_instant()),
                    ("draft", json!({ "type": ["object", "null"], "description": "A text to begin with." })),
                ],
                [("full_name", text()), ("email", text())],
            ),
        ),
        (
            "InAppMessage",
            object(
                "A message to show.",
                [
                    ("id", text()),
                    ("title", text()),
                    ("text", text()),
                    (
                        "html",
                        json!({ "type": ["string", "null"], "description": "As the template's author wrote it, with the customer's values escaped." }),
                    ),
                    ("campaign", shape("Name")),
                    ("sent_at", instant()),
                    ("until", instant()),
                    ("shown", flag()),
                    ("clicked", flag()),
                ],
                [],
            ),
        ),
        (
            "Pool",
            object(
                "A pool of vouchers.",
                [
                    ("pool", shape("Name")),
                    ("is_imported", flag()),
                    ("left", count()),
                    ("given", count()),
                    ("given_in_week", count()),
                    ("added_at", maybe_instant()),
                    ("is_used", flag()),
                    ("is_low", flag()),
                ],
                [],
            ),
        ),
        (
            "CodesImported",
            object(
                "What became of codes that were imported.",
                [
                    ("pool", shape("Name")),
                    ("added", count()),
                    ("duplicates", count()),
                    ("left", count()),
                    ("made_up_for", count()),
                    ("refused", count()),
                    (
                        "refused_codes",
                        list(object(
                            "A code that cannot be one, by its place from 1; a hundred at most.",
                            [("place", count()), ("reason", text())],
                            [],
                        )),
                    ),
                ],
                [],
            ),
        ),
        (
            "Preflight",
            object(
                "What is known of a campaign before it starts.",
                [
                    ("campaign", shape("Name")),
                    (
                        "now",
                        object(
                            "If it started now and nobody did anything for a month.",
                            [
                                ("enter", count()),
                                ("outcomes", outcomes()),
                                ("holds", holds()),
                                ("without_voucher", count()),
                            ],
                            [],
                        ),
                    ),
                    (
                        "month",
                        object(
                            "What thirty days bring, by the past.",
                            [
                                ("days", count()),
                                ("enter", number()),
                                ("sent", number()),
                                ("would_have_sent", number()),
                                ("outcomes", outcomes()),
                            ],
                            [],
                        ),
                    ),
                    (
                        "measure",
                        json!({
                            "type": ["object", "null"],
                            "description": "What the comparison could show; null without a goal.",
                            "required": ["holdout", "anyway", "looks"],
                            "properties": {
                                "holdout": number(),
                                "anyway": anyway(),
                                "looks": list(object(
                                    "What could be seen by then: the smallest rise in percentage points, found four times in five.",
                                    [("days", count()), ("people", number()), ("smallest_rise", json!({ "type": ["number", "null"] }))],
                                    [],
                                )),
                            },
                        }),
                    ),
                    ("letters", letters()),
                ],
                [],
            ),
        ),
    ]
}

fn number() -> Value {
    json!({ "type": "number", "minimum": 0 })
}

fn outcomes() -> Value {
    let fields = [("outcome", text()), ("because", maybe_text()), ("messages", count()), ("people", count())];
    list(object("Messages that end alike.", fields, []))
}

fn holds() -> Value {
    list(object("Messages held for a while.", [("because", text()), ("messages", count())], []))
}

fn anyway() -> Value {
    json!({
        "type": ["object", "null"],
        "description": "What people did within the goal's window although nothing was sent.",
        "required": ["journeys", "complete", "reached"],
        "properties": { "journeys": count(), "complete": count(), "reached": count() },
    })
}

fn letters() -> Value {
    let fields = [
        ("customer", text()),
        ("step", text()),
        ("to", text()),
        ("to_name", maybe_text()),
        ("subject", text()),
        ("text", text()),
        ("html", maybe_text()),
    ];
    list(object("A message as somebody would read it.", fields, []))
}
