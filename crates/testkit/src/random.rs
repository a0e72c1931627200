//! Random definitions and calls in the language that this version evaluates: small, so that things meet.

use crate::chance::Chance;
use domain::{Span, Timestamp};
use serde_json::{Map, Value, json};

/// Names of events that everybody uses.
pub const EVENTS: [&str; 3] = ["visit", "order", "visit again"];
const SPANS: [&str; 6] = ["90s", "1h", "6h", "1d", "3d", "10d"];
const ZONES: [&str; 4] = ["Europe/London", "Asia/Tokyo", "America/New_York", "UTC"];
const KINDS: [&str; 3] = ["tea", "Cup", "10"];

/// A random instant near another, on whole hours with a few a millisecond beside, so that edges are met.
pub fn near(chance: &mut Chance, now: Timestamp, back: Span, ahead: Span) -> Timestamp {
    let shift = chance.between(-back.0 / 3_600_000, ahead.0 / 3_600_000) * 3_600_000;
    let beside = if chance.happens(20) { chance.between(-1, 1) } else { 0 };
    Timestamp(now.0 - now.0.rem_euclid(3_600_000) + shift + beside)
}

/// Properties of an event.
pub fn properties(chance: &mut Chance, now: Timestamp) -> Value {
    let mut map = Map::new();
    if chance.happens(70) {
        let number = chance.between(0, 6) * 5;
        map.insert("n".into(), if chance.happens(20) { number.to_string().into() } else { number.into() });
    }
    if chance.happens(60) {
        map.insert("kind".into(), (*chance.pick(&KINDS)).into());
    }
    if chance.happens(30) {
        map.insert("when".into(), instant_text(chance, now));
    }
    if chance.happens(30) {
        let items: Vec<Value> = (0..chance.below(3))
            .map(|_| json!({ "kind": chance.pick(&KINDS), "price": chance.between(0, 9) }))
            .collect();
        map.insert("items".into(), items.into());
    }
    Value::Object(map)
}

/// Traits of a customer; some remove, some are of a strange kind.
pub fn traits(chance: &mut Chance, now: Timestamp) -> Value {
    let mut map = Map::new();
    if chance.happens(50) {
        map.insert(
            "plan".into(),
            chance.pick(&[json!("gold"), json!("basic"), json!(null), json!(""), json!(7)]).clone(),
        );
    }
    if chance.happens(40) {
        map.insert(
            "score".into(),
            chance.pick(&[json!(0), json!(10), json!("10.0"), json!(12.5), json!("many"), json!([])]).clone(),
        );
    }
    if chance.happens(40) {
        map.insert("ends".into(), instant_text(chance, now));
    }
    if chance.happens(25) {
        map.insert(
            "timezone".into(),
            chance
                .pick(&[
                    json!("Europe/London"),
                    json!("Asia/Tokyo"),
                    json!("America/New_York"),
                    json!("Mars"),
                    json!(null),
                ])
                .clone(),
        );
    }
    if chance.happens(25) {
        map.insert("tags".into(), chance.pick(&[json!(["tea", "cup"]), json!([]), json!("tea"), json!([10])]).clone());
    }
    Value::Object(map)
}

fn instant_text(chance: &mut Chance, now: Timestamp) -> Value {
    let at = near(chance, now, Span::days(8), Span::days(8));
    let text = at.to_string();
    match chance.below(5) {
        0 => text.get(..10).unwrap_or("").into(),
        1 => text.get(..16).map(|text| format!("{text}:00")).unwrap_or_default().into(),
        2 => "no instant".into(),
        _ => text.into(),
    }
}

