//! Stories of the builder: what is said in one form is said in the other, and no button loses anything.

use super::form::draw;
use super::{Bench, Seen, SeenName, SeenTemplate, SeenThing, Sent, Subject, Wish, tree_of};
use domain::Segment;
use serde_json::{Value, json};
use std::path::Path;

pub(super) fn seen() -> Seen {
    let name = |name: &str, is_number| SeenName { name: name.to_owned(), values: vec!["GBP".to_owned()], is_number };
    Seen {
        events: vec!["Page Viewed".to_owned(), "Order Completed".to_owned()],
        properties: vec![SeenThing {
            name: "Order Completed".to_owned(),
            names: vec![name("currency", false), name("revenue", true), name("products[].category", false)],
        }],
        traits: vec![name("plan", false)],
        records: vec![SeenThing { name: "pass".to_owned(), names: vec![name("status", false)] }],
        lists: vec!["vip".to_owned()],
        segments: vec![("regulars".to_owned(), "Regulars".to_owned())],
        purposes: vec!["marketing".to_owned()],
        templates: vec![SeenTemplate {
            name: "hello-again".to_owned(),
            channel: "email".to_owned(),
            variants: vec!["plain".to_owned(), "restock".to_owned()],
        }],
        pools: vec!["spring".to_owned()],
        endpoints: vec!["erp".to_owned()],
        campaigns: vec!["win-back".to_owned()],
        zone: "Europe/London".to_owned(),
    }
}

fn segment(rule: &str) -> Value {
    let rule = domain::definition::read_yaml(rule).unwrap().remove(0);
    json!({ "segment": "subject", "title": "A title", "where": rule })
}

/// Sends the form of a definition as a browser would, with some fields changed.
pub(super) fn send(subject: Subject, definition: &Value, changed: &[(&str, &str)], wish: Wish<'_>) -> Bench {
    let mut fields = draw(&tree_of(definition), &seen(), &[], None).sent();
    for (name, value) in changed {
        let field = fields.iter_mut().find(|(other, _)| other == name);
        field.unwrap_or_else(|| panic!("no field {name} for {definition}")).1 = (*value).to_owned();
    }
    let open = Bench::of(definition.clone());
    let sent = Sent { definition: Some(definition.clone()), fields, text: open.text, shown: open.shown };
    Bench::turn(subject, sent, wish, &seen())
}

/// Nothing of a definition is lost on the way through the form, nor through the text that the form makes of it.
pub(super) fn comes_back(subject: Subject, definition: &Value) {
    let form = draw(&tree_of(definition), &seen(), &[], None);
    let back = send(subject, definition, &[], Wish::Form);
    assert_eq!(back.definition.as_ref(), Some(definition), "{:?}", form.sent());
    assert_eq!(back.hindrance, None);
    let text = Bench::open(subject, &back.text);
    assert_eq!(text.definition.as_ref(), Some(definition), "{}", back.text);
}

fn rule_after(rule: &str, changed: &[(&str, &str)], wish: &str) -> Value {
    send(Subject::Segment, &segment(rule), changed, Wish::read(wish)).definition.unwrap()["where"].clone()
}

