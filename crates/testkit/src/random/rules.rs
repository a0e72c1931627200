//! Random rules: every condition and operator, in groups and by themselves.

use crate::chance::Chance;
use crate::random::{KINDS, RECORD_KINDS, ZONES, near};
use domain::{Span, Timestamp};
use serde_json::{Map, Value, json};

const SPANS: [&str; 7] = ["90s", "1h", "6h", "12h", "1d", "3d", "10d"];

/// A few segments, some made of others. Their names are `s0`, `s1` …
pub fn segments(chance: &mut Chance, now: Timestamp) -> Vec<Value> {
    let count = 2 + chance.below(3);
    (0..count)
        .map(|number| json!({ "segment": format!("s{number}"), "where": condition(chance, now, number, 0) }))
        .collect()
}

/// The purpose `news`, about which rules ask.
pub fn purpose(chance: &mut Chance) -> Value {
    let mut aside = chance.aside(1);
    let default = *chance.pick(&["granted", "unknown"]);
    let mut purpose = json!({ "purpose": "news", "channels": ["email", "sms"] });
    if aside.happens(40) {
        purpose["default"] = default.into();
        return purpose;
    }
    if aside.happens(70) {
        let clocks = [json!({ "did": "order", "for": "3d" }), json!({ "did": "visit", "for": span(&mut aside) })];
        let count = 1 + usize::from(aside.happens(50));
        purpose["implied"] = clocks.iter().take(count).cloned().collect::<Vec<_>>().into();
    }
    if aside.happens(50) {
        purpose["confirm"] = json!({ "within": span(&mut aside) });
    }
    purpose
}

/// Where a test stands: only what keeps its past can be asked how long it has been so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Event,
    Profile,
    Record,
    Element,
}

fn condition(chance: &mut Chance, now: Timestamp, number: u64, depth: u32) -> Value {
    if depth < 3 && chance.happens(40) {
        let inner = |chance: &mut Chance| condition(chance, now, number, depth + 1);
        if chance.happens(25) {
            return json!({ "not": inner(chance) });
        }
        let word = *chance.pick(&["all", "any", "none"]);
        let list: Vec<Value> = (0..1 + chance.below(3)).map(|_| inner(chance)).collect();
        return json!({ word: list });
    }
    match chance.below(100) {
        0..6 if number > 0 => json!({ "segment": format!("s{}", chance.below(number)) }),
        0..7 => json!({ "everyone": true }),
        7..27 => trait_condition(chance, now),
        27..31 => json!({ "list": "vip" }),
        31..36 => consent(chance),
        36..40 => json!({ "known_for": { (*chance.pick(&["at_least", "less_than"])): span(chance) } }),
        40..42 => json!({ "bucket": { "seed": "s", "percent": 50 } }),
        42..43 => with(json!({ "score": "buys_within_30d" }), value_test(chance, "")),
        43..57 => record_condition(chance, now),
        57..70 => did_condition(chance, now),
        70..77 => at_end(chance, now),
        77..84 => sequence(chance, now),
        84..87 => {
            let condition = json!({ "first_time": event(chance), "within": long_span(chance) });
            with(condition, narrowed(chance, now))
        }
        87..91 => {
            let (active, quiet) = *chance.pick(&[("12h", "6h"), ("3d", "1d"), ("10d", "3d"), ("1d", "1h")]);
            with(json!({ "stopped": event(chance), "active": active, "quiet": quiet }), narrowed(chance, now))
        }
        91..95 => {
            let condition = json!({ "restarted": event(chance), "quiet": chance.pick(&["1h", "6h", "12h", "1d"]), "recent": long_span(chance) });
            with(condition, narrowed(chance, now))
        }
        _ => regularly(chance, now),
    }
}

fn consent(chance: &mut Chance) -> Value {
    let mut aside = chance.aside(1);
    let state = *chance.pick(&["granted", "withdrawn", "expired", "unknown"]);
    let state = if state == "unknown" && aside.happens(50) { "pending" } else { state };
    let mut asked = json!({ "purpose": "news", "is": state });
    if matches!(state, "granted" | "pending") && aside.happens(40) {
        asked["ends_within"] = span(&mut aside);
    }
    if chance.happens(60) {
        asked["channel"] = (*chance.pick(&["email", "sms"])).into();
    }
    json!({ "consent": asked })
}

