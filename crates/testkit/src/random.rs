//! Random calls and definitions in the whole language: few names, few values and times on a small grid, so that
//! things meet and edges are hit.

mod rules;

use crate::chance::Chance;
use domain::{Span, Timestamp};
use serde_json::{Map, Value, json};

pub use rules::{purpose, segments};

/// Names of events that everybody uses.
pub const EVENTS: [&str; 3] = ["visit", "order", "visit again"];
/// Names under which calls come: userIds.
pub const USERS: [&str; 3] = ["u1", "u2", "u3"];
/// Names under which calls come: anonymousIds.
pub const VISITORS: [&str; 2] = ["v1", "v2"];
const ZONES: [&str; 5] = ["Europe/London", "Asia/Tokyo", "America/New_York", "Asia/Kathmandu", "UTC"];
const KINDS: [&str; 3] = ["tea", "Cup", "10"];
/// Kinds of records.
const RECORD_KINDS: [&str; 2] = ["pass", "parcel"];

/// A random instant near another, on whole hours, mostly on the quarters of a day, with a few a millisecond beside.
pub fn near(chance: &mut Chance, now: Timestamp, back: Span, ahead: Span) -> Timestamp {
    let grid = if chance.happens(60) { Span::hours(6).0 } else { Span::hours(1).0 };
    let shift = chance.between(-back.0 / grid, ahead.0 / grid) * grid;
    let beside = if chance.happens(20) { chance.between(-1, 1) } else { 0 };
    Timestamp(now.0 - now.0.rem_euclid(grid) + shift + beside)
}

/// A value of any kind, also such as no operator can use.
fn value(chance: &mut Chance) -> Value {
    match chance.below(18) {
        0 => Value::Null,
        1 => "".into(),
        2 => 0.into(),
        3 => json!([]),
        4 => json!({}),
        5 => json!(["tea", 10]),
        6 => json!({ "tea": 1 }),
        7 => chance.happens(50).into(),
        8 => "true".into(),
        9 => "10.0".into(),
        10 => json!(-2.5),
        11 => "ten".into(),
        12 => json!("Straße 10"),
        13 => json!(1e3),
        _ => (*chance.pick(&KINDS)).into(),
    }
}

fn number(chance: &mut Chance) -> Value {
    let number = chance.between(-1, 5) * 5;
    match chance.below(10) {
        0 => number.to_string().into(),
        1 => format!("{number}.0").into(),
        2 => json!(0.1),
        3 => value(chance),
        _ => number.into(),
    }
}

/// Lists of objects, of plain values, and what is no list.
fn items(chance: &mut Chance, now: Timestamp) -> Value {
    if chance.happens(10) {
        return value(chance);
    }
    let item = |chance: &mut Chance| match chance.below(8) {
        0 => (*chance.pick(&KINDS)).into(),
        1 => json!({ "kind": chance.pick(&KINDS), "when": instant_text(chance, now) }),
        _ => json!({ "kind": chance.pick(&KINDS), "price": chance.between(0, 9) }),
    };
    Value::Array((0..chance.below(4)).map(|_| item(chance)).collect())
}

/// Properties of an event.
pub fn properties(chance: &mut Chance, now: Timestamp) -> Value {
    let mut map = Map::new();
    if chance.happens(80) {
        map.insert("n".into(), number(chance));
    }
    if chance.happens(75) {
        map.insert("kind".into(), if chance.happens(15) { value(chance) } else { (*chance.pick(&KINDS)).into() });
    }
    if chance.happens(35) {
        map.insert("when".into(), instant_text(chance, now));
    }
    if chance.happens(30) {
        map.insert("items".into(), items(chance, now));
    }
    if chance.happens(10) {
        map.insert("first name".into(), json!({ "a.b": number(chance) }));
    }
    Value::Object(map)
}

/// Traits of a customer; some remove, some are of a strange kind.
pub fn traits(chance: &mut Chance, now: Timestamp) -> Value {
    let mut map = Map::new();
    if chance.happens(55) {
        let plans = [json!("gold"), json!("gold"), json!("basic"), json!(null), json!(""), json!(7)];
        map.insert("plan".into(), chance.pick(&plans).clone());
    }
    if chance.happens(40) {
        map.insert("score".into(), number(chance));
    }
    if chance.happens(40) {
        map.insert("ends".into(), instant_text(chance, now));
    }
    if chance.happens(25) {
        let zones = ["Europe/London", "Asia/Tokyo", "America/New_York", "Asia/Kathmandu", "Mars", ""];
        map.insert("timezone".into(), (*chance.pick(&zones)).into());
    }
    if chance.happens(30) {
        map.insert("tags".into(), items(chance, now));
    }
    if chance.happens(25) {
        map.insert(
            "address".into(),
            json!({ "city": chance.pick(&["Oslo", "oslo"]), "since": instant_text(chance, now) }),
        );
    }
    if chance.happens(30) {
        map.insert("born".into(), birthday(chance, now));
    }
    Value::Object(map)
}

