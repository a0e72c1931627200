//! The schemas that editors use accept what the readers accept, and refuse what they refuse for the shape of it.

use domain::definition::{Definition, read_yaml};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    jsonschema::draft202012::new(&domain::schema::of("definition").expect("there is one")).expect("it is a schema")
});

fn accepts(value: &Value) -> Result<(), String> {
    match SCHEMA.iter_errors(value).next() {
        None => Ok(()),
        Some(error) => Err(format!("{error} at {}", error.instance_path())),
    }
}

/// What only the readers can know: whether bounds fit each other, dates are in the calendar, patterns compile.
const BEYOND_SCHEMAS: &[&str] = &[
    "nested deeper",
    "more than 200",
    "more than 2000",
    "tests on values",
    "is no instant",
    "is no IANA zone",
    "the pattern cannot be used",
    "longer than 100 years",
    "nothing can lie between",
    "the upper bound is below",
    "reaches further back",
    "that are looked at",
    "whole days",
    "is no day",
    "is no share",
    "is the id of two steps",
    "at least one with a weight",
    "from` and `to` are the same",
    "judged at its event",
    "keeps nobody out",
    "the path is malformed",
    "expected a number, found text",
    "is no currency",
    "bytes, more than",
    "is no duration",
    "a number above",
    "a whole trait is set",
    "is no local time",
    "begins when it ends",
    "is no schedule",
    "is no RRULE",
    "never comes",
    "ASCII characters",
    "longer than 10,000 bytes",
    "more than ten years",
    "more than 30 days",
    "nothing comes after `else`",
    "a branch begins with",
    "steps, more than",
    "ends by itself",
    "`allocate: bandit`",
    "needs no yes",
    "need no consent",
    "expected up to 365d",
];

fn compare(value: &Value) -> Result<(), TestCaseError> {
    // A list of definitions is read one by one.
    if value.is_array() {
        return Ok(());
    }
    let read = Definition::read(value);
    let schema = accepts(value);
    match (&read, &schema) {
        (Ok(_), Err(error)) => {
            Err(TestCaseError::fail(format!("the reader takes it, the schema says {error}: {value}")))
        }
        (Err(error), Ok(())) if !BEYOND_SCHEMAS.iter().any(|known| error.message.contains(known)) => {
            Err(TestCaseError::fail(format!("the schema takes it, the reader says {error}: {value}")))
        }
        _ => Ok(()),
    }
}

/// Every word of the language at least once, as people write it.
const EXAMPLES: &str = r#"
segment: everything
title: All of it
where:
  all:
    - { did: Order Completed, at_least: 3, within: 365d }
    - { did: Order Completed, more_than: 1, fewer_than: 9, within_days: 3, zone: Europe/Berlin, where: { revenue: { above: 10 }, currency: { is: EUR } } }
    - { did: Email *, exactly: 0, after: 2026-01-01, before: 2026-02-01T00:00:00Z }
    - { did: Order Completed, sum: revenue, at_least: "250.5", between: [2026-01-01, 2026-02-01] }
    - { did: Order Completed, distinct: order_id, below: 3 }
    - { did_not: Order Completed, within: 30d, where: [ { a: { exists: true } }, { any: [ { b: { is: 1 } }, { none: [ { c: { is_not: null } } ] } ] } ] }
    - any:
        - { trait: plan, is: gold }
        - { trait: address.city, in: [Leeds, 3, true], ignore_case: true }
        - { trait: birthday, anniversary: { within_next: 3d } }
        - { trait: birthday, anniversary: today, zone: UTC }
        - { trait: tags, includes: vip }
        - { trait: products, any: { category: { is: tea }, price: { between: [1, 2] } } }
        - { trait: status, held_for: { value: open, less_than: 7d } }
    - none: [ { list: vip }, { not: { everyone: true } }, { segment: other } ]
    - { last: Order Completed, among: { a: { matches: "^x" } }, has: { products: { no_one: { sku: { starts_with: t } } } } }
    - { first: Order Completed, where: { x: { contains: y } }, has: { when: { within_past: 3d } } }
    - { sequence: { first: { did: Cart Updated }, then: { did: Order Completed, where: { a: { is: 1 } } }, within: 2h, same: sku, recent: 7d } }
    - { sequence: { first: { did: Cart Updated }, then_not: { did: Order Completed }, within: 2h } }
    - { first_time: Order Completed, within: 7d }
    - { stopped: Login, active: 14d, quiet: 7d }
    - { restarted: Login, quiet: 5d, recent: 2d }
    - { regularly: Login, every: 1d, periods: 3, at_least_periods: 2, at_least: 1 }
    - { record: pass, any: { status: { is: active }, expires: { before: now+3d }, status2: { held_for: { value: x, at_least: 1d } } } }
    - { record: pass, at_least: 2, where: { id: { ends_with: "7" } } }
    - { record: pass, sum: price, above: 3 }
    - { consent: { purpose: marketing, channel: email, is: granted } }
    - { consent: { purpose: marketing, channel: email, is: granted, ends_within: 30d } }
    - { consent: { purpose: news, is: pending } }
    - { known_for: { at_least: 7d } }
    - { bucket: { seed: s, percent: 50 } }
    - { score: buys_within_30d, above: 0.5 }
    - { trait: seen, on_day: -7d }
    - { trait: seen, within_next: 24h }
    - { trait: n, not_in: [1] }
    - { trait: n, not_contains: a, ignore_case: false }
    - { trait: n, not_includes: 3 }
    - { trait: n, at_most: 3 }
    - { trait: n, after: now }
