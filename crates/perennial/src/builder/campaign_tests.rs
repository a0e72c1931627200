//! Stories of the builder of campaigns: what the list of steps says is what the text says, and no button loses anything.

use super::form::draw;
use super::tests::{seen, send};
use super::{Bench, Sent, Subject, Wish, tree_of};
use domain::Campaign;
use serde_json::{Value, json};
use std::path::Path;

/// Every entry, step, wait and setting, each with all that it can say.
const LANGUAGE: &str = r#"
- { enter: { on: { enters: regulars } }, steps: [ { message: hello-again } ] }
- { enter: { on: { leaves: regulars }, again: always }, steps: [ { wait: 3d } ], state: running, people_inside: finish }
- { enter: { on: { did: Order Completed, where: { revenue: { above: 10 } }, late: 2d }, again: { after: 90d }, key: properties.order_id }, steps: [ { wait: 90s } ] }
- { enter: { on: { date: { trait: birthday, before: 3d, at: "09:00" } }, only_if: { trait: country, is: GB } }, steps: [ { wait: 3d } ] }
- { enter: { on: { date: { trait: birthday, after: 2w, yearly: false } } }, steps: [ { wait: 3d } ] }
- { enter: { on: { date: { trait: birthday } }, again: never }, steps: [ { wait: 3d } ] }
- { enter: { on: { record: { kind: pass, date: expires, before: 24h, unless: { status: { is: cancelled } } } } }, steps: [ { message: hello-again } ], purpose: service, deadline: 2d }
- { enter: { on: { record: { kind: pass, date: expires, after: 1d } } }, steps: [ { wait: 1d } ] }
- { enter: { on: { missing: { record: shipment, date: due, after: 6h, unless: { status: { in: [ delivered, lost ] } } } } }, steps: [ { wait: 1d } ] }
- { enter: { on: { missing: { did: Delivered, where: { shipment_id: { is: record.id } }, record: shipment, date: due, after: 6h } } }, steps: [ { wait: 1d } ] }
- { enter: { on: { every: "0 9 * * MON" }, only_if: { any: [ { list: vip }, { did: A, within: 3d } ] } }, steps: [ { wait: 1d } ] }
- { enter: { on: { every: "0 9 * * MON", zone: customer } }, steps: [ { wait: 1d } ] }
- enter: { on: { enters: regulars } }
  goal: { did: Order Completed, within: 14d, value: properties.revenue, where: { currency: { is: GBP } } }
  exit_if: { all: [ { did: Order Completed }, { trait: plan, is: gold } ] }
  holdout: 12.5%
  cap: { at_most: 1, per: 30d }
  priority: -3
  exclusion_group: spring
  expires_after: 36h
  state: paused
  people_inside: move
  steps:
    - { id: first, message: hello-again, channel: sms, variants: { plain: 3, restock: 0 }, approve: true }
    - { message: hello-again, variants: [ plain, restock ], allocate: bandit, approve: false }
    - { message: hello-again, variants: { plain: 1, restock: 1 }, allocate: weights }
    - { wait: { until: { did: Order Completed }, at_most: 5d } }
    - { wait: { until: { any: [ { list: vip }, { list: b } ] } } }
    - { wait: { local: "Tue-Thu 10:00-16:00" } }
    - { wait: { best_time: 24h } }
    - id: ways
      branch:
        - if: { did: Email Opened, within: 3d }
          then: [ { wait: 1d }, { branch: [ { if: { list: vip }, then: [ { reward: { points: 5 } } ] } ] } ]
        - { if: { list: b }, then: [] }
        - { else: [ { reward: { voucher: spring } }, { reward: { voucher: spring, expires: 14d } } ] }
    - { task: { title: "Call {{ customer.first_name }}", for: care, due: 2d, draft: hello-again } }
    - { task: { title: "Call \"them\"" } }
    - { set: { trait: tried, to: true } }
    - { set: { trait: tried, to: null } }
    - { set: { trait: tried, to: "12" } }
    - { set: { trait: tried, to: 12 } }
    - { webhook: { url_of: erp, event: promo.granted } }