/// A call of one of a few people, dated now, late or ahead. Without a time where it is now.
pub fn call(chance: &mut Chance, now: Timestamp) -> Value {
    let mut call = match chance.below(100) {
        0..45 => json!({ "type": "track", "event": chance.pick(&EVENTS), "properties": properties(chance, now) }),
        45..75 => json!({ "type": "identify", "traits": traits(chance, now) }),
        75..80 => json!({ "type": "page", "name": "Start", "properties": properties(chance, now) }),
        80..85 => json!({ "type": "track", "event": "List Changed", "properties": {
            "list": "vip", "member": chance.happens(60), "source": chance.pick(&[json!("person"), json!(null)]),
        } }),
        85..93 => json!({ "type": "track", "event": "Consent Changed", "properties": {
            "purpose": "news", "status": chance.pick(&["granted", "withdrawn"]), "channel": chance.pick(&[json!("email"), json!("sms"), json!(null)]),
            "expires": if chance.happens(40) { near(chance, now, Span::days(1), Span::days(8)).to_string().into() } else { Value::Null },
        } }),
        93..95 => json!({ "type": "track", "event": "Unsubscribed", "properties": { "purpose": "news" } }),
        _ => json!({ "type": "alias" }),
    };
    let users = ["u1", "u2", "u3"];
    let visitors = ["v1", "v2"];
    let is_alias = call["type"] == "alias";
    if is_alias {
        call["userId"] = (*chance.pick(&users)).into();
        call["previousId"] = (*chance.pick(&["u1", "u2", "u3", "v1", "v2", "w"])).into();
    } else {
        let both = chance.happens(12);
        if both || chance.happens(70) {
            call["userId"] = (*chance.pick(&users)).into();
        }
        if both || call.get("userId").is_none() {
            call["anonymousId"] = (*chance.pick(&visitors)).into();
        }
    }
    match chance.below(10) {
        0..6 => {}
        6..9 => call["timestamp"] = near(chance, now, Span::days(9), Span(0)).to_string().into(),
        _ => call["timestamp"] = near(chance, now, Span(0), Span::days(5)).to_string().into(),
    }
    call
}

/// A few segments, some made of others. Their names are `s0`, `s1` …
pub fn segments(chance: &mut Chance, now: Timestamp) -> Vec<Value> {
    let count = 2 + chance.below(3);
    (0..count)
        .map(|number| json!({ "segment": format!("s{number}"), "where": condition(chance, now, number, 0) }))
        .collect()
}

fn condition(chance: &mut Chance, now: Timestamp, number: u64, depth: u32) -> Value {
    if depth < 3 && chance.happens(45) {
        let inner = |chance: &mut Chance| condition(chance, now, number, depth + 1);
        if chance.happens(25) {
            return json!({ "not": inner(chance) });
        }
        let word = *chance.pick(&["all", "any", "none"]);
        let list: Vec<Value> = (0..1 + chance.below(3)).map(|_| inner(chance)).collect();
        return json!({ word: list });
    }
    match chance.below(100) {
        0..8 if number > 0 => json!({ "segment": format!("s{}", chance.below(number)) }),
        0..10 => json!({ "everyone": true }),
        10..30 => trait_condition(chance, now),
        30..36 => json!({ "list": "vip" }),
        36..44 => {
            let mut asked =
                json!({ "purpose": "news", "is": chance.pick(&["granted", "withdrawn", "expired", "unknown"]) });
            if chance.happens(60) {
                asked["channel"] = (*chance.pick(&["email", "sms"])).into();
            }
            json!({ "consent": asked })
        }
        44..50 => json!({ "known_for": { (*chance.pick(&["at_least", "less_than"])): chance.pick(&SPANS) } }),
        50..53 => json!({ "bucket": { "seed": "s", "percent": 50 } }),
        _ => did_condition(chance, now),
    }
}

fn trait_condition(chance: &mut Chance, now: Timestamp) -> Value {
    let key = *chance.pick(&["plan", "score", "ends", "tags", "ends", "!bad path"]);
    let mut condition = if key == "ends" { time_test(chance, now) } else { value_test(chance) };
    condition["trait"] = key.into();
    condition
}