/// Every condition and operator of the language, each with all that it can say.
const LANGUAGE: &str = r#"
- { everyone: true }
- { segment: regulars }
- { all: [ { did: A }, { any: [ { list: vip }, { none: [ { did: B } ] } ] }, { not: { not: { did: C } } } ] }
- { did: Order Completed }
- { did: "Order *", at_least: 3, within: 365d, zone: Europe/Berlin }
- { did: A, more_than: 1, fewer_than: 5, within_days: 0 }
- { did: A, exactly: 0, after: "2026-01-01", before: "2026-02-01T09:00:00Z", within: 90s }
- { did: A, at_most: 2, between: [2026-01-01, 2026-02-01] }
- { did: A, sum: revenue, at_least: 100.50, within: 2w, where: { currency: { is: GBP } } }
- { did: A, average: '["odd key"].x', above: "10" }
- { did: A, largest: revenue, below: -5 }
- { did: A, smallest: revenue, at_most: 5 }
- { did: A, distinct: sku, at_least: 2 }
- { did_not: A, within: 30d, where: [ { a: { is: 1 } }, { a: { is_not: "1" } } ] }
- { last: A, where: { a: { exists: true } }, among: { b: { is: x } }, has: { c: { above: 5 } } }
- { first: A, has: { any: [ { a: { is: 1 }, b: { is: 2 } }, { all: [ { c: { is: 3 } } ] } ], none: [ { d: { is: 4 } } ] } }
- { sequence: { first: { did: A, where: { x: { is: y } }, zone: UTC }, then: { did: B }, within: 2h, same: sku, recent: 7d } }
- { sequence: { first: { did: A }, then_not: { did: B, where: { x: { is: y } } }, within: 2h } }
- { first_time: A, within: 7d, where: { x: { is: y } } }
- { stopped: A, active: 14d, quiet: 7d }
- { restarted: A, quiet: 5d, recent: 2d }
- { regularly: A, every: 1d, periods: 3 }
- { regularly: A, every: 1d, periods: 3, at_least_periods: 2, at_least: 4 }
- { record: pass, any: { status: { is: active }, expires: { within_next: 3d }, plan: { held_for: { value: gold, less_than: 7d } } } }
- { record: pass, every: [ { status: { is: active } } ] }
- { record: pass, no_one: { status: { is: active } }, zone: UTC }
- { record: pass, at_least: 2, where: { status: { is: active } } }
- { record: pass, exactly: 0 }
- { record: pass, sum: price, at_least: 10 }
- { record: pass, at_most: 3 }
- { consent: { purpose: marketing, channel: email, is: granted } }
- { consent: { purpose: news, is: unknown } }
- { consent: { purpose: news, channel: email, is: granted, ends_within: 30d } }
- { consent: { purpose: news, is: pending } }
- { list: vip }
- { known_for: { at_least: 7d } }
- { known_for: { less_than: 24h } }
- { score: buys_within_30d, above: 0.5 }
- { score: buys_within_30d, exists: false }
- { bucket: { seed: s, percent: 50 } }
- { bucket: { seed: "1", percent: "12.5%" } }
- { trait: plan, is: gold }
- { trait: plan, is: null }
- { trait: plan, is: "" }
- { trait: plan, is_not: true, ignore_case: true }
- { trait: plan, in: [ gold, "1", 2, true, " spaced " ] }
- { trait: plan, not_in: [ gold ], ignore_case: false }
- { trait: plan, exists: false }
- { trait: n, between: [ 1, "2" ] }
- { trait: n, above: 1e3 }
- { trait: plan, contains: "a\nb" }
- { trait: plan, not_contains: b }
- { trait: plan, starts_with: b, ignore_case: true }
- { trait: plan, ends_with: "<b>" }
- { trait: plan, matches: "^a.*z$" }
- { trait: tags, includes: x }
- { trait: tags, not_includes: 5 }
- { trait: since, before: now-3d, zone: Europe/Berlin }
- { trait: since, after: 2026-01-31T09:00:00Z }
- { trait: since, within_past: 30d }
- { trait: since, within_next: 24h }
- { trait: since, on_day: today }
- { trait: since, on_day: -7d, zone: UTC }
- { trait: birthday, anniversary: today }
- { trait: birthday, anniversary: { within_next: 3d } }
- { trait: plan, held_for: { value: gold, at_least: 7d } }
- { trait: pets, any: { kind: { is: dog }, age: { above: 3 } } }
- { trait: pets, every: { kind: { is: dog } } }
- { trait: pets, no_one: { kind: { is: dog } } }
- { did: A, where: { products: { any: { category: { is: tea }, price: { above: 5 } } }, any: [ { x: { is: 1 } }, { y: { is: 2 } } ] } }
"#;

fn language() -> Vec<Value> {
    let rules = domain::definition::read_yaml(LANGUAGE).unwrap().remove(0);
    let wrap = |rule: &Value| json!({ "segment": "subject", "where": rule });
    rules.as_array().unwrap().iter().map(wrap).collect()
}

/// Segments of the reference scenarios, where they are beside the workspace.
fn of_the_scenarios() -> Vec<Value> {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../../shared/reference/scenarios");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("skipped: the reference scenarios are not here");
        return Vec::new();
    };
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let Ok(documents) = domain::definition::read_yaml(&text) else { continue };
        find_with(["segment", "where"], &documents.into_iter().collect(), &mut found);
    }
    assert!(found.len() > 40, "{}", found.len());
    found
}

/// Every map in a value that has both keys.
pub(super) fn find_with(keys: [&str; 2], value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| find_with(keys, item, found)),
        Value::Object(map) if keys.iter().all(|key| map.contains_key(*key)) => found.push(value.clone()),
        Value::Object(map) => map.values().for_each(|inner| find_with(keys, inner, found)),
        _ => {}
    }
}