- { enter: { on: { enters: regulars } }, cap: { at_most: 2, per_days: 7 }, purpose: news, steps: [ { wait: 1d } ] }
"#;

fn language() -> Vec<Value> {
    let found = domain::definition::read_yaml(LANGUAGE).unwrap().remove(0);
    let named = |value: &Value| {
        let mut campaign = serde_json::Map::new();
        campaign.insert("campaign".to_owned(), "subject".into());
        campaign.extend(value.as_object().unwrap().clone());
        Value::Object(campaign)
    };
    found.as_array().unwrap().iter().map(named).collect()
}

/// The largest of them.
fn large() -> Value {
    language().into_iter().max_by_key(|value| value.to_string().len()).unwrap()
}

/// Campaigns of the reference scenarios, where they are beside the workspace.
fn of_the_scenarios() -> Vec<Value> {
    fn find(value: &Value, found: &mut Vec<Value>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| find(item, found)),
            Value::Object(map) if map.contains_key("campaign") && map.contains_key("steps") => {
                found.push(value.clone())
            }
            Value::Object(map) => map.values().for_each(|inner| find(inner, found)),
            _ => {}
        }
    }
    let folder =
        Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../../shared/reference/campaign_scenarios");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("skipped: the reference scenarios are not here");
        return Vec::new();
    };
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        find(&domain::definition::read_yaml(&text).unwrap().into_iter().collect(), &mut found);
    }
    assert!(found.len() >= 9, "{}", found.len());
    found
}

fn after(definition: &Value, changed: &[(&str, &str)], wish: &str) -> Value {
    send(Subject::Campaign, definition, changed, Wish::read(wish)).definition.unwrap()
}

fn is_right(definition: &Value, why: &str) {
    let read = Campaign::read(definition);
    assert!(read.is_ok(), "{why}: {definition}: {:?}", read.err());
}

/// Whoever takes away what something else needs is told so; limits may be met by pressing on and on.
fn is_right_or_says_what_lacks(definition: &Value, why: &str) -> bool {
    let Err(error) = Campaign::read(definition) else { return true };
    let known = [
        "more than",
        "deeper than",
        "is the id of two steps",
        "`allocate: bandit`",
        "what is missing?",
        "weight above 0",
    ];
    let told = error.to_string();
    assert!(known.iter().any(|known| told.contains(known)), "{why}: {told}: {definition}");
    false
}

/// The number by which the form names a thing of a definition, found by its path.
fn number(definition: &Value, path: &str) -> u32 {
    let mut tree = &tree_of(definition);
    for part in path.split('.').filter(|part| !part.is_empty()) {
        tree = match part.parse::<usize>() {
            Ok(place) => &tree.items()[place],
            Err(_) => tree.get(part).unwrap(),
        };
    }
    tree.id().unwrap()
}

