//! Groups and conditions.

use super::values::{QUANTIFIERS, operator_test, value_test};
use super::{Part, described, exactly_one, has_any, map, or_nothing, reference, text, word_of};
use crate::segment::{Aggregate, ConsentState, HEADS, PERIOD_LIMIT, SCORES};
use crate::shape::LIST_LIMIT;
use crate::value::OPERATORS;
use serde_json::{Map, Value, json};

/// Bounds of a count.
const BOUNDS: [(&str, &str); 5] = [
    ("at_least", "So many or more; 1 where nothing is said."),
    ("more_than", "More than so many."),
    ("at_most", "So many or fewer."),
    ("fewer_than", "Fewer than so many."),
    ("exactly", "So many, no more and no fewer."),
];
/// Comparisons of an aggregate.
const COMPARISONS: [&str; 4] = ["above", "at_least", "below", "at_most"];

const AGGREGATES: [Aggregate; 5] =
    [Aggregate::Sum, Aggregate::Average, Aggregate::Largest, Aggregate::Smallest, Aggregate::Distinct];

pub(super) fn parts() -> Vec<Part> {
    let mut parts = vec![
        (
            "segment-definition",
            map(
                "Who is meant.",
                &["segment", "where"],
                [
                    (
                        "segment",
                        described("name", "Unique in the workspace, and never used again after it was deleted."),
                    ),
                    ("title", or_nothing(&text("For people."))),
                    ("where", described("condition", "Who belongs: one group or one condition.")),
                ],
            ),
        ),
        (
            "conditions",
            json!({ "type": "array", "minItems": 1, "maxItems": LIST_LIMIT, "items": reference("condition") }),
        ),
        ("condition", condition()),
    ];
    parts.extend(HEADS.iter().map(|head| (part_of(head), of_head(head))));
    parts
}

/// The name of the part for a head.
fn part_of(head: &'static str) -> &'static str {
    // Names of parts share one space; none of the others begins so.
    match head {
        "segment" => "condition-segment",
        other => other,
    }
}

/// Exactly one head; what stands beside it depends on which.
fn condition() -> Value {
    // `any` belongs to the condition where that has an `any` of its own.
    let owns_any = has_any(["record", "trait"]);
    let guard = |head: &str| match head {
        "any" => json!({ "required": ["any"], "not": owns_any }),
        head => json!({ "required": [head] }),
    };
    let heads: Vec<Value> = HEADS.iter().map(|head| guard(head)).collect();
    let cases: Vec<Value> =
        HEADS.iter().map(|head| json!({ "if": guard(head), "then": reference(part_of(head)) })).collect();
    let words: Map<String, Value> =
        HEADS.iter().map(|head| ((*head).to_owned(), json!({ "description": said(head) }))).collect();
    json!({
        "type": "object", "description": "One group or one condition.", "properties": words, "oneOf": heads,
        "allOf": cases,
    })
}

/// What a head means, for people.
fn said(head: &str) -> &'static str {
    match head {
        "all" => "All of these hold.",
        "any" => "One of these holds.",
        "none" => "None of these holds.",
        "not" => "This does not hold.",
        "everyone" => "Everybody: `everyone: true`.",
        "segment" => "Belongs to another segment.",
        "trait" => "A value on the profile, by its path.",
        "did" => "Did this, so often; or a sum, an average … over what they did.",
        "did_not" => "Did not do this, or never did.",
        "last" => "The latest such event satisfies `has`.",
        "first" => "The first such event satisfies `has`.",
        "sequence" => "One event followed by another, or not followed by it, within a time.",
        "first_time" => "Did this for the first time ever, a short while ago.",
        "stopped" => "Did this before, and no more lately.",
        "restarted" => "Does this again after a pause.",
        "regularly" => "Did this in so many of the latest periods.",
        "record" => "What the customer has: passes, subscriptions, shipments.",
        "consent" => "Whether we may write, for a purpose.",
        "list" => "Is on a list.",
        "known_for" => "Has been a customer for so long, or not yet.",
        "score" => "A number that a prediction gave.",
        "bucket" => "A fixed share of customers, drawn by lot.",
        // A word of the list without a meaning must show: the test of the words finds it.
        _ => "",
    }
}