/// Rules made of others, by a number: groups in groups over everything that the language can say.
fn grown(number: u64) -> Value {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut draw = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let leaves = language();
    fn grow(draw: &mut impl FnMut(u64) -> u64, leaves: &[Value], depth: u64) -> Value {
        let kind = draw(8);
        if depth == 0 || kind > 4 {
            let place = usize::try_from(draw(leaves.len() as u64)).unwrap();
            return leaves[place]["where"].clone();
        }
        if kind == 0 {
            return json!({ "not": grow(draw, leaves, depth - 1) });
        }
        let word = ["all", "any", "none", "all"][usize::try_from(kind - 1).unwrap()];
        let count = 1 + draw(4);
        let inner: Vec<Value> = (0..count).map(|_| grow(draw, leaves, depth - 1)).collect();
        json!({ word: inner })
    }
    json!({ "segment": "subject", "where": grow(&mut draw, &leaves, 4) })
}

#[test]
fn nothing_that_the_language_can_say_is_lost_on_the_way_through_the_form() {
    let grown = (1..300).map(grown);
    for definition in language().into_iter().chain(of_the_scenarios()).chain(grown) {
        // Of the scenarios some may be wrong on purpose; those come back as they were too.
        comes_back(Subject::Segment, &definition);
    }
}

#[test]
fn every_condition_and_operator_has_fields_of_its_own() {
    for definition in language() {
        assert!(Segment::read(&definition).is_ok(), "{definition}");
        let sent = draw(&tree_of(&definition), &seen(), &[], None).sent();
        let raw: Vec<_> = sent.iter().filter(|(name, _)| name.starts_with(['J', 'j'])).collect();
        assert!(raw.is_empty(), "{definition}: {raw:?}");
    }
}

#[test]
fn every_kind_of_condition_can_be_chosen_and_is_right_at_once() {
    for (_, heads) in super::words::HEADS {
        for (head, _) in *heads {
            let after = send(
                Subject::Segment,
                &segment("{ did: Order Completed, at_least: 2, where: { currency: { is: GBP } } }"),
                &[("h.1", head)],
                Wish::Form,
            );
            let definition = after.definition.unwrap();
            let read = Segment::read(&definition);
            assert!(read.is_ok(), "{head}: {definition}: {read:?}");
            assert_eq!(
                super::buttons::head_of(tree_of(&definition).get("where").unwrap()),
                Some(*head),
                "{definition}"
            );
        }
    }
}

#[test]
fn every_operator_can_be_chosen_and_keeps_what_it_can() {
    for (_, operators) in super::words::OPERATORS {
        for (operator, _) in *operators {
            let rule = rule_after("{ trait: plan, is: \"12\" }", &[("o.1", operator)], "form");
            let segment = json!({ "segment": "subject", "where": rule });
            let read = Segment::read(&segment);
            assert!(read.is_ok(), "{operator}: {segment}: {read:?}");
        }
    }
    assert_eq!(
        rule_after("{ trait: plan, is: gold }", &[("o.1", "in")], "form"),
        json!({ "trait": "plan", "in": ["gold"] })
    );
    assert_eq!(
        rule_after("{ trait: plan, is: gold, ignore_case: true }", &[("o.1", "above")], "form"),
        json!({ "trait": "plan", "above": 0 })
    );
}

#[test]
fn every_measure_and_window_can_be_chosen() {
    for (measure, _) in super::words::MEASURES {
        let rule = rule_after("{ did: A, at_least: 3, within: 30d }", &[("m.1", measure)], "form");
        assert!(Segment::read(&json!({ "segment": "subject", "where": rule })).is_ok(), "{measure}: {rule}");
    }
    for (window, _) in super::words::WINDOWS {
        let rule = rule_after("{ did: A, within: 30d }", &[("w.1.within", window)], "form");
        assert!(Segment::read(&json!({ "segment": "subject", "where": rule })).is_ok(), "{window}: {rule}");
    }
    assert_eq!(rule_after("{ did: A }", &[("w.1.-", "within")], "form"), json!({ "did": "A", "within": "30d" }));
    for (question, _) in super::words::RECORD_QUESTIONS {
        let rule = rule_after("{ record: pass, any: { status: { is: x } } }", &[("q.1", question)], "form");
        assert!(Segment::read(&json!({ "segment": "subject", "where": rule })).is_ok(), "{question}: {rule}");
        assert!(rule.to_string().contains("status"), "{question}: {rule}");
    }
}