/// The steps as words, those of ways in brackets.
fn steps(value: &Value) -> String {
    let one = |step: &Value| match step.get("branch") {
        Some(ways) => {
            let inner = |way: &Value| steps(way.get("then").or_else(|| way.get("else")).unwrap());
            let ways: Vec<String> = ways.as_array().unwrap().iter().map(inner).collect();
            format!("({})", ways.join("|"))
        }
        None => step["id"].as_str().or_else(|| step["wait"].as_str()).unwrap_or("?").to_owned(),
    };
    value.as_array().unwrap().iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn nothing_that_a_campaign_can_say_is_lost_on_the_way_through_the_form() {
    for definition in language().into_iter().chain(of_the_scenarios()) {
        let back = send(Subject::Campaign, &definition, &[], Wish::Form);
        assert_eq!(back.definition.as_ref(), Some(&definition));
        assert_eq!(back.hindrance, None);
        let text = Bench::open(Subject::Campaign, &back.text);
        assert_eq!(text.definition.as_ref(), Some(&definition), "{}", back.text);
    }
}

#[test]
fn everything_that_a_campaign_can_say_has_a_field_of_its_own() {
    for definition in language() {
        is_right(&definition, "the language");
        let sent = draw(&tree_of(&definition), &seen(), &[], None).sent();
        let is_weight = |value: &str| value.parse::<u32>().is_ok();
        let raw: Vec<_> =
            sent.iter().filter(|(name, value)| name.starts_with(['J', 'j']) && !is_weight(value)).collect();
        assert!(raw.is_empty(), "{definition}: {raw:?}");
    }
}

#[test]
fn every_choice_is_right_at_once() {
    let chosen = |definition: &Value, letter: char, path: &str, words: &[super::words::Word]| {
        for (word, _) in words {
            let name = format!("{letter}.{}", number(definition, path));
            let next = after(definition, &[(&name, word)], "form");
            is_right(&next, &format!("{name} = {word}"));
        }
    };
    for definition in language() {
        chosen(&definition, 'e', "enter", super::words::TRIGGERS);
        chosen(&definition, 'g', "enter", super::words::AGAINS);
        for place in 0..definition["steps"].as_array().unwrap().len() {
            chosen(&definition, 'c', &format!("steps.{place}"), super::words::STEPS);
        }
    }
    let large = large();
    for (place, step) in large["steps"].as_array().unwrap().iter().enumerate() {
        if step.get("wait").is_some() {
            chosen(&large, 'i', &format!("steps.{place}"), super::words::WAITS);
        }
    }
    chosen(&large, 'r', "steps.7.branch.2.else.0.reward", super::words::REWARDS);
    chosen(&large, 'r', "steps.7.branch.0.then.1.branch.0.then.0.reward", super::words::REWARDS);
    for definition in language() {
        for path in ["enter.on.date", "enter.on.record"] {
            if path.split('.').try_fold(&definition, |value, key| value.get(key)).is_some() {
                chosen(&definition, 'f', path, super::words::SIDES);
            }
        }
    }
}

#[test]
fn every_button_leaves_a_campaign_that_is_right() {
    let mut pressed = 0;
    for definition in language() {
        let form = draw(&tree_of(&definition), &seen(), &[], None);
        for button in form.buttons() {
            let next = after(&definition, &[], &button);
            // A new test has to be told its property.
            if !button.starts_with("test") {
                is_right_or_says_what_lacks(&next, &button);
            }
            pressed += 1;
        }
    }
    assert!(pressed > 400, "{pressed}");
}

#[test]
fn whoever_presses_buttons_at_random_never_ends_with_something_wrong() {
    for seed in 0..40_u64 {
        let mut definition = large();
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for _ in 0..25 {
            let form = draw(&tree_of(&definition), &seen(), &[], None);
            let buttons: Vec<String> = form.buttons().into_iter().filter(|it| !it.starts_with("test")).collect();
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let button = &buttons[usize::try_from(state >> 33).unwrap() % buttons.len()];
            let next = after(&definition, &[], button);
            if !is_right_or_says_what_lacks(&next, button) {
                break;
            }
            definition = next;
        }
    }
}

#[test]
fn a_step_walks_through_the_ways_of_a_branch_and_out_again() {
    let mut definition = json!({
        "campaign": "walk", "enter": { "on": { "enters": "regulars" } },
        "steps": [
            { "id": "a", "wait": "1d" },
            { "branch": [
                { "if": { "list": "vip" }, "then": [{ "id": "b", "wait": "1d" }] },
                { "else": [] },
            ] },
            { "id": "c", "wait": "1d" },
        ],
    });
    assert_eq!(steps(&definition["steps"]), "a (b|) c");
    fn place_of(definition: &Value) -> u32 {
        fn find(tree: &super::Tree) -> Option<u32> {
            if tree.text("id") == Some("a") {
                return tree.id();
            }
            let inner = tree.entries().iter().map(|(_, tree)| tree).chain(tree.items());
            inner.filter_map(find).next()
        }
        find(&tree_of(definition)).unwrap()
    }
    let mut walk = |button: &str| {
        definition = after(&definition, &[], &format!("{button}.{}", place_of(&definition)));
        is_right(&definition, button);
        steps(&definition["steps"])
    };
    let down: Vec<String> = (0..6).map(|_| walk("down")).collect();
    assert_eq!(down, ["(a b|) c", "(b a|) c", "(b|a) c", "(b|) a c", "(b|) c a", "(b|) c a"]);
    let up: Vec<String> = (0..6).map(|_| walk("up")).collect();
    assert_eq!(up, ["(b|) a c", "(b|a) c", "(b a|) c", "(a b|) c", "a (b|) c", "a (b|) c"]);
}

#[test]
fn steps_and_ways_are_added_said_once_more_and_taken_away() {
    let base = json!({
        "campaign": "x", "enter": { "on": { "enters": "regulars" } },
        "steps": [{ "id": "a", "wait": "1d" }],
    });
    let list = number(&base, "steps");
    let with = after(&base, &[], &format!("more.{list}.branch"));
    assert_eq!(steps(&with["steps"]), "a (|)");
    let way = number(&with, "steps.1.branch.0.then");
    let with = after(&with, &[], &format!("more.{way}.message"));
    assert_eq!(with["steps"][1]["branch"][0]["then"], json!([{ "message": "hello-again" }]));
    let twice = after(&with, &[], &format!("copy.{}", number(&with, "steps.0")));
    assert_eq!(twice["steps"][1], json!({ "wait": "1d" }), "no two steps bear the same id");
    let other = after(&with, &[], &format!("copy.{}", number(&with, "steps.1.branch.0")));
    assert_eq!(other["steps"][1]["branch"].as_array().unwrap().len(), 3);
    let without = after(&with, &[], &format!("remove.{}", number(&with, "steps.1.branch.0")));
    assert_eq!(steps(&without["steps"]), "a", "a branch goes with its last way");
    let last = after(&without, &[], &format!("remove.{}", number(&without, "steps.0")));
    assert_eq!(last, without, "the last step stays");
    let inside = after(&base, &[], "inside.0.move");
    assert_eq!(inside["people_inside"], "move");
    assert_eq!(after(&inside, &[], "inside.0.finish"), base);
}

#[test]
fn variants_are_shared_by_weights_or_by_what_works() {
    let base = json!({
        "campaign": "x", "enter": { "on": { "enters": "regulars" } }, "goal": { "did": "Order Completed" },
        "steps": [{ "message": "hello-again" }],
    });
    let step = number(&base, "steps.0");
    let shared = after(&base, &[], &format!("put.{step}.variants"));
    assert_eq!(shared["steps"][0]["variants"], json!({ "plain": 1, "restock": 1 }), "those of the template");
    let map = number(&shared, "steps.0.variants");
    let weight = format!("J.{map}.plain");
    let weighed = after(&shared, &[(&weight, "3")], "form");
    assert_eq!(weighed["steps"][0]["variants"], json!({ "plain": 3, "restock": 1 }));
    let renamed = after(&shared, &[(&weight, "3"), (&format!("k.{map}.0"), "simple")], "form");
    assert_eq!(renamed["steps"][0]["variants"], json!({ "simple": 3, "restock": 1 }));
    let works = after(&shared, &[(&format!("t.{step}.allocate"), "bandit")], "form");
    assert_eq!(works["steps"][0]["allocate"], "bandit");
    is_right(&works, "what works");
    let third = after(&shared, &[], &format!("variant.{step}"));
    assert_eq!(third["steps"][0]["variants"], json!({ "plain": 1, "restock": 1, "variant-1": 1 }));
    let none = after(&third, &[], &format!("drop.{step}.variants"));
    assert_eq!(none, base);
}

#[test]
fn what_stands_beside_a_campaign_in_its_text_stays_there() {
    let text = "# Ours\ncampaign: hello\nenter: { on: { enters: regulars } }\nsteps: [ { message: hi } ]\n---\ntemplate: hi\nsubject: Hi\nbody: |\n  Hello\n";
    let bench = Bench::open(Subject::Campaign, text);
    let definition = bench.definition.clone().unwrap();
    assert_eq!(definition.as_array().map(Vec::len), Some(2));
    let form = draw(&tree_of(&definition), &seen(), &[], None);
    assert_eq!(form.sections.len(), 4);
    // Nobody touched anything: the text stays as it was written, with its comment.
    let fields = form.sent();
    let sent = Sent { definition: Some(definition.clone()), fields, text: bench.text.clone(), shown: bench.shown };
    assert_eq!(Bench::turn(Subject::Campaign, sent, Wish::Go, &seen()).text, text);
    let list = number(&definition, "0.steps");
    let next = send(Subject::Campaign, &definition, &[], Wish::read(&format!("more.{list}.wait")));
    let next = Bench::open(Subject::Campaign, &next.text).definition.unwrap();
    assert_eq!(next[0]["steps"], json!([{ "message": "hi" }, { "wait": "3d" }]));
    assert_eq!(next[1], definition[1]);
    let none = "campaign: a\n---\ncampaign: b\n";
    for other in [none, "segment: s\nwhere: { everyone: true }\n", "3", ""] {
        assert_eq!(Bench::open(Subject::Campaign, other).definition, None, "{other}");
    }
}

#[test]
fn what_is_wrong_stands_beside_the_step_that_is_wrong() {
    let definition = large();
    let paths = [
        ("steps[0].variants", "steps.0"),
        ("steps[7].branch[0].then[1].branch[0].then[0].reward.points", "steps.7.branch.0.then.1.branch.0.then.0"),
        ("steps[7].branch[1].if", "steps.7.branch.1.if"),
        ("enter.on.enters", "enter.on"),
        ("goal.within", "goal"),
    ];
    for (path, place) in paths {
        let trouble = (path.to_owned(), "it is wrong".to_owned());
        let form = draw(&tree_of(&definition), &seen(), &[trouble], None);
        let told: Vec<String> =
            form.places().into_iter().filter(|(_, words)| !words.is_empty()).map(|(place, _)| place).collect();
        assert_eq!(told, [format!("n{}", number(&definition, place))], "{path}");
        assert!(form.troubles.is_empty());
    }
    let trouble = ("holdout".to_owned(), "it is wrong".to_owned());
    let form = draw(&tree_of(&definition), &seen(), &[trouble], None);
    assert!(form.places().iter().any(|(place, words)| place == "runs" && words.len() == 1));
}

#[test]
fn whatever_is_sent_in_is_no_danger() {
    let odd =
        ["c.1", "e.2", "g.1", "i.4", "r.5", "f.3", "x.5", "k.5.0", "J.5.a", "T.4.message", "t.0.state", "h.2", "o.2"];
    let values =
        ["", "a", "\u{0}", "{", "[[[[", "branch", "until", "after", "every", "voucher", "{\"a\": {\"b\": []}}"];
    let wishes = ["form", "text", "go", "more.3.branch", "more.0.wait", "way.4", "otherwise.4", "variant.4", "up.4"];
    let more =
        ["down.4", "copy.4", "remove.4", "remove.3", "put.0.goal", "drop.0.enter", "inside.0.move", "inside.9.x"];
    for definition in [
        json!({ "campaign": "x" }),
        json!({ "campaign": "x", "enter": 3, "steps": { "a": 1 } }),
        json!({ "campaign": "x", "enter": { "on": [] }, "steps": [3, [], {}, { "branch": [3, { "then": 4 }] }] }),
        json!({ "campaign": "x", "enter": { "on": { "date": 3, "record": 4 } }, "steps": [{ "wait": { "until": 3 } }] }),
        json!([{ "campaign": "x", "steps": [{ "branch": [] }] }, { "template": "y" }]),
        json!([{ "campaign": "x" }, { "campaign": "y" }, 3]),
        large(),
    ] {
        for name in odd {
            for value in values {
                let fields = vec![(name.to_owned(), value.to_owned())];
                let sent =
                    Sent { definition: Some(definition.clone()), fields, text: value.to_owned(), shown: String::new() };
                for wish in wishes.into_iter().chain(more) {
                    let after = Bench::turn(Subject::Campaign, sent.clone(), Wish::read(wish), &seen());
                    if let Some(tree) = after.tree() {
                        draw(&tree, &seen(), &[("steps[0]".to_owned(), "x".to_owned())], after.new);
                    }
                }
            }
        }
    }
}