fn span(chance: &mut Chance) -> Value {
    (*chance.pick(&SPANS)).into()
}

/// A span in which several things happen.
fn long_span(chance: &mut Chance) -> Value {
    (*chance.pick(&["6h", "12h", "1d", "3d", "3d", "10d"])).into()
}

fn event(chance: &mut Chance) -> Value {
    (*chance.pick(&["visit", "visit", "visit", "order", "order", "visit*", "visit*", "Page Viewed", "never"])).into()
}

/// `where` and `zone`, each sometimes.
fn narrowed(chance: &mut Chance, now: Timestamp) -> Value {
    let mut more = zoned(chance);
    if chance.happens(30) {
        more["where"] = tests(chance, now, Of::Event, 0);
    }
    more
}

fn zoned(chance: &mut Chance) -> Value {
    if chance.happens(20) { json!({ "zone": chance.pick(&ZONES) }) } else { json!({}) }
}

fn did_condition(chance: &mut Chance, now: Timestamp) -> Value {
    let event = event(chance);
    let mut condition = if chance.happens(20) {
        json!({ "did_not": event })
    } else {
        with(json!({ "did": event }), measure(chance, &["n", "n", "kind", "[\"first name\"][\"a.b\"]"]))
    };
    if chance.happens(55) {
        condition["within"] = span(chance);
    }
    if chance.happens(20) {
        condition["within_days"] = chance.below(4).into();
    }
    if chance.happens(15) {
        match chance.below(3) {
            0 => condition["between"] = json!([window_edge(chance, now), window_edge(chance, now)]),
            _ => condition[*chance.pick(&["after", "before"])] = window_edge(chance, now),
        }
    }
    with(condition, narrowed(chance, now))
}

/// Edges of a window may move with now.
fn window_edge(chance: &mut Chance, now: Timestamp) -> Value {
    match chance.below(4) {
        0 => (*chance.pick(&["now", "now-6h", "now-3d", "now-5d", "now+12h"])).into(),
        _ => edge(chance, now),
    }
}

fn edge(chance: &mut Chance, now: Timestamp) -> Value {
    let text = near(chance, now, Span::days(8), Span::days(4)).to_string();
    match chance.below(3) {
        0 => text.get(..10).unwrap_or("").into(),
        1 => text.get(..16).map(|text| format!("{text}:00")).unwrap_or_default().into(),
        _ => text.into(),
    }
}

/// A count or an aggregate over one of some paths; nothing means at least once.
fn measure(chance: &mut Chance, paths: &[&str]) -> Value {
    match chance.below(15) {
        0 => json!({ "at_least": 2 }),
        1 => json!({ "at_most": 1 }),
        2 => json!({ "exactly": chance.below(3) }),
        3 => json!({ "more_than": 1, "fewer_than": 4 }),
        4 => json!({ "at_least": 1, "at_most": 2 }),
        5..10 => {
            let path = if chance.happens(6) { bad_path(chance) } else { *chance.pick(paths) };
            let aggregate = *chance.pick(&["sum", "average", "largest", "smallest", "distinct"]);
            let limit = if aggregate == "distinct" { chance.between(0, 2) } else { chance.between(-1, 4) * 5 };
            json!({ aggregate: path, (*chance.pick(&["above", "at_least", "below", "at_most"])): limit })
        }
        _ => json!({}),
    }
}

fn at_end(chance: &mut Chance, now: Timestamp) -> Value {
    let mut condition = json!({ (*chance.pick(&["last", "first"])): event(chance) });
    if chance.happens(40) {
        condition["among"] = tests(chance, now, Of::Event, 0);
    }
    condition["has"] = tests(chance, now, Of::Event, 0);
    with(condition, narrowed(chance, now))
}