---
campaign: win-back
title: Win back
state: paused
purpose: marketing
priority: 3
enter: { on: { did: Order Completed, where: { a: { is: 1 } }, late: 2h }, only_if: { everyone: true }, again: { after: 90d }, key: properties.order_id }
goal: { did: Order Completed, within: 60d, value: properties.revenue }
exit_if: { trait: gone, is: true }
holdout: 20%
cap: { at_most: 2, per: 7d, channel: email }
expires_after: 3d
people_inside: finish
steps:
  - wait: 3d
  - { id: hello, message: hello-again, variants: { plain: 1, warm: 2 }, approve: true, channel: email }
  - { id: again, message: hello-again, variants: [ plain, warm ], allocate: bandit }
---
campaign: journey
enter: { on: { date: { trait: birthday, before: 3d, at: "09:30", yearly: true } }, again: always }
exclusion_group: spring
deadline: 6h
people_inside: move
steps:
  - { wait: { until: { did: Email Opened }, at_most: 5d } }
  - { wait: { local: "Tue-Thu 10:00-16:00" } }
  - { id: best, wait: { best_time: 24h } }
  - branch:
      - { if: { did: Email Opened, within: 3d }, then: [ { reward: { points: 50 } }, { branch: [ { if: { everyone: true }, then: [] } ] } ] }
      - { else: [ { reward: { voucher: spring, expires: 14d } } ] }
  - task: { title: "Call {{ customer.first_name }}", for: care, due: 2d, draft: call-notes }
  - set: { trait: winback_tried, to: [ true, null, { a: 1 } ] }
  - set: { trait: old, to: null }
  - webhook: { url_of: erp, event: promo.granted }
