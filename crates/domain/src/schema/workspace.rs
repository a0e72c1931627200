//! The settings, purposes and templates.

use super::{Part, described, map, or_nothing, reference, text, word_of};
use crate::shape::LIST_LIMIT;
use crate::workspace::{IMPLIED_LIMIT, TEMPLATE_LIMIT};
use serde_json::{Value, json};

pub(super) fn parts() -> Vec<Part> {
    vec![("workspace-definition", settings()), ("purpose-definition", purpose()), ("template-definition", template())]
}

fn list_of(item: &Value, description: &str) -> Value {
    json!({ "type": ["array", "null"], "minItems": 1, "maxItems": LIST_LIMIT, "items": item, "description": description })
}

fn settings() -> Value {
    let time = |description: &str| json!({ "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "description": description, "examples": ["21:00"] });
    let line = |description: &str| json!({ "type": "string", "minLength": 1, "maxLength": 300, "pattern": "^[^\\u0000-\\u001f\\u007f]*$", "description": description });
    let caps = json!({ "type": ["array", "null"], "maxItems": LIST_LIMIT, "items": reference("cap"), "description": "Caps that hold for all campaigns." });
    map(
        "The settings of the workspace.",
        &["workspace"],
        [
            ("workspace", json!({ "const": "settings" })),
            (
                "zone",
                or_nothing(&text(
                    "An IANA zone such as Europe/Berlin, for customers without one of their own; UTC where nothing is said.",
                )),
            ),
            (
                "currency",
                or_nothing(
                    &json!({ "type": "string", "pattern": "^[A-Za-z]{3}$", "description": "Of amounts that name none, such as GBP." }),
                ),
            ),
            ("caps", caps),
            (
                "quiet_hours",
                or_nothing(&map(
                    "When customers are left in peace, by their own clocks.",
                    &["from", "to"],
                    [
                        ("from", time("Beginning, included.")),
                        ("to", time("End, excluded; before `from` when the night lies between.")),
                        (
                            "purposes",
                            list_of(&reference("name"), "For which purposes; marketing where nothing is said."),
                        ),
                    ],
                )),
            ),
            (
                "global_holdout",
                or_nothing(&map(
                    "The workspace's comparison group.",
                    &["percent", "seed"],
                    [
                        ("percent", reference("share")),
                        (
                            "seed",
                            json!({ "type": "string", "pattern": "^[\\u0000-\\u007f]*$", "description": "The seed of the draw, in ASCII." }),
                        ),
                    ],
                )),
            ),
            (
                "sender",
                or_nothing(&map(
                    "Who writes.",
                    &["name", "address"],
                    [
                        ("name", line("The name on the From line.")),
                        ("address", line("The address on the From line.")),
                        ("postal_address", or_nothing(&line("The postal address in the footer."))),
                    ],
                )),
            ),
        ],
    )
}

fn purpose() -> Value {
    let mut implied = map(
        "An event that implies a yes: for so many calendar months or for so long.",
        &["did"],
        [
            (
                "did",
                json!({ "type": "string", "minLength": 1, "maxLength": 300, "pattern": "^[^\\u0000-\\u001f\\u007f]*$", "description": "The event." }),
            ),
            (
                "months",
                json!({ "type": ["integer", "null"], "minimum": 1, "maximum": 120, "description": "For so many months." }),
            ),
            ("for", or_nothing(&described("some-time", "For so long."))),
        ],
    );
    implied["oneOf"] = json!([
        { "required": ["months"], "properties": { "months": { "type": "integer" }, "for": { "type": "null" } } },
        { "required": ["for"], "properties": { "for": { "type": "string" }, "months": { "type": "null" } } },
    ]);
    let implied = json!({
        "type": ["array", "null"], "minItems": 1, "maxItems": IMPLIED_LIMIT, "items": implied,
        "description": "Events that imply a yes, and for how long. The customer's own no ends it.",
    });
    let confirm = map(
        "A yes that your server reports counts once the customer has confirmed it by the link `links.confirm`.",
        &[],
        [("within", or_nothing(&described("some-time", "How long the link works; 7 days where nothing is said.")))],
    );
    map(
        "What messages may be for.",
        &["purpose"],
        [
            ("purpose", described("name", "Its name.")),
            ("default", or_nothing(&word_of("What holds before anything was said.", ["granted", "unknown"]))),
            ("channels", list_of(&reference("channel"), "Its channels; all where nothing is said.")),
            ("implied", implied),
            ("confirm", or_nothing(&confirm)),
        ],
    )
}

fn template() -> Value {
    // The limit is in bytes; a text of so many characters has no fewer.
    let part = |description: &str| json!({ "type": "string", "maxLength": TEMPLATE_LIMIT, "description": description });
    let parts = || {
        [
            ("subject", or_nothing(&part("Another subject."))),
            ("body", or_nothing(&part("Another body."))),
            ("text", or_nothing(&part("Another text; made from the other body where nothing is said."))),
            ("url", or_nothing(&part("Of a notification: another address that a click leads to."))),
            ("icon", or_nothing(&part("Of a notification: another picture."))),
        ]
    };
    let variants = |description: &str| {
        let parts = map("Parts that this variant replaces.", &[], parts());
        ("variants", json!({ "type": ["object", "null"], "additionalProperties": parts, "description": description }))
    };
    let [subject, body, text, url, icon] = parts();
    let own_variants = variants("What the template's variants say in this language, by name.");
    // Only a notification leads somewhere as a whole.
    let none = || json!({ "url": { "type": "null" }, "icon": { "type": "null" } });
    let in_variants = json!({ "additionalProperties": { "properties": none() } });
    let with_variants = |mut parts: Value| {
        parts["variants"] = in_variants.clone();
        parts
    };
    let mut of_others = with_variants(none());
    of_others["locales"] = json!({ "additionalProperties": { "properties": with_variants(none()) } });
    let in_language =
        map("What is said otherwise in this language.", &[], [subject, body, text, url, icon, own_variants]);
    let mut template = map(
        "What is written.",
        &["template", "body"],
        [
            ("template", described("name", "Unique in the workspace.")),
            (
                "channel",
                or_nothing(&described("channel", "The channel it is written for; email where nothing is said.")),
            ),
            ("subject", or_nothing(&part("Liquid."))),
            ("body", part("Liquid in Markdown, HTML or MJML.")),
            ("text", or_nothing(&part("Liquid, as plain text; made from the body where nothing is said."))),
            (
                "url",
                or_nothing(&part("Only for push: Liquid of the address that a click on the notification leads to.")),
            ),
            ("icon", or_nothing(&part("Only for push: Liquid of the address of the picture beside it."))),
            (
                "format",
                or_nothing(&word_of(
                    "What the bodies are written in; told by their first characters where nothing is said.",
                    ["html", "markdown", "mjml"],
                )),
            ),
            variants("Variants, by name."),
            (
                "locales",
                json!({
                    "type": ["object", "null"],
                    "additionalProperties": in_language,
                    "maxProperties": 200,
                    "propertyNames": { "pattern": "^[A-Za-z0-9]{1,8}([-_][A-Za-z0-9]{1,8})*$", "maxLength": 35 },
                    "description": "What is said in other languages, by language tag: to whom the trait `locale` names it.",
                }),
            ),
        ],
    );
    template["if"] = json!({ "required": ["channel"], "properties": { "channel": { "const": "push" } } });
    template["else"] = json!({ "properties": of_others });
    template
}