#[test]
fn what_is_typed_becomes_what_is_meant() {
    let rule = "{ did: Order Completed, at_least: 3, within: 365d, where: { currency: { is: GBP } } }";
    let typed = [
        ("T.1.did", "Product *"),
        ("N.1.at_least", "5"),
        ("D.1.within", "2"),
        ("u.1.within", "w"),
        ("k.2.0", "total"),
        ("S.3.is", "12.50"),
    ];
    let wanted = json!({ "did": "Product *", "at_least": 5, "within": "2w", "where": { "total": { "is": "12.50" } } });
    assert_eq!(rule_after(rule, &typed, "form"), wanted);
    let wanted = json!({ "trait": "plan", "in": ["a", 2, true, "b c"] });
    assert_eq!(rule_after("{ trait: plan, in: [ x ] }", &[("L.1.in", "a\r\n2\r\ntrue\r\n\r\n b c ")], "form"), wanted);
}

#[test]
fn buttons_add_move_and_take_away() {
    let two = "{ all: [ { list: a }, { any: [ { list: b }, { list: c } ] } ] }";
    let lists = |rule: &Value| rule.to_string().replace("{\"list\":", "").replace('}', "");
    assert_eq!(lists(&rule_after(two, &[], "down.3")), r#"{"all":[{"any":["a","b","c"]]"#);
    assert_eq!(lists(&rule_after(two, &[], "up.6")), r#"{"all":["a","b",{"any":["c"]]"#);
    assert_eq!(lists(&rule_after(two, &[], "remove.3")), r#"{"all":[{"any":["b","c"]]"#);
    assert_eq!(lists(&rule_after(two, &[], "unwrap.4")), r#"{"all":["a","b","c"]"#);
    assert_eq!(lists(&rule_after(two, &[], "copy.3")), r#"{"all":["a","a",{"any":["b","c"]]"#);
    assert_eq!(lists(&rule_after(two, &[], "wrap.3")), r#"{"all":[{"any":["a"],{"any":["b","c"]]"#);
    let added = rule_after("{ list: a }", &[], "add.1");
    assert_eq!(added["all"][0], json!({ "list": "a" }));
    assert_eq!(added["all"][1]["did"], "Order Completed");
    assert_eq!(rule_after("{ list: a }", &[], "remove.1"), json!({ "everyone": true }));
    assert_eq!(
        rule_after("{ all: [ { list: a }, { any: [ { list: b } ] } ] }", &[], "remove.6"),
        json!({ "all": [{ "list": "a" }] })
    );
    let offered = rule_after("{ did: Order Completed }", &[], "put.1.where");
    assert_eq!(offered["where"], json!({ "currency": { "exists": true } }), "a property that a test can name");
    let tested = rule_after("{ did: A, where: { a: { is: 1 } } }", &[], "test.2");
    assert_eq!(tested["where"], json!({ "a": { "is": 1 }, "": { "exists": true } }));
    let again = send(Subject::Segment, &json!({ "segment": "s", "where": tested }), &[], Wish::read("test.2"))
        .definition
        .unwrap();
    assert_eq!(again["where"]["where"].as_array().map(Vec::len), Some(3), "{again}: a key that would stand twice");
}

#[test]
fn any_button_on_any_definition_leaves_a_definition() {
    let words = ["add", "group", "remove", "up", "down", "copy", "wrap", "unwrap", "test", "tests"];
    let puts =
        ["where", "among", "zone", "same", "recent", "channel", "ignore_case", "window", "at_least", "ends_within"];
    for number in (1..40).step_by(6) {
        let definition = grown(number);
        for id in 0..30 {
            let steps = words.iter().map(|word| format!("{word}.{id}"));
            let steps = steps
                .chain(puts.iter().map(|key| format!("put.{id}.{key}")))
                .chain([format!("droptest.{id}.0"), format!("drop.{id}.where")]);
            for step in steps {
                let after = send(Subject::Segment, &definition, &[], Wish::read(&step)).definition.unwrap();
                assert!(after.get("where").is_some(), "{step} on {definition}");
                draw(&tree_of(&after), &seen(), &[], None);
            }
        }
    }
}

#[test]
fn form_and_text_follow_each_other_and_nobody_loses_what_they_wrote() {
    let definition = segment("{ did: A, within: 30d }");
    let open = Bench::of(definition.clone());
    let fields = draw(&tree_of(&definition), &seen(), &[], None).sent();
    let typed = open.text.replace("30d", "45d");
    let sent = Sent {
        definition: Some(definition.clone()),
        fields: fields.clone(),
        text: typed.replace('\n', "\r\n"),
        shown: open.shown.clone(),
    };
    let after = Bench::turn(Subject::Segment, sent.clone(), Wish::Go, &seen());
    assert_eq!(after.definition.as_ref().unwrap()["where"]["within"], "45d");
    assert_eq!(after.text, typed, "the text stays as it was written");
    // Both changed: nothing is thrown away, and it is said.
    let mut both = sent.clone();
    both.fields.iter_mut().find(|(name, _)| name == "T.1.did").unwrap().1 = "B".to_owned();
    let after = Bench::turn(Subject::Segment, both.clone(), Wish::Go, &seen());
    assert!(after.hindrance.unwrap().contains("both"));
    assert_eq!((after.text.as_str(), after.definition.unwrap()["where"]["did"].as_str()), (typed.as_str(), Some("B")));
    assert_eq!(
        Bench::turn(Subject::Segment, both.clone(), Wish::Text, &seen()).definition.unwrap()["where"]["did"],
        "A"
    );
    assert_eq!(Bench::turn(Subject::Segment, both, Wish::Form, &seen()).definition.unwrap()["where"]["did"], "B");
    // A text that cannot be read leaves the form as it is.
    let broken = Sent { text: "where: [".to_owned(), ..sent.clone() };
    let after = Bench::turn(Subject::Segment, broken, Wish::Go, &seen());
    assert!(after.hindrance.is_some() && after.definition == Some(definition.clone()));
    // A button pressed with a changed text reads the text first.
    let after = Bench::turn(Subject::Segment, sent, Wish::read("add.1"), &seen());
    assert_eq!(after.definition.as_ref().unwrap()["where"]["within"], "45d");
    assert!(after.hindrance.unwrap().contains("press the button again"));
}

#[test]
fn what_is_wrong_stands_beside_what_it_is_about() {
    let definition = json!({ "segment": "s", "where": { "all": [{ "list": "a" }, { "did": "A", "witin": "3d" }] } });
    let error = Segment::read(&definition).unwrap_err();
    let form = draw(&tree_of(&definition), &seen(), &[(error.path, error.message)], None);
    let troubles: Vec<_> = form.places().into_iter().filter(|(_, troubles)| !troubles.is_empty()).collect();
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert_eq!(troubles[0].0, "n4");
    assert!(troubles[0].1[0].contains("did you mean `within`"), "{troubles:?}");
    let raw: Vec<_> = form.sent().into_iter().filter(|(name, _)| name == "J.4.witin").collect();
    assert_eq!(raw, [("J.4.witin".to_owned(), "\"3d\"".to_owned())], "the stranger is shown too");
}

#[test]
fn whatever_somebody_sends_as_a_form_is_no_panic() {
    let odd = [
        "",
        ".",
        "T",
        "T.",
        "T.x",
        "T.1",
        "k.1.9",
        "h.0",
        "h.99",
        "d.1.within",
        "u.1.within",
        "J.1.where",
        "w.1.",
        "m.1",
        "o.1",
    ];
    let values = [
        "",
        "a",
        "\u{0}",
        "{",
        "[[[[",
        "999999999999999999999999",
        "-1",
        "é",
        "all",
        "then",
        "range",
        "between",
        "any",
    ];
    for definition in [
        json!({}),
        json!({ "where": [] }),
        json!({ "where": 3 }),
        segment("{ did: A, within: 30d }"),
        json!({ "segment": 1, "where": { "all": [3, [], {}, { "did": { "x": 1 } }] } }),
    ] {
        for name in odd {
            for value in values {
                let fields = vec![(name.to_owned(), value.to_owned())];
                let sent =
                    Sent { definition: Some(definition.clone()), fields, text: value.to_owned(), shown: String::new() };
                for wish in ["form", "text", "go", "add.0", "unwrap.1", "up.2", "remove.0", "wrap.0", "test.1"] {
                    let after = Bench::turn(Subject::Segment, sent.clone(), Wish::read(wish), &seen());
                    if let Some(tree) = after.tree() {
                        draw(&tree, &seen(), &[], after.new);
                    }
                }
            }
        }
    }
}