---
campaign: expiring
purpose: service
enter: { on: { record: { kind: pass, date: expires, before: 24h, unless: { renews: { is: true } } } } }
steps: [ { message: hello-again } ]
---
campaign: late
enter: { on: { missing: { did: Delivered, where: { shipment_id: { is: record.id } }, record: shipment, date: due, after: 6h } } }
steps: [ { message: hello-again } ]
---
campaign: late-too
enter: { on: { missing: { record: shipment, date: due, after: 6h, unless: { status: { in: [delivered] } } } } }
steps: [ { message: hello-again } ]
---
campaign: weekly
enter: { on: { every: "0 9 * * MON", zone: customer }, only_if: { trait: event.total, above: 3 } }
steps: [ { message: hello-again } ]
---
workspace: settings
zone: Europe/Berlin
currency: EUR
caps: [ { at_most: 1, per_days: 1 } ]
quiet_hours: { from: "21:00", to: "08:00", purposes: [marketing] }
global_holdout: { percent: 5, seed: all }
sender: { name: Tea, address: tea@example.com, postal_address: A street }
---
purpose: news
default: granted
channels: [email]
---
purpose: offers
implied: [ { did: Order Completed, months: 24 }, { did: Inquiry Made, for: 180d } ]
confirm: { within: 3d }
---
template: hello-again
channel: email
subject: Hello
body: Hello
text: Hello
format: markdown
variants: { warm: { subject: Hi } }
---
template: it-is-late
channel: push
subject: Late
body: Sorry
url: https://tea.example/orders
icon: https://tea.example/leaf.png
variants: { warm: { url: https://tea.example/sorry } }
locales: { fr: { icon: https://tea.example/feuille.png, variants: { warm: { url: https://tea.example/fr } } } }
"#;

fn examples() -> Vec<Value> {
    read_yaml(EXAMPLES).expect("it is YAML")
}

#[test]
fn the_schema_is_a_schema_and_takes_every_word_of_the_language() {
    for kind in domain::schema::KINDS {
        let schema = domain::schema::of(kind).expect("it is listed");
        jsonschema::draft202012::meta::validate(&schema).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let text = schema.to_string();
        for part in text.split("\"#/$defs/").skip(1) {
            let part = part.split('"').next().unwrap();
            assert!(schema["$defs"].get(part).is_some(), "{kind} lacks {part}");
        }
    }
    assert!(domain::schema::of("nonsense").is_none());
    for example in examples() {
        Definition::read(&example).unwrap_or_else(|error| panic!("{error}"));
        accepts(&example).unwrap_or_else(|error| panic!("{error} in {example}"));
    }
    // A definition alone is held against its own schema.
    let validator = jsonschema::draft202012::new(&domain::schema::of("segment").unwrap()).unwrap();
    assert!(validator.is_valid(&examples()[0]) && !validator.is_valid(&examples()[1]));
}

#[test]
fn what_is_wrong_is_underlined_where_it_stands() {
    for (condition, wrong) in [
        (json!({ "did": "X", "witin": "3d" }), "witin"),
        (json!({ "did": "X", "did_not": "Y" }), ""),
        (json!({ "trait": "a", "is": 1, "above": 3 }), ""),
        (json!({ "trait": "a", "is": [1] }), ""),
        (json!({ "did": "X", "at_least": 2, "more_than": 3 }), ""),
        (json!({ "did": "X", "sum": "a" }), ""),
        (json!({ "did": "X", "sum": "a", "exactly": 3 }), "exactly"),
        (json!({ "did": "X", "within": "3 days" }), "3 days"),
        (json!({ "all": [] }), ""),
        (json!({ "everyone": false }), ""),
        (json!({ "sequence": { "first": { "did": "A" }, "within": "2h" } }), ""),
        (json!({ "score": "luck", "above": 1 }), "luck"),
        (json!({ "did": "X", "where": { "a": { "held_for": { "value": 1, "at_least": "1d" } } } }), ""),
        (json!({}), ""),
    ] {
        let definition = json!({ "segment": "x", "where": condition });
        assert!(Definition::read(&definition).is_err(), "{condition}");
        let error = accepts(&definition).expect_err("the schema must refuse it too");
        assert!(error.contains(wrong), "{error}");
    }
}

#[test]
fn only_a_notification_leads_somewhere_as_a_whole() {
    let address = json!("https://tea.example/");
    for (part, path) in [
        (json!({ "url": address }), "url"),
        (json!({ "icon": address }), "icon"),
        (json!({ "variants": { "a": { "url": address } } }), "variants.a.url"),
        (json!({ "locales": { "fr": { "icon": address } } }), "locales.fr.icon"),
        (
            json!({ "locales": { "fr": { "variants": { "a": { "icon": address } } } }, "variants": { "a": {} } }),
            "locales.fr.variants.a.icon",
        ),
    ] {
        let mut definition = json!({ "template": "x", "body": "x", "channel": "push" });
        definition.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        Definition::read(&definition).unwrap_or_else(|error| panic!("{error} in {definition}"));
        accepts(&definition).unwrap_or_else(|error| panic!("{error} in {definition}"));
        for channel in [json!("email"), json!("sms"), Value::Null] {
            definition["channel"] = channel;
            let error = Definition::read(&definition).unwrap_err().to_string();
            assert!(error.contains(path) && error.contains("notifications"), "{path}: {error}");
            accepts(&definition).expect_err("the schema must refuse it too");
        }
    }
}

#[test]
fn all_definitions_of_the_reference_scenarios_are_taken() {
    let shared = std::path::Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../../shared/reference");
    let mut looked_at = 0;
    for folder in ["scenarios", "campaign_scenarios"] {
        let Ok(entries) = std::fs::read_dir(shared.join(folder)) else {
            println!("skipped: {folder} is not there");
            continue;
        };
        for entry in entries {
            let text = std::fs::read_to_string(entry.expect("a file").path()).expect("a text");
            for scenario in read_yaml(&text).expect("it is YAML") {
                let own = scenario["define"].as_array().cloned().unwrap_or_default();
                let steps = scenario["steps"].as_array().cloned().unwrap_or_default();
                let later = steps.iter().flat_map(|step| step["define"].as_array().cloned().unwrap_or_default());
                for definition in own.into_iter().chain(later).filter(|one| one.get("from").is_none()) {
                    let read = Definition::read(&definition);
                    if read.is_ok() {
                        accepts(&definition).unwrap_or_else(|error| panic!("{error} in {definition}"));
                        looked_at += 1;
                    }
                }
            }
        }
    }
    assert!(looked_at > 20 || !shared.exists(), "{looked_at}");
}

/// A place in a value, and what to do there.
#[derive(Clone, Debug)]
enum Mutation {
    Remove(prop::sample::Index),
    Put(prop::sample::Index, &'static str, Value),
    Replace(prop::sample::Index, Value),
    Swap(prop::sample::Index, prop::sample::Index),
}

fn leaf() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(3),
        json!(0),
        json!(-1),
        json!(2.5),
        json!("3d"),
        json!("0d"),
        json!("x"),
        json!(""),
        json!("10"),
        json!("2026-01-01"),
        json!("now+3d"),
        json!(true),
        json!(false),
        json!([]),
        json!([1, 2]),
        json!(["2026-01-01", "2026-02-01"]),
        json!({}),
        json!({ "is": 1 }),
        json!({ "a": { "is": 1 } }),
        json!([{ "a": { "above": 3 } }]),
        json!({ "everyone": true }),
        json!("x".repeat(201)),
        json!({ "value": 1, "at_least": "3d" }),
        json!({ "within_next": "3d" }),
        json!("today"),
        json!("granted"),
        json!([{ "everyone": true }]),
    ])
}

fn word() -> impl Strategy<Value = &'static str> {
    let more = [
        "where",
        "within",
        "within_days",
        "after",
        "before",
        "between",
        "among",
        "has",
        "sum",
        "average",
        "distinct",
        "more_than",
        "fewer_than",
        "exactly",
        "zone",
        "ignore_case",
        "title",
        "every",
        "no_one",
        "active",
        "quiet",
        "recent",
        "periods",
        "nonsense",
        "purpose",
        "steps",
        "wait",
        "message",
        "enter",
        "again",
        "key",
        "per",
        "per_days",
    ];
    let words: Vec<&'static str> =
        domain::segment::HEADS.iter().chain(domain::value::OPERATORS).copied().chain(more).collect();
    prop::sample::select(words)
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        any::<prop::sample::Index>().prop_map(Mutation::Remove),
        (any::<prop::sample::Index>(), word(), leaf()).prop_map(|(at, key, value)| Mutation::Put(at, key, value)),
        (any::<prop::sample::Index>(), leaf()).prop_map(|(at, value)| Mutation::Replace(at, value)),
        (any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(|(a, b)| Mutation::Swap(a, b)),
    ]
}

/// JSON pointers of everything in a value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, inner)| {
            places(inner, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
        }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, inner)| places(inner, &format!("{at}/{i}"), found))
        }
        _ => {}
    }
}

