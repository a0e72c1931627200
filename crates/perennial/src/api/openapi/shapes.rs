//! The shapes of answers and bodies, by the names under which operations refer to them.

use super::{list_of, shape};
use serde_json::{Map, Value, json};

/// All shapes.
pub(super) fn all() -> Value {
    let mut all = Map::new();
    for (name, value) in about_segments()
        .into_iter()
        .chain(about_definitions())
        .chain(about_customers())
        .chain(about_the_rest())
        .chain(super::tried::shapes())
        .chain([("PushSubscription", crate::api::push::subscription_schema())])
    {
        all.insert(name.to_owned(), value);
    }
    all.into()
}

pub(super) type Shape = (&'static str, Value);
pub(super) type Fields<const N: usize> = [(&'static str, Value); N];

/// A map with fields that are always there, and fields that may be.
pub(super) fn object<const N: usize, const M: usize>(description: &str, always: Fields<N>, maybe: Fields<M>) -> Value {
    let required: Vec<&str> = always.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        always.into_iter().chain(maybe).map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({ "type": "object", "description": description, "required": required, "properties": properties })
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn maybe_text() -> Value {
    json!({ "type": ["string", "null"] })
}

pub(super) fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

pub(super) fn maybe_count() -> Value {
    json!({ "type": ["integer", "null"], "minimum": 0 })
}

pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

pub(super) fn instant() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

pub(super) fn maybe_instant() -> Value {
    json!({ "type": ["string", "null"], "format": "date-time" })
}

fn any_map() -> Value {
    json!({ "type": "object" })
}

pub(super) fn word_of(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

pub(super) fn list(items: Value) -> Value {
    let mut list = json!({ "type": "array" });
    list["items"] = items;
    list
}

fn kind() -> Value {
    word_of(&domain::DefinitionKind::ALL.map(domain::DefinitionKind::word))
}

fn action() -> Value {
    word_of(&["created", "changed", "unchanged", "deleted"])
}

fn counts_by_word() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 } })
}

fn about_segments() -> Vec<Shape> {
    let segment = || {
        [
            ("segment", shape("Name")),
            ("title", maybe_text()),
            ("count", count()),
            ("sentence", text()),
            ("version", json!({ "type": "integer", "minimum": 1 })),
            ("changed_at", instant()),
            ("changed_by", text()),
            ("definition", shape("SegmentDefinition")),
            ("yaml", text()),
            ("used_by", list_of("User")),
            ("warnings", list(text())),
        ]
    };
    vec![
        (
            "Name",
            json!({ "type": "string", "description": "Kebab-case, 1 to 100 characters.", "pattern": "^[a-z0-9][a-z0-9-]{0,99}$" }),
        ),
        (
            "SegmentDefinition",
            json!({
                "type": "object", "description": "A segment, as `perennial schema segment` and /api/schemas/segment describe it in full.",
                "required": ["segment", "where"],
                "properties": { "segment": shape("Name"), "title": { "type": ["string", "null"] }, "where": { "type": "object" } },
            }),
        ),
        (
            "SegmentInList",
            object(
                "A segment in a list.",
                [
                    ("segment", shape("Name")),
                    ("title", maybe_text()),
                    ("count", count()),
                    ("sentence", text()),
                    ("version", count()),
                    ("changed_at", instant()),
                    ("used_by", list_of("User")),
                ],
                [],
            ),
        ),
        ("Segment", object("A segment as it is now.", segment(), [])),
        (
            "SegmentSaved",
            object(
                "A segment that was saved, and whom that moved.",
                segment(),
                [("action", action()), ("enter", count()), ("leave", count())],
            ),
        ),
        (
            "SegmentPreview",
            object(
                "What a segment would be if it were saved now.",
                [
                    ("segment", shape("Name")),
                    ("title", maybe_text()),
                    ("action", action()),
                    ("sentence", text()),
                    ("count", count()),
                    ("customers", count()),
                    ("enter", count()),
                    ("leave", count()),
                    ("sample", list_of("Who")),
                    ("warnings", list(text())),
                    (
                        "version",
                        json!({ "type": ["integer", "null"], "description": "The version in force, if there is one." }),
                    ),
                    ("definition", shape("SegmentDefinition")),
                    ("yaml", text()),
                ],
                [],
            ),
        ),
        (
            "SegmentCount",
            object("How many belong.", [("segment", shape("Name")), ("as_of", instant()), ("count", count())], []),
        ),
        (
            "SegmentMembers",
            object(
                "A page of members, by name.",
                [
                    ("segment", shape("Name")),
                    ("as_of", instant()),
                    ("count", count()),
                    ("members", list(text())),
                    (
                        "next",
                        json!({ "type": ["string", "null"], "description": "`after` of the next page; null: this is the last." }),
                    ),
                ],
                [],
            ),
        ),
        (
            "Membership",
            object(
                "Whether somebody belongs.",
                [
                    ("segment", shape("Name")),
                    ("customer", text()),
                    ("id", text()),
                    ("as_of", instant()),
                    ("member", flag()),
                    ("since", maybe_instant()),
                    ("until", maybe_instant()),
                ],
                [],
            ),
        ),
        (
            "Why",
            object(
                "Why somebody belongs or not.",
                [
                    ("member", flag()),
                    ("until", maybe_instant()),
                    ("since", maybe_instant()),
                    ("conditions", list_of("Reason")),
                ],
                [],
            ),
        ),
        (
            "Reason",
            object(
                "One condition with its verdict.",
                [
                    ("condition", text()),
                    ("holds", flag()),
                    ("until", maybe_instant()),
                    (
                        "because",
                        list(object(
                            "An event or a value behind it.",
                            [("time", maybe_instant()), ("what", text())],
                            [],
                        )),
                    ),
                ],
                [("conditions", list_of("Reason"))],
            ),
        ),
        (
            "User",
            object(
                "A definition that refers to another.",
                [("kind", kind()), ("name", shape("Name")), ("title", text())],
                [],
            ),
        ),
        (
            "Version",
            object(
                "A version of a definition.",
                [("version", count()), ("at", instant()), ("by", text()), ("action", action()), ("diff", text())],
                [("definition", json!({ "type": ["object", "null"] })), ("yaml", maybe_text())],
            ),
        ),
        (
            "Diff",
            object(
                "The lines by which two versions differ.",
                [("segment", shape("Name")), ("from", maybe_count()), ("to", count()), ("diff", text())],
                [],
            ),
        ),
    ]
}

fn about_definitions() -> Vec<Shape> {
    let change = object(
        "What becomes of one definition.",
        [("kind", kind()), ("name", shape("Name")), ("action", action()), ("enter", count()), ("leave", count())],
        [],
    );
    let on_server = object(
        "A definition in force that the folder lacks.",
        [
            ("kind", kind()),
            ("name", shape("Name")),
            ("version", count()),
            ("by", text()),
            ("at", instant()),
            ("used_by", list_of("User")),
        ],
        [],
    );
    vec![
        (
            "Definitions",
            object(
                "A folder of definitions.",
                [("documents", list(object("A file.", [("origin", text()), ("text", text())], []))), ("by", text())],
                [
                    ("dry_run", flag()),
                    ("force", flag()),
                    ("prune", flag()),
                    (
                        "seen",
                        json!({ "type": ["object", "null"], "description": "Versions that the folder has seen, such as `{\"segment/lapsed\": 3}`. Absent: the server is taken as it is.", "additionalProperties": { "type": "integer" } }),
                    ),
                ],
            ),
        ),
        (
            "Changes",
            object(
                "What a folder changed, or would.",
                [
                    ("changes", list(change)),
                    (
                        "diffs",
                        list(object(
                            "By which lines.",
                            [("kind", kind()), ("name", shape("Name")), ("diff", text())],
                            [],
                        )),
                    ),
                    ("drift", list_of("Drift")),
                    ("only_on_server", list(on_server)),
                    ("workspace", text()),
                ],
                [(
                    "warnings",
                    list(object(
                        "What is odd but allowed.",
                        [("kind", kind()), ("name", shape("Name")), ("warning", text())],
                        [],
                    )),
                )],
            ),
        ),
        (
            "Drift",
            object(
                "A definition that was changed on the server since the folder saw it.",
                [
                    ("kind", kind()),
                    ("name", shape("Name")),
                    ("version", count()),
                    ("by", text()),
                    ("at", instant()),
                    ("seen", maybe_count()),
                    ("diff", text()),
                ],
                [],
            ),
        ),
        (
            "Pulled",
            object(
                "All definitions in force.",
                [
                    ("workspace", text()),
                    (
                        "definitions",
                        list(object(
                            "A definition.",
                            [
                                ("kind", kind()),
                                ("name", shape("Name")),
                                ("version", count()),
                                ("by", text()),
                                ("at", instant()),
                                ("definition", any_map()),
                                ("yaml", text()),
                            ],
                            [],
                        )),
                    ),
                ],
                [],
            ),
        ),
    ]
}

fn about_customers() -> Vec<Shape> {
    let membership = object(
        "A segment somebody is in.",
        [
            ("segment", shape("Name")),
            ("title", text()),
            ("since", maybe_instant()),
            ("until", maybe_instant()),
            ("conditions", list_of("Reason")),
        ],
        [],
    );
    vec![
        (
            "Who",
            object(
                "A person as lists name them.",
                [("customer", text()), ("id", text())],
                [("full_name", text()), ("email", text())],
            ),
        ),
        (
            "Found",
            object(
                "People that were looked for, last seen first.",
                [
                    ("total", count()),
                    ("found", count()),
                    (
                        "customers",
                        list(object(
                            "A person.",
                            [
                                ("customer", text()),
                                ("id", text()),
                                ("first_seen", instant()),
                                ("last_seen", instant()),
                                ("segments", list(shape("Name"))),
                            ],
                            [("full_name", text()), ("email", text())],
                        )),
                    ),
                ],
                [],
            ),
        ),
        (
            "Customer",
            object(
                "Everything about one person at an instant.",
                [
                    ("customer", text()),
                    ("id", text()),
                    ("as_of", instant()),
                    (
                        "identities",
                        list(object(
                            "A name they bear.",
                            [
                                ("kind", text()),
                                ("name", text()),
                                ("first_seen", maybe_instant()),
                                ("id", text()),
                                ("is_name", flag()),
                            ],
                            [],
                        )),
                    ),
                    (
                        "joins",
                        list(object(
                            "Two names that were joined.",
                            [("one", text()), ("other", text()), ("by", text())],
                            [],
                        )),
                    ),
                    ("traits", any_map()),
                    ("traits_since", json!({ "type": "object", "additionalProperties": instant() })),
                    ("segments", list(membership)),
                    (
                        "consent",
                        list(object(
                            "Whether we may write.",
                            [
                                ("purpose", shape("Name")),
                                ("channel", text()),
                                ("status", text()),
                                ("since", maybe_instant()),
                                ("until", maybe_instant()),
                                ("basis", maybe_text()),
                                ("source", maybe_text()),
                                ("text_version", maybe_text()),
                            ],
                            [],
                        )),
                    ),
                    (
                        "consent_said",
                        list(object(
                            "What was once said of consent.",
                            [
                                ("time", instant()),
                                ("purpose", text()),
                                ("channel", maybe_text()),
                                ("status", text()),
                                ("basis", maybe_text()),
                                ("source", maybe_text()),
                                ("text_version", maybe_text()),
                                ("expires", maybe_instant()),
                            ],
                            [],
                        )),
                    ),
                    ("points", count()),
                    (
                        "vouchers",
                        list(object(
                            "A voucher that was given.",
                            [("code", text()), ("pool", text()), ("given_at", instant()), ("expires", maybe_instant())],
                            [],
                        )),
                    ),
                    ("vouchers_owed", list(text())),
                    (
                        "browsers",
                        list(object(
                            "A browser that is notified.",
                            [("id", text()), ("browser", maybe_text()), ("service", text()), ("since", instant())],
                            [],
                        )),
                    ),
                    ("talking_until", maybe_instant()),
                    ("complaint_open", flag()),
                    ("suppression", json!({ "type": ["object", "null"] })),
                    ("caps", list(any_map())),
                    ("quiet_hours", json!({ "type": ["object", "null"] })),
                    ("journeys", list(any_map())),
                    ("zone", text()),
                    ("first_seen", instant()),
                    ("last_seen", instant()),
                    ("calls", count()),
                    ("same_address", list_of("Who")),
                ],
                [("full_name", text()), ("email", text())],
            ),
        ),
        (
            "Timeline",
            object(
                "What happened, the latest first.",
                [
                    ("customer", text()),
                    ("earlier", count()),
                    (
                        "happenings",
                        list(object(
                            "A happening.",
                            [
                                ("time", instant()),
                                ("times", count()),
                                ("type", text()),
                                ("what", text()),
                                ("properties", json!({})),
                                ("source", text()),
                                ("trust", text()),
                            ],
                            [
                                ("event", text()),
                                ("worth", any_map()),
                                ("detail", text()),
                                ("quote", text()),
                                ("message", text()),
                                ("campaign", maybe_text()),
                                ("subject", text()),
                                ("outcome", text()),
                                ("because", maybe_text()),
                                ("until", maybe_instant()),
                            ],
                        )),
                    ),
                ],
                [],
            ),
        ),
        ("Pair", object("Two people by their names.", [("a", text()), ("b", text())], [])),
        ("Merged", object("The one person they are.", [("id", text()), ("customer", text())], [])),
        (
            "Erased",
            object(
                "A customer was erased.",
                [("id", text()), ("calls", count()), ("messages", count()), ("refused", count()), ("scrubbed", flag())],
                [],
            ),
        ),
        ("Unmerged", object("The two people they are again.", [("unmerged", list(text()))], [])),
    ]
}

fn shared_step() -> Value {
    let number = || json!({ "type": "number" });
    let range = json!({ "anyOf": [
        object("An estimate with its range.", [("value", number()), ("low", number()), ("high", number())], []),
        { "type": "null" },
    ] });
    let variant = object(
        "A variant: of 10,000 customers `share` get it now.",
        [
            ("variant", text()),
            ("share", count()),
            ("customers", count()),
            ("over", count()),
            ("came_back", count()),
            ("estimate", range),
        ],
        [],
    );
    let day = object(
        "How many of 10,000 customers got each variant from an instant on.",
        [("since", instant()), ("shares", list(count()))],
        [],
    );
    object(
        "A step whose variants are shared by what works.",
        [
            ("step", text()),
            ("currency", maybe_text()),
            ("moves_after", maybe_count()),
            ("variants", list(variant)),
            ("days", list(day)),
            ("verdict", word_of(&["too_early", "no_difference_yet", "better"])),
            ("says", text()),
        ],
        [],
    )
}

fn about_the_rest() -> Vec<Shape> {
    let side = || {
        object(
            "One side of the comparison.",
            [
                ("entered", count()),
                ("held", count()),
                ("customers", count()),
                ("came_back", count()),
                ("goals", count()),
                ("worth", list(any_map())),
            ],
            [],
        )
    };
    vec![
        (
            "MailReport",
            object(
                "What came back about a mail.",
                [
                    ("report", text()),
                    ("time", instant()),
                    (
                        "kind",
                        word_of(&domain::message::ReportKind::ALL.iter().map(|kind| kind.word()).collect::<Vec<_>>()),
                    ),
                    ("message", maybe_text()),
                    ("customer", maybe_text()),
                    ("address", maybe_text()),
                    ("status", maybe_text()),
                    ("words", text()),
                ],
                [("known", flag())],
            ),
        ),
        (
            "Problem",
            object(
                "Why a request was not answered (RFC 9457).",
                [
                    ("type", json!({ "type": "string", "format": "uri-reference" })),
                    ("title", text()),
                    ("status", count()),
                    ("detail", text()),
                    ("code", text()),
                ],
                [
                    ("path", json!({ "type": "string", "description": "Where in the definition." })),
                    ("nearest", json!({ "type": "string", "description": "The nearest known word." })),
                    ("origin", text()),
                    ("line", count()),
                    ("definition", text()),
                    ("message", text()),
                    ("version", count()),
                    ("by", text()),
                    ("at", instant()),
                    ("used_by", list_of("User")),
                    ("drift", list_of("Drift")),
                ],
            ),
        ),
        (
            "Campaign",
            object(
                "A campaign and what came of it.",
                [
                    ("campaign", shape("Name")),
                    ("title", text()),
                    ("state", word_of(&["running", "paused", "stopped"])),
                    ("does", text()),
                    ("entered", count()),
                    ("inside", count()),
                    ("sent", count()),
                    ("held", count()),
                    ("came_back", maybe_count()),
                    ("worth", list(any_map())),
                    ("started_at", instant()),
                    ("purpose", shape("Name")),
                    ("version", count()),
                    ("changed_at", instant()),
                    (
                        "steps",
                        list(object(
                            "A step, or a way of the branch above it.",
                            [("depth", count()), ("step", maybe_text()), ("does", text()), ("here", count())],
                            [],
                        )),
                    ),
                    (
                        "funnel",
                        object(
                            "From entry to message.",
                            [
                                ("entered", count()),
                                ("inside", count()),
                                ("reached_gate", count()),
                                ("waiting", count()),
                                ("held", counts_by_word()),
                                ("skipped", counts_by_word()),
                                ("would_have_sent", counts_by_word()),
                                ("sent", count()),
                                ("uncertain", counts_by_word()),
                                ("failed", counts_by_word()),
                            ],
                            [],
                        ),
                    ),
                    (
                        "reactions",
                        object(
                            "With how many of its messages something was done, by people and, apart from them, by machines.",
                            [
                                ("opened", count()),
                                ("clicked", count()),
                                ("machine_opened", count()),
                                ("machine_clicked", count()),
                            ],
                            [],
                        ),
                    ),
                    ("goal", maybe_text()),
                    ("holdout", text()),
                    ("compared_since", instant()),
                    (
                        "arms",
                        object(
                            "Those who got messages beside those who were kept out.",
                            [("messaged", side()), ("held_out", side()), ("still_open", count())],
                            [],
                        ),
                    ),
                    ("shared", list(shared_step())),
                    ("due_on_resume", count()),
                    ("braked", maybe_text()),
                ],
                [],
            ),
        ),
        (
            "Decision",
            object(
                "A decision with outcome and reason.",
                [
                    ("at", instant()),
                    ("customer", text()),
                    ("campaign", shape("Name")),
                    ("step", text()),
                    ("message", text()),
                    ("outcome", text()),
                    ("because", maybe_text()),
                    ("detail", maybe_text()),
                    ("until", maybe_instant()),
                ],
                [],
            ),
        ),
        (
            "Key",
            object(
                "A key, without its secret.",
                [
                    ("id", text()),
                    ("kind", word_of(&["browser", "server"])),
                    ("source", text()),
                    ("created_at", instant()),
                    ("revoked_at", maybe_instant()),
                ],
                [],
            ),
        ),
        (
            "KeyAsked",
            object(
                "A key to be made.",
                [
                    ("kind", word_of(&["browser", "server"])),
                    ("source", json!({ "type": "string", "minLength": 1, "maxLength": 100 })),
                ],
                [],
            ),
        ),
        (
            "FreshKey",
            object(
                "A key that was made; it is shown once.",
                [("key", text()), ("id", text()), ("kind", text()), ("source", text())],
                [],
            ),
        ),
        ("Batch", object("Calls as /v1/batch takes them, of the trust of a file.", [("batch", list(any_map()))], [])),
        (
            "Imported",
            object(
                "What became of the calls.",
                [
                    ("accepted", count()),
                    ("duplicates", count()),
                    (
                        "refused",
                        list(object(
                            "A call that does not count.",
                            [("index", count()), ("reason", text()), ("message", text())],
                            [],
                        )),
                    ),
                ],
                [],
            ),
        ),
        (
            "Rebuilt",
            object(
                "The live state was built again from history.",
                [("before", text()), ("after", text()), ("calls", count()), ("same", flag())],
                [],
            ),
        ),
        ("Advanced", object("A demo's time passed.", [("now", text()), ("events", count()), ("sent", count())], [])),
    ]
}