fn sequence(chance: &mut Chance, now: Timestamp) -> Value {
    let member = |chance: &mut Chance| with(json!({ "did": event(chance) }), narrowed(chance, now));
    let then = if chance.happens(50) { "then" } else { "then_not" };
    let mut sequence = json!({ "first": member(chance), then: member(chance), "within": long_span(chance) });
    if chance.happens(35) {
        sequence["same"] = if chance.happens(8) { bad_path(chance) } else { *chance.pick(&["kind", "n"]) }.into();
    }
    if chance.happens(40) {
        sequence["recent"] = long_span(chance);
    }
    json!({ "sequence": sequence })
}

fn regularly(chance: &mut Chance, now: Timestamp) -> Value {
    let periods = 1 + chance.below(4);
    let mut condition = json!({ "regularly": event(chance), "every": long_span(chance), "periods": periods });
    if chance.happens(60) {
        condition["at_least_periods"] = (1 + chance.below(periods)).into();
    }
    if chance.happens(40) {
        condition["at_least"] = (1 + chance.below(2)).into();
    }
    with(condition, narrowed(chance, now))
}

fn trait_condition(chance: &mut Chance, now: Timestamp) -> Value {
    let (path, test) = path_and_test(chance, now, Of::Profile, 0);
    with(json!({ "trait": path }), test)
}

fn record_condition(chance: &mut Chance, now: Timestamp) -> Value {
    let condition = json!({ "record": chance.pick(&RECORD_KINDS) });
    let condition = with(condition, zoned(chance));
    if chance.happens(55) {
        let word = *chance.pick(&["any", "every", "no_one"]);
        let tests = tests(chance, now, Of::Record, 0);
        return with(condition, json!({ word: tests }));
    }
    let mut condition = with(condition, measure(chance, &["price", "price", "id", "status"]));
    if chance.happens(50) {
        condition["where"] = tests(chance, now, Of::Record, 0);
    }
    condition
}

/// A block of tests: a map of paths, a list of maps, or groups of such.
fn tests(chance: &mut Chance, now: Timestamp, of: Of, depth: u32) -> Value {
    if depth < 2 && chance.happens(18) {
        let list: Vec<Value> = (0..1 + chance.below(2)).map(|_| tests(chance, now, of, depth + 1)).collect();
        return match *chance.pick(&["any", "all", "none", ""]) {
            "" => list.into(),
            word => json!({ word: list }),
        };
    }
    let mut map = Map::new();
    for _ in 0..if chance.happens(70) { 1 } else { 2 } {
        let (path, test) = path_and_test(chance, now, of, depth);
        map.insert(path, test);
    }
    Value::Object(map)
}

fn path_and_test(chance: &mut Chance, now: Timestamp, of: Of, depth: u32) -> (String, Value) {
    let (values, times, lists): (&[&str], &[&str], &[&str]) = match of {
        Of::Event => (&["n", "kind", "kind", "[\"first name\"][\"a.b\"]"], &["when"], &["items"]),
        Of::Profile => {
            (&["plan", "plan", "score", "address.city", "tags"], &["ends", "born", "address.since"], &["tags"])
        }
        Of::Record => (&["status", "status", "price", "id"], &["ends"], &["lines"]),
        Of::Element => (&["kind", "price"], &["when"], &[]),
    };
    if chance.happens(4) {
        return (bad_path(chance).to_owned(), value_test(chance, ""));
    }
    let has_past = matches!(of, Of::Profile | Of::Record);
    let (path, test) = match chance.below(100) {
        0..15 if has_past => {
            let path = *chance.pick(if of == Of::Profile { &["plan", "address.city"] } else { &["status", "price"] });
            let held =
                chance.pick(&[json!("gold"), json!("active"), json!("active"), json!(10), json!("oslo")]).clone();
            let word = *chance.pick(&["at_least", "less_than"]);
            let held = json!({ "value": if path == "plan" { json!("gold") } else { held }, word: span(chance) });
            return (path.to_owned(), json!({ "held_for": held }));
        }
        0..35 => (*chance.pick(times), time_test(chance, now)),
        35..50 if depth < 2 && !lists.is_empty() => {
            let inner = tests(chance, now, Of::Element, depth + 1);
            (*chance.pick(lists), json!({ (*chance.pick(&["any", "every", "no_one"])): inner }))
        }
        // Now and then a test that the values are not made for.
        50..56 => (*chance.pick(values), time_test(chance, now)),
        56..60 => (*chance.pick(times), value_test(chance, "")),
        _ => {
            let path = *chance.pick(values);
            (path, value_test(chance, path))
        }
    };
    (path.to_owned(), test)
}