fn mutate(value: &mut Value, mutation: &Mutation) {
    let mut all = Vec::new();
    places(value, "", &mut all);
    match mutation {
        Mutation::Remove(at) => {
            let place = at.get(&all);
            if let Some((parent, key)) = place.rsplit_once('/') {
                match value.pointer_mut(parent) {
                    Some(Value::Object(map)) => {
                        map.shift_remove(&key.replace("~1", "/").replace("~0", "~"));
                    }
                    Some(Value::Array(items)) if items.len() > 1 => {
                        items.remove(key.parse().expect("an index"));
                    }
                    _ => {}
                }
            }
        }
        Mutation::Put(at, key, new) => {
            let maps: Vec<&String> =
                all.iter().filter(|place| value.pointer(place).is_some_and(Value::is_object)).collect();
            if maps.is_empty() {
                return;
            }
            let place = (*at.get(&maps)).clone();
            value.pointer_mut(&place).expect("it was just there")[*key] = new.clone();
        }
        Mutation::Replace(at, new) => {
            *value.pointer_mut(at.get(all.as_slice()).as_str()).expect("it was just there") = new.clone();
        }
        Mutation::Swap(from, to) => {
            let part = value.pointer(from.get(all.as_slice()).as_str()).cloned().unwrap_or_default();
            *value.pointer_mut(to.get(all.as_slice()).as_str()).expect("it was just there") = part;
        }
    }
}

/// One of the examples, or a segment of one of its conditions.
fn definition() -> impl Strategy<Value = Value> {
    let mut all = examples();
    let conditions = all[0]["where"]["all"].as_array().cloned().unwrap_or_default();
    let inner = conditions[6]["any"].as_array().cloned().unwrap_or_default();
    all.remove(0);
    all.extend(conditions.into_iter().chain(inner).map(|one| json!({ "segment": "x", "where": one })));
    prop::sample::select(all)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn reader_and_schema_agree_on_mutated_definitions(
        mut definition in definition(),
        mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        for one in &mutations {
            mutate(&mut definition, one);
        }
        compare(&definition)?;
    }
}