fn of_head(head: &str) -> Value {
    let event = || described("event", said(head));
    let zone = || or_nothing(&reference("zone"));
    let filter = || or_nothing(&described("tests", "What one and the same event satisfies."));
    let some_time = |description: &str| described("some-time", description);
    match head {
        "all" | "any" | "none" => map(said(head), &[head], [(head, reference("conditions"))]),
        "not" => map(said(head), &["not"], [("not", reference("condition"))]),
        "everyone" => map(said(head), &["everyone"], [("everyone", json!({ "const": true }))]),
        "segment" => map(said(head), &["segment"], [("segment", reference("name"))]),
        "trait" => {
            let path = Map::from_iter([(
                "trait".to_owned(),
                text("The path: `plan`, `address.city`, `[\"value with spaces\"]`."),
            )]);
            value_test(true, path, &["trait"])
        }
        "did" => measured(
            map(said(head), &["did"], [("did", event()), ("where", filter()), ("zone", zone())]),
            Windowed::Yes,
        ),
        "did_not" => {
            with_windows(map(said(head), &["did_not"], [("did_not", event()), ("where", filter()), ("zone", zone())]))
        }
        "last" | "first" => map(
            said(head),
            &[head, "has"],
            [
                (head, event()),
                ("where", filter()),
                ("zone", zone()),
                ("among", or_nothing(&described("tests", "Which of these events are looked at."))),
                ("has", described("tests", "What that one event satisfies.")),
            ],
        ),
        "sequence" => map(said(head), &["sequence"], [("sequence", sequence())]),
        "first_time" => map(
            said(head),
            &["first_time", "within"],
            [
                ("first_time", event()),
                ("where", filter()),
                ("zone", zone()),
                ("within", some_time("How long ago at most.")),
            ],
        ),
        "stopped" => map(
            said(head),
            &["stopped", "active", "quiet"],
            [
                ("stopped", event()),
                ("where", filter()),
                ("zone", zone()),
                ("active", some_time("Did it within this time, before the quiet.")),
                ("quiet", some_time("Not within this time.")),
            ],
        ),
        "restarted" => map(
            said(head),
            &["restarted", "quiet", "recent"],
            [
                ("restarted", event()),
                ("where", filter()),
                ("zone", zone()),
                ("quiet", some_time("How long the pause was.")),
                ("recent", some_time("How long ago it ended at most.")),
            ],
        ),
        "regularly" => map(
            said(head),
            &["regularly", "every", "periods"],
            [
                ("regularly", event()),
                ("where", filter()),
                ("zone", zone()),
                ("every", some_time("How long a period is.")),
                (
                    "periods",
                    json!({ "type": "integer", "minimum": 1, "maximum": PERIOD_LIMIT, "description": "How many of the latest periods are looked at." }),
                ),
                (
                    "at_least_periods",
                    json!({ "type": ["integer", "null"], "minimum": 1, "maximum": PERIOD_LIMIT, "description": "In how many of them at least; all where nothing is said." }),
                ),
                (
                    "at_least",
                    json!({ "type": ["integer", "null"], "minimum": 1, "maximum": 1_000_000, "description": "How often in a period at least; once where nothing is said." }),
                ),
            ],
        ),
        "record" => record(),
        "consent" => map(
            said(head),
            &["consent"],
            [(
                "consent",
                map(
                    "For which purpose, on which channel, and how it stands.",
                    &["purpose", "is"],
                    [
                        ("purpose", reference("name")),
                        ("channel", or_nothing(&text("A channel; absent: the weakest over the purpose's channels."))),
                        ("is", word_of("How it stands.", ConsentState::ALL.map(ConsentState::word))),
                        (
                            "ends_within",
                            or_nothing(&described(
                                "duration",
                                "Only where it ends by itself no later than so long from now: of `granted` and `pending`.",
                            )),
                        ),
                    ],
                ),
            )],
        ),
        "list" => map(said(head), &["list"], [("list", text("The list's name."))]),
        "known_for" => map(said(head), &["known_for"], [("known_for", known_for())]),
        "score" => {
            let words: Vec<&str> = OPERATORS.iter().copied().filter(|word| *word != "held_for").collect();
            let name = Map::from_iter([("score".to_owned(), word_of("Which score.", SCORES.iter().copied()))]);
            operator_test(&words, name)
        }
        "bucket" => map(
            said(head),
            &["bucket"],
            [(
                "bucket",
                map(
                    said(head),
                    &["seed", "percent"],
                    [
                        ("seed", text("The seed of the draw: another seed draws others.")),
                        ("percent", reference("share")),
                    ],
                ),
            )],
        ),
        _ => json!(false),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Windowed {
    Yes,
    No,
}

fn add<const N: usize>(schema: &mut Value, fields: [(&str, Value); N]) {
    for (name, field) in fields {
        schema["properties"][name] = field;
    }
}

/// The windows of `did` and `did_not`; several mean their intersection.
fn with_windows(mut schema: Value) -> Value {
    add(
        &mut schema,
        [
            ("within", or_nothing(&described("duration", "Rolling: (now - d, now]."))),
            (
                "within_days",
                json!({ "type": ["integer", "null"], "minimum": 0, "maximum": 36_525, "description": "So many local calendar days before today, and today; 0 is today." }),
            ),
            ("after", or_nothing(&described("moving-instant", "From this instant on."))),
            ("before", or_nothing(&described("moving-instant", "Up to but without this instant."))),
            (
                "between",
                json!({ "type": ["array", "null"], "minItems": 2, "maxItems": 2, "items": reference("moving-instant"), "description": "From the first up to but without the second." }),
            ),
        ],
    );
    let both = json!({ "properties": { "between": { "type": "array" } }, "required": ["between"] });
    let given = |edge: &str| json!({ "required": [edge], "properties": { edge: { "not": { "type": "null" } } } });
    let no_edges = json!({ "not": { "anyOf": [given("after"), given("before")] } });
    schema["dependentSchemas"] = json!({ "between": { "if": both, "then": no_edges } });
    schema
}

/// A count, or an aggregate with one comparison.
fn measured(mut schema: Value, windowed: Windowed) -> Value {
    if windowed == Windowed::Yes {
        schema = with_windows(schema);
    }
    let number = |description: &str| or_nothing(&described("number", description));
    // These three stand in both worlds, so that what they are is said below.
    for (bound, description) in BOUNDS {
        add(&mut schema, [(bound, json!({ "description": description }))]);
    }
    for comparison in ["above", "below"] {
        add(&mut schema, [(comparison, number("What the aggregate is compared with."))]);
    }
    for aggregate in AGGREGATES {
        add(
            &mut schema,
            [(
                aggregate.word(),
                json!({ "type": ["string", "null"], "description": match aggregate {
            Aggregate::Sum => "The sum of this property; 0 over nothing.",
            Aggregate::Average => "The average of this property; missing over nothing.",
            Aggregate::Largest => "The largest value of this property.",
            Aggregate::Smallest => "The smallest value of this property.",
            Aggregate::Distinct => "How many different values of this property; 0 over nothing.",
        } }),
            )],
        );
    }
    let given = |key: &str| json!({ "required": [key], "properties": { key: { "not": { "type": "null" } } } });
    let any_of = |keys: &[&str]| json!({ "anyOf": keys.iter().map(|key| given(key)).collect::<Vec<_>>() });
    let one_of = |keys: &[&str]| keys.iter().map(|key| given(key)).collect::<Vec<_>>();
    let words = AGGREGATES.map(Aggregate::word);
    let aggregates = json!({
        "allOf": [{ "oneOf": one_of(&words) }, { "oneOf": one_of(&COMPARISONS) }],
        "properties": {
            "at_least": number("What the aggregate is compared with."), "at_most": number("What the aggregate is compared with."),
            "more_than": false, "fewer_than": false, "exactly": false,
        },
    });
    let count = |least: u32, most: u32| json!({ "type": ["integer", "null"], "minimum": least, "maximum": most });
    let counts = json!({
        "properties": {
            "at_least": count(0, 1_000_000), "more_than": count(0, 999_999), "at_most": count(0, 1_000_000),
            "fewer_than": count(1, 1_000_001), "exactly": count(0, u32::MAX), "above": false, "below": false,
        },
        "not": { "anyOf": [
            { "allOf": [given("at_least"), given("more_than")] },
            { "allOf": [given("at_most"), given("fewer_than")] },
            { "allOf": [given("exactly"), any_of(&["at_least", "more_than", "at_most", "fewer_than"])] },
        ] },
    });
    schema["if"] = any_of(&words);
    schema["then"] = aggregates;
    schema["else"] = counts;
    schema
}

fn sequence() -> Value {
    let member = |description: &str| {
        map(
            description,
            &["did"],
            [
                ("did", described("event", description)),
                ("where", or_nothing(&described("tests", "What one and the same event satisfies."))),
                ("zone", or_nothing(&reference("zone"))),
            ],
        )
    };
    let mut schema = map(
        said("sequence"),
        &["first", "within"],
        [
            ("first", member("The event that begins it.")),
            ("then", member("Another event that follows it.")),
            ("then_not", member("An event that does not follow it; true once the time is over.")),
            ("within", described("some-time", "How long after the first one is looked.")),
            ("same", or_nothing(&text("Both bear the same value of this property."))),
            ("recent", described("some-time", "The first one lies within this time.")),
        ],
    );
    schema["oneOf"] = exactly_one(["then", "then_not"]);
    schema
}

fn record() -> Value {
    let kind = json!({ "type": "string", "minLength": 1, "maxLength": 200, "description": "The kind of record, such as pass." });
    let zone = or_nothing(&reference("zone"));
    let mut quantified = map(said("record"), &["record"], [("record", kind.clone()), ("zone", zone.clone())]);
    for (word, description) in QUANTIFIERS {
        add(&mut quantified, [(word, described("record-tests", description))]);
    }
    quantified["oneOf"] = exactly_one(QUANTIFIERS.map(|(word, _)| word));
    let filter = or_nothing(&described("record-tests", "What one and the same record satisfies."));
    let counted = map(said("record"), &["record"], [("record", kind), ("zone", zone), ("where", filter)]);
    json!({
        "type": "object", "description": said("record"),
        "if": has_any(QUANTIFIERS.map(|(word, _)| word)), "then": quantified,
        "else": measured(counted, Windowed::No),
    })
}

fn known_for() -> Value {
    let span = |description: &str| or_nothing(&described("duration", description));
    let mut schema = map(
        said("known_for"),
        &[],
        [("at_least", span("For so long or longer.")), ("less_than", span("Not yet for so long."))],
    );
    schema["oneOf"] = json!([
        { "required": ["at_least"], "properties": { "at_least": { "type": "string" }, "less_than": { "type": "null" } } },
        { "required": ["less_than"], "properties": { "less_than": { "type": "string" }, "at_least": { "type": "null" } } },
    ]);
    schema
}

#[cfg(test)]
mod tests {
    use super::{HEADS, of_head, said};

    #[test]
    fn every_head_of_the_reader_is_described() {
        for head in HEADS {
            assert!(!said(head).is_empty() && of_head(head).is_object(), "{head}");
        }
    }
}