fn value_test(chance: &mut Chance) -> Value {
    let operand = chance.pick(&[json!("gold"), json!(10), json!("tea"), json!("Cup"), json!("10")]).clone();
    match chance.below(14) {
        0 => json!({ "is": operand }),
        1 => json!({ "is_not": operand }),
        2 => json!({ "in": [operand, 0] }),
        3 => json!({ "not_in": [operand, 0] }),
        4 => json!({ "exists": chance.happens(50) }),
        5 => json!({ "above": 5 }),
        6 => json!({ "at_most": 10 }),
        7 => json!({ "below": "10.0" }),
        8 => json!({ "between": [10, 20] }),
        9 => json!({ "contains": "U", "ignore_case": true }),
        10 => json!({ "not_contains": "ea" }),
        11 => json!({ "includes": operand }),
        12 => json!({ "not_includes": operand }),
        _ => json!({ "matches": "^[a-z]+$" }),
    }
}

fn time_test(chance: &mut Chance, now: Timestamp) -> Value {
    let mut test = match chance.below(7) {
        0 => json!({ "before": chance.pick(&["now", "now+1d", "now-6h"]) }),
        1 => json!({ "after": chance.pick(&["now", "now+1d", "now-6h"]) }),
        2 => json!({ "within_past": chance.pick(&SPANS) }),
        3 => json!({ "within_next": chance.pick(&SPANS) }),
        4 => json!({ "after": near(chance, now, Span::days(5), Span::days(5)).to_string().get(..10) }),
        _ => json!({ "on_day": chance.pick(&["today", "yesterday", "tomorrow", "+3d", "-2d"]) }),
    };
    if chance.happens(25) {
        test["zone"] = (*chance.pick(&ZONES)).into();
    }
    test
}

fn did_condition(chance: &mut Chance, now: Timestamp) -> Value {
    let event = *chance.pick(&["visit", "order", "visit*", "Page Viewed", "never"]);
    let mut condition = if chance.happens(20) { json!({ "did_not": event }) } else { json!({ "did": event }) };
    if condition.get("did").is_some() {
        let entries = match chance.below(12) {
            0 => json!({ "at_least": 2 }),
            1 => json!({ "at_most": 1 }),
            2 => json!({ "exactly": chance.below(3) }),
            3 => json!({ "more_than": 1, "fewer_than": 4 }),
            4 => json!({ "sum": "n", "at_least": 20 }),
            5 => json!({ "average": "n", "above": 10 }),
            6 => json!({ "largest": "n", "at_least": 25 }),
            7 => json!({ "smallest": "n", "below": 10 }),
            8 => json!({ "distinct": "kind", "at_least": 2 }),
            9 => json!({ "sum": "n", "below": 15 }),
            _ => json!({}),
        };
        merge(&mut condition, &entries);
    }
    if chance.happens(55) {
        condition["within"] = (*chance.pick(&SPANS)).into();
    }
    if chance.happens(20) {
        condition["within_days"] = chance.below(4).into();
    }
    if chance.happens(12) {
        let edge = near(chance, now, Span::days(8), Span::days(4)).to_string();
        let edge = if chance.happens(50) { edge.get(..10).unwrap_or("").to_owned() } else { edge };
        condition[*chance.pick(&["after", "before"])] = edge.into();
    }
    if chance.happens(20) {
        condition["zone"] = (*chance.pick(&ZONES)).into();
    }
    if chance.happens(35) {
        let mut filter = match chance.below(6) {
            0 => json!({ "when": time_test(chance, now) }),
            1 => {
                json!({ "items": { (*chance.pick(&["any", "every", "no_one"])): { "kind": { "is": "tea" }, "price": { "above": 4 } } } })
            }
            2 => json!({ "any": [ { "n": { "above": 10 } }, { "kind": { "is": "tea" } } ] }),
            _ => json!({ "n": { "at_least": 10 } }),
        };
        if chance.happens(30) {
            filter["kind"] = value_test(chance);
        }
        condition["where"] = filter;
    }
    condition
}

fn merge(into: &mut Value, from: &Value) {
    if let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) {
        into.extend(from.clone());
    }
}