/// Dates whose anniversary is near, and those around the end of February.
fn birthday(chance: &mut Chance, now: Timestamp) -> Value {
    if chance.happens(30) {
        return instant_text(chance, now);
    }
    let fixed = ["02-29", "2000-02-29", "1996-02-29T23:30:00Z", "1990-03-01", "02-28", "12-31", "1970-01-01", "02-30"];
    if chance.happens(50) {
        return (*chance.pick(&fixed)).into();
    }
    let text = near(chance, now, Span::days(4), Span::days(6)).to_string();
    match chance.below(3) {
        0 => text.get(5..10).unwrap_or("").into(),
        1 => format!("1987{}", text.get(4..10).unwrap_or("")).into(),
        _ => format!("1987{}", text.get(4..).unwrap_or("")).into(),
    }
}

fn instant_text(chance: &mut Chance, now: Timestamp) -> Value {
    let at = near(chance, now, Span::days(8), Span::days(8));
    let text = at.to_string();
    match chance.below(8) {
        0 | 1 => text.get(..10).unwrap_or("").into(),
        2 => text.get(..16).map(|text| format!("{text}:00")).unwrap_or_default().into(),
        3 => "no instant".into(),
        4 => format!("{}+02:00", text.trim_end_matches('Z')).into(),
        _ => text.into(),
    }
}

/// What is said of a record.
fn record(chance: &mut Chance, now: Timestamp) -> Value {
    let mut attributes = Map::new();
    if chance.happens(60) {
        let states = [json!("active"), json!("active"), json!("paused"), json!(null), json!("Active")];
        attributes.insert("status".into(), chance.pick(&states).clone());
    }
    if chance.happens(50) {
        attributes.insert("price".into(), number(chance));
    }
    if chance.happens(40) {
        attributes.insert("ends".into(), instant_text(chance, now));
    }
    if chance.happens(15) {
        attributes.insert("lines".into(), items(chance, now));
    }
    if chance.happens(5) {
        attributes.insert("id".into(), "mine".into());
    }
    let mut call = json!({
        "type": "record", "kind": chance.pick(&RECORD_KINDS), "recordId": chance.pick(&["p1", "p1", "p2", "10"]), "attributes": attributes,
    });
    match chance.below(12) {
        0 | 1 => call["left"] = true.into(),
        2 => call["deleted"] = true.into(),
        _ => {}
    }
    call
}

/// Somebody says something about being written to.
fn consent(chance: &mut Chance, now: Timestamp) -> Value {
    let mut aside = chance.aside(1);
    let status = *chance.pick(&["granted", "withdrawn"]);
    let status = if status == "granted" && aside.happens(20) { "pending" } else { status };
    json!({ "type": "track", "event": "Consent Changed", "properties": {
        "purpose": "news", "status": status, "channel": chance.pick(&[json!("email"), json!("sms"), json!(null)]),
        "expires": if chance.happens(40) { near(chance, now, Span::days(1), Span::days(8)).to_string().into() } else { Value::Null },
        "basis": aside.pick(&[json!("express"), json!("implied"), json!(null)]),
        "source": aside.pick(&[json!("order"), json!("shop"), json!(null)]),
        "confirmed": aside.pick(&[json!(true), json!(null), json!(null)]),
    } })
}

/// A call of one of a few people, dated now, late or ahead. Without a time where it is now.
pub fn call(chance: &mut Chance, now: Timestamp) -> Value {
    let mut call = match chance.below(100) {
        0..40 => json!({ "type": "track", "event": chance.pick(&EVENTS), "properties": properties(chance, now) }),
        40..60 => json!({ "type": "identify", "traits": traits(chance, now) }),
        60..75 => record(chance, now),
        75..78 => json!({ "type": "page", "name": "Start", "properties": properties(chance, now) }),
        78..80 => json!({ "type": "group", "groupId": "g", "traits": traits(chance, now) }),
        80..85 => json!({ "type": "track", "event": "List Changed", "properties": {
            "list": "vip", "member": chance.happens(60), "source": chance.pick(&[json!("person"), json!(null)]),
        } }),
        85..93 => consent(chance, now),
        93..95 => json!({ "type": "track", "event": "Unsubscribed", "properties": { "purpose": "news" } }),
        _ => json!({ "type": "alias" }),
    };
    let is_alias = call["type"] == "alias";
    if is_alias {
        call["userId"] = (*chance.pick(&USERS)).into();
        call["previousId"] = (*chance.pick(&["u1", "u2", "u3", "v1", "v2", "w"])).into();
    } else {
        let both = chance.happens(12);
        if both || chance.happens(70) {
            call["userId"] = (*chance.pick(&USERS)).into();
        }
        if both || call.get("userId").is_none() {
            call["anonymousId"] = (*chance.pick(&VISITORS)).into();
        }
    }
    match chance.below(10) {
        0..6 => {}
        6..9 => call["timestamp"] = near(chance, now, Span::days(9), Span(0)).to_string().into(),
        _ => call["timestamp"] = near(chance, now, Span(0), Span::days(5)).to_string().into(),
    }
    if chance.happens(6) {
        // Of the same id only the first one counts, whatever the others say.
        call["messageId"] = format!("m{}", chance.below(4)).into();
    }
    call
}