fn bad_path(chance: &mut Chance) -> &'static str {
    chance.pick::<&str>(&["!bad path", "a..b", "a.", "[\"x\"", "a[0]", "\"n\""])
}

/// A test of a value, mostly against what such a value may be.
fn value_test(chance: &mut Chance, path: &str) -> Value {
    let operand = match path {
        _ if chance.happens(20) => {
            chance.pick(&[json!("gold"), json!(10), json!("10"), json!(true), json!("tea")]).clone()
        }
        "plan" => chance.pick(&[json!("gold"), json!("basic"), json!("7")]).clone(),
        "status" => chance.pick(&[json!("active"), json!("paused")]).clone(),
        "address.city" => json!("Oslo"),
        "id" => chance.pick(&[json!("p1"), json!(10)]).clone(),
        "kind" => (*chance.pick(&KINDS)).into(),
        _ => (chance.between(-1, 5) * 5).into(),
    };
    let test = match chance.below(20) {
        0 => json!({ "is": operand }),
        1 => json!({ "is_not": operand }),
        2 => json!({ "in": [operand, 0] }),
        3 => json!({ "not_in": [operand, 0] }),
        4 => json!({ "exists": chance.happens(50) }),
        5 => return json!({ "above": 5 }),
        6 => return json!({ "at_most": 10 }),
        7 => return json!({ "below": "10.0" }),
        8 => return json!({ "between": [10, 20] }),
        9 => return json!({ "at_least": chance.between(-1, 2) * 5 }),
        10 => json!({ "contains": "U" }),
        11 => json!({ "not_contains": "ea" }),
        12 => json!({ "starts_with": "G" }),
        13 => json!({ "ends_with": "0" }),
        14 => json!({ "includes": operand }),
        15 => json!({ "not_includes": operand }),
        16 => json!({ "matches": chance.pick(&["^[a-z]+$", "1", "ß", "^$"]) }),
        17 => json!({ "is": Value::Null }),
        18 => json!({ "is_not": "" }),
        _ => json!({ "is": operand }),
    };
    let takes_case = test.get("exists").is_none();
    if takes_case && chance.happens(25) { with(test, json!({ "ignore_case": true })) } else { test }
}

fn time_test(chance: &mut Chance, now: Timestamp) -> Value {
    let shifts = ["now", "now+1d", "now-6h", "now+12h", "now-3d"];
    let test = match chance.below(9) {
        0 => json!({ "before": chance.pick(&shifts) }),
        1 => json!({ "after": chance.pick(&shifts) }),
        2 => json!({ "within_past": span(chance) }),
        3 => json!({ "within_next": span(chance) }),
        4 => json!({ (*chance.pick(&["after", "before"])): edge(chance, now) }),
        5 | 6 => json!({ "on_day": chance.pick(&["today", "yesterday", "tomorrow", "+3d", "-2d"]) }),
        7 => json!({ "anniversary": "today" }),
        _ => json!({ "anniversary": { "within_next": chance.pick(&["1d", "3d", "0d"]) } }),
    };
    with(test, zoned(chance))
}

/// One map with the entries of both.
fn with(mut into: Value, more: Value) -> Value {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
    into
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::EVENTS;
    use domain::Definition;
    use std::collections::BTreeSet;

    #[test]
    fn every_word_of_the_language_comes_up_and_every_rule_can_be_read() {
        let mut chance = Chance::new(1);
        let mut text = String::new();
        for _ in 0..600 {
            for value in segments(&mut chance, Timestamp(1_770_000_000_000)) {
                Definition::read(&value).unwrap_or_else(|error| panic!("{value}: {error}"));
                text.push_str(&value.to_string());
            }
        }
        let words = domain::segment::HEADS.iter().chain(domain::value::OPERATORS).collect::<BTreeSet<_>>();
        let missing: Vec<_> = words.into_iter().filter(|word| !text.contains(&format!("\"{word}\":"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert!(EVENTS.iter().all(|event| *event == "visit again" || text.contains(event)));
    }
}
