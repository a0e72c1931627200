//! Asked of chunks directly: people whose names stand in different tiles, and events that arrived late.

use super::bits::Bits;
use super::build::ChunkBuilder;
use super::chunk::TILE;
use super::evaluate::evaluate;
use super::question::{Live, Rules};
use crate::profile::Customer;
use crate::segment::plan::{Node, Plan};
use domain::definition::{Definition, Definitions};
use domain::{Call, CallKind, CustomerId, Position, Timestamp, Trust};
use serde_json::{Value, json};
use std::sync::Arc;

fn call(hour: i64, event: &str, body: &Value) -> Arc<Call> {
    Arc::new(Call {
        kind: CallKind::Track,
        message_id: "m".into(),
        user_id: Some("u".into()),
        anonymous_id: None,
        other_id: None,
        event: Some(event.into()),
        timestamp: Timestamp(hour * 3_600_000),
        received_at: Timestamp(0),
        source: "shop".into(),
        trust: Trust::Server,
        record: None,
        body: serde_json::value::to_raw_value(body).unwrap().into(),
        context: None,
    })
}

/// Who is meant by a rule at an hour, where name 5 and the name `FAR` are one person, and the name after it is another.
fn members(rule: &Value, chunks: &[&[(u32, Arc<Call>)]], hour: i64) -> Vec<u32> {
    let mut definitions = Definitions::new();
    definitions.put(Definition::read(&json!({"segment": "asked", "where": rule})).unwrap());
    let plan = Plan::new(&definitions);
    let mut position = 1;
    let build = |calls: &&[(u32, Arc<Call>)]| {
        let mut builder = ChunkBuilder::in_memory_from(Position(position));
        calls.iter().for_each(|(node, call)| builder.take(*node, call));
        position += calls.len() as u64;
        builder.in_memory().unwrap()
    };
    let built: Vec<_> = chunks.iter().map(build).collect();
    let built: Vec<_> = built.iter().collect();
    let mut persons: Vec<u32> = (0..=FAR + 1).collect();
    persons[FAR as usize] = 5;
    let people = [5, FAR + 1].map(|id| (CustomerId(id), Customer::new(Timestamp(0))));
    let now = Timestamp(hour * 3_600_000);
    let live = Live { held: &plan.held, clock: now };
    let asked: [&Node; 1] = [&plan.segments[0].rule];
    let customers = people.iter().map(|(id, customer)| (*id, customer));
    let rules = Rules::of(&plan, &asked, live, customers, now, persons.len()).unwrap();
    let found: Vec<Bits> = evaluate(&plan, &rules, &built, &persons).unwrap();
    found[0].iter().map(|id| id.0).collect()
}

/// A name in the second tile.
const FAR: u32 = TILE as u32 + 4_464;

#[test]
fn the_events_of_one_person_are_found_under_all_their_names() {
    let (order, tea, cups) = ("Order Completed", json!({"category": "tea"}), json!({"category": "cups"}));
    let first = [(5, call(1, order, &tea)), (FAR + 1, call(2, order, &tea))];
    // One that arrived late, and one of the same instant as another.
    let second = [(FAR, call(3, order, &cups)), (5, call(3, order, &tea)), (FAR, call(0, order, &cups))];
    let ask = |rule: Value| members(&rule, &[&first, &second], 10);
    assert_eq!(ask(json!({"did": order, "exactly": 4})), [5]);
    assert_eq!(ask(json!({"did": order, "exactly": 2, "where": {"category": {"is": "tea"}}})), [5]);
    assert_eq!(ask(json!({"did_not": order, "within": "8h"})), [FAR + 1]);
    assert_eq!(ask(json!({"did": order, "within": "8h", "at_least": 2})), [5]);
    assert_eq!(ask(json!({"first": order, "has": {"category": {"is": "cups"}}})), [5]);
    // Of one instant the one that arrived later is the last.
    assert_eq!(ask(json!({"last": order, "has": {"category": {"is": "tea"}}})), [5, FAR + 1]);
    assert_eq!(ask(json!({"did": order, "distinct": "category", "at_least": 2})), [5]);
    assert_eq!(ask(json!({"first_time": order, "within": "9h"})), [FAR + 1]);
    assert_eq!(ask(json!({"none": [{"did": "Never Done"}]})), [5, FAR + 1]);
}

#[test]
fn sums_are_exact_whatever_the_numbers_look_like() {
    let paid = |revenue: Value| call(1, "Order Completed", &json!({"revenue": revenue}));
    let orders = [
        (5, paid(json!("0.1"))),
        (FAR, paid(json!(0.2))),
        (5, paid(json!("no number"))),
        (FAR + 1, paid(json!(0.300001))),
        (FAR + 1, call(1, "Order Completed", &json!({}))),
    ];
    let ask = |orders: &[(u32, Arc<Call>)], limit: &str| {
        members(&json!({"did": "Order Completed", "sum": "revenue", "at_least": limit}), &[orders], 2)
    };
    assert_eq!(ask(&orders, "0.3"), [5, FAR + 1]);
    assert_eq!(ask(&orders, "0.300001"), [FAR + 1]);
    // Finer and larger numbers than are summed as integers.
    let fine = [(5, paid(json!("0.00000000000000000001"))), (FAR + 1, paid(json!("79000000000000000000000000000")))];
    assert_eq!(ask(&fine, "0.00000000000000000001"), [5, FAR + 1]);
    assert_eq!(ask(&fine, "1"), [FAR + 1]);
}
